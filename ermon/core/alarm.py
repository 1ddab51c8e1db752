"""One subject's way from a violation to a finding and back: the timers of raising and clearing.

A violation is raised when it has lasted for ``raise_after`` without interruption, and cleared when ok has lasted for
``clear_after``. Unknown neither raises nor clears: it stops the timer. A suppressed violation is not raised; its timer
starts from the beginning when the suppression ends, though the violation began earlier.
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
    """Where an alarm is between a violation and the end of its finding."""

    QUIET = "quiet"
    RAISING = "raising"
    RAISED = "raised"
    CLEARING = "clearing"


_WRONG = frozenset({Status.VIOLATED, Status.SUPPRESSED})


class Waiting(msgspec.Struct, frozen=True, omit_defaults=True):
    """A verdict that waits because a slower ExaBGP process has not reported everything up to its time. A file
    format.
    """

    time: float
    status: Status
    evidence: Mapping[str, Any] = {}


class AlarmState(msgspec.Struct, omit_defaults=True):
    """The state of an alarm. It outlives the configuration that it was made under. The fields are a file format.

    Times are seconds since the epoch, durations are seconds.
    """

    status: Status = Status.UNKNOWN
    """The check's verdict, after suppression."""
    phase: Phase = Phase.QUIET
    due: float | None = None
    """The time at which the running timer raises or clears."""
    remaining: float | None = None
    """The seconds that are left of a timer that unknown has stopped."""
    since: float = 0.0
    """The time at which the violation began."""
    ended: float | None = None
    """The time at which the violation ended, while ``clear_after`` runs."""
    raised_at: float = 0.0
    finding_id: str = ""
    evidence: Mapping[str, Any] = {}
    severity: Severity | None = None
    """The severity of the last violation, if it had one of its own."""
    restored: bool = False
    """The finding was raised by an earlier run of ermon, and this one has not judged it yet."""
    waiting: tuple[Waiting, ...] = ()
    """Verdicts that wait until all processes that the subject depends on have reported everything up to their time."""


class Alarm:
    """One subject with its verdict, its status and its timers."""

    __slots__ = (
        *(
            "_fixed_severity",
            "_severity",
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
            "state",
            "subject",
        ),
        "verdict",
    )

    def __init__(
        self,
        subject: Subject,
        severity: Severity,
        raise_after: float,
        clear_after: float,
        *,
        fixed_severity: bool = False,
    ) -> None:
        """``raise_after`` and ``clear_after`` are seconds. With ``fixed_severity``, no verdict changes the severity."""
        self.subject = subject
        self._severity = severity
        self._fixed_severity = fixed_severity
        self.raise_after = raise_after
        self.clear_after = clear_after
        self.key: AlarmKey = (subject.check, subject.labels)
        self.order: AlarmKey = (subject.check, tuple(sorted(subject.labels)))
        """The sort key for transitions at the same instant."""
        self.labels: Mapping[str, str] = dict(subject.labels)
        self.state = AlarmState()
        self.verdict: Verdict = UNKNOWN
        """The check's verdict, before suppression."""
        self.known = False
        """Whether the check has been ok or violated under this configuration. The headline reports an unknown only if
        this is true.
        """
        self.noticed: Mapping[str, Any] = {}
        """The evidence of a violation that is not raised yet, as it was last rendered."""
        self.noticed_at = float("-inf")
        self.rendered_at = float("-inf")
        """When the evidence was last updated."""
        self.outdated = False
        """Whether the evidence has changed since then."""

    @property
    def severity(self) -> Severity:
        """The severity of its findings: that of its violation, if that has one of its own."""
        own = None if self._fixed_severity else self.state.severity
        return self._severity if own is None else own

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
        """Whether it is violated and ``raise_after`` is still running."""
        return self.state.phase is Phase.RAISING and self.state.status is Status.VIOLATED

    @property
    def recovering(self) -> bool:
        """Whether it is raised, and ok at present."""
        return self.state.phase is Phase.CLEARING and self.state.status is Status.OK

    @property
    def stale(self) -> bool:
        """Whether it is raised and its status is unknown at present."""
        return self.raised and self.verdict.status is Status.UNKNOWN

    def go_on_from(self, state: AlarmState) -> None:
        """Go on from the state of the same subject under an earlier configuration, or in an earlier run of ermon."""
        self.state = msgspec.structs.replace(state)

    def move(self, status: Status, now: float) -> TransitionState | None:
        """Take the status at a moment in; return the transition if it raises or clears at once."""
        before, self.state.status = self.state.status, status
        if status is Status.UNKNOWN:
            self._pause(now)
            return None
        if self.state.phase is Phase.QUIET and status in _WRONG and before not in _WRONG:
            self.state.since = now
        match self.state.phase:
            case Phase.QUIET if status is Status.VIOLATED:
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
        """End the running timer: a violation that was raising is raised, a finding that was clearing is cleared."""
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
