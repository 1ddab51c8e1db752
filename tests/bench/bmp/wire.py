"""Notes when a router's Peer Down is on the wire: from then on, ermon could read it."""

from __future__ import annotations

import ctypes
import socket
import struct
import threading
import time
from types import TracebackType
from typing import Self

SO_ATTACH_FILTER, SO_RCVBUFFORCE, SO_TIMESTAMPNS = 26, 33, 35
"""socket(7); Python's socket module has no names for them."""
_ETH_P_IP = 0x0800
_BUFFER_OCTETS = 2**26
_LONGEST_PACKET = 2**16 + 64
_TIME = struct.Struct("@qq")


class _Program(ctypes.Structure):
    """linux/filter.h, sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


class Wire:
    """Listens to loopback for IPv4 packets to a port with a given text in them; usable as a context manager. Needs root."""

    def __init__(self, port: int, text: bytes) -> None:
        self.seen: list[float] = []
        """When (``time.perf_counter``), by the kernel's clock."""
        self._text = text
        self._socket = socket.socket(
            socket.AF_PACKET, socket.SOCK_RAW, 0
        )  # receives nothing before it is bound
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, _BUFFER_OCTETS)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._filter(port)
        self._socket.bind(("lo", _ETH_P_IP))
        self._socket.settimeout(0.1)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen)

    def _filter(self, port: int) -> None:
        """Have the kernel pass over all packets but those whose TCP destination is the port."""
        code = b"".join(
            struct.pack("@HBBI", *instruction)
            for instruction in (
                (0x28, 0, 0, 14 + 20 + 2),  # load it, behind an Ethernet and an IPv4 header
                (0x15, 0, 1, port),
                (0x06, 0, 0, _LONGEST_PACKET),
                (0x06, 0, 0, 0),
            )
        )
        held = ctypes.create_string_buffer(code)
        program = _Program(len(code) // 8, ctypes.cast(held, ctypes.c_void_p))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(program))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                packet, control, _, address = self._socket.recvmsg(_LONGEST_PACKET, 64)
            except TimeoutError:
                continue
            if address[2] == socket.PACKET_OUTGOING or self._text not in packet:
                continue
            seconds, nanoseconds = _TIME.unpack_from(control[0][2])
            self.seen.append(seconds + nanoseconds / 1e9 - time.time() + time.perf_counter())

    def since(self, moment: float) -> float:
        """Return when the first such packet came after a moment."""
        deadline = time.monotonic() + 5.0
        while time.monotonic() < deadline:
            for seen in self.seen:
                if seen >= moment:
                    return seen
            time.sleep(0.001)
        raise TimeoutError("no such packet came")
