"""The web application: the API, the metrics, the events, the runbooks and the status page.

All requests only read, except ``/-/reload``, maintenance windows, acceptances and questions to Azure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from ermon.httpd.access import require_changes_allowed
from ermon.httpd.app import make_shell
from ermon.httpd.shell import Shell
from ermon.metrics.network import Metrics
from ermon.web import api, azure, findings, history, pages, probes, search, stream
from ermon.web.handling import CONTEXT, WebContext, answer, failure

__all__ = ["WebContext", "make_app"]

CHUNK_BYTES = 256 * 1024
"""Bytes of a large answer that are written at a time, because writing megabytes at once would block the event loop."""

_METRICS = web.AppKey("metrics", Metrics)

_KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")


def make_app(context: WebContext) -> web.Application:
    """Build the application."""
    shell = Shell(
        is_own_host=context.hosts.hold,
        config=context.web_config,
        external_url=context.external_url,
        changes_allowed=context.lifecycle,
        control=context.control,
        familiar=context.familiar,
        streams=frozenset({stream.events}),
    )
    app = make_shell(shell, _errors)
    app[CONTEXT] = context
    app[_METRICS] = Metrics(context.telemetry.registry)
    app[pages.FILES] = pages.read_files()
    app[stream.STREAMS] = set()
    app[stream.RECORDINGS] = asyncio.Semaphore(stream.MAX_RECORDINGS)
    app.add_routes(
        [
            web.get("/", pages.status_page),
            web.get("/static/{name:.+}", pages.static),
            web.get("/findings/{id}", findings.page),
            web.get("/runbooks/", pages.runbooks),
            web.get("/runbooks/{check}", pages.runbook),
            web.get("/metrics", _metrics),
            web.get("/-/healthy", _healthy),
            web.get("/-/ready", _ready),
            web.post("/-/reload", _reload),
            web.put("/-/reload", _reload),
            web.get("/api/v1/status", api.status),
            web.get("/api/v1/findings", api.findings),
            web.get("/api/v1/findings/{id}", findings.finding),
            web.get("/api/v1/statuses", api.statuses),
            web.get("/api/v1/routes", api.routes),
            web.get("/api/v1/search", search.search),
            web.get("/api/v1/timeline", history.timeline),
            web.get("/api/v1/circuits/{circuit}/difference", api.difference),
            web.get("/api/v1/checks", api.checks),
            web.get("/api/v1/checks/{check}", api.check),
            web.get("/api/v1/maintenance", api.windows),
            web.post("/api/v1/maintenance", api.add_window),
            web.post("/api/v1/maintenance/preview", api.preview_window),
            web.delete("/api/v1/maintenance/{id}", api.end_window),
            web.post("/api/v1/accept", api.accept),
            web.get("/api/v1/azure", azure.tables),
            web.post("/api/v1/azure", azure.read),
            web.get("/api/v1/probes", probes.probes),
            web.get("/api/v1/caller", api.caller),
            web.get("/api/v1/events", stream.events, allow_head=False),
            web.get("/api/v1/recording", stream.recording, allow_head=False),
            web.get("/api/v1/schema", api.schema),
        ]
    )
    app.on_shutdown.append(stream.end_streams)
    return app


# Handlers --------------------------------------------------------------------------------------------


async def _metrics(request: web.Request) -> web.StreamResponse:
    rendered = await request.app[_METRICS].render(
        request.app[CONTEXT].monitor(),
        accept=",".join(request.headers.getall("Accept", [])),
        accept_encoding=",".join(request.headers.getall("Accept-Encoding", [])),
        only=request.query.getall("name[]", []),
    )
    headers = {"Content-Type": rendered.content_type, "Vary": "Accept, Accept-Encoding"}
    if rendered.gzipped:
        headers["Content-Encoding"] = "gzip"
    if request.method != "GET" or len(rendered.body) <= CHUNK_BYTES:
        return web.Response(body=rendered.body, headers=headers)
    return _LargeAnswer(rendered.body, headers)


class _LargeAnswer(web.StreamResponse):
    """A large answer. It is sent in pieces after the request has released its place, so that a client that reads slowly
    delays no other.
    """

    def __init__(self, body: bytes, headers: Mapping[str, str]) -> None:
        super().__init__(headers=headers)
        self.content_length = len(body)
        self._rest = memoryview(body)

    async def write_eof(self, data: bytes = b"") -> None:
        for start in range(0, len(self._rest), CHUNK_BYTES):
            await self.write(self._rest[start : start + CHUNK_BYTES])
        self._rest = memoryview(b"")
        await super().write_eof(data)


async def _healthy(request: web.Request) -> web.Response:
    del request
    return web.Response(text="ermon is healthy\n")  # an answer proves that the event loop runs


async def _ready(request: web.Request) -> web.Response:
    ready, reason = request.app[CONTEXT].ready()
    return web.Response(text=f"{reason or 'ermon is ready'}\n", status=200 if ready else 503)


async def _reload(request: web.Request) -> web.Response:
    await require_changes_allowed(request)
    problems = await request.app[CONTEXT].reload()
    if problems:
        return web.Response(text="".join(f"{problem}\n" for problem in problems), status=400)
    return web.Response(text="configuration reloaded\n")


# Around every request --------------------------------------------------------------------------------


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors in JSON under /api, and any other exception, which is a bug, with 500 and a line in the log."""
    in_api = request.path.startswith("/api/")
    try:
        return await handler(request)
    except web.HTTPException as error:
        if not in_api:
            raise
        kept = {name: error.headers[name] for name in _KEPT_HEADERS if name in error.headers}
        response = answer(failure(_reason(request, error)), error.status, kept)
        if error.keep_alive is False:
            response.force_close()
        return response
    except ConnectionResetError:
        raise  # the client has disconnected
    except Exception:  # noqa: BLE001  # a bug in one request must not affect others
        structlog.get_logger().exception("request failed", method=request.method, path=request.path)
        text = "a bug in ermon; the log has the details"
        return answer(failure(text), 500) if in_api else web.Response(text=f"{text}\n", status=500)


def _reason(request: web.Request, error: web.HTTPException) -> str:
    """Return what is wrong in words, because aiohttp's default text only repeats the status."""
    text = error.text or error.reason
    if text != f"{error.status}: {error.reason}":
        return text.strip()
    if error.status == web.HTTPNotFound.status_code:
        return f"there is no {request.path}"
    if isinstance(error, web.HTTPMethodNotAllowed):
        return f"{request.method} is not possible here, only {', '.join(sorted(error.allowed_methods))}"
    return error.reason
