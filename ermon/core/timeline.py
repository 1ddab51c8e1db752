"""What the links were over the last 24 hours: the states of each, and how many prefixes it brought.

Bounded: one count in five minutes, and so many changes of each link and family. Where those are too many,
the oldest become one stretch that is unknown. So is the time that ermon was not running.

House rules: nothing here awaits, logs or reads a clock. Times are seconds since the epoch.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable
from typing import Annotated, Protocol, Self

import msgspec

from ermon.api.answers import FindingDoc, LinkHistoryDoc, TimelineDoc
from ermon.api.status import Shown
from ermon.core.facts import NetworkFacts
from ermon.core.monitor import Monitor
from ermon.model.events import Change, DrainChanged, LinkChanged
from ermon.model.findings import LinkState
from ermon.model.inventory import LinkFamily

SPAN_SECONDS = 86_400.0
SAMPLE_SECONDS = 300.0
MAX_SAMPLES = int(SPAN_SECONDS / SAMPLE_SECONDS)
MAX_CHANGES = 200
"""Of each link and family: a link that changes its state more often has a finding that says so."""

_UNCOUNTED = -1
"""How many prefixes a link brings whose state is unknown."""

_Count = Annotated[int, msgspec.Meta(ge=_UNCOUNTED, le=2**31 - 1)]


class KeptTrack(msgspec.Struct, frozen=True):
    """A link and family as they are written down."""

    link: LinkFamily
    states: list[tuple[float, Shown]]
    counts: list[_Count]
    merged_until: float | None


class KeptTimeline(msgspec.Struct, frozen=True):
    saved_at: float
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

    def forget(self, before: float) -> None:
        while len(self.changes) > 1 and self.changes[1][0] <= before:
            self.changes.popleft()
        if self.merged_until is not None and self.merged_until <= before:
            self.merged_until = None


class RenderTimeline(Protocol):
    """Describes what was taken, beside findings of the same time."""

    def __call__(self, findings: Iterable[FindingDoc] = (), /) -> TimelineDoc: ...


class Timeline:
    """Follows a monitor: ``follow`` it whenever it has settled, ``sample`` it every ``SAMPLE_SECONDS``."""

    def __init__(self) -> None:
        self._known: NetworkFacts | None = None
        self._times: list[float] = []
        self._tracks: dict[LinkFamily, _Track] = {}

    def follow(self, monitor: Monitor, changes: Iterable[Change]) -> None:
        """Take in what has changed since this was last called, and what a reload has brought or removed."""
        wall = monitor.network.wall
        for change in changes:
            match change:
                case LinkChanged(time, link, family, state):
                    if track := self._tracks.get((link, family)):
                        track.is_now(wall(time), state, draining=track.draining)
                case DrainChanged(time, link, family, draining):
                    if track := self._tracks.get((link, family)):
                        track.is_now(wall(time), track.state, draining=draining)
                case _:
                    pass  # a feed or a pool
        self._meet(monitor)

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

    def show(self, now: float) -> RenderTimeline:
        """Take the last 24 hours; the result describes them, on any thread."""
        now = round(now, 3)
        times = self._times
        taken = [
            (key, tuple(track.changes), track.counts[:], track.merged_until)
            for key, track in self._tracks.items()
        ]
        since = now - SPAN_SECONDS
        return lambda findings=(): TimelineDoc(
            start=since,
            end=now,
            times=tuple(times),
            links=tuple(
                LinkHistoryDoc(
                    circuit=circuit,
                    link=link,
                    family=family,
                    states=tuple(_span(changes, since, now)),
                    merged_until=merged_until,
                    prefixes=tuple(None if count < 0 else count for count in counts),
                )
                for ((circuit, link), family), changes, counts, merged_until in taken
            ),
            findings=tuple(findings),
        )

    # To keep -----------------------------------------------------------------------------------------

    def kept(self, now: float) -> KeptTimeline:
        """Return what the next ermon goes on from."""
        tracks = [
            KeptTrack(key, list(track.changes), track.counts.tolist(), track.merged_until)
            for key, track in self._tracks.items()
        ]
        return KeptTimeline(now, self._times, tracks)

    @classmethod
    def restored(cls, kept: KeptTimeline, now: float) -> Self:
        """Go on from an earlier ermon: from when that was ``kept`` until this one sees something, every link
        is unknown. What is of the future, or does not fit together, was never known.
        """
        timeline = cls()
        samples = sum(time <= now for time in kept.times)
        timeline._times = kept.times[:samples]
        for found in kept.tracks:
            if len(found.counts) != len(kept.times):
                continue
            track = timeline._tracks[found.link] = _Track(0)
            track.counts = array("i", found.counts[:samples])
            track.merged_until = found.merged_until
            for time, shown in found.states:
                if time <= now:
                    track.add(time, shown)
            track.add(min(kept.saved_at, now), Shown.UNKNOWN)
            track.forget(now - SPAN_SECONDS)
        return timeline


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
