"""Instances with only some of the feeds, for example one for each region: what each can judge.

All instances read one file, and ``--feeds.match`` selects the feeds of each; the others are *elsewhere*. Circuits,
pools and routers are known to all, so that a pool of one region is recognized on the feeds of another. A subject that
needs a feed that is elsewhere does not exist on this instance. Another instance judges it, or, if it needs the feeds of
several, a Prometheus rule over their series.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from ermon.model.inventory import Circuit, Config, Feed, Link, LinkKey, RoutingTable, View
from ermon.model.prefixes import Family


@dataclass(frozen=True, slots=True)
class Instance:
    """Which part of the network an instance watches, as its flags say."""

    feeds_match: tuple[str, ...] = ()
    """Globs of the names of its feeds; none: it has all feeds."""
    region: str = ""
    """Its name beside other instances, on findings that are about the instance itself; empty: it has none."""

    def apply(self, config: Config) -> Config:
        """Return the configuration of this instance. Raise ``NoFeedError`` if no feed would be left."""
        return replace(only_feeds(config, self.feeds_match), region=self.region)

    def mistakes(self, config: Config) -> Iterator[str]:
        """Yield what its flags probably should not say of a configuration."""
        for glob in idle_globs(config, self.feeds_match):
            yield f"--feeds.match={glob} matches no feed"
        if self.feeds_match and not self.region:
            yield (
                "--feeds.match without --region=NAME: alerts about this ermon itself, such as exabgp-down, cannot be "
                "distinguished from those of the other ermons"
            )


class NoFeedError(ValueError):
    """No feed matches; the text says which globs were given, and which feeds there are."""


def only_feeds(config: Config, globs: Iterable[str]) -> Config:
    """Return the configuration of an instance that has only the feeds that a glob matches; without globs, ``config``
    itself. Published lists of a circuit, and Azure's view of it, are read only by the instances that judge it, and a router
    reports its sessions only to the instances that have one of them.

    Raise ``NoFeedError`` if no feed would be left.
    """
    globs = tuple(globs)
    if not globs:
        return config
    here = {name: feed for name, feed in config.feeds.items() if _matches(name, globs)}
    if not here:
        asked = " ".join(f"--feeds.match={glob}" for glob in globs)
        raise NoFeedError(f"{asked} matches no feed; there are {', '.join(config.feeds)}")
    elsewhere = {name: feed for name, feed in config.feeds.items() if name not in here}
    reporting = {feed.router for feed in here.values() if feed.by_bmp}
    bmp = {name: router for name, router in config.bmp.items() if name in reporting}
    config = replace(config, feeds=here, elsewhere=elsewhere, bmp=bmp)
    shard = Shard(config)
    circuits = {
        name: circuit
        if any(shard.sees_link(link, f) for link in circuit.links.values() for f in link.families)
        else replace(circuit, receive=replace(circuit.receive, sources=()), azure=None)
        for name, circuit in config.circuits.items()
    }
    return replace(config, circuits=circuits)


def idle_globs(config: Config, globs: Iterable[str]) -> Iterator[str]:
    """Yield the globs that match no feed: they are probably typing mistakes."""
    names = everywhere(config).feeds
    return (glob for glob in globs if not any(fnmatchcase(name, glob) for name in names))


def everywhere(config: Config) -> Config:
    """Return the configuration with the feeds of all instances: what the whole file provides."""
    return replace(config, feeds={**config.feeds, **config.elsewhere}, elsewhere={})


def _matches(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


class Shard:
    """What can be judged with the feeds of one instance.

    If several feeds show the same, one of them is enough. A view that no feed provides is a blind spot: of the instance
    that has another feed of the same link, if there is one, and otherwise of every instance. So it is always reported.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self._edges: dict[RoutingTable, list[Feed]] = {}
        self._mirrors: dict[LinkKey | None, list[Feed]] = {}
        self._sessions: dict[LinkKey, list[Feed]] = {}
        for feed in everywhere(config).feeds.values():
            if feed.shows_links and feed.link_key is not None:
                self._sessions.setdefault(feed.link_key, []).append(feed)
            elif feed.view is View.EDGE_TABLE:
                self._edges.setdefault(feed.table, []).append(feed)
            elif feed.view is View.TO_MICROSOFT:
                self._mirrors.setdefault(feed.link_key, []).append(feed)

    def sees_link(self, link: Link, family: Family) -> bool:
        """Return whether this instance judges the link's state. The router's own session decides, else an edge table of the link's
        own router and VRF, preferably one with all paths.
        """
        sessions = [feed for feed in self._sessions.get(link.key, ()) if family in feed.families]
        edges = self._edges.get(link.table, [])
        carrying = [feed for feed in edges if family in feed.families]
        all_paths = [feed for feed in carrying if feed.add_path]
        return self._has_one_of(sessions, all_paths, carrying, edges, self._mirrors.get(link.key, []))

    def sees_advertised(self, link: Link, family: Family | None = None) -> bool:
        """Return whether this instance judges what is advertised on the link, in a family or in any."""
        mirrors = self._mirrors.get(link.key, [])
        carrying = [feed for feed in mirrors if family in feed.families]
        return self._has_one_of(carrying, mirrors, self._edges.get(link.table, []))

    def watched_elsewhere(self, link: Link) -> tuple[View, ...]:
        """Return the views of the link that another instance has and this one does not."""
        seen = {
            View.EDGE_TABLE: all(self.sees_link(link, family) for family in link.families),
            View.TO_MICROSOFT: self.sees_advertised(link),
        }
        return tuple(view for view, here in seen.items() if not here)

    def sees_all_edges(self, circuit: Circuit) -> bool:
        tables = {link.table for link in circuit.links.values()}
        return all(feed.name in self.config.feeds for table in tables for feed in self._edges.get(table, ()))

    def _has_one_of(self, *choices: list[Feed]) -> bool:
        """Return whether this instance has a feed of the first list that is not empty."""
        first = next(filter(None, choices), None)
        return first is None or any(feed.name in self.config.feeds for feed in first)
