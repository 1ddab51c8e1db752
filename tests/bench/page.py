"""Measures how soon the status page is complete: see README.md in this folder.

Run it from the top of the repository: ``python -m tests.bench.page``.
"""

# ruff: noqa: T201 - a benchmark prints

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import yaml
from playwright.sync_api import Browser, Page

from ermon.config.load import load_config
from ermon.httpd.listen import listening
from ermon.model.inventory import Feed, Link, LinkKey, Pool, View
from ermon.model.prefixes import Family
from ermon.web.app import make_app
from tests.e2e.browser import chromium
from tests.story import SETTLE, Story, config
from tests.web.site import Site

REFERENCE = Path(__file__).parents[2] / "config" / "ermon.reference.yml"
RUNS = 15
FAMILIES: tuple[Family, ...] = ("ipv4", "ipv6")
CIRCUITS, FEEDS, VIEWS = 50, 200, 10
"""The size of the large network. Every pool leaks in both families on each view of the internet: 1,000 findings."""

PAINTED = """
new MutationObserver((_, observer) => {
  if (document.body?.dataset.complete !== "true") return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => performance.mark("painted")));
}).observe(document, { attributes: true, subtree: true });
"""
"""A script that marks when the complete page has been painted: at the end of the next frame."""


def large(circuits: int = CIRCUITS) -> dict[str, Any]:
    """Return a configuration of circuits with two links, each on its own router, and of ten views of the internet; 50
    circuits make 200 feeds.
    """
    settings: dict[str, Any] = {
        "customer": {"asn": 64500, "own_prefixes": ["198.18.0.0/16", "2001:db8:100::/40"]},
        "collector": {"asn": 64500},
        "policy": {"public_space": ["198.18.0.0/15", "2001:db8::/32"]},
        "circuits": {},
        "nat_pools": {},
        "uplinks": {},
        "feeds": {},
    }
    for number in range(circuits):
        circuit = f"circuit-{number:02}"
        links = {}
        for which, link in enumerate(("primary", "secondary")):
            n = 2 * number + which
            links[link] = {
                "router": f"edge-{n:02}",
                "subnet": f"198.19.{n}.0/30",
                "subnet6": f"2001:db8:f{n:03}::/126",
            }
            settings["feeds"][f"edge-{n:02}"] = feed(n, 1, view="edge-table", add_path=True)
            if n < (FEEDS - VIEWS) - 2 * CIRCUITS:
                mirror = {"circuit": circuit, "link": link, "local_asn": 65010}
                settings["feeds"][f"msee-{n:02}"] = feed(n, 2, view="to-microsoft", **mirror)
        settings["circuits"][circuit] = {
            "geo": "us",
            "location": f"Site {number}",
            "peering": "microsoft",
            "links": links,
            "receive": {"services": ["exchange-online", "sharepoint-online"]},
        }
        settings["nat_pools"][f"pool-{number:02}"] = {"circuit": circuit, "prefixes": pool(number)}
    for n in range(VIEWS - 1):
        # The last one's router has no circuit.
        uplink = feed(n if n < VIEWS - 2 else 200, 3, view="to-internet", uplink=f"isp-{n}", local_asn=65011)
        settings["uplinks"][f"isp-{n}"] = {"router": uplink["router"], "asn": 64600 + n}
        settings["feeds"][f"isp-{n}"] = uplink
    settings["feeds"]["outside"] = {**feed(0, 4, view="internet", local_asn=65012), "peer_asn": 64520}
    del settings["feeds"]["outside"]["router"]
    return settings


def feed(router: int, local: int, **settings: Any) -> dict[str, Any]:
    addresses = {"peer": f"127.1.0.{router + 1}", "local": f"127.2.0.{local}"}
    return {
        "router": f"edge-{router:02}",
        "peer_asn": 64500,
        "families": list(FAMILIES),
        **addresses,
        **settings,
    }


def pool(number: int) -> list[str]:
    return [f"198.18.{number}.0/28", f"2001:db8:100:{number}::/64"]


def converge(net: Story) -> Story:
    """Bring every link up, and show each pool on its links alone."""
    feeds = net.config.feeds
    for process in net.config.processes:
        net.process_up(process)
    net.up(*feeds)
    for each in feeds.values():
        if each.add_path:
            net.add_path_negotiated(each.name, *each.families)
        if each.view is View.EDGE_TABLE:
            for number, link in enumerate(link for link in net.config.links if link.router == each.router):
                bring(net, each, link, number)
        elif each.view is View.TO_MICROSOFT:
            pools = (pool for pool in net.config.pools.values() if each.link_key in expected_on(net, pool))
            for prefix in (prefix for pool in pools for prefix in pool.prefixes):
                net.announce(each.name, str(prefix), path="64500")
    return net.get_in_sync(*feeds).wait(10 * SETTLE)


def expected_on(net: Story, pool: Pool) -> set[LinkKey]:
    return {link.key for link in net.config.pool_links(pool)}


def bring(net: Story, feed: Feed, link: Link, path_id: int) -> None:
    """Let a link receive three services of Microsoft's."""
    for subnet in (subnet for subnet in link.subnets if subnet.family in feed.families):
        msee = str(ip_network(str(subnet))[2])
        for n, community in enumerate(("12076:5010", "12076:5020", "12076:5030")):
            prefix = f"192.0.2.{32 * n}/27" if subnet.family == "ipv4" else f"2001:db8:4{n}::/48"
            path_id = path_id if feed.add_path else None
            net.announce(
                feed.name, prefix, via=msee, path="12076 8075", communities=community, path_id=path_id
            )


def leak_everything(net: Story) -> Story:
    """Announce every pool on every view of the internet."""
    prefixes = [str(prefix) for pool in net.config.pools.values() for prefix in pool.prefixes]
    for each in net.config.feeds.values():
        if each.view in {View.TO_INTERNET, View.INTERNET}:
            net.announce(each.name, *prefixes, path="64500")
    return net.wait(1)


@contextmanager
def serving(net: Story) -> Iterator[str]:
    """Serve a network's web from a separate thread, and return its address."""
    ready = threading.Event()
    urls: list[str] = []

    async def serve() -> None:
        site = Site(net).tell()
        async with listening(make_app(site.context()), [("127.0.0.1", 0)]) as [url]:
            urls.append(url)
            stop.append((asyncio.get_running_loop(), end := asyncio.Event()))
            ready.set()
            await end.wait()

    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield urls[0]
    finally:
        [(loop, end)] = stop
        loop.call_soon_threadsafe(end.set)
        thread.join()


class Load(NamedTuple):
    """Milliseconds from the request for the page."""

    complete: float
    """When the page is complete except for the last 24 hours, which follow."""
    painted: float
    """When it is painted."""


def load(browser: Browser, url: str) -> Load:
    """Open the page in a browser with an empty cache."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(PAINTED)
    page = context.new_page()
    page.goto(url, wait_until="commit")
    page.wait_for_selector("body[data-complete=true]")
    while not (painted := _marked(page, "painted")):
        page.wait_for_timeout(20)
    [complete] = _marked(page, "complete")
    context.close()
    return Load(complete, painted[0])


def _marked(page: Page, name: str) -> list[float]:
    found: list[float] = page.evaluate(
        "(name) => performance.getEntriesByName(name).map((mark) => mark.startTime)", name
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="loads of each network (default %(default)s)")
    runs: int = parser.parse_args().runs
    reference = load_config(REFERENCE).config
    networks = {
        "reference configuration": (converge(Story(reference, start=time.time())), 300),
        "50 circuits, 200 feeds, 1,000 findings": (
            leak_everything(converge(Story(config(yaml.safe_dump(large())), start=time.time()))),
            1_000,
        ),
    }
    with chromium() as browser:
        for name, (net, target) in networks.items():
            with serving(net) as url:
                load(browser, url)  # the first start of a renderer does not count
                times = [load(browser, url) for _ in range(runs)]
            print(
                f"{name}, {len(net.monitor.findings())} findings raised, {runs} loads (target {target} ms):"
            )
            for what in Load._fields:
                shown = [getattr(each, what) for each in times]
                print(
                    f"  {what}: median {median(shown):.0f} ms, fastest {min(shown):.0f}, slowest {max(shown):.0f}"
                )


if __name__ == "__main__":
    main()
