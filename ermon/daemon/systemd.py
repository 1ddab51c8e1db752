"""ermon as a service of systemd: its notifications while it runs, and the files that make it a service.

It reports that it is ready, reloading or stopping, a line for ``systemctl status``, and feeds the watchdog. Where ermon
was not started by systemd, nothing is said. sd_notify(3) and sd_watchdog_enabled(3) describe
the protocol: datagrams of ``NAME=value`` lines.

The watchdog is for an ermon that is stuck, which nothing else would notice. A quiet night is healthy, and so
is an ermon whose ExaBGP ends again and again: it starts another and says ``exabgp-down``, and to kill it
would only cost the sight that the other processes have. So it is fed unless the event loop stands still,
or ermon has left an ExaBGP process alone for too long, or, as the last resort, none answers any more at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib import resources
from pathlib import Path
from typing import Self

import structlog

from ermon.config.secrets import credential_name
from ermon.core.monitor import Monitor

ANSWER_SECONDS = 300.0
"""ExaBGP is asked each second, and started again after at most half a minute: after ten times that, the code that
should do this is stuck. It is also time enough to read all that a relay can hold for an ermon that was behind."""

START_SECONDS = 60.0
"""An ermon that sees something is not to be stopped, by the time limit of its start, for a process that is not
up: so long after the start, one of them is enough to be ready."""

STATUS_SECONDS = 5.0
"""The line for ``systemctl status`` is written at most so often."""

READY_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Sign:
    """The last signs of life of an ExaBGP process, in seconds of the event loop's clock."""

    started_at: float
    """When ermon last started it, or tried to."""
    answered_at: float
    """When it last answered; ``-inf``: never."""


@dataclass(frozen=True, slots=True)
class Notifier:
    """The socket of systemd, if any, and the interval of its watchdog."""

    address: str | None = None
    """A socket's path, or ``@`` and an abstract name."""
    watchdog_seconds: float | None = None

    @classmethod
    def take_from(cls, environment: MutableMapping[str, str]) -> Self:
        """Read what systemd said, and take it away: nothing that ermon starts is to speak in its name."""
        address = environment.pop("NOTIFY_SOCKET", None)
        microseconds, pid = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        meant_for_us = microseconds.isdecimal() and int(microseconds) > 0 and pid in {"", str(os.getpid())}
        return cls(address or None, int(microseconds) / 1e6 if meant_for_us else None)

    def send(self, *assignments: str) -> bool:
        """Send a notification, if there is a socket; ``False`` if it must be sent again."""
        if self.address is None:
            return True
        name = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(assignments).encode(), name)
        except OSError:
            return False
        return True


class Systemd:
    """Keeps systemd informed.

    ``ready`` says whether every ExaBGP listens, and if not, which does not; ``signs`` when each was alive;
    ``status`` is the line for ``systemctl status``. ``answer_seconds`` is how long an ExaBGP may be silent.
    """

    def __init__(
        self,
        notifier: Notifier,
        *,
        ready: Callable[[], tuple[bool, str]],
        signs: Callable[[], Mapping[str, Sign]],
        status: Callable[[], str],
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._notifier = notifier
        self._all_ready = ready
        self._signs = signs
        self._status = status
        self._answer_seconds = answer_seconds
        self._ready = False
        """It has been reported to systemd that ermon is ready."""
        self._reloaded_unsent = False
        """It has not been reported that a reload is over."""
        self._told_status = ""
        self._starving = False
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Say what there is to say, again and again."""
        if self._notifier.address is None:
            return
        loop = asyncio.get_running_loop()
        pause = min(STATUS_SECONDS, (self._notifier.watchdog_seconds or STATUS_SECONDS) / 2)
        began = loop.time()
        while True:
            self.turn(began, loop.time())
            await asyncio.sleep(pause if self._ready else READY_POLL_SECONDS)

    def turn(self, began: float, now: float) -> None:
        """Say what there is to say ``now``; ``began`` is when ermon was started."""
        signs = self._signs()
        all_ready, reason = self._all_ready()
        ready_enough = all_ready or _overdue(signs, began, now)
        if self._reloaded_unsent or (ready_enough and not self._ready):
            self._tell_ready()
        if self._ready and self._notifier.watchdog_seconds is not None:
            self._feed(why_stuck(signs, began, now, self._answer_seconds))
        status = self._status() if all_ready else reason.replace("\n", "; ")  # a line is an assignment
        if status != self._told_status and self._notifier.send(f"STATUS={status}"):
            self._told_status = status

    def _tell_ready(self) -> None:
        sent = self._notifier.send("READY=1")
        self._ready, self._reloaded_unsent = self._ready or sent, not sent

    def _feed(self, stuck: str | None) -> None:
        if stuck is None:
            self._notifier.send("WATCHDOG=1")
        elif not self._starving:
            self._log.error("watchdog not fed", reason=stuck)
        self._starving = stuck is not None

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """Say that the configuration is being reloaded, and then that it is over, whatever came of it."""
        if not self._ready:
            yield
            return
        self._notifier.send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            yield
        finally:
            self._tell_ready()

    def stopping(self) -> None:
        self._notifier.send("STOPPING=1", "STATUS=stopping")


def why_stuck(signs: Mapping[str, Sign], began: float, now: float, limit: float) -> str | None:
    """Tell why a restart of ermon would be worth its price; ``None``: it would not."""
    for name, sign in signs.items():
        if now - max(began, sign.started_at, sign.answered_at) > limit:
            return f"ExaBGP process {name} has neither answered nor been started again for {limit:g} s"
    if signs and now - max(began, *(sign.answered_at for sign in signs.values())) > limit:
        return f"no ExaBGP process has answered for {limit:g} s"
    return None


def status_line(monitor: Monitor) -> str:
    """Return how many feeds are up and how much is raised, in one line."""
    feeds = monitor.network.feeds.values()
    raised = len(monitor.findings())
    up = sum(feed.session.up for feed in feeds)
    return f"{up} of {len(feeds)} feeds up, {raised or 'nothing'} raised"


def _overdue(signs: Mapping[str, Sign], began: float, now: float) -> bool:
    return now - began > START_SECONDS and any(sign.answered_at >= began for sign in signs.values())


# Files -----------------------------------------------------------------------------------------------

EXECUTABLE = Path("/usr/local/bin/ermon")
CONFIG_FILE = Path("/etc/ermon/ermon.yml")
"""The paths in the files as they are shipped."""

SECRETS = "secrets"
"""The folder of the keys beside the configuration, and the name of the credentials that systemd makes of it."""

HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108  # not to be used
"""What the service does not see (systemd.exec(5), ProtectHome= and PrivateTmp=)."""

_PLAIN = re.compile(r"/[A-Za-z0-9/._+@-]*")


class UnitFile(Enum):
    SERVICE = "ermon.service"
    SYSUSERS = "ermon.sysusers.conf"
    TMPFILES = "ermon.tmpfiles.conf"


class UnitError(ValueError):
    """A path cannot stand in a unit; the text says which, and what to do."""


def render(wanted: UnitFile, executable: Path, config_file: Path, secret_files: Iterable[str]) -> str:
    """Return a file for an ermon at ``executable`` with the configuration at ``config_file``, both absolute.

    ``secret_files`` are what the configuration names. Those that are neither in its folder ``secrets`` nor
    absolute, which ermon has to be able to read itself, are passed on one by one.
    """
    for path in (executable, config_file):
        if not _PLAIN.fullmatch(str(path)):
            raise UnitError(f"{path}: a unit takes an absolute path of letters, digits and . _ + - @ only")
    source = resources.files("ermon") / "data" / "systemd" / wanted.value
    text = source.read_text(encoding="utf-8")
    text = text.replace(str(EXECUTABLE), str(executable)).replace(str(CONFIG_FILE), str(config_file))
    text = text.replace(str(CONFIG_FILE.parent), str(config_file.parent))
    folder = f"LoadCredential={SECRETS}:{config_file.parent / SECRETS}\n"
    single = [
        f"LoadCredential={credential_name(file)}:{config_file.parent / file}\n"
        for file in secret_files
        if not file.startswith(("/", f"{SECRETS}/"))
    ]
    return text.replace(folder, folder + "".join(single))


def hidden(paths: Sequence[Path]) -> Path | None:
    """Return the first path, if any, that the service would not see."""
    return next((path for path in paths if any(path.is_relative_to(folder) for folder in HIDDEN)), None)
