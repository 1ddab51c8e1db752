"""Drives the monitor: events and time go in, and the outcomes go to the listeners.

The monitor never reads a clock. Its time passes here, and everything that moves it comes by here, so that a
recording of this is enough to replay a night.

Going over to another configuration takes many slices of the loop's time. Meanwhile the monitor holds still: what ExaBGP
says waits in its relay, what ermon itself notices waits here, and everybody can read the state as it was.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from math import inf, nextafter

import structlog
from msgspec import structs

from ermon.aio.slices import in_slices
from ermon.core.maintenance_book import MaintenanceBook
from ermon.core.monitor import Monitor, Outcome, Parts
from ermon.core.route_index import Expectations
from ermon.core.timeline import Timeline
from ermon.daemon.clock import SteadyClock
from ermon.daemon.logs import log_transition
from ermon.metrics.process import Telemetry
from ermon.model.events import ClockStepped, DrainChanged, Event
from ermon.model.findings import TransitionState
from ermon.notify.senders import Senders
from ermon.recording.recorder import Recorder
from ermon.storage.adapters import keep_drains
from ermon.storage.store import Store
from ermon.web.events import EventHub

ASK_AGAIN_SECONDS = 0.1
"""How long a process is let alone that could not be asked: its relay has died, and another is on its way."""

Listener = Callable[[Outcome], None]
"""Told of every outcome, inside the event loop: it must not wait, and must not move the monitor."""


class Driver:
    """Listeners are called in the order in which they were added."""

    def __init__(
        self, monitor: Monitor, recorder: Recorder, maintenance: MaintenanceBook, clock: SteadyClock
    ) -> None:
        self.monitor = monitor
        self.clock = clock
        self._recorder = recorder
        self._maintenance = maintenance
        self._listeners: list[Listener] = []
        self._clock_changed = asyncio.Event()
        self.turn = asyncio.Lock()
        """Held while the monitor is advanced in more than one slice: the lines of one process, or another
        configuration. What others say has times of its own, and must not let time pass in between.
        """
        monitor.follow_each_process()
        self._still = False
        self._later: list[Callable[[], None]] = []
        self.changing = asyncio.Lock()
        """Held while another configuration is made, from reading the one in force until the monitor has it."""

    def add_listener(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def wall(self) -> float:
        """Return the time as the wall clock has it, as far as it was noticed to be set."""
        return self.monitor.network.wall(self.clock.now())

    def take_in(self, event: Event) -> None:
        """Take in what has just happened in ermon itself, which no line of ExaBGP's says."""
        if self._still:
            self._later.append(lambda: self.take_in(event))
            return
        self._recorder.event(event)
        self.monitor.apply(event)
        self.advance(event.time)

    def clock_stepped(self, step: ClockStepped) -> None:
        """Take in what has become of the wall clock; what was taken in already was before the machine was suspended."""
        if step.since is not None:
            step = structs.replace(step, since=max(step.since, nextafter(self.monitor.now, inf)))
        self.take_in(step)

    def apply_maintenance(self) -> None:
        """Go over to the maintenance windows as their book has them now."""
        if self._still:
            self._later.append(self.apply_maintenance)
            return
        now, windows = self.clock.now(), [booked.window for booked in self._maintenance.windows()]
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

    async def go_over(self, parts: Parts) -> None:
        """Go over to another configuration, inside ``still``; the caller lets time pass afterwards."""
        await in_slices(self.monitor.go_over(parts, self.clock.now()))

    async def expect(self, expectations: Expectations) -> None:
        """Go over to other published lists, inside ``still``; the caller lets time pass afterwards."""
        await in_slices(self.monitor.expect(expectations, self.clock.now()))

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

    async def keep_time(self, level: Callable[[str], Awaitable[bool]]) -> None:
        """Let time pass when the next deadline comes, and have the processes asked that it waits for.

        ``level`` returns when everything is taken in that a process had said when it was called; it answers ``False``
        where the process cannot be asked at present. Who is behind is waited for by the timers that are for it, and by
        no others. Without that an ermon that was stopped for a while would, when it goes on, raise what was mended long
        before: the timers have run out, and the lines that end them are still in the relay.
        """
        asked: set[str] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                self._clock_changed.clear()
                for process in self.monitor.awaited() - asked:
                    asked.add(process)
                    group.create_task(self._deliver(process, level, asked))
                deadline = self.monitor.next_deadline()
                wait = None if deadline is None else max(0.0, deadline - self.clock.now())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):  # Python 3.11's wait_for may swallow a cancellation
                        await self._clock_changed.wait()
                    continue
                self.clock.look()  # before time passes for which the machine was suspended
                async with self.turn:
                    self.advance(self.clock.now())

    async def _deliver(self, process: str, level: Callable[[str], Awaitable[bool]], asked: set[str]) -> None:
        """Ask a process for all that it has said until now, and let the timers fire that waited for it."""
        now = self.clock.now()
        if await level(process):
            async with self.turn:
                self._recorder.delivered(process, now)
                self.monitor.delivered(process, now)
                self.advance(None)
        else:
            await asyncio.sleep(ASK_AGAIN_SECONDS)
        asked.discard(process)
        self._clock_changed.set()


# What becomes of an outcome -----------------------------------------------------------------------------
#
# A listener each for the metrics, the log, the receivers, the last 24 hours and the page. `build` adds them.


def counting(telemetry: Telemetry, clock: SteadyClock) -> Listener:
    """Count what was raised, and how long after its message it was found."""

    def count(outcome: Outcome) -> None:
        now = clock.now()
        for message_time in outcome.detections:
            telemetry.detected(now - message_time)
        for transition in outcome.transitions:
            if transition.state is TransitionState.RAISED:
                telemetry.raised(transition.finding.check)

    return count


def logging() -> Listener:
    log = structlog.get_logger()

    def write(outcome: Outcome) -> None:
        for transition in outcome.transitions:
            log_transition(log, transition)

    return write


def handing_out(senders: Senders, store: Store | None) -> Listener:
    """Send it to the receivers. What a webhook is sent must not be forgotten by a restart, so it is written down
    first; the Alertmanagers are sent again and again all that is raised.
    """

    def hand_out(outcome: Outcome) -> None:
        if not outcome.transitions:
            return
        senders.push()
        deliveries = senders.deliveries(outcome.transitions)
        if store is None:
            senders.send(deliveries)
            return
        saved = store.save(outcome.transitions, deliveries)
        saved.add_done_callback(lambda _: senders.send(deliveries))

    return hand_out


def keeping_drains(monitor: Monitor, store: Store | None) -> Listener:
    """Write down which links drain, at once: their silence must not page anybody because ermon was restarted."""

    def keep(outcome: Outcome) -> None:
        if store is not None and any(isinstance(change, DrainChanged) for change in outcome.changes):
            keep_drains(store, monitor.drains())

    return keep


def remembering(timeline: Timeline, monitor: Monitor) -> Listener:
    return lambda outcome: timeline.follow(monitor, outcome.changes)


def showing(hub: EventHub, monitor: Monitor) -> Listener:
    """Send it to every page that is open."""
    return lambda outcome: hub.publish_outcome(monitor, outcome)
