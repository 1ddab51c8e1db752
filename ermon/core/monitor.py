"""The core: events in, transitions out.

It has two verbs. ``apply(event)`` takes in what has happened. ``advance(now)`` lets time pass and returns what was
raised or cleared since the last call, and what is requested of the BGP side. ``next_deadline()`` says when the shell
must call ``advance`` even if nothing happens.

House rules: nothing here awaits, sleeps, logs or reads a clock. The daemon, replay and the tests run this same code;
the same events and times give the same transitions.

A monitor has four parts. ``Plan`` is what follows from the configuration. ``NetworkFacts`` is what is known of the
network. ``Reactor`` changes the facts, and notes the changes as topics. ``AlarmKeeper`` runs the checks that depend on
those topics. Each turn has the same order: timers that are due, the event, what follows from it, the verdicts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from ermon.bgp.interest import Interest
from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import Acceptable
from ermon.checks.topics import Counted, Topic
from ermon.core import kept_feeds, kept_links
from ermon.core.alarm import Alarm, AlarmKey, AlarmState
from ermon.core.alarm_keeper import CLEARED_FINDINGS, AlarmKeeper, alarm_order
from ermon.core.drain import DrainMemory
from ermon.core.facts import NetworkFacts
from ermon.core.horizons import Horizons, Owner
from ermon.core.kept_feeds import KeptFeed, KeptSessions
from ermon.core.kept_links import KeptLink, LinkToKeep
from ermon.core.layout import Layout
from ermon.core.levels import LevelMemory
from ermon.core.maintenance import Coverage, Suppression, changes
from ermon.core.plan import Plan
from ermon.core.reactor import Reactor
from ermon.core.route_index import Expectations
from ermon.core.standing import Standing
from ermon.core.takeover import adopt, expect
from ermon.core.timers import OwnedTimers
from ermon.model.events import (
    Accepted,
    Change,
    ClockStepped,
    ConnectionsRefused,
    Event,
    FeedRequest,
    ListeningJudged,
    ProcessDown,
    ProcessUp,
    SourceJudged,
)
from ermon.model.findings import Finding, Status, Transition, transition_order
from ermon.model.inventory import Config, LinkFamily
from ermon.model.ownership import Reading
from ermon.model.settings import MaintenanceWindow


class Parts:
    """The parts of a monitor for a configuration, before they know anything of the network.

    Making them is most of the cost of a start and of a reload, and needs nothing of a running monitor, so it can be
    done on another thread. One monitor uses them.
    """

    def __init__(self, config: Config, now: float, cleared: Iterable[Finding] = ()) -> None:
        """``now``: seconds since the epoch; ``cleared``: findings of the past, the latest first."""
        self.plan = Plan(config)
        self.facts = NetworkFacts(config, now)
        self.reactor = Reactor(self.facts, self.plan.classifiers)
        self.alarms = AlarmKeeper(self.plan, self.facts, islice(cleared, CLEARED_FINDINGS))


class Past(NamedTuple):
    """The state of another monitor, to go on from."""

    reactor: Reactor
    alarms: Mapping[AlarmKey, AlarmState]
    windows: tuple[MaintenanceWindow, ...]


@dataclass(slots=True)
class Outcome:
    """The results of the events and of the time since the last ``advance``."""

    transitions: list[Transition] = field(default_factory=list)
    requests: list[FeedRequest] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    detections: list[float] = field(default_factory=list)
    """The times of the events that began a violation."""


class Monitor:
    """Judges every subject of the configuration whenever something has changed that it depends on."""

    def __init__(
        self,
        config: Config,
        now: float,
        findings: Iterable[Finding] = (),
        cleared: Iterable[Finding] = (),
        levels: Mapping[Counted, LevelMemory] | None = None,
        drains: Mapping[LinkFamily, DrainMemory] | None = None,
        links: Iterable[KeptLink] = (),
        sessions: KeptSessions | None = None,
        ownership: Mapping[str, Reading] | None = None,
        past: Past | None = None,
    ) -> None:
        """Begin, either with what an earlier run of ermon has kept, or from a ``past``.

        ``findings`` were raised when it stopped; they go on, stale until judged again. ``cleared`` are its cleared
        findings, the latest first. ``levels``, ``drains``, ``links`` and ``sessions`` are what it knew of usual levels,
        of drains, of the links beyond their routes, and of feeds and processes; ``ownership`` is what it last read in registries. With ``past``, go on from another
        monitor as if there had been only one.

        Without ``sessions``, ermon and its ExaBGP are taken to have run for long, and no router to have connected:
        recordings and policy tests begin like that. With ``sessions``, even if empty, both have just been started.
        """
        self._use(Parts(config, now, cleared))
        self._booked: tuple[MaintenanceWindow, ...] = ()
        self._detections: list[float] = []
        if past is not None:
            self._booked = past.windows
            self.horizons.go_on_from(past.reactor.facts.horizons, config.processes)
            _finish(adopt(self.reactor, past.reactor))
            self._alarms.go_on_from(past.alarms)
        self._alarms.restore(findings)
        for counted, memory in (levels or {}).items():
            if level := self.network.levels.get(counted):
                level.restore(memory)
        for key, drain in (drains or {}).items():
            if key in self.network.drains:
                self.network.drains[key].restore(drain)
                self.network.pending.drains.add(key)
        kept_links.restore(self.reactor, links)
        self.reactor.restore_ownership(ownership or {})
        if sessions is not None:
            kept_feeds.restore(self.reactor, sessions)
        self._use_windows()
        self._evaluate(own=True)

    def restarted(self, now: float) -> Monitor:
        """Return a monitor as a new run of ermon would have it, if it started now with what this one keeps over a
        restart.
        """
        kept = [link.written() for link in self.links_to_keep()]
        found = Monitor(
            self.config,
            now,
            self.findings(),
            self.cleared,
            self.levels(now),
            self.drains(),
            kept,
            self.sessions_to_keep(self.feeds_to_keep()),
            self.ownership_to_keep(),
        )
        found.maintain(self._booked, now)
        return found

    def _use(self, parts: Parts) -> None:
        self.config, self.network = parts.plan.config, parts.facts
        self.reactor, self._alarms = parts.reactor, parts.alarms

    def interest(self, feed: str) -> Interest | None:
        """Return which routes of a feed the checks can ask about, so that a reader may skip other UPDATEs.

        ``None`` if they can ask about all of them. The value holds until the next event is applied.
        """
        state = self.network.feeds.get(feed)
        return None if state is None else self.reactor.routes.interest(state)

    # The two verbs -----------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Apply one event, after the timers that were due before it."""
        process = None if self.horizons.together else self._speaker(event)
        self._let_time_pass(event.time, process)
        self.reactor.apply(event)
        if isinstance(event, ProcessDown) and process is not None:
            self.horizons.declare_dead(process)
        if isinstance(event, ClockStepped):
            self._set_calendar()
            self._alarms.judge_dates()
        elif isinstance(event, Accepted):
            self._accept(event)
        elif isinstance(event, SourceJudged) and event.because:
            for alarm in self.acceptable("source-rejected", {"source": event.source}):
                self._alarms.settle(alarm, event.because)
        if self._evaluate(own=process is None):
            self._detections.append(event.time)

    def advance(self, now: float) -> Outcome:
        """Let time pass, and return what came of it and of the events since the last call.

        A ``now`` that goes backwards counts as no time passing.
        """
        self._let_time_pass(now)
        alarms, reactor = self._alarms, self.reactor
        outcome = Outcome(
            sorted(alarms.transitions, key=transition_order),
            reactor.requests,
            alarms.changes + reactor.layers.changes,
            self._detections,
        )
        alarms.transitions, alarms.changes, self._detections = [], [], []
        reactor.requests, reactor.layers.changes = [], []
        return outcome

    @property
    def now(self) -> float:
        """The latest time that any event or call of ``advance`` had."""
        return self.network.now if self.horizons.together else self.horizons.clock

    def next_deadline(self) -> float | None:
        """Return when to advance again if nothing happens, ``None`` for never."""
        return min((due for each in self._timers if (due := each.wake_at()) is not None), default=None)

    # Several processes, each at its own time -----------------------------------------------------------

    @property
    def horizons(self) -> Horizons:
        return self.network.horizons

    def follow_each_process(self) -> None:
        """From now on, let an event of a process pass time for that process alone, and ``advance`` for ermon itself.

        A timer fires when all processes that its subject depends on have ``delivered`` everything up to it; dead
        processes are not waited for. Otherwise all input counts as one stream in the order of time.
        """
        self.horizons.together = False
        self.horizons.await_all(self.config.processes)

    def follow_all_together(self) -> None:
        """From now on, let every event pass time for all; events that are still to come from the past no longer
        count.
        """
        if not self.horizons.together:
            self.horizons.restore({}, self.config.processes)
            self._let_time_pass(self.horizons.clock)
            self.horizons.together = True

    def delivered(self, process: str, until: float) -> None:
        """Note that everything that a process reported until ``until`` has been applied."""
        if not self.horizons.together:
            self._let_time_pass(until, process)

    def awaited(self) -> frozenset[str]:
        """Return the processes that must deliver more before a timer may fire that is due."""
        return frozenset().union(*(each.awaited() for each in self._timers))

    def _speaker(self, event: Event) -> str | None:
        """Return the process that reports an event, ``None`` if it is ermon itself."""
        if isinstance(event, ProcessUp | ProcessDown):
            return event.process
        if isinstance(event, ListeningJudged | ConnectionsRefused):
            return self.network.listener_at(event.local)
        feed: str | None = getattr(event, "feed", None)
        return None if feed is None else self.network.feeds[feed].feed.process

    def timers_running(self) -> bool:
        """Return whether a finding is being raised or cleared, a feed is getting in sync, or a router is waited for."""
        return (
            self._alarms.timers.next() is not None
            or self._alarms.answers.next() is not None
            or self.reactor.sync_running()
            or self.reactor.failover_grace_running()
            or self.reactor.reconnect_grace_running()
        )

    def maintain(self, windows: Iterable[MaintenanceWindow], now: float) -> None:
        """Apply these windows besides those of the configuration."""
        self._let_time_pass(now)
        self._booked = tuple(windows)
        self._use_windows()
        self._evaluate(own=True)

    def acceptable(self, check: str, labels: Mapping[str, str]) -> list[Alarm]:
        """Return the alarms of a check with these labels that are violated now, and that a user may therefore
        accept.
        """
        return [
            alarm
            for alarm in self.statuses()
            if alarm.subject.check == check
            and alarm.verdict.status is Status.VIOLATED
            and all(alarm.labels.get(name) == value for name, value in labels.items())
        ]

    def _accept(self, event: Accepted) -> None:
        for alarm in self.acceptable(event.check, dict(event.labels)):
            if CATALOGUE[event.check].acceptable is Acceptable.PATHS:
                self.reactor.layers.accept_drain((alarm.labels["circuit"], alarm.labels["link"]))
            self._alarms.accept(alarm, event.because)

    # Reading -----------------------------------------------------------------------------------------

    @property
    def cleared(self) -> deque[Finding]:
        """The findings that were cleared, the latest first."""
        return self._alarms.cleared

    def booked(self) -> tuple[MaintenanceWindow, ...]:
        """Return the windows that apply besides those of the configuration."""
        return self._booked

    @property
    def coverage(self) -> Coverage:
        """What the windows and exceptions that apply cover."""
        return self._alarms.coverage

    def suppressed_because(self, alarm: Alarm) -> str | None:
        """Return why an alarm is suppressed: by a window, an exception, or another check; ``None`` if it is not."""
        return self._alarms.suppressed_because(alarm)

    @property
    def standing(self) -> Standing:
        """The alarms that are not ok, by state."""
        return self._alarms.standing

    def summary(self, alarm: Alarm) -> str:
        """Return the one-line summary of an alarm, raised or not."""
        return self._alarms.summary(alarm)

    @property
    def missing_views(self) -> Sequence[str]:
        """The views that no feed provides, in words."""
        return self._alarms.missing_views

    def finding(self, alarm: Alarm) -> Finding:
        """Return the finding of a raised alarm."""
        return self._alarms.finding(alarm)

    def suppression(self, alarm: Alarm) -> Suppression | None:
        """Return the window or the exception that would suppress a violation of this alarm now."""
        return self._alarms.suppression(alarm)

    def covered_by(self, window: MaintenanceWindow) -> list[Alarm]:
        """Return the alarms that a window would suppress by itself, in the order of ``statuses``."""
        plan, at = self._alarms.plan, window.starts.timestamp()
        covers = plan.covers(Coverage(self.config, [window]))
        found = [plan.alarms[key] for key, cover in covers.items() if cover.active(at) is window]
        return sorted(found, key=alarm_order)

    def ownership_to_keep(self) -> Mapping[str, Reading]:
        """Return what was last read in registries, with its times by the wall clock."""
        wall, readings = self.network.wall, self.network.ownership.readings()
        return {name: reading.at(wall) for name, reading in readings.items()}

    def kept_quiet(self, alarm: Alarm) -> bool:
        """Return whether a larger violation explains that an alarm is violated or unknown."""
        return self._alarms.plan.kept_quiet(alarm)

    def cause_of_all(self, alarm: Alarm) -> Alarm:
        """Return the first cause of an alarm: the violation that explains it and is itself explained by none. Return
        the alarm itself if it has no cause.
        """
        cause: Alarm | None = alarm
        while cause is not None:
            alarm, cause = cause, next(self._alarms.plan.causes_of(cause), None)
        return alarm

    @property
    def layout(self) -> Layout:
        """Look-ups from the configuration for code that shows the network."""
        return self._alarms.plan.layout

    def statuses(self) -> tuple[Alarm, ...]:
        """Return every alarm, ordered by check and labels."""
        return self.layout.alarms

    def findings(self) -> list[Finding]:
        """Return the raised findings, the worst first."""
        return [self._alarms.finding(alarm) for alarm in self._alarms.raised()]

    def levels(self, now: float) -> dict[Counted, LevelMemory]:
        """Return what was learned until ``now`` of everything that is counted, except where nothing was learned."""
        found = {counted: level.memory(now) for counted, level in self.network.levels.items()}
        return {counted: memory for counted, memory in found.items() if memory != LevelMemory()}

    def drains(self) -> dict[LinkFamily, DrainMemory]:
        """Return what is known of drains and of what is usual, by link and family; times by the wall clock."""
        facts = self.network
        found = {key: drain.to_keep(facts.now, facts.wall) for key, drain in facts.drains.items()}
        return {key: memory for key, memory in found.items() if memory != DrainMemory()}

    def links_to_keep(self) -> Iterator[LinkToKeep]:
        """Yield what is known of each link beyond its routes."""
        return kept_links.links_to_keep(self.network, self.reactor.routes.learned)

    def feeds_to_keep(self) -> Iterator[KeptFeed]:
        """Yield what is known of each feed beyond its routes."""
        return kept_feeds.feeds_to_keep(self.network)

    def sessions_to_keep(self, feeds: Iterable[KeptFeed]) -> KeptSessions:
        """Return these feeds together with the state of processes and of circuits that are not seen."""
        return kept_feeds.sessions_to_keep(self.network, feeds)

    # Another configuration ---------------------------------------------------------------------------

    def reconfigure(self, config: Config, now: float) -> None:
        """Judge the routes that are held by another configuration. Findings whose subject is gone are cleared."""
        _finish(self.go_over(Parts(config, now), now))

    def go_over(self, parts: Parts, now: float) -> Iterator[None]:
        """The same step by step. Between two steps nothing may be applied; readers see the state from before."""
        self._let_time_pass(now)
        before, alarms, reactor, facts = self._alarms, parts.alarms, parts.reactor, parts.facts
        facts.now, facts.clock = self.now, self.network.clock
        facts.horizons.go_on_from(self.horizons, parts.plan.config.processes)
        alarms.cleared, alarms.transitions, alarms.changes = (
            before.cleared,
            before.transitions,
            before.changes,
        )
        reactor.requests, reactor.layers.changes = self.reactor.requests, self.reactor.layers.changes
        yield from adopt(reactor, self.reactor)
        alarms.use_windows((*parts.plan.config.maintenance, *self._booked))
        yield from alarms.go_on_step_by_step((key, old.state) for key, old in before.plan.alarms.items())
        yield from reactor.layers.refresh_step_by_step()
        yield from alarms.evaluate_step_by_step(_take(facts))
        for old in before.raised():
            if old.key not in parts.plan.alarms:
                alarms.clear_removed(before.finding(old))
        # Release the old plan and feeds in steps too: releasing them at once takes long. Readers may still hold them.
        plan, states = before.plan, list(self.network.feeds.values())
        self._use(parts)
        self._set_calendar()
        yield
        del before
        yield from plan.let_go()
        while states:
            del states[-5:]
            yield

    def use_lists(self, config: Config, now: float) -> None:
        """Judge by a configuration that differs from this one only in its published lists."""
        _finish(self.expect(Expectations(self.config, config), now))

    def expect(self, expectations: Expectations, now: float) -> Iterator[None]:
        """Change to other published lists, step by step. Only what depends on them is judged again."""
        self._let_time_pass(now)
        self.config = expectations.config
        yield from expect(self.reactor, expectations)
        self._set_calendar()
        yield from self.reactor.layers.refresh_step_by_step()
        yield from self._alarms.evaluate_step_by_step(_take(self.network))

    # Time --------------------------------------------------------------------------------------------

    def _let_time_pass(self, now: float, process: str | None = None) -> None:
        """Fire every timer that is due until ``now`` and waits for no process, one instant after the other.

        ``process`` has reported everything until then; without it, the time of ermon itself passes.
        """
        horizons, facts = self.horizons, self.network
        if process is not None:
            now = horizons.deliver(process, now)
        horizons.pass_clock(now)
        while (due := self._ripe()) is not None and (due <= now or not horizons.together):
            if not horizons.together:
                facts.now = due
            self._fire(due)
        if not horizons.together:
            facts.now = horizons.clock if process is None else now
        self.reactor.advance(now)

    def _ripe(self) -> float | None:
        """Return the earliest deadline that waits for no process."""
        found = None
        for timers in self._timers:
            due = timers.ripe()
            if due is not None and (found is None or due < found):
                found = due
        return found

    def _fire(self, due: float) -> None:
        """Fire the timers of one instant: first what becomes of the network, then the verdicts, then the findings."""
        alarms = self._alarms
        self.reactor.advance(due)
        while (date := self._calendar.pop(due)) is not None:
            alarms.judge_dates(date[1])
        alarms.learn(due)
        self._evaluate()
        alarms.fire(due)
        if alarms.take_answers(due):
            self._detections.append(due)

    def _evaluate(self, *, own: bool = False) -> bool:
        """Judge what has changed. ``own`` means that ermon itself caused the change, and no process."""
        self.reactor.refresh()
        if own and not self.horizons.together:
            self._alarms.evaluate_each(_take(self.network))
            self.network.now = self.horizons.clock
            return False
        return self._alarms.evaluate(_take(self.network))

    def _use_windows(self) -> None:
        self._alarms.use_windows((*self.config.maintenance, *self._booked))
        self._set_calendar()

    def _set_calendar(self) -> None:
        """Set timers for when a maintenance window begins or ends, when a prefix begins or ceases to be expected, and
        for clock steps that are later than the time of an owner that is behind.
        """
        facts, alarms = self.network, self._alarms
        self._calendar: OwnedTimers[tuple[float, Owner]] = OwnedTimers(_owner_of_date, self.horizons)
        self._timers = (
            *(self.reactor.timers, self._calendar),
            *(alarms.timers, alarms.learning.timers, alarms.answers),
        )
        windows = (*self.config.maintenance, *self._booked)
        quiet: tuple[Suppression, ...] = (*windows, *self.config.exceptions)
        times = {time for suppression in quiet for time in changes(suppression)}
        for circuit in self.config.circuits:
            times.update(self.network.expectations(circuit).changes())
        for owner in {alarms.plan.owner(alarm.key) for alarm in alarms.dated()} if times else ():
            now = facts.now if self.horizons.together else self.horizons.now(owner)
            steps = [step.time for step in facts.clock.steps if step.time > now]
            for due in (*steps, *(due for time in times for due in facts.clock.moments(time, now))):
                self._calendar.set((due, owner), due)


def _owner_of_date(date: tuple[float, Owner]) -> Owner:
    return date[1]


def _take(facts: NetworkFacts) -> set[Topic]:
    """Return the topics that have changed, and empty the set."""
    topics, facts.pending.topics = facts.pending.topics, set()
    return topics


def _finish(steps: Iterator[None]) -> None:
    """Take all steps at once, for callers that nothing else has to wait for."""
    deque(steps, maxlen=0)
