"""The terminal itself: its colours, its characters, its size."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import IO, Any, TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from ermon.model.text import printable

_PLAIN = str.maketrans({"●": "*", "▲": "!", "◆": "?", "▼": "v", "○": "o", "…": "~", "→": ">"})
"""For a terminal that does not have the shapes; each is as wide as what stands for it."""


class _Encodable:
    """A stream that takes every character, and writes those that it can."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._encoding = stream.encoding

    def write(self, text: str) -> int:
        plain = text.translate(_PLAIN).encode(self._encoding, "replace").decode(self._encoding)
        return self._stream.write(plain)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def make_console(stream: TextIO) -> Console:
    """Return a console that takes texts as they are: no markup, no emoji, nothing highlighted.

    Colours are for a terminal, unless ``NO_COLOR`` is set (no-color.org).
    """
    # A stream without an encoding takes every character.
    shapes = (getattr(stream, "encoding", None) or "utf-8").lower().startswith("utf")
    return Console(
        file=stream if shapes else cast(IO[str], _Encodable(stream)),
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        markup=False,
        emoji=False,
        highlight=False,
    )


def text(words: str, style: str = "") -> Text:
    """Make a text of whatever somebody has said."""
    return Text(printable(words), style, overflow="fold")


def one_line(words: str, style: str = "") -> Text:
    return Text(printable(words), style, overflow="ellipsis", no_wrap=True)


def indented(part: RenderableType, columns: int) -> Padding:
    return Padding(part, (0, 0, 0, columns), expand=False)


def grid(*columns: str, right: Iterable[int] = ()) -> Table:
    """Make a table without lines; ``right`` names the columns of numbers by their places."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place in right else "left", overflow="fold")
    return table


class Cropped:
    """Shows as much as the terminal has lines for, and says when there is more. The rest costs nothing."""

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
