"""Runs the jobs in separate processes with limits of time and memory."""

from __future__ import annotations

import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.bench.children import cpu_seconds
from tests.bench.scale.cost import Figure
from tests.bench.scale.jobs import OUT_OF_MEMORY
from tests.bench.scale.live import reload_live
from tests.bench.scale.network import CONFIG, Network

POLL_SECONDS = 0.1


class Limits(NamedTuple):
    seconds: int
    """The limit of CPU time."""
    gigabytes: int
    """The limit of address space."""


class Found(NamedTuple):
    figures: dict[str, Figure]
    why: str
    """Why the figures are incomplete, if they are."""


def measure(job: str, network: Network, folder: Path, effort: float, limits: Limits) -> Found:
    """Run a job on the network whose configuration is in the folder."""
    match job:
        case "live":
            return _live(folder, limits)
        case "check":
            arguments = ["tests.bench.scale.check", str(folder / CONFIG)]
        case _:
            numbers = map(str, (network.circuits, network.uplinks, effort))
            arguments = ["tests.bench.scale.jobs", job, *numbers, str(folder)]
    return run(["-m", *arguments], limits)


def _live(folder: Path, limits: Limits) -> Found:
    steps = reload_live(folder, limits.seconds)
    if steps is None:
        return Found({}, f"over {limits.seconds} s")
    longest = steps[0]
    return Found(
        {"live_reload_hold_seconds": longest["longest_seconds"], "live_reload_hold_step": longest["name"]}, ""
    )


def run(arguments: Sequence[str], limits: Limits) -> Found:
    """Run Python until it ends or reaches its limits; return the figures that it has printed."""
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen([sys.executable, *arguments], stdout=output) as child,
    ):
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            most = limits.gigabytes * 1_000_000_000
            resource.prlimit(child.pid, resource.RLIMIT_AS, (most, most))
        why = _wait(child, limits)
        output.seek(0)
        figures: dict[str, Figure] = {}
        for line in output:
            figures |= json.loads(line)
        return Found(figures, why)


def _wait(child: subprocess.Popen[bytes], limits: Limits) -> str:
    """Wait until a child ends, and return why it ended early, if it did.

    RLIMIT_CPU is not used, because it makes the CPU clock of the process advance in steps of milliseconds.
    """
    while (code := child.poll()) is None:
        if cpu_seconds(child.pid) > limits.seconds:
            child.kill()
            child.wait()
            return f"over {limits.seconds} s"
        time.sleep(POLL_SECONDS)
    if code == OUT_OF_MEMORY:
        return f"over {limits.gigabytes} GB"
    if code:
        raise RuntimeError(f"{child.args!r} has ended with {code}")
    return ""
