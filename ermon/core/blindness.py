"""What ermon cannot see at present, and what it can never see: feeds by router, their common cause, blind spots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ermon.checks.monitored import BMP_DOWN
from ermon.checks.out_of_sight import CIRCUIT_UNSEEN, SIGHT_LOST
from ermon.checks.sight import EXABGP_DOWN, FEED_DOWN
from ermon.core.about import about_of
from ermon.core.alarm import Alarm
from ermon.core.facts import NetworkFacts
from ermon.core.monitor import Monitor
from ermon.core.standing import FIRST, rank, worst
from ermon.model.findings import LinkState
from ermon.model.inventory import LinkKey
from ermon.model.text import plural


class BlindRouter(NamedTuple):
    """The feeds of one router whose silence proves nothing, or one feed without a router."""

    name: str
    feeds: tuple[str, ...]
    of: int
    """How many feeds the router has."""
    down: int
    unknown: int = 0
    """Sessions that the router reports by BMP, and that may be up or down."""

    @property
    def text(self) -> str:
        state = _state(self.down, self.unknown, len(self.feeds))
        if self.of == 1 and self.feeds[0] == self.name:
            return f"{self.name}: {state}"
        return f"{self.name}: {len(self.feeds)} of {plural(self.of, 'feed')} {state}"


class Blindness(NamedTuple):
    """The feeds that ermon cannot rely on at present."""

    feeds: int
    """How many feeds the configuration has."""
    routers: Sequence[BlindRouter] = ()
    cause: str = ""
    """The common reason why no feed is up, if there is one."""
    awaited_until: float | None = None
    """Routers have until this time to connect again, as a time of events; ``None`` if none is waited for."""
    since: float | None = None
    """When the first of the feeds that are down went down."""

    @property
    def blind(self) -> int:
        return sum(len(router.feeds) for router in self.routers)

    @property
    def down(self) -> int:
        return sum(router.down for router in self.routers)

    @property
    def unknown(self) -> int:
        return sum(router.unknown for router in self.routers)

    @property
    def all_down(self) -> bool:
        return self.feeds > 0 and self.down == self.feeds

    @property
    def text(self) -> str:
        """Describe it in one line, with the cause if there is one."""
        if self.all_down:
            return f"ermon sees nothing: {self.cause or self._all_feeds}"
        if (router := self.one_router) is not None:
            return (
                f"ermon cannot see {router.name}: {len(router.feeds)} of {router.of} feeds are {self._state}"
            )
        are = "is" if self.blind == 1 else "are"
        return (
            f"ermon cannot see everything: {self.blind} of {plural(self.feeds, 'feed')} {are} {self._state}"
        )

    @property
    def one_router(self) -> BlindRouter | None:
        """The router that ``text`` names with its feeds: none of its feeds is seen, and all others are."""
        if self.all_down or len(self.routers) != 1 or self.routers[0].of == 1:
            return None
        return self.routers[0] if len(self.routers[0].feeds) == self.routers[0].of else None

    @property
    def _all_feeds(self) -> str:
        if self.awaited_until is not None:
            return f"none of {plural(self.feeds, 'feed')} is up yet"
        return f"all {self.feeds} feeds are down" if self.feeds > 1 else "the only feed is down"

    @property
    def _state(self) -> str:
        return _state(self.down, self.unknown, self.blind)


def _state(down: int, unknown: int, blind: int) -> str:
    """Describe the state of feeds that prove nothing: some are down, some unknown, and the others not in sync."""
    counts = {"down": down, "not in sync": blind - down - unknown, "unknown": unknown}
    return " or ".join(word for word, count in counts.items() if count)


def look(monitor: Monitor) -> Blindness:
    """Return which feeds prove nothing now; costs work in proportion to the feeds."""
    facts, places, of = monitor.network, monitor.layout.places, monitor.layout.feeds_at
    blind = [name for name in facts.feeds if not facts.proves(name)]
    if not blind:
        return Blindness(len(facts.feeds))
    grouped: dict[str, list[str]] = {}
    for name in blind:
        grouped.setdefault(places[name], []).append(name)
    down = [name for name in blind if not _is_there(facts, name)]
    routers = [
        BlindRouter(
            place,
            tuple(feeds),
            of[place],
            down=sum(not _is_there(facts, feed) for feed in feeds),
            unknown=sum(_may_be_up(facts, feed) for feed in feeds),
        )
        for place, feeds in grouped.items()
    ]
    awaited = [until for name in down if facts.awaited(name) and (until := facts.feeds[name].awaited_until)]
    times = [time for name in down if (time := facts.feeds[name].session.changed_at) is not None]
    return Blindness(
        feeds=len(facts.feeds),
        routers=sorted(routers, key=lambda router: (-len(router.feeds) / router.of, router.name)),
        cause=_cause(facts) if len(down) == len(facts.feeds) else "",
        awaited_until=max(awaited, default=None),
        since=min(times, default=None),
    )


def _is_there(facts: NetworkFacts, name: str) -> bool:
    """Return whether a feed is connected to ermon: its own session, or its router's BMP connection."""
    feed = facts.feeds[name].feed
    return facts.process_up(feed.process) is True if feed.by_bmp else facts.up(name)


def _may_be_up(facts: NetworkFacts, name: str) -> bool:
    """Return whether a router that is connected by BMP does not report now whether a session is up."""
    by_bmp = facts.feeds[name].feed.by_bmp and _is_there(facts, name)
    return by_bmp and facts.own_session(name).state is LinkState.UNKNOWN


def _cause(facts: NetworkFacts) -> str:
    """Return why no feed is up, if it is the same for all: what keeps ExaBGP from listening or from running."""
    causes = {_cause_of(facts, feed) for feed in facts.feeds}
    if len(causes) == 1:
        return causes.pop()
    return "ExaBGP is not running" if facts.config.processes and _none_runs(facts) else ""


def _cause_of(facts: NetworkFacts, feed: str) -> str:
    problem = facts.listening_problem(feed)
    if problem:
        return problem if problem.startswith("ExaBGP") else f"ExaBGP {problem}"
    of = facts.feeds[feed].feed
    process = of.process
    if of.by_bmp:
        return "" if facts.process_up(process) else f"{of.router} does not report its sessions by BMP"
    if facts.process_up(process) is False:
        reason = facts.process_problem(process)
        return f"ExaBGP is not running{': ' if reason else ''}{reason}"
    return ""


def _none_runs(facts: NetworkFacts) -> bool:
    return all(facts.process_up(process) is False for process in facts.config.processes)


# Findings that follow from it -------------------------------------------------------------------------


class Group(NamedTuple):
    """Raised alarms with one cause."""

    text: str
    rank: int
    """The rank of the group among the raised alarms; see ``ermon.core.standing``."""
    alarms: Sequence[Alarm]
    """The worst first; at least two."""


def groups(monitor: Monitor, blindness: Blindness) -> Iterator[Group]:
    """Yield the raised alarms that one line can replace: no feed is up, or several feeds of one router are down."""
    raised = [alarm for alarm in monitor.standing.raised.values() if not alarm.recovering]
    if blindness.all_down:
        effects = worst(alarm for alarm in raised if alarm.subject.check in _EFFECTS)
        if len(effects) > 1:
            yield Group(blindness.text, FIRST, effects)
        return
    down: dict[str, list[Alarm]] = {}
    for alarm in raised:
        if alarm.subject.check == FEED_DOWN.name:
            down.setdefault(monitor.layout.places[alarm.labels["feed"]], []).append(alarm)
    for router in blindness.routers:
        if len(effects := worst(down.get(router.name, ()))) > 1:
            yield Group(router.text, rank(effects[0]), effects)


_EFFECTS = frozenset({FEED_DOWN.name, CIRCUIT_UNSEEN.name, SIGHT_LOST.name, EXABGP_DOWN.name, BMP_DOWN.name})
"""Checks that are raised when no feed is up, whatever the cause is."""


# What can never be seen ----------------------------------------------------------------------------------


def blind_spots(monitor: Monitor) -> list[str]:
    """Name the views that no feed provides, and the links that are seen by best paths only."""
    links = sorted(_on_best_paths(monitor))
    return [
        *monitor.missing_views,
        *(f"Link {link} of circuit {circuit} is visible by best paths only" for circuit, link in links),
    ]


def _on_best_paths(monitor: Monitor) -> set[LinkKey]:
    """Return the links whose absence no feed can prove in some family, because no feed sends all paths."""
    all_paths = monitor.network.all_paths
    return {
        link
        for link, family, tables in monitor.layout.tables
        if not any(all_paths(table, family) for table in tables)
    }


def unanswered(monitor: Monitor) -> list[Alarm]:
    """Return the alarms that were judged before and are unknown now without an explanation: no larger violation, no
    maintenance, no drain, and no feed with best paths only.
    """
    unknown = monitor.standing.unknown
    if not unknown:
        return []
    config, facts = monitor.config, monitor.network
    hidden = {circuit for circuit, _ in _on_best_paths(monitor)}
    draining = {link[0] for (link, _), drain in facts.drains.items() if drain.told}

    def explained(alarm: Alarm) -> bool:
        if monitor.suppression(alarm) is not None or monitor.kept_quiet(alarm):
            return True
        circuits = about_of(config, alarm.labels).get("circuit", hidden | draining)
        return not circuits.isdisjoint(hidden | draining)

    return [alarm for alarm in unknown.values() if not explained(alarm)]
