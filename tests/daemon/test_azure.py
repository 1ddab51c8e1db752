"""Azure's view in the daemon: readings become events at the time at which Azure said them, and failures are counted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ermon.config.secrets import Secrets
from ermon.core.maintenance_book import MaintenanceBook
from ermon.core.monitor import Monitor
from ermon.core.status import circuit_status
from ermon.daemon.azure import AzureViews
from ermon.daemon.clock import SteadyClock
from ermon.daemon.driver import Driver
from ermon.demo.azure import circuit_document, write_file
from ermon.metrics.process import Telemetry
from ermon.model.inventory import Config
from ermon.recording.recorder import Recorder
from tests.checks.company import company

ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/expressRouteCircuits/er-chicago"
AZURE = f"{{resource_id: {ID}, from: azure.json, refresh: 15m}}"


class Desk:
    def __init__(self, folder: Path, config: Config) -> None:
        clock = SteadyClock()
        self.driver = Driver(Monitor(config, clock.now()), Recorder(), MaintenanceBook(None), clock)
        self.telemetry = Telemetry(config, azure_age=self.age)
        self.views = AzureViews(
            config, Secrets(), folder, folder / "state", driver=self.driver, telemetry=self.telemetry
        )
        self.said = asyncio.Event()
        self.driver.add_listener(lambda _: self.said.set())

    def age(self, circuit: str) -> float | None:
        return self.views.age(circuit)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.telemetry.registry.get_sample_value(name, labels)

    async def run_until_said(self) -> None:
        self.said.clear()
        task = asyncio.create_task(self.views.run())
        async with asyncio.timeout(20):
            await self.said.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def config() -> Config:
    return company(f"circuits: {{chicago: {{azure: {AZURE}}}}}").config


async def test_a_reading_is_as_old_as_its_file(tmp_path, config: Config):
    file = tmp_path / "azure.json"
    write_file(file, circuit_document(config, config.circuits["chicago"]))
    os.utime(file, (time.time() - 600, time.time() - 600))
    desk = Desk(tmp_path, config)
    assert desk.metric("ermon_azure_age_seconds", circuit="chicago") != 0  # NaN: there is none
    await desk.run_until_said()
    state = desk.driver.monitor.network.azure_readings.states["chicago"]
    assert state.taken == pytest.approx(desk.driver.clock.now() - 600, abs=30)
    assert desk.metric("ermon_azure_age_seconds", circuit="chicago") == pytest.approx(600, abs=30)
    doc = circuit_status(desk.driver.monitor, "chicago").azure
    assert doc is not None
    assert (doc.current, doc.problem) == (True, "")
    assert doc.says.startswith(
        "circuit Enabled, provider Provisioned, IPv4 Enabled with 1 prefixes Configured"
    )
    assert circuit_status(desk.driver.monitor, "dallas").azure is None


async def test_a_failure_is_counted_logged_once_and_shown(tmp_path, config: Config):
    desk = Desk(tmp_path, config)
    with capture_logs() as logs:
        await desk.run_until_said()
        await asyncio.sleep(0)
    assert desk.metric("ermon_azure_failures_total", circuit="chicago", kind="file") == 1
    assert desk.metric("ermon_azure_failures_total", circuit="chicago", kind="login") == 0
    assert [log["circuit"] for log in logs if log["event"] == "Azure's view cannot be read"] == ["chicago"]
    doc = circuit_status(desk.driver.monitor, "chicago").azure
    assert doc is not None
    assert (doc.read_at, doc.says) == (None, "")
    assert "No such file" in doc.problem


async def test_a_restart_goes_on_from_the_last_readings(tmp_path, config: Config):
    write_file(tmp_path / "azure.json", circuit_document(config, config.circuits["chicago"]))
    await Desk(tmp_path, config).run_until_said()
    (tmp_path / "azure.json").unlink()
    again = Desk(tmp_path, config)
    await again.run_until_said()
    assert again.driver.monitor.network.azure("chicago") is not None


async def test_a_reload_forgets_what_it_no_longer_names(tmp_path, config: Config):
    write_file(tmp_path / "azure.json", circuit_document(config, config.circuits["chicago"]))
    desk = Desk(tmp_path, config)
    await desk.run_until_said()
    without = company().config
    desk.views.reconfigure(without, Secrets())
    desk.telemetry.reconfigure(without)
    assert desk.metric("ermon_azure_age_seconds", circuit="chicago") is None
