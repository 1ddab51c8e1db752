"""The oracle's part for the tables of Microsoft's edge routers: every answer from the bare record of what was read and seen.

It keeps what each feed showed of a link after every event, and looks back from the present: a prefix counts as lacking if what
the mirrors show for it has been the same since before the reading was asked for; a difference counts if it has been there after
every event since the reading arrived.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from ermon.checks.facts import Acceptance, AzureDifferences
from ermon.model.azure_tables import arp_problem
from ermon.model.events import AzureTables
from ermon.model.findings import LinkState
from ermon.model.inventory import LinkKey
from ermon.model.prefixes import FAMILIES, Family, Prefix
from ermon.model.text import utc_text
from tests.oracle_facts import FactsFromScratch, covered_by_routes, overlap

if TYPE_CHECKING:
    from tests.oracle import Oracle

Shown = frozenset[tuple[str, object, object]]
"""The feeds and routes by which mirrors show a prefix."""


class Frame(NamedTuple):
    """What the feeds showed after one event."""

    time: float
    advertised: dict[tuple[LinkKey, Prefix], Shown]
    received: dict[LinkKey, frozenset[Prefix]]
    seen: dict[LinkKey, frozenset[Prefix]]
    """The same, with what the router receives and rejects."""


class Read(NamedTuple):
    """One reading of a route table, and what was known when it arrived."""

    event: AzureTables
    frame: int
    """The number of the first frame that counts for it."""
    in_sync: frozenset[Prefix]
    """The prefixes in pools that mirrors in sync showed."""
    settled: frozenset[Family]
    """The families in which the link had been up since before the question."""
    spoken: frozenset[Family]
    """The families about which the router's tables say something."""
    compared: frozenset[Family]
    theirs: dict[Prefix, str]
    """Rows of Microsoft's own routes."""


class AzureRecord:
    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self.events: dict[LinkKey, list[AzureTables]] = {}
        self.reads: dict[LinkKey, list[Read]] = {}
        self.frames: list[Frame] = []

    # The record

    def refreshes(self) -> dict[LinkKey, float]:
        return {
            link.key: azure.refresh
            for link in self._oracle.config.links
            if (azure := self._oracle.config.circuits[link.circuit].azure) is not None
            and (azure.location == "arm" or azure.tables is not None)
        }

    def look(self, facts: FactsFromScratch) -> None:
        """Write down what the feeds show after an event or a change of the policy."""
        links = self.refreshes()
        if not links:
            return
        config = self._oracle.config
        space = [prefix for pool in config.pools.values() for prefix in pool.prefixes]
        advertised: dict[tuple[LinkKey, Prefix], Shown] = {}
        received: dict[LinkKey, frozenset[Prefix]] = {}
        seen: dict[LinkKey, frozenset[Prefix]] = {}
        for link in links:
            for name in self._mirrors(link):
                for key, route in self._oracle.sessions[name].routes.items():
                    if any(overlap(key[0], pool) for pool in space):
                        before = advertised.get((link, key[0]), frozenset())
                        advertised[link, key[0]] = before | {(name, key, route)}
            received[link] = frozenset().union(*(facts.shown_by_any(link, family) for family in FAMILIES))
            rejected = [
                prefix
                for name, feed in config.feeds.items()
                if feed.pre_policy and feed.link_key == link
                for prefix, _ in self._oracle.sessions[name].routes
            ]
            seen[link] = received[link] | frozenset(rejected)
        self.frames.append(Frame(self._oracle.now, advertised, received, seen))

    def _mirrors(self, link: LinkKey) -> list[str]:
        return [
            n for n, f in self._oracle.config.feeds.items() if f.view == "to-microsoft" and f.link_key == link
        ]

    def take(self, event: AzureTables, facts: FactsFromScratch) -> None:
        if event.link not in self.refreshes():
            return
        self.events.setdefault(event.link, []).append(event)
        reads = self.reads.setdefault(event.link, [])
        if event.routes is None or (reads and event.asked <= reads[-1].event.asked):
            return
        read = self._read(event, facts)
        # A table that was asked for before the last one arrived takes its place.
        kept = [each for each in reads if each.event.time < event.asked]
        self.reads[event.link] = [*kept, read]

    def _read(self, event: AzureTables, facts: FactsFromScratch) -> Read:
        config, link = self._oracle.config, event.link
        in_sync = frozenset(
            prefix
            for name in self._mirrors(link)
            for family in config.feeds[name].families
            if facts.in_sync(name, family)
            for prefix, _ in self._oracle.sessions[name].routes
            if prefix.family == family and prefix.length
            for pool in config.pools.values()
            if any(overlap(prefix, other) for other in pool.prefixes)
        )
        tables = [each for each in self.events[link] if each.neighbors is not None]
        said = [n.family for each in tables[-1:] for n in each.neighbors or ()]
        spoken = frozenset(
            f for f in FAMILIES if f in said or any(r.prefix.family == f for r in event.routes or ())
        )
        theirs = {
            r.prefix: f"{r.network} {r.next_hop} {r.path}" for r in event.routes or () if self._is_theirs(r)
        }
        compared = frozenset(
            family
            for family in config.link(link).families
            if family in spoken and not event.partial and self._compares(event, family, theirs, facts)
        )
        settled = frozenset(f for f in FAMILIES if self._settled(event, f, facts))
        return Read(event, len(self.frames), in_sync, settled, spoken, compared, theirs)

    def _is_theirs(self, route: object) -> bool:
        config, customer = self._oracle.config, self._oracle.config.customer
        prefix, hop, asns = route.prefix, route.next_hop_address, route.asns  # type: ignore[attr-defined]
        ours = [*customer.own_prefixes, *(p for pool in config.pools.values() for p in pool.prefixes)]
        subnets = [subnet for link in config.links for subnet in link.subnets]
        if not prefix.length or any(overlap(prefix, other) for other in (*ours, *subnets)):
            return False
        if hop is not None and any(overlap(hop.prefix, subnet) for subnet in subnets):
            return False
        own = {customer.asn, *customer.origin_asns, *customer.wan_asns, *customer.provider_asns}
        return not own & set(asns)

    def _since(self, link: LinkKey, family: Family) -> float | None:
        """Return since when the link has been in its present state; ``None``: from the beginning."""
        states = [(moment.time, moment.states.get((link, family))) for moment in self._oracle.moments]
        run = list(takewhile(lambda each: each[1] is states[-1][1], reversed(states)))
        return None if len(run) == len(states) else run[-1][0]

    def _settled(self, event: AzureTables, family: Family, facts: FactsFromScratch) -> bool:
        """Return whether the link is up for routes of the family, and has not changed since before the question."""
        families = self._oracle.config.link(event.link).families_of(family)
        since = [self._since(event.link, f) for f in families]
        up = any(facts.link_state(event.link, f) is LinkState.UP for f in families)
        return up and all(at is None or at < event.asked for at in since)

    def _compares(
        self, event: AzureTables, family: Family, theirs: Collection[Prefix], facts: FactsFromScratch
    ) -> bool:
        link, since = event.link, self._since(event.link, family)
        if facts.link_state(link, family) is not LinkState.UP or not facts.deciders(link, family):
            return False
        if (since is not None and since >= event.asked) or facts.strays(link, family):
            return False
        return any(prefix in facts.shown_by_any(link, family) for prefix in theirs)

    # Answers

    def _valid(self, link: LinkKey) -> list[Read]:
        reads = self.reads.get(link, [])[-2:]
        if not reads or self._oracle.now >= reads[-1].event.asked + 3 * self.refreshes()[link]:
            return []
        return reads

    def _unchanged_since(self, link: LinkKey, prefix: Prefix) -> float:
        """Return since when the mirrors show the prefix as they do now."""
        now = self.frames[-1].advertised.get((link, prefix))
        same = takewhile(lambda frame: frame.advertised.get((link, prefix)) == now, reversed(self.frames))
        return list(same)[-1].time

    def accepts(self, link: LinkKey, prefix: Prefix) -> Acceptance:
        answers = [self._has(each, prefix) for each in self._valid(link)]
        if not answers or answers[-1] is None:
            return Acceptance.UNKNOWN
        if answers[-1]:
            return Acceptance.HELD
        return Acceptance.LACKING if answers[0] is False and len(answers) == 2 else Acceptance.WAITING

    def _has(self, read: Read, prefix: Prefix) -> bool | None:
        """Return whether a table has the prefix; ``None`` if it proves nothing about it."""
        event, family = read.event, prefix.family
        if prefix not in read.in_sync or family not in read.settled:
            return None
        if self._unchanged_since(event.link, prefix) >= event.asked:
            return None
        rows = [row for row in event.routes or () if row.prefix.length]
        if covered_by_routes(
            prefix, (row.prefix for row in rows if event.link in self._over(row, event.link))
        ):
            return True
        if (
            family not in read.spoken
            or event.partial
            or covered_by_routes(prefix, (row.prefix for row in rows))
        ):
            return None
        return False

    def _over(self, row: object, link: LinkKey) -> set[LinkKey]:
        """Return the links over which a row may have been learned."""
        hop = row.next_hop_address  # type: ignore[attr-defined]
        near = {
            each.key
            for each in self._oracle.config.links
            if hop is not None and any(overlap(hop.prefix, subnet) for subnet in each.subnets)
        }
        return near or {link}

    def differences(self, link: LinkKey, family: Family) -> AzureDifferences | None:
        reads = self._valid(link)
        if self._oracle.facts.link_state(link, family) is not LinkState.UP:
            return None
        if not reads or family not in reads[-1].compared:
            return None
        found = [self._differing(each, family) for each in reads if family in each.compared]
        last = found[-1]
        both = (
            (last[0] & found[0][0], last[1] & found[0][1])
            if len(reads) == len(found) == 2
            else (set(), set())
        )
        return AzureDifferences(*both, both != last)

    def _differing(self, read: Read, family: Family) -> tuple[set[Prefix], set[Prefix]]:
        link, frames = read.event.link, self.frames[read.frame - 1 :]
        listed = {row.prefix for row in read.event.routes or ()}
        theirs = {p for p in read.theirs if p.family == family and not any(p in f.seen[link] for f in frames)}
        always = frozenset.intersection(*(frame.received[link] for frame in frames))
        return theirs, {p for p in always if p.family == family and p.length and p not in listed}

    def rows(self, link: LinkKey, prefixes: Iterable[Prefix]) -> list[str]:
        last = self.reads[link][-1]
        return [last.theirs[prefix] for prefix in prefixes if prefix in last.theirs]

    def _read_at(self, link: LinkKey) -> float | None:
        """Return when the last route table was asked for; no other table replaces it."""
        return max((e.asked for e in self.events.get(link, []) if e.routes is not None), default=None)

    def _overdue_at(self, link: LinkKey) -> float | None:
        """The wait begins with the first attempt, however old the table is that it brings."""
        events = self.events.get(link)
        if not events:
            return None
        began = max(events[0].time, self._read_at(link) or events[0].time)
        return began + max(3600.0, 3 * self.refreshes()[link])

    def overdue(self, link: LinkKey) -> bool | None:
        at = self._overdue_at(link)
        if at is not None and self._oracle.now >= at:
            return True
        return None if self._read_at(link) is None else False

    def problem(self, link: LinkKey) -> str:
        at = self._read_at(link)
        read = "never" if at is None else self._clock(at)
        problem = self.events[link][-1].problem
        return f"last read: {read}; {problem}" if problem else f"last read: {read}"

    def _clock(self, time: float) -> str:
        return utc_text(time + self._oracle.clock_offset)

    def side(self, link: LinkKey, family: Family) -> str:
        said: list[str] = []
        refresh = self.refreshes().get(link)
        events = self.events.get(link, [])
        asked = []
        for name in ("neighbors", "arp"):
            last = [event for event in events if getattr(event, name) is not None][-1:]
            asked += [event.asked for event in last]
            for event in last if refresh is not None else ():
                if self._oracle.now < event.asked + 3 * (refresh or 0.0):
                    said += (
                        self._sessions(event, family)
                        if name == "neighbors"
                        else [arp_problem(event.arp or ())]
                    )
        said = [each for each in said if each]
        return f"{'; '.join(said)} (asked {self._clock(max(asked))})" if said else ""

    def _sessions(self, event: AzureTables, family: Family) -> Iterator[str]:
        for neighbor in event.neighbors or ():
            address = neighbor.parsed
            subnets = self._oracle.config.link(event.link).subnets
            if address is None or not any(s.family == family and overlap(address.prefix, s) for s in subnets):
                continue
            state = f"up, {neighbor.state} prefixes received" if neighbor.state.isdigit() else neighbor.state
            lasted = {"00:10:00": 600.0, "8w4d": None}.get(neighbor.up_down)
            since = (
                f"since {self._clock(event.asked - lasted)}"
                if lasted is not None
                else f"for {neighbor.up_down}"
            )
            yield f"session with {neighbor.address} {state} {since}"

    def deadlines(self) -> Iterator[float]:
        for link, refresh in self.refreshes().items():
            if (overdue := self._overdue_at(link)) is not None:
                yield overdue
            for event in self.events.get(link, []):
                yield event.asked + 3 * refresh
