"""The state of circuits, links, pools, feeds and processes, as frozen values read from a ``Monitor``.

The API and the metrics both show these values, so that they can never disagree. Reading costs work in
proportion to what the configuration names, never to the routes that are held; whoever renders the values
can do so on another thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple
from weakref import WeakKeyDictionary

import msgspec

from ermon.checks.internet import INSIDE_POOL, internet_feeds
from ermon.checks.mirror import POOL_SPACE, mirrored, prefix_limit
from ermon.checks.received import SERVICE, community_text
from ermon.checks.sharding import Shard
from ermon.checks.subject import RouteSet, link_down
from ermon.core.alarm import Alarm, Phase
from ermon.core.facts import FILTERED_VIEWS, FeedState, NetworkFacts
from ermon.core.monitor import Monitor
from ermon.model.findings import LinkState, Status
from ermon.model.inventory import Circuit, Feed, Link, LinkKey, Peering, Pool, Segment, Uplink, View
from ermon.model.prefixes import FAMILIES, Family, merged


class Answer(StrEnum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Advertised(msgspec.Struct, frozen=True):
    """How much is advertised to Microsoft on a link, in prefixes."""

    prefixes: int
    limit: int
    """At so many, Microsoft drops the session."""


class LinkFamilyState(msgspec.Struct, frozen=True):
    state: LinkState
    since: float | None
    """When it became so; ``None``: it has been unknown from the start."""
    transitions: int
    draining: bool
    """Microsoft drains the link; so it may fall silent."""
    routes: int
    """Prefixes that the link brings."""
    decided_by: tuple[str, ...]
    """The feeds that prove presence and absence on the link."""


class LinkStatus(msgspec.Struct, frozen=True):
    """What this instance can tell of a link; nothing of the views that are ``watched_elsewhere``."""

    link: Link
    watched_elsewhere: tuple[View, ...]
    families: Mapping[Family, LinkFamilyState]
    advertised: Mapping[Family, Advertised]
    services: Mapping[str, Mapping[Family, int]]
    """By the label of each required service, and by family: the routes that carry its community."""

    @property
    def service_routes(self) -> Mapping[str, int]:
        """The same in both families together."""
        return {name: sum(counts.values()) for name, counts in self.services.items()}


class CircuitStatus(msgspec.Struct, frozen=True):
    circuit: Circuit
    links: tuple[LinkStatus, ...]
    links_up: Mapping[Family, int]
    states: Mapping[Family, LinkState]
    """Up with one link up, down with all of them proven down; only families of which every link is judged here."""


class PoolFamilyState(msgspec.Struct, frozen=True):
    """Where a pool is seen: an answer for each link, and one for each feed."""

    links: tuple[Link, ...]
    """Every link of Microsoft peering whose mirror is not elsewhere, those of other circuits too."""
    advertised: tuple[Answer, ...]
    feeds: tuple[str, ...]
    """Every feed that shows what the internet hears."""
    on_internet: tuple[Answer, ...]


class PoolStatus(msgspec.Struct, frozen=True):
    pool: Pool
    addresses: int
    families: Mapping[Family, PoolFamilyState]
    expected_on: frozenset[LinkKey]
    """The links that are to advertise the pool."""


class FeedFamilyState(msgspec.Struct, frozen=True):
    in_sync: bool
    all_paths: bool
    """ADD-PATH is in force, so that absence can be proven."""
    routes: int
    """Routes held, every path of a prefix for itself."""


class FeedStatus(msgspec.Struct, frozen=True):
    """A feed's session; times are seconds since the epoch."""

    feed: Feed
    up: bool
    since: float | None
    """When it came up or went down; ``None``: it never has."""
    message_at: float | None
    ups: int
    downs: int
    updates: int
    lost_messages: int
    loss: str | None
    """Why messages were lost, until a new session is in sync."""
    down_reason: str
    """Why the session ended: may be a peer's own words."""
    overflowed: bool
    partial: bool
    """Only the routes that the policy can ask about are held."""
    families: Mapping[Family, FeedFamilyState]

    @property
    def sees_all(self) -> bool:
        """Tell whether the feed's silence can be believed."""
        return all(family.in_sync for family in self.families.values())


class NetworkStatus(msgspec.Struct, frozen=True):
    circuits: tuple[CircuitStatus, ...] = ()
    pools: tuple[PoolStatus, ...] = ()
    feeds: tuple[FeedStatus, ...] = ()
    processes: Mapping[str, bool | None] = {}
    """By name of the ExaBGP process: up or not; ``None``: nothing heard of it yet."""
    uplinks: Mapping[str, Uplink] = {}
    segments: Mapping[str, Segment] = {}


class Judged(NamedTuple):
    """Where the subjects stand: those of the layout's cases, in their order."""

    statuses: tuple[Status, ...]
    phases: tuple[Phase, ...]


class Layout:
    """What follows from a configuration alone, worked out once for each."""

    def __init__(self, monitor: Monitor) -> None:
        config = monitor.config
        region = Shard(config)
        self.cases: tuple[Alarm, ...] = tuple(monitor.statuses())
        self.watched_elsewhere = {link.key: region.watched_elsewhere(link) for link in config.links}
        self.link_families = {
            link.key: tuple(family for family in link.families if region.sees_link(link, family))
            for link in config.links
        }
        """The families of each link in which its state is judged here."""
        self.mirrors = {link.key: mirrored(config, link) for link in config.links}
        self.pool_links = {family: self._pool_links(region, family) for family in FAMILIES}
        self.internet_feeds = {
            family: tuple(feed.name for feed in internet_feeds(config) if family in feed.families)
            for family in FAMILIES
        }
        self.addresses = {
            pool.name: sum(last - first + 1 for _, first, last in merged(pool.prefixes))
            for pool in config.pools.values()
        }
        self.expected_on = {
            pool.name: frozenset(link.key for link in config.pool_links(pool))
            for pool in config.pools.values()
        }

    def _pool_links(self, region: Shard, family: Family) -> tuple[Link, ...]:
        """The links on which a pool could be advertised: those of Microsoft peering."""
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


def network_status(monitor: Monitor) -> NetworkStatus:
    known, layout = monitor.network, layout_of(monitor)
    seen = _mirrors(known, layout)
    return NetworkStatus(
        circuits=tuple(_circuit(known, layout, circuit) for circuit in known.config.circuits.values()),
        pools=tuple(_pool(known, layout, seen, pool) for pool in known.config.pools.values()),
        feeds=tuple(_feed(known, name) for name in known.config.feeds),
        processes=dict(known.processes),
        uplinks=known.config.uplinks,
        segments=known.config.segments,
    )


def current_link(monitor: Monitor, key: LinkKey) -> LinkStatus:
    circuit = monitor.config.circuits[key[0]]
    return _link(monitor.network, layout_of(monitor), circuit, circuit.links[key[1]])


def current_pool(monitor: Monitor, name: str) -> PoolStatus:
    known, layout = monitor.network, layout_of(monitor)
    return _pool(known, layout, _mirrors(known, layout), known.config.pools[name])


def current_feed(monitor: Monitor, name: str) -> FeedStatus:
    return _feed(monitor.network, name)


def current_feeds(monitor: Monitor) -> tuple[FeedStatus, ...]:
    return tuple(_feed(monitor.network, name) for name in monitor.config.feeds)


def judged(monitor: Monitor) -> Judged:
    cases = layout_of(monitor).cases
    return Judged(tuple([case.status for case in cases]), tuple([case.phase for case in cases]))


# Circuits and links ----------------------------------------------------------------------------------


def _circuit(known: NetworkFacts, layout: Layout, circuit: Circuit) -> CircuitStatus:
    links = tuple(_link(known, layout, circuit, link) for link in circuit.links.values())
    states = {
        family: [link.families[family].state for link in links if family in link.families]
        for family in circuit.families
        if all(family in link.families for link in links if family in link.link.families)
    }
    return CircuitStatus(
        circuit=circuit,
        links=links,
        links_up={family: found.count(LinkState.UP) for family, found in states.items()},
        states={family: _together(found) for family, found in states.items()},
    )


def _together(states: list[LinkState]) -> LinkState:
    for state in (LinkState.UP, LinkState.UNKNOWN):
        if state in states:
            return state
    return LinkState.DOWN


def _link(known: NetworkFacts, layout: Layout, circuit: Circuit, link: Link) -> LinkStatus:
    mirror = layout.mirrors[link.key]
    elsewhere = layout.watched_elsewhere[link.key]
    return LinkStatus(
        link=link,
        watched_elsewhere=elsewhere,
        families={family: _link_family(known, link, family) for family in layout.link_families[link.key]},
        advertised={
            family: Advertised(mirror.count(known, family), prefix_limit(circuit, family))
            for family in (() if View.TO_MICROSOFT in elsewhere else mirror.families)
        },
        services={
            service.name: {
                family: _service_routes(known, link, family, community_text(service.community))
                for family in link.families
            }
            for service in (() if View.EDGE_TABLE in elsewhere else circuit.receive.services)
        },
    )


def _link_family(known: NetworkFacts, link: Link, family: Family) -> LinkFamilyState:
    info = known.links[link.key, family]
    return LinkFamilyState(
        state=info.state,
        since=info.changed_at,
        transitions=info.transitions,
        draining=known.draining(link.key),
        routes=known.prefix_count(link.key, family),
        decided_by=info.deciders,
    )


def _service_routes(known: NetworkFacts, link: Link, family: Family, community: str) -> int:
    """Count the link's routes with a community, by the feed that shows the most of those that count."""
    bucket = RouteSet(SERVICE, family, community, link.key)
    return max((len(known.matching(feed, bucket)) for feed in known.witnesses(link.key, family)), default=0)


# Pools -----------------------------------------------------------------------------------------------


class _Mirrors(NamedTuple):
    """What can be said of a link and a family for all pools alike."""

    link_down: bool
    in_sync: tuple[FeedState, ...]


def _mirrors(known: NetworkFacts, layout: Layout) -> dict[Family, list[_Mirrors]]:
    """Look at the mirrors of each link on which a pool could be advertised, in the layout's order."""
    return {
        family: [
            _Mirrors(
                link_down(known, link, family),
                tuple(
                    known.feeds[feed.name]
                    for feed in layout.mirrors[link.key].feeds
                    if known.in_sync(feed.name, family)
                ),
            )
            for link in layout.pool_links[family]
        ]
        for family in FAMILIES
    }


def _pool(known: NetworkFacts, layout: Layout, seen: dict[Family, list[_Mirrors]], pool: Pool) -> PoolStatus:
    return PoolStatus(
        pool=pool,
        addresses=layout.addresses[pool.name],
        families={
            family: PoolFamilyState(
                links=layout.pool_links[family],
                advertised=_advertised(pool, family, seen[family]),
                feeds=layout.internet_feeds[family],
                on_internet=tuple(
                    _on_internet(known, pool, feed, family) for feed in layout.internet_feeds[family]
                ),
            )
            for family in pool.families
        },
        expected_on=layout.expected_on[pool.name],
    )


def _advertised(pool: Pool, family: Family, seen: list[_Mirrors]) -> tuple[Answer, ...]:
    """Tell for each link whether its mirror shows all of the pool, and the link is not known to be down."""
    bucket, prefixes = RouteSet(POOL_SPACE, family, pool.name), pool.prefixes_of(family)
    yes, no, unknown = Answer.YES, Answer.NO, Answer.UNKNOWN
    answers = []
    for down, in_sync in seen:
        answer = no if down or in_sync else unknown
        if not down:
            for feed in in_sync:
                # Most pools are on few links, and an empty bucket says so at once.
                if feed.route_sets.get(bucket) and all(map(feed.rib.covers, prefixes)):
                    answer = yes
        answers.append(answer)
    return tuple(answers)


def _on_internet(known: NetworkFacts, pool: Pool, feed: str, family: Family) -> Answer:
    """Tell whether a prefix equal to the pool's or inside it is in the view; only in sync there is a no."""
    if known.matching(feed, RouteSet(INSIDE_POOL, family, pool.name)):
        return Answer.YES
    return Answer.NO if known.in_sync(feed, family) else Answer.UNKNOWN


# Feeds -----------------------------------------------------------------------------------------------


def _feed(known: NetworkFacts, name: str) -> FeedStatus:
    state = known.feeds[name]
    session = state.session
    return FeedStatus(
        feed=state.feed,
        up=session.up,
        since=session.changed_at,
        message_at=session.message_at,
        ups=session.ups,
        downs=session.downs,
        updates=session.updates,
        lost_messages=session.lost_messages,
        loss=session.loss,
        down_reason=session.down_reason,
        overflowed=state.overflowed_until is not None,
        partial=state.feed.view in FILTERED_VIEWS,
        families={
            family: FeedFamilyState(
                in_sync=known.in_sync(name, family),
                all_paths=session.up and session.all_paths(state.feed, family),
                routes=state.rib.count(family),
            )
            for family in state.feed.families
        },
    )
