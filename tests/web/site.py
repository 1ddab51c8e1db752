"""A site and its clients, for the tests of the web."""

from __future__ import annotations

import asyncio
import math
import os
import pwd
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from aiohttp import ClientResponse, ClientSession, UnixConnector
from aiohttp.test_utils import TestClient

from ermon.api.status import StatusDoc
from ermon.core.runs import RunLog
from ermon.core.status import collect
from ermon.core.timeline import KeptTimeline, Timeline
from ermon.exabgp.decode import DecoderMemory
from ermon.httpd.access import Hosts
from ermon.httpd.listen import listening
from ermon.httpd.passwords import Familiar
from ermon.httpd.shell import WebConfig
from ermon.metrics.process import Telemetry
from ermon.model.findings import Finding
from ermon.model.settings import Severity
from ermon.recording.entries import Held
from ermon.web import api
from ermon.web.app import WebContext, make_app
from ermon.web.events import EventHub
from ermon.web.handling import NOTHING_KEPT, AzureTables, NoTables, NothingKept, Past
from tests.story import Story

ME = pwd.getpwuid(os.getuid()).pw_name
"""The account that uses the control socket here."""


class KeptPast(NothingKept):
    """The stored history: findings, the one that was cleared last first, and hours of the links."""

    def __init__(
        self, findings: Iterable[Finding] = (), hours: Mapping[int, KeptTimeline] | None = None
    ) -> None:
        self.findings = sorted(findings, key=lambda found: found.cleared_at or 0.0, reverse=True)
        self.links = dict(hours or {})

    async def history(self, since: float, limit: int) -> list[Finding]:
        return await self.between(since, math.inf, limit)

    async def between(self, start: float, end: float, limit: int) -> list[Finding]:
        found = [each for each in self.findings if (each.cleared_at or 0.0) >= start and each.since <= end]
        return found[:limit]

    async def cleared_finding(self, finding_id: str) -> Finding | None:
        return next((each for each in self.findings if each.id == finding_id), None)

    async def hours(self, first: int, last: int) -> dict[int, KeptTimeline]:
        return {hour: part for hour, part in self.links.items() if first <= hour <= last}

    async def held_from(self) -> float | None:
        cleared = [each.cleared_at for each in self.findings if each.cleared_at is not None]
        return min((*cleared, *(3600.0 * (hour + 1) for hour in self.links)), default=None)


def past_finding(at: float, *, since: float | None = None) -> Finding:
    """Return a finding that was cleared at a time."""
    began = at - 60 if since is None else since
    return Finding(
        id=f"at {at}",
        check="link-down",
        labels={"link": "primary"},
        severity=Severity.WARNING,
        summary="",
        evidence={},
        since=began,
        raised_at=began + 10,
        ended_at=at - 30,
        cleared_at=at,
    )


@dataclass
class Site:
    """One ermon and its web."""

    net: Story
    hub: EventHub = field(default_factory=lambda: EventHub(every=0))
    timeline: Timeline = field(default_factory=Timeline)
    runs: RunLog = field(default_factory=RunLog)
    past: Past = NOTHING_KEPT
    azure: AzureTables = field(default_factory=NoTables)
    lifecycle: bool = False
    not_ready: str = ""
    problems: list[str] = field(default_factory=list)
    """The mistakes that a reload reports."""
    reloads: int = 0
    web_config: Callable[[], WebConfig] = WebConfig
    external_url: str = "http://127.0.0.1:10179"
    hosts: Hosts = field(default_factory=Hosts)
    control: Path | None = None
    familiar: Familiar = field(default_factory=Familiar)
    ahead: float = 0.0
    """How far its clock is ahead of the network's time, in seconds."""

    @cached_property
    def telemetry(self) -> Telemetry:
        return Telemetry(self.net.config)

    def context(self) -> WebContext:
        return WebContext(
            monitor=lambda: self.net.monitor,
            telemetry=self.telemetry,
            hub=self.hub,
            ready=lambda: (not self.not_ready, self.not_ready),
            reload=self.reload,
            hold=lambda: Held.by(self.net.monitor, DecoderMemory(), {}),
            started_at=self.net.start,
            lifecycle=self.lifecycle,
            control=self.control,
            familiar=self.familiar,
            clock=lambda: self.net.now + self.ahead,
            web_config=self.web_config,
            external_url=self.external_url,
            hosts=self.hosts,
            timeline=self.timeline,
            runs=self.runs,
            past=self.past,
            accept=self.accept,
            azure=self.azure,
        )

    async def accept(self, check: str, labels: tuple[tuple[str, str], ...], because: str) -> None:
        self.net.accept(check, because, **dict(labels))

    @asynccontextmanager
    async def listens(self) -> AsyncIterator[str]:
        """Serve the site as the daemon does, and yield its address."""
        async with listening(make_app(self.context()), [("127.0.0.1", 0)]) as [url]:
            yield url

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Client]:
        """Serve the site, and yield a client over plain HTTP."""
        async with self.listens() as url, ClientSession(url) as http:
            yield Client(http)

    @asynccontextmanager
    async def controlled(self, folder: Path) -> AsyncIterator[Client]:
        """Serve the site, and yield a client over its control socket, with the rights of this account."""
        self.control = folder / "control.sock"
        async with (
            self.listens(),
            ClientSession("http://localhost", connector=UnixConnector(str(self.control))) as http,
        ):
            yield Client(http)

    def tell(self) -> Self:
        """Publish everything that has changed since the last call."""
        outcome = self.net.monitor.advance(self.net.now)
        self.timeline.follow(self.net.monitor, outcome.changes)
        self.hub.publish_outcome(self.net.monitor, outcome)
        return self

    async def reload(self) -> list[str]:
        self.reloads += 1
        return self.problems


class Client:
    """A client of a site."""

    def __init__(self, http: TestClient | ClientSession) -> None:
        self.http = http

    async def data(self, path: str, **parameters: str) -> Any:
        """The data of an answer that must be a success."""
        response = await self.http.get(path, params=parameters)
        answer = await response.json()
        assert (response.status, answer.get("status")) == (200, "success"), answer
        return answer["data"]

    async def error(self, path: str, method: str = "GET", **parameters: str) -> tuple[int, str]:
        """The status and the text of an answer that must be an error, in JSON."""
        response = await self.http.request(method, path, params=parameters)
        answer = await response.json()
        assert answer.keys() == {"status", "error"}
        assert answer["status"] == "error"
        return response.status, answer["error"]

    async def text(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
        response = await self.get(path, method, **headers)
        return response.status, await response.text()

    async def get(self, path: str, method: str = "GET", **headers: str) -> ClientResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.request(method, path, headers=named)


def status_of(net: Story) -> StatusDoc:
    """Return the API's status of a story at this moment."""
    context = Site(net).context()
    return api.status_of(context, collect(context.monitor()))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # what the other end of a socket does sets no event here
        await asyncio.sleep(0.001)
