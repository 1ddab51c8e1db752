"""The tables of Microsoft's edge routers in a running daemon, from files and from a stand-in of Azure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.e2e.company import EXCHANGE, OURS, POOL, Company, configuration, own_network

RESOURCE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/expressRouteCircuits/er-chicago"


def reading_tables() -> dict[str, Any]:
    settings = configuration(own_network())
    azure = {"resource_id": RESOURCE, "from": "azure.json", "tables": "tables"}
    settings["circuits"]["chicago"]["azure"] = azure
    return settings


def write(folder: Path, name: str, *rows: dict[str, Any]) -> None:
    """Write a file as ``az`` does with its output, in place of the one before."""
    new = folder / f"{name}.new"
    new.write_text(json.dumps({"value": rows}))
    new.rename(folder / f"{name}.json")


def test_a_finding_on_the_circuit_gets_microsofts_side_as_evidence_at_once(directory: Path) -> None:
    folder = directory / "tables"
    folder.mkdir()
    routes = [{"network": prefix, "nextHop": OURS["ipv4"], "path": "64500 I"} for prefix in POOL.values()]
    for link in ("primary", "secondary"):
        write(folder, f"routes-{link}", *routes)
    with Company(directory, reading_tables()).started() as company:
        daemon = company.daemon
        daemon.wait_until(
            lambda: all(link["read_at"] for link in daemon.api("azure")[0]["links"].values()),
            "tables are read",
        )
        assert daemon.metric("ermon_azure_tables_age_seconds", circuit="chicago", link="primary") > 0
        assert daemon.api("azure")[0]["links"]["primary"]["said"] == {"ipv4": "", "ipv6": ""}
        neighbor = {
            "neighbor": OURS["ipv4"],
            "v": 4,
            "as": 64500,
            "upDown": "00:00:04",
            "statePfxRcd": "Idle",
        }
        write(folder, "summary-primary", neighbor)
        write(
            folder,
            "arp-primary",
            {"interface": "Microsoft", "ipAddress": "203.0.113.2", "macAddress": "00aa.00bb.00cc"},
        )
        company.routers["edge-1"].withdraw(EXCHANGE["ipv4"], path_id=1)
        daemon.wait_until_raised("link-down", link="primary", family="ipv4")
        daemon.wait_until(
            lambda: "microsofts_side" in daemon.findings("link-down", family="ipv4")[0]["evidence"],
            "Microsoft's side is evidence",
        )
        [said] = daemon.findings("link-down", family="ipv4")[0]["evidence"]["microsofts_side"]
        assert said.startswith(f"primary: session with {OURS['ipv4']} Idle since ")
        assert "; ARP shows Microsoft's side only: call the provider (asked " in said


def test_tables_that_are_not_there_are_reported_and_stop_nothing(directory: Path) -> None:
    with Company(directory, reading_tables()).running() as company:
        daemon = company.daemon
        daemon.wait_until(lambda: daemon.logged("Microsoft's tables cannot be read"), "the log says it")
        assert "no such file" in daemon.api("azure")[0]["links"]["secondary"]["problem"]
        asked = daemon.request("POST", "/api/v1/azure", {"circuit": "chicago"})
        assert (asked.status, json.loads(asked.text)["data"][0]["seconds"]) == (200, 0.0)
