"""Checks of drains: Microsoft prepends its ASN on a link that it is about to work on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ermon.checks import needs
from ermon.checks.check import AcceptanceStep, Check, Parameter, Section, Tested
from ermon.checks.edge_table import DRAIN_REPEATS, decided, link_routes, link_topics, set_topics
from ermon.checks.facts import Facts
from ermon.checks.redundancy import AFTER_LINK_LOSS
from ermon.checks.subject import OK, UNKNOWN, Evidence, Subject, Verdict, link_labels, violated
from ermon.checks.topics import PREPENDED, drain_topic
from ermon.model.findings import LinkState, Status
from ermon.model.inventory import Config, Link, Severity, View

DRAIN_PERCENT = Parameter(
    "drain", "percent", 50.0, "percent", "The link drains when more of its paths than this are marked."
)


def drain(config: Config) -> Iterator[Subject]:
    """Microsoft prepends its ASN on the routes of a link that it is about to work on (Microsoft,
    "Planned maintenance guidance for ExpressRoute").
    """
    for circuit in config.circuits.values():
        links = tuple(circuit.links.values())
        topics = link_topics(links) | {drain_topic(link.key) for link in links}
        for link in links:
            own = frozenset(topics | set_topics(link, PREPENDED))
            yield Subject("drain", link_labels(link), own, partial(_drain, links, link))


def _drain(links: tuple[Link, ...], link: Link, facts: Facts) -> Verdict:
    if facts.draining(link.key):
        routes = link_routes(facts, link, PREPENDED)
        others = (other for other in links if other is not link)
        carried = any(_up(facts, other) and not facts.draining(other.key) for other in others)
        return Verdict(Status.VIOLATED, Evidence(routes=routes, routers=(link.router,)), is_cause=carried)
    return OK if decided(facts, link) else UNKNOWN


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


def _up(facts: Facts, link: Link) -> bool:
    return any(facts.link_state(link.key, family) is LinkState.UP for family in link.families)


def drain_both(config: Config) -> Iterator[Subject]:
    for circuit in config.circuits.values():
        links = tuple(circuit.links.values())
        topics = link_topics(links) | {drain_topic(link.key) for link in links}
        labels = (("circuit", circuit.name),)
        yield Subject("drain-both", labels, frozenset(topics), partial(_drain_both, links))


def _drain_both(links: tuple[Link, ...], facts: Facts) -> Verdict:
    idle = [link for link in links if not facts.draining(link.key)]
    if not idle:
        return violated(Evidence(routers=[link.router for link in links]))
    return OK if any(decided(facts, link) for link in idle) else UNKNOWN


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
