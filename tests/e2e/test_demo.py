"""``ermon demo`` as its users start it: a process with a terminal's signals, and all that it starts."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PATIENCE = 120.0
"""Seconds after which something that should have happened is a failed test, however slow the machine."""


class Demo:
    """A running ``ermon demo``, whose temporary files and processes can be told from all others."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.output = ""
        self.process = subprocess.Popen(
            (sys.executable, "-u", "-m", "ermon", "demo", *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(folder), "PYTHONIOENCODING": "utf-8"},
            text=True,
            start_new_session=True,
        )

    def read_until(self, text: str) -> None:
        """Return when the demo has printed a line with ``text``."""
        for line in self.process.stdout or ():
            self.output += line
            if text in line:
                return
        raise AssertionError(f"the demo has ended without {text!r}:\n{self.output}")

    def end(self) -> int:
        """Wait for the end, and return the exit code."""
        rest, _ = self.process.communicate(timeout=PATIENCE)
        self.output += rest
        return self.process.returncode

    def children(self) -> list[int]:
        """Return the processes that work with the demo's temporary files, which all of its children do."""
        found = []
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if os.fsencode(self.folder) in command.read_bytes():
                    found.append(int(command.parent.name))
            except OSError:
                continue  # it has just ended
        return found


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@pytest.fixture
def start() -> Iterator[Callable[..., Demo]]:
    started: list[Demo] = []

    def start_demo(*arguments: str) -> Demo:
        folder = Path(tempfile.mkdtemp(prefix="demo-"))  # short: it holds Unix sockets
        started.append(Demo(folder, *arguments))
        return started[-1]

    yield start_demo
    for demo in started:
        demo.process.kill()
        demo.process.communicate()
        for child in demo.children():
            os.kill(child, signal.SIGKILL)
        shutil.rmtree(demo.folder, ignore_errors=True)


def test_every_finding_of_the_story_comes_and_no_other(start: Callable[..., Demo]) -> None:
    demo = start("--hold")

    demo.read_until("Everything stays up")

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
        "feed-down     edge-2",
    ]
    url = re.findall(r"until Ctrl-C: (\S+)", demo.output)[0]
    with urllib.request.urlopen(f"{url}/api/v1/findings") as answer:
        findings = json.load(answer)["data"]
    assert [finding["state"] for finding in findings] == ["cleared"] * 7
    demo.process.send_signal(signal.SIGINT)
    assert demo.end() == 0
    assert not demo.children()
    assert not list(demo.folder.iterdir())


def test_a_leak_that_is_not_sent_makes_the_demo_fail(start: Callable[..., Demo]) -> None:
    demo = start("--omit-leak")

    assert demo.end() == 1
    assert "expected, and has not come: raised pool-leak outbound ipv4 edge-1-isp-a isp-a" in demo.output
    assert not demo.children()
    assert not list(demo.folder.iterdir())


def test_ctrl_c_while_everything_starts_leaves_nothing_behind(start: Callable[..., Demo]) -> None:
    demo = start()
    demo.read_until("start")
    wait_until(lambda: len(demo.children()) >= 3)

    demo.process.send_signal(signal.SIGINT)

    assert demo.end() == 130
    assert not demo.children()
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
    assert not demo.children()
    assert not list(demo.folder.iterdir())


def test_no_process_outlives_a_killed_demo(start: Callable[..., Demo]) -> None:
    demo = start()
    demo.read_until("nothing is raised")
    assert demo.children()

    demo.process.kill()

    wait_until(lambda: not demo.children())


def test_an_ermon_that_dies_is_a_failure_with_its_last_words(start: Callable[..., Demo]) -> None:
    demo = start()
    demo.read_until("nothing is raised")

    os.kill(_child(demo, "--config.file="), signal.SIGKILL)

    assert demo.end() == 1
    assert "ermon ended its event stream (ended with status -9). The last lines of its log:" in demo.output
    assert not demo.children()


def test_a_router_that_dies_is_a_failure_with_its_last_words(start: Callable[..., Demo]) -> None:
    demo = start()
    demo.read_until("nothing is raised")

    os.kill(_child(demo, "edge-2.conf"), signal.SIGKILL)

    assert demo.end() == 1
    assert "not expected, and came: raised feed-down edge-2" in demo.output
    assert "router edge-2 (ExaBGP) has ended by itself (ended with status -9)" in demo.output
    assert not demo.children()


def _child(demo: Demo, argument: str) -> int:
    for child in demo.children():
        if argument.encode() in Path(f"/proc/{child}/cmdline").read_bytes():
            return child
    raise AssertionError(f"no child has {argument} among its arguments")
