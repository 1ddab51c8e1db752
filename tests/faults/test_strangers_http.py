"""Unknown clients of the API: their limits, and their effects on other clients, on the log, and on users' terminals."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from aiohttp import ClientSession, TCPConnector, web
from structlog.testing import capture_logs

from ermon.cli import run
from ermon.daemon import logs
from ermon.httpd import listen, places, protocol, seldom, shell
from ermon.httpd.config import LiveWebConfig
from ermon.httpd.passwords import Familiar
from ermon.httpd.shell import RateLimit, WebConfig
from ermon.storage.adapters import keep_parties, kept_parties
from ermon.storage.store import Store
from ermon.web import app as web_app
from ermon.web.events import EventHub
from tests.checks.company import V4, company
from tests.httpd.pki import Pki, write
from tests.httpd.test_access import USERS, basic
from tests.httpd.test_limits import PATIENCE, Raw, connections
from tests.web.site import Client, Site, until

GET = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n"
PROMETHEUS, NOC = "127.0.0.9", "127.0.0.8"


@pytest.fixture
def site() -> Site:
    return Site(company().process_up("edges").process_up("outside").converge(), lifecycle=True).tell()


@pytest.fixture(autouse=True)
def from_afar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat every loopback address but the first as another host."""
    monkeypatch.setattr(
        shell, "address_key", lambda remote: shell.LOOPBACK if remote == "127.0.0.1" else str(remote)
    )


@asynccontextmanager
async def strangers(client: Client, number: int, of: range) -> AsyncIterator[list[Raw]]:
    """Open ``number`` connections from each of several addresses."""
    async with AsyncExitStack() as stack:
        found = []
        for each in of:
            found += await stack.enter_async_context(connections(client, number, f"127.0.1.{each}"))
        yield found


async def ask(client: Client, source: str, request: bytes = GET) -> int | None:
    async with connections(client, 1, source) as [raw]:
        return await raw.status(request)


# Places ----------------------------------------------------------------------------------------------


async def test_few_addresses_that_take_every_place_shut_no_other_client_out(site: Site):
    """Each address sends one request, so that its connection is kept, and has the most connections that one client may
    have.
    """
    async with (
        site.served() as client,
        strangers(client, places.limits().of_one, range(4)) as kept,
    ):
        answers = await asyncio.gather(*(raw.status() for raw in kept))
        assert answers.count(200) == places.limits().of_others
        for source in (PROMETHEUS, NOC, "127.0.0.1"):
            assert await ask(client, source) == 200


async def test_hundreds_of_addresses_with_a_connection_each_shut_no_other_client_out(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(places, "MAX_CONNECTIONS", 60)
    async with site.served() as client, strangers(client, 1, range(1, 100)) as kept:
        await asyncio.gather(*(raw.status() for raw in kept))
        assert await ask(client, PROMETHEUS) == 200


async def test_hundreds_of_unfinished_tls_handshakes_shut_no_client_out(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(places, "MAX_CONNECTIONS", 60)
    pki = Pki(tmp_path)
    pki.issue("server", "localhost", "127.0.0.1")
    file = write(tmp_path / "web.yml", "tls_server_config: {cert_file: server.crt, key_file: server.key}\n")
    site.web_config = LiveWebConfig(file).current
    async with site.served() as client, strangers(client, 1, range(1, 150)) as silent:
        silent[-1].writer.write(b"\x16\x03\x01")
        afar = TCPConnector(ssl=pki.client(), local_addr=(PROMETHEUS, 0))
        async with ClientSession(client.http._base_url, connector=afar) as http:
            assert (await http.get("/-/healthy")).status == 200


async def test_a_client_with_a_right_password_keeps_its_place(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(places, "MAX_CONNECTIONS", 10)
    site.web_config = lambda: WebConfig(users=USERS)
    proven = (
        b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nAuthorization: %b\r\n\r\n"
        % basic("bob", "b").encode()
    )
    async with site.served() as client, connections(client, 1, PROMETHEUS) as [prometheus]:
        assert await prometheus.status(proven) == 200
        async with strangers(client, 1, range(1, 60)) as kept:
            await asyncio.gather(*(raw.status() for raw in kept))
            assert await prometheus.status(proven) == 200
        assert await ask(client, NOC, proven) == 200


async def test_an_answer_in_progress_continues_despite_many_unknown_clients(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    """A page that follows the events is not idle, and has fewer connections than the clients that take every place."""
    monkeypatch.setattr(places, "MAX_CONNECTIONS", 10)
    async with site.served() as client, connections(client, 1, NOC) as [page]:
        page.writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert await page.reader.readuntil(b"event: snapshot")
        async with strangers(client, 5, range(1, 10)) as kept:
            await asyncio.gather(*(raw.status() for raw in kept))
            site.net.announce("isp-a", V4.pool)
            site.tell()
            assert await page.reader.readuntil(b"event: transition")


async def test_hundreds_of_event_streams_that_read_nothing_delay_no_other_client(site: Site):
    async with site.served() as client, strangers(client, 100, range(1, 6)) as streams:
        for raw in streams:
            raw.writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: site.hub.clients > 0)
        for source in (PROMETHEUS, NOC):
            assert await ask(client, source) == 200


async def test_clients_that_read_large_answers_slowly_delay_no_other(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    """Four addresses that read no answer would block all requests, if a request lasted until its answer is read."""
    monkeypatch.setattr(web_app, "CHUNK_BYTES", 1024)
    scrape = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with site.served() as client, strangers(client, 4, range(1, 11)) as slow:
        for raw in slow:
            raw.writer.write(scrape * 50)
        async with asyncio.timeout(PATIENCE):
            assert await ask(client, PROMETHEUS, scrape) == 200


EVENTS = b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def stream(raw: Raw, request: bytes = EVENTS) -> int:
    """Request the events; the caller reads the answer."""
    raw.writer.write(request)
    head = await raw.reader.readuntil(b"\r\n\r\n")
    return int(head.split()[1])


async def test_a_client_that_takes_every_event_stream_must_give_some_to_others(site: Site, tmp_path: Path):
    site.control = tmp_path / "control.sock"
    site.hub = EventHub(max_clients=4)
    async with site.served() as client, strangers(client, 4, range(1)) as kept:
        assert [await stream(raw) for raw in kept] == [200] * 4
        async with connections(client, 1, NOC) as [noc]:
            assert await stream(noc) == 200
            here = Raw(*await asyncio.open_unix_connection(site.control))
            assert await stream(here) == 200
            for raw in kept[:2]:
                await asyncio.wait_for(
                    raw.reader.readuntil(b"\r\n0\r\n\r\n"), PATIENCE
                )  # the end of the answer's header
            async with strangers(client, 1, range(1)) as [again]:
                assert await stream(again) == 503
            here.writer.close()


# Time ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [b"", GET], ids=["the first request", "a later one"])
@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", b"G"])
async def test_slowloris_is_disconnected(
    site: Site, monkeypatch: pytest.MonkeyPatch, before: bytes, said: bytes
):
    monkeypatch.setattr(listen, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)
    async with site.served() as client, connections(client, 1, NOC) as [slow]:
        slow.writer.write(before + said)
        async with asyncio.timeout(PATIENCE):
            answer = await slow.reader.read()
    assert answer.startswith(b"HTTP/1.1 200") is (before != b"")


async def test_half_a_request_after_a_whole_one_is_disconnected(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(listen, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    async with site.served() as client, connections(client, 1, NOC) as [slow]:
        assert await slow.status(GET + b"GET / HTTP/1.1\r\nHost: x\r\n") == 200
        async with asyncio.timeout(PATIENCE):
            assert await slow.ended()


async def test_an_idle_connection_within_its_limits_is_kept(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(listen, "SWEEP_SECONDS", 0.01)
    async with site.served() as client, connections(client, 1, NOC) as [scraper]:
        for _ in range(2):
            assert await scraper.status() == 200
            monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.0)
            async with connections(client, 1, NOC) as [silent]:
                assert await silent.ended()  # idle connections have been swept since
            monkeypatch.setattr(protocol, "HEAD_SECONDS", PATIENCE)


# The log ---------------------------------------------------------------------------------------------

MALFORMED = (
    b"GET /\x1b[31m HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 9000 + b"\r\n\r\n",
    b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n\r\n",
)


async def test_a_thousand_malformed_requests_are_two_lines_of_the_log(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: Any
):
    now = [0.0]
    monkeypatch.setattr(seldom, "monotonic", lambda: now[0])
    async with site.served() as client:
        logs.configure("info", "json")
        for number in range(1000):
            async with connections(client, 1, f"127.0.1.{number % 250 + 1}") as [raw]:
                raw.writer.write(MALFORMED[number % len(MALFORMED)])
                await raw.reader.readline()
            if number == 990:
                now[0] += seldom.SECONDS
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("malformed requests", "warning")] * 2
    assert sum(line["count"] for line in lines) > 700
    assert all(len(json.dumps(line)) < 250 and line["reason"].isprintable() for line in lines)


async def test_a_bug_in_ermon_is_logged_with_its_place(
    site: Site, capsys: Any, monkeypatch: pytest.MonkeyPatch
):
    """Also for a bug outside of every handler, which only aiohttp sees."""

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    async with site.served() as client:
        logs.configure("info", "json")
        monkeypatch.setattr(site.net.monitor, "findings", broken)
        assert (await client.get("/api/v1/findings?state=cleared")).status == 200
        monkeypatch.setattr(web.Response, "prepare", broken)
        await ask(client, NOC)
    assert "ZeroDivisionError" in capsys.readouterr().err


# Requests that mean two things -----------------------------------------------------------------------

AMBIGUOUS = (
    b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nxxxxx",
    b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1_0\r\n\r\n0123456789",
    b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n X: folded\r\n\r\n",
    b"GET /-/healthy HTTP/1.1\nHost: localhost\n\n",
    b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nX\x00: y\r\n\r\n",
    b"GET /-/healthy HTTP/2.0\r\nHost: localhost\r\n\r\n",
)


@pytest.mark.parametrize("request_", AMBIGUOUS, ids=range(len(AMBIGUOUS)))
async def test_ambiguous_requests_are_refused(site: Site, request_: bytes):
    smuggled = b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with site.served() as client, connections(client, 1, NOC) as [raw]:
        with capture_logs():
            raw.writer.write(request_ + smuggled)
            async with asyncio.timeout(PATIENCE):
                answer = await raw.reader.read()
    assert answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    assert len(re.findall(rb"^HTTP/1\.[01] ", answer, re.MULTILINE)) == 1
    assert b"\r\nServer: ermon\r\n" in answer
    assert site.reloads == 0


@pytest.mark.parametrize(
    "path",
    [
        *("/static/../pages.py", "/static/%2e%2e/pages.py", "/static/..%2fpages.py", "/static//etc/passwd"),
        *(
            "/static/%2fetc%2fpasswd",
            "/runbooks/../../etc/passwd",
            "/runbooks/..%2f..%2fREADME",
            "/static/%00",
        ),
    ],
)
async def test_no_path_leads_to_other_files(site: Site, path: str):
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    async with site.served() as client:
        assert await ask(client, NOC, request) in {400, 404}


def random_requests(number: int) -> Iterator[bytes]:
    rng = random.Random(20261130)
    words = [
        "",
        "x",
        "chicago",
        "192.0.2.0/24",
        "::/0",
        "9" * 400,
        "%00",
        "%ff",
        "%F0%9F%92%A9",
        "-1",
        "nan",
        "'",
    ]
    paths = [
        "findings",
        "routes",
        "maintenance",
        "status",
        "timeline",
        "accept",
        "circuits/x/difference",
        "checks/x",
    ]
    keys = ["prefix", "feed", "match", "since", "state", "x"]
    for _ in range(number):
        method = rng.choice(["GET", "GET", "GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"])
        query = "&".join(f"{rng.choice(keys)}={rng.choice(words)}" for _ in range(rng.randrange(4)))
        path = f"/api/v1/{rng.choice(paths)}{rng.choice(['', '', '/' + rng.choice(words)])}?{query}"
        body = rng.choice(
            [b"", b"{}", b"[[[", b'{"to":"9999-12-31T23:59:59-05:00","reason":"x","circuit":"chicago"}']
        )
        yield (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )


async def test_no_random_request_is_a_bug(site: Site, tmp_path: Path):
    """Also over the control socket, where no request is refused for lack of rights."""
    site.control = tmp_path / "control.sock"
    async with site.served():
        reader, writer = await asyncio.open_unix_connection(site.control)
        raw = Raw(reader, writer)
        for request in random_requests(400):
            with capture_logs() as log:
                status = await raw.status(request)
            assert status is not None, request
            assert status < 500, (request, log)
        writer.close()


# Rights ----------------------------------------------------------------------------------------------

FORGED = (
    *({}, {"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}, {"X-Real-IP": "127.0.0.1"}),
    *({"True-Client-IP": "127.0.0.1"}, {"CF-Connecting-IP": "127.0.0.1"}, {"X-Forwarded-Host": "localhost"}),
    *(
        {"Origin": "http://localhost"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Authorization": basic("root", "")},
    ),
    {"X-HTTP-Method-Override": "GET"},
)


@pytest.mark.parametrize("headers", FORGED)
@pytest.mark.parametrize("source", ["127.0.0.1", NOC])
async def test_no_header_and_no_address_gives_a_right(site: Site, headers: dict[str, str], source: str):
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n{lines}\r\n"
    async with site.served() as client:
        assert await ask(client, source, request.encode()) == 403
    assert site.reloads == 0


PATHS = (
    "/",
    "/metrics",
    "/-/healthy",
    "/-/ready",
    "/-/reload",
    "/api/v1/status",
    "/static/page.js",
    "/nothing",
)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_without_a_password_every_request_gets_the_same_answer(site: Site, method: str):
    site.web_config = lambda: WebConfig(users=USERS)
    async with site.served() as client:
        for path in PATHS:
            for proof in ({}, {"Authorization": basic("alice", "b")}, {"Authorization": "Basic"}):
                assert (await client.get(path, method, **proof)).status == 401


# Passwords -------------------------------------------------------------------------------------------


@asynccontextmanager
async def flooded(client: Client, addresses: range) -> AsyncIterator[None]:
    """Have each of several addresses send wrong passwords, as fast as they are answered."""
    wrong = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: %b\r\n\r\n" % basic("bob", f"{number}").encode()
        for number in range(50)
    ]
    was_wrong: set[Raw] = set()

    async def attack(raw: Raw) -> None:
        for request in itertools.cycle(wrong):
            if await raw.status(request) == 401:
                was_wrong.add(raw)

    async with strangers(client, 1, addresses) as kept:
        attacks = [asyncio.create_task(attack(raw)) for raw in kept]
        await until(lambda: len(was_wrong) == len(addresses))
        yield
        for each in attacks:
            each.cancel()
        await asyncio.wait(attacks)


@pytest.mark.parametrize("known", [True, False], ids=["was right before", "is new here"])
async def test_a_right_password_is_accepted_during_a_flood_of_wrong_ones_after_a_restart(
    site: Site, tmp_path: Path, known: bool
):
    users = {"bob": bcrypt.hashpw(b"b", bcrypt.gensalt(8))}
    site.web_config = lambda: WebConfig(users=users)
    right = b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: %b\r\n\r\n" % basic("bob", "b").encode()
    for run_ in range(2):
        store = await Store.open(tmp_path, 60.0)
        site.familiar = Familiar(
            kept_parties(store), lambda parties, store=store: keep_parties(store, parties)
        )
        assert (PROMETHEUS in site.familiar) is bool(known and run_)
        async with site.served() as client:
            if run_ == 0 and known:
                assert await ask(client, PROMETHEUS, right) == 200
            if run_ == 1:
                async with flooded(client, range(1, 25)):
                    for _ in range(3):
                        assert await ask(client, PROMETHEUS, right) == 200
        await store.close()


async def test_other_clients_do_not_use_up_the_rate_limit_of_one_with_a_right_password(site: Site):
    site.familiar = Familiar([PROMETHEUS])
    site.web_config = lambda: WebConfig(users=USERS, rate_limit=RateLimit(3600.0, 1))
    right = b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: %b\r\n\r\n" % basic("bob", "b").encode()
    async with site.served() as client:
        assert [await ask(client, NOC) for _ in range(3)] == [401, 429, 429]
        assert await ask(client, PROMETHEUS, right) == 200


# What a hostile server answers -----------------------------------------------------------------------

HOSTILE = "\x1b[31m\x9b31m\u202e\u2066\u200b\r\nx"
WINDOW = {
    "id": HOSTILE,
    "origin": "run time",
    "circuit": HOSTILE,
    "from": HOSTILE,
    "to": HOSTILE,
    "reason": HOSTILE,
    "by": HOSTILE,
    "active": True,
}


def hostile(path: str) -> tuple[int, Any]:
    match path.rpartition("/")[2]:
        case "maintenance":
            return 200, [WINDOW]
        case "status":
            return 200, {HOSTILE: HOSTILE}
        case "findings":
            return 200, [{HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}]}]
        case "accept":
            return 200, [
                {
                    "check": HOSTILE,
                    "labels": {HOSTILE: HOSTILE},
                    "by": "x",
                    "because": HOSTILE,
                    "status": "ok",
                }
            ]
        case "reload":
            return 400, None
        case _:
            return 200, WINDOW


COMMANDS = (
    ["maintenance", "list"],
    ["maintenance", "end", "1"],
    ["maintenance", "add", "--circuit=c", "--for=1h", "--reason=x"],
    ["accept", "drain", "--circuit=c", "--reason=x"],
    ["reload"],
    ["status", "--json"],
    ["status"],
    ["verify"],
    ["routes", "192.0.2.1"],
)


@pytest.mark.parametrize("refusing", [False, True])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_no_text_of_a_hostile_server_reaches_the_terminal_raw(
    command: list[str], refusing: bool, capsys: Any
):
    async def answer(request: web.Request) -> web.Response:
        status, data = hostile(request.path)
        if refusing:
            return web.json_response({"status": "error", "error": HOSTILE}, status=400)
        if data is None:
            return web.Response(text=HOSTILE, status=status)
        text = json.dumps({"status": "success", "data": data}, ensure_ascii=False)
        return web.Response(text=text, status=status, content_type="application/json")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        await asyncio.to_thread(run, [*command, f"--url={url}"])
    finally:
        await runner.cleanup()
    printed = capsys.readouterr()
    shown = printed.out + printed.err
    assert shown
    assert all(line.isprintable() for line in shown.split("\n"))
