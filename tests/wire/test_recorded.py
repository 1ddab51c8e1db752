"""Recorded sessions of real daemons, compared with the output of other readers: see ``tests/recorded/daemons.md``."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ermon.bgp.open import Direction, codec_between, read_open
from ermon.bgp.update import AttributesCache, Codec, Read, read_update
from ermon.model.prefixes import Address, Family, format_address
from ermon.model.routes import Route
from tests.bgp import OPEN, UPDATE
from tests.wire.differences import SAME, compare
from tests.wire.exabgp import negotiated

RECORDED = Path(__file__).parents[1] / "recorded"
MRT = sorted(path for path in RECORDED.glob("mrt/*.mrt") if "table" not in path.stem)
BMP = sorted(RECORDED.glob("bmp/*.bmp"))
HEADER = 19

BGP4MP, BGP4MP_ET = 16, 17
MESSAGE, MESSAGE_AS4, MESSAGE_LOCAL, MESSAGE_AS4_LOCAL = 1, 4, 6, 7
"""RFC 6396 section 4.4: the records with a BGP message."""


def mrt_messages(path: Path) -> Iterator[tuple[str, int, bool, bytes]]:
    """Yield peer, its ASN, whether ASNs have four octets, and the message, of each record with a message."""
    octets, at = path.read_bytes(), 0
    while at < len(octets):
        _, kind, subtype, size = struct.unpack_from("!IHHI", octets, at)
        record, at = octets[at + 12 : at + 12 + size], at + 12 + size
        if kind == BGP4MP_ET:
            record = record[4:]
        if kind not in {BGP4MP, BGP4MP_ET} or subtype not in {
            MESSAGE,
            MESSAGE_AS4,
            MESSAGE_LOCAL,
            MESSAGE_AS4_LOCAL,
        }:
            continue
        width = 4 if subtype in {MESSAGE_AS4, MESSAGE_AS4_LOCAL} else 2
        asn = int.from_bytes(record[:width], "big")
        rest = record[2 * width + 2 :]
        version, size = (4, 4) if rest[:2] == b"\0\1" else (6, 16)
        peer = format_address(version, int.from_bytes(rest[2 : 2 + size], "big"))
        yield peer, asn, width == 4, rest[2 + 2 * size :]


def bmp_messages(path: Path) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield type, per-peer header and the rest of each Route Monitoring and Peer Up message (RFC 7854 section 4)."""
    octets, at = path.read_bytes(), 0
    while at < len(octets):
        version, size, kind = struct.unpack_from("!BIB", octets, at)
        assert version == 3
        if kind in {ROUTE_MONITORING, PEER_UP}:
            yield kind, octets[at + 6 : at + 48], octets[at + 48 : at + size]
        at += size


ROUTE_MONITORING, PEER_UP = 0, 3
LOC_RIB = 3
"""A peer type (RFC 9069): GoBGP's own routes in it have no AS_PATH."""
POST_POLICY = 0x40
LEGACY_PATHS = 0x20
PRIMARY, ISP = "203.0.113.2", "192.0.2.254"
WITH_PATH_IDS = {"gobgp-3.10.0-add-path"}
"""FRR leaves them out of what it reports, although they were negotiated."""


def monitored(path: Path) -> Iterator[tuple[str, Codec, bytes]]:
    """Yield peer, encoding and body of each UPDATE of a session; a router's own routes are as those of a peer without an ASN."""
    for kind, header, message in bmp_messages(path):
        if kind == ROUTE_MONITORING and header[0] != LOC_RIB and header[26:30] != bytes(4):
            peer = format_address(4, int.from_bytes(header[22:26], "big"))
            has_ids = path.stem in WITH_PATH_IDS and peer == PRIMARY and not header[1] & POST_POLICY
            add_path: frozenset[Family] = frozenset({"ipv4"} if has_ids else ())
            assert message[18] == UPDATE
            yield peer, Codec(not header[1] & LEGACY_PATHS, add_path), message[HEADER:]


def updates() -> Iterator[tuple[Codec, bytes]]:
    for path in MRT:
        for _, _, four_octet, message in mrt_messages(path):
            if message[18] == UPDATE:
                yield Codec(four_octet), message[HEADER:]
    for path in BMP:
        for _, codec, body in monitored(path):
            yield codec, body


def as_bgpdump_prints(peer: str, asn: int, read: Read) -> Iterator[str]:
    for prefix, _ in read.withdrawn:
        yield f"W|{peer}|{asn}|{prefix}"
    for route in read.announced:
        yield f"A|{peer}|{asn}|{as_bgpdump_prints_a_route(route)}"


def as_bgpdump_prints_a_route(route: Route) -> str:
    said = route.attributes
    communities = " ".join(f"{first}:{second}" for first, second in said.communities)
    numbers = f"{said.local_preference or 0}|{said.med or 0}"
    origin = (said.origin or "").upper()
    return f"{route.prefix}|{said.path_text}|{origin}|{said.next_hop}|{numbers}|{communities}|NAG||"


@pytest.mark.parametrize("path", MRT, ids=lambda path: path.stem)
def test_updates_in_mrt_are_read_as_bgpdump_reads_them(path: Path) -> None:
    cache = AttributesCache()
    found: Counter[str] = Counter()
    for peer, asn, four_octet, message in mrt_messages(path):
        if message[18] == UPDATE:
            read = read_update(message[HEADER:], Codec(four_octet), cache)
            assert read.repaired is None
            found.update(as_bgpdump_prints(peer, asn, read))
    lines = path.with_name(f"{path.name}.bgpdump").read_text().splitlines()
    expected = Counter(
        line.split("|", 2)[2].replace("|::ffff:", "|") for line in lines if line.split("|")[2] in {"A", "W"}
    )
    assert found == expected
    assert expected


def test_updates_of_real_daemons_are_read_alike_by_exabgp() -> None:
    found = Counter(compare(body, codec, negotiated(codec)) for codec, body in updates())
    assert set(found) == {SAME}
    assert found.total() > 100


def test_path_identifiers_of_a_monitored_session() -> None:
    (path,) = (path for path in BMP if path.stem in WITH_PATH_IDS)
    cache = AttributesCache()
    read = [read_update(body, codec, cache) for peer, codec, body in monitored(path) if peer == PRIMARY]
    assert {route.path_id for each in read for route in each.announced} == {None, 2, 6}


@pytest.mark.parametrize("path", BMP, ids=lambda path: path.stem)
def test_both_opens_of_a_monitored_session(path: Path) -> None:
    """RFC 7854 section 4.10: first the sent OPEN, then the received one."""
    for kind, header, rest in bmp_messages(path):
        if kind != PEER_UP:
            continue
        peer = format_address(4, int.from_bytes(header[22:26], "big"))
        opens = rest[20:]
        size = int.from_bytes(opens[16:18], "big")
        assert opens[18] == opens[size + 18] == OPEN
        sent = read_open(opens[HEADER:size])
        received = read_open(
            opens[size + HEADER : size + int.from_bytes(opens[size + 16 : size + 18], "big")]
        )
        assert sent.asn == 64500
        assert received.asn == int.from_bytes(header[26:30], "big")
        assert received.router_id == Address(4, int.from_bytes(header[30:34], "big"))
        alone = "frr" in path.stem and peer == ISP
        assert sent.families == ({"ipv4"} if alone else {"ipv4", "ipv6"})
        assert received.families == {"ipv4", "ipv6"}
        sends = "add-path" in path.stem and peer == PRIMARY
        assert received.add_path == ({"ipv4": Direction.SEND} if sends else {})
        assert codec_between(received, sent) == Codec(add_path=frozenset({"ipv4"} if sends else ()))
