"""The alarms that are not ok, by state. The sets are updated with each change, so that the headline need not look at
all alarms.

An alarm is in a set while it is violated and not raised yet, raised, suppressed, or unknown after it was known. An
alarm that is ok is in none.
"""

from __future__ import annotations

from collections.abc import Iterable

from ermon.checks.catalogue import CATALOGUE
from ermon.core.alarm import Alarm, AlarmKey
from ermon.model.findings import Status
from ermon.model.settings import RANKS, Severity

Alarms = dict[AlarmKey, Alarm]


class Standing:
    """Call ``follow`` with an alarm whenever its status or its phase may have changed."""

    def __init__(self) -> None:
        self.revision = 0
        """Grows with every change, so that a reader can see whether there is anything new."""
        self.raised: Alarms = {}
        self.noticed: Alarms = {}
        """Violated, and not raised yet."""
        self.covered: Alarms = {}
        """Violated and suppressed, of severity warning or critical."""
        self.unknown: Alarms = {}
        """Unknown, and known before, of severity warning or critical."""
        self.switched_off: Alarms = {}
        """Violated, of checks that are switched off and whose violation is shown on a link or a pool."""

    def follow(self, alarm: Alarm) -> None:
        status, serious = alarm.status, alarm.severity is not Severity.INFO
        alarm.known = alarm.known or status is not Status.UNKNOWN
        self.revision += 1
        _keep(self.raised, alarm, stays=alarm.raised)
        _keep(self.noticed, alarm, stays=alarm.noticed_only)
        _keep(self.covered, alarm, stays=serious and status is Status.SUPPRESSED)
        _keep(self.unknown, alarm, stays=serious and alarm.known and status is Status.UNKNOWN)

    def follow_switched_off(self, alarm: Alarm) -> None:
        violated = alarm.verdict.status is Status.VIOLATED
        if violated is not (alarm.key in self.switched_off):
            self.revision += 1
        _keep(self.switched_off, alarm, stays=violated)

    def dates_changed(self) -> None:
        """Note that a window has begun or ended, even if no alarm is covered by it."""
        self.revision += 1


def _keep(alarms: Alarms, alarm: Alarm, *, stays: bool) -> None:
    if stays:
        alarms[alarm.key] = alarm
    else:
        alarms.pop(alarm.key, None)


FIRST = 0
"""Lower than the rank of any alarm."""


def rank(alarm: Alarm) -> int:
    """Return the rank of an alarm in lists and in the headline: the lower, the more it matters.

    Alarms of severity info come last of all, and recovering alarms come after those that last, as the kinds of the
    headline do (``HeadlineKind``). Then the more severe come first, then those that are not suppressed, then causes
    before symptoms.
    """
    info = alarm.severity is Severity.INFO
    place = (
        info,
        alarm.recovering,
        RANKS[alarm.severity] > 0,
        alarm.status is Status.SUPPRESSED,
        _symptom(alarm),
    )
    return FIRST + 1 + sum(1 << bit for bit, later in enumerate(reversed(place)) if later)


def _symptom(alarm: Alarm) -> bool:
    return CATALOGUE[alarm.subject.check].symptom


def worst(alarms: Iterable[Alarm]) -> list[Alarm]:
    """Return alarms in order: by ``rank``, then the oldest first, so that a new one is not put before others."""
    return sorted(alarms, key=lambda alarm: (rank(alarm), _began(alarm), alarm.order))


def _began(alarm: Alarm) -> float:
    return alarm.state.raised_at if alarm.raised else alarm.state.since
