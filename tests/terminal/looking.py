"""Shows a story's ermon as its users see it: over its web, with the command line."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp.test_utils import TestServer

from ermon.api.answers import SnapshotEvent, finding_doc
from ermon.cli import run
from ermon.core.status import collect
from ermon.terminal.picture import Picture
from ermon.web.api import findings_now, status_of
from ermon.web.app import make_app
from tests.story import Story
from tests.web.site import Site

URL = "http://127.0.0.1:10179"


@dataclass(frozen=True)
class Seen:
    """The output of a command."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def first(self) -> str:
        """The whole headline, however narrow the terminal is."""
        return " ".join(self.out.partition("\n\n")[0].split())

    @property
    def data(self) -> Any:
        return json.loads(self.out)

    def section(self, title: str) -> str:
        """The text under a title, with spaces and lines joined."""
        _, _, below = self.out.partition(f"\n{title}\n")
        assert below, f"there is no {title!r} in:\n{self.out}"
        return " ".join(below.partition("\n\n")[0].split())


async def look_at(url: str, *arguments: str) -> Seen:
    """Run a command as a separate process would: on another thread, with its own event loop."""
    command, *others = arguments
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = await asyncio.to_thread(run, [command, "--url", url, *others])
    return Seen(code, out.getvalue(), err.getvalue())


async def look(net: Story, *arguments: str) -> Seen:
    async with TestServer(make_app(Site(net).context())) as server:
        return await look_at(str(server.make_url("/")), *arguments)


def snapshot_of(net: Story) -> dict[str, Any]:
    """Return the daemon's present answers as JSON values; a test may change them."""
    context = Site(net).context()
    findings = tuple(map(finding_doc, findings_now(context)))
    event = SnapshotEvent(status=status_of(context, collect(context.monitor())), findings=findings)
    copy: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(event))
    return copy


def picture_of(snapshot: dict[str, Any]) -> Picture:
    picture = Picture(URL, clock=lambda: 0.0)
    picture.take("snapshot", snapshot)
    return picture
