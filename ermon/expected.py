"""Which expected prefixes a link's routes do not cover, kept as the routes come and go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime

from ermon.inventory import ExpectedPrefix
from ermon.prefixes import Prefix, PrefixIndex
from ermon.rib import AdjRibIn


class ExpectedCoverage:
    """The expected prefixes of one link against its routes on one feed."""

    def __init__(self, expected: Iterable[Prefix], table: AdjRibIn) -> None:
        self._expected: PrefixIndex[bool] = PrefixIndex()
        self._table = table
        for prefix in expected:
            self._expected[prefix] = True
        self.uncovered: set[Prefix] = {prefix for prefix in self._expected if not table.covers(prefix)}

    def touched(self, prefix: Prefix) -> bool:
        """Look again after ``prefix`` came or went; tell whether the answer has changed.

        Only the expected prefixes that overlap it can have changed.
        """
        changed = False
        overlapping = {found for found, _ in self._expected.inside(prefix)}
        overlapping.update(found for found, _ in self._expected.covering(prefix))
        for expected in overlapping:
            covered = self._table.covers(expected)
            if covered == (expected in self.uncovered):
                (self.uncovered.discard if covered else self.uncovered.add)(expected)
                changed = True
        return changed


class Calendar:
    """When each expected prefix is expected: from the start of a day (UTC) to the start of another."""

    def __init__(self, expected: Iterable[ExpectedPrefix]) -> None:
        self._periods: dict[Prefix, list[tuple[float, float]]] = {}
        for item in expected:
            period = (_midnight(item.starts, float("-inf")), _midnight(item.ends, float("inf")))
            self._periods.setdefault(item.prefix, []).append(period)

    def expects(self, prefix: Prefix, now: float) -> bool:
        return any(start <= now < end for start, end in self._periods.get(prefix, ()))

    def changes(self) -> Iterator[float]:
        """Yield the times at which a prefix begins or ceases to be expected."""
        for periods in self._periods.values():
            for period in periods:
                yield from (time for time in period if abs(time) != float("inf"))


def _midnight(day: date | None, otherwise: float) -> float:
    if day is None:
        return otherwise
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
