"""Measures what the web costs: scrapes, the status, and the events of the page."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import NamedTuple

from ermon.core.monitor import Outcome
from tests.bench.hold import watching
from tests.bench.scale.cost import LEAST, Report, cpu
from tests.bench.scale.network import Network
from tests.bench.scale.running import Running, converged

MOST = 200
"""Limit of published changes of one kind: publishing one is cheap, but causing it is not."""


def shows(network: Network, folder: Path, effort: float, report: Report) -> None:
    running = converged(network, folder)
    asyncio.run(_ask_all(running, effort, report))
    asyncio.run(_publish_all(network, running, effort, report))


class Asked(NamedTuple):
    body: bytes
    cpu: float
    """CPU seconds, without those of the client."""
    hold: float
    """CPU seconds of the longest step of the event loop."""
    step: str
    """The name of that step."""


async def _ask_all(running: Running, effort: float, report: Report) -> None:
    """Send requests over HTTP, which the web serves as in the daemon."""
    async with running.site().listens() as url:
        scrape = await _ask(f"{url}/metrics")
        report("metrics_series", sum(not line.startswith(b"#") for line in scrape.body.splitlines()))
        report("metrics_bytes", len(scrape.body))
        report("scrape_first_cpu_seconds", scrape.cpu)
        report("scrape_first_hold_seconds", scrape.hold)
        report("scrape_first_hold_step", scrape.step)
        later = await _ask_often(f"{url}/metrics", effort)
        report("scrape_cpu_seconds", median(each.cpu for each in later))
        report("scrape_hold_seconds", median(each.hold for each in later))
        report("scrape_hold_step", later[-1].step)
        shown = await _ask_often(f"{url}/api/v1/status", effort)
        report("status_bytes", len(shown[0].body))
        report("status_cpu_seconds", median(each.cpu for each in shown))
        report("status_hold_seconds", median(each.hold for each in shown))
        report("status_hold_step", shown[-1].step)


async def _ask_often(url: str, effort: float) -> list[Asked]:
    found = [await _ask(url)]
    while len(found) < LEAST or sum(each.cpu for each in found) < effort:
        found.append(await _ask(url))
    return found


async def _ask(url: str) -> Asked:
    with watching() as holds:
        began = time.process_time()
        body, client = await asyncio.to_thread(_get, url)
        seconds = time.process_time() - began - client
        (longest,) = holds.worst(1)
        return Asked(body, seconds, longest.longest, longest.name)


def _get(url: str) -> tuple[bytes, float]:
    """Return the answer, and the CPU seconds of this thread, which runs only the client."""
    began = time.thread_time()
    with urllib.request.urlopen(url) as response:
        return response.read(), time.thread_time() - began


async def _publish_all(network: Network, running: Running, effort: float, report: Report) -> None:
    """Publish one change after the other to an open page."""
    for kind, changes in (("feed", _mirrors_lost), ("link", _links_emptied), ("pool", _pools_leaked)):
        found: list[tuple[float, int]] = []
        for number, outcome in enumerate(changes(network, running)):
            with running.hub.subscribe(running.hub.last_id) as page:
                seconds = cpu(partial(running.publish, outcome))
                size = len(await page.wait(0))
            if number:  # the first publication includes all pools, once
                found.append((seconds, size))
            if len(found) >= MOST or (len(found) >= LEAST and sum(seconds for seconds, _ in found) >= effort):
                break
        report(f"{kind}_event_cpu_seconds", median(seconds for seconds, _ in found))
        report(f"{kind}_event_bytes", median(size for _, size in found))


def _mirrors_lost(network: Network, running: Running) -> Iterator[Outcome]:
    """Lose the session of the mirror of one link after the other."""
    for n in count():
        feed = network.links[n % len(network.links)].mirror
        running.publish(running.wait(1))
        yield running.take(network.sessions[feed].down(running.now))
        for outcome in running.come_up(network, feed):
            running.publish(outcome)


def _links_emptied(network: Network, running: Running) -> Iterator[Outcome]:
    """Withdraw all IPv4 routes of one link after the other."""
    for n in count():
        link = network.links[n % len(network.links)]
        session, update = network.sessions[link.router], link.brings("ipv4")
        running.publish(running.wait(1))
        yield running.take(session.withdrawal(running.now, update))
        running.publish(running.take(session.update(running.now, update)))


def _pools_leaked(network: Network, running: Running) -> Iterator[Outcome]:
    """Leak one pool after the other on one uplink after the other."""
    for n in count():
        session, leak = network.leak(n)
        running.publish(running.wait(1))
        yield running.take(session.update(running.now, leak))
        running.publish(running.take(session.withdrawal(running.now, leak)))
