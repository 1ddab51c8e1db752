"""What is compared prefix by prefix: a side is a table, or several that count as one.

Where ermon sees the same routes in two ways, both must show the same: a session with Microsoft and the edge table, and what
the router says it advertises and the mirror. Before and after the inbound policy, the difference is what the policy rejects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ermon.checks.facts import CompareKind
from ermon.core.rib import AdjRibIn
from ermon.model.inventory import Feed, LinkKey
from ermon.model.prefixes import Family, Prefix

if TYPE_CHECKING:
    from ermon.core.facts import NetworkFacts


class Side(NamedTuple):
    """One side of a comparison: its routes on the feeds that count for it."""

    name: str
    tables: tuple[AdjRibIn, ...]
    decided: bool
    """Whether absence from these tables proves absence from this side."""

    def shows(self, prefix: Prefix) -> bool:
        return any(prefix in table for table in self.tables)

    def prefix_count(self, family: Family) -> int:
        if len(self.tables) == 1:
            return self.tables[0].prefix_count(family)
        return len({prefix for table in self.tables for prefix in table.prefixes(family)})


def received_sides(facts: NetworkFacts, link: LinkKey, family: Family) -> list[Side]:
    """Return the session and the edge tables, if all are in sync. Routes of the table that fit no link may be the link's."""
    session = facts.config.sessions.get((link, family))
    tables = edge_tables(facts, link, family)
    if session is None or not tables or not _in_sync(facts, [session, *tables], family):
        return []
    names = [feed.name for feed in tables]
    assigned = not any(facts.strays_on(name, link, family) for name in names)
    return [
        Side(session.name, (facts.feeds[session.name].rib,), decided=True),
        Side(", ".join(names), tuple(facts.table(name, link) for name in names), assigned),
    ]


def edge_tables(facts: NetworkFacts, link: LinkKey, family: Family) -> list[Feed]:
    """Return the all-paths edge tables of the link's own router and VRF."""
    tables = facts.config.tables_of(facts.config.link(link))
    return [feed for feed in tables if facts.carries_all_paths(feed, family)]


def advertised_sides(facts: NetworkFacts, link: LinkKey, family: Family) -> list[Side]:
    """Return what the router says it advertises and what the mirrors show, if all are in sync."""
    both = [feed for feed in facts.config.mirrors.get(link, ()) if family in feed.families]
    own = [feed for feed in both if feed.by_bmp]
    mirrors = [feed for feed in both if not feed.by_bmp]
    if not own or not mirrors or not _in_sync(facts, both, family):
        return []
    return [
        Side(", ".join(f.name for f in feeds), tuple(facts.feeds[f.name].rib for f in feeds), decided=True)
        for feeds in (own, mirrors)
    ]


def rejected_sides(facts: NetworkFacts, link: LinkKey, family: Family) -> list[Side]:
    """Return the session's routes before and after the inbound policy, if the latter are complete. Those before it prove presence
    only: routers withdraw there what the policy rejects (FRR up to 10.7).
    """
    before, after = facts.config.pre_policy.get((link, family)), facts.config.sessions.get((link, family))
    if before is None or after is None or not facts.in_sync(after.name, family):
        return []
    return [
        Side(before.name, (facts.feeds[before.name].rib,), decided=False),
        Side(after.name, (facts.feeds[after.name].rib,), decided=True),
    ]


def _in_sync(facts: NetworkFacts, feeds: list[Feed], family: Family) -> bool:
    return all(facts.in_sync(feed.name, family) for feed in feeds)


SIDES: Mapping[CompareKind, Callable[[NetworkFacts, LinkKey, Family], list[Side]]] = {
    "received": received_sides,
    "advertised": advertised_sides,
    "rejected": rejected_sides,
}
