"""Any UPDATE that is encoded is read back unchanged."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ermon.bgp.update import MAX_OCTETS, AttributesCache, Codec, Read, read_update
from ermon.model.prefixes import FAMILIES, Address, Family, Prefix, supernet
from ermon.model.routes import (
    AsPath,
    Attributes,
    Communities,
    LargeCommunities,
    PathSegment,
    Route,
    RouteKey,
    SegmentKind,
)
from tests.wire.encode import encode_update, needs_as4_path

NUMBERS = st.integers(0, 0xFFFFFFFF)
HALVES = st.integers(0, 0xFFFF)
CONFEDERATION = [SegmentKind.CONFED_SEQUENCE, SegmentKind.CONFED_SET]


def segments(kinds: Iterable[SegmentKind], asns: st.SearchStrategy[int]) -> st.SearchStrategy[PathSegment]:
    several = st.lists(asns, min_size=1, max_size=5) | st.just([1] * 255)
    return st.builds(PathSegment, st.sampled_from(list(kinds)), several.map(tuple))


TRUE = segments([SegmentKind.SEQUENCE, SegmentKind.SET], NUMBERS | HALVES)
PATHS = st.builds(
    lambda inner, outer: AsPath([*inner, *outer]),
    st.lists(segments(CONFEDERATION, HALVES), max_size=2),  # which are in front (RFC 5065 section 4)
    st.lists(TRUE, max_size=3),
)
CODECS = st.builds(Codec, st.booleans(), st.frozensets(st.sampled_from(FAMILIES)))
ATTRIBUTES = st.builds(
    Attributes,
    next_hop=st.builds(Address, st.just(4), NUMBERS),
    as_path=PATHS,
    communities=st.sets(st.tuples(HALVES, HALVES), max_size=5).map(Communities),
    large_communities=st.sets(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=3).map(LargeCommunities),
    origin=st.sampled_from(["igp", "egp", "incomplete"]),
    med=st.none() | NUMBERS,
    local_preference=st.none() | NUMBERS,
)


def prefixes(family: Family) -> st.SearchStrategy[Prefix]:
    bits = 32 if family == "ipv4" else 128
    whole = st.builds(
        Prefix, st.just(4 if family == "ipv4" else 6), st.integers(0, 2**bits - 1), st.just(bits)
    )
    return st.builds(supernet, whole, st.integers(0, bits))


@st.composite
def keys(draw: st.DrawFn, codec: Codec, family: Family) -> list[RouteKey]:
    path_ids = NUMBERS if family in codec.add_path else st.none()
    return draw(st.lists(st.tuples(prefixes(family), path_ids), max_size=8))


@st.composite
def said(draw: st.DrawFn) -> tuple[Codec, list[Route], list[RouteKey]]:
    codec, attributes = draw(CODECS), draw(ATTRIBUTES)
    announced = [key for family in FAMILIES for key in draw(keys(codec, family))]
    withdrawn = [key for family in FAMILIES for key in draw(keys(codec, family))]
    return codec, [Route(prefix, path_id, attributes) for prefix, path_id in announced], withdrawn


@given(said())
@settings(deadline=None, max_examples=200)
def test_what_is_encoded_is_read_again(said: tuple[Codec, list[Route], list[RouteKey]]) -> None:
    codec, announced, withdrawn = said
    body = encode_update(announced, withdrawn, codec)
    if len(body) > MAX_OCTETS:
        return
    cache = AttributesCache()
    expected = Read(
        tuple(merged(route, codec) for route in announced),
        tuple(withdrawn),
        None if announced or withdrawn else "ipv4",
    )
    assert read_update(body, codec, cache) == expected
    assert read_update(body, codec, cache) == expected, "and again, now that its attributes are known"


def merged(route: Route, codec: Codec) -> Route:
    """Join the sequences of a path that consists of AS_PATH and AS4_PATH (RFC 6793 section 4.2.3)."""
    path = route.attributes.as_path
    if codec.four_octet or not needs_as4_path(path):
        return route
    joined: list[PathSegment] = []
    for segment in path:
        if joined and joined[-1].kind is segment.kind is SegmentKind.SEQUENCE:
            joined[-1] = PathSegment(segment.kind, joined[-1].asns + segment.asns)
        else:
            joined.append(segment)
    return Route(
        route.prefix, route.path_id, msgspec.structs.replace(route.attributes, as_path=AsPath(joined))
    )


@given(st.lists(st.tuples(st.binary(max_size=20), st.sampled_from([b"", b"\1" * 16])), max_size=60))
@settings(deadline=None, max_examples=100)
def test_the_cache_is_bounded_and_never_wrong(seen: list[tuple[bytes, bytes]]) -> None:
    cache = AttributesCache(entries=8, octets=100)
    for number, (octets, next_hop) in enumerate(seen):
        known = cache.get(octets, next_hop, four_octet=True)
        fitting = [at for at, each in enumerate(seen[:number]) if each == (octets, next_hop)]
        assert known is None or known.med in fitting
        if known is None:
            cache.keep(octets, next_hop, Attributes(med=number), four_octet=True)
            assert cache.get(octets, next_hop, four_octet=True) is not None
        assert cache.get(octets, next_hop, four_octet=False) is None
        assert len(cache) <= 8


def test_the_cache_keeps_what_is_used_and_forgets_the_rest() -> None:
    cache = AttributesCache(entries=8)
    for number in range(20):
        cache.keep(bytes([number]), b"", Attributes(med=number), four_octet=True)
        assert cache.get(b"\0", b"", four_octet=True) == Attributes(med=0)
    assert cache.get(b"\x01", b"", four_octet=True) is None
    assert cache.get(b"\x13", b"", four_octet=True) == Attributes(med=19)


def test_long_attributes_are_few_in_the_cache() -> None:
    cache = AttributesCache(entries=1000, octets=10_000)
    for number in range(100):
        cache.keep(bytes([number]) * 1000, b"", Attributes(), four_octet=True)
    assert len(cache) <= 10
