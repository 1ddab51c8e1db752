"""Updates what follows from sessions and routes: being in sync, link states, drains, comparisons.

A change runs through layers, each of which may change the next. ``Pending`` has a set for each, in this order:

1. canaries: which feeds show what they must always show. A feed that does not is not in sync.
2. links: which feeds decide on a link, and whether it is up. When a link changes its state, the prefixes that are
   compared (received and advertised) and those that are remembered of a dead link change too.
3. drains: whether the paths of a link say that Microsoft drains it.
4. churn: the links with too many route changes.
5. mirrors: the comparison of what the links of a circuit advertise. It needs the links' states.
6. sights: the comparison of what a router reports by BMP with what its feeds show.
7. the routes of other views that count as Microsoft's. They need the tables of all links, and the remembered prefixes
   of dead ones.

The topics of what has changed are added to ``Pending.topics``; the monitor judges the verdicts that depend on them
again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from ermon.checks.topics import (
    OUT_OF_SIGHT,
    azure_tables_topic,
    churn_topic,
    drain_topic,
    feed_topic,
    link_topic,
    process_topic,
    seen_topic,
)
from ermon.core import link_states, maintenance
from ermon.core.azure_tables import LinkReadings
from ermon.core.facts import NetworkFacts
from ermon.core.route_index import RouteIndex
from ermon.core.sight import Sight
from ermon.core.states import FeedState, LinkInfo
from ermon.core.timers import (
    AzureTablesOutdated,
    AzureTablesOverdue,
    ChurnEnds,
    DrainOverdue,
    FailoverGraceEnds,
    LinkFlapsEnd,
    LinkStateOverdue,
    OwnedTimers,
    RunLearnt,
    Timer,
)
from ermon.model.events import Change, DrainChanged, FeedChanged, LinkChanged, PoolChanged
from ermon.model.findings import LinkState
from ermon.model.inventory import InternetUse, Link, LinkKey, View
from ermon.model.prefixes import FAMILIES, Family, Prefix


class Layers:
    """Empties ``facts.pending``; ``changes`` are its outcomes."""

    def __init__(self, facts: NetworkFacts, routes: RouteIndex) -> None:
        self.facts = facts
        self.routes = routes
        self.timers: OwnedTimers[Timer] = OwnedTimers(facts.owner_of_timer, facts.horizons)
        self.changes: list[Change] = []
        self.sight = Sight(facts, self.timers)
        self._failover_circuits = {
            circuit
            for pool in facts.config.pools.values()
            if pool.internet is InternetUse.FAILOVER
            for circuit in pool.circuits
        }

    def watch(self, timer: Timer, ends: float | None) -> None:
        """Set a timer for when a count of recent changes is back within its limit, if it is above it now."""
        if ends is not None and ends > self.facts.now:
            self.timers.set(timer, ends)

    def watch_failover_grace(self, link: LinkKey, family: Family) -> None:
        """Set a timer for when failover pools must be off the internet again, if the circuit has any."""
        if link[0] in self._failover_circuits:
            self.watch(FailoverGraceEnds(link, family), self.facts.failover_grace_ends(link, family))

    def feed_changed(self, name: str) -> None:
        """Note that a feed's session, or what it can prove, may have changed."""
        if self.facts.feeds[name].feed.canary:
            self.facts.pending.canaries.add(name)
        self._proof_changed(name)

    def awaited_changed(self, state: FeedState) -> None:
        """Note that a router begins or ceases to be given time to connect again."""
        self.facts.pending.topics.add(process_topic(state.feed.process))
        if state.feed.view is View.EDGE_TABLE:
            self.facts.pending.topics.add(OUT_OF_SIGHT)
        self.feed_changed(state.feed.name)

    def _proof_changed(self, name: str) -> None:
        """Note that what a feed can prove may have changed, while its canaries have not."""
        facts, pending = self.facts, self.facts.pending
        pending.topics.add(feed_topic(name))
        self.changes.append(FeedChanged(facts.now, name))
        state = facts.feeds[name]
        if state.feed.view is View.EDGE_TABLE:
            self._edge_changed(state)
        elif state.feed.shows_links:
            self._session_changed(state)
        if state.feed.view is View.TO_MICROSOFT and state.feed.circuit is not None:
            pending.mirrors.add(state.feed.circuit)
        if state.feed.link_key is not None:
            pending.sights.update((state.feed.link_key, family) for family in state.feed.families)

    def _edge_changed(self, state: FeedState) -> None:
        """Note that an edge table has changed: it decides on the links of its own router, and is a witness for every
        link that it shows.
        """
        facts, pending, name = self.facts, self.facts.pending, state.feed.name
        for family in FAMILIES:
            in_sync = facts.edges_in_sync[family]
            before = bool(in_sync)
            (in_sync.add if facts.in_sync(name, family) else in_sync.discard)(name)
            if bool(in_sync) is not before:
                pending.topics.add(seen_topic(family))
        own = facts.links_beside(state.feed)
        pending.best_paths.update((state.feed.vrf, family) for family in state.feed.families)
        self.sight.look_for_router(state)
        shown = [
            (link, family) for link in state.tables for family in FAMILIES if (link, family) in facts.links
        ]
        for follows in (pending.links, pending.drains):
            follows.update(own)
            follows.update(shown)
        pending.sights.update(own)

    def _session_changed(self, state: FeedState) -> None:
        """Note that the router's own session with Microsoft has changed: it decides on its link."""
        own = self.facts.links_beside(state.feed)
        self.sight.look_for_router(state)
        for follows in (self.facts.pending.links, self.facts.pending.drains):
            follows.update(own)

    def accept_drain(self, link: LinkKey) -> None:
        """Take what the paths of a link show now for usual there."""
        for family in FAMILIES:
            if (link, family) in self.facts.drains:
                self.facts.drains[link, family].accept()
                self.facts.pending.drains.add((link, family))

    def refresh(self) -> None:
        """Update everything that follows from the routes and sessions, in the order of ``Pending``."""
        deque(self.refresh_step_by_step(), maxlen=0)

    def refresh_step_by_step(self) -> Iterator[None]:
        """The same step by step; a step is a link or a circuit."""
        self._refresh_canaries()
        yield from self._refresh_links()
        yield from self._refresh_drains()
        self._refresh_churn()
        yield from self._refresh_mirrors()
        yield from self._refresh_sights()
        self._refresh_azure()
        yield from self.routes.refresh_microsoft()
        self._tell_pools()

    def _tell_pools(self) -> None:
        if self.routes.sets.pools_changed:
            changed, self.routes.sets.pools_changed = self.routes.sets.pools_changed, set()
            self.changes += [PoolChanged(self.facts.now, pool) for pool in sorted(changed)]

    def _refresh_canaries(self) -> None:
        pending = self.facts.pending
        if not pending.canaries:
            return
        touched, pending.canaries = pending.canaries, set()
        for name in sorted(touched):
            state = self.facts.feeds[name]
            missing = self._missing_canaries(state)
            if missing != state.canary_missing:
                state.canary_missing = missing
                self._proof_changed(name)

    def _missing_canaries(self, state: FeedState) -> tuple[Prefix, ...] | None:
        overdue = state.session.timeout_at(self.facts.config.collector)
        timed_out = overdue is not None and self.facts.now >= overdue
        judged = [c for c in state.feed.canary if timed_out or self._dump_ended(state, c.family)]
        judged = [c for c in judged if not ((asked := state.asked.get(c.family)) and asked.about(c))]
        if not judged:
            return None
        shown = state.rib if state.hearing is None else state.hearing
        missing = tuple(canary for canary in judged if not shown.covers(canary))
        return missing or (() if len(judged) == len(state.feed.canary) else None)

    @staticmethod
    def _dump_ended(state: FeedState, family: Family) -> bool:
        sync = state.session.families.get(family)
        return sync is not None and (sync.end_of_rib_at is not None or sync.complete)

    def _refresh_links(self) -> Iterator[None]:
        pending = self.facts.pending
        while pending.best_paths or pending.links:
            if pending.best_paths:
                pending.links.update(self.routes.best_paths.refresh())
            touched, pending.links = pending.links, set()
            for link, family in sorted(touched):
                self._refresh_link(link, family)
                yield

    def _refresh_link(self, link: LinkKey, family: Family) -> None:
        facts = self.facts
        info = facts.links[link, family]
        configured = facts.config.link(link)
        sight = link_states.look(facts, configured, family)
        if info.state is LinkState.UP and not sight.shown:
            self._ceases_to_be_up(configured, family, info)
        state = link_states.state(facts, self.routes.best_paths, configured, family, sight)
        deciders = link_states.deciders(facts, configured, family, state, sight)
        witnesses = sight.witnesses
        if (state, deciders, witnesses) == (info.state, info.deciders, info.witnesses):
            return
        if state is not info.state:
            self._link_changed(link, family, info, state)
        info.deciders, info.witnesses = deciders, witnesses
        facts.pending.topics.add(link_topic(link, family))
        facts.pending.drains.add((link, family))
        facts.pending.mirrors.add(link[0])
        self.routes.links.received.sides_changed(link[0], family)
        self.routes.links.preferences.links_changed(link[0], family)

    def _ceases_to_be_up(self, link: Link, family: Family, info: LinkInfo) -> None:
        learned = self.routes.learned
        learned.ceased_to_be_up(link.key, family, self.facts.now)
        self.routes.best_paths.link_changed(link.vrf, family)
        brought = len(learned.remembered(link.key, family))
        info.ceased = link_states.ceased(self.facts, link, family, brought)

    def _link_changed(self, link: LinkKey, family: Family, info: LinkInfo, state: LinkState) -> None:
        now = self.facts.now
        if state is LinkState.UP:
            self.routes.learned.came_up(link, family)
            info.ceased = None
        info.state = state
        if state is not LinkState.UNKNOWN:
            self.await_state_no_longer(link, family)
            if info.known_state not in {LinkState.UNKNOWN, state}:
                info.transitions += 1
                self._settles(link, family)
                if not self._is_expected(link, family):
                    info.flaps.add(now)
                    if state is LinkState.DOWN:
                        info.losses.add_at(now, self.facts.calendar_now)
                    self.watch(LinkFlapsEnd(link, family), info.flaps_end())
                if state is LinkState.UP:
                    info.returned_at = now
                    self.watch_failover_grace(link, family)
            info.known_state = state
        info.changed_at = now
        self.changes.append(LinkChanged(now, link, family, state))
        self.sight.look_for_circuit(link[0], family)

    def await_state(self, link: LinkKey, family: Family) -> None:
        """After a start, wait until the tables that are on their way show the state of a link."""
        info, facts = self.facts.links[link, family], self.facts
        tables = facts.config.eyes_of(facts.config.link(link))
        waits = info.awaited_until is None and info.state is LinkState.UNKNOWN
        if waits and any(family in feed.families for feed in tables):
            info.awaited_until = round(facts.now + facts.config.collector.sync_timeout, 6)
            self.timers.set(LinkStateOverdue(link, family), info.awaited_until)
            facts.pending.topics.add(link_topic(link, family))

    def await_state_no_longer(self, link: LinkKey, family: Family) -> None:
        if self.facts.links[link, family].awaited_until is not None:
            self.facts.links[link, family].awaited_until = None
            self.timers.cancel(LinkStateOverdue(link, family))
            self.facts.pending.topics.add(link_topic(link, family))

    def _is_expected(self, link: LinkKey, family: Family) -> bool:
        """Return whether a link may go down and come up: it is in maintenance, or Microsoft drains it."""
        facts = self.facts
        if facts.draining(link, family) and not facts.drain_overdue(link, family):
            return True
        windows, now = facts.coverage.at("link", *link), facts.calendar_now
        return any(maintenance.active(window, now) for window in windows)

    def _settles(self, link: LinkKey, family: Family) -> None:
        """Do not count route changes of a link around this time as churn."""
        facts = self.facts
        facts.links[link, family].settles_until = facts.now + facts.config.collector.settle_limit
        for feed in facts.churn_on.get(link, ()):
            facts.feeds[feed].churn[link].leave_out(family, facts.now)
        facts.pending.topics.add(churn_topic(link))

    def _refresh_drains(self) -> Iterator[None]:
        facts, pending = self.facts, self.facts.pending
        if not pending.drains:
            return
        touched, pending.drains = pending.drains, set()
        for key in sorted(touched):
            drain = facts.drains[key]
            was_drained = drain.since is not None
            drain.observe(facts.path_marks(*key), facts.drain_rules, facts.now)
            pending.topics.add(drain_topic(key[0]))
            if was_drained is not (drain.since is not None):
                self._settles(*key)
            if facts.shown_draining(*key) is not drain.told:
                drain.told = not drain.told
                self.changes.append(DrainChanged(facts.now, *key, drain.told))
            self.watch(DrainOverdue(*key), drain.overdue_at(facts.config.policy.max_drain))
            learns_at = drain.learns_at(facts.drain_rules)
            if learns_at is None:
                self.timers.cancel(RunLearnt(*key))
            self.watch(RunLearnt(*key), learns_at)
            yield

    def _refresh_churn(self) -> None:
        pending = self.facts.pending
        if pending.churn:
            churning, pending.churn = pending.churn, set()
            for feed, link in sorted(churning):
                if self.timers.due(ChurnEnds(feed, link)) is None:
                    self.churn_due(feed, link)

    def churn_due(self, feed: str, link: LinkKey) -> None:
        self.facts.pending.topics.add(churn_topic(link))
        self.watch(ChurnEnds(feed, link), self.facts.feeds[feed].churn[link].ends_at())

    def _refresh_mirrors(self) -> Iterator[None]:
        pending = self.facts.pending
        if pending.mirrors:
            touched, pending.mirrors = pending.mirrors, set()
            for circuit in sorted(touched):
                for family in FAMILIES:
                    self.routes.advertised.sides_changed(circuit, family)
                    self.routes.failover.links_changed(circuit, family)
                yield

    def _refresh_azure(self) -> None:
        facts, pending = self.facts, self.facts.pending
        if pending.azure:
            touched, pending.azure = pending.azure, set()
            changed = {link for link, prefix in touched if facts.microsoft.routes_changed(link, prefix)}
            pending.topics.update(map(azure_tables_topic, changed))

    def watch_azure(self, link: LinkKey, tables: LinkReadings) -> None:
        """Set timers for when what was read last of Microsoft's tables no longer counts, and when that is reported."""
        self.watch(AzureTablesOverdue(link), tables.overdue_at)
        asked = (tables.neighbors_asked, tables.arp_asked, *(each.asked for each in tables.readings[-1:]))
        ends = [tables.valid_until(at) for at in asked if tables.valid(at, self.facts.now) and at is not None]
        self.watch(AzureTablesOutdated(link), min(ends, default=None))

    def azure_changed(self, link: LinkKey) -> None:
        """Note that Microsoft's tables of a link were read, or that what was read is too old now."""
        self.facts.pending.topics.add(azure_tables_topic(link))
        if tables := self.facts.microsoft.links.get(link):
            self.watch_azure(link, tables)

    def _refresh_sights(self) -> Iterator[None]:
        pending = self.facts.pending
        if pending.sights:
            touched, pending.sights = pending.sights, set()
            for link, family in sorted(touched):
                self.routes.links.compare_sights(link, family)
                yield
