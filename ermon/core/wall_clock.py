"""Converts times of events to the wall clock.

Times of events never go back, while the wall clock may be set. So the wall clock is ahead of them by an offset, which
changes in steps. While the machine is suspended, only the wall clock goes on.

A date from before the clock was set is shown in terms of the clock as it is now, so that durations are right. A date
from before the machine was suspended stays the same, because that much time has really passed.

House rules: nothing here reads a clock. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ermon.model.text import duration_text

MAX_STEPS = 100
"""The most steps that are kept; of older ones, only the sum is known."""

SMALL_SECONDS = 1.0
"""Clocks that differ by no more than this count as equal."""


class ClockStep(msgspec.Struct, frozen=True):
    """A change of the offset of the wall clock from a time of events on."""

    time: float
    by: float
    """Seconds; negative if the clock was set back."""
    suspended: float = 0.0
    """The seconds for which the machine was suspended; they are part of ``by``."""

    @property
    def set_by(self) -> float:
        """The seconds by which the clock was set, forward or back."""
        return self.by - self.suspended


class WallClock:
    """The wall clock of ermon's machine, as far as its steps were noticed."""

    def __init__(self, offset: float = 0.0, steps: Iterable[ClockStep] = ()) -> None:
        """``offset``: how far it is ahead of the times of events after all ``steps``."""
        self.steps = list(steps)
        self._first = offset - sum(step.by for step in self.steps)

    @property
    def offset(self) -> float:
        """How far it is ahead of the times of events now."""
        return self._first + sum(step.by for step in self.steps)

    def step(self, time: float, offset: float, suspended: float) -> ClockStep:
        """Note that it has another ``offset`` from a time of events on."""
        step = ClockStep(time, offset - self.offset, suspended)
        self.steps.append(step)
        if len(self.steps) > MAX_STEPS:
            self._first += self.steps.pop(0).by
        return step

    def at(self, time: float) -> float:
        """Return the wall clock at a time of events."""
        return time + self._offset_at(time)

    def date(self, time: float, now: float) -> float:
        """Return the date of an earlier time of events, in terms of the clock as it is at ``now``."""
        if not self.steps:
            return time + self._first
        asleep = sum(step.suspended for step in self.steps if time < step.time <= now)
        return time + self._offset_at(now) - asleep

    def moments(self, date: float, after: float) -> Iterator[float]:
        """Yield the times of events later than ``after`` at which the clock reaches a date. It reaches it again if it
        was set back.
        """
        offset, begins = self._first, float("-inf")
        for step in (*self.steps, None):
            ends = float("inf") if step is None else step.time
            if max(begins, after) < date - offset < ends:
                yield date - offset
            if step is not None:
                begins, offset = step.time, offset + step.by

    def _offset_at(self, time: float) -> float:
        return self._first + sum(step.by for step in self.steps if step.time <= time)


def step_text(set_by: float, suspended: float) -> str:
    """Describe what happened to the clock: ``clock set back by 1 h 0 min``."""
    parts = []
    if suspended >= SMALL_SECONDS:
        parts.append(f"machine suspended for {duration_text(round(suspended), exact=True)}")
    if abs(set_by) >= SMALL_SECONDS or not parts:
        way = "back" if set_by < 0 else "forward"
        parts.append(f"clock set {way} by {duration_text(round(abs(set_by)), exact=True)}")
    return ", ".join(parts)
