"""What a full table costs ermon and other BGP daemons: see README.md in the folder above.

Run it from the top of the repository: ``python -m tests.bench.table``.
"""

# ruff: noqa: T201 - a benchmark prints

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median

from tests.bench.table.measure import Run, Table, cpu_of_idle, flap, measure
from tests.bench.table.own import BareExaBgp, Ermon, ErmonOnJson
from tests.bench.table.receivers import Bird, Frr, GoBgp, OpenBgpd, Pmbgpd, Receiver

RECEIVERS: dict[str, type[Receiver]] = {
    "bird": Bird,
    "ermon": Ermon,
    "pmbgpd": Pmbgpd,
    "frr": Frr,
    "openbgpd": OpenBgpd,
    "gobgp": GoBgp,
    "exabgp": BareExaBgp,
    "ermon-json": ErmonOnJson,
}
COMPARED = (Bird, Ermon)
"""Every round; the others are measured in the first ones only."""

SLOW = (GoBgp, BareExaBgp, ErmonOnJson)
LARGEST_OF_SLOW = 200_000
"""They take a minute of CPU time for a million, and more."""

TABLES = "200000,1000000,1000000+230000"

_TICK = 1 / os.sysconf("SC_CLK_TCK")
"""Linux counts CPU time in these."""

Runs = dict[type[Receiver], list[Run]]


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    chosen = [RECEIVERS[name] for name in options.daemons]
    missing = {kind.name: why for kind in chosen if (why := kind.missing()) is not None}
    kinds = [kind for kind in chosen if kind.name not in missing]
    print(_machine(kinds), flush=True)
    for name, why in missing.items():
        print(f"{name} is skipped: {why}.")
    with tempfile.TemporaryDirectory(prefix="ermon-table-") as name:
        folders = _folders(Path(name))
        for table in options.tables:
            runs = _rounds(kinds, table, options, folders)
            print("\n".join(_table(table, runs)), flush=True)
        table = options.tables[0]
        if options.flaps:
            print("\n".join(_flaps(table, flap(table, next(folders), options.flaps))), flush=True)
        if options.idle:
            own = {kind: next(folders) for kind in (Ermon, ErmonOnJson)}
            print("\n".join(_idle(cpu_of_idle(table, own, options.idle), options.idle)), flush=True)


def _rounds(
    kinds: list[type[Receiver]], table: Table, options: argparse.Namespace, folders: Iterator[Path]
) -> Runs:
    """Let them take turns, so that whatever else the machine does meets all of them."""
    runs: Runs = {}
    for number in range(options.rounds):
        for kind in kinds:
            if number >= options.others and kind not in COMPARED:
                continue
            if kind in SLOW and table.routes > LARGEST_OF_SLOW and not options.slow:
                continue
            print(f"{table}: {kind.name}", file=sys.stderr, flush=True)
            runs.setdefault(kind, []).append(measure(kind, table, next(folders)))
    return runs


# What is printed: Markdown -------------------------------------------------------------------------------


def _machine(kinds: list[type[Receiver]]) -> str:
    versions = [f"{kind.name} {version}" for kind in kinds if (version := kind.version())]
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    parts = [f"{os.cpu_count()} cores", f"load {load}", f"Python {platform.python_version()}", *versions]
    return ", ".join(parts)


def _table(table: Table, runs: Runs) -> Iterator[str]:
    columns = (
        f"{table} routes in {len(table.updates()):,} UPDATEs",
        *("n", "wall s", "CPU s", "wall / BIRD", "CPU / BIRD", "peak memory MB"),
    )
    yield ""
    yield _row(columns)
    yield "|---" * len(columns) + "|"
    for kind, found in runs.items():
        peak = max(found, key=lambda run: sum(run.memory.values())).memory
        yield _row(
            (
                kind.name,
                str(len(found)),
                f"{_wall(found):.2f}{_spread([run.seconds for run in found])}",
                f"{_cpu(found):.2f}{_parts(found[-1].cpu, '.2f')}",
                *_ratios(found, runs.get(Bird)),
                f"{sum(peak.values()):.0f}{_parts(peak, '.0f')}",
            )
        )


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ratios(found: list[Run], bird: list[Run] | None) -> tuple[str, str]:
    if bird is None:
        return "", ""
    return f"{_wall(found) / _wall(bird):.1f}", f"{_cpu(found) / max(_cpu(bird), _TICK):.1f}"


def _wall(found: list[Run]) -> float:
    return median(run.seconds for run in found)


def _cpu(found: list[Run]) -> float:
    return median(sum(run.cpu.values()) for run in found)


def _spread(found: list[float]) -> str:
    return f" ({min(found):.2f} to {max(found):.2f})" if len(found) > 1 else ""


def _parts(parts: dict[str, float], form: str) -> str:
    if len(parts) == 1:
        return ""
    return " (" + ", ".join(f"{name} {value:{form}}" for name, value in parts.items()) + ")"


def _flaps(table: Table, found: Iterable[dict[str, float]]) -> Iterator[str]:
    yield ""
    yield f"| flaps of {table} routes | memory MB |"
    yield "|---|---|"
    for number, parts in enumerate(found):
        yield f"| {number} | {sum(parts.values()):.0f}{_parts(parts, '.1f')} |"


def _idle(found: dict[str, dict[str, float]], seconds: float) -> Iterator[str]:
    yield ""
    yield f"| idle for {seconds:g} s, with a session up | CPU, in % of a core |"
    yield "|---|---|"
    for name, parts in found.items():
        yield f"| {name} | {sum(parts.values()):.2f}{_parts(parts, '.2f')} |"


# Options -------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.table", description=__doc__)
    parser.add_argument(
        "--tables",
        type=lambda text: [Table.parse(each) for each in text.split(",")],
        default=TABLES,
        help="numbers of IPv4 routes, and of IPv6 routes with a plus (%(default)s)",
    )
    parser.add_argument(
        "--daemons",
        type=_daemons,
        default=",".join(RECEIVERS),
        help="to be measured (%(default)s)",
    )
    parser.add_argument("--rounds", type=int, default=3, help="of BIRD and ermon (%(default)s)")
    parser.add_argument("--others", type=int, default=1, help="rounds of all others (%(default)s)")
    parser.add_argument(
        "--slow",
        action="store_true",
        help=f"send {', '.join(kind.name for kind in SLOW)} tables of more than {LARGEST_OF_SLOW:,} routes as well",
    )
    parser.add_argument("--flaps", type=int, default=20, help="of the first table, with ermon (%(default)s)")
    parser.add_argument(
        "--idle", type=float, default=60.0, help="seconds of it, after the first table (%(default)s)"
    )
    return parser


def _daemons(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in RECEIVERS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]} is none of {', '.join(RECEIVERS)}")
    return names


def _folders(parent: Path) -> Iterator[Path]:
    number = 0
    while True:
        number += 1
        folder = parent / str(number)
        folder.mkdir(mode=0o700)
        yield folder


if __name__ == "__main__":
    main()
