"""How many peers of RIPE's collectors have a route to a prefix, on a feed that they carry.

A prefix counts as heard once enough of them have it. Some keep a route for days after it was withdrawn everywhere: "BGP zombies"
(Fontugne et al., PAM 2019). So it is remembered how many had it at most, and whether fewer than half of them are left.

House rules: nothing here waits, logs or reads a clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from ermon.core.rib import RouteChange
from ermon.model.prefixes import Prefix, PrefixIndex
from ermon.model.routes import Route


class PeersMemory(msgspec.Struct, omit_defaults=True):
    """How many ASNs' peers have had a prefix since it counts as heard. A file format."""

    most: int = 0
    least: int | None = None
    """The fewest since less than half of ``most`` had it; ``None``: half of them always had it."""


class Hearing:
    """The prefixes of one feed, and the peers that have them."""

    def __init__(self, min_peers: int) -> None:
        self.min_peers = min_peers
        self._peers: dict[Prefix, Counter[int]] = {}
        """By prefix: the ASNs of its peers, with the number of their routes."""
        self._heard: PrefixIndex[bool] = PrefixIndex()
        """The prefixes that count as heard."""
        self._touched: set[Prefix] = set()
        self._memory: dict[Prefix, PeersMemory] = {}

    def peers(self, prefix: Prefix) -> int:
        """Return how many ASNs' peers have a route to exactly this prefix."""
        return len(self._peers.get(prefix, ()))

    def is_heard(self, prefix: Prefix) -> bool:
        return prefix in self._heard

    def covers(self, prefix: Prefix) -> bool:
        """Return whether prefixes that count as heard cover every address of a prefix."""
        return self._heard.covers(prefix)

    def changed(self, change: RouteChange) -> None:
        """Count a change of the Adj-RIB-In."""
        prefix = change.key[0]
        peers = self._peers.setdefault(prefix, Counter())
        if change.new is not None:
            peers[_peer(change.new)] += 1
        if change.old is not None:
            asn = _peer(change.old)
            peers[asn] -= 1
            if not peers[asn]:
                del peers[asn]
        if not peers:
            del self._peers[prefix]
        if self.peers(prefix) >= self.min_peers:
            self._heard[prefix] = True
        elif prefix in self._heard:
            del self._heard[prefix]
        self._touched.add(prefix)

    # Memory ------------------------------------------------------------------------------------------

    def memory(self, prefix: Prefix) -> PeersMemory:
        return self._memory.get(prefix) or PeersMemory()

    def is_stuck(self, prefix: Prefix) -> bool:
        """Return whether fewer than half of the peers that had a prefix still have it."""
        return self.memory(prefix).least is not None

    def take_stock(self, complete: Iterable[str]) -> set[Prefix]:
        """Remember what the changes since the last call mean, and return the prefixes that are stuck now or no longer.

        ``complete``: the families of which all routes are known; of others, routes may be still to come.
        """
        families, touched, self._touched = set(complete), self._touched, set()
        return {prefix for prefix in touched if self._note(prefix, complete=prefix.family in families)}

    def look_at_all(self) -> None:
        """Have the next ``take_stock`` look at every prefix: what was not known to be complete is now."""
        self._touched.update(self._memory, self._peers)

    def _note(self, prefix: Prefix, *, complete: bool) -> bool:
        """Note how many peers have a prefix; return whether it is stuck now or no longer."""
        now, memory = self.peers(prefix), self._memory.get(prefix)
        was = memory is not None and memory.least is not None
        if now < self.min_peers:
            if complete:
                self._memory.pop(prefix, None)
                return was
            return False
        if memory is None:
            memory = self._memory[prefix] = PeersMemory()
        if memory.least is not None and now >= memory.least + self.min_peers:
            memory.most, memory.least = now, None  # others have heard it since: it is announced again
        memory.most = max(memory.most, now)
        if complete and 2 * now < memory.most:
            memory.least = now if memory.least is None else min(memory.least, now)
        return was != (memory.least is not None)

    def remembered(self) -> dict[str, PeersMemory]:
        return {str(prefix): msgspec.structs.replace(memory) for prefix, memory in self._memory.items()}

    def remember(self, memory: Iterable[tuple[Prefix, PeersMemory]]) -> None:
        for prefix, each in memory:
            self._memory[prefix] = msgspec.structs.replace(each)

    def take_over(self, before: Hearing) -> None:
        """Remember what an earlier configuration's counter does."""
        self.remember(before._memory.items())


def _peer(route: Route) -> int:
    """Return the ASN of the peer that a route comes from, which its path begins with."""
    return route.attributes.as_path.first_asn or 0
