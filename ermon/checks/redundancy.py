"""Checks of the links and circuits as a whole: which are up, and whether one may fail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from ermon.checks.received import decided, link_routes, link_topics, set_topics
from ermon.checks.subject import (
    OK,
    PREPENDED,
    UNKNOWN,
    Evidence,
    Facts,
    Subject,
    Verdict,
    difference_topic,
    drain_topic,
    feed_topic,
    link_labels,
    link_topic,
    violated,
)
from ermon.model.findings import LinkState, Status
from ermon.model.inventory import Circuit, Config, Link, Peering
from ermon.model.prefixes import Family


def link_down(config: Config) -> Iterator[Subject]:
    for link in config.links:
        for family in link.families:
            labels = (*link_labels(link), ("family", family))
            topics = frozenset({link_topic(link.key, family)})
            yield Subject("link-down", labels, topics, partial(_link_down, link, family))


def _link_down(link: Link, family: Family, facts: Facts) -> Verdict:
    state = facts.link_state(link.key, family)
    if state is LinkState.DOWN:
        return violated(Evidence(routers=(link.router,), feeds=facts.deciders(link.key, family)))
    return OK if state is LinkState.UP else UNKNOWN


def circuit_down(config: Config) -> Iterator[Subject]:
    for circuit in config.circuits.values():
        for family in circuit.families:
            links = tuple(link for link in circuit.links.values() if family in link.families)
            labels = (("circuit", circuit.name), ("family", family))
            topics = frozenset(link_topic(link.key, family) for link in links)
            yield Subject("circuit-down", labels, topics, partial(_circuit_down, links, family))


def _circuit_down(links: tuple[Link, ...], family: Family, facts: Facts) -> Verdict:
    states = {facts.link_state(link.key, family) for link in links}
    if LinkState.UP in states:
        return OK
    if LinkState.UNKNOWN in states:
        return UNKNOWN
    return violated(Evidence(routers=[link.router for link in links]))


def circuit_unseen(config: Config) -> Iterator[Subject]:
    for circuit in config.circuits.values():
        routers = {link.router for link in circuit.links.values()}
        feeds = tuple(feed.name for router in sorted(routers) for feed in config.edge_tables.get(router, ()))
        if feeds:
            labels = (("circuit", circuit.name),)
            topics = frozenset(map(feed_topic, feeds))
            yield Subject("circuit-unseen", labels, topics, partial(_circuit_unseen, feeds), feeds=feeds)


def _circuit_unseen(feeds: tuple[str, ...], facts: Facts) -> Verdict:
    return OK if any(map(facts.up, feeds)) else violated(Evidence(feeds=feeds))


def geo_not_redundant(config: Config) -> Iterator[Subject]:
    """Two circuits in different locations of a geo must bring routes (Microsoft, "Designing for disaster
    recovery with ExpressRoute").
    """
    groups: dict[tuple[str, Peering], list[Circuit]] = {}
    for circuit in config.circuits.values():
        groups.setdefault((circuit.geo, circuit.peering), []).append(circuit)
    for (geo, peering), circuits in groups.items():
        if _redundant(circuits):
            labels = (("geo", geo), ("peering", str(peering)))
            topics = frozenset(link_topics(link for c in circuits for link in c.links.values()))
            yield Subject("geo-not-redundant", labels, topics, partial(_geo_not_redundant, circuits))


def _geo_not_redundant(circuits: list[Circuit], facts: Facts) -> Verdict:
    # Two circuits are enough to answer: a geo may have hundreds.
    if _redundant(circuit for circuit in circuits if _circuit_state(facts, circuit) is LinkState.UP):
        return OK
    states = {circuit.name: _circuit_state(facts, circuit) for circuit in circuits}
    if _redundant(circuit for circuit in circuits if states[circuit.name] is not LinkState.DOWN):
        return UNKNOWN
    return violated(Evidence(details={"circuits": {c: str(state) for c, state in sorted(states.items())}}))


def _redundant(circuits: Iterable[Circuit]) -> bool:
    """Tell whether there are two circuits in different locations; a Metro circuit is one circuit."""
    remaining = iter(circuits)
    first = next(remaining, None)
    return first is not None and any(circuit.locations != first.locations for circuit in remaining)


def _circuit_state(facts: Facts, circuit: Circuit) -> LinkState:
    links = circuit.links.values()
    states = {facts.link_state(link.key, family) for link in links for family in link.families}
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
        return violated(Evidence(routers=(link.router,)))
    return UNKNOWN if facts.link_state(link.key, family) is LinkState.UNKNOWN else OK


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
        return violated(Evidence(prefixes=prefixes, routers=[link.router for link in alive]))
    return OK if all(facts.deciders(link.key, family) for link in alive) else UNKNOWN
