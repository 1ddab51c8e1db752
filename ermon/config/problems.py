"""What the rules of a file say: where something is wrong, and what would be right.

Nothing here knows a key of ``ermon.yml``: the web's file and the policy scenarios are held against rules of
their own with the same words.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

from ermon.config.yaml import KeyPath, Problem

MAX_LISTED = 20
"""So many known names are a help in a message; more would hide it."""


class Complaint(NamedTuple):
    """Where something is wrong, and what."""

    path: KeyPath
    message: str


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return each problem once, in the file's order."""
    return sorted(set(problems), key=lambda each: (each.line, each.column, each.path, each.message))


def advice(name: str, known: Collection[str]) -> str:
    """Say what could have been meant by ``name``, and what there is, unless that is a long list."""
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]}?" if near else ""
    if near and len(known) > MAX_LISTED:
        return meant
    listed = ", ".join(sorted(known)[:MAX_LISTED]) or "none"
    more = ", …" if len(known) > MAX_LISTED else ""
    return f"{meant} Known: {listed}{more}".strip() if near else f"known: {listed}{more}"


def empty_keys(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Where nothing stands behind a key: a value forgotten, or all of a section commented out."""
    if value is None:
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from empty_keys(inner, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from empty_keys(inner, (*path, at))
