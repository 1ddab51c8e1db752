"""Checks of your published address space on the internet: whether it is announced, and whether you are its origin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ermon.checks import needs
from ermon.checks.check import Check, NotTested, Section
from ermon.checks.facts import Facts
from ermon.checks.peers import Exports, peers_detail
from ermon.checks.subject import OK, UNKNOWN, Evidence, RouteGroup, Subject, Verdict, present, violated
from ermon.checks.topics import RouteSet, feed_topic, routes_topic
from ermon.checks.uplinks import UplinkSessions
from ermon.model.inventory import Config, Feed, View
from ermon.model.prefixes import FAMILIES, Family, Prefix, PrefixSet
from ermon.model.routes import PRIVATE_ASNS, Route, SegmentKind
from ermon.model.settings import Severity

EXPORTED = "exported"
"""Routes inside your own prefixes that a mirror of an uplink shows."""
PUBLISHED = "published"
"""Routes that overlap internet-only space."""
HIJACKED = "hijacked"
"""Routes inside your space with another network's origin."""


def internet_only_withdrawn(config: Config) -> Iterator[Subject]:
    if not config.uplinks:
        return
    mirrors = tuple(feed for feed in config.feeds.values() if feed.view is View.TO_INTERNET)
    outside = tuple(feed for feed in config.feeds.values() if feed.view is View.INTERNET)
    for family in FAMILIES:
        space = tuple(prefix for prefix in config.internet_only if prefix.family == family)
        if space:
            topics = {feed_topic(feed.name) for feed in (*mirrors, *outside)}
            topics |= {routes_topic(feed.name, RouteSet(PUBLISHED, family)) for feed in (*mirrors, *outside)}
            sessions = UplinkSessions(config, family)
            judge = partial(
                _internet_only_withdrawn, tuple(config.uplinks), sessions, mirrors, outside, family, space
            )
            labels = (("family", family),)
            yield Subject("internet-only-withdrawn", labels, frozenset(topics) | sessions.topics, judge)


def _internet_only_withdrawn(
    uplinks: tuple[str, ...],
    sessions: UplinkSessions,
    mirrors: tuple[Feed, ...],
    outside: tuple[Feed, ...],
    family: Family,
    space: tuple[Prefix, ...],
    facts: Facts,
) -> Verdict:
    """A prefix that any feed in sync shows is reachable. Only the mirrors of all uplinks prove that one is not; an uplink that is down
    advertises nothing, whatever its mirror shows.
    """
    down = {uplink for uplink in uplinks if sessions.down(uplink, facts)}
    counting = (*(feed for feed in mirrors if feed.uplink not in down), *outside)
    seeing = [feed for feed in counting if facts.in_sync(feed.name, family)]
    shown = [_announced(facts, feed, family) for feed in seeing]
    dark = [prefix for prefix in space if not any(each.covers(prefix) for each in shown)]
    if not dark:
        return OK
    if set(uplinks) - down - {feed.uplink for feed in seeing}:
        return UNKNOWN
    if any(not facts.knows(feed.name, family, dark) for feed in seeing):
        return UNKNOWN  # the route may exist and not have come yet
    feeds = [feed.name for feed in seeing]
    routers = [feed.router for feed in seeing if feed.router is not None]
    return violated(Evidence(prefixes=dark, feeds=feeds, routers=routers))


def _announced(facts: Facts, feed: Feed, family: Family) -> PrefixSet:
    routes = facts.matching(feed.name, RouteSet(PUBLISHED, family)).values()
    return PrefixSet(route.prefix for route in routes)


INTERNET_ONLY_WITHDRAWN = Check(
    name="internet-only-withdrawn",
    section=Section.INTERNET,
    severity=Severity.CRITICAL,
    raise_after=30,
    clear_after=30,
    subjects=internet_only_withdrawn,
    labels=("family",),
    summary="Internet-only {family} space is not advertised to any uplink",
    needs=needs.whole_internet,
    views=(View.TO_INTERNET,),
    acceptance=NotTested("about the uplinks as a whole"),
)


def prefix_hijacked(config: Config) -> Iterator[Subject]:
    """Another network's announcement of your space draws traffic, and all of it if it is more specific."""
    for family in FAMILIES:
        ours = [p for p in (*config.customer.own_prefixes, *config.internet_only) if p.family == family]
        feeds = tuple(f for f in config.feeds.values() if f.view is View.INTERNET and family in f.families)
        if ours and feeds:
            topics = {feed_topic(feed.name) for feed in feeds}
            topics |= {routes_topic(feed.name, RouteSet(HIJACKED, family)) for feed in feeds}
            exports = Exports(config, family, [RouteSet(EXPORTED, family), RouteSet(PUBLISHED, family)])
            topics |= exports.topics(feeds)
            judge = partial(_prefix_hijacked, feeds, family, ours, exports)
            yield Subject("prefix-hijacked", (("family", family),), frozenset(topics), judge)


def _prefix_hijacked(
    feeds: tuple[Feed, ...], family: Family, ours: list[Prefix], exports: Exports, facts: Facts
) -> Verdict:
    """One outside view may show what another does not: only all of them together prove that there is no such route."""
    hijacked = RouteSet(HIJACKED, family)
    found = {feed.name: exports.still_announced(feed, hijacked, facts) for feed in feeds}
    routes = RouteGroup(found.values())

    def details() -> dict[str, Any]:
        first = min(routes, key=lambda route: route.prefix).prefix
        origins = {
            asn for route in routes if route.prefix == first for asn in path_origins(route, frozenset())
        }
        heard = [route for feed in feeds if feed.ris for route in found[feed.name].values()]
        named = {"origins": [str(asn) for asn in sorted(origins)]}
        return named | peers_detail(feeds, heard, facts, origins)

    showing = [name for name, matching in found.items() if matching]
    evidence = Evidence(routes=routes, feeds=showing, details=details)
    return present(evidence, complete=all(facts.knows(feed.name, family, ours) for feed in feeds))


PREFIX_HIJACKED = Check(
    name="prefix-hijacked",
    section=Section.INTERNET,
    severity=Severity.CRITICAL,
    raise_after=30,
    clear_after=60,
    subjects=prefix_hijacked,
    labels=("family",),
    summary="Our [{prefix}|space] is announced on the internet[ by AS {origins}] ({family})",
    named_evidence=("origins",),
    needs=needs.nothing_else,
    covered_by_maintenance=False,  # your own work is no reason for another origin
    acceptance=NotTested("about what others announce"),
)


# Sorting the routes ----------------------------------------------------------------------------------


def space_sets(config: Config) -> Callable[[Route, bool], Iterator[RouteSet]]:
    """Return the classifier of routes that are neither default routes nor blackholed; its flag says that the feed is an
    outside view.
    """
    published = PrefixSet(config.internet_only)
    ours = PrefixSet((*config.customer.own_prefixes, *config.internet_only))
    pools = PrefixSet(prefix for pool in config.pools.values() for prefix in pool.prefixes)
    back = PrefixSet(p for circuit in config.circuits.values() for p in circuit.receive.own_prefixes)
    customer = config.customer
    allowed = frozenset(
        (
            *(customer.asn, *customer.origin_asns, *customer.provider_asns),
            *(uplink.asn for uplink in config.uplinks.values()),
        )
    )
    at_microsoft = allowed | config.policy.microsoft_asns

    def route_sets(route: Route, outside: bool) -> Iterator[RouteSet]:  # one call
        prefix = route.prefix
        if published.overlaps(prefix):
            yield RouteSet(PUBLISHED, prefix.family)
        if outside and ours.covers(prefix) and not pools.covers(prefix):
            expected = at_microsoft if back.covers(prefix) else allowed
            origins = path_origins(route, expected)
            if origins and expected.isdisjoint(origins):
                yield RouteSet(HIJACKED, prefix.family)

    return route_sets


def path_origins(route: Route, expected: frozenset[int]) -> tuple[int, ...]:
    """Return the origins of a route: the last ASN of the path that is not private, or all such members of an AS_SET.
    Empty if the path has none. Private ASNs that are expected count: one of yours may be private.
    """

    def counts(asn: int) -> bool:
        return asn in expected or not any(asn in private for private in PRIVATE_ASNS)

    for segment in reversed(route.attributes.as_path):
        if segment.kind.is_confederation:
            continue
        found = tuple(filter(counts, segment.asns))
        if found:
            return found if segment.kind is SegmentKind.SET else found[-1:]
    return ()
