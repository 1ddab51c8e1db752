"""The lines of a recording that are not ExaBGP's: other input of the monitor, begin and end of a file, and the snapshot
at its begin.

A file has a ``Head``, the lists in force, the routes in the tables as ExaBGP's lines, and the ``State`` that belongs to
them; then all input in the order of arrival; and an ``End``, unless ermon was killed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any

import msgspec

from ermon import __version__
from ermon.core.monitor import Monitor
from ermon.core.session import Session
from ermon.core.snapshot import Snapshot, take
from ermon.exabgp.decode import DecoderMemory
from ermon.exabgp.updates import FeedEncoder
from ermon.model.events import (
    Accepted,
    AddPathNegotiated,
    AddPathOffered,
    Alive,
    AzureRead,
    AzureTables,
    ClockStepped,
    ConnectionsRefused,
    EndOfRib,
    Event,
    HoldTimeZero,
    ListeningJudged,
    MessagesLost,
    OwnershipRead,
    ProcessDown,
    ProcessSilent,
    ProcessUp,
    RefreshBegan,
    RefreshEnded,
    RoutesUnreadable,
    SessionDown,
    SessionSilent,
    SessionUnreported,
    SessionUp,
    SourceJudged,
    StatisticsBegan,
    StorageJudged,
    Update,
)
from ermon.model.findings import Seconds
from ermon.model.inventory import ExpectedPrefix, Feed
from ermon.model.prefixes import parse_prefix
from ermon.model.routes import Route
from ermon.model.settings import MaintenanceWindow
from ermon.model.source_key import SourceKey
from ermon.sources.published import PublishedList
from ermon.sources.store import file_stem

MARK = b'{"ermon":'
"""Every entry begins with this, and no line of ExaBGP does."""

_EVENTS: dict[str, type[Any]] = {
    "Accepted": Accepted,
    "AddPathNegotiated": AddPathNegotiated,
    "AddPathOffered": AddPathOffered,
    "Alive": Alive,
    "AzureTables": AzureTables,
    "AzureRead": AzureRead,
    "ClockStepped": ClockStepped,
    "ConnectionsRefused": ConnectionsRefused,
    "EndOfRib": EndOfRib,
    "HoldTimeZero": HoldTimeZero,
    "ListeningJudged": ListeningJudged,
    "MessagesLost": MessagesLost,
    "OwnershipRead": OwnershipRead,
    "ProcessDown": ProcessDown,
    "ProcessSilent": ProcessSilent,
    "ProcessUp": ProcessUp,
    "RefreshBegan": RefreshBegan,
    "RefreshEnded": RefreshEnded,
    "RoutesUnreadable": RoutesUnreadable,
    "SessionDown": SessionDown,
    "SessionSilent": SessionSilent,
    "SessionUnreported": SessionUnreported,
    "SessionUp": SessionUp,
    "SourceJudged": SourceJudged,
    "StatisticsBegan": StatisticsBegan,
    "StorageJudged": StorageJudged,
}
"""The events by their names in recordings. A name stays when its class is renamed. UPDATEs are lines of ExaBGP."""
_NAMES = {kind: name for name, kind in _EVENTS.items()}


class Reason(StrEnum):
    """Why a file begins."""

    START = "start"
    """ermon was started."""
    FULL = "full"
    """The previous file was old or large enough."""
    RELOAD = "reload"
    """The configuration has changed."""
    LOSS = "loss"
    """Earlier lines could not be written."""
    ASKED = "asked"
    """A snapshot was requested."""


class Head(msgspec.Struct, frozen=True, tag="file", omit_defaults=True):
    version: str
    """Of ermon."""
    recording: str
    """The name of the recording: the same in all files of one run of ermon."""
    part: int
    """The number of the file in the recording, from 1."""
    reason: Reason
    config_sha256: str = ""
    """Of the configuration file in force; empty if it could not be read."""
    lost_lines: int = 0
    """Number of lines that could not be written since the last file."""


class State(msgspec.Struct, frozen=True, tag="state"):
    snapshot: Snapshot
    decoder: DecoderMemory
    connections: Mapping[str, bytes] = {}
    """By router with a BMP connection: what it said of the sessions that are up."""


class Listed(msgspec.Struct, frozen=True, tag="list"):
    """A published list is in force."""

    source: str
    """A digest of the source's configuration: URLs may contain secrets."""
    prefixes: tuple[tuple[str, str | None, str | None], ...]
    """Each prefix with the first and the last day on which it is expected, if any."""
    version: str = ""


class Started(msgspec.Struct, frozen=True, tag="started"):
    """An ExaBGP process listens."""

    process: str
    pid: int


class Connected(msgspec.Struct, frozen=True, tag="bmp-connected"):
    """A router has connected to report its sessions by BMP; what it reported on an earlier connection is over."""

    router: str


class Reported(msgspec.Struct, frozen=True, tag="bmp"):
    """Octets that a router sent over its BMP connection, cut anywhere."""

    router: str
    octets: bytes


class Told(msgspec.Struct, frozen=True, tag="ris"):
    """An UPDATE that RIPE's collectors told of, in lines as ExaBGP writes them; together they are one event."""

    lines: tuple[str, ...]

    @classmethod
    def of(cls, feed: Feed, update: Update) -> Told:
        encoder = FeedEncoder(addressed(feed), 0, update.time)
        lines = (*encoder.updates(update.announced), *encoder.withdrawals(update.withdrawn))
        return cls(tuple(line.decode("ascii") for line in lines))


class Happened(msgspec.Struct, frozen=True, tag="event"):
    """An event that no line of ExaBGP reported."""

    kind: str
    values: dict[str, Any]

    @classmethod
    def of(cls, event: Event) -> Happened:
        return cls(_NAMES[type(event)], msgspec.to_builtins(event))

    @property
    def event(self) -> Event:
        """Return the event; ``ValueError`` if its kind is unknown or its values are invalid."""
        if self.kind not in _EVENTS:
            raise ValueError(f"there is no event {self.kind!r}")
        event: Event = msgspec.convert(self.values, _EVENTS[self.kind])
        return event


class Clock(msgspec.Struct, frozen=True, tag="clock"):
    """ermon's clock advanced to this time."""


class Delivered(msgspec.Struct, frozen=True, tag="delivered"):
    """All lines of an ExaBGP process up to this time were received."""

    process: str


class Maintenance(msgspec.Struct, frozen=True, tag="maintenance"):
    """These windows apply in addition to those of the configuration."""

    windows: tuple[MaintenanceWindow, ...]


class End(msgspec.Struct, frozen=True, tag="end"):
    """Nothing is missing in the file."""


Entry = (
    Head
    | State
    | Listed
    | Started
    | Connected
    | Reported
    | Told
    | Happened
    | Clock
    | Delivered
    | Maintenance
    | End
)


class Line(msgspec.Struct, frozen=True):
    ermon: Entry
    time: Seconds
    """Seconds since the epoch."""


_DECODER = msgspec.json.Decoder(Line)
_ENCODER = msgspec.json.Encoder()


def write_entry(entry: Entry, time: float) -> bytes:
    return _ENCODER.encode(Line(entry, time))


def read_entry(line: bytes) -> Line:
    """Read a line that begins with ``MARK``; ``ValueError`` says what is wrong with it."""
    try:
        return _DECODER.decode(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None


# What is held at one moment, as the lines that a file begins with -----------------------------------


@dataclass(frozen=True, slots=True)
class HeldSession:
    feed: Feed
    pid: int
    memory: Session
    routes: tuple[Route, ...]

    def lines(self, now: float) -> Iterator[bytes]:
        encoder = FeedEncoder(addressed(self.feed), self.pid, now)
        if self.memory.offered is not None:
            yield encoder.offered(self.memory.offered)
        if self.memory.negotiated is not None:
            yield encoder.negotiated(self.memory.negotiated)
        yield encoder.up()
        yield from encoder.updates(self.routes)
        for family, sync in self.memory.families.items():
            if sync.end_of_rib_at is not None:
                yield encoder.end_of_rib(family)


def addressed(feed: Feed) -> Feed:
    """Return a feed with addresses that tell it from all others in ExaBGP's dialect: only ExaBGP's have their own."""
    return feed if feed.by_exabgp else replace(feed, local=feed.name, peer="bmp" if feed.by_bmp else "ris")


@dataclass(frozen=True, slots=True)
class Held:
    """A snapshot: taken in one step, in time proportional to the number of routes, and written later, also by another thread."""

    now: float
    sessions: tuple[HeldSession, ...]
    lists: Mapping[SourceKey, PublishedList]
    state: bytes

    @classmethod
    def by(
        cls,
        monitor: Monitor,
        decoder: DecoderMemory,
        lists: Mapping[SourceKey, PublishedList],
        connections: Mapping[str, bytes] | None = None,
    ) -> Held:
        """Take a snapshot of ``monitor`` and of the decoders in front of it."""
        snapshot = take(monitor)
        return cls(
            now=snapshot.now,
            sessions=tuple(_sessions(monitor, snapshot, decoder.pids)),
            lists=dict(lists),
            state=write_entry(State(snapshot, decoder, connections or {}), snapshot.now),
        )

    def recording(self) -> Iterator[bytes]:
        """Yield a complete recording of this moment only."""
        yield write_entry(Head(__version__, "", 1, Reason.ASKED), self.now)
        yield from self.lines()
        yield write_entry(End(), self.now)

    def lines(self) -> Iterator[bytes]:
        for source, published in self.lists.items():
            yield write_entry(write_list(source, published), self.now)
        for session in self.sessions:
            yield from session.lines(self.now)
        yield self.state


def _sessions(monitor: Monitor, snapshot: Snapshot, pids: Mapping[str, int]) -> Iterator[HeldSession]:
    for name, state in monitor.network.feeds.items():
        if state.session.up:
            pid = pids.get(state.feed.process, 0)
            yield HeldSession(state.feed, pid, snapshot.feeds[name].session, tuple(state.rib.routes()))


# Published lists -------------------------------------------------------------------------------------


def write_list(source: SourceKey, published: PublishedList) -> Listed:
    prefixes = ((str(item.prefix), _day(item.starts), _day(item.ends)) for item in published.prefixes)
    return Listed(file_stem(source), tuple(prefixes), published.version)


def read_list(listed: Listed) -> PublishedList:
    """Return the recorded list; ``ValueError`` if it is invalid."""
    prefixes = (
        ExpectedPrefix(parse_prefix(text), _read_day(starts), _read_day(ends))
        for text, starts, ends in listed.prefixes
    )
    return PublishedList(tuple(prefixes), listed.version)


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _read_day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
