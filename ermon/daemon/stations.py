"""The BMP connections of routers: listened for, read, and closed together. The counterpart of ``supervisor`` for ExaBGP.

What a router reports becomes events here. Everything that has arrived is read before anything that waits is judged, so what a
router says of the state of a session is handed on within some milliseconds, however many routes wait (``ermon.bmp.ahead``). Those
are judged in slices, of all routers in turn. What ends a connection comes behind all that waits of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Mapping

import structlog
from msgspec import structs

from ermon.aio.slices import Slice, give_way, in_slices
from ermon.bmp.ahead import Judged, ReadAhead
from ermon.bmp.listen import (
    ABANDONED,
    REPLACED,
    BmpListener,
    BmpListenError,
    Closed,
    Mark,
    Octets,
    Opened,
    Received,
)
from ermon.bmp.router import Rejected, RouterStream
from ermon.bmp.sessions import monitored
from ermon.daemon.connection import Connection, reach
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
READS_IN_A_ROW = 5
"""Slices in which octets are read, before one in which what waits is judged. Reading takes less than a tenth of the time."""
RECONFIGURED = "the configuration of its sessions has changed"


class Stations:
    """Takes the BMP connections of routers, and turns what comes on them into events."""

    def __init__(self, config: Config, keys: Mapping[str, str], intake: Intake) -> None:
        self._config = config
        self._keys = dict(keys)
        self._intake = intake
        self._listener = BmpListener(self._refused)
        self._connections: dict[str, Connection] = {}
        """By router."""
        self._waiting: dict[str, None] = {}
        """The routers of which something waits to be judged; the one whose turn is next comes first."""
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
        self._waiting.clear()
        for connection in self._connections.values():
            connection.abandon()

    async def stop(self) -> None:
        self.end()
        await self._listener.stop()

    def prepare(self, config: Config) -> None:
        """Raise ``BmpListenError`` if ermon could not listen as this configuration says."""
        self._listener.prepare(config.collector.bmp)

    def go_over(self, config: Config) -> None:
        """Go over to another configuration. Connections of routers whose sessions are other feeds now begin anew.

        From here on, nothing is said any more of feeds that it does not have.
        """
        before, self._config = self._config, config
        for router, connection in list(self._connections.items()):
            if monitored(config, router) != monitored(before, router):
                self._listener.close(router, connection.number, RECONFIGURED)
                self._end(router, connection, RECONFIGURED)

    async def reconfigure(self, config: Config, keys: Mapping[str, str]) -> None:
        """Go over, and listen as that configuration says."""
        self.go_over(config)
        self._keys = dict(keys)
        await self._listener.configure(config.collector.bmp, config.bmp, self._keys)

    async def run(self) -> None:
        """Take in what routers report until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_time(group))
            group.create_task(self._listen())
            while True:
                if not self._waiting:
                    await self._listener.arrival()
                await self._take_arrived()
                if self._waiting:
                    async with self._intake.turn:
                        await self._judge()
                    await give_way()
                self._changed.set()

    async def _take_arrived(self) -> None:
        """Read what has arrived, and take in what is not to wait. Arrives more than that, judging goes on all the same."""
        for _ in range(READS_IN_A_ROW):
            self._intake.clock.look()
            async with self._intake.turn:
                current = Slice()
                while (received := self._listener.take()) is not None:
                    await self._receive(received)
                    if current.over():
                        break
                self._intake.advance(None)
            await give_way()  # so that alarms of sessions that have ended are sent before routes are judged
            if received is None:
                return

    async def _receive(self, received: Received) -> None:
        match received:
            case Mark(router, reached):
                connection = self._connections.get(router)
                if connection is None or self._ending:
                    reach(reached)
                else:
                    connection.when_judged(reached)
            case _ if self._ending:
                pass
            case Opened(router, number):
                self._opened(router, number)
            case Octets(router, number, data):
                if (connection := self._connection(router, number)) is not None:
                    await in_slices(self._read(router, connection, data))
                    self._note_waiting(router, connection)
            case Closed(router, number, reason):
                if (connection := self._connection(router, number)) is not None:
                    connection.ended = reason
                    self._note_waiting(router, connection)

    async def _judge(self) -> None:
        """Judge what waits of routers in turn, as much as fits into a slice, at least one piece."""
        current = Slice()
        while self._waiting and not self._ending:
            router = next(iter(self._waiting))
            del self._waiting[router]
            connection = self._connections[router]
            now = self._intake.clock.now()
            if (judged := connection.ahead.judge(now)) is not None:
                await in_slices(self._take(router, connection, judged, now))
            if self._connections.get(router) is connection:
                self._note_waiting(router, connection)
            if current.over():
                break
        self._intake.advance(None)

    def _note_waiting(self, router: str, connection: Connection) -> None:
        """Note whether something waits of a connection; if not, and it has ended, that is said now."""
        if self._ending:
            connection.abandon()
        self._listener.keeps(router, connection.number, connection.ahead.octets)
        connection.note_judged()
        if connection.ahead.waits and connection.ended not in ABANDONED:
            self._waiting.setdefault(router)
        elif connection.ended is not None:
            self._end(router, connection, connection.ended)

    # Asking --------------------------------------------------------------------------------------------

    def ask(self, request: FeedRequest) -> None:
        """Have a router send everything again: only another connection does that (RFC 7854 has no other way)."""
        router = self._config.feeds[request.feed].router or ""
        now = self._intake.clock.now()
        if (
            router in self._connections
            and now >= self._closed_at.get(router, now - RECONNECT_SECONDS) + RECONNECT_SECONDS
        ):
            self._closed_at[router] = now
            self._log.info("closing BMP connection", router=router, reason=request.reason)
            self._listener.close(router, self._connections[router].number, request.reason)

    async def level(self, router: str) -> None:
        """Return when everything that a router had sent before has been taken in."""
        await self._listener.level(router)

    @property
    def memory(self) -> dict[str, bytes]:
        """By router that is connected: what it has said of the sessions that are up."""
        return {router: each.ahead.stream.memory() for router, each in self._connections.items()}

    # Reading -------------------------------------------------------------------------------------------

    def _opened(self, router: str, number: int) -> None:
        if (before := self._connections.get(router)) is not None:  # this one brings everything again
            self._end(router, before, before.ended or REPLACED)
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
        self._connections[router] = Connection(number, ReadAhead(stream))
        self._intake.recorder.connected(router, now)

    def _connection(self, router: str, number: int) -> Connection | None:
        """Return a connection, unless it is over."""
        connection = self._connections.get(router)
        return connection if connection is not None and connection.number == number else None

    def _read(self, router: str, connection: Connection, data: bytes) -> Iterator[None]:
        now = self._intake.clock.now()
        for judged in connection.ahead.read(data, now):
            yield from self._take(router, connection, judged, now)

    def _take(self, router: str, connection: Connection, judged: Judged, now: float) -> Iterator[None]:
        """Take in what became of some messages."""
        taken = judged.taken
        self._intake.recorder.reported(router, judged.octets, now)
        for event in taken.events:
            if isinstance(event, ProcessUp):
                self._listener.initiated(router, connection.number)
            self._apply(event, router)
            yield
        self._intake.telemetry.bmp(
            router,
            up=connection.ahead.stream.is_initiated,
            messages=taken.messages,
            moot=judged.moot,
        )
        for rejected in taken.rejected:
            self._reject(router, rejected)
        for malformed in taken.malformed:
            self._malformed.note(malformed, now)
        if taken.ended is not None:
            self._listener.close(router, connection.number, taken.ended)

    def _end(self, router: str, connection: Connection, reason: str) -> None:
        """Take in that a connection has ended. What waits of it means nothing any more."""
        self._intake.telemetry.bmp(router, up=False, messages=0, moot=connection.abandon())
        del self._connections[router]
        self._waiting.pop(router, None)
        if self._may_log(router):
            self._log.warning("BMP connection ended", router=router, reason=reason)
        now = self._intake.clock.now()
        self._note((ProcessDown(now, bmp_connection(router), reason),), router)
        self._intake.advance(now)

    async def _keep_time(self, group: asyncio.TaskGroup) -> None:
        """Take in what it means that a router says nothing for long."""
        while True:
            self._changed.clear()
            now, wait = self._intake.clock.now(), None
            for router, connection in self._connections.items():
                due = connection.ahead.stream.due()
                if due is None or router in self._late:
                    continue
                if due <= now:
                    self._late.add(router)
                    group.create_task(self._take_late(router, connection.number, now))
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
            connection = self._connection(router, number)
            if connection is not None and not self._ending:
                now, late = self._intake.clock.now(), connection.ahead.stream.late(asked)
                self._note((structs.replace(event, time=now) for event in late), router)
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
