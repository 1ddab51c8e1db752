"""Takes events in, and brings up to date what follows from them: sessions, being in sync, link states.

House rules: nothing here awaits, sleeps, logs or reads a clock. Time comes with the events, and one route change costs
work in proportion to what it touches, never to the table and never to the network.

A change runs through layers, each of which may change the next. ``Pending`` has a set for each, in this order:

1. canaries: which feeds show what they must always show. A feed that does not is not in sync.
2. links: which feeds decide on a link, and whether it is up. A link that changes its state changes what is compared
   (received and advertised), and what a dead link is remembered by.
3. drains: whether the paths of a link say that Microsoft drains it.
4. churn: of which links too many routes change.
5. mirrors: what the links of a circuit advertise, compared. It needs the links' states.
6. what counts as a Microsoft route elsewhere. It needs the tables of all links, and what is remembered of dead ones.

What has changed at the end is named by ``Topic``; the monitor asks again for the verdicts that depend on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import assert_never

from ermon.checks.parameters import parameter
from ermon.checks.subject import (
    EXPECTATIONS,
    PREPENDED,
    STORAGE,
    Classifier,
    RouteSet,
    churn_topic,
    drain_topic,
    feed_topic,
    link_topic,
    missing_topic,
    process_topic,
    seen_topic,
    source_topic,
)
from ermon.core.facts import FILTERED_VIEWS, FeedState, LinkInfo, NetworkFacts
from ermon.core.route_index import Expectations, RouteIndex
from ermon.core.timers import (
    ChurnEnds,
    DrainEnds,
    EndOfRibOverdue,
    FeedFlapsEnd,
    LinkFlapsEnd,
    OverflowEnds,
    ResendDue,
    SyncDue,
    Timer,
    Timers,
)
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
from ermon.model.inventory import Feed, LinkFamily, LinkKey, View
from ermon.model.prefixes import FAMILIES, Family, Prefix

TEARDOWN_INTERVAL_SECONDS = 300.0
"""A feed is asked to send everything again once in this time at most."""
OVERFLOW_SECONDS = (300.0, 3600.0)
"""How long an overflowed feed stays down at first, and at most."""
OVERFLOW_REASON = "more routes than collector.max_routes"
ROUTES_AT_ONCE = 200
"""Routes that a reload takes over in one step, some five milliseconds: everything else gets its turn between two."""


class Reactor:
    """Moves ``facts``; ``requests`` and ``changes`` are what it asks for and what it tells."""

    def __init__(self, facts: NetworkFacts, classifiers: Mapping[str, Classifier]) -> None:
        self.facts = facts
        self.routes = RouteIndex(facts, classifiers)
        self.requests: list[FeedRequest] = []
        self.changes: list[Change] = []
        self.timers: Timers[Timer] = Timers()
        self._links_of_router: dict[str, list[LinkFamily]] = {}
        for link in facts.config.links:
            of_router = self._links_of_router.setdefault(link.router, [])
            of_router += [(link.key, family) for family in link.families]
        self._routers = {link.key: link.router for link in facts.config.links}

    # Events ------------------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:  # noqa: C901, PLR0912  # one branch an event
        """Take one event in. ``refresh`` must follow before anything is read."""
        facts = self.facts
        facts.now = max(facts.now, event.time)
        match event:
            case Update():
                self._update(event)
            case EndOfRib():
                self._end_of_rib(event)
            case Alive():
                self._alive(facts.feeds[event.feed])
            case SessionUp():
                self._start(facts.feeds[event.feed], joined=False)
            case SessionDown():
                self._session_down(event)
            case AddPathOffered():
                facts.feeds[event.feed].session.offered = event.families
                self._feed_changed(event.feed)
            case AddPathNegotiated():
                facts.feeds[event.feed].session.negotiated = event.families
                self._feed_changed(event.feed)
            case MessagesLost():
                self._messages_lost(facts.feeds[event.feed], event.count, event.reason)
            case ProcessUp():
                self._process(event.process, up=True)
            case ProcessDown():
                self._process_down(event)
            case SourceJudged():
                facts.sources[event.source] = event.problem or ""
                facts.pending.topics.add(source_topic(event.source))
            case StorageJudged():
                facts.storage = event.problem
                facts.pending.topics.add(STORAGE)
            case _:
                assert_never(event)

    def _alive(self, state: FeedState) -> None:
        if not state.session.opening:
            self._message(state)

    def _message(self, state: FeedState) -> bool:
        """Note a message that only an established session carries; return whether to look into it."""
        state.session.message_at = self.facts.now
        if state.overflowed_until is not None:
            return False
        if not state.session.up:
            self._start(state, joined=True)
        return True

    def _start(self, state: FeedState, *, joined: bool) -> None:
        if state.overflowed_until is not None:
            self._request(state, "teardown", OVERFLOW_REASON)
            return
        state.session.start(self.facts.now, joined=joined)
        self.routes.flush(state)
        state.session.message_at = self.facts.now
        self._set_dump_timers(state)
        self._feed_changed(state.feed.name)

    def _session_down(self, event: SessionDown) -> None:
        state = self.facts.feeds[event.feed]
        if state.session.up:
            self._stop(state, event.reason)
        else:
            state.session.negotiated = state.session.offered = None
            self._feed_changed(event.feed)

    def _stop(self, state: FeedState, reason: str) -> None:
        name = state.feed.name
        state.session.stop(self.facts.now, reason)
        self.routes.flush(state)
        state.losses.add(self.facts.now)
        self._watch(FeedFlapsEnd(name), state.losses.ends_at())
        for family in state.feed.families:
            self.timers.cancel(SyncDue(name, family))
        self.timers.cancel(EndOfRibOverdue(name))
        self._feed_changed(name)

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
        self._feed_changed(event.feed)

    def _messages_lost(self, state: FeedState, count: int, reason: str) -> None:
        name = state.feed.name
        state.session.lose(count, reason)
        self._feed_changed(name)
        if state.teardown_at is None or state.teardown_at + TEARDOWN_INTERVAL_SECONDS <= self.facts.now:
            self._tear_down_damaged(state)
        else:
            self.timers.set(ResendDue(name), state.teardown_at + TEARDOWN_INTERVAL_SECONDS)

    def _tear_down_damaged(self, state: FeedState) -> None:
        state.teardown_at = self.facts.now
        self._request(state, "teardown", state.session.loss or "messages were lost")

    def _request(self, state: FeedState, action: str, reason: str) -> None:
        self.requests.append(FeedRequest(state.feed.name, action, state.feed.families, reason))

    def _process(self, process: str, *, up: bool) -> None:
        processes = self.facts.processes
        if process in processes and processes[process] is not up:
            processes[process] = up
            self.facts.pending.topics.add(process_topic(process))

    def _process_down(self, event: ProcessDown) -> None:
        self._process(event.process, up=False)
        for state in self.facts.feeds.values():
            if state.feed.process == event.process:
                self._session_down(SessionDown(event.time, state.feed.name, event.reason))

    def _update(self, event: Update) -> None:
        state = self.facts.feeds[event.feed]
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
        if len(state.rib) > self.facts.config.collector.max_routes:
            self._overflow(state)

    def _touched_family(self, state: FeedState, family: Family, *, announced: bool) -> None:
        sync = state.session.families.get(family)
        if sync is None:
            return
        if sync.end_of_rib_at is not None and not sync.complete:
            sync.updated_at = self.facts.now
        if announced and not sync.received:
            sync.received = True
            self._feed_changed(state.feed.name)

    def _overflow(self, state: FeedState) -> None:
        """Drop a table that is larger than allowed, and keep the feed down for a while."""
        first, most = OVERFLOW_SECONDS
        state.overflow_seconds = min(state.overflow_seconds * 2 or first, most)
        state.overflowed_until = self.facts.now + state.overflow_seconds
        self.timers.set(OverflowEnds(state.feed.name), state.overflowed_until)
        self._request(state, "teardown", OVERFLOW_REASON)
        self._stop(state, OVERFLOW_REASON)

    # Time --------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        return self.timers.next()

    def sync_running(self) -> bool:
        """Return whether a feed's ``settle`` or ``sync_timeout`` is running."""
        collector = self.facts.config.collector
        return any(
            state.session.sync_deadline(family, collector) is not None
            or self.timers.due(EndOfRibOverdue(name)) is not None
            for name, state in self.facts.feeds.items()
            for family in state.feed.families
        )

    def advance(self, now: float) -> None:  # noqa: C901  # one branch a timer
        """Let the timers fire that are due."""
        facts = self.facts
        facts.now = max(facts.now, now)
        while (timer := self.timers.pop(facts.now)) is not None:
            match timer:
                case SyncDue(feed, family):
                    self._sync_due(facts.feeds[feed], family)
                case EndOfRibOverdue(feed):
                    self._feed_changed(feed)
                case ResendDue(feed):
                    if facts.feeds[feed].session.damaged:
                        self._tear_down_damaged(facts.feeds[feed])
                case OverflowEnds(feed):
                    facts.feeds[feed].overflowed_until = None
                    self._feed_changed(feed)
                case FeedFlapsEnd(feed):
                    facts.pending.topics.add(feed_topic(feed))
                case LinkFlapsEnd(link, family):
                    facts.pending.topics.add(link_topic(link, family))
                case DrainEnds(link):
                    facts.pending.drains.add(link)
                case ChurnEnds(feed, link):
                    self._churn_due(feed, link)
                case _:
                    assert_never(timer)

    def _watch(self, timer: Timer, ends: float | None) -> None:
        """Come back when there were no more changes of late than is fine."""
        if ends is not None and ends > self.facts.now:
            self.timers.set(timer, ends)

    def _set_dump_timers(self, state: FeedState) -> None:
        """Come back when the first dump is over, and when End-of-RIB is overdue: on a session that has lost
        messages, only the latter comes.
        """
        for family in state.feed.families:
            self._set_sync_timer(state, family)
        self._watch(EndOfRibOverdue(state.feed.name), state.session.timeout_at(self.facts.config.collector))

    def _set_sync_timer(self, state: FeedState, family: Family) -> None:
        deadline = state.session.sync_deadline(family, self.facts.config.collector)
        if deadline is not None:
            self.timers.set(SyncDue(state.feed.name, family), deadline)

    def _sync_due(self, state: FeedState, family: Family) -> None:
        deadline = state.session.sync_deadline(family, self.facts.config.collector)
        if deadline is None:
            return
        if round(deadline, 6) > self.facts.now:
            # Updates went on after the timer was set.
            self.timers.set(SyncDue(state.feed.name, family), deadline)
            return
        session = state.session
        session.families[family].complete = True
        if all(sync.complete for sync in session.families.values()):
            session.loss = None
            state.overflow_seconds = 0.0
        self._feed_changed(state.feed.name)

    def _feed_changed(self, name: str) -> None:
        """Note that a feed's session, or what it can prove, may have changed."""
        if self.facts.feeds[name].feed.canary:
            self.facts.pending.canaries.add(name)
        self._proof_changed(name)

    def _proof_changed(self, name: str) -> None:
        """Note that what a feed can prove may have changed, its canaries as they are."""
        facts, pending = self.facts, self.facts.pending
        pending.topics.add(feed_topic(name))
        self.changes.append(FeedChanged(facts.now, name))
        state = facts.feeds[name]
        if state.feed.view is View.EDGE_TABLE:
            self._edge_changed(state)
        if state.feed.view is View.TO_MICROSOFT and state.feed.circuit is not None:
            pending.mirrors.add(state.feed.circuit)

    def _edge_changed(self, state: FeedState) -> None:
        """An edge table decides on the links of its own router, and is a witness for every link that it shows."""
        facts, pending, name = self.facts, self.facts.pending, state.feed.name
        for family in FAMILIES:
            in_sync = facts.edges_in_sync[family]
            before = bool(in_sync)
            (in_sync.add if facts.in_sync(name, family) else in_sync.discard)(name)
            if bool(in_sync) is not before:
                pending.topics.add(seen_topic(family))
        own = self._links_of_router.get(state.feed.router or "", ())
        pending.links.update(own)
        pending.links.update(
            (link, family) for link in state.tables for family in FAMILIES if (link, family) in facts.links
        )
        pending.drains.update(link for link, _ in own)
        pending.drains.update(state.tables)

    # Layers ------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Bring everything that follows from the routes and sessions up to date, in the order of ``Pending``."""
        self._refresh_canaries()
        self._refresh_links()
        self._refresh_drains()
        self._refresh_churn()
        self._refresh_mirrors()
        self.routes.refresh_microsoft()

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
        if not judged:
            return None
        missing = tuple(canary for canary in judged if not state.rib.covers(canary))
        return missing or (() if len(judged) == len(state.feed.canary) else None)

    @staticmethod
    def _dump_ended(state: FeedState, family: Family) -> bool:
        sync = state.session.families.get(family)
        return sync is not None and (sync.end_of_rib_at is not None or sync.complete)

    def _refresh_links(self) -> None:
        pending = self.facts.pending
        if pending.links:
            touched, pending.links = pending.links, set()
            for link, family in sorted(touched):
                self._refresh_link(link, family)

    def _refresh_link(self, link: LinkKey, family: Family) -> None:
        facts = self.facts
        info = facts.links[link, family]
        deciders = tuple(
            sorted(
                feed.name
                for feed in facts.config.edge_tables.get(self._routers[link], ())
                if facts.in_sync(feed.name, family) and facts.all_paths(feed.name, family)
            )
        )
        shown_on = facts.shown_on.get((link, family), ())
        witnesses = deciders or tuple(sorted(name for name in shown_on if facts.in_sync(name, family)))
        shown = any(name in shown_on for name in witnesses)
        state = LinkState.UP if shown else LinkState.DOWN if deciders else LinkState.UNKNOWN
        if (state, deciders, witnesses) == (info.state, info.deciders, info.witnesses):
            return
        if state is not info.state:
            self._link_changed(link, family, info, state)
        info.deciders, info.witnesses = deciders, witnesses
        facts.pending.topics.add(link_topic(link, family))
        facts.pending.drains.add(link)
        facts.pending.mirrors.add(link[0])
        self.routes.received.links_changed(link[0], family)

    def _link_changed(self, link: LinkKey, family: Family, info: LinkInfo, state: LinkState) -> None:
        now = self.facts.now
        if link in self.routes.microsoft_links:
            if info.state is LinkState.UP:
                self.routes.learned.ceased_to_be_up(link, family, now)
            elif state is LinkState.UP:
                self.routes.learned.came_up(link, family)
        info.state = state
        if state is not LinkState.UNKNOWN:
            if info.known_state not in {LinkState.UNKNOWN, state}:
                info.transitions += 1
                info.flaps.add(now)
                self._watch(LinkFlapsEnd(link, family), info.flaps.ends_at())
            info.known_state = state
        info.changed_at = now
        self.changes.append(LinkChanged(now, link, family, state))

    def _refresh_drains(self) -> None:
        facts, pending = self.facts, self.facts.pending
        if not pending.drains:
            return
        touched, pending.drains = pending.drains, set()
        percent = parameter(facts.config, "drain", "percent")
        for link in sorted(touched):
            latch = facts.drains[link]
            paths, marked = self._marked_paths(link)
            latch.observe(paths=paths, marked=marked, percent=percent, now=facts.now)
            pending.topics.add(drain_topic(link))
            if facts.draining(link) is not latch.told:
                latch.told = not latch.told
                self.changes.append(DrainChanged(facts.now, link, latch.told))
            self._watch(DrainEnds(link), latch.ends_at(facts.config.policy.max_drain))

    def _marked_paths(self, link: LinkKey) -> tuple[int, int]:
        """Count the paths of a link on feeds in sync, and those of them that Microsoft prepends."""
        facts = self.facts
        paths = marked = 0
        for family in FAMILIES:
            for name in facts.shown_on.get((link, family), ()):
                if facts.in_sync(name, family):
                    paths += facts.table(name, link).count(family)
                    marked += len(facts.matching(name, RouteSet(PREPENDED, family, link=link)))
        return paths, marked

    def _refresh_churn(self) -> None:
        pending = self.facts.pending
        if pending.churn:
            churning, pending.churn = pending.churn, set()
            for feed, link in sorted(churning):
                if self.timers.due(ChurnEnds(feed, link)) is None:
                    self._churn_due(feed, link)

    def _churn_due(self, feed: str, link: LinkKey) -> None:
        self.facts.pending.topics.add(churn_topic(link))
        self._watch(ChurnEnds(feed, link), self.facts.feeds[feed].churn[link].ends_at())

    def _refresh_mirrors(self) -> None:
        pending = self.facts.pending
        if pending.mirrors:
            touched, pending.mirrors = pending.mirrors, set()
            for circuit in sorted(touched):
                for family in FAMILIES:
                    self.routes.advertised.links_changed(circuit, family)

    # Another configuration ---------------------------------------------------------------------------

    def adopt(self, old: Reactor) -> Iterator[None]:
        """Take over what an earlier reactor knows of the feeds and links that both have, step by step.

        A feed that is not held whole and may now be asked about more is asked for everything again. ``old`` must not
        change meanwhile; what is taken over is copied, so that it can still be read.
        """
        facts, before = self.facts, old.facts
        facts.processes.update({p: up for p, up in before.processes.items() if p in facts.processes})
        facts.sources.update(before.sources)
        facts.storage = before.storage
        for key, info in facts.links.items():
            if key in before.links:
                self._adopt_link(key, info, old)
                yield
        for link, latch in before.drains.items():
            if link in facts.drains:
                facts.drains[link] = latch.copy()
                facts.pending.drains.add(link)
        asks_for_more = self._asks_for_more(old)
        watched = old.routes.watched
        for name, state in facts.feeds.items():
            before_feed = before.feeds.get(name)
            if before_feed is not None and _same_session(before_feed.feed, state.feed):
                yield from self._adopt_feed(state, before_feed)
                new = [
                    c for c in state.feed.canary if not (c in before_feed.feed.canary or watched.covers(c))
                ]
                if state.feed.view in FILTERED_VIEWS and (asks_for_more or new):
                    self._ask_again(state)
            yield

    def _adopt_link(self, key: LinkFamily, info: LinkInfo, old: Reactor) -> None:
        before, now = old.facts.links[key], self.facts.now
        info.state, info.known_state = before.state, before.known_state
        info.changed_at, info.transitions = before.changed_at, before.transitions
        info.baseline = before.baseline.copy()
        info.baseline.stop(now)  # the new policy says what is right from now on
        info.flaps.take_over(before.flaps)
        self._watch(LinkFlapsEnd(*key), info.flaps.ends_at())
        if key[0] in self.routes.microsoft_links:
            learned = old.routes.learned
            self.routes.learned.restore_gone(*key, learned.lately_gone(*key, now))
            if before.state is not LinkState.UP:
                self.routes.learned.restore(*key, learned.remembered(*key))

    def _adopt_feed(self, state: FeedState, before: FeedState) -> Iterator[None]:
        name = state.feed.name
        # While the session is not yet in sync here: what is taken over is a dump, and no churn.
        for number, route in enumerate(before.rib.routes(), 1):
            self.routes.announce(state, (route,))
            if not number % ROUTES_AT_ONCE:
                yield
        session = state.session = before.session.copy()
        session.set_families(state.feed.families)
        self._set_dump_timers(state)
        state.overflow_seconds, state.teardown_at = before.overflow_seconds, before.teardown_at
        state.losses.take_over(before.losses)
        self._watch(FeedFlapsEnd(name), state.losses.ends_at())
        if before.overflowed_until is not None:
            state.overflowed_until = before.overflowed_until
            self.timers.set(OverflowEnds(name), before.overflowed_until)
        if session.damaged and state.teardown_at is not None:
            self.timers.set(ResendDue(name), state.teardown_at + TEARDOWN_INTERVAL_SECONDS)
        for link, churn in before.churn.items():
            if link in self.facts.drains:
                self.routes.churn(state, link).take_over(churn)
                self.facts.pending.churn.add((name, link))
        self._feed_changed(name)

    def _asks_for_more(self, old: Reactor) -> bool:
        customers = {
            (config.customer.asn, config.customer.provider_asns)
            for config in (self.facts.config, old.facts.config)
        }
        return len(customers) > 1 or bool(self.routes.watched.without(old.routes.watched))

    def _ask_again(self, state: FeedState) -> None:
        if not state.session.up:
            return
        state.session.dump_again(self.facts.now)
        self._set_dump_timers(state)
        self._request(state, "refresh", "the configuration asks for routes that were not kept")
        self._feed_changed(state.feed.name)

    def expect(self, expectations: Expectations) -> Iterator[None]:
        """Go over to other published lists, step by step.

        Only the circuits that expect other prefixes are looked at again, and of the routes only those that the lists
        sort.
        """
        facts, changed, config = self.facts, expectations.circuits, expectations.config
        wider = self.routes.expect(expectations.classifiers, expectations.watched)
        facts.expect(config, changed)
        yield
        for state in facts.feeds.values():
            if state.feed.view is not View.EDGE_TABLE:
                continue
            for link in [link for link in state.tables if link[0] in changed]:
                self.routes.cover_again(state, link)
                facts.pending.topics.add(missing_topic(link))
                yield
            if not state.feed.add_path or any(config.circuits[c].receive.only_listed for c in changed):
                yield from self.routes.sort_again(state)
        if changed:
            facts.pending.topics.add(EXPECTATIONS)
        for state in facts.feeds.values() if changed else ():
            if state.feed.view in FILTERED_VIEWS:
                self.routes.drop_unwatched(state)
                if wider:
                    self._ask_again(state)
                yield


def _same_session(old: Feed, new: Feed) -> bool:
    return (old.peer, old.local, old.process) == (new.peer, new.local, new.process)
