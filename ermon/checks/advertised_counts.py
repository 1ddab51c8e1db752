"""The check of how many prefixes are advertised to Microsoft, compared with the usual number."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ermon.checks import needs
from ermon.checks.check import Acceptable, AcceptanceStep, Check, Section, Tested
from ermon.checks.counts import counted_details, too_few
from ermon.checks.facts import Facts, link_in_doubt
from ermon.checks.mirror import ADVERTISED, MirroredLink, mirrored
from ermon.checks.subject import OK, UNKNOWN, Evidence, Learns, Subject, Verdict, link_labels, violated
from ermon.checks.topics import Counted
from ermon.model.inventory import Config, View
from ermon.model.settings import Severity


def advertised_count_low(config: Config) -> Iterator[Subject]:
    for circuit in config.circuits.values():
        drop_percent = circuit.advertise.drop_percent
        if drop_percent is None:
            continue
        for link in circuit.links.values():
            mirror = mirrored(config, link)
            for family in mirror.families:
                counted = Counted("advertised", link.key, family)
                labels = (*link_labels(link), ("family", family))
                topics = frozenset(mirror.topics((family,), ADVERTISED))
                judge = partial(_advertised_count_low, mirror, counted, drop_percent)
                learns = Learns((counted,), drop_percent)
                yield Subject("advertised-count-low", labels, topics, judge, learns=learns)


def _advertised_count_low(link: MirroredLink, counted: Counted, drop_percent: float, facts: Facts) -> Verdict:
    """Only the mirror counts, not the link's state: a link that is down is no mistake of the advertisement."""
    if not link.in_sync(facts, counted.family):
        return UNKNOWN
    amount, usual = facts.amount(counted), facts.usual(counted)
    if too_few(amount, None, usual, drop_percent):
        return violated(Evidence(routers=(link.link.router,), details=counted_details(amount, None, usual)))
    return UNKNOWN if link_in_doubt(facts, link.link, counted.family) else OK


ADVERTISED_COUNT_LOW = Check(
    name="advertised-count-low",
    section=Section.ADVERTISED,
    severity=Severity.WARNING,
    raise_after=60,
    clear_after=60,
    symptom=True,
    subjects=advertised_count_low,
    labels=("circuit", "link", "family"),
    summary="Link {link} of circuit {circuit} advertises far fewer {family} prefixes than usual[: {compared}|]",
    named_evidence=("compared",),
    needs=needs.link_mirror,
    views=(View.TO_MICROSOFT,),
    acceptance=Tested(AcceptanceStep.COUNTS),
    acceptable=Acceptable.LEVEL,
)
