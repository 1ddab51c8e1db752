"""Changes to another configuration, step by step: after a reload, or with other published lists.

Between two steps other tasks run, but no event may be applied. A step is bounded: a link, a feed, or a number of
routes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from msgspec import structs

from ermon.checks.edge_table import judges_lists
from ermon.checks.topics import EXPECTATIONS, missing_topic
from ermon.core.asked import Asked
from ermon.core.facts import FILTERED_VIEWS
from ermon.core.reactor import TEARDOWN_INTERVAL_SECONDS, Reactor
from ermon.core.route_index import Expectations
from ermon.core.states import Awaited, FeedState, LinkInfo
from ermon.core.timers import (
    FeedFlapsEnd,
    LinkFlapsEnd,
    LinkStateOverdue,
    OverflowEnds,
    ProcessSettles,
    RefreshOverdue,
    ResendDue,
    StrangersGone,
)
from ermon.model.findings import LinkState
from ermon.model.inventory import Feed, LinkFamily, View
from ermon.model.prefixes import PrefixSet

ROUTES_AT_ONCE = 20
"""Routes that a reload takes over in one step, about half a millisecond: see ``ermon.aio.slices``."""


def adopt(new: Reactor, old: Reactor) -> Iterator[None]:
    """Take over what an earlier reactor knows of the feeds and links that both have, step by step.

    If not every route of a feed is held, and the new configuration needs more of them, they are requested again; the
    routes that are held stay known. ``old`` must not change meanwhile. What is taken over is copied, so that ``old``
    can still be read.
    """
    facts, before = new.facts, old.facts
    for process in facts.processes.keys() & before.processes.keys():
        facts.processes[process] = before.processes[process].copy()
        new.layers.watch(ProcessSettles(process), facts.processes[process].runs.restless_until)
    _adopt_listening(new, old)
    facts.sources.update(before.sources)
    facts.storage, facts.clock = before.storage, before.clock
    new.restore_ownership(before.ownership.readings())
    facts.azure_readings.take_over(before.azure_readings)
    new.watch_azure()
    for key, info in facts.links.items():
        if key in before.links:
            _adopt_link(new, key, info, old)
            yield
    yield from _adopt_circuits(new, old)
    for counted in facts.levels.keys() & before.levels.keys():
        level = facts.levels[counted] = before.levels[counted].copy()
        level.stop(facts.now)  # the new policy decides from now on what is right
    for key, drain in before.drains.items():
        if key in facts.drains:
            facts.drains[key].take_over(drain, facts.now)
            facts.pending.drains.add(key)
    yield from _adopt_feeds(new, old)
    for link in facts.microsoft.take_over(before.microsoft):
        new.layers.azure_changed(link)


def _adopt_feeds(new: Reactor, old: Reactor) -> Iterator[None]:
    facts, before = new.facts, old.facts
    wider = new.routes.watched.without(old.routes.watched)
    for name, state in facts.feeds.items():
        before_feed = before.feeds.get(name)
        if before_feed is not None and _same_session(before_feed.feed, state.feed):
            yield from _adopt_feed(new, state, old, before_feed)
            if asked := _asked_anew(new, state.feed, old, before_feed.feed, wider):
                new.ask_anew(state, asked)
        else:
            new.processes.await_router(state, Awaited.UNHEARD)
        yield


def _adopt_listening(new: Reactor, old: Reactor) -> None:
    facts = new.facts
    pairs = {(state.feed.local, state.feed.peer) for state in facts.feeds.values()}
    facts.listening = old.facts.listening.of(facts.feeds_at, pairs)
    for local in facts.listening.strangers:
        new.layers.watch(StrangersGone(local), facts.listening.next_gone(local))


def _adopt_link(new: Reactor, key: LinkFamily, info: LinkInfo, old: Reactor) -> None:
    before, now = old.facts.links[key], new.facts.now
    info.state, info.known_state = before.state, before.known_state
    info.awaited_until = before.awaited_until
    if before.awaited_until is not None:
        new.timers.set(LinkStateOverdue(*key), before.awaited_until)
    info.changed_at, info.transitions = before.changed_at, before.transitions
    info.returned_at = before.returned_at
    new.layers.watch_failover_grace(*key)
    info.flaps.take_over(before.flaps)
    info.losses.take_over(before.losses)
    info.settles_until = before.settles_until
    new.layers.watch(LinkFlapsEnd(*key), info.flaps_end())
    info.ceased = before.ceased
    learned = old.routes.learned
    new.routes.learned.restore_gone(*key, learned.lately_gone(*key, now))
    if before.state is not LinkState.UP:
        new.routes.learned.restore(*key, learned.remembered(*key))


def _adopt_circuits(new: Reactor, old: Reactor) -> Iterator[None]:
    facts, before = new.facts, old.facts
    for circuit in facts.circuits:
        if circuit in before.circuits:
            facts.circuits[circuit] = structs.replace(before.circuits[circuit])
        new.layers.sight.look_for_circuit(*circuit)
        new.layers.sight.watch_first_dumps(*circuit)
        yield


def _adopt_feed(new: Reactor, state: FeedState, old: Reactor, before: FeedState) -> Iterator[None]:
    name = state.feed.name
    state.passed_over = before.passed_over.copy()
    state.session.negotiated, state.session.offered = before.session.negotiated, before.session.offered
    # The session is not in sync here yet, so that these announcements count as a dump and not as churn.
    for number, route in enumerate(before.rib.routes(), 1):
        new.routes.announce(state, (route,))
        if not number % ROUTES_AT_ONCE:
            yield
    session = state.session = before.session.copy()
    session.set_families(state.feed.families)
    new.set_dump_timers(state)
    for family in before.asked.keys() & session.families.keys():
        new.refreshes.wait_for(state, family, replace(before.asked[family]))
    for family in before.refreshes.keys() & session.families.keys():
        overdue = old.timers.due(RefreshOverdue(name, family))
        new.refreshes.go_on(
            state, family, set(before.refreshes[family]), new.facts.now if overdue is None else overdue
        )
    state.overflow_seconds, state.teardown_at = before.overflow_seconds, before.teardown_at
    state.losses.take_over(before.losses)
    state.strays.take_over(before.strays)
    if state.hearing is not None and before.hearing is not None:
        state.hearing.take_over(before.hearing)
    new.layers.watch(FeedFlapsEnd(name), state.losses.ends_at())
    if before.overflowed_until is not None:
        state.overflowed_until, state.overflowed_by = before.overflowed_until, before.overflowed_by
        new.timers.set(OverflowEnds(name), before.overflowed_until)
    if session.damaged and state.teardown_at is not None:
        new.timers.set(ResendDue(name), state.teardown_at + TEARDOWN_INTERVAL_SECONDS)
    for link, churn in before.churn.items():
        if new.facts.has_link(link):
            new.routes.links.churn(state, link).restore(churn.recent(new.facts.now))
            new.facts.pending.churn.add((name, link))
    new.processes.take_over(state, before)


def _asked_anew(new: Reactor, feed: Feed, old: Reactor, before: Feed, wider: PrefixSet) -> Asked | None:
    """Return the request for routes of a feed that were not held and are needed now; ``wider`` is the space in which
    all feeds need more.
    """
    if before.view not in FILTERED_VIEWS:
        return None  # every route was held
    if feed.canary or before.canary:
        wider = new.routes.watched_on(feed).without(old.routes.watched_on(before))
    everything = feed.view is not before.view or (
        feed.view is View.EDGE_TABLE
        and new.routes.attributor.recognises_more(feed, old.routes.attributor, before)
    )
    return Asked(new.facts.now, wider, everything) if wider or everything else None


def expect(reactor: Reactor, expectations: Expectations) -> Iterator[None]:
    """Change to other published lists, step by step.

    Only the circuits that expect other prefixes are looked at again, and only the routes that the lists sort.
    """
    facts, changed, config = reactor.facts, expectations.circuits, expectations.config
    before = reactor.routes.expect(expectations.classifiers, expectations.watched)
    facts.expect(config, expectations.expected)
    yield
    for state in facts.feeds.values():
        if not state.feed.shows_links:
            continue
        for link in [link for link in state.tables if link[0] in changed]:
            reactor.routes.links.cover_again(state, link)
            facts.pending.topics.add(missing_topic(link))
            yield
        if not state.feed.add_path or any(judges_lists(config.circuits[c]) for c in changed):
            yield from reactor.routes.sort_again(state)
    if changed:
        facts.pending.topics.add(EXPECTATIONS)
    for state in facts.feeds.values() if changed else ():
        if state.feed.view in FILTERED_VIEWS:
            reactor.routes.drop_unwatched(state)
            if (
                wider := reactor.routes.watched_on(state.feed)
                .without(before)
                .without(PrefixSet(state.feed.canary))
            ):
                reactor.ask_anew(state, Asked(facts.now, wider))
            yield


def _same_session(old: Feed, new: Feed) -> bool:
    return (old.peer, old.local, old.process) == (new.peer, new.local, new.process)
