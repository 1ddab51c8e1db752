"""Records of tables: TABLE_DUMP_V2 (RFC 6396 section 4.3, RFC 8050 section 4).

A dump begins with the table of its peers. Each other record has one prefix, with an entry for each peer that has a route to
it. The same file may hold several dumps, one behind the other.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

import msgspec

from ermon.bgp.attributes import (
    MP_REACH_NLRI,
    AttributesCache,
    Repairs,
    mend_flags,
    read_attributes,
    split_attributes,
)
from ermon.bgp.multiprotocol import family_of, read_next_hop
from ermon.bgp.nlri import read_keys
from ermon.bgp.unreadable import Unreadable
from ermon.model.prefixes import Address, Family, Prefix
from ermon.model.routes import Attributes, PathId, Route
from ermon.mrt.records import UnusedError
from ermon.mrt.sessions import End

PEER_INDEX_TABLE = 1
_RIB_GENERIC, _RIB_GENERIC_ADD_PATH = 6, 12
_FAMILIES: dict[int, tuple[Family, bool]] = {
    2: ("ipv4", False),
    4: ("ipv6", False),
    8: ("ipv4", True),
    10: ("ipv6", True),
}
"""By subtype of unicast: the family, and whether the entries have path identifiers."""

_IPV6_PEER, _FOUR_OCTET_PEER = 1, 2
"""Bits of a peer's type (RFC 6396 section 4.3.1)."""
_ENTRY = Struct("!HIH")
"""Peer index, the time at which the route came, and the octets of its path attributes."""
_ENTRY_ADD_PATH = Struct("!HIIH")
_NEXT_HOP_OCTETS = frozenset({4, 16, 32})
_TABLE = b"table"
"""In the key of the cache: the octets have an MP_REACH_NLRI that is not as in an UPDATE."""


class Entry(NamedTuple):
    """The route that one peer has to the prefix of a record."""

    peer: int
    """Its place in the table of peers."""
    route: Route


class Rib(NamedTuple):
    """A record with the routes to a prefix."""

    family: Family
    entries: list[Entry]
    malformed: tuple[str, ...] = ()
    """What is wrong with the entries that are left out."""


def read_peers(body: bytes) -> tuple[End, ...]:
    """Read a PEER_INDEX_TABLE; ``Unreadable`` if it ends too early."""
    at = 6 + int.from_bytes(body[4:6], "big")
    if len(body) < at + 2:
        raise Unreadable("a table of peers that ends before its peers")
    count, at = int.from_bytes(body[at : at + 2], "big"), at + 2
    peers: list[End] = []
    for _ in range(count):
        kind = body[at] if at < len(body) else 0
        version, octets = (6, 16) if kind & _IPV6_PEER else (4, 4)
        width = 4 if kind & _FOUR_OCTET_PEER else 2
        start = at + 5
        at = start + octets + width
        if at > len(body):
            raise Unreadable(f"a table of {count} peers that ends after {len(peers)}")
        address = Address(version, int.from_bytes(body[start : start + octets], "big"))
        peers.append(End(address, int.from_bytes(body[start + octets : at], "big")))
    return tuple(peers)


def read_rib(subtype: int, body: bytes, peers: int, cache: AttributesCache) -> Rib:
    """Read the routes to a prefix, of a dump with so many ``peers``.

    An entry with malformed path attributes is left out; ``Unreadable`` if the record contradicts itself, ``UnusedError`` if
    it is not about unicast.
    """
    family, add_path, at = _family(subtype, body)
    prefix, at = _read_prefix(body, at, family)
    count, at = int.from_bytes(body[at : at + 2], "big"), at + 2
    entries: list[Entry] = []
    malformed: list[str] = []
    layout = _ENTRY_ADD_PATH if add_path else _ENTRY
    for _ in range(count):
        start = at + layout.size
        if start > len(body):
            raise Unreadable(f"a record of {count} routes that ends after {len(entries) + len(malformed)}")
        peer, _, *rest = layout.unpack_from(body, at)
        path_id: PathId = rest[0] if add_path else None
        at = start + rest[-1]
        if at > len(body):
            raise Unreadable("the path attributes of a route go on behind the end of the record")
        if peer >= peers:
            raise Unreadable(f"a route of peer {peer}, and there are {peers}")
        try:
            attributes = _read_attributes(body[start:at], cache)
        except Unreadable as error:
            malformed.append(str(error))
        else:
            entries.append(Entry(peer, Route(prefix, path_id, attributes)))
    return Rib(family, entries, tuple(malformed))


def _family(subtype: int, body: bytes) -> tuple[Family, bool, int]:
    """Return the family, whether there are path identifiers, and where the prefix begins, behind the sequence number."""
    if subtype in _FAMILIES:
        return *_FAMILIES[subtype], 4
    if subtype not in {_RIB_GENERIC, _RIB_GENERIC_ADD_PATH}:
        raise UnusedError("neither peers nor unicast routes")
    if len(body) < 7:
        raise Unreadable("it ends before its prefix")
    family = family_of(body[4:7])
    if family is None:
        raise UnusedError("neither IPv4 nor IPv6 unicast")
    return family, subtype == _RIB_GENERIC_ADD_PATH, 7


def _read_prefix(body: bytes, at: int, family: Family) -> tuple[Prefix, int]:
    """Return the prefix, and where what is behind it begins."""
    if len(body) <= at:
        raise Unreadable("it ends before its prefix")
    end = at + 1 + (body[at] + 7) // 8
    if len(body) < end + 2:
        raise Unreadable("it ends before its routes")
    ((prefix, _),) = read_keys(body[at:end], family, add_path=False)
    return prefix, end


def _read_attributes(octets: bytes, cache: AttributesCache) -> Attributes:
    """Read the path attributes of an entry, whose ASNs always have four octets (RFC 6396 section 4.3.4).

    The router's own routes may be without a next hop, or an AS_PATH. The flags say nothing: BIRD writes zeros.
    """
    known = cache.get(octets, _TABLE, four_octet=True)
    if known is not None:
        return known
    repairs = Repairs()
    values = split_attributes(mend_flags(octets), repairs).values
    attributes = read_attributes(values, four_octet=True, repairs=repairs)
    if repairs.withdraws is not None:
        raise Unreadable(repairs.withdraws)
    if (reach := values.get(MP_REACH_NLRI)) is not None:
        next_hop = _next_hop(reach)
        attributes = msgspec.structs.replace(attributes, next_hop=next_hop or attributes.next_hop)
    cache.keep(octets, _TABLE, attributes, four_octet=True)
    return attributes


def _next_hop(reach: bytes) -> Address | None:
    """Read the next hop of an MP_REACH_NLRI, which is shortened to it (RFC 6396 section 4.3.4), or as in an UPDATE, as some write it."""
    if reach and reach[0] == len(reach) - 1:
        octets = reach[1:]
    elif len(reach) >= 5 and reach[0] == 0 and 4 + reach[3] <= len(reach):
        octets = reach[4 : 4 + reach[3]]
    else:
        raise Unreadable("MP_REACH_NLRI with another length than its next hop")
    if not octets:
        return None
    if len(octets) not in _NEXT_HOP_OCTETS:
        raise Unreadable(f"MP_REACH_NLRI with a next hop of {len(octets)} octets")
    return read_next_hop(octets)
