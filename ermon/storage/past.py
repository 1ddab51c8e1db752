"""The tables of the past in the SQLite file: cleared findings, their spans of time, and the links by the hour.

The first versions had only the table ``history``. They ignore the other tables, so that a downgrade works, and this module
catches up with what they wrote or removed meanwhile. Used by one thread; every function may raise ``sqlite3.Error``.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ermon.core.timeline import hour_of

PRUNED_AT_ONCE = 100
"""Findings, or hours of the links, that are removed at once: those of the two that cover less time."""

Hours = Mapping[int, bytes]
"""The packed timeline of the links, by hours since the epoch."""


class HistoryRow(NamedTuple):
    id: str
    cleared_at: float
    finding: bytes
    """JSON."""


SCHEMA = (
    "CREATE TABLE history (id TEXT PRIMARY KEY NOT NULL, cleared_at REAL NOT NULL, finding TEXT NOT NULL)",
    "CREATE INDEX history_by_time ON history (cleared_at)",
)

# The columns that decide whether a finding was raised in a span of time. Without them every later finding would have to
# be read. An index on an expression would be enough, but is not safe with an untrusted schema.
_ADDED = (
    "CREATE TABLE IF NOT EXISTS finding_span (cleared_at REAL, since REAL, id TEXT, PRIMARY KEY (cleared_at, since, id)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS link_hour (hour INTEGER PRIMARY KEY NOT NULL, links BLOB NOT NULL)",
)
_SUM = "SELECT count(*), total(cleared_at) FROM "
"""A checksum of a table: equal for tables with the same rows, and much faster than comparing the rows."""
_SPAN = (
    "INSERT OR IGNORE INTO finding_span SELECT cleared_at, json_extract(finding, '$.since'), id FROM history"
    " WHERE json_valid(finding) AND json_type(finding, '$.since') IN ('real', 'integer')"
)
_NO_SPANS = (
    "DELETE FROM finding_span WHERE NOT EXISTS (SELECT 1 FROM history"
    " WHERE history.id = finding_span.id AND history.cleared_at = finding_span.cleared_at)"
)
_ALL_SPANS = f"{_SPAN} AND id NOT IN (SELECT id FROM finding_span)"  # noqa: S608  # no foreign text
_ONE_SPAN = f"{_SPAN} AND id = ?"

_SELECT = "SELECT history.id, history.cleared_at, history.finding FROM history"
_SINCE = f"{_SELECT} WHERE cleared_at >= ? ORDER BY cleared_at DESC LIMIT ?"
_FIND = f"{_SELECT} WHERE id = ?"
_BETWEEN = (
    f"{_SELECT} JOIN (SELECT id, cleared_at FROM finding_span WHERE cleared_at >= ? AND since <= ?"  # noqa: S608
    " ORDER BY cleared_at DESC LIMIT ?) AS span ON history.id = span.id AND history.cleared_at = span.cleared_at"
    " ORDER BY history.cleared_at DESC"
)


class PastTables:
    """The tables of one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._written_hours: Hours = {}
        self._complete = False
        """Whether the file has the tables of ``_ADDED``."""

    def complete(self) -> None:
        """Add tables that a file of an earlier version lacks."""
        if self._complete:
            return
        for statement in _ADDED:
            self._connection.execute(statement)
        sums = [
            self._connection.execute(f"{_SUM}{table}").fetchone() for table in ("history", "finding_span")
        ]
        if sums[0] != sums[1]:
            self._connection.execute(_NO_SPANS)
            self._connection.execute(_ALL_SPANS)

    # Reading -----------------------------------------------------------------------------------------

    def history(self, since: float, limit: int) -> list[HistoryRow]:
        """Return the findings that were cleared at or after ``since``, the latest first, at most ``limit``."""
        return self._findings(_SINCE, since, limit)

    def between(self, start: float, end: float, limit: int) -> list[HistoryRow]:
        """Return the findings that were cleared at or after ``start`` and began at or before ``end``, at most ``limit``,
        the one that was cleared last first.
        """
        return self._findings(_BETWEEN, start, end, limit) if self._complete else []

    def find(self, key: str) -> list[HistoryRow]:
        """Return the finding with this id, if it was cleared and is stored."""
        return self._findings(_FIND, key)

    def _findings(self, query: str, *values: float | str) -> list[HistoryRow]:
        return [
            HistoryRow(as_text(key), _seconds(at), as_bytes(finding))
            for key, at, finding in self._connection.execute(query, values).fetchall()
        ]

    def hours(self, first: int, last: int) -> dict[int, bytes]:
        """Return the stored timeline of the links from one hour to another, the earliest first."""
        if not self._complete:
            return {}
        query = "SELECT hour, links FROM link_hour WHERE hour BETWEEN ? AND ? ORDER BY hour"
        return {hour: as_bytes(links) for hour, links in self._connection.execute(query, (first, last))}

    def held_from(self) -> float | None:
        """Return the earliest time with stored data, ``None`` if there is none. For the links it is a full hour."""
        firsts = [self._value("SELECT min(cleared_at) FROM history")]
        if self._complete:
            firsts.append(self._value("SELECT (min(hour) + 1) * 3600.0 FROM link_hour"))
        return min((_seconds(first) for first in firsts if first is not None), default=None)

    # Writing -----------------------------------------------------------------------------------------

    def add(self, cleared: Iterable[HistoryRow], hours: Hours) -> None:
        """Add findings, and those of these hours that are not written yet."""
        rows = [(row.id, row.cleared_at, as_text(row.finding)) for row in cleared]
        self._connection.executemany("INSERT OR REPLACE INTO history VALUES (?, ?, ?)", rows)
        self._connection.executemany(_ONE_SPAN, [(key,) for key, *_ in rows])
        self._connection.executemany(
            "INSERT OR REPLACE INTO link_hour VALUES (?, ?)",
            [each for each in hours.items() if self._written_hours.get(each[0]) != each[1]],
        )

    def committed(self, hours: Hours) -> None:
        """Note that the transaction has succeeded, and these hours are written."""
        self._complete, self._written_hours = True, hours

    def forget(self, oldest: float) -> None:
        """Remove everything older than ``oldest``."""
        self._connection.execute("DELETE FROM history WHERE cleared_at < ?", (oldest,))
        self._connection.execute("DELETE FROM finding_span WHERE cleared_at < ?", (oldest,))
        self._connection.execute("DELETE FROM link_hour WHERE hour < ?", (hour_of(oldest),))

    def prune(self) -> bool:
        """Remove some of the oldest rows; return whether there were any."""
        findings = "SELECT max(at) FROM (SELECT cleared_at AS at FROM history ORDER BY at LIMIT ?)"
        hours = "SELECT (max(hour) + 1) * 3600.0 FROM (SELECT hour FROM link_hour ORDER BY hour LIMIT ?)"
        ends = [self._value(query, PRUNED_AT_ONCE) for query in (findings, hours)]
        until = min((_seconds(end) for end in ends if end is not None), default=None)
        if until is None:
            return False
        self.forget(math.nextafter(until, math.inf))
        return True

    def _value(self, query: str, *values: float) -> Any:
        return self._connection.execute(query, values).fetchone()[0]


def as_bytes(value: object) -> bytes:
    """Convert a value of a damaged row to bytes. ``bytes`` would turn a number into that many zeros."""
    return value if isinstance(value, bytes) else str(value).encode()


def as_text(value: object) -> str:
    """Convert a value of a damaged row to text, because the row may be copied to a new file."""
    return as_bytes(value).decode(errors="replace")


def _seconds(value: object) -> float:
    return value if isinstance(value, float) and math.isfinite(value) else 0.0
