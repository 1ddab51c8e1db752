"""More load than any real network causes: floods of UPDATEs, a flapping pool, flapping sessions, and feeds beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.company import (
    EDGES,
    OURS,
    PART_OF_POOL,
    POOL,
    Company,
    configuration,
    own_network,
)
from tests.e2e.daemon import BOTH_DIALECTS
from tests.faults.size import size

pytestmark = pytest.mark.slow

FLOODED, MIRROR = "edge-2-msee", "edge-1-isp-a"
UPDATES = size(1_500, 90_000)
CHANGES = size(200, 1_000)
FLAPS = size(30, 180)
MAX_GROWTH_BYTES = 64 * 1024 * 1024
"""The most that a flood may add to ermon's memory: it changes one route, and the backlog is limited."""


@pytest.fixture
def settings():
    return configuration(own_network())


def resident_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


@BOTH_DIALECTS
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_flood_of_updates_ends_no_session_and_hides_no_leak_on_another_feed(directory, settings, family):
    for check in (
        "churn-high",
        "advertised-undeclared",
    ):  # the flood itself, and what it announces to Microsoft
        settings["checks"][check] = {"enabled": False}
    with Company(directory, settings).running() as company:
        daemon, sessions = company.daemon, company.sessions()
        before, memory = daemon.feed(FLOODED)["updates"], resident_bytes(daemon.pid)
        for number in range(UPDATES):
            if number == UPDATES // 2:
                company.leak(PART_OF_POOL[family])
            company.routers[FLOODED].announce(
                POOL[family], next_hop=OURS[family], as_path=[64500], med=number
            )
        daemon.wait_until_raised("pool-leak", feed=MIRROR, family=family)
        # The speed depends on the machine.
        while (taken := daemon.feed(FLOODED)["updates"]) < before + UPDATES:
            daemon.wait_until(lambda taken=taken: daemon.feed(FLOODED)["updates"] > taken, "more is taken in")
        assert company.sessions() == sessions
        assert daemon.metric("ermon_feed_lost_messages_total") == 0
        assert resident_bytes(daemon.pid) - memory < MAX_GROWTH_BYTES
        assert {finding["check"] for finding in daemon.api("findings?state=raised")} == {"pool-leak"}


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_flapping_pool_is_one_finding(directory, settings, family):
    settings["checks"]["pool-leak"] = {"clear_after": "1h"}
    settings["checks"]["churn-high"] = {"enabled": False}
    with Company(directory, settings).running() as company, company.daemon.listen() as story:
        daemon = company.daemon
        before = daemon.feed(MIRROR)["updates"]
        for _ in range(CHANGES):
            company.leak(PART_OF_POOL[family])
            company.repair(PART_OF_POOL[family])
        daemon.wait_until(
            lambda: daemon.feed(MIRROR)["updates"] == before + 2 * CHANGES, "each change is taken in"
        )
        [now] = [
            each["status"]
            for each in daemon.api("statuses")
            if each["check"] == "pool-leak"
            and each["labels"]["family"] == family
            and each["labels"]["feed"] == MIRROR
        ]
        assert now == "ok", "the last change was its end"
        assert daemon.findings("pool-leak", family=family)
        assert [(t.state, t.check, t.labels["family"]) for t in story.transitions] == [
            ("raised", "pool-leak", family)
        ]


def test_session_that_flaps_is_two_lines_of_the_log_each_time_and_costs_no_other(directory, settings):
    settings["checks"]["feed-down"] = {"raise_after": "1h"}
    with Company(directory, settings).running() as company:
        daemon, sessions, router = company.daemon, company.sessions(), company.routers[MIRROR]
        company.leak(PART_OF_POOL["ipv6"])
        daemon.wait_until_raised("pool-leak", feed=MIRROR, family="ipv6")
        lines = len(daemon.log_file.read_text().splitlines())
        for number in range(1, FLAPS + 1):
            router.reset()
            router.enable()
            daemon.wait_until(lambda now=number: router.sessions == sessions[MIRROR] + now, "it is back")
        daemon.wait_until_in_sync(*settings["feeds"])
        after = company.sessions()
        others = [name for name in (*EDGES, "outside") if name != MIRROR]
        assert {name: after[name] for name in others} == {name: sessions[name] for name in others}
        assert len(daemon.log_file.read_text().splitlines()) - lines <= 2 * FLAPS + 2
        assert {f["check"] for f in daemon.api("findings?state=raised")} == {"pool-leak", "feed-flapping"}
        assert not daemon.findings("pool-leak")[0]["stale"]
