"""Proves from best paths alone that all links of a VRF are down.

If a router sends only its best paths, the absence of a link's routes does not prove that the link is down: another
router's path may have won. But a best path always exists on some router. When every router with a link of a VRF shows
its table in sync, and none of them holds a route of Microsoft's, there is no such route, and every link of the VRF is
down. The state stays unknown where an internet route to the same prefix may hide Microsoft's. That route may be another
router's, received over iBGP and so not sent on to ermon: where any router sends best paths only, those of all tables count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ermon.core.facts import NetworkFacts
from ermon.core.learned import LearnedPrefixes
from ermon.core.states import FeedState
from ermon.model.findings import LinkState
from ermon.model.inventory import Feed, LinkKey, RoutingTable, VrfFamily
from ermon.model.prefixes import Family, Prefix


@dataclass(slots=True)
class _Group:
    """The links of a VRF in a family, and the routing tables that they are in."""

    links: list[LinkKey] = field(default_factory=list)
    tables: dict[RoutingTable, None] = field(default_factory=dict)
    dark: bool = False
    """Every table is in sync, and none holds a route of Microsoft's."""
    brought: frozenset[Prefix] = frozenset()
    """While ``dark``: the earlier prefixes of the links."""
    down: bool = False
    """``dark``, and no other route can hide those of a link."""


class BestPaths:
    """Keeps, for each VRF and family, whether all of its links are proven down."""

    def __init__(self, facts: NetworkFacts, learned: LearnedPrefixes) -> None:
        self._facts = facts
        self._learned = learned
        self._groups: dict[VrfFamily, _Group] = {}
        for link in facts.config.links:
            for family in link.families:
                group = self._groups.setdefault((link.vrf, family), _Group())
                group.links.append(link.key)
                group.tables[link.table] = None

    def down(self, vrf: str | None, family: Family) -> bool:
        return self._groups[vrf, family].down

    def may_hide(self, feed: Feed, prefix: Prefix) -> bool:
        """Return whether a route to ``prefix`` that comes or goes in an edge table may change the result."""
        group = self._groups.get((feed.vrf, prefix.family))
        return group is not None and group.dark and prefix in group.brought

    def link_changed(self, vrf: str | None, family: Family) -> None:
        """Mark the VRF for another look, because a link began or ceased to be up: it may have had more prefixes
        before.
        """
        if self._groups[vrf, family].dark:
            self._facts.pending.best_paths.add((vrf, family))

    def refresh(self) -> Iterator[tuple[LinkKey, Family]]:
        """Look again at the pending VRFs; yield the links for which the result has changed."""
        pending = self._facts.pending
        touched, pending.best_paths = pending.best_paths, set()
        for key in touched:
            group = self._groups.get(key)
            if group is None:
                continue
            before = group.down
            self._look(group, key[1])
            if group.down is not before:
                yield from ((link, key[1]) for link in group.links)

    def _look(self, group: _Group, family: Family) -> None:
        facts = self._facts
        group.dark = all(self._shows_nothing(table, family) for table in group.tables)
        group.down = group.dark
        if not group.dark:
            group.brought = frozenset()
            return
        group.brought = frozenset[Prefix]().union(*(self._brought(link, family) for link in group.links))
        tables = [facts.config.edge_tables[table] for table in group.tables]
        if all(any(facts.carries_all_paths(feed, family) for feed in feeds) for feeds in tables):
            return
        states = (facts.feeds[feed.name] for feeds in tables for feed in feeds if family in feed.families)
        group.down = not any(_hides(state, family, group.brought) for state in states)

    def _shows_nothing(self, table: RoutingTable, family: Family) -> bool:
        """Return whether the table is in sync and has no route of Microsoft's. If some feeds show it with all paths,
        those feeds must be in sync; otherwise all of its feeds must be.
        """
        facts = self._facts
        feeds = [feed for feed in facts.config.edge_tables.get(table, ()) if family in feed.families]
        if not feeds or any(facts.feeds[feed.name].microsoft[family] for feed in feeds):
            return False
        asked = [feed for feed in feeds if facts.carries_all_paths(feed, family)] or feeds
        return all(facts.in_sync(feed.name, family) for feed in asked)

    def _brought(self, link: LinkKey, family: Family) -> Iterable[Prefix]:
        if self._facts.links[link, family].state is LinkState.UP:
            return self._learned.lately(link, family, self._facts.now)
        return self._learned.remembered(link, family)


def _hides(state: FeedState, family: Family, brought: Iterable[Prefix]) -> bool:
    """Return whether a table has, or may have, another route to a prefix for which Microsoft's may have lost."""
    passed_over = state.passed_over
    return passed_over.unsure(family) or any(p in state.rib or p in passed_over for p in brought)
