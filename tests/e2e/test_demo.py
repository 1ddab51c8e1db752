"""``ermon demo`` as its users run it: a process with a terminal's signals, and its children."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.demo import BY_HAND, HELD, PATIENCE, Demo, running_demo


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def wait_until_nothing_runs(demo: Demo) -> None:
    """Wait for the relay of a router, which may end a moment after the demo."""
    wait_until(lambda: not demo.children())


@pytest.fixture
def start() -> Iterator[Callable[..., Demo]]:
    with contextlib.ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(running_demo(*arguments))


def test_every_finding_of_the_story_is_raised_and_no_other(start: Callable[..., Demo]) -> None:
    demo = start("--hold")

    demo.read_until(BY_HAND)

    assert HELD in demo.output
    told = re.findall(r"✓ (raised|cleared) +(\S+)", demo.output)
    assert told == [
        *[("raised", "pool-leak"), ("cleared", "pool-leak")] * 2,
        *[("raised", "link-down")] * 2,
        *[("raised", "circuit-down")] * 2,
        *[("cleared", "circuit-down")] * 2,
        *[("cleared", "link-down")] * 2,
        *[("raised", "feed-down"), ("cleared", "feed-down")],
    ]
    assert re.findall(r"(?:critical|warning) +(\S+ +\S.*?) {2}", demo.output) == [
        "pool-leak     outbound ipv4 edge-1-isp-a isp-a",
        "pool-leak     outbound ipv6 outside",
        "link-down     chicago primary ipv4",
        "link-down     chicago primary ipv6",
        "circuit-down  chicago ipv4",
        "circuit-down  chicago ipv6",
        "feed-down     edge-1",
    ]
    # Microsoft's side of the lost link, by Azure; and the steps of its test procedure, with a tick where ermon sees them.
    assert demo.output.count("ARP incomplete: call the") == 2
    procedure = demo.output.partition("Microsoft's own test procedure:")[2]
    walked = re.findall(r"^ {4}([✓·✗?]) (\d) ", procedure, re.MULTILINE)
    assert walked == list(zip("✓✓·✓✓✓✓·", "12345678", strict=True))
    url = re.findall(r"until Ctrl-C: (\S+)", demo.output)[0]
    assert f"{BY_HAND} ermon verify --url {url}" in demo.output
    with urllib.request.urlopen(f"{url}/api/v1/findings") as answer:
        findings = json.load(answer)["data"]
    assert [finding["state"] for finding in findings] == ["cleared"] * 7
    demo.process.send_signal(signal.SIGINT)
    assert demo.end() == 0
    wait_until_nothing_runs(demo)
    assert not list(demo.folder.iterdir())


def test_a_leak_that_is_not_sent_makes_the_demo_fail(start: Callable[..., Demo]) -> None:
    demo = start("--omit-leak")

    assert demo.end() == 1
    assert "expected, but missing: raised pool-leak outbound ipv4 edge-1-isp-a isp-a" in demo.output
    wait_until_nothing_runs(demo)
    assert not list(demo.folder.iterdir())


def test_ctrl_c_while_everything_starts_leaves_nothing_behind(start: Callable[..., Demo]) -> None:
    demo = start()
    demo.read_until("start")
    wait_until(lambda: len(demo.children()) >= 3)

    demo.process.send_signal(signal.SIGINT)

    assert demo.end() == 130
    wait_until_nothing_runs(demo)
    assert not list(demo.folder.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_story_leaves_nothing_behind(
    start: Callable[..., Demo], number: signal.Signals
) -> None:
    demo = start()
    demo.read_until("raised   pool-leak")
    assert demo.children()

    demo.process.send_signal(number)

    assert demo.end() == 130
    wait_until_nothing_runs(demo)
    assert not list(demo.folder.iterdir())


def test_no_process_outlives_a_killed_demo(start: Callable[..., Demo]) -> None:
    demo = start()
    demo.read_until("nothing is raised")
    assert demo.children()

    demo.process.kill()

    wait_until_nothing_runs(demo)


def test_an_ermon_that_dies_is_a_failure_with_its_last_output(start: Callable[..., Demo]) -> None:
    demo = start()
    demo.read_until("nothing is raised")

    os.kill(_child(demo, "--config.file="), signal.SIGKILL)

    assert demo.end() == 1
    assert "ermon ended its event stream (ended with status -9). The last lines of its log:" in demo.output
    wait_until_nothing_runs(demo)


def test_a_router_that_dies_is_a_failure_with_its_last_output(start: Callable[..., Demo]) -> None:
    demo = start()
    demo.read_until("nothing is raised")

    os.kill(_child(demo, "edge-2.conf"), signal.SIGKILL)

    assert demo.end() == 1
    last = "router edge-2 (ExaBGP) has ended by itself (ended with status -9). The last lines of its log:"
    assert last in demo.output
    wait_until_nothing_runs(demo)


def _child(demo: Demo, argument: str) -> int:
    for child in demo.children():
        if argument.encode() in Path(f"/proc/{child}/cmdline").read_bytes():
            return child
    raise AssertionError(f"no child has {argument} among its arguments")
