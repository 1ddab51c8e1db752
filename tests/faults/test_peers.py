"""Peers that send nothing, connect twice, or want no hold time: ermon still sees their router, or reports its loss."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests import bgp
from tests.bgp import SessionRefusedError, Speaker
from tests.e2e.company import EDGES, EXCHANGE, PART_OF_POOL, Company, configuration, own_network
from tests.e2e.daemon import eventually
from tests.faults.size import size

pytestmark = pytest.mark.slow

MIRROR = "edge-1-isp-a"
OTHERS = [name for name in (*EDGES, "outside") if name != MIRROR]
SILENT = size(60, 300)
"""Connections from a router's own address that send nothing."""


@pytest.fixture
def settings():
    return configuration(own_network())


def silent_connections(stack, feed, port, count):
    for _ in range(count):
        sock = stack.enter_context(bgp.open_socket(feed["peer"], feed["local"]))
        sock.settimeout(bgp.PATIENCE)
        sock.connect((feed["local"], port))


def test_silent_connections_of_a_configured_peer_keep_neither_it_nor_another_out(directory, settings):
    feed, port = settings["feeds"][MIRROR], settings["collector"]["port"]
    company = Company(directory, settings)
    with company.daemon as daemon, contextlib.ExitStack() as stack:
        daemon.start()
        files = Path(f"/proc/{daemon.exabgp_pid()}/fd")
        before = len(list(files.iterdir()))
        with contextlib.ExitStack() as silent:
            silent_connections(silent, feed, port, SILENT)
            for router in company.routers.values():
                stack.enter_context(router)
            company.wait_until_well()
            sessions = company.sessions()
            silent_connections(silent, feed, port, SILENT)
            company.leak(PART_OF_POOL["ipv4"])
            daemon.wait_until_raised("pool-leak", feed=MIRROR, family="ipv4")
            assert {name: company.sessions()[name] for name in OTHERS} == {
                name: sessions[name] for name in OTHERS
            }
        eventually(
            lambda: len(list(files.iterdir())) <= before + len(company.routers), "every file is closed again"
        )


def test_second_connection_of_a_peer_is_a_collision_after_which_there_is_one_session(directory, settings):
    """RFC 4271 section 6.8."""
    feed = settings["feeds"][MIRROR]
    with Company(directory, settings).running() as company:
        sessions = company.sessions()
        second = Speaker(
            feed["peer"],
            feed["local"],
            settings["collector"]["port"],
            asn=feed["peer_asn"],
            families=feed["families"],
            hold_time=30,
        )
        with contextlib.closing(second):
            with contextlib.suppress(OSError, SessionRefusedError):
                second.attempt()
            company.leak(PART_OF_POOL["ipv6"])
        company.daemon.wait_until_raised("pool-leak", feed=MIRROR, family="ipv6")
        company.daemon.wait_until_in_sync(*settings["feeds"])
        assert {name: company.sessions()[name] for name in OTHERS} == {
            name: sessions[name] for name in OTHERS
        }


@pytest.mark.parametrize("feed", ["edge-1", MIRROR])
def test_peer_with_hold_time_0_is_reported_and_proves_no_absence(directory, settings, feed):
    company = Company(directory, settings)
    company.routers[feed] = company.router(feed, hold_time=0)
    with company.daemon as daemon, contextlib.ExitStack() as routers:
        daemon.start()
        for router in company.routers.values():
            routers.enter_context(router)
        daemon.wait_until_raised("feed-no-hold", feed=feed)
        daemon.wait_until_in_sync(*settings["feeds"].keys() - {feed})
        company.leak(PART_OF_POOL["ipv6"])
        daemon.wait_until_raised("pool-leak", feed=MIRROR, family="ipv6")
        if feed == "edge-1":
            company.routers[feed].withdraw(*EXCHANGE.values(), path_id=1)
            daemon.wait_until(
                lambda: set(daemon.link("chicago", "primary")["state"].values()) == {"unknown"},
                "that a link has no routes there does not say that it is down",
            )
        assert not daemon.findings("link-down")


def test_peer_that_falls_silent_is_missed_after_the_hold_time_and_no_other_session_with_it(
    directory, settings
):
    settings["collector"]["hold_time"] = "3s"
    company = Company(directory, settings)
    with company.running(), company.daemon.listen() as story:
        daemon, sessions = company.daemon, company.sessions()
        with company.routers[MIRROR].speaker.silent():
            daemon.wait_until(lambda: story.told("raised", "feed-down", feed=MIRROR), "it is missed")
        (raised,) = story.told("raised", "feed-down")
        assert raised.evidence["reason"] == "hold timer expired, sent by ermon"
        assert {name: company.sessions()[name] for name in OTHERS} == {
            name: sessions[name] for name in OTHERS
        }
