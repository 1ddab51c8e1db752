"""Databases damaged at random: each opens or is set aside, and can be written afterwards."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from functools import cache
from pathlib import Path
from random import Random

import structlog

from ermon.core.levels import LevelMemory
from ermon.core.timeline import KeptTimeline
from ermon.model.findings import Delivery, Finding
from ermon.model.settings import Severity
from ermon.storage import database
from ermon.storage.database import Database, Reader, Table, encode, history_row, packed
from ermon.storage.file import FILE_NAME, StorageFile
from tests.fuzz.mutate import TOKENS

NOW = 1_772_366_400.0
DAY = 86_400.0


@cache
def whole() -> bytes:
    """A database with rows in every table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE_NAME
        file = Database(path)
        file.open()
        rows = {table: {f"key-{number}": b'{"a": [1]}' for number in range(20)} for table in Table}
        rows[Table.FINDINGS] = {f"f{number}": encode(finding(number)) for number in range(40)}
        rows[Table.DELIVERIES] = {"d1": encode(Delivery("d1", "https://hooks.example.net", b"{}", NOW))}
        level = database.KeptBaseline(
            (("chicago", "primary"), "ipv4"), NOW, level=LevelMemory(((1.0, 2.0, 3.0),))
        )
        rows[Table.BASELINES] = {"chicago": encode(level)}
        cleared = [history_row(finding(number, cleared_at=NOW - number)) for number in range(100, 160)]
        hours = {number: packed(KeptTimeline(3600.0 * number, [], [])) for number in range(40)}
        file.write(rows, cleared, hours, 0.0)
        file.close()
        return path.read_bytes()


def finding(number: int, cleared_at: float | None = None) -> Finding:
    labels = {"pool": "chi-outbound", "family": "ipv4", "feed": "isp-a"}
    evidence = {"prefixes": ["198.51.100.0/28"], "as_paths": ["64500 12076"]}
    return Finding(
        f"f{number}",
        "pool-leak",
        labels,
        Severity.CRITICAL,
        "leaks",
        evidence,
        NOW,
        NOW,
        cleared_at,
        cleared_at,
    )


def damaged(random: Random) -> bytes:
    data = bytearray(whole())
    schema = data.find(b"CREATE TABLE")
    for _ in range(1 << random.randrange(5)):
        match random.randrange(8):
            case 0:
                at = random.randrange(100)  # the header
            case 1 | 2:
                at = random.randrange(schema, 4096)  # the words of the schema
            case _:
                at = random.randrange(len(data))
        match random.randrange(6):
            case 0:
                token = random.choice(TOKENS)
                data[at : at + len(token)] = token
            case 1:
                data[at : at + 64] = random.randbytes(64)
            case 2:
                data[at : at + 4096] = bytes(4096)
            case 3 if random.random() < 0.2:
                del data[at:]
            case _:
                data[at % len(data)] = random.randrange(256)
        if len(data) < 4096:
            break
    return bytes(data)


def database_file(random: Random) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE_NAME
        path.write_bytes(damaged(random))
        if random.random() < 0.2:
            Path(f"{path}-wal").write_bytes(random.randbytes(5000))
        outcome(path, random)


def outcome(path: Path, random: Random) -> str:
    """Open a database, write to it and read it again; return the outcome."""
    folder = path.parent
    file = StorageFile(folder, 90 * DAY)
    with structlog.testing.capture_logs() as logged:
        state, history, hours, _ = file.begin(1_000, 0)
        left = Reader(NOW).read({table: dict(state[table]) for table in Table}, history, hours)
        rows = {table: dict(state[table]) for table in Table}
        rows[Table.FINDINGS]["after"] = encode(finding(999))
        cleared = [history_row(finding(998, NOW))]
        file.write(rows, cleared, history, {7: b"?"}, NOW)
        file.look(lambda past: past.history(0.0, 100), [])
        file.look(lambda past: past.between(0.0, NOW, 100), [])
        Reader(NOW).hours(file.look(lambda past: past.hours(0, 100), {}).answer)
        file.look(lambda past: past.held_from(), None)
        # The next write repairs and reports damage that only reading finds.
        done, later = file.write(rows, cleared, history, {7: b"?"}, NOW)
        file.close()
    assert not any("exc_info" in entry for entry in logged), logged
    aside = sorted(folder.glob("*.corrupt-*Z*"))
    if not done:  # a file that seems to belong to another program, or to a newer ermon, is not changed
        assert later
        assert str(path) in later
        assert "newer ermon" in later or "another program's" in later, later
        return "left alone"
    if aside:
        assert "was damaged" in (later or ""), later
        assert path.name in (later or "")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT key FROM open_finding WHERE key = 'after'").fetchall() == [
            ("after",)
        ]
    assert left.unreadable >= 0
    return "set aside" if aside else "opened"
