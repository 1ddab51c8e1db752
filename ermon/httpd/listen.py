"""Listens and accepts connections, with limits per party and in total, and closes those that send nothing.

aiohttp does not count connections, and does not see those in a TLS handshake; so they are accepted here and then
passed to it.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import structlog
from aiohttp import web

from ermon.httpd.app import make_runner
from ermon.httpd.places import Guest, Places
from ermon.httpd.protocol import HEAD_SECONDS, Connection, StrangersLog
from ermon.httpd.seldom import Seldom
from ermon.httpd.shell import SHELL, party_at
from ermon.httpd.sockets import control_socket, listen_on

GOODBYE_SECONDS = 5.0
"""How long the end of a TLS connection may take."""
SWEEP_SECONDS = 1.0
PAUSE_SECONDS = 0.2
"""The pause after the machine had no descriptor or memory for a connection."""

_SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


@asynccontextmanager
async def listening(app: web.Application, addresses: Sequence[tuple[str, int]]) -> AsyncIterator[list[str]]:
    """Serve the application until the context ends; yields the URLs. Raises ``ListenError``.

    It also listens on the control socket of the shell.
    """
    control = app[SHELL].control
    scheme = "http" if app[SHELL].config().tls is None else "https"
    async with AsyncExitStack() as stack:
        runner = make_runner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        assert runner.server is not None  # it is set up
        listeners: list[socket.socket] = []
        for host, port in addresses:
            for listener in await listen_on(host, port):
                stack.callback(listener.close)
                listeners.append(listener)
        local = [] if control is None else [stack.enter_context(control_socket(control))]
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        door = _Door(app, runner.server, tasks)
        stack.callback(door.close)
        for work in (door.sweep(), *map(door.accept, [*local, *listeners])):
            stack.callback(tasks.create_task(work).cancel)
        yield [f"{scheme}://{_authority(listener)}" for listener in listeners]


def _authority(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(slots=True)
class _Door:
    """Lets connections in."""

    app: web.Application
    server: web.Server
    tasks: asyncio.TaskGroup
    _places: Places = field(default_factory=Places)
    _greeting: set[asyncio.Task[None]] = field(default_factory=set)
    _log: StrangersLog = field(default_factory=StrangersLog)
    _refused: Seldom = field(default_factory=lambda: Seldom("connection refused"))
    _short: Seldom = field(default_factory=lambda: Seldom("no connection can be accepted"))

    async def accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(listener)
            except OSError as error:
                if error.errno in _SHORT:
                    self._short.tell(reason=error.strerror)
                    await asyncio.sleep(PAUSE_SECONDS)
                continue
            remote = str(peer[0]) if isinstance(peer, tuple) else None  # a Unix socket has no TCP options
            guest = Guest(accepted, party_at(accepted, remote), Connection(self.server, self._log))
            if self._places.admit(guest):
                task = guest.greeting = self.tasks.create_task(self._greet(guest))
                self._greeting.add(task)
                task.add_done_callback(partial(self._greeted, guest))
            else:
                accepted.close()
                self._refused.tell(reason="too many are open", client=remote)
            # While connections are waiting, accepting does not yield to other tasks.
            await asyncio.sleep(0)

    async def _greet(self, guest: Guest) -> None:
        """Pass a connection to aiohttp, with TLS if configured."""
        guest.greeted, loop = True, asyncio.get_running_loop()
        tls = self.app[SHELL].config().tls if guest.socket.family != socket.AF_UNIX else None
        timeouts = {"ssl_handshake_timeout": HEAD_SECONDS, "ssl_shutdown_timeout": GOODBYE_SECONDS}
        try:
            guest.transport, _ = await loop.connect_accepted_socket(
                lambda: guest.protocol, guest.socket, ssl=tls, **(timeouts if tls else {})
            )
        except OSError:
            pass  # not TLS, or an unsupported version; asyncio closes it
        except Exception:  # noqa: BLE001  # whatever it is, the others go on being let in
            structlog.get_logger().exception("connection failed")

    def _greeted(self, guest: Guest, task: asyncio.Task[None]) -> None:
        self._greeting.discard(task)
        if not guest.greeted:  # the connection was removed before its turn
            guest.socket.close()

    async def sweep(self) -> None:
        """Remove ended connections, and close those that send no request in time."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._places.tidy()
            for lines in (self._log.malformed, self._refused, self._short):
                lines.catch_up()

    def close(self) -> None:
        """Abort connections that are not established yet."""
        for task in self._greeting:
            task.cancel()
