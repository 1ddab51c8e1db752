"""What RIPE says, into the events of a feed."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from ermon.model.events import (
    Alive,
    EndOfRib,
    Event,
    MessagesLost,
    RoutesUnreadable,
    SessionDown,
    SessionUp,
    Update,
)
from ermon.model.inventory import RisLive, View
from ermon.model.prefixes import parse_prefix
from ermon.ris.messages import read_state
from ermon.ris.space import asked_prefixes, requests
from ermon.ris.stream import MAX_ROUTES, RisStream, shows_life, subscriptions
from tests import networks
from tests.checks.company import company
from tests.ris.ripe import BEAT, PEERS, PONG, REFUSED, Peer, announcement, state, state_route, withdrawal

FEED = networks.feed("ris", View.INTERNET, "ipv4", "ipv6")
SPACE = ("198.51.100.0/24", "2001:db8::/32")
POOL, OWN = "198.51.100.0/28", "198.51.100.0/24"
NOW = 1_772_366_400.0


def _stream() -> RisStream:
    asked = tuple(map(parse_prefix, SPACE))
    return RisStream(FEED, RisLive(2, "ws://127.0.0.1/", "http://127.0.0.1/"), asked)


def _opened(*routes: dict[str, object], at: float = NOW) -> RisStream:
    """A stream whose state of ``at`` has these routes."""
    stream = _stream()
    stream.opened(NOW, NOW)
    _give_state(stream, routes, at=at)
    return stream


def _give_state(
    stream: RisStream, routes: Iterable[dict[str, object]], at: float, now: float | None = None
) -> list[Event]:
    now = at if now is None else now
    named = {*stream.asked, *stream.heard_of()}
    return stream.take_state([read_state(state(routes, at))], named, now, now)


def _say(stream: RisStream, text: str, now: float = NOW) -> list[Event]:
    return stream.take(text, now, now).events


def _changes(events: Iterable[Event]) -> tuple[list[str], list[str]]:
    """The announced and the withdrawn prefixes."""
    updates = [event for event in events if isinstance(event, Update)]
    return (
        [str(route.prefix) for update in updates for route in update.announced],
        [str(prefix) for update in updates for prefix, _ in update.withdrawn],
    )


def test_a_connection_proves_nothing_before_the_first_state():
    stream = _stream()
    up, unreadable = stream.opened(NOW, NOW)
    assert isinstance(up, SessionUp)
    assert isinstance(unreadable, RoutesUnreadable)
    assert _changes(_say(stream, announcement(PEERS[0], POOL, at=NOW + 2))) == ([POOL], []), (
        "presence proves itself"
    )
    events = _give_state(stream, [state_route(PEERS[1], OWN)], NOW + 1)
    assert isinstance(events[0], SessionUp)
    assert sorted(_changes(events)[0]) == [OWN, POOL]
    assert [event.family for event in events if isinstance(event, EndOfRib)] == ["ipv4", "ipv6"]


def test_a_state_of_before_the_connection_has_routes_and_proves_no_absence():
    stream = _stream()
    stream.opened(NOW, NOW)
    events = _give_state(stream, [state_route(PEERS[0], OWN)], NOW - 600, NOW)
    assert _changes(events) == ([OWN], [])
    assert not stream.is_known
    assert [event.reason for event in events if isinstance(event, RoutesUnreadable)] == [
        "RIPEstat's latest state is 600 s old, and of before the connection to RIS Live"
    ]
    assert any(isinstance(event, EndOfRib) for event in _give_state(stream, [], NOW + 1))


def test_a_state_that_cannot_be_had_is_said_once_and_the_next_one_begins_again():
    stream = _stream()
    stream.opened(NOW, NOW)
    [lost] = stream.state_failed("answered 503", NOW, NOW)
    assert isinstance(lost, MessagesLost)
    assert lost.reason == "no state of the routes from RIPEstat: answered 503"
    assert stream.state_failed("answered 503", NOW, NOW) == []
    assert isinstance(_give_state(stream, [], NOW)[0], SessionUp)


def test_a_state_that_grows_old_proves_no_absence_any_more():
    stream = _opened(state_route(PEERS[0], OWN))
    assert stream.state_failed("answered 503", NOW, NOW + 2699) == []
    [lost] = stream.state_failed("answered 503", NOW, NOW + 2700)
    assert isinstance(lost, MessagesLost)
    assert lost.reason == "RIPEstat's latest state is 2700 s old: answered 503"
    assert isinstance(_give_state(stream, [], NOW + 3000)[0], SessionUp)


def test_a_state_that_does_not_grow_newer_is_as_bad_as_none():
    stream = _opened(state_route(PEERS[0], OWN))
    assert isinstance(_give_state(stream, [state_route(PEERS[0], OWN)], NOW, NOW + 2700)[-1], MessagesLost)
    [unreadable] = _give_state(stream, [state_route(PEERS[0], OWN)], NOW, NOW + 2820)
    assert isinstance(unreadable, RoutesUnreadable), "the same state again is no beginning"
    assert unreadable.reason == "RIPEstat's latest state is 2820 s old"
    assert not stream.is_known
    assert isinstance(_give_state(stream, [state_route(PEERS[0], OWN)], NOW + 2900)[0], SessionUp)


def test_a_withdrawal_of_one_peer_of_many_waits_for_the_next_state():
    stream = _opened(*(state_route(peer, POOL) for peer in PEERS[:3]))
    events = _say(stream, withdrawal(PEERS[0], POOL, at=NOW + 5))
    assert [type(event) for event in events] == [Alive]
    assert _changes(_give_state(stream, [state_route(p, POOL) for p in PEERS[1:3]], NOW + 900)) == (
        [],
        [POOL],
    )


def test_a_withdrawal_of_a_route_that_does_not_count_is_taken_at_once():
    stream = _opened()
    _say(stream, announcement(PEERS[0], POOL, at=NOW))
    assert _changes(_say(stream, withdrawal(PEERS[0], POOL, at=NOW))) == ([], [POOL])


def test_two_sessions_of_one_asn_are_one_peer():
    stream, other = _opened(), Peer("2001:db8::77", PEERS[0].asn)
    _say(stream, announcement(PEERS[0], POOL, at=NOW))
    _say(stream, announcement(other, POOL, at=NOW))
    assert _changes(_say(stream, withdrawal(other, POOL, at=NOW))) == ([], [POOL])


def test_a_route_that_was_announced_after_the_state_is_not_taken_for_gone():
    stream = _opened()
    _say(stream, announcement(PEERS[0], POOL, at=NOW + 100), NOW + 100)
    assert _changes(_give_state(stream, [], NOW + 50, NOW + 110)) == ([], [])
    assert _changes(_give_state(stream, [], NOW + 101, NOW + 120)) == ([], [POOL])


def test_a_newer_change_outweighs_an_older_state():
    stream = _opened()
    _say(stream, announcement(PEERS[0], POOL, path=[64511, 64500], at=NOW + 100), NOW + 100)
    assert _changes(_give_state(stream, [state_route(PEERS[0], POOL)], NOW + 50, NOW + 110)) == ([], [])


def test_a_time_in_the_future_holds_no_route_for_ever():
    stream = _opened()
    _say(stream, announcement(PEERS[0], POOL, at=1e12))
    assert _changes(_give_state(stream, [], NOW + 900)) == ([], [POOL])


def test_what_was_not_asked_about_is_passed_over():
    stream = _opened(state_route(PEERS[0], "192.0.2.0/24"))
    for prefix in ("192.0.2.0/24", "0.0.0.0/0", "::/0"):
        assert _changes(_say(stream, announcement(PEERS[0], prefix, at=NOW))) == ([], [])
    assert stream.heard_of() == ()


def test_a_message_that_cannot_be_read_may_have_been_a_route():
    taken = _opened().take(announcement(PEERS[0], "nonsense"), NOW, NOW)
    assert taken.rejected
    assert [type(event) for event in taken.events] == [MessagesLost]


def test_signs_of_life_are_few_events():
    stream = _opened()
    assert [type(event) for event in _say(stream, BEAT, NOW + 20)] == [Alive]
    assert _say(stream, BEAT, NOW + 21) == []
    assert shows_life(BEAT)
    assert not shows_life(PONG)
    assert not shows_life("{")
    assert not stream.take(PONG, NOW, NOW).is_life


def test_a_refusal_ends_the_connection():
    assert _opened().take(REFUSED, NOW, NOW).ended == "RIS Live refuses what it is asked: unknown type"


def test_an_end_in_which_messages_were_lost_is_said():
    stream = _opened()
    assert [type(event) for event in stream.closed(NOW, "too slow", lost=True)] == [MessagesLost, SessionDown]
    assert [type(event) for event in stream.closed(NOW, "refused", lost=True)] == [SessionDown]
    assert _say(stream, announcement(PEERS[0], POOL)) == []
    assert stream.take_state([], (), NOW, NOW) == []


def test_a_flood_is_bounded():
    stream = _opened()
    stream._held = {(parse_prefix(POOL), n): None for n in range(MAX_ROUTES)}  # type: ignore[misc]
    assert isinstance(_say(stream, announcement(PEERS[0], OWN, at=NOW))[0], MessagesLost)


def test_what_was_heard_of_is_asked_for_by_name():
    stream = _opened()
    _say(stream, announcement(PEERS[0], POOL, OWN, at=NOW))
    asked = tuple(map(parse_prefix, SPACE))
    assert [str(prefix) for prefix in stream.heard_of()] == [POOL]
    assert [len(each) for each in requests(asked, stream.heard_of())] == [3]
    many = [parse_prefix(f"198.51.100.{n}/32") for n in range(45)]
    assert [len(each) for each in requests(asked, many)] == [20, 20, 7]


def test_what_was_heard_of_is_asked_for_by_name_after_the_connection_was_lost_too():
    stream = _opened()
    _say(stream, announcement(PEERS[0], POOL, at=NOW))
    stream.closed(NOW, "lost", lost=False)
    stream.opened(NOW, NOW)
    stream.opened(NOW, NOW)
    assert [str(prefix) for prefix in stream.heard_of()] == [POOL]
    _give_state(stream, [], NOW + 1)
    assert stream.heard_of() == ()


def test_a_state_says_nothing_of_a_prefix_that_ripestat_was_not_asked_about():
    stream = _opened()
    for peer in PEERS[:2]:
        _say(stream, announcement(peer, POOL, at=NOW + 1))
    asked = read_state(state([], NOW + 2))
    assert _changes(stream.take_state([asked], stream.asked, NOW + 2, NOW + 2)) == ([], [])
    assert _changes(_give_state(stream, [], NOW + 900)) == ([], [POOL, POOL])


@pytest.mark.parametrize("beats", [True, False])
def test_subscriptions_name_each_outermost_prefix_and_ask_for_signs_of_life(beats: bool):
    found = list(subscriptions([*map(parse_prefix, SPACE), parse_prefix(POOL)], beats=beats))
    assert found[0] == {
        "type": "ris_subscribe",
        "data": {"prefix": "198.51.100.0/24", "moreSpecific": True, "lessSpecific": True, "type": "UPDATE"},
    }
    assert {"type": "ris_subscribe", "data": {"type": "RIS_PEER_STATE"}} in found
    assert len(found) == (4 if beats else 3)


def test_ripe_learns_the_public_prefixes_and_no_more():
    change = """
customer: {own_prefixes: [198.51.100.0/24, "2001:db8:100::/40", 10.0.0.0/8]}
feeds: {ris: {view: internet, source: ris-live, canary: [192.0.2.0/24]}}
"""
    config = company(change).config
    assert [str(p) for p in asked_prefixes(config, config.feeds["ris"])] == [
        "192.0.2.0/24",
        "198.51.100.0/24",
        "198.51.100.0/28",
        "198.51.100.16/28",
        "198.51.100.128/27",
    ]
    assert config.feeds["ris"].families == ("ipv4",), "those of its canaries"
