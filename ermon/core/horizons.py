"""Up to when everything has been received: from each ExaBGP process, and from ermon itself.

Every ExaBGP process has a reader of its own. After a standstill, or while one of them sends a full table, one is read
up to now and another is still behind: what it said long ago is yet to come. So time is not one number. A line belongs
to its own time, and a timer waits for those who could still say something about what it is for, and for nobody else.

Where everything comes in one stream that is in order, as plain lines of ExaBGP do, each line lets time pass for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ermon.model.inventory import EDGES

Owner = frozenset[str]
"""The ExaBGP processes that what a timer is for is judged by; without any, it is ermon's own."""

OWN: Owner = frozenset()
OF_LINKS: Owner = frozenset((EDGES,))
"""Of links: edge tables and mirrors, which tell of them, share a process."""

_ALWAYS = float("inf")


class Horizons:
    """Times are seconds since the epoch."""

    def __init__(self, now: float) -> None:
        self.clock = now
        """ermon's own time."""
        self.together = True
        """The input is one ordered stream: with each line, everything before it has been received."""
        self._delivered: dict[str, float] = {}
        """By process: the time up to which it has delivered everything; infinite for a dead one."""

    # Passing -----------------------------------------------------------------------------------------

    def await_all(self, processes: Iterable[str]) -> None:
        """Wait for these from now on: they have been started, and their lines may arrive late."""
        for process in processes:
            self._delivered.setdefault(process, self.clock)

    def pass_clock(self, now: float) -> None:
        self.clock = max(self.clock, now)

    def deliver(self, process: str, until: float) -> float:
        """Note that everything that a process sent until then has been received; return that time."""
        self.pass_clock(until)
        before = self._delivered.get(process, until)
        until = self._delivered[process] = until if before == _ALWAYS else max(until, before)
        return until

    def declare_dead(self, process: str) -> None:
        """Wait for a process no longer: it has ended, and all its lines have been received."""
        self._delivered[process] = _ALWAYS

    # Asking ------------------------------------------------------------------------------------------

    def until(self, owner: Owner) -> float:
        """Return the time up to which timers of ``owner`` may fire."""
        if self.together:
            return _ALWAYS
        until, delivered = self.clock, self._delivered
        for process in owner:
            if process in delivered and delivered[process] < until:
                until = delivered[process]
        return until

    def behind(self, owner: Owner, due: float) -> Iterable[str]:
        """Return the processes that must say more before a timer of ``owner`` may fire that is due then."""
        if self.together:
            return ()
        return [process for process in owner if self._delivered.get(process, due) < due]

    def now(self, owner: Owner) -> float:
        """Return what time it is for what is judged by ``owner``."""
        return self.clock if self.together else self.until(owner)

    # Going on elsewhere ------------------------------------------------------------------------------

    def memory(self) -> dict[str, float]:
        """Return the processes that are not dead, and up to when each has said everything."""
        return {process: until for process, until in self._delivered.items() if until != _ALWAYS}

    def restore(self, memory: Mapping[str, float], processes: Iterable[str]) -> None:
        """Go on from what an earlier instance remembered, with these processes."""
        self.together = False
        self._delivered = {process: memory.get(process, _ALWAYS) for process in processes}

    def go_on_from(self, other: Horizons, processes: Iterable[str]) -> None:
        """Go on under another configuration, which has these processes."""
        self.clock, self.together = other.clock, other.together
        self._delivered = {p: other._delivered[p] for p in processes if p in other._delivered}
        if not self.together:
            self.await_all(processes)
