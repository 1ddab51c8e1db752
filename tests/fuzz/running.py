"""Runs targets: input after input until the time is up, each with its own ``Random``."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from tests.fuzz import databases, documents, http, lines, messages, mrt, reports, ris

Target = Callable[[Random], None]
TARGETS: dict[str, Target] = {
    target.__name__.replace("_", "-"): target
    for target in (
        lines.decode,
        lines.monitor,
        messages.updates,
        messages.opens,
        reports.reports,
        reports.reports_read_ahead,
        reports.judged_reports,
        mrt.mrt,
        mrt.mrt_export,
        ris.ris,
        *documents.TARGETS,
        databases.database_file,
        http.http,
    )
}
LONGEST_SECONDS = 20.0
"""CPU time that no input may exceed. Inputs are small, so one that takes longer does not depend on its size alone."""


@dataclass(frozen=True, slots=True)
class Broken:
    target: str
    seed: int
    number: int
    why: str

    def __str__(self) -> str:
        return f"python -m tests.fuzz {self.target} --seed {self.seed} --only {self.number}\n{self.why}"


def attempt(name: str, seed: int, number: int) -> Broken | None:
    """Try input ``number``; return what fails, if anything."""
    began = time.process_time()
    try:
        TARGETS[name](Random(f"{name} {seed} {number}"))
    except Exception:  # noqa: BLE001 - that is what is looked for
        return Broken(name, seed, number, traceback.format_exc())
    taken = time.process_time() - began
    return Broken(name, seed, number, f"takes {taken:.1f} s of CPU time") if taken > LONGEST_SECONDS else None


def run(name: str, seed: int, seconds: float, count: int | None = None) -> Iterator[Broken | None]:
    """Yield each failure, for this number of seconds and at least one input, or for ``count`` inputs."""
    deadline, number = time.monotonic() + seconds, 0
    while number < count if count is not None else number == 0 or time.monotonic() < deadline:
        yield attempt(name, seed, number)
        number += 1
