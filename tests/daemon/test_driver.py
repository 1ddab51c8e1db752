"""Nothing changes the monitor during a change of configuration, and no event is lost meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from ermon.core.maintenance_book import MaintenanceBook
from ermon.core.monitor import Monitor, Outcome, Parts
from ermon.daemon.clock import SteadyClock
from ermon.daemon.driver import Driver
from ermon.model.events import StorageJudged
from ermon.recording.recorder import Recorder
from tests.networks import START, TWO_CIRCUITS, another_policy


@pytest.fixture
def driver() -> Driver:
    return Driver(Monitor(TWO_CIRCUITS, START), Recorder(), MaintenanceBook(None), SteadyClock())


async def test_events_during_a_change_are_applied_afterwards(driver: Driver):
    outcomes: list[Outcome] = []
    driver.add_listener(outcomes.append)
    async with driver.still():
        driver.take_in(StorageJudged(START + 1, "the disk is full"))
        driver.advance(START + 2)
        assert driver.monitor.network.storage_problem() is None
        assert outcomes == []
        await driver.go_over(Parts(another_policy(TWO_CIRCUITS), START))
    assert driver.monitor.network.storage_problem() == "the disk is full"
    assert "storage-failed" in [t.finding.check for outcome in outcomes for t in outcome.transitions]


async def test_lines_wait_while_the_monitor_changes(driver: Driver):
    async with driver.still():
        waiting = asyncio.create_task(driver.turn.acquire())
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting


async def test_a_configuration_that_fails_half_way_leaves_the_monitor_movable(driver: Driver):
    with pytest.raises(RuntimeError):
        async with driver.still():
            raise RuntimeError
    assert not driver.turn.locked()
    driver.take_in(StorageJudged(START + 1, "the disk is full"))
    assert driver.monitor.network.storage_problem() == "the disk is full"
