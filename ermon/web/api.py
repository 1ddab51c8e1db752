"""Handlers under ``/api/v1``.

They read the state of the network on the event loop, and encode it as JSON on a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from ermon.aio.slices import in_slices, list_in_slices
from ermon.api.answers import (
    AcceptedDoc,
    AcceptRequest,
    CallerDoc,
    CheckDoc,
    CheckGuideDoc,
    CoveredDoc,
    SubjectDoc,
    WindowDoc,
    WindowRequest,
    finding_doc,
)
from ermon.api.schema import make_schema
from ermon.api.status import StatusDoc
from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import Check
from ermon.checks.guide import guide
from ermon.core.accepting import ACCEPTABLE, AcceptError, said_by, wanted_labels
from ermon.core.maintenance import active, places_in_words
from ermon.core.maintenance_book import BookedWindow, WindowError
from ermon.core.status import Collected, network_status
from ermon.core.timeline import SPAN_SECONDS
from ermon.httpd.access import caller_of, how_to_change, may_change, require_changes_allowed
from ermon.model.findings import Finding
from ermon.model.inventory import Config
from ermon.model.prefixes import Prefix, parse_address, parse_prefix
from ermon.model.settings import WINDOW_SCOPES, MaintenanceWindow
from ermon.model.text import parse_timestamp, rfc3339
from ermon.rules.findings import severity
from ermon.web.handling import CONTEXT, WebContext, answer, choice, moment, parameters, refuse, success
from ermon.web.history import latest_cleared, what_may_be_missing
from ermon.web.routes import MATCHES, find_difference, find_routes

MAX_HISTORY = 2_000
"""Cleared findings in one answer, which takes some megabytes."""


async def status(request: web.Request) -> web.Response:
    """Handle the status: everything that is configured, with its state."""
    parameters(request)
    status = await status_now(request.app[CONTEXT])
    return await _show(lambda: status)


async def findings(request: web.Request) -> web.Response:
    """Handle findings: the raised ones, then the cleared ones, the latest first. Without ``since`` these are the recent
    ones, with it all that were cleared at that time or later.
    """
    values = parameters(request, "state", "since")
    state = choice(values, "state", ("raised", "cleared"))
    context = request.app[CONTEXT]
    if "since" not in values:
        found = findings_now(context, state)
        return await _show(lambda: [finding_doc(each) for each in found])
    return await _findings_since(context, state, moment(values, "since") or 0.0)


async def _findings_since(context: WebContext, state: str | None, since: float) -> web.Response:
    raised = context.monitor().findings() if state != "cleared" else []
    cleared, warnings = await _cleared_since(context, since, MAX_HISTORY) if state != "raised" else ([], [])
    shown = (*raised, *cleared)
    return answer(await asyncio.to_thread(lambda: success([finding_doc(f) for f in shown], warnings)))


async def _cleared_since(context: WebContext, since: float, limit: int) -> tuple[list[Finding], list[str]]:
    """Return the findings that were cleared since a time, the latest first, and warnings about missing ones."""
    found = await context.past.history(since, limit + 1)
    latest = latest_cleared(context, found, since)
    warnings = []
    if len(latest) > limit:
        warnings.append(f"only the {limit} findings that were cleared last are shown")
    return latest[:limit], [*warnings, *what_may_be_missing(context)]


async def statuses(request: web.Request) -> web.Response:
    """Handle the statuses of every check and subject, sorted by check and labels, as ``ermon replay`` prints them."""
    parameters(request)
    monitor = request.app[CONTEXT].monitor()
    found = await list_in_slices(
        (alarm, alarm.status, monitor.suppressed_because(alarm)) for alarm in monitor.statuses()
    )
    return await _show(
        lambda: [
            SubjectDoc(
                check=alarm.subject.check, labels=alarm.labels, status=status, suppressed_because=because
            )
            for alarm, status, because in found
        ]
    )


async def routes(request: web.Request) -> web.Response:
    """Handle the routes for a prefix, inside it, or covering it."""
    values = parameters(request, "prefix", "feed", "match")
    match = choice(values, "match", MATCHES) or "exact"
    prefix = _prefix(values.get("prefix"))
    monitor = request.app[CONTEXT].monitor()
    feed = values.get("feed")
    if feed is not None and feed not in monitor.config.feeds:
        raise web.HTTPNotFound(text=f"there is no feed {feed!r}")
    return await _show(find_routes(monitor, prefix, match, feed))


async def difference(request: web.Request) -> web.Response:
    """Handle the prefixes that one link of a circuit receives and another does not."""
    parameters(request)
    monitor = request.app[CONTEXT].monitor()
    name, circuits = request.match_info["circuit"], monitor.config.circuits
    if name not in circuits:
        raise web.HTTPNotFound(text=f"there is no circuit {name!r}; there are {', '.join(circuits)}")
    return await _show(await find_difference(monitor, circuits[name]))


async def schema(request: web.Request) -> web.Response:
    """Handle the JSON Schema of all answers."""
    parameters(request)
    return await _show(make_schema)


async def status_now(context: WebContext) -> StatusDoc:
    collected = Collected(context.monitor())
    await in_slices(collected.steps())
    return status_of(context, collected)


def status_of(context: WebContext, collected: Collected) -> StatusDoc:
    """Make the status from what was collected."""
    now = context.clock()
    return network_status(
        context.monitor(),
        collected,
        version=context.version,
        started_at=context.started_at,
        now=now,
        unconfined=context.telemetry.unconfined,
        clock_steps=context.runs.clock_steps(now - SPAN_SECONDS, now),
    )


def findings_now(context: WebContext, state: str | None = None) -> list[Finding]:
    """Return the findings in memory; ``state`` is ``raised``, ``cleared``, or ``None`` for both."""
    monitor = context.monitor()
    raised = monitor.findings() if state != "cleared" else []
    cleared = list(monitor.cleared) if state != "raised" else []
    return [*raised, *cleared]


async def _show(render: Callable[[], Any]) -> web.Response:
    """Answer with the result of ``render``, which runs on a thread."""
    return answer(await asyncio.to_thread(lambda: success(render())))


def _prefix(text: str | None) -> Prefix:
    """Parse a prefix; an address without a length is its host prefix."""
    if text is None:
        refuse("parameter 'prefix' is missing; give one such as 198.51.100.0/28 or 2001:db8::1")
    try:
        return parse_prefix(text) if "/" in text else parse_address(text).prefix
    except ValueError as error:
        refuse(f"parameter 'prefix': {error}")


# Checks with their guides, in the words of ``ermon explain`` -------------------------------


async def checks(request: web.Request) -> web.Response:
    """Handle the list of checks in the order of the catalogue, with their configured severities."""
    parameters(request)
    config = request.app[CONTEXT].monitor().config
    return answer(success([CheckDoc(**_heading(config, check)) for check in CATALOGUE.values()]))


async def check(request: web.Request) -> web.Response:
    """Handle one check: what it means, what it needs, and what to do."""
    parameters(request)
    name, config = request.match_info["check"], request.app[CONTEXT].monitor().config
    if name not in CATALOGUE:
        raise web.HTTPNotFound(text=f"there is no check {name!r}; /api/v1/checks lists all")
    found = guide(name).plain()
    return answer(
        success(
            CheckGuideDoc(
                **_heading(config, CATALOGUE[name]),
                meaning=found.meaning,
                needs=found.needs,
                action=found.steps,
                placeholders=found.placeholders,
                source=found.source,
            )
        )
    )


def _heading(config: Config, check: Check) -> dict[str, Any]:
    return {
        "check": check.name,
        "title": guide(check.name).title,
        "severity": severity(config, check),
        "section": check.section,
    }


# Maintenance windows: every user may read them, and only users with that right may change them


async def windows(request: web.Request) -> web.Response:
    """Handle the list of windows: those of the configuration, and those that were added at run time."""
    parameters(request)
    context = request.app[CONTEXT]
    now = context.clock()
    listed = [_window(window, now) for window in context.monitor().config.maintenance]
    listed += [_window(booked.window, now, booked) for booked in context.maintenance.windows()]
    return answer(success(sorted(listed, key=lambda window: window.starts)))


async def caller(request: web.Request) -> web.Response:
    """Handle the question who the caller is and what they may do. The page shows its buttons accordingly; ermon checks
    the right again with every change.
    """
    parameters(request)
    asking, allowed = caller_of(request), may_change(request)
    return answer(
        success(
            CallerDoc(
                name=await asking.name() if asking.known else None,
                may_change=allowed,
                how="" if allowed else how_to_change(request),
                acceptable=ACCEPTABLE,
            )
        )
    )


async def preview_window(request: web.Request) -> web.Response:
    """Handle a preview of what a window would suppress. It changes nothing, so the right to read is enough."""
    context = request.app[CONTEXT]
    now, monitor = _now(context), context.monitor()
    proposed = await _proposed(request, now, "")
    covered = monitor.covered_by(proposed.window)
    raised = [monitor.finding(alarm).summary for alarm in covered if alarm.raised]
    return answer(
        success(
            CoveredDoc(
                window=_window(proposed.window, now, proposed),
                places=tuple(places_in_words(monitor.config, proposed.window)),
                checks=tuple(dict.fromkeys(alarm.subject.check for alarm in covered)),
                subjects=len(covered),
                raised=tuple(raised),
            )
        )
    )


async def add_window(request: web.Request) -> web.Response:
    by = await require_changes_allowed(request)
    context = request.app[CONTEXT]
    now = _now(context)
    proposed = await _proposed(request, now, by)
    response = answer(success(_window(proposed.window, now, proposed)), 201)
    context.maintenance.book(proposed)
    return await _in_force(context, response)


async def _proposed(request: web.Request, now: float, by: str) -> BookedWindow:
    """Return the window that a request describes, as it would be booked."""
    context = request.app[CONTEXT]
    try:
        wanted = msgspec.json.decode(await request.read(), type=WindowRequest)
    except msgspec.MsgspecError as error:
        refuse(f"the body is not a maintenance window: {error}")
    starts = datetime.fromtimestamp(now, UTC) if wanted.starts is None else _moment("from", wanted.starts)
    window = MaintenanceWindow(
        starts,
        _moment("to", wanted.ends),
        wanted.reason,
        **{scope: getattr(wanted, scope) for scope in WINDOW_SCOPES},
        link=wanted.link,
    )
    try:
        return context.maintenance.propose(window, context.monitor().config, now, by)
    except WindowError as error:
        refuse(str(error))


async def end_window(request: web.Request) -> web.Response:
    await require_changes_allowed(request)
    context = request.app[CONTEXT]
    now = _now(context)
    window_id = request.match_info["id"]
    try:
        booked = context.maintenance.end(window_id, now)
    except KeyError:
        raise web.HTTPNotFound(
            text=f"there is no window {window_id!r} that was added at run time; windows from the configuration file can only be ended there"
        ) from None
    return await _in_force(context, answer(success(_window(booked.window, now, booked))))


def _now(context: WebContext) -> float:
    """Return the time, rounded down to the precision of a ``datetime``, so that a window that begins or ends now does not
    do so a moment later.
    """
    return round(context.clock(), 6)


def _moment(name: str, text: str) -> datetime:
    try:
        return parse_timestamp(text)
    except ValueError as error:
        refuse(f"{name}: {error}")


async def _in_force(context: WebContext, response: web.Response) -> web.Response:
    """Return the response when the windows are in force and stored."""
    context.maintenance_changed()
    await context.maintenance.saved()
    return response


def _window(window: MaintenanceWindow, now: float, booked: BookedWindow | None = None) -> WindowDoc:
    """Describe a window; ``booked`` is ``None`` for one of the configuration."""
    return WindowDoc(
        id=None if booked is None else booked.id,
        origin="configuration" if booked is None else "run time",
        **{scope: getattr(window, scope) for scope in WINDOW_SCOPES},
        link=window.link,
        starts=rfc3339(window.starts.timestamp()),
        ends=rfc3339(window.ends.timestamp()),
        reason=window.reason,
        by="" if booked is None else booked.by,
        active=active(window, now),
    )


async def accept(request: web.Request) -> web.Response:
    """Handle an acceptance: the present state counts as usual. The answer has the subjects with their new statuses."""
    by = await require_changes_allowed(request)
    context = request.app[CONTEXT]
    try:
        wanted = msgspec.json.decode(await request.read(), type=AcceptRequest)
    except msgspec.MsgspecError as error:
        refuse(f"the body is not a valid request: {error}")
    monitor = context.monitor()
    try:
        labels = wanted_labels(
            monitor.config,
            wanted.check,
            circuit=wanted.circuit,
            link=wanted.link,
            service=wanted.service,
            source=wanted.source,
        )
        because = said_by(by, wanted.reason)
    except AcceptError as error:
        refuse(str(error))
    alarms = monitor.acceptable(wanted.check, dict(labels))
    if not alarms:
        about = ", ".join(f"{name} {value}" for name, value in labels)
        refuse(f"{wanted.check} of {about} is not violated at present, so there is nothing to accept")
    await context.accept(wanted.check, labels, because)
    statuses = {alarm.key: alarm.status for alarm in context.monitor().statuses()}
    return answer(
        success(
            tuple(
                AcceptedDoc(
                    check=wanted.check,
                    labels=alarm.labels,
                    by=by,
                    because=because,
                    status=statuses.get(alarm.key, alarm.status),  # a reload may have removed it
                )
                for alarm in alarms
            )
        )
    )
