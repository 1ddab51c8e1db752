"""The daemon's time: it follows the monotonic clock, so that setting the machine's clock changes no verdict.

It says seconds since the epoch as the wall clock did when ermon was started. Where the two part later (NTP corrects a wrong
clock, somebody types a date, the machine was suspended), the time goes on as before, and only the difference is taken note
of: by it the core knows what the calendar says, and since when something is.

While the machine is suspended the monotonic clock stands still, and ermon with it. The boot clock goes on (time_namespaces(7),
clock_gettime(2)), so it is known for how long.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from ermon.core.wall_clock import SMALL_SECONDS
from ermon.model.events import ClockStepped

WATCH_SECONDS = 1.0
"""How often the clocks are compared: a maintenance window begins so late at most after the clock was set."""


def boot_time() -> float:
    """Return the seconds since the machine was started, with those for which it was suspended; where no clock says that,
    without them.
    """
    try:
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    except (AttributeError, OSError):  # not on Linux
        return time.monotonic()


class SteadyClock:
    """Times are seconds since the epoch."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        boot: Callable[[], float] = boot_time,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._boot = boot
        self.anchor = wall() - monotonic()
        """What the wall clock said at zero of the monotonic one, which is the same in every process of the machine."""
        self.offset = 0.0
        """How far the wall clock is ahead, as far as was noticed."""
        self._suspended = boot() - monotonic()
        self._agreed_at = self.now()
        self._stepped: Callable[[ClockStepped], None] | None = None

    def now(self) -> float:
        """Return the time, which never goes backwards and never jumps."""
        return self.anchor + self._monotonic()

    def notice_step(self) -> ClockStepped | None:
        """Compare the clocks; return what has become of the wall clock since the last time, ``None`` if nothing has."""
        now = self.now()
        offset, suspended = self._wall() - now, self._boot() - self._monotonic()
        asleep = suspended - self._suspended
        if abs(offset - self.offset) < SMALL_SECONDS and asleep < SMALL_SECONDS:
            self._agreed_at = now
            return None
        self.offset = offset
        if asleep < SMALL_SECONDS:
            return ClockStepped(now, offset)
        # All of ermon stood still together. What was first said when it went on was said after the step.
        self._suspended = suspended
        return ClockStepped(now, offset, asleep, since=self._agreed_at)

    def look(self) -> None:
        """Compare the clocks, and tell whoever watches them."""
        before = self.offset
        if self._stepped is None or (step := self.notice_step()) is None:
            return
        log = structlog.get_logger()
        set_by = step.offset - before - step.suspended
        if step.suspended:
            log.warning("this machine was suspended", for_seconds=round(step.suspended, 3))
        if abs(set_by) >= SMALL_SECONDS:
            log.warning(
                "wall clock stepped",
                by_seconds=round(set_by, 3),
                ahead_of_ermon_seconds=round(step.offset, 3),
            )
        self._stepped(step)

    async def watch(self, stepped: Callable[[ClockStepped], None]) -> None:
        """Call ``stepped`` whenever the wall clock has stepped."""
        self._stepped = stepped
        while True:
            self.look()
            await asyncio.sleep(WATCH_SECONDS)
