"""A small BGP speaker on bare sockets, which the tests use as a router.

It sends exactly what a test tells it to, right or wrong, and keeps its session alive from its own thread. Messages are
encoded as in RFC 4271, 4760 (IPv6), 6793 (four-octet ASNs), 7911 (ADD-PATH), 4724 (graceful restart) and 8654 (extended
messages). A socket can sign with MD5 (RFC 2385) and set its TTL (RFC 5082).
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import ip_address, ip_network
from types import TracebackType
from typing import Self

import pytest

from ermon.model.prefixes import Family

OPEN, UPDATE, NOTIFICATION, KEEPALIVE, ROUTE_REFRESH = 1, 2, 3, 4, 5
AFI: dict[Family, int] = {"ipv4": 1, "ipv6": 2}
UNICAST = 1
ADD_PATH_SEND = 2
AS_TRANS = 23456
PATIENCE = 30.0
"""Seconds after which a test fails whose condition has not come true, also on a slow machine."""

_TCP_MD5SIG = 14
_TCP_REPAIR = 19
_IP_MINTTL = 21
_IPV6_MINHOPCOUNT = 73


def message(kind: int, body: bytes = b"") -> bytes:
    return b"\xff" * 16 + struct.pack("!HB", 19 + len(body), kind) + body


def capability(code: int, value: bytes = b"") -> bytes:
    return bytes([code, len(value)]) + value


def open_message(
    asn: int,
    *,
    router_id: str,
    hold_time: int = 90,
    families: Sequence[Family] = ("ipv4",),
    add_path: Sequence[Family] = (),
    graceful_restart: int | None = 120,
    extended_messages: bool = False,
    route_refresh: bool = True,
    four_octet: bool = True,
) -> bytes:
    """Encode an OPEN; ``add_path`` names the families in which several paths will be sent."""
    offered = b"".join(capability(1, struct.pack("!HBB", AFI[family], 0, UNICAST)) for family in families)
    if four_octet:
        offered += capability(65, struct.pack("!I", asn))
    if route_refresh:
        offered += capability(2)
    if extended_messages:
        offered += capability(6)
    if graceful_restart is not None:
        flags = b"".join(struct.pack("!HBB", AFI[family], UNICAST, 0) for family in families)
        offered += capability(64, struct.pack("!H", graceful_restart) + flags)
    if add_path:
        offered += capability(
            69, b"".join(struct.pack("!HBB", AFI[family], UNICAST, ADD_PATH_SEND) for family in add_path)
        )
    parameters = bytes([2, len(offered)]) + offered
    fields = (4, asn if asn < 65536 else AS_TRANS, hold_time, socket.inet_aton(router_id), len(parameters))
    return message(OPEN, struct.pack("!BHH4sB", *fields) + parameters)


def attribute(flags: int, code: int, value: bytes) -> bytes:
    if len(value) > 255:
        return struct.pack("!BBH", flags | 0x10, code, len(value)) + value
    return struct.pack("!BBB", flags, code, len(value)) + value


def encode_nlri(prefix: str, path_id: int | None = None) -> bytes:
    network = ip_network(prefix)
    octets = network.network_address.packed[: (network.prefixlen + 7) // 8]
    identifier = b"" if path_id is None else struct.pack("!I", path_id)
    return identifier + bytes([network.prefixlen]) + octets


def encode_path(as_path: Iterable[int]) -> bytes:
    asns = list(as_path)
    segment = bytes([2, len(asns)]) + b"".join(struct.pack("!I", asn) for asn in asns) if asns else b""
    return attribute(0x40, 2, segment)


def update_message(withdrawn: bytes = b"", attributes: bytes = b"", nlri: bytes = b"") -> bytes:
    lengths = struct.pack("!H", len(withdrawn)), struct.pack("!H", len(attributes))
    return message(UPDATE, lengths[0] + withdrawn + lengths[1] + attributes + nlri)


def announcement(
    *prefixes: str,
    next_hop: str,
    as_path: Iterable[int] = (),
    communities: Iterable[tuple[int, int]] = (),
    large_communities: Iterable[tuple[int, int, int]] = (),
    path_id: int | None = None,
    local_preference: int | None = None,
    med: int | None = None,
) -> bytes:
    """Encode an UPDATE that announces prefixes of one family with these attributes."""
    nlri = b"".join(encode_nlri(prefix, path_id) for prefix in prefixes)
    attributes = attribute(0x40, 1, b"\0") + encode_path(as_path)
    if ip_network(prefixes[0]).version == 6:
        reach = struct.pack("!HBB", AFI["ipv6"], UNICAST, 16) + ip_address(next_hop).packed + b"\0" + nlri
        attributes, nlri = attribute(0x80, 14, reach) + attributes, b""
    else:
        attributes += attribute(0x40, 3, ip_address(next_hop).packed)
    if med is not None:
        attributes += attribute(0x80, 4, struct.pack("!I", med))
    if local_preference is not None:
        attributes += attribute(0x40, 5, struct.pack("!I", local_preference))
    if packed := b"".join(struct.pack("!HH", *community) for community in communities):
        attributes += attribute(0xC0, 8, packed)
    if packed := b"".join(struct.pack("!III", *community) for community in large_communities):
        attributes += attribute(0xC0, 32, packed)
    return update_message(attributes=attributes, nlri=nlri)


def withdrawal(*prefixes: str, path_id: int | None = None) -> bytes:
    """Encode an UPDATE that withdraws prefixes of one family."""
    nlri = b"".join(encode_nlri(prefix, path_id) for prefix in prefixes)
    if ip_network(prefixes[0]).version == 6:
        return update_message(attributes=attribute(0x80, 15, struct.pack("!HB", AFI["ipv6"], UNICAST) + nlri))
    return update_message(withdrawn=nlri)


def end_of_rib(family: Family) -> bytes:
    """Encode the End-of-RIB marker (RFC 4724 section 2)."""
    if family == "ipv4":
        return update_message()
    return update_message(attributes=attribute(0x80, 15, struct.pack("!HB", AFI[family], UNICAST)))


def notification(code: int, subcode: int, data: bytes = b"") -> bytes:
    return message(NOTIFICATION, bytes([code, subcode]) + data)


def sign_with(sock: socket.socket, peer: str, password: str) -> None:
    """Sign this socket's segments to and from ``peer`` with MD5; raises ``OSError`` if the kernel cannot."""
    address = ip_address(peer)
    if address.version == 4:
        target = struct.pack("@HH4s120x", socket.AF_INET, 0, address.packed)
    else:
        target = struct.pack("@HHI16sI100x", socket.AF_INET6, 0, 0, address.packed, 0)
    key = password.encode("ascii")
    option = target + struct.pack("@2xH4x80s", len(key), key)
    sock.setsockopt(socket.IPPROTO_TCP, _TCP_MD5SIG, option)


def supports_md5() -> bool:
    """Return whether this kernel can sign TCP segments (RFC 2385)."""
    with socket.socket() as sock:
        try:
            sign_with(sock, "127.0.0.1", "key")
        except OSError:
            return False
    return True


def require(capability: bool, what: str) -> None:
    """Skip a test if this machine lacks something; in CI, fail."""
    if not capability:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"this machine has no {what}")


def open_socket(
    source: str,
    target: str,
    *,
    password: str | None = None,
    ttl: int | None = None,
    minimum_ttl: int | None = None,
) -> socket.socket:
    """Return a TCP socket that is ready to connect from ``source`` to ``target``."""
    ipv6 = ip_address(target).version == 6
    sock = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if password is not None:
            sign_with(sock, target, password)
        level = socket.IPPROTO_IPV6 if ipv6 else socket.IPPROTO_IP
        if ttl is not None:
            sock.setsockopt(level, socket.IPV6_UNICAST_HOPS if ipv6 else socket.IP_TTL, ttl)
        if minimum_ttl is not None:
            sock.setsockopt(level, _IPV6_MINHOPCOUNT if ipv6 else _IP_MINTTL, minimum_ttl)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((source, 0))
    except OSError:
        sock.close()
        raise
    return sock


def supports_vanishing() -> bool:
    """Return whether connections can be dropped here without any packet."""
    with socket.socket() as sock:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
            sock.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 0)
        except OSError:
            return False
    return True


class SessionRefusedError(Exception):
    """The far end refused the session."""


class Speaker:
    """A router with one session to a passive neighbour at ``target``.

    ``asn`` and ``source`` are the router's own. ``establish`` connects until the session is up. From then on a thread
    sends keepalives and stores what it receives in ``received``, until ``close``, ``reset`` or the far end ends the
    session. As a context manager it establishes and closes the session.
    """

    def __init__(
        self,
        source: str,
        target: str,
        port: int,
        *,
        asn: int,
        router_id: str = "10.0.0.1",
        hold_time: int = 90,
        families: Sequence[Family] = ("ipv4",),
        add_path: bool = False,
        graceful_restart: int | None = 120,
        extended_messages: bool = False,
        route_refresh: bool = True,
        four_octet: bool = True,
        password: str | None = None,
        ttl: int | None = None,
        minimum_ttl: int | None = None,
    ) -> None:
        self.source, self.target, self.port = source, target, port
        self.hold_time = hold_time
        self.families = tuple(families)
        self.opening = open_message(
            asn,
            router_id=router_id,
            hold_time=hold_time,
            families=families,
            add_path=families if add_path else (),
            graceful_restart=graceful_restart,
            extended_messages=extended_messages,
            route_refresh=route_refresh,
            four_octet=four_octet,
        )
        self.password, self.ttl, self.minimum_ttl = password, ttl, minimum_ttl
        self.received: list[tuple[int, bytes]] = []
        """Messages since the session came up: type and body."""
        self.ended = threading.Event()
        """Set when the session has ended, from either side."""
        self._sock: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._writing = threading.Lock()

    def __enter__(self) -> Self:
        self.establish()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def is_up(self) -> bool:
        return self._sock is not None and not self.ended.is_set()

    def establish(self, timeout: float = PATIENCE) -> None:
        """Connect repeatedly until the session is up; raises ``SessionRefusedError`` after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.attempt(timeout=max(0.1, deadline - time.monotonic()))
            except (OSError, SessionRefusedError) as error:
                if time.monotonic() >= deadline:
                    raise SessionRefusedError(f"{self.source} to {self.target}: {error}") from error
                time.sleep(0.02)
            else:
                return

    def attempt(self, timeout: float = PATIENCE) -> None:
        """Connect once; raises ``OSError`` or ``SessionRefusedError`` if no session comes up."""
        self.close()
        sock = open_socket(
            self.source, self.target, password=self.password, ttl=self.ttl, minimum_ttl=self.minimum_ttl
        )
        try:
            sock.settimeout(timeout)
            sock.connect((self.target, self.port))
            sock.sendall(self.opening)
            _expect(sock, OPEN)
            sock.sendall(message(KEEPALIVE))
            _expect(sock, KEEPALIVE)
        except (OSError, SessionRefusedError):
            sock.close()
            raise
        sock.settimeout(None)
        self._sock = sock
        self.received = []
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._live, args=(sock, self.ended), daemon=True)
        self._thread.start()

    def send(self, *messages: bytes) -> None:
        """Send encoded messages; raises ``OSError`` if the session has ended."""
        if self._sock is None:
            raise OSError("there is no session")
        with self._writing:
            self._sock.sendall(b"".join(messages))

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Send nothing inside the block, not even keepalives."""
        with self._writing:
            yield

    def announce(
        self,
        *prefixes: str,
        next_hop: str,
        as_path: Iterable[int] = (),
        communities: Iterable[tuple[int, int]] = (),
        path_id: int | None = None,
    ) -> None:
        self.send(
            announcement(
                *prefixes, next_hop=next_hop, as_path=as_path, communities=communities, path_id=path_id
            )
        )

    def withdraw(self, *prefixes: str, path_id: int | None = None) -> None:
        self.send(withdrawal(*prefixes, path_id=path_id))

    def end_of_rib(self) -> None:
        """Send End-of-RIB for every family."""
        self.send(*(end_of_rib(family) for family in self.families))

    def notify(self, code: int, subcode: int, data: bytes = b"") -> None:
        """End the session with a NOTIFICATION."""
        self.send(notification(code, subcode, data))
        self.close()

    def close(self) -> None:
        """End the session with a FIN."""
        if self._sock is not None:
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
            self._finish()

    def reset(self) -> None:
        """End the session with a RST."""
        if self._sock is not None:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with contextlib.suppress(OSError):  # wakes the reading thread; closing then resets
                self._sock.shutdown(socket.SHUT_RD)
            self._finish()

    def vanish(self) -> None:
        """End the session without any packet to the far end; needs root."""
        if self._sock is not None:
            self._sock.setsockopt(
                socket.IPPROTO_TCP, _TCP_REPAIR, 1
            )  # in repair mode, closing sends nothing (Linux)
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RD)
            self._finish()

    def wait_for(
        self, condition: Callable[[list[tuple[int, bytes]]], bool], timeout: float = PATIENCE
    ) -> None:
        """Return when ``condition`` is true for what was received; raises ``TimeoutError`` otherwise."""
        deadline = time.monotonic() + timeout
        while not condition(self.received):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.source} has received only {self.received}")
            time.sleep(0.005)

    def _finish(self) -> None:
        self.ended.set()
        if self._thread is not None:
            self._thread.join()
        if self._sock is not None:
            self._sock.close()
        self._sock = self._thread = None

    def _live(self, sock: socket.socket, ended: threading.Event) -> None:
        """Read messages, and send a KEEPALIVE three times in a hold time (RFC 4271 section 4.4)."""
        interval = self.hold_time / 3 if self.hold_time else None
        keeper = threading.Thread(target=self._keep_alive, args=(sock, ended, interval), daemon=True)
        keeper.start()
        buffered = b""
        with contextlib.suppress(OSError):
            while data := sock.recv(1 << 16):
                buffered += data
                while len(buffered) >= 19 and len(buffered) >= (
                    size := int.from_bytes(buffered[16:18], "big")
                ):
                    self.received.append((buffered[18], buffered[19:size]))
                    buffered = buffered[size:]
        ended.set()
        keeper.join()

    def _keep_alive(self, sock: socket.socket, ended: threading.Event, interval: float | None) -> None:
        while interval is not None and not ended.wait(interval):
            with contextlib.suppress(OSError), self._writing:
                sock.sendall(message(KEEPALIVE))


def _expect(sock: socket.socket, kind: int) -> bytes:
    """Read one message and return its body; raises ``SessionRefusedError`` if it is of another type, or none arrives."""
    header = _read(sock, 19)
    body = _read(sock, int.from_bytes(header[16:18], "big") - 19)
    if header[18] != kind:
        raise SessionRefusedError(f"message {header[18]} {body!r} where {kind} was expected")
    return body


def _read(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise SessionRefusedError("the connection was closed")
        data += part
    return data


def free_port(*addresses: str) -> int:
    """Return a TCP port that is free on all of these addresses at this moment."""
    while True:
        with contextlib.ExitStack() as stack:
            port = 0
            try:
                for address in addresses:
                    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
                    sock = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
                    sock.bind((address, port))
                    port = sock.getsockname()[1]
            except OSError:
                continue
            return port
