"""The shape of what ``ermon.yml`` says of Azure: where a circuit is read, and how ermon logs in there."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from ermon.config.fields import Line, PositiveDuration, show
from ermon.config.shape import Section

REFRESH_SECONDS = 900.0
"""Azure's view is minutes old anyway, and the tables of a circuit take minutes to read."""

_SEGMENT = "[^/\\s?#%]{1,90}"
_RESOURCE_ID = re.compile(
    f"/subscriptions/{_SEGMENT}/resourceGroups/{_SEGMENT}/providers/Microsoft\\.Network/expressRouteCircuits/{_SEGMENT}",
    re.IGNORECASE,
)
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
_CLIENT = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def _matching(pattern: re.Pattern[str], what: str) -> tuple[PlainValidator, WithJsonSchema]:
    def parse(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"{show(value)} is not {what}")
        return value

    return PlainValidator(parse), WithJsonSchema({"type": "string", "minLength": 1})


def _parse_vlan(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 4094:
        raise ValueError(f"must be a VLAN, 1 to 4094, not {show(value)}")
    return value


ResourceId = Annotated[
    str,
    *_matching(
        _RESOURCE_ID,
        "the identifier of a circuit; write what `az network express-route show --query id` prints: "
        "/subscriptions/…/resourceGroups/…/providers/Microsoft.Network/expressRouteCircuits/NAME",
    ),
]
HostName = Annotated[
    str, *_matching(_HOST, "a host; write its name without https://, such as management.azure.com")
]
Tenant = Annotated[str, *_matching(_TENANT, "a tenant; write its id, or one of its domains")]
ClientId = Annotated[
    str, *_matching(_CLIENT, "a client id; write it as in 00000000-0000-0000-0000-000000000000")
]
Vlan = Annotated[
    int, PlainValidator(_parse_vlan), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 4094})
]


class HostsSection(Section):
    """The hosts of your Azure cloud, for those that are not the public one."""

    management: HostName = "management.azure.com"
    """Azure Resource Manager: management.usgovcloudapi.net, management.chinacloudapi.cn."""
    login: HostName = "login.microsoftonline.com"
    """Where applications log in: login.microsoftonline.us, login.partner.microsoftonline.cn."""


class AzureSection(Section):
    """How ermon logs in to Azure Resource Manager; only where a circuit is read from there."""

    login: Literal["managed-identity", "client-secret", "client-certificate"]
    """managed-identity: the virtual machine that ermon runs on; else an application with a secret or a certificate."""
    tenant: Tenant | None = None
    """The application's directory, by id or domain."""
    client_id: ClientId | None = None
    """The application; with managed-identity, a user-assigned identity. Default: the machine's own identity."""
    client_secret_file: Line | None = None
    """File with the application's secret, looked for like an md5_password_file."""
    certificate_file: Line | None = None
    """PEM file with the application's certificate and its key, looked for like an md5_password_file."""
    refresh: PositiveDuration = REFRESH_SECONDS
    """How often each circuit is read."""
    hosts: HostsSection = HostsSection()
    """The hosts of your Azure cloud. Default: those of the public one."""
    ca_file: Line | None = None
    """PEM file with the authorities that sign the hosts' certificates, looked for like an md5_password_file. Default:
    the system's."""


class CircuitAzureSection(Section):
    """Where Azure's own view of the circuit is read, and what it must say."""

    resource_id: ResourceId
    """The circuit's Azure identifier, as `az network express-route show --query id` prints it."""
    location: Line = Field(alias="from")
    """arm for Azure Resource Manager, or a file that `az network express-route list -o json` writes on a schedule."""
    refresh: PositiveDuration | None = None
    """How often it is read, or the file written. Default: azure.refresh, or 15m."""
    tables: Line | None = None
    """Folder with the tables of Microsoft's edge routers, where az writes them on a schedule. Default: with from: arm,
    ermon asks Azure for them; else there are none."""
    vlan: Vlan | None = None
    """The peering's VLAN, to compare. Default: not compared."""
    route_filter: Line | None = None
    """Name of the route filter of a Microsoft peering, to compare. Default: not compared."""
