"""What is usual: amounts over remembered time, their medians, and levels that may become usual.

House rules: nothing here reads a clock; times are seconds since the epoch, durations are seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from ermon.checks.facts import Amount

HOUR_SECONDS = 3600.0
DAY_SECONDS = 86_400.0
LEVELS_KEPT = 1_000
"""The most entries that are remembered: in a day, one each minute and a half. Beyond it, the oldest are joined."""

Spans = tuple[tuple[float, float, float], ...]
"""Entries of (routes, addresses, seconds that both lasted), the oldest first."""


class LevelMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of one level that outlives a monitor. The fields are a file format."""

    usual: Spans = ()
    candidate: Spans = ()


class History:
    """The amounts of the last ``seconds`` of counted time.

    ``learn`` begins to count time for an amount, ``stop`` ends it.
    """

    def __init__(self, seconds: float = float("inf")) -> None:
        self._seconds = seconds
        self._spans: deque[tuple[Amount, float]] = deque()
        """Amounts, and how long each lasted; together ``seconds`` at most."""
        self._total = 0.0
        self._current: tuple[Amount, float] | None = None
        """The amount that is being counted, and since when."""

    def learn(self, amount: Amount, now: float) -> None:
        if self._current is None or self._current[0] != amount:
            self.stop(now)
            self._current = (amount, now)

    def stop(self, now: float) -> None:
        if self._current is None:
            return
        amount, since = self._current
        self._current = None
        if now > since:
            self._append(amount, now - since)

    def lasted(self, now: float) -> float:
        """Return for how long it has been counted, as far as it is remembered."""
        return self._total + (now - self._current[1] if self._current else 0.0)

    def copy(self) -> History:
        """Return a copy that does not change when this one goes on."""
        other = History(self._seconds)
        other._spans, other._total, other._current = deque(self._spans), self._total, self._current
        return other

    def spans(self, now: float) -> Spans:
        """Return what has been learned until ``now``, so that another instance can go on from it."""
        return tuple((a.routes, a.addresses, lasted) for a, lasted in self._until(now) if lasted > 0)

    def restore(self, spans: Iterable[tuple[float, float, float]]) -> None:
        """Begin with what was learned before."""
        self._spans, self._total, self._current = deque(), 0.0, None
        for routes, addresses, lasted in spans:
            self._append(Amount(routes, addresses), lasted)

    def median(self, now: float, seconds: float) -> Amount | None:
        """Return the median of the last ``seconds`` of counted time, of routes and of addresses each by itself;
        ``None`` if nothing has been counted.
        """
        kept: list[tuple[Amount, float]] = []
        room = seconds
        for amount, lasted in reversed(self._until(now)):
            kept.append((amount, min(lasted, room)))
            room -= lasted
            if room <= 0:
                break
        kept = [span for span in kept if span[1] > 0]
        if not kept:
            return None
        routes = _weighted_median([(amount.routes, lasted) for amount, lasted in kept])
        return Amount(routes, _weighted_median([(amount.addresses, lasted) for amount, lasted in kept]))

    def _until(self, now: float) -> list[tuple[Amount, float]]:
        return [*self._spans, *([(self._current[0], now - self._current[1])] if self._current else ())]

    def _append(self, amount: Amount, lasted: float) -> None:
        self._total += lasted
        if self._spans and self._spans[-1][0] == amount:
            lasted += self._spans.pop()[1]
        self._spans.append((amount, lasted))
        while self._total > self._seconds:
            oldest, duration = self._spans.popleft()
            excess = self._total - self._seconds
            self._total -= duration
            if duration > excess:
                self._spans.appendleft((oldest, duration - excess))
                self._total += duration - excess
        if len(self._spans) > LEVELS_KEPT:
            one, other = self._spans.popleft(), self._spans.popleft()
            self._spans.appendleft((max(one, other, key=lambda span: span[1])[0], one[1] + other[1]))


def _weighted_median(spans: list[tuple[float, float]]) -> float:
    """Return the level below which half of the time was spent; if it is exactly half, the mean of the two levels beside
    it.
    """
    spans.sort()
    half = sum(duration for _, duration in spans) / 2
    passed = 0.0
    for index, (level, duration) in enumerate(spans):
        passed += duration
        if passed > half:
            return level
        if passed == half:
            following = spans[index + 1][0] if index + 1 < len(spans) else level
            return (level + following) / 2
    return spans[-1][0]


class Level:
    """The usual level of one thing that is counted, and the level that may become usual."""

    def __init__(self) -> None:
        self._right = History(DAY_SECONDS)
        """The amounts while they were right; wrong amounts are not learned."""
        self._candidate: History | None = None

    def usual(self, now: float) -> Amount | None:
        """Return the higher of two medians of right amounts: of the last hour and of the last 24 hours."""
        hour, day = self._right.median(now, HOUR_SECONDS), self._right.median(now, DAY_SECONDS)
        if hour is None or day is None:
            return None
        return Amount(max(hour.routes, day.routes), max(hour.addresses, day.addresses))

    def right(self, amount: Amount, now: float) -> None:
        """Learn this amount as right from now on."""
        self._candidate = None
        self._right.learn(amount, now)

    def stop(self, now: float) -> None:
        """Learn nothing from now on: the right amount is not known, or does not count."""
        self._right.stop(now)
        if self._candidate is not None:
            self._candidate.stop(now)

    # A level that is too low, until it becomes usual -------------------------------------------------

    def too_low(self, amount: Amount, drop_percent: float, now: float) -> Amount:
        """Take in an amount that is too low; return the median of the level that it belongs to."""
        self._right.stop(now)
        candidate = self._candidate
        if candidate is not None:
            median = candidate.median(now, float("inf")) or amount
            if same_level(amount, median, drop_percent):
                return median
        self._candidate = History()
        return amount

    def go_on(self, amount: Amount, now: float) -> float:
        """Count time for the level that is too low; return how much has been counted."""
        assert self._candidate is not None
        self._candidate.learn(amount, now)
        return self._candidate.lasted(now)

    def lasted(self, now: float) -> float:
        """Return for how long the level that is too low has been counted."""
        return 0.0 if self._candidate is None else self._candidate.lasted(now)

    def becomes_usual(self, now: float) -> str:
        """Take the level that was too low for usual; return in words what was learned."""
        assert self._candidate is not None
        median = self._candidate.median(now, float("inf"))
        assert median is not None
        return self.accept(median, now)

    def accept(self, amount: Amount, now: float) -> str:
        """Take an amount for usual; return the change in words, empty if there is none."""
        before = self.usual(now)
        self._candidate = None
        self._right.restore([(*amount, DAY_SECONDS)])
        if before == amount:
            return ""
        was = "nothing" if before is None else f"{before.routes:g}"
        return f"{was} to {amount.routes:g}"

    # Going on elsewhere ------------------------------------------------------------------------------

    def copy(self) -> Level:
        other = Level()
        other._right = self._right.copy()
        other._candidate = None if self._candidate is None else self._candidate.copy()
        return other

    def memory(self, now: float) -> LevelMemory:
        candidate = () if self._candidate is None else self._candidate.spans(now)
        return LevelMemory(self._right.spans(now), candidate)

    def restore(self, memory: LevelMemory) -> None:
        self._right.restore(memory.usual)
        if memory.candidate:
            self._candidate = History()
            self._candidate.restore(memory.candidate)


def same_level(amount: Amount, median: Amount, drop_percent: float) -> bool:
    """Return whether an amount is within ``drop_percent`` of a median, in routes or in addresses."""
    return any(
        abs(one - other) <= other * drop_percent / 100 for one, other in zip(amount, median, strict=True)
    )
