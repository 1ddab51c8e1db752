"""Reads scenario files into scenarios that can be played; every error has its file, line and column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ermon.config.load import ConfigError, LoadedConfig, editor_schema, interpret
from ermon.config.problems import Complaint, in_order
from ermon.config.shape import ShapeErrors
from ermon.config.yaml import Document, KeyPath, Positions, Problem, read_yaml
from ermon.model.inventory import Config
from ermon.scenario.expectations import Expectations, Expecting
from ermon.scenario.play import Failure, Player, Record, failures
from ermon.scenario.schema import ScenarioEntry, ScenarioFile
from ermon.scenario.script import Act, make_acts
from ermon.sources.published import with_published
from ermon.sources.reading import load_local


@dataclass(frozen=True, slots=True)
class Layer:
    """A configuration, or changes to one: its values, and their places in a file."""

    values: Mapping[str, Any]
    positions: Positions
    root: KeyPath = ()
    """The key of the file that contains it."""

    def depth(self, path: KeyPath) -> int:
        """Return how many steps of ``path`` exist in the layer."""
        return len(self.positions.nearest((*self.root, *path))) - len(self.root)


@dataclass(frozen=True, slots=True)
class _LayeredPositions(Positions):
    layers: tuple[Layer, ...] = ()

    def problem(self, path: KeyPath, message: str) -> Problem:
        """Report the problem in the layer with the longest part of ``path``; of two, in the upper one."""
        layer = max(reversed(self.layers), key=lambda each: each.depth(path))
        return layer.positions.problem((*layer.root, *path), message)


def load_layers(layers: Sequence[Layer], problems: Sequence[Problem] = ()) -> LoadedConfig:
    """Merge the configurations, each over the previous one; raise ``ConfigError`` as ``load_config`` does.

    ``problems`` are those already found.
    """
    values: dict[str, Any] = {}
    for layer in layers:
        values = _laid_over(values, layer.values)
    positions = _LayeredPositions(layers[0].positions.file, layers[0].positions.marks, tuple(layers))
    return interpret(Document(values, positions, list(problems)))


def _laid_over(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge mappings: ``changes`` take precedence, and null removes a key."""
    result = dict(base)
    for key, value in changes.items():
        if value is None and key in result:
            del result[key]
        elif isinstance(value, dict):
            known = result.get(key)
            result[key] = _laid_over(known if isinstance(known, dict) else {}, value)
        else:
            result[key] = value
    return result


DEFAULT_START = datetime(2026, 1, 1, tzinfo=UTC)
"""The start of a scenario without a date: constant, so that a test never depends on the day."""

_NEEDS = "config and scenarios"
_CONFIG_KEYS = frozenset({"customer", "circuits", "feeds"})


@dataclass(frozen=True, slots=True)
class Scenario:
    """One complete scenario."""

    file: Path
    name: str
    config: Config
    start: float
    """Seconds since the epoch."""
    acts: tuple[Act, ...]
    expected: Expectations
    ignored: frozenset[str]
    until: float | None
    path: KeyPath
    positions: Positions
    notes: tuple[str, ...] = ()
    """Messages about published lists that cannot be used: their content is unknown."""

    def play(self) -> Record:
        player = Player(self.config, self.start, self.expected.statuses)
        return player.play(self.acts, self.expected.last, self.until)

    def failures(self, record: Record) -> list[Failure]:
        return failures(self.expected, record, self.ignored, (*self.path, "name"))

    def problem(self, failure: Failure) -> Problem:
        return _problem(self.positions, *failure)


def find_files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield each named file, and the scenario files of each named folder, which may also contain configurations."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for found in sorted(path.rglob("*")):
            if found.suffix in {".yml", ".yaml"} and found.is_file() and not _is_configuration(found):
                yield found


def _is_configuration(file: Path) -> bool:
    """Distinguish a configuration from a scenario file, even from one with errors."""
    try:
        values = read_yaml(file).values
    except ConfigError:
        return False
    return isinstance(values, dict) and "scenarios" not in values and bool(_CONFIG_KEYS & values.keys())


def load_scenarios(file: Path) -> list[Scenario]:
    """Read a scenario file; raise ``ConfigError`` with all its errors."""
    document = read_yaml(file, needs=_NEEDS)
    data, positions = document.values, document.positions
    if not isinstance(data, dict):
        message = f"must be a mapping with {_NEEDS} at the top"
        raise ConfigError([*document.problems, positions.problem((), message)])
    try:
        contents = ScenarioFile.model_validate(data)
    except ValidationError as error:
        found = [
            positions.problem(*complaint) for complaint in ShapeErrors(ScenarioFile, data, error).complaints()
        ]
        raise ConfigError(in_order([*document.problems, *found])) from None
    if document.problems:
        raise ConfigError(document.problems)
    return _Reader(file, document, contents).scenarios()


def schema_json() -> str:
    """Return the JSON Schema of a scenario file, for editors: ``data/ermon.scenario.schema.json``."""
    return editor_schema(ScenarioFile, "scenarios for ermon test")


def _problem(positions: Positions, path: KeyPath, message: str) -> Problem:
    """Place a problem in the file: the short forms omit brackets, and the word check."""
    written: KeyPath = ()
    for step in path:
        if (*written, step) in positions.marks or not (isinstance(step, int) or step == "check"):
            written = (*written, step)
    return positions.problem(written, message)


class _Reader:
    """Reads the scenarios of one file whose shape is valid."""

    def __init__(self, file: Path, document: Document, contents: ScenarioFile) -> None:
        self._file = file
        self._positions = document.positions
        self._contents = contents
        given = contents.config
        self._base = file.parent if isinstance(given, dict) else (file.parent / given).parent
        """The folder of published lists, as for ``ermon run``: that of the configuration."""
        self._problems: list[Problem] = []

    def scenarios(self) -> list[Scenario]:
        layers = self._shared_layers()
        shared = load_layers(layers).config
        found = [
            self._scenario(number, entry, layers, shared)
            for number, entry in enumerate(self._contents.scenarios)
        ]
        names: dict[str, int] = {}
        for number, entry in enumerate(self._contents.scenarios):
            if names.setdefault(entry.name, number) != number:
                self._complain(
                    Complaint(("scenarios", number, "name"), "is the name of another scenario; change one")
                )
        if self._problems:
            raise ConfigError(in_order(self._problems))
        return [scenario for scenario in found if scenario is not None]

    def _shared_layers(self) -> list[Layer]:
        """Return the configuration of all scenarios: the one named or written under ``config``, with its changes."""
        given = self._contents.config
        if isinstance(given, dict):
            layers = [Layer(given, self._positions, ("config",))]
        else:
            document = self._read_config(given)
            layers = [Layer(document.values, document.positions)]
        if self._contents.changes is not None:
            layers.append(Layer(self._contents.changes, self._positions, ("changes",)))
        return layers

    def _read_config(self, name: str) -> Document:
        path = self._file.parent / name
        if not path.is_file():
            message = f"{name!r} is not a file; name a configuration, relative to {self._file.parent}"
            raise ConfigError([self._positions.problem(("config",), message)])
        document = read_yaml(path)
        if not isinstance(document.values, dict) or document.problems:
            load_layers([Layer({}, document.positions)], document.problems)
        return document

    def _scenario(
        self, number: int, entry: ScenarioEntry, layers: Sequence[Layer], shared: Config
    ) -> Scenario | None:
        path: KeyPath = ("scenarios", number)
        config = shared if entry.changes is None else self._changed(layers, entry.changes, (*path, "changes"))
        if config is None:
            return None
        lists, notes = load_local(config, self._base)
        config = with_published(config, lists)
        start = (entry.start or DEFAULT_START).timestamp()
        acts, complaints = make_acts(config, start, entry.steps, (*path, "steps"))
        expecting = Expecting(config)
        ignored = expecting.ignored(self._contents.ignore or (), ("ignore",))
        ignored |= expecting.ignored(entry.ignore or (), (*path, "ignore"))
        # Invalid steps have no time, so expectations cannot be placed.
        complete = len(acts) == len(entry.steps)
        expected = expecting.read(entry.steps if complete else (), acts if complete else ())
        complaints += expecting.complaints
        if entry.until is not None:
            complaints += _after_the_end(entry.until, acts, expected, path)
        for complaint in complaints:
            self._complain(complaint)
        return Scenario(
            self._file,
            entry.name,
            config,
            start,
            tuple(acts),
            expected,
            ignored,
            entry.until,
            path,
            self._positions,
            tuple(notes),
        )

    def _changed(self, layers: Sequence[Layer], changes: dict[str, object], path: KeyPath) -> Config | None:
        try:
            return load_layers([*layers, Layer(changes, self._positions, path)]).config
        except ConfigError as error:
            self._problems += error.problems
            return None

    def _complain(self, complaint: Complaint) -> None:
        self._problems.append(_problem(self._positions, *complaint))


def _after_the_end(
    until: float, acts: Sequence[Act], expected: Expectations, path: KeyPath
) -> Iterator[Complaint]:
    last = max([expected.last, *(act.done for act in acts)])
    if last > until:
        message = (
            f"is before the last of what happens and is expected, at {last:g}s; make it later, or remove it"
        )
        yield Complaint((*path, "until"), message)
