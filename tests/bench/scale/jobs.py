"""The jobs of the measurement. Each has its own process:

    python -m tests.bench.scale.jobs JOB CIRCUITS UPLINKS EFFORT FOLDER

FOLDER has the configuration. A job prints a line of JSON for each figure as soon as it is measured, in seconds, bytes
or plain numbers. So the figures survive if the job is ended early.
"""

# ruff: noqa: T201 - the figures go to whoever has started the job

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.bench.scale.cost import Figure, Report
from tests.bench.scale.judging import reload, start, updates
from tests.bench.scale.network import Network
from tests.bench.scale.shows import shows

OUT_OF_MEMORY = 77
"""The exit code of a job that ran out of memory."""

Job = Callable[[Network, Path, float, Report], None]
"""Takes the folder with the configuration, and the CPU seconds to spend on a median."""

JOBS: Mapping[str, Job] = {"start": start, "reload": reload, "updates": updates, "shows": shows}


def main() -> None:
    job, circuits, uplinks, effort, folder = sys.argv[1:]
    network = Network(int(circuits), int(uplinks))

    def report(name: str, value: Figure) -> None:
        print(json.dumps({name: value}), flush=True)

    try:
        JOBS[job](network, Path(folder), float(effort), report)
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)


if __name__ == "__main__":
    main()
