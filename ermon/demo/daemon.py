"""The real ``ermon run`` as a child of the demo, and its API."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import msgspec

from ermon.api.answers import FeedEvent, FindingDoc, LinkEvent, SnapshotEvent, SubjectDoc, Success
from ermon.api.status import FeedDoc, LinkDoc
from ermon.client.http import Parser
from ermon.demo import launch
from ermon.demo.child import Child

WEB_ADDRESS = "127.0.0.1"

READY_SECONDS = 20.0
"""How long ermon may take to start: two seconds, unless the machine is very busy."""
POLL_SECONDS = 0.05
ANSWER_SECONDS = 5.0
"""How long an answer may take. This is not for the event stream, which never ends."""
LAST_WORDS_SECONDS = 10.0
"""How long ermon may take to end after it stopped answering: no time, unless the machine is very busy."""


class Reported(NamedTuple):
    """ermon has reported that a finding was raised or cleared."""

    at: float
    """When the demo received it, on the monotonic clock."""
    finding: FindingDoc


class Daemon:
    """A running ermon, by its API. It runs inside ``async with daemon.running()``."""

    def __init__(self, config_file: Path, port: int, directory: Path) -> None:
        """``port`` is that of its HTTP server; ``directory`` is for its log and its runtime files."""
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
        self.feeds: dict[str, FeedDoc] = {}
        """The status of each feed from ``/api/v1/status``, updated by the event stream."""
        self.links: dict[str, LinkDoc] = {}
        """The status of each link, in the same way."""
        self._reported: deque[Reported] = deque()
        self._known: set[tuple[str, str]] = set()
        """The reports until now, by the finding's ID and its state."""
        self._changed = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Daemon]:
        """Run ermon and follow its event stream; ``DemoError`` when it does not get ready."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with self.child, aiohttp.ClientSession(self.url, timeout=timeout) as http:
            self._http = http
            await self._wait_until_ready()
            self._reader = asyncio.create_task(self._listen())
            try:
                await self._wait_for_snapshot()
                yield self
            finally:
                self._reader.cancel()
                await asyncio.gather(self._reader, return_exceptions=True)

    async def raised(self) -> list[FindingDoc]:
        """Return the findings that are raised now; ``DemoError`` without an answer."""
        answer = await self._get("/api/v1/findings?state=raised")
        return msgspec.json.decode(answer, type=Success[list[FindingDoc]]).data

    async def statuses(self) -> list[SubjectDoc]:
        """Return the status of every check now; ``DemoError`` without an answer."""
        answer = await self._get("/api/v1/statuses")
        return msgspec.json.decode(answer, type=Success[list[SubjectDoc]]).data

    async def poll(self, condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
        """Return when ``condition`` is true; ``TimeoutError`` if it is not true in time. It is checked again and again."""
        async with asyncio.timeout(seconds):
            while True:
                if await condition():
                    return
                await asyncio.sleep(POLL_SECONDS)

    def reload(self) -> None:
        """Let ermon read its configuration again."""
        self.child.process.send_signal(signal.SIGHUP)

    async def _get(self, path: str) -> bytes:
        try:
            async with self._http.get(path) as response:
                response.raise_for_status()
                return await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            await self.child.wait(LAST_WORDS_SECONDS)
            raise self.child.failure(f"does not answer {path}") from error

    def has_reported(self) -> bool:
        """Return whether ermon has raised or cleared a finding that was not taken yet."""
        return bool(self._reported)

    def take_reported(self) -> Reported:
        """Return the next raised or cleared finding."""
        return self._reported.popleft()

    async def wait_until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Return when ``condition`` is true; ``TimeoutError`` if it is not true in time. It is checked again
        after each message of ermon.
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
                pass  # ermon does not listen yet
            await asyncio.sleep(POLL_SECONDS)
        raise self.child.failure("does not get ready")

    async def _wait_for_snapshot(self) -> None:
        try:
            await self.wait_until(lambda: bool(self.feeds), READY_SECONDS)
        except TimeoutError:
            raise self.child.failure("sends no events") from None

    async def _listen(self) -> None:
        """Follow the event stream."""
        parser = Parser()
        try:
            endless = aiohttp.ClientTimeout(total=None)
            async with self._http.get("/api/v1/events", timeout=endless) as response:
                response.raise_for_status()
                async for piece in response.content.iter_any():
                    for event in parser.feed(piece):
                        self._take(event.kind, event.data)
                        self._changed.set()
        finally:
            self._changed.set()

    def _take(self, kind: str, data: bytes) -> None:
        decode = msgspec.json.decode
        match kind:
            case "snapshot":
                snapshot = decode(data, type=SnapshotEvent)
                self.feeds = dict(snapshot.status.feeds)
                for circuit in snapshot.status.circuits.values():
                    self.links |= circuit.links
                for finding in snapshot.findings:  # it comes again after a reload
                    self._report(finding)
            case "feed":
                feed = decode(data, type=FeedEvent)
                self.feeds[feed.feed] = feed
            case "link":
                link = decode(data, type=LinkEvent)
                self.links[link.link] = link
            case "transition":
                self._report(decode(data, type=FindingDoc))
            case _:
                pass  # pools and the headline are not used here

    def _report(self, finding: FindingDoc) -> None:
        if (finding.id, finding.state) not in self._known:
            self._known.add((finding.id, finding.state))
            self._reported.append(Reported(time.monotonic(), finding))
