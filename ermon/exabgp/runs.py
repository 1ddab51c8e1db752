"""Finds runs of whole UPDATEs in the octets of a session: ``raw`` writes them as lines, ``frames`` reads them. Pure."""

from __future__ import annotations

_HEADER_OCTETS, _MARKER, _UPDATE = 19, b"\xff" * 16, 2  # RFC 4271 section 4.1
_LEAST_UPDATE_OCTETS = 23  # RFC 4271 section 4.3
"""Not taken from ``ermon.bgp.header``: of ermon's code, ExaBGP's process may read this folder only (``box``)."""


def first_run(held: bytes | bytearray, largest: int, limit: int) -> int:
    """Return the number of octets at the beginning that are a run of whole UPDATEs for one line; 0 if there is none.

    ``largest`` is the largest message of the session in octets (RFC 8654). A run is no longer than ``limit``, unless it is a
    single larger UPDATE.
    """
    end = 0
    while (size := size_of_update(held, end, largest)) and end + size <= len(held):
        if end and end + size > limit:
            break
        end += size
    return end


def is_for_exabgp(held: bytes | bytearray, largest: int) -> bool:
    """Return whether the octets begin with a header that is malformed or not that of an UPDATE."""
    return len(held) >= _HEADER_OCTETS and not size_of_update(held, 0, largest)


def size_of_update(held: bytes | bytearray, at: int, largest: int) -> int:
    """Return the length from an UPDATE's header; 0 without a complete and valid header of an UPDATE."""
    if len(held) - at < _HEADER_OCTETS or held[at + 18] != _UPDATE or not held.startswith(_MARKER, at):
        return 0
    size = held[at + 16] << 8 | held[at + 17]
    return size if _LEAST_UPDATE_OCTETS <= size <= largest else 0
