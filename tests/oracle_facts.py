"""The facts of one moment for the oracle, by naive scans of its bare record.

The meaning of each look-up is written here a second time, from the contract, with ``ipaddress``: without an index,
without sets of changes, and without any result from the moment before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from itertools import dropwhile
from typing import TYPE_CHECKING

from ermon.checks.attribution import Cause, Unattributed
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
from ermon.checks.topics import Counted, RouteSet
from ermon.model.events import AzureRead
from ermon.model.findings import LinkState
from ermon.model.inventory import (
    Circuit,
    Config,
    ExpectationPeriods,
    Feed,
    Limit,
    Link,
    LinkKey,
    Peering,
    View,
)
from ermon.model.ownership import GoneVrp
from ermon.model.prefixes import FAMILIES, Address, Family, Prefix, PrefixSet, parse_address, parse_prefix
from ermon.model.routes import Attributes, Route, RouteKey, SegmentKind
from ermon.model.settings import CheckSettings
from ermon.model.text import utc_text

if TYPE_CHECKING:
    from tests.oracle import Oracle

Network = IPv4Network | IPv6Network

BLACKHOLE = (65535, 666)
LLGR_STALE = (65535, 6)

DEFAULTS: Mapping[tuple[str, str], float] = {
    ("link-flapping", "changes"): 3,
    ("link-flapping", "window"): 600.0,
    ("link-flapping", "per_day"): 6,
    ("feed-flapping", "losses"): 3,
    ("feed-flapping", "window"): 600.0,
    ("churn-high", "per_minute"): 600,
    ("drain", "repeats"): 4,
    ("drain", "percent"): 50.0,
}
"""Defaults of the checks' own numbers."""

CHURN_SECONDS = 60.0
HOUR = 3600.0
DAY = 24 * HOUR


def number(config: Config, check: str, name: str) -> float:
    settings = config.checks.get(check, CheckSettings())
    return settings.parameters.get(name, DEFAULTS[check, name])


def excess_until(times: Iterable[float], limit: float, seconds: float, now: float) -> float | None:
    """Return until when more than ``limit`` of these times are within ``seconds``; ``None`` if they are not."""
    recent = sorted(time for time in times if now < time + seconds)
    return recent[-int(limit) - 1] + seconds if len(recent) > limit else None


# Prefix arithmetic, slowly -----------------------------------------------------------------------------


@cache
def network(prefix: Prefix) -> Network:
    return ip_network(str(prefix))


@cache
def equal_or_inside(inner: Prefix, outer: Prefix) -> bool:
    if inner.version != outer.version:
        return False
    return network(inner).subnet_of(network(outer))  # type: ignore[arg-type]


def overlap(one: Prefix, other: Prefix) -> bool:
    return equal_or_inside(one, other) or equal_or_inside(other, one)


def covered(prefix: Prefix, by: Iterable[Prefix]) -> bool:
    """Return whether these prefixes together cover every address of ``prefix``."""
    return _covered(prefix, frozenset(other for other in by if other.version == prefix.version))


@lru_cache(maxsize=100_000)
def _covered(prefix: Prefix, by: frozenset[Prefix]) -> bool:
    joined = collapse_addresses(map(network, by))  # type: ignore[type-var]
    return any(network(prefix).subnet_of(other) for other in joined)


def covered_by_routes(prefix: Prefix, routes: Iterable[Prefix]) -> bool:
    """The same for routes: a default route covers nothing."""
    return covered(prefix, (route for route in routes if route.length > 0))


NOT_PUBLIC = [
    ip_network(text)
    for text in [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        "::/3",
        "4000::/2",
        "8000::/1",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    ]
]


@cache
def not_public(prefix: Prefix, public_space: tuple[Prefix, ...]) -> bool:
    """Return whether any address of ``prefix`` is neither public nor declared public by the policy."""
    for space in NOT_PUBLIC:
        if space.version != prefix.version or not space.overlaps(network(prefix)):
            continue
        shared = max(Prefix(prefix.version, int(space.network_address), space.prefixlen), prefix, key=_length)
        if not covered(shared, public_space):
            return True
    return False


def _length(prefix: Prefix) -> int:
    return prefix.length


# Paths and links ---------------------------------------------------------------------------------------


def from_microsoft(attributes: Attributes, config: Config) -> bool:
    """Return whether the AS path starts with 12076, after the company's and its providers' ASNs are removed from its
    left.
    """
    ours = {config.customer.asn, *config.customer.provider_asns}
    for segment in attributes.as_path:
        if segment.kind in {SegmentKind.CONFED_SEQUENCE, SegmentKind.CONFED_SET}:
            continue
        if segment.kind is SegmentKind.SET:
            return False
        for asn in segment.asns:
            if asn != 23456 and asn not in ours:
                return asn == 12076
    return False


def microsoft_part(attributes: Attributes, config: Config) -> list[int]:
    """Return the ASNs of a Microsoft route's path, without the company's and its providers' on its left."""
    asns = [
        asn
        for segment in attributes.as_path
        if segment.kind in {SegmentKind.SEQUENCE, SegmentKind.SET}
        for asn in segment.asns
        if asn != 23456
    ]
    return list(dropwhile({config.customer.asn, *config.customer.provider_asns}.__contains__, asns))


def says_nothing(attributes: Attributes, config: Config) -> bool:
    """Return whether a path has only ASNs of the company, of its carriers, and private ones."""
    customer = config.customer
    known = {customer.asn, *customer.provider_asns, *customer.origin_asns, *customer.wan_asns}
    spoken = [
        asn
        for segment in attributes.as_path
        if segment.kind in {SegmentKind.SEQUENCE, SegmentKind.SET}
        for asn in segment.asns
    ]
    private = [a for a in spoken if 64512 <= a <= 65534 or 4_200_000_000 <= a <= 4_294_967_294]
    return {*spoken} <= known | {*private}


def originated_by(attributes: Attributes, may: set[int]) -> bool:
    """Return whether the last ASN that is not private is one of these; without any, the company is the origin."""
    groups: list[list[int]] = []
    for segment in attributes.as_path:
        if segment.kind is SegmentKind.SET:
            groups.append(list(segment.asns))
        elif segment.kind is SegmentKind.SEQUENCE:
            groups += [[asn] for asn in segment.asns]
    for group in reversed(groups):
        public = [a for a in group if not (64512 <= a <= 65534 or 4_200_000_000 <= a <= 4_294_967_294)]
        if may & {*group}:
            return True
        if public:
            return False
    return True


def is_blackholed(attributes: Attributes, config: Config) -> bool:
    asked = {BLACKHOLE, *(community.values for community in config.policy.blackhole_communities)}
    return bool(asked & {*attributes.communities, *attributes.large_communities})


def median(levels: Collection[tuple[float, float]]) -> float | None:
    """Return the median of counts, each of which lasted for a number of seconds."""
    total = sum(seconds for _, seconds in levels)
    if not total:
        return None

    def spent_below(limit: float, *, inclusive: bool) -> float:
        return sum(s for count, s in levels if count < limit or (inclusive and count == limit))

    counts = {count for count, seconds in levels if seconds}
    lower = min(count for count in counts if spent_below(count, inclusive=True) * 2 >= total)
    upper = max(count for count in counts if spent_below(count, inclusive=False) * 2 <= total)
    return (lower + upper) / 2


def through_microsoft(attributes: Attributes) -> bool:
    return 12076 in [asn for segment in attributes.as_path for asn in segment.asns]


INTERNAL_COPY = "internal copy"


def brought_by(route: Route, feed: Feed, config: Config) -> LinkKey | Unattributed | str | None:
    """Return the link over which a route of an edge table was learned; ``None`` if it is not Microsoft's."""
    attributes, hop = route.attributes, route.attributes.next_hop
    near = [link for link in config.links if link.vrf == feed.vrf]
    far = [link for link in config.links if link.vrf != feed.vrf]
    summed_up = {
        link.key
        for link in near
        if hop in link.match_next_hops and covered(route.prefix, link.match_prefixes)
    }
    if summed_up:
        return summed_up.pop() if len(summed_up) == 1 else Unattributed(Cause.SEVERAL_LINKS, hop)
    if not from_microsoft(attributes, config):
        neighbours = _on_subnet(near, hop) or _on_subnet(far, hop)
        asn = _stranger(attributes, config)
        if not neighbours or asn is None:
            return None
        return Unattributed(Cause.UNDECLARED_ASN, hop, asn, frozenset(neighbours))
    if hop is None:
        return Unattributed(Cause.NO_NEXT_HOP)
    on_subnet = _on_subnet(near, hop)
    for candidates in (_matched(near, attributes), on_subnet):
        if len(candidates) == 1:
            return candidates.pop()
        if candidates:
            return Unattributed(Cause.SEVERAL_LINKS, hop, on_links=frozenset(on_subnet))
    for router, addresses in config.routers.items():
        if hop in addresses and router == feed.router:
            return Unattributed(Cause.NEXT_HOP_SELF, hop)
    ours = [f for f in config.feeds.values() if f.router == feed.router and not f.by_bmp]
    sessions = [parse_address(f.peer) for f in ours]
    if any(str(hop) in {str(address), f"::ffff:{address}"} for address in sessions):
        return Unattributed(Cause.NEXT_HOP_SELF, hop)
    if any(hop in addresses for addresses in config.routers.values()):
        return INTERNAL_COPY
    if elsewhere := _matched(far, attributes) or _on_subnet(far, hop):
        return Unattributed(Cause.ANOTHER_VRF, hop, on_links=frozenset(elsewhere))
    return Unattributed(Cause.LINK_LOCAL if hop.is_link_local else Cause.UNKNOWN_NEXT_HOP, hop)


def _matched(links: Iterable[Link], attributes: Attributes) -> set[LinkKey]:
    carried = attributes.communities | attributes.large_communities
    return {
        link.key
        for link in links
        if attributes.next_hop in link.match_next_hops
        or carried & {community.values for community in link.match_communities}
    }


def _on_subnet(links: Iterable[Link], hop: Address | None) -> set[LinkKey]:
    if hop is None:
        return set()
    return {
        link.key
        for link in links
        if any(covered(hop.prefix, [subnet]) for subnet in (link.subnet, link.subnet6) if subnet)
    }


def _stranger(attributes: Attributes, config: Config) -> int | None:
    """Return the foreign ASN before 12076, if any."""
    known = {23456, config.customer.asn, *config.customer.provider_asns}
    steps = [
        [asn for asn in segment.asns if asn not in known]
        for segment in attributes.as_path
        if segment.kind in {SegmentKind.SEQUENCE, SegmentKind.SET}
    ]
    kinds = [s.kind for s in attributes.as_path if s.kind in {SegmentKind.SEQUENCE, SegmentKind.SET}]
    if not through_microsoft(attributes):
        return None
    for kind, asns in zip(kinds, steps, strict=True):
        if asns:
            first = {asns[0]} if kind is SegmentKind.SEQUENCE else set(asns)
            return None if 12076 in first else asns[0]
    return None


# The record --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A request to a router to send again, because the policy asks for routes that were not held."""

    since: float
    log_from: int
    """The number of messages of the session before it."""
    kept: tuple[tuple[Prefix, ...], ...]
    """The address space that was asked about before: once, or several times without an answer yet."""
    everything: bool
    """Whether routes of Microsoft may be missing too."""

    def about(self, prefix: Prefix) -> bool:
        return self.everything or not all(covered(prefix, kept) for kept in self.kept)


@dataclass
class Session:
    """The record of one feed."""

    up_at: float | None = None
    joined: bool = False
    damaged: bool = False
    damaged_from: int = 0
    """The number of entries that the log had then."""
    loss: str | None = None
    down_reason: str = ""
    negotiated: frozenset[Family] | None = None
    offered: frozenset[Family] | None = None
    no_hold: bool = False
    routes: dict[RouteKey, Route] = field(default_factory=dict)
    unsure: set[Family] = field(default_factory=set)
    """Families in which routes arrived with all paths although a table of best paths would have to remember them."""
    log: list[tuple[float, str, Family]] = field(default_factory=list)
    """The times of End-of-RIB and updates in this session, by family."""
    passed_over: set[RouteKey] = field(default_factory=set)
    """Routes that an earlier policy did not ask about, and that were not held."""
    asked: dict[Family, Asked] = field(default_factory=dict)
    refreshes: dict[Family, tuple[float, set[RouteKey]]] = field(default_factory=dict)
    """By family that is sent again: since when, and what has arrived again."""
    first_up_at: float | None = None
    unheard: bool = False
    """Whether ermon has never received anything from it since its start."""
    torn: bool = False
    """Whether it was up when its process ended, and has not come back."""
    called_at: float | None = None
    """When its router connected again, if ermon waited for it."""
    overflowed_until: float | None = None
    overflowed_by: Limit | None = None
    overflow_seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    """When a session that was up was lost."""
    churn: list[tuple[float, LinkKey, Family]] = field(default_factory=list)
    """When a route of a link changed, while its family was in sync."""
    shown: bool = False
    """By BMP: whether its router has ever reported it."""
    said: str = ""
    """By BMP, on this connection and since it was last up: ``down`` or ``missing`` as the router reported, empty if neither."""
    silent: str = ""
    unreadable: str = ""
    """By BMP: why its state, or its routes, are unknown."""
    changed_at: float | None = None
    message_at: float | None = None

    def begin(self, now: float, *, joined: bool) -> None:
        self.up_at, self.joined, self.down_reason = now, joined, ""
        self.shown, self.changed_at, self.message_at = True, now, now
        self.forget_report()
        self.first_up_at = now if self.first_up_at is None else self.first_up_at
        self._forget()
        self.unheard = self.torn = False
        if not joined:
            self.damaged = False

    def end(self, now: float, reason: str) -> None:
        self.losses.append(now)
        self.up_at, self.joined, self.down_reason = None, False, reason
        self.changed_at = now
        self.forget_report()
        self.negotiated = self.offered = None
        self.no_hold = False
        self._forget()

    def forget_report(self) -> None:
        self.said = self.silent = self.unreadable = ""

    def lose(self, reason: str) -> None:
        if not self.damaged:
            self.damaged, self.damaged_from = True, len(self.log)
        self.loss = reason

    def _forget(self) -> None:
        self.routes, self.log, self.unsure, self.refreshes = {}, [], set(), {}
        self.damaged_from = 0
        self.passed_over, self.asked = set(), {}

    def asked_until(self, family: Family, config: Config) -> float | None:
        """Return when the requested routes have arrived, as far as the record shows; ``None``: nothing was requested."""
        asked, times = self.asked.get(family), config.collector
        if asked is None:
            return None
        began, timeout = False, asked.since + times.sync_timeout
        until, dumped_at = timeout, self._dump_over_at(family, config)
        for number, (time, kind, about) in enumerate(self.log[asked.log_from :], asked.log_from):
            if until <= time:
                break
            if about != family:
                continue
            if kind == "refresh begins":
                began, until = True, timeout
            elif kind == "refresh ends" and began:
                return time
            elif kind in {"announced", "withdrawn"} and not began:
                whole = not self.damaged or number < self.damaged_from
                dumped = whole and dumped_at is not None and dumped_at <= time
                until = min(time + times.settle, timeout) if dumped else until
        return until

    def refreshing(self, family: Family, now: float, config: Config) -> bool:
        """Return whether a family is being sent again, and its end mark may still arrive."""
        began = self.refreshes.get(family)
        return began is not None and now < began[0] + config.collector.sync_timeout

    def in_sync_at(self, family: Family, config: Config) -> float | None:
        """Return when the first dump is over, as far as the record shows; ``None``: never."""
        return None if self.damaged or self.unreadable else self._dump_over_at(family, config)

    def _dump_over_at(self, family: Family, config: Config) -> float | None:
        """Return the same, without regard to lost messages."""
        if self.up_at is None:
            return None
        times = config.collector
        deadline = self.up_at + times.sync_timeout
        ended: float | None = None
        for time, kind, about in self.log if not self.joined else ():
            if deadline <= time:
                break
            if about != family:
                continue
            if kind == "end-of-rib" and ended is None:
                ended = time
                deadline = ended + times.settle
            elif kind in {"announced", "withdrawn"} and ended is not None:
                deadline = min(time + times.settle, ended + times.settle_limit)
        return deadline


# The facts ---------------------------------------------------------------------------------------------


class FactsFromScratch:
    """Implements ``checks.subject.Facts`` by scanning the record of one moment."""

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self._config = oracle.config
        self._links = {link.key: link for link in oracle.config.links}
        self._edges = sorted(n for n, feed in oracle.config.feeds.items() if feed.view is View.EDGE_TABLE)
        feeds = oracle.config.feeds.items()
        own = [n for n, f in feeds if f.view is View.FROM_MICROSOFT and not f.pre_policy]
        self._bringing = sorted([*self._edges, *own])
        """The feeds that show what links receive: edge tables, and the routers' own sessions."""
        # Within one moment nothing changes, so that answers can be cached.
        for question in (
            *(self.in_sync, self.canary_missing, self.matching, self.amount, self.usual),
            *(
                self.table,
                self.deciders,
                self.link_state,
                self.all_are_dark,
                self.brought_by,
                self.path_marks,
            ),
        ):
            setattr(self, question.__name__, cache(question))

    @property
    def now(self) -> float:
        return self._oracle.now

    @property
    def calendar_now(self) -> float:
        return self._oracle.now + self._oracle.clock_offset

    def _session(self, feed: str) -> Session:
        return self._oracle.sessions[feed]

    def _prefixes(self, feed: str) -> set[Prefix]:
        return {prefix for prefix, _ in self._session(feed).routes}

    def up(self, feed: str) -> bool:
        return self._session(feed).up_at is not None

    def in_sync(self, feed: str, family: Family) -> bool:
        if family not in self._config.feeds[feed].families:
            return False
        session = self._session(feed)
        return self.dump_over(feed, family) and not session.no_hold and not session.silent

    def _asked(self, feed: str, family: Family) -> Asked | None:
        """Return the requests whose routes may not have arrived yet."""
        until = self._session(feed).asked_until(family, self._config)
        return self._session(feed).asked[family] if until is not None and self.now < until else None

    def knows(self, feed: str, family: Family, space: Iterable[Prefix]) -> bool:
        asked = self._asked(feed, family)
        return self.in_sync(feed, family) and not (asked is not None and any(asked.about(p) for p in space))

    def no_hold(self, feed: str) -> bool:
        return self._session(feed).no_hold

    def dump_over(self, feed: str, family: Family) -> bool:
        in_sync_at = self._session(feed).in_sync_at(family, self._config)
        if in_sync_at is None or in_sync_at > self.now:
            return False
        asked = self._asked(feed, family)
        if asked is not None and asked.everything:
            return False
        return not any(canary.family == family for canary in self.canary_missing(feed) or ())

    def all_paths(self, feed: str, family: Family) -> bool:
        session, configured = self._session(feed), self._config.feeds[feed]
        if session.negotiated is not None:
            return family in session.negotiated
        if session.offered is not None:
            return configured.add_path and family in session.offered
        return configured.add_path and family in configured.families

    def received_any(self, feed: str, family: Family) -> bool:
        if self._config.feeds[feed].view in {View.EDGE_TABLE, View.INTERNET, View.FROM_INTERNET}:
            log = self._session(feed).log
            return any(kind == "announced" and about == family for _, kind, about in log)
        return any(prefix.family == family for prefix in self._prefixes(feed))

    def end_of_rib(self, feed: str) -> bool | None:
        session = self._session(feed)
        if session.up_at is None or session.joined:
            return None
        ended = {family for _, kind, family in session.log if kind == "end-of-rib"}
        if ended.issuperset(self._config.feeds[feed].families):
            return True
        return False if self._long_up(session) else None

    def _long_up(self, session: Session) -> bool:
        return session.up_at is not None and self.now >= session.up_at + self._config.collector.sync_timeout

    def down_reason(self, feed: str) -> str:
        return self._session(feed).down_reason

    def listening_problem(self, feed: str) -> str:
        return self._oracle.unlistened.get(self._config.feeds[feed].local, "")

    def strangers(self, feed: str) -> Collection[str]:
        """The last eight connections of unknown hosts within ten minutes."""
        local = self._config.feeds[feed].local
        last: dict[str, float] = {}
        for at, address, peer in self._oracle.refusals:
            if address == local:
                last = {each: time for each, time in last.items() if each != peer} | {peer: at}
        return [peer for peer, at in list(last.items())[-8:] if round(at + 600.0, 6) > self._oracle.now]

    def loss(self, feed: str) -> str | None:
        return self._session(feed).loss

    def overflowed(self, feed: str) -> Limit | None:
        session = self._session(feed)
        return None if session.overflowed_until is None else session.overflowed_by

    def canary_missing(self, feed: str) -> tuple[Prefix, ...] | None:
        session, canaries = self._session(feed), self._config.feeds[feed].canary
        ended = {family for _, kind, family in session.log if kind == "end-of-rib" and not session.joined}
        judged = [canary for canary in canaries if canary.family in ended or self._long_up(session)]
        for family in FAMILIES:
            if (asked := self._asked(feed, family)) is not None:
                judged = [c for c in judged if c.family != family or not asked.about(c)]
        shown = {prefix for prefix in self._prefixes(feed) if self._enough_peers(feed, prefix)}
        missing = [c for c in judged if not covered_by_routes(c, shown)]
        if (not missing and len(judged) < len(canaries)) or not judged:
            return None
        return tuple(missing)

    def source_problem(self, source: str) -> str | None:
        return self._oracle.sources.get(source)

    def registered(self, source: str) -> Registered | None:
        """The last list of the source, unless it is older than three intervals; and what earlier lists had, if no later
        one did and it was there within ``relearn_after``.
        """
        lists = [read.reading for read in self._oracle.registry_reads if read.source == source]
        if (
            not lists
            or round(lists[-1].taken_at + 3 * self._oracle.refresh_of(source), 6) <= self._oracle.now
        ):
            return None
        last = lists[-1]
        named = {(vrp.prefix, vrp.asn) for vrp in last.vrps}
        seen: dict[tuple[str, int], float] = {}
        for each in lists[:-1]:
            seen |= {(vrp.prefix, vrp.asn): each.taken_at for vrp in each.vrps}
        gone = [
            GoneVrp(prefix, asn, at)
            for (prefix, asn), at in sorted(seen.items())
            if (prefix, asn) not in named
            and round(at + self._config.policy.relearn_after, 6) > self._oracle.now
        ]
        date = self._oracle.now + self._oracle.clock_offset
        return Registered(
            last.taken_at,
            None if last.space is None else [parse_prefix(text) for text in last.space],
            [vrp for vrp in last.vrps if vrp.expires is None or vrp.expires > date],
            [vrp for vrp in last.vrps if vrp.expires is not None and vrp.expires <= date],
            gone,
            last.route_objects,
        )

    def azure(self, circuit: str) -> AzureSight | None:
        """What Azure says counts for three intervals. The same again, or something older, is no other reading."""
        source = self._config.circuits[circuit].azure
        said: list[AzureRead] = []
        for event in self._oracle.azure_said:
            if event.circuit == circuit and event.reading and (not said or event.taken > said[-1].taken):
                said.append(event)
        if source is None or not said or self.now >= round(said[-1].taken + 3 * source.refresh, 6):
            return None
        last, before = said[-1], said[-2] if len(said) > 1 else None
        assert last.reading is not None
        listed = [parse_prefix(text) for each in said[:-1] if each.reading for text in each.reading.prefixes]
        return AzureSight(
            last.reading,
            last.taken,
            utc_text(last.taken + self._oracle.clock_offset),
            None if before is None else before.reading,
            0.0 if before is None else before.taken,
            PrefixSet(listed),
        )

    def _said(self, circuit: str) -> list[AzureRead]:
        return [event for event in self._oracle.azure_said if event.circuit == circuit]

    def azure_reading_overdue(self, circuit: str) -> bool | None:
        said, source = self._said(circuit), self._config.circuits[circuit].azure
        assert source is not None
        taken = [min(event.taken, event.time) for event in said if event.reading]
        if said and self.now >= max([said[0].time, *taken]) + max(3600.0, 3 * source.refresh):
            return True
        return False if taken else None

    def azure_reading_problem(self, circuit: str) -> str:
        said = self._said(circuit)
        taken = [min(event.taken, event.time) for event in said if event.reading]
        read = utc_text(max(taken) + self._oracle.clock_offset) if taken else "never"
        return f"last read: {read}" + (f"; {said[-1].problem}" if said[-1].problem else "")

    def named_since(self, circuit: str, prefix: Prefix) -> float:
        """Since when the pools of each configuration have had it without a break."""
        since = self.now
        for start, policy in reversed(self._oracle.policies):
            pools = (pool for pool in policy.pools.values() if circuit in pool.circuits)
            if not any(prefix in pool.prefixes for pool in pools):
                break
            since = start
        return since

    def storage_problem(self) -> str | None:
        return self._oracle.storage

    def azure_accepts(self, link: LinkKey, prefix: Prefix) -> Acceptance:
        return self._oracle.azure.accepts(link, prefix)

    def azure_differences(self, link: LinkKey, family: Family) -> AzureDifferences | None:
        return self._oracle.azure.differences(link, family)

    def azure_rows(self, link: LinkKey, prefixes: Iterable[Prefix]) -> Collection[str]:
        return self._oracle.azure.rows(link, prefixes)

    def azure_overdue(self, link: LinkKey) -> bool | None:
        return self._oracle.azure.overdue(link)

    def azure_problem(self, link: LinkKey) -> str:
        return self._oracle.azure.problem(link)

    def microsofts_side(self, link: LinkKey, family: Family) -> str:
        return self._oracle.azure.side(link, family)

    def awaited(self, feed: str) -> bool:
        """Return whether ermon waits for the feed's router: the feed is not up, it was up before its process ended or was
        never up, and the process started recently.
        """
        session = self._session(feed)
        return session.up_at is None and (session.unheard or session.torn) and self._oracle.in_grace(feed)

    def sessions_awaited(self, process: str) -> Collection[str]:
        own = [name for name, feed in self._config.feeds.items() if feed.process == process]
        return [name for name in own if self.awaited(name) and self._session(name).torn]

    def process_up(self, process: str) -> bool | None:
        return False if process in self._oracle.silent else self._oracle.processes[process]

    def process_restless(self, process: str) -> bool:
        """Return whether the process has been restless within the last five minutes: at the fourth end within ten
        minutes, and at each further end within five minutes after such an end.
        """
        ends, until = self._oracle.process_ends.get(process, []), float("-inf")
        for number, end in enumerate(ends):
            if end < until or (number >= 3 and end - ends[number - 3] < 600):
                until = end + 300
        return self._oracle.now < until

    def process_problem(self, process: str) -> str:
        return self._oracle.process_problems.get(process, "")

    # Links

    def table(self, feed: str, link: LinkKey, family: Family) -> frozenset[Prefix]:
        """Return the prefixes that the feed shows on the link."""
        return frozenset(
            route.prefix
            for route in self._session(feed).routes.values()
            if route.prefix.family == family and self.brought_by(feed, route) == link
        )

    def shown_by_any(self, link: LinkKey, family: Family) -> frozenset[Prefix]:
        return frozenset().union(*(self.table(feed, link, family) for feed in self._bringing))

    def _shown(self, link: LinkKey, family: Family) -> frozenset[Prefix]:
        return frozenset().union(*(self.table(feed, link, family) for feed in self.witnesses(link, family)))

    # By BMP (RFC 7854)

    def _own_session(self, link: LinkKey, family: Family, *, pre_policy: bool = False) -> str | None:
        """Return the feed that is the router's session on the link."""
        for name, feed in self._config.feeds.items():
            theirs = feed.view is View.FROM_MICROSOFT and feed.pre_policy is pre_policy
            if theirs and feed.link_key == link and family in feed.families:
                return name
        return None

    def _connected(self, feed: str) -> bool:
        return self._oracle.processes[self._config.feeds[feed].process] is True

    def _session_decides(self, link: LinkKey, family: Family) -> str | None:
        """Return ``up``, ``on its way`` (routes have come, more may follow) or ``down`` if the router's session decides on the link."""
        name = self._own_session(link, family)
        if name is None or not self._connected(name):
            return None
        session = self._session(name)
        if session.silent or session.unreadable:
            return None
        proven = bool(self._table_deciders(link, family)) and any(
            self._shows_fresh(feed, link, family) for feed in self._table_witnesses(link, family)
        )
        if session.up_at is None:
            gone = session.said == "missing" and session.shown and not proven
            return "down" if session.said == "down" or gone else None
        fresh = self._shows_fresh(name, link, family)
        if self.in_sync(name, family):
            return "up" if fresh else "down"
        return "on its way" if fresh and not proven else None

    def session_state(self, feed: str) -> LinkState:
        session = self._session(feed)
        if not self._connected(feed) or session.silent:
            return LinkState.UNKNOWN
        if session.up_at is not None:
            return LinkState.UP
        known_down = session.said == "down" or (session.said == "missing" and session.shown)
        return LinkState.DOWN if known_down else LinkState.UNKNOWN

    def session_exists(self, feed: str) -> bool:
        """Return whether it was ever reported, or may be yet."""
        session = self._session(feed)
        known = self._connected(feed) and not session.silent and session.up_at is None
        return not known or session.said != "missing" or session.shown

    def session_said(self, feed: str) -> str:
        """Only sessions of links or uplinks that are down are asked about."""
        session = self._session(feed)
        since, said = session.changed_at, session.down_reason or "down"
        if session.up_at is not None:
            said = "established, but no route"
        elif session.said == "missing":
            said = "the router no longer reports it"
        return said if since is None else f"{said} (since {utc_text(since + self._oracle.clock_offset)})"

    def session_report(self, link: LinkKey, family: Family) -> str:
        feed = self._own_session(link, family)
        return self.session_said(feed) if feed is not None and feed in self.deciders(link, family) else ""

    def session_reported(self, feed: str) -> bool | None:
        session = self._session(feed)
        if session.up_at is not None or session.said == "down":
            return True
        return session.shown if session.said == "missing" else None

    def routes_unreadable(self, feed: str) -> str:
        return self._session(feed).unreadable

    def connection_awaited(self, connection: str) -> bool:
        return any(
            self.awaited(name) for name, feed in self._config.feeds.items() if feed.process == connection
        )

    def has_statistics(self, connection: str) -> bool:
        return self._oracle.processes[connection] is True and connection in self._oracle.with_statistics

    def still_shown(self, link: LinkKey, family: Family) -> Collection[str]:
        """Return the tables that still show routes of a link on which its session decides."""
        if self._own_session(link, family) not in self.deciders(link, family):
            return ()
        tables = self._all_path_tables(link, family)
        return [f for f in tables if self.in_sync(f, family) and self.table(f, link, family)]

    def _compared(
        self, kind: CompareKind, link: LinkKey, family: Family
    ) -> list[tuple[str, set[Prefix], bool]]:
        """Return both sides: their feeds, their prefixes, and whether they prove what they lack."""

        def prefixes(feeds: Iterable[str]) -> set[Prefix]:
            return {p for feed in feeds for p in self._prefixes(feed) if p.family == family}

        own = self._own_session(link, family)
        if kind == "advertised":
            mirrors = [
                m for m in self._mirrors_of(self._links[link]) if family in self._config.feeds[m].families
            ]
            sides = [
                [m for m in mirrors if self._config.feeds[m].by_bmp is by_bmp] for by_bmp in (True, False)
            ]
            if not all(sides) or not all(self.in_sync(m, family) for m in mirrors):
                return []
            return [(", ".join(side), prefixes(side), True) for side in sides]
        if own is None or not self.in_sync(own, family):
            return []
        if kind == "rejected":
            before = self._own_session(link, family, pre_policy=True)
            return [(before, prefixes([before]), False), (own, prefixes([own]), True)] if before else []
        tables = self._all_path_tables(link, family)
        if not tables or not all(self.in_sync(table, family) for table in tables):
            return []
        assigned = not any(
            not why.on_links or link in why.on_links
            for table in tables
            for why in self.unattributed(table, family)
        )
        shown = {p for table in tables for p in self.table(table, link, family)}
        return [(own, prefixes([own]), True), (", ".join(tables), shown, assigned)]

    def disagreement(self, kind: CompareKind, link: LinkKey, family: Family) -> Disagreement | None:
        sides = self._compared(kind, link, family)
        if not sides:
            return None
        (_, one, one_proves), (_, other, other_proves) = sides
        lacking = (other - one if one_proves else set()) | (one - other if other_proves else set())
        return Disagreement(lacking, max(len(one), len(other)), one_proves and other_proves)

    def lacking(self, kind: CompareKind, link: LinkKey, prefix: Prefix) -> Collection[str]:
        sides = self._compared(kind, link, prefix.family)
        return [name for name, shown, proves in sides if proves and prefix not in shown]

    # What follows for links

    def link_state(self, link: LinkKey, family: Family) -> LinkState:
        if any(self._shows_fresh(feed, link, family) for feed in self.witnesses(link, family)):
            return LinkState.UP
        return LinkState.DOWN if self.deciders(link, family) else LinkState.UNKNOWN

    def last_known_state(self, link: LinkKey, family: Family) -> LinkState:
        now = self.link_state(link, family)
        return now if now is not LinkState.UNKNOWN else self._oracle.last_known(link, family)

    def state_awaited(self, link: LinkKey, family: Family) -> bool:
        """Return whether the state is unknown since a start, and a table should soon show it: of ermon, or of ExaBGP if
        the link was down before.
        """
        if self.link_state(link, family) is not LinkState.UNKNOWN:
            return False
        tables = [self._config.feeds[name] for name in self.eyes_of(link)]
        processes = {feed.process for feed in tables if family in feed.families}
        was_down = self._oracle.last_known(link, family) is LinkState.DOWN
        return any(
            self.now < start.time + self._config.collector.sync_timeout
            and (bool(processes) if start.process is None else start.process in processes and was_down)
            and not self._oracle.known_since(link, family, start)
            for start in self._oracle.starts
        )

    def lately_returned(self, link: LinkKey, family: Family) -> bool:
        returned_at = self._oracle.returned_at(link, family)
        return returned_at is not None and self.now < returned_at + self._config.policy.failover_grace

    def _shows_fresh(self, feed: str, link: LinkKey, family: Family) -> bool:
        """Return whether the link has a route that is not only kept for a neighbor that is gone."""
        return any(
            route.prefix.family == family
            and self.brought_by(feed, route) == link
            and LLGR_STALE not in route.attributes.communities
            for route in self._session(feed).routes.values()
        )

    def stale_routes(self, link: LinkKey, family: Family) -> int:
        return sum(
            route.prefix.family == family
            and self.brought_by(feed, route) == link
            and LLGR_STALE in route.attributes.communities
            for feed in self.witnesses(link, family)
            for route in self._session(feed).routes.values()
        )

    # Whether a loss would be noticed

    def up_circuits(self, vrf: str | None, family: Family) -> Collection[str]:
        return {
            link.circuit
            for link in self._config.links
            if link.vrf == vrf
            and family in link.families
            and self.link_state(link.key, family) is LinkState.UP
        }

    def in_first_dump(self, circuit: str, family: Family) -> bool:
        """Return whether it is not longer than `sync_timeout` since the circuit was last seen; only for a feed that is
        up.
        """
        links = [link for link in self._config.circuits[circuit].links.values() if family in link.families]
        tables = {feed for link in links for feed in self.eyes_of(link.key)}
        since = self._oracle.unseen_since(circuit, family)
        if since is None or self.now >= since + self._config.collector.sync_timeout:
            return False
        return any(self._dumps(feed, family) for feed in tables)

    def _dumps(self, feed: str, family: Family) -> bool:
        session, asked = self._session(feed), self._asked(feed, family)
        if asked is not None and asked.everything:
            return True
        if session.up_at is None or session.damaged or self._long_up(session):
            return False
        if family not in self._config.feeds[feed].families:
            return False
        in_sync_at = session.in_sync_at(family, self._config)
        return in_sync_at is None or self.now < in_sync_at

    def routers_awaited(self) -> Collection[str]:
        return {
            feed.router
            for name, feed in self._config.feeds.items()
            if feed.view is View.EDGE_TABLE
            and feed.router in self.routers_out_of_sight()
            and self.awaited(name)
        }

    def routers_out_of_sight(self) -> Collection[str]:
        routers = {self._config.feeds[feed].router or "" for feed in self._edges}
        return routers - {self._config.feeds[feed].router for feed in self._edges if self.up(feed)}

    def _may_be_a_stray(self, link: LinkKey, family: Family) -> bool:
        """Return whether routes that match no link, and did not exist while the link had routes, may be the link's."""
        had, usual = self._oracle.had(link, family)
        strays = [
            why
            for feed in self._all_path_tables(link, family)
            for why in self.unattributed(feed, family)
            if why not in usual and (link in why.on_links or not why.on_links)
        ]
        return bool(strays) and len(strays) >= had / 2

    def unattributed(self, feed: str, family: Family) -> list[Unattributed]:
        """Return the reason for which each unmatched route of an edge table matches no link."""
        routes = [r for r in self._session(feed).routes.values() if r.prefix.family == family]
        found = (self.brought_by(feed, route) for route in routes)
        return [why for why in found if isinstance(why, Unattributed)]

    def tables_beside(self, link: LinkKey) -> list[str]:
        """Return the edge tables of the link's router and VRF."""
        own, feeds = self._links[link], self._config.feeds
        return [f for f in self._edges if (feeds[f].router, feeds[f].vrf) == (own.router, own.vrf)]

    def eyes_of(self, link: LinkKey) -> list[str]:
        """Return the same, and the router's own sessions on the link."""
        sessions = (self._own_session(link, family) for family in FAMILIES)
        return [*self.tables_beside(link), *(name for name in sessions if name is not None)]

    def _all_path_tables(self, link: LinkKey, family: Family) -> list[str]:
        return [
            feed
            for feed in self.tables_beside(link)
            if family in self._config.feeds[feed].families and self.all_paths(feed, family)
        ]

    def deciders(self, link: LinkKey, family: Family) -> tuple[str, ...]:
        """Return the router's own session with Microsoft if it decides on the link, else what proves it among the tables."""
        decides = self._session_decides(link, family)
        if decides is None:
            return self._table_deciders(link, family)
        own = self._own_session(link, family)
        return (own,) if own is not None and decides != "on its way" else ()

    def _table_deciders(self, link: LinkKey, family: Family) -> tuple[str, ...]:
        """Return all of the router's all-paths tables, if each of them is in sync and its routes can be assigned."""
        tables = self._all_path_tables(link, family)
        if not all(self.in_sync(feed, family) for feed in tables):
            return ()
        if not tables:
            dark = not self._shown_on_tables(link, family) and self.all_are_dark(
                self._links[link].vrf, family
            )
            return tuple(f for f in self.tables_beside(link) if dark and self.in_sync(f, family))
        if any(self.table(feed, link, family) for feed in tables):
            known = any(self._shows_fresh(feed, link, family) for feed in tables)
        else:
            known = not self._may_be_a_stray(link, family)
        return tuple(tables) if known else ()

    def all_are_dark(self, vrf: str | None, family: Family) -> bool:
        """Return whether no router of the VRF has a route of Microsoft's, nor one that may hide such a route."""
        links = [link for link in self._config.links if link.vrf == vrf and family in link.families]
        brought = {prefix for link in links for prefix in self._oracle.remembered(link.key, family)}
        tables = [self._tables_of(router, vrf, family) for router in {link.router for link in links}]
        if not all(self._is_dark(each, family) for each in tables):
            return False
        if all(any(self.all_paths(feed, family) for feed in each) for each in tables):
            return True
        return not any(self._may_win(feed, family, brought) for each in tables for feed in each)

    def _tables_of(self, router: str, vrf: str | None, family: Family) -> list[str]:
        feeds = self._config.feeds
        return [
            f
            for f in self._edges
            if (feeds[f].router, feeds[f].vrf) == (router, vrf) and family in feeds[f].families
        ]

    def _may_win(self, feed: str, family: Family, brought: set[Prefix]) -> bool:
        """Tell whether a table has a route to one of these prefixes, or may have one that was not kept."""
        session = self._session(feed)
        return family in session.unsure or any(
            p in brought for p, _ in (*session.routes, *session.passed_over)
        )

    def _is_dark(self, tables: list[str], family: Family) -> bool:
        routes = [
            (f, r) for f in tables for r in self._session(f).routes.values() if r.prefix.family == family
        ]
        if any(self.brought_by(feed, route) is not None for feed, route in routes):
            return False
        all_paths = [feed for feed in tables if self.all_paths(feed, family)]
        return bool(tables) and all(self.in_sync(feed, family) for feed in all_paths or tables)

    def witnesses(self, link: LinkKey, family: Family) -> tuple[str, ...]:
        own = self._own_session(link, family)
        if own is not None and self._session_decides(link, family) is not None:
            return (own,)
        return self._table_witnesses(link, family)

    def _shown_on_tables(self, link: LinkKey, family: Family) -> frozenset[Prefix]:
        feeds = self._table_witnesses(link, family)
        return frozenset().union(*(self.table(feed, link, family) for feed in feeds))

    def _table_witnesses(self, link: LinkKey, family: Family) -> tuple[str, ...]:
        own = [feed for feed in self._all_path_tables(link, family) if self.in_sync(feed, family)]
        others = [
            f
            for f in self._edges
            if family in self._config.feeds[f].families
            and self.dump_over(f, family)
            and self.table(f, link, family)
        ]
        return tuple(own or others)

    def strays(self, link: LinkKey, family: Family) -> Mapping[Unattributed, int]:
        found = [why for feed in self.tables_beside(link) for why in self.unattributed(feed, family)]
        return Counter(why for why in found if link in why.on_links or not why.on_links)

    def seen(self, family: Family) -> bool:
        return any(self.in_sync(feed, family) for feed in self._edges)

    def expectations(self, circuit: str) -> ExpectationPeriods:
        receive = self._config.circuits[circuit].receive
        return ExpectationPeriods(receive.prefixes, complete=receive.lists_known)

    def prefix_count(self, link: LinkKey, family: Family) -> int:
        return len(self._shown(link, family))

    def uncovered(self, feed: str, link: LinkKey) -> Collection[Prefix]:
        receive = self._config.circuits[link[0]].receive
        return {
            expected.prefix
            for expected in receive.prefixes
            if expected.prefix.family in self._links[link].families
            and not covered_by_routes(expected.prefix, self.table(feed, link, expected.prefix.family))
        }

    def one_sided(self, circuit: str, family: Family) -> Collection[Prefix]:
        """Return the prefixes that are proven to be on one link and proven not to be on another that is up."""
        up = [
            link.key
            for link in self._config.circuits[circuit].links.values()
            if family in link.families and self.link_state(link.key, family) is LinkState.UP
        ]
        everywhere = frozenset().union(*(self._shown(link, family) for link in up))
        sides = [self._shown(link, family) for link in up if self.deciders(link, family)]
        return {prefix for prefix in everywhere if not all(prefix in side for side in sides)}

    def lacks(self, link: LinkKey, prefix: Prefix) -> bool:
        family = prefix.family
        if family not in self._links[link].families or self.link_state(link, family) is not LinkState.UP:
            return False
        return bool(self.deciders(link, family)) and prefix not in self._shown(link, family)

    def mirrors_lack(self, link: LinkKey, prefix: Prefix) -> bool:
        synced = [m for m in self._mirrors_of(self._links[link]) if self.in_sync(m, prefix.family)]
        return synced != [] and all(prefix not in self._prefixes(mirror) for mirror in synced)

    def without_failover(self, group: tuple[str, str, str], family: Family) -> Collection[Prefix]:
        """Return the prefixes that one circuit of the group advertises on a link that is up, and no other circuit that
        could be seen.
        """
        geo, name, peering = group
        circuits = [
            circuit
            for circuit in self._config.circuits.values()
            if (circuit.geo, circuit.group, circuit.peering) == (geo, name, peering)
        ]
        found = set()
        for circuit in circuits:
            others = [other for other in circuits if other is not circuit]
            on_mirrors = set()
            for link in circuit.links.values():
                if any(self.link_state(link.key, f) is LinkState.UP for f in self._own(link, family)):
                    for mirror in self._mirrors_of(link):
                        on_mirrors |= {p for p in self._prefixes(mirror) if p.family == family}
            found |= {p for p in on_mirrors if all(self._surely_lacks(o, p) for o in others)}
        return found

    @staticmethod
    def _own(link: Link, family: Family) -> tuple[Family, ...]:
        return (family,) if family in link.families else link.families

    def _mirrors_of(self, link: Link) -> list[str]:
        feeds = self._config.feeds.items()
        return [n for n, f in feeds if f.view is View.TO_MICROSOFT and f.link_key == link.key]

    def _surely_lacks(self, circuit: Circuit, prefix: Prefix) -> bool:
        """Return whether every link that is not down proves, in sync, that it does not cover the prefix, not even with
        several routes together.
        """
        shown: set[Prefix] = set()
        for link in circuit.links.values():
            states = [self.link_state(link.key, f) for f in self._own(link, prefix.family)]
            if all(state is LinkState.DOWN for state in states):
                continue
            last = [self.last_known_state(link.key, f) for f in self._own(link, prefix.family)]
            mirrors = [m for m in self._mirrors_of(link) if self.in_sync(m, prefix.family)]
            if all(state is LinkState.DOWN for state in last) or not mirrors:
                return False
            shown |= {p for m in mirrors for p in self._prefixes(m)}
        return prefix not in shown and (prefix.length == 0 or not covered_by_routes(prefix, shown))

    def advertised_one_sided(self, circuit: str, family: Family) -> Collection[Prefix]:
        """Mirrors in sync prove both what a link advertises and what it does not."""
        sides = []
        for link in self._config.circuits[circuit].links.values():
            own = [family] if family in link.families else link.families
            if all(self.link_state(link.key, each) is LinkState.DOWN for each in own):
                continue
            mirrors = [
                name
                for name, feed in self._config.feeds.items()
                if feed.view is View.TO_MICROSOFT and feed.link_key == link.key and self.in_sync(name, family)
            ]
            if mirrors:
                sides.append({p for name in mirrors for p in self._prefixes(name) if p.family == family})
        return set().union(*sides) - set.intersection(*sides) if sides else set()

    # Time

    def path_marks(self, link: LinkKey, family: Family) -> list[list[tuple[int, bool]]]:
        """Return for each feed in sync and path how often 12076 leads it, and whether it has GRACEFUL_SHUTDOWN."""
        return [
            [self._mark(route) for route in self._paths_of(feed, link, family)]
            for feed in self._bringing
            if self.in_sync(feed, family)
        ]

    def _paths_of(self, feed: str, link: LinkKey, family: Family) -> list[Route]:
        routes = [r for r in self._session(feed).routes.values() if r.prefix.family == family]
        return [route for route in routes if self.brought_by(feed, route) == link]

    def _mark(self, route: Route) -> tuple[int, bool]:
        path = microsoft_part(route.attributes, self._config)
        leading = len(path) - len(list(dropwhile((12076).__eq__, path)))
        return leading, (65535, 0) in route.attributes.communities

    def draining(self, link: LinkKey, family: Family) -> bool:
        return self._oracle.drain_of(link, family).since is not None

    def drain_overdue(self, link: LinkKey, family: Family) -> bool:
        since = self._oracle.drain_of(link, family).since
        return since is not None and self.now >= since + self._config.policy.max_drain

    def preference(self, link: LinkKey, other: LinkKey, family: Family) -> Preference | None:
        """Compare the LOCAL_PREF of each prefix that both links have, each on a deciding feed of the same ASN."""
        shown = []
        for each in (link, other):
            feeds = self._config.feeds
            internal = [f for f in self.deciders(each, family) if feeds[f].peer_asn == feeds[f].local_asn]
            if family not in self._links[each].families or not internal:
                return None
            shown.append((feeds[internal[0]].peer_asn, self._paths_of(internal[0], each, family)))
        (asn, mine), (other_asn, theirs) = shown
        if asn != other_asn:
            return None
        shared = {route.prefix for route in mine} & {route.prefix for route in theirs}
        higher = missing = 0
        for prefix in shared:
            values = [
                [r.attributes.local_preference for r in routes if r.prefix == prefix]
                for routes in (mine, theirs)
            ]
            if None in values[0] or None in values[1]:
                missing += 1
            else:
                higher += max(filter(None, values[0]), default=0) > max(filter(None, values[1]), default=0)
        return Preference(len(shared), higher, missing)

    def drained_paths(self, link: LinkKey) -> Collection[Route]:
        enough = int(number(self._config, "drain", "repeats")) - 1
        found = []
        for family in self._links[link].families:
            least = (self._oracle.drain_of(link, family).usual or 0) + enough
            for route in (r for feed in self._bringing for r in self._paths_of(feed, link, family)):
                leading, shut = self._mark(route)
                if shut or leading >= least:
                    found.append(route)
        return found

    def link_flaps(self, link: LinkKey, family: Family) -> bool:
        return self._oracle.flaps_until(link, family) is not None

    def link_changes(self, link: LinkKey, family: Family) -> LinkChanges:
        return self._oracle.changes_of(link, family)

    def feed_flaps(self, feed: str) -> bool:
        return self._oracle.losses_until(feed) is not None

    def churning(self, link: LinkKey) -> Collection[str]:
        return [feed for feed in self._bringing if self._oracle.churns_until(feed, link) is not None]

    def route_changes(self, feed: str, link: LinkKey) -> int:
        return sum(time + 60 > self.now for time in self._oracle.churn_times(feed, link))

    def amount(self, counted: Counted) -> Amount:
        prefixes = self._counted_prefixes(counted)
        joined = collapse_addresses([network(p) for p in prefixes if p.length])  # type: ignore[type-var]
        return Amount(len(prefixes), float(sum(each.num_addresses for each in joined)))

    def _counted_prefixes(self, counted: Counted) -> frozenset[Prefix]:
        kind, link, family, service = counted
        if kind == "received":
            return self._shown(link, family)
        if kind == "vnets":
            of_vnets = RouteSet("vnet", family, link=link)
            return frozenset(key[0] for feed in self._bringing for key in self.matching(feed, of_vnets))
        if kind == "service":
            return frozenset(
                route.prefix
                for feed in self.witnesses(link, family)
                for route in self.matching(feed, RouteSet("service", family, service, link)).values()
            )
        mirrors = [name for name, feed in self._config.feeds.items() if feed.view is View.TO_MICROSOFT]
        own = [n for n in mirrors if self._config.feeds[n].link_key == link and self.in_sync(n, family)]
        return frozenset(p for name in own for p in self._prefixes(name) if p.family == family)

    def usual(self, counted: Counted) -> Amount | None:
        return self._oracle.levels.usual(counted)

    # Routes

    def matching(self, feed: str, route_set: RouteSet) -> Mapping[RouteKey, Route]:
        return {
            key: route
            for key, route in self._session(feed).routes.items()
            if route.prefix.family == route_set.family
            and self._enough_peers(feed, route.prefix)
            and SORTS[route_set.kind](self, feed, route, route_set)
        }

    # Peers of RIPE's collectors

    def asns_with(self, feed: str, prefix: Prefix) -> set[int]:
        """Return the ASNs of the peers with a route that is held to exactly this prefix: those that the paths begin with."""
        paths = [
            [asn for segment in route.attributes.as_path for asn in segment.asns]
            for (found, _), route in self._session(feed).routes.items()
            if found == prefix
        ]
        return {path[0] if path else 0 for path in paths}

    def _enough_peers(self, feed: str, prefix: Prefix) -> bool:
        ris = self._config.feeds[feed].ris
        return ris is None or len(self.asns_with(feed, prefix)) >= ris.min_peers

    def peers_having(self, feed: str, prefix: Prefix) -> PeersHaving | None:
        """Go through all that was heard of a prefix.

        Fewer than half of the most peers that had it are left: it is stuck at them, until as many others as count have it besides the
        fewest that were left. Once fewer than count have it, a new story begins. That some are gone is only known when all are known.
        """
        ris = self._config.feeds[feed].ris
        if ris is None:
            return None
        most, fewest = 0, None
        for count, all_known in self._oracle.heard.get((feed, prefix), []):
            if count < ris.min_peers:
                if all_known:
                    most, fewest = 0, None
                continue
            if fewest is not None and count - fewest >= ris.min_peers:
                most, fewest = count, None
            most = max(most, count)
            if all_known and count < most / 2:
                fewest = min(count, count if fewest is None else fewest)
        return PeersHaving(len(self.asns_with(feed, prefix)), most, fewest is not None)

    def feeds_showing(self, route_set: RouteSet) -> Collection[str]:
        feeds = self._config.feeds if route_set.link is None else self._bringing
        return [feed for feed in feeds if self.matching(feed, route_set)]

    def covers(self, feed: str, prefix: Prefix) -> bool:
        shown = {found for found in self._prefixes(feed) if self._enough_peers(feed, found)}
        return covered_by_routes(prefix, shown)

    def covering(self, feed: str, prefix: Prefix) -> Iterable[Route]:
        found = [r for r in self._session(feed).routes.values() if equal_or_inside(prefix, r.prefix)]
        return [route for route in found if self._enough_peers(feed, route.prefix)]

    def inside(self, feed: str, prefix: Prefix) -> Iterable[Route]:
        found = [r for r in self._session(feed).routes.values() if equal_or_inside(r.prefix, prefix)]
        return [route for route in found if self._enough_peers(feed, route.prefix)]

    # The kinds of routes: one line of the catalogue each

    def brought_by(self, feed: str, route: Route) -> LinkKey | Unattributed | str | None:
        one = self._config.feeds[feed]
        if one.view is View.FROM_MICROSOFT:
            return None if one.pre_policy else one.link_key  # the session is the link
        return brought_by(route, one, self._config)

    def _space_of(self, name: str) -> tuple[Prefix, ...]:
        return self._config.pools[name].prefixes

    def _declared_pools(self, feed: str) -> list[Prefix]:
        circuit = self._config.feeds[feed].circuit
        return [p for pool in self._config.pools.values() if circuit in pool.circuits for p in pool.prefixes]

    def is_service(self, feed: str, route: Route, route_set: RouteSet) -> bool:
        names = {f"{high}:{low}" for high, low in route.attributes.communities}
        return self.brought_by(feed, route) == route_set.link and route_set.name in names

    def is_tagged(self, feed: str, route: Route, route_set: RouteSet) -> bool:
        return self.brought_by(feed, route) == route_set.link and 12076 in dict(route.attributes.communities)

    def is_unexpected(self, feed: str, route: Route, route_set: RouteSet) -> bool:
        if route_set.link is None or self.brought_by(feed, route) != route_set.link:
            return False
        circuit = self._config.circuits[route_set.link[0]]
        private, receive = circuit.peering is Peering.PRIVATE, circuit.receive
        if route.prefix.length == 0:
            return not (private and receive.allow_default)
        ours = [*self._config.customer.own_prefixes, *_pool_space(self._config)]
        if covered(route.prefix, ours) and not covered(route.prefix, [*receive.own_prefixes, *receive.vnets]):
            return True
        return not private and not_public(route.prefix, self._config.policy.public_space)

    def is_unlisted(self, feed: str, route: Route, route_set: RouteSet) -> bool:
        """Return whether it is outside what the circuit says it may receive, and no other check reports it."""
        if (
            route_set.link is None
            or self.brought_by(feed, route) != route_set.link
            or route.prefix.length == 0
        ):
            return False
        receive = self._config.circuits[route_set.link[0]].receive
        if not receive.lists_known or not (receive.only_listed or receive.vnets):
            return False
        listed = [*(e.prefix for e in receive.prefixes), *receive.own_prefixes, *receive.vnets]
        outside = not covered(route.prefix, listed)
        if not receive.vnets:  # services are a list of their own, for those who list no virtual networks
            wanted = {service.community for service in receive.services}
            outside = outside and not wanted & route.attributes.communities
        return outside and not self.is_unexpected(feed, route, route_set)

    def is_of_a_vnet(self, feed: str, route: Route, route_set: RouteSet) -> bool:
        """Private peering: only ASNs of Microsoft's routers and a gateway are in the path."""
        if route_set.link is None or self.brought_by(feed, route) != route_set.link:
            return False
        private = self._config.circuits[route_set.link[0]].peering is Peering.PRIVATE
        return private and set(microsoft_part(route.attributes, self._config)) <= {12076, 65515}

    def is_foreign_origin(self, feed: str, route: Route, route_set: RouteSet) -> bool:
        """Return whether an ASN that is not Microsoft's comes after 12076."""
        if self.brought_by(feed, route) != route_set.link:
            return False
        path = microsoft_part(route.attributes, self._config)
        foreign = not self._config.policy.microsoft_asns.issuperset(path)
        return foreign and from_microsoft(route.attributes, self._config)

    def is_stale(self, feed: str, route: Route, route_set: RouteSet) -> bool:
        return self.brought_by(feed, route) == route_set.link and LLGR_STALE in route.attributes.communities

    def is_best_path(self, feed: str, route: Route, _: RouteSet) -> bool:
        """Return whether packets to an expected prefix may follow it."""
        expected = [e.prefix for c in self._config.circuits.values() for e in c.receive.prefixes]
        may_follow = any(overlap(route.prefix, prefix) for prefix in expected)
        return may_follow and not self._config.feeds[feed].add_path

    def is_not_microsoft(self, feed: str, route: Route, route_set: RouteSet) -> bool:
        return self.is_best_path(feed, route, route_set) and self.brought_by(feed, route) is None

    def is_unattributed(self, feed: str, route: Route, __: RouteSet) -> bool:
        return isinstance(self.brought_by(feed, route), Unattributed)

    def is_advertised(self, _: str, __: Route, ___: RouteSet) -> bool:
        return True

    def is_default(self, _: str, route: Route, __: RouteSet) -> bool:
        return route.prefix.length == 0

    def touches_pool(self, _: str, route: Route, route_set: RouteSet) -> bool:
        touches = any(overlap(route.prefix, prefix) for prefix in self._space_of(route_set.name))
        return route.prefix.length > 0 and touches

    def is_foreign_pool(self, feed: str, route: Route, _: RouteSet) -> bool:
        """Return whether it overlaps a pool of other circuits, and no pool of this one declares it."""
        circuit = self._config.feeds[feed].circuit
        foreign = [pool for pool in self._config.pools.values() if circuit not in pool.circuits]
        touched = any(overlap(route.prefix, prefix) for pool in foreign for prefix in pool.prefixes)
        return route.prefix.length > 0 and touched and not covered(route.prefix, self._declared_pools(feed))

    def is_bound_elsewhere(self, feed: str, route: Route, route_set: RouteSet) -> bool:
        """Return whether it is inside a pool of this circuit that is bound to other links, and in no pool that belongs
        on this link.
        """
        pool, mirror = self._config.pools[route_set.name], self._config.feeds[feed]
        if mirror.circuit not in pool.circuits or pool.links is None or mirror.link in pool.links:
            return False
        belongs_here = [
            prefix
            for other in self._config.pools.values()
            if mirror.circuit in other.circuits and (other.links is None or mirror.link in other.links)
            for prefix in other.prefixes
        ]
        inside = covered(route.prefix, pool.prefixes) and not covered(route.prefix, belongs_here)
        return route.prefix.length > 0 and inside

    def is_required(self, feed: str, route: Route, _: RouteSet) -> bool:
        required = self._config.circuits[self._config.feeds[feed].circuit or ""].advertise.required
        return route.prefix.length > 0 and any(p.length and overlap(route.prefix, p) for p in required)

    def is_undeclared(self, feed: str, route: Route, _: RouteSet) -> bool:
        allowed = self._config.circuits[self._config.feeds[feed].circuit or ""].advertise.prefixes
        if route.prefix.length == 0 or allowed is None:
            return False
        return not covered(route.prefix, [*allowed, *self._declared_pools(feed)])

    def is_not_public(self, _: str, route: Route, __: RouteSet) -> bool:
        return route.prefix.length > 0 and not_public(route.prefix, self._config.policy.public_space)

    def is_internet_only(self, _: str, route: Route, __: RouteSet) -> bool:
        space = self._config.internet_only
        return route.prefix.length > 0 and any(overlap(route.prefix, prefix) for prefix in space)

    def is_link_subnet(self, feed: str, route: Route, _: RouteSet) -> bool:
        """Return whether it overlaps a link subnet, and is not exactly a declared prefix of the company's own space."""
        allowed = self._config.circuits[self._config.feeds[feed].circuit or ""].advertise.prefixes or ()
        subnets = [s for link in self._config.links for s in (link.subnet, link.subnet6) if s]
        touches = any(overlap(route.prefix, subnet) for subnet in subnets)
        declared = route.prefix in allowed and route.prefix in self._config.customer.own_prefixes
        return route.prefix.length > 0 and touches and not declared

    def is_refused_path(self, feed: str, route: Route, __: RouteSet) -> bool:
        """Return whether the path has documentation or private ASNs (RFC 5398, RFC 6996), or Azure's own on private
        peering. The company's own ASNs do not count.
        """
        if route.prefix.length == 0:
            return False
        asns = {asn for segment in route.attributes.as_path for asn in segment.asns}
        if self._config.circuits[self._config.feeds[feed].circuit or ""].peering is Peering.PRIVATE:
            useless = asns & {65515, 65516, 65517, 65518, 65519, 65520}
        else:
            useless = {a for a in asns if 64496 <= a <= 65534 or 4_200_000_000 <= a <= 4_294_967_294}
        return bool(useless - {self._config.customer.asn})

    def is_transit(self, _: str, route: Route, __: RouteSet) -> bool:
        if is_blackholed(route.attributes, self._config):
            return False
        return route.prefix.length == 0 or not covered(route.prefix, self._config.customer.own_prefixes)

    def is_exported(self, _: str, route: Route, __: RouteSet) -> bool:
        ours = covered(route.prefix, self._config.customer.own_prefixes)
        return ours and not is_blackholed(route.attributes, self._config)

    def is_ours(self, _: str, route: Route, route_set: RouteSet) -> bool:
        """Return whether it is address space of the company, with its ASN at the end of the path."""
        last = route.attributes.as_path[-1:]
        if not last or route.prefix.length == 0 or not self.is_exported(_, route, route_set):
            return False
        ends = last[0].asns if last[0].kind is SegmentKind.SET else last[0].asns[-1:]
        return self._config.customer.asn in ends

    def is_published(self, _: str, route: Route, __: RouteSet) -> bool:
        """Return whether it overlaps internet-only space; a default route and a blackhole do not count."""
        if route.prefix.length == 0 or is_blackholed(route.attributes, self._config):
            return False
        return any(overlap(route.prefix, prefix) for prefix in self._config.internet_only)

    def is_hijacked(self, feed: str, route: Route, __: RouteSet) -> bool:
        config = self._config
        ours = [*config.customer.own_prefixes, *config.internet_only]
        outside = config.feeds[feed].view is View.INTERNET
        if not outside or route.prefix.length == 0 or is_blackholed(route.attributes, config):
            return False
        if not covered(route.prefix, ours) or covered(route.prefix, _pool_space(config)):
            return False
        may = {config.customer.asn, *config.customer.origin_asns, *config.customer.provider_asns}
        may |= {uplink.asn for uplink in config.uplinks.values()}
        byoip = [p for circuit in config.circuits.values() for p in circuit.receive.own_prefixes]
        if covered(route.prefix, byoip):
            may |= config.policy.microsoft_asns
        return not originated_by(route.attributes, may)

    def is_blackholed(self, _: str, route: Route, __: RouteSet) -> bool:
        return is_blackholed(route.attributes, self._config)

    def is_inside_pool(self, feed: str, route: Route, route_set: RouteSet) -> bool:
        if is_blackholed(route.attributes, self._config) or not self.touches_pool(feed, route, route_set):
            return False
        return covered(route.prefix, self._space_of(route_set.name))

    def covers_pool(self, feed: str, route: Route, route_set: RouteSet) -> bool:
        if is_blackholed(route.attributes, self._config) or not self.touches_pool(feed, route, route_set):
            return False
        return not covered(route.prefix, self._space_of(route_set.name))

    def is_microsoft(self, feed: str, route: Route, _: RouteSet) -> bool:
        """Return whether 12076 is in its path, or it is inside what a link of Microsoft peering receives or has just
        received.
        """
        if route.prefix.length == 0:
            return False
        to_internet = self._config.feeds[feed].view is View.TO_INTERNET
        if to_internet and is_blackholed(route.attributes, self._config):
            return False
        if through_microsoft(route.attributes):
            return True
        if covered(route.prefix, [*self._config.customer.own_prefixes, *_pool_space(self._config)]):
            return False
        segment = self._config.segments.get(self._config.feeds[feed].segment or "")
        if segment is not None and covered(route.prefix, segment.local):
            return False
        if not says_nothing(route.attributes, self._config):
            return False
        return any(equal_or_inside(route.prefix, brought) for brought in self._brought())

    def _brought(self) -> Iterator[Prefix]:
        for link in self._config.links:
            if self._config.circuits[link.circuit].peering is Peering.MICROSOFT:
                found = [p for family in FAMILIES for p in self.shown_by_any(link.key, family)]
                for family in self._not_up(link):
                    found += self._oracle.remembered(link.key, family)
                # Routes that Microsoft should not have sent at all do not count here.
                yield from (
                    p for p in found if p.length and not not_public(p, self._config.policy.public_space)
                )

    def _not_up(self, link: Link) -> list[Family]:
        return [f for f in link.families if self.link_state(link.key, f) is not LinkState.UP]


def _pool_space(config: Config) -> Iterator[Prefix]:
    for pool in config.pools.values():
        yield from pool.prefixes


SORTS: Mapping[str, Callable[[FactsFromScratch, str, Route, RouteSet], bool]] = {
    "service": FactsFromScratch.is_service,
    "tagged": FactsFromScratch.is_tagged,
    "unexpected": FactsFromScratch.is_unexpected,
    "unlisted": FactsFromScratch.is_unlisted,
    "vnet": FactsFromScratch.is_of_a_vnet,
    "foreign-origin": FactsFromScratch.is_foreign_origin,
    "stale": FactsFromScratch.is_stale,
    "best-path": FactsFromScratch.is_best_path,
    "not-microsoft": FactsFromScratch.is_not_microsoft,
    "unattributed": FactsFromScratch.is_unattributed,
    "advertised": FactsFromScratch.is_advertised,
    "default": FactsFromScratch.is_default,
    "pool-space": FactsFromScratch.touches_pool,
    "foreign-pool": FactsFromScratch.is_foreign_pool,
    "bound-elsewhere": FactsFromScratch.is_bound_elsewhere,
    "required": FactsFromScratch.is_required,
    "undeclared": FactsFromScratch.is_undeclared,
    "not-public": FactsFromScratch.is_not_public,
    "internet-only": FactsFromScratch.is_internet_only,
    "link-subnet": FactsFromScratch.is_link_subnet,
    "refused-path": FactsFromScratch.is_refused_path,
    "transit": FactsFromScratch.is_transit,
    "exported": FactsFromScratch.is_exported,
    "ours": FactsFromScratch.is_ours,
    "blackholed": FactsFromScratch.is_blackholed,
    "published": FactsFromScratch.is_published,
    "hijacked": FactsFromScratch.is_hijacked,
    "inside-pool": FactsFromScratch.is_inside_pool,
    "covers-pool": FactsFromScratch.covers_pool,
    "microsoft": FactsFromScratch.is_microsoft,
}
