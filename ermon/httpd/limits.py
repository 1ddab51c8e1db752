"""How much of the server its's clients may use: turns, time and requests."""

from __future__ import annotations

import asyncio
import ipaddress
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

from aiohttp import web
from aiohttp.typedefs import Handler

from ermon.httpd.shell import SHELL

MAX_BODY_BYTES = 16 * 1024
"""The largest that any request has to say: a maintenance window with its reason."""
BODY_SECONDS = 10.0
"""How long a client may take to say it."""
MAX_AT_ONCE = 16
"""Requests that are answered at the same time; the rest wait their turn."""
MAX_AT_ONCE_PER_CLIENT = 4
"""Of one address: whoever asks for more waits for themselves, not the others for them."""

LOOPBACK = "loopback"
"""The address key of all that comes from this machine."""


def address_key(remote: str | None) -> str:
    """Name the party behind an address, for limits: loopback is one, and so is an IPv6 /64 (RFC 4291)."""
    try:
        address = ipaddress.ip_address((remote or "").partition("%")[0])
    except ValueError:
        return ""
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback:
        return LOOPBACK
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


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
            async with mine.turns, self._all:
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
        async with self.turn(address_key(request.remote)):
            if request.transport is None:
                raise ConnectionResetError("the client has not waited for its turn")
            return await handler(request)


@dataclass(slots=True)
class _Client:
    turns: asyncio.Semaphore
    requests: int = 0
    """Those that wait and those that have their turn."""


class Bucket:
    """``rate_limit``: a bucket that fills by one token each interval, and from which each request takes one."""

    def __init__(self) -> None:
        self._tokens = math.inf
        self._filled_at = monotonic()

    @web.middleware
    async def take(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        limit = request.app[SHELL].config().rate_limit
        if limit is None:
            self._tokens = math.inf  # a limit that is set later begins with a full bucket
            return await handler(request)
        now = monotonic()
        self._tokens = min(limit.burst, self._tokens + (now - self._filled_at) / limit.interval)
        self._filled_at = now
        if self._tokens < 1:
            raise web.HTTPTooManyRequests(
                text="more requests than rate_limit in --web.config.file allows\n",
                headers={"Retry-After": str(math.ceil((1 - self._tokens) * limit.interval))},
            )
        self._tokens -= 1
        return await handler(request)


@web.middleware
async def read_body(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Read the body here, for all handlers: within its size, and within its time."""
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
    return await handler(request)
