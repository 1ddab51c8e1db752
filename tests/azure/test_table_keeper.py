"""The schedule of the tables of Microsoft's edge routers: gentle, and never before the time that Azure names."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from ermon.aio.rounds import JITTER
from ermon.azure.table_files import TablesRead
from ermon.azure.table_keeper import OUT_OF_TURN_SECONDS, TableKeeper
from ermon.model.azure import ARM, AzureCircuit
from ermon.model.inventory import Circuit, LinkKey
from tests.networks import SMALL

REFRESH = 900.0
BY_ARM = AzureCircuit("/subscriptions/s/…/expressRouteCircuits/c", ARM, REFRESH)


def circuit(azure: AzureCircuit = BY_ARM, name: str = "chicago") -> Circuit:
    return replace(SMALL.circuits["chicago"], name=name, azure=azure)


class Reader:
    """Answers as Azure, and notes when it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, str, str]] = []
        self.taken: list[tuple[LinkKey, TablesRead]] = []
        self.answer: Callable[[], TablesRead] = lambda: TablesRead(asked=1.0, neighbors=())
        self.at_once = self.most_at_once = 0
        self.more = asyncio.Event()

    async def ask(self, circuit: Circuit, device: str) -> TablesRead:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.asked.append((asyncio.get_running_loop().time(), circuit.name, device))
        await asyncio.sleep(0)
        self.at_once -= 1
        return self.answer()

    def take(self, link: LinkKey, found: TablesRead) -> None:
        self.taken.append((link, found))
        self.more.set()

    async def has_taken(self, number: int) -> None:
        while len(self.taken) < number:
            self.more.clear()
            await self.more.wait()


@asynccontextmanager
async def keeping(reader: Reader, *circuits: Circuit, base: Path = Path()) -> AsyncIterator[TableKeeper]:
    keeper = TableKeeper(base, reader.ask, reader.take, clock=lambda: 2e9)
    keeper.reconfigure(circuits)
    task = asyncio.create_task(keeper.run())
    try:
        yield keeper
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def pass_time(seconds: float) -> None:
    """Let the loop's clock go on by so many seconds, and everything run that is due until then."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        for _ in range(20):
            await asyncio.sleep(0)
        due = min((handle.when() for handle in loop._scheduled if not handle.cancelled()), default=until)  # type: ignore[attr-defined]
        step = min(due, until)
        now = loop.time()
        if step > now:
            before = loop.time
            loop.time = lambda before=before, step=step - now: before() + step  # type: ignore[method-assign,misc]
        for _ in range(20):
            await asyncio.sleep(0)
        if loop.time() >= until:
            return


async def test_both_edge_routers_are_asked_one_after_the_other_on_the_schedule() -> None:
    reader = Reader()
    async with keeping(reader, circuit()):
        await pass_time(1.0)
        assert [device for _, _, device in reader.asked] == ["primary", "secondary"]
        assert [link for link, _ in reader.taken] == [("chicago", "primary"), ("chicago", "secondary")]
        await pass_time(REFRESH - 2)
        assert len(reader.asked) == 2
        await pass_time(REFRESH * JITTER + 2)
        assert len(reader.asked) == 4
    assert reader.most_at_once == 1


async def test_out_of_turn_azure_is_asked_at_most_every_few_minutes() -> None:
    reader = Reader()
    async with keeping(reader, circuit()) as keeper:
        await pass_time(1.0)
        seconds = keeper.out_of_turn("chicago")
        assert seconds is not None
        assert OUT_OF_TURN_SECONDS - 2 < seconds < OUT_OF_TURN_SECONDS
        assert not keeper.reading("chicago")
        assert keeper.out_of_turn("dallas") is None
        await pass_time(OUT_OF_TURN_SECONDS)
        assert len(reader.asked) == 4
        await pass_time(10.0)
        assert len(reader.asked) == 4


async def test_azure_is_not_asked_before_the_time_that_it_names() -> None:
    reader = Reader()
    reader.answer = lambda: TablesRead(problems=["answered 429"], wait=600.0)
    async with keeping(reader, circuit()) as keeper:
        await pass_time(1.0)
        assert len(reader.asked) == 1  # nor for the other edge router
        seconds = keeper.out_of_turn("chicago")
        assert seconds is not None
        assert seconds > 590
        await pass_time(590.0)
        assert len(reader.asked) == 1
        await pass_time(20.0)
        assert len(reader.asked) == 2


async def test_a_reload_keeps_the_schedule_and_ends_what_is_gone() -> None:
    reader = Reader()
    async with keeping(reader, circuit(), circuit(name="dallas")) as keeper:
        await pass_time(1.0)
        assert len(reader.asked) == 4
        keeper.reconfigure([circuit()])
        await pass_time(REFRESH * (1 + JITTER))
        assert [name for _, name, _ in reader.asked[4:]] == ["chicago", "chicago"]


async def test_files_are_read_when_they_were_written_and_at_once_on_request(tmp_path: Path) -> None:
    reader = Reader()
    folder = tmp_path / "tables"
    folder.mkdir()
    written = replace(BY_ARM, location="azure.json", tables="tables")
    async with keeping(reader, circuit(written), base=tmp_path) as keeper:
        await reader.has_taken(2)
        assert all("no such file" in found.problems[0] for _, found in reader.taken)
        (folder / "routes-primary.json").write_text(json.dumps({"value": []}))
        assert keeper.out_of_turn("chicago") == 0.0
        await reader.has_taken(3)
        assert [found.routes for _, found in reader.taken[2:]] == [()]
    assert reader.asked == []
