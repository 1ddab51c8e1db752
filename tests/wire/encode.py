"""Encodes UPDATEs, by RFC 4271, 4760, 6793 section 4.2.2, 7911 and 8092."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from ermon.bgp.update import Codec
from ermon.model.prefixes import Address, Family
from ermon.model.routes import AsPath, Attributes, PathSegment, Route, RouteKey, SegmentKind
from tests.bgp import AFI, UNICAST, attribute, update_message

KINDS = {
    SegmentKind.SET: 1,
    SegmentKind.SEQUENCE: 2,
    SegmentKind.CONFED_SEQUENCE: 3,
    SegmentKind.CONFED_SET: 4,
}
ORIGINS = {"igp": 0, "egp": 1, "incomplete": 2}
AS_TRANS = 23456


def encode_update(announced: list[Route], withdrawn: list[RouteKey], codec: Codec) -> bytes:
    """Encode the body of an UPDATE. All routes have the same attributes, whose next hop is that of both families."""
    attributes = b""
    nlri = {family: keys_of(announced, family, codec) for family in AFI}
    gone = {family: encode_keys([k for k in withdrawn if k[0].family == family], codec) for family in AFI}
    if nlri["ipv6"]:
        next_hop = encode_address(announced[0].attributes.next_hop)
        head = struct.pack("!HBB", AFI["ipv6"], UNICAST, len(next_hop)) + next_hop + b"\0"
        attributes += attribute(0x80, 14, head + nlri["ipv6"])
    if gone["ipv6"]:
        attributes += attribute(0x80, 15, struct.pack("!HB", AFI["ipv6"], UNICAST) + gone["ipv6"])
    if announced:
        attributes += encode_attributes(announced[0].attributes, codec, with_next_hop=bool(nlri["ipv4"]))
    return update_message(gone["ipv4"], attributes, nlri["ipv4"])[19:]


def keys_of(routes: Iterable[Route], family: Family, codec: Codec) -> bytes:
    return encode_keys([route.key for route in routes if route.prefix.family == family], codec)


def encode_keys(keys: Iterable[RouteKey], codec: Codec) -> bytes:
    encoded = b""
    for prefix, path_id in keys:
        if prefix.family in codec.add_path:
            assert path_id is not None
            encoded += path_id.to_bytes(4, "big")
        octets = prefix.value.to_bytes(prefix.bits // 8, "big")
        encoded += bytes([prefix.length]) + octets[: (prefix.length + 7) // 8]
    return encoded


def encode_address(address: Address | None) -> bytes:
    """Encode the next hop of an IPv6 route."""
    assert address is not None
    if address.version == 4:  # mapped
        return bytes(10) + b"\xff\xff" + address.value.to_bytes(4, "big")
    return address.value.to_bytes(16, "big")


def encode_attributes(said: Attributes, codec: Codec, *, with_next_hop: bool) -> bytes:
    encoded = attribute(0x40, 1, bytes([ORIGINS[said.origin or ""]]))
    encoded += attribute(0x40, 2, encode_path(said.as_path, "I" if codec.four_octet else "H"))
    if not codec.four_octet and needs_as4_path(said.as_path):
        true = [segment for segment in said.as_path if not segment.kind.is_confederation]
        encoded += attribute(0xC0, 17, encode_path(true, "I"))
    if with_next_hop:
        assert said.next_hop is not None
        encoded += attribute(0x40, 3, said.next_hop.value.to_bytes(4, "big"))
    if said.med is not None:
        encoded += attribute(0x80, 4, said.med.to_bytes(4, "big"))
    if said.local_preference is not None:
        encoded += attribute(0x40, 5, said.local_preference.to_bytes(4, "big"))
    if said.communities:
        encoded += attribute(0xC0, 8, b"".join(struct.pack("!HH", *each) for each in said.communities))
    if said.large_communities:
        encoded += attribute(
            0xC0, 32, b"".join(struct.pack("!III", *each) for each in said.large_communities)
        )
    return encoded


def needs_as4_path(path: AsPath) -> bool:
    return any(asn > 0xFFFF for segment in path for asn in segment.asns if not segment.kind.is_confederation)


def encode_path(path: Iterable[PathSegment], letter: str) -> bytes:
    encoded = b""
    for segment in path:
        asns = [asn if letter == "I" or asn <= 0xFFFF else AS_TRANS for asn in segment.asns]
        encoded += struct.pack(f"!BB{len(asns)}{letter}", KINDS[segment.kind], len(asns), *asns)
    return encoded
