"""Plays a scenario to the core on its own clock, and compares the result with the expectations.

An unexpected transition of severity warning or critical is a failure, unless its check is ignored: otherwise a policy
test could pass while ermon raises other findings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ermon.config.yaml import KeyPath
from ermon.core.monitor import Monitor
from ermon.model.findings import Status, Transition, TransitionState, transition_order
from ermon.model.inventory import Config
from ermon.model.settings import Severity
from ermon.scenario.expectations import (
    Expectations,
    ExpectedStatus,
    ExpectedTransition,
    Forbidden,
    named,
    seconds,
    transition_text,
)
from ermon.scenario.script import Act


@dataclass(frozen=True, slots=True)
class Reported:
    """A transition, its time in seconds since the scenario began, and its step."""

    time: float
    step: int
    transition: Transition


@dataclass(slots=True)
class Record:
    """The result of a scenario."""

    reported: list[Reported] = field(default_factory=list)
    statuses: dict[int, list[tuple[dict[str, str], Status]]] = field(default_factory=dict)
    """By number of the question: its subjects and their statuses."""
    ended: float = 0.0


class Player:
    """Plays acts in order, and answers questions about statuses at their times."""

    def __init__(self, config: Config, start: float, questions: Sequence[ExpectedStatus]) -> None:
        self._monitor = Monitor(config, start)
        self._start = start
        self._step = 0
        self._questions = sorted(enumerate(questions), key=lambda each: each[1].time)
        self.record = Record()

    def play(self, acts: Sequence[Act], at_least: float, until: float | None) -> Record:
        """Play until ``until``; without it, until no timer of a finding or session runs, and at least for ``at_least``."""
        for number, act in enumerate(acts):
            if until is not None and act.at > until:
                break
            self._pass_time(act.at)
            self._step = number
            if act.restarts:
                self._monitor = self._monitor.restarted(self._start + act.at)
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
        """Advance the clock, and stop at the time of each question, so that its answer is of that moment."""
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
            self.record.reported.append(Reported(time, self._step, transition))

    def _answer(self, now: float) -> None:
        """Answer the due questions of the steps so far."""
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


# What was not met --------------------------------------------------------------------------------------


class Failure(NamedTuple):
    path: KeyPath
    """The place of the failed expectation in the file."""
    message: str


def failures(expected: Expectations, record: Record, ignored: frozenset[str], name: KeyPath) -> list[Failure]:
    """Return the failed expectations; ``name`` is the place of the scenario in the file."""
    found = [failure for each in expected.transitions for failure in _transition(each, record)]
    found += [failure for each in expected.forbidden for failure in _forbidden(each, record)]
    for number, status in enumerate(expected.statuses):
        found += _status(number, status, record)
    wanted = [[each for each in record.reported if _met(e, each)] for e in expected.transitions]
    known = {id(each) for met in wanted for each in met}
    for each in record.reported:
        finding = each.transition.finding
        if finding.severity is not Severity.INFO and finding.check not in ignored and id(each) not in known:
            message = (
                f"not expected: {transition_text(each.transition)} at {seconds(each.time)}: {finding.summary}"
            )
            found.append(Failure(name, message))
    return found


def _when_met(expected: ExpectedTransition, each: Reported) -> bool:
    return each.step == expected.step if expected.time is None else each.time == expected.time


def _met(expected: ExpectedTransition, each: Reported) -> bool:
    return expected.fits(each.transition) and _when_met(expected, each)


def _transition(expected: ExpectedTransition, record: Record) -> Iterator[Failure]:
    meant = [each for each in record.reported if expected.fits(each.transition)]
    met = [each for each in meant if _when_met(expected, each)]
    path, what = expected.about.path, f"{expected.about} to be {expected.state}"
    if not met:
        when = "in this step" if expected.time is None else f"at {seconds(expected.time)}"
        others = ", ".join(seconds(each.time) for each in meant)
        came = f"it was at {others}" if others else f"it was not before the end, at {seconds(record.ended)}"
        yield Failure(path, f"expected {what} {when}; {came}")
    for each in met:
        finding = each.transition.finding
        if expected.severity not in {None, finding.severity}:
            yield Failure(path, f"expected {what} as {expected.severity}; it was {finding.severity}")
        shown = finding.evidence.get("prefixes", [])
        missing = [str(prefix) for prefix in expected.prefixes if str(prefix) not in shown]
        if missing:
            yield Failure(
                path,
                f"expected {what} with {', '.join(missing)}; its evidence names {', '.join(shown) or 'no prefix'}",
            )


def _forbidden(expected: Forbidden, record: Record) -> Iterator[Failure]:
    for each in record.reported:
        finding = each.transition.finding
        raised = each.transition.state is TransitionState.RAISED
        if raised and each.step == expected.step and expected.about.fits(finding.check, finding.labels):
            message = f"expected {expected.about} not to be raised; it was at {seconds(each.time)}"
            yield Failure(expected.about.path, message)


def _status(number: int, expected: ExpectedStatus, record: Record) -> Iterator[Failure]:
    path, when = expected.about.path, f"at {seconds(expected.time)}"
    if number not in record.statuses:
        yield Failure(
            path, f"expected {expected.about} to be {expected.status} {when}; the scenario ended before"
        )
    for labels, status in record.statuses.get(number, ()):
        if status is not expected.status:
            shown = f"{expected.about.check} {named(labels)}"
            yield Failure(path, f"expected {shown} to be {expected.status} {when}; it was {status}")
