"""What is read from the state itself: pools on their links, on other links and on other circuits, and what ermon can
see.
"""

from __future__ import annotations

from typing import Any

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
    # The mirror has no route left in this family, so it is not fully trusted either.
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
            f"fail NAT pool chi of another circuit {space.pool} is advertised on link primary of circuit dallas (edge-3)"
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
    assert proof["check"] == "pool-wrong-link"
    assert proof["details"]["prefixes"] == [space.pool_part]
    assert proof["details"]["routers"] == ["edge-2"]


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
    assert "unknown no feed shows whether NAT pool chi (IPv6) is on the internet" in run.problems("internet")


SECOND_EDGE = """
feeds:
  edge-1-best: {router: edge-1, view: edge-table, peer: 127.0.0.31, local: 127.0.0.1, peer_asn: 64500, families: [ipv4, ipv6]}
"""


async def test_an_edge_table_that_is_down_says_why(net: Company):
    run = await put_to_the_test(net.down("edge-1"))
    assert run.problems("sight")[:2] == [
        "unknown ermon cannot see the IPv4 routes received on link primary: edge-1 is down (closing connection)",
        "unknown ermon cannot see the IPv6 routes received on link primary: edge-1 is down (closing connection)",
    ]


async def test_a_feed_that_is_not_in_sync_yet(net: Company):
    run = await put_to_the_test(net.down("chicago-primary").up("chicago-primary"))
    assert (
        "unknown ermon cannot see the IPv6 routes advertised on link primary: chicago-primary is not in sync yet"
        in run.problems("sight")
    )


async def test_a_feed_that_has_lost_messages(net: Company):
    run = await put_to_the_test(net.lose_messages("isp-a"))
    assert any("isp-a has lost BGP updates (a gap in" in problem for problem in run.problems("sight"))


async def test_best_paths_alone_prove_no_absence():
    run = await put_to_the_test(converged("feeds: {edge-1: {add_path: false}}"))
    assert (
        "unknown ermon cannot see the IPv4 routes received on link primary: "
        "edge-1 carries best paths only, without ADD-PATH" in run.problems("sight")
    )


async def test_a_link_without_a_mirror():
    run = await put_to_the_test(converged("feeds: {chicago-primary: null}"))
    assert (
        "unknown ermon cannot see the IPv4 routes advertised on link primary: no feed shows them"
        in run.problems("sight")
    )
    assert (
        "unknown No feed provides view to-microsoft of link primary of circuit chicago (edge-1)"
        in run.problems("sight")
    )


async def test_one_feed_that_proves_the_fact_is_enough():
    net = converged(SECOND_EDGE).down("edge-1-best").wait(60)
    assert (await put_to_the_test(net)).code == 0


async def test_an_empty_mirror_proves_nothing(net: Company):
    net.down("isp-a").reconnect("isp-a").wait(60)
    run = await put_to_the_test(net)
    assert run.not_passed() == {"sight": "unknown"}
    assert run.problems("sight") == [
        "unknown Feed isp-a is up and has no IPv4 routes (edge-1)",
        "unknown Feed isp-a is up and has no IPv6 routes (edge-1)",
    ]


@BOTH_FAMILIES
async def test_routes_that_fit_no_link_are_not_seen_to_be_any(net: Company, space: Space):
    net.announce("edge-1", space.extra, path="12076").wait(60)
    run = await put_to_the_test(net)
    assert run.problems("sight") == [
        f"unknown Feed edge-1 shows Microsoft routes that fit no link: {space.extra}"
    ]


async def test_a_process_that_is_down(net: Company):
    net.process_down("outside").wait(10)
    run = await put_to_the_test(net)
    assert run.report["status"] == "unknown"
    assert "unknown ExaBGP process outside is not running or does not answer" in run.problems("sight")


@BOTH_FAMILIES
async def test_a_link_that_nothing_is_known_of_has_no_number_of_routes(net: Company, space: Space):
    """A 0 beside it would claim that the link receives nothing."""

    def of_primary(evidence: list[dict[str, Any]]) -> dict[str, Any]:
        wanted = {"circuit": "chicago", "link": "primary", "family": space.family}
        [proof] = [each for each in evidence if each["labels"] == wanted]
        return dict(proof["details"])

    known = (await put_to_the_test(net)).step("sessions")["evidence"]
    assert of_primary(known)["routes"] == 2
    unknown = (await put_to_the_test(net.down("edge-1"))).step("sessions")["evidence"]
    assert "routes" not in of_primary(unknown)


@BOTH_FAMILIES
async def test_a_link_that_is_down_advertises_nothing_although_its_mirror_shows_routes(
    net: Company, space: Space
):
    run = await put_to_the_test(net.lose("chicago-primary", space.family).wait(60))
    down, up = f"0 of 200 {NAMES[space.family]}", f"1 of 200 {NAMES[space.family]}"
    primary, _, secondary = run.step("limits")["summary"].partition("; ")
    assert down in primary
    assert up in secondary
