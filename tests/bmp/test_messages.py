"""BMP messages, as real routers send them and written out in octets; what they say is what the named section of an RFC says."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermon.bgp.unreadable import Unreadable
from ermon.bmp.messages import (
    BmpError,
    Framer,
    Initiation,
    Message,
    Other,
    PeerDown,
    PeerUp,
    Rib,
    RouteMonitoring,
    SessionKey,
    Statistics,
    Termination,
    read_message,
)
from ermon.model.prefixes import format_address, parse_address
from tests.bgp import NOTIFICATION, OPEN, notification, open_message, update_message
from tests.bgp import message as bgp_message
from tests.bmp import router

RECORDED = Path(__file__).parents[1] / "recorded/bmp"
STREAMS = sorted(RECORDED.glob("*.bmp"))


def read(octets: bytes) -> Message:
    (framed,) = Framer().feed(octets)
    return read_message(*framed)


def messages(octets: bytes) -> list[Message]:
    return [read_message(*framed) for framed in Framer().feed(octets)]


@pytest.mark.parametrize("stream", STREAMS, ids=lambda path: path.stem)
def test_every_message_of_a_real_router_is_read(stream: Path) -> None:
    read = messages(stream.read_bytes())
    assert sum(map(len, (message for _, message in Framer().feed(stream.read_bytes())))) + 6 * len(
        read
    ) == len(stream.read_bytes())
    assert isinstance(read[0], Initiation)
    assert sum(isinstance(message, PeerUp) for message in read) >= 3
    assert all(message.surplus == 0 for message in read if isinstance(message, RouteMonitoring))


@pytest.mark.parametrize("stream", STREAMS, ids=lambda path: path.stem)
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_octets_that_come_in_pieces_are_the_same_messages(stream: Path, size: int) -> None:
    octets, framer = stream.read_bytes(), Framer()
    pieces = [framed for at in range(0, len(octets), size) for framed in framer.feed(octets[at : at + size])]
    assert pieces == list(Framer().feed(octets))


def test_pmbmpd_has_read_the_same_sessions_in_the_same_stream() -> None:
    """Of a twin of the connection: ports and times differ."""
    stream = "frr-8.4.4-dump-and-mirror"
    theirs = [
        json.loads(line) for line in (RECORDED / f"{stream}.pmbmpd-1.7.7.json").read_text().splitlines()
    ]
    ours = messages((RECORDED / f"{stream}.bmp").read_bytes())
    assert [
        (format_address(*up.peer.key.peer), up.peer.asn, format_address(*up.local))
        for up in ours
        if isinstance(up, PeerUp)
    ] == [
        (row["peer_ip"], row["peer_asn"], row["local_ip"])
        for row in theirs
        if row.get("bmp_msg_type") == "peer_up"
    ]


@pytest.mark.parametrize(
    "stream", [path for path in STREAMS if path.with_suffix(".log").exists()], ids=lambda path: path.stem
)
def test_why_sessions_ended_is_what_another_reader_found(stream: Path) -> None:
    lines = stream.with_suffix(".log").read_text().splitlines()
    theirs = [re.search(r"peer=(\S+) .*reason=(\d)", line) for line in lines if " peer-down " in line]
    ours = [message for message in messages(stream.read_bytes()) if isinstance(message, PeerDown)]
    words = {
        "1": "the router sent ",
        "2": "the router ended ",
        "3": "the neighbor sent ",
        "4": "the neighbor closed ",
    }
    assert [format_address(*down.peer.key.peer) for down in ours] == [found[1] for found in theirs if found]
    assert all(
        down.reason.startswith(words[found[2]]) for down, found in zip(ours, theirs, strict=True) if found
    )
    assert any(
        down.reason == 'the neighbor sent Cease: administrative shutdown: "planned work"' for down in ours
    )


def test_who_connects() -> None:
    """RFC 7854 sections 4.3 and 4.4. Texts are shown to people: they are cut, and made printable."""
    assert read(router.initiation("edge-1", "FRR")) == Initiation("edge-1", "FRR")
    assert read(router.initiation("edge\n\x1b[2J", "")) == Initiation("edge\ufffd\ufffd[2J", "")
    assert len(read(router.initiation(description="x" * 5000)).description) == 255  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (router.termination(0), "closed by its administrator"),
        (router.termination(2, "low memory"), "out of resources: low memory"),
        (router.termination(77), "reason 77"),
        (router.message(router.TERMINATION), "no reason given"),
    ],
)
def test_why_a_router_ends_the_connection(octets: bytes, reason: str) -> None:
    """RFC 7854 section 4.5."""
    assert read(octets) == Termination(reason)


@pytest.mark.parametrize(
    ("flags", "rib"),
    [
        (0, Rib.IN_PRE),
        (router.POST_POLICY, Rib.IN_POST),
        (router.ADJ_RIB_OUT, Rib.OUT_PRE),
        (router.ADJ_RIB_OUT | router.POST_POLICY, Rib.OUT_POST),
    ],
)
@pytest.mark.parametrize("peer", ["203.0.113.2", "2001:db8:ffff::2"])
def test_of_which_table_an_update_is(flags: int, rib: Rib, peer: str) -> None:
    """RFC 7854 section 4.2, RFC 8671 section 4."""
    header = router.peer_header(peer, flags=flags, kind=router.VRF, distinguisher=b"\0\0\xfb\xf4\0\0\0\7")
    found = read(router.route_monitoring(update_message(), header, b"12345678"))
    assert isinstance(found, RouteMonitoring)
    assert found.peer.key == SessionKey(parse_address(peer), b"\0\0\xfb\xf4\0\0\0\7")
    assert (found.peer.rib, found.peer.four_octet, found.surplus) == (rib, True, 8)
    assert found.update == update_message()[19:]


def test_paths_of_two_octets_are_marked() -> None:
    """RFC 7854 section 4.2, the flag A."""
    found = read(router.route_monitoring(update_message(), router.peer_header(flags=router.TWO_OCTET_PATHS)))
    assert isinstance(found, RouteMonitoring)
    assert not found.peer.four_octet


def test_the_flags_of_a_loc_rib_are_its_own() -> None:
    """RFC 9069 section 4.2: F, a filtered table, is the bit that says IPv6 elsewhere."""
    header = router.peer_header("0.0.0.0", kind=router.LOC_RIB, flags=0x80, asn=router.EDGE)
    found = read(router.route_monitoring(update_message(), header))
    assert isinstance(found, RouteMonitoring)
    assert found.peer.rib is Rib.LOCAL


def test_a_session_that_is_up() -> None:
    """RFC 7854 section 4.10."""
    found = read(router.peer_up(surplus=router.information(0, b"primary")))
    assert isinstance(found, PeerUp)
    assert (found.local, found.local_port, found.remote_port) == (parse_address("203.0.113.1"), 42337, 179)
    assert (found.sent.asn, found.received.asn, found.received.hold_time) == (64500, 12076, 90)


@pytest.mark.parametrize(
    ("octets", "cause"),
    [
        (router.peer_down(1, notification(6, 2)), "admin-shutdown"),
        (router.peer_down(3, notification(6, 4, b"\x03new")), "admin-reset"),
        (router.peer_down(3, notification(6, 1)), "max-prefixes"),
        (router.peer_down(3, notification(6, 3)), "deconfigured"),
        (router.peer_down(1, notification(4, 0)), "hold-timer"),
        (router.peer_down(1, notification(8, 0)), "hold-timer"),
        (router.peer_down(1, notification(2, 2)), "open-error"),
        (router.peer_down(3, notification(6, 9, b"\x06\x02")), "admin-shutdown"),
        (router.peer_down(3, notification(6, 9, b"\x06\x09" * 500)), "other"),
        (router.peer_down(3, notification(6, 10)), "other"),
        (router.peer_down(3, b"\xff"), "other"),
        (router.peer_down(2, b"\0\x0a"), "hold-timer"),
        (router.peer_down(2, b"\0\x02"), "admin-shutdown"),
        (router.peer_down(2, b"\0\x12"), "transport"),
        (router.peer_down(2), "other"),
        (router.peer_down(4), "transport"),
        (router.peer_down(9), "other"),
    ],
)
def test_the_kind_of_a_reason(octets: bytes, cause: str) -> None:
    """The data of a hard reset is its reason (RFC 8538 section 3.1)."""
    found = read(octets)
    assert isinstance(found, PeerDown)
    assert found.cause == cause


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (router.peer_down(1, notification(6, 2)), "the router sent Cease: administrative shutdown"),
        (router.peer_down(1, notification(4, 0)), "the router sent hold timer expired"),
        (router.peer_down(2, b"\0\0"), "the router ended the session without a NOTIFICATION"),
        (router.peer_down(2), "the router ended the session without a NOTIFICATION"),
        (
            router.peer_down(2, b"\0\x0a"),
            "the router ended the session without a NOTIFICATION: its hold timer expired",
        ),
        (
            router.peer_down(2, b"\0\x1b"),
            "the router ended the session without a NOTIFICATION (event 27 of RFC 4271)",
        ),
        (
            router.peer_down(3, notification(6, 2, b"\x0cplanned work")),
            'the neighbor sent Cease: administrative shutdown: "planned work"',
        ),
        (
            router.peer_down(4),
            "the neighbor closed the connection, or it was lost, without a NOTIFICATION",
        ),
        (router.peer_down(9), "reason 9, which RFC 7854 does not know"),
    ],
)
def test_why_a_session_ended(octets: bytes, reason: str) -> None:
    """RFC 7854 section 4.9."""
    found = read(octets)
    assert isinstance(found, PeerDown)
    assert found.reason == reason
    assert not found.monitoring_ended


def test_a_router_that_no_longer_reports_a_session_does_not_say_that_it_ended() -> None:
    """RFC 7854 section 4.9, reason 5."""
    found = read(router.peer_down(5))
    assert isinstance(found, PeerDown)
    assert found.monitoring_ended


def test_how_many_routes_a_session_has() -> None:
    """RFC 7854 section 4.8: types 7 and 9; others are passed over."""
    found = read(
        router.statistics(
            (0, b"\0\0\0\1"),
            (7, router.gauge(3)),
            (9, b"\0\1\1" + router.gauge(2)),
            (9, b"\0\1\2" + router.gauge(9)),
        )
    )
    assert isinstance(found, Statistics)
    assert (found.routes_in, found.routes_in_by_family) == (3, {"ipv4": 2})


@pytest.mark.parametrize("kind", [router.ROUTE_MIRRORING, 7, 255])
def test_other_messages_are_named_by_their_type(kind: int) -> None:
    assert read(router.message(kind, b"anything")) == Other(kind)


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (router.message(router.PEER_DOWN, router.peer_header()), "the router says no reason"),
        (router.peer_down(3), "the neighbor sent a NOTIFICATION, which cannot be read"),
        (
            router.peer_down(1, bgp_message(NOTIFICATION, b"")),
            "the router sent a NOTIFICATION, which cannot be read",
        ),
    ],
)
def test_a_session_whose_end_has_no_readable_reason_has_ended(octets: bytes, reason: str) -> None:
    """Skipping the message would leave it up."""
    down = read(octets)
    assert isinstance(down, PeerDown)
    assert down.reason == reason


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (router.message(router.ROUTE_MONITORING, router.peer_header()[:41]), "per-peer header"),
        (router.message(router.ROUTE_MONITORING, router.peer_header()), "no BGP message"),
        (router.route_monitoring(b"\0" * 23), "no BGP message"),
        (router.route_monitoring(update_message()[:-1]), "a BGP message of 23 octets in 22"),
        (router.route_monitoring(open_message(1, router_id="192.0.2.1")), "type 1 where 2 should be"),
        (router.message(router.PEER_UP, router.peer_header() + b"\0" * 19), "before its OPEN messages"),
        (router.peer_up(sent=update_message()), "type 2 where 1 should be"),
        (router.peer_up(received=b""), "no BGP message"),
        (router.peer_up(sent=bgp_message(OPEN, bytes(4096))), "an OPEN of more than 4096 octets"),
        (router.message(router.INITIATION, bytes(4 * 1001)), "more than 1000 TLVs"),
        (router.message(router.STATISTICS, router.peer_header() + b"\0"), "without a count"),
        (router.message(router.INITIATION, b"\0\1\0\5abc"), "a TLV that goes on behind the message"),
        (router.message(router.INITIATION, b"\0\1\0"), "a TLV that goes on behind the message"),
    ],
)
def test_messages_that_cannot_be_read(octets: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read(octets)


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (router.message(4, version=4), "BMP version 4, which is not 3"),
        (b"GET / HTTP/1.1\r\n", "BMP version 71"),
        (b"\3\0\0\0\5\4", "a BMP message of 5 octets"),
        (b"\3\0\x10\0\1\4", "a BMP message of 1048577 octets; the limit is 1048576"),
    ],
)
def test_octets_that_are_no_bmp(octets: bytes, why: str) -> None:
    framer = Framer()
    framed = framer.feed(router.initiation() + octets)
    assert next(framed)[0] == router.INITIATION  # what comes before the error counts
    with pytest.raises(BmpError, match=why):
        next(framed)


@given(st.sampled_from(STREAMS), st.data())
def test_whatever_the_octets_they_are_read_or_refused(stream: Path, data: st.DataObject) -> None:
    octets = bytearray(stream.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    size = data.draw(st.integers(0, len(octets)))
    with contextlib.suppress(BmpError):
        for kind, body in Framer().feed(bytes(octets[:size])):
            with contextlib.suppress(Unreadable):
                read_message(kind, body)
