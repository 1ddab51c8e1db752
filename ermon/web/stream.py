"""Streamed answers: ``/api/v1/events``, a client's stream of server-sent events, and ``/api/v1/recording``, the present
state as lines that ``ermon replay`` reads.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice

from aiohttp import web

from ermon.api.answers import SnapshotEvent, finding_doc
from ermon.httpd.shell import is_an_account, party_of
from ermon.web.api import findings_now, status_now
from ermon.web.events import Subscription, TooManyClientsError, frame
from ermon.web.handling import CONTEXT, parameters

HEARTBEAT_SECONDS = 15.0
"""A comment is sent after this time without an event, because proxies close connections that are silent for longer."""

STALLED_SECONDS = 30.0
"""A client that reads nothing for this time counts as gone."""

RETRY_SECONDS = 2

_HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # otherwise nginx buffers events
}

_RECORDING_HEADERS = {"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"}

STREAMS = web.AppKey("streams", set[asyncio.Task[object]])
"""The tasks of all open streams."""


async def events(request: web.Request) -> web.StreamResponse:
    """Send a snapshot, or the events since ``Last-Event-ID``, and then all further events."""
    hub = request.app[CONTEXT].hub
    response = web.StreamResponse(headers=_HEADERS)
    try:
        with (
            _ended_at_shutdown(request.app),
            hub.subscribe(request.headers.get("Last-Event-ID"), party_of(request)) as subscription,
        ):
            await response.prepare(request)
            with contextlib.suppress(ConnectionError):
                await _send(request, response, subscription)
    except TooManyClientsError as error:
        raise web.HTTPServiceUnavailable(text=str(error), headers={"Retry-After": "60"}) from error
    return response


@contextmanager
def _ended_at_shutdown(app: web.Application) -> Iterator[None]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a request is handled outside of a task")
    app[STREAMS].add(task)
    try:
        yield
    finally:
        app[STREAMS].discard(task)


async def _send(request: web.Request, response: web.StreamResponse, subscription: Subscription) -> None:
    """Send events until the client is gone."""
    data = b"retry: %d\n\n" % (RETRY_SECONDS * 1000)
    while await _write(request, response, data):
        data = b""
        if subscription.behind:
            data = await _snapshot(request, subscription)
        data += await subscription.wait(0 if data else HEARTBEAT_SECONDS)
        if subscription.ended:
            return
        if not data and not subscription.behind:
            data = b": still here\n\n"


async def _snapshot(request: web.Request, subscription: Subscription) -> bytes:
    """Return the event with the present state. Events from now on are queued meanwhile."""
    context = request.app[CONTEXT]
    subscription.caught_up()
    event_id, findings = context.hub.last_id, findings_now(context)
    status = await status_now(context)
    return await asyncio.to_thread(
        lambda: frame(
            "snapshot", SnapshotEvent(status=status, findings=tuple(map(finding_doc, findings))), event_id
        )
    )


LINES_AT_ONCE = 1_000
"""Lines of a recording that a thread encodes at a time."""

MAX_RECORDINGS = 2
"""Recordings that may be sent at the same time, because each keeps all routes of its moment in memory."""

RECORDINGS = web.AppKey("recordings", asyncio.Semaphore)


async def recording(request: web.Request) -> web.StreamResponse:
    """Send the present state as a recording."""
    parameters(request)
    here, places = is_an_account(party_of(request)), request.app[RECORDINGS]
    if places.locked() and not here:
        raise web.HTTPServiceUnavailable(
            text=f"{MAX_RECORDINGS} clients are taking one already", headers={"Retry-After": "10"}
        )
    # Commands on ermon's machine need no place, so that slow clients elsewhere cannot block them.
    async with nullcontext() if here else places:
        lines = request.app[CONTEXT].hold().recording()
        response = web.StreamResponse(headers=_RECORDING_HEADERS)
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while piece := await asyncio.to_thread(
                lambda: b"".join(b"%b\n" % line for line in islice(lines, LINES_AT_ONCE))
            ):
                if not await _write(request, response, piece):
                    break
        return response


async def _write(request: web.Request, response: web.StreamResponse, data: bytes) -> bool:
    """Write data, and return whether the client accepted it in time."""
    try:
        async with asyncio.timeout(STALLED_SECONDS):
            await response.write(data)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        return False
    return True


async def end_streams(app: web.Application) -> None:
    """End every stream at once, because an open one would keep ermon from stopping."""
    for task in app[STREAMS]:
        task.cancel()
