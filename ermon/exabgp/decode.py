"""Decodes one line of ExaBGP's JSON into events. Only ``lines``, ``messages`` and ``updates`` know this format too.

House rules: nothing here waits, sleeps, logs or reads a clock. ``Decoder.decode`` is total: for any line, it returns
events, or a rejection that the caller counts by its reason; it never raises.

Only the counter shows that a message is missing. ``updates`` lists what else the format lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum

import msgspec

from ermon.bgp.interest import Interest
from ermon.bgp.malformed import Malformed
from ermon.bgp.update import Unreadable
from ermon.exabgp.frames import FrameReader
from ermon.exabgp.lines import (
    Envelope,
    Line,
    Neighbor,
    Peer,
    RawUpdates,
)
from ermon.exabgp.messages import (
    read_farewell,
    read_listening,
    read_negotiated,
    read_offer,
    read_refresh,
    read_refused,
    read_update,
)
from ermon.exabgp.reasons import PeerOpen, session_end
from ermon.model.events import (
    Alive,
    ConnectionsRefused,
    Event,
    ListeningJudged,
    MessagesLost,
    ProcessDown,
    ProcessUp,
    SessionDown,
    SessionUp,
)
from ermon.model.inventory import Feed
from ermon.model.prefixes import parse_address

MAX_LINE_BYTES = 8 * 1024 * 1024
"""A longer line is refused. An UPDATE of 65,535 octets (RFC 8654) makes a line of 1.6 MB."""

MAX_QUOTED_CHARACTERS = 300
"""How much of a rejected line is logged: enough for its type and its neighbor."""

_LINES = msgspec.json.Decoder(Line)
_ENVELOPES = msgspec.json.Decoder(Envelope)


class RejectReason(StrEnum):
    """Why a line was rejected: a closed set, so it can be a metric's label."""

    TOO_LONG = "too-long"
    NOT_JSON = "not-json"
    NOT_EXABGP = "not-exabgp"
    """JSON, but not an ExaBGP message with a valid time."""
    UNKNOWN_TYPE = "unknown-type"
    UNKNOWN_FEED = "unknown-feed"
    """Its pair of addresses is not a feed, its process is unknown, or the feed belongs to another process."""
    BAD_UPDATE = "bad-update"
    """An UPDATE that cannot be read completely: it is lost for its feed."""
    BAD_MESSAGE = "bad-message"
    """Any other message that cannot be read."""
    BAD_CONTROL = "bad-control"
    """A line that is marked as the relay's own, but is invalid."""


class Rejected(msgspec.Struct, frozen=True):
    """A line that could not be read, or not completely."""

    reason: RejectReason
    detail: str
    """The error; bounded, and printable ASCII."""
    line: str
    """Its beginning; bounded, and escaped to printable ASCII."""


class Decoded(msgspec.Struct):
    """The result of one line. A rejected line also has events if it shows that messages were lost."""

    events: list[Event]
    rejected: Rejected | None = None
    answer: str | None = None
    """The answer to ExaBGP about the session (``raw.ANSWER``)."""
    malformed: list[Malformed] = []
    """UPDATEs with malformed attributes. ExaBGP's JSON does not report them."""
    behind: tuple[str, float] | None = None
    """The feed of raw UPDATEs, and for how many seconds more of them waited (``RawUpdates.behind``)."""


class _RejectLine(Exception):  # noqa: N818 - an action; it never leaves this file
    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class DecoderMemory(msgspec.Struct, omit_defaults=True):
    """The state by which the decoder finds missing messages and outdated lines."""

    counters: dict[str, tuple[int, int]] = {}
    """By feed: process id and counter of its last line."""
    pids: dict[str, int] = {}
    """By process: the process id of its last line."""
    ended: set[int] = set()
    """Process ids of processes that have reported their shutdown."""
    farewells: dict[str, str] = {}
    """By feed: the Shutdown Communication before its ``down``."""
    opens: dict[str, PeerOpen] = {}
    """By feed: the content of the router's OPEN on the present connection."""


class Decoder:
    """Reads the lines of all ExaBGP processes. A new decoder with its ``memory`` continues its work."""

    def __init__(
        self,
        feeds: Mapping[str, Feed],
        memory: DecoderMemory | None = None,
        interest: Callable[[str], Interest | None] = lambda _: None,
    ) -> None:
        """``interest`` returns what the policy needs of a feed, by its name. The caller must apply all events of a line
        before it decodes the next one.
        """
        self.memory = memory or DecoderMemory()
        self._frames = FrameReader()
        self._interest = interest
        self.set_feeds(feeds)

    def set_feeds(self, feeds: Mapping[str, Feed]) -> None:
        """Change to the feeds of a new configuration; the counters of remaining feeds continue."""
        self._feeds = {_canonical(feed.local, feed.peer): feed for feed in feeds.values()}
        self._listens = {feed.local: feed.process for feed in feeds.values()}
        counters, farewells, opens = self.memory.counters, self.memory.farewells, self.memory.opens
        self.memory.counters = {name: count for name, count in counters.items() if name in feeds}
        self.memory.farewells = {name: text for name, text in farewells.items() if name in feeds}
        self.memory.opens = {name: said for name, said in opens.items() if name in feeds}

    def process_started(self, process: str, pid: int) -> None:
        """Register a process before its first line, with the process id that its starter knows."""
        self.memory.pids[process] = pid
        self.memory.ended.discard(pid)  # the kernel reuses process ids

    def decode(self, line: bytes, process: str | None = None) -> Decoded:
        """Return the events of ``line`` (with or without its line feed), in order.

        ``process`` is the sender, if known; it may report only its own feeds. An attacker who controls the process with
        the internet feeds must not be able to send routes of the edge routers.
        """
        decoded = Decoded([])
        try:
            self._decode(line, process, decoded)
        except _RejectLine as rejection:
            decoded.rejected = Rejected(rejection.reason, _quoted(str(rejection)), _quoted(line))
        return decoded

    def _decode(self, line: bytes, process: str | None, decoded: Decoded) -> None:
        """Add the content of a line to ``decoded``."""
        events = decoded.events
        if len(line) > MAX_LINE_BYTES:
            raise _RejectLine(RejectReason.TOO_LONG, f"{len(line)} bytes, over {MAX_LINE_BYTES}")
        try:
            message = _LINES.decode(line)
        except (ValueError, RecursionError) as error:
            envelope = _read_envelope(line)
            if envelope.neighbor is None:
                raise _RejectLine(RejectReason.BAD_MESSAGE, str(error)) from None
            feed = self._receive(envelope, envelope.neighbor, process, events)
            raise _reject_body(envelope, feed, str(error), events) from None
        if message.neighbor is None:
            self._read_process(message, process, events)
            return
        feed = self._receive(message, message.neighbor, process, events)
        if message.pid in self.memory.ended:
            return  # written before its end, but read after it: no longer valid
        if message.type == "raw":
            self._read_frame(message, message.neighbor.raw, feed, decoded)
            return
        try:
            events += self._read_message(message, message.neighbor, feed)
        except ValueError as error:
            raise _reject_body(message, feed, str(error), events) from None

    def _read_frame(self, line: Line, frame: RawUpdates | None, feed: Feed, decoded: Decoded) -> None:
        """Add the events of raw UPDATEs and the due answer."""
        events = decoded.events
        if frame is None:
            raise _reject_body(line, feed, "no UPDATEs in it", events)
        decoded.behind = feed.name, frame.behind
        if frame.answer:
            decoded.answer = f"taken {frame.session} {frame.octets}"
        read = self._frames.read(frame, feed.name, _time(line), decoded.malformed, self._interest(feed.name))
        try:
            events.extend(read)  # events before an error count
        except Unreadable as error:
            decoded.answer = f"unreadable {frame.session}"
            raise _RejectLine(RejectReason.BAD_UPDATE, str(error)) from None
        except ValueError as error:
            raise _reject_body(line, feed, str(error), events) from None

    def _receive(self, line: Envelope, neighbor: Peer, process: str | None, events: list[Event]) -> Feed:
        """Find a line's feed, and add the events that follow from its process id and counter."""
        local, peer = neighbor.address.local, neighbor.address.peer
        feed = self._feeds.get((local, peer)) or self._feeds.get(_canonical(local, peer))
        if feed is None:
            raise _RejectLine(RejectReason.UNKNOWN_FEED, f"local {local}, peer {peer}")
        self._require_own(line, process)
        if process is not None and feed.process != process:
            raise _RejectLine(RejectReason.UNKNOWN_FEED, f"{feed.name} is not a feed of process {process}")
        if line.pid in self.memory.ended:
            return feed
        if self.memory.pids.get(feed.process) != line.pid:
            events += self._replace_process(feed.process, line)
        if line.counter is not None:
            missing = self._count(feed.name, line.pid, line.counter)
            if missing:
                events.append(MessagesLost(_time(line), feed.name, missing, "gap in ExaBGP's counter"))
        return feed

    def _require_own(self, line: Envelope, process: str | None) -> None:
        """Reject a line with the process id of another process."""
        if process is not None and self.memory.pids.get(process) != line.pid:
            raise _RejectLine(RejectReason.UNKNOWN_FEED, f"process {line.pid}, which is not {process}")

    def _replace_process(self, process: str, line: Envelope) -> Iterator[Event]:
        """Yield the end of a process whose place another one has taken, and the start of the new one."""
        previous = self.memory.pids.get(process)
        self.memory.pids[process] = line.pid
        if previous is not None and previous not in self.memory.ended:
            self.memory.ended.add(previous)
            yield ProcessDown(_time(line), process, "another ExaBGP process took its place")
        yield ProcessUp(_time(line), process)

    def _count(self, feed: str, pid: int, counter: int) -> int:
        """Return the number of missing lines before the one with ``counter``."""
        last_pid, last = self.memory.counters.get(feed, (None, 0))
        self.memory.counters[feed] = (pid, counter)
        if pid != last_pid or counter == last + 1:
            return 0
        # After a reload, the counter starts again at 1 with the end of the session.
        return counter - last - 1 if counter > last else max(counter - 1, 0)

    def _read_process(self, line: Line, process: str | None, events: list[Event]) -> None:
        """Read a line without a neighbor."""
        self._require_own(line, process)
        try:
            if line.listening is not None:
                events += self._own(read_listening(line.listening, _time(line)), process)
            elif line.refused is not None:
                events += self._own(read_refused(line.refused, _time(line)), process)
            else:
                self._read_shutdown(line, events)
        except ValueError as error:
            raise _RejectLine(RejectReason.BAD_MESSAGE, str(error)) from None

    def _own(
        self, events: Iterable[ListeningJudged | ConnectionsRefused], process: str | None
    ) -> Iterator[Event]:
        """Yield events about the process' own addresses, or without an address; a reload may have removed an address meanwhile."""
        for event in events:
            if process is None or not event.local or self._listens.get(event.local) == process:
                yield event

    def _read_shutdown(self, line: Line, events: list[Event]) -> None:
        if line.notification != "shutdown":
            raise _RejectLine(RejectReason.BAD_MESSAGE, f"type {line.type!r} without a neighbor")
        processes = [process for process, pid in self.memory.pids.items() if pid == line.pid]
        if not processes:
            all_processes = {feed.process for feed in self._feeds.values()}
            processes = list(all_processes) if len(all_processes) == 1 else []
        if not processes:
            raise _RejectLine(RejectReason.UNKNOWN_FEED, f"process {line.pid}, which no feed has spoken with")
        self.memory.ended.add(line.pid)
        events += [ProcessDown(_time(line), process, "ExaBGP shut down") for process in processes]

    def _read_message(self, line: Line, neighbor: Neighbor, of: Feed) -> Iterable[Event]:
        """Return the events of a message; ``ValueError`` if it is invalid."""
        if neighbor.direction == "send":
            return ()
        time, feed = _time(line), of.name
        match line.type:
            case "update":
                return (read_update(neighbor, feed, time),)
            case "keepalive":
                return (Alive(time, feed),)
            case "refresh":
                return (read_refresh(neighbor, feed, time),)
            case "open":
                return self._read_open(neighbor, feed, time)
            case "negotiated":
                return read_negotiated(neighbor, feed, time)
            case "state":
                return self._read_state(neighbor, of, time)
            case "notification":
                self.memory.farewells[feed] = read_farewell(neighbor)
                return ()
            case "fsm" | "signal" | "nop":
                return ()
        raise _RejectLine(RejectReason.UNKNOWN_TYPE, f"type {line.type!r}")

    def _read_open(self, neighbor: Neighbor, feed: str, time: float) -> Iterable[Event]:
        said = neighbor.open
        if said is None:  # a raw message: only the parsed form is used
            return ()
        asn4 = said.capabilities.asn4.asn4
        self.memory.opens[feed] = PeerOpen(said.asn if asn4 is None else asn4, said.router_id, said.hold_time)
        return read_offer(said, feed, time)

    def _read_state(self, neighbor: Neighbor, feed: Feed, time: float) -> Iterable[Event]:
        match neighbor.state:
            case "connected":
                self.memory.opens.pop(feed.name, None)
                return ()
            case "up":
                self.memory.farewells.pop(feed.name, None)
                self.memory.opens.setdefault(feed.name, PeerOpen())  # an OPEN was received, but not reported
                return (SessionUp(time, feed.name),)
            case "down":
                farewell = self.memory.farewells.pop(feed.name, "")
                reason = session_end(neighbor.reason, feed, self.memory.opens.pop(feed.name, None), farewell)
                return (SessionDown(time, feed.name, reason),)
        raise ValueError(f"state {neighbor.state!r}")


def _time(line: Envelope) -> float:
    return round(line.time, 6)


def _canonical(local: str, peer: str) -> tuple[str, str]:
    try:
        return str(parse_address(local)), str(parse_address(peer))
    except ValueError:
        return local, peer


def reject_control(line: bytes) -> Rejected:
    """Reject a line that is marked as the relay's own."""
    return Rejected(RejectReason.BAD_CONTROL, "the relay writes no such line", _quoted(line))


def _quoted(text: str | bytes) -> str:
    """Return the beginning of ``text`` in printable ASCII, with the number of omitted characters."""
    kept = text[:MAX_QUOTED_CHARACTERS]
    decoded = kept.decode("utf-8", "backslashreplace") if isinstance(kept, bytes) else kept
    printable = decoded.encode("unicode_escape").decode("ascii")
    left_out = len(text) - len(kept)
    return f"{printable}... ({left_out} more)" if left_out else printable


def _read_envelope(line: bytes) -> Envelope:
    try:
        return _ENVELOPES.decode(line)
    except msgspec.ValidationError as error:
        raise _RejectLine(RejectReason.NOT_EXABGP, str(error)) from None
    except (ValueError, RecursionError) as error:
        raise _RejectLine(RejectReason.NOT_JSON, str(error)) from None


def _reject_body(line: Envelope, feed: Feed, detail: str, events: list[Event]) -> _RejectLine:
    """Return the rejection of a feed's line whose rest is invalid; an UPDATE is skipped completely, and counts as lost."""
    if line.type not in {"update", "raw"}:
        return _RejectLine(RejectReason.BAD_MESSAGE, detail)
    events.append(MessagesLost(_time(line), feed.name, 1, "an UPDATE could not be decoded"))
    return _RejectLine(RejectReason.BAD_UPDATE, detail)
