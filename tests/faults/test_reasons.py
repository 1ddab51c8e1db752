"""The end of a session or of ExaBGP is reported in words, and each cause once."""

from __future__ import annotations

import copy
import os
import signal

import pytest

from ermon.exabgp.reasons import UNREADABLE
from tests import bgp
from tests.e2e.company import EDGES, Company, configuration, own_network

pytestmark = pytest.mark.slow


@pytest.fixture
def settings():
    return configuration(own_network())


@pytest.mark.parametrize(
    "message",
    [bgp.message(bgp.KEEPALIVE, b"x"), bgp.message(bgp.ROUTE_REFRESH, b"\0\1\0")],
    ids=["KEEPALIVE of 20 octets", "ROUTE-REFRESH of 3 octets"],
)
def test_session_that_ends_without_a_notification_is_logged(directory, settings, message):
    with Company(directory, settings).running() as company:
        daemon, before = company.daemon, company.sessions()
        company.routers["edge-1"].speaker.send(message)
        daemon.wait_until(
            lambda: daemon.logged("session down", feed="edge-1"), "the end of the session is told"
        )
        (line,) = daemon.logged("session down", feed="edge-1")
        assert (line["reason"], line["level"]) == (UNREADABLE, "warning")
        company.wait_for_new_sessions(before, "edge-1")
        assert {name for name, count in company.sessions().items() if count > before[name]} == {"edge-1"}


def test_exabgp_that_is_killed_is_one_finding_with_the_reason(directory, settings):
    with Company(directory, settings).running() as company, company.daemon.listen() as story:
        daemon = company.daemon
        os.kill(daemon.exabgp_pid(), signal.SIGKILL)
        daemon.wait_until(lambda: story.told("raised", "exabgp-down", process="edges"), "it is raised")
        (raised,) = story.told("raised", "exabgp-down")
        assert raised.evidence["reason"].startswith(
            "killed by signal SIGKILL; the kernel does that when memory"
        )
        company.wait_until_well()
        assert story.checks_raised() == {"exabgp-down"}


def test_restart_that_a_reload_needs_loses_no_messages_and_is_no_error(directory, settings):
    locals_ = {feed["local"] for feed in settings["feeds"].values()}
    with Company(directory, settings).running() as company, company.daemon.listen() as story:
        daemon, changed = company.daemon, copy.deepcopy(settings)
        changed["collector"]["port"] = bgp.free_port(*locals_)
        daemon.configure(changed)
        daemon.send_signal(signal.SIGHUP)
        daemon.wait_until(
            lambda: len(daemon.logged("exabgp started", process="edges")) == 2, "it is started again"
        )
        for router in company.routers.values():
            router.speaker.port = changed["collector"]["port"]
        daemon.wait_until_in_sync(*EDGES)
        assert not daemon.logged("BGP updates lost")
        assert not story.told("raised", "feed-lost-messages")
        (stopped,) = daemon.logged("exabgp stopped", process="edges")
        assert stopped["level"] == "info"


def test_ready_says_why_exabgp_is_not_up(directory, settings):
    with Company(directory, settings).running() as company:
        daemon = company.daemon
        with_conf = daemon.runtime / "edges"
        pid = daemon.exabgp_pid()
        for path in with_conf.iterdir():
            path.unlink()
        with_conf.rmdir()
        with_conf.touch()  # now every start fails
        os.kill(pid, signal.SIGKILL)
        daemon.wait_until(lambda: "could not be started" in daemon.get("/-/ready").text, "ready says why")
        assert daemon.get("/-/ready").text.startswith("ExaBGP is not up yet: edges: could not be started: ")
        status = daemon.status()["processes"]["edges"]
        assert (status["state"], status["reason"].split(":")[0]) == ("down", "could not be started")
        with_conf.unlink()
        daemon.wait_until_ready()
