"""After a restart of ermon at any moment, everything is as it would be without, once every feed is back in sync.

A random history is played to two monitors. At some moment, one of them is replaced by another one that knows what the
store keeps; ExaBGP runs again, and the routers that had sessions connect again and send their tables. Nothing else
happens until then: events while ermon is not running are not tested here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ermon.checks.catalogue import CATALOGUE
from ermon.core.kept_feeds import KeptSessions
from ermon.core.kept_links import KeptLink
from ermon.core.monitor import Monitor
from ermon.model.events import (
    AddPathNegotiated,
    AddPathOffered,
    AzureRead,
    AzureTables,
    ClockStepped,
    EndOfRib,
    Event,
    HoldTimeZero,
    ListeningJudged,
    OwnershipRead,
    ProcessDown,
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
    Update,
)
from ermon.model.findings import Finding, Transition
from ermon.model.inventory import Config, Feed
from ermon.model.ownership import Reading
from ermon.model.prefixes import Family
from ermon.model.routes import Route, RouteKey
from ermon.model.settings import Severity
from ermon.storage.adapters import KeptDrain, write_links
from ermon.storage.database import KeptBaseline, level_rows
from tests.core.test_oracle import NETWORKS, UNSHRUNK
from tests.histories import Step, histories, reported, told
from tests.networks import START

EXAMPLES = int(os.environ.get("ERMON_RESTART_EXAMPLES", "12"))
"""How many random histories are tried with each network; a higher number gives a deeper, random run."""

AWAY_SECONDS = 3.0
QUIET_SECONDS = 1800.0
"""Longer than any check's times, and than routers have to connect again."""

ASIDE = {
    # churn-high: "a first dump … do not count"; nobody counts the changes of the minute before.
    "churn-high",
    # feed-empty: "in sync and without a single route received": one that sent routes and has withdrawn all of them.
    "feed-empty",
    # azure-*: what Azure said is read again; the readings of a circuit are kept in files of their own.
    *(check for check in CATALOGUE if check.startswith("azure-")),
    # storage-failed: what cannot be written does not survive.
    "storage-failed",
}
"""Checks whose findings may differ, and the sentence of the contract that allows it."""

T = TypeVar("T")


def through_json(value: Any, kind: type[T]) -> T:
    return msgspec.json.decode(msgspec.json.encode(value), type=kind)


def restarted(monitor: Monitor, now: float) -> Monitor:
    """Return the monitor of another run of ermon that finds on disk what this one has written."""
    levels = level_rows(monitor.levels(monitor.now), monitor.now).values()
    baselines = [msgspec.json.decode(row, type=KeptBaseline) for row in levels]
    drains = [KeptDrain(link, drain) for link, drain in monitor.drains().items()]
    after = Monitor(
        monitor.config,
        now,
        # What cannot be written is missing.
        [f for f in through_json(monitor.findings(), list[Finding]) if f.check != "storage-failed"],
        through_json(list(monitor.cleared), list[Finding]),
        {kept.counted: kept.level for kept in baselines},
        {kept.link: kept.drain for kept in through_json(drains, list[KeptDrain])},
        msgspec.json.decode(write_links(monitor.links_to_keep()), type=list[KeptLink]),
        through_json(monitor.sessions_to_keep(monitor.feeds_to_keep()), KeptSessions),
        through_json(dict(monitor.ownership_to_keep()), dict[str, Reading]),
    )
    after.maintain(monitor.booked(), now)
    return after


@dataclass
class Router:
    """The table of a feed's router, which it would send in another session."""

    up: bool = False
    opened: list[Event] = field(default_factory=list)
    routes: dict[RouteKey, Route] = field(default_factory=dict)
    refreshes: dict[Family, tuple[float, set[RouteKey]]] = field(default_factory=dict)
    """By family that it sends again: since when, and which routes it has not sent again yet."""
    said: Event | None = None
    """By BMP: what its router reports of the session while it is not up."""


class World:
    """The routers, as far as the events show them."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.routers = {name: Router() for name in config.feeds}
        self.connected: set[str] = set()
        """The BMP connections."""

    def takes(self, event: Event) -> bool:
        """Apply an event; return whether a router can cause it. A session is negotiated before it is up, and carries
        nothing when it is not.
        """
        if isinstance(event, ProcessDown):
            for name, router in self.routers.items():
                if self.config.feeds[name].process == event.process:
                    router.up, router.opened, router.said = False, [], None
            self.connected.discard(event.process)
            return True
        if isinstance(event, ProcessUp) and event.process in self.config.connections:
            self.connected.add(event.process)
        if isinstance(event, StatisticsBegan):
            return event.process in self.connected
        router = self.routers.get(getattr(event, "feed", ""))
        if router is None:
            return True
        feed = self.config.feeds[event.feed] if hasattr(event, "feed") else None
        if feed is not None and feed.by_bmp and not self._reports(feed, router, event):
            return False
        agrees = isinstance(event, AddPathNegotiated | AddPathOffered | HoldTimeZero)
        begins = isinstance(event, SessionUp | SessionDown | SessionUnreported)
        if not begins and agrees is router.up:
            return False
        self._take(router, event)
        return True

    def _reports(self, feed: Feed, router: Router, event: Event) -> bool:
        """Return whether a router can report this of its session by BMP. Whether it is silent is not compared: nobody knows that after
        a restart until statistics are overdue once more.
        """
        if feed.process not in self.connected or isinstance(event, SessionSilent | RoutesUnreadable):
            return False
        if isinstance(event, SessionDown):
            router.said = event
        elif isinstance(event, SessionUnreported):
            if router.up or router.said is not None:
                return False
            router.said = event
        elif isinstance(event, SessionUp):
            router.said = None
        return True

    def reports(self, time: float) -> Iterator[Event]:
        """Yield what routers report by BMP of the sessions that are not up, when they connect again."""
        for router in self.routers.values():
            if router.said is not None:
                yield msgspec.structs.replace(router.said, time=time)

    def _take(self, router: Router, event: Event) -> None:
        match event:
            case SessionUp():
                router.up, router.routes, router.refreshes = True, {}, {}
            case SessionDown():
                router.up, router.opened = False, []
            case AddPathNegotiated() | AddPathOffered() | HoldTimeZero():
                router.opened.append(event)
            case _:
                self._take_message(router, event)

    def _take_message(self, router: Router, event: Event) -> None:
        match event:
            case Update():
                for key in event.withdrawn:
                    router.routes.pop(key, None)
                router.routes.update({route.key: route for route in event.announced})
                for _, missing in router.refreshes.values():
                    missing.difference_update(route.key for route in event.announced)
            case RefreshBegan():
                held = {key for key in router.routes if key[0].family == event.family}
                router.refreshes[event.family] = event.time, held
            case RefreshEnded():
                began, missing = router.refreshes.pop(event.family, (float("-inf"), set()))
                if event.time < began + self.config.collector.sync_timeout:
                    router.routes = {key: r for key, r in router.routes.items() if key not in missing}
            case _:
                pass

    def calls(self, name: str, time: float) -> Iterator[Event]:
        """Yield the events of a router that opens a session and sends its table."""
        router = self.routers[name]
        families: dict[Family, list[Route]] = {family: [] for family in self.config.feeds[name].families}
        for route in router.routes.values():
            families.setdefault(route.prefix.family, []).append(route)
        yield from (msgspec.structs.replace(event, time=time) for event in router.opened)
        yield SessionUp(time, name)
        yield from (Update(time, name, tuple(routes)) for routes in families.values() if routes)
        yield from (EndOfRib(time, name, family) for family in self.config.feeds[name].families)


class Played:
    """A monitor, and its transitions since a moment; its time is ``ahead`` of the history's."""

    def __init__(self, monitor: Monitor, ahead: float = 0.0) -> None:
        self.monitor = monitor
        self.ahead = ahead
        self.told: list[Transition] = []

    def play(self, events: list[Event], now: float) -> None:
        for event in events:
            self.monitor.apply(self._in_its_time(event))
        self.told += self.monitor.advance(round(now + self.ahead, 6)).transitions

    def _in_its_time(self, event: Event) -> Event:
        event = msgspec.structs.replace(event, time=round(event.time + self.ahead, 6))
        if isinstance(event, OwnershipRead):
            return msgspec.structs.replace(event, reading=event.reading.at(lambda time: time + self.ahead))
        if isinstance(event, AzureTables):
            return msgspec.structs.replace(event, asked=round(event.asked + self.ahead, 6))
        if isinstance(event, AzureRead):
            return msgspec.structs.replace(event, taken=round(event.taken + self.ahead, 6))
        if isinstance(event, ClockStepped):
            return msgspec.structs.replace(event, offset=event.offset - self.ahead)
        return event


def differences(network: str, history: list[Step], at: int, apart: float) -> Iterator[str]:
    """Play a history, restart one of two monitors at step ``at``, and yield how they differ when the routers are back.
    The routers connect ``apart`` seconds after each other.
    """
    policy = NETWORKS[network][0]
    world, now = World(policy), START
    without = Played(Monitor(policy, START))

    def play(events: list[Event], *others: Played) -> None:
        happen = [event for event in events if world.takes(event)]
        for one in (without, *others):
            one.play(happen, now)

    history = [step for step in history if not step.reload]
    for step in history[:at]:
        now += step.gap
        play(list(step.make(now)))
    now = round(now + 1.0, 6)
    running = (*policy.processes, *policy.connections)
    play([ProcessUp(now, process) for process in running])
    play([StatisticsBegan(now, connection) for connection in policy.connections])
    back = [name for name, router in world.routers.items() if router.up]
    for name in back:  # sessions that lost messages or were joined start anew in both
        if not clean(without.monitor, name):
            play(list(again(world, name, now)))
    now += policy.collector.sync_timeout + 10
    without.play([], now)
    without.told.clear()
    # The restart: ermon's time is that of the wall clock again.
    ahead = without.monitor.network.clock.offset
    began = now
    now = round(now + AWAY_SECONDS, 6)
    after = Played(restarted(without.monitor, round(now + ahead, 6)), ahead)
    known = without.monitor.network
    judged: list[Event] = [
        SourceJudged(now, source, problem or None) for source, problem in known.sources.items()
    ]
    judged.append(StorageJudged(now, known.storage))
    judged += (ProcessUp(now, process) for process in running)
    judged += (StatisticsBegan(now, connection) for connection in policy.connections)
    judged += world.reports(now)
    # A router reports all its sessions at once when it has connected.
    at_once = [name for name in back if policy.feeds[name].by_bmp]
    judged += (event for name in at_once for event in world.calls(name, now))
    # Each ExaBGP tries its addresses when it is started.
    judged += (ListeningJudged(now, *found) for found in known.listening.problems.items())
    after.play(judged, now)
    for name in (name for name in back if name not in at_once):
        now = round(now + apart, 6)
        after.play(list(world.calls(name, now)), now)
    now = round(now + QUIET_SECONDS, 6)
    for one in (without, after):
        one.play([], now)
    yield from different(without.monitor, after.monitor)
    yield from told_otherwise(without.told, after.told, began)
    # And afterwards.
    for one in (without, after):
        one.told.clear()
    for number, step in enumerate(history[at:], at + 1):
        now = round(now + step.gap, 6)
        play(list(step.make(now)), after)
        for problem in different(without.monitor, after.monitor, raised=False):
            yield f"later, at step {number} ({step!r}): {problem}"
    now += QUIET_SECONDS
    play([], after)
    yield from different(without.monitor, after.monitor)


def clean(monitor: Monitor, feed: str) -> bool:
    state = monitor.network.feeds[feed]
    session = state.session
    sent_whole = all(sync.end_of_rib_seen and sync.complete for sync in session.families.values())
    return session.up and sent_whole and not (session.damaged or session.joined or state.refreshes)


def again(world: World, name: str, now: float) -> Iterator[Event]:
    opened, routes = list(world.routers[name].opened), dict(world.routers[name].routes)
    yield SessionDown(now, name, "closing connection")
    world.routers[name].opened, world.routers[name].routes = opened, routes
    yield from world.calls(name, now)


def different(without: Monitor, after: Monitor, *, raised: bool = True) -> Iterator[str]:
    """Yield how they differ. ``raised`` says whether raised findings are compared, which takes each check its own
    times.
    """
    for one, other in zip(without.statuses(), after.statuses(), strict=True):
        if one.subject.check in ASIDE:
            continue
        if one.status is not other.status or (raised and one.raised is not other.raised):
            yield f"{one.key} is {one.status} ({one.phase}), and after a restart {other.status} ({other.phase})"
    for key, drain in without.network.drains.items():
        again = after.network.drains[key]
        since = [
            None if d.since is None else m.network.wall(d.since)
            for m, d in ((without, drain), (after, again))
        ]
        if since[0] != since[1] or drain.usual != again.usual:
            yield f"{key} drains since {since[0]}, usual {drain.usual}; after a restart {since[1]}, {again.usual}"
    for counted in without.network.levels:
        usual = without.network.usual(counted), after.network.usual(counted)
        if usual[0] != usual[1]:
            yield f"{counted} is usually {usual[0]}, and after a restart {usual[1]}"


def told_otherwise(without: list[Transition], after: list[Transition], began: float) -> Iterator[str]:
    """Yield what only one of the two raised or cleared."""
    left = [each[1:] for each in told(filter(counts, without))]
    for each in told(filter(counts, after)):
        if each[1:] in left:
            left.remove(each[1:])
        else:
            yield f"only after a restart, {each.time - began} s later: {each[1:]}"
    yield from (f"only without a restart: {each}" for each in left)


def counts(transition: Transition) -> bool:
    return transition.finding.severity is not Severity.INFO and transition.finding.check not in ASIDE


def test_a_restart_after_any_report_by_bmp_changes_nothing() -> None:
    network = "reported by BMP"
    for history in reported(NETWORKS[network][0]):
        for problem in differences(network, history, len(history), 0.0):
            pytest.fail(f"{problem}, in {history}")


@pytest.mark.parametrize("network", NETWORKS)
def test_a_restart_at_any_moment_changes_nothing(network: str) -> None:
    @settings(UNSHRUNK, max_examples=EXAMPLES, derandomize="ERMON_RESTART_EXAMPLES" not in os.environ)
    @given(histories(NETWORKS[network][0]), st.floats(0.1, 1.0), st.sampled_from((0.0, 1.0, 7.0)))
    def agree(history: list[Step], share: float, apart: float) -> None:
        at = max(2, int(len(history) * share))
        for problem in differences(network, history, at, apart):
            pytest.fail(f"{problem}, in {history[:at]}")

    agree()
