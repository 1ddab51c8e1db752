"""Which address space is public: what may be received from and advertised to Microsoft."""

from __future__ import annotations

from collections.abc import Iterable

from netaddr.ip import IPV4_NOT_GLOBALLY_REACHABLE, IPV6_NOT_GLOBALLY_REACHABLE

from ermon.model.prefixes import Prefix, PrefixSet, parse_prefix

_REGISTERED = tuple(map(str, (*IPV4_NOT_GLOBALLY_REACHABLE, *IPV6_NOT_GLOBALLY_REACHABLE)))
"""What IANA's registries of special-purpose addresses (RFC 6890) call not globally reachable, from netaddr.

The few addresses that they except, such as 192.0.0.9 (RFC 7723), lie inside: nobody announces those alone.
"""

_NOT_UNICAST = (
    "192.88.99.0/24",  # was the anycast prefix of 6to4 relays (RFC 7526)
    "224.0.0.0/4",  # multicast (RFC 5771)
    "::/3",  # only 2000::/3 is global unicast (RFC 4291 section 2.4)
    "4000::/2",
    "8000::/1",
    "3fff::/20",  # documentation (RFC 9637); netaddr 1.3 does not know it yet
)


def not_public_space(public_space: Iterable[Prefix]) -> PrefixSet:
    """Return the space that is private, shared, unique-local, reserved or for documentation, what
    ``policy.public_space`` calls public aside.
    """
    return PrefixSet(map(parse_prefix, (*_REGISTERED, *_NOT_UNICAST))).without(PrefixSet(public_space))
