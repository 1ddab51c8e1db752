"""The core: events in, transitions out.

Two verbs. ``apply(event)`` moves what is known of the network; ``settle(now)`` lets time pass and returns
what was raised or cleared since, and what is asked of the BGP side. ``next_deadline()`` tells the shell
when to settle again even if nothing happens.

House rules: nothing here awaits, sleeps, logs or reads a clock. The daemon, replay and the tests run this
same code; the same events and times give the same transitions.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from ermon.checks.catalogue import CATALOGUE, SUPPRESSES, SUPPRESSES_TOGETHER, selectors, subjects
from ermon.checks.guide import SUMMARY
from ermon.checks.subject import EXPECTATIONS, Labels, Subject, Topic
from ermon.core import evidence, maintenance
from ermon.core.alarm import Alarm, AlarmState, Phase
from ermon.core.network import Network
from ermon.core.rolling import Levels
from ermon.core.timers import Timers
from ermon.model.events import Change, Event, FeedRequest, PoolChanged
from ermon.model.findings import Finding, Status, Transition, TransitionState
from ermon.model.inventory import CheckSettings, Config, ExpectationPeriods, LinkFamily, MaintenanceWindow

RENDER_INTERVAL_SECONDS = 1.0
"""The evidence of a raised finding is brought up to date this often at most: a leak of a whole table
must not cost its square.
"""
CLEARED_FINDINGS = 1_000
"""How many cleared findings are remembered."""

_CaseKey = tuple[str, Labels]


class Past(NamedTuple):
    """What another monitor knew, to go on from."""

    network: Network
    standings: Mapping[_CaseKey, AlarmState]
    windows: tuple[MaintenanceWindow, ...]


@dataclass(slots=True)
class Outcome:
    """What came of the events and the time since the last ``settle``."""

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
        baselines: Mapping[LinkFamily, Levels] | None = None,
        past: Past | None = None,
    ) -> None:
        """Begin, with what an earlier ermon knew: ``findings`` were open when it stopped, and go on, stale
        until judged again; ``cleared`` it remembered, the latest first; ``baselines`` it had learnt. Or go on
        from all of the ``past``, as if there had been no other monitor.
        """
        self.config = config
        self.network = Network(config, selectors(config), now)
        self.cleared = deque(islice(cleared, CLEARED_FINDINGS), CLEARED_FINDINGS)
        self._booked: tuple[MaintenanceWindow, ...] = ()
        if past is not None:
            self._booked = past.windows
            self.network.adopt(past.network)
        self._outcome = Outcome()
        self._cases = self._make_cases(config)
        self._link_cases()
        if past is not None:
            self._go_on(past.standings)
        self._restore(findings)
        for key, levels in (baselines or {}).items():
            if key in self.network.links:
                self.network.links[key].baseline.restore(levels)
        self._evaluate()

    # The two verbs -----------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Take one event in, after the timers that were due before it."""
        self._advance(event.time)
        self.network.apply(event)
        if self._evaluate():
            self._outcome.detections.append(event.time)

    def settle(self, now: float) -> Outcome:
        """Let time pass, and return what has come of it and of the events since the last call.

        A ``now`` that goes backwards counts as no time passing.
        """
        self._advance(now)
        outcome, self._outcome = self._outcome, Outcome()
        outcome.transitions.sort(key=transition_order)
        outcome.requests = self.network.requests
        outcome.changes += self.network.changes
        self.network.requests, self.network.changes = [], []
        return outcome

    @property
    def now(self) -> float:
        return self.network.now

    def next_deadline(self) -> float | None:
        """Return when to settle again if nothing happens, ``None`` for never."""
        deadlines = [self.network.next_deadline(), self._case_timers.next(), self._calendar_timers.next()]
        return min((due for due in deadlines if due is not None), default=None)

    def timers_running(self) -> bool:
        """Tell whether a finding is being raised or cleared, or a feed getting in sync."""
        return self._case_timers.next() is not None or self.network.sync_running()

    def maintain(self, windows: Iterable[MaintenanceWindow], now: float) -> None:
        """Heed these windows besides those of the configuration."""
        self._advance(now)
        self._booked = tuple(windows)
        covered = dict.fromkeys(self._windows)
        self._link_windows()
        self._unjudged.update(covered | dict.fromkeys(self._windows))
        self._evaluate()

    # Reading -----------------------------------------------------------------------------------------

    def booked(self) -> tuple[MaintenanceWindow, ...]:
        """Return the windows that are heeded besides those of the configuration."""
        return self._booked

    def statuses(self) -> Iterator[Alarm]:
        """Yield every subject, ordered by check and labels."""
        yield from sorted(self._cases.values(), key=_order)

    def findings(self) -> list[Finding]:
        """Return the raised findings, the oldest first."""
        raised = [case for case in self._cases.values() if case.raised]
        return [self._finding(case) for case in sorted(raised, key=lambda c: (c.raised_at, *_order(c)))]

    def baselines(self, now: float) -> dict[LinkFamily, Levels]:
        """Return what was learnt of each link and family until ``now``; those of which nothing was are left
        out.
        """
        found = {key: info.baseline.levels(now) for key, info in self.network.links.items()}
        return {key: levels for key, levels in found.items() if levels}

    # Reload ------------------------------------------------------------------------------------------

    def reconfigure(self, config: Config, now: float) -> None:
        """Judge what is held by another policy. Findings whose subject is gone are cleared."""
        self._advance(now)
        network = Network(config, selectors(config), self.now)
        network.requests, network.changes = self.network.requests, self.network.changes
        network.adopt(self.network)
        previous, self.config, self.network = self._cases, config, network
        self._cases = self._make_cases(config)
        self._link_cases()
        self._go_on({key: case.standing for key, case in previous.items()})
        for key, old in previous.items():
            if key not in self._cases and old.raised:
                self._clear_removed(self._finding(old))
        self._evaluate()

    def _go_on(self, standings: Mapping[_CaseKey, AlarmState]) -> None:
        for key, standing in standings.items():
            if case := self._cases.get(key):
                case.take_over(standing)
                self._set_timer(case)

    def _restore(self, findings: Iterable[Finding]) -> None:
        cases = {(check, frozenset(labels)): case for (check, labels), case in self._cases.items()}
        for finding in findings:
            case = cases.get((finding.check, frozenset(finding.labels.items())))
            if case is None:
                self._clear_removed(finding)
                continue
            case.phase, case.since, case.raised_at = Phase.RAISED, finding.since, finding.raised_at
            case.finding_id, case.evidence = finding.id, finding.evidence

    def _clear_removed(self, finding: Finding) -> None:
        reason = "the configuration no longer asks about it"
        gone = _cleared(finding, self.now, {**finding.evidence, "cleared_because": reason})
        self._report(Transition(self.now, TransitionState.CLEARED, gone))

    # Cases -------------------------------------------------------------------------------------------

    def _make_cases(self, config: Config) -> dict[_CaseKey, Alarm]:
        cases: dict[_CaseKey, Alarm] = {}
        for subject in subjects(config):
            check = CATALOGUE[subject.check]
            settings = config.checks.get(subject.check, CheckSettings())
            case = Alarm(
                subject,
                settings.severity or subject.severity or check.severity,
                check.raise_after if settings.raise_after is None else settings.raise_after,
                check.clear_after if settings.clear_after is None else settings.clear_after,
            )
            cases[case.key] = case
        return cases

    def _link_cases(self) -> None:
        """Prepare the look-ups: what depends on which topic, and what is caused by what."""
        self._unjudged: dict[_CaseKey, None] = dict.fromkeys(self._cases)
        self._case_timers: Timers[_CaseKey] = Timers()
        self._by_topic: dict[Topic, list[_CaseKey]] = {}
        self._causes: dict[_CaseKey, list[Alarm]] = {}
        self._causes_together: dict[_CaseKey, list[Alarm]] = {}
        self._effects: dict[_CaseKey, list[_CaseKey]] = {}
        for key, case in self._cases.items():
            for topic in case.subject.topics:
                self._by_topic.setdefault(topic, []).append(key)
        self._link_causes()
        self._link_windows()

    def _link_windows(self) -> None:
        all_windows = (*self.config.maintenance, *self._booked)
        self._windows: dict[_CaseKey, list[MaintenanceWindow]] = {}
        for key, case in self._cases.items():
            windows = [window for window in all_windows if maintenance.covers(window, case.subject)]
            if windows:
                self._windows[key] = windows
        self._set_calendar_timers(all_windows)

    def _link_causes(self) -> None:
        by_check: dict[str, list[Alarm]] = {}
        for alarm in self._cases.values():
            by_check.setdefault(alarm.subject.check, []).append(alarm)
        for cause_name, effect_names in SUPPRESSES.items():
            by_circuit = _by_circuit(by_check.get(cause_name, ()))
            for effect in (effect for name in effect_names for effect in by_check.get(name, ())):
                circuit = dict(effect.subject.labels).get("circuit")
                near = (circuit, None) if circuit is not None else tuple(by_circuit)
                for cause in (cause for key in near for cause in by_circuit.get(key, ())):
                    if self._touches(cause.subject, effect.subject):
                        self._causes.setdefault(effect.key, []).append(cause)
                        self._effects.setdefault(cause.key, []).append(effect.key)
        for cause_name, effect_names in SUPPRESSES_TOGETHER.items():
            for effect in (effect for name in effect_names for effect in by_check.get(name, ())):
                causes = self._causes_together[effect.key] = by_check.get(cause_name, [])
                for cause in causes:
                    self._effects.setdefault(cause.key, []).append(effect.key)

    def _touches(self, cause: Subject, effect: Subject) -> bool:
        """Tell whether a cause is about the same thing: every label that both have is equal."""
        labels = dict(cause.labels)
        if "process" in labels:
            return any(self.config.feeds[feed].process == labels["process"] for feed in effect.feeds)
        return all(labels.get(name, value) == value for name, value in effect.labels)

    def _set_calendar_timers(self, windows: Iterable[MaintenanceWindow]) -> None:
        """Ask again when a maintenance window begins or ends, or a prefix becomes expected or ceases to."""
        self._calendar_timers: Timers[float] = Timers()
        times = {t for w in windows for t in (w.starts.timestamp(), w.ends.timestamp())}
        for circuit in self.config.circuits.values():
            times.update(ExpectationPeriods(circuit.receive.prefixes).changes())
        for time in times:
            if time > self.now:
                self._calendar_timers.set(time, time)

    # Evaluation --------------------------------------------------------------------------------------

    def _advance(self, now: float) -> None:
        """Let every timer fire that is due until ``now``, one instant after the other."""
        while (due := self.next_deadline()) is not None and due <= now:
            self.network.advance(due)
            while self._calendar_timers.pop(due) is not None:
                self.network.dirty.add(EXPECTATIONS)
                self._unjudged.update(dict.fromkeys(self._windows))
            self._evaluate()
            while (key := self._case_timers.pop(due)) is not None:
                case = self._cases[key]
                self._transition(case, case.fire(due))
        self.network.advance(now)

    def _evaluate(self) -> bool:
        """Ask again for every verdict that may have changed; tell whether a violation began."""
        self.network.refresh()
        dirty, self.network.dirty = self.network.dirty, set()
        unjudged, self._unjudged = self._unjudged, {}
        for topic in dirty:
            unjudged.update(dict.fromkeys(self._by_topic.get(topic, ())))
        moved = dict(unjudged)
        for key in unjudged:
            case = self._cases[key]
            before = case.verdict
            case.verdict = case.subject.judge(self.network)
            if case.subject.learn is not None:
                case.subject.learn(self.network, case.verdict)
            if before.suppresses != case.verdict.suppresses:
                moved.update(dict.fromkeys(self._effects.get(key, ())))
        began = False
        for case in sorted((self._cases[key] for key in moved), key=_order) if moved else ():
            began |= self._move(case)
        return began

    def _move(self, case: Alarm) -> bool:
        before, status = case.status, self._status(case)
        transition = case.move(status, self.now)
        self._set_timer(case)
        if case.raised and status is Status.VIOLATED:
            self._render(case)
        if transition is not None:
            self._transition(case, transition)
        if status is not before:
            pool = dict(case.subject.labels).get("pool")
            if pool is not None:
                self._outcome.changes.append(PoolChanged(self.now, pool))
        return status is Status.VIOLATED and before is not Status.VIOLATED

    def _status(self, case: Alarm) -> Status:
        if case.verdict.status is not Status.VIOLATED:
            return case.verdict.status
        if any(cause.verdict.suppresses for cause in self._causes.get(case.key, ())):
            return Status.SUPPRESSED
        together = self._causes_together.get(case.key)
        if together and all(cause.verdict.suppresses for cause in together):
            return Status.SUPPRESSED
        if any(maintenance.active(window, self.now) for window in self._windows.get(case.key, ())):
            return Status.SUPPRESSED
        return Status.VIOLATED

    def _set_timer(self, case: Alarm) -> None:
        if case.due is None:
            self._case_timers.cancel(case.key)
        elif self._case_timers.due(case.key) != case.due:
            self._case_timers.set(case.key, case.due)

    # Findings ----------------------------------------------------------------------------------------

    def _transition(self, case: Alarm, state: TransitionState) -> None:
        if state is TransitionState.RAISED:
            case.finding_id = _finding_id(case)
            case.rendered_at = float("-inf")
            self._render(case)
            finding = self._finding(case)
        else:
            case.verdict = case.verdict._replace(evidence=None)
            finding = _cleared(self._finding(case), self.now, case.evidence, case.ended)
            case.ended = None
        self._report(Transition(self.now, state, finding))

    def _report(self, transition: Transition) -> None:
        if transition.state is TransitionState.CLEARED:
            self.cleared.appendleft(transition.finding)
        self._outcome.transitions.append(transition)

    def _render(self, case: Alarm) -> None:
        proof = case.verdict.evidence
        if proof is not None and self.now - case.rendered_at >= RENDER_INTERVAL_SECONDS:
            case.evidence = evidence.render(proof)
            case.rendered_at = self.now

    def _finding(self, case: Alarm) -> Finding:
        labels = dict(case.subject.labels)
        return Finding(
            id=case.finding_id,
            check=case.subject.check,
            labels=labels,
            severity=case.severity,
            summary=SUMMARY[case.subject.check].format(**labels),
            evidence=case.evidence,
            since=case.since,
            raised_at=case.raised_at,
            stale=case.status is Status.UNKNOWN,
            suppressed=case.status is Status.SUPPRESSED,
        )


def _by_circuit(causes: Iterable[Alarm]) -> dict[str | None, list[Alarm]]:
    """Sort causes by the circuit they are about, so that an effect is not compared with all of them."""
    found: dict[str | None, list[Alarm]] = {}
    for cause in causes:
        found.setdefault(dict(cause.subject.labels).get("circuit"), []).append(cause)
    return found


def transition_order(transition: Transition) -> tuple[float, str, Labels]:
    """Transitions of one instant are ordered by check and labels."""
    finding = transition.finding
    return (transition.time, finding.check, tuple(sorted(finding.labels.items())))


def _order(case: Alarm) -> tuple[str, Labels]:
    return (case.subject.check, tuple(sorted(case.subject.labels)))


def _finding_id(case: Alarm) -> str:
    """Return the same id for the same violation, in every instance that sees it begin at that time."""
    text = f"{case.subject.check} {case.subject.labels} {case.since:.6f}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _cleared(finding: Finding, now: float, shown: Mapping[str, Any], ended: float | None = None) -> Finding:
    return Finding(
        id=finding.id,
        check=finding.check,
        labels=finding.labels,
        severity=finding.severity,
        summary=finding.summary,
        evidence=shown,
        since=finding.since,
        raised_at=finding.raised_at,
        ended_at=now if ended is None else ended,
        cleared_at=now,
    )
