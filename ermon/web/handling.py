"""What the handlers of the API share: what they know of the rest of ermon, what a request may ask with, and the
envelope of an answer.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Protocol

import msgspec
from aiohttp import web

from ermon import __version__
from ermon.api.answers import Failure, Success
from ermon.core.accepting import Labels
from ermon.core.maintenance_book import MaintenanceBook
from ermon.core.monitor import Monitor
from ermon.core.runs import RunLog
from ermon.core.timeline import KeptTimeline, Timeline
from ermon.httpd.access import Hosts
from ermon.httpd.passwords import Familiar
from ermon.httpd.shell import WebConfig
from ermon.metrics.process import Telemetry
from ermon.model.findings import LAST_SECOND, Finding
from ermon.model.text import parse_timestamp
from ermon.recording.entries import Held
from ermon.web.events import EventHub


class Past(Protocol):
    """What outlives ermon. Times are seconds since the epoch."""

    async def history(self, since: float, limit: int) -> list[Finding]:
        """Return the findings that were cleared since a time, the latest first."""

    async def between(self, start: float, end: float, limit: int) -> list[Finding]:
        """Return the findings that were raised at some time between two times and are cleared, the latest first."""

    async def cleared_finding(self, finding_id: str) -> Finding | None:
        """Return a finding that was cleared, as long as it is kept."""

    async def hours(self, first: int, last: int) -> dict[int, KeptTimeline]:
        """Return what the links were, by hours of the calendar since the epoch."""

    async def held_from(self) -> float | None:
        """Return the earliest time of which anything is held."""


class NothingKept:
    """Without a store, there is what ermon remembers itself."""

    async def history(self, since: float, limit: int) -> list[Finding]:
        del since, limit
        return []

    async def between(self, start: float, end: float, limit: int) -> list[Finding]:
        del start, end, limit
        return []

    async def cleared_finding(self, finding_id: str) -> Finding | None:
        del finding_id
        return None

    async def hours(self, first: int, last: int) -> dict[int, KeptTimeline]:
        del first, last
        return {}

    async def held_from(self) -> float | None:
        return None


NOTHING_KEPT = NothingKept()


async def nothing_accepted(check: str, labels: Labels, because: str) -> None:
    """Where nobody moves the monitor."""
    del check, labels, because


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
    hold: Callable[[], Held]
    """Takes what is held at the moment."""
    started_at: float
    lifecycle: bool = False
    """Whether ermon may be changed over TCP too: ``/-/reload``, maintenance windows, what is accepted."""
    control: Path | None = None
    """The socket over which this machine's accounts may; ``None``: there is none."""
    familiar: Familiar = field(default_factory=Familiar)
    """The parties that have given a right password."""
    external_url: str = "http://127.0.0.1:10179"
    """Under which people reach ermon, without a slash at the end."""
    web_config: Callable[[], WebConfig] = WebConfig
    """Who may speak to ermon, and how, as it is now."""
    hosts: Hosts = field(default_factory=Hosts)
    """The names under which ermon may be asked for."""
    maintenance: MaintenanceBook = field(default_factory=MaintenanceBook)
    maintenance_changed: Callable[[], None] = lambda: None
    """Applies the windows as they are now to the monitor."""
    accept: Callable[[str, Labels, str], Awaitable[None]] = nothing_accepted
    """Takes what a check says of the subjects with these labels for right, for a reason."""
    past: Past = NOTHING_KEPT
    timeline: Timeline = field(default_factory=Timeline)
    """What the links were over the last 24 hours."""
    runs: RunLog = field(default_factory=RunLog)
    """When ermon ran."""
    version: str = __version__
    clock: Callable[[], float] = time.time


CONTEXT = web.AppKey("context", WebContext)


JSON_TYPE = "application/json"


def success(data: Any, warnings: Sequence[str] = ()) -> bytes:
    """Write an answer; ``warnings`` say what its data may lack, as in Prometheus' API."""
    return msgspec.json.encode(Success("success", data, tuple(warnings)))


def failure(error: str) -> bytes:
    return msgspec.json.encode(Failure("error", error))


def answer(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return an answer of the API; nobody may keep it, since it is the state of a moment."""
    headers = {"Cache-Control": "no-store"} | dict(headers or {})
    return web.Response(body=body, status=status, content_type=JSON_TYPE, headers=headers)


def refuse(error: str) -> NoReturn:
    """The request asks for something that cannot be: 400."""
    raise web.HTTPBadRequest(text=error)


def parameters(request: web.Request, *known: str) -> dict[str, str]:
    """Return the query's parameters; one that is unknown or given twice is refused."""
    query = request.query
    for name in query:
        if name not in known:
            allowed = " and ".join(known) if known else "none"
            refuse(f"unknown parameter {name!r}; this path takes {allowed}")
        if len(query.getall(name)) > 1:
            refuse(f"parameter {name!r} is given more than once")
    return dict(query)


def choice(values: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str | None:
    """Return a parameter that must be one of a few words, ``None`` where it is missing."""
    value = values.get(name)
    if value is not None and value not in allowed:
        refuse(f"parameter {name!r} is {value!r}, and must be one of {', '.join(allowed)}")
    return value


_SECONDS = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,9})?")


def moment(values: Mapping[str, str], name: str) -> float | None:
    """Return a parameter that is a time, RFC 3339 or seconds since the epoch; ``None`` where it is missing."""
    text = values.get(name)
    if text is None:
        return None
    try:
        found = float(text) if _SECONDS.fullmatch(text) else parse_timestamp(text).timestamp()
    except ValueError as error:
        refuse(f"parameter {name!r}: {error} (a + in it is written %2B in a URL), or seconds since the epoch")
    if not 0 <= found <= LAST_SECOND:
        refuse(f"parameter {name!r}: {text!r} is before 1970 or after 9999")
    return found


def number(values: Mapping[str, str], name: str, default: int, most: int) -> int:
    """Return a parameter that must be a whole number of at least 1."""
    text = values.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        refuse(f"parameter {name!r} is {text!r}, and must be a whole number from 1 to {most}")
    return int(text)
