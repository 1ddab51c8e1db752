"""ermon as a service of systemd: its notifications, and its unit files.

ermon reports that it is ready, reloading or stopping, sends a line for ``systemctl status``, and feeds the watchdog.
If systemd did not start it, it sends nothing. sd_notify(3) and sd_watchdog_enabled(3) describe the protocol:
datagrams of ``NAME=value`` lines.

The watchdog is for an ermon that is stuck, which nothing else would notice. An ermon without events is healthy. So is
an ermon whose ExaBGP ends repeatedly: it starts another and raises ``exabgp-down``, and killing it would only end the
sessions of the other processes. So the watchdog is fed unless the event loop is stuck, ermon has not restarted or asked an
ExaBGP process for too long, or, as the last resort, no ExaBGP process answers at all.
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
"""ermon asks each ExaBGP every second, and restarts it after at most half a minute. After ten times that, the code that
should do this is stuck. It is also enough time to read a full relay buffer after a standstill."""

START_SECONDS = 60.0
"""After this time one ExaBGP process that is up is enough to report that ermon is ready. Otherwise systemd's time limit
for the start would stop an ermon that sees something, because of another process that is down."""

STATUS_SECONDS = 5.0
"""The shortest interval between two lines for ``systemctl status``."""

READY_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Sign:
    """The last signs of life of an ExaBGP process, in seconds of the event loop's clock."""

    started_at: float
    """When ermon last started the process, or tried to."""
    answered_at: float
    """When the process last answered; ``-inf``: never."""


@dataclass(frozen=True, slots=True)
class Notifier:
    """The socket of systemd, if any, and the interval of its watchdog."""

    address: str | None = None
    """A socket's path, or ``@`` and an abstract name."""
    watchdog_seconds: float | None = None

    @classmethod
    def take_from(cls, environment: MutableMapping[str, str]) -> Self:
        """Read systemd's variables and remove them from the environment, so that no child process can notify systemd."""
        address = environment.pop("NOTIFY_SOCKET", None)
        microseconds, pid = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        meant_for_us = microseconds.isdecimal() and int(microseconds) > 0 and pid in {"", str(os.getpid())}
        return cls(address or None, int(microseconds) / 1e6 if meant_for_us else None)

    def send(self, *assignments: str) -> bool:
        """Send a notification, if there is a socket; return ``False`` if it must be sent again."""
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

    ``ready`` returns whether every ExaBGP listens, and otherwise the reason; ``signs`` returns when each last started and
    answered; ``status`` returns the line for ``systemctl status``. ``answer_seconds`` is how long an ExaBGP may be silent.
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
        """Whether ermon has reported to systemd that it is ready."""
        self._reloaded_unsent = False
        """Whether ermon must still report the end of a reload."""
        self._told_status = ""
        self._starving = False
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Send due notifications until cancelled."""
        if self._notifier.address is None:
            return
        loop = asyncio.get_running_loop()
        pause = min(STATUS_SECONDS, (self._notifier.watchdog_seconds or STATUS_SECONDS) / 2)
        began = loop.time()
        while True:
            self.turn(began, loop.time())
            await asyncio.sleep(pause if self._ready else READY_POLL_SECONDS)

    def turn(self, began: float, now: float) -> None:
        """Send the notifications that are due ``now``; ``began`` is when ermon was started."""
        signs = self._signs()
        all_ready, reason = self._all_ready()
        ready_enough = all_ready or _overdue(signs, began, now)
        if self._reloaded_unsent or (ready_enough and not self._ready):
            self._tell_ready()
        if self._ready and self._notifier.watchdog_seconds is not None:
            self._feed(why_stuck(signs, began, now, self._answer_seconds))
        status = self._status() if all_ready else reason.replace("\n", "; ")  # each line is an assignment
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
        """Report that a reload begins, and at the end of the block that it is over, also after an error."""
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
    """Return why ermon counts as stuck and needs a restart; ``None`` if it does not."""
    for name, sign in signs.items():
        if now - max(began, sign.started_at, sign.answered_at) > limit:
            return f"ExaBGP process {name} has neither answered nor been started again for {limit:g} s"
    if signs and now - max(began, *(sign.answered_at for sign in signs.values())) > limit:
        return f"no ExaBGP process has answered for {limit:g} s"
    return None


def status_line(monitor: Monitor) -> str:
    """Return the number of feeds that are up and of raised findings, in one line."""
    feeds = monitor.network.feeds.values()
    raised = len(monitor.findings())
    up = sum(feed.session.up for feed in feeds)
    return f"{up} of {len(feeds)} feeds up, {raised or 'nothing'} raised"


def _overdue(signs: Mapping[str, Sign], began: float, now: float) -> bool:
    return now - began > START_SECONDS and any(sign.answered_at >= began for sign in signs.values())


# Files -----------------------------------------------------------------------------------------------

EXECUTABLE = Path("/usr/local/bin/ermon")
CONFIG_FILE = Path("/etc/ermon/ermon.yml")
"""The path of the configuration in the unit files as shipped."""

SECRETS = "secrets"
"""The folder of the keys beside the configuration, and the name of the credential that systemd makes of it."""

HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108  # not used as folders
"""Folders that the service cannot see (systemd.exec(5), ProtectHome= and PrivateTmp=)."""

_PLAIN = re.compile(r"/[A-Za-z0-9/._+@-]*")


class UnitFile(Enum):
    SERVICE = "ermon.service"
    SYSUSERS = "ermon.sysusers.conf"
    TMPFILES = "ermon.tmpfiles.conf"


class UnitError(ValueError):
    """A unit cannot contain a path; the text says which, and what to do."""


def render(wanted: UnitFile, executable: Path, config_file: Path, secret_files: Iterable[str]) -> str:
    """Return a file for an ermon at ``executable`` with the configuration at ``config_file``, both absolute.

    ``secret_files`` are the secrets that the configuration names. The unit passes them on one by one, except those in
    the folder ``secrets`` and those with absolute paths, which ermon must be able to read itself.
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
    """Return the first path that the service cannot see, ``None`` if it sees all."""
    return next((path for path in paths if any(path.is_relative_to(folder) for folder in HIDDEN)), None)
