"""Which address space is public: what may be received from and advertised to Microsoft."""

from __future__ import annotations

from collections.abc import Iterable

from ermon.model.prefixes import Prefix, PrefixSet, parse_prefix

_NOT_PUBLIC = (
    # IANA IPv4 special-purpose address registry (RFC 6890), what is not globally reachable; RFC 5771; RFC 1112
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    # IANA IPv6 address space (RFC 4291): only 2000::/3 is global unicast
    "::/3",
    "4000::/2",
    "8000::/1",
    # IANA IPv6 special-purpose address registry within 2000::/3
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
)


def not_public_space(public_space: Iterable[Prefix]) -> PrefixSet:
    """Return the space that is private, shared, unique-local, reserved or for documentation, what
    ``policy.public_space`` calls public aside.
    """
    return PrefixSet(map(parse_prefix, _NOT_PUBLIC)).without(PrefixSet(public_space))
