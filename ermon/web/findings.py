"""One finding, raised or past: its page, and the data for the page.

The page is a static file that asks the API, as the status page does. If there is no such finding, its status is 404, so
that an old link fails visibly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from aiohttp import web

from ermon.api.answers import BlockDoc, CommandsDoc, OneFindingDoc, PartDoc, finding_doc
from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import alert_name
from ermon.checks.guide import guide, words_in
from ermon.commands import TITLES
from ermon.commands.blocks import blocks
from ermon.commands.fill import Commands, Step, commands_of, fill
from ermon.model.findings import Finding
from ermon.model.inventory import Config
from ermon.web.api import findings_now
from ermon.web.handling import CONTEXT, WebContext, answer, parameters, success
from ermon.web.history import find_cleared, findings_between
from ermon.web.pages import FILES

PAGE = "finding.html"

MAX_ALSO = 50
"""Limit of other findings of the same time, more than a reader needs."""


async def page(request: web.Request) -> web.Response:
    """Handle the page of one finding."""
    await _found(request)
    return request.app[FILES][PAGE].answer(request)


async def finding(request: web.Request) -> web.Response:
    """Handle one finding, with its steps and the other findings of that time."""
    parameters(request)
    context = request.app[CONTEXT]
    found = await _found(request)
    also, complete = await _also(context, found)
    config = context.monitor().config
    unknown = tuple(_unknown(context, config, found, complete=complete))
    return answer(await asyncio.to_thread(lambda: success(_document(config, found, also, unknown))))


async def _found(request: web.Request) -> Finding:
    context, wanted = request.app[CONTEXT], request.match_info["id"]
    raised = next((each for each in findings_now(context, "raised") if each.id == wanted), None)
    found = raised or await find_cleared(context, wanted)
    if found is None:
        raise web.HTTPNotFound(
            text=f"there is no finding {wanted!r}: the link is wrong, or the finding was cleared longer ago than "
            "--storage.retention, or it could not be stored\n"
        )
    return found


async def _also(context: WebContext, found: Finding) -> tuple[list[Finding], bool]:
    """Return the other findings that overlap a finding in time, in the order of their beginning, and whether these are
    all.
    """
    until = found.ended_at or found.cleared_at or context.clock()
    beside, truncated = await findings_between(context, found.since, until, MAX_ALSO + 1)
    same_time = [
        each
        for each in beside
        if each.id != found.id and (each.ended_at or each.cleared_at or until) >= found.since
    ]
    same_time.sort(key=lambda each: (each.since, each.check, sorted(each.labels.items())))
    return same_time, not truncated


def _unknown(context: WebContext, config: Config, found: Finding, *, complete: bool) -> Iterable[str]:
    """Yield sentences about what ermon does not know about a finding, or not any more."""
    if found.stale:
        yield "It may be over: ermon cannot see it at present."
    named, total = found.evidence.get("prefixes"), found.evidence.get("prefixes_total")
    if isinstance(named, list | tuple) and isinstance(total, int) and total > len(named):
        yield f"The evidence names {len(named)} of {total} prefixes: commands about prefixes are about those."
    if found.cleared_at is not None:
        yield "The evidence is the last that ermon saw. The routes of that time are not kept."
        yield "The commands are filled in from the present configuration."
    if gone := _gone(config, found):
        yield f"The configuration has no {' and no '.join(gone)} any more: commands for it cannot be filled in."
    if not complete:
        yield "There were more findings at that time than are shown here."
    if (problem := context.monitor().network.storage_problem()) is not None:
        yield f"Other findings of that time may be missing: {problem}."


def _gone(config: Config, found: Finding) -> list[str]:
    """Return the things that the finding names and the configuration no longer has."""
    known: dict[str, Iterable[str]] = {
        "circuit": config.circuits,
        "feed": (*config.feeds, *config.elsewhere),
        "pool": config.pools,
        "segment": config.segments,
    }
    return [
        f"{label} {found.labels[label]}"
        for label, names in known.items()
        if found.labels.get(label, "") and found.labels[label] not in names
    ]


def _document(
    config: Config, found: Finding, also: Iterable[Finding], unknown: tuple[str, ...]
) -> OneFindingDoc:
    told: dict[str, Any] = {"title": found.check, "meaning": "", "steps": ()}
    words: dict[str, str] = {}
    if found.check in CATALOGUE:  # an older ermon may have had other checks
        read = guide(found.check).plain()
        steps = fill(read.pieces, config, found)
        told = {"title": read.title, "meaning": read.meaning, "steps": tuple(map(_step, steps))}
        words = words_in(commands_of(steps))
    return OneFindingDoc(
        finding=finding_doc(found),
        **told,
        placeholders=words,
        platforms=dict(TITLES),
        also=tuple(map(finding_doc, also)),
        silences=tuple(_silence(url, found) for url in config.alertmanager.urls),
        unknown=unknown,
    )


def _step(step: Step) -> tuple[PartDoc, ...]:
    return tuple(PartDoc(text=part.text, commands=tuple(map(_commands, part.commands))) for part in step)


def _commands(commands: Commands) -> CommandsDoc:
    return CommandsDoc(
        where=commands.where,
        platform=commands.platform,
        commands={platform: _blocks(text) for platform, text in commands.by_platform.items()},
        hint=commands.hint,
    )


def _blocks(text: str) -> tuple[BlockDoc, ...]:
    return tuple(BlockDoc(heading=block.heading, lines=block.lines) for block in blocks(text))


def _silence(url: str, found: Finding) -> str:
    """Return the URL of an Alertmanager's form for a silence of this finding.

    The severity is left out, because the silence should remain when a reload changes it. Values are quoted as in matchers.
    """
    labels = {"alertname": alert_name(found.check), **{k: v for k, v in found.labels.items() if v}}
    matchers = ",".join(f"{name}={_quoted(value)}" for name, value in labels.items())
    return f"{url.rstrip('/')}/#/silences/new?filter={quote(f'{{{matchers}}}', safe='')}"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
