"""MRT records for what no daemon at hand writes (RFC 6396, RFC 8050)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from ipaddress import ip_address

from tests.bgp import encode_nlri

TABLE_DUMP_V2, BGP4MP, BGP4MP_ET = 13, 16, 17
PEER_INDEX_TABLE, RIB_IPV4, RIB_IPV6, RIB_GENERIC, RIB_IPV4_ADD_PATH, RIB_IPV6_ADD_PATH = 1, 2, 4, 6, 8, 10
TIME = 1_796_000_000


def record(kind: int, subtype: int, body: bytes, *, time: int = TIME, microseconds: int = 0) -> bytes:
    if kind == BGP4MP_ET:
        body = struct.pack("!I", microseconds) + body
    return struct.pack("!IHHI", time, kind, subtype, len(body)) + body


def peers(*ends: tuple[str, int], time: int = TIME) -> bytes:
    """A PEER_INDEX_TABLE."""
    body = b"\1\1\1\1" + struct.pack("!H", 4) + b"view" + struct.pack("!H", len(ends))
    for address, asn in ends:
        packed = ip_address(address).packed
        wide = asn > 65535
        kind = (len(packed) == 16) | wide << 1
        body += bytes([kind]) + b"\2\2\2\2" + packed + struct.pack("!I" if wide else "!H", asn)
    return record(TABLE_DUMP_V2, PEER_INDEX_TABLE, body, time=time)


def rib(
    prefix: str,
    entries: Sequence[tuple[int, bytes]],
    *,
    path_ids: Sequence[int] | None = None,
    generic: bool = False,
    time: int = TIME,
) -> bytes:
    """A record with the routes to a prefix: by the place of the peer, their path attributes."""
    is_ipv6 = ":" in prefix
    body = bytes(4)
    if generic:
        body += struct.pack("!HB", 2 if is_ipv6 else 1, 1)
    body += encode_nlri(prefix) + struct.pack("!H", len(entries))
    for at, (peer, attributes) in enumerate(entries):
        body += struct.pack("!HI", peer, TIME)
        if path_ids is not None:
            body += struct.pack("!I", path_ids[at])
        body += struct.pack("!H", len(attributes)) + attributes
    subtype = RIB_GENERIC if generic else RIB_IPV6 if is_ipv6 else RIB_IPV4
    subtype += 6 if path_ids is not None else 0
    return record(TABLE_DUMP_V2, subtype, body, time=time)
