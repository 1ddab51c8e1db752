"""``ermon run``: the daemon."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from ermon.cli.exits import DEFAULT_LISTEN_ADDRESS, FINE, UNREACHABLE, USAGE, Commands
from ermon.exabgp.relay import BUFFER_LIMIT


def add_run(commands: Commands) -> None:
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
    from ermon.options import Options, StartError

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
        daemon = Options(
            config_file=options.config_file,
            listen=tuple(options.listen or [_listen_address(DEFAULT_LISTEN_ADDRESS)]),
            runtime=Path(runtime),
            lifecycle=options.lifecycle,
            storage=options.storage or _directory("STATE_DIRECTORY"),
            relay_buffer_limit=options.relay_buffer_limit,
        )
        failures: list[str] = []
        try:
            asyncio.run(service.serve(daemon, loaded))
        except* (StartError, ExaBGPError) as group:
            failures = [str(error) for error in group.exceptions]
        for failure in failures:
            print(f"ermon: {failure}", file=sys.stderr)
    return UNREACHABLE if failures else FINE


def _directory(variable: str) -> Path | None:
    """Return the directory that systemd made for us, the first where there are several."""
    value = os.environ.get(variable, "").split(":")[0]
    return Path(value) if value else None
