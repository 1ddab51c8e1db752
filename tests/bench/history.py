"""Measures what the history costs: a store with 90 days of findings and links, and requests for days of it.

    python -m tests.bench.history

prints how long the answers take, how long they block the event loop, how long a finding that is raised meanwhile waits
for the disk, and how long it takes to open the store, also one of a version that stored less.
"""

# ruff: noqa: T201 - a benchmark prints

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import resource
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from aiohttp import ClientSession

from ermon.api.status import Shown
from ermon.core.runs import KeptRun, RunLog
from ermon.core.timeline import KeptTimeline, KeptTrack
from ermon.model.findings import Finding, Transition, TransitionState
from ermon.model.settings import Severity
from ermon.storage.database import packed
from ermon.storage.store import Store
from tests.bench.hold import watching
from tests.checks.company import company
from tests.web.site import Site

DAY = 86_400.0
BATCH = 2_000
TRIES = 7


@dataclass(frozen=True, slots=True)
class Size:
    findings: int
    days: int
    links: int
    """The number of links, each in both families."""


def finding(number: int, since: float, lasts: float) -> Finding:
    prefixes = [f"198.51.{n}.0/28" for n in range(10)]
    return Finding(
        id=f"f{number}",
        check="pool-leak",
        labels={"pool": "chi-outbound", "family": "ipv4", "feed": "edge-1-isp-a", "uplink": "isp-a"},
        severity=Severity.CRITICAL,
        summary="NAT pool chi-outbound 198.51.100.0/28 is advertised to isp-a by edge-1",
        evidence={"prefixes": prefixes, "as_paths": ["64500"] * 10, "prefixes_total": 10},
        since=since,
        raised_at=since,
        ended_at=since + lasts,
        cleared_at=since + lasts,
    )


def hour(number: int, links: int) -> KeptTimeline:
    """Return an hour in which every link was up, with counts that vary a little."""
    began = number * 3600.0
    tracks = [
        KeptTrack(
            ((f"circuit-{n // 2}", f"link-{n % 2}"), family),
            [(began, Shown.UP)],
            [400 + (n + number + k) % 7 for k in range(12)],
            None,
        )
        for n in range(links)
        for family in ("ipv4", "ipv6")
    ]
    return KeptTimeline(began + 3600.0, [began + 300.0 * k for k in range(12)], tracks)


async def fill(folder: Path, now: float, size: Size) -> None:
    random = Random(1)
    store = await Store.open(folder, (size.days + 1) * DAY, clock=lambda: now)
    lasts = (60.0, 300.0, 3600.0, 3 * DAY)
    span = size.days * DAY
    for first in range(0, size.findings, BATCH):
        batch = [
            finding(n, now - span + n * (span - 3 * DAY) / size.findings, random.choice(lasts))
            for n in range(first, min(first + BATCH, size.findings))
        ]
        await store.save(
            [Transition(each.cleared_at or 0.0, TransitionState.CLEARED, each) for each in batch]
        )
        await store.held_from()  # the most that waits in memory
    last = int(now // 3600)
    for number in range(last - 24 * size.days, last):
        store.keep_hours({number: packed(hour(number, size.links))})
        if number % 20 == 0:
            await store.held_from()
    await store.held_from()
    await store.close()


def make(folder: Path, now: float, size: Size) -> None:
    asyncio.run(fill(folder, now, size))


async def ask(folder: Path, now: float, size: Size) -> None:
    before = peak_megabytes()
    began = time.perf_counter()
    store = await Store.open(folder, (size.days + 1) * DAY, clock=lambda: now)
    print(f"opened in {1000 * (time.perf_counter() - began):.0f} ms")
    site = Site(company(), past=store, runs=RunLog([KeptRun(now - size.days * DAY, now)]))
    site.net.now = now
    week = f"from={now - 30 * DAY}&to={now - 23 * DAY}"
    spans = {"a day of long ago": day(now, size.days - 1), "a day in the middle": day(now, size.days // 2),
             "yesterday": day(now, 1), "a week": week}  # fmt: skip
    async with site.listens() as url, ClientSession(url) as http:
        for name, query in spans.items():
            with watching() as holds:
                times, length = [], 0
                for _ in range(TRIES):
                    start = time.perf_counter()
                    async with http.get(f"/api/v1/timeline?{query}") as response:
                        length = len(await response.read())
                        assert response.status == 200, await response.text()
                    times.append(time.perf_counter() - start)
            print(
                f"{name}: median {1000 * statistics.median(times):.0f} ms, longest {1000 * max(times):.0f} ms,"
                f" {length / 1e6:.2f} MB; the loop was held for {1000 * holds.longest:.1f} ms at most"
            )
        asked = asyncio.gather(*(get(http, f"/api/v1/timeline?{query}") for query in spans.values()))
        start = time.perf_counter()
        raised = finding(-1, now, 0.0)
        await store.save([Transition(now, TransitionState.RAISED, raised)])
        print(f"a finding raised meanwhile: on disk after {1000 * (time.perf_counter() - start):.0f} ms")
        await asked
    await store.close()
    print(f"peak memory of ermon's side: {peak_megabytes() - before:.0f} MB more than before")


async def get(http: ClientSession, path: str) -> None:
    async with http.get(path) as response:
        await response.read()


def day(now: float, days: int) -> str:
    """Request the 24 hours that began this number of days ago."""
    return f"from={now - days * DAY}&to={now - (days - 1) * DAY}"


async def upgrade(folder: Path, now: float, size: Size) -> None:
    with contextlib.closing(sqlite3.connect(folder / "ermon.sqlite")) as connection, connection:
        connection.execute("DROP TABLE finding_span")
        connection.execute("DROP TABLE link_hour")
    began = time.perf_counter()
    store = await Store.open(folder, (size.days + 1) * DAY, clock=lambda: now)
    print(f"a store of the first versions: opened in {1000 * (time.perf_counter() - began):.0f} ms")
    await store.close()


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextlib.contextmanager
def folder_of_its_own() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ermon-") as name:
        yield Path(name) / "state"


def measure(size: Size) -> None:
    now = time.time()
    with folder_of_its_own() as folder:
        # Memory for filling the store is not that of the requests.
        other = multiprocessing.get_context("spawn").Process(target=make, args=(folder, now, size))
        other.start()
        other.join()
        file = folder / "ermon.sqlite"
        print(
            f"{size.findings} findings and {size.links} links of {size.days} days: {file.stat().st_size / 1e6:.0f} MB"
        )
        asyncio.run(ask(folder, now, size))
        asyncio.run(upgrade(folder, now, size))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--findings", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--links", type=int, default=40)
    arguments = parser.parse_args()
    measure(Size(arguments.findings, arguments.days, arguments.links))


if __name__ == "__main__":
    main()
