"""The history of the links: the states of each, and its number of prefixes. The last 24 hours are in memory; what is
older is put together from the hours that were written to the store.

It is bounded: one count in five minutes, and a limited number of changes for each link and family. Beyond that number,
the oldest become one stretch that is unknown. Time in which ermon was not running, or its machine was suspended, is
unknown too.

Times are those of the wall clock. When the clock is set, the history in memory moves with it, so that durations stay
right; if the clock was set back, nothing is lost of an hour that comes twice.

House rules: nothing here awaits, logs or reads a clock. Times are seconds since the epoch.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import nextafter
from typing import Annotated, NamedTuple, Self

import msgspec

from ermon.api.answers import LinkHistoryDoc
from ermon.api.status import Shown
from ermon.core.facts import NetworkFacts
from ermon.core.monitor import Monitor
from ermon.core.runs import RunLog
from ermon.core.session_log import SessionEvent, SessionLog
from ermon.model.events import Change, ClockChanged, DrainChanged, FeedChanged, LinkChanged
from ermon.model.findings import LinkState
from ermon.model.inventory import LinkFamily, LinkKey
from ermon.model.prefixes import Family

SPAN_SECONDS = 86_400.0
SAMPLE_SECONDS = 300.0
MAX_SAMPLES = int(SPAN_SECONDS / SAMPLE_SECONDS)
HOUR_SECONDS = 3600.0
MAX_CHANGES = 200
"""For each link and family: a link that changes its state more often has a finding that says so."""
MAX_GAPS = 50
"""The most suspensions of the machine in a day that are remembered; of more, the oldest are forgotten."""

_UNCOUNTED = -1
"""The number of prefixes of a link whose state is unknown."""

_Count = Annotated[int, msgspec.Meta(ge=_UNCOUNTED, le=2**31 - 1)]


def hour_of(time: float) -> int:
    """Return the hour of the calendar that a time is in, counted from the epoch."""
    return int(time // HOUR_SECONDS)


class KeptTrack(msgspec.Struct, frozen=True):
    """One link and family as written to the store."""

    link: LinkFamily
    states: list[tuple[float, Shown]]
    counts: list[_Count]
    merged_until: float | None
    sessions: list[SessionEvent] = []
    """What the router has reported of its own session in this stretch."""


class KeptTimeline(msgspec.Struct, frozen=True):
    """A stretch of the timeline as written to the store: an hour of the calendar, as far as it is over."""

    saved_at: float
    """The end of the stretch."""
    times: list[float]
    tracks: list[KeptTrack]


class _Track:
    """The history of one link and family."""

    def __init__(self, samples: int) -> None:
        """``samples``: the number of samples that were taken before the link was known."""
        self.state = LinkState.UNKNOWN
        self.draining = False
        self.changes: deque[tuple[float, Shown]] = deque()
        """Each state, and when it began; two neighbors differ."""
        self.merged_until: float | None = None
        """Until this time there were too many changes to keep."""
        self.sessions = SessionLog()
        self.counts = array("i", [_UNCOUNTED]) * samples

    def is_now(self, time: float, state: LinkState, *, draining: bool) -> None:
        self.state, self.draining = state, draining
        self.add(time, Shown.DRAINING if draining else Shown(state))

    def add(self, time: float, shown: Shown) -> None:
        changes = self.changes
        while changes and changes[-1][0] >= time:
            changes.pop()  # it lasted for no time, or the clock was wrong
        if changes and changes[-1][1] == shown:
            return
        changes.append((time, shown))
        if len(changes) > MAX_CHANGES:
            began, _ = changes.popleft()
            changes[0] = (began, Shown.UNKNOWN)
            self.merged_until = changes[1][0]

    def move(self, seconds: float) -> None:
        """Move all times, because the clock was set."""
        self.changes = deque((time + seconds, shown) for time, shown in self.changes)
        if self.merged_until is not None:
            self.merged_until += seconds
        self.sessions.move(seconds)

    def forget(self, before: float) -> None:
        while len(self.changes) > 1 and self.changes[1][0] <= before:
            self.changes.popleft()
        if self.merged_until is not None and self.merged_until <= before:
            self.merged_until = None
        self.sessions.forget(before)


class _TrackView(NamedTuple):
    """One link and family between two times."""

    link: LinkFamily
    changes: tuple[tuple[float, Shown], ...]
    counts: array[int]
    merged_until: float | None
    sessions: tuple[SessionEvent, ...]


@dataclass(frozen=True, slots=True)
class TimelineView:
    """The history of the links between two times; it may be described on any thread."""

    start: float
    end: float
    times: tuple[float, ...]
    """When the prefixes were counted."""
    tracks: tuple[_TrackView, ...]

    def links(self) -> tuple[LinkHistoryDoc, ...]:
        return tuple(
            LinkHistoryDoc(
                circuit=circuit,
                link=link,
                family=family,
                states=tuple(_span(changes, self.start, self.end)),
                merged_until=merged_until,
                prefixes=tuple(None if count < 0 else count for count in counts),
                sessions=sessions,
            )
            for ((circuit, link), family), changes, counts, merged_until, sessions in self.tracks
        )


def _view(
    times: list[float],
    tracks: dict[LinkFamily, _Track],
    start: float,
    end: float,
    gaps: Iterable[tuple[float, float]] = (),
) -> TimelineView:
    first = sum(time < start for time in times)
    last = sum(time <= end for time in times)
    taken = [
        _TrackView(
            key,
            tuple(each for each in _awake(track.changes, gaps) if each[0] <= end),
            track.counts[first:last],
            track.merged_until,
            track.sessions.between(start, end),
        )
        for key, track in tracks.items()
    ]
    return TimelineView(start, end, tuple(times[first:last]), tuple(taken))


def view_of(parts: Iterable[KeptTimeline], runs: RunLog, start: float, end: float) -> TimelineView:
    """Return the history between two times, put together from the stretches of the store."""
    return _view(*_joined(parts, runs, end), start, end)


def _joined(
    parts: Iterable[KeptTimeline], runs: RunLog, end: float
) -> tuple[list[float], dict[LinkFamily, _Track]]:
    """Join stretches of the timeline, the oldest first. Between them, every link is unknown. Samples that are later
    than ``end`` or do not fit together are dropped.
    """
    times: list[float] = []
    tracks: dict[LinkFamily, _Track] = {}
    for part in parts:
        after = times[-1] if times else 0.0
        good = [n for n, time in enumerate(part.times) if after < time <= end]
        # Every change is written at once, so nothing changed until the last sign of life.
        saved_until = min(runs.alive_after(part.saved_at, SAMPLE_SECONDS), end)
        for found in part.tracks:
            if len(found.counts) != len(part.times):
                continue
            track = tracks.setdefault(found.link, _Track(len(times)))
            track.counts.extend(found.counts[n] for n in good)
            for time, shown in found.states:
                if time <= end:
                    track.add(time, shown)
            if found.merged_until is not None:
                track.merged_until = max(found.merged_until, track.merged_until or 0.0)
            track.sessions.extend(event for event in found.sessions if event[0] <= end)
            if saved_until < end:
                track.add(saved_until, Shown.UNKNOWN)
        times.extend(part.times[n] for n in good)
        for track in tracks.values():
            track.counts.extend([_UNCOUNTED] * (len(times) - len(track.counts)))
    return times, tracks


class Timeline:
    """Follows a monitor: call ``follow`` after each turn, and ``sample`` every ``SAMPLE_SECONDS``."""

    def __init__(self) -> None:
        self._known: NetworkFacts | None = None
        self._times: list[float] = []
        self._tracks: dict[LinkFamily, _Track] = {}
        self._gaps: deque[tuple[float, float]] = deque(maxlen=MAX_GAPS)
        """The stretches in which the machine was suspended."""
        self.moved = False
        """Whether the clock has been set, so that all times in the store are outdated."""

    def follow(self, monitor: Monitor, changes: Iterable[Change]) -> None:
        """Apply the changes since the last call, and the links that a reload has added or removed."""
        changes = list(changes)
        if moved := sum(change.set_by for change in changes if isinstance(change, ClockChanged)):
            self._move(moved)
        for change in changes:
            self._apply(monitor, change)
        self._meet(monitor)

    def _apply(self, monitor: Monitor, change: Change) -> None:
        wall = monitor.network.wall
        match change:
            case ClockChanged(time, _, suspended):
                if suspended:
                    self._gaps.append((wall(time) - suspended, wall(time)))
            case LinkChanged(time, link, family, state):
                if track := self._tracks.get((link, family)):
                    track.is_now(wall(time), state, draining=track.draining)
                    self._session_may_have_changed(monitor, link, family, wall(time))
            case DrainChanged(time, link, family, draining):
                if track := self._tracks.get((link, family)):
                    track.is_now(wall(time), track.state, draining=draining)
            case FeedChanged(time, feed):
                for link, family in _link_of_session(monitor, feed):
                    self._session_may_have_changed(monitor, link, family, wall(time))
            case _:
                pass  # a pool

    def _session_may_have_changed(self, monitor: Monitor, link: LinkKey, family: Family, time: float) -> None:
        """Note what the router now reports of its session on a link, if it reports its sessions."""
        track, feed = self._tracks.get((link, family)), monitor.config.sessions.get((link, family))
        if track is not None and feed is not None:
            own = monitor.network.own_session(feed.name)
            track.sessions.add(time, own.state, own.reason)

    def _move(self, seconds: float) -> None:
        """Move all times, because the clock was set."""
        self.moved = True
        self._times = [time + seconds for time in self._times]
        self._gaps = deque(((began + seconds, ended + seconds) for began, ended in self._gaps), MAX_GAPS)
        for track in self._tracks.values():
            track.move(seconds)

    def sample(self, monitor: Monitor, now: float) -> None:
        """Count the prefixes; of several samples in the same five minutes, the last one is kept."""
        self._meet(monitor)
        slot = now - now % SAMPLE_SECONDS
        kept = len(self._times)
        while kept and self._times[kept - 1] >= slot:
            kept -= 1
        old = sum(time <= now - SPAN_SECONDS for time in self._times[:kept])
        first = max(old, kept + 1 - MAX_SAMPLES)
        self._times = [*self._times[first:kept], now]
        for (link, family), track in self._tracks.items():
            known = track.state is not LinkState.UNKNOWN
            track.counts = track.counts[first:kept]
            track.counts.append(monitor.network.prefix_count(link, family) if known else _UNCOUNTED)
            track.forget(now - SPAN_SECONDS)

    def _meet(self, monitor: Monitor) -> None:
        """Change to the links of a new configuration."""
        known = monitor.network
        if known is self._known:
            return
        self._known = known
        judged = [
            (link, family) for link, families in monitor.layout.link_families.items() for family in families
        ]
        self._tracks = {key: self._tracks.get(key) or _Track(len(self._times)) for key in judged}
        for (link, family), track in self._tracks.items():
            track.is_now(
                known.calendar_now,
                known.link_state(link, family),
                draining=known.shown_draining(link, family),
            )
            self._session_may_have_changed(monitor, link, family, known.calendar_now)

    # To look at --------------------------------------------------------------------------------------

    def show(self, start: float, end: float) -> TimelineView:
        """Return the history between two times of the last 24 hours."""
        return _view(self._times, self._tracks, start, end, self._gaps)

    # To keep -----------------------------------------------------------------------------------------

    def hour(self, number: int, now: float) -> KeptTimeline | None:
        """Return an hour of the calendar, counted from the epoch, for the store; ``None`` if nothing is known of it."""
        start, end = number * HOUR_SECONDS, (number + 1) * HOUR_SECONDS
        view = self.show(start, nextafter(end, start))  # the end belongs to the next hour
        tracks = [
            KeptTrack(key, _span(changes, start, end), counts.tolist(), merged_until, list(sessions))
            for key, changes, counts, merged_until, sessions in view.tracks
        ]
        known = view.times or any(
            track.sessions or any(shown is not Shown.UNKNOWN for _, shown in track.states) for track in tracks
        )
        return KeptTimeline(min(end, now), list(view.times), tracks) if known else None

    @classmethod
    def restored(cls, parts: Iterable[KeptTimeline], runs: RunLog, now: float) -> Self:
        """Return a timeline that goes on from an earlier run of ermon: from the end of what that has written until this
        run sees something, every link is unknown.
        """
        timeline = cls()
        timeline._times, timeline._tracks = _joined(parts, runs, now)
        for track in timeline._tracks.values():
            track.forget(now - SPAN_SECONDS)
        return timeline


def _link_of_session(monitor: Monitor, name: str) -> list[LinkFamily]:
    """Return the link whose session a feed is; none if it is another feed."""
    feed = monitor.config.feeds.get(name)
    if feed is None or not feed.by_bmp or feed.link_key is None:
        return []
    return [(feed.link_key, family) for family in feed.families]


def _awake(
    changes: Iterable[tuple[float, Shown]], gaps: Iterable[tuple[float, float]]
) -> list[tuple[float, Shown]]:
    """Return the states with unknown in the gaps, in which the machine was suspended."""
    found = list(changes)
    for began, ended in gaps:
        shown = next((shown for time, shown in reversed(found) if time <= ended), Shown.UNKNOWN)
        if shown is not Shown.UNKNOWN:
            found = [
                *(each for each in found if each[0] < began),
                *((began, Shown.UNKNOWN), (ended, shown)),
                *(each for each in found if each[0] > ended),
            ]
    return found


def _span(changes: Iterable[tuple[float, Shown]], since: float, now: float) -> list[tuple[float, Shown]]:
    """Return the states from ``since`` to ``now``, beginning with the state at ``since``."""
    first = Shown.UNKNOWN
    later: list[tuple[float, Shown]] = []
    for time, shown in changes:
        if time <= since:
            first = shown
        elif later or shown != first:
            later.append((min(time, now), shown))
    return [(since, first), *later]
