"""How long to wait before the next attempt."""

from __future__ import annotations

import random

JITTER = 0.2
"""Waits are shorter by up to so much, at random: many ermons that lost one receiver come back one by one."""

_DOUBLINGS = 30
"""Beyond any wait: a number that grows without a limit would overflow."""


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
        """Begin anew, after a success."""
        self._failures = 0
