"""Finds the UPDATEs of a full table that no check needs, from their octets, before there are objects for their routes.

An ``Interest`` knows what the policy needs of a feed: an address space, and all paths with one ASN in them. It skips an
UPDATE only if none of its routes can belong to either. In doubt the UPDATE is read: that costs time, but skipping it
could lose a route.

One regular expression searches the NLRI. It goes from prefix to prefix by their lengths and stops at the first one that
may overlap the space: an UPDATE where it stops early, or that is malformed, is not skipped. It compares only the first
octets (``_TIERS``), so a prefix that is close to the space is read too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from struct import Struct
from typing import NamedTuple

from ermon.bgp.attributes import (
    EXTENDED_LENGTH,
    IS_OPTIONAL,
    KNOWN,
    MP_REACH_NLRI,
    MP_UNREACH_NLRI,
    MULTIPROTOCOL,
    Repairs,
    split_attributes,
)
from ermon.bgp.header import HEADER_OCTETS, MARKER, UPDATE
from ermon.bgp.multiprotocol import Field, split_reach, split_unreach
from ermon.bgp.nlri import read_keys
from ermon.bgp.unreadable import Unreadable
from ermon.bgp.update import Codec, split_update
from ermon.model.prefixes import Family, Prefix, PrefixSet, merged
from ermon.model.routes import Route

MAX_OTHERS = 10_000
"""Needed prefixes outside the space. With more of them, every UPDATE is read."""

_OTHERS_LEARNED_AFTER = 2_000
"""New prefixes are compared one by one for so many UPDATEs; then a new expression includes them, which takes milliseconds."""

_TIERS: Mapping[Family, tuple[tuple[int, int, int], ...]] = {
    "ipv4": ((24, 32, 3), (16, 23, 2), (8, 15, 1)),
    "ipv6": ((32, 128, 4), (16, 31, 2)),
}
"""Shortest and longest length, and how many octets of such prefixes are compared. Shorter prefixes are few, and always read."""

_MOST_BLOCKS = 300
"""With more blocks, fewer octets are compared: an expression of so many takes about 30 ms to compile."""

_BITS: Mapping[Family, int] = {"ipv4": 32, "ipv6": 128}

_START = Struct("!16sHBHH")
"""Marker, length, type, Withdrawn Routes Length, and Total Path Attribute Length where no routes are withdrawn."""
_start, _START_OCTETS = _START.unpack_from, _START.size

_IPV4: frozenset[Family] = frozenset({"ipv4"})

_Range = tuple[int, int]
"""First and last number."""


class Unasked(NamedTuple):
    """What is known of a skipped UPDATE."""

    announced: frozenset[Family]
    """The families of the announced routes."""
    withdrawn: frozenset[Family]


class Run(NamedTuple):
    """UPDATEs in a row that are skipped."""

    updates: int
    end: int
    """Where the next message begins."""
    announced: frozenset[Family]
    """The families of their routes, which are all announced."""


class Interest:
    """What the policy needs of one feed."""

    def __init__(self, space: PrefixSet, asn: int) -> None:
        self._space = space
        self._asn = asn
        self._asn_octets = (asn & 0xFFFF).to_bytes(2, "big")  # also the end of the four-octet form
        self._learned: set[Prefix] = set()
        self._new: set[Prefix] = set()
        self._searched = 0
        self._reads_all = False
        self._expressions: dict[tuple[Family, bool], re.Pattern[bytes]] = {}

    def note(self, routes: Sequence[Route]) -> None:
        """Remember the prefixes of an UPDATE that was read, if its path has the ASN."""
        if routes and any(self._asn in segment.asns for segment in routes[0].attributes.as_path):
            for route in routes:
                self.also(route.prefix)

    def also(self, prefix: Prefix) -> None:
        """Add a prefix outside the space: its next route or withdrawal must be read."""
        if prefix not in self._learned and prefix not in self._new and not self._space.overlaps(prefix):
            self._new.add(prefix)
            self._searched = 0
            self._reads_all = len(self._learned) + len(self._new) > MAX_OTHERS

    def pass_over_run(self, messages: bytes, start: int, codec: Codec) -> Run:
        """Skip the usual UPDATEs of a table: what announces IPv4 routes, or IPv6 routes, and nothing else.

        It judges them as ``pass_over`` does, and stops at every message that is another, or in doubt. It runs for whole
        tables, so the loop is written out and leaves the work to regular expressions.
        """
        if self._reads_all or self._new:
            return Run(0, start, frozenset())
        ipv4 = self._expression("ipv4", add_path="ipv4" in codec.add_path).fullmatch
        ipv6 = self._expression("ipv6", add_path="ipv6" in codec.add_path).fullmatch
        attributes, reach = _plain_attributes().match, _REACH.match
        at, updates, asn, size = start, 0, self._asn_octets, len(messages)
        announced: set[Family] = set()
        while at + _START_OCTETS <= size:
            marker, length, kind, withdrawn, octets = _start(messages, at)
            first, end = at + _START_OCTETS, at + length
            last = first + octets
            if marker != MARKER or kind != UPDATE or withdrawn or not last <= end <= size:
                break
            if messages.find(asn, first, last) >= 0:
                break
            plain = attributes(messages, first, last)
            plain_end = first if plain is None else plain.end()
            if plain_end == last:
                if last == end or ipv4(messages, last, end) is None:
                    break
                announced.add("ipv4")
            else:
                found = reach(messages, plain_end, last)
                if found is None or last != end:
                    break
                reach_end = found.end(2) + int.from_bytes((found[1] or b"") + found[2])
                if not found.end() < reach_end <= last or ipv6(messages, found.end(), reach_end) is None:
                    break
                plain = attributes(messages, reach_end, last)
                if plain is None or plain.end() != last:
                    break
                announced.add("ipv6")
            updates += 1
            at = end
        return Run(updates, at, frozenset(announced))

    def pass_over_message(self, message: bytes, codec: Codec) -> Unasked | None:
        """Judge one UPDATE with its header as ``pass_over`` does, sooner if it is as most UPDATEs of a table."""
        run = self.pass_over_run(message, 0, codec)
        if run.updates == 1 and run.end == len(message):
            return Unasked(run.announced, frozenset())
        return self.pass_over(message[HEADER_OCTETS:], codec)

    def pass_over(self, body: bytes, codec: Codec) -> Unasked | None:
        """Judge the body of an UPDATE, without its header; ``None``: it must be read.

        The attributes of a skipped UPDATE may be malformed: none of its routes would be kept in that case either.
        """
        if self._reads_all:
            return None
        try:
            withdrawn, octets, nlri = split_update(body)
            if withdrawn and not octets and not nlri:
                elsewhere = self._is_elsewhere(Field("ipv4", withdrawn), codec)
                return Unasked(frozenset(), _IPV4) if elsewhere else None
            reach, unreach, others = _multiprotocol(octets)
        except Unreadable:  # reading it says why
            return None
        announced = [field for field in (Field("ipv4", nlri), reach) if field is not None and field.nlri]
        gone = [field for field in (Field("ipv4", withdrawn), unreach) if field is not None and field.nlri]
        if not announced and (not gone or others or (octets and unreach is None)):
            return None  # End-of-RIB, or attributes alone, which end the session if malformed
        if announced and self._asn_octets in octets:
            return None
        if not all(self._is_elsewhere(field, codec) for field in (*announced, *gone)):
            return None
        return Unasked(_families(announced), _families(gone))

    def _is_elsewhere(self, field: Field, codec: Codec) -> bool:
        family = field.family
        if family is None:  # not read by ermon
            return True
        add_path = family in codec.add_path
        if self._expression(family, add_path=add_path).fullmatch(field.nlri) is None:
            return False
        if not self._new:
            return True
        self._searched += 1
        keys = read_keys(field.nlri, family, add_path=add_path)
        return self._new.isdisjoint(prefix for prefix, _ in keys)

    def _expression(self, family: Family, *, add_path: bool) -> re.Pattern[bytes]:
        if self._searched >= _OTHERS_LEARNED_AFTER:
            self._learned |= self._new
            self._new = set()
            self._searched = 0
            self._expressions = {}
        found = self._expressions.get((family, add_path))
        if found is None:
            ranges = list(_ranges((*self._space.prefixes(), *self._learned), family))
            found = self._expressions[family, add_path] = _elsewhere(ranges, family, add_path=add_path)
        return found


def _multiprotocol(octets: bytes) -> tuple[Field | None, Field | None, bytes]:
    """Return MP_REACH_NLRI, MP_UNREACH_NLRI and all other attributes; ``Unreadable`` if one of them is malformed."""
    repairs = Repairs()
    values, others = split_attributes(octets, repairs)
    if repairs.gravest is not None:
        raise Unreadable(str(repairs.gravest))
    reach, unreach = values.get(MP_REACH_NLRI), values.get(MP_UNREACH_NLRI)
    return (
        None if reach is None else split_reach(reach),
        None if unreach is None else split_unreach(unreach),
        others,
    )


def _families(fields: Iterable[Field]) -> frozenset[Family]:
    return frozenset(field.family for field in fields if field.family is not None)


# Regular expressions ------------------------------------------------------------------------------------


_REACH = re.compile(rb"(?:\x80\x0e|\x90\x0e(.))(.)\x00\x02\x01(?:\x10.{16}|\x20.{32})\x00", re.DOTALL)
"""The beginning of an MP_REACH_NLRI of IPv6 unicast, up to its NLRI; its groups are the length of its value."""


@cache
def _plain_attributes() -> re.Pattern[bytes]:
    """Match path attributes that hold no routes and would not be refused, as many as there are.

    It stops at values of an odd size, and of more than 255 octets: they are rare, and few alternatives make it fast.
    """
    multiprotocol = b"".join(map(_octet, MULTIPROTOCOL))
    known = b"".join(map(_octet, KNOWN - MULTIPROTOCOL))
    begins = b"|".join(
        b"(?:%b[^%b]|%b[%b])%b"
        % (_flags(extended, IS_OPTIONAL), multiprotocol, _flags(extended, 0), known, upper)
        for extended, upper in ((0, b""), (EXTENDED_LENGTH, b"\\0"))
    )
    values = b"|".join(b"%b.{%d}" % (_octet(size), size) for size in (1, *range(0, 256, 2)))
    return re.compile(b"(?:(?:%b)(?:%b))*+" % (begins, values), re.DOTALL)


def _flags(*wanted: int) -> bytes:
    """Match the flags of an attribute that has these two, or not; its other flags are not checked."""
    checked = EXTENDED_LENGTH | IS_OPTIONAL
    return b"[%b]" % b"".join(_octet(flags) for flags in range(256) if flags & checked == sum(wanted))


def _ranges(prefixes: Iterable[Prefix], family: Family) -> Iterable[_Range]:
    own = (prefix for prefix in prefixes if prefix.family == family)
    return ((first, last) for _, first, last in merged(own))


def _elsewhere(ranges: list[_Range], family: Family, *, add_path: bool) -> re.Pattern[bytes]:
    """Match NLRI whose compared octets show that no prefix overlaps these addresses."""
    tiers = b"|".join(_tier(ranges, _BITS[family], *tier) for tier in _TIERS[family])
    return re.compile(b"(?:%b(?:%b))*+" % (b".{4}" if add_path else b"", tiers), re.DOTALL)


def _tier(ranges: list[_Range], bits: int, shortest: int, longest: int, seen: int) -> bytes:
    """Match one such prefix with a length from ``shortest`` to ``longest``; compare at most its first ``seen`` octets."""
    blocks = _blocks(ranges, seen * 8, bits)
    while len(blocks) > _MOST_BLOCKS and seen > 1:
        seen -= 1
        blocks = _blocks(ranges, seen * 8, bits)
    overlapping = _octets_in(blocks, seen)
    by_size = b"|".join(
        b"[%b-%b].{%d}" % (_octet(max(shortest, size * 8 - 7)), _octet(min(longest, size * 8)), size)
        for size in range(-(-shortest // 8), -(-longest // 8) + 1)
    )
    return b"(?![%b-%b]%b)(?:%b)" % (_octet(shortest), _octet(longest), overlapping, by_size)


def _blocks(ranges: list[_Range], length: int, bits: int) -> list[_Range]:
    """Return the prefixes of a length that overlap these addresses, as ranges of their first bits."""
    found: list[_Range] = []
    for first, last in ranges:
        low, high = first >> bits - length, last >> bits - length
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
    return found


_NOTHING = b"(?!)"


def _octets_in(ranges: list[_Range], size: int) -> bytes:
    """Match ``size`` octets whose number, in network byte order, is in one of the ranges."""
    whole: list[_Range] = []
    parts: dict[int, list[_Range]] = {}
    rest = 256 ** (size - 1)
    for low, high in ranges:
        first, last = low // rest, high // rest
        for octet in range(first, last + 1):
            start, end = max(low - octet * rest, 0), min(high - octet * rest, rest - 1)
            if (start, end) == (0, rest - 1):
                whole.append((octet, octet))
            else:
                parts.setdefault(octet, []).append((start, end))
    alternatives = [
        b"%b%b" % (_octet(octet), _octets_in(inside, size - 1)) for octet, inside in sorted(parts.items())
    ]
    if whole:
        alternatives.append(b"[%b].{%d}" % (b"".join(_octet(first) for first, _ in whole), size - 1))
    return b"(?:%b)" % b"|".join(alternatives) if alternatives else _NOTHING


def _octet(value: int) -> bytes:
    return b"\\x%02x" % value
