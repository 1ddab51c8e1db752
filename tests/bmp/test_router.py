"""What a router reports, as events of the feeds that its sessions are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermon.bgp.attributes import RepairKind
from ermon.bgp.malformed import Malformed
from ermon.bmp.messages import Framer, Rib, SessionKey
from ermon.bmp.policy import ONLY_PRE_POLICY
from ermon.bmp.router import Rejected, RejectReason, RouterStream
from ermon.bmp.sessions import Feeds, Monitored
from ermon.model.events import (
    Alive,
    DownCause,
    EndOfRib,
    Event,
    MessagesLost,
    ProcessUp,
    RoutesUnreadable,
    SessionDown,
    SessionSilent,
    SessionUnreported,
    SessionUp,
    StatisticsBegan,
    Update,
)
from ermon.model.prefixes import Family, parse_address, parse_prefix
from ermon.model.routes import RouteKey
from tests.bgp import (
    announcement,
    attribute,
    encode_nlri,
    end_of_rib,
    notification,
    open_message,
    update_message,
    withdrawal,
)
from tests.bmp import router

RECORDED = Path(__file__).parents[1] / "recorded/bmp"
STREAMS = sorted(RECORDED.glob("*.bmp"))
PROCESS = "bmp/edge-1"
PRIMARY, SECONDARY, ISP = "203.0.113.2", "203.0.113.6", "192.0.2.254"
BOTH: tuple[Family, Family] = ("ipv4", "ipv6")


def feeds(name: str, *families: Family, rib: Rib = Rib.IN_POST) -> Feeds:
    return {(rib, family): f"{name}/{family}" for family in families or BOTH}


def session(peer: str, distinguisher: bytes = bytes(8)) -> SessionKey:
    return SessionKey(parse_address(peer), distinguisher)


SHUTDOWN = "the neighbor sent Cease: administrative shutdown"

TOPOLOGY = Monitored(
    {session(PRIMARY): feeds("primary"), session(SECONDARY): feeds("secondary")},
    by_asn={64510: feeds("isp", "ipv4")},
)
ONE = Monitored({session(PRIMARY): feeds("primary", "ipv4")})


def stream(monitored: Monitored = ONE) -> RouterStream:
    return RouterStream(PROCESS, monitored)


def events(monitored: Monitored, *octets: bytes) -> list[Event]:
    """Return what is said of messages behind an Initiation, at times 1, 2, 3 …"""
    of = stream(monitored)
    said: list[Event] = []
    for time, message in enumerate((router.initiation(), *octets)):
        taken = of.take(message, float(time))
        assert (taken.rejected, taken.ended) == ([], None)
        said += taken.events
    assert said[0] == ProcessUp(0.0, PROCESS)
    return said[1:]


def histories(said: Iterable[Event]) -> dict[tuple[str, RouteKey | None], list[object]]:
    """Return what happens to each feed, and to each of its routes: which UPDATEs are taken together does not matter."""
    found: dict[tuple[str, RouteKey | None], list[object]] = {}
    for event in said:
        feed = getattr(event, "feed", "")
        others = found.setdefault((feed, None), [])
        if not isinstance(event, Update):
            others.append(event)
            continue
        for route in event.announced:
            found.setdefault((feed, route.key), []).append((len(others), route))
        for key in event.withdrawn:
            found.setdefault((feed, key), []).append((len(others), None))
    return found


def played(name: str) -> Iterator[tuple[str, list[Event]]]:
    """Yield what was done in a recorded day, and the events until the next."""
    octets, of = (RECORDED / f"{name}.bmp").read_bytes(), stream(TOPOLOGY)
    framed = list(Framer().feed(octets))
    done, said = "start", []
    for line in (RECORDED / f"{name}.log").read_text().splitlines():
        time, _, text = line.partition(" ")
        if text.startswith("== "):
            yield done, said
            done, said = text[3:], []
        elif text.startswith("#1 ") and "CONNECTED" not in text and framed:
            kind, body = framed.pop(0)
            said += of.take(router.message(kind, body), float(time)).events
            said += of.late(float(time))
    assert not framed
    yield done, said


def sessions(said: list[Event]) -> list[tuple[str, str]]:
    return [
        (event.feed, event.reason if isinstance(event, SessionDown) else "up")
        for event in said
        if isinstance(event, SessionUp | SessionDown)
    ]


def both(name: str, what: str) -> list[tuple[str, str]]:
    return [(f"{name}/ipv4", what), (f"{name}/ipv6", what)]


def test_a_day_of_frr() -> None:
    """It reports each attempt to connect while a session is down, sessions that never were up, and no neighbor that is removed."""
    day = {done: sessions(said) for done, said in played("frr-8.4.4-day")}
    assert sorted(day["start"]) == sorted(
        [*both("primary", "up"), *both("secondary", "up"), ("isp/ipv4", "up")]
    )
    assert day["MSEE-A withdraws its IPv4 routes"] == []
    assert day["MSEE-A shuts down with a message"] == both(
        "primary", 'the neighbor sent Cease: administrative shutdown: "planned work"'
    )
    assert day["MSEE-A enables"] == both("primary", "up")
    assert day["link to MSEE-B dies silently"] == both(
        "secondary", "the router ended the session without a NOTIFICATION"
    )
    assert day["link to MSEE-B returns"] == both("secondary", "up")
    assert day["edge shuts MSEE-B"] == both(
        "secondary", "the router ended the session without a NOTIFICATION"
    )
    assert day["neighbor isp removed from the configuration"] == []
    lost = "the neighbor closed the connection, or it was lost, without a NOTIFICATION"
    assert day["MSEEs are killed"] == [*both("primary", lost), *both("secondary", lost)]


def test_a_day_of_gobgp() -> None:
    day = {done: sessions(said) for done, said in played("gobgp-3.10.0-day")}
    assert day["MSEE-A shuts down with a message"] == both(
        "primary", 'the neighbor sent Cease: administrative shutdown: "planned work"'
    )
    assert day["link to MSEE-B dies silently"] == [
        *both("primary", "up"),
        *both("secondary", "the router sent hold timer expired"),
    ]
    assert day["edge shuts MSEE-B"] == both("secondary", "the router sent Cease: administrative shutdown")


@pytest.mark.parametrize("name", ["frr-8.4.4-day", "gobgp-3.10.0-day"])
def test_routes_that_the_neighbor_withdraws_and_announces_again(name: str) -> None:
    day = dict(played(name))
    gone = {
        str(prefix)
        for event in day["MSEE-A withdraws its IPv4 routes"]
        if isinstance(event, Update) and event.feed == "primary/ipv4"
        for prefix, _ in event.withdrawn
    }
    back = {
        str(route.prefix)
        for event in day["MSEE-A announces them again"]
        if isinstance(event, Update) and event.feed == "primary/ipv4"
        for route in event.announced
    }
    assert gone >= {"192.0.2.0/26", "192.0.2.64/26"}
    assert back == {"192.0.2.0/26", "192.0.2.64/26"}


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
@pytest.mark.parametrize("size", [1, 13])
def test_octets_that_come_in_pieces_are_the_same_events(path: Path, size: int) -> None:
    octets = path.read_bytes()
    of, at_once = stream(TOPOLOGY), stream(TOPOLOGY).take(octets, 1.0)
    pieces = [of.take(octets[at : at + size], 1.0) for at in range(0, len(octets), size)]
    assert histories(event for taken in pieces for event in taken.events) == histories(at_once.events)
    assert at_once.events
    assert not at_once.rejected


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_a_stream_that_is_cut_off_says_what_came_before(path: Path) -> None:
    octets = path.read_bytes()
    whole = histories(stream(TOPOLOGY).take(octets, 1.0).events)
    for end in range(0, len(octets), 101):
        taken = stream(TOPOLOGY).take(octets[:end], 1.0)
        for of, said in histories(taken.events).items():
            assert said == whole[of][: len(said)]
        assert taken.ended is None


def test_the_connection_begins_with_an_initiation() -> None:
    """RFC 7854 section 4.3."""
    taken = stream().take(router.peer_up(), 1.0)
    assert taken.events == []
    assert taken.ended == "the first message is not an Initiation (RFC 7854 section 4.3)"


def test_a_router_that_says_why_it_ends_the_connection() -> None:
    of = stream()
    assert of.take(router.initiation() + router.termination(2), 1.0).ended == (
        "the router ended the connection: out of resources"
    )


def test_a_session_is_reported_once_for_each_of_its_tables() -> None:
    """Some routers send up to eight Peer Ups for one session, with the flags of each table."""
    up = [
        router.peer_up(router.peer_header(flags=flags))
        for flags in (0, router.POST_POLICY, router.ADJ_RIB_OUT, 0)
    ]
    assert events(ONE, *up) == [SessionUp(1.0, "primary/ipv4")]


def test_another_connection_of_the_same_neighbor_is_another_session() -> None:
    assert events(ONE, router.peer_up(), router.peer_up(ports=(179, 50001))) == [
        SessionUp(1.0, "primary/ipv4"),
        SessionDown(2.0, "primary/ipv4", "the router reports another session with the same neighbor"),
        SessionUp(2.0, "primary/ipv4"),
    ]


def test_a_session_that_is_not_up_cannot_end() -> None:
    down = router.peer_down(2, b"\0\0")
    assert events(ONE, down, down) == []
    assert events(ONE, router.peer_up(), down, down, down) == [
        SessionUp(1.0, "primary/ipv4"),
        SessionDown(2.0, "primary/ipv4", "the router ended the session without a NOTIFICATION"),
    ]


def test_sessions_of_two_vrfs_may_have_the_same_addresses() -> None:
    red, blue = b"\0\0\xfb\xf4\0\0\0\1", b"\0\0\xfb\xf4\0\0\0\2"
    monitored = Monitored(
        {session(PRIMARY, red): feeds("red", "ipv4"), session(PRIMARY, blue): feeds("blue", "ipv4")}
    )
    headers = {
        vrf: router.peer_header(kind=router.VRF, distinguisher=vrf, flags=router.POST_POLICY)
        for vrf in (red, blue, bytes(8))
    }
    said = events(
        monitored,
        *(router.peer_up(header) for header in headers.values()),
        router.route_monitoring(announcement("192.0.2.0/26", next_hop=PRIMARY), headers[blue]),
        router.peer_down(4, header=headers[red]),
    )
    assert [(type(event), event.feed) for event in said] == [  # type: ignore[union-attr]
        (SessionUp, "red/ipv4"),
        (SessionUp, "blue/ipv4"),
        (Update, "blue/ipv4"),
        (SessionDown, "red/ipv4"),
    ]


def test_a_neighbor_in_whichever_vrf() -> None:
    monitored = Monitored(by_address={parse_address(PRIMARY): feeds("primary", "ipv4")})
    red = router.peer_header(kind=router.VRF, distinguisher=b"\0\0\xfb\xf4\0\0\0\1")
    of = stream(monitored)
    taken = of.take(router.initiation() + router.peer_up(red) + router.peer_up(), 1.0)
    assert taken.events[1:] == [SessionUp(1.0, "primary/ipv4")]
    assert [rejected.reason for rejected in taken.rejected] == [RejectReason.AMBIGUOUS]


def test_routes_of_a_session_that_was_not_reported_are_passed_over() -> None:
    """Routers report their own routes so: as a peer without address, and no Peer Up."""
    own = router.peer_header("0.0.0.0", flags=router.POST_POLICY, asn=0)
    loc_rib = router.peer_header("0.0.0.0", kind=router.LOC_RIB, asn=0)
    update = announcement("198.51.100.0/28", next_hop=PRIMARY)
    assert events(ONE, *(router.route_monitoring(update, header) for header in (own, loc_rib, None))) == []
    assert events(ONE, router.route_monitoring(b"not even BGP", own)) == []


def test_of_a_table_that_is_no_feed_nothing_is_said() -> None:
    before_policy = router.peer_header(flags=0)
    update = announcement("10.9.0.0/16", next_hop=PRIMARY)
    assert events(ONE, router.peer_up(), router.route_monitoring(update, before_policy)) == [
        SessionUp(1.0, "primary/ipv4")
    ]


def test_what_the_router_advertises_is_a_feed_too() -> None:
    """RFC 8671. No daemon at hand sends it."""
    monitored = Monitored(
        {session(PRIMARY): {**feeds("from", "ipv4"), **feeds("to", "ipv4", rib=Rib.OUT_POST)}}
    )
    header = router.peer_header(flags=router.ADJ_RIB_OUT | router.POST_POLICY)
    said = events(
        monitored,
        router.peer_up(),
        router.route_monitoring(announcement("198.51.100.0/28", next_hop="203.0.113.1"), header),
        router.route_monitoring(withdrawal("198.51.100.0/28"), header),
        router.route_monitoring(end_of_rib("ipv4"), header),
        router.peer_down(4),
    )
    assert [(type(event), event.feed) for event in said] == [  # type: ignore[union-attr]
        (SessionUp, "from/ipv4"),
        (SessionUp, "to/ipv4"),
        (Update, "to/ipv4"),
        (Update, "to/ipv4"),
        (EndOfRib, "to/ipv4"),
        (SessionDown, "from/ipv4"),
        (SessionDown, "to/ipv4"),
    ]


def test_a_family_that_was_not_negotiated_is_not_up() -> None:
    ipv4_only = open_message(router.MICROSOFT, router_id=PRIMARY)
    monitored = Monitored({session(PRIMARY): feeds("primary")})
    assert events(monitored, router.peer_up(received=ipv4_only)) == [SessionUp(1.0, "primary/ipv4")]


def test_octets_behind_an_update_are_passed_over_and_counted() -> None:
    of = stream()
    of.take(router.initiation() + router.peer_up(), 1.0)
    taken = of.take(router.route_monitoring(withdrawal("192.0.2.0/26"), surplus=b"12345678"), 2.0)
    assert [type(event) for event in taken.events] == [Update]
    assert taken.rejected == [Rejected(RejectReason.SURPLUS, "8 octets behind an UPDATE")]


def test_routes_of_a_session_with_path_identifiers_are_unknown() -> None:
    """Two daemons report such a session in two ways that both break RFC 7854."""
    of = stream()
    sends_paths = open_message(router.MICROSOFT, router_id=PRIMARY, add_path=("ipv4",))
    # a speaker that receives several paths: direction 1 (RFC 7911 section 4)
    receives_paths = open_message(router.EDGE, router_id="192.0.2.201", add_path=("ipv4",)).replace(
        b"\x45\4\0\1\1\2", b"\x45\4\0\1\1\1"
    )
    taken = of.take(router.initiation() + router.peer_up(sent=receives_paths, received=sends_paths), 1.0)
    assert taken.events[1:] == [
        SessionUp(1.0, "primary/ipv4"),
        RoutesUnreadable(1.0, "primary/ipv4", "its session has negotiated ADD-PATH (RFC 7911)"),
    ]
    assert of.take(router.route_monitoring(withdrawal("192.0.2.0/26")), 2.0).events == []


def test_several_sessions_with_an_uplink_are_one_feed() -> None:
    """Which is down when the last of them is. What one of them has brought goes with it."""
    headers = [
        router.peer_header(peer, asn=64510, flags=router.POST_POLICY)
        for peer in ("192.0.2.254", "192.0.2.250")
    ]
    update = announcement("203.0.113.0/24", next_hop=ISP)
    monitored = Monitored(by_asn={64510: feeds("isp", "ipv4")})
    said = events(
        monitored,
        *(router.peer_up(header) for header in headers),
        *(router.route_monitoring(update, header) for header in headers),
        router.route_monitoring(end_of_rib("ipv4"), headers[0]),
        router.route_monitoring(end_of_rib("ipv4"), headers[1]),
        router.peer_down(4, header=headers[0]),
        router.peer_down(4, header=headers[1]),
    )
    first, one, other, ended, gone, last = said
    assert first == SessionUp(1.0, "isp/ipv4")
    assert isinstance(one, Update)
    assert isinstance(other, Update)
    assert isinstance(gone, Update)
    assert one.announced[0].path_id != other.announced[0].path_id
    assert ended == EndOfRib(6.0, "isp/ipv4", "ipv4")
    assert gone.withdrawn == (one.announced[0].key,)
    assert isinstance(last, SessionDown)


@pytest.mark.parametrize(
    "report", [(7, router.gauge(2)), (9, b"\0\1\1" + router.gauge(2))], ids=["type 7", "type 9"]
)
def test_as_many_routes_as_the_router_says_are_all(report: tuple[int, bytes]) -> None:
    """After a session came back, no router sends End-of-RIB."""
    said = events(
        ONE,
        router.peer_up(),
        router.route_monitoring(announcement("192.0.2.0/26", next_hop=PRIMARY)),
        router.statistics(report),
        router.route_monitoring(announcement("192.0.2.64/26", next_hop=PRIMARY)),
        router.statistics(report),
        router.statistics(report),
    )
    assert [event for event in said if isinstance(event, EndOfRib)] == [EndOfRib(5.0, "primary/ipv4", "ipv4")]
    assert [event for event in said if isinstance(event, StatisticsBegan)] == [StatisticsBegan(3.0, PROCESS)]


def test_a_session_without_statistics_for_long_is_silent() -> None:
    """A neighbor that is removed from FRR's or GoBGP's configuration is not reported as down; nor is a router that hangs."""
    of = stream(TOPOLOGY)
    secondary = router.peer_header(SECONDARY)
    of.take(router.initiation() + router.peer_up() + router.peer_up(secondary), 0.0)
    of.late(10.0)
    assert of.due() is None  # a router that was never asked to send statistics is believed
    of.take(router.statistics() + router.statistics(header=secondary), 60.0)
    of.take(router.statistics(), 120.0)
    assert of.due() == 240.0
    assert of.late(239.9) == []
    assert of.late(240.0) == [
        SessionSilent(240.0, name, "the router has sent no statistics of the session for 180 s")
        for name in ("secondary/ipv4", "secondary/ipv6")
    ]
    assert of.late(241.0) == []
    assert of.due() == 300.0
    said = of.take(router.statistics(header=secondary), 250.0).events
    assert said == [Alive(250.0, "secondary/ipv4"), Alive(250.0, "secondary/ipv6")]
    assert of.due() == 300.0


def _before_policy(prefix: str) -> bytes:
    update = announcement(prefix, next_hop=PRIMARY, as_path=[router.MICROSOFT])
    return router.route_monitoring(update, router.peer_header())


def test_a_router_that_reports_routes_before_its_policy_only_shows_none_of_a_feed() -> None:
    of = stream()
    of.take(router.initiation() + router.peer_up(), 0)
    of.late(10)
    assert of.take(_before_policy("192.0.2.0/24"), 11).events == []
    assert of.take(_before_policy("198.51.100.0/24"), 15).events == []
    assert of.due() == 25
    assert of.late(24.9) == []
    assert of.late(25) == [RoutesUnreadable(25, "primary/ipv4", ONLY_PRE_POLICY)]
    assert of.due() is None
    again = of.take(router.peer_down(4) + router.peer_up(), 30).events
    assert again[-2:] == [
        SessionUp(30, "primary/ipv4"),
        RoutesUnreadable(30, "primary/ipv4", ONLY_PRE_POLICY),
    ]
    assert of.take(_before_policy("192.0.2.0/24"), 31).events == []
    assert of.due() is None


def test_a_router_that_never_pauses_is_not_waited_for_longer_than_a_minute() -> None:
    of = stream()
    of.take(router.initiation() + router.peer_up(), 0)
    of.late(10)
    for second in range(11, 75, 4):
        of.take(_before_policy("192.0.2.0/24"), second)
    assert of.due() == 71


def test_routes_before_the_policy_of_a_router_that_reports_those_after_it_too_mean_nothing() -> None:
    after = router.route_monitoring(end_of_rib("ipv4"))
    for octets in (_before_policy("192.0.2.0/24") + after, after + _before_policy("192.0.2.0/24")):
        of = stream()
        of.take(router.initiation() + router.peer_up() + octets, 0)
        of.late(10)
        assert of.due() is None


def test_the_feed_before_the_policy_is_complete_also_where_the_other_is_not_reported() -> None:
    before = feeds("before", "ipv4", rib=Rib.IN_PRE)
    of = stream(Monitored({session(PRIMARY): {**feeds("primary", "ipv4"), **before}}))
    of.take(router.initiation() + router.peer_up(), 0)
    of.late(10)
    (update,) = of.take(_before_policy("192.0.2.0/24"), 11).events
    assert isinstance(update, Update)
    assert of.late(21) == [RoutesUnreadable(21, "primary/ipv4", ONLY_PRE_POLICY)]


def test_a_router_that_no_longer_reports_a_session_has_not_said_that_it_is_down() -> None:
    """RFC 7854 section 4.9, reason 5."""
    assert events(ONE, router.peer_up(), router.peer_down(5))[1:] == [
        SessionSilent(2.0, "primary/ipv4", "the router no longer reports the session")
    ]


def test_sessions_that_are_not_reported_after_a_connection_began() -> None:
    of = stream(TOPOLOGY)
    of.take(router.initiation() + router.peer_up(), 0.0)
    of.take(router.peer_down(3, notification(6, 2), router.peer_header(SECONDARY)), 1.0)
    assert of.due() == 10.0
    assert of.late(9.9) == []
    assert of.late(10.0) == [
        SessionUnreported(10.0, "isp/ipv4"),
        SessionDown(10.0, "secondary/ipv4", SHUTDOWN, DownCause.ADMIN_SHUTDOWN),
        SessionDown(10.0, "secondary/ipv6", SHUTDOWN, DownCause.ADMIN_SHUTDOWN),
    ]
    assert of.late(11.0) == []


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_another_stream_reads_on_with_its_memory(path: Path) -> None:
    octets = path.read_bytes()
    framed = [router.message(*each) for each in Framer().feed(octets)]
    whole = stream(TOPOLOGY)
    said = [whole.take(message, 1.0).events for message in framed]
    for cut in range(1, len(framed)):
        first, other = stream(TOPOLOGY), stream(TOPOLOGY)
        first.take(b"".join(framed[:cut]), 1.0)
        other.take(first.memory(), 1.0)
        rest = other.take(b"".join(framed[cut:]), 1.0).events
        known = StatisticsBegan | EndOfRib
        assert histories(event for event in rest if not isinstance(event, known)) == histories(
            event for events in said[cut:] for event in events if not isinstance(event, known)
        )


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (router.route_monitoring(update_message()[:-1]), RejectReason.BAD_MESSAGE),
        (router.route_monitoring(b"\xff" * 16 + b"\0\x17\2\0\x63\0\0"), RejectReason.BAD_UPDATE),
    ],
)
def test_an_update_that_cannot_be_read_is_lost(octets: bytes, reason: RejectReason) -> None:
    of = stream(TOPOLOGY)
    of.take(router.initiation() + router.peer_up(), 1.0)
    taken = of.take(octets, 2.0)
    assert [rejected.reason for rejected in taken.rejected] == [reason]
    assert [(type(event), event.feed) for event in taken.events] == [  # type: ignore[union-attr]
        (MessagesLost, "primary/ipv4"),
        (MessagesLost, "primary/ipv6"),
    ]
    assert taken.ended is None


def test_a_message_of_unknown_type_is_counted() -> None:
    of = stream()
    of.take(router.initiation(), 1.0)
    assert of.take(router.message(99), 2.0).rejected == [Rejected(RejectReason.UNKNOWN_TYPE, "type 99")]
    assert of.take(router.message(router.ROUTE_MIRRORING), 2.0).rejected == []


def test_nothing_counts_behind_the_end_of_a_connection() -> None:
    of = stream()
    assert of.take(router.initiation() + router.termination(0) + router.peer_up(), 1.0).ended
    behind = of.take(router.initiation() + router.peer_up(), 2.0)
    assert (behind.events, behind.messages) == ([], 0)
    assert behind.ended == "the router ended the connection: closed by its administrator"


@pytest.mark.parametrize(
    ("kind", "ends"),
    [
        *((kind, True) for kind in (router.ROUTE_MONITORING, router.PEER_DOWN, router.PEER_UP)),
        (router.INITIATION, False),
    ],
)
def test_a_message_of_a_session_that_nobody_can_tell_ends_the_connection(kind: int, ends: bool) -> None:
    """It may have been the end of any session; the next connection tells how all of them are."""
    of = stream()
    of.take(router.initiation() + router.peer_up(), 1.0)
    taken = of.take(router.message(kind, b"abc"), 2.0)
    assert taken.events == []
    assert (taken.ended is not None) is ends
    assert [rejected.reason for rejected in taken.rejected] == [RejectReason.BAD_MESSAGE]


def test_a_session_that_comes_up_anew_in_a_way_that_cannot_be_read_is_unknown() -> None:
    of = stream()
    of.take(router.initiation() + router.peer_up(), 1.0)
    (event,) = of.take(router.peer_up(received=b""), 2.0).events
    assert isinstance(event, SessionSilent)
    assert of.take(router.peer_up(), 3.0).events == [SessionUp(3.0, "primary/ipv4")]


def test_the_end_of_a_session_counts_whatever_its_reason_is() -> None:
    of = stream()
    of.take(router.initiation() + router.peer_up(), 1.0)
    taken = of.take(router.peer_down(3, b"?"), 2.0)
    said = "the neighbor sent a NOTIFICATION, which cannot be read"
    assert (taken.events, taken.rejected) == ([SessionDown(2.0, "primary/ipv4", said)], [])


def test_the_routers_own_table_is_no_session() -> None:
    """RFC 9069."""
    own = Monitored(by_asn={router.EDGE: feeds("isp", "ipv4")})
    header = router.peer_header("0.0.0.0", kind=router.LOC_RIB, asn=router.EDGE)
    assert events(own, router.peer_up(header)) == []


def malformed_update(*prefixes: str) -> bytes:
    attributes = attribute(0x40, 1, b"\0") + attribute(0x40, 2, b"") + attribute(0x40, 3, b"\xcb\0\x71\2")
    nlri = b"".join(map(encode_nlri, prefixes))
    return update_message(attributes=attributes + attribute(0xC0, 8, b"abc"), nlri=nlri)


def test_malformed_attributes_are_counted() -> None:
    """RFC 7606."""
    of = stream(TOPOLOGY)
    of.take(router.initiation() + router.peer_up(), 1.0)
    taken = of.take(router.route_monitoring(malformed_update("192.0.2.0/24")), 2.0)
    prefix = parse_prefix("192.0.2.0/24")
    said = (RepairKind.TREAT_AS_WITHDRAW, "COMMUNITIES of 3 octets", prefix)
    assert taken.malformed == [Malformed("primary/ipv4", *said)]
    assert taken.events == [Update(2.0, "primary/ipv4", (), ((prefix, None),))]
    assert taken.rejected == []


# What a hostile router can have ermon keep -----------------------------------------------------------------


def test_sessions_are_kept_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ermon.bmp.router.MAX_PEERS", 2)
    of = stream(TOPOLOGY)
    of.take(router.initiation(), 1.0)
    isp = [router.peer_up(router.peer_header(f"192.0.2.{host}", asn=64510)) for host in (1, 2, 3)]
    taken = of.take(b"".join(isp), 2.0)
    assert taken.events == [SessionUp(2.0, "isp/ipv4")]
    assert [rejected.reason for rejected in taken.rejected] == [RejectReason.TOO_MANY_PEERS]


def test_routes_of_first_dumps_are_counted_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it, the router's number says nothing any more; End-of-RIB does."""
    monkeypatch.setattr("ermon.bmp.reported.MAX_COUNTED_ROUTES", 3)
    announced = [
        router.route_monitoring(announcement(f"192.0.2.{64 * at}/26", next_hop="203.0.113.2"))
        for at in range(4)
    ]
    counted = router.statistics((7, router.gauge(4)))
    said = events(ONE, router.peer_up(), *announced, counted)
    assert not any(isinstance(event, EndOfRib) for event in said)
    # A session that has ended leaves room for another one.
    few = [*announced[:2], router.statistics((7, router.gauge(2)))]
    gone = [router.peer_up(), *announced[:2], router.peer_down(4)]
    said = events(ONE, *gone, router.peer_up(), *few)
    assert sum(isinstance(event, EndOfRib) for event in said) == 1


def test_routes_of_several_sessions_are_remembered_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they are one feed and one of them ends, what it had announced is unknown then: all has to be sent again."""
    monkeypatch.setattr("ermon.bmp.reported.MAX_HELD_ROUTES", 1)
    one, other = (router.peer_header(f"192.0.2.{host}", asn=64510) for host in (1, 2))
    posted = router.peer_header("192.0.2.1", asn=64510, flags=router.POST_POLICY)
    routes = [
        router.route_monitoring(announcement(f"192.0.2.{64 * at}/26", next_hop="192.0.2.1"), posted)
        for at in (0, 1)
    ]
    said = events(
        TOPOLOGY, router.peer_up(one), router.peer_up(other), *routes, router.peer_down(4, b"", one)
    )
    assert said[-1] == MessagesLost(5.0, "isp/ipv4", 0, "of a session with more than 1 routes")


def test_what_a_router_says_besides_of_its_sessions_is_not_remembered() -> None:
    of = stream()
    of.take(router.initiation() + router.peer_up(surplus=bytes(100_000)), 1.0)
    assert len(of.memory()) < 1_000
    other = stream()
    assert other.take(of.memory(), 2.0).events[-1] == SessionUp(2.0, "primary/ipv4")


@given(st.sampled_from(STREAMS), st.data())
def test_whatever_the_octets_there_is_an_answer(path: Path, data: st.DataObject) -> None:
    octets = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    of = stream(TOPOLOGY)
    taken = of.take(bytes(octets), 1.0)
    of.late(1e6)
    assert all(rejected.detail.isprintable() for rejected in taken.rejected)
    ups = [event.feed for event in taken.events if isinstance(event, SessionUp)]
    downs = [event.feed for event in taken.events if isinstance(event, SessionDown)]
    assert all(downs.count(feed) <= ups.count(feed) for feed in downs)
