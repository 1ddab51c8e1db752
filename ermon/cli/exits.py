"""What the commands share: their exit codes, the daemon's address, the choice of feeds, and durations."""

from __future__ import annotations

import argparse
import re
from typing import TypeAlias

FINE, WRONG, USAGE, UNREACHABLE, BUG = 0, 1, 2, 3, 70

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  # it has no public name

DEFAULT_LISTEN_ADDRESS = "127.0.0.1:10179"


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_DURATION = 3650 * 86400
"""As in the configuration."""


def duration(text: str) -> float:
    """Read ``90m`` as seconds."""
    found = re.fullmatch(r"([0-9]{1,12})([smhd])", text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if 0 < seconds <= _LONGEST_DURATION:
        return float(seconds)
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
