"""Which expected prefixes a link's routes do not cover, updated as the routes come and go."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet

from ermon.core.rib import AdjRibIn
from ermon.model.prefixes import Prefix, PrefixIndex


class ExpectedPrefixes:
    """The prefixes expected on a link. They are made once and shared by all feeds that show the link."""

    def __init__(self, prefixes: Iterable[Prefix]) -> None:
        self.prefixes = frozenset(prefixes)
        self._index: PrefixIndex[bool] = PrefixIndex()
        for prefix in self.prefixes:
            self._index[prefix] = True

    def overlapping(self, prefixes: Collection[Prefix]) -> AbstractSet[Prefix]:
        """Return the expected prefixes that share an address with one of ``prefixes``. Of so many prefixes that it takes
        longer to find out, return all.
        """
        if len(prefixes) >= len(self.prefixes):
            return self.prefixes
        found: set[Prefix] = set()
        for prefix in prefixes:
            found.update(expected for expected, _ in self._index.inside(prefix))
            found.update(expected for expected, _ in self._index.covering(prefix))
        return found


class ExpectedCoverage:
    """The expected prefixes of one link, compared with its routes on one feed."""

    def __init__(self, expected: ExpectedPrefixes, table: AdjRibIn) -> None:
        self._expected = expected
        self._table = table
        self.uncovered = {prefix for prefix in expected.prefixes if not table.covers(prefix)}

    def touched(self, prefixes: Collection[Prefix]) -> bool:
        """Compare again after ``prefixes`` came or went; return whether the result has changed.

        Only the expected prefixes that overlap one of them can have changed.
        """
        changed = False
        for expected in self._expected.overlapping(prefixes):
            covered = self._table.covers(expected)
            if covered == (expected in self.uncovered):
                (self.uncovered.discard if covered else self.uncovered.add)(expected)
                changed = True
        return changed
