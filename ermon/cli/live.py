"""The commands that ask a running daemon: verify and maintenance."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ermon.cli.exits import FINE, UNREACHABLE, USAGE, Commands, duration
from ermon.cli.web import add_target, target_of

if TYPE_CHECKING:
    from ermon.client import Target


def add_verify(commands: Commands) -> None:
    parser = commands.add_parser(
        "verify",
        help="the acceptance test of a circuit",
        description="Asks a running daemon whether a circuit is as its policy wants it: sessions, prefixes, pools, "
        "and nothing on the internet. Exit 0 when every step passes, 1 when one fails or is unknown or, with "
        "--before, something got worse.",
    )
    parser.add_argument("--circuit", metavar="C", help="default: every circuit")
    parser.add_argument("--json", action="store_true", help="a report to keep")
    parser.add_argument("--before", type=Path, metavar="FILE", help="compare with an earlier --json report")
    add_target(parser)
    parser.set_defaults(command=_verify)


def _verify(options: argparse.Namespace) -> int:
    from ermon.client import UsageError
    from ermon.verify import verify

    try:
        target = target_of(options)
    except UsageError as error:
        print(f"ermon: {error}", file=sys.stderr)
        return USAGE
    return verify(
        target,
        options.circuit,
        json=options.json,
        before=options.before,
        out=sys.stdout,
        err=sys.stderr,
    )


def add_maintenance(commands: Commands) -> None:
    parser = commands.add_parser(
        "maintenance",
        help="add, list and end maintenance windows of a running daemon",
        description="While a window is open, what begins under it is not raised. Changes need a daemon that was "
        "started with --web.enable-lifecycle, and are taken from its own machine, or with a password or a certificate.",
    )
    what = parser.add_subparsers(title="what", metavar="WHAT", required=True)
    add = what.add_parser("add", help="add a window", description="Adds a window; it must have an end.")
    add.add_argument("--circuit", metavar="C")
    add.add_argument("--link", metavar="L", help="one link of the circuit")
    add.add_argument("--feed", metavar="F", help="a feed: covers what ermon says of its own sight")
    add.add_argument(
        "--from", dest="starts", metavar="TIME", help="RFC 3339, such as 2026-12-01T02:00:00Z (now)"
    )
    end = add.add_mutually_exclusive_group(required=True)
    end.add_argument("--to", dest="ends", metavar="TIME", help="RFC 3339")
    end.add_argument("--for", dest="duration", type=duration, metavar="DURATION", help="such as 90m or 2h")
    add.add_argument("--reason", required=True, metavar="TEXT")
    add_target(add)
    add.set_defaults(command=_maintenance_add)
    listing = what.add_parser("list", help="list the windows", description="Lists the windows.")
    add_target(listing)
    listing.set_defaults(command=_maintenance_list)
    ending = what.add_parser("end", help="end a window now", description="Ends a window that was added.")
    ending.add_argument("id", metavar="ID")
    add_target(ending)
    ending.set_defaults(command=_maintenance_end)


def _maintenance_add(options: argparse.Namespace) -> int:
    from datetime import UTC, datetime, timedelta

    from ermon.maintenance_client import add_window

    try:
        starts = datetime.now(UTC) if options.starts is None else datetime.fromisoformat(options.starts)
    except ValueError:
        print(f"ermon: --from {options.starts!r} is not a time such as 2026-12-01T02:00:00Z", file=sys.stderr)
        return USAGE
    ends = options.ends or (starts + timedelta(seconds=options.duration)).isoformat()
    about = {"circuit": options.circuit, "link": options.link, "feed": options.feed}
    wanted = {name: value for name, value in about.items() if value is not None}
    wanted |= {"from": starts.isoformat(), "to": ends, "reason": options.reason}
    return _ask(options, lambda target: add_window(target, wanted))


def _maintenance_list(options: argparse.Namespace) -> int:
    from ermon.maintenance_client import list_windows

    return _ask(options, list_windows)


def _maintenance_end(options: argparse.Namespace) -> int:
    from ermon.maintenance_client import end_window

    return _ask(options, lambda target: end_window(target, options.id))


def _ask(options: argparse.Namespace, question: Callable[[Target], Coroutine[Any, Any, object]]) -> int:
    """Ask a running daemon, and print its answer: one thing, or several a line each."""
    from ermon.client import UnreachableError, UsageError

    try:
        answer = asyncio.run(question(target_of(options)))
    except UsageError as error:
        print(f"ermon: {error}", file=sys.stderr)
        return USAGE
    except UnreachableError as error:
        print(f"ermon: {error}", file=sys.stderr)
        return UNREACHABLE
    for line in answer if isinstance(answer, list) else [answer]:
        print(line)
    return FINE
