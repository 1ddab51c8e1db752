"""The tables of Microsoft's edge routers, from a stand-in of Azure Resource Manager that behaves badly."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from ermon.azure.client import ArmClient
from ermon.azure.table_arm import ask_device
from ermon.azure.table_files import TablesRead
from ermon.demo.azure import AzureStandIn, error
from ermon.model.azure import ARM, AzureCircuit
from ermon.model.azure_tables import AzureNeighbor, AzureRoute, AzureTraffic
from ermon.model.inventory import Circuit, Peering
from tests.azure.test_client import Clock, make
from tests.networks import SMALL

CIRCUIT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/expressRouteCircuits/er"
PEERING = f"{CIRCUIT}/peerings/MicrosoftPeering"
NOW = 1_795_000_000.0
NEIGHBOR = {"neighbor": "203.0.113.1", "v": 4, "as": 64500, "upDown": "8w4d", "statePfxRcd": "1"}
ROUTE = {
    "network": "198.51.100.0/28",
    "nextHop": "203.0.113.1*",
    "locPrf": "",
    "weight": 0,
    "path": "64500 I",
}
POSTS = ("routetablessummary", "routetables", "arptables")


@pytest.fixture
async def azure() -> AsyncIterator[AzureStandIn]:
    stand_in = AzureStandIn()
    for name, rows in zip(POSTS, ([NEIGHBOR], [ROUTE], []), strict=True):
        stand_in.operations[f"{PEERING}/{name}/primary".lower()] = {"value": rows}
    stand_in.documents[f"{PEERING}/stats".lower()] = {"primarybytesIn": 1, "primarybytesOut": 2}
    async with stand_in.listening():
        yield stand_in


@pytest.fixture
def client(azure: AzureStandIn, tmp_path: Path) -> ArmClient:
    return make(azure, Clock(), tmp_path)


def circuit(peering: Peering = Peering.MICROSOFT) -> Circuit:
    source = AzureCircuit(CIRCUIT, ARM, 900.0)
    return replace(SMALL.circuits["chicago"], azure=source, peering=peering)


async def ask(client: ArmClient | None) -> TablesRead:
    return await ask_device(client, circuit(), "primary", clock=lambda: NOW)


def asked(azure: AzureStandIn) -> list[str]:
    """Return what was requested for the circuit, without the questions for results."""
    return [each.rpartition("/")[0].rpartition("/")[2] for each in azure.requests if each.startswith("POST")]


async def test_the_summary_comes_before_the_routes_and_each_is_waited_for(
    azure: AzureStandIn, client: ArmClient
):
    azure.polls = 3
    found = await ask(client)
    assert found == TablesRead(
        asked=NOW,
        routes=(AzureRoute("198.51.100.0/28", "203.0.113.1*", "64500 I"),),
        neighbors=(AzureNeighbor("203.0.113.1", 64500, "8w4d", "1"),),
        arp=(),
        traffic=AzureTraffic(1, 2),
    )
    assert asked(azure) == list(POSTS)
    first_of_routes = azure.requests.index(f"POST {f'{PEERING}/routeTables/primary'.lower()}")
    assert azure.requests[1:first_of_routes] == ["GET /operations/1"] * 3  # one operation at a time


async def test_a_table_on_several_pages_is_whole(azure: AzureStandIn, client: ArmClient):
    path = f"{PEERING}/routeTables/primary".lower()
    azure.operations[path] = {"value": [ROUTE], "nextLink": f"https://{azure.host}/more"}
    azure.documents["/more"] = {"value": [ROUTE | {"network": "198.51.100.16/28"}]}
    found = await ask(client)
    assert found.routes is not None
    assert [route.network for route in found.routes] == ["198.51.100.0/28", "198.51.100.16/28"]
    assert not found.partial


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_azure_is_left_alone_for_as_long_as_it_says(
    azure: AzureStandIn, client: ArmClient, status: int
):
    async def busy(_: web.Request) -> web.Response:
        return error(status, "TooManyRequests", Retry_After="120")

    await client.get(f"{PEERING}/stats")  # logs in
    azure.requests.clear()
    azure.next.append(busy)
    found = await ask(client)
    assert (found.asked, found.wait) == (None, 120.0)
    assert len(azure.requests) == 1
    assert len(found.problems) == 1


async def test_one_table_that_is_refused_costs_no_other(azure: AzureStandIn, client: ArmClient):
    del azure.operations[f"{PEERING}/arpTables/primary".lower()]
    found = await ask(client)
    assert found.routes is not None
    assert found.traffic is not None
    assert found.arp is None
    assert ["404" in problem for problem in found.problems] == [True]


async def test_without_the_right_nothing_more_is_requested(azure: AzureStandIn, client: ArmClient):
    async def denied(_: web.Request) -> web.Response:
        return error(403, "AuthorizationFailed")

    await client.get(f"{PEERING}/stats")
    azure.requests.clear()
    azure.next.append(denied)
    found = await ask(client)
    assert len(azure.requests) == 1
    assert "403" in found.problems[0]


@pytest.mark.parametrize("answer", [{"value": "text"}, "text", 5, {"value": [5]}])
async def test_another_shape_is_reported_and_ends_nothing(
    azure: AzureStandIn, client: ArmClient, answer: object
):
    azure.operations[f"{PEERING}/routeTables/primary".lower()] = json.loads(json.dumps(answer))
    found = await ask(client)
    assert found.neighbors is not None
    assert found.arp == ()
    assert found.routes is None or found.partial


async def test_private_peering_has_its_own_tables(azure: AzureStandIn, client: ArmClient):
    await ask_device(client, circuit(Peering.PRIVATE), "secondary", clock=lambda: NOW)
    assert all("/peerings/azureprivatepeering/" in each for each in azure.requests)
    assert azure.requests[0].endswith("/routetablessummary/secondary")


async def test_without_a_way_to_log_in_that_is_the_problem():
    assert (await ask(None)).problems == ["the configuration does not say how to log in"]
