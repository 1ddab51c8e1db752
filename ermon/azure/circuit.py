"""Reads what Azure says of one circuit out of a document: its states, its peering, and the prefixes that it lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netaddr import AddrFormatError, IPNetwork

from ermon.azure.documents import (
    AzureCircuit,
    AzurePeering,
    Ipv6,
    MicrosoftConfig,
    Reference,
    name_in,
    objects,
    shaped,
)
from ermon.model import azure
from ermon.model.azure import AzureReading
from ermon.model.inventory import Peering
from ermon.model.prefixes import Prefix
from ermon.model.text import printable
from ermon.sources.published import SourceError, read_json

MAX_BYTES = 16 * 1024 * 1024
"""Far more than all circuits of a subscription need."""

_TYPES: Mapping[Peering, str] = {
    Peering.MICROSOFT: "MicrosoftPeering",
    Peering.PRIVATE: "AzurePrivatePeering",
}

_LONGEST_WORD = 80
_MOST_PREFIXES = 1_000
"""Azure accepts a few hundred."""


class NoSuchCircuitError(SourceError):
    """The document is right, and the circuit is not in it."""


def read_circuits(content: bytes) -> list[AzureCircuit]:
    """Read a document with one circuit or a list of them; ``SourceError`` if it is not one."""
    data: Any = read_json(content)
    found = []
    for where, value in objects("$", data):
        if (
            isinstance(value, dict)
            and "peerings" not in value
            and ("rules" in value or "addressSpace" in value)
        ):
            continue  # route filters and virtual networks, which `ermon init` reads from such files
        found.append(shaped(where, value, AzureCircuit))
    return found


def find_circuit(circuits: list[AzureCircuit], resource_id: str) -> AzureCircuit:
    """Return the circuit with an Azure identifier, in which case does not matter."""
    for circuit in circuits:
        if circuit.id is not None and circuit.id.lower() == resource_id.lower():
            return circuit
    names = ", ".join(_word(circuit.name) for circuit in circuits[:5]) or "none"
    wanted = name_in(resource_id, "expressRouteCircuits")
    raise NoSuchCircuitError(f"circuit {wanted} of this resource_id is not in it; it has {names}")


def reading_of(circuit: AzureCircuit, kind: Peering) -> AzureReading:
    """Return what Azure says of a circuit and of one of its peerings."""
    peering = next((each for each in circuit.peerings if each.peering_type == _TYPES[kind]), None)
    provider = circuit.service_provider_properties
    reading = AzureReading(
        circuit_state=_word(circuit.circuit_provisioning_state),
        provider_state=_word(circuit.service_provider_provisioning_state),
        direct=circuit.express_route_port is not None,
        location=_word(None if provider is None else provider.peering_location),
    )
    if peering is None:
        return reading
    return AzureReading(
        circuit_state=reading.circuit_state,
        provider_state=reading.provider_state,
        direct=reading.direct,
        location=reading.location,
        peering=True,
        azure_asn=_asn(peering.azure_asn),
        peer_asn=_asn(peering.peer_asn),
        vlan=peering.vlan_id or None,
        ipv4=_family(peering),
        ipv6=None if peering.ipv6_peering_config is None else _family(peering.ipv6_peering_config),
    )


def _family(section: AzurePeering | Ipv6) -> azure.AzurePeering:
    config = section.microsoft_peering_config or MicrosoftConfig()
    prefixes = [_prefix(text) for text in (config.advertised_public_prefixes or ())[:_MOST_PREFIXES]]
    return azure.AzurePeering(
        state=_word(section.state),
        primary=_prefix(section.primary_peer_address_prefix or ""),
        secondary=_prefix(section.secondary_peer_address_prefix or ""),
        route_filter=_filter(section.route_filter),
        prefixes=tuple(filter(None, prefixes)),
        prefix_state=_word(config.advertised_public_prefixes_state),
        not_validated=tuple(
            (_word(info.prefix), _word(info.validation_state))
            for info in (config.advertised_public_prefix_info or ())[:_MOST_PREFIXES]
            if info.validation_state not in {None, "", "Configured"}
        ),
        customer_asn=_asn(config.customer_asn),
    )


def _filter(reference: Reference | None) -> str:
    return "" if reference is None else _word(name_in(reference.id, "routeFilters"))


def _asn(number: int | None) -> int | None:
    """Read 32 bits, which some versions of the API show as a signed number; 0 stands for none."""
    return number % 2**32 or None if number is not None else None


def _prefix(text: str) -> str:
    """Return a prefix in canonical text; empty if it is none. Azure accepts bits after the length."""
    if "/" not in text:
        return ""
    try:
        network = IPNetwork(text.strip()).cidr
    except (AddrFormatError, ValueError):
        return ""
    return str(Prefix(network.version, network.first, network.prefixlen))


def _word(text: str | None) -> str:
    return printable((text or "")[:_LONGEST_WORD])
