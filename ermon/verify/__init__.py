"""``ermon verify``: the acceptance test of a circuit, from a running daemon.

A circuit is accepted when every step passes. Unknown is never a pass, because what ermon could not see was not tested.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TextIO

import msgspec

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import NotTested
from ermon.client.target import Target, UnreachableError, UsageError
from ermon.model.text import printable
from ermon.verify.ask import Snapshot, ask_azure, take_snapshot
from ermon.verify.circuit import CircuitFacts
from ermon.verify.report import (
    OtherFinding,
    Outcome,
    Report,
    ReportError,
    compare,
    load_report,
    to_json,
    worst,
)
from ermon.verify.steps import judge
from ermon.verify.text import Sheet

__all__ = ["verify"]

ACCEPTED, NOT_ACCEPTED, USAGE, UNREACHABLE = 0, 1, 2, 3


def verify(
    target: Target,
    circuit: str | None,
    *,
    json: bool,
    before: Path | None,
    azure: bool = False,
    out: TextIO,
    err: TextIO,
) -> int:
    """Test one circuit, or all of them, and print the report; return the exit code. With ``azure``, the daemon first reads the
    tables of Microsoft's edge routers.

    - 0: every step passes.
    - 1: a step fails or is unknown or, compared with the report in ``before``, something got worse: a step has a worse
      outcome, or is missing.
    - 2: wrong usage: the daemon or the earlier report does not know the circuit, or the earlier report cannot be read.
    - 3: no ermon responds there as it should.
    """
    try:
        earlier = _earlier(before, circuit) if before is not None else None
        if azure:
            asyncio.run(ask_azure(target, circuit, lambda text: _say(err, text)))
        snapshot = asyncio.run(take_snapshot(target, circuit))
    except (UsageError, ReportError) as error:
        err.write(f"ermon: {printable(str(error))}\n")
        return USAGE
    except UnreachableError as error:
        err.write(f"ermon: {printable(str(error))}\n")
        return UNREACHABLE
    report = make_report(snapshot, circuit, earlier)
    if json:
        out.write(to_json(report))
    else:
        Sheet(out).write(report)
    got_worse = report.comparison is not None and report.comparison.worse
    return ACCEPTED if report.status is Outcome.PASS and not got_worse else NOT_ACCEPTED


def _say(err: TextIO, text: str) -> None:
    err.write(f"ermon: {printable(text)}\n")
    err.flush()


def make_report(snapshot: Snapshot, circuit: str | None, earlier: Report | None = None) -> Report:
    """Make the report of one circuit, or of all of them, from a daemon's snapshot."""
    names = [circuit] if circuit is not None else list(snapshot.status.circuits)
    circuits = tuple(judge(CircuitFacts(snapshot, name)) for name in names)
    others = tuple(
        OtherFinding(found.check, found.severity, found.labels, found.summary)
        for found in snapshot.findings
        if _is_not_tested(found.check)
    )
    report = Report(
        version=snapshot.status.version,
        time=snapshot.status.time,
        url=snapshot.url,
        status=worst(found.status for found in circuits),
        circuits=circuits,
        other_findings=others,
        maintenance=snapshot.status.maintenance,
    )
    if earlier is None:
        return report
    return msgspec.structs.replace(report, comparison=compare(earlier, report, circuit))


def _is_not_tested(name: str) -> bool:
    """Return whether a check is deliberately not part of the test of a circuit."""
    check = CATALOGUE.get(name)
    return check is not None and isinstance(check.acceptance, NotTested)


def _earlier(file: Path, circuit: str | None) -> Report:
    report = load_report(file)
    if circuit is not None and all(found.circuit != circuit for found in report.circuits):
        known = ", ".join(found.circuit for found in report.circuits) or "none"
        raise ReportError(f"{file}: says nothing of circuit {circuit!r}, only of {known}")
    return report
