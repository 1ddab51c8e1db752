"""The web application: the API, the metrics, the events, the runbooks and the status page.

Everything here reads, but for ``/-/reload`` and the maintenance windows.
"""

from __future__ import annotations

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from ermon.metrics.network import Metrics
from ermon.web import api, maintenance, page, runbooks, stream
from ermon.web.answers import answer, failure
from ermon.web.auth import Gate
from ermon.web.callers import require_changes_allowed
from ermon.web.context import CONTEXT, WebContext
from ermon.web.limits import MAX_BODY_BYTES, Bucket, Turns, read_body
from ermon.web.origins import check_host, refuse_other_sites

__all__ = ["WebContext", "make_app", "make_runner"]

MAX_HEADER_BYTES = 8 * 1024
"""Of the request line, and of each header: what every other server allows."""
MAX_HEADERS = 64
SHUTDOWN_SECONDS = 0.4
"""How long requests that are being answered may take when ermon stops; aiohttp waits twice as long."""
KEEPALIVE_SECONDS = 75.0
"""How long an idle connection is kept: longer than scrapers pause, shorter than anybody could gather many."""
LINGER_SECONDS = 1.0
"""How long the rest of a body that was not asked for is read, so that the answer arrives."""

AWAITED = web.AppKey("awaited", set[web.RequestHandler])
"""The connections that have not asked for anything yet."""

_METRICS = web.AppKey("metrics", Metrics)

_KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")

_SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def make_app(context: WebContext) -> web.Application:
    """Build the application."""
    app = web.Application(
        middlewares=[
            _errors,
            Bucket().take,
            Gate().check,
            check_host,
            refuse_other_sites,
            read_body,
            Turns().take,
        ],
        client_max_size=MAX_BODY_BYTES,
    )
    app[CONTEXT] = context
    app[AWAITED] = set()
    app[_METRICS] = Metrics(context.telemetry.registry)
    app[page.FILES] = page.read_files()
    app[stream.STREAMS] = set()
    app.add_routes(
        [
            web.get("/", page.status_page),
            web.get("/static/{name:.+}", page.static),
            web.get("/runbooks/", runbooks.listing),
            web.get("/runbooks/{check}", runbooks.runbook),
            web.get("/metrics", _metrics),
            web.get("/-/healthy", _healthy),
            web.get("/-/ready", _ready),
            web.post("/-/reload", _reload),
            web.put("/-/reload", _reload),
            web.get("/api/v1/status", api.status),
            web.get("/api/v1/findings", api.findings),
            web.get("/api/v1/statuses", api.statuses),
            web.get("/api/v1/routes", api.routes),
            web.get("/api/v1/timeline", api.timeline),
            web.get("/api/v1/circuits/{circuit}/difference", api.difference),
            web.get("/api/v1/checks", api.checks),
            web.get("/api/v1/checks/{check}", api.check),
            web.get("/api/v1/maintenance", maintenance.windows),
            web.post("/api/v1/maintenance", maintenance.add_window),
            web.delete("/api/v1/maintenance/{id}", maintenance.end_window),
            web.get("/api/v1/events", stream.events, allow_head=False),
        ]
    )
    app.on_response_prepare.append(_add_headers)
    app.on_shutdown.append(stream.end_streams)
    return app


def make_runner(app: web.Application) -> web.AppRunner:
    """Return a runner with ermon's limits; the caller sets it up, adds sites and cleans up."""
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


# Handlers --------------------------------------------------------------------------------------------


async def _metrics(request: web.Request) -> web.Response:
    rendered = await request.app[_METRICS].render(
        request.app[CONTEXT].monitor(),
        accept=",".join(request.headers.getall("Accept", [])),
        accept_encoding=",".join(request.headers.getall("Accept-Encoding", [])),
        only=request.query.getall("name[]", []),
    )
    headers = {"Content-Type": rendered.content_type, "Vary": "Accept, Accept-Encoding"}
    if rendered.gzipped:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=rendered.body, headers=headers)


async def _healthy(request: web.Request) -> web.Response:
    del request
    return web.Response(text="ermon is healthy\n")  # it answers: the event loop turns


async def _ready(request: web.Request) -> web.Response:
    ready, reason = request.app[CONTEXT].ready()
    return web.Response(text=f"{reason or 'ermon is ready'}\n", status=200 if ready else 503)


async def _reload(request: web.Request) -> web.Response:
    require_changes_allowed(request)
    problems = await request.app[CONTEXT].reload()
    if problems:
        return web.Response(text="".join(f"{problem}\n" for problem in problems), status=400)
    return web.Response(text="configuration reloaded\n")


# Around every request --------------------------------------------------------------------------------


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors in JSON under /api, and whatever is a bug with 500 and a line in the log."""
    request.app[AWAITED].discard(request.protocol)
    in_api = request.path.startswith("/api/")
    try:
        return await handler(request)
    except web.HTTPException as error:
        if not in_api:
            raise
        kept = {name: error.headers[name] for name in _KEPT_HEADERS if name in error.headers}
        told = answer(failure(_reason(request, error)), error.status, kept)
        if error.keep_alive is False:
            told.force_close()
        return told
    except ConnectionResetError:
        raise  # the client is gone
    except Exception:  # noqa: BLE001  # whatever it is, the others go on being served
        structlog.get_logger().exception("request failed", method=request.method, path=request.path)
        text = "a bug in ermon; its log has the details"
        return answer(failure(text), 500) if in_api else web.Response(text=f"{text}\n", status=500)


def _reason(request: web.Request, error: web.HTTPException) -> str:
    """Say what is wrong in words, where aiohttp would only repeat the number."""
    text = error.text or error.reason
    if text != f"{error.status}: {error.reason}":
        return text.strip()
    if error.status == web.HTTPNotFound.status_code:
        return f"there is no {request.path}"
    if isinstance(error, web.HTTPMethodNotAllowed):
        return f"{request.method} is not possible here, only {', '.join(sorted(error.allowed_methods))}"
    return error.reason


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    config = request.app[CONTEXT].web_config()
    response.headers.update(config.headers)
    made_under = request.get_extra_info("ssl_object")
    if made_under is not None and made_under.context is not config.tls:
        response.force_close()  # whom TLS let in then, it may not let in now
        response.headers["Connection"] = "close"
    response.headers["Server"] = "ermon"
