"""Finds the routes that are held to a prefix, on one feed or on all, and shows them with their attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from ermon.api.answers import CommunityDoc, RouteDoc, RoutesDoc
from ermon.checks.attribution import Attributor, InternalCopy, Unattributed
from ermon.core.facts import FILTERED_VIEWS
from ermon.core.monitor import Monitor
from ermon.core.rib import AdjRibIn
from ermon.model import communities
from ermon.model.inventory import Config, View
from ermon.model.prefixes import Prefix
from ermon.model.routes import Attributes, Route

MATCHES = ("exact", "longer", "covering")

MAX_ROUTES = 1_000
"""Routes in one answer: about half a megabyte, and more than anybody reads."""

MAX_COUNTED = 10_000
"""Routes that are counted: on the event loop, some five milliseconds."""


def find_routes(monitor: Monitor, prefix: Prefix, match: str, feed: str | None) -> Callable[[], RoutesDoc]:
    """Find what is held now; the result describes it, on any thread."""
    known, config, family = monitor.network, monitor.config, prefix.family
    feeds = {name: found for name, found in config.feeds.items() if feed in (None, name)}
    found = list(islice(_matching(monitor, feeds, prefix, match), MAX_COUNTED + 1))
    unsynced = [
        name for name, each in feeds.items() if family in each.families and not known.in_sync(name, family)
    ]

    def render() -> RoutesDoc:
        shown = found[:MAX_ROUTES]
        describe = _Describer(config)
        return RoutesDoc(
            prefix=str(prefix),
            match=match,
            routes=tuple(describe.route(name, route) for name, route in shown),
            total=min(len(found), MAX_COUNTED),
            total_exact=len(found) <= MAX_COUNTED,
            truncated=len(found) > len(shown),
            partial_feeds=tuple(name for name, each in feeds.items() if each.view in FILTERED_VIEWS),
            feeds_not_in_sync=tuple(unsynced),
        )

    return render


def _matching(
    monitor: Monitor, feeds: Iterable[str], prefix: Prefix, match: str
) -> Iterator[tuple[str, Route]]:
    find = {"exact": AdjRibIn.paths, "longer": AdjRibIn.inside, "covering": AdjRibIn.covering}[match]
    for name in feeds:
        for route in find(monitor.network.feeds[name].rib, prefix):
            yield name, route


class _Describer:
    """Describes routes. Those of one UPDATE share their attributes, and what is said of them."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._attributor = Attributor(config)
        self._described: dict[tuple[int, bool], dict[str, Any]] = {}

    def route(self, feed: str, route: Route) -> RouteDoc:
        on_edge = self._config.feeds[feed].view is View.EDGE_TABLE
        key = (id(route.attributes), on_edge)
        if key not in self._described:
            self._described[key] = _attributes(route.attributes) | self._brought_by(route.attributes, on_edge)
        return RouteDoc(feed=feed, prefix=str(route.prefix), path_id=route.path_id, **self._described[key])

    def _brought_by(self, attributes: Attributes, on_edge: bool) -> dict[str, str | None]:
        """Tell what a route of an edge table is."""
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
    """Return the fields of a ``RouteDoc`` that say them."""
    return {
        "next_hop": None if attributes.next_hop is None else str(attributes.next_hop),
        "as_path": attributes.path_text,
        "communities": tuple(
            CommunityDoc(community=f"{community[0]}:{community[1]}", name=communities.slug_of(community))
            for community in sorted(attributes.communities)
        ),
        "large_communities": tuple(
            ":".join(map(str, large)) for large in sorted(attributes.large_communities)
        ),
        "med": attributes.med,
        "local_preference": attributes.local_preference,
        "origin": attributes.origin,
    }
