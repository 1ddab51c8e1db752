"""Sorts the routes of each feed into the sets that the checks look into.

House rules: what follows from the changes of an event is noted once, by ``follow``, and not at each of its routes.
"""

from __future__ import annotations

from collections.abc import Mapping

from ermon.checks.attribution import Attribution
from ermon.checks.edge_table import SERVICE, VNET
from ermon.checks.internet import INSIDE_POOL
from ermon.checks.mirror import POOL_SPACE
from ermon.checks.subject import Classifier
from ermon.checks.topics import PREPENDED, SHUT, STALE, RouteSet, link_topic, routes_topic
from ermon.core.facts import NetworkFacts
from ermon.core.held_bytes import Shared
from ermon.core.rib import AdjRibIn
from ermon.core.states import FeedState
from ermon.model.inventory import LinkKey
from ermon.model.prefixes import Family
from ermon.model.routes import Route, RouteKey

_SHOW_POOLS = frozenset({POOL_SPACE, INSIDE_POOL})
"""Kinds of sets that are named after a pool, and show where it is seen."""

_COUNTED = frozenset({SERVICE, VNET})
"""Kinds of sets whose prefixes and addresses are counted."""

_TELL_DRAINS = frozenset({PREPENDED, SHUT})

_COMBINATIONS_KEPT = 1_024
"""Combinations of sets of which routes share one value. A router can send any number of them."""


class RouteSets:
    """Fills ``FeedState.route_sets``, and what finds the feeds of a set."""

    def __init__(self, facts: NetworkFacts, classifiers: Mapping[str, Classifier]) -> None:
        self._facts = facts
        self._combinations: dict[tuple[RouteSet, ...], tuple[RouteSet, ...]] = {}
        self._changed: set[RouteSet] = set()
        self.classifiers = classifiers
        """By feed that is sorted."""
        self.pools_changed: set[str] = set()
        """Pools of which a feed shows more or less than before."""

    def enter(
        self, state: FeedState, key: RouteKey, route: Route, attribution: Attribution, shared: Shared
    ) -> None:
        """Sort a route in that the feed has got; ``shared`` is of its attributes."""
        classifier = self.classifiers.get(state.feed.name)
        if classifier is not None:
            for route_set in self._common(classifier, route, attribution, shared):
                self.add(state, route_set, key, route)
            for route_set in classifier.by_route(route, attribution):
                self.add(state, route_set, key, route)

    def leave(self, state: FeedState, key: RouteKey, route: Route, attribution: Attribution) -> None:
        """Sort a route out that the feed has lost."""
        classifier = self.classifiers.get(state.feed.name)
        if classifier is not None:
            shared = state.held.known(route.attributes)
            for route_set in self._common(classifier, route, attribution, shared):
                self.discard(state, route_set, key)
            for route_set in classifier.by_route(route, attribution):
                self.discard(state, route_set, key)

    def _common(
        self, classifier: Classifier, route: Route, attribution: Attribution, shared: Shared
    ) -> tuple[RouteSet, ...]:
        """Return the sets that follow from the path attributes, which are looked at once for all routes that share them."""
        family = route.prefix.family
        by = (classifier, family, attribution)
        if shared.sorted_by != by:
            found = tuple(classifier.by_attributes(route.attributes, family, attribution))
            if len(self._combinations) >= _COMBINATIONS_KEPT:
                self._combinations.clear()
            shared.sorted_by, shared.sets = by, self._combinations.setdefault(found, found)
        return shared.sets

    def touch(self, state: FeedState, key: RouteKey) -> None:
        """Note that what is known of a held route has changed, beside the route itself."""
        self._changed.update(route_set for route_set, held in state.route_sets.items() if key in held)

    def add(self, state: FeedState, route_set: RouteSet, key: RouteKey, route: Route) -> None:
        held = state.route_sets.get(route_set)
        if not held:
            held = self._begin(state, route_set)
        held[key] = route
        if route_set.kind in _COUNTED:
            table = state.counted_sets.get(route_set)
            if table is None:
                table = state.counted_sets[route_set] = AdjRibIn()
            table.announce(route)
        self._changed.add(route_set)

    def _begin(self, state: FeedState, route_set: RouteSet) -> dict[RouteKey, Route]:
        facts = self._facts
        facts.showing.setdefault(route_set, set()).add(state.feed.name)
        if route_set.kind in _TELL_DRAINS and route_set.link is not None:
            facts.drain_sets.setdefault((route_set.link, route_set.family), set()).add(route_set)
        return state.route_sets.setdefault(route_set, {})

    def discard(self, state: FeedState, route_set: RouteSet, key: RouteKey) -> None:
        held = state.route_sets.get(route_set)
        if not held or held.pop(key, None) is None:
            return
        if route_set.kind in _COUNTED:
            state.counted_sets[route_set].withdraw(key)
        if not held:
            self._end(state, route_set)
        self._changed.add(route_set)

    def _end(self, state: FeedState, route_set: RouteSet) -> None:
        del state.route_sets[route_set]
        showing = self._facts.showing[route_set]
        showing.discard(state.feed.name)
        if not showing:
            del self._facts.showing[route_set]
            if route_set.kind in _TELL_DRAINS and route_set.link is not None:
                self._facts.drain_sets[route_set.link, route_set.family].discard(route_set)

    def follow(self, state: FeedState) -> None:
        """Note what follows from the changes of a feed's sets since the last call."""
        if not self._changed:
            return
        changed, self._changed = self._changed, set()
        topics = self._facts.pending.topics
        for route_set in changed:
            topics.add(routes_topic(state.feed.name, route_set))
            if route_set.kind in _SHOW_POOLS:
                self.pools_changed.add(route_set.name)
            if route_set.kind == STALE and route_set.link is not None:
                stale_changed(self._facts, route_set.link, route_set.family)


def stale_changed(facts: NetworkFacts, link: LinkKey, family: Family) -> None:
    """Note that a link has more or fewer routes that its router keeps for a lost neighbor, or others beside them."""
    facts.pending.topics.add(link_topic(link, family))
    if (link, family) in facts.links:
        facts.pending.links.add((link, family))
