"""Counts the route changes of a link on one feed that count as churn."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from ermon.model.prefixes import Family

ChurnTimes = tuple[tuple[float, Family], ...]


_TOGETHER_SECONDS = 0.01
"""Changes within this time of each other are kept as one number."""


@dataclass(slots=True)
class _Changes:
    time: float
    count: int = 1


class Churn:
    """Counts route changes, and returns whether more than ``limit`` came within ``seconds``; times are seconds since
    the epoch.

    Changes around the going down or coming up of a link are no churn. That is known only afterwards, so changes can be
    left out again for ``settle`` seconds.
    """

    def __init__(self, limit: int, seconds: float, settle: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._settle = settle
        self._counted: deque[tuple[float, Family]] = deque(maxlen=limit + 1)
        """The latest changes that certainly count, no more than the verdict needs."""
        self._earlier: deque[_Changes] = deque()
        """How many earlier changes there were."""
        self._fresh: deque[tuple[float, Family]] = deque()
        """Changes that may still be left out."""

    def add(self, now: float, family: Family) -> None:
        self._fresh.append((now, family))
        while self._fresh[0][0] < now - self._settle:
            if len(self._counted) == self._counted.maxlen:
                self._add_up(self._counted[0][0])
            self._counted.append(self._fresh.popleft())

    def _add_up(self, time: float) -> None:
        """Count a change that the verdict no longer needs."""
        earlier = self._earlier
        if earlier and time - earlier[-1].time <= _TOGETHER_SECONDS:
            earlier[-1].count += 1
        else:
            earlier.append(_Changes(time))
        while earlier[0].time + self._seconds <= time:
            earlier.popleft()

    def leave_out(self, family: Family, now: float) -> None:
        """Leave out the changes of a family in the last ``settle`` seconds."""
        since = now - self._settle
        self._fresh = deque(each for each in self._fresh if each[0] < since or each[1] != family)

    def recent(self, now: float) -> ChurnTimes:
        """Return the changes that may still count."""
        return tuple(each for each in (*self._counted, *self._fresh) if each[0] + self._seconds > now)

    def count(self, now: float) -> int:
        """Return how many changes came within ``seconds``. After a restart of ermon or a reload, only as many are known
        as the verdict needs.
        """
        earlier = sum(each.count for each in self._earlier if each.time + self._seconds > now)
        return earlier + len(self.recent(now))

    def restore(self, changes: Iterable[tuple[float, Family]]) -> None:
        """Go on from changes that were counted earlier, perhaps under another limit."""
        for time, family in changes:
            self.add(time, family)

    def ends_at(self) -> float | None:
        """Return when the count drops to ``limit``; ``None`` if it is not above it."""
        fresh = len(self._fresh)
        if fresh > self._limit:
            return round(self._fresh[-self._limit - 1][0] + self._seconds, 6)
        at = self._limit + 1 - fresh
        return round(self._counted[-at][0] + self._seconds, 6) if at <= len(self._counted) else None

    def exceeded(self, now: float) -> bool:
        ends = self.ends_at()
        return ends is not None and now < ends
