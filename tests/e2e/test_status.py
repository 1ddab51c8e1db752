"""`ermon status` and `ermon routes` with a real daemon, as users and scripts run them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Self

import pytest
from aiohttp.test_utils import unused_port

from tests.e2e.company import EXCHANGE, POOL, Company, configuration, own_network
from tests.e2e.daemon import PATIENCE, eventually

ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}
} | {
    "COLUMNS": "100",
    "PYTHONIOENCODING": "utf-8",
    "TERM": "xterm-256color",
}


@pytest.fixture
def company(directory: Path) -> Iterator[Company]:
    with Company(directory, configuration(own_network())).running() as found:
        yield found


def ermon(
    company: Company, command: str, *arguments: str, url: str | None = None
) -> subprocess.CompletedProcess[str]:
    where = url or f"http://{company.daemon.address}"
    return subprocess.run(
        [sys.executable, "-m", "ermon", command, "--url", where, *arguments],
        capture_output=True,
        encoding="utf-8",
        env=ENVIRONMENT,
        timeout=PATIENCE,
        check=False,
    )


class Watching:
    """An `ermon status --watch` and its output so far."""

    def __init__(self, company: Company, *arguments: str, output: Any, reading: IO[bytes]) -> None:
        self.written = bytearray()
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "ermon",
                "status",
                "--watch",
                "--url",
                f"http://{company.daemon.address}",
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=ENVIRONMENT,
        )
        self._thread = threading.Thread(target=self._read, args=[reading], daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self._thread.join(PATIENCE)

    @property
    def text(self) -> str:
        return self.written.decode(errors="replace")

    def wait_for(self, words: str) -> None:
        eventually(lambda: words in self.text, f"{words!r} is written")

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def _read(self, reading: IO[bytes]) -> None:
        with contextlib.suppress(OSError):  # a terminal whose other end is closed
            while piece := os.read(reading.fileno(), 65536):
                self.written += piece


@contextlib.contextmanager
def watching(company: Company, *arguments: str) -> Iterator[Watching]:
    """Watch with a pipe as standard output."""
    read, write = os.pipe()
    with os.fdopen(read, "rb", buffering=0) as reading:
        with os.fdopen(write, "wb", buffering=0) as writing:
            found = Watching(company, *arguments, output=writing, reading=reading)
        with found:
            yield found


@contextlib.contextmanager
def watching_on_a_terminal(company: Company) -> Iterator[Watching]:
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    with os.fdopen(main, "rb", buffering=0) as reading:
        with os.fdopen(other, "wb", buffering=0) as writing:
            found = Watching(company, output=writing, reading=reading)
        with found:
            yield found


def test_the_state_and_the_routes_of_a_daemon(company: Company):
    well = ermon(company, "status")
    assert (well.returncode, well.stderr) == (0, "")
    assert well.stdout.startswith("● All is well.\n")
    assert "\x1b" not in well.stdout

    company.leak(POOL["ipv4"])
    company.daemon.wait_until_raised("pool-leak")
    wrong = ermon(company, "status")
    assert wrong.returncode == 1
    assert wrong.stdout.startswith("▲ NAT pool chi-outbound 198.51.100.0/28 is advertised to isp-a")
    told = ermon(company, "status", "--json")
    assert told.returncode == 1
    findings = json.loads(told.stdout)["findings"]
    assert f"ermon explain {findings[0]['id']}" in wrong.stdout
    assert [finding["check"] for finding in findings if finding["state"] == "raised"] == ["pool-leak"]

    found = ermon(company, "routes", EXCHANGE["ipv6"])
    assert found.returncode == 0
    assert "on edge-2 (edge-table), learned over chicago secondary" in found.stdout
    assert ermon(company, "routes", "233.252.0.0/24").returncode == 1
    assert "● link primary of circuit chicago" in ermon(company, "routes", "chicago").stdout
    assert ermon(company, "routes", "chigaco").returncode == 2
    nobody = ermon(company, "status", url=f"http://127.0.0.1:{unused_port()}")
    assert (nobody.returncode, nobody.stdout) == (3, "")


def test_a_watch_shows_a_leak_appear_and_ends_at_ctrl_c(company: Company):
    with (
        watching_on_a_terminal(company) as screen,
        watching(company) as log,
        watching(company, "--json") as events,
    ):
        screen.wait_for("All is well")
        log.wait_for("● All is well.\n")
        events.wait_for('"snapshot"')
        company.leak(POOL["ipv4"])
        screen.wait_for(f"NAT pool chi-outbound {POOL['ipv4']} is advertised to isp-a by edge-1")
        log.wait_for("▲ raised: critical pool-leak")
        events.wait_for('"check":"pool-leak"')

        assert [each.end(signal.SIGINT) for each in (screen, log)] == [130, 130]
        assert events.end(signal.SIGTERM) == 130
    assert "\x1b[?1049l" in screen.text  # the terminal is restored
    for quiet in (screen, log, events):
        assert "Traceback" not in quiet.text
    assert all(
        re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC [●▲◆▼○] ", line) for line in log.text.splitlines()
    )
    kinds = [json.loads(line)["event"] for line in events.text.splitlines()]
    assert kinds[0] == "snapshot"
    assert "transition" in kinds


def test_a_watch_reports_a_lost_connection_and_continues(company: Company):
    with watching_on_a_terminal(company) as screen, watching(company) as log:
        screen.wait_for("● Live")
        log.wait_for("All is well")
        company.daemon.send_signal(signal.SIGTERM)
        screen.wait_for("Connection to ermon lost. This picture is")
        log.wait_for("▲ connection lost: ermon closed it (it stopped or restarts); trying again")
        assert (screen.process.poll(), log.process.poll()) == (None, None)
        assert screen.end(signal.SIGINT) == 130
