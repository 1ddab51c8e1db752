"""Every recorded line of ExaBGP, and then every way in which a line can be wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermon.exabgp.decode import (
    MAX_LINE_BYTES,
    MAX_QUOTED_CHARACTERS,
    Decoded,
    Decoder,
    Rejected,
    RejectReason,
)
from ermon.exabgp.messages import MAX_SHUTDOWN_CHARACTERS
from ermon.exabgp.reasons import cannot_listen
from ermon.model.events import (
    AddPathOffered,
    Alive,
    ConnectionsRefused,
    EndOfRib,
    Event,
    ListeningJudged,
    MessagesLost,
    ProcessDown,
    ProcessUp,
    SessionDown,
    SessionUp,
    Update,
)
from ermon.model.prefixes import parse_prefix
from ermon.model.text import printable
from tests.exabgp.recordings import (
    ALIVE,
    EDGES,
    EXTRA,
    FEEDS,
    GAP,
    OUTSIDE,
    PROCESS_DOWN,
    PROCESS_UP,
    SAMPLES,
    TWO_SPEAKERS,
    UNDECODED,
    T,
    labels_of,
    lines_of,
    on,
    replaced_in,
    sample,
)


def events_of(line: bytes, decoder: Decoder | None = None) -> list[Event]:
    return (decoder or Decoder(FEEDS)).decode(line).events


def without_times(decoded: Iterable[Decoded]) -> list[list[Event]]:
    return [[replaced_in(event, time=T) for event in one.events] for one in decoded]


def decode_by_label(recording: str) -> dict[str, list[Decoded]]:
    decoder = Decoder(FEEDS)
    by_label: dict[str, list[Decoded]] = {}
    for label, line in zip(labels_of(recording), lines_of(recording), strict=True):
        by_label.setdefault(label, []).append(decoder.decode(line))
    return by_label


DECODED = {"samples": decode_by_label("samples"), "extra": decode_by_label("extra")}


@pytest.mark.parametrize("label", dict.fromkeys(labels_of("samples")))
def test_a_sampled_line_means(label: str) -> None:
    assert without_times(DECODED["samples"][label]) == SAMPLES[label]


@pytest.mark.parametrize("label", dict.fromkeys(labels_of("extra")))
def test_an_extra_line_means(label: str) -> None:
    assert without_times(DECODED["extra"][label]) == EXTRA[label]


def test_a_session_between_two_exabgps_means() -> None:
    decoder = Decoder(FEEDS)
    expected = [on("edge-2", *events) for events in TWO_SPEAKERS]
    assert without_times(map(decoder.decode, lines_of("two-speakers"))) == expected


def test_of_all_recorded_lines_only_raw_updates_are_rejected() -> None:
    rejected = {
        label: [one.rejected.reason for one in decoded if one.rejected]
        for by_label in DECODED.values()
        for label, decoded in by_label.items()
        if any(one.rejected for one in decoded)
    }
    assert rejected == {"raw-only": [RejectReason.BAD_UPDATE], "raw-and-parsed": [RejectReason.BAD_UPDATE]}


def test_an_event_has_its_lines_time_in_microseconds() -> None:
    line = sample("default-route")
    assert json.loads(line)["time"] == 1795184924.0558712
    assert {event.time for event in events_of(line)} == {1795184924.055871}


def test_the_routes_of_an_update_share_their_attributes() -> None:
    (update,) = (
        event for event in events_of(sample("announce-ipv4-addpath-2prefix")) if isinstance(event, Update)
    )
    assert update.announced[0].attributes is update.announced[1].attributes


# The counter


def changed(line: bytes, **changes: Any) -> bytes:
    """Return a recorded line with other values at the top level."""
    return json.dumps(json.loads(line) | changes).encode()


def counted(*counters: int, line: bytes | None = None, pid: int = 7) -> Iterator[bytes]:
    for counter in counters:
        yield changed(line or sample("keepalive"), counter=counter, pid=pid)


def losses(decoder: Decoder, lines: Iterable[bytes]) -> list[int]:
    return [
        event.count
        for line in lines
        for event in decoder.decode(line).events
        if isinstance(event, MessagesLost) and event.reason == GAP
    ]


@pytest.mark.parametrize(
    ("counters", "missing"),
    [
        pytest.param([1, 2, 3], [], id="nothing is missing"),
        pytest.param([17, 18], [], id="a recording began inside a session"),
        pytest.param([5, 6, 9, 10, 12], [2, 1], id="gaps"),
        pytest.param([7, 8, 1, 2], [], id="a reload ended the session"),
        pytest.param([7, 8, 3, 4], [2], id="the first two after such an end are missing"),
        pytest.param([1, 1, 1], [], id="sessions that end at once"),
    ],
)
def test_a_jump_of_the_counter_is_a_loss(counters: list[int], missing: list[int]) -> None:
    assert losses(Decoder(FEEDS), counted(*counters)) == missing


def test_a_loss_comes_before_the_events_of_the_line() -> None:
    decoder = Decoder(FEEDS)
    first, second = counted(1, 4, line=sample("hold-time-0", 3))
    decoder.decode(first)
    kinds = [type(event) for event in decoder.decode(second).events]
    assert kinds == [MessagesLost, SessionUp]


def test_the_counter_of_a_new_process_starts_again() -> None:
    decoder = Decoder(FEEDS)
    assert losses(decoder, [*counted(50, pid=7), *counted(3, pid=8), *counted(4, pid=8)]) == []


def test_each_feed_is_counted_by_itself() -> None:
    other = sample("parsed-updates-only", 2)
    decoder = Decoder(FEEDS)
    assert (
        losses(decoder, [*counted(1), *counted(9, line=other), *counted(2), *counted(10, line=other)]) == []
    )


def test_a_rejected_line_of_a_feed_is_counted() -> None:
    lines = [*counted(1), *counted(2, line=changed(sample("keepalive"), type="unheard-of")), *counted(3)]
    assert losses(Decoder(FEEDS), lines) == []


def test_a_line_that_cannot_be_read_shows_as_a_gap() -> None:
    first, second, third = counted(1, 2, 3)
    assert losses(Decoder(FEEDS), [first, second[:-20], third]) == [1]


def test_the_counters_continue_after_a_change_of_the_feeds() -> None:
    decoder = Decoder(FEEDS)
    before = losses(decoder, counted(1, 2))
    decoder.set_feeds({"edge-1": FEEDS["edge-1"]})
    assert before + losses(decoder, counted(4)) == [1]


def test_the_counter_of_a_feed_that_was_removed_starts_again() -> None:
    decoder = Decoder(FEEDS)
    losses(decoder, counted(1, 2))
    decoder.set_feeds({})
    decoder.set_feeds(FEEDS)
    assert losses(decoder, counted(9)) == []


# Processes


def test_a_process_is_up_with_its_first_line_and_gone_with_that_of_a_new_one() -> None:
    decoder = Decoder(FEEDS)
    spoke = [
        [type(event) for event in decoder.decode(line).events]
        for pid in (7, 8)
        for line in counted(1, 2, pid=pid)
    ]
    assert spoke == [[ProcessUp, Alive], [Alive], [ProcessDown, ProcessUp, Alive], [Alive]]


def test_a_late_line_of_a_stopped_process_is_ignored() -> None:
    decoder = Decoder(FEEDS)
    shutdown = changed(sample("shutdown"), pid=7)
    lines = [*counted(1), shutdown, *counted(2), *counted(1, pid=8)]
    kinds = [type(event) for line in lines for event in decoder.decode(line).events]
    assert kinds == [ProcessUp, Alive, ProcessDown, ProcessUp, Alive]


def test_a_shutdown_is_that_of_the_process_that_spoke_with_its_id() -> None:
    decoder = Decoder({**FEEDS, "outside": OUTSIDE})
    outside = json.loads(sample("keepalive"))
    outside["neighbor"]["address"] = {"local": OUTSIDE.local, "peer": OUTSIDE.peer}
    for line in (*counted(1, pid=7), *counted(1, pid=8, line=json.dumps(outside).encode())):
        decoder.decode(line)
    (event,) = decoder.decode(changed(sample("shutdown"), pid=8)).events
    assert replaced_in(event, time=T) == ProcessDown(T, "outside", "ExaBGP shut down")


def test_a_shutdown_of_an_unknown_id_is_that_of_the_only_process() -> None:
    assert without_times([Decoder(FEEDS).decode(sample("shutdown"))]) == [[PROCESS_DOWN]]


def test_a_shutdown_of_an_unknown_id_is_rejected_where_it_could_be_that_of_several() -> None:
    decoded = Decoder({**FEEDS, "outside": OUTSIDE}).decode(sample("shutdown"))
    assert decoded.events == []
    assert reason(decoded) == RejectReason.UNKNOWN_FEED


# A process that an attacker controls


@pytest.fixture
def both() -> Decoder:
    """Two processes, each of which has sent something."""
    decoder = Decoder({**FEEDS, "outside": OUTSIDE})
    for process, pid in ((EDGES, 7), ("outside", 8)):
        decoder.process_started(process, pid)
    return decoder


def told(pid: int, **values: Any) -> bytes:
    return json.dumps({"exabgp": "5.0.0", "time": 7, "pid": pid, **values}).encode()


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(changed(sample("keepalive"), pid=8), id="of a feed that is another's"),
        pytest.param(changed(sample("keepalive"), pid=7), id="of a feed that is another's, under its id"),
        pytest.param(changed(sample("shutdown"), pid=7), id="of the end of another"),
        pytest.param(
            told(7, type="listening", listening={"port": 1, "addresses": {}}), id="under another id"
        ),
        pytest.param(changed(sample("keepalive"), pid=7)[:-40] + b"}", id="that cannot be read"),
    ],
)
def test_lines_of_a_process_about_another_are_rejected(both: Decoder, line: bytes) -> None:
    decoded = both.decode(line, "outside")
    assert decoded.events == []
    assert decoded.rejected is not None
    (event,) = both.decode(changed(sample("keepalive"), pid=7), EDGES).events
    assert isinstance(event, Alive)


def test_a_process_reports_only_its_own_listeners(both: Decoder) -> None:
    addresses = {OUTSIDE.local: "EADDRINUSE", FEEDS["edge-1"].local: "EADDRINUSE", "2001:db8::77": ""}
    line = told(8, type="listening", listening={"port": 179, "addresses": addresses})
    (judged,) = both.decode(line, "outside").events
    assert isinstance(judged, ListeningJudged)
    assert judged.local == OUTSIDE.local


def test_a_process_reports_refused_connections_on_its_own_listeners(both: Decoder) -> None:
    connections = [
        {"local": local, "peer": "192.0.2.99", "count": 2} for local in (FEEDS["edge-1"].local, OUTSIDE.local)
    ]
    line = told(8, type="refused", refused={"connections": connections, "more": 5})
    events = both.decode(line, "outside").events
    assert [(e.local, e.count) for e in events if isinstance(e, ConnectionsRefused)] == [
        (OUTSIDE.local, 2),
        ("", 5),
    ]


def test_a_process_with_the_id_of_an_earlier_one_is_accepted() -> None:
    decoder = Decoder(FEEDS)
    decoder.process_started(EDGES, 7)
    decoder.decode(changed(sample("shutdown"), pid=7), EDGES)
    decoder.process_started(EDGES, 8)
    decoder.process_started(EDGES, 7)
    (event,) = decoder.decode(changed(sample("keepalive"), pid=7), EDGES).events
    assert isinstance(event, Alive)


# Wrong lines


def reason(decoded: Decoded) -> RejectReason | None:
    return decoded.rejected.reason if decoded.rejected is not None else None


def with_neighbor(line: bytes, **changes: Any) -> bytes:
    parsed = json.loads(line)
    parsed["neighbor"] |= changes
    return json.dumps(parsed).encode()


def with_update(**changes: Any) -> bytes:
    return with_neighbor(sample("announce-no-addpath"), message={"update": changes})


NLRI = {"nlri": "10.11.0.0/16"}

BAD_UPDATES = {
    "an UPDATE that was not parsed": with_neighbor(sample("announce-no-addpath"), message={"category": 2}),
    "no message": with_neighbor(sample("announce-no-addpath"), message=None),
    "an unknown family": with_update(announce={"ipv4 mpls-vpn": {"192.0.2.1": [NLRI]}}),
    "an unknown family withdrawn": with_update(withdraw={"ipv4 flow": [{"flow": "..."}]}),
    "a length over 32": with_update(withdraw={"ipv4 unicast": [{"nlri": "10.11.0.1/33"}]}),
    "a length over 128": with_update(withdraw={"ipv6 unicast": [{"nlri": "2001:db8::/129"}]}),
    "a prefix that is a number": with_update(withdraw={"ipv4 unicast": [{"nlri": 10}]}),
    "a prefix with a zero octet": with_update(withdraw={"ipv4 unicast": [{"nlri": "10.11.0.0\0/16"}]}),
    "a prefix outside ASCII": with_update(withdraw={"ipv4 unicast": [{"nlri": "10.11.0.0/\u0661\u0666"}]}),
    "a next hop that is a name": with_update(announce={"ipv4 unicast": {"null": [NLRI]}}),
    "a path identifier that is IPv6": with_update(
        withdraw={"ipv6 unicast": [{"nlri": "2001:db8::/32", "path-information": "::7"}]}
    ),
    "communities by name": with_update(attribute={"community": ["no-export"]}),
    "a community of three numbers": with_update(attribute={"community": [[1, 2, 3]]}),
    "an AS path as text": with_update(attribute={"as-path": "65011 64999"}),
    "an unknown kind of segment": with_update(
        attribute={"as-path": {"0": {"element": "as-loop", "value": [1]}}}
    ),
    "a segment without a place": with_update(
        attribute={"as-path": {"x": {"element": "as-set", "value": [1]}}}
    ),
}


@pytest.mark.parametrize("line", BAD_UPDATES.values(), ids=BAD_UPDATES)
def test_an_update_that_cannot_be_decoded_whole_is_a_loss_on_its_feed(line: bytes) -> None:
    decoded = Decoder(FEEDS).decode(line)
    assert without_times([decoded]) == [[PROCESS_UP, UNDECODED]]
    assert reason(decoded) == RejectReason.BAD_UPDATE


def test_a_bad_route_spoils_the_good_ones_of_its_update() -> None:
    line = with_update(
        announce={"ipv4 unicast": {"192.0.2.1": [NLRI, {"nlri": "10.11.0.1/33"}]}},
        withdraw={"ipv6 unicast": [{"nlri": "2001:db8::/32"}]},
    )
    assert without_times([Decoder(FEEDS).decode(line)]) == [[PROCESS_UP, UNDECODED]]


@pytest.mark.parametrize(
    ("family", "sent", "meant"),
    [("ipv4", "198.51.100.15/28", "198.51.100.0/28"), ("ipv6", "2001:db8:1::7/48", "2001:db8:1::/48")],
)
def test_bits_behind_the_length_of_a_prefix_mean_nothing(family: str, sent: str, meant: str) -> None:
    """RFC 4271 section 4.3: "the value of trailing bits is irrelevant"."""
    name, nlri, prefix = (
        f"{family} unicast",
        {"nlri": sent, "path-information": "0.0.0.7"},
        parse_prefix(meant),
    )
    update = events_of(with_update(announce={name: {"192.0.2.1": [nlri]}}))[-1]
    assert isinstance(update, Update)
    assert [route.key for route in update.announced] == [(prefix, 7)]
    update = events_of(with_update(withdraw={name: [nlri]}))[-1]
    assert isinstance(update, Update)
    assert update.withdrawn == ((prefix, 7),)


KEEPALIVE = sample("keepalive")

REJECTED = {
    "an empty line": (b"", RejectReason.NOT_JSON),
    "an answer to a command": (b"done\n", RejectReason.NOT_JSON),
    "octets": (b"\xff\x00\xfe", RejectReason.NOT_JSON),
    "half a line": (KEEPALIVE[: len(KEEPALIVE) // 2], RejectReason.NOT_JSON),
    "two lines in one": (KEEPALIVE * 2, RejectReason.NOT_JSON),
    "deep nesting": (b'{"host":' + b"[" * 100_000, RejectReason.NOT_JSON),
    "a list": (b"[]", RejectReason.NOT_EXABGP),
    "an object of something else": (b'{"level":"info"}', RejectReason.NOT_EXABGP),
    "a negative time": (changed(KEEPALIVE, time=-1.0), RejectReason.NOT_EXABGP),
    "a time that is text": (changed(KEEPALIVE, time="now"), RejectReason.NOT_EXABGP),
    "a time after the year 9999": (changed(KEEPALIVE, time=1e12), RejectReason.NOT_EXABGP),
    "a time over every number": (KEEPALIVE.replace(b'"time": 1', b'"time": 1e999'), RejectReason.NOT_EXABGP),
    "a time that is no number": (changed(KEEPALIVE, time=float("nan")), RejectReason.NOT_JSON),
    "a counter that is text": (changed(KEEPALIVE, counter="1"), RejectReason.NOT_EXABGP),
    "an unknown type": (changed(KEEPALIVE, type="operational"), RejectReason.UNKNOWN_TYPE),
    "an unknown pair of addresses": (
        with_neighbor(KEEPALIVE, address={"local": "127.0.0.1", "peer": "127.0.0.99"}),
        RejectReason.UNKNOWN_FEED,
    ),
    "addresses that are none": (
        with_neighbor(KEEPALIVE, address={"local": "auto", "peer": "\0"}),
        RejectReason.UNKNOWN_FEED,
    ),
    "a message of nobody": (changed(KEEPALIVE, neighbor=None), RejectReason.BAD_MESSAGE),
    "a state that is none": (with_neighbor(sample("tcp-fin"), state="sideways"), RejectReason.BAD_MESSAGE),
    "a state that is a number": (with_neighbor(sample("tcp-fin"), state=1), RejectReason.BAD_MESSAGE),
    "an OPEN without capabilities": (with_neighbor(sample("up2", 1), open={}), RejectReason.BAD_MESSAGE),
    "nothing negotiated": (with_neighbor(sample("up2", 2), negotiated=None), RejectReason.BAD_MESSAGE),
}


@pytest.mark.parametrize(("line", "why"), REJECTED.values(), ids=REJECTED)
def test_a_line_is_rejected_with_its_reason_and_without_an_event_of_its_feed(
    line: bytes, why: RejectReason
) -> None:
    decoded = Decoder(FEEDS).decode(line)
    assert reason(decoded) == why
    assert [type(event) for event in decoded.events] in ([], [ProcessUp])


def test_a_line_over_the_limit_is_rejected_and_one_at_the_limit_is_not() -> None:
    longest = KEEPALIVE + b" " * (MAX_LINE_BYTES - len(KEEPALIVE))
    assert reason(Decoder(FEEDS).decode(longest)) is None
    assert reason(Decoder(FEEDS).decode(longest + b" ")) == RejectReason.TOO_LONG


def test_a_rejected_line_is_kept_short_and_printable() -> None:
    line = b'{"x": "\x1b[31m\xff' + b"a" * 1000
    decoded = Decoder(FEEDS).decode(line)
    assert decoded.rejected is not None
    assert decoded.rejected.line.startswith('{"x": "\\x1b[31m\\\\xffaaa')
    assert decoded.rejected.line.endswith(f"... ({len(line) - MAX_QUOTED_CHARACTERS} more)")


def test_a_line_feed_at_the_end_makes_no_difference() -> None:
    for line in lines_of("two-speakers"):
        assert events_of(line + b"\n") == events_of(line)


def test_addresses_are_compared_in_canonical_form() -> None:
    address = {"local": "0:0::1", "peer": "0000::0001"}
    (_, event) = events_of(with_neighbor(KEEPALIVE, address=address))
    assert replaced_in(event, time=T) == Alive(T, "edge-6")


def test_the_feeds_own_addresses_need_not_be_canonical() -> None:
    feed = replace(FEEDS["edge-6"], local="0:0::1", peer="::0001")
    (_, event) = events_of(sample("end-of-rib-over-ipv6"), Decoder({"edge-6": feed}))
    assert isinstance(event, EndOfRib)


def test_an_end_of_rib_of_another_family_only_shows_life() -> None:
    line = with_neighbor(sample("eor-ipv4"), message={"eor": {"afi": "ipv4", "safi": "multicast"}})
    assert without_times([Decoder(FEEDS).decode(line)]) == [[PROCESS_UP, ALIVE]]


@pytest.mark.parametrize(
    ("direction", "families"),
    [
        ("send", {"ipv6"}),
        ("send/receive", {"ipv6"}),
        ("receive", set()),
        ("disabled", set()),
        ("invalid (7)", set()),
    ],
)
def test_add_path_is_offered_in_the_families_that_the_peer_can_send(
    direction: str, families: set[str]
) -> None:
    capabilities = {"69": {"name": "addpath", "ipv6/unicast": direction}}
    line = with_neighbor(sample("up2", 1), open={"capabilities": capabilities})
    (_, event) = events_of(line)
    assert isinstance(event, AddPathOffered)
    assert event.families == families


# The text of a Shutdown Communication


def cease(text: str) -> bytes:
    notification = json.loads(sample("peer-notification-cease-2 admin shutdown"))["neighbor"]["notification"]
    message = f'Shutdown Communication: "{text}"'
    return with_neighbor(
        sample("peer-notification-cease-2 admin shutdown"), notification=notification | {"message": message}
    )


CEASE = "Cease: administrative shutdown, sent by the router"
CLOSED = "connection lost, or closed by the router, without a NOTIFICATION"
DOWN = sample("peer-notification-cease-2 admin shutdown", 1)


def reasons(*lines: bytes) -> list[str]:
    decoder = Decoder(FEEDS)
    events = [event for line in lines for event in decoder.decode(line).events]
    return [event.reason for event in events if isinstance(event, SessionDown)]


def test_a_shutdown_communication_is_bounded() -> None:
    (reason,) = reasons(cease("x" * 1000), DOWN)
    assert reason == f'{CEASE}: "{"x" * MAX_SHUTDOWN_CHARACTERS}"'


def test_a_shutdown_communication_belongs_to_the_next_down_only() -> None:
    assert reasons(cease("bye"), DOWN, DOWN) == [
        f'{CEASE}: "bye"',
        CEASE,
    ]


def test_a_shutdown_communication_is_forgotten_with_a_new_session() -> None:
    assert reasons(cease("bye"), sample("up2", 3), DOWN) == [CEASE]


def test_a_shutdown_communication_is_not_the_reason_of_a_lost_connection() -> None:
    assert reasons(cease("bye"), sample("tcp-reset")) == [CLOSED]


# Never an exception, for any input


def assert_total(decoder: Decoder, line: bytes) -> None:
    decoded = decoder.decode(line)
    assert isinstance(decoded.events, list)
    for event in decoded.events:
        assert isinstance(event, Event)
        assert msgspec.json.encode(event, enc_hook=list)
    if decoded.rejected is not None:
        assert isinstance(decoded.rejected, Rejected)
        assert decoded.rejected.line.isprintable()
        assert decoded.rejected.detail.isprintable()
        lost = {MessagesLost, ProcessUp}
        assert {type(event) for event in decoded.events} <= lost


@given(st.binary())
def test_any_octets_become_events_or_one_rejection(line: bytes) -> None:
    assert_total(Decoder(FEEDS), line)


def own_line(kind: str, what: object) -> bytes:
    """A line of the listener in ExaBGP's process."""
    return json.dumps({"exabgp": "5.0.0", "time": 7.0, "pid": 1, "type": kind, kind: what}).encode()


ALL_LINES = [line for name in ("samples", "extra", "two-speakers") for line in lines_of(name)]


@given(st.sampled_from(ALL_LINES), st.data())
def test_a_damaged_line_becomes_events_or_one_rejection(line: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(line)))
    end = data.draw(st.integers(start, min(len(line), start + 20)))
    assert_total(Decoder(FEEDS), line[:start] + data.draw(st.binary(max_size=20)) + line[end:])


def replaced(value: Any, place: int, new: Any) -> tuple[Any, int]:
    """Replace the value at ``place``, counted depth first, of a parsed line."""
    if place == 0:
        return new, -1
    place -= 1
    if isinstance(value, dict):
        for key, inner in value.items():
            value[key], place = replaced(inner, place, new) if place >= 0 else (inner, place)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            value[at], place = replaced(inner, place, new) if place >= 0 else (inner, place)
    return value, place


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(ALL_LINES), st.integers(0, 60), JSON)
def test_a_line_with_another_value_in_it_becomes_events_or_one_rejection(
    line: bytes, place: int, new: Any
) -> None:
    value, _ = replaced(json.loads(line), place, new)
    assert_total(Decoder(FEEDS), json.dumps(value).encode())


# Lines of the listener in ExaBGP's process ------------------------------------------------------------


def test_working_and_failing_listeners_are_reported() -> None:
    line = own_line("listening", {"port": 179, "addresses": {"192.0.2.1": "", "2001:DB8::1": "EADDRINUSE"}})
    assert Decoder({}).decode(line) == Decoded(
        [
            ListeningJudged(7.0, "192.0.2.1"),
            ListeningJudged(7.0, "2001:db8::1", cannot_listen("2001:db8::1", 179, "EADDRINUSE")),
        ]
    )


def test_some_connections_of_unknown_hosts_are_reported_and_the_rest_counted() -> None:
    connections = [{"local": "192.0.2.1", "peer": "192.0.2.99", "count": 3}]
    line = own_line("refused", {"connections": connections, "more": 5})
    assert Decoder({}).decode(line) == Decoded(
        [ConnectionsRefused(7.0, "192.0.2.1", "192.0.2.99", 3), ConnectionsRefused(7.0, "", "", 5)]
    )


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("listening", {"port": 179, "addresses": {"here": ""}}),
        ("listening", {"port": 179, "addresses": {"192.0.2.1": "x" * 41}}),
        ("listening", {"port": -1, "addresses": {}}),
        ("refused", {"connections": [{"local": "192.0.2.1", "peer": "there", "count": 1}]}),
        ("refused", {"connections": [{"local": "192.0.2.1", "peer": "192.0.2.9", "count": -1}]}),
        ("refused", {"connections": [{"local": "192.0.2.1", "peer": "192.0.2.9", "count": 1}] * 65}),
        ("refused", {"connections": [], "more": -1}),
    ],
)
def test_lines_that_the_listener_cannot_write_are_rejected(kind: str, what: object) -> None:
    decoded = Decoder({}).decode(own_line(kind, what))
    assert decoded.rejected is not None
    assert decoded.rejected.reason is RejectReason.BAD_MESSAGE
    assert decoded.events == []


@given(st.text(max_size=40) | st.sampled_from(["{x}", "{0}", "{", "%s", "\\1"]))
def test_any_name_of_an_error_is_reported(error: str) -> None:
    line = own_line("listening", {"port": 179, "addresses": {"192.0.2.1": error, "2001:db8::1": error}})
    assert_total(Decoder({}), line)
    for event in Decoder({}).decode(line).events:
        assert isinstance(event, ListeningJudged)
        assert printable(error) in (event.problem or "") or error.startswith("E")


def test_terminal_escapes_in_the_name_of_an_error_are_made_printable() -> None:
    line = own_line("listening", {"port": 179, "addresses": {"192.0.2.1": "\x1b[31m"}})
    (event,) = Decoder({}).decode(line).events
    assert isinstance(event, ListeningJudged)
    assert event.problem is not None
    assert event.problem.isprintable()
