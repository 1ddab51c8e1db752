"""What the tables of Microsoft's edge routers say, compared with what ermon sees of the same links.

A table is minutes old when it arrives, and was asked for some minutes before. So a comparison never relies on one: what differs
must differ in two readings, and must not have changed on our side from before the first was asked for until now. Each reading
is compared once, when it arrives, and only the differences are kept. Whatever changes later is taken out of them.

House rules: nothing here waits, sleeps, logs or reads a clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from ermon.checks.facts import Acceptance, AzureDifferences, link_up
from ermon.checks.mirror import POOL_SPACE
from ermon.checks.topics import RouteSet, azure_tables_topic
from ermon.model.azure_tables import (
    AzureArp,
    AzureNeighbor,
    AzureRoute,
    AzureTraffic,
    arp_problem,
)
from ermon.model.events import AzureTables
from ermon.model.findings import LinkState
from ermon.model.inventory import Config, Feed, Link, LinkKey, View
from ermon.model.prefixes import FAMILIES, Family, Prefix, PrefixSet, parse_prefix
from ermon.model.text import utc_text

if TYPE_CHECKING:
    from ermon.core.facts import NetworkFacts

REFRESHES_VALID = 3
"""A reading counts for so many intervals."""
OVERDUE_SECONDS = 3600.0
"""Tables that could not be read for so long, or for ``REFRESHES_VALID`` intervals if that is longer, are reported."""
_EXACT_SECONDS = 86_400.0
"""Routers write how long a session has been up or down to the second for a day, and to the hour or day later."""


@dataclass(slots=True)
class Reading:
    """One reading of a route table, compared with what ermon saw when it arrived."""

    time: float
    """When it arrived."""
    asked: float
    held: set[Prefix] = field(default_factory=set)
    """Prefixes in the space of pools that the link advertises and that the table has."""
    lacking: set[Prefix] = field(default_factory=set)
    """Those that the table lacks."""
    compared: frozenset[Family] = frozenset()
    """The families in which the table could be compared with the routes of the link."""
    only_microsoft: dict[Prefix, str] = field(default_factory=dict)
    """Prefixes that Microsoft sends by its table, and that no feed shows; with the row, as it came."""
    only_ours: set[Prefix] = field(default_factory=set)
    """Prefixes of the link that the table lacks."""

    def copy(self) -> Reading:
        return replace(
            self,
            held=set(self.held),
            lacking=set(self.lacking),
            only_microsoft=dict(self.only_microsoft),
            only_ours=set(self.only_ours),
        )


@dataclass(slots=True)
class LinkReadings:
    """What is known of the edge router at the far end of one link. Times are seconds since the epoch."""

    refresh: float
    since: float | None = None
    """When the first attempt was made; ``None`` before it, as in recordings of another configuration."""
    read_at: float | None = None
    """When Microsoft was asked for the route table that was read last: other tables do not stand in for it."""
    problem: str = ""
    """Why the last attempt failed; empty if it did not."""
    readings: tuple[Reading, ...] = ()
    """The last one or two of the route table, the latest last."""
    neighbors: tuple[AzureNeighbor, ...] = ()
    neighbors_asked: float | None = None
    arp: tuple[AzureArp, ...] = ()
    arp_asked: float | None = None
    traffic: AzureTraffic | None = None
    changed: dict[Prefix, float] = field(default_factory=dict)
    """By prefix in the space of a pool that a mirror of the link shows: when that last changed."""

    def valid(self, asked: float | None, now: float) -> bool:
        return asked is not None and now < self.valid_until(asked)

    def valid_until(self, asked: float) -> float:
        return round(asked + REFRESHES_VALID * self.refresh, 6)

    @property
    def overdue_at(self) -> float | None:
        if self.since is None:
            return None
        # A table from before the first attempt is old if ermon was not running: that is no reason to report it at once.
        last = self.since if self.read_at is None else max(self.since, self.read_at)
        return round(last + max(OVERDUE_SECONDS, REFRESHES_VALID * self.refresh), 6)

    def copy(self) -> LinkReadings:
        return replace(self, readings=tuple(r.copy() for r in self.readings), changed=dict(self.changed))

    def take(self, event: AzureTables) -> None:
        """Note what was read, apart from routes."""
        self.problem = event.problem
        self.since = event.time if self.since is None else self.since
        if event.neighbors is not None:
            self.neighbors, self.neighbors_asked = event.neighbors, event.asked
        if event.arp is not None:
            self.arp, self.arp_asked = event.arp, event.asked
        self.traffic = event.traffic or self.traffic
        if event.routes is not None:
            self.read_at = event.asked if self.read_at is None else max(self.read_at, event.asked)

    def take_reading(self, reading: Reading) -> None:
        """Keep a reading beside the one before, or in its place if it was asked for before that one arrived."""
        earlier = [each for each in self.readings if each.time < reading.asked]
        self.readings = (*earlier[-1:], reading)


def links_with_tables(config: Config) -> Iterator[tuple[Link, float]]:
    """Yield the links whose edge routers' tables are read, and how often, in seconds."""
    for link in config.links:
        azure = config.circuits[link.circuit].azure
        if azure is not None and azure.reads_tables:
            yield link, azure.refresh


class MicrosoftTables:
    """The tables of all links, compared with ``facts``."""

    def __init__(self, facts: NetworkFacts) -> None:
        self._facts = facts
        config = facts.config
        self.links = {link.key: LinkReadings(refresh) for link, refresh in links_with_tables(config)}
        self._pool_space = PrefixSet(prefix for pool in config.pools.values() for prefix in pool.prefixes)
        self._our_space = PrefixSet(config.our_space)
        self._subnets = [(subnet, link.key) for link in config.links for subnet in link.subnets]
        self._link_space = PrefixSet(subnet for subnet, _ in self._subnets)
        customer = config.customer
        self._our_asns = frozenset(
            (customer.asn, *customer.origin_asns, *customer.wan_asns, *customer.provider_asns)
        )

    def take_over(self, before: MicrosoftTables) -> Collection[LinkKey]:
        """Go on from what was known with an earlier configuration, and return its links. The routes have been taken over
        already.
        """
        for link in self.links.keys() & before.links.keys():
            now, earlier = self.links[link], before.links[link].copy()
            changed = {prefix: earlier.changed.get(prefix, at) for prefix, at in now.changed.items()}
            self.links[link] = replace(earlier, refresh=now.refresh, changed=changed)
            for reading in earlier.readings:
                for prefixes in (reading.held, reading.lacking):
                    prefixes -= {prefix for prefix in prefixes if not self._pool_space.overlaps(prefix)}
                self.touched(link, (*reading.only_microsoft, *reading.only_ours))
        return self.links.keys() & before.links.keys()

    def restore(self, memories: Iterable[TablesMemory]) -> None:
        for memory in memories:
            if memory.link in self.links:
                self.links[memory.link] = memory.tables(self.links[memory.link].refresh)

    # What changes on our side --------------------------------------------------------------------------

    def route_changed(self, feed: Feed, link: LinkKey, prefix: Prefix) -> None:
        """Note that a feed which is about one link has another route for a prefix, or none any more."""
        if link not in self.links:
            return
        if feed.view is View.TO_MICROSOFT and self._pool_space.overlaps(prefix):
            self._advertised_changed(link, self.links[link], prefix)
        self.touched(link, (prefix,))

    def _advertised_changed(self, link: LinkKey, tables: LinkReadings, prefix: Prefix) -> None:
        facts = self._facts
        mirrors = facts.config.mirrors.get(link, ())
        if any(prefix in facts.feeds[mirror.name].rib for mirror in mirrors):
            tables.changed[prefix] = facts.now
        else:
            tables.changed.pop(prefix, None)
        for reading in tables.readings:
            reading.held.discard(prefix)
            reading.lacking.discard(prefix)
        facts.pending.topics.add(azure_tables_topic(link))

    def touched(self, link: LinkKey, prefixes: Iterable[Prefix]) -> None:
        """Note that a feed may have begun or ceased to show prefixes of a link."""
        if link in self.links:
            self._facts.pending.azure.update((link, prefix) for prefix in prefixes)

    def routes_changed(self, link: LinkKey, prefix: Prefix) -> bool:
        """Note that a feed has begun or ceased to show a prefix on a link; return whether a difference is over by that."""
        tables, over = self.links.get(link), False
        for reading in tables.readings if tables is not None else ():
            if prefix in reading.only_microsoft and self._seen(link, prefix):
                del reading.only_microsoft[prefix]
                over = True
            if prefix in reading.only_ours and not self._shown(link, prefix):
                reading.only_ours.discard(prefix)
                over = True
        return over

    def _shown(self, link: LinkKey, prefix: Prefix) -> bool:
        """Return whether a feed shows a prefix among the routes of a link."""
        shown_on = self._facts.shown_on.get((link, prefix.family), ())
        return any(prefix in self._facts.table(name, link) for name in shown_on)

    def _seen(self, link: LinkKey, prefix: Prefix) -> bool:
        """The same, or the router reports that it receives the prefix, accepted or not."""
        before = self._facts.config.pre_policy.get((link, prefix.family))
        seen = before is not None and prefix in self._facts.feeds[before.name].rib
        return seen or self._shown(link, prefix)

    # A reading ------------------------------------------------------------------------------------------

    def take(self, event: AzureTables) -> LinkReadings | None:
        """Take in what was read; return the link's tables, ``None`` if the configuration does not name it."""
        tables = self.links.get(event.link)
        if tables is None:
            return None
        tables.take(event)
        newest = tables.readings[-1].asked if tables.readings else None
        if event.routes is not None and (newest is None or event.asked > newest):
            reading = Reading(self._facts.now, event.asked)
            table = [(route.prefix, route) for route in event.routes]
            spoken = {prefix.family for prefix, _ in table} | {each.family for each in tables.neighbors}
            self._compare_pools(event.link, reading, table, spoken, partial=event.partial)
            for family in FAMILIES:
                if family in spoken and not event.partial:
                    self._compare_routes(event.link, family, reading, table)
            tables.take_reading(reading)
        return tables

    def _compare_pools(
        self,
        link: LinkKey,
        reading: Reading,
        table: list[tuple[Prefix, AzureRoute]],
        spoken: Collection[Family | None],
        *,
        partial: bool,
    ) -> None:
        near = [(p, r) for p, r in table if not p.is_default and self._pool_space.overlaps(p)]
        everything = PrefixSet(prefix for prefix, _ in near)
        over_this = PrefixSet(prefix for prefix, route in near if self._may_be_over(link, route))
        changed = self.links[link].changed
        for prefix in self._advertised(link):
            if not self._unchanged(link, prefix.family, reading.asked) or not (
                changed.get(prefix, reading.asked) < reading.asked
            ):
                continue
            if over_this.covers(prefix):
                reading.held.add(prefix)
            elif prefix.family in spoken and not partial and not everything.covers(prefix):
                reading.lacking.add(prefix)

    def _may_be_over(self, link: LinkKey, route: AzureRoute) -> bool:
        """Return whether the edge router may have a route over this link: its next hop is in no other link's subnet."""
        next_hop = route.next_hop_address
        at = {
            key for subnet, key in self._subnets if next_hop is not None and subnet.contains(next_hop.prefix)
        }
        return not at or link in at

    def _advertised(self, link: LinkKey) -> set[Prefix]:
        """Return the prefixes in the space of pools that mirrors in sync show."""
        facts = self._facts
        return {
            prefix
            for mirror in facts.config.mirrors.get(link, ())
            for family in mirror.families
            if facts.in_sync(mirror.name, family)
            for pool in facts.config.pools
            for prefix, _ in facts.matching(mirror.name, RouteSet(POOL_SPACE, family, pool))
        }

    def _unchanged(self, link: LinkKey, family: Family, asked: float) -> bool:
        """Return whether a link has been up for routes of a family since before Microsoft was asked."""
        configured = self._facts.config.link(link)
        times = [self._facts.links[link, f].changed_at for f in configured.families_of(family)]
        return link_up(self._facts, configured, family) and all(t is None or t < asked for t in times)

    def _compare_routes(
        self, link: LinkKey, family: Family, reading: Reading, table: list[tuple[Prefix, AzureRoute]]
    ) -> None:
        facts, info = self._facts, self._facts.links.get((link, family))
        if info is None or info.state is not LinkState.UP or not info.deciders:
            return
        if (info.changed_at is not None and info.changed_at >= reading.asked) or facts.strays(link, family):
            return
        shown = {
            prefix
            for name in facts.shown_on.get((link, family), ())
            for prefix in facts.table(name, link).prefixes(family)
            if not prefix.is_default
        }
        listed = {prefix for prefix, _ in table if prefix.family == family}
        theirs = {
            prefix: f"{route.network} {route.next_hop} {route.path}"
            for prefix, route in table
            if prefix.family == family and self._is_microsofts(prefix, route)
        }
        if shown.isdisjoint(theirs):
            return  # a table that shows none of Microsoft's routes cannot be compared with them
        reading.compared |= {family}
        reading.only_ours |= shown - listed
        reading.only_microsoft |= {p: row for p, row in theirs.items() if not self._seen(link, p)}

    def _is_microsofts(self, prefix: Prefix, route: AzureRoute) -> bool:
        """Return whether a row of the table is a route of Microsoft's, and not one that it has learned from us."""
        next_hop = route.next_hop_address
        return not (
            prefix.is_default
            or self._our_space.overlaps(prefix)
            or self._link_space.overlaps(prefix)
            or (next_hop is not None and self._link_space.overlaps(next_hop.prefix))
            or not self._our_asns.isdisjoint(route.asns)
        )

    # Answers ---------------------------------------------------------------------------------------------

    def accepts(self, link: LinkKey, prefix: Prefix) -> Acceptance:
        readings = self._valid(link)
        if not readings:
            return Acceptance.UNKNOWN
        if prefix in readings[-1].held:
            return Acceptance.HELD
        if prefix not in readings[-1].lacking:
            return Acceptance.UNKNOWN
        twice = len(readings) > 1 and prefix in readings[0].lacking
        return Acceptance.LACKING if twice else Acceptance.WAITING

    def differences(self, link: LinkKey, family: Family) -> AzureDifferences | None:
        readings = self._valid(link)
        if not readings or family not in readings[-1].compared:
            return None
        last = readings[-1]
        theirs = {prefix for prefix in last.only_microsoft if prefix.family == family}
        ours = {prefix for prefix in last.only_ours if prefix.family == family}
        before = readings[0] if len(readings) > 1 else None
        again = theirs & before.only_microsoft.keys() if before is not None else set()
        ours_again = ours & before.only_ours if before is not None else set()
        return AzureDifferences(again, ours_again, (theirs, ours) != (again, ours_again))

    def rows(self, link: LinkKey, prefixes: Iterable[Prefix]) -> list[str]:
        readings = self.links[link].readings
        rows: Mapping[Prefix, str] = readings[-1].only_microsoft if readings else {}
        return [rows[prefix] for prefix in prefixes if prefix in rows]

    def _valid(self, link: LinkKey) -> tuple[Reading, ...]:
        tables = self.links[link]
        newest = tables.readings[-1].asked if tables.readings else None
        return tables.readings if tables.valid(newest, self._facts.now) else ()

    def overdue(self, link: LinkKey) -> bool | None:
        tables = self.links[link]
        if tables.overdue_at is not None and self._facts.now >= tables.overdue_at:
            return True
        return None if tables.read_at is None else False

    def problem(self, link: LinkKey) -> str:
        tables = self.links[link]
        read = "never" if tables.read_at is None else utc_text(self._facts.wall(tables.read_at))
        return f"last read: {read}" + (f"; {tables.problem}" if tables.problem else "")

    def side(self, link: LinkKey, family: Family) -> str:
        """Return in words what the edge router says of its session and of ARP."""
        tables, now = self.links.get(link), self._facts.now
        if tables is None:
            return ""
        found: list[str] = []
        if tables.valid(tables.neighbors_asked, now):
            found += self._sessions(link, family, tables)
        if tables.valid(tables.arp_asked, now) and (problem := arp_problem(tables.arp)):
            found.append(problem)
        if not found:
            return ""
        asked = max(at for at in (tables.neighbors_asked, tables.arp_asked) if at is not None)
        return f"{'; '.join(found)} (asked {utc_text(self._facts.wall(asked))})"

    def sessions(self, link: LinkKey) -> dict[str, str]:
        """Return the states of the sessions on a link by our addresses: ``up``, or the edge router's word."""
        tables = self.links[link]
        if not tables.valid(tables.neighbors_asked, self._facts.now):
            return {}
        subnets = self._facts.config.link(link).subnets
        return {
            str(address): "up" if neighbor.received is not None else neighbor.state or "unknown"
            for neighbor in tables.neighbors
            if (address := neighbor.parsed) is not None
            and any(subnet.contains(address.prefix) for subnet in subnets)
        }

    def arp(self, link: LinkKey) -> str | None:
        """Return what is wrong by the ARP table of a link; ``None`` if there is none that is recent."""
        tables = self.links[link]
        return arp_problem(tables.arp) if tables.valid(tables.arp_asked, self._facts.now) else None

    def _sessions(self, link: LinkKey, family: Family, tables: LinkReadings) -> Iterator[str]:
        subnets = [s for s in self._facts.config.link(link).subnets if s.family == family]
        for neighbor in tables.neighbors:
            address = neighbor.parsed
            if address is not None and any(subnet.contains(address.prefix) for subnet in subnets):
                yield self._session(neighbor, tables.neighbors_asked or 0.0)

    def _session(self, neighbor: AzureNeighbor, asked: float) -> str:
        state = f"up, {neighbor.state} prefixes received" if neighbor.received is not None else neighbor.state
        seconds = neighbor.seconds
        if seconds is not None and seconds < _EXACT_SECONDS:
            since = f" since {utc_text(self._facts.wall(asked - seconds))}"
        else:
            since = f" for {neighbor.up_down}" if seconds is not None else ""
        return f"session with {neighbor.address} {state or 'unknown'}{since}"


# A value for recordings ---------------------------------------------------------------------------------


class ReadingMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """A ``Reading``, its prefixes as text. A file format."""

    time: float
    asked: float
    held: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    compared: tuple[Family, ...] = ()
    only_microsoft: dict[str, str] = {}
    only_ours: tuple[str, ...] = ()

    @classmethod
    def of(cls, reading: Reading) -> ReadingMemory:
        return cls(
            reading.time,
            reading.asked,
            _texts(reading.held),
            _texts(reading.lacking),
            tuple(sorted(reading.compared)),
            {str(prefix): row for prefix, row in sorted(reading.only_microsoft.items())},
            _texts(reading.only_ours),
        )

    def reading(self) -> Reading:
        return Reading(
            self.time,
            self.asked,
            set(map(parse_prefix, self.held)),
            set(map(parse_prefix, self.lacking)),
            frozenset(self.compared),
            {parse_prefix(text): row for text, row in self.only_microsoft.items()},
            set(map(parse_prefix, self.only_ours)),
        )


class TablesMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The ``LinkReadings`` of a link. A file format."""

    link: LinkKey
    since: float | None = None
    read_at: float | None = None
    problem: str = ""
    readings: tuple[ReadingMemory, ...] = ()
    neighbors: tuple[AzureNeighbor, ...] = ()
    neighbors_asked: float | None = None
    arp: tuple[AzureArp, ...] = ()
    arp_asked: float | None = None
    traffic: AzureTraffic | None = None
    changed: dict[str, float] = {}

    @classmethod
    def of(cls, link: LinkKey, tables: LinkReadings) -> TablesMemory:
        return cls(
            link,
            tables.since,
            tables.read_at,
            tables.problem,
            tuple(map(ReadingMemory.of, tables.readings)),
            tables.neighbors,
            tables.neighbors_asked,
            tables.arp,
            tables.arp_asked,
            tables.traffic,
            {str(prefix): at for prefix, at in sorted(tables.changed.items())},
        )

    def tables(self, refresh: float) -> LinkReadings:
        return LinkReadings(
            refresh,
            self.since,
            self.read_at,
            self.problem,
            tuple(each.reading() for each in self.readings),
            self.neighbors,
            self.neighbors_asked,
            self.arp,
            self.arp_asked,
            self.traffic,
            {parse_prefix(text): at for text, at in self.changed.items()},
        )


def _texts(prefixes: Iterable[Prefix]) -> tuple[str, ...]:
    return tuple(map(str, sorted(prefixes)))
