"""Shows the feeds: the BGP sessions of routers with ermon, and the routers' own that they report by BMP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from ermon.api.status import BmpDoc, FeedDoc, FeedOverall, StatusDoc
from ermon.model.zones import clock
from ermon.terminal.display import duration, family_name, grid, indented, instant, mark, plural, style, text
from ermon.terminal.network import NARROW

MAX_FEEDS = 12
"""If there are more, only those with a problem are shown."""


def feeds(status: StatusDoc, now: datetime, width: int, *, everything: bool) -> list[RenderableType]:
    parts: list[RenderableType] = [
        text(
            f"▲ ExaBGP's process {name} is {process.state}, and none of its feeds can be up"
            f"{': ' if process.reason else ''}{process.reason}",
            style("down"),
        )
        for name, process in status.processes.items()
        if process.state == "down"
    ]
    own = {name: feed for name, feed in status.feeds.items() if not feed.by_bmp}
    ranked = _ranked(own.items())
    if not everything and len(ranked) > MAX_FEEDS:
        ranked = [item for item in ranked if item[1].overall != FeedOverall.UP]
    if ranked:
        columns = ("Feed", "State", "For", "Routes", "Shows")[: 5 if width >= NARROW else 3]
        table = grid(*columns, right=[3])
        for name, feed in ranked:
            table.add_row(*_row(name, feed, now)[: len(columns)])
        parts.append(table)
    if len(ranked) < len(own):
        hidden = plural(len(own) - len(ranked), "feed")
        parts.append(text(f"● {hidden} more up and in sync; --all shows them", "green"))
    return parts


def _ranked(feeds: Iterable[tuple[str, FeedDoc]]) -> list[tuple[str, FeedDoc]]:
    """Sort feeds, the worst first."""
    return sorted(feeds, key=lambda item: _RANKS.get(item[1].overall, 0))


_RANKS: Mapping[str, int] = {
    overall: rank
    for rank, overall in enumerate(
        (
            FeedOverall.DOWN,
            FeedOverall.UNKNOWN,
            FeedOverall.NOT_IN_SYNC,
            FeedOverall.IMPAIRED,
            FeedOverall.UP,
            FeedOverall.ABSENT,
        )
    )
}
"""The rank of each state, the worst first; a state that this version does not know ranks with the worst."""


def _row(name: str, feed: FeedDoc, now: datetime) -> tuple[Text, ...]:
    # ermon waits for the router since ermon or ExaBGP was started; `since` may be from long before.
    since = feed.since if feed.waiting_until is None else None
    return (
        text(name),
        _state(feed, now),
        text("" if since is None else duration(now - instant(since))),
        _routes(feed),
        text(_place(feed)),
    )


def _routes(feed: FeedDoc) -> Text:
    """Return the number of routes of a feed. For a feed that is down it is unknown what its router has; but what its router itself
    reports as down has none.
    """
    known = feed.state == "up" or (feed.by_bmp and feed.state == "down")
    return text(str(sum(feed.routes.values()))) if known else text("unknown", style("unknown"))


def _place(feed: FeedDoc) -> str:
    link = " ".join(part for part in (feed.circuit, feed.link) if part)
    about = link or feed.uplink or feed.segment or feed.router or ""
    return f"{feed.view} {about}".rstrip()


def _state(feed: FeedDoc, now: datetime) -> Text:
    """Return what is wrong with a feed, in the peer's words if there are any."""
    if feed.by_bmp:
        return _session_state(feed)
    if feed.state != "up":
        if feed.waiting_until is not None:
            until = clock(instant(feed.waiting_until), now)
            return text(f"◆ waiting for the router until {until}", style("unknown"))
        if feed.since is None and not feed.down_reason:
            return text("▲ never up", style("down"))
        return text(f"▲ {feed.state}{': ' if feed.down_reason else ''}{feed.down_reason}", style("down"))
    missing = [family_name(family) for family, in_sync in feed.in_sync.items() if not in_sync]
    if missing:
        return text(f"◆ not in sync: {', '.join(missing)}", style("unknown"))
    if feed.overflowed:
        return text("◆ too many routes", style("unknown"))
    if feed.loss:
        return text(f"◆ BGP updates lost: {feed.loss}", style("unknown"))
    return text("● up, in sync", style("up"))


# Sessions that routers report ----------------------------------------------------------------------------


def sessions(status: StatusDoc, now: datetime, *, everything: bool) -> list[RenderableType]:
    """List the routers that report their sessions by BMP, each with its sessions, those with a problem first."""
    of = {
        router: {name: status.feeds[name] for name in bmp.feeds if name in status.feeds}
        for router, bmp in status.bmp.items()
    }
    brief = not everything and sum(map(len, of.values())) > MAX_FEEDS
    hidden = {FeedOverall.ABSENT, FeedOverall.UP} if brief else set() if everything else {FeedOverall.ABSENT}
    parts: list[RenderableType] = []
    for router, bmp in status.bmp.items():
        parts.append(_connection(router, bmp, of[router].values(), now))
        shown = [item for item in _ranked(of[router].items()) if item[1].overall not in hidden]
        if bmp.state == "up" and shown:
            table = grid("Session", "State", "For", "Routes", right=[3])
            for name, feed in shown:
                table.add_row(text(session_name(router, name)), *_row(name, feed, now)[1:4])
            parts.append(indented(table, 2))
    if brief:
        well = sum(feed.overall == FeedOverall.UP for feeds in of.values() for feed in feeds.values())
        parts.append(text(f"● {plural(well, 'session')} more up; --all shows them", "green"))
    return parts


def _connection(router: str, bmp: BmpDoc, feeds: Iterable[FeedDoc], now: datetime) -> Text:
    """Say in one line whether a router reports its sessions."""
    until = max((feed.waiting_until for feed in feeds if feed.waiting_until is not None), default=None)
    if bmp.state == "up":
        since = "" if bmp.since is None else f" for {duration(now - instant(bmp.since))}"
        if bmp.statistics:
            return text(f"● {router} is connected{since}", style("up"))
        return text(f"● {router} is connected{since}, without statistics yet", style("unknown"))
    if until is not None:
        return text(f"◆ waiting for {router} to connect until {clock(instant(until), now)}", style("unknown"))
    return text(
        f"{mark(bmp.state)} {router} is not connected{': ' if bmp.reason else ''}{bmp.reason}",
        style(bmp.state),
    )


def session_name(router: str, feed: str) -> str:
    """Name a session of a router: ``chicago primary IPv4``."""
    words = feed.removeprefix(f"{router}/").split("/")
    return " ".join(family_name(word) for word in words)


def _session_state(feed: FeedDoc) -> Text:
    """Return how a session is that its router reports, and why."""
    because = f": {feed.down_reason}" if feed.down_reason else ""
    if feed.overall == FeedOverall.ABSENT:
        return text(f"○ {feed.down_reason}", "dim")
    if feed.overflowed:
        return text("◆ too many routes", style("unknown"))
    if feed.state != "up":
        return text(f"{mark(feed.state)} {feed.state}{because}", style(feed.state))
    if feed.loss:
        return text(f"◆ BGP updates lost: {feed.loss}", style("unknown"))
    if feed.down_reason:
        shown = "down" if feed.overall == FeedOverall.UP else "unknown"
        return text(f"{mark(shown)} {feed.down_reason}", style(shown))
    if feed.overall == FeedOverall.UP:
        return text("● up", style("up"))
    return text("◆ up, no route yet", style("unknown"))
