"""Who has a place, and who loses theirs when there are no more: so many for each party, so many for all.

Nobody is shut out by those who hold many: a newcomer takes the place of a connection that does nothing, of the party
that has the most of them. Who has proven who they are keeps their place; where nobody has to, a scraper that lost an
idle connection opens another one, and gets in again. The socket shows whether a connection has ended: nothing is
counted that could be counted wrongly.
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
"""Of all parties but this machine. With its own, half of the 1024 descriptors that are usual: the rest is for ExaBGP's
channels, files and receivers.
"""
MAX_CONNECTIONS_PER_CLIENT = 128
"""Of one party, which may be a proxy: all event streams, and requests besides."""
DESCRIPTORS_SHARE = 3
"""Where fewer descriptors are to be had, other parties' connections take a third, and this machine's less."""


@dataclass(slots=True, eq=False)
class Guest:
    """One connection, and whose it is."""

    socket: socket.socket
    party: str
    protocol: Connection
    transport: asyncio.Transport | None = None
    """Once TLS, if any, is agreed upon."""
    greeting: asyncio.Task[None] | None = None
    """What agrees upon TLS, and makes the transport."""
    greeted: bool = False
    """That has begun: asyncio closes the socket from then on."""
    _put_out: bool = False

    @property
    def ended(self) -> bool:
        return self._put_out or self.socket.fileno() < 0

    def put_out(self) -> None:
        """End it now."""
        self._put_out = True
        if self.transport is not None:
            self.transport.abort()
        elif self.greeting is not None:
            self.greeting.cancel()


@dataclass(slots=True)
class Limits:
    of_others: int
    """Of all parties but this machine."""
    of_one: int


def limits() -> Limits:
    """How many connections there may be, within what this process may open."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    share = MAX_CONNECTIONS if descriptors < 0 else max(1, descriptors // DESCRIPTORS_SHARE)
    of_others = min(MAX_CONNECTIONS, share)
    return Limits(of_others, min(MAX_CONNECTIONS_PER_CLIENT, max(1, of_others // 3)))


@dataclass(slots=True)
class Places:
    """Those who are in."""

    _limits: Limits = field(default_factory=limits)
    _guests: dict[str, list[Guest]] = field(default_factory=dict)

    def admit(self, newcomer: Guest) -> bool:
        """Give it a place, if need be that of another; ``False``: there is none."""
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
        """Give a newcomer the place of one of these."""
        holds = Counter(each.party for each in among)
        mine = holds[newcomer.party]

        def may_go(guest: Guest) -> bool:
            # A pending request ends only for a client that has fewer.
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
        """Forget those who have left, and put out those who do not come to say what they want."""
        for guest in self._open():
            if guest.protocol.late and guest.transport is not None:
                guest.put_out()
        found: dict[str, list[Guest]] = {}
        for guest in self._open():
            found.setdefault(guest.party, []).append(guest)
        self._guests = found
