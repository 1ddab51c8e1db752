"""What a table over BMP costs, and how soon a lost session is told: see README.md in the folder above.

Run it from the top of the repository: ``python -m tests.bench.bmp``.
"""

# ruff: noqa: T201 - a benchmark prints

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median, quantiles

from tests.bench.bmp.detection import detection, missing
from tests.bench.bmp.measure import Run, measure
from tests.bench.bmp.receivers import Ermon, ErmonOnLink, Pmbmpd, Receiver
from tests.bench.bmp.reporting import reporting
from tests.bench.policy import subfolder


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"{os.cpu_count()} cores, load {load}, Python {platform.python_version()}", flush=True)
    with tempfile.TemporaryDirectory(prefix="ermon-bmp-") as name:
        if options.rounds:
            _table(options, Path(name))
        if options.losses:
            _losses(options, subfolder(Path(name), "detection"))


def _table(options: argparse.Namespace, folder: Path) -> None:
    """Let both take turns, so that whatever else the machine does meets both."""
    kinds: list[type[Receiver]] = []
    for kind in (Pmbmpd, Ermon, ErmonOnLink):
        if (why := kind.missing()) is None:
            kinds.append(kind)
        else:
            print(f"{kind.name} is skipped: {why}.")
    runs: dict[type[Receiver], list[Run]] = {kind: [] for kind in kinds}
    for number in range(options.rounds):
        for kind in kinds:
            own = subfolder(folder, f"{kind.__name__}-{number}")
            runs[kind].append(measure(kind, options.routes, options.sets, own))
    print(
        f"\n| {options.routes:,} routes, {options.sets:,} sets of attributes, before and after policy "
        "| n | wall s | CPU s | wall / pmbmpd | CPU / pmbmpd | peak memory MB |"
    )
    print("|---" * 7 + "|")
    for kind, found in runs.items():
        print(f"| {_name(kind)} | {len(found)} | {_figures(found, runs.get(Pmbmpd))} |", flush=True)


def _losses(options: argparse.Namespace, folder: Path) -> None:
    own = subfolder(folder, "reporting")
    _print_losses("Peer Down", reporting(own, options.losses, options.routes))
    if (why := missing()) is not None:
        print(f"losses of sessions of a real router are skipped: {why}.")
        return
    folder.chmod(0o755)  # FRR runs as another user
    _print_losses("BIRD's `disable`", detection(folder, options.losses, options.routes))


def _print_losses(since: str, cases: Iterable[tuple[str, list[float]]]) -> None:
    print(f"\n| from {since} to the webhook, besides | n | median ms | 99 % ms | most ms |")
    print("|---" * 5 + "|")
    for case, seconds in cases:
        cuts = quantiles(seconds, n=100, method="inclusive")
        figures = (cuts[49], cuts[98], max(seconds))
        print(
            f"| {case} | {len(seconds)} | {' | '.join(f'{1000 * each:.1f}' for each in figures)} |",
            flush=True,
        )


def _name(kind: type[Receiver]) -> str:
    return f"{kind.name} {kind.version()}".strip()


def _figures(found: list[Run], others: list[Run] | None) -> str:
    wall, cpu = median(run.seconds for run in found), median(run.cpu for run in found)
    ratios = ["", ""]
    if others:
        ratios = [
            f"{wall / median(run.seconds for run in others):.2f}",
            f"{cpu / median(run.cpu for run in others):.2f}",
        ]
    return " | ".join([f"{wall:.2f}", f"{cpu:.2f}", *ratios, f"{max(run.memory for run in found):.0f}"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bmp", description=__doc__)
    parser.add_argument("--routes", type=int, default=200_000, help="of the tables (%(default)s)")
    parser.add_argument("--sets", type=int, default=20_000, help="of path attributes (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of the table with each (%(default)s)")
    parser.add_argument("--losses", type=int, default=50, help="of a session, in each case (%(default)s)")
    return parser


if __name__ == "__main__":
    main()
