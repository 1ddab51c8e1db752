"""Sends a router's BMP stream to a receiver, and measures until that has read it."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.bench.bmp import Neighbor, stream
from tests.bench.bmp.receivers import Receiver, connect
from tests.bench.children import cpu_seconds, memory


class Run(NamedTuple):
    """What it took from the first octet that was sent until everything was read."""

    seconds: float
    cpu: float
    """In seconds, of all its processes."""
    memory: float
    """In MB: the peak since its start."""


def measure(kind: type[Receiver], routes: int, sets: int, folder: Path) -> Run:
    """Start a receiver, send it the stream, and end it."""
    octets = _octets(routes, sets, kind.neighbor)
    receiver = kind(folder)
    with receiver.running() as pid, connect(receiver.port) as connection:
        before = cpu_seconds(pid)
        began = time.perf_counter()
        connection.sendall(octets)
        receiver.read_all(connection)
        seconds = time.perf_counter() - began
        return Run(seconds, cpu_seconds(pid) - before, sum(memory(pid, peak=True).values()))


@cache
def _octets(routes: int, sets: int, neighbor: Neighbor) -> bytes:
    return b"".join(stream(routes, sets, neighbor))
