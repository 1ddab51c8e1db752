"""BGP messages that ermon writes are read back unchanged, and fit in messages."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ermon.bgp.encode import (
    TooLongError,
    write_announcements,
    write_end_of_rib,
    write_open,
    write_withdrawals,
)
from ermon.bgp.header import HEADER_OCTETS
from ermon.bgp.open import Direction, Open, read_open
from ermon.bgp.update import AttributesCache, Codec, Read, read_update
from ermon.model.prefixes import FAMILIES, Address, Family, Prefix, parse_address
from ermon.model.routes import AsPath, Attributes, Communities, PathSegment, Route, RouteKey, SegmentKind
from tests.wire.test_round_trip import ATTRIBUTES, CODECS, NUMBERS, keys

NEXT_HOPS = st.builds(Address, st.just(4), NUMBERS) | st.sampled_from(
    [parse_address(text) for text in ("2001:db8::1", "fe80::1", "::")]
)


@st.composite
def routes(draw: st.DrawFn) -> list[Route]:
    found = []
    for _ in range(draw(st.integers(1, 3))):
        attributes = msgspec.structs.replace(draw(ATTRIBUTES), next_hop=draw(NEXT_HOPS))
        codec = draw(CODECS)
        found += [
            Route(prefix, path_id, attributes)
            for family in FAMILIES
            for prefix, path_id in draw(keys(codec, family))
        ]
    return found


def read_all(encoded) -> list[Read]:
    found = []
    for octets, add_path in encoded:
        codec = Codec(add_path=frozenset(FAMILIES if add_path else ()))
        found.append(read_update(octets[HEADER_OCTETS:], codec, AttributesCache()))
        assert found[-1].repaired is None
    return found


def by_route(found: list[Route]) -> list[tuple[RouteKey, Attributes]]:
    return sorted(((route.key, route.attributes) for route in found), key=str)


@given(routes())
@settings(deadline=None, max_examples=50)
def test_routes_are_read_as_they_were_written(written: list[Route]) -> None:
    reads = read_all(write_announcements(written))
    assert by_route([route for read in reads for route in read.announced]) == by_route(written)
    reads = read_all(write_withdrawals([route.key for route in written]))
    withdrawn = [key for read in reads for key in read.withdrawn]
    assert sorted(withdrawn, key=str) == sorted((route.key for route in written), key=str)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("path_id", [None, 7])
def test_many_routes_are_several_messages(version: int, path_id: int | None) -> None:
    bits = 24 if version == 4 else 64
    size = 32 if version == 4 else 128
    attributes = Attributes(next_hop=parse_address("192.0.2.1"), origin="igp")
    written = [Route(Prefix(version, at << size - bits, bits), path_id, attributes) for at in range(3_000)]
    reads = read_all(write_announcements(written))
    assert all(len(octets) <= 4_096 for octets, _ in write_announcements(written))
    assert [route for read in reads for route in read.announced] == written
    assert 2 < len(reads) < 30
    reads = read_all(write_withdrawals(route.key for route in written))
    assert [key for read in reads for key in read.withdrawn] == [route.key for route in written]


def test_what_no_update_may_lack_is_written() -> None:
    prefix = Prefix(4, 0, 0)
    (read,) = read_all(write_announcements([Route(prefix, None, Attributes())]))
    assert read.announced[0].attributes == Attributes(next_hop=Address(4, 0), origin="incomplete")


def test_attributes_that_need_an_extended_message_get_one_and_no_more() -> None:
    attributes = Attributes(
        next_hop=Address(4, 1), origin="igp", communities=Communities((at, at) for at in range(5_000))
    )
    ((octets, _),) = write_announcements([Route(Prefix(4, 0, 0), None, attributes)])
    assert len(octets) > 20_000
    read = read_update(octets[HEADER_OCTETS:], Codec(), AttributesCache())
    assert read.announced[0].attributes == attributes
    too_many = msgspec.structs.replace(attributes, communities=Communities((at, at) for at in range(16_384)))
    with pytest.raises(TooLongError):
        list(write_announcements([Route(Prefix(4, 0, 0), None, too_many)]))


def test_a_long_sequence_is_several_segments() -> None:
    path = AsPath([PathSegment(SegmentKind.SEQUENCE, tuple(range(1, 301)))])
    attributes = Attributes(next_hop=Address(4, 1), origin="igp", as_path=path)
    (read,) = read_all(write_announcements([Route(Prefix(4, 0, 0), None, attributes)]))
    assert read.announced[0].attributes.path_text == attributes.path_text


@pytest.mark.parametrize("family", FAMILIES)
def test_end_of_rib(family: Family) -> None:
    octets = write_end_of_rib(family)
    read = read_update(octets[HEADER_OCTETS:], Codec(), AttributesCache())
    assert read == Read((), (), family)


def test_an_open_says_what_it_was_written_with() -> None:
    identifier = parse_address("192.0.2.1")
    octets = write_open(4_200_000_001, identifier, FAMILIES, ("ipv6",), 30)
    assert read_open(octets[HEADER_OCTETS:]) == Open(
        asn=4_200_000_001,
        hold_time=30,
        router_id=identifier,
        families=frozenset(FAMILIES),
        four_octet=True,
        add_path={"ipv6": Direction.SEND},
    )
    assert read_open(write_open(64500, identifier, ("ipv4",), (), 0)[HEADER_OCTETS:]).add_path == {}
