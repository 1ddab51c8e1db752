"""BMP messages from their octets (RFC 7854; RFC 8671 for Adj-RIB-Out, RFC 9069 for Loc-RIB).

House rules: pure, and total. ``Framer`` cuts the octets of a connection into messages, ``read_message`` reads one. Whatever the
octets, ``Framer.feed`` raises nothing but ``BmpError``, and ``read_message`` nothing but ``Unreadable``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from enum import IntEnum, StrEnum
from typing import NamedTuple

import msgspec

from ermon.bgp.header import HEADER_OCTETS, MARKER, NOTIFICATION, OPEN, UPDATE
from ermon.bgp.multiprotocol import family_of
from ermon.bgp.notification import describe
from ermon.bgp.open import Open, read_open
from ermon.bgp.unreadable import Unreadable
from ermon.bmp import causes
from ermon.model.events import DownCause
from ermon.model.prefixes import Address, Family
from ermon.model.text import printable

VERSION = 3
MAX_MESSAGE_OCTETS = 2**20
"""The longest message that is accepted, unless the configuration says otherwise. An extended UPDATE (RFC 8654) takes 64 KiB."""
MAX_TEXT_CHARACTERS = 255
"""A longer text of the router (its name, its description, a reason) is cut."""

MAX_FIELDS = 1_000
"""TLVs of a message that are read; the routers that were tried send fewer than 20."""
MAX_PEERS_REMEMBERED = 4_096
"""Per-peer headers that are remembered as they were read."""
MAX_OPEN_OCTETS = 4_096
"""No session has a longer OPEN, whatever it negotiates (RFC 8654 section 4)."""

_COMMON_HEADER = struct.Struct("!BIB")
"""Version, message length and message type (RFC 7854 section 4.1)."""
COMMON_HEADER_OCTETS, KIND_AT = _COMMON_HEADER.size, 5
_common_header = struct.Struct("!BI").unpack_from
"""The version and the length."""
_PEER_HEADER = struct.Struct("!BB8s16sI4sII")
"""Peer type, flags, distinguisher, address, ASN, BGP identifier, and the time in seconds and microseconds (section 4.2)."""
PEER_HEADER_OCTETS = _PEER_HEADER.size
TELLING_OCTETS = 30
"""Of them, all but the BGP identifier and the time: ermon uses neither."""

_IPV6, _POST_POLICY, _TWO_OCTET_PATHS, _ADJ_RIB_OUT = 0x80, 0x40, 0x20, 0x10
"""Flags of the per-peer header: V, L and A of RFC 7854 section 4.2, O of RFC 8671 section 4."""
_LOC_RIB_PEER = 3
"""The peer type of a Loc-RIB instance (RFC 9069 section 4.1). Its flags mean something else."""


class BmpError(ValueError):
    """The octets are not BMP, or not of version 3: the connection cannot go on. Its text is printable ASCII."""


class Kind(IntEnum):
    """Message types (RFC 7854 section 4.1)."""

    ROUTE_MONITORING = 0
    STATISTICS = 1
    PEER_DOWN = 2
    PEER_UP = 3
    INITIATION = 4
    TERMINATION = 5
    ROUTE_MIRRORING = 6


class Framer:
    """Cuts what is received on one connection into messages."""

    def __init__(self, max_octets: int = MAX_MESSAGE_OCTETS) -> None:
        self._max_octets = max_octets
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the type and the body of each message that is now complete; keep the rest.

        ``BmpError`` comes after the last message in front of the error.
        """
        for message in self.cut(data):
            yield message[KIND_AT], message[COMMON_HEADER_OCTETS:]

    def cut(self, data: bytes) -> Iterator[bytes]:
        """Yield as ``feed``, but each message with its common header."""
        held = self._held
        held += data
        at = 0
        try:
            while len(held) - at >= COMMON_HEADER_OCTETS:
                version, size = _common_header(held, at)
                if version != VERSION or not COMMON_HEADER_OCTETS <= size <= self._max_octets:
                    raise BmpError(self._problem(version, size))
                if len(held) - at < size:
                    return
                message = bytes(held[at : at + size])
                at += size
                yield message
        finally:
            del held[:at]

    def _problem(self, version: int, size: int) -> str:
        if version != VERSION:
            return f"BMP version {version}, which is not {VERSION}"
        return f"a BMP message of {size} octets; the limit is {self._max_octets}"

    @property
    def rest(self) -> bytes:
        """The octets behind the last message that was yielded."""
        return bytes(self._held)


def write_message(kind: Kind, body: bytes) -> bytes:
    """Put the common header in front of a message (RFC 7854 section 4.1)."""
    return _COMMON_HEADER.pack(VERSION, COMMON_HEADER_OCTETS + len(body), kind) + body


class Rib(StrEnum):
    """The table that a Route Monitoring message is about."""

    IN_PRE = "adj-rib-in, pre-policy"
    IN_POST = "adj-rib-in, post-policy"
    OUT_PRE = "adj-rib-out, pre-policy"
    OUT_POST = "adj-rib-out, post-policy"
    LOCAL = "loc-rib"


class SessionKey(NamedTuple):
    """One BGP session of a router. Two VRFs of it may have neighbors with the same address."""

    peer: Address
    distinguisher: bytes = bytes(8)
    """The route distinguisher of the VRF, or a number that is the router's own; zeros: the global table."""


class Peer(NamedTuple):
    """The per-peer header (RFC 7854 section 4.2). Its time is left out: no router tried sends it right."""

    key: SessionKey
    rib: Rib
    four_octet: bool
    """Whether the paths in it have ASNs of four octets."""
    asn: int


class Initiation(msgspec.Struct, frozen=True):
    """The first message of a connection (RFC 7854 section 4.3)."""

    name: str = ""
    description: str = ""


class Termination(msgspec.Struct, frozen=True):
    """The router closes the connection (RFC 7854 section 4.5)."""

    reason: str


class PeerUp(msgspec.Struct, frozen=True):
    """A session is established (RFC 7854 section 4.10)."""

    peer: Peer
    local: Address
    local_port: int
    remote_port: int
    sent: Open
    received: Open
    surplus: int = 0
    """Octets behind the OPEN messages: what else the router says of the session."""


class PeerDown(msgspec.Struct, frozen=True):
    """A session has ended (RFC 7854 section 4.9)."""

    peer: Peer
    reason: str
    """Which side ended it, and what its NOTIFICATION said."""
    monitoring_ended: bool = False
    """Only the reports about it have ended (reason 5); the session itself may go on."""
    cause: DownCause = DownCause.OTHER


class RouteMonitoring(msgspec.Struct, frozen=True):
    """An UPDATE of a session (RFC 7854 section 4.6)."""

    peer: Peer
    update: bytes
    """Behind the BGP header."""
    surplus: int = 0
    """Octets behind the UPDATE, which some routers send."""


class Statistics(msgspec.Struct, frozen=True):
    """Numbers about a session (RFC 7854 section 4.8)."""

    peer: Peer
    routes_in: int | None = None
    """In its Adj-RIB-In (type 7)."""
    routes_in_by_family: Mapping[Family, int] = {}
    """The same by family (type 9)."""


class Other(msgspec.Struct, frozen=True):
    """A message that ermon has no use for: Route Mirroring, or of an unknown type."""

    kind: int


Message = Initiation | Termination | PeerUp | PeerDown | RouteMonitoring | Statistics | Other


def read_message(kind: int, body: bytes) -> Message:
    """Read a message behind its common header; ``Unreadable`` where it contradicts itself or ends too early."""
    match kind:
        case Kind.ROUTE_MONITORING:
            return read_route_monitoring(read_peer(body), body)
        case Kind.STATISTICS:
            return _read_statistics(*_split_peer(body))
        case Kind.PEER_DOWN:
            return _read_peer_down(*_split_peer(body))
        case Kind.PEER_UP:
            return _read_peer_up(*_split_peer(body))
        case Kind.INITIATION:
            texts = dict(reversed(list(_information(body))))  # of several, the first counts
            return Initiation(name=_text(texts.get(2, b"")), description=_text(texts.get(1, b"")))
        case Kind.TERMINATION:
            return _read_termination(body)
        case _:
            return Other(kind)


class Peers:
    """Reads per-peer headers, and remembers those it has read: a router sends each of them thousands of times."""

    def __init__(self) -> None:
        self._known: dict[bytes, Peer] = {}

    def read(self, body: bytes) -> Peer:
        """Read as ``read_peer``."""
        known = self._known.get(body[:TELLING_OCTETS])
        return self._remember(body) if known is None or len(body) < _PEER_HEADER.size else known

    def _remember(self, body: bytes) -> Peer:
        peer = read_peer(body)
        if len(self._known) >= MAX_PEERS_REMEMBERED:
            self._known.clear()
        self._known[body[:TELLING_OCTETS]] = peer
        return peer


def _split_peer(body: bytes) -> tuple[Peer, bytes]:
    """Return the per-peer header and what is behind it."""
    return read_peer(body), body[_PEER_HEADER.size :]


def read_peer(body: bytes) -> Peer:
    """Read the per-peer header, with which the body of every message about a session begins."""
    if len(body) < _PEER_HEADER.size:
        raise Unreadable("it ends within its per-peer header")
    kind, flags, distinguisher, address, asn, _, _, _ = _PEER_HEADER.unpack_from(body)
    if kind == _LOC_RIB_PEER:
        key, rib, four_octet = SessionKey(Address(4, 0), distinguisher), Rib.LOCAL, True
    else:
        key = SessionKey(_address(address, is_ipv6=bool(flags & _IPV6)), distinguisher)
        rib = _RIBS[bool(flags & _ADJ_RIB_OUT), bool(flags & _POST_POLICY)]
        four_octet = not flags & _TWO_OCTET_PATHS
    return Peer(key, rib, four_octet, asn)


_RIBS = {
    (False, False): Rib.IN_PRE,
    (False, True): Rib.IN_POST,
    (True, False): Rib.OUT_PRE,
    (True, True): Rib.OUT_POST,
}
"""By the flags O and L."""


def _address(octets: bytes, *, is_ipv6: bool) -> Address:
    """An IPv4 address is in the last four of the 16 octets (RFC 7854 section 4.2)."""
    return (
        Address(6, int.from_bytes(octets, "big"))
        if is_ipv6
        else Address(4, int.from_bytes(octets[12:], "big"))
    )


def read_route_monitoring(peer: Peer, body: bytes) -> RouteMonitoring:
    """Read a Route Monitoring message whose per-peer header has been read."""
    update, surplus = _split_bgp(body[_PEER_HEADER.size :], UPDATE)
    return RouteMonitoring(peer, update, len(surplus))


def _split_bgp(octets: bytes, kind: int) -> tuple[bytes, bytes]:
    """Return the body of the BGP message at the beginning, and what is behind the message."""
    if len(octets) < HEADER_OCTETS or not octets.startswith(MARKER):
        raise Unreadable("no BGP message where one should be")
    size = octets[16] << 8 | octets[17]
    if not HEADER_OCTETS <= size <= len(octets):
        raise Unreadable(f"a BGP message of {size} octets in {len(octets)}")
    if octets[18] != kind:
        raise Unreadable(f"a BGP message of type {octets[18]} where {kind} should be")
    return octets[HEADER_OCTETS:size], octets[size:]


def _read_peer_up(peer: Peer, rest: bytes) -> PeerUp:
    if len(rest) < 20:
        raise Unreadable("a Peer Up that ends before its OPEN messages")
    sent, behind = _split_bgp(rest[20:], OPEN)
    received, surplus = _split_bgp(behind, OPEN)
    if max(len(sent), len(received)) > MAX_OPEN_OCTETS - HEADER_OCTETS:
        raise Unreadable(f"an OPEN of more than {MAX_OPEN_OCTETS} octets")
    return PeerUp(
        peer,
        local=_address(rest[:16], is_ipv6=peer.key.peer.version == 6),
        local_port=int.from_bytes(rest[16:18], "big"),
        remote_port=int.from_bytes(rest[18:20], "big"),
        sent=read_open(sent),
        received=read_open(received),
        surplus=len(surplus),
    )


def _read_peer_down(peer: Peer, rest: bytes) -> PeerDown:
    """The session has ended, whatever is wrong with the reason: else it would count as up.

    The reasons: RFC 7854 section 4.9, RFC 9069 section 5.3.
    """
    if not rest:
        return PeerDown(peer, "the router says no reason")
    data = rest[1:]
    match rest[0]:
        case 1:
            text, cause = _notification(data)
            return PeerDown(peer, f"the router sent {text}", cause=cause)
        case 2:
            text, cause = _local_event(data)
            return PeerDown(peer, text, cause=cause)
        case 3:
            text, cause = _notification(data)
            return PeerDown(peer, f"the neighbor sent {text}", cause=cause)
        case 4:
            text = "the neighbor closed the connection, or it was lost, without a NOTIFICATION"
            return PeerDown(peer, text, cause=DownCause.TRANSPORT)
        case 5:
            return PeerDown(peer, "the router no longer reports the session", monitoring_ended=True)
        case 6:
            return PeerDown(peer, "the router's table has ended")
        case reason:
            return PeerDown(peer, f"reason {reason}, which RFC 7854 does not know")


def _notification(data: bytes) -> tuple[str, DownCause]:
    try:
        body, _ = _split_bgp(data, NOTIFICATION)
    except Unreadable:
        body = b""
    text = describe(body[0], body[1], body[2:]) if len(body) >= 2 else "a NOTIFICATION, which cannot be read"
    return text, causes.of_notification(body)


def _local_event(data: bytes) -> tuple[str, DownCause]:
    """FRR sends event 0 for whatever it was, and other routers leave the event out."""
    event = int.from_bytes(data[:2], "big")
    meaning, cause = causes.of_event(event)
    said = "the router ended the session without a NOTIFICATION"
    if meaning:
        return f"{said}: {meaning}", cause
    return f"{said} (event {event} of RFC 4271)" if event else said, cause


def _read_termination(body: bytes) -> Termination:
    fields = dict(reversed(list(_information(body))))
    code, text = fields.get(1), _text(fields.get(0, b""))
    reason = (
        ""
        if code is None
        else _TERMINATIONS.get(int.from_bytes(code, "big"), f"reason {int.from_bytes(code[:2], 'big')}")
    )
    return Termination(": ".join(part for part in (reason, text) if part) or "no reason given")


_TERMINATIONS = {
    0: "closed by its administrator",
    1: "no reason given",
    2: "out of resources",
    3: "one connection too many",
    4: "permanently closed by its administrator",
}
"""RFC 7854 section 4.5."""


def _read_statistics(peer: Peer, rest: bytes) -> Statistics:
    if len(rest) < 4:
        raise Unreadable("a Statistics Report without a count")
    routes: int | None = None
    by_family: dict[Family, int] = {}
    for kind, value in _information(rest[4:]):
        if kind == 7 and len(value) == 8:
            routes = int.from_bytes(value, "big")
        elif kind == 9 and len(value) == 11 and (family := family_of(value[:3])) is not None:
            by_family[family] = int.from_bytes(value[3:], "big")
    return Statistics(peer, routes, by_family)


def _information(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and value of each TLV (RFC 7854 section 4.4)."""
    at, end = 0, len(octets)
    for _ in range(MAX_FIELDS):
        if at >= end:
            return
        start = at + 4
        stop = start + int.from_bytes(octets[at + 2 : start], "big")
        if stop > end:
            raise Unreadable("a TLV that goes on behind the message")
        yield int.from_bytes(octets[at : at + 2], "big"), octets[start:stop]
        at = stop
    if at < end:
        raise Unreadable(f"more than {MAX_FIELDS} TLVs")


def _text(octets: bytes) -> str:
    return printable(octets.decode("utf-8", "replace"))[:MAX_TEXT_CHARACTERS]
