"""The lines of a recording that are not ExaBGP's: what else moved the monitor, and the frame of a file.

A file is a ``Head``, the lists in force and the routes held as lines of ExaBGP's, the ``State`` that goes
with them, then whatever came, in the order in which it was taken in; and an ``End``, unless ermon was killed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import msgspec

from ermon.core.snapshot import Snapshot
from ermon.exabgp.decode import DecoderMemory
from ermon.exabgp.lines import LAST_SECOND
from ermon.model.events import (
    AddPathNegotiated,
    AddPathOffered,
    Alive,
    ClockStepped,
    EndOfRib,
    Event,
    MessagesLost,
    ProcessDown,
    ProcessUp,
    SessionDown,
    SessionUp,
    SourceJudged,
    StorageJudged,
)
from ermon.model.inventory import MaintenanceWindow

MARK = b'{"ermon":'
"""How every entry begins, and no line of ExaBGP's."""

_EVENTS: dict[str, type[Any]] = {
    "AddPathNegotiated": AddPathNegotiated,
    "AddPathOffered": AddPathOffered,
    "Alive": Alive,
    "ClockStepped": ClockStepped,
    "EndOfRib": EndOfRib,
    "MessagesLost": MessagesLost,
    "ProcessDown": ProcessDown,
    "ProcessUp": ProcessUp,
    "SessionDown": SessionDown,
    "SessionUp": SessionUp,
    "SourceJudged": SourceJudged,
    "StorageJudged": StorageJudged,
}
"""The events by their names in recordings, which stay as they are when a class is renamed. Routes come as
lines.
"""
_NAMES = {kind: name for name, kind in _EVENTS.items()}


class Reason(StrEnum):
    """Why a file begins."""

    START = "start"
    """ermon was started."""
    FULL = "full"
    """The file before had been written to for long enough, or was large enough."""
    RELOAD = "reload"
    """There is another configuration."""
    LOSS = "loss"
    """Lines before it could not be written."""


class Head(msgspec.Struct, frozen=True, tag="file", omit_defaults=True):
    version: str
    """Of ermon."""
    recording: str
    """The same in all files that one ermon wrote from its start to its end."""
    part: int
    """Which of those it is, from 1."""
    reason: Reason
    config_sha256: str = ""
    """Of the configuration file in force; empty if it could not be read."""
    lost_lines: int = 0
    """How many could not be written since the last file."""


class State(msgspec.Struct, frozen=True, tag="state"):
    snapshot: Snapshot
    decoder: DecoderMemory


class Listed(msgspec.Struct, frozen=True, tag="list"):
    """A published list is in force."""

    source: str
    """A digest of what was configured: URLs may hold secrets."""
    prefixes: tuple[tuple[str, str | None, str | None], ...]
    """Each with the days from when and until when it is expected, if any."""
    version: str = ""


class Started(msgspec.Struct, frozen=True, tag="started"):
    """An ExaBGP process listens."""

    process: str
    pid: int


class Happened(msgspec.Struct, frozen=True, tag="event"):
    """An event that no line of ExaBGP told of."""

    kind: str
    values: dict[str, Any]

    @classmethod
    def of(cls, event: Event) -> Happened:
        return cls(_NAMES[type(event)], msgspec.to_builtins(event))

    @property
    def event(self) -> Event:
        """Return the event; ``ValueError`` if it is of no known kind, or does not make sense."""
        if self.kind not in _EVENTS:
            raise ValueError(f"there is no event {self.kind!r}")
        event: Event = msgspec.convert(self.values, _EVENTS[self.kind])
        return event


class Clock(msgspec.Struct, frozen=True, tag="clock"):
    """ermon let time pass until then."""


class Maintenance(msgspec.Struct, frozen=True, tag="maintenance"):
    """These windows are heeded besides those of the configuration."""

    windows: tuple[MaintenanceWindow, ...]


class End(msgspec.Struct, frozen=True, tag="end"):
    """Nothing is missing in the file."""


Entry = Head | State | Listed | Started | Happened | Clock | Maintenance | End


class Line(msgspec.Struct, frozen=True):
    ermon: Entry
    time: Annotated[float, msgspec.Meta(ge=0, le=LAST_SECOND)]
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
