"""Pools on their links, on other links, and on other circuits."""

from __future__ import annotations

import pytest

from tests.checks.company import V4, V6, Company, Space
from tests.verify.acceptance import converged, put_to_the_test

BOTH_FAMILIES = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])
NAMES = {"ipv4": "IPv4", "ipv6": "IPv6"}
BOUND = """
nat_pools:
  chi: {links: [primary]}
  both: {circuit: chicago, prefixes: [198.51.100.192/28, "2001:db8:100:99::/64"]}
"""


@BOTH_FAMILIES
async def test_a_pool_that_is_not_advertised(net: Company, space: Space):
    net.withdraw("chicago-secondary", space.pool).wait(60)
    run = await put_to_the_test(net)
    # Nothing is left on that mirror in this family, so it is not quite believed either.
    assert run.not_passed() == {"pools": "fail", "advertised-equal": "fail", "sight": "unknown"}
    [proof] = [p for p in run.step("pools")["evidence"] if p["status"] == "fail"]
    assert proof["details"]["prefixes"] == [space.pool]
    assert proof["details"]["routers"] == ["edge-2"]


@BOTH_FAMILIES
async def test_halves_of_a_pool_are_the_pool(net: Company, space: Space):
    for link in ("chicago-primary", "chicago-secondary"):
        net.withdraw(link, space.pool).announce(link, *space.pool_halves, path="64500")
    assert (await put_to_the_test(net.wait(60))).code == 0


async def test_a_pool_whose_mirror_is_not_seen_is_unknown(net: Company):
    net.down("chicago-secondary").wait(30)
    run = await put_to_the_test(net)
    assert run.step("pools")["status"] == "unknown"


@BOTH_FAMILIES
async def test_a_pool_on_another_circuit_fails_both(net: Company, space: Space):
    net.announce("dallas-primary", space.pool, path="64500").wait(1)
    run = await put_to_the_test(net, None)
    for circuit in ("chicago", "dallas"):
        assert run.problems("pools-elsewhere", circuit) == [
            f"fail NAT pool chi of another circuit ({space.family}) is advertised on link primary of circuit dallas"
        ]
    assert run.step("pools")["status"] == "pass"


async def test_another_circuit_whose_mirror_is_not_seen_proves_no_absence(net: Company):
    net.down("dallas-primary").wait(30)
    run = await put_to_the_test(net)
    assert run.not_passed() == {"pools-elsewhere": "unknown", "sight": "unknown"}


@BOTH_FAMILIES
async def test_a_pool_that_is_bound_to_a_link_must_not_be_on_the_other(space: Space):
    net = converged(BOUND)
    assert (await put_to_the_test(net)).code == 0
    net.announce("chicago-secondary", space.pool_part, path="64500").wait(60)
    run = await put_to_the_test(net)
    [proof] = [p for p in run.step("pools-elsewhere")["evidence"] if p["status"] == "fail"]
    assert proof["text"] == (
        f"NAT pool chi ({NAMES[space.family]}) is advertised on link secondary of chicago, "
        "which is not one of its own"
    )
    assert proof["details"] == {"prefixes": [space.pool_part], "prefixes_total": 1, "routers": ["edge-2"]}


@BOTH_FAMILIES
async def test_a_shorter_route_may_stand_in_for_a_pool_that_is_bound_to_a_link(space: Space):
    declared = f'circuits: {{chicago: {{advertise: {{prefixes: ["{space.both_pools}"]}}}}}}'
    net = converged(BOUND, declared, "nat_pools: {dal: null}")
    net.announce("chicago-secondary", space.both_pools, path="64500").wait(1)
    assert (await put_to_the_test(net)).step("pools-elsewhere")["status"] == "pass"


@BOTH_FAMILIES
async def test_another_pool_of_the_link_may_be_inside_one_that_is_bound_to_the_other(space: Space):
    inside = f'nat_pools: {{host: {{circuit: chicago, prefixes: ["{space.pool_part}"]}}}}'
    net = converged(BOUND, inside)
    assert (await put_to_the_test(net)).step("pools-elsewhere")["status"] == "pass"


async def test_a_bound_pool_is_not_known_where_the_other_links_mirror_is_not_seen():
    net = converged(BOUND).down("chicago-secondary").wait(30)
    run = await put_to_the_test(net)
    assert run.step("pools-elsewhere")["status"] == "unknown"


async def test_a_bound_pool_is_not_tested_where_the_other_link_is_down():
    net = converged(BOUND).lose("chicago-secondary", "ipv4", "ipv6").wait(10)
    run = await put_to_the_test(net)
    assert run.problems("pools-elsewhere") == [
        "unknown not tested: secondary of chicago is down (NAT pool chi (IPv4))",
        "unknown not tested: secondary of chicago is down (NAT pool chi (IPv6))",
    ]


async def test_a_family_that_no_feed_shows_the_internet_in_is_not_known():
    only_ipv4 = "feeds: {isp-a: {families: [ipv4]}, outside: {families: [ipv4]}}"
    run = await put_to_the_test(converged(only_ipv4))
    assert "unknown no feed shows what the internet hears of NAT pool chi (IPv6)" in run.problems("internet")
