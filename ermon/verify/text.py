"""The report as text in 100 columns: failures are prominent, with their evidence below."""

from __future__ import annotations

import os
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, TextIO

from ermon.model.prefixes import FAMILY_NAMES
from ermon.model.text import printable
from ermon.model.zones import moment
from ermon.verify.report import (
    CircuitChange,
    CircuitReport,
    Outcome,
    PrefixChange,
    ProcedureStep,
    Proof,
    Report,
    Step,
    StepChange,
    in_words,
)

WIDTH = 100
TITLE_WIDTH = 44
MAX_PROOFS = 10
"""Problems shown for one step; ``--json`` has all of them."""
MAX_EYES = 4
"""Feeds named for one step of Microsoft's procedure: an internet edge may have dozens."""
MAX_PREFIXES = 12
"""Prefixes shown from one list."""

_MARKS = {Outcome.PASS: "✓", Outcome.FAIL: "✗", Outcome.UNKNOWN: "?"}
_STYLES = {Outcome.PASS: "green", Outcome.FAIL: "red", Outcome.UNKNOWN: "yellow"}
_CHANGE_STYLES = {"better": "green", "worse": "red", "gone": "red", "different": "yellow", "new": "cyan"}
_CODES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
_PLAIN = str.maketrans({"✓": "+", "✗": "x", "─": "-", "→": "->", "·": ";"})
"""Replacements for a terminal that can show only ASCII."""


class Sheet:
    """Writes a report to a stream: in colour on a terminal, plain otherwise."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        dumb = "NO_COLOR" in os.environ or os.environ.get("TERM", "dumb") == "dumb"
        self._coloured = stream.isatty() and not dumb
        # A stream without an encoding accepts every character.
        self._unicode = (getattr(stream, "encoding", None) or "utf-8").lower().startswith("utf")

    def write(self, report: Report) -> None:
        for circuit in report.circuits:
            self._circuit(circuit, report)
        self._comparison(report)
        self._other_findings(report)
        self._maintenance(report)
        self._verdict(report)

    # A circuit ---------------------------------------------------------------------------------------

    def _circuit(self, circuit: CircuitReport, report: Report) -> None:
        head = printable(f"{circuit.circuit}  {circuit.peering} peering, {circuit.location}")
        self._line("")
        self._line(f"{head}{_moment(report.time):>{max(1, WIDTH - len(head))}}", "bold")
        self._line("─" * WIDTH, "dim")
        if circuit.blinded_by is not None:
            self._block(f"{circuit.blinded_by}.", 2, "red")
            return
        for step in circuit.steps:
            self._step(step)
        if circuit.not_asked:
            names = ", ".join(circuit.not_asked)
            self._block(f"Not configured, so not tested: {names}.", 2, "dim")
        if circuit.procedure:
            self._line("")
            self._line("  Microsoft's test procedure", "bold")
        for part in circuit.procedure:
            self._part(part)

    def _part(self, part: ProcedureStep) -> None:
        """Print a step of Microsoft's procedure. What BGP cannot show has no mark: it is neither good nor bad."""
        mark = "·" if part.status is None else _MARKS[part.status]
        style = "dim" if part.status is None else _STYLES[part.status]
        first, *rest = textwrap.wrap(
            printable(_seen(part)), WIDTH - TITLE_WIDTH - 4, break_on_hyphens=False
        ) or [""]
        self._line(
            f"  {self._paint(mark, style)} {f'{part.number} {part.title}':<{TITLE_WIDTH}}{first}".rstrip()
        )
        for line in rest:
            self._line(" " * (TITLE_WIDTH + 4) + line)

    def _step(self, step: Step) -> None:
        mark = self._paint(_MARKS[step.status], _STYLES[step.status])
        problems = [proof for proof in step.evidence if proof.status is not Outcome.PASS]
        summary = step.summary if not problems else _tally(step)
        first, *rest = textwrap.wrap(printable(summary), WIDTH - TITLE_WIDTH - 4) or [""]
        self._line(f"  {mark} {step.title:<{TITLE_WIDTH}}{first}".rstrip())
        for line in rest:
            self._line(" " * (TITLE_WIDTH + 4) + line)
        for proof in problems[:MAX_PROOFS]:
            self._problem(proof)
        if len(problems) > MAX_PROOFS:
            self._block(f"and {len(problems) - MAX_PROOFS} more; --json has all of them", 6, "dim")

    def _problem(self, proof: Proof) -> None:
        self._block(f"{_MARKS[proof.status]} {proof.text}", 6, _STYLES[proof.status])
        details = " · ".join(_details(proof))
        if details:
            self._block(details, 8, "dim")

    # The comparison ----------------------------------------------------------------------------------

    def _comparison(self, report: Report) -> None:
        comparison = report.comparison
        if comparison is None:
            return
        self._line("")
        self._line(f"Since {_moment(comparison.before)}", "bold")
        for circuit in comparison.circuits:
            self._circuit_change(circuit)

    def _circuit_change(self, circuit: CircuitChange) -> None:
        change = {
            "same": "nothing has changed",
            "changed": "",
            "new": "was not in the earlier report",
            "gone": "was in the earlier report, and is not in this one",
        }[circuit.change]
        self._line(f"  {printable(circuit.circuit)}{': ' + change if change else ''}")
        for step in circuit.steps:
            self._step_change(step)
        for prefixes in circuit.prefixes:
            self._prefix_change(prefixes)

    def _step_change(self, step: StepChange) -> None:
        statuses = f"{step.before or 'not asked'} → {step.after or 'not asked'}"
        style = _CHANGE_STYLES[step.change]
        self._line(
            f"    {self._paint(f'{step.change:<10}', style)}{printable(step.title):<{TITLE_WIDTH}}{statuses}"
        )
        for sign, texts in (("-", step.solved), ("+", step.added)):
            for text in texts[:MAX_PROOFS]:
                self._block(f"{sign} {text}", 14, "dim")
            if len(texts) > MAX_PROOFS:
                self._block(f"{sign} and {len(texts) - MAX_PROOFS} more", 14, "dim")

    def _prefix_change(self, change: PrefixChange) -> None:
        seeming = "" if change.complete else "; not all of them were seen, then or now"
        what = f"{FAMILY_NAMES[change.family]} prefixes {change.direction} on {change.link}"
        counts = f"{len(change.gone)} gone, {len(change.new)} new"
        self._block(f"{what}: {counts}{seeming}", 4, "yellow" if change.gone else "cyan")
        for sign, prefixes in (("-", change.gone), ("+", change.new)):
            if prefixes:
                self._block(f"{sign} {_list(prefixes, len(prefixes))}", 14, "dim")

    # The end -----------------------------------------------------------------------------------------

    def _other_findings(self, report: Report) -> None:
        if report.other_findings:
            self._line("")
            self._line("Also raised, but no part of this test", "bold")
            for finding in report.other_findings:
                self._block(f"{finding.severity:<9} {finding.check}: {finding.summary}", 2)

    def _maintenance(self, report: Report) -> None:
        """Print the windows and exceptions that suppress findings, beside the steps that fail."""
        if report.maintenance:
            self._line("")
            self._line("Maintenance windows and exceptions in force", "bold")
        for each in report.maintenance:
            about = ", ".join(f"{name} {value}" for name, value in each.about.items())
            until = "for good" if each.until is None else f"until {_moment(each.until)}"
            by = f" by {each.by}" if each.by else ""
            self._block(f"{each.kind}{by}, {about}: {each.reason} ({until})", 2)

    def _verdict(self, report: Report) -> None:
        counts = Counter(step.status for circuit in report.circuits for step in circuit.steps)
        failed, unknown = counts[Outcome.FAIL], counts[Outcome.UNKNOWN]
        total = counts.total()
        worse = report.comparison is not None and report.comparison.worse
        self._line("")
        if report.status is Outcome.PASS and not worse:
            self._line(f"Accepted: all {total} steps pass.", "green")
            return
        steps = f"of {total} steps"
        parts = [
            f"{failed} {steps} fail" if failed else "",
            f"{unknown} {'' if failed else steps + ' '}are unknown" if unknown else "",
            f"worse than at {_moment(report.comparison.before)}" if worse and report.comparison else "",
        ]
        verdict = ", ".join(part for part in parts if part)
        self._block(f"Not accepted: {verdict}.", 0, "red" if failed else "yellow")

    # Lines -------------------------------------------------------------------------------------------

    def _block(self, text: str, indent: int, style: str | None = None) -> None:
        """Print text, wrapped; later lines are indented by two more columns."""
        space = " " * indent
        lines = textwrap.wrap(
            printable(text),
            WIDTH,
            initial_indent=space,
            subsequent_indent=space + "  ",
            break_on_hyphens=False,
        )
        for line in lines:
            self._line(line, style)

    def _line(self, text: str, style: str | None = None) -> None:
        painted = self._paint(text, style) if style is not None else text
        if not self._unicode:
            painted = painted.translate(_PLAIN).encode("ascii", "replace").decode()
        self._stream.write(painted + "\n")

    def _paint(self, text: str, style: str) -> str:
        return f"\033[{_CODES[style]}m{text}\033[0m" if self._coloured and text else text


def _seen(part: ProcedureStep) -> str:
    """Return what was checked and by which eyes; for a step that another tool shows, which one."""
    if not part.eyes:
        return part.text
    shown = ", ".join(part.eyes[:MAX_EYES])
    more = len(part.eyes) - MAX_EYES
    return f"{part.text} (seen by {shown}{f' and {more} more' if more > 0 else ''})"


def _tally(step: Step) -> str:
    counts = Counter(proof.status for proof in step.evidence)
    words = {Outcome.FAIL: "fail", Outcome.UNKNOWN: "unknown", Outcome.PASS: "pass"}
    return ", ".join(f"{counts[status]} {word}" for status, word in words.items() if counts[status])


def _details(proof: Proof) -> Iterator[str]:
    """Yield the details of a proof as text, the most useful first."""
    if proof.check is not None and proof.check not in proof.text:
        yield " ".join([proof.check, *dict.fromkeys(in_words(proof.labels))])
    details = dict(proof.details)
    total = details.pop("prefixes_total", None)
    for name, words in (("prefixes", ""), ("as_paths", "AS path "), ("next_hops", "next hop ")):
        if values := details.pop(name, None):
            yield words + _list(values, total if name == "prefixes" else None)
    for name, words in (("feeds", "seen on "), ("routers", "router ")):
        if values := details.pop(name, None):
            yield words + _list(values, None)
    since = details.pop("since", None)
    for name in ("finding", "blind_feeds"):  # only for programs; the text names the feeds
        details.pop(name, None)
    for name, value in details.items():
        yield f"{name.replace('_', ' ')}: {_value(value)}"
    if since is not None:
        yield f"since {_moment(since)}"


def _list(values: Any, total: Any) -> str:
    if not isinstance(values, list | tuple):
        return _value(values)
    shown = [str(value) for value in values[:MAX_PREFIXES]]
    count = total if isinstance(total, int) else len(values)
    more = f" and {count - len(shown)} more" if count > len(shown) else ""
    return ", ".join(shown) + more


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_value(found)}" for key, found in value.items())
    if isinstance(value, list | tuple):
        return _list(value, None)
    return "none" if value is None else str(value)


def _moment(time: str) -> str:
    """Return a time of the API in the local zone and in UTC, each with its zone; other text is returned unchanged."""
    try:
        return moment(datetime.fromisoformat(time))
    except (ValueError, OverflowError):
        return printable(time)
