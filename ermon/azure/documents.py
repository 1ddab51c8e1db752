"""Azure's circuits, peerings, route filters and virtual networks in one form, whatever has printed them.

Names and types of the fields are those of Microsoft's REST specification (expressRouteCircuit.json, routeFilter.json,
virtualNetwork.json). There are several forms: the output of the Azure CLI, without ``properties``; the answer of the
REST API (``az rest``), with ``properties`` and with lists in ``value``; the output of PowerShell's ``ConvertTo-Json``, with
capital initials and, in Windows PowerShell 5.1, in UTF-16. Releases of the CLI also differ in capitals (``peerASN``,
``peerAsn``). Only the fields that ermon uses are read, not the service key and the MD5 key.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, TypeVar

import msgspec

from ermon.sources.published import SourceError


class PrefixInfo(msgspec.Struct, rename="camel"):
    """One of the advertised public prefixes, in newer releases of the API."""

    prefix: str | None = None
    validation_state: str | None = None


class MicrosoftConfig(msgspec.Struct, rename="camel"):
    advertised_public_prefixes: list[str] | None = None
    advertised_public_prefixes_state: str | None = None
    customer_asn: int | None = msgspec.field(default=None, name="customerASN")
    advertised_public_prefix_info: list[PrefixInfo] | None = None


class Reference(msgspec.Struct):
    """A reference to another resource."""

    id: str | None = None


class Ipv6(msgspec.Struct, rename="camel"):
    primary_peer_address_prefix: str | None = None
    secondary_peer_address_prefix: str | None = None
    microsoft_peering_config: MicrosoftConfig | None = None
    route_filter: Reference | None = None
    state: str | None = None


class AzurePeering(msgspec.Struct, rename="camel"):
    peering_type: str
    id: str | None = None
    state: str | None = None
    provisioning_state: str | None = None
    azure_asn: int | None = msgspec.field(default=None, name="azureASN")
    peer_asn: int | None = msgspec.field(default=None, name="peerASN")
    vlan_id: int | None = None
    primary_peer_address_prefix: str | None = None
    secondary_peer_address_prefix: str | None = None
    microsoft_peering_config: MicrosoftConfig | None = None
    route_filter: Reference | None = None
    ipv6_peering_config: Ipv6 | None = None
    connections: list[Reference] | None = None
    """Global Reach: connections with other circuits, configured on this circuit."""
    peered_connections: list[Reference] | None = None
    """Global Reach connections that are configured on the other circuit."""


class Provider(msgspec.Struct, rename="camel"):
    peering_location: str | None = None


class Sku(msgspec.Struct):
    tier: str | None = None


class AzureCircuit(msgspec.Struct, rename="camel"):
    name: str
    peerings: list[AzurePeering]
    id: str | None = None
    sku: Sku | None = None
    service_provider_properties: Provider | None = None
    express_route_port: Reference | None = None
    """The port of ExpressRoute Direct that it is on."""
    circuit_provisioning_state: str | None = None
    service_provider_provisioning_state: str | None = None
    provisioning_state: str | None = None


class Rule(msgspec.Struct):
    communities: list[str] | None = None
    access: str | None = None


class RouteFilter(msgspec.Struct):
    """The route filter of a Microsoft peering: the services whose routes it lets through."""

    name: str
    rules: list[Rule]
    id: str | None = None
    peerings: list[Reference] | None = None


class AddressSpace(msgspec.Struct, rename="camel"):
    address_prefixes: list[str]


class VirtualNetwork(msgspec.Struct, rename="camel"):
    name: str
    address_space: AddressSpace


def objects(where: str, data: Any) -> Iterator[tuple[str, Any]]:
    """Yield the items of lists, also of those in ``value`` (REST API and PowerShell); ``SourceError`` if they are too deep."""
    if isinstance(data, list):
        for at, value in enumerate(data):
            yield f"{where}[{at}]", _plain(value)
        return
    plain = _plain(data)
    if isinstance(plain, dict) and isinstance(plain.get("value"), list):
        for at, value in enumerate(plain["value"]):
            yield f"{where}.value[{at}]", value
        return
    yield where, plain


_SPELLINGS = {
    name.lower(): name
    for shape in (
        *(AzureCircuit, AzurePeering, Ipv6, MicrosoftConfig, PrefixInfo, Provider, Sku),
        *(RouteFilter, Rule, Reference, VirtualNetwork, AddressSpace),
    )
    for name in shape.__struct_encode_fields__
} | {"properties": "properties", "value": "value"}


_MOST_LEVELS = 64
"""Azure's documents have about ten; each level costs a call here."""


def _plain(value: Any, level: int = 0) -> Any:
    """Rename the fields to Azure's present names, and merge ``properties`` into the item."""
    if level > _MOST_LEVELS:
        raise SourceError(f"is nested more than {_MOST_LEVELS} levels deep")
    if isinstance(value, list):
        return [_plain(each, level + 1) for each in value]
    if not isinstance(value, dict):
        return value
    plain = {_SPELLINGS.get(key.lower(), key): _plain(each, level + 1) for key, each in value.items()}
    inner = plain.get("properties")
    if isinstance(inner, dict):
        del plain["properties"]
        plain = inner | plain
    return plain


T = TypeVar("T")


def shaped(where: str, value: Any, shape: type[T]) -> T:
    """Convert an object; ``SourceError`` says what differs from ``shape``, and where."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        cut = (
            "; PowerShell has cut it off: use ConvertTo-Json -Depth 10"
            if "got `str`" in problem and "object" in problem
            else ""
        )
        raise SourceError(f"{where}{path.rstrip('`')}: {problem}{cut}") from None


def name_in(resource: str | None, kind: str) -> str | None:
    """Find the name of a resource of a kind in an Azure identifier, ``/…/kind/NAME/…``."""
    parts = (resource or "").split("/")
    names = [name for before, name in pairwise(parts) if before.lower() == kind.lower()]
    return names[0] if names else None
