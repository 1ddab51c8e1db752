"""Reads a router's connection ahead, so that what the router says of the state of a session waits for no routes.

A router sends everything on one connection: the end of a session with Microsoft comes behind whatever was said before of the
table of an internet provider, and judging that takes seconds. So messages are judged in two orders. Here only the length,
the type and the per-peer header of a message are looked at, which takes a microsecond.

- **At once**, in the order in which they came: Initiation, Peer Up, Peer Down, and what nobody has to judge (the routes of
  sessions that are no feed, Route Mirroring). So of two Peer Ups and Peer Downs the first is always judged first, also where
  several sessions are one feed.
- **In turns**, in the order in which those of *one session* came: Route Monitoring and Statistics Reports. End-of-RIB is Route
  Monitoring. A report says how many routes there are, and that the session lives: both only count with the routes in front
  of it. Which session's turn it is: see ``Turns``. The first dump of a table takes many turns, and a change takes one.
- **At last**, behind all that waits: what ends the connection, which says nothing of the sessions.

Between a session and its routes no order is lost. Only routes of a session that is up wait. When it ends, what fits into one
turn is judged first, and more than that is moot and is passed over: all of its routes go, whatever it has announced or
withdrawn before. It is counted.

What is judged is whole messages. Another ``RouterStream`` that reads them in the order in which they were judged, as out of a
recording, comes to the same events.

House rules as in ``ermon.bmp.router``: nothing here waits, logs or reads a clock, and nothing raises, whatever the octets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from ermon.bmp.messages import (
    COMMON_HEADER_OCTETS,
    KIND_AT,
    MAX_PEERS_REMEMBERED,
    PEER_HEADER_OCTETS,
    TELLING_OCTETS,
    BmpError,
    Framer,
    Kind,
    SessionKey,
    read_peer,
)
from ermon.bmp.reported import Session
from ermon.bmp.router import RouterStream, Taken
from ermon.bmp.turns import Turns

PIECE_OCTETS = 2**13
"""Of a session, so much is judged in a turn: some 60 messages with a route each, which take a millisecond."""
PIECE_COST_OCTETS = 256
"""What a piece takes in memory besides its octets: many small ones count as what they take."""

_LEAST_OCTETS = COMMON_HEADER_OCTETS + PEER_HEADER_OCTETS
"""A shorter message about a session does not say which."""
_TELLING = slice(KIND_AT, COMMON_HEADER_OCTETS + TELLING_OCTETS)
"""Where a message says of which type it is, and of which table of which session."""
_IN_TURNS = (Kind.ROUTE_MONITORING, Kind.STATISTICS)
_STATES = (Kind.PEER_DOWN, Kind.PEER_UP)
_ABOUT_A_SESSION = frozenset({*_IN_TURNS, *_STATES})


class Judged(NamedTuple):
    """What became of some messages."""

    octets: bytes
    """The messages, in the order in which they were judged."""
    taken: Taken
    moot: int = 0
    """So many others are never judged, because these say that their session has ended."""


class _Piece:
    """Some messages of one session in a row."""

    __slots__ = ("age", "octets")

    def __init__(self, age: int) -> None:
        self.age = age
        self.octets = bytearray()


class _Line:
    """Everything of one session that waits."""

    __slots__ = ("has_turn", "messages", "pieces", "session")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.pieces: deque[_Piece] = deque()
        self.messages = 0
        self.has_turn = False
        """Whether it waits for a turn; something of it may be judged before."""

    @property
    def octets(self) -> int:
        return sum(len(piece.octets) + PIECE_COST_OCTETS for piece in self.pieces)


class ReadAhead:
    """Cuts what comes on a connection into messages, and has its ``stream`` judge them in their order."""

    def __init__(self, stream: RouterStream) -> None:
        self.stream = stream
        self.octets = 0
        """How much waits."""
        self._framer = Framer(stream.max_octets)
        self._lines: dict[SessionKey, _Line] = {}
        self._turns: Turns[_Line] = Turns()
        self._known: dict[bytes, _Line | None] = {}
        """By what tells of which table of which session a message is: where it waits, ``None``: it is judged at once."""
        self._last: bytes | None = None
        """What ends the connection. Whatever comes behind it means nothing."""
        self._age = 0

    @property
    def waits(self) -> bool:
        return bool(self.octets or self._last)

    def mark(self) -> int:
        """Return a mark behind everything that has been read, for ``is_over``."""
        self._age += 1
        return self._age

    def is_over(self, mark: int) -> bool:
        """Return whether everything that had been read before is judged."""
        return not self._last and all(
            not line.pieces or line.pieces[0].age >= mark for line in self._lines.values()
        )

    def forget(self) -> int:
        """Forget everything that waits: the connection means nothing any more. Return how many messages that are."""
        self._last = b""
        return sum(map(self._drop, self._lines.values()))

    # Reading -------------------------------------------------------------------------------------------

    def read(self, data: bytes, time: float) -> Iterator[Judged]:
        """Read octets; yield what is judged at once, at ``time``. It must be asked for until the end."""
        at_once = bytearray()
        if self._last is not None:
            return
        try:
            for message in self._framer.cut(data):
                kind = message[KIND_AT]
                if kind == Kind.TERMINATION or (kind in _ABOUT_A_SESSION and len(message) < _LEAST_OCTETS):
                    self._last = message
                    break
                if kind in _IN_TURNS:
                    line = self._line(message)
                    if line is not None:
                        self._put(line, message)
                        continue
                if kind in _STATES:
                    yield from self._judge_state(message, at_once, time)
                else:
                    at_once += message
        except BmpError:
            self._last = self._framer.rest[:COMMON_HEADER_OCTETS]
        if at_once:
            yield self._judge_at_once(at_once, time)

    def _judge_at_once(self, messages: bytearray, time: float) -> Judged:
        octets = bytes(messages)
        messages.clear()
        return Judged(octets, self.stream.take(octets, time))

    def _judge_state(self, message: bytes, in_front: bytearray, time: float) -> Iterator[Judged]:
        """Judge a Peer Up or Peer Down, behind the messages ``in_front`` and the little that may wait of its session.

        That little takes a moment, and with it nothing is passed over of a session of which no table is streaming in.
        """
        key = read_peer(message[COMMON_HEADER_OCTETS:]).key
        line = self._lines.get(key)
        if line is not None and len(line.pieces) == 1:
            yield self._judge_piece(line, time)
        in_front += message
        judged = self._judge_at_once(in_front, time)
        self._known.clear()  # of which sessions routes have to wait is another question now
        if line is None or self.stream.session(key) is line.session:
            yield judged
        else:
            del self._lines[key]
            yield judged._replace(moot=self._drop(line))

    def _line(self, message: bytes) -> _Line | None:
        """Return where a message waits; ``None``: it is judged at once."""
        telling = message[_TELLING]
        try:
            return self._known[telling]
        except KeyError:
            pass
        if len(self._known) >= MAX_PEERS_REMEMBERED:
            self._known.clear()
        line = self._known[telling] = self._find_line(message)
        return line

    def _find_line(self, message: bytes) -> _Line | None:
        peer = read_peer(message[COMMON_HEADER_OCTETS:])
        is_routes = message[KIND_AT] == Kind.ROUTE_MONITORING
        session = self.stream.session(peer.key)
        if session is None or (is_routes and not session.has_routes_of(peer.rib)):
            return None
        return self._lines.setdefault(peer.key, _Line(session))

    def _put(self, line: _Line, message: bytes) -> None:
        pieces = line.pieces
        if not line.has_turn:
            line.has_turn = True
            self._turns.enter(line)
        if not pieces or pieces[-1].age != self._age or len(pieces[-1].octets) >= PIECE_OCTETS:
            pieces.append(_Piece(self._age))
            self.octets += PIECE_COST_OCTETS
        pieces[-1].octets += message
        line.messages += 1
        self.octets += len(message)

    # Judging -------------------------------------------------------------------------------------------

    def judge(self, time: float) -> Judged | None:
        """Judge what comes next of what waits, at ``time``; ``None``: nothing waits."""
        while (line := self._turns.next()) is not None:
            line.has_turn = False
            if line.pieces:
                judged = self._judge_piece(line, time)
                if line.pieces:
                    line.has_turn = True
                    self._turns.again(line)
                return judged
        if not self._last:
            return None
        last, self._last = self._last, b""
        return Judged(last, self.stream.take(last, time))

    def _judge_piece(self, line: _Line, time: float) -> Judged:
        octets = bytes(line.pieces.popleft().octets)
        self.octets -= len(octets) + PIECE_COST_OCTETS
        taken = self.stream.take(octets, time)
        line.messages -= taken.messages
        return Judged(octets, taken)

    def _drop(self, line: _Line) -> int:
        """Forget what waits of a session; return how many messages that are."""
        self.octets -= line.octets
        line.pieces.clear()
        messages, line.messages = line.messages, 0
        return messages
