"""What is held at one moment, as the lines that a file of a recording begins with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from ermon.core.monitor import Monitor
from ermon.core.session import Session
from ermon.core.snapshot import Snapshot, take
from ermon.exabgp.decode import DecoderMemory
from ermon.exabgp.encode import FeedEncoder
from ermon.model.inventory import ExpectedPrefix, Feed
from ermon.model.prefixes import parse_prefix
from ermon.model.routes import Route
from ermon.model.source_key import SourceKey
from ermon.recording.entries import Listed, State, write_entry
from ermon.sources.published import PublishedList
from ermon.sources.store import file_stem


@dataclass(frozen=True, slots=True)
class HeldSession:
    feed: Feed
    pid: int
    memory: Session
    routes: tuple[Route, ...]

    def lines(self, now: float) -> Iterator[bytes]:
        encoder = FeedEncoder(self.feed, self.pid, now)
        if self.memory.offered is not None:
            yield encoder.offered(self.memory.offered)
        if self.memory.negotiated is not None:
            yield encoder.negotiated(self.memory.negotiated)
        yield encoder.up()
        yield from encoder.updates(self.routes)
        for family, sync in self.memory.families.items():
            if sync.end_of_rib_at is not None:
                yield encoder.end_of_rib(family)


@dataclass(frozen=True, slots=True)
class Held:
    """Taken at once, and in proportion to the routes; written when there is time, by another thread too."""

    now: float
    sessions: tuple[HeldSession, ...]
    lists: Mapping[SourceKey, PublishedList]
    state: bytes

    @classmethod
    def by(cls, monitor: Monitor, decoder: DecoderMemory, lists: Mapping[SourceKey, PublishedList]) -> Held:
        """Take what ``monitor`` and the decoder before it know."""
        snapshot = take(monitor)
        return cls(
            now=snapshot.now,
            sessions=tuple(_sessions(monitor, snapshot, decoder.pids)),
            lists=dict(lists),
            state=write_entry(State(snapshot, decoder), snapshot.now),
        )

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
    """Return the list again; ``ValueError`` if it is none."""
    prefixes = (
        ExpectedPrefix(parse_prefix(text), _read_day(starts), _read_day(ends))
        for text, starts, ends in listed.prefixes
    )
    return PublishedList(tuple(prefixes), listed.version)


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _read_day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
