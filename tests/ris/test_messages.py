"""What RIS Live and RIPEstat write, as values."""

from __future__ import annotations

import json

import pytest

from ermon.ris.messages import Beat, Heard, Refusal, Unreadable, peer_id, read_message, read_state
from tests.ris.ripe import BEAT, PEERS, PONG, REFUSED, announcement, state, state_route, withdrawal

PEER = PEERS[0]


def _heard(text: str) -> Heard:
    message = read_message(text)
    assert isinstance(message, Heard)
    return message


def test_an_announcement_becomes_routes_of_its_peer():
    text = announcement(PEER, "198.51.100.0/24", "2001:db8::/32", at=7.25, community=[[64510, 7], [1, 2, 3]])
    message = _heard(text)
    assert message.time == 7.25
    assert [str(route.prefix) for route in message.routes] == ["198.51.100.0/24", "2001:db8::/32"]
    assert {route.path_id for route in message.routes} == {peer_id(PEER.address)}
    attributes = message.routes[0].attributes
    assert attributes.path_text == f"{PEER.asn} 64510 64500"
    assert list(attributes.communities) == [(64510, 7)]
    assert list(attributes.large_communities) == [(1, 2, 3)]


def test_an_as_set_is_a_list_or_has_braces():
    assert _heard(announcement(PEER, "198.51.100.0/24", path=[1, [2, 3]])).routes[0].attributes.path_text == (
        f"{PEER.asn} 1 {{2 3}}"
    )
    route = state_route(PEER, "198.51.100.0/24", path=["1", "{2,3}"])
    assert read_state(state([route])).routes[0].attributes.path_text == f"{PEER.asn} 1 {{2 3}}"


def test_a_path_begins_with_the_peer_although_a_route_server_leaves_itself_out():
    text = announcement(PEER, "198.51.100.0/24").replace(f'"path": [{PEER.asn}, ', '"path": [')
    assert _heard(text).routes[0].attributes.path_text == f"{PEER.asn} 64510 64500"
    text = announcement(PEER, "198.51.100.0/24", path=[]).replace(f'"path": [{PEER.asn}]', '"path": [[7]]')
    assert _heard(text).routes[0].attributes.path_text == f"{PEER.asn} {{7}}"


def test_withdrawals_name_their_peer():
    message = _heard(withdrawal(PEER, "198.51.100.0/24"))
    assert [(str(prefix), path_id) for prefix, path_id in message.withdrawn] == [
        ("198.51.100.0/24", peer_id(PEER.address))
    ]


def test_a_peer_is_the_same_in_both_sources_however_its_address_is_written():
    live = _heard(announcement(PEER, "198.51.100.0/24")).routes[0]
    stated = read_state(state([state_route(PEER, "198.51.100.0/24")])).routes[0]
    assert live.key == stated.key
    assert peer_id("2001:db8:0:0::1") == peer_id("2001:DB8::1")


def test_other_messages_are_signs_of_life_or_none():
    assert read_message(BEAT) == Beat()
    assert read_message(BEAT.replace("RIS_PEER_STATE", "KEEPALIVE")) == Beat()
    assert read_message(PONG) is None
    assert read_message(REFUSED) == Refusal("unknown type")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"type": 5}',
        '{"type": "ris_message", "data": 7}',
        announcement(PEER, "198.51.100.0"),
        announcement(PEER, "198.51.100.0/33"),
        announcement(PEER, "198.51.100.0/24", path=[-1]),
        announcement(PEER, "198.51.100.0/24", path=[2**32]),
        announcement(PEER, "198.51.100.0/24", path=[True]),
        announcement(PEER, "198.51.100.0/24", path=[[["x"]]]),
        announcement(PEER, "198.51.100.0/24", path=[1] * 3000),
        announcement(PEER, "198.51.100.0/24").replace(PEER.address, "here\x00"),
        withdrawal(PEER, "nowhere"),
    ],
)
def test_what_is_no_message_is_unreadable(text: str):
    with pytest.raises(Unreadable):
        read_message(text)


def test_host_bits_of_a_prefix_do_not_matter():
    assert str(_heard(announcement(PEER, "198.51.100.9/24")).routes[0].prefix) == "198.51.100.0/24"


def test_what_is_null_is_not_there():
    text = announcement(PEER, "198.51.100.0/24", community=None, withdrawals=None)
    assert [str(route.prefix) for route in _heard(text).routes] == ["198.51.100.0/24"]
    nothing = withdrawal(PEER, "198.51.100.0/24").replace(
        '"withdrawals"', '"announcements": null, "withdrawals"'
    )
    assert len(_heard(nothing).withdrawn) == 1
    [route] = read_state(state([state_route(PEER, "198.51.100.0/24", community=None)])).routes
    assert route.attributes.path_text == f"{PEER.asn} 64510 64500"


def test_a_state_has_its_time_in_either_form():
    assert read_state(state([], "2026-03-01T12:00:00")).time == 1_772_366_400.0
    assert read_state(state([], 1_772_366_400)).time == 1_772_366_400.0


def test_a_state_of_which_much_cannot_be_read_proves_no_absence():
    good, bad = (
        state_route(PEER, "198.51.100.0/24", source_id=f"00-{peer}") for peer in (PEER.address, "rs1")
    )
    assert len(read_state(state([good] * 99 + [bad])).routes) == 99
    with pytest.raises(Unreadable, match="1 of its 99 routes cannot be read: 'rs1' is"):
        read_state(state([good] * 98 + [bad]))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{}",
        state([]).replace(b'"ok"', b'"error"'),
        state([], "yesterday"),
        state([], -1),
        state([], 1e300),
        json.dumps({"data": {"bgp_state": [], "nr_routes": 5, "query_time": 1}}).encode(),
    ],
)
def test_an_answer_that_is_no_whole_state_is_unreadable(answer: bytes):
    with pytest.raises(Unreadable):
        read_state(answer)
