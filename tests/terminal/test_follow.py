"""Following a daemon over its real event stream, through its restarts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from ermon.client.http import Client
from ermon.client.target import UnreachableError, make_target
from ermon.terminal import picture as following
from ermon.terminal.picture import Event, Lost, News, Picture, follow
from ermon.web.app import make_app
from ermon.web.stream import end_streams
from tests.checks.company import V4, Company
from tests.web.site import Site


async def next_of(told: AsyncGenerator[News, None], kind: type[News]) -> News:
    async for each in told:
        if isinstance(each, kind):
            return each
    raise AssertionError("it has ended")


@pytest.fixture(autouse=True)
def _come_back_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "RETRY_SECONDS", 0.01)


async def test_events_are_reported_and_missed_ones_too(net: Company):
    site = Site(net).tell()
    app = make_app(site.context())
    async with TestServer(app) as server, Client(make_target(str(server.make_url("/")))) as client:
        picture = Picture(client.name)
        async with aclosing(follow(client, picture)) as told:
            first = await anext(told)
            assert isinstance(first, Event)
            assert first.kind == "snapshot"
            net.announce("isp-a", V4.pool, path="64500")
            site.tell()
            await next_of(told, Event)
            assert [finding.check for finding in picture.raised()] == ["pool-leak"]

            await end_streams(app)
            assert await next_of(told, Lost) == Lost("ermon closed it (it stopped or restarts)")
            net.withdraw("isp-a", V4.pool)
            net.now += 60
            site.tell()
            net.now += 60
            site.tell()
            kinds = []
            while picture.raised():
                event = await next_of(told, Event)
                assert isinstance(event, Event)
                kinds.append(event.kind)
            assert "snapshot" not in kinds  # resumed, not begun anew


@pytest.mark.parametrize("way", ["socket", "url"])
async def test_an_ermon_that_stops_in_the_middle_of_the_stream_is_said_to_have_closed_it(
    net: Company, tmp_path: Path, way: str
):
    runner = web.AppRunner(make_app(Site(net).tell().context()))
    await runner.setup()
    socket, port = tmp_path / "control.sock", unused_port()
    await web.UnixSite(runner, str(socket)).start()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    target = make_target(socket=socket) if way == "socket" else make_target(f"http://127.0.0.1:{port}")
    async with Client(target) as client, aclosing(follow(client, Picture(client.name))) as told:
        await anext(told)
        assert runner.server is not None
        for connection in runner.server.connections:
            assert connection.transport is not None
            connection.transport.close()  # without the last chunk
        assert await next_of(told, Lost) == Lost("ermon closed it (it stopped or restarts)")
        await runner.cleanup()
        lost = await next_of(told, Lost)
        assert isinstance(lost, Lost)
        assert lost.reason.endswith(f"Is `ermon run` up there? Name another daemon with --{way}")


async def test_an_event_that_makes_no_sense_is_a_loss_and_a_snapshot_follows(net: Company):
    site = Site(net).tell()
    async with (
        TestServer(make_app(site.context())) as server,
        Client(make_target(str(server.make_url("/")))) as client,
        aclosing(follow(client, Picture(client.name))) as told,
    ):
        await anext(told)
        site.hub.publish("feed", "nonsense")
        lost = await next_of(told, Lost)
        assert isinstance(lost, Lost)
        assert "is not an answer of ermon's API" in lost.reason
        event = await next_of(told, Event)
        assert isinstance(event, Event)
        assert event.kind == "snapshot"


async def test_an_unreachable_daemon_is_reported_at_once():
    async with Client(make_target(f"http://127.0.0.1:{unused_port()}")) as client:
        with pytest.raises(UnreachableError, match="cannot be reached"):
            await anext(follow(client, Picture(client.name)))


@pytest.mark.parametrize(
    ("content_type", "body", "problem"),
    [
        ("text/html", b"<h1>hello</h1>", "is not a stream of events"),
        ("text/event-stream", b"", "without a single event"),
        ("text/event-stream", b"data: {\n\n", "is not an event of ermon's"),
        ("text/event-stream", b"event: snapshot\ndata: 3\n\n", "is not an answer of ermon's API"),
    ],
)
async def test_another_server_is_reported(content_type: str, body: bytes, problem: str):
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=content_type)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as server, Client(make_target(str(server.make_url("/")))) as client:
        with pytest.raises(UnreachableError, match=problem):
            await anext(follow(client, Picture(client.name)))
