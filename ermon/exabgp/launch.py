"""Starts ExaBGP as ermon's child: ``launch.py PARENT_PID CONFIGURATION [CLOCK_ANCHOR]``. Not imported by ermon.

Four things are put right that ExaBGP 5.0 has no setting for in its configuration:

- It dies when ermon dies, however ermon dies (Linux).
- It listens on what its configuration names, at any time (``listener``).
- A neighbor that a reload changes is torn down, and where it was down, that ends its next session, for which some routers
  wait two minutes. It is changed at once there.
- Its timers read the wall clock: who sets that forward by more than the hold time would end every session. Its
  ``time.time`` becomes the monotonic clock plus CLOCK_ANCHOR (by default what the wall clock says now), which is
  also the time that its lines carry.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from typing import Any

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel was asked
        sys.exit("ermon is gone")


def keep_time_steadily(anchor: float) -> None:
    """Make the time of this process the monotonic clock plus ``anchor`` seconds: nobody can set it."""
    monotonic = time.monotonic
    time.time = lambda: anchor + monotonic()


def change_at_once_what_is_down(peer: Any) -> None:
    """Wrap the method that changes a neighbor, in a class as ExaBGP's ``Peer``."""
    reestablish = peer.reestablish

    def reestablish_or_change(self: Any, neighbor: Any = None) -> None:
        reestablish(self, neighbor)
        if self.proto is None:
            self._reset()

    peer.reestablish = reestablish_or_change


def main() -> None:
    parent, configuration, *anchor = sys.argv[1:]
    die_with(int(parent))
    keep_time_steadily(float(anchor[0]) if anchor else time.time() - time.monotonic())
    # Imported only now: importing it takes longer than a parent may take to die, and some of it may take the clock
    # by its name.
    from exabgp.application.main import main as exabgp  # type: ignore[import-untyped]  # noqa: PLC0415
    from exabgp.reactor.peer import Peer  # type: ignore[import-untyped]  # noqa: PLC0415

    from ermon.exabgp import listener  # noqa: PLC0415

    listener.install()
    change_at_once_what_is_down(Peer)
    sys.argv = ["exabgp", "server", configuration]
    sys.exit(exabgp())


if __name__ == "__main__":
    main()
