"""The handlers of the API, except those with their own test files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp.test_utils import TestClient, TestServer

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.guide import read_guide
from ermon.exabgp.decode import Decoder
from ermon.model.events import StorageJudged
from ermon.model.prefixes import parse_prefix
from ermon.model.text import rfc3339
from ermon.web import api, routes
from ermon.web.app import make_app
from tests.checks.company import BLACKHOLE, EXCHANGE, V4, V6, Space, company
from tests.exabgp.recordings import labels_of, lines_of
from tests.story import Story, config
from tests.web.site import Client, KeptPast, Site, past_finding

BOTH_FAMILIES = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])

RECORDED = """
customer: {asn: 64500, provider_asns: [65011], own_prefixes: [198.51.100.0/24, 203.0.113.0/24, "2001:db8::/32"]}
collector: {asn: 64500}
circuits:
  chicago:
    geo: us
    location: Chicago
    peering: microsoft
    links:
      primary: {router: edge-1, subnet: 192.0.2.0/30}
      secondary: {router: edge-2, subnet: 192.0.2.4/30}
policy: {public_space: [192.0.2.0/24, 198.51.100.0/24]}
feeds:
  edge-1: {router: edge-1, view: edge-table, peer: 127.0.0.11, local: 127.0.0.1, peer_asn: 64500, families: [ipv4, ipv6], add_path: true}
  campus: {view: segment, segment: campus, peer: 127.0.0.2, local: 127.0.0.1, peer_asn: 12076, local_asn: 64500, families: [ipv4, ipv6]}
segments:
  campus: {expressroute: required}
"""
"""The speakers of the recordings, as if they were a company's routers."""


# Status ----------------------------------------------------------------------------------------------


async def test_the_status_names_everything_that_is_configured(client: Client, site: Site):
    status = await client.data("/api/v1/status")
    assert {kind: list(status[kind]) for kind in ("circuits", "pools", "feeds", "processes")} == {
        "circuits": ["chicago", "dallas"],
        "pools": ["chi", "dal"],
        "feeds": list(site.net.config.feeds),
        "processes": ["edges", "outside"],
    }
    assert status["findings"] == {"critical": 0, "warning": 0, "info": 0}
    assert (status["started_at"], status["time"]) == ("2026-11-18T11:06:40.000Z", "2026-11-18T11:06:42.000Z")
    assert status["version"]


async def test_uplinks_and_segments_in_the_status(client: Client, site: Site):
    status = await client.data("/api/v1/status")
    assert (status["uplinks"], status["segments"]) == (
        {"isp-a": {"router": "edge-1", "asn": 64510, "sessions": {}}},
        {},
    )
    site.net.reconfigure(company("segments: {campus: {expressroute: forbidden}}", "uplinks: null",
                                 "feeds: {isp-a: null}").config)  # fmt: skip
    status = await client.data("/api/v1/status")
    assert (status["uplinks"], status["segments"]) == ({}, {"campus": {"expressroute": "forbidden"}})


@BOTH_FAMILIES
async def test_a_lost_link_in_the_status(client: Client, site: Site, space: Space):
    site.net.wait(58).lose("chicago-primary", space.family).wait(10)
    status = await client.data("/api/v1/status")
    chicago, family = status["circuits"]["chicago"], space.family
    primary = chicago["links"]["primary"]
    assert (chicago["state"][family], chicago["links_up"][family]) == ("up", 1)
    assert (primary["state"][family], primary["routes"][family]) == ("down", 0)
    assert primary["since"][family] == "2026-11-18T11:07:40.000Z"
    assert primary["decided_by"][family] == ["edge-1"]
    assert status["pools"]["chi"]["advertised"][family]["chicago"] == {"primary": "no", "secondary": "yes"}
    assert status["findings"] == {"critical": 0, "warning": 1, "info": 0}


async def test_a_lost_feed_in_the_status(client: Client, site: Site):
    site.net.down("isp-a")
    status = await client.data("/api/v1/status")
    feed = status["feeds"]["isp-a"]
    assert (feed["state"], feed["down_reason"]) == ("down", "closing connection")
    assert feed["in_sync"] == {"ipv4": False, "ipv6": False}
    assert status["pools"]["chi"]["on_internet"] == {
        "ipv4": {"isp-a": "unknown", "outside": "no"},
        "ipv6": {"isp-a": "unknown", "outside": "no"},
    }


async def test_a_process_that_is_lost_in_the_status(client: Client, site: Site):
    site.net.process_down("outside")
    processes = (await client.data("/api/v1/status"))["processes"]
    assert processes["outside"] == {
        "state": "down",
        "feeds": ["outside"],
        "reason": "exited",
        "unconfined": None,
    }
    assert processes["edges"]["state"] == "up"


async def test_missing_confinement_is_in_the_status_as_in_the_metrics(client: Client, site: Site):
    telemetry = site.telemetry
    for missing, told in (((), []), (("ports", "signals"), ["ports", "signals"]), (None, None)):
        telemetry.confined("edges", missing)
        processes = (await client.data("/api/v1/status"))["processes"]
        assert processes["edges"]["unconfined"] == told
        assert processes["outside"]["unconfined"] is None


# Findings --------------------------------------------------------------------------------------------


@BOTH_FAMILIES
async def test_a_finding_is_raised_and_cleared(client: Client, site: Site, space: Space):
    assert await client.data("/api/v1/findings") == []
    site.net.announce("isp-a", space.pool, path="64500")
    [raised] = await client.data("/api/v1/findings")
    found = {name: raised[name] for name in ("state", "check", "severity", "labels", "summary")}
    assert found == {
        "state": "raised",
        "check": "pool-leak",
        "severity": "critical",
        "labels": {"pool": "chi", "family": space.family, "feed": "isp-a", "uplink": "isp-a"},
        "summary": f"NAT pool chi {space.pool} is advertised to isp-a by edge-1",
    }
    assert raised["evidence"]["prefixes"] == [space.pool]
    assert raised["since"] == raised["raised_at"] == "2026-11-18T11:06:42.000Z"
    assert (raised["ended_at"], raised["cleared_at"]) == (None, None)

    site.net.wait(8).withdraw("isp-a", space.pool).wait(60)
    [cleared] = await client.data("/api/v1/findings")
    assert (cleared["id"], cleared["state"]) == (raised["id"], "cleared")
    assert cleared["ended_at"] == "2026-11-18T11:06:50.000Z"
    assert cleared["cleared_at"] == "2026-11-18T11:07:50.000Z"


async def test_raised_findings_come_first_and_then_the_last_that_was_cleared(client: Client, site: Site):
    net = site.net
    net.announce("isp-a", V4.pool).withdraw("isp-a", V4.pool).wait(60)
    net.announce("isp-a", V6.pool).withdraw("isp-a", V6.pool).wait(60)
    net.announce("isp-a", V6.dallas_pool)
    found = [
        (f["state"], f["labels"]["pool"], f["labels"]["family"])
        for f in await client.data("/api/v1/findings")
    ]
    assert found == [("raised", "dal", "ipv6"), ("cleared", "chi", "ipv6"), ("cleared", "chi", "ipv4")]
    assert [f["state"] for f in await client.data("/api/v1/findings", state="raised")] == ["raised"]
    assert [f["state"] for f in await client.data("/api/v1/findings", state="cleared")] == ["cleared"] * 2


async def test_a_finding_that_cannot_be_judged_any_more_is_stale(client: Client, site: Site):
    site.net.announce("isp-a", V4.pool).down("isp-a")
    [leak] = await client.data("/api/v1/findings", state="raised")
    assert (leak["check"], leak["stale"], leak["suppressed"]) == ("pool-leak", True, False)


@pytest.fixture
async def with_history(site: Site) -> AsyncIterator[Client]:
    site.past = KeptPast(past_finding(site.net.start - seconds) for seconds in (300, 200, 100))
    async with TestClient(TestServer(make_app(site.context()))) as http:
        yield Client(http)


@pytest.mark.parametrize("write", [str, rfc3339], ids=["seconds", "RFC 3339"])
async def test_findings_that_were_raised_or_not_yet_cleared_since_a_time(
    with_history: Client, site: Site, write: Callable[[float], str]
):
    client, start = with_history, site.net.start
    site.net.announce("isp-a", V4.pool).withdraw("isp-a", V4.pool).wait(60).announce("isp-a", V6.pool)
    site.net.wait(0)

    async def since(time: float, **state: str) -> list[tuple[str, str]]:
        found = await client.data("/api/v1/findings", since=write(time), **state)
        return [(f["check"], f["id"] if f["check"] == "link-down" else f["labels"]["family"]) for f in found]

    leaks = [("pool-leak", "ipv6"), ("pool-leak", "ipv4")]
    before = [("link-down", f"at {start - seconds}") for seconds in (100, 200, 300)]
    assert await since(start - 200) == [*leaks, *before[:2]], "raised first, then the latest cleared"
    assert await since(start - 200, state="cleared") == [*leaks[1:], *before[:2]]
    assert await since(start - 200, state="raised") == leaks[:1]
    assert await since(start - 199) == [*leaks, *before[:1]]
    assert await since(0) == [*leaks, *before]
    assert await since(start + 3600) == leaks[:1], "what is raised has not ended"


async def test_a_truncated_answer_says_so(site: Site):
    times = [site.net.start - number for number in range(api.MAX_HISTORY + 1, 0, -1)]
    site.past = KeptPast(map(past_finding, times))
    async with TestClient(TestServer(make_app(site.context()))) as http:
        answer = await (await http.get("/api/v1/findings", params={"since": "0"})).json()
        assert [found["id"] for found in answer["data"]] == [f"at {at}" for at in reversed(times[1:])]
        assert answer["warnings"] == [f"only the {api.MAX_HISTORY} findings that were cleared last are shown"]


async def test_an_answer_that_may_lack_something_says_so(with_history: Client, site: Site):
    site.net.monitor.apply(StorageJudged(site.net.now, "the disk is full"))
    answer = await (await with_history.http.get("/api/v1/findings", params={"since": "0"})).json()
    assert answer["warnings"] == ["cleared findings may be missing: the disk is full"]
    answer = await (await with_history.http.get("/api/v1/findings?since=0&state=raised")).json()
    assert "warnings" not in answer, "nothing can be missing"


@pytest.mark.parametrize(
    "time", ["", "yesterday", "2026-11-20", "2026-11-20T23:48:38", "nan", "1e999", "inf"]
)
async def test_a_time_that_is_none_is_refused(client: Client, time: str):
    status, words = await client.error("/api/v1/findings", since=time)
    assert status == 400
    assert words.startswith(
        f"parameter 'since': {time!r} is not a time with a zone; write 2026-12-01T02:00:00Z or"
    )


# Statuses --------------------------------------------------------------------------------------------


@BOTH_FAMILIES
async def test_the_status_of_every_check_and_subject(client: Client, site: Site, space: Space):
    net, family = site.net, space.family
    net.announce("isp-a", space.pool).lose("chicago-primary", family).down("outside")
    found = await client.data("/api/v1/statuses")
    because = [each.pop("suppressed_because", None) for each in found]
    assert found == [
        {"check": c.subject.check, "labels": dict(c.subject.labels), "status": c.status}
        for c in net.monitor.statuses()
    ]
    assert because == [net.monitor.suppressed_because(c) for c in net.monitor.statuses()]
    assert "link-down" in because

    def status(check: str, **labels: str) -> str:
        return next(f["status"] for f in found if (f["check"], f["labels"]) == (check, labels))

    assert status("pool-leak", pool="chi", family=family, feed="isp-a", uplink="isp-a") == "violated"
    assert status("pool-leak", pool="dal", family=family, feed="isp-a", uplink="isp-a") == "ok"
    assert status("pool-leak", pool="chi", family=family, feed="outside") == "unknown"
    assert status("prefix-count-low", circuit="chicago", link="primary", family=family) == "suppressed"


async def test_the_statuses_follow_a_reload(client: Client, site: Site):
    before = await client.data("/api/v1/statuses")
    site.net.reconfigure(company("checks: {pool-leak: {enabled: false}}").config)
    after = await client.data("/api/v1/statuses")
    assert [f for f in before if f["check"] != "pool-leak"] == after != before


# Routes ----------------------------------------------------------------------------------------------


@BOTH_FAMILIES
async def test_a_route_of_an_edge_table_has_its_link(client: Client, space: Space):
    found = await client.data("/api/v1/routes", prefix=space.exchange, feed="edge-1")
    assert found["routes"] == [
        {
            "feed": "edge-1",
            "prefix": space.exchange,
            "path_id": None,
            "next_hop": space.msee["chicago-primary"],
            "as_path": "12076",
            "communities": [{"community": EXCHANGE, "name": "exchange-online"}],
            "large_communities": [],
            "med": None,
            "local_preference": 100,
            "origin": None,
            "circuit": "chicago",
            "link": "primary",
            "attribution": "link",
        }
    ]
    assert (found["total"], found["total_exact"], found["truncated"]) == (1, True, False)
    assert (found["partial_feeds"], found["feeds_not_in_sync"]) == (["edge-1"], [])


@BOTH_FAMILIES
async def test_routes_are_found_exactly_inside_or_around(client: Client, site: Site, space: Space):
    async def found(match: str, prefix: str) -> list[str]:
        data = await client.data("/api/v1/routes", prefix=prefix, match=match, feed="isp-a")
        return sorted(route["prefix"] for route in data["routes"])

    site.net.announce("isp-a", space.pool, space.pool_part, space.own, space.default)
    assert await found("exact", space.pool) == [space.pool]
    assert await found("longer", space.pool) == sorted([space.pool, space.pool_part])
    assert await found("covering", space.pool) == sorted([space.pool, space.own, space.default])
    assert await found("exact", space.pool_halves[0]) == []


@BOTH_FAMILIES
async def test_an_address_means_its_host_prefix(client: Client, site: Site, space: Space):
    site.net.announce("isp-a", space.pool_part)
    address, _, _ = space.pool_part.partition("/")
    exact = await client.data("/api/v1/routes", prefix=address)
    assert (exact["prefix"], exact["match"], exact["total"]) == (space.pool_part, "exact", 1)


@BOTH_FAMILIES
async def test_a_route_that_matches_no_link_says_so(client: Client, site: Site, space: Space):
    site.net.announce("edge-1", space.extra, path="12076").announce("edge-1", space.own, path="64510")
    for prefix, attribution in ((space.extra, "unattributed"), (space.own, "not-microsoft")):
        [route] = (await client.data("/api/v1/routes", prefix=prefix, feed="edge-1"))["routes"]
        assert (route["circuit"], route["link"], route["attribution"]) == (None, None, attribution)


@BOTH_FAMILIES
async def test_a_community_without_a_name_is_normal(client: Client, site: Site, space: Space):
    site.net.announce(
        "isp-a", space.own, communities=f"12076:59999 64500:1:2 {BLACKHOLE}", path="64500 {1 2}"
    )
    [route] = (await client.data("/api/v1/routes", prefix=space.own, feed="isp-a"))["routes"]
    assert route["communities"] == [
        {"community": "12076:59999", "name": None},
        {"community": BLACKHOLE, "name": None},
    ]
    assert (route["large_communities"], route["as_path"]) == (["64500:1:2"], "64500 {1 2}")
    assert route["attribution"] is None


async def test_a_feed_that_may_not_have_sent_everything_is_named(client: Client, site: Site):
    site.net.down("isp-a").up("edge-2")
    found = await client.data("/api/v1/routes", prefix=V6.pool)
    assert found["feeds_not_in_sync"] == ["edge-2", "isp-a"]


@BOTH_FAMILIES
async def test_feeds_that_provably_lack_the_route_are_named(client: Client, site: Site, space: Space):
    async def without(match: str) -> list[str]:
        found = await client.data("/api/v1/routes", prefix=space.pool, match=match)
        return found["feeds_without"]

    site.net.announce("isp-a", space.own, path="64500")
    others = {"chicago-primary", "chicago-secondary"}
    assert "isp-a" in await without("exact")
    assert "isp-a" not in await without("covering"), "it has the aggregate"
    assert not others & {*await without("exact")}, "they have the pool"
    assert "edge-1" not in await without("exact"), "its silence proves nothing: it holds a part"
    site.net.down("isp-a")
    assert "isp-a" not in await without("exact"), "nobody knows"


@BOTH_FAMILIES
async def test_a_feed_with_a_pending_request_proves_nothing(client: Client, site: Site, space: Space):
    wider = replace(
        site.net.config, internet_only=(*site.net.config.internet_only, parse_prefix(space.extra))
    )
    site.net.reconfigure(wider).wait(0)
    found = await client.data("/api/v1/routes", prefix=space.extra)
    assert "outside" in found["feeds_not_in_sync"]
    assert "isp-a" not in found["feeds_not_in_sync"], "it is held whole"
    found = await client.data("/api/v1/routes", prefix=space.pool)
    assert found["feeds_not_in_sync"] == []


@BOTH_FAMILIES
async def test_answers_are_limited(client: Client, site: Site, space: Space, monkeypatch: pytest.MonkeyPatch):
    site.net.announce("isp-a", *space.many(40))
    ask = {"prefix": space.default, "match": "longer", "feed": "isp-a"}
    total = (await client.data("/api/v1/routes", **ask))["total"]
    monkeypatch.setattr(routes, "MAX_ROUTES", 10)
    found = await client.data("/api/v1/routes", **ask)
    assert (len(found["routes"]), found["total"], found["total_exact"], found["truncated"]) == (
        10,
        total,
        True,
        True,
    )
    monkeypatch.setattr(routes, "MAX_COUNTED", 20)
    found = await client.data("/api/v1/routes", **ask)
    assert (len(found["routes"]), found["total"], found["total_exact"]) == (10, 20, False)


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ("", 400, "parameter 'prefix' is missing; give one such as 198.51.100.0/28 or 2001:db8::1"),
        ("prefix=", 400, "parameter 'prefix': '' is not an IP address"),
        ("prefix=pool", 400, "parameter 'prefix': 'pool' is not an IP address"),
        ("prefix=10.0.0.0/33", 400, "parameter 'prefix': '10.0.0.0/33' is not a prefix: its length is not 0 to 32"),
        ("prefix=2001:db8::1/64", 400, "parameter 'prefix': '2001:db8::1/64' is not a prefix: host bits are set"),
        ("prefix=::/0&match=shorter", 400, "parameter 'match' is 'shorter', and must be one of exact, longer, covering"),
        ("prefix=::/0&prefix=::/0", 400, "parameter 'prefix' is given more than once"),
        ("prefix=::/0&view=internet", 400, "unknown parameter 'view'; this path takes prefix and feed and match"),
        ("prefix=::/0&feed=nobody", 404, "there is no feed 'nobody'"),
    ],
)  # fmt: skip
async def test_a_wrong_request_for_routes_is_explained(client: Client, query: str, status: int, error: str):
    assert await client.error(f"/api/v1/routes?{query}") == (status, error)


async def test_other_wrong_requests_are_explained(client: Client):
    assert await client.error("/api/v1/findings", state="open") == (
        400,
        "parameter 'state' is 'open', and must be one of raised, cleared",
    )
    assert await client.error("/api/v1/status", state="raised") == (
        400,
        "unknown parameter 'state'; this path takes none",
    )
    assert await client.error("/api/v1/statuses", check="pool-leak") == (
        400,
        "unknown parameter 'check'; this path takes none",
    )


# Recorded --------------------------------------------------------------------------------------------


@asynccontextmanager
async def replayed(lines: Iterable[bytes]) -> AsyncIterator[Client]:
    """A site whose feeds got the recorded lines of ExaBGP."""
    net = Story(config(RECORDED), start=1_795_184_000.0)
    decoder = Decoder(net.config.feeds)
    for line in lines:
        for event in decoder.decode(line).events:
            net.monitor.apply(event)
    async with TestClient(TestServer(make_app(Site(net).context()))) as http:
        yield Client(http)


async def test_recorded_routes_are_shown_with_all_attributes():
    lines = lines_of("samples")[: labels_of("samples").index("withdraw-ipv4-addpath")]
    async with replayed(lines) as client:
        found = await client.data("/api/v1/routes", prefix="198.51.100.0/24")
        shown = {(r["path_id"], r["next_hop"], r["as_path"], r["link"]) for r in found["routes"]}
        assert shown == {
            (7, "192.0.2.1", "65011 65011 65011", None),
            (8, "192.0.2.2", "65011 12076", "primary"),
        }
        [route] = (await client.data("/api/v1/routes", prefix="203.0.113.0/25"))["routes"]
        assert (route["med"], route["origin"], route["attribution"]) == (50, "igp", "not-microsoft")


async def test_a_recorded_ipv6_route_has_its_global_next_hop():
    lines = lines_of("samples")[: labels_of("samples").index("withdraw-ipv6")]
    async with replayed(lines) as client:
        [route] = (await client.data("/api/v1/routes", prefix="2001:db8:200::/48"))["routes"]
        assert (route["path_id"], route["next_hop"], route["as_path"]) == (3, "2001:db8::1", "65011 64999")


async def test_a_recorded_community_of_microsoft_has_its_name():
    async with replayed(lines_of("two-speakers")[:7]) as client:
        [route] = (await client.data("/api/v1/routes", prefix="203.0.113.0/24"))["routes"]
        assert (route["feed"], route["as_path"]) == ("campus", "12076 64500")
        assert route["communities"] == [{"community": "12076:5040", "name": "crm-online"}]


async def test_a_recorded_session_and_its_end():
    async with replayed(lines_of("two-speakers")[:7]) as client:
        campus = (await client.data("/api/v1/status"))["feeds"]["campus"]
        assert (campus["state"], campus["routes"]) == ("up", {"ipv4": 2, "ipv6": 1})
    async with replayed(lines_of("two-speakers")[:8]) as client:
        campus = (await client.data("/api/v1/status"))["feeds"]["campus"]
        assert (campus["state"], campus["down_reason"]) == (
            "down",
            "connection lost, or closed by the router, without a NOTIFICATION",
        )
        assert campus["routes"] == {"ipv4": 0, "ipv6": 0}


async def test_all_checks_are_listed_in_the_order_of_the_catalogue(client: Client):
    found = await client.data("/api/v1/checks")
    assert [each["check"] for each in found] == list(CATALOGUE)
    assert found[0] == {
        "check": "link-down",
        "title": read_guide("link-down").title,
        "severity": "warning",
        "section": CATALOGUE["link-down"].section,
    }


@pytest.mark.parametrize("check", CATALOGUE)
async def test_a_check_has_its_meaning_and_steps(client: Client, check: str):
    guide, found = read_guide(check).plain(), await client.data(f"/api/v1/checks/{check}")
    assert {name: found[name] for name in ("title", "meaning", "needs", "placeholders", "source")} == {
        "title": guide.title,
        "meaning": guide.meaning,
        "needs": guide.needs,
        "placeholders": guide.placeholders,
        "source": guide.source,
    }
    assert tuple(found["action"]) == guide.steps


async def test_severities_are_those_of_the_running_configuration(client: Client, site: Site):
    async def severity(check: str) -> str:
        listed = {each["check"]: each["severity"] for each in await client.data("/api/v1/checks")}
        found = (await client.data(f"/api/v1/checks/{check}"))["severity"]
        assert found == listed[check]
        return str(found)

    assert (await severity("drain"), await severity("pool-covered")) == ("info", "warning")
    changed = company("checks: {drain: {severity: critical}}", "policy: {internet_covering: critical}")
    site.net.reconfigure(changed.config)
    assert (await severity("drain"), await severity("pool-covered")) == ("critical", "critical")


async def test_a_wrong_request_for_checks_is_explained(client: Client):
    assert await client.error("/api/v1/checks/link-up") == (
        404,
        "there is no check 'link-up'; /api/v1/checks lists all",
    )
    assert await client.error("/api/v1/checks/drain?circuit=chicago") == (
        400,
        "unknown parameter 'circuit'; this path takes none",
    )
