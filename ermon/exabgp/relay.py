"""The helper that ExaBGP runs: its events go to ermon's socket, ermon's commands go to ExaBGP.

Run as ``relay.py CONFIGURATION [BUFFER_LIMIT [MAX_LINE]]`` (bytes), with ExaBGP at its standard input and output, and the
number of ermon's ``door``, which hands it its socket, in the environment. The configuration, ExaBGP's, is not read: it says
in the list of processes whose relay this is. It imports nothing but the standard library and
``landlock``, so that it is small and starts at once.

House rules:

- ExaBGP writes to its helper with blocking writes: while nobody reads, no session gets a keepalive. So
  standard input is read at all times, whatever ermon does, and nothing else here ever blocks.
- What ermon does not take yet is held in a buffer with a limit. Beyond it whole lines are dropped and
  counted, and the number is sent to ermon at the place where they are missing.
- ermon lives longer than its children: when its socket closes, ExaBGP is stopped.

Lines between ermon and the relay themselves begin with ``MARK``, which no line of ExaBGP's can: its events
begin with a brace, and JSON has no bare control characters.

=======================  =============================================================================
from ermon ``ping N``    answered with ``pong N``, behind everything that ExaBGP has written before
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
"""Asks ermon, at its door, for a connection."""

DOOR = "ERMON_DOOR"
"""The environment's name for the descriptor of ermon's door."""

BUFFER_LIMIT = 256 * 2**20
"""Bytes held for ermon: some 700,000 UPDATEs, two minutes of the fastest ExaBGP."""

MAX_LINE = 8 * 2**20
"""Bytes of one line. An extended message (RFC 8654) makes up to 1.6 MB of JSON."""

COMMAND_LIMIT = 2**20
"""Bytes of commands held for ExaBGP; beyond it ermon is not read, and waits."""

READ_SIZE = 2**20
"""Bytes asked for at once: as much as a pipe holds that is made as large as Linux lets anybody make it."""

BLOCK_SIZE = 2**18
"""Bytes of the buffer's blocks: lines are joined up to it, so that few objects hold many lines."""

GATHER_SECONDS = 0.005
"""Reads in a stream are this far apart: waking three processes for each line would cost more than the lines."""

STOP_SECONDS = 2.0
"""How long ExaBGP has to end after SIGTERM."""


_DESCRIPTOR = struct.Struct("i")


class Buffer:
    """Whole lines on their way to ermon, at most ``limit`` bytes of them.

    Once lines had to be dropped, all are dropped until half of the buffer is free again: one notice then
    stands for many lines, where otherwise lines and notices would alternate.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._blocks: deque[bytearray] = deque()
        self._sent = 0
        """Bytes of the first block that are sent."""
        self._size = 0
        self._overflowing = False
        self._dropped = 0
        """Lines missing behind what is held, which are not reported to ermon yet."""

    def __bool__(self) -> bool:
        return bool(self._blocks)

    def put(self, lines: bytes | bytearray) -> None:
        """Hold whole lines, or as many as there is room for."""
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
        """Count a line that was refused."""
        self._dropped += 1
        if not self._overflowing:
            self._tell()

    def put_control(self, text: bytes) -> None:
        """Hold a line of the relay's own, behind the notice of what is missing before it."""
        self._tell()
        self._append(MARK + text + b"\n")

    def send(self, ermon: socket.socket) -> None:
        """Send once, as much of a block as the socket takes; ``ConnectionError`` when ermon is gone."""
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
    """The two ways between ExaBGP and ermon.

    ``source`` and ``sink`` are file descriptors from and to ExaBGP, at ``door`` ermon hands in a connection.
    ``run`` returns when ExaBGP has closed its end or ermon is gone.
    """

    def __init__(self, source: int, sink: int, door: socket.socket, limit: int, max_line: int) -> None:
        self._source = source
        self._sink = sink
        self._door = door
        self._max_line = max_line
        self._read_size = min(READ_SIZE, max_line)
        self._buffer = Buffer(limit)
        self._partial = bytearray()
        """The beginning of a line whose end has not been read."""
        self._refusing = False
        """The rest of an overlong line is being thrown away."""
        self._pongs: list[bytes] = []
        """Answers that wait for the end of the line that was being read when they were asked for."""
        self._request = bytearray()
        self._commands = bytearray()
        self._ermon: socket.socket
        self._source_open = True
        self._terminated = False
        os.set_blocking(source, False)
        os.set_blocking(sink, False)

    def run(self, terminated: socket.socket) -> bool:
        """Relay until one end closes, or until ``terminated`` can be read; tell whether ermon is there still."""
        try:
            self._ermon = self._connect(terminated)
            while self._source_open and not self._terminated:
                self._turn(terminated)
            self._finish()
        except ConnectionError:
            return False
        return True

    def _connect(self, terminated: socket.socket) -> socket.socket:
        """Get a connection to ermon, and read ExaBGP while waiting for it; ``ConnectionError`` when ermon is gone."""
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
        """Wait until something can be done, and do it."""
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
        """Read once from ExaBGP, and return the number of bytes."""
        try:
            data = os.read(self._source, self._read_size)
        except BlockingIOError:
            return 0
        if not data:
            self._source_open = False
        self._take(data)
        return len(data)

    def _read_available(self) -> None:
        """Read what ExaBGP has written so far, and no more: it may never cease."""
        available = int.from_bytes(fcntl.ioctl(self._source, termios.FIONREAD, b"\0\0\0\0"), sys.byteorder)
        while available > 0 and (count := self._read_source()):
            available -= count

    def _take(self, data: bytes) -> None:
        """Hold the lines that ``data`` completes, and keep the rest for the line that it begins."""
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
        """Hold the line that ``end`` completes."""
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
        """Read commands and pings; ``ConnectionError`` when ermon has closed."""
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
        except BrokenPipeError:  # ExaBGP is gone; what it wrote last may still have to be read
            self._commands.clear()

    def _finish(self) -> None:
        """Send what is left, however long ermon takes for it: ExaBGP waits for nothing any more."""
        if not self._source_open:
            self._buffer.put_control(b"end")
        self._ermon.setblocking(True)
        while self._buffer:
            self._buffer.send(self._ermon)


def take_connection(door: socket.socket) -> socket.socket | None:
    """Return the connection that was asked for, or ``None`` when it is not there yet, without waiting for it.

    One for another process is that of a relay that died before it took it. It is closed, so that ermon knows.
    """
    own = b"%d" % os.getpid()
    while True:
        try:  # Python 3.11's recv_fds forgets the flags
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
    """Leave the relay nothing but what it has open, and to end ExaBGP, in whose box it is."""
    sys.path.append(os.path.dirname(__file__))  # noqa: PTH120  # pathlib takes longer to import than all of this
    import landlock  # type: ignore[import-not-found]  # noqa: PLC0415

    sys.path.pop()
    landlock.enter(landlock.Rights(signal_outside=True))


def stop(exabgp: int) -> None:
    """End ExaBGP, which is this process' parent, and return when it has ended."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + STOP_SECONDS
        if os.getppid() == exabgp:
            os.kill(exabgp, number)
        while os.getppid() == exabgp and time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):  # it cannot end while it waits for somebody to read
                os.read(0, READ_SIZE)
            time.sleep(0.01)


def main() -> None:
    exabgp = os.getppid()
    _, *limits = sys.argv[1:]
    limit, max_line = (*map(int, limits), *(BUFFER_LIMIT, MAX_LINE)[len(limits) :])
    terminated, terminate = socket.socketpair()
    terminate.setblocking(False)
    signal.set_wakeup_fd(terminate.fileno())
    signal.signal(signal.SIGTERM, lambda *_: None)  # ExaBGP ends its helpers so; what it wrote is sent first
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # more than this user may have: the pipe stays as it is
        fcntl.fcntl(0, fcntl.F_SETPIPE_SZ, READ_SIZE)
    door = socket.socket(fileno=int(os.environ[DOOR]))
    give_up_rights()
    if not Relay(0, 1, door, limit, max_line).run(terminated):
        stop(exabgp)


if __name__ == "__main__":
    main()
