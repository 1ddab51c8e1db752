"""Checks of what Microsoft sends us, on the edge tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from ermon.attribution import MICROSOFT_ASN, Attribution, Unattributed, microsoft_path
from ermon.checks.subject import (
    EXPECTATIONS,
    OK,
    UNKNOWN,
    Bucket,
    Evidence,
    Facts,
    RouteGroup,
    Select,
    Subject,
    Topic,
    Verdict,
    difference_topic,
    feed_labels,
    feed_topic,
    link_labels,
    link_topic,
    missing_topic,
    on_feed,
    present,
    routes_topic,
    table_topic,
    violated,
)
from ermon.expected import Calendar
from ermon.inventory import Circuit, Config, Feed, Link, Peering, View
from ermon.model import LinkState, Route
from ermon.prefixes import Family, Prefix, PrefixSet
from ermon.public import not_public_space

SERVICE = "service"
TAGGED = "tagged"
UNEXPECTED = "unexpected"
FOREIGN_ORIGIN = "foreign-origin"
UNATTRIBUTED = "unattributed"


# What an edge table is sorted into -------------------------------------------------------------------


def select(config: Config, feed: Feed) -> Select:
    """Sort the Microsoft routes of an edge table by link and by what the checks ask of them."""
    del feed
    our_asns = frozenset({config.customer.asn, *config.customer.provider_asns})
    wanted = {
        circuit.name: {service.community for service in circuit.receive.services}
        for circuit in config.circuits.values()
    }
    unexpected = {circuit.name: _unexpected(config, circuit) for circuit in microsoft_circuits(config)}

    def buckets(route: Route, brought_by: Attribution) -> Iterator[Bucket]:
        family = route.prefix.family
        if isinstance(brought_by, Unattributed):
            yield Bucket(UNATTRIBUTED, family)
        if not isinstance(brought_by, tuple):
            return
        circuit = brought_by[0]
        communities = route.attributes.communities
        for community in communities & wanted[circuit]:
            yield Bucket(SERVICE, family, community_text(community), brought_by)
        if any(high == MICROSOFT_ASN for high, _ in communities):
            yield Bucket(TAGGED, family, link=brought_by)
        if circuit in unexpected and unexpected[circuit](route):
            yield Bucket(UNEXPECTED, family, link=brought_by)
        if not config.policy.microsoft_asns.issuperset(microsoft_path(route.attributes, our_asns) or ()):
            yield Bucket(FOREIGN_ORIGIN, family, link=brought_by)

    return buckets


def community_text(community: tuple[int, int]) -> str:
    return f"{community[0]}:{community[1]}"


def microsoft_circuits(config: Config) -> Iterator[Circuit]:
    return (circuit for circuit in config.circuits.values() if circuit.peering is Peering.MICROSOFT)


def _unexpected(config: Config, circuit: Circuit) -> Callable[[Route], bool]:
    """What Microsoft must not send on Microsoft peering: it carries public service prefixes only
    (Microsoft, "ExpressRoute routing requirements").
    """
    pools = (prefix for pool in config.pools.values() for prefix in pool.prefixes)
    ours = PrefixSet((*config.customer.own_prefixes, *pools))
    not_public = not_public_space(config.policy.public_space)
    listed = PrefixSet(expected.prefix for expected in circuit.receive.prefixes)
    services = {service.community for service in circuit.receive.services}

    def unexpected(route: Route) -> bool:
        prefix = route.prefix
        if prefix.is_default or not_public.overlaps(prefix) or ours.covers(prefix):
            return True
        return circuit.receive.only_listed and not (
            services & route.attributes.communities or listed.covers(prefix)
        )

    return unexpected


# What the verdicts look at, and depend on ------------------------------------------------------------


def _edges(config: Config) -> tuple[str, ...]:
    return tuple(name for name, feed in config.feeds.items() if feed.view is View.EDGE_TABLE)


def _link_topics(links: Iterable[Link]) -> set[Topic]:
    return {link_topic(link.key, family) for link in links for family in link.families}


def _bucket_topics(config: Config, link: Link, kind: str, name: str = "") -> set[Topic]:
    return {
        routes_topic(feed, Bucket(kind, family, name, link.key))
        for feed in _edges(config)
        for family in config.feeds[feed].families
    }


def _table_topics(config: Config, link: Link) -> set[Topic]:
    return {table_topic(feed, link.key, f) for feed in _edges(config) for f in link.families}


def _decided(facts: Facts, link: Link) -> bool:
    """Tell whether absence on the link can be proven in all its families."""
    return all(facts.deciders(link.key, family) for family in link.families)


def _shown(facts: Facts, link: Link, kind: str, name: str = "") -> bool:
    """Tell whether a feed that counts for the link has a route in the bucket."""
    return any(
        facts.matching(feed, Bucket(kind, family, name, link.key))
        for family in link.families
        for feed in facts.witnesses(link.key, family)
    )


def _brings_routes(facts: Facts, link: Link) -> bool:
    return any(facts.prefix_count(link.key, family) for family in link.families)


# Redundancy ------------------------------------------------------------------------------------------


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
        feeds = tuple(name for name in _edges(config) if config.feeds[name].router in routers)
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
            topics = frozenset(_link_topics(link for c in circuits for link in c.links.values()))
            yield Subject("geo-not-redundant", labels, topics, partial(_geo_not_redundant, circuits))


def _geo_not_redundant(circuits: list[Circuit], facts: Facts) -> Verdict:
    states = {circuit.name: _circuit_state(facts, circuit) for circuit in circuits}
    if _redundant(circuit for circuit in circuits if states[circuit.name] is LinkState.UP):
        return OK
    if _redundant(circuit for circuit in circuits if states[circuit.name] is not LinkState.DOWN):
        return UNKNOWN
    return violated(Evidence(details={"circuits": {c: str(state) for c, state in sorted(states.items())}}))


def _redundant(circuits: Iterable[Circuit]) -> bool:
    """Tell whether there are two circuits in different locations; a Metro circuit is one circuit."""
    return len({circuit.locations for circuit in circuits}) > 1


def _circuit_state(facts: Facts, circuit: Circuit) -> LinkState:
    links = circuit.links.values()
    states = {facts.link_state(link.key, family) for link in links for family in link.families}
    if LinkState.UP in states:
        return LinkState.UP
    return LinkState.UNKNOWN if LinkState.UNKNOWN in states else LinkState.DOWN


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


# Content ---------------------------------------------------------------------------------------------


def communities_missing(config: Config) -> Iterator[Subject]:
    for circuit in microsoft_circuits(config):
        for link in circuit.links.values():
            topics = (
                _link_topics((link,)) | _table_topics(config, link) | _bucket_topics(config, link, TAGGED)
            )
            judge = partial(_communities_missing, link)
            yield Subject("communities-missing", link_labels(link), frozenset(topics), judge)


def _communities_missing(link: Link, facts: Facts) -> Verdict:
    if _shown(facts, link, TAGGED):
        return OK
    if not _decided(facts, link):
        return UNKNOWN
    return violated(Evidence(routers=(link.router,))) if _brings_routes(facts, link) else OK


def service_missing(config: Config) -> Iterator[Subject]:
    for circuit in microsoft_circuits(config):
        for link in circuit.links.values():
            for service in circuit.receive.services:
                community = community_text(service.community)
                topics = (
                    _link_topics((link,))
                    | _table_topics(config, link)
                    | _bucket_topics(config, link, TAGGED)
                    | _bucket_topics(config, link, SERVICE, community)
                )
                labels = (*link_labels(link), ("ms_service", service.name))
                judge = partial(_service_missing, link, community)
                yield Subject("service-missing", labels, frozenset(topics), judge)


def _service_missing(link: Link, community: str, facts: Facts) -> Verdict:
    if _shown(facts, link, SERVICE, community):
        return OK
    if not _decided(facts, link):
        return UNKNOWN
    if _brings_routes(facts, link) and not _shown(facts, link, TAGGED):
        return UNKNOWN  # the router sends no communities: that is communities-missing
    return violated(Evidence(routers=(link.router,), details={"community": community}))


def prefix_missing(config: Config) -> Iterator[Subject]:
    for circuit in config.circuits.values():
        calendar = Calendar(circuit.receive.prefixes)
        expected = {item.prefix.family for item in circuit.receive.prefixes}
        for link in circuit.links.values():
            families = tuple(family for family in link.families if family in expected)
            if families:
                topics = _link_topics((link,)) | {missing_topic(feed, link.key) for feed in _edges(config)}
                judge = partial(_prefix_missing, link, families, calendar)
                yield Subject("prefix-missing", link_labels(link), frozenset(topics | {EXPECTATIONS}), judge)


def _prefix_missing(link: Link, families: tuple[Family, ...], calendar: Calendar, facts: Facts) -> Verdict:
    missing: list[Prefix] = []
    unknown = False
    for family in families:
        uncovered = [
            {
                p
                for p in facts.uncovered(feed, link.key)
                if p.family == family and calendar.expects(p, facts.now)
            }
            for feed in facts.witnesses(link.key, family)
        ]
        absent = set.intersection(*uncovered) if uncovered else set()
        if absent and facts.deciders(link.key, family):
            missing.extend(absent)
        elif absent or not uncovered:
            unknown = True
    if missing:
        return violated(Evidence(prefixes=missing, routers=(link.router,)))
    return UNKNOWN if unknown else OK


def prefix_count_low(config: Config) -> Iterator[Subject]:
    for circuit in config.circuits.values():
        for link in circuit.links.values():
            for family in link.families:
                minimum = circuit.receive.minimum.get(family)
                if minimum is None:
                    continue
                labels = (*link_labels(link), ("family", family))
                topics = {link_topic(link.key, family)} | {
                    table_topic(feed, link.key, family) for feed in _edges(config)
                }
                judge = partial(_prefix_count_low, link, family, minimum)
                yield Subject("prefix-count-low", labels, frozenset(topics), judge)


def _prefix_count_low(link: Link, family: Family, minimum: int, facts: Facts) -> Verdict:
    if not facts.witnesses(link.key, family):
        return UNKNOWN
    count = facts.prefix_count(link.key, family)
    if count >= minimum:
        return OK
    if not facts.deciders(link.key, family):
        return UNKNOWN
    return violated(Evidence(routers=(link.router,), details={"routes": count, "minimum": minimum}))


def prefix_unexpected(config: Config) -> Iterator[Subject]:
    for circuit in microsoft_circuits(config):
        yield from _forbidden_on_links(config, circuit, "prefix-unexpected", UNEXPECTED)


def origin_unexpected(config: Config) -> Iterator[Subject]:
    for circuit in config.circuits.values():
        yield from _forbidden_on_links(config, circuit, "origin-unexpected", FOREIGN_ORIGIN)


def _forbidden_on_links(config: Config, circuit: Circuit, check: str, kind: str) -> Iterator[Subject]:
    for link in circuit.links.values():
        topics = _link_topics((link,)) | _bucket_topics(config, link, kind)
        judge = partial(_forbidden_on_link, config, link, kind)
        yield Subject(check, link_labels(link), frozenset(topics), judge)


def _forbidden_on_link(config: Config, link: Link, kind: str, facts: Facts) -> Verdict:
    """Any feed that shows such a route proves it; only one that decides proves that there is none."""
    routes = RouteGroup(
        facts.matching(feed, Bucket(kind, family, link=link.key))
        for feed in _edges(config)
        for family in config.feeds[feed].families
    )
    return present(Evidence(routes=routes, routers=(link.router,)), complete=_decided(facts, link))


def route_unattributed(config: Config) -> Iterator[Subject]:
    for name in _edges(config):
        feed = config.feeds[name]
        topics = {routes_topic(name, Bucket(UNATTRIBUTED, family)) for family in feed.families}
        judge = partial(_route_unattributed, feed)
        yield Subject("route-unattributed", feed_labels(feed), frozenset(topics | {feed_topic(name)}), judge)


def _route_unattributed(feed: Feed, facts: Facts) -> Verdict:
    routes = RouteGroup(facts.matching(feed.name, Bucket(UNATTRIBUTED, f)) for f in feed.families)
    complete = all(facts.in_sync(feed.name, family) for family in feed.families)
    return present(on_feed(feed, routes=routes), complete=complete)
