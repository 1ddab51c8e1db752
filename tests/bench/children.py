"""The processes that the benchmark measures: a bare ExaBGP, or ermon with its children."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pwd
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from ermon.config.load import load_config
from ermon.exabgp import launch, raw, relay
from ermon.exabgp.configure import environment, render
from ermon.exabgp.door import Door
from tests.bench import discard
from tests.bgp import PATIENCE, free_port

EVENT_PATIENCE = 120.0
"""Seconds without any event after which the benchmark gives up."""


@contextmanager
def bare_exabgp(config_file: Path, process: str, folder: Path) -> Iterator[int]:
    """Run ExaBGP as ermon would run it for ``process``, with a helper that discards its input; yield its pid."""
    config = load_config(config_file).config
    helper = shlex.join([sys.executable, "-I", "-S", discard.__file__])
    text = folder / "exabgp.conf"
    text.write_text(render(config, process, helper, {}), encoding="ascii")
    settings = environment(config, pwd.getpwuid(os.geteuid()).pw_name)
    command = [sys.executable, "-P", launch.__file__, str(os.getpid()), str(text)]
    with contextlib.closing(Door()) as door:  # the helper needs no connection
        # ExaBGP must decode here, because nothing would read raw UPDATEs.
        variables = os.environ | settings | {relay.DOOR: str(door.inside), raw.SWITCH: "off"}
        with child(command, folder / "exabgp.log", variables, door.inside) as started:
            yield started.pid


@contextmanager
def ermon(
    config_file: Path,
    folder: Path,
    *flags: str,
    module: Sequence[str] = ("ermon",),
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[tuple[int, str]]:
    """Run ``ermon run`` with these flags and additional environment ``variables``; yield its pid and the host and port
    of its API.

    ``module`` is the module that Python runs instead, with its flags.
    """
    web = f"127.0.0.1:{free_port('127.0.0.1')}"
    command = [sys.executable, "-m", *module, "run", f"--config.file={config_file}"]
    command += [f"--web.listen-address={web}", f"--runtime.path={folder}", *flags]
    with child(command, folder / "ermon.log", dict(os.environ | variables)) as started:
        yield started.pid, web


@contextmanager
def child(
    command: list[str], log: Path, variables: dict[str, str], *handed_down: int
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command, and end it with the block; after a failure, print its output to standard error."""
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=variables,
            pass_fds=handed_down,
        ) as started,
    ):
        try:
            yield started
        except BaseException:
            sys.stderr.write(log.read_text(errors="replace")[-5000:])
            raise
        finally:
            started.terminate()
            try:
                started.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                started.kill()


def memory(pid: int, *, peak: bool) -> dict[str, float]:
    """Return the resident memory in MB of a process and its children, by part: now, or at its ``peak``."""
    return _sums(pid, lambda member: _resident(member, "VmHWM" if peak else "VmRSS"))


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and its running children so far."""
    return sum(cpu_by_part(pid).values())


def cpu_by_part(pid: int) -> dict[str, float]:
    """Return the same by part."""
    return _sums(pid, _cpu)


def _sums(pid: int, of: Callable[[int], float]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for member in (pid, *_descendants(pid)):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            name = _name(member)
            sums[name] = sums.get(name, 0.0) + of(member)
    return sums


def _cpu(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ended(pid: int) -> bool:
    """Return whether a child has ended and was not waited for yet."""
    return _stat(pid)[0] == "Z"


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on: proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()


def _descendants(pid: int) -> Iterator[int]:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield int(child)
                yield from _descendants(int(child))


def _name(pid: int) -> str:
    command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    for part, name in (
        ("discard.py", "helper"),
        ("relay.py", "relay"),
        ("launch.py", "ExaBGP"),
        ("ermon", "ermon"),
    ):
        if any(argument.endswith(part) for argument in command):
            return name
    return Path(command[0]).name


def _resident(pid: int, field: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith(f"{field}:"))
    return int(kilobytes) / 1000


class Events:
    """A reader of ermon's event stream."""

    def __init__(self, web: str) -> None:
        self._connection = http.client.HTTPConnection(web, timeout=EVENT_PATIENCE)

    def __enter__(self) -> Self:
        self._connection.request("GET", "/api/v1/events")
        self._response = self._connection.getresponse()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def wait(self, kind: str, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Wait for an event of this kind whose data matches; raises ``TimeoutError`` if no event arrives at all."""
        found = ""
        while line := self._response.readline().decode():
            field, _, value = line.rstrip("\n").partition(": ")
            if field == "event":
                found = value
            elif field == "data" and found == kind and condition(json.loads(value)):
                return
        raise ConnectionError("ermon has ended its event stream")
