"""The feeds that RIPE's route collectors carry: connected to, read, and begun again together. The counterpart of ``stations`` for BMP."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import NamedTuple
from urllib.parse import quote

import aiohttp
import structlog
from aiohttp import ClientWSTimeout, WSMsgType
from yarl import URL

from ermon import __version__
from ermon.aio.backoff import Backoff
from ermon.aio.slices import in_slices
from ermon.aio.threads import Resolver, in_thread
from ermon.daemon.intake import Intake
from ermon.daemon.sparing import Sparing
from ermon.model.events import Event, FeedRequest, SessionUp, Update
from ermon.model.inventory import Config, Feed, RisLive
from ermon.model.prefixes import Prefix
from ermon.model.text import printable
from ermon.ris.messages import MAX_MESSAGE_BYTES, MAX_STATE_BYTES, State, Unreadable, read_state
from ermon.ris.space import asked_prefixes, requests
from ermon.ris.stream import SILENCE_SECONDS, STATE_SECONDS, RisEnd, RisStream, shows_life, subscriptions
from ermon.sources.fetch import FetchError, Limits, download, new_session

REQUEST_SECONDS = 100.0
"""RIPEstat asks to be told before one sends more than 1,000 requests a day; this is 864 (stat.ripe.net/docs, "Rules of Usage")."""
LOGGED_EVERY_SECONDS = 600.0
"""The same end of a connection, failure of a state or rejected message is logged once in this time. All are counted."""
_WARN_PREFIXES = 200
_TOO_SLOW = frozenset({1008, 1013})
"""WebSocket close codes that can mean that this side was too slow: RIS Live does not say which it uses (RFC 6455 section 7.4)."""
_LOST = "the connection to RIS Live was lost"


@dataclass(frozen=True, slots=True)
class Pace:
    """How often RIPE is asked. Times are seconds."""

    silence: float = SILENCE_SECONDS
    state: float = STATE_SECONDS
    state_again: float = 120.0
    """The first wait after a state that could not be had or is older than the connection; it doubles."""
    request: float = REQUEST_SECONDS
    """For each request of a state, so much time must pass before the next state."""
    connect: float = 30.0
    reconnect: tuple[float, float] = (5.0, 300.0)
    heartbeat: float = 30.0
    """A ping of the WebSocket (RFC 6455 section 5.5.2) after so long without a message."""


class _Ended(Exception):  # noqa: N818 - an end, not an error
    def __init__(self, kind: RisEnd, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class Lookouts:
    """Takes in what RIPE's collectors hear, for each feed that they carry."""

    def __init__(
        self, config: Config, intake: Intake, *, tls: ssl.SSLContext | None = None, pace: Pace | None = None
    ) -> None:
        """``tls`` replaces the system's certificate authorities."""
        self._config = config
        self._intake = intake
        self._tls = tls
        self._pace = pace or Pace()
        self._running: dict[str, tuple[_Lookout, asyncio.Task[None]]] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Take in what RIPE's collectors hear until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            self._begin()
            await asyncio.get_running_loop().create_future()

    def _begin(self) -> None:
        for name, feed in self._config.ris_feeds.items():
            if name not in self._running and self._group is not None and feed.ris is not None:
                asked = asked_prefixes(self._config, feed)
                lookout = _Lookout(feed, feed.ris, asked, self._intake, self._tls, self._pace)
                self._running[name] = lookout, self._group.create_task(lookout.run())

    def end(self) -> None:
        """Take in nothing more: the end is wanted."""
        for lookout, task in self._running.values():
            lookout.is_ending = True
            task.cancel()

    def reconfigure(self, config: Config) -> None:
        """Go over to another configuration. A feed whose settings or prefixes have changed begins anew."""
        self._config = config
        for name, (lookout, task) in list(self._running.items()):
            feed = config.ris_feeds.get(name)
            if feed != lookout.feed or asked_prefixes(config, lookout.feed) != lookout.asked:
                lookout.is_ending = True
                task.cancel()
                del self._running[name]
        self._begin()

    def ask(self, request: FeedRequest) -> None:
        """Have everything sent again: the next state does that."""
        if request.feed in self._running:
            self._running[request.feed][0].ask()

    def carries(self, process: str) -> bool:
        return any(feed.process == process for feed in self._config.ris_feeds.values())


@dataclass(slots=True, eq=False)
class _Lookout:
    """One feed."""

    feed: Feed
    ris: RisLive
    asked: tuple[Prefix, ...]
    _intake: Intake
    _tls: ssl.SSLContext | None
    _pace: Pace
    is_ending: bool = False
    _stream: RisStream = field(init=False)
    _asked_again: asyncio.Event = field(default_factory=asyncio.Event)
    _beats: bool = True
    """Whether to ask for KEEPALIVEs too; not once RIS Live has refused something."""
    _awaits_sign: bool = False
    """The last connection ended in silence: the next one is believed once something comes on it."""
    _state_due: float = float("-inf")
    """By the loop's time: RIPEstat is not asked before."""
    _logged: Sparing = field(default_factory=lambda: Sparing(LOGGED_EVERY_SECONDS))

    def __post_init__(self) -> None:
        self._stream = RisStream(self.feed, self.ris, self.asked)

    # Connections -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect again and again until cancelled."""
        log, backoff = structlog.get_logger(), Backoff(*self._pace.reconnect)
        log.info("asking RIPE", feed=self.feed.name, prefixes=len(self.asked), source=_place(self.ris.url))
        if len(self.asked) > _WARN_PREFIXES:
            log.warning("many prefixes for RIPE", feed=self.feed.name, prefixes=len(self.asked))
        while True:
            try:
                await self._watch(backoff)
            except* _Ended as group:
                await self._end(_first(group))
            await asyncio.sleep(backoff.wait())

    async def _watch(self, backoff: Backoff) -> None:
        """Read one connection to its end, which raises ``_Ended``."""
        async with self._session() as session, await self._connect(session) as socket:
            try:
                for subscription in subscriptions(self.asked, beats=self._beats):
                    await socket.send_json(subscription)
            except (aiohttp.ClientError, OSError):
                raise _Ended(RisEnd.CLOSED, _LOST) from None
            data = await self._first_sign(socket) if self._awaits_sign else None
            if self._logged.passes("connected", self._now()):
                structlog.get_logger().info(
                    "connected to RIS Live", feed=self.feed.name, address=_place(self.ris.url)
                )
            self._intake.telemetry.ris(self.feed.name, up=True)
            await self._take_in(self._stream.opened(self._now(), time.time()))
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_state(backoff))
                lived = asyncio.get_running_loop().time()
                while True:
                    if data is not None and await self._take(data):
                        lived = asyncio.get_running_loop().time()
                    data = await self._receive(socket, lived)

    def _session(self) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(_refuse_redirect)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=Resolver(), use_dns_cache=False, ssl=True if self._tls is None else self._tls
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=True,  # HTTPS_PROXY
            headers={"User-Agent": f"ermon/{__version__}"},
            trace_configs=[trace],
        )

    async def _connect(self, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        # By aiohttp's rules, the proxy for https:// applies to a URL that is written so, and not to wss://.
        url = URL(self.ris.url)
        url = url.with_scheme({"wss": "https", "ws": "http"}[url.scheme]).update_query(client="ermon")
        place = _place(self.ris.url)
        try:
            async with asyncio.timeout(self._pace.connect):
                return await session.ws_connect(
                    url,
                    heartbeat=self._pace.heartbeat,
                    max_msg_size=MAX_MESSAGE_BYTES,
                    timeout=ClientWSTimeout(ws_close=5.0),
                )
        except TimeoutError:
            reason = f"{place}: cannot be reached in {self._pace.connect:g} s"
        except aiohttp.WSServerHandshakeError as error:
            reason = f"{place}: answered {error.status}"
        except aiohttp.ClientConnectorCertificateError as error:
            reason = f"{place}: its certificate is not trusted: {error.certificate_error}"
        except aiohttp.ClientConnectorError as error:
            reason = f"{place}: cannot be reached: {error.os_error.strerror or error.os_error}"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = f"{place}: cannot be reached: {type(error).__name__}"
        raise _Ended(RisEnd.UNREACHABLE, printable(reason))

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse, lived: float) -> str | bytes:
        """Return the next message; ``lived`` is the time of the loop when the last one came that shows life."""
        try:
            async with asyncio.timeout_at(lived + self._pace.silence):
                message = await socket.receive()
        except TimeoutError:
            self._awaits_sign = True
            reason = f"RIS Live has passed no message on for {self._pace.silence:g} s"
            raise _Ended(RisEnd.SILENT, reason) from None
        if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
            raise _closed(socket, message)
        data: str | bytes = message.data
        return data

    async def _first_sign(self, socket: aiohttp.ClientWebSocketResponse) -> str | bytes:
        """Return the first message that shows that RIS Live passes messages on again."""
        begun = asyncio.get_running_loop().time()
        while not shows_life(data := await self._receive(socket, begun)):
            pass
        self._awaits_sign = False
        return data

    async def _end(self, ended: _Ended) -> None:
        self._intake.telemetry.ris_ended(self.feed.name, ended.kind)
        if ended.kind is RisEnd.REFUSED:
            self._beats = False
        if self._logged.passes(ended.kind, self._now()):
            structlog.get_logger().warning(
                "RIS Live is lost", feed=self.feed.name, reason=str(ended), kind=str(ended.kind)
            )
        lost = ended.kind in {RisEnd.TOO_SLOW, RisEnd.TOO_LARGE}
        await self._take_in(self._stream.closed(self._now(), str(ended), lost=lost))

    # Changes -----------------------------------------------------------------------------------------

    async def _take(self, data: str | bytes) -> bool:
        """Take a message in; return whether it shows that RIS Live passes messages on."""
        self._intake.clock.look()
        taken = self._stream.take(data, self._now(), time.time())
        self._intake.telemetry.ris(self.feed.name, up=True, messages=1, rejected=int(bool(taken.rejected)))
        if taken.rejected and self._logged.passes("rejected", self._now()):
            structlog.get_logger().warning(
                "RIS Live message rejected", feed=self.feed.name, reason=taken.rejected
            )
        await self._take_in(taken.events)
        if taken.ended:
            raise _Ended(RisEnd.REFUSED, taken.ended)
        return taken.is_life

    async def _take_in(self, events: Iterable[Event]) -> None:
        async with self._intake.turn:
            if not self.is_ending:
                await in_slices(self._apply(events))
                self._intake.advance(None)

    def _apply(self, events: Iterable[Event]) -> Iterator[None]:
        for event in events:
            if isinstance(event, Update):
                self._intake.recorder.told(self.feed, event)
            else:
                self._intake.recorder.event(event)
            if isinstance(event, SessionUp) and self._stream.is_known:
                structlog.get_logger().info("session up", feed=event.feed)
            self._intake.apply(event)
            yield

    def _now(self) -> float:
        return self._intake.clock.now()

    # States ------------------------------------------------------------------------------------------

    def ask(self) -> None:
        self._stream.begin_again()
        self._asked_again.set()

    async def _keep_state(self, reconnects: Backoff) -> None:
        """Ask RIPEstat for the state of the routes, at once and then regularly."""
        again = Backoff(self._pace.state_again, self._pace.state)
        loop = asyncio.get_running_loop()
        while True:
            # Connections may come and go quickly, and RIPEstat is asked no more often for that.
            await asyncio.sleep(max(0.0, self._state_due - loop.time()))
            asked = requests(self.asked, self._stream.heard_of())
            self._state_due = loop.time() + max(self._pace.state_again, self._pace.request * len(asked))
            self._stream.interval = max(self._pace.state, self._pace.request * len(asked))
            wait = await self._ask_state(asked)
            if self._stream.is_known:
                again.reset()
                reconnects.reset()
            wait = max(wait, self._stream.interval if self._stream.is_known else again.wait())
            self._asked_again.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._asked_again.wait()

    async def _ask_state(self, asked: tuple[tuple[Prefix, ...], ...]) -> float:
        """Take in a state; return for how many seconds RIPEstat must not be asked again."""
        limits = Limits(max_bytes=MAX_STATE_BYTES)
        try:
            async with asyncio.timeout(limits.total), new_session(limits, self._tls) as session:
                states = [await self._fetch(session, some, limits) for some in asked]
        except TimeoutError:
            return await self._no_state(f"takes longer than {limits.total:g} s", 0.0)
        except FetchError as error:
            return await self._no_state(str(error), min(error.wait, self._stream.interval))
        except Unreadable as error:
            return await self._no_state(f"its answer is no state: {error}", 0.0)
        self._intake.clock.look()
        named = frozenset(chain.from_iterable(asked))
        await self._take_in(self._stream.take_state(states, named, self._now(), time.time()))
        self._intake.telemetry.ris_state(self.feed.name, self._stream.state_at)
        return 0.0

    async def _fetch(self, session: aiohttp.ClientSession, some: tuple[Prefix, ...], limits: Limits) -> State:
        names = quote(",".join(map(str, some)), safe=",/:")
        mark = "&" if "?" in self.ris.state_url else "?"
        url = f"{self.ris.state_url}{mark}resource={names}&unix_timestamps=TRUE&sourceapp=ermon"
        answer = await download(session, url, limits)
        assert answer.body is not None  # the request was not conditional
        return await in_thread(partial(read_state, answer.body))

    async def _no_state(self, reason: str, wait: float) -> float:
        reason = printable(reason)
        self._intake.telemetry.ris_state(self.feed.name, None)
        if self._logged.passes("no state", self._now()):
            structlog.get_logger().warning("RIPEstat has no state", feed=self.feed.name, reason=reason)
        await self._take_in(self._stream.state_failed(reason, self._now(), time.time()))
        return wait


class _Close(NamedTuple):
    code: int
    text: str


def _closed(socket: aiohttp.ClientWebSocketResponse, message: aiohttp.WSMessage) -> _Ended:
    """Return why a connection has ended."""
    if message.type is WSMsgType.CLOSE:
        close = _Close(int(message.data or 0), printable(str(message.extra or ""))[:200])
        said = f" {close.code}{': ' if close.text else ''}{close.text}"
        if close.code in _TOO_SLOW or "keep up" in close.text.lower():
            return _Ended(RisEnd.TOO_SLOW, f"RIS Live has closed the connection:{said}")
        return _Ended(RisEnd.CLOSED, f"RIS Live has closed the connection:{said}")
    if socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
        reason = f"RIS Live has sent a message of more than {MAX_MESSAGE_BYTES} bytes"
        return _Ended(RisEnd.TOO_LARGE, reason)
    return _Ended(RisEnd.CLOSED, _LOST)


def _first(group: BaseExceptionGroup[_Ended]) -> _Ended:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


async def _refuse_redirect(*_: object) -> None:
    """Refuse to go where a server points: the next request would name the prefixes there."""
    raise aiohttp.ClientError("redirects")


def _place(url: str) -> str:
    parts = URL(url)
    return f"{parts.host or ''}{parts.path}"
