"""Compares tables prefix by prefix: which prefixes are on one side and not on another, such as the links of a circuit."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Generic, TypeVar

from ermon.checks.facts import link_down
from ermon.checks.topics import Topic
from ermon.core.facts import NetworkFacts
from ermon.core.sides import Side
from ermon.model.findings import LinkState
from ermon.model.prefixes import Family, Prefix

Key = TypeVar("Key")
"""What the sides belong to: the name of a circuit, or a link."""


def received_tables(facts: NetworkFacts, circuit: str, family: Family) -> list[Side]:
    """Return the received prefixes of each link that is up."""
    found = []
    for name in facts.config.circuits[circuit].links:
        info = facts.links.get(((circuit, name), family))
        if info is not None and info.state is LinkState.UP:
            tables = tuple(facts.table(feed, (circuit, name)) for feed in info.witnesses)
            found.append(Side(name, tables, bool(info.deciders)))
    return found


def advertised_tables(facts: NetworkFacts, circuit: str, family: Family) -> list[Side]:
    """Return the prefixes on the mirrors of each link that is not down."""
    found = []
    for link in facts.config.circuits[circuit].links.values():
        if link_down(facts, link, family):
            continue
        tables = tuple(
            facts.feeds[mirror.name].rib
            for mirror in facts.config.mirrors.get(link.key, ())
            if facts.in_sync(mirror.name, family)
        )
        found.append(Side(link.name, tables, bool(tables)))
    return found


class Comparison(Generic[Key]):
    """Keeps, for each key and family, the prefixes that are proven to be on one side and proven not to be on another."""

    def __init__(
        self,
        facts: NetworkFacts,
        differences: dict[tuple[Key, Family], set[Prefix]],
        sides: Callable[[NetworkFacts, Key, Family], list[Side]],
        topic: Callable[[Key, Family], Topic],
    ) -> None:
        self._facts = facts
        self._differences = differences
        self._sides = sides
        self._topic = topic

    def prefixes_changed(self, key: Key, family: Family, prefixes: AbstractSet[Prefix]) -> None:
        """Compare these prefixes again, which came to a side or went from it."""
        sides = self._sides(self._facts, key, family)
        differing = {prefix for prefix in prefixes if _differ(sides, prefix)} if len(sides) > 1 else set()
        known = self._differences.get((key, family))
        if known is None:
            known = self._differences[key, family] = set()
        if differing != prefixes & known:
            known -= prefixes
            known |= differing
            self._facts.pending.topics.add(self._topic(key, family))

    def sides_changed(self, key: Key, family: Family) -> None:
        """Compare all prefixes again: a side came or went, or a feed can now prove more than before."""
        sides = self._sides(self._facts, key, family)
        differing: set[Prefix] = set()
        if len(sides) > 1:
            tables = (table for side in sides for table in side.tables)
            everything = {prefix for table in tables for prefix in table.prefixes(family)}
            differing = {prefix for prefix in everything if _differ(sides, prefix)}
        if differing != self._differences.get((key, family), set()):
            self._differences[key, family] = differing
            self._facts.pending.topics.add(self._topic(key, family))


def _differ(sides: list[Side], prefix: Prefix) -> bool:
    shown = [side.shows(prefix) for side in sides]
    return any(shown) and any(side.decided and not seen for side, seen in zip(sides, shown, strict=True))
