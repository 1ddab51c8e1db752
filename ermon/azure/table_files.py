"""Reads the tables of Microsoft's edge routers from the files that ``az`` writes on a schedule.

A folder has the tables of one circuit and peering: ``routes-primary.json``, ``summary-primary.json`` and ``arp-primary.json``, the
same for ``secondary``, and ``stats.json``. Only the routes are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ermon.aio.files import Edition, read_if_new
from ermon.azure import tables
from ermon.azure.tables import MAX_BYTES, TableError, read_document
from ermon.model.azure_tables import AzureArp, AzureNeighbor, AzureRoute, AzureTraffic

AZ_SECONDS = 300.0
"""So long before the time of its file Azure may have been asked for a table: ``az`` waits for it, usually for a minute or two."""

STATS = "stats.json"
Seen = dict[str, Edition]
"""By file name: each file as it was last read."""


@dataclass(slots=True)
class TablesRead:
    """What one attempt to read the tables of an edge router brought. A table that is ``None`` was not read."""

    asked: float | None = None
    """When Azure was asked, by the wall clock; the earliest of several. ``None`` if nothing was read."""
    routes: tuple[AzureRoute, ...] | None = None
    partial: bool = False
    neighbors: tuple[AzureNeighbor, ...] | None = None
    arp: tuple[AzureArp, ...] | None = None
    traffic: AzureTraffic | None = None
    problems: list[str] = field(default_factory=list)
    wait: float = 0.0
    """Seconds for which Azure asks not to be asked again."""

    def put_routes(self, value: Any) -> None:
        self.routes, self.partial = tables.routes(value)

    def put_neighbors(self, value: Any) -> None:
        self.neighbors = tables.neighbors(value)

    def put_arp(self, value: Any) -> None:
        self.arp = tables.arp(value)

    def put_traffic(self, value: Any, device: str) -> None:
        self.traffic = tables.traffic(value).get(device)

    def was_asked(self, at: float) -> None:
        self.asked = at if self.asked is None else min(self.asked, at)


def read_files(folder: Path, device: str, seen: Seen, now: float) -> TablesRead:
    """Read the files of one edge router that were written since they were ``seen``, and note what is seen now.

    ``now`` is the time of the wall clock: a file of the future is of now. Every problem is in the result.
    """
    found = TablesRead()
    kinds: Mapping[str, Callable[[Any], None]] = {
        f"routes-{device}.json": found.put_routes,
        f"summary-{device}.json": found.put_neighbors,
        f"arp-{device}.json": found.put_arp,
        STATS: lambda value: found.put_traffic(value, device),
    }
    for name, put in kinds.items():
        try:
            edition, content = read_if_new(folder / name, seen.get(name), MAX_BYTES)
            if content is not None:
                put(read_document(content))
                found.was_asked(min(edition.written, now) - AZ_SECONDS)
            seen[name] = edition
        except FileNotFoundError:
            seen.pop(name, None)
            if name == f"routes-{device}.json":
                found.problems.append(f"{name}: there is no such file in {folder}")
        except OSError as error:
            seen.pop(name, None)  # once it can be read again, that is reported
            found.problems.append(f"{name} cannot be read: {error.strerror or error}")
        except TableError as error:
            found.problems.append(f"{name} {error}")
    return found
