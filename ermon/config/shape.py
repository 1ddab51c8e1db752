"""Checks the shape of a file with pydantic, reports errors in plain words, and keeps the valid parts.

The schema says how much of a file an error spoils: a field whose type is marked with ``Alone`` is judged by itself. The
part with an error is left out, so that the rules can still judge everything around it.
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
"""pydantic ends the location of an error with this if the error is in a key itself."""

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
    """Marks a type of the schema, as ``Annotated[ReceiveSection, Alone()]``: an error inside spoils this whole value,
    and nothing around it. Without a mark, an error spoils a key of a section, or an entry by its name or index.
    """

    spoils: KeyPath = ()
    """Another part of the file that cannot be judged without this value."""


@dataclass(frozen=True, slots=True)
class Shape(Generic[M]):
    """The result of checking a file's values against a model."""

    value: M | None
    """``None`` if anything is wrong."""
    complaints: list[Complaint]
    errors: ShapeErrors | None
    """If ``value`` is ``None``: the errors, and what can still be used."""


def read_shape(model: type[M], data: Mapping[str, Any]) -> Shape[M]:
    """Check the values against the model. A key without a value is reported only as that."""
    empty = dict.fromkeys(empty_keys(data))
    found = [Complaint(path, "has no value; give one, or remove the key") for path in empty]
    try:
        return Shape(model.model_validate(data), found, None)
    except ValidationError as error:
        errors = ShapeErrors(model, data, error)
        found += [complaint for complaint in errors.complaints() if complaint.path not in empty]
        return Shape(None, found, errors)


class ShapeErrors:
    """The errors that pydantic found in ``data``."""

    def __init__(self, model: type[BaseModel], data: Mapping[str, Any], error: ValidationError) -> None:
        self._model = model
        self._data = data
        self._errors = _relevant(error)

    def complaints(self) -> Iterator[Complaint]:
        for error in self._errors:
            path = _path(error)
            yield Complaint(path if error["type"] == "missing" else self._written(path), self._message(error))

    def draft(self, model: type[M]) -> M:
        """Return the values without the errors, as ``model``, which must require nothing at its top."""
        data = copy.deepcopy(dict(self._data))
        errors = self._errors
        # Removing a part can make its surroundings incomplete, which are then removed in the next round. Each round
        # leaves less, down to an empty file.
        while True:
            shrunk = [_take_out(data, unit) for error in errors for unit in self._units(error)]
            try:
                return model.model_validate(data)
            except ValidationError as found:
                errors = _relevant(found)
            if not any(shrunk):
                return model()

    def _units(self, error: ErrorDetails) -> Iterator[KeyPath]:
        """Yield the parts that must be removed with an error: the smallest that the rules do not judge in pieces."""
        path = _path(error)
        in_a_list = any(isinstance(step, int) for step in path)
        if error["type"] == "extra_forbidden" and not in_a_list and not self._near(path):
            yield path  # not needed; if a known name is similar, that one's value is missing
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
        """Return the beginning of ``path`` that the file has. The path may have more, because short forms were expanded
        for pydantic.
        """
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
        """Return the keys that are allowed in the place of the last key of ``path``."""
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
        """Return the first sentence of a key's description."""
        fields = _annotation(self._model, path[:-1]).model_fields
        field = next(field for name, field in fields.items() if (field.alias or name) == path[-1])
        words = " ".join((field.description or "").split()).partition(". ")[0].removesuffix(".")
        first = words.partition(" ")[0]
        return words[:1].lower() + words[1:] if first[1:].islower() or len(first) == 1 else words


def _relevant(error: ValidationError) -> list[ErrorDetails]:
    """Return the errors, without those that a list is empty because its only items are wrong."""
    details = error.errors(include_url=False)
    return [detail for detail in details if detail["type"] != "too_short" or not detail["input"]]


def _path(error: ErrorDetails) -> KeyPath:
    return tuple(step for step in error["loc"] if step != _KEY_MARK)


def _annotation(annotation: Any, path: KeyPath) -> type[BaseModel]:
    """Return the model at ``path`` below ``annotation``."""
    for step in path:
        annotation = _below(annotation, step)
    found = _bare(annotation)
    assert isinstance(found, type) and issubclass(found, BaseModel)  # noqa: PT018  # otherwise no key is unknown
    return found


def _below(annotation: Any, step: str | int) -> Any:
    """Return the type of the value of a key or an index, with its marks."""
    annotation = _bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _field(annotation, step)
    # The values' type is the second argument of a dict and the first of a tuple. A scalar has nothing below it.
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
    """Yield the parts on the way to ``path`` that are judged alone, outermost first, each with the length of its
    path.
    """
    for length, step in enumerate(path, start=1):
        annotation = _below(annotation, step)
        for mark in _metadata(annotation):
            if isinstance(mark, Alone):
                yield length, mark


def _metadata(annotation: Any) -> Iterator[Any]:
    """Yield the metadata of ``Annotated``, also inside ``X | None``."""
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
    """Remove the value at ``path``, and return whether there was one; other items of a list keep their indexes."""
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
