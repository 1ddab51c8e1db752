"""Limits the number of connections, per party and in total, and decides which one is closed for a new one.

A party with many connections cannot shut others out: a new connection replaces an idle one of the party that has the
most. Connections of proven callers are kept. Without users, a scraper that lost an idle connection opens another one,
and is accepted again. The state of the socket shows whether a connection has ended, so the count is always right.
"""

from __future__ import annotations

import asyncio
import resource
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ermon.httpd.protocol import Connection
from ermon.httpd.shell import is_of_this_machine

MAX_CONNECTIONS = 384
"""The limit for all parties except this machine. With this machine's, half of the usual 1024 descriptors: the rest is
for ExaBGP's channels, files and receivers.
"""
MAX_CONNECTIONS_PER_CLIENT = 128
"""The limit for one party, which may be a proxy: all event streams, and some requests."""
DESCRIPTORS_SHARE = 3
"""With fewer descriptors, other parties' connections get a third, and this machine's get less."""


@dataclass(slots=True, eq=False)
class Guest:
    """One connection and its party."""

    socket: socket.socket
    party: str
    protocol: Connection
    transport: asyncio.Transport | None = None
    """Set after the TLS handshake, if there is one."""
    greeting: asyncio.Task[None] | None = None
    """The task that does the TLS handshake and creates the transport."""
    greeted: bool = False
    """That task has started: from then on asyncio closes the socket."""
    _put_out: bool = False

    @property
    def ended(self) -> bool:
        return self._put_out or self.socket.fileno() < 0

    def put_out(self) -> None:
        """Close it now."""
        self._put_out = True
        if self.transport is not None:
            self.transport.abort()
        elif self.greeting is not None:
            self.greeting.cancel()


@dataclass(slots=True)
class Limits:
    of_others: int
    """The limit for all parties except this machine."""
    of_one: int


def limits() -> Limits:
    """Return the limits of connections that fit the descriptors of this process."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    share = MAX_CONNECTIONS if descriptors < 0 else max(1, descriptors // DESCRIPTORS_SHARE)
    of_others = min(MAX_CONNECTIONS, share)
    return Limits(of_others, min(MAX_CONNECTIONS_PER_CLIENT, max(1, of_others // 3)))


@dataclass(slots=True)
class Places:
    """The accepted connections."""

    _limits: Limits = field(default_factory=limits)
    _guests: dict[str, list[Guest]] = field(default_factory=dict)

    def admit(self, newcomer: Guest) -> bool:
        """Give a connection a place, if necessary that of another one; ``False``: there is none."""
        mine = [each for each in self._guests.get(newcomer.party, ()) if not each.ended]
        self._guests[newcomer.party] = mine
        if len(mine) >= self._limits.of_one:
            return self._instead(newcomer, mine)
        if not is_of_this_machine(newcomer.party):
            others = [each for each in self._open() if not is_of_this_machine(each.party)]
            if len(others) >= self._limits.of_others:
                return self._instead(newcomer, others)
        mine.append(newcomer)
        return True

    def _instead(self, newcomer: Guest, among: list[Guest]) -> bool:
        """Close one of these connections for a new one."""
        holds = Counter(each.party for each in among)
        mine = holds[newcomer.party]

        def may_go(guest: Guest) -> bool:
            # A connection with a pending request is closed only for a party that has fewer connections.
            fair = holds[guest.party] > mine + 1
            return not guest.protocol.proven and (fair or not guest.protocol.busy)

        victim = min(
            filter(may_go, among),
            key=lambda each: (-holds[each.party], each.protocol.busy, each.protocol.idle_since),
            default=None,
        )
        if victim is None:
            return False
        victim.put_out()
        self._guests[newcomer.party].append(newcomer)
        return True

    def _open(self) -> Iterator[Guest]:
        for guests in self._guests.values():
            yield from (each for each in guests if not each.ended)

    def tidy(self) -> None:
        """Remove ended connections, and close those that send no request in time."""
        for guest in self._open():
            if guest.protocol.late and guest.transport is not None:
                guest.put_out()
        found: dict[str, list[Guest]] = {}
        for guest in self._open():
            found.setdefault(guest.party, []).append(guest)
        self._guests = found
