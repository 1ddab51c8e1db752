"""Maintenance windows over HTTP: listed for everybody, added and ended by those who may change anything."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from aiohttp import web

from ermon.api.answers import WindowDoc, WindowRequest
from ermon.core.maintenance import active
from ermon.core.maintenance_book import BookedWindow, WindowError
from ermon.httpd.auth import require_changes_allowed
from ermon.model.inventory import MaintenanceWindow
from ermon.model.times import rfc3339
from ermon.web.answers import answer, parameters, refuse, success
from ermon.web.context import CONTEXT, WebContext


async def windows(request: web.Request) -> web.Response:
    """The windows of the configuration, and those that were added since."""
    parameters(request)
    context = request.app[CONTEXT]
    now = context.clock()
    listed = [_describe(None, window, now) for window in context.monitor().config.maintenance]
    listed += [_describe(booked.id, booked.window, now) for booked in context.maintenance.windows()]
    return answer(success(sorted(listed, key=lambda window: window.starts)))


async def add_window(request: web.Request) -> web.Response:
    require_changes_allowed(request)
    context = request.app[CONTEXT]
    now = context.clock()
    try:
        wanted = msgspec.json.decode(await request.read(), type=WindowRequest)
    except msgspec.MsgspecError as error:
        refuse(f"the body is no maintenance window: {error}")
    starts = wanted.starts or datetime.fromtimestamp(now, UTC)
    if wanted.ends.tzinfo is None or starts.tzinfo is None:
        refuse("times need a zone, such as 2026-12-01T02:00:00Z")
    window = MaintenanceWindow(
        starts, wanted.ends, wanted.reason, circuit=wanted.circuit, link=wanted.link, feed=wanted.feed
    )
    try:
        booked = context.maintenance.add(window, context.monitor().config, now)
    except WindowError as error:
        refuse(str(error))
    return await _changed(context, booked, now, 201)


async def end_window(request: web.Request) -> web.Response:
    require_changes_allowed(request)
    context = request.app[CONTEXT]
    now = context.clock()
    window_id = request.match_info["id"]
    try:
        booked = context.maintenance.end(window_id, now)
    except KeyError:
        raise web.HTTPNotFound(
            text=f"there is no window {window_id!r} that was added at run time; one of the configuration ends there"
        ) from None
    return await _changed(context, booked, now, 200)


async def _changed(context: WebContext, booked: BookedWindow, now: float, status: int) -> web.Response:
    context.maintenance_changed()
    await context.maintenance.saved()
    return answer(success(_describe(booked.id, booked.window, now)), status)


def _describe(window_id: str | None, window: MaintenanceWindow, now: float) -> WindowDoc:
    return WindowDoc(
        id=window_id,
        origin="configuration" if window_id is None else "run time",
        circuit=window.circuit,
        link=window.link,
        feed=window.feed,
        starts=rfc3339(window.starts.timestamp()),
        ends=rfc3339(window.ends.timestamp()),
        reason=window.reason,
        active=active(window, now),
    )
