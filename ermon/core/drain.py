"""Whether Microsoft drains a link: latched, since a drained link falls silent before its work begins."""

from __future__ import annotations


class DrainLatch:
    """A link drains while its paths say so. When it falls silent it still does, until it brings undrained
    paths again, or until ``max_drain`` after the drain began; times are seconds since the epoch.
    """

    def __init__(self) -> None:
        self.since: float | None = None
        """When the drain began; stands until undrained paths end it."""
        self._marked = False
        self.told = False
        """Whether it drains, as it was last told to the world."""

    def copy(self) -> DrainLatch:
        """Return the latch as it is now: it may move, and this stays."""
        other = DrainLatch()
        other.since, other._marked, other.told = self.since, self._marked, self.told
        return other

    def observe(self, *, paths: int, marked: int, percent: float, now: float) -> None:
        """Take in how many paths the link brings, and how many of them are marked as being drained."""
        self._marked = marked * 100 > paths * percent
        if self._marked:
            self.since = now if self.since is None else self.since
        elif paths:
            self.since = None

    def ends_at(self, max_drain: float) -> float | None:
        """Return until when silence is taken for the drain's, ``None`` where there is no drain."""
        return None if self.since is None else round(self.since + max_drain, 6)

    def draining(self, now: float, max_drain: float) -> bool:
        ends = self.ends_at(max_drain)
        return self._marked or (ends is not None and now < ends)
