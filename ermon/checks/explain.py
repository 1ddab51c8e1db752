"""The text of ``ermon explain``: what a check means, what it needs, what to do, and the source of the rule."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import Check, Section
from ermon.checks.guide import HEADINGS, WRITTEN_FOR, Guide, guide, lines_on, words_in
from ermon.commands import TITLES, Question
from ermon.commands.blocks import blocks

WIDTH = 96


def explain(check: Check, platform: str = WRITTEN_FOR) -> str:
    """Return the whole text for one check, wrapped for a terminal, with the router commands of a platform."""
    found = guide(check.name).plain()
    asked = [line for question in found.questions for line in lines_on(platform, question) or ()]
    words = words_in([*found.typed, *asked])
    means, needs, action, source = HEADINGS
    parts = [
        f"{check.name}: {found.title}",
        *facts(check),
        _paragraph(means, found.meaning),
        _paragraph(needs, found.needs),
        _steps(
            f"{action} (router commands: {TITLES[platform]})" if found.questions else action, found, platform
        ),
        *([_placeholders(words)] if words else []),
        _paragraph(source, found.source),
    ]
    return "\n\n".join(parts)


def facts(check: Check) -> list[str]:
    """Return what the catalogue says about a check: its severity and times, and whether it is off by default."""
    off = ", off by default" if check.off_by_default else ""
    times = f"raised after {check.raise_after:g} s, cleared after {check.clear_after:g} s"
    other = check.other_severity
    milder = f" ({other.severity} for any {other.label} but {other.unless})" if other else ""
    if check.worse is not None:
        milder = f" ({check.worse.severity} {check.worse.when})"
    return [f"{check.severity}{milder}, {times}{off} ({check.section})"]


def markdown_table() -> str:
    """Return the whole catalogue as a table in Markdown."""
    rows = ["| check | severity | raised after / cleared after | found |", "|---|---|---|---|"]
    for section in Section:
        rows.append(f"| **{section}** | | | |")
        rows += [_row(check) for check in CATALOGUE.values() if check.section is section]
    return "\n".join(rows)


def _row(check: Check) -> str:
    off = " (off by default)" if check.off_by_default else ""
    times = f"{check.raise_after:g} s / {check.clear_after:g} s"
    worse = "" if check.worse is None else f", {check.worse.severity} {check.worse.when}"
    return f"| `{check.name}` | {check.severity}{worse} | {times} | {guide(check.name).title}{off} |"


def _paragraph(title: str, text: str) -> str:
    return f"{title}\n{textwrap.fill(text, WIDTH, initial_indent='  ', subsequent_indent='  ')}"


def _steps(title: str, found: Guide, platform: str) -> str:
    steps = enumerate(found.pieces, start=1)
    return "\n".join([title, *(line for number, step in steps for line in _step(number, step, platform))])


def _step(number: int, step: tuple[str | Question, ...], platform: str) -> Iterator[str]:
    """Write a step. Commands for a router are on lines of their own and are not wrapped, so that they can be copied."""
    begin = f"  {number}. "
    for piece in step:
        if isinstance(piece, Question):
            known = lines_on(platform, piece) or [f"ermon knows no command for {TITLES[platform]} here."]
            for block in blocks("\n".join(known)):  # each can be pasted by itself
                if block.heading:
                    yield f"     {block.heading}:"
                yield from (f"       {line}" for line in block.lines)
            continue
        yield from textwrap.wrap(
            piece,
            WIDTH,
            initial_indent=begin,
            subsequent_indent="     ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        begin = "     "


def _placeholders(placeholders: dict[str, str]) -> str:
    width = max(map(len, placeholders))
    head = "Words in capitals, to be replaced (`ermon explain ID`, with the ID of a finding, fills them in)"
    return "\n".join([head, *(f"  {n:<{width}}  {text}" for n, text in placeholders.items())])
