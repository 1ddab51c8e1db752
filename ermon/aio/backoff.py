"""How long to wait before the next attempt."""

from __future__ import annotations

import random

JITTER = 0.2
"""Waits are shortened at random by up to this share, so that many ermons do not return to one receiver at once."""

_DOUBLINGS = 30
"""More than any wait needs; without a limit the number would overflow."""


class Backoff:
    """Waits that double with each failure, from ``first`` to ``longest``; both are seconds."""

    def __init__(self, first: float, longest: float) -> None:
        self._first, self._longest = first, longest
        self._failures = 0

    def wait(self) -> float:
        """Return for how many seconds to wait after one more failure."""
        wait = min(self._longest, self._first * 2.0**self._failures)
        self._failures = min(self._failures + 1, _DOUBLINGS)
        return wait * (1 - JITTER * random.random())  # noqa: S311  # nothing secret about it

    def reset(self) -> None:
        """Start again with the first wait, after a success."""
        self._failures = 0
