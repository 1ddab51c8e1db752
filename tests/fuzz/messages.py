"""Fuzzed BGP messages: each is read, or refused with the one error, and the result is bounded by the octets."""

from __future__ import annotations

from random import Random

from ermon.bgp.notification import describe
from ermon.bgp.open import codec_between, read_open
from ermon.bgp.update import AttributesCache, Codec, Read, Unreadable, read_update
from ermon.model.prefixes import FAMILIES
from ermon.model.routes import ATTRIBUTES_BYTES
from tests.bgp import open_message
from tests.fuzz.mutate import break_bytes
from tests.wire.generate import CODECS, broken_bodies

_OPENS = [
    open_message(
        asn, router_id="192.0.2.1", families=FAMILIES, add_path=add_path, extended_messages=bool(add_path)
    )[19:]
    for asn in (64500, 200_000)
    for add_path in ((), FAMILIES)
] + [bytes.fromhex("04fbf4005ac0000201 ff ff 0009 02 0006 01 04 0002 00 01")]  # RFC 9072


def updates(random: Random) -> None:
    """Twenty UPDATEs of one session, whose cache has some of their attributes already."""
    codec, cache = random.choice(CODECS), AttributesCache(entries=8, octets=500)
    for body in broken_bodies(random, codec, 20):
        for octets in (body, body, break_bytes(random, body, [body])):
            again = update(octets, codec, AttributesCache())
            assert update(octets, codec, cache) == again
            assert len(cache) <= 8


def update(octets: bytes, codec: Codec, cache: AttributesCache) -> Read | str:
    try:
        read = read_update(octets, codec, cache)
    except Unreadable as error:
        return is_short(str(error))
    is_short(str(read.repaired))
    assert len(read.announced) + len(read.withdrawn) <= len(octets)
    held = max((route.attributes.held_bytes for route in read.announced), default=0)
    assert held <= ATTRIBUTES_BYTES + 10 * len(octets)
    for prefix, path_id in (*read.withdrawn, *(route.key for route in read.announced)):
        assert prefix.value & ((1 << prefix.bits - prefix.length) - 1) == 0
        assert (path_id is not None) == (prefix.family in codec.add_path)
    return read


def opens(random: Random) -> None:
    """OPENs, and NOTIFICATIONs, for which any octets are valid."""
    read = []
    for _ in range(20):
        try:
            read.append(read_open(break_bytes(random, random.choice(_OPENS), _OPENS)))
        except Unreadable as error:
            is_short(str(error))
    for each in read:
        assert codec_between(each, read[0]).add_path <= set(FAMILIES)
    for _ in range(20):
        data = break_bytes(random, b"\x0cplanned \xe2\x80\xaework")
        is_short(
            describe(random.choice((6, 6, random.randrange(256))), random.choice((2, 4, 9, 0)), data), 400
        )


def is_short(text: str, most: int = 150) -> str:
    assert text == "" or text.isprintable()
    assert len(text) <= most
    return text
