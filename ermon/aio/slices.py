"""Long work on the event loop, in slices: one rule for the whole program.

**State on the loop, values on a thread.** Code that reads or changes the state of the network runs on the event loop, in
slices of ``SLICE_SECONDS``; between slices all other tasks run. Examples: processing lines, changing to another
configuration, collecting data for the API and the metrics. Code that needs only its arguments runs on a thread: reading
a file, resolving a name, checking a configuration, planning a change, compressing an answer, SQLite.

Why not everything on threads: Python runs one thread at a time, so a thread that computes takes time from the loop, and
the loop waits up to ``SWITCH_SECONDS`` at every system call. State that two threads use needs locks, and the core has
none. A slice delays the loop by its own length at most, and sees a consistent state.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

SLICE_SECONDS = 0.002
"""The delay of an alert by one slice is not noticeable: from UPDATE to webhook takes some milliseconds."""

STEPS_BETWEEN = 4
"""Steps of the loop between two slices of lines: from a line to the socket of a webhook takes about ten, and each would
wait for a slice otherwise.
"""

SWITCH_SECONDS = 0.0005
"""The longest time that a computing thread may keep the loop waiting. Python's default of five milliseconds is half of
the limit for any step of ermon. A switch costs some microseconds.
"""


class Slice:
    """A slice of the loop's time, from its creation."""

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends = time.perf_counter() + SLICE_SECONDS

    def over(self) -> bool:
        return time.perf_counter() >= self._ends


async def in_slices(steps: Iterable[object]) -> None:
    """Run the steps, and let all other tasks run after each slice. A step must be shorter than a slice."""
    current = Slice()
    for _ in steps:
        if current.over():
            await asyncio.sleep(0)
            current = Slice()


async def list_in_slices(steps: Iterable[T]) -> list[T]:
    """Collect the results of the steps in slices, as ``in_slices``, and return them."""
    found: list[T] = []
    current = Slice()
    for each in steps:
        found.append(each)
        if current.over():
            await asyncio.sleep(0)
            current = Slice()
    return found


async def give_way() -> None:
    """Let all other tasks run for ``STEPS_BETWEEN`` steps of the loop, so that they can complete what they begin."""
    for _ in range(STEPS_BETWEEN):
        await asyncio.sleep(0)


def let_the_loop_through() -> None:
    """Make computing threads give way to the event loop quickly. The daemon calls this when it starts."""
    sys.setswitchinterval(SWITCH_SECONDS)
