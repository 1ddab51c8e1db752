"""The handlers under ``/api/v1``. What they show is taken on the event loop and rendered on a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from ermon.prefixes import Prefix, parse_address, parse_prefix
from ermon.state import current_network, judged, layout_of
from ermon.web.answers import answer, choice, parameters, refuse, success
from ermon.web.context import CONTEXT, WebContext
from ermon.web.render import by_severity, finding_data, network_data, rfc3339
from ermon.web.routes import MATCHES, find_routes

Rendered = Callable[[], Any]
"""Renders what was taken; safe on any thread."""


async def status(request: web.Request) -> web.Response:
    """Everything that is configured, and how it is."""
    parameters(request)
    return await _show(status_data(request.app[CONTEXT]))


async def findings(request: web.Request) -> web.Response:
    """The raised findings, then the recently cleared ones, the newest of those first."""
    state = choice(parameters(request, "state"), "state", ("raised", "cleared"))
    return await _show(findings_data(request.app[CONTEXT], state))


async def statuses(request: web.Request) -> web.Response:
    """The status of every check and subject, ordered by check and labels: what replay prints of them."""
    parameters(request)
    return await _show(statuses_data(request.app[CONTEXT]))


async def routes(request: web.Request) -> web.Response:
    """The routes held to a prefix, inside it, or covering it."""
    values = parameters(request, "prefix", "feed", "match")
    match = choice(values, "match", MATCHES) or "exact"
    prefix = _prefix(values.get("prefix"))
    monitor = request.app[CONTEXT].monitor()
    feed = values.get("feed")
    if feed is not None and feed not in monitor.config.feeds:
        raise web.HTTPNotFound(text=f"there is no feed {feed!r}")
    return await _show(find_routes(monitor, prefix, match, feed))


def status_data(context: WebContext) -> Rendered:
    monitor = context.monitor()
    network, raised, now = current_network(monitor), monitor.findings(), context.clock()
    return lambda: {
        "version": context.version,
        "started_at": rfc3339(context.started_at),
        "time": rfc3339(now),
        "findings": by_severity(raised),
        **network_data(network),
    }


def findings_data(context: WebContext, state: str | None = None) -> Rendered:
    """Take the findings; ``state`` is ``raised``, ``cleared``, or ``None`` for both."""
    monitor = context.monitor()
    raised = monitor.findings() if state != "cleared" else []
    cleared = list(monitor.cleared) if state != "raised" else []
    return lambda: [finding_data(finding) for finding in (*raised, *cleared)]


def statuses_data(context: WebContext) -> Rendered:
    monitor = context.monitor()
    cases, found = layout_of(monitor).cases, judged(monitor).statuses
    return lambda: [
        {"check": case.subject.check, "labels": dict(case.subject.labels), "status": status}
        for case, status in zip(cases, found, strict=True)
    ]


async def _show(render: Rendered) -> web.Response:
    return answer(await asyncio.to_thread(lambda: success(render())))


def _prefix(text: str | None) -> Prefix:
    """Read a prefix; a bare address means its host prefix."""
    if text is None:
        refuse("parameter 'prefix' is missing; give one such as 198.51.100.0/28 or 2001:db8::1")
    try:
        return parse_prefix(text) if "/" in text else parse_address(text).prefix
    except ValueError as error:
        refuse(f"parameter 'prefix': {error}")
