"""BGP messages to their octets, with ASNs of four octets: the counterpart of ``ermon.bgp.update`` and ``ermon.bgp.open``.

What is written is read back as the same routes, with one exception: a route without ORIGIN gets ``incomplete``, and an IPv4
route without a next hop 0.0.0.0, because no UPDATE may be without them (RFC 4271 section 5).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import pack
from typing import NamedTuple

from ermon.bgp.attributes import (
    AS_PATH,
    COMMUNITIES,
    EXTENDED_LENGTH,
    LARGE_COMMUNITIES,
    LOCAL_PREF,
    MED,
    MP_REACH_NLRI,
    MP_UNREACH_NLRI,
    NEXT_HOP,
    ORIGIN,
)
from ermon.bgp.header import HEADER_OCTETS, MARKER, MAX_MESSAGE_OCTETS, OPEN, UPDATE
from ermon.model.prefixes import FAMILIES, Address, Family
from ermon.model.routes import AsPath, Attributes, Route, RouteKey, SegmentKind

KEEPALIVE = 4

_WELL_KNOWN, _OPTIONAL, _OPTIONAL_TRANSITIVE = 0x40, 0x80, 0xC0
_ORIGINS = {"igp": 0, "egp": 1, "incomplete": 2}
_SEGMENTS = {
    SegmentKind.SET: 1,
    SegmentKind.SEQUENCE: 2,
    SegmentKind.CONFED_SEQUENCE: 3,
    SegmentKind.CONFED_SET: 4,
}
_MOST_ASNS = 255
_AFIS: dict[Family, int] = {"ipv4": 1, "ipv6": 2}
_UNICAST = 1
_AS_TRANS = 23456
"""RFC 6793 section 9."""

_USUAL_OCTETS = 4_096
"""The longest message without RFC 8654."""
_OTHER_OCTETS = HEADER_OCTETS + 2 + 2 + 4 + 21
"""Of an UPDATE without path attributes and NLRI: header, two lengths, and MP_REACH_NLRI in front of its routes."""
_LONGEST_NLRI = 4 + 1 + 16
"""With path identifier and length."""


class TooLongError(ValueError):
    """Path attributes do not fit in any UPDATE."""


class Encoded(NamedTuple):
    """A whole UPDATE."""

    octets: bytes
    add_path: bool
    """Whether its NLRI have path identifiers."""


def write_header(kind: int, body: bytes = b"") -> bytes:
    """Put the header in front of a message (RFC 4271 section 4.1)."""
    return MARKER + pack("!HB", HEADER_OCTETS + len(body), kind) + body


def write_announcements(routes: Iterable[Route]) -> Iterator[Encoded]:
    """Yield UPDATEs that announce the routes; ``TooLongError`` if one has too many path attributes."""
    together: dict[tuple[Attributes, Family, bool], list[RouteKey]] = {}
    for route in routes:
        of = route.attributes, route.prefix.family, route.path_id is not None
        together.setdefault(of, []).append(route.key)
    for (attributes, family, add_path), keys in together.items():
        written = _write_attributes(attributes, family)
        for nlri in _fill(keys, _room(len(written))):
            if _is_plain(attributes, family):
                octets = _write_update(b"", written, nlri)
            else:
                octets = _write_update(b"", _write_reach(attributes, family, nlri) + written, b"")
            yield Encoded(octets, add_path)


def write_withdrawals(keys: Iterable[RouteKey]) -> Iterator[Encoded]:
    """Yield UPDATEs that withdraw the routes."""
    together: dict[tuple[Family, bool], list[RouteKey]] = {}
    for key in keys:
        together.setdefault((key[0].family, key[1] is not None), []).append(key)
    for (family, add_path), alike in together.items():
        for nlri in _fill(alike, _room(0)):
            if family == "ipv4":
                octets = _write_update(nlri, b"", b"")
            else:
                octets = _write_update(b"", _write_unreach(family, nlri), b"")
            yield Encoded(octets, add_path)


def write_end_of_rib(family: Family) -> bytes:
    """Return the marker of RFC 4724 section 2."""
    return _write_update(b"", b"" if family == "ipv4" else _write_unreach(family, b""), b"")


def write_open(
    asn: int, router_id: Address, families: Iterable[Family], sends_paths: Iterable[Family], hold_time: int
) -> bytes:
    """Return an OPEN; ``sends_paths`` names the families in which several paths may be sent (RFC 7911 section 4), and
    ``hold_time`` is in seconds.
    """
    offered, several = b"", b""
    for family in FAMILIES:
        if family in families:
            offered += pack("!BBHBB", 1, 4, _AFIS[family], 0, _UNICAST)
        if family in sends_paths:
            several += pack("!HBB", _AFIS[family], _UNICAST, 2)
    offered += pack("!BBI", 65, 4, asn)
    if several:
        offered += bytes((69, len(several))) + several
    parameters = bytes((2, len(offered))) + offered
    short = asn if asn < 1 << 16 else _AS_TRANS
    fields = 4, short, hold_time, router_id.value, len(parameters)
    return write_header(OPEN, pack("!BHHIB", *fields) + parameters)


def _write_update(withdrawn: bytes, attributes: bytes, nlri: bytes) -> bytes:
    lengths = pack("!H", len(withdrawn)), pack("!H", len(attributes))
    return write_header(UPDATE, b"".join((lengths[0], withdrawn, lengths[1], attributes, nlri)))


def _room(attributes: int) -> int:
    """Return how many octets of NLRI fit in an UPDATE beside so many of other path attributes."""
    for longest in (_USUAL_OCTETS, MAX_MESSAGE_OCTETS):
        room = longest - _OTHER_OCTETS - attributes
        if room >= _LONGEST_NLRI:
            return room
    raise TooLongError(f"path attributes of {attributes} octets")


def write_nlri(keys: Iterable[RouteKey]) -> bytes:
    """Return the NLRI of some routes (RFC 4271 section 4.3, RFC 7911 section 3)."""
    return b"".join(map(_write_key, keys))


def _write_key(key: RouteKey) -> bytes:
    (version, value, length), path_id = key
    octets = value.to_bytes(4 if version == 4 else 16, "big")[: (length + 7) // 8]
    return (b"" if path_id is None else path_id.to_bytes(4, "big")) + bytes((length,)) + octets


def _fill(keys: list[RouteKey], room: int) -> Iterator[bytes]:
    """Yield the NLRI of some routes, at most ``room`` octets at once."""
    filled = bytearray()
    for nlri in map(_write_key, keys):
        if len(filled) + len(nlri) > room:
            yield bytes(filled)
            filled.clear()
        filled += nlri
    if filled:
        yield bytes(filled)


# Path attributes -------------------------------------------------------------------------------------


def _is_plain(attributes: Attributes, family: Family) -> bool:
    """Return whether the routes stand outside of MP_REACH_NLRI: those of IPv4 with a next hop of IPv4 (RFC 8950)."""
    return family == "ipv4" and (attributes.next_hop is None or attributes.next_hop.version == 4)


def _write_attributes(attributes: Attributes, family: Family) -> bytes:
    """Return all attributes but MP_REACH_NLRI."""
    origin = _ORIGINS.get(attributes.origin or "", _ORIGINS["incomplete"])
    written = [
        _attribute(_WELL_KNOWN, ORIGIN, bytes((origin,))),
        _attribute(_WELL_KNOWN, AS_PATH, _write_path(attributes.as_path)),
    ]
    if _is_plain(attributes, family):
        next_hop = 0 if attributes.next_hop is None else attributes.next_hop.value
        written.append(_attribute(_WELL_KNOWN, NEXT_HOP, pack("!I", next_hop)))
    if attributes.med is not None:
        written.append(_attribute(_OPTIONAL, MED, pack("!I", attributes.med)))
    if attributes.local_preference is not None:
        written.append(_attribute(_WELL_KNOWN, LOCAL_PREF, pack("!I", attributes.local_preference)))
    if attributes.communities:
        octets = b"".join(pack("!HH", *each) for each in attributes.communities)
        written.append(_attribute(_OPTIONAL_TRANSITIVE, COMMUNITIES, octets))
    if attributes.large_communities:
        octets = b"".join(pack("!III", *each) for each in attributes.large_communities)
        written.append(_attribute(_OPTIONAL_TRANSITIVE, LARGE_COMMUNITIES, octets))
    return b"".join(written)


def _attribute(flags: int, code: int, value: bytes) -> bytes:
    if len(value) > MAX_MESSAGE_OCTETS:
        raise TooLongError(f"a path attribute of {len(value)} octets")
    if len(value) > 255:
        return pack("!BBH", flags | EXTENDED_LENGTH, code, len(value)) + value
    return bytes((flags, code, len(value))) + value


def _write_path(path: AsPath) -> bytes:
    written = []
    for segment in path:
        for at in range(0, len(segment.asns), _MOST_ASNS):
            asns = segment.asns[at : at + _MOST_ASNS]
            written.append(pack(f"!BB{len(asns)}I", _SEGMENTS[segment.kind], len(asns), *asns))
    return b"".join(written)


def _write_reach(attributes: Attributes, family: Family, nlri: bytes) -> bytes:
    """Return MP_REACH_NLRI (RFC 4760 section 3). A next hop of IPv4 is written as IPv4-mapped one, as routers do."""
    next_hop = attributes.next_hop or Address(6, 0)
    value = next_hop.value if next_hop.version == 6 else 0xFFFF << 32 | next_hop.value
    head = pack("!HBB", _AFIS[family], _UNICAST, 16) + value.to_bytes(16, "big") + b"\0"
    return _attribute(_OPTIONAL, MP_REACH_NLRI, head + nlri)


def _write_unreach(family: Family, nlri: bytes) -> bytes:
    return _attribute(_OPTIONAL, MP_UNREACH_NLRI, pack("!HB", _AFIS[family], _UNICAST) + nlri)
