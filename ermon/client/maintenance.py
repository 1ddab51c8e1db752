"""``ermon maintenance``: adds, lists and ends maintenance windows of a running daemon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ermon.api.answers import WindowDoc
from ermon.client.http import Client, Target


async def list_windows(target: Target) -> list[str]:
    """Return a line for each window."""
    async with Client(target) as client:
        return [_line(window) for window in await client.get("maintenance", list[WindowDoc])]


async def add_window(target: Target, wanted: Mapping[str, Any]) -> str:
    async with Client(target) as client:
        return _line(await client.change("POST", "maintenance", WindowDoc, dict(wanted)))


async def end_window(target: Target, window_id: str) -> str:
    async with Client(target) as client:
        return _line(await client.change("DELETE", f"maintenance/{window_id}", WindowDoc))


def _line(window: WindowDoc) -> str:
    about = f"feed {window.feed}" if window.feed else f"circuit {window.circuit}"
    link = f", link {window.link}" if window.link else ""
    state = "active" if window.active else "not active"
    name = window.id or "(configuration)"
    return f"{name:<16} {window.starts} to {window.ends}  {state:<11} {about}{link}: {window.reason}"
