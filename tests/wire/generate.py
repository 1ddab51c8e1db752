"""Random UPDATEs, well-formed and broken: first in their structure, which random octets rarely pass, then in their octets."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from random import Random

from ermon.bgp.update import Codec
from ermon.model.prefixes import FAMILIES, Family
from tests.bgp import AFI, attribute, update_message
from tests.fuzz.mutate import break_bytes

CODECS = tuple(
    Codec(four_octet, frozenset(add_path))
    for four_octet in (True, False)
    for add_path in ((), ("ipv4",), ("ipv6",), FAMILIES)
)
ASNS = (64500, 12076, 8075, 23456, 65001, 0, 65535)
LARGE_ASNS = (*ASNS, 200_000, 4_294_967_295)
ADDRESSES: dict[Family, tuple[bytes, ...]] = {
    "ipv4": (b"\xc0\0\2\1", b"\xc6\x33\x64\xff", bytes(4), b"\xff" * 4),
    "ipv6": tuple(
        bytes.fromhex(text.replace(":", ""))
        for text in (
            "2001:0db8:0000:0000:0000:0000:0000:0001",
            "fe80:0000:0000:0000:0000:0000:0000:0001",
            "0000:0000:0000:0000:0000:ffff:c000:0201",
            "0000:0000:0000:0000:0000:0000:0000:0000",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        )
    ),
}


def update_body(random: Random, codec: Codec) -> bytes:
    """Return the body of an UPDATE, roughly as a peer of that session may write it."""
    families = random.choices((("ipv4",), ("ipv6",), FAMILIES, ()), (6, 4, 2, 1))[0]
    withdrawn = nlri(random, "ipv4", codec) if random.random() < 0.2 else b""
    announced = nlri(random, "ipv4", codec) if "ipv4" in families else b""
    attributes = [each(random, codec) for each in ATTRIBUTES if random.random() < 0.3]
    if families or random.random() < 0.3:
        attributes += [origin(random, codec), as_path(random, codec)]
    if announced or random.random() < 0.1:
        attributes.append(attribute(0x40, 3, random.choice(ADDRESSES["ipv4"])))
    if "ipv6" in families:
        attributes.append(reach(random, "ipv6", codec))
    if random.random() < 0.1:
        attributes.append(unreach(random, random.choice(FAMILIES), codec))
    if random.random() < 0.02:
        attributes.append(reach(random, random.choice(FAMILIES), codec))
    random.shuffle(attributes)
    if attributes and random.random() < 0.3:
        at = random.randrange(len(attributes))
        attributes[at] = broken_attribute(random, attributes[at])
    if attributes and random.random() < 0.03:
        attributes.append(random.choice(attributes))
    return update_message(withdrawn, b"".join(attributes), announced)[19:]


def broken_bodies(random: Random, codec: Codec, count: int) -> Iterator[bytes]:
    """Yield ``count`` bodies; every third is also broken in its octets."""
    body = update_body(random, codec)
    for number in range(count):
        if number % 3 == 2:
            yield break_bytes(random, body, [body])
        else:
            body = update_body(random, codec)
            yield body


def broken_attribute(random: Random, octets: bytes) -> bytes:
    flags, code = octets[0], octets[1]
    value = octets[4 if flags & 0x10 else 3 :]
    match random.randrange(5):
        case 0:
            flags ^= random.choice((0x80, 0x40, 0x20, 0xC0, 0x01))
        case 1:
            value = value[: random.randrange(len(value) + 1)]
        case 2:
            value += random.randbytes(random.randrange(1, 5))
        case 3 if value:
            at = random.randrange(len(value))
            value = value[:at] + random.choice((b"\0", b"\1", b"\xff", b"\x21", b"\5")) + value[at + 1 :]
        case _:
            code = random.randrange(256)
    return attribute(flags & 0xEF, code, value)


def nlri(random: Random, family: Family, codec: Codec) -> bytes:
    return b"".join(prefix(random, family, codec) for _ in range(random.choice((1, 1, 2, 5))))


def prefix(random: Random, family: Family, codec: Codec) -> bytes:
    bits = 32 if family == "ipv4" else 128
    length = random.choice((24, 24, 28, 16, 0, 32, bits, random.randrange(bits + 1)))
    path_id = random.randrange(5).to_bytes(4, "big") if family in codec.add_path else b""
    octets = random.choice((random.choice(ADDRESSES[family]), random.randbytes(bits // 8)))
    return path_id + bytes([length]) + octets[: (length + 7) // 8]


def reach(random: Random, family: Family, codec: Codec) -> bytes:
    addresses = ADDRESSES[family]
    next_hop = random.choice(addresses)
    if family == "ipv6" and random.random() < 0.3:
        next_hop += random.choice(addresses)
    afi, safi = AFI[family], 1
    if random.random() < 0.05:
        afi, safi = random.choice(((1, 2), (2, 2), (1, 128), (25, 70), (1, 133), (0, 0)))
    head = struct.pack("!HBB", afi, safi, len(next_hop)) + next_hop + b"\0"
    return attribute(0x80, 14, head + (nlri(random, family, codec) if random.random() < 0.97 else b""))


def unreach(random: Random, family: Family, codec: Codec) -> bytes:
    safi = 1 if random.random() < 0.9 else 2
    return attribute(
        0x80,
        15,
        struct.pack("!HB", AFI[family], safi)
        + (nlri(random, family, codec) if random.random() < 0.7 else b""),
    )


def origin(random: Random, _: Codec) -> bytes:
    return attribute(
        0x40, 1, bytes([random.choice((0, 1, 2)) if random.random() < 0.98 else random.randrange(256)])
    )


def segments(random: Random, letter: str, asns: tuple[int, ...]) -> bytes:
    encoded = b""
    for _ in range(random.choice((0, 1, 1, 1, 1, 2, 3))):
        count = random.choice((1, 2, 3, 5, 0 if random.random() < 0.1 else 4))
        kind = random.choice((2, 2, 2, 2, 1, 3, 4))
        encoded += struct.pack(f"!BB{count}{letter}", kind, count, *random.choices(asns, k=count))
    return encoded


def as_path(random: Random, codec: Codec) -> bytes:
    value = segments(random, "I", LARGE_ASNS) if codec.four_octet else segments(random, "H", ASNS)
    return attribute(0x40, 2, value)


def as4_path(random: Random, _: Codec) -> bytes:
    return attribute(0xC0, 17, segments(random, "I", LARGE_ASNS))


def aggregator(random: Random, codec: Codec) -> bytes:
    asn = random.choice((23456, 64500))
    return attribute(0xC0, 7, asn.to_bytes(4 if codec.four_octet else 2, "big") + b"\xc0\0\2\1")


def _fixed(flags: int, code: int, octets: int) -> Callable[[Random, Codec], bytes]:
    return lambda random, _: attribute(flags, code, random.randbytes(octets))


def _several(flags: int, code: int, octets: int) -> Callable[[Random, Codec], bytes]:
    return lambda random, _: attribute(flags, code, random.randbytes(octets * random.choice((1, 1, 2, 5))))


ATTRIBUTES: tuple[Callable[[Random, Codec], bytes], ...] = (
    _fixed(0x80, 4, 4),
    _fixed(0x40, 5, 4),
    _fixed(0x40, 6, 0),
    aggregator,
    _several(0xC0, 8, 4),
    _fixed(0x80, 9, 4),
    _several(0x80, 10, 4),
    _several(0xC0, 16, 8),
    as4_path,
    _fixed(0xC0, 18, 8),
    _several(0xC0, 25, 20),
    _several(0xC0, 32, 12),
    _several(0xC0, 200, 1),
)
