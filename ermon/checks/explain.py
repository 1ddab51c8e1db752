"""The text of ``ermon explain``: what a check means, what it needs, what to do, where the rule is from."""

from __future__ import annotations

import textwrap

from ermon.checks.catalogue import CATALOGUE, OFF_BY_DEFAULT, Check, Section
from ermon.checks.guide import GUIDE

WIDTH = 96


def explain(check: Check) -> str:
    """Return the whole text for one check, wrapped for a terminal."""
    guide = GUIDE[check.name]
    parts = [
        f"{check.name}: {guide.title}",
        *facts(check),
        _paragraph("What it means", guide.meaning),
        _paragraph("What it needs", guide.needs),
        _steps("What to do", guide.action),
        *([_placeholders(guide.placeholders)] if guide.placeholders else []),
        _paragraph("Where the rule comes from", guide.source),
    ]
    return "\n\n".join(parts)


def facts(check: Check) -> list[str]:
    """Return what the catalogue says of a check: its severity and times, and whether it is judged at all."""
    off = ", off unless switched on" if check.name in OFF_BY_DEFAULT else ""
    times = f"raised after {check.raise_after:g} s, cleared after {check.clear_after:g} s"
    return [f"{check.severity}, {times}{off} ({check.section})"]


def markdown_table() -> str:
    """Return the whole catalogue as a table in Markdown."""
    rows = ["| check | severity | raised after / cleared after | found |", "|---|---|---|---|"]
    for section in Section:
        rows.append(f"| **{section}** | | | |")
        rows += [_row(check) for check in CATALOGUE.values() if check.section is section]
    return "\n".join(rows)


def _row(check: Check) -> str:
    off = " (off unless switched on)" if check.name in OFF_BY_DEFAULT else ""
    times = f"{check.raise_after:g} s / {check.clear_after:g} s"
    return f"| `{check.name}` | {check.severity} | {times} | {GUIDE[check.name].title}{off} |"


def _paragraph(title: str, text: str) -> str:
    return f"{title}\n{textwrap.fill(text, WIDTH, initial_indent='  ', subsequent_indent='  ')}"


def _steps(title: str, text: str) -> str:
    # Commands stay whole: somebody will copy them.
    lines = [
        textwrap.fill(
            step,
            WIDTH,
            initial_indent="  ",
            subsequent_indent="     ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for step in text.splitlines()
    ]
    return "\n".join([title, *lines])


def _placeholders(placeholders: dict[str, str]) -> str:
    width = max(map(len, placeholders))
    return "\n".join(["In the commands", *(f"  {n:<{width}}  {text}" for n, text in placeholders.items())])
