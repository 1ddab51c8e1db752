"""The BMP connections of routers: listened for, read, and closed together. The counterpart of ``supervisor`` for ExaBGP.

What a router reports becomes events here, which are handed on in the order in which they arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Mapping

import structlog
from msgspec import structs

from ermon.aio.slices import in_slices
from ermon.bmp.listen import BmpListener, BmpListenError, Closed, Mark, Octets, Opened
from ermon.bmp.router import Rejected, RouterStream
from ermon.bmp.sessions import monitored
from ermon.daemon.intake import Intake
from ermon.daemon.malformed import MalformedUpdates
from ermon.daemon.sparing import Sparing
from ermon.model.events import Event, FeedRequest, ProcessDown, ProcessUp, SessionDown, SessionUp
from ermon.model.inventory import Config, bmp_connection

LOGGED_EVERY_SECONDS = 10.0
"""Of what is rejected or refused, one of each kind is logged in this time. All are counted."""
MAX_REFUSED_LOGGED = 16
"""Of addresses that may not connect, so many are logged in this time."""
MAX_CHANGES_LOGGED = 100
"""Of a router's connections and sessions, so many beginnings and ends are logged in this time."""
LOOK_EVERY_SECONDS = 0.05
"""How often it is looked what is overdue while octets come in."""
RETRY_SECONDS = 10.0
RECONNECT_SECONDS = 300.0
"""A connection is closed once in this time at most to have a router send everything again."""


class Stations:
    """Takes the BMP connections of routers, and turns what comes on them into events."""

    def __init__(self, config: Config, keys: Mapping[str, str], intake: Intake) -> None:
        self._config = config
        self._keys = dict(keys)
        self._intake = intake
        self._listener = BmpListener(self._refused)
        self._streams: dict[str, tuple[int, RouterStream]] = {}
        """By router that is connected: the number of the connection, and what reads it."""
        self._closed_at: dict[str, float] = {}
        """By router: when its connection was last closed to have everything sent again."""
        self._malformed = MalformedUpdates(intake.telemetry)
        self._rejected_logged = Sparing(LOGGED_EVERY_SECONDS)
        self._refused_logged = Sparing(LOGGED_EVERY_SECONDS, MAX_REFUSED_LOGGED)
        self._changes_logged: dict[str, Sparing] = {}
        """By router."""
        self._changes = 0
        self._late: set[str] = set()
        """The routers of which it is being asked what is overdue."""
        self._ending = False
        self._changed = asyncio.Event()
        self._log = structlog.get_logger()

    # Life ----------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Listen as the configuration says, as soon as that is possible: its address may not be there yet."""
        problem = ""
        while True:
            try:
                await self._listener.configure(self._config.collector.bmp, self._config.bmp, self._keys)
            except BmpListenError as error:
                if str(error) != problem:
                    problem = str(error)
                    self._log.error("cannot listen for BMP", reason=problem)
                    self._cannot_listen(problem)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    def _cannot_listen(self, problem: str) -> None:
        now = self._intake.clock.now()
        for router in self._config.bmp:
            if (connection := bmp_connection(router)) in self._config.connections:
                self._note((ProcessDown(now, connection, problem),), router)
        self._intake.advance(now)

    def end(self) -> None:
        """Take in nothing more: the end of the connections is wanted."""
        self._ending = True

    async def stop(self) -> None:
        self.end()
        await self._listener.stop()

    def prepare(self, config: Config) -> None:
        """Raise ``BmpListenError`` if ermon could not listen as this configuration says."""
        self._listener.prepare(config.collector.bmp)

    async def reconfigure(self, config: Config, keys: Mapping[str, str]) -> None:
        """Go over to another configuration. Connections of routers whose sessions are other feeds now begin anew."""
        before, self._config, self._keys = self._config, config, dict(keys)
        await self._listener.configure(config.collector.bmp, config.bmp, self._keys)
        for router, (number, _) in list(self._streams.items()):
            if monitored(config, router) != monitored(before, router):
                self._listener.close(router, number, "the configuration of its sessions has changed")

    async def run(self) -> None:
        """Take in what routers report until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_time(group))
            group.create_task(self._listen())
            while True:
                received = await self._listener.next()
                match received:
                    case Mark(reached=reached):
                        if not reached.done():
                            reached.set_result(None)
                    case _ if self._ending:
                        pass
                    case Opened(router, number):
                        self._opened(router, number)
                    case Octets(router, number, data):
                        await self._take(router, number, data)
                    case Closed(router, number, reason):
                        async with self._intake.turn:
                            self._ended(router, number, reason)
                self._changed.set()

    # Asking --------------------------------------------------------------------------------------------

    def ask(self, request: FeedRequest) -> None:
        """Have a router send everything again: only another connection does that (RFC 7854 has no other way)."""
        router = self._config.feeds[request.feed].router or ""
        now = self._intake.clock.now()
        if (
            router in self._streams
            and now >= self._closed_at.get(router, now - RECONNECT_SECONDS) + RECONNECT_SECONDS
        ):
            self._closed_at[router] = now
            self._log.info("closing BMP connection", router=router, reason=request.reason)
            self._listener.close(router, self._streams[router][0], request.reason)

    async def level(self, router: str) -> None:
        """Return when everything that a router had sent before has been taken in."""
        await self._listener.level(router)

    @property
    def memory(self) -> dict[str, bytes]:
        """By router that is connected: what it has said of the sessions that are up."""
        return {router: stream.memory() for router, (_, stream) in self._streams.items()}

    # Reading -------------------------------------------------------------------------------------------

    def _opened(self, router: str, number: int) -> None:
        now, bmp = self._intake.clock.now(), self._config.collector.bmp
        if bmp is None or router not in self._config.bmp:
            return  # a reload has removed it meanwhile, and its connection is closed
        if self._may_log(router):
            self._log.info("router connected by BMP", router=router)
        stream = RouterStream(
            bmp_connection(router),
            monitored(self._config, router),
            statistics_within=bmp.stats_within,
            max_octets=bmp.max_message,
            interest=self._intake.interest,
        )
        self._streams[router] = number, stream
        self._intake.recorder.connected(router, now)

    def _stream(self, router: str, number: int) -> RouterStream | None:
        """Return what reads a connection, unless it was closed meanwhile."""
        known, stream = self._streams.get(router, (0, None))
        return stream if known == number else None

    async def _take(self, router: str, number: int, data: bytes) -> None:
        stream = self._stream(router, number)
        if stream is None:
            return
        self._intake.clock.look()
        async with self._intake.turn:
            await in_slices(self._read(router, number, stream, data))
            self._intake.advance(None)
        await asyncio.sleep(0)

    def _read(self, router: str, number: int, stream: RouterStream, data: bytes) -> Iterator[None]:
        now = self._intake.clock.now()
        self._intake.recorder.reported(router, data, now)
        taken = stream.take(data, now)
        for event in taken.events:
            if isinstance(event, ProcessUp):
                self._listener.initiated(router, number)
            self._apply(event, router)
            yield
        self._intake.telemetry.bmp(router, up=stream.is_initiated, messages=taken.messages)
        for rejected in taken.rejected:
            self._reject(router, rejected)
        for malformed in taken.malformed:
            self._malformed.note(malformed, now)
        if taken.ended is not None:
            self._listener.close(router, number, taken.ended)

    def _ended(self, router: str, number: int, reason: str) -> None:
        if self._stream(router, number) is None:
            return
        del self._streams[router]
        if self._may_log(router):
            self._log.warning("BMP connection ended", router=router, reason=reason)
        self._intake.telemetry.bmp(router, up=False, messages=0)
        now = self._intake.clock.now()
        self._note((ProcessDown(now, bmp_connection(router), reason),), router)
        self._intake.advance(now)

    async def _keep_time(self, group: asyncio.TaskGroup) -> None:
        """Take in what it means that a router says nothing for long."""
        while True:
            self._changed.clear()
            now, wait = self._intake.clock.now(), None
            for router, (number, stream) in self._streams.items():
                due = stream.due()
                if due is None or router in self._late:
                    continue
                if due <= now:
                    self._late.add(router)
                    group.create_task(self._take_late(router, number, now))
                else:
                    wait = due - now if wait is None else min(wait, due - now)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()
                    await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _take_late(self, router: str, number: int, asked: float) -> None:
        """Take in what was overdue when it was asked for; what had arrived by then comes first."""
        await self.level(router)
        async with self._intake.turn:
            stream = self._stream(router, number)
            if stream is not None and not self._ending:
                now = self._intake.clock.now()
                self._note((structs.replace(event, time=now) for event in stream.late(asked)), router)
                self._intake.advance(now)
        self._late.discard(router)
        self._changed.set()

    def _note(self, events: Iterable[Event], router: str) -> None:
        """Take in what no octets said."""
        for event in events:
            self._intake.recorder.event(event)
            self._apply(event, router)

    def _apply(self, event: Event, router: str) -> None:
        match event:
            case SessionUp(feed=feed) if self._may_log(router):
                self._log.info("session up", feed=feed)
            case SessionDown(feed=feed, reason=reason) if self._may_log(router):
                self._log.info("session down", feed=feed, reason=reason)
            case _:
                pass
        self._intake.apply(event)

    def _may_log(self, router: str) -> bool:
        """Return whether another beginning or end of a router's may be logged: it can report any number."""
        self._changes += 1
        logged = self._changes_logged.setdefault(router, Sparing(LOGGED_EVERY_SECONDS, MAX_CHANGES_LOGGED))
        return logged.passes(self._changes, self._intake.clock.now())

    def _reject(self, router: str, rejected: Rejected) -> None:
        self._intake.telemetry.bmp_rejected(router, rejected.reason)
        if self._rejected_logged.passes((router, rejected.reason), self._intake.clock.now()):
            self._log.warning(
                "BMP message rejected", router=router, reason=str(rejected.reason), detail=rejected.detail
            )

    def _refused(self, local: str, peer: str) -> None:
        self._intake.telemetry.refused("bmp", 1)
        if self._refused_logged.passes(peer, self._intake.clock.now()):
            self._log.warning(
                "BMP connection refused",
                address=local,
                peer=peer,
                problem=f"no router of the configuration connects from {peer}: is it the bmp.peer of a router?",
            )
