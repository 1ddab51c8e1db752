"""The tables of Microsoft's edge routers, from files that ``az`` writes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ermon.azure.table_files import AZ_SECONDS, Seen, read_files
from ermon.model.azure_tables import AzureNeighbor, AzureRoute, AzureTraffic

WRITTEN, NOW = 1_795_000_000.0, 1_795_000_060.0
ROUTES = {"value": [{"network": "198.51.100.0/28", "nextHop": "203.0.113.1", "path": "64500 I"}]}
SUMMARY = {"value": [{"neighbor": "203.0.113.1", "as": 64500, "upDown": "8w4d", "statePfxRcd": "1"}]}
ARP = {"value": [{"interface": "On-Prem", "ipAddress": "203.0.113.1", "macAddress": "ffff.eeee.dddd"}]}
STATS = {"primarybytesIn": 1, "primarybytesOut": 2, "secondarybytesIn": 3, "secondarybytesOut": 4}


def write(folder: Path, name: str, value: Any, at: float = WRITTEN) -> None:
    file = folder / name
    file.write_text(value if isinstance(value, str) else json.dumps(value))
    os.utime(file, (at, at))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for device in ("primary", "secondary"):
        write(tmp_path, f"routes-{device}.json", ROUTES)
        write(tmp_path, f"summary-{device}.json", SUMMARY, WRITTEN - 30)
        write(tmp_path, f"arp-{device}.json", ARP)
    write(tmp_path, "stats.json", STATS)
    return tmp_path


def test_all_tables_of_an_edge_router_are_read_and_as_old_as_the_oldest(folder: Path) -> None:
    found = read_files(folder, "secondary", {}, NOW)
    assert found.routes == (AzureRoute("198.51.100.0/28", "203.0.113.1", "64500 I"),)
    assert found.neighbors == (AzureNeighbor("203.0.113.1", 64500, "8w4d", "1"),)
    assert [entry.complete for entry in found.arp or ()] == [True]
    assert found.traffic == AzureTraffic(3, 4)
    assert found.asked == WRITTEN - 30 - AZ_SECONDS
    assert found.problems == []


def test_what_was_read_is_read_again_only_if_it_was_written_again(folder: Path) -> None:
    seen: Seen = {}
    read_files(folder, "primary", seen, NOW)
    found = read_files(folder, "primary", seen, NOW)
    assert (found.asked, found.routes, found.problems) == (None, None, [])
    write(folder, "routes-primary.json", ROUTES, WRITTEN + 900)
    found = read_files(folder, "primary", seen, NOW + 900)
    assert found.routes is not None
    assert (found.neighbors, found.asked) == (None, WRITTEN + 900 - AZ_SECONDS)


def test_only_the_routes_must_be_there(folder: Path) -> None:
    for name in ("summary-primary.json", "arp-primary.json", "stats.json"):
        (folder / name).unlink()
    assert read_files(folder, "primary", {}, NOW).problems == []
    (folder / "routes-primary.json").unlink()
    [problem] = read_files(folder, "primary", {}, NOW).problems
    assert problem.startswith("routes-primary.json: there is no such file in ")


def test_a_file_that_is_half_written_is_reported_and_read_when_it_is_whole(folder: Path) -> None:
    seen: Seen = {}
    write(folder, "routes-primary.json", '{"value": [{"netw')
    found = read_files(folder, "primary", seen, NOW)
    assert found.routes is None
    assert [problem.split(":")[0] for problem in found.problems] == ["routes-primary.json is not JSON"]
    write(folder, "routes-primary.json", ROUTES)
    assert read_files(folder, "primary", seen, NOW).routes is not None


def test_a_file_of_the_future_is_of_now(folder: Path) -> None:
    for file in folder.iterdir():
        os.utime(file, (NOW + 9_999, NOW + 9_999))
    assert read_files(folder, "primary", {}, NOW).asked == NOW - AZ_SECONDS


def test_pipes_and_folders_are_reported_at_once(folder: Path) -> None:
    (folder / "arp-primary.json").unlink()
    os.mkfifo(folder / "arp-primary.json")
    (folder / "routes-primary.json").unlink()
    (folder / "routes-primary.json").mkdir()
    found = read_files(folder, "primary", {}, NOW)
    assert len(found.problems) == 2
    assert found.neighbors is not None


def test_a_file_that_can_be_read_again_is_read_again(folder: Path) -> None:
    seen: Seen = {}
    read_files(folder, "primary", seen, NOW)
    (folder / "routes-primary.json").rename(folder / "away")
    (folder / "routes-primary.json").mkdir()
    assert read_files(folder, "primary", seen, NOW).problems != []
    (folder / "routes-primary.json").rmdir()
    (folder / "away").rename(folder / "routes-primary.json")
    assert read_files(folder, "primary", seen, NOW).routes is not None
