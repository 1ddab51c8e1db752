"""Measures what something costs this process: CPU time and memory."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median

Figure = float | str
Report = Callable[[str, Figure], None]
"""Receives a figure with its name."""

LEAST, MOST = 3, 1_000
"""How often a step is measured."""


def cpu(do: Callable[[], object]) -> float:
    """Call a function, and return the CPU seconds that it took on all threads."""
    began = time.process_time()
    do()
    return time.process_time() - began


def cpu_of_steps(steps: Iterator[None]) -> list[float]:
    """Run all steps, and return the CPU seconds of each."""
    found = []
    over = object()
    while True:
        began = time.process_time()
        step = next(steps, over)
        found.append(time.process_time() - began)
        if step is over:
            return found


def typical(steps: Iterable[tuple[str, Callable[[], object]]], effort: float) -> dict[str, float]:
    """Return by name the median CPU seconds of repeated steps.

    At least ``LEAST`` of each name are measured, and no more after they have taken ``effort`` CPU seconds together.
    What ``steps`` does between two steps is not counted.
    """
    costs: dict[str, list[float]] = {}
    spent = 0.0
    for name, do in steps:
        seconds = cpu(do)
        costs.setdefault(name, []).append(seconds)
        spent += seconds
        fewest = min(map(len, costs.values()))
        if fewest >= MOST or (fewest >= LEAST and spent >= effort):
            break
    return {name: median(found) for name, found in costs.items()}


class Memory:
    """Measures the memory that this process needs from here on."""

    def __init__(self) -> None:
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak: proc(5)
        self._before = _status("VmRSS")

    def grown(self) -> int:
        """The greatest growth of its resident memory, in bytes."""
        return _status("VmHWM") - self._before


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(kilobytes) * 1024
