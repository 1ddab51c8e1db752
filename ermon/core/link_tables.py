"""Keeps the routes of each link apart, on each feed that shows them, and what is compared with them prefix by prefix.

House rules: what follows from the changes of an event is found out once, by ``follow``, and not at each of its routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from ermon.checks.facts import CompareKind
from ermon.checks.received import CHANGES_PER_MINUTE
from ermon.checks.topics import difference_topic, missing_topic, sight_topic, table_topic
from ermon.core.asymmetry import Comparison, received_tables
from ermon.core.churn import Churn
from ermon.core.coverage import ExpectedCoverage
from ermon.core.facts import NetworkFacts
from ermon.core.learned import LearnedPrefixes
from ermon.core.preference import LinkPreferences
from ermon.core.rib import AdjRibIn, RouteChange
from ermon.core.route_sets import stale_changed
from ermon.core.sides import SIDES
from ermon.core.states import FeedState
from ermon.model.inventory import LinkFamily, LinkKey, View
from ermon.model.prefixes import Family, Prefix

CHURN_SECONDS = 60.0
"""``churn-high`` counts route changes in a minute."""


@dataclass(slots=True)
class _Changes:
    """What has changed in the table of a link, in one family."""

    routes: int = 0
    prefixes: set[Prefix] = field(default_factory=set)
    """Of all routes that changed."""
    came: set[Prefix] = field(default_factory=set)
    """The prefixes that it has now and had not before."""
    went: set[Prefix] = field(default_factory=set)

    def has_come(self, prefix: Prefix) -> None:
        if prefix in self.went:
            self.went.remove(prefix)
        else:
            self.came.add(prefix)

    def has_gone(self, prefix: Prefix) -> None:
        if prefix in self.came:
            self.came.remove(prefix)
        else:
            self.went.add(prefix)


class LinkTables:
    """Fills ``FeedState.tables``."""

    def __init__(self, facts: NetworkFacts, learned: LearnedPrefixes) -> None:
        self._facts = facts
        self._learned = learned
        self._changes: dict[LinkFamily, _Changes] = {}
        self._seen: dict[LinkFamily, set[Prefix]] = {}
        """By link whose router reports its sessions: the prefixes that changed on any of its feeds."""
        self.received = Comparison(
            facts, facts.differences, received_tables, partial(difference_topic, "received")
        )
        self.sights: Mapping[CompareKind, Comparison[LinkKey]] = {
            kind: Comparison(facts, facts.sight_differences[kind], sides, partial(sight_topic, kind))
            for kind, sides in SIDES.items()
        }
        self.preferences = LinkPreferences(facts)
        self.by_bmp = frozenset(feed.link_key for feed in facts.config.feeds.values() if feed.by_bmp)
        """The links whose routers report their sessions."""

    # One route after the other -----------------------------------------------------------------------

    def announced(self, state: FeedState, link: LinkKey, change: RouteChange) -> None:
        """Take the new route of a change, which came over a link."""
        table = state.tables.get(link)
        if table is None:
            table = self._begin(state, link)
        if table is not state.rib:
            assert change.new is not None
            own = table.announce(change.new)
            change = RouteChange(change.key, change.new, change.new) if own is None else own
        changes = self._noted(link, change)
        if change.old is None and table.has_only(change.key):
            changes.has_come(change.key[0])

    def withdrawn(self, state: FeedState, link: LinkKey, change: RouteChange) -> None:
        """Drop the old route of a change, which had come over a link."""
        table = state.tables[link]
        if table is not state.rib:
            table.withdraw(change.key)
        changes = self._noted(link, change)
        if change.key[0] not in table:
            changes.has_gone(change.key[0])

    def _begin(self, state: FeedState, link: LinkKey) -> AdjRibIn:
        """Make the table of a link on a feed. All routes of the link's own session are the link's: both are one table."""
        table = state.tables[link] = state.rib if state.feed.view is View.FROM_MICROSOFT else AdjRibIn()
        self.cover_again(state, link)
        self._facts.pending.topics.add(missing_topic(link))
        return table

    def _noted(self, link: LinkKey, change: RouteChange) -> _Changes:
        prefix = change.key[0]
        of = (link, prefix.family)
        changes = self._changes.get(of)
        if changes is None:
            changes = self._changes[of] = _Changes()
        changes.routes += 1
        changes.prefixes.add(prefix)
        return changes

    def saw(self, link: LinkKey, prefix: Prefix) -> None:
        """Note a change on a feed of what is sent over one link."""
        if link in self.by_bmp:
            self._seen.setdefault((link, prefix.family), set()).add(prefix)

    # All of an event ---------------------------------------------------------------------------------

    def follow(self, state: FeedState) -> None:
        """Find out what follows from the changes on a feed since the last call."""
        if self._changes:
            noted, self._changes = self._changes, {}
            for of, changes in noted.items():
                self._follow(state, of, changes)
                if of[0] in self.by_bmp:
                    self._seen.setdefault(of, set()).update(changes.came, changes.went)
        if self._seen:
            self._compare_seen()

    def _compare_seen(self) -> None:
        seen, self._seen = self._seen, {}
        for (link, family), prefixes in seen.items():
            for comparison in self.sights.values():
                comparison.prefixes_changed(link, family, prefixes)

    def _follow(self, state: FeedState, of: LinkFamily, changes: _Changes) -> None:
        facts, pending, (link, family) = self._facts, self._facts.pending, of
        pending.topics.add(table_topic(link, family))
        self._learned.appeared(link, family, changes.came)
        for prefix in changes.went:
            self._learned.vanished(link, prefix, facts.now)
        if of in facts.links:
            pending.drains.add(of)
            self.preferences.prefixes_changed(link[0], family, changes.prefixes)
        self._count_churn(state, of, changes.routes)
        if facts.stale_on(state.feed.name, link, family):
            stale_changed(facts, link, family)
        touched = changes.came | changes.went
        if not touched:
            return
        facts.microsoft.touched(link, touched)
        if state.coverage[link].touched(touched):
            pending.topics.add(missing_topic(link))
        self._begin_or_end(state, of)
        if of in facts.links:
            self.received.prefixes_changed(link[0], family, touched)

    def _begin_or_end(self, state: FeedState, of: LinkFamily) -> None:
        """Note that a feed shows the first route of a link, or has lost the last one."""
        name, shown_on = state.feed.name, self._facts.shown_on.setdefault(of, set())
        shows = state.tables[of[0]].prefix_count(of[1]) > 0
        if shows is not (name in shown_on):
            (shown_on.add if shows else shown_on.discard)(name)
            if of in self._facts.links:
                self._facts.pending.links.add(of)

    def _count_churn(self, state: FeedState, of: LinkFamily, routes: int) -> None:
        """Count route changes as churn. Changes of a first dump, of a refresh and of a session's end are no churn, nor
        are those around the time at which the link goes down or comes up, or a drain of it begins or ends.
        """
        facts, (link, family) = self._facts, of
        if not facts.in_sync(state.feed.name, family) or family in state.refreshes:
            return
        info = facts.links.get(of)
        if info is not None and info.settles_until is not None and facts.now <= info.settles_until:
            return
        churn = self.churn(state, link)
        for _ in range(routes):
            churn.add(facts.now, family)
        if churn.exceeded(facts.now):
            facts.pending.churn.add((state.feed.name, link))

    def churn(self, state: FeedState, link: LinkKey) -> Churn:
        """Return the counter of route changes of a link on a feed."""
        churn = state.churn.get(link)
        if churn is None:
            config = self._facts.config
            limit = int(CHANGES_PER_MINUTE.of(config))
            churn = Churn(limit, CHURN_SECONDS, config.collector.settle_limit)
            state.churn[link] = churn
            self._facts.churn_on.setdefault(link, set()).add(state.feed.name)
        return churn

    # Other changes -----------------------------------------------------------------------------------

    def compare_sights(self, link: LinkKey, family: Family) -> None:
        """Compare all that is seen of a link in two ways again: a feed can now prove more or less than before."""
        if link in self.by_bmp:
            for comparison in self.sights.values():
                comparison.sides_changed(link, family)

    def cover_again(self, state: FeedState, link: LinkKey) -> None:
        """Compare a link's routes on a feed with the prefixes that are expected now."""
        state.coverage[link] = ExpectedCoverage(self._facts.expected(link), state.tables[link])
