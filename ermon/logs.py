"""Logs: names and keys; for people on a terminal, JSON lines otherwise."""

from __future__ import annotations

import logging
import sys

import structlog

from ermon.inventory import Severity
from ermon.model import Transition, TransitionState

LEVELS = ("debug", "info", "warning", "error")
_RAISED_LEVEL = {Severity.CRITICAL: "error", Severity.WARNING: "warning", Severity.INFO: "info"}


def configure(level: str, log_format: str | None) -> None:
    """Write logs to standard error; ``log_format`` is ``json`` or ``console``, ``None`` for what fits."""
    console = log_format == "console" or (log_format is None and sys.stderr.isatty())
    threshold = getattr(logging, level.upper())
    renderer: structlog.typing.Processor
    if console:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    else:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # aiohttp and asyncio log by the standard library; what they have to say must not get lost.
    logging.basicConfig(level=max(threshold, logging.WARNING), handlers=[_Forward()], force=True)


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


class _Forward(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger().bind(logger=record.name)
        log.log(record.levelno, record.getMessage(), exc_info=record.exc_info)
