"""The small company of these tests. Each of its feeds is a session of a router with its own table."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests import bgp
from tests.bgp import Speaker
from tests.e2e.daemon import Daemon, eventually
from tests.e2e.router import Router

CONFIGURATION = """
customer: {asn: 64500, own_prefixes: [198.51.100.0/24, "2001:db8:100::/40"]}
collector: {asn: 64500, hold_time: 30s, settle: 200ms, settle_limit: 2s, sync_timeout: 20s}
circuits:
  chicago:
    geo: us
    location: Chicago
    peering: microsoft
    links:
      primary: {router: edge-1, subnet: 203.0.113.0/30, subnet6: "2001:db8:ffff::/126"}
      secondary: {router: edge-2, subnet: 203.0.113.4/30, subnet6: "2001:db8:ffff::4/126"}
    receive:
      services: [exchange-online]
nat_pools:
  chi-outbound: {circuit: chicago, prefixes: [198.51.100.0/28, "2001:db8:100:10::/64"]}
routers:
  edge-1: {platform: bird}
uplinks:
  isp-a: {router: edge-1, asn: 64510, neighbor: 203.0.113.129}
policy:
  public_space: [192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, "2001:db8::/32"]
feeds:
  edge-1: {router: edge-1, view: edge-table, peer: NET.11, local: NET.1, peer_asn: 64500, families: [ipv4, ipv6], add_path: true}
  edge-2: {router: edge-2, view: edge-table, peer: NET.12, local: NET.1, peer_asn: 64500, families: [ipv4, ipv6], add_path: true}
  edge-1-msee: {router: edge-1, view: to-microsoft, circuit: chicago, link: primary, peer: NET.11, local: NET.2, peer_asn: 64500, local_asn: 65010, families: [ipv4, ipv6]}
  edge-2-msee: {router: edge-2, view: to-microsoft, circuit: chicago, link: secondary, peer: NET.12, local: NET.2, peer_asn: 64500, local_asn: 65010, families: [ipv4, ipv6]}
  edge-1-isp-a: {router: edge-1, view: to-internet, uplink: isp-a, peer: NET.11, local: NET.4, peer_asn: 64500, local_asn: 65011, families: [ipv4, ipv6]}
  outside: {view: internet, peer: NET.14, local: NET.9, peer_asn: 64520, local_asn: 65012, families: [ipv4, ipv6]}
checks:
  link-down: {raise_after: 2s, clear_after: 500ms}
  circuit-down: {raise_after: 2s, clear_after: 500ms}
  service-missing: {raise_after: 2s, clear_after: 500ms}
  pool-not-advertised: {raise_after: 2s, clear_after: 500ms}
  pool-leak: {clear_after: 500ms}
  feed-down: {raise_after: 500ms}
  feed-lost-messages: {clear_after: 500ms}
  exabgp-down: {raise_after: 0}
"""
"""All feeds but ``outside`` share one ExaBGP process. Timers are short; everything else has its default."""

EDGES = ("edge-1", "edge-2", "edge-1-msee", "edge-2-msee", "edge-1-isp-a")
POOL = {"ipv4": "198.51.100.0/28", "ipv6": "2001:db8:100:10::/64"}
PART_OF_POOL = {"ipv4": "198.51.100.3/32", "ipv6": "2001:db8:100:10::3/128"}
PUBLISHED = {"ipv4": "198.51.100.128/27", "ipv6": "2001:db8:100:80::/64"}
"""What the company announces to the internet on a good day."""
EXCHANGE = {"ipv4": "192.0.2.0/26", "ipv6": "2001:db8:40::/48"}
"""What Microsoft sends on each link."""
EXCHANGE_ONLINE = (12076, 5010)
MSEE = {
    "edge-1": {"ipv4": "203.0.113.2", "ipv6": "2001:db8:ffff::2"},
    "edge-2": {"ipv4": "203.0.113.6", "ipv6": "2001:db8:ffff::6"},
    "edge-3": {"ipv4": "203.0.113.10", "ipv6": "2001:db8:ffff::a"},
}
"""Microsoft's end of each edge router's link."""
OURS = {"ipv4": "203.0.113.1", "ipv6": "2001:db8:ffff::1"}
"""The next hop of the company's announcements."""

_numbers = itertools.cycle(range(1, 255))


def own_network() -> str:
    """Return the first three octets of loopback addresses that no other running test uses."""
    return f"127.{64 + os.getpid() % 128}.{next(_numbers)}"


def configuration(network: str) -> dict[str, Any]:
    """The company's configuration on addresses of ``network``; a test may change it."""
    found: dict[str, Any] = yaml.safe_load(CONFIGURATION.replace("NET", network))
    locals_ = {feed["local"] for feed in found["feeds"].values()}
    found["collector"]["port"] = bgp.free_port(*locals_)
    return found


class Company:
    """A configuration, a daemon that runs on it, and a router for each of its feeds."""

    def __init__(self, directory: Path, settings: dict[str, Any], *flags: str, **speakers: Any) -> None:
        """``flags`` are those of the daemon, ``speakers`` settings of every router's sessions."""
        self.settings = settings
        self.daemon = Daemon(directory, settings, *flags)
        self.routers = {name: self.router(name, **speakers) for name in settings["feeds"]}

    def router(self, name: str, **settings: Any) -> Router:
        """Make the router of a feed, with its table of a good day."""
        feed = self.settings["feeds"][name]
        settings.setdefault("hold_time", int(self.settings["collector"]["hold_time"].removesuffix("s")))
        speaker = Speaker(
            feed["peer"],
            feed["local"],
            self.settings["collector"]["port"],
            asn=feed["peer_asn"],
            families=feed["families"],
            add_path=feed.get("add_path", False),
            **settings,
        )
        router = Router(speaker)
        for family in feed["families"]:
            if feed["view"] == "edge-table":
                bring(router, MSEE[feed["router"]][family], EXCHANGE[family])
            else:
                shown = POOL if feed["view"] == "to-microsoft" else PUBLISHED
                export(router, shown[family])
        return router

    @contextlib.contextmanager
    def started(self) -> Iterator[Company]:
        """Start everything, wait until every feed is in sync, and stop everything at the end."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.daemon)
            self.daemon.start()
            for router in self.routers.values():
                stack.enter_context(router)
            self.daemon.wait_until_in_sync(*self.settings["feeds"])
            yield self

    @contextlib.contextmanager
    def running(self) -> Iterator[Company]:
        """The same, and wait until nothing is raised."""
        with self.started():
            self.wait_until_well()
            yield self

    def wait_until_well(self) -> None:
        self.daemon.wait_until_in_sync(*self.settings["feeds"])
        self.daemon.wait_until(lambda: not self.daemon.api("findings?state=raised"), "nothing is raised")

    def sessions(self) -> dict[str, int]:
        """The number of sessions that each router has had."""
        return {name: router.sessions for name, router in self.routers.items()}

    def leak(self, prefix: str, feed: str = "edge-1-isp-a") -> None:
        export(self.routers[feed], prefix)

    def repair(self, prefix: str, feed: str = "edge-1-isp-a") -> None:
        self.routers[feed].withdraw(prefix)

    def wait_for_new_sessions(self, before: dict[str, int], *feeds: str) -> None:
        eventually(
            lambda: all(self.routers[feed].sessions > before[feed] for feed in feeds),
            f"new sessions: {', '.join(feeds)}",
        )


def bring(router: Router, msee: str, prefix: str) -> None:
    """Announce on an edge table what Microsoft sends through an MSEE, with a path identifier."""
    router.announce(
        prefix,
        next_hop=msee,
        as_path=[12076, 8075],
        communities=[EXCHANGE_ONLINE],
        path_id=1,
        local_preference=100,
    )


def export(router: Router, prefix: str) -> None:
    """Announce on a mirror a prefix that the company originates."""
    router.announce(prefix, next_hop=OURS["ipv6" if ":" in prefix else "ipv4"], as_path=[64500])
