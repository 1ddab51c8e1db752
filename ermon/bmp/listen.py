"""Takes the BMP connections of routers: who may connect, what is read, and when a connection is closed. Nothing is ever sent.

BMP has no authentication: the router speaks, and the station believes it. So only a router's own address may connect (others are
refused before an octet is read), with its MD5 key (RFC 2385) and from as few hops away as the configuration says (RFC 5082).

A connection is never held back on purpose: a router would keep what it has to say in its own memory. What ermon cannot take in soon
enough is given up with the connection, and the router sends everything again on the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from ermon.model.inventory import BmpListening, BmpRouter
from ermon.model.prefixes import Address, parse_address

INITIATION_SECONDS = 10.0
"""How long a connection may be without its first message."""
KEEPALIVE_IDLE_SECONDS, KEEPALIVE_INTERVAL_SECONDS, KEEPALIVE_PROBES = 5, 2, 3
"""A path that is cut is noticed after 11 s. BMP has no keepalive of its own (RFC 7854)."""
MAX_WAITING_OCTETS = 64 * 2**20
"""With more of a router's octets waiting, its connection is closed."""
READ_OCTETS = 2**18
MAX_KEY_OCTETS = 80
"""tcp(7), TCP_MD5SIG_MAXKEYLEN."""
_TCP_MD5SIG, _IP_MINTTL, _IPV6_MINHOPCOUNT = 14, 21, 73
"""tcp(7), ip(7) and linux/in6.h; Python's socket module has no names for them."""
_MAX_TTL = 255
_BACKLOG = 16

CLOSED = "the router closed the connection, or it was lost"
FELL_BEHIND = f"ermon fell behind: more than {MAX_WAITING_OCTETS // 2**20} MiB were waiting"
NO_INITIATION = f"no Initiation within {INITIATION_SECONDS:g} s"
REPLACED = "another connection of the router replaced it"
REMOVED = "the configuration no longer has it"


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


Received = Opened | Octets | Closed


class BmpListener:
    """Listens for all routers of a configuration; ``next`` hands out what they do, in the order in which it happened."""

    def __init__(self, refused: Callable[[str, str], None]) -> None:
        """``refused`` is called with ermon's address and the peer's of each connection that nobody may open."""
        self._refused = refused
        self._listeners: dict[tuple[str, int], socket.socket] = {}
        self._readers: dict[socket.socket, asyncio.Task[None]] = {}
        self._routers: dict[Address, BmpRouter] = {}
        self._connections: dict[str, _Connection] = {}
        self._waiting: deque[Received] = deque()
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
        opened = dict(self._open(address for address in wanted if address not in self._listeners))
        before, self._routers = self._routers, {router.peer: router for router in routers.values()}
        for address in [address for address in self._listeners if address not in wanted]:
            await self._stop_listening(address)
        self._listeners |= opened
        for listener in self._listeners.values():
            for peer in {*before, *self._routers}:
                router = self._routers.get(peer)
                _set_key(listener, peer, "" if router is None else keys.get(router.router, ""))
        for listener in opened.values():
            self._readers[listener] = asyncio.create_task(self._accept(listener))
        kept = {router.router: router for router in self._routers.values()}
        for name, connection in list(self._connections.items()):
            if name not in kept or kept[name].peer != connection.router.peer:
                connection.close(REMOVED)

    def prepare(self, listening: BmpListening | None) -> None:
        """Raise ``BmpListenError`` if ``configure`` could not listen there now."""
        wanted = () if listening is None else listening.listen
        for _, listener in self._open(address for address in wanted if address not in self._listeners):
            listener.close()

    def _open(self, addresses: Iterator[tuple[str, int]]) -> Iterator[tuple[tuple[str, int], socket.socket]]:
        opened: list[socket.socket] = []
        for host, port in addresses:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = socket.socket(family, socket.SOCK_STREAM)
            opened.append(listener)
            try:
                listener.setblocking(False)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.bind((host, port))
                listener.listen(_BACKLOG)
            except OSError as error:
                for each in opened:
                    each.close()
                shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                raise BmpListenError(
                    f"collector.bmp.listen: cannot listen on {shown}: {error.strerror or error}"
                ) from error
            yield (host, port), listener

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
            try:
                connected, address = await loop.sock_accept(listener)
            except OSError:  # no file descriptor is left; the queue of those who connect is not lost
                await asyncio.sleep(1.0)
                continue
            router = self._routers.get(parse_address(address[0]))
            if router is None:
                connected.close()
                self._refused(listener.getsockname()[0], address[0])
                continue
            with contextlib.suppress(OSError):  # it is gone already
                _prepare(connected, router)
                await loop.connect_accepted_socket(partial(self._connection, router), connected)

    def _connection(self, router: BmpRouter) -> _Connection:
        if (before := self._connections.get(router.router)) is not None:
            before.close(REPLACED)
        self._numbers += 1
        connection = self._connections[router.router] = _Connection(self, router, self._numbers)
        return connection

    def put(self, received: Received) -> None:
        if isinstance(received, Closed):
            connection = self._connections.get(received.router)
            if connection is not None and connection.number == received.number:
                del self._connections[received.router]
        self._waiting.append(received)
        self._arrived.set()

    def close(self, router: str, number: int, reason: str) -> None:
        """End a connection, if it is still there; ``Closed`` follows."""
        connection = self._connections.get(router)
        if connection is not None and connection.number == number:
            connection.close(reason)

    def initiated(self, router: str, number: int) -> None:
        """Let a connection be: its first message was an Initiation."""
        connection = self._connections.get(router)
        if connection is not None and connection.number == number:
            connection.initiated()

    @property
    def connected(self) -> frozenset[str]:
        """The routers that are connected."""
        return frozenset(self._connections)

    @property
    def is_level(self) -> bool:
        """Whether everything that was read has been handed out."""
        return not self._waiting

    async def next(self) -> Received:
        """Return what has happened next."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        received = self._waiting.popleft()
        if isinstance(received, Octets):
            connection = self._connections.get(received.router)
            if connection is not None and connection.number == received.number:
                connection.waiting -= len(received.data)
        return received


class _Connection(asyncio.Protocol):
    def __init__(self, listener: BmpListener, router: BmpRouter, number: int) -> None:
        self.router = router
        self.number = number
        self.waiting = 0
        """Octets that were read and not handed out."""
        self._listener = listener
        self._reason: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(INITIATION_SECONDS, self.close, NO_INITIATION)
        self._listener.put(Opened(self.router.router, self.number))

    def initiated(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        if self._reason is not None:
            return
        self.waiting += len(data)
        self._listener.put(Octets(self.router.router, self.number, data))
        if self.waiting > MAX_WAITING_OCTETS:
            self.close(FELL_BEHIND)

    def close(self, reason: str) -> None:
        if self._reason is not None:
            return
        self._reason = reason
        self.initiated()
        self._listener.put(Closed(self.router.router, self.number, reason))
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.close(f"{CLOSED}: {exc.strerror}" if isinstance(exc, OSError) and exc.strerror else CLOSED)


# Sockets -----------------------------------------------------------------------------------------------


def _prepare(connected: socket.socket, router: BmpRouter) -> None:
    connected.setblocking(False)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
    if router.ttl_security is not None:
        least = _MAX_TTL + 1 - router.ttl_security
        if connected.family == socket.AF_INET6:
            connected.setsockopt(socket.IPPROTO_IPV6, _IPV6_MINHOPCOUNT, least)
        else:
            connected.setsockopt(socket.IPPROTO_IP, _IP_MINTTL, least)


def _set_key(listener: socket.socket, peer: Address, key: str) -> None:
    """Require that segments from ``peer`` are signed with ``key``; with an empty one, that they are not. linux/tcp.h, tcp_md5sig."""
    if (peer.version == 6) != (listener.family == socket.AF_INET6):
        return
    octets = key.encode()
    address = _sockaddr(peer)
    packed = struct.pack("128sBBHi80s", address, 0, 0, len(octets), 0, octets)
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
