"""The store as the other packages use it: records of published lists, maintenance windows, drains, routes of links, the
times at which ermon ran, the timeline of the links, and the addresses from which right passwords came.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Iterable, Mapping
from typing import TypeVar

import msgspec

from ermon.aio.slices import list_in_slices
from ermon.core.drain import DrainMemory
from ermon.core.kept_feeds import KeptSessions
from ermon.core.kept_links import KeptLink, LinkToKeep
from ermon.core.maintenance_book import BookedWindow
from ermon.core.runs import KeptRun, RunLog
from ermon.core.timeline import SPAN_SECONDS, KeptTimeline, Timeline, hour_of
from ermon.model.inventory import LinkFamily
from ermon.model.source_key import SourceKey
from ermon.sources.store import SourceRecord, SourceTrouble, file_stem
from ermon.storage.database import Table, packed
from ermon.storage.store import Store

_CLIENT_REQUEST_ID = "client-request-id"
_TIMELINE = "timeline"
_DRAINS = "drains"
_LINKS = "links"
_SESSIONS = "sessions"
_PARTIES = "web-parties"
_RUNS = "runs"

T = TypeVar("T")


class StoredRecords:
    """Implements ``ermon.sources.store.Records``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._client_request_id = _kept_id(store)

    def load(self, source: SourceKey) -> SourceRecord | None:
        return _kept(self._store, file_stem(source), SourceRecord, Table.LISTS)

    def keep(self, source: SourceKey, record: SourceRecord) -> None:
        self._store.set_value(Table.LISTS, file_stem(source), msgspec.json.encode(record))

    def trouble(self, source: SourceKey) -> SourceTrouble:
        return _kept(self._store, _trouble_of(source), SourceTrouble, Table.LISTS) or SourceTrouble()

    def keep_trouble(self, source: SourceKey, trouble: SourceTrouble) -> None:
        self._store.set_value(Table.LISTS, _trouble_of(source), msgspec.json.encode(trouble))

    def client_request_id(self) -> str:
        return self._client_request_id


def _trouble_of(source: SourceKey) -> str:
    return f"{file_stem(source)}-trouble"


class StoredWindows:
    """Implements ``ermon.core.maintenance_book.WindowStore``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._saved: Awaitable[None] | None = None

    def load(self) -> list[BookedWindow]:
        return list(self._store.kept.windows)

    def save(self, windows: list[BookedWindow]) -> None:
        self._saved = self._store.set_windows(windows)

    async def saved(self) -> None:
        if self._saved is not None:
            await self._saved


class KeptDrain(msgspec.Struct, frozen=True):
    link: LinkFamily
    drain: DrainMemory


def kept_drains(store: Store | None) -> dict[LinkFamily, DrainMemory]:
    """Return what an earlier ermon knew of the drains of each link and family, and of the usual AS paths there."""
    return {one.link: one.drain for one in _kept(store, _DRAINS, list[KeptDrain]) or ()}


def keep_drains(store: Store, drains: Mapping[LinkFamily, DrainMemory]) -> None:
    kept = [KeptDrain(link, drain) for link, drain in drains.items()]
    store.set_value(Table.INSTALLATION, _DRAINS, msgspec.json.encode(kept))


def kept_links(store: Store | None) -> list[KeptLink]:
    """Return what an earlier ermon stored of the links; their routes are not part of it."""
    return _kept(store, _LINKS, list[KeptLink]) or []


def write_links(links: Iterable[LinkToKeep]) -> bytes:
    """Encode links in the form in which ``keep_links`` stores them; callable on any thread."""
    return msgspec.json.encode([link.written() for link in links])


def keep_links(store: Store, written: bytes) -> None:
    store.set_value(Table.INSTALLATION, _LINKS, written)


def kept_parties(store: Store) -> list[str]:
    """Return the addresses from which a right password came."""
    return _kept(store, _PARTIES, list[str]) or []


def keep_parties(store: Store, parties: list[str]) -> None:
    store.set_value(Table.INSTALLATION, _PARTIES, msgspec.json.encode(parties))


def kept_sessions(store: Store | None) -> KeptSessions:
    """Return the last state of the feeds in an earlier ermon; it is empty if nothing is stored."""
    return _kept(store, _SESSIONS, KeptSessions) or KeptSessions()


def keep_sessions(store: Store, sessions: KeptSessions) -> None:
    store.set_value(Table.INSTALLATION, _SESSIONS, msgspec.json.encode(sessions))


def kept_timeline(store: Store | None, runs: RunLog, now: float) -> Timeline:
    """Return the timeline that an earlier ermon stored, or a new one."""
    if store is None:
        return Timeline()
    parts = store.kept.hours
    if not parts and (whole := _kept(store, _TIMELINE, KeptTimeline)) is not None:
        parts = (whole,)  # the first versions wrote the last 24 hours in one piece
    return Timeline.restored(parts, runs, now)


async def keep_timeline(store: Store, timeline: Timeline, now: float) -> None:
    """Store the changes of the links: the last stored hour and all later ones. After the clock was set, store every hour
    that is in memory.
    """
    current = hour_of(now)
    # The hour before that is only partly in memory, and complete in the store.
    first, latest = hour_of(now - SPAN_SECONDS) + 1, store.latest_hour
    moved, timeline.moved = timeline.moved, False
    if latest is not None and not moved:
        first = max(first, min(latest, current))
    hours = await list_in_slices((hour, timeline.hour(hour, now)) for hour in range(first, current + 1))
    # For an hour without data now, the store may have data from before the clock was set; overwrite it.
    nothing = KeptTimeline(now, [], []) if moved else None
    kept = {hour: found for hour, part in hours if (found := part or nothing) is not None}
    store.keep_hours(await asyncio.to_thread(lambda: {hour: packed(part) for hour, part in kept.items()}))


def kept_runs(store: Store | None) -> RunLog:
    """Return when earlier ermons ran."""
    return RunLog(_kept(store, _RUNS, list[KeptRun]) or ())


def keep_runs(store: Store, runs: RunLog) -> None:
    store.set_value(Table.INSTALLATION, _RUNS, msgspec.json.encode(runs.runs()))


def _kept(store: Store | None, name: str, kind: type[T], table: Table = Table.INSTALLATION) -> T | None:
    """Return the value that is stored under a name; ``None`` if there is none, or if it is unreadable."""
    kept = None if store is None else store.value(table, name)
    if kept is None:
        return None
    try:
        return msgspec.json.decode(kept, type=kind)
    except msgspec.MsgspecError:
        return None


def _kept_id(store: Store) -> str:
    made = _kept(store, _CLIENT_REQUEST_ID, uuid.UUID)
    if made is None:
        made = uuid.uuid4()
        store.set_value(Table.INSTALLATION, _CLIENT_REQUEST_ID, msgspec.json.encode(made))
    return str(made)
