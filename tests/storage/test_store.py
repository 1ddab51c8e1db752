"""What survives a restart, and failures of the disk."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ermon.checks.topics import Counted
from ermon.core.levels import LevelMemory
from ermon.core.maintenance_book import BookedWindow
from ermon.model.findings import Delivery, Finding, Transition, TransitionState
from ermon.model.settings import MaintenanceWindow, Severity
from ermon.storage import database, file
from ermon.storage import store as stores
from ermon.storage.database import BASELINE_SECONDS, Database, Table
from ermon.storage.store import Store

START = 1_795_000_000.0
DAY = 86_400.0
RETENTION = 90 * DAY
PATIENCE = 20.0
CHICAGO = (("chicago", "primary"), "ipv4")


def finding(name: str = "f1", check: str = "pool-leak", since: float = START, **evidence: Any) -> Finding:
    return Finding(
        id=name,
        check=check,
        labels={"pool": "chi-outbound", "family": "ipv6", "feed": "edge-1-isp-a", "uplink": "isp-a"},
        severity=Severity.CRITICAL,
        summary="NAT pool chi-outbound is advertised to the internet",
        evidence={"prefixes": ["2001:db8:100:10::/64"], "prefixes_total": 1, **evidence},
        since=since,
        raised_at=since,
    )


def raised(found: Finding) -> Transition:
    return Transition(found.raised_at, TransitionState.RAISED, found)


def cleared(found: Finding, at: float = START + 60) -> Transition:
    gone = Finding(
        **{
            name: getattr(found, name)
            for name in ("id", "check", "labels", "severity", "summary", "evidence")
        },
        since=found.since,
        raised_at=found.raised_at,
        ended_at=at,
        cleared_at=at,
    )
    return Transition(at, TransitionState.CLEARED, gone)


def delivery(name: str, at: float = START) -> Delivery:
    return Delivery(name, "https://hooks.example.net/ermon", b'{"state": "raised"}\xff', at)


class Told:
    """The reports of a store."""

    def __init__(self) -> None:
        self.problems: list[str | None] = []

    def __call__(self, problem: str | None) -> None:
        self.problems.append(problem)


@contextlib.asynccontextmanager
async def opened(
    folder: Path, *, now: float = START, told: Told | None = None, **limits: int
) -> AsyncIterator[Store]:
    store = await Store.open(folder, RETENTION, clock=lambda: now, **limits)
    store.report_to(told or Told())
    yield store
    await store.close()


async def eventually(condition: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110  # of many kinds
                await asyncio.sleep(0.005)
    except TimeoutError:
        pytest.fail(f"not within {PATIENCE:g} s: {what}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


def path_of(folder: Path) -> Path:
    return folder / "ermon.sqlite"


def rows_of(folder: Path, table: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(path_of(folder))) as connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()


def set_aside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.corrupt-*"))


HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA locking_mode = EXCLUSIVE")
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


def modes(folder: Path) -> tuple[int, set[int]]:
    return stat.S_IMODE(folder.stat().st_mode), {
        stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()
    }


def put(folder: Path, content: bytes, name: str = "ermon.sqlite") -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)


def delete_files(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def hold(path: Path) -> subprocess.Popen[bytes]:
    """Let another process open the file exclusively, until its standard input is closed."""
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    return other


# What is kept ----------------------------------------------------------------------------------------


async def test_a_new_store_has_kept_nothing(folder: Path):
    async with opened(folder) as store:
        left = store.kept
        assert (left.findings, left.cleared, left.windows, left.deliveries) == ((), (), (), ())
        assert (left.levels, left.unreadable, store.problem) == ({}, 0, None)


async def test_open_findings_are_kept_as_they_are(folder: Path):
    first, second = finding("f1"), finding("f2", since=START + 1, nested={"as_paths": ["64500", None, 1.5]})
    async with opened(folder) as store:
        await store.save([raised(second), raised(first)])
    async with opened(folder) as store:
        assert store.kept.findings == (first, second), "the oldest first"
        assert list(store.kept.findings[0].labels) == ["pool", "family", "feed", "uplink"]


async def test_a_cleared_finding_is_open_no_longer_and_part_of_the_history(folder: Path):
    async with opened(folder) as store:
        await store.save([raised(finding("f1")), raised(finding("f2"))])
        await store.save([cleared(finding("f1"), START + 60)])
        await store.save([cleared(finding("f2"), START + 70)])
        assert [found.id for found in await store.history(START, 10)] == ["f2", "f1"]
        assert [found.id for found in await store.history(START + 60.5, 10)] == ["f2"]
        assert [found.id for found in await store.history(START, 1)] == ["f2"]
        found = await store.cleared_finding("f1")
        assert (found and found.id, await store.cleared_finding("f3")) == ("f1", None)
    async with opened(folder) as store:
        assert store.kept.findings == ()
        assert store.kept.cleared == tuple(
            cleared(finding(n), at).finding for n, at in (("f2", START + 70), ("f1", START + 60))
        )
        assert [found.id for found in await store.history(START, 10)] == ["f2", "f1"]


async def test_saved_data_is_on_disk_when_the_result_is_done(folder: Path):
    async with opened(folder) as store:
        await store.save([raised(finding())], [delivery("d1")])
        copy = folder / "copy.sqlite"
        copy.write_bytes(path_of(folder).read_bytes())
        (folder / "copy.sqlite-wal").write_bytes((folder / "ermon.sqlite-wal").read_bytes())
        with contextlib.closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("SELECT key FROM open_finding").fetchall() == [("f1",)]
            assert connection.execute("SELECT key FROM delivery").fetchall() == [("d1",)]


async def test_the_evidence_of_raised_findings_is_kept_up_to_date(folder: Path):
    async with opened(folder) as store:
        await store.save([raised(finding("f1"))])
        store.refresh([finding("f1", prefixes_total=7), finding("never raised")], {})
    async with opened(folder) as store:
        (left,) = store.kept.findings
        assert left.evidence["prefixes_total"] == 7


async def test_deliveries_are_kept_until_they_are_delivered(folder: Path):
    async with opened(folder) as store:
        await store.save([], [delivery("d2", START + 1), delivery("d1"), delivery("d3", START + 2)])
        store.delivered("d3")
        store.delivered("unknown")
    async with opened(folder) as store:
        assert store.kept.deliveries == (delivery("d1"), delivery("d2", START + 1)), "the oldest first"


async def test_windows_are_kept_as_they_were_last(folder: Path):
    def window(name: str, **about: str) -> BookedWindow:
        starts = datetime(2026, 12, 1, 2, tzinfo=UTC)
        return BookedWindow(name, MaintenanceWindow(starts, starts.replace(hour=4), "work", **about))

    gone, one, other = (
        window("w0", feed="edge-1"),
        window("w1", circuit="chicago"),
        window("w2", circuit="chicago", link="primary"),
    )
    async with opened(folder) as store:
        store.set_windows([gone])
        store.set_windows([one, other])
    async with opened(folder) as store:
        assert set(store.kept.windows) == {one, other}


async def test_baselines_are_kept_for_a_week(folder: Path):
    usual = LevelMemory(((100.0, 25600.0, 1800.0), (101.0, 2.0**100, 0.25)), ((7.0, 1792.0, 60.0),))
    exchange = Counted("service", ("chicago", "primary"), "ipv4", "12076:5010")
    advertised = Counted("advertised", ("chicago", "primary"), "ipv6")
    levels = {Counted("received", *CHICAGO): usual, exchange: usual, advertised: LevelMemory(usual.usual)}
    async with opened(folder) as store:
        store.refresh([], {**levels, advertised._replace(family="ipv4"): usual})
        store.refresh([], levels)
    async with opened(folder, now=START + BASELINE_SECONDS - 1) as store:
        assert store.kept.levels == levels
    async with opened(folder, now=START + BASELINE_SECONDS + 1) as store:
        assert store.kept.levels == {}


async def test_values_are_kept_under_their_keys(folder: Path):
    async with opened(folder) as store:
        store.set_value(Table.LISTS, "m365", b"[1]")
        store.set_value(Table.LISTS, "m365", b"[2]")
        assert store.value(Table.LISTS, "m365") == b"[2]"
    async with opened(folder) as store:
        assert store.value(Table.LISTS, "m365") == b"[2]"
        assert store.value(Table.INSTALLATION, "m365") is None


async def test_other_users_cannot_read_the_files(folder: Path):
    async with opened(folder) as store:
        await store.save([raised(finding())])
        assert modes(folder) == (0o700, {0o600})


async def test_a_file_that_other_users_could_read_is_made_private(folder: Path):
    async with opened(folder):
        pass
    path_of(folder).chmod(0o644)
    async with opened(folder):
        assert stat.S_IMODE(path_of(folder).stat().st_mode) == 0o600


async def test_rows_that_make_no_sense_are_dropped_and_cost_nothing_else(folder: Path):
    async with opened(folder) as store:
        await store.save([raised(finding("f1")), raised(finding("f2"))])
    with contextlib.closing(sqlite3.connect(path_of(folder))) as connection, connection:
        connection.execute("UPDATE open_finding SET value = ? WHERE key = 'f2'", (b"\xff{",))
        connection.execute("INSERT INTO delivery VALUES ('d1', '{}')")
    async with opened(folder) as store:
        assert [found.id for found in store.kept.findings] == ["f1"]
        assert (store.kept.unreadable, store.problem) == (2, None)
    async with opened(folder) as store:
        assert store.kept.unreadable == 0


# Bounds ----------------------------------------------------------------------------------------------


async def test_history_ends_with_its_retention(folder: Path):
    async with opened(folder) as store:
        for number in range(3):
            await store.save([cleared(finding(f"f{number}"), START + number * DAY)])
    async with opened(folder, now=START + RETENTION + 1.5 * DAY) as store:
        await store.save([])
    assert [row[0] for row in rows_of(folder, "history")] == ["f2"]


async def test_the_oldest_history_makes_room_and_the_file_shrinks(folder: Path):
    many = [cleared(finding(f"f{number:04}", text="x" * 1_000), START + number) for number in range(4_000)]
    async with opened(folder) as store:
        await store.save([*many, raised(finding("open"))])
    large = path_of(folder).stat().st_size
    most = 1024 * 1024
    async with opened(folder, max_bytes=most) as store:
        await store.save([])
    left = [row[0] for row in rows_of(folder, "history")]
    assert left == [t.finding.id for t in many[-len(left) :]], "the latest are left"
    assert 400 <= len(left) <= 600, "no more than there is room for"
    assert large > 4 * most
    assert path_of(folder).stat().st_size <= most + database.FREE_PAGES * 4096
    assert [row[0] for row in rows_of(folder, "open_finding")] == ["open"]


# A disk that fails -----------------------------------------------------------------------------------


class Disk:
    """The disk as SQLite sees it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pragma = ""
        monkeypatch.setattr(stores, "RETRY_SECONDS", 0.05)
        prepare = Database._prepare

        def prepared(opened: Database) -> None:
            prepare(opened)
            if self.pragma:
                opened._connection.execute(f"PRAGMA {self.pragma}")

        monkeypatch.setattr(Database, "_prepare", prepared)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.mark.parametrize(
    ("pragma", "said"),
    [
        ("max_page_count = 1", "the disk is full; free some space"),
        ("query_only = ON", "is read-only; check its"),
    ],
)
async def test_data_that_a_disk_refuses_is_written_when_it_works_again(
    folder: Path, disk: Disk, pragma: str, said: str
):
    told = Told()
    async with opened(folder, told=told) as store:
        await store.save([raised(finding("before"))])
    disk.pragma = pragma
    async with opened(folder, told=told) as store:
        assert [found.id for found in store.kept.findings] == ["before"], "it can still be read"
        text = {"text": "x" * 20_000}
        await store.save([raised(finding(f"f{n}", **text)) for n in range(3)], [delivery("d1")])
        await store.save([cleared(finding("f1", **text))])
        assert said in (store.problem or "")
        assert str(path_of(folder)) in (store.problem or "")
        assert told.problems == [store.problem], "a problem is told once"
        assert [found.id for found in await store.history(START, 10)] == ["f1"], "known without the disk"
        disk.pragma = ""
        await eventually(lambda: told.problems[1:] == [None], "it works again")
    async with opened(folder) as store:
        assert {found.id for found in store.kept.findings} == {"before", "f0", "f2"}
        assert [found.id for found in store.kept.cleared] == ["f1"]
        assert store.kept.deliveries == (delivery("d1"),)


async def test_a_limit_on_the_size_of_files_is_a_disk_that_fails(folder: Path, disk: Disk):
    async with opened(folder) as store:
        await store.save([raised(finding("before"))])
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, limits[1]))
            await store.save([raised(finding("f1", text="x" * 100_000))])
            assert "limits on file sizes" in (store.problem or "")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        await eventually(lambda: store.problem is None, "it works again")
    async with opened(folder) as store:
        assert [found.id for found in store.kept.findings] == ["before", "f1"]


async def test_history_waits_in_memory_up_to_a_bound(
    folder: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stores, "HISTORY_HELD", 3)
    async with opened(folder):
        pass
    disk.pragma = "query_only = ON"
    async with opened(folder) as store:
        for number in range(5):
            await store.save([cleared(finding(f"f{number}"), START + number)])
        disk.pragma = ""
        await eventually(lambda: store.problem is None, "it works again")
    assert [row[0] for row in rows_of(folder, "history")] == ["f2", "f3", "f4"]


async def test_a_folder_that_cannot_be_made_is_tried_again(tmp_path: Path, disk: Disk):
    in_the_way = tmp_path / "state"
    in_the_way.write_text("a file")
    told = Told()
    async with opened(in_the_way / "ermon", told=told) as store:
        assert "check the folder and its owner" in str(told.problems)
        await store.save([raised(finding())])
        in_the_way.unlink()
        await eventually(lambda: store.problem is None, "it works")
    async with opened(in_the_way / "ermon") as store:
        assert [found.id for found in store.kept.findings] == ["f1"]


async def test_a_disk_that_hangs_blocks_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stores, "SAVE_SECONDS", 0.05)
    monkeypatch.setattr(stores, "HISTORY_SECONDS", 0.05)
    stuck, write = threading.Event(), Database.write

    def slow(*arguments: Any) -> None:
        stuck.wait(PATIENCE)
        write(*arguments)

    monkeypatch.setattr(Database, "write", slow)
    told = Told()
    async with opened(folder, told=told) as store:
        await store.save([raised(finding("f1")), cleared(finding("f0"))])
        assert told.problems == [f"{path_of(folder)}: the disk does not respond; check it"]
        assert [found.id for found in await store.history(START, 10)] == ["f0"]
        stuck.set()
        await eventually(lambda: told.problems[1:] == [None], "it works again")
    async with opened(folder) as store:
        assert [found.id for found in store.kept.findings] == ["f1"]


async def test_a_disk_that_does_not_answer_holds_up_neither_start_nor_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    async with opened(folder) as store:
        await store.save([raised(finding("before"))])
    stuck, prepare = threading.Event(), Database._prepare

    def slow(waiting: Database) -> None:
        stuck.wait(PATIENCE)
        prepare(waiting)

    with monkeypatch.context() as impatient:
        impatient.setattr(Database, "_prepare", slow)
        for limit in ("OPEN_SECONDS", "SAVE_SECONDS", "CLOSE_SECONDS"):
            impatient.setattr(stores, limit, 0.05)
        async with opened(folder) as store:
            assert store.kept.findings == ()
            assert "does not respond" in (store.problem or "")
            await asyncio.wait_for(store.close(), PATIENCE / 2)
            await store.save([raised(finding("after"))])
            stuck.set()
            await eventually(lambda: store.problem is None, "it works")
    async with opened(folder) as store:  # this may take longer on a busy machine
        assert [found.id for found in store.kept.findings] == ["after"], (
            "the start went on without the others"
        )


async def test_two_ermons_do_not_share_a_folder(folder: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(database, "LOCKED_SECONDS", 0.05)
    async with opened(folder) as store:
        await store.save([raised(finding("before"))])
    with hold(path_of(folder)) as other:
        async with opened(folder) as store:
            assert "is there another ermon?" in (store.problem or "")
            other.communicate()
            await eventually(lambda: store.problem is None, "the other has ended")


async def test_a_deleted_file_is_created_again(folder: Path):
    async with opened(folder) as store:
        await store.save([raised(finding("f1")), cleared(finding("f0"))])
        delete_files(folder)
        await store.save([raised(finding("f2"))])
    async with opened(folder) as store:
        assert [found.id for found in store.kept.findings] == ["f1", "f2"]
        assert [found.id for found in store.kept.cleared] == ["f0"]


# Files that are not as they should be ----------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"not a database, but of some length" * 1_000, b"SQLite format 3\0" + bytes(4_080)]
)
async def test_a_broken_file_is_set_aside_and_a_new_one_begun(folder: Path, content: bytes):
    put(folder, content)
    put(folder, b"log", "ermon.sqlite-wal")
    told = Told()
    async with opened(folder, told=told) as store:
        aside, log = set_aside(folder)
        assert (folder / aside).read_bytes() == content
        assert (aside + "-wal", (folder / log).read_bytes()) == (log, b"log")
        assert told.problems == [store.problem]
        assert f"renamed to {aside}, and a new one created" in (store.problem or "")
        await store.save([raised(finding())])
        assert told.problems == [store.problem], "whoever looks now and then must see it"
    async with opened(folder) as store:
        assert [found.id for found in store.kept.findings] == ["f1"]
        assert store.problem is None


async def test_a_file_that_was_set_aside_is_reported_for_a_while(
    folder: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(file, "SHOWN_SECONDS", 0.05)
    put(folder, b"not a database" * 1_000)
    told = Told()
    async with opened(folder, told=told):
        await eventually(lambda: told.problems[1:] == [None], "it is over")


async def test_a_file_that_breaks_while_ermon_runs_is_set_aside_and_its_state_written_again(folder: Path):
    many = [cleared(finding(f"old{number:04}", text="x" * 1_000), START + number) for number in range(4_000)]
    async with opened(folder) as store:
        await store.save([*many, raised(finding("f1"))], [delivery("d1")])
    size = path_of(folder).stat().st_size
    assert size > 4_000_000, "more than SQLite remembers of it"
    told = Told()
    async with opened(folder, told=told) as store:
        with path_of(folder).open("r+b") as broken:
            broken.seek(8 * 4096)
            broken.write(b"\xff" * (size - 8 * 4096))
        latest = await store.history(START, 2)
        assert [found.id for found in latest] == ["old3999", "old3998"], "known without the disk"
        await store.history(START, 10_000)
        await store.save([raised(finding("f2"))])
        assert "was damaged" in (store.problem or "")
        (aside,) = (name for name in set_aside(folder) if name.endswith("Z"))
        assert (folder / aside).stat().st_size == size
    async with opened(folder) as store:
        assert [found.id for found in store.kept.findings] == ["f1", "f2"]
        assert store.kept.deliveries == (delivery("d1"),)
        assert len(store.kept.cleared) == stores.CLEARED_KEPT, "what was in memory is there again"
        assert [found.id for found in await store.history(START, 2)] == ["old3999", "old3998"]


async def test_damage_that_is_found_by_reading_is_reported_and_the_file_replaced_at_once(folder: Path):
    many = [cleared(finding(f"old{number:04}", text="x" * 1_000), START + number) for number in range(4_000)]
    told = Told()
    async with opened(folder, told=told) as store:
        await store.save(many)
        size = path_of(folder).stat().st_size
        with path_of(folder).open("r+b") as broken:
            broken.seek(size // 4)
            broken.write(b"\xff" * (size // 2))  # a query reads it, and a write does not
        await store.history(START, 10_000)
        await eventually(lambda: told.problems, "it is told, though nothing changes")
        assert "was damaged" in (told.problems[0] or "")
        assert path_of(folder).stat().st_size < size, "there is a new one"


async def test_broken_files_do_not_fill_the_disk(folder: Path):
    for number in range(file.SET_ASIDE_AT_MOST):
        put(folder, b"", f"ermon.sqlite.corrupt-20261120T00000{number}Z")
        put(folder, b"", f"ermon.sqlite.corrupt-20261120T00000{number}Z-wal")
    put(folder, b"not a database" * 1_000)
    async with opened(folder) as store:
        await store.save([raised(finding())])
        assert "remove the others" in (store.problem or "")
        assert path_of(folder).read_bytes() == b"not a database" * 1_000


async def test_files_that_break_in_one_second_have_names_of_their_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(file.time, "strftime", lambda *_: "20261120T000000Z")
    for _ in range(3):
        put(folder, b"not a database" * 1_000)
        async with opened(folder):
            pass
    assert set_aside(folder) == [
        f"ermon.sqlite.corrupt-20261120T000000Z{number}" for number in ("", ".2", ".3")
    ]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("PRAGMA user_version = 2", "was written by a newer ermon (format 2; this ermon knows 1)"),
        ("PRAGMA application_id = 7", "is another program's database; move it away"),
    ],
)
async def test_a_file_that_is_not_ours_to_write_is_left_alone(folder: Path, script: str, said: str):
    async with opened(folder) as store:
        await store.save([raised(finding("before"))])
    with contextlib.closing(sqlite3.connect(path_of(folder))) as connection, connection:
        connection.execute(script)
    before = path_of(folder).read_bytes()
    async with opened(folder) as store:
        assert store.kept.findings == ()
        assert said in (store.problem or "")
        await store.save([raised(finding("after"))])
        assert said in (store.problem or "")
    assert path_of(folder).read_bytes() == before
    assert set_aside(folder) == []


async def test_a_file_that_lacks_tables_is_broken(folder: Path):
    async with opened(folder):
        pass
    with contextlib.closing(sqlite3.connect(path_of(folder))) as connection, connection:
        connection.execute("DROP TABLE delivery")
    async with opened(folder) as store:
        assert "tables are missing: delivery" in (store.problem or "")
        assert len([name for name in set_aside(folder) if name.endswith("Z")]) == 1


def damage_schema(folder: Path, before: bytes, after: bytes) -> None:
    """Change the text of a table's statement in SQLite's schema, because SQLite's error message quotes it."""
    path = path_of(folder)
    data = path.read_bytes()
    assert before in data
    path.write_bytes(data.replace(before, after, 1))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"open_finding (key TEXT PRIMARY KEY NOT", b"open_finding (key TEXT PRIMARY KEY \xf8OT"),
        (
            b"baseline (key TEXT PRIMARY KEY NOT NULL, value",
            b"baseline (key TEXT PRIMARY KEY NOT NULL, va\xffue",
        ),
        (
            b"baseline (key TEXT PRIMARY KEY NOT NULL, value",
            b"baseline (key TEXT PRIMARY KEY NOT NULL, vblue",
        ),
        (
            b"history (id TEXT PRIMARY KEY NOT NULL, cleared_at",
            b"history (id TEXT PRIMARY KEY NOT NULL, cleared_bt",
        ),
    ],
)
async def test_a_file_with_a_damaged_schema_is_set_aside(folder: Path, before: bytes, after: bytes):
    async with opened(folder) as store:
        await store.save([raised(finding("before"))])
    damage_schema(folder, before, after)
    async with opened(folder) as store:
        await store.save([raised(finding("after"))])
        (aside,) = (name for name in set_aside(folder) if name.endswith("Z"))
        assert f"{path_of(folder)} was damaged" in (store.problem or "")
        assert f"it was renamed to {aside}" in (store.problem or "")
        assert await ids(store) == []
    async with opened(folder) as store:
        assert [found.id for found in store.kept.findings] == ["after"]


@pytest.mark.parametrize(
    "script",
    [
        "DROP TABLE open_finding; CREATE VIEW open_finding AS SELECT 'f1' AS key, '{}' AS value",
        "CREATE TRIGGER never BEFORE INSERT ON open_finding BEGIN SELECT RAISE(ABORT, 'never'); END",
        "CREATE TRIGGER gone AFTER INSERT ON open_finding BEGIN DELETE FROM open_finding; END",
    ],
    ids=["a view for a table", "a trigger that refuses", "a trigger that deletes"],
)
async def test_a_file_with_foreign_schema_objects_is_set_aside(folder: Path, script: str):
    async with opened(folder) as store:
        await store.save([raised(finding("before"))])
    with contextlib.closing(sqlite3.connect(path_of(folder))) as connection:
        connection.executescript(script)
    async with opened(folder) as store:
        await store.save([raised(finding("after"))])
        assert f"{path_of(folder)} was damaged" in (store.problem or "")
    async with opened(folder) as store:
        assert [found.id for found in store.kept.findings] == ["after"]


@pytest.mark.parametrize("size", [0, 100, 4_096, 5_000])
async def test_a_truncated_file_loses_no_later_data(folder: Path, size: int):
    async with opened(folder) as store:
        await store.save([raised(finding("before"))])
    path_of(folder).write_bytes(path_of(folder).read_bytes()[:size])
    async with opened(folder) as store:
        await store.save([raised(finding("after"))])
        assert (size == 0) is (store.problem is None), "an empty file is a new one"
    async with opened(folder) as store:
        assert [found.id for found in store.kept.findings] == ["after"]


async def ids(store: Store) -> list[str]:
    return [found.id for found in await store.history(START, 10)]


async def test_rows_of_other_types_are_dropped(folder: Path):
    async with opened(folder) as store:
        await store.save([raised(finding("f1")), cleared(finding("f0"))])
    with contextlib.closing(sqlite3.connect(path_of(folder))) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("INSERT INTO delivery VALUES ('d1', 10000000000)")
        connection.execute("UPDATE history SET cleared_at = 'yesterday', finding = x'ff'")
    async with opened(folder) as store:
        assert [found.id for found in store.kept.findings] == ["f1"]
        assert store.kept.unreadable == 2
        await store.save([raised(finding("f2"))])
        assert store.problem is None


@pytest.mark.parametrize("time", ["-1", "1e300", "253402300800"])
async def test_a_finding_without_a_possible_date_is_dropped(folder: Path, time: str):
    async with opened(folder) as store:
        await store.save([raised(finding("f1")), raised(finding("f2"))])
    with contextlib.closing(sqlite3.connect(path_of(folder))) as connection, connection:
        sql = "UPDATE open_finding SET value = json_set(value, '$.since', json(?)) WHERE key = 'f2'"
        connection.execute(sql, (time,))
    async with opened(folder) as store:
        assert [found.id for found in store.kept.findings] == ["f1"]


@pytest.mark.parametrize(("at", "byte"), [(18, 3), (19, 255), (60, 127)])
async def test_a_file_with_a_damaged_header_is_set_aside(folder: Path, at: int, byte: int):
    """SQLite reports the first two as read-only, and the third as written by a newer version."""
    async with opened(folder) as store:
        await store.save([raised(finding("before"))])
    data = bytearray(path_of(folder).read_bytes())
    data[at] = byte
    put(folder, data)
    async with opened(folder) as store:
        assert "was damaged (its " in (store.problem or "")
        await store.save([raised(finding("after"))])
    async with opened(folder) as store:
        assert [found.id for found in store.kept.findings] == ["after"]


def link(folder: Path, name: str, target: Path) -> None:
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(target)


def put_pipe(folder: Path) -> None:
    folder.mkdir()
    os.mkfifo(path_of(folder))


def open_to_everybody(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("part", ["", "-wal"])
async def test_no_link_is_followed(folder: Path, tmp_path: Path, part: str):
    target = tmp_path / "anothers"
    target.write_bytes(b"another's")
    target.chmod(0o644)
    async with opened(folder):
        pass
    link(folder, f"ermon.sqlite{part}", target)
    async with opened(folder) as store:
        assert "is a symbolic link" in (store.problem or "")
        await store.save([raised(finding())])
    assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode)) == (b"another's", 0o644)
    async with opened(folder) as store:
        assert [found.id for found in store.kept.findings] == ["f1"]


async def test_a_path_that_is_not_a_file_is_set_aside(folder: Path):
    put_pipe(folder)
    async with opened(folder) as store:
        assert f"{path_of(folder)} was damaged (it is a pipe)" in (store.problem or "")
        await store.save([raised(finding())])
    async with opened(folder) as store:
        assert [found.id for found in store.kept.findings] == ["f1"]


async def test_a_folder_in_which_everybody_may_write_is_not_used(folder: Path):
    open_to_everybody(folder)
    async with opened(folder) as store:
        assert "it is world-writable" in (store.problem or "")
        await store.save([raised(finding())])
    assert names(folder) == []


async def test_an_unforeseen_error_does_not_end_the_thread(
    folder: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
):
    def surprise(*_: object) -> None:
        raise KeyError("surprise")

    async with opened(folder) as store:
        with monkeypatch.context() as surprised:
            surprised.setattr(Database, "write", surprise)
            surprised.setattr(Database, "look", surprise)
            await store.save([raised(finding())])
            assert "cannot be written (KeyError: 'surprise')" in (store.problem or "")
            assert await ids(store) == []
        await eventually(lambda: store.problem is None, "it works again")
    async with opened(folder) as store:
        assert [found.id for found in store.kept.findings] == ["f1"]
