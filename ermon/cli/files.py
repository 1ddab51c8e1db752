"""The commands that work on files alone: check, test, replay and render."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from ermon.cli.exits import FINE, USAGE, WRONG, Commands


def add_check(commands: Commands) -> None:
    parser = commands.add_parser(
        "check",
        help="validate a configuration",
        description="Validates a configuration and says what the network that it describes lacks. "
        "Exit 0 clean, 1 findings, 2 invalid.",
    )
    parser.add_argument("config_file", type=Path, metavar="CONFIG")
    parser.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> int:
    from ermon.checks.catalogue import BUILT_CHECKS
    from ermon.config import ConfigError, load_config
    from ermon.lints import lint

    try:
        loaded = load_config(options.config_file, built_checks=BUILT_CHECKS)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return USAGE
    for warning in loaded.warnings:
        print(f"{warning} (warning)")
    found = lint(loaded, time.time())
    for finding in found:
        print(finding)
    return WRONG if found else FINE


def add_test(commands: Commands) -> None:
    parser = commands.add_parser(
        "test",
        help="run policy tests written in YAML",
        description="Runs scenarios: a configuration, what happens on the feeds, and what must be raised, cleared "
        "and not raised when. Exit 0 all passed, 1 one failed, 2 a file is invalid.",
    )
    parser.add_argument(
        "paths", type=Path, nargs="+", metavar="FILE", help="a scenario file, or a folder of them"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show what was raised and cleared in each"
    )
    parser.set_defaults(command=_test)


def _test(options: argparse.Namespace) -> int:
    from ermon.scenario import run_scenarios

    return run_scenarios(options.paths, verbose=options.verbose, out=sys.stdout, err=sys.stderr)


def add_replay(commands: Commands) -> None:
    parser = commands.add_parser(
        "replay",
        help="run recorded events through the checks",
        description="Runs recorded ExaBGP JSON lines through the same code as the daemon, on the recording's "
        "own clock, and prints one JSON object for each finding raised or cleared.",
    )
    parser.add_argument("config_file", type=Path, metavar="CONFIG")
    parser.add_argument("events", metavar="EVENTS", help="a file of ExaBGP JSON lines, - for standard input")
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
    from ermon.config import ConfigError, load_config
    from ermon.exabgp.decode import Rejected
    from ermon.replay import Replay, to_line
    from ermon.sources.files import load_local
    from ermon.sources.policy import with_published

    def reject(number: int, rejected: Rejected) -> None:
        print(f"{options.events}:{number}: skipped: {rejected.reason}: {rejected.detail}", file=sys.stderr)

    try:
        loaded = load_config(options.config_file)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return USAGE
    lists, problems = load_local(loaded.config, options.config_file.parent)
    for problem in problems:
        print(f"{options.config_file}: {problem}", file=sys.stderr)
    replay = Replay(with_published(loaded.config, lists), reject)
    with ExitStack() as stack:
        try:
            lines: BinaryIO = (
                sys.stdin.buffer
                if options.events == "-"
                else stack.enter_context(Path(options.events).open("rb"))
            )
        except OSError as error:
            print(f"{options.events}: cannot be read: {error.strerror}", file=sys.stderr)
            return USAGE
        for transition in replay.transitions(lines, options.until):
            print(to_line(transition), flush=options.events == "-")
    if not replay.decoded_anything:
        print(
            f"{options.events}: no line could be decoded: is it a recording of ExaBGP's JSON, for the feeds of "
            f"{options.config_file}?",
            file=sys.stderr,
        )
        return USAGE
    if options.statuses:
        for status in replay.statuses():
            print(to_line(status))
    return FINE


def add_render(commands: Commands) -> None:
    parser = commands.add_parser(
        "render",
        help="print what ermon writes for others",
        description="Prints what ermon writes for others.",
    )
    what = parser.add_subparsers(title="what", metavar="WHAT", required=True)
    exabgp = what.add_parser(
        "exabgp",
        help="the ExaBGP configuration",
        description="Prints the configuration that ermon gives to its ExaBGP processes, without secrets.",
    )
    exabgp.add_argument("config_file", type=Path, metavar="CONFIG")
    exabgp.add_argument("--process", metavar="NAME", help="only that of this process (default: all of them)")
    exabgp.set_defaults(command=_render_exabgp)


def _render_exabgp(options: argparse.Namespace) -> int:
    from ermon.config import ConfigError, load_config
    from ermon.exabgp.configure import render

    try:
        config = load_config(options.config_file).config
    except ConfigError as error:
        print(error, file=sys.stderr)
        return USAGE
    if options.process is not None and options.process not in config.processes:
        known = ", ".join(config.processes)
        print(f"ermon: there is no process {options.process!r}: there are {known}", file=sys.stderr)
        return USAGE
    for process in config.processes:
        if options.process in {None, process}:
            print(f"# ExaBGP process {process}\n")
            print(render(config, process, f"{sys.executable} -m ermon.exabgp.relay", None))
    return FINE
