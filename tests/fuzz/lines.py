"""Fuzzed lines of ExaBGP, for the decoder alone, and for the monitor behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec

from ermon.config.load import load_config
from ermon.core.monitor import Monitor
from ermon.core.status import collect
from ermon.exabgp.decode import Decoded, Decoder, RejectReason
from ermon.exabgp.lines import Addresses, Line, Neighbor, RawUpdates
from ermon.exabgp.updates import FeedEncoder
from ermon.model.events import MessagesLost, ProcessUp
from ermon.model.inventory import Feed
from ermon.model.prefixes import Address, Prefix
from ermon.model.routes import (
    ROUTE_BYTES,
    AsPath,
    Attributes,
    Communities,
    LargeCommunities,
    PathSegment,
    Route,
    SegmentKind,
)
from tests.bgp import UPDATE, end_of_rib
from tests.fuzz.mutate import break_bytes, break_json
from tests.recorded import record

TOP = Path(__file__).parents[2]
CONFIG = load_config(TOP / "config" / "ermon.reference.yml").config
RECORDED = [
    line
    for path in sorted((TOP / "tests" / "recorded").glob("*.jsonl"))
    for line in path.read_bytes().splitlines()
]
LISTENER = [
    (
        b'{"exabgp":"5.0.0","time":1772366400.5,"pid":7,"type":"listening","listening":{"port":179,"addresses":'
        b'{"192.0.2.10":"","192.0.2.11":"EADDRINUSE","2001:db8::10":"EADDRNOTAVAIL"}}}'
    ),
    (
        b'{"exabgp":"5.0.0","time":1772366400.5,"pid":7,"type":"refused","refused":{"connections":'
        b'[{"local":"192.0.2.10","peer":"192.0.2.99","count":3},{"local":"2001:db8::10","peer":"::1","count":1}],"more":5}}'
    ),
]
"""The lines of ermon's own listener in ExaBGP's process."""
SAID = [*RECORDED, *LISTENER * 20]  # repeated, so that each of their values is broken
UPDATES = b"".join(
    (
        *(octets for _, octets in (*record.UPDATES, *record.TWO_OCTETS) if octets[18] == UPDATE),
        end_of_rib("ipv6"),
    )
)
"""UPDATEs as routers send them."""
START = 1_772_366_400.0
PID = 7
FEEDS = list(CONFIG.feeds.values())


def decode(random: Random) -> None:
    """Each line becomes events or one rejection, and a skipped UPDATE is a loss."""
    decoder = Decoder(CONFIG.feeds)
    for _ in range(20):
        line = raw(random, random.choice(FEEDS), START) if random.random() < 0.3 else random.choice(SAID)
        breaking = break_json if random.random() < 0.6 else break_bytes
        check(decoder.decode(breaking(random, line, RECORDED)))


def check(decoded: Decoded) -> None:
    msgspec.json.encode(decoded.events, enc_hook=list)  # values, and text that can be written
    if decoded.rejected is not None:
        assert decoded.rejected.detail.isascii()
        assert decoded.rejected.detail.isprintable()
        assert decoded.rejected.line.isprintable()
        if decoded.rejected.reason is RejectReason.BAD_UPDATE:
            ends = decoded.answer is not None and decoded.answer.startswith("unreadable ")
            lost = any(isinstance(event, MessagesLost) for event in decoded.events)
            assert ends or lost, "skipped, and neither counted nor the end of its session"


def monitor(random: Random) -> None:
    """Sessions, routes and time, in order and broken: nothing raises, and the counts of held routes are right."""
    decoder, now = Decoder(CONFIG.feeds), START
    watching = Monitor(CONFIG, now)
    for process in CONFIG.processes:
        watching.apply(ProcessUp(now, process))
    for _ in range(random.randrange(2, 40)):
        now += random.choice((0.0, 0.001, 1.0, 10.0, 130.0))
        feed = random.choice(FEEDS)
        for line in lines(random, feed, now):
            said = break_json(random, line) if random.random() < 0.3 else line
            decoded = decoder.decode(said)
            check(decoded)
            for event in decoded.events:
                watching.apply(event if event.time <= now else msgspec.structs.replace(event, time=now))
        watching.advance(now)
        check_held(watching)
    msgspec.json.encode(collect(watching), enc_hook=str)
    watching.advance(now + 10_000)


def check_held(watching: Monitor) -> None:
    for state in watching.network.feeds.values():
        routes = list(state.rib.routes())
        attributes = {route.attributes for route in routes}
        assert len(routes) == len(state.rib)
        assert state.held.total == ROUTE_BYTES * len(routes) + sum(each.held_bytes for each in attributes)


def raw(random: Random, feed: Feed, now: float) -> bytes:
    """Raw UPDATEs, whole or broken."""
    octets = break_bytes(random, UPDATES, [UPDATES]) if random.random() < 0.8 else UPDATES
    said = RawUpdates(
        session=random.randrange(3),
        octets=random.randrange(10**6),
        asn4=random.random() < 0.8,
        families=[f"{family} unicast" for family in feed.families],
        add_path=[f"{family} unicast" for family in feed.families if random.random() < 0.3],
        body=octets,
    )
    neighbor = Neighbor(Addresses(feed.local, feed.peer), raw=said)
    return msgspec.json.encode(Line("5.0.0", now, PID, "raw", neighbor=neighbor))


def lines(random: Random, feed: Feed, now: float) -> Iterator[bytes]:
    encoder = FeedEncoder(feed, PID, now)
    match random.randrange(7):
        case 0:
            yield encoder.offered(feed.families if random.random() < 0.5 else ())
            yield encoder.negotiated(feed.families if random.random() < 0.8 else ())
            yield encoder.up()
        case 1:
            yield from map(encoder.end_of_rib, feed.families)
        case 2:
            yield random.choice(SAID)
        case 3:
            yield raw(random, feed, now)
        case _:
            yield from encoder.updates(route(random) for _ in range(random.choice((1, 2, 10, 60))))


PREFIXES = (
    *(Prefix(4, 0xC6336400, length) for length in (24, 28, 29, 32)),  # 198.51.100.0: ours, and a pool
    *(Prefix(4, 0xC0000200, length) for length in (24, 26, 27)),  # 192.0.2.0: expected
    *(Prefix(4, 0, 0), Prefix(6, 0, 0), Prefix(4, 0xCB007100, 30), Prefix(4, 0x0A000000, 8)),
    *(Prefix(6, 0x20010DB8_0100 << 80, length) for length in (40, 48, 64, 128)),
)
NEXT_HOPS = (
    None,
    Address(4, 0xCB007102),
    Address(4, 0xCB007106),
    Address(4, 0xC00002C9),
    Address(6, 0x20010DB8FFFF << 80 | 2),
)
ASNS = (64500, 12076, 8075, 64510, 23456, 65001, 0, 4_294_967_295)


def route(random: Random) -> Route:
    prefix = random.choice(PREFIXES)
    if random.random() < 0.3:
        prefix = Prefix(4, random.getrandbits(24) << 8, 24)
    segments = [
        PathSegment(random.choice(tuple(SegmentKind)), tuple(random.choices(ASNS, k=random.randrange(4))))
        for _ in range(random.randrange(4))
    ]
    communities = [
        (random.choice((12076, 65535, 64500)), random.choice((5010, 666, 0, 6, 302)))
        for _ in range(random.randrange(3))
    ]
    return Route(
        prefix,
        random.choice((None, 1, 2, 2**32 - 1)),
        Attributes(
            random.choice(NEXT_HOPS),
            AsPath(segments),
            Communities(communities),
            LargeCommunities([(64500, 1, 2)] if random.random() < 0.1 else []),
            local_preference=random.choice((None, 100, 200)),
        ),
    )
