"""Takes the BMP connections of routers: who may connect, what is read, and when a connection is closed. Nothing is ever sent.

BMP has no authentication: the router speaks, and the station believes it. So only a router's own address may connect (others are
refused before an octet is read), with its MD5 key (RFC 2385) and from as few hops away as the configuration says (RFC 5082).

A router keeps in its own memory what nobody reads. So a connection is read as soon as anything arrives, and held back only while a
lot of it waits here: closing it then would have the router send all of its tables again, and again be too fast. Only what is not
caught up with for long is given up with the connection. Also a connection that is held back is read on, as fast as what waits is
judged: the end of a session that waits in the kernel waits for what is in front of it there, and for nothing else. So that this is
little, the kernel may take little.

What the routers send is handed out in turns: the table of one router does not delay what another one reports.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from ermon.model.inventory import BmpListening, BmpRouter
from ermon.model.prefixes import Address, parse_address
from ermon.model.text import endpoint

INITIATION_SECONDS = 10.0
"""How long a connection may be without its first message."""
KEEPALIVE_IDLE_SECONDS, KEEPALIVE_INTERVAL_SECONDS, KEEPALIVE_PROBES = 5, 2, 3
"""A path that is cut is noticed after 11 s. BMP has no keepalive of its own (RFC 7854)."""
MAX_WAITING_OCTETS = 64 * 2**20
"""With more of a connection's octets waiting, no more of it is read until some of them are judged."""
READ_OCTETS = 2**18
"""So many then: what is read at once (asyncio)."""
KERNEL_OCTETS = 2**18
"""What the kernel may take of a connection that nobody reads, which it would choose itself otherwise, up to some MiB
(tcp(7), tcp_rmem). At 100 ms to a router and back it lets through 2.5 MB/s: more than is judged in that time.
"""
CATCH_UP_SECONDS = 300.0
"""A connection that had to be held back, and whose octets have not all been judged since, is closed after this time."""
PIECE_OCTETS = 2**13
"""No more of a connection is handed out at once."""
_PIECE_COST = 256
"""Octets of memory that each piece takes besides its own: many small ones count as what they take."""
MAX_KEY_OCTETS = 80
"""tcp(7), TCP_MD5SIG_MAXKEYLEN."""
_TCP_MD5SIG, _IP_MINTTL, _IPV6_MINHOPCOUNT = 14, 21, 73
"""tcp(7), ip(7) and linux/in6.h; Python's socket module has no names for them."""
_MAX_TTL = 255
_BACKLOG = 16

CLOSED = "the router closed the connection, or it was lost"
FELL_BEHIND = f"ermon fell behind, and did not catch up within {CATCH_UP_SECONDS:g} s"
NO_INITIATION = f"no Initiation within {INITIATION_SECONDS:g} s"
REPLACED = "another connection of the router replaced it"
REMOVED = "the configuration no longer has it"
CHANGED = "the configuration requires something else of it"
ABANDONED = frozenset({FELL_BEHIND, REPLACED, REMOVED, CHANGED})
"""Reasons why a connection ends with which what waits of it means nothing any more: with any other, it is judged first."""


class BmpListenError(Exception):
    """ermon cannot listen for BMP; the text names the address."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A router has connected."""

    router: str
    number: int
    """Of the connection: each has another one."""


@dataclass(frozen=True, slots=True)
class Octets:
    router: str
    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """A router's connection is over."""

    router: str
    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything that a router had sent before is handed out, and what became of it is done."""

    router: str
    reached: asyncio.Future[None]


Received = Opened | Octets | Closed | Mark


class BmpListener:
    """Listens for all routers of a configuration; ``next`` hands out what they do: of each in order, and of all in turns."""

    def __init__(self, refused: Callable[[str, str], None]) -> None:
        """``refused`` is called with ermon's address and the peer's of each connection that nobody may open."""
        self._refused = refused
        self._listeners: dict[tuple[str, int], socket.socket] = {}
        self._readers: dict[socket.socket, asyncio.Task[None]] = {}
        self._routers: dict[Address, BmpRouter] = {}
        self._keys: dict[str, str] = {}
        self._connections: dict[str, _Connection] = {}
        self._waiting: dict[str, deque[Received]] = {}
        """By router that something is waiting of; the one whose turn is next comes first."""
        self._arrived = asyncio.Event()
        self._numbers = 0

    # Addresses -----------------------------------------------------------------------------------------

    async def configure(
        self, listening: BmpListening | None, routers: Mapping[str, BmpRouter], keys: Mapping[str, str]
    ) -> None:
        """Listen as a configuration says; connections that it leaves as they were stay. ``keys`` are by router.

        ``BmpListenError`` where an address cannot be listened on: then nothing has changed.
        """
        wanted = () if listening is None else listening.listen
        by_peer = {router.peer: router for router in routers.values()}
        opened = self._open(wanted)
        try:
            for listener in (*self._listeners.values(), *opened.values()):
                self._protect(listener, by_peer, keys)
            for address, listener in opened.items():
                _listen_on(listener, *address)  # from here on, somebody may connect
        except BmpListenError:
            for listener in opened.values():
                listener.close()
            for listener in self._listeners.values():
                self._protect(listener, self._routers, self._keys)
            raise
        self._routers, self._keys = by_peer, dict(keys)
        for address in [address for address in self._listeners if address not in wanted]:
            await self._stop_listening(address)
        self._listeners |= opened
        for listener in opened.values():
            self._readers[listener] = asyncio.create_task(self._accept(listener))
        for name, connection in list(self._connections.items()):
            kept = routers.get(name)
            if kept is None or not connection.is_of(kept, keys.get(name, "")):
                connection.close(REMOVED if kept is None else CHANGED)

    def _protect(
        self, listener: socket.socket, routers: Mapping[Address, BmpRouter], keys: Mapping[str, str]
    ) -> None:
        """Require of who connects to an address what the configuration requires."""
        for peer in {*self._routers, *routers}:
            router = routers.get(peer)
            _set_key(listener, peer, "" if router is None else keys.get(router.router, ""))
        _set_least_ttl(listener, min(map(_least_ttl, routers.values()), default=0))

    def prepare(self, listening: BmpListening | None) -> None:
        """Raise ``BmpListenError`` if ``configure`` could not listen there now."""
        opened = self._open(() if listening is None else listening.listen)
        try:
            for address, listener in opened.items():
                _listen_on(listener, *address)
        finally:
            for listener in opened.values():
                listener.close()

    def _open(self, wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], socket.socket]:
        """Bind sockets to the addresses that ermon does not listen on yet."""
        opened: dict[tuple[str, int], socket.socket] = {}
        try:
            for host, port in wanted:
                if (host, port) not in self._listeners:
                    family = socket.AF_INET6 if ":" in host else socket.AF_INET
                    opened[host, port] = socket.socket(family, socket.SOCK_STREAM)
                    _bind(opened[host, port], host, port)
        except BmpListenError:
            for listener in opened.values():
                listener.close()
            raise
        return opened

    async def _stop_listening(self, address: tuple[str, int]) -> None:
        listener = self._listeners.pop(address)
        reader = self._readers.pop(listener)
        reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reader
        listener.close()

    async def stop(self) -> None:
        for address in list(self._listeners):
            await self._stop_listening(address)
        for connection in list(self._connections.values()):
            connection.close("ermon stops")

    # Connections ---------------------------------------------------------------------------------------

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0)  # however many connect at once, everything else goes on
            try:
                connected, address = await loop.sock_accept(listener)
            except OSError:  # no file descriptor is left; the queue of those who connect is not lost
                await asyncio.sleep(1.0)
                continue
            router = self._routers.get(_peer(address[0]))
            if router is None:
                connected.close()
                self._refused(listener.getsockname()[0], address[0])
                continue
            try:
                _prepare(connected, router)
                make = partial(self._connection, router, self._keys.get(router.router, ""))
                await loop.connect_accepted_socket(make, connected)
            except OSError:  # it is gone already
                connected.close()

    def _connection(self, router: BmpRouter, key: str) -> _Connection:
        if (before := self._connections.get(router.router)) is not None:
            before.close(REPLACED)
        self._numbers += 1
        connection = self._connections[router.router] = _Connection(self, router, key, self._numbers)
        return connection

    def put(self, received: Received) -> None:
        """Have something handed out, after what the same router did before."""
        self._waiting.setdefault(received.router, deque()).append(received)
        self._arrived.set()

    def ended(self, connection: _Connection, reason: str) -> None:
        """Have the end of a connection handed out; of one that nobody has heard of yet, nothing at all."""
        router, number = connection.router.router, connection.number
        if self._connections.get(router) is connection:
            del self._connections[router]
        if connection.is_opened and reason not in ABANDONED:
            self.put(Closed(router, number, reason))
            return
        kept = [each for each in self._waiting.pop(router, ()) if _number_of(each) != number]
        if kept:
            self._waiting[router] = deque(kept)
        if connection.is_opened:
            self.put(Closed(router, number, reason))

    def close(self, router: str, number: int, reason: str) -> None:
        """End a connection, if it is still there; ``Closed`` follows."""
        if (connection := self._numbered(router, number)) is not None:
            connection.close(reason)

    def initiated(self, router: str, number: int) -> None:
        """Let a connection be: its first message was an Initiation."""
        if (connection := self._numbered(router, number)) is not None:
            connection.initiated()

    async def level(self, router: str) -> None:
        """Return when what a router had sent before is handed out, and the next thing is asked for."""
        for _ in range(2):  # the loop reads each socket once in a turn
            await asyncio.sleep(0)
        mark = Mark(router, asyncio.get_running_loop().create_future())
        self.put(mark)
        await mark.reached

    def keeps(self, router: str, number: int, octets: int) -> None:
        """Note how much of what was handed out of a connection is not judged yet: it waits as what was not handed out."""
        if (connection := self._numbered(router, number)) is not None:
            connection.keeps(octets)

    async def arrival(self) -> None:
        """Return when something has happened that is not handed out."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()

    async def next(self) -> Received:
        """Return what has happened next."""
        while (received := self.take()) is None:
            await self.arrival()
        return received

    def take(self) -> Received | None:
        """Return what has happened next; ``None``: nothing has."""
        if not self._waiting:
            return None
        router = next(iter(self._waiting))
        waiting = self._waiting.pop(router)
        received = waiting.popleft()
        if waiting:
            self._waiting[router] = waiting  # behind all others
        if (connection := self._numbered(router, _number_of(received))) is not None:
            connection.handed_out(received)
        return received

    def _numbered(self, router: str, number: int | None) -> _Connection | None:
        """Return a router's connection if it is the one of that number, and not a later one."""
        connection = self._connections.get(router)
        return connection if connection is not None and connection.number == number else None


def _number_of(received: Received) -> int | None:
    return None if isinstance(received, Mark) else received.number


class _Connection(asyncio.Protocol):
    def __init__(self, listener: BmpListener, router: BmpRouter, key: str, number: int) -> None:
        self.router = router
        self.number = number
        self.is_opened = False
        """Whether its beginning was handed out."""
        self._key = key
        self._waiting = 0
        """Octets that were read and not handed out, with what they cost besides."""
        self._kept = 0
        """The same of those that were handed out and are not judged."""
        self._is_held_back = False
        self._listener = listener
        self._reason: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._behind: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def is_of(self, router: BmpRouter, key: str) -> bool:
        """Return whether a router would be let in as this one was."""
        own = (self.router.peer, self.router.ttl_security, self._key)
        return own == (router.peer, router.ttl_security, key)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._reason is not None:  # it was closed before it was made
            transport.abort()
            return
        self._listener.put(Opened(self.router.router, self.number))
        self._await_initiation()

    def _await_initiation(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(INITIATION_SECONDS, self._not_initiated)

    def _not_initiated(self) -> None:
        if self._waiting or not self.is_opened:
            self._await_initiation()  # ermon was busy: it may have come
        else:
            self.close(NO_INITIATION)

    def initiated(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        if self._reason is not None:
            return
        for at in range(0, len(data), PIECE_OCTETS):
            piece = data[at : at + PIECE_OCTETS]
            self._waiting += len(piece) + _PIECE_COST
            self._listener.put(Octets(self.router.router, self.number, piece))
        self._balance()

    def handed_out(self, received: Received) -> None:
        self.is_opened = True
        if isinstance(received, Octets):
            self._waiting -= len(received.data) + _PIECE_COST
            self._balance()

    def keeps(self, octets: int) -> None:
        self._kept = octets
        self._balance()

    def _balance(self) -> None:
        """Read while little waits."""
        waiting, transport = self._waiting + self._kept, self._transport
        if transport is None or self._reason is not None:
            return
        if not self._is_held_back and waiting > MAX_WAITING_OCTETS:
            self._is_held_back = True
            transport.pause_reading()
            if self._behind is None:
                loop = asyncio.get_running_loop()
                self._behind = loop.call_later(CATCH_UP_SECONDS, self.close, FELL_BEHIND)
        elif self._is_held_back and waiting <= MAX_WAITING_OCTETS - min(READ_OCTETS, MAX_WAITING_OCTETS // 2):
            self._is_held_back = False
            transport.resume_reading()
        if not waiting:
            self._caught_up()

    def _caught_up(self) -> None:
        if self._behind is not None:
            self._behind.cancel()
            self._behind = None

    def close(self, reason: str) -> None:
        if self._reason is not None:
            return
        self._reason = reason
        self.initiated()
        self._caught_up()
        self._listener.ended(self, reason)
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.close(f"{CLOSED}: {exc.strerror}" if isinstance(exc, OSError) and exc.strerror else CLOSED)


# Sockets -----------------------------------------------------------------------------------------------


def _bind(listener: socket.socket, host: str, port: int) -> None:
    try:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_OCTETS
        )  # its connections have the same
        if listener.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
    except OSError as error:
        raise _cannot_listen(host, port, error) from error


def _listen_on(listener: socket.socket, host: str, port: int) -> None:
    try:
        listener.listen(_BACKLOG)
    except OSError as error:
        raise _cannot_listen(host, port, error) from error


def _cannot_listen(host: str, port: int, error: OSError) -> BmpListenError:
    return BmpListenError(
        f"collector.bmp.listen: cannot listen on {endpoint(host, port)}: {error.strerror or error}"
    )


def _peer(host: str) -> Address:
    """Read the address of who has connected; a link-local one of IPv6 has the name of the interface behind it."""
    return parse_address(host.partition("%")[0])


def _prepare(connected: socket.socket, router: BmpRouter) -> None:
    connected.setblocking(False)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
    _set_least_ttl(connected, _least_ttl(router))


def _least_ttl(router: BmpRouter) -> int:
    """Return the least TTL that a router's packets may arrive with; 0: any (RFC 5082 section 3)."""
    return 0 if router.ttl_security is None else _MAX_TTL + 1 - router.ttl_security


def _set_least_ttl(of: socket.socket, least: int) -> None:
    """Drop packets with a smaller TTL. Set on a listening socket, it counts for the beginnings of connections as well."""
    if of.family == socket.AF_INET6:
        of.setsockopt(socket.IPPROTO_IPV6, _IPV6_MINHOPCOUNT, least)
    else:
        of.setsockopt(socket.IPPROTO_IP, _IP_MINTTL, least)


def _set_key(listener: socket.socket, peer: Address, key: str) -> None:
    """Require that segments from ``peer`` are signed with ``key``; with an empty one, that they are not. linux/tcp.h, tcp_md5sig."""
    if (peer.version == 6) != (listener.family == socket.AF_INET6):
        return
    octets = key.encode()
    address = _sockaddr(peer)
    packed = struct.pack(f"128sBBHi{MAX_KEY_OCTETS}s", address, 0, 0, len(octets), 0, octets)
    try:
        listener.setsockopt(socket.IPPROTO_TCP, _TCP_MD5SIG, packed)
    except FileNotFoundError:
        if octets:
            raise  # there was none to take away
    except OSError as error:
        if octets:
            raise BmpListenError(
                f"the kernel refused the MD5 key of {peer}: {error.strerror}; `sysctl net.core.optmem_max` limits them"
            ) from error


def _sockaddr(address: Address) -> bytes:
    if address.version == 4:
        return struct.pack("=HH4s", socket.AF_INET, 0, address.value.to_bytes(4, "big"))
    return struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, address.value.to_bytes(16, "big"), 0)
