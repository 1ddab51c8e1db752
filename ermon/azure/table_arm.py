"""Asks Azure Resource Manager for the tables of Microsoft's edge routers, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from ermon.aio.threads import in_thread
from ermon.azure.client import ArmClient
from ermon.azure.requests import ArmError
from ermon.azure.table_files import TablesRead
from ermon.azure.tables import TableError
from ermon.model.azure import AzureFailure
from ermon.model.inventory import Circuit, Peering

_PEERINGS = {Peering.MICROSOFT: "MicrosoftPeering", Peering.PRIVATE: "AzurePrivatePeering"}
_HOPELESS = frozenset(
    {AzureFailure.LOGIN, AzureFailure.DENIED, AzureFailure.LIMITED, AzureFailure.UNREACHABLE}
)
"""After these, no other request for the same circuit would succeed now."""


async def ask_device(
    client: ArmClient | None, circuit: Circuit, device: str, *, clock: Callable[[], float] = time.time
) -> TablesRead:
    """Return the tables of one edge router: the summary first, which is small, then routes, ARP and counters.

    Azure asks the router for each table. So one is requested at a time, with the lock of the circuit. ``clock`` is the wall
    clock, in seconds since the epoch.
    """
    found = TablesRead()
    azure = circuit.azure
    if client is None or azure is None:
        found.problems.append("the configuration does not say how to log in")
        return found
    peering = f"{azure.resource_id}/peerings/{_PEERINGS[circuit.peering]}"

    def traffic(value: Any) -> None:
        found.put_traffic(value, device)

    for what, put in (
        (f"routeTablesSummary/{device}", found.put_neighbors),
        (f"routeTables/{device}", found.put_routes),
        (f"arpTables/{device}", found.put_arp),
        ("stats", traffic),
    ):
        asked = clock()
        try:
            async with client.turn(azure.resource_id):
                path = f"{peering}/{what}"
                table = await (client.get(path) if what == "stats" else client.run(path))
            await in_thread(partial(put, table))
        except ArmError as error:
            found.problems.append(str(error))
            found.wait = max(found.wait, error.wait)
            if error.wait or error.kind in _HOPELESS:
                break
        except TableError as error:
            found.problems.append(f"{what} {error}")
        else:
            found.was_asked(asked)
    return found
