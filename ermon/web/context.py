"""What the web needs of the rest of ermon."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from ermon import __version__
from ermon.core.maintenance_book import MaintenanceBook
from ermon.core.monitor import Monitor
from ermon.core.timeline import Timeline
from ermon.httpd.shell import WebConfig
from ermon.httpd.sites import Hosts
from ermon.metrics.process import Telemetry
from ermon.model.findings import Finding
from ermon.web.events import EventHub


async def no_history(since: float, limit: int) -> list[Finding]:
    """Where nothing outlives ermon, there is what it remembers itself."""
    del since, limit
    return []


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
    """Whether ermon may be changed over HTTP: ``/-/reload`` and maintenance windows."""
    external_url: str = "http://127.0.0.1:10179"
    """Under which people reach ermon, without a slash at the end."""
    web_config: Callable[[], WebConfig] = WebConfig
    """Who may speak to ermon, and how, as it is now."""
    hosts: Hosts = field(default_factory=Hosts)
    """The names under which ermon may be asked for."""
    maintenance: MaintenanceBook = field(default_factory=MaintenanceBook)
    maintenance_changed: Callable[[], None] = lambda: None
    """Makes the monitor heed the windows as they are now."""
    history: Callable[[float, int], Awaitable[list[Finding]]] = no_history
    """The findings that were cleared since a time, the latest first, a number of them at most."""
    timeline: Timeline = field(default_factory=Timeline)
    """What the links were over the last 24 hours."""
    version: str = __version__
    clock: Callable[[], float] = time.time


CONTEXT = web.AppKey("context", WebContext)
