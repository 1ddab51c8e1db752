"""What `ermon run` remembers after a kill, and when its disk fails."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.company import MSEE, PART_OF_POOL, Company, bring, configuration, own_network
from tests.e2e.daemon import PATIENCE, Daemon, eventually

MANY = [f"192.0.2.{n}/27" for n in (64, 96, 128, 160)]


@pytest.fixture
def settings() -> dict[str, Any]:
    """The company's configuration, on addresses of this test."""
    return configuration(own_network())


def company_with_storage(directory: Path, settings: dict[str, Any]) -> Company:
    return Company(directory, settings, f"--storage.path={directory / 'state'}")


def database(directory: Path) -> Path:
    return directory / "state" / "ermon.sqlite"


def stop(daemon: Daemon) -> None:
    daemon.send_signal(signal.SIGTERM)
    assert daemon.process is not None
    assert daemon.process.wait(PATIENCE) == 0


def wait_for_disk(daemon: Daemon) -> None:
    """Return when everything so far is on disk: a request for cleared findings goes through the thread that writes."""
    daemon.api("findings?since=0")


def plan(daemon: Daemon, feed: str) -> dict[str, Any]:
    """Add a maintenance window."""
    ends = datetime.now(UTC) + timedelta(hours=1)
    body = {"feed": feed, "to": ends.isoformat(), "reason": "new line card"}
    answer = daemon.request("POST", "/api/v1/maintenance", body)
    assert answer.status == 201, answer.text
    data: dict[str, Any] = json.loads(answer.text)["data"]
    return data


def test_findings_and_windows_survive_a_kill(directory, settings):
    with company_with_storage(directory, settings).running() as company:
        daemon, isp = company.daemon, company.routers["edge-1-isp-a"]
        for family in ("ipv4", "ipv6"):
            company.leak(PART_OF_POOL[family])
        before = {family: daemon.wait_until_raised("pool-leak", family=family) for family in PART_OF_POOL}
        window = plan(daemon, "edge-2")
        isp.shut_down("maintenance")  # and is not back before we have looked
        daemon.end(signal.SIGKILL)
        company.repair(PART_OF_POOL["ipv6"])

        daemon.start()
        for family, finding in before.items():
            (left,) = daemon.findings("pool-leak", family=family)
            same = ("id", "since", "raised_at", "labels", "evidence", "severity", "summary")
            assert {name: left[name] for name in same} == {name: finding[name] for name in same}
            assert left["stale"], "nobody can tell yet"
            assert daemon.metric("ermon_finding_raised", check="pool-leak", family=family) == 1
        assert [w["id"] for w in daemon.api("maintenance")] == [window["id"]]

        with daemon.listen() as story:
            isp.enable()
            daemon.wait_until(lambda: story.told("cleared", "pool-leak", family="ipv6"), "the repair is seen")
            daemon.wait_until_in_sync(*settings["feeds"])
            (leak,) = daemon.findings("pool-leak")
            assert (leak["id"], leak["stale"]) == (before["ipv4"]["id"], False)
            company.repair(PART_OF_POOL["ipv4"])
            daemon.wait_until(lambda: story.told("cleared", "pool-leak", family="ipv4"), "it is over")
            assert "pool-leak" not in story.checks_raised(), "nobody is told twice"

        stop(daemon)
        daemon.start()
        since = before["ipv4"]["since"]
        cleared = daemon.api(f"findings?state=cleared&since={since}")
        told = [finding["id"] for finding in cleared if finding["check"] == "pool-leak"]
        assert told == [before["ipv4"]["id"], before["ipv6"]["id"]], "the latest first"


def test_usual_levels_survive_a_restart(directory, settings):
    settings["circuits"]["chicago"]["receive"]["drop_percent"] = 50
    settings["checks"]["prefix-count-low"] = {"raise_after": 0}
    company = company_with_storage(directory, settings)
    for prefix in MANY:
        bring(company.routers["edge-1"], MSEE["edge-1"]["ipv4"], prefix)
    with company.started():
        daemon = company.daemon
        daemon.wait_until(
            lambda: daemon.link("chicago", "primary")["routes"]["ipv4"] == 1 + len(MANY), "all is there"
        )
        stop(daemon)
        company.routers["edge-1"].withdraw(*MANY, path_id=1)
        daemon.start()
        finding = daemon.wait_until_raised("prefix-count-low", link="primary", family="ipv4")
        assert (finding["evidence"]["usual"], finding["evidence"]["routes"]) == (5, 1)
        link = {"circuit": "chicago", "link": "primary", "family": "ipv4"}
        [shown] = [each for each in daemon.api("timeline")["links"] if link.items() <= each.items()]
        states = [state for _, state in shown["states"]]
        assert states == ["unknown", "up", "unknown", "up"], "nobody looked while ermon was not running"
        assert shown["prefixes"][-1] == 1


def test_a_disk_that_fails_and_recovers_stops_nothing_and_is_brought_up_to_date(directory, settings):
    state, elsewhere = directory / "state", directory / "elsewhere"
    with company_with_storage(directory, settings).running() as company:
        daemon = company.daemon
        for family in ("ipv4", "ipv6"):
            company.leak(PART_OF_POOL[family])
            daemon.wait_until_raised("pool-leak", family=family)
        state.rename(elsewhere)
        state.write_text("no folder any more")
        company.repair(PART_OF_POOL["ipv4"])
        failed = daemon.wait_until_raised("storage-failed")
        assert "check the folder and its owner" in failed["evidence"]["problem"]
        daemon.wait_until_cleared("pool-leak", family="ipv4")
        assert daemon.findings("storage-failed"), "it is told as long as it lasts"

        state.unlink()
        elsewhere.rename(state)
        company.leak(PART_OF_POOL["ipv4"])
        daemon.wait_until_raised("pool-leak", family="ipv4")
        daemon.wait_until_cleared("storage-failed")
        leaks = daemon.findings("pool-leak")
        wait_for_disk(daemon)
        daemon.end(signal.SIGKILL)
        daemon.start()
        left = {finding["id"] for finding in daemon.findings("pool-leak")}
        assert left == {finding["id"] for finding in leaks}
        assert len(left) == 2
        history = [finding["check"] for finding in daemon.api("findings?state=cleared&since=0")]
        assert {"pool-leak", "storage-failed"} <= set(history), "also what was cleared without a disk"


def test_a_damaged_file_is_set_aside_and_reported(directory, settings):
    database(directory).parent.mkdir()
    database(directory).write_bytes(b"this was a database once" * 100)
    with company_with_storage(directory, settings).started() as company:
        problem = company.daemon.wait_until_raised("storage-failed")["evidence"]["problem"]
        (aside,) = database(directory).parent.glob("*.corrupt-*Z")
        assert aside.name in problem
        assert aside.read_bytes() == b"this was a database once" * 100
        company.leak(PART_OF_POOL["ipv4"])
        leak = company.daemon.wait_until_raised("pool-leak")
        wait_for_disk(company.daemon)
        company.daemon.end(signal.SIGKILL)
        company.daemon.start()
        assert [finding["id"] for finding in company.daemon.findings("pool-leak")] == [leak["id"]]


def test_the_folder_is_that_of_systemd_by_default(directory, settings):
    company = Company(directory, settings)
    company.daemon.environment["STATE_DIRECTORY"] = f"{directory / 'state'}:{directory / 'other'}"
    with company.started():
        eventually(lambda: database(directory).exists(), "its file is there")
        assert not company.daemon.logged("no --storage.path: findings")
