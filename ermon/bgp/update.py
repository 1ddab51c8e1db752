"""UPDATE messages from their octets: announced routes, withdrawn routes, and End-of-RIB.

All readers of a session's octets use it, live or recorded. The routes equal those that ``ermon.exabgp`` reads from
ExaBGP's JSON for the same octets, with two exceptions: the kinds of path segments (RFC 5065), which the JSON does not
have, and malformed attributes, which are handled here by RFC 7606.

House rules: pure, and total. For any octets, ``read_update`` returns a result or raises ``Unreadable``, and the size of
the result is bounded by the number of octets. RFC 4271 sections 4.3 and 6.3, 4760, 6793, 7606, 7911, 2545, 8092,
4724 section 2, 8654.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from ermon.bgp.attributes import (
    AS_PATH,
    MP_REACH_NLRI,
    MP_UNREACH_NLRI,
    NEXT_HOP,
    ORIGIN,
    AttributesCache,
    Repair,
    Repairs,
    attribute_name,
    read_attributes,
    split_attributes,
)
from ermon.bgp.header import HEADER_OCTETS, MAX_MESSAGE_OCTETS
from ermon.bgp.multiprotocol import Field, read_next_hop, split_reach, split_unreach
from ermon.bgp.nlri import read_keys, read_routes
from ermon.bgp.unreadable import Unreadable
from ermon.model.prefixes import Family
from ermon.model.routes import Attributes, Route, RouteKey

__all__ = ["AttributesCache", "Codec", "Read", "Unreadable", "read_update"]

MAX_OCTETS = MAX_MESSAGE_OCTETS - HEADER_OCTETS
"""Of a body, in an extended message (RFC 8654)."""


class Codec(msgspec.Struct, frozen=True):
    """The negotiated encoding of a session's UPDATEs."""

    four_octet: bool = True
    """ASNs of four octets (RFC 6793)."""
    add_path: frozenset[Family] = frozenset()
    """The families whose NLRI have path identifiers, in the direction that is read (RFC 7911)."""


class Read(NamedTuple):
    """The content of an UPDATE. A prefix that is both announced and withdrawn is announced (RFC 4271 section 4.3)."""

    announced: tuple[Route, ...]
    withdrawn: tuple[RouteKey, ...]
    end_of_rib: Family | None = None
    repaired: Repair | None = None
    """The gravest error, and what RFC 7606 does about it."""


def read_update(body: bytes, codec: Codec, cache: AttributesCache) -> Read:
    """Read the body of an UPDATE, without its header; ``Unreadable`` where RFC 7606 demands a session reset.

    The routes of an unreadable UPDATE are unknown. Families other than IPv4 and IPv6 unicast are skipped.
    """
    withdrawn, octets, nlri = split_update(body)
    add_path = "ipv4" in codec.add_path
    keys = read_keys(withdrawn, "ipv4", add_path=add_path) if withdrawn else []
    if nlri:
        known = cache.get(octets, b"", four_octet=codec.four_octet)
        if known is not None:
            return Read(tuple(read_routes(nlri, "ipv4", known, add_path=add_path)), tuple(keys))
    elif not octets:
        return Read((), tuple(keys), None if keys else "ipv4")
    return _Reading(codec, cache, octets, nlri).read(keys)


def split_update(body: bytes) -> tuple[bytes, bytes, bytes]:
    """Return withdrawn routes, path attributes and NLRI (RFC 4271 section 4.3); ``Unreadable`` by section 6.3."""
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


class _Reading:
    """Reads an UPDATE whose path attributes are not in the cache, or contain NLRI."""

    def __init__(self, codec: Codec, cache: AttributesCache, octets: bytes, nlri: bytes) -> None:
        self._codec, self._cache = codec, cache
        self._repairs = Repairs()
        self._values, self._others = split_attributes(octets, self._repairs)
        reach, unreach = self._values.get(MP_REACH_NLRI), self._values.get(MP_UNREACH_NLRI)
        self._reach = None if reach is None else split_reach(reach)
        self._unreach = None if unreach is None else split_unreach(unreach)
        fields = (Field("ipv4", nlri), self._reach)
        self._announced = [field for field in fields if field is not None and field.nlri]

    def read(self, withdrawn: list[RouteKey]) -> Read:
        """Read the rest, after the withdrawn routes of IPv4."""
        keys = [*withdrawn, *(() if self._unreach is None else self._keys(self._unreach))]
        if not self._announced:
            return self._read_withdrawal(keys)
        attributes = [self._attributes(field) for field in self._announced]
        routes: list[Route] = []
        for field, known in zip(self._announced, attributes, strict=True):
            if self._repairs.withdraws is None:
                routes += self._routes(field, known)
            else:
                keys += self._keys(field)
        return Read(tuple(routes), tuple(keys), None, self._repairs.gravest)

    def _read_withdrawal(self, keys: list[RouteKey]) -> Read:
        self._read_attributes()
        if self._repairs.withdraws is not None:
            # RFC 7606 section 5.2: there may be routes that the errors hide.
            raise Unreadable(f"no route is announced, and {self._repairs.withdraws}")
        is_alone = not keys and not self._others and self._reach is None
        ended = self._unreach.family if is_alone and self._unreach is not None else None
        return Read((), tuple(keys), ended, self._repairs.gravest)

    def _attributes(self, field: Field) -> Attributes:
        """Return the attributes of the routes of ``field``; without meaning if ``repairs`` withdraw them."""
        four_octet = self._codec.four_octet
        if self._repairs.gravest is None:
            known = self._cache.get(self._others, field.next_hop, four_octet=four_octet)
            if known is not None:
                return known
        attributes = self._read_attributes()
        self._require(ORIGIN, AS_PATH)
        if field is not self._reach:
            self._require(NEXT_HOP)
        elif field.family is not None:
            attributes = msgspec.structs.replace(attributes, next_hop=read_next_hop(field.next_hop))
        if self._repairs.gravest is None and field.family is not None:
            self._cache.keep(self._others, field.next_hop, attributes, four_octet=four_octet)
        return attributes

    def _read_attributes(self) -> Attributes:
        return read_attributes(self._values, four_octet=self._codec.four_octet, repairs=self._repairs)

    def _require(self, *codes: int) -> None:
        """Withdraw the routes if a mandatory attribute is missing (RFC 7606 section 3.d)."""
        for code in codes:
            if code not in self._values:
                self._repairs.withdraw(f"no {attribute_name(code)}")

    def _routes(self, field: Field, attributes: Attributes) -> list[Route]:
        if field.family is None:
            return []
        add_path = field.family in self._codec.add_path
        return read_routes(field.nlri, field.family, attributes, add_path=add_path)

    def _keys(self, field: Field) -> list[RouteKey]:
        if field.family is None:
            return []
        return read_keys(field.nlri, field.family, add_path=field.family in self._codec.add_path)
