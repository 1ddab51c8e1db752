"""How much of ermon clients of its web may use."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from ermon.httpd import app, listen, places, protocol, shell, sockets
from ermon.httpd.app import Turns
from ermon.httpd.config import LiveWebConfig
from ermon.httpd.shell import RateLimit, WebConfig
from ermon.web.app import make_app
from tests.httpd.pki import Pki, write
from tests.web.site import Client, Site, until

PATIENCE = 30.0
STRANGER, NEIGHBOUR = "127.0.0.2", "127.0.0.3"
"""Clients that are not on this machine, when each address counts as another host."""


@pytest.fixture
def from_afar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat every loopback address but the first as another host."""
    monkeypatch.setattr(shell, "address_key", lambda peer: shell.LOOPBACK if peer == "127.0.0.1" else peer)


class Raw:
    """A client's connection that can send any bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ended(self) -> bool:
        """Wait until the other end has closed the connection."""
        try:
            return await self.reader.read() == b""
        except ConnectionError:
            return True

    async def status(
        self, request: bytes = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n"
    ) -> int | None:
        """Send a request, and return the status of the answer; ``None`` without an answer."""
        try:
            self.writer.write(request)
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            return None
        length = next(
            int(line[15:]) for line in head.splitlines() if line.lower().startswith(b"content-length:")
        )
        await self.reader.readexactly(length)
        return int(head.split()[1])


@asynccontextmanager
async def connections(client: Client, number: int, source: str) -> AsyncIterator[list[Raw]]:
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(number):
            reader, writer = await asyncio.open_connection(
                client.http._base_url.host, client.http._base_url.port, local_addr=(source, 0)
            )
            stack.callback(writer.close)
            found.append(Raw(reader, writer))
        yield found


async def status(client: Client, source: str) -> int | None:
    async with connections(client, 1, source) as [raw]:
        return await raw.status()


async def until_answered(client: Client, source: str) -> None:
    answered = None
    while answered != 200:
        answered = await status(client, source)


# Connections -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("from_afar")
async def test_hundreds_of_connections_shut_no_other_client_out(site: Site):
    async with site.served() as client, connections(client, 400, STRANGER) as opened:
        answers = await asyncio.gather(*(raw.status() for raw in opened))
        assert answers.count(200) == places.limits().of_one
        assert answers.count(None) == 400 - places.limits().of_one
        assert await status(client, STRANGER) == 200, "its own oldest connection makes room"
        assert await status(client, NEIGHBOUR) == 200
        assert await status(client, "127.0.0.1") == 200


@pytest.mark.usefixtures("from_afar")
async def test_this_machine_is_let_in_though_others_fill_the_place(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(places, "MAX_CONNECTIONS", 6)
    async with site.served() as client, AsyncExitStack() as stack:
        opened = []
        for each in range(2, 5):
            opened += await stack.enter_async_context(connections(client, 2, f"127.0.0.{each}"))
        assert [await raw.status() for raw in opened] == [200] * 6
        assert await status(client, "127.0.0.1") == 200


@pytest.mark.usefixtures("from_afar")
async def test_a_connection_that_has_ended_makes_room(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(places, "MAX_CONNECTIONS_PER_CLIENT", 1)
    async with site.served() as client:
        for _ in range(3):
            await until_answered(client, STRANGER)


def test_most_descriptors_are_left_to_others(monkeypatch: pytest.MonkeyPatch):
    for descriptors in (64, 256, 1024, 1024 * 1024):
        monkeypatch.setattr(places.resource, "getrlimit", lambda _, soft=descriptors: (soft, soft))
        found = places.limits()
        assert found.of_others + found.of_one <= descriptors / 2
        assert found.of_one >= 1
    assert (found.of_others, found.of_one) == (384, 128)


async def test_descriptors_that_run_out_are_survived(site: Site, monkeypatch: pytest.MonkeyPatch):
    async with site.served() as client:
        loop = asyncio.get_running_loop()
        accept, failures = loop.sock_accept, [OSError(24, "Too many open files"), OSError(103, "aborted")]

        async def short(listener: socket.socket) -> object:
            accepted = await accept(listener)
            if failures:
                accepted[0].close()
                raise failures.pop(0)
            return accepted

        monkeypatch.setattr(loop, "sock_accept", short)
        await until_answered(client, "127.0.0.1")
        await until_answered(client, "127.0.0.1")
        assert not failures


# Time ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
async def test_a_client_that_sends_no_request_is_disconnected(
    site: Site, monkeypatch: pytest.MonkeyPatch, said: bytes
):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.0)
    monkeypatch.setattr(listen, "SWEEP_SECONDS", 0.01)
    async with site.served() as client, connections(client, 1, "127.0.0.1") as [raw]:
        raw.writer.write(said)
        assert await raw.ended()


async def test_a_client_that_has_sent_a_request_may_stay(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.0)
    monkeypatch.setattr(listen, "SWEEP_SECONDS", 0.05)
    async with site.served() as client, AsyncExitStack() as stack:
        answered = None
        while answered != 200:  # on a slow machine it may be closed before the request
            [raw] = await stack.enter_async_context(connections(client, 1, "127.0.0.1"))
            answered = await raw.status()
        [silent] = await stack.enter_async_context(connections(client, 1, "127.0.0.1"))
        assert await silent.ended()
        assert await raw.status() == 200


async def test_a_client_that_does_not_finish_tls_is_disconnected(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)
    Pki(tmp_path).issue("server", "localhost")
    file = write(tmp_path / "web.yml", "tls_server_config: {cert_file: server.crt, key_file: server.key}\n")
    site.web_config = LiveWebConfig(file).current
    async with site.served() as client, connections(client, 1, "127.0.0.1") as [raw]:
        assert await raw.ended()


async def test_a_body_that_does_not_come_is_not_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(app, "BODY_SECONDS", 0.01)
    monkeypatch.setattr(protocol, "LINGER_SECONDS", 0.01)
    async with site.served() as client, connections(client, 1, "127.0.0.1") as [raw]:
        head = b"POST /api/v1/maintenance HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
        assert await raw.status(head) == 408
        assert await raw.ended()


async def test_an_idle_connection_is_closed(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(protocol, "KEEPALIVE_SECONDS", 0.01)
    async with site.served() as client, connections(client, 1, "127.0.0.1") as [raw]:
        assert await raw.status() == 200
        assert await raw.ended()


async def test_a_client_that_reads_nothing_of_its_answer_is_disconnected(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sockets, "STALLED_SECONDS", 0.2)
    async with site.served() as client:
        with socket.create_connection((client.http._base_url.host, client.http._base_url.port)) as stalled:
            stalled.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
            stalled.setblocking(False)

            def gone() -> bool:
                try:
                    stalled.send(b"\r\n")
                except BlockingIOError:
                    return False
                except ConnectionError:
                    return True
                return False

            async with asyncio.timeout(PATIENCE):
                await until(gone)


# Requests --------------------------------------------------------------------------------------------


async def test_a_client_waits_for_itself_and_not_the_others_for_it(monkeypatch: pytest.MonkeyPatch):
    turns, done = Turns(), asyncio.Event()
    having: list[str] = []

    async def ask(client: str) -> None:
        async with turns.turn(client):
            having.append(client)
            await done.wait()

    async with asyncio.TaskGroup() as group:
        for client in ["stranger"] * 50 + ["neighbour"]:
            group.create_task(ask(client))
        await until(lambda: len(having) == app.MAX_AT_ONCE_PER_CLIENT + 1)
        assert having.count("neighbour") == 1
        done.set()
    assert len(having) == 51
    assert not turns._clients


async def test_so_many_requests_are_answered_at_once():
    turns, done = Turns(), asyncio.Event()
    having: list[str] = []

    async def ask(client: str) -> None:
        async with turns.turn(client):
            having.append(client)
            await done.wait()

    async with asyncio.TaskGroup() as group:
        for client in range(50):
            group.create_task(ask(str(client)))
        await until(lambda: len(having) == app.MAX_AT_ONCE)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(having) == app.MAX_AT_ONCE
        done.set()


async def test_event_streams_take_no_turn_of_requests(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(app, "MAX_AT_ONCE", 1)
    monkeypatch.setattr(app, "MAX_AT_ONCE_PER_CLIENT", 1)
    async with site.served() as client:
        stream = await client.get("/api/v1/events")
        assert (await client.text("/-/healthy"))[0] == 200
        stream.close()


async def test_the_rate_limit(site: Site, monkeypatch: pytest.MonkeyPatch):
    now = [1000.0]
    monkeypatch.setattr(app, "monotonic", lambda: now[0])
    config = WebConfig(rate_limit=RateLimit(2.0, 3))
    site.web_config = lambda: config
    async with site.served() as client:
        answers = [await client.get("/-/healthy") for _ in range(5)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
        assert answers[3].headers["Retry-After"] == "2"
        now[0] += 4.0
        assert [(await client.get("/-/healthy")).status for _ in range(3)] == [200, 200, 429]
        config = WebConfig()
        assert (await client.get("/-/healthy")).status == 200


async def test_headers_of_the_web_configuration_stand_in_for_ours(site: Site):
    site.web_config = lambda: WebConfig(
        headers={"X-Frame-Options": "sameorigin", "Strict-Transport-Security": "max-age=1"}
    )
    async with site.served() as client:
        for path in ("/", "/metrics", "/nothing"):
            headers = (await client.get(path)).headers
            assert headers["X-Frame-Options"] == "sameorigin"
            assert headers["Strict-Transport-Security"] == "max-age=1"
            assert headers["X-Content-Type-Options"] == "nosniff"


# Listening -------------------------------------------------------------------------------------------


async def test_an_address_that_cannot_be_listened_on_is_named(site: Site):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            sockets.ListenError, match=f"--web.listen-address=127.0.0.1:{port}: cannot listen"
        ):
            async with listen.listening(make_app(site.context()), [("127.0.0.1", 0), ("127.0.0.1", port)]):
                raise AssertionError("never reached")


@pytest.mark.parametrize(("host", "prefix"), [("::1", "http://[::1]:"), ("", "http://0.0.0.0:")])
async def test_the_listening_address_is_given_as_a_url(site: Site, host: str, prefix: str):
    async with listen.listening(make_app(site.context()), [(host, 0)]) as urls:
        assert any(url.startswith(prefix) for url in urls)


async def test_it_stops_though_clients_are_in_the_middle_of_everything(site: Site):
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(site.served())
        idle, half, streaming = await stack.enter_async_context(connections(client, 3, "127.0.0.1"))
        assert await idle.status() == 200
        half.writer.write(
            b"POST /api/v1/maintenance HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
        )
        streaming.writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await streaming.reader.readuntil(b"event: snapshot")
    assert site.hub.clients == 0
