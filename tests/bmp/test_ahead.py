"""In which order what a router sends is judged, and that it comes to the same as the order in which it was sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ermon.bmp import ahead
from ermon.bmp.ahead import Judged, ReadAhead
from ermon.bmp.router import RouterStream
from ermon.bmp.sessions import Monitored
from ermon.bmp.turns import Turns
from ermon.model.events import (
    Alive,
    EndOfRib,
    Event,
    ProcessUp,
    SessionDown,
    SessionUp,
    StatisticsBegan,
    Update,
)
from ermon.model.routes import Route, RouteKey
from tests.bgp import announcement, end_of_rib, update_message, withdrawal
from tests.bmp import router
from tests.bmp.test_router import (
    ISP,
    PRIMARY,
    SECONDARY,
    STREAMS,
    TOPOLOGY,
    feeds,
    session,
    stream,
)

SESSIONS = {PRIMARY: router.MICROSOFT, SECONDARY: router.MICROSOFT, ISP: 64510, "192.0.2.250": 64510}
"""The two of the provider are one feed."""
PREFIXES = ("192.0.2.0/26", "192.0.2.64/26", "203.0.113.128/26")


def header(peer: str) -> bytes:
    return router.peer_header(peer, asn=SESSIONS[peer], flags=router.POST_POLICY)


def up(peer: str, port: int = 179) -> bytes:
    return router.peer_up(header(peer), ports=(port, 179))


def down(peer: str) -> bytes:
    return router.peer_down(4, header=header(peer))


def announced(peer: str, prefix: str = PREFIXES[0], *path: int) -> bytes:
    update = announcement(prefix, next_hop=peer, as_path=[SESSIONS[peer], *path])
    return router.route_monitoring(update, header(peer))


def withdrawn(peer: str, prefix: str = PREFIXES[0]) -> bytes:
    return router.route_monitoring(withdrawal(prefix), header(peer))


def ended(peer: str) -> bytes:
    return router.route_monitoring(end_of_rib("ipv4"), header(peer))


def reader(*octets: bytes, monitored: Monitored = TOPOLOGY) -> ReadAhead:
    """Return what reads a connection, behind its beginning."""
    made = ReadAhead(stream(monitored))
    events(made.read(router.initiation() + b"".join(octets), 0.0))
    return made


def events(judged: Iterable[Judged]) -> list[Event]:
    return [event for each in judged for event in each.taken.events]


def rest(of: ReadAhead, time: float = 9.0) -> Iterator[Judged]:
    """Judge all that waits."""
    while (judged := of.judge(time)) is not None:
        yield judged


def table(peer: str, count: int) -> list[bytes]:
    return [announced(peer, f"198.51.{at // 64}.{at % 64 * 4}/30") for at in range(count)]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have one message judged in a turn."""
    monkeypatch.setattr(ahead, "PIECE_OCTETS", 1)


# What comes first --------------------------------------------------------------------------------------


def test_the_end_of_a_session_does_not_wait_for_routes_of_another() -> None:
    of = reader(up(PRIMARY), up(ISP))
    said = events(of.read(b"".join(table(ISP, 500)) + down(PRIMARY), 1.0))
    assert [(type(event), event.feed) for event in said] == [  # type: ignore[union-attr]
        (SessionDown, "primary/ipv4"),
        (SessionDown, "primary/ipv6"),
    ]
    assert of.waits
    assert sum(event.updates for event in events(rest(of)) if isinstance(event, Update)) == 500
    assert not of.waits


def test_the_beginning_of_a_session_does_not_wait_for_routes_of_another() -> None:
    of = reader(up(ISP))
    assert SessionUp(1.0, "primary/ipv4") in events(of.read(b"".join(table(ISP, 500)) + up(PRIMARY), 1.0))


def test_a_change_waits_for_one_turn_of_each_two_of_those_with_tables(small_pieces: None) -> None:
    of = reader(up(PRIMARY), up(ISP))
    events(of.read(b"".join(table(ISP, 9)), 1.0))
    for _ in range(4):
        of.judge(2.0)
    events(of.read(announced(PRIMARY), 3.0))
    next_two = [of.judge(4.0), of.judge(5.0)]
    said = events(judged for judged in next_two if judged is not None)
    assert "primary/ipv4" in [event.feed for event in said if isinstance(event, Update)]


def test_tables_go_on_while_others_change_without_end(small_pieces: None) -> None:
    of = reader(up(PRIMARY), up(ISP))
    events(of.read(b"".join(table(ISP, 9)), 1.0))
    said: list[Event] = []
    for _ in range(20):
        events(of.read(announced(PRIMARY) + withdrawn(PRIMARY), 2.0))
        said += events(judged for judged in (of.judge(2.0), of.judge(2.0)) if judged is not None)
    assert sum(isinstance(event, Update) and event.feed == "isp/ipv4" for event in said) == 9


def test_routes_of_no_feed_do_not_wait() -> None:
    of = reader(up(PRIMARY))
    unknown = router.peer_header("192.0.2.99", flags=router.POST_POLICY)
    update = announcement(PREFIXES[0], next_hop="192.0.2.99")
    before_policy = router.peer_header(PRIMARY)
    said = list(
        of.read(
            b"".join(router.route_monitoring(update, each) for each in (unknown, before_policy) * 50)
            + router.statistics(header=unknown)
            + router.message(router.ROUTE_MIRRORING),
            1.0,
        )
    )
    assert of.octets == 0
    assert sum(judged.taken.messages for judged in said) == 102


# What keeps its order ----------------------------------------------------------------------------------


def test_statistics_count_behind_the_routes_in_front_of_them() -> None:
    """They say how many routes there are, and a session that was silent is only known again with its routes."""
    of = reader(up(PRIMARY), up(ISP))
    report = router.statistics((7, router.gauge(2)), header=header(PRIMARY))
    octets = b"".join((announced(PRIMARY), announced(PRIMARY, PREFIXES[1]), report))
    assert events(of.read(octets, 1.0)) == []
    said = [event for event in events(rest(of)) if getattr(event, "feed", "") != "primary/ipv6"]
    assert [type(event) for event in said] == [Update, StatisticsBegan, Alive, EndOfRib]


def test_what_little_waits_of_a_session_counts_before_its_end() -> None:
    of = reader(up(PRIMARY), up(ISP), b"".join(table(ISP, 500)))
    said = events(of.read(announced(PRIMARY) + down(PRIMARY), 1.0))
    assert [type(event) for event in said] == [Update, SessionDown, SessionDown]


def test_a_table_of_a_session_that_has_ended_is_passed_over_and_counted() -> None:
    of = reader(up(PRIMARY), *table(PRIMARY, 500))
    said = list(of.read(down(PRIMARY) + up(PRIMARY, port=1) + announced(PRIMARY), 1.0))
    assert [type(event) for event in events(said)] == [SessionDown, SessionDown, SessionUp, SessionUp]
    assert [judged.moot for judged in said] == [500, 0]
    (update,) = events(rest(of))
    assert isinstance(update, Update)
    assert [str(route.prefix) for route in update.announced] == [PREFIXES[0]]


def test_a_session_that_is_reported_once_more_keeps_what_waits_of_it() -> None:
    of = reader(up(PRIMARY), *table(PRIMARY, 500))
    assert events(of.read(up(PRIMARY), 1.0)) == []
    assert sum(event.updates for event in events(rest(of)) if isinstance(event, Update)) == 500


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (router.termination(0), "the router ended the connection: closed by its administrator"),
        (router.message(router.PEER_DOWN, version=2), "BMP version 2, which is not 3"),
        (router.message(router.PEER_DOWN, b"abc"), "a Peer Down message that cannot be read"),
    ],
)
def test_what_ends_the_connection_comes_behind_all_that_waits(last: bytes, reason: str) -> None:
    """It says nothing of the sessions, and what the router said before is still true."""
    of = reader(up(PRIMARY), up(ISP), *table(ISP, 500))
    assert list(of.read(last + down(PRIMARY), 1.0)) == []
    *before, end = rest(of)
    assert sum(judged.taken.messages for judged in before) == 500
    assert end.taken.ended is not None
    assert end.taken.ended.startswith(reason)
    assert not of.waits
    assert list(of.read(router.initiation(), 2.0)) == []


def test_a_message_that_is_too_long_ends_the_connection() -> None:
    of = ReadAhead(RouterStream("bmp/edge-1", TOPOLOGY, max_octets=100))
    assert events(of.read(router.initiation() + router.message(0, bytes(95)), 1.0)) == [
        ProcessUp(1.0, "bmp/edge-1")
    ]
    (end,) = rest(of)
    assert end.taken.ended == "a BMP message of 101 octets; the limit is 100"


def test_the_connection_begins_with_an_initiation() -> None:
    of = ReadAhead(stream())
    (judged,) = of.read(up(PRIMARY), 1.0)
    assert judged.taken.ended == "the first message is not an Initiation (RFC 7854 section 4.3)"


# How much waits ----------------------------------------------------------------------------------------


def test_everything_in_front_of_a_mark_is_judged_first(small_pieces: None) -> None:
    of = reader(up(PRIMARY), up(ISP), *table(ISP, 3))
    mark = of.mark()
    events(of.read(b"".join(table(PRIMARY, 3)), 1.0))
    found = [of.is_over(mark)]
    for _ in rest(of):
        found.append(of.is_over(mark))
        events(of.read(announced(PRIMARY), 2.0) if len(found) < 9 else ())
    assert found[:2] == [False, False]
    assert True in found[:7]
    assert found == sorted(found)


def test_what_ends_the_connection_is_in_front_of_a_mark() -> None:
    of = reader(router.termination(0))
    mark = of.mark()
    assert not of.is_over(mark)
    assert len(list(rest(of))) == 1
    assert of.is_over(mark)


def test_what_waits_takes_what_it_says(small_pieces: None) -> None:
    of = reader(up(PRIMARY), up(ISP))
    octets = [*table(ISP, 20), *table(PRIMARY, 20)]
    events(of.read(b"".join(octets), 1.0))
    assert of.octets == sum(map(len, octets)) + 40 * ahead.PIECE_COST_OCTETS
    events(of.read(down(ISP), 1.0))
    assert of.octets == sum(map(len, octets[20:])) + 20 * ahead.PIECE_COST_OCTETS
    assert of.forget() == 20
    assert (of.octets, of.waits, of.judge(2.0)) == (0, False, None)
    assert list(of.read(up(SECONDARY), 2.0)) == []


# Any order of sessions comes to the same ---------------------------------------------------------------

PEERS = st.sampled_from(sorted(SESSIONS))
SAID = st.lists(
    st.one_of(
        st.builds(up, PEERS, st.sampled_from((179, 180))),
        st.builds(down, PEERS),
        st.builds(announced, PEERS, st.sampled_from(PREFIXES), st.sampled_from((8075, 8068))),
        st.builds(announced, PEERS, st.sampled_from(PREFIXES)),
        st.builds(withdrawn, PEERS, st.sampled_from(PREFIXES)),
        st.builds(ended, PEERS),
        st.builds(
            lambda peer, count: router.statistics((7, router.gauge(count)), header=header(peer)),
            PEERS,
            st.integers(0, 3),
        ),
        st.sampled_from((router.message(router.ROUTE_MIRRORING), router.message(77))),
        st.builds(lambda peer: router.route_monitoring(update_message()[:-1], header(peer)), PEERS),
    ),
    max_size=40,
)
PACE = st.lists(st.tuples(st.integers(1, 400), st.integers(0, 4)), min_size=1)
"""How many octets are read at once, and how often something is judged then."""


def paced(of: ReadAhead, octets: bytes, pace: list[tuple[int, int]]) -> Iterator[Judged]:
    """Read octets and judge them at a pace, and judge all of them in the end."""
    at, turn = 0, 0
    while at < len(octets):
        size, judging = pace[turn % len(pace)]
        yield from of.read(octets[at : at + size], 1.0)
        yield from (judged for _ in range(judging) if (judged := of.judge(1.0)) is not None)
        at, turn = at + size, turn + 1
    yield from rest(of, 1.0)


class State:
    """What is known of the feeds after events."""

    def __init__(self, said: Iterable[Event]) -> None:
        self.routes: dict[str, dict[RouteKey, Route]] = {}
        """Of each feed that is up."""
        self.complete: set[str] = set()
        self.states: list[Event] = []
        """Which sessions came up and went down, one after the other."""
        for event in said:
            match event:
                case SessionUp(feed=feed):
                    self.routes[feed] = {}
                case SessionDown(feed=feed):
                    del self.routes[feed]
                    self.complete.discard(feed)
                case EndOfRib(feed=feed):
                    self.complete.add(feed)
                case Update(feed=feed):
                    self.routes[feed].update({route.key: route for route in event.announced})
                    for key in event.withdrawn:
                        self.routes[feed].pop(key, None)
                case _:
                    pass
            if isinstance(event, SessionUp | SessionDown):
                self.states.append(event)


@settings(max_examples=300)
@given(SAID, PACE, st.sampled_from((1, 200, 2**13)))
def test_whichever_session_is_judged_first_the_outcome_is_that_of_the_order(
    said: list[bytes], pace: list[tuple[int, int]], piece: int
) -> None:
    octets = router.initiation() + b"".join(said)
    in_order = State(stream(TOPOLOGY).take(octets, 1.0).events)
    with patch.object(ahead, "PIECE_OCTETS", piece):
        of = ReadAhead(stream(TOPOLOGY))
        judged = list(paced(of, octets, pace))
    found = State(events(judged))
    assert found.states == in_order.states
    assert found.routes == in_order.routes
    alone = {feed for feed in in_order.routes if not feed.startswith("isp/")}
    assert found.complete & alone == in_order.complete & alone
    # A session that is known to be up makes a feed that it is part of incomplete at once; in order, only routes behind it do.
    assert found.complete <= in_order.complete
    assert sum(each.taken.messages + each.moot for each in judged) == len(said) + 1
    assert (of.octets, of.waits) == (0, False)


@given(SAID, PACE, st.sampled_from((1, 200)))
def test_a_recording_in_the_order_of_judging_comes_to_the_same_events(
    said: list[bytes], pace: list[tuple[int, int]], piece: int
) -> None:
    with patch.object(ahead, "PIECE_OCTETS", piece):
        judged = list(paced(ReadAhead(stream(TOPOLOGY)), router.initiation() + b"".join(said), pace))
    again = stream(TOPOLOGY)
    for each in judged:
        assert again.take(each.octets, 1.0) == each.taken


@given(SAID, PACE)
def test_what_happens_to_a_feed_happens_in_its_order(said: list[bytes], pace: list[tuple[int, int]]) -> None:
    """Where it is one session. What is passed over before its end is missing."""
    monitored = Monitored({session(peer): feeds(peer, "ipv4") for peer in SESSIONS})
    octets = router.initiation() + b"".join(said)
    in_order = list(each_route(stream(monitored).take(octets, 1.0).events))
    with patch.object(ahead, "PIECE_OCTETS", 1):
        found = list(each_route(events(paced(ReadAhead(stream(monitored)), octets, pace))))
    for of in {of for of, _ in found}:
        others = (what for each, what in in_order if each == of)
        assert all(what in others for each, what in found if each == of)


def each_route(said: Iterable[Event]) -> Iterator[tuple[tuple[str, RouteKey | None], object]]:
    """Yield what happens to feeds and to each of their routes, one after the other."""
    for event in said:
        feed = getattr(event, "feed", "")
        if isinstance(event, Update):
            yield from (((feed, route.key), route) for route in event.announced)
            yield from (((feed, key), None) for key in event.withdrawn)
        else:
            yield (feed, None), event


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
@given(pace=PACE)
@settings(max_examples=10)
def test_a_day_of_a_real_router_comes_to_the_same(path: Path, pace: list[tuple[int, int]]) -> None:
    octets = path.read_bytes()
    with patch.object(ahead, "PIECE_OCTETS", 1):
        found = State(events(paced(ReadAhead(stream(TOPOLOGY)), octets, pace)))
    in_order = State(stream(TOPOLOGY).take(octets, 1.0).events)
    assert (found.states, found.routes) == (in_order.states, in_order.routes)


# Turns -------------------------------------------------------------------------------------------------


def test_who_comes_waits_for_one_turn_of_those_who_wait_for_another() -> None:
    turns: Turns[str] = Turns()
    order = []
    for number in range(20):
        if number in {0, 5}:
            turns.enter("abcdef"[number])
        if number == 0:
            turns.enter("b")
            turns.enter("c")
        who = turns.next()
        assert who is not None
        order.append(who)
        if who in {"a", "b", "c"}:
            turns.again(who)
    assert order.index("f") <= 6
    assert [order[7:].count(who) >= 4 for who in ("a", "b", "c")] == [True] * 3


def test_nobody_waits() -> None:
    turns: Turns[str] = Turns()
    assert turns.next() is None
    turns.enter("a")
    assert (turns.next(), turns.next()) == ("a", None)
