"""Which expected prefixes a link's routes do not cover, kept as the routes come and go."""

from __future__ import annotations

from collections.abc import Iterable

from ermon.core.rib import AdjRibIn
from ermon.model.prefixes import Prefix, PrefixIndex


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
