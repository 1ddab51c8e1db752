"""What one router reports over one BMP connection, into events: each BGP session that it reports is a feed, or several.

The counterpart of ``ermon.exabgp.decode``. House rules: nothing here waits, logs or reads a clock, and ``RouterStream.take`` is total:
whatever the octets, it returns events, what it rejected, and, where the connection cannot go on, why.

All times are those of arrival. The times in the messages are wrong on every router that was tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from ermon.bgp.interest import Interest, Unasked
from ermon.bgp.malformed import Malformed, malformed_of
from ermon.bgp.update import AttributesCache, Codec, Read, Unreadable, read_update
from ermon.bmp import reported
from ermon.bmp.messages import (
    MAX_MESSAGE_OCTETS,
    PEER_HEADER_OCTETS,
    BmpError,
    Framer,
    Initiation,
    Kind,
    Message,
    Other,
    PeerDown,
    Peers,
    PeerUp,
    Rib,
    RouteMonitoring,
    SessionKey,
    Statistics,
    Termination,
    read_message,
    read_peer,
    read_route_monitoring,
    write_message,
)
from ermon.bmp.policy import ONLY_PRE_POLICY, InboundPolicy
from ermon.bmp.reported import RouteMemory, Session
from ermon.bmp.sessions import Feeds, Monitored
from ermon.bmp.together import together
from ermon.model.events import (
    Alive,
    DownCause,
    EndOfRib,
    Event,
    MessagesLost,
    ProcessUp,
    RoutesUnreadable,
    SessionDown,
    SessionSilent,
    SessionUnreported,
    SessionUp,
    StatisticsBegan,
    Uninteresting,
    Update,
)
from ermon.model.prefixes import VERSIONS, Family

FIRST_PEER_UPS_SECONDS = 10.0
"""How long after its Initiation a router may report the sessions that are up: the routers that were tried need half a second."""

STATISTICS_WITHIN_SECONDS = 180.0
"""How long a session may be without statistics, unless the configuration says otherwise."""

MAX_PEERS = 4_096
"""Sessions of a connection that ermon keeps in mind."""

MAX_ATTRIBUTES = 65_536
"""Sets of path attributes that are remembered as they came. Nearly all of them are of routes that are held, which share them."""


class RejectReason(StrEnum):
    """Why a message was rejected: a closed set, fit for a metric's label."""

    BAD_MESSAGE = "bad-message"
    """It contradicts itself, or ends too early."""
    BAD_UPDATE = "bad-update"
    """The UPDATE in it cannot be read: its feeds have lost it."""
    UNKNOWN_TYPE = "unknown-type"
    TOO_MANY_PEERS = "too-many-peers"
    AMBIGUOUS = "ambiguous"
    """The neighbor is reported with two route distinguishers, and the configuration says none: the session that came first counts."""
    SURPLUS = "surplus"
    """There are octets behind the UPDATE. They are passed over; all else in the message counts."""


class Rejected(NamedTuple):
    reason: RejectReason
    detail: str
    """Printable ASCII, short."""


class Taken(NamedTuple):
    """What became of some octets."""

    events: list[Event]
    rejected: list[Rejected]
    malformed: list[Malformed]
    messages: int = 0
    """How many were read."""
    ended: str | None = None
    """Why the connection cannot go on: whatever else comes on it means nothing."""


_CODECS = {four_octet: Codec(four_octet=four_octet) for four_octet in (False, True)}
_ABOUT_A_SESSION = frozenset({Kind.ROUTE_MONITORING, Kind.STATISTICS, Kind.PEER_DOWN, Kind.PEER_UP})


class RouterStream:
    """Reads what a router sends on one connection."""

    def __init__(
        self,
        process: str,
        monitored: Monitored,
        *,
        statistics_within: float = STATISTICS_WITHIN_SECONDS,
        max_octets: int = MAX_MESSAGE_OCTETS,
        interest: Callable[[str], Interest | None] = lambda _: None,
    ) -> None:
        """``process`` names the connection in events. ``interest`` says what can be asked about on a feed, by its name."""
        self.process = process
        self._monitored = monitored
        self._shared = monitored.shared()
        self._within = statistics_within
        self._interest = interest
        self.max_octets = max_octets
        """Of a message."""
        self._framer = Framer(max_octets)
        self._peers = Peers()
        self._attributes = AttributesCache(MAX_ATTRIBUTES)
        self._sessions: dict[SessionKey, Session] = {}
        self._up: dict[str, set[SessionKey]] = {}
        """By feed: the sessions that are up."""
        self._peer_ups: dict[SessionKey, bytes] = {}
        """Of the sessions that are up: how they were reported."""
        self._last_words: dict[str, tuple[str, DownCause]] = {}
        """By feed that has not been up on this connection: why its session is down, as the router says."""
        self._remembered = RouteMemory()
        self._policy = InboundPolicy()
        self.is_initiated = False
        """Whether the router has said who it is (RFC 7854 section 4.3)."""
        self._first_ups_by: float | None = None
        """When the sessions that are up are due; ``None`` before that is known, and once it is over."""
        self._has_statistics = False
        self._ended: str | None = None

    def memory(self) -> bytes:
        """Return what another stream must take to read on from here."""
        reports = (write_message(Kind.PEER_UP, body) for body in self._peer_ups.values())
        return b"".join((write_message(Kind.INITIATION, b""), *reports)) if self.is_initiated else b""

    def session(self, key: SessionKey) -> Session | None:
        """Return a session that is a feed and is up."""
        return self._sessions.get(key)

    # Octets --------------------------------------------------------------------------------------------

    def take(self, data: bytes, time: float) -> Taken:
        """Read octets that arrived at ``time``."""
        taken, messages = Taken([], [], []), 0
        try:
            for kind, body in self._framer.feed(data) if self._ended is None else ():
                messages += 1
                self._ended = self._take_message(kind, body, time, taken)
                if self._ended is not None:
                    break
        except BmpError as error:
            self._ended = str(error)
        return taken._replace(events=list(together(taken.events)), messages=messages, ended=self._ended)

    def _take_message(self, kind: int, body: bytes, time: float, taken: Taken) -> str | None:
        """Add what a message says; return why the connection ends, if it does."""
        try:
            if not self.is_initiated:
                if kind != Kind.INITIATION:
                    return "the first message is not an Initiation (RFC 7854 section 4.3)"
            elif kind == Kind.ROUTE_MONITORING:
                self._take_route_monitoring(body, time, taken)
                return None
            message = read_message(kind, body)
        except Unreadable as error:
            taken.rejected.append(Rejected(RejectReason.BAD_MESSAGE, f"{_kind_name(kind)}: {error}"))
            why = f"a {_kind_name(kind)} message that cannot be read: {error}"
            return self._take_unreadable(kind, body, time, why, taken)
        if isinstance(message, Termination):
            return f"the router ended the connection: {message.reason}"
        self._take(message, time, taken)
        if isinstance(message, PeerUp) and message.peer.key in self._sessions:
            self._peer_ups[message.peer.key] = body[: len(body) - message.surplus]
        return None

    def _take_route_monitoring(self, body: bytes, time: float, taken: Taken) -> None:
        """Pass over what is of no feed by its per-peer header alone: most messages of a router may be that."""
        peer = self._peers.read(body)
        session = self._sessions.get(peer.key)
        if session is None:
            return
        self._policy.note(peer.rib, time)
        if not session.has_routes_of(peer.rib):
            return
        feeds = session.by_rib[peer.rib]
        message = read_route_monitoring(peer, body)
        if message.surplus:
            taken.rejected.append(
                Rejected(RejectReason.SURPLUS, f"{message.surplus} octets behind an UPDATE")
            )
        codec = _CODECS[peer.four_octet]
        if not self._pass_over(
            body[PEER_HEADER_OCTETS : len(body) - message.surplus], codec, feeds, time, taken
        ):
            self._take_update(session, message, codec, time, taken)

    def _take_unreadable(self, kind: int, body: bytes, time: float, why: str, taken: Taken) -> str | None:
        """Add what a message that cannot be read may have changed; return why the connection ends, if it does."""
        try:
            peer = read_peer(body)
        except Unreadable:
            # Of which session it was is unknown, and it may have said that one has ended.
            return why if kind in _ABOUT_A_SESSION else None
        session = self._sessions.get(peer.key)
        if session is None:
            return None
        if kind == Kind.PEER_UP:
            taken.events.extend(
                self._end(peer.key, f"the router reports it again: {why}", time, still_up=True)
            )
        elif kind == Kind.ROUTE_MONITORING:
            feeds = [name for (rib, _), name in session.feeds.items() if rib == peer.rib]
            taken.events.extend(MessagesLost(time, feed, 1, why) for feed in feeds)
        return None

    def _take(self, message: Message, time: float, taken: Taken) -> None:
        match message:
            case Initiation():
                if not self.is_initiated:
                    self.is_initiated, self._first_ups_by = True, time + FIRST_PEER_UPS_SECONDS
                    taken.events.append(ProcessUp(time, self.process))
            case PeerUp(peer=peer) if peer.rib is not Rib.LOCAL:  # its own table is no session (RFC 9069)
                self._take_peer_up(message, time, taken)
            case PeerDown():
                taken.events.extend(self._take_peer_down(message, time))
            case Statistics():
                taken.events.extend(self._take_statistics(message, time))
            case Other(kind) if kind != Kind.ROUTE_MIRRORING:
                taken.rejected.append(Rejected(RejectReason.UNKNOWN_TYPE, f"type {kind}"))

    # Sessions ------------------------------------------------------------------------------------------

    def _take_peer_up(self, up: PeerUp, time: float, taken: Taken) -> None:
        key = up.peer.key
        session = self._sessions.get(key)
        if session is not None:
            if session.is_of(up):
                return  # routers that report several tables of a session report it once for each
            taken.events.extend(
                self._end(key, "the router reports another session with the same neighbor", time)
            )
        negotiated = up.sent.families & up.received.families
        feeds = {
            (rib, family): name
            for (rib, family), name in self._monitored.feeds_of(key, up.peer.asn).items()
            if family in negotiated
        }
        if not feeds:
            return
        if self._is_ambiguous(key, feeds):
            detail = f"{key.peer} is reported in several VRFs; give routers.NAME.bmp.peers its rd"
            taken.rejected.append(Rejected(RejectReason.AMBIGUOUS, detail))
            return
        if len(self._sessions) >= MAX_PEERS:
            taken.rejected.append(Rejected(RejectReason.TOO_MANY_PEERS, f"more than {MAX_PEERS} sessions"))
            return
        session = self._sessions[key] = Session(up, feeds, time)
        for (rib, _), name in feeds.items():
            others = self._up.setdefault(name, set())
            if not others:
                taken.events.append(SessionUp(time, name))
                self._last_words.pop(name, None)
            others.add(key)
            if session.has_path_ids(rib):
                taken.events.append(
                    RoutesUnreadable(time, name, "its session has negotiated ADD-PATH (RFC 7911)")
                )
            elif self._policy.only_before and rib is Rib.IN_POST:
                taken.events.append(RoutesUnreadable(time, name, ONLY_PRE_POLICY))

    def _is_ambiguous(self, key: SessionKey, feeds: Feeds) -> bool:
        """Return whether another session of the same neighbor, in another VRF, is the feed already."""
        others = {other for name in feeds.values() for other in self._up.get(name, ())}
        return any(other.peer == key.peer for other in others)

    def _take_peer_down(self, down: PeerDown, time: float) -> Iterable[Event]:
        if down.peer.key in self._sessions:
            still_up = down.monitoring_ended
            return self._end(down.peer.key, down.reason, time, still_up=still_up, cause=down.cause)
        # Routers report sessions that never were up, and each attempt to connect while one is down.
        for name in self._monitored.feeds_of(down.peer.key, down.peer.asn).values():
            if not self._up.get(name):
                self._last_words[name] = down.reason, down.cause
        return ()

    def _end(
        self,
        key: SessionKey,
        reason: str,
        time: float,
        *,
        still_up: bool = False,
        cause: DownCause = DownCause.OTHER,
    ) -> Iterator[Event]:
        """Forget a session; ``still_up``: it is only no longer reported."""
        session = self._sessions.pop(key)
        self._peer_ups.pop(key, None)
        held = self._remembered.forget(session)
        for name in session.feeds.values():
            others = self._up[name]
            others.discard(key)
            if not others:
                yield (
                    SessionSilent(time, name, reason) if still_up else SessionDown(time, name, reason, cause)
                )
            elif held is None:
                yield MessagesLost(
                    time, name, 0, f"of a session with more than {reported.MAX_HELD_ROUTES} routes"
                )
            elif routes := held.get(name):
                yield Update(time, name, (), tuple(sorted(routes)))
        for of, name in session.feeds.items():
            # It may have been the only one of its feed whose first dump was not over.
            if self._up[name] and of not in session.ends and held is not None:
                yield from self._first_dump_over(of, name, time)

    # Routes --------------------------------------------------------------------------------------------

    def _take_update(
        self, session: Session, message: RouteMonitoring, codec: Codec, time: float, taken: Taken
    ) -> None:
        peer, feeds = message.peer, session.by_rib[message.peer.rib]
        try:
            read = read_update(message.update, codec, self._attributes)
        except Unreadable as error:
            taken.rejected.append(Rejected(RejectReason.BAD_UPDATE, str(error)))
            why = f"an UPDATE that cannot be read: {error}"
            taken.events.extend(MessagesLost(time, name, 1, why) for name in feeds.values())
            return
        if peer.rib is Rib.IN_POST:
            self._remembered.count(session, read)
        if read.repaired is not None:
            taken.malformed.extend(_malformed(read, feeds))
        for family, name in feeds.items():
            taken.events.extend(self._events(session, (peer.rib, family), name, read, time))

    def _pass_over(
        self, update: bytes, codec: Codec, feeds: Mapping[Family, str], time: float, taken: Taken
    ) -> bool:
        """Pass an UPDATE over of which no feed has a route that the policy asks about."""
        unasked: Unasked | None = None
        for family, name in feeds.items():
            interest = self._interest(name)
            unasked = None if interest is None else interest.pass_over_message(update, codec)
            if unasked is None:
                return False
            if unasked.announced <= {family} and unasked.withdrawn <= {family}:
                break  # the others have no route of it
        if unasked is None:
            return False
        announced, withdrawn = unasked
        for family, name in feeds.items():
            taken.events.append(Uninteresting(time, name, 1, announced & {family}, withdrawn & {family}))
        return True

    def _events(
        self, session: Session, of: tuple[Rib, Family], name: str, read: Read, time: float
    ) -> Iterator[Event]:
        """Yield what an UPDATE says of one feed."""
        family = of[1]
        if read.end_of_rib is not None:
            if read.end_of_rib == family:
                session.ends.add(of)
                if session.ends.issuperset(session.feeds):
                    self._remembered.forget_counted(session)  # nothing is left to find out by it
                yield from self._first_dump_over(of, name, time)
            return
        version = VERSIONS[family]
        announced = tuple([route for route in read.announced if route.prefix[0] == version])
        withdrawn = tuple([key for key in read.withdrawn if key[0][0] == version])
        if (interest := self._interest(name)) is not None:
            interest.note(announced)
        if name in self._shared:
            announced, withdrawn = self._remembered.mark(session, name, announced, withdrawn)
        if announced or withdrawn:
            yield Update(time, name, announced, withdrawn)

    def _first_dump_over(self, of: tuple[Rib, Family], name: str, time: float) -> Iterator[Event]:
        """Yield the end of a feed's first dump once it is the end for all of its sessions."""
        if all(of in self._sessions[key].ends for key in self._up[name]):
            yield EndOfRib(time, name, of[1])

    # Statistics ----------------------------------------------------------------------------------------

    def _take_statistics(self, message: Statistics, time: float) -> Iterator[Event]:
        if not self._has_statistics:
            self._has_statistics = True
            yield StatisticsBegan(time, self.process)
        session = self._sessions.get(message.peer.key)
        if session is None:
            return
        session.reported, session.is_silent = time, False
        for name in session.feeds.values():
            yield Alive(time, name)
        if session.has_all(message):
            self._remembered.forget_counted(session)
            for of, name in session.feeds.items():
                if of[0] is Rib.IN_POST and of not in session.ends:
                    session.ends.add(of)
                    yield from self._first_dump_over(of, name, time)

    # Time ----------------------------------------------------------------------------------------------

    def due(self) -> float | None:
        """Return when ``late`` has something to say next; ``None``: not before something else is read."""
        times = [
            session.reported + self._within for session in self._sessions.values() if not session.is_silent
        ]
        times = times if self._has_statistics else []
        others = (self._first_ups_by, self._policy.due())
        return min((*times, *(time for time in others if time is not None)), default=None)

    def late(self, now: float) -> list[Event]:
        """Return what it means that nothing more has been read until ``now``."""
        events: list[Event] = []
        if self._first_ups_by is not None and now >= self._first_ups_by:
            self._first_ups_by = None
            events += self._never_up(now)
        if self._has_statistics:
            events += self._silent(now)
        if self._policy.late(now):
            events += self._without_post_policy(now)
        return events

    def _without_post_policy(self, now: float) -> Iterator[Event]:
        """Without this, a feed that no route is ever reported of would count as complete, and its link as down."""
        for name in sorted(self._up):
            sessions = (self._sessions[key] for key in self._up[name])
            if any(name == of and rib is Rib.IN_POST for s in sessions for (rib, _), of in s.feeds.items()):
                yield RoutesUnreadable(now, name, ONLY_PRE_POLICY)

    def _never_up(self, now: float) -> Iterator[Event]:
        for name in sorted(self._monitored.names()):
            if self._up.get(name):
                continue
            words = self._last_words.get(name)
            yield SessionUnreported(now, name) if words is None else SessionDown(now, name, *words)

    def _silent(self, now: float) -> Iterator[Event]:
        """A hung router, or one whose neighbor was removed from its configuration, reports nothing at all any more."""
        for session in self._sessions.values():
            if not session.is_silent and now >= session.reported + self._within:
                session.is_silent = True
                for name in session.feeds.values():
                    if all(self._sessions[key].is_silent for key in self._up[name]):
                        yield SessionSilent(
                            now,
                            name,
                            f"the router has sent no statistics of the session for {self._within:g} s",
                        )


def _malformed(read: Read, feeds: Mapping[Family, str]) -> Iterator[Malformed]:
    """Yield what was malformed in an UPDATE, once: of the feed of its routes, where there are any."""
    for family, name in feeds.items():
        found = malformed_of(read, name)
        if found is not None and (found.prefix is None or found.prefix.family == family):
            yield found
            return


def _kind_name(kind: int) -> str:
    return Kind(kind).name.replace("_", " ").title() if kind in Kind.__members__.values() else f"type {kind}"
