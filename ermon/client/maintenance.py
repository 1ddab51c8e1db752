"""``ermon maintenance``: adds, lists and ends maintenance windows of a running daemon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ermon.client.http import Client, Target


class Window(msgspec.Struct, frozen=True, rename={"starts": "from", "ends": "to"}):
    """A maintenance window as the API shows it."""

    origin: str
    starts: str
    ends: str
    reason: str
    active: bool
    id: str | None = None
    circuit: str | None = None
    link: str | None = None
    feed: str | None = None

    def __str__(self) -> str:
        about = f"feed {self.feed}" if self.feed else f"circuit {self.circuit}"
        link = f", link {self.link}" if self.link else ""
        state = "active" if self.active else "not active"
        name = self.id or "(configuration)"
        return f"{name:<16} {self.starts} to {self.ends}  {state:<11} {about}{link}: {self.reason}"


async def list_windows(target: Target) -> list[Window]:
    async with Client(target) as client:
        return await client.get("maintenance", list[Window])


async def add_window(target: Target, wanted: Mapping[str, Any]) -> Window:
    async with Client(target) as client:
        return await client.change("POST", "maintenance", Window, dict(wanted))


async def end_window(target: Target, window_id: str) -> Window:
    async with Client(target) as client:
        return await client.change("DELETE", f"maintenance/{window_id}", Window)
