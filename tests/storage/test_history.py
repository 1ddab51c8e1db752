"""The history in the store: findings and links of any span, and files of versions that stored less."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from ermon.api.status import Shown
from ermon.core.timeline import KeptTimeline, KeptTrack
from ermon.storage.database import Database, packed
from ermon.storage.store import HOURS_HELD
from tests.storage.test_store import (
    DAY,
    RETENTION,
    START,
    cleared,
    finding,
    opened,
    path_of,
    raised,
    rows_of,
    set_aside,
)

HOUR = int(START // 3600)
LINK = (("chicago", "primary"), "ipv6")


def hour(number: int, prefixes: int = 4) -> KeptTimeline:
    """An hour of one link, with a count at its beginning."""
    began = number * 3600.0
    return KeptTimeline(began + 3600.0, [began], [KeptTrack(LINK, [(began, Shown.UP)], [prefixes], None)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


async def test_a_span_has_findings_that_began_before_it_or_ended_after_it(folder: Path):
    spans = {"before": (0, 10), "into": (0, 60), "inside": (60, 70), "over": (0, 900), "after": (200, 900)}
    async with opened(folder) as store:
        await store.save(
            [cleared(finding(name, since=START + since), START + at) for name, (since, at) in spans.items()]
        )
        await store.save([raised(finding("open"))])
        found = await store.between(START + 50, START + 100, 10)
        assert [each.id for each in found] == ["over", "inside", "into"], "the last that was cleared first"
        assert [each.id for each in await store.between(START + 50, START + 100, 2)] == ["over", "inside"]
        assert await store.between(START + 901, START + 902, 10) == []
    async with opened(folder) as store:
        assert len(await store.between(START + 50, START + 100, 10)) == 3
        assert await store.held_from() == START + 10


async def test_findings_that_are_not_written_yet_are_in_their_span(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    async with opened(folder) as store:
        monkeypatch.setattr(Database, "write", broken)
        await store.save(
            [cleared(finding("f1"), START + 60), cleared(finding("f2", since=START + 80), START + 90)]
        )
        assert [each.id for each in await store.between(START + 50, START + 70, 10)] == ["f1"]


def broken(*_: object) -> None:
    raise OSError(28, "no space left on the device")


async def test_hours_of_the_links_are_kept_and_the_last_word_on_each_counts(folder: Path):
    async with opened(folder) as store:
        store.keep_hours({number: packed(hour(number)) for number in (HOUR - 1, HOUR)})
        store.keep_hours({HOUR: packed(hour(HOUR, 9))})
        assert await store.hours(HOUR, HOUR + 5) == {HOUR: hour(HOUR, 9)}
        assert store.latest_hour == HOUR
    async with opened(folder) as store:
        assert await store.hours(HOUR - 10, HOUR) == {HOUR - 1: hour(HOUR - 1), HOUR: hour(HOUR, 9)}
        assert store.kept.hours == (hour(HOUR - 1), hour(HOUR, 9))
        assert await store.held_from() == HOUR * 3600.0


async def test_only_the_last_day_of_the_links_is_held_in_memory(folder: Path):
    async with opened(folder) as store:
        for number in range(HOUR - 100, HOUR + 1):
            store.keep_hours({number: packed(hour(number))})
            await store.held_from()
        assert len(store._hours) == HOURS_HELD
        assert len(await store.hours(HOUR - 1000, HOUR)) == 101
    async with opened(folder) as store:
        assert len(store.kept.hours) == HOURS_HELD + 1


async def test_the_links_end_with_the_retention(folder: Path):
    async with opened(folder) as store:
        store.keep_hours({HOUR: packed(hour(HOUR)), HOUR + 48: packed(hour(HOUR + 48))})
    async with opened(folder, now=START + RETENTION + DAY) as store:
        await store.save([])
        assert list(await store.hours(0, 2 * HOUR)) == [HOUR + 48]


async def test_the_oldest_findings_or_links_are_removed_for_space(folder: Path):
    many = [cleared(finding(f"f{n:04}", text="x" * 2_000), START + n * 3600) for n in range(400)]
    async with opened(folder, now=START + 17 * DAY) as store:
        await store.save(many)
        for number in range(HOUR, HOUR + 400):
            store.keep_hours({number: b"x" * 2_000})
            await store.held_from()
    async with opened(folder, now=START + 17 * DAY, max_bytes=1024 * 1024) as store:
        await store.save([])
        held = await store.held_from()
        assert held is not None
    findings = sorted(at for _, at, _ in rows_of(folder, "history"))
    hours = sorted(number * 3600.0 for number, _ in rows_of(folder, "link_hour"))
    assert findings[-1] == START + 399 * 3600
    assert hours[-1] == (HOUR + 399) * 3600
    assert abs(findings[0] - hours[0]) <= 2 * 3600, "both go back as far"
    assert 100 <= len(hours) < 300
    assert len(rows_of(folder, "finding_span")) == len(findings)
    assert held == min(findings[0], hours[0] + 3600)


async def test_hours_that_make_no_sense_are_passed_over(folder: Path):
    async with opened(folder) as store:
        store.keep_hours(
            {HOUR - 2: b"no zlib", HOUR - 1: packed(hour(HOUR - 1)), HOUR: packed(hour(HOUR))[:-9]}
        )
        assert await store.hours(HOUR - 2, HOUR) == {HOUR - 1: hour(HOUR - 1)}
    async with opened(folder) as store:
        assert store.kept.hours == (hour(HOUR - 1),)
        assert (store.kept.unreadable, store.problem) == (2, None)


async def test_a_file_of_an_earlier_version_is_completed_and_can_be_given_back_to_it(folder: Path):
    async with opened(folder) as store:
        await store.save([cleared(finding("f1"))])
    with contextlib.closing(sqlite3.connect(path_of(folder))) as connection, connection:
        connection.execute("DROP TABLE finding_span")
        connection.execute("DROP TABLE link_hour")
        version = connection.execute("PRAGMA user_version").fetchone()
    async with opened(folder) as store:
        assert [each.id for each in await store.between(START, START + 100, 10)] == ["f1"]
        store.keep_hours({HOUR: packed(hour(HOUR))})
    with contextlib.closing(sqlite3.connect(path_of(folder))) as connection, connection:
        assert connection.execute("PRAGMA user_version").fetchone() == version
        # This is what the first versions do; a finding that is not JSON is not their error either.
        connection.execute("INSERT OR REPLACE INTO history VALUES ('f2', ?, '{')", (START + 61,))
        connection.execute(
            "INSERT INTO history SELECT 'f3', cleared_at, finding FROM history WHERE id = 'f1'"
        )
        connection.execute("DELETE FROM history WHERE id = 'f1'")
    async with opened(folder) as store:
        await store.save([cleared(finding("f4"), START + 70)])
        assert len(await store.between(START, START + 100, 2)) == 2
    assert {row[2] for row in rows_of(folder, "finding_span")} == {"f3", "f4"}
    assert set_aside(folder) == []


async def test_a_file_of_an_earlier_version_on_a_full_disk_can_still_be_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    async with opened(folder) as store:
        await store.save([cleared(finding("f1")), raised(finding("open"))])
    with contextlib.closing(sqlite3.connect(path_of(folder))) as connection, connection:
        connection.execute("DROP TABLE finding_span")
        connection.execute("DROP TABLE link_hour")
    prepare = Database._is_ours

    def full(opened: Database) -> bool:
        found = prepare(opened)
        opened._connection.execute("PRAGMA query_only = ON")
        return found

    monkeypatch.setattr(Database, "_is_ours", full)
    async with opened(folder) as store:
        assert [each.id for each in store.kept.findings] == ["open"]
        assert [each.id for each in await store.between(START, START + 100, 10)] == ["f1"], (
            "what is in memory"
        )
        assert await store.hours(0, HOUR) == {}
        assert await store.held_from() == START + 60
    assert set_aside(folder) == []


async def test_with_a_disk_that_hangs_the_findings_in_memory_are_returned(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ermon.storage.store.HISTORY_SECONDS", 0.05)
    stuck = asyncio.Event()
    async with opened(folder) as store:
        store.keep_hours({HOUR: packed(hour(HOUR))})
        await store.save([cleared(finding("f1"))])
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(
            Database, "write", lambda *_: asyncio.run_coroutine_threadsafe(stuck.wait(), loop).result()
        )
        assert await store.hours(HOUR, HOUR) == {HOUR: hour(HOUR)}
        assert [each.id for each in await store.between(START, START + 100, 10)] == ["f1"]
        assert await store.held_from() is None
        stuck.set()
