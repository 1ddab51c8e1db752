"""Which expected prefixes a link's routes do not cover, updated as the routes come and go."""

from __future__ import annotations

from collections.abc import Iterable

from ermon.core.rib import AdjRibIn
from ermon.model.prefixes import Prefix, PrefixIndex


class ExpectedPrefixes:
    """The prefixes expected on a link. They are made once and shared by all feeds that show the link."""

    def __init__(self, prefixes: Iterable[Prefix]) -> None:
        self.prefixes = frozenset(prefixes)
        self._index: PrefixIndex[bool] = PrefixIndex()
        for prefix in self.prefixes:
            self._index[prefix] = True

    def overlapping(self, prefix: Prefix) -> set[Prefix]:
        """Return the expected prefixes that share an address with ``prefix``."""
        found = {expected for expected, _ in self._index.inside(prefix)}
        found.update(expected for expected, _ in self._index.covering(prefix))
        return found


class ExpectedCoverage:
    """The expected prefixes of one link, compared with its routes on one feed."""

    def __init__(self, expected: ExpectedPrefixes, table: AdjRibIn) -> None:
        self._expected = expected
        self._table = table
        self.uncovered = {prefix for prefix in expected.prefixes if not table.covers(prefix)}

    def touched(self, prefix: Prefix) -> bool:
        """Compare again after ``prefix`` came or went; return whether the result has changed.

        Only the expected prefixes that overlap it can have changed.
        """
        changed = False
        for expected in self._expected.overlapping(prefix):
            covered = self._table.covers(expected)
            if covered == (expected in self.uncovered):
                (self.uncovered.discard if covered else self.uncovered.add)(expected)
                changed = True
        return changed
