"""The history of the links: the states of each, and its number of prefixes. The last 24 hours are in memory, and what is
older is put together from the hours that were written down.

Bounded: one count in five minutes, and so many changes of each link and family. Where those are too many,
the oldest become one stretch that is unknown. So is the time that ermon was not running, or its machine was suspended.

Times are those of the wall clock. When somebody sets it, what is in memory moves with it: what lasted an hour still did, and
nothing is lost of an hour that is there twice.

House rules: nothing here awaits, logs or reads a clock. Times are seconds since the epoch.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import nextafter
from typing import Annotated, Self

import msgspec

from ermon.api.answers import LinkHistoryDoc
from ermon.api.status import Shown
from ermon.core.facts import NetworkFacts
from ermon.core.monitor import Monitor
from ermon.core.runs import RunLog
from ermon.model.events import Change, ClockChanged, DrainChanged, LinkChanged
from ermon.model.findings import LinkState
from ermon.model.inventory import LinkFamily

SPAN_SECONDS = 86_400.0
SAMPLE_SECONDS = 300.0
MAX_SAMPLES = int(SPAN_SECONDS / SAMPLE_SECONDS)
HOUR_SECONDS = 3600.0
MAX_CHANGES = 200
"""Of each link and family: a link that changes its state more often has a finding that says so."""
MAX_GAPS = 50
"""A machine that is suspended more often in a day is left alone with the oldest."""

_UNCOUNTED = -1
"""The number of prefixes of a link whose state is unknown."""

_Count = Annotated[int, msgspec.Meta(ge=_UNCOUNTED, le=2**31 - 1)]


def hour_of(time: float) -> int:
    """Return which hour of the calendar a time is in, counted from the epoch."""
    return int(time // HOUR_SECONDS)


class KeptTrack(msgspec.Struct, frozen=True):
    """A link and family as they are written down."""

    link: LinkFamily
    states: list[tuple[float, Shown]]
    counts: list[_Count]
    merged_until: float | None


class KeptTimeline(msgspec.Struct, frozen=True):
    """A stretch of the timeline as it is written down: an hour of the calendar, as far as it is over."""

    saved_at: float
    """Its end."""
    times: list[float]
    tracks: list[KeptTrack]


class _Track:
    """One link and family."""

    def __init__(self, samples: int) -> None:
        """``samples`` were taken before the link was known."""
        self.state = LinkState.UNKNOWN
        self.draining = False
        self.changes: deque[tuple[float, Shown]] = deque()
        """Each state, and when it began; two neighbours differ."""
        self.merged_until: float | None = None
        """Until when the changes were too many to keep."""
        self.counts = array("i", [_UNCOUNTED]) * samples

    def is_now(self, time: float, state: LinkState, *, draining: bool) -> None:
        self.state, self.draining = state, draining
        self.add(time, Shown.DRAINING if draining else Shown(state))

    def add(self, time: float, shown: Shown) -> None:
        changes = self.changes
        while changes and changes[-1][0] >= time:
            changes.pop()  # it was so for no time, or the clock was wrong
        if changes and changes[-1][1] == shown:
            return
        changes.append((time, shown))
        if len(changes) > MAX_CHANGES:
            began, _ = changes.popleft()
            changes[0] = (began, Shown.UNKNOWN)
            self.merged_until = changes[1][0]

    def move(self, seconds: float) -> None:
        """Tell all times by a clock that was set."""
        self.changes = deque((time + seconds, shown) for time, shown in self.changes)
        if self.merged_until is not None:
            self.merged_until += seconds

    def forget(self, before: float) -> None:
        while len(self.changes) > 1 and self.changes[1][0] <= before:
            self.changes.popleft()
        if self.merged_until is not None and self.merged_until <= before:
            self.merged_until = None


@dataclass(frozen=True, slots=True)
class TimelineView:
    """What the links were between two times; it may be described on any thread."""

    start: float
    end: float
    times: tuple[float, ...]
    """When the prefixes were counted."""
    tracks: tuple[tuple[LinkFamily, tuple[tuple[float, Shown], ...], array[int], float | None], ...]

    def links(self) -> tuple[LinkHistoryDoc, ...]:
        return tuple(
            LinkHistoryDoc(
                circuit=circuit,
                link=link,
                family=family,
                states=tuple(_span(changes, self.start, self.end)),
                merged_until=merged_until,
                prefixes=tuple(None if count < 0 else count for count in counts),
            )
            for ((circuit, link), family), changes, counts, merged_until in self.tracks
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
        (
            key,
            tuple(each for each in _awake(track.changes, gaps) if each[0] <= end),
            track.counts[first:last],
            track.merged_until,
        )
        for key, track in tracks.items()
    ]
    return TimelineView(start, end, tuple(times[first:last]), tuple(taken))


def view_of(parts: Iterable[KeptTimeline], runs: RunLog, start: float, end: float) -> TimelineView:
    """Put together what was written down of the links between two times."""
    return _view(*_joined(parts, runs, end), start, end)


def _joined(
    parts: Iterable[KeptTimeline], runs: RunLog, end: float
) -> tuple[list[float], dict[LinkFamily, _Track]]:
    """Join stretches of the timeline, the oldest first. Between them, every link is unknown. What is later than ``end``, or
    does not fit together, was never known.
    """
    times: list[float] = []
    tracks: dict[LinkFamily, _Track] = {}
    for part in parts:
        after = times[-1] if times else 0.0
        good = [n for n, time in enumerate(part.times) if after < time <= end]
        # Every change is written down at once, so that nothing changed until the last sign of life.
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
            if saved_until < end:
                track.add(saved_until, Shown.UNKNOWN)
        times.extend(part.times[n] for n in good)
        for track in tracks.values():
            track.counts.extend([_UNCOUNTED] * (len(times) - len(track.counts)))
    return times, tracks


class Timeline:
    """Follows a monitor: ``follow`` it whenever it has settled, ``sample`` it every ``SAMPLE_SECONDS``."""

    def __init__(self) -> None:
        self._known: NetworkFacts | None = None
        self._times: list[float] = []
        self._tracks: dict[LinkFamily, _Track] = {}
        self._gaps: deque[tuple[float, float]] = deque(maxlen=MAX_GAPS)
        """From when to when the machine was suspended."""
        self.moved = False
        """Whether somebody has set the clock, and all that was written down has other times now."""

    def follow(self, monitor: Monitor, changes: Iterable[Change]) -> None:
        """Take in what has changed since this was last called, and what a reload has added or removed."""
        wall, changes = monitor.network.wall, list(changes)
        if moved := sum(change.set_by for change in changes if isinstance(change, ClockChanged)):
            self._move(moved)
        for change in changes:
            match change:
                case ClockChanged(time, _, suspended):
                    if suspended:
                        self._gaps.append((wall(time) - suspended, wall(time)))
                case LinkChanged(time, link, family, state):
                    if track := self._tracks.get((link, family)):
                        track.is_now(wall(time), state, draining=track.draining)
                case DrainChanged(time, link, family, draining):
                    if track := self._tracks.get((link, family)):
                        track.is_now(wall(time), track.state, draining=draining)
                case _:
                    pass  # a feed or a pool
        self._meet(monitor)

    def _move(self, seconds: float) -> None:
        """Tell all times by a clock that was set."""
        self.moved = True
        self._times = [time + seconds for time in self._times]
        self._gaps = deque(((began + seconds, ended + seconds) for began, ended in self._gaps), MAX_GAPS)
        for track in self._tracks.values():
            track.move(seconds)

    def sample(self, monitor: Monitor, now: float) -> None:
        """Count the prefixes; of the samples of the same five minutes, the last one stays."""
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
        """Go over to the links of a new configuration."""
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

    # To look at --------------------------------------------------------------------------------------

    def show(self, start: float, end: float) -> TimelineView:
        """Take what the links were between two times, of the last 24 hours."""
        return _view(self._times, self._tracks, start, end, self._gaps)

    # To keep -----------------------------------------------------------------------------------------

    def hour(self, number: int, now: float) -> KeptTimeline | None:
        """Return an hour of the calendar, counted from the epoch, to be written down; ``None`` where nothing is known of it."""
        start, end = number * HOUR_SECONDS, (number + 1) * HOUR_SECONDS
        view = self.show(start, nextafter(end, start))  # its end is the next hour's
        tracks = [
            KeptTrack(key, _span(changes, start, end), counts.tolist(), merged_until)
            for key, changes, counts, merged_until in view.tracks
        ]
        known = view.times or any(shown is not Shown.UNKNOWN for track in tracks for _, shown in track.states)
        return KeptTimeline(min(end, now), list(view.times), tracks) if known else None

    @classmethod
    def restored(cls, parts: Iterable[KeptTimeline], runs: RunLog, now: float) -> Self:
        """Go on from an earlier ermon: from the end of what it has written until this one sees something, every link
        is unknown.
        """
        timeline = cls()
        timeline._times, timeline._tracks = _joined(parts, runs, now)
        for track in timeline._tracks.values():
            track.forget(now - SPAN_SECONDS)
        return timeline


def _awake(
    changes: Iterable[tuple[float, Shown]], gaps: Iterable[tuple[float, float]]
) -> list[tuple[float, Shown]]:
    """Return the states with those gaps in them, in which ermon's machine was suspended."""
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
    """Return the states from ``since`` to ``now``, the first from ``since`` on."""
    first = Shown.UNKNOWN
    later: list[tuple[float, Shown]] = []
    for time, shown in changes:
        if time <= since:
            first = shown
        elif later or shown != first:
            later.append((min(time, now), shown))
    return [(since, first), *later]
