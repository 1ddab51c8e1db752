"""Records of MRT: cut out of files, read and written; what is damaged is named."""

from __future__ import annotations

import struct
from itertools import product

import pytest

from ermon.bgp.attributes import AttributesCache
from ermon.bgp.unreadable import Unreadable
from ermon.model.prefixes import parse_address, parse_prefix
from ermon.model.routes import AsPath
from ermon.mrt import records
from ermon.mrt.records import CutError, Record, UnusedError, cut
from ermon.mrt.sessions import (
    End,
    Message,
    StateChange,
    read_session_record,
    write_message,
    write_state_change,
)
from ermon.mrt.tables import Rib, read_peers, read_rib
from tests import bgp
from tests.mrt import mrt

V4 = End(parse_address("192.0.2.1"), 64510), End(parse_address("192.0.2.2"), 64500)
V6 = End(parse_address("2001:db8::1"), 4_200_000_001), End(parse_address("2001:db8::2"), 64500)
KEEPALIVE = bgp.message(bgp.KEEPALIVE)
RECORDS = mrt.record(16, 4, b"one") + mrt.record(17, 4, b"two", microseconds=250_000) + mrt.record(13, 1, b"")


# Cutting -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 12, 13, 1_000])
def test_records_are_cut_wherever_the_octets_are_divided(size: int) -> None:
    blocks = [RECORDS[at : at + size] for at in range(0, len(RECORDS), size)]
    assert list(cut(blocks)) == [
        Record(0, mrt.TIME, 16, 4, b"one"),
        Record(15, mrt.TIME + 0.25, 17, 4, b"two"),
        Record(34, mrt.TIME, 13, 1, b""),
    ]


@pytest.mark.parametrize("end", [1, 11, 12, 14])
def test_a_truncated_record_is_named_and_those_before_it_count(end: int) -> None:
    found = cut([RECORDS[: 15 + end]])
    assert next(found).body == b"one"
    with pytest.raises(CutError, match=f"the record at octet 15 is truncated: {end} octets of it are there"):
        next(found)


def test_a_length_that_cannot_be_true_ends_the_file() -> None:
    found = cut([RECORDS + struct.pack("!IHHI", 0, 16, 4, records.MAX_RECORD_OCTETS + 1)])
    assert len([next(found) for _ in range(3)]) == 3
    with pytest.raises(CutError, match="the record at octet 46 says that it has 1048577 octets"):
        next(found)


def test_microseconds_that_are_none_move_no_record_into_the_next_second() -> None:
    (found,) = cut([mrt.record(17, 4, b"", microseconds=2_000_000)])
    assert found.time == mrt.TIME + 0.999999


# Sessions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", [V4, V6], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize(("is_local", "four_octet", "add_path"), list(product((False, True), repeat=3)))
def test_a_message_is_read_as_it_was_written(ends, is_local: bool, four_octet: bool, add_path: bool) -> None:
    peer, local = ends
    written = write_message(
        1.000001, peer, local, KEEPALIVE, is_local=is_local, four_octet=four_octet, add_path=add_path
    )
    (record,) = cut([written])
    assert record.time == 1.000001
    if not four_octet and peer.asn > 65535:
        peer = End(peer.address, 23456)  # AS_TRANS (RFC 6793 section 9)
    sender, receiver = (local, peer) if is_local else (peer, local)
    expected = Message(sender, receiver, is_local, four_octet, add_path, bgp.KEEPALIVE, b"")
    assert read_session_record(record.subtype, record.body) == expected


@pytest.mark.parametrize("ends", [V4, V6], ids=["ipv4", "ipv6"])
def test_a_change_of_state_is_read_as_it_was_written(ends) -> None:
    (record,) = cut([write_state_change(1.5, *ends, 5, 6)])
    assert read_session_record(record.subtype, record.body) == StateChange(*ends, 5, 6)


def test_a_change_of_state_with_asns_of_two_octets() -> None:
    body = struct.pack("!HHHH", 64510, 64500, 0, 1) + bytes((192, 0, 2, 1, 192, 0, 2, 2)) + b"\0\6\0\1"
    assert read_session_record(0, body) == StateChange(*V4, 6, 1)


def body_of(written: bytes) -> bytes:
    (record,) = cut([written])
    return record.body


@pytest.mark.parametrize(
    ("subtype", "body", "why"),
    [
        (4, b"", "it ends before its addresses"),
        (4, body_of(write_message(0, *V4, KEEPALIVE))[:19], "it ends within its addresses"),
        (4, bytes(10) + b"\0\3", "addresses of AFI 3"),
        (4, body_of(write_message(0, *V4, KEEPALIVE[:18])), "no BGP message where one should be"),
        (4, body_of(write_message(0, *V4, bytes(19))), "no BGP message where one should be"),
        (4, body_of(write_message(0, *V4, KEEPALIVE[:16] + b"\0\x14\4")), "a BGP message of 20 octets in 19"),
        (4, body_of(write_message(0, *V4, KEEPALIVE[:16] + b"\0\x12\4")), "a BGP message of 18 octets in 19"),
        (5, body_of(write_state_change(0, *V4, 1, 2))[:-1], "a change of state without the states"),
    ],
)
def test_a_damaged_record_of_a_session_is_named(subtype: int, body: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=f"^{why}$"):
        read_session_record(subtype, body)


@pytest.mark.parametrize("subtype", [2, 3, 12])
def test_a_record_that_is_neither_message_nor_state_is_unused(subtype: int) -> None:
    with pytest.raises(UnusedError):
        read_session_record(subtype, bytes(60))


# Tables ------------------------------------------------------------------------------------------------

PATH = bgp.encode_path((64510, 8075))
NEXT_HOP = bgp.attribute(0x40, 3, bytes((192, 0, 2, 1)))
NEXT_HOP_6 = parse_address("2001:db8::1").value.to_bytes(16, "big")
ATTRIBUTES = bgp.attribute(0x40, 1, b"\0") + PATH
PREFIX, PREFIX_6 = "198.51.100.0/28", "2001:db8:100::/40"


def rib(written: bytes, peers: int = 2) -> Rib:
    (record,) = cut([written])
    return read_rib(record.subtype, record.body, peers, AttributesCache())


def test_peers_of_every_kind() -> None:
    (record,) = cut([mrt.peers(("192.0.2.1", 64510), ("2001:db8::1", 4_200_000_001), ("::", 0))])
    assert read_peers(record.body) == (V4[0], V6[0], End(parse_address("::"), 0))


def test_a_table_of_peers_that_ends_too_early() -> None:
    (record,) = cut([mrt.peers(("192.0.2.1", 64510), ("2001:db8::1", 64510))])
    with pytest.raises(Unreadable, match="a table of 2 peers that ends after 1"):
        read_peers(record.body[:-1])
    with pytest.raises(Unreadable, match="ends before its peers"):
        read_peers(record.body[:9])


@pytest.mark.parametrize("generic", [False, True])
@pytest.mark.parametrize("path_ids", [None, (7, 9)])
def test_the_routes_to_a_prefix_of_ipv4(generic: bool, path_ids) -> None:
    entries = [(1, ATTRIBUTES + NEXT_HOP), (0, ATTRIBUTES + NEXT_HOP)]
    found = rib(mrt.rib(PREFIX, entries, path_ids=path_ids, generic=generic))
    assert found.family == "ipv4"
    assert [entry.peer for entry in found.entries] == [1, 0]
    assert [entry.route.path_id for entry in found.entries] == list(path_ids or (None, None))
    for entry in found.entries:
        assert entry.route.prefix == parse_prefix(PREFIX)
        assert entry.route.attributes.as_path == AsPath.of_sequence((64510, 8075))
        assert entry.route.attributes.next_hop == parse_address("192.0.2.1")


@pytest.mark.parametrize("generic", [False, True])
@pytest.mark.parametrize("path_ids", [None, (7,)])
@pytest.mark.parametrize(
    "reach",
    [
        b"\x10" + NEXT_HOP_6,  # RFC 6396 section 4.3.4
        b"\x20" + NEXT_HOP_6 + bytes.fromhex("fe80") + bytes(13) + b"\1",
        b"\0\2\1\x10" + NEXT_HOP_6 + b"\0" + bgp.encode_nlri(PREFIX_6),  # as in an UPDATE
        b"\0\2\1\x10" + NEXT_HOP_6 + b"\0",
    ],
    ids=["shortened", "shortened, two", "whole", "without prefix"],
)
def test_the_next_hop_of_ipv6_is_read_in_every_form(generic: bool, path_ids, reach: bytes) -> None:
    attributes = ATTRIBUTES + bgp.attribute(0x80, 14, reach)
    found = rib(mrt.rib(PREFIX_6, [(0, attributes)], path_ids=path_ids, generic=generic))
    assert found.family == "ipv6"
    (entry,) = found.entries
    assert entry.route.prefix == parse_prefix(PREFIX_6)
    assert entry.route.attributes.next_hop == parse_address("2001:db8::1")


def test_own_routes_have_no_next_hop() -> None:
    (entry,) = rib(mrt.rib(PREFIX, [(0, ATTRIBUTES)])).entries
    assert entry.route.attributes.next_hop is None
    reach = bgp.attribute(0x80, 14, b"\0")
    (entry,) = rib(mrt.rib(PREFIX_6, [(0, ATTRIBUTES + reach)])).entries
    assert entry.route.attributes.next_hop is None


def test_flags_say_nothing_as_bird_writes_zeros() -> None:
    attributes = (
        b"\0\1\1\0" + b"\0" + PATH[1:] + b"\0\3\4\xc0\0\2\1" + b"\0\x63\0" + b"\0\x08\4\x2f\x2c\x13\x92"
    )
    (entry,) = rib(mrt.rib(PREFIX, [(0, attributes)])).entries
    assert set(entry.route.attributes.communities) == {(12076, 5010)}


def test_a_route_with_malformed_attributes_is_left_out_and_named() -> None:
    entries = [(0, ATTRIBUTES + NEXT_HOP), (1, bgp.attribute(0x40, 1, b"\0\0"))]
    found = rib(mrt.rib(PREFIX, entries))
    assert [entry.peer for entry in found.entries] == [0]
    assert found.malformed == ("ORIGIN of 2 octets",)
    for reach, why in ((b"\5" + bytes(5), "a next hop of 5 octets"), (b"\4\1", "another length")):
        found = rib(mrt.rib(PREFIX_6, [(0, ATTRIBUTES + bgp.attribute(0x80, 14, reach))]))
        assert found.entries == []
        assert why in found.malformed[0]


@pytest.mark.parametrize(
    ("left", "why"),
    [
        (4, "it ends before its prefix"),
        (7, "it ends before its routes"),
        (12, "a record of 1 routes that ends after 0"),
        (25, "the path attributes of a route go on behind the end of the record"),
    ],
)
def test_a_record_of_a_table_that_ends_too_early(left: int, why: str) -> None:
    (record,) = cut([mrt.rib(PREFIX, [(0, ATTRIBUTES + NEXT_HOP)])])
    with pytest.raises(Unreadable, match=f"^{why}$"):
        read_rib(record.subtype, record.body[:left], 1, AttributesCache())


def test_a_route_of_a_peer_that_is_not_in_the_table_of_peers() -> None:
    with pytest.raises(Unreadable, match="a route of peer 2, and there are 2"):
        rib(mrt.rib(PREFIX, [(2, ATTRIBUTES + NEXT_HOP)]))


def test_a_prefix_that_is_too_long() -> None:
    (record,) = cut([mrt.rib(PREFIX, [(0, ATTRIBUTES + NEXT_HOP)])])
    with pytest.raises(Unreadable, match="longer than 32 bits"):
        read_rib(record.subtype, record.body[:4] + b"\x21" + record.body[5:], 1, AttributesCache())


@pytest.mark.parametrize("subtype", [3, 5, 9, 11, 7])
def test_what_is_not_unicast_is_unused(subtype: int) -> None:
    with pytest.raises(UnusedError):
        read_rib(subtype, bytes(60), 1, AttributesCache())
    with pytest.raises(UnusedError):
        read_rib(6, bytes(4) + b"\0\1\x80" + bytes(60), 1, AttributesCache())
