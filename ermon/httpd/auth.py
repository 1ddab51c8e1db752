"""Who asks, proven by a password, a certificate or an address; and who of them may change anything.

Passwords are those of basic authentication (RFC 7617), certificates those of TLS.
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
from dataclasses import dataclass
from typing import Any

import bcrypt
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from ermon.httpd.limits import LOOPBACK, address_key
from ermon.httpd.shell import SHELL
from ermon.httpd.tls import alternative_names, name_of

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

_PROXY_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
"""With one of these a request comes from elsewhere, though a proxy on this machine hands it in."""


# Who asks ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a request, as far as that is proven."""

    user: str | None = None
    """Has given the right password."""
    certificate: str | None = None
    """The name on a verified certificate."""

    @property
    def known(self) -> bool:
        return self.user is not None or self.certificate is not None


_CALLER = web.RequestKey("caller", Caller)


def remember(request: web.Request, caller: Caller) -> None:
    request[_CALLER] = caller


def caller_of(request: web.Request) -> Caller:
    found: Caller = request.get(_CALLER, Caller())
    return found


def require_changes_allowed(request: web.Request) -> None:
    """Refuse whoever may not change anything, with 403; every change over HTTP asks here.

    Changes must have been switched on, and then they are for callers on this machine, and for those who
    proved who they are. A proxy on this machine makes nobody local.
    """
    if not request.app[SHELL].changes_allowed:
        raise web.HTTPForbidden(text="changes over HTTP are off; start ermon with --web.enable-lifecycle\n")
    caller = caller_of(request)
    if not caller.known and not is_local(request):
        raise web.HTTPForbidden(
            text="changes are for callers on the machine that ermon runs on, or with a password or a certificate; "
            "--web.config.file sets up those\n"
        )
    structlog.get_logger().info(
        "change asked for",
        method=request.method,
        path=request.path,
        client=request.remote,
        user=caller.user,
        certificate=caller.certificate,
    )


def is_local(request: web.Request) -> bool:
    """Return whether a request was made on this machine, and not handed on by a proxy."""
    return is_loopback(request.remote) and not any(name in request.headers for name in _PROXY_HEADERS)


def is_loopback(remote: str | None) -> bool:
    return address_key(remote) == LOOPBACK


# How that is proven ---------------------------------------------------------------------------------


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
        """Return whether this is the user's password; a user who does not exist takes as long as one who does.

        ``client`` is the party that asks, as ``limits.address_key`` names it. Raises ``BusyError``.
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
        config = request.app[SHELL].config()
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
