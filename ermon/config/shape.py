"""Is the file's shape right: pydantic's answer in plain words, and what is valid in spite of errors."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ermon.config.feeds import Complaint
from ermon.config.fields import show
from ermon.config.rules import advice
from ermon.config.schema import Draft
from ermon.config.yaml import KeyPath

_KEY_MARK = "[key]"
"""With this, pydantic ends the location of an error in a key itself."""

_EXPECTED = {
    "model_type": "a mapping (lines of KEY: VALUE)",
    "dict_type": "a mapping (lines of NAME: VALUE)",
    "tuple_type": "a list such as [a, b]",
}


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

    def draft(self) -> Draft:
        """What is left when every entry with an error in it is taken out."""
        data = copy.deepcopy(dict(self._data))
        data.pop("checks", None)
        errors = self._errors
        # What is taken out can make its surroundings incomplete, a few levels up at most.
        for _ in range(4):
            for error in errors:
                for unit in self._units(error):
                    _take_out(data, unit)
            try:
                return Draft.model_validate(data)
            except ValidationError as error:
                errors = _relevant(error)
        return Draft()

    def _units(self, error: ErrorDetails) -> Iterator[KeyPath]:
        """What must go with an error: the smallest part that the rules do not judge in pieces."""
        path = _path(error)
        in_a_list = any(isinstance(step, int) for step in path)
        if error["type"] == "extra_forbidden" and not in_a_list and not self._near(path):
            yield path
            return
        if path[:2] == ("collector", "asn"):
            yield ("customer",)  # or its asn would be taken for the default of local_asn
        if error["type"] == "missing":
            path = path[:-1] or path
        if path[0] == "circuits" and path[2:3] in {("receive",), ("advertise",)}:
            yield path[:3]
        elif path[0] == "internet_only":
            yield path[:1]
        else:
            yield path[:2]

    def _written(self, path: KeyPath) -> KeyPath:
        """The beginning of ``path`` that the file has: a short form was given its long one for pydantic."""
        value: Any = self._data
        written: KeyPath = ()
        for step in path:
            if isinstance(step, int) and not isinstance(value, list):
                continue  # the only item of a list, written without the brackets
            if not (step in value if isinstance(value, dict) else isinstance(value, list)):
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
        annotation = _bare(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            fields = annotation.model_fields.items()
            annotation = next(field.annotation for name, field in fields if (field.alias or name) == step)
        else:
            # Of a dict's arguments the second is its values', of a tuple's the first.
            annotation = get_args(annotation)[1 if get_origin(annotation) is dict else 0]
    found = _bare(annotation)
    assert isinstance(found, type) and issubclass(found, BaseModel)  # noqa: PT018  # else no key is unknown
    return found


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


def _take_out(data: Any, path: KeyPath) -> None:
    """Remove what is at ``path``; a list keeps its indexes."""
    for step in path[:-1]:
        if isinstance(step, int) or not isinstance(data, dict) or step not in data:
            return
        data = data[step]
    last = path[-1]
    if isinstance(data, dict):
        data.pop(last, None)
    elif isinstance(data, list) and isinstance(last, int):
        data[last] = None
