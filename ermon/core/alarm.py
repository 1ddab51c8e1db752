"""One subject's way from a violation to a finding and back: the timers of raising and clearing.

A violation is raised when it has held for ``raise_after`` without interruption, and cleared when ok has
held for ``clear_after``. What is unknown neither raises nor clears: it stops the clock. What is
suppressed is not raised, and starts from the beginning when the suppression ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from ermon.checks.subject import UNKNOWN, Labels, Subject, Verdict
from ermon.model.findings import Status, TransitionState
from ermon.model.settings import Severity

AlarmKey = tuple[str, Labels]
"""A check, and the labels of the subject."""


class Phase(StrEnum):
    QUIET = "quiet"
    RAISING = "raising"
    RAISED = "raised"
    CLEARING = "clearing"


class Waiting(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a check has answered while not everybody had said everything up to that time. A file format."""

    time: float
    status: Status
    evidence: Mapping[str, Any] = {}


class AlarmState(msgspec.Struct, omit_defaults=True):
    """The state of an alarm; outlives the policy that led to it. The fields are a file format.

    Times are seconds since the epoch, durations are seconds.
    """

    status: Status = Status.UNKNOWN
    """What the check answers, after suppression."""
    phase: Phase = Phase.QUIET
    due: float | None = None
    """When the running timer raises or clears."""
    remaining: float | None = None
    """What is left of a timer that unknown has stopped."""
    since: float = 0.0
    """When the violation began."""
    ended: float | None = None
    """When it ended, while that is being made sure of."""
    raised_at: float = 0.0
    finding_id: str = ""
    evidence: Mapping[str, Any] = {}
    restored: bool = False
    """It was raised when another ermon ended, and has not been judged since."""
    waiting: tuple[Waiting, ...] = ()
    """Answers that wait until all processes that the subject is judged by have said everything up to their time."""


class Alarm:
    """One subject, what the check answers about it, and where the alarm stands."""

    __slots__ = (
        *(
            "clear_after",
            "key",
            "known",
            "labels",
            "noticed",
            "noticed_at",
            "order",
            "outdated",
            "raise_after",
            "rendered_at",
            "severity",
            "state",
            "subject",
        ),
        "verdict",
    )

    def __init__(self, subject: Subject, severity: Severity, raise_after: float, clear_after: float) -> None:
        """``raise_after`` and ``clear_after`` are seconds."""
        self.subject = subject
        self.severity = severity
        self.raise_after = raise_after
        self.clear_after = clear_after
        self.key: AlarmKey = (subject.check, subject.labels)
        self.order: AlarmKey = (subject.check, tuple(sorted(subject.labels)))
        """Transitions of one instant are ordered by it."""
        self.labels: Mapping[str, str] = dict(subject.labels)
        self.state = AlarmState()
        self.verdict: Verdict = UNKNOWN
        """What the check answers, before suppression."""
        self.known = False
        """Whether the check has answered under this configuration: what was never known is not missed."""
        self.noticed: Mapping[str, Any] = {}
        """What shows a violation that is not raised yet, as it was put into words last."""
        self.noticed_at = float("-inf")
        self.rendered_at = float("-inf")
        """When the evidence was last updated."""
        self.outdated = False
        """Whether what shows the violation has changed since."""

    @property
    def status(self) -> Status:
        return self.state.status

    @property
    def phase(self) -> Phase:
        return self.state.phase

    @property
    def raised(self) -> bool:
        return self.state.phase in {Phase.RAISED, Phase.CLEARING}

    @property
    def noticed_only(self) -> bool:
        """Whether it is violated, and waits for ``raise_after``."""
        return self.state.phase is Phase.RAISING and self.state.status is Status.VIOLATED

    @property
    def recovering(self) -> bool:
        """Whether it is raised, and ok since."""
        return self.state.phase is Phase.CLEARING and self.state.status is Status.OK

    @property
    def stale(self) -> bool:
        """Whether it is raised, and nobody can tell at present whether it still holds."""
        return self.raised and self.verdict.status is Status.UNKNOWN

    def go_on_from(self, state: AlarmState) -> None:
        """Go on where the same subject stood under an earlier configuration, or in another ermon."""
        self.state = msgspec.structs.replace(state)

    def move(self, status: Status, now: float) -> TransitionState | None:
        """Take the status at a moment in; return what it raises or clears at once."""
        self.state.status = status
        if status is Status.UNKNOWN:
            self._pause(now)
            return None
        match self.state.phase:
            case Phase.QUIET if status is Status.VIOLATED:
                self.state.since = now
                return self._start(Phase.RAISING, self.raise_after, now)
            case Phase.RAISING if status is Status.VIOLATED:
                self._resume(now)
            case Phase.RAISING:
                self._settle_in(Phase.QUIET)
            case Phase.RAISED if status is Status.OK:
                self.state.ended = now
                return self._start(Phase.CLEARING, self.clear_after, now)
            case Phase.CLEARING if status is Status.OK:
                self._resume(now)
            case Phase.CLEARING:
                self.state.ended = None
                self._settle_in(Phase.RAISED)
            case _:
                pass
        return None

    def fire(self, now: float) -> TransitionState:
        """The running timer has come: what was in the making is so."""
        if self.state.phase is Phase.RAISING:
            self._settle_in(Phase.RAISED)
            self.state.raised_at = now
            return TransitionState.RAISED
        self._settle_in(Phase.QUIET)
        return TransitionState.CLEARED

    def _start(self, phase: Phase, duration: float, now: float) -> TransitionState | None:
        self.state.phase = phase
        self.state.remaining = None
        if duration <= 0:
            return self.fire(now)
        self.state.due = round(now + duration, 6)
        return None

    def _settle_in(self, phase: Phase) -> None:
        self.state.phase = phase
        self.state.due = self.state.remaining = None

    def _pause(self, now: float) -> None:
        if self.state.due is not None:
            self.state.remaining = self.state.due - now
            self.state.due = None

    def _resume(self, now: float) -> None:
        if self.state.remaining is not None:
            self.state.due = round(now + self.state.remaining, 6)
            self.state.remaining = None
