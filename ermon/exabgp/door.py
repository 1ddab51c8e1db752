"""ermon's end of the socket between it and ExaBGP's box, in which nobody can connect: ermon hands connections in.

The other end is handed down, from ermon to ``launch`` and from ExaBGP to its relay, by its number in the environment.
Whole messages pass (``SOCK_SEQPACKET``). The first from inside says which parts of its box this machine cannot take,
the next whether UPDATEs come as they came; after that each relay asks for its connection, and gets one end of a pair of
sockets.
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
"""Relays come one after the other, and each is read to its end: a second one is not a relay."""

MESSAGES_AT_ONCE = 16
"""Messages taken at once: an endless sender must not keep ermon from everything else."""

_SIZE = 200
"""Bytes of a message: all are short."""

_CREDENTIALS = struct.Struct("3i")  # unix(7): struct ucred


class Door:
    """What comes from inside may be anybody's words: of those in a hole of ExaBGP, too."""

    def __init__(self) -> None:
        self._outside, self._inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._outside.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._outside.setblocking(False)
        self._connections: deque[tuple[socket.socket, int]] = deque()
        self.missing: tuple[str, ...] | None = None
        """The parts of its box that the process lacks; ``None``: it has not said so."""
        self.raw: RawState | None = None
        """Whether it passes UPDATEs on as they came; ``None``: it has not said so."""

    @property
    def inside(self) -> int:
        """The descriptor to hand down."""
        return self._inside.fileno()

    def handed_down(self) -> None:
        """Close this process' copy of the other end, so that it is seen when nobody has it any more."""
        self._inside.close()

    def fileno(self) -> int:
        return self._outside.fileno()

    def close(self) -> None:
        self._outside.close()
        self._inside.close()
        while self._connections:
            self._connections.popleft()[0].close()

    def answer(self) -> bool:
        """Answer some of those who stand there, without waiting; return whether anybody can still come."""
        try:
            for _ in range(MESSAGES_AT_ONCE):
                size = socket.CMSG_SPACE(_CREDENTIALS.size)  # no room for descriptors: the kernel closes them
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
        """Return ermon's end of the next connection that was handed in, and the process that had asked for it."""
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
    """Return the process that a message is from, in the kernel's words."""
    for _, kind, data in ancillary:
        if kind == socket.SCM_CREDENTIALS and len(data) >= _CREDENTIALS.size:
            pid: int = _CREDENTIALS.unpack_from(data)[0]
            return pid
    return 0
