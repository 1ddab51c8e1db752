"""Plays a scenario to the core on a clock of its own, and writes down what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ermon.core.monitor import Monitor
from ermon.model.findings import Status, Transition, transition_order
from ermon.model.inventory import Config
from ermon.scenario.expectations import ExpectedStatus
from ermon.scenario.script import Act


@dataclass(frozen=True, slots=True)
class Told:
    """A transition, when it came in seconds since the scenario began, and of which step."""

    time: float
    step: int
    transition: Transition


@dataclass(slots=True)
class Record:
    """What came of a scenario."""

    told: list[Told] = field(default_factory=list)
    statuses: dict[int, list[tuple[dict[str, str], Status]]] = field(default_factory=dict)
    """By number of the question: each subject that it is about, and its status."""
    ended: float = 0.0


class Player:
    """Plays acts in their order; questions about statuses are answered when their time comes."""

    def __init__(self, config: Config, start: float, questions: Sequence[ExpectedStatus]) -> None:
        self._monitor = Monitor(config, start)
        self._start = start
        self._step = 0
        self._questions = sorted(enumerate(questions), key=lambda each: each[1].time)
        self.record = Record()

    def play(self, acts: Sequence[Act], at_least: float, until: float | None) -> Record:
        """Play to ``until``, else until no finding and no session is on its way, and ``at_least`` so long."""
        for number, act in enumerate(acts):
            if until is not None and act.at > until:
                break
            self._pass_time(act.at)
            self._step = number
            for event in act.events:
                self._monitor.apply(event)
            self._settle(act.at)
            self._answer(act.at)
        if until is not None:
            self._pass_time(until)
        else:
            self._pass_time(max([at_least, *(act.done for act in acts)]))
            while self._monitor.timers_running() and (due := self._monitor.next_deadline()) is not None:
                self._pass_time(due - self._start)
        self.record.ended = round(self._monitor.now - self._start, 6)
        return self.record

    def _pass_time(self, until: float) -> None:
        """Let time pass, and stop where a question waits."""
        while self._questions and self._questions[0][1].time <= until and self._asked_by_now():
            self._settle(self._questions[0][1].time)
            self._answer(self._questions[0][1].time)
        self._settle(until)

    def _asked_by_now(self) -> bool:
        return self._questions[0][1].step <= self._step

    def _settle(self, until: float) -> None:
        outcome = self._monitor.advance(round(self._start + until, 6))
        for transition in sorted(outcome.transitions, key=transition_order):
            time = round(transition.time - self._start, 6)
            self.record.told.append(Told(time, self._step, transition))

    def _answer(self, now: float) -> None:
        """Answer the questions of the steps so far whose time has come."""
        waiting = []
        for number, question in self._questions:
            if question.step <= self._step and question.time <= now:
                self.record.statuses[number] = [
                    (dict(case.subject.labels), case.status)
                    for case in self._monitor.statuses()
                    if question.about.fits(case.subject.check, dict(case.subject.labels))
                ]
            else:
                waiting.append((number, question))
        self._questions = waiting
