"""What RIS Live and RIPEstat write, as values. RIS Live's manual: ris-live.ripe.net/manual; RIPEstat's: stat.ripe.net/docs, "BGP State".

House rules: nothing here waits, logs or reads a clock. Readers raise ``Unreadable`` and nothing else, whatever the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from ermon.model.prefixes import Prefix, parse_address, parse_nlri
from ermon.model.routes import (
    AsPath,
    Attributes,
    Communities,
    LargeCommunities,
    PathSegment,
    Route,
    SegmentKind,
)
from ermon.model.text import printable

MAX_MESSAGE_BYTES = 1024 * 1024
"""A message of RIS Live is one UPDATE, of 65,535 octets at most (RFC 8654), and its prefixes in text."""
MAX_STATE_BYTES = 64 * 1024 * 1024
"""An answer of RIPEstat: some 400 bytes a route, and up to 1,500 peers have a route to a prefix."""

_ROUTES_A_REJECTED_ONE = 100
"""A state of which more than one route in so many cannot be read is none."""
_MAX_ASNS = 2_000
_MAX_REASON_CHARACTERS = 200
_MAX_ASN = 2**32 - 1


class Unreadable(ValueError):  # noqa: N818 - as in ermon.bgp
    """A text is not what its source writes; the text says what is wrong."""


class Heard(NamedTuple):
    """What one peer of RIPE's announced and withdrew."""

    time: float
    """By RIPE's clock, in seconds since the epoch."""
    routes: tuple[Route, ...]
    withdrawn: tuple[tuple[Prefix, int], ...]


class Beat(NamedTuple):
    """A message without routes: it shows that RIS Live passes on what its collectors see."""


class Refusal(NamedTuple):
    """RIS Live says that something is wrong with what it was asked."""

    reason: str


class State(NamedTuple):
    """All routes to some prefixes at one time."""

    time: float
    """By RIPE's clock, in seconds since the epoch."""
    routes: tuple[Route, ...]


# RIS Live --------------------------------------------------------------------------------------------


class _Announcement(msgspec.Struct):
    prefixes: list[str] | None = None


class _Data(msgspec.Struct):
    timestamp: float = 0.0
    peer: str = ""
    peer_asn: str | int = ""
    type: str = ""
    path: list[Any] | None = None
    community: list[Any] | None = None
    announcements: list[_Announcement] | None = None
    withdrawals: list[str] | None = None


class _Envelope(msgspec.Struct):
    type: str
    data: msgspec.Raw = msgspec.Raw(b"null")


_ENVELOPES = msgspec.json.Decoder(_Envelope)
_DATA = msgspec.json.Decoder(_Data)


def read_message(text: str | bytes) -> Heard | Beat | Refusal | None:
    """Read a message of RIS Live; ``None``: it says nothing about routes, and nothing about whether others would come."""
    try:
        envelope = _ENVELOPES.decode(text)
        if envelope.type == "ris_error":
            return Refusal(_reason(envelope.data))
        if envelope.type != "ris_message":
            return None
        data = _DATA.decode(envelope.data)
        if data.type != "UPDATE":
            return Beat()
        return _heard(data)
    except (ValueError, RecursionError, OverflowError) as error:
        raise Unreadable(_short(str(error))) from None


def _reason(data: msgspec.Raw) -> str:
    said = msgspec.json.decode(data)
    return _short(str(said.get("message", "")) if isinstance(said, dict) else str(said))


def _heard(data: _Data) -> Heard:
    path_id = peer_id(data.peer)
    asn = _asn(data.peer_asn)
    routes: tuple[Route, ...] = ()
    if data.announcements:
        attributes = Attributes(as_path=_path(data.path or [], asn), **_communities(data.community or ()))
        prefixes = (prefix for each in data.announcements for prefix in each.prefixes or ())
        routes = tuple(Route(parse_nlri(prefix), path_id, attributes) for prefix in prefixes)
    return Heard(
        data.timestamp, routes, tuple((parse_nlri(text), path_id) for text in data.withdrawals or ())
    )


# RIPEstat --------------------------------------------------------------------------------------------


class _StateRoute(msgspec.Struct):
    target_prefix: str
    source_id: str
    path: list[Any] | None = None
    community: list[Any] | None = None


class _StateData(msgspec.Struct):
    bgp_state: list[msgspec.Raw]
    query_time: str | float
    nr_routes: int | None = None


class _StateAnswer(msgspec.Struct):
    data: _StateData
    status: str = "ok"


_STATES = msgspec.json.Decoder(_StateAnswer)
_STATE_ROUTES = msgspec.json.Decoder(_StateRoute)


def read_state(text: bytes) -> State:
    """Read an answer of RIPEstat's ``bgp-state``. Few routes that cannot be read are left out; with more, it would prove absences that
    are none.
    """
    try:
        answer = _STATES.decode(text)
        if answer.status != "ok":
            raise Unreadable(f"its status is {_short(answer.status)!r}")
        time = _time(answer.data.query_time)
    except (ValueError, RecursionError, OverflowError) as error:
        raise Unreadable(_short(str(error))) from None
    found = answer.data.bgp_state
    if answer.data.nr_routes is not None and answer.data.nr_routes > len(found):
        raise Unreadable(f"it has {len(found)} of {answer.data.nr_routes} routes")
    routes: list[Route] = []
    why = ""
    for raw in found:
        try:
            routes.append(_state_route(_STATE_ROUTES.decode(raw)))
        except (ValueError, RecursionError, OverflowError) as error:
            why = why or _short(str(error))
    rejected = len(found) - len(routes)
    if rejected * _ROUTES_A_REJECTED_ONE > len(found):
        raise Unreadable(f"{rejected} of its {len(found)} routes cannot be read: {why}")
    return State(time, tuple(routes))


def _state_route(found: _StateRoute) -> Route:
    peer = (
        found.source_id.partition("-")[2] or found.source_id
    )  # the collector's number, a hyphen, the peer's address
    path = found.path or []
    asn = path[0] if path and isinstance(path[0], int) else None
    attributes = Attributes(as_path=_path(path, asn), **_communities(found.community or ()))
    return Route(parse_nlri(found.target_prefix), peer_id(peer), attributes)


def _time(value: str | float) -> float:
    if isinstance(value, str):
        read = datetime.fromisoformat(value)
        value = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    if not 0 <= value < 2**40:
        raise Unreadable("its query_time is no time")
    return float(value)


# Both ------------------------------------------------------------------------------------------------


def peer_id(peer: str) -> int:
    """Return what tells the routes of a peer from those of others: always the same number of 32 bits, from its address alone."""
    address = parse_address(peer)
    return crc32(bytes((address.version,)) + address.value.to_bytes(16, "big"))


def _asn(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_ASN:
        raise Unreadable("an ASN is no number of 32 bits")
    return value


def _path(found: list[Any], peer_asn: int | None) -> AsPath:
    """Return a path that begins with the peer's ASN: a route server does not put its own there (RFC 7947 section 2.2.2.1)."""
    if len(found) > _MAX_ASNS:
        raise Unreadable("an AS path is too long")
    segments = list(_segments(found))
    first = segments[0] if segments else None
    if peer_asn is not None and (first is None or first.asns[:1] != (peer_asn,)):
        if first is not None and first.kind is SegmentKind.SEQUENCE:
            segments[0] = PathSegment(SegmentKind.SEQUENCE, (peer_asn, *first.asns))
        else:
            segments.insert(0, PathSegment(SegmentKind.SEQUENCE, (peer_asn,)))
    return AsPath(segments)


def _segments(found: list[Any]) -> Iterator[PathSegment]:
    sequence: list[int] = []
    for each in found:
        members = _members(each)
        if members is None:
            sequence.append(_asn(each))
            continue
        if sequence:
            yield PathSegment(SegmentKind.SEQUENCE, tuple(sequence))
            sequence = []
        if members:
            yield PathSegment(SegmentKind.SET, members)
    if sequence:
        yield PathSegment(SegmentKind.SEQUENCE, tuple(sequence))


def _members(found: object) -> tuple[int, ...] | None:
    """Return the members of an AS_SET, which is a list, or braces around a list; ``None``: it is an ASN."""
    if isinstance(found, list):
        if len(found) > _MAX_ASNS:
            raise Unreadable("an AS_SET is too long")
        return tuple(map(_asn, found))
    if isinstance(found, str) and found.startswith("{"):
        return tuple(_asn(part) for part in found.strip("{}").replace(",", " ").split()[:_MAX_ASNS])
    return None


def _communities(found: Iterable[object]) -> dict[str, Any]:
    """Return standard and large communities, written as lists of numbers or as text with colons; others are left out."""
    standard: list[tuple[int, int]] = []
    large: list[tuple[int, int, int]] = []
    for each in found:
        parts: Any = each.split(":") if isinstance(each, str) else each
        if not isinstance(parts, list) or len(parts) not in (2, 3):
            continue
        try:
            numbers = [_asn(part) for part in parts]
        except Unreadable:
            continue
        if len(numbers) == 3:
            large.append((numbers[0], numbers[1], numbers[2]))
        elif max(numbers) < 2**16:
            standard.append((numbers[0], numbers[1]))
    return {"communities": Communities(standard), "large_communities": LargeCommunities(large)}


def _short(text: str) -> str:
    return printable(text)[:_MAX_REASON_CHARACTERS]
