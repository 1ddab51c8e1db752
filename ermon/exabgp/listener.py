"""Listens for BGP sessions in ExaBGP's process, instead of ExaBGP's own listener. Not imported by ermon.

ExaBGP 5.0.15 listens on the addresses of ``exabgp.tcp.bind``, which it reads once, so a new address would cost all
sessions; and it ends if it cannot listen on one of them. The alternative, ``listen`` in a neighbor, uses only the keys of
neighbors with it, and only one neighbor of a peer can have it. So this listener does the following:

- It listens on each local address of the configuration. When the configuration is read again, it opens and closes sockets
  as needed, without an effect on the other sockets and on sessions.
- It reports an address on which it cannot listen, and retries every ``RETRY_SECONDS``.
- A socket gets its MD5 keys and its TTL check before it is bound. When these change, earlier connections are closed.
- It reports connections that belong to no feed: their addresses and number, for at most ``MAX_STRANGERS`` pairs of
  addresses between two lines, and the rest as one number.

Its reports are lines in ExaBGP's format (``ermon.exabgp.lines``), and take the same way as all lines.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from exabgp.logger import log  # type: ignore[import-untyped]
from exabgp.reactor import loop  # type: ignore[import-untyped]
from exabgp.reactor.listener import Listener as ExaBGPListener  # type: ignore[import-untyped]
from exabgp.reactor.listener import set_listener_options
from exabgp.reactor.network.error import NetworkError  # type: ignore[import-untyped]
from exabgp.reactor.network.incoming import Incoming  # type: ignore[import-untyped]
from exabgp.reactor.network.tcp import (  # type: ignore[import-untyped]
    IPV6_MINHOPCOUNT,
    MD5Error,
    ip_minttl,
    md5,
)

SENDING_TTL = 255
KEEPALIVE_IDLE_SECONDS, KEEPALIVE_INTERVAL_SECONDS, KEEPALIVE_PROBES = 30, 10, 3
"""TCP keepalive: a lost router is noticed after a minute, also on a session with hold time 0 without any messages."""

ABOVE_SESSIONS = 512
"""The lowest file number of listening sockets: of the default of 1,000, enough remain for sessions below and sockets above."""

RETRY_SECONDS = 10.0
MAX_STRANGERS = 64
STRANGERS_SECONDS = 5.0
"""Between two lines about connections that belong to no feed."""

REFUSED_AT_ONCE = 256
"""The number of connections that are accepted at each address in one turn, which takes a hundredth of a second: strangers
can fill the queue (``backlog``) at no cost, and routers must not wait behind them.
"""

MAX_LEAVING, LEAVING_SECONDS = 16, 2.0
"""Refused connections that stay open until their OPEN has arrived: closing them earlier would make the kernel reset them,
and the router would never read the reason.
"""

CONNECTION_REJECTED = b"\xff" * 16 + struct.pack("!HBBB", 21, 3, 6, 5)
"""A NOTIFICATION: Cease, Connection Rejected (RFC 4486 section 4: "the peer is not configured locally")."""

Pair = tuple[str, str]
"""A local address and a peer's address."""


@dataclass
class _Wanted:
    """The required settings of a socket."""

    ip: Any
    keys: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """By peer: its MD5 key as read by ExaBGP, and whether it is in base64."""
    minimum_ttl: int = 0


class Listener(ExaBGPListener):  # type: ignore[misc]
    """``listen_for`` is called after each reading of the configuration, ``incoming`` in every turn of ExaBGP's loop."""

    def __init__(self, reactor: Any, backlog: int = 200) -> None:
        super().__init__(reactor, backlog)
        self._accepted: dict[socket.socket, socket.socket] = {}
        self._by_number: dict[int, socket.socket] = {}
        self._poll = select.poll()
        self._wanted: dict[str, _Wanted] = {}
        self._known: set[Pair] = set()
        self._problems: dict[str, str] = {}
        """The name of the error, by address without a working listener."""
        self._retry_at = 0.0
        self._listening: dict[str, str] = {}
        """By address: the name of the error, empty if it listens there. A change creates a new dictionary."""
        self._told: tuple[list[Any], dict[str, str]] = ([], {})
        """The helpers and the addresses of the last report."""
        self._strangers: dict[Pair, int] = {}
        self._more_strangers = 0
        self._tell_strangers_at = 0.0
        self._leaving: deque[tuple[float, socket.socket]] = deque()

    # Addresses ---------------------------------------------------------------------------------------

    def listen_for(self, neighbors: Iterable[Any]) -> None:
        """Listen on the local addresses of these neighbors, and on no others."""
        wanted: dict[str, _Wanted] = {}
        self._known = set()
        for neighbor in neighbors:
            local, peer = neighbor["local-address"].top(), neighbor["peer-address"].top()
            self._known.add((local, peer))
            socket_like = wanted.setdefault(local, _Wanted(neighbor["local-address"]))
            if neighbor["md5-password"]:
                socket_like.keys[peer] = (neighbor["md5-password"], neighbor["md5-base64"])
            socket_like.minimum_ttl = max(socket_like.minimum_ttl, neighbor["incoming-ttl"] or 0)
        before, self._wanted = self._wanted, wanted
        for sock, (address, *_) in list(self._sockets.items()):
            if address not in wanted or not self._change(sock, before[address], wanted[address]):
                self._drop(sock)
        self._problems = {}
        self._open_missing()

    def _change(self, sock: socket.socket, before: _Wanted, after: _Wanted) -> bool:
        """Change keys and TTL of a socket; return whether that worked."""
        try:
            for peer in before.keys.keys() - after.keys.keys():
                md5(sock, peer, 0, None, None)
            _secure(sock, after)
        except (OSError, NetworkError):
            return False  # it is opened again, which shows the error
        if (before.keys, before.minimum_ttl) != (after.keys, after.minimum_ttl):
            if sock in self._accepted:
                self._accepted.pop(sock).close()
            _shut_out(sock)
        return True

    def _drop(self, sock: socket.socket) -> None:
        self._poll.unregister(sock)
        del self._by_number[sock.fileno()]
        sock.close()
        del self._sockets[sock]
        if sock in self._accepted:
            self._accepted.pop(sock).close()

    def _open_missing(self) -> None:
        listening = {address for address, *_ in self._sockets.values()}
        for address in self._wanted.keys() - listening:
            if (problem := self._open(address)) is None:
                self._problems.pop(address, None)
            else:
                self._problems[address] = problem
        self._listening = {address: self._problems.get(address, "") for address in sorted(self._wanted)}
        self.serving = bool(self._sockets)
        self._retry_at = time.monotonic() + RETRY_SECONDS

    def _open(self, address: str) -> str | None:
        """Listen on an address, or return the name of the error."""
        wanted, port = self._wanted[address], self._reactor._port  # noqa: SLF001
        try:
            sock: socket.socket = self._new_socket(wanted.ip)
        except OSError as error:
            return _name(error)
        try:
            _secure(sock, wanted)
            set_listener_options(sock, wanted.ip.ipv6())
            sock.setblocking(False)
            sock.bind((address, port))
            sock.listen(self._backlog)
        except (OSError, NetworkError) as error:
            sock.close()
            return _name(error)
        sock = _closed_first(sock)
        self._sockets[sock] = (address, port, None, None)
        self._by_number[sock.fileno()] = sock
        self._poll.register(sock, select.POLLIN)
        return None

    # Connections -------------------------------------------------------------------------------------

    def incoming(self) -> bool:
        now = time.monotonic()
        if self._problems and now >= self._retry_at:
            self._open_missing()
        self._tell_addresses()
        if now >= self._tell_strangers_at:
            self._tell_strangers(now)
        self._let_go(now)
        # ExaBGP would check each socket; with hundreds of sockets, that takes a fifth of its time.
        accepted = False
        for number, _ in self._poll.poll(0):
            accepted |= self._accept(self._by_number[number])
        return accepted

    def _accept(self, sock: socket.socket) -> bool:
        """Accept one connection of a feed, for ExaBGP in this turn, and refuse the connections of strangers before it."""
        if sock in self._accepted:
            return False
        address = self._sockets[sock][0]
        try:
            for _ in range(REFUSED_AT_ONCE):
                connection, (peer, *_) = sock.accept()
                if (address, peer) in self._known:
                    self._accepted[sock] = connection
                    return True
                self._refuse(connection, (address, peer))
        except BlockingIOError:  # no more connections
            pass
        except OSError as error:
            log.critical(lambda error=error: str(error), "network")
        return False

    def _connected(self) -> Iterator[Any]:
        """Yield the accepted connections of feeds. ExaBGP must not get the others: for one stranger, it would lose the
        other connections of the same turn.
        """
        accepted, self._accepted = self._accepted, {}
        for sock, connection in accepted.items():
            try:
                ours, theirs = connection.getsockname()[0], connection.getpeername()[0]
                if (ours, theirs) in self._known:
                    yield Incoming(self._family_AFI_map[sock.family], ours, theirs, connection)
                    continue
            except (OSError, NetworkError):  # it is already closed
                connection.close()
                continue
            self._refuse(connection, (ours, theirs))

    def _refuse(self, connection: socket.socket, pair: Pair) -> None:
        if pair in self._strangers or len(self._strangers) < MAX_STRANGERS:
            self._strangers[pair] = self._strangers.get(pair, 0) + 1
        else:
            self._more_strangers += 1
        with contextlib.suppress(OSError):
            connection.setblocking(False)
            connection.send(CONNECTION_REJECTED)
            connection.shutdown(socket.SHUT_WR)
        if len(self._leaving) >= MAX_LEAVING:
            self._leaving.popleft()[1].close()
        self._leaving.append((time.monotonic() + LEAVING_SECONDS, connection))

    def _let_go(self, now: float) -> None:
        for _ in range(len(self._leaving)):
            until, connection = self._leaving.popleft()
            if now < until and _is_silent(connection):
                self._leaving.append((until, connection))
            else:
                connection.close()

    # Reports -----------------------------------------------------------------------------------------

    def _tell_addresses(self) -> None:
        """Report the listening addresses if they or the helpers have changed. This runs thousands of times a second."""
        helpers, (told_to, told) = self._helpers(), self._told
        if not helpers or (self._listening is told and helpers == told_to):
            return
        self._told = (helpers, self._listening)
        if self._listening != told or helpers != told_to:
            port = self._reactor._port  # noqa: SLF001
            self._tell("listening", {"port": port, "addresses": self._listening})

    def _tell_strangers(self, now: float) -> None:
        if not self._strangers and not self._more_strangers:
            return
        connections = [
            {"local": local, "peer": peer, "count": count} for (local, peer), count in self._strangers.items()
        ]
        self._tell("refused", {"connections": connections, "more": self._more_strangers})
        self._strangers, self._more_strangers = {}, 0
        self._tell_strangers_at = now + STRANGERS_SECONDS

    def _tell(self, kind: str, what: object) -> None:
        line = {"exabgp": "5.0.0", "time": time.time(), "pid": os.getpid(), "type": kind, kind: what}
        for helper in self._helpers():
            with contextlib.suppress(OSError, ValueError):  # it is gone; ExaBGP notices that too
                helper.stdin.write(json.dumps(line).encode() + b"\n")
                helper.stdin.flush()

    def _helpers(self) -> list[Any]:
        processes = self._reactor.processes
        return [] if processes is None else list(processes._process.values())  # noqa: SLF001


def install() -> None:
    """Make ExaBGP's reactor use this listener."""
    loop.Listener = Listener

    def listen_for_neighbors(self: Any) -> bool:
        self.listener.listen_for(self.configuration.neighbors.values())
        return True  # an error on one address must not end the sessions on others

    loop.Reactor._listen_for_neighbors = listen_for_neighbors  # noqa: SLF001


def _closed_first(sock: socket.socket) -> socket.socket:
    """Give a listening socket a number above those of sessions, if the process may have so many files.

    When a process is killed, Linux closes the file with the highest number first. If that were a session's, a router on
    or near this machine would connect again while the socket still listens, and lose that connection in a millisecond.
    OpenBGPD 7.7 then starts its next connection with two OPENs, which ExaBGP refuses, and does not return for half a
    minute.
    """
    try:
        number = fcntl.fcntl(sock, fcntl.F_DUPFD_CLOEXEC, ABOVE_SESSIONS)
    except OSError:  # EINVAL: the limit of open files is lower
        return sock
    sock.close()
    return socket.socket(fileno=number)


def _secure(sock: socket.socket, wanted: _Wanted) -> None:
    _prepare(sock)
    for peer, (key, base64) in wanted.keys.items():
        md5(sock, peer, 0, key, base64)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MINHOPCOUNT, wanted.minimum_ttl)
    elif (option := ip_minttl()) is not None:
        sock.setsockopt(socket.IPPROTO_IP, option, wanted.minimum_ttl)


def _name(error: Exception) -> str:
    if isinstance(error, MD5Error):
        return "MD5"
    return errno.errorcode.get(getattr(error, "errno", None) or 0, type(error).__name__)


def _is_silent(connection: socket.socket) -> bool:
    """Return whether nothing has arrived, not even the end of the connection."""
    try:
        connection.recv(4096)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _prepare(listening: socket.socket) -> None:
    """Send with a TTL of 255 (RFC 5082 section 3), because a router with TTL security could not connect otherwise; and
    enable TCP keepalive (RFC 9293 section 3.8.4). Accepted sockets inherit both.
    """
    _keep_alive(listening)
    if listening.family == socket.AF_INET6:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, SENDING_TTL)
    else:
        listening.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, SENDING_TTL)


def _shut_out(listening: socket.socket) -> None:
    """Close the waiting connections: they used other keys or another TTL."""
    with contextlib.suppress(OSError):  # BlockingIOError after the last one
        while True:
            listening.accept()[0].close()


def _keep_alive(listening: socket.socket) -> None:
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_SECONDS),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_SECONDS),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
    ):
        if hasattr(socket, option):  # macOS has another name for the first
            listening.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
