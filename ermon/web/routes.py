"""Finds the routes that are held to a prefix, on one feed or on all, and shows them with their attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from ermon.checks.attribution import Attributor, InternalCopy, Unattributed
from ermon.core.monitor import Monitor
from ermon.core.rib import AdjRibIn
from ermon.core.status import FeedStatus, current_feeds
from ermon.model import communities
from ermon.model.inventory import Config, View
from ermon.model.prefixes import Prefix
from ermon.model.routes import Attributes, Route

MATCHES = ("exact", "longer", "covering")

MAX_ROUTES = 1_000
"""Routes in one answer: about half a megabyte, and more than anybody reads."""

MAX_COUNTED = 10_000
"""Routes that are counted: on the event loop, some five milliseconds."""


def find_routes(
    monitor: Monitor, prefix: Prefix, match: str, feed: str | None
) -> Callable[[], dict[str, Any]]:
    """Find what is held now; the result renders it, on any thread.

    ``total`` counts what was found, and is exact unless ``total_exact`` says otherwise: then there is
    more. ``partial_feeds`` hold only what the policy can ask about, and ``feeds_not_in_sync`` may not
    have sent everything: no route from those proves nothing.
    """
    feeds = [current for current in current_feeds(monitor) if feed in (None, current.feed.name)]
    family = prefix.family
    found = list(islice(_matching(monitor, feeds, prefix, match), MAX_COUNTED + 1))
    config = monitor.config

    def render() -> dict[str, Any]:
        shown = found[:MAX_ROUTES]
        describe = _Describer(config)
        return {
            "prefix": str(prefix),
            "match": match,
            "routes": [describe.route(name, route) for name, route in shown],
            "total": min(len(found), MAX_COUNTED),
            "total_exact": len(found) <= MAX_COUNTED,
            "truncated": len(found) > len(shown),
            "partial_feeds": [current.feed.name for current in feeds if current.partial],
            "feeds_not_in_sync": [
                current.feed.name
                for current in feeds
                if family in current.families and not current.families[family].in_sync
            ],
        }

    return render


def _matching(
    monitor: Monitor, feeds: list[FeedStatus], prefix: Prefix, match: str
) -> Iterator[tuple[str, Route]]:
    find = {"exact": AdjRibIn.paths, "longer": AdjRibIn.inside, "covering": AdjRibIn.covering}[match]
    for current in feeds:
        name = current.feed.name
        for route in find(monitor.network.feeds[name].rib, prefix):
            yield name, route


class _Describer:
    """Shows routes as JSON values. Those of one UPDATE share their attributes, and what is said of them."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._attributor = Attributor(config)
        self._described: dict[tuple[int, bool], dict[str, Any]] = {}

    def route(self, feed: str, route: Route) -> dict[str, Any]:
        on_edge = self._config.feeds[feed].view is View.EDGE_TABLE
        key = (id(route.attributes), on_edge)
        if key not in self._described:
            self._described[key] = _attributes(route.attributes) | self._brought_by(route.attributes, on_edge)
        return {
            "feed": feed,
            "prefix": str(route.prefix),
            "path_id": route.path_id,
            **self._described[key],
        }

    def _brought_by(self, attributes: Attributes, on_edge: bool) -> dict[str, str | None]:
        """Tell what a route of an edge table is; ``attribution`` is ``None`` in every other view."""
        brought_by: dict[str, str | None] = {"circuit": None, "link": None, "attribution": None}
        if not on_edge:
            return brought_by
        match self._attributor.attribute(attributes):
            case (circuit, link):
                return {"circuit": circuit, "link": link, "attribution": "link"}
            case Unattributed():
                return brought_by | {"attribution": "unattributed"}
            case InternalCopy():
                return brought_by | {"attribution": "internal-copy"}
            case _:
                return brought_by | {"attribution": "not-microsoft"}


def _attributes(attributes: Attributes) -> dict[str, Any]:
    return {
        "next_hop": None if attributes.next_hop is None else str(attributes.next_hop),
        "as_path": attributes.path_text,
        "communities": [
            {"community": f"{community[0]}:{community[1]}", "name": communities.slug_of(community)}
            for community in sorted(attributes.communities)
        ],
        "large_communities": [":".join(map(str, large)) for large in sorted(attributes.large_communities)],
        "med": attributes.med,
        "local_preference": attributes.local_preference,
        "origin": attributes.origin,
    }
