"""One finding: its page, and its data in the API."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from aiohttp.test_utils import TestClient, TestServer
from msgspec import structs

from ermon.web.app import make_app
from tests.checks.company import company
from tests.web.site import Client, KeptPast, Site

POOL = "198.51.100.0/28"
PATH = "/api/v1/findings/"


async def leak(client: Client, site: Site) -> str:
    site.net.announce("isp-a", POOL, path="64500")
    [raised] = await client.data("/api/v1/findings")
    return raised["id"]


async def test_a_raised_finding_has_its_commands_and_a_page(client: Client, site: Site):
    wanted = await leak(client, site)
    found = await client.data(PATH + wanted)
    assert (found["finding"]["id"], found["finding"]["state"]) == (wanted, "raised")
    [sent] = found["steps"][0][0]["commands"]
    assert sent["where"] == "edge-1, uplink isp-a"
    assert sent["platform"] is None
    [block] = sent["commands"]["junos"]
    assert block["heading"] == ""
    assert POOL in block["lines"][0]
    assert set(found["placeholders"]) == {"ISP", "TO-ISP", "PEER-GROUP"}
    assert found["platforms"]["iosxr"] == "Cisco IOS-XR"
    assert (found["also"], found["silences"], found["unknown"]) == ([], [], [])

    response = await client.http.get(f"/findings/{wanted}")
    assert (response.status, response.content_type) == (200, "text/html")
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]
    assert "../static/finding.js" in await response.text()


async def test_commands_without_all_prefixes_say_so(client: Client, site: Site):
    site.net.announce("isp-a", *(f"2001:db8:100:10::{host:x}/128" for host in range(25)), path="64500")
    [raised] = await client.data("/api/v1/findings")
    found = await client.data(PATH + raised["id"])
    assert found["unknown"] == [
        "The evidence names 20 of 25 prefixes: commands about prefixes are about those."
    ]


async def test_other_findings_of_that_time_are_included(client: Client, site: Site):
    first = await leak(client, site)
    site.net.wait(5).announce("isp-a", "2001:db8:100:10::/64", path="64500")
    site.net.wait(5).withdraw("isp-a", POOL).wait(70).announce("isp-a", "2001:db8:100:11::/64", path="64500")
    found = await client.data(PATH + first)
    assert found["finding"]["state"] == "cleared"
    assert [other["labels"]["family"] for other in found["also"]] == ["ipv6"], "the third came later"
    assert any("from the present configuration" in sentence for sentence in found["unknown"])


async def test_a_finding_that_is_not_known_any_more_is_404_and_says_why(client: Client):
    status, error = await client.error(PATH + "no-such")
    assert status == 404
    assert "--storage.retention" in error
    response = await client.http.get("/findings/no-such")
    assert response.status == 404
    assert "--storage.retention" in await response.text()


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "..%2f..%2fetc%2fpasswd"])
async def test_an_odd_id_is_text(client: Client, name: str):
    response = await client.http.get(f"/findings/{name}")
    assert response.status == 404
    assert response.content_type == "text/plain"


async def test_an_old_finding_comes_from_the_store_and_says_what_is_unknown(client: Client, site: Site):
    wanted = await leak(client, site)
    site.net.withdraw("isp-a", POOL).wait(70)
    [kept] = site.net.monitor.cleared
    old = structs.replace(kept, id="old", labels={**kept.labels, "pool": "gone", "feed": "isp-z"}, since=1.0, raised_at=1.0, ended_at=9.0, cleared_at=9.0)  # fmt: skip
    beside = structs.replace(
        old, id="beside", check="no-such-check", since=5.0, ended_at=None, cleared_at=70.0
    )

    site.past = KeptPast([old, beside, kept])
    async with TestClient(TestServer(make_app(site.context()))) as http:
        found = await Client(http).data(PATH + "old")
        assert [other["id"] for other in found["also"]] == ["beside"]
        assert "The configuration has no feed isp-z and no pool gone any more" in " ".join(found["unknown"])
        assert found["steps"]
        unknown = await Client(http).data(PATH + "beside")
        assert (unknown["title"], unknown["steps"]) == ("no-such-check", [])
        assert (await http.get("/findings/old")).status == 200
        assert wanted not in ("old", "beside")


async def test_a_silence_has_the_labels_where_an_alertmanager_is_configured():
    net = company('alertmanager: {urls: ["http://127.0.0.1:9093/am/"]}')
    site = Site(net.process_up("edges").process_up("outside").converge()).tell()
    net.announce("isp-a", POOL, path="64500")
    async with TestClient(TestServer(make_app(site.context()))) as http:
        client = Client(http)
        raised = await client.data("/api/v1/findings", state="raised")
        [wanted] = [each["id"] for each in raised if each["check"] == "pool-leak"]
        [silence] = (await client.data(PATH + wanted))["silences"]
    page, _, matchers = silence.partition("?filter=")
    assert page == "http://127.0.0.1:9093/am/#/silences/new"
    assert unquote(matchers) == (
        '{alertname="ErmonPoolLeak",pool="chi",family="ipv4",feed="isp-a",uplink="isp-a"}'
    )
