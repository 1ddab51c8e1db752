"""The client of Azure Resource Manager against a stand-in that behaves badly in every way that Azure documents."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from ermon.azure.assertion import ClientCertificate
from ermon.azure.client import MAX_PAGES, OPERATION_SECONDS, ArmClient
from ermon.azure.login import LoginSecrets
from ermon.azure.requests import Answered, ArmError, Requests
from ermon.config.secrets import read_secrets
from ermon.demo.azure import AzureStandIn, error, make_certificate
from ermon.model.azure import AzureAccess, AzureFailure
from ermon.sources.fetch import Limits
from tests.defaults import make_config

CIRCUIT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/expressRouteCircuits/er"
TABLE = f"{CIRCUIT}/peerings/MicrosoftPeering/routeTables/primary"
APPLICATION = "00000000-0000-0000-0000-00000000000a"


class Clock:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
async def azure() -> AsyncIterator[AzureStandIn]:
    stand_in = AzureStandIn()
    stand_in.documents[CIRCUIT.lower()] = {"name": "er"}
    stand_in.operations[TABLE.lower()] = {"value": [{"network": "192.0.2.0/26"}], "nextLink": None}
    async with stand_in.listening():
        yield stand_in


@pytest.fixture
def clock() -> Clock:
    return Clock()


def access(azure: AzureStandIn, **said: Any) -> AzureAccess:
    values = {
        "login": "client-secret",
        "tenant": "example.com",
        "client_id": APPLICATION,
        "client_secret_file": "azure.secret",
        "certificate_file": None,
        "management": azure.host,
        "authority": azure.host,
        "ca_file": "ca.pem",
    }
    return AzureAccess(**{**values, **said})


@pytest.fixture
def client(azure: AzureStandIn, clock: Clock, tmp_path, monkeypatch) -> ArmClient:
    return make(azure, clock, tmp_path)


def make(azure: AzureStandIn, clock: Clock, folder: Any, **said: Any) -> ArmClient:
    (folder / "ca.pem").write_bytes(azure.certificate)
    (folder / "azure.secret").write_text("s3cr3t\n")
    (folder / "azure.pem").write_bytes(b"".join(make_certificate("ermon")))
    own = access(azure, **said)
    secrets = read_secrets(make_config(azure=own), folder / "ermon.yml")
    return ArmClient(own, secrets.azure, secrets.azure_tls, clock=clock, sleep=clock.sleep)


async def failure(client: ArmClient, path: str = CIRCUIT, *, run: bool = False) -> ArmError:
    with pytest.raises(ArmError) as caught:
        await (client.run(path) if run else client.get(path))
    assert "s3cr3t" not in str(caught.value)
    assert "token-of" not in str(caught.value)
    assert str(caught.value).isprintable()
    return caught.value


# Logging in ----------------------------------------------------------------------------------------------


async def test_an_application_logs_in_once_with_its_secret(azure: AzureStandIn, client: ArmClient):
    assert await client.get(CIRCUIT) == await client.get(CIRCUIT) == {"name": "er"}
    assert azure.forms == [
        {
            "grant_type": "client_credentials",
            "client_id": APPLICATION,
            "client_secret": "s3cr3t",
            "scope": f"https://{azure.host}/.default",
        }
    ]


async def test_an_application_logs_in_with_its_certificate(azure: AzureStandIn, clock: Clock, tmp_path):
    said = {"login": "client-certificate", "client_secret_file": None, "certificate_file": "azure.pem"}
    await make(azure, clock, tmp_path, **said).get(CIRCUIT)
    (form,) = azure.forms
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    header, claims, signature = form["client_assertion"].split(".")
    certificate = x509.load_pem_x509_certificate((tmp_path / "azure.pem").read_bytes())
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    key.verify(decoded(signature), f"{header}.{claims}".encode(), pss, hashes.SHA256())
    assert json.loads(decoded(header))["x5t#S256"].encode() == encoded(
        certificate.fingerprint(hashes.SHA256())
    )
    found = json.loads(decoded(claims))
    assert (found["iss"], found["sub"]) == (APPLICATION, APPLICATION)
    assert found["aud"] == f"https://{azure.host}/example.com/oauth2/v2.0/token"
    assert found["exp"] - found["nbf"] == 300


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


@pytest.mark.parametrize("lifetime", [3600, "86399"])
async def test_a_machine_logs_in_with_its_identity_and_no_proxy(
    azure: AzureStandIn, clock: Clock, tmp_path, monkeypatch, lifetime
):
    azure.lifetime = lifetime
    runner = web.AppRunner(azure.app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    identity = f"http://127.0.0.1:{runner.addresses[0][1]}"
    (tmp_path / "ca.pem").write_bytes(azure.certificate)
    own = access(azure, login="managed-identity", tenant=None, client_secret_file=None)
    secrets = read_secrets(make_config(azure=own), tmp_path / "ermon.yml")
    client = ArmClient(own, LoginSecrets(), secrets.azure_tls, identity=identity, clock=clock)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert await client.get(CIRCUIT) == {"name": "er"}
    assert azure.identities == [
        {"api-version": "2018-02-01", "resource": f"https://{azure.host}/", "client_id": APPLICATION}
    ]
    await runner.cleanup()


async def test_a_token_is_replaced_before_it_expires(azure: AzureStandIn, client: ArmClient, clock: Clock):
    await client.get(CIRCUIT)
    clock.now = 3600.0 - 301
    await client.get(CIRCUIT)
    assert len(azure.forms) == 1
    clock.now = 3600.0 - 300
    await client.get(CIRCUIT)
    assert len(azure.forms) == 2


async def test_a_token_that_is_refused_is_replaced_once(azure: AzureStandIn, client: ArmClient):
    await client.get(CIRCUIT)
    azure.expired = True
    assert await client.get(CIRCUIT) == {"name": "er"}
    assert len(azure.forms) == 2
    azure.next.extend([answer(401, "InvalidAuthenticationToken")])
    azure.expired = True
    # The new token is refused, too.
    found = await failure(client)
    assert (found.kind, "InvalidAuthenticationToken" in str(found)) == (AzureFailure.LOGIN, False)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (
            {"error": "invalid_client", "error_codes": [7000222], "error_description": "s3cr3t"},
            401,
            "AADSTS7000222",
        ),
        ({"error": "s3cr3t", "error_codes": []}, 400, "answered 400"),
        ({"access_token": "a\nb", "expires_in": 3600}, 200, "contains no token"),
        ([], 200, "contains no token"),
    ],
)
async def test_a_login_that_fails_says_why(azure: AzureStandIn, client: ArmClient, body, status, words):
    azure.next.append(json_answer(body, status))
    found = await failure(client)
    assert found.kind is AzureFailure.LOGIN
    assert words in str(found)


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        (b"", "must contain a certificate"),
        (make_certificate()[0], "key too"),
        (make_certificate()[0] + make_certificate("ermon")[1], "does not belong"),
    ],
    ids=["nothing", "no key", "another key"],
)
def test_a_certificate_that_cannot_sign_is_refused(pem: bytes, words: str):
    with pytest.raises(ValueError, match=words):
        ClientCertificate(pem)


# Answers -------------------------------------------------------------------------------------------------


def answer(status: int, code: str = "Code", **headers: str) -> Any:
    async def send(request: web.Request) -> web.StreamResponse:
        return error(status, code, **headers)

    return send


def json_answer(body: Any, status: int = 200, **headers: str) -> Any:
    async def send(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=headers)

    return send


def raw_answer(body: bytes, status: int = 200, **headers: str) -> Any:
    async def send(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers=headers)

    return send


@pytest.mark.parametrize(
    ("bad", "kind", "words"),
    [
        (answer(403, "AuthorizationFailed"), AzureFailure.DENIED, "403 (AuthorizationFailed)"),
        (answer(404, "ResourceNotFound"), AzureFailure.MISSING, "404 (ResourceNotFound)"),
        (answer(500, "x\x1b[2J"), AzureFailure.ANSWER, "answered 500"),
        (answer(500, "token-of-the-stand-in-1"), AzureFailure.ANSWER, "answered 500"),
        (raw_answer(b"<html>", 502), AzureFailure.ANSWER, "answered 502"),
        (raw_answer(b"<html>"), AzureFailure.SHAPE, "is not JSON"),
        (raw_answer(b""), AzureFailure.SHAPE, "no content"),
        (raw_answer(b"", 302, Location="https://192.0.2.1/"), AzureFailure.ANSWER, "redirects"),
        (raw_answer(b"x", 200, **{"Content-Encoding": "gzip"}), AzureFailure.ANSWER, "damaged"),
        (raw_answer(b"[" * 100_000), AzureFailure.SHAPE, "is not JSON"),
    ],
)
async def test_a_bad_answer_has_a_kind_and_a_reason(azure: AzureStandIn, client: ArmClient, bad, kind, words):
    await client.get(CIRCUIT)
    azure.next.append(bad)
    found = await failure(client)
    assert (found.kind, words in str(found)) == (kind, True), str(found)


@pytest.mark.parametrize(
    ("asked", "wait"),
    [("0", 10), ("3", 10), ("60", 60), ("99999", 600), ("soon", 10), ("Wed, 21 Oct 2015 07:28:00 GMT", 10)],
)
async def test_a_limit_says_how_long_to_wait(azure: AzureStandIn, client: ArmClient, asked: str, wait: float):
    await client.get(CIRCUIT)
    azure.next.append(answer(429, "TooManyRequests", Retry_After=asked))
    found = await failure(client)
    assert (found.kind, found.wait) == (AzureFailure.LIMITED, wait)


async def test_a_host_that_cannot_be_reached(azure: AzureStandIn, clock: Clock, tmp_path):
    client = make(azure, clock, tmp_path, authority="127.0.0.1:9")
    found = await failure(client)
    assert found.kind is AzureFailure.UNREACHABLE


async def test_a_certificate_of_another_authority_is_not_trusted(azure: AzureStandIn, clock: Clock, tmp_path):
    client = ArmClient(access(azure, ca_file=None), LoginSecrets("s3cr3t"), clock=clock)
    found = await failure(client)
    assert "not trusted" in str(found)
    assert azure.forms == []


# Long-running operations and pages -----------------------------------------------------------------------


async def test_an_operation_is_asked_for_until_it_is_done(
    azure: AzureStandIn, client: ArmClient, clock: Clock
):
    azure.polls, azure.retry_after = 3, "30"
    assert await client.run(TABLE) == {"value": [{"network": "192.0.2.0/26"}], "nextLink": None}
    assert clock.waits == [30, 30, 30]


async def test_an_operation_may_be_done_at_once(azure: AzureStandIn, client: ArmClient, clock: Clock):
    await client.get(CIRCUIT)
    azure.next.append(json_answer({"value": []}))
    assert await client.run(TABLE) == {"value": []}
    assert clock.waits == []


async def test_the_wait_is_neither_too_short_nor_too_long(
    azure: AzureStandIn, client: ArmClient, clock: Clock
):
    azure.polls, azure.retry_after = 1, "0"
    await client.run(TABLE)
    azure.retry_after = "5000"
    await client.run(TABLE)
    assert clock.waits == [10, 600]


async def test_an_operation_that_never_ends_is_given_up(azure: AzureStandIn, client: ArmClient, clock: Clock):
    azure.polls, azure.retry_after = 10_000, "60"
    found = await failure(client, TABLE, run=True)
    assert found.kind is AzureFailure.UNREACHABLE
    assert clock.now <= OPERATION_SECONDS


async def test_a_busy_server_is_asked_again_for_the_result(
    azure: AzureStandIn, client: ArmClient, clock: Clock
):
    await client.get(CIRCUIT)
    accepted = raw_answer(b"", 202, Location=f"https://{azure.host}{CIRCUIT}", **{"Retry-After": "10"})
    azure.next.extend([accepted, answer(503, Retry_After="20"), answer(429, Retry_After="30")])
    assert await client.run(TABLE) == {"name": "er"}
    assert clock.waits == [10, 20, 30]


async def test_a_location_that_is_left_out_later_stays(azure: AzureStandIn, client: ArmClient):
    await client.get(CIRCUIT)
    accepted = raw_answer(b"", 202, Location=f"https://{azure.host}{CIRCUIT}")
    azure.next.extend([accepted, raw_answer(b"", 202)])
    assert await client.run(TABLE) == {"name": "er"}


def test_a_link_may_name_the_usual_port():
    client = ArmClient(
        AzureAccess("managed-identity", *[None] * 4, "management.azure.com", "h", None), LoginSecrets()
    )
    here = Answered("management.azure.com/x", 200, {})
    assert client._same_host(here, "https://management.azure.com:443/more", "nextLink").path == "/more"
    with pytest.raises(ArmError):
        client._same_host(here, "https://management.azure.com:8443/more", "nextLink")


@pytest.mark.parametrize(
    "location", ["", "https://192.0.2.1/x", "http://127.0.0.1:1/x", "/x", "https://[", "https://u@192.0.2.1/"]
)
async def test_a_location_elsewhere_is_refused(azure: AzureStandIn, client: ArmClient, location: str):
    await client.get(CIRCUIT)
    headers = {"Location": location} if location else {}
    azure.next.append(raw_answer(b"", 202, **headers))
    assert (await failure(client, TABLE, run=True)).kind is AzureFailure.ANSWER


async def test_pages_are_joined(azure: AzureStandIn, client: ArmClient):
    await client.get(CIRCUIT)
    more = f"https://{azure.host}/more?api-version=x&$skipToken=a%2Fb"
    azure.next.extend([json_answer({"value": [1], "nextLink": more}), json_answer({"value": [2]})])
    assert await client.get(CIRCUIT) == {"value": [1, 2], "nextLink": None}
    assert azure.requests[-1] == "GET /more"


@pytest.mark.parametrize("link", ["https://192.0.2.1/more", "http://127.0.0.1/more", 7, "//192.0.2.1/"])
async def test_a_page_on_another_host_is_refused(azure: AzureStandIn, client: ArmClient, link: Any):
    await client.get(CIRCUIT)
    azure.next.append(json_answer({"value": [1], "nextLink": link}))
    assert (await failure(client)).kind is AzureFailure.ANSWER


async def test_pages_without_an_end_are_given_up(azure: AzureStandIn, client: ArmClient):
    await client.get(CIRCUIT)
    azure.next.extend(
        [json_answer({"value": [1], "nextLink": f"https://{azure.host}{CIRCUIT}"})] * (MAX_PAGES + 5)
    )
    assert str(MAX_PAGES) in str(await failure(client))


async def test_pages_that_are_too_large_together_are_refused(
    azure: AzureStandIn, client: ArmClient, monkeypatch
):
    await client.get(CIRCUIT)
    monkeypatch.setattr("ermon.azure.client.LIMITS", Limits(max_bytes=5000))
    page = json_answer({"value": ["x" * 2000], "nextLink": f"https://{azure.host}{CIRCUIT}"})
    azure.next.extend([page] * 5)
    assert "larger than 5000 bytes together" in str(await failure(client))
    assert len(azure.requests) == 4


# Limits of single requests -------------------------------------------------------------------------------


def trusting(azure: AzureStandIn) -> Requests:
    return Requests(ssl.create_default_context(cadata=azure.certificate.decode()))


async def test_an_answer_that_is_too_large_is_refused_packed_or_not(azure: AzureStandIn):
    url = f"https://{azure.host}/example.com/oauth2/v2.0/token"
    packed = raw_answer(gzip.compress(b" " * 100_000), **{"Content-Encoding": "gzip"})
    for bad in (raw_answer(b" " * 100_000), packed):
        azure.next.append(bad)
        with pytest.raises(ArmError, match="larger than 5000 bytes"):
            await trusting(azure).send("POST", url, limits=Limits(max_bytes=5000))


async def test_an_answer_that_takes_too_long_is_given_up(azure: AzureStandIn):
    released = asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    azure.next.append(slow)
    url = f"https://{azure.host}/example.com/oauth2/v2.0/token"
    with pytest.raises(ArmError, match="takes longer") as caught:
        await trusting(azure).send("POST", url, limits=Limits(total=0.2))
    released.set()
    assert caught.value.kind is AzureFailure.UNREACHABLE


async def test_requests_go_through_the_proxy_that_the_environment_names(azure: AzureStandIn, monkeypatch):
    asked: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        with pytest.raises(ArmError):
            await trusting(azure).send("GET", "https://management.azure.com/x")
    assert asked == [b"CONNECT management.azure.com:443 HTTP/1.1\r\n"]
