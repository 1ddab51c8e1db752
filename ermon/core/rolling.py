"""Counts over a rolling window of time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

COUNTED_AT_MOST = 1_000
"""More changes than these add nothing for the reader."""


class RollingCount:
    """Tells whether more than ``limit`` things happened in the last ``seconds``, and how many."""

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
        """Return when there will be no more than ``limit``, ``None`` when there are not."""
        if len(self._times) > self._limit:
            return round(self._times[-self._limit - 1] + self._seconds, 6)
        return None

    def count(self, now: float) -> int:
        """Return how many there were, ``COUNTED_AT_MOST`` or the limit at most."""
        return len(self.recent(now))

    def exceeded(self, now: float) -> bool:
        ends = self.ends_at()
        return ends is not None and now < ends


class SpanCount(RollingCount):
    """Counts the spans of the clock in which something happened: what happens several times in one is one."""

    def __init__(self, limit: int, seconds: float, span: float) -> None:
        super().__init__(limit, seconds)
        self._span = span
        self._last: float | None = None

    def take_over(self, other: RollingCount) -> None:
        super().take_over(other)
        if isinstance(other, SpanCount):
            self._last = other._last  # noqa: SLF001 - of its own kind

    def restore(self, times: Iterable[float], wall: Callable[[float], float]) -> None:
        """Go on from times that are in spans of their own; ``wall`` says what the clock said at a time."""
        for time in times:
            self.add(time)
            self._last = wall(time) // self._span

    def add_at(self, now: float, wall: float) -> None:
        """Note what happens ``now``, at ``wall`` by the clock."""
        number = wall // self._span
        if number == self._last and self._times:
            self._times.pop()
        self._last = number
        self.add(now)
