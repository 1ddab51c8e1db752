"""One POST: what arrives, and the reason of a failure."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from ermon import __version__
from ermon.config.secrets import Credentials
from ermon.notify import post
from ermon.notify.post import Client, PostError
from tests import bgp
from tests.notify.receiver import Receiver
from tests.sources.server import server_tls, trusting_tls

CLIENT = Path(__file__).with_name("client.pem")


async def send(url: str, credentials: Credentials | None = None, body: bytes = b"[]", **headers: str) -> None:
    async with Client(url, credentials or Credentials(), proxy=False) as client:
        await client.post(body, headers)


async def failure(url: str, credentials: Credentials | None = None) -> PostError:
    with pytest.raises(PostError) as error:
        await send(url, credentials)
    return error.value


@pytest.fixture
async def tls_receiver() -> AsyncIterator[Receiver]:
    receiver = await Receiver().start(server_tls())
    yield receiver
    await receiver.stop()


async def test_a_post_arrives_as_it_is(receiver: Receiver):
    await send(receiver.url("/hook"), body=b'{"a": 1}', Extra="yes")
    (post,) = receiver.posts
    assert (post.path, post.body, post.headers["Extra"]) == ("/hook", b'{"a": 1}', "yes")
    assert post.headers["Content-Type"] == "application/json"
    assert post.headers["User-Agent"] == f"ermon/{__version__}"
    assert "Authorization" not in post.headers


async def test_credentials_are_sent(receiver: Receiver):
    await send(receiver.url(), Credentials("Bearer t0ken"))
    assert receiver.posts[0].headers["Authorization"] == "Bearer t0ken"


async def test_one_connection_serves_for_many_posts(receiver: Receiver):
    async with Client(receiver.url(), Credentials(), proxy=False) as client:
        for _ in range(3):
            await client.post(b"")
        assert len(client._session.connector._conns) == 1


@pytest.mark.parametrize("status", [301, 308, 400, 401, 404, 429, 500, 503])
async def test_the_error_has_the_status_and_the_beginning_of_the_answer(receiver: Receiver, status: int):
    receiver.refuse(status, "no such thing\n\x1b[2J" + "x" * 1000, Location="https://elsewhere.example/")
    error = await failure(receiver.url("/secret"))
    assert error.status == status
    assert str(error).startswith(f"answered {status}: no such thing �[2Jxxx")
    assert len(str(error)) < 350
    assert "secret" not in str(error)
    assert len(receiver.posts) == 1


async def test_without_a_listener_it_fails():
    port = bgp.free_port("127.0.0.1")
    error = await failure(f"http://127.0.0.1:{port}/secret")
    assert (str(error), error.status) == ("cannot be reached: Connection refused", None)


async def test_an_unknown_host_name_fails():
    assert str(await failure("http://no-such-host.invalid/")).startswith("cannot be reached: ")


async def test_a_receiver_that_does_not_answer_is_not_waited_for(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(post, "TOTAL_SECONDS", 0.1)
    receiver.be_silent()
    assert str(await failure(receiver.url())) == "does not answer in 0.1 s"


async def test_an_answer_without_end_is_not_read(receiver: Receiver):
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=500)
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    receiver.answer = answer
    assert str(await failure(receiver.url())).startswith("answered 500: xxx")


async def test_an_answer_that_is_not_http_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tls_receiver: Receiver
):
    error = await failure(tls_receiver.url().replace("https", "http"))
    assert error.status in {None, 400}


async def test_a_certificate_is_verified(tls_receiver: Receiver):
    assert "certificate is not trusted" in str(await failure(tls_receiver.url()))
    await send(tls_receiver.url(), Credentials(tls=trusting_tls()))
    assert len(tls_receiver.posts) == 1


async def test_the_name_in_the_certificate_may_be_another_than_the_hosts(tls_receiver: Receiver):
    wrong = Credentials(tls=trusting_tls(), server_name="alerts.example.net")
    assert "certificate is not trusted" in str(await failure(tls_receiver.url(), wrong))
    right = Credentials(tls=trusting_tls(), server_name="::1")
    await send(tls_receiver.url(), right)


async def test_a_receiver_may_ask_for_a_certificate():
    demanding = server_tls()
    demanding.verify_mode = ssl.CERT_REQUIRED
    demanding.load_verify_locations(CLIENT)
    receiver = await Receiver().start(demanding)
    known = trusting_tls()
    known.load_cert_chain(CLIENT)
    await failure(receiver.url(), Credentials(tls=trusting_tls()))
    await send(receiver.url(), Credentials(tls=known))
    assert len(receiver.posts) == 1
    await receiver.stop()
