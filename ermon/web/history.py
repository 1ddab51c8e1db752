"""The history: findings, links and the times at which ermon ran, over the last 24 hours or another stored span."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from aiohttp import web

from ermon.aio.slices import list_in_slices
from ermon.api.answers import TimelineDoc, finding_doc
from ermon.core.runs import RunLog
from ermon.core.timeline import SPAN_SECONDS, KeptTimeline, TimelineView, hour_of, view_of
from ermon.model.findings import Finding
from ermon.model.text import rfc3339
from ermon.web.handling import (
    CONTEXT,
    NOTHING_KEPT,
    WebContext,
    answer,
    moment,
    number,
    parameters,
    refuse,
    success,
)

FINDINGS = 200
"""Findings in one answer by default, more bars than a reader can distinguish."""
MAX_FINDINGS = 2_000
"""Most findings in one answer, which takes some megabytes."""
MAX_DAYS = 7
"""Most days in one answer: 2,000 counts for each link."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


async def timeline(request: web.Request) -> web.Response:
    """Handle the history of the last 24 hours, of a day in UTC, or of any span up to ``MAX_DAYS``: the states of the links,
    the findings that were raised at some time in it, and the periods in which ermon was not running.
    """
    values = parameters(request, "from", "to", "day", "limit")
    context = request.app[CONTEXT]
    now = round(context.clock(), 3)
    start, end = _span(values, now)
    limit = number(values, "limit", FINDINGS, MAX_FINDINGS)
    found, view, held_from = await asyncio.gather(
        findings_between(context, start, end, limit), _links(context, start, end, now), _held_from(context)
    )
    findings, truncated = found
    runs = context.runs
    away, steps = runs.away(start, end, held_from), runs.clock_steps(start, end)
    warnings = [f"only {limit} findings are shown"] if truncated else []
    return answer(
        await asyncio.to_thread(
            lambda: success(
                TimelineDoc(
                    start=start,
                    end=end,
                    times=view.times,
                    links=view.links(),
                    findings=tuple(map(finding_doc, findings)),
                    truncated=truncated,
                    not_running=away,
                    clock_steps=steps,
                    stored=context.past is not NOTHING_KEPT,
                    held_from=held_from,
                ),
                [*warnings, *what_may_be_missing(context)],
            )
        )
    )


# The span --------------------------------------------------------------------------------------------


def _span(values: Mapping[str, str], now: float) -> tuple[float, float]:
    """Return the span of a request: ``day``, or ``from`` and ``to``; if one of those is missing, the span is 24 hours."""
    if "day" in values:
        if "from" in values or "to" in values:
            refuse("parameter 'day' is a whole day; give it, or 'from' and 'to', not both")
        midnight, next_midnight = _day(values["day"])
        _must_have_come("day", values["day"], midnight, now)
        return midnight, min(next_midnight, now)
    start, end = moment(values, "from"), moment(values, "to")
    if start is None:
        end = now if end is None else min(end, now)
        return max(end - SPAN_SECONDS, 0.0), end
    _must_have_come("from", values["from"], start, now)
    if end is None:
        end = start + SPAN_SECONDS
    elif end <= start:
        refuse(f"parameter 'to' is {values['to']!r}, and must be later than 'from'")
    elif (days := (end - start) / 86_400) > MAX_DAYS:
        refuse(
            f"parameter 'to': the range is {days:,.1f} days long, and {MAX_DAYS} are allowed; ask for the rest in another request"
        )
    return start, min(end, now)


def _must_have_come(name: str, text: str, start: float, now: float) -> None:
    if start >= now:
        refuse(f"parameter {name!r}: {text!r} is in the future: ermon's clock says {rfc3339(now)}")


def _day(text: str) -> tuple[float, float]:
    """Return the span of a day in UTC."""
    midnight = _midnight(text)
    if midnight is None:
        refuse(f"parameter 'day': {text[:40]!r} is not a date; write one such as 2026-11-29, from 1970 on")
    return midnight, midnight + 86_400.0


def _midnight(text: str) -> float | None:
    try:
        begins = datetime.fromisoformat(f"{text}T00:00:00+00:00").timestamp()
    except ValueError:
        return None
    return begins if _DAY.fullmatch(text) and begins >= 0 else None


# The data of the span --------------------------------------------------------------------------------


async def findings_between(
    context: WebContext, start: float, end: float, limit: int
) -> tuple[list[Finding], bool]:
    """Return the findings that were raised at some time between two times, and whether there are more than ``limit``.
    Those that are still raised come first; both groups are sorted by time, the latest first.
    """
    found = await context.past.between(start, end, limit + 1)
    raised = [finding for finding in context.monitor().findings() if finding.since <= end]
    cleared = [finding for finding in latest_cleared(context, found, start) if finding.since <= end]
    every = [*reversed(raised), *cleared]
    return every[:limit], len(every) > limit


def latest_cleared(context: WebContext, found: Iterable[Finding], since: float) -> list[Finding]:
    """Return the findings that the store has ``found``, and those that were cleared since a time and are not stored yet; the
    latest first.
    """
    remembered = [finding for finding in context.monitor().cleared if _cleared_at(finding) >= since]
    cleared = {finding.id: finding for finding in (*found, *remembered)}
    return sorted(cleared.values(), key=_cleared_at, reverse=True)


async def find_cleared(context: WebContext, finding_id: str) -> Finding | None:
    """Return a cleared finding from memory or from the store, ``None`` if neither has it."""
    remembered = next((each for each in context.monitor().cleared if each.id == finding_id), None)
    return remembered or await context.past.cleared_finding(finding_id)


def _cleared_at(finding: Finding) -> float:
    return finding.cleared_at or 0.0


def what_may_be_missing(context: WebContext) -> list[str]:
    problem = context.monitor().network.storage_problem()
    return [] if problem is None else [f"cleared findings may be missing: {problem}"]


async def _links(context: WebContext, start: float, end: float, now: float) -> TimelineView:
    if end > now - SPAN_SECONDS:
        context.timeline.sample(context.monitor(), now)  # so that the chart ends now
    if start >= now - SPAN_SECONDS:
        return context.timeline.show(start, end)
    first, last = hour_of(start), hour_of(end)
    hours = await context.past.hours(first, last)
    remembered = range(max(first, hour_of(now - SPAN_SECONDS) + 1), last + 1)
    hours |= {
        hour: part
        for hour, part in await list_in_slices(
            (hour, context.timeline.hour(hour, now)) for hour in remembered
        )
        if part is not None
    }
    parts: list[KeptTimeline] = [hours[hour] for hour in sorted(hours)]
    runs = RunLog(context.runs.runs())
    return await asyncio.to_thread(view_of, parts, runs, start, end)


async def _held_from(context: WebContext) -> float:
    """Return the earliest time with stored data. Data that was removed for space or by age does not count, although ermon
    ran at that time.
    """
    held, began = await context.past.held_from(), context.runs.first()
    if held is None:
        return context.started_at if began is None else began
    if began is not None and hour_of(held) - 1 <= hour_of(began) <= hour_of(held):
        return began  # more precise than the hour of the store
    return min(held, context.started_at)
