"""Checks of what must be advertised to Microsoft besides the pools: by a circuit, and by those that back it up."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ermon.checks import needs
from ermon.checks.check import AcceptanceStep, Check, Section, Tested
from ermon.checks.facts import Facts, link_down
from ermon.checks.mirror import AFTER_MISSING, DEFAULT, REQUIRED, MirroredLink, mirrored
from ermon.checks.subject import OK, UNKNOWN, Evidence, Subject, Verdict, violated
from ermon.checks.topics import RouteSet
from ermon.model.inventory import Config, Severity, View
from ermon.model.prefixes import FAMILIES, Family, Prefix


def prefix_not_advertised(config: Config) -> Iterator[Subject]:
    """A site whose prefix no link advertises cannot be reached from Azure."""
    for circuit in config.circuits.values():
        links = tuple(mirrored(config, link) for link in circuit.links.values())
        for family in FAMILIES:
            required = tuple(sorted({p for p in circuit.advertise.required if p.family == family}))
            if required and any(link.has_family(family) for link in links):
                topics = {topic for link in links for topic in link.topics((family,), REQUIRED)}
                if any(prefix.is_default for prefix in required):
                    topics.update(topic for link in links for topic in link.topics((family,), DEFAULT))
                labels = (("circuit", circuit.name), ("family", family))
                judge = partial(_prefix_not_advertised, links, family, required)
                yield Subject("prefix-not-advertised", labels, frozenset(topics), judge)


def _prefix_not_advertised(
    links: tuple[MirroredLink, ...], family: Family, required: tuple[Prefix, ...], facts: Facts
) -> Verdict:
    """One link that advertises a prefix is enough: what is on one only is ``advertised-asymmetry``."""
    missing: list[Prefix] = []
    unknown = False
    for prefix in required:
        answers = {_advertises(facts, link, family, prefix) for link in links}
        if True not in answers:
            if None in answers:
                unknown = True
            else:
                missing.append(prefix)
    if missing:
        return violated(Evidence(prefixes=missing, routers=[link.link.router for link in links]))
    return UNKNOWN if unknown else OK


def _advertises(facts: Facts, link: MirroredLink, family: Family, prefix: Prefix) -> bool | None:
    """Return whether the link advertises all of ``prefix``; ``None``: not known."""
    if link_down(facts, link.link, family):
        return False
    in_sync = [feed for feed in link.feeds if facts.in_sync(feed.name, family)]
    if not in_sync:
        return None
    if prefix.is_default:
        shown = any(facts.matching(feed.name, RouteSet(DEFAULT, family)) for feed in in_sync)
    else:
        shown = any(facts.covers(feed.name, prefix) for feed in in_sync)
    return link.unless_in_doubt(facts, family, shown)


PREFIX_NOT_ADVERTISED = Check(
    name="prefix-not-advertised",
    section=Section.ADVERTISED,
    severity=Severity.CRITICAL,
    raise_after=60,
    clear_after=30,
    subjects=prefix_not_advertised,
    labels=("circuit", "family"),
    summary="No link of circuit {circuit} advertises what it must ({family})",
    needs=needs.circuit_mirrors,
    views=(View.TO_MICROSOFT,),
    suppresses=AFTER_MISSING,
    acceptance=Tested(AcceptanceStep.POOLS, place=2),
)
