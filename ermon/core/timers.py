"""Deadlines as data: the core never sleeps, it only says when it has to be called again."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterator
from itertools import count
from typing import Generic, TypeVar

import msgspec

from ermon.core.horizons import Horizons, Owner
from ermon.model.inventory import LinkKey
from ermon.model.prefixes import Family

K = TypeVar("K", bound=Hashable)


class Timers(Generic[K]):
    """At most one deadline for each key, in seconds; the earliest first, equal ones in the order in which they were
    set.
    """

    def __init__(self, sequence: Iterator[int] | None = None) -> None:
        """``sequence`` numbers the deadlines in the order in which they are set."""
        self._due: dict[K, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._sequence = count() if sequence is None else sequence

    def set(self, key: K, due: float) -> None:
        # Rounded as every event's time is, so that a line and a timer at the same instant compare equal.
        entry = (round(due, 6), next(self._sequence))
        self._due[key] = entry
        heapq.heappush(self._heap, (*entry, key))

    def cancel(self, key: K) -> None:
        self._due.pop(key, None)

    def due(self, key: K) -> float | None:
        entry = self._due.get(key)
        return entry[0] if entry is not None else None

    def next(self) -> float | None:
        """Return the earliest deadline."""
        first = self.first()
        return None if first is None else first[0]

    def first(self) -> tuple[float, int] | None:
        """Return the earliest deadline, and its number."""
        while self._heap:
            due, sequence, key = self._heap[0]
            if self._due.get(key) == (due, sequence):
                return due, sequence
            heapq.heappop(self._heap)
        return None

    def pop(self, now: float) -> K | None:
        """Remove and return a key whose deadline has come."""
        due = self.next()
        if due is None or due > now:
            return None
        key = heapq.heappop(self._heap)[2]
        del self._due[key]
        return key


class OwnedTimers(Generic[K]):
    """The same for keys that depend on different ExaBGP processes: a deadline waits for the processes of its own
    key.
    """

    def __init__(self, owner: Callable[[K], Owner], horizons: Horizons) -> None:
        """``owner`` must return the same for a key each time."""
        self._owner = owner
        self._horizons = horizons
        self._sequence = count()
        self._of: dict[Owner, Timers[K]] = {}

    def set(self, key: K, due: float) -> None:
        owner = self._owner(key)
        timers = self._of.get(owner)
        if timers is None:
            timers = self._of[owner] = Timers(self._sequence)
        timers.set(key, due)

    def cancel(self, key: K) -> None:
        if timers := self._of.get(self._owner(key)):
            timers.cancel(key)

    def due(self, key: K) -> float | None:
        timers = self._of.get(self._owner(key))
        return None if timers is None else timers.due(key)

    def next(self) -> float | None:
        """Return the earliest deadline of any owner."""
        return min((due for _, due in self._firsts()), default=None)

    def ripe(self) -> float | None:
        """Return the earliest deadline that waits for no process."""
        found = None  # no generator, because this runs before every line is applied
        for owner, timers in self._of.items():
            first = timers.first()
            if first is None or (found is not None and first[0] >= found):
                continue
            if first[0] <= self._horizons.until(owner):
                found = first[0]
        return found

    def wake_at(self) -> float | None:
        """Return when to look again if nothing arrives. Deadlines that only wait for a process are left out."""
        until, clock = self._horizons.until, self._horizons.clock
        dues = (due for owner, due in self._firsts() if due > clock or due <= until(owner))
        return min(dues, default=None)

    def awaited(self) -> frozenset[str]:
        """Return the processes that must report more before a deadline may fire that is due by the time of ermon
        itself.
        """
        horizons = self._horizons
        overdue = (first for first in self._firsts() if first[1] <= horizons.clock)
        return frozenset(process for owner, due in overdue for process in horizons.behind(owner, due))

    def pop(self, now: float) -> K | None:
        """Remove and return a key whose deadline has come and that waits for no process."""
        found: tuple[tuple[float, int], Timers[K]] | None = None
        for owner, timers in self._of.items():
            first = timers.first()
            if first is None or first[0] > now or first[0] > self._horizons.until(owner):
                continue
            if found is None or first < found[0]:
                found = first, timers
        return None if found is None else found[1].pop(now)

    def _firsts(self) -> Iterator[tuple[Owner, float]]:
        for owner, timers in self._of.items():
            if (due := timers.next()) is not None:
                yield owner, due


class SyncDue(msgspec.Struct, frozen=True):
    """The first dump of a family may be over."""

    feed: str
    family: Family


class RefreshOverdue(msgspec.Struct, frozen=True):
    """A router that began to send everything again has not marked the end."""

    feed: str
    family: Family


class AskedOver(msgspec.Struct, frozen=True):
    """A request for routes may be answered completely."""

    feed: str
    family: Family


class EndOfRibOverdue(msgspec.Struct, frozen=True):
    """End-of-RIB should have come on a feed by now."""

    feed: str


class ResendDue(msgspec.Struct, frozen=True):
    """A feed that lost messages may be asked again to send everything."""

    feed: str


class OverflowEnds(msgspec.Struct, frozen=True):
    """A feed that had more routes than allowed may come up again."""

    feed: str


class FeedFlapsEnd(msgspec.Struct, frozen=True):
    """The session of a feed was lost no more often recently than its limit."""

    feed: str


class ProcessSettles(msgspec.Struct, frozen=True):
    """An ExaBGP process that ended again and again has run for long enough."""

    process: str


class StrangersGone(msgspec.Struct, frozen=True):
    """An unknown router that connected to an address of ermon has not come back."""

    local: str


class ReconnectOverdue(msgspec.Struct, frozen=True):
    """A router has had its time to connect again after a start of ExaBGP."""

    feed: str


class LinkStateOverdue(msgspec.Struct, frozen=True):
    """The state of a link has been waited for long enough after a start."""

    link: LinkKey
    family: Family


class LinkFlapsEnd(msgspec.Struct, frozen=True):
    """A link has changed no more often recently than its limit."""

    link: LinkKey
    family: Family


class FirstDumpsEnd(msgspec.Struct, frozen=True):
    """The first dumps of a circuit's feeds are no longer waited for."""

    circuit: str
    family: Family


class FailoverGraceEnds(msgspec.Struct, frozen=True):
    """A link has been up for long enough: its failover pools have no reason to be on the internet any more."""

    link: LinkKey
    family: Family


class DrainOverdue(msgspec.Struct, frozen=True):
    """A drain has lasted for longer than ``policy.max_drain``."""

    link: LinkKey
    family: Family


class RunLearnt(msgspec.Struct, frozen=True):
    """Another number of 12076 at the head of a link's paths may have become the usual one."""

    link: LinkKey
    family: Family


class OwnershipAges(msgspec.Struct, frozen=True):
    """What a source of VRPs or route objects said no longer counts, or one of its VRPs ends."""

    source: str


class ChurnEnds(msgspec.Struct, frozen=True):
    """The route changes of a link on a feed are back within their limit."""

    feed: str
    link: LinkKey


class AzureTablesOutdated(msgspec.Struct, frozen=True):
    """What was read last of the tables of Microsoft's edge router no longer counts."""

    link: LinkKey


class AzureTablesOverdue(msgspec.Struct, frozen=True):
    """Those tables could not be read for so long that it is reported."""

    link: LinkKey


class AzureOutdated(msgspec.Struct, frozen=True):
    """The last reading of Azure's view of a circuit is too old to count."""

    circuit: str


class AzureOverdue(msgspec.Struct, frozen=True):
    """Azure's view of a circuit could not be read for so long that it is reported."""

    circuit: str


Timer = (
    FirstDumpsEnd
    | SyncDue
    | AskedOver
    | EndOfRibOverdue
    | ResendDue
    | OverflowEnds
    | RefreshOverdue
    | FeedFlapsEnd
    | ProcessSettles
    | StrangersGone
    | LinkStateOverdue
    | ReconnectOverdue
    | LinkFlapsEnd
    | FailoverGraceEnds
    | DrainOverdue
    | RunLearnt
    | ChurnEnds
    | AzureTablesOutdated
    | AzureTablesOverdue
    | OwnershipAges
    | AzureOutdated
    | AzureOverdue
)
"""All timers of the reactor. The union is closed: a timer without a branch is a type error."""
