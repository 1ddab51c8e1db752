"""The search for everything: how a query is understood, what it names, and which routes match it."""

from __future__ import annotations

from typing import Any

import pytest

from ermon.web import search
from ermon.web.places import Place, describe, find_places
from ermon.web.query import AsnQuery, CommunityQuery, NameQuery, PrefixQuery, parse_query
from tests.checks.company import EXCHANGE, REPORTING, V4, V6, Space, company
from tests.checks.test_sharding import region
from tests.web.site import Client, Site

BOTH_FAMILIES = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])


async def found(client: Client, query: str, **more: str) -> dict[str, Any]:
    answer: dict[str, Any] = await client.data("/api/v1/search", q=query, **more)
    return answer


def places(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(place["kind"], place["name"]) for place in answer["places"]]


def routes(answer: dict[str, Any], match: str) -> list[tuple[str, str]]:
    [of_match] = [each for each in answer["routes"] if each["match"] == match]
    return sorted((route["feed"], route["prefix"]) for route in of_match["routes"])


def why(answer: dict[str, Any], feed: str) -> tuple[str, str] | None:
    return next(((e["reason"], e["text"]) for e in answer["without"] if e["feed"] == feed), None)


# What a query is -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("198.51.100.0/28", PrefixQuery),
        (" 198.51.100.1 ", PrefixQuery),
        ("2001:db8::1", PrefixQuery),
        ("::/0", PrefixQuery),
        ("1:2:3:4:5:6:7:8", PrefixQuery),
        ("AS12076", AsnQuery),
        ("asn 12076", AsnQuery),
        ("12076", AsnQuery),
        ("1.10", AsnQuery),
        ("12076:5010", CommunityQuery),
        ("64500:1:2", CommunityQuery),
        ("Exchange Online", NameQuery),
        ("chicago/primary", NameQuery),
        ("edge-1", NameQuery),
    ],
)
def test_queries_are_recognized_by_their_form(text: str, kind: type):
    assert type(parse_query(text)) is kind


def test_asdot_is_the_same_number():
    assert parse_query("AS1.10") == AsnQuery("AS1.10", 65546)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "search for a prefix such as 198.51.100.0/28, an address, an ASN, a community or a name"),
        ("x" * 101, "a query has at most 100 characters"),
        ("198.51.100.1/24", "'198.51.100.1/24' has host bits set: did you mean 198.51.100.0/24?"),
        ("2001:db8::1/64", "'2001:db8::1/64' has host bits set: did you mean 2001:db8::/64?"),
        ("10.0.0.0/33", "'10.0.0.0/33' is not a prefix: its length must be 0 to 32"),
        ("::/", "'::/' is not a prefix: its length must be 0 to 128"),
        ("12076:70000", "'12076:70000' is not a community: its numbers go to 65535"),
        ("AS4294967296", "'AS4294967296' is no ASN: they go to 4294967295"),
        ("exchage", "'exchage' is not a prefix, address, ASN, community or name. Did you mean Exchange Online?"),
        ("chigaco", "'chigaco' is not a prefix, address, ASN, community or name. Did you mean chicago?"),
        ("zzzzzz", "'zzzzzz' is not a prefix, address, ASN, community or name."),
    ],
)  # fmt: skip
async def test_an_invalid_query_says_what_would_be_right(client: Client, text: str, error: str):
    assert await client.error("/api/v1/search", q=text) == (400, error)


async def test_a_feed_that_is_not_there_is_404(client: Client):
    assert await client.error("/api/v1/search", q="::/0", feed="no") == (404, "there is no feed 'no'")


# Who has a prefix, and who does not ----------------------------------------------------------------------


@BOTH_FAMILIES
async def test_routes_to_a_prefix_around_it_and_inside_it_stand_once(
    client: Client, site: Site, space: Space
):
    site.net.announce("isp-a", space.own, space.pool_part, path="64500")
    answer = await found(client, space.pool, feed="isp-a")
    assert [each["match"] for each in answer["routes"]] == ["exact", "covering", "longer"]
    assert routes(answer, "exact") == []
    assert routes(answer, "covering") == [("isp-a", space.own)]
    assert routes(answer, "longer") == [("isp-a", space.pool_part)]
    exact = await found(client, space.own, feed="isp-a")
    assert routes(exact, "exact") == [("isp-a", space.own)]
    assert routes(exact, "covering") == []
    assert ("isp-a", space.own) not in routes(exact, "longer")


@BOTH_FAMILIES
async def test_each_feed_without_a_prefix_says_why(client: Client, site: Site, space: Space):
    site.net.announce("isp-a", space.own, path="64500").down("edge-3").up("edge-4")
    answer = await found(client, space.pool)
    name = "IPv4" if space is V4 else "IPv6"
    assert why(answer, "chicago-primary") is None, "it has the pool"
    assert why(answer, "isp-a") == ("covered", f"only a less specific route, {space.own}")
    assert why(answer, "dallas-primary") == ("absent", "no route")
    assert why(answer, "outside") == ("absent", "no route"), "of what the policy asks about, all is kept"
    assert why(answer, "edge-3") == ("not-in-sync", "the session is down")
    assert why(answer, "edge-4") == ("not-in-sync", f"not in sync for {name}: the route may still come")
    assert answer["notes"] == ["Not in sync, so that routes may be missing: edge-3, edge-4."]
    other = await found(client, "233.252.0.0/24" if space is V4 else "3fff::/32")
    told = ("not-kept", "keeps only what the policy needs; the router may have more")
    assert why(other, "outside") == why(other, "edge-1") == told
    assert (
        "edge-1, edge-2, outside keep only what the policy needs; the routers may have more."
        in other["notes"]
    )


@BOTH_FAMILIES
async def test_a_route_of_a_session_that_the_router_reports_is_learned_over_its_link(
    client: Client, site: Site, space: Space
):
    site.net.reconfigure(company(REPORTING).config)
    family = "ipv4" if space is V4 else "ipv6"
    feed = f"edge-1/chicago/primary/{family}"
    site.net.connect("edge-1").up(feed).announce(feed, space.exchange, path="12076 8075")
    answer = await found(client, space.exchange)
    [route] = [each for each in answer["routes"][0]["routes"] if each["feed"] == feed]
    assert (route["circuit"], route["link"], route["attribution"]) == ("chicago", "primary", "link")


async def test_a_session_without_a_prefix_says_why_in_the_words_of_its_router(client: Client, site: Site):
    site.net.reconfigure(company(REPORTING).config)
    feed = "edge-1/chicago/primary/ipv4"
    site.net.connect("edge-1").up(feed).down(feed, reason="the neighbor sent hold timer expired")
    site.net.wait(10).not_reported("edge-1/isp-a/ipv4")
    answer = await found(client, V4.pool)
    assert why(answer, feed) == ("not-in-sync", "the session is down: the neighbor sent hold timer expired")
    assert why(answer, "edge-1/isp-a/ipv4") == (
        "not-in-sync",
        "the session is unknown: the router reports no such session",
    )
    assert why(answer, "edge-1/chicago/primary/ipv6") is None, (
        "it is the same session's feed of the other family"
    )


@pytest.mark.parametrize(("family", "state"), [("ipv4", "down"), ("ipv6", None)])
async def test_a_session_that_does_not_exist_has_no_state(
    client: Client, site: Site, family: str, state: str | None
):
    site.net.reconfigure(company(REPORTING).config)
    site.net.connect("edge-1").up("edge-1/isp-a/ipv4").down("edge-1/isp-a/ipv4")
    site.net.wait(10).not_reported("edge-1/isp-a/ipv6")
    answer = await found(client, f"edge-1/isp-a/{family}")
    assert answer["places"][0]["state"] == state


async def test_a_feed_of_the_other_family_carries_none(client: Client, site: Site):
    site.net.reconfigure(company("feeds: {isp-a: {families: [ipv4]}}").config)
    assert why(await found(client, V6.pool), "isp-a") == ("other-family", "carries no IPv6")


async def test_a_feed_of_another_ermon_is_named(client: Client, site: Site):
    config = region("edge-1", "edge-2").config
    site.net.reconfigure(config)
    assert why(await found(client, V4.pool), "isp-a") == ("elsewhere", "another ermon has this feed")


# What routes carry ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["AS12076", "12076"])
async def test_an_asn_is_found_in_as_paths(client: Client, query: str):
    answer = await found(client, query)
    assert answer["kind"] == "asn"
    for space in (V4, V6):
        assert ("edge-1", space.exchange) in routes(answer, "as-path")
    assert ("isp-a", V4.internet_only) not in routes(answer, "as-path")
    assert (
        "edge-1, edge-2, edge-3, edge-4, outside keep only what the policy needs; the routers may have more."
        in answer["notes"]
    )


@pytest.mark.parametrize("query", [EXCHANGE, "Exchange Online", "exchange-online", "EXCHANGE"])
async def test_a_service_is_found_by_its_community_and_by_its_name(client: Client, query: str):
    answer = await found(client, query)
    carried = routes(answer, "community")
    assert ("edge-1", V4.exchange) in carried
    assert ("edge-1", V6.exchange) in carried
    assert ("edge-1", V4.sharepoint) not in carried
    assert ("service", "exchange-online") in places(answer)


async def test_a_large_community_is_found(client: Client, site: Site):
    site.net.announce("isp-a", V4.extra, communities="64500:1:2")
    assert routes(await found(client, "64500:1:2"), "community") == [("isp-a", V4.extra)]


async def test_routes_are_not_searched_for_too_many_services(client: Client):
    answer = await found(client, "region")
    assert answer["routes"] == []
    assert answer["places_total"] > len(answer["places"]) == 50
    assert answer["notes"][0].endswith("services and regions fit: search for one of them to see its routes.")


async def test_answers_are_limited(client: Client, site: Site, monkeypatch: pytest.MonkeyPatch):
    site.net.announce("isp-a", *V4.many(40), path="64500 65001")
    monkeypatch.setattr(search, "MAX_FOUND", 10)
    for query, match in (("9.0.0.0/8", "longer"), ("AS65001", "as-path")):
        [shown] = [each for each in (await found(client, query))["routes"] if each["match"] == match]
        told = [shown[key] for key in ("total", "total_exact", "truncated")]
        assert (len(shown["routes"]), told) == (10, [40, True, True])
    monkeypatch.setattr(search, "MAX_COUNTED", 20)
    for query, match in (("9.0.0.0/8", "longer"), ("AS65001", "as-path")):
        [shown] = [each for each in (await found(client, query))["routes"] if each["match"] == match]
        assert (len(shown["routes"]), shown["total"], shown["total_exact"]) == (10, 20, False)


# Names and addresses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "place", "href"),
    [
        ("chicago", ("circuit", "chicago"), "#circuit/chicago"),
        ("chicago primary", ("link", "primary of circuit chicago"), "#link/chicago/primary"),
        ("203.0.113.2", ("link", "primary of circuit chicago"), "#link/chicago/primary"),
        ("chi", ("pool", "chi"), "#pool/chi"),
        (V6.pool_part, ("pool", "chi"), "#pool/chi"),
        ("uplink isp-a", ("uplink", "isp-a"), "#uplink/isp-a"),
        ("AS64510", ("uplink", "isp-a"), "#uplink/isp-a"),
        ("edge-1", ("router", "edge-1"), "#router/edge-1"),
        ("Outside", ("feed", "outside"), "#feed/outside"),
        ("127.0.0.15", ("feed", "outside"), "#feed/outside"),
        ("pool-leak", ("check", "pool-leak"), "runbooks/pool-leak"),
        ("SharePoint", ("service", "sharepoint-online"), None),
        ("west europe", ("service", "region-west-europe"), None),
        (EXCHANGE, ("service", "exchange-online"), "#circuit/chicago"),
    ],
)
async def test_a_name_or_an_address_leads_to_its_place(
    client: Client, query: str, place: tuple[str, str], href: str | None
):
    answer = await found(client, query)
    assert place in places(answer)[:6]
    assert answer["places"][places(answer).index(place)]["href"] == href


@pytest.mark.parametrize(
    ("query", "name", "text"),
    [
        ("203.0.113.2", "edge-1/chicago/primary/ipv4", "from-microsoft of edge-1, its session with 203.0.113.2 by BMP"),
        ("edge-1/isp-a/ipv6", "edge-1/isp-a/ipv6", "from-internet of edge-1, its session with AS64510 by BMP"),
    ],
)  # fmt: skip
def test_a_session_that_a_router_reports_is_found_by_its_neighbor(query: str, name: str, text: str):
    [place] = [
        each for each in find_places(company(REPORTING).config, (), parse_query(query)) if each.kind == "feed"
    ]
    assert (place.name, place.text) == (name, text)


async def test_an_exact_name_comes_first(client: Client):
    assert places(await found(client, "edge-1"))[:2] == [("router", "edge-1"), ("feed", "edge-1")]


async def test_a_place_has_its_state(client: Client, site: Site):
    async def state(query: str) -> str | None:
        told: str | None = (await found(client, query))["places"][0]["state"]
        return told

    assert [await state(query) for query in ("circuit chicago", "pool chi", "feed isp-a", "router edge-1")] == [
        "up", "up", "up", None
    ]  # fmt: skip
    site.net.lose("chicago-primary", "ipv4", "ipv6").announce("isp-a", V4.pool, path="64500").down("outside")
    assert [await state(query) for query in ("link chicago primary", "pool chi", "feed outside")] == [
        "down"
    ] * 3


async def test_a_finding_is_found_by_its_id_check_and_labels(client: Client, site: Site):
    site.net.announce("isp-a", V4.pool, path="64500").wait(3)
    [finding] = site.net.monitor.findings()
    for query in (finding.id, "pool-leak", "isp-a", "chi"):
        answer = await found(client, query)
        assert ("finding", finding.id) in places(answer)
        shown = answer["places"][places(answer).index(("finding", finding.id))]
        assert (shown["href"], shown["state"]) == (f"findings/{finding.id}", "down")
        assert shown["text"].startswith("critical, raised: NAT pool chi")
    site.net.withdraw("isp-a", V4.pool).wait(10)
    [shown] = (await found(client, finding.id))["places"]
    assert (shown["state"], shown["text"][:20]) == ("recovering", "critical, recovering")
    site.net.wait(90)
    [shown] = (await found(client, finding.id))["places"]
    assert (shown["state"], shown["text"][:17]) == ("up", "critical, cleared")


@pytest.mark.parametrize("kind", ["circuit", "pool", "feed"])
def test_a_place_that_a_reload_has_removed_has_no_state(site: Site, kind: str):
    assert describe(site.net.monitor, Place(kind=kind, name="gone", text="was there")).state is None
