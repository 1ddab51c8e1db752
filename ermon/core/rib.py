"""The routes held from one feed: an Adj-RIB-In (RFC 4271 section 1.1).

An announcement replaces the route with the same NLRI (prefix and path identifier). One that changes nothing returns
``None``, so that nothing follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ermon.core.addresses import CoveredAddresses
from ermon.model.prefixes import FAMILIES, Family, Prefix, PrefixIndex
from ermon.model.routes import PathId, Route, RouteKey


class RouteChange(NamedTuple):
    """The old and the new route of one NLRI; ``None`` stands for no route."""

    key: RouteKey
    old: Route | None
    new: Route | None


_Paths = Route | dict[PathId, Route]
"""The routes to one prefix: nearly always one. A dictionary for it would take more memory than the route."""


class AdjRibIn:
    """Routes keyed by prefix and path identifier."""

    def __init__(self) -> None:
        self._paths: PrefixIndex[_Paths] = PrefixIndex()
        self._addresses = CoveredAddresses(self._paths)
        self._counts: dict[Family, int] = dict.fromkeys(FAMILIES, 0)
        self._prefix_counts: dict[Family, int] = dict.fromkeys(FAMILIES, 0)

    def __len__(self) -> int:
        return sum(self._counts.values())

    def __contains__(self, prefix: Prefix) -> bool:
        return prefix in self._paths

    def get(self, key: RouteKey) -> Route | None:
        paths = self._paths.get(key[0])
        if isinstance(paths, dict):
            return paths.get(key[1])
        return paths if paths is not None and paths.path_id == key[1] else None

    def count(self, family: Family) -> int:
        """Count the routes of a family, each path of a prefix separately."""
        return self._counts[family]

    def prefix_count(self, family: Family) -> int:
        """Count the prefixes of a family, however many paths they have."""
        return self._prefix_counts[family]

    def addresses(self, family: Family) -> int:
        """Count the addresses that the routes cover, each once; a default route covers none here."""
        return self._addresses.count(family)

    def prefixes(self, family: Family) -> Iterator[Prefix]:
        return (prefix for prefix in self._paths if prefix.family == family)

    def routes(self) -> Iterator[Route]:
        for prefix in self._paths:
            yield from self.paths(prefix)

    def paths(self, prefix: Prefix) -> Iterator[Route]:
        """Yield the routes to exactly ``prefix``."""
        paths = self._paths.get(prefix)
        if paths is not None:
            yield from _each(paths)

    def has_only(self, key: RouteKey) -> bool:
        """Return whether a route that is here is the only one to its prefix."""
        return not isinstance(self._paths.get(key[0]), dict)

    def inside(self, prefix: Prefix) -> Iterator[Route]:
        """Yield the routes to ``prefix`` and to prefixes inside it."""
        for _, paths in self._paths.inside(prefix):
            yield from _each(paths)

    def covering(self, prefix: Prefix) -> Iterator[Route]:
        """Yield the routes to ``prefix`` and to less specific prefixes, including the default route."""
        for _, paths in self._paths.covering(prefix):
            yield from _each(paths)

    def covers(self, prefix: Prefix) -> bool:
        """Return whether routes other than a default cover every address of ``prefix``."""
        return self._paths.covers(prefix)

    def announce(self, route: Route) -> RouteChange | None:
        prefix, path_id = key = route.key
        old: Route | None = None
        paths = self._paths.get(prefix)
        if paths is None:
            self._paths[prefix] = route
            self._prefix_counts[prefix.family] += 1
            self._addresses.came(prefix)
        elif isinstance(paths, dict):
            old = paths.get(path_id)
            if old == route:
                return None
            paths[path_id] = route
        elif paths.path_id != path_id:
            self._paths[prefix] = {paths.path_id: paths, path_id: route}
        elif paths == route:
            return None
        else:
            old, self._paths[prefix] = paths, route
        if old is None:
            self._counts[prefix.family] += 1
        return RouteChange(key, old, route)

    def withdraw(self, key: RouteKey) -> RouteChange | None:
        prefix, path_id = key
        old = self.get(key)
        if old is None:
            return None
        paths = self._paths.get(prefix)
        if isinstance(paths, dict):
            del paths[path_id]
            if len(paths) == 1:
                (self._paths[prefix],) = paths.values()
        else:
            self._addresses.goes(prefix)
            del self._paths[prefix]
            self._prefix_counts[prefix.family] -= 1
        self._counts[prefix.family] -= 1
        return RouteChange(key, old, None)

    def flush(self) -> list[RouteChange]:
        """Drop every route: their session is over."""
        changes = [RouteChange(route.key, route, None) for route in self.routes()]
        self._paths = PrefixIndex()
        self._addresses = CoveredAddresses(self._paths)
        self._counts = dict.fromkeys(FAMILIES, 0)
        self._prefix_counts = dict.fromkeys(FAMILIES, 0)
        return changes


def _each(paths: _Paths) -> Iterable[Route]:
    return paths.values() if isinstance(paths, dict) else (paths,)
