"""Starts ExaBGP as ermon's child: ``launch.py PARENT_PID CONFIGURATION [CLOCK_ANCHOR]``. Not imported by ermon.

Five things are put right that ExaBGP 5.0 has no setting for in its configuration:

- It dies when ermon dies, however ermon dies (Linux).
- It listens before it has read its configuration, and while it reads it again: whoever connects in that
  time meets no MD5 key and no TTL check. Such connections are closed instead of served.
- It answers a router's SYN with a TTL of 64, so that a router with TTL security would never connect.
  RFC 5082 section 3 wants 255.
- It does not ask whether a silent peer still lives: TCP does (RFC 9293 section 3.8.4), for sessions with hold time 0.
- Its timers read the wall clock: who sets that forward by more than the hold time would end every session. Its
  ``time.time`` becomes the monotonic clock plus CLOCK_ANCHOR (by default what the wall clock says now), which is
  also the time that its lines carry.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import sys
import time
from typing import Any

PR_SET_PDEATHSIG = 1  # linux/prctl.h
SENDING_TTL = 255
KEEPALIVE_IDLE_SECONDS, KEEPALIVE_INTERVAL_SECONDS, KEEPALIVE_PROBES = 30, 10, 3
"""A router that is gone is missed after a minute, also on a session with hold time 0, on which nobody says anything."""


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel was asked
        sys.exit("ermon is gone")


def secure(listening: socket.socket) -> None:
    """Send with a TTL of 255, have TCP watch idle sessions, and close what connected before the keys and TTLs were in
    force. Sockets that are accepted later inherit the options.
    """
    keep_alive(listening)
    if listening.family == socket.AF_INET6:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, SENDING_TTL)
    else:
        listening.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, SENDING_TTL)
    with contextlib.suppress(OSError):  # BlockingIOError when there are no more
        while True:
            listening.accept()[0].close()


def keep_alive(listening: socket.socket) -> None:
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_SECONDS),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_SECONDS),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
    ):
        if hasattr(socket, option):  # macOS has another name for the first
            listening.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def secure_listeners(reactor: Any) -> None:
    """Wrap the method that ends each reading of the configuration, in a class as ExaBGP's ``Reactor``."""
    listen_for_neighbors = reactor._listen_for_neighbors  # noqa: SLF001

    def listen_and_secure(self: Any) -> bool:
        listening: bool = listen_for_neighbors(self)
        for sock in self.listener._sockets:  # noqa: SLF001
            secure(sock)
        return listening

    reactor._listen_for_neighbors = listen_and_secure  # noqa: SLF001


def keep_time_steadily(anchor: float) -> None:
    """Make the time of this process the monotonic clock plus ``anchor`` seconds: nobody can set it."""
    monotonic = time.monotonic
    time.time = lambda: anchor + monotonic()


def main() -> None:
    parent, configuration, *anchor = sys.argv[1:]
    die_with(int(parent))
    keep_time_steadily(float(anchor[0]) if anchor else time.time() - time.monotonic())
    # Imported only now: importing it takes longer than a parent may take to die, and some of it may take the clock
    # by its name.
    from exabgp.application.main import main as exabgp  # type: ignore[import-untyped]  # noqa: PLC0415
    from exabgp.reactor.loop import Reactor  # type: ignore[import-untyped]  # noqa: PLC0415

    secure_listeners(Reactor)
    sys.argv = ["exabgp", "server", configuration]
    sys.exit(exabgp())


if __name__ == "__main__":
    main()
