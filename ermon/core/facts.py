"""What is known of the network right now, and the answers that it gives.

``routes`` and ``network`` move it; everybody else only asks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ermon.checks.parameters import parameter
from ermon.checks.subject import RouteSet, Topic
from ermon.core.coverage import ExpectedCoverage
from ermon.core.drain import DrainLatch
from ermon.core.rib import AdjRibIn
from ermon.core.rolling import Baseline, RollingCount
from ermon.core.session import Session
from ermon.model.findings import LinkState
from ermon.model.inventory import Config, Feed, LinkKey, View
from ermon.model.prefixes import Family, Prefix
from ermon.model.routes import Route, RouteKey

FILTERED_VIEWS = frozenset({View.EDGE_TABLE, View.INTERNET})
"""Views that may be full tables: only what the policy can ask about is held."""


@dataclass(slots=True)
class FeedState:
    """A feed's session and what it has sent."""

    feed: Feed
    session: Session
    rib: AdjRibIn = field(default_factory=AdjRibIn)
    buckets: dict[RouteSet, dict[RouteKey, Route]] = field(default_factory=dict)
    tables: dict[LinkKey, AdjRibIn] = field(default_factory=dict)
    """On an edge table: the routes that each link brought."""
    coverage: dict[LinkKey, ExpectedCoverage] = field(default_factory=dict)
    canary_missing: tuple[Prefix, ...] | None = None
    overflowed_until: float | None = None
    overflow_seconds: float = 0.0
    teardown_at: float | None = None
    losses: RollingCount = field(default_factory=lambda: RollingCount(0, 0.0))
    """When the session was lost."""
    churn: dict[LinkKey, RollingCount] = field(default_factory=dict)
    """When the routes of each link changed."""


@dataclass(slots=True)
class LinkInfo:
    state: LinkState = LinkState.UNKNOWN
    deciders: tuple[str, ...] = ()
    witnesses: tuple[str, ...] = ()
    changed_at: float | None = None
    transitions: int = 0
    """Changes between up and down; unknown between two equal states is no change."""
    known_state: LinkState = LinkState.UNKNOWN
    flaps: RollingCount = field(default_factory=lambda: RollingCount(0, 0.0))
    """When it changed between up and down."""
    baseline: Baseline = field(default_factory=Baseline)


class NetworkFacts:
    """The state of feeds, links and processes. Implements ``checks.subject.Facts``."""

    def __init__(self, config: Config, now: float) -> None:
        self.config = config
        self.now = now
        self.feeds = {
            name: FeedState(feed, Session(feed), losses=_rolling(config, "feed-flapping", "losses"))
            for name, feed in sorted(config.feeds.items())
        }
        self.links: dict[tuple[LinkKey, Family], LinkInfo] = {
            (link.key, family): LinkInfo(flaps=_rolling(config, "link-flapping", "changes"))
            for link in config.links
            for family in link.families
        }
        self.drains = {link.key: DrainLatch() for link in config.links}
        self.processes: dict[str, bool | None] = dict.fromkeys(config.processes)
        self.sources: dict[str, str] = {}
        """What is wrong with each published list that was tried; empty where nothing is."""
        self.storage: str | None = None
        """Why nothing can be kept over a restart, if so."""
        self.differences: dict[tuple[str, Family], set[Prefix]] = {}
        """By circuit and family: the prefixes that only some of its links bring."""
        self.advertised_differences: dict[tuple[str, Family], set[Prefix]] = {}
        """By circuit and family: the prefixes that only some of its links' mirrors show."""
        self.dirty: set[Topic] = set()
        """What has changed since the verdicts were last asked for."""

    def up(self, feed: str) -> bool:
        return self.feeds[feed].session.up

    def in_sync(self, feed: str, family: Family) -> bool:
        state = self.feeds[feed]
        sync = state.session.families.get(family)
        if sync is None or not sync.complete:
            return False
        return all(canary.family != family for canary in state.canary_missing or ())

    def all_paths(self, feed: str, family: Family) -> bool:
        return self.feeds[feed].session.all_paths(family)

    def received_any(self, feed: str, family: Family) -> bool:
        state = self.feeds[feed]
        if state.rib.count(family):
            return True
        return state.feed.view in FILTERED_VIEWS and state.session.families[family].received

    def end_of_rib(self, feed: str) -> bool | None:
        session = self.feeds[feed].session
        if not session.up or session.joined:
            return None
        waiting = [sync for sync in session.families.values() if not sync.end_of_rib_seen]
        if not waiting:
            return True
        overdue = session.timeout_at(self.config.collector)
        return False if overdue is not None and self.now >= overdue else None

    def down_reason(self, feed: str) -> str:
        return self.feeds[feed].session.down_reason

    def loss(self, feed: str) -> str | None:
        return self.feeds[feed].session.loss

    def overflowed(self, feed: str) -> bool:
        return self.feeds[feed].overflowed_until is not None

    def canary_missing(self, feed: str) -> tuple[Prefix, ...] | None:
        return self.feeds[feed].canary_missing

    def process_up(self, process: str) -> bool | None:
        return self.processes[process]

    def source_problem(self, source: str) -> str | None:
        return self.sources.get(source)

    def storage_problem(self) -> str | None:
        return self.storage

    def matching(self, feed: str, bucket: RouteSet) -> Mapping[RouteKey, Route]:
        return self.feeds[feed].buckets.get(bucket, {})

    def link_state(self, link: LinkKey, family: Family) -> LinkState:
        return self.links[link, family].state

    def deciders(self, link: LinkKey, family: Family) -> tuple[str, ...]:
        return self.links[link, family].deciders

    def witnesses(self, link: LinkKey, family: Family) -> tuple[str, ...]:
        return self.links[link, family].witnesses

    def prefix_count(self, link: LinkKey, family: Family) -> int:
        tables = [self.feeds[name].tables[link] for name in self.witnesses(link, family)]
        if len(tables) == 1:
            return tables[0].prefix_count(family)
        return len({prefix for table in tables for prefix in table.prefixes(family)})

    def uncovered(self, feed: str, link: LinkKey) -> Collection[Prefix]:
        return self.feeds[feed].coverage[link].uncovered

    def covers(self, feed: str, prefix: Prefix) -> bool:
        return self.feeds[feed].rib.covers(prefix)

    def covering(self, feed: str, prefix: Prefix) -> Iterable[Route]:
        return self.feeds[feed].rib.covering(prefix)

    def inside(self, feed: str, prefix: Prefix) -> Iterable[Route]:
        return self.feeds[feed].rib.inside(prefix)

    def one_sided(self, circuit: str, family: Family) -> Collection[Prefix]:
        return self.differences.get((circuit, family), set())

    def advertised_one_sided(self, circuit: str, family: Family) -> Collection[Prefix]:
        return self.advertised_differences.get((circuit, family), set())

    def draining(self, link: LinkKey) -> bool:
        return self.drains[link].draining(self.now, self.config.policy.max_drain)

    def link_flaps(self, link: LinkKey, family: Family) -> bool:
        return self.links[link, family].flaps.exceeded(self.now)

    def feed_flaps(self, feed: str) -> bool:
        return self.feeds[feed].losses.exceeded(self.now)

    def churns(self, feed: str, link: LinkKey) -> bool:
        return self.feeds[feed].churn[link].exceeded(self.now)

    def usual_count(self, link: LinkKey, family: Family) -> float | None:
        return self.links[link, family].baseline.median(self.now)

    def learn_count(self, link: LinkKey, family: Family, count: int | None) -> None:
        baseline = self.links[link, family].baseline
        if count is None:
            baseline.stop(self.now)
        else:
            baseline.learn(count, self.now)


def _rolling(config: Config, check: str, limit: str) -> RollingCount:
    """Count what a check allows ``limit`` of within its ``window``."""
    return RollingCount(int(parameter(config, check, limit)), parameter(config, check, "window"))
