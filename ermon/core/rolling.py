"""Counts over a rolling window of time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

COUNTED_AT_MOST = 1_000
"""The most that is counted: higher numbers add nothing for the reader."""


class RollingCount:
    """Counts what happened in the last ``seconds``, and returns whether that is more than ``limit``."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._times: deque[float] = deque(maxlen=max(limit + 1, COUNTED_AT_MOST))

    def add(self, now: float) -> None:
        self._times.append(now)

    def take_over(self, other: RollingCount) -> None:
        """Go on from what was counted under another limit."""
        self._times.extend(other._times)

    def recent(self, now: float) -> tuple[float, ...]:
        """Return the times that may still count."""
        return tuple(time for time in self._times if time + self._seconds > now)

    def ends_at(self) -> float | None:
        """Return when the count drops to ``limit``; ``None`` if it is not above it."""
        if len(self._times) > self._limit:
            return round(self._times[-self._limit - 1] + self._seconds, 6)
        return None

    def count(self, now: float) -> int:
        """Return the count, at most the larger of ``COUNTED_AT_MOST`` and the limit."""
        return len(self.recent(now))

    def exceeded(self, now: float) -> bool:
        ends = self.ends_at()
        return ends is not None and now < ends


class SpanCount(RollingCount):
    """Counts the spans of the clock in which something happened; several events in one span count once."""

    def __init__(self, limit: int, seconds: float, span: float) -> None:
        super().__init__(limit, seconds)
        self._span = span
        self._last: float | None = None

    def take_over(self, other: RollingCount) -> None:
        super().take_over(other)
        if isinstance(other, SpanCount):
            self._last = other._last  # noqa: SLF001 - of the same class

    def restore(self, times: Iterable[float], wall: Callable[[float], float]) -> None:
        """Go on from times that are each in another span; ``wall`` converts a time to the wall clock's."""
        for time in times:
            self.add(time)
            self._last = wall(time) // self._span

    def add_at(self, now: float, wall: float) -> None:
        """Count what happens at ``now``, which is ``wall`` by the wall clock."""
        number = wall // self._span
        if number == self._last and self._times:
            self._times.pop()
        self._last = number
        self.add(now)
