from __future__ import annotations

import asyncio
import errno
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from ermon.aio.rounds import JITTER
from ermon.model.inventory import Source
from ermon.model.source_key import SourceKey
from ermon.sources import keeper as keeper_module
from ermon.sources.fetch import Fetcher, Limits
from ermon.sources.keeper import SourceKeeper
from ermon.sources.published import PublishedList
from ermon.sources.store import ListFiles, MemoryRecords
from tests.sources.lists import CHANGES, ENDPOINTS, VERSION, encode, tags_document, texts
from tests.sources.server import ListServer

SOON = 0.01
"""An interval after which a refresh is due at once."""
LATER = 12 * 3600.0

OLD = ("192.0.2.0/26", "192.0.2.64/26", "192.0.2.128/25", "2001:db8::/33", "2001:db8:8000::/33")
NEW = (*OLD[:3], "198.51.100.0/24", *OLD[3:])
SHRUNK = ("192.0.2.0/26", "2001:db8::/33", "2001:db8:8000::/33")


@dataclass
class Reports:
    """The reports of a keeper."""

    said: list[tuple[str, str, object]] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def updated(self, source: SourceKey, published: PublishedList) -> None:
        self._say("updated", source, texts(published))

    def rejected(self, source: SourceKey, reason: str | None) -> None:
        self._say("rejected", source, reason)

    def _say(self, what: str, source: SourceKey, detail: object) -> None:
        self.said.append((what, ",".join(source.select), detail))
        asyncio.get_running_loop().create_task(self._notify())

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def until(self, satisfied: Callable[[], bool]) -> None:
        async with self.changed:
            await self.changed.wait_for(satisfied)

    async def count(self, number: int) -> list[tuple[str, str, object]]:
        await self.until(lambda: len(self.said) >= number)
        return self.said


@dataclass
class Bench:
    """Keepers one after the other, as with an ermon that is restarted repeatedly."""

    folder: Path
    on_disk: bool = True
    now: float = 1795184918.0
    reports: Reports = field(default_factory=Reports)
    records: MemoryRecords = field(default_factory=MemoryRecords)

    def keeper(self) -> SourceKeeper:
        self.reports = Reports()
        if not self.on_disk:
            self.records = MemoryRecords()
        return SourceKeeper(
            Fetcher(self.folder, self.records, Limits(idle=5)),
            ListFiles(self.state, 1_000_000) if self.on_disk else None,
            updated=self.reports.updated,
            rejected=self.reports.rejected,
            clock=lambda: self.now,
        )

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @asynccontextmanager
    async def run(self, *sources: Source) -> AsyncIterator[SourceKeeper]:
        keeper = self.keeper()
        keeper.reconfigure(sources)
        running = asyncio.create_task(keeper.run())
        try:
            yield keeper
        finally:
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def tags(server: ListServer, refresh: float = LATER, *select: str) -> Source:
    return Source("service-tags", server.url("/tags.json"), refresh, select or ("Storage",))


def m365(server: ListServer, *select: str) -> Source:
    return Source("m365", server.url("/endpoints/Worldwide"), SOON, select)


def serve(server: ListServer, *prefixes: str, name: str = "Storage") -> None:
    server.serve("/tags.json", tags_document(*prefixes, name=name))


def serve_m365(server: ListServer, version: str = VERSION) -> None:
    server.serve("/version/Worldwide", encode({"instance": "Worldwide", "latest": version}))
    server.serve("/endpoints/Worldwide", encode(ENDPOINTS))
    server.serve("/changes/Worldwide/0000000000", encode(CHANGES))


def place_of(keeper: SourceKeeper, source: Source) -> keeper_module._Place:
    return keeper._rounds.places[(source.kind, source.location)]


async def rest(keeper: SourceKeeper, source: Source) -> float:
    """Wait until a source waits for its next refresh, and return the seconds until then."""
    place = place_of(keeper, source)
    loop = asyncio.get_running_loop()
    while (due := max(place.due, place.not_before)) < loop.time():  # noqa: ASYNC110  # nobody tells
        await asyncio.sleep(0.001)
    return due - loop.time()


# Good lists ------------------------------------------------------------------------------------------


async def test_a_list_comes_into_force(bench: Bench, server: ListServer):
    serve(server, *OLD)
    async with bench.run(tags(server)) as keeper:
        assert await bench.reports.count(1) == [("updated", "Storage", list(OLD))]
        assert {key: texts(found) for key, found in keeper.lists().items()} == {
            SourceKey.of(tags(server)): list(OLD)
        }


async def test_a_changed_list_replaces_the_old_one(bench: Bench, server: ListServer):
    serve(server, *OLD)
    async with bench.run(tags(server, SOON)):
        await bench.reports.count(1)
        await server.asked(3)
        serve(server, *NEW)
        assert (await bench.reports.count(2))[1] == ("updated", "Storage", list(NEW))


async def test_a_file_is_a_source_too(bench: Bench):
    (bench.folder / "tags.json").write_bytes(tags_document(*OLD))
    source = Source("service-tags", "tags.json", LATER, ("Storage",))
    async with bench.run(source) as keeper:
        await bench.reports.count(1)
        (bench.folder / "tags.json").write_bytes(tags_document(*NEW))
        keeper.reconfigure([source])  # a reload reads files again
        assert (await bench.reports.count(2))[1] == ("updated", "Storage", list(NEW))


async def test_sources_that_want_parts_of_one_list_fetch_it_once(bench: Bench, server: ListServer):
    serve_m365(server)
    async with bench.run(m365(server, "Exchange"), m365(server, "Skype")):
        said = await bench.reports.count(2)
    assert [(what, select) for what, select, _ in said] == [("updated", "Exchange"), ("updated", "Skype")]
    assert len(server.requests) == 3


async def test_a_fault_in_one_part_does_not_touch_the_other(bench: Bench, server: ListServer):
    serve(server, *OLD)
    async with bench.run(tags(server, SOON), tags(server, SOON, "Sql")):
        said = await bench.reports.count(2)
        assert said[0] == ("updated", "Storage", list(OLD))
        assert said[1] == ("rejected", "Sql", "select: there is no service tag 'Sql'; it has 'Storage'")
        serve(server, *NEW)
        assert (await bench.reports.count(3))[2] == ("updated", "Storage", list(NEW))


# Schedules -------------------------------------------------------------------------------------------


async def test_a_refresh_comes_when_it_is_due_or_a_little_later(bench: Bench, server: ListServer):
    random.seed(7)
    serve(server, *OLD)
    async with bench.run(tags(server)) as keeper:
        await bench.reports.count(1)
        assert LATER - 60 < await rest(keeper, tags(server)) < LATER * (1 + JITTER)


async def test_the_web_service_is_requested_at_most_once_an_hour(bench: Bench, server: ListServer):
    serve_m365(server)
    async with bench.run(m365(server)) as keeper:
        await bench.reports.count(1)
        assert 3600 - 60 < await rest(keeper, m365(server)) < 3600 * (1 + JITTER)
        keeper.reconfigure([m365(server)])
        keeper.reconfigure([m365(server, "Exchange"), m365(server)])
        assert (await bench.reports.count(2))[1][:2] == ("updated", "Exchange")
        assert await rest(keeper, m365(server)) > 3600 - 60
    assert len(server.requests) == 3


async def test_after_too_many_requests_it_waits_for_an_hour_even_without_a_list(
    bench: Bench, server: ListServer
):
    server.serve("/tags.json", b"", status=429)
    async with bench.run(tags(server, 60.0)) as keeper:
        await server.asked(1)
        assert 3600 - 60 < await rest(keeper, tags(server)) <= 3600
        keeper.reconfigure([tags(server, SOON)])
        assert await rest(keeper, tags(server)) > 3600 - 60
    assert len(server.requests) == 1


async def test_a_missing_list_is_requested_again_soon(bench: Bench, server: ListServer):
    server.serve("/tags.json", b"", status=500)
    async with bench.run(tags(server)) as keeper:
        await server.asked(1)
        assert await rest(keeper, tags(server)) <= keeper_module.FIRST_RETRY_SECONDS * (1 + JITTER)


async def test_a_list_in_force_waits_for_its_next_refresh_when_one_fails(bench: Bench, server: ListServer):
    serve(server, *OLD)
    async with bench.run(tags(server)) as keeper:
        await bench.reports.count(1)
        await rest(keeper, tags(server))
        server.serve("/tags.json", b"", status=500)
        place_of(keeper, tags(server)).due = 0
        place_of(keeper, tags(server)).changed.set()
        await server.asked(2)
        assert await rest(keeper, tags(server)) > LATER - 60


# Bad lists -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (tags_document(), "is empty"),
        (tags_document(*SHRUNK), "lost 67 % of its ipv4 prefixes and addresses"),
        (tags_document("192.0.2.0/24", "2001:db8::/32", name="Other"), "there is no service tag 'Storage'"),
        (tags_document("192.0.2.0/24"), "lost 100 % of its ipv6 prefixes and addresses"),
        (tags_document(*OLD, "192.0.2.1/24"), "'192.0.2.1/24' is not a prefix"),
        (tags_document(*OLD)[:-10], "is not JSON"),
        (b"{}", "is not in the documented shape"),
    ],
)
async def test_a_bad_list_is_refused_at_once_and_the_old_one_stays(
    bench: Bench, server: ListServer, body, reason
):
    serve(server, *OLD)
    async with bench.run(tags(server, SOON)) as keeper:
        await bench.reports.count(1)
        server.serve("/tags.json", body)
        what, _, told = (await bench.reports.count(2))[1]
        assert what == "rejected"
        assert reason in str(told)
        assert [texts(found) for found in keeper.lists().values()] == [list(OLD)]
        serve(server, *NEW)
        assert (await bench.reports.count(4))[2:] == [
            ("updated", "Storage", list(NEW)),
            ("rejected", "Storage", None),
        ]


async def test_a_source_recovers_when_a_bad_list_is_replaced(bench: Bench, server: ListServer):
    server.serve_versioned("/tags.json", tags_document(*OLD), '"1"')
    async with bench.run(tags(server, SOON)):
        await bench.reports.count(1)
        server.serve_versioned("/tags.json", tags_document(), '"2"')
        await bench.reports.count(2)
        server.serve_versioned("/tags.json", tags_document(*OLD), '"1"')
        assert (await bench.reports.count(3))[2] == ("rejected", "Storage", None)


async def test_the_refusal_of_a_much_shorter_list_says_how_to_accept_it(bench: Bench, server: ListServer):
    serve(server, *OLD)
    async with bench.run(tags(server, LATER)) as keeper:
        await bench.reports.count(1)
        serve(server, *SHRUNK)
        again(keeper, tags(server))
        name = SourceKey.of(tags(server)).name
        reason = str((await bench.reports.count(2))[1][2])
        assert reason.endswith(
            f"; if the list is correct: ermon accept source-rejected --source {name!r} --reason WHY"
        )
        assert not await keeper.accept("another")
        assert len(bench.reports.said) == 2
        assert await keeper.accept(name)
        assert (await bench.reports.count(4))[2:] == [
            ("updated", "Storage", list(SHRUNK)),
            ("rejected", "Storage", None),
        ]
    async with bench.run(tags(server, LATER)):
        assert await bench.reports.count(1) == [("updated", "Storage", list(SHRUNK))], "also after a restart"


def again(keeper: SourceKeeper, source: Source) -> None:
    """Let a source be requested at once."""
    place_of(keeper, source).due = 0
    place_of(keeper, source).changed.set()


async def test_a_refused_list_that_three_more_refreshes_show_is_taken(bench: Bench, server: ListServer):
    serve(server, *OLD)
    async with bench.run(tags(server, LATER)) as keeper:
        await bench.reports.count(1)
        serve(server, *SHRUNK)
        for asked in range(2, 5):
            again(keeper, tags(server))
            await server.asked(asked)
            await rest(keeper, tags(server))
            assert [what for what, *_ in bench.reports.said] == ["updated", "rejected"]
        again(keeper, tags(server))
        assert (await bench.reports.count(4))[2:] == [
            ("updated", "Storage", list(SHRUNK)),
            ("rejected", "Storage", None),
        ]


async def test_the_count_of_a_refused_list_that_changes_starts_again(bench: Bench, server: ListServer):
    serve(server, *OLD)
    async with bench.run(tags(server, LATER)) as keeper:
        await bench.reports.count(1)
        for asked in range(2, 8):
            serve(server, *(SHRUNK if asked % 2 else SHRUNK[:1]))
            again(keeper, tags(server))
            await server.asked(asked)
            await rest(keeper, tags(server))
        assert [texts(found) for found in keeper.lists().values()] == [list(OLD)]


async def test_a_part_that_a_list_no_longer_has_is_refused_alone(bench: Bench, server: ListServer):
    both = tags(server, LATER, "Storage", "Sql")
    server.serve("/tags.json", two_tags(list(OLD), ["203.0.113.0/25"]))
    async with bench.run(both) as keeper:
        await bench.reports.count(1)
        server.serve("/tags.json", tags_document(*NEW))
        again(keeper, both)
        reports = await bench.reports.count(3)
        assert "there is no service tag 'Sql'" in str(reports[2][2])
        assert [set(texts(found)) for found in keeper.lists().values()] == [{*NEW, "203.0.113.0/25"}]
        server.serve("/tags.json", two_tags(list(NEW), ["203.0.113.128/25"]))
        again(keeper, both)
        assert (await bench.reports.count(5))[-1][2] is None
        assert [set(texts(found)) for found in keeper.lists().values()] == [{*NEW, "203.0.113.128/25"}]


def two_tags(storage: list[str], sql: list[str]) -> bytes:
    """Return a list with two service tags."""
    one, other = (json.loads(tags_document(*found)) for found in (storage, sql))
    other["values"][0] |= {"name": "Sql", "id": "Sql"}
    one["values"] += other["values"]
    return json.dumps(one).encode()


async def test_an_unreadable_file_is_reported_at_once(bench: Bench):
    """Retries can help with a network, but not with a wrong file name."""
    async with bench.run(Source("service-tags", "tags.json", LATER, ("Storage",))):
        what, _, reason = (await bench.reports.count(1))[0]
    assert (what, reason) == (
        "rejected",
        f"{bench.folder / 'tags.json'} cannot be read: No such file or directory",
    )


@pytest.mark.parametrize("fault", ["500", "silence", "cut off", "page", "redirect", "huge"])
async def test_a_list_that_cannot_be_fetched_is_reported_after_three_refreshes(
    bench: Bench, server: ListServer, monkeypatch: pytest.MonkeyPatch, fault: str
):
    serve(server, *OLD)
    keeper = bench.keeper()
    monkeypatch.setattr(
        keeper, "_fetcher", Fetcher(bench.folder, MemoryRecords(), Limits(idle=0.05, max_bytes=9_999))
    )
    keeper.reconfigure([tags(server, SOON)])
    running = asyncio.create_task(keeper.run())
    await bench.reports.count(1)
    misbehave(server, fault)
    before = len(server.requests)
    assert (await bench.reports.count(2))[1][0] == "rejected"
    assert len(server.requests) - before >= 3
    assert [texts(found) for found in keeper.lists().values()] == [list(OLD)]
    serve(server, *OLD)
    assert (await bench.reports.count(3))[2] == ("rejected", "Storage", None)
    running.cancel()
    await asyncio.wait([running])


def misbehave(server: ListServer, fault: str) -> None:
    match fault:
        case "500":
            server.serve("/tags.json", b"", status=500)
        case "silence":
            server.fall_silent("/tags.json")
        case "cut off":
            server.break_off("/tags.json", tags_document(*OLD), 100_000)
        case "page":
            server.serve("/tags.json", b"<html>", "text/html")
        case "redirect":
            server.redirect("/tags.json", "http://127.0.0.1/")
        case "huge":
            server.send_for_ever("/tags.json")


async def test_two_failures_are_not_reported(bench: Bench, server: ListServer):
    serve(server, *OLD)
    async with bench.run(tags(server, SOON)) as keeper:
        await bench.reports.count(1)
        failures = 0

        async def fail_twice(request):
            nonlocal failures
            failures += 1
            if failures == 2:
                serve(server, *NEW)
            return web.Response(status=500)

        server.handle("/tags.json", fail_twice)
        assert (await bench.reports.count(2))[1] == ("updated", "Storage", list(NEW))
        await rest(keeper, tags(server))
    assert len(bench.reports.said) == 2


# Restarts --------------------------------------------------------------------------------------------


async def test_the_last_good_list_is_used_when_the_network_is_not_there(bench: Bench, server: ListServer):
    serve(server, *OLD)
    async with bench.run(tags(server)):
        await bench.reports.count(1)
    source = tags(server)
    await server.stop()
    bench.now += LATER + 1
    async with bench.run(source) as keeper:
        assert await bench.reports.count(1) == [("updated", "Storage", list(OLD))]
        assert keeper.ages() == {SourceKey.of(source): LATER + 1}


async def test_a_bad_list_is_refused_after_a_restart_too(bench: Bench, server: ListServer):
    serve(server, *OLD)
    async with bench.run(tags(server)):
        await bench.reports.count(1)
    serve(server, *SHRUNK)
    bench.now += LATER + 1
    async with bench.run(tags(server)):
        said = await bench.reports.count(2)
    assert [what for what, _, _ in said] == ["updated", "rejected"]


async def test_a_restart_clears_no_problem_of_a_list(bench: Bench, server: ListServer):
    serve(server, *OLD)
    async with bench.run(tags(server)) as keeper:
        await bench.reports.count(1)
        serve(server, *SHRUNK)
        again(keeper, tags(server))
        refused = (await bench.reports.count(2))[1]
        await rest(keeper, tags(server))
    bench.now += LATER
    async with bench.run(tags(server)) as keeper:
        await server.asked(3)
        await rest(keeper, tags(server))
        assert bench.reports.said == [refused, ("updated", "Storage", list(OLD))]
        assert keeper.problem(SourceKey.of(tags(server))) == refused[2]
        serve(server, *OLD)
        again(keeper, tags(server))
        assert (await bench.reports.count(3))[2] == ("rejected", "Storage", None)
        assert keeper.problem(SourceKey.of(tags(server))) is None
        await rest(keeper, tags(server))
    async with bench.run(tags(server)):
        assert await bench.reports.count(1) == [("updated", "Storage", list(OLD))], (
            "nor does it bring it back"
        )


async def test_refreshes_that_fail_are_counted_over_restarts_and_restarts_are_none(
    bench: Bench, server: ListServer
):
    serve(server, *OLD)
    async with bench.run(tags(server)):
        await bench.reports.count(1)
    misbehave(server, "500")
    for asked, (hours, told) in enumerate([(13, 1), (13, 1), (0, 1), (1, 1), (11, 2), (0, 2)], start=2):
        bench.now += hours * 3600.0
        async with bench.run(tags(server)) as keeper:
            await server.asked(asked)
            await rest(keeper, tags(server))
            assert len(bench.reports.said) == told
    serve(server, *OLD)
    async with bench.run(tags(server)):
        assert (await bench.reports.count(3))[2] == ("rejected", "Storage", None)


async def test_refreshes_that_show_a_refused_list_are_counted_over_restarts(bench: Bench, server: ListServer):
    serve(server, *OLD)
    async with bench.run(tags(server)):
        await bench.reports.count(1)
    serve(server, *SHRUNK)
    for asked, hours in enumerate([13, 0, 13, 0, 1, 13, 0], start=2):
        bench.now += hours * 3600.0
        async with bench.run(tags(server)) as keeper:
            await server.asked(asked)
            await rest(keeper, tags(server))
            assert [texts(found) for found in keeper.lists().values()] == [list(OLD)]
            assert keeper.problem(SourceKey.of(tags(server)))
    bench.now += 13 * 3600.0
    async with bench.run(tags(server)):
        assert (await bench.reports.count(4))[2:] == [
            ("updated", "Storage", list(SHRUNK)),
            ("rejected", "Storage", None),
        ]


async def test_the_problem_of_a_list_that_was_never_fetched_survives_a_restart(
    bench: Bench, server: ListServer
):
    server.serve("/tags.json", b"<html>", "application/json")
    async with bench.run(tags(server)) as keeper:
        told = await bench.reports.count(1)
        await rest(keeper, tags(server))
    async with bench.run(tags(server)) as keeper:
        await server.asked(2)
        await rest(keeper, tags(server))
        assert bench.reports.said == told


async def test_a_restart_asks_only_when_the_list_is_due(bench: Bench, server: ListServer):
    server.serve_versioned("/tags.json", tags_document(*OLD), '"1"')
    async with bench.run(tags(server)):
        await bench.reports.count(1)
    bench.now += LATER / 2
    async with bench.run(tags(server)) as keeper:
        await bench.reports.count(1)
        assert LATER / 2 - 60 < await rest(keeper, tags(server)) <= LATER / 2
        assert len(server.requests) == 1
    bench.now += LATER / 2 + 1
    async with bench.run(tags(server)) as keeper:
        await server.asked(2)
        assert server.requests[-1].headers["If-None-Match"] == '"1"'
        await rest(keeper, tags(server))
        assert keeper.ages() == {SourceKey.of(tags(server)): 0}
    assert bench.reports.said == [("updated", "Storage", list(OLD))]


async def test_the_web_service_knows_the_installation_again(bench: Bench, server: ListServer):
    serve_m365(server)
    async with bench.run(m365(server)):
        await bench.reports.count(1)
    bench.now += 3601
    serve_m365(server, "2031050100")
    async with bench.run(m365(server)):
        await server.asked(6)
    assert len({request.query["clientrequestid"] for request in server.requests}) == 1


@pytest.mark.parametrize("damaged", ["list", "record"])
async def test_a_damaged_list_or_one_without_a_record_is_fetched_again(
    bench: Bench, server: ListServer, damaged: str
):
    serve(server, *OLD)
    async with bench.run(tags(server)):
        await bench.reports.count(1)
    if damaged == "list":
        (path,) = bench.state.iterdir()
        path.write_bytes(b'{"changeNumber": 1')
    else:
        bench.records = MemoryRecords()
    serve(server, *SHRUNK)
    async with bench.run(tags(server)):
        assert await bench.reports.count(1) == [("updated", "Storage", list(SHRUNK))]


async def test_without_a_folder_all_is_well_until_the_restart(bench: Bench, server: ListServer):
    bench.on_disk = False
    serve(server, *OLD)
    async with bench.run(tags(server, SOON)):
        await bench.reports.count(1)
        serve(server, *SHRUNK)
        assert str((await bench.reports.count(2))[1][2]).endswith(" --reason WHY")
    assert list(bench.folder.iterdir()) == []
    async with bench.run(tags(server)):
        assert await bench.reports.count(1) == [("updated", "Storage", list(SHRUNK))]


async def test_a_full_disk_is_logged_once_and_the_list_is_in_force(
    bench: Bench, server: ListServer, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    serve(server, *OLD)
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(ListFiles, "keep", full)
        async with bench.run(tags(server, SOON)):
            assert await bench.reports.count(1) == [("updated", "Storage", list(OLD))]
            await server.asked(4)
    assert [(log["event"], log["log_level"]) for log in logs] == [
        ("published lists cannot be cached", "warning")
    ]


async def test_a_list_is_written_once_the_disk_has_room_again(
    bench: Bench, server: ListServer, monkeypatch: pytest.MonkeyPatch
):
    """Otherwise the next start would use an older list with the version that the server reports as unchanged."""
    written = asyncio.Event()
    keep, loop = ListFiles.keep, asyncio.get_running_loop()
    tries = 0

    def full_at_first(files: ListFiles, source: SourceKey, document: bytes) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        keep(files, source, document)
        loop.call_soon_threadsafe(written.set)

    monkeypatch.setattr(ListFiles, "keep", full_at_first)
    server.serve_versioned("/tags.json", tags_document(*OLD), '"1"')
    async with bench.run(tags(server, SOON)):
        await written.wait()
        await server.asked(5)
    assert tries == 3
    assert ListFiles(bench.state, 1_000_000).load(SourceKey.of(tags(server))) == tags_document(*OLD)


# Ages, reloads and the end ---------------------------------------------------------------------------


async def test_the_age_counts_from_when_the_list_was_last_known_to_be_current(
    bench: Bench, server: ListServer
):
    serve(server, *OLD)
    source = tags(server)
    keeper = bench.keeper()
    keeper.reconfigure([source])
    assert keeper.ages() == {SourceKey.of(source): None}
    async with bench.run(source) as keeper:
        await bench.reports.count(1)
        await rest(keeper, source)
        bench.now += 100
        assert keeper.ages() == {SourceKey.of(source): 100}
        bench.now -= 5000  # the clock is set
        assert keeper.ages() == {SourceKey.of(source): 0}


async def test_a_reload_adds_and_removes_sources(bench: Bench, server: ListServer):
    serve(server, *OLD)
    other = Source("service-tags", server.url("/other.json"), LATER, ("Storage",))
    server.serve("/other.json", tags_document(*NEW))
    async with bench.run(tags(server)) as keeper:
        await bench.reports.count(1)
        keeper.reconfigure([tags(server), other])
        await bench.reports.count(2)
        assert server.paths == ["/tags.json", "/other.json"]
        keeper.reconfigure([other])
        assert list(keeper.lists()) == list(keeper.ages()) == [SourceKey.of(other)]
        keeper.reconfigure([])
        assert keeper.lists() == keeper.ages() == {}
        keeper.reconfigure([tags(server)])
        assert (await bench.reports.count(3))[2] == ("updated", "Storage", list(OLD))


async def test_a_shorter_refresh_applies_after_a_reload(bench: Bench, server: ListServer):
    serve(server, *OLD)
    async with bench.run(tags(server)) as keeper:
        await bench.reports.count(1)
        await rest(keeper, tags(server))
        keeper.reconfigure([tags(server, SOON)])
        await server.asked(3)


async def test_a_part_that_a_reload_adds_is_taken_from_the_list_that_is_there(
    bench: Bench, server: ListServer
):
    serve(server, *OLD)
    async with bench.run(tags(server)) as keeper:
        await bench.reports.count(1)
        await rest(keeper, tags(server))
        keeper.reconfigure([tags(server), tags(server, LATER, "storage"), tags(server, LATER, "Sql")])
        said = await bench.reports.count(3)
    assert said[1] == ("updated", "storage", list(OLD))
    assert said[2][:2] == ("rejected", "Sql")
    assert len(server.requests) == 1


async def test_a_source_that_a_reload_removes_during_a_fetch_is_not_reported(
    bench: Bench, server: ListServer
):
    server.fall_silent("/tags.json", b'{"values": [')
    async with bench.run(tags(server), tags(server, LATER, "Sql")) as keeper:
        await server.asked(1)
        keeper.reconfigure([])
        await asyncio.sleep(0)
        assert keeper._rounds.tasks == {}
    assert bench.reports.said == []


async def test_a_part_that_a_reload_removes_during_a_fetch_is_not_reported(bench: Bench, server: ListServer):
    answer = asyncio.Event()

    async def wait(request):
        await answer.wait()
        return web.json_response(body=tags_document(*OLD))

    server.handle("/tags.json", wait)
    async with bench.run(tags(server), tags(server, LATER, "Sql")) as keeper:
        await server.asked(1)
        keeper.reconfigure([tags(server)])
        answer.set()
        assert await bench.reports.count(1) == [("updated", "Storage", list(OLD))]
        await rest(keeper, tags(server))
    assert len(bench.reports.said) == 1


async def test_the_end_does_not_wait_for_a_server(bench: Bench, server: ListServer):
    server.fall_silent("/tags.json", b'{"values": [')
    async with bench.run(tags(server)):
        await server.asked(1)
    assert bench.reports.said == []
