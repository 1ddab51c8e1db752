"""What is known of Microsoft's tables over HTTP, and questions to Azure out of turn, by users who may make changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.checks.company import company
from tests.checks.test_azure_tables import TABLES
from tests.web.site import Client, Site

PATH = "/api/v1/azure"


class Tables:
    """Notes the questions; those of dallas must wait."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def out_of_turn(self, circuit: str) -> float | None:
        self.asked.append(circuit)
        return 12.5

    def reading(self, circuit: str) -> bool:
        return circuit in self.asked


@pytest.fixture
def asked() -> Tables:
    return Tables()


@pytest.fixture
async def client(tmp_path: Path, asked: Tables) -> AsyncIterator[Client]:
    net = company(TABLES).converge()
    net.microsoft_says("chicago", "primary", [], neighbors=[("203.0.113.1", "8w4d", "3")], arp=[])
    net.microsoft_says("chicago", "secondary", problem="HTTP 403")
    async with Site(net, azure=asked).tell().controlled(tmp_path) as controlled:
        yield controlled


async def test_what_is_known_is_listed_by_link(client: Client) -> None:
    [found] = await client.data(PATH)
    assert (found["circuit"], found["reading"], found["seconds"]) == ("chicago", False, None)
    primary, secondary = found["links"]["primary"], found["links"]["secondary"]
    assert primary["said"]["ipv4"].startswith(
        "session with 203.0.113.1 up, 3 prefixes received for 8w4d; ARP table empty"
    )
    assert primary["sessions"] == {"203.0.113.1": "up"}
    assert primary["arp"] == "ARP table empty: open a support case with Microsoft"
    assert (secondary["sessions"], secondary["arp"]) == ({}, None)
    assert (primary["problem"], secondary["problem"]) == ("", "HTTP 403")
    assert secondary["read_at"] is None


async def test_azure_is_asked_out_of_turn(client: Client, asked: Tables) -> None:
    status, [found] = await send(client, {})
    assert (status, found["seconds"], found["reading"], asked.asked) == (200, 12.5, True, ["chicago"])
    assert (await send(client, {"circuit": "chicago"}))[0] == 200


@pytest.mark.parametrize("body", [{"circuit": "dallas"}, {"circuit": 5}, {"link": "primary"}, []])
async def test_what_cannot_be_asked_is_refused(client: Client, asked: Tables, body: Any) -> None:
    status, _ = await send(client, body)
    assert (status, asked.asked) == (400, [])


async def send(client: Client, body: Any) -> tuple[int, Any]:
    response = await client.http.post(PATH, json=body)
    answer = await response.json()
    return response.status, answer.get("data", answer.get("error"))
