"""Carries each route change to everything that is kept by prefix, in proportion to what it touches.

From the Adj-RIB-In a change goes to the buckets that the checks look into, to the table of the link that
brought it, to the comparison of a circuit's links, and to what counts as a Microsoft route elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ermon.checks.attribution import Attribution, Attributor, has_microsoft_asn
from ermon.checks.parameters import parameter
from ermon.checks.subject import (
    MICROSOFT,
    Classifier,
    RouteSet,
    feed_topic,
    missing_topic,
    routes_topic,
    table_topic,
)
from ermon.core.asymmetry import PrefixAsymmetry, advertised_sides, received_sides
from ermon.core.coverage import ExpectedCoverage
from ermon.core.facts import FILTERED_VIEWS, FeedState, NetworkFacts
from ermon.core.learned import LearnedPrefixes
from ermon.core.rib import AdjRibIn, RouteChange
from ermon.core.rolling import RollingCount
from ermon.model.inventory import Config, Feed, LinkKey, Peering, View
from ermon.model.prefixes import Family, PrefixSet
from ermon.model.routes import BLACKHOLE, Route, RouteKey

_HEARS_MICROSOFT_ROUTES = frozenset({View.TO_MICROSOFT, View.TO_INTERNET, View.SEGMENT})


class RouteIndex:
    """Sorts the routes of all feeds. Marks in ``known.dirty`` what has changed."""

    def __init__(self, known: NetworkFacts, selectors: Mapping[str, Classifier]) -> None:
        config = known.config
        self.known = known
        self.brought = LearnedPrefixes()
        self.unsettled_links: set[tuple[LinkKey, Family]] = set()
        """Links that began or ceased to have routes on a feed."""
        self.touched_drains: set[LinkKey] = set()
        """Links whose routes have changed."""
        self.churning: set[tuple[str, LinkKey]] = set()
        """Feeds and links on which more routes have changed than is fine."""
        self.received = PrefixAsymmetry(known, "received", known.differences, received_sides)
        self.advertised = PrefixAsymmetry(known, "advertised", known.advertised_differences, advertised_sides)
        self.touched_canaries: set[str] = set()
        """Feeds on which a route that overlaps a canary came or went."""
        self.watched = {name: watched_space(config, state.feed) for name, state in known.feeds.items()}
        self._selectors = selectors
        self._attributor = Attributor(config)
        self.microsoft_links = frozenset(
            link.key for link in config.links if config.circuits[link.circuit].peering is Peering.MICROSOFT
        )
        self._ours = PrefixSet(config.our_space)
        for state in known.feeds.values():
            self._add_link_tables(state)

    def _add_link_tables(self, state: FeedState) -> None:
        if state.feed.view is not View.EDGE_TABLE:
            return
        per_minute = int(parameter(self.known.config, "churn-high", "per_minute"))
        for key, link in ((link.key, link) for link in self.known.config.links):
            state.tables[key] = AdjRibIn()
            state.churn[key] = RollingCount(per_minute, 60.0)
            expected = self.known.config.circuits[link.circuit].receive.prefixes
            families = link.families
            state.coverage[key] = ExpectedCoverage(
                {e.prefix for e in expected if e.prefix.family in families}, state.tables[key]
            )

    # Announcements and withdrawals -------------------------------------------------------------------

    def announce(self, state: FeedState, routes: Iterable[Route]) -> None:
        """Take the announced routes of an UPDATE in."""
        for route, attribution, theirs in self._attributed(state, routes):
            if theirs or self._holds(state, route):
                change = state.rib.announce(route)
            else:
                change = state.rib.withdraw(route.key)
            if change:
                self._route_changed(state, change, attribution)

    def withdraw(self, state: FeedState, keys: Iterable[RouteKey]) -> None:
        for key in keys:
            if change := state.rib.withdraw(key):
                self._route_changed(state, change, None)

    def flush(self, state: FeedState) -> None:
        """Drop every route of a feed: its session is over."""
        for change in state.rib.flush():
            self._route_changed(state, change, None)

    def _attributed(
        self, state: FeedState, routes: Iterable[Route]
    ) -> Iterator[tuple[Route, Attribution, bool]]:
        """Yield the routes of an UPDATE, which share their attributes, with what brought them, and whether
        they are Microsoft's on a feed that is not held whole.
        """
        attributes: object = None
        attribution: Attribution = None
        theirs = False
        for route in routes:
            if route.attributes is not attributes:
                attributes = route.attributes
                attribution = self._attribution(state, route)
                theirs = attribution is not None or (
                    state.feed.view is View.INTERNET and has_microsoft_asn(route.attributes)
                )
            yield route, attribution, theirs

    def _holds(self, state: FeedState, route: Route) -> bool:
        """Tell whether the policy can ask about a route that is not Microsoft's; tables that may be full are
        not held whole.
        """
        return state.feed.view not in FILTERED_VIEWS or self.watched[state.feed.name].overlaps(route.prefix)

    def _attribution(self, state: FeedState, route: Route) -> Attribution:
        if state.feed.view is not View.EDGE_TABLE:
            return None
        return self._attributor.attribute(route.attributes)

    def _route_changed(self, state: FeedState, change: RouteChange, attribution: Attribution) -> None:
        """Carry one change from the Adj-RIB-In to everything that is kept by prefix."""
        name = state.feed.name
        if change.old is not None:
            self._leave_buckets(state, change.old)
        if change.new is not None:
            self._enter_buckets(state, change.new, attribution)
        if state.feed.view is View.EDGE_TABLE:
            self._update_tables(state, change, attribution)
        elif state.feed.view is View.TO_MICROSOFT and state.feed.circuit is not None:
            self.advertised.prefix_changed(state.feed.circuit, change.key[0])
        if state.feed.canary and any(canary.overlaps(change.key[0]) for canary in state.feed.canary):
            self.touched_canaries.add(name)
        if (change.old is None) != (change.new is None) and state.rib.count(change.key[0].family) <= 1:
            self.known.dirty.add(feed_topic(name))

    def _buckets_of(self, state: FeedState, route: Route, attribution: Attribution) -> Iterator[RouteSet]:
        if select := self._selectors.get(state.feed.name):
            yield from select(route, attribution)
        if state.feed.view in _HEARS_MICROSOFT_ROUTES and self.is_microsoft(state.feed.view, route):
            yield RouteSet(MICROSOFT, route.prefix.family)

    def is_microsoft(self, view: View, route: Route) -> bool:
        """Tell whether a route outside the edge tables counts as Microsoft's."""
        prefix = route.prefix
        if prefix.is_default or (view is View.TO_INTERNET and BLACKHOLE in route.attributes.communities):
            return False
        return has_microsoft_asn(route.attributes) or (
            prefix in self.brought and not self._ours.covers(prefix)
        )

    def _enter_buckets(self, state: FeedState, route: Route, attribution: Attribution) -> None:
        for bucket in self._buckets_of(state, route, attribution):
            state.buckets.setdefault(bucket, {})[route.key] = route
            self.known.dirty.add(routes_topic(state.feed.name, bucket))

    def _leave_buckets(self, state: FeedState, route: Route) -> None:
        attribution = self._attribution(state, route)
        buckets = set(self._buckets_of(state, route, attribution))
        # What made it Microsoft's may be gone by now.
        buckets.add(RouteSet(MICROSOFT, route.prefix.family))
        for bucket in buckets:
            if state.buckets.get(bucket, {}).pop(route.key, None) is not None:
                self.known.dirty.add(routes_topic(state.feed.name, bucket))

    def _update_tables(self, state: FeedState, change: RouteChange, attribution: Attribution) -> None:
        """Keep the table of the link that brought the route, and of the one that brought the old one."""
        before = self._attribution(state, change.old) if change.old is not None else None
        if isinstance(before, tuple) and (change.new is None or before != attribution):
            self._change_table(state, before, change.key, None)
        if isinstance(attribution, tuple) and change.new is not None:
            self._change_table(state, attribution, change.key, change.new)

    def _change_table(self, state: FeedState, link: LinkKey, key: RouteKey, new: Route | None) -> None:
        table = state.tables[link]
        prefix = key[0]
        had = prefix in table
        if new is not None:
            table.announce(new)
        else:
            table.withdraw(key)
        has = prefix in table
        name, family = state.feed.name, prefix.family
        self.known.dirty.add(table_topic(name, link, family))
        self.touched_drains.add(link)
        self._count_churn(state, link, family)
        if had == has:
            return
        if link in self.microsoft_links:
            if has:
                self.brought.appeared(link, prefix)
            else:
                self.brought.vanished(link, prefix, self.known.now)
        if state.coverage[link].touched(prefix):
            self.known.dirty.add(missing_topic(name, link))
        if (link, family) in self.known.links:
            if table.prefix_count(family) == int(has):
                self.unsettled_links.add((link, family))
            self.received.prefix_changed(link[0], prefix)

    def _count_churn(self, state: FeedState, link: LinkKey, family: Family) -> None:
        """Count a route change; those of a first dump, and of a session's end, are none."""
        if self.known.in_sync(state.feed.name, family):
            churn = state.churn[link]
            churn.add(self.known.now)
            if churn.exceeded(self.known.now):
                self.churning.add((state.feed.name, link))

    # What counts as Microsoft's ----------------------------------------------------------------------

    def refresh_microsoft(self) -> None:
        """Look again at the routes elsewhere that are inside what links began or ceased to bring."""
        if not self.brought.changed:
            return
        changed, self.brought.changed = self.brought.changed, set()
        for state in self.known.feeds.values():
            if state.feed.view not in _HEARS_MICROSOFT_ROUTES or not len(state.rib):
                continue
            for prefix in changed:
                for route in state.rib.inside(prefix):
                    self._reclassify(state, route)

    def _reclassify(self, state: FeedState, route: Route) -> None:
        bucket = RouteSet(MICROSOFT, route.prefix.family)
        held = state.buckets.setdefault(bucket, {})
        counts = self.is_microsoft(state.feed.view, route)
        if counts != (route.key in held):
            self.known.dirty.add(routes_topic(state.feed.name, bucket))
            if counts:
                held[route.key] = route
            else:
                del held[route.key]


def watched_space(config: Config, feed: Feed) -> PrefixSet:
    """Return the address space that the policy can ask about on a feed that is not held whole."""
    return PrefixSet(
        (
            *config.our_space,
            *config.internet_only,
            *(
                expected.prefix
                for circuit in config.circuits.values()
                for expected in circuit.receive.prefixes
            ),
            *(subnet for link in config.links for subnet in link.subnets),
            *feed.canary,
        )
    )
