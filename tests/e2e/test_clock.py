"""Somebody sets the clock of ermon's machine, back or forward: no session ends, and what fails is raised in time.

The wall clock of ermon and of its ExaBGP is one of the test's own; their monotonic clock is the machine's.
"""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.e2e.company import EXCHANGE, Company, configuration, own_network

SETTABLE_CLOCK = """
import pathlib, time
_wall, _file = time.time, pathlib.Path({file!r})
time.time = lambda: _wall() + float(_file.read_text() or 0)
"""
HOUR = 3600


@pytest.mark.parametrize(
    "steps", [[-HOUR], [HOUR], [HOUR, 0], [-HOUR, 0]], ids=["back", "on", "on and back", "back and on"]
)
def test_a_clock_that_is_set_loses_no_session_and_delays_no_finding(
    directory: Path, steps: list[int]
) -> None:
    clock = directory / "clock"
    clock.write_text("0")
    (directory / "sitecustomize.py").write_text(SETTABLE_CLOCK.format(file=str(clock)))
    settings = configuration(own_network())
    settings["checks"]["link-down"] = {"raise_after": "3s"}
    company = Company(directory, settings)
    company.daemon.environment["PYTHONPATH"] = str(directory)
    with company.running():
        daemon = company.daemon
        ups = daemon.metric("ermon_feed_transitions_total")
        for number, seconds in enumerate(steps, 1):
            clock.write_text(str(seconds))
            daemon.wait_until(
                lambda number=number: daemon.metric("ermon_clock_steps_total") == number,
                "the step is noticed",
            )
        assert len(daemon.logged("the clock of this machine was set")) == len(steps)
        with daemon.listen() as story:
            began = time.monotonic()
            company.routers["edge-1"].withdraw(EXCHANGE["ipv4"], path_id=1)
            finding = daemon.wait_until_raised("link-down", link="primary", family="ipv4")
            assert time.monotonic() - began >= 2.5, "no sooner than raise_after either"
            shown = datetime.fromisoformat(finding["since"]).timestamp()
            assert shown == pytest.approx(time.time() + steps[-1], abs=30), (
                "in the terms of the clock on the wall"
            )
            assert story.told("raised", "link-down", link="primary", family="ipv4")
        assert daemon.metric("ermon_feed_transitions_total") == ups
        assert daemon.metric("ermon_ingest_lag_seconds") < 30
