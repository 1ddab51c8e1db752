"""Who may change anything over HTTP."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from ermon.httpd import access
from ermon.httpd.access import is_loopback
from ermon.httpd.shell import WebConfig, address_key
from tests.httpd.test_access import USERS, basic
from tests.web.site import Client, Site

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
async def test_a_caller_on_this_machine_may(client: Client, method: str, path: str):
    assert (await client.text(path, method))[0] != 403


@CHANGES
async def test_a_caller_elsewhere_may_not(
    client: Client, monkeypatch: pytest.MonkeyPatch, method: str, path: str
):
    monkeypatch.setattr(access, "is_loopback", lambda _: False)
    status, text = await client.text(path, method)
    assert status == 403
    assert "--web.config.file" in text


@CHANGES
@pytest.mark.parametrize("header", ["X_Forwarded_For", "Forwarded", "X_Real_IP", "Via"])
async def test_a_proxy_on_this_machine_makes_nobody_local(
    client: Client, method: str, path: str, header: str
):
    assert (await client.text(path, method, **{header: "127.0.0.1"}))[0] == 403


@CHANGES
async def test_who_gave_a_password_may_from_anywhere(
    site: Site, monkeypatch: pytest.MonkeyPatch, method: str, path: str
):
    monkeypatch.setattr(access, "is_loopback", lambda _: False)
    site.web_config = lambda: WebConfig(users=USERS)
    async with site.served() as client:
        with capture_logs() as log:
            assert (await client.text(path, method, Authorization=basic("bob", "b")))[0] not in {401, 403}
    asked = [line for line in log if line["event"] == "change asked for"]
    assert [(line["user"], line["method"], line["path"]) for line in asked] == [("bob", method, path)]


@CHANGES
async def test_nobody_may_unless_that_is_switched_on(site: Site, method: str, path: str):
    site.lifecycle = False
    site.web_config = lambda: WebConfig(users=USERS)
    async with site.served() as client:
        status, text = await client.text(path, method, Authorization=basic("bob", "b"))
        assert status == 403
        assert "--web.enable-lifecycle" in text


@pytest.mark.parametrize(
    ("remote", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.1", False),
        ("::ffff:192.0.2.1", False),
        ("2001:db8::1", False),
        ("", False),
        (None, False),
    ],
)
def test_loopback(remote: str | None, loopback: bool):
    assert is_loopback(remote) is loopback


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
def test_the_party_behind_an_address(remote: str | None, key: str):
    assert address_key(remote) == key
