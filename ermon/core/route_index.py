"""Applies each route change to everything that is kept by prefix, in proportion to what it touches.

From the Adj-RIB-In a change goes to the sets that the checks look into, to the table of the link that the route came
over, to the comparison of a circuit's links, and to the routes of other views that count as Microsoft's. What follows
from it is noted in ``facts.pending``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from ermon.bgp.interest import Interest
from ermon.checks.attribution import Attribution, Attributor, Unattributed, has_microsoft_asn
from ermon.checks.catalogue import classifiers as classifiers_of
from ermon.checks.elsewhere import MicrosoftElsewhere
from ermon.checks.subject import Classifier
from ermon.checks.topics import MICROSOFT, RouteSet, content_topic, difference_topic, link_topic
from ermon.core.asymmetry import Comparison, advertised_tables
from ermon.core.best_paths import BestPaths
from ermon.core.facts import FILTERED_VIEWS, Expected, NetworkFacts
from ermon.core.failover import Failover
from ermon.core.hearing import Hearing
from ermon.core.learned import LearnedPrefixes
from ermon.core.link_tables import LinkTables
from ermon.core.rib import RouteChange
from ermon.core.route_sets import RouteSets
from ermon.core.states import FeedState
from ermon.model.communities import MICROSOFT_ASN
from ermon.model.inventory import Config, Feed, LinkKey, Receive, View
from ermon.model.prefixes import Family, Prefix, PrefixIndex, PrefixSet
from ermon.model.routes import Attributes, Route, RouteKey

_HEARS_MICROSOFT_ROUTES = frozenset({View.TO_MICROSOFT, View.TO_INTERNET, View.SEGMENT})

_FULL_TABLES = frozenset({View.INTERNET, View.FROM_INTERNET})


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


class _Kind(NamedTuple):
    """What becomes of a feed's routes, by its view. This is asked at each route."""

    holds_all: bool
    """Whether every route is held: it is no full table."""
    is_table: bool
    """Whether it is an edge table, which mixes the routes of all links."""
    shows_links: bool
    hears_microsofts: bool
    """Whether routes may come here that are Microsoft's and should not."""
    mirrored_circuit: str | None
    """The circuit that it shows the advertisements of."""
    watched_link: LinkKey | None
    """The link that it shows the advertisements of, or the routes before the inbound policy."""

    @classmethod
    def of(cls, feed: Feed) -> _Kind:
        return cls(
            holds_all=feed.view not in FILTERED_VIEWS,
            is_table=feed.view is View.EDGE_TABLE,
            shows_links=feed.shows_links,
            hears_microsofts=feed.view in _HEARS_MICROSOFT_ROUTES,
            mirrored_circuit=feed.circuit if feed.view is View.TO_MICROSOFT else None,
            watched_link=None if feed.shows_links else feed.link_key,
        )


class RouteIndex:
    """Sorts the routes of all feeds."""

    def __init__(self, facts: NetworkFacts, classifiers: Mapping[str, Classifier]) -> None:
        config = facts.config
        self.facts = facts
        self.advertised = Comparison(
            facts, facts.advertised_differences, advertised_tables, partial(difference_topic, "advertised")
        )
        self.failover = Failover(facts)
        self.watched = watched_space(config)
        """The address space that the policy can ask about on a feed that is held in part, without its own canaries."""
        self.sets = RouteSets(facts, classifiers)
        self.attributor = Attributor(config)
        self._elsewhere = MicrosoftElsewhere(config)
        self.learned = LearnedPrefixes(self._elsewhere.tells)
        self.links = LinkTables(facts, self.learned)
        self.best_paths = BestPaths(facts, self.learned)
        self._kinds = {name: _Kind.of(feed) for name, feed in config.feeds.items()}
        self._heard: PrefixIndex[set[str]] = PrefixIndex()
        """By prefix: the feeds that have it and that may receive Microsoft's routes. There is a mirror for each link,
        and only a few of them have a given prefix, so this saves a search through all.
        """

    # Announcements and withdrawals -------------------------------------------------------------------

    def announce(self, state: FeedState, routes: Iterable[Route]) -> None:
        """Apply the announced routes of an UPDATE."""
        kind = self._kinds[state.feed.name]
        for route, attribution, theirs in self._attributed(state, routes):
            held = kind.holds_all or theirs or self._holds(state, route)
            if kind.is_table:
                self._pass_over(state, route.key, held=held)
            change = state.rib.announce(route) if held else state.rib.withdraw(route.key)
            if change:
                self._route_changed(state, kind, change, attribution)
        self._follow(state)

    def withdraw(self, state: FeedState, keys: Iterable[RouteKey]) -> None:
        kind = self._kinds[state.feed.name]
        for key in keys:
            if state.passed_over:
                self._pass_over(state, key, held=True)
            if change := state.rib.withdraw(key):
                self._route_changed(state, kind, change, None)
        self._follow(state)

    def flush(self, state: FeedState) -> None:
        """Drop every route of a feed: its session is over."""
        state.passed_over.clear()
        state.interest = None
        kind = self._kinds[state.feed.name]
        for change in state.rib.flush():
            self._route_changed(state, kind, change, None)
        self._follow(state)

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
        if self._kinds[state.feed.name].holds_all or self.watched.overlaps(route.prefix):
            return True
        return any(canary.overlaps(route.prefix) for canary in state.feed.canary)

    def _attribution(self, state: FeedState, route: Route) -> Attribution:
        if state.feed.view is View.EDGE_TABLE:
            return self.attributor.of(state.feed).attribute(route)
        return state.feed.link_key if state.feed.shows_links else None

    def _route_changed(
        self, state: FeedState, kind: _Kind, change: RouteChange, attribution: Attribution
    ) -> None:
        """Apply one change of the Adj-RIB-In to everything that is kept by prefix."""
        key, old, new = change
        prefix = key[0]
        counts = state.hearing is None or self._hear(state, state.hearing, change)
        before: Attribution = None
        shared = None if new is None else state.held.enter(new.attributes)
        if old is not None:
            before = self._attribution(state, old)
            self.sets.leave(state, key, old, before)
            state.held.leave(old.attributes)
        if new is not None and shared is not None and counts:
            self.sets.enter(state, key, new, attribution, shared)
        if kind.shows_links:
            self._update_tables(state, change, before, attribution)
        self._by_view(state, kind, change, before, attribution)
        if state.feed.canary and any(canary.overlaps(prefix) for canary in state.feed.canary):
            self.facts.pending.canaries.add(state.feed.name)
        if (old is None) != (new is None) and state.rib.count(prefix.family) <= 1:
            self.facts.pending.topics.add(content_topic(state.feed.name))

    def _by_view(
        self,
        state: FeedState,
        kind: _Kind,
        change: RouteChange,
        before: Attribution,
        attribution: Attribution,
    ) -> None:
        prefix = change.key[0]
        if kind.is_table:
            self._update_strays(state, change, before, attribution)
            self._count_microsofts(state, change, before, attribution)
        if kind.hears_microsofts:
            self._sort_microsofts(state, change)
            self._note_heard(state, prefix)
        if kind.mirrored_circuit is not None:
            self.advertised.prefixes_changed(kind.mirrored_circuit, prefix.family, {prefix})
            self.failover.prefix_changed(kind.mirrored_circuit, prefix)
        if kind.watched_link is not None:
            self.links.saw(kind.watched_link, prefix)
            self.facts.microsoft.route_changed(state.feed, kind.watched_link, prefix)

    def _follow(self, state: FeedState) -> None:
        """Find out once for all routes of an event what follows from their changes."""
        self.sets.follow(state)
        self.links.follow(state)

    # Sets --------------------------------------------------------------------------------------------

    def _is_microsoft(self, state: FeedState, route: Route) -> bool:
        return self._elsewhere.is_microsoft(state.feed, route, self.learned.__contains__)

    def _sort_microsofts(self, state: FeedState, change: RouteChange) -> None:
        """Sort a route that counts as Microsoft's outside the edge tables."""
        route_set = RouteSet(MICROSOFT, change.key[0].family)
        if change.new is not None and self._is_microsoft(state, change.new):
            self.sets.add(state, route_set, change.key, change.new)
        else:
            self.sets.discard(state, route_set, change.key)

    def _hear(self, state: FeedState, hearing: Hearing, change: RouteChange) -> bool:
        """Count a change among the peers of RIPE's that carry a feed; return whether routes to its prefix count. None is in a
        set before enough peers have one.
        """
        prefix = change.key[0]
        before = hearing.is_heard(prefix)
        hearing.changed(change)
        heard = hearing.is_heard(prefix)
        others = [] if heard is before else [r for r in state.rib.paths(prefix) if r.key != change.key]
        for route in others:
            if heard:
                self.sets.enter(state, route.key, route, None, state.held.known(route.attributes))
            else:
                self.sets.leave(state, route.key, route, None)
        return heard

    def take_stock(self, state: FeedState) -> None:
        """Note after an event of which prefixes only few of the peers are left that had them."""
        if state.hearing is None:
            return
        sync = {} if state.session.unreadable else state.session.families
        complete = [family for family in state.feed.families if family in sync and sync[family].complete]
        for prefix in state.hearing.take_stock(complete):
            for route in state.rib.paths(prefix):
                self.sets.touch(state, route.key)
        self.sets.follow(state)

    # Tables of the links -----------------------------------------------------------------------------

    def _update_tables(
        self, state: FeedState, change: RouteChange, before: Attribution, attribution: Attribution
    ) -> None:
        """Update the table of the link that the new route came over, and of the one that the old route came over."""
        if isinstance(before, tuple) and (change.new is None or before != attribution):
            self.links.withdrawn(state, before, change)
        if isinstance(attribution, tuple) and change.new is not None:
            self.links.announced(state, attribution, change)

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
                if link in self.links.by_bmp and had is not bool(state.strays.counts(family)):
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

    # Other published lists ---------------------------------------------------------------------------

    def expect(self, classifiers: Mapping[str, Classifier], watched: PrefixSet) -> PrefixSet:
        """Change to other expected prefixes; return the address space that was watched before."""
        before, self.watched = self.watched, watched
        for state in self.facts.feeds.values():
            state.interest = None
        self.sets.classifiers = classifiers
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

    def sort_again(self, state: FeedState) -> Iterator[None]:
        """Sort the routes of an edge table again, step by step."""
        for route_set in list(state.route_sets):
            for key in list(state.route_sets[route_set]):
                self.sets.discard(state, route_set, key)
        for number, route in enumerate(state.rib.routes(), 1):
            shared = state.held.known(route.attributes)
            self.sets.enter(state, route.key, route, self._attribution(state, route), shared)
            if not number % _STEP_ROUTES:
                yield
        self.sets.follow(state)

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
        if not self._heard:
            return
        heard = {found: names for prefix in changed for found, names in self._heard.inside(prefix)}
        for prefix, names in heard.items():
            for state in (self.facts.feeds[name] for name in names):
                for route in state.rib.paths(prefix):
                    self._reclassify(state, route)
                self.sets.follow(state)
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
                self.sets.add(state, route_set, key, route)
            else:
                self.sets.discard(state, route_set, key)


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
