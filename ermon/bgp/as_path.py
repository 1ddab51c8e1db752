"""AS_PATH and AS4_PATH from their octets (RFC 4271 section 4.3, RFC 5065 section 3, RFC 6793, RFC 7606 section 7.2)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, groupby
from struct import Struct

from ermon.model.routes import AsPath, PathSegment, SegmentKind

_SEQUENCE = 2
_KINDS = {
    1: SegmentKind.SET,
    _SEQUENCE: SegmentKind.SEQUENCE,
    3: SegmentKind.CONFED_SEQUENCE,
    4: SegmentKind.CONFED_SET,
}
"""By segment type. Confederation segments (3 and 4) keep their kind."""

_MOST_ASNS = 255
"""In a segment, whose length field has one octet."""

_ASNS = {
    width: tuple(Struct(f"!{count}{letter}") for count in range(_MOST_ASNS + 1))
    for width, letter in ((2, "H"), (4, "I"))
}
"""By the width of an ASN in octets, then by the number of ASNs."""


class MalformedPathError(ValueError):
    """An AS path is malformed (RFC 7606 section 7.2, RFC 6793 section 6). The text says how, in printable ASCII."""


def read_as_path(octets: bytes, width: int) -> AsPath:
    """Read the value of an AS_PATH whose ASNs have ``width`` octets, 2 or 4; ``MalformedPathError`` if it is malformed."""
    if len(octets) > 2 and octets[0] == _SEQUENCE and len(octets) == 2 + octets[1] * width:  # nearly all
        return AsPath.of_sequence(_ASNS[width][octets[1]].unpack_from(octets, 2))
    return AsPath(_read_segments(octets, width))


def _read_segments(octets: bytes, width: int) -> list[PathSegment]:
    segments: list[PathSegment] = []
    at, end = 0, len(octets)
    while at < end:
        if end - at < 2:
            raise MalformedPathError("half a segment at the end")
        kind, count = _KINDS.get(octets[at]), octets[at + 1]
        if kind is None:
            raise MalformedPathError(f"segment of type {octets[at]}")
        if count == 0:
            raise MalformedPathError("segment without an ASN")
        start, at = at + 2, at + 2 + count * width
        if at > end:
            raise MalformedPathError("segment goes on behind the end")
        segments.append(PathSegment(kind, _ASNS[width][count].unpack_from(octets, start)))
    return segments


def merge_as4_path(path: AsPath, octets: bytes) -> AsPath:
    """Restore the four-octet ASNs of a path that was received with two-octet ASNs (RFC 6793 section 4.2.3).

    ``octets`` is the value of the AS4_PATH. ``MalformedPathError`` if it is malformed: the caller ignores it then.
    """
    if not octets:
        raise MalformedPathError("no ASN")
    # An AS4_PATH must not have confederation segments: they are removed (RFC 6793 section 6).
    true = [segment for segment in _read_segments(octets, 4) if not segment.kind.is_confederation]
    missing = _length(path) - _length(true)
    return path if missing < 0 else AsPath(_joined([*_leading(path, missing), *true]))


def _length(path: Iterable[PathSegment]) -> int:
    """Count as route selection does: a set is one, confederations are zero (RFC 4271 section 9.1.2.2, RFC 5065 section 5.3)."""
    return sum(
        len(segment.asns) if segment.kind is SegmentKind.SEQUENCE else segment.kind is SegmentKind.SET
        for segment in path
    )


def _leading(path: Iterable[PathSegment], length: int) -> Iterable[PathSegment]:
    """Yield the first segments of a path, up to ``length``, with the confederation segments in and directly after them."""
    for segment in path:
        if not segment.kind.is_confederation and length <= 0:
            return
        if segment.kind is SegmentKind.SEQUENCE and len(segment.asns) > length:
            yield PathSegment(segment.kind, segment.asns[:length])
            return
        yield segment
        length -= _length((segment,))


def _joined(path: Iterable[PathSegment]) -> Iterable[PathSegment]:
    """Join consecutive sequences: the boundary between AS_PATH and AS4_PATH is not part of the path.

    The time is linear in the length of the path, for any number of segments.
    """
    for is_sequence, several in groupby(path, key=lambda segment: segment.kind is SegmentKind.SEQUENCE):
        if is_sequence:
            asns = chain.from_iterable(segment.asns for segment in several)
            yield PathSegment(SegmentKind.SEQUENCE, tuple(asns))
        else:
            yield from several
