"""Compares the links of a circuit prefix by prefix: which prefixes are on one link and not on another."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ermon.checks.facts import link_down
from ermon.checks.topics import difference_topic
from ermon.core.facts import NetworkFacts
from ermon.core.rib import AdjRibIn
from ermon.model.findings import LinkState
from ermon.model.prefixes import Family, Prefix


class LinkTable(NamedTuple):
    """One link of a circuit: its routes on the feeds that count for it."""

    link: str
    tables: tuple[AdjRibIn, ...]
    decided: bool
    """Whether absence from these tables proves absence from the link."""

    def shows(self, prefix: Prefix) -> bool:
        return any(prefix in table for table in self.tables)


def received_tables(facts: NetworkFacts, circuit: str, family: Family) -> list[LinkTable]:
    """Return the received prefixes of each link that is up."""
    found = []
    for name in facts.config.circuits[circuit].links:
        info = facts.links.get(((circuit, name), family))
        if info is not None and info.state is LinkState.UP:
            tables = tuple(facts.table(feed, (circuit, name)) for feed in info.witnesses)
            found.append(LinkTable(name, tables, bool(info.deciders)))
    return found


def advertised_tables(facts: NetworkFacts, circuit: str, family: Family) -> list[LinkTable]:
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
        found.append(LinkTable(link.name, tables, bool(tables)))
    return found


class PrefixAsymmetry:
    """Keeps, for each circuit and family, the prefixes that are proven to be on one link and proven not to be on
    another.
    """

    def __init__(
        self,
        facts: NetworkFacts,
        kind: str,
        differences: dict[tuple[str, Family], set[Prefix]],
        tables: Callable[[NetworkFacts, str, Family], list[LinkTable]],
    ) -> None:
        self._facts = facts
        self._kind = kind
        self._differences = differences
        self._tables = tables

    def prefix_changed(self, circuit: str, prefix: Prefix) -> None:
        """Compare one prefix again that came to a link or went from it."""
        key = (circuit, prefix.family)
        known = self._differences.setdefault(key, set())
        differs = _differ(self._tables(self._facts, *key), prefix)
        if differs != (prefix in known):
            (known.add if differs else known.discard)(prefix)
            self._facts.pending.topics.add(difference_topic(self._kind, *key))

    def links_changed(self, circuit: str, family: Family) -> None:
        """Compare all prefixes again: a link came or went, or a feed can now prove more than before."""
        links = self._tables(self._facts, circuit, family)
        everything = {prefix for link in links for table in link.tables for prefix in table.prefixes(family)}
        differing = {prefix for prefix in everything if _differ(links, prefix)}
        if differing != self._differences.get((circuit, family), set()):
            self._differences[circuit, family] = differing
            self._facts.pending.topics.add(difference_topic(self._kind, circuit, family))


def _differ(links: list[LinkTable], prefix: Prefix) -> bool:
    shown = [link.shows(prefix) for link in links]
    return any(shown) and any(link.decided and not seen for link, seen in zip(links, shown, strict=True))
