"""Path attributes from their octets, and the handling of malformed ones (RFC 7606).

Each known attribute has a rule: its flags, its possible lengths, and whether a malformed one withdraws the routes
("treat-as-withdraw") or is ignored ("attribute discard"). The rules also apply to attributes that the model does not
store: the validity of a route does not depend on what ermon reads of it.

Two things are not checked, as in ExaBGP's JSON: LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST from an external neighbor
(RFC 7606 sections 7.5, 7.9 and 7.10), because the decoder does not know whether the neighbor is internal; and AS 0 in a
path (RFC 7607).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from ermon.bgp.as_path import MalformedPathError, merge_as4_path, read_as_path
from ermon.bgp.unreadable import Unreadable
from ermon.model.prefixes import Address
from ermon.model.routes import AsPath, Attributes, Communities, LargeCommunities

ORIGIN, AS_PATH, NEXT_HOP, MED, LOCAL_PREF, ATOMIC_AGGREGATE, AGGREGATOR, COMMUNITIES = range(1, 9)
ORIGINATOR_ID, CLUSTER_LIST = 9, 10
MP_REACH_NLRI, MP_UNREACH_NLRI, EXTENDED_COMMUNITIES, AS4_PATH, AS4_AGGREGATOR = range(14, 19)
IPV6_EXTENDED_COMMUNITIES, LARGE_COMMUNITIES = 25, 32
"""IANA, "BGP Path Attributes"."""

_WELL_KNOWN, _OPTIONAL, _OPTIONAL_TRANSITIVE = 0x40, 0x80, 0xC0
_KIND = 0xC0
"""The flags Optional and Transitive; the Partial flag is not checked (RFC 7606 section 3.c)."""
IS_OPTIONAL = 0x80
EXTENDED_LENGTH = 0x10

_AS_TRANS = 23456
"""RFC 6793 section 9."""

_ORIGINS = ("igp", "egp", "incomplete")
"""By value (RFC 4271 section 4.3)."""


class _Rule(NamedTuple):
    name: str
    flags: int
    sizes: range
    """The possible lengths of its value, in octets."""
    discard: bool = False
    """Whether a malformed attribute is ignored; otherwise the routes are withdrawn."""


def _many(octets: int) -> range:
    """Allow one or more elements of so many octets."""
    return range(octets, 0x10000, octets)


_ANY = range(0x10000)
"""The reader of the value checks the length."""
_ONE, _FOUR, _EIGHT = range(1, 2), range(4, 5), range(8, 9)

_RULES = {
    ORIGIN: _Rule("ORIGIN", _WELL_KNOWN, _ONE),  # RFC 7606 section 7.1, and so on
    AS_PATH: _Rule("AS_PATH", _WELL_KNOWN, _ANY),
    NEXT_HOP: _Rule("NEXT_HOP", _WELL_KNOWN, _FOUR),
    MED: _Rule("MULTI_EXIT_DISC", _OPTIONAL, _FOUR),
    LOCAL_PREF: _Rule("LOCAL_PREF", _WELL_KNOWN, _FOUR),
    ATOMIC_AGGREGATE: _Rule("ATOMIC_AGGREGATE", _WELL_KNOWN, range(1), discard=True),
    AGGREGATOR: _Rule("AGGREGATOR", _OPTIONAL_TRANSITIVE, _ANY, discard=True),
    COMMUNITIES: _Rule("COMMUNITIES", _OPTIONAL_TRANSITIVE, _many(4)),
    ORIGINATOR_ID: _Rule("ORIGINATOR_ID", _OPTIONAL, _FOUR),
    CLUSTER_LIST: _Rule("CLUSTER_LIST", _OPTIONAL, _many(4)),
    MP_REACH_NLRI: _Rule("MP_REACH_NLRI", _OPTIONAL, _ANY),
    MP_UNREACH_NLRI: _Rule("MP_UNREACH_NLRI", _OPTIONAL, _ANY),
    EXTENDED_COMMUNITIES: _Rule("EXTENDED COMMUNITIES", _OPTIONAL_TRANSITIVE, _many(8)),
    AS4_PATH: _Rule("AS4_PATH", _OPTIONAL_TRANSITIVE, _ANY, discard=True),  # RFC 6793 section 6
    AS4_AGGREGATOR: _Rule("AS4_AGGREGATOR", _OPTIONAL_TRANSITIVE, _EIGHT, discard=True),
    IPV6_EXTENDED_COMMUNITIES: _Rule("IPv6 EXTENDED COMMUNITIES", _OPTIONAL_TRANSITIVE, _many(20)),
    LARGE_COMMUNITIES: _Rule("LARGE_COMMUNITY", _OPTIONAL_TRANSITIVE, _many(12)),  # RFC 8092 section 6
}
KNOWN = frozenset(_RULES)
"""Any other attribute must have the Optional flag (RFC 4271 section 6.3)."""

MULTIPROTOCOL = {MP_REACH_NLRI, MP_UNREACH_NLRI}
_MULTIPROTOCOL_OCTETS = {bytes([code]) for code in MULTIPROTOCOL}


def attribute_name(code: int) -> str:
    """Return the name of a known attribute."""
    return _RULES[code].name


_NO_COMMUNITIES, _NO_LARGE_COMMUNITIES = Communities(), LargeCommunities()

_new_address: Callable[[type[Address], Iterable[int]], Address] = tuple.__new__  # half as slow as Address()


class RepairKind(StrEnum):
    """What RFC 7606 section 2 does about a malformed UPDATE that does not end its session."""

    TREAT_AS_WITHDRAW = "treat-as-withdraw"
    """The routes that it announces are withdrawn."""
    ATTRIBUTE_DISCARD = "attribute-discard"
    """The routes count without the attribute."""


class Repair(NamedTuple):
    """What was malformed in an UPDATE, and what ermon does about it: only the gravest."""

    kind: RepairKind
    what: str
    """The attribute and its fault: printable ASCII, short."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


class Repairs:
    """The errors in one UPDATE, and their handling: the strongest one counts (RFC 7606 section 3.h)."""

    __slots__ = ("discarded", "withdraws")

    def __init__(self) -> None:
        self.withdraws: str | None = None
        """The first reason to withdraw the routes."""
        self.discarded: str | None = None
        """The first attribute that is ignored."""

    def withdraw(self, what: str) -> None:
        self.withdraws = self.withdraws or what

    def discard(self, what: str) -> None:
        self.discarded = self.discarded or what

    def malformed(self, code: int, what: str) -> None:
        rule = _RULES[code]
        (self.discard if rule.discard else self.withdraw)(f"{rule.name} {what}")

    @property
    def gravest(self) -> Repair | None:
        if self.withdraws is not None:
            return Repair(RepairKind.TREAT_AS_WITHDRAW, self.withdraws)
        return None if self.discarded is None else Repair(RepairKind.ATTRIBUTE_DISCARD, self.discarded)


class Fields(NamedTuple):
    """The path attributes of an UPDATE, each still in its octets."""

    values: Mapping[int, bytes]
    """By code: the first of each known attribute, if its flags and length are right."""
    others: bytes
    """All attributes except MP_REACH_NLRI and MP_UNREACH_NLRI, unchanged: the key of the cache."""


def split_attributes(octets: bytes, repairs: Repairs) -> Fields:
    """Split the attributes (RFC 4271 section 4.3); ``Unreadable`` if routes of the UPDATE may be lost."""
    values: dict[int, bytes] = {}
    seen: set[int] = set()
    others, others_from = b"", 0
    at, end, rules = 0, len(octets), _RULES
    while at < end:
        flags, start = octets[at], at + (4 if octets[at] & EXTENDED_LENGTH else 3)
        if start > end:
            _cut_off(octets, at, repairs)
            break
        code, size = octets[at + 1], octets[start - 1]
        if flags & EXTENDED_LENGTH:
            size |= octets[start - 2] << 8
        began, at = at, start + size
        if at > end:
            _cut_off(octets, began, repairs)
            break
        if code in MULTIPROTOCOL:
            others, others_from = others + octets[others_from:began], at
        rule = rules.get(code)
        if rule is None or flags & _KIND != rule.flags or size not in rule.sizes or code in seen:
            _repair(code, flags, size, code in seen, repairs)
        else:
            values[code] = octets[start:at]
        seen.add(code)
    return Fields(values, others + octets[others_from:] if others_from else octets)


def mend_flags(octets: bytes) -> bytes:
    """Give each attribute the flags of its kind, for octets of which a router does not preserve them: BIRD's in MRT.

    The result is read as if all flags had been right. Attributes that go on behind the end stay as they are.
    """
    mended = bytearray(octets)
    at, end = 0, len(octets)
    while at + 2 < end:
        is_extended = octets[at] & EXTENDED_LENGTH
        rule = _RULES.get(octets[at + 1])
        mended[at] = is_extended | (IS_OPTIONAL if rule is None else rule.flags)
        start = at + (4 if is_extended else 3)
        at = start + int.from_bytes(octets[at + 2 : start], "big")
    return bytes(mended)


def _cut_off(octets: bytes, at: int, repairs: Repairs) -> None:
    """Handle an attribute that overruns the field (RFC 7606 section 4): withdraw the routes, unless it holds routes itself."""
    if octets[at + 1 : at + 2] in _MULTIPROTOCOL_OCTETS:
        raise Unreadable("MP_REACH_NLRI or MP_UNREACH_NLRI goes on behind the path attributes")
    repairs.withdraw("the last path attribute goes on behind their end")


def _repair(code: int, flags: int, size: int, is_repeated: bool, repairs: Repairs) -> None:
    """Handle an attribute that breaks its rule, by RFC 7606 section 3; skip an unknown one."""
    rule = _RULES.get(code)
    if is_repeated:
        if code in MULTIPROTOCOL:
            raise Unreadable(f"{attribute_name(code)} twice")
        repairs.discard(f"attribute of type {code} for a second time")
    elif rule is None:
        if not flags & IS_OPTIONAL:  # RFC 4271 section 6.3
            raise Unreadable(f"well-known attribute of unknown type {code}")
    elif flags & _KIND != rule.flags:
        if code in MULTIPROTOCOL:  # RFC 7606 section 5.3
            raise Unreadable(f"{rule.name} with flags 0x{flags:02x}")
        # Section 3.c withdraws the routes. Section 3.f and RFC 6793 section 6 ignore the attributes that are so marked.
        repairs.malformed(code, f"with flags 0x{flags:02x}")
    else:
        repairs.malformed(code, f"of {size} octets")


def read_attributes(values: Mapping[int, bytes], *, four_octet: bool, repairs: Repairs) -> Attributes:
    """Return the attributes, with the NEXT_HOP of IPv4; missing and malformed ones have their default."""
    origin = None
    if (value := values.get(ORIGIN)) is not None:
        if value[0] < len(_ORIGINS):
            origin = _ORIGINS[value[0]]
        else:
            repairs.malformed(ORIGIN, f"{value[0]}")
    next_hop, med, preference = values.get(NEXT_HOP), values.get(MED), values.get(LOCAL_PREF)
    communities, large = values.get(COMMUNITIES), values.get(LARGE_COMMUNITIES)
    return Attributes(
        next_hop=None if next_hop is None else _new_address(Address, (4, int.from_bytes(next_hop, "big"))),
        as_path=_read_path(values, four_octet=four_octet, repairs=repairs),
        communities=_NO_COMMUNITIES if communities is None else Communities.of_octets(communities),
        large_communities=_NO_LARGE_COMMUNITIES if large is None else LargeCommunities.of_octets(large),
        origin=origin,
        med=None if med is None else int.from_bytes(med, "big"),
        local_preference=None if preference is None else int.from_bytes(preference, "big"),
    )


def _read_path(values: Mapping[int, bytes], *, four_octet: bool, repairs: Repairs) -> AsPath:
    width = 4 if four_octet else 2
    aggregator = values.get(AGGREGATOR)
    if aggregator is not None and len(aggregator) != width + 4:  # RFC 7606 section 7.7
        repairs.malformed(AGGREGATOR, f"of {len(aggregator)} octets")
        aggregator = None
    octets, as4_path = values.get(AS_PATH), values.get(AS4_PATH)
    if octets is None:
        return AsPath()
    try:
        path = read_as_path(octets, width)
    except MalformedPathError as error:
        repairs.malformed(AS_PATH, f"with {error}")
        return AsPath()
    if four_octet or as4_path is None:
        return path  # AS4_PATH is ignored on a session of four-octet ASNs (RFC 6793 section 4.1)
    if (
        aggregator is not None
        and AS4_AGGREGATOR in values
        and int.from_bytes(aggregator[:width], "big") != _AS_TRANS
    ):
        return path  # a router without four-octet ASNs has aggregated (RFC 6793 section 4.2.3)
    try:
        return merge_as4_path(path, as4_path)
    except MalformedPathError as error:
        repairs.malformed(AS4_PATH, f"with {error}")
        return path


class AttributesCache:
    """Path attributes by their octets, so that equal ones are stored once. Each reader owns one.

    It drops the half that was not used for longest. It is bounded in octets as well as in entries, because the sender
    chooses the length of its attributes.
    """

    __slots__ = ("_entries", "_octets", "_older", "_room", "_younger")

    def __init__(self, entries: int = 16_384, octets: int = 4 << 20) -> None:
        self._entries, self._octets = entries // 2, octets // 2
        self._younger: dict[_Key, Attributes] = {}
        self._older: dict[_Key, Attributes] = {}
        self._room = self._octets

    def __len__(self) -> int:
        return len(self._younger) + len(self._older)

    def get(self, octets: bytes, next_hop: bytes, *, four_octet: bool) -> Attributes | None:
        """Find attributes by the octets of all but MP_REACH_NLRI and MP_UNREACH_NLRI, and by the next hop of MP_REACH_NLRI."""
        key = (octets, next_hop, four_octet)
        found = self._younger.get(key)
        if found is None and (found := self._older.pop(key, None)) is not None:
            self._keep(key, found)
        return found

    def keep(self, octets: bytes, next_hop: bytes, attributes: Attributes, *, four_octet: bool) -> None:
        self._keep((octets, next_hop, four_octet), attributes)

    def _keep(self, key: _Key, attributes: Attributes) -> None:
        size = len(key[0]) + len(key[1])
        if len(self._younger) >= self._entries or size > self._room:
            self._older, self._younger, self._room = self._younger, {}, self._octets
        self._room -= size
        self._younger[key] = attributes


_Key = tuple[bytes, bytes, bool]
