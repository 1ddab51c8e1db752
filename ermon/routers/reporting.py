"""What a router needs to know on any platform to report its sessions to ermon by BMP, from the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ermon.checks.sharding import everywhere
from ermon.model.inventory import Config, Feed
from ermon.model.prefixes import FAMILIES, Family, parse_address
from ermon.routers.describe import (
    RouterError,
    check_interface,
    check_vrf,
    only_placeholders,
    placeholder,
    vrf_of,
)

_STATISTICS_SECONDS = (15, 30)
"""How often a router sends statistics: at the most, which is the limit of some platforms, and at the least. They are the only sign
of life of a session: after ``collector.bmp.stats_within`` without them, ermon no longer believes that it is up.
"""
SHORTEST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1, 10
"""How soon and how late a router tries to connect again. ermon never connects itself."""


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A BGP neighbor whose session the router reports."""

    address: str
    """A placeholder if the configuration has no address of it."""
    about: str
    vrf: str | None


@dataclass(frozen=True, slots=True)
class Reporting:
    """A router, the station that it reports to, and what it reports."""

    name: str
    asn: int
    station: str
    """ermon's address."""
    port: int
    source: str
    """The address that the router must connect from."""
    neighbors: tuple[Neighbor, ...]
    families: tuple[Family, ...]
    pre_policy: bool
    adj_rib_out: bool
    has_key: bool
    hops: int | None
    """ermon accepts packets from at most this many hops away, ``None`` for any number."""
    statistics_seconds: int
    interface: str
    """The interface with ``source``, for routers that need its name."""

    @property
    def key(self) -> str:
        return placeholder(f"BMP-MD5-KEY-OF-{self.name}")

    @property
    def vrfs(self) -> tuple[str | None, ...]:
        """The routing tables of the neighbors: the global one (``None``) first, if any neighbor is in it."""
        return tuple(sorted(dict.fromkeys(n.vrf for n in self.neighbors), key=lambda vrf: vrf is not None))

    def of_table(self, vrf: str | None) -> tuple[Neighbor, ...]:
        return tuple(neighbor for neighbor in self.neighbors if neighbor.vrf == vrf)

    def placeholders(self) -> Mapping[str, str]:
        """The placeholders that may be in the output, and what to replace them by."""
        found = {neighbor.address: f"the address of {neighbor.about}" for neighbor in self.neighbors}
        found[self.station] = "ermon's address: collector.bmp listens on every address of its machine"
        found[self.key] = "the MD5 key of the BMP connection, the same as in ermon's md5_password_file"
        found[self.interface] = f"the interface that has {self.source}: --update-source=INTERFACE"
        return only_placeholders(found)


def describe_reporting(config: Config, name: str, update_source: str | None = None) -> Reporting:
    """Return a router with what it reports; raise ``RouterError`` if it is no router with ``bmp``."""
    check_interface(update_source)
    bmp, listening = config.bmp.get(name), config.collector.bmp
    if bmp is None or listening is None:
        known = ", ".join(config.bmp) or "none"
        raise RouterError(
            f"router {name!r} has no bmp in the configuration; add routers.{name}.bmp: {{peer: ADDRESS}} and collector.bmp. "
            f"Routers with bmp: {known}"
        )
    feeds = [feed for feed in everywhere(config).feeds.values() if feed.by_bmp and feed.router == name]
    if not feeds:
        raise RouterError(
            f"router {name!r} has nothing to report: no link and no uplink has it as its router"
        )
    neighbors = {(feed.peer or feed.uplink, vrf_of(config, feed)): _neighbor(config, feed) for feed in feeds}
    for neighbor in neighbors.values():
        check_vrf(neighbor.about, neighbor.vrf)
    station, port = next(
        (each for each in listening.listen if parse_address(each[0]).version == bmp.peer.version),
        listening.listen[0],
    )
    return Reporting(
        name=name,
        asn=_asn(config, name),
        station=station if parse_address(station).value else placeholder("ADDRESS-OF-ERMON"),
        port=port,
        source=str(bmp.peer),
        neighbors=tuple(neighbors.values()),
        families=tuple(family for family in FAMILIES if any(family in feed.families for feed in feeds)),
        pre_policy=bmp.pre_policy,
        adj_rib_out=bmp.adj_rib_out,
        has_key=bmp.md5_password_file is not None,
        hops=bmp.ttl_security,
        statistics_seconds=min(
            max(int(listening.stats_within / 3), _STATISTICS_SECONDS[0]), _STATISTICS_SECONDS[1]
        ),
        interface=update_source or placeholder(f"INTERFACE-WITH-{bmp.peer}"),
    )


def _neighbor(config: Config, feed: Feed) -> Neighbor:
    if feed.uplink is not None:
        about = f"the neighbor of uplink {feed.uplink}, AS {feed.peer_asn}"
        return Neighbor(feed.peer or placeholder(f"NEIGHBOR-OF-{feed.uplink}"), about, None)
    about = f"Microsoft's end of link {feed.link} of {feed.circuit}"
    return Neighbor(feed.peer, about, vrf_of(config, feed))


def _asn(config: Config, name: str) -> int:
    """Return the router's ASN: as its BGP sessions with ermon say, else the one that Microsoft sees."""
    feeds = everywhere(config).exabgp_feeds.values()
    return next((feed.peer_asn for feed in feeds if feed.router == name), config.customer.asn)
