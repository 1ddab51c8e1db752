"""The empty application: every request is checked here before a handler gets it.

``access`` checks the caller; this file limits the use of the server: rate, body, concurrency.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from time import monotonic

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from ermon.httpd.access import Gate, check_host, is_outdated, refuse_other_sites
from ermon.httpd.passwords import Familiar
from ermon.httpd.protocol import Connection, shown
from ermon.httpd.shell import SHELL, RateLimit, Shell, is_an_account, origin_of, party_of

SHUTDOWN_SECONDS = 0.4
"""How long running requests may take when the server stops; aiohttp waits twice as long."""

_SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def make_shell(shell: Shell, *outermost: Middleware) -> web.Application:
    """Return an application without routes behind the shell.

    ``outermost`` middlewares are around the whole shell: they see its refusals, and may change their text.

    The order limits what a stranger can cost. First, the rate limit counts every request, including refused ones. Then
    passwords, so that callers without one learn nothing. Then the host name, because a password or a certificate
    already proves it. Only then the body is read; and a request takes its turn after its body has arrived.
    """
    app = web.Application(
        middlewares=[
            _asked,
            *outermost,
            Buckets(shell.familiar).take,
            Gate(shell).check,
            check_host,
            refuse_other_sites,
            read_body,
            Turns().take,
        ],
        client_max_size=MAX_BODY_BYTES,
    )
    app[SHELL] = shell
    app.on_response_prepare.append(_add_headers)
    return app


def make_runner(app: web.Application) -> web.AppRunner:
    """Return a runner; the caller sets it up, hands it connections (``protocol``) and cleans up."""
    return web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)


@web.middleware
async def _asked(request: web.Request, handler: Handler) -> web.StreamResponse:
    if isinstance(request.protocol, Connection):
        request.protocol.begin()
    return await handler(request)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    config = request.app[SHELL].config()
    response.headers.update(config.headers)
    if is_outdated(request):
        response.force_close()
        response.headers["Connection"] = "close"
    response.headers["Server"] = "ermon"


MAX_BODY_BYTES = 16 * 1024
"""The limit for the body of a request; the largest is a maintenance window with its reason."""
BODY_SECONDS = 10.0
"""How long a client may take to send the body."""
MAX_AT_ONCE = 16
"""The number of requests that are answered at the same time; others wait for their turn."""
MAX_AT_ONCE_PER_CLIENT = 4
"""The same for one address: its further requests wait, and do not delay others."""

# How much of the server its clients may use ---------------------------------------------------------


class Turns:
    """Gives each client its turn."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(MAX_AT_ONCE)
        self._clients: dict[str, _Client] = {}

    @asynccontextmanager
    async def turn(self, client: str) -> AsyncIterator[None]:
        mine = self._clients.setdefault(client, _Client(asyncio.Semaphore(MAX_AT_ONCE_PER_CLIENT)))
        mine.requests += 1
        try:
            # Callers of the control socket wait only for themselves.
            async with mine.turns, nullcontext() if is_an_account(client) else self._all:
                yield
        finally:
            mine.requests -= 1
            if not mine.requests:
                del self._clients[client]

    @web.middleware
    async def take(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The middleware; event streams last, and have limits of their own."""
        if request.match_info.handler in request.app[SHELL].streams:
            return await handler(request)
        async with self.turn(party_of(request)):
            if request.transport is None:
                raise ConnectionResetError("the client did not wait for its turn")
            return await handler(request)


@dataclass(slots=True)
class _Client:
    turns: asyncio.Semaphore
    requests: int = 0
    """The number of waiting and running requests."""


class Bucket:
    """Gains one token per interval, and each request takes one."""

    def __init__(self) -> None:
        self._tokens = math.inf  # a limit that is set later begins with a full bucket
        self._filled_at = monotonic()

    def take(self, limit: RateLimit | None) -> float:
        """Take a token; return the seconds until the next one if there is none, else 0."""
        if limit is None:
            self._tokens = math.inf
            return 0.0
        now = monotonic()
        self._tokens = min(limit.burst, self._tokens + (now - self._filled_at) / limit.interval)
        self._filled_at = now
        if self._tokens < 1:
            return (1 - self._tokens) * limit.interval
        self._tokens -= 1
        return 0.0


class Buckets:
    """``rate_limit``: one bucket for all, and a second one for parties that have given a right password, so that others
    cannot empty it. This machine's accounts are not limited.
    """

    def __init__(self, familiar: Familiar) -> None:
        self._familiar = familiar
        self._of_familiar, self._of_others = Bucket(), Bucket()

    @web.middleware
    async def take(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The middleware."""
        origin = origin_of(request)
        if not is_an_account(origin):
            bucket = self._of_familiar if origin in self._familiar else self._of_others
            if wait := bucket.take(request.app[SHELL].config().rate_limit):
                raise web.HTTPTooManyRequests(
                    text="more requests than rate_limit in --web.config.file allows\n",
                    headers={"Retry-After": str(math.ceil(wait))},
                )
        return await handler(request)


@web.middleware
async def read_body(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Read the body for all handlers, within its limits of size and time."""
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(
            MAX_BODY_BYTES, request.content_length or 0, text=f"a body may have {MAX_BODY_BYTES} bytes"
        )
    try:
        async with asyncio.timeout(BODY_SECONDS):
            await request.read()
    except TimeoutError:
        refused = web.HTTPRequestTimeout(text=f"the body did not come within {BODY_SECONDS:g} s\n")
        refused.force_close()
        raise refused from None
    except web.RequestPayloadError as error:
        raise web.HTTPBadRequest(text=f"the body cannot be read: {shown(str(error))}\n") from None
    return await handler(request)
