"""The commands: each parses, calls one function, prints.

Exit codes: 0 fine, 1 something is wrong with the network (or worth a look in the file), 2 wrong usage or
invalid file, 3 something needed is unreachable, 70 a bug.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from ermon import __version__
from ermon.exabgp.relay import BUFFER_LIMIT

FINE, WRONG, USAGE, UNREACHABLE, BUG = 0, 1, 2, 3, 70

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  # it has no public name

DEFAULT_LISTEN_ADDRESS = "127.0.0.1:10179"


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        code = options.command(options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output has seen enough; Python must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except Exception:  # noqa: BLE001  # whatever gets here is a bug, and is to be seen as one
        traceback.print_exc()
        print("This is a bug in ermon. Please report it with the lines above.", file=sys.stderr)
        return BUG
    return int(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ermon",
        description="Watches the BGP routes around Azure ExpressRoute circuits, live, from your side.",
        epilog="Exit codes: 0 fine; 1 something is wrong with the network; 2 wrong usage or invalid file; "
        "3 something needed is unreachable; 70 a bug.",
    )
    parser.add_argument("--version", action="version", version=f"ermon {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (
        _add_run,
        _add_check,
        _add_test,
        _add_verify,
        _add_maintenance,
        _add_replay,
        _add_demo,
        _add_checks,
        _add_explain,
        _add_render,
    ):
        add(commands)
    return parser


# run ---------------------------------------------------------------------------------------------------


def _add_run(commands: _Commands) -> None:
    parser = commands.add_parser(
        "run",
        help="the daemon",
        description="Listens for your routers' BGP sessions, checks what they send, and serves findings, "
        "metrics and the API. SIGHUP reloads the configuration; SIGTERM stops.",
    )
    parser.add_argument(
        "--config.file",
        dest="config_file",
        type=Path,
        required=True,
        metavar="FILE",
        help="the configuration",
    )
    parser.add_argument(
        "--web.listen-address",
        dest="listen",
        type=_listen_address,
        action="append",
        metavar="HOST:PORT",
        help=f"where the API, the metrics and the page are served; may be repeated "
        f"(default {DEFAULT_LISTEN_ADDRESS})",
    )
    parser.add_argument(
        "--web.enable-lifecycle",
        dest="lifecycle",
        action="store_true",
        help="allow POST /-/reload",
    )
    parser.add_argument(
        "--runtime.path",
        dest="runtime",
        type=Path,
        metavar="DIR",
        help="where ExaBGP's files and sockets are kept while ermon runs "
        "(default $RUNTIME_DIRECTORY, else a private temporary directory)",
    )
    parser.add_argument(  # for tests of what happens beyond it
        "--relay.buffer-limit",
        dest="relay_buffer_limit",
        type=int,
        default=BUFFER_LIMIT,
        help=argparse.SUPPRESS,
    )
    parser.add_argument(
        "--storage.path",
        dest="storage",
        type=Path,
        metavar="DIR",
        help="where published lists are kept over a restart (default $STATE_DIRECTORY, else nothing is kept)",
    )
    parser.add_argument(
        "--log.level", dest="log_level", choices=("debug", "info", "warning", "error"), default="info"
    )
    parser.add_argument(
        "--log.format",
        dest="log_format",
        choices=("json", "console"),
        help="default: console on a terminal, json otherwise",
    )
    parser.set_defaults(command=_run)


def _listen_address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:10179 or [::1]:10179")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _run(options: argparse.Namespace) -> int:
    from ermon import logs, service
    from ermon.checks.catalogue import BUILT_CHECKS
    from ermon.config import ConfigError, load_config
    from ermon.exabgp.channel import ExaBGPError

    logs.configure(options.log_level, options.log_format)
    try:
        loaded = load_config(options.config_file, built_checks=BUILT_CHECKS)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return USAGE
    with ExitStack() as stack:
        runtime = options.runtime or _directory("RUNTIME_DIRECTORY")
        if runtime is None:
            runtime = stack.enter_context(tempfile.TemporaryDirectory(prefix="ermon-"))
        daemon = service.Options(
            config_file=options.config_file,
            listen=tuple(options.listen or [_listen_address(DEFAULT_LISTEN_ADDRESS)]),
            runtime=Path(runtime),
            lifecycle=options.lifecycle,
            relay_buffer_limit=options.relay_buffer_limit,
        )
        failures: list[str] = []
        try:
            asyncio.run(service.serve(daemon, loaded))
        except* (service.StartError, ExaBGPError) as group:
            failures = [str(error) for error in group.exceptions]
        for failure in failures:
            print(f"ermon: {failure}", file=sys.stderr)
    return UNREACHABLE if failures else FINE


def _directory(variable: str) -> Path | None:
    """Return the directory that systemd made for us, the first where there are several."""
    value = os.environ.get(variable, "").split(":")[0]
    return Path(value) if value else None


# check -------------------------------------------------------------------------------------------------


def _add_check(commands: _Commands) -> None:
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


# test --------------------------------------------------------------------------------------------------


def _add_test(commands: _Commands) -> None:
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


# verify, maintenance: of a running daemon ----------------------------------------------------------------


def _add_url(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url",
        default=f"http://{DEFAULT_LISTEN_ADDRESS}",
        help="where the daemon is (default http://127.0.0.1:10179)",
    )


def _add_verify(commands: _Commands) -> None:
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
    _add_url(parser)
    parser.set_defaults(command=_verify)


def _verify(options: argparse.Namespace) -> int:
    from ermon.verify import verify

    return verify(
        options.url,
        options.circuit,
        json=options.json,
        before=options.before,
        out=sys.stdout,
        err=sys.stderr,
    )


def _add_maintenance(commands: _Commands) -> None:
    parser = commands.add_parser(
        "maintenance",
        help="add, list and end maintenance windows of a running daemon",
        description="While a window is open, what begins under it is not raised. Changes need a daemon that was "
        "started with --web.enable-lifecycle, and are taken from its own machine only.",
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
    end.add_argument("--for", dest="duration", type=_duration, metavar="DURATION", help="such as 90m or 2h")
    add.add_argument("--reason", required=True, metavar="TEXT")
    _add_url(add)
    add.set_defaults(command=_maintenance_add)
    listing = what.add_parser("list", help="list the windows", description="Lists the windows.")
    _add_url(listing)
    listing.set_defaults(command=_maintenance_list)
    ending = what.add_parser("end", help="end a window now", description="Ends a window that was added.")
    ending.add_argument("id", metavar="ID")
    _add_url(ending)
    ending.set_defaults(command=_maintenance_end)


def _duration(text: str) -> float:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    if text[:-1].isdecimal() and text[-1] in units and int(text[:-1]) > 0:
        return float(int(text[:-1]) * units[text[-1]])
    raise argparse.ArgumentTypeError(f"{text!r} is not a duration, such as 90m or 2h")


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
    return _ask(lambda: add_window(options.url, wanted))


def _maintenance_list(options: argparse.Namespace) -> int:
    from ermon.maintenance_client import list_windows

    return _ask(lambda: list_windows(options.url))


def _maintenance_end(options: argparse.Namespace) -> int:
    from ermon.maintenance_client import end_window

    return _ask(lambda: end_window(options.url, options.id))


def _ask(question: Callable[[], Coroutine[Any, Any, object]]) -> int:
    """Ask a running daemon, and print its answer: one thing, or several a line each."""
    from ermon.client import UnreachableError, UsageError

    try:
        answer = asyncio.run(question())
    except UsageError as error:
        print(f"ermon: {error}", file=sys.stderr)
        return USAGE
    except UnreachableError as error:
        print(f"ermon: {error}", file=sys.stderr)
        return UNREACHABLE
    for line in answer if isinstance(answer, list) else [answer]:
        print(line)
    return FINE


# replay ------------------------------------------------------------------------------------------------


def _add_replay(commands: _Commands) -> None:
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

    def reject(number: int, rejected: Rejected) -> None:
        print(f"{options.events}:{number}: skipped: {rejected.reason}: {rejected.detail}", file=sys.stderr)

    try:
        loaded = load_config(options.config_file)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return USAGE
    replay = Replay(loaded.config, reject)
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


# demo --------------------------------------------------------------------------------------------------


def _add_demo(commands: _Commands) -> None:
    parser = commands.add_parser(
        "demo",
        help="a whole network on loopback, and a NAT pool leak caught",
        description="Runs a small company on loopback: real BGP speakers as its edge routers, a real ermon, and "
        "a story of a leak, a lost link and a lost circuit. Needs no root and no file.",
    )
    parser.add_argument("--hold", action="store_true", help="keep it up for a browser until Ctrl-C")
    parser.add_argument("--omit-leak", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(command=_demo)


def _demo(options: argparse.Namespace) -> int:
    from ermon.demo import run_demo

    return run_demo(hold=options.hold, omit_leak=options.omit_leak)


# checks, explain ---------------------------------------------------------------------------------------


def _add_checks(commands: _Commands) -> None:
    parser = commands.add_parser(
        "checks", help="list the checks", description="Lists everything that ermon can find."
    )
    parser.add_argument("--markdown", action="store_true", help="as a table in Markdown")
    parser.set_defaults(command=_checks)


def _checks(options: argparse.Namespace) -> int:
    from ermon.checks.catalogue import CATALOGUE, OFF_BY_DEFAULT, Section
    from ermon.checks.explain import markdown_table
    from ermon.checks.guide import GUIDE

    if options.markdown:
        print(markdown_table())
        return FINE
    for section in Section:
        print(f"\n{section}")
        for check in CATALOGUE.values():
            if check.section is section:
                note = ""
                if check.subjects is None:
                    note = " (not judged by this version)"
                elif check.name in OFF_BY_DEFAULT:
                    note = " (off unless switched on)"
                print(f"  {check.name:<26}{check.severity:<10}{GUIDE[check.name].title}{note}")
    print("\nermon explain CHECK tells what a check means and what to do.")
    return FINE


def _add_explain(commands: _Commands) -> None:
    parser = commands.add_parser(
        "explain",
        help="what a check means, and what to do",
        description="Explains a check: what it means, what it needs, what to do when it is raised, and where the "
        "rule comes from.",
    )
    parser.add_argument("check", metavar="CHECK", help="a name of `ermon checks`")
    parser.set_defaults(command=_explain)


def _explain(options: argparse.Namespace) -> int:
    import difflib

    from ermon.checks.catalogue import CATALOGUE
    from ermon.checks.explain import explain

    if options.check not in CATALOGUE:
        near = difflib.get_close_matches(options.check, CATALOGUE, n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        print(
            f"ermon: there is no check {options.check!r}.{hint} `ermon checks` lists them.", file=sys.stderr
        )
        return USAGE
    print(explain(CATALOGUE[options.check]))
    return FINE


# render ------------------------------------------------------------------------------------------------


def _add_render(commands: _Commands) -> None:
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
