"""Turns published lists into expectation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ermon.model.inventory import Circuit, Config
from ermon.model.source_key import SourceKey
from ermon.sources.published import PublishedList


def with_published(config: Config, lists: Mapping[SourceKey, PublishedList]) -> Config:
    """Return the configuration with what the lists expect beside what it names itself."""
    circuits = {name: _circuit(circuit, lists) for name, circuit in config.circuits.items()}
    return replace(config, circuits=circuits)


def _circuit(circuit: Circuit, lists: Mapping[SourceKey, PublishedList]) -> Circuit:
    receive = circuit.receive
    keys = [SourceKey.of(source) for source in receive.sources]
    published = (prefix for key in keys if key in lists for prefix in lists[key].prefixes)
    return replace(
        circuit,
        receive=replace(
            receive,
            prefixes=tuple(dict.fromkeys((*receive.prefixes, *published))),
            # Without its list, nothing can be said to be outside of it.
            only_listed=receive.only_listed and all(key in lists for key in keys),
        ),
    )
