"""MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760 sections 3 and 4), and the next hops in them (RFC 2545 section 3)."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import NamedTuple

from ermon.bgp.unreadable import Unreadable
from ermon.model.prefixes import Address, Family

_UNICAST = 1
_FAMILIES: dict[tuple[int, int], Family] = {(1, _UNICAST): "ipv4", (2, _UNICAST): "ipv6"}
"""By AFI and SAFI."""

_NEXT_HOP_OCTETS: dict[Family, AbstractSet[int]] = {"ipv4": {4, 16, 32}, "ipv6": {16, 32}}
"""RFC 4760 section 3, RFC 8950 section 3, RFC 2545 section 3. The NLRI begin after the next hop."""

_IPV6_OCTETS = 16


class Field(NamedTuple):
    """The routes that MP_REACH_NLRI announces, or MP_UNREACH_NLRI withdraws."""

    family: Family | None
    """``None``: neither IPv4 nor IPv6 unicast."""
    nlri: bytes
    next_hop: bytes = b""


def split_reach(octets: bytes) -> Field:
    """Read the value of MP_REACH_NLRI; ``Unreadable`` by RFC 7606 sections 5.3 and 7.11."""
    if len(octets) < 5:
        raise Unreadable(f"MP_REACH_NLRI of {len(octets)} octets")
    family, size = family_of(octets), octets[3]
    start = 4 + size + 1
    if start > len(octets) or (family is not None and size not in _NEXT_HOP_OCTETS[family]):
        raise Unreadable(f"MP_REACH_NLRI with a next hop of {size} octets")
    return Field(family, octets[start:], octets[4 : 4 + size])


def split_unreach(octets: bytes) -> Field:
    """Read the value of MP_UNREACH_NLRI; ``Unreadable`` by RFC 7606 section 5.3."""
    if len(octets) < 3:
        raise Unreadable(f"MP_UNREACH_NLRI of {len(octets)} octets")
    return Field(family_of(octets), octets[3:])


def family_of(octets: bytes) -> Family | None:
    """Return the family of an AFI of two octets and the SAFI after it; ``None`` if it is neither IPv4 nor IPv6 unicast."""
    return _FAMILIES.get((octets[0] << 8 | octets[1], octets[2]))


def read_next_hop(octets: bytes) -> Address:
    """Return the global next hop of one or two; of an IPv4-mapped one, return the IPv4 address."""
    if len(octets) == 4:
        return Address(4, int.from_bytes(octets, "big"))
    address = Address(6, int.from_bytes(octets[:_IPV6_OCTETS], "big"))
    if len(octets) > _IPV6_OCTETS and address.is_link_local:  # in the wrong order
        second = Address(6, int.from_bytes(octets[_IPV6_OCTETS:], "big"))
        address = address if second.is_link_local else second
    return address.unmapped
