"""The commands that ask a running daemon: status, routes, verify, reload, maintenance and accept."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ermon.cli.shared import FINE, USAGE, WRONG, Commands, RefusedError, add_target, duration, target_of

if TYPE_CHECKING:
    from datetime import datetime

    from ermon.api.answers import WindowDoc
    from ermon.client.http import Client

T = TypeVar("T")


def add_status(commands: Commands) -> None:
    parser = commands.add_parser(
        "status",
        help="circuits, links, pools, feeds and findings of a running daemon",
        description="Shows the network as a running daemon sees it; the first line sums it up. Exit codes: 0 all is well; 1 a "
        "warning or critical finding is raised; 3 no daemon answers; 4 nothing is raised, but ermon cannot see everything, "
        "or a violation is noticed, in maintenance or draining.",
    )
    parser.add_argument("--all", action="store_true", help="also list healthy circuits, pools and feeds")
    parser.add_argument(
        "--watch",
        action="store_true",
        help="follow it live until Ctrl-C (exit code 130); if standard output is not a terminal, print a line for each change",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the API's answers; with --watch, one line for each event"
    )
    add_target(parser)
    parser.set_defaults(command=_status)


def _status(options: argparse.Namespace) -> int:
    if options.watch:
        from ermon.terminal.status import watch

        return _told(
            lambda: _until_terminated(
                watch(target_of(options), sys.stdout, json=options.json, everything=options.all)
            )
        )
    from ermon.terminal.status import show_status

    return asyncio.run(show_status(target_of(options), sys.stdout, json=options.json, everything=options.all))


async def _until_terminated(watching: Coroutine[Any, Any, None]) -> bool:
    """End on SIGTERM as on Ctrl-C, so that the terminal is restored."""
    task, loop = asyncio.ensure_future(watching), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
    return True


def add_routes(commands: Commands) -> None:
    parser = commands.add_parser(
        "routes",
        help="show the routes held for a prefix, an ASN, a community or a service, and the feeds without them",
        description="Searches a running daemon, like the search field of the status page. A prefix shows its routes, covering and more specific ones, with feed, link and attributes, and the feeds that do not have it. An ASN, a community or a service such as 'Exchange Online' shows the routes that carry it. A name shows the circuit, link, pool, router, uplink, feed, finding or check. Exit codes: 0 something is found; 1 no route is found; 2 the query is not a prefix, address, ASN, community or name.",
    )
    parser.add_argument(
        "query",
        metavar="QUERY",
        nargs="+",
        help="such as 192.0.2.0/26, 192.0.2.1, AS12076, 12076:5010, Exchange Online or isp-a",
    )
    parser.add_argument("--feed", metavar="F", help="only routes of this feed (default: all feeds)")
    parser.add_argument(
        "--match",
        choices=("exact", "covering", "longer", "all"),
        default="all",
        help="for a prefix: the prefix itself, covering (less specific) prefixes, or more specific ones (default: all)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the API's answers: for a prefix those of /api/v1/routes by match, else that of /api/v1/search",
    )
    add_target(parser)
    parser.set_defaults(command=_routes)


def _routes(options: argparse.Namespace) -> int:
    from ermon.terminal.routes import show_routes

    match = None if options.match == "all" else options.match
    query = " ".join(options.query)
    return _told(
        lambda: show_routes(
            target_of(options), query, sys.stdout, feed=options.feed, match=match, json=options.json
        )
    )


def _told(question: Callable[[], Coroutine[Any, Any, bool]]) -> int:
    """Run a question to a daemon. It prints its answer and returns whether all is well; return the exit code."""
    return FINE if asyncio.run(question()) else WRONG


def add_verify(commands: Commands) -> None:
    parser = commands.add_parser(
        "verify",
        help="run the acceptance test of a circuit",
        description="Tests with a running daemon whether a circuit meets its policy: sessions, prefixes, pools, and nothing "
        "leaked to the internet. Exit codes: 0 every step passes; 1 a step fails or is unknown or, with --before, "
        "something got worse.",
    )
    parser.add_argument("--circuit", metavar="C", help="only this circuit (default: every circuit)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON, to keep it")
    parser.add_argument("--before", type=Path, metavar="FILE", help="compare with an earlier --json report")
    parser.add_argument(
        "--azure",
        action="store_true",
        help="let the daemon read the tables of Microsoft's edge routers first, which takes minutes; it needs the right to make changes",
    )
    add_target(parser)
    parser.set_defaults(command=_verify)


def _verify(options: argparse.Namespace) -> int:
    from ermon.verify import verify

    return verify(
        target_of(options),
        options.circuit,
        json=options.json,
        before=options.before,
        azure=options.azure,
        out=sys.stdout,
        err=sys.stderr,
    )


RIGHTS = (
    "On the daemon's machine, root and the group ermon may make changes over its control socket. From elsewhere, changes "
    "need a daemon that was started with --web.enable-lifecycle, and a password or a verified client certificate."
)
"""Which users may change something, for the help of each command that changes something."""


def _ask(options: argparse.Namespace, question: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    """Run ``question`` with a client of the daemon that the flags name."""
    from ermon.client.http import Client

    async def ask() -> T:
        async with Client(target_of(options)) as client:
            return await question(client)

    return asyncio.run(ask())


def add_reload(commands: Commands) -> None:
    parser = commands.add_parser(
        "reload",
        help="make a running daemon reload its configuration",
        description="Does what SIGHUP does, and prints the result. An invalid configuration changes nothing. Exit codes: 0 the "
        "new configuration is in force; 2 it was refused, and all its errors are printed. " + RIGHTS,
    )
    add_target(parser)
    parser.set_defaults(command=_reload)


def _reload(options: argparse.Namespace) -> int:
    problems = _ask(options, lambda client: client.reload())
    print(*problems or ["configuration reloaded"], sep="\n", file=sys.stderr if problems else sys.stdout)
    return USAGE if problems else FINE


def add_accept(commands: Commands) -> None:
    parser = commands.add_parser(
        "accept",
        help="accept a new normal, such as a lower route count",
        description="Accepts the present level, the present paths, or a refused published list as correct from now on. The "
        "finding is cleared; the reason and your name stay in the history. " + RIGHTS,
    )
    parser.add_argument(
        "check",
        metavar="CHECK",
        help="prefix-count-low, service-count-low, advertised-count-low, drain or source-rejected",
    )
    parser.add_argument("--circuit", metavar="C", help="the circuit")
    parser.add_argument("--link", metavar="L", help="one link of the circuit (default: all)")
    parser.add_argument("--service", metavar="S", help="service-count-low: one service (default: all)")
    parser.add_argument(
        "--source", metavar="NAME", help="source-rejected: the name of the list in its finding"
    )
    parser.add_argument("--reason", required=True, metavar="TEXT")
    add_target(parser)
    parser.set_defaults(command=_accept)


def _accept(options: argparse.Namespace) -> int:
    from ermon.api.answers import AcceptedDoc
    from ermon.core.accepting import AcceptError, check_acceptable

    try:
        check_acceptable(options.check)
    except AcceptError as error:
        raise RefusedError(str(error)) from None
    asked = {name: getattr(options, name) for name in ("circuit", "link", "service", "source")}
    wanted = {name: value for name, value in asked.items() if value is not None}
    wanted |= {"check": options.check, "reason": options.reason}
    for accepted in _ask(options, lambda client: client.change("POST", "accept", list[AcceptedDoc], wanted)):
        about = " ".join(accepted.labels.values())
        print(f"{accepted.check} {about}: {accepted.because}; now {accepted.status}")
    return FINE


_PLACES = ("circuit", "link", "feed", "router", "uplink", "segment", "group")
"""What a window can be about."""


def add_maintenance(commands: Commands) -> None:
    parser = commands.add_parser(
        "maintenance",
        help="add, list and end maintenance windows of a running daemon",
        description="Violations that begin during a maintenance window are not raised. A window keeps the name of the user "
        "who added it. " + RIGHTS,
    )
    what = parser.add_subparsers(title="what", metavar="WHAT", required=True)
    add = what.add_parser(
        "add", help="add a window", description="Adds a window. It must have an end: --to or --for."
    )
    add.add_argument("--circuit", metavar="C")
    add.add_argument("--link", metavar="L", help="one link of the circuit")
    add.add_argument("--feed", metavar="F", help="a feed: covers the checks of ermon's own visibility")
    add.add_argument("--router", metavar="R", help="a router: covers its links and feeds")
    add.add_argument("--uplink", metavar="U", help="an uplink")
    add.add_argument("--segment", metavar="S", help="a segment")
    add.add_argument("--group", metavar="G", help="a group of circuits: covers the checks that compare them")
    add.add_argument(
        "--from", dest="starts", metavar="TIME", help="start, such as 2026-12-01T02:00:00Z (default: now)"
    )
    end = add.add_mutually_exclusive_group(required=True)
    end.add_argument("--to", dest="ends", metavar="TIME", help="end, such as 2026-12-01T04:00:00Z")
    end.add_argument(
        "--for", dest="duration", type=duration, metavar="DURATION", help="length, such as 90m or 2h"
    )
    add.add_argument("--reason", required=True, metavar="TEXT")
    add_target(add)
    add.set_defaults(command=_maintenance_add)
    listing = what.add_parser("list", help="list the windows", description="Lists the windows.")
    add_target(listing)
    listing.set_defaults(command=_maintenance_list)
    ending = what.add_parser(
        "end",
        help="end a window now",
        description="Ends a window that was added with `ermon maintenance add`.",
    )
    ending.add_argument("id", metavar="ID")
    add_target(ending)
    ending.set_defaults(command=_maintenance_end)


def _maintenance_add(options: argparse.Namespace) -> int:
    from datetime import UTC, datetime, timedelta

    from ermon.api.answers import WindowDoc

    starts = datetime.now(UTC) if options.starts is None else _moment("--from", options.starts)
    try:
        after = None if options.ends is not None else starts + timedelta(seconds=options.duration)
    except OverflowError:
        raise RefusedError("--for: the end is beyond the year 9999") from None
    ends = _moment("--to", options.ends) if after is None else after
    wanted = {name: value for name in _PLACES if (value := getattr(options, name)) is not None}
    wanted |= {"from": starts.isoformat(), "to": ends.isoformat(), "reason": options.reason}
    added = _ask(options, lambda client: client.change("POST", "maintenance", WindowDoc, wanted))
    return _show_windows(added)


def _moment(flag: str, text: str) -> datetime:
    from ermon.model.text import parse_timestamp

    try:
        return parse_timestamp(text)
    except ValueError as error:
        raise RefusedError(f"{flag}: {error}") from None


def _maintenance_list(options: argparse.Namespace) -> int:
    from ermon.api.answers import WindowDoc

    windows = _ask(options, lambda client: client.get("maintenance", list[WindowDoc]))
    if not windows:
        print("There are no maintenance windows.", file=sys.stderr)
    return _show_windows(*windows)


def _maintenance_end(options: argparse.Namespace) -> int:
    from ermon.api.answers import WindowDoc

    ended = _ask(options, lambda client: client.change("DELETE", f"maintenance/{options.id}", WindowDoc))
    return _show_windows(ended)


def _show_windows(*windows: WindowDoc) -> int:
    for window in windows:
        print(_window_line(window))
    return FINE


def _window_line(window: WindowDoc) -> str:
    from datetime import UTC, datetime

    from ermon.model.zones import moment
    from ermon.terminal.display import duration as span
    from ermon.terminal.display import instant

    now, starts, ends = datetime.now(UTC), instant(window.starts), instant(window.ends)
    about = ", ".join(f"{place} {name}" for place in _PLACES if (name := getattr(window, place)))
    state = "not active"
    if window.active:
        state = f"active, ends in {span(ends - now)}"
    elif starts > now:
        state = f"not active, begins in {span(starts - now)}"
    name = window.id or "(configuration)"
    by = f" (by {window.by})" if window.by else ""
    return f"{name:<16} {state}  {about}: {window.reason}{by}  {moment(starts)} to {moment(ends)}"
