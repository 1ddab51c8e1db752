"""Azure's own view of a circuit: where ermon reads it, and how it logs in there.

``config`` fills these in from ``circuits.NAME.azure`` and from the section ``azure``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
