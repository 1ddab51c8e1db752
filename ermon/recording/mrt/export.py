"""A recording as MRT, for bgpdump and all other tools: what ``ermon recording export --mrt`` writes (RFC 6396, RFC 8050).

All records are of type BGP4MP_ET. UPDATEs have the octets that the router sent, where the recording has them: raw UPDATEs, and what
routers report by BMP. Otherwise, as in ExaBGP's JSON and in snapshots, they are encoded again. What MRT has no record for is left
out, and counted.

Pure: nothing here reads files or a clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec

from ermon.bgp.encode import write_open
from ermon.bgp.header import MAX_MESSAGE_OCTETS
from ermon.bgp.update import Codec
from ermon.bmp.sessions import monitored
from ermon.exabgp.decode import Decoder
from ermon.exabgp.lines import FAMILY_OF, Line, RawUpdates
from ermon.exabgp.runs import size_of_update
from ermon.model.events import (
    AddPathNegotiated,
    AddPathOffered,
    Alive,
    EndOfRib,
    Event,
    HoldTimeZero,
    MessagesLost,
    ProcessDown,
    RefreshBegan,
    RefreshEnded,
    SessionDown,
    SessionUp,
    Uninteresting,
    Update,
)
from ermon.model.inventory import Config, Feed, View
from ermon.model.prefixes import Address, Family, parse_address
from ermon.model.routes import Attributes, RouteKey
from ermon.mrt.sessions import End
from ermon.recording import entries
from ermon.recording.entries import Connected, Happened, Head, Reported, Started, State, addressed
from ermon.recording.mrt.bmp import ReportedRouter
from ermon.recording.mrt.wire import Wire
from ermon.recording.replay import Continuity

USUAL_HOLD_TIME = 90
"""Seconds, in OPENs of which the recording does not say it (RFC 4271 section 10)."""

_LINES = msgspec.json.Decoder(Line)
_OUTBOUND = frozenset({View.TO_MICROSOFT, View.TO_INTERNET})
_Held = dict[RouteKey, Attributes]


class Selection(NamedTuple):
    """What is exported."""

    feeds: frozenset[str]
    since: float | None = None
    """Seconds since the epoch: what the feeds had received until then comes first, at this time. ``None``: from the begin."""
    until: float | None = None


class _OwnSession:
    """A session of ermon."""

    def __init__(self, feed: Feed, left_out: Counter[str]) -> None:
        self.feed = feed
        peer = End(parse_address(feed.peer), feed.peer_asn)
        self.wire = Wire(peer, End(parse_address(feed.local), feed.local_asn), left_out)
        self.sends_paths: frozenset[Family] | None = None
        """The families of ADD-PATH; ``None``: the recording does not say them."""
        self.hold_time: int | None = None

    def opens(self, router_id: str) -> dict[bool, bytes]:
        """Return the router's OPEN as far as the recording says it; ermon's own says nothing more."""
        if self.sends_paths is None:
            return {}
        try:
            identifier = parse_address(router_id)
        except ValueError:
            identifier = Address(4, 0)
        hold_time = USUAL_HOLD_TIME if self.hold_time is None else self.hold_time
        asn, families = self.feed.peer_asn, self.feed.families
        return {False: write_open(asn, identifier, families, self.sends_paths, hold_time)}

    def forget(self) -> None:
        """The next session has OPENs of its own."""
        self.sends_paths, self.hold_time = None, None


class MrtExport:
    """Reads one recording, and writes its sessions."""

    def __init__(self, config: Config, selection: Selection, note: Callable[[str], None]) -> None:
        """``note`` is called with messages about the recording for the user."""
        self.left_out: Counter[str] = Counter()
        """What no record can say: how often."""
        self.rejected = 0
        """The number of lines that cannot be read."""
        self.lines = 0
        self._selection = selection
        self._config = config
        self._files = Continuity(note)
        feeds = config.feeds
        self._addressed = {name: addressed(feed) for name, feed in feeds.items()}
        self._decoder = Decoder(self._addressed)
        twins = {name for name in selection.feeds if _twin(feeds[name], selection.feeds, config) is not None}
        for name in sorted(twins):
            note(
                f"{name} is left out: MRT cannot tell it from {_twin(feeds[name], selection.feeds, config)}; --feed {name} exports it alone"
            )
        self._names = selection.feeds - twins
        self._own = {
            name: _OwnSession(feeds[name], self.left_out)
            for name in sorted(self._names)
            if feeds[name].by_exabgp
        }
        self._routers = {
            router: ReportedRouter(monitored(config, router), self._names, self.left_out)
            for router in sorted(config.bmp)
        }
        self._routes: dict[str, _Held] | None = None
        """The routes of the snapshot that is being read, by feed."""
        self._writing = selection.since is None

    def records(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the records of a recording."""
        for line in lines:
            self.lines += 1
            try:
                if line.startswith(entries.MARK):
                    entry = entries.read_entry(line)
                    yield from self._at(entry.time, self._take_entry(entry.ermon, entry.time))
                elif line.strip() and not self._files.skipping:
                    yield from self._take_line(line)
            except ValueError:
                self.rejected += 1

    def _at(self, time: float, records: Iterator[bytes]) -> Iterator[bytes]:
        """Yield records of this time, as far as they are asked for; what they say is known in any case."""
        since, until = self._selection.since, self._selection.until
        if not self._writing and since is not None and time >= since:
            yield from self._present(since)
        if until is not None and time > until:
            return
        for record in records:
            if self._writing:
                yield record

    def _present(self, time: float) -> Iterator[bytes]:
        """Yield what the feeds have until ``time``: from here on, all is written."""
        self._writing = True
        for session in self._own.values():
            yield from session.wire.present(time)
        for router in self._routers.values():
            for reported in router.sessions.values():
                yield from reported.wire.present(time)

    # Lines of ExaBGP -----------------------------------------------------------------------------------

    def _take_line(self, line: bytes) -> Iterator[bytes]:
        decoded = self._decoder.decode(line)
        self.rejected += decoded.rejected is not None
        is_raw = decoded.behind is not None
        for event in decoded.events:
            if is_raw and isinstance(event, Update | EndOfRib | Alive | Uninteresting):
                continue  # the octets say so
            if self._routes is not None:
                self._take_held(event)
            else:
                yield from self._at(event.time, self._take_event(event))
        if decoded.behind is not None and self._routes is None:
            message = _LINES.decode(line)
            session = self._own.get(decoded.behind[0])
            if session is not None and message.neighbor is not None and message.neighbor.raw is not None:
                records = self._take_raw(session, message.neighbor.raw, round(message.time, 6))
                yield from self._at(round(message.time, 6), records)

    def _take_raw(self, session: _OwnSession, raw: RawUpdates, time: float) -> Iterator[bytes]:
        add_path = frozenset(FAMILY_OF[name] for name in raw.add_path if name in FAMILY_OF)
        codec, at = Codec(raw.asn4, add_path), 0
        while size := size_of_update(raw.body, at, MAX_MESSAGE_OCTETS):
            octets = raw.body[at : at + size]
            if len(octets) < size:
                return
            yield from session.wire.message(time, octets, codec, session.feed.families)
            at += size

    def _take_held(self, event: Event) -> None:
        """Take what a snapshot says: routes, and what a session's OPEN said."""
        if isinstance(event, Update) and self._routes is not None:
            held = self._routes.setdefault(event.feed, {})
            held.update({route.key: route.attributes for route in event.announced})

    def _take_event(self, event: Event) -> Iterator[bytes]:
        if isinstance(event, ProcessDown):
            for session in self._own.values():
                if session.feed.process == event.process:
                    yield from self._end(session, event.time)
            return
        name = getattr(event, "feed", None)
        if isinstance(event, MessagesLost) and name in self._names:
            self.left_out["that messages of a feed were lost"] += 1
        session_or_none = self._own.get(name or "")
        if session_or_none is not None:
            yield from self._take_session_event(session_or_none, event)

    def _take_session_event(self, session: _OwnSession, event: Event) -> Iterator[bytes]:
        wire = session.wire
        match event:
            case AddPathOffered(families=families) if session.sends_paths is None:
                session.sends_paths = families
                opened = self._decoder.memory.opens.get(session.feed.name)
                session.hold_time = opened.hold_time if opened is not None else None
            case AddPathNegotiated(families=families):
                session.sends_paths = families
            case HoldTimeZero():
                session.hold_time = 0
            case SessionUp(time=time):
                opened = self._decoder.memory.opens.get(session.feed.name)
                yield from wire.start(time, session.opens(opened.router_id if opened is not None else ""))
            case SessionDown(time=time):
                yield from self._end(session, time)
            case Update(time=time, announced=announced, withdrawn=withdrawn):
                yield from wire.update(time, announced, withdrawn)
            case EndOfRib(time=time, family=family):
                yield from wire.end_of_rib(time, family)
            case RefreshBegan(family=family):
                wire.refresh_began(family)
            case RefreshEnded(time=time, family=family):
                yield from wire.refresh_ended(time, family)

    def _end(self, session: _OwnSession, time: float) -> Iterator[bytes]:
        session.forget()
        yield from session.wire.end(time)

    # ermon's own entries -------------------------------------------------------------------------------

    def _take_entry(self, entry: entries.Entry, time: float) -> Iterator[bytes]:
        match entry:
            case Head():
                self._files.begin(entry)
                if not self._files.skipping:
                    self._routes, self._decoder = {}, Decoder(self._addressed)
            case State() if self._files.skipping:
                self._files.skipping = False
            case State():
                yield from self._begin(entry)
            case _ if self._files.skipping:
                pass
            case entries.End():
                self._files.ended = True
            case Started(process, pid):
                self._decoder.process_started(process, pid)
            case Connected() | Reported():
                yield from self._take_report(entry, time)
            case Happened():
                yield from self._take_event(entry.event)

    def _take_report(self, entry: Connected | Reported, time: float) -> Iterator[bytes]:
        router = self._routers.get(entry.router)
        if router is None:
            return
        if isinstance(entry, Connected):
            router.connect()
        else:
            yield from router.take(entry.octets, time)

    def _begin(self, state: State) -> Iterator[bytes]:
        """Yield what changes from the end of the last file to the snapshot of another."""
        routes, self._routes = self._routes or {}, None
        self._decoder = Decoder(self._addressed, state.decoder)
        time = state.snapshot.now
        for name, session in self._own.items():
            memory = state.snapshot.feeds.get(name)
            if memory is None or not memory.session.up:
                yield from self._end(session, time)
                continue
            known = memory.session
            session.sends_paths = known.offered if known.negotiated is None else known.negotiated
            session.hold_time = 0 if known.no_hold else None
            if not session.wire.is_up and not known.joined:
                opened = state.decoder.opens.get(name)
                opens = session.opens(opened.router_id if opened is not None else "")
                yield from session.wire.start(time, opens)
            families = session.feed.families
            yield from session.wire.replace(time, routes.get(name, {}), families, is_local=False)
            for family, sync in known.families.items():
                if sync.end_of_rib_at is not None:
                    yield from session.wire.end_of_rib(time, family)
        for router, octets in state.connections.items():
            if router in self._routers:
                yield from self._begin_router(self._routers[router], octets, state, routes)

    def _begin_router(
        self, router: ReportedRouter, octets: bytes, state: State, routes: dict[str, _Held]
    ) -> Iterator[bytes]:
        """Yield what a router had reported until a snapshot."""
        time = state.snapshot.now
        router.connect()
        yield from router.take(octets, time)
        for reported in router.sessions.values():
            of = reported.session
            for (_, family), name in of.feeds.items():
                held, is_local = routes.get(name, {}), self._config.feeds[name].view in _OUTBOUND
                yield from reported.wire.replace(
                    time, _of_session(held, family, of.path_id), (family,), is_local=is_local
                )
                memory = state.snapshot.feeds.get(name)
                sync = None if memory is None else memory.session.families.get(family)
                if sync is not None and sync.end_of_rib_at is not None:
                    yield from reported.wire.end_of_rib(time, family, is_local=is_local)


def _of_session(held: _Held, family: Family, path_id: int) -> _Held:
    """Return the routes of one of the sessions that are a feed: where there are several, their path identifiers say of which."""
    return {
        (prefix, None): attributes
        for (prefix, of), attributes in held.items()
        if prefix.family == family and of in {None, path_id}
    }


def _twin(feed: Feed, names: Iterable[str], config: Config) -> str | None:
    """Return the feed of what a router accepts in the session of which this one is before its inbound policy."""
    if not (feed.by_bmp and feed.pre_policy):
        return None
    about = feed.router, feed.peer, feed.peer_asn, feed.distinguisher, feed.families, feed.view
    for name in sorted(names):
        other = config.feeds[name]
        is_alike = (
            other.router,
            other.peer,
            other.peer_asn,
            other.distinguisher,
            other.families,
            other.view,
        ) == about
        if other.by_bmp and not other.pre_policy and is_alike:
            return name
    return None
