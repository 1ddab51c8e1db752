"""Requests for reloads that arrive faster than ermon can reload share one reload."""

from __future__ import annotations

import os
import signal

import pytest

from tests.e2e.company import Company, configuration, own_network

pytestmark = pytest.mark.slow

SIGHUPS = 1000


def test_a_thousand_sighups_are_few_reloads_and_a_later_request_is_answered(directory):
    with Company(directory, configuration(own_network())).running() as company:
        daemon, sessions = company.daemon, company.sessions()
        for _ in range(SIGHUPS):
            os.kill(daemon.pid, signal.SIGHUP)
        answer = daemon.request("POST", "/-/reload")
        assert answer.status == 200
        reloads = len(daemon.logged("configuration reloaded"))
        assert 1 <= reloads < SIGHUPS / 4
        assert company.sessions() == sessions
        assert daemon.api("findings?state=raised") == []
