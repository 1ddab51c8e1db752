"""The SQLite file: its tables, its limits, and what can be wrong with it. Used by one thread.

What is kept is small: so it is held in memory too, and ``write`` updates the tables, whatever they are. After a
write that failed, or in a new file, that is the same as ever. ``Reader`` makes values of the rows again.
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
"""Of the tables; an ermon that changes them increments it, and migrates older ones."""
LAST_VERSION = 1000
"""No ermon will ever write a later one: such a number is damage."""
APPLICATION_ID = 0x65726D6E
"""``ermn``: distinguishes our files from other programs' (SQLite file format, section 1.3)."""
MAX_BYTES = 256 * 1024 * 1024
"""Some hundred thousand findings, or the links of some hundred thousand hours; the oldest history makes room."""
LOCKED_SECONDS = 4.0
"""How long somebody else who reads the file is waited for, such as an ermon that is about to end."""
WAL_BYTES = 4 * 1024 * 1024
"""What is left of the write-ahead log when it has been larger."""
FREE_PAGES = 256
"""A MiB, at 4 KiB each: less is not worth giving back to the disk."""
MAX_HOUR_BYTES = 64 * 1024 * 1024
"""Of an hour of the links, unpacked: a thousand links that are never quiet. A damaged row may say any number."""
VACUUMED_AT_ONCE = 4096
"""16 MiB: giving back more may wait for the next write."""


class Table(StrEnum):
    """Tables of current state: rows of a key and a JSON value."""

    FINDINGS = "open_finding"
    BASELINES = "baseline"
    WINDOWS = "maintenance_window"
    DELIVERIES = "delivery"
    LISTS = "published_list"
    INSTALLATION = "installation"


State = Mapping[Table, Mapping[str, bytes]]
"""What the tables should hold: JSON values by key."""

T = TypeVar("T")


class DamagedError(Exception):
    """The file is no database, or a broken one."""


class ForeignError(Exception):
    """The file is not for this ermon to write; the text says why, and what to do."""


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
"""What SQLite appends to the names of the files that belong to one database."""
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
"""SQLite's errors that come of the disk and of others. Any other comes of what the file holds: our statements are right."""


class Database:
    """A file. Every method may raise ``sqlite3.Error``, and ``DamagedError`` where the file is the cause."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        """Make the file if it is missing, and connect; ``OSError`` if there is no folder to be had, or it is somebody
        else's.
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
        """Read it, and make what is missing; ``ForeignError`` if it is not ours to write."""
        with _damage():
            self._prepare()
            self._written = self._read()

    def _prepare(self) -> None:
        self._connection.text_factory = bytes  # what is broken is for the reader of JSON to find
        # Nobody else may write here. And there is no shared memory then: a file that is mapped and cut short
        # by somebody would end the process (SIGBUS).
        self._set("locking_mode = EXCLUSIVE", "trusted_schema = OFF", "synchronous = NORMAL")
        new = not self._is_ours()
        if new:
            self._set("auto_vacuum = INCREMENTAL")
        self._set("journal_mode = WAL", f"journal_size_limit = {WAL_BYTES}")
        if new:
            with self._transaction():
                for statement in _SCHEMA:
                    self._connection.execute(statement)
        # A disk that takes nothing: what there is can still be read.
        with contextlib.suppress(sqlite3.OperationalError):
            with self._transaction():
                self._past.complete()
            self._past.committed({})

    def _is_ours(self) -> bool:
        """Return whether there are tables of ours, or none; nothing is written before that is known."""
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
        # A trigger could keep what ermon writes from being there the next time.
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
        """Whether the file is still where it was opened: what is written to a deleted file is gone."""
        return _identity(self._path) == self._identity

    # Reading -----------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """What the tables hold."""
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
        """Return what is looked up in the tables of the past."""
        with _damage():
            return look(self._past)

    # Writing -----------------------------------------------------------------------------------------

    def write(self, state: State, cleared: Iterable[HistoryRow], hours: Hours, oldest: float) -> None:
        """Bring the tables to ``state``, add to the history, and forget what is older than ``oldest``:
        all of it or, with an error, nothing.
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
            # As a script: it takes a step for each page, and `execute` takes one.
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
    """Tell damage to the file from everything else that can go wrong with it."""
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
    """Tell a damaged header from a disk that cannot be written to: SQLite calls both read-only (SQLite file format,
    section 1.3.3).
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


# What is kept, as values and as rows: what an ermon that starts takes from the one before it --------


BASELINE_SECONDS = 7 * 86400.0
"""What was usual before ermon was off for a week says nothing of today."""


class KeptBaseline(msgspec.Struct, frozen=True):
    """What was usual of one thing that is counted. Rows of versions that counted routes alone have no ``level``."""

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
    """What an earlier ermon left."""

    findings: tuple[Finding, ...] = ()
    """Those that were raised, the oldest first."""
    cleared: tuple[Finding, ...] = ()
    """Those cleared last, the latest first."""
    levels: Mapping[Counted, LevelMemory] = field(default_factory=dict)
    windows: tuple[BookedWindow, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    """Those that no receiver has taken yet, the oldest first."""
    hours: tuple[KeptTimeline, ...] = ()
    """What the links were lately, the earliest hour first."""
    unreadable: int = 0
    """Rows that made no sense, and are dropped."""


class Reader:
    """Takes from rows what of them can be understood, and drops the others."""

    def __init__(self, now: float) -> None:
        """``now``: seconds since the epoch."""
        self._now = now
        self._unreadable = 0

    def read(
        self, state: Mapping[Table, dict[str, bytes]], history: Iterable[HistoryRow], hours: Hours
    ) -> Kept:
        """Return what is kept; rows of ``state`` that make no sense are removed from it."""
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
    """Write an hour of the links; on any thread. It has the same names and counts again and again."""
    return zlib.compress(encode(hour))


def _unpacked(packed: bytes) -> bytes:
    """Return the JSON, or what is none of a row that is damaged."""
    try:
        return zlib.decompressobj().decompress(packed, MAX_HOUR_BYTES)
    except zlib.error:
        return b""
