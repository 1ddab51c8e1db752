"""When ermon ran: from each start to its end, or to the last sign of life before it was killed.

House rules: nothing here awaits, logs or reads a clock. Times are seconds since the epoch, by the wall clock of that
time.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate, pairwise

import msgspec

from ermon.api.answers import AwayDoc, AwayWhy
from ermon.api.status import ClockStepDoc
from ermon.core.wall_clock import step_text
from ermon.model.findings import Seconds

ALIVE_SECONDS = 60.0
"""How often a sign of life is written: at most this much of a run is unknown when it was killed."""
MAX_RUNS = 500
"""The most runs that are kept, in case ermon is restarted again and again. Beyond it, the shortest interruptions are
forgotten.
"""
WRONG_CLOCK_SECONDS = 86_400.0
"""A clock that was off by more than this was never right, as on a machine without a battery that starts in 1970."""


class KeptRun(msgspec.Struct, frozen=True):
    """A stretch of time in which ermon ran; a step of the clock begins a new one."""

    began: Seconds
    alive: Seconds
    """The last sign of life."""
    stopped: bool = False
    """Whether ermon was stopped in order. Otherwise it still runs, was killed, or its machine lost power."""
    clock: float = 0.0
    """By how many seconds the clock was set at the beginning, while ermon ran on; 0 if ermon was started then."""
    suspended: float = 0.0
    """For how many of these seconds the machine was suspended."""

    @property
    def goes_on(self) -> bool:
        """Whether ermon was running already when this stretch began."""
        return self.clock != 0 or self.suspended != 0


class RunLog:
    """The runs of this instance, earlier and present."""

    def __init__(self, kept: Iterable[KeptRun] = ()) -> None:
        self._runs = list(kept)

    def runs(self) -> list[KeptRun]:
        return list(self._runs)

    def begin(self, now: float, oldest: float) -> None:
        """Begin a run; runs that ended before ``oldest`` are forgotten."""
        self._runs = [run for run in self._runs if run.alive >= oldest]
        self._add(KeptRun(now, now))

    def is_alive(self, now: float, *, stopped: bool = False) -> None:
        if self._runs:
            run = self._runs[-1]
            self._runs[-1] = msgspec.structs.replace(run, alive=max(now, run.began), stopped=stopped)

    def clock_stepped(self, before: float, after: float, suspended: float = 0.0) -> None:
        """Note that the clock was set from one time to another; for ``suspended`` seconds of that the machine was
        suspended.
        """
        if not self._runs:
            return
        run = self._runs.pop()
        # If the clock was ahead, the time that it had reached has not come yet.
        until = min(before, after)
        if abs(after - before - suspended) <= WRONG_CLOCK_SECONDS and run.began < until:
            self._runs.append(msgspec.structs.replace(run, alive=until))
        elif run.goes_on:
            # Keep this run: it says that the clock was set.
            self._runs.append(msgspec.structs.replace(run, alive=run.began))
        self._add(KeptRun(after, after, clock=after - before, suspended=suspended))

    def _add(self, run: KeptRun) -> None:
        self._runs.append(run)
        if len(self._runs) > MAX_RUNS:
            gaps = [later.began - earlier.alive for earlier, later in pairwise(self._runs)]
            shortest = gaps.index(min(gaps))
            earlier, later = self._runs[shortest : shortest + 2]
            merged = msgspec.structs.replace(
                later, began=earlier.began, clock=earlier.clock, suspended=earlier.suspended
            )
            self._runs[shortest : shortest + 2] = [merged]

    # To look at --------------------------------------------------------------------------------------

    def first(self) -> float | None:
        """Return the beginning of the earliest known run."""
        return min((run.began for run in self._runs), default=None)

    def alive_after(self, time: float, longest: float) -> float:
        """Return until when the run of ``time`` certainly lasted, but at most ``time`` plus ``longest``."""
        until = max((run.alive for run in self._runs if run.began <= time <= run.alive), default=time)
        return min(until, time + longest)

    def away(self, start: float, end: float, held_from: float) -> tuple[AwayDoc, ...]:
        """Return the stretches in which ermon was not running that overlap the two times, each stretch as a whole.
        Nothing is kept of the time before ``held_from``.
        """
        found = [AwayDoc(start=min(start, held_from), end=held_from, why="not-held")]
        runs = sorted(self._runs, key=lambda run: run.began)
        for earlier, later in pairwise(accumulate(runs, _later_end)):
            if later.suspended:
                found.append(AwayDoc(start=later.began - later.suspended, end=later.began, why="suspended"))
            elif not later.goes_on:
                why: AwayWhy = "stopped" if earlier.stopped else "died"
                found.append(AwayDoc(start=earlier.alive, end=later.began, why=why))
        return tuple(each for each in found if max(each.start, start) < min(each.end, end))

    def clock_steps(self, start: float, end: float) -> tuple[ClockStepDoc, ...]:
        """Return the steps of the clock between two times while ermon ran, in the order in which they happened. The
        times are by the clock as it was at the end of the same run.
        """
        found: list[ClockStepDoc] = []
        set_since = 0.0
        for run in reversed(self._runs):
            time = run.began + set_since
            if run.goes_on and start <= time <= end:
                found.append(clock_step_doc(time, run.clock, run.suspended))
            set_since = set_since + run.clock - run.suspended if run.goes_on else 0.0
        return tuple(reversed(found))


def clock_step_doc(time: float, seconds: float, suspended: float) -> ClockStepDoc:
    """Describe a step of the clock to ``time``."""
    text = step_text(seconds - suspended, suspended)
    return ClockStepDoc(time=time, seconds=seconds, suspended=suspended, text=text)


def _later_end(earlier: KeptRun, run: KeptRun) -> KeptRun:
    """Return a run that ends no sooner than the one before it: a clock that was set back makes them overlap."""
    if run.alive >= earlier.alive:
        return run
    return msgspec.structs.replace(run, alive=earlier.alive, stopped=earlier.stopped)
