"""Present states can be accepted over HTTP, by users who may make changes."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from ermon.web.app import make_app
from tests.checks.company import SPACES, Company, company
from tests.web.site import ME, Client, Site

PATH = "/api/v1/accept"
DROP = "circuits: {chicago: {receive: {minimum: null, prefixes: null, services: null, drop_percent: 30}}}"
WANTED = {"check": "prefix-count-low", "circuit": "chicago", "reason": "the filter is narrower now"}


def lessened(*changes: str) -> Company:
    """Both links of Chicago receive far fewer routes than usual, and that is raised."""
    net, many = company(DROP, *changes).up("edge-1", "edge-2"), SPACES["ipv4"].many(40)
    for link in ("chicago-primary", "chicago-secondary"):
        net.microsoft_sends(link, *many)
    net.get_in_sync("edge-1", "edge-2").wait(3600)
    for link in ("chicago-primary", "chicago-secondary"):
        net.microsoft_withdraws(link, *many[12:])
    return net.wait(60)


@pytest.fixture
def site() -> Site:
    return Site(lessened()).tell()


@pytest.fixture
async def client(site: Site, tmp_path: Path) -> AsyncIterator[Client]:
    async with site.controlled(tmp_path) as controlled:
        yield controlled


async def send(client: Client, body: Any) -> tuple[int, Any]:
    response = await client.http.post(PATH, json=body)
    answer = await response.json()
    return response.status, answer.get("data", answer.get("error"))


async def test_a_level_is_accepted_and_its_findings_are_cleared_with_the_reason(
    client: Client, site: Site
) -> None:
    assert len(site.net.raised("prefix-count-low")) == 2
    status, accepted = await send(client, WANTED)
    assert status == 200
    because = f"accepted by {ME}: the filter is narrower now"
    assert [(each["check"], each["labels"]["link"], each["status"]) for each in accepted] == [
        ("prefix-count-low", "primary", "ok"),
        ("prefix-count-low", "secondary", "ok"),
    ]
    assert {(each["by"], each["because"]) for each in accepted} == {(ME, because)}
    assert site.net.raised("prefix-count-low") == []
    cleared = await client.data("/api/v1/findings?state=cleared")
    assert [each["evidence"]["cleared_because"] for each in cleared] == [because, because]


async def test_one_link_may_be_accepted(client: Client, site: Site) -> None:
    status, accepted = await send(client, WANTED | {"link": "primary"})
    assert (status, len(accepted)) == (200, 1)
    assert site.net.raised("prefix-count-low") == ["prefix-count-low chicago secondary ipv4"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"check": "pool-leak"}, "pool-leak cannot be accepted; those that can: "),
        ({"check": "pool-leek"}, "there is no check 'pool-leek'"),
        ({"circuit": "paris"}, "there is no circuit 'paris'"),
        ({"link": "tertiary"}, "circuit 'chicago' has no link 'tertiary'"),
        ({"service": "exchange-online"}, "prefix-count-low is of no single service"),
        ({"check": "service-count-low", "service": "x"}, "requires no service 'x'"),
        ({"circuit": "dallas"}, "not violated at present"),
        ({"check": "source-rejected", "source": "x"}, "there is no published list 'x'"),
        ({"reason": " "}, "reason: must be one line of text"),
        ({"severity": "info"}, "the body is not a valid request"),
    ],
)
async def test_other_findings_cannot_be_accepted(
    client: Client, change: dict[str, str], problem: str
) -> None:
    status, error = await send(client, WANTED | change)
    assert status == 400
    assert problem in error


async def test_a_level_below_the_minimum_stays_violated(tmp_path: Path) -> None:
    site = Site(lessened("circuits: {chicago: {receive: {minimum: {ipv4: 20}}}}")).tell()
    async with site.controlled(tmp_path) as client:
        _, accepted = await send(client, WANTED)
    assert {each["status"] for each in accepted} == {"violated"}
    assert len(site.net.raised("prefix-count-low")) == 2


async def test_accepting_needs_the_right_to_make_changes() -> None:
    async with TestClient(TestServer(make_app(Site(lessened()).tell().context()))) as http:
        assert (await send(Client(http), WANTED))[0] == 403
