"""The rules for what ``ermon.yml`` says of Azure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ermon.config.azure import AzureSection, CircuitAzureSection
from ermon.config.circuits import CircuitEntry
from ermon.config.problems import Complaint
from ermon.model.azure import ARM
from ermon.model.inventory import Peering

LEAST_REFRESH_SECONDS = 60.0
"""Azure Resource Manager is asked no more often: its limits are for a subscription with all of its users."""

_NEEDS = {
    "managed-identity": (),
    "client-secret": ("tenant", "client_id", "client_secret_file"),
    "client-certificate": ("tenant", "client_id", "certificate_file"),
}
_MAY_HAVE = {"managed-identity": ("client_id",), "client-secret": (), "client-certificate": ()}
_OF_A_LOGIN = ("tenant", "client_id", "client_secret_file", "certificate_file")


def complaints_about_azure(
    azure: AzureSection | None, circuits: Mapping[str, CircuitEntry]
) -> Iterator[Complaint]:
    if azure is not None:
        yield from _login(azure)
        if azure.refresh < LEAST_REFRESH_SECONDS:
            yield Complaint(("azure", "refresh"), _TOO_OFTEN)
    seen: dict[tuple[str, Peering], str] = {}
    for name, circuit in circuits.items():
        if circuit.azure is None:
            continue
        path = ("circuits", name, "azure")
        yield from _circuit(path, circuit, circuit.azure)
        if circuit.azure.location == ARM and azure is None:
            yield Complaint((*path, "from"), "needs to log in; add azure: {login: …} at the top of the file")
        first = seen.setdefault((circuit.azure.resource_id.lower(), circuit.peering), name)
        if first != name:
            yield Complaint(
                (*path, "resource_id"),
                f"is also that of {first}, with the same peering; write that of {name}",
            )


_TOO_OFTEN = "must be at least 1m: Azure limits the requests of a whole subscription"


def _login(azure: AzureSection) -> Iterator[Complaint]:
    needed = _NEEDS[azure.login]
    for key in _OF_A_LOGIN:
        value = getattr(azure, key)
        if key in needed and value is None:
            yield Complaint(("azure", key), f"is missing; {azure.login} needs it")
        elif value is not None and key not in (*needed, *_MAY_HAVE[azure.login]):
            yield Complaint(("azure", key), f"is not for {azure.login}; remove it, or change login")


def _circuit(path: tuple[str, ...], circuit: CircuitEntry, azure: CircuitAzureSection) -> Iterator[Complaint]:
    if azure.location == ARM and azure.refresh is not None and azure.refresh < LEAST_REFRESH_SECONDS:
        yield Complaint((*path, "refresh"), _TOO_OFTEN)
    if azure.location != ARM and "://" in azure.location:
        yield Complaint((*path, "from"), "must be a file, or arm; ermon finds Azure's address itself")
    if azure.route_filter is not None and circuit.peering is Peering.PRIVATE:
        yield Complaint(
            (*path, "route_filter"),
            "is for Microsoft peering only: private peering has no route filter; remove it",
        )


def cautions_about_azure(
    azure: AzureSection | None, circuits: Mapping[str, CircuitEntry]
) -> Iterator[Complaint]:
    used = any(each.azure is not None and each.azure.location == ARM for each in circuits.values())
    if azure is not None and not used:
        yield Complaint(("azure",), "is not used; no circuit has azure: {from: arm}")
