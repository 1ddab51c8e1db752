"""Recordings: the flags of the daemon that make them, and the command that reads them."""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from pathlib import Path
from typing import Any

from ermon.cli.exits import FINE, USAGE, Commands, add_feeds_match, duration
from ermon.recording.limits import Limits

_UNITS = {"MiB": 1024**2, "GiB": 1024**3}
_SMALLEST, _LARGEST = 16 * 1024**2, 1024**4


def add_record(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``ermon run``."""
    parser.add_argument(
        "--record.path",
        dest="record",
        type=Path,
        metavar="DIR",
        help="where everything that moves ermon is recorded, for ermon replay (default: nowhere)",
    )
    parser.add_argument(
        "--record.retention",
        dest="record_retention",
        type=duration,
        default="7d",
        metavar="DURATION",
        help="how long recordings are kept (default 7d)",
    )
    parser.add_argument(
        "--record.size",
        dest="record_size",
        type=byte_size,
        default="1GiB",
        metavar="SIZE",
        help="how large they may be together: the oldest go first (default 1GiB)",
    )
    parser.add_argument(  # for tests of many files
        "--record.file-bytes",
        dest="record_file_bytes",
        type=int,
        default=Limits().file_bytes,
        help=argparse.SUPPRESS,
    )


def byte_size(text: str) -> int:
    """Read ``512MiB`` as bytes."""
    found = re.fullmatch(r"([0-9]{1,7})(MiB|GiB)", text)
    size = int(found[1]) * _UNITS[found[2]] if found else 0
    if _SMALLEST <= size <= _LARGEST:
        return size
    raise argparse.ArgumentTypeError(f"{text!r} is not a size from 16MiB to 1024GiB, such as 512MiB or 2GiB")


def record_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the flags say, as the fields of ``Options``."""
    limits = Limits(
        retention=options.record_retention, size=options.record_size, file_bytes=options.record_file_bytes
    )
    return {"record": options.record, "record_limits": limits}


def add_replay(commands: Commands) -> None:
    parser = commands.add_parser(
        "replay",
        help="run recorded events through the checks",
        description="Runs a recording of ermon, or ExaBGP's own JSON lines, through the same code as the daemon, on "
        "the recording's own clock, and prints one JSON object for each finding raised or cleared.",
    )
    parser.add_argument("config_file", type=Path, metavar="CONFIG")
    parser.add_argument(
        "events",
        type=Path,
        nargs="+",
        metavar="EVENTS",
        help="a file of lines, gzipped or not, - for standard input, or a folder of recordings; several are read "
        "one after the other",
    )
    add_feeds_match(parser)
    parser.add_argument(
        "--until",
        type=float,
        metavar="SECONDS",
        help="stop the clock so long after the first line (default: when no timer is running any more)",
    )
    parser.add_argument(
        "--statuses", action="store_true", help="then print the status of every check and subject"
    )
    parser.set_defaults(command=_replay)


def _replay(options: argparse.Namespace) -> int:
    from ermon.checks.sharding import NoFeedError
    from ermon.config.load import ConfigError, load_config
    from ermon.exabgp.decode import Rejected
    from ermon.recording.files import STANDARD_INPUT, RecordedLines, UnreadableError, recordings
    from ermon.recording.playback import Playback
    from ermon.recording.replay import Replay, to_line
    from ermon.sources.files import load_local

    def note(text: str) -> None:
        print(f"{lines.path}: {text}", file=sys.stderr)

    def reject(_: int, rejected: Rejected) -> None:
        print(f"{lines.path}:{lines.number}: skipped: {rejected.reason}: {rejected.detail}", file=sys.stderr)

    try:
        loaded = load_config(options.config_file).only_feeds(options.feeds_match)
        digest = hashlib.sha256(options.config_file.read_bytes()).hexdigest()
        lines = RecordedLines([path for each in options.events for path in recordings(each)], note)
    except (ConfigError, NoFeedError, UnreadableError) as error:
        print(error, file=sys.stderr)
        return USAGE
    lists, problems = load_local(loaded.config, options.config_file.parent)
    print(*(f"{options.config_file}: {problem}\n" for problem in problems), sep="", end="", file=sys.stderr)
    replay = Replay(Playback(loaded.config, reject, lists=lists, config_sha256=digest, note=note))
    try:
        for transition in replay.transitions(lines, options.until):
            print(to_line(transition), flush=STANDARD_INPUT in options.events)
    except UnreadableError as error:
        print(error, file=sys.stderr)
        return USAGE
    if not replay.decoded_anything:
        print(
            f"{', '.join(map(str, options.events))}: no line could be decoded: is it a recording of ExaBGP's JSON, "
            f"for the feeds of {options.config_file}?",
            file=sys.stderr,
        )
        return USAGE
    for status in replay.statuses() if options.statuses else ():
        print(to_line(status))
    return FINE
