"""Reads YAML text into plain values, with the line and column of every key.

It is stricter than YAML 1.1 where that often causes mistakes: only ``true`` and ``false`` are booleans, ``64500:30``
and dates are text, a duplicate key is a problem, and keys are always text. Aliases and merge keys work, within bounds,
so that a few lines cannot grow to millions of values.

Every problem is a value; those that end the reading are raised as ``ConfigError``.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ermon.aio.files import open_file
from ermon.model.text import printable

MAX_BYTES = 4 * 1024 * 1024
"""Over a hundred times a file with 50 circuits and 200 feeds."""

MAX_VALUES = 200_000
"""Scalars and collections after aliases are expanded: ten times what 200 feeds need."""

MAX_DEPTH = 32
"""Levels of nesting; a configuration has seven."""

KeyPath = tuple[str | int, ...]
"""Where a value is: keys and list indexes from the top."""

# libyaml if it is installed: the same language, ten times as fast.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_STR_TAG = "tag:yaml.org,2002:str"
_CONSTANTS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,18})\.[0-9]{1,18}")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,80}")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong in a file, and where. Lines and columns count from 1."""

    file: str
    line: int
    column: int
    path: str
    """The key as ``path.to.key[0]``; ``(file)`` for the file as a whole."""
    message: str
    """What is wrong, and what would be right; one line."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.path}: {self.message}"


class ConfigError(Exception):
    """The file cannot be used; the text is for its author. ``problems`` are in the order of the file."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


@dataclass(frozen=True, slots=True)
class Positions:
    """Line and column of every key and list item of a file."""

    file: str
    marks: Mapping[KeyPath, tuple[int, int]]

    def nearest(self, path: KeyPath) -> KeyPath:
        """Return the longest beginning of ``path`` that the file has."""
        while path and path not in self.marks:
            path = path[:-1]
        return path

    def at(self, path: KeyPath) -> tuple[int, int]:
        """Return line and column of ``path``; if the file has no such key, of the nearest key around it."""
        return self.marks.get(self.nearest(path), (1, 1))

    def problem(self, path: KeyPath, message: str) -> Problem:
        line, column = self.at(path)
        return Problem(self.file, line, column, dotted(path), printable(message))


@dataclass(frozen=True, slots=True)
class Document:
    """The plain values of a file: dict, list, str, int, float, bool and None."""

    values: Any
    positions: Positions
    problems: list[Problem]
    """Problems that did not end the reading."""


def dotted(path: KeyPath) -> str:
    """Format a path as ``circuits.chicago.receive.prefixes[1]``; keys that could be misread are quoted."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            shown = step if _PLAIN_KEY.fullmatch(step) else repr(step[:80])
            text += f".{shown}" if text else shown
    return text or "(file)"


def read_yaml(path: Path, needs: str = "customer, circuits and feeds") -> Document:
    """Read a file of at most ``MAX_BYTES``; raise ``ConfigError`` if it cannot be read as YAML at all.

    ``needs`` says for the message what an empty file lacks.
    """
    file = str(path)
    try:
        with open_file(path) as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise _fatal(file, 0, 0, f"cannot be read: {reason}; name a readable YAML file") from None
    if len(content) > MAX_BYTES:
        raise _fatal(file, 0, 0, f"is larger than {MAX_BYTES // 1024**2} MiB; it is not a configuration")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        line = before.count("\n")
        column = len(before) - before.rfind("\n") - 1
        raise _fatal(
            file, line, column, f"is not UTF-8: byte 0x{content[error.start]:02x}; save it as UTF-8"
        ) from None
    return parse_yaml(text, file, needs)


def parse_yaml(text: str, file: str, needs: str = "customer, circuits and feeds") -> Document:
    composer = _Composer(file)
    try:
        for event in yaml.parse(text, Loader=_Loader):
            composer.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        _refuse_depth(text[: mark.index] if mark else text, file)
        line, column = (mark.line, mark.column) if mark else (0, 0)
        raise _fatal(file, line, column, _syntax_message(text, error, line, column)) from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())[:200]
        raise _fatal(file, 0, 0, f"is not YAML: {reason}") from None
    if composer.root is None:
        raise _fatal(file, 0, 0, f"is empty; it needs at least {needs}")
    expander = _Expander(file, composer.problems)
    values = expander.expand(composer.root, (), 0)
    return Document(values, Positions(file, expander.marks), expander.problems)


def _refuse_depth(text: str, file: str) -> None:
    """Raise ``ConfigError`` if ``text``, which is cut off before something that the scanner refuses, is nested too
    deep.

    The scanner reads up to 1024 characters ahead of its events, and newer releases of libyaml limit the nesting
    themselves. So an error of the scanner may come before the composer has counted the levels. The reader should get
    the same message in either case.
    """
    depth = 0
    with contextlib.suppress(yaml.YAMLError):  # the text ends in the middle
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    raise _too_deep(file, event)
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1


def _too_deep(file: str, event: yaml.CollectionStartEvent) -> ConfigError:
    line, column = _beginning(event)
    return _fatal(file, line, column, f"is nested deeper than {MAX_DEPTH} levels; flatten it")


def _beginning(event: yaml.Event) -> tuple[int, int]:
    """Return where an event begins; line and column count from 0."""
    mark = event.start_mark
    return (mark.line, mark.column) if mark else (0, 0)


def _syntax_message(text: str, error: yaml.MarkedYAMLError, line: int, column: int) -> str:
    lines = text.splitlines()
    if line < len(lines) and lines[line][column : column + 1] == "\t":
        return "is not YAML: a tab; indent with spaces"
    context = f" {error.context}" if error.context else ""
    advice = "check the indentation, brackets and quotes here"
    if line < len(lines) and "::" in lines[line]:
        advice += ", and quote an address that begins or ends with a colon"
    return f"is not YAML: {error.problem}{context}; {advice}"


def _fatal(file: str, line: int, column: int, message: str) -> ConfigError:
    """Return an error of one problem; ``line`` and ``column`` count from 0, as PyYAML's marks do."""
    return ConfigError([Problem(file, line + 1, column + 1, "(file)", message)])


@dataclass(slots=True)
class _Scalar:
    line: int
    column: int
    text: str
    plain: bool

    @property
    def value(self) -> str | int | float | bool | None:
        if not self.plain:
            return self.text
        if self.text in _CONSTANTS:
            return _CONSTANTS[self.text]
        if _INTEGER.fullmatch(self.text):
            return int(self.text)
        if _DECIMAL.fullmatch(self.text):
            return float(self.text)
        return self.text


@dataclass(slots=True)
class _Sequence:
    line: int
    column: int
    items: list[_Node] = field(default_factory=list)

    def add(self, node: _Node) -> None:
        self.items.append(node)


@dataclass(slots=True)
class _Mapping:
    line: int
    column: int
    pairs: list[tuple[_Node, _Node]] = field(default_factory=list)
    _key: _Node | None = None

    def add(self, node: _Node) -> None:
        if self._key is None:
            self._key = node
        else:
            self.pairs.append((self._key, node))
            self._key = None


_Node = _Scalar | _Sequence | _Mapping


class _Composer:
    """Builds a tree of nodes from events. It is not recursive, so that no nesting exhausts the stack."""

    def __init__(self, file: str) -> None:
        self.root: _Node | None = None
        self.problems: list[Problem] = []
        self._file = file
        self._open: list[_Sequence | _Mapping] = []
        self._anchors: dict[str, _Node] = {}

    def take(self, event: yaml.Event) -> None:
        line, column = _beginning(event)
        match event:
            case yaml.ScalarEvent():
                plain = not event.style and event.tag not in {"!", _STR_TAG}
                self._refuse_tag(event, line, column)
                self._place(_Scalar(line + 1, column + 1, event.value, plain), event.anchor)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._start(event, line, column)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._open.pop()
            case yaml.AliasEvent():
                self._place(self._aliased(event.anchor or "", line, column), None)
            case yaml.DocumentStartEvent() if self.root is not None:
                raise _fatal(
                    self._file, line, column, "contains a second document; remove the lines from --- on"
                )
            case _:
                pass

    def _start(self, event: yaml.CollectionStartEvent, line: int, column: int) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise _too_deep(self._file, event)
        self._refuse_tag(event, line, column)
        kind = _Sequence if isinstance(event, yaml.SequenceStartEvent) else _Mapping
        node = kind(line + 1, column + 1)
        self._place(node, event.anchor)
        self._open.append(node)

    def _place(self, node: _Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if self._open:
            self._open[-1].add(node)
        else:
            self.root = node

    def _aliased(self, anchor: str, line: int, column: int) -> _Node:
        node = self._anchors.get(anchor)
        if node is None:
            raise _fatal(self._file, line, column, f"*{anchor} is not defined; put &{anchor} before it")
        if any(node is opened for opened in self._open):
            raise _fatal(self._file, line, column, f"*{anchor} contains itself; write the values out")
        return node

    def _refuse_tag(
        self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, line: int, column: int
    ) -> None:
        if event.tag not in {None, "!", _STR_TAG}:
            message = f"the tag {event.tag[:60]!r} is not understood; write the plain value"
            self.problems.append(Problem(self._file, line + 1, column + 1, "(file)", message))


class _Expander:
    """Turns nodes into values and positions; aliases are expanded within bounds."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.problems = problems
        self.marks: dict[KeyPath, tuple[int, int]] = {}
        self._file = file
        self._count = 0

    def expand(self, node: _Node, path: KeyPath, depth: int) -> Any:
        self._spend(node, depth)
        self.marks.setdefault(path, (node.line, node.column))
        match node:
            case _Scalar():
                return node.value
            case _Sequence():
                return [self.expand(item, (*path, at), depth + 1) for at, item in enumerate(node.items)]
            case _Mapping():
                return self._mapping(node, path, depth)

    def _mapping(self, node: _Mapping, path: KeyPath, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        merged: list[_Node] = []
        for key, value in node.pairs:
            if not isinstance(key, _Scalar):
                self._report(key, path, "a key must be a single word; quote it if it has brackets or braces")
            elif key.plain and key.text == "<<":
                merged.append(value)
            elif key.text in values:
                first = self.marks[*path, key.text][0]
                message = f"is given twice, first on line {first}; keep one of them"
                self._report(key, (*path, key.text), message)
            else:
                self.marks[*path, key.text] = (key.line, key.column)
                values[key.text] = self.expand(value, (*path, key.text), depth + 1)
        for source in merged:
            for key, value in self._merged_pairs(source, path, depth + 1):
                if key.text not in values:
                    self.marks[*path, key.text] = (key.line, key.column)
                    values[key.text] = self.expand(value, (*path, key.text), depth + 1)
        return values

    def _merged_pairs(self, node: _Node, path: KeyPath, depth: int) -> Iterator[tuple[_Scalar, _Node]]:
        """Yield the pairs that ``<<`` merges in: those of a mapping, or of each mapping of a list."""
        self._spend(node, depth)
        match node:
            case _Mapping():
                later = [value for key, value in node.pairs if isinstance(key, _Scalar) and key.text == "<<"]
                for key, value in node.pairs:
                    self._spend(value, depth)
                    if isinstance(key, _Scalar) and key.text != "<<":
                        yield key, value
                for value in later:
                    yield from self._merged_pairs(value, path, depth + 1)
            case _Sequence():
                for item in node.items:
                    yield from self._merged_pairs(item, path, depth + 1)
            case _Scalar():
                self._report(node, path, "<< must name a mapping, such as <<: *defaults")

    def _spend(self, node: _Node, depth: int) -> None:
        self._count += 1
        if self._count > MAX_VALUES:
            message = f"has more than {MAX_VALUES:,} values once aliases are expanded; write fewer"
            raise _fatal(self._file, node.line - 1, node.column - 1, message)
        if depth > MAX_DEPTH:
            message = f"is nested deeper than {MAX_DEPTH} levels once aliases are expanded; flatten it"
            raise _fatal(self._file, node.line - 1, node.column - 1, message)

    def _report(self, node: _Node, path: KeyPath, message: str) -> None:
        self.problems.append(Problem(self._file, node.line, node.column, dotted(path), message))
