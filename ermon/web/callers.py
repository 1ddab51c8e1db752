"""Who asks: told by a password, a certificate or an address; and who of them may change anything."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

import structlog
from aiohttp import web

from ermon.web.context import CONTEXT

_PROXY_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
"""With one of these a request comes from elsewhere, though a proxy on this machine hands it in."""

LOOPBACK = "loopback"
"""The address key of all that comes from this machine."""


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
    if not request.app[CONTEXT].lifecycle:
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
    """Tell whether a request was made on this machine, and not handed on by a proxy."""
    return is_loopback(request.remote) and not any(name in request.headers for name in _PROXY_HEADERS)


def is_loopback(remote: str | None) -> bool:
    return address_key(remote) == LOOPBACK


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
