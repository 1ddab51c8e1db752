"""Reads a recording as the input of a monitor, step by step, and runs it through the core: ``ermon replay``.

The core runs on the recording's own clock: no sockets, no wall clock. The same input gives the same output, byte for
byte. Plain lines of ExaBGP are a recording too. Consecutive files of one recording are one input: the snapshots between
them are skipped. Any other snapshot starts a new monitor.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from ermon.api.answers import SubjectDoc, finding_doc, substance
from ermon.bmp.router import RouterStream
from ermon.bmp.sessions import monitored
from ermon.core.monitor import Monitor
from ermon.core.snapshot import resume
from ermon.exabgp.decode import Decoder, Rejected, RejectReason
from ermon.model.events import AzureRead, Event, Update
from ermon.model.findings import Finding, Transition, transition_order
from ermon.model.inventory import Config, bmp_connection
from ermon.model.routes import Route
from ermon.model.settings import MaintenanceWindow
from ermon.model.source_key import SourceKey
from ermon.model.text import printable
from ermon.recording import entries
from ermon.recording.entries import (
    Connected,
    Delivered,
    End,
    Happened,
    Head,
    Listed,
    Maintenance,
    Reason,
    Reported,
    Started,
    State,
    Told,
    read_list,
)
from ermon.sources.published import PublishedList, with_published
from ermon.sources.store import file_stem

MAX_DETAIL_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Begun:
    """The monitor of this time replaces the previous one."""

    time: float
    monitor: Monitor


@dataclass(frozen=True, slots=True)
class Passed:
    time: float


@dataclass(frozen=True, slots=True)
class Heard:
    """All lines of a process up to this time were received."""

    time: float
    process: str


@dataclass(frozen=True, slots=True)
class Maintained:
    time: float
    windows: tuple[MaintenanceWindow, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """The expectations of published lists change at this time."""

    time: float
    config: Config


Step = Event | Begun | Passed | Heard | Maintained | Expected


class Continuity:
    """Which files continue the one before, so that the snapshot at their begin says nothing new."""

    def __init__(self, note: Callable[[str], None]) -> None:
        """``note`` is called with messages about the recording for the user."""
        self.ended = False
        """The file is complete, so the next one may continue it."""
        self.skipping = False
        """A snapshot without new information is being read."""
        self._note = note
        self._head: Head | None = None

    def begin(self, head: Head, config_sha256: str = "") -> None:
        """A file begins; what it was recorded with is compared with the digest of a configuration, if there is one."""
        last, ended = self._head, self.ended
        self._head, self.ended = head, False
        self.skipping = ended and last is not None and _follows(head, last)
        if self.skipping:
            return
        if head.config_sha256 and config_sha256 and head.config_sha256 != config_sha256:
            self._note("recorded with another configuration: the findings may differ")
        if last is not None and head.recording == last.recording and head.part > last.part + 1:
            self._note(f"parts {last.part + 1} to {head.part - 1} of the recording are missing before it")
        if head.lost_lines:
            self._note(
                f"{head.lost_lines} lines before it could not be recorded; findings that they raised and cleared may be missing"
            )


def _follows(head: Head, last: Head) -> bool:
    return head.reason is Reason.FULL and head.recording == last.recording and head.part == last.part + 1


class Playback:
    """Reads one recording. ``lists`` apply until the recording says which lists were in force."""

    def __init__(
        self,
        config: Config,
        rejected: Callable[[int, Rejected], None],
        *,
        lists: Mapping[SourceKey, PublishedList] | None = None,
        config_sha256: str = "",
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``rejected`` is called with the number (from 1) of each line that cannot be read, ``note`` with messages
        about the recording for the user.
        """
        self._base = config
        self._lists = dict(lists or {})
        self._sources = {file_stem(key): key for key in map(SourceKey.of, config.sources)}
        self._rejected = rejected
        self._note = note
        self._config_sha256 = config_sha256
        self._feeds = {name: entries.addressed(feed) for name, feed in config.feeds.items()}
        self._decoder = Decoder(self._feeds)
        self._streams: dict[str, RouterStream] = {}
        """By router: what reads its BMP connection."""
        self._files = Continuity(note)
        self._routes: dict[str, dict[object, Route]] | None = None
        """The routes of the snapshot that is being read, by feed."""

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
            elif line.strip() and not self._files.skipping:
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
            case State() if self._files.skipping:
                self._files.skipping = False
            case State():
                yield self._begin(entry)
            case _ if self._files.skipping:
                pass
            case Listed():
                yield from self._take_list(entry, time)
            case Started(process, pid):
                self._decoder.process_started(process, pid)
            case Connected() | Reported() | Told():
                yield from self._take_report(entry, time)
            case End():
                self._files.ended = True
            case Happened() | Delivered() | Maintenance():
                yield self._moved(entry, time)
            case _:
                yield Passed(time)

    def _stream(self, router: str) -> RouterStream:
        if router not in self._base.bmp:
            raise ValueError(f"router {router!r} has no bmp")
        return RouterStream(bmp_connection(router), monitored(self._base, router))

    def _take_report(self, entry: Connected | Reported | Told, time: float) -> Iterator[Event]:
        """Yield what a router reports by BMP, or RIPE's collectors tell. What did not come in time is in the recording as events."""
        if isinstance(entry, Told):
            yield from self._take_told(entry.lines)
        elif isinstance(entry, Connected):
            self._streams[entry.router] = self._stream(entry.router)
        elif (stream := self._streams.get(entry.router)) is not None:
            yield from stream.take(entry.octets, time).events

    def _take_told(self, lines: tuple[str, ...]) -> Iterator[Event]:
        """Yield one UPDATE of several lines."""
        decoded = [self._decoder.decode(line.encode()) for line in lines]
        rejected = next((each.rejected for each in decoded if each.rejected is not None), None)
        if rejected is not None:
            raise ValueError(rejected.detail)
        updates = [event for each in decoded for event in each.events if isinstance(event, Update)]
        if updates:
            announced = tuple(route for update in updates for route in update.announced)
            withdrawn = tuple(key for update in updates for key in update.withdrawn)
            yield Update(updates[0].time, updates[0].feed, announced, withdrawn)

    def _moved(self, entry: Happened | Delivered | Maintenance, time: float) -> Step:
        match entry:
            case Happened():
                return self._known(entry.event)
            case Delivered(process):
                return Heard(time, process)
            case Maintenance(windows):
                return Maintained(time, windows)

    def _take_head(self, head: Head) -> None:
        self._files.begin(head, self._config_sha256)
        if self._files.skipping:
            return
        self._routes = {}
        self._lists = {}
        self._decoder = Decoder(self._feeds)
        self._streams = {}

    def _known(self, event: Event) -> Event:
        feed = getattr(event, "feed", None)
        if feed is not None and feed not in self._base.feeds:
            raise ValueError(f"there is no feed {feed!r}")
        if isinstance(event, AzureRead) and event.circuit not in self._base.circuits:
            raise ValueError(f"there is no circuit {event.circuit!r}")
        return event

    def _begin(self, entry: State) -> Begun:
        routes, self._routes = self._routes or {}, None
        self._decoder = Decoder(self._feeds, entry.decoder)
        for router, octets in entry.connections.items():
            self._streams[router] = stream = self._stream(router)
            stream.take(octets, entry.snapshot.now)  # the sessions that it reports are in the snapshot
        held = {feed: tuple(by_key.values()) for feed, by_key in routes.items()}
        return Begun(entry.snapshot.now, resume(self.config, entry.snapshot, held))

    def _take_list(self, listed: Listed, time: float) -> Iterator[Expected]:
        if source := self._sources.get(listed.source):
            self._lists[source] = read_list(listed)
            if self._routes is None:
                yield Expected(time, self.config)


Piece = TypeVar("Piece")
Piece_contra = TypeVar("Piece_contra", contravariant=True)


class Reader(Protocol[Piece_contra]):
    """Reads recordings of one format, which consist of such pieces."""

    @property
    def config(self) -> Config: ...

    def steps(self, pieces: Iterable[Piece_contra], /) -> Iterator[Step]: ...


class Replay(Generic[Piece]):
    """One run over a recording. Iterate over ``transitions``, then ask for ``statuses``."""

    def __init__(self, playback: Reader[Piece]) -> None:
        self._playback = playback
        self._monitor: Monitor | None = None
        self._start = 0.0
        self._instant: list[Transition] = []

    @property
    def decoded_anything(self) -> bool:
        return self._monitor is not None

    def transitions(self, pieces: Iterable[Piece], until: float | None = None) -> Iterator[dict[str, Any]]:
        """Yield the raised and cleared findings, in order. ``pieces`` are what the reader reads, such as lines. ``until`` stops
        the clock so many seconds after the first step; without it, the clock runs until no timer of a finding or session is running.
        """
        for step in self._playback.steps(pieces):
            if self._monitor is None:
                self._start = step.time
            if until is not None and step.time > self._end(until):
                if self._monitor is None or self._monitor.horizons.together:
                    break
                continue  # lines of another process may still be earlier
            yield from self._take(step)
        if self._monitor is not None:
            yield from self._run_out(self._monitor, until)

    def findings(self) -> list[Finding]:
        """Return the raised findings."""
        return self._monitor.findings() if self._monitor is not None else []

    def statuses(self) -> Iterator[dict[str, Any]]:
        """Yield the status of every check and subject, ordered by check and labels."""
        for case in self._monitor.statuses() if self._monitor is not None else ():
            labels = dict(case.subject.labels)
            yield msgspec.to_builtins(SubjectDoc(check=case.subject.check, labels=labels, status=case.status))

    def _take(self, step: Step) -> Iterator[dict[str, Any]]:
        if isinstance(step, Begun):
            yield from self._print_instant()
            self._monitor = step.monitor
        elif self._monitor is None:
            self._monitor = Monitor(self._playback.config, step.time)
        monitor = self._monitor
        yield from self._pass_time(monitor, step.time)
        match step:
            case Begun() | Passed():
                return
            case Heard(time, process):
                monitor.delivered(process, time)
            case Maintained(time, windows):
                monitor.maintain(windows, time)
            case Expected(time, config):
                monitor.use_lists(config, time)
            case _:
                monitor.apply(step)
        yield from self._pass_time(monitor, step.time)

    def _end(self, until: float) -> float:
        return round(self._start + until, 6)

    def _run_out(self, monitor: Monitor, until: float | None) -> Iterator[dict[str, Any]]:
        monitor.follow_all_together()  # no more lines follow
        if until is not None:
            yield from self._pass_time(monitor, self._end(until))
        else:
            while monitor.timers_running() and (due := monitor.next_deadline()) is not None:
                yield from self._pass_time(monitor, due)
        yield from self._print_instant()

    def _pass_time(self, monitor: Monitor, now: float) -> Iterator[dict[str, Any]]:
        """Advance the clock. Transitions are yielded when their instant is over: a later line of the same instant may
        cause others that sort before them.
        """
        for transition in monitor.advance(now).transitions:
            if self._instant and self._instant[0].time < transition.time:
                yield from self._print_instant()
            self._instant.append(transition)
        if self._instant and self._instant[0].time < monitor.now:
            yield from self._print_instant()

    def _print_instant(self) -> Iterator[dict[str, Any]]:
        instant, self._instant = sorted(self._instant, key=transition_order), []
        for transition in instant:
            yield render(transition, self._start)


def render(transition: Transition, start: float) -> dict[str, Any]:
    """Return a transition as JSON values; ``offset`` counts from ``start``, in seconds."""
    finding = transition.finding
    rendered = {
        "offset": round(transition.time - start, 3),
        "time": round(transition.time, 3),
        "state": str(transition.state),
        **substance(finding_doc(finding)),
    }
    if finding.ended_at is not None:
        rendered["duration_seconds"] = round(finding.ended_at - finding.since, 3)
    return rendered


def to_line(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False)


def to_row(values: dict[str, Any]) -> str:
    """Write a transition or a status as a row of text."""
    if "status" in values:
        labels = " ".join(f"{name}={value}" for name, value in values["labels"].items())
        return printable(f"{values['status']:<11} {values['check']:<24} {labels}").rstrip()
    offset, state, severity = f"{values['offset']:.3f}s", values["state"], values["severity"]
    return printable(f"{offset:>12}  {state:<8} {severity:<9} {values['check']:<24} {values['summary']}")
