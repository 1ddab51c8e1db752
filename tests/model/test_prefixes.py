"""None"""

from __future__ import annotations

from ipaddress import collapse_addresses, ip_network
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermon.model.prefixes import (
    Prefix,
    PrefixIndex,
    PrefixSet,
    merged,
    not_public_space,
    parse_address,
    parse_prefix,
    supernet,
)
from tests.networks import prefixes


def small_prefixes() -> st.SearchStrategy[Prefix]:
    """Return prefixes out of 16 addresses, so that random ones overlap."""
    return st.one_of(_within(4, 0xC6336400, 28), _within(6, 0x20010DB8 << 96, 124))


def _within(version: int, base: int, length: int) -> st.SearchStrategy[Prefix]:
    bits = 32 if version == 4 else 128
    return st.tuples(st.integers(length, bits), st.integers(0, 15)).map(
        lambda drawn: Prefix(version, (base + drawn[1]) >> (bits - drawn[0]) << (bits - drawn[0]), drawn[0])
    )


# Reading and printing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0/0",
        "198.51.100.0/24",
        "198.51.100.7/32",
        "::/0",
        "2001:db8::/32",
        "fd00::/48",
        "2001:db8::1/128",
    ],
)
def test_a_prefix_is_printed_as_it_was_read(text: str) -> None:
    assert str(parse_prefix(text)) == text


def test_prefixes_are_compared_by_their_space_not_by_their_text() -> None:
    assert parse_prefix("FD00:0:0::/48") == parse_prefix("fd00::/48")


@pytest.mark.parametrize("text", ["198.51.100.1/24", "2001:db8::1/32", "128.0.0.0/0"])
def test_host_bits_are_an_error_that_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="host bits are set"):
        parse_prefix(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "198.51.100.0",
        "198.51.100.0/33",
        "2001:db8::/129",
        "198.51.100/24",
        "198.51.100.0/-1",
        "x/8",
        "::/ 0",
        "1.2.3.4/08",
    ],
)
def test_text_that_is_no_prefix_is_an_error_that_quotes_it(text: str) -> None:
    with pytest.raises(ValueError, match="is not a prefix"):
        parse_prefix(text)


@pytest.mark.parametrize("text", ["", "198.51.100", "198.51.100.256", "2001:db8:::1", "fe80::1%eth0"])
def test_text_that_is_no_address_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="is not an IP address"):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "link_local"),
    [
        ("fe80::1", True),
        ("febf::1", True),
        ("fec0::1", False),
        ("2001:db8::1", False),
        ("169.254.0.1", False),
    ],
)
def test_link_local_is_fe80_slash_10(text: str, link_local: bool) -> None:
    assert parse_address(text).is_link_local is link_local


@pytest.mark.parametrize(
    ("text", "unmapped"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("0.0.255.255", "0.0.255.255"),
        ("::192.0.2.1", "::192.0.2.1"),
        ("2001:db8::ffff:c000:201", "2001:db8::ffff:c000:201"),
    ],
)
def test_an_ipv4_mapped_address_is_the_ipv4_address_in_it(text: str, unmapped: str) -> None:
    assert parse_address(text).unmapped == parse_address(unmapped)


def test_prefixes_sort_as_people_expect() -> None:
    mixed = prefixes("2001:db8::/48 198.51.100.0/24 10.1.0.0/16 ::/0 10.0.0.0/16 10.0.0.0/8 2001:db8::/32")
    assert sorted(mixed) == list(
        prefixes("10.0.0.0/8 10.0.0.0/16 10.1.0.0/16 198.51.100.0/24 ::/0 2001:db8::/32 2001:db8::/48")
    )


# One prefix and another --------------------------------------------------------------------------------

RELATIONS = [
    # outer, inner, contains, overlaps
    ("198.51.100.0/24", "198.51.100.0/24", True, True),
    ("198.51.100.0/24", "198.51.100.128/25", True, True),
    ("198.51.100.128/25", "198.51.100.0/24", False, True),
    ("198.51.100.0/25", "198.51.100.128/25", False, False),
    ("0.0.0.0/0", "198.51.100.0/24", True, True),
    ("0.0.0.0/0", "::/0", False, False),
    ("2001:db8::/32", "2001:db8:100::/40", True, True),
    ("2001:db8:100::/40", "2001:db8::/32", False, True),
    ("2001:db8::/33", "2001:db8:8000::/33", False, False),
    ("::/0", "2001:db8::/32", True, True),
    ("::/96", "0.0.0.0/0", False, False),
]


@pytest.mark.parametrize(("outer", "inner", "contains", "overlaps"), RELATIONS)
def test_what_a_prefix_contains_and_overlaps(outer: str, inner: str, contains: bool, overlaps: bool) -> None:
    one, other = parse_prefix(outer), parse_prefix(inner)
    assert one.contains(other) is contains
    assert one.overlaps(other) is overlaps
    assert other.overlaps(one) is overlaps


def test_a_supernet_contains_the_prefix() -> None:
    assert str(supernet(parse_prefix("198.51.100.128/25"), 16)) == "198.51.0.0/16"
    assert str(supernet(parse_prefix("2001:db8:100:1::/64"), 40)) == "2001:db8:100::/40"


# Sets of address space ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("halves", "whole"),
    [
        ("198.51.100.0/25 198.51.100.128/25", "198.51.100.0/24"),
        ("2001:db8::/33 2001:db8:8000::/33", "2001:db8::/32"),
    ],
)
def test_two_halves_cover_a_whole(halves: str, whole: str) -> None:
    space = PrefixSet(prefixes(halves))
    assert space.covers(parse_prefix(whole))
    assert not PrefixSet(prefixes(halves)[:1]).covers(parse_prefix(whole))


def test_neighbours_that_do_not_touch_stay_apart() -> None:
    space = PrefixSet(prefixes("198.51.100.0/26 198.51.100.128/26"))
    assert not space.covers(parse_prefix("198.51.100.0/24"))
    assert space.overlaps(parse_prefix("198.51.100.0/24"))
    assert not space.overlaps(parse_prefix("198.51.100.64/26"))


def test_an_empty_set_covers_nothing() -> None:
    assert not PrefixSet(())
    assert not PrefixSet(()).covers(parse_prefix("198.51.100.0/32"))
    assert not PrefixSet(()).overlaps(parse_prefix("::/0"))


def test_the_end_of_the_address_space_is_in_reach() -> None:
    assert PrefixSet(prefixes("128.0.0.0/1 8000::/1")).covers(parse_prefix("255.255.255.255/32"))
    assert PrefixSet(prefixes("0.0.0.0/1 128.0.0.0/1")).covers(parse_prefix("0.0.0.0/0"))


def test_without_leaves_the_space_that_the_other_set_lacks() -> None:
    left = PrefixSet(prefixes("198.51.100.0/24 2001:db8::/32")).without(
        PrefixSet(prefixes("198.51.100.64/26 2001:db8::/33"))
    )
    assert left.covers(parse_prefix("198.51.100.0/26"))
    assert left.covers(parse_prefix("198.51.100.128/25"))
    assert not left.overlaps(parse_prefix("198.51.100.64/26"))
    assert left.covers(parse_prefix("2001:db8:8000::/33"))
    assert not left.overlaps(parse_prefix("2001:db8::/33"))


@given(st.lists(small_prefixes(), max_size=6), st.lists(small_prefixes(), max_size=6), small_prefixes())
def test_sets_agree_with_ipaddress(some: list[Prefix], others: list[Prefix], asked: Prefix) -> None:
    assert PrefixSet(some).covers(asked) == naively_covers(some, asked)
    assert PrefixSet(some).overlaps(asked) == any(asked.overlaps(prefix) for prefix in some)
    in_some = {address for prefix in some for address in addresses(prefix)}
    in_others = {address for prefix in others for address in addresses(prefix)}
    left = PrefixSet(some).without(PrefixSet(others))
    assert left.covers(asked) == (set(addresses(asked)) <= in_some - in_others)
    assert bool(left) == bool(in_some - in_others)


@given(st.lists(small_prefixes()), st.lists(small_prefixes()))
def test_a_set_is_written_in_the_fewest_prefixes(some: list[Prefix], others: list[Prefix]) -> None:
    left = PrefixSet(some).without(PrefixSet(others))
    told = tuple(left.prefixes())
    for version in (4, 6):
        networks = [ip_network(str(prefix)) for prefix in told if prefix.version == version]
        assert networks == list(collapse_addresses(networks))
    again = PrefixSet(told)
    assert not again.without(left)
    assert not left.without(again)


def test_a_set_of_all_addresses_is_written_as_a_default_route() -> None:
    halves = prefixes("0.0.0.0/1 128.0.0.0/1 ::/0")
    assert tuple(PrefixSet(halves).prefixes()) == prefixes("0.0.0.0/0 ::/0")
    upper = PrefixSet(prefixes("::/0")).without(PrefixSet(prefixes("::/1")))
    assert tuple(upper.prefixes()) == prefixes("8000::/1")


@given(st.lists(small_prefixes(), max_size=8))
def test_merged_ranges_are_sorted_and_do_not_touch(some: list[Prefix]) -> None:
    ranges = list(merged(some))
    held = {(version, at) for version, first, last in ranges for at in range(first, last + 1)}
    assert held == {address for prefix in some for address in addresses(prefix)}
    assert all(one[0] < other[0] or one[2] + 1 < other[1] for one, other in pairwise(ranges))


def addresses(prefix: Prefix) -> list[tuple[int, int]]:
    return [(prefix.version, value) for value in range(prefix.value, prefix.last + 1)]


def naively_covers(some: list[Prefix], asked: Prefix) -> bool:
    joined = collapse_addresses(ip_network(str(prefix)) for prefix in some if prefix.version == asked.version)
    return any(ip_network(str(asked)).subnet_of(network) for network in joined)  # type: ignore[arg-type]


# The index ---------------------------------------------------------------------------------------------


def index_of(some: tuple[Prefix, ...] | list[Prefix]) -> PrefixIndex[str]:
    index: PrefixIndex[str] = PrefixIndex()
    for prefix in some:
        index[prefix] = str(prefix)
    return index


@pytest.mark.parametrize(
    ("held", "asked"),
    [
        ("0.0.0.0/0", "198.51.100.0/24"),
        ("::/0", "2001:db8::/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("0.0.0.0/0 198.51.100.0/25", "198.51.100.0/24"),
    ],
)
def test_a_default_route_covers_nothing(held: str, asked: str) -> None:
    assert not index_of(prefixes(held)).covers(parse_prefix(asked))


def test_a_default_route_contains_everything_all_the_same() -> None:
    found = index_of(prefixes("0.0.0.0/0 198.51.100.0/24")).covering(parse_prefix("198.51.100.0/28"))
    assert {text for _, text in found} == {"0.0.0.0/0", "198.51.100.0/24"}


@given(
    *(st.lists(small_prefixes(), max_size=most) for most in (12, 6, 6)),
    small_prefixes(),
)
def test_the_index_finds_what_a_scan_finds(
    held: list[Prefix], later: list[Prefix], gone: list[Prefix], asked: Prefix
) -> None:
    """Entries that come after a search are sorted with the next one."""
    index = index_of(held)
    assert [prefix for prefix, _ in index.inside(asked)] == sorted(p for p in set(held) if asked.contains(p))
    for prefix in later:
        index[prefix] = str(prefix)
    held = [*held, *later]
    for prefix in gone:
        if prefix in index:
            del index[prefix]
    left = set(held) - set(gone)
    assert set(index) == left
    assert len(index) == len(left)
    found = [prefix for prefix, _ in index.covering(asked)]
    assert found == sorted((p for p in left if p.contains(asked)), key=lambda p: p.length)
    assert all(isinstance(prefix, Prefix) for prefix in found)
    assert [prefix for prefix, _ in index.inside(asked)] == sorted(p for p in left if asked.contains(p))
    assert index.covers(asked) == naively_covers(list(left), asked)
    assert index.get(asked) == (str(asked) if asked in left else None)


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
