"""Sends a table to a receiver, and measures until that has it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple, Self

from ermon.model.prefixes import Family
from tests.bench.children import cpu_by_part, ended, memory
from tests.bench.table import updates
from tests.bench.table.own import Ermon
from tests.bench.table.receivers import LOCAL, ROUTER, ROUTER_ASN, Receiver
from tests.bgp import Speaker, end_of_rib, notification

RECEIVED_SECONDS = 900.0
"""Whoever has not taken a table in by then is given up."""

SESSION_SECONDS = 20.0
_CEASE = notification(6, 2)
_NEXT_HOPS: dict[Family, str] = {"ipv4": "192.0.2.1", "ipv6": "2001:db8::1"}
_POLL_SECONDS = 0.01


class Table(NamedTuple):
    """How many prefixes it has of each family."""

    ipv4: int
    ipv6: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``1000000`` or ``1000000+230000``; ``ValueError`` where it is neither."""
        counts = [int(count) for count in text.split("+", 1)]
        if min(counts) < 1:
            raise ValueError(f"no table: {text}")
        return cls(*counts)

    def __str__(self) -> str:
        return f"{self.ipv4:,} IPv4" + (f" and {self.ipv6:,} IPv6" if self.ipv6 else "")

    @property
    def routes(self) -> int:
        return self.ipv4 + self.ipv6

    @property
    def families(self) -> tuple[Family, ...]:
        return ("ipv4", "ipv6") if self.ipv6 else ("ipv4",)

    def updates(self) -> list[bytes]:
        """Return the UPDATEs that announce them."""
        counts = {"ipv4": self.ipv4, "ipv6": self.ipv6}
        return [each for family in self.families for each in _updates(counts[family], family)]

    def octets(self) -> bytes:
        """Return the same as they are sent, with an End-of-RIB for each family behind them."""
        return b"".join((*self.updates(), *map(end_of_rib, self.families)))


@cache
def _updates(prefixes: int, family: Family) -> list[bytes]:
    return updates(prefixes, asn=ROUTER_ASN, next_hop=_NEXT_HOPS[family], family=family)


class Run(NamedTuple):
    """What it took from the first octet that was sent until the receiver had all."""

    seconds: float
    cpu: dict[str, float]
    """In seconds, by process."""
    memory: dict[str, float]
    """In MB, by process: the peak since its start."""


def measure(kind: type[Receiver], table: Table, folder: Path) -> Run:
    """Start one, send it the table, and end it."""
    receiver = kind(folder, table.families)
    octets = table.octets() + (_CEASE if receiver.poll_seconds is None else b"")
    with receiver.running() as pid, router(receiver) as speaker:
        before = cpu_by_part(pid)
        began = time.perf_counter()
        speaker.send(octets)
        _wait(receiver, speaker, pid, table)
        seconds = time.perf_counter() - began
        return Run(seconds, _since(before, pid), memory(pid, peak=True))


@contextmanager
def router(receiver: Receiver) -> Iterator[Speaker]:
    """Have a session with it; what it sends is read all the time, and never waited for."""
    speaker = Speaker(
        ROUTER, LOCAL, receiver.port, asn=ROUTER_ASN, router_id="10.0.0.14", families=receiver.families
    )
    speaker.establish(SESSION_SECONDS)
    with speaker:
        yield speaker


def _wait(receiver: Receiver, speaker: Speaker, pid: int, table: Table, times: int = 1) -> None:
    """Return when the table has been taken in, for so many times."""
    deadline = time.monotonic() + RECEIVED_SECONDS
    updates = len(table.updates()) * times
    while True:
        if receiver.poll_seconds is None:
            if speaker.ended.wait(_POLL_SECONDS):
                return
        elif receiver.has_all(table.routes, updates):
            return
        if ended(pid) or time.monotonic() > deadline:
            raise TimeoutError(f"{receiver.name} has not taken in {table}")
        time.sleep(receiver.poll_seconds or 0)


def _since(before: dict[str, float], pid: int) -> dict[str, float]:
    return {part: used - before.get(part, 0.0) for part, used in cpu_by_part(pid).items()}


# ermon alone ---------------------------------------------------------------------------------------------


def flap(table: Table, folder: Path, times: int) -> Iterator[dict[str, float]]:
    """Send the table, lose the session and send it anew, so many times; yield ermon's memory in MB after each."""
    receiver = Ermon(folder, table.families)
    octets = table.octets()
    with receiver.running() as pid:
        for number in range(times + 1):
            with router(receiver) as speaker:
                speaker.send(octets)
                _wait(receiver, speaker, pid, table, number + 1)
                yield memory(pid, peak=False)


def cpu_of_idle(
    table: Table, folders: dict[type[Ermon], Path], seconds: float
) -> dict[str, dict[str, float]]:
    """Return what each uses once the table is there, side by side, in percent of a core, by its name and process."""
    with ExitStack() as stack:
        pids = {
            kind: stack.enter_context(_idle(kind(folder, table.families), table))
            for kind, folder in folders.items()
        }
        before = {kind: cpu_by_part(pid) for kind, pid in pids.items()}
        time.sleep(seconds)
        used = {kind: _since(before[kind], pid) for kind, pid in pids.items()}
    return {
        kind.name: {part: 100 * cpu / seconds for part, cpu in parts.items()} for kind, parts in used.items()
    }


@contextmanager
def _idle(receiver: Ermon, table: Table) -> Iterator[int]:
    """Run it with a session of which nothing comes any more, and yield its process id."""
    with receiver.running() as pid, router(receiver) as speaker:
        speaker.send(table.octets())
        _wait(receiver, speaker, pid, table)
        yield pid
