"""Passes the UPDATEs of established sessions on unchanged, in ExaBGP's process; ExaBGP does everything else.

ExaBGP 5.0.15 needs about 400 microseconds for an UPDATE, in any configuration: it decodes the UPDATE and writes it as
JSON. Here whole UPDATEs are taken from the connection before ExaBGP's loop sees them, and written as lines of type
``raw`` (``lines.RawUpdates``) with the same envelope, counter and order as all others. Everything except an UPDATE with a
valid header, also any malformed data, is left to ExaBGP: sessions, timers, NOTIFICATIONs and the ends of connections are
the same as without this module.

A session that sends more than ermon processes is not read for a while (``window``), so that TCP makes its router wait.
The hold timer does not expire meanwhile, as long as unread octets of the session wait. The queue is then on the side of
the router, where ermon cannot measure it. A line says instead for how long its connection has not been found empty: its
UPDATEs are at most so late.

The module replaces two methods, and only if their text is exactly the tested one. ermon imports this module for its
constants; only ``install`` imports ExaBGP.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
import select
import socket
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

from ermon.exabgp.runs import first_run, is_for_exabgp
from ermon.exabgp.window import Window

SWITCH = "ERMON_RAW"
"""The environment variable with ``on`` or ``off``."""

DEFAULT = "on"

TESTED = {
    "5.0.15": (
        "1266df3f50c763ff78fba99e02c3359f6c989f0b2411f5b28e92dcee78c4eb34",
        "1a78401f968206d6d50b37e30e19df4ce26e8aa3850a102715770fed89b2d2d3",
    )
}
"""By version of ExaBGP: the SHA-256 of the text of ``Protocol.read_message`` and of ``Connection._reader``."""

WINDOW = "ERMON_RAW_WINDOW"
"""The environment variable with the size of the process' ``Window`` in octets."""

ANSWER = "ermon"
"""The first word of ermon's answers; no command of ExaBGP begins with it. Then follows ``taken SESSION OCTETS``,
``unreadable SESSION`` or ``lost``: lines were lost, so nothing is under way any more.
"""

BEHIND_SECONDS = 1.0
"""A session is behind if its connection has not been found empty for this time. ExaBGP looks every 10 ms when it is idle."""

UPDATE_MESSAGE_ERROR = 3
"""The code of the NOTIFICATION about an UPDATE that ermon cannot read (RFC 4271 section 6.3); its log says more."""

RAW = b"raw"
"""Begins the message to ermon's door with the ``RawState``."""


class RawState(StrEnum):
    """Whether raw UPDATEs are passed on, and the reason if not."""

    ON = "on"
    OFF = "off"
    """Switched off by ``ERMON_RAW``."""
    UNTESTED = "untested"
    """This was not tested with the installed ExaBGP."""


class _Session:
    """The unprocessed octets of an established connection, and how much ermon has processed. ExaBGP's ``protocol`` owns it."""

    _numbers = count((os.getpid() << 20) + 1)
    """Other numbers in each run of ExaBGP, so that a late answer about a session of the last run names none of this one."""

    def __init__(self, negotiated: Any, window: Window) -> None:
        self.number = next(_Session._numbers)
        self.held = bytearray()
        self.under_way = window.open()
        self.paused = False
        self.unreadable = False
        self._empty_at = time.monotonic()
        """When nothing was left to read on the connection."""
        self._said_behind = False
        families = [
            (f"{afi!s} {safi!s}", negotiated.addpath.receive(afi, safi)) for afi, safi in negotiated.families
        ]
        self._said = {
            "session": self.number,
            "asn4": bool(negotiated.asn4),
            "families": [family for family, _ in families],
            "add-path": [family for family, several in families if several],
        }

    def write_runs(self, protocol: Any) -> bool:
        """Write a line for each run of whole UPDATEs at the beginning of the octets; return whether there was any."""
        found = False
        while size := first_run(self.held, protocol.connection.msg_size, self.under_way.step):
            self._write(protocol, bytes(self.held[:size]))
            del self.held[:size]
            found = True
        return found

    def _write(self, protocol: Any, updates: bytes) -> None:
        neighbor, processes = protocol.neighbor, protocol.peer.reactor.processes
        if processes.silence:  # ExaBGP ends
            return
        now = time.monotonic()
        answer = self.under_way.write(len(updates), now)
        about_these: dict[str, object] = {"octets": self.under_way.written, "answer": answer}
        self._said_behind = now - self._empty_at >= BEHIND_SECONDS
        if self._said_behind:
            about_these["behind"] = round(now - self._empty_at, 1)
        said = json.dumps(self._said | about_these)
        # Base64 needs no escapes, for which json would search all of it.
        raw = f'"raw": {said[:-1]}, "body": "{b64encode(updates).decode("ascii")}"}}'
        for process in neighbor.api["receive-update"]:
            encoder = processes._encoder[process]  # noqa: SLF001
            about = encoder._neighbor(neighbor, "receive", raw)  # noqa: SLF001
            processes.write(process, encoder._header(about, "", "", neighbor, message_type="raw"), neighbor)  # noqa: SLF001

    def read(self, protocol: Any) -> int | None:
        """Read from the connection, and return the number of octets; ``None``: an end or an error, which ExaBGP must handle."""
        connection = protocol.connection
        # The end of a connection must not wait: ExaBGP would refuse the router's next one until it notices. At most one
        # receive buffer is left to read.
        if self.under_way.is_full(time.monotonic()) and not _has_ended(connection.io):
            self._pause(protocol)
            return 0
        self.paused = False
        if not connection.reading():
            self._note_empty(protocol)
            return 0
        try:
            step, held = self.under_way.step, len(self.held)
            # So much that it makes one line, not a long one and a short one.
            data = connection.io.recv(step - held if held < step else step, socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._note_empty(protocol)
            return 0
        except OSError:
            return None
        self.held += data
        return len(data) or None

    def _pause(self, protocol: Any) -> None:
        """Stop reading, without turns of ExaBGP's loop for this session, and keep its hold timer from expiring."""
        peer, connection = protocol.peer, protocol.connection
        if not self.paused:
            with contextlib.suppress(KeyError):
                peer.reactor._poller.unregister(connection.io)  # noqa: SLF001
            self.paused = True  # it is not registered again: see ``fd_unless_paused``
        if connection.reading():
            peer.recv_timer.last_read = int(time.time())
        else:
            self._note_empty(protocol)

    def _note_empty(self, protocol: Any) -> None:
        self._empty_at = time.monotonic()
        if self._said_behind:  # the router may have nothing more to send for long
            self._write(protocol, b"")


def _has_ended(connection: socket.socket) -> bool:
    """Return whether the router has closed or reset the connection; what it sent before may still wait to be read."""
    poller = select.poll()
    poller.register(connection, select.POLLRDHUP)  # errors are reported without being asked for
    return bool(poller.poll(0))


_sessions: WeakValueDictionary[int, _Session] = WeakValueDictionary()


def take_answer(command: str) -> None:
    """Process an answer of ermon about the UPDATEs of sessions."""
    match command.split():
        case [_, "lost"]:
            for session in _sessions.values():
                session.under_way.take(session.under_way.written, time.monotonic())
        case [_, "taken", number, octets] if (named := _session(number)) is not None and octets.isdecimal():
            named.under_way.take(int(octets), time.monotonic())
        case [_, "unreadable", number] if (named := _session(number)) is not None:
            named.unreadable = True


def _session(number: str) -> _Session | None:
    return _sessions.get(int(number)) if number.isdecimal() else None


def install(switch: str, window: int) -> RawState:
    """Make ExaBGP pass UPDATEs on unchanged, if possible; ``switch`` is ``on`` or ``off``, ``window`` is in octets."""
    if switch != "on":
        return RawState.OFF
    from exabgp.reactor.api import API  # type: ignore[import-untyped]  # noqa: PLC0415
    from exabgp.reactor.network.connection import Connection  # type: ignore[import-untyped]  # noqa: PLC0415
    from exabgp.reactor.protocol import _UPDATE, Protocol  # type: ignore[import-untyped]  # noqa: PLC0415
    from exabgp.version import release  # type: ignore[import-untyped]  # noqa: PLC0415

    if TESTED.get(release) != (digest(Protocol.read_message), digest(Connection._reader)):  # noqa: SLF001
        return RawState.UNTESTED
    from exabgp.bgp.fsm import FSM  # type: ignore[import-untyped]  # noqa: PLC0415
    from exabgp.bgp.message import _NOP, Notify  # type: ignore[import-untyped]  # noqa: PLC0415

    def is_established(protocol: Any) -> bool:
        return bool(protocol.peer.fsm == FSM.ESTABLISHED)

    _take_over_octets(Connection)
    _take_over_messages(
        Protocol,
        Window(window),
        is_established,
        nothing=_NOP,
        update=_UPDATE,
        unreadable=lambda: Notify(UPDATE_MESSAGE_ERROR, 0, "an UPDATE cannot be read"),
    )
    _take_over_answers(API)
    return RawState.ON


def digest(method: Callable[..., Any]) -> str:
    """Return the SHA-256 of a method's text; empty if the text cannot be read."""
    try:
        return hashlib.sha256(inspect.getsource(method).encode()).hexdigest()
    except OSError:
        return ""


def _take_over_messages(
    protocol: Any,
    window: Window,
    is_established: Callable[[Any], bool],
    *,
    nothing: object,
    update: object,
    unreadable: Callable[[], Exception],
) -> None:
    """Make established sessions read raw UPDATEs: yield ``nothing`` without new octets, ``update`` after UPDATEs were written."""
    read_message = protocol.read_message

    def read_message_or_updates(self: Any) -> Iterator[object]:
        if not is_established(self):
            yield from read_message(self)
            return
        session = self.connection.ermon_session
        if session is None:
            session = self.connection.ermon_session = _Session(self.negotiated, window)
            _sessions[session.number] = session
        while not session.write_runs(self):
            if session.unreadable:
                raise unreadable()
            if is_for_exabgp(session.held, self.connection.msg_size):
                yield from read_message(self)
                return
            octets = session.read(self)
            if octets is None:
                yield from read_message(self)
                return
            if not octets:
                yield nothing
        yield update

    protocol.read_message = read_message_or_updates


def _take_over_octets(connection: Any) -> None:
    """Make ExaBGP read the unprocessed octets first, then the connection."""
    reader, fd = connection._reader, connection.fd  # noqa: SLF001

    def read_what_is_held_first(self: Any, number: int) -> Iterator[bytes]:
        session = self.ermon_session
        if session is None or not session.held:
            yield from reader(self, number)
            return
        begun = bytes(session.held[:number])
        del session.held[:number]
        if len(begun) == number:
            yield begun
            return
        for rest in reader(self, number - len(begun)):
            yield begun + rest if rest else b""

    def fd_unless_paused(self: Any) -> int:
        return -1 if self.ermon_session is not None and self.ermon_session.paused else fd(self)

    connection.ermon_session = None
    connection._reader = read_what_is_held_first  # noqa: SLF001
    connection.fd = fd_unless_paused


def _take_over_answers(api: Any) -> None:
    process = api.process

    def process_or_take(self: Any, reactor: Any, service: str, command: str) -> Any:
        if command.startswith(f"{ANSWER} "):
            take_answer(command)
            return True
        return process(self, reactor, service, command)

    api.process = process_or_take
