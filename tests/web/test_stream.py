"""One client's event stream over HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from ermon.recording.replay import Playback, Replay
from ermon.web import stream
from ermon.web.app import make_app
from ermon.web.events import EventHub
from tests.checks.company import V4, V6, Company
from tests.web.site import Client, Site, until

Event = tuple[str, str, Any]


async def block(response: ClientResponse) -> dict[str, str]:
    """The next fields of a stream, up to an empty line."""
    text = (await response.content.readuntil(b"\n\n")).decode()
    return dict(line.split(": ", 1) for line in text.splitlines() if line)


async def event(response: ClientResponse) -> Event:
    """The next event: its kind, its id and its data."""
    fields = await block(response)
    while "event" not in fields:
        fields = await block(response)
    return fields["event"], fields["id"], json.loads(fields["data"])


async def listen(client: Client, last_event_id: str = "") -> ClientResponse:
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    return await client.http.get("/api/v1/events", headers=headers)


async def test_the_stream_begins_with_a_snapshot_and_continues_with_events(client: Client, site: Site):
    site.net.announce("isp-a", V4.pool)
    site.tell()
    response = await listen(client)
    assert response.content_type == "text/event-stream"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert await block(response) == {"retry": "2000"}
    kind, _, snapshot = await event(response)
    assert kind == "snapshot"
    assert snapshot["status"] == await client.data("/api/v1/status")
    assert snapshot["findings"] == await client.data("/api/v1/findings")

    site.net.announce("isp-a", V6.pool)
    site.tell()
    kind, _, transition = await event(response)
    assert (kind, transition["labels"]["family"]) == ("transition", "ipv6")
    assert (await event(response))[0] == "pool"


async def test_a_client_that_resumes_gets_the_events_of_the_meantime(client: Client, site: Site):
    response = await listen(client)
    _, last_id, _ = await event(response)
    response.close()
    site.net.down("isp-a")
    site.tell()
    response = await listen(client, last_id)
    kind, _, feed = await event(response)
    assert (kind, feed["feed"], feed["state"]) == ("feed", "isp-a", "down")


async def test_after_a_reload_a_snapshot_follows(client: Client, site: Site):
    response = await listen(client)
    _, first_id, _ = await event(response)
    site.hub.start_anew()
    kind, second_id, _ = await event(response)
    assert kind == "snapshot"
    assert first_id != second_id


async def test_a_silent_stream_is_kept_open_by_comments(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.001)
    response = await listen(client)
    await event(response)
    assert await block(response) == {"": "still here"}


async def test_a_client_that_is_gone_is_forgotten(
    client: Client, site: Site, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.001)
    response = await listen(client)
    assert site.hub.clients == 1
    response.close()
    await until(lambda: site.hub.clients == 0)


async def test_a_client_that_reads_nothing_is_dropped(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stream, "STALLED_SECONDS", 0.01)
    site.hub = EventHub(kept_events=10)
    async with TestClient(TestServer(make_app(site.context()))) as http:
        response = await listen(Client(http))
        await event(response)

        def flooded() -> bool:
            site.hub.publish("feed", "x" * 1_000_000)
            return site.hub.clients == 0

        await until(flooded)
        response.close()


async def test_the_number_of_streams_is_limited(site: Site):
    site.hub = EventHub(max_clients=1)
    async with TestClient(TestServer(make_app(site.context()))) as http:
        client = Client(http)
        response = await listen(client)
        assert await client.error("/api/v1/events") == (503, "1 clients are listening already")
        response.close()


async def test_a_stream_has_no_head(client: Client):
    assert (await client.get("/api/v1/events", "HEAD")).status == 405


async def test_streams_end_at_once_when_ermon_stops(site: Site):
    runner = web.AppRunner(make_app(site.context()), shutdown_timeout=3600)
    await runner.setup()
    server = await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"event: snapshot")
    finally:
        server.close()
        await runner.cleanup()
    assert site.hub.clients == 0
    await reader.read()  # to its end
    writer.close()
    await writer.wait_closed()


async def test_the_present_state_is_a_complete_recording(net: Company):
    net.announce("isp-a", V4.pool, path="64500").wait(1)
    async with Site(net).served() as client:
        response = await client.get("/api/v1/recording")
        assert response.headers["Content-Type"] == "application/x-ndjson"
        lines = (await response.read()).splitlines()
    replay = Replay(Playback(net.config, lambda *_: pytest.fail("it cannot be read")))
    assert list(replay.transitions(lines, until=0)) == []
    statuses = [
        (each["check"], each["labels"]["family"])
        for each in replay.statuses()
        if each["status"] == "violated"
    ]
    assert ("pool-leak", "ipv4") in statuses


async def test_few_take_a_recording_at_a_time(net: Company, monkeypatch):
    monkeypatch.setattr(stream, "MAX_RECORDINGS", 0)
    async with Site(net).served() as client:
        status, message = await client.error("/api/v1/recording")
    assert (status, message) == (503, "0 clients are taking one already")


async def test_clients_elsewhere_cannot_block_recordings_for_ermons_machine(
    net: Company, monkeypatch, tmp_path: Path
):
    monkeypatch.setattr(stream, "MAX_RECORDINGS", 0)
    async with Site(net).controlled(tmp_path) as client:
        response = await client.get("/api/v1/recording")
        assert response.status == 200
        assert (await response.read()).splitlines()
