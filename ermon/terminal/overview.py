"""The whole overview, the most urgent first: what is wrong, then the circuits, links, pools and feeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.text import Text

from ermon.api.answers import FindingDoc
from ermon.api.status import GroupDoc, QuietDoc, StatusDoc
from ermon.model.zones import clock, moment
from ermon.terminal.display import (
    duration,
    evidence,
    grid,
    indented,
    instant,
    labels,
    mark,
    mark_of,
    one_line,
    plural,
    severity_of,
    style,
    text,
)
from ermon.terminal.feeds import feeds, sessions
from ermon.terminal.network import circuits, pools
from ermon.terminal.picture import Picture


def overview(picture: Picture, width: int, *, everything: bool = False) -> Iterator[RenderableType]:
    """Yield the parts of the overview, from top to bottom; ``everything`` includes what is well."""
    status, now = picture.status, picture.now()
    yield text(f"{mark(status.headline.kind)} {status.headline.text}.", style(status.headline.kind))
    if status.headline.about:
        yield text(status.headline.about)
    for title, parts in (
        ("Findings", raised(picture, everything=everything)),
        ("Noticed", noticed(picture, everything=everything)),
        ("Maintenance and exceptions", quiet(picture, everything=everything)),
        ("Circuits", circuits(status, now, width, everything=everything)),
        ("NAT pools", pools(status, everything=everything)),
        ("Feeds", feeds(status, now, width, everything=everything)),
        ("Sessions that routers report (BMP)", sessions(status, now, everything=everything)),
        ("Cleared lately", cleared(picture)),
        ("Clock of ermon's machine, last 24 hours", clock_steps(status, now)),
    ):
        if parts:
            yield text("")
            yield text(title, "bold underline")
            yield from parts
    yield text("")
    yield text(f"ermon {status.version} at {picture.where}, {moment(now)}", "dim")


# Findings ------------------------------------------------------------------------------------------------

MAX_RAISED = 20
MAX_NOTICED = 10
MAX_SUPPRESSED = 5
MAX_CLEARED = 5


def raised(picture: Picture, *, everything: bool) -> list[RenderableType]:
    found: Sequence[FindingDoc | GroupDoc] = picture.raised() if everything else picture.listed()
    parts: list[RenderableType] = []
    shown = found if everything else found[:MAX_RAISED]
    for each in shown:
        parts += _group(each, picture) if isinstance(each, GroupDoc) else _finding(each, picture.now())
    if len(found) > len(shown):
        parts.append(text(f"and {len(found) - len(shown)} more; --all shows them", "dim"))
    return parts or [text("● Nothing is raised.", "green")]


def _group(group: GroupDoc, picture: Picture) -> Iterator[RenderableType]:
    """Show the effects of one cause as one finding."""
    checks = Counter(found.check for each in group.findings if (found := picture.findings.get(each)))
    yield Text("▲ ", style(group.severity)).append_text(text(f"{group.severity} {group.text}", "bold"))
    effects = ", ".join(f"{count} {check}" for check, count in checks.items())
    told = f"{_lasting(instant(group.since), picture.now())}: {effects}; --all shows each"
    yield indented(text(told), 4)


def noticed(picture: Picture, *, everything: bool) -> list[RenderableType]:
    """List violations that will be raised if they last, the next one first."""
    status, now = picture.status, picture.now()
    shown = status.noticed if everything else status.noticed[:MAX_NOTICED]
    parts: list[RenderableType] = []
    for each in shown:
        left = "" if each.raises_at is None else f", raised in {duration(instant(each.raises_at) - now)}"
        parts.append(
            text(f"▲ {each.severity} {each.summary}: for {duration(now - instant(each.since))}{left}")
        )
    if status.noticed_total > len(shown):
        parts.append(text(f"and {status.noticed_total - len(shown)} more", "dim"))
    return parts


def _finding(finding: FindingDoc, now: datetime) -> list[RenderableType]:
    head = grid("", "")
    head.show_header = False
    summary = text(finding.summary, "bold")
    for word, is_so in (
        ("stale: ermon cannot see it at present", finding.stale),
        (f"suppressed: {finding.suppressed_because or 'covered'}", finding.suppressed),
    ):
        if is_so:
            summary.append(f" ({word})", "yellow")
    tone = style("recovering" if finding.ok_since else finding.severity)
    head.add_row(Text(f"{mark_of(finding)} ", tone).append_text(text(severity_of(finding))), summary)
    about = [
        text(_course(finding, now)),
        text(labels(finding.labels)),
    ]
    proof = evidence(finding.evidence, finding.labels)
    if proof:
        about.append(one_line(proof))
    about.append(text(f"ermon explain {finding.id}", "dim"))
    return [head, indented(Group(*about), 4)]


def _course(finding: FindingDoc, now: datetime) -> str:
    """Return how long the violation has lasted, or since when it is gone."""
    since = instant(finding.since)
    if finding.ok_since is None:
        return _lasting(since, now)
    gone = instant(finding.ok_since)
    clears = "" if finding.clears_at is None else f", clears at {clock(instant(finding.clears_at), now)}"
    return f"gone since {clock(gone, now)}{clears}; it lasted {duration(gone - since)}"


def _lasting(since: datetime, now: datetime) -> str:
    return f"for {duration(now - since)}, since {clock(since, now)}"


def quiet(picture: Picture, *, everything: bool) -> list[RenderableType]:
    """List the maintenance windows and exceptions in force, the next one to end first, with what is wrong under each."""
    now = picture.now()
    parts: list[RenderableType] = []
    for each in picture.status.maintenance:
        until = "without an end"
        if each.until is not None:
            ends = instant(each.until)
            until = f"until {clock(ends, now)}, ends in {duration(ends - now)}"
        about = ", ".join(f"{name} {value}" for name, value in each.about.items())
        by = f" by {each.by}" if each.by else ""
        ending = f"; ermon maintenance end {each.id}" if each.id else ""
        parts.append(text(f"▼ {each.kind}{by}, {about}: {each.reason} ({until}{ending})"))
        parts += [indented(text(line), 4) for line in _under(each, everything=everything)]
    return parts


def _under(quiet: QuietDoc, *, everything: bool) -> Iterator[str]:
    """Yield what a window or exception suppresses: causes by name, and the number of their effects."""
    shown = quiet.suppressed if everything else quiet.suppressed[:MAX_SUPPRESSED]
    yield from (f"▲ suppressed: {summary}" for summary in shown)
    if quiet.suppressed_total > len(shown):
        yield f"and {quiet.suppressed_total - len(shown)} more suppressed"
    if quiet.follow:
        yield f"{plural(quiet.follow, 'more violation')} {'follows' if quiet.follow == 1 else 'follow'} from {'it' if quiet.suppressed_total == 1 else 'these'}"


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


MAX_CLOCK_STEPS = 5


def clock_steps(status: StatusDoc, now: datetime) -> list[RenderableType]:
    """List the steps of the clock, the latest first, because dates in earlier files and messages may differ by them."""
    shown = status.clock_steps[: -MAX_CLOCK_STEPS - 1 : -1]
    return [text(f"{clock(datetime.fromtimestamp(step.time, UTC), now)}  {step.text}") for step in shown]
