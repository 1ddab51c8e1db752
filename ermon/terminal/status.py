"""``ermon status``: the network as a running daemon sees it, once, or with ``--watch`` continuously until Ctrl-C."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple, TextIO

import msgspec
from rich.console import Console, RenderableType
from rich.live import Live

from ermon.api.answers import FindingDoc
from ermon.api.status import ClockStepDoc, FeedOverall, HeadlineDoc, HeadlineKind, PoolDoc
from ermon.client.http import Client
from ermon.client.target import Target, UnreachableError
from ermon.model.settings import Severity
from ermon.model.text import printable
from ermon.model.zones import moment
from ermon.terminal.display import (
    Cropped,
    duration,
    evidence,
    family_name,
    headline_line,
    instant,
    labels,
    make_console,
    mark,
    mark_of,
    print_parts,
    severity_of,
    style,
    text,
)
from ermon.terminal.overview import overview
from ermon.terminal.picture import Event, Lost, News, Picture, follow

WELL, RAISED, NOT_WELL = 0, 1, 4
"""The exit codes of ``ermon status``: all is well; a finding is raised, or recovering; none is, but not all is well.
Findings of severity info do not count.
"""


async def show_status(target: Target, out: TextIO, *, json: bool, everything: bool) -> int:
    """Print the state of a daemon, and return the exit code; raises ``UnreachableError`` if no daemon answers.

    With ``json``, print one object with ``status`` and ``findings``, each as the API returns it.
    """
    async with Client(target) as client:
        status = await client.get("status", dict[str, Any])
        findings = await client.get("findings", list[Any])
        picture = Picture(client.name)
    picture.take_all(status, findings)
    if json:
        out.write(as_json({"status": status, "findings": findings}))
    else:
        console = make_console(out)
        print_parts(console, overview(picture, console.width, everything=everything))
    if any(finding.severity != Severity.INFO for finding in picture.raised()):
        return RAISED
    return WELL if picture.status.headline.kind == HeadlineKind.WELL else NOT_WELL


def as_json(data: object) -> str:
    return msgspec.json.format(msgspec.json.encode(data)).decode() + "\n"


# As it changes -------------------------------------------------------------------------------------------

DRAW_SECONDS = 0.1
"""The shortest interval between two drawings, so that a burst of events is drawn once."""
AGE_SECONDS = 1.0
"""The interval at which durations are updated when nothing else happens."""
COUNTS_SECONDS = 10.0
"""The interval at which the status is requested, because numbers of prefixes and marks of findings change without an
event.
"""
MARKS_SECONDS = 0.5
"""The delay of a further request after a new headline, because other values change with it."""
LIVE_SECONDS = 25.0
"""The age up to which the picture counts as live; ermon sends something every 15 s."""


async def watch(target: Target, out: TextIO, *, json: bool, everything: bool) -> None:
    """Follow a daemon until cancelled; raises ``UnreachableError`` if the first connection fails.

    On a terminal the overview is redrawn; elsewhere each change is a line. With ``json``, each event is a line
    ``{"event": KIND, "data": …}``, as the API sends it, and a lost connection is
    ``{"event": "lost", "data": {"reason": …}}``.
    """
    async with Client(target) as client:
        picture = Picture(client.name)
        async with aclosing(follow(client, picture)) as news:
            if json:
                await _write_events(news, out)
                return
            console = make_console(out)
            if console.is_terminal and not console.is_dumb_terminal:
                await anext(news)
                await _Screen(client, picture, console, everything=everything).show(news)
            else:
                await _write_changes(news, picture, console)


async def _write_events(news: AsyncGenerator[News, None], out: TextIO) -> None:
    async for each in news:
        match each:
            case Event(kind, data, _):
                line: dict[str, Any] = {"event": kind, "data": data}
            case Lost(reason):
                line = {"event": "lost", "data": {"reason": reason}}
            case _:
                continue
        out.write(msgspec.json.encode(line).decode() + "\n")
        out.flush()


async def _write_changes(news: AsyncGenerator[News, None], picture: Picture, console: Console) -> None:
    """Write each change as a line with its time, like a log."""

    def write(line: str) -> None:
        console.file.write(f"{moment(datetime.now(UTC))} {printable(line)}\n")
        console.file.flush()

    before, lost = None, False
    async for each in news:
        if isinstance(each, Lost):
            if not lost:
                write(f"▲ connection lost: {each.reason}; trying again")
            lost = True
            continue
        if lost:
            write("● connected again")
            lost = False
        if isinstance(each, Event):
            now = facts(picture)
            for line in beginning(now) if before is None else changes(before, now):
                write(line)
            before = now


class _Screen:
    """The overview on a terminal, with a line that says whether it is live."""

    def __init__(self, client: Client, picture: Picture, console: Console, *, everything: bool) -> None:
        self._client = client
        self._picture = picture
        self._console = console
        self._everything = everything
        self._heard_at = time.monotonic()
        self._lost: str | None = None
        self._changed = asyncio.Event()
        self._marks = asyncio.Event()
        """Set when the status must be requested: recovering findings and windows cause no event."""

    async def show(self, news: AsyncGenerator[News, None]) -> None:
        with Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as live:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(news))
                tasks.create_task(self._keep_counts())
                await self._draw(live)

    async def _listen(self, news: AsyncGenerator[News, None]) -> None:
        async for each in news:
            if isinstance(each, Lost):
                self._lost = each.reason
            else:
                self._lost, self._heard_at = None, time.monotonic()
                if isinstance(each, Event) and each.kind == "headline":
                    self._marks.set()
            self._changed.set()

    async def _keep_counts(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(COUNTS_SECONDS):
                    await self._marks.wait()
                    await asyncio.sleep(MARKS_SECONDS)
            self._marks.clear()
            before = self._picture.changes
            try:
                status = await self._client.get("status", dict[str, Any])
                findings = await self._client.get("findings", list[Any])
                # Events that arrived meanwhile may be newer than this answer.
                if self._lost is None and self._picture.changes == before:
                    self._picture.take_all(status, findings)
                    self._changed.set()
            except UnreachableError:
                pass  # the line about the connection shows the age of the overview

    async def _draw(self, live: Live) -> None:
        while True:
            self._changed.clear()
            parts = overview(self._picture, self._console.width, everything=self._everything)
            live.update(Cropped(self._connection(), *parts), refresh=True)
            await asyncio.sleep(DRAW_SECONDS)
            try:
                async with asyncio.timeout(AGE_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                pass

    def _connection(self) -> RenderableType:
        age = time.monotonic() - self._heard_at
        if self._lost is None and age < LIVE_SECONDS:
            return text(f"● Live, {moment(self._picture.now())}; Ctrl-C ends", "dim")
        reason = f"; {self._lost}" if self._lost else ""
        return text(
            f"▲ Connection to ermon lost. This picture is {duration(age)} old; trying again{reason}",
            style("down"),
        )


# Changes between two moments, a line each: for a log instead of a terminal --------------------------


class Facts(NamedTuple):
    """Everything that lines are written about, at one moment."""

    headline: HeadlineDoc
    findings: dict[str, FindingDoc]
    raised: list[FindingDoc]
    """The raised findings, the worst first."""
    states: dict[str, str]
    """The state of each place, both in words."""
    clock_steps: tuple[ClockStepDoc, ...] = ()


def facts(picture: Picture) -> Facts:
    return Facts(
        picture.status.headline,
        dict(picture.findings),
        picture.raised(),
        dict(_states(picture)),
        picture.status.clock_steps,
    )


def beginning(now: Facts) -> Iterator[str]:
    """Yield the lines for the state at the beginning."""
    yield headline_line(now.headline)
    for finding in now.raised:
        yield _raised(finding)


def changes(before: Facts, now: Facts) -> Iterator[str]:
    for step in now.clock_steps:
        if step not in before.clock_steps:
            yield f"○ {step.text}"
    for finding in now.findings.values():
        earlier = before.findings.get(finding.id)
        if earlier is None or earlier.state != finding.state:
            yield _raised(finding) if finding.state == "raised" else _cleared(finding)
    for earlier in before.findings.values():
        if earlier.state == "raised" and earlier.id not in now.findings:
            yield f"○ gone: {earlier.check}: {earlier.summary} ({labels(earlier.labels)}); ermon knows it no longer"
    for what, state in now.states.items():
        was = before.states.get(what)
        if was is not None and was != state:
            yield f"{mark(state.partition(':')[0])} {what}: {was} → {state}"
    if (now.headline.kind, now.headline.text) != (before.headline.kind, before.headline.text):
        yield headline_line(now.headline)


def _raised(finding: FindingDoc) -> str:
    proof = evidence(finding.evidence, finding.labels)
    return (
        f"{mark_of(finding)} {'raised: ' if finding.ok_since is None else ''}{severity_of(finding)} {finding.check}: {finding.summary} "
        f"({labels(finding.labels)}){'; ' if proof else ''}{proof}"
    )


def _cleared(finding: FindingDoc) -> str:
    ended = finding.ended_at or finding.cleared_at or finding.since
    return (
        f"● cleared: {finding.check}: {finding.summary} ({labels(finding.labels)}), "
        f"lasted {duration(instant(ended) - instant(finding.since))}"
    )


def _states(picture: Picture) -> Iterator[tuple[str, str]]:
    status = picture.status
    for name, circuit in status.circuits.items():
        for link_name, link in circuit.links.items():
            for family, shown in link.shown.items():
                yield f"link {name} {link_name} {family_name(family)}", shown
    for name, feed in status.feeds.items():
        if feed.overall == FeedOverall.ABSENT:
            continue
        reason = f": {feed.down_reason}" if feed.down_reason and (feed.state != "up" or feed.by_bmp) else ""
        reason = ", waited for" if feed.waiting_until is not None else reason
        yield f"feed {name}", f"{feed.state}{reason}"
    for name, pool in status.pools.items():
        yield from _pool_states(name, pool)


def _pool_states(name: str, pool: PoolDoc) -> Iterator[tuple[str, str]]:
    for family, circuits in pool.advertised.items():
        for circuit_name, links in circuits.items():
            for link_name, answer in links.items():
                yield f"pool {name} on {circuit_name} {link_name} {family_name(family)}", answer
    for family, feeds in pool.on_internet.items():
        for feed_name, answer in feeds.items():
            yield f"pool {name} on the internet at {feed_name} {family_name(family)}", answer
