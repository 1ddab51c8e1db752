"""The files of one ExaBGP process: its configuration, its log, and the socket for its relay.

They are in the process' own directory (mode 0700) under the runtime directory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path

from ermon.aio.files import replace_file
from ermon.aio.own import own_folder
from ermon.exabgp.channel import ExaBGPError

LOG_LIMIT = 2**20
"""The limit of ExaBGP's log in bytes; a larger log is emptied."""

LAST_WORDS = 5
"""The number of log lines that are shown when ExaBGP ended by itself."""

_MODE = 0o700


class ProcessDirectory:
    """The directory of the process ``name`` under ``runtime``. ``prepare`` creates it."""

    def __init__(self, runtime: Path, name: str) -> None:
        self.path = runtime.absolute() / _file_name(name)
        self.configuration_path = self.path / "exabgp.conf"
        self.log_path = self.path / "exabgp.log"

    def prepare(self) -> None:
        """Create it, empty, for this account only; ``ExaBGPError`` if that can never work."""
        try:
            own_folder(self.path, _MODE, inside=True)
            self._empty()
        except OSError as error:
            raise ExaBGPError(f"{self.path} cannot be used for ExaBGP: {error.strerror}") from error

    def remove(self) -> None:
        self._empty()
        with contextlib.suppress(OSError):  # something else has this name
            self.path.rmdir()

    def _empty(self) -> None:
        left = (pattern for name in ("relay.*", ".exabgp.conf.*") for pattern in self.path.glob(name))
        for path in (self.configuration_path, self.log_path, *left):
            path.unlink(missing_ok=True)

    def begin_run(self) -> None:
        """Create the directory again if it has been removed."""
        own_folder(self.path, _MODE, inside=True)

    def write_configuration(self, text: str) -> None:
        """Replace the file in one step, because ExaBGP may read it at any moment. It contains keys."""
        replace_file(
            self.configuration_path, text.encode("ascii"), durable=False
        )  # each start writes it again

    # The log -----------------------------------------------------------------------------------------

    def open_log(self) -> int:
        """Return a descriptor for ExaBGP's log."""
        return os.open(
            self.log_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW, 0o600
        )

    def log_size(self) -> int:
        """Return the size of the log in bytes."""
        try:
            return self.log_path.stat().st_size
        except FileNotFoundError:
            return 0

    def log(self, start: int = 0) -> str:
        """Return the log from a byte on, or only its end if that is more than the limit of the log.

        An attacker who controls ExaBGP could make the log arbitrarily large.
        """
        try:
            with self.log_path.open("rb") as file:
                file.seek(max(start, file.seek(0, os.SEEK_END) - LOG_LIMIT))
                return file.read(LOG_LIMIT).decode(errors="replace")
        except FileNotFoundError:
            return ""

    def limit_log(self) -> None:
        if self.log_size() > LOG_LIMIT:
            os.truncate(self.log_path, 0)

    def last_words(self) -> str:
        """Return the end of the log, without the column with the name of ExaBGP's component."""
        lines = [line for line in self.log().splitlines() if not line.startswith(("welcome ", "advice "))]
        texts = [(line[16:] if line[15:16] == " " else line).strip() for line in lines]
        return "; ".join([text for text in texts if text][-LAST_WORDS:])


def _file_name(process: str) -> str:
    """Return a directory name for a process: its own name if that is safe and short."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,32}", process):
        return process
    return hashlib.sha256(process.encode()).hexdigest()[:16]
