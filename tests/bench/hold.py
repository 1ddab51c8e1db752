"""Measures what blocks the event loop: every step between two waits, by name, with its CPU time.

    python -m tests.bench.hold run --config.file=ermon.yml

runs a command of ermon with this, and prints the longest steps when it ends; SIGUSR2 prints those since the last
report. It measures CPU time, because on a busy machine elapsed time depends on other processes.
"""

# ruff: noqa: T201 - a benchmark prints

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import threading
import time
from asyncio.events import Handle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Any

LISTED = 20


@dataclass(slots=True)
class Steps:
    """All steps with one name."""

    name: str
    longest: float = 0.0
    """The longest step in CPU seconds; all times here are CPU seconds."""
    total: float = 0.0
    count: int = 0


@dataclass(slots=True)
class Holds:
    """The steps of an event loop."""

    by_name: dict[str, Steps] = field(default_factory=dict)

    def note(self, name: str, seconds: float) -> None:
        steps = self.by_name.setdefault(name, Steps(name))
        steps.longest = max(steps.longest, seconds)
        steps.total += seconds
        steps.count += 1

    def worst(self, count: int = LISTED) -> list[Steps]:
        """The names with the longest steps, the longest first."""
        return sorted(self.by_name.values(), key=lambda steps: -steps.longest)[:count]

    @property
    def longest(self) -> float:
        """The CPU seconds of the longest step; 0 without a step."""
        return max((steps.longest for steps in self.by_name.values()), default=0.0)

    def clear(self) -> None:
        self.by_name.clear()

    def __str__(self) -> str:
        rows = [f"{'longest ms':>11}{'all ms':>11}{'steps':>8}  of"]
        rows += [
            f"{1e3 * steps.longest:>11.2f}{1e3 * steps.total:>11.1f}{steps.count:>8}  {steps.name}"
            for steps in self.worst()
        ]
        return "\n".join(rows)


@contextmanager
def watching() -> Iterator[Holds]:
    """Measure every step of this thread's event loop inside the block, whether it is already running or not."""
    holds, thread, run = Holds(), threading.get_ident(), Handle._run

    def watched(handle: Handle) -> None:
        if threading.get_ident() != thread:
            run(handle)
            return
        callback = handle._callback  # a cancelled handle forgets its callback
        before = _name(callback)
        began = time.thread_time()
        run(handle)
        seconds = time.thread_time() - began
        holds.note(f"{before} → {_place(callback)}" if _is_step(callback) else before, seconds)

    Handle._run = watched  # every callback is run by this method
    try:
        yield holds
    finally:
        Handle._run = run


def _name(callback: Any) -> str:
    """Return the name of a callback; for a step of a task, its coroutine and where the step began."""
    while isinstance(callback, partial):
        callback = callback.func
    if _is_step(callback):
        coroutine = callback.__self__.get_coro()
        return f"{getattr(coroutine, '__qualname__', coroutine)}: {_place(callback)}"
    # Not its repr: that shows its owner, and aiohttp's response then keeps the headers that it had before it came.
    name = getattr(callback, "__qualname__", type(callback).__qualname__)
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.BaseTransport) and hasattr(owner, "get_protocol"):
        return f"{name} of {type(owner.get_protocol()).__qualname__}"
    return name


def _is_step(callback: Any) -> bool:
    return isinstance(getattr(callback, "__self__", None), asyncio.Task)


_AWAITED = ("cr_await", "gi_yieldfrom", "ag_await")
_FRAMES = ("cr_frame", "gi_frame", "ag_frame")


def _place(callback: Any) -> str:
    """Return where a task waits: its innermost frame outside the standard library."""
    coroutine = callback.__self__.get_coro()
    place = "end"
    while coroutine is not None:
        frame: FrameType | None = _first(coroutine, _FRAMES)
        if frame is not None:
            module = frame.f_globals.get("__name__", "?")
            if place == "end" or module.partition(".")[0] not in _LIBRARIES:
                place = f"{module}.{frame.f_code.co_qualname}:{frame.f_lineno}"
        coroutine = _first(coroutine, _AWAITED)
    return place


_LIBRARIES = {"asyncio", "aiohttp"}


def _first(owner: Any, names: tuple[str, ...]) -> Any:
    return next((found for name in names if (found := getattr(owner, name, None)) is not None), None)


def main() -> None:
    from ermon.cli import run  # noqa: PLC0415 - who only watches needs nothing of ermon's

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="a line of JSON for each report")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="a command of ermon, and its flags")
    options = parser.parse_args()
    with watching() as holds:
        report = partial(_report, holds, as_json=options.json)
        signal.signal(signal.SIGUSR2, lambda *_: report())
        code = run(options.arguments)
        report()
    sys.exit(code)


def _report(holds: Holds, *, as_json: bool) -> None:
    """Print the longest steps since the last report."""
    worst = [{"name": s.name, "longest_seconds": s.longest, "count": s.count} for s in holds.worst()]
    print(json.dumps(worst) if as_json else holds, file=sys.stderr, flush=True)
    holds.clear()


if __name__ == "__main__":
    main()
