"""The SQLite file: its tables, its limits and its possible damage. Used by one thread.

The state is small, so it is also in memory, and ``write`` brings the tables to it from any earlier contents. So a new
file, or one after a failed write, needs no special case. ``Reader`` makes values from rows.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ermon.aio.own import NotAFileError, own_file, own_folder
from ermon.checks.topics import Counted, CountedKind
from ermon.core.levels import LevelMemory
from ermon.core.maintenance_book import BookedWindow
from ermon.core.timeline import KeptTimeline
from ermon.model.findings import Delivery, Finding
from ermon.model.inventory import LinkFamily
from ermon.model.text import printable
from ermon.storage import past
from ermon.storage.past import HistoryRow, Hours, PastTables, as_bytes, as_text

VERSION = 1
"""The version of the tables. A release that changes a table increments it, and migrates older ones."""
LAST_VERSION = 1000
"""No release will ever write a higher version, so a higher one is damage."""
APPLICATION_ID = 0x65726D6E
"""``ermn``: distinguishes ermon's files from those of other programs (SQLite file format, section 1.3)."""
MAX_BYTES = 256 * 1024 * 1024
"""Limit of the file: some hundred thousand findings, or hours of the links. At the limit the oldest history is removed."""
LOCKED_SECONDS = 4.0
"""How long to wait for another process that has the file open, such as an ermon that is about to end."""
WAL_BYTES = 4 * 1024 * 1024
"""The size to which a larger write-ahead log is truncated."""
FREE_PAGES = 256
"""A MiB, at 4 KiB each: fewer free pages are not returned to the file system."""
MAX_HOUR_BYTES = 64 * 1024 * 1024
"""Limit for an unpacked hour of the links, enough for a thousand links that change all the time. A damaged row could
claim any size.
"""
VACUUMED_AT_ONCE = 4096
"""16 MiB: further free pages are returned with the next write."""


class Table(StrEnum):
    """Tables of current state: rows of a key and a JSON value."""

    FINDINGS = "open_finding"
    BASELINES = "baseline"
    WINDOWS = "maintenance_window"
    DELIVERIES = "delivery"
    LISTS = "published_list"
    INSTALLATION = "installation"


State = Mapping[Table, Mapping[str, bytes]]
"""The wanted contents of the tables: JSON values by key."""

T = TypeVar("T")


class DamagedError(Exception):
    """The file is not a database, or a damaged one."""


class ForeignError(Exception):
    """This ermon must not write the file; the text says why, and what to do."""


_SCHEMA = (
    *(
        f"CREATE TABLE {table} (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID"
        for table in Table
    ),
    *past.SCHEMA,
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
)
_TABLES = {*map(str, Table), "history"}
PARTS = ("", "-wal", "-shm", "-journal")
"""The suffixes of the files that belong to one SQLite database."""
_NOT_THE_FILES_FAULT = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOLFS,
}
"""SQLite's errors with a cause outside the file, such as the disk or another process. Every other error means that the
contents of the file are damaged, because ermon's statements are right.
"""


class Database:
    """An open file. Every method may raise ``sqlite3.Error``, or ``DamagedError`` if the file is the cause."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        """Make the file if it is missing, and connect; raises ``OSError`` if its folder is missing and cannot be made, or
        belongs to another user.
        """
        self._max_bytes = max_bytes
        own_folder(path.parent)
        try:
            own_file(path)
        except NotAFileError as error:
            raise DamagedError(error.strerror) from error
        if linked := [part for part in PARTS[1:] if Path(f"{path}{part}").is_symlink()]:
            raise DamagedError(f"its {', '.join(linked)} is a symbolic link")
        _check_header(path)
        self._path = path
        self._identity = _identity(path)
        self._written: State = {}
        self._connection = sqlite3.connect(path, timeout=LOCKED_SECONDS, isolation_level=None)
        self._past = PastTables(self._connection)

    def open(self) -> None:
        """Check the file and create missing tables; raises ``ForeignError`` if ermon must not write it."""
        with _damage():
            self._prepare()
            self._written = self._read()

    def _prepare(self) -> None:
        self._connection.text_factory = bytes  # the reader of the JSON handles invalid text
        # No other process may write the file. Exclusive locking also avoids shared memory: if a mapped file were
        # truncated from outside, the process would end (SIGBUS).
        self._set("locking_mode = EXCLUSIVE", "trusted_schema = OFF", "synchronous = NORMAL")
        new = not self._is_ours()
        if new:
            self._set("auto_vacuum = INCREMENTAL")
        self._set("journal_mode = WAL", f"journal_size_limit = {WAL_BYTES}")
        if new:
            with self._transaction():
                for statement in _SCHEMA:
                    self._connection.execute(statement)
        # The disk may refuse all writes; the file can still be read.
        with contextlib.suppress(sqlite3.OperationalError):
            with self._transaction():
                self._past.complete()
            self._past.committed({})

    def _is_ours(self) -> bool:
        """Return whether the file has ermon's tables or is empty. Nothing is written before this check."""
        found = self._rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = {as_text(name) for (name,) in found}
        version = self._number("user_version")
        if not tables and version == 0:
            return False
        if self._number("application_id") != APPLICATION_ID:
            raise ForeignError(
                f"{self._path} is another program's database; move it away, or use another --storage.path"
            )
        if not 0 <= version <= LAST_VERSION:
            raise DamagedError(f"its format is {version}")
        if version > VERSION:
            raise ForeignError(
                f"{self._path} was written by a newer ermon (format {version}; this ermon knows {VERSION}); start the newer ermon, or use another --storage.path"
            )
        if not tables >= _TABLES:
            raise DamagedError(f"tables are missing: {', '.join(sorted(_TABLES - tables))}")
        # A trigger could change or remove what ermon writes.
        strange = self._rows("SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index')")
        if strange:
            names = ", ".join(printable(as_text(name)) for (name,) in strange)
            raise DamagedError(f"it has triggers or views, and ermon makes none: {names}")
        return True

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    @property
    def in_place(self) -> bool:
        """Whether the file still exists at its path. Data that is written to a deleted file is lost."""
        return _identity(self._path) == self._identity

    # Reading -----------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The contents of the tables."""
        return self._written

    def _read(self) -> dict[Table, dict[str, bytes]]:
        return {
            table: {
                as_text(key): as_bytes(value)
                for key, value in self._rows(f"SELECT key, value FROM {table}")  # noqa: S608  # our own names
            }
            for table in Table
        }

    def look(self, look: Callable[[PastTables], T]) -> T:
        """Return the result of a query of the tables of the past."""
        with _damage():
            return look(self._past)

    # Writing -----------------------------------------------------------------------------------------

    def write(self, state: State, cleared: Iterable[HistoryRow], hours: Hours, oldest: float) -> None:
        """Bring the tables to ``state``, add to the history, and remove what is older than ``oldest``, in one transaction:
        after an error, nothing is changed.
        """
        with _damage():
            with self._transaction():
                self._past.complete()
                for table, rows in state.items():
                    self._bring_to(table, rows)
                self._past.add(cleared, hours)
                self._past.forget(oldest)
                self._make_room()
            self._written = state
            self._past.committed(hours)
            self._give_back()

    def _bring_to(self, table: Table, rows: Mapping[str, bytes]) -> None:
        written = self._written[table]
        self._connection.executemany(
            f"DELETE FROM {table} WHERE key = ?",  # noqa: S608  # our own names
            [(key,) for key in written if key not in rows],
        )
        self._connection.executemany(
            f"INSERT OR REPLACE INTO {table} VALUES (?, ?)",  # noqa: S608  # our own names
            [(key, as_text(value)) for key, value in rows.items() if written.get(key) != value],
        )

    def _make_room(self) -> None:
        while self._used_bytes() > self._max_bytes and self._past.prune():
            pass

    def _used_bytes(self) -> int:
        used = self._number("page_count") - self._number("freelist_count")
        return used * self._number("page_size")

    def _give_back(self) -> None:
        free = self._number("freelist_count")
        if free > FREE_PAGES:
            # As a script, because the statement needs one step for each page, and `execute` makes only one.
            self._connection.executescript(f"PRAGMA incremental_vacuum({min(free, VACUUMED_AT_ONCE)})")

    # SQLite ------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # a full disk may have rolled it back already
                self._connection.execute("ROLLBACK")
            raise

    def _rows(self, query: str, *values: float | str) -> list[Any]:
        return self._connection.execute(query, values).fetchall()

    def _set(self, *pragmas: str) -> None:
        for pragma in pragmas:
            self._connection.execute(f"PRAGMA {pragma}")

    def _number(self, pragma: str) -> int:
        return int(self._rows(f"PRAGMA {pragma}")[0][0])


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    """Raise ``DamagedError`` for errors that mean damage to the file; let all others pass."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None and code & 0xFF not in _NOT_THE_FILES_FAULT:
            raise DamagedError(str(error)) from error
        raise
    except UnicodeDecodeError as error:  # SQLite's message quotes a damaged schema, which sqlite3 cannot read
        raise DamagedError("its schema is not text") from error


def _check_header(path: Path) -> None:
    """Raise ``DamagedError`` if the header is damaged. SQLite reports such a file as read-only, as it does for a disk that
    cannot be written (SQLite file format, section 1.3.3).
    """
    with path.open("rb") as file:
        header = file.read(20)
    if len(header) == 20 and header.startswith(b"SQLite format 3\0") and max(header[18:]) > _WAL:
        raise DamagedError(f"its header says format {max(header[18:])}, which SQLite only reads")


_WAL = 2


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino)


# Stored state as values and as rows: what a starting ermon reads from the one before it -------------


BASELINE_SECONDS = 7 * 86400.0
"""Age at which stored baselines are ignored: after a week without ermon they say nothing about today."""


class KeptBaseline(msgspec.Struct, frozen=True):
    """The usual level of one counted thing. Rows of versions that counted only routes have no ``level``."""

    link: LinkFamily
    saved_at: float
    kind: CountedKind = "received"
    service: str = ""
    level: LevelMemory = LevelMemory()

    @property
    def counted(self) -> Counted:
        return Counted(self.kind, *self.link, self.service)


@dataclass(frozen=True, slots=True)
class Kept:
    """The stored state of an earlier ermon."""

    findings: tuple[Finding, ...] = ()
    """The raised findings, the oldest first."""
    cleared: tuple[Finding, ...] = ()
    """The findings that were cleared last, the latest first."""
    levels: Mapping[Counted, LevelMemory] = field(default_factory=dict)
    windows: tuple[BookedWindow, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    """The deliveries that no receiver has accepted yet, the oldest first."""
    hours: tuple[KeptTimeline, ...] = ()
    """The recent hours of the links' timeline, the earliest first."""
    unreadable: int = 0
    """Number of unreadable rows, which are dropped."""


class Reader:
    """Makes values from rows, and drops unreadable rows."""

    def __init__(self, now: float) -> None:
        """``now``: seconds since the epoch."""
        self._now = now
        self._unreadable = 0

    def read(
        self, state: Mapping[Table, dict[str, bytes]], history: Iterable[HistoryRow], hours: Hours
    ) -> Kept:
        """Return the stored state; unreadable rows are removed from ``state``."""
        findings = self._table(state[Table.FINDINGS], Finding)
        deliveries = self._table(state[Table.DELIVERIES], Delivery)
        baselines = self._table(state[Table.BASELINES], KeptBaseline)
        return Kept(
            findings=tuple(sorted(findings, key=lambda finding: (finding.raised_at, finding.id))),
            cleared=tuple(self.findings(history)),
            levels={
                each.counted: each.level
                for each in baselines
                if each.saved_at > self._now - BASELINE_SECONDS and each.level != LevelMemory()
            },
            windows=tuple(self._table(state[Table.WINDOWS], BookedWindow)),
            deliveries=tuple(sorted(deliveries, key=lambda delivery: (delivery.created_at, delivery.id))),
            hours=tuple(self.hours(hours).values()),
            unreadable=self._unreadable,
        )

    def findings(self, history: Iterable[HistoryRow]) -> list[Finding]:
        found = (self._decode(row.finding, Finding) for row in history)
        return [finding for finding in found if finding is not None]

    def hours(self, hours: Hours) -> dict[int, KeptTimeline]:
        found = {hour: self._decode(_unpacked(packed), KeptTimeline) for hour, packed in hours.items()}
        return {hour: part for hour, part in found.items() if part is not None}

    def _table(self, rows: dict[str, bytes], kind: type[T]) -> list[T]:
        found: list[T] = []
        for key in list(rows):
            value = self._decode(rows[key], kind)
            if value is None:
                del rows[key]
            else:
                found.append(value)
        return found

    def _decode(self, value: bytes, kind: type[T]) -> T | None:
        try:
            return msgspec.json.decode(value, type=kind)
        except msgspec.MsgspecError:
            self._unreadable += 1
            return None


def level_rows(levels: Mapping[Counted, LevelMemory], now: float) -> dict[str, bytes]:
    return {
        "/".join((*counted.link, counted.family, counted.kind, counted.service)): encode(
            KeptBaseline((counted.link, counted.family), now, counted.kind, counted.service, level)
        )
        for counted, level in levels.items()
    }


def history_row(finding: Finding) -> HistoryRow:
    assert finding.cleared_at is not None
    return HistoryRow(finding.id, finding.cleared_at, encode(finding))


def encode(value: object) -> bytes:
    return msgspec.json.encode(value)


def packed(hour: KeptTimeline) -> bytes:
    """Encode and compress an hour of the links; callable on any thread. Its many repeated names and counts compress well."""
    return zlib.compress(encode(hour))


def _unpacked(packed: bytes) -> bytes:
    """Return the JSON of a packed row; from a damaged row, bytes that are not valid JSON."""
    try:
        return zlib.decompressobj().decompress(packed, MAX_HOUR_BYTES)
    except zlib.error:
        return b""
