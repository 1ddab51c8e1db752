"""Compares the links of a circuit prefix by prefix: what is on one and not on another."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ermon.checks.subject import difference_topic, link_down
from ermon.core.facts import NetworkFacts
from ermon.core.rib import AdjRibIn
from ermon.model.findings import LinkState
from ermon.model.inventory import View
from ermon.model.prefixes import Family, Prefix


class LinkTable(NamedTuple):
    """One link of a circuit: its routes on the feeds that count for it."""

    link: str
    tables: tuple[AdjRibIn, ...]
    decided: bool
    """Absence from the tables is absence from the link."""

    def shows(self, prefix: Prefix) -> bool:
        return any(prefix in table for table in self.tables)


def received_sides(known: NetworkFacts, circuit: str, family: Family) -> list[LinkTable]:
    """What each link that is up brings."""
    sides = []
    for name in known.config.circuits[circuit].links:
        info = known.links.get(((circuit, name), family))
        if info is not None and info.state is LinkState.UP:
            tables = tuple(known.feeds[feed].tables[circuit, name] for feed in info.witnesses)
            sides.append(LinkTable(name, tables, bool(info.deciders)))
    return sides


def advertised_sides(known: NetworkFacts, circuit: str, family: Family) -> list[LinkTable]:
    """What the mirrors of each link that is not down show."""
    sides = []
    for link in known.config.circuits[circuit].links.values():
        if link_down(known, link, family):
            continue
        tables = tuple(
            state.rib
            for name, state in known.feeds.items()
            if state.feed.view is View.TO_MICROSOFT
            and state.feed.link_key == link.key
            and known.in_sync(name, family)
        )
        sides.append(LinkTable(link.name, tables, bool(tables)))
    return sides


class PrefixAsymmetry:
    """Keeps, for each circuit and family, the prefixes that are proven to be on one side and proven not
    to be on another.
    """

    def __init__(
        self,
        known: NetworkFacts,
        kind: str,
        differences: dict[tuple[str, Family], set[Prefix]],
        sides: Callable[[NetworkFacts, str, Family], list[LinkTable]],
    ) -> None:
        self._known = known
        self._kind = kind
        self._differences = differences
        self._sides = sides

    def prefix_changed(self, circuit: str, prefix: Prefix) -> None:
        """Look again at one prefix that came to or went from a side."""
        key = (circuit, prefix.family)
        known = self._differences.setdefault(key, set())
        differs = _differ(self._sides(self._known, *key), prefix)
        if differs != (prefix in known):
            (known.add if differs else known.discard)(prefix)
            self._known.dirty.add(difference_topic(self._kind, *key))

    def sides_changed(self, circuit: str, family: Family) -> None:
        """Look again at everything: a side came, went, or can now prove what it could not."""
        sides = self._sides(self._known, circuit, family)
        everything = {prefix for side in sides for table in side.tables for prefix in table.prefixes(family)}
        differing = {prefix for prefix in everything if _differ(sides, prefix)}
        if differing != self._differences.get((circuit, family), set()):
            self._differences[circuit, family] = differing
            self._known.dirty.add(difference_topic(self._kind, circuit, family))


def _differ(sides: list[LinkTable], prefix: Prefix) -> bool:
    shown = [side.shows(prefix) for side in sides]
    return any(shown) and any(side.decided and not seen for side, seen in zip(sides, shown, strict=True))
