"""One BGP session of a router, as it reports it, and what is remembered of its routes."""

from __future__ import annotations

from zlib import crc32

import msgspec

from ermon.bgp.open import codec_between
from ermon.bgp.update import Read
from ermon.bmp.messages import PeerUp, Rib, SessionKey, Statistics
from ermon.bmp.sessions import Feeds
from ermon.model.prefixes import VERSIONS, Family
from ermon.model.routes import Route, RouteKey

MAX_COUNTED_ROUTES = 100_000
"""So many routes of first dumps are counted on a connection, to compare them with the numbers that the router reports."""

MAX_HELD_ROUTES = 200_000
"""Of a connection, so many routes are remembered by the session that they are of, where several are the same feed."""

_OUTBOUND = frozenset({Rib.OUT_PRE, Rib.OUT_POST})


class Session:
    """One session that is a feed and is up."""

    def __init__(self, up: PeerUp, feeds: Feeds, time: float) -> None:
        self._identity = _identity(up)
        self.feeds = feeds
        self.path_id = _path_id(up.peer.key)
        self.by_rib: dict[Rib, dict[Family, str]] = {}
        """The feeds."""
        for (rib, family), name in feeds.items():
            self.by_rib.setdefault(rib, {})[family] = name
        self.reported = time
        """When it came up, or the last statistics of it came."""
        self.is_silent = False
        self.counted: dict[Family, set[RouteKey]] | None = {
            family: set() for rib, family in feeds if rib is Rib.IN_POST
        } or None
        """The routes of its first dump, post-policy; ``None`` once it is known to be complete, or there are too many."""
        self.ends: set[tuple[Rib, Family]] = set()
        self.held: dict[str, set[RouteKey]] | None = {}
        """By feed that several sessions are part of: its routes; ``None``: there are too many."""
        inbound, outbound = codec_between(up.received, up.sent), codec_between(up.sent, up.received)
        self._add_path = {True: outbound.add_path, False: inbound.add_path}

    def has_path_ids(self, rib: Rib) -> bool:
        """Return whether the session has path identifiers in that direction. Routers disagree on whether they report them."""
        return bool(self._add_path[rib in _OUTBOUND])

    def has_routes_of(self, rib: Rib) -> bool:
        """Return whether routes of that table are routes of a feed, and can be read."""
        return rib in self.by_rib and not self.has_path_ids(rib)

    def is_of(self, up: PeerUp) -> bool:
        """Return whether it is the session that a Peer Up reports, and not another one with the same neighbor."""
        return self._identity == _identity(up)

    def has_all(self, reported: Statistics) -> bool:
        """Return whether as many routes were counted as the router says it has. RFC 7854 section 4.8, types 7 and 9.

        A router that counts routes which its own policy rejects reports more: then the number says nothing.
        """
        if self.counted is None:
            return False
        if reported.routes_in is not None:
            return reported.routes_in == sum(map(len, self.counted.values()))
        by_family = reported.routes_in_by_family
        return bool(by_family) and all(
            count == len(self.counted.get(family, ())) for family, count in by_family.items()
        )


def _identity(up: PeerUp) -> tuple[object, ...]:
    return (up.local, up.local_port, up.remote_port, up.sent.router_id, up.received.router_id)


def _path_id(key: SessionKey) -> int:
    """Return what tells the routes of a session from those of others that are part of the same feed: always the same number."""
    return crc32(key.distinguisher + key.peer.value.to_bytes(16, "big"))


class RouteMemory:
    """Keeps, of all sessions of a connection together, no more routes in mind than the limits say."""

    def __init__(self) -> None:
        self.counted = self.held = 0
        """Of all sessions: routes that are counted, and that are held."""

    def count(self, session: Session, read: Read) -> None:
        """Count the routes of a session's first dump."""
        if session.counted is None:
            return
        for family, counted in session.counted.items():
            before = len(counted)
            if read.withdrawn:
                counted.difference_update(read.withdrawn)
            version = VERSIONS[family]
            counted.update([route.key for route in read.announced if route.prefix[0] == version])
            self.counted += len(counted) - before
        if self.counted > MAX_COUNTED_ROUTES:
            self.forget_counted(session)

    def forget_counted(self, session: Session) -> None:
        """Count no more routes of a session."""
        self.counted -= sum(map(len, (session.counted or {}).values()))
        session.counted = None

    def mark(
        self,
        session: Session,
        name: str,
        announced: tuple[Route, ...],
        withdrawn: tuple[RouteKey, ...],
    ) -> tuple[tuple[Route, ...], tuple[RouteKey, ...]]:
        """Tell the routes of one session from those of the others that are part of the same feed, and remember them."""
        routes = tuple(msgspec.structs.replace(route, path_id=session.path_id) for route in announced)
        keys = tuple((prefix, session.path_id) for prefix, _ in withdrawn)
        if session.held is not None:
            held = session.held.setdefault(name, set())
            before = len(held)
            held.difference_update(keys)
            held.update(route.key for route in routes)
            self.held += len(held) - before
            if self.held > MAX_HELD_ROUTES:
                self.held -= sum(map(len, session.held.values()))
                session.held = None
        return routes, keys

    def forget(self, session: Session) -> dict[str, set[RouteKey]] | None:
        """Forget what is remembered of a session; return the routes that were held, ``None``: there were too many."""
        self.forget_counted(session)
        held, session.held = session.held, None
        self.held -= sum(map(len, (held or {}).values()))
        return held
