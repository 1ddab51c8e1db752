"""Runs of whole UPDATEs in the octets of a session: what ``raw`` makes lines of, and ``frames`` reads. Pure."""

from __future__ import annotations

FRAME_OCTETS = 2**12
"""Of the UPDATEs of a line, or a single larger one: some 40 of a table, which ermon takes in within a slice of its loop."""

HEADER_OCTETS, _MARKER, _UPDATE = 19, b"\xff" * 16, 2  # RFC 4271 section 4.1
_LEAST_UPDATE_OCTETS = 23  # RFC 4271 section 4.3


def first_run(held: bytes | bytearray, largest: int) -> int:
    """Return how many octets at the beginning are a run of whole UPDATEs that makes a line: 0 where there is none.

    ``largest`` is the largest message of the session in octets (RFC 8654).
    """
    end = 0
    while (size := size_of_update(held, end, largest)) and end + size <= len(held):
        if end and end + size > FRAME_OCTETS:
            break
        end += size
    return end


def is_for_exabgp(held: bytes | bytearray, largest: int) -> bool:
    """Return whether there is a header at the beginning, and it is not that of an UPDATE, or it is malformed."""
    return len(held) >= HEADER_OCTETS and not size_of_update(held, 0, largest)


def size_of_update(held: bytes | bytearray, at: int, largest: int) -> int:
    """Return the length in an UPDATE's header; 0 where no such header is there in full."""
    if len(held) - at < HEADER_OCTETS or held[at + 18] != _UPDATE or not held.startswith(_MARKER, at):
        return 0
    size = held[at + 16] << 8 | held[at + 17]
    return size if _LEAST_UPDATE_OCTETS <= size <= largest else 0
