"""Where to look into a finding: on which routers, at which neighbors, and what is known of each."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from ermon.model.findings import Finding
from ermon.model.inventory import Circuit, Config, Feed, Link, Uplink, View
from ermon.model.prefixes import FAMILIES, Address, Family, Prefix, format_address, parse_prefix

MAX_PLACES = 8
"""The most places that are named, the first ones: nobody types a command on fifty routers."""


@dataclass(frozen=True, slots=True)
class Place:
    """A router, and one of its neighbors if a question is about one."""

    name: str
    """The place in words: ``edge-1, link primary of circuit chicago``."""
    router: str | None
    family: Family | None
    vrf: str | None
    values: Mapping[str, str] = field(default_factory=dict)
    """By word in capitals: the values of this place alone, several prefixes separated by blanks."""
    feed: str | None = None
    """The feed by which the place is known, if the configuration does not name the router that sends it."""
    by_bmp: bool = False
    """It is a session of the router with somebody else, which the router reports by BMP."""


class Scene:
    """What a finding is about, as far as the finding and the configuration show it."""

    def __init__(self, config: Config, finding: Finding) -> None:
        self._config = config
        self._labels = finding.labels
        self.prefixes = tuple(_prefixes(finding))
        """The prefixes in the evidence."""
        self.families = self._families_of(finding)
        """The families that it is about, at least one."""

    def places(self, neighbor: str | None, *, by_family: bool = True) -> list[Place]:
        """Return the places in which to ask a question about a neighbor, at most ``MAX_PLACES``; ``None`` for a
        question about no neighbor. Empty if none is known. With ``by_family``, there is one for each family that a
        neighbor carries.
        """
        find = {
            "MSEE": self._at_links,
            "ISP": self._at_uplinks,
            "NEIGHBOR": self._at_mirrored,
            "ERMON": self._at_feeds,
            "ROUTER": self._at_feeds,
        }
        found: list[Place] = []
        seen: set[object] = set()
        for place in find.get(neighbor or "", self._at_routers)():
            about = (
                place.name,
                place.vrf,
                place.values.get(neighbor or ""),
                place.family if by_family else None,
            )
            if about not in seen:
                seen.add(about)
                found.append(place)
        return found[:MAX_PLACES]

    @property
    def family(self) -> Family | None:
        """The family that it is about; ``None`` if there are two."""
        return self.families[0] if len(self.families) == 1 else None

    def prefixes_of(self, family: Family) -> list[Prefix]:
        """The prefixes of the evidence in a family."""
        return [prefix for prefix in self.prefixes if prefix.family == family]

    def pool_of(self, family: Family) -> list[Prefix]:
        """Return the prefixes of the pool in a family: those that overlap the evidence, else all."""
        pool = self._config.pools.get(self._labels.get("pool", ""))
        own = list(pool.prefixes_of(family)) if pool else []
        near = [prefix for prefix in own if any(prefix.overlaps(found) for found in self.prefixes)]
        return near or own

    # What the labels name ------------------------------------------------------------------------------

    @property
    def feeds(self) -> list[Feed]:
        """The feed of the finding; if it names none, those of its segment, of its process, or of its links' tables."""
        feeds = self._config.feeds
        if (name := self._labels.get("feed", "")) != "":
            return [feeds[name]] if name in feeds else []
        if (segment := self._labels.get("segment", "")) != "":
            return [feed for feed in feeds.values() if feed.segment == segment]
        if (process := self._labels.get("process", "")) != "":
            return [feed for feed in feeds.values() if feed.process == process]
        tables = dict.fromkeys(feed.name for link in self.links for feed in self._config.tables_of(link))
        return [feeds[name] for name in tables]

    @property
    def links(self) -> list[Link]:
        """The link of the finding, or all that it may be about: those of its circuit, its geo or its pool; all links if
        it is about ermon itself.
        """
        config, labels = self._config, self._labels
        feed = config.feeds.get(labels.get("feed", ""))
        if (name := labels.get("circuit", "")) != "":
            circuit, wanted = config.circuits.get(name), labels.get("link", "")
            return [link for link in (circuit.links.values() if circuit else ()) if wanted in ("", link.name)]
        if labels.get("geo", ""):
            return [
                link
                for each in config.circuits.values()
                if self._is_of_geo(each)
                for link in each.links.values()
            ]
        if (pool := config.pools.get(labels.get("pool", ""))) is not None:
            return list(config.pool_links(pool))
        if feed is not None and feed.link_key is not None:
            return [config.link(feed.link_key)]
        return [] if self._about else list(config.links)

    def _is_of_geo(self, circuit: Circuit) -> bool:
        """Return whether a circuit has the geo, the peering and the group that the finding names."""
        labels = self._labels
        return (
            circuit.geo == labels["geo"]
            and labels.get("peering", "") in ("", circuit.peering)
            and labels.get("group", "") in ("", circuit.group)
        )

    @property
    def uplinks(self) -> list[Uplink]:
        """The uplink of the finding; all uplinks if it is about the internet, or about ermon itself."""
        uplinks = self._config.uplinks
        if (name := self._labels.get("uplink", "")) != "":
            return [uplinks[name]] if name in uplinks else []
        feed = self._config.feeds.get(self._labels.get("feed", ""))
        outside = feed is not None and feed.view is View.INTERNET
        return list(uplinks.values()) if outside or self._about <= {"family", "process"} else []

    @property
    def _about(self) -> set[str]:
        """The labels that say what it is about; ``region`` only says which instance reports it."""
        return {label for label, value in self._labels.items() if value and label != "region"}

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
            for family in self.families:
                subnet = {"ipv4": link.subnet, "ipv6": link.subnet6}[family]
                name = f"{link.router}, link {link.name} of circuit {link.circuit}"
                if family in link.families or not link.subnets:
                    session = self._config.sessions.get((link.key, family))
                    if session is not None:  # the configuration may name another address
                        values = {"MSEE": session.peer}
                    else:
                        values = {} if subnet is None else {"MSEE": second_host(subnet)}
                    yield Place(name, link.router, family, link.vrf, values)

    def _at_uplinks(self) -> Iterator[Place]:
        for uplink in self.uplinks:
            for family in self.families:
                name = f"{uplink.router}, uplink {uplink.name}"
                neighbors = _of_family(uplink.neighbors, family)
                for neighbor in neighbors:
                    yield Place(name, uplink.router, family, None, {"ISP": str(neighbor)})
                if not neighbors:
                    yield Place(name, uplink.router, family, None)

    def _at_mirrored(self) -> Iterator[Place]:
        """Yield the neighbor that the feed mirrors; nothing if it is no mirror."""
        feed = self._config.feeds.get(self._labels.get("feed", ""))
        if feed is None or feed.view not in {View.TO_MICROSOFT, View.TO_INTERNET}:
            return
        for place in self._at_uplinks() if feed.view is View.TO_INTERNET else self._at_links():
            address = next(iter(place.values.values()), None)
            yield replace(place, values={} if address is None else {"NEIGHBOR": address})

    def _at_feeds(self) -> Iterator[Place]:
        for feed in self.feeds:
            for family in (f for f in self.families if f in feed.families):
                if feed.ris is not None:
                    continue  # no router of yours has it
                if feed.by_bmp:
                    yield self._at_session(feed, family)
                    continue
                name = f"{feed.router or feed.peer}, feed {feed.name}"
                values = {
                    "ERMON": feed.local,
                    "ROUTER": feed.peer,
                    "NAME": shlex.quote(feed.router or feed.name),
                }
                unnamed = None if feed.router else feed.name
                yield Place(name, feed.router, family, feed.vrf, values, unnamed)

    def _at_session(self, feed: Feed, family: Family) -> Place:
        """Return the place of a session that its router reports by BMP: its neighbor is Microsoft or a provider, not ermon."""
        values = {"NAME": shlex.quote(feed.router or feed.name)} | ({"ERMON": feed.peer} if feed.peer else {})
        return Place(f"{feed.router}, {feed.name}", feed.router, family, feed.vrf, values, by_bmp=True)

    def _at_routers(self) -> Iterator[Place]:
        """Yield the routers on which to look up routes: those of the links, of the uplinks, else of the feeds."""
        for place in (*self._at_links(), *self._at_uplinks()) or tuple(self._at_feeds()):
            name = place.values.get("NAME", shlex.quote(place.router or place.name))
            yield replace(place, name=place.router or place.name, values={"NAME": name})


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
            continue  # written by an earlier version, or a damaged file
