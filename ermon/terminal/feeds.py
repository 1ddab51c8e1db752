"""The sessions with the routers: what is wrong stands first, and what is well is counted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from ermon.api.status import FeedDoc, FeedOverall, StatusDoc
from ermon.terminal.console import grid, text
from ermon.terminal.words import duration, family_name, instant, plural, style

NARROW = 66
"""Below this, only the states are shown."""
MAX_FEEDS = 12
"""With more of them, only those are shown that something is wrong with."""


def feeds(status: StatusDoc, now: datetime, width: int, *, everything: bool) -> list[RenderableType]:
    parts: list[RenderableType] = [
        text(f"▲ ExaBGP's process {name} is {process.state}: none of its feeds can be up", style("down"))
        for name, process in status.processes.items()
        if process.state == "down"
    ]
    ranked = sorted(status.feeds.items(), key=lambda item: _RANKS.get(item[1].overall, 0))
    if not everything and len(ranked) > MAX_FEEDS:
        ranked = [item for item in ranked if item[1].overall != FeedOverall.UP]
    if ranked:
        columns = ("Feed", "State", "For", "Routes", "Shows")[: 5 if width >= NARROW else 3]
        table = grid(*columns, right=[3])
        for name, feed in ranked:
            table.add_row(*_row(name, feed, now)[: len(columns)])
        parts.append(table)
    if len(ranked) < len(status.feeds):
        hidden = plural(len(status.feeds) - len(ranked), "feed")
        parts.append(text(f"● {hidden} more up and in sync; --all shows them", "green"))
    return parts


_RANKS: Mapping[str, int] = {overall: rank for rank, overall in enumerate(reversed(FeedOverall))}
"""The worst first, with what is not known here."""


def _row(name: str, feed: FeedDoc, now: datetime) -> tuple[Text, ...]:
    return (
        text(name),
        _state(feed),
        text("" if feed.since is None else duration(now - instant(feed.since))),
        text(str(sum(feed.routes.values()))),
        text(_place(feed)),
    )


def _place(feed: FeedDoc) -> str:
    link = " ".join(part for part in (feed.circuit, feed.link) if part)
    about = link or feed.uplink or feed.segment or feed.router or ""
    return f"{feed.view} {about}".rstrip()


def _state(feed: FeedDoc) -> Text:
    """Say what is wrong with a feed, in the peer's words where those are known."""
    if feed.state != "up":
        if feed.since is None and not feed.down_reason:
            return text("▲ never up", style("down"))
        return text(f"▲ {feed.state}{': ' if feed.down_reason else ''}{feed.down_reason}", style("down"))
    missing = [family_name(family) for family, in_sync in feed.in_sync.items() if not in_sync]
    if missing:
        return text(f"◆ not in sync: {', '.join(missing)}", style("unknown"))
    if feed.overflowed:
        return text("◆ too many routes", style("unknown"))
    if feed.loss:
        return text(f"◆ messages lost: {feed.loss}", style("unknown"))
    return text("● up, in sync", style("up"))
