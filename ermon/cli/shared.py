"""What the commands share: exit codes, what makes a command impossible, and flags and their types."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TypeAlias

from ermon.model.text import printable
from ermon.model.times import LONGEST_SECONDS, parse_duration

FINE, WRONG, USAGE, UNREACHABLE, BUG, INTERRUPTED = 0, 1, 2, 3, 70, 130

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  # it has no public name

DEFAULT_LISTEN_ADDRESS = "127.0.0.1:10179"

_SIZES = {"MiB": 1024**2, "GiB": 1024**3}
_SMALLEST, _LARGEST = 16 * 1024**2, 1024**4

# What makes a command impossible -------------------------------------------------------------------------


class RefusedError(Exception):
    """What was asked for cannot be done; the text says why, and what would be right."""


def _about_files() -> tuple[type[Exception], ...]:
    """Errors whose text begins with the file that it is about."""
    from ermon.checks.sharding import NoFeedError
    from ermon.config.yaml import ConfigError
    from ermon.recording.files import UnreadableError

    return ConfigError, NoFeedError, UnreadableError


def _about_usage() -> tuple[type[Exception], ...]:
    from ermon.client.http import UsageError
    from ermon.routers import RouterError

    return RefusedError, UsageError, RouterError


def _about_others() -> tuple[type[Exception], ...]:
    from ermon.client.http import UnreachableError

    return (UnreachableError,)


def run_command(options: argparse.Namespace) -> int:
    """Run the command of a command line, and return its exit code.

    A command raises what whoever typed it must know: which errors those are stands here, once. The classes
    are imported when something was raised, since `except` looks at them only then: no command waits for
    the libraries of another.
    """
    try:
        return int(options.command(options))
    except _about_files() as error:
        print(error, file=sys.stderr)
        return USAGE
    except _about_usage() as error:
        print(f"ermon: {printable(str(error))}", file=sys.stderr)
        return USAGE
    except _about_others() as error:
        print(f"ermon: {printable(str(error))}", file=sys.stderr)
        return UNREACHABLE


# Flags ---------------------------------------------------------------------------------------------------


def add_config_file(parser: argparse.ArgumentParser, text: str, default: Path | None = None) -> None:
    """Add ``--config.file``, which must be given where it has no default."""
    parser.add_argument(
        "--config.file",
        dest="config_file",
        type=Path,
        metavar="FILE",
        required=default is None,
        default=default,
        help=text if default is None else f"{text} (default: %(default)s)",
    )


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


def duration(text: str) -> float:
    """Read ``90m`` as seconds, as the configuration does."""
    seconds = parse_duration(text)
    if seconds and seconds <= LONGEST_SECONDS:
        return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is not a duration of up to 3650d, such as 90m, 2h or 90d")


def byte_size(text: str) -> int:
    """Read ``512MiB`` as bytes."""
    found = re.fullmatch(r"([0-9]{1,7})(MiB|GiB)", text)
    size = int(found[1]) * _SIZES[found[2]] if found else 0
    if _SMALLEST <= size <= _LARGEST:
        return size
    raise argparse.ArgumentTypeError(f"{text!r} is not a size from 16MiB to 1024GiB, such as 512MiB or 2GiB")
