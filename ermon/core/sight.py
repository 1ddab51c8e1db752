"""Which circuits and routers ermon sees: for those that it does not see, a loss would go unnoticed.

The results are in ``NetworkFacts``; the checks of ``checks.out_of_sight`` use them.
"""

from __future__ import annotations

from ermon.checks.facts import circuit_seen
from ermon.checks.topics import OUT_OF_SIGHT, router_topic, up_circuits_topic
from ermon.core.facts import NetworkFacts
from ermon.core.states import FeedState
from ermon.core.timers import FirstDumpsEnd, OwnedTimers, Timer
from ermon.model.findings import LinkState
from ermon.model.prefixes import Family


class Sight:
    """Follows the states of links and the sessions of edge tables."""

    def __init__(self, facts: NetworkFacts, timers: OwnedTimers[Timer]) -> None:
        self._facts = facts
        self._timers = timers
        self._tables_of_router: dict[str, list[str]] = {}
        for (router, _), feeds in facts.config.edge_tables.items():
            if router is not None:
                self._tables_of_router.setdefault(router, []).extend(feed.name for feed in feeds)

    def look_for_router(self, state: FeedState) -> None:
        """Note whether ermon sees the router of an edge table, and when the first table of a circuit came up."""
        facts, router = self._facts, state.feed.router
        if state.session.up:
            for link, family in facts.links_beside(state.feed):
                sight = facts.circuits[link[0], family]
                if sight.lost_at is None and not sight.seen and family in state.feed.families:
                    sight.lost_at = facts.now
                    self.watch_first_dumps(link[0], family)
        if router is None or state.feed.by_bmp:
            return
        lost = not any(facts.up(name) for name in self._tables_of_router[router])
        if lost is not (router in facts.out_of_sight):
            (facts.out_of_sight.add if lost else facts.out_of_sight.discard)(router)
            facts.pending.topics.update((router_topic(router), OUT_OF_SIGHT))

    def called_again(self, state: FeedState) -> None:
        """Wait for the table of a router that was given time to connect: as long as for any other table."""
        facts = self._facts
        for link, family in facts.links_beside(state.feed):
            sight = facts.circuits[link[0], family]
            if family in state.feed.families and not sight.seen:
                sight.lost_at = facts.now
                self.watch_first_dumps(link[0], family)

    def watch_first_dumps(self, circuit: str, family: Family) -> None:
        """Set a timer for when the first dumps of a circuit's feeds are no longer waited for."""
        lost_at = self._facts.circuits[circuit, family].lost_at
        if lost_at is not None:
            ends = round(lost_at + self._facts.config.collector.sync_timeout, 6)
            due = self._timers.due(FirstDumpsEnd(circuit, family))
            if ends > self._facts.now and (due is None or due < ends):
                self._timers.set(FirstDumpsEnd(circuit, family), ends)

    def look_for_circuit(self, name: str, family: Family) -> None:
        """Note whether a circuit is seen, and in which VRFs it is up."""
        facts = self._facts
        sight = facts.circuits[name, family]
        links = [link for link in facts.config.circuits[name].links.values() if family in link.families]
        up = [link for link in links if facts.link_state(link.key, family) is LinkState.UP]
        seen = circuit_seen(facts, links, family)
        if sight.seen and not seen:
            sight.lost_at = facts.now
            self.watch_first_dumps(name, family)
        sight.seen = seen
        for vrf in {link.vrf for link in links}:
            circuits = facts.up_in.setdefault((vrf, family), set())
            now_up = any(link.vrf == vrf for link in up)
            if now_up is not (name in circuits):
                (circuits.add if now_up else circuits.discard)(name)
                if len(circuits) <= 1 + now_up:  # of more, each has another one beside it before and after
                    facts.pending.topics.add(up_circuits_topic(vrf, family))
