"""``/api/v1/probes``: what Prometheus' HTTP service discovery gets."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp.test_utils import TestClient, TestServer

from ermon.httpd.shell import WebConfig
from ermon.sources.published import with_published
from ermon.web.app import make_app
from tests.checks.company import company
from tests.core.test_probes import LISTED, listed, published
from tests.story import Story
from tests.web.site import Client, Site

NAMED = "probes: [{service: exchange-online, target: 'Mail.example.net:443'}]"


async def answer(net: Story, method: str = "GET", path: str = "/api/v1/probes"):
    async with TestClient(TestServer(make_app(Site(net).context()))) as http:
        response = await http.request(method, path)
        return response, await response.json()


async def test_the_targets_are_the_whole_answer_in_the_format_of_prometheus():
    response, found = await answer(company(NAMED))
    assert (response.status, response.content_type) == (200, "application/json")
    assert found == [
        {"targets": ["mail.example.net:443"], "labels": {"ms_service": "exchange-online", "geo": "us"}}
    ]


async def test_nothing_to_probe_is_an_empty_list(client: Client):
    response = await client.get("/api/v1/probes")
    assert (response.status, await response.json()) == (200, [])


async def test_a_list_that_has_not_been_read_is_503_so_that_prometheus_keeps_its_targets():
    net = company(LISTED, NAMED)
    net.reconfigure(with_published(net.config, {}))
    response, found = await answer(net)
    assert response.status == 503
    assert found == {
        "status": "error",
        "error": "not read yet, so their targets are unknown: m365:m365.json[Exchange]",
    }
    net.reconfigure(published(net.config, *listed("mail.example.net:25")))
    _, found = await answer(net)
    assert [each["targets"] for each in found] == [["mail.example.net:25", "mail.example.net:443"]]


async def test_the_day_is_that_of_the_calendar():
    net = company(LISTED)
    today = datetime.fromtimestamp(net.now, UTC).date()
    net.reconfigure(published(net.config, *listed("new.example.net:443", starts=today)))
    assert (await answer(net))[1]
    net.reconfigure(published(net.config, *listed("old.example.net:443", ends=today)))
    assert (await answer(net))[1] == []


async def test_it_takes_no_parameters_and_changes_nothing(client: Client):
    assert (await client.get("/api/v1/probes?geo=us")).status == 400
    assert (await client.http.post("/api/v1/probes")).status == 405


async def test_it_needs_the_password_that_every_other_path_needs():
    user = WebConfig(users={"prometheus": b"$2b$04$" + b"x" * 53})
    async with TestClient(
        TestServer(make_app(Site(company(NAMED), web_config=lambda: user).context()))
    ) as http:
        for path in ("/api/v1/probes", "/api/v1/status"):
            assert (await http.get(path)).status == 401
