"""A router of the demo that reports its sessions with Microsoft by BMP (RFC 7854)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Protocol

from ermon.bgp.header import HEADER_OCTETS, MARKER
from ermon.bgp.notification import CEASE
from ermon.bgp.notification import SHUTDOWN as SHUTDOWN_SUBCODE
from ermon.bmp.messages import Kind, write_message
from ermon.model.inventory import BmpRouter, Config, Feed, View
from ermon.model.prefixes import parse_address, parse_prefix

STATISTICS_SECONDS = 1.0
RETRY_SECONDS = 0.1
_HOLD_SECONDS = 90
_OPEN, _UPDATE, _NOTIFICATION = 1, 2, 3
_POST_POLICY, _IPV6 = 0x40, 0x80
_NEIGHBOR_NOTIFICATION = 3
"""A Peer Down: the neighbor has sent a NOTIFICATION."""
_AFI = {"ipv4": 1, "ipv6": 2}


class Route(Protocol):
    """What a session with Microsoft brings."""

    @property
    def prefix(self) -> str: ...
    @property
    def next_hop(self) -> str: ...
    @property
    def as_path(self) -> tuple[int, ...]: ...
    @property
    def communities(self) -> tuple[str, ...]: ...


class Reporter:
    """Reports the sessions of one router: as up, with their routes, or as down, and why."""

    def __init__(self, config: Config, router: BmpRouter, routes: Iterable[Route]) -> None:
        """``routes`` come over the sessions with Microsoft while they are up."""
        assert config.collector.bmp is not None
        self._station = config.collector.bmp.listen[0]
        self._source = str(router.peer)
        self._own_asn = config.customer.asn
        self._sessions = [
            feed
            for feed in config.feeds.values()
            if feed.router == router.router and feed.view in {View.FROM_MICROSOFT, View.FROM_INTERNET}
        ]
        self._routes = tuple(routes)
        self._farewell = ""
        """What Microsoft has said as it shut the sessions down; empty while they are up."""
        self._socket: socket.socket | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Reporter]:
        """Connect as soon as ermon listens, and report until the context ends."""
        task = asyncio.create_task(self._live())
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def shut_down(self, farewell: str) -> None:
        """Let Microsoft end the sessions, and say why (RFC 9003)."""
        self._farewell = farewell
        self._send(b"".join(map(self._down, self._with_microsoft)))

    def bring_up(self) -> None:
        self._farewell = ""
        self._send(b"".join(map(self._up, self._with_microsoft)))

    @property
    def _with_microsoft(self) -> list[Feed]:
        return [feed for feed in self._sessions if feed.view is View.FROM_MICROSOFT]

    async def _live(self) -> None:
        while True:
            with contextlib.suppress(OSError), socket.socket() as connection:
                connection.setblocking(False)
                connection.bind((self._source, 0))
                await asyncio.get_running_loop().sock_connect(connection, self._station)
                self._socket = connection
                self._send(write_message(Kind.INITIATION, b""))
                self._send(b"".join(self._up(feed) for feed in self._sessions if self._is_up(feed)))
                while True:
                    await asyncio.sleep(STATISTICS_SECONDS)
                    self._send(b"".join(_statistics(feed) for feed in self._sessions if self._is_up(feed)))
            self._socket = None
            await asyncio.sleep(RETRY_SECONDS)

    def _is_up(self, feed: Feed) -> bool:
        return not self._farewell or feed.view is View.FROM_INTERNET

    def _send(self, messages: bytes) -> None:
        if self._socket is not None:
            self._socket.send(messages)  # some hundred octets: the socket's buffer takes them at once

    def _up(self, feed: Feed) -> bytes:
        peer = parse_address(feed.peer)
        own = peer.value - 1  # the first host of the link's subnet
        opens = _open(self._own_asn, feed) + _open(feed.peer_asn, feed)
        up = own.to_bytes(16, "big") + struct.pack("!HH", 179, 40000) + opens
        brought = self._routes if feed.view is View.FROM_MICROSOFT else ()
        routes = [route for route in brought if parse_prefix(route.prefix).family in feed.families]
        return b"".join(
            (
                _about(Kind.PEER_UP, feed, up),
                *(_about(Kind.ROUTE_MONITORING, feed, _announcement(route)) for route in routes),
                _about(Kind.ROUTE_MONITORING, feed, _end_of_rib(feed)),
            )
        )

    def _down(self, feed: Feed) -> bytes:
        said = self._farewell.encode()
        notification = _message(_NOTIFICATION, bytes([CEASE, SHUTDOWN_SUBCODE, len(said)]) + said)
        return _about(Kind.PEER_DOWN, feed, bytes([_NEIGHBOR_NOTIFICATION]) + notification)


def _about(kind: Kind, feed: Feed, body: bytes) -> bytes:
    """Put the per-peer header in front (RFC 7854 section 4.2)."""
    peer = parse_address(feed.peer)
    flags = _POST_POLICY | (_IPV6 if peer.version == 6 else 0)
    header = struct.pack(
        "!BB8s16sI4sII", 0, flags, bytes(8), peer.value.to_bytes(16, "big"), feed.peer_asn, bytes(4), 0, 0
    )
    return write_message(kind, header + body)


def _statistics(feed: Feed) -> bytes:
    return _about(Kind.STATISTICS, feed, struct.pack("!I", 0))


# BGP messages (RFC 4271 section 4) ----------------------------------------------------------------------


def _message(kind: int, body: bytes) -> bytes:
    return MARKER + struct.pack("!HB", HEADER_OCTETS + len(body), kind) + body


def _open(asn: int, feed: Feed) -> bytes:
    family = _AFI[feed.families[0]]
    capabilities = struct.pack("!BBHBB", 1, 4, family, 0, 1) + struct.pack("!BBI", 65, 4, asn)
    parameters = bytes([2, len(capabilities)]) + capabilities
    fixed = struct.pack("!BHHIB", 4, asn, _HOLD_SECONDS, 1, len(parameters))
    return _message(_OPEN, fixed + parameters)


def _announcement(route: Route) -> bytes:
    prefix, next_hop = parse_prefix(route.prefix), parse_address(route.next_hop)
    octets = 4 if prefix.version == 4 else 16
    nlri = bytes([prefix.length]) + prefix.value.to_bytes(octets, "big")[: -(-prefix.length // 8)]
    hop = next_hop.value.to_bytes(octets, "big")
    path = struct.pack(f"!BB{len(route.as_path)}I", 2, len(route.as_path), *route.as_path)
    marks = b"".join(struct.pack("!HH", *map(int, mark.split(":"))) for mark in route.communities)
    attributes = _attribute(0x40, 1, b"\0") + _attribute(0x40, 2, path)
    if prefix.version == 4:
        attributes += _attribute(0x40, 3, hop)
    else:
        attributes += _attribute(0x80, 14, struct.pack("!HBB", 2, 1, octets) + hop + b"\0" + nlri)
        nlri = b""
    return _update(attributes + _attribute(0xC0, 8, marks), nlri)


def _attribute(flags: int, code: int, value: bytes) -> bytes:
    return bytes([flags, code, len(value)]) + value


def _end_of_rib(feed: Feed) -> bytes:
    """RFC 4724 section 2."""
    return _update(b"" if feed.families == ("ipv4",) else _attribute(0x80, 15, struct.pack("!HB", 2, 1)))


def _update(attributes: bytes, nlri: bytes = b"") -> bytes:
    return _message(_UPDATE, b"\0\0" + struct.pack("!H", len(attributes)) + attributes + nlri)
