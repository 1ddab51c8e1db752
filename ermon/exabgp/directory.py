"""What one ExaBGP process has on disk: its configuration, its log, and the socket that its relay connects to.

All of it is in a directory of the process' own (mode 0700) under the runtime directory.
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
"""Bytes of ExaBGP's log, which is emptied when it has grown beyond."""

LAST_WORDS = 5
"""Lines of the log that are shown when ExaBGP ended by itself."""

_MODE = 0o700


class ProcessDirectory:
    """The directory of the process ``name`` under ``runtime``. Nothing is made before ``prepare``."""

    def __init__(self, runtime: Path, name: str) -> None:
        self.path = runtime.absolute() / _file_name(name)
        self.configuration_path = self.path / "exabgp.conf"
        self.log_path = self.path / "exabgp.log"

    def prepare(self) -> None:
        """Make it, empty, for this account alone; ``ExaBGPError`` when that can never work."""
        try:
            own_folder(self.path, _MODE, inside=True)
            self._empty()
        except OSError as error:
            raise ExaBGPError(f"{self.path} cannot be used for ExaBGP: {error.strerror}") from error

    def remove(self) -> None:
        self._empty()
        with contextlib.suppress(OSError):  # somebody has put something else there
            self.path.rmdir()

    def _empty(self) -> None:
        left = (pattern for name in ("relay.*", ".exabgp.conf.*") for pattern in self.path.glob(name))
        for path in (self.configuration_path, self.log_path, *left):
            path.unlink(missing_ok=True)

    def begin_run(self) -> None:
        """Make the directory again where somebody has removed it since."""
        own_folder(self.path, _MODE, inside=True)

    def write_configuration(self, text: str) -> None:
        """Replace the file in one step, since ExaBGP may read it at any moment; keys are in it."""
        replace_file(
            self.configuration_path, text.encode("ascii"), durable=False
        )  # each start writes it anew

    # The log -----------------------------------------------------------------------------------------

    def open_log(self) -> int:
        """Return a descriptor that ExaBGP may write its log to."""
        return os.open(
            self.log_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW, 0o600
        )

    def log_size(self) -> int:
        """Return how many bytes the log has."""
        try:
            return self.log_path.stat().st_size
        except FileNotFoundError:
            return 0

    def log(self, start: int = 0) -> str:
        """Return what is written from a byte on: the end of it, where that is more than the log may have.

        An attacker who controls ExaBGP could make the log as large as they like.
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
        """Return the end of the log, without the column that says which part of ExaBGP is speaking."""
        lines = [line for line in self.log().splitlines() if not line.startswith(("welcome ", "advice "))]
        texts = [(line[16:] if line[15:16] == " " else line).strip() for line in lines]
        return "; ".join([text for text in texts if text][-LAST_WORDS:])


def _file_name(process: str) -> str:
    """Return a directory's name for a process: its own where that is harmless and short."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,32}", process):
        return process
    return hashlib.sha256(process.encode()).hexdigest()[:16]
