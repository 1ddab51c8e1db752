"""The prefixes of routes that an edge table has sent and that are not held.

A full table is not held: of a route that nobody asks about, a table of best paths keeps the prefix alone. The route may
have won over one of Microsoft's.
"""

from __future__ import annotations

from collections.abc import Iterable

from ermon.model.prefixes import Family, Prefix
from ermon.model.routes import PathId, RouteKey


class PassedOver:
    """What one edge table has sent beside the routes that are held, some 70 bytes a route."""

    def __init__(self) -> None:
        self._single: set[int] = set()
        """Packed prefixes of the routes without a path identifier: as good as all of those that are best."""
        self._several: dict[Prefix, set[PathId]] = {}
        self._unsure: set[Family] = set()

    def __bool__(self) -> bool:
        return bool(self._single or self._several)

    def __contains__(self, prefix: Prefix) -> bool:
        return prefix in self._several or _packed(prefix) in self._single

    def add(self, key: RouteKey) -> None:
        prefix, path_id = key
        if path_id is None:
            self._single.add(_packed(prefix))
        else:
            self._several.setdefault(prefix, set()).add(path_id)

    def discard(self, key: RouteKey) -> None:
        prefix, path_id = key
        if path_id is None:
            self._single.discard(_packed(prefix))
        elif path_ids := self._several.get(prefix):
            path_ids.discard(path_id)
            if not path_ids:
                del self._several[prefix]

    def forget(self, family: Family) -> None:
        """Do without a family: all of its paths come, so that none is hidden behind another."""
        self._unsure.add(family)

    def unsure(self, family: Family) -> bool:
        """Return whether routes of the family were not noted: all paths came, and then best paths."""
        return family in self._unsure

    def clear(self) -> None:
        self._single.clear()
        self._several.clear()
        self._unsure.clear()

    def copy(self) -> PassedOver:
        copy = PassedOver()
        copy._single, copy._unsure = set(self._single), set(self._unsure)
        copy._several = {prefix: set(path_ids) for prefix, path_ids in self._several.items()}
        return copy

    def among(self, prefixes: Iterable[Prefix]) -> tuple[Prefix, ...]:
        """Return those of the prefixes that were passed over."""
        return tuple(sorted(prefix for prefix in prefixes if prefix in self))


def _packed(prefix: Prefix) -> int:
    return (prefix.value << 8 | prefix.length) << 1 | (prefix.version == 6)
