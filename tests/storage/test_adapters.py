"""Published lists and maintenance windows in the store."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from ermon.api.status import Shown
from ermon.core.drain import DrainMemory
from ermon.core.maintenance_book import BookedWindow, MaintenanceBook
from ermon.core.runs import KeptRun, RunLog
from ermon.core.timeline import KeptTimeline, KeptTrack, Timeline, hour_of
from ermon.model.events import ClockStepped
from ermon.model.inventory import LinkFamily
from ermon.model.settings import MaintenanceWindow
from ermon.model.source_key import SourceKey
from ermon.sources.store import MemoryRecords, SourceRecord, SourceTrouble, Validators
from ermon.storage.adapters import (
    StoredRecords,
    StoredWindows,
    keep_drains,
    keep_links,
    keep_runs,
    keep_timeline,
    kept_drains,
    kept_links,
    kept_runs,
    kept_timeline,
    write_links,
)
from ermon.storage.database import Table, packed
from ermon.storage.store import Store
from tests.checks.company import V6, company
from tests.networks import SMALL

TAGS = SourceKey("service-tags", "https://lists.example.net/tags.json?sig=s3cret", ("Storage",))
OTHER_TAGS = SourceKey("service-tags", "https://lists.example.net/tags.json?sig=s3cret", ("Sql",))
RECORD = SourceRecord(1795184918.5, "63", Validators('"abc"', "Tue, 01 Apr 2031 00:00:00 GMT"))
START = 1_795_000_000.0


@asynccontextmanager
async def opened(folder: Path, now: float = START) -> AsyncIterator[Store]:
    store = await Store.open(folder, 86_400.0, clock=lambda: now)
    yield store
    await store.close()


@pytest.mark.parametrize("kept", ["in memory", "in the store"])
async def test_a_record_is_kept_for_its_source(tmp_path: Path, kept: str):
    async with opened(tmp_path) as store:
        records = MemoryRecords() if kept == "in memory" else StoredRecords(store)
        assert records.load(TAGS) is None
        records.keep(TAGS, RECORD)
        assert (records.load(TAGS), records.load(OTHER_TAGS)) == (RECORD, None)


async def test_the_problem_of_a_source_survives_a_restart(tmp_path: Path):
    trouble = SourceTrouble("it shrank", 2, "digest", 1, 1795184918.0)
    async with opened(tmp_path) as store:
        assert StoredRecords(store).trouble(TAGS) == SourceTrouble()
        StoredRecords(store).keep_trouble(TAGS, trouble)
    async with opened(tmp_path) as store:
        records = StoredRecords(store)
        assert (records.trouble(TAGS), records.trouble(OTHER_TAGS)) == (trouble, SourceTrouble())
        (key,) = store._state[Table.LISTS]
        store.set_value(Table.LISTS, key, b'{"failures": "many"}')
        assert records.trouble(TAGS) == SourceTrouble()


async def test_records_and_the_client_request_id_outlive_ermon(tmp_path: Path):
    async with opened(tmp_path) as store:
        StoredRecords(store).keep(TAGS, RECORD)
        client = StoredRecords(store).client_request_id()
        assert str(uuid.UUID(client)) == client
    async with opened(tmp_path) as store:
        assert StoredRecords(store).load(TAGS) == RECORD
        assert StoredRecords(store).client_request_id() == client
    assert b"s3cret" not in (tmp_path / "ermon.sqlite").read_bytes()  # it is small


@pytest.mark.parametrize("damaged", [b"{}", b"[", b'"no guid"'])
async def test_unreadable_values_are_ignored(tmp_path: Path, damaged: bytes):
    async with opened(tmp_path) as store:
        StoredRecords(store).keep(TAGS, RECORD)
        client = StoredRecords(store).client_request_id()
        (key,) = store._state[Table.LISTS]
        store.set_value(Table.LISTS, key, damaged)
        store.set_value(Table.INSTALLATION, "client-request-id", damaged)
        records = StoredRecords(store)
        assert records.load(TAGS) is None
        assert records.client_request_id() == StoredRecords(store).client_request_id() != client


async def test_windows_outlive_ermon(tmp_path: Path):
    starts, ends = datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)
    window = MaintenanceWindow(starts, ends, "new optics", circuit="chicago", link="primary")
    async with opened(tmp_path) as store:
        book = MaintenanceBook(StoredWindows(store))
        await book.saved()
        booked = book.propose(window, SMALL, START, "alice")
        ended = book.propose(window, SMALL, START)
        book.book(booked)
        book.book(ended)
        book.end(ended.id, START + 60)
        await book.saved()
    async with opened(tmp_path) as store:
        after = {each.id: each for each in MaintenanceBook(StoredWindows(store)).windows()}
        kept = replace(window, id=booked.id, by="alice")
        assert after[booked.id] == booked == BookedWindow(booked.id, kept, "alice")
        assert after[ended.id].window.ends.timestamp() == START + 60


@pytest.mark.parametrize(
    "drains",
    [
        {},
        {
            (("chicago", "primary"), "ipv4"): DrainMemory(since=START, before=4, usual=1, other=8, held=60.5),
            (("chicago", "secondary"), "ipv6"): DrainMemory(usual=4),
        },
    ],
)
async def test_drains_outlive_ermon(tmp_path: Path, drains: dict[LinkFamily, DrainMemory]):
    assert kept_drains(None) == {}
    async with opened(tmp_path) as store:
        assert kept_drains(store) == {}
        keep_drains(store, drains)
    async with opened(tmp_path) as store:
        assert kept_drains(store) == drains
        store.set_value(Table.INSTALLATION, "drains", b"{")
        assert kept_drains(store) == {}


async def test_the_memory_of_links_survives_a_restart(tmp_path: Path):
    net = company().converge()
    assert kept_links(None) == []
    async with opened(tmp_path) as store:
        assert kept_links(store) == []
        keep_links(store, write_links(list(net.monitor.links_to_keep())))
    async with opened(tmp_path) as store:
        kept = {(each.link, each.family): set(each.prefixes) for each in kept_links(store)}
        assert len(kept) == 8, "four links, each in both families"
        assert kept[("chicago", "primary"), "ipv6"] == {V6.exchange, V6.sharepoint}
        store.set_value(Table.INSTALLATION, "links", b"{")
        assert kept_links(store) == []


async def test_the_timeline_outlives_ermon(tmp_path: Path):
    net, timeline = company().converge(), Timeline()
    timeline.follow(net.monitor, net.take_changes())
    timeline.sample(net.monitor, net.now)
    async with opened(tmp_path, net.now + 30) as store:
        await keep_timeline(store, timeline, net.now + 30)
        kept = await store.hours(hour_of(net.now), hour_of(net.now))
        assert [part.saved_at for part in kept.values()] == [net.now + 30]
    async with opened(tmp_path, net.now + 60) as store:
        after = kept_timeline(store, RunLog(), net.now + 60).show(net.now - 60, net.now + 60)
        assert after.times == (net.now,)
        assert {state for link in after.links() for _, state in link.states} == {"unknown", "up"}
        assert {count for link in after.links() for count in link.prefixes} == {2}


@pytest.mark.parametrize("step", [-3600.0, 3600.0], ids=["back", "forward"])
async def test_the_stored_last_day_moves_with_the_clock(tmp_path: Path, step: float):
    """And what follows is stored too, although the clock was later before."""
    net, timeline = company().converge(), Timeline()
    timeline.follow(net.monitor, net.take_changes())
    net.wait(7200)
    timeline.sample(net.monitor, net.now)
    async with opened(tmp_path, net.now) as store:
        await keep_timeline(store, timeline, net.now)
        net.monitor.apply(ClockStepped(net.now, step))
        timeline.follow(net.monitor, net.take_changes())
        await keep_timeline(store, timeline, net.now + step)
        net.wait(300).lose("chicago-primary", "ipv4", "ipv6")
        timeline.follow(net.monitor, net.take_changes())
        await keep_timeline(store, timeline, net.now + step)
    now = net.now + step
    async with opened(tmp_path, now) as store:
        after = kept_timeline(store, RunLog(), now).show(0, now)
    assert after.times == (now - 300,)
    assert after.links()[0].states == timeline.show(0, now).links()[0].states
    assert after.links()[0].states[-1] == (now, "down")


@pytest.mark.parametrize("damaged", [b"{}", b"[", b'{"saved_at": 1, "times": [1], "tracks": [{}]}'])
async def test_a_timeline_that_makes_no_sense_was_never_known(tmp_path: Path, damaged: bytes):
    async with opened(tmp_path) as store:
        store.set_value(Table.INSTALLATION, "timeline", damaged)
        assert kept_timeline(store, RunLog(), START).show(0, START).links() == ()


def test_without_storage_there_is_a_new_timeline():
    assert kept_timeline(None, RunLog(), START).show(0, START).links() == ()


async def test_the_whole_day_that_an_earlier_version_kept_is_gone_on_from(tmp_path: Path):
    link = (("chicago", "primary"), "ipv6")
    whole = KeptTimeline(START, [START - 300], [KeptTrack(link, [(START - 7200, Shown.UP)], [7], None)])
    async with opened(tmp_path) as store:
        store.set_value(Table.INSTALLATION, "timeline", msgspec.json.encode(whole))
        timeline = kept_timeline(store, RunLog(), START + 60)
        await keep_timeline(store, timeline, START + 60)
        hours = await store.hours(0, hour_of(START))
        assert list(hours) == [hour_of(START) - 2, hour_of(START) - 1, hour_of(START)]
    async with opened(tmp_path, START + 90) as store:
        [found] = kept_timeline(store, RunLog(), START + 90).show(START - 86_400, START + 90).links()
        assert found.states == (
            (START - 86_400, "unknown"),
            (START - 7200, "up"),
            (START, "unknown"),
        )
        assert found.prefixes == (7,)


async def test_a_restart_takes_nothing_from_an_hour_that_is_out_of_memory_in_part(tmp_path: Path):
    link = (("chicago", "primary"), "ipv4")
    old = hour_of(START) - 24
    began = 3600.0 * old
    assert began < START - 86_400 < began + 3600
    states = [(began, Shown.UP), (began + 60, Shown.DOWN), (began + 120, Shown.UP)]
    whole = KeptTimeline(began + 3600, [began + 30], [KeptTrack(link, states, [7], None)])
    async with opened(tmp_path) as store:
        store.keep_hours({old: packed(whole)})
    async with opened(tmp_path) as store:
        timeline = kept_timeline(store, RunLog(), START)
        await keep_timeline(store, timeline, START)
        assert (await store.hours(old, old))[old] == whole


async def test_when_ermon_ran_outlives_it(tmp_path: Path):
    runs = RunLog([KeptRun(START - 100, START - 50, stopped=True)])
    runs.begin(START, 0.0)
    assert kept_runs(None).first() is None
    async with opened(tmp_path) as store:
        assert kept_runs(store).first() is None
        keep_runs(store, runs)
    async with opened(tmp_path) as store:
        assert kept_runs(store).runs() == runs.runs()
        store.set_value(Table.INSTALLATION, "runs", b'[{"began": -1}]')
        assert kept_runs(store).runs() == []
