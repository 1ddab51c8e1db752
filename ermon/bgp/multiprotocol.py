"""MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760 sections 3 and 4), and the next hops in them (RFC 2545 section 3)."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import NamedTuple

from ermon.bgp.nlri import read_nlri
from ermon.bgp.unreadable import Unreadable
from ermon.model.prefixes import Address, Family
from ermon.model.routes import RouteKey

_UNICAST = 1
_FAMILIES: dict[tuple[int, int], Family] = {(1, _UNICAST): "ipv4", (2, _UNICAST): "ipv6"}
"""By AFI and SAFI."""

_NEXT_HOP_OCTETS: dict[Family, AbstractSet[int]] = {"ipv4": {4, 16, 32}, "ipv6": {16, 32}}
"""RFC 4760 section 3, RFC 8950 section 3, RFC 2545 section 3. All of them tell where the NLRI begin."""

_IPV6_OCTETS = 16
_MAPPED = 0xFFFF
"""The beginning of an IPv4-mapped address (RFC 4291 section 2.5.5.2)."""


class Reach(NamedTuple):
    """What is announced of one family."""

    keys: list[RouteKey]
    """None where the family is not one of those that are read."""
    next_hop: bytes
    is_empty: bool
    """Whether there is no NLRI at all, of whatever family."""


class Unreach(NamedTuple):
    """What is withdrawn of one family."""

    keys: list[RouteKey]
    end_of_rib: Family | None
    """The family, where nothing is withdrawn (RFC 4724 section 2) and it is one of those that are read."""


def read_reach(octets: bytes, add_path: AbstractSet[Family]) -> Reach:
    """Read the value of MP_REACH_NLRI; ``Unreadable`` by RFC 7606 sections 5.3 and 7.11."""
    if len(octets) < 5:
        raise Unreadable(f"MP_REACH_NLRI of {len(octets)} octets")
    family, size = _family(octets), octets[3]
    start = 4 + size + 1
    if start > len(octets) or (family is not None and size not in _NEXT_HOP_OCTETS[family]):
        raise Unreadable(f"MP_REACH_NLRI with a next hop of {size} octets")
    next_hop, nlri = octets[4 : 4 + size], octets[start:]
    if family is None:
        return Reach([], next_hop, not nlri)
    return Reach(read_nlri(nlri, family, add_path=family in add_path), next_hop, not nlri)


def read_unreach(octets: bytes, add_path: AbstractSet[Family]) -> Unreach:
    """Read the value of MP_UNREACH_NLRI; ``Unreadable`` by RFC 7606 section 5.3."""
    if len(octets) < 3:
        raise Unreadable(f"MP_UNREACH_NLRI of {len(octets)} octets")
    family, nlri = _family(octets), octets[3:]
    if family is None:
        return Unreach([], None)
    return Unreach(read_nlri(nlri, family, add_path=family in add_path), None if nlri else family)


def _family(octets: bytes) -> Family | None:
    return _FAMILIES.get((octets[0] << 8 | octets[1], octets[2]))


def read_next_hop(octets: bytes) -> Address:
    """Return the global one of one or two next hops; an IPv4-mapped one is the IPv4 address in it."""
    if len(octets) == 4:
        return Address(4, int.from_bytes(octets, "big"))
    address = Address(6, int.from_bytes(octets[:_IPV6_OCTETS], "big"))
    if len(octets) > _IPV6_OCTETS and address.is_link_local:  # in the wrong order
        second = Address(6, int.from_bytes(octets[_IPV6_OCTETS:], "big"))
        address = address if second.is_link_local else second
    return Address(4, address.value & 0xFFFFFFFF) if address.value >> 32 == _MAPPED else address
