"""Checks the caller of a request, the requested host name, the page that sent it, and the right to make changes.

A password (basic authentication, RFC 7617) or a certificate (TLS) proves who the caller is; on the control socket the
kernel names the account. An address proves nothing: a request from loopback may come through a proxy.

A browser sends requests for any page, so the page is checked too. The list of ermon's host names protects against DNS
rebinding: another site can make its own name resolve to ermon's address, and then a browser lets its page read ermon's
answers, even on loopback. But the page cannot choose the Host header, which has the page's own name. With TLS, the browser
notices that the certificate is not for that name; and a browser sends ermon's password only to ermon's name. So this
protection is for plain HTTP without users.
"""

from __future__ import annotations

import base64
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from yarl import URL

from ermon.httpd.passwords import BusyError, Passwords
from ermon.httpd.protocol import Connection
from ermon.httpd.seldom import Seldom
from ermon.httpd.shell import SHELL, Shell, WebConfig, origin_of
from ermon.httpd.sockets import account_of, name_of_account
from ermon.httpd.tls import alternative_names, name_of

# Who asks ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request, as far as proven."""

    user: str | None = None
    """Has given the right password."""
    certificate: str | None = None
    """The name on a verified certificate."""
    account: int | None = None
    """The user id that came over the control socket."""

    @property
    def known(self) -> bool:
        return self.user is not None or self.certificate is not None or self.account is not None

    async def name(self) -> str:
        """Return the caller's name, for the log and the history."""
        if self.account is not None:
            return await name_of_account(self.account)
        return self.user or self.certificate or "somebody"


_CALLER = web.RequestKey("caller", Caller)


def remember(request: web.Request, caller: Caller) -> None:
    request[_CALLER] = caller
    if caller.known and isinstance(request.protocol, Connection):
        request.protocol.proven = True


def caller_of(request: web.Request) -> Caller:
    found: Caller = request.get(_CALLER, Caller())
    return found


def may_change(request: web.Request) -> bool:
    """Return whether the caller may make changes; whether the page may ask for it is checked elsewhere."""
    caller, shell = caller_of(request), request.app[SHELL]
    return caller.account is not None or (shell.changes_allowed and caller.known)


async def require_changes_allowed(request: web.Request) -> str:
    """Refuse callers without the right to make changes, with 403, and return the caller; every change calls this.

    Callers of the control socket may. Over TCP, changes must have been switched on, and are for those who
    have proved who they are.
    """
    caller = caller_of(request)
    if not may_change(request):
        raise web.HTTPForbidden(text=f"{how_to_change(request)}\n")
    name = await caller.name()
    structlog.get_logger().info(
        "change requested",
        by=name,
        method=request.method,
        path=request.path,
        client=request.remote or "control socket",
        uid=caller.account,
    )
    return name


def proves_anybody(config: WebConfig) -> bool:
    """Return whether callers can prove over TCP who they are."""
    return bool(config.users) or (config.tls is not None and config.tls.verify_mode is not ssl.CERT_NONE)


def how_to_change(request: web.Request) -> str:
    """Return the text that says how to get the right to make changes."""
    shell = request.app[SHELL]
    here = (
        ""
        if shell.control is None
        else f"on ermon's machine, make changes over {shell.control} (commands take it as --socket); "
    )
    switched = "" if shell.changes_allowed else "--web.enable-lifecycle and "
    return (
        f"{here}over TCP they need {switched}a password or a verified client certificate, which --web.config.file "
        "sets up"
    )


# How that is proven ---------------------------------------------------------------------------------


def is_outdated(request: web.Request) -> bool:
    """Return whether the TLS settings have changed since: they may no longer admit the client."""
    made_under = request.get_extra_info("ssl_object")
    return made_under is not None and made_under.context is not request.app[SHELL].config().tls


class Gate:
    """The middleware that refuses callers without the required proof."""

    def __init__(self, shell: Shell) -> None:
        self._passwords = Passwords(shell.familiar)
        self._refused = Seldom("client refused")

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        account = account_of(request.get_extra_info("socket"))
        if account is not None:
            remember(request, Caller(account=account))
            return await handler(request)
        config = request.app[SHELL].config()
        certificate: Mapping[str, Any] = request.get_extra_info("peercert") or {}
        allowed = config.client_allowed_sans
        if allowed and allowed.isdisjoint(alternative_names(certificate)):
            reason = "client_allowed_sans has none of the certificate's names"
            self._refused.tell(reason=reason, client=request.remote)
            refused = web.HTTPForbidden(text="this certificate may not be used here\n")
            refused.force_close()
            raise refused
        user = None
        if config.users:
            user = await self._user(request, config.users)
        if certificate and user is None and request.method not in _SAFE_METHODS and is_outdated(request):
            raise web.HTTPMisdirectedRequest(
                text="the TLS settings have changed since this connection was made; open a new connection\n"
            )
        remember(request, Caller(user, name_of(certificate) if certificate else None))
        return await handler(request)

    async def _user(self, request: web.Request, users: Mapping[str, bytes]) -> str:
        given = request.headers.get(hdrs.AUTHORIZATION)
        if given is None:
            raise _unauthorized("send a user name and password as basic authentication")
        try:
            name, password = _credentials(given)
            right = await self._passwords.right(users, name, password, origin_of(request))
        except ValueError:
            raise _unauthorized("the credentials cannot be read; send them as basic authentication") from None
        except BusyError:
            raise web.HTTPTooManyRequests(
                text="too many passwords are waiting to be checked; try again in a moment\n",
                headers={"Retry-After": "1"},
            ) from None
        if not right:
            self._refused.tell(reason="wrong user or password", client=request.remote)
            raise _unauthorized("wrong user or password")
        return name


def _credentials(header: str) -> tuple[str, str]:
    """Read user and password; ``ValueError`` if they cannot be read."""
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
    """ermon's host names. Addresses are always accepted: an attacker cannot make an address resolve elsewhere."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = {"localhost", *map(_plain, names)}

    def add_own(self) -> None:
        """Add this machine's names. DNS may answer slowly; ermon does not wait for it."""
        self._names.add(_plain(socket.gethostname()))
        # Not on a thread of an executor: ermon would wait for it when it stops.
        threading.Thread(target=lambda: self._names.add(_plain(socket.getfqdn())), daemon=True).start()

    def hold(self, header: str) -> bool:
        """Return whether a Host header, with or without a port, is an address or one of the names."""
        found = _HOST.fullmatch(header.strip())
        if found is None:
            return False
        name = found[1].removeprefix("[").removesuffix("]")
        return _is_address(name) or _plain(name) in self._names


def hosts_of(external_url: str, listen: Iterable[tuple[str, int]], allowed: Iterable[str]) -> Hosts:
    """Return the names from the command line, and this machine's own."""
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
    """Refuse a request for a name that is not ermon's, unless a page in a browser cannot have sent it."""
    given = request.headers.getall(hdrs.HOST, [])  # HTTP/1.0 may omit it, a browser does not
    is_own = request.app[SHELL].is_own_host
    proven = request.secure or caller_of(request).known
    if not proven and not all(map(is_own, given)):
        raise web.HTTPMisdirectedRequest(
            text=f"{given[0][:80]!r} is not a known name of this ermon; if it is one, start ermon with "
            "--web.allowed-host=NAME, or with the --web.external-url under which people reach it\n"
        )
    return await handler(request)


@web.middleware
async def refuse_other_sites(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests from pages of other sites, unless they only read."""
    if request.method not in _SAFE_METHODS and not _from_own_page(request):
        raise web.HTTPForbidden(text="a page of another site may not make this request\n")
    return await handler(request)


def _from_own_page(request: web.Request) -> bool:
    """Return whether the request is from ermon's own page or from no page, by the headers of the browser.

    Browsers send Sec-Fetch-Site only over TLS and on loopback (Fetch Metadata), and Origin with every change.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in _OWN_SITES
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return True  # not a browser
    asking = _authority(origin)
    own = {request.headers.get(hdrs.HOST), _authority(request.app[SHELL].external_url)}
    return bool(asking) and asking in own


def _authority(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]
