"""What something costs this process: CPU time and memory."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median

Figure = float | str
Report = Callable[[str, Figure], None]
"""Takes a figure by its name."""

LEAST, MOST = 3, 1_000
"""So often a step is measured."""


def cpu(do: Callable[[], object]) -> float:
    """Do something, and return the CPU seconds that it took, on all threads."""
    began = time.process_time()
    do()
    return time.process_time() - began


def cpu_of_steps(steps: Iterator[None]) -> list[float]:
    """Go through all steps, and return the CPU seconds of each."""
    found = []
    over = object()
    while True:
        began = time.process_time()
        step = next(steps, over)
        found.append(time.process_time() - began)
        if step is over:
            return found


def typical(steps: Iterable[tuple[str, Callable[[], object]]], effort: float) -> dict[str, float]:
    """Return by name the median CPU seconds of steps that come again and again.

    At least ``LEAST`` of each name are measured, and no more once they have taken ``effort`` CPU seconds
    together. What ``steps`` does between two steps costs nothing.
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
    """The memory that this process comes to need from here on."""

    def __init__(self) -> None:
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew: proc(5)
        self._before = _status("VmRSS")

    def grown(self) -> int:
        """By how many bytes its resident memory has grown at most."""
        return _status("VmHWM") - self._before


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(kilobytes) * 1024
