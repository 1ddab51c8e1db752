"""Checks of how much is received: routes, and the addresses that they cover, compared with the usual level."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from ermon.checks import needs
from ermon.checks.check import Acceptable, AcceptanceStep, Check, Section, Tested
from ermon.checks.edge_table import (
    SERVICE,
    TAGGED,
    brings_routes,
    community_text,
    link_topics,
    microsoft_circuits,
    set_topics,
    shown,
    table_topics,
)
from ermon.checks.facts import Amount, Facts
from ermon.checks.subject import OK, UNKNOWN, Evidence, Learns, Subject, Verdict, link_labels, violated
from ermon.checks.topics import Counted, link_topic, seen_topic, table_topic
from ermon.model.inventory import Config, Link, Peering, Service, View
from ermon.model.prefixes import FAMILY_NAMES
from ermon.model.settings import Severity

FEWEST_USUAL_ROUTES = 5
"""The fewest usual routes of a service that are judged in percent: of fewer, a single route is too large a share."""

SPOIL_RECEIVED = ("prefix-missing", "service-missing", "link-asymmetry", "drain")
"""While one of these is violated, a steady level is not learned as usual: the circuit does not receive what it
should.
"""


# The arithmetic --------------------------------------------------------------------------------------


def too_few(amount: Amount, minimum: int | None, usual: Amount | None, drop_percent: float | None) -> bool:
    """Return whether there are fewer routes than ``minimum``, or both routes and addresses are more than
    ``drop_percent`` below the usual level. If routes are only aggregated, no address is lost; if one large prefix goes,
    hardly any route is.
    """
    if minimum is not None and amount.routes < minimum:
        return True
    if usual is None or drop_percent is None:
        return False
    left = (100 - drop_percent) / 100
    return all(one < other * left for one, other in zip(amount, usual, strict=True))


def counted_details(amount: Amount, minimum: int | None, usual: Amount | None) -> dict[str, Any]:
    """Return the evidence of a count that is too low."""
    details: dict[str, Any] = {"routes": int(amount.routes), "minimum": minimum or 0, "usual": None}
    if usual is not None and usual.routes > amount.routes:
        details["compared"] = [f"{amount.routes:.0f} instead of the usual {usual.routes:.0f}"]
    elif minimum:
        details["compared"] = [f"{amount.routes:.0f}, below the minimum of {minimum}"]
    if usual is not None:
        lost = {
            name: _lost(one, other) for name, one, other in zip(Amount._fields, amount, usual, strict=True)
        }
        details |= {"usual": usual.routes, "lost_percent": lost}
    return details


def _lost(amount: float, usual: float) -> int:
    return round(100 * (usual - amount) / usual) if amount < usual else 0


# Of a link -------------------------------------------------------------------------------------------


def prefix_count_low(config: Config) -> Iterator[Subject]:
    for circuit in config.circuits.values():
        drop_percent = circuit.receive.drop_percent
        for link in circuit.links.values():
            for family in link.families:
                minimum = circuit.receive.minimum.get(family)
                if minimum is None and drop_percent is None:
                    continue
                counted = Counted("received", link.key, family)
                labels = (*link_labels(link), ("family", family))
                topics = {link_topic(link.key, family), table_topic(link.key, family), seen_topic(family)}
                judge = partial(_prefix_count_low, link, counted, minimum, drop_percent)
                learns = None if drop_percent is None else Learns((counted,), drop_percent, SPOIL_RECEIVED)
                yield Subject("prefix-count-low", labels, frozenset(topics), judge, learns=learns)


def _prefix_count_low(
    link: Link, counted: Counted, minimum: int | None, drop_percent: float | None, facts: Facts
) -> Verdict:
    if not facts.seen(counted.family):
        return UNKNOWN
    amount = facts.amount(counted)
    usual = None if drop_percent is None else facts.usual(counted)
    if not too_few(amount, minimum, usual, drop_percent):
        return OK
    if not facts.deciders(link.key, counted.family):
        return UNKNOWN
    return violated(Evidence(routers=(link.router,), details=counted_details(amount, minimum, usual)))


PREFIX_COUNT_LOW = Check(
    name="prefix-count-low",
    section=Section.RECEIVED,
    severity=Severity.WARNING,
    raise_after=60,
    clear_after=60,
    symptom=True,
    subjects=prefix_count_low,
    labels=("circuit", "link", "family"),
    summary="Link {link} of circuit {circuit} receives too few {family} routes[: {compared}|]",
    named_evidence=("compared",),
    needs=needs.link_state,
    views=(View.EDGE_TABLE,),
    acceptance=Tested(AcceptanceStep.COUNTS),
    acceptable=Acceptable.LEVEL,
)


# Of a service ----------------------------------------------------------------------------------------


def service_count_low(config: Config) -> Iterator[Subject]:
    for circuit in microsoft_circuits(config):
        for service in circuit.receive.services:
            drop_percent = service.drop_percent
            if drop_percent is None:
                drop_percent = circuit.receive.drop_percent
            if service.minimum is None and drop_percent is None:
                continue
            for link in circuit.links.values():
                yield _service_subject(link, service, drop_percent)


def _service_subject(link: Link, service: Service, drop_percent: float | None) -> Subject:
    community = community_text(service.community)
    counted = tuple(Counted("service", link.key, family, community) for family in link.families)
    topics = (
        link_topics((link,))
        | table_topics(link)
        | set_topics(link, TAGGED)
        | set_topics(link, SERVICE, community)
    )
    labels = (*link_labels(link), ("ms_service", service.name))
    judge = partial(_service_count_low, link, counted, service.minimum, drop_percent)
    learns = Learns(counted, drop_percent or 0.0, SPOIL_RECEIVED)
    return Subject("service-count-low", labels, frozenset(topics), judge, learns=learns)


def _service_count_low(
    link: Link, services: tuple[Counted, ...], minimum: int | None, drop_percent: float | None, facts: Facts
) -> Verdict:
    """A family in which the service has never been received is not judged: ``minimum`` applies to families that have
    it.
    """
    low: dict[str, dict[str, Any]] = {}
    unknown = present = False
    for counted in services:
        decided = bool(facts.deciders(link.key, counted.family))
        amount, usual = facts.amount(counted), facts.usual(counted)
        if not amount.routes and not (decided and usual and usual.routes):
            unknown |= not decided
            continue
        present = True
        if usual is not None and usual.routes < FEWEST_USUAL_ROUTES:
            usual = None
        if too_few(amount, minimum, usual, drop_percent):
            unknown |= not decided
            if decided:
                low[counted.family] = counted_details(amount, minimum, usual)
    if brings_routes(facts, link) and not shown(facts, link, TAGGED):
        return UNKNOWN  # the router sends no communities: see communities-missing
    if low or (minimum and not present and not unknown):
        compared = [
            f"{text} in {FAMILY_NAMES[family]}"
            for family, details in low.items()
            for text in details.pop("compared")
        ] or [f"0, below the minimum of {minimum}"]
        return violated(Evidence(routers=(link.router,), details={**low, "compared": compared}))
    return UNKNOWN if unknown else OK


SERVICE_COUNT_LOW = Check(
    name="service-count-low",
    section=Section.RECEIVED,
    severity=Severity.WARNING,
    raise_after=60,
    clear_after=60,
    symptom=True,
    subjects=service_count_low,
    labels=("circuit", "link", "ms_service"),
    summary="Link {link} of circuit {circuit} receives too few routes of {ms_service}[: {compared}|]",
    named_evidence=("compared",),
    needs=needs.link_state,
    peering=Peering.MICROSOFT,
    views=(View.EDGE_TABLE,),
    acceptance=Tested(AcceptanceStep.COUNTS),
    acceptable=Acceptable.LEVEL,
)
