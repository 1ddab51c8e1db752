"""Drives the monitor: feeds events and time into it, and passes its outcomes to the listeners.

The monitor never reads a clock. The driver lets its time pass, and every change of the monitor goes through the
driver, so that a recording of the driver's input is enough to replay a night.

Changing to another configuration takes many slices of the event loop. Meanwhile the monitor applies no events: ExaBGP's
lines wait in its relay, ermon's own events wait here, and readers see the state as it was before.
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
"""Pause after a process could not be asked: its relay has died, and ermon is starting another one."""

Listener = Callable[[Outcome], None]
"""Called with every outcome, on the event loop: it must not wait, and must not change the monitor."""


class Driver:
    """Owns the monitor, and calls its listeners in the order in which they were added."""

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
        """Locked while the monitor is advanced in more than one slice: for the lines of one process, or for another
        configuration. Other events have other times, and must not let time pass in between.
        """
        monitor.follow_each_process()
        self._still = False
        self._later: list[Callable[[], None]] = []
        self.changing = asyncio.Lock()
        """Locked while a new configuration is made, from reading the present one until the monitor has the new one."""

    def add_listener(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def wall(self) -> float:
        """Return the time of the wall clock, with every step that ermon has noticed."""
        return self.monitor.network.wall(self.clock.now())

    def take_in(self, event: Event) -> None:
        """Apply an event of ermon itself, which no line of ExaBGP reports, at the present time."""
        if self._still:
            self._later.append(lambda: self.take_in(event))
            return
        self._recorder.event(event)
        self.monitor.apply(event)
        self.advance(event.time)

    def clock_stepped(self, step: ClockStepped) -> None:
        """Apply a step of the wall clock. Events that were applied before happened before the machine was suspended."""
        if step.since is not None:
            step = structs.replace(step, since=max(step.since, nextafter(self.monitor.now, inf)))
        self.take_in(step)

    def apply_maintenance(self) -> None:
        """Give the monitor the maintenance windows that are booked now."""
        if self._still:
            self._later.append(self.apply_maintenance)
            return
        now, windows = self.clock.now(), [booked.window for booked in self._maintenance.windows()]
        self._recorder.maintenance(windows, now)
        self.monitor.maintain(windows, now)
        self.advance(now)

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """Stop all other changes of the monitor inside the block; ermon's own events of that time are applied at its end."""
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
        """Change the monitor to another configuration, inside ``still``; the caller lets time pass afterwards."""
        await in_slices(self.monitor.go_over(parts, self.clock.now()))

    async def expect(self, expectations: Expectations) -> None:
        """Change the monitor to other published lists, inside ``still``; the caller lets time pass afterwards."""
        await in_slices(self.monitor.expect(expectations, self.clock.now()))

    def advance(self, now: float | None) -> None:
        """Let time pass until ``now``, and pass the outcome to the listeners; ``None``: no time passes beyond that of
        the events.
        """
        if self._still:
            return
        if now is not None:
            self._recorder.clock(now)
        outcome = self.monitor.advance(self.monitor.now if now is None else now)
        for listener in self._listeners:
            listener(outcome)
        self._clock_changed.set()  # the next deadline may have changed

    async def keep_time(self, level: Callable[[str], Awaitable[bool]]) -> None:
        """Let time pass at each deadline, after asking the processes that its timer waits for.

        ``level`` returns when ermon has applied everything that the process had sent when it was called; it returns
        ``False`` if the process cannot be asked at present. Only the timers that depend on a process wait for it.
        Without this, an ermon that was stopped for a while would raise findings that were repaired long before: the
        timers have run out, and the lines that would stop them are still in the relay.
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
        """Wait until everything that a process has sent until now is applied, and fire the timers that waited for it."""
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


# Listeners ----------------------------------------------------------------------------------------------
#
# One each for the metrics, the log, the receivers, the last 24 hours and the page. `build` adds them.


def counting(telemetry: Telemetry, clock: SteadyClock) -> Listener:
    """Count what was raised, and measure the time from its message to its detection."""

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
    """Send transitions to the receivers. A restart must not lose a message to a webhook, so it is stored first.
    Alertmanagers receive everything that is raised repeatedly, so nothing is stored for them.
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
    """Store at once which links drain: after a restart, a drained link without routes must not raise an alert."""

    def keep(outcome: Outcome) -> None:
        if store is not None and any(isinstance(change, DrainChanged) for change in outcome.changes):
            keep_drains(store, monitor.drains())

    return keep


def remembering(timeline: Timeline, monitor: Monitor) -> Listener:
    return lambda outcome: timeline.follow(monitor, outcome.changes)


def showing(hub: EventHub, monitor: Monitor) -> Listener:
    """Send outcomes to every open status page."""
    return lambda outcome: hub.publish_outcome(monitor, outcome)
