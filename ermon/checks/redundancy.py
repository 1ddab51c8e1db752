"""Checks of links and circuits as a whole: which are up, and whether one of them may fail."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from heapq import nsmallest
from itertools import combinations
from typing import Any

from ermon.checks import azure, azure_tables, monitored, needs, unattributed
from ermon.checks.check import (
    AcceptanceStep,
    Check,
    NotTested,
    Parameter,
    ReadFromState,
    Required,
    Section,
    Tested,
)
from ermon.checks.edge_table import link_topics
from ermon.checks.facts import Facts
from ermon.checks.subject import LISTED, OK, UNKNOWN, Evidence, Subject, Verdict, link_labels, violated
from ermon.checks.topics import Topic, azure_tables_topic, azure_topic, difference_topic, link_topic
from ermon.model.findings import LinkState, Status
from ermon.model.inventory import Circuit, Config, Link, LinkKey, Peering, View, apart
from ermon.model.prefixes import FAMILIES, Family, Prefix
from ermon.model.settings import Severity

FLAP_CHANGES = Parameter(
    "link-flapping",
    "changes",
    3,
    "count",
    "The highest number of changes between up and down within `window` that is ok.",
)
FLAP_SPANS = Parameter(
    "link-flapping",
    "per_day",
    6,
    "count",
    "The highest number of 10-minute spans with a loss in the last 24 hours that is ok.",
)
FLAP_WINDOW = Parameter(
    "link-flapping", "window", 600.0, "duration", "The rolling window in which changes are counted."
)

CircuitGroup = tuple[str, Peering, str | None]
"""A geo, a peering, and the name of the group, if it has one."""
Metros = frozenset[str]

AFTER_LINK_LOSS = (
    "prefix-missing",
    "service-missing",
    "service-count-low",
    "prefix-count-low",
    "link-asymmetry",
    "communities-missing",
    *azure_tables.AFTER_LINK_LOSS,
)
"""The checks that a link without routes would also raise."""

AFTER_CIRCUIT_LOSS = ("prefix-not-advertised", "inbound-not-redundant", "geo-asymmetry")
"""The checks that a circuit which is down would raise because it advertises nothing."""


def link_down(config: Config) -> Iterator[Subject]:
    for link in config.links:
        for family in link.families:
            labels = (*link_labels(link), ("family", family))
            topics = frozenset({link_topic(link.key, family), *_tables_topics(config, (link,))})
            yield Subject("link-down", labels, topics, partial(_link_down, link, family))


def _tables_topics(config: Config, links: Iterable[Link]) -> Iterator[Topic]:
    """Microsoft's side of a link is evidence: it never decides on the state."""
    return (azure_tables_topic(link.key) for link in links if azure_tables.has_tables(config, link))


def _found_near(links: tuple[Link, ...], family: Family, facts: Facts) -> Mapping[str, list[str]]:
    """Return what explains that these links are down, or what may show that they are not."""
    return {
        **monitored.reported(links, family, facts),
        **unattributed.near(links, family, facts),
        **azure_tables.near(links, family, facts),
    }


def _link_down(link: Link, family: Family, facts: Facts) -> Verdict:
    state = facts.link_state(link.key, family)
    if state is LinkState.DOWN:
        details = partial(_found_near, (link,), family, facts)
        deciders = facts.deciders(link.key, family)
        return violated(Evidence(routers=(link.router,), feeds=deciders, details=details))
    if state is LinkState.UP:
        return OK
    if stale := facts.stale_routes(link.key, family):
        # Long-lived graceful restart: the router keeps these routes of a neighbor that is gone or is coming back.
        kept = {"stale": f"{stale} routes carry LLGR_STALE: they prove neither up nor down"}
        return Verdict(Status.UNKNOWN, Evidence(routers=(link.router,), details=kept))
    return UNKNOWN


LINK_DOWN = Check(
    name="link-down",
    section=Section.RECEIVED,
    severity=Severity.WARNING,
    raise_after=10,
    clear_after=30,
    subjects=link_down,
    labels=("circuit", "link", "family"),
    summary="Link {link} of circuit {circuit} receives no {family} routes",
    needs=needs.link_state,
    views=(View.EDGE_TABLE,),
    suppresses=(*AFTER_LINK_LOSS, "drain-long"),
    shown_when_off=True,
    acceptance=ReadFromState(AcceptanceStep.SESSIONS),
)


def circuit_down(config: Config) -> Iterator[Subject]:
    for circuit in config.circuits.values():
        for family in circuit.families:
            links = tuple(link for link in circuit.links.values() if family in link.families)
            labels = (("circuit", circuit.name), ("family", family))
            topics = {*(link_topic(link.key, family) for link in links), *_tables_topics(config, links)}
            if circuit.azure is not None:
                topics.add(azure_topic(circuit.name))
            judge = partial(_circuit_down, circuit, links, family)
            yield Subject("circuit-down", labels, frozenset(topics), judge)


def _circuit_down(circuit: Circuit, links: tuple[Link, ...], family: Family, facts: Facts) -> Verdict:
    states = {facts.link_state(link.key, family) for link in links}
    if LinkState.UP in states:
        return OK
    if LinkState.UNKNOWN in states:
        return UNKNOWN
    details = partial(_found_near_circuit, circuit, links, family, facts)
    return violated(Evidence(routers=[link.router for link in links], details=details))


def _found_near_circuit(
    circuit: Circuit, links: tuple[Link, ...], family: Family, facts: Facts
) -> Mapping[str, list[str]]:
    return {**_found_near(links, family, facts), **azure.said(circuit, facts)}


CIRCUIT_DOWN = Check(
    name="circuit-down",
    section=Section.RECEIVED,
    severity=Severity.CRITICAL,
    raise_after=5,
    clear_after=30,
    subjects=circuit_down,
    labels=("circuit", "family"),
    summary="Circuit {circuit} is down for {family}: no link receives routes",
    needs=needs.circuit_states,
    views=(View.EDGE_TABLE,),
    suppresses=(
        "link-down",
        "internet-preferred",
        *AFTER_LINK_LOSS,
        *AFTER_CIRCUIT_LOSS,
        *azure.AFTER_CIRCUIT_LOSS,
    ),
    suppresses_together=("segment-missing", "pool-fallback"),
    suppresses_while_stale=("circuit-unseen",),
    acceptance=ReadFromState(AcceptanceStep.SESSIONS),
)


def circuit_groups(config: Config) -> dict[CircuitGroup, list[Circuit]]:
    """Return the circuits that back each other up: those of one geo, peering and group."""
    groups: dict[CircuitGroup, list[Circuit]] = {}
    for circuit in config.circuits.values():
        groups.setdefault((circuit.geo, circuit.peering, circuit.group), []).append(circuit)
    return groups


def metros_apart(config: Config) -> Iterator[tuple[CircuitGroup, Family, Metros, Metros]]:
    """Yield each pair of disjoint sets of metropolitan areas of two circuits of one group that have the family: any
    circuit in the one and any in the other are redundant.
    """
    for group, circuits in circuit_groups(config).items():
        for family in FAMILIES:
            places = {c.metros for c in circuits if family in c.families}
            for one, other in combinations(sorted(places, key=sorted), 2):
                if one.isdisjoint(other):
                    yield group, family, one, other


def geo_not_redundant(config: Config) -> Iterator[Subject]:
    """Two circuits in different metropolitan areas of a geo must receive routes (Microsoft, "Designing for disaster
    recovery with ExpressRoute").
    """
    for (geo, peering, group), circuits in circuit_groups(config).items():
        if apart(circuits):
            named = (("group", group),) if group is not None else ()
            labels = (("geo", geo), *named, ("peering", str(peering)))
            topics = frozenset(link_topics(link for c in circuits for link in c.links.values()))
            yield Subject("geo-not-redundant", labels, topics, partial(_geo_not_redundant, circuits))


def _geo_not_redundant(circuits: list[Circuit], facts: Facts) -> Verdict:
    """Each family is judged by itself: packets of one family cannot use the routes of the other."""
    lacking: list[Family] = []
    ways: dict[str, str] = {}
    routers: set[str] = set()
    unknown = False
    for family in FAMILIES:
        able = [circuit for circuit in circuits if family in circuit.families]
        # Stop at the first two circuits that are enough: a geo may have hundreds.
        if not apart(able) or apart(c for c in able if _circuit_state(facts, c, family) is LinkState.UP):
            continue
        states = {circuit.name: _circuit_state(facts, circuit, family) for circuit in able}
        if apart(circuit for circuit in able if states[circuit.name] is not LinkState.DOWN):
            unknown = True
            continue
        lacking.append(family)
        for circuit in able:
            state = states[circuit.name]
            if state is LinkState.DOWN:
                routers.update(link.router for link in circuit.links.values())
            if state is LinkState.DOWN or circuit.name not in ways:
                ways[circuit.name] = str(state)
    if lacking:
        details = {"families": lacking, "circuits": dict(sorted(ways.items()))}
        return violated(Evidence(routers=sorted(routers), details=details))
    return UNKNOWN if unknown else OK


GEO_NOT_REDUNDANT = Check(
    name="geo-not-redundant",
    section=Section.RECEIVED,
    severity=Severity.WARNING,
    raise_after=60,
    clear_after=60,
    symptom=True,
    subjects=geo_not_redundant,
    labels=("geo", "peering"),
    optional_labels=("group",),
    summary="Fewer than two {peering} peering circuits of {geo}[ {group}] in different metros receive [{families} |]routes",
    named_evidence=("families",),
    needs=needs.geo_states,
    covered_by_maintenance=False,  # work on one circuit is when the other one matters most
    acceptance=NotTested("about several circuits: one that fails must not fail the others"),
)


def _circuit_state(facts: Facts, circuit: Circuit, family: Family) -> LinkState:
    links = (link for link in circuit.links.values() if family in link.families)
    states = {facts.link_state(link.key, family) for link in links}
    if LinkState.UP in states:
        return LinkState.UP
    return LinkState.UNKNOWN if LinkState.UNKNOWN in states else LinkState.DOWN


def link_flapping(config: Config) -> Iterator[Subject]:
    for link in config.links:
        for family in link.families:
            labels = (*link_labels(link), ("family", family))
            topics = frozenset({link_topic(link.key, family)})
            yield Subject("link-flapping", labels, topics, partial(_link_flapping, link, family))


def _link_flapping(link: Link, family: Family, facts: Facts) -> Verdict:
    if facts.link_flaps(link.key, family):
        details = partial(_changes, link, family, facts)
        return violated(Evidence(routers=(link.router,), details=details))
    return UNKNOWN if facts.link_state(link.key, family) is LinkState.UNKNOWN else OK


def _changes(link: Link, family: Family, facts: Facts) -> dict[str, int]:
    """Return the evidence for the moment at which it is shown."""
    found = facts.link_changes(link.key, family)
    return {"changes": found.changes, "spans_with_losses": found.spans}


LINK_FLAPPING = Check(
    name="link-flapping",
    section=Section.RECEIVED,
    severity=Severity.WARNING,
    raise_after=0,
    clear_after=300,
    symptom=True,
    subjects=link_flapping,
    labels=("circuit", "link", "family"),
    summary="Link {link} of circuit {circuit} is flapping ({family})",
    needs=needs.link_state,
    views=(View.EDGE_TABLE,),
    parameters=(FLAP_CHANGES, FLAP_WINDOW, FLAP_SPANS),
    acceptance=Tested(AcceptanceStep.STEADY, place=1),
)


def link_asymmetry(config: Config) -> Iterator[Subject]:
    for circuit in config.circuits.values():
        for family in circuit.families:
            links = tuple(link for link in circuit.links.values() if family in link.families)
            if len(links) < 2:
                continue
            labels = (("circuit", circuit.name), ("family", family))
            topics = frozenset(
                {
                    *(link_topic(link.key, family) for link in links),
                    difference_topic("received", circuit.name, family),
                }
            )
            yield Subject("link-asymmetry", labels, topics, partial(_link_asymmetry, links, family))


def _link_asymmetry(links: tuple[Link, ...], family: Family, facts: Facts) -> Verdict:
    alive = [link for link in links if facts.link_state(link.key, family) is not LinkState.DOWN]
    if len(alive) < 2:
        return OK
    if prefixes := facts.one_sided(links[0].circuit, family):
        details = partial(lacking, prefixes, alive, facts.lacks)
        return violated(Evidence(prefixes=prefixes, routers=[link.router for link in alive], details=details))
    return OK if all(facts.deciders(link.key, family) for link in alive) else UNKNOWN


def lacking(
    prefixes: Collection[Prefix], links: Iterable[Link], lacks: Callable[[LinkKey, Prefix], bool]
) -> dict[str, Any]:
    """Return the links that lack the first of the prefixes, and for each link the prefixes that it lacks, of those that
    are listed.
    """
    listed = nsmallest(LISTED, prefixes)
    found = {link.name: [prefix for prefix in listed if lacks(link.key, prefix)] for link in links}
    return {
        "missing_on": sorted(name for name, missing in found.items() if listed[0] in missing),
        "missing": {
            name: [str(prefix) for prefix in missing] for name, missing in sorted(found.items()) if missing
        },
    }


LINK_ASYMMETRY = Check(
    name="link-asymmetry",
    section=Section.RECEIVED,
    severity=Severity.WARNING,
    raise_after=60,
    clear_after=60,
    symptom=True,
    subjects=link_asymmetry,
    labels=("circuit", "family"),
    summary="[Circuit {circuit} lacks {family} prefix {prefix} on link {missing_on}|The links of circuit {circuit} receive different {family} prefixes]",
    named_evidence=("missing_on",),
    needs=needs.circuit_states,
    views=(View.EDGE_TABLE,),
    acceptance=Tested(AcceptanceStep.RECEIVED_EQUAL, required=Required.WITH_SEVERAL_LINKS),
)
