"""ermon and ExaBGP are killed, stopped and started again: what it costs, and what is told of it.

Rows of the table that are held elsewhere: ermon, ExaBGP and the relay killed in ``tests/e2e/test_daemon.py``; a restart in a
drain, and with a link down and a mirror that shows what is forbidden, in ``tests/scenario/restart.yml``; a restart at
any moment in ``tests/core/test_restarts.py``.
"""

from __future__ import annotations

import os
import signal

import pytest

from tests.e2e.company import Company, configuration, own_network

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("stopped", ["exabgp", "relay"])
def test_a_process_that_is_stopped_is_one_finding_with_its_name_and_over_when_the_routers_are_back(
    directory, stopped
):
    with (
        Company(directory, configuration(own_network())).running() as company,
        company.daemon.listen() as story,
    ):
        daemon, sessions = company.daemon, company.sessions()
        edges = [name for name in company.routers if name != "outside"]
        os.kill(
            daemon.exabgp_pid("edges") if stopped == "exabgp" else daemon.relay_pid("edges"), signal.SIGSTOP
        )
        finding = daemon.wait_until_raised("exabgp-down", process="edges")
        assert finding["evidence"]["reason"] == "did not answer for 10 s"
        company.wait_for_new_sessions(sessions, *edges)
        daemon.wait_until_cleared("exabgp-down")
        daemon.wait_until_in_sync(*edges)
        assert company.routers["outside"].sessions == sessions["outside"], "the other process lives on"
        assert story.checks_raised() <= {"exabgp-down", "feed-lost-messages"}
