"""Log lines that a stranger can cause: few lines, each with the number of events. So they cannot fill the disk."""

from __future__ import annotations

from time import monotonic

import structlog

SECONDS = 60.0
"""The interval of lines, for each kind of event."""


class Seldom:
    """Logs one kind of event, the first time at once."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._count = 0
        self._latest: dict[str, object] = {}
        self._next_at = float("-inf")

    def tell(self, **values: object) -> None:
        """Count an event, and log it if a line is due."""
        self._count += 1
        self._latest = values
        self.catch_up()

    def catch_up(self) -> None:
        """Log the latest unlogged event and the number of events, if a line is due."""
        now = monotonic()
        if self._count and now >= self._next_at:
            self._next_at = now + SECONDS
            structlog.get_logger().warning(self._event, **self._latest, count=self._count)
            self._count = 0
