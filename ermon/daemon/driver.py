"""Drives the monitor: events and time go in, and what comes of them goes to whoever listens.

The monitor never reads a clock. Its time passes here, and everything that moves it comes by here, so that a
recording of this is enough to replay a night.

Going over to another configuration takes many slices of the loop's time. Meanwhile the monitor holds still: what ExaBGP
says waits in its relay, what ermon itself notices waits here, and everybody can read the state as it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from ermon.aio.slices import in_slices
from ermon.core.maintenance_book import MaintenanceBook
from ermon.core.monitor import Monitor, Outcome
from ermon.core.plan import Plan
from ermon.core.route_index import Expectations
from ermon.model.events import Event
from ermon.recording.recorder import Recorder

Listener = Callable[[Outcome], None]
"""Told of every outcome, inside the event loop: it must not wait, and must not move the monitor."""


class Driver:
    """Listeners are called in the order in which they were added."""

    def __init__(self, monitor: Monitor, recorder: Recorder, maintenance: MaintenanceBook) -> None:
        self.monitor = monitor
        self._recorder = recorder
        self._maintenance = maintenance
        self._listeners: list[Listener] = []
        self._clock_changed = asyncio.Event()
        self.turn = asyncio.Lock()
        """Held by whoever moves the monitor in more than one slice: the lines of one process, or another configuration.
        What others say has times of its own, and must not let time pass in between.
        """
        self._still = False
        self._later: list[Callable[[], None]] = []
        self.changing = asyncio.Lock()
        """Held by whoever makes another configuration, from reading the one in force until the monitor has it."""

    def add_listener(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def take_in(self, event: Event) -> None:
        """Take in what has just happened in ermon itself, which no line of ExaBGP's says."""
        if self._still:
            self._later.append(lambda: self.take_in(event))
            return
        self._recorder.event(event)
        self.monitor.apply(event)
        self.advance(event.time)

    def apply_maintenance(self) -> None:
        """Go over to the maintenance windows as their book has them now."""
        if self._still:
            self._later.append(self.apply_maintenance)
            return
        now, windows = time.time(), [booked.window for booked in self._maintenance.windows()]
        self._recorder.maintenance(windows, now)
        self.monitor.maintain(windows, now)
        self.advance(now)

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """Keep the monitor from being moved by anybody else; what was noticed meanwhile is taken in at the end."""
        async with self.turn:
            self._still = True
            try:
                yield
            finally:
                self._still = False
                later, self._later = self._later, []
                for take_in in later:
                    take_in()

    async def go_over(self, plan: Plan) -> None:
        """Go over to another configuration, inside ``still``; whoever calls lets time pass afterwards."""
        await in_slices(self.monitor.go_over(plan, time.time()))

    async def expect(self, expectations: Expectations) -> None:
        """Go over to other published lists, inside ``still``; whoever calls lets time pass afterwards."""
        await in_slices(self.monitor.expect(expectations, time.time()))

    def advance(self, now: float | None) -> None:
        """Let time pass until ``now``, and hand on what the monitor has found; ``None``: no time passes beyond
        that of the events.
        """
        if self._still:
            return
        if now is not None:
            self._recorder.clock(now)
        outcome = self.monitor.advance(self.monitor.now if now is None else now)
        for listener in self._listeners:
            listener(outcome)
        self._clock_changed.set()  # the next deadline may be another now

    async def keep_time(self, catch_up: Callable[[], Awaitable[None]]) -> None:
        """Let time pass when the next deadline comes, and never before all that was said until then is taken in:
        ``catch_up`` returns when that is so.

        Otherwise an ermon that was stopped for a while would, when it goes on, raise what was mended long
        before: the timers have run out, and the lines that end them are still in the relay.
        """
        while True:
            self._clock_changed.clear()
            deadline = self.monitor.next_deadline()
            wait = None if deadline is None else max(0.0, deadline - time.time())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):  # Python 3.11's wait_for may swallow a cancellation
                    await self._clock_changed.wait()
                continue
            now = time.time()
            await catch_up()
            async with self.turn:
                self.advance(now)
