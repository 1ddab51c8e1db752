"""Decoded routes that are encoded again have the same meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermon.exabgp.decode import Decoder
from ermon.exabgp.updates import ROUTES_A_LINE, FeedEncoder
from ermon.model.events import (
    AddPathNegotiated,
    AddPathOffered,
    EndOfRib,
    Event,
    ProcessUp,
    SessionUp,
    Update,
)
from ermon.model.inventory import Feed
from ermon.model.prefixes import FAMILIES, Address, Prefix
from ermon.model.routes import (
    AsPath,
    Attributes,
    Communities,
    LargeCommunities,
    PathSegment,
    Route,
    SegmentKind,
)
from tests.exabgp.recordings import FEEDS, RECORDED

FEED = FEEDS["edge-1"]
NOW = 1_795_184_918.123456
PID = 7


def decoded(lines: Iterable[bytes], feed: Feed = FEED) -> list[Event]:
    decoder = Decoder({feed.name: feed})
    events = []
    for line in lines:
        found = decoder.decode(line)
        assert found.rejected is None, found.rejected
        events += found.events
    assert events.pop(0) == ProcessUp(NOW, feed.process)
    return events


def routes_after(routes: Iterable[Route]) -> set[Route]:
    """Encode and decode routes, and return what is announced then."""
    events = decoded(FeedEncoder(FEED, PID, NOW).updates(routes))
    assert all(isinstance(event, Update) and not event.withdrawn for event in events)
    return {route for event in events if isinstance(event, Update) for route in event.announced}


def recorded_routes() -> Iterator[Route]:
    for path in sorted(RECORDED.glob("*.jsonl")):
        decoder = Decoder(FEEDS)
        for line in path.read_bytes().splitlines():
            for event in decoder.decode(line).events:
                if isinstance(event, Update):
                    yield from event.announced


def test_every_recorded_route_means_the_same_when_it_is_encoded_again() -> None:
    routes = set(recorded_routes())
    kinds = {segment.kind for route in routes for segment in route.attributes.as_path}
    assert {SegmentKind.SEQUENCE, SegmentKind.SET, SegmentKind.CONFED_SEQUENCE} <= kinds
    assert {route.attributes.next_hop is None for route in routes} == {True, False}
    assert {route.path_id is None for route in routes} == {True, False}
    assert routes_after(routes) == routes


def segments(kinds: list[SegmentKind]) -> st.SearchStrategy[PathSegment]:
    asns = st.lists(st.integers(0, 2**32 - 1), max_size=3).map(tuple)
    return st.builds(PathSegment, st.sampled_from(kinds), asns)


def prefix(version: int, bits: int, value: int, length: int) -> Prefix:
    return Prefix(version, value >> (bits - length) << (bits - length), length)


PATHS = st.tuples(
    st.lists(segments([k for k in SegmentKind if k is not SegmentKind.SEQUENCE]), max_size=2),
    st.lists(
        segments([SegmentKind.SEQUENCE]), max_size=1
    ),  # two of them in a row are read as a confederation's
    st.lists(segments([SegmentKind.SET]), max_size=1),
).map(lambda parts: AsPath(segment for part in parts for segment in part))
NUMBER, HALF = st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1)
NEXT_HOPS = st.one_of(
    st.none(),
    st.builds(Address, st.just(4), NUMBER),
    st.integers(2**48, 2**128 - 1).map(lambda value: Address(6, value)),
    st.integers(0, 2**64 - 1).map(lambda value: Address(6, 0xFE80 << 112 | value)),
)
ATTRIBUTES = st.builds(
    Attributes,
    next_hop=NEXT_HOPS,
    as_path=PATHS,
    communities=st.frozensets(st.tuples(HALF, HALF), max_size=3).map(Communities),
    large_communities=st.frozensets(st.tuples(NUMBER, NUMBER, NUMBER), max_size=3).map(LargeCommunities),
    origin=st.sampled_from([None, "igp", "egp", "incomplete"]),
    med=st.none() | NUMBER,
    local_preference=st.none() | NUMBER,
)
PREFIXES = st.one_of(
    st.builds(prefix, st.just(4), st.just(32), NUMBER, st.integers(0, 32)),
    st.builds(prefix, st.just(6), st.just(128), st.integers(0, 2**128 - 1), st.integers(0, 128)),
)
ROUTES = st.builds(Route, PREFIXES, st.none() | NUMBER, ATTRIBUTES)


@given(st.sets(ROUTES, min_size=1, max_size=5))
def test_any_route_means_the_same_when_it_is_encoded_and_decoded(routes: set[Route]) -> None:
    assert routes_after(routes) == routes


def test_many_routes_with_the_same_attributes_share_lines_of_a_bounded_length() -> None:
    shared = Attributes(next_hop=Address(4, 1))
    routes = {Route(Prefix(4, number << 8, 24), None, shared) for number in range(2 * ROUTES_A_LINE + 1)}
    lines = list(FeedEncoder(FEED, PID, NOW).updates(routes))
    assert len(lines) == 3
    assert routes_after(routes) == routes


@pytest.mark.parametrize("family", FAMILIES)
def test_a_session_is_encoded_with_what_it_has_agreed_to(family) -> None:
    encoder, one = FeedEncoder(FEED, PID, NOW), frozenset({family})
    lines = [encoder.offered(one), encoder.negotiated(one), encoder.up(), encoder.end_of_rib(family)]
    assert decoded(lines) == [
        AddPathOffered(NOW, FEED.name, one),
        AddPathNegotiated(NOW, FEED.name, one),
        SessionUp(NOW, FEED.name),
        EndOfRib(NOW, FEED.name, family),
    ]


def test_a_session_that_has_agreed_to_nothing_says_so() -> None:
    encoder = FeedEncoder(FEED, PID, NOW)
    assert decoded([encoder.offered(()), encoder.negotiated(())]) == [
        AddPathOffered(NOW, FEED.name, frozenset()),
        AddPathNegotiated(NOW, FEED.name, frozenset()),
    ]


def test_a_line_is_as_exabgp_writes_it() -> None:
    route = Route(Prefix(4, 0xC6336400, 28), 7, Attributes(next_hop=Address(4, 0xCB007102), origin="igp"))
    (line,) = FeedEncoder(FEED, PID, NOW).updates([route])
    assert line == (
        b'{"exabgp":"5.0.0","time":1795184918.123456,"pid":7,"type":"update","neighbor":'
        b'{"address":{"local":"127.0.0.1","peer":"127.0.0.11"},"message":{"update":'
        b'{"attribute":{"origin":"igp"},"announce":{"ipv4 unicast":{"203.0.113.2":'
        b'[{"nlri":"198.51.100.0/28","path-information":"0.0.0.7"}]}}}}}}'
    )
