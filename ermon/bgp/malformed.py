"""UPDATEs with malformed attributes, for who counts them."""

from __future__ import annotations

import msgspec

from ermon.bgp.attributes import RepairKind
from ermon.bgp.update import Read
from ermon.model.prefixes import Prefix


class Malformed(msgspec.Struct, frozen=True):
    """An UPDATE with a malformed attribute, read by RFC 7606."""

    feed: str
    kind: RepairKind
    what: str
    """The attribute and its error: short, and printable ASCII."""
    prefix: Prefix | None
    """One of its routes."""


def malformed_of(read: Read, feed: str) -> Malformed | None:
    """Return what was malformed in an UPDATE of a feed, if anything was."""
    return None if read.repaired is None else Malformed(feed, *read.repaired, _route_of(read))


def _route_of(read: Read) -> Prefix | None:
    """Return a route of an UPDATE. Routes withdrawn by RFC 7606 come after those that the router withdraws."""
    if read.announced:
        return read.announced[0].prefix
    return read.withdrawn[-1][0] if read.withdrawn else None
