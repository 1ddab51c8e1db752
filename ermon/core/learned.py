"""The prefixes that the links of Microsoft peering bring, and brought until they ceased to be up.

A Microsoft route that was redistributed through an IGP has lost its AS path; what is left to know it by
is that its prefix is one that a link brings. A link that has just died still tells, so what it brought
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
    """Counts, for each prefix, how many links and feeds bring or are remembered to have brought it.

    ``counts`` says whether a prefix of a link tells elsewhere that a route is Microsoft's. What does not is remembered
    all the same: it was brought.
    """

    def __init__(self, counts: Callable[[LinkKey, Prefix], bool] = _no_default) -> None:
        self._counts = counts
        self._index: PrefixIndex[int] = PrefixIndex()
        self._present: dict[_Link, dict[Prefix, int]] = {}
        self._gone: dict[_Link, OrderedDict[Prefix, float]] = {}
        self._remembered: dict[_Link, frozenset[Prefix]] = {}
        self.changed: set[Prefix] = set()
        """Prefixes that began or ceased to be brought since this was last emptied."""

    def __contains__(self, prefix: Prefix) -> bool:
        """Return whether ``prefix`` is equal to or inside one that is brought."""
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
        """Remember what the link brings and has brought within the last minute."""
        key = (link, family)
        remembered = self._remembered[key] = self.lately(link, family, now)
        self._gone.pop(key, None)
        for prefix in remembered:
            self._add(link, prefix)

    def lately(self, link: LinkKey, family: Family, now: float) -> frozenset[Prefix]:
        """Return what the link brings and has brought within the last minute."""
        present = self._present.get((link, family), ())
        return frozenset(present).union(self.lately_gone(link, family, now))

    def came_up(self, link: LinkKey, family: Family) -> None:
        """Forget: what the link brings from now on tells for itself."""
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
