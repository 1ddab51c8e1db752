"""The messages of an ExaBGP process, through its relay, as one ordered stream, and the commands to it.

Messages are read only as fast as they are consumed: the rest waits in the relay.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ermon.exabgp.door import Door
from ermon.exabgp.relay import MARK

READ_SIZE = 2**18
"""Bytes read at once: the buffer of a Unix socket, about 700 UPDATEs."""

QUEUED_MESSAGES = 4
"""Messages read ahead of the consumer."""

QUEUED_COMMANDS = 10_000
"""The limit of commands that wait for a relay; more of them are a bug."""


class ExaBGPError(Exception):
    """ExaBGP cannot run, or cannot do what was requested."""


@dataclass(frozen=True, slots=True)
class Started:
    """ExaBGP listens and sends lines; it has no sessions yet."""

    pid: int


@dataclass(frozen=True, slots=True)
class Lines:
    """Events of ExaBGP in order: JSON without the newline."""

    lines: list[bytes]


@dataclass(frozen=True, slots=True)
class Dropped:
    """``count`` lines are missing here: the relay's buffer was full, or a line was too long."""

    count: int


@dataclass(frozen=True, slots=True)
class RelayLost:
    """The relay died: its unsent lines are missing here, and commands may be lost. ExaBGP starts another relay."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """ExaBGP ended, and its sessions with it. ermon restarts it after a while."""

    reason: str
    wanted: bool = False
    """ermon itself ended it, to start it with another configuration."""


@dataclass(frozen=True, slots=True)
class Silent:
    """ExaBGP runs but does not answer. ermon ends it if that continues; ``Answered`` follows if it does not."""

    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """ExaBGP answers again; its sessions have survived."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is marked as the relay's own, but has an unknown form."""

    line: bytes


Control = Started | Dropped | RelayLost | Silent | Answered | Stopped | Unreadable
Message = Lines | Control


@dataclass(frozen=True, slots=True)
class _Pong:
    number: int


@dataclass(frozen=True, slots=True)
class _RelayClosed:
    last_ping: int
    """Pings up to this number will not be answered."""


class Channel:
    """The stream of one ExaBGP process, over all its runs and relays.

    ``max_line`` is the relay's limit of a line, in bytes.
    """

    def __init__(self, max_line: int, *, parent_of: Callable[[int], int | None] | None = None) -> None:
        self.up = False
        """ExaBGP has sent lines in this run; the code that detects its end resets this."""
        self.waiting = True
        """Everything that the relay sent has been read."""
        self.dropped = 0
        """The number of lines that relays dropped, in all runs."""
        self.relay_pid: int | None = None
        """The process id of the connected relay."""
        self._relay: int | None = None
        """A descriptor of its process: a process id may belong to another process when it is used."""
        self._parent_of = parent_of or parent_of_process
        self._max_line = max_line
        self._messages: asyncio.Queue[Message | _Pong | _RelayClosed | None] = asyncio.Queue(QUEUED_MESSAGES)
        self._commands: asyncio.Queue[bytes] = asyncio.Queue(QUEUED_COMMANDS)
        self._pings: dict[int, asyncio.Future[None]] = {}
        self._last_ping = 0
        self._answered = False
        self._spoken = False
        self._ending = False
        self._end_expected = False
        self._error: BaseException | None = None
        self._wake = asyncio.Event()

    async def messages(self) -> AsyncIterator[Message]:
        """Yield the messages in order until ``close``; raise the error that ``close`` was given."""
        while (message := await self._messages.get()) is not None:
            match message:
                case _Pong(number):
                    if number in self._pings and not self._pings[number].done():
                        self._pings[number].set_result(None)
                case _RelayClosed(last_ping):
                    self._fail_pings(last_ping)
                case _:
                    yield message
        if self._error is not None:
            raise self._error

    async def put(self, message: Message) -> None:
        """Add a message at the end; waits while the consumer is behind."""
        await self._messages.put(message)

    def close(self, error: BaseException | None = None) -> None:
        """End ``messages`` at once, with an error if one is given. ``put`` and ``read_relays`` must not be used afterwards."""
        self._error = self._error or error
        while not self._messages.empty():
            self._messages.get_nowait()
        self._messages.put_nowait(None)
        self._fail_pings(self._last_ping)

    def send(self, line: bytes) -> None:
        """Send a command; it waits for a relay. ``ExaBGPError`` if too many commands are waiting."""
        try:
            self._commands.put_nowait(line + b"\n")
        except asyncio.QueueFull:
            raise ExaBGPError(f"{QUEUED_COMMANDS} commands wait for a relay") from None

    def take_answer(self) -> bool:
        """Return whether ExaBGP has answered a ``version`` command since the last call."""
        answered, self._answered = self._answered, False
        return answered

    async def ping(self) -> None:
        """Return when ``messages`` has yielded everything sent before; ``ExaBGPError`` without a relay."""
        if self.relay_pid is None:
            raise ExaBGPError("no relay is connected")
        self._last_ping += 1
        number = self._last_ping
        answer = self._pings[number] = asyncio.get_running_loop().create_future()
        try:
            self.send(MARK + b"ping %d" % number)
            await answer
        finally:
            del self._pings[number]

    async def read_relays(self, door: Door, pid: int) -> None:
        """Read all relays in a run of process ``pid``, one after the other, until ``finish``."""
        self._spoken = self._ending = self._end_expected = False
        self._wake.clear()
        while not self._commands.empty():  # commands for an earlier run
            self._commands.get_nowait()
        asyncio.get_running_loop().add_reader(door, self._answer, door)
        try:
            while (asked := await self._accept(door)) is not None:
                connection, self.relay_pid = asked
                with connection, self._held(self.relay_pid, pid):
                    complete = await self._read_relay(connection, pid)
                await self._messages.put(_RelayClosed(self._last_ping))
                if not complete and not self._end_expected:
                    await self._messages.put(RelayLost())
        finally:
            asyncio.get_running_loop().remove_reader(door)

    def expect_end(self) -> None:
        """The process and its sessions are about to end: unsent lines of its relay are no loss then."""
        self._end_expected = True

    def kill_relay(self) -> None:
        """Kill the connected relay, which does not end by itself."""
        if self._relay is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._relay, signal.SIGKILL)

    @contextlib.contextmanager
    def _held(self, relay: int, exabgp: int) -> Iterator[None]:
        """Keep a handle on the process of a relay, to kill it if necessary; only children of ExaBGP are ever killed."""
        with contextlib.suppress(OSError):  # it has ended
            self._relay = os.pidfd_open(relay)
        try:
            if self._relay is not None and self._parent_of(relay) != exabgp:
                os.close(self._relay)
                self._relay = None
            yield
        finally:
            if self._relay is not None:
                os.close(self._relay)
                self._relay = None

    def finish(self) -> None:
        """The process has ended: ``read_relays`` returns after it has read everything from relays."""
        self._ending = True
        self._wake.set()

    def _answer(self, door: Door) -> None:
        """Give each caller a connection at once, even while an earlier relay is being read."""
        if not door.answer():
            asyncio.get_running_loop().remove_reader(door)
        self._wake.set()

    async def _accept(self, door: Door) -> tuple[socket.socket, int] | None:
        while True:
            door.answer()
            if (asked := door.connection()) is not None:
                return asked
            if self._ending:
                return None
            await self._wake.wait()
            self._wake.clear()

    async def _read_relay(self, connection: socket.socket, pid: int) -> bool:
        """Read until the relay closes; return whether it had sent everything."""
        self.send(b"version")
        writer = asyncio.create_task(self._write(connection))
        partial, complete = b"", False
        buffer = bytearray(READ_SIZE)
        try:
            while len(partial) <= self._max_line and (count := await self._receive(connection, buffer)):
                if not self._spoken:
                    self._spoken = self.up = True
                    await self._messages.put(Started(pid))
                partial, complete = await self._take(partial + memoryview(buffer)[:count])
        finally:
            self.relay_pid = None
            self.waiting = True
            writer.cancel()
        return complete

    async def _receive(self, connection: socket.socket, buffer: bytearray) -> int:
        self.waiting = True
        try:
            return await asyncio.get_running_loop().sock_recv_into(connection, buffer)
        except ConnectionError:  # it closed before it had read all commands
            return 0
        finally:
            self.waiting = False

    async def _take(self, data: bytes) -> tuple[bytes, bool]:
        """Pass on the lines in ``data``; return the beginning of the next line, and whether the relay reported its end."""
        *lines, partial = data.split(b"\n")
        events: list[bytes] = []
        complete = False
        for line in lines:
            if line.startswith(b"{"):
                events.append(line)
            elif line.startswith(MARK):
                if events:
                    await self._messages.put(Lines(events))
                    events = []
                complete = await self._take_control(line[len(MARK) :])
            elif line.startswith(b"exabgp "):
                self._answered = True
        if events:
            await self._messages.put(Lines(events))
        return partial, complete

    async def _take_control(self, line: bytes) -> bool:
        match line.split(b" "):
            case [b"pong", number] if _NUMBER.fullmatch(number):
                await self._messages.put(_Pong(int(number)))
            case [b"dropped", count] if _NUMBER.fullmatch(count):
                self.dropped += int(count)
                await self._messages.put(Dropped(int(count)))
            case [b"end"]:
                return True
            case _:
                await self._messages.put(Unreadable(MARK + line))
        return False

    async def _write(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):  # the relay is gone; the reader notices that
            while True:
                await loop.sock_sendall(connection, await self._commands.get())

    def _fail_pings(self, last: int) -> None:
        for number, answer in self._pings.items():
            if number <= last and not answer.done():
                answer.set_exception(ExaBGPError("the relay is gone"))


_NUMBER = re.compile(rb"[1-9][0-9]{0,17}")


def parent_of_process(pid: int) -> int | None:
    """Return the parent of a process (proc_pid_stat(5)); ``None`` if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        return int(text.rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None
