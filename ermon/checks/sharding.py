"""One ermon per region: the feeds that an instance takes, and what can be judged with them.

All instances read one file, and ``--feeds.match`` tells each of them its feeds; the others are *elsewhere*.
Circuits, pools and routers stay known to all, so a pool of one region is recognised on the feeds of another.
A subject that needs a feed that is elsewhere does not exist here: another instance judges it, or, where it
needs the feeds of several, a Prometheus rule over their series.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from ermon.model.inventory import Circuit, Config, Feed, Link, LinkKey, View
from ermon.model.prefixes import Family


class NoFeedError(ValueError):
    """No feed matches; the text says what was asked for, and which feeds there are."""


def only_feeds(config: Config, globs: Iterable[str]) -> Config:
    """Return the configuration of an instance that takes only the feeds that a glob matches; without globs,
    ``config`` itself. Lists that Microsoft publishes are left to the instances that judge their circuits.

    Raises ``NoFeedError`` when no feed would be left.
    """
    globs = tuple(globs)
    if not globs:
        return config
    here = {name: feed for name, feed in config.feeds.items() if _matches(name, globs)}
    if not here:
        asked = " ".join(f"--feeds.match={glob}" for glob in globs)
        raise NoFeedError(f"{asked} matches no feed; there are {', '.join(config.feeds)}")
    elsewhere = {name: feed for name, feed in config.feeds.items() if name not in here}
    config = replace(config, feeds=here, elsewhere=elsewhere)
    region = Shard(config)
    circuits = {
        name: circuit
        if any(region.sees_link(link, f) for link in circuit.links.values() for f in link.families)
        else replace(circuit, receive=replace(circuit.receive, sources=()))
        for name, circuit in config.circuits.items()
    }
    return replace(config, circuits=circuits)


def idle_globs(config: Config, globs: Iterable[str]) -> Iterator[str]:
    """Yield the globs that match no feed: most likely a slip of the pen."""
    names = everywhere(config).feeds
    return (glob for glob in globs if not any(fnmatchcase(name, glob) for name in names))


def everywhere(config: Config) -> Config:
    """Return the configuration with the feeds of all instances: what the file as a whole provides."""
    return replace(config, feeds={**config.feeds, **config.elsewhere}, elsewhere={})


def _matches(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


# What is judged here ---------------------------------------------------------------------------------

Labels = Mapping[str, str]


class Shard:
    """What can be judged with the feeds of one instance.

    Where several feeds could answer alike, one of them is enough. What no feed shows at all is a blind spot
    of every instance, or, where a link has some other feed, of the instance with that feed: it is never
    silence.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self._edges: dict[str | None, list[Feed]] = {}
        self._mirrors: dict[LinkKey | None, list[Feed]] = {}
        for feed in everywhere(config).feeds.values():
            if feed.view is View.EDGE_TABLE:
                self._edges.setdefault(feed.router, []).append(feed)
            elif feed.view is View.TO_MICROSOFT:
                self._mirrors.setdefault(feed.link_key, []).append(feed)

    def asks(self, check: str, labels: Labels) -> bool:
        """Tell whether a subject exists here."""
        return not self.config.elsewhere or NEEDS[check](self, labels)

    def sees_link(self, link: Link, family: Family) -> bool:
        """Tell whether the link's state is judged here: only an edge table of its own router decides, best
        one with all paths.
        """
        edges = self._edges.get(link.router, [])
        carrying = [feed for feed in edges if family in feed.families]
        all_paths = [feed for feed in carrying if feed.add_path]
        return self._has_one_of(all_paths, carrying, edges, self._mirrors.get(link.key, []))

    def sees_advertised(self, link: Link, family: Family | None = None) -> bool:
        """Tell whether what is advertised on the link is judged here, in a family or in any."""
        mirrors = self._mirrors.get(link.key, [])
        carrying = [feed for feed in mirrors if family in feed.families]
        return self._has_one_of(carrying, mirrors, self._edges.get(link.router, []))

    def watched_elsewhere(self, link: Link) -> tuple[View, ...]:
        """Name the views of the link that another instance has and this one does not."""
        seen = {
            View.EDGE_TABLE: all(self.sees_link(link, family) for family in link.families),
            View.TO_MICROSOFT: self.sees_advertised(link),
        }
        return tuple(view for view, here in seen.items() if not here)

    def sees_all_edges(self, circuit: Circuit) -> bool:
        routers = {link.router for link in circuit.links.values()}
        return all(feed.name in self.config.feeds for r in routers for feed in self._edges.get(r, ()))

    def _has_one_of(self, *choices: list[Feed]) -> bool:
        """Tell whether one of the first feeds that exist at all is here."""
        first = next(filter(None, choices), None)
        return first is None or any(feed.name in self.config.feeds for feed in first)


# What each check needs -------------------------------------------------------------------------------


def _nothing_else(region: Shard, labels: Labels) -> bool:
    """About a feed, and so only where the feed is; or about what every instance has for itself."""
    del region, labels
    return True


def _link(region: Shard, labels: Labels) -> bool:
    link = region.config.circuits[labels["circuit"]].links[labels["link"]]
    return _sees_links(region, [link], labels)


def _circuit(region: Shard, labels: Labels) -> bool:
    return _sees_links(region, _links(region, labels), labels)


def _links(region: Shard, labels: Labels) -> list[Link]:
    return list(region.config.circuits[labels["circuit"]].links.values())


def _sees_links(region: Shard, links: Iterable[Link], labels: Labels) -> bool:
    asked = labels.get("family")
    return all(region.sees_link(link, f) for link in links for f in link.families if asked in {None, f})


def _every_edge(region: Shard, labels: Labels) -> bool:
    return region.sees_all_edges(region.config.circuits[labels["circuit"]])


def _best_paths(region: Shard, labels: Labels) -> bool:
    return _circuit(region, labels) and (
        any(map(_shows_best_paths, region.config.feeds.values()))
        or not any(map(_shows_best_paths, region.config.elsewhere.values()))
    )


def _shows_best_paths(feed: Feed) -> bool:
    return feed.view is View.EDGE_TABLE and not feed.add_path


def _geo(region: Shard, labels: Labels) -> bool:
    circuits = [
        circuit
        for circuit in region.config.circuits.values()
        if (circuit.geo, circuit.peering) == (labels["geo"], labels["peering"])
    ]
    return _sees_links(region, [link for circuit in circuits for link in circuit.links.values()], {})


def _mirror(region: Shard, labels: Labels) -> bool:
    """The link's state only excuses what the mirror shows: where nobody knows it, nothing is excused."""
    link = region.config.circuits[labels["circuit"]].links[labels["link"]]
    return region.sees_advertised(link, _family(labels))


def _family(labels: Labels) -> Family | None:
    match labels.get("family"):
        case "ipv4":
            return "ipv4"
        case "ipv6":
            return "ipv6"
        case _:
            return None


def _circuit_mirrors(region: Shard, labels: Labels) -> bool:
    return _sees_all_of(region, _links(region, labels), labels)


def _pool_mirrors(region: Shard, labels: Labels) -> bool:
    pool = region.config.pools[labels["pool"]]
    return _sees_all_of(region, region.config.pool_links(pool), labels)


def _sees_all_of(region: Shard, links: Iterable[Link], labels: Labels) -> bool:
    """Whether something is *not* advertised is told by the mirrors and by the links' states."""
    links, family = list(links), _family(labels)
    mirrors = all(region.sees_advertised(link, family) for link in links)
    return mirrors and all(region.sees_link(link, f) for link in links for f in link.families)


def _uplinks(region: Shard, labels: Labels) -> bool:
    """What no mirror exports leaves by an exit that nobody watches: every mirror has to be asked."""
    del labels
    here = {(f.uplink, family) for f in region.config.feeds.values() for family in f.families}
    left_out = (f for f in region.config.elsewhere.values() if f.view is View.TO_INTERNET)
    return all((feed.uplink, family) in here for feed in left_out for family in feed.families)


def _segment(region: Shard, labels: Labels) -> bool:
    here, elsewhere = _segment_feeds(region, labels)
    return here > 0 or elsewhere == 0


def _whole_segment(region: Shard, labels: Labels) -> bool:
    return _segment_feeds(region, labels)[1] == 0


def _segment_feeds(region: Shard, labels: Labels) -> tuple[int, int]:
    """Count the feeds of a segment that are here, and those elsewhere."""
    config = region.config
    here, elsewhere = (
        sum(feed.segment == labels["segment"] for feed in feeds.values())
        for feeds in (config.feeds, config.elsewhere)
    )
    return here, elsewhere


def _missing_view(region: Shard, labels: Labels) -> bool:
    """A view that nobody provides is reported where its link, uplink or segment is watched at all."""
    if "link" in labels:
        link = region.config.circuits[labels["circuit"]].links[labels["link"]]
        view = labels["view"]
        return any(
            region.sees_link(link, f) if view == View.EDGE_TABLE else region.sees_advertised(link, f)
            for f in link.families
        )
    if "uplink" in labels:
        here, elsewhere = (
            any(feed.view is View.TO_INTERNET and feed.uplink == labels["uplink"] for feed in feeds.values())
            for feeds in (region.config.feeds, region.config.elsewhere)
        )
        return here or not elsewhere
    return True


_FEEDS_NEEDED: tuple[tuple[Callable[[Shard, Labels], bool], tuple[str, ...]], ...] = (
    (
        _link,
        (
            *("link-down", "link-flapping", "communities-missing", "service-missing", "prefix-missing"),
            *("prefix-count-low", "prefix-unexpected", "origin-unexpected", "drain", "churn-high"),
        ),
    ),
    (_circuit, ("circuit-down", "link-asymmetry", "drain-both")),
    (_every_edge, ("circuit-unseen",)),
    (_best_paths, ("internet-preferred",)),
    (_geo, ("geo-not-redundant",)),
    (
        _mirror,
        (
            *("pool-not-advertised", "pool-wrong-circuit", "advertised-undeclared", "advertised-not-public"),
            *("advertised-default", "advertised-link-subnet", "advertised-internet-only", "advertised-path"),
            *("advertised-limit-near", "advertised-limit-reached", "microsoft-reflected"),
        ),
    ),
    (_circuit_mirrors, ("advertised-asymmetry",)),
    (_pool_mirrors, ("inbound-not-redundant", "pool-fallback")),
    (_uplinks, ("mirror-disagrees",)),
    (_segment, ("segment-leak",)),
    (_whole_segment, ("segment-missing",)),
    (_missing_view, ("view-missing",)),
    (
        _nothing_else,
        (
            *("pool-leak", "pool-covered", "microsoft-leaked", "internet-undeclared", "route-unattributed"),
            *("feed-down", "feed-flapping", "feed-empty", "canary-missing", "feed-no-eor", "feed-overflow"),
            *(
                "feed-best-path-only",
                "feed-lost-messages",
                "exabgp-down",
                "source-rejected",
                "storage-failed",
            ),
        ),
    ),
)
NEEDS: Mapping[str, Callable[[Shard, Labels], bool]] = {
    check: needs for needs, checks in _FEEDS_NEEDED for check in checks
}
"""For each check, what must hold of an instance for a subject to exist there."""
