"""The report of an acceptance test: what ``ermon verify --json`` prints, and what ``--before`` reads.

The schema is stable: keys are added, never renamed, and ``schema`` changes when a key is removed.
Times are RFC 3339 in UTC, as the daemon sent them. ``compare`` returns what changed between two reports: for each
step, and for each prefix on every link.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import msgspec

from ermon.api.status import QuietDoc
from ermon.model.prefixes import FAMILY_NAMES, Family, parse_prefix

MAX_REPORT_BYTES = 256 * 1024 * 1024
"""Fifty circuits with ten thousand prefixes on every link take half of it."""


class Outcome(StrEnum):
    """The outcome of a step. ``fail``: proven wrong. ``unknown``: ermon could not see it, which is never a pass."""

    PASS = "pass"  # noqa: S105  # the outcome of a step, not a password
    FAIL = "fail"
    UNKNOWN = "unknown"


_FROM_BAD_TO_GOOD = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.PASS)


def rank(outcome: Outcome) -> int:
    """Return a higher number for a better outcome."""
    return _FROM_BAD_TO_GOOD.index(outcome)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of the outcomes; unknown if there are none."""
    return min(outcomes, key=rank, default=Outcome.UNKNOWN)


def in_words(labels: Mapping[str, str]) -> Iterator[str]:
    """Yield the values of labels as people write them: IPv4, not ipv4."""
    for name, value in labels.items():
        yield FAMILY_NAMES.get(value, value) if name == "family" else value


class Proof(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that a step looked at, with its outcome."""

    status: Outcome
    text: str
    check: str | None = None
    """The check of the catalogue that was read; ``None``: the state itself was."""
    labels: Mapping[str, str] = {}
    details: Mapping[str, Any] = {}
    """Routers, prefixes, numbers; the evidence of the finding, if one is raised."""

    @property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...], Outcome]:
        """Equal for the same thing in two reports."""
        return (self.check or self.text, tuple(sorted(self.labels.items())), self.status)


class Step(msgspec.Struct, frozen=True):
    id: str
    title: str
    """A statement that is true if the step passes."""
    status: Outcome
    summary: str
    evidence: tuple[Proof, ...]


class Prefixes(msgspec.Struct, frozen=True):
    """The prefixes of one family on a link, sorted."""

    complete: bool
    """Whether the list is complete. Only then does it prove that a prefix is absent."""
    prefixes: tuple[str, ...]


class ProcedureStep(msgspec.Struct, frozen=True):
    """One step of Microsoft's own test procedure for NAT pools on Microsoft peering."""

    number: int
    title: str
    status: Outcome | None
    """The worst outcome of the steps of this report that test it, or what Azure's ARP tables say of the first step; ``None``:
    ermon does not see it, and another tool must."""
    text: str
    """What was checked, or which tool shows it and how its result is joined with ermon's."""
    eyes: tuple[str, ...] = ()
    """What it was seen by: feeds, routers' own reports, Azure."""
    steps: tuple[str, ...] = ()
    """The steps of this report that test it, by ``id``."""


class LinkReport(msgspec.Struct, frozen=True):
    router: str
    received: Mapping[Family, Prefixes]
    """By family: what the link receives from Microsoft."""
    advertised: Mapping[Family, Prefixes]
    """By family: what the link advertises to Microsoft."""


class CircuitReport(msgspec.Struct, frozen=True):
    circuit: str
    peering: str
    location: str
    status: Outcome
    steps: tuple[Step, ...]
    not_asked: tuple[str, ...]
    """Checks that could judge this circuit, but that the configuration does not use."""
    links: Mapping[str, LinkReport]
    blinded_by: str | None = None
    """Why all steps are unknown, if there is a common reason."""
    procedure: tuple[ProcedureStep, ...] = ()
    """Microsoft's own test procedure, in its order; empty for a circuit without Microsoft peering or without pools."""


class OtherFinding(msgspec.Struct, frozen=True):
    """A raised finding that is not part of the test of a circuit."""

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
    """What was wrong or unknown before, and is not any more."""
    added: tuple[str, ...] = ()
    """What is wrong or unknown now, and was not before."""


class PrefixChange(msgspec.Struct, frozen=True):
    """The new and missing prefixes of one link, in one direction and family."""

    link: str
    direction: Direction
    family: Family
    complete: bool
    """Whether both lists were complete. Otherwise a prefix may only seem to be new or missing."""
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
    """The time of the earlier report."""
    worse: bool
    circuits: tuple[CircuitChange, ...]


class Report(msgspec.Struct, frozen=True):
    version: str
    """The daemon's version."""
    time: str
    url: str
    status: Outcome
    circuits: tuple[CircuitReport, ...]
    other_findings: tuple[OtherFinding, ...] = ()
    comparison: Comparison | None = None
    maintenance: tuple[QuietDoc, ...] = ()
    """The open windows and the exceptions in force. A violation that they suppress still fails its step."""
    schema: Literal["ermon-verify/1"] = "ermon-verify/1"


class ReportError(Exception):
    """A file is not a report; the text says which, and what is wrong with it."""


def to_json(report: Report) -> str:
    """Return a report as JSON, in ASCII, so that it survives every terminal and mail program."""
    values = msgspec.to_builtins(report)
    return json.dumps({"schema": values.pop("schema"), **values}, indent=2) + "\n"


def load_report(file: Path) -> Report:
    """Read a report that ``to_json`` wrote; raises ``ReportError``."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_REPORT_BYTES + 1)
    except OSError as error:
        raise ReportError(f"{file}: cannot be read: {error.strerror}") from None
    if not content.strip():
        raise ReportError(f"{file}: is empty; did its own shell redirection truncate it?")
    if len(content) > MAX_REPORT_BYTES:
        raise ReportError(
            f"{file}: is longer than {MAX_REPORT_BYTES} bytes, so it is not a report of ermon verify"
        )
    try:
        return msgspec.json.decode(content, type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ReportError(f"{file}: is not a report of `ermon verify --json`: {error}") from None


_NOTHING = Prefixes(complete=False, prefixes=())


def compare(before: Report, after: Report, circuit: str | None) -> Comparison:
    """Compare two reports for one circuit, or for all circuits in either of them."""
    earlier = {found.circuit: found for found in before.circuits if circuit in {None, found.circuit}}
    now = {found.circuit: found for found in after.circuits}
    changes = tuple(_circuit(name, earlier.get(name), now.get(name)) for name in {**earlier, **now})
    worse = any(
        change.change == "gone" or any(step.change in {"worse", "gone"} for step in change.steps)
        for change in changes
    )
    return Comparison(before=before.time, worse=worse, circuits=changes)


def _circuit(name: str, before: CircuitReport | None, after: CircuitReport | None) -> CircuitChange:
    if before is None or after is None:
        return CircuitChange(name, "new" if before is None else "gone")
    earlier, now = ({step.id: step for step in report.steps} for report in (before, after))
    steps = [_step(earlier.get(step), now.get(step)) for step in {**now, **earlier}]
    changed = tuple(step for step in steps if step is not None)
    prefixes = tuple(_prefixes(before, after))
    return CircuitChange(name, "changed" if changed or prefixes else "same", changed, prefixes)


def _step(before: Step | None, after: Step | None) -> StepChange | None:
    """Compare one step; return ``None`` if nothing changed.

    A missing step counts as worse, because what is no longer tested is no longer proven.
    """
    shown = after or before
    if shown is None:
        return None
    solved, added = _problems_only_in(before, after), _problems_only_in(after, before)
    change: Change
    if before is None or after is None:
        change = "new" if before is None else "gone"
    elif before.status is not after.status:
        change = "better" if rank(after.status) > rank(before.status) else "worse"
    elif solved or added:
        change = "better" if not added else "worse" if not solved else "different"
    else:
        return None
    return StepChange(shown.id, shown.title, change, _status(before), _status(after), solved, added)


def _status(step: Step | None) -> Outcome | None:
    return step.status if step is not None else None


def _problems_only_in(step: Step | None, other: Step | None) -> tuple[str, ...]:
    known = {proof.key for proof in other.evidence} if other is not None else set()
    return tuple(
        proof.text
        for proof in (step.evidence if step is not None else ())
        if proof.status is not Outcome.PASS and proof.key not in known
    )


def _prefixes(before: CircuitReport, after: CircuitReport) -> Iterator[PrefixChange]:
    nowhere = LinkReport(router="", received={}, advertised={})
    for link in {**before.links, **after.links}:
        earlier, now = before.links.get(link, nowhere), after.links.get(link, nowhere)
        yield from _one_way(link, "received", earlier.received, now.received)
        yield from _one_way(link, "advertised", earlier.advertised, now.advertised)


def _one_way(
    link: str, direction: Direction, before: Mapping[Family, Prefixes], after: Mapping[Family, Prefixes]
) -> Iterator[PrefixChange]:
    for family in {**before, **after}:
        was, is_now = before.get(family, _NOTHING), after.get(family, _NOTHING)
        gone, new = _only_in(was, is_now), _only_in(is_now, was)
        if gone or new:
            yield PrefixChange(link, direction, family, was.complete and is_now.complete, gone, new)


def _only_in(these: Prefixes, others: Prefixes) -> tuple[str, ...]:
    only = set(these.prefixes).difference(others.prefixes)
    return tuple(map(str, sorted(map(parse_prefix, only))))
