"""Results of a query: the routes for a prefix and around it, feeds that do not have it, and everything with a name."""

from __future__ import annotations

import pytest

from tests.checks.company import V4, V6, Company, Space
from tests.terminal.looking import Seen, look

BOTH_FAMILIES = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])


def words(seen: Seen) -> str:
    return " ".join(seen.out.split())


@BOTH_FAMILIES
async def test_a_route_shows_its_link_and_attributes(net: Company, space: Space):
    seen = await look(net, "routes", space.exchange)
    assert seen.code == 0
    assert seen.lines[0] == f"To {space.exchange}"
    told = words(seen)
    assert f"{space.exchange} on edge-1 (edge-table), learned over chicago primary AS path 12076" in told
    assert f"next hop {space.msee['chicago-primary']}" in told
    assert "exchange-online (12076:5010)" in told


@BOTH_FAMILIES
async def test_covering_and_more_specific_routes_are_separate(net: Company, space: Space):
    net.announce("isp-a", space.own, space.pool_part, path="64500")
    seen = await look(net, "routes", space.pool)
    exact, rest = seen.out.split(f"Covering {space.pool}")
    covering, inside = rest.split(f"Inside {space.pool}")
    assert [space.pool in exact, space.own in exact, space.pool_part in exact] == [True, False, False]
    assert [f"\n{space.pool}  " in covering, space.own in covering] == [False, True]
    assert [f"\n{space.pool}  " in inside, space.pool_part in inside] == [False, True]


@BOTH_FAMILIES
async def test_feeds_without_the_prefix_are_listed(net: Company, space: Space):
    net.announce("isp-a", space.own, path="64500")
    told = words(await look(net, "routes", space.pool))
    assert f"○ isp-a: only a less specific route, {space.own}" in told
    assert "dallas-primary, dallas-secondary, outside: no route" in told


async def test_an_address_is_its_host_prefix(net: Company):
    seen = await look(net, "routes", "198.51.100.3")
    assert "Covering 198.51.100.3/32 (less specific)" in seen.lines
    assert V4.pool in seen.out


async def test_paths_of_one_prefix_are_distinguished(net: Company):
    net.announce("edge-1", V4.extra, via="203.0.113.2", path="12076", path_id=7)
    assert "path id 7" in words(await look(net, "routes", V4.extra))


async def test_one_match_on_one_feed_in_json_is_the_answer_of_the_api(net: Company):
    seen = await look(net, "routes", V4.exchange, "--match=exact", "--feed=edge-2", "--json")
    assert list(seen.data) == ["exact"]
    assert [(route["feed"], route["link"]) for route in seen.data["exact"]["routes"]] == [
        ("edge-2", "secondary")
    ]


async def test_no_route_exits_with_1_and_names_feeds_that_prove_nothing(net: Company):
    seen = await look(net.down("isp-a"), "routes", "233.252.0.0/24")
    assert seen.code == 1
    assert words(seen).startswith(
        "○ IPv4 prefix 233.252.0.0/24: no feed has this prefix or a covering one or a more specific one."
    )
    assert "◆ isp-a: the session is down" in words(seen)
    assert "edge-4, outside: keeps only what the policy needs; the router may have more" in words(seen)
    assert "○ chicago-primary, chicago-secondary, dallas-primary, dallas-secondary: no route" in words(seen)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("AS12076", "With AS12076 in the AS path"),
        ("12076:5010", "With community 12076:5010"),
        ("Exchange Online", "With community 12076:5010 or 12076:5110"),
    ],
)
async def test_routes_are_found_by_asn_and_community(net: Company, query: str, told: str):
    seen = await look(net, "routes", *query.split())
    assert seen.code == 0
    assert told in words(seen)
    assert f"{V4.exchange} on edge-1 (edge-table), learned over chicago primary" in words(seen)
    assert "keep only what the policy needs; the routers may have more." in words(seen)


async def test_a_name_shows_its_places(net: Company):
    seen = await look(net, "routes", "chicago")
    assert (seen.code, seen.lines[0]) == (0, "● circuit chicago  Chicago, us, microsoft peering")
    assert "● link primary of circuit chicago" in words(seen)
    assert (await look(net, "routes", "isp-a", "--json")).data["places"][0]["kind"] == "uplink"


async def test_no_route_with_a_community_is_1(net: Company):
    seen = await look(net, "routes", "64500:1")
    assert (seen.code, seen.lines[0]) == (1, "○ Community 64500:1: no feed has a route with it.")


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("192.0.2.1/26", "'192.0.2.1/26' has host bits set: did you mean 192.0.2.0/26?"),
        ("2001:db8::1/48", "did you mean 2001:db8::/48?"),
        ("192.0.2.0/33", "its length must be 0 to 32"),
        ("exchage", "is not a prefix, address, ASN, community or name. Did you mean Exchange Online?"),
        ("", "search for a prefix such as 198.51.100.0/28, an address, an ASN, a community or a name"),
        ("192.0.2.0/26/26", "its length must be 0 to 32"),
        ("\x1b[2J", "is not a prefix, address, ASN, community or name."),
    ],
)
async def test_an_invalid_query_exits_with_2_and_says_what_would_be_right(
    net: Company, query: str, error: str
):
    seen = await look(net, "routes", query)
    assert (seen.code, seen.out) == (2, "")
    assert error in seen.err
    assert "\x1b" not in seen.err


async def test_an_unknown_feed_exits_with_2_and_lists_the_feeds(net: Company):
    seen = await look(net, "routes", V4.pool, "--feed=edge-9")
    assert seen.code == 2
    assert "there is no feed 'edge-9' at" in seen.err
    assert "edge-1, edge-2" in seen.err
