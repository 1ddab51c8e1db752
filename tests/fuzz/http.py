"""Fuzzed requests to the API: no answer is a bug, and the next request is answered."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from random import Random

from tests.checks.company import company
from tests.fuzz.mutate import break_bytes, break_json
from tests.web.site import Site

PATHS = (
    *(
        "/",
        "/metrics",
        "/-/healthy",
        "/-/ready",
        "/-/reload",
        "/api/v1/status",
        "/api/v1/schema",
        "/api/v1/checks",
    ),
    *(
        "/api/v1/findings?state=raised",
        "/api/v1/findings?state=cleared&since=0&limit=5",
        "/api/v1/maintenance",
    ),
    *("/api/v1/search?q=exchange", "/api/v1/search?q=198.51.100.0/28&feed=isp-a"),
    *("/api/v1/routes?prefix=198.51.100.0/28&feed=isp-a&match=covering", "/api/v1/routes?prefix=2001:db8::1"),
    *(
        "/api/v1/timeline?day=2026-11-18&limit=5",
        "/api/v1/timeline?from=2026-11-18T00:00:00Z&to=1795000000",
        "/api/v1/circuits/chicago/difference",
        "/api/v1/checks/pool-leak",
        "/api/v1/statuses",
    ),
    *("/findings/f1", "/runbooks/pool-leak", "/api/v1/accept"),
)
BODIES = (
    b'{"circuit": "chicago", "reason": "works", "to": "2027-01-01T00:00:00Z"}',
    b'{"feed": "isp-a", "reason": "works", "from": "0001-01-01T00:00:00+23:00", "to": "9999-12-31T23:59:59-05:00"}',
    b'{"check": "drain", "labels": {"circuit": "chicago"}, "reason": "ours"}',
)
METHODS = (b"GET", b"POST", b"DELETE", b"PUT", b"HEAD", b"OPTIONS", b"TRACE")
HEALTHY = b"GET /-/healthy HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
REQUESTS = 30
PATIENCE = 0.5
"""Seconds for an answer: half of the requests are cut off, and the server waits for the rest."""


def http(random: Random) -> None:
    asyncio.run(_ask(random))


async def _ask(random: Random) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Site(company().converge(), control=Path(folder) / "control.sock")
        async with site.listens() as url:
            port = int(url.rpartition(":")[2])
            for _ in range(REQUESTS):
                path = site.control if random.random() < 0.5 else None
                status = await _status(port, path, request(random))
                assert status < 500 or status in {501, 503, 505}, status
            assert await _status(port, site.control, HEALTHY) == 200


def request(random: Random) -> bytes:
    """Return a change with a broken body, or any request, broken or not."""
    if random.random() < 0.4:
        target = random.choice((b"/api/v1/maintenance", b"/api/v1/accept"))
        return _request(b"POST", target, break_json(random, random.choice(BODIES)))
    target = random.choice(PATHS).encode()
    if random.random() < 0.3:
        target = break_bytes(random, target)
    method = b"GET" if random.random() < 0.6 else random.choice(METHODS)
    whole = _request(method, target, random.choice(BODIES) if method == b"POST" else b"")
    return break_bytes(random, whole) if random.random() < 0.4 else whole


def _request(method: bytes, target: bytes, body: bytes) -> bytes:
    head = b"%b %b HTTP/1.1\r\nHost: 127.0.0.1\r\n" % (method, target)
    if body:
        head += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    return head + b"\r\n" + body


async def _status(port: int, control: Path | None, asked: bytes) -> int:
    """Send a request over TCP, or with all rights over the control socket; return 0 without an answer."""
    reader, writer = await (
        asyncio.open_connection("127.0.0.1", port)
        if control is None
        else asyncio.open_unix_connection(control)
    )
    try:
        writer.write(asked)
        async with asyncio.timeout(PATIENCE if asked != HEALTHY else 60):
            return int((await reader.readline()).split(b" ")[1])
    except (ConnectionError, TimeoutError, IndexError):
        return 0
    finally:
        writer.close()
