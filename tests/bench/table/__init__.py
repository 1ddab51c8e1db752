"""A synthetic full table as encoded UPDATEs: the same octets for the same arguments, on every machine.

The shape is that of the internet's tables of 2024 to 2026. 62 % of the IPv4 prefixes are /24, a few are as short as /8, and most
lie inside shorter ones; half of the IPv6 prefixes are /48. Routes share their path attributes in groups whose sizes are
heavy-tailed, 7 on average; paths have 5 ASNs on average; 60 % of the groups carry communities, 10 % large communities,
15 % a MED.

``python -m tests.bench.table`` sends such tables to BGP daemons and to ermon: see README.md in the folder above.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Mapping
from random import Random
from typing import NamedTuple

from ermon.model.prefixes import Family
from tests.bgp import AFI, UNICAST, attribute, update_message

MAX_MESSAGE = 4096
"""Octets of a BGP message (RFC 4271 section 4)."""

MEAN_GROUP = 7.0
_TAIL = 1.6
"""The exponent of the Pareto distribution that group sizes follow."""


class _Shape(NamedTuple):
    beginnings: tuple[bytes, ...]
    """The first octets of the space that is given out."""
    lengths: Mapping[int, int]
    """Of a million prefixes, roughly, how many are so long."""


_SHAPES: Mapping[Family, _Shape] = {
    "ipv4": _Shape(
        tuple(bytes([octet]) for octet in range(1, 224) if octet not in {10, 127}),
        {8: 16, 9: 13, 10: 40, 11: 100, 12: 300, 13: 590, 14: 1_190, 15: 2_060, 16: 13_700, 17: 8_400, 18: 14_200}
        | {19: 25_400, 20: 45_500, 21: 53_500, 22: 113_000, 23: 102_000, 24: 620_000},
    ),
    "ipv6": _Shape(
        tuple(
            struct.pack("!H", first)
            for first in (0x2001, *range(0x2400, 0x240A), *range(0x2600, 0x2608), *range(0x2A00, 0x2A15))
        ),
        {20: 50, 24: 100, 28: 2_000, 29: 27_000, 30: 4_000, 31: 2_000, 32: 190_000, 33: 30_000, 34: 15_000}
        | {36: 55_000, 38: 10_000, 40: 85_000, 42: 20_000, 44: 90_000, 45: 10_000, 46: 30_000, 47: 20_000, 48: 450_000},
    ),
}  # fmt: skip

_TRANSIT = (174, 701, 1299, 2914, 3257, 3320, 3356, 3491, 5511, 6453, 6461, 6762, 6830, 6939, 7018, 12956)


def updates(prefixes: int, *, asn: int, next_hop: str, seed: int = 1, family: Family = "ipv4") -> list[bytes]:
    """Encode UPDATEs that announce ``prefixes`` different prefixes, as a peer with ``asn`` sends them.

    ``next_hop`` is of the same ``family``.
    """
    random = Random(seed)
    found = networks(prefixes, family, random)
    encoded: list[bytes] = []
    at = 0
    while at < prefixes:
        size = max(1, int(MEAN_GROUP * (_TAIL - 1) / _TAIL * random.paretovariate(_TAIL) + random.random()))
        encoded += _group(attributes(random, asn), next_hop, family, found[at : at + size])
        at += size
    return encoded


def networks(count: int, family: Family, random: Random) -> list[bytes]:
    """Return so many different encoded prefixes, in no order."""
    beginnings, lengths = _SHAPES[family]
    found: dict[bytes, None] = {}
    each, weights = list(lengths), list(lengths.values())
    while len(found) < count:
        for length in random.choices(each, weights, k=count - len(found)):
            octets = (length + 7) // 8
            beginning = random.choice(beginnings)
            address = int.from_bytes(beginning) << octets * 8 - len(beginning) * 8
            address |= random.getrandbits(octets * 8 - len(beginning) * 8)
            spare = octets * 8 - length
            found[bytes([length]) + (address >> spare << spare).to_bytes(octets)] = None
    return list(found)


def attributes(random: Random, asn: int) -> list[tuple[int, bytes]]:
    """Return the encoded path attributes of a group by their codes, without its next hop."""
    path = [asn, *_path(random)]
    encoded = [
        (1, attribute(0x40, 1, bytes([0 if random.random() < 0.93 else 2]))),
        (2, attribute(0x40, 2, struct.pack(f"!BB{len(path)}I", 2, len(path), *path))),
    ]
    if random.random() < 0.15:
        encoded.append((4, attribute(0x80, 4, struct.pack("!I", random.randrange(1000)))))
    if random.random() < 0.6:
        communities = [
            (random.choice(_TRANSIT), random.randrange(65536)) for _ in range(random.randint(1, 12))
        ]
        value = b"".join(struct.pack("!HH", *community) for community in communities)
        encoded.append((8, attribute(0xC0, 8, value)))
    if random.random() < 0.1:
        large = [
            (_origin(random), random.randrange(1000), random.randrange(1000))
            for _ in range(random.randint(1, 3))
        ]
        value = b"".join(struct.pack("!III", *community) for community in large)
        encoded.append((32, attribute(0xC0, 32, value)))
    return encoded


def _path(random: Random) -> list[int]:
    hops = min(9, max(2, int(random.gauss(4.3, 1.3))))
    path = [random.choice(_TRANSIT), *(_origin(random) for _ in range(hops - 1))]
    prepends = random.randint(1, 3) if random.random() < 0.15 else 0
    return path + path[-1:] * prepends


def _origin(random: Random) -> int:
    return random.randrange(20_000, 64_000) if random.random() < 0.75 else random.randrange(131_072, 400_000)


def _group(
    attributes: list[tuple[int, bytes]], next_hop: str, family: Family, networks: list[bytes]
) -> Iterator[bytes]:
    """Encode the routes that share ``attributes``, in as many UPDATEs as they need."""
    empty = update(attributes, next_hop, family, b"")
    room = MAX_MESSAGE - len(empty) - 1  # MP_REACH_NLRI's own length may take an octet more
    nlri = b""
    for network in networks:
        if len(nlri) + len(network) > room:
            yield update(attributes, next_hop, family, nlri)
            nlri = b""
        nlri += network
    yield update(attributes, next_hop, family, nlri)


def update(attributes: list[tuple[int, bytes]], next_hop: str, family: Family, nlri: bytes) -> bytes:
    """Encode an UPDATE that announces ``nlri`` with these attributes, by their codes."""
    if family == "ipv4":
        hop = (3, attribute(0x40, 3, socket.inet_aton(next_hop)))
        encoded = b"".join(value for _, value in sorted([hop, *attributes]))
        return update_message(attributes=encoded, nlri=nlri)
    octets = socket.inet_pton(socket.AF_INET6, next_hop)
    reach = struct.pack("!HBB", AFI[family], UNICAST, len(octets)) + octets + b"\0" + nlri
    # In front of all others, as RFC 7606 section 5.1 recommends.
    return update_message(attributes=attribute(0x80, 14, reach) + b"".join(value for _, value in attributes))
