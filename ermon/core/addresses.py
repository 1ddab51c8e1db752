"""How many addresses the prefixes of a table cover, each counted once.

Only some checks ask for it, and seldom for every route: so prefixes that have come since it was asked last are noted, and counted
then. Where they are many, or nobody has asked yet, all is counted at once, in a fraction of the time.
"""

from __future__ import annotations

from typing import Any

from ermon.model.prefixes import FAMILIES, Family, Prefix, PrefixIndex, address_count

_SHARE = 4
"""If more than one in so many prefixes is not counted yet, counting all again takes less time."""


class CoveredAddresses:
    """Counts for the entries of ``index``. Its owner notes each prefix that comes, and each before it goes."""

    def __init__(self, index: PrefixIndex[Any]) -> None:
        self._index = index
        self._counted: dict[Family, int] = {}
        """By family: the addresses of all prefixes but the ``_new`` ones; no entry where all must be counted again."""
        self._new: dict[Family, set[Prefix]] = {family: set() for family in FAMILIES}

    def came(self, prefix: Prefix) -> None:
        family = prefix.family
        if family not in self._counted:
            return
        new = self._new[family]
        new.add(prefix)
        if len(new) * _SHARE > len(self._index):
            del self._counted[family]
            new.clear()

    def goes(self, prefix: Prefix) -> None:
        family = prefix.family
        if family not in self._counted:
            return
        new = self._new[family]
        if prefix in new:
            new.remove(prefix)
        else:
            self._counted[family] -= self._index.uncovered_addresses(prefix, new)

    def count(self, family: Family) -> int:
        """Return how many addresses are covered. A default route covers none."""
        new = self._new[family]
        if family not in self._counted:
            self._counted[family] = address_count(prefix for prefix in self._index if prefix.family == family)
        while new:
            prefix = new.pop()
            self._counted[family] += self._index.uncovered_addresses(prefix, new)
        return self._counted[family]
