"""UPDATEs written out in octets; the expected content is that of the named section of an RFC."""

from __future__ import annotations

import pytest

from ermon.bgp.attributes import Repair, RepairKind
from ermon.bgp.update import MAX_OCTETS, AttributesCache, Codec, Read, Unreadable, read_update
from ermon.model.prefixes import Family, parse_address, parse_prefix
from ermon.model.routes import (
    AsPath,
    Attributes,
    Communities,
    LargeCommunities,
    PathId,
    PathSegment,
    Route,
    RouteKey,
    SegmentKind,
)

ORIGIN = "40 01 01 00"
AS_PATH = "40 02 0a 02 02 0000fbf4 00002f2c"
"""64500 12076"""
NEXT_HOP = "40 03 04 c0000201"
MANDATORY = f"{ORIGIN} {AS_PATH} {NEXT_HOP}"
NLRI = "18 c63364"
"""198.51.100.0/24"""
REACH = "80 0e 1c 0002 01 10 20010db8000000000000000000000001 00 30 20010db80200"
"""2001:db8:200::/48 by 2001:db8::1"""
UNREACH = "80 0f 0a 0002 01 30 20010db80200"

FOUR, TWO = Codec(), Codec(four_octet=False)
PATH = (64500, 12076)
V4, V6 = "198.51.100.0/24", "2001:db8:200::/48"


def body(withdrawn: str = "", attributes: str = "", nlri: str = "") -> bytes:
    """Put the three fields together, each with its length (RFC 4271 section 4.3)."""
    fields = [bytes.fromhex(field) for field in (withdrawn, attributes)]
    return b"".join(len(field).to_bytes(2, "big") + field for field in fields) + bytes.fromhex(nlri)


def read(octets: bytes, codec: Codec = FOUR) -> Read:
    """Read an UPDATE twice: the second time its attributes are in the cache."""
    cache = AttributesCache()
    first = read_update(octets, codec, cache)
    assert read_update(octets, codec, cache) == first
    return first


def sequence(*asns: int) -> AsPath:
    return AsPath([PathSegment(SegmentKind.SEQUENCE, asns)])


def attributes(next_hop: str = "192.0.2.1", **others: object) -> Attributes:
    known: dict[str, object] = {"as_path": sequence(*PATH), "origin": "igp"}
    return Attributes(parse_address(next_hop), **(known | others))  # type: ignore[arg-type]


def route(prefix: str = V4, path_id: PathId = None, next_hop: str = "192.0.2.1", **others: object) -> Route:
    return Route(parse_prefix(prefix), path_id, attributes(next_hop, **others))


def route6(path_id: PathId = None, next_hop: str = "2001:db8::1", **others: object) -> Route:
    return route(V6, path_id, next_hop, **others)


def key(prefix: str, path_id: PathId = None) -> RouteKey:
    return (parse_prefix(prefix), path_id)


def announces(*routes: Route, discarded: str | None = None) -> Read:
    return Read(routes, (), None, _repair(RepairKind.ATTRIBUTE_DISCARD, discarded))


def withdraws(*keys: RouteKey, treated: str | None = None, discarded: str | None = None) -> Read:
    """Routes are withdrawn, by the router or, for the reason ``treated``, because of what is malformed."""
    repair = _repair(RepairKind.TREAT_AS_WITHDRAW, treated)
    return Read((), keys, None, repair or _repair(RepairKind.ATTRIBUTE_DISCARD, discarded))


def _repair(kind: RepairKind, what: str | None) -> Repair | None:
    return None if what is None else Repair(kind, what)


# RFC 4271 --------------------------------------------------------------------------------------------------


def test_an_announcement_is_a_route_with_its_attributes() -> None:
    assert read(body(attributes=MANDATORY, nlri=NLRI)) == announces(route())


def test_several_prefixes_share_the_attributes() -> None:
    found = read(body(attributes=MANDATORY, nlri=f"{NLRI} 00 20 cb007109 0b cbe0"))
    assert found == announces(route(), route("0.0.0.0/0"), route("203.0.113.9/32"), route("203.224.0.0/11"))
    assert len({id(each.attributes) for each in found.announced}) == 1


@pytest.mark.parametrize("octets", ["14 c6336f", "14 c63360"])
def test_what_is_set_behind_the_length_is_irrelevant(octets: str) -> None:
    """Section 4.3: "the value of trailing bits is irrelevant"."""
    assert read(body(attributes=MANDATORY, nlri=octets)) == announces(route("198.51.96.0/20"))
    assert read(body(withdrawn=octets)) == withdraws(key("198.51.96.0/20"))


def test_withdrawn_routes() -> None:
    assert read(body(withdrawn="18 c63364 10 cb00")) == withdraws(key(V4), key("203.0.0.0/16"))


def test_one_update_withdraws_and_announces() -> None:
    assert read(body("18 c63365", MANDATORY, NLRI)) == Read((route(),), (key("198.51.101.0/24"),))


@pytest.mark.parametrize(("value", "origin"), [("00", "igp"), ("01", "egp"), ("02", "incomplete")])
def test_origins(value: str, origin: str) -> None:
    octets = body(attributes=f"40 01 01 {value} {AS_PATH} {NEXT_HOP}", nlri=NLRI)
    assert read(octets) == announces(route(origin=origin))


def test_med_and_local_preference() -> None:
    octets = body(attributes=f"{MANDATORY} 80 04 04 00000007 40 05 04 000000c8", nlri=NLRI)
    assert read(octets) == announces(route(med=7, local_preference=200))


def test_length_in_two_octets() -> None:
    """Section 4.3: the Extended Length bit."""
    octets = body(attributes=f"50 01 0001 00 {AS_PATH} {NEXT_HOP}", nlri=NLRI)
    assert read(octets) == announces(route())


def test_what_says_nothing_to_the_model_is_passed_over() -> None:
    """AGGREGATOR, ATOMIC_AGGREGATE, ORIGINATOR_ID, CLUSTER_LIST, extended communities, and what is unknown here.

    An extended community is malformed by its length alone, even if it is a rate of traffic that is NaN (RFC 7606 section 7.14).
    """
    others = (
        "40 06 00 c0 07 08 0000fbf4 c0000201 80 09 04 c0000201 80 0a 08 c0000201 c0000202"
        " c0 10 10 0002fbf400000064 800cfbf47fc00000 c0 19 14 0000000000000000000000000000000000000000 e0 c8 02 beef 80 c9 00"
    )
    assert read(body(attributes=f"{MANDATORY} {others}", nlri=NLRI)) == announces(route())


def test_order_of_the_attributes_is_free() -> None:
    assert read(body(attributes=f"{NEXT_HOP} {AS_PATH} {ORIGIN}", nlri=NLRI)) == announces(route())


def test_empty_path_of_an_internal_peer() -> None:
    octets = body(attributes=f"{ORIGIN} 40 02 00 {NEXT_HOP}", nlri=NLRI)
    assert read(octets) == announces(route(as_path=AsPath()))


def test_attributes_alone_say_nothing() -> None:
    assert read(body(attributes=MANDATORY)) == Read((), ())


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        ("", "UPDATE of 0 octets"),
        ("000000", "UPDATE of 3 octets"),
        ("0003 0000", "Withdrawn Routes Length"),
        ("0001 00 00", "Withdrawn Routes Length"),
        ("0000 0001", "Total Path Attribute Length"),
        ("0000 ffff 40", "Total Path Attribute Length"),
        ("ffff 0000", "Withdrawn Routes Length"),
        ("0001 21 0000", "longer than 32"),
        ("0002 18c6 0000", "behind the end of its field"),
        ("0000 0000 18c633", "behind the end of its field"),
        ("0000 0000 ff", "longer than 32"),
    ],
)
def test_lengths_that_contradict_each_other(octets: str, why: str) -> None:
    """RFC 4271 section 6.3 and RFC 7606 sections 3.b and 5.3: the routes cannot be found."""
    with pytest.raises(Unreadable, match=why):
        read(bytes.fromhex(octets))


def test_unknown_well_known_attribute() -> None:
    """RFC 4271 section 6.3: Unrecognized Well-known Attribute."""
    with pytest.raises(Unreadable, match="well-known attribute of unknown type 99"):
        read(body(attributes=f"{MANDATORY} 40 63 00", nlri=NLRI))


# RFC 8654 --------------------------------------------------------------------------------------------------


def test_an_extended_message_is_read_whole_and_nothing_longer() -> None:
    attribute_octets = bytes.fromhex(MANDATORY)
    room = MAX_OCTETS - 4 - len(attribute_octets)
    octets = body(attributes=MANDATORY) + bytes(room)
    found = read(octets)
    assert found.announced == (route("0.0.0.0/0"),) * room
    with pytest.raises(Unreadable, match="an UPDATE of 65517 octets"):
        read(octets + b"\0")


# RFC 4724 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "family"),
    [
        ("", "ipv4"),
        ("80 0f 03 0001 01", "ipv4"),
        ("80 0f 03 0002 01", "ipv6"),
        ("90 0f 0003 0002 01", "ipv6"),
        ("80 0f 03 0001 02", None),  # multicast
        ("80 0f 03 0019 46", None),  # EVPN
    ],
)
def test_end_of_rib(attributes: str, family: Family | None) -> None:
    """Section 2."""
    assert read(body(attributes=attributes)) == Read((), (), family)


def test_what_has_a_route_or_an_attribute_ends_nothing() -> None:
    assert read(body(withdrawn=NLRI, attributes="80 0f 03 0002 01")).end_of_rib is None
    assert read(body(attributes=f"80 0f 03 0002 01 {MANDATORY}")).end_of_rib is None
    assert read(body(attributes="80 ec 01 00 80 0f 03 0002 01")).end_of_rib is None
    assert read(body(attributes=MANDATORY)).end_of_rib is None


# RFC 4760, 2545, 8950 --------------------------------------------------------------------------------------


def test_ipv6_is_announced_and_withdrawn() -> None:
    assert read(body(attributes=f"{REACH} {ORIGIN} {AS_PATH}")) == announces(route6())
    assert read(body(attributes=UNREACH)) == withdraws(key(V6))


def test_the_reserved_octet_is_ignored() -> None:
    """RFC 4760 section 3."""
    reach = REACH.replace("01 00 30", "01 ff 30")
    assert reach != REACH
    assert read(body(attributes=f"{reach} {ORIGIN} {AS_PATH}")) == announces(route6())


def test_both_families_in_one_update() -> None:
    """Each next hop is only for the routes of its own field (RFC 4760 section 3)."""
    octets = body("18 c63365", f"{MANDATORY} {UNREACH.replace('0200', '0300')} {REACH}", NLRI)
    assert read(octets) == Read((route(), route6()), (key("198.51.101.0/24"), key("2001:db8:300::/48")), None)


@pytest.mark.parametrize(
    ("next_hop", "address"),
    [
        ("10 20010db8000000000000000000000001", "2001:db8::1"),
        ("10 fe800000000000000000000000000001", "fe80::1"),
        ("10 00000000000000000000ffffc0000201", "192.0.2.1"),
        ("20 20010db8000000000000000000000001 fe800000000000000000000000000001", "2001:db8::1"),
        ("20 fe800000000000000000000000000001 20010db8000000000000000000000001", "2001:db8::1"),
        ("20 fe800000000000000000000000000001 fe800000000000000000000000000002", "fe80::1"),
        ("20 20010db8000000000000000000000001 20010db8000000000000000000000002", "2001:db8::1"),
        ("20 00000000000000000000000000000000 fe800000000000000000000000000001", "::"),
    ],
)
def test_next_hops_of_ipv6(next_hop: str, address: str) -> None:
    """RFC 2545 section 3: the global next hop, then optionally the link-local one; an IPv4-mapped one is an IPv4 address."""
    value = f"0002 01 {next_hop} 00 30 20010db80200"
    octets = body(attributes=f"80 0e {len(bytes.fromhex(value)):02x} {value} {ORIGIN} {AS_PATH}")
    assert read(octets) == announces(route6(next_hop=address))


@pytest.mark.parametrize(
    ("next_hop", "address"),
    [("04 c0000201", "192.0.2.1"), ("10 20010db8000000000000000000000001", "2001:db8::1")],
)
def test_ipv4_in_mp_reach(next_hop: str, address: str) -> None:
    """RFC 8950: an IPv4 prefix with a next hop of either family."""
    value = f"0001 01 {next_hop} 00 {NLRI}"
    octets = body(attributes=f"80 0e {len(bytes.fromhex(value)):02x} {value} {ORIGIN} {AS_PATH}")
    assert read(octets) == announces(route(next_hop=address))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "MP_REACH_NLRI of 0 octets"),
        ("0002 01 00", "MP_REACH_NLRI of 4 octets"),
        ("0002 01 00 00", "next hop of 0 octets"),
        ("0002 01 04 c0000201 00 00", "next hop of 4 octets"),
        ("0002 01 10 20010db8000000000000000000000001", "next hop of 16 octets"),
        ("0002 01 10 20010db8000000000000000000000001 00 81", "longer than 128"),
        ("0002 01 10 20010db8000000000000000000000001 00 30 2001", "behind the end of its field"),
        ("0001 01 04 c0000201 00 21 c633640000", "longer than 32"),
        ("4004 47 ff 00", "next hop of 255 octets"),
    ],
)
def test_mp_reach_that_cannot_be_read(value: str, why: str) -> None:
    """RFC 7606 sections 5.3 and 7.11."""
    octets = body(attributes=f"80 0e {len(bytes.fromhex(value)):02x} {value} {MANDATORY}", nlri=NLRI)
    with pytest.raises(Unreadable, match=why):
        read(octets)


@pytest.mark.parametrize(
    ("value", "why"), [("", "of 0 octets"), ("0002", "of 2 octets"), ("0002 01 ff", "longer than 128")]
)
def test_mp_unreach_that_cannot_be_read(value: str, why: str) -> None:
    """RFC 7606 sections 5.3 and 7.12."""
    with pytest.raises(Unreadable, match=why):
        read(body(attributes=f"80 0f {len(bytes.fromhex(value)):02x} {value}"))


@pytest.mark.parametrize("attribute", [REACH, UNREACH], ids=["reach", "unreach"])
def test_mp_attribute_twice_or_with_wrong_flags_or_cut_off(attribute: str) -> None:
    """RFC 7606 sections 3.g, 5.3 and 3.j: its routes would be lost."""
    with pytest.raises(Unreadable, match="twice"):
        read(body(attributes=f"{attribute} {MANDATORY} {attribute}", nlri=NLRI))
    with pytest.raises(Unreadable, match="with flags 0xc0"):
        read(body(attributes=f"{MANDATORY} c0{attribute[2:]}", nlri=NLRI))
    with pytest.raises(Unreadable, match="behind the path attributes"):
        read(body(attributes=f"{MANDATORY} {attribute[:-2]}", nlri=NLRI))


def test_other_families_are_passed_over() -> None:
    vpn = "80 0e 0f 0001 80 04 c0000201 00 70 0000 0000 c0"
    assert read(body(attributes=f"{vpn} {MANDATORY}", nlri=NLRI)) == announces(route())
    assert read(body(attributes=f"{vpn} {ORIGIN} {AS_PATH}")) == Read((), ())
    assert read(body(attributes="80 0f 06 0001 02 ff00ff")) == Read((), ())


# RFC 7911 --------------------------------------------------------------------------------------------------


def test_path_identifiers() -> None:
    codec = Codec(add_path=frozenset({"ipv4"}))
    octets = body("00000001 18 c63365", MANDATORY, "00000007 18 c63364 ffffffff 00")
    expected = Read((route(path_id=7), route("0.0.0.0/0", 2**32 - 1)), (key("198.51.101.0/24", 1),))
    assert read(octets, codec) == expected
    assert read(body(attributes=f"{REACH} {ORIGIN} {AS_PATH}"), codec) == announces(route6()), "not of IPv6"


def test_path_identifiers_of_ipv6() -> None:
    codec = Codec(add_path=frozenset({"ipv6"}))
    reach = "80 0e 20 0002 01 10 20010db8000000000000000000000001 00 00000002 30 20010db80200"
    unreach = "80 0f 0e 0002 01 00000003 30 20010db80200"
    octets = body(attributes=f"{unreach} {reach} {MANDATORY}", nlri=NLRI)
    assert read(octets, codec) == Read((route(), route6(2)), (key(V6, 3),))


@pytest.mark.parametrize("nlri", ["00", "0000000718", "00000007", "00000007 21 c633640000"])
def test_path_identifier_that_is_cut_off(nlri: str) -> None:
    with pytest.raises(Unreadable):
        read(body(withdrawn=nlri), Codec(add_path=frozenset({"ipv4"})))


# RFC 1997, RFC 8092 ----------------------------------------------------------------------------------------


def test_communities_without_duplicates() -> None:
    """RFC 8092 section 5."""
    octets = body(
        attributes=f"{MANDATORY} c0 08 0c 2f2c139c ffff029a 2f2c139c c0 20 24 0000fbf4 00000001 00000002"
        " 0000fbf4 00000000 00000003 0000fbf4 00000001 00000002",
        nlri=NLRI,
    )
    assert read(octets) == announces(
        route(
            communities=Communities([(12076, 5020), (65535, 666)]),
            large_communities=LargeCommunities([(64500, 1, 2), (64500, 0, 3)]),
        )
    )


# RFC 5065 --------------------------------------------------------------------------------------------------


def test_segments_are_what_they_are() -> None:
    """Section 3: a confederation's are of types 3 and 4."""
    path = "40 02 20 03 01 0000fde9 04 02 0000fdea 0000fdeb 02 01 00002f2c 01 02 00001f8b 00000001"
    segments = AsPath(
        [
            PathSegment(SegmentKind.CONFED_SEQUENCE, (65001,)),
            PathSegment(SegmentKind.CONFED_SET, (65002, 65003)),
            PathSegment(SegmentKind.SEQUENCE, (12076,)),
            PathSegment(SegmentKind.SET, (8075, 1)),
        ]
    )
    octets = body(attributes=f"{ORIGIN} {path} {NEXT_HOP}", nlri=NLRI)
    assert read(octets) == announces(route(as_path=segments))


# RFC 6793 --------------------------------------------------------------------------------------------------


def merged(as_path: str, *others: str) -> AsPath:
    """Return the path as read on a session of two-octet ASNs."""
    encoded = " ".join(
        f"{flags} {code:02x} {len(bytes.fromhex(value)):02x} {value}"
        for flags, code, value in (("40", 2, as_path), *(("c0", int(each[:2]), each[2:]) for each in others))
    )
    (found,) = read(body(attributes=f"{ORIGIN} {encoded} {NEXT_HOP}", nlri=NLRI), TWO).announced
    return found.attributes.as_path


def test_asns_of_two_octets() -> None:
    assert merged("02 02 fbf4 2f2c") == sequence(64500, 12076)


def test_four_octets_come_back_by_as4_path() -> None:
    """Section 4.2.3: the first ASNs of AS_PATH complete AS4_PATH."""
    as4_path = "17 02 02 00030d40 00002f2c"
    assert merged("02 02 5ba0 2f2c", as4_path) == sequence(200_000, 12076)
    assert merged("02 04 fbf4 fbf5 5ba0 2f2c", as4_path) == sequence(64500, 64501, 200_000, 12076)


def test_as4_path_that_is_longer_is_ignored() -> None:
    assert merged("02 01 5ba0", "17 02 02 00030d40 00002f2c") == sequence(23456)


def test_as4_path_is_ignored_where_somebody_aggregated_who_knew_of_neither() -> None:
    as4_path, as4_aggregator = "17 02 01 00030d40", "18 00030d40 c0000201"
    assert merged("02 01 5ba0", "07 fbf4 c0000201", as4_aggregator, as4_path) == sequence(23456)
    assert merged("02 01 5ba0", "07 5ba0 c0000201", as4_aggregator, as4_path) == sequence(200_000)
    assert merged("02 01 5ba0", "07 fbf4 c0000201", as4_path) == sequence(200_000)


def test_a_set_counts_as_one_and_a_confederation_as_nothing() -> None:
    """RFC 4271 section 9.1.2.2, RFC 5065 section 5.3; confederation segments go with the adjacent segment."""
    assert merged("03 01 fde9 02 01 fbf4 01 02 5ba0 2f2c", "17 01 02 00030d40 00002f2c") == AsPath(
        [
            PathSegment(SegmentKind.CONFED_SEQUENCE, (65001,)),
            PathSegment(SegmentKind.SEQUENCE, (64500,)),
            PathSegment(SegmentKind.SET, (200_000, 12076)),
        ]
    )


def test_leading_confederation_stays_though_nothing_else_is_put_in_front() -> None:
    assert merged("03 01 fde9 02 01 5ba0", "17 02 01 00030d40") == AsPath(
        [
            PathSegment(SegmentKind.CONFED_SEQUENCE, (65001,)),
            PathSegment(SegmentKind.SEQUENCE, (200_000,)),
        ]
    )


def test_confederation_in_as4_path_is_left_out() -> None:
    """Section 6."""
    assert merged("02 01 5ba0", "17 03 01 0000fde9 02 01 00030d40") == sequence(200_000)


@pytest.mark.parametrize("value", ["", "02", "02 00", "02 02 00030d40", "05 01 00030d40", "02 01 00030d"])
def test_malformed_as4_path_is_ignored(value: str) -> None:
    """Section 6."""
    assert merged("02 01 5ba0", f"17{value}") == sequence(23456)


def test_path_of_very_many_segments_becomes_one_sequence() -> None:
    """Section 4.2.3; RFC 8654: the sender chooses the number of segments, in each UPDATE."""
    segments = 6_000
    as_path, as4_path = "02 01 5ba0" * segments, "02 01 00030d40" * segments
    encoded = f"50 02 {segments * 4:04x} {as_path} d0 11 {segments * 6:04x} {as4_path}"
    (found,) = read(body(attributes=f"{ORIGIN} {encoded} {NEXT_HOP}", nlri=NLRI), TWO).announced
    assert found.attributes.as_path == sequence(*[200_000] * segments)


def test_as4_path_says_nothing_between_two_that_speak_in_four_octets() -> None:
    """Section 4.1."""
    octets = body(attributes=f"{MANDATORY} c0 11 06 02 01 00030d40", nlri=NLRI)
    assert read(octets) == announces(route())


# RFC 7606 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        (f"{AS_PATH} {NEXT_HOP}", "no ORIGIN"),  # 3.d
        (f"{ORIGIN} {NEXT_HOP}", "no AS_PATH"),
        (f"{ORIGIN} {AS_PATH}", "no NEXT_HOP"),
        ("", "no ORIGIN"),
        (f"c0 01 01 00 {AS_PATH} {NEXT_HOP}", "ORIGIN with flags 0xc0"),  # 3.c
        (f"{MANDATORY} 40 04 04 00000001", "MULTI_EXIT_DISC with flags 0x40"),
        (f"{MANDATORY} 80 08 04 2f2c139c", "COMMUNITIES with flags 0x80"),
        (f"40 01 02 0000 {AS_PATH} {NEXT_HOP}", "ORIGIN of 2 octets"),  # 7.1
        (f"40 01 00 {AS_PATH} {NEXT_HOP}", "ORIGIN of 0 octets"),
        (f"40 01 01 03 {AS_PATH} {NEXT_HOP}", "ORIGIN 3"),
        (f"{ORIGIN} {NEXT_HOP} 40 02 06 05 01 0000fbf4", "AS_PATH with segment of type 5"),  # 7.2
        (f"{ORIGIN} {NEXT_HOP} 40 02 06 02 02 0000fbf4", "AS_PATH with segment goes on behind the end"),
        (f"{ORIGIN} {NEXT_HOP} 40 02 07 02 01 0000fbf4 02", "AS_PATH with half a segment at the end"),
        (f"{ORIGIN} {NEXT_HOP} 40 02 02 02 00", "AS_PATH with segment without an ASN"),
        (f"{ORIGIN} {AS_PATH} 40 03 03 c00002", "NEXT_HOP of 3 octets"),  # 7.3
        (f"{ORIGIN} {AS_PATH} 40 03 10 20010db8000000000000000000000001", "NEXT_HOP of 16 octets"),
        (f"{MANDATORY} 80 04 03 000001", "MULTI_EXIT_DISC of 3 octets"),  # 7.4
        (f"{MANDATORY} 40 05 05 0000000001", "LOCAL_PREF of 5 octets"),  # 7.5
        (f"{MANDATORY} c0 08 05 2f2c139c00", "COMMUNITIES of 5 octets"),  # 7.8
        (f"{MANDATORY} c0 08 00", "COMMUNITIES of 0 octets"),
        (f"{MANDATORY} 80 09 03 c00002", "ORIGINATOR_ID of 3 octets"),  # 7.9
        (f"{MANDATORY} 80 0a 00", "CLUSTER_LIST of 0 octets"),  # 7.10
        (f"{MANDATORY} c0 10 07 0002fbf4000000", "EXTENDED COMMUNITIES of 7 octets"),  # 7.14
        (f"{MANDATORY} c0 19 08 0002fbf400000000", "IPv6 EXTENDED COMMUNITIES of 8 octets"),  # 7.15
        (f"{MANDATORY} c0 20 08 0000fbf400000001", "LARGE_COMMUNITY of 8 octets"),  # RFC 8092 section 6
        (f"{MANDATORY} c0 20 00", "LARGE_COMMUNITY of 0 octets"),
        (f"{MANDATORY} 80 04", "the last path attribute goes on behind their end"),  # 4
        (f"{MANDATORY} 80 04 05 00000001", "the last path attribute goes on behind their end"),
        (f"{MANDATORY} 90 04 00", "the last path attribute goes on behind their end"),
        (f"{MANDATORY} c0 07 03 000001 80 04 01 00", "MULTI_EXIT_DISC of 1 octets"),  # 3.h: the strongest
    ],
)
def test_treat_as_withdraw(attributes: str, why: str) -> None:
    """Section 2: as if all routes of the UPDATE had been withdrawn."""
    assert read(body("18 c63365", attributes, NLRI)) == withdraws(
        key("198.51.101.0/24"), key(V4), treated=why
    )


def test_treat_as_withdraw_of_both_families() -> None:
    assert read(body("", f"{REACH} {MANDATORY} 80 04 01 00 {UNREACH.replace('0200', '0300')}", NLRI)) == (
        withdraws(
            key("2001:db8:300::/48"),
            key(V4),
            key(V6),
            treated="MULTI_EXIT_DISC of 1 octets",
        )
    )


def test_next_hop_is_not_asked_for_where_only_mp_reach_announces() -> None:
    """Section 3.d, RFC 4760 section 3."""
    assert read(body(attributes=f"{REACH} {AS_PATH}")) == withdraws(key(V6), treated="no ORIGIN")
    assert read(body(attributes=f"{REACH} {ORIGIN} {AS_PATH} {NEXT_HOP}")) == announces(route6())


@pytest.mark.parametrize(
    ("others", "what"),
    [
        ("40 06 01 00", "ATOMIC_AGGREGATE of 1 octets"),  # 7.6
        ("c0 07 06 fbf4 c0000201", "AGGREGATOR of 6 octets"),  # 7.7
        ("c0 12 06 fbf4 c0000201", "AS4_AGGREGATOR of 6 octets"),  # RFC 6793 section 6
        ("c0 06 00", "ATOMIC_AGGREGATE with flags 0xc0"),  # 3.f
        ("40 07 08 0000fbf4 c0000201", "AGGREGATOR with flags 0x40"),
        ("80 11 06 02 01 00030d40", "AS4_PATH with flags 0x80"),
        ("80 12 08 00030d40 c0000201", "AS4_AGGREGATOR with flags 0x80"),
        ("40 01 01 01", "attribute of type 1 for a second time"),  # 3.g
        ("c0 c8 00 c0 c8 00", "attribute of type 200 for a second time"),
    ],
)
def test_attribute_discard(others: str, what: str) -> None:
    octets = body(attributes=f"{MANDATORY} {others}", nlri=NLRI)
    assert read(octets) == announces(route(), discarded=what)


def test_aggregator_of_the_other_width_is_discarded() -> None:
    """Section 7.7: six octets on a session of two-octet ASNs, and eight on one of four-octet ASNs."""
    path = f"{ORIGIN} 40 02 06 02 02 fbf4 2f2c {NEXT_HOP}"
    right, wrong = "c0 07 06 fbf4 c0000201", "c0 07 08 0000fbf4 c0000201"
    assert read(body(attributes=f"{path} {right}", nlri=NLRI), TWO) == announces(route())
    found = read(body(attributes=f"{path} {wrong}", nlri=NLRI), TWO)
    assert found == announces(route(), discarded="AGGREGATOR of 8 octets")


def test_the_first_of_two_counts_even_if_malformed() -> None:
    """Section 3.g: all but the first are discarded."""
    octets = body(attributes=f"40 01 02 0000 {ORIGIN} {AS_PATH} {NEXT_HOP}", nlri=NLRI)
    assert read(octets) == withdraws(key(V4), treated="ORIGIN of 2 octets")


@pytest.mark.parametrize(
    "octets",
    [
        body(NLRI, "40 01 02 0000"),
        body("", f"{UNREACH} 80 04 01 00"),
        body("", "80 0f 03 0002 01 80"),
        body("", f"80 0e 15 0002 01 10 20010db8000000000000000000000001 00 {ORIGIN} {AS_PATH} 80 04 01 00"),
    ],
)
def test_malformed_attributes_without_a_route_may_have_had_one(octets: bytes) -> None:
    """Section 5.2: "the session reset approach MUST be used"."""
    with pytest.raises(Unreadable, match="no route is announced, and"):
        read(octets)


def test_discarded_attributes_without_a_route_cost_nothing() -> None:
    """Section 5.2."""
    assert read(body(NLRI, "40 06 01 00")) == withdraws(key(V4), discarded="ATOMIC_AGGREGATE of 1 octets")
