"""The application with nothing inside: every request is judged here before a handler sees it."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from ermon.httpd.auth import Gate
from ermon.httpd.limits import MAX_BODY_BYTES, Bucket, Turns, read_body
from ermon.httpd.shell import AWAITED, SHELL, Shell
from ermon.httpd.sites import check_host, refuse_other_sites

MAX_HEADER_BYTES = 8 * 1024
"""Of the request line, and of each header: what every other server allows."""
MAX_HEADERS = 64
SHUTDOWN_SECONDS = 0.4
"""How long requests that are being answered may take when the server stops; aiohttp waits twice as long."""
KEEPALIVE_SECONDS = 75.0
"""How long an idle connection is kept: longer than scrapers pause, shorter than anybody could gather many."""
LINGER_SECONDS = 1.0
"""How long the rest of a body that was not asked for is read, so that the answer arrives."""

_SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def make_shell(shell: Shell, *outermost: Middleware) -> web.Application:
    """Return an application without routes behind the shell.

    ``outermost`` stand around all that the shell does: they see its refusals, and may put them in other words.

    The order is that of what a stranger can cost. The rate limit counts every request, also those that are
    refused; passwords come next, so that nothing is told to whoever has none; whether a name is ours is asked
    after that, since a password or a certificate proves it; a body is read only for whoever got so far; and
    nobody holds a turn while a body is still on its way.
    """
    app = web.Application(
        middlewares=[
            _asked,
            *outermost,
            Bucket().take,
            Gate().check,
            check_host,
            refuse_other_sites,
            read_body,
            Turns().take,
        ],
        client_max_size=MAX_BODY_BYTES,
    )
    app[SHELL] = shell
    app[AWAITED] = set()
    app.on_response_prepare.append(_add_headers)
    return app


def make_runner(app: web.Application) -> web.AppRunner:
    """Return a runner with the shell's limits; the caller sets it up, adds sites and cleans up."""
    return web.AppRunner(
        app,
        access_log=None,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
        max_headers=MAX_HEADERS,
        keepalive_timeout=KEEPALIVE_SECONDS,
        lingering_time=LINGER_SECONDS,
        auto_decompress=False,  # nobody has so much to say
        shutdown_timeout=SHUTDOWN_SECONDS,
    )


@web.middleware
async def _asked(request: web.Request, handler: Handler) -> web.StreamResponse:
    request.app[AWAITED].discard(request.protocol)
    return await handler(request)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    config = request.app[SHELL].config()
    response.headers.update(config.headers)
    made_under = request.get_extra_info("ssl_object")
    if made_under is not None and made_under.context is not config.tls:
        response.force_close()  # whom TLS let in then, it may not let in now
        response.headers["Connection"] = "close"
    response.headers["Server"] = "ermon"
