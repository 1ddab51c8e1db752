"""One ermon per region: the feeds that an instance takes, and what can be judged with them.

All instances read one file, and ``--feeds.match`` selects the feeds of each; the others are *elsewhere*.
Circuits, pools and routers stay known to all, so a pool of one region is recognised on the feeds of another.
A subject that needs a feed that is elsewhere does not exist here: another instance judges it, or, where it
needs the feeds of several, a Prometheus rule over their series.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from ermon.model.inventory import Circuit, Config, Feed, Link, LinkKey, RoutingTable, View
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
    shard = Shard(config)
    circuits = {
        name: circuit
        if any(shard.sees_link(link, f) for link in circuit.links.values() for f in link.families)
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


class Shard:
    """What can be judged with the feeds of one instance.

    Where several feeds could answer alike, one of them is enough. What no feed shows at all is a blind spot
    of every instance, or, where a link has some other feed, of the instance with that feed: it is never
    silence.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self._edges: dict[RoutingTable, list[Feed]] = {}
        self._mirrors: dict[LinkKey | None, list[Feed]] = {}
        for feed in everywhere(config).feeds.values():
            if feed.view is View.EDGE_TABLE:
                self._edges.setdefault(feed.table, []).append(feed)
            elif feed.view is View.TO_MICROSOFT:
                self._mirrors.setdefault(feed.link_key, []).append(feed)

    def sees_link(self, link: Link, family: Family) -> bool:
        """Return whether the link's state is judged here: only an edge table of its own router and VRF decides,
        best one with all paths.
        """
        edges = self._edges.get(link.table, [])
        carrying = [feed for feed in edges if family in feed.families]
        all_paths = [feed for feed in carrying if feed.add_path]
        return self._has_one_of(all_paths, carrying, edges, self._mirrors.get(link.key, []))

    def sees_advertised(self, link: Link, family: Family | None = None) -> bool:
        """Return whether what is advertised on the link is judged here, in a family or in any."""
        mirrors = self._mirrors.get(link.key, [])
        carrying = [feed for feed in mirrors if family in feed.families]
        return self._has_one_of(carrying, mirrors, self._edges.get(link.table, []))

    def watched_elsewhere(self, link: Link) -> tuple[View, ...]:
        """Name the views of the link that another instance has and this one does not."""
        seen = {
            View.EDGE_TABLE: all(self.sees_link(link, family) for family in link.families),
            View.TO_MICROSOFT: self.sees_advertised(link),
        }
        return tuple(view for view, here in seen.items() if not here)

    def sees_all_edges(self, circuit: Circuit) -> bool:
        tables = {link.table for link in circuit.links.values()}
        return all(feed.name in self.config.feeds for table in tables for feed in self._edges.get(table, ()))

    def _has_one_of(self, *choices: list[Feed]) -> bool:
        """Return whether one of the first feeds that exist at all is here."""
        first = next(filter(None, choices), None)
        return first is None or any(feed.name in self.config.feeds for feed in first)
