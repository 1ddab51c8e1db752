"""The Microsoft routes of one edge table that fit no link, counted by the reason why they do not.

They may be a link's own routes, so a link without routes is not taken to be down while there are any. Strays that were
there while the link had its own routes have nothing to do with its loss.
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
    """Counts routes by family and reason; times are seconds since the epoch."""

    _groups: dict[Family, dict[Unattributed, _Group]] = field(
        default_factory=lambda: {family: {} for family in FAMILIES}
    )

    _earlier: dict[Family, dict[Unattributed, float]] = field(default_factory=dict)
    """The strays that an earlier run of ermon knew; used until the first table is complete."""

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
        """Count the routes by the reason why they fit no link."""
        return {why: group.routes for why, group in self._groups[family].items() if group.routes}

    def settled(self, family: Family, before: float, now: float) -> frozenset[Unattributed]:
        """Return the reasons that were there without interruption from ``before`` until now, or until an end at this
        instant.
        """
        return frozenset(
            why
            for why, group in self._groups[family].items()
            if group.since <= before and (group.routes or group.ended == now)
        )

    def since(self) -> dict[Family, dict[Unattributed, float]]:
        """Return since when each present reason has been there."""
        return {
            family: {why: group.since for why, group in groups.items() if group.ended is None}
            for family, groups in self._groups.items()
        }

    def restore(self, since: Mapping[Family, Iterable[tuple[Unattributed, float]]]) -> None:
        """Restore since when each reason was there; the routes themselves will be added later."""
        for family, whys in since.items():
            self._groups[family] |= {why: _Group(time) for why, time in whys}

    def expect(self, since: Mapping[Family, Iterable[tuple[Unattributed, float]]]) -> None:
        """Note since when the reasons were there that the router is about to send again, as an earlier run of ermon saw
        them.
        """
        self._earlier = {family: dict(whys) for family, whys in since.items()}

    def all_are_here(self, family: Family) -> None:
        """Note that the router has sent all of a family: reasons that come from now on are new."""
        self._earlier.pop(family, None)

    def take_over(self, before: Strays) -> None:
        """Take over since when the same reasons were there."""
        for family, times in before.since().items():
            for why, group in self._groups[family].items():
                group.since = times.get(why, group.since)
        self._earlier = dict(before._earlier)

    def _forget(self, family: Family, now: float) -> None:
        """Forget the reasons that ended before this instant."""
        groups = self._groups[family]
        for why in [why for why, group in groups.items() if group.ended is not None and group.ended < now]:
            del groups[why]
