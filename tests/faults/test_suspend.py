"""The machine of ermon, a laptop or a virtual machine, is suspended for hours, and goes on.

For ermon no time has passed, and its timers continue. Its routers have given up their sessions meanwhile, so these
start again. ermon reports the suspension, and that the state during it is unknown.

It is simulated: all of ermon's processes are stopped at once, and then the wall clock and the boot clock are hours
ahead.
"""

from __future__ import annotations

import os
import signal
import time
from datetime import datetime
from itertools import pairwise

import pytest

from tests.bgp import require, supports_vanishing
from tests.e2e.company import EXCHANGE, MSEE, PART_OF_POOL, Company, bring, configuration, own_network

pytestmark = pytest.mark.slow

NIGHT = 8 * 3600.0
CLOCKS_THAT_GO_ON = """
import pathlib, time
_wall, _get, _file = time.time, time.clock_gettime, pathlib.Path({file!r})
_asleep = lambda: float(_file.read_text() or 0)
time.time = lambda: _wall() + _asleep()
time.clock_gettime = lambda clock: _get(clock) + (_asleep() if clock == time.CLOCK_BOOTTIME else 0)
"""


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_after_a_suspension_ermon_continues_with_the_present_state(directory, family):
    require(supports_vanishing(), "the right to drop a connection without a word (root)")
    clock = directory / "asleep"
    clock.write_text("0")
    (directory / "sitecustomize.py").write_text(CLOCKS_THAT_GO_ON.format(file=str(clock)))
    settings = configuration(own_network())
    settings["checks"]["feed-down"] = {"raise_after": "30s"}
    settings["checks"]["link-down"] = {"raise_after": "3s"}
    company = Company(directory, settings)
    company.daemon.environment["PYTHONPATH"] = str(directory)
    with company.running(), company.daemon.listen() as story:
        daemon, edge = company.daemon, company.routers["edge-1"]
        sessions, processes = company.sessions(), list(daemon.processes())
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        for router in company.routers.values():
            router.vanish()  # the hold time is over, and the routers' NOTIFICATIONs did not arrive
        edge.withdraw(
            EXCHANGE[family], path_id=1
        )  # announced and withdrawn meanwhile, which ermon cannot know
        bring(edge, MSEE["edge-1"][family], EXCHANGE[family])
        company.leak(PART_OF_POOL[family])  # remains
        clock.write_text(str(NIGHT))
        for pid in processes:
            os.kill(pid, signal.SIGCONT)
        for router in company.routers.values():
            router.enable()
        leak = daemon.wait_until_raised("pool-leak", feed="edge-1-isp-a", family=family)
        assert datetime.fromisoformat(leak["since"]).timestamp() == pytest.approx(time.time() + NIGHT, abs=60)
        company.wait_for_new_sessions(sessions, *settings["feeds"])
        daemon.wait_until_in_sync(*settings["feeds"])
        assert story.checks_raised() == {"pool-leak"}
        asked = daemon.logged("requesting full resend", method="teardown")
        assert {each["feed"] for each in asked} == set(settings["feeds"]), "nobody waits for a keepalive"

        assert daemon.metric("ermon_clock_steps_total") == 1
        (told,) = daemon.logged("this machine was suspended")
        assert told["for_seconds"] == pytest.approx(NIGHT, abs=1)
        assert not daemon.logged("wall clock stepped")
        timeline = daemon.api("timeline")
        (step,) = timeline["clock_steps"]
        assert step["text"] == "machine suspended for 8 h 0 min"
        for link in timeline["links"]:
            states = link["states"]
            unknown = [until - since for (since, state), (until, _) in pairwise(states) if state == "unknown"]
            assert any(NIGHT - 60 < seconds < NIGHT + 60 for seconds in unknown), states
        (away,) = (each for each in timeline["not_running"] if each["why"] != "not-held")
        assert (away["why"], away["to"] - away["from"]) == ("suspended", pytest.approx(NIGHT, abs=1))

        company.repair(PART_OF_POOL[family])
        edge.withdraw(EXCHANGE[family], path_id=1)
        daemon.wait_until_raised("link-down", link="primary", family=family)
        daemon.wait_until_cleared("pool-leak", feed="edge-1-isp-a", family=family)
