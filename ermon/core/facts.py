"""What is known of the network now, and the questions that can be asked about it.

``NetworkFacts`` is both the data and the implementation of ``checks.facts.Facts``. Only ``RouteIndex``, ``Reactor`` and
their parts change it, and they note in ``Pending`` what follows from a change; all other code only reads it.

A network may have a thousand circuits, and one router shows the routes of a few of them. So no table here has an entry
for every pair of link and feed: a table is created with its first route, and the tables of a link are found by the
link.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ermon.checks import redundancy, sight
from ermon.checks.attribution import Unattributed
from ermon.checks.drain import DRAIN_PERCENT, DRAIN_REPEATS
from ermon.checks.edge_table import SERVICE, VNET
from ermon.checks.facts import (
    Acceptance,
    Amount,
    AzureDifferences,
    AzureSight,
    CompareKind,
    Disagreement,
    LinkChanges,
    PeersHaving,
    Preference,
    Registered,
)
from ermon.checks.subject import RouteGroup
from ermon.checks.topics import SHUT, STALE, Counted, GroupKey, RouteSet, Topic
from ermon.core.azure import AzureReadings
from ermon.core.azure_tables import MicrosoftTables
from ermon.core.coverage import ExpectedPrefixes
from ermon.core.drain import DrainMemory, DrainRules, LinkDrain, Marks, PathMarks
from ermon.core.hearing import Hearing
from ermon.core.horizons import OWN, Horizons, Owner, of_links
from ermon.core.levels import Level
from ermon.core.listening import Listening
from ermon.core.maintenance import Coverage
from ermon.core.monitored import OwnSession, own_session
from ermon.core.ownership import OwnershipReadings
from ermon.core.rib import AdjRibIn
from ermon.core.rolling import SpanCount
from ermon.core.session import Session
from ermon.core.sides import SIDES, edge_tables
from ermon.core.states import Awaited, CircuitSight, FeedState, LinkInfo, ProcessState, rolling
from ermon.core.timers import (
    AzureOutdated,
    AzureOverdue,
    AzureTablesOutdated,
    AzureTablesOverdue,
    OwnershipAges,
    ProcessSettles,
    StrangersGone,
    Timer,
)
from ermon.core.wall_clock import WallClock
from ermon.model.findings import LinkState
from ermon.model.inventory import (
    Config,
    ExpectationPeriods,
    Feed,
    Limit,
    LinkFamily,
    LinkKey,
    RoutingTable,
    View,
    VrfFamily,
)
from ermon.model.prefixes import FAMILIES, Family, Prefix, address_count
from ermon.model.routes import Route, RouteKey
from ermon.model.text import utc_text

FILTERED_VIEWS = frozenset({View.EDGE_TABLE, View.INTERNET, View.FROM_INTERNET})
"""Views that may be full tables: only the routes that the policy can ask about are held."""

_DAY_SECONDS, _SPAN_SECONDS = 86_400.0, 600.0
"""`link-flapping` counts the spans of the last day in which a link was lost: the length of the day and of a span."""

_NO_ROUTES = AdjRibIn()
"""Stands for all tables without a route; it is never changed."""


@dataclass(slots=True)
class Pending:
    """What has changed and has not been followed up yet.

    ``Reactor.refresh`` empties these sets in the order of the fields. A step adds only to later sets, never to earlier
    ones; this is why one pass is enough.
    """

    canaries: set[str] = field(default_factory=set)
    """Feeds on which a route that overlaps a canary came or went, or whose session changed."""
    best_paths: set[VrfFamily] = field(default_factory=set)
    """VRFs whose edge tables can prove more or less than before, or whose routes that may hide others have changed."""
    links: set[LinkFamily] = field(default_factory=set)
    """Links that began or ceased to have routes on a feed, or whose feeds can prove more or less than before."""
    drains: set[LinkFamily] = field(default_factory=set)
    """Links and families whose paths have changed."""
    churn: set[tuple[str, LinkKey]] = field(default_factory=set)
    """Feeds and links with more route changes than the limit."""
    mirrors: set[str] = field(default_factory=set)
    """Circuits with a mirror that can prove more or less than before."""
    azure: set[tuple[LinkKey, Prefix]] = field(default_factory=set)
    """Prefixes that feeds began or ceased to show on links of which Microsoft's tables are read."""
    sights: set[LinkFamily] = field(default_factory=set)
    """Links with a feed by BMP, or one that is compared with it, that can prove more or less than before."""
    topics: set[Topic] = field(default_factory=set)
    """Topics that have changed; the monitor judges the verdicts that depend on them again."""


class Expected:
    """The prefixes expected on the circuits and links of a configuration."""

    def __init__(self, config: Config) -> None:
        self.periods: dict[str, ExpectationPeriods] = {}
        self.prefixes: dict[LinkKey, ExpectedPrefixes] = {}
        for name, circuit in config.circuits.items():
            self.periods[name] = ExpectationPeriods(
                circuit.receive.prefixes, complete=circuit.receive.lists_known
            )
            by_families: dict[tuple[Family, ...], ExpectedPrefixes] = {}
            for link in circuit.links.values():
                if link.families not in by_families:
                    prefixes = (item.prefix for item in circuit.receive.prefixes)
                    by_families[link.families] = ExpectedPrefixes(
                        p for p in prefixes if p.family in link.families
                    )
                self.prefixes[link.key] = by_families[link.families]


class NetworkFacts:
    """The state of feeds, links and processes. Implements ``checks.facts.Facts``."""

    def __init__(self, config: Config, now: float) -> None:  # noqa: PLR0915  # one statement a fact
        self.config = config
        self.now = now
        """The time of the event or timer that is being applied. Lines of two processes may come out of order."""
        self.horizons = Horizons(now)
        self.clock = WallClock()
        """The wall clock. Unlike the times of events, it may be set."""
        self._of_links = of_links(config)
        self.pending = Pending()
        self.coverage = Coverage(config, config.maintenance)
        """The maintenance windows and exceptions: at first those of the configuration, later also the booked
        windows.
        """
        self.feeds = {
            name: FeedState(
                feed,
                Session.of(feed.families),
                AdjRibIn(),
                losses=rolling(config, sight.FLAP_LOSSES, sight.FLAP_WINDOW.of(config)),
                hearing=None if feed.ris is None else Hearing(feed.ris.min_peers),
            )
            for name, feed in sorted(config.feeds.items())
        }
        self.links: dict[LinkFamily, LinkInfo] = {
            (link.key, family): LinkInfo(
                flaps=rolling(config, redundancy.FLAP_CHANGES, redundancy.FLAP_WINDOW.of(config)),
                losses=SpanCount(int(redundancy.FLAP_SPANS.of(config)), _DAY_SECONDS, _SPAN_SECONDS),
            )
            for link in config.links
            for family in link.families
        }
        self.drains = {key: LinkDrain() for key in self.links}
        self.drain_rules = DrainRules(
            int(DRAIN_REPEATS.of(config)) - 1, DRAIN_PERCENT.of(config), config.policy.relearn_after
        )
        self.processes = _processes(config)
        self.listening, self.azure_readings = Listening(), AzureReadings(config, now)
        self.sources: dict[str, str] = {}
        """By published list that was tried: what is wrong with it; empty if nothing is."""
        self.ownership = OwnershipReadings(config)
        self.storage: str | None = None
        """Why nothing can be kept over a restart; ``None`` if it can."""
        self.levels: dict[Counted, Level] = {}
        """The usual level of everything that is counted and learned; the plan lists those."""
        self.differences: dict[tuple[str, Family], set[Prefix]] = {}
        """By circuit and family: the prefixes that only some of its links have."""
        self.advertised_differences: dict[tuple[str, Family], set[Prefix]] = {}
        """By circuit and family: the prefixes that only some of its links' mirrors show."""
        self.sight_differences: dict[CompareKind, dict[LinkFamily, set[Prefix]]] = {
            kind: {} for kind in SIDES
        }
        """By kind of comparison, link and family: the prefixes that only one side has."""
        self.failover_gaps: dict[tuple[GroupKey, Family], set[Prefix]] = {}
        """By group of circuits and family: the prefixes that one circuit advertises and no other one covers."""
        self.showing: dict[RouteSet, set[str]] = {}
        """By set of routes: the feeds with a route in it."""
        self.shown_on: dict[LinkFamily, set[str]] = {}
        """By link: the edge tables with a route of the link."""
        self.preferences: dict[tuple[LinkKey, LinkKey, Family], Preference] = {}
        """By two links of a circuit: how the first one compares with the other."""
        self.drain_sets: dict[LinkFamily, set[RouteSet]] = {}
        """By link: the sets of its paths with marks of a drain that are not empty."""
        self.edges_in_sync: dict[Family, set[str]] = {family: set() for family in FAMILIES}
        self.churn_on: dict[LinkKey, set[str]] = {}
        """By link: the edge tables on which changes of its routes are counted."""
        self._expected = Expected(config)
        self.circuits: dict[tuple[str, Family], CircuitSight] = {
            (circuit.name, family): CircuitSight()
            for circuit in config.circuits.values()
            for family in circuit.families
        }
        self.up_in: dict[VrfFamily, set[str]] = {}
        """By VRF: the circuits that have an up link in it."""
        self.out_of_sight = {feeds[0].router for feeds in config.edge_tables.values() if feeds[0].router}
        """Routers without an edge table that is up."""
        self._links_in: dict[RoutingTable, list[LinkFamily]] = {}
        for link in config.links:
            in_table = self._links_in.setdefault(link.table, [])
            in_table += [(link.key, family) for family in link.families]

    # Time --------------------------------------------------------------------------------------------

    def wall(self, time: float) -> float:
        """Return when a time of events was, in terms of the wall clock as it is at ``now``; for display."""
        return self.clock.date(time, self.now)

    def owner_of_timer(self, timer: Timer) -> Owner:
        """Return the processes that must have reported everything up to a timer's time before it may fire."""
        own = (
            ProcessSettles
            | AzureOutdated
            | AzureOverdue
            | AzureTablesOutdated
            | AzureTablesOverdue
            | OwnershipAges
        )
        if isinstance(timer, own):
            return OWN
        if isinstance(timer, StrangersGone):
            process = self.listener_at(timer.local)
        else:
            feed: str | None = getattr(timer, "feed", None)
            if feed is None:
                return self._of_links
            process = self.config.feeds[feed].process
        return OWN if process is None else frozenset((process,))

    @property
    def calendar_now(self) -> float:
        """The time by which windows and dates are judged: the wall clock at ``now``."""
        return self.clock.at(self.now)

    # Sessions ----------------------------------------------------------------------------------------

    def up(self, feed: str) -> bool:
        return self.feeds[feed].session.up

    def in_sync(self, feed: str, family: Family) -> bool:
        return self.dump_over(feed, family) and not self.no_hold(feed) and not self.feeds[feed].session.silent

    def knows(self, feed: str, family: Family, space: Iterable[Prefix]) -> bool:
        asked = self.feeds[feed].asked.get(family)
        return self.in_sync(feed, family) and not (asked is not None and any(map(asked.about, space)))

    def no_hold(self, feed: str) -> bool:
        return self.feeds[feed].session.no_hold

    def dump_over(self, feed: str, family: Family) -> bool:
        """Return whether all routes of the family have come. Unlike ``in_sync``, this does not say that silence proves
        absence.
        """
        state = self.feeds[feed]
        sync, asked = state.session.families.get(family), state.asked.get(family)
        if (
            state.session.unreadable
            or sync is None
            or not sync.complete
            or (asked is not None and asked.everything)
        ):
            return False
        return all(canary.family != family for canary in state.canary_missing or ())

    def complete(self, feed: str) -> bool:
        """Return whether the feed's silence proves absence: it is up, and in sync in every family."""
        return self.up(feed) and all(
            self.in_sync(feed, family) for family in self.config.feeds[feed].families
        )

    def all_paths(self, feed: str, family: Family) -> bool:
        state = self.feeds[feed]
        return state.session.all_paths(state.feed, family)

    def carries_all_paths(self, feed: Feed, family: Family) -> bool:
        """Return whether a feed carries the family with all paths."""
        return family in feed.families and self.all_paths(feed.name, family)

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

    # BMP ---------------------------------------------------------------------------------------------

    def session_report(self, link: LinkKey, family: Family) -> str:
        feed = self.config.sessions.get((link, family))
        if feed is None or feed.name not in self.deciders(link, family):
            return ""
        return self.session_said(feed.name)

    def session_said(self, feed: str) -> str:
        session = self.own_session(feed)
        said = session.reason or str(session.state)
        return said if session.since is None else f"{said} (since {utc_text(self.wall(session.since))})"

    def session_state(self, feed: str) -> LinkState:
        return self.own_session(feed).state

    def session_exists(self, feed: str) -> bool:
        return self.own_session(feed).exists

    def own_session(self, feed: str) -> OwnSession:
        """Return what the router reports by BMP of the session that a feed is made of."""
        state = self.feeds[feed]
        return own_session(state, self.processes[state.feed.process])

    def proves(self, feed: str) -> bool:
        """Return whether a feed shows all that it can: it is in sync; or, of a session that its router reports by BMP, that it is down or
        that there is none. A session that brings routes is enough too, because routers do not say when all have come.
        """
        state = self.feeds[feed]
        if not state.feed.by_bmp or self.complete(feed):
            return self.complete(feed)
        own, session = self.own_session(feed), state.session
        if own.state is LinkState.UP:
            received = all(sync.received for sync in session.families.values())
            return received and not session.damaged and not session.unreadable
        return own.state is LinkState.DOWN or not own.exists

    def still_shown(self, link: LinkKey, family: Family) -> Collection[str]:
        session = self.config.sessions.get((link, family))
        if session is None or session.name not in self.deciders(link, family):
            return ()
        tables = [feed.name for feed in edge_tables(self, link, family)]
        return [
            name for name in tables if self.in_sync(name, family) and self.table(name, link).count(family)
        ]

    def disagreement(self, kind: CompareKind, link: LinkKey, family: Family) -> Disagreement | None:
        sides = SIDES[kind](self, link, family)
        if not sides:
            return None
        prefixes = self.sight_differences[kind].get((link, family), set())
        compared = max(side.prefix_count(family) for side in sides)
        return Disagreement(prefixes, compared, all(side.decided for side in sides))

    def lacking(self, kind: CompareKind, link: LinkKey, prefix: Prefix) -> Collection[str]:
        sides = SIDES[kind](self, link, prefix.family)
        return [side.name for side in sides if side.decided and not side.shows(prefix)]

    def session_reported(self, feed: str) -> bool | None:
        session = self.feeds[feed].session
        if session.up or session.said_down:
            return True
        return session.shown if session.unreported else None

    def routes_unreadable(self, feed: str) -> str:
        return self.feeds[feed].session.unreadable

    def connection_awaited(self, connection: str) -> bool:
        return any(map(self.awaited, self._feeds_of.get(connection, ())))

    def has_statistics(self, connection: str) -> bool:
        state = self.processes[connection]
        return state.up is True and state.has_statistics

    def connected_since(self, connection: str) -> float | None:
        """Return when the present BMP connection began; ``None`` if there is none."""
        state = self.processes[connection]
        return state.connected_at if state.up else None

    @cached_property
    def _feeds_of(self) -> Mapping[str, Collection[str]]:
        """By process: its feeds."""
        found: dict[str, list[str]] = {}
        for name, state in self.feeds.items():
            found.setdefault(state.feed.process, []).append(name)
        return found

    @cached_property
    def feeds_at(self) -> Mapping[str, Collection[str]]:
        """By local address of ermon: the feeds whose routers connect there."""
        found: dict[str, list[str]] = {}
        for name, state in self.feeds.items():
            if not state.feed.by_bmp:
                found.setdefault(state.feed.local, []).append(name)
        return found

    def listener_at(self, local: str) -> str | None:
        """Return the process that listens on a local address; ``None`` if no feed uses it."""
        feed = next(iter(self.feeds_at.get(local, ())), None)
        return None if feed is None else self.config.feeds[feed].process

    def listening_problem(self, feed: str) -> str:
        return self.listening.problems.get(self.feeds[feed].feed.local, "")

    def strangers(self, feed: str) -> Collection[str]:
        return self.listening.strangers.get(self.feeds[feed].feed.local, ())

    def loss(self, feed: str) -> str | None:
        return self.feeds[feed].session.loss

    def overflowed(self, feed: str) -> Limit | None:
        state = self.feeds[feed]
        if state.overflowed_until is None:
            return None
        return state.overflowed_by or "max_routes"  # recordings made when there was no other limit

    def canary_missing(self, feed: str) -> tuple[Prefix, ...] | None:
        return self.feeds[feed].canary_missing

    def feed_flaps(self, feed: str) -> bool:
        return self.feeds[feed].losses.exceeded(self.now)

    def awaited(self, feed: str) -> bool:
        state = self.feeds[feed]
        return state.awaited_until is not None and not state.session.up

    def sessions_awaited(self, process: str) -> Collection[str]:
        names = self._feeds_of.get(process, ())
        return [name for name in names if self.feeds[name].awaited is Awaited.BACK and self.awaited(name)]

    def process_up(self, process: str) -> bool | None:
        state = self.processes[process]
        return False if state.silent else state.up

    def process_problem(self, process: str) -> str:
        return self.processes[process].problem

    def process_restless(self, process: str) -> bool:
        return self.processes[process].runs.restless(self.now)

    def source_problem(self, source: str) -> str | None:
        return self.sources.get(source)

    def registered(self, source: str) -> Registered | None:
        return self.ownership.registered(source, self.now, self.clock)

    def azure(self, circuit: str) -> AzureSight | None:
        return self.azure_readings.sight(circuit, self.now, self.wall)

    def azure_reading_overdue(self, circuit: str) -> bool | None:
        return self.azure_readings.overdue(circuit, self.now)

    def azure_reading_problem(self, circuit: str) -> str:
        return self.azure_readings.problem(circuit, self.wall)

    def named_since(self, circuit: str, prefix: Prefix) -> float:
        return self.azure_readings.named[circuit, prefix]

    def storage_problem(self) -> str | None:
        return self.storage

    # Microsoft's tables --------------------------------------------------------------------------------

    @cached_property
    def microsoft(self) -> MicrosoftTables:
        """What the tables of Microsoft's edge routers say."""
        return MicrosoftTables(self)

    def azure_accepts(self, link: LinkKey, prefix: Prefix) -> Acceptance:
        return self.microsoft.accepts(link, prefix)

    def azure_differences(self, link: LinkKey, family: Family) -> AzureDifferences | None:
        up = self.link_state(link, family) is LinkState.UP
        return self.microsoft.differences(link, family) if up else None

    def azure_rows(self, link: LinkKey, prefixes: Iterable[Prefix]) -> Collection[str]:
        return self.microsoft.rows(link, prefixes)

    def azure_overdue(self, link: LinkKey) -> bool | None:
        return self.microsoft.overdue(link)

    def azure_problem(self, link: LinkKey) -> str:
        return self.microsoft.problem(link)

    def microsofts_side(self, link: LinkKey, family: Family) -> str:
        return self.microsoft.side(link, family)

    # Routes ------------------------------------------------------------------------------------------

    def matching(self, feed: str, route_set: RouteSet) -> Mapping[RouteKey, Route]:
        return self.feeds[feed].route_sets.get(route_set, {})

    def peers_having(self, feed: str, prefix: Prefix) -> PeersHaving | None:
        hearing = self.feeds[feed].hearing
        if hearing is None:
            return None
        return PeersHaving(hearing.peers(prefix), hearing.memory(prefix).most, hearing.is_stuck(prefix))

    def feeds_showing(self, route_set: RouteSet) -> Collection[str]:
        return self.showing.get(route_set, ())

    def covers(self, feed: str, prefix: Prefix) -> bool:
        state = self.feeds[feed]
        return state.rib.covers(prefix) if state.hearing is None else state.hearing.covers(prefix)

    def covering(self, feed: str, prefix: Prefix) -> Iterable[Route]:
        return self._heard(feed, self.feeds[feed].rib.covering(prefix))

    def inside(self, feed: str, prefix: Prefix) -> Iterable[Route]:
        return self._heard(feed, self.feeds[feed].rib.inside(prefix))

    def _heard(self, feed: str, routes: Iterable[Route]) -> Iterable[Route]:
        """Return the routes to prefixes that count as heard; those of feeds that are not RIPE's all do."""
        hearing = self.feeds[feed].hearing
        return routes if hearing is None else (route for route in routes if hearing.is_heard(route.prefix))

    # Links -------------------------------------------------------------------------------------------

    def table(self, feed: str, link: LinkKey) -> AdjRibIn:
        """Return the routes of a link on an edge table; the caller must not change them."""
        return self.feeds[feed].tables.get(link, _NO_ROUTES)

    def links_beside(self, feed: Feed) -> Iterable[LinkFamily]:
        """Return the links that a feed decides on: those of the router and VRF whose edge table it shows, or the one whose session it
        is; none if the feed has another view.
        """
        if feed.view is View.EDGE_TABLE:
            return self._links_in.get(feed.table, ())
        if feed.shows_links and feed.link_key is not None:
            return [(feed.link_key, family) for family in feed.families]
        return ()

    def up_circuits(self, vrf: str | None, family: Family) -> Collection[str]:
        return self.up_in.get((vrf, family), ())

    def in_first_dump(self, circuit: str, family: Family) -> bool:
        collector, lost_at = self.config.collector, self.circuits[circuit, family].lost_at
        if lost_at is None or self.now >= round(lost_at + collector.sync_timeout, 6):
            return False
        links = [link for link in self.config.circuits[circuit].links.values() if family in link.families]
        tables = {feed.name for link in links for feed in self.config.eyes_of(link)}
        return any(
            self.feeds[name].session.in_first_dump(family, self.now, collector)
            or ((asked := self.feeds[name].asked.get(family)) is not None and asked.everything)
            for name in tables
        )

    def routers_out_of_sight(self) -> Collection[str]:
        return self.out_of_sight

    def routers_awaited(self) -> Collection[str]:
        tables = (feed for feeds in self.config.edge_tables.values() for feed in feeds)
        return {
            feed.router for feed in tables if feed.router in self.out_of_sight and self.awaited(feed.name)
        }

    def stale_routes(self, link: LinkKey, family: Family) -> int:
        return sum(self.stale_on(feed, link, family) for feed in self.witnesses(link, family))

    def stale_on(self, feed: str, link: LinkKey, family: Family) -> int:
        """The same for one edge table."""
        return len(self.matching(feed, RouteSet(STALE, family, link=link)))

    def shows_fresh(self, feed: str, link: LinkKey, family: Family) -> bool:
        """Return whether an edge table has a route of the link that is not stale (kept by the router for a lost
        neighbor).
        """
        return self.table(feed, link).count(family) > self.stale_on(feed, link, family)

    def seen(self, family: Family) -> bool:
        return bool(self.edges_in_sync[family])

    def has_link(self, link: LinkKey) -> bool:
        circuit = self.config.circuits.get(link[0])
        return circuit is not None and link[1] in circuit.links

    def link_state(self, link: LinkKey, family: Family) -> LinkState:
        return self.links[link, family].state

    def state_awaited(self, link: LinkKey, family: Family) -> bool:
        return self.links[link, family].awaited_until is not None

    def last_known_state(self, link: LinkKey, family: Family) -> LinkState:
        return self.links[link, family].known_state

    def lately_returned(self, link: LinkKey, family: Family) -> bool:
        ends = self.failover_grace_ends(link, family)
        return ends is not None and self.now < ends

    def failover_grace_ends(self, link: LinkKey, family: Family) -> float | None:
        """Return until when failover pools may still be on the internet after the link came up; ``None`` if it never
        did.
        """
        returned_at = self.links[link, family].returned_at
        return None if returned_at is None else round(returned_at + self.config.policy.failover_grace, 6)

    def deciders(self, link: LinkKey, family: Family) -> tuple[str, ...]:
        return self.links[link, family].deciders

    def witnesses(self, link: LinkKey, family: Family) -> tuple[str, ...]:
        return self.links[link, family].witnesses

    def strays(self, link: LinkKey, family: Family) -> Mapping[Unattributed, int]:
        found: dict[Unattributed, int] = {}
        for feed in self.config.tables_of(self.config.link(link)):
            for why, routes in self.strays_on(feed.name, link, family).items():
                found[why] = found.get(why, 0) + routes
        return found

    def strays_on(self, feed: str, link: LinkKey, family: Family) -> Mapping[Unattributed, int]:
        """The same for one edge table."""
        counts = self.feeds[feed].strays.counts(family)
        return {why: routes for why, routes in counts.items() if not why.on_links or link in why.on_links}

    def prefix_count(self, link: LinkKey, family: Family) -> int:
        tables = [self.table(name, link) for name in self.witnesses(link, family)]
        if len(tables) == 1:
            return tables[0].prefix_count(family)
        return len({prefix for table in tables for prefix in table.prefixes(family)})

    def expectations(self, circuit: str) -> ExpectationPeriods:
        return self._expected.periods[circuit]

    def expected(self, link: LinkKey) -> ExpectedPrefixes:
        """Return the prefixes expected on a link at any time, in its families."""
        return self._expected.prefixes[link]

    def expect(self, config: Config, expected: Expected) -> None:
        """Change to a configuration that differs only in its published lists, and to the prefixes that it expects."""
        self.config = config
        self._expected = expected

    def uncovered(self, feed: str, link: LinkKey) -> Collection[Prefix]:
        coverage = self.feeds[feed].coverage.get(link)
        return self.expected(link).prefixes if coverage is None else coverage.uncovered

    def one_sided(self, circuit: str, family: Family) -> Collection[Prefix]:
        return self.differences.get((circuit, family), set())

    def lacks(self, link: LinkKey, prefix: Prefix) -> bool:
        info = self.links.get((link, prefix.family))
        if info is None or info.state is not LinkState.UP or not info.deciders:
            return False
        return not any(prefix in self.table(feed, link) for feed in info.witnesses)

    def advertised_one_sided(self, circuit: str, family: Family) -> Collection[Prefix]:
        return self.advertised_differences.get((circuit, family), set())

    def mirrors_lack(self, link: LinkKey, prefix: Prefix) -> bool:
        mirrors = (feed.name for feed in self.config.mirrors.get(link, ()))
        tables = [self.feeds[name].rib for name in mirrors if self.in_sync(name, prefix.family)]
        return bool(tables) and not any(prefix in table for table in tables)

    def without_failover(self, group: GroupKey, family: Family) -> Collection[Prefix]:
        return self.failover_gaps.get((group, family), set())

    def draining(self, link: LinkKey, family: Family) -> bool:
        return self.drains[link, family].since is not None

    def drain_overdue(self, link: LinkKey, family: Family) -> bool:
        return self.drains[link, family].overdue(self.now, self.config.policy.max_drain)

    def was_drained(self, link: LinkKey, since: float) -> None:
        """Restore a drain from its finding alone, for files from before drains had families. The usual number of 12076
        is taken to be one, because the finding says that the link is drained.
        """
        for family in FAMILIES:
            drain = self.drains.get((link, family))
            if drain is not None and drain.usual is None:
                drain.restore(DrainMemory(since=since, usual=1))
                self.pending.drains.add((link, family))

    def shown_draining(self, link: LinkKey, family: Family) -> bool:
        """Return whether the link is shown as draining. A link that has been silent for longer than ``max_drain`` is
        not.
        """
        return self.drains[link, family].shown(self.now, self.config.policy.max_drain)

    def preference_feed(self, link: LinkKey, family: Family) -> str | None:
        """Return the feed whose LOCAL_PREF counts for a link: iBGP alone carries it (RFC 4271 section 5.1.5)."""
        if (link, family) not in self.links:
            return None
        feeds = self.config.feeds
        names = (n for n in self.deciders(link, family) if feeds[n].local_asn == feeds[n].peer_asn)
        return next(names, None)

    def preference(self, link: LinkKey, other: LinkKey, family: Family) -> Preference | None:
        shown = self.preference_feed(link, family), self.preference_feed(other, family)
        if None in shown:
            return None
        if len({self.config.feeds[name].peer_asn for name in shown if name is not None}) > 1:
            return None
        return self.preferences.get((link, other, family), Preference())

    def drained_paths(self, link: LinkKey) -> Collection[Route]:
        return RouteGroup(
            self.matching(feed, route_set)
            for family in FAMILIES
            for route_set in self._drained_sets(link, family)
            for feed in sorted(self.feeds_showing(route_set))
        )

    def _drained_sets(self, link: LinkKey, family: Family) -> list[RouteSet]:
        known = self.drains.get((link, family))
        if known is None:
            return []
        threshold = (known.usual or 0) + self.drain_rules.extra
        found = self.drain_sets.get((link, family), ())
        return sorted(one for one in found if one.kind == SHUT or int(one.name) >= threshold)

    def path_marks(self, link: LinkKey, family: Family) -> PathMarks:
        """Count the paths of a link on the feeds in sync by their marks of a drain."""
        return PathMarks(
            self._marks(feed, link, family)
            for feed in self.shown_on.get((link, family), ())
            if self.in_sync(feed, family)
        )

    def _marks(self, feed: str, link: LinkKey, family: Family) -> Counter[Marks]:
        marks = Counter[Marks](
            {
                (int(one.name), one.kind == SHUT): len(self.matching(feed, one))
                for one in self.drain_sets.get((link, family), ())
            }
        )
        marks[1, False] = self.table(feed, link).count(family) - marks.total()
        return marks

    def link_flaps(self, link: LinkKey, family: Family) -> bool:
        info = self.links[link, family]
        return info.flaps.exceeded(self.now) or info.losses.exceeded(self.now)

    def link_changes(self, link: LinkKey, family: Family) -> LinkChanges:
        info = self.links[link, family]
        return LinkChanges(info.flaps.count(self.now), info.losses.count(self.now))

    def churning(self, link: LinkKey) -> Collection[str]:
        counted = self.churn_on.get(link, ())
        return [feed for feed in sorted(counted) if self.feeds[feed].churn[link].exceeded(self.now)]

    def route_changes(self, feed: str, link: LinkKey) -> int:
        churn = self.feeds[feed].churn.get(link)
        return 0 if churn is None else churn.count(self.now)

    # What is counted ---------------------------------------------------------------------------------

    def amount(self, counted: Counted) -> Amount:
        family = counted.family
        tables = self._counted_tables(counted)
        if len(tables) == 1:
            return Amount(tables[0].prefix_count(family), float(tables[0].addresses(family)))
        prefixes = {prefix for table in tables for prefix in table.prefixes(family)}
        return Amount(len(prefixes), float(address_count(prefixes)))

    def amount_known(self, counted: Counted) -> bool:
        """Return whether the amount is complete; otherwise it is a lower bound."""
        if counted.kind == "advertised":
            return bool(self._counted_tables(counted))
        return (counted.link, counted.family) in self.links and bool(
            self.deciders(counted.link, counted.family)
        )

    def _counted_tables(self, counted: Counted) -> list[AdjRibIn]:
        kind, link, family, service = counted
        if kind == "advertised":
            mirrors = (feed.name for feed in self.config.mirrors.get(link, ()))
            return [self.feeds[name].rib for name in mirrors if self.in_sync(name, family)]
        if kind == "vnets":
            vnets = RouteSet(VNET, family, link=link)
            return [self.feeds[name].counted_sets[vnets] for name in self.feeds_showing(vnets)]
        witnesses = self.witnesses(link, family)
        if kind == "received":
            return [self.table(name, link) for name in witnesses]
        route_set = RouteSet(SERVICE, family, service, link)
        return [self.feeds[name].counted_sets.get(route_set, _NO_ROUTES) for name in witnesses]

    def usual(self, counted: Counted) -> Amount | None:
        level = self.levels.get(counted)
        return None if level is None else level.usual(self.now)


def _processes(config: Config) -> dict[str, ProcessState]:
    """Return what carries the feeds. ermon itself connects to RIPE, so nothing else needs to run for that."""
    return {
        **{process: ProcessState() for process in config.processes},
        **{connection: ProcessState(is_connection=True) for connection in config.connections},
        **{feed.process: ProcessState(up=True) for feed in config.ris_feeds.values()},
    }
