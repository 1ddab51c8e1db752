"""The Microsoft routes of one edge table that fit no link, counted by what keeps them from it.

They may be a link's own routes, so a link without routes is not down while they are there; but those that were there
while the link had its routes have nothing to do with its loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ermon.checks.attribution import Unattributed
from ermon.model.prefixes import FAMILIES, Family


@dataclass(slots=True)
class _Group:
    since: float
    routes: int = 0
    ended: float | None = None


@dataclass(slots=True)
class Strays:
    """Times are seconds since the epoch."""

    _groups: dict[Family, dict[Unattributed, _Group]] = field(
        default_factory=lambda: {family: {} for family in FAMILIES}
    )

    _earlier: dict[Family, dict[Unattributed, float]] = field(default_factory=dict)
    """What an earlier ermon knew, until the first table is here whole."""

    def added(self, family: Family, why: Unattributed, now: float) -> None:
        group = self._groups[family].get(why)
        if group is None or (group.ended is not None and group.ended < now):
            since = self._earlier.get(family, {}).get(why, now)
            group = self._groups[family][why] = _Group(since)
        group.routes += 1
        group.ended = None

    def removed(self, family: Family, why: Unattributed, now: float) -> None:
        group = self._groups[family][why]
        group.routes -= 1
        if not group.routes:
            group.ended = now
            self._forget(family, now)

    def counts(self, family: Family) -> dict[Unattributed, int]:
        """Count the routes by what keeps them from a link."""
        return {why: group.routes for why, group in self._groups[family].items() if group.routes}

    def settled(self, family: Family, before: float, now: float) -> frozenset[Unattributed]:
        """Return what was there without interruption from ``before`` until now, or until an end at this instant."""
        return frozenset(
            why
            for why, group in self._groups[family].items()
            if group.since <= before and (group.routes or group.ended == now)
        )

    def since(self) -> dict[Family, dict[Unattributed, float]]:
        """Return since when each was there, of those that are."""
        return {
            family: {why: group.since for why, group in groups.items() if group.ended is None}
            for family, groups in self._groups.items()
        }

    def restore(self, since: Mapping[Family, Iterable[tuple[Unattributed, float]]]) -> None:
        """Know since when what will be taken over was there; the routes are not here."""
        for family, whys in since.items():
            self._groups[family] |= {why: _Group(time) for why, time in whys}

    def expect(self, since: Mapping[Family, Iterable[tuple[Unattributed, float]]]) -> None:
        """Know since when what the router is about to send again was there, as an earlier ermon saw it."""
        self._earlier = {family: dict(whys) for family, whys in since.items()}

    def all_are_here(self, family: Family) -> None:
        """The router has sent all of a family: what comes from now on is new."""
        self._earlier.pop(family, None)

    def take_over(self, before: Strays) -> None:
        """Know of the same routes since when they were there."""
        for family, times in before.since().items():
            for why, group in self._groups[family].items():
                group.since = times.get(why, group.since)
        self._earlier = dict(before._earlier)

    def _forget(self, family: Family, now: float) -> None:
        """Let go of what ended before this instant."""
        groups = self._groups[family]
        for why in [why for why, group in groups.items() if group.ended is not None and group.ended < now]:
            del groups[why]
