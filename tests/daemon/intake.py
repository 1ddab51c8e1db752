"""An intake on a clock of the test's own, for a supervisor or for stations without a monitor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ermon.daemon.clock import SteadyClock
from ermon.daemon.intake import Intake
from ermon.metrics.process import Telemetry
from ermon.model.events import Event
from ermon.model.inventory import Config
from ermon.recording.recorder import Recorder


def make_intake(
    config: Config,
    now: Callable[[], float],
    *,
    apply: Callable[[Event], None] = lambda _: None,
    advance: Callable[[float | None], None] = lambda _: None,
) -> Intake:
    """Record nothing, and ask about nothing."""
    telemetry = Telemetry(config, source_age=lambda _: 0.0)
    return Intake(
        telemetry,
        Recorder(),
        SteadyClock(now, now),
        asyncio.Lock(),
        apply=apply,
        advance=advance,
        interest=lambda _: None,
    )
