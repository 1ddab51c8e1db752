"""The records of MRT: cut out of a file's octets, and written (RFC 6396 sections 2 and 3).

House rules of this package: pure, and total. For any octets, ``cut`` raises nothing but ``CutError``, and what reads a record
nothing but ``Unreadable`` and ``UnusedError``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

MAX_RECORD_OCTETS = 2**20
"""A longer record is refused: its length is damaged, or the file is not MRT. In the table of a collector with a thousand
peers, the record of a prefix is shorter.
"""

_HEADER = Struct("!IHHI")
"""Time in seconds, type, subtype, length."""
_MICROSECONDS = Struct("!I")
_MILLION = 1_000_000


class Kind(IntEnum):
    """The types of records that are read (RFC 6396 section 4)."""

    TABLE_DUMP_V2 = 13
    BGP4MP = 16
    BGP4MP_ET = 17


_NAMES = {
    11: "OSPFv2",
    12: "TABLE_DUMP",
    13: "TABLE_DUMP_V2",
    16: "BGP4MP",
    17: "BGP4MP_ET",
    32: "ISIS",
    33: "ISIS_ET",
    48: "OSPFv3",
    49: "OSPFv3_ET",
}
"""IANA, "MRT Types"."""
_EXTENDED_TIME = frozenset({17, 33, 49})
"""These begin with microseconds (RFC 6396 section 3)."""


class CutError(ValueError):
    """The octets cannot be cut into records from some place on. The text says where and why, in printable ASCII."""


class UnusedError(ValueError):
    """A record is of a kind that says nothing about sessions or unicast routes. The text names the kind."""


class Record(NamedTuple):
    """One record."""

    offset: int
    """Where it begins, in octets of the decompressed file."""
    time: float
    """Seconds since the epoch, rounded to microseconds."""
    kind: int
    subtype: int
    body: bytes
    """Behind the header, and behind the microseconds."""


def kind_name(kind: int, subtype: int) -> str:
    """Name a kind of records by its type and subtype, for people."""
    return f"{_NAMES.get(kind, 'MRT')} (type {kind}, subtype {subtype})"


def cut(blocks: Iterable[bytes]) -> Iterator[Record]:
    """Yield the records of a file that comes in ``blocks``; ``CutError`` behind the last whole one if there is anything else."""
    held, offset = b"", 0
    """``offset`` is where ``held`` begins."""
    for block in blocks:
        held += block
        at, end = 0, len(held)
        while end - at >= _HEADER.size:
            seconds, kind, subtype, size = _HEADER.unpack_from(held, at)
            if size > MAX_RECORD_OCTETS:
                raise CutError(
                    f"the record at octet {offset + at} says that it has {size} octets, and the limit is {MAX_RECORD_OCTETS}"
                )
            start = at + _HEADER.size
            if end - start < size:
                break
            yield _record(offset + at, seconds, kind, subtype, held[start : start + size])
            at = start + size
        held, offset = held[at:], offset + at
    if held:
        raise CutError(f"the record at octet {offset} is truncated: {len(held)} octets of it are there")


def _record(offset: int, seconds: int, kind: int, subtype: int, body: bytes) -> Record:
    if kind not in _EXTENDED_TIME or len(body) < _MICROSECONDS.size:
        return Record(offset, float(seconds), kind, subtype, body)
    (microseconds,) = _MICROSECONDS.unpack_from(body)
    time = round(seconds + min(microseconds, _MILLION - 1) / _MILLION, 6)
    return Record(offset, time, kind, subtype, body[_MICROSECONDS.size :])


def write_record(time: float, subtype: int, body: bytes) -> bytes:
    """Return a record of type BGP4MP_ET; ``time`` in seconds since the epoch, ``ValueError`` if there is no room for it."""
    seconds, microseconds = divmod(round(time * _MILLION), _MILLION)
    if not 0 <= seconds < 1 << 32:
        raise ValueError("MRT has times from 1970 to 2106")
    size = _MICROSECONDS.size + len(body)
    return _HEADER.pack(seconds, Kind.BGP4MP_ET, subtype, size) + _MICROSECONDS.pack(microseconds) + body
