"""A configuration with changes laid over it, each error told where its value stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ermon.config.load import LoadedConfig, interpret
from ermon.config.yaml import Document, KeyPath, Positions, Problem


@dataclass(frozen=True, slots=True)
class Layer:
    """A configuration, or changes to one: its values, and where in which file they stand."""

    values: Mapping[str, Any]
    positions: Positions
    root: KeyPath = ()
    """The key of the file under which it stands."""

    def depth(self, path: KeyPath) -> int:
        """How many steps of ``path`` the layer has."""
        return len(self.positions.nearest((*self.root, *path))) - len(self.root)


@dataclass(frozen=True, slots=True)
class _LayeredPositions(Positions):
    layers: tuple[Layer, ...] = ()

    def problem(self, path: KeyPath, message: str) -> Problem:
        """Speak of the layer that has the most of ``path``; of two, the one on top."""
        layer = max(reversed(self.layers), key=lambda each: each.depth(path))
        return layer.positions.problem((*layer.root, *path), message)


def load_layers(layers: Sequence[Layer], problems: Sequence[Problem] = ()) -> LoadedConfig:
    """Lay each configuration over the one before, and make one of all; raise ``ConfigError`` as
    ``load_config`` does.

    ``problems``: what is known to be wrong with them already.
    """
    values: dict[str, Any] = {}
    for layer in layers:
        values = _laid_over(values, layer.values)
    positions = _LayeredPositions(layers[0].positions.file, layers[0].positions.marks, tuple(layers))
    return interpret(Document(values, positions, list(problems)))


def _laid_over(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``changes`` win; mappings are merged, and null removes a key that was there."""
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
