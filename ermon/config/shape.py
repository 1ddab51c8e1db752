"""Is a file's shape right: pydantic's answer in plain words, and what is valid in spite of errors.

The schema itself says how much of a file an error spoils: a field whose type is marked with ``Alone`` is
judged by itself. What has an error in it is left out, and the rules still judge everything around it.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ermon.config.fields import show
from ermon.config.problems import Complaint, advice, empty_keys
from ermon.config.yaml import KeyPath

M = TypeVar("M", bound=BaseModel)

_KEY_MARK = "[key]"
"""With this, pydantic ends the location of an error in a key itself."""

_EXPECTED = {
    "model_type": "a mapping (lines of KEY: VALUE)",
    "dict_type": "a mapping (lines of NAME: VALUE)",
    "tuple_type": "a list such as [a, b]",
}


class Section(BaseModel):
    """A mapping of a file, with its keys known."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class Alone:
    """Marks a type of the schema, as ``Annotated[ReceiveSection, Alone()]``: an error inside spoils this value
    as a whole, and nothing around it. Unmarked, that is a key of a section, or an entry by its name or index.
    """

    spoils: KeyPath = ()
    """What else of the file can no longer be judged without this value."""


@dataclass(frozen=True, slots=True)
class Shape(Generic[M]):
    """What a file's values are when they are held against a model."""

    value: M | None
    """``None`` where anything is wrong."""
    complaints: list[Complaint]
    errors: ShapeErrors | None
    """Where ``value`` is ``None``, what can still be made of it."""


def read_shape(model: type[M], data: Mapping[str, Any]) -> Shape[M]:
    """Hold the values against the model; a key without a value is reported only as that."""
    empty = dict.fromkeys(empty_keys(data))
    found = [Complaint(path, "has no value; give one, or remove the key") for path in empty]
    try:
        return Shape(model.model_validate(data), found, None)
    except ValidationError as error:
        errors = ShapeErrors(model, data, error)
        found += [complaint for complaint in errors.complaints() if complaint.path not in empty]
        return Shape(None, found, errors)


class ShapeErrors:
    """What pydantic found wrong in ``data``, one entry for each error."""

    def __init__(self, model: type[BaseModel], data: Mapping[str, Any], error: ValidationError) -> None:
        self._model = model
        self._data = data
        self._errors = _relevant(error)

    def complaints(self) -> Iterator[Complaint]:
        for error in self._errors:
            path = _path(error)
            yield Complaint(path if error["type"] == "missing" else self._written(path), self._message(error))

    def draft(self, model: type[M]) -> M:
        """Return as ``model``, which requires nothing at its top, what is left without the errors."""
        data = copy.deepcopy(dict(self._data))
        errors = self._errors
        # What is taken out can make its surroundings incomplete, which are taken out next: each round leaves
        # less, down to an empty file.
        while True:
            shrunk = [_take_out(data, unit) for error in errors for unit in self._units(error)]
            try:
                return model.model_validate(data)
            except ValidationError as found:
                errors = _relevant(found)
            if not any(shrunk):
                return model()

    def _units(self, error: ErrorDetails) -> Iterator[KeyPath]:
        """What must go with an error: the smallest part that the rules do not judge in pieces."""
        path = _path(error)
        in_a_list = any(isinstance(step, int) for step in path)
        if error["type"] == "extra_forbidden" and not in_a_list and not self._near(path):
            yield path  # nobody misses it; where a name comes near, its value is missing elsewhere
            return
        if error["type"] == "missing":
            path = path[:-1] or path
        unit = path[:2]
        for length, mark in _marks(self._model, path):
            unit = path[:length]
            if mark.spoils:
                yield mark.spoils
        yield unit

    def _written(self, path: KeyPath) -> KeyPath:
        """The beginning of ``path`` that the file has: a short form was given its long one for pydantic."""
        value: Any = self._data
        written: KeyPath = ()
        for step in path:
            if isinstance(step, int) and not isinstance(value, list):
                continue  # the only item of a list, written without the brackets
            at: Any = value
            if not (isinstance(step, int) if isinstance(at, list) else isinstance(at, dict) and step in at):
                break
            value = value[step]
            written = (*written, step)
        return written

    def _near(self, path: KeyPath) -> bool:
        return bool(difflib.get_close_matches(str(path[-1]), self._known(path)))

    def _known(self, path: KeyPath) -> list[str]:
        """The keys that may stand where the last of ``path`` stands."""
        parent = _annotation(self._model, path[:-1])
        return [field.alias or name for name, field in parent.model_fields.items()]

    def _message(self, error: ErrorDetails) -> str:
        path, given = _path(error), error["input"]
        match error["type"]:
            case "value_error":
                return str(error["ctx"]["error"])
            case "missing":
                return f"is missing; add it: {self._described(path)}"
            case "extra_forbidden":
                kind = "a check" if path[0] == "checks" and len(path) == 2 else "a known key"
                return f"is not {kind}; {advice(str(path[-1]), self._known(path))}"
            case "literal_error" | "enum":
                return f"must be {error['ctx']['expected'].replace(chr(39), '')}, not {show(given)}"
            case "too_short":
                return "must not be empty; add at least one"
            case kind if kind in _EXPECTED:
                return f"must be {_EXPECTED[kind]}, not {show(given)}"
            case _:
                return f"is wrong: {' '.join(error['msg'].split())}"

    def _described(self, path: KeyPath) -> str:
        """The first sentence of a key's description."""
        fields = _annotation(self._model, path[:-1]).model_fields
        field = next(field for name, field in fields.items() if (field.alias or name) == path[-1])
        words = " ".join((field.description or "").split()).partition(". ")[0].removesuffix(".")
        first = words.partition(" ")[0]
        return words[:1].lower() + words[1:] if first[1:].islower() or len(first) == 1 else words


def _relevant(error: ValidationError) -> list[ErrorDetails]:
    """Its errors, but not that a list is empty because what it holds is wrong."""
    details = error.errors(include_url=False)
    return [detail for detail in details if detail["type"] != "too_short" or not detail["input"]]


def _path(error: ErrorDetails) -> KeyPath:
    return tuple(step for step in error["loc"] if step != _KEY_MARK)


def _annotation(annotation: Any, path: KeyPath) -> type[BaseModel]:
    """The model at ``path`` below ``annotation``."""
    for step in path:
        annotation = _below(annotation, step)
    found = _bare(annotation)
    assert isinstance(found, type) and issubclass(found, BaseModel)  # noqa: PT018  # else no key is unknown
    return found


def _below(annotation: Any, step: str | int) -> Any:
    """The type of what stands behind a key or an index, with its marks."""
    annotation = _bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _field(annotation, step)
    # Of a dict's arguments the second is its values', of a tuple's the first; a scalar has nothing below it.
    arguments = get_args(annotation)
    return arguments[1 if get_origin(annotation) is dict else 0] if arguments else None


def _field(model: type[BaseModel], key: str | int) -> Any:
    found: FieldInfo | None = next(
        (field for name, field in model.model_fields.items() if (field.alias or name) == key), None
    )
    if found is None:
        return None
    return Annotated[(found.annotation, *found.metadata)] if found.metadata else found.annotation


def _marks(annotation: Any, path: KeyPath) -> Iterator[tuple[int, Alone]]:
    """What on the way to ``path`` is judged alone, outermost first, and how long the way to it is."""
    for length, step in enumerate(path, start=1):
        annotation = _below(annotation, step)
        for mark in _metadata(annotation):
            if isinstance(mark, Alone):
                yield length, mark


def _metadata(annotation: Any) -> Iterator[Any]:
    """What ``Annotated`` says, also inside of ``X | None``."""
    if get_origin(annotation) is Annotated:
        yield from annotation.__metadata__
        yield from _metadata(get_args(annotation)[0])
    elif type(None) in get_args(annotation) and get_origin(annotation) is not tuple:
        for each in get_args(annotation):
            yield from _metadata(each)


def _bare(annotation: Any) -> Any:
    """Strip ``Annotated`` and ``| None``."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif type(None) in get_args(annotation) and origin is not tuple:
            annotation = next(each for each in get_args(annotation) if each is not type(None))
        else:
            return annotation


def _take_out(data: Any, path: KeyPath) -> bool:
    """Remove what is at ``path``, and return whether it was there; a list keeps its indexes."""
    for step in path[:-1]:
        if isinstance(step, int) or not isinstance(data, dict) or step not in data:
            return False
        data = data[step]
    last = path[-1]
    if isinstance(data, dict) and last in data:
        del data[last]
        return True
    if not (isinstance(data, list) and isinstance(last, int)) or data[last] is None:
        return False
    data[last] = None
    return True
