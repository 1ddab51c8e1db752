"""The clock of ermon's machine is set, back or forward: no session ends, and failures are raised in time.

The wall clock of ermon and its ExaBGP is controlled by the test; their monotonic clock is the machine's.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import expect

from ermon.cli import run
from tests.e2e.browser import chromium, visiting
from tests.e2e.company import EXCHANGE, Company, configuration, own_network
from tests.e2e.daemon import Daemon

SETTABLE_CLOCK = """
import pathlib, time
_wall, _file = time.time, pathlib.Path({file!r})
time.time = lambda: _wall() + float(_file.read_text() or 0)
"""
HOUR = 3600


def settable_clock(daemon: Daemon) -> Callable[[int], object]:
    """Give a daemon that is not started yet its own wall clock; return a function that sets it ahead by seconds."""
    file = daemon.directory / "clock"
    file.write_text("0")
    (daemon.directory / "sitecustomize.py").write_text(SETTABLE_CLOCK.format(file=str(file)))
    daemon.environment["PYTHONPATH"] = str(daemon.directory)
    return lambda seconds: file.write_text(str(seconds))


def test_the_page_says_that_the_clock_was_set(directory: Path) -> None:
    company = Company(directory, configuration(own_network()))
    set_clock = settable_clock(company.daemon)
    with (
        company.running(),
        chromium() as browser,
        visiting(browser, f"http://{company.daemon.address}/") as visit,
    ):
        expect(visit("#history")).to_have_attribute("data-complete", "true")
        expect(visit("#history")).not_to_contain_text("clock set")
        set_clock(-HOUR)
        expect(visit("#history-gaps")).to_contain_text("clock set back by 1 h 0 min")


@pytest.mark.parametrize(
    "steps", [[-HOUR], [HOUR], [HOUR, 0], [-HOUR, 0]], ids=["back", "on", "on and back", "back and on"]
)
def test_a_clock_that_is_set_loses_no_session_and_delays_no_finding(
    directory: Path, steps: list[int]
) -> None:
    settings = configuration(own_network())
    settings["checks"]["link-down"] = {"raise_after": "3s"}
    company = Company(directory, settings)
    set_clock = settable_clock(company.daemon)
    with company.running():
        daemon = company.daemon
        ups = daemon.metric("ermon_feed_transitions_total")
        for number, seconds in enumerate(steps, 1):
            set_clock(seconds)
            daemon.wait_until(
                lambda number=number: daemon.metric("ermon_clock_steps_total") == number,
                "the step is noticed",
            )
        assert len(daemon.logged("wall clock stepped")) == len(steps)
        texts = [
            f"clock set {'back' if now < before else 'forward'} by 1 h 0 min"
            for before, now in pairwise([0, *steps])
        ]
        assert [step["text"] for step in daemon.api("timeline")["clock_steps"]] == texts
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            run(["status", "--url", f"http://{daemon.address}/"])
        assert all(text in shown.getvalue() for text in texts)
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
