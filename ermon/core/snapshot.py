"""What a monitor knows, as a value: another one goes on from it as if it had always been there.

The routes are left out. They come and go as lines of ExaBGP's dialect, and this is what that cannot say:
since when, for how long, how often. What follows from the routes and these is worked out again.

House rules: nothing here waits, sleeps, logs or reads a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import msgspec

from ermon.checks.subject import Labels
from ermon.core.alarm import Alarm, AlarmState, Phase
from ermon.core.facts import FeedState, LinkInfo
from ermon.core.monitor import Monitor, Past
from ermon.core.network import Network
from ermon.core.rolling import Levels
from ermon.core.session import FamilySync, Session
from ermon.model.findings import LinkState, Status
from ermon.model.inventory import Config, LinkKey, MaintenanceWindow
from ermon.model.prefixes import Family, parse_prefix
from ermon.model.routes import Route


class SessionMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """A ``Session`` without its feed; the fields are the same."""

    up_since: float | None = None
    dump_since: float = 0.0
    joined: bool = False
    damaged: bool = False
    loss: str | None = None
    negotiated: frozenset[Family] | None = None
    offered: frozenset[Family] | None = None
    families: dict[Family, FamilySync] = {}
    down_reason: str = ""
    changed_at: float | None = None
    message_at: float | None = None
    ups: int = 0
    downs: int = 0
    updates: int = 0
    lost_messages: int = 0


class FeedMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """A ``FeedState`` without what follows from its routes, and without what was asked of the router."""

    session: SessionMemory
    overflowed_until: float | None = None
    overflow_seconds: float = 0.0
    losses: tuple[float, ...] = ()
    churn: tuple[tuple[LinkKey, tuple[float, ...]], ...] = ()


class LinkMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """A ``LinkInfo`` without what follows from the feeds, and what the link brought of late."""

    link: LinkKey
    family: Family
    state: LinkState = LinkState.UNKNOWN
    known_state: LinkState = LinkState.UNKNOWN
    changed_at: float | None = None
    transitions: int = 0
    flaps: tuple[float, ...] = ()
    levels: Levels = ()
    remembered: tuple[str, ...] = ()
    """Prefixes that it brought when it ceased to be up."""
    gone: dict[str, float] = {}
    """Prefixes that vanished within the last minute, and when."""


class CaseMemory(msgspec.Struct, frozen=True):
    check: str
    labels: Labels
    standing: AlarmState


class Snapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that a ``Monitor`` knows at one moment, but for the routes."""

    now: float
    feeds: dict[str, FeedMemory] = {}
    links: tuple[LinkMemory, ...] = ()
    drains: tuple[tuple[LinkKey, float], ...] = ()
    """Links, and since when each drains."""
    processes: dict[str, bool | None] = {}
    sources: dict[str, str] = {}
    storage: str | None = None
    windows: tuple[MaintenanceWindow, ...] = ()
    cases: tuple[CaseMemory, ...] = ()
    """Those of which something is remembered."""


# Taking it -------------------------------------------------------------------------------------------


def take(monitor: Monitor) -> Snapshot:
    """Remember everything but the routes; costs work in proportion to what the configuration names."""
    network, now = monitor.network, monitor.now
    return Snapshot(
        now=now,
        feeds={name: _feed_memory(state, now) for name, state in network.feeds.items()},
        links=tuple(_link_memory(network, *key, info) for key, info in network.links.items()),
        drains=tuple((k, latch.since) for k, latch in network.drains.items() if latch.since is not None),
        processes=dict(network.processes),
        sources=dict(network.sources),
        storage=network.storage,
        windows=monitor.booked(),
        cases=tuple(
            CaseMemory(case.subject.check, case.subject.labels, case.standing)
            for case in monitor.statuses()
            if case.phase is not Phase.QUIET and not _begins_again(case, now)
        ),
    )


def _begins_again(case: Alarm, now: float) -> bool:
    """Tell whether a finding was raised at this very moment by what still holds.

    Then it is raised again when the snapshot is gone on from. So are those that a new monitor raises at
    once, before anybody has asked it.
    """
    return case.phase is Phase.RAISED and case.status is Status.VIOLATED and case.since == now


def _feed_memory(state: FeedState, now: float) -> FeedMemory:
    known = {name: getattr(state.session, name) for name in SessionMemory.__struct_fields__}
    known["families"] = {family: replace(sync) for family, sync in state.session.families.items()}
    return FeedMemory(
        session=SessionMemory(**known),
        overflowed_until=state.overflowed_until,
        overflow_seconds=state.overflow_seconds,
        losses=state.losses.recent(now),
        churn=tuple((k, recent) for k, count in state.churn.items() if (recent := count.recent(now))),
    )


def _link_memory(network: Network, link: LinkKey, family: Family, info: LinkInfo) -> LinkMemory:
    brought = network.routes.brought
    return LinkMemory(
        link=link,
        family=family,
        state=info.state,
        known_state=info.known_state,
        changed_at=info.changed_at,
        transitions=info.transitions,
        flaps=info.flaps.recent(network.now),
        levels=info.baseline.levels(network.now),
        remembered=tuple(sorted(map(str, brought.remembered(link, family)))),
        gone={str(prefix): at for prefix, at in brought.lately_gone(link, family, network.now).items()},
    )


# Going on from it ------------------------------------------------------------------------------------


def resume(config: Config, snapshot: Snapshot, routes: Mapping[str, Iterable[Route]]) -> Monitor:
    """Return a monitor that goes on from ``snapshot`` and the routes that were held, by feed.

    What the configuration does not know is left out.
    """
    network = Network(config, {}, snapshot.now)
    for name in network.feeds.keys() & snapshot.feeds.keys():
        _restore_feed(network.feeds[name], snapshot.feeds[name], routes.get(name, ()))
    for memory in snapshot.links:
        if info := network.links.get((memory.link, memory.family)):
            _restore_link(network, info, memory)
    for link, since in snapshot.drains:
        if link in network.drains:
            network.drains[link].since = since
    network.processes.update({p: up for p, up in snapshot.processes.items() if p in network.processes})
    network.sources.update(snapshot.sources)
    network.storage = snapshot.storage
    standings = {(case.check, case.labels): case.standing for case in snapshot.cases}
    return Monitor(config, snapshot.now, past=Past(network, standings, snapshot.windows))


def _restore_feed(state: FeedState, memory: FeedMemory, routes: Iterable[Route]) -> None:
    known = {name: getattr(memory.session, name) for name in SessionMemory.__struct_fields__}
    state.session = Session(state.feed, **known)
    state.session.families = {f: memory.session.families.get(f, FamilySync()) for f in state.feed.families}
    state.overflowed_until, state.overflow_seconds = memory.overflowed_until, memory.overflow_seconds
    for time in memory.losses:
        state.losses.add(time)
    for link, times in memory.churn:
        for time in times if link in state.churn else ():
            state.churn[link].add(time)
    for route in routes:
        state.rib.announce(route)


def _restore_link(network: Network, info: LinkInfo, memory: LinkMemory) -> None:
    info.state, info.known_state = memory.state, memory.known_state
    info.changed_at, info.transitions = memory.changed_at, memory.transitions
    for time in memory.flaps:
        info.flaps.add(time)
    info.baseline.restore(memory.levels)
    brought, family = network.routes.brought, memory.family
    brought.restore(memory.link, family, frozenset(map(parse_prefix, memory.remembered)))
    brought.restore_gone(
        memory.link, family, {parse_prefix(text): ended for text, ended in memory.gone.items()}
    )
