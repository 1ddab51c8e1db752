"""The BMP connections of routers: listened for, read, and closed together. The counterpart of ``supervisor`` for ExaBGP.

What a router reports becomes events here, which are handed on in the order in which they arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping

import structlog

from ermon.aio.slices import list_in_slices
from ermon.bgp.interest import Interest
from ermon.bmp.listen import BmpListener, BmpListenError, Closed, Octets, Opened
from ermon.bmp.router import Rejected, RouterStream
from ermon.bmp.sessions import monitored
from ermon.daemon.clock import SteadyClock
from ermon.daemon.sparing import Sparing
from ermon.metrics.process import Telemetry
from ermon.model.events import Event, FeedRequest, ProcessDown, ProcessUp, SessionDown, SessionUp
from ermon.model.inventory import Config, bmp_connection
from ermon.recording.recorder import Recorder

SLICE_OCTETS = 2**14
"""So much of a connection is read before the loop may turn to others: some 200 messages."""
LOGGED_EVERY_SECONDS = 10.0
"""Of what is rejected or refused, one of each kind is logged in this time. All are counted."""
MAX_LOGGED = 16
RETRY_SECONDS = 10.0
RECONNECT_SECONDS = 300.0
"""A connection is closed once in this time at most to have a router send everything again."""


class Stations:
    """Hands every event to ``apply``, and calls ``advance`` when what has arrived is read."""

    def __init__(
        self,
        config: Config,
        keys: Mapping[str, str],
        telemetry: Telemetry,
        *,
        apply: Callable[[Event], None],
        advance: Callable[[float | None], None],
        interest: Callable[[str], Interest | None],
        turn: asyncio.Lock,
        recorder: Recorder,
        clock: SteadyClock,
    ) -> None:
        self._config = config
        self._keys = dict(keys)
        self._telemetry = telemetry
        self._apply_event = apply
        self._advance = advance
        self._interest = interest
        self._turn = turn
        self._recorder = recorder
        self._clock = clock
        self._listener = BmpListener(self._refused)
        self._streams: dict[str, tuple[int, RouterStream]] = {}
        """By router that is connected: the number of the connection, and what reads it."""
        self._closed_at: dict[str, float] = {}
        """By router: when its connection was last closed to have everything sent again."""
        self._logged = Sparing(LOGGED_EVERY_SECONDS, MAX_LOGGED)
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
        now = self._clock.now()
        self._note(ProcessDown(now, connection, problem) for connection in self._config.connections)
        self._advance(now)

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
            group.create_task(self._keep_time())
            group.create_task(self._listen())
            while True:
                received = await self._listener.next()
                if self._ending:
                    continue
                match received:
                    case Opened(router, number):
                        self._opened(router, number)
                    case Octets(router, number, data):
                        await self._take(router, number, data)
                    case Closed(router, number, reason):
                        async with self._turn:
                            self._ended(router, number, reason)
                self._changed.set()

    # Asking --------------------------------------------------------------------------------------------

    def ask(self, request: FeedRequest) -> None:
        """Have a router send everything again: only another connection does that (RFC 7854 has no other way)."""
        router = self._config.feeds[request.feed].router or ""
        now = self._clock.now()
        if (
            router in self._streams
            and now >= self._closed_at.get(router, now - RECONNECT_SECONDS) + RECONNECT_SECONDS
        ):
            self._closed_at[router] = now
            self._log.info("closing BMP connection", router=router, reason=request.reason)
            self._listener.close(router, self._streams[router][0], request.reason)

    async def level(self) -> bool:
        """Return when everything that had arrived before has been taken in."""
        for _ in range(2):  # the loop reads each socket once in a turn
            await asyncio.sleep(0)
        while not self._listener.is_level:
            self._changed.clear()
            await self._changed.wait()
        return True

    @property
    def memory(self) -> dict[str, bytes]:
        """By router that is connected: what it has said of the sessions that are up."""
        return {router: stream.memory() for router, (_, stream) in self._streams.items()}

    # Reading -------------------------------------------------------------------------------------------

    def _opened(self, router: str, number: int) -> None:
        now = self._clock.now()
        self._log.info("router connected by BMP", router=router)
        bmp = self._config.collector.bmp
        assert bmp is not None
        stream = RouterStream(
            bmp_connection(router),
            monitored(self._config, router),
            statistics_within=bmp.stats_within,
            max_octets=bmp.max_message,
            interest=self._interest,
        )
        self._streams[router] = number, stream
        self._recorder.connected(router, now)

    async def _take(self, router: str, number: int, data: bytes) -> None:
        for at in range(0, len(data), SLICE_OCTETS):
            known, stream = self._streams.get(router, (0, None))
            if stream is None or known != number:
                return  # it was closed meanwhile
            self._clock.look()
            async with self._turn:
                await list_in_slices(self._read(router, number, stream, data[at : at + SLICE_OCTETS]))
                self._advance(None)
            await asyncio.sleep(0)

    def _read(self, router: str, number: int, stream: RouterStream, data: bytes) -> Iterator[None]:
        now = self._clock.now()
        self._recorder.reported(router, data, now)
        taken = stream.take(data, now)
        for event in taken.events:
            if isinstance(event, ProcessUp):
                self._listener.initiated(router, number)
            self._apply(event)
            yield
        self._telemetry.bmp(router, up=stream.is_initiated, messages=taken.messages)
        for rejected in taken.rejected:
            self._reject(router, rejected)
        if taken.ended is not None:
            self._listener.close(router, number, taken.ended)

    def _ended(self, router: str, number: int, reason: str) -> None:
        known, stream = self._streams.get(router, (0, None))
        if stream is None or known != number:
            return
        del self._streams[router]
        self._log.warning("BMP connection ended", router=router, reason=reason)
        self._telemetry.bmp(router, up=False, messages=0)
        now = self._clock.now()
        self._note((ProcessDown(now, bmp_connection(router), reason),))
        self._advance(now)

    async def _keep_time(self) -> None:
        """Take in what it means that a router says nothing for long."""
        while True:
            self._changed.clear()
            dues = [due for _, stream in self._streams.values() if (due := stream.due()) is not None]
            wait = None if not dues else max(0.0, min(dues) - self._clock.now())
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
                continue
            except TimeoutError:
                pass
            await self.level()  # what has arrived meanwhile comes first
            async with self._turn:
                now = self._clock.now()
                for _, stream in list(self._streams.values()):
                    self._note(stream.late(now))
                self._advance(now)

    def _note(self, events: Iterable[Event]) -> None:
        """Take in what no octets said."""
        for event in events:
            self._recorder.event(event)
            self._apply(event)

    def _apply(self, event: Event) -> None:
        match event:
            case SessionUp(feed=feed):
                self._log.info("session up", feed=feed)
            case SessionDown(feed=feed, reason=reason):
                self._log.info("session down", feed=feed, reason=reason)
            case _:
                pass
        self._apply_event(event)

    def _reject(self, router: str, rejected: Rejected) -> None:
        self._telemetry.bmp_rejected(router, rejected.reason)
        if self._logged.passes((router, rejected.reason), self._clock.now()):
            self._log.warning(
                "BMP message rejected", router=router, reason=str(rejected.reason), detail=rejected.detail
            )

    def _refused(self, local: str, peer: str) -> None:
        self._telemetry.refused("bmp", 1)
        if self._logged.passes(("refused", peer), self._clock.now()):
            self._log.warning(
                "BMP connection refused",
                address=local,
                peer=peer,
                problem=f"no router of the configuration connects from {peer}: is it the bmp.peer of a router?",
            )
