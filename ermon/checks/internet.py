"""Checks of what is advertised to the internet, judged on the mirrors of the uplinks and on outside views."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from ermon.checks import needs
from ermon.checks.check import AcceptanceStep, Check, NotTested, Required, Section, Tested
from ermon.checks.elsewhere import blackholing
from ermon.checks.facts import Facts
from ermon.checks.internet_space import EXPORTED, space_sets
from ermon.checks.mirror import overlapping_pools, pool_index
from ermon.checks.peers import Exports, peers_detail
from ermon.checks.subject import (
    OK,
    UNKNOWN,
    Classifier,
    RouteGroup,
    Subject,
    Verdict,
    feed_labels,
    on_feed,
    present,
    violated,
)
from ermon.checks.topics import MICROSOFT, RouteSet, feed_topic, routes_topic
from ermon.model.inventory import Config, Feed, View
from ermon.model.prefixes import Family, Prefix, PrefixSet
from ermon.model.routes import Route, SegmentKind
from ermon.model.settings import Severity

INSIDE_POOL = "inside-pool"
COVERS_POOL = "covers-pool"
BLACKHOLED = "blackholed"
TRANSIT = "transit"
OURS = "ours"


def classifiers(config: Config) -> Callable[[Feed], Classifier]:
    """Return the function that makes the classifier of an internet feed. Routes are sorted by the pools that they
    concern.

    Remote-triggered blackholing (RFC 7999) is no leak, and a default route covers nothing.
    """
    pools = pool_index(config)
    space = {pool.name: PrefixSet(pool.prefixes) for pool in config.pools.values()}
    own = PrefixSet(config.customer.own_prefixes)
    blackholed = blackholing(config.policy)
    of_space = space_sets(config)

    def route_sets(route: Route, *, mirrors_uplink: bool) -> Iterator[RouteSet]:
        prefix = route.prefix
        family = prefix.family
        if blackholed(route.attributes):
            yield RouteSet(BLACKHOLED, family)
            return
        if mirrors_uplink and own.covers(prefix):
            yield RouteSet(EXPORTED, family)
        if mirrors_uplink and (prefix.is_default or not own.covers(prefix)):
            yield RouteSet(TRANSIT, family)
        if prefix.is_default:
            return
        yield from of_space(route, not mirrors_uplink)
        if not mirrors_uplink and own.covers(prefix) and _originated_by(config.customer.asn, route):
            yield RouteSet(OURS, family)
        for pool in overlapping_pools(pools, prefix):
            inside = space[pool.name].covers(prefix)
            yield RouteSet(INSIDE_POOL if inside else COVERS_POOL, family, pool.name)

    def classifier(feed: Feed) -> Classifier:
        mirrors_uplink = feed.view is View.TO_INTERNET
        return Classifier(lambda route, _: route_sets(route, mirrors_uplink=mirrors_uplink))

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


def microsoft_leaked(config: Config) -> Iterator[Subject]:
    for feed in config.feeds.values():
        if feed.view is View.TO_INTERNET:
            yield _whole_feed("microsoft-leaked", feed, MICROSOFT)


MICROSOFT_LEAKED = Check(
    name="microsoft-leaked",
    section=Section.INTERNET,
    severity=Severity.CRITICAL,
    raise_after=0,
    clear_after=60,
    subjects=microsoft_leaked,
    labels=("feed",),
    optional_labels=("uplink",),
    summary="Feed {feed} shows Microsoft's routes advertised to the internet",
    needs=needs.nothing_else,
    views=(View.TO_INTERNET,),
    acceptance=Tested(AcceptanceStep.INTERNET, required=Required.WITH_UPLINK_MIRRORS),
)


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


INTERNET_UNDECLARED = Check(
    name="internet-undeclared",
    section=Section.INTERNET,
    severity=Severity.WARNING,
    raise_after=30,
    clear_after=60,
    subjects=internet_undeclared,
    labels=("feed",),
    optional_labels=("uplink",),
    summary="Feed {feed} shows a prefix advertised to the internet that is not ours",
    needs=needs.nothing_else,
    views=(View.TO_INTERNET,),
    acceptance=NotTested("about the uplinks as a whole"),
)


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
        of_family = {f: Exports(config, f, [RouteSet(EXPORTED, f)]) for f in feed.families}
        judge = partial(
            _mirror_disagrees,
            feed,
            uplinks,
            uplink_mirrors,
            config.customer.own_prefixes,
            of_family,
            config.customer.asn,
        )
        yield Subject("mirror-disagrees", feed_labels(feed), frozenset(topics), judge)


def _mirror_disagrees(
    feed: Feed,
    uplinks: frozenset[str],
    uplink_mirrors: tuple[Feed, ...],
    ours: tuple[Prefix, ...],
    exports: Mapping[Family, Exports],
    asn: int,
    facts: Facts,
) -> Verdict:
    """A prefix of yours that is on the internet and that no mirror exports leaves by an unmonitored uplink.

    Prefixes are compared exactly: an exported aggregate does not explain a more specific prefix.
    """
    if not uplink_mirrors or uplinks != {mirror.uplink for mirror in uplink_mirrors}:
        return UNKNOWN
    elsewhere: list[Route] = []
    unknown = False
    for family in feed.families:
        unknown |= not facts.knows(feed.name, family, (p for p in ours if p.family == family))
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
            for route in exports[family].still_announced(feed, RouteSet(OURS, family), facts).values()
            if route.prefix not in exported
        ]
        if complete:
            elsewhere.extend(missing)
        elif missing:
            unknown = True
    if elsewhere:
        details = partial(peers_detail, (feed,), elsewhere, facts, (asn,))
        return violated(on_feed(feed, routes=elsewhere, details=details))
    return UNKNOWN if unknown else OK


MIRROR_DISAGREES = Check(
    name="mirror-disagrees",
    section=Section.INTERNET,
    severity=Severity.WARNING,
    raise_after=60,
    clear_after=60,
    subjects=mirror_disagrees,
    labels=("feed",),
    summary="Feed {feed} shows a prefix of ours that no monitored uplink advertises",
    needs=needs.uplink_mirrors,
    views=(View.TO_INTERNET,),
    acceptance=NotTested("about the uplinks as a whole"),
)
