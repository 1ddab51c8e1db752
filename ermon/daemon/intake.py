"""Where what routers say goes in, whether ExaBGP reads it or BMP brings it: recorded, applied and judged in turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from ermon.bgp.interest import Interest
from ermon.daemon.clock import SteadyClock
from ermon.metrics.process import Telemetry
from ermon.model.events import Event
from ermon.recording.recorder import Recorder


@dataclass(slots=True)
class Intake:
    """One for all readers of a daemon."""

    telemetry: Telemetry
    recorder: Recorder
    """Gets all input before it is decoded, and each event that no input said."""
    clock: SteadyClock
    turn: asyncio.Lock
    """Held while events are applied: no reader's come between those of another."""
    apply: Callable[[Event], None]
    advance: Callable[[float | None], None]
    """Called after a batch of events: with the time, or with ``None`` if no time may pass beyond that of the events."""
    interest: Callable[[str], Interest | None]
    """What can be asked about on a feed, by its name."""
