"""The state of a monitor as a value; another monitor goes on from it as if it had always been there.

The routes are not in it, because they can be written as lines of ExaBGP's dialect. The snapshot has what such lines
cannot say: since when, for how long, how often. What follows from both is worked out again.

House rules: nothing here waits, sleeps, logs or reads a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec import structs

from ermon.checks.attribution import Unattributed
from ermon.checks.drain import DRAIN
from ermon.checks.subject import Labels
from ermon.checks.topics import Counted
from ermon.core.alarm import AlarmState, Phase
from ermon.core.asked import Asked
from ermon.core.azure import AzureMemory
from ermon.core.azure_tables import TablesMemory
from ermon.core.churn import ChurnTimes
from ermon.core.drain import DrainMemory, LinkDrain
from ermon.core.facts import NetworkFacts
from ermon.core.hearing import PeersMemory
from ermon.core.learned import LearnedPrefixes
from ermon.core.levels import Level, LevelMemory
from ermon.core.listening import Listening
from ermon.core.monitor import Monitor, Past
from ermon.core.reactor import Reactor
from ermon.core.session import Session
from ermon.core.states import (
    Awaited,
    CeasedLink,
    CircuitSight,
    FeedState,
    LinkInfo,
    ProcessRuns,
    ProcessState,
)
from ermon.core.timers import RefreshOverdue
from ermon.core.wall_clock import ClockStep, WallClock
from ermon.model.findings import LinkState, Status
from ermon.model.inventory import Config, Limit, LinkKey
from ermon.model.ownership import Reading
from ermon.model.prefixes import FAMILIES, Family, Prefix, PrefixSet, parse_prefix
from ermon.model.routes import PathId, Route, RouteKey
from ermon.model.settings import MaintenanceWindow

KeyText = str | tuple[str, PathId]
"""A prefix, with its path identifier if it has one."""


class RefreshMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """A refresh of one family that has not ended."""

    family: Family
    overdue: float
    missing: tuple[tuple[str, PathId], ...]
    """The routes that have not come again yet."""
    passed_over: tuple[KeyText, ...] = ()
    """The same for prefixes that links have or had, and whose routes are not held."""


class AskedMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request for routes of a family that may not be answered yet: ``Asked``, its space as prefixes."""

    family: Family
    since: float
    space: tuple[str, ...] = ()
    everything: bool = False
    marked: bool = False
    updated_at: float | None = None


class FeedMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """A ``FeedState`` without what follows from its routes, and without requests to the router."""

    session: Session
    awaited: Awaited = Awaited.NO
    awaited_until: float | None = None
    overflowed_until: float | None = None
    overflowed_by: Limit | None = None
    overflow_seconds: float = 0.0
    losses: tuple[float, ...] = ()
    refreshes: tuple[RefreshMemory, ...] = ()
    asked: tuple[AskedMemory, ...] = ()
    churn: tuple[tuple[LinkKey, tuple[float, ...]], ...] = ()
    """Only in recordings from before the families were distinguished."""
    churned: tuple[tuple[LinkKey, ChurnTimes], ...] = ()
    passed_over: tuple[KeyText, ...] = ()
    """Routes that are not held, for prefixes that links have or had: the table has them from other neighbors."""
    not_noted: tuple[Family, ...] = ()
    """The families of which such routes came and were not noted, since all of their paths are sent."""
    strays: dict[Family, tuple[tuple[Unattributed, float], ...]] = {}
    """The reasons why routes fit no link, and since when each has been there."""
    hearing: dict[str, PeersMemory] = {}
    """By prefix: how many peers of RIPE's collectors have had it."""


class LinkMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """A ``LinkInfo`` without what follows from the feeds, and the link's recent prefixes."""

    link: LinkKey
    family: Family
    state: LinkState = LinkState.UNKNOWN
    known_state: LinkState = LinkState.UNKNOWN
    awaited_until: float | None = None
    changed_at: float | None = None
    transitions: int = 0
    returned_at: float | None = None
    flaps: tuple[float, ...] = ()
    losses: tuple[float, ...] = ()
    settles_until: float | None = None
    remembered: tuple[str, ...] = ()
    """Its prefixes when it ceased to be up."""
    gone: dict[str, float] = {}
    """Prefixes that vanished within the last minute, and when."""
    ceased: CeasedLink | None = None
    drain: DrainMemory | None = None


class CountedMemory(msgspec.Struct, frozen=True):
    """The usual level of one thing that is counted."""

    counted: Counted
    level: LevelMemory


class AlarmMemory(msgspec.Struct, frozen=True):
    """The state of one alarm, with its check and labels."""

    check: str
    labels: Labels
    standing: AlarmState


class Snapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of a ``Monitor`` at one moment, without the routes."""

    now: float
    clock_offset: float = 0.0
    clock_steps: tuple[ClockStep, ...] = ()
    delivered: dict[str, float] | None = None
    """By process: up to when everything that it reported has been applied. ``None`` if the input that follows is one
    stream in order, as in recordings from before processes had times of their own.
    """
    feeds: dict[str, FeedMemory] = {}
    links: tuple[LinkMemory, ...] = ()
    drains: tuple[tuple[LinkKey, float], ...] = ()
    """Links, and since when each drains in some family. Recordings from before drains had families have only this."""
    circuits: tuple[tuple[str, Family, CircuitSight], ...] = ()
    processes: dict[str, bool | None] = {}
    process_problems: dict[str, str] = {}
    process_runs: dict[str, ProcessRuns] = {}
    listening: Listening = msgspec.field(default_factory=Listening)
    processes_silent: tuple[str, ...] = ()
    connected_at: dict[str, float] = {}
    """By BMP connection: when it began."""
    with_statistics: tuple[str, ...] = ()
    """The BMP connections on which statistics have come."""
    sources: dict[str, str] = {}
    ownership: dict[str, Reading] = {}
    azure: AzureMemory = AzureMemory()
    storage: str | None = None
    azure_tables: tuple[TablesMemory, ...] = ()
    levels: tuple[CountedMemory, ...] = ()
    windows: tuple[MaintenanceWindow, ...] = ()
    cases: tuple[AlarmMemory, ...] = ()
    """The alarms that have a state to remember."""


# Taking a snapshot -----------------------------------------------------------------------------------


def take(monitor: Monitor) -> Snapshot:
    """Return everything but the routes; costs work in proportion to what the configuration names."""
    network, now, learned = monitor.network, monitor.now, monitor.reactor.routes.learned
    return Snapshot(
        now=now,
        clock_offset=network.clock.offset,
        clock_steps=tuple(network.clock.steps),
        delivered=None if network.horizons.together else network.horizons.memory(),
        feeds={name: _feed_memory(monitor.reactor, state, now) for name, state in network.feeds.items()},
        links=tuple(
            _link_memory(learned, now, *key, info, network.drains[key]) for key, info in network.links.items()
        ),
        drains=tuple(_drained_links(network)),
        circuits=tuple((*key, structs.replace(sight)) for key, sight in network.circuits.items()),
        processes={process: state.up for process, state in network.processes.items()},
        process_problems={p: state.problem for p, state in network.processes.items() if state.problem},
        process_runs={
            process: structs.replace(state.runs)
            for process, state in network.processes.items()
            if state.runs.ends
        },
        listening=network.listening.of(network.feeds_at, ()),
        processes_silent=tuple(p for p, state in network.processes.items() if state.silent),
        connected_at={
            p: state.connected_at for p, state in network.processes.items() if state.connected_at is not None
        },
        with_statistics=tuple(p for p, state in network.processes.items() if state.has_statistics),
        sources=dict(network.sources),
        ownership=dict(network.ownership.readings()),
        azure=network.azure_readings.memory(),
        storage=network.storage,
        azure_tables=tuple(TablesMemory.of(*each) for each in network.microsoft.links.items()),
        levels=tuple(CountedMemory(counted, memory) for counted, memory in monitor.levels(now).items()),
        windows=monitor.booked(),
        cases=tuple(
            AlarmMemory(alarm.subject.check, alarm.subject.labels, structs.replace(alarm.state))
            for alarm in monitor.statuses()
            if (alarm.phase is not Phase.QUIET and not _begins_again(alarm.state, now))
            or alarm.state.waiting
            or alarm.status is Status.SUPPRESSED  # only this knows since when
        ),
    )


def _begins_again(state: AlarmState, now: float) -> bool:
    """Return whether a finding was raised at this very moment by a violation that lasts.

    Such a finding is left out: a monitor that goes on from the snapshot raises it again, as every new monitor raises at
    once what has no ``raise_after``.
    """
    return state.phase is Phase.RAISED and state.status is Status.VIOLATED and state.since == now


def _passed_over(reactor: Reactor, state: FeedState) -> tuple[tuple[RouteKey, ...], tuple[RouteKey, ...]]:
    """Return the routes that are not held, for prefixes that links have or had. All of them would be too many: the
    table may be full.
    """
    if not state.passed_over:
        return (), ()
    facts, learned = reactor.facts, reactor.routes.learned
    brought: set[Prefix] = set()
    for link in facts.config.links:
        for family in link.families if link.vrf == state.feed.vrf else ():
            up = facts.link_state(link.key, family) is LinkState.UP
            known = (
                learned.lately(link.key, family, facts.now) if up else learned.remembered(link.key, family)
            )
            brought |= known
    return state.passed_over.among(brought)


def _key_text(key: RouteKey) -> KeyText:
    prefix, path_id = key
    return str(prefix) if path_id is None else (str(prefix), path_id)


def _read_key(text: KeyText) -> RouteKey:
    return (parse_prefix(text), None) if isinstance(text, str) else (parse_prefix(text[0]), text[1])


def _feed_memory(reactor: Reactor, state: FeedState, now: float) -> FeedMemory:
    passed_over, missing = _passed_over(reactor, state)
    return FeedMemory(
        session=state.session.copy(),
        passed_over=tuple(map(_key_text, passed_over)),
        not_noted=tuple(family for family in FAMILIES if state.passed_over.unsure(family)),
        awaited=state.awaited,
        awaited_until=state.awaited_until,
        overflowed_until=state.overflowed_until,
        overflowed_by=state.overflowed_by,
        overflow_seconds=state.overflow_seconds,
        losses=state.losses.recent(now),
        refreshes=tuple(
            RefreshMemory(
                family,
                reactor.timers.due(RefreshOverdue(state.feed.name, family)) or now,
                tuple(sorted(((str(prefix), path_id) for prefix, path_id in keys), key=str)),
                tuple(_key_text(key) for key in missing if key[0].family == family),
            )
            for family, keys in sorted(state.refreshes.items())
        ),
        asked=tuple(
            AskedMemory(
                family, a.since, tuple(map(str, a.space.prefixes())), a.everything, a.marked, a.updated_at
            )
            for family, a in sorted(state.asked.items())
        ),
        churned=tuple((k, recent) for k, count in state.churn.items() if (recent := count.recent(now))),
        strays={
            f: tuple(sorted(since.items(), key=str)) for f, since in state.strays.since().items() if since
        },
        hearing={} if state.hearing is None else state.hearing.remembered(),
    )


def _drained_links(network: NetworkFacts) -> Iterator[tuple[LinkKey, float]]:
    since: dict[LinkKey, float] = {}
    for (link, _), drain in network.drains.items():
        if drain.since is not None:
            since[link] = min(drain.since, since.get(link, drain.since))
    yield from since.items()


def _link_memory(
    learned: LearnedPrefixes, now: float, link: LinkKey, family: Family, info: LinkInfo, drain: LinkDrain
) -> LinkMemory:
    return LinkMemory(
        link=link,
        family=family,
        state=info.state,
        known_state=info.known_state,
        awaited_until=info.awaited_until,
        changed_at=info.changed_at,
        transitions=info.transitions,
        returned_at=info.returned_at,
        flaps=info.flaps.recent(now),
        losses=info.losses.recent(now),
        settles_until=info.settles_until,
        remembered=tuple(sorted(map(str, learned.remembered(link, family)))),
        gone={str(prefix): at for prefix, at in learned.lately_gone(link, family, now).items()},
        ceased=info.ceased,
        drain=drain.memory(now),
    )


# Going on from a snapshot ----------------------------------------------------------------------------


def resume(config: Config, snapshot: Snapshot, routes: Mapping[str, Iterable[Route]]) -> Monitor:
    """Return a monitor that goes on from ``snapshot`` and the routes that were held, by feed.

    Parts that the configuration does not name are left out.
    """
    network = NetworkFacts(config, snapshot.now)
    network.clock = WallClock(snapshot.clock_offset, snapshot.clock_steps)
    if snapshot.delivered is not None:
        network.horizons.restore(snapshot.delivered, (*config.processes, *config.connections))
    reactor = Reactor(network, {})
    for name in network.feeds.keys() & snapshot.feeds.keys():
        _restore_feed(reactor, network.feeds[name], snapshot.feeds[name], routes.get(name, ()))
    for memory in snapshot.links:
        if info := network.links.get((memory.link, memory.family)):
            _restore_link(reactor.routes.learned, info, memory, network.clock)
    _restore_drains(network, snapshot)
    for circuit, family, sight in snapshot.circuits:
        if (circuit, family) in network.circuits:
            network.circuits[circuit, family] = structs.replace(sight)
    for process, state in network.processes.items():
        _restore_process(state, snapshot, process)
    network.listening = snapshot.listening
    network.sources.update(snapshot.sources)
    network.ownership.restore(snapshot.ownership)
    network.azure_readings.restore(snapshot.azure)
    network.storage = snapshot.storage
    network.microsoft.restore(snapshot.azure_tables)
    for each in snapshot.levels:
        level = network.levels[each.counted] = Level()
        level.restore(each.level)
    alarms = {(alarm.check, alarm.labels): alarm.standing for alarm in snapshot.cases}
    return Monitor(config, snapshot.now, past=Past(reactor, alarms, snapshot.windows))


def _restore_process(state: ProcessState, snapshot: Snapshot, process: str) -> None:
    state.up, state.silent = snapshot.processes.get(process), process in snapshot.processes_silent
    state.problem = snapshot.process_problems.get(process, "")
    state.runs = structs.replace(snapshot.process_runs.get(process, ProcessRuns()))
    state.connected_at = snapshot.connected_at.get(process)
    state.has_statistics = process in snapshot.with_statistics


def _restore_drains(network: NetworkFacts, snapshot: Snapshot) -> None:
    known = [memory for memory in snapshot.links if memory.drain is not None]
    for memory in known:
        if memory.drain is not None and (memory.link, memory.family) in network.drains:
            network.drains[memory.link, memory.family].restore(memory.drain)
    if not known:
        _restore_earlier_drains(network, snapshot)


def _restore_earlier_drains(network: NetworkFacts, snapshot: Snapshot) -> None:
    """Restore drains from a recording that was made before drains had families."""
    for link, since in snapshot.drains:
        network.was_drained(link, since)
    for alarm in snapshot.cases:
        if alarm.check == DRAIN.name and alarm.standing.phase is Phase.RAISED:
            labels = dict(alarm.labels)
            network.was_drained((labels["circuit"], labels["link"]), alarm.standing.since)


def _restore_feed(reactor: Reactor, state: FeedState, memory: FeedMemory, routes: Iterable[Route]) -> None:
    state.session = memory.session.copy()
    state.session.set_families(state.feed.families)
    state.awaited, state.awaited_until = memory.awaited, memory.awaited_until
    state.overflowed_until, state.overflow_seconds = memory.overflowed_until, memory.overflow_seconds
    state.overflowed_by = memory.overflowed_by
    for time in memory.losses:
        state.losses.add(time)
    for refresh in memory.refreshes:
        keys = {(parse_prefix(text), path_id) for text, path_id in refresh.missing}
        reactor.refreshes.go_on(state, refresh.family, keys, refresh.overdue)
    _restore_asked(reactor, state, memory)
    earlier = [(link, tuple((time, FAMILIES[0]) for time in times)) for link, times in memory.churn]
    for link, changes in (*earlier, *memory.churned):
        if reactor.facts.has_link(link):
            reactor.routes.links.churn(state, link).restore(changes)
    state.strays.restore(memory.strays)
    _restore_passed_over(state, memory)
    for route in routes:
        state.rib.announce(route)
    if state.hearing is not None:
        state.hearing.remember((parse_prefix(text), each) for text, each in memory.hearing.items())


def _restore_passed_over(state: FeedState, memory: FeedMemory) -> None:
    missing = {text for refresh in memory.refreshes for text in refresh.passed_over}
    for text in missing:
        state.passed_over.add(_read_key(text))
    for refresh in memory.refreshes:
        state.passed_over.refresh_began(refresh.family)
    for text in memory.passed_over:
        if text not in missing:  # earlier recordings have routes that have not come again in both
            state.passed_over.add(_read_key(text))
    for family in memory.not_noted:
        state.passed_over.forget(family)


def _restore_asked(reactor: Reactor, state: FeedState, memory: FeedMemory) -> None:
    for each in memory.asked:
        space = PrefixSet(map(parse_prefix, each.space))
        asked = Asked(each.since, space, each.everything, each.marked, each.updated_at)
        reactor.refreshes.wait_for(state, each.family, asked)
    for family, sync in state.session.families.items():
        if sync.asked_again and not sync.complete:  # earlier recordings, in which the whole dump began again
            sync.complete = True
            asked = Asked(state.session.dump_since, PrefixSet(()), everything=True)
            asked.marked, asked.updated_at = sync.marked, sync.updated_at
            reactor.refreshes.wait_for(state, family, asked)
        sync.asked_again = sync.marked = False


def _restore_link(learned: LearnedPrefixes, info: LinkInfo, memory: LinkMemory, clock: WallClock) -> None:
    info.state, info.known_state = memory.state, memory.known_state
    info.awaited_until = memory.awaited_until
    info.changed_at, info.transitions = memory.changed_at, memory.transitions
    info.returned_at = memory.returned_at
    for time in memory.flaps:
        info.flaps.add(time)
    info.losses.restore(memory.losses, clock.at)
    info.settles_until = memory.settles_until
    info.ceased = memory.ceased
    learned.restore(memory.link, memory.family, frozenset(map(parse_prefix, memory.remembered)))
    gone = {parse_prefix(text): ended for text, ended in memory.gone.items()}
    learned.restore_gone(memory.link, memory.family, gone)
