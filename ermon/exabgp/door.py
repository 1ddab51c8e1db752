"""ermon's end of the socket to ExaBGP's box. Processes in the box cannot connect, so ermon passes connections in.

The other end is inherited, from ermon to ``launch`` and from ExaBGP to its relay, by its number in the environment. It
carries whole messages (``SOCK_SEQPACKET``). The first message from inside names the parts of the box that this machine
does not support, the next says whether raw UPDATEs are passed on. Then each relay asks for its connection, and gets one
end of a socket pair.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections import deque

from ermon.exabgp.box import MISSING, PARTS
from ermon.exabgp.raw import RAW, RawState
from ermon.exabgp.relay import ASKING

WAITING_CONNECTIONS = 4
"""Relays connect one after the other, and each is read to its end: more requests are not from relays."""

MESSAGES_AT_ONCE = 16
"""Messages handled at once: an endless sender must not block ermon."""

_SIZE = 200
"""The limit of a message in bytes: all are short."""

_CREDENTIALS = struct.Struct("3i")  # unix(7): struct ucred


class Door:
    """Messages from inside are not trusted: an attacker who controls ExaBGP can send them too."""

    def __init__(self) -> None:
        self._outside, self._inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._outside.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._outside.setblocking(False)
        self._connections: deque[tuple[socket.socket, int]] = deque()
        self.missing: tuple[str, ...] | None = None
        """The missing parts of the process' box; ``None``: not reported yet."""
        self.raw: RawState | None = None
        """Whether the process passes raw UPDATEs on; ``None``: not reported yet."""

    @property
    def inside(self) -> int:
        """The descriptor for the child process."""
        return self._inside.fileno()

    def handed_down(self) -> None:
        """Close this process' copy of the other end, so that ermon notices when the last process closes it."""
        self._inside.close()

    def fileno(self) -> int:
        return self._outside.fileno()

    def close(self) -> None:
        self._outside.close()
        self._inside.close()
        while self._connections:
            self._connections.popleft()[0].close()

    def answer(self) -> bool:
        """Answer some waiting messages, without blocking; return whether more can come."""
        try:
            for _ in range(MESSAGES_AT_ONCE):
                size = socket.CMSG_SPACE(_CREDENTIALS.size)  # the kernel closes descriptors without room
                message, ancillary, _, _ = self._outside.recvmsg(_SIZE, size)
                if not ancillary:
                    return False
                self._take(message, _sender(ancillary))
        except BlockingIOError:
            pass
        except ConnectionError:
            return False
        return True

    def connection(self) -> tuple[socket.socket, int] | None:
        """Return ermon's end of the next connection, and the process that asked for it."""
        return self._connections.popleft() if self._connections else None

    def _take(self, message: bytes, sender: int) -> None:
        if message == ASKING:
            if len(self._connections) < WAITING_CONNECTIONS:
                self._connections.append((self._hand_in(sender), sender))
        elif message.startswith(MISSING) and self.missing is None:
            words = message.decode("ascii", "replace").split()
            self.missing = tuple(part for part in PARTS if part in words)
        elif message.startswith(RAW) and self.raw is None:
            said = message.decode("ascii", "replace").split()[-1]
            self.raw = RawState(said) if said in set(RawState) else None

    def _hand_in(self, to: int) -> socket.socket:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        here.setblocking(False)
        with there, contextlib.suppress(OSError):  # the caller is gone, or reads nothing: the connection ends
            socket.send_fds(self._outside, [b"%d" % to], [there.fileno()])
        return here


def _sender(ancillary: list[tuple[int, int, bytes]]) -> int:
    """Return the sender's process id of a message, as the kernel reports it."""
    for _, kind, data in ancillary:
        if kind == socket.SCM_CREDENTIALS and len(data) >= _CREDENTIALS.size:
            pid: int = _CREDENTIALS.unpack_from(data)[0]
            return pid
    return 0
