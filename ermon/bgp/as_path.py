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
"""By segment type: a confederation's are never special."""

_MOST_ASNS = 255
"""That the one octet of a segment's length can say."""

_ASNS = {
    width: tuple(Struct(f"!{count}{letter}") for count in range(_MOST_ASNS + 1))
    for width, letter in ((2, "H"), (4, "I"))
}
"""By octets of an ASN, then by how many there are."""


class MalformedPathError(ValueError):
    """RFC 7606 section 7.2, RFC 6793 section 6; says what is wrong, in printable ASCII."""


def read_as_path(octets: bytes, width: int) -> AsPath:
    """Read the value of an AS_PATH whose ASNs have 2 or 4 octets; ``MalformedPathError`` if that cannot be."""
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
    """Put the ASNs of four octets back into a path that came with ASNs of two (RFC 6793 section 4.2.3).

    ``octets`` is the value of the AS4_PATH. ``MalformedPathError`` if it cannot be one, and is to be ignored.
    """
    if not octets:
        raise MalformedPathError("no ASN")
    # An AS4_PATH has no confederation's segments; where it has, they are left out (RFC 6793 section 6).
    true = [segment for segment in _read_segments(octets, 4) if not segment.kind.is_confederation]
    missing = _length(path) - _length(true)
    return path if missing < 0 else AsPath(_joined([*_leading(path, missing), *true]))


def _length(path: Iterable[PathSegment]) -> int:
    """Count as route selection does: a set is one, a confederation nothing (RFC 4271 section 9.1.2.2, RFC 5065 section 5.3)."""
    return sum(
        len(segment.asns) if segment.kind is SegmentKind.SEQUENCE else segment.kind is SegmentKind.SET
        for segment in path
    )


def _leading(path: Iterable[PathSegment], length: int) -> Iterable[PathSegment]:
    """Yield the beginning of a path that counts ``length``, with the confederation's segments in and behind it."""
    for segment in path:
        if not segment.kind.is_confederation and length <= 0:
            return
        if segment.kind is SegmentKind.SEQUENCE and len(segment.asns) > length:
            yield PathSegment(segment.kind, segment.asns[:length])
            return
        yield segment
        length -= _length((segment,))


def _joined(path: Iterable[PathSegment]) -> Iterable[PathSegment]:
    """Make one sequence of those in a row: where it was put together is no part of the path.

    The time grows with the path's length, however many segments the sender makes of it.
    """
    for is_sequence, several in groupby(path, key=lambda segment: segment.kind is SegmentKind.SEQUENCE):
        if is_sequence:
            asns = chain.from_iterable(segment.asns for segment in several)
            yield PathSegment(SegmentKind.SEQUENCE, tuple(asns))
        else:
            yield from several
