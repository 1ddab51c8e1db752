"""Keeps up with ``--web.config.file`` and its certificates while ermon runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import structlog

from ermon.config.yaml import ConfigError
from ermon.httpd.config import load_web_config
from ermon.httpd.shell import WebConfig

SETTLE_SECONDS = 1.0
"""A file that was written to so lately may be written to still: half of it could leave a door open."""
RETRY_SECONDS = 10.0
"""After an error it is read again though it looks the same: what it names may be there by then."""

Stamp = tuple[tuple[int, int, int, int, int] | None, ...]


class LiveWebConfig:
    """The file as it is now, or as it was when it was last right.

    What has become invalid never opens a door: the last good one stays in force, and the errors are logged
    once.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Read it for the first time; raises ``ConfigError``."""
        self._path = path
        self._clock = clock
        self._log = structlog.get_logger()
        self._config = load_web_config(path)
        self._seen = _stamp(self._config.files)
        self._told = ""
        self._retry_at = float("inf")
        self._warn(self._config)

    def current(self) -> WebConfig:
        """Return what is in force. Cheap enough for every request: it looks at the files' dates and sizes."""
        now = self._clock()
        stamp = _stamp(self._config.files)
        if (stamp != self._seen or now >= self._retry_at) and not _fresh(stamp, now):
            self._seen = stamp
            self._read_again(now)
        return self._config

    def _read_again(self, now: float) -> None:
        try:
            config = load_web_config(self._path)
        except ConfigError as error:
            self._refuse(str(error), now)
            return
        if (config.tls is None) is not (self._config.tls is None):
            self._refuse(
                f"{self._path}: TLS cannot be switched on or off while ermon runs; restart ermon for that",
                now,
            )
            return
        self._config = config
        self._seen = _stamp(config.files)
        self._told, self._retry_at = "", float("inf")
        self._log.info("web configuration read again", file=str(self._path))
        self._warn(config)

    def _refuse(self, problems: str, now: float) -> None:
        self._retry_at = now + RETRY_SECONDS
        if problems != self._told:
            self._told = problems
            for problem in problems.splitlines():
                self._log.error(
                    "web configuration refused, the last good one stays in force", problem=problem
                )

    def _warn(self, config: WebConfig) -> None:
        for warning in config.warnings:
            self._log.warning("web configuration", problem=warning)


def _stamp(files: tuple[Path, ...]) -> Stamp:
    return tuple(map(_stamp_of, files))


def _stamp_of(file: Path) -> tuple[int, int, int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _fresh(stamp: Stamp, now: float) -> bool:
    """Return whether a file was written to a moment ago; one from the future was not."""
    return any(found is not None and 0 <= now - found[3] / 1e9 < SETTLE_SECONDS for found in stamp)
