"""For which name a request is, and whose page sends it: a browser runs any page for whoever may ask.

The names under which ermon may be asked for are a guard against DNS rebinding.
A page of another site can have its own name point to ermon's address, and a browser then lets it read what
ermon answers, even on loopback. It cannot choose the Host header, though: that holds the page's own name.
With TLS the browser sees that the certificate is not for that name; and a password that was given to ermon
is sent to ermon's name only. So this is for plain HTTP without users.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from collections.abc import Iterable

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from yarl import URL

from ermon.httpd.auth import caller_of
from ermon.httpd.shell import SHELL

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/?#@\s]+)(?::[0-9]{1,5})?")


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


# Requests ------------------------------------------------------------------------------------------


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
