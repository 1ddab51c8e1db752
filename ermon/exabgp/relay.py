"""The helper that ExaBGP runs: it passes ExaBGP's events to ermon's socket, and ermon's commands to ExaBGP.

Usage: ``relay.py CONFIGURATION [BUFFER_LIMIT [MAX_LINE]]`` (bytes). ExaBGP is at its standard input and output, and the
environment has the number of ermon's ``door``, which passes the socket in. The relay does not read ExaBGP's configuration:
its name only identifies the relay in the list of processes. It imports only the standard library and ``landlock``, so
that it is small and starts at once.

House rules:

- ExaBGP writes to its helper with blocking writes: while they block, no session gets a keepalive. So the relay reads
  standard input at all times, independent of ermon, and nothing else here ever blocks.
- A buffer with a limit stores what ermon has not read yet. Beyond the limit, whole lines are dropped and counted, and
  ermon gets the number at the place of the missing lines.
- The relay must not outlive ermon: when ermon's socket closes, the relay stops ExaBGP.

Lines of the protocol between ermon and the relay begin with ``MARK``. No line of ExaBGP can: its events begin with a
brace, and JSON has no bare control characters.

=======================  =============================================================================
from ermon ``ping N``    the answer is ``pong N``, after everything that ExaBGP has written before
to ermon ``dropped N``   N lines are missing here
to ermon ``end``         ExaBGP has closed its end, and everything that it wrote has been sent
=======================  =============================================================================
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import struct
import sys
import termios
import time
from collections import deque

MARK = b"\0"

ASKING = b"relay"
"""The message to ermon's door that asks for a connection."""

DOOR = "ERMON_DOOR"
"""The environment variable with the descriptor of ermon's door."""

BUFFER_LIMIT = 256 * 2**20
"""The buffer for ermon in bytes: about 700,000 UPDATEs, two minutes of ExaBGP's maximum rate."""

MAX_LINE = 8 * 2**20
"""The limit of a line in bytes. An extended message (RFC 8654) makes up to 1.6 MB of JSON."""

COMMAND_LIMIT = 2**20
"""The buffer for commands to ExaBGP in bytes; when it is full, the relay stops reading from ermon, which waits."""

READ_SIZE = 2**20
"""Bytes read at once: the size of a pipe, at the largest that Linux allows without privileges."""

BLOCK_SIZE = 2**18
"""The size of the buffer's blocks in bytes: lines are joined into blocks, so that there are few objects."""

GATHER_SECONDS = 0.005
"""The interval of reads in a stream: waking three processes for each line would cost more than the lines."""

STOP_SECONDS = 2.0
"""How long ExaBGP may take to end after SIGTERM."""


_DESCRIPTOR = struct.Struct("i")


class Buffer:
    """The buffer of whole lines for ermon, with at most ``limit`` bytes.

    After the first dropped line, all lines are dropped until half of the buffer is free again: so one notice covers many
    lines. Otherwise lines and notices would alternate.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._blocks: deque[bytearray] = deque()
        self._sent = 0
        """The number of bytes of the first block that have been sent."""
        self._size = 0
        self._overflowing = False
        self._dropped = 0
        """The number of lines missing after the buffered ones, not yet reported to ermon."""

    def __bool__(self) -> bool:
        return bool(self._blocks)

    def put(self, lines: bytes | bytearray) -> None:
        """Buffer whole lines, or as many as there is room for."""
        if self._overflowing:
            self._dropped += lines.count(b"\n")
            return
        fitting = len(lines)
        if fitting > self._limit - self._size:
            fitting = lines.rfind(b"\n", 0, self._limit - self._size) + 1
            self._overflowing = True
            self._dropped += lines.count(b"\n", fitting)
        self._append(lines[:fitting])

    def drop_line(self) -> None:
        """Count a refused line."""
        self._dropped += 1
        if not self._overflowing:
            self._tell()

    def put_control(self, text: bytes) -> None:
        """Buffer a line of the relay itself, after the notice of missing lines."""
        self._tell()
        self._append(MARK + text + b"\n")

    def send(self, ermon: socket.socket) -> None:
        """Send as much of a block as the socket accepts; ``ConnectionError`` if ermon is gone."""
        if self._blocks:
            with memoryview(self._blocks[0]) as block, block[self._sent :] as unsent:
                try:
                    count = ermon.send(unsent)
                except BlockingIOError:
                    count = 0
            self._sent += count
            self._size -= count
            if self._sent == len(self._blocks[0]):
                self._blocks.popleft()
                self._sent = 0
        if self._overflowing and self._size <= self._limit // 2:
            self._overflowing = False
            self._tell()

    def _append(self, lines: bytes | bytearray) -> None:
        if not lines:
            return
        if self._blocks and len(self._blocks[-1]) + len(lines) <= BLOCK_SIZE:
            self._blocks[-1] += lines
        else:
            self._blocks.append(bytearray(lines))
        self._size += len(lines)

    def _tell(self) -> None:
        if self._dropped:
            self._append(b"%bdropped %d\n" % (MARK, self._dropped))
            self._dropped = 0


class Relay:
    """The two directions between ExaBGP and ermon.

    ``source`` and ``sink`` are file descriptors from and to ExaBGP; ermon passes a connection in at ``door``. ``run``
    returns when ExaBGP has closed its end or ermon is gone.
    """

    def __init__(self, source: int, sink: int, door: socket.socket, limit: int, max_line: int) -> None:
        self._source = source
        self._sink = sink
        self._door = door
        self._max_line = max_line
        self._read_size = min(READ_SIZE, max_line)
        self._buffer = Buffer(limit)
        self._partial = bytearray()
        """The beginning of an incomplete line."""
        self._refusing = False
        """The rest of a too long line is being discarded."""
        self._pongs: list[bytes] = []
        """Answers that wait for the end of the line that was incomplete when ermon asked."""
        self._request = bytearray()
        self._commands = bytearray()
        self._ermon: socket.socket
        self._source_open = True
        self._terminated = False
        os.set_blocking(source, False)
        os.set_blocking(sink, False)

    def run(self, terminated: socket.socket) -> bool:
        """Relay until one end closes, or until ``terminated`` is readable; return whether ermon is still connected."""
        try:
            self._ermon = self._connect(terminated)
            while self._source_open and not self._terminated:
                self._turn(terminated)
            self._finish()
        except ConnectionError:
            return False
        return True

    def _connect(self, terminated: socket.socket) -> socket.socket:
        """Get a connection to ermon, and read from ExaBGP meanwhile; ``ConnectionError`` if ermon is gone."""
        self._door.send(ASKING)
        while (ermon := take_connection(self._door)) is None:
            watched = [self._door.fileno()]
            if self._source_open:
                watched.append(self._source)
            if not self._terminated:
                watched.append(terminated.fileno())
            ready = select.select(watched, [], [])[0]
            if self._source in ready:
                self._read_source()
            if terminated.fileno() in ready:
                self._end()
        ermon.setblocking(False)
        return ermon

    def _turn(self, terminated: socket.socket) -> None:
        """Wait for an event, and handle it."""
        poll = select.poll()
        poll.register(self._source, select.POLLIN)
        poll.register(terminated, select.POLLIN)
        wanted = select.POLLOUT if self._buffer else 0
        if len(self._commands) < COMMAND_LIMIT:
            wanted |= select.POLLIN
        poll.register(self._ermon, wanted)
        if self._commands:
            poll.register(self._sink, select.POLLOUT)
        ready = dict(poll.poll())
        if self._source in ready:
            self._read_source()
        if terminated.fileno() in ready:
            self._end()
        if ready.get(self._ermon.fileno(), 0) & ~select.POLLOUT:
            self._read_ermon()
        if self._commands:
            self._write_commands()
        self._buffer.send(self._ermon)
        if self._source in ready:
            time.sleep(GATHER_SECONDS)

    def _end(self) -> None:
        self._read_available()
        self._terminated = True

    def _read_source(self) -> int:
        """Read once from ExaBGP; return the number of bytes."""
        try:
            data = os.read(self._source, self._read_size)
        except BlockingIOError:
            return 0
        if not data:
            self._source_open = False
        self._take(data)
        return len(data)

    def _read_available(self) -> None:
        """Read what ExaBGP has written so far, but not more: its output may never end."""
        available = int.from_bytes(fcntl.ioctl(self._source, termios.FIONREAD, b"\0\0\0\0"), sys.byteorder)
        while available > 0 and (count := self._read_source()):
            available -= count

    def _take(self, data: bytes) -> None:
        """Buffer the lines that ``data`` completes, and keep the rest as the beginning of the next line."""
        end = data.find(b"\n") + 1
        if self._refusing or self._partial:
            if not end:
                self._keep(data)
                return
            self._complete(data[:end])
        else:
            end = 0
        last = data.rfind(b"\n") + 1
        if last > end:
            self._buffer.put(data[end:last])
        if last < len(data):
            self._keep(data[last:])

    def _complete(self, end: bytes) -> None:
        """Buffer the line that ``end`` completes."""
        if self._refusing or len(self._partial) + len(end) > self._max_line:
            self._buffer.drop_line()
        else:
            self._partial += end
            self._buffer.put(self._partial)
        self._partial = bytearray()
        self._refusing = False
        for pong in self._pongs:
            self._buffer.put_control(pong)
        self._pongs.clear()

    def _keep(self, beginning: bytes) -> None:
        if self._refusing or len(self._partial) + len(beginning) > self._max_line:
            self._partial = bytearray()
            self._refusing = True
        else:
            self._partial += beginning

    def _read_ermon(self) -> None:
        """Read commands and pings; ``ConnectionError`` if ermon has closed the connection."""
        try:
            data = self._ermon.recv(2**16)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionResetError("ermon has closed its socket")
        *lines, rest = (self._request + data).split(b"\n")
        self._request = rest
        for line in lines:
            if line.startswith(MARK):
                self._answer(bytes(line[len(MARK) :]))
            else:
                self._commands += line + b"\n"

    def _answer(self, request: bytes) -> None:
        verb, _, number = request.partition(b" ")
        if verb != b"ping":
            return
        self._read_available()
        if self._partial or self._refusing:
            self._pongs.append(b"pong " + number)
        else:
            self._buffer.put_control(b"pong " + number)

    def _write_commands(self) -> None:
        try:
            del self._commands[: os.write(self._sink, self._commands)]
        except BlockingIOError:
            pass
        except BrokenPipeError:  # ExaBGP is gone; its last output may still be unread
            self._commands.clear()

    def _finish(self) -> None:
        """Send the rest, without a time limit: ExaBGP does not wait any more."""
        if not self._source_open:
            self._buffer.put_control(b"end")
        self._ermon.setblocking(True)
        while self._buffer:
            self._buffer.send(self._ermon)


def take_connection(door: socket.socket) -> socket.socket | None:
    """Return the requested connection, or ``None`` if it has not arrived yet; does not wait.

    A connection for another process belongs to a dead relay. It is closed, so that ermon notices.
    """
    own = b"%d" % os.getpid()
    while True:
        try:  # Python 3.11's recv_fds ignores the flags
            message, ancillary, _, _ = door.recvmsg(
                32, socket.CMSG_SPACE(_DESCRIPTOR.size), socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return None
        if not message or not ancillary:
            raise ConnectionResetError("ermon has closed its door")
        connection = socket.socket(fileno=_DESCRIPTOR.unpack_from(ancillary[0][2])[0])
        if message == own:
            return connection
        connection.close()


def give_up_rights() -> None:
    """Limit the relay to its open descriptors, and to ending ExaBGP, in whose box it is."""
    sys.path.append(os.path.dirname(__file__))  # noqa: PTH120  # pathlib takes longer to import than all of this
    import landlock  # type: ignore[import-not-found]  # noqa: PLC0415

    sys.path.pop()
    landlock.enter(landlock.Rights(signal_outside=True))


def stop(exabgp: int) -> None:
    """End ExaBGP, the parent of this process; return when it has ended."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + STOP_SECONDS
        if os.getppid() == exabgp:
            os.kill(exabgp, number)
        while os.getppid() == exabgp and time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):  # it cannot end while it waits for a reader
                os.read(0, READ_SIZE)
            time.sleep(0.01)


def main() -> None:
    exabgp = os.getppid()
    _, *limits = sys.argv[1:]
    limit, max_line = (*map(int, limits), *(BUFFER_LIMIT, MAX_LINE)[len(limits) :])
    terminated, terminate = socket.socketpair()
    terminate.setblocking(False)
    signal.set_wakeup_fd(terminate.fileno())
    signal.signal(signal.SIGTERM, lambda *_: None)  # ExaBGP ends its helpers so; its output is sent first
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # over the limit of this user: the pipe stays as it is
        fcntl.fcntl(0, fcntl.F_SETPIPE_SZ, READ_SIZE)
    door = socket.socket(fileno=int(os.environ[DOOR]))
    give_up_rights()
    if not Relay(0, 1, door, limit, max_line).run(terminated):
        stop(exabgp)


if __name__ == "__main__":
    main()
