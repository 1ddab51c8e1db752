"""TLS: which server a client talks to, and what a certificate proves."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientConnectorError, ClientError, ClientSession
from structlog.testing import capture_logs

from ermon.httpd.config import LiveWebConfig
from ermon.httpd.listen import listening
from ermon.httpd.tls import alternative_names, name_of
from ermon.web.app import make_app
from tests.httpd.pki import Pki, write
from tests.web.site import Site

CLIENTS = "client_ca_file: ca.crt, client_auth_type"


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    pki = Pki(tmp_path)
    pki.issue("server", "localhost", "127.0.0.1")
    return pki


@asynccontextmanager
async def serving(site: Site, pki: Pki, settings: str = "") -> AsyncIterator[str]:
    """Serve the site with these TLS settings; returns its URL."""
    file = write(
        pki.folder / "web.yml",
        f"tls_server_config: {{cert_file: server.crt, key_file: server.key, {settings}}}\n",
    )
    site.web_config = LiveWebConfig(file).current
    async with listening(make_app(site.context()), [("127.0.0.1", 0)]) as [url]:
        assert url.startswith("https://127.0.0.1:")
        yield url


async def ask(url: str, context: ssl.SSLContext, method: str = "GET", path: str = "/-/healthy") -> int:
    async with ClientSession() as http, http.request(method, url + path, ssl=context) as response:
        await response.read()
        return response.status


async def test_a_client_that_trusts_the_authority_is_served(site: Site, pki: Pki):
    async with serving(site, pki) as url:
        assert await ask(url, pki.client()) == 200


async def test_plain_http_is_not_answered(site: Site, pki: Pki):
    async with serving(site, pki) as url:
        with pytest.raises(ClientError):
            await ask(url.replace("https", "http"), pki.client())
        assert await ask(url, pki.client()) == 200


async def test_a_version_that_is_too_old_is_refused(site: Site, pki: Pki):
    async with serving(site, pki, "min_version: TLS13") as url:
        old = pki.client()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ClientConnectorError):
            await ask(url, old)
        assert await ask(url, pki.client()) == 200


async def test_a_new_certificate_is_shown_without_a_restart(site: Site, pki: Pki):
    async with serving(site, pki) as url:
        assert await ask(url, pki.client()) == 200
        later = Pki(pki.folder)  # another authority
        later.issue("server", "localhost", "127.0.0.1")
        assert await ask(url, later.client()) == 200
        with pytest.raises(ClientConnectorError):
            await ask(url, pki.client())


# Certificates of clients -----------------------------------------------------------------------------


async def test_a_client_without_a_required_certificate_is_refused(site: Site, pki: Pki, tmp_path_factory):
    stranger = Pki(tmp_path_factory.mktemp("stranger"))
    async with serving(site, pki, f"{CLIENTS}: RequireAndVerifyClientCert") as url:
        with pytest.raises((ClientError, ConnectionError)):
            await ask(url, pki.client())
        with pytest.raises((ClientError, ConnectionError)):
            await ask(url, pki.client(stranger.issue("client", "prometheus.example.net")))
        assert await ask(url, pki.client(pki.issue("client", "prometheus.example.net"))) == 200


async def test_a_certificate_that_is_shown_though_it_need_not_be_is_verified(
    site: Site, pki: Pki, tmp_path_factory
):
    stranger = Pki(tmp_path_factory.mktemp("stranger"))
    async with serving(site, pki, f"{CLIENTS}: VerifyClientCertIfGiven") as url:
        assert await ask(url, pki.client()) == 200
        with pytest.raises((ClientError, ConnectionError)):
            await ask(url, pki.client(stranger.issue("client", "prometheus.example.net")))


@pytest.mark.parametrize("allowed", ["prometheus.example.net", "2001:db8:0:0::1", "noc@example.net"])
async def test_a_certificate_needs_a_name_that_is_allowed(site: Site, pki: Pki, allowed: str):
    settings = f"{CLIENTS}: RequireAndVerifyClientCert, client_allowed_sans: ['{allowed}']"
    async with serving(site, pki, settings) as url:
        right = pki.issue("client", "prometheus.example.net", "2001:db8::1", "noc@example.net")
        assert await ask(url, pki.client(right)) == 200
        with capture_logs() as log:
            assert await ask(url, pki.client(pki.issue("other", "other.example.net"))) == 403
        assert log[0]["reason"] == "client_allowed_sans has none of the certificate's names"


async def test_certificates_of_a_removed_authority_are_refused(site: Site, pki: Pki, tmp_path_factory):
    other = Pki(tmp_path_factory.mktemp("other"))
    async with serving(site, pki, f"{CLIENTS}: RequireAndVerifyClientCert") as url:
        mine = pki.client(pki.issue("client", "prometheus.example.net"))
        assert await ask(url, mine) == 200
        pki.place("ca.crt", other.ca.cert_pem)
        with pytest.raises((ClientError, ConnectionError)):
            await ask(url, mine)


async def test_a_connection_does_not_outlive_the_settings_it_was_made_under(site: Site, pki: Pki):
    settings = f"{CLIENTS}: RequireAndVerifyClientCert"
    async with serving(site, pki, settings) as url, ClientSession() as http:
        mine = pki.client(pki.issue("client", "prometheus.example.net"))
        async with http.get(f"{url}/-/healthy", ssl=mine) as response:
            assert "Connection" not in response.headers
        pki.issue("server", "localhost", "127.0.0.1")
        async with http.get(f"{url}/-/healthy", ssl=mine) as response:
            assert response.headers["Connection"] == "close"


async def test_a_certificate_that_is_not_valid_any_more_changes_nothing_on_an_old_connection(
    site: Site, pki: Pki, tmp_path_factory
):
    site.lifecycle = True
    other = Pki(tmp_path_factory.mktemp("other"))
    settings = f"{CLIENTS}: RequireAndVerifyClientCert"
    async with serving(site, pki, settings) as url, ClientSession() as http:
        mine = pki.client(pki.issue("client", "noc.example.net"))
        async with http.get(f"{url}/-/healthy", ssl=mine) as response:
            assert response.status == 200
        pki.place("ca.crt", other.ca.cert_pem)
        async with http.post(f"{url}/-/reload", ssl=mine) as response:
            assert (response.status, response.headers["Connection"]) == (421, "close")
            assert "open a new connection" in await response.text()
    assert site.reloads == 0


async def test_a_client_with_a_verified_certificate_may_make_changes(site: Site, pki: Pki):
    site.lifecycle = True
    async with serving(site, pki, f"{CLIENTS}: VerifyClientCertIfGiven") as url:
        assert await ask(url, pki.client(), "POST", "/-/reload") == 403
        mine = pki.client(pki.issue("client", "noc.example.net"))
        with capture_logs() as log:
            assert await ask(url, mine, "POST", "/-/reload") == 200
        assert log[0]["by"] == "noc.example.net"
    assert site.reloads == 1


# What a certificate says -----------------------------------------------------------------------------


def test_the_names_on_a_certificate():
    certificate = {
        "subject": ((("organizationName", "Example"),), (("commonName", "Prometheus"),)),
        "subjectAltName": (
            ("DNS", "prometheus.example.net"),
            ("IP Address", "2001:DB8:0:0:0:0:0:1"),
            ("IP Address", "192.0.2.1"),
            ("URI", "spiffe://example.net/prometheus"),
            ("othername", "<unsupported>"),
        ),
    }
    assert name_of(certificate) == "Prometheus"
    assert alternative_names(certificate) == [
        "prometheus.example.net",
        "2001:db8::1",
        "192.0.2.1",
        "spiffe://example.net/prometheus",
    ]
    assert name_of({"subjectAltName": (("DNS", "a.example.net"),)}) == "a.example.net"
    assert name_of({}) == "a certificate without a name"
