"""Lines of the log that others can cause without end: some in a while, and nobody fills the disk."""

from __future__ import annotations

import math
from collections.abc import Hashable


class Sparing:
    """Lets one line of each kind pass in ``seconds``, and of all kinds ``most`` at most."""

    def __init__(self, seconds: float, most: float = math.inf) -> None:
        self._seconds = seconds
        self._most = most
        self._passed: dict[Hashable, float] = {}
        """Which kinds, and when."""

    def passes(self, kind: Hashable, now: float) -> bool:
        """Return whether a line may be written now, which then counts."""
        self._passed = {each: at for each, at in self._passed.items() if now - at < self._seconds}
        if kind in self._passed or len(self._passed) >= self._most:
            return False
        self._passed[kind] = now
        return True
