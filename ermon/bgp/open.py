"""OPEN messages from their octets, and the capabilities that two OPENs agree on (RFC 4271 section 4.2, RFC 5492, RFC 9072).

This file does not decide whether the session can be established: values that the receiver would refuse are returned
unchanged. Capabilities that are unknown or have a wrong length are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntFlag

import msgspec

from ermon.bgp.multiprotocol import family_of
from ermon.bgp.unreadable import Unreadable
from ermon.bgp.update import Codec
from ermon.model.prefixes import Address, Family

_VERSION = 4
_FIXED_OCTETS = 10
"""Version, My Autonomous System, Hold Time, BGP Identifier and Optional Parameters Length."""
_CAPABILITIES = 2
"""The optional parameter of RFC 5492 section 4."""
_EXTENDED = 255
"""As the type of the first parameter: the length fields have two octets (RFC 9072 section 2)."""
_MULTIPROTOCOL, _EXTENDED_MESSAGE, _FOUR_OCTET_ASN, _ADD_PATH = 1, 6, 65, 69
"""IANA, "Capability Codes": RFC 4760 section 8, RFC 8654, RFC 6793, RFC 7911 section 4."""


class Direction(IntFlag):
    """The directions in which a speaker supports several paths (RFC 7911 section 4)."""

    RECEIVE = 1
    SEND = 2


class Open(msgspec.Struct, frozen=True):
    """The content of an OPEN."""

    asn: int
    """From the capability for four-octet ASNs, if there is one."""
    hold_time: int
    """In seconds, as offered."""
    router_id: Address
    families: frozenset[Family]
    """IPv4 and IPv6 unicast, as announced; IPv4 if there is no multiprotocol capability (RFC 4760 section 8)."""
    four_octet: bool = False
    """Whether it supports four-octet ASNs."""
    extended_messages: bool = False
    add_path: Mapping[Family, Direction] = {}


def read_open(body: bytes) -> Open:
    """Read the body of an OPEN, without its header; ``Unreadable`` if its lengths contradict each other or it is not BGP-4."""
    if len(body) < _FIXED_OCTETS:
        raise Unreadable(f"an OPEN of {len(body)} octets behind its header")
    if body[0] != _VERSION:
        raise Unreadable(f"an OPEN of BGP version {body[0]}")
    asn: int | None = None
    families: set[Family] = set()
    add_path: dict[Family, Direction] = {}
    codes: set[int] = set()
    for code, value in _capabilities(body):
        codes.add(code)
        if code == _MULTIPROTOCOL and len(value) == 4:
            families |= _known(family_of(value[:2] + value[3:]))
        elif code == _FOUR_OCTET_ASN and len(value) == 4:
            asn = int.from_bytes(value, "big")
        elif code == _ADD_PATH:
            add_path.update(_read_add_path(value))
    return Open(
        asn=int.from_bytes(body[1:3], "big") if asn is None else asn,
        hold_time=int.from_bytes(body[3:5], "big"),
        router_id=Address(4, int.from_bytes(body[5:9], "big")),
        families=frozenset(families) if _MULTIPROTOCOL in codes else frozenset({"ipv4"}),
        four_octet=asn is not None,
        extended_messages=_EXTENDED_MESSAGE in codes,
        add_path=add_path,
    )


def _known(family: Family | None) -> set[Family]:
    return set() if family is None else {family}


def _capabilities(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield code and value of each capability, from all optional parameters (RFC 5492 section 4)."""
    octets, width = body[_FIXED_OCTETS:], 1
    size = body[_FIXED_OCTETS - 1]
    if size and octets[:1] == bytes([_EXTENDED]):
        if len(octets) < 3:
            raise Unreadable("an OPEN that ends before its optional parameters")
        size, octets, width = int.from_bytes(octets[1:3], "big"), octets[3:], 2
    if size != len(octets):
        raise Unreadable(f"an OPEN with {len(octets)} octets of optional parameters that says {size}")
    for kind, value in _fields(octets, width):
        if kind == _CAPABILITIES:
            yield from _fields(value, 1)


def _fields(octets: bytes, width: int) -> Iterator[tuple[int, bytes]]:
    """Yield type and value of each field; its length field has ``width`` octets."""
    at, end = 0, len(octets)
    while at < end:
        start = at + 1 + width
        stop = start + int.from_bytes(octets[at + 1 : start], "big")
        if stop > end:
            raise Unreadable("an optional parameter of an OPEN goes on behind its end")
        yield octets[at], octets[start:stop]
        at = stop


def _read_add_path(value: bytes) -> Iterator[tuple[Family, Direction]]:
    """Yield the known families with a valid direction; others are ignored (RFC 7911 section 4)."""
    for at in range(0, len(value) - 3, 4):
        family, direction = family_of(value[at : at + 3]), value[at + 3]
        if family is not None and 0 < direction <= Direction.SEND | Direction.RECEIVE:
            yield family, Direction(direction)


def codec_between(sender: Open, receiver: Open) -> Codec:
    """Return how ``sender`` encodes UPDATEs for ``receiver``, by what both support (RFC 6793 section 4.1, RFC 7911 section 5)."""
    add_path = {
        family
        for family, direction in sender.add_path.items()
        if direction & Direction.SEND and receiver.add_path.get(family, 0) & Direction.RECEIVE
    }
    return Codec(sender.four_octet and receiver.four_octet, frozenset(add_path))
