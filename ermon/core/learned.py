"""The prefixes of the links of Microsoft peering, including those of links that have just ceased to be up.

A Microsoft route that was redistributed through an IGP has lost its AS path; it can be recognized only by its prefix,
which is also on a link. A link that has just gone down still counts: its prefixes of its last minute are remembered
until it is up again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping

from ermon.model.inventory import LinkKey
from ermon.model.prefixes import Family, Prefix, PrefixIndex

REMEMBER_SECONDS = 60.0
"""Prefixes that a link lost in this time before it ceased to be up still count: its routes may go one by one."""

_Link = tuple[LinkKey, Family]


def _no_default(_: LinkKey, prefix: Prefix) -> bool:
    return not prefix.is_default


class LearnedPrefixes:
    """Counts, for each prefix, how many links and feeds have or had it.

    ``counts`` returns whether a prefix of a link marks routes of other views as Microsoft's. Prefixes that do not are
    remembered as well, as the link's own.
    """

    def __init__(self, counts: Callable[[LinkKey, Prefix], bool] = _no_default) -> None:
        self._counts = counts
        self._index: PrefixIndex[int] = PrefixIndex()
        self._present: dict[_Link, dict[Prefix, int]] = {}
        self._gone: dict[_Link, OrderedDict[Prefix, float]] = {}
        self._remembered: dict[_Link, frozenset[Prefix]] = {}
        self.changed: set[Prefix] = set()
        """Prefixes that links got or lost; the caller empties it."""

    def __contains__(self, prefix: Prefix) -> bool:
        """Return whether ``prefix`` is equal to or inside a learned one."""
        return any(True for _ in self._index.covering(prefix))

    def appeared(self, link: LinkKey, family: Family, prefixes: Iterable[Prefix]) -> None:
        """Note that one more feed shows these prefixes of a family on the link."""
        key = (link, family)
        present, gone = self._present.setdefault(key, {}), self._gone.get(key)
        for prefix in prefixes:
            present[prefix] = present.get(prefix, 0) + 1
            if gone:
                gone.pop(prefix, None)
            self._add(link, prefix)

    def vanished(self, link: LinkKey, prefix: Prefix, now: float) -> None:
        """Note that one feed less shows ``prefix`` on the link."""
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
        """Forget the remembered prefixes: from now on the link's own routes count."""
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
        """Return the prefixes that vanished from the link within ``REMEMBER_SECONDS``, with the time at which they
        did.
        """
        gone: Mapping[Prefix, float] = self._gone.get((link, family), {})
        return {prefix: ended for prefix, ended in gone.items() if ended >= now - REMEMBER_SECONDS}

    def restore_gone(self, link: LinkKey, family: Family, gone: Mapping[Prefix, float]) -> None:
        """Restore ``lately_gone`` of an earlier instance of this class."""
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
