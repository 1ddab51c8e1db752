"""The prefixes of the links of Microsoft peering, including those of links that have just ceased to be up.

A Microsoft route that was redistributed through an IGP has lost its AS path; what is left to know it by
is that its prefix is one of a link. A link that has just gone down still counts, so its prefixes
in its last minute is remembered until it is up again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping

from ermon.model.inventory import LinkKey
from ermon.model.prefixes import Family, Prefix, PrefixIndex

REMEMBER_SECONDS = 60.0
"""How long before a link ceased to be up counts: its routes may go one by one."""

_Link = tuple[LinkKey, Family]


def _no_default(_: LinkKey, prefix: Prefix) -> bool:
    return not prefix.is_default


class LearnedPrefixes:
    """Counts, for each prefix, how many links and feeds have or had it.

    ``counts`` says whether a prefix of a link marks routes of other views as Microsoft's. Other prefixes are remembered
    all the same: a link had it.
    """

    def __init__(self, counts: Callable[[LinkKey, Prefix], bool] = _no_default) -> None:
        self._counts = counts
        self._index: PrefixIndex[int] = PrefixIndex()
        self._present: dict[_Link, dict[Prefix, int]] = {}
        self._gone: dict[_Link, OrderedDict[Prefix, float]] = {}
        self._remembered: dict[_Link, frozenset[Prefix]] = {}
        self.changed: set[Prefix] = set()
        """Prefixes that a link got or lost since this was last emptied."""

    def __contains__(self, prefix: Prefix) -> bool:
        """Return whether ``prefix`` is equal to or inside a learned one."""
        return any(True for _ in self._index.covering(prefix))

    def appeared(self, link: LinkKey, prefix: Prefix) -> None:
        """One more feed shows ``prefix`` on the link."""
        key = (link, prefix.family)
        present = self._present.setdefault(key, {})
        present[prefix] = present.get(prefix, 0) + 1
        if key in self._gone:
            self._gone[key].pop(prefix, None)
        self._add(link, prefix)

    def vanished(self, link: LinkKey, prefix: Prefix, now: float) -> None:
        """One feed less shows ``prefix`` on the link."""
        key = (link, prefix.family)
        present = self._present[key]
        present[prefix] -= 1
        if not present[prefix]:
            del present[prefix]
            gone = self._gone.setdefault(key, OrderedDict())
            gone[prefix] = now
            self._forget_old(gone, now)
        self._remove(link, prefix)

    def ceased_to_be_up(self, link: LinkKey, family: Family, now: float) -> None:
        """Remember the prefixes that the link has or had within the last minute."""
        key = (link, family)
        remembered = self._remembered[key] = self.lately(link, family, now)
        self._gone.pop(key, None)
        for prefix in remembered:
            self._add(link, prefix)

    def lately(self, link: LinkKey, family: Family, now: float) -> frozenset[Prefix]:
        """Return the prefixes that the link has or had within the last minute."""
        present = self._present.get((link, family), ())
        return frozenset(present).union(self.lately_gone(link, family, now))

    def came_up(self, link: LinkKey, family: Family) -> None:
        """Forget: from now on the link's own routes count."""
        for prefix in self._remembered.pop((link, family), ()):
            self._remove(link, prefix)

    def remembered(self, link: LinkKey, family: Family) -> frozenset[Prefix]:
        return self._remembered.get((link, family), frozenset())

    def restore(self, link: LinkKey, family: Family, prefixes: frozenset[Prefix]) -> None:
        """Remember what an earlier instance of this class remembered."""
        self._remembered[link, family] = prefixes
        for prefix in prefixes:
            self._add(link, prefix)

    def lately_gone(self, link: LinkKey, family: Family, now: float) -> dict[Prefix, float]:
        """Return what vanished so shortly ago that it is remembered if the link goes now, and when."""
        gone: Mapping[Prefix, float] = self._gone.get((link, family), {})
        return {prefix: ended for prefix, ended in gone.items() if ended >= now - REMEMBER_SECONDS}

    def restore_gone(self, link: LinkKey, family: Family, gone: Mapping[Prefix, float]) -> None:
        """Know what vanished as an earlier instance of this class knew it."""
        self._gone[link, family] = OrderedDict(gone)

    def __iter__(self) -> Iterator[Prefix]:
        return iter(self._index)

    @staticmethod
    def _forget_old(gone: OrderedDict[Prefix, float], now: float) -> None:
        while gone:
            prefix, ended = gone.popitem(last=False)
            if ended >= now - REMEMBER_SECONDS:
                gone[prefix] = ended
                gone.move_to_end(prefix, last=False)
                return

    def _add(self, link: LinkKey, prefix: Prefix) -> None:
        if not self._counts(link, prefix):
            return
        count = self._index.get(prefix) or 0
        self._index[prefix] = count + 1
        if not count:
            self.changed.add(prefix)

    def _remove(self, link: LinkKey, prefix: Prefix) -> None:
        if not self._counts(link, prefix):
            return
        count = self._index.get(prefix) or 0
        if count > 1:
            self._index[prefix] = count - 1
        else:
            del self._index[prefix]
            self.changed.add(prefix)
