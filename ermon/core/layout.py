"""What follows from a configuration alone: which links and feeds can show what, worked out once for each."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from ermon.checks.internet import internet_feeds
from ermon.checks.mirror import mirrored
from ermon.checks.sharding import Shard
from ermon.core.alarm import Alarm
from ermon.core.facts import NetworkFacts
from ermon.core.monitor import Monitor
from ermon.model.inventory import Link, Peering
from ermon.model.prefixes import FAMILIES, Family, merged


class Layout:
    """Everything is by name, or by the key of a link."""

    def __init__(self, monitor: Monitor) -> None:
        config = monitor.config
        region = Shard(config)
        self.cases: tuple[Alarm, ...] = tuple(monitor.statuses())
        self.order = {link.key: place for place, link in enumerate(config.links)}
        """Of the links, as the configuration has it."""
        self.watched_elsewhere = {link.key: region.watched_elsewhere(link) for link in config.links}
        self.link_families = {
            link.key: tuple(family for family in link.families if region.sees_link(link, family))
            for link in config.links
        }
        """The families of each link in which its state is judged here."""
        self.mirrors = {link.key: mirrored(config, link) for link in config.links}
        self.pool_links = {family: self._pool_links(region, family) for family in FAMILIES}
        """The links of Microsoft peering whose mirror is not elsewhere: those on which a pool could be advertised."""
        self.internet_feeds = {
            family: tuple(feed.name for feed in internet_feeds(config) if family in feed.families)
            for family in FAMILIES
        }
        """The feeds that show what the internet hears."""
        self.addresses = {
            pool.name: sum(last - first + 1 for _, first, last in merged(pool.prefixes))
            for pool in config.pools.values()
        }
        """How many addresses are in each pool."""
        self.expected_on = {
            pool.name: frozenset(link.key for link in config.pool_links(pool))
            for pool in config.pools.values()
        }
        """The links that are to advertise each pool."""

    def _pool_links(self, region: Shard, family: Family) -> tuple[Link, ...]:
        config = region.config
        return tuple(
            link
            for link in config.links
            if config.circuits[link.circuit].peering is Peering.MICROSOFT
            and self.mirrors[link.key].has_family(family)
            and region.sees_advertised(link, family)
        )


_LAYOUTS: WeakKeyDictionary[NetworkFacts, Layout] = WeakKeyDictionary()
"""By what is known under a configuration: a reload starts another."""


def layout_of(monitor: Monitor) -> Layout:
    layout = _LAYOUTS.get(monitor.network)
    if layout is None:
        layout = _LAYOUTS[monitor.network] = Layout(monitor)
    return layout
