"""Shared by the handlers of the API: their access to the rest of ermon, parameters of requests, and the envelope of an
answer.
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
    """The stored history. Times are seconds since the epoch."""

    async def history(self, since: float, limit: int) -> list[Finding]:
        """Return the findings that were cleared since a time, the latest first."""

    async def between(self, start: float, end: float, limit: int) -> list[Finding]:
        """Return the findings that were raised at some time between two times and are cleared, the latest first."""

    async def cleared_finding(self, finding_id: str) -> Finding | None:
        """Return a cleared finding, ``None`` if none with this id is stored."""

    async def hours(self, first: int, last: int) -> dict[int, KeptTimeline]:
        """Return the timeline of the links, by hours since the epoch."""

    async def held_from(self) -> float | None:
        """Return the earliest time with stored data."""


class AzureTables(Protocol):
    """What reads the tables of Microsoft's edge routers."""

    def out_of_turn(self, circuit: str) -> float | None:
        """Read those of a circuit as soon as that is allowed; return in how many seconds. ``None``: it has none."""

    def reading(self, circuit: str) -> bool:
        """Return whether those of a circuit are being read, or are about to be."""


class NoTables:
    """Stands for it where there is no running daemon: nothing is read."""

    def out_of_turn(self, circuit: str) -> float | None:
        del circuit
        return None

    def reading(self, circuit: str) -> bool:
        del circuit
        return False


class NothingKept:
    """The history without a store: empty, so that only ermon's own memory is shown."""

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
    """Accept nothing, where there is no running monitor."""
    del check, labels, because


@dataclass(frozen=True, slots=True)
class WebContext:
    """The handlers' access to the rest of ermon; times are seconds since the epoch."""

    monitor: Callable[[], Monitor]
    telemetry: Telemetry
    hub: EventHub
    ready: Callable[[], tuple[bool, str]]
    """Returns whether ExaBGP is up and listening, and otherwise the reason."""
    reload: Callable[[], Awaitable[list[str]]]
    """Reloads the configuration file; returns the mistakes in it, if any."""
    hold: Callable[[], Held]
    """Returns the present state for a recording."""
    started_at: float
    lifecycle: bool = False
    """Whether changes are allowed over TCP too: ``/-/reload``, maintenance windows, acceptances."""
    control: Path | None = None
    """The socket over which this machine's accounts may make changes; ``None``: there is none."""
    familiar: Familiar = field(default_factory=Familiar)
    """The parties that have given a right password."""
    external_url: str = "http://127.0.0.1:10179"
    """The URL at which users reach ermon, without a slash at the end."""
    web_config: Callable[[], WebConfig] = WebConfig
    """Returns the present web configuration: users, certificates, limits."""
    hosts: Hosts = field(default_factory=Hosts)
    """The host names that requests may use."""
    maintenance: MaintenanceBook = field(default_factory=MaintenanceBook)
    maintenance_changed: Callable[[], None] = lambda: None
    """Gives the monitor the windows that are booked now."""
    accept: Callable[[str, Labels, str], Awaitable[None]] = nothing_accepted
    """Accepts the present state of the subjects of a check with these labels, with a reason."""
    azure: AzureTables = field(default_factory=NoTables)
    past: Past = NOTHING_KEPT
    timeline: Timeline = field(default_factory=Timeline)
    """The states of the links over the last 24 hours."""
    runs: RunLog = field(default_factory=RunLog)
    """The times at which ermon ran."""
    version: str = __version__
    clock: Callable[[], float] = time.time


CONTEXT = web.AppKey("context", WebContext)


JSON_TYPE = "application/json"


def success(data: Any, warnings: Sequence[str] = ()) -> bytes:
    """Encode an answer; ``warnings`` say what its data may lack, as in Prometheus' API."""
    return msgspec.json.encode(Success("success", data, tuple(warnings)))


def failure(error: str) -> bytes:
    return msgspec.json.encode(Failure("error", error))


def answer(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return an answer of the API. It must not be cached, because it is the state of a moment."""
    headers = {"Cache-Control": "no-store"} | dict(headers or {})
    return web.Response(body=body, status=status, content_type=JSON_TYPE, headers=headers)


def refuse(error: str) -> NoReturn:
    """Refuse a wrong request with status 400."""
    raise web.HTTPBadRequest(text=error)


def parameters(request: web.Request, *known: str) -> dict[str, str]:
    """Return the query's parameters; refuse unknown and repeated ones."""
    query = request.query
    for name in query:
        if name not in known:
            allowed = " and ".join(known) if known else "none"
            refuse(f"unknown parameter {name!r}; this path takes {allowed}")
        if len(query.getall(name)) > 1:
            refuse(f"parameter {name!r} is given more than once")
    return dict(query)


def choice(values: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str | None:
    """Return a parameter that must be one of a few words, ``None`` if it is missing."""
    value = values.get(name)
    if value is not None and value not in allowed:
        refuse(f"parameter {name!r} is {value!r}, and must be one of {', '.join(allowed)}")
    return value


_SECONDS = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,9})?")


def moment(values: Mapping[str, str], name: str) -> float | None:
    """Return a parameter that is a time, RFC 3339 or seconds since the epoch; ``None`` if it is missing."""
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
    """Return a parameter that must be a whole number from 1 to ``most``."""
    text = values.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        refuse(f"parameter {name!r} is {text!r}, and must be a whole number from 1 to {most}")
    return int(text)
