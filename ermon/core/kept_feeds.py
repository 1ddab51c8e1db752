"""The state of feeds and ExaBGP processes that outlives a restart.

When ermon is started, every session has ended. Routers that had a session get time to connect again. Routers that had
none count as missing, as before. Earlier flaps and losses of a feed still count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ermon.checks.attribution import Unattributed
from ermon.core.facts import NetworkFacts
from ermon.core.hearing import PeersMemory
from ermon.core.reactor import Reactor
from ermon.core.states import Awaited, FeedState, ProcessRuns
from ermon.core.timers import FeedFlapsEnd, OverflowEnds, ProcessSettles
from ermon.model.prefixes import Family, parse_prefix


class KeptFeed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A feed as a run of ermon leaves it; times are seconds since the epoch by the wall clock. A file format."""

    feed: str
    peer: str
    local: str
    """If the addresses differ now, it is another session, of which nothing is known."""
    awaited: Awaited = Awaited.NO
    """``BACK`` if it was up or was waited for; by BMP, if the router was connected."""
    down_reason: str = ""
    changed_at: float | None = None
    loss: str | None = None
    losses: tuple[float, ...] = ()
    overflowed_until: float | None = None
    overflow_seconds: float = 0.0
    teardown_at: float | None = None
    strays: dict[Family, tuple[tuple[Unattributed, float], ...]] = {}
    """The reasons why routes fit no link, and since when each has been there."""
    shown: bool = False
    """By BMP: the router has reported the session at some time."""
    hearing: dict[str, PeersMemory] = {}
    """By prefix: how many peers of RIPE's collectors have had it."""


class KeptProcess(msgspec.Struct, frozen=True, omit_defaults=True):
    """An ExaBGP process, or a BMP connection, as a run of ermon leaves it. A file format."""

    process: str
    runs: ProcessRuns
    problem: str = ""


class KeptSessions(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that a run of ermon leaves; empty if there was none before. A file format."""

    feeds: tuple[KeptFeed, ...] = ()
    processes: tuple[KeptProcess, ...] = ()
    circuits: tuple[tuple[str, Family, float], ...] = ()
    """The circuits that are not seen, with the family and since when."""


def feeds_to_keep(facts: NetworkFacts) -> Iterator[KeptFeed]:
    for state in facts.feeds.values():
        yield _feed_to_keep(facts, state)


def _feed_to_keep(facts: NetworkFacts, state: FeedState) -> KeptFeed:
    def wall(time: float | None) -> float | None:
        return None if time is None else facts.wall(time)

    session = state.session
    return KeptFeed(
        feed=state.feed.name,
        peer=state.feed.peer,
        local=state.feed.local,
        awaited=Awaited.BACK if _comes_back(facts, state) else state.awaited,
        down_reason=session.down_reason,
        changed_at=wall(session.changed_at),
        loss=session.loss,
        losses=tuple(map(facts.wall, state.losses.recent(facts.now))),
        overflowed_until=wall(state.overflowed_until),
        overflow_seconds=state.overflow_seconds,
        teardown_at=wall(state.teardown_at),
        strays={
            family: tuple(sorted(((why, facts.wall(time)) for why, time in since.items()), key=str))
            for family, since in state.strays.since().items()
            if since
        },
        shown=session.shown,
        hearing={} if state.hearing is None else state.hearing.remembered(),
    )


def _comes_back(facts: NetworkFacts, state: FeedState) -> bool:
    """Return whether the router is expected to connect again after a restart."""
    if state.feed.by_bmp:
        return facts.processes[state.feed.process].up is True
    return state.session.up


def sessions_to_keep(facts: NetworkFacts, feeds: Iterable[KeptFeed]) -> KeptSessions:
    unseen = tuple(
        (circuit, family, facts.wall(sight.lost_at))
        for (circuit, family), sight in facts.circuits.items()
        if sight.lost_at is not None and not sight.seen
    )
    return KeptSessions(tuple(feeds), tuple(_processes_to_keep(facts)), unseen)


def _processes_to_keep(facts: NetworkFacts) -> Iterator[KeptProcess]:
    for process, state in facts.processes.items():
        runs = ProcessRuns(
            [facts.wall(time) for time in state.runs.ends],
            None if state.runs.restless_until is None else facts.wall(state.runs.restless_until),
        )
        if runs.ends or state.problem:
            yield KeptProcess(process, runs, state.problem)


def restore(reactor: Reactor, sessions: KeptSessions) -> None:
    """Begin as a run of ermon that has just been started, and whose ExaBGP will be. A feed without a kept state is
    new.
    """
    facts = reactor.facts
    for one in sessions.processes:
        if one.process in facts.processes:
            state = facts.processes[one.process]
            state.runs, state.problem = msgspec.structs.replace(one.runs), one.problem
            reactor.layers.watch(ProcessSettles(one.process), state.runs.restless_until)
    for key in facts.links:
        reactor.layers.await_state(*key)
    for circuit, family, lost_at in sessions.circuits:
        if (circuit, family) in facts.circuits:
            facts.circuits[circuit, family].lost_at = lost_at
            reactor.layers.sight.watch_first_dumps(circuit, family)
    left = {kept.feed: kept for kept in sessions.feeds}
    for name, feed in facts.feeds.items():
        kept = left.get(name)
        if kept is None or (kept.peer, kept.local) != (feed.feed.peer, feed.feed.local):
            reactor.processes.await_router(feed, Awaited.UNHEARD)
        else:
            _restore_feed(reactor, feed, kept)


def _restore_feed(reactor: Reactor, state: FeedState, kept: KeptFeed) -> None:
    name, session = state.feed.name, state.session
    reactor.processes.await_router(state, kept.awaited)
    session.down_reason, session.changed_at, session.loss = kept.down_reason, kept.changed_at, kept.loss
    session.shown = kept.shown
    if state.hearing is not None:
        state.hearing.remember((parse_prefix(text), each) for text, each in kept.hearing.items())
    for time in kept.losses:
        state.losses.add(time)
    reactor.layers.watch(FeedFlapsEnd(name), state.losses.ends_at())
    state.overflow_seconds, state.teardown_at = kept.overflow_seconds, kept.teardown_at
    if kept.overflowed_until is not None and kept.overflowed_until > reactor.facts.now:
        state.overflowed_until = kept.overflowed_until
        reactor.timers.set(OverflowEnds(name), kept.overflowed_until)
    state.strays.expect(kept.strays)
    reactor.layers.feed_changed(name)
