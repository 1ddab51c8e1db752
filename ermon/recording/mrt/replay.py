"""MRT files as the input of a monitor: what ``ermon replay --mrt`` reads (RFC 6396, RFC 8050).

- A session is up from the change of its state to Established, or from its first message: then the recording began within it.
- A table (TABLE_DUMP_V2) is what its peers have sent until then, completely: its end is their End-of-RIB, and routes of an
  earlier table that are not in it are gone.
- Where several sessions are one feed, their routes have path identifiers that are made of the peers' addresses. The feed is down
  once none of them is up.
- Of NOTIFICATIONs and changes of state, the reason of a session's end is taken as far as they say it.

Pure: nothing here reads files or a clock.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import NamedTuple

from ermon.bgp.header import NOTIFICATION, OPEN, UPDATE
from ermon.bgp.multiprotocol import family_of
from ermon.bgp.notification import describe
from ermon.bgp.open import Direction as PathDirection
from ermon.bgp.open import codec_between, read_open
from ermon.bgp.update import AttributesCache, Codec, Unreadable, read_update
from ermon.bmp import causes
from ermon.model.events import (
    AddPathNegotiated,
    AddPathOffered,
    Alive,
    Event,
    HoldTimeZero,
    MessagesLost,
    ProcessUp,
    RefreshBegan,
    RefreshEnded,
    StatisticsBegan,
    Update,
)
from ermon.model.inventory import Config
from ermon.model.prefixes import FAMILIES, Address, Family
from ermon.model.routes import Route, RouteKey
from ermon.mrt import tables
from ermon.mrt.records import Kind, Record, UnusedError, kind_name
from ermon.mrt.sessions import (
    ESTABLISHED,
    STATES,
    End,
    Message,
    StateChange,
    read_session_record,
)
from ermon.recording.mrt.peers import Direction, Found, Matching
from ermon.recording.mrt.sessions import Session, Sessions

ROUTES_AT_ONCE = 500
"""So many routes of a table are one UPDATE; ``updates.ROUTES_A_LINE`` says why."""

MAX_SESSIONS = 65_536
"""So many sessions, or ends of sessions, are told apart; no route collector has as many, and a hostile file has no end of them."""

_KEEPALIVE, _ROUTE_REFRESH = 4, 5
_BORR, _EORR = 1, 2
"""Subtypes of a ROUTE-REFRESH (RFC 7313 section 3.2)."""
_UNSPECIFIED = frozenset({Address(4, 0), Address(6, 0)})


class Skipped(NamedTuple):
    """A record that says nothing to ermon, or cannot be read."""

    offset: int
    """Where it begins, in octets of the decompressed file."""
    what: str
    """Of which kind it is, or what is wrong with it."""
    is_damaged: bool


class MrtPlayback:
    """Reads MRT files, one after the other, as what the feeds have received."""

    def __init__(self, config: Config, matching: Matching, skipped: Callable[[Skipped], None]) -> None:
        """``skipped`` is called with each record that is not used."""
        self.config = config
        self.matched = 0
        """The number of records of feeds' sessions."""
        self.unmatched: dict[Direction, int] = {}
        """The number of records by session that is no feed."""
        self.tables: dict[str, set[Family]] = {}
        """The families of tables, by feed that was in any."""
        self.has_table = False
        """Whether there was a table, even one without routes."""
        self._matching = matching
        self._skipped = skipped
        self._directions: dict[Direction, Session | None] = {}
        self._between: dict[frozenset[Address], dict[Session, None]] = {}
        """The sessions of feeds by the addresses of both ends, and by that of the sender: a file may have a change of state
        for each of very many.
        """
        self._by_feeds: dict[tuple[Address, frozenset[str]], Session] = {}
        self._sessions = Sessions()
        self._established: set[frozenset[Address]] = set()
        """The addresses between which there is a session, by the changes of its state."""
        self._attributes = AttributesCache()
        self._dump: _Dump | None = None
        self._processes: set[str] = set()
        """The processes and BMP connections whose feeds have been seen."""

    def without_feed(self) -> dict[Direction, int]:
        """Return the number of records by session that is no feed, but not those of a feed's session before its connection."""
        known = [of for of, session in self._directions.items() if session is not None]
        ends, senders = {_ends(of) for of in known}, {of.sender.address for of in known}
        return {
            of: count
            for of, count in self.unmatched.items()
            if of.is_local
            or not (
                _ends(of) in ends
                or (
                    of.receiver is not None
                    and of.receiver.address in _UNSPECIFIED
                    and of.sender.address in senders
                )
            )
        }

    def steps(self, files: Iterable[Iterable[Record]]) -> Iterator[Event]:
        """Yield the events of all files, in order."""
        for records in files:
            for record in records:
                try:
                    yield from self._take(record)
                except Unreadable as error:
                    what = f"{kind_name(record.kind, record.subtype)}: {error}"
                    self._skipped(Skipped(record.offset, what, is_damaged=True))
                except UnusedError as error:
                    what = f"{kind_name(record.kind, record.subtype)}: {error}"
                    self._skipped(Skipped(record.offset, what, is_damaged=False))
            yield from self._end_dump()

    def _take(self, record: Record) -> Iterator[Event]:
        if record.kind == Kind.TABLE_DUMP_V2:
            yield from self._take_table(record)
            return
        if record.kind not in {Kind.BGP4MP, Kind.BGP4MP_ET}:
            raise UnusedError("it is not read")
        read = read_session_record(record.subtype, record.body)
        yield from self._end_dump()
        if isinstance(read, StateChange):
            yield from self._take_state(read, record.time)
        else:
            yield from self._take_message(read, record)

    # Sessions ------------------------------------------------------------------------------------------

    def _find(self, of: Direction) -> Session | None:
        """Return the session of a direction, if it is a feed."""
        if of not in self._directions:
            _require_room(self._directions)
            found = self._matching.find(of)
            session = self._directions[of] = None if found is None else self._session(of, found)
            if session is not None:
                for ends in (_ends(of), frozenset({of.sender.address})):
                    self._between.setdefault(ends, {})[session] = None
        return self._directions[of]

    def _session(self, of: Direction, found: Found) -> Session:
        names = frozenset(feed.name for feed in found.feeds.values())
        key = of.sender.address, names
        if key not in self._by_feeds:
            self._by_feeds[key] = Session(of.sender.address, found, self._sessions)
        return self._by_feeds[key]

    def _sight(self, session: Session | None, of: Direction, time: float) -> Iterator[Event]:
        """Count a record of a session."""
        self._count(session, of, 1)
        if session is not None:
            yield from self._processes_of(session, time)

    def _count(self, session: Session | None, of: Direction, records: int) -> None:
        if session is not None:
            self.matched += records
        elif of in self.unmatched or len(self.unmatched) < MAX_SESSIONS:
            self.unmatched[of] = self.unmatched.get(of, 0) + records

    def _processes_of(self, session: Session, time: float) -> Iterator[Event]:
        """Yield that the processes of a session's feeds are up, if nothing has shown it yet."""
        for feed in session.names.values():
            if feed.process not in self._processes:
                self._processes.add(feed.process)
                yield ProcessUp(time, feed.process)
                if feed.by_bmp:
                    yield StatisticsBegan(
                        time, feed.process
                    )  # whether the router sends any, MRT does not say

    def _take_state(self, change: StateChange, time: float) -> Iterator[Event]:
        """Take a change of state. OpenBGPD writes the ends of a session the other way round than everybody else.

        A session that is a feed only because of ``rest`` is known by its messages.
        """
        peer, local = change.peer, change.local
        if peer.address in _UNSPECIFIED:
            raise UnusedError("a change of state that does not say of which peer")
        ends = frozenset({peer.address, local.address})
        if change.new == ESTABLISHED:
            _require_room(self._established)
            self._established.add(ends)
        elif change.old == ESTABLISHED:
            self._established.discard(ends)
        of = Direction(peer, local)
        found = self._sessions_between(peer, local)
        if not found:
            yield from self._sight(None, of, time)
        for session in found:
            yield from self._sight(session, of, time)
            if change.new == ESTABLISHED:
                yield from self._start(session, time, joined=False)
            elif change.old == ESTABLISHED:
                state = STATES.get(change.new, f"state {change.new}")
                yield from session.end(time, f"its state went from Established to {state}")

    def _sessions_between(self, peer: End, local: End) -> dict[Session, None]:
        """Return the sessions between two ends, in both directions."""
        found = dict(self._between.get(frozenset({peer.address, local.address}), {}))
        if local.address in _UNSPECIFIED:
            found |= self._between.get(frozenset({peer.address}), {})
        for of in (Direction(peer, local), Direction(local, peer)):
            if (by_addresses := self._matching.by_addresses(of)) is not None:
                found.setdefault(self._session(of, by_addresses))
        return found

    def _start(self, session: Session, time: float, *, joined: bool) -> Iterator[Event]:
        if not (joined and session.is_up):
            yield from _opened(session, time)
        yield from session.start(time, joined=joined)

    # Messages ------------------------------------------------------------------------------------------

    def _take_message(self, message: Message, record: Record) -> Iterator[Event]:
        of = Direction(message.sender, message.receiver, message.is_local)
        session, answering = self._find(of), self._find(_reversed(of))
        if answering is not None:
            _note(answering, message, is_sender=False)
        if session is None:
            if answering is None or message.kind in {UPDATE, _ROUTE_REFRESH}:
                yield from self._sight(None, of, record.time)
            return
        yield from self._sight(session, of, record.time)
        _note(session, message, is_sender=True)
        if message.kind in {OPEN, NOTIFICATION}:
            return
        was_seen = frozenset({message.sender.address, message.receiver.address}) in self._established
        if not session.is_up and message.kind == _KEEPALIVE and session.opens and not was_seen:
            return  # part of the handshake
        if not session.is_up or not session.is_shared:
            joined = session.is_up or not was_seen
            yield from self._start(session, record.time, joined=joined)
        if message.kind == UPDATE:
            yield from self._take_update(session, message, record)
        elif message.kind == _ROUTE_REFRESH:
            yield from _refresh(session, message.body, record.time)
        else:
            yield from (Alive(record.time, name) for name in session.names)

    def _take_update(self, session: Session, message: Message, record: Record) -> Iterator[Event]:
        several: frozenset[Family] = frozenset(FAMILIES if message.add_path else ())
        try:
            read = read_update(message.body, Codec(message.four_octet, several), self._attributes)
        except Unreadable as error:
            what = f"an UPDATE that cannot be read: {error}"
            self._skipped(Skipped(record.offset, what, is_damaged=True))
            yield from (MessagesLost(record.time, name, 1, what) for name in session.names)
            return
        if read.end_of_rib is not None:
            yield from session.end_of_rib(read.end_of_rib, record.time)
        else:
            yield from session.update(read.announced, read.withdrawn, record.time)

    # Tables --------------------------------------------------------------------------------------------

    def _take_table(self, record: Record) -> Iterator[Event]:
        if record.subtype == tables.PEER_INDEX_TABLE:
            yield from self._end_dump()
            peers = tables.read_peers(record.body)
            self.has_table = True
            self._dump = _Dump([self._find(Direction(peer, None)) for peer in peers], peers, record.time)
            return
        if self._dump is None:
            raise Unreadable("there is no PEER_INDEX_TABLE before it")
        dump = self._dump
        rib = tables.read_rib(record.subtype, record.body, len(dump.peers), self._attributes)
        for what in rib.malformed:
            self._skipped(Skipped(record.offset, f"a route in a table: {what}", is_damaged=True))
        dump.time = record.time
        dump.families.add(rib.family)
        for peer, route in rib.entries:
            dump.counts[peer] += 1
            session = dump.sessions[peer]
            if session is not None and rib.family in session.feeds:
                if not session.is_up:
                    yield from self._processes_of(session, record.time)
                    yield from session.start(record.time, joined=False)
                if (update := dump.add(session, rib.family, session.route(route))) is not None:
                    yield update

    def _end_dump(self) -> Iterator[Event]:
        if self._dump is not None:
            dump, self._dump = self._dump, None
            yield from dump.end()
            for session, peer, count in zip(dump.sessions, dump.peers, dump.counts, strict=True):
                if count:
                    self._count(session, Direction(peer, None), count)
            for name in dump.names:
                self.tables.setdefault(name, set()).update(dump.families)


def _require_room(sessions: Sized) -> None:
    if len(sessions) >= MAX_SESSIONS:
        raise UnusedError(f"there are more than {MAX_SESSIONS} sessions before it")


def _ends(of: Direction) -> frozenset[Address]:
    """Return the addresses of a session, whichever is the sender's."""
    return frozenset({of.sender.address} if of.receiver is None else {of.sender.address, of.receiver.address})


def _reversed(of: Direction) -> Direction:
    """Return the other direction of a message's session."""
    assert of.receiver is not None
    return Direction(of.receiver, of.sender, not of.is_local)


def _note(session: Session, message: Message, *, is_sender: bool) -> None:
    """Note what an OPEN or a NOTIFICATION says of a session, which the sender of its routes or the receiver has sent."""
    if message.kind == OPEN:
        session.opens[is_sender] = message.body
        session.families = _families(session)
    elif message.kind == NOTIFICATION and len(message.body) >= 2:
        code, subcode = message.body[:2]
        is_own = not session.is_shared and not any(feed.by_bmp for feed in session.names.values())
        if is_own:
            who = "the router" if is_sender else "ermon"
        else:
            who = "the router" if message.is_local else "the neighbor"
        text = f"{who} sent {describe(code, subcode, message.body[2:])}"
        session.farewell = text, causes.of_notification(message.body)


def _families(session: Session) -> frozenset[Family]:
    """Return the families that the OPENs of a session agree on, as far as they are there and can be read."""
    families = frozenset(FAMILIES)
    for body in session.opens.values():
        with contextlib.suppress(Unreadable):
            families &= read_open(body).families
    return families


def _opened(session: Session, time: float) -> Iterator[Event]:
    """Yield what the OPENs of ermon's own session say. Of other sessions, they say nothing of what the file has."""
    sent = session.opens.get(True)
    if sent is None or session.is_shared or any(feed.by_bmp for feed in session.names.values()):
        return
    try:
        sender = read_open(sent)
        receiver = read_open(session.opens[False]) if False in session.opens else None
    except Unreadable:
        return
    sends = frozenset(f for f, direction in sender.add_path.items() if direction & PathDirection.SEND)
    for name in session.names:
        yield AddPathOffered(time, name, sends)
        if receiver is not None:
            yield AddPathNegotiated(time, name, codec_between(sender, receiver).add_path)
        if sender.hold_time == 0:
            yield HoldTimeZero(time, name)


def _refresh(session: Session, body: bytes, time: float) -> Iterator[Event]:
    """Read the body of a ROUTE-REFRESH (RFC 2918 section 3, RFC 7313 section 3.2)."""
    family = family_of(body[:2] + body[3:4]) if len(body) >= 4 else None
    if family is None or family not in session.feeds or session.is_shared:
        yield from (Alive(time, name) for name in session.names)
        return
    name = session.feeds[family].name
    if body[2] == _BORR:
        yield RefreshBegan(time, name, family)
    elif body[2] == _EORR:
        yield RefreshEnded(time, name, family)
    else:
        yield Alive(time, name)


class _Dump:
    """A table that is being read."""

    def __init__(self, sessions: list[Session | None], peers: tuple[End, ...], time: float) -> None:
        self.sessions = sessions
        """By their place in the table of peers."""
        self.peers = peers
        self.time = time
        self.counts = [0] * len(peers)
        """The number of routes by peer."""
        self.families: set[Family] = set()
        self.names: set[str] = set()
        """The feeds that have routes in it."""
        self._keys: dict[tuple[Session, Family], set[RouteKey]] = {}
        self._routes: dict[str, list[Route]] = {}
        """By feed: routes that are not yet an event."""

    def add(self, session: Session, family: Family, route: Route) -> Event | None:
        """Add a route; return an event once there are many."""
        name = session.feeds[family].name
        self.names.add(name)
        self._keys.setdefault((session, family), set()).add(route.key)
        routes = self._routes.setdefault(name, [])
        routes.append(route)
        return self._update(name) if len(routes) >= ROUTES_AT_ONCE else None

    def _update(self, name: str) -> Event:
        return Update(self.time, name, tuple(self._routes.pop(name)))

    def end(self) -> Iterator[Event]:
        """Yield what the end of the table says: what is not in it is not there."""
        for name in list(self._routes):
            yield self._update(name)
        for family in FAMILIES:
            if family not in self.families:
                continue
            known = [
                s for s in dict.fromkeys(self.sessions) if s is not None and s.is_up and family in s.feeds
            ]
            for session in known:
                yield from session.replace(family, self._keys.get((session, family), set()), self.time)
            for session in known:
                yield from session.end_of_rib(family, self.time)
