"""Fuzzed BMP connections: whatever a router sends, what ermon keeps of it is bounded, and the monitor takes in what it means."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from random import Random
from unittest.mock import patch

import msgspec

from ermon.bmp import ahead, messages, reported
from ermon.bmp import router as bmp
from ermon.bmp.ahead import Judged, ReadAhead
from ermon.bmp.messages import Rib, SessionKey
from ermon.bmp.router import RouterStream, Taken
from ermon.bmp.sessions import Monitored, monitored
from ermon.config.load import load_config
from ermon.core.monitor import Monitor
from ermon.core.status import collect
from ermon.model.events import Event, Update
from ermon.model.prefixes import Family, parse_address
from tests.bgp import announcement, end_of_rib, notification, withdrawal
from tests.bmp import router
from tests.fuzz.mutate import break_bytes

HERE = Path(__file__).parent
CONFIG = load_config(HERE / "reports.yml").config
RECORDED = [path.read_bytes() for path in sorted((HERE.parent / "recorded/bmp").glob("*.bmp"))]
PRIMARY, ISP = "203.0.113.2", "192.0.2.254"
PIECE_SECONDS = 5.0
"""CPU time for some kilobytes: a thousand times what they need."""


def monitored_sessions() -> Monitored:
    families: tuple[Family, Family] = ("ipv4", "ipv6")
    ribs = (Rib.IN_PRE, Rib.IN_POST, Rib.OUT_POST)
    return Monitored(
        {
            SessionKey(parse_address(PRIMARY)): {
                (rib, family): f"primary/{rib}/{family}" for rib in ribs for family in families
            }
        },
        by_asn={64510: {(Rib.IN_POST, family): f"isp/{family}" for family in families}},
    )


def reports(random: Random) -> None:
    """Streams of real and of hostile routers, broken and in pieces."""
    with ExitStack() as limits:
        if random.random() < 0.5:
            limits.enter_context(patch.object(bmp, "MAX_PEERS", 3))
            limits.enter_context(patch.multiple(reported, MAX_COUNTED_ROUTES=4, MAX_HELD_ROUTES=2))
        _take_reports(random)


def _take_reports(random: Random) -> None:
    of = RouterStream("bmp/edge-1", monitored_sessions())
    octets, now = stream(random), 1_000.0
    while octets:
        size = random.choice((1, 7, 60, 1_000, 8_192))
        piece, octets = octets[:size], octets[size:]
        now += random.choice((0.0, 0.001, 5.0, 100.0))
        began = time.process_time()
        taken = of.take(piece, now)
        assert time.process_time() - began < PIECE_SECONDS
        check(taken, now)
        check_kept(of)
        check_events(of.late(now), now)
        assert of.due() is None or of.take(b"", now).events == []
    again = RouterStream("bmp/edge-1", monitored_sessions())
    assert again.take(of.memory(), now).ended is None


def reports_read_ahead(random: Random) -> None:
    """The same, read ahead: no message is lost, and what waits is what it says."""
    of = ReadAhead(RouterStream("bmp/edge-1", monitored_sessions()))
    octets, now, read, judged = stream(random), 1_000.0, 0, list[Judged]()
    with patch.object(ahead, "PIECE_OCTETS", random.choice((1, 300, 8_192))):
        while octets:
            size = random.choice((1, 7, 60, 1_000, 8_192))
            piece, octets = octets[:size], octets[size:]
            judged += of.read(piece, now)
            read += len(piece)
            turns = random.choice((0, 0, 1, 5))
            judged += [each for _ in range(turns) if (each := of.judge(now)) is not None]
            assert of.octets <= read * (1 + ahead.PIECE_COST_OCTETS)
    while (each := of.judge(now)) is not None:
        judged.append(each)
    assert (of.octets, of.waits) == (0, False)
    for each in judged:
        check(each.taken, now)
    again = RouterStream("bmp/edge-1", monitored_sessions())
    assert all(again.take(each.octets, now) == each.taken for each in judged)


def check(taken: Taken, now: float) -> None:
    check_events(taken.events, now)
    for rejected in taken.rejected:
        assert rejected.detail.isprintable()
        assert len(rejected.detail) < 300
    assert taken.ended is None or (taken.ended.isprintable() and len(taken.ended) < 600)


def check_events(events: list[Event], now: float) -> None:
    msgspec.json.encode(events, enc_hook=list)
    assert all(event.time == now for event in events)


def check_kept(of: RouterStream) -> None:
    """Everything that a router can have ermon keep has a limit."""
    sessions = of._sessions.values()
    assert len(sessions) <= bmp.MAX_PEERS
    assert of._peer_ups.keys() == of._sessions.keys()
    assert all(len(up) <= 62 + 2 * messages.MAX_OPEN_OCTETS for up in of._peer_ups.values())
    assert of._remembered.counted == sum(
        len(keys) for each in sessions for keys in (each.counted or {}).values()
    )
    assert of._remembered.held == sum(len(keys) for each in sessions for keys in (each.held or {}).values())
    assert of._remembered.counted <= reported.MAX_COUNTED_ROUTES
    assert of._remembered.held <= reported.MAX_HELD_ROUTES
    assert of._last_words.keys() <= of._monitored.names()
    assert len(of._framer._held) <= messages.MAX_MESSAGE_OCTETS
    assert {key for keys in of._up.values() for key in keys} == of._sessions.keys()


def stream(random: Random) -> bytes:
    octets = random.choice(RECORDED) if random.random() < 0.4 else made(random)
    return break_bytes(random, octets, RECORDED) if random.random() < 0.7 else octets


def made(random: Random) -> bytes:
    return router.initiation() + b"".join(message(random) for _ in range(random.choice((5, 50, 500))))


def message(random: Random) -> bytes:
    asn, peer = random.choice(
        ((router.MICROSOFT, PRIMARY), (64510, ISP), (64510, f"192.0.2.{random.randrange(9)}"))
    )
    flags = random.choice(
        (0, router.POST_POLICY, router.TWO_OCTET_PATHS, router.ADJ_RIB_OUT | router.POST_POLICY)
    )
    distinguisher = random.choice((bytes(8), b"\0\0\xfb\xf4\0\0\0\7"))
    header = router.peer_header(peer, flags=flags, asn=asn, distinguisher=distinguisher)
    prefix = f"192.0.{random.randrange(4)}.0/24"
    match random.randrange(14):
        case 0 | 1:
            return router.peer_up(
                header, ports=(random.choice((1, 1, 1, 1, 2)), 179), surplus=random.randbytes(9)
            )
        case 2 if random.random() < 0.3:
            return router.peer_down(random.randrange(8), notification(6, 2, b"\2ok"), header)
        case 3:
            numbers = (random.choice((7, 9, 0)), router.gauge(random.randrange(4)))
            return router.statistics(numbers, header=header)
        case 4:
            return router.route_monitoring(end_of_rib(random.choice(("ipv4", "ipv6"))), header)
        case 5:
            return router.route_monitoring(withdrawal(prefix), header)
        case 6:
            return router.message(random.randrange(9), random.randbytes(random.randrange(60)))
        case 7:
            octets = router.route_monitoring(announcement(prefix, next_hop=peer), header)
            return router.message(octets[5], break_bytes(random, octets[6:], RECORDED))
        case _:
            return router.route_monitoring(announcement(prefix, next_hop=peer), header)


def judged_reports(random: Random) -> None:
    """The same, as far as the monitor: nothing raises, and it holds what the sessions that are up have announced."""
    watching = Monitor(CONFIG, 1_000.0)
    of = RouterStream("bmp/edge-1", monitored(CONFIG, "edge-1"), interest=watching.interest)
    octets, now = stream(random), 1_000.0
    for at in range(0, len(octets), 997):
        now += random.choice((0.0, 0.001, 5.0, 100.0))
        for event in (*of.take(octets[at : at + 997], now).events, *of.late(now)):
            if isinstance(event, Update):
                assert event.updates >= 1
            watching.apply(event)
        watching.advance(now)
    msgspec.json.encode(collect(watching), enc_hook=str)
    watching.advance(now + 10_000)
