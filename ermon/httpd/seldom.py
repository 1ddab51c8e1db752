"""Lines of the log that a stranger can cause: one in a while, with how many it stands for. Nobody fills the disk."""

from __future__ import annotations

from time import monotonic

import structlog

SECONDS = 60.0
"""One line in this time, for each kind of them."""


class Seldom:
    """Logs one kind of event, the first time at once."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._count = 0
        self._latest: dict[str, object] = {}
        self._next_at = float("-inf")

    def tell(self, **values: object) -> None:
        """Take note of one, and log it if it is time to."""
        self._count += 1
        self._latest = values
        self.catch_up()

    def catch_up(self) -> None:
        """Log those that are not logged yet, if it is time to: the latest of them, and how many there were."""
        now = monotonic()
        if self._count and now >= self._next_at:
            self._next_at = now + SECONDS
            structlog.get_logger().warning(self._event, **self._latest, count=self._count)
            self._count = 0
