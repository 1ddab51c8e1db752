"""Network Layer Reachability Information: prefixes, with or without path identifiers, from their octets.

RFC 4271 section 4.3 (IPv4), RFC 4760 section 5 (IPv6), RFC 7911 section 3 (ADD-PATH), RFC 7606 section 5.3 (syntax
errors). This runs for whole tables, so the loops are written out: they avoid calls for each prefix, and a lookup in a
table of 33 or 129 entries checks the length at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct

from ermon.bgp.unreadable import Unreadable
from ermon.model.prefixes import FAMILY_NAMES, Family, Prefix
from ermon.model.routes import Attributes, Route, RouteKey

_OCTETS_OF: dict[Family, int] = {"ipv4": 4, "ipv6": 16}
_PATH_ID_OCTETS = 4

_STEPS = tuple(1 + (length + 7) // 8 for length in range(129))
"""By length in bits: the octets of an NLRI, including its length octet."""

_MASKS = {
    family: tuple((1 << octets * 8) - (1 << octets * 8 - length) for length in range(octets * 8 + 1))
    for family, octets in _OCTETS_OF.items()
}
"""By length in bits. The bits after the length are irrelevant (RFC 4271 section 4.3)."""

_new_prefix: Callable[[type[Prefix], Iterable[int]], Prefix] = tuple.__new__  # half as slow as Prefix()
_ipv4 = Struct("!BI").unpack_from
_ipv6 = Struct("!BQQ").unpack_from
_path_id = Struct("!I").unpack_from


def read_keys(octets: bytes, family: Family, *, add_path: bool) -> list[RouteKey]:
    """Return the prefixes of a field, in order; ``Unreadable`` if one is too long or the last is incomplete."""
    if add_path:
        return _read_paths(octets, family)
    return [(prefix, None) for prefix in _read_prefixes(octets, family)]


def read_routes(octets: bytes, family: Family, attributes: Attributes, *, add_path: bool) -> list[Route]:
    """Return the prefixes of a field as routes with the same attributes; ``Unreadable`` as in ``read_keys``."""
    if add_path:
        return [Route(prefix, path_id, attributes) for prefix, path_id in _read_paths(octets, family)]
    return [Route(prefix, None, attributes) for prefix in _read_prefixes(octets, family)]


def _read_prefixes(octets: bytes, family: Family) -> list[Prefix]:
    end, masks, steps, new = len(octets), _MASKS[family], _STEPS, _new_prefix
    padded = octets + bytes(_OCTETS_OF[family])
    prefixes: list[Prefix] = []
    add = prefixes.append
    at = 0
    try:
        if family == "ipv4":
            while at < end:
                length, value = _ipv4(padded, at)
                add(new(Prefix, (4, value & masks[length], length)))
                at += steps[length]
        else:
            while at < end:
                length, upper, lower = _ipv6(padded, at)
                add(new(Prefix, (6, (upper << 64 | lower) & masks[length], length)))
                at += steps[length]
    except IndexError:  # of the masks
        raise _too_long(family) from None
    _check_end(at, end)
    return prefixes


def _read_paths(octets: bytes, family: Family) -> list[RouteKey]:
    end, masks, width = len(octets), _MASKS[family], _OCTETS_OF[family]
    version = 4 if family == "ipv4" else 6
    padded = octets + bytes(_PATH_ID_OCTETS + width)
    keys: list[RouteKey] = []
    at = 0
    try:
        while at < end:
            (path_id,) = _path_id(padded, at)
            at += _PATH_ID_OCTETS
            length, start = padded[at], at + 1
            value = int.from_bytes(padded[start : start + width], "big") & masks[length]
            keys.append((_new_prefix(Prefix, (version, value, length)), path_id))
            at += _STEPS[length]
    except IndexError:  # of the masks
        raise _too_long(family) from None
    _check_end(at, end)
    return keys


def _too_long(family: Family) -> Unreadable:
    return Unreadable(f"an {FAMILY_NAMES[family]} prefix is longer than {_OCTETS_OF[family] * 8} bits")


def _check_end(at: int, end: int) -> None:
    if at != end:
        raise Unreadable("the last prefix goes on behind the end of its field")
