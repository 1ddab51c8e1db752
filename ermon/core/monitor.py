"""The core: events in, transitions out.

Two verbs. ``apply(event)`` takes in what has happened; ``advance(now)`` lets time pass and returns what was raised or
cleared since, and what is asked of the BGP side. ``next_deadline()`` says when the shell must advance again even if
nothing happens.

House rules: nothing here awaits, sleeps, logs or reads a clock. The daemon, replay and the tests run this same code;
the same events and times give the same transitions.

A monitor has four parts. ``Plan`` is what follows from the configuration. ``NetworkFacts`` is what is known of the
network. ``Reactor`` moves the facts, and notes what has changed as topics. ``AlarmKeeper`` asks the checks that
depend on those topics. One turn is always the same: timers that are due, the event, what follows from it, the
verdicts.
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
from ermon.model.settings import MaintenanceWindow


class Parts:
    """The parts of a monitor for a configuration, before they know anything of the network.

    To make them costs most of a start and of a reload, and asks nothing of a monitor: so they can be made on another
    thread. They are used by one monitor.
    """

    def __init__(self, config: Config, now: float, cleared: Iterable[Finding] = ()) -> None:
        """``now``: seconds since the epoch; ``cleared``: findings of the past, the latest first."""
        self.plan = Plan(config)
        self.facts = NetworkFacts(config, now)
        self.reactor = Reactor(self.facts, self.plan.classifiers)
        self.alarms = AlarmKeeper(self.plan, self.facts, islice(cleared, CLEARED_FINDINGS))


class Past(NamedTuple):
    """What another monitor knew, to go on from."""

    reactor: Reactor
    alarms: Mapping[AlarmKey, AlarmState]
    windows: tuple[MaintenanceWindow, ...]


@dataclass(slots=True)
class Outcome:
    """What came of the events and the time since the last ``advance``."""

    transitions: list[Transition] = field(default_factory=list)
    requests: list[FeedRequest] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    detections: list[float] = field(default_factory=list)
    """The time stamps of the messages that began a violation."""


class Monitor:
    """Judges everything that the configuration asks about, whenever something has changed."""

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
        past: Past | None = None,
    ) -> None:
        """Begin, with what an earlier ermon knew: ``findings`` were open when it stopped, and go on, stale
        until judged again; ``cleared`` it remembered, the latest first; ``levels`` it had learnt; ``drains`` is
        what it knew of them, ``links`` the recent prefixes of these, and ``sessions`` which there were.
        Or go on from all of the ``past``, as if there had been no other monitor.

        Without ``sessions``, ermon and its ExaBGP have run for long, and no router has called: so recordings and policy
        tests begin. With them, be it with none, both have just been started.
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
        if sessions is not None:
            kept_feeds.restore(self.reactor, sessions)
        self._use_windows()
        self._evaluate(own=True)

    def restarted(self, now: float) -> Monitor:
        """Return what another ermon knows that starts now, where this one has kept what outlives it."""
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
        )
        found.maintain(self._booked, now)
        return found

    def _use(self, parts: Parts) -> None:
        self.config, self.network = parts.plan.config, parts.facts
        self.reactor, self._alarms = parts.reactor, parts.alarms

    def interest(self, feed: str) -> Interest | None:
        """Return what can be asked about on a feed, for whoever reads its UPDATEs: what is of no interest need not be read.

        ``None``: everything is. It holds until the next event is applied.
        """
        state = self.network.feeds.get(feed)
        return None if state is None else self.reactor.routes.interest(state)

    # The two verbs -----------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Take one event in, after the timers that were due before it."""
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
        """Let time pass, and return what has come of it and of the events since the last call.

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
        """The latest time that is known of."""
        return self.network.now if self.horizons.together else self.horizons.clock

    def next_deadline(self) -> float | None:
        """Return when to advance again if nothing happens, ``None`` for never."""
        return min((due for each in self._timers if (due := each.wake_at()) is not None), default=None)

    # Several processes, each at its own time -----------------------------------------------------------

    @property
    def horizons(self) -> Horizons:
        return self.network.horizons

    def follow_each_process(self) -> None:
        """From now on, what a process says lets time pass for itself alone, and ``advance`` for ermon itself.

        A timer fires when everything has been ``delivered`` up to it by all processes that its subject is judged by and
        that are not dead. Otherwise all that comes is taken for one stream in the order of time.
        """
        self.horizons.together = False
        self.horizons.await_all(self.config.processes)

    def follow_all_together(self) -> None:
        """From now on, whatever is said lets time pass for all; what was still to be said of the past no longer counts."""
        if not self.horizons.together:
            self.horizons.restore({}, self.config.processes)
            self._let_time_pass(self.horizons.clock)
            self.horizons.together = True

    def delivered(self, process: str, until: float) -> None:
        """Know that everything that a process had to say until then has been taken in."""
        if not self.horizons.together:
            self._let_time_pass(until, process)

    def awaited(self) -> frozenset[str]:
        """Return the processes that must have delivered more before a timer may fire that is due."""
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
        """Return whether a finding is being raised or cleared, a feed getting in sync, or a router waited for."""
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
        """Return the alarms of a check with these labels that call something wrong now, which somebody may accept."""
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
        """Say why an alarm is suppressed: by a window, an exception, or another check; ``None`` where it is not."""
        return self._alarms.suppressed_because(alarm)

    @property
    def standing(self) -> Standing:
        """The alarms that are not just ok."""
        return self._alarms.standing

    def summary(self, alarm: Alarm) -> str:
        """Return what an alarm says in one line, whether it is raised already or not."""
        return self._alarms.summary(alarm)

    @property
    def missing_views(self) -> Sequence[str]:
        """The views that no feed provides, in words."""
        return self._alarms.missing_views

    def finding(self, alarm: Alarm) -> Finding:
        """Return the finding of a raised alarm."""
        return self._alarms.finding(alarm)

    def suppression(self, alarm: Alarm) -> Suppression | None:
        """Return the window or the exception that keeps an alarm quiet now, should it be violated."""
        return self._alarms.suppression(alarm)

    def covered_by(self, window: MaintenanceWindow) -> list[Alarm]:
        """Return the alarms that a window would keep quiet by itself, in the order of ``statuses``."""
        plan, at = self._alarms.plan, window.starts.timestamp()
        covers = plan.covers(Coverage(self.config, [window]))
        found = [plan.alarms[key] for key, cover in covers.items() if cover.active(at) is window]
        return sorted(found, key=alarm_order)

    def kept_quiet(self, alarm: Alarm) -> bool:
        """Return whether a larger violation explains what an alarm finds, or that it cannot tell."""
        return self._alarms.plan.kept_quiet(alarm)

    def cause_of_all(self, alarm: Alarm) -> Alarm:
        """Return the violation from which an alarm follows, itself explained by none; the alarm where there is none."""
        cause: Alarm | None = alarm
        while cause is not None:
            alarm, cause = cause, next(self._alarms.plan.causes_of(cause), None)
        return alarm

    @property
    def layout(self) -> Layout:
        """What follows from the configuration for those who show the network."""
        return self._alarms.plan.layout

    def statuses(self) -> tuple[Alarm, ...]:
        """Return every alarm, ordered by check and labels."""
        return self.layout.alarms

    def findings(self) -> list[Finding]:
        """Return the raised findings, the worst first."""
        return [self._alarms.finding(alarm) for alarm in self._alarms.raised()]

    def levels(self, now: float) -> dict[Counted, LevelMemory]:
        """Return what was learnt until ``now`` of all that is counted; that of which nothing was is left out."""
        found = {counted: level.memory(now) for counted, level in self.network.levels.items()}
        return {counted: memory for counted, memory in found.items() if memory != LevelMemory()}

    def drains(self) -> dict[LinkFamily, DrainMemory]:
        """Return what is known of drains by link and family, and what is usual there; times by the wall clock."""
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
        """Return that together with what is known of processes, and of circuits that are not seen."""
        return kept_feeds.sessions_to_keep(self.network, feeds)

    # Another configuration ---------------------------------------------------------------------------

    def reconfigure(self, config: Config, now: float) -> None:
        """Judge what is held by another policy. Findings whose subject is gone are cleared."""
        _finish(self.go_over(Parts(config, now), now))

    def go_over(self, parts: Parts, now: float) -> Iterator[None]:
        """The same step by step: between two steps nothing may be applied, and everything can be read as it was."""
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
        # What was in use until now is let go in steps too: to drop it at once takes long. Readers keep it alive.
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
        """Judge by a configuration that differs from this one in its published lists only."""
        _finish(self.expect(Expectations(self.config, config), now))

    def expect(self, expectations: Expectations, now: float) -> Iterator[None]:
        """Go over to other published lists, step by step: what depends on them is judged again, and nothing else."""
        self._let_time_pass(now)
        self.config = expectations.config
        yield from expect(self.reactor, expectations)
        self._set_calendar()
        yield from self.reactor.layers.refresh_step_by_step()
        yield from self._alarms.evaluate_step_by_step(_take(self.network))

    # Time --------------------------------------------------------------------------------------------

    def _let_time_pass(self, now: float, process: str | None = None) -> None:
        """Let every timer fire that is due until ``now`` and waits for nobody, one instant after the other.

        ``process`` has said everything until then; without it, ermon's own time passes.
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
        """Let the timers of one instant fire: what becomes of the network first, then verdicts, then findings."""
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
        """Judge what has changed; ``own``: at the word of ermon itself, and of no process."""
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
        """Ask again when a maintenance window begins or ends, or a prefix becomes expected or ceases to be, and when the
        clock steps for who is still behind that.
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
    """Return what has changed, and forget it."""
    topics, facts.pending.topics = facts.pending.topics, set()
    return topics


def _finish(steps: Iterator[None]) -> None:
    """Take all steps at once: where nothing else waits for its turn."""
    deque(steps, maxlen=0)
