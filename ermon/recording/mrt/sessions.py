"""One session in MRT files as part of its feeds: what comes of it, as events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from zlib import crc32

import msgspec

from ermon.model.events import DownCause, EndOfRib, Event, SessionDown, SessionUp, Update
from ermon.model.inventory import Feed
from ermon.model.prefixes import FAMILIES, Address, Family
from ermon.model.routes import PathId, Route, RouteKey
from ermon.recording.mrt.peers import Found


class Sessions:
    """Keeps in mind which sessions are up, by feed: several may be the same feed."""

    def __init__(self) -> None:
        self.up: dict[str, set[Session]] = {}


class Session:
    """One direction of a session."""

    def __init__(self, sender: Address, found: Found, sessions: Sessions) -> None:
        self.feeds = found.feeds
        self.is_shared = found.shared
        self.names = {feed.name: feed for feed in found.feeds.values()}
        self._seed = sender.value.to_bytes(16, "big")
        self._up = sessions.up
        self.is_up = False
        self.held: dict[Family, set[RouteKey]] = {family: set() for family in found.feeds}
        self._ended: set[Family] = set()
        """The families whose first dump has ended."""
        self.farewell = "", DownCause.OTHER
        """What the last NOTIFICATION said."""
        self.opens: dict[bool, bytes] = {}
        """The OPEN of the sender (``True``), and of the receiver."""
        self.families = frozenset(FAMILIES)
        """Those that the OPENs agree on."""

    def path_id(self, path_id: PathId) -> PathId:
        """Return what tells a route from those of other sessions that are the same feed: always the same number."""
        if not self.is_shared:
            return path_id
        return crc32(self._seed if path_id is None else self._seed + path_id.to_bytes(4, "big"))

    def route(self, route: Route) -> Route:
        """Return a route with the path identifier that it has in the feed."""
        if not self.is_shared:
            return route
        return msgspec.structs.replace(route, path_id=self.path_id(route.path_id))

    def start(self, time: float, *, joined: bool) -> Iterator[Event]:
        """The session comes up, or is found to be up (``joined``): then its first message says so."""
        again, self.is_up = self.is_up, True
        if again and joined:
            return
        for name, feed in self.names.items():
            if self.families.isdisjoint(self._families(feed)):
                continue  # it has not negotiated them
            up = self._up.setdefault(name, set())
            others = len(up) - (self in up)
            up.add(self)
            if joined:
                continue
            if not others:
                yield SessionUp(time, name)
            elif again:
                yield from self._withdraw(name, time)
        self._forget()

    def end(self, time: float, reason: str) -> Iterator[Event]:
        """The session goes down."""
        if not self.is_up:
            return
        said, cause = self.farewell
        for name in self.names:
            up = self._up.get(name, set())
            if self not in up:
                continue
            up.discard(self)
            if up:
                yield from self._withdraw(name, time)
            else:
                yield SessionDown(time, name, said or reason, cause)
        self.is_up, self.farewell, self.opens = False, ("", DownCause.OTHER), {}
        self.families = frozenset(FAMILIES)
        self._forget()

    def _forget(self) -> None:
        self._ended.clear()
        for held in self.held.values():
            held.clear()

    def _withdraw(self, name: str, time: float) -> Iterator[Event]:
        """Withdraw what a feed has from this session, and keep what it has from others."""
        keys = [key for family in self._families(self.names[name]) for key in sorted(self.held[family])]
        if keys:
            yield Update(time, name, (), tuple(keys))

    def _families(self, feed: Feed) -> Iterator[Family]:
        return (family for family, other in self.feeds.items() if other is feed)

    def update(
        self, announced: Iterable[Route], withdrawn: Iterable[RouteKey], time: float
    ) -> Iterator[Event]:
        """Routes are announced and withdrawn; those of families without a feed are passed over."""
        for name, feed in self.names.items():
            families = set(self._families(feed))
            routes = tuple([self.route(route) for route in announced if route.prefix.family in families])
            keys = tuple([(key[0], self.path_id(key[1])) for key in withdrawn if key[0].family in families])
            for key in keys:
                self.held[key[0].family].discard(key)
            for route in routes:
                self.held[route.prefix.family].add(route.key)
            if routes or keys:
                yield Update(time, name, routes, keys)

    def replace(self, family: Family, keys: set[RouteKey], time: float) -> Iterator[Event]:
        """A table was read completely: only these routes remain."""
        gone, self.held[family] = self.held[family] - keys, keys
        if gone:
            yield Update(time, self.feeds[family].name, (), tuple(sorted(gone)))

    def end_of_rib(self, family: Family, time: float) -> Iterator[Event]:
        """The first dump of a family has ended; a feed's once it is so for all its sessions that are up."""
        if family not in self.feeds:
            return
        self._ended.add(family)
        name = self.feeds[family].name
        if all(other.has_ended(family) for other in self._up.get(name, ())):
            yield EndOfRib(time, name, family)

    def has_ended(self, family: Family) -> bool:
        """Return whether no more routes of a family's first dump can come."""
        return family in self._ended or family not in self.feeds or family not in self.families
