"""Runs `ermon run` as its users do, in its own process, and reads its API, metrics and log."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ermon.exabgp import launch, relay

PATIENCE = 30.0
"""Seconds after which a test fails whose condition has not come true, also on a slow machine."""
ORPHAN_SECONDS = 15.0
"""No child may run longer than this after the end of ermon, also on a busy machine: a relay gives ExaBGP four seconds
to end.
"""
STOP_SECONDS = 4.5
"""How long ermon may take to stop. On an idle machine it takes less than two seconds; what it must not wait for takes
five or more.
"""
POLL_SECONDS = 0.02
BOTH_DIALECTS = pytest.mark.usefixtures("dialect")
"""For tests of routes, sessions and losses: ExaBGP sends raw UPDATEs, or its JSON."""
LOG_SHOWN = 60
"""Lines of ermon's log that a failed test shows."""


def eventually(condition: Callable[[], object], what: str, timeout: float = PATIENCE) -> None:
    """Return when ``condition`` is true; otherwise fail with ``what`` was expected."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout:g} s: {what}")
        time.sleep(POLL_SECONDS)


class Transition(NamedTuple):
    """A transition of a finding, as the event stream reports it."""

    state: str
    check: str
    labels: Mapping[str, str]
    evidence: Mapping[str, Any]


class Answer(NamedTuple):
    status: int
    text: str


class EventStream:
    """The server-sent events of an ermon, read by a thread while the stream is open."""

    def __init__(self, host: str, port: int) -> None:
        self.events: list[tuple[str, Any]] = []
        """Kind and data of each event, beginning with the snapshot."""
        self.ended = threading.Event()
        self._connection = http.client.HTTPConnection(host, port, timeout=None)
        self._connection.request("GET", "/api/v1/events", headers={"Accept": "text/event-stream"})
        self._response = self._connection.getresponse()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        eventually(lambda: self.events, "the event stream begins with a snapshot")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection.sock is not None:
            with contextlib.suppress(OSError):
                self._connection.sock.shutdown(2)
        self._thread.join()
        self._response.close()
        self._connection.close()

    @property
    def transitions(self) -> list[Transition]:
        found = [data for kind, data in self.events if kind == "transition"]
        return [Transition(d["state"], d["check"], d["labels"], d["evidence"]) for d in found]

    def told(self, state: str, check: str, **labels: str) -> list[Transition]:
        """The transitions of a check to ``state`` with these labels."""
        return [
            t for t in self.transitions if (t.state, t.check) == (state, check) and _holds(t.labels, labels)
        ]

    def checks_raised(self) -> set[str]:
        return {t.check for t in self.transitions if t.state == "raised"}

    def _read(self) -> None:
        fields: dict[str, str] = {}
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            for raw in self._response:
                line = raw.decode().rstrip("\n")
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value
                elif "data" in fields:
                    self.events.append((fields.get("event", "message"), json.loads(fields["data"])))
                    fields = {}
        self.ended.set()


class Daemon:
    """One configuration and the `ermon run` that uses it, which can be started repeatedly.

    ``directory`` is only for its files. At the end of the block ermon is stopped. The test fails if a process of it is
    left over or if ermon has logged an unexpected error.
    """

    def __init__(self, directory: Path, configuration: Mapping[str, Any], *flags: str) -> None:
        self.directory = directory
        self.config_file = directory / "ermon.yml"
        self.runtime = directory / "runtime"
        self.log_file = directory / "ermon.log"
        self.flags = flags
        self.environment: dict[str, str] = {}
        """Additional variables of its environment."""
        self.interpreter: tuple[str, ...] = (sys.executable,)
        """The command that runs it."""
        self.process: subprocess.Popen[bytes] | None = None
        self._address = ("", 0)
        self.configure(configuration)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.process is not None and self.process.poll() is None:
                self.process.send_signal(signal.SIGCONT)
                self.process.terminate()
                eventually(self._ended, f"ermon stops; its log ends with:\n{self.log_end()}")
            if error is None:
                self.wait_until_nothing_is_left()
                assert "Traceback" not in self.log_file.read_text(), self.log_end()
            elif isinstance(error, Exception | pytest.fail.Exception):
                error.add_note(f"the log of ermon ends with:\n{self.log_end()}")
        finally:
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if self.process is not None:
                self.process.wait(PATIENCE)

    # Life --------------------------------------------------------------------------------------------

    def configure(self, configuration: Mapping[str, Any]) -> None:
        """Write the configuration file; a running ermon loads it with its next reload."""
        self.config_file.write_text(yaml.safe_dump(dict(configuration), sort_keys=False))

    def launch(self) -> subprocess.Popen[bytes]:
        """Start ermon without waiting."""
        arguments = (
            f"--config.file={self.config_file}",
            f"--runtime.path={self.runtime}",
            "--web.listen-address=127.0.0.1:0",
            "--log.format=json",
            *self.flags,
        )
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [*self.interpreter, "-m", "ermon", "run", *arguments],
                cwd=self.directory,
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self.process

    def start(self) -> None:
        """Start ermon and wait until it is ready."""
        self.launch()
        self.wait_for_web()
        self.wait_until_ready()

    def wait_for_web(self) -> None:
        self.wait_until(lambda: self.logged("web listens"), "ermon's web listens")
        url = self.logged("web listens")[-1]["address"]
        found = re.fullmatch(r"https?://([\d.]+):(\d+)", url)
        assert found, f"no address of ours: {url}"
        self._address = (found[1], int(found[2]))

    def wait_until_ready(self) -> None:
        self.wait_until(lambda: self.get("/-/ready").status == 200, "ermon is ready")

    def send_signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, number: signal.Signals) -> None:
        """End ermon with a signal, and wait until all of its processes have ended."""
        self.send_signal(number)
        assert self.process is not None
        self.process.wait(PATIENCE)
        self.wait_until_nothing_is_left()

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop ermon's own process inside the block, and continue it at the end."""
        self.send_signal(signal.SIGSTOP)
        eventually(lambda: _state(self.pid) == "T", "ermon stands still")
        yield
        self.send_signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    # Its processes -----------------------------------------------------------------------------------

    def processes(self) -> dict[int, list[str]]:
        """Every process of this ermon and its descendants: pid and arguments."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                arguments = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if any(str(self.directory) in argument for argument in arguments):
                    found[int(folder.name)] = arguments
        return found

    def wait_until_nothing_is_left(self) -> None:
        """Wait for the relay, which may end a moment after ermon was stopped or killed."""
        eventually(lambda: not self.processes(), "its children end", ORPHAN_SECONDS)

    def exabgp_pid(self, name: str = "edges") -> int:
        return self._child(launch.__file__, f"{self.runtime}/{name}/")

    def relay_pid(self, name: str = "edges") -> int:
        return self._child(relay.__file__, f"{self.runtime}/{name}/")

    def _child(self, program: str, folder: str) -> int:
        found = [
            pid
            for pid, arguments in self.processes().items()
            if program in arguments and any(argument.startswith(folder) for argument in arguments)
        ]
        assert len(found) == 1, f"{found} run {program}"
        return found[0]

    # What it says ------------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """The address of its web, ``HOST:PORT``."""
        host, port = self._address
        return f"{host}:{port}"

    def request(self, method: str, path: str, body: object = None) -> Answer:
        """Send a request over TCP; send a change over the control socket."""
        changes = method not in {"GET", "HEAD"}
        connection = http.client.HTTPConnection(*self._address, timeout=PATIENCE)
        with contextlib.closing(connection):
            if changes:
                connection.sock = socket.socket(socket.AF_UNIX)
                connection.sock.settimeout(PATIENCE)
                connection.sock.connect(str(self.runtime / "control.sock"))
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            return Answer(response.status, response.read().decode())

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def api(self, path: str) -> Any:
        answer = json.loads(self.get(f"/api/v1/{path}").text)
        assert answer["status"] == "success", answer
        return answer["data"]

    def listen(self) -> EventStream:
        return EventStream(*self._address)

    def findings(self, check: str, **labels: str) -> list[dict[str, Any]]:
        """The raised findings of a check with these labels."""
        found: list[dict[str, Any]] = self.api("findings?state=raised")
        return [f for f in found if f["check"] == check and _holds(f["labels"], labels)]

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api("status")
        return found

    def feed(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.status()["feeds"][name]
        return found

    def link(self, circuit: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.status()["circuits"][circuit]["links"][name]
        return found

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the series of this name with these labels, of which there must be at least one."""
        families = text_string_to_metric_families(self.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples]
        values = [s.value for s in samples if s.name == name and _holds(s.labels, labels)]
        assert values, f"no series {name}{labels}"
        return sum(values)

    def logged(self, event: str, **values: str) -> list[dict[str, Any]]:
        """The lines of the log with this event and these values."""
        lines = self.log_file.read_text().splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [entry for entry in entries if entry["event"] == event and _holds(entry, values)]

    def log_end(self) -> str:
        return "\n".join(self.log_file.read_text().splitlines()[-LOG_SHOWN:])

    # Waiting -----------------------------------------------------------------------------------------

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        """Return when ``condition`` is true; fail if it does not become true, or if ermon ends."""

        def holds_or_dead() -> bool:
            return bool(condition()) or self._ended()

        eventually(holds_or_dead, what)
        if self._ended() and not condition():
            assert self.process is not None
            pytest.fail(f"ermon has ended with status {self.process.returncode} instead: {what}")

    def wait_until_raised(self, check: str, **labels: str) -> dict[str, Any]:
        """Wait for a finding and return it."""
        self.wait_until(lambda: self.findings(check, **labels), f"{check} {labels} is raised")
        return self.findings(check, **labels)[0]

    def wait_until_cleared(self, check: str, **labels: str) -> None:
        """Wait until no finding of this check is raised."""
        self.wait_until(lambda: not self.findings(check, **labels), f"{check} {labels} is cleared")

    def wait_until_in_sync(self, *feeds: str) -> None:
        """Wait until these feeds are in sync in all of their families."""

        def in_sync() -> bool:
            known = self.status()["feeds"]
            return all(all(known[feed]["in_sync"].values()) for feed in feeds)

        self.wait_until(in_sync, f"in sync: {', '.join(feeds)}")

    def _ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None


def _holds(all_values: Mapping[str, Any], some: Mapping[str, Any]) -> bool:
    return all(all_values.get(name) == value for name, value in some.items())


def _state(pid: int) -> str:
    """Return the state of a process, as in proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
