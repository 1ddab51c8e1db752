"""Requests to a daemon, and to other servers in its place."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from msgspec import structs

from ermon.client import http as client
from ermon.client.target import UnreachableError, UsageError, make_target, parse_url
from ermon.model.prefixes import parse_prefix
from ermon.verify import ask as asking
from ermon.verify import make_report
from ermon.verify.ask import take_snapshot
from ermon.web import routes
from ermon.web.app import make_app
from tests.checks.company import V4, V6, Company, Space
from tests.verify.acceptance import ask
from tests.web.site import Client, Site

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def stranger(handler: Handler) -> AsyncIterator[str]:
    """Start a server that is not ermon; returns its address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


def answering(body: bytes | str, status: int = 200, **headers: str) -> Handler:
    content = body.encode() if isinstance(body, str) else body

    async def handler(_: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=content, status=status, headers=named)

    return handler


# The address -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:10179",
        "localhost",
        "ftp://ermon",
        "http://",
        "http://x:70000",
        "http://x/?a=b",
        "http://[::1",
    ],
)
async def test_an_invalid_address_is_wrong_usage(text: str):
    run = await ask(text)
    assert (run.code, run.out) == (2, "")
    assert run.err == (
        f"ermon: {text!r} is not the address of a daemon; give one such as http://127.0.0.1:10179\n"
    )


@pytest.mark.parametrize(
    "text", ["http://127.0.0.1:10179", "https://ermon.example.net/", "http://[::1]:10179"]
)
def test_addresses(text: str):
    assert str(parse_url(text)).rstrip("/") == text.rstrip("/")


async def test_a_password_in_the_address_is_refused_and_not_printed():
    run = await ask(f"http://me:secret@127.0.0.1:{unused_port()}")
    assert run.code == 2
    assert "--password-file" in run.err
    assert "secret" not in run.err + run.out


async def test_a_path_prefix_is_kept(net: Company):
    inner = make_app(Site(net).context())
    outer = web.Application()
    outer.add_subapp("/ermon", inner)
    async with TestServer(outer) as server:
        assert (await ask(f"{server.make_url('/ermon')}/")).code == 0


# Nobody, or somebody else ----------------------------------------------------------------------------


async def test_without_a_listener_it_fails():
    port = unused_port()
    run = await ask(f"http://127.0.0.1:{port}")
    assert (run.code, run.out) == (3, "")
    assert run.err.startswith(f"ermon: http://127.0.0.1:{port} cannot be reached: ")
    assert run.err.endswith("Is `ermon run` up there? Name another daemon with --url\n")


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (answering("<html>welcome</html>"), "is not an answer of ermon's API: JSON is malformed"),
        (answering(""), "is not an answer of ermon's API"),
        (answering(b"\xff\xfe"), "is not an answer of ermon's API"),
        (answering("[" * 100_000), "is not an answer of ermon's API"),
        (answering('{"status": "success", "data": {}}'), "missing required field `version`"),
        (answering('{"status": "success"}'), "missing required field `data`"),
        (answering('{"status": "success", "data": []}'), "Expected `object`, got `array`"),
        (answering("null"), "Expected `object`, got `null`"),
        (answering("oops", 500), "HTTP 500, and not an answer of ermon"),
        (answering("", 204), "HTTP 204, and not an answer of ermon"),
        (answering("", 302, Location="http://192.0.2.1/"), "HTTP 302, and not an answer of ermon"),
        (answering('{"status": "error", "error": "a bug in ermon"}', 500), "HTTP 500: a bug in ermon"),
        (
            answering('{"status": "error", "error": "there is no /api/v1/status"}', 404),
            "HTTP 404: there is no /api/v1/status. Is this ermon older than the command?",
        ),
    ],
)
async def test_other_answers_are_not_ermons(handler: Handler, words: str):
    async with stranger(handler) as url:
        run = await ask(url)
    assert (run.code, run.out) == (3, "")
    assert run.err.startswith(f"ermon: {url}api/v1/status: ")
    assert words in run.err
    assert run.err.count("\n") == 1


async def test_an_answer_that_cannot_steer_the_terminal():
    async with stranger(answering(json.dumps({"status": "error", "error": "\x1b[2Jgone\r\n"}), 500)) as url:
        run = await ask(url)
    assert "HTTP 500: \ufffd[2Jgone\ufffd\ufffd" in run.err


async def test_an_answer_that_breaks_off():
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"status": ')
        request.transport.close()
        return response

    async with stranger(handler) as url:
        run = await ask(url)
    assert run.code == 3
    assert "Is that an ermon?" in run.err


async def test_an_answer_that_never_arrives_times_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(client, "ANSWER_SECONDS", 0.05)
    done = asyncio.Event()

    async def handler(_: web.Request) -> web.Response:
        await done.wait()
        return web.Response()

    async with stranger(handler) as url:
        run = await ask(url)
        done.set()
    assert run.code == 3
    assert "no answer within 0.05 s" in run.err


async def test_answers_that_take_too_long_together_time_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(asking, "TOTAL_SECONDS", 0.05)
    done = asyncio.Event()

    async def handler(_: web.Request) -> web.Response:
        await done.wait()
        return web.Response()

    async with stranger(handler) as url:
        run = await ask(url)
        done.set()
    assert run.code == 3
    assert "did not answer everything within 0.05 s" in run.err


@pytest.mark.parametrize("compressed", [False, True])
async def test_an_answer_without_end_is_not_read_to_it(monkeypatch: pytest.MonkeyPatch, compressed: bool):
    monkeypatch.setattr(client, "MAX_ANSWER_BYTES", 100_000)
    body = b" " * 1_000_000
    handler = answering(gzip.compress(body), Content_Encoding="gzip") if compressed else answering(body)
    async with stranger(handler) as url:
        run = await ask(url)
    assert run.code == 3
    assert "the answer is longer than 100000 bytes" in run.err


async def test_an_answer_with_an_invalid_prefix_is_not_ermons(client: Client):
    status = {"status": "success", "data": await client.data("/api/v1/status")}
    status["data"]["pools"]["chi"]["prefixes"] = ["everything"]
    async with stranger(answering(json.dumps(status))) as url:
        run = await ask(url)
    assert run.code == 3
    assert "'everything' is not a prefix" in run.err


# The right one ---------------------------------------------------------------------------------------


async def test_a_circuit_that_is_not_there(net: Company):
    async with TestServer(make_app(Site(net).context())) as server:
        run = await ask(str(server.make_url("/")), "denver")
        where = str(server.make_url("/")).rstrip("/")
    assert (run.code, run.out) == (2, "")
    assert run.err == f"ermon: there is no circuit 'denver' at {where}: there are chicago, dallas\n"


async def test_only_the_routes_of_the_circuit_are_requested(net: Company):
    async with TestServer(make_app(Site(net).context())) as server:
        snapshot = await take_snapshot(make_target(str(server.make_url("/"))), "chicago")
    assert {feed for feed, _ in snapshot.tables} == {
        "edge-1",
        "edge-2",
        "chicago-primary",
        "chicago-secondary",
    }
    assert all(table.complete for table in snapshot.tables.values())


@pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])
async def test_truncated_tables_are_requested_in_parts(
    net: Company, space: Space, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(routes, "MAX_ROUTES", 10)
    many = space.many(200)
    net.announce("chicago-primary", space.default, *many, path="64500").wait(1)
    async with TestServer(make_app(Site(net).context())) as server:
        snapshot = await take_snapshot(make_target(str(server.make_url("/"))), "chicago")
    table = snapshot.tables["chicago-primary", space.family]
    assert {route.prefix for route in table.routes} == {
        str(parse_prefix(prefix)) for prefix in (space.default, space.pool, *many)
    }
    assert table.complete


async def test_the_number_of_requests_for_a_table_is_limited(net: Company, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(routes, "MAX_ROUTES", 10)
    monkeypatch.setattr(asking, "MAX_TABLE_REQUESTS", 5)
    net.announce("chicago-primary", *V4.many(200), path="64500").wait(1)
    async with TestServer(make_app(Site(net).context())) as server:
        snapshot = await take_snapshot(make_target(str(server.make_url("/"))), "chicago")
    assert not snapshot.tables["chicago-primary", "ipv4"].complete
    assert snapshot.tables["chicago-primary", "ipv6"].complete


async def test_a_table_of_a_feed_that_is_not_in_sync_is_not_complete(net: Company):
    net.down("edge-1")
    async with TestServer(make_app(Site(net).context())) as server:
        snapshot = await take_snapshot(make_target(str(server.make_url("/"))), "chicago")
    assert not snapshot.tables["edge-1", "ipv6"].complete


async def test_words_that_only_a_newer_ermon_knows_are_never_a_pass(net: Company):
    async with TestServer(make_app(Site(net).context())) as server:
        snapshot = await take_snapshot(make_target(str(server.make_url("/"))), "chicago")
    assert make_report(snapshot, "chicago").status == "pass"
    newer = [structs.replace(answered, status="doubtful") for answered in snapshot.statuses]
    assert make_report(replace(snapshot, statuses=newer), "chicago").status == "unknown"
    chicago = snapshot.status.circuits["chicago"]
    link = structs.replace(chicago.links["primary"], state={"ipv4": "resting", "ipv6": "up"})
    resting = structs.replace(chicago, links={**chicago.links, "primary": link})
    status = structs.replace(snapshot.status, circuits={"chicago": resting})
    assert make_report(replace(snapshot, status=status), "chicago").status == "unknown"


def test_errors_are_of_two_kinds():
    with pytest.raises(UsageError):
        parse_url("ermon")
    assert not issubclass(UsageError, UnreachableError)
