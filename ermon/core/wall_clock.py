"""What the wall clock says at a time of events.

Times of events only ever pass, and the wall clock may be set: so it is ahead of them by an offset, which has steps. And while
the machine is suspended, the wall clock goes on alone.

A date that was said by a clock that somebody set since is told in the terms of the clock as it is now, so that what lasts has
the right length. What was before the machine was suspended keeps its date: that much time has really passed.

House rules: nothing here reads a clock. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ermon.model.text import duration_text

MAX_STEPS = 100
"""Of steps before the last ones it is only known how far they have set the clock."""

SMALL_SECONDS = 1.0
"""By how much clocks may differ that are called the same."""


class ClockStep(msgspec.Struct, frozen=True):
    """From some time of events on the wall clock is further ahead of them."""

    time: float
    by: float
    """Seconds, less than 0 where it was set back."""
    suspended: float = 0.0
    """How many seconds the machine was suspended for, which are part of that."""

    @property
    def set_by(self) -> float:
        """By how much somebody set the clock, forward or back."""
        return self.by - self.suspended


class WallClock:
    """The wall clock of ermon's machine, as far as its steps were noticed."""

    def __init__(self, offset: float = 0.0, steps: Iterable[ClockStep] = ()) -> None:
        """``offset``: how far it is ahead of the times of events, after all ``steps``."""
        self.steps = list(steps)
        self._first = offset - sum(step.by for step in self.steps)

    @property
    def offset(self) -> float:
        """How far it is ahead of the times of events now."""
        return self._first + sum(step.by for step in self.steps)

    def step(self, time: float, offset: float, suspended: float) -> ClockStep:
        """Know that from a time of events on it has another ``offset``."""
        step = ClockStep(time, offset - self.offset, suspended)
        self.steps.append(step)
        if len(self.steps) > MAX_STEPS:
            self._first += self.steps.pop(0).by
        return step

    def at(self, time: float) -> float:
        """Return what it said at a time of events."""
        return time + self._offset_at(time)

    def date(self, time: float, now: float) -> float:
        """Return when an earlier time of events was, in the terms of the clock as it is at ``now``."""
        if not self.steps:
            return time + self._first
        asleep = sum(step.suspended for step in self.steps if time < step.time <= now)
        return time + self._offset_at(now) - asleep

    def moments(self, date: float, after: float) -> Iterator[float]:
        """Yield the times of events later than ``after`` at which it comes to a date; it may come there again when it
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
    """Say what has become of the clock: ``clock set back by 1 h 0 min``."""
    parts = []
    if suspended >= SMALL_SECONDS:
        parts.append(f"machine suspended for {duration_text(round(suspended), exact=True)}")
    if abs(set_by) >= SMALL_SECONDS or not parts:
        way = "back" if set_by < 0 else "forward"
        parts.append(f"clock set {way} by {duration_text(round(abs(set_by)), exact=True)}")
    return ", ".join(parts)
