"""A recording as what moved the monitor, one step after the other: for ``ermon replay``.

Plain lines of ExaBGP are a recording too. Files of one recording that follow upon each other are one: the
snapshots between them are left out. Any other snapshot is the beginning of another monitor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ermon.core.monitor import Monitor
from ermon.core.snapshot import resume
from ermon.exabgp.decode import Decoder, Rejected, RejectReason
from ermon.model.events import Event, Update
from ermon.model.inventory import Config, MaintenanceWindow
from ermon.model.routes import Route
from ermon.model.source_key import SourceKey
from ermon.recording import entries
from ermon.recording.entries import End, Happened, Head, Listed, Maintenance, Reason, Started, State
from ermon.recording.held import read_list
from ermon.sources.published import PublishedList, with_published
from ermon.sources.store import file_stem

MAX_DETAIL_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Begun:
    """The monitor as it was at this time takes the place of whatever was before."""

    time: float
    monitor: Monitor


@dataclass(frozen=True, slots=True)
class Passed:
    time: float


@dataclass(frozen=True, slots=True)
class Maintained:
    time: float
    windows: tuple[MaintenanceWindow, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """Published lists expect something else from now on."""

    time: float
    config: Config


Step = Event | Begun | Passed | Maintained | Expected


class Playback:
    """Reads one recording. ``lists`` are heeded until it says what was in force."""

    def __init__(
        self,
        config: Config,
        rejected: Callable[[int, Rejected], None],
        *,
        lists: Mapping[SourceKey, PublishedList] | None = None,
        config_sha256: str = "",
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``rejected`` is called with the number, from 1, of each line that could not be read; ``note`` with
        what a reader should know about the recording.
        """
        self._base = config
        self._lists = dict(lists or {})
        self._sources = {file_stem(key): key for key in map(SourceKey.of, config.sources)}
        self._rejected = rejected
        self._note = note
        self._config_sha256 = config_sha256
        self._decoder = Decoder(config.feeds)
        self._head: Head | None = None
        self._ended = False
        """The file has an end, so that the next one may follow upon it."""
        self._skipping = False
        """A snapshot that says nothing new is being read."""
        self._routes: dict[str, dict[object, Route]] | None = None
        """What the snapshot that is being read holds, by feed."""

    @property
    def config(self) -> Config:
        """The configuration with the lists in force."""
        return with_published(self._base, self._lists)

    def steps(self, lines: Iterable[bytes]) -> Iterator[Step]:
        for number, line in enumerate(lines, 1):
            if line.startswith(entries.MARK):
                try:
                    entry = entries.read_entry(line)
                    yield from self._take_entry(entry.ermon, entry.time)
                except ValueError as error:
                    self._reject_entry(number, line, str(error))
            elif line.strip() and not self._skipping:
                yield from self._take_line(number, line)

    def _take_line(self, number: int, line: bytes) -> Iterator[Event]:
        decoded = self._decoder.decode(line)
        if decoded.rejected is not None:
            self._rejected(number, decoded.rejected)
        if self._routes is None:
            yield from decoded.events
            return
        for event in decoded.events:
            if isinstance(event, Update):
                held = self._routes.setdefault(event.feed, {})
                held.update({route.key: route for route in event.announced})

    def _reject_entry(self, number: int, line: bytes, detail: str) -> None:
        shown = ascii(line[:MAX_DETAIL_CHARACTERS])[2:-1]
        detail = f"an entry of ermon's own: {detail}"[:MAX_DETAIL_CHARACTERS]
        self._rejected(number, Rejected(RejectReason.BAD_MESSAGE, detail, shown))

    # Entries -----------------------------------------------------------------------------------------

    def _take_entry(self, entry: entries.Entry, time: float) -> Iterator[Step]:
        match entry:
            case Head():
                self._take_head(entry)
            case State() if self._skipping:
                self._skipping = False
            case State():
                yield self._begin(entry)
            case _ if self._skipping:
                pass
            case Listed():
                yield from self._take_list(entry, time)
            case Started(process, pid):
                self._decoder.process_started(process, pid)
            case Happened():
                yield self._known(entry.event)
            case Maintenance(windows):
                yield Maintained(time, windows)
            case End():
                self._ended = True
            case _:
                yield Passed(time)

    def _take_head(self, head: Head) -> None:
        last, ended = self._head, self._ended
        self._head, self._ended = head, False
        self._skipping = ended and last is not None and _follows(head, last)
        if self._skipping:
            return
        self._routes = {}
        self._lists = {}
        self._decoder = Decoder(self._base.feeds)
        if head.config_sha256 and self._config_sha256 and head.config_sha256 != self._config_sha256:
            self._note("recorded under another configuration: what is found may differ")
        if last is not None and head.recording == last.recording and head.part > last.part + 1:
            self._note(f"parts {last.part + 1} to {head.part - 1} of the recording are missing before it")
        if head.lost_lines:
            self._note(
                f"{head.lost_lines} lines before it could not be recorded, and what they raised and cleared"
            )

    def _known(self, event: Event) -> Event:
        feed = getattr(event, "feed", None)
        if feed is not None and feed not in self._base.feeds:
            raise ValueError(f"there is no feed {feed!r}")
        return event

    def _begin(self, entry: State) -> Begun:
        routes, self._routes = self._routes or {}, None
        self._decoder = Decoder(self._base.feeds, entry.decoder)
        held = {feed: tuple(by_key.values()) for feed, by_key in routes.items()}
        return Begun(entry.snapshot.now, resume(self.config, entry.snapshot, held))

    def _take_list(self, listed: Listed, time: float) -> Iterator[Expected]:
        if source := self._sources.get(listed.source):
            self._lists[source] = read_list(listed)
            if self._routes is None:
                yield Expected(time, self.config)


def _follows(head: Head, last: Head) -> bool:
    return head.reason is Reason.FULL and head.recording == last.recording and head.part == last.part + 1
