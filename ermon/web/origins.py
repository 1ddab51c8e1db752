"""Keeps other sites' pages out: a browser runs them for whoever may speak to ermon."""

from __future__ import annotations

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from ermon.web.callers import caller_of
from ermon.web.context import CONTEXT

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})


@web.middleware
async def check_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a request for a name that is not ermon's, unless its client could not be a browser's page."""
    given = request.headers.getall(hdrs.HOST, [])  # HTTP/1.0 may leave it out, a browser does not
    context = request.app[CONTEXT]
    proven = request.secure or caller_of(request).known
    if not proven and not all(map(context.hosts.hold, given)):
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
    """Tell whether a page that asks is ermon's own, or none, as far as its browser says.

    Browsers send Sec-Fetch-Site over TLS and on loopback only (Fetch Metadata), Origin with every change.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in _OWN_SITES
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return True  # no browser
    asking = _authority(origin)
    own = {request.headers.get(hdrs.HOST), _authority(request.app[CONTEXT].external_url)}
    return bool(asking) and asking in own


def _authority(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]
