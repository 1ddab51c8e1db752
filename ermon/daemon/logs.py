"""Structured logs: readable lines on a terminal, JSON lines otherwise.

Lines for systemd's journal begin with their priority, such as ``<3>``, which the journal removes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from ermon.checks.sharding import Instance
from ermon.config.lints import lint
from ermon.config.load import LoadedConfig
from ermon.model.findings import Transition, TransitionState
from ermon.model.settings import Severity

LEVELS = ("debug", "info", "warning", "error")
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""The priorities of syslog(3), by structlog's names of levels."""
_RAISED_LEVEL = {Severity.CRITICAL: "error", Severity.WARNING: "warning", Severity.INFO: "info"}


def configure(level: str, log_format: str | None) -> None:
    """Write logs to standard error; ``log_format`` is ``json`` or ``console``, ``None`` chooses by the kind of output."""
    console = log_format == "console" or (log_format is None and sys.stderr.isatty())
    threshold = getattr(logging, level.upper())
    renderer: structlog.typing.Processor
    if console:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    else:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    if _is_journal():
        renderer = _prioritized(renderer)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: _Line(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # aiohttp and asyncio log with the standard library; their messages must not get lost.
    logging.basicConfig(level=max(threshold, logging.WARNING), handlers=[_Forward()], force=True)


class _Line(structlog.WriteLogger):
    """Writes lines and ignores errors: a full disk or a closed pipe loses lines of the log, but must not stop ermon."""

    def msg(self, message: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: the file is closed
            super().msg(message)

    # structlog calls the method that is named after the level. WriteLogger's methods are aliases of its own `msg`,
    # so without these aliases `msg` above would never be called.
    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


def _is_journal() -> bool:
    """Return whether standard error goes straight to the journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        stream = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):  # closed, or not a file
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stream.st_dev}:{stream.st_ino}"


def _prioritized(render: structlog.typing.Processor) -> structlog.typing.Processor:
    """Put the priority before every line (sd-daemon(3))."""

    def rendered(logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        priority = f"<{_PRIORITIES[event['level']]}>"
        return "\n".join(priority + line for line in str(render(logger, method, event)).split("\n"))

    return rendered


def log_transition(log: structlog.typing.FilteringBoundLogger, transition: Transition) -> None:
    """Log that a finding was raised, at the level of its severity, or cleared."""
    finding = transition.finding
    raised = transition.state is TransitionState.RAISED
    lasted = (
        {} if finding.ended_at is None else {"lasted_seconds": round(finding.ended_at - finding.since, 3)}
    )
    getattr(log, _RAISED_LEVEL[finding.severity] if raised else "info")(
        "finding raised" if raised else "finding cleared",
        check=finding.check,
        severity=str(finding.severity),
        summary=finding.summary,
        **finding.labels,
        evidence=finding.evidence,
        **lasted,
    )


def log_notes(
    log: structlog.typing.FilteringBoundLogger, loaded: LoadedConfig, instance: Instance, now: float
) -> None:
    """Log likely mistakes in the configuration and in the instance's flags, and weaknesses of the inventory."""
    for mistake in instance.mistakes(loaded.config):
        log.warning("configuration", problem=mistake)
    for found in lint(loaded, now):
        write = log.warning if found.counts and found.name == "no-effect" else log.info
        write("design note", problem=str(found))


class _Forward(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger().bind(logger=record.name)
        log.log(record.levelno, record.getMessage(), exc_info=record.exc_info)
