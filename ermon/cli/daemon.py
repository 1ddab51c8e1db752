"""``ermon run``: the daemon."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from ermon.cli.shared import (
    FINE,
    UNREACHABLE,
    Commands,
    add_config_file,
    add_instance,
    add_web,
    byte_size,
    duration,
    instance_of,
    load_configs,
    web_options,
)
from ermon.exabgp.relay import BUFFER_LIMIT
from ermon.recording.files import Limits


def add_run(commands: Commands) -> None:
    parser = commands.add_parser(
        "run",
        help="run the daemon",
        description="Listens for BGP sessions of your routers, checks their routes, and serves the status page, the API and "
        "metrics. SIGHUP reloads the configuration; SIGTERM stops ermon.",
    )
    add_config_file(parser, "the configuration")
    add_instance(parser)
    add_web(parser)
    _add_runtime(parser)
    _add_storage(parser)
    _add_record(parser)
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


def _add_runtime(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runtime.path",
        dest="runtime",
        type=Path,
        metavar="DIR",
        help="folder for ExaBGP's files and for the control socket while ermon runs; commands then need --socket "
        "DIR/control.sock (default $RUNTIME_DIRECTORY, else a private temporary directory)",
    )
    parser.add_argument(  # for tests of what happens beyond it
        "--relay.buffer-limit",
        dest="relay_buffer_limit",
        type=int,
        default=BUFFER_LIMIT,
        help=argparse.SUPPRESS,
    )
    parser.add_argument(  # for tests of what happens after it
        "--exabgp.answer-limit",
        dest="answer_seconds",
        type=float,
        help=argparse.SUPPRESS,
    )


def _add_storage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--storage.path",
        dest="storage",
        type=Path,
        metavar="DIR",
        help="folder for what must survive a restart: findings, maintenance windows, published lists and baselines "
        "(default $STATE_DIRECTORY, else nothing survives)",
    )
    parser.add_argument(
        "--storage.retention",
        dest="retention",
        type=duration,
        default="90d",
        metavar="DURATION",
        help="how long cleared findings are kept (default 90d)",
    )


def _add_record(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--record.path",
        dest="record",
        type=Path,
        metavar="DIR",
        help="folder for recordings of all input, for `ermon replay` (default: no recording)",
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
        help="total size of the recordings; the oldest are deleted first (default 1GiB)",
    )
    parser.add_argument(  # for tests of many files
        "--record.file-bytes",
        dest="record_file_bytes",
        type=int,
        default=Limits().file_bytes,
        help=argparse.SUPPRESS,
    )


def _run(options: argparse.Namespace) -> int:
    from ermon.daemon import logs
    from ermon.daemon.build import Options, serve
    from ermon.daemon.service import StartError
    from ermon.daemon.systemd import ANSWER_SECONDS
    from ermon.exabgp.channel import ExaBGPError

    logs.configure(options.log_level, options.log_format)
    loaded, web = load_configs(options)
    loaded = loaded.of(instance_of(options))
    with ExitStack() as stack:
        runtime = options.runtime or _directory("RUNTIME_DIRECTORY")
        if runtime is None:
            runtime = stack.enter_context(tempfile.TemporaryDirectory(prefix="ermon-"))
        daemon = Options(
            config_file=options.config_file,
            runtime=Path(runtime),
            **web_options(options, tls=web.tls is not None),
            instance=instance_of(options),
            storage=options.storage or _directory("STATE_DIRECTORY"),
            retention_seconds=options.retention,
            record=options.record,
            record_limits=Limits(
                retention=options.record_retention,
                size=options.record_size,
                file_bytes=options.record_file_bytes,
            ),
            relay_buffer_limit=options.relay_buffer_limit,
            answer_seconds=options.answer_seconds or ANSWER_SECONDS,
        )
        failures: list[str] = []
        try:
            asyncio.run(serve(daemon, loaded))
        except* (StartError, ExaBGPError) as group:
            failures = [str(error) for error in group.exceptions]
        for failure in failures:
            print(f"ermon: {failure}", file=sys.stderr)
    return UNREACHABLE if failures else FINE


def _directory(variable: str) -> Path | None:
    """Return the directory that systemd made for ermon, the first if there are several."""
    value = os.environ.get(variable, "").split(":")[0]
    return Path(value) if value else None
