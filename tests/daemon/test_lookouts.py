"""What RIPE says over real connections, into events: with drops, silence, floods and bad answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from ermon.config.load import load_config
from ermon.daemon.lookouts import Lookouts, Pace
from ermon.model.events import (
    EndOfRib,
    Event,
    FeedRequest,
    MessagesLost,
    RoutesUnreadable,
    SessionDown,
    SessionUp,
    Update,
)
from ermon.ris.messages import MAX_MESSAGE_BYTES
from tests.daemon.intake import make_intake
from tests.ris.ripe import BEAT, PEERS, PONG, Ripe, announcement, state_route

PATIENCE = 30.0
POOL, OWN = "198.51.100.0/28", "198.51.100.0/24"
PACE = Pace(
    silence=30.0,
    state=900.0,
    state_again=0.01,
    request=0.0,
    connect=5.0,
    reconnect=(0.01, 0.05),
    heartbeat=5.0,
)
FILE = """
customer: {{asn: 64500, own_prefixes: [{own}]}}
policy: {{public_space: [198.51.100.0/24, 192.0.2.0/24]}}
circuits:
  chicago:
    geo: us
    location: Chicago
    peering: microsoft
    links:
      primary: {{router: edge-1, subnet: 203.0.113.0/30}}
      secondary: {{router: edge-1, subnet: 203.0.113.4/30}}
feeds:
  ris: {{view: internet, source: ris-live, canary: [{own}], {settings}}}
"""


class Daemon:
    """The lookouts of a configuration, and what they have said."""

    def __init__(self, folder: Path, ripe: Ripe, pace: Pace) -> None:
        self.file = folder / "ermon.yml"
        self.ripe = ripe
        self.events: list[Event] = []
        self.now = 1_000.0
        self.advanced = asyncio.Event()
        self.intake = make_intake(
            self.load(), lambda: self.now, apply=self.events.append, advance=lambda _: self.advanced.set()
        )
        self.lookouts = Lookouts(self.load(), self.intake, pace=pace)

    def load(self, own: str = OWN):
        self.file.write_text(FILE.format(own=own, settings=self.ripe.settings))
        return load_config(self.file).config

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self.advanced.clear()
                await self.advanced.wait()

    async def until_in_sync(self, times: int = 1) -> None:
        await self.until(lambda: sum(isinstance(event, EndOfRib) for event in self.events) >= times)

    def of(self, *kinds: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kinds)]

    def value(self, metric: str, **labels: str) -> float | None:
        return self.intake.telemetry.registry.get_sample_value(metric, {"feed": "ris"} | labels)


@contextlib.asynccontextmanager
async def _running(folder: Path, ripe: Ripe, pace: Pace = PACE) -> AsyncIterator[Daemon]:
    daemon = Daemon(folder, ripe, pace)
    task = asyncio.create_task(daemon.lookouts.run())
    try:
        yield daemon
    finally:
        daemon.lookouts.end()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def ripe() -> AsyncIterator[Ripe]:
    async with Ripe(routes=[state_route(PEERS[0], OWN)]).serving() as serving:
        yield serving


async def test_a_feed_is_seeded_and_follows_its_changes(tmp_path: Path, ripe: Ripe) -> None:
    async with _running(tmp_path, ripe) as ermon:
        await ermon.until_in_sync()
        await ripe.say(announcement(PEERS[1], POOL))
        await ermon.until(lambda: len(ermon.of(Update)) == 2)
        seeded, changed = ermon.of(Update)
        assert isinstance(seeded, Update)
        assert isinstance(changed, Update)
        assert [str(route.prefix) for route in seeded.announced] == [OWN]
        assert [str(route.prefix) for route in changed.announced] == [POOL]
        assert [type(event) for event in ermon.events[:2]] == [SessionUp, RoutesUnreadable]
        assert ripe.subscribed[0]["prefix"] == OWN
        assert ripe.asked == [OWN]
        assert ermon.value("ermon_ris_up") == 1
        assert ermon.value("ermon_ris_messages_total") == 1


async def test_a_connection_that_drops_is_made_again_and_seeded_again(tmp_path: Path, ripe: Ripe) -> None:
    async with _running(tmp_path, ripe) as ermon:
        await ermon.until_in_sync()
        ripe.cut()
        await ermon.until_in_sync(2)
        assert [event.reason for event in ermon.of(SessionDown)] == ["the connection to RIS Live was lost"]
        assert ermon.of(MessagesLost) == []
        assert ermon.value("ermon_ris_connection_ends_total", reason="closed") == 1


async def test_a_client_that_was_too_slow_has_lost_messages(tmp_path: Path, ripe: Ripe) -> None:
    async with _running(tmp_path, ripe) as ermon:
        await ermon.until_in_sync()
        with capture_logs() as logs:
            for times in (2, 3):
                await ripe.hang_up(1008, "client is unable to keep up")
                await ermon.until_in_sync(times)
        reason = "RIS Live has closed the connection: 1008: client is unable to keep up"
        assert [event.reason for event in ermon.of(MessagesLost)] == [reason] * 2
        assert [event.reason for event in ermon.of(SessionDown)] == [reason] * 2
        assert ermon.value("ermon_ris_connection_ends_total", reason="too-slow") == 2
        assert [line["reason"] for line in logs if line["event"] == "RIS Live is lost"] == [reason]


async def test_silence_is_an_outage_and_the_next_connection_must_show_life(
    tmp_path: Path, ripe: Ripe
) -> None:
    async with _running(
        tmp_path, ripe, Pace(0.3, *(900.0, 0.01), request=0.0, reconnect=(0.01, 0.05))
    ) as ermon:
        await ermon.until_in_sync()
        await ripe.say(PONG)
        await ermon.until(lambda: len(ermon.of(SessionDown)) >= 2)
        assert {event.reason for event in ermon.of(SessionDown)} == {
            "RIS Live has passed no message on for 0.3 s"
        }
        assert len(ermon.of(SessionUp)) == 2, "the first connection's; a later one without a message is none"
        ups = len(ripe.sockets)
        async with asyncio.timeout(PATIENCE):
            while len(ermon.of(SessionUp)) == 2:
                with contextlib.suppress(ConnectionError):
                    await ripe.say(PONG, BEAT)
                await asyncio.sleep(0.01)
        assert len(ripe.sockets) >= ups
        await ermon.until_in_sync(2)


async def test_a_flood_is_taken_in(tmp_path: Path, ripe: Ripe) -> None:
    async with _running(tmp_path, ripe) as ermon:
        await ermon.until_in_sync()
        for number in range(500):
            await ripe.say(announcement(PEERS[number % 10], POOL, path=[number, 64500]))
        await ermon.until(lambda: len(ermon.of(Update)) == 501)
        assert ermon.of(SessionDown) == []


async def test_a_message_that_is_too_large_ends_the_connection(tmp_path: Path, ripe: Ripe) -> None:
    async with _running(tmp_path, ripe) as ermon:
        await ermon.until_in_sync()
        await ripe.say(" " * (MAX_MESSAGE_BYTES + 1))
        await ermon.until_in_sync(2)
        assert ermon.value("ermon_ris_connection_ends_total", reason="too-large") == 1
        assert len(ermon.of(MessagesLost)) == 1


async def test_a_message_that_cannot_be_read_is_counted_and_logged_once(tmp_path: Path, ripe: Ripe) -> None:
    async with _running(tmp_path, ripe) as ermon:
        await ermon.until_in_sync()
        with capture_logs() as logs:
            await ripe.say("{", "{")
            await ermon.until(lambda: len(ermon.of(MessagesLost)) == 2)
        assert ermon.value("ermon_ris_rejected_total") == 2
        assert [line["event"] for line in logs] == ["RIS Live message rejected"]
        ermon.lookouts.ask(FeedRequest("ris", "teardown", ("ipv4",), "messages were lost"))
        await ermon.until_in_sync(2)
        assert len(ripe.sockets) == 1, "a state is enough"


async def test_what_ris_live_refuses_is_not_asked_again(tmp_path: Path, ripe: Ripe) -> None:
    ripe.refuses = "KEEPALIVE"
    async with _running(tmp_path, ripe) as ermon:
        await ermon.until(lambda: len(ermon.of(SessionDown)) == 1)
        await ermon.until(lambda: len(ermon.of(SessionUp)) >= 2)
        await ermon.until_in_sync()
        assert ripe.subscribed[-1]["type"] == "RIS_PEER_STATE"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (web.Response(status=503), "127.0.0.1/state: answered 503"),
        (
            web.Response(status=301, headers={"Location": "http://192.0.2.1/"}),
            "127.0.0.1/state: redirects to http, not to https",
        ),
        (web.Response(body=b"{", content_type="application/json"), "its answer is no state: "),
        (web.Response(body=b"<html>", content_type="text/html"), "127.0.0.1/state: sent text/html, not JSON"),
    ],
)
async def test_a_state_that_cannot_be_had_is_said_and_asked_for_again(
    tmp_path: Path, ripe: Ripe, answer: web.Response, reason: str
) -> None:
    ripe.answer = answer
    async with _running(tmp_path, ripe) as ermon:
        await ermon.until(lambda: bool(ermon.of(MessagesLost)))
        [lost] = ermon.of(MessagesLost)
        assert isinstance(lost, MessagesLost)
        assert lost.reason.startswith(f"no state of the routes from RIPEstat: {reason}")
        assert ermon.of(EndOfRib) == []
        assert (ermon.value("ermon_ris_state_failures_total") or 0) >= 1
        ripe.answer = None
        await ermon.until_in_sync()


async def test_a_state_of_before_the_connection_is_followed_by_another(tmp_path: Path, ripe: Ripe) -> None:
    ripe.behind = 600.0
    async with _running(tmp_path, ripe) as ermon:
        await ermon.until(lambda: len(ermon.of(Update)) == 1 and len(ripe.asked) >= 2)
        assert ermon.of(EndOfRib) == []
        ripe.behind = 0.0
        await ermon.until_in_sync()


async def test_a_redirect_is_not_followed(tmp_path: Path, ripe: Ripe) -> None:
    async def elsewhere(_: web.Request) -> web.Response:
        return web.Response(
            status=302, headers={"Location": f"http://127.0.0.1:{ripe.port}/v1/ws/?client=ermon"}
        )

    other = Ripe()
    app = web.Application()
    app.router.add_get("/v1/ws/", elsewhere)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", other.port).start()
    async with _running(tmp_path, other) as ermon:
        await ermon.until(lambda: bool(ermon.of(SessionDown)))
        assert ripe.sockets == []
    await runner.cleanup()


async def test_ripe_that_cannot_be_reached_is_said_with_the_reason(tmp_path: Path) -> None:
    async with _running(tmp_path, Ripe()) as ermon:
        await ermon.until(lambda: len(ermon.of(SessionDown)) >= 2)
        reason = "127.0.0.1/v1/ws/: cannot be reached: "
        assert all(event.reason.startswith(reason) for event in ermon.of(SessionDown))
        assert (ermon.value("ermon_ris_connection_ends_total", reason="unreachable") or 0) >= 2


async def test_a_reload_begins_anew_only_where_something_has_changed(tmp_path: Path, ripe: Ripe) -> None:
    async with _running(tmp_path, ripe) as ermon:
        await ermon.until_in_sync()
        ermon.lookouts.reconfigure(ermon.load())
        assert len(ripe.sockets) == 1
        ripe.routes = [state_route(PEERS[0], "192.0.2.0/24")]
        ermon.lookouts.reconfigure(ermon.load("192.0.2.0/24"))
        await ermon.until_in_sync(2)
        assert ripe.subscribed[-3]["prefix"] == "192.0.2.0/24"


async def test_the_proxy_of_the_environment_is_asked_for_wss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    far = Ripe()
    monkeypatch.setattr(
        Ripe, "settings", "url: wss://ris.example.net/v1/ws/, state_url: https://stat.example.net/s"
    )
    async with server, _running(tmp_path, far) as ermon:
        await ermon.until(lambda: bool(ermon.of(SessionDown)))
    assert asked[0].startswith(b"CONNECT ris.example.net:443 ")
