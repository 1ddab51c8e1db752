"""A site and its client: what the tests of the web speak to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient

from ermon.telemetry import Telemetry
from ermon.web.app import WebContext
from ermon.web.events import EventHub
from tests.story import Story


@dataclass
class Site:
    """One ermon and its web."""

    net: Story
    hub: EventHub = field(default_factory=EventHub)
    lifecycle: bool = False
    not_ready: str = ""
    problems: list[str] = field(default_factory=list)
    """What a reload finds wrong."""
    reloads: int = 0

    def context(self) -> WebContext:
        return WebContext(
            monitor=lambda: self.net.monitor,
            telemetry=Telemetry(self.net.config),
            hub=self.hub,
            ready=lambda: (not self.not_ready, self.not_ready),
            reload=self.reload,
            started_at=self.net.start,
            lifecycle=self.lifecycle,
            clock=lambda: self.net.now,
        )

    def tell(self) -> Self:
        """Tell those who listen what has come of everything since this was last called."""
        self.hub.publish_outcome(self.net.monitor, self.net.monitor.settle(self.net.now))
        return self

    async def reload(self) -> list[str]:
        self.reloads += 1
        return self.problems


class Client:
    """A client of a site."""

    def __init__(self, http: TestClient) -> None:
        self.http = http

    async def data(self, path: str, **parameters: str) -> Any:
        """The data of an answer that must be a success."""
        response = await self.http.get(path, params=parameters)
        answer = await response.json()
        assert (response.status, answer.get("status")) == (200, "success"), answer
        return answer["data"]

    async def error(self, path: str, method: str = "GET", **parameters: str) -> tuple[int, str]:
        """The status and the words of an answer that must be an error, in JSON."""
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
