"""Measures how soon the notification of a leak arrives, pushed and scraped: see README.md in this folder.

Run it from the top of the repository: ``python -m tests.bench.alerts``.
"""

# ruff: noqa: T201 - a benchmark prints

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median, quantiles
from typing import Any

from tests.e2e.alertmanager import Alertmanager, Inbox, Post
from tests.e2e.company import Company, configuration, own_network
from tests.e2e.daemon import eventually
from tests.e2e.prometheus import INTERVAL, Prometheus

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "ermon-findings.rules.yml"
SCRAPE_SECONDS = 15
"""The usual interval of Prometheus, for scrapes and for rules."""
PATIENCE = 3.0 * SCRAPE_SECONDS
MAX_PAUSE_SECONDS = 0.2
"""The longest random pause between pushed leaks, so that they do not fall into step with any polling."""

Arrived = Callable[[str], float | None]
"""Returns when the notification about a pool arrived; ``None``: not yet."""


def leaking(count: int) -> dict[str, Any]:
    """Return the configuration of the company with a pool for each leak, so that each leak is a separate alert."""
    settings = configuration(own_network())
    for number in range(count):
        settings["nat_pools"][f"pool-{number}"] = {"circuit": "chicago", "prefixes": [prefix(number)]}
    settings["checks"] |= {
        "pool-not-advertised": {"enabled": False},
        "advertised-asymmetry": {"enabled": False},
    }
    return settings


def prefix(number: int) -> str:
    return f"198.51.100.{64 + number}/32"


MAX_LEAKS = 64
"""Limited by the free addresses between those that the company uses."""


def paging(inbox: Inbox) -> dict[str, Any]:
    """Return Alertmanager's configuration: each alert is a separate notification, and is sent at once."""
    route = {"receiver": "inbox", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
    return {"route": route, "receivers": [{"name": "inbox", "webhook_configs": [{"url": inbox.url}]}]}


def paged(inbox: Inbox) -> Arrived:
    def arrived(pool: str) -> float | None:
        return next((post.at for post in list(inbox.posts) if ("ErmonPoolLeak", pool) in named(post)), None)

    def named(post: Post) -> list[tuple[str, str]]:
        labels = [alert["labels"] for alert in post.json["alerts"]]
        return [(each["alertname"], each.get("pool", "")) for each in labels]

    return arrived


def posted(inbox: Inbox) -> Arrived:
    def arrived(pool: str) -> float | None:
        return next((post.at for post in list(inbox.posts) if about(post) == ("pool-leak", pool)), None)

    def about(post: Post) -> tuple[str, str]:
        return (post.json["check"], post.json["labels"].get("pool", ""))

    return arrived


def measure(
    company: Company, count: int, arrivals: dict[str, Arrived], max_pause: float
) -> dict[str, list[float]]:
    """Leak one pool after the other; return the seconds from each UPDATE to its notification, by way of delivery."""
    latencies: dict[str, list[float]] = {way: [] for way in arrivals}
    pauses = Random(1)
    for number in range(count):
        time.sleep(pauses.uniform(0, max_pause))
        began = time.perf_counter()
        company.leak(prefix(number))
        for way, arrived in arrivals.items():
            pool = f"pool-{number}"
            eventually(lambda arrived=arrived, pool=pool: arrived(pool), f"{way}: {pool}", PATIENCE)  # type: ignore[misc]
            at = arrived(pool)
            assert at is not None
            latencies[way].append(at - began)
    return latencies


def measure_push(folder: Path, count: int) -> None:
    settings = leaking(count)
    with Inbox() as pager, Inbox() as hook, Alertmanager(folder / "am", paging(pager)).running() as server:
        settings["alertmanager"] = {"urls": [server.url]}
        settings["webhooks"] = [{"url": hook.url}]
        with Company(made(folder / "ermon"), settings).running() as company:
            ways = {"pushed, through Alertmanager": paged(pager), "webhook": posted(hook)}
            report(measure(company, count, ways, MAX_PAUSE_SECONDS))


def measure_scrape(folder: Path, count: int) -> None:
    settings = leaking(count)
    with (
        Inbox() as pager,
        Alertmanager(folder / "am", paging(pager)).running() as server,
        Company(made(folder / "ermon"), settings).running() as company,
    ):
        host, port = company.daemon._address
        prometheus = Prometheus(folder / "prometheus", [f"{host}:{port}"], [RULES], [server.address])
        file = prometheus.directory / "prometheus.yml"
        file.write_text(file.read_text().replace(f"_interval: {INTERVAL}", f"_interval: {SCRAPE_SECONDS}s"))
        with prometheus.running():
            eventually(lambda: prometheus.query('up{job="ermon"} == 1'), "ermon is scraped", PATIENCE)
            way = f"scraped and evaluated every {SCRAPE_SECONDS} s, through Alertmanager"
            report(measure(company, count, {way: paged(pager)}, SCRAPE_SECONDS))


def report(latencies: dict[str, list[float]]) -> None:
    for way, found in latencies.items():
        worst = quantiles(found, n=100, method="inclusive")[98]
        print(
            f"leak to page, {way}: median {median(found) * 1000:,.1f} ms, 99 % {worst * 1000:,.1f} ms, "
            f"max {max(found) * 1000:,.1f} ms (n={len(found)})"
        )


def made(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pushed", type=int, default=60, help=f"leaks, {MAX_LEAKS} at most (%(default)s)")
    parser.add_argument(
        "--scraped",
        type=int,
        default=10,
        help="leaks that Prometheus must find: half a minute each (%(default)s)",
    )
    arguments = parser.parse_args()
    if max(arguments.pushed, arguments.scraped) > MAX_LEAKS:
        parser.error(f"at most {MAX_LEAKS} leaks")
    with tempfile.TemporaryDirectory(prefix="ermon-") as name:
        if arguments.pushed:
            measure_push(made(Path(name) / "push"), arguments.pushed)
        if arguments.scraped:
            measure_scrape(made(Path(name) / "scrape"), arguments.scraped)


if __name__ == "__main__":
    main()
