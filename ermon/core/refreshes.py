"""Routers that send everything again, of their own accord (RFC 7313) or on request.

House rules: nothing here reads a clock. What follows from a change is noted in ``facts.pending``.
"""

from __future__ import annotations

from dataclasses import replace

from ermon.core.asked import Asked
from ermon.core.facts import NetworkFacts
from ermon.core.layers import Layers
from ermon.core.route_index import RouteIndex
from ermon.core.states import FeedState
from ermon.core.timers import AskedOver, RefreshOverdue
from ermon.model.prefixes import Family
from ermon.model.routes import RouteKey


class Refreshes:
    """Changes the parts of ``FeedState`` that are about refreshes."""

    def __init__(self, facts: NetworkFacts, routes: RouteIndex, layers: Layers) -> None:
        self._facts = facts
        self._routes = routes
        self._layers = layers
        self._timers = layers.timers

    # Between two marks -------------------------------------------------------------------------------

    def began(self, state: FeedState, family: Family) -> None:
        """Note which routes the router has to send again. The feed stays in sync: all of them are still there."""
        if family not in state.session.families:
            return
        if asked := state.asked.get(family):
            asked.marked = True
        held = {route.key for route in state.rib.routes() if route.prefix.family == family}
        state.passed_over.refresh_began(family)
        self.go_on(state, family, held, self._facts.now + self._facts.config.collector.sync_timeout)

    def go_on(self, state: FeedState, family: Family, missing: set[RouteKey], overdue: float) -> None:
        """Note that the router is sending a family again, and which routes have not come again yet."""
        state.refreshes[family] = missing
        self._timers.set(RefreshOverdue(state.feed.name, family), overdue)

    def ended(self, state: FeedState, family: Family) -> None:
        """Remove the routes that the router has not sent again (RFC 7313 section 4)."""
        if family not in state.refreshes:
            return
        self._routes.withdraw(state, sorted(state.refreshes[family], key=str))
        self._routes.take_stock(state)
        self._routes.let_go_of_passed_over(state, family)
        self.forget(state, family)
        if (asked := state.asked.get(family)) and asked.marked:
            self._over(state, family)

    def forget(self, state: FeedState, family: Family) -> None:
        """Cease to wait for the end mark of a refresh."""
        state.refreshes.pop(family, None)
        state.passed_over.refresh_forgotten(family)
        self._timers.cancel(RefreshOverdue(state.feed.name, family))

    def forget_all(self, state: FeedState) -> None:
        """Forget all refreshes of a session: it is over, and the next one sends everything."""
        for family in state.feed.families:
            self.forget(state, family)
            state.asked.pop(family, None)
            self._timers.cancel(AskedOver(state.feed.name, family))

    # Routes that were requested again ----------------------------------------------------------------

    def ask(self, state: FeedState, asked: Asked) -> None:
        """Note that everything is requested again from the router, because of routes that were not held."""
        for family in state.feed.families:
            self.wait_for(state, family, replace(asked).and_before(state.asked.get(family)))
        self._layers.feed_changed(state.feed.name)

    def wait_for(self, state: FeedState, family: Family, asked: Asked) -> None:
        """Note the request for a family, and set a timer for when all of it may have come."""
        state.asked[family] = asked
        self._timers.set(AskedOver(state.feed.name, family), asked.over_at(self._facts.config.collector))

    def heard(self, state: FeedState, family: Family) -> None:
        """Note that the router has sent something, perhaps in answer to the request. Before the first dump is over, it
        may belong to that.
        """
        if (asked := state.asked.get(family)) and state.session.families[family].complete:
            first, asked.updated_at = asked.updated_at is None, self._facts.now
            if first:
                self.wait_for(state, family, asked)

    def due(self, state: FeedState, family: Family) -> None:
        """Take the request as answered, unless the router sent more, or marked a beginning, since the timer was set."""
        if asked := state.asked.get(family):
            if round(asked.over_at(self._facts.config.collector), 6) > self._facts.now:
                self.wait_for(state, family, asked)
            else:
                self._over(state, family)

    def _over(self, state: FeedState, family: Family) -> None:
        del state.asked[family]
        self._timers.cancel(AskedOver(state.feed.name, family))
        self._layers.feed_changed(state.feed.name)
