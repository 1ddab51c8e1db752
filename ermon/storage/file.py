"""The storage file with its failures: opens it again after an error, and sets it aside if it is damaged.

No function here raises: errors become texts for a finding. Used by one thread.
"""

from __future__ import annotations

import math
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import structlog

from ermon.model.text import file_stamp
from ermon.storage.database import (
    LOCKED_SECONDS,
    MAX_BYTES,
    PARTS,
    DamagedError,
    Database,
    ForeignError,
    State,
    Table,
)
from ermon.storage.past import HistoryRow, Hours, PastTables

FILE_NAME = "ermon.sqlite"
SET_ASIDE_AT_MOST = 10
"""Damaged files that stay in the folder. If there are more, the disk is the problem and not the file."""
SHOWN_SECONDS = 300.0
"""How long a file that was set aside is reported as a problem, so that an engineer can see it."""

LAST_HOUR = 2**40
"""A number above all hours since the epoch."""

_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_READONLY: "it is read-only; check its disk and its owner",
    sqlite3.SQLITE_PERM: "access is denied; check its owner",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check the folder and its owner",
    sqlite3.SQLITE_IOERR: "the disk refuses it; check the disk and limits on file sizes",
    sqlite3.SQLITE_BUSY: f"another program has had it open for {LOCKED_SECONDS:g} s; is there another ermon? Give "
    "each a --storage.path of its own",
}


T = TypeVar("T")


class Written(NamedTuple):
    done: bool
    problem: str | None
    """What is wrong, also after a write that succeeded; ``None`` if nothing is."""


class Looked(NamedTuple, Generic[T]):
    done: bool
    answer: T


class Begun(NamedTuple):
    """The contents of the file at the start."""

    state: State
    latest: list[HistoryRow]
    """The latest rows of the history, the latest first."""
    hours: Hours
    """The links by hour, the earliest first."""
    problem: str | None


class StorageFile:
    def __init__(self, folder: Path, retention_seconds: float, *, max_bytes: int = MAX_BYTES) -> None:
        self.path = folder / FILE_NAME
        self._retention_seconds = retention_seconds
        self._max_bytes = max_bytes
        self._database: Database | None = None
        self._new = False
        """Whether the file was created while ermon ran and nothing has been written to it yet."""
        self._notice = ""
        self._notice_ends = -math.inf
        self._log = structlog.get_logger()

    def begin(self, limit: int, first_hour: int) -> Begun:
        """Read the file: the state, the ``limit`` latest rows of the history, and the links from ``first_hour`` on."""
        try:
            database = self._open()
            latest = database.look(lambda past: past.history(-math.inf, limit))
            hours = database.look(lambda past: past.hours(first_hour, LAST_HOUR))
            return Begun(database.state, latest, hours, self._shown())
        except DamagedError as error:
            problem = self._set_aside(error) or self._shown()
        except (OSError, sqlite3.Error, ForeignError) as error:
            problem = self._failed(error)
        except Exception as error:  # noqa: BLE001 - unforeseen contents: the file cannot be read
            self._log.exception("storage file cannot be read", path=str(self.path))
            problem = self._set_aside(DamagedError(_described(error))) or self._shown()
        return Begun({table: {} for table in Table}, [], {}, problem)

    def write(
        self,
        state: State,
        cleared: Sequence[HistoryRow],
        latest: Sequence[HistoryRow],
        hours: Hours,
        now: float,
    ) -> Written:
        """Write the state, the findings that were ``cleared`` since the last write, and those of these ``hours`` that are
        not written yet. A new file begins with the ``latest`` history.
        """
        try:
            database = self._open()
            rows = (*reversed(latest), *cleared) if self._new else cleared
            database.write(state, rows, hours, now - self._retention_seconds)
        except DamagedError as error:
            problem = self._set_aside(error)
            if problem is not None:
                return Written(False, problem)
            return self.write(state, cleared, latest, hours, now)
        except (OSError, sqlite3.Error, ForeignError) as error:
            return Written(False, self._failed(error))
        except Exception as error:  # noqa: BLE001 - the writing thread must not end
            return Written(False, self._surprised(error))
        self._new = False
        return Written(True, self._shown())

    def look(self, look: Callable[[PastTables], T], otherwise: T) -> Looked[T]:
        """Return the result of a query of the past, or ``otherwise`` after an error. Call ``write`` after an error: it
        reports what is wrong, and writes to a new file if the old one was set aside.
        """
        try:
            return Looked(True, self._open().look(look))
        except DamagedError as error:
            self._set_aside(error)
        except (OSError, sqlite3.Error, ForeignError):
            self.close()
        except Exception as error:  # noqa: BLE001 - as above
            self._surprised(error)
        return Looked(False, otherwise)

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _open(self) -> Database:
        if self._database is not None and not self._database.in_place:
            self._log.error("storage file is gone", path=str(self.path), action="creating a new one")
            self.close()
            self._new = True
        if self._database is None:
            self._database = Database(self.path, max_bytes=self._max_bytes)
            self._database.open()
        return self._database

    def _failed(self, error: Exception) -> str:
        self.close()  # a connection from before a disk failure may be unusable afterwards
        if isinstance(error, ForeignError):
            return str(error)
        if isinstance(error, OSError):
            return f"{error.filename or self.path}: {error.strerror}; check the folder and its owner"
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return f"{self.path}: {_ADVICE.get(code, 'check the disk')} ({error})"

    def _surprised(self, error: Exception) -> str:
        self.close()
        self._log.exception("storage failed", path=str(self.path))
        return f"{self.path}: cannot be written ({_described(error)}); move it away if that persists"

    # Damaged files -----------------------------------------------------------------------------------

    def _shown(self) -> str | None:
        return self._notice if time.monotonic() < self._notice_ends else None

    def _set_aside(self, damage: DamagedError) -> str | None:
        """Rename the damaged file, so that the next one is new; return why that failed, ``None`` if it did not."""
        try:
            aside = self._rename()
        except OSError as error:
            self.close()
            return f"{self.path} is damaged ({damage}) and cannot be renamed: {error.strerror}; move it away"
        self.close()  # not earlier: closing removes the log files that have the original name
        if aside is None:
            return (
                f"{self.path} is damaged ({damage}), like {SET_ASIDE_AT_MOST} before it; check the disk, "
                f"and remove the others: {self.path.name}.corrupt-*"
            )
        self._new = True
        self._notice = (
            f"{self.path} was damaged ({damage}); it was renamed to {aside.name}, and a new one created"
        )
        self._notice_ends = time.monotonic() + SHOWN_SECONDS
        self._log.error(
            "storage file was damaged", problem=str(damage), path=str(self.path), kept_as=aside.name
        )
        return None

    def _rename(self) -> Path | None:
        others = list(self.path.parent.glob(f"{self.path.name}.corrupt-*Z*"))
        if len({_whole(other.name) for other in others}) >= SET_ASIDE_AT_MOST:
            return None
        stamp = file_stamp(time.time())
        aside = self.path.with_name(f"{self.path.name}.corrupt-{stamp}")
        number = 1
        while any(os.path.lexists(f"{aside}{part}") for part in PARTS):
            number += 1
            aside = self.path.with_name(f"{self.path.name}.corrupt-{stamp}.{number}")
        for part in reversed(PARTS):  # the database last, so that no log file is left beside a new database
            with_part = Path(f"{self.path}{part}")
            if os.path.lexists(with_part):
                with_part.rename(f"{aside}{part}")
        return aside


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _whole(name: str) -> str:
    """Return the name of a database file without SQLite's suffix."""
    for part in PARTS[1:]:
        name = name.removesuffix(part)
    return name
