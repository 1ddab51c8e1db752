"""Texts for users are in plain English, in the words that network engineers use.

The glossary in ``.github/CONTRIBUTING.md`` has the words; this is the list of those that they replace.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ermon.api.schema import make_schema
from ermon.checks.catalogue import CATALOGUE
from ermon.checks.guide import guide
from ermon.cli import parser
from ermon.config.lint_catalogue import LINTS
from ermon.rules import RuleSet, render

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ermon"

MOST_README_WORDS = 1_800
"""The README has what ermon is, one picture, the first commands and the way into production; the rest is in
``deploy/``.
"""

SAY_INSTEAD = {
    r"brings?|brought|bringing": "receives, advertises, learned",
    r"hangs? on": "depends on",
    r"exits? to the internet|an exit": "uplink",
    r"(larger|longer|shorter) routes?": "less specific, more specific",
    r"answers (may|come|leave|arrive|to the NAT)|Microsoft's answers": "return traffic",
    r"tells|told|telling": "says, shows, reports, alerts",
    r"hears?|heard": "receives",
    r"whoever|whatever|whosoever": "the noun",
    r"for ever": "permanently",
    r"heeds?|heeded": "applies",
    r"nobody|somebody else": "no ermon, no feed, another program, another network",
    r"once is enough": "remove it",
    r"ends? again and again|comes and goes": "flaps, ends repeatedly",
    r"anew": "again",
    r"the way (back|from)|two ways": "path",
    r"a (feed|key|address|VRF|file|folder) of (its|their) own": "its own",
    r"what is so|is meant": "intended",
    r"bits are set behind": "host bits are set",
    r"Tell whether": "Return whether",
    r"out of sight|in sight|loses sight": "cannot see",
    r"unless told otherwise": "by default",
    r"cannot be told": "is unknown, cannot be distinguished",
}
"""Patterns of whole words, and the words to use instead."""

FAMILY = re.compile(r"\bipv[46] (?:routes|prefix|prefixes|space)\b(?! *[-=])")
"""IPv4 and IPv6 are spelled like this in text; ``ipv4`` is a value."""

WORD = {re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE): instead for pattern, instead in SAY_INSTEAD.items()}


def said() -> Iterator[tuple[str, str]]:
    """Yield every text for users, with its place."""
    yield from messages()
    yield from catalogue()
    yield from helps(parser(), "ermon")
    yield from descriptions("ermon.schema.json", json.loads((PACKAGE / "data/ermon.schema.json").read_text()))
    yield from descriptions("the schema of the API", make_schema())
    for path in [ROOT / "README.md", *ROOT.glob("deploy/*.md"), *ROOT.glob("config/*.md")]:
        yield str(path.relative_to(ROOT)), _prose(path.read_text())
    for path in [*PACKAGE.glob("web/static/*.js"), *PACKAGE.glob("web/static/*.html")]:
        yield str(path.relative_to(ROOT)), _without_comments(path.read_text())
    yield "rules", render(RuleSet)
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/ermon.json").read_text())
    yield from descriptions("the dashboard", dashboard)


def messages() -> Iterator[tuple[str, str]]:
    """Yield the texts in the code: messages, log events, helps of metrics; but no docstrings."""
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value


def catalogue() -> Iterator[tuple[str, str]]:
    for name in CATALOGUE:
        found = guide(name)
        for text in (found.title, found.meaning, found.needs, *found.steps):
            yield f"guide {name}", re.sub(r"`[^`]*`", "", text)
    for name, lint in LINTS.items():
        yield f"lint {name}", f"{lint.title}. {lint.text}"


def helps(command: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, str]]:
    yield f"{name} --help", f"{command.description} {command.epilog}"
    for action in command._actions:  # argparse has no public attribute for them
        if action.help and action.help is not argparse.SUPPRESS:
            yield f"{name} --help", action.help
        if isinstance(action, argparse._SubParsersAction):
            for each in action._choices_actions:
                yield f"{name} --help", each.help or ""
            for sub, nested in action.choices.items():
                yield from helps(nested, f"{name} {sub}")


def descriptions(where: str, schema: Any) -> Iterator[tuple[str, str]]:
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            if key == "description" and isinstance(value, str):
                yield where, value
            else:
                yield from descriptions(where, value)
    elif isinstance(schema, list):
        for value in schema:
            yield from descriptions(where, value)


def _prose(markdown: str) -> str:
    """Return a page without the code in it."""
    return re.sub(r"`[^`]*`", "", re.sub(r"```.*?```", "", markdown, flags=re.DOTALL))


def _without_comments(source: str) -> str:
    return re.sub(r"/\*.*?\*/|^\s*//.*$", "", source, flags=re.DOTALL | re.MULTILINE)


def test_texts_for_users_are_in_the_words_of_the_glossary():
    found = [
        f"{where}: {match[0]!r} in {text[max(0, match.start() - 40) : match.end() + 40]!r}: say {instead}"
        for where, text in said()
        for word, instead in {**WORD, FAMILY: "IPv4, IPv6"}.items()
        for match in word.finditer(text)
    ]
    assert not found, "\n" + "\n".join(found)


def test_the_readme_stays_short():
    assert len((ROOT / "README.md").read_text().split()) <= MOST_README_WORDS
