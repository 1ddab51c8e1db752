"""Counts over a rolling window of time, and medians over remembered time."""

from __future__ import annotations

from collections import deque

LEVELS_KEPT = 1_000
"""Levels of a baseline that are remembered over a restart: in an hour, one each few seconds."""

Levels = tuple[tuple[int, float], ...]
"""Counts, and for how many seconds they were there; the oldest first."""


class RollingCount:
    """Tells whether more than ``limit`` things happened in the last ``seconds``; remembers no more."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._seconds = seconds
        self._times: deque[float] = deque(maxlen=limit + 1)

    def add(self, now: float) -> None:
        self._times.append(now)

    def take_over(self, other: RollingCount) -> None:
        """Go on from what was counted under another limit."""
        self._times.extend(other._times)

    def recent(self, now: float) -> tuple[float, ...]:
        """Return the times that may still count."""
        return tuple(time for time in self._times if time + self._seconds > now)

    def ends_at(self) -> float | None:
        """Return when there will be no more than ``limit``, ``None`` when there are not."""
        if len(self._times) == self._times.maxlen:
            return round(self._times[0] + self._seconds, 6)
        return None

    def exceeded(self, now: float) -> bool:
        ends = self.ends_at()
        return ends is not None and now < ends


class Baseline:
    """The median of a count over the last hour in which it was right, weighted by time.

    ``learn`` begins to count time for a level, ``stop`` ends it: what is wrong teaches nothing.
    """

    def __init__(self, seconds: float = 3600.0) -> None:
        self._seconds = seconds
        self._levels: deque[tuple[int, float]] = deque()
        """Counts, and for how long they were there; together ``seconds`` at most."""
        self._total = 0.0
        self._current: tuple[int, float] | None = None
        """The count at present, and since when."""

    def learn(self, count: int, now: float) -> None:
        if self._current is None or self._current[0] != count:
            self.stop(now)
            self._current = (count, now)

    def stop(self, now: float) -> None:
        if self._current is None:
            return
        count, since = self._current
        self._current = None
        if now > since:
            self._levels.append((count, now - since))
            self._total += now - since
            self._forget()

    def copy(self) -> Baseline:
        """Return what has been learnt as it is now: it may go on, and this stays."""
        other = Baseline(self._seconds)
        other._levels, other._total, other._current = deque(self._levels), self._total, self._current
        return other

    def levels(self, now: float) -> Levels:
        """Return what has been learnt until ``now``, to go on from another time: counts, and for how long."""
        current = [(self._current[0], now - self._current[1])] if self._current else []
        return tuple(level for level in (*self._levels, *current)[-LEVELS_KEPT:] if level[1] > 0)

    def restore(self, levels: Levels) -> None:
        """Begin with what was learnt before."""
        self._levels = deque(levels)
        self._total = sum(duration for _, duration in levels)
        self._forget()

    def median(self, now: float) -> float | None:
        """Return the median, ``None`` when nothing has been learnt."""
        levels = [*self._levels, *([(self._current[0], now - self._current[1])] if self._current else ())]
        # The current level pushes out the oldest ones.
        kept: list[tuple[int, float]] = []
        room = self._seconds
        for count, duration in reversed(levels):
            kept.append((count, min(duration, room)))
            room -= duration
            if room <= 0:
                break
        return _weighted_median([level for level in kept if level[1] > 0])

    def _forget(self) -> None:
        while self._total > self._seconds:
            count, duration = self._levels.popleft()
            excess = self._total - self._seconds
            self._total -= duration
            if duration > excess:
                self._levels.appendleft((count, duration - excess))
                self._total += duration - excess


def _weighted_median(levels: list[tuple[int, float]]) -> float | None:
    """The level at which half of the time was spent below; between two where it is exactly half."""
    if not levels:
        return None
    levels.sort()
    half = sum(duration for _, duration in levels) / 2
    passed = 0.0
    for index, (count, duration) in enumerate(levels):
        passed += duration
        if passed > half:
            return count
        if passed == half:
            following = levels[index + 1][0] if index + 1 < len(levels) else count
            return (count + following) / 2
    return levels[-1][0]
