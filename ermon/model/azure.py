"""Azure's own view of a circuit: where ermon reads it, how it logs in there, and what a reading says.

``config`` fills in the first two from ``circuits.NAME.azure`` and from the section ``azure``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import msgspec

ARM = "arm"
"""The value of ``from`` that means Azure Resource Manager; every other value is a file."""

Login = Literal["managed-identity", "client-secret", "client-certificate"]


@dataclass(frozen=True, slots=True)
class AzureCircuit:
    """Where ermon reads what Azure says of one circuit, and what Azure must say of it."""

    resource_id: str
    """The circuit's Azure identifier, ``/subscriptions/…/expressRouteCircuits/NAME``, as the file spells it."""
    location: str
    """A file, or ``ARM``."""
    refresh: float
    """Seconds between two readings. One that is older than three of these no longer counts."""
    vlan: int | None = None
    """The VLAN of the peering; ``None``: not compared."""
    route_filter: str | None = None
    """The name of the route filter of a Microsoft peering; ``None``: not compared."""
    tables: str | None = None
    """The folder with the tables of Microsoft's edge routers; ``None``: by Azure Resource Manager, or nowhere."""

    @property
    def by_arm(self) -> bool:
        return self.location == ARM

    @property
    def reads_tables(self) -> bool:
        """Whether the tables of Microsoft's edge routers are read for the circuit."""
        return self.by_arm or self.tables is not None

    @property
    def key(self) -> str:
        """The identifier in a form to compare: Azure's identifiers do not depend on case."""
        return self.resource_id.lower()

    @property
    def resource_group(self) -> str:
        return self.resource_id.split("/")[4]

    @property
    def name(self) -> str:
        """The circuit's name in Azure."""
        return self.resource_id.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class AzureAccess:
    """How ermon logs in to Azure Resource Manager. The files are named here; their contents are not."""

    login: Login
    tenant: str | None
    """The directory, by id or domain; ``None`` with a managed identity."""
    client_id: str | None
    """The application; with a managed identity, the user-assigned one, and ``None`` for the machine's own."""
    client_secret_file: str | None
    certificate_file: str | None
    """A PEM file with the certificate and its key."""
    management: str
    """Host, or host and port, of Azure Resource Manager."""
    authority: str
    """Host, or host and port, where ermon logs in."""
    ca_file: str | None
    """The authorities that both hosts' certificates must be signed by; ``None``: the system's."""


OUTDATED_AFTER = 3
"""A reading that is older than so many intervals no longer counts."""


class AzurePeering(msgspec.Struct, frozen=True, omit_defaults=True):
    """What Azure says of one family of a peering. Texts are as Azure spells them; empty: Azure says nothing."""

    state: str = ""
    """Enabled or Disabled."""
    primary: str = ""
    """The subnet of the primary link."""
    secondary: str = ""
    route_filter: str = ""
    """The name of its route filter."""
    prefixes: tuple[str, ...] = ()
    """The advertised public prefixes, as far as they are prefixes."""
    prefix_state: str = ""
    """The state of their validation: Configured if Microsoft has validated them."""
    not_validated: tuple[tuple[str, str], ...] = ()
    """Prefixes that have a state of their own which is not Configured, and that state."""
    customer_asn: int | None = None
    """The ASN that the prefixes are registered for, if it is not the peer's."""


class AzureReading(msgspec.Struct, frozen=True, omit_defaults=True):
    """What Azure says of a circuit and of the peering that ermon watches on it."""

    circuit_state: str = ""
    """``circuitProvisioningState``: Enabled on a working circuit."""
    provider_state: str = ""
    """``serviceProviderProvisioningState``: Provisioned on a working circuit."""
    direct: bool = False
    """The circuit is on a port of ExpressRoute Direct, which no provider provisions."""
    location: str = ""
    """The peering location; Azure has none for ExpressRoute Direct."""
    peering: bool = False
    """Whether the circuit has the peering."""
    azure_asn: int | None = None
    peer_asn: int | None = None
    vlan: int | None = None
    ipv4: AzurePeering = AzurePeering()
    ipv6: AzurePeering | None = None
    """``None``: the peering has no IPv6."""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The advertised public prefixes of both families."""
        return (*self.ipv4.prefixes, *(() if self.ipv6 is None else self.ipv6.prefixes))


class AzureFailure(StrEnum):
    """Why Azure's view could not be read: a closed set, fit for a metric's label."""

    FILE = "file"
    """The file is missing, unreadable or too large."""
    SHAPE = "shape"
    """What was read is not in the documented shape."""
    MISSING = "missing"
    """The circuit is not in it, or Azure knows no such circuit."""
    LOGIN = "login"
    """ermon could not log in."""
    DENIED = "denied"
    """The role does not allow it."""
    LIMITED = "limited"
    """Azure limits requests at present (429)."""
    UNREACHABLE = "unreachable"
    """The host cannot be reached, or does not answer in time."""
    ANSWER = "answer"
    """The host answered with an error, a redirect or too much."""
