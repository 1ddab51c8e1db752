"""Measures what ermon costs with ten and with a thousand circuits: see README.md in the folder above.

Run it from the top of the repository: ``python -m tests.bench.scale``.
"""

# ruff: noqa: T201 - a benchmark prints

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.scale.children import Limits, measure
from tests.bench.scale.network import MOST_CIRCUITS, UPLINKS, Network
from tests.bench.scale.report import Row, tables

SIZES = (10, 50, 200, 1_000)
JOBS = ("start", "reload", "check", "updates", "shows")


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    limits = Limits(options.limit, options.memory)
    jobs = (*options.jobs, *(["live"] if options.reload else []))
    rows = []
    for circuits in options.circuits:
        network = Network(circuits, min(2 * circuits, options.uplinks))
        row = Row(circuits, {}, {})
        with tempfile.TemporaryDirectory(prefix="ermon-scale-") as folder:
            network.write(Path(folder))
            for job in jobs:
                print(f"{circuits} circuits: {job}", file=sys.stderr, flush=True)
                found = measure(job, network, Path(folder), options.effort, limits)
                row.figures.update(found.figures)
                if found.why:
                    row.why[job] = found.why
        rows.append(row)
    if options.json:
        print(json.dumps([row._asdict() for row in rows], indent=1))
    else:
        print("\n".join(tables(rows, jobs)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=__doc__)
    parser.add_argument(
        "circuits",
        type=int,
        nargs="*",
        default=SIZES,
        help=f"numbers of circuits, up to {MOST_CIRCUITS:,} ({' '.join(map(str, SIZES))})",
    )
    parser.add_argument(
        "--jobs",
        type=lambda text: text.split(","),
        default=JOBS,
        help=f"what to measure ({','.join(JOBS)})",
    )
    parser.add_argument(
        "--uplinks",
        type=int,
        default=UPLINKS,
        help="routers that mirror an uplink (%(default)s); a number beyond them means each",
    )
    parser.add_argument("--effort", type=float, default=1.0, help="CPU seconds for each median (%(default)s)")
    parser.add_argument("--limit", type=int, default=120, help="CPU seconds for each process (%(default)s)")
    parser.add_argument("--memory", type=int, default=4, help="gigabytes for each process (%(default)s)")
    parser.add_argument("--reload", action="store_true", help="let a real daemon reload besides")
    parser.add_argument("--json", action="store_true", help="print seconds and bytes as JSON")
    return parser


if __name__ == "__main__":
    main()
