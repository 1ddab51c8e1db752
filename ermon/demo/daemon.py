"""The real ``ermon run`` as a child of the demo, and what its API tells."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from ermon.demo import launch
from ermon.demo.child import Child

WEB_ADDRESS = "127.0.0.1"

READY_SECONDS = 20.0
"""How long ermon may take to start: two seconds, unless the machine is very busy."""
POLL_SECONDS = 0.05
ANSWER_SECONDS = 5.0
"""How long an answer may take; the event stream never ends."""
LAST_WORDS_SECONDS = 10.0
"""How long an ermon may take to end that does not answer any more: no time, unless the machine is very busy."""
MAX_EVENT_BYTES = 2**20
"""Of a line of the event stream; the snapshot of this network has 20 kB."""


@dataclass(frozen=True, slots=True)
class Told:
    """ermon has said that a finding was raised or cleared."""

    at: float
    """When the demo heard it, on the monotonic clock."""
    state: str
    check: str
    labels: Mapping[str, str]
    severity: str
    summary: str
    evidence: Mapping[str, Any]


class Daemon:
    """A running ermon, seen from outside. It runs inside ``async with daemon.running()``."""

    def __init__(self, config_file: Path, port: int, directory: Path) -> None:
        """``port`` is where it serves the web; ``directory`` is for its log and its runtime files."""
        self.url = f"http://{WEB_ADDRESS}:{port}"
        self.child = Child(
            "ermon",
            (
                *(sys.executable, "-P", launch.__file__, str(os.getpid()), "run"),
                f"--config.file={config_file}",
                f"--web.listen-address={WEB_ADDRESS}:{port}",
                f"--runtime.path={directory / 'run'}",
                "--log.format=json",
            ),
            directory / "ermon.log",
            {},
        )
        self.feeds: dict[str, Any] = {}
        """What ``/api/v1/status`` says of each feed, kept up to date by the event stream."""
        self.links: dict[str, Any] = {}
        """The same of each link."""
        self._told: deque[Told] = deque()
        self._changed = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Daemon]:
        """Run ermon and listen to it; ``DemoError`` when it does not get ready."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with (
            self.child,
            aiohttp.ClientSession(self.url, timeout=timeout, read_bufsize=MAX_EVENT_BYTES) as http,
        ):
            self._http = http
            await self._wait_until_ready()
            self._reader = asyncio.create_task(self._listen())
            try:
                await self._wait_for_snapshot()
                yield self
            finally:
                self._reader.cancel()
                await asyncio.gather(self._reader, return_exceptions=True)

    async def get(self, path: str) -> Any:
        """Ask the API, and return the data of its answer; ``DemoError`` when none comes."""
        try:
            async with self._http.get(path) as response:
                response.raise_for_status()
                return (await response.json())["data"]
        except (aiohttp.ClientError, TimeoutError) as error:
            await self.child.wait(LAST_WORDS_SECONDS)
            raise self.child.failure(f"does not answer {path}") from error

    def has_told(self) -> bool:
        """Tell whether ermon has raised or cleared something that was not taken yet."""
        return bool(self._told)

    def take_told(self) -> Told:
        """Return the next of what ermon has raised and cleared."""
        return self._told.popleft()

    async def wait_until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Return when ``condition`` holds; ``TimeoutError`` when it does not in time. It is asked again
        whenever ermon says something.
        """
        async with asyncio.timeout(seconds):
            while not condition():
                if self._reader is not None and self._reader.done():
                    await self.child.wait(LAST_WORDS_SECONDS)
                    raise self.child.failure("ended its event stream") from self._reader.exception()
                await self._changed.wait()
                self._changed.clear()

    async def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while self.child.running and time.monotonic() < deadline:
            try:
                async with self._http.get("/-/ready") as response:
                    if response.ok:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass  # it does not listen yet
            await asyncio.sleep(POLL_SECONDS)
        raise self.child.failure("does not get ready")

    async def _wait_for_snapshot(self) -> None:
        try:
            await self.wait_until(lambda: bool(self.feeds), READY_SECONDS)
        except TimeoutError:
            raise self.child.failure("sends no events") from None

    async def _listen(self) -> None:
        """Follow the event stream (WHATWG HTML, server-sent events)."""
        kind = ""
        try:
            endless = aiohttp.ClientTimeout(total=None)
            async with self._http.get("/api/v1/events", timeout=endless) as response:
                response.raise_for_status()
                async for line in response.content:
                    field, _, value = line.decode().rstrip("\n").partition(": ")
                    if field == "event":
                        kind = value
                    elif field == "data":
                        self._take(kind, json.loads(value))
                        self._changed.set()
        finally:
            self._changed.set()

    def _take(self, kind: str, data: Any) -> None:
        match kind:
            case "snapshot":
                self.feeds = data["status"]["feeds"]
                for circuit in data["status"]["circuits"].values():
                    self.links |= circuit["links"]
                self._told.extend(map(_told, data["findings"]))
            case "feed":
                self.feeds[data["feed"]] = data
            case "link":
                self.links[data["link"]] = data
            case "transition":
                self._told.append(_told(data))
            case _:
                pass  # a pool


def _told(finding: Any) -> Told:
    return Told(
        time.monotonic(),
        finding["state"],
        finding["check"],
        finding["labels"],
        finding["severity"],
        finding["summary"],
        finding["evidence"],
    )
