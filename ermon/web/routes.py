"""The routes for a prefix, and the prefixes that one link of a circuit receives and another does not.

The difference is computed from the same facts as the check ``link-asymmetry``, so that the two cannot disagree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from heapq import nsmallest
from itertools import islice, takewhile
from typing import Any, NamedTuple

from ermon.api.answers import CommunityDoc, LinkDifferenceDoc, RouteDoc, RoutesDoc
from ermon.checks.attribution import Attributor, InternalCopy, Unattributed
from ermon.core.asymmetry import received_tables
from ermon.core.facts import FILTERED_VIEWS, NetworkFacts
from ermon.core.monitor import Monitor
from ermon.core.rib import AdjRibIn
from ermon.model import communities
from ermon.model.findings import LinkState
from ermon.model.inventory import Circuit, Config, Feed, Link, View
from ermon.model.prefixes import Family, Prefix
from ermon.model.routes import Attributes, Route

MATCHES = ("exact", "longer", "covering")

MAX_ROUTES = 1_000
"""Most routes in one answer: about half a megabyte."""

MAX_COUNTED = 10_000
"""Most routes that are counted, which takes some five milliseconds on the event loop."""


def find_routes(monitor: Monitor, prefix: Prefix, match: str, feed: str | None) -> Callable[[], RoutesDoc]:
    """Find the present routes; return a function that describes them on any thread."""
    known, config, family = monitor.network, monitor.config, prefix.family
    feeds = {name: found for name, found in config.feeds.items() if feed in (None, name)}
    found = list(islice(matching(monitor, feeds, prefix, match), MAX_COUNTED + 1))
    unsynced = [
        name
        for name, each in feeds.items()
        if family in each.families and not known.knows(name, family, (prefix,))
    ]

    partial = tuple(name for name, each in feeds.items() if each.view in FILTERED_VIEWS)
    looked_at = _looked_at(feeds, found)
    without = tuple(
        name
        for name in looked_at - {name for name, _ in found} - {*partial, *unsynced}
        if family in feeds[name].families
    )

    def render() -> RoutesDoc:
        shown = found[:MAX_ROUTES]
        describe = Describer(config)
        return RoutesDoc(
            prefix=str(prefix),
            match=match,
            routes=tuple(describe.route(name, route) for name, route in shown),
            total=min(len(found), MAX_COUNTED),
            total_exact=len(found) <= MAX_COUNTED,
            truncated=len(found) > len(shown),
            partial_feeds=partial,
            feeds_not_in_sync=tuple(unsynced),
            feeds_without=tuple(sorted(without)),
        )

    return render


def _looked_at(feeds: Iterable[str], found: list[tuple[str, Route]]) -> set[str]:
    """Return the feeds that were searched completely: all of them, unless there were too many routes."""
    if len(found) <= MAX_COUNTED:
        return set(feeds)
    last = found[-1][0]
    return set(takewhile(lambda name: name != last, feeds))


def matching(
    monitor: Monitor, feeds: Iterable[str], prefix: Prefix, match: str
) -> Iterator[tuple[str, Route]]:
    """Yield the routes that match a prefix in the way ``match``, one of ``MATCHES``, with their feeds."""
    find = {"exact": AdjRibIn.paths, "longer": AdjRibIn.inside, "covering": AdjRibIn.covering}[match]
    for name in feeds:
        for route in find(monitor.network.feeds[name].rib, prefix):
            yield name, route


class Describer:
    """Describes routes. The routes of one UPDATE share their attributes, which are described once."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._attributor = Attributor(config)
        self._described: dict[int, dict[str, Any]] = {}

    def route(self, feed: str, route: Route) -> RouteDoc:
        key = id(route.attributes)
        if key not in self._described:
            self._described[key] = _attributes(route.attributes)
        learned_on = self._learned_on(self._config.feeds[feed], route)
        said = self._described[key] | learned_on
        return RouteDoc(feed=feed, prefix=str(route.prefix), path_id=route.path_id, **said)

    def _learned_on(self, feed: Feed, route: Route) -> dict[str, str | None]:
        """Return the link of a route, or how it is classified otherwise; the session with Microsoft is the link."""
        learned_on: dict[str, str | None] = {"circuit": None, "link": None, "attribution": None}
        if feed.view is View.FROM_MICROSOFT:
            return {"circuit": feed.circuit, "link": feed.link, "attribution": "link"}
        if feed.view is not View.EDGE_TABLE:
            return learned_on
        match self._attributor.of(feed).attribute(route):
            case (circuit, link):
                return {"circuit": circuit, "link": link, "attribution": "link"}
            case Unattributed():
                return learned_on | {"attribution": "unattributed"}
            case InternalCopy():
                return learned_on | {"attribution": "internal-copy"}
            case _:
                return learned_on | {"attribution": "not-microsoft"}


def _attributes(attributes: Attributes) -> dict[str, Any]:
    """Return the fields of a ``RouteDoc`` for these attributes."""
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


# Differences between links -------------------------------------------------------------------------------

MAX_PREFIXES = 20
"""Prefixes that are shown for each link, as many as in the evidence of a finding."""

LOOKED_AT_ONCE = 2_000
"""Prefixes that are compared before the event loop gets a turn: some four milliseconds."""


class _Found(NamedTuple):
    prefixes: list[Prefix]
    complete: bool


async def find_difference(
    monitor: Monitor, circuit: Circuit
) -> Callable[[], dict[Family, dict[str, LinkDifferenceDoc]]]:
    """Find the prefixes that only some links receive; return a function that describes them by family and link on any
    thread.

    Families that fewer than two links carry, or that another ermon monitors, are left out. While a link is down, unknown
    or visible by best paths only, the others cannot be compared with it completely.
    """
    judged = monitor.layout.link_families
    found: dict[Family, dict[str, _Found]] = {}
    for family in circuit.families:
        links = [link for link in circuit.links.values() if family in link.families]
        if len(links) > 1 and all(family in judged[link.key] for link in links):
            found[family] = await _compare(monitor.network, circuit.name, links, family)
    return lambda: {
        family: {link: _describe(difference) for link, difference in by_link.items()}
        for family, by_link in found.items()
    }


async def _compare(known: NetworkFacts, circuit: str, links: list[Link], family: Family) -> dict[str, _Found]:
    """Compare the prefixes in slices; each is judged by its state at that moment."""
    received: dict[str, list[Prefix]] = {link.name: [] for link in links}
    remaining = iter(tuple(known.one_sided(circuit, family)))
    while some := tuple(islice(remaining, LOOKED_AT_ONCE)):
        differing = known.one_sided(circuit, family)
        for table in received_tables(known, circuit, family):
            received[table.name].extend(p for p in some if p in differing and table.shows(p))
        await asyncio.sleep(0)
    return {link.name: _Found(received[link.name], _complete(known, link, links, family)) for link in links}


def _complete(known: NetworkFacts, link: Link, links: list[Link], family: Family) -> bool:
    if known.link_state(link.key, family) is LinkState.DOWN:
        return True  # the link receives nothing
    return all(
        known.link_state(each.key, family) is LinkState.UP and known.deciders(each.key, family)
        for each in links
    )


def _describe(found: _Found) -> LinkDifferenceDoc:
    return LinkDifferenceDoc(
        prefixes=tuple(str(prefix) for prefix in nsmallest(MAX_PREFIXES, found.prefixes)),
        total=len(found.prefixes),
        complete=found.complete,
    )
