"""Network Layer Reachability Information: prefixes, with or without path identifiers, from their octets.

RFC 4271 section 4.3 (IPv4), RFC 4760 section 5 (IPv6), RFC 7911 section 3 (ADD-PATH), RFC 7606 section 5.3 (what
cannot be read). Whole tables come by here, so that the loops are written out: no call for each prefix that can be
saved, and no check that a table of 33 or 129 entries does by the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct

from ermon.bgp.unreadable import Unreadable
from ermon.model.prefixes import FAMILY_NAMES, Family, Prefix
from ermon.model.routes import RouteKey

_PATH_ID = Struct("!I")
_PATH_ID_OCTETS = 4
_OCTETS_OF = {"ipv4": 4, "ipv6": 16}

_STEPS = tuple(1 + (length + 7) // 8 for length in range(129))
"""By length in bits: the octets of an NLRI, with that of its length."""

_MASKS = {
    family: tuple((1 << octets * 8) - (1 << octets * 8 - length) for length in range(octets * 8 + 1))
    for family, octets in _OCTETS_OF.items()
}
"""By length in bits. What is set behind it is irrelevant (RFC 4271 section 4.3)."""

_new_prefix: Callable[[type[Prefix], Iterable[int]], Prefix] = tuple.__new__  # half as slow as Prefix()


def read_nlri(octets: bytes, family: Family, *, add_path: bool) -> list[RouteKey]:
    """Return the prefixes of a field in their order; ``Unreadable`` if it does not end where one of them ends."""
    try:
        if add_path:
            return _read_paths(octets, family)
        return _read_ipv4(octets) if family == "ipv4" else _read_ipv6(octets)
    except IndexError:  # of the masks: the octets of a length are always there
        raise Unreadable(
            f"the length of an {FAMILY_NAMES[family]} prefix is over {_OCTETS_OF[family] * 8}"
        ) from None


def _read_ipv4(octets: bytes) -> list[RouteKey]:
    end, masks, steps, new, number = len(octets), _MASKS["ipv4"], _STEPS, _new_prefix, int.from_bytes
    padded = octets + bytes(4)
    keys: list[RouteKey] = []
    add = keys.append
    at = 0
    while at < end:
        length = padded[at]
        add((new(Prefix, (4, number(padded[at + 1 : at + 5], "big") & masks[length], length)), None))
        at += steps[length]
    _check_end(at, end)
    return keys


def _read_ipv6(octets: bytes) -> list[RouteKey]:
    end, masks, steps, new, number = len(octets), _MASKS["ipv6"], _STEPS, _new_prefix, int.from_bytes
    padded = octets + bytes(16)
    keys: list[RouteKey] = []
    add = keys.append
    at = 0
    while at < end:
        length = padded[at]
        add((new(Prefix, (6, number(padded[at + 1 : at + 17], "big") & masks[length], length)), None))
        at += steps[length]
    _check_end(at, end)
    return keys


def _read_paths(octets: bytes, family: Family) -> list[RouteKey]:
    end, masks, steps, width = len(octets), _MASKS[family], _STEPS, _OCTETS_OF[family]
    version = 4 if family == "ipv4" else 6
    padded = octets + bytes(width + _PATH_ID_OCTETS)
    keys: list[RouteKey] = []
    at = 0
    while at < end:
        (path_id,) = _PATH_ID.unpack_from(padded, at)
        at += _PATH_ID_OCTETS
        length = padded[at]
        value = int.from_bytes(padded[at + 1 : at + 1 + width], "big") & masks[length]
        keys.append((_new_prefix(Prefix, (version, value, length)), path_id))
        at += steps[length]
    _check_end(at, end)
    return keys


def _check_end(at: int, end: int) -> None:
    if at != end:
        raise Unreadable("the last prefix goes on behind the end of its field")
