"""Who asks, for which name, and from whose page; and who of them may change anything.

A caller is proven by a password (basic authentication, RFC 7617), a certificate (TLS) or an address. A bcrypt hash
takes its time by design: one is worked out at a time, on a thread, and few may wait for it; who was right once is
not asked to wait again.

A browser runs any page for whoever may ask, so what it sends is judged too. The names under which ermon may be asked
for are a guard against DNS rebinding: a page of another site can have its own name point to ermon's address, and a
browser then lets it read what ermon answers, even on loopback. It cannot choose the Host header, though: that holds
the page's own name. With TLS the browser sees that the certificate is not for that name; and a password that was
given to ermon is sent to ermon's name only. So that guard is for plain HTTP without users.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import ipaddress
import re
import secrets
import socket
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import bcrypt
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from yarl import URL

from ermon.httpd.shell import LOOPBACK, SHELL, address_key
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

        ``client`` is the party that asks, as ``shell.address_key`` names it. Raises ``BusyError``.
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


_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/?#@\s]+)(?::[0-9]{1,5})?")


# For which name, and from whose page ----------------------------------------------------------------


class Hosts:
    """The names that are ermon's. An address is always: nobody can have it point elsewhere."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = {"localhost", *map(_plain, names)}

    def add_own(self) -> None:
        """Add this machine's names. DNS may take its time to say them, and nobody waits for it."""
        self._names.add(_plain(socket.gethostname()))
        # No executor's thread: ermon would wait for it when it stops.
        threading.Thread(target=lambda: self._names.add(_plain(socket.getfqdn())), daemon=True).start()

    def hold(self, header: str) -> bool:
        """Return whether a Host header, with or without a port, is an address or one of the names."""
        found = _HOST.fullmatch(header.strip())
        if found is None:
            return False
        name = found[1].removeprefix("[").removesuffix("]")
        return _is_address(name) or _plain(name) in self._names


def hosts_of(external_url: str, listen: Iterable[tuple[str, int]], allowed: Iterable[str]) -> Hosts:
    """Return the names that the command line gives, and this machine's own."""
    hosts = Hosts([URL(external_url).host or "", *(host for host, _ in listen), *allowed])
    hosts.add_own()
    return hosts


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@web.middleware
async def check_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a request for a name that is not ermon's, unless its client could not be a browser's page."""
    given = request.headers.getall(hdrs.HOST, [])  # HTTP/1.0 may leave it out, a browser does not
    is_own = request.app[SHELL].is_own_host
    proven = request.secure or caller_of(request).known
    if not proven and not all(map(is_own, given)):
        raise web.HTTPMisdirectedRequest(
            text=f"{given[0][:80]!r} is not known as a name of this ermon; if it is one, start ermon with "
            "--web.allowed-host=NAME, or with the --web.external-url under which people reach it\n"
        )
    return await handler(request)


@web.middleware
async def refuse_other_sites(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what a page of another site makes a browser send, unless it only reads."""
    if request.method not in _SAFE_METHODS and not _from_own_page(request):
        raise web.HTTPForbidden(text="a page of another site may not ask for this\n")
    return await handler(request)


def _from_own_page(request: web.Request) -> bool:
    """Return whether a page that asks is ermon's own, or none, as far as its browser says.

    Browsers send Sec-Fetch-Site over TLS and on loopback only (Fetch Metadata), Origin with every change.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in _OWN_SITES
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return True  # no browser
    asking = _authority(origin)
    own = {request.headers.get(hdrs.HOST), _authority(request.app[SHELL].external_url)}
    return bool(asking) and asking in own


def _authority(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]
