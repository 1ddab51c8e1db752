"""Which of a circuit's links the routers prefer, prefix by prefix: by LOCAL_PREF, which decides before the AS path
does.

A drain prepends to the AS path, so it moves no traffic if LOCAL_PREF differs (RFC 4271 section 9.1.2.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations

from ermon.checks.facts import Preference
from ermon.checks.topics import preference_topic
from ermon.core.facts import NetworkFacts
from ermon.model.inventory import LinkKey
from ermon.model.prefixes import Family, Prefix

_Values = dict[LinkKey, int | None]
"""By link that has a prefix: its LOCAL_PREF, ``None`` if a route has none."""


class LinkPreferences:
    """Keeps, for each pair of links of a circuit and each family, for how many prefixes one of them is preferred."""

    def __init__(self, facts: NetworkFacts) -> None:
        self._facts = facts
        self._values: dict[tuple[str, Family], dict[Prefix, _Values]] = {}

    def prefixes_changed(self, circuit: str, family: Family, prefixes: Iterable[Prefix]) -> None:
        """Compare these prefixes again, whose routes on a link changed."""
        key = (circuit, family)
        known, tables = self._values.setdefault(key, {}), self._tables(circuit, family)
        if not tables and not known:
            return
        for prefix in prefixes:
            before, after = known.get(prefix, {}), self._look(tables, prefix)
            if before == after:
                continue
            self._count(family, before, -1)
            self._count(family, after, 1)
            if after:
                known[prefix] = after
            else:
                del known[prefix]
            self._facts.pending.topics.add(preference_topic(*key))

    def links_changed(self, circuit: str, family: Family) -> None:
        """Compare all prefixes again: a feed can prove more or less than before."""
        key = (circuit, family)
        for values in self._values.get(key, {}).values():
            self._count(family, values, -1)
        tables = self._tables(circuit, family)
        prefixes = {p for link, feed in tables for p in self._facts.table(feed, link).prefixes(family)}
        found = self._values[key] = {prefix: self._look(tables, prefix) for prefix in prefixes}
        for values in found.values():
            self._count(family, values, 1)
        self._facts.pending.topics.add(preference_topic(*key))

    def _tables(self, circuit: str, family: Family) -> list[tuple[LinkKey, str]]:
        """Return the links that can be compared, each with the feed whose table counts for it."""
        links = ((circuit, name) for name in self._facts.config.circuits[circuit].links)
        found = ((link, self._facts.preference_feed(link, family)) for link in links)
        return [(link, feed) for link, feed in found if feed is not None]

    def _look(self, tables: list[tuple[LinkKey, str]], prefix: Prefix) -> _Values:
        values: _Values = {}
        for link, feed in tables:
            found = [r.attributes.local_preference for r in self._facts.table(feed, link).paths(prefix)]
            if found:
                known = [value for value in found if value is not None]
                values[link] = max(known) if len(known) == len(found) else None
        return values

    def _count(self, family: Family, values: _Values, step: int) -> None:
        for one, other in permutations(values, 2):
            key = (one, other, family)
            mine, theirs = values[one], values[other]
            before = self._facts.preferences.get(key, Preference())
            self._facts.preferences[key] = Preference(
                shared=before.shared + step,
                higher=before.higher + step * (mine is not None and theirs is not None and mine > theirs),
                missing=before.missing + step * (mine is None or theirs is None),
            )
