"""Basic authentication (RFC 7617), and the names on clients' certificates.

A bcrypt hash takes its time by design: one is worked out at a time, on a thread, and few may wait for it;
who was right once is not asked to wait again.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Any

import bcrypt
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from ermon.web.callers import Caller, address_key, remember
from ermon.web.context import CONTEXT
from ermon.web.tls import alternative_names, name_of

REMEMBERED = 1_000
"""Right passwords that are known again without working out their hash."""
MAX_WAITING = 16
"""Passwords that wait to be checked: some three seconds at the usual cost."""
MAX_WAITING_PER_CLIENT = 2
"""Of one address: whoever guesses holds up themselves, and others by a fraction of a second."""
BCRYPT_BYTES = 72
"""bcrypt never looks at more of a password."""
LOGGED_EVERY_SECONDS = 10.0
"""One refusal is logged in this time; a stranger must not fill the disk."""


class BusyError(Exception):
    """Too many passwords wait to be checked."""


class Passwords:
    """Checks passwords against hashes."""

    def __init__(self) -> None:
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._secret = secrets.token_bytes(32)  # what is remembered is of no use to anybody else
        self._turn = asyncio.Lock()
        self._waiting: Counter[str] = Counter()

    async def right(self, users: Mapping[str, bytes], user: str, password: str, client: str) -> bool:
        """Tell whether this is the user's password; a user who does not exist takes as long as one who does.

        ``client`` is the party that asks, as ``callers.address_key`` names it. Raises ``BusyError``.
        """
        hashed = users.get(user)
        against = hashed if hashed is not None else next(iter(users.values()))
        mark = hmac.digest(self._secret, repr((user, password, against)).encode(), "sha256")
        if mark in self._right:
            self._right.move_to_end(mark)
            return True
        if not await self._work_out(password, against, client) or hashed is None:
            return False
        self._right[mark] = None
        if len(self._right) > REMEMBERED:
            self._right.popitem(last=False)
        return True

    async def _work_out(self, password: str, hashed: bytes, client: str) -> bool:
        if self._waiting.total() >= MAX_WAITING or self._waiting[client] >= MAX_WAITING_PER_CLIENT:
            raise BusyError
        self._waiting[client] += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(bcrypt.checkpw, password.encode()[:BCRYPT_BYTES], hashed)
        finally:
            self._waiting[client] -= 1
            if not self._waiting[client]:
                del self._waiting[client]


class Gate:
    """The middleware that lets nobody in who must prove who they are and does not."""

    def __init__(self) -> None:
        self._passwords = Passwords()
        self._logged_at = float("-inf")

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        config = request.app[CONTEXT].web_config()
        certificate: Mapping[str, Any] = request.get_extra_info("peercert") or {}
        allowed = config.client_allowed_sans
        if allowed and allowed.isdisjoint(alternative_names(certificate)):
            self._log(request, "the certificate has no name that client_allowed_sans holds")
            refused = web.HTTPForbidden(text="this certificate may not be used here\n")
            refused.force_close()
            raise refused
        user = None
        if config.users:
            user = await self._user(request, config.users)
        remember(request, Caller(user, name_of(certificate) if certificate else None))
        return await handler(request)

    async def _user(self, request: web.Request, users: Mapping[str, bytes]) -> str:
        given = request.headers.get(hdrs.AUTHORIZATION)
        if given is None:
            raise _unauthorized("give a user and their password, as basic authentication")
        try:
            name, password = _credentials(given)
            right = await self._passwords.right(users, name, password, address_key(request.remote))
        except ValueError:
            raise _unauthorized("the credentials cannot be read; give them as basic authentication") from None
        except BusyError:
            raise web.HTTPTooManyRequests(
                text="too many passwords wait to be checked; try again in a moment\n",
                headers={"Retry-After": "1"},
            ) from None
        if not right:
            self._log(request, "wrong user or password")
            raise _unauthorized("wrong user or password")
        return name

    def _log(self, request: web.Request, reason: str) -> None:
        now = time.monotonic()
        if now - self._logged_at >= LOGGED_EVERY_SECONDS:
            self._logged_at = now
            structlog.get_logger().warning("client refused", reason=reason, client=request.remote)


def _credentials(header: str) -> tuple[str, str]:
    """Read user and password; ``ValueError`` where there are none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise ValueError(scheme)
    user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    if not colon:
        raise ValueError(user)
    return user, password


def _unauthorized(text: str) -> web.HTTPUnauthorized:
    return web.HTTPUnauthorized(
        text=f"{text}\n", headers={hdrs.WWW_AUTHENTICATE: 'Basic realm="ermon", charset="UTF-8"'}
    )
