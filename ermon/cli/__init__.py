"""The commands. Each parses its arguments, calls one function and prints the result.

Exit codes: 0 fine, 1 something is wrong with the network (or worth a look in the file), 2 wrong usage or
invalid file, 3 something needed is unreachable, 70 a bug.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from ermon import __version__
from ermon.cli import daemon, live, local, recordings, render
from ermon.cli.shared import BUG, FINE, INTERRUPTED, run_command


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    options = parser().parse_args(arguments)
    try:
        return run_command(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader closed our output, as `head` does; Python must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except Exception:  # noqa: BLE001  # any other exception is a bug, and must look like one
        traceback.print_exc()
        print("This is a bug in ermon. Please report it with the lines above.", file=sys.stderr)
        return BUG


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="ermon",
        description="Monitors the BGP routes around Azure ExpressRoute circuits, live, from your side.",
        epilog="Exit codes: 0 fine; 1 something is wrong with the network; 2 wrong usage or invalid file; "
        "3 something needed is unreachable; 4 nothing is raised, but not all is well; 70 a bug.",
    )
    parser.add_argument("--version", action="version", version=f"ermon {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (
        daemon.add_run,
        local.add_init,
        local.add_check,
        local.add_test,
        live.add_status,
        live.add_routes,
        live.add_verify,
        live.add_reload,
        live.add_maintenance,
        live.add_accept,
        recordings.add_replay,
        recordings.add_recording,
        local.add_demo,
        local.add_checks,
        local.add_explain,
        render.add_render,
    ):
        add(commands)
    return parser
