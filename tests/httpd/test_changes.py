"""Which users may make changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ermon.httpd.shell import WebConfig, address_key
from tests.httpd.test_access import USERS, basic
from tests.web.site import ME, Client, Site

CHANGES = pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/-/reload"),
        ("PUT", "/-/reload"),
        ("POST", "/api/v1/maintenance"),
        ("DELETE", "/api/v1/maintenance/x"),
    ],
)


@pytest.fixture
def site(site: Site) -> Site:
    site.lifecycle = True
    return site


@CHANGES
async def test_a_request_from_this_machine_has_no_right(client: Client, method: str, path: str):
    status, text = await client.text(path, method)
    assert status == 403
    assert "over TCP they need a password or a verified client certificate, which --web.config.file" in text


@CHANGES
async def test_an_account_of_this_machine_may_make_changes_over_the_control_socket(
    site: Site, tmp_path: Path, method: str, path: str
):
    site.lifecycle = False
    site.web_config = lambda: WebConfig(users=USERS)
    with capture_logs() as log:
        async with site.controlled(tmp_path) as client:
            assert (await client.text(path, method))[0] not in {401, 403}
    [asked] = [line for line in log if line["event"] == "change requested"]
    assert (asked["by"], asked["uid"]) == (ME, os.getuid())


@CHANGES
async def test_a_refusal_over_tcp_names_the_control_socket(
    site: Site, tmp_path: Path, method: str, path: str
):
    site.lifecycle = False
    site.control = tmp_path / "control.sock"
    async with site.served() as client:
        status, text = await client.text(path, method)
        assert status == 403
        assert f"on ermon's machine, make changes over {site.control} (commands take it as --socket)" in text
        assert "--web.enable-lifecycle and a password or a verified client certificate" in text


@CHANGES
async def test_a_user_with_a_password_may_make_changes(site: Site, method: str, path: str):
    site.web_config = lambda: WebConfig(users=USERS)
    async with site.served() as client:
        with capture_logs() as log:
            assert (await client.text(path, method, Authorization=basic("bob", "b")))[0] not in {401, 403}
    asked = [line for line in log if line["event"] == "change requested"]
    assert [(line["by"], line["method"], line["path"]) for line in asked] == [("bob", method, path)]


@CHANGES
async def test_changes_over_tcp_must_be_enabled(site: Site, method: str, path: str):
    site.lifecycle = False
    site.web_config = lambda: WebConfig(users=USERS)
    async with site.served() as client:
        status, text = await client.text(path, method, Authorization=basic("bob", "b"))
        assert status == 403
        assert "--web.enable-lifecycle" in text


@pytest.mark.parametrize(
    ("remote", "key"),
    [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, ""),
    ],
)
def test_addresses_of_one_client_have_the_same_key(remote: str | None, key: str):
    assert address_key(remote) == key
