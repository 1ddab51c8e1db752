"""What is raised, with what proves it and where to read on; and what was cleared of late."""

from __future__ import annotations

from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from ermon.api.findings import FindingDoc
from ermon.terminal.console import grid, indented, one_line, text
from ermon.terminal.picture import Picture
from ermon.terminal.words import clock, duration, evidence, instant, labels, style

MAX_RAISED = 20
MAX_CLEARED = 5


def mark_of(finding: FindingDoc) -> str:
    return "○" if finding.severity == "info" else "▲"


def raised(picture: Picture, *, everything: bool) -> list[RenderableType]:
    found = picture.raised()
    shown = found if everything else found[:MAX_RAISED]
    parts: list[RenderableType] = [
        part for finding in shown for part in _finding(finding, picture.now())
    ] or [text("● Nothing is raised.", "green")]
    if len(found) > len(shown):
        parts.append(text(f"and {len(found) - len(shown)} more; --all shows them", "dim"))
    return parts


def _finding(finding: FindingDoc, now: datetime) -> list[RenderableType]:
    head = grid("", "")
    head.show_header = False
    summary = text(finding.summary, "bold")
    for word, is_so in (
        ("stale: what showed it is out of sight", finding.stale),
        ("suppressed", finding.suppressed),
    ):
        if is_so:
            summary.append(f" ({word})", "yellow")
    head.add_row(
        Text(f"{mark_of(finding)} ", style(finding.severity)).append_text(text(finding.severity)), summary
    )
    since = instant(finding.since)
    about = [
        text(f"for {duration(now - since)}, since {clock(since, now)} UTC"),
        text(labels(finding.labels)),
    ]
    proof = evidence(finding.evidence, finding.labels)
    if proof:
        about.append(one_line(proof))
    about.append(text(f"ermon explain {finding.check}", "dim"))
    return [head, indented(Group(*about), 4)]


def cleared(picture: Picture) -> list[RenderableType]:
    now = picture.now()
    table = grid("", "", "", "")
    table.show_header = False
    for finding in picture.cleared()[:MAX_CLEARED]:
        cleared_at = instant(finding.cleared_at or finding.since)
        ended = cleared_at if finding.ended_at is None else instant(finding.ended_at)
        table.add_row(
            text(clock(cleared_at, now)),
            text(finding.check),
            text(finding.summary),
            text(f"lasted {duration(ended - instant(finding.since))}"),
        )
    return [table] if table.row_count else []
