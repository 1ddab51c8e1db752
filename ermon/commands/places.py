"""Where a finding is to be looked into: on which routers, at which neighbors, and what is known of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ermon.model.findings import Finding
from ermon.model.inventory import Config, Feed, Link, Uplink, View
from ermon.model.prefixes import FAMILIES, Address, Family, Prefix, format_address, parse_prefix

MAX_PLACES = 8
"""Of more places than these the first are named: nobody types a command on fifty routers."""


@dataclass(frozen=True, slots=True)
class Place:
    """A router, and one of its neighbors where a question is about one."""

    name: str
    """What it is, in words: ``edge-1, link primary of circuit chicago``."""
    router: str | None
    family: Family | None
    vrf: str | None
    values: Mapping[str, str] = field(default_factory=dict)
    """By word in capitals, what is this place's own."""


class Scene:
    """What a finding is about, as far as it and the configuration say so."""

    def __init__(self, config: Config, finding: Finding) -> None:
        self._config = config
        self._labels = finding.labels
        self.prefixes = tuple(_prefixes(finding))
        """Those of the evidence, as many as it names."""
        self._families = self._families_of(finding)

    def places(self, neighbor: str | None, *, by_family: bool = True) -> list[Place]:
        """Return where a question about a neighbor is to be asked, at most ``MAX_PLACES``; with ``None``, about no
        neighbor. Empty where nobody knows. ``by_family``: once for each family that a neighbor carries.
        """
        find = {"MSEE": self._at_links, "ISP": self._at_uplinks, "ERMON": self._at_feeds}
        found: list[Place] = []
        for place in find.get(neighbor or "", self._at_routers)():
            known = {(each.name, *each.values.items()) for each in found}
            if place not in found and (by_family or (place.name, *place.values.items()) not in known):
                found.append(place)
        return found[:MAX_PLACES]

    @property
    def family(self) -> Family | None:
        """The family that it is about, if it is one."""
        return self._families[0] if len(self._families) == 1 else None

    @property
    def pool_prefix(self) -> Prefix | None:
        """The prefix of the pool that the evidence is about, or the only one of the family."""
        pool = self._config.pools.get(self._labels.get("pool", ""))
        own = [prefix for prefix in (pool.prefixes if pool else ()) if prefix.family in self._families]
        near = [prefix for prefix in own if any(prefix.overlaps(found) for found in self.prefixes)]
        return next(iter(near or (own if len(own) == 1 else [])), None)

    # What the labels name ------------------------------------------------------------------------------

    @property
    def feeds(self) -> list[Feed]:
        """The feeds of the finding; those of its link's table, of its segment or its router where it names none."""
        feeds = self._config.feeds
        if (name := self._labels.get("feed", "")) != "":
            return [feeds[name]] if name in feeds else []
        if (segment := self._labels.get("segment", "")) != "":
            return [feed for feed in feeds.values() if feed.segment == segment]
        if links := self.links:
            return [feed for link in links for feed in self._config.tables_of(link)]
        process = self._labels.get("process", "")
        return (
            [feed for feed in feeds.values() if process in ("", feed.process)]
            if not self._labels or process
            else []
        )

    @property
    def links(self) -> list[Link]:
        """The link of the finding, or all that it may be about: those of its circuit, or of its pool."""
        circuit = self._config.circuits.get(self._labels.get("circuit", ""))
        if circuit is not None:
            name = self._labels.get("link", "")
            return [link for link in circuit.links.values() if name in ("", link.name)]
        feed = self._config.feeds.get(self._labels.get("feed", ""))
        if feed is not None and feed.circuit is not None:
            mirrored = self._config.circuits.get(feed.circuit)
            return [link for link in mirrored.links.values() if feed.link == link.name] if mirrored else []
        pool = self._config.pools.get(self._labels.get("pool", ""))
        if pool is not None and feed is None:
            return list(self._config.pool_links(pool))
        return []

    @property
    def uplinks(self) -> list[Uplink]:
        """The uplink that the finding's feed mirrors; all of them where the feed shows what the internet hears."""
        uplinks = self._config.uplinks
        feed = self._config.feeds.get(self._labels.get("feed", ""))
        if feed is not None and feed.view is View.TO_INTERNET:
            return [uplink for uplink in uplinks.values() if uplink.name == feed.uplink]
        outside = feed is not None and feed.view is View.INTERNET
        return list(uplinks.values()) if outside or set(self._labels) <= {"family"} else []

    def _families_of(self, finding: Finding) -> tuple[Family, ...]:
        named = finding.labels.get("family", "")
        if named in FAMILIES:
            return tuple(family for family in FAMILIES if family == named)
        if self.prefixes:
            return tuple(f for f in FAMILIES if any(prefix.family == f for prefix in self.prefixes))
        carried = {family for link in self.links for family in link.families}
        carried |= {family for feed in self.feeds for family in feed.families}
        return tuple(family for family in FAMILIES if family in carried) or FAMILIES

    # Places --------------------------------------------------------------------------------------------

    def _at_links(self) -> Iterator[Place]:
        for link in self.links:
            for family in self._families:
                subnet = {"ipv4": link.subnet, "ipv6": link.subnet6}[family]
                name = f"{link.router}, link {link.name} of circuit {link.circuit}"
                if family in link.families or not link.subnets:
                    values = {} if subnet is None else {"MSEE": second_host(subnet)}
                    yield Place(name, link.router, family, link.vrf, values)

    def _at_uplinks(self) -> Iterator[Place]:
        for uplink in self.uplinks:
            for family in self._families:
                name = f"{uplink.router}, uplink {uplink.name}"
                neighbors = _of_family(uplink.neighbors, family)
                for neighbor in neighbors:
                    yield Place(name, uplink.router, family, None, {"ISP": str(neighbor)})
                if not neighbors:
                    yield Place(name, uplink.router, family, None)

    def _at_feeds(self) -> Iterator[Place]:
        for feed in self.feeds:
            for family in (f for f in self._families if f in feed.families):
                name = f"{feed.router or feed.peer}, feed {feed.name}"
                values = {"ERMON": feed.local, "ROUTER": feed.peer}
                yield Place(name, feed.router, family, feed.vrf, values)

    def _at_routers(self) -> Iterator[Place]:
        """Where routes are looked up: the routers of the links, of the uplinks, else of the feeds."""
        for place in (*self._at_links(), *self._at_uplinks()) or self._at_feeds():
            yield Place(place.router or place.name, place.router, place.family, place.vrf)


def second_host(subnet: Prefix) -> str:
    """Return the address of Microsoft's router: it takes the second host of a link's subnet.

    Source: https://learn.microsoft.com/azure/expressroute/expressroute-routing
    """
    return format_address(subnet.version, subnet.value + 2)


def _of_family(addresses: Iterable[Address], family: Family) -> list[Address]:
    return [address for address in addresses if address.prefix.family == family]


def _prefixes(finding: Finding) -> Iterator[Prefix]:
    found = finding.evidence.get("prefixes", ())
    for text in found if isinstance(found, list | tuple) else ():
        try:
            yield parse_prefix(str(text))
        except ValueError:
            continue  # what an older ermon wrote, or a damaged file
