"""Listens, and lets connections in: so many of each client, so many in all, and none that says nothing.

aiohttp counts no connections, and TLS would hide them from it until the handshake is done; so they are
accepted here and handed to it. Whether one has ended, its socket tells: nothing is counted that could be
counted wrongly.
"""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import structlog
from aiohttp import web

from ermon.httpd.app import make_runner
from ermon.httpd.shell import AWAITED, LOOPBACK, SHELL, address_key

MAX_CONNECTIONS = 384
"""Of all clients but those on this machine. With those, half of the 1024 descriptors that are usual: the
rest is for ExaBGP's channels, files and receivers.
"""
MAX_CONNECTIONS_PER_CLIENT = 128
"""Of one address, which may be a proxy's: all event streams, and requests besides."""
DESCRIPTORS_SHARE = 3
"""Where fewer descriptors are to be had, other clients' connections take a third, and this machine's less."""
FIRST_REQUEST_SECONDS = 10.0
"""How long a new connection may take to say what it wants, TLS included."""
STALLED_SECONDS = 60.0
"""A client that takes nothing of its answer for so long is gone (tcp(7), TCP_USER_TIMEOUT)."""
GOODBYE_SECONDS = 5.0
"""How long TLS may take to end."""
SWEEP_SECONDS = 1.0
BACKLOG = 128
PAUSE_SECONDS = 0.2
"""After the machine had no descriptor or memory for a connection."""
LOGGED_EVERY_SECONDS = 10.0

_SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class ListenError(Exception):
    """An address cannot be listened on; the text names it."""


@asynccontextmanager
async def listening(app: web.Application, addresses: Sequence[tuple[str, int]]) -> AsyncIterator[list[str]]:
    """Serve the application until the context ends; gives the URLs. Raises ``ListenError``."""
    scheme = "http" if app[SHELL].config().tls is None else "https"
    async with AsyncExitStack() as stack:
        runner = make_runner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        assert runner.server is not None  # it is set up
        listeners: list[socket.socket] = []
        for host, port in addresses:
            for listener in await _bind(host, port):
                stack.callback(listener.close)
                listeners.append(listener)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        door = _Door(app, runner.server, tasks)
        stack.callback(door.close)
        for work in (door.sweep(), *map(door.accept, listeners)):
            stack.callback(tasks.create_task(work).cancel)
        yield [f"{scheme}://{_authority(listener)}" for listener in listeners]


async def _bind(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of a host; none: on all of this machine."""
    loop = asyncio.get_running_loop()
    found: list[socket.socket] = []
    try:
        infos = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(infos):
            try:
                listener = socket.socket(family, socket.SOCK_STREAM)
            except OSError:
                continue  # a kernel without IPv6
            found.append(listener)
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALLED_SECONDS * 1000))
            listener.bind(address)
            listener.listen(BACKLOG)
        if not found:
            raise OSError("this machine has no such kind of address")  # noqa: TRY301  # reported as the others are
    except OSError as error:
        for listener in found:
            listener.close()
        raise ListenError(
            f"--web.listen-address={host}:{port}: cannot listen there: {error.strerror or error}"
        ) from error
    return found


def _authority(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(slots=True, eq=False)
class _Connection:
    socket: socket.socket
    protocol: web.RequestHandler
    deadline: float
    """When it must have asked for something, on the loop's clock."""
    transport: asyncio.Transport | None = None
    """Once TLS, if any, is agreed upon."""

    @property
    def ended(self) -> bool:
        return self.socket.fileno() < 0


@dataclass(slots=True)
class _Limits:
    of_others: int
    of_one: int


def limits() -> _Limits:
    """How many connections there may be, within what this process may open."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    share = MAX_CONNECTIONS if descriptors < 0 else max(1, descriptors // DESCRIPTORS_SHARE)
    of_others = min(MAX_CONNECTIONS, share)
    return _Limits(of_others, min(MAX_CONNECTIONS_PER_CLIENT, max(1, of_others // 3)))


@dataclass(slots=True)
class _Door:
    """Lets connections in."""

    app: web.Application
    server: web.Server
    tasks: asyncio.TaskGroup
    _limits: _Limits = field(default_factory=limits)
    _clients: dict[str, list[_Connection]] = field(default_factory=dict)
    _greeting: set[asyncio.Task[None]] = field(default_factory=set)
    _logged_at: float = float("-inf")

    async def accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(listener)
            except OSError as error:
                if error.errno in _SHORT:
                    self._log("no connection can be accepted", reason=error.strerror)
                    await asyncio.sleep(PAUSE_SECONDS)
                continue
            connection = _Connection(accepted, self.server(), loop.time() + FIRST_REQUEST_SECONDS)
            if self._admit(connection, str(peer[0])):
                task = self.tasks.create_task(self._greet(connection))
                self._greeting.add(task)
                task.add_done_callback(self._greeting.discard)
            else:
                accepted.close()
                self._log("connection refused", reason="too many are open", client=peer[0])
            # While connections queue up, accepting one does not let anything else have a turn.
            await asyncio.sleep(0)

    def _admit(self, connection: _Connection, peer: str) -> bool:
        client = address_key(peer)
        mine = [each for each in self._clients.get(client, ()) if not each.ended]
        self._clients[client] = mine
        if len(mine) >= self._limits.of_one:
            return False
        if client != LOOPBACK:
            others = (each for name, each in self._clients.items() if name != LOOPBACK)
            if (
                sum(not each.ended for connections in others for each in connections)
                >= self._limits.of_others
            ):
                return False
        mine.append(connection)
        return True

    async def _greet(self, connection: _Connection) -> None:
        """Hand a connection to aiohttp, behind TLS if there is to be any."""
        loop = asyncio.get_running_loop()
        tls = self.app[SHELL].config().tls
        timeouts = {"ssl_handshake_timeout": FIRST_REQUEST_SECONDS, "ssl_shutdown_timeout": GOODBYE_SECONDS}
        self.app[AWAITED].add(connection.protocol)
        try:
            connection.transport, _ = await loop.connect_accepted_socket(
                lambda: connection.protocol, connection.socket, ssl=tls, **(timeouts if tls else {})
            )
        except OSError:
            pass  # no TLS, or none that is spoken here; asyncio closes it
        except Exception:  # noqa: BLE001  # whatever it is, the others go on being let in
            structlog.get_logger().exception("connection failed")

    async def sweep(self) -> None:
        """Forget the connections that have ended, and end those that have not said what they want."""
        loop, awaited = asyncio.get_running_loop(), self.app[AWAITED]
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            open_now: dict[str, list[_Connection]] = {}
            for client, connections in self._clients.items():
                for each in connections:
                    if each.ended:
                        awaited.discard(each.protocol)
                        continue
                    if each.protocol in awaited and each.transport and loop.time() > each.deadline:
                        each.transport.abort()
                    open_now.setdefault(client, []).append(each)
            self._clients = open_now

    def close(self) -> None:
        """Give up on those that are still on the threshold."""
        for task in self._greeting:
            task.cancel()

    def _log(self, event: str, **values: object) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._logged_at >= LOGGED_EVERY_SECONDS:
            self._logged_at = now
            structlog.get_logger().warning(event, **values)
