"""What the rules for a file report: where something is wrong, and what would be right.

Nothing here knows a key of ``ermon.yml``: the web's file and the policy scenarios have rules of their own, with the
same wording.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

from ermon.config.yaml import KeyPath, Problem

MAX_LISTED = 20
"""The most known names that a message lists; more would hide its point."""


class Complaint(NamedTuple):
    """The place of a mistake, and a text that says what is wrong."""

    path: KeyPath
    message: str


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return each problem once, in the order of the file."""
    return sorted(set(problems), key=lambda each: (each.line, each.column, each.path, each.message))


def advice(name: str, known: Collection[str]) -> str:
    """Return which known name may have been meant by ``name``, and all known names unless they are many."""
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]}?" if near else ""
    if near and len(known) > MAX_LISTED:
        return meant
    listed = ", ".join(sorted(known)[:MAX_LISTED]) or "none"
    more = ", …" if len(known) > MAX_LISTED else ""
    return f"{meant} Known: {listed}{more}".strip() if near else f"known: {listed}{more}"


def empty_keys(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the keys without a value: the value was forgotten, or all of a section is commented out."""
    if value is None:
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from empty_keys(inner, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from empty_keys(inner, (*path, at))
