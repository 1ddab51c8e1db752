"""One subject's way from a violation to a finding and back: the timers of raising and clearing.

A violation is raised when it has held for ``raise_after`` without interruption, and cleared when ok has
held for ``clear_after``. What is unknown neither raises nor clears: it stops the clock. What is
suppressed is not raised, and starts from the beginning when the suppression ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from ermon.checks.subject import UNKNOWN, Subject, Verdict
from ermon.model.findings import Status, TransitionState
from ermon.model.inventory import Severity


class Phase(StrEnum):
    QUIET = "quiet"
    RAISING = "raising"
    RAISED = "raised"
    CLEARING = "clearing"


class AlarmState(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a case stands; outlives the policy that brought it there. The fields are those of ``Alarm``."""

    status: Status = Status.UNKNOWN
    phase: Phase = Phase.QUIET
    due: float | None = None
    remaining: float | None = None
    since: float = 0.0
    ended: float | None = None
    raised_at: float = 0.0
    finding_id: str = ""
    evidence: Mapping[str, Any] = {}


@dataclass(slots=True)
class Alarm:
    """What is known of one subject; times are seconds since the epoch, durations are seconds."""

    subject: Subject
    severity: Severity
    raise_after: float
    clear_after: float
    verdict: Verdict = UNKNOWN
    """What the check answers."""
    status: Status = Status.UNKNOWN
    """The same after suppression."""
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
    evidence: Mapping[str, Any] = field(default_factory=dict)
    rendered_at: float = float("-inf")

    @property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        return (self.subject.check, self.subject.labels)

    @property
    def raised(self) -> bool:
        return self.phase in {Phase.RAISED, Phase.CLEARING}

    def move(self, status: Status, now: float) -> TransitionState | None:
        """Take the status at a moment in; return what it raises or clears at once."""
        self.status = status
        if status is Status.UNKNOWN:
            self._pause(now)
            return None
        match self.phase:
            case Phase.QUIET if status is Status.VIOLATED:
                self.since = now
                return self._start(Phase.RAISING, self.raise_after, now)
            case Phase.RAISING if status is Status.VIOLATED:
                self._resume(now)
            case Phase.RAISING:
                self._settle_in(Phase.QUIET)
            case Phase.RAISED if status is Status.OK:
                self.ended = now
                return self._start(Phase.CLEARING, self.clear_after, now)
            case Phase.CLEARING if status is Status.OK:
                self._resume(now)
            case Phase.CLEARING:
                self.ended = None
                self._settle_in(Phase.RAISED)
            case _:
                pass
        return None

    def fire(self, now: float) -> TransitionState:
        """The running timer has come: what was in the making is so."""
        if self.phase is Phase.RAISING:
            self._settle_in(Phase.RAISED)
            self.raised_at = now
            return TransitionState.RAISED
        self._settle_in(Phase.QUIET)
        return TransitionState.CLEARED

    @property
    def standing(self) -> AlarmState:
        return AlarmState(**{name: getattr(self, name) for name in AlarmState.__struct_fields__})

    def take_over(self, standing: AlarmState) -> None:
        """Go on where the same subject stood under an earlier configuration, or in another ermon."""
        for name in AlarmState.__struct_fields__:
            setattr(self, name, getattr(standing, name))

    def _start(self, phase: Phase, duration: float, now: float) -> TransitionState | None:
        self.phase = phase
        self.remaining = None
        if duration <= 0:
            return self.fire(now)
        self.due = round(now + duration, 6)
        return None

    def _settle_in(self, phase: Phase) -> None:
        self.phase = phase
        self.due = self.remaining = None

    def _pause(self, now: float) -> None:
        if self.due is not None:
            self.remaining = self.due - now
            self.due = None

    def _resume(self, now: float) -> None:
        if self.remaining is not None:
            self.due = round(now + self.remaining, 6)
            self.remaining = None
