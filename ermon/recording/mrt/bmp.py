"""What a router reports by BMP in a recording, as MRT records: the octets of its sessions' messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from ermon.bgp.header import HEADER_OCTETS, MARKER, NOTIFICATION
from ermon.bgp.unreadable import Unreadable
from ermon.bgp.update import Codec
from ermon.bmp.messages import (
    PEER_HEADER_OCTETS,
    BmpError,
    Framer,
    Kind,
    PeerDown,
    PeerUp,
    Rib,
    SessionKey,
    read_message,
    read_peer,
    read_route_monitoring,
)
from ermon.bmp.reported import Session
from ermon.bmp.sessions import Feeds, Monitored
from ermon.model.prefixes import Family
from ermon.mrt.sessions import End
from ermon.recording.mrt.wire import Wire

_OUTBOUND = frozenset({Rib.OUT_PRE, Rib.OUT_POST})
_PEER_UP_OPENS = PEER_HEADER_OCTETS + 20
"""Where the OPENs of a Peer Up begin (RFC 7854 section 4.10)."""
_SENT_NOTIFICATION, _RECEIVED_NOTIFICATION = 1, 3
"""Reasons of a Peer Down (RFC 7854 section 4.9)."""


class ReportedSession:
    """A session that a router reports, with the feeds that are asked for."""

    def __init__(self, session: Session, wire: Wire) -> None:
        self.session = session
        self.wire = wire

    def families(self, rib: Rib) -> Collection[Family]:
        return self.session.by_rib.get(rib, {}).keys()


class ReportedRouter:
    """Reads one router's BMP connections."""

    def __init__(self, monitored: Monitored, names: Collection[str], left_out: Counter[str]) -> None:
        """``names`` are the feeds that are asked for."""
        self.sessions: dict[SessionKey, ReportedSession] = {}
        self._monitored = monitored
        self._names = names
        self._left_out = left_out
        self._framer: Framer | None = Framer()

    def connect(self) -> None:
        """The router connects: what it reported on an earlier connection is over. Whether its sessions ended meanwhile is unknown."""
        self._framer = Framer()
        self.sessions.clear()

    def take(self, octets: bytes, time: float) -> Iterator[bytes]:
        """Yield the records of octets that arrived at ``time``."""
        if self._framer is None:
            return
        try:
            for kind, body in self._framer.feed(octets):
                try:
                    yield from self._take(kind, body, time)
                except Unreadable as error:
                    self._left_out[f"a BMP message that cannot be read ({error})"] += 1
        except BmpError:
            self._framer = None

    def _take(self, kind: int, body: bytes, time: float) -> Iterator[bytes]:
        if kind == Kind.ROUTE_MONITORING:
            yield from self._take_routes(body, time)
        elif kind in {Kind.PEER_UP, Kind.PEER_DOWN}:
            message = read_message(kind, body)
            if isinstance(message, PeerUp) and message.peer.rib is not Rib.LOCAL:
                yield from self._take_up(message, body, time)
            elif isinstance(message, PeerDown):
                yield from self._take_down(message, body, time)

    def _take_up(self, up: PeerUp, body: bytes, time: float) -> Iterator[bytes]:
        key = up.peer.key
        if (known := self.sessions.get(key)) is not None:
            if known.session.is_of(up):
                return  # routers that report several tables of a session report it once for each
            yield from self.sessions.pop(key).wire.end(time)
        negotiated = up.sent.families & up.received.families
        feeds: Feeds = {
            (rib, family): name
            for (rib, family), name in self._monitored.feeds_of(key, up.peer.asn).items()
            if family in negotiated and name in self._names
        }
        if not feeds or self._is_ambiguous(key, feeds):
            return
        local = End(up.local, up.sent.asn)
        wire = Wire(End(key.peer, up.peer.asn), local, self._left_out)
        self.sessions[key] = ReportedSession(Session(up, feeds, time), wire)
        yield from wire.start(time, _opens(body))

    def _is_ambiguous(self, key: SessionKey, feeds: Feeds) -> bool:
        """Return whether another session of the same neighbor, in another VRF, is the feed already, as ``RouterStream`` does."""
        names = set(feeds.values())
        return any(
            other.peer == key.peer and names.intersection(known.session.feeds.values())
            for other, known in self.sessions.items()
        )

    def _take_down(self, down: PeerDown, body: bytes, time: float) -> Iterator[bytes]:
        known = self.sessions.pop(down.peer.key, None)
        if known is None or down.monitoring_ended:
            return
        reason = body[PEER_HEADER_OCTETS] if len(body) > PEER_HEADER_OCTETS else 0
        notification = b""
        if reason in {_SENT_NOTIFICATION, _RECEIVED_NOTIFICATION}:
            notification = _first_message(body, PEER_HEADER_OCTETS + 1)
            if notification[HEADER_OCTETS - 1 : HEADER_OCTETS] != bytes((NOTIFICATION,)):
                notification = b""
        yield from known.wire.end(time, notification, is_local=reason == _SENT_NOTIFICATION)

    def _take_routes(self, body: bytes, time: float) -> Iterator[bytes]:
        peer = read_peer(body)
        known = self.sessions.get(peer.key)
        families = () if known is None else known.families(peer.rib)
        if known is None or not families:
            return
        if known.session.has_path_ids(peer.rib):
            self._left_out["a message of a session with ADD-PATH, reported by BMP"] += 1
            return
        read_route_monitoring(peer, body)
        octets, codec = _first_message(body, PEER_HEADER_OCTETS), Codec(peer.four_octet)
        is_local = peer.rib in _OUTBOUND
        yield from known.wire.message(time, octets, codec, families, is_local=is_local)


def _opens(body: bytes) -> dict[bool, bytes]:
    """Return the OPENs of a Peer Up that could be read: what the router sent, and what it received."""
    sent = _first_message(body, _PEER_UP_OPENS)
    return {True: sent, False: _first_message(body, _PEER_UP_OPENS + len(sent))}


def _first_message(octets: bytes, at: int) -> bytes:
    """Return the BGP message that begins there; empty if there is none."""
    if len(octets) < at + HEADER_OCTETS or not octets.startswith(MARKER, at):
        return b""
    size = octets[at + 16] << 8 | octets[at + 17]
    return octets[at : at + size] if HEADER_OCTETS <= size <= len(octets) - at else b""
