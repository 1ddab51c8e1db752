"""The prefixes of routes that an edge table has sent and that are not held.

A full table is not held. Of a route that no check asks about, only the prefix is kept, and only in a table of best
paths: there the route may have won over one of Microsoft's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ermon.model.prefixes import FAMILIES, Family, Prefix
from ermon.model.routes import PathId, RouteKey

SINGLE_BYTES, IDENTIFIED_BYTES = 120, 500
"""Approximate memory of a prefix, and of one with a path identifier."""


class _Keys:
    """The keys of routes of one family."""

    __slots__ = ("identified", "several", "single")

    def __init__(self) -> None:
        self.single: set[int] = set()
        """Packed prefixes of the routes without a path identifier: nearly all routes in a table of best paths."""
        self.several: dict[Prefix, set[PathId]] = {}
        self.identified = 0
        """The number of routes in ``several``."""

    @property
    def held_bytes(self) -> int:
        return SINGLE_BYTES * len(self.single) + IDENTIFIED_BYTES * self.identified

    def __bool__(self) -> bool:
        return bool(self.single or self.several)

    def __contains__(self, prefix: Prefix) -> bool:
        return prefix in self.several or _packed(prefix) in self.single

    def of(self, prefix: Prefix) -> Iterator[RouteKey]:
        if _packed(prefix) in self.single:
            yield prefix, None
        for path_id in self.several.get(prefix, ()):
            yield prefix, path_id

    def add(self, key: RouteKey) -> None:
        prefix, path_id = key
        if path_id is None:
            self.single.add(_packed(prefix))
        else:
            path_ids = self.several.setdefault(prefix, set())
            self.identified += path_id not in path_ids
            path_ids.add(path_id)

    def discard(self, key: RouteKey) -> None:
        prefix, path_id = key
        if path_id is None:
            self.single.discard(_packed(prefix))
        elif path_ids := self.several.get(prefix):
            self.identified -= path_id in path_ids
            path_ids.discard(path_id)
            if not path_ids:
                del self.several[prefix]

    def update(self, other: _Keys) -> None:
        self.single |= other.single
        for prefix, path_ids in other.several.items():
            known = self.several.setdefault(prefix, set())
            self.identified += len(path_ids - known)
            known |= path_ids

    def copy(self) -> _Keys:
        copy = _Keys()
        copy.update(self)
        return copy


class PassedOver:
    """The routes of one edge table that are not held."""

    def __init__(self) -> None:
        self._keys: dict[Family, _Keys] = {family: _Keys() for family in FAMILIES}
        self._missing: dict[Family, _Keys] = {}
        """While the router sends a family again (RFC 7313): the routes that have not come again yet."""
        self._unsure: set[Family] = set()

    @property
    def held_bytes(self) -> int:
        """Approximate memory of this object."""
        return sum(keys.held_bytes for kept in (self._keys, self._missing) for keys in kept.values())

    def __bool__(self) -> bool:
        return any(self._keys.values()) or any(self._missing.values())

    def __contains__(self, prefix: Prefix) -> bool:
        return prefix in self._keys[prefix.family] or prefix in self._missing.get(prefix.family, ())

    def add(self, key: RouteKey) -> None:
        family = key[0].family
        self._keys[family].add(key)
        if missing := self._missing.get(family):
            missing.discard(key)

    def discard(self, key: RouteKey) -> None:
        family = key[0].family
        self._keys[family].discard(key)
        if missing := self._missing.get(family):
            missing.discard(key)

    def refresh_began(self, family: Family) -> None:
        """Note that the router begins to send everything of the family again."""
        self.refresh_forgotten(family)
        self._missing[family], self._keys[family] = self._keys[family], _Keys()

    def refresh_ended(self, family: Family) -> None:
        """Remove the routes that have not come again."""
        self._missing.pop(family, None)

    def refresh_forgotten(self, family: Family) -> None:
        """Note that the refresh has no end mark: the routes that have not come again may still be there."""
        if missing := self._missing.pop(family, None):
            self._keys[family].update(missing)

    def forget(self, family: Family) -> None:
        """Cease to note routes of a family: all of its paths are sent, and where every table has them, none hides another."""
        self._unsure.add(family)

    def unsure(self, family: Family) -> bool:
        """Return whether routes of the family were not noted, because the session had all paths before it had best
        paths.
        """
        return family in self._unsure

    def clear(self) -> None:
        self._keys = {family: _Keys() for family in FAMILIES}
        self._missing.clear()
        self._unsure.clear()

    def copy(self) -> PassedOver:
        copy = PassedOver()
        copy._keys = {family: keys.copy() for family, keys in self._keys.items()}
        copy._missing = {family: keys.copy() for family, keys in self._missing.items()}
        copy._unsure = set(self._unsure)
        return copy

    def among(self, prefixes: Iterable[Prefix]) -> tuple[tuple[RouteKey, ...], tuple[RouteKey, ...]]:
        """Return the noted routes to these prefixes, and those of them that have not come again in a refresh."""
        there: list[RouteKey] = []
        missing: list[RouteKey] = []
        for prefix in prefixes:
            there += self._keys[prefix.family].of(prefix)
            if keys := self._missing.get(prefix.family):
                missing += keys.of(prefix)
        return tuple(sorted(there, key=_order)), tuple(sorted(missing, key=_order))


def _order(key: RouteKey) -> tuple[Prefix, int]:
    prefix, path_id = key
    return prefix, -1 if path_id is None else path_id


def _packed(prefix: Prefix) -> int:
    return prefix.value << 8 | prefix.length
