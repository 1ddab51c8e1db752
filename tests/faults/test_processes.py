"""ExaBGP and its relay are killed or stopped, also when files are scarce: ermon finds what happened meanwhile."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
from pathlib import Path

import pytest

from tests.e2e.company import EDGES, PART_OF_POOL, Company, configuration, own_network
from tests.e2e.daemon import BOTH_DIALECTS
from tests.faults.size import size

pytestmark = pytest.mark.slow

MIRROR = "edge-1-isp-a"
CLIENTS = size(40, 150)
SPARE_FILES = [40, 8, 4]
"""Files that ermon may open beyond those that it has."""


@pytest.fixture
def settings():
    return configuration(own_network())


def raised(daemon):
    return {finding["check"] for finding in daemon.api("findings?state=raised")}


@BOTH_DIALECTS
@pytest.mark.parametrize("part", ["exabgp", "relay"])
def test_a_process_that_is_stopped_and_continued_costs_no_session_and_hides_no_leak(
    directory, settings, part
):
    with Company(directory, settings).running() as company:
        daemon, sessions = company.daemon, company.sessions()
        pid = daemon.exabgp_pid() if part == "exabgp" else daemon.relay_pid()
        with daemon.listen() as story:
            os.kill(pid, signal.SIGSTOP)
            company.leak(PART_OF_POOL["ipv4"])
            company.leak(PART_OF_POOL["ipv6"], "outside")
            daemon.wait_until_raised("pool-leak", feed="outside", family="ipv6")
            daemon.wait_until(lambda: daemon.logged("exabgp hangs", process="edges"), "it is told to hang")
            os.kill(pid, signal.SIGCONT)
            daemon.wait_until_raised("pool-leak", feed=MIRROR, family="ipv4")
            daemon.wait_until(lambda: raised(daemon) == {"pool-leak"}, "nothing else is left")
            assert story.checks_raised() <= {"pool-leak", "exabgp-down"}
        assert company.sessions() == sessions
        assert daemon.metric("ermon_feed_lost_messages_total") == 0
        assert daemon.metric("ermon_exabgp_restarts_total") == 0


@pytest.mark.parametrize("part", ["exabgp", "relay"])
def test_a_process_that_hangs_is_ended_and_the_next_finds_the_leak(directory, settings, part):
    with Company(directory, settings).running() as company:
        daemon, sessions = company.daemon, company.sessions()
        pid = daemon.exabgp_pid() if part == "exabgp" else daemon.relay_pid()
        with daemon.listen() as story:
            os.kill(pid, signal.SIGSTOP)
            company.leak(PART_OF_POOL["ipv6"])
            daemon.wait_until(lambda: story.told("raised", "exabgp-down", process="edges"), "it is missed")
            (hung,) = story.told("raised", "exabgp-down")
            assert hung.evidence["reason"] == "did not answer for 10 s"
            company.wait_for_new_sessions(sessions, *EDGES)
            daemon.wait_until_raised("pool-leak", feed=MIRROR, family="ipv6")
            daemon.wait_until_in_sync(*EDGES)
            daemon.wait_until(lambda: raised(daemon) == {"pool-leak"}, "nothing else is left")
            assert story.checks_raised() == {"pool-leak", "exabgp-down"}
        assert company.routers["outside"].sessions == sessions["outside"], "the other process lives on"


def test_killed_exabgp_of_an_outside_view_is_back_with_the_leak_and_no_other_notices(directory, settings):
    with Company(directory, settings).running() as company:
        daemon, sessions = company.daemon, company.sessions()
        os.kill(daemon.exabgp_pid("outside"), signal.SIGKILL)
        company.leak(PART_OF_POOL["ipv4"], "outside")
        daemon.wait_until_raised("pool-leak", feed="outside", family="ipv4")
        company.wait_for_new_sessions(sessions, "outside")
        assert {name: company.sessions()[name] for name in EDGES} == {name: sessions[name] for name in EDGES}


@pytest.mark.parametrize("spare", SPARE_FILES)
def test_with_few_open_files_many_clients_and_killed_relays_every_feed_is_in_sync_again(
    directory, settings, spare
):
    with Company(directory, settings).running() as company, contextlib.ExitStack() as clients:
        daemon = company.daemon
        limit = len(list(Path(f"/proc/{daemon.pid}/fd").iterdir())) + spare
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (limit, limit))
        host, port = daemon.address.rsplit(":", 1)
        for _ in range(CLIENTS):
            clients.enter_context(socket.create_connection((host, int(port))))
        for relay in (daemon.relay_pid("edges"), daemon.relay_pid("outside")):
            os.kill(relay, signal.SIGKILL)
        company.leak(PART_OF_POOL["ipv6"])
        clients.close()
        daemon.wait_until_raised("pool-leak", feed=MIRROR, family="ipv6")
        daemon.wait_until_in_sync(*settings["feeds"])
        daemon.wait_until(lambda: raised(daemon) == {"pool-leak"}, "nothing else is left")
