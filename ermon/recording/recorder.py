"""The recorder gets all input of the monitor before the daemon applies it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ermon import __version__
from ermon.model.events import Event, Update
from ermon.model.inventory import Feed
from ermon.model.settings import MaintenanceWindow
from ermon.model.source_key import SourceKey
from ermon.recording.entries import (
    MARK,
    Clock,
    Connected,
    Delivered,
    Entry,
    Happened,
    Head,
    Held,
    Maintenance,
    Reason,
    Reported,
    Started,
    Told,
    write_entry,
    write_list,
)
from ermon.recording.files import Folder, Limits, recording_name
from ermon.recording.writer import Writer
from ermon.sources.published import PublishedList


class Recorder:
    """The interface of a recorder; this one records nothing. Times are seconds since the epoch."""

    def line(self, line: bytes) -> None:
        """A line of ExaBGP, before it is decoded."""

    def started(self, process: str, pid: int, now: float) -> None:
        """An ExaBGP process listens; its event is recorded separately."""

    def connected(self, router: str, now: float) -> None:
        """A router has connected by BMP."""

    def reported(self, router: str, octets: bytes, now: float) -> None:
        """Octets of a router's BMP connection, before they are read."""

    def told(self, feed: Feed, update: Update) -> None:
        """Routes that RIPE's collectors told of."""

    def event(self, event: Event) -> None:
        """An event that neither a line nor a router's BMP connection reported."""

    def clock(self, now: float) -> None:
        """Time passes until ``now``."""

    def delivered(self, process: str, until: float) -> None:
        """All lines of an ExaBGP process up to this time have been processed."""

    def maintenance(self, windows: Iterable[MaintenanceWindow], now: float) -> None:
        """These windows apply in addition to those of the configuration."""

    def listed(self, source: SourceKey, published: PublishedList, now: float) -> None:
        """A published list comes into force."""

    def begin(self, reason: Reason) -> None:
        """From here on everything is judged by a new monitor or a new policy."""

    def close(self) -> None:
        """The input ends. Blocks until everything is on the disk, for a second at most."""


class FileRecorder(Recorder):
    """Records everything in files."""

    def __init__(
        self,
        folder: Path,
        limits: Limits,
        config_file: Path,
        *,
        hold: Callable[[], Held],
        dropped: Callable[[int], None],
    ) -> None:
        """``hold`` returns a snapshot; ``FolderError`` if ``folder`` cannot be written to."""
        self._folder = Folder(folder)
        self._writer = Writer(self._folder, limits, dropped)
        self._hold = hold
        self._config_file = config_file
        self._config_sha256 = ""
        self._name = recording_name(time.time())
        self._part = 0

    def line(self, line: bytes) -> None:
        if self._writer.due is not None:
            self._open(self._writer.due)
        # Only ermon writes entries. With a leading space, a line of ExaBGP cannot be taken for one.
        self._writer.put(b" " + line if line.startswith(MARK) else line)

    def started(self, process: str, pid: int, now: float) -> None:
        self._enter(Started(process, pid), now)

    def connected(self, router: str, now: float) -> None:
        self._enter(Connected(router), now)

    def reported(self, router: str, octets: bytes, now: float) -> None:
        self._enter(Reported(router, octets), now)

    def told(self, feed: Feed, update: Update) -> None:
        self._enter(Told.of(feed, update), update.time)

    def event(self, event: Event) -> None:
        self._enter(Happened.of(event), event.time)

    def clock(self, now: float) -> None:
        self._enter(Clock(), now)

    def delivered(self, process: str, until: float) -> None:
        self._enter(Delivered(process), until)

    def maintenance(self, windows: Iterable[MaintenanceWindow], now: float) -> None:
        self._enter(Maintenance(tuple(windows)), now)

    def listed(self, source: SourceKey, published: PublishedList, now: float) -> None:
        self._enter(write_list(source, published), now)

    def begin(self, reason: Reason) -> None:
        try:
            self._config_sha256 = hashlib.sha256(self._config_file.read_bytes()).hexdigest()
        except OSError:
            self._config_sha256 = ""  # it has just been removed; the recording uses it only for a hint
        self._open(reason)

    def close(self) -> None:
        self._writer.close()
        self._folder.close()

    def _enter(self, entry: Entry, now: float) -> None:
        if self._writer.due is not None:
            self._open(self._writer.due)
        self._writer.put(write_entry(entry, now))

    def _open(self, reason: Reason) -> None:
        self._part += 1
        self._writer.open(
            Head(__version__, self._name, self._part, reason, self._config_sha256), self._hold()
        )
