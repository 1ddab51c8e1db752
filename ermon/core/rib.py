"""The routes held from one feed: an Adj-RIB-In (RFC 4271 section 1.1).

An announcement replaces the route with the same NLRI (prefix and path identifier). One that changes nothing returns
``None``, so that nothing follows from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ermon.model.prefixes import FAMILIES, Family, Prefix, PrefixIndex
from ermon.model.routes import PathId, Route, RouteKey


class RouteChange(NamedTuple):
    """The old and the new route of one NLRI; ``None`` stands for no route."""

    key: RouteKey
    old: Route | None
    new: Route | None


class AdjRibIn:
    """Routes keyed by prefix and path identifier."""

    def __init__(self, *, counts_addresses: bool = False) -> None:
        """``counts_addresses``: for tables whose addresses are counted; a full table is not, and the count would slow
        it down.
        """
        self._counts_addresses = counts_addresses
        self._addresses: dict[Family, int] = dict.fromkeys(FAMILIES, 0)
        self._paths: PrefixIndex[dict[PathId, Route]] = PrefixIndex()
        self._counts: dict[Family, int] = dict.fromkeys(FAMILIES, 0)
        self._prefix_counts: dict[Family, int] = dict.fromkeys(FAMILIES, 0)

    def __len__(self) -> int:
        return sum(self._counts.values())

    def __contains__(self, prefix: Prefix) -> bool:
        return prefix in self._paths

    def get(self, key: RouteKey) -> Route | None:
        return (self._paths.get(key[0]) or {}).get(key[1])

    def count(self, family: Family) -> int:
        """Count the routes of a family, each path of a prefix separately."""
        return self._counts[family]

    def prefix_count(self, family: Family) -> int:
        """Count the prefixes of a family, however many paths they have."""
        return self._prefix_counts[family]

    def addresses(self, family: Family) -> int:
        """Count the addresses that the routes cover, each once, if the table counts them; a default route covers none
        here.
        """
        return self._addresses[family]

    def prefixes(self, family: Family) -> Iterator[Prefix]:
        return (prefix for prefix in self._paths if prefix.family == family)

    def routes(self) -> Iterator[Route]:
        for prefix in self._paths:
            yield from self.paths(prefix)

    def paths(self, prefix: Prefix) -> Iterator[Route]:
        """Yield the routes to exactly ``prefix``."""
        yield from (self._paths.get(prefix) or {}).values()

    def inside(self, prefix: Prefix) -> Iterator[Route]:
        """Yield the routes to ``prefix`` and to prefixes inside it."""
        for _, paths in self._paths.inside(prefix):
            yield from paths.values()

    def covering(self, prefix: Prefix) -> Iterator[Route]:
        """Yield the routes to ``prefix`` and to less specific prefixes, including the default route."""
        for _, paths in self._paths.covering(prefix):
            yield from paths.values()

    def covers(self, prefix: Prefix) -> bool:
        """Return whether routes other than a default cover every address of ``prefix``."""
        return self._paths.covers(prefix)

    def announce(self, route: Route) -> RouteChange | None:
        prefix, path_id = key = route.key
        family = prefix.family
        paths = self._paths.get(prefix)
        if paths is None:
            paths = self._paths[prefix] = {}
            self._prefix_counts[family] += 1
            if self._counts_addresses:
                self._addresses[family] += self._paths.uncovered_addresses(prefix)
        old = paths.get(path_id)
        if old == route:
            return None
        paths[path_id] = route
        if old is None:
            self._counts[family] += 1
        return RouteChange(key, old, route)

    def withdraw(self, key: RouteKey) -> RouteChange | None:
        prefix, path_id = key
        paths = self._paths.get(prefix)
        old = paths.pop(path_id, None) if paths is not None else None
        if old is None:
            return None
        if not paths:
            if self._counts_addresses:
                self._addresses[prefix.family] -= self._paths.uncovered_addresses(prefix)
            del self._paths[prefix]
            self._prefix_counts[prefix.family] -= 1
        self._counts[prefix.family] -= 1
        return RouteChange(key, old, None)

    def flush(self) -> list[RouteChange]:
        """Drop every route: their session is over."""
        changes = [RouteChange(route.key, route, None) for route in self.routes()]
        self._paths = PrefixIndex()
        self._counts = dict.fromkeys(FAMILIES, 0)
        self._prefix_counts = dict.fromkeys(FAMILIES, 0)
        self._addresses = dict.fromkeys(FAMILIES, 0)
        return changes
