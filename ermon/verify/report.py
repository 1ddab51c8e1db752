"""The report of an acceptance test: what ``ermon verify --json`` prints, and what ``--before`` reads.

The schema is stable: keys are added, never renamed, and ``schema`` changes when one has to go.
Times are RFC 3339 in UTC, as the daemon gave them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import msgspec

from ermon.model.prefixes import Family

MAX_REPORT_BYTES = 256 * 1024 * 1024
"""Fifty circuits with ten thousand prefixes on every link are half of it."""


class Outcome(StrEnum):
    """``fail``: proven wrong. ``unknown``: ermon cannot tell; never as good as a pass."""

    PASS = "pass"  # noqa: S105  # what a step does, not what a user types
    FAIL = "fail"
    UNKNOWN = "unknown"


_FROM_BAD_TO_GOOD = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.PASS)


def rank(outcome: Outcome) -> int:
    """Return a higher number for a better outcome."""
    return _FROM_BAD_TO_GOOD.index(outcome)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of them; of nothing at all, nothing is known."""
    return min(outcomes, key=rank, default=Outcome.UNKNOWN)


class Proof(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that a step looked at."""

    status: Outcome
    text: str
    check: str | None = None
    """The check of the catalogue that answered, if it was one."""
    labels: Mapping[str, str] = {}
    details: Mapping[str, Any] = {}
    """Routers, prefixes, numbers; the evidence of the finding, where one is raised."""

    @property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...], Outcome]:
        """The same for the same thing in two reports."""
        return (self.check or self.text, tuple(sorted(self.labels.items())), self.status)


class Step(msgspec.Struct, frozen=True):
    id: str
    title: str
    """What is asked, as a statement that a pass affirms."""
    status: Outcome
    summary: str
    evidence: tuple[Proof, ...]


class Prefixes(msgspec.Struct, frozen=True):
    """The prefixes of one family on a link, sorted."""

    complete: bool
    """Nothing is missing from the list; only then does its silence prove anything."""
    prefixes: tuple[str, ...]


class LinkReport(msgspec.Struct, frozen=True):
    router: str
    received: Mapping[Family, Prefixes]
    """By family: what Microsoft sends us."""
    advertised: Mapping[Family, Prefixes]
    """By family: what we send Microsoft."""


class CircuitReport(msgspec.Struct, frozen=True):
    circuit: str
    peering: str
    location: str
    status: Outcome
    steps: tuple[Step, ...]
    not_asked: tuple[str, ...]
    """Checks that could judge this circuit and that the configuration does not ask."""
    links: Mapping[str, LinkReport]


class OtherFinding(msgspec.Struct, frozen=True):
    """A raised finding that is no part of the test of a circuit."""

    check: str
    severity: str
    labels: Mapping[str, str]
    summary: str


Change = Literal["better", "worse", "different", "new", "gone"]
Direction = Literal["received", "advertised"]


class StepChange(msgspec.Struct, frozen=True):
    id: str
    title: str
    change: Change
    before: Outcome | None
    after: Outcome | None
    solved: tuple[str, ...] = ()
    """What was wrong or unknown before, and is no longer."""
    added: tuple[str, ...] = ()
    """What is wrong or unknown now, and was not before."""


class PrefixChange(msgspec.Struct, frozen=True):
    """What came and went on one link, in one direction and family."""

    link: str
    direction: Direction
    family: Family
    complete: bool
    """Both lists were complete; otherwise a prefix may only seem to be new or gone."""
    gone: tuple[str, ...]
    new: tuple[str, ...]


class CircuitChange(msgspec.Struct, frozen=True):
    circuit: str
    change: Literal["same", "changed", "new", "gone"]
    steps: tuple[StepChange, ...] = ()
    prefixes: tuple[PrefixChange, ...] = ()


class Comparison(msgspec.Struct, frozen=True):
    """What changed since an earlier report."""

    before: str
    """When that was made."""
    worse: bool
    circuits: tuple[CircuitChange, ...]


class Report(msgspec.Struct, frozen=True):
    version: str
    """Of the daemon."""
    time: str
    url: str
    status: Outcome
    circuits: tuple[CircuitReport, ...]
    other_findings: tuple[OtherFinding, ...] = ()
    comparison: Comparison | None = None
    schema: Literal["ermon-verify/1"] = "ermon-verify/1"


class ReportError(Exception):
    """A file is no report; says which, and what is wrong with it."""


def to_json(report: Report) -> str:
    """Write a report; in ASCII, so that it survives every terminal and mail."""
    values = msgspec.to_builtins(report)
    return json.dumps({"schema": values.pop("schema"), **values}, indent=2) + "\n"


def load_report(file: Path) -> Report:
    """Read what ``to_json`` wrote; raises ``ReportError``."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_REPORT_BYTES + 1)
    except OSError as error:
        raise ReportError(f"{file}: cannot be read: {error.strerror}") from None
    if not content.strip():
        raise ReportError(f"{file}: is empty; did its own shell redirection truncate it?")
    if len(content) > MAX_REPORT_BYTES:
        raise ReportError(
            f"{file}: is longer than {MAX_REPORT_BYTES} bytes, and so is no report of ermon verify"
        )
    try:
        return msgspec.json.decode(content, type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ReportError(f"{file}: is no report of `ermon verify --json`: {error}") from None
