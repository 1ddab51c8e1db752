"""How the terminal shows states, times and evidence, and what it knows of the terminal itself.

The shapes and words for states are those of the status page.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import IO, Any, TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from ermon.api.answers import FindingDoc
from ermon.api.status import HeadlineDoc
from ermon.client.target import UnreachableError
from ermon.model.prefixes import FAMILY_NAMES
from ermon.model.text import duration_text, printable

MARKS = {
    "up": "●",
    "down": "▲",
    "unknown": "◆",
    "draining": "▼",
    "yes": "●",
    "no": "○",
    "well": "●",
    "wrong": "▲",
    "unseen": "◆",
    "noticed": "▲",
    "recovering": "○",
    "maintenance": "▼",
}
"""A shape for each state and each kind of headline, for readers who cannot see the colour."""
STYLES = {
    "up": "green",
    "down": "bold red",
    "unknown": "yellow",
    "draining": "cyan",
    "critical": "bold red",
    "warning": "yellow",
    "info": "cyan",
    "well": "bold green",
    "wrong": "bold red",
    "unseen": "bold yellow",
    "noticed": "bold yellow",
    "recovering": "bold yellow",
    "maintenance": "bold blue",
}
MAX_VALUES = 3
"""Values of one list in a line of evidence; `--json` and the page show all of them."""


def mark(state: str) -> str:
    return MARKS.get(state, MARKS["unknown"])


def mark_of(finding: FindingDoc) -> str:
    """Return the shape for the state of a finding."""
    if finding.state != "raised":
        return MARKS["up"]
    if finding.ok_since is not None:
        return MARKS["recovering"]
    return MARKS["no"] if finding.severity == "info" else MARKS["wrong"]


def severity_of(finding: FindingDoc) -> str:
    """Return the severity of a finding, with its state unless it is just raised: ``recovering (warning)``."""
    if finding.state != "raised":
        return f"cleared ({finding.severity})"
    return finding.severity if finding.ok_since is None else f"recovering ({finding.severity})"


def style(state: str) -> str:
    return STYLES.get(state, STYLES["unknown"])


def family_name(family: str) -> str:
    return FAMILY_NAMES.get(family, family)


def duration(span: timedelta | float) -> str:
    """Return a span, or seconds, as text in the two largest units: ``1 min 15 s``."""
    return duration_text(span.total_seconds() if isinstance(span, timedelta) else span)


def instant(time: str) -> datetime:
    """Parse a time of the API."""
    try:
        return datetime.fromisoformat(time)
    except ValueError:
        raise UnreachableError(f"{time!r} is not a time. Is that an ermon?") from None


def headline_line(headline: HeadlineDoc) -> str:
    """Return the headline as one line."""
    about = f" {headline.about}" if headline.about else ""
    return f"{mark(headline.kind)} {headline.text}.{about}"


def plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def labels(values: Mapping[str, str]) -> str:
    return ", ".join(
        family_name(value) if name == "family" else f"{name.replace('_', ' ')} {value}"
        for name, value in values.items()
        if value
    )


def evidence(values: Mapping[str, Any], known: Mapping[str, str]) -> str:
    """Return the evidence of a finding as text, the most useful first: why sessions are down, prefixes, AS paths, then the
    rest.

    ``known`` are the labels, which are shown beside it and not repeated.
    """
    left = {name: value for name, value in values.items() if value != [known.get(name.removesuffix("s"))]}
    total = left.pop("prefixes_total", None)
    parts = []
    for name in ("sessions", "prefixes", "as_paths", "next_hops", *left):
        if name in left:
            value = left.pop(name)
            if value not in (None, "", [], {}):
                words = {"as_paths": "AS paths"}.get(name, name.replace("_", " "))
                parts.append(f"{words} {_value(value, total if name == 'prefixes' else None)}")
    return "; ".join(parts)


def _value(value: Any, total: object = None) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value(found)}" for name, found in value.items())
    if isinstance(value, list | tuple):
        shown = [_value(each) for each in value[:MAX_VALUES]]
        more = (total if isinstance(total, int) else len(value)) - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
    return "none" if value is None else str(value)


# The terminal itself: its colours, its characters, its size -----------------------------------------


_PLAIN = str.maketrans({"●": "*", "▲": "!", "◆": "?", "▼": "v", "○": "o", "…": "~", "→": ">"})
"""Replacements for a terminal without these characters, of the same width."""


class _Encodable:
    """A stream that accepts every character, and replaces those that its encoding lacks."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._encoding = stream.encoding

    def write(self, text: str) -> int:
        plain = text.translate(_PLAIN).encode(self._encoding, "replace").decode(self._encoding)
        return self._stream.write(plain)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def make_console(stream: TextIO) -> Console:
    """Return a console that prints texts as they are, without markup, emoji and highlighting.

    It uses colours on a terminal, unless ``NO_COLOR`` is set (no-color.org).
    """
    # A stream without an encoding accepts every character.
    shapes = (getattr(stream, "encoding", None) or "utf-8").lower().startswith("utf")
    return Console(
        file=stream if shapes else cast(IO[str], _Encodable(stream)),
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        markup=False,
        emoji=False,
        highlight=False,
    )


def print_parts(console: Console, parts: Iterable[RenderableType]) -> None:
    """Print one below the other; elsewhere than on a terminal without the spaces that fill lines up."""
    for part in parts:
        if console.is_terminal:
            console.print(part)
            continue
        with console.capture() as written:
            console.print(part)
        lines = written.get().splitlines()
        console.file.writelines(f"{line.rstrip()}\n" for line in lines)


def text(words: str, style: str = "") -> Text:
    """Make a text that is safe to print from text of any origin."""
    return Text(printable(words), style, overflow="fold")


def one_line(words: str, style: str = "") -> Text:
    return Text(printable(words), style, overflow="ellipsis", no_wrap=True)


def indented(part: RenderableType, columns: int) -> Padding:
    return Padding(part, (0, 0, 0, columns), expand=False)


def grid(*columns: str, right: Iterable[int] = ()) -> Table:
    """Make a table without lines; ``right`` has the indices of the columns that are aligned to the right, for numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place in right else "left", overflow="fold")
    return table


class Cropped:
    """Shows as much as fits on the terminal, and says if there is more. What does not fit is not rendered."""

    def __init__(self, *parts: RenderableType) -> None:
        self._parts = parts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height, free = max(2, options.max_height), options.update(height=None)
        lines: list[list[Segment]] = []
        for part in self._parts:
            lines += console.render_lines(part, free, pad=False)
            if len(lines) > height:
                note = one_line("… more below: `ermon status` without --watch shows it", "dim")
                lines[height - 1 :] = console.render_lines(note, free, pad=False)
                break
        for number, line in enumerate(lines):
            if number:
                yield Segment.line()
            yield from line
