"""``ermon status``: how a running daemon sees the network, once, or with ``--watch`` as it changes, until Ctrl-C."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec
from rich.console import Console, RenderableType
from rich.live import Live

from ermon.client.http import Client, Target, UnreachableError
from ermon.model.text import printable
from ermon.terminal.changes import beginning, changes, facts
from ermon.terminal.console import Cropped, make_console, text
from ermon.terminal.overview import overview
from ermon.terminal.picture import Event, Lost, Picture, Told, follow
from ermon.terminal.words import duration, moment, style


async def show_status(target: Target, out: TextIO, *, json: bool, everything: bool) -> bool:
    """Print the state of a daemon, and tell whether nothing is raised; ``UnreachableError`` when none answers.

    With ``json``: one object, ``status`` and ``findings``, each as the API answers it.
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
        for part in overview(picture, console.width, everything=everything):
            console.print(part)
    return not picture.raised()


def as_json(data: object) -> str:
    return msgspec.json.format(msgspec.json.encode(data)).decode() + "\n"


# As it changes -------------------------------------------------------------------------------------------

DRAW_SECONDS = 0.1
"""Between two drawings: a burst of events is one change to the eye."""
AGE_SECONDS = 1.0
"""Ages move that often when nothing else happens."""
COUNTS_SECONDS = 10.0
"""Numbers of prefixes change without an event of their own: they are asked for."""
LIVE_SECONDS = 25.0
"""Older than this, the picture is not called live: ermon says something every 15 s."""


async def watch(target: Target, out: TextIO, *, json: bool, everything: bool) -> None:
    """Follow a daemon without end; ``UnreachableError`` when none answers in the first place.

    On a terminal the picture is drawn anew; elsewhere each change is a line. With ``json``, each event is a line
    ``{"event": KIND, "data": …}``, as the API sends it, and ``{"event": "lost", "data": {"reason": …}}`` when the
    connection is.
    """
    async with Client(target) as client:
        picture = Picture(client.name)
        async with aclosing(follow(client, picture)) as told:
            if json:
                await _write_events(told, out)
                return
            console = make_console(out)
            if console.is_terminal and not console.is_dumb_terminal:
                await anext(told)
                await _Screen(client, picture, console, everything=everything).show(told)
            else:
                await _write_changes(told, picture, console)


async def _write_events(told: AsyncGenerator[Told, None], out: TextIO) -> None:
    async for each in told:
        match each:
            case Event(kind, data, _):
                line: dict[str, Any] = {"event": kind, "data": data}
            case Lost(reason):
                line = {"event": "lost", "data": {"reason": reason}}
            case _:
                continue
        out.write(msgspec.json.encode(line).decode() + "\n")
        out.flush()


async def _write_changes(told: AsyncGenerator[Told, None], picture: Picture, console: Console) -> None:
    """Write like a log: when, and what."""

    def write(line: str) -> None:
        console.file.write(f"{moment(datetime.now(UTC))} {printable(line)}\n")
        console.file.flush()

    before, lost = None, False
    async for each in told:
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
    """The picture on a terminal, with a line that says whether it is live."""

    def __init__(self, client: Client, picture: Picture, console: Console, *, everything: bool) -> None:
        self._client = client
        self._picture = picture
        self._console = console
        self._everything = everything
        self._heard_at = time.monotonic()
        self._lost: str | None = None
        self._changed = asyncio.Event()

    async def show(self, told: AsyncGenerator[Told, None]) -> None:
        with Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as live:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(told))
                tasks.create_task(self._keep_counts())
                await self._draw(live)

    async def _listen(self, told: AsyncGenerator[Told, None]) -> None:
        async for each in told:
            if isinstance(each, Lost):
                self._lost = each.reason
            else:
                self._lost, self._heard_at = None, time.monotonic()
            self._changed.set()

    async def _keep_counts(self) -> None:
        while True:
            await asyncio.sleep(COUNTS_SECONDS)
            before = self._picture.changes
            try:
                status = await self._client.get("status", dict[str, Any])
                # What came meanwhile may be newer than this answer.
                if self._lost is None and self._picture.changes == before:
                    self._picture.take_status(status)
                    self._changed.set()
            except UnreachableError:
                pass  # the line about the connection says how old the picture is

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
        told = f"; {self._lost}" if self._lost else ""
        return text(
            f"▲ Connection to ermon lost. This picture is {duration(age)} old; trying again{told}",
            style("down"),
        )
