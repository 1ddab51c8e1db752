"""Reads the tables of Microsoft's edge: as Azure Resource Manager answers, and as ``az`` and PowerShell write them to files.

Real values differ from the specification, so nothing is taken for granted but the names of the fields: a next hop may end in a
star, a path in an origin code, a count may be a word, and an ASN a negative number. A row that makes no sense is counted and left
out, and the table is then *partial*: it proves what it shows, and not that anything is missing.

Nothing here waits, sleeps, logs or reads a clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from ermon.model.azure_tables import DEVICES, AzureArp, AzureNeighbor, AzureRoute, AzureTraffic, read_asn
from ermon.model.prefixes import parse_nlri
from ermon.model.text import printable

MAX_BYTES = 32 * 1024 * 1024
"""The table of a circuit has some thousand routes, of some 200 octets each."""
MAX_ROWS = 100_000
_MAX_NEIGHBORS = 1_000
_LONGEST_TEXT = 400
"""Characters that are kept of a value. An AS path of 50 ASNs fits."""
_LONGEST_ERROR = 300

_NETWORK = re.compile(r"([0-9A-Fa-f:.]{2,45})(?:/(\d{1,3}))?", re.ASCII)
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
"""PowerShell writes one of these at the beginning of a file."""


class TableError(Exception):
    """A table cannot be used; the text says why, in one line that can be shown anywhere."""

    def __init__(self, text: str) -> None:
        super().__init__(printable(" ".join(text.split())[:_LONGEST_ERROR]))


class RouteTable(NamedTuple):
    """The routes of one edge router for one peering."""

    routes: tuple[AzureRoute, ...]
    partial: bool
    """Whether rows could not be read, or more rows exist than were read: nothing is proven to be missing then."""


def read_document(document: bytes) -> Any:
    """Decode the JSON of a file; ``TableError`` if it is none, or larger than ``MAX_BYTES``."""
    if len(document) > MAX_BYTES:
        raise TableError(f"has more than {MAX_BYTES >> 20} MiB")
    try:
        for mark, encoding in _BYTE_ORDER_MARKS:
            if document.startswith(mark):
                document = document.decode(encoding).encode()
        return msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise TableError(f"is not JSON: {error}") from error


def routes(value: Any) -> RouteTable:
    """Return the routes of a route table; ``TableError`` if it is no table."""
    rows, partial = _rows(value, MAX_ROWS)
    found: list[AzureRoute] = []
    network: str | None = None
    for row in rows:
        text = _text(row, "network")
        # The table of a router names a prefix once, and leaves its place empty for further paths.
        network = _network(text) if text else network
        if network is None:
            partial = True
            continue
        found.append(AzureRoute(network, _text(row, "nexthop"), _text(row, "path")))
    return RouteTable(tuple(found), partial)


def neighbors(value: Any) -> tuple[AzureNeighbor, ...]:
    """Return the neighbors of a route table's summary; ``TableError`` if it is none."""
    rows, _ = _rows(value, _MAX_NEIGHBORS)
    return tuple(
        AzureNeighbor(
            address,
            read_asn(_text(row, "as")) or 0,
            _text(row, "updown"),
            _text(row, "statepfxrcd") or _text(row, "statepfxrcvd"),
        )
        for row in rows
        if (address := _text(row, "neighbor"))
    )


def arp(value: Any) -> tuple[AzureArp, ...]:
    """Return the entries of an ARP table; ``TableError`` if it is none."""
    rows, _ = _rows(value, _MAX_NEIGHBORS)
    return tuple(
        AzureArp(
            _text(row, "interface") or _text(row, "interfaceproperty"),
            _text(row, "ipaddress"),
            _text(row, "macaddress"),
        )
        for row in rows
        if any(_text(row, name) for name in ("interface", "interfaceproperty", "ipaddress", "macaddress"))
    )


def traffic(value: Any) -> dict[str, AzureTraffic]:
    """Return the octets by edge router, ``primary`` and ``secondary``; ``TableError`` if there are none."""
    if not isinstance(value, dict):
        raise TableError(f"is not a circuit's statistics, but {_kind(value)}")
    fields = _fields(value)
    found = {
        device: AzureTraffic(_count(fields.get(f"{device}bytesin")), _count(fields.get(f"{device}bytesout")))
        for device in DEVICES
        if f"{device}bytesin" in fields or f"{device}bytesout" in fields
    }
    if not found:
        raise TableError("is not a circuit's statistics: it has neither primarybytesIn nor secondarybytesIn")
    return found


def next_link(value: Any) -> str | None:
    """Return where the rest of a table is, if an answer has only its beginning."""
    link = _fields(value).get("nextlink") if isinstance(value, dict) else None
    return link if isinstance(link, str) and link else None


# Rows and values ---------------------------------------------------------------------------------------------------


def _rows(value: Any, most: int) -> tuple[Iterator[Mapping[str, Any]], bool]:
    """Return the rows of a table, and whether there are more. PowerShell prints a single row without a list around it."""
    partial = next_link(value) is not None
    if isinstance(value, dict):
        fields = _fields(value)
        value = (fields["value"] or []) if "value" in fields else [value] if value else []
    if not isinstance(value, list):
        raise TableError(
            f"is not a table: neither a list nor an object with one in value, but {_kind(value)}"
        )
    rows = [_fields(row) for row in value[:most] if isinstance(row, dict)]
    return iter(rows), partial or len(rows) < len(value)


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields by their names in lower case: PowerShell writes ``NextHop`` for ``nextHop``."""
    return {name.lower(): value for name, value in row.items()}


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value) if isinstance(value, str) or abs(value) < 1 << 64 else ""
    return printable(" ".join(text[:_LONGEST_TEXT].split()))


def _count(value: Any) -> int:
    text = _text({"": value}, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


def _network(text: str) -> str | None:
    """Return the prefix in a text, without the marks of a router around it and without host bits."""
    for word in text.split():
        match = _NETWORK.fullmatch(word.strip("*>=~"))
        if match is None or not {".", ":"} & set(match[1]):
            continue
        length = match[2] or _classful(match[1])
        if length is None:
            return None
        try:
            return str(parse_nlri(f"{match[1]}/{int(length)}"))
        except ValueError:
            return None
    return None


def _classful(address: str) -> str | None:
    """Return the length that a router leaves out: that of the class of an IPv4 network (RFC 791 section 3.2)."""
    try:
        octets = parse_nlri(f"{address}/32").value.to_bytes(4, "big")
    except (ValueError, OverflowError):
        return None
    first = octets[0]
    length = 8 if first < 128 else 16 if first < 192 else 24 if first < 224 else None
    if length is None or not first or any(octets[length // 8 :]):
        return None
    return str(length)


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__
