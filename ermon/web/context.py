"""What the web needs of the rest of ermon."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from ermon import __version__
from ermon.maintenance_book import MaintenanceBook
from ermon.monitor import Monitor
from ermon.telemetry import Telemetry
from ermon.web.events import EventHub


@dataclass(frozen=True, slots=True)
class WebContext:
    """Handed to ``make_app``; times are seconds since the epoch."""

    monitor: Callable[[], Monitor]
    telemetry: Telemetry
    hub: EventHub
    ready: Callable[[], tuple[bool, str]]
    """Whether ExaBGP is up and listening; if not, why."""
    reload: Callable[[], Awaitable[list[str]]]
    """Goes over to the configuration file as it is now; returns what is wrong with it, if anything is."""
    started_at: float
    lifecycle: bool = False
    """Whether ``/-/reload`` may be used."""
    maintenance: MaintenanceBook = field(default_factory=MaintenanceBook)
    maintenance_changed: Callable[[], None] = lambda: None
    """Makes the monitor heed the windows as they are now."""
    version: str = __version__
    clock: Callable[[], float] = time.time


CONTEXT = web.AppKey("context", WebContext)
