"""The allowed differences between ExaBGP's JSON and ``ermon.bgp.update``, each with the RFC that decides.

A difference without a row is a fault of one of the two.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

import msgspec

from ermon.bgp.attributes import RepairKind
from ermon.bgp.update import AttributesCache, Codec, Read, Unreadable, read_update
from ermon.model.routes import AsPath, PathSegment, Route, SegmentKind
from tests.wire.exabgp import Negotiated, ResetError, read_by_exabgp

SAME = "the same"
ORIGIN, AS_PATH, NEXT_HOP, ATOMIC_AGGREGATE, AGGREGATOR, MP_REACH, MP_UNREACH = 1, 2, 3, 6, 7, 14, 15
EXTENDED_COMMUNITIES, AS4_PATH = 16, 17
WELL_KNOWN = {ORIGIN, AS_PATH, NEXT_HOP, 5, ATOMIC_AGGREGATE}
READ_BY_EXABGP_ALONE = (22, 23, 26, 29, 40)
"""Attributes that the model does not have: PMSI_TUNNEL, tunnel encapsulation, AIGP, BGP-LS, Prefix-SID."""


class Outcome(NamedTuple):
    """The results of both decoders for one UPDATE."""

    codec: Codec
    attributes: list[tuple[int, int, bytes]]
    """Flags, code and value of each attribute, up to the first that overruns."""
    ours: Read | str
    """The text of ``Unreadable`` if ermon refuses the UPDATE."""
    theirs: Read | str
    """Error code, subcode and text of the NOTIFICATION if ExaBGP ends the session."""

    def has(self, *codes: int) -> bool:
        return any(code in codes for _, code, _ in self.attributes)

    def values(self, code: int) -> list[bytes]:
        return [value for _, each, value in self.attributes if each == code]

    @property
    def repaired(self) -> str:
        """What ermon found malformed."""
        return str(self.ours.repaired) if isinstance(self.ours, Read) and self.ours.repaired else ""

    @property
    def withdrawn_by_us(self) -> bool:
        """Whether ermon withdraws the routes that ExaBGP announces, and nothing else differs."""
        return (
            isinstance(self.ours, Read)
            and is_treated(self.ours)
            and isinstance(self.theirs, Read)
            and keys(self.ours) == keys(self.theirs)
        )

    @property
    def withdrawn_by_them(self) -> bool:
        return (
            isinstance(self.ours, Read)
            and isinstance(self.theirs, Read)
            and is_treated(self.theirs)
            and keys(self.ours) == keys(self.theirs)
        )


def is_treated(read: Read) -> bool:
    """Return whether the routes that an UPDATE announces were withdrawn, as one of its attributes is malformed."""
    return read.repaired is not None and read.repaired.kind is RepairKind.TREAT_AS_WITHDRAW


@dataclass(frozen=True, slots=True)
class Difference:
    name: str
    rfc: str
    explains: Callable[[Outcome], bool]


def refused_by_us(*words: str) -> Callable[[Outcome], bool]:
    return lambda outcome: isinstance(outcome.ours, str) and any(each in outcome.ours for each in words)


def refused_by_them(*words: str) -> Callable[[Outcome], bool]:
    return lambda outcome: isinstance(outcome.theirs, str) and any(each in outcome.theirs for each in words)


def withdrawn_by_us(*words: str) -> Callable[[Outcome], bool]:
    return lambda outcome: outcome.withdrawn_by_us and any(each in outcome.repaired for each in words)


def is_of_odd_flags(outcome: Outcome) -> bool:
    """Whether a well-known attribute has the Partial flag, or an attribute has unused flags set."""
    return outcome.withdrawn_by_them and any(
        (code in WELL_KNOWN and flags & 0x20) or flags & 0x0F for flags, code, _ in outcome.attributes
    )


def is_empty_and_discarded(outcome: Outcome) -> bool:
    return outcome.withdrawn_by_them and any(
        code in {AGGREGATOR, AS4_PATH, 18} and not value for _, code, value in outcome.attributes
    )


def only_path_differs(outcome: Outcome) -> bool:
    return outcome.has(AS4_PATH) and same_without(outcome, as_path=AsPath())


def is_merged_otherwise(outcome: Outcome) -> bool:
    """Whether ExaBGP leaves out a confederation, or reads segments without an ASN."""
    kinds = {kind for code in (AS_PATH, AS4_PATH) for value in outcome.values(code) for kind in value}
    return only_path_differs(outcome) and bool(
        kinds & {3, 4} or any(not is_path(value) for value in outcome.values(AS4_PATH))
    )


def has_rate_that_is_not_a_number(outcome: Outcome) -> bool:
    """Whether ExaBGP withdraws routes because a traffic rate (RFC 8955 section 7) in their communities is not finite."""
    communities = [
        value[at : at + 8]
        for value in outcome.values(EXTENDED_COMMUNITIES)
        for at in range(0, len(value) - 7, 8)
    ]
    return outcome.withdrawn_by_them and any(
        each[0] & 0x0F == 0 and each[1] in {0x06, 0x0C} and not isfinite(struct.unpack("!f", each[4:])[0])
        for each in communities
    )


def is_path(value: bytes) -> bool:
    """Whether the value of an AS4_PATH is well-formed (RFC 6793 section 6)."""
    at = 0
    while at + 2 <= len(value) and value[at] in {1, 2, 3, 4} and value[at + 1]:
        at += 2 + 4 * value[at + 1]
    return at == len(value) > 0


def has_two_next_hops(outcome: Outcome) -> bool:
    """Whether there are two next hops that are not a global and a link-local one."""
    found = [value for value in outcome.values(MP_REACH) if value[3:4] == b"\x20" and len(value) > 36]
    return any(is_link_local(value[4:]) == is_link_local(value[20:]) for value in found)


def is_link_local(octets: bytes) -> bool:
    return octets[0] == 0xFE and octets[1] & 0xC0 == 0x80


def same_without(outcome: Outcome, **fields: object) -> bool:
    """Return whether all other fields are equal; the next hop may differ too where two are allowed."""
    if isinstance(outcome.ours, str) or isinstance(outcome.theirs, str):
        return False
    if has_two_next_hops(outcome):
        fields["next_hop"] = None
    return same(without(outcome.ours, **fields), without(outcome.theirs, **fields))


ALLOWED = (
    Difference(
        "a well-known attribute of unknown type",
        "RFC 4271 section 6.3: Unrecognized Well-known Attribute",
        refused_by_us("well-known attribute of unknown type"),
    ),
    Difference(
        "malformed attributes without a route",
        "RFC 7606 section 5.2: session reset",
        refused_by_us("no route is announced, and"),
    ),
    Difference(
        "MP_REACH_NLRI or MP_UNREACH_NLRI that is cut off, empty or there twice",
        "RFC 7606 sections 3.g, 3.j and 5.3: session reset",
        refused_by_us("goes on behind the path attributes", "REACH_NLRI of 0 octets", "REACH_NLRI twice"),
    ),
    Difference(
        "a family that is not read",
        "RFC 4760 section 7: it costs that family, not the session",
        refused_by_them("non-negotiated family"),
    ),
    Difference(
        "MP_REACH_NLRI without a route",
        "RFC 7606 section 5.2: nothing is malformed",
        refused_by_them("No data to decode in an MPREACHNLRI"),
    ),
    Difference(
        "an IPv4 route by an IPv6 next hop",
        "RFC 8950 section 3",
        refused_by_them("invalid ipv4 unicast next-hop length 16", "invalid ipv4 unicast next-hop length 32"),
    ),
    Difference(
        "malformed ORIGINATOR_ID or CLUSTER_LIST",
        "RFC 7606 sections 7.9 and 7.10: treat-as-withdraw",
        refused_by_them("invalid ORIGINATOR_ID", "invalid CLUSTER_LIST"),
    ),
    Difference(
        "malformed AS4_PATH or AS4_AGGREGATOR",
        "RFC 6793 section 6: attribute discard",
        refused_by_them("AS4_AGGREGATOR", "AS4_PATH", "invalid AS Path type"),
    ),
    Difference("a mandatory attribute is missing", "RFC 7606 section 3.d", withdrawn_by_us(": no ")),
    Difference("ORIGIN", "RFC 7606 section 7.1", withdrawn_by_us(": ORIGIN ")),
    Difference("NEXT_HOP", "RFC 7606 section 7.3", withdrawn_by_us(": NEXT_HOP of 16 octets")),
    Difference("AS_PATH", "RFC 7606 section 7.2", withdrawn_by_us(": AS_PATH with segment without an ASN")),
    Difference("flags", "RFC 7606 section 3.c", withdrawn_by_us(" with flags 0x")),
    Difference(
        "flags that say nothing", "RFC 4271 section 4.3, RFC 7606 section 3.c: ignored", is_of_odd_flags
    ),
    Difference(
        "empty AGGREGATOR, AS4_PATH or AS4_AGGREGATOR",
        "RFC 7606 section 7.7, RFC 6793 section 6: attribute discard",
        is_empty_and_discarded,
    ),
    Difference(
        "AS4_PATH on a session of four octets",
        "RFC 6793 section 4.1: it is discarded",
        lambda outcome: outcome.codec.four_octet and only_path_differs(outcome),
    ),
    Difference(
        "AS4_PATH and a confederation, or a malformed AS4_PATH",
        "RFC 6793 section 4.2.3: a leading confederation's segment is kept; section 6",
        is_merged_otherwise,
    ),
    Difference(
        "an extended community whose rate of traffic is not a number",
        "RFC 7606 section 7.14: malformed by its length alone",
        has_rate_that_is_not_a_number,
    ),
    Difference(
        "two next hops that are not a global and a link-local one",
        "RFC 2545 section 3: the first is the global one",
        lambda outcome: has_two_next_hops(outcome) and same_without(outcome),
    ),
    Difference(
        "an attribute that only ExaBGP reads",
        "RFC 4271 section 5: unrecognized optional attributes are passed over",
        lambda outcome: (
            outcome.has(*READ_BY_EXABGP_ALONE)
            and (isinstance(outcome.theirs, str) or outcome.withdrawn_by_them)
        ),
    ),
    Difference(
        "a second AS_PATH behind an empty one",
        "RFC 7606 section 3.g: all but the first are discarded",
        lambda outcome: outcome.values(AS_PATH)[:1] == [b""] and len(outcome.values(AS_PATH)) > 1,
    ),
    Difference(
        "an UPDATE with an attribute and no route",
        "RFC 4724 section 2: End-of-RIB has no attribute but MP_UNREACH_NLRI",
        lambda outcome: (
            outcome.theirs in (Read((), (), "ipv4"), Read((), (), "ipv6"))
            and any(code not in {MP_REACH, MP_UNREACH} for _, code, _ in outcome.attributes)
            and same_without(outcome._replace(theirs=Read((), ())))
        ),
    ),
)
"""Besides, ExaBGP does not print the kinds of path segments (RFC 5065): see ``plain``."""


def compare(body: bytes, codec: Codec, session: Negotiated, ours: Read | str | None = None) -> str | Outcome:
    """Return ``SAME``, the name of the allowed difference, or the outcome if there is none.

    ``ours`` is what ermon makes of the body, if it was read in another way.
    """
    ours, theirs = read_by_us(body, codec) if ours is None else ours, read_by_them(body, session)
    if same(ours, theirs):
        return SAME
    outcome = Outcome(codec, list(attributes_of(body)), ours, theirs)
    return next((each.name for each in ALLOWED if each.explains(outcome)), outcome)


def read_by_us(body: bytes, codec: Codec) -> Read | str:
    try:
        return read_update(body, codec, AttributesCache())
    except Unreadable as error:
        return str(error)


def read_by_them(body: bytes, session: Negotiated) -> Read | str:
    try:
        return read_by_exabgp(body, session)
    except ResetError as error:
        return str(error)


def same(ours: Read | str, theirs: Read | str) -> bool:
    if isinstance(ours, str) or isinstance(theirs, str):
        return isinstance(ours, str) and isinstance(theirs, str)
    return (
        ours.end_of_rib == theirs.end_of_rib
        and set(ours.withdrawn) == set(theirs.withdrawn)
        and {route.key: plain(route) for route in ours.announced}
        == {route.key: plain(route) for route in theirs.announced}
    )


def keys(read: Read) -> set[object]:
    return {*read.withdrawn, *(route.key for route in read.announced)}


def without(read: Read, **fields: object) -> Read:
    return read._replace(
        announced=tuple(
            Route(each.prefix, each.path_id, msgspec.structs.replace(each.attributes, **fields))
            for each in read.announced
        )
    )


def plain(route: Route) -> Route:
    """Remove from the path what ExaBGP does not print."""
    path: list[PathSegment] = []
    for segment in route.attributes.as_path:
        if segment.kind is SegmentKind.SET:
            path.append(segment)
        elif path and path[-1].kind is SegmentKind.SEQUENCE:
            path[-1] = PathSegment(SegmentKind.SEQUENCE, path[-1].asns + segment.asns)
        else:
            path.append(PathSegment(SegmentKind.SEQUENCE, segment.asns))
    attributes = msgspec.structs.replace(route.attributes, as_path=AsPath(path))
    return Route(route.prefix, route.path_id, attributes)


def attributes_of(body: bytes) -> Iterable[tuple[int, int, bytes]]:
    at = 4 + int.from_bytes(body[:2], "big")
    end = min(len(body), at + int.from_bytes(body[at - 2 : at], "big"))
    while at + 3 <= end:
        wide = bool(body[at] & 0x10)
        start = at + 3 + wide
        stop = start + int.from_bytes(body[at + 2 : start], "big")
        if stop > end:
            return
        yield body[at], body[at + 1], body[start:stop]
        at = stop
