"""What the commands share: their exit codes, the daemon's address, the choice of feeds, and durations."""

from __future__ import annotations

import argparse
from typing import TypeAlias

from ermon.model.times import LONGEST_SECONDS, parse_duration

FINE, WRONG, USAGE, UNREACHABLE, BUG = 0, 1, 2, 3, 70

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  # it has no public name

DEFAULT_LISTEN_ADDRESS = "127.0.0.1:10179"


def duration(text: str) -> float:
    """Read ``90m`` as seconds, as the configuration does."""
    seconds = parse_duration(text)
    if seconds and seconds <= LONGEST_SECONDS:
        return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is not a duration of up to 3650d, such as 90m, 2h or 90d")


def add_feeds_match(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--feeds.match",
        dest="feeds_match",
        action="append",
        default=[],
        metavar="GLOB",
        help="take only the feeds whose names match, such as 'edge-us-*', and judge only what they show: one "
        "ermon for each region, all on one file; may be repeated (default: all feeds)",
    )
