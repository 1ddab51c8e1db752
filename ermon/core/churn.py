"""Route changes of a link on one feed, as far as they count as churn."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from ermon.model.prefixes import Family

ChurnTimes = tuple[tuple[float, Family], ...]


_TOGETHER_SECONDS = 0.01
"""Changes that came so close together are kept as one number."""


@dataclass(slots=True)
class _Changes:
    time: float
    count: int = 1


class Churn:
    """Tells whether more than ``limit`` changes came within ``seconds``; times are seconds since the epoch.

    What a link loses or gets around its going down or coming up is no churn. That is known only afterwards, so changes can
    be left out again for ``settle`` seconds.
    """

    def __init__(self, limit: int, seconds: float, settle: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._settle = settle
        self._counted: deque[tuple[float, Family]] = deque(maxlen=limit + 1)
        """Changes that stay; more are never needed."""
        self._earlier: deque[_Changes] = deque()
        """How many more there were before those."""
        self._fresh: deque[tuple[float, Family]] = deque()
        """Changes that may still be left out."""

    def add(self, now: float, family: Family) -> None:
        self._fresh.append((now, family))
        while self._fresh[0][0] < now - self._settle:
            if len(self._counted) == self._counted.maxlen:
                self._add_up(self._counted[0][0])
            self._counted.append(self._fresh.popleft())

    def _add_up(self, time: float) -> None:
        """Note a change that is no longer needed for the verdict."""
        earlier = self._earlier
        if earlier and time - earlier[-1].time <= _TOGETHER_SECONDS:
            earlier[-1].count += 1
        else:
            earlier.append(_Changes(time))
        while earlier[0].time + self._seconds <= time:
            earlier.popleft()

    def leave_out(self, family: Family, now: float) -> None:
        """Leave out the last changes of a family."""
        since = now - self._settle
        self._fresh = deque(each for each in self._fresh if each[0] < since or each[1] != family)

    def recent(self, now: float) -> ChurnTimes:
        """Return the changes that may still count."""
        return tuple(each for each in (*self._counted, *self._fresh) if each[0] + self._seconds > now)

    def count(self, now: float) -> int:
        """Return how many changes there are within the time; after a restart of ermon, or under a new configuration,
        those that the verdict needs.
        """
        earlier = sum(each.count for each in self._earlier if each.time + self._seconds > now)
        return earlier + len(self.recent(now))

    def restore(self, changes: Iterable[tuple[float, Family]]) -> None:
        """Go on from what was counted, be it under another limit."""
        for time, family in changes:
            self.add(time, family)

    def ends_at(self) -> float | None:
        """Return when there will be no more than ``limit``, ``None`` when there are not."""
        fresh = len(self._fresh)
        if fresh > self._limit:
            return round(self._fresh[-self._limit - 1][0] + self._seconds, 6)
        at = self._limit + 1 - fresh
        return round(self._counted[-at][0] + self._seconds, 6) if at <= len(self._counted) else None

    def exceeded(self, now: float) -> bool:
        ends = self.ends_at()
        return ends is not None and now < ends
