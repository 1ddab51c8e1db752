"""Divides the command for a question into blocks, such as one for a file and one for a shell."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

_COMMENT = "# "
_BEGINS = ":"


class Block(NamedTuple):
    """Lines that are pasted together, in one place."""

    heading: str
    """The place or the purpose; empty for a router's command line or a shell, as nearly always."""
    lines: tuple[str, ...]


def blocks(text: str) -> tuple[Block, ...]:
    """Divide a command into its blocks: a comment that ends with a colon is the heading of a new one."""
    found: list[Block] = []
    for is_comment, group in groupby(text.split("\n"), key=lambda line: line.startswith(_COMMENT)):
        lines = tuple(group)
        heading = " ".join(line.removeprefix(_COMMENT) for line in lines)
        if is_comment and heading.endswith(_BEGINS):
            found.append(Block(heading.removesuffix(_BEGINS), ()))
        else:
            last = found.pop() if found else Block("", ())
            found.append(Block(last.heading, (*last.lines, *lines)))
    return tuple(found)
