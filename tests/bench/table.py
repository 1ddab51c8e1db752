"""A synthetic full table as encoded UPDATEs: the same octets for the same arguments, on every machine.

The shape is that of the IPv4 table of 2024 to 2026: 60 % of the prefixes are /24; routes share their path
attributes in groups whose sizes are heavy-tailed, about 7 on average; paths have 4.3 ASNs on average; 60 %
of the groups carry communities, 10 % large communities, 15 % a MED.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from random import Random

from tests.bgp import attribute, update_message

MAX_MESSAGE = 4096
"""Octets of a BGP message (RFC 4271 section 4)."""

MEAN_GROUP = 7.0
_TAIL = 1.6
"""The exponent of the Pareto distribution that group sizes follow."""

_LENGTHS = {
    24: 0.6,
    23: 0.1,
    22: 0.12,
    21: 0.05,
    20: 0.045,
    19: 0.03,
    18: 0.015,
    17: 0.01,
    16: 0.015,
    15: 0.004,
    14: 0.004,
    13: 0.002,
    12: 0.002,
}
"""Of each prefix length its share."""

_TRANSIT = (174, 701, 1299, 2914, 3257, 3320, 3356, 3491, 5511, 6453, 6461, 6762, 6830, 6939, 7018, 12956)


def updates(prefixes: int, *, asn: int, next_hop: str, seed: int = 1) -> list[bytes]:
    """Encode UPDATEs that announce ``prefixes`` different IPv4 prefixes, as a peer with ``asn`` sends them."""
    random = Random(seed)
    networks = list(_networks(prefixes, random))
    random.shuffle(networks)
    encoded: list[bytes] = []
    at = 0
    while at < prefixes:
        size = max(1, int(MEAN_GROUP * (_TAIL - 1) / _TAIL * random.paretovariate(_TAIL) + random.random()))
        encoded += _group(_attributes(random, asn, next_hop), networks[at : at + size])
        at += size
    return encoded


def _networks(count: int, random: Random) -> Iterator[bytes]:
    """Yield encoded prefixes, one behind the other, from 1.0.0.0 on, private and loopback space aside."""
    address = 1 << 24
    for length in random.choices(list(_LENGTHS), list(_LENGTHS.values()), k=count):
        size = 1 << (32 - length)
        address = -(-address // size) * size
        for left_out in (10, 127):
            if address >> 24 == left_out:
                address = (left_out + 1) << 24
        yield bytes([length]) + struct.pack("!I", address)[: (length + 7) // 8]
        address += size


def _attributes(random: Random, asn: int, next_hop: str) -> bytes:
    path = [asn, *_path(random)]
    encoded = attribute(0x40, 1, bytes([0 if random.random() < 0.93 else 2]))
    encoded += attribute(0x40, 2, struct.pack(f"!BB{len(path)}I", 2, len(path), *path))
    encoded += attribute(0x40, 3, socket.inet_aton(next_hop))
    if random.random() < 0.15:
        encoded += attribute(0x80, 4, struct.pack("!I", random.randrange(1000)))
    if random.random() < 0.6:
        communities = [
            (random.choice(_TRANSIT), random.randrange(65536)) for _ in range(random.randint(1, 12))
        ]
        encoded += attribute(0xC0, 8, b"".join(struct.pack("!HH", *community) for community in communities))
    if random.random() < 0.1:
        large = [
            (_origin(random), random.randrange(1000), random.randrange(1000))
            for _ in range(random.randint(1, 3))
        ]
        encoded += attribute(0xC0, 32, b"".join(struct.pack("!III", *community) for community in large))
    return encoded


def _path(random: Random) -> list[int]:
    hops = min(9, max(2, int(random.gauss(4.3, 1.3))))
    path = [random.choice(_TRANSIT), *(_origin(random) for _ in range(hops - 1))]
    prepends = random.randint(1, 3) if random.random() < 0.15 else 0
    return path + path[-1:] * prepends


def _origin(random: Random) -> int:
    return random.randrange(20_000, 64_000) if random.random() < 0.75 else random.randrange(131_072, 400_000)


def _group(attributes: bytes, networks: list[bytes]) -> Iterator[bytes]:
    """Encode the routes that share ``attributes``, in as many UPDATEs as they need."""
    room = MAX_MESSAGE - 19 - 4 - len(attributes)
    nlri = b""
    for network in networks:
        if len(nlri) + len(network) > room:
            yield update_message(attributes=attributes, nlri=nlri)
            nlri = b""
        nlri += network
    yield update_message(attributes=attributes, nlri=nlri)
