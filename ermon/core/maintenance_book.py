"""Maintenance windows that users add and end while ermon runs, besides those of the configuration."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from ermon.model.inventory import Config
from ermon.model.settings import WINDOW_SCOPES, MaintenanceWindow
from ermon.model.text import nearest_utc, parse_line
from ermon.model.windows import window_problems

MAX_WINDOWS = 1_000
"""The most windows: more are not planned work but a script in a loop."""
KEPT_SECONDS = 24 * 3600.0
"""How long a window is still listed after its end."""


class WindowError(ValueError):
    """A window is invalid; the text says why, and what would be valid."""


@dataclass(frozen=True, slots=True)
class BookedWindow:
    """A maintenance window that was added while ermon ran."""

    id: str
    window: MaintenanceWindow
    by: str = ""
    """Who added it; empty in files of earlier versions, which did not ask."""


class WindowStore(Protocol):
    """Keeps the windows over a restart."""

    def load(self) -> list[BookedWindow]: ...

    def save(self, windows: list[BookedWindow]) -> None: ...

    async def saved(self) -> None:
        """Return when the saved windows are safe, or when it is clear that they will not be soon."""
        ...


class NoStore:
    """Keeps nothing: the windows end with the process."""

    def load(self) -> list[BookedWindow]:
        return []

    def save(self, windows: list[BookedWindow]) -> None:
        del windows

    async def saved(self) -> None:
        return


class MaintenanceBook:
    """The windows added at run time; times are seconds since the epoch."""

    def __init__(self, store: WindowStore | None = None) -> None:
        self._store = store or NoStore()
        # An earlier version may have kept times that have no calendar date in UTC. They are changed, so that these
        # windows can be listed and ended.
        self._windows = {booked.id: _in_utc(booked) for booked in self._store.load()}

    def windows(self) -> tuple[BookedWindow, ...]:
        """Return the windows, the earliest first."""
        return tuple(sorted(self._windows.values(), key=lambda booked: (booked.window.starts, booked.id)))

    def propose(self, window: MaintenanceWindow, config: Config, now: float, by: str = "") -> BookedWindow:
        """Return a window as it would be booked. Raise ``WindowError`` if it is over, about nothing, or one too many.

        It is not in force before ``book``, so that the caller can answer the client first.
        """
        check(window, config)
        if window.ends.timestamp() <= now:
            raise WindowError("to: it has ended already; its end must be in the future")
        self._forget_old(now)
        if len(self._windows) >= MAX_WINDOWS:
            raise WindowError(f"there are {MAX_WINDOWS} windows already; end some")
        window_id = secrets.token_hex(4)
        return BookedWindow(window_id, replace(window, id=window_id, by=by), by)

    def book(self, proposed: BookedWindow) -> None:
        self._windows[proposed.id] = proposed
        self._save()

    def end(self, window_id: str, now: float) -> BookedWindow:
        """End a window now; raise ``KeyError`` if there is none with that id."""
        booked = self._windows[window_id]
        ends = datetime.fromtimestamp(now, UTC)
        if booked.window.ends > ends:
            starts = min(booked.window.starts, ends)
            booked = replace(booked, window=replace(booked.window, starts=starts, ends=ends))
            self._windows[window_id] = booked
            self._save()
        return booked

    async def saved(self) -> None:
        """Return when the windows would outlive ermon, if they are kept at all."""
        await self._store.saved()

    def _forget_old(self, now: float) -> None:
        for booked in list(self._windows.values()):
            if booked.window.ends.timestamp() + KEPT_SECONDS < now:
                del self._windows[booked.id]

    def _save(self) -> None:
        self._store.save(list(self.windows()))


def _in_utc(booked: BookedWindow) -> BookedWindow:
    window = booked.window
    starts, ends = nearest_utc(window.starts), nearest_utc(window.ends)
    return replace(booked, window=replace(window, starts=starts, ends=ends, id=booked.id, by=booked.by))


def check(window: MaintenanceWindow, config: Config) -> None:
    """Raise ``WindowError`` unless the window has a place of the configuration, valid times and a reason."""
    for key, time in (("from", window.starts), ("to", window.ends)):
        if nearest_utc(time) != time:
            raise WindowError(f"{key}: {time.isoformat()} has no date in UTC")
    named = {scope: getattr(window, scope) for scope in (*WINDOW_SCOPES, "link")}
    for about, problem in window_problems(window.starts, window.ends, named):
        raise WindowError(f"{about or 'the window'}: {problem}")
    try:
        parse_line(window.reason)
    except ValueError as error:
        raise WindowError(f"reason: {error}") from None
    _check_place(window, config)


def _check_place(window: MaintenanceWindow, config: Config) -> None:
    named = {scope: name for scope in WINDOW_SCOPES if (name := getattr(window, scope)) is not None}
    [(scope, name)] = named.items()
    if name not in _known(scope, config):
        elsewhere = scope == "feed" and name in config.elsewhere
        where = " here: another ermon takes it (--feeds.match)" if elsewhere else ""
        raise WindowError(f"there is no {scope} {name!r}{where}")
    if window.circuit is not None:
        links = config.circuits[window.circuit].links
        if window.link is not None and window.link not in links:
            raise WindowError(
                f"circuit {window.circuit!r} has no link {window.link!r}; it has {', '.join(links)}"
            )


def _known(scope: str, config: Config) -> Collection[str | None]:
    match scope:
        case "circuit":
            return config.circuits
        case "feed":
            return config.feeds
        case "router":
            ends = {*(link.router for link in config.links), *(u.router for u in config.uplinks.values())}
            return ends | config.routers.keys()
        case "uplink":
            return config.uplinks
        case "segment":
            return config.segments
        case _:
            return {circuit.group for circuit in config.circuits.values()}
