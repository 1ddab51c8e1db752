"""The daemon's time: it follows the monotonic clock, so that setting the machine's clock changes no verdict.

It gives seconds since the epoch, anchored to the wall clock at the start of ermon. If the wall clock is set later (NTP
corrects it, somebody types a date, the machine was suspended), this time goes on as before, and ermon notes only the
difference. From it the core computes calendar times.

While the machine is suspended, the monotonic clock stops, and ermon with it. The boot clock goes on (time_namespaces(7),
clock_gettime(2)), and gives the length of the suspension.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from ermon.core.wall_clock import SMALL_SECONDS
from ermon.model.events import ClockStepped

WATCH_SECONDS = 1.0
"""How often the clocks are compared. After the clock was set, a maintenance window begins late by at most this time."""


def boot_time() -> float:
    """Return the seconds since the machine was started, including suspension if a clock of this platform includes it."""
    try:
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    except (AttributeError, OSError):  # not on Linux
        return time.monotonic()


class SteadyClock:
    """The daemon's clock; its times are seconds since the epoch."""

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
        """The wall-clock time at zero of the monotonic clock, which is the same in every process of the machine."""
        self.offset = 0.0
        """How far the wall clock is ahead of this clock, in seconds, with every step that was noticed."""
        self._suspended = boot() - monotonic()
        self._agreed_at = self.now()
        self._stepped: Callable[[ClockStepped], None] | None = None

    def now(self) -> float:
        """Return the time, which never goes backwards and never jumps."""
        return self.anchor + self._monotonic()

    def notice_step(self) -> ClockStepped | None:
        """Compare the clocks; return the step of the wall clock since the last comparison, ``None`` if there is none."""
        now = self.now()
        offset, suspended = self._wall() - now, self._boot() - self._monotonic()
        asleep = suspended - self._suspended
        if abs(offset - self.offset) < SMALL_SECONDS and asleep < SMALL_SECONDS:
            self._agreed_at = now
            return None
        self.offset = offset
        if asleep < SMALL_SECONDS:
            return ClockStepped(now, offset)
        # ExaBGP and ermon were suspended together, so ExaBGP's first lines afterwards are from after the step.
        self._suspended = suspended
        return ClockStepped(now, offset, asleep, since=self._agreed_at)

    def look(self) -> None:
        """Compare the clocks, and report a step to the callback of ``watch``."""
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
