"""Long work on the event loop, in slices: one rule for the whole program.

**State on the loop, values on a thread.** What reads or changes the state of the network runs on the event loop, in
slices of ``SLICE_SECONDS`` between which everything else gets its turn: taking lines in, going over to another
configuration, collecting what the API and the metrics show. What needs nothing but its arguments runs on a thread: reading
a file, looking a name up, checking a configuration, making a plan of it, compressing an answer, SQLite.

Why not everything on threads: Python runs one thread at a time, so a thread that computes takes from the loop what it
uses, and the loop waits up to ``SWITCH_SECONDS`` for its turn at every system call. And state that two threads touch needs
locks, which none of the core has. A slice costs the loop at most what it may take, and what it sees is whole.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

SLICE_SECONDS = 0.002
"""An alert that waits behind a slice is not noticeably later: from UPDATE to webhook takes some milliseconds."""

STEPS_BETWEEN = 4
"""Steps of the loop between two slices of lines: from a line to the socket of a webhook takes some ten, and each would
otherwise wait for a slice.
"""

SWITCH_SECONDS = 0.0005
"""How long a thread that computes may keep the loop waiting; Python's own five milliseconds are half of what any step of
ermon may take. It costs what a switch costs, some microseconds.
"""


class Slice:
    """A slice of the loop's time, from when it was made."""

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends = time.perf_counter() + SLICE_SECONDS

    def over(self) -> bool:
        return time.perf_counter() >= self._ends


async def in_slices(steps: Iterable[object]) -> None:
    """Take step after step, and give everything else its turn after each slice; a step must be shorter than that."""
    current = Slice()
    for _ in steps:
        if current.over():
            await asyncio.sleep(0)
            current = Slice()


async def list_in_slices(steps: Iterable[T]) -> list[T]:
    """The same, and return what the steps give."""
    found: list[T] = []
    current = Slice()
    for each in steps:
        found.append(each)
        if current.over():
            await asyncio.sleep(0)
            current = Slice()
    return found


async def give_way() -> None:
    """Let everything else take ``STEPS_BETWEEN`` steps, one after the other, so that what follows from the first is done too."""
    for _ in range(STEPS_BETWEEN):
        await asyncio.sleep(0)


def let_the_loop_through() -> None:
    """Make threads that compute give way to the event loop at once; for the daemon, when it starts."""
    sys.setswitchinterval(SWITCH_SECONDS)
