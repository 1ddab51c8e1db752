"""Whether a link is up, down or unknown, and which feeds prove it.

The router's own session with Microsoft decides, where the router reports it by BMP and what it reports can be believed now. Otherwise,
only the all-paths edge tables of the link's own router prove absence: all of them are in sync, and none has a route of
the link. Routes that fit no link may be the link's, so they are not taken for absence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ermon.checks.attribution import Unattributed
from ermon.core.best_paths import BestPaths
from ermon.core.facts import NetworkFacts
from ermon.core.states import CeasedLink
from ermon.model.findings import LinkState
from ermon.model.inventory import Feed, Link
from ermon.model.prefixes import Family


class Sight(NamedTuple):
    """What the feeds that can be believed show of a link in a family."""

    shown: bool
    """A feed whose routes count has a route of the link."""
    deciders: tuple[str, ...]
    """The feeds that prove both presence and absence."""
    witnesses: tuple[str, ...]
    """The feeds whose routes count."""


def look(facts: NetworkFacts, link: Link, family: Family) -> Sight:
    by_tables = _look_at_tables(facts, link, family)
    session = facts.config.sessions.get((link.key, family))
    return by_tables if session is None else _look_at_session(facts, session, link, family, by_tables)


def _look_at_session(
    facts: NetworkFacts, session: Feed, link: Link, family: Family, by_tables: Sight
) -> Sight:
    """Return what the router's own session shows; ``by_tables`` where that is not known now."""
    name, own = session.name, facts.feeds[session.name].session
    absent = Sight(shown=False, deciders=(name,), witnesses=(name,))
    if facts.processes[session.process].up is not True or own.silent or own.unreadable:
        return by_tables
    if own.up:
        if facts.in_sync(name, family):
            return absent._replace(shown=facts.shows_fresh(name, link.key, family))
        if facts.shows_fresh(name, link.key, family) and not (by_tables.shown and by_tables.deciders):
            return Sight(shown=True, deciders=(), witnesses=(name,))
        return by_tables
    if own.said_down:
        return absent
    was_reported = own.unreported and own.shown
    return absent if was_reported and not (by_tables.shown and by_tables.deciders) else by_tables


def _look_at_tables(facts: NetworkFacts, link: Link, family: Family) -> Sight:
    tables = tuple(_all_paths(facts, link, family))
    in_sync = tuple(sorted(feed.name for feed in tables if facts.in_sync(feed.name, family)))
    shown_on = {
        name for name in facts.shown_on.get((link.key, family), ()) if not facts.feeds[name].feed.by_bmp
    }
    witnesses = in_sync or tuple(sorted(name for name in shown_on if facts.dump_over(name, family)))
    shown = any(name in shown_on and facts.shows_fresh(name, link.key, family) for name in witnesses)
    if not shown and any(name in shown_on for name in witnesses):
        return Sight(shown, (), witnesses)  # stale routes prove neither up nor down
    return Sight(shown, in_sync if len(in_sync) == len(tables) else (), witnesses)


def state(facts: NetworkFacts, best_paths: BestPaths, link: Link, family: Family, sight: Sight) -> LinkState:
    if sight.shown:
        return LinkState.UP
    if sight.deciders and not _hidden_among_strays(facts, link, family, sight.deciders):
        return LinkState.DOWN
    return LinkState.DOWN if best_paths.down(link.vrf, family) else LinkState.UNKNOWN


def _all_paths(facts: NetworkFacts, link: Link, family: Family) -> Iterator[Feed]:
    """Yield the edge tables of the link's own router that carry all paths in a family."""
    for feed in facts.config.tables_of(link):
        if facts.carries_all_paths(feed, family):
            yield feed


def _hidden_among_strays(facts: NetworkFacts, link: Link, family: Family, deciders: tuple[str, ...]) -> bool:
    """Return whether the routes of the link may be among those that fit no link: these are at least half as many as the
    link had, not counting those that were there beside the link's own routes.
    """
    ceased = facts.links[link.key, family].ceased or CeasedLink()
    routes = sum(
        count
        for name in deciders
        for why, count in facts.strays_on(name, link.key, family).items()
        if why not in ceased.settled
    )
    return routes > 0 and 2 * routes >= ceased.brought


def deciders(
    facts: NetworkFacts, link: Link, family: Family, stands: LinkState, sight: Sight
) -> tuple[str, ...]:
    """Return the feeds that prove which prefixes the link lacks. There are none if its state is unknown. If best paths
    prove it down, they are all feeds in sync of its router's table.
    """
    if stands is LinkState.UNKNOWN:
        return ()
    if sight.deciders or stands is LinkState.UP:
        return sight.deciders
    return tuple(sorted(f.name for f in facts.config.tables_of(link) if facts.in_sync(f.name, family)))


def ceased(facts: NetworkFacts, link: Link, family: Family, brought: int) -> CeasedLink:
    """Return what is remembered of a link that ceases to be up now."""
    before = round(facts.now - facts.config.collector.settle_limit, 6)
    settled = frozenset[Unattributed]().union(
        *(
            facts.feeds[feed.name].strays.settled(family, before, facts.now)
            for feed in facts.config.tables_of(link)
        )
    )
    return CeasedLink(brought, settled)
