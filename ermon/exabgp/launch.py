"""Starts ExaBGP as ermon's child: ``launch.py PARENT_PID CONFIGURATION [CLOCK_ANCHOR [PORT]]``. Not imported by ermon.

With a PORT, the only one on which it can then listen, it enters a ``box`` before it imports ExaBGP, which parses input
from strangers, and reports the missing parts of the box at the ``door``. It changes six things for which ExaBGP 5.0 has
no setting:

- ExaBGP ends when ermon ends, for any reason.
- It listens on the addresses of its present configuration (``listener``).
- ExaBGP tears down a neighbor that a reload changes. If that neighbor is down, this ends its next session, and some
  routers then wait two minutes. Here such a neighbor is changed at once.
- When the relay dies, ExaBGP starts another one. But if it writes to the relay before it notices, it stops all neighbors
  for good instead. Here it starts another one then, too.
- ExaBGP's timers use the wall clock: setting it forward by more than the hold time would end every session. Its
  ``time.time`` becomes the monotonic clock plus CLOCK_ANCHOR (by default the present difference to the wall clock). The
  lines of ExaBGP have this time too.
- UPDATEs are passed on unchanged (``raw``), if this was tested with the installed version of ExaBGP.
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
    """Make the kernel kill this process when its parent ends."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it had ended before that
        sys.exit("ermon is gone")


def keep_time_steadily(anchor: float) -> None:
    """Make the time of this process the monotonic clock plus ``anchor`` seconds, which cannot be set."""
    monotonic = time.monotonic
    time.time = lambda: anchor + monotonic()


def change_at_once_what_is_down(peer: Any) -> None:
    """Wrap the method that changes a neighbor, in a class such as ExaBGP's ``Peer``."""
    reestablish = peer.reestablish

    def reestablish_or_change(self: Any, neighbor: Any = None) -> None:
        reestablish(self, neighbor)
        if self.proto is None:
            self._reset()

    peer.reestablish = reestablish_or_change


def replace_a_relay_that_died(processes: Any, error: type[Exception]) -> None:
    """Wrap the method that writes to the relay, in a class such as ExaBGP's ``Processes``; it raises ``error`` if the relay died.

    What was written is lost then: ermon notices the end of the relay, and has everything sent again.
    """
    write = processes.write

    def write_or_replace(self: Any, process: str, line: str, neighbor: Any = None) -> Any:
        try:
            return write(self, process, line, neighbor)
        except error:
            self._handle_problem(process)
            if (
                process not in self._process
            ):  # no other one could be started: ermon restarts ExaBGP, which does not answer
                raise
            self._broken = [broken for broken in self._broken if broken != process]
            return True

    processes.write = write_or_replace


def hand_down_the_door() -> int:
    """Let ExaBGP's child, the relay, inherit ermon's door; return the door's descriptor."""
    door = int(os.environ["ERMON_DOOR"])
    subprocess.Popen = functools.partial(subprocess.Popen, pass_fds=(door,))  # type: ignore[assignment,misc]
    return door


def go_into_the_box(configuration: str, port: int, door: int) -> None:
    """Give up all rights that ExaBGP does not need, and report to ermon the parts that this machine does not support."""
    from ermon.exabgp import box  # noqa: PLC0415

    know_own_account()
    missing = box.enter_box(box.rights_of_exabgp(Path(configuration).parent, port))
    os.write(door, b" ".join([box.MISSING, *(part.encode("ascii") for part in missing)]))


def know_own_account() -> None:
    """Make ExaBGP find the account that it must keep without reading the machine's list of accounts.

    Every name gives this account: when ExaBGP reports a session's error, it looks up its default account, and if that did
    not exist, the report would end all sessions.
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
    # Imported only now: the import takes longer than a parent may take to end, and some modules may import the clock
    # by name.
    from exabgp.application.main import main as exabgp  # type: ignore[import-untyped]  # noqa: PLC0415
    from exabgp.reactor.api.processes import (  # type: ignore[import-untyped]  # noqa: PLC0415
        ProcessError,
        Processes,
    )
    from exabgp.reactor.peer import Peer  # type: ignore[import-untyped]  # noqa: PLC0415

    from ermon.exabgp import listener, raw, window  # noqa: PLC0415

    listener.install()
    change_at_once_what_is_down(Peer)
    replace_a_relay_that_died(Processes, ProcessError)
    octets = int(os.environ.get(raw.WINDOW, window.WINDOW_OCTETS))
    state = raw.install(os.environ.get(raw.SWITCH, raw.DEFAULT), octets)
    os.write(door, b"%b %b" % (raw.RAW, state.encode("ascii")))
    sys.argv = ["exabgp", "server", configuration]
    sys.exit(exabgp())


if __name__ == "__main__":
    main()
