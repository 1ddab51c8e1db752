"""Reads YAML into a ``Config``; every error has its file, line and column.

``load_config`` reads a file, checks its shape (``shape`` and ``schema``) and the rules between its values (``rules``),
and collects all errors before it raises.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from ermon.checks.sharding import Instance
from ermon.config.build import build
from ermon.config.problems import Complaint, in_order
from ermon.config.rules import cautions, complaints, unknown_names
from ermon.config.schema import FILE, Draft, File
from ermon.config.shape import read_shape
from ermon.config.yaml import ConfigError, Document, Positions, Problem, read_yaml
from ermon.model.inventory import Config

__all__ = [
    "ConfigError",
    "LoadedConfig",
    "Positions",
    "Problem",
    "editor_schema",
    "interpret",
    "load_config",
    "schema_json",
]


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A valid configuration, with its warnings and the places of its keys."""

    config: Config
    warnings: tuple[Problem, ...]
    """What is allowed but does not do what its author may think, in the order of the file."""
    positions: Positions
    """Line and column of every key: ``positions.problem(("feeds", "edge-1", "peer"), "…")``."""

    def of(self, instance: Instance) -> LoadedConfig:
        """Return the configuration of an instance. Raise ``sharding.NoFeedError`` if no feed would be left."""
        return replace(self, config=instance.apply(self.config))


def load_config(path: Path) -> LoadedConfig:
    """Read a configuration; raise ``ConfigError`` with everything that is wrong with it."""
    loaded = interpret(read_yaml(path))
    with contextlib.suppress(OSError):
        return replace(loaded, config=replace(loaded.config, written_at=path.stat().st_mtime))
    return loaded


def interpret(document: Document) -> LoadedConfig:
    """Make a configuration of a document, wherever it was read from; raise ``ConfigError`` as ``load_config`` does."""
    positions = document.positions
    data = document.values
    if not isinstance(data, dict):
        message = "must be a mapping with customer, circuits and feeds at the top"
        raise ConfigError([*document.problems, positions.problem((), message)])
    file, draft, found = _validate(data)
    problems = document.problems + [positions.problem(*complaint) for complaint in found]
    if problems or file is None:
        raise ConfigError(in_order(problems))
    warnings = in_order(positions.problem(*caution) for caution in cautions(draft))
    return LoadedConfig(build(file), tuple(warnings), positions)


def _validate(data: dict[str, Any]) -> tuple[File | None, Draft, list[Complaint]]:
    """Return the file if its shape is right, the valid parts of it in any case, and everything that is wrong."""
    shape = read_shape(FILE, data)
    draft = shape.value or (shape.errors.draft(Draft) if shape.errors else Draft())
    return shape.value, draft, [*shape.complaints, *unknown_names(data), *complaints(draft)]


class _EditorSchema(GenerateJsonSchema):
    """JSON Schema in the form that editors need: without titles, ``null`` and defaults that say nothing."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        result = super().dict_schema(schema)
        if "patternProperties" in result:
            result["additionalProperties"] = False
        return result

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        result = super().default_schema(schema)
        default = result.get("default")
        if isinstance(default, dict) or (not default and default is not False):
            result.pop("default", None)
        elif isinstance(default, float) and result.get("type") != "number":
            result["default"] = f"{default:g}s"
        return result

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # pydantic's signature
        return False


def schema_json() -> str:
    """Return the JSON Schema of the file, with which editors complete and check it: ``data/ermon.schema.json``."""
    return editor_schema(FILE, "ermon.yml")


def editor_schema(model: type[BaseModel], title: str) -> str:
    """Return the JSON Schema of a kind of file."""
    schema = model.model_json_schema(by_alias=True, schema_generator=_EditorSchema)
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
