"""DNS rebinding, and pages of other sites."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from ermon.httpd.access import Hosts, hosts_of
from ermon.httpd.shell import WebConfig
from tests.httpd.test_access import USERS, basic
from tests.web.site import Client, Site

HOSTS = Hosts(["ermon.example.net", "Edge-Mon."])


@pytest.mark.parametrize(
    "header",
    [
        "localhost",
        "LOCALHOST:10179",
        "127.0.0.1:10179",
        "192.0.2.1",
        "[::1]:10179",
        "[2001:db8::1]",
        "ermon.example.net",
        "ermon.example.net.:10179",
        "edge-mon:80",
    ],
)
def test_an_address_and_a_name_of_ours_are_known(header: str):
    assert HOSTS.hold(header)


@pytest.mark.parametrize(
    "header",
    [
        "evil.example",
        "evil.example:10179",
        "localhost.evil.example",
        "evil.ermon.example.net",
        "127.0.0.1.evil.example",
        "edge-mon.evil.example",
        "127.1",
        "2130706433",
        "localhost@evil.example",
        "localhost:evil.example",
        "[localhost]",
        "[::1",
        "",
        ".",
        ":10179",
    ],
)
def test_anything_else_is_not(header: str):
    assert not HOSTS.hold(header)


def test_the_names_that_the_command_line_gives():
    hosts = hosts_of("https://noc.example.net/ermon", [("ermon-1", 10179), ("", 80)], ["ermon.svc"])
    for name in ("noc.example.net", "ermon-1", "ermon.svc", socket.gethostname(), "localhost"):
        assert hosts.hold(name), name
    assert not hosts.hold("")


# Over HTTP -------------------------------------------------------------------------------------------


async def test_a_name_that_is_not_ours_is_refused_with_what_to_do(client: Client):
    response = await client.get("/metrics", Host="evil.example:10179")
    assert response.status == 421
    text = await response.text()
    assert text.startswith("'evil.example:10179' is not a known name of this ermon")
    assert "--web.allowed-host=NAME" in text
    assert "--web.external-url" in text


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/v1/findings", "/-/healthy", "/nothing"])
async def test_no_path_is_read_by_rebinding(client: Client, path: str):
    assert (await client.get(path, Host="evil.example")).status == 421


async def test_a_client_without_a_host_is_no_browser(client: Client):
    reader, writer = await asyncio.open_connection(client.http.server.host, client.http.server.port)
    writer.write(b"GET /-/healthy HTTP/1.0\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.0 200 OK\r\n"
    writer.close()
    await writer.wait_closed()


async def test_a_password_proves_that_the_name_is_ours(site: Site):
    site.web_config = lambda: WebConfig(users=USERS)
    async with site.served() as client:
        known = {"Authorization": basic("bob", "b")}
        assert (await client.text("/-/healthy", Host="any.example.net", **known))[0] == 200
        assert (await client.text("/-/healthy", Host="any.example.net"))[0] == 401


# Pages of other sites --------------------------------------------------------------------------------


@pytest.fixture
def site(site: Site) -> Site:
    site.external_url = "https://noc.example.net/ermon"
    return site


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1:10179"}, 200),
        ({"Origin": "https://noc.example.net"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:8000"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://rewritten.by.a.proxy"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:10179"}, 403),
    ],
)
async def test_another_site_s_page_changes_nothing(
    site: Site, tmp_path: Path, headers: dict[str, str], status: int
):
    """Not even through a proxy that may open the control socket."""
    async with site.controlled(tmp_path) as client:
        answer = await client.text("/-/reload", "POST", Host="127.0.0.1:10179", **headers)
        assert (answer[0], site.reloads) == (status, int(status == 200))
        assert (await client.text("/-/healthy", Host="127.0.0.1:10179", **headers))[0] == 200
