"""The daemon's time: it runs with the monotonic clock, so that whoever sets the machine's clock changes no verdict.

It says seconds since the epoch as the wall clock did when ermon was started. Where the two part later (NTP corrects a wrong
clock, a virtual machine goes on after a pause, somebody types a date), the time goes on as before, and only the
difference is taken note of: by it the core knows what the calendar says, and since when something is, in today's terms.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

STEP_SECONDS = 1.0
"""Clocks that differ by less are one. NTP moves both alike while it slews; what is left is the time between two readings."""
WATCH_SECONDS = 1.0
"""How often the clocks are compared: a maintenance window begins so late at most after the clock was set."""


class SteadyClock:
    """Times are seconds since the epoch."""

    def __init__(
        self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self.anchor = wall() - monotonic()
        """What the wall clock said at zero of the monotonic one, which is the same in every process of the machine."""
        self.offset = 0.0
        """How far the wall clock is ahead, as far as was noticed."""

    def now(self) -> float:
        """Return the time, which never goes backwards and never jumps."""
        return self.anchor + self._monotonic()

    def notice_step(self) -> float | None:
        """Compare the clocks; return by how much the wall clock was set since the last time, ``None`` if it was not."""
        offset = self._wall() - self.now()
        step = offset - self.offset
        if abs(step) < STEP_SECONDS:
            return None
        self.offset = offset
        return step

    async def watch(self, stepped: Callable[[float], None]) -> None:
        """Call ``stepped`` with the new ``offset`` whenever the wall clock was set."""
        log = structlog.get_logger()
        while True:
            step = self.notice_step()
            if step is not None:
                log.warning(
                    "the clock of this machine was set",
                    by_seconds=round(step, 3),
                    ahead_of_ermon_seconds=round(self.offset, 3),
                )
                stepped(self.offset)
            await asyncio.sleep(WATCH_SECONDS)
