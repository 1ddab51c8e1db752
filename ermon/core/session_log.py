"""The history of a router's own session, as it reports it by BMP: each state with its reason, and when it began."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ermon.model.findings import LinkState

MAX_EVENTS = 200
"""For each session: of more, the oldest are forgotten. A session that flaps has a finding that says so."""

SessionEvent = tuple[float, LinkState, str]
"""When, by the wall clock; the state since then; why, perhaps empty."""


class SessionLog:
    """Remembers what a router has reported of a session."""

    def __init__(self) -> None:
        self._events: deque[SessionEvent] = deque(maxlen=MAX_EVENTS)

    def add(self, time: float, state: LinkState, reason: str) -> None:
        """Note what is reported at a time; if nothing else was reported before, nothing is noted."""
        if not self._events or self._events[-1][1:] != (state, reason):
            self._events.append((time, state, reason))

    def extend(self, events: Iterable[SessionEvent]) -> None:
        for event in events:
            self.add(*event)

    def move(self, seconds: float) -> None:
        """Move all times, because the clock was set."""
        moved = ((time + seconds, state, reason) for time, state, reason in self._events)
        self._events = deque(moved, MAX_EVENTS)

    def forget(self, before: float) -> None:
        while self._events and self._events[0][0] <= before:
            self._events.popleft()

    def between(self, start: float, end: float) -> tuple[SessionEvent, ...]:
        return tuple(event for event in self._events if start <= event[0] <= end)
