"""UPDATE messages from their octets: what is announced, what is withdrawn, and End-of-RIB.

Shared by whoever has the octets of a session, live or recorded. The routes are what ``ermon.exabgp`` makes of ExaBGP's JSON
for the same octets, but where that loses something: the kind of a path's segments (RFC 5065), and malformed
attributes, which are handled here as RFC 7606 has it.

House rules: pure, and total. Whatever the octets, ``read_update`` returns what they say or raises ``Unreadable``, and what it
returns is bounded by their number. RFC 4271 sections 4.3 and 6.3, 4760, 6793, 7606, 7911, 2545, 8092, 4724 section 2, 8654.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from ermon.bgp.attributes import (
    AS_PATH,
    MP_REACH_NLRI,
    MP_UNREACH_NLRI,
    NEXT_HOP,
    ORIGIN,
    AttributesCache,
    Fields,
    Repairs,
    attribute_name,
    read_attributes,
    split_attributes,
)
from ermon.bgp.multiprotocol import Reach, read_next_hop, read_reach, read_unreach
from ermon.bgp.nlri import read_nlri
from ermon.bgp.unreadable import Unreadable
from ermon.model.prefixes import Family
from ermon.model.routes import Attributes, Route, RouteKey

__all__ = ["AttributesCache", "Codec", "Read", "Unreadable", "read_update"]

HEADER_OCTETS = 19
"""Marker, length and type, in front of every message (RFC 4271 section 4.1)."""

MAX_OCTETS = 65_535 - HEADER_OCTETS
"""Of the rest, in an extended message (RFC 8654)."""


class Codec(msgspec.Struct, frozen=True):
    """What a session has negotiated of how an UPDATE is written."""

    four_octet: bool = True
    """ASNs of four octets (RFC 6793)."""
    add_path: frozenset[Family] = frozenset()
    """The families whose NLRI have path identifiers in the direction that is read (RFC 7911)."""


class Read(NamedTuple):
    """What an UPDATE says. A prefix that is both announced and withdrawn is announced (RFC 4271 section 4.3)."""

    announced: tuple[Route, ...]
    withdrawn: tuple[RouteKey, ...]
    end_of_rib: Family | None = None
    repaired: str | None = None
    """What was malformed and what is made of it, in RFC 7606's words: printable ASCII, short. Only the gravest."""


def read_update(body: bytes, codec: Codec, cache: AttributesCache) -> Read:
    """Read an UPDATE behind its header; ``Unreadable`` where RFC 7606 would have the session reset.

    Then nobody knows which routes it held. Families other than IPv4 and IPv6 unicast are passed over.
    """
    withdrawn_octets, attribute_octets, nlri_octets = _split(body)
    add_path = "ipv4" in codec.add_path
    withdrawn = read_nlri(withdrawn_octets, "ipv4", add_path=add_path) if withdrawn_octets else []
    announced = read_nlri(nlri_octets, "ipv4", add_path=add_path) if nlri_octets else []
    if announced:
        known = cache.get(attribute_octets, b"", four_octet=codec.four_octet)
        if known is not None:
            return Read(_routes(announced, known), tuple(withdrawn))
    elif not attribute_octets:
        return Read((), tuple(withdrawn), None if withdrawn else "ipv4")
    return _read_all(attribute_octets, codec, cache, withdrawn, announced)


def _split(body: bytes) -> tuple[bytes, bytes, bytes]:
    """Return withdrawn routes, path attributes and NLRI (RFC 4271 section 4.3)."""
    size = len(body)
    if not 4 <= size <= MAX_OCTETS:
        raise Unreadable(f"an UPDATE of {size} octets behind its header")
    withdrawn_end = 2 + (body[0] << 8 | body[1])
    start = withdrawn_end + 2
    if start > size:
        raise Unreadable("Withdrawn Routes Length is too large")
    end = start + (body[withdrawn_end] << 8 | body[withdrawn_end + 1])
    if end > size:
        raise Unreadable("Total Path Attribute Length is too large")
    return body[2:withdrawn_end], body[start:end], body[end:]


def _read_all(
    octets: bytes, codec: Codec, cache: AttributesCache, withdrawn: list[RouteKey], announced: list[RouteKey]
) -> Read:
    """Read an UPDATE whose path attributes are not known yet, or hold NLRI themselves."""
    repairs = Repairs()
    fields = split_attributes(octets, repairs)
    reach, end_of_rib = None, None
    if (value := fields.values.get(MP_REACH_NLRI)) is not None:
        reach = read_reach(value, codec.add_path)
    if (value := fields.values.get(MP_UNREACH_NLRI)) is not None:
        unreach = read_unreach(value, codec.add_path)
        withdrawn, end_of_rib = withdrawn + unreach.keys, unreach.end_of_rib
    if not announced and (reach is None or reach.is_empty):
        read_attributes(fields.values, four_octet=codec.four_octet, repairs=repairs)
        if repairs.withdraws is not None:  # RFC 7606 section 5.2: there may be routes that were not found
            raise Unreadable(f"no route is announced, and {repairs.withdraws}")
        is_alone = not withdrawn and not fields.others and reach is None
        return Read((), tuple(withdrawn), end_of_rib if is_alone else None, repairs.text)
    routes = _read_announced(fields, announced, reach, codec, cache, repairs)
    if repairs.withdraws is not None:
        withdrawn = withdrawn + announced + (reach.keys if reach is not None else [])
        routes = ()
    return Read(routes, tuple(withdrawn), None, repairs.text)


def _read_announced(
    fields: Fields,
    announced: list[RouteKey],
    reach: Reach | None,
    codec: Codec,
    cache: AttributesCache,
    repairs: Repairs,
) -> tuple[Route, ...]:
    """Return the routes as they are unless ``repairs`` has them withdrawn."""
    values, others = fields
    if reach is not None and not announced and repairs.text is None:
        known = cache.get(others, reach.next_hop, four_octet=codec.four_octet)
        if known is not None:
            return _routes(reach.keys, known)
    attributes = read_attributes(values, four_octet=codec.four_octet, repairs=repairs)
    _require(values, (ORIGIN, AS_PATH, NEXT_HOP) if announced else (ORIGIN, AS_PATH), repairs)
    keeps = repairs.text is None
    if reach is None:
        if keeps and MP_UNREACH_NLRI not in values:
            cache.keep(others, b"", attributes, four_octet=codec.four_octet)
        return _routes(announced, attributes)
    if not reach.keys:
        return _routes(announced, attributes)
    by_reach = msgspec.structs.replace(attributes, next_hop=read_next_hop(reach.next_hop))
    if keeps:
        cache.keep(others, reach.next_hop, by_reach, four_octet=codec.four_octet)
    return _routes(announced, attributes) + _routes(reach.keys, by_reach)


def _require(values: Mapping[int, bytes], codes: Iterable[int], repairs: Repairs) -> None:
    """Hold that the mandatory attributes are there (RFC 7606 section 3.d)."""
    for code in codes:
        if code not in values:
            repairs.withdraw(f"no {attribute_name(code)}")


def _routes(keys: Iterable[RouteKey], attributes: Attributes) -> tuple[Route, ...]:
    return tuple([Route(prefix, path_id, attributes) for prefix, path_id in keys])
