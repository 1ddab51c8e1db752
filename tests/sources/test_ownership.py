"""The keeper of what registries say: files and servers, good and bad lists, and what outlives a restart."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ermon.model.ownership import ROUTE_OBJECTS, VRPS, GoneVrp, OwnershipSource, Reading
from ermon.model.prefixes import parse_prefix
from ermon.model.source_key import SourceKey
from ermon.sources import ownership
from ermon.sources.ownership import OwnershipKeeper
from ermon.sources.published import SourceError
from ermon.sources.store import ListFiles
from tests.sources.server import ListServer, trusting_tls

OWN, OTHER = "198.51.100.0/24", "192.0.2.0/24"
SPACE = (parse_prefix(OWN),)
SOON, LATER, WEEK = 0.01, 3600.0, 604_800.0
NOW = 1796097600.0
"""2026-12-01T04:00:00Z."""


def vrps(*prefixes: str, made: str = "2026-12-01T03:59:00Z") -> bytes:
    roas = [{"asn": "AS64500", "prefix": prefix, "maxLength": 24} for prefix in prefixes]
    return json.dumps({"metadata": {"buildtime": made}, "roas": roas}).encode()


def internet(number: int) -> bytes:
    return vrps(OWN, *(f"10.{each // 256}.{each % 256}.0/24" for each in range(number - 1)))


@dataclass
class Bench:
    """Keepers one after the other, as with an ermon that is restarted."""

    folder: Path
    now: float = NOW
    said: list[tuple[str, object]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def runs(self, *sources: OwnershipSource) -> AsyncIterator[OwnershipKeeper]:
        self.said.clear()
        keeper = OwnershipKeeper(
            self.folder,
            ListFiles(self.folder / "state", 1_000_000),
            updated=lambda _, reading: self._say("read", reading),
            rejected=lambda _, reason: self._say("judged", reason),
            tls=trusting_tls(),
            clock=lambda: self.now,
        )
        keeper.reconfigure(sources, SPACE, WEEK)
        task = asyncio.create_task(keeper.run())
        try:
            yield keeper
        finally:
            task.cancel()
            await asyncio.wait([task])

    def _say(self, what: str, detail: object) -> None:
        self.said.append((what, detail))
        self.changed.set()

    async def until(self, what: str, count: int = 1) -> list[object]:
        """Wait until something was said so many times; return what."""
        async with asyncio.timeout(20):
            while len(found := [detail for said, detail in self.said if said == what]) < count:
                self.changed.clear()
                await self.changed.wait()
        return found

    async def reading(self, count: int = 1) -> Reading:
        found = (await self.until("read", count))[-1]
        assert isinstance(found, Reading)
        return found

    def write(self, name: str, document: bytes, *, age: float = 60.0) -> None:
        path = self.folder / name
        path.with_suffix(".new").write_bytes(document)
        os.utime(path.with_suffix(".new"), (self.now - age, self.now - age))
        path.with_suffix(".new").rename(path)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def from_file(name: str = "vrps.json", refresh: float = LATER) -> OwnershipSource:
    return OwnershipSource(VRPS, name, refresh)


# Files -----------------------------------------------------------------------------------------------


async def test_a_file_is_as_old_as_it_was_written(bench: Bench):
    bench.write("vrps.json", vrps(OWN, OTHER), age=1000)
    async with bench.runs(from_file()) as keeper:
        reading = await bench.reading()
        assert (reading.total, [vrp.prefix for vrp in reading.vrps]) == (2, [OWN])
        assert (reading.taken_at, reading.space) == (NOW - 1000, (OWN,))
        assert await bench.until("judged") == [None]
        assert keeper.ages() == {SourceKey.of(from_file()): 1000.0}


async def test_a_file_that_is_written_anew_is_read_and_what_it_lacks_has_gone(bench: Bench):
    bench.write("vrps.json", vrps(OWN, OTHER))
    async with bench.runs(from_file(refresh=SOON)):
        await bench.reading()
        bench.write("vrps.json", vrps(OTHER), age=1)
        after = await bench.reading(2)
        assert (after.vrps, after.gone) == ((), (GoneVrp(OWN, 64500, NOW),))


async def test_a_file_that_nobody_writes_any_more_is_reported(bench: Bench):
    bench.write("vrps.json", vrps(OWN), age=3 * LATER)
    async with bench.runs(from_file()):
        (problem,) = await bench.until("judged")
        assert problem == "was written 3 h ago, more than three times refresh: does what writes it still run?"


async def test_a_file_that_is_missing_or_broken_is_reported_and_the_last_good_list_stays(bench: Bench):
    async with bench.runs(from_file(refresh=SOON)) as keeper:
        (problem,) = await bench.until("judged")
        assert str(problem).endswith("vrps.json cannot be read: No such file or directory")
        bench.write("vrps.json", vrps(OWN))
        await bench.reading()
        bench.write("vrps.json", vrps(OWN)[:-9], age=0)
        assert "is not JSON" in str((await bench.until("judged", 3))[-1])
        assert list(keeper.ages().values()) == [0.0]
        bench.write("vrps.json", vrps(OWN), age=2)
        assert (await bench.until("judged", 4))[-1] is None


async def test_route_objects_and_compressed_files_are_read_too(bench: Bench):
    bench.write("irr.txt", gzip.compress(f"route: {OWN}\norigin: AS64500\n".encode()))
    async with bench.runs(OwnershipSource(ROUTE_OBJECTS, "irr.txt", LATER)):
        assert [each.prefix for each in (await bench.reading()).route_objects] == [OWN]


@pytest.mark.parametrize("damage", [slice(0, -5), slice(0, 12)])
def test_a_damaged_compressed_list_is_refused(damage: slice):
    packed = gzip.compress(vrps(OWN))[damage]
    with pytest.raises(SourceError, match="is compressed, and damaged"):
        ownership.read(from_file(), [packed], SPACE, 0.0)


def test_a_list_that_unpacks_to_more_than_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ermon.sources.vrps.MAX_BYTES", 100_000)
    bomb = gzip.compress(b'{"roas": [' + b" " * 10_000_000)
    with pytest.raises(SourceError, match="is larger than 100000 bytes"):
        ownership.read(from_file(), [bomb], SPACE, 0.0)


# A list that has shrunk --------------------------------------------------------------------------------


async def test_a_list_that_lost_more_than_half_is_refused_until_it_has_come_again_three_times(bench: Bench):
    bench.write("vrps.json", internet(1000))
    async with bench.runs(from_file(refresh=SOON)):
        await bench.reading()
        bench.write("vrps.json", internet(400), age=9)
        problem = (await bench.until("judged", 2))[-1]
        assert str(problem).startswith(
            "lost 60 % of its 1000 entries, more than half; if it is correct: ermon accept"
        )
        assert (await bench.reading(2)).total == 400
        assert (await bench.until("judged", 3))[-1] is None


async def test_a_refused_list_can_be_accepted(bench: Bench):
    bench.write("vrps.json", internet(1000))
    async with bench.runs(from_file()) as keeper:
        await bench.reading()
        bench.write("vrps.json", internet(400), age=9)
        keeper.reconfigure((from_file(),), SPACE, WEEK)
        await bench.until("judged", 2)
        assert not await keeper.accept("vrps:other.json")
        assert await keeper.accept("vrps:vrps.json")
        assert (await bench.reading(2)).total == 400


async def test_a_list_that_was_cut_to_the_own_space_may_shrink(bench: Bench):
    bench.write("vrps.json", vrps(OWN, OTHER, "203.0.113.0/24"))
    async with bench.runs(from_file(refresh=SOON)):
        await bench.reading()
        bench.write("vrps.json", vrps(OTHER), age=9)
        assert (await bench.reading(2)).total == 1


# Servers ---------------------------------------------------------------------------------------------


async def test_a_list_is_fetched_over_tls_and_an_unchanged_one_counts_as_new(
    bench: Bench, tls_server: ListServer
):
    tls_server.serve_versioned("/vrps.json", vrps(OWN), '"1"')
    async with bench.runs(from_file(tls_server.url("/vrps.json"), SOON)):
        assert (await bench.reading()).taken_at == NOW
        bench.now += 100
        again = await bench.reading(2)
        assert (again.taken_at, [vrp.prefix for vrp in again.vrps]) == (NOW + 100, [OWN])
        assert tls_server.requests[-1].headers["If-None-Match"] == '"1"'


async def test_a_server_that_fails_is_reported_at_once_only_without_a_list(bench: Bench, server: ListServer):
    async with bench.runs(from_file(server.url("/vrps.json"), SOON)):
        assert "answered 404" in str((await bench.until("judged"))[-1])
        server.serve("/vrps.json", vrps(OWN))
        await bench.reading()
        server.serve("/vrps.json", b"<html>", "text/html")
        asked = len(server.requests)
        problem = (await bench.until("judged", 3))[-1]
        assert "sent text/html, not JSON" in str(problem)
        assert len(server.requests) >= asked + 3


async def test_a_validator_that_stands_still_is_reported(bench: Bench, server: ListServer):
    server.serve("/vrps.json", vrps(OWN, made="2026-11-29T03:00:00Z"))
    async with bench.runs(from_file(server.url("/vrps.json"))):
        (problem,) = await bench.until("judged")
        assert problem == "was made 2 d 1 h ago: does its validator still run?"


# A restart, and another configuration ------------------------------------------------------------------


async def test_what_was_read_is_there_after_a_restart_with_what_has_gone(bench: Bench, server: ListServer):
    source = from_file(server.url("/vrps.json"), SOON)
    server.serve("/vrps.json", vrps(OWN))
    async with bench.runs(source):
        await bench.reading()
        server.serve("/vrps.json", vrps(OTHER))
        before = await bench.reading(2)
    server.serve("/vrps.json", b"", "text/html")
    bench.now += 50
    async with bench.runs(source) as keeper:
        kept = await bench.reading()
        assert kept.gone == before.gone == (GoneVrp(OWN, 64500, NOW),)
        assert list(keeper.ages().values()) == [50.0]


async def test_a_kept_list_that_is_damaged_is_left_out(bench: Bench):
    files = ListFiles(bench.folder / "state", 1_000_000)
    files.keep(
        SourceKey.of(from_file()), b'{"reading": {"taken_at": 1, "vrps": [{"prefix": "x", "asn": 1}]}}'
    )
    bench.write("vrps.json", vrps(OWN))
    with capture_logs() as logs:
        async with bench.runs(from_file()):
            assert (await bench.reading()).taken_at == NOW - 60
    assert [log["event"] for log in logs] == ["cached list is unusable"]


async def test_more_address_space_is_looked_for_in_the_same_file(bench: Bench):
    bench.write("vrps.json", vrps(OWN, OTHER))
    async with bench.runs(from_file()) as keeper:
        await bench.reading()
        keeper.reconfigure((from_file(),), (*SPACE, parse_prefix(OTHER)), WEEK)
        assert [vrp.prefix for vrp in (await bench.reading(2)).vrps] == [OTHER, OWN]
        keeper.reconfigure((), SPACE, WEEK)
        assert keeper.ages() == {}
