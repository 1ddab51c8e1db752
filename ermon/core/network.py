"""Moves what is known of the network: sessions, being in sync, link states.

House rules: nothing here awaits, sleeps, logs or reads a clock. Time comes with the events, and one
route change costs work in proportion to what it touches, never to the table.

A change runs through four layers, each of which may change the next: routes and sessions, whether a
feed is in sync, the state of the links, and which routes elsewhere count as Microsoft's. What has
changed at the end is named by ``Topic``; the monitor asks again for the verdicts that depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from ermon.checks.parameters import parameter
from ermon.checks.subject import (
    PREPENDED,
    STORAGE,
    Classifier,
    RouteSet,
    churn_topic,
    drain_topic,
    feed_topic,
    link_topic,
    process_topic,
    source_topic,
)
from ermon.core.facts import FILTERED_VIEWS, FeedState, LinkInfo, NetworkFacts
from ermon.core.rolling import RollingCount
from ermon.core.route_index import RouteIndex
from ermon.core.session import FamilySync
from ermon.core.timers import Timers
from ermon.model.events import (
    AddPathNegotiated,
    AddPathOffered,
    Alive,
    Change,
    DrainChanged,
    EndOfRib,
    Event,
    FeedChanged,
    FeedRequest,
    LinkChanged,
    MessagesLost,
    ProcessDown,
    ProcessUp,
    SessionDown,
    SessionUp,
    SourceJudged,
    StorageJudged,
    Update,
)
from ermon.model.findings import LinkState
from ermon.model.inventory import Config, Feed, LinkKey, View
from ermon.model.prefixes import FAMILIES, Family, Prefix

TEARDOWN_INTERVAL_SECONDS = 300.0
"""A feed is asked to send everything again once in this time at most."""
OVERFLOW_SECONDS = (300.0, 3600.0)
"""How long an overflowed feed stays down at first, and at most."""
OVERFLOW_REASON = "more routes than collector.max_routes"


_TimerKey = tuple[str, str | LinkKey | tuple[str, str, str], Family | None]
"""What a timer is for, and the feed, link, or feed and link that it is about."""


class Network(NetworkFacts):
    """Keeps every answer of ``NetworkFacts`` up to date."""

    def __init__(self, config: Config, selectors: Mapping[str, Classifier], now: float) -> None:
        super().__init__(config, now)
        self.requests: list[FeedRequest] = []
        self.changes: list[Change] = []
        self.timers: Timers[_TimerKey] = Timers()
        self.routes = RouteIndex(self, selectors)
        self._unsettled_mirrors: set[str] = set()
        """Circuits of which a mirror can prove more or less than before."""
        self._edges = [n for n, f in self.feeds.items() if f.feed.view is View.EDGE_TABLE]
        self._own_edges = {
            link.key: frozenset(n for n in self._edges if self.feeds[n].feed.router == link.router)
            for link in config.links
        }

    def adopt(self, old: Network) -> None:
        """Take over what an earlier network knows of the feeds and links that both have.

        A feed that is not held whole and may now be asked about more is asked for everything again.
        """
        self.processes.update({p: up for p, up in old.processes.items() if p in self.processes})
        self.sources.update(old.sources)
        self.storage = old.storage
        for key, info in self.links.items():
            if before := old.links.get(key):
                info.state, info.known_state = before.state, before.known_state
                info.changed_at, info.transitions = before.changed_at, before.transitions
                info.baseline = before.baseline
                info.baseline.stop(self.now)  # the new policy says what is right from now on
                info.flaps.take_over(before.flaps)
                self._watch_flapping(("link-flaps", *key), info.flaps)
                if key[0] in self.routes.microsoft_links:
                    gone = old.routes.brought.lately_gone(*key, self.now)
                    self.routes.brought.restore_gone(*key, gone)
                    if before.state is not LinkState.UP:
                        self.routes.brought.restore(*key, old.routes.brought.remembered(*key))
        for link, latch in old.drains.items():
            if link in self.drains:
                self.drains[link] = latch
                self.routes.touched_drains.add(link)
        for name, state in self.feeds.items():
            before_feed = old.feeds.get(name)
            if before_feed is not None and _same_session(before_feed.feed, state.feed):
                self._adopt_feed(state, before_feed)
                if state.feed.view in FILTERED_VIEWS and self._asks_for_more(old, name):
                    self._ask_again(state)

    def _adopt_feed(self, state: FeedState, before: FeedState) -> None:
        # While the session is not yet in sync here: what is taken over is a dump, and no churn.
        self.routes.announce(state, before.rib.routes())
        session = state.session = before.session
        session.feed = state.feed
        session.families = {f: session.families.get(f, FamilySync()) for f in state.feed.families}
        self._set_dump_timers(state)
        state.overflow_seconds, state.teardown_at = before.overflow_seconds, before.teardown_at
        state.losses.take_over(before.losses)
        self._watch_flapping(("feed-flaps", state.feed.name, None), state.losses)
        if before.overflowed_until is not None:
            state.overflowed_until = before.overflowed_until
            self.timers.set(("overflow", state.feed.name, None), before.overflowed_until)
        if session.damaged and state.teardown_at is not None:
            self.timers.set(("resend", state.feed.name, None), state.teardown_at + TEARDOWN_INTERVAL_SECONDS)
        for link in state.churn.keys() & before.churn.keys():
            state.churn[link].take_over(before.churn[link])
            self.routes.churning.add((state.feed.name, link))
        self._feed_changed(state.feed.name)

    def _asks_for_more(self, old: Network, name: str) -> bool:
        customers = {
            (network.config.customer.asn, network.config.customer.provider_asns) for network in (self, old)
        }
        return bool(self.routes.watched[name].without(old.routes.watched[name])) or len(customers) > 1

    def _ask_again(self, state: FeedState) -> None:
        if not state.session.up:
            return
        state.session.dump_again(self.now)
        self._set_dump_timers(state)
        self._request(state, "refresh", "the configuration asks for routes that were not kept")
        self._feed_changed(state.feed.name)

    # Events ------------------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:  # noqa: C901, PLR0912  # one branch an event
        """Take one event in. ``refresh`` must follow before anything is read."""
        self.now = max(self.now, event.time)
        match event:
            case Update():
                self._update(event)
            case EndOfRib():
                self._end_of_rib(event)
            case Alive():
                self._alive(self.feeds[event.feed])
            case SessionUp():
                self._start(self.feeds[event.feed], joined=False)
            case SessionDown():
                self._session_down(event)
            case AddPathOffered():
                self.feeds[event.feed].session.offered = event.families
                self._feed_changed(event.feed)
            case AddPathNegotiated():
                self.feeds[event.feed].session.negotiated = event.families
                self._feed_changed(event.feed)
            case MessagesLost():
                self._messages_lost(self.feeds[event.feed], event.count, event.reason)
            case ProcessUp():
                self._process(event.process, up=True)
            case ProcessDown():
                self._process_down(event)
            case SourceJudged():
                self.sources[event.source] = event.problem or ""
                self.dirty.add(source_topic(event.source))
            case StorageJudged():
                self.storage = event.problem
                self.dirty.add(STORAGE)
            case _:
                assert_never(event)

    def _alive(self, state: FeedState) -> None:
        if not state.session.opening:
            self._message(state)

    def _message(self, state: FeedState) -> bool:
        """Note a message that only an established session carries; tell whether to look into it."""
        state.session.message_at = self.now
        if state.overflowed_until is not None:
            return False
        if not state.session.up:
            self._start(state, joined=True)
        return True

    def _start(self, state: FeedState, *, joined: bool) -> None:
        if state.overflowed_until is not None:
            self._request(state, "teardown", OVERFLOW_REASON)
            return
        state.session.start(self.now, joined=joined)
        self.routes.flush(state)
        state.session.message_at = self.now
        self._set_dump_timers(state)
        self._feed_changed(state.feed.name)

    def _session_down(self, event: SessionDown) -> None:
        state = self.feeds[event.feed]
        if state.session.up:
            self._stop(state, event.reason)
        else:
            state.session.negotiated = state.session.offered = None
            self._feed_changed(event.feed)

    def _stop(self, state: FeedState, reason: str) -> None:
        state.session.stop(self.now, reason)
        self.routes.flush(state)
        state.losses.add(self.now)
        self._watch_flapping(("feed-flaps", state.feed.name, None), state.losses)
        for family in state.feed.families:
            self.timers.cancel(("sync", state.feed.name, family))
        self.timers.cancel(("timeout", state.feed.name, None))
        self._feed_changed(state.feed.name)

    def _end_of_rib(self, event: EndOfRib) -> None:
        state = self.feeds[event.feed]
        if not self._message(state):
            return
        sync = state.session.families.get(event.family)
        if sync is None or state.session.joined or sync.end_of_rib_at is not None:
            return
        sync.end_of_rib_seen = True
        sync.end_of_rib_at = self.now
        self._set_sync_timer(state, event.family)
        if all(other.end_of_rib_at is not None for other in state.session.families.values()):
            self.timers.cancel(("timeout", event.feed, None))
        self._feed_changed(event.feed)

    def _messages_lost(self, state: FeedState, count: int, reason: str) -> None:
        name = state.feed.name
        state.session.lose(count, reason)
        self._feed_changed(name)
        if state.teardown_at is None or state.teardown_at + TEARDOWN_INTERVAL_SECONDS <= self.now:
            self._tear_down_damaged(state)
        else:
            self.timers.set(("resend", name, None), state.teardown_at + TEARDOWN_INTERVAL_SECONDS)

    def _tear_down_damaged(self, state: FeedState) -> None:
        state.teardown_at = self.now
        self._request(state, "teardown", state.session.loss or "messages were lost")

    def _request(self, state: FeedState, action: str, reason: str) -> None:
        self.requests.append(FeedRequest(state.feed.name, action, state.feed.families, reason))

    def _process(self, process: str, *, up: bool) -> None:
        if process in self.processes and self.processes[process] is not up:
            self.processes[process] = up
            self.dirty.add(process_topic(process))

    def _process_down(self, event: ProcessDown) -> None:
        self._process(event.process, up=False)
        for state in self.feeds.values():
            if state.feed.process == event.process:
                self._session_down(SessionDown(event.time, state.feed.name, event.reason))

    # RouteIndex ------------------------------------------------------------------------------------------

    def _update(self, event: Update) -> None:
        state = self.feeds[event.feed]
        if not self._message(state):
            return
        state.session.updates += 1
        for family in {route.prefix.family for route in event.announced}:
            self._touched_family(state, family, announced=True)
        for family in {prefix.family for prefix, _ in event.withdrawn}:
            self._touched_family(state, family, announced=False)
        again = {route.key for route in event.announced} if event.withdrawn else ()
        self.routes.withdraw(state, (key for key in event.withdrawn if key not in again))
        self.routes.announce(state, event.announced)
        if len(state.rib) > self.config.collector.max_routes:
            self._overflow(state)

    def _touched_family(self, state: FeedState, family: Family, *, announced: bool) -> None:
        sync = state.session.families.get(family)
        if sync is None:
            return
        if sync.end_of_rib_at is not None and not sync.complete:
            sync.updated_at = self.now
        if announced and not sync.received:
            sync.received = True
            self._feed_changed(state.feed.name)

    def _overflow(self, state: FeedState) -> None:
        """Drop a table that is larger than allowed, and keep the feed down for a while."""
        first, most = OVERFLOW_SECONDS
        state.overflow_seconds = min(state.overflow_seconds * 2 or first, most)
        state.overflowed_until = self.now + state.overflow_seconds
        self.timers.set(("overflow", state.feed.name, None), state.overflowed_until)
        self._request(state, "teardown", OVERFLOW_REASON)
        self._stop(state, OVERFLOW_REASON)

    # Layers ------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        return self.timers.next()

    def sync_running(self) -> bool:
        """Tell whether a feed's ``settle`` or ``sync_timeout`` is running."""
        return any(
            state.session.sync_deadline(family, self.config.collector) is not None
            or self.timers.due(("timeout", name, None)) is not None
            for name, state in self.feeds.items()
            for family in state.feed.families
        )

    def advance(self, now: float) -> None:
        """Let the timers fire that are due."""
        self.now = max(self.now, now)
        while (key := self.timers.pop(self.now)) is not None:
            match key:
                case ("link-flaps", (_, _) as link, family) if family is not None:
                    self.dirty.add(link_topic(link, family))
                case ("drain", (_, _) as link, _):
                    self.routes.touched_drains.add(link)
                case ("churn", (feed, circuit, link), _):
                    self._churn_due(feed, (circuit, link))
                case (kind, str(name), family):
                    self._feed_timer_due(kind, self.feeds[name], family)

    def _feed_timer_due(self, kind: str, state: FeedState, family: Family | None) -> None:
        name = state.feed.name
        if kind == "sync" and family is not None:
            self._sync_due(state, family)
        elif kind == "resend" and state.session.damaged:
            self._tear_down_damaged(state)
        elif kind == "overflow":
            state.overflowed_until = None
            self._feed_changed(name)
        elif kind == "timeout":
            self._feed_changed(name)
        elif kind == "feed-flaps":
            self.dirty.add(feed_topic(name))

    def _churn_due(self, feed: str, link: LinkKey) -> None:
        self.dirty.add(churn_topic(feed, link))
        self._watch_churn(feed, link)

    def _watch_flapping(self, key: _TimerKey, count: RollingCount) -> None:
        """Come back when there were no more changes of late than is fine."""
        if (ends := count.ends_at()) is not None:
            self.timers.set(key, ends)

    def _watch_churn(self, feed: str, link: LinkKey) -> None:
        ends = self.feeds[feed].churn[link].ends_at()
        if ends is not None and ends > self.now:
            self.timers.set(("churn", (feed, *link), None), ends)

    def refresh(self) -> None:
        """Bring everything that follows from the routes and sessions up to date."""
        self._refresh_canaries()
        self._refresh_links()
        self._refresh_drains()
        self._refresh_churn()
        self._refresh_advertised_sides()
        self.routes.refresh_microsoft()

    def _set_dump_timers(self, state: FeedState) -> None:
        """Come back when the first dump is over, and when End-of-RIB is overdue: on a session that has lost
        messages, only the latter comes.
        """
        for family in state.feed.families:
            self._set_sync_timer(state, family)
        overdue = state.session.timeout_at(self.config.collector)
        if overdue is not None and overdue > self.now:
            self.timers.set(("timeout", state.feed.name, None), overdue)

    def _set_sync_timer(self, state: FeedState, family: Family) -> None:
        deadline = state.session.sync_deadline(family, self.config.collector)
        if deadline is not None:
            self.timers.set(("sync", state.feed.name, family), deadline)

    def _sync_due(self, state: FeedState, family: Family) -> None:
        deadline = state.session.sync_deadline(family, self.config.collector)
        if deadline is None:
            return
        if round(deadline, 6) > self.now:
            # Updates went on after the timer was set.
            self.timers.set(("sync", state.feed.name, family), deadline)
            return
        session = state.session
        session.families[family].complete = True
        if all(sync.complete for sync in session.families.values()):
            session.loss = None
            state.overflow_seconds = 0.0
        self._feed_changed(state.feed.name)

    def _feed_changed(self, name: str) -> None:
        """Note that a feed's session, or what it can prove, may have changed."""
        self.dirty.add(feed_topic(name))
        self.changes.append(FeedChanged(self.now, name))
        state = self.feeds[name]
        if state.feed.canary:
            self.routes.touched_canaries.add(name)
        if state.feed.view is View.EDGE_TABLE:
            self.routes.unsettled_links.update(self.links)
            self.routes.touched_drains.update(self.drains)
        if state.feed.view is View.TO_MICROSOFT and state.feed.circuit is not None:
            self._unsettled_mirrors.add(state.feed.circuit)

    def _refresh_canaries(self) -> None:
        touched, self.routes.touched_canaries = self.routes.touched_canaries, set()
        for name in sorted(touched):
            state = self.feeds[name]
            missing = self._missing_canaries(state)
            if missing != state.canary_missing:
                state.canary_missing = missing
                self._feed_changed(name)
        self.routes.touched_canaries.clear()

    def _missing_canaries(self, state: FeedState) -> tuple[Prefix, ...] | None:
        overdue = state.session.timeout_at(self.config.collector)
        timed_out = overdue is not None and self.now >= overdue
        judged = [c for c in state.feed.canary if timed_out or self._dump_ended(state, c.family)]
        if not judged:
            return None
        missing = tuple(canary for canary in judged if not state.rib.covers(canary))
        return missing or (() if len(judged) == len(state.feed.canary) else None)

    @staticmethod
    def _dump_ended(state: FeedState, family: Family) -> bool:
        sync = state.session.families.get(family)
        return sync is not None and (sync.end_of_rib_at is not None or sync.complete)

    def _refresh_links(self) -> None:
        if not self.routes.unsettled_links:
            return
        in_sync = {
            family: tuple(name for name in self._edges if self.in_sync(name, family)) for family in FAMILIES
        }
        for link, family in sorted(self.routes.unsettled_links):
            self._refresh_link(link, family, in_sync[family])
        self.routes.unsettled_links.clear()

    def _refresh_link(self, link: LinkKey, family: Family, in_sync: tuple[str, ...]) -> None:
        info = self.links[link, family]
        own = self._own_edges[link]
        deciders = tuple(name for name in in_sync if name in own and self.all_paths(name, family))
        witnesses = deciders or in_sync
        shown = any(self.feeds[name].tables[link].prefix_count(family) for name in witnesses)
        state = LinkState.UP if shown else LinkState.DOWN if deciders else LinkState.UNKNOWN
        if (state, deciders, witnesses) == (info.state, info.deciders, info.witnesses):
            return
        if state is not info.state:
            self._link_changed(link, family, info, state)
        info.deciders, info.witnesses = deciders, witnesses
        self.dirty.add(link_topic(link, family))
        self.routes.touched_drains.add(link)
        self.routes.received.sides_changed(link[0], family)
        self._unsettled_mirrors.add(link[0])

    def _link_changed(self, link: LinkKey, family: Family, info: LinkInfo, state: LinkState) -> None:
        if link in self.routes.microsoft_links:
            if info.state is LinkState.UP:
                self.routes.brought.ceased_to_be_up(link, family, self.now)
            elif state is LinkState.UP:
                self.routes.brought.came_up(link, family)
        info.state = state
        if state is not LinkState.UNKNOWN:
            if info.known_state not in {LinkState.UNKNOWN, state}:
                info.transitions += 1
                info.flaps.add(self.now)
                self._watch_flapping(("link-flaps", link, family), info.flaps)
            info.known_state = state
        info.changed_at = self.now
        self.changes.append(LinkChanged(self.now, link, family, state))

    def _refresh_drains(self) -> None:
        touched, self.routes.touched_drains = self.routes.touched_drains, set()
        percent = parameter(self.config, "drain", "percent")
        for link in sorted(touched):
            latch = self.drains[link]
            paths = marked = 0
            for name in self._edges:
                for family in self.feeds[name].feed.families:
                    if self.in_sync(name, family):
                        paths += self.feeds[name].tables[link].count(family)
                        marked += len(self.matching(name, RouteSet(PREPENDED, family, link=link)))
            latch.observe(paths=paths, marked=marked, percent=percent, now=self.now)
            self.dirty.add(drain_topic(link))
            if self.draining(link) is not latch.told:
                latch.told = not latch.told
                self.changes.append(DrainChanged(self.now, link, latch.told))
            ends = latch.ends_at(self.config.policy.max_drain)
            if ends is not None and ends > self.now:
                self.timers.set(("drain", link, None), ends)

    def _refresh_churn(self) -> None:
        churning, self.routes.churning = self.routes.churning, set()
        for feed, link in sorted(churning):
            if self.timers.due(("churn", (feed, *link), None)) is None:
                self._churn_due(feed, link)

    def _refresh_advertised_sides(self) -> None:
        unsettled, self._unsettled_mirrors = self._unsettled_mirrors, set()
        for circuit in sorted(unsettled):
            for family in FAMILIES:
                self.routes.advertised.sides_changed(circuit, family)


def _same_session(old: Feed, new: Feed) -> bool:
    return (old.peer, old.local, old.process) == (new.peer, new.local, new.process)
