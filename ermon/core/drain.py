"""Whether Microsoft drains a link in a family, compared with what is usual on that link.

Before Microsoft works on a link, it prepends its ASN there, so that traffic moves to the other link. Then the link
falls silent, and the drain goes on until its routes are back. Some links carry prepends permanently, because of an
inbound policy of your own or of Global Reach; these are no drain.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

LOWER_SECONDS = 600.0
"""A lower number of 12076 at the head becomes the usual one after this time: ermon was started during a drain, which is
over.
"""
BEFORE_SECONDS = 60.0
"""The paths that a link had in this time before its drain count as those before it: they may go one by one."""

_PRECISION_SECONDS = 1e-6
"""The precision to which times since the epoch are rounded."""

Marks = tuple[int, bool]
"""The marks of a path: how often 12076 is repeated at its head, and whether it carries GRACEFUL_SHUTDOWN (RFC 8326)."""


class PathMarks:
    """The paths of a link and family on the feeds in sync, counted by their marks."""

    def __init__(self, by_feed: Iterable[Counter[Marks]]) -> None:
        self._by_feed = [marks for marks in by_feed if marks.total()]
        self._together = sum(self._by_feed, Counter[Marks]())
        self.count = self._together.total()
        self.most = max((marks.total() for marks in self._by_feed), default=0)
        """The number of paths on the feed that shows the most: two feeds of a router show the same paths."""

    @property
    def run(self) -> int | None:
        """How often 12076 is repeated at the head of more than half of the paths; ``None`` if there is no path."""
        reached = 0
        for run, count in sorted(self._runs().items(), reverse=True):
            reached += count
            if reached * 2 > self.count:
                return run
        return None

    def marked(self, threshold: int) -> int:
        """Count the paths that are marked as drained: at least ``threshold`` 12076 at the head, or
        GRACEFUL_SHUTDOWN.
        """
        return _marked(self._together, threshold)

    def plain(self, threshold: int) -> int:
        """Count the paths that are not marked, on the feed that shows the most of them."""
        return max((marks.total() - _marked(marks, threshold) for marks in self._by_feed), default=0)

    def _runs(self) -> Counter[int]:
        runs: Counter[int] = Counter()
        for (run, _), count in self._together.items():
            runs[run] += count
        return runs


def _marked(marks: Counter[Marks], threshold: int) -> int:
    return sum(count for (run, shut), count in marks.items() if shut or run >= threshold)


class DrainMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What must outlive ermon. Recordings and the store keep it, so its fields are a file format."""

    since: float | None = None
    """When the drain began, in seconds since the epoch."""
    before: int = 0
    """The number of paths that the link had before its drain."""
    guessed: bool = False
    """No path is known from before the drain: ``before`` is the most that the link has had since."""
    paths: tuple[float, int] = (0.0, 0)
    """The number of paths and since when there are so many; during a drain, the last values before it."""
    recent: tuple[tuple[float, int], ...] = ()
    """Higher numbers of paths in the last minute, and until when each was there."""
    usual: int | None = None
    """The usual number of 12076 in a row at the head."""
    other: int | None = None
    """Another number, which may become the usual one."""
    held: float = 0.0
    """For how many seconds ``other`` has lasted."""


class DrainRules(NamedTuple):
    """The limits from the configuration; times in seconds."""

    extra: int
    """A path with so many 12076 more than usual is marked."""
    percent: float
    """A link is drained if more than this share of its paths is marked."""
    relearn_after: float


class LinkDrain:
    """A link and family: what is usual there, and whether it is drained. Times are seconds since the epoch.

    A drain begins when more than ``percent`` of the paths are marked. It goes on when the link falls silent. It ends
    when the paths without a mark are again more than half of those that the link had before.
    """

    def __init__(self) -> None:
        self.since: float | None = None
        """When the drain began, ``None`` if there is none."""
        self.marked = False
        """Whether enough paths are marked at present."""
        self.usual: int | None = None
        """The usual number of 12076 in a row at the head; ``None`` if no table has been seen yet."""
        self.told = False
        """Whether it drains, as last reported."""
        self._other: int | None = None
        self._held = 0.0
        self._holds_since: float | None = None
        self._run: int | None = None
        self._before = 0
        self._guessed = False
        self._recent: deque[tuple[float, int]] = deque()
        """Earlier counts of paths in falling order, and until when each was there."""
        self._now = (0.0, 0)
        """Since when there are how many paths."""

    # What is seen ------------------------------------------------------------------------------------

    def observe(self, paths: PathMarks, rules: DrainRules, now: float) -> None:
        """Take in the paths as they are now."""
        self._learn(paths.run, rules, now)
        threshold = (self.usual or 0) + rules.extra
        self.marked = paths.marked(threshold) * 100 > paths.count * rules.percent
        if self.since is not None:
            if self._guessed:
                self._before = max(self._before, paths.most)
            if not self.marked and paths.plain(threshold) * 2 > self._before:
                self.since = None
                self._recent.clear()
                self._now = (now, 0)
        elif self.marked:
            self.since = now
            self._before = self._most_of_late(now)
            self._guessed = not self._before
        if self.since is None:
            self._count(paths.most, now)

    def _learn(self, run: int | None, rules: DrainRules, now: float) -> None:
        """Make another number the usual one when it has lasted for long enough; time in which the link is not seen does
        not count.
        """
        self._pause(now)
        self._run = run
        if run is None:
            return
        if self.usual is None or run == self.usual:
            self.usual, self._other, self._held = run, None, 0.0
            return
        if run != self._other:
            self._other, self._held = run, 0.0
        self._holds_since = now
        if self._held + _PRECISION_SECONDS >= self._needs(rules):
            self.accept()

    def accept(self) -> None:
        """Take the present number of 12076 at the head for the usual one."""
        if self._run is not None:
            self.usual, self._other, self._held, self._holds_since = self._run, None, 0.0, None

    def _pause(self, now: float) -> None:
        if self._holds_since is not None:
            self._held = round(self._held + now - self._holds_since, 6)
            self._holds_since = None

    def _needs(self, rules: DrainRules) -> float:
        lower = self._other is not None and self.usual is not None and self._other < self.usual
        return LOWER_SECONDS if lower else rules.relearn_after

    def _count(self, paths: int, now: float) -> None:
        """Remember how many paths there are now, and how many there were in the last minute."""
        _, before = self._now
        if paths == before:
            return
        recent = self._recent
        while recent and recent[-1][1] <= before:
            recent.pop()
        if before:
            recent.append((now, before))
        while recent and recent[0][0] < now - BEFORE_SECONDS:
            recent.popleft()
        self._now = (now, paths)

    def _most_of_late(self, now: float) -> int:
        """Return the most paths of the last minute; for a link without paths, of the last minute in which it had
        some.
        """
        since, paths = self._now
        horizon = (now if paths else since) - BEFORE_SECONDS
        return max((paths, *(count for until, count in self._recent if until >= horizon)))

    # What is known -----------------------------------------------------------------------------------

    def learns_at(self, rules: DrainRules) -> float | None:
        """Return when another number becomes the usual one if nothing changes; ``None`` if there is no other number."""
        if self._holds_since is None:
            return None
        return round(self._holds_since + self._needs(rules) - self._held, 6)

    def overdue_at(self, max_drain: float) -> float | None:
        """Return from when on the drain is longer than ``max_drain``, ``None`` if there is no drain."""
        return None if self.since is None else round(self.since + max_drain, 6)

    def overdue(self, now: float, max_drain: float) -> bool:
        ends = self.overdue_at(max_drain)
        return ends is not None and now >= ends

    def shown(self, now: float, max_drain: float) -> bool:
        """Return whether the link is shown as draining. A link that has been silent for longer than ``max_drain`` is
        not.
        """
        return self.marked or (self.since is not None and not self.overdue(now, max_drain))

    # Going on ----------------------------------------------------------------------------------------

    def memory(self, now: float) -> DrainMemory:
        held = self._held if self._holds_since is None else round(self._held + now - self._holds_since, 6)
        drained = self.since is not None
        return DrainMemory(
            since=self.since,
            before=self._before if drained else 0,
            guessed=self._guessed and drained,
            paths=self._now,
            recent=tuple(self._recent),
            usual=self.usual,
            other=self._other,
            held=held,
        )

    def to_keep(self, now: float, wall: Callable[[float], float]) -> DrainMemory:
        """Return the same for another run of ermon, with times by the wall clock; the most paths of the last minute
        count as present.
        """
        memory = self.memory(now)
        since = None if memory.since is None else wall(memory.since)
        most = (wall(now), self._most_of_late(now))
        return msgspec.structs.replace(memory, since=since, paths=most if most[1] else (0.0, 0), recent=())

    def take_over(self, other: LinkDrain, now: float) -> None:
        """Go on from what was known under another configuration; ``other`` may still be read."""
        self.restore(other.memory(now))
        self.marked, self.told = other.marked, other.told

    def restore(self, memory: DrainMemory) -> None:
        """Go on from what an earlier instance knew."""
        self.since, self.usual = memory.since, memory.usual
        self._other, self._held = memory.other, memory.held
        self._before, self._guessed = memory.before, memory.guessed or memory.before == 0
        self._now, self._recent = memory.paths, deque(memory.recent)
