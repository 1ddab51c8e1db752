"""Keeping Azure's view up to date: files that are written again, Azure Resource Manager, failures, reloads and restarts."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from ermon.azure.client import ArmClient
from ermon.azure.keeper import AzureKeeper, Taken
from ermon.azure.login import LoginSecrets
from ermon.azure.store import ReadingFiles
from ermon.demo.azure import AzureStandIn, circuit_document, error, write_file
from ermon.model.azure import AzureAccess, AzureFailure
from ermon.model.inventory import Circuit, Config
from ermon.scenario.azure_circuit import usual
from tests.checks.company import company

ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/expressRouteCircuits/er-chicago"
NOW = 1_795_000_000.0


def asked(location: str = "azure.json") -> Config:
    login = "azure: {login: managed-identity}" if location == "arm" else "{}"
    azure = f"{{resource_id: {ID}, from: {location}, vlan: 100, route_filter: office}}"
    return company(login, f"circuits: {{chicago: {{azure: {azure}}}}}").config


CONFIG, BY_ARM = asked(), asked("arm")
CHICAGO = CONFIG.circuits["chicago"]


class Desk:
    """Runs a keeper, and holds what it reports."""

    def __init__(self, folder: Path, *, store: Path | None = None) -> None:
        self.folder = folder
        self.now = NOW
        self.taken: list[tuple[str, Taken, tuple[str, ...]]] = []
        self.failures: list[tuple[str, AzureFailure, str]] = []
        self.news = asyncio.Event()
        self.keeper = AzureKeeper(
            folder, ReadingFiles(store), read=self._read, failed=self._failed, clock=lambda: self.now
        )

    def _read(self, circuit: str, taken: Taken, listed: tuple[str, ...]) -> None:
        self.taken.append((circuit, taken, listed))
        self.news.set()

    def _failed(self, circuit: str, kind: AzureFailure, reason: str) -> None:
        self.failures.append((circuit, kind, reason))
        self.news.set()

    @contextlib.asynccontextmanager
    async def running(self, config: Config, client: ArmClient | None = None) -> AsyncIterator[None]:
        self.keeper.reconfigure(config.circuits.values(), client)
        task = asyncio.create_task(self.keeper.run())
        try:
            await self.hear()
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def hear(self) -> None:
        async with asyncio.timeout(20):
            await self.news.wait()
        self.news.clear()

    async def look_again(self, config: Config, client: ArmClient | None = None) -> None:
        """Have every place looked at now, as a reload does for files."""
        for place in self.keeper._rounds.places.values():
            place.due = place.not_before = float("-inf")
            place.changed.set()
        await self.hear()


def written(folder: Path, at: float, *circuits: Any) -> None:
    file = folder / "azure.json"
    write_file(file, *(circuits or [circuit_document(CONFIG, CHICAGO)]))
    os.utime(file, (at, at))


async def test_a_file_is_read_with_the_time_at_which_it_was_written(tmp_path):
    written(tmp_path, NOW - 120)
    desk = Desk(tmp_path)
    async with desk.running(CONFIG):
        assert desk.taken == [("chicago", Taken(usual(CONFIG, CHICAGO), NOW - 120), ())]


async def test_a_file_that_is_written_again_is_another_reading_and_one_that_is_not_is_none(tmp_path):
    written(tmp_path, NOW - 120)
    desk = Desk(tmp_path)
    async with desk.running(CONFIG):
        written(tmp_path, NOW - 60)
        await desk.look_again(CONFIG)
        assert [taken.taken for _, taken, _ in desk.taken] == [NOW - 120, NOW - 60]
        (tmp_path / "azure.json").write_text("[]")
        os.utime(tmp_path / "azure.json", (NOW, NOW))
        await desk.look_again(CONFIG)
        assert len(desk.taken) == 2
        assert desk.failures[0][1] is AzureFailure.MISSING


async def test_a_file_of_the_future_is_of_now(tmp_path):
    written(tmp_path, NOW + 86400)
    desk = Desk(tmp_path)
    async with desk.running(CONFIG):
        assert desk.taken[0][1].taken == NOW


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (None, AzureFailure.FILE),
        (b"", AzureFailure.SHAPE),
        (b"[1]", AzureFailure.SHAPE),
        (b"[]", AzureFailure.MISSING),
        (b'{"name": "er", "peerings": ' + b"[" * 600 + b"]" * 600 + b"}", AzureFailure.SHAPE),
    ],
)
async def test_a_file_that_cannot_be_used_is_reported(tmp_path, content: bytes | None, kind: AzureFailure):
    if content is not None:
        (tmp_path / "azure.json").write_bytes(content)
    desk = Desk(tmp_path)
    async with desk.running(CONFIG):
        assert [(circuit, found) for circuit, found, _ in desk.failures] == [("chicago", kind)]
        assert desk.taken == []


async def test_a_file_that_can_be_read_again_is_no_other_reading_but_no_problem_any_more(tmp_path):
    file, away = tmp_path / "azure.json", tmp_path / "away"
    written(tmp_path, NOW - 120)
    desk = Desk(tmp_path)
    async with desk.running(CONFIG):
        file.rename(away)
        await desk.look_again(CONFIG)
        assert desk.failures[-1][1] is AzureFailure.FILE
        away.rename(file)
        await desk.look_again(CONFIG)
        assert [taken.taken for _, taken, _ in desk.taken] == [NOW - 120, NOW - 120]


async def test_a_clock_that_was_ahead_does_not_keep_later_readings_out(tmp_path):
    written(tmp_path, NOW + 86400)
    desk = Desk(tmp_path)
    async with desk.running(CONFIG):
        desk.now = NOW - 86400
        written(tmp_path, desk.now - 60)
        await desk.look_again(CONFIG)
        assert [taken.taken for _, taken, _ in desk.taken] == [NOW, NOW - 86460]


async def test_a_resource_id_that_is_corrected_begins_anew(tmp_path):
    corrected = f"{ID}-2"
    circuits = [circuit_document(CONFIG, CHICAGO), {**circuit_document(CONFIG, CHICAGO), "id": corrected}]
    circuits[1]["properties"]["peerings"] = []
    written(tmp_path, NOW - 120, *circuits)
    assert CHICAGO.azure is not None
    other = replace(CHICAGO, azure=replace(CHICAGO.azure, resource_id=corrected))
    desk = Desk(tmp_path, store=tmp_path / "store")
    async with desk.running(CONFIG):
        desk.keeper.reconfigure([other], None)
        await desk.hear()
        assert [taken.reading.peering for _, taken, _ in desk.taken] == [True, False]
    kept = ReadingFiles(tmp_path / "store").load(other)
    assert kept is not None
    assert (kept.before, kept.listed) == (None, ())


async def test_the_readings_of_an_earlier_run_come_first(tmp_path):
    store = tmp_path / "store"
    written(tmp_path, NOW - 1800)
    first = Desk(tmp_path, store=store)
    async with first.running(CONFIG):
        emptied = circuit_document(CONFIG, CHICAGO)
        peering = emptied["properties"]["peerings"][0]["properties"]
        peering["microsoftPeeringConfig"]["advertisedPublicPrefixes"] = []
        written(tmp_path, NOW - 900, emptied)
        await first.look_again(CONFIG)
    second = Desk(tmp_path, store=store)
    async with second.running(CONFIG):
        while len(second.taken) < 2:
            await second.hear()
    times = [taken.taken for _, taken, _ in second.taken]
    assert times == [NOW - 1800, NOW - 900]  # the file itself is the second one, which is not new
    assert set(second.taken[1][2]) == {"198.51.100.0/28", "2001:db8:100:10::/64"}


async def test_a_damaged_store_is_no_reading(tmp_path):
    written(tmp_path, NOW)
    store = tmp_path / "store"
    ReadingFiles(store).keep(CHICAGO, structs.replace(_remembered()))
    for file in store.glob("*.json"):
        file.write_bytes(b"{")
    desk = Desk(tmp_path, store=store)
    async with desk.running(CONFIG):
        assert len(desk.taken) == 1


def _remembered() -> Any:
    from ermon.azure.store import Remembered  # noqa: PLC0415

    return Remembered(usual(CONFIG, CHICAGO), NOW)


async def test_a_circuit_that_a_reload_removes_is_read_no_more(tmp_path):
    written(tmp_path, NOW)
    desk = Desk(tmp_path)
    async with desk.running(CONFIG):
        desk.keeper.reconfigure((), None)
        assert desk.keeper._rounds.places == {}
        assert desk.keeper._rounds.tasks == {}


# Azure Resource Manager ----------------------------------------------------------------------------------


def client_of(azure: AzureStandIn, folder: Path) -> ArmClient:
    import ssl  # noqa: PLC0415

    tls = ssl.create_default_context(cadata=azure.certificate.decode())
    own = AzureAccess("client-secret", "example.com", "app", "f", None, azure.host, azure.host, None)
    return ArmClient(own, LoginSecrets("s3cr3t"), tls)


async def test_a_circuit_is_read_from_arm_and_its_failures_have_kinds(tmp_path):
    azure = AzureStandIn()
    circuit: Circuit = BY_ARM.circuits["chicago"]
    azure.documents[ID.lower()] = circuit_document(BY_ARM, circuit)
    async with azure.listening():
        client, desk = client_of(azure, tmp_path), Desk(tmp_path)
        async with desk.running(BY_ARM, client):
            assert desk.taken == [("chicago", Taken(usual(BY_ARM, circuit), NOW), ())]
            for kind, bad in (
                (AzureFailure.LIMITED, error(429, "TooManyRequests")),
                (AzureFailure.ANSWER, error(503, "Down")),
                (AzureFailure.DENIED, error(403, "AuthorizationFailed")),
            ):

                async def send(_: Any, bad: Any = bad) -> Any:
                    return bad

                azure.next.append(send)
                await desk.look_again(BY_ARM, client)
                assert desk.failures[-1][1] is kind
            azure.documents[ID.lower()] = {"name": "er", "peerings": "none"}
            await desk.look_again(BY_ARM, client)
            assert desk.failures[-1][1] is AzureFailure.SHAPE
            assert len(desk.taken) == 1
    assert set(azure.requests) == {f"GET {ID.lower()}"}
