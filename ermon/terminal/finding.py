"""``ermon explain ID``: one finding of a running daemon, with its guide, whose commands are filled in."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any, TextIO

from ermon.api.answers import CommandsDoc, FindingDoc, OneFindingDoc
from ermon.client.http import Client, read
from ermon.client.target import Target
from ermon.commands import CAPITALS
from ermon.model.zones import clock, moment
from ermon.terminal.display import instant, mark_of, severity_of
from ermon.terminal.status import as_json

_WIDTH = 96


async def show_finding(target: Target, finding_id: str, out: TextIO, *, json: bool) -> bool:
    """Print the finding, and return whether it is cleared. Raises ``UnreachableError`` if no daemon answers, or if the
    daemon does not know the finding.
    """
    async with Client(target) as client:
        answer = await client.get(f"findings/{finding_id}", dict[str, Any])
        found = read(answer, OneFindingDoc, client.name)
    out.write(as_json(answer) if json else "\n".join(_lines(found)) + "\n")
    return found.finding.state == "cleared"


def _lines(found: OneFindingDoc) -> Iterator[str]:
    finding = found.finding
    yield f"{finding.check}: {finding.summary}"
    yield f"{mark_of(finding)} {severity_of(finding)}, {_course(finding)}"
    if finding.ok_since is not None:
        yield _gone(finding.ok_since, finding.clears_at)
    for sentence in found.unknown:
        yield f"◆ {sentence}"
    yield ""
    yield "What it means"
    yield from _wrapped(found.meaning, "  ", "  ")
    yield ""
    yield "What to do"
    steps = list(_steps(found))
    yield from steps
    left = {word for line in steps for word in CAPITALS.findall(line)}
    if told := [f"  {word}: {meaning}" for word, meaning in found.placeholders.items() if word in left]:
        yield ""
        yield "To be replaced: ermon does not know them"
        yield from told
    if hints := _hints(found):
        yield ""
    for hint in hints:
        yield from _wrapped(hint, "", "  ")
    if found.also:
        yield ""
        yield "Other findings of that time"
        yield from (
            f"  {other.id}  {mark_of(other)} {severity_of(other)}: {other.summary}" for other in found.also
        )


def _steps(found: OneFindingDoc) -> Iterator[str]:
    for number, step in enumerate(found.steps, start=1):
        begin = f"  {number}. "
        for part in step:
            yield from _wrapped(part.text, begin, "     ")
            begin = "     "
            for commands in part.commands:
                yield from _commands(commands, found)


def _course(finding: FindingDoc) -> str:
    if finding.ok_since is not None:
        return f"from {_moment(finding.since)} to {_moment(finding.ok_since)}"
    if finding.cleared_at is None:
        return f"since {_moment(finding.since)}"
    return f"from {_moment(finding.since)} to {_moment(finding.ended_at or finding.cleared_at)}"


def _gone(since: str, clears_at: str | None) -> str:
    """Return since when the violation is gone, and when the finding will be cleared, in words."""
    gone = instant(since)
    if clears_at is None:
        return f"Gone since {clock(gone, gone)}."
    clears = instant(clears_at)
    return f"Gone since {clock(gone, clears)}; clears at {clock(clears, gone)} if it stays gone."


def _moment(time: str) -> str:
    return moment(instant(time))


def _commands(commands: CommandsDoc, found: OneFindingDoc) -> Iterator[str]:
    """Yield the command of the router's platform, or those of all platforms if its platform is not configured."""
    known, platform = commands.commands, commands.platform
    own = known if platform is None else {platform: known.get(platform)}
    for name, blocks in own.items():
        title = found.platforms.get(name, name)
        yield f"     [{', '.join(filter(None, (commands.where, title)))}]"
        if blocks is None:
            yield f"     ermon knows no command for {title} here."
        for block in blocks or ():
            if block.heading:
                yield from _wrapped(f"{block.heading}:", "     ", "     ")
            # Not wrapped, so that it can be copied from the terminal as it is.
            yield from (f"       {line}" for line in block.lines)


def _hints(found: OneFindingDoc) -> list[str]:
    """Return how to configure the platforms that are missing, each router once."""
    asked = (commands for step in found.steps for part in step for commands in part.commands)
    return sorted({each.hint.replace("`", "") for each in asked if each.hint})


def _wrapped(text: str, first: str, others: str) -> Iterator[str]:
    yield from textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
