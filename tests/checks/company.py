"""The company of the tests: two circuits, four links on four routers, in IPv4 and IPv6.

Each link has an edge table and a mirror, named after it: ``edge-1`` and ``chicago-primary``. What the company
advertises to its internet uplink is seen on ``isp-a``, and what the internet receives on ``outside``.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import yaml

from ermon.model.inventory import Config, Feed, Link, Peering, View
from ermon.model.prefixes import Family
from tests.story import SETTLE, Story, config

EXCHANGE, SHAREPOINT, TEAMS = "12076:5010", "12076:5020", "12076:5030"
NO_EXPORT, BLACKHOLE = "65535:65281", "65535:666"

COMPANY = """
customer: {asn: 64500, own_prefixes: [198.51.100.0/24, "2001:db8:100::/40"]}
collector: {asn: 64500}
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
      minimum: {ipv4: 2, ipv6: 2}
      prefixes: [192.0.2.0/26, "2001:db8:40::/48"]
  dallas:
    geo: us
    location: Dallas
    peering: microsoft
    links:
      primary: {router: edge-3, subnet: 203.0.113.8/30, subnet6: "2001:db8:ffff::8/126"}
      secondary: {router: edge-4, subnet: 203.0.113.12/30, subnet6: "2001:db8:ffff::c/126"}
nat_pools:
  chi: {circuit: chicago, prefixes: [198.51.100.0/28, "2001:db8:100:10::/64"]}
  dal: {circuit: dallas, prefixes: [198.51.100.16/28, "2001:db8:100:11::/64"]}
internet_only: [198.51.100.128/27, "2001:db8:100:80::/64"]
uplinks:
  isp-a: {router: edge-1, asn: 64510}
policy:
  public_space: [192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, "2001:db8::/32"]
feeds:
  edge-1: {router: edge-1, view: edge-table, peer: 127.0.0.11, local: 127.0.0.1, peer_asn: 64500, families: [ipv4, ipv6], add_path: true}
  edge-2: {router: edge-2, view: edge-table, peer: 127.0.0.12, local: 127.0.0.1, peer_asn: 64500, families: [ipv4, ipv6], add_path: true}
  edge-3: {router: edge-3, view: edge-table, peer: 127.0.0.13, local: 127.0.0.1, peer_asn: 64500, families: [ipv4, ipv6], add_path: true}
  edge-4: {router: edge-4, view: edge-table, peer: 127.0.0.14, local: 127.0.0.1, peer_asn: 64500, families: [ipv4, ipv6], add_path: true}
  chicago-primary: {router: edge-1, view: to-microsoft, circuit: chicago, link: primary, peer: 127.0.0.11, local: 127.0.0.2, peer_asn: 64500, local_asn: 65010, families: [ipv4, ipv6]}
  chicago-secondary: {router: edge-2, view: to-microsoft, circuit: chicago, link: secondary, peer: 127.0.0.12, local: 127.0.0.2, peer_asn: 64500, local_asn: 65010, families: [ipv4, ipv6]}
  dallas-primary: {router: edge-3, view: to-microsoft, circuit: dallas, link: primary, peer: 127.0.0.13, local: 127.0.0.2, peer_asn: 64500, local_asn: 65010, families: [ipv4, ipv6]}
  dallas-secondary: {router: edge-4, view: to-microsoft, circuit: dallas, link: secondary, peer: 127.0.0.14, local: 127.0.0.2, peer_asn: 64500, local_asn: 65010, families: [ipv4, ipv6]}
  isp-a: {router: edge-1, view: to-internet, uplink: isp-a, peer: 127.0.0.11, local: 127.0.0.4, peer_asn: 64500, local_asn: 65011, families: [ipv4, ipv6]}
  outside: {view: internet, peer: 127.0.0.15, local: 127.0.0.9, peer_asn: 64520, local_asn: 65012, families: [ipv4, ipv6]}
"""

PLANT = """
circuits:
  plant:
    geo: us
    location: Dallas
    peering: private
    links:
      primary: {router: edge-5, subnet: 172.16.0.0/30, subnet6: "fd00:ffff::/126"}
      secondary: {router: edge-6, subnet: 172.16.0.4/30, subnet6: "fd00:ffff::4/126"}
feeds:
  edge-5: {router: edge-5, view: edge-table, peer: 127.0.0.16, local: 127.0.0.1, peer_asn: 64500, families: [ipv4, ipv6], add_path: true}
  edge-6: {router: edge-6, view: edge-table, peer: 127.0.0.17, local: 127.0.0.1, peer_asn: 64500, families: [ipv4, ipv6], add_path: true}
  plant-primary: {router: edge-5, view: to-microsoft, circuit: plant, link: primary, peer: 127.0.0.16, local: 127.0.0.2, peer_asn: 64500, local_asn: 65010, families: [ipv4, ipv6]}
  plant-secondary: {router: edge-6, view: to-microsoft, circuit: plant, link: secondary, peer: 127.0.0.17, local: 127.0.0.2, peer_asn: 64500, local_asn: 65010, families: [ipv4, ipv6]}
"""
"""The configuration that a circuit with private peering adds to the company."""


REPORTING = """
collector: {bmp: {listen: ["127.0.0.1:11019"]}}
routers: {edge-1: {platform: frr, bmp: {peer: 192.0.2.201}}}
"""
"""A change to its configuration: edge-1 also reports its own sessions by BMP."""


@dataclass(frozen=True)
class Space:
    """The addresses and prefixes of the tests, in one family."""

    family: Family
    msee: Mapping[str, str]
    """The next hop of each link."""
    exchange: str
    """A prefix that Microsoft sends on every link, and that is expected on the links of Chicago; its halves; a part."""
    exchange_halves: tuple[str, str]
    exchange_part: str
    sharepoint: str
    """Another prefix that Microsoft sends on every link."""
    extra: str
    """More of Microsoft's space, which is not expected."""
    pool: str
    """The pool of Chicago; its halves; a part of it."""
    pool_halves: tuple[str, str]
    pool_part: str
    dallas_pool: str
    both_pools: str
    """The shortest prefix that covers the pools of both circuits."""
    own: str
    """All address space of the company."""
    own_halves: tuple[str, str]
    own_other: str
    """A part of the company's space that is in no pool."""
    around: str
    """Twice the company's space: the other half belongs to another network."""
    internet_only: str
    internet_only_part: str
    around_internet_only: str
    default: str
    private: str
    shared: str
    """Space that is neither public nor private: shared (RFC 6598) or of the discard prefix (RFC 6666)."""
    documentation: str
    """Documentation space that the policy does not call public."""
    vnet: str
    """A prefix that Microsoft sends on private peering."""
    office: str
    """A prefix that the company advertises there."""

    def many(self, count: int) -> list[str]:
        """Return so many different prefixes that no check judges."""
        if self.family == "ipv4":
            return [f"9.{n >> 8}.{n & 255}.0/24" for n in range(count)]
        return [f"2a00:9:{n:x}::/48" for n in range(count)]


V4 = Space(
    family="ipv4",
    msee={
        "chicago-primary": "203.0.113.2",
        "chicago-secondary": "203.0.113.6",
        "dallas-primary": "203.0.113.10",
        "dallas-secondary": "203.0.113.14",
        "plant-primary": "172.16.0.2",
        "plant-secondary": "172.16.0.6",
        "mill-primary": "172.16.1.2",
        "mill-secondary": "172.16.1.6",
    },
    exchange="192.0.2.0/26",
    exchange_halves=("192.0.2.0/27", "192.0.2.32/27"),
    exchange_part="192.0.2.16/28",
    sharepoint="192.0.2.64/26",
    extra="192.0.2.128/26",
    pool="198.51.100.0/28",
    pool_halves=("198.51.100.0/29", "198.51.100.8/29"),
    pool_part="198.51.100.3/32",
    dallas_pool="198.51.100.16/28",
    both_pools="198.51.100.0/27",
    own="198.51.100.0/24",
    own_halves=("198.51.100.0/25", "198.51.100.128/25"),
    own_other="198.51.100.192/28",
    around="198.51.100.0/23",
    internet_only="198.51.100.128/27",
    internet_only_part="198.51.100.129/32",
    around_internet_only="198.51.100.128/26",
    default="0.0.0.0/0",
    private="10.1.0.0/16",
    shared="100.64.0.0/24",
    documentation="233.252.0.0/24",
    vnet="10.20.0.0/16",
    office="10.1.0.0/16",
)
V6 = Space(
    family="ipv6",
    msee={
        "chicago-primary": "2001:db8:ffff::2",
        "chicago-secondary": "2001:db8:ffff::6",
        "dallas-primary": "2001:db8:ffff::a",
        "dallas-secondary": "2001:db8:ffff::e",
        "plant-primary": "fd00:ffff::2",
        "plant-secondary": "fd00:ffff::6",
        "mill-primary": "fd00:fffe::2",
        "mill-secondary": "fd00:fffe::6",
    },
    exchange="2001:db8:40::/48",
    exchange_halves=("2001:db8:40::/49", "2001:db8:40:8000::/49"),
    exchange_part="2001:db8:40:1::/64",
    sharepoint="2001:db8:41::/48",
    extra="2001:db8:42::/48",
    pool="2001:db8:100:10::/64",
    pool_halves=("2001:db8:100:10::/65", "2001:db8:100:10:8000::/65"),
    pool_part="2001:db8:100:10::3/128",
    dallas_pool="2001:db8:100:11::/64",
    both_pools="2001:db8:100:10::/63",
    own="2001:db8:100::/40",
    own_halves=("2001:db8:100::/41", "2001:db8:180::/41"),
    own_other="2001:db8:100:99::/64",
    around="2001:db8::/39",
    internet_only="2001:db8:100:80::/64",
    internet_only_part="2001:db8:100:80::1/128",
    around_internet_only="2001:db8:100:80::/63",
    default="::/0",
    private="fd00:1::/48",
    shared="100::/64",
    documentation="3fff::/20",
    vnet="fd00:20::/48",
    office="fd00:1::/48",
)
SPACES: Mapping[Family, Space] = {"ipv4": V4, "ipv6": V6}


class Company(Story):
    """The company's network; a link is named by its circuit and itself, as ``chicago-primary``."""

    def converge(self) -> Self:
        """Bring all feeds up with their usual routes, and wait until they are in sync."""
        for feed in self.config.feeds.values():
            if feed.by_bmp and feed.router is not None:
                self.connect(feed.router).statistics(feed.router)
        self.up(*self.config.feeds)
        for feed in self.config.feeds.values():
            if feed.view is View.FROM_MICROSOFT:
                self.bring_session(feed.name)
        for link in self.config.links:
            if self._edge(link_name := f"{link.circuit}-{link.name}"):
                self.bring(link_name, *link.families)
        for feed in self.config.feeds.values():
            exported = [prefix for f in feed.families for prefix in self._exported(feed, SPACES[f])]
            if exported:
                self.announce(feed.name, *exported, path="64500")
        return self.get_in_sync(*self.config.feeds)

    def _exported(self, feed: Feed, space: Space) -> list[str]:
        if feed.view is View.TO_MICROSOFT and feed.circuit is not None:
            if self.config.circuits[feed.circuit].peering is Peering.PRIVATE:
                return [space.office]
            pools = [p for p in self.config.pools.values() if feed.circuit in p.circuits]
            wanted = [p for p in pools if p.links is None or feed.link in p.links]
            return [str(prefix) for p in wanted for prefix in p.prefixes_of(space.family)]
        return [space.internet_only] if feed.view in {View.TO_INTERNET, View.INTERNET} else []

    def _link(self, name: str) -> Link:
        return next(link for link in self.config.links if f"{link.circuit}-{link.name}" == name)

    def _edge(self, link: str) -> str:
        """The feed with the edge table of the link's router, empty if there is none."""
        router = self._link(link).router
        feeds = [f for f in self.config.feeds.values() if f.view is View.EDGE_TABLE and f.router == router]
        return feeds[0].name if feeds else ""

    def microsoft_sends(
        self,
        link: str,
        *prefixes: str,
        communities: str = EXCHANGE,
        path: str = "12076",
        preference: int | None = 100,
        feed: str | None = None,
    ) -> Self:
        """Announce routes of a link on the edge table of its router, or on another feed."""
        via = {family: space.msee[link] for family, space in SPACES.items()}
        return self.announce(
            feed or self._edge(link),
            *prefixes,
            via=via,
            path=path,
            communities=communities,
            preference=preference,
        )

    def microsoft_withdraws(self, link: str, *prefixes: str) -> Self:
        return self.withdraw(self._edge(link), *prefixes)

    def bring(self, link: str, *families: Family) -> Self:
        """Let Microsoft send its usual routes on a link."""
        spaces = [SPACES[family] for family in families]
        if self._is_private(link):
            return self.microsoft_sends(link, *(space.vnet for space in spaces), communities="")
        self.microsoft_sends(link, *(space.exchange for space in spaces), communities=EXCHANGE)
        return self.microsoft_sends(link, *(space.sharepoint for space in spaces), communities=SHAREPOINT)

    def bring_session(self, feed: str) -> Self:
        """Let Microsoft send its usual routes on a session that a router reports by BMP."""
        one = self.config.feeds[feed]
        for family in one.families:
            space, link = SPACES[family], f"{one.circuit}-{one.link}"
            if self._is_private(link):
                self.microsoft_sends(link, space.vnet, communities="", preference=None, feed=feed)
            else:
                for prefix, tag in ((space.exchange, EXCHANGE), (space.sharepoint, SHAREPOINT)):
                    self.microsoft_sends(link, prefix, communities=tag, preference=None, feed=feed)
        return self

    def lose(self, link: str, *families: Family) -> Self:
        """Let a link fail: its router withdraws all routes that Microsoft sent there."""
        spaces = [SPACES[family] for family in families]
        if self._is_private(link):
            return self.microsoft_withdraws(link, *(space.vnet for space in spaces))
        return self.microsoft_withdraws(
            link, *(p for space in spaces for p in (space.exchange, space.sharepoint))
        )

    def _is_private(self, link: str) -> bool:
        return self.config.circuits[self._link(link).circuit].peering is Peering.PRIVATE

    def reconnect(self, *feeds: str) -> Self:
        """Let feeds come up again, in sync and without a route."""
        return self.up(*feeds).end_of_rib(*feeds).wait(SETTLE)


def company(*changes: str) -> Company:
    """The company with changes to its configuration, in YAML; ``null`` removes a key."""
    return Company(_changed(*changes))


@functools.cache
def _changed(*changes: str) -> Config:
    data = yaml.safe_load(COMPANY)
    for change in changes:
        _merge(data, yaml.safe_load(change))
    return config(yaml.safe_dump(data, sort_keys=False))


def _merge(into: dict[str, Any], change: Mapping[str, Any]) -> None:
    for key, value in change.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
