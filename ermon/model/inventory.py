"""The inventory in the configuration, as frozen values: the customer, circuits, pools, feeds, policy.

``config`` reads these from YAML and fills in every default that the file may leave out; the only defaults here stand
for "nothing". All other code takes the values as they are: names that refer to something (a link's router, a pool's
circuit, a feed's uplink) are known to exist, durations are seconds, and prefixes are ``Prefix`` values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Literal

from ermon.model.azure import AzureAccess, AzureCircuit
from ermon.model.ownership import NOT_READ, Ownership
from ermon.model.prefixes import FAMILIES, Address, Family, Prefix
from ermon.model.routes import Community
from ermon.model.settings import (
    Alertmanager,
    CheckException,
    CheckSettings,
    MaintenanceWindow,
    Policy,
    Webhook,
)

LinkKey = tuple[str, str]
"""The key of a link: the names of its circuit and of itself."""
LinkFamily = tuple[LinkKey, Family]
Limit = Literal["max_routes", "max_bytes"]
"""The keys of ``collector`` that limit how much a feed may send."""
VrfFamily = tuple[str | None, Family]
RoutingTable = tuple[str | None, str | None]
"""A router and one of its VRFs; ``None`` for the VRF is the router's global table."""


class View(StrEnum):
    """Which table a feed's routes stand for."""

    EDGE_TABLE = "edge-table"
    FROM_MICROSOFT = "from-microsoft"
    """What a router receives on its session with one MSEE, as it reports it itself (BMP)."""
    FROM_INTERNET = "from-internet"
    """What a router receives from an uplink, as it reports it itself (BMP)."""
    TO_MICROSOFT = "to-microsoft"
    TO_INTERNET = "to-internet"
    INTERNET = "internet"
    SEGMENT = "segment"


class Peering(StrEnum):
    MICROSOFT = "microsoft"
    PRIVATE = "private"


class InternetUse(StrEnum):
    """What may be seen of a pool on the internet."""

    FORBIDDEN = "forbidden"
    AGGREGATE = "aggregate"
    FAILOVER = "failover"


@dataclass(frozen=True, slots=True)
class Service:
    """A Microsoft service or region that is required on a circuit."""

    name: str
    """The label: the slug of the community table, or the community if the table has none."""
    community: tuple[int, int]
    minimum: int | None = None
    """By family: fewer routes than this are too few."""
    drop_percent: float | None = None
    """A drop of this many percent below its usual level is too much as well; ``None``: as for all routes of the
    circuit.
    """


@dataclass(frozen=True, slots=True)
class ExpectedPrefix:
    """A prefix that must be covered, always or between two dates."""

    prefix: Prefix
    starts: date | None = None
    """First day (UTC) on which the prefix is expected."""
    ends: date | None = None
    """First day (UTC) on which it is no longer expected."""


@dataclass(frozen=True, slots=True)
class Source:
    """A list of prefixes that Microsoft publishes."""

    kind: Literal["m365", "service-tags", "bgp-communities"]
    location: str
    """A path or an https URL."""
    refresh: float
    select: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedEndpoint:
    """A TCP port of a host that a published list names as a part of a service."""

    service: str
    """The label of the service, as in ``Service.name``."""
    target: str
    """Host and port, such as ``mail.example.net:443``."""
    starts: date | None = None
    """First day (UTC) on which it is in use."""
    ends: date | None = None
    """First day (UTC) on which it is no longer in use."""

    def in_use(self, day: date) -> bool:
        return (self.starts is None or self.starts <= day) and (self.ends is None or day < self.ends)


@dataclass(frozen=True, slots=True)
class Probe:
    """A TCP port of a host that the configuration names as a part of a service."""

    service: Service
    target: str
    """Host and port, such as ``mail.example.net:443``."""


@dataclass(frozen=True, slots=True)
class Receive:
    """What Microsoft must send on each link of a circuit."""

    services: tuple[Service, ...] = ()
    minimum: Mapping[Family, int] = field(default_factory=dict)
    drop_percent: float | None = None
    prefixes: tuple[ExpectedPrefix, ...] = ()
    sources: tuple[Source, ...] = ()
    only_listed: bool = False
    lists_known: bool = True
    """Whether all of ``sources`` have been read, and are in ``prefixes``."""
    endpoints: tuple[ListedEndpoint, ...] = ()
    """What the lists that have been read name."""
    unread: tuple[Source, ...] = ()
    """Those of ``sources`` that have not been read yet."""
    own_prefixes: tuple[Prefix, ...] = ()
    """Your own space that comes back on purpose: BYOIP, Global Reach, branch to branch."""
    allow_default: bool = False
    """Whether Azure may send a default route; private peering only."""
    vnets: tuple[Prefix, ...] = ()
    """Address space of your virtual networks; empty if it is not known. Private peering only."""
    gateways: int | None = None
    """Number of virtual network gateways that are connected to the circuit; private peering only."""


@dataclass(frozen=True, slots=True)
class Advertise:
    """What you may advertise to Microsoft besides the circuit's pools."""

    prefixes: tuple[Prefix, ...] | None = ()
    """``None`` stands for ``any``: everything may be advertised."""
    allow_default: bool = False
    required: tuple[Prefix, ...] = ()
    """Prefixes that must be covered on each link besides the pools; a default route only by a default route."""
    drop_percent: float | None = None
    """A drop of this many percent below the usual level of a link is too much."""


@dataclass(frozen=True, slots=True)
class Link:
    """One of the two connections of a circuit."""

    circuit: str
    name: str
    router: str
    location: str
    subnet: Prefix | None = None
    subnet6: Prefix | None = None
    match_next_hops: frozenset[Address] = frozenset()
    match_communities: frozenset[Community] = frozenset()
    match_prefixes: tuple[Prefix, ...] = ()
    """A route inside these prefixes with a next hop of ``match_next_hops`` belongs to the link, whatever its path."""
    vrf: str | None = None
    """The VRF of its router that it is in; ``None`` for the global table."""
    families: tuple[Family, ...] = field(init=False, compare=False, repr=False)
    """IPv4 if the link has a ``subnet``, IPv6 if it has a ``subnet6``."""

    def __post_init__(self) -> None:
        # A field and not a property, because every verdict about a link reads it.
        present = {"ipv4": self.subnet, "ipv6": self.subnet6}
        families = tuple(family for family in FAMILIES if present[family] is not None)
        object.__setattr__(self, "families", families)

    @property
    def key(self) -> LinkKey:
        return (self.circuit, self.name)

    @property
    def table(self) -> RoutingTable:
        return (self.router, self.vrf)

    def families_of(self, family: Family) -> tuple[Family, ...]:
        """Return the families whose state counts for routes of ``family``: itself, or all families of the link if it
        lacks that one.
        """
        return (family,) if family in self.families else self.families

    @property
    def subnets(self) -> tuple[Prefix, ...]:
        return tuple(subnet for subnet in (self.subnet, self.subnet6) if subnet is not None)


@dataclass(frozen=True, slots=True)
class Circuit:
    """An ExpressRoute circuit with one of its peerings."""

    name: str
    geo: str
    location: str
    peering: Peering
    links: Mapping[str, Link]
    premium: bool = False
    receive: Receive = Receive()
    advertise: Advertise = Advertise()
    group: str | None = None
    """Circuits of one geo, peering and group back each other up; ``None`` is a group too."""
    metro: str | None = None
    """The metropolitan area of the circuit, if its locations do not show it."""
    azure: AzureCircuit | None = None
    """Where Azure's own view of it is read; ``None``: nowhere."""

    @property
    def families(self) -> tuple[Family, ...]:
        return tuple(f for f in FAMILIES if any(f in link.families for link in self.links.values()))

    @property
    def metros(self) -> frozenset[str]:
        """The metropolitan areas of its links in a form to compare: Amsterdam, Amsterdam2 and Amsterdam Metro are
        one.
        """
        if self.metro is not None:
            return frozenset({self.metro.casefold()})
        return frozenset(_metro(location) for location in self.locations)

    @property
    def locations(self) -> frozenset[str]:
        return frozenset(link.location for link in self.links.values())


def _metro(location: str) -> str:
    """Return a location without its number and without the word Metro, in small letters."""
    letters = "".join(each for each in location.casefold() if not each.isdigit())
    return " ".join(word for word in letters.split() if word != "metro")


def apart(circuits: Iterable[Circuit]) -> bool:
    """Return whether two of these circuits have no metropolitan area in common. A circuit with links in two
    locations is one circuit.
    """
    seen: set[frozenset[str]] = set()
    for circuit in circuits:
        if any(other.isdisjoint(circuit.metros) for other in seen):
            return True
        seen.add(circuit.metros)
    return False


@dataclass(frozen=True, slots=True)
class Pool:
    """A NAT pool: addresses that your traffic to Microsoft comes from, or that Microsoft calls."""

    name: str
    circuits: tuple[str, ...]
    prefixes: tuple[Prefix, ...]
    links: tuple[str, ...] | None
    """Names of the links that advertise it, ``None`` for all links of its circuits."""
    use: Literal["outbound", "inbound"]
    internet: InternetUse

    @property
    def families(self) -> tuple[Family, ...]:
        return tuple(f for f in FAMILIES if any(p.family == f for p in self.prefixes))

    def prefixes_of(self, family: Family) -> tuple[Prefix, ...]:
        return tuple(prefix for prefix in self.prefixes if prefix.family == family)


@dataclass(frozen=True, slots=True)
class Uplink:
    """A connection to an internet provider."""

    name: str
    router: str
    asn: int
    neighbors: tuple[Address, ...] = ()
    """Addresses of the provider's router, if the file has them."""
    site: str | None = None
    """Uplinks of one site back each other up; ``None`` is a site, too."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the internal network, with or without Microsoft's routes."""

    name: str
    expressroute: Literal["forbidden", "required"]
    local: tuple[Prefix, ...] = ()
    """Prefixes that the segment reaches by a local breakout with static routes."""


EDGES = "edges"
"""The ExaBGP process of all feeds except those with the view ``internet`` and those that are reported by BMP."""


def bmp_connection(router: str) -> str:
    """Name the BMP connection of a router, where ExaBGP processes are named."""
    return f"bmp/{router}"


@dataclass(frozen=True, slots=True)
class RisLive:
    """What a feed is that RIPE's route collectors carry: RIS Live for changes, RIPEstat for the state."""

    min_peers: int
    """A prefix counts as heard when the peers that have it are of so many ASNs."""
    url: str
    state_url: str


@dataclass(frozen=True, slots=True)
class Feed:
    """One BGP session from one of your routers to ermon."""

    name: str
    view: View
    peer: str
    """The router's address, in canonical text. By BMP: the address of the router's neighbor; empty if that is found by its ASN."""
    local: str
    """ermon's address of this feed, in canonical text; empty by BMP."""
    peer_asn: int
    """By BMP: the ASN of the router's neighbor."""
    local_asn: int
    families: tuple[Family, ...]
    add_path: bool = False
    router: str | None = None
    vrf: str | None = None
    """The VRF of the router that an edge table shows; ``None`` for the global table."""
    circuit: str | None = None
    link: str | None = None
    uplink: str | None = None
    segment: str | None = None
    canary: tuple[Prefix, ...] = ()
    md5_password_file: str | None = None
    ttl_security: int | None = None
    """Packets are accepted from at most this many hops away (RFC 5082)."""
    by_bmp: bool = False
    """The feed is a session of the router with ``peer``, which the router reports over BMP; else it is a session with ermon."""
    distinguisher: bytes | None = None
    """By BMP: the route distinguisher that the session is reported with; ``None``: any."""
    pre_policy: bool = False
    """By BMP: what the router receives before its own inbound policy."""
    ris: RisLive | None = None
    """The feed is what RIPE's route collectors hear, and no session: ``peer`` and ``local`` are empty."""
    process: str = field(init=False, compare=False, repr=False)
    """The name of the ExaBGP process, or of the BMP connection, that carries this feed; with ``ris``, of itself."""

    def __post_init__(self) -> None:
        # A field and not a property, because every line reads it.
        if self.by_bmp and self.router is not None:
            process = bmp_connection(self.router)
        else:
            process = self.name if self.view is View.INTERNET else EDGES
        object.__setattr__(self, "process", process)

    @property
    def by_exabgp(self) -> bool:
        """Whether it is a BGP session of a router with ermon."""
        return not self.by_bmp and self.ris is None

    @property
    def shows_links(self) -> bool:
        """Whether its routes are what links bring."""
        return self.view is View.EDGE_TABLE or (self.view is View.FROM_MICROSOFT and not self.pre_policy)

    @property
    def table(self) -> RoutingTable:
        """The routing table that an edge table shows."""
        return (self.router, self.vrf)

    @property
    def link_key(self) -> LinkKey | None:
        return (self.circuit, self.link) if self.circuit is not None and self.link is not None else None


@dataclass(frozen=True, slots=True)
class Customer:
    """Whose network this is."""

    asn: int
    provider_asns: tuple[int, ...] = ()
    own_prefixes: tuple[Prefix, ...] = ()
    origin_asns: tuple[int, ...] = ()
    """Other ASNs that may originate your space: subsidiaries, a DDoS scrubber."""
    wan_asns: tuple[int, ...] = ()
    """ASNs of carriers between your sites."""

    @property
    def registered_asns(self) -> frozenset[int]:
        """The ASNs that registries may name as yours: Microsoft's ``customerASN`` is among ``origin_asns``."""
        return frozenset((self.asn, *self.origin_asns))


@dataclass(frozen=True, slots=True)
class BmpListening:
    """How ermon takes the BMP connections of routers."""

    listen: tuple[tuple[str, int], ...]
    """Its own addresses and ports."""
    stats_within: float
    """Seconds that a session may be without statistics."""
    max_message: int
    """Octets."""


@dataclass(frozen=True, slots=True)
class BmpRouter:
    """A router that reports its sessions by BMP."""

    router: str
    peer: Address
    """The address that it connects from."""
    md5_password_file: str | None = None
    ttl_security: int | None = None
    pre_policy: bool = False
    """Whether what it reports from before its inbound policy is right."""
    adj_rib_out: bool = False
    """Whether it reports what it advertises (RFC 8671)."""


@dataclass(frozen=True, slots=True)
class Collector:
    """The ExaBGP side."""

    asn: int
    router_id: str
    port: int
    hold_time: float
    settle: float
    settle_limit: float
    sync_timeout: float
    max_routes: int
    max_bytes: int
    """Maximum memory for a feed's routes: see ``routes.ROUTE_BYTES``."""
    reconnect_grace: float
    """Seconds in which routers may connect again after a start of ExaBGP."""
    bmp: BmpListening | None = None
    """``None``: ermon takes no BMP connections."""


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration: the inventory, the policy and the settings."""

    customer: Customer
    collector: Collector
    circuits: Mapping[str, Circuit]
    feeds: Mapping[str, Feed]
    policy: Policy
    alertmanager: Alertmanager
    written_at: float | None = field(default=None, compare=False)
    """When the file was last written: seconds since the epoch; ``None`` if that is not known."""
    elsewhere: Mapping[str, Feed] = field(default_factory=dict)
    """Feeds of other instances, if each instance watches its region."""
    region: str = ""
    """The name of this instance's region; empty: it has none."""
    routers: Mapping[str, frozenset[Address]] = field(default_factory=dict)
    """Own addresses of each router."""
    platforms: Mapping[str, str] = field(default_factory=dict)
    """The platform of a router, as in ``ermon render router``, if the file says so."""
    bmp: Mapping[str, BmpRouter] = field(default_factory=dict)
    """The routers that report their sessions by BMP."""
    azure: AzureAccess | None = None
    """How ermon logs in to Azure Resource Manager; ``None``: it does not."""
    ownership: Ownership = NOT_READ
    """Where ermon reads whose the address space is."""
    pools: Mapping[str, Pool] = field(default_factory=dict)
    internet_only: tuple[Prefix, ...] = ()
    uplinks: Mapping[str, Uplink] = field(default_factory=dict)
    segments: Mapping[str, Segment] = field(default_factory=dict)
    checks: Mapping[str, CheckSettings] = field(default_factory=dict)
    maintenance: tuple[MaintenanceWindow, ...] = ()
    exceptions: tuple[CheckException, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    probes: tuple[Probe, ...] = ()
    edge_tables: Mapping[RoutingTable, tuple[Feed, ...]] = field(init=False, compare=False, repr=False)
    """By routing table: the feeds that show its routes."""
    mirrors: Mapping[LinkKey | None, tuple[Feed, ...]] = field(init=False, compare=False, repr=False)
    """By link: the feeds that mirror what is sent over it."""
    sessions: Mapping[LinkFamily, Feed] = field(init=False, compare=False, repr=False)
    """By link and family: the feed that is the router's own session with Microsoft."""
    pre_policy: Mapping[LinkFamily, Feed] = field(init=False, compare=False, repr=False)
    """The same before the router's inbound policy, where it reports that."""

    exabgp_feeds: Mapping[str, Feed] = field(init=False, compare=False, repr=False)
    """The feeds that are BGP sessions of routers with ermon, and neither the routers' own that they report by BMP nor RIPE's."""
    connections: tuple[str, ...] = field(init=False, compare=False, repr=False)
    """Names of the BMP connections that carry feeds."""

    def __post_init__(self) -> None:
        # Found once for all: asking every feed for each link would cost the square of the network.
        edges: dict[RoutingTable, list[Feed]] = {}
        mirrors: dict[LinkKey | None, list[Feed]] = {}
        sessions: dict[LinkFamily, Feed] = {}
        pre_policy: dict[LinkFamily, Feed] = {}
        for feed in self.feeds.values():
            if feed.view is View.FROM_MICROSOFT and feed.link_key is not None:
                own = pre_policy if feed.pre_policy else sessions
                own.update({(feed.link_key, family): feed for family in feed.families})
            elif feed.view is View.EDGE_TABLE:
                edges.setdefault(feed.table, []).append(feed)
            elif feed.view is View.TO_MICROSOFT:
                mirrors.setdefault(feed.link_key, []).append(feed)
        object.__setattr__(self, "sessions", sessions)
        object.__setattr__(self, "pre_policy", pre_policy)
        object.__setattr__(self, "edge_tables", {key: tuple(feeds) for key, feeds in edges.items()})
        object.__setattr__(self, "mirrors", {key: tuple(feeds) for key, feeds in mirrors.items()})
        exabgp_feeds = {name: feed for name, feed in self.feeds.items() if feed.by_exabgp}
        connections = sorted({feed.process for feed in self.feeds.values() if feed.by_bmp})
        object.__setattr__(self, "exabgp_feeds", exabgp_feeds)
        object.__setattr__(self, "connections", tuple(connections))

    @property
    def links(self) -> Iterator[Link]:
        for circuit in self.circuits.values():
            yield from circuit.links.values()

    def link(self, key: LinkKey) -> Link:
        return self.circuits[key[0]].links[key[1]]

    def tables_of(self, link: Link) -> tuple[Feed, ...]:
        """The edge tables of the link's own router and VRF, which prove whether the link has routes."""
        return self.edge_tables.get(link.table, ())

    @property
    def ris_feeds(self) -> Mapping[str, Feed]:
        """The feeds that RIPE's route collectors carry."""
        return {name: feed for name, feed in self.feeds.items() if feed.ris is not None}

    def eyes_of(self, link: Link) -> tuple[Feed, ...]:
        """The feeds that show whether the link has routes: its router's own sessions with Microsoft, and the edge tables."""
        own = (self.sessions.get((link.key, family)) for family in link.families)
        return (*(feed for feed in own if feed is not None), *self.tables_of(link))

    @property
    def our_space(self) -> Iterator[Prefix]:
        """The prefixes that are yours: those declared as such, and the pools."""
        yield from self.customer.own_prefixes
        for pool in self.pools.values():
            yield from pool.prefixes

    @property
    def sources(self) -> Iterator[Source]:
        """The published lists that circuits expect; circuits may share one."""
        for circuit in self.circuits.values():
            yield from circuit.receive.sources

    def pool_links(self, pool: Pool) -> Iterator[Link]:
        """The links that are to advertise ``pool``."""
        for name in pool.circuits:
            for link in self.circuits[name].links.values():
                if pool.links is None or link.name in pool.links:
                    yield link

    @property
    def processes(self) -> tuple[str, ...]:
        """Names of the ExaBGP processes, ``edges`` first."""
        names = dict.fromkeys(feed.process for feed in self.feeds.values() if feed.by_exabgp)
        return tuple(sorted(names, key=lambda name: (name != EDGES, name)))


class ExpectationPeriods:
    """The times at which each prefix is expected: from the beginning of a day (UTC) to the beginning of another."""

    def __init__(self, expected: Iterable[ExpectedPrefix], *, complete: bool = True) -> None:
        """``complete``: all published lists with expected prefixes have been read."""
        self.complete = complete
        self._periods: dict[Prefix, list[tuple[float, float]]] = {}
        for item in expected:
            period = (_midnight(item.starts, float("-inf")), _midnight(item.ends, float("inf")))
            self._periods.setdefault(item.prefix, []).append(period)
        self._families = frozenset(prefix.family for prefix in self._periods)

    @property
    def families(self) -> frozenset[Family]:
        """The families in which a prefix is expected, now or at another time."""
        return self._families

    def expected(self, now: float) -> Iterator[Prefix]:
        """Yield the prefixes that are expected at ``now``, in seconds since the epoch."""
        return (prefix for prefix in self._periods if self.expects(prefix, now))

    def expects(self, prefix: Prefix, now: float) -> bool:
        return any(start <= now < end for start, end in self._periods.get(prefix, ()))

    def changes(self) -> Iterator[float]:
        """Yield the times at which a prefix begins or ceases to be expected."""
        for periods in self._periods.values():
            for period in periods:
                yield from (time for time in period if abs(time) != float("inf"))


def _midnight(day: date | None, otherwise: float) -> float:
    if day is None:
        return otherwise
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
