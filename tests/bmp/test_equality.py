"""The same session of a router, as it reports it by BMP and as ExaBGP has it: with UPDATEs as they came, and as JSON.

Where the JSON differs, ``tests/wire/differences.py`` says why that is right.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec
import pytest

from ermon.bgp.attributes import Repair
from ermon.bgp.malformed import Malformed
from ermon.bgp.update import Codec, Read, split_update
from ermon.bmp.messages import Rib, SessionKey
from ermon.bmp.router import RouterStream
from ermon.bmp.sessions import Monitored
from ermon.config.load import load_config
from ermon.exabgp.decode import Decoder
from ermon.exabgp.lines import Addresses, Line, Neighbor, RawUpdates
from ermon.model.events import EndOfRib, Event, MessagesLost, Update
from ermon.model.prefixes import FAMILIES, parse_address
from tests.bgp import UPDATE, message, open_message, update_message
from tests.bmp import router
from tests.recorded import record
from tests.wire.differences import MP_REACH, MP_UNREACH, SAME, attributes_of, compare, same
from tests.wire.exabgp import negotiated, read_line
from tests.wire.generate import CODECS, broken_bodies
from tests.wire.test_recorded import updates

TOP = Path(__file__).parents[2]
CONFIG = load_config(TOP / "config" / "ermon.reference.yml").config
FEED = next(feed for feed in CONFIG.feeds.values() if set(feed.families) == set(FAMILIES))
PEER = "203.0.113.2"
SESSION = Monitored(
    {SessionKey(parse_address(PEER)): {(Rib.IN_POST, family): FEED.name for family in FAMILIES}}
)
HEADER = 19


class Stimulus(NamedTuple):
    name: str
    codec: Codec
    body: bytes
    line: bytes | None = None
    """What ExaBGP printed for it when it was recorded."""


def read_as_reported(body: bytes, codec: Codec) -> Read | str:
    """Read the body of an UPDATE in a Route Monitoring message; the text is why it cannot be read."""
    of = RouterStream("bmp/edge-1", SESSION)
    theirs = open_message(router.MICROSOFT, router_id=PEER, families=FAMILIES)
    of.take(router.initiation() + router.peer_up(router.peer_header(PEER), received=theirs), 0.0)
    flags = router.POST_POLICY | (0 if codec.four_octet else router.TWO_OCTET_PATHS)
    report = router.route_monitoring(message(UPDATE, body), router.peer_header(PEER, flags=flags))
    taken = of.take(report, 1.0)
    lost = [event.reason for event in taken.events if isinstance(event, MessagesLost)]
    assert bool(lost) == bool(taken.rejected)
    return lost[0] if lost else said_by(taken.events, taken.malformed)


def read_as_it_came(body: bytes, codec: Codec) -> Read | str:
    """Read the body of an UPDATE that ExaBGP hands on undecoded."""
    said = RawUpdates(
        session=0,
        octets=HEADER + len(body),
        asn4=codec.four_octet,
        families=[f"{family} unicast" for family in FAMILIES],
        add_path=[],
        body=message(UPDATE, body),
    )
    neighbor = Neighbor(Addresses(FEED.local, FEED.peer), raw=said)
    line = Line("5.0.0", 1_772_366_400.0, 7, "raw", neighbor=neighbor)
    decoded = Decoder(CONFIG.feeds).decode(msgspec.json.encode(line))
    if decoded.rejected is not None:
        return decoded.rejected.detail
    return said_by(decoded.events, decoded.malformed)


def said_by(events: list[Event], malformed: list[Malformed]) -> Read:
    announced = [route for event in events if isinstance(event, Update) for route in event.announced]
    withdrawn = [key for event in events if isinstance(event, Update) for key in event.withdrawn]
    ends = [event.family for event in events if isinstance(event, EndOfRib)]
    repaired = Repair(malformed[0].kind, malformed[0].what) if malformed else None
    return Read(tuple(announced), tuple(withdrawn), ends[0] if ends else None, repaired)


def in_order(read: Read | str) -> object:
    """Return what is read, without the order of the routes; of what cannot be read, that it cannot."""
    if isinstance(read, str):
        return None
    return read._replace(announced=frozenset(read.announced), withdrawn=frozenset(read.withdrawn))  # type: ignore[arg-type]


def recorded_lines() -> Iterator[Stimulus]:
    """Yield the UPDATEs that ExaBGP has printed together with their octets, by what was tried with them."""
    index = (TOP / "tests/recorded/samples-5.0.15.md").read_text().splitlines()
    names = [line.partition(": ")[2].strip("[]") for line in index if line.startswith("- ")]
    lines = (TOP / "tests/recorded/samples-5.0.15.jsonl").read_bytes().splitlines()
    for name, line in zip(names, lines, strict=True):
        said = json.loads(line)
        if said["type"] == "update" and "body" in said and "message" in said["neighbor"]:
            body = bytes.fromhex(said["body"][2:])
            yield Stimulus(
                name, Codec(), without_path_ids(body) if b"path-information" in line else body, line
            )


def without_path_ids(body: bytes) -> bytes:
    """Return an UPDATE as the same session would have it without ADD-PATH, which no session of an MSEE has."""
    withdrawn, _, nlri = split_update(body)
    attributes = b""
    for flags, code, value in attributes_of(body):
        kept = value
        if code == MP_UNREACH:
            kept = value[:3] + stripped(value[3:])
        elif code == MP_REACH:
            start = 5 + value[3]
            kept = value[:start] + stripped(value[start:])
        attributes += bytes([flags, code]) + len(kept).to_bytes(2 if flags & 0x10 else 1, "big") + kept
    return update_message(stripped(withdrawn), attributes, stripped(nlri))[HEADER:]


def stripped(nlri: bytes) -> bytes:
    found, at = b"", 0
    while at < len(nlri):
        end = at + 5 + (nlri[at + 4] + 7) // 8
        found, at = found + nlri[at + 4 : end], end
    return found


LINES = list(recorded_lines())
STIMULI = [
    *LINES,
    *(Stimulus(name, Codec(), sent[HEADER:]) for name, sent in record.UPDATES if sent[18] == UPDATE),
    *(Stimulus(name, Codec(four_octet=False), sent[HEADER:]) for name, sent in record.TWO_OCTETS),
    *(Stimulus(f"daemon-{at}", *each) for at, each in enumerate(updates()) if not each[0].add_path),
]


DIFFERENCES = {
    "treat-as-withdraw:missing-nexthop": "a mandatory attribute is missing",
    "treat-as-withdraw:bad-origin-len": "ORIGIN",
}
"""The only ones, of ExaBGP's JSON: it has the routes, which RFC 7606 withdraws."""


def test_every_stimulus_is_the_same_by_bmp_and_as_it_came() -> None:
    for stimulus in STIMULI:
        reported = read_as_reported(stimulus.body, stimulus.codec)
        assert in_order(reported) == in_order(read_as_it_came(stimulus.body, stimulus.codec)), stimulus.name
    assert len(STIMULI) > 300


def test_every_stimulus_is_the_same_by_bmp_and_as_json() -> None:
    found = {}
    for stimulus in STIMULI:
        reported = read_as_reported(stimulus.body, stimulus.codec)
        outcome = compare(stimulus.body, stimulus.codec, negotiated(stimulus.codec), reported)
        assert isinstance(outcome, str), f"{stimulus.name} {outcome}"
        if outcome != SAME:
            found[stimulus.name] = outcome
    assert found == DIFFERENCES


def test_routes_that_were_printed_are_those_that_are_reported() -> None:
    for stimulus in LINES:
        assert stimulus.line is not None
        reported, printed = read_as_reported(stimulus.body, stimulus.codec), read_line(stimulus.line)
        if stimulus.name not in DIFFERENCES:
            assert same(reported, without_ids(printed)), stimulus.name
    assert len(LINES) > 20


def without_ids(read: Read) -> Read:
    announced = tuple(msgspec.structs.replace(route, path_id=None) for route in read.announced)
    return read._replace(announced=announced, withdrawn=tuple((prefix, None) for prefix, _ in read.withdrawn))


@pytest.mark.parametrize("codec", [codec for codec in CODECS if not codec.add_path])
def test_broken_updates_are_the_same_by_bmp_and_as_they_came(codec: Codec) -> None:
    found: Counter[bool] = Counter()
    for body in broken_bodies(Random(1), codec, 2_000):
        reported = read_as_reported(body, codec)
        assert in_order(reported) == in_order(read_as_it_came(body, codec)), body.hex()
        found[isinstance(reported, str)] += 1
    assert min(found.values()) > 20
