"""Limits log lines that other hosts can cause, so that they cannot fill the disk."""

from __future__ import annotations

import math
from collections.abc import Hashable


class Sparing:
    """Allows one line of each kind in ``seconds``, and at most ``most`` lines of all kinds."""

    def __init__(self, seconds: float, most: float = math.inf) -> None:
        self._seconds = seconds
        self._most = most
        self._passed: dict[Hashable, float] = {}
        """The time of the last line, by kind."""

    def passes(self, kind: Hashable, now: float) -> bool:
        """Return whether a line may be written now, and count it if so."""
        self._passed = {each: at for each, at in self._passed.items() if now - at < self._seconds}
        if kind in self._passed or len(self._passed) >= self._most:
            return False
        self._passed[kind] = now
        return True
