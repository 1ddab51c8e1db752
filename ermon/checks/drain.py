"""Checks of drains: Microsoft prepends its ASN on a link that it is about to work on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from ermon.checks import needs
from ermon.checks.check import AcceptanceStep, Check, NotTested, Parameter, Section, Tested
from ermon.checks.edge_table import decided, link_topics
from ermon.checks.facts import Facts
from ermon.checks.redundancy import AFTER_LINK_LOSS
from ermon.checks.subject import OK, UNKNOWN, Evidence, Subject, Verdict, link_labels, violated
from ermon.checks.topics import Topic, drain_topic
from ermon.model.findings import LinkState, Status
from ermon.model.inventory import Circuit, Config, Link, Severity, View
from ermon.model.prefixes import Family

DRAIN_REPEATS = Parameter(
    "drain",
    "repeats",
    4,
    "count",
    "Where 12076 usually stands once, so many in a row mark a path that is being drained.",
)
DRAIN_PERCENT = Parameter(
    "drain", "percent", 50.0, "percent", "The link drains when more of its paths than this are marked."
)


def drain(config: Config) -> Iterator[Subject]:
    """Microsoft prepends its ASN on the routes of a link that it is about to work on (Microsoft,
    "Planned maintenance guidance for ExpressRoute").
    """
    for circuit, links, topics in _circuits(config):
        for link in circuit.links.values():
            yield Subject("drain", link_labels(link), topics, partial(_drain, links, link))


def _circuits(config: Config) -> Iterator[tuple[Circuit, tuple[Link, ...], frozenset[Topic]]]:
    for circuit in config.circuits.values():
        links = tuple(circuit.links.values())
        yield circuit, links, frozenset(link_topics(links) | {drain_topic(link.key) for link in links})


def _drain(links: tuple[Link, ...], link: Link, facts: Facts) -> Verdict:
    if families := _drained(facts, link):
        quiets = [
            family
            for family in families
            if not facts.drain_overdue(link.key, family) and _carried(facts, links, link, family)
        ]
        return Verdict(Status.VIOLATED, _evidence(facts, link, families), quiets=frozenset(quiets))
    return OK if decided(facts, link) else UNKNOWN


def _drained(facts: Facts, link: Link) -> list[Family]:
    return [family for family in link.families if facts.draining(link.key, family)]


def _evidence(facts: Facts, link: Link, families: Iterable[Family]) -> Evidence:
    routes = facts.drained_paths(link.key)
    return Evidence(routes=routes, routers=(link.router,), details={"families": list(families)})


def _carried(facts: Facts, links: tuple[Link, ...], link: Link, family: Family) -> bool:
    """Return whether another link is up and not drained: it carries the traffic of this one."""
    return any(
        family in other.families
        and facts.link_state(other.key, family) is LinkState.UP
        and not facts.draining(other.key, family)
        for other in links
        if other is not link
    )


DRAIN = Check(
    name="drain",
    section=Section.RECEIVED,
    severity=Severity.INFO,
    raise_after=0,
    clear_after=60,
    subjects=drain,
    labels=("circuit", "link"),
    summary="Microsoft is draining link {link} of circuit {circuit}",
    needs=needs.link_state,
    views=(View.EDGE_TABLE,),
    parameters=(DRAIN_REPEATS, DRAIN_PERCENT),
    suppresses=("link-down", *AFTER_LINK_LOSS),
    acceptance=Tested(AcceptanceStep.STEADY),
)


def drain_both(config: Config) -> Iterator[Subject]:
    for circuit, links, topics in _circuits(config):
        labels = (("circuit", circuit.name),)
        yield Subject("drain-both", labels, topics, partial(_drain_both, links))


def _drain_both(links: tuple[Link, ...], facts: Facts) -> Verdict:
    """Every link must be drained in the same family: otherwise each family has a link that carries it."""
    shared = set.intersection(*({*link.families} for link in links)) if links else set()
    idle = {
        family: [link for link in links if not facts.draining(link.key, family)] for family in sorted(shared)
    }
    if both := [family for family, found in idle.items() if not found]:
        return violated(Evidence(routers=[link.router for link in links], details={"families": both}))
    seen = all(any(facts.deciders(link.key, family) for link in found) for family, found in idle.items())
    return OK if seen else UNKNOWN


DRAIN_BOTH = Check(
    name="drain-both",
    section=Section.RECEIVED,
    severity=Severity.CRITICAL,
    raise_after=0,
    clear_after=60,
    subjects=drain_both,
    labels=("circuit",),
    summary="Microsoft is draining every link of circuit {circuit}",
    needs=needs.circuit_states,
    views=(View.EDGE_TABLE,),
    acceptance=Tested(AcceptanceStep.STEADY),
)


def drain_long(config: Config) -> Iterator[Subject]:
    for link in config.links:
        topics = frozenset(link_topics((link,)) | {drain_topic(link.key)})
        yield Subject("drain-long", link_labels(link), topics, partial(_drain_long, link))


def _drain_long(link: Link, facts: Facts) -> Verdict:
    """No maintenance lasts so long: what looks like a drain is likely a prepend that came to stay."""
    families = [family for family in _drained(facts, link) if facts.drain_overdue(link.key, family)]
    if families:
        return violated(_evidence(facts, link, families))
    return OK if decided(facts, link) else UNKNOWN


DRAIN_LONG = Check(
    name="drain-long",
    section=Section.RECEIVED,
    severity=Severity.WARNING,
    raise_after=0,
    clear_after=60,
    subjects=drain_long,
    labels=("circuit", "link"),
    summary="Link {link} of circuit {circuit} has been draining for longer than any maintenance lasts",
    needs=needs.link_state,
    views=(View.EDGE_TABLE,),
    acceptance=NotTested("the drain itself is told by drain"),
)
