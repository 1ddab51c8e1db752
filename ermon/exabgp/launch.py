"""Starts ExaBGP as ermon's child: ``launch.py PARENT_PID CONFIGURATION [CLOCK_ANCHOR [PORT]]``. Not imported by ermon.

With a PORT to listen on, and then on nothing else, it goes into a ``box`` before it imports ExaBGP, which parses what
strangers send, and reports at the ``door`` what this machine lacks for that. Five things are put right that ExaBGP 5.0
has no setting for in its configuration:

- It dies when ermon dies, however ermon dies.
- It listens on what its configuration names, at any time (``listener``).
- A neighbor that a reload changes is torn down, and where it was down, that ends its next session, for which some routers
  wait two minutes. It is changed at once there.
- Its timers read the wall clock: who sets that forward by more than the hold time would end every session. Its
  ``time.time`` becomes the monotonic clock plus CLOCK_ANCHOR (by default what the wall clock says now), which is
  also the time that its lines carry.
- UPDATEs are passed on as they came (``raw``), where ExaBGP is the one that this was tested with.
"""

from __future__ import annotations

import functools
import os
import pwd
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ermon.exabgp.landlock import prctl

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
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


def hand_down_the_door() -> int:
    """Let whatever ExaBGP starts, its relay, ask at ermon's door as well; return the door's descriptor."""
    door = int(os.environ["ERMON_DOOR"])
    subprocess.Popen = functools.partial(subprocess.Popen, pass_fds=(door,))  # type: ignore[assignment,misc]
    return door


def go_into_the_box(configuration: str, port: int, door: int) -> None:
    """Give up what ExaBGP does not need, and tell ermon the parts of that which this machine cannot take."""
    from ermon.exabgp import box  # noqa: PLC0415

    know_own_account()
    missing = box.enter_box(box.rights_of_exabgp(Path(configuration).parent, port))
    os.write(door, b" ".join([box.MISSING, *(part.encode("ascii") for part in missing)]))


def know_own_account() -> None:
    """Have ExaBGP find the account that it is to keep without a look at the machine's list of accounts.

    It finds that one whatever name it asks for: where it reports what went wrong in a session, it looks for the account that
    is its default, and if there were none, the report would end all sessions.
    """
    own = pwd.getpwnam(os.environ["exabgp_daemon_user"])  # noqa: SIM112  # ExaBGP's name for it
    pwd.getpwnam = lambda _name, /: own


def main() -> None:
    parent, configuration, *rest = sys.argv[1:]
    die_with(int(parent))
    keep_time_steadily(float(rest[0]) if rest else time.time() - time.monotonic())
    door = hand_down_the_door()
    if len(rest) > 1:
        go_into_the_box(configuration, int(rest[1]), door)
    # Imported only now: importing it takes longer than a parent may take to die, and some of it may take the clock
    # by its name.
    from exabgp.application.main import main as exabgp  # type: ignore[import-untyped]  # noqa: PLC0415
    from exabgp.reactor.peer import Peer  # type: ignore[import-untyped]  # noqa: PLC0415

    from ermon.exabgp import listener, raw, window  # noqa: PLC0415

    listener.install()
    change_at_once_what_is_down(Peer)
    octets = int(os.environ.get(raw.WINDOW, window.WINDOW_OCTETS))
    state = raw.install(os.environ.get(raw.SWITCH, raw.DEFAULT), octets)
    os.write(door, b"%b %b" % (raw.RAW, state.encode("ascii")))
    sys.argv = ["exabgp", "server", configuration]
    sys.exit(exabgp())


if __name__ == "__main__":
    main()
