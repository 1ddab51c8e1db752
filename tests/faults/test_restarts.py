"""ermon is stopped or killed, and started again, at a bad moment: this raises nothing, and nothing is forgotten.

``tests/core/test_restarts.py`` and ``tests/scenario/restart.yml`` test this at any moment of any history.
"""

from __future__ import annotations

import signal

import pytest

from tests.e2e.company import (
    EXCHANGE,
    EXCHANGE_ONLINE,
    MSEE,
    PART_OF_POOL,
    Company,
    configuration,
    export,
    own_network,
)

pytestmark = pytest.mark.slow

DRAINED = [12076] * 5
"""How Microsoft takes traffic off a link before maintenance."""
PRIVATE = {"ipv4": "10.99.0.0/16", "ipv6": "fd00:99::/48"}
OUTBOUND = ("advertised-not-public", "advertised-undeclared")
"""The findings that a link with these advertisements causes."""
ENDS = pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])


@pytest.fixture
def settings():
    return configuration(own_network())


def company_with_storage(directory, settings):
    return Company(directory, settings, f"--storage.path={directory / 'state'}")


def start_again(daemon, end):
    daemon.end(end)
    daemon.start()


def statuses(daemon, check, **labels):
    return {
        each["labels"].get("family", ""): each["status"]
        for each in daemon.api("statuses")
        if each["check"] == check and labels.items() <= each["labels"].items()
    }


@ENDS
def test_restart_during_a_drain_raises_nothing_for_the_drained_link(directory, settings, end):
    primary = {"circuit": "chicago", "link": "primary"}
    with company_with_storage(directory, settings).running() as company:
        daemon, router = company.daemon, company.routers["edge-1"]
        for family, msee in MSEE["edge-1"].items():
            router.announce(
                EXCHANGE[family],
                next_hop=msee,
                as_path=[*DRAINED, 8075],
                communities=[EXCHANGE_ONLINE],
                path_id=1,
                local_preference=100,
            )
        drain = daemon.wait_until_raised("drain", **primary)
        router.withdraw(*EXCHANGE.values(), path_id=1)
        both = {"ipv4": "suppressed", "ipv6": "suppressed"}
        daemon.wait_until(lambda: statuses(daemon, "link-down", **primary) == both, "it is known to drain")

        start_again(daemon, end)
        with daemon.listen() as story:
            daemon.wait_until_in_sync(*settings["feeds"])
            daemon.wait_until(
                lambda: statuses(daemon, "link-down", **primary) == both, "it is known to drain again"
            )
            # A check with a longer time than link-down, so that it is judged later.
            company.leak(PART_OF_POOL["ipv6"])
            daemon.wait_until_raised("pool-leak", family="ipv6")
            assert [finding["id"] for finding in daemon.findings("drain", **primary)] == [drain["id"]]
            assert story.checks_raised() == {"pool-leak"}


@ENDS
def test_restart_with_a_link_down_and_a_bad_mirror_raises_nothing_more(directory, settings, end):
    settings["checks"] |= {check: {"clear_after": "500ms"} for check in OUTBOUND}
    with company_with_storage(directory, settings).running() as company:
        daemon, mirror = company.daemon, {"circuit": "chicago", "link": "primary"}
        for prefix in PRIVATE.values():
            export(company.routers["edge-1-msee"], prefix)
        daemon.wait_until(
            lambda: (
                daemon.wait_until_raised("advertised-not-public", **mirror)["evidence"]["prefixes_total"] == 2
            ),
            "both are bad",
        )
        company.routers["edge-1"].withdraw(*EXCHANGE.values(), path_id=1)
        for family in PRIVATE:
            daemon.wait_until_raised("link-down", family=family, **mirror)
        for check in OUTBOUND:
            daemon.wait_until_cleared(check)  # a link that is down advertises nothing
        before = statuses(daemon, "advertised-not-public", **mirror)
        raised = {finding["id"] for finding in daemon.api("findings?state=raised")}

        start_again(daemon, end)
        with daemon.listen() as story:
            daemon.wait_until_in_sync(*settings["feeds"])
            daemon.wait_until(
                lambda: statuses(daemon, "advertised-not-public", **mirror) == before, "nor does now"
            )
            assert story.checks_raised() == set()
            assert {finding["id"] for finding in daemon.api("findings?state=raised")} == raised
