"""Look-ups that follow from a configuration alone: which links and feeds can show what. They are made once, with the
plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from operator import attrgetter

from ermon.checks.internet import internet_feeds
from ermon.checks.mirror import mirrored
from ermon.checks.redundancy import metros_apart
from ermon.checks.sharding import Shard
from ermon.checks.views import VIEW_MISSING
from ermon.core.alarm import Alarm
from ermon.model.inventory import Config, Link, Peering, Pool
from ermon.model.prefixes import FAMILIES, Family, merged
from ermon.model.settings import RANKS


class Layout:
    """Look-ups by name, or by the key of a link."""

    def __init__(self, config: Config, alarms: Iterable[Alarm]) -> None:
        self._config = config
        shard = Shard(config)
        self.alarms = tuple(sorted(alarms, key=attrgetter("order")))
        """All alarms, sorted by check and labels."""
        mildest_first = sorted(self.alarms, key=lambda alarm: -RANKS[alarm.severity])
        self.severities = {alarm.subject.check: alarm.severity for alarm in mildest_first}
        """By check: the severity of its worst findings."""
        self.missing_views = tuple(alarm for alarm in self.alarms if alarm.subject.check == VIEW_MISSING)
        """The alarms about views that no feed provides."""
        self.places = {name: feed.router or name for name, feed in config.feeds.items()}
        """By feed: its router, or the feed itself if it has none."""
        self.feeds_at = Counter(self.places.values())
        """By router, or feed without one: how many feeds there are."""
        self.tables = tuple(
            (link.key, family, carrying)
            for link in config.links
            for family in link.families
            if (carrying := tuple(f.name for f in config.eyes_of(link) if family in f.families))
        )
        """The feeds that show each link and family."""
        self.order = {link.key: place for place, link in enumerate(config.links)}
        """By link: its position in the configuration."""
        self.watched_elsewhere = {link.key: shard.watched_elsewhere(link) for link in config.links}
        self.link_families = {
            link.key: tuple(family for family in link.families if shard.sees_link(link, family))
            for link in config.links
        }
        """By link: the families in which this instance judges its state."""
        self.mirrors = {link.key: mirrored(config, link) for link in config.links}
        self._pool_links = {
            link.key: frozenset(
                family
                for family in FAMILIES
                if config.circuits[link.circuit].peering is Peering.MICROSOFT
                and self.mirrors[link.key].has_family(family)
                and shard.sees_advertised(link, family)
            )
            for link in config.links
        }
        """By link: the families in which a pool could be advertised, unless another instance has the mirror."""
        self.pools_of: dict[str, list[str]] = {}
        """By circuit: its pools."""
        for pool in config.pools.values():
            for circuit in pool.circuits:
                self.pools_of.setdefault(circuit, []).append(pool.name)
        self.internet_feeds = {
            family: tuple(feed.name for feed in internet_feeds(config) if family in feed.families)
            for family in FAMILIES
        }
        """By family: the feeds that show the internet or what is advertised to it."""
        self.addresses = {
            pool.name: {
                family: sum(last - first + 1 for _, first, last in merged(pool.prefixes_of(family)))
                for family in pool.families
            }
            for pool in config.pools.values()
        }
        """By pool and family: its number of addresses."""
        self.metros_apart = tuple(metros_apart(config))
        """The pairs of sets of metropolitan areas that share none: circuits of a group in both are redundant."""
        self.expected_on = {
            pool.name: frozenset(link.key for link in config.pool_links(pool))
            for pool in config.pools.values()
        }
        """By pool: the links that are to advertise it."""

    def pool_links(self, pool: Pool, family: Family) -> list[Link]:
        """Return the links of a pool's circuits on which it could be advertised: those of Microsoft peering."""
        links = (link for name in pool.circuits for link in self._config.circuits[name].links.values())
        return [link for link in links if family in self._pool_links[link.key]]
