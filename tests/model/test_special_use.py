from __future__ import annotations

import pytest

from ermon.model.prefixes import PrefixSet, parse_prefix
from ermon.model.special_use import not_public_space
from tests.networks import prefixes

NOT_PUBLIC = [
    # private (RFC 1918), shared (RFC 6598)
    *("10.0.0.0/8", "10.1.2.0/24", "172.16.0.0/12", "172.31.255.0/24", "192.168.1.0/24", "100.64.0.0/10"),
    # loopback, link-local, "this network", benchmarking, protocol assignments
    *("127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/8", "198.18.0.0/15", "192.0.0.0/24"),
    # documentation (RFC 5737), multicast, reserved
    *(
        "192.0.2.0/24",
        "198.51.100.0/28",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "255.255.255.255/32",
    ),
    # unique-local, link-local, multicast, loopback, documentation (RFC 3849, RFC 9637)
    *("fc00::/7", "fd00:1::/48", "fe80::/10", "ff00::/8", "::1/128", "2001:db8::/32", "2001:db8:1::/48"),
    *("3fff::/20", "2002::/16", "4000::/3"),
    # a supernet of such space
    *("192.0.0.0/8", "2001::/16"),
]
PUBLIC = [
    *(
        "8.8.8.0/24",
        "13.107.6.0/24",
        "40.96.0.0/13",
        "100.128.0.0/10",
        "172.32.0.0/16",
        "192.0.3.0/24",
        "198.20.0.0/16",
    ),
    *("2603:1000::/24", "2620:1ec::/36", "2a01:111::/32", "2001:4860::/32"),
]


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_private_shared_reserved_and_documentation_space_is_not_public(text: str) -> None:
    assert not_public_space(()).overlaps(parse_prefix(text))


def test_no_release_of_netaddr_changes_what_is_public_unnoticed() -> None:
    known = """
        0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
        192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3
        ::/3 2001::/23 2001:db8::/32 2002::/16 3fff::/20 4000::/2 8000::/1
    """
    space, same = not_public_space(()), PrefixSet(prefixes(" ".join(known.split())))
    assert not space.without(same)
    assert not same.without(space)


@pytest.mark.parametrize("text", PUBLIC)
def test_everything_else_is_public(text: str) -> None:
    assert not not_public_space(()).overlaps(parse_prefix(text))


def test_the_policy_may_call_space_public() -> None:
    space = not_public_space(prefixes("198.51.100.0/24 2001:db8::/32"))
    assert not space.overlaps(parse_prefix("198.51.100.0/24"))
    assert not space.overlaps(parse_prefix("2001:db8:1::/48"))
    assert space.overlaps(parse_prefix("203.0.113.0/24"))
    assert space.overlaps(parse_prefix("3fff::/20"))


def test_half_of_a_prefix_called_public_does_not_make_it_so() -> None:
    space = not_public_space(prefixes("198.51.100.0/25 2001:db8::/33"))
    assert space.overlaps(parse_prefix("198.51.100.0/24"))
    assert space.overlaps(parse_prefix("2001:db8::/32"))
    assert not space.overlaps(parse_prefix("198.51.100.0/25"))
