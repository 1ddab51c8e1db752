"""Reads files with Azure's circuits, peerings, route filters and virtual networks, as ``az`` and PowerShell print them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from ermon.azure.documents import (
    AzureCircuit,
    AzurePeering,
    RouteFilter,
    VirtualNetwork,
    name_in,
    objects,
    shaped,
)
from ermon.init.answers import AnswerError
from ermon.sources.published import SourceError, read_json

COMMAND = "az network express-route show --resource-group GROUP --name CIRCUIT -o json"


@dataclass(frozen=True, slots=True)
class Found:
    """The content of the files; each item with its place, for messages."""

    circuits: list[tuple[str, AzureCircuit]] = field(default_factory=list)
    filters: list[tuple[str, RouteFilter]] = field(default_factory=list)
    networks: list[tuple[str, VirtualNetwork]] = field(default_factory=list)


def read(found: Found, file: str, content: bytes) -> None:
    """Add the content of a file; ``AnswerError`` names the file and the invalid field."""
    try:
        data: Any = read_json(content)
    except SourceError as error:
        raise AnswerError(f"{file}: {error}; give what `{COMMAND}` prints") from None
    for where, value in objects(f"{file}: $", data):
        _add(found, where, value)


T = TypeVar("T")


def _add(found: Found, where: str, value: Any) -> None:
    if isinstance(value, dict) and "peeringType" in value:
        peering = _shaped(where, value, AzurePeering)
        circuit = name_in(peering.id, "expressRouteCircuits")
        if circuit is None:
            raise AnswerError(
                f"{where}.id: does not name the circuit of the peering; give what `{COMMAND}` prints"
            )
        _join(found, where, AzureCircuit(name=circuit, peerings=[peering]))
    elif isinstance(value, dict) and "rules" in value:
        found.filters.append((where, _shaped(where, value, RouteFilter)))
    elif isinstance(value, dict) and "addressSpace" in value:
        found.networks.append((where, _shaped(where, value, VirtualNetwork)))
    else:
        _join(found, where, _shaped(where, value, AzureCircuit))


def _join(found: Found, where: str, circuit: AzureCircuit) -> None:
    """Add a circuit, or new data of a known one: its peerings may be listed separately."""
    for at, (place, known) in enumerate(found.circuits):
        if known.name.lower() != circuit.name.lower():
            continue
        types = {each.peering_type for each in known.peerings}
        peerings = known.peerings + [each for each in circuit.peerings if each.peering_type not in types]
        fuller = circuit if known.sku is None and known.service_provider_properties is None else known
        found.circuits[at] = (place, msgspec.structs.replace(fuller, peerings=peerings))
        return
    found.circuits.append((where, circuit))


def _shaped(where: str, value: Any, shape: type[T]) -> T:
    try:
        return shaped(where, value, shape)
    except SourceError as error:
        raise AnswerError(f"{error}; give what `{COMMAND}` prints") from None
