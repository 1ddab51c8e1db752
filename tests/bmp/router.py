"""A router that reports by BMP what the tests want it to: for what no daemon at hand sends (RFC 7854, 8671, 9069)."""

from __future__ import annotations

import struct

from ermon.model.prefixes import Address, parse_address
from tests.bgp import open_message

GLOBAL, VRF, LOC_RIB = 0, 1, 3
"""Types of peers."""
IPV6, POST_POLICY, TWO_OCTET_PATHS, ADJ_RIB_OUT = 0x80, 0x40, 0x20, 0x10
ROUTE_MONITORING, STATISTICS, PEER_DOWN, PEER_UP, INITIATION, TERMINATION, ROUTE_MIRRORING = range(7)

MICROSOFT = 12076
EDGE = 64500


def message(kind: int, body: bytes = b"", *, version: int = 3) -> bytes:
    return struct.pack("!BIB", version, 6 + len(body), kind) + body


def information(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value


def initiation(name: str = "edge-1", description: str = "a router") -> bytes:
    return message(INITIATION, information(2, name.encode()) + information(1, description.encode()))


def termination(code: int, text: str = "") -> bytes:
    said = information(0, text.encode()) if text else b""
    return message(TERMINATION, information(1, struct.pack("!H", code)) + said)


def peer_header(
    peer: str = "203.0.113.2",
    *,
    flags: int = 0,
    kind: int = GLOBAL,
    distinguisher: bytes = bytes(8),
    asn: int = MICROSOFT,
) -> bytes:
    address = parse_address(peer)
    flags |= IPV6 if address.version == 6 else 0
    return struct.pack(
        "!BB8s16sI4sII", kind, flags, distinguisher, octets(address), asn, b"\xcb\0\x71\2", 1, 0
    )


def octets(address: Address) -> bytes:
    return address.value.to_bytes(16, "big")


def peer_up(
    header: bytes | None = None,
    *,
    local: str = "203.0.113.1",
    ports: tuple[int, int] = (42337, 179),
    sent: bytes | None = None,
    received: bytes | None = None,
    surplus: bytes = b"",
) -> bytes:
    both = ("ipv4", "ipv6")
    sent = open_message(EDGE, router_id="192.0.2.201", families=both) if sent is None else sent
    received = (
        open_message(MICROSOFT, router_id="203.0.113.2", families=both) if received is None else received
    )
    body = (header or peer_header()) + octets(parse_address(local)) + struct.pack("!HH", *ports)
    return message(PEER_UP, body + sent + received + surplus)


def peer_down(reason: int, data: bytes = b"", header: bytes | None = None) -> bytes:
    return message(PEER_DOWN, (header or peer_header()) + bytes([reason]) + data)


def route_monitoring(update: bytes, header: bytes | None = None, surplus: bytes = b"") -> bytes:
    return message(ROUTE_MONITORING, (header or peer_header(flags=POST_POLICY)) + update + surplus)


def statistics(*numbers: tuple[int, bytes], header: bytes | None = None) -> bytes:
    fields = b"".join(information(kind, value) for kind, value in numbers)
    return message(STATISTICS, (header or peer_header()) + struct.pack("!I", len(numbers)) + fields)


def gauge(value: int) -> bytes:
    return struct.pack("!Q", value)
