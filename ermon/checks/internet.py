"""Checks of what the internet hears from us, on the mirrors of the uplinks and on outside views."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from ermon.checks.mirror import POOL_SPACE, MirroredLink, mirrored, overlapping_pools, pool_index
from ermon.checks.subject import (
    MICROSOFT,
    OK,
    UNKNOWN,
    Classifier,
    Facts,
    RouteGroup,
    RouteSet,
    Subject,
    Verdict,
    feed_labels,
    feed_topic,
    link_down,
    link_topic,
    on_feed,
    present,
    routes_topic,
    violated,
)
from ermon.model.inventory import Config, Feed, InternetUse, Link, Pool, View
from ermon.model.prefixes import Family, Prefix, PrefixSet
from ermon.model.routes import BLACKHOLE, Route, SegmentKind

INSIDE_POOL = "inside-pool"
COVERS_POOL = "covers-pool"
BLACKHOLED = "blackholed"
TRANSIT = "transit"
OURS = "ours"
EXPORTED = "exported"


def classifiers(config: Config) -> Callable[[Feed], Classifier]:
    """Return how what the internet hears is sorted: by the pools that it concerns.

    Remote-triggered blackholing (RFC 7999) is no leak, and a default route covers nothing.
    """
    pools = pool_index(config)
    space = {pool.name: PrefixSet(pool.prefixes) for pool in config.pools.values()}
    own = PrefixSet(config.customer.own_prefixes)

    def route_sets(route: Route, *, mirrors_uplink: bool) -> Iterator[RouteSet]:
        prefix = route.prefix
        family = prefix.family
        if BLACKHOLE in route.attributes.communities:
            yield RouteSet(BLACKHOLED, family)
            return
        if mirrors_uplink and own.covers(prefix):
            yield RouteSet(EXPORTED, family)
        if mirrors_uplink and (prefix.is_default or not own.covers(prefix)):
            yield RouteSet(TRANSIT, family)
        if prefix.is_default:
            return
        if not mirrors_uplink and own.covers(prefix) and _originated_by(config.customer.asn, route):
            yield RouteSet(OURS, family)
        for pool in overlapping_pools(pools, prefix):
            inside = space[pool.name].covers(prefix)
            yield RouteSet(INSIDE_POOL if inside else COVERS_POOL, family, pool.name)

    def classifier(feed: Feed) -> Classifier:
        mirrors_uplink = feed.view is View.TO_INTERNET
        return lambda route, _: route_sets(route, mirrors_uplink=mirrors_uplink)

    return classifier


def _originated_by(asn: int, route: Route) -> bool:
    path = route.attributes.as_path
    if not path:
        return False
    last = path[-1]
    return asn in last.asns if last.kind is SegmentKind.SET else last.asns[-1:] == (asn,)


def internet_feeds(config: Config) -> Iterator[Feed]:
    for feed in config.feeds.values():
        if feed.view in {View.TO_INTERNET, View.INTERNET}:
            yield feed


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
        judge = partial(_pool_leak, pool, family, feed, excused)
        yield _subject("pool-leak", pool, family, feed)(frozenset(topics), judge)


def _pool_leak(pool: Pool, family: Family, feed: Feed, excused: list[Link], facts: Facts) -> Verdict:
    """``excused``: the links that must all be proven down for the pool to be on the internet rightly."""
    if excused and all(link_down(facts, link, family) for link in excused):
        return OK
    routes = facts.matching(feed.name, RouteSet(INSIDE_POOL, family, pool.name)).values()
    return present(on_feed(feed, routes=routes), complete=facts.in_sync(feed.name, family))


def pool_covered(config: Config) -> Iterator[Subject]:
    for pool, family, feed in _pools_seen(config):
        if pool.internet is InternetUse.FORBIDDEN:
            topics = {
                feed_topic(feed.name),
                routes_topic(feed.name, RouteSet(COVERS_POOL, family, pool.name)),
            }
            judge = partial(_pool_covered, pool, family, feed)
            make = _subject("pool-covered", pool, family, feed)
            yield make(frozenset(topics), judge, severity=config.policy.internet_covering)


def _pool_covered(pool: Pool, family: Family, feed: Feed, facts: Facts) -> Verdict:
    routes = facts.matching(feed.name, RouteSet(COVERS_POOL, family, pool.name)).values()
    return present(on_feed(feed, routes=routes), complete=facts.in_sync(feed.name, family))


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
    """Microsoft prefers the longer prefix: an aggregate on the internet is harmless only as long as a
    link advertises more specific routes (Microsoft, "ExpressRoute routing requirements").
    """
    if not facts.in_sync(feed.name, family):
        return UNKNOWN
    lost: list[Prefix] = []
    used: list[Route] = []
    unknown = False
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


def _longest_covering(facts: Facts, feed: Feed, prefix: Prefix) -> list[Route]:
    """The most specific of the shorter routes that cover ``prefix``, a default route aside."""
    blackholed = facts.matching(feed.name, RouteSet(BLACKHOLED, prefix.family))
    covering = [
        route
        for route in facts.covering(feed.name, prefix)
        if 0 < route.prefix.length < prefix.length and route.key not in blackholed
    ]
    longest = max((route.prefix.length for route in covering), default=0)
    return [route for route in covering if route.prefix.length == longest]


def _advertises_longer(facts: Facts, link: MirroredLink, prefix: Prefix, length: int) -> bool | None:
    """Tell whether the link advertises all of ``prefix`` by routes longer than ``length``."""
    family = prefix.family
    if link_down(facts, link.link, family):
        return False
    answers = []
    for mirror in link.feeds:
        if facts.in_sync(mirror.name, family):
            routes = (*facts.covering(mirror.name, prefix), *facts.inside(mirror.name, prefix))
            longer = PrefixSet(route.prefix for route in routes if route.prefix.length > length)
            answers.append(longer.covers(prefix))
    return any(answers) if answers else None


def microsoft_leaked(config: Config) -> Iterator[Subject]:
    for feed in config.feeds.values():
        if feed.view is View.TO_INTERNET:
            yield _whole_feed("microsoft-leaked", feed, MICROSOFT)


def _whole_feed(check: str, feed: Feed, kind: str) -> Subject:
    topics = {feed_topic(feed.name)} | {routes_topic(feed.name, RouteSet(kind, f)) for f in feed.families}
    return Subject(check, feed_labels(feed), frozenset(topics), partial(_nothing_on_feed, feed, kind))


def _nothing_on_feed(feed: Feed, kind: str, facts: Facts) -> Verdict:
    routes = RouteGroup(facts.matching(feed.name, RouteSet(kind, f)) for f in feed.families)
    complete = all(facts.in_sync(feed.name, family) for family in feed.families)
    return present(on_feed(feed, routes=routes), complete=complete)


def internet_undeclared(config: Config) -> Iterator[Subject]:
    for feed in config.feeds.values():
        if feed.view is View.TO_INTERNET:
            yield _whole_feed("internet-undeclared", feed, TRANSIT)


def mirror_disagrees(config: Config) -> Iterator[Subject]:
    uplinks = frozenset(config.uplinks)
    uplink_mirrors = tuple(feed for feed in config.feeds.values() if feed.view is View.TO_INTERNET)
    for feed in config.feeds.values():
        if feed.view is not View.INTERNET:
            continue
        topics = {feed_topic(feed.name)} | {routes_topic(feed.name, RouteSet(OURS, f)) for f in feed.families}
        for mirror in uplink_mirrors:
            topics.add(feed_topic(mirror.name))
            topics.update(routes_topic(mirror.name, RouteSet(EXPORTED, f)) for f in mirror.families)
        judge = partial(_mirror_disagrees, feed, uplinks, uplink_mirrors)
        yield Subject("mirror-disagrees", feed_labels(feed), frozenset(topics), judge)


def _mirror_disagrees(
    feed: Feed, uplinks: frozenset[str], uplink_mirrors: tuple[Feed, ...], facts: Facts
) -> Verdict:
    """What the internet hears of ours and no mirror exports leaves by an exit that nobody watches.

    Compared exactly: that an aggregate is exported does not explain a longer prefix.
    """
    if not uplink_mirrors or uplinks != {mirror.uplink for mirror in uplink_mirrors}:
        return UNKNOWN
    elsewhere: list[Route] = []
    unknown = False
    for family in feed.families:
        unknown |= not facts.in_sync(feed.name, family)
        mirrors = [m for m in uplink_mirrors if family in m.families]
        in_sync = [m for m in mirrors if facts.in_sync(m.name, family)]
        complete = len(in_sync) == len(mirrors) and uplinks == {m.uplink for m in mirrors}
        exported = {
            route.prefix
            for mirror in in_sync
            for route in facts.matching(mirror.name, RouteSet(EXPORTED, family)).values()
        }
        missing = [
            route
            for route in facts.matching(feed.name, RouteSet(OURS, family)).values()
            if route.prefix not in exported
        ]
        if complete:
            elsewhere.extend(missing)
        elif missing:
            unknown = True
    if elsewhere:
        return violated(on_feed(feed, routes=elsewhere))
    return UNKNOWN if unknown else OK
