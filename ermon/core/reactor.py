"""Applies events to the facts: sessions, routes, time, and what ermon itself has noticed.

House rules: nothing here awaits, sleeps, logs or reads a clock. Time comes with the events. The cost of a route change
is in proportion to what it touches, never to the table or the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from ermon.checks.subject import Classifier
from ermon.checks.topics import (
    STORAGE,
    azure_topic,
    feed_topic,
    first_dump_topic,
    link_topic,
    ownership_topic,
    process_topic,
    source_topic,
)
from ermon.core.asked import Asked
from ermon.core.facts import NetworkFacts
from ermon.core.layers import Layers
from ermon.core.processes import Processes
from ermon.core.refreshes import Refreshes
from ermon.core.route_index import RouteIndex
from ermon.core.session import Session
from ermon.core.states import FeedState
from ermon.core.timers import (
    AskedOver,
    AzureOutdated,
    AzureOverdue,
    AzureTablesOutdated,
    AzureTablesOverdue,
    ChurnEnds,
    DrainOverdue,
    EndOfRibOverdue,
    FailoverGraceEnds,
    FeedFlapsEnd,
    FirstDumpsEnd,
    LinkFlapsEnd,
    LinkStateOverdue,
    OverflowEnds,
    OwnershipAges,
    ProcessSettles,
    ReconnectOverdue,
    RefreshOverdue,
    ResendDue,
    RunLearnt,
    StrangersGone,
    SyncDue,
)
from ermon.model.events import (
    Accepted,
    AddPathNegotiated,
    AddPathOffered,
    Alive,
    AzureRead,
    AzureTables,
    ClockChanged,
    ClockStepped,
    ConnectionsRefused,
    DownCause,
    EndOfRib,
    Event,
    FeedRequest,
    HoldTimeZero,
    ListeningJudged,
    MessagesLost,
    OwnershipRead,
    ProcessDown,
    ProcessSilent,
    ProcessUp,
    RefreshBegan,
    RefreshEnded,
    RoutesUnreadable,
    SessionDown,
    SessionSilent,
    SessionUnreported,
    SessionUp,
    SourceJudged,
    StatisticsBegan,
    StorageJudged,
    Uninteresting,
    Update,
)
from ermon.model.inventory import Limit
from ermon.model.ownership import Reading
from ermon.model.prefixes import Family
from ermon.model.text import duration_text

TEARDOWN_INTERVAL_SECONDS = 300.0
"""A feed that lost messages is asked to send everything again at most once in this time."""
OVERFLOW_SECONDS = (300.0, 3600.0)
"""How long an overflowed feed stays down at first, and at most."""
OVERFLOW_REASONS: Mapping[Limit, str] = {
    "max_routes": "more routes than collector.max_routes",
    "max_bytes": "routes that take more memory than collector.max_bytes",
}


class Reactor:
    """Changes ``facts``; ``requests`` are its requests to the BGP side."""

    def __init__(self, facts: NetworkFacts, classifiers: Mapping[str, Classifier]) -> None:
        self.facts = facts
        self.routes = RouteIndex(facts, classifiers)
        self.layers = Layers(facts, self.routes)
        self.timers = self.layers.timers
        self.refreshes = Refreshes(facts, self.routes, self.layers)
        self.processes = Processes(facts, self.layers, self._session_down)
        self.requests: list[FeedRequest] = []

    # Events ------------------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:  # noqa: C901, PLR0912, PLR0915  # one branch an event
        """Apply one event. ``refresh`` must follow before anything is read."""
        facts = self.facts
        facts.now = max(facts.now, event.time)
        match event:
            case Uninteresting():
                self._uninteresting(event)
            case Update():
                self._update(event)
            case EndOfRib():
                self._end_of_rib(event)
            case RefreshBegan() | RefreshEnded():
                self._refresh_marked(event)
            case Alive():
                self._alive(facts.feeds[event.feed])
            case SessionUp():
                self._start(facts.feeds[event.feed], joined=False)
            case SessionDown():
                self._session_down(event)
            case AddPathOffered() | AddPathNegotiated() | HoldTimeZero():
                self._opening(facts.feeds[event.feed].session, event)
            case MessagesLost():
                self._messages_lost(facts.feeds[event.feed], event.count, event.reason)
            case ProcessUp() | ProcessSilent() | ProcessDown():
                self.processes.apply(event)
            case ListeningJudged():
                if event.local in facts.feeds_at and facts.listening.judged(event.local, event.problem):
                    self._listening_changed(event.local)
            case ConnectionsRefused():
                self._connections_refused(event)
            case Accepted():
                pass  # the monitor applies it, because it is about alarms
            case SourceJudged():
                facts.sources[event.source] = event.problem or ""
                facts.pending.topics.add(source_topic(event.source))
            case OwnershipRead():
                if facts.ownership.take(event.source, event.reading):
                    self.ownership_changed(event.source)
            case AzureRead():
                self._azure_read(event)
            case StorageJudged():
                facts.storage = event.problem
                facts.pending.topics.add(STORAGE)
            case ClockStepped():
                self._clock_stepped(event)
            case SessionUnreported() | SessionSilent() | RoutesUnreadable():
                self._reported(facts.feeds[event.feed], event)
            case StatisticsBegan():
                self.processes.statistics_began(event.process)
            case AzureTables():
                if facts.microsoft.take(event) is not None:
                    self.layers.azure_changed(event.link)
            case _:
                assert_never(event)

    def _azure_read(self, event: AzureRead) -> None:
        facts, circuit = self.facts, event.circuit
        if (
            state := facts.azure_readings.states.get(circuit)
        ) is not None:  # else a reload has just removed it
            state.take(event)
            self._watch_azure(circuit)
            facts.pending.topics.add(azure_topic(circuit))

    def watch_azure(self) -> None:
        """Set the timers for when the last reading of each circuit becomes too old, after readings were taken over."""
        for circuit in self.facts.azure_readings.states:
            self._watch_azure(circuit)

    def _watch_azure(self, circuit: str) -> None:
        self.layers.watch(AzureOutdated(circuit), self.facts.azure_readings.outdated_at(circuit))
        self.layers.watch(AzureOverdue(circuit), self.facts.azure_readings.overdue_at(circuit))

    def _opening(self, session: Session, event: AddPathOffered | AddPathNegotiated | HoldTimeZero) -> None:
        """Note what the OPENs of a session say."""
        match event:
            case AddPathOffered():
                session.offered = event.families
            case AddPathNegotiated():
                session.negotiated = event.families
            case HoldTimeZero():
                session.no_hold = True
            case _:
                assert_never(event)
        self.layers.feed_changed(event.feed)

    def _clock_stepped(self, event: ClockStepped) -> None:
        since = event.time if event.since is None else event.since
        step = self.facts.clock.step(since, event.offset, event.suspended)
        self.layers.changes.append(ClockChanged(since, step.set_by, step.suspended))
        for source in self.facts.ownership.readings():
            self.ownership_changed(source)  # VRPs end by the wall clock
        if event.suspended >= self.facts.config.collector.hold_time:
            # Each router has given up its session long ago, and may connect again; ExaBGP would refuse the connection
            # as long as it takes the old session for alive.
            reason = (
                f"this machine was suspended for {duration_text(event.suspended)}, longer than the hold time"
            )
            for state in self.facts.feeds.values():
                if state.session.up and not state.feed.by_bmp:
                    self.request(state, "teardown", reason)

    def ownership_changed(self, source: str) -> None:
        """Note that a source of VRPs or route objects says something else, or that something of it no longer counts."""
        facts, timer = self.facts, OwnershipAges(source)
        facts.pending.topics.add(ownership_topic(source))
        changes_at = facts.ownership.next_change(source, facts.now, facts.clock)
        if changes_at is None:
            self.timers.cancel(timer)
        else:
            self.timers.set(timer, changes_at)

    def restore_ownership(self, readings: Mapping[str, Reading]) -> None:
        self.facts.ownership.restore(readings)
        for source in self.facts.ownership.readings():
            self.ownership_changed(source)

    def _alive(self, state: FeedState) -> None:
        if not state.session.opening:
            self._message(state)

    def _message(self, state: FeedState) -> bool:
        """Note a message that only an established session carries; return whether it is to be applied."""
        state.session.message_at = self.facts.now
        if state.session.silent:
            state.session.silent = ""
            self.layers.feed_changed(state.feed.name)
        if state.overflowed_until is not None:
            return False
        if not state.session.up:
            self._start(state, joined=True)
        return True

    def _start(self, state: FeedState, *, joined: bool) -> None:
        if state.overflowed_until is not None:
            self.request(state, "teardown", _overflow_reason(state))
            return
        self.refreshes.forget_all(state)
        if self.facts.awaited(state.feed.name):
            self.layers.sight.called_again(state)
        state.session.start(self.facts.now, joined=joined)
        self.processes.await_no_longer(state)
        self.routes.flush(state)
        state.session.message_at = self.facts.now
        self.set_dump_timers(state)
        self.layers.feed_changed(state.feed.name)

    def _session_down(self, event: SessionDown) -> None:
        state = self.facts.feeds[event.feed]
        if state.session.up:
            self._stop(state, event.reason)
            self._said_down(state, event.cause)
            return
        self._said_down(state, event.cause)
        if state.overflowed_until is None:  # otherwise its reason is set already
            state.session.fail(event.reason)
        state.session.forget_open()
        self.layers.feed_changed(event.feed)

    def _said_down(self, state: FeedState, cause: DownCause) -> None:
        """Believe a router that reports its own session as down; the end of its BMP connection says nothing of the session."""
        if state.feed.by_bmp and self.facts.processes[state.feed.process].up:
            state.session.report_down(cause)

    def _reported(
        self, state: FeedState, event: SessionUnreported | SessionSilent | RoutesUnreadable
    ) -> None:
        """Note what a router says, or no longer says, of a session over its BMP connection."""
        session = state.session
        match event:
            case SessionUnreported():
                session.report_nothing()
            case SessionSilent():
                session.silent = event.reason
            case RoutesUnreadable():
                session.unreadable = event.reason
                for family in state.feed.families:
                    self.timers.cancel(SyncDue(state.feed.name, family))
            case _:
                assert_never(event)
        self.layers.feed_changed(state.feed.name)

    def _stop(self, state: FeedState, reason: str) -> None:
        name = state.feed.name
        self.refreshes.forget_all(state)
        state.session.stop(self.facts.now, reason)
        self.routes.flush(state)
        state.losses.add(self.facts.now)
        self.layers.watch(FeedFlapsEnd(name), state.losses.ends_at())
        for family in state.feed.families:
            self.timers.cancel(SyncDue(name, family))
        self.timers.cancel(EndOfRibOverdue(name))
        self.layers.feed_changed(name)

    def _end_of_rib(self, event: EndOfRib) -> None:
        state = self.facts.feeds[event.feed]
        if not self._message(state):
            return
        sync = state.session.families.get(event.family)
        if sync is None or state.session.joined or sync.end_of_rib_at is not None:
            return
        sync.end_of_rib_seen = True
        sync.end_of_rib_at = self.facts.now
        self._set_sync_timer(state, event.family)
        if all(other.end_of_rib_at is not None for other in state.session.families.values()):
            self.timers.cancel(EndOfRibOverdue(event.feed))
        self.layers.feed_changed(event.feed)

    def _refresh_marked(self, event: RefreshBegan | RefreshEnded) -> None:
        state = self.facts.feeds[event.feed]
        if self._message(state):
            mark = self.refreshes.began if isinstance(event, RefreshBegan) else self.refreshes.ended
            mark(state, event.family)

    def ask_anew(self, state: FeedState, asked: Asked) -> None:
        """Request everything again from a router, because the policy needs routes that were not held."""
        if state.session.up:
            self.refreshes.ask(state, asked)
            self.request(state, "refresh", "the configuration needs routes that were not kept")

    def _messages_lost(self, state: FeedState, count: int, reason: str) -> None:
        name = state.feed.name
        state.session.lose(count, reason)
        self.layers.feed_changed(name)
        if state.teardown_at is None or state.teardown_at + TEARDOWN_INTERVAL_SECONDS <= self.facts.now:
            self._tear_down_damaged(state)
        else:
            self.timers.set(ResendDue(name), state.teardown_at + TEARDOWN_INTERVAL_SECONDS)

    def _tear_down_damaged(self, state: FeedState) -> None:
        state.teardown_at = self.facts.now
        self.request(state, "teardown", state.session.loss or "messages were lost")

    def request(self, state: FeedState, action: str, reason: str) -> None:
        self.requests.append(FeedRequest(state.feed.name, action, state.feed.families, reason))

    # Listening ---------------------------------------------------------------------------------------

    def _connections_refused(self, event: ConnectionsRefused) -> None:
        facts, local = self.facts, event.local
        if local in facts.feeds_at:
            if facts.listening.refused(local, event.peer, facts.now):
                self._strangers_changed(local)
            self.layers.watch(StrangersGone(local), facts.listening.next_gone(local))

    def _strangers_gone(self, local: str) -> None:
        self.facts.listening.forget(local, self.facts.now)
        self.layers.watch(StrangersGone(local), self.facts.listening.next_gone(local))
        self._strangers_changed(local)

    def _strangers_changed(self, local: str) -> None:
        """Judge the feeds that are down again, which unknown routers may explain. For feeds that are up they change
        nothing.
        """
        for feed in self.facts.feeds_at.get(local, ()):
            if not self.facts.feeds[feed].session.up:
                self.layers.feed_changed(feed)

    def _listening_changed(self, local: str) -> None:
        for feed in self.facts.feeds_at.get(local, ()):
            self.layers.feed_changed(feed)

    def _update(self, event: Update) -> None:
        state = self.facts.feeds[event.feed]
        if not self._message(state):
            return
        state.session.updates += event.updates
        for family in {route.prefix.family for route in event.announced}:
            self._touched_family(state, family, announced=True)
        for family in {prefix.family for prefix, _ in event.withdrawn}:
            self._touched_family(state, family, announced=False)
        for keys in state.refreshes.values():
            keys.difference_update(route.key for route in event.announced)
        again = {route.key for route in event.announced} if event.withdrawn else ()
        self.routes.withdraw(state, (key for key in event.withdrawn if key not in again))
        self.routes.announce(state, event.announced)
        self.routes.take_stock(state)
        if limit := self._limit_exceeded(state):
            self._overflow(state, limit)

    def _uninteresting(self, event: Uninteresting) -> None:
        state = self.facts.feeds[event.feed]
        if not self._message(state):
            return
        state.session.updates += event.updates
        for family in event.announced:
            self._touched_family(state, family, announced=True)
        for family in event.withdrawn:
            self._touched_family(state, family, announced=False)

    def _touched_family(self, state: FeedState, family: Family, *, announced: bool) -> None:
        sync = state.session.families.get(family)
        if sync is None:
            return
        if sync.end_of_rib_at is not None and not sync.complete:
            sync.updated_at = self.facts.now
        self.refreshes.heard(state, family)
        if announced and not sync.received:
            sync.received = True
            self.layers.feed_changed(state.feed.name)

    def _limit_exceeded(self, state: FeedState) -> Limit | None:
        collector = self.facts.config.collector
        if len(state.rib) > collector.max_routes:
            return "max_routes"
        return "max_bytes" if state.held_bytes > collector.max_bytes else None

    def _overflow(self, state: FeedState, limit: Limit) -> None:
        """Drop a table that is larger than allowed, and keep the feed down for a while."""
        first, most = OVERFLOW_SECONDS
        state.overflow_seconds = min(state.overflow_seconds * 2 or first, most)
        state.overflowed_until, state.overflowed_by = self.facts.now + state.overflow_seconds, limit
        self.timers.set(OverflowEnds(state.feed.name), state.overflowed_until)
        self.request(state, "teardown", _overflow_reason(state))
        self._stop(state, _overflow_reason(state))

    # Time --------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        return self.timers.next()

    def sync_running(self) -> bool:
        """Return whether a feed's ``settle`` or ``sync_timeout`` is running."""
        collector = self.facts.config.collector
        return any(
            state.session.sync_deadline(family, collector) is not None
            or self.timers.due(EndOfRibOverdue(name)) is not None
            or state.asked
            for name, state in self.facts.feeds.items()
            for family in state.feed.families
        )

    def reconnect_grace_running(self) -> bool:
        """Return whether a router is given time to connect again after a start of ExaBGP."""
        return any(self.facts.awaited(name) for name in self.facts.feeds)

    def failover_grace_running(self) -> bool:
        """Return whether a link came up so recently that failover pools may still be on the internet."""
        return any(
            (due := self.timers.due(FailoverGraceEnds(*key))) is not None and due > self.facts.now
            for key in self.facts.links
        )

    def advance(self, now: float) -> None:  # noqa: C901, PLR0912  # one branch a timer
        """Fire the timers that are due."""
        facts = self.facts
        facts.now = max(facts.now, now)
        while (timer := self.timers.pop(facts.now)) is not None:
            match timer:
                case SyncDue(feed, family):
                    self._sync_due(facts.feeds[feed], family)
                case AskedOver(feed, family):
                    self.refreshes.due(facts.feeds[feed], family)
                case EndOfRibOverdue(feed):
                    self.layers.feed_changed(feed)
                case ResendDue(feed):
                    if facts.feeds[feed].session.damaged:
                        self._tear_down_damaged(facts.feeds[feed])
                case RefreshOverdue(feed, family):
                    self.refreshes.forget(facts.feeds[feed], family)
                case OverflowEnds(feed):
                    facts.feeds[feed].overflowed_until = facts.feeds[feed].overflowed_by = None
                    self.layers.feed_changed(feed)
                case ReconnectOverdue(feed):
                    self.processes.overdue(facts.feeds[feed])
                case ProcessSettles(process):
                    facts.pending.topics.add(process_topic(process))
                case StrangersGone(local):
                    self._strangers_gone(local)
                case FeedFlapsEnd(feed):
                    facts.pending.topics.add(feed_topic(feed))
                case LinkStateOverdue(link, family):
                    self.layers.await_state_no_longer(link, family)
                case LinkFlapsEnd(link, family) | FailoverGraceEnds(link, family):
                    facts.pending.topics.add(link_topic(link, family))
                case DrainOverdue(link, family) | RunLearnt(link, family):
                    facts.pending.drains.add((link, family))
                case AzureOutdated(circuit) | AzureOverdue(circuit):
                    facts.pending.topics.add(azure_topic(circuit))
                case FirstDumpsEnd(circuit, _):
                    facts.pending.topics.add(first_dump_topic(circuit))
                case OwnershipAges(source):
                    self.ownership_changed(source)
                case ChurnEnds(feed, link):
                    self.layers.churn_due(feed, link)
                case AzureTablesOutdated(link) | AzureTablesOverdue(link):
                    self.layers.azure_changed(link)
                case _:
                    assert_never(timer)

    def set_dump_timers(self, state: FeedState) -> None:
        """Set the timers for the end of the first dump and for an overdue End-of-RIB. A session that has lost messages
        gets only the latter.
        """
        for family in state.feed.families:
            self._set_sync_timer(state, family)
        self.layers.watch(
            EndOfRibOverdue(state.feed.name), state.session.timeout_at(self.facts.config.collector)
        )

    def _set_sync_timer(self, state: FeedState, family: Family) -> None:
        deadline = state.session.sync_deadline(family, self.facts.config.collector)
        if deadline is not None:
            self.timers.set(SyncDue(state.feed.name, family), deadline)

    def _sync_due(self, state: FeedState, family: Family) -> None:
        deadline = state.session.sync_deadline(family, self.facts.config.collector)
        if deadline is None:
            return
        if round(deadline, 6) > self.facts.now:
            # More updates came after the timer was set.
            self.timers.set(SyncDue(state.feed.name, family), deadline)
            return
        self._complete(state, family)

    def _complete(self, state: FeedState, family: Family) -> None:
        """Note that all routes of a family have come."""
        session = state.session
        session.families[family].complete = True
        if state.hearing is not None:
            state.hearing.look_at_all()
            self.routes.take_stock(state)
        state.strays.all_are_here(family)
        if all(sync.complete for sync in session.families.values()):
            session.loss = None
            state.overflow_seconds = 0.0
        self.layers.feed_changed(state.feed.name)

    def refresh(self) -> None:
        """Update everything that follows from the events and the time since the last call."""
        self.layers.refresh()


def _overflow_reason(state: FeedState) -> str:
    return OVERFLOW_REASONS[state.overflowed_by or "max_routes"]
