"""Checks of NAT pools on the internet: a route inside a pool, a route that covers it, or return traffic that comes over
the internet.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from ermon.checks import needs
from ermon.checks.check import AcceptanceStep, Check, Required, Section, Tested
from ermon.checks.facts import Facts, link_down, link_up
from ermon.checks.internet import BLACKHOLED, COVERS_POOL, INSIDE_POOL, internet_feeds
from ermon.checks.mirror import POOL_SPACE, MirroredLink, mirrored
from ermon.checks.peers import Exports, peers_detail
from ermon.checks.subject import OK, UNKNOWN, Subject, Verdict, feed_labels, on_feed, present, violated
from ermon.checks.topics import RouteSet, feed_topic, link_topic, routes_topic
from ermon.model.inventory import Config, Feed, InternetUse, Link, Peering, Pool, View
from ermon.model.prefixes import Family, Prefix, PrefixSet
from ermon.model.routes import Route
from ermon.model.settings import Severity

FAILOVER_SECONDS = 60.0
"""The least ``raise_after`` for a failover pool. A router's conditional advertisement follows its table with a delay,
so it may announce shortly before, or withdraw shortly after, ermon sees the links change.
"""


def _pools_seen(config: Config) -> Iterator[tuple[Pool, Family, Feed]]:
    for pool in config.pools.values():
        for feed in internet_feeds(config):
            for family in pool.families:
                if family in feed.families:
                    yield pool, family, feed


def _subject(check: str, pool: Pool, family: Family, feed: Feed) -> partial[Subject]:
    labels = (("pool", pool.name), ("family", family), *feed_labels(feed))
    return partial(Subject, check, labels)


def _circuit_links(config: Config, pool: Pool) -> list[Link]:
    return [link for name in pool.circuits for link in config.circuits[name].links.values()]


def pool_leak(config: Config) -> Iterator[Subject]:
    for pool, family, feed in _pools_seen(config):
        topics = {feed_topic(feed.name), routes_topic(feed.name, RouteSet(INSIDE_POOL, family, pool.name))}
        excused = _circuit_links(config, pool) if pool.internet is InternetUse.FAILOVER else []
        topics.update(link_topic(link.key, f) for link in excused for f in link.families)
        exports = Exports(config, family, [RouteSet(INSIDE_POOL, family, pool.name)])
        topics |= exports.topics([feed])
        judge = partial(_pool_leak, pool, family, feed, excused, _Outside(exports, config.customer.asn))
        make = _subject("pool-leak", pool, family, feed)
        least = FAILOVER_SECONDS if excused else 0.0
        alike = [
            f
            for f in internet_feeds(config)
            if f.router and (f.router, f.uplink) == (feed.router, feed.uplink)
        ]
        named = feed.name if len(alike) > 1 else ""
        yield make(frozenset(topics), judge, raise_after=least, distinction=named)


class _Outside(NamedTuple):
    """What a judge of a feed that RIPE's collectors carry needs besides."""

    exports: Exports
    asn: int
    """Yours."""

    def routes(self, feed: Feed, route_set: RouteSet, facts: Facts) -> Collection[Route]:
        return self.exports.still_announced(feed, route_set, facts).values()

    def details(self, feed: Feed, routes: Collection[Route], facts: Facts) -> Callable[[], Mapping[str, Any]]:
        return lambda: peers_detail((feed,), routes, facts, (self.asn,))


def _pool_leak(
    pool: Pool, family: Family, feed: Feed, excused: list[Link], outside: _Outside, facts: Facts
) -> Verdict:
    """``excused``: the links that must all be proven down before the pool may be on the internet."""
    if excused and all(link_down(facts, link, family) for link in excused):
        return OK
    routes = outside.routes(feed, RouteSet(INSIDE_POOL, family, pool.name), facts)
    complete = facts.knows(feed.name, family, pool.prefixes_of(family))
    details = outside.details(feed, routes, facts)
    leaked = present(on_feed(feed, routes=routes, details=details), complete=complete)
    return _while_links_are_up(leaked, excused, family, facts) if routes and excused else leaked


def _while_links_are_up(leaked: Verdict, links: list[Link], family: Family, facts: Facts) -> Verdict:
    """Judge a failover pool on the internet while a link is up or may be.

    A router notices that ExpressRoute is back, and takes the pool off the internet, some time after the link is up
    (Cisco, "Configure BGP conditional advertisement": the table is looked at every 60 s). If another link was up all
    along, the return of a link does not explain the pool: the verdict is unknown for that time.
    """
    up = [link for link in links if link_up(facts, link, family)]
    returned = [k for k in links if any(facts.lately_returned(k.key, f) for f in k.families_of(family))]
    if returned:
        return OK if all(link in returned for link in up) else UNKNOWN
    return leaked if up else UNKNOWN


POOL_LEAK = Check(
    name="pool-leak",
    section=Section.INTERNET,
    severity=Severity.CRITICAL,
    raise_after=0,
    clear_after=60,
    subjects=pool_leak,
    labels=("pool", "family", "feed"),
    optional_labels=("uplink",),
    summary="NAT pool {pool}[ {prefix}| ({family})] is advertised to [{uplink}|the internet][ by {routers}|, seen on {feed}]",
    needs=needs.nothing_else,
    peering=Peering.MICROSOFT,
    views=(View.TO_INTERNET, View.INTERNET),
    shown_when_off=True,
    acceptance=Tested(AcceptanceStep.INTERNET, required=Required.WITH_POOLS_ON_INTERNET_VIEWS),
)


def pool_covered(config: Config) -> Iterator[Subject]:
    for pool, family, feed in _pools_seen(config):
        if pool.internet is InternetUse.FORBIDDEN:
            topics = {
                feed_topic(feed.name),
                routes_topic(feed.name, RouteSet(COVERS_POOL, family, pool.name)),
            }
            exports = Exports(config, family, [RouteSet(COVERS_POOL, family, pool.name)])
            topics |= exports.topics([feed])
            outside = _Outside(exports, config.customer.asn)
            judge = partial(_pool_covered, pool, family, feed, outside)
            make = _subject("pool-covered", pool, family, feed)
            yield make(frozenset(topics), judge, severity=config.policy.internet_covering)


def _pool_covered(pool: Pool, family: Family, feed: Feed, outside: _Outside, facts: Facts) -> Verdict:
    routes = outside.routes(feed, RouteSet(COVERS_POOL, family, pool.name), facts)
    complete = facts.knows(feed.name, family, pool.prefixes_of(family))
    details = outside.details(feed, routes, facts)
    return present(on_feed(feed, routes=routes, details=details), complete=complete)


POOL_COVERED = Check(
    name="pool-covered",
    section=Section.INTERNET,
    severity=Severity.WARNING,
    raise_after=0,
    clear_after=60,
    subjects=pool_covered,
    labels=("pool", "family", "feed"),
    optional_labels=("uplink",),
    summary="A less specific route on the internet covers NAT pool {pool} ({family}, seen on {feed})",
    needs=needs.nothing_else,
    peering=Peering.MICROSOFT,
    views=(View.TO_INTERNET, View.INTERNET),
    acceptance=Tested(AcceptanceStep.INTERNET),
)


def pool_fallback(config: Config) -> Iterator[Subject]:
    for pool, family, feed in _pools_seen(config):
        if pool.internet is InternetUse.FAILOVER:
            continue
        # A route inside the pool may cover one of its prefixes.
        kinds = (COVERS_POOL, INSIDE_POOL)
        topics = {routes_topic(feed.name, RouteSet(kind, family, pool.name)) for kind in kinds}
        topics |= {routes_topic(feed.name, RouteSet(BLACKHOLED, family)), feed_topic(feed.name)}
        links = tuple(mirrored(config, link) for link in config.pool_links(pool))
        for link in links:
            topics |= link.topics((family,), POOL_SPACE, pool.name)
        judge = partial(_pool_fallback, links, pool, family, feed)
        yield _subject("pool-fallback", pool, family, feed)(frozenset(topics), judge)


def _pool_fallback(
    links: tuple[MirroredLink, ...], pool: Pool, family: Family, feed: Feed, facts: Facts
) -> Verdict:
    """Microsoft prefers the most specific prefix: an aggregate on the internet is harmless only as long as a link
    advertises more specific routes (Microsoft, "ExpressRoute routing requirements").
    """
    if not facts.in_sync(feed.name, family):
        return UNKNOWN
    lost: list[Prefix] = []
    used: list[Route] = []
    unknown = not facts.knows(feed.name, family, pool.prefixes_of(family))
    for prefix in pool.prefixes_of(family):
        covering = _longest_covering(facts, feed, prefix)
        if not covering:
            continue
        length = covering[0].prefix.length
        longer = [_advertises_longer(facts, link, prefix, length) for link in links]
        if True not in longer:
            unknown |= None in longer
            if None not in longer:
                lost.append(prefix)
                used.extend(covering)
    if lost:
        details = {"not_advertised": [str(prefix) for prefix in sorted(lost)[:20]]}
        return violated(on_feed(feed, routes=used, details=details))
    return UNKNOWN if unknown else OK


POOL_FALLBACK = Check(
    name="pool-fallback",
    section=Section.INTERNET,
    severity=Severity.CRITICAL,
    raise_after=30,
    clear_after=60,
    symptom=True,
    subjects=pool_fallback,
    labels=("pool", "family", "feed"),
    optional_labels=("uplink",),
    summary="Microsoft reaches NAT pool {pool} ({family}) over the internet (seen on {feed})",
    needs=needs.pool_mirrors,
    peering=Peering.MICROSOFT,
    views=(View.TO_INTERNET, View.INTERNET),
    acceptance=Tested(AcceptanceStep.INTERNET),
)


def _longest_covering(facts: Facts, feed: Feed, prefix: Prefix) -> list[Route]:
    """Return the most specific of the routes that are less specific than ``prefix`` and cover it, without default
    routes.
    """
    blackholed = facts.matching(feed.name, RouteSet(BLACKHOLED, prefix.family))
    covering = [
        route
        for route in facts.covering(feed.name, prefix)
        if 0 < route.prefix.length < prefix.length and route.key not in blackholed
    ]
    longest = max((route.prefix.length for route in covering), default=0)
    return [route for route in covering if route.prefix.length == longest]


def _advertises_longer(facts: Facts, link: MirroredLink, prefix: Prefix, length: int) -> bool | None:
    """Return whether the link advertises all of ``prefix`` by routes longer than ``length``; ``None`` if that is not
    known.
    """
    family = prefix.family
    if link_down(facts, link.link, family):
        return False
    answers = []
    for mirror in link.feeds:
        if facts.in_sync(mirror.name, family):
            routes = (*facts.covering(mirror.name, prefix), *facts.inside(mirror.name, prefix))
            longer = PrefixSet(route.prefix for route in routes if route.prefix.length > length)
            answers.append(longer.covers(prefix))
    return link.unless_in_doubt(facts, family, any(answers)) if answers else None
