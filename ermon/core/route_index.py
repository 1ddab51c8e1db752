"""Applies each route change to everything that is kept by prefix, in proportion to what it touches.

From the Adj-RIB-In a change goes to the sets that the checks look into, to the table of the link that the route came
over, to the comparison of a circuit's links, and to the routes of other views that count as Microsoft's. What follows
from it is noted in ``facts.pending``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from ermon.bgp.interest import Interest
from ermon.checks.attribution import Attribution, Attributor, Unattributed, has_microsoft_asn
from ermon.checks.catalogue import classifiers as classifiers_of
from ermon.checks.edge_table import SERVICE, VNET
from ermon.checks.elsewhere import MicrosoftElsewhere
from ermon.checks.facts import CompareKind
from ermon.checks.internet import INSIDE_POOL
from ermon.checks.mirror import POOL_SPACE
from ermon.checks.received import CHANGES_PER_MINUTE
from ermon.checks.subject import Classifier
from ermon.checks.topics import (
    MICROSOFT,
    PREPENDED,
    SHUT,
    STALE,
    RouteSet,
    content_topic,
    difference_topic,
    link_topic,
    missing_topic,
    routes_topic,
    sight_topic,
    table_topic,
)
from ermon.core.asymmetry import Comparison, advertised_tables, received_tables
from ermon.core.best_paths import BestPaths
from ermon.core.churn import Churn
from ermon.core.coverage import ExpectedCoverage
from ermon.core.facts import FILTERED_VIEWS, Expected, NetworkFacts
from ermon.core.failover import Failover
from ermon.core.hearing import Hearing
from ermon.core.learned import LearnedPrefixes
from ermon.core.preference import LinkPreferences
from ermon.core.rib import AdjRibIn, RouteChange
from ermon.core.sides import SIDES
from ermon.core.states import FeedState
from ermon.model.communities import MICROSOFT_ASN
from ermon.model.inventory import Config, Feed, LinkKey, Receive, View
from ermon.model.prefixes import Family, Prefix, PrefixIndex, PrefixSet
from ermon.model.routes import Attributes, Route, RouteKey

_HEARS_MICROSOFT_ROUTES = frozenset({View.TO_MICROSOFT, View.TO_INTERNET, View.SEGMENT})

_FULL_TABLES = frozenset({View.INTERNET, View.FROM_INTERNET})

_SHOW_POOLS = frozenset({POOL_SPACE, INSIDE_POOL})
"""Kinds of sets that are named after a pool, and show where it is seen."""

_COUNTED = frozenset({SERVICE, VNET})
"""Kinds of sets whose prefixes and addresses are counted, one route at a time."""
_TELL_DRAINS = frozenset({PREPENDED, SHUT})

CHURN_SECONDS = 60.0
"""``churn-high`` counts route changes in a minute."""


class Expectations:
    """What follows from a configuration that differs from another only in its published lists.

    The subjects stay the same; their judges ask the facts which prefixes are expected.
    """

    def __init__(self, before: Config, after: Config) -> None:
        self.config = after
        self.classifiers = classifiers_of(after)
        self.watched = watched_space(after)
        self.circuits = frozenset(
            name
            for name, circuit in after.circuits.items()
            if _expects(circuit.receive) != _expects(before.circuits[name].receive)
        )
        """The circuits that expect other prefixes than before."""
        self.expected = Expected(after)


def _expects(receive: Receive) -> tuple[object, ...]:
    return receive.prefixes, receive.lists_known


class RouteIndex:
    """Sorts the routes of all feeds."""

    def __init__(self, facts: NetworkFacts, classifiers: Mapping[str, Classifier]) -> None:
        config = facts.config
        self.facts = facts
        self.received = Comparison(
            facts, facts.differences, received_tables, partial(difference_topic, "received")
        )
        self.advertised = Comparison(
            facts, facts.advertised_differences, advertised_tables, partial(difference_topic, "advertised")
        )
        self.sights: Mapping[CompareKind, Comparison[LinkKey]] = {
            kind: Comparison(facts, facts.sight_differences[kind], sides, partial(sight_topic, kind))
            for kind, sides in SIDES.items()
        }
        self._by_bmp = frozenset(feed.link_key for feed in config.feeds.values() if feed.by_bmp)
        """The links whose routers report their sessions."""
        self.failover = Failover(facts)
        self.preferences = LinkPreferences(facts)
        self.watched = watched_space(config)
        """The address space that the policy can ask about on a feed that is held in part, without its own canaries."""
        self._classifiers = classifiers
        self.attributor = Attributor(config)
        self._elsewhere = MicrosoftElsewhere(config)
        self.learned = LearnedPrefixes(self._elsewhere.tells)
        self.best_paths = BestPaths(facts, self.learned)
        self.pools_changed: set[str] = set()
        """Pools of which a feed shows more or less than before."""
        self._heard: PrefixIndex[set[str]] = PrefixIndex()
        """By prefix: the feeds that have it and that may receive Microsoft's routes. There is a mirror for each link,
        and only a few of them have a given prefix, so this saves a search through all.
        """

    # Announcements and withdrawals -------------------------------------------------------------------

    def announce(self, state: FeedState, routes: Iterable[Route]) -> None:
        """Apply the announced routes of an UPDATE."""
        for route, attribution, theirs in self._attributed(state, routes):
            held = theirs or self._holds(state, route)
            if state.feed.view is View.EDGE_TABLE:
                self._pass_over(state, route.key, held=held)
            change = state.rib.announce(route) if held else state.rib.withdraw(route.key)
            if change:
                self._route_changed(state, change, attribution)

    def withdraw(self, state: FeedState, keys: Iterable[RouteKey]) -> None:
        for key in keys:
            if state.passed_over:
                self._pass_over(state, key, held=True)
            if change := state.rib.withdraw(key):
                self._route_changed(state, change, None)

    def flush(self, state: FeedState) -> None:
        """Drop every route of a feed: its session is over."""
        state.passed_over.clear()
        state.interest = None
        for change in state.rib.flush():
            self._route_changed(state, change, None)

    def _pass_over(self, state: FeedState, key: RouteKey, *, held: bool) -> None:
        """Note whether an edge table has a route that is not held: among best paths, it may hide another."""
        family = key[0].family
        changes = self.best_paths.may_hide(state.feed, key[0])
        if held:
            state.passed_over.discard(key)
        elif self.facts.carries_all_paths(state.feed, family):
            changes |= not state.passed_over.unsure(family)
            state.passed_over.forget(family)
        else:
            state.passed_over.add(key)
        if changes:
            self.facts.pending.best_paths.add((state.feed.vrf, family))

    def let_go_of_passed_over(self, state: FeedState, family: Family) -> None:
        """Note the end of a refresh: routes that are not held and were not sent again are gone, and hide nothing."""
        state.passed_over.refresh_ended(family)
        if state.feed.view is View.EDGE_TABLE:
            self.facts.pending.best_paths.add((state.feed.vrf, family))

    def _attributed(
        self, state: FeedState, routes: Iterable[Route]
    ) -> Iterator[tuple[Route, Attribution, bool]]:
        """Yield the routes of an UPDATE, which share their attributes, each with the link that it came over, and
        whether it is Microsoft's and therefore held even on a feed that is held in part.
        """
        attributes: object = None
        shared = Attributes()
        attribution: Attribution = None
        theirs = False
        each = state.feed.view is View.EDGE_TABLE and self.attributor.of(state.feed).asks_prefix
        for route in routes:
            another = route.attributes is not attributes
            if another:
                attributes, shared = route.attributes, state.held.shared(route.attributes)
            if each or another:
                attribution = self._attribution(state, route)
                theirs = attribution is not None or (
                    state.feed.view in _FULL_TABLES and has_microsoft_asn(route.attributes)
                )
            if shared is not attributes:
                yield Route(route.prefix, route.path_id, shared), attribution, theirs
            else:
                yield route, attribution, theirs

    def _holds(self, state: FeedState, route: Route) -> bool:
        """Return whether to hold a route that is not Microsoft's. Of tables that may be full, only the routes that the
        policy can ask about are held.
        """
        if state.feed.view not in FILTERED_VIEWS or self.watched.overlaps(route.prefix):
            return True
        return any(canary.overlaps(route.prefix) for canary in state.feed.canary)

    def _attribution(self, state: FeedState, route: Route) -> Attribution:
        if state.feed.view is View.EDGE_TABLE:
            return self.attributor.of(state.feed).attribute(route)
        return state.feed.link_key if state.feed.shows_links else None

    def _route_changed(self, state: FeedState, change: RouteChange, attribution: Attribution) -> None:
        """Apply one change of the Adj-RIB-In to everything that is kept by prefix."""
        state.held.changed(change)
        before = self._attribution(state, change.old) if change.old is not None else None
        if state.hearing is None:
            self._sort(state, change, before, attribution)
        else:
            self._hear(state, state.hearing, change)
        if state.feed.view in _HEARS_MICROSOFT_ROUTES:
            self._note_heard(state, change.key[0])
        pending = self.facts.pending
        if state.feed.shows_links:
            self._update_tables(state, change, before, attribution)
        if state.feed.view is View.EDGE_TABLE:
            self._update_strays(state, change, before, attribution)
            self._count_microsofts(state, change, before, attribution)
        elif state.feed.view is View.TO_MICROSOFT and state.feed.circuit is not None:
            self.advertised.prefix_changed(state.feed.circuit, change.key[0])
            self.failover.prefix_changed(state.feed.circuit, change.key[0])
        if state.feed.link_key is not None:
            self._compare_sight(state.feed.link_key, change.key[0])
            self.facts.microsoft.route_changed(state.feed, state.feed.link_key, change.key[0])
        if state.feed.canary and any(canary.overlaps(change.key[0]) for canary in state.feed.canary):
            pending.canaries.add(state.feed.name)
        if (change.old is None) != (change.new is None) and state.rib.count(change.key[0].family) <= 1:
            pending.topics.add(content_topic(state.feed.name))

    def _compare_sight(self, link: LinkKey, prefix: Prefix) -> None:
        if link in self._by_bmp:
            for comparison in self.sights.values():
                comparison.prefix_changed(link, prefix)

    def compare_sights(self, link: LinkKey, family: Family) -> None:
        """Compare all that is seen of a link in two ways again: a feed can now prove more or less than before."""
        if link in self._by_bmp:
            for comparison in self.sights.values():
                comparison.sides_changed(link, family)

    # Sets --------------------------------------------------------------------------------------------

    def _sets_of(self, state: FeedState, route: Route, attribution: Attribution) -> Iterator[RouteSet]:
        if classify := self._classifiers.get(state.feed.name):
            yield from classify(route, attribution)
        if state.feed.view in _HEARS_MICROSOFT_ROUTES and self._is_microsoft(state, route):
            yield RouteSet(MICROSOFT, route.prefix.family)

    def _is_microsoft(self, state: FeedState, route: Route) -> bool:
        return self._elsewhere.is_microsoft(state.feed, route, self.learned.__contains__)

    def _sort(
        self, state: FeedState, change: RouteChange, before: Attribution, attribution: Attribution
    ) -> None:
        if change.old is not None:
            self._leave_sets(state, change.key, change.old, before)
        if change.new is not None:
            self._enter_sets(state, change.key, change.new, attribution)

    def _hear(self, state: FeedState, hearing: Hearing, change: RouteChange) -> None:
        """Sort the routes to a prefix of which a peer of RIPE's tells: none is in a set before enough peers have one."""
        prefix = change.key[0]
        before = hearing.is_heard(prefix)
        hearing.changed(change)
        heard = hearing.is_heard(prefix)
        if change.old is not None:
            self._leave_sets(state, change.key, change.old, None)
        if heard is before:
            for route in (change.new,) if heard and change.new is not None else ():
                self._enter_sets(state, route.key, route, None)
            return
        sort = self._enter_sets if heard else self._leave_sets
        for route in list(state.rib.paths(prefix)):
            sort(state, route.key, route, None)

    def take_stock(self, state: FeedState) -> None:
        """Note after an event of which prefixes only few of the peers are left that had them."""
        if state.hearing is None:
            return
        sync = {} if state.session.unreadable else state.session.families
        complete = [family for family in state.feed.families if family in sync and sync[family].complete]
        for prefix in state.hearing.take_stock(complete):
            for route in state.rib.paths(prefix):
                for route_set in self._sets_of(state, route, None):
                    self._set_changed(state, route_set)

    def _enter_sets(self, state: FeedState, key: RouteKey, route: Route, attribution: Attribution) -> None:
        for route_set in self._sets_of(state, route, attribution):
            self._enter(state, route_set, key, route)

    def _leave_sets(self, state: FeedState, key: RouteKey, route: Route, attribution: Attribution) -> None:
        route_sets = set(self._sets_of(state, route, attribution))
        # The reason why it counted as Microsoft's may be gone by now.
        route_sets.add(RouteSet(MICROSOFT, route.prefix.family))
        for route_set in route_sets:
            self._leave(state, route_set, key)

    def _enter(self, state: FeedState, route_set: RouteSet, key: RouteKey, route: Route) -> None:
        held = state.route_sets.get(route_set)
        if held is None:
            held = state.route_sets[route_set] = {}
        if not held:
            self.facts.showing.setdefault(route_set, set()).add(state.feed.name)
            if route_set.kind in _TELL_DRAINS and route_set.link is not None:
                self.facts.drain_sets.setdefault((route_set.link, route_set.family), set()).add(route_set)
        held[key] = route
        if route_set.kind in _COUNTED:
            table = state.counted_sets.get(route_set)
            if table is None:
                table = state.counted_sets[route_set] = AdjRibIn(counts_addresses=True)
            table.announce(route)
        self._set_changed(state, route_set)

    def _leave(self, state: FeedState, route_set: RouteSet, key: RouteKey) -> None:
        held = state.route_sets.get(route_set)
        if not held or held.pop(key, None) is None:
            return
        if route_set.kind in _COUNTED:
            state.counted_sets[route_set].withdraw(key)
        if not held:
            del state.route_sets[route_set]
            showing = self.facts.showing[route_set]
            showing.discard(state.feed.name)
            if not showing:
                del self.facts.showing[route_set]
                if route_set.kind in _TELL_DRAINS and route_set.link is not None:
                    self.facts.drain_sets[route_set.link, route_set.family].discard(route_set)
        self._set_changed(state, route_set)

    def _set_changed(self, state: FeedState, route_set: RouteSet) -> None:
        self.facts.pending.topics.add(routes_topic(state.feed.name, route_set))
        if route_set.kind in _SHOW_POOLS:
            self.pools_changed.add(route_set.name)
        if route_set.kind == STALE and route_set.link is not None:
            self._stale_changed(route_set.link, route_set.family)

    def _stale_changed(self, link: LinkKey, family: Family) -> None:
        self.facts.pending.topics.add(link_topic(link, family))
        if (link, family) in self.facts.links:
            self.facts.pending.links.add((link, family))

    # Tables of the links -----------------------------------------------------------------------------

    def _update_tables(
        self, state: FeedState, change: RouteChange, before: Attribution, attribution: Attribution
    ) -> None:
        """Update the table of the link that the new route came over, and of the one that the old route came over."""
        if isinstance(before, tuple) and (change.new is None or before != attribution):
            self._change_table(state, before, change.key, None)
        if isinstance(attribution, tuple) and change.new is not None:
            self._change_table(state, attribution, change.key, change.new)

    def _update_strays(
        self, state: FeedState, change: RouteChange, before: Attribution, attribution: Attribution
    ) -> None:
        """Count the routes that fit no link; they may be those of its router's links."""
        facts, family = self.facts, change.key[0].family
        old = before if isinstance(before, Unattributed) else None
        new = attribution if isinstance(attribution, Unattributed) and change.new is not None else None
        if old == new:
            return
        had = bool(state.strays.counts(family))
        if old is not None:
            state.strays.removed(family, old, facts.now)
        if new is not None:
            state.strays.added(family, new, facts.now)
        for link, each in facts.links_beside(state.feed):
            if each == family:
                facts.pending.topics.add(link_topic(link, family))
                facts.pending.links.add((link, family))
                if link in self._by_bmp and had is not bool(state.strays.counts(family)):
                    facts.pending.sights.add((link, family))

    def _count_microsofts(
        self, state: FeedState, change: RouteChange, before: Attribution, attribution: Attribution
    ) -> None:
        """Count Microsoft's routes of any link: a table that has one does not prove that all links are down."""
        family = change.key[0].family
        more = (change.new is not None and attribution is not None) - (before is not None)
        state.microsoft[family] += more
        if (more and state.microsoft[family] <= 1) or self.best_paths.may_hide(state.feed, change.key[0]):
            self.facts.pending.best_paths.add((state.feed.vrf, family))

    def _change_table(self, state: FeedState, link: LinkKey, key: RouteKey, new: Route | None) -> None:
        facts, pending = self.facts, self.facts.pending
        table = state.tables.get(link)
        if table is None:
            table = state.tables[link] = AdjRibIn(counts_addresses=True)
            state.coverage[link] = ExpectedCoverage(facts.expected(link), table)
        prefix = key[0]
        had = prefix in table
        if new is not None:
            table.announce(new)
        else:
            table.withdraw(key)
        has = prefix in table
        family = prefix.family
        pending.topics.add(table_topic(link, family))
        if (link, family) in facts.links:
            pending.drains.add((link, family))
            self.preferences.prefix_changed(link[0], prefix)
        self._count_churn(state, link, family)
        if self.facts.stale_on(state.feed.name, link, family):
            self._stale_changed(link, family)
        if had == has:
            return
        if has:
            self.learned.appeared(link, prefix)
        else:
            self.learned.vanished(link, prefix, facts.now)
        if state.coverage[link].touched(prefix):
            pending.topics.add(missing_topic(link))
        if table.prefix_count(family) == int(has):
            self._began_or_ended(state, link, family, shows=has)
        if (link, family) in facts.links:
            self.received.prefix_changed(link[0], prefix)
        self._compare_sight(link, prefix)
        facts.microsoft.touched(link, prefix)

    def _began_or_ended(self, state: FeedState, link: LinkKey, family: Family, *, shows: bool) -> None:
        """Note that a feed shows the first route of a link, or has lost the last one."""
        shown_on = self.facts.shown_on.setdefault((link, family), set())
        (shown_on.add if shows else shown_on.discard)(state.feed.name)
        if (link, family) in self.facts.links:
            self.facts.pending.links.add((link, family))

    def _count_churn(self, state: FeedState, link: LinkKey, family: Family) -> None:
        """Count a route change as churn. Changes of a first dump, of a refresh and of a session's end are no churn, nor
        are those around the time at which the link goes down or comes up, or a drain of it begins or ends.
        """
        facts = self.facts
        if not facts.in_sync(state.feed.name, family) or family in state.refreshes:
            return
        info = facts.links.get((link, family))
        if info is not None and info.settles_until is not None and facts.now <= info.settles_until:
            return
        churn = self.churn(state, link)
        churn.add(facts.now, family)
        if churn.exceeded(facts.now):
            facts.pending.churn.add((state.feed.name, link))

    def churn(self, state: FeedState, link: LinkKey) -> Churn:
        """Return the counter of route changes of a link on a feed."""
        churn = state.churn.get(link)
        if churn is None:
            config = self.facts.config
            limit = int(CHANGES_PER_MINUTE.of(config))
            churn = Churn(limit, CHURN_SECONDS, config.collector.settle_limit)
            state.churn[link] = churn
            self.facts.churn_on.setdefault(link, set()).add(state.feed.name)
        return churn

    # Other published lists ---------------------------------------------------------------------------

    def expect(self, classifiers: Mapping[str, Classifier], watched: PrefixSet) -> PrefixSet:
        """Change to other expected prefixes; return the address space that was watched before."""
        before, self.watched = self.watched, watched
        for state in self.facts.feeds.values():
            state.interest = None
        self._classifiers = classifiers
        return before

    def watched_on(self, feed: Feed) -> PrefixSet:
        """Return the address space in which every route of a feed is held that may be a full table."""
        return PrefixSet((*self.watched.prefixes(), *feed.canary)) if feed.canary else self.watched

    def interest(self, state: FeedState) -> Interest | None:
        """Return which routes of an internet feed the checks can ask about; ``None`` for other views, of which all
        routes are read.
        """
        if state.feed.view not in _FULL_TABLES:
            return None
        if state.interest is None:
            state.interest = Interest(self.watched_on(state.feed), MICROSOFT_ASN)
            for route in state.rib.routes():
                state.interest.also(route.prefix)
        return state.interest

    def cover_again(self, state: FeedState, link: LinkKey) -> None:
        """Compare a link's routes on a feed with the prefixes that are expected now."""
        state.coverage[link] = ExpectedCoverage(self.facts.expected(link), state.tables[link])

    def sort_again(self, state: FeedState) -> Iterator[None]:
        """Sort the routes of an edge table again, step by step."""
        for route_set in list(state.route_sets):
            for key in list(state.route_sets[route_set]):
                self._leave(state, route_set, key)
        for number, route in enumerate(state.rib.routes(), 1):
            self._enter_sets(state, route.key, route, self._attribution(state, route))
            if not number % _STEP_ROUTES:
                yield

    def drop_unwatched(self, state: FeedState) -> None:
        """Drop the routes of a feed that no check asks about any more."""
        kept = self._attributed(state, list(state.rib.routes()))
        unasked = [r.key for r, _, theirs in kept if not theirs and not self._holds(state, r)]
        self.withdraw(state, unasked)
        for key in unasked if state.feed.view is View.EDGE_TABLE else ():
            self._pass_over(state, key, held=False)

    # What counts as Microsoft's ----------------------------------------------------------------------

    def refresh_microsoft(self) -> Iterator[None]:
        """Classify again the routes of other views that are inside prefixes that links got or lost."""
        if not self.learned.changed:
            return
        changed, self.learned.changed = self.learned.changed, set()
        heard = {found: names for prefix in changed for found, names in self._heard.inside(prefix)}
        for prefix, names in heard.items():
            for state in (self.facts.feeds[name] for name in names):
                for route in state.rib.paths(prefix):
                    self._reclassify(state, route)
            yield

    def _note_heard(self, state: FeedState, prefix: Prefix) -> None:
        names = self._heard.get(prefix)
        if prefix in state.rib:
            if names is None:
                self._heard[prefix] = {state.feed.name}
            else:
                names.add(state.feed.name)
        elif names is not None:
            names.discard(state.feed.name)
            if not names:
                del self._heard[prefix]

    def _reclassify(self, state: FeedState, route: Route) -> None:
        route_set = RouteSet(MICROSOFT, route.prefix.family)
        counts = self._is_microsoft(state, route)
        key = route.key
        if counts != (key in state.route_sets.get(route_set, ())):
            if counts:
                self._enter(state, route_set, key, route)
            else:
                self._leave(state, route_set, key)


_STEP_ROUTES = 20
"""Routes that are sorted again in one step, about half a millisecond: see ``ermon.aio.slices``."""


def watched_space(config: Config) -> PrefixSet:
    """Return the address space that the policy can ask about on any feed that is held in part."""
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
        )
    )
