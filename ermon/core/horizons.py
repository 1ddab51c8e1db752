"""Up to which time everything has been received: from each ExaBGP process, and from ermon itself.

Every ExaBGP process has a reader of its own. After a standstill, or while one of them sends a full table, one process
may be read up to now while another is behind, and its earlier lines are still to come. So there is not one time for
all. A line is applied at its own time. A timer waits for the processes that may still report something about its
subject, and for no others.

If the input is one ordered stream, as plain lines of ExaBGP are, each line lets time pass for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ermon.model.inventory import EDGES, Config

Owner = frozenset[str]
"""The ExaBGP processes that a timer's subject depends on; empty for timers of ermon itself."""

OWN: Owner = frozenset()


def of_links(config: Config) -> Owner:
    """Return the owner of timers of links: edge tables and mirrors share one process, and each BMP connection reports on links."""
    return frozenset((EDGES, *config.connections))


_ALWAYS = float("inf")


class Horizons:
    """The time up to which each process has reported everything. Times are seconds since the epoch."""

    def __init__(self, now: float) -> None:
        self.clock = now
        """The time of ermon itself."""
        self.together = True
        """Whether the input is one ordered stream, in which each line means that everything before it has been
        received.
        """
        self._delivered: dict[str, float] = {}
        """By process: the time up to which it has delivered everything; infinite if it is dead."""

    # Passing -----------------------------------------------------------------------------------------

    def await_all(self, processes: Iterable[str]) -> None:
        """Wait for these processes from now on: they have been started, and their lines may arrive late."""
        for process in processes:
            self._delivered.setdefault(process, self.clock)

    def pass_clock(self, now: float) -> None:
        self.clock = max(self.clock, now)

    def deliver(self, process: str, until: float) -> float:
        """Note that everything that a process sent until ``until`` has been received; return that time."""
        self.pass_clock(until)
        before = self._delivered.get(process, until)
        until = self._delivered[process] = until if before == _ALWAYS else max(until, before)
        return until

    def declare_dead(self, process: str) -> None:
        """Stop waiting for a process: it has ended, and all its lines have been received."""
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
        """Return the processes that must report more before a timer of ``owner`` may fire that is due at ``due``."""
        if self.together:
            return ()
        return [process for process in owner if self._delivered.get(process, due) < due]

    def now(self, owner: Owner) -> float:
        """Return the present time for subjects that depend on ``owner``."""
        return self.clock if self.together else self.until(owner)

    # Going on elsewhere ------------------------------------------------------------------------------

    def memory(self) -> dict[str, float]:
        """Return, for each process that is not dead, the time up to which it has reported everything."""
        return {process: until for process, until in self._delivered.items() if until != _ALWAYS}

    def restore(self, memory: Mapping[str, float], processes: Iterable[str]) -> None:
        """Go on from the ``memory`` of an earlier instance, with these processes."""
        self.together = False
        self._delivered = {process: memory.get(process, _ALWAYS) for process in processes}

    def go_on_from(self, other: Horizons, processes: Iterable[str]) -> None:
        """Go on from an instance of an earlier configuration, with the processes of the new one."""
        self.clock, self.together = other.clock, other.together
        self._delivered = {p: other._delivered[p] for p in processes if p in other._delivered}
        if not self.together:
            self.await_all(processes)
