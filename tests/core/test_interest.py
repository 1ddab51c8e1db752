"""Passing over UPDATEs by their octets changes nothing of the held routes, findings and requests, compared with
decoding all.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ermon.bgp.update import Codec
from ermon.config.load import load_config
from ermon.core.monitor import Monitor, Parts
from ermon.core.route_index import Expectations
from ermon.core.snapshot import take
from ermon.exabgp.decode import Decoder
from ermon.exabgp.lines import Addresses, Line, Neighbor, RawUpdates
from ermon.model.events import ProcessUp, SessionDown, SessionUp, Uninteresting
from ermon.model.inventory import ExpectedPrefix
from ermon.model.prefixes import FAMILIES, Address, parse_prefix
from ermon.model.routes import AsPath, Attributes, PathSegment, Route, SegmentKind
from tests.bgp import end_of_rib, message
from tests.wire.encode import encode_update

REFERENCE = load_config(Path(__file__).parents[2] / "config" / "ermon.reference.yml").config
OUTSIDE = replace(REFERENCE.feeds["outside"], families=FAMILIES, canary=(parse_prefix("11.9.0.0/16"),))
CONFIG = replace(REFERENCE, feeds={**REFERENCE.feeds, "outside": OUTSIDE})
PID, START, UPDATE = 7, 1_772_366_400.0, 2

CHICAGO = CONFIG.circuits["chicago"]
LISTED = tuple(ExpectedPrefix(parse_prefix(text)) for text in ("11.2.0.0/15", "2a01:111::/32"))
POLICIES = (
    CONFIG,
    replace(CONFIG, internet_only=(*CONFIG.internet_only, parse_prefix("11.128.0.0/9"))),
    replace(
        CONFIG,
        feeds={**CONFIG.feeds, "outside": replace(OUTSIDE, canary=(parse_prefix("2a00:8000::/24"),))},
    ),
)
LISTS = (
    CHICAGO.receive,
    replace(CHICAGO.receive, prefixes=(*CHICAGO.receive.prefixes, *LISTED)),
    replace(CHICAGO.receive, prefixes=LISTED),
)

PREFIXES = [
    *map(
        parse_prefix,
        (
            *("198.51.100.0/24", "198.51.100.16/28", "192.0.2.0/26", "203.0.113.0/30", "2001:db8:100::/48"),
            *("198.51.0.0/16", "198.0.0.0/8", "0.0.0.0/0", "::/0", "2001:d00::/24", "198.51.101.0/24"),
            *("11.2.3.0/24", "11.9.8.0/21", "11.200.0.0/16", "11.0.0.0/8", "12.0.0.0/8", "10.0.0.0/7"),
            *("2a01:111:1::/48", "2a00:8000::/32", "2a00::/16", "2a02::/32", "2620:0:1::/48", "8000::/1"),
        ),
    )
]
MICROSOFTS, OTHERS = (64520, 12076, 8075), (64520, 64510)
ROUTES = [
    Attributes(
        Address(4, 0xC0000201), AsPath([PathSegment(SegmentKind.SEQUENCE, path)]), origin="igp", med=med
    )
    for path, med in ((OTHERS, 1), (OTHERS, 2), (OTHERS, 3), (OTHERS, None), (MICROSOFTS, None))
]


def frame(bodies: list[bytes], time: float, codec: Codec, octets: int) -> bytes:
    """Return the line in which these UPDATEs come."""
    raw = RawUpdates(
        session=1,
        octets=octets,
        asn4=codec.four_octet,
        families=[f"{family} unicast" for family in FAMILIES],
        add_path=[f"{family} unicast" for family in sorted(codec.add_path)],
        body=b"".join(bodies),
    )
    neighbor = Neighbor(Addresses(OUTSIDE.local, OUTSIDE.peer), raw=raw)
    return msgspec.json.encode(Line("5.0.0", time, PID, "raw", neighbor=neighbor))


class Side:
    """A monitor, and the decoder in front of it."""

    def __init__(self, *, passes_over: bool) -> None:
        self.monitor = Monitor(CONFIG, START)
        self.decoder = (
            Decoder(CONFIG.feeds, interest=self.monitor.interest) if passes_over else Decoder(CONFIG.feeds)
        )
        self.decoder.process_started(OUTSIDE.process, PID)
        self.passed = 0
        for process in CONFIG.processes:
            self.monitor.apply(ProcessUp(START, process))

    def take_line(self, line: bytes) -> None:
        for event in self.decoder.decode(line).events:
            self.passed += event.updates if isinstance(event, Uninteresting) else 0
            self.monitor.apply(event)

    def go_over(self, policy: int, now: float) -> None:
        for _ in self.monitor.go_over(Parts(POLICIES[policy], now), now):
            pass
        self.decoder.set_feeds(POLICIES[policy].feeds)

    def expect(self, lists: int, now: float) -> None:
        before = self.monitor.config
        chicago = replace(before.circuits["chicago"], receive=LISTS[lists])
        after = replace(before, circuits={**before.circuits, "chicago": chicago})
        for _ in self.monitor.expect(Expectations(before, after), now):
            pass

    def known(self) -> object:
        outcome = self.monitor.advance(self.monitor.now)
        state = self.monitor.network.feeds["outside"]
        routes = {route.key: route for route in state.rib.routes()}
        return take(self.monitor), routes, outcome.transitions, outcome.requests


def updates(random: Random, codec: Codec) -> list[bytes]:
    """Return UPDATEs as a router might send them in a row; one of them may be cut off."""
    found: list[bytes] = []
    for _ in range(random.choice((1, 3, 8))):
        path_ids = {family: (1, 2) if family in codec.add_path else (None,) for family in FAMILIES}
        keys = [
            (prefix, random.choice(path_ids[prefix.family]))
            for prefix in random.sample(PREFIXES, random.choice((1, 1, 2, 4)))
        ]
        cut = random.choice((0, len(keys), len(keys), random.randrange(len(keys) + 1)))
        attributes = random.choice(ROUTES)
        announced = [Route(prefix, path_id, attributes) for prefix, path_id in keys[:cut]]
        body = encode_update(announced, keys[cut:], codec)
        if random.random() < 0.02:
            body = body[:-1]
        found.append(message(UPDATE, body))
    if random.random() < 0.2:
        found.insert(random.randrange(len(found) + 1), end_of_rib(random.choice(FAMILIES)))
    return found


def history(seed: int, steps: int) -> int:
    """Compare both sides; return how many UPDATEs were passed over."""
    random = Random(seed)
    codec = Codec(True, frozenset(random.choice(((), ("ipv4",), ("ipv6",), FAMILIES))))
    sides = Side(passes_over=True), Side(passes_over=False)
    now, octets = START, 0
    for _ in range(steps):
        now += random.choice((0.0, 0.01, 1.0, 30.0))
        what = random.choices(("frame", "up", "down", "reload", "lists"), (20, 2, 1, 1, 1))[0]
        bodies = updates(random, codec)
        octets += sum(map(len, bodies))
        choice = random.randrange(3)
        for side in sides:
            match what:
                case "frame":
                    side.take_line(frame(bodies, now, codec, octets))
                case "up":
                    side.monitor.apply(SessionUp(now, "outside"))
                case "down":
                    side.monitor.apply(SessionDown(now, "outside"))
                case "reload":
                    side.go_over(choice, now)
                case "lists":
                    side.expect(choice, now)
        assert sides[0].known() == sides[1].known()
    assert not sides[1].passed
    return sides[0].passed


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=40)
def test_updates_that_are_passed_over_change_nothing(seed: int) -> None:
    history(seed, 25)


def test_some_updates_are_passed_over() -> None:
    """Otherwise the test above would prove nothing."""
    assert sum(history(seed, 10) for seed in range(5)) > 5


def test_microsofts_route_goes_with_its_withdrawal_in_the_same_frame() -> None:
    codec, side = Codec(), Side(passes_over=True)
    side.monitor.apply(SessionUp(START, "outside"))
    leaked = Route(parse_prefix("11.2.3.0/24"), None, ROUTES[-1])
    held = side.monitor.network.feeds["outside"].rib
    announced = message(UPDATE, encode_update([leaked], [], codec))
    side.take_line(frame([announced], START, codec, 0))
    assert list(held.routes()) == [leaked]
    side.take_line(frame([message(UPDATE, encode_update([], [leaked.key], codec))], START, codec, 0))
    assert not len(held)
    side.take_line(
        frame([announced, message(UPDATE, encode_update([], [leaked.key], codec))], START, codec, 0)
    )
    assert not len(held)
    assert not side.passed
