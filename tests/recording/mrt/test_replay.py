"""MRT files as the input of a monitor: which sessions are which feeds, and what comes of messages, changes of state and tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ermon.bgp.header import OPEN
from ermon.core.monitor import Monitor
from ermon.model.events import (
    AddPathNegotiated,
    AddPathOffered,
    DownCause,
    EndOfRib,
    Event,
    HoldTimeZero,
    MessagesLost,
    RefreshBegan,
    RefreshEnded,
    SessionDown,
    SessionUp,
    Update,
)
from ermon.model.inventory import Config
from ermon.model.prefixes import Address, parse_address
from ermon.mrt.records import cut
from ermon.mrt.sessions import End, write_message, write_state_change
from ermon.recording.mrt import replay
from ermon.recording.mrt.files import MrtFiles
from ermon.recording.mrt.peers import Direction, Matching
from ermon.recording.mrt.replay import MrtPlayback, Skipped
from ermon.recording.mrt.report import MrtReport, peers_without_feed
from tests import bgp
from tests.mrt import mrt
from tests.networks import REPORTED, SMALL

RECORDED = Path(__file__).parents[2] / "recorded" / "mrt"
NETWORK = replace(
    SMALL,
    feeds={
        name: replace(one, local=f"127.0.0.{at}") for at, (name, one) in enumerate(SMALL.feeds.items(), 11)
    },
)
"""Each feed has a local address of its own."""
EDGE = NETWORK.feeds["edge-1"]
PEER, LOCAL = End(parse_address(EDGE.peer), EDGE.peer_asn), End(parse_address(EDGE.local), EDGE.local_asn)
POOL, POOL_6 = "198.51.100.0/28", "2001:db8:100:1::/64"
UPDATE_4 = bgp.announcement(POOL, next_hop="192.0.2.1", as_path=(64500,))
UPDATE_6 = bgp.announcement(POOL_6, next_hop="2001:db8::1", as_path=(64500,))


class Played:
    """Files that were read."""

    def __init__(self, config: Config, *files: bytes, rest: str | None = None) -> None:
        self.skipped: list[Skipped] = []
        self.matching = Matching(config, rest)
        self.playback = MrtPlayback(config, self.matching, self.skipped.append)
        self.events = list(self.playback.steps(cut([file]) for file in files))

    def of(self, kind: type[Event], feed: str = "edge-1") -> list[Event]:
        return [event for event in self.events if isinstance(event, kind) and event.feed == feed]

    @property
    def kinds(self) -> list[str]:
        """The kinds of events, without the process."""
        return [type(event).__name__ for event in self.events[1:]]

    @property
    def held(self) -> set[tuple[str, str]]:
        """The routes at the end: feed and prefix, once for each path."""
        held: set[tuple[str, tuple[object, object]]] = set()
        for event in self.events:
            if isinstance(event, SessionUp | SessionDown):
                held = {each for each in held if each[0] != event.feed}
            elif isinstance(event, Update):
                held -= {(event.feed, key) for key in event.withdrawn}
                held |= {(event.feed, route.key) for route in event.announced}
        return sorted((feed, str(key[0])) for feed, key in held)  # type: ignore[return-value]


def told(config: Config, playback: MrtPlayback, files: Iterable[object]) -> Monitor:
    """The monitor after files of daemons."""
    monitor: Monitor | None = None
    for event in playback.steps(files):  # type: ignore[arg-type]
        monitor = monitor or Monitor(config, event.time)
        monitor.apply(event)
    assert monitor is not None
    return monitor


def sent(octets: bytes, time: float = 1.0, *, add_path: bool = False, is_local: bool = False) -> bytes:
    return write_message(time, PEER, LOCAL, octets, add_path=add_path, is_local=is_local)


def state(old: int, new: int, time: float = 1.0, peer: End = PEER, local: End = LOCAL) -> bytes:
    return write_state_change(time, peer, local, old, new)


# The sessions of ermon -----------------------------------------------------------------------------------


def test_a_session_is_the_feed_that_has_both_addresses() -> None:
    opened = bgp.open_message(EDGE.peer_asn, router_id="192.0.2.1", hold_time=0, add_path=("ipv4",))
    played = Played(
        NETWORK,
        sent(opened)
        + state(5, 6)
        + sent(UPDATE_4, 2)
        + sent(bgp.end_of_rib("ipv4"), 3)
        + sent(UPDATE_6, 3)
        + sent(bgp.withdrawal(POOL), 4)
        + state(6, 1, 5),
    )
    assert played.kinds == [
        "AddPathOffered",
        "HoldTimeZero",
        "SessionUp",
        "Update",
        "EndOfRib",
        "Update",
        "Update",
        "SessionDown",
    ]
    assert played.of(AddPathOffered) == [AddPathOffered(1.0, "edge-1", frozenset({"ipv4"}))]
    assert played.of(HoldTimeZero)
    assert played.of(EndOfRib) == [EndOfRib(3.0, "edge-1", "ipv4")]
    (down,) = played.of(SessionDown)
    assert down == SessionDown(5.0, "edge-1", "its state went from Established to Idle")
    assert played.playback.matched == 7
    assert not played.playback.without_feed()


def test_both_opens_say_in_which_families_there_are_several_paths() -> None:
    sends = bgp.open_message(64500, router_id="192.0.2.1", add_path=("ipv4", "ipv6"))
    takes = bgp.open_message(64500, router_id="192.0.2.2", add_path=("ipv6",)).replace(
        b"\0\2\1\2",
        b"\0\2\1\1",  # to receive them
    )
    played = Played(NETWORK, sent(sends) + sent(takes, is_local=True) + state(5, 6))
    assert played.of(AddPathNegotiated) == [AddPathNegotiated(1.0, "edge-1", frozenset({"ipv6"}))]
    again = Played(NETWORK, sent(sends) + state(5, 6) + state(6, 1) + state(5, 6))
    assert len(again.of(AddPathOffered)) == 1, "the next session has OPENs of its own"


def test_the_reason_of_an_end_is_the_notification() -> None:
    shutdown = bgp.notification(6, 2, b"\4work")
    for is_local, who in ((False, "the router"), (True, "ermon")):
        played = Played(NETWORK, state(5, 6) + sent(shutdown, is_local=is_local) + state(6, 1))
        (down,) = played.of(SessionDown)
        assert down == SessionDown(
            1.0, "edge-1", f'{who} sent Cease: administrative shutdown: "work"', DownCause.ADMIN_SHUTDOWN
        )


def test_a_file_that_begins_within_a_session_has_no_begin_of_it() -> None:
    played = Played(NETWORK, sent(UPDATE_4))
    assert played.kinds == ["Update"]


def test_path_identifiers_are_what_the_record_says() -> None:
    several = bgp.announcement(POOL, next_hop="192.0.2.1", path_id=7)
    played = Played(NETWORK, sent(several, add_path=True) + sent(UPDATE_4))
    assert [event.announced[0].path_id for event in played.of(Update)] == [7, None]


def test_an_update_that_cannot_be_read_is_lost_and_named() -> None:
    played = Played(NETWORK, sent(UPDATE_4) + sent(bgp.message(bgp.UPDATE, b"\xff\xff\0\0")))
    (lost,) = played.of(MessagesLost)
    assert lost.count == 1
    (skipped,) = played.skipped
    assert skipped.is_damaged
    assert skipped.offset == len(sent(UPDATE_4))
    assert "Withdrawn Routes Length" in skipped.what


def test_a_refresh_of_the_router_is_marked() -> None:
    marks = [bgp.message(bgp.ROUTE_REFRESH, bytes((0, 2, subtype, 1))) for subtype in (1, 2, 0)]
    played = Played(NETWORK, state(5, 6) + b"".join(map(sent, marks)))
    assert played.of(RefreshBegan) == [RefreshBegan(1.0, "edge-1", "ipv6")]
    assert played.of(RefreshEnded) == [RefreshEnded(1.0, "edge-1", "ipv6")]
    assert played.kinds[-1] == "Alive"


def test_what_ermon_itself_sent_is_no_route_of_the_feed() -> None:
    assert Played(NETWORK, sent(UPDATE_4, is_local=True)).events == []


def test_a_router_s_own_file_of_its_session_with_ermon() -> None:
    """There, ermon is the peer, and the router itself has sent the routes."""
    octets = write_message(1.0, LOCAL, PEER, UPDATE_4, is_local=True)
    played = Played(NETWORK, state(5, 6, peer=LOCAL, local=PEER) + octets)
    assert played.kinds == ["SessionUp", "Update"]


# Sessions that routers report by BMP ---------------------------------------------------------------------


def played_file(name: str, config: Config, rest: str | None = None) -> tuple[MrtPlayback, Monitor]:
    playback = MrtPlayback(config, Matching(config, rest), lambda _: None)
    return playback, told(config, playback, MrtFiles([RECORDED / name], lambda _: None))


def test_a_router_s_sessions_are_its_feeds_by_bmp() -> None:
    """The routers' neighbors in the recordings are those of these networks."""
    for name in ("frr-8.4.4-all.mrt", "gobgp-3.10.0-updates.mrt", "openbgpd-7.7-all.mrt"):
        playback, monitor = played_file(name, REPORTED)
        assert playback.matched > 10, name
        feeds = monitor.network.feeds
        isp = () if "openbgpd" in name else ("edge-1/isp-a/ipv4",)
        for feed in ("edge-1/chicago/primary/ipv4", "edge-2/chicago/secondary/ipv4", *isp):
            assert feeds[feed].session.updates, (name, feed)
        for feed in ("edge-1/chicago/primary/ipv4/pre-policy", "edge-1"):
            assert not feeds[feed].session.updates, (name, feed)


def test_what_a_router_sends_a_neighbor_is_what_it_advertises() -> None:
    msee, edge = End(parse_address("203.0.113.2"), 12076), End(parse_address("203.0.113.1"), 64500)
    played = Played(
        REPORTED,
        write_state_change(1.0, msee, edge, 5, 6)
        + write_message(2.0, msee, edge, UPDATE_4, is_local=True)
        + write_message(2.0, msee, edge, bgp.announcement("192.0.2.0/26", next_hop="203.0.113.2")),
    )
    assert played.held == [
        ("edge-1/chicago/primary/ipv4", "192.0.2.0/26"),
        ("edge-1/chicago/primary/ipv4/advertised", POOL),
    ]


def test_openbgpd_writes_the_ends_of_a_change_of_state_the_other_way_round() -> None:
    playback = MrtPlayback(REPORTED, Matching(REPORTED), lambda _: None)
    events = list(playback.steps(MrtFiles([RECORDED / "openbgpd-7.7-all.mrt"], lambda _: None)))
    primary = [e for e in events if getattr(e, "feed", "") == "edge-1/chicago/primary/ipv4"]
    assert isinstance(primary[0], SessionUp)
    assert any(isinstance(event, SessionDown) for event in primary)


def test_a_provider_is_found_by_its_asn_only_where_the_other_end_is_ours() -> None:
    """Otherwise it is a peer of a route collector, which hears what everybody may hear."""
    provider, ours = End(parse_address("192.0.2.254"), 64510), End(parse_address("192.0.2.253"), 64500)
    collector = End(parse_address("192.0.2.253"), 12654)
    assert Played(REPORTED, write_message(1.0, provider, ours, UPDATE_4)).held == [
        ("edge-1/isp-a/ipv4", POOL)
    ]
    assert Played(REPORTED, write_message(1.0, provider, collector, UPDATE_4)).events == []
    table = mrt.peers(("192.0.2.254", 64510)) + mrt.rib(POOL, [(0, ATTRIBUTES)])
    assert Played(REPORTED, table).events == []
    assert Played(REPORTED, table, rest="edge-1").held == [("edge-1", POOL)]


# One feed for all peers ----------------------------------------------------------------------------------

ONE, TWO = End(parse_address("203.0.113.2"), 12076), End(parse_address("203.0.113.6"), 12076)
ROUTER = End(parse_address("203.0.113.1"), 64500)


def several(*each: tuple[End, bytes]) -> bytes:
    return b"".join(write_message(1.0, peer, ROUTER, octets) for peer, octets in each)


def test_several_sessions_are_one_feed_and_each_keeps_its_routes() -> None:
    octets = several((ONE, UPDATE_4), (TWO, UPDATE_4), (ONE, UPDATE_6))
    played = Played(NETWORK, octets, rest="edge-1")
    assert played.held == [("edge-1", POOL), ("edge-1", POOL), ("edge-1", POOL_6)]
    ended = octets + write_state_change(2.0, ONE, ROUTER, 6, 1)
    played = Played(NETWORK, ended, rest="edge-1")
    assert played.held == [("edge-1", POOL)]
    assert not played.of(SessionDown)
    played = Played(NETWORK, ended + write_state_change(2.0, TWO, ROUTER, 6, 1), rest="edge-1")
    assert played.held == []
    assert len(played.of(SessionDown)) == 1


def test_the_first_dump_of_a_feed_ends_with_the_last_of_its_sessions() -> None:
    octets = several((ONE, UPDATE_4), (TWO, UPDATE_4), (ONE, bgp.end_of_rib("ipv4")))
    assert not Played(NETWORK, octets, rest="edge-1").of(EndOfRib)
    played = Played(NETWORK, octets + several((TWO, bgp.end_of_rib("ipv4"))), rest="edge-1")
    assert played.of(EndOfRib) == [EndOfRib(1.0, "edge-1", "ipv4")]


def test_a_session_without_a_family_is_not_waited_for() -> None:
    only_4 = bgp.open_message(12076, router_id="192.0.2.1", families=("ipv4",))
    octets = several((ONE, only_4), (ONE, UPDATE_4), (TWO, UPDATE_6), (TWO, bgp.end_of_rib("ipv6")))
    assert Played(NETWORK, octets, rest="edge-1").of(EndOfRib) == [EndOfRib(1.0, "edge-1", "ipv6")]


def test_a_session_is_up_from_its_change_of_state_on() -> None:
    established = write_state_change(1.0, ONE, ROUTER, 5, 6)
    played = Played(NETWORK, established + several((ONE, UPDATE_4)), rest="edge-1")
    assert played.kinds == ["SessionUp", "Update"]


def test_addresses_decide_before_the_rest_does() -> None:
    played = Played(NETWORK, sent(UPDATE_4) + several((ONE, UPDATE_4)), rest="edge-2")
    assert played.held == [("edge-1", POOL), ("edge-2", POOL)]


def test_a_link_that_goes_down_is_seen_in_the_files_of_every_daemon() -> None:
    """All of them lose the session with the primary, or its routes."""
    for name in ("frr-8.4.4-all.mrt", "openbgpd-7.7-all.mrt"):
        _, monitor = played_file(name, NETWORK, rest="edge-1")
        assert monitor.network.feeds["edge-1"].session.updates > 5


# Tables --------------------------------------------------------------------------------------------------

ATTRIBUTES = (
    bgp.attribute(0x40, 1, b"\0") + bgp.encode_path((12076, 8075)) + bgp.attribute(0x40, 3, b"\xc0\0\2\1")
)
PEERS = mrt.peers(("203.0.113.2", 12076), ("203.0.113.6", 12076), ("0.0.0.0", 0))


def test_a_table_is_complete_and_its_end_is_the_end_of_the_first_dump() -> None:
    table = PEERS + mrt.rib(POOL, [(0, ATTRIBUTES), (1, ATTRIBUTES), (2, ATTRIBUTES)])
    played = Played(NETWORK, table, rest="edge-1")
    assert played.kinds == ["SessionUp", "Update", "EndOfRib"]
    assert played.held == [("edge-1", POOL)] * 3
    assert played.playback.tables == {"edge-1": {"ipv4"}}


def test_what_a_second_table_in_the_file_lacks_is_gone() -> None:
    other = "198.51.100.16/28"
    table = PEERS + mrt.rib(POOL, [(0, ATTRIBUTES), (1, ATTRIBUTES)]) + mrt.rib(other, [(0, ATTRIBUTES)])
    again = PEERS + mrt.rib(POOL, [(0, ATTRIBUTES)])
    for files in ((table + again,), (table, again)):
        played = Played(NETWORK, *files, rest="edge-1")
        assert played.held == [("edge-1", POOL)]
        assert len(played.of(SessionUp)) == 1


def test_tables_of_both_families_in_two_files_are_one() -> None:
    table_6 = mrt.peers(("203.0.113.2", 12076)) + mrt.rib(POOL_6, [(0, ATTRIBUTES)])
    played = Played(NETWORK, PEERS + mrt.rib(POOL, [(0, ATTRIBUTES)]), table_6, rest="edge-1")
    assert played.held == [("edge-1", POOL), ("edge-1", POOL_6)]
    assert played.of(EndOfRib) == [EndOfRib(mrt.TIME, "edge-1", family) for family in ("ipv4", "ipv6")]


def test_updates_go_on_from_a_table() -> None:
    table = PEERS + mrt.rib(POOL, [(0, ATTRIBUTES), (1, ATTRIBUTES)])
    played = Played(NETWORK, table, several((ONE, bgp.withdrawal(POOL))), rest="edge-1")
    assert played.held == [("edge-1", POOL)]


def test_a_peer_of_a_table_is_a_feed_if_no_other_has_its_address() -> None:
    only = mrt.peers((EDGE.peer, EDGE.peer_asn)) + mrt.rib(POOL, [(0, ATTRIBUTES)])
    one_feed = replace(NETWORK, feeds={"edge-1": EDGE})
    assert Played(one_feed, only).held == [("edge-1", POOL)]
    neighbor = mrt.peers(("203.0.113.2", 12076)) + mrt.rib(POOL, [(0, ATTRIBUTES)])
    assert Played(REPORTED, neighbor).held == [("edge-1/chicago/primary/ipv4", POOL)]


def test_routes_without_their_peers_are_named() -> None:
    played = Played(NETWORK, mrt.rib(POOL, [(0, ATTRIBUTES)]), rest="edge-1")
    assert played.events == []
    assert "there is no PEER_INDEX_TABLE before it" in played.skipped[0].what


def test_every_table_of_a_daemon_is_an_edge_table() -> None:
    for path in RECORDED.glob("*table*.mrt"):
        _, monitor = played_file(path.name, NETWORK, rest="edge-1")
        assert monitor.network.feeds["edge-1"].rib.routes(), path.name


# What is not used ----------------------------------------------------------------------------------------


def test_peers_without_a_feed_are_named() -> None:
    played = Played(NETWORK, several((ONE, UPDATE_4), (ONE, UPDATE_4), (TWO, UPDATE_4)))
    assert peers_without_feed(played.playback.without_feed(), played.matching) == [
        "203.0.113.2 AS 12076 with 203.0.113.1 (2 records)",
        "203.0.113.6 AS 12076 with 203.0.113.1 (1 record)",
    ]


def test_records_of_other_kinds_are_counted_by_kind() -> None:
    played = Played(NETWORK, mrt.record(12, 1, b"") + mrt.record(16, 3, bytes(40)) + mrt.record(49, 0, b""))
    assert [each.is_damaged for each in played.skipped] == [False] * 3
    assert [each.what for each in played.skipped] == [
        "TABLE_DUMP (type 12, subtype 1): it is not read",
        "BGP4MP (type 16, subtype 3): neither a message nor a change of state",
        "OSPFv3_ET (type 49, subtype 0): it is not read",
    ]


def test_a_file_with_no_end_of_peers_is_read_with_bounded_memory(monkeypatch) -> None:
    monkeypatch.setattr(replay, "MAX_SESSIONS", 20)
    many = [End(Address(4, at), 64510) for at in range(1, 100)]
    octets = b"".join(
        write_message(1.0, peer, ROUTER, UPDATE_4) + write_state_change(1.0, peer, ROUTER, 5, 6)
        for peer in many
    )
    played = Played(NETWORK, octets)
    assert len(played.playback.unmatched) <= 20
    assert "there are more than 20 sessions before it" in played.skipped[-1].what
    said: list[str] = []
    report = MrtReport(said.append)
    for at in range(5_000):
        report.skipped(Skipped(at, f"kind {at}", is_damaged=False))
    report.close()
    assert len(said) == 21
    assert said[-1] == "4980 records of other kinds not used"


def test_a_change_of_state_costs_the_same_however_many_sessions_there_are(monkeypatch) -> None:
    looked, ends = [], replay._ends

    def counted(of: Direction) -> frozenset[Address]:
        looked.append(of)
        return ends(of)

    monkeypatch.setattr(replay, "_ends", counted)
    many = [End(Address(4, at), 64510) for at in range(1, 100)]
    octets = [write_message(1.0, peer, ROUTER, UPDATE_4) for peer in many]
    octets += [write_state_change(2.0, peer, ROUTER, 6, 1) for peer in many]
    played = Played(NETWORK, b"".join(octets), rest="edge-1")
    assert [type(event) for event in played.events[-1:]] == [SessionDown]
    assert len(looked) <= 2 * len(octets)


def test_bird_s_changes_of_state_without_a_peer_are_named() -> None:
    playback = MrtPlayback(NETWORK, Matching(NETWORK, "edge-1"), (skipped := []).append)
    list(playback.steps(MrtFiles([RECORDED / "bird-2.0.12-updates.mrt"], lambda _: None)))
    assert {each.what for each in skipped} == {
        "BGP4MP (type 16, subtype 5): a change of state that does not say of which peer"
    }


def test_an_open_of_garbage_costs_nothing() -> None:
    played = Played(NETWORK, sent(bgp.message(OPEN, b"\4")) + state(5, 6) + sent(UPDATE_4))
    assert played.kinds == ["SessionUp", "Update"]
