"""What RIPE's collectors hear of your prefixes: which routes still say something, and how many peers have them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ermon.checks.facts import Facts
from ermon.checks.topics import RouteSet, Topic, feed_topic, routes_topic
from ermon.model.inventory import Config, Feed, View
from ermon.model.prefixes import Family
from ermon.model.routes import Route, RouteKey

_UPSTREAMS_LISTED = 20


class Exports:
    """What your own uplinks advertise, of one family: whether a mirror has a prefix, by sets of routes."""

    def __init__(self, config: Config, family: Family, kinds: Iterable[RouteSet]) -> None:
        self._mirrors = tuple(
            f for f in config.feeds.values() if f.view is View.TO_INTERNET and family in f.families
        )
        self._family = family
        self._kinds = tuple(kinds)

    def topics(self, feeds: Iterable[Feed]) -> frozenset[Topic]:
        """Return what the answers depend on, if one of the feeds is RIPE's."""
        if not any(feed.ris for feed in feeds):
            return frozenset()
        every = {routes_topic(mirror.name, kind) for mirror in self._mirrors for kind in self._kinds}
        return frozenset(every | {feed_topic(mirror.name) for mirror in self._mirrors})

    def still_announced(self, feed: Feed, route_set: RouteSet, facts: Facts) -> Mapping[RouteKey, Route]:
        """Return the routes of a set without those that are only stuck at a few of RIPE's peers.

        Some peers keep a route for days after its withdrawal ("BGP zombies"). So a prefix that no mirror exports counts as withdrawn
        once fewer than half of the peers that had it still do. A mirror that is not in sync proves nothing.
        """
        routes = facts.matching(feed.name, route_set)
        if feed.ris is None or not routes:
            return routes
        stuck = {
            prefix
            for prefix in {prefix for prefix, _ in routes}
            if (having := facts.peers_having(feed.name, prefix)) is not None and having.stuck
        }
        if not stuck or not all(facts.in_sync(mirror.name, self._family) for mirror in self._mirrors):
            return routes
        stuck -= {
            prefix
            for mirror in self._mirrors
            for kind in self._kinds
            for prefix, _ in facts.matching(mirror.name, kind)
        }
        return {key: route for key, route in routes.items() if key[0] not in stuck}


def peers_detail(
    feeds: Iterable[Feed], routes: Iterable[Route], facts: Facts, origins: Collection[int]
) -> dict[str, Any]:
    """Return for the evidence how many of RIPE's peers have one of the routes, how many had one at most, and over which upstreams.

    An upstream is the last ASN of a path before its origin, or before ``origins``: yours, for a route that your network originates.
    """
    outside = [feed for feed in feeds if feed.ris is not None]
    found = list(routes)
    if not outside or not found:
        return {}
    peers: set[int] = set()
    by_upstream: dict[int, set[int]] = defaultdict(set)
    for route in found:
        path = route.attributes.as_path
        peer = path.first_asn or 0
        peers.add(peer)
        by_upstream[_upstream([asn for segment in path for asn in segment.asns], origins)].add(peer)
    prefixes = {route.prefix for route in found}
    most = [having.most for f in outside for p in prefixes if (having := facts.peers_having(f.name, p))]
    ranked = sorted(by_upstream.items(), key=lambda item: (-len(item[1]), item[0]))
    upstreams = [f"{asn} ({len(having)} peer{'s' * (len(having) != 1)})" for asn, having in ranked]
    return {
        "peers": len(peers),
        "peers_at_most": max([len(peers), *most]),
        "upstreams": upstreams[:_UPSTREAMS_LISTED],
    }


def _upstream(path: list[int], origins: Collection[int]) -> int:
    """Return the ASN that passes the origin's routes on; the origin itself if nobody does."""
    if not path:
        return 0
    end = {path[-1], *(origins if path[-1] in origins else ())}
    return next((asn for asn in reversed(path) if asn not in end), path[-1])
