"""What one router reports over one BMP connection, into events: each BGP session that it reports is a feed, or several.

The counterpart of ``ermon.exabgp.decode``. House rules: nothing here waits, logs or reads a clock, and ``RouterStream.take`` is total:
whatever the octets, it returns events, what it rejected, and, where the connection cannot go on, why.

All times are those of arrival. The times in the messages are wrong on every router that was tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple
from zlib import crc32

import msgspec

from ermon.bgp.interest import Interest, Unasked
from ermon.bgp.malformed import Malformed, malformed_of
from ermon.bgp.open import codec_between
from ermon.bgp.update import AttributesCache, Codec, Read, Unreadable, read_update
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
from ermon.model.prefixes import Address, Family
from ermon.model.routes import Route, RouteKey

FIRST_PEER_UPS_SECONDS = 10.0
"""How long after its Initiation a router may report the sessions that are up: the routers that were tried need half a second."""

STATISTICS_WITHIN_SECONDS = 180.0
"""How long a session may be without statistics, unless the configuration says otherwise."""

POST_POLICY_WITHIN_SECONDS = (10.0, 60.0)
"""A router that reports no route after its inbound policy this long after the latest, or the first, before it, reports none."""

ONLY_PRE_POLICY = "the router reports only what it receives before its inbound policy"

MAX_PEERS = 4_096
"""Sessions of a connection that ermon keeps in mind."""

MAX_COUNTED_ROUTES = 100_000
"""So many routes of first dumps are counted on a connection, to compare them with the numbers that the router reports."""

MAX_HELD_ROUTES = 200_000
"""Of a connection, so many routes are remembered by the session that they are of, where several are the same feed."""

Feeds = Mapping[tuple[Rib, Family], str]
"""The feeds that are made of one session, by what they are made of."""


class Monitored(msgspec.Struct, frozen=True):
    """Which sessions of a router are feeds."""

    by_session: Mapping[SessionKey, Feeds] = {}
    by_address: Mapping[Address, Feeds] = {}
    """Of sessions that are not among ``by_session``: by the neighbor's address, in whichever VRF."""
    by_asn: Mapping[int, Feeds] = {}
    """Of all others: by the neighbor's ASN. One feed may be made of several of them."""

    def feeds_of(self, key: SessionKey, asn: int) -> Feeds:
        found = self.by_session.get(key)
        if found is None:
            found = self.by_address.get(key.peer)
        return self.by_asn.get(asn, {}) if found is None else found

    def names(self) -> frozenset[str]:
        """Return the names of all feeds."""
        every = (*self.by_session.values(), *self.by_address.values(), *self.by_asn.values())
        return frozenset(name for feeds in every for name in feeds.values())

    def shared(self) -> frozenset[str]:
        """Return the names of the feeds that several sessions may be part of."""
        seen: set[str] = set()
        shared = {name for feeds in self.by_asn.values() for name in feeds.values()}
        for feeds in (*self.by_session.values(), *self.by_address.values()):
            shared |= seen.intersection(feeds.values())
            seen.update(feeds.values())
        return frozenset(shared)


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


class _Session:
    """One session that is a feed and is up."""

    def __init__(self, up: PeerUp, feeds: Feeds, time: float) -> None:
        self.identity = _identity(up)
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


_CODECS = {four_octet: Codec(four_octet=four_octet) for four_octet in (False, True)}
_ABOUT_A_SESSION = frozenset({Kind.ROUTE_MONITORING, Kind.STATISTICS, Kind.PEER_DOWN, Kind.PEER_UP})
_OUTBOUND = frozenset({Rib.OUT_PRE, Rib.OUT_POST})


def _path_id(key: SessionKey) -> int:
    """Return what tells the routes of a session from those of others that are part of the same feed: always the same number."""
    return crc32(key.distinguisher + key.peer.value.to_bytes(16, "big"))


def _identity(up: PeerUp) -> tuple[object, ...]:
    return (up.local, up.local_port, up.remote_port, up.sent.router_id, up.received.router_id)


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
        self._framer = Framer(max_octets)
        self._peers = Peers()
        self._attributes = AttributesCache()
        self._sessions: dict[SessionKey, _Session] = {}
        self._up: dict[str, set[SessionKey]] = {}
        """By feed: the sessions that are up."""
        self._peer_ups: dict[SessionKey, bytes] = {}
        """Of the sessions that are up: how they were reported."""
        self._last_words: dict[str, tuple[str, DownCause]] = {}
        """By feed that has not been up on this connection: why its session is down, as the router says."""
        self._counted = self._held = 0
        """Of all sessions: routes that are counted, and that are held."""
        self._ended: str | None = None
        self._initiated: float | None = None
        self._first_ups_over = False
        self._has_statistics = False
        self._pre_policy: tuple[float, float] | None = None
        """When routes before the inbound policy came first and last, until one after it comes."""
        self._has_post_policy = self._only_pre_policy = False

    @property
    def is_initiated(self) -> bool:
        """Whether the router has said who it is (RFC 7854 section 4.3)."""
        return self._initiated is not None

    def memory(self) -> bytes:
        """Return what another stream must take to read on from here."""
        reports = (write_message(Kind.PEER_UP, body) for body in self._peer_ups.values())
        return b"".join((write_message(Kind.INITIATION, b""), *reports)) if self.is_initiated else b""

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
            if self._initiated is None:
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
        if peer.rib is Rib.IN_POST:
            self._has_post_policy, self._only_pre_policy, self._pre_policy = True, False, None
        elif peer.rib is Rib.IN_PRE and not (self._has_post_policy or self._only_pre_policy):
            self._pre_policy = (self._pre_policy or (time, time))[0], time
        feeds = session.by_rib.get(peer.rib)
        if feeds is None or session.has_path_ids(peer.rib):
            return
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
                if self._initiated is None:
                    self._initiated = time
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
            if session.identity == _identity(up):
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
        session = self._sessions[key] = _Session(up, feeds, time)
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
            elif self._only_pre_policy and rib is Rib.IN_POST:
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
        self._forget_counted(session)
        held, session.held = session.held, None
        self._held -= sum(map(len, (held or {}).values()))
        for name in session.feeds.values():
            others = self._up[name]
            others.discard(key)
            if not others:
                yield (
                    SessionSilent(time, name, reason) if still_up else SessionDown(time, name, reason, cause)
                )
            elif held is None:
                yield MessagesLost(time, name, 0, f"of a session with more than {MAX_HELD_ROUTES} routes")
            elif routes := held.get(name):
                yield Update(time, name, (), tuple(sorted(routes)))

    # Routes --------------------------------------------------------------------------------------------

    def _take_update(
        self, session: _Session, message: RouteMonitoring, codec: Codec, time: float, taken: Taken
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
            self._count(session, read)
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
        self, session: _Session, of: tuple[Rib, Family], name: str, read: Read, time: float
    ) -> Iterator[Event]:
        """Yield what an UPDATE says of one feed."""
        family = of[1]
        if read.end_of_rib is not None:
            if read.end_of_rib == family:
                session.ends.add(of)
                if session.ends.issuperset(session.feeds):
                    self._forget_counted(session)  # nothing is left to find out by it
                yield from self._first_dump_over(of, name, time)
            return
        announced = tuple([route for route in read.announced if route.prefix.family == family])
        withdrawn = tuple([key for key in read.withdrawn if key[0].family == family])
        if (interest := self._interest(name)) is not None:
            interest.note(announced)
        if name in self._shared:
            announced, withdrawn = self._marked(session, name, announced, withdrawn)
        if announced or withdrawn:
            yield Update(time, name, announced, withdrawn)

    def _marked(
        self,
        session: _Session,
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
            self._held += len(held) - before
            if self._held > MAX_HELD_ROUTES:
                self._held -= sum(map(len, session.held.values()))
                session.held = None
        return routes, keys

    def _count(self, session: _Session, read: Read) -> None:
        """Count the routes of a session's first dump."""
        if session.counted is None:
            return
        for family, counted in session.counted.items():
            before = len(counted)
            if read.withdrawn:
                counted.difference_update(read.withdrawn)
            counted.update([route.key for route in read.announced if route.prefix.family == family])
            self._counted += len(counted) - before
        if self._counted > MAX_COUNTED_ROUTES:
            self._forget_counted(session)

    def _forget_counted(self, session: _Session) -> None:
        self._counted -= sum(map(len, (session.counted or {}).values()))
        session.counted = None

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
        if session.counted is not None and _is_complete(session.counted, message):
            self._forget_counted(session)
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
        if self._initiated is not None and not self._first_ups_over:
            times.append(self._initiated + FIRST_PEER_UPS_SECONDS)
        if self._pre_policy is not None:
            times.append(_post_policy_by(*self._pre_policy))
        return min(times, default=None)

    def late(self, now: float) -> list[Event]:
        """Return what it means that nothing more has been read until ``now``."""
        events: list[Event] = []
        if (
            self._initiated is not None
            and not self._first_ups_over
            and now >= self._initiated + FIRST_PEER_UPS_SECONDS
        ):
            self._first_ups_over = True
            events += self._never_up(now)
        if self._has_statistics:
            events += self._silent(now)
        if self._pre_policy is not None and now >= _post_policy_by(*self._pre_policy):
            self._pre_policy, self._only_pre_policy = None, True
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


def _post_policy_by(first: float, last: float) -> float:
    return min(last + POST_POLICY_WITHIN_SECONDS[0], first + POST_POLICY_WITHIN_SECONDS[1])


def _malformed(read: Read, feeds: Mapping[Family, str]) -> Iterator[Malformed]:
    """Yield what was malformed in an UPDATE, once: of the feed of its routes, where there are any."""
    for family, name in feeds.items():
        found = malformed_of(read, name)
        if found is not None and (found.prefix is None or found.prefix.family == family):
            yield found
            return


def _is_complete(routes: Mapping[Family, set[RouteKey]], reported: Statistics) -> bool:
    """Return whether as many routes came as the router says it has. RFC 7854 section 4.8, types 7 and 9.

    A router that counts routes which its own policy rejects reports more: then the number says nothing.
    """
    if reported.routes_in is not None:
        return reported.routes_in == sum(map(len, routes.values()))
    by_family = reported.routes_in_by_family
    return bool(by_family) and all(
        count == len(routes.get(family, ())) for family, count in by_family.items()
    )


def _kind_name(kind: int) -> str:
    return Kind(kind).name.replace("_", " ").title() if kind in Kind.__members__.values() else f"type {kind}"
