"""The output of the demo, in 100 columns: the network, the steps with their latencies, and a summary."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from textwrap import wrap
from typing import TextIO

from ermon.api.answers import FindingDoc
from ermon.demo.acceptance import ProcedureStep

WIDTH = 98
_INDENT = 29
"""The column in which the text of a finding begins."""
_PROCEDURE_INDENT = 50
"""The same for a step of Microsoft's test procedure."""

_CODES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
_SEVERITY_STYLES = {"critical": "red", "warning": "yellow", "info": "cyan"}
_PLAIN = str.maketrans("─│┌┐└┘├┤┬┴✓✗·", "-|++++++++*!.")
"""Replacements for a terminal with ASCII only."""

_NETWORK = """\
                        ┌────────┐
       primary   ┌──────┤ edge-1 ├──────┐ isp-a         circuit   chicago, two links to Microsoft
   ┌───────────┐ │      └───┬────┘      │ ┌──────────┐  NAT pool  198.51.100.0/28
   │ Microsoft ├─┤          │           ├─┤ internet │            2001:db8:100:1::/64
   └───────────┘ │      ┌───┴────┐      │ └────┬─────┘            is for Microsoft alone
       secondary └──────┤ edge-2 ├──────┘ isp-b│
                        └───┬────┘             │        The routers are real BGP speakers,
                       ┌────┴──────────────────┴──┐     ermon is the real `ermon run`, and
                       │ ermon: 7 BGP sessions in │     each feed is a BGP session. edge-2 also
                       └──────────────────────────┘     reports its own sessions, by BMP.
                                                        Azure is a stand-in on this machine."""


@dataclass(frozen=True, slots=True)
class Latency:
    """How long ermon took to report, and how long its timer was; seconds."""

    total: float
    timer: float

    @property
    def own(self) -> float:
        """The time that BGP, ermon and its API took."""
        return max(0.0, self.total - self.timer)


@dataclass(slots=True)
class Row:
    """A finding in the summary."""

    severity: str
    check: str
    subject: str
    raised: Latency
    cleared: Latency | None = None


class Screen:
    """Prints to a stream: in colour on a terminal, plain otherwise."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        dumb = "NO_COLOR" in os.environ or os.environ.get("TERM", "dumb") == "dumb"
        self._coloured = stream.isatty() and not dumb
        self._unicode = (stream.encoding or "").lower().startswith("utf")

    def opening(self, shortened: Iterable[str]) -> None:
        title = self._paint("ermon demo", "bold")
        self._print(
            f"\n{title}  A small company, its ExpressRoute circuit, and an eventful day.\n\n{_NETWORK}\n"
        )
        self._print(self._paint("These timers are shorter here than by default:", "dim"))
        for line in shortened:
            self._print(self._paint(f"  {line}", "dim"))
        self._print("")

    def step(self, number: int, title: str) -> None:
        self._print(self._paint(f"{number:2}  {title}", "bold"))

    def fact(self, text: str, seconds: float | None = None) -> None:
        """Print an expected result, and how long it took."""
        self._tick(text, "" if seconds is None else f"+{seconds:.3f} s")

    def learned(self, text: str, details: Iterable[str], seconds: float) -> None:
        """Print what ermon has learned, and how long it took."""
        self.fact(text, seconds)
        for line in details:
            self._details(line)

    def finding(self, finding: FindingDoc, seconds: float) -> None:
        """Print a finding that was raised or cleared as expected, and how long it took."""
        style = _SEVERITY_STYLES[finding.severity] if finding.state == "raised" else "green"
        word = self._paint(f"{finding.state:<8}", style)
        right = f"+{seconds:.3f} s"
        first, *more = wrap(finding.summary, WIDTH - _INDENT - len(right) - 1, break_on_hyphens=False)
        self._tick(f"{word} {finding.check:<13} {first}", right)
        for line in more:
            self._print(f"{'':{_INDENT}}{line}")
        if finding.state == "raised" and "sessions" in finding.evidence:
            self._details("; ".join(finding.evidence["sessions"]))
        if finding.state == "raised" and "prefixes" in finding.evidence:
            prefixes, paths, feeds = (
                ", ".join(finding.evidence[name]) for name in ("prefixes", "as_paths", "feeds")
            )
            self._details(f"{prefixes}, AS path {paths}, seen on {feeds}")

    def procedure(self, steps: Iterable[ProcedureStep]) -> None:
        """Print the steps of Microsoft's test procedure. Those that another tool shows have no mark."""
        for step in steps:
            seen = f" (seen by {', '.join(step.eyes)})" if step.eyes else ""
            first, *more = wrap(f"{step.text}{seen}", WIDTH - _PROCEDURE_INDENT, break_on_hyphens=False)
            mark = self._paint("✓", "green") if step.status is not None else self._paint("·", "dim")
            self._print(_fill(f"    {mark} {step.number} {step.title}", _PROCEDURE_INDENT) + first)
            for line in more:
                self._print(f"{'':{_PROCEDURE_INDENT}}{line}")

    def _details(self, text: str) -> None:
        """Print what shows that a finding is right."""
        for line in wrap(text, WIDTH - _INDENT, break_on_hyphens=False):
            self._print(self._paint(f"{'':{_INDENT}}{line}", "dim"))

    def wrong(self, *lines: str) -> None:
        for line in lines:
            self._print("    " + self._paint(f"✗ {line}", "red"))

    def summary(self, rows: Iterable[Row]) -> None:
        """Print the findings with their latencies, and the part of them that is the check's timer."""
        head = f"    {'finding':<58}{'raised after':>18}{'cleared after':>18}"
        self._print("\n" + self._paint(head, "bold"))
        for row in rows:
            severity = self._paint(f"{row.severity:<9}", _SEVERITY_STYLES[row.severity])
            cleared = _split(row.cleared) if row.cleared is not None else "-"
            text = f"{severity} {row.check:<13} {row.subject}"
            self._print(f"    {_fill(text, 58)}{_split(row.raised):>18}{cleared:>18}")
        note = '"2 s + 10 ms" means 2 s of raise_after, and 10 ms for BGP, ermon and its API'
        self._print(self._paint(f"    {note}", "dim"))

    def closing(self, text: str, *, good: bool) -> None:
        mark, style = ("✓", "green") if good else ("✗", "red")
        self._print("\n" + self._paint(f"{mark} {text}", style))

    def note(self, text: str) -> None:
        self._print(text)

    def _tick(self, text: str, right: str) -> None:
        line = f"    {self._paint('✓', 'green')} {text}"
        self._print(_fill(line, WIDTH - len(right)) + right if right else line)

    def _paint(self, text: str, style: str) -> str:
        return f"\033[{_CODES[style]}m{text}\033[0m" if self._coloured else text

    def _print(self, text: str) -> None:
        print(text if self._unicode else text.translate(_PLAIN), file=self._stream, flush=True)


def _split(latency: Latency) -> str:
    own = f"{latency.own * 1000:.0f} ms"
    return f"{latency.timer:g} s + {own}" if latency.timer else own


def _fill(text: str, width: int) -> str:
    """Add spaces up to ``width`` columns; colour codes do not count."""
    return text + " " * (width - len(re.sub(r"\033\[\d+m", "", text)))
