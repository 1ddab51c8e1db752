"""Small networks for tests, and short notations for routes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zlib import crc32

from ermon.config.monitored import monitored_feeds
from ermon.config.schema import RouterBmpSection
from ermon.model.azure import AzureCircuit
from ermon.model.communities import service
from ermon.model.inventory import (
    Advertise,
    BmpRouter,
    Circuit,
    Config,
    Customer,
    ExpectedPrefix,
    Feed,
    InternetUse,
    Link,
    Peering,
    Pool,
    Receive,
    RisLive,
    Segment,
    Source,
    Uplink,
    View,
)
from ermon.model.ownership import ROUTE_OBJECTS, VRPS, Ownership, OwnershipSource
from ermon.model.prefixes import Address, Family, Prefix, parse_address, parse_prefix
from ermon.model.routes import AsPath, Attributes, Communities, Community, PathSegment, Route, SegmentKind
from ermon.model.settings import CheckException, CheckSettings, MaintenanceWindow
from tests.defaults import make_alertmanager, make_collector, make_policy, make_pool

START = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
"""A whole number, with gaps that are multiples of 1/4, so that sums of times are exact."""

EXCHANGE = (12076, 5010)
TEAMS = (12076, 5030)

# Words ---------------------------------------------------------------------------------------------------


PUBLISHED = Source("bgp-communities", "communities.json", 3600.0, ("12076:5010",))
"""A published list that a circuit expects."""


REGISTRIES = Ownership(
    (OwnershipSource(VRPS, "vrps.json", 600.0), OwnershipSource(VRPS, "other.json", 40.0)),
    (OwnershipSource(ROUTE_OBJECTS, "irr.txt", 1200.0),),
)


def prefixes(text: str) -> tuple[Prefix, ...]:
    return tuple(map(parse_prefix, text.split()))


def path(text: str) -> AsPath:
    """Parse an AS path as it is printed: ``64500 (65001) 12076 {8075 8068}``."""
    segments: list[PathSegment] = []
    closing = {
        "(": (")", SegmentKind.CONFED_SEQUENCE),
        "{": ("}", SegmentKind.SET),
        "[": ("]", SegmentKind.CONFED_SET),
    }
    rest = text.strip()
    while rest:
        end, kind = closing.get(rest[0], ("", SegmentKind.SEQUENCE))
        if end:
            inner, _, rest = rest[1:].partition(end)
        else:
            cut = min((at for at in map(rest.find, "({[") if at >= 0), default=len(rest))
            inner, rest = rest[:cut], rest[cut:]
        segments.append(PathSegment(kind, tuple(map(int, inner.split()))))
        rest = rest.strip()
    return AsPath(segments)


def attributes(
    as_path: str = "12076",
    next_hop: str | None = None,
    communities: Iterable[tuple[int, int]] = (),
    preference: int | None = 100,
) -> Attributes:
    return Attributes(
        next_hop=parse_address(next_hop) if next_hop is not None else None,
        as_path=path(as_path),
        communities=Communities(communities),
        origin="igp",
        local_preference=preference,
    )


def routes(
    text: str,
    as_path: str = "12076",
    next_hop: str | None = None,
    communities: Iterable[tuple[int, int]] = (),
    path_id: int | None = None,
) -> tuple[Route, ...]:
    """Return routes for the prefixes in ``text``, which share their attributes."""
    shared = attributes(as_path, next_hop, communities)
    return tuple(Route(prefix, path_id, shared) for prefix in prefixes(text))


def feed(name: str, view: View, *families: Family, **settings: Any) -> Feed:
    """Return a feed; its ASNs have no meaning here, and its peer is an address of its router."""
    number = crc32(str(settings.get("router", name)).encode()) >> 8
    return Feed(
        name=name,
        view=view,
        peer=f"127.{number >> 16}.{number >> 8 & 255}.{number & 255}",
        local="127.0.0.2" if view is View.INTERNET else "127.0.0.1",  # another process listens on it
        peer_asn=64500,
        local_asn=64500 if view is View.EDGE_TABLE else 65010,
        families=families or ("ipv4",),
        **settings,
    )


def link(circuit: str, name: str, router: str, location: str, *subnets: str, **settings: Any) -> Link:
    by_family = {prefix.family: prefix for prefix in map(parse_prefix, subnets)}
    return Link(
        circuit,
        name,
        router,
        location,
        subnet=by_family.get("ipv4"),
        subnet6=by_family.get("ipv6"),
        **settings,
    )


def circuit(name: str, location: str, *links: Link, geo: str = "us", **settings: Any) -> Circuit:
    by_name = {each.name: each for each in links}
    return Circuit(name, geo, location, settings.pop("peering", Peering.MICROSOFT), by_name, **settings)


def config(
    circuits: Iterable[Circuit], feeds: Iterable[Feed], pools: Iterable[Pool] = (), **settings: Any
) -> Config:
    settings.setdefault("customer", CUSTOMER)
    settings.setdefault("collector", make_collector())
    settings.setdefault("policy", POLICY)
    settings.setdefault("alertmanager", make_alertmanager())
    return Config(
        circuits={each.name: each for each in circuits},
        feeds={each.name: each for each in feeds},
        pools={pool.name: pool for pool in pools},
        **settings,
    )


def window(start: float, end: float, **about: str) -> MaintenanceWindow:
    """Return a maintenance window; ``start`` and ``end`` are seconds after ``START``."""
    began = datetime.fromtimestamp(START, tz=UTC)
    return MaintenanceWindow(
        began + timedelta(seconds=start), began + timedelta(seconds=end), "works", **about
    )


CUSTOMER = Customer(64500, (64499,), prefixes("198.51.100.0/24 2001:db8:100::/40"))
POLICY = make_policy(public_space=prefixes("192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32"))

AZURE = AzureCircuit(
    "/subscriptions/s/…/expressRouteCircuits/c", "azure.json", 900.0, vlan=100, tables="azure"
)
"""Files with Azure's view of a circuit, and with the tables of Microsoft's edge routers."""

BOTH: tuple[Family, Family] = ("ipv4", "ipv6")
EDGE, MIRROR, UPLINK = View.EDGE_TABLE, View.TO_MICROSOFT, View.TO_INTERNET

# Networks ------------------------------------------------------------------------------------------------


def _small() -> Config:
    """One circuit with two links, a pool and an uplink: the least that is needed."""
    chicago = circuit(
        "chicago",
        "Chicago",
        link("chicago", "primary", "edge-1", "Chicago", "203.0.113.0/30", "2001:db8:ffff::/126"),
        link("chicago", "secondary", "edge-2", "Chicago", "203.0.113.4/30", "2001:db8:ffff::4/126"),
    )
    return config(
        (chicago,),
        (
            feed("edge-1", EDGE, *BOTH, router="edge-1", add_path=True),
            feed("edge-2", EDGE, *BOTH, router="edge-2", add_path=True),
            feed("edge-1-msee", MIRROR, *BOTH, router="edge-1", circuit="chicago", link="primary"),
            feed("edge-2-msee", MIRROR, *BOTH, router="edge-2", circuit="chicago", link="secondary"),
            feed("isp-a", UPLINK, *BOTH, router="edge-1", uplink="isp-a"),
        ),
        (make_pool("chi", ("chicago",), prefixes("198.51.100.0/28 2001:db8:100:1::/64")),),
        uplinks={"isp-a": Uplink("isp-a", "edge-1", 64510)},
    )


def _two_circuits() -> Config:
    """Microsoft peering in two cities, one of them dual stack; sets of feeds that can and cannot prove absence."""
    expected = (
        *map(ExpectedPrefix, prefixes("192.0.2.0/26 2001:db8:200::/48")),
        ExpectedPrefix(parse_prefix("192.0.2.64/26"), date(2026, 3, 1), date(2026, 3, 2)),
        ExpectedPrefix(parse_prefix("192.0.2.128/26"), date(2026, 3, 2)),
    )
    chicago = circuit(
        "chicago",
        "Chicago",
        link("chicago", "primary", "edge-1", "Chicago", "203.0.113.0/30", "2001:db8:ffff::/126"),
        link("chicago", "secondary", "edge-2", "Chicago", "203.0.113.4/30", "2001:db8:ffff::4/126"),
        receive=Receive((service("12076:5010"),), {"ipv4": 2, "ipv6": 1}, 40.0, expected, (PUBLISHED,)),
        advertise=Advertise(drop_percent=40.0),
        azure=AZURE,
    )
    by_community = frozenset({Community((64500, 302))})
    dallas = circuit(
        "dallas",
        "Dallas",
        link("dallas", "primary", "edge-3", "Dallas", "203.0.113.8/30"),
        link("dallas", "secondary", "edge-3", "Dallas", "203.0.113.12/30", match_communities=by_community),
        receive=Receive((service("12076:5010"),), {"ipv4": 1}, only_listed=True, prefixes=expected[:1]),
        advertise=Advertise(prefixes("198.51.100.48/28 203.0.113.0/24"), drop_percent=40.0),
    )
    return config(
        (chicago, dallas),
        (
            feed("edge-1", EDGE, *BOTH, router="edge-1", add_path=True),
            feed("edge-2", EDGE, *BOTH, router="edge-2", add_path=True),
            feed("edge-2-best", EDGE, *BOTH, router="edge-2"),
            feed("edge-3", EDGE, "ipv4", router="edge-3", add_path=True),
            feed("edge-1-msee", MIRROR, *BOTH, router="edge-1", circuit="chicago", link="primary"),
            feed("edge-2-msee", MIRROR, *BOTH, router="edge-2", circuit="chicago", link="secondary"),
            feed("edge-3-msee", MIRROR, *BOTH, router="edge-3", circuit="dallas", link="primary"),
            feed(
                "isp-a",
                UPLINK,
                *BOTH,
                router="edge-1",
                uplink="isp-a",
                canary=prefixes("198.51.100.128/27 2001:db8:1ff::/48"),
            ),
            feed("outside", View.INTERNET, *BOTH),
            feed("dmz", View.SEGMENT, *BOTH, segment="dmz"),
        ),
        (
            make_pool("chi", ("chicago",), prefixes("198.51.100.0/28 2001:db8:100:1::/64")),
            make_pool("dal", ("dallas",), prefixes("198.51.100.16/29 198.51.100.24/29"), ("primary",)),
            make_pool(
                "inbound",
                ("chicago", "dallas"),
                prefixes("198.51.100.64/28 2001:db8:100:2::/64"),
                use="inbound",
                internet=InternetUse.AGGREGATE,
            ),
        ),
        routers={"edge-1": _addresses("192.0.2.201"), "edge-2": _addresses("192.0.2.202 2001:db8:100::202")},
        ownership=REGISTRIES,
        internet_only=prefixes("198.51.100.128/27 2001:db8:1ff::/48"),
        uplinks={"isp-a": Uplink("isp-a", "edge-1", 64510), "isp-b": Uplink("isp-b", "edge-2", 64511)},
        segments={
            "dmz": Segment("dmz", "forbidden", prefixes("192.0.2.64/26")),
            "campus": Segment("campus", "required"),
        },
        maintenance=(
            window(90, 150, circuit="dallas", link="secondary"),
            window(200, 260, feed="isp-a"),
        ),
        customer=replace(CUSTOMER, own_prefixes=(*CUSTOMER.own_prefixes, *prefixes("203.0.113.0/24"))),
        policy=replace(
            POLICY,
            max_drain=600.0,
            relearn_after=3000.0,
            blackhole_communities=frozenset({Community((64510, 666))}),
        ),
        checks={
            "internet-preferred": CheckSettings(enabled=True),
            "churn-high": CheckSettings(raise_after=10.0, parameters={"per_minute": 6}),
            "link-flapping": CheckSettings(parameters={"changes": 2}),
        },
    )


RIS = RisLive(2, "wss://ris.example.net/", "https://stat.example.net/")
RIS_CANARY = prefixes("198.51.100.192/27")


def _metro_and_private() -> Config:
    """A Metro circuit beside a private peering on the same routers, and pools that may use the internet."""
    metro = circuit(
        "metro",
        "Amsterdam",
        link("metro", "primary", "edge-1", "Amsterdam", "203.0.113.0/30"),
        link("metro", "secondary", "edge-2", "Amsterdam2", "203.0.113.4/30", "2001:db8:ffff::4/126"),
        geo="eu",
        receive=Receive(prefixes=(ExpectedPrefix(parse_prefix("2001:db8:200::/48")),)),
    )
    private = circuit(
        "private",
        "Amsterdam",
        link("private", "primary", "edge-1", "Amsterdam", "172.16.0.0/30", "fd00:1::/126"),
        link("private", "secondary", "edge-2", "Amsterdam", "172.16.0.4/30", "fd00:1::4/126"),
        geo="eu",
        peering=Peering.PRIVATE,
        premium=True,
        group="plants",
        azure=AZURE,
        receive=Receive(
            minimum={"ipv6": 1},
            prefixes=(ExpectedPrefix(parse_prefix("10.1.0.0/16")),),
            own_prefixes=prefixes("198.51.100.64/28"),
            vnets=prefixes("10.0.0.0/8 fc00:1::/48"),
            gateways=1,
        ),
        advertise=Advertise(None, required=prefixes("10.1.0.0/16 0.0.0.0/0 fc00:1::/48")),
    )
    remote = circuit(
        "remote",
        "London",
        link("remote", "primary", "edge-2", "London", "172.16.0.8/30"),
        link("remote", "secondary", "edge-2", "London", "172.16.0.12/30"),
        geo="eu",
        peering=Peering.PRIVATE,
        advertise=Advertise(None, allow_default=True),
        group="plants",
    )
    return config(
        (metro, private, remote),
        (
            feed("edge-1", EDGE, *BOTH, router="edge-1", add_path=True),
            feed("edge-1-again", EDGE, "ipv4", router="edge-1", add_path=True),
            feed("edge-2", EDGE, *BOTH, router="edge-2", add_path=True),
            feed("metro-a", MIRROR, *BOTH, router="edge-1", circuit="metro", link="primary"),
            feed("metro-b", MIRROR, *BOTH, router="edge-2", circuit="metro", link="secondary"),
            feed("private-a", MIRROR, *BOTH, router="edge-1", circuit="private", link="primary"),
            feed("private-b", MIRROR, *BOTH, router="edge-2", circuit="private", link="secondary"),
            feed("remote-b", MIRROR, "ipv4", router="edge-2", circuit="remote", link="secondary"),
            feed("remote-a", MIRROR, "ipv4", router="edge-2", circuit="remote", link="primary"),
            feed("isp-a", UPLINK, *BOTH, router="edge-1", uplink="isp-a"),
            feed("isp-b", UPLINK, "ipv4", router="edge-2", uplink="isp-b"),
            feed("outside", View.INTERNET, *BOTH),
            replace(feed("ris", View.INTERNET, *BOTH, ris=RIS, canary=RIS_CANARY), peer="", local=""),
            feed("campus", View.SEGMENT, *BOTH, segment="campus"),
            feed("dmz", View.SEGMENT, "ipv4", segment="dmz"),
        ),
        (
            make_pool(
                "failover",
                ("metro",),
                prefixes("198.51.100.0/28 2001:db8:100:1::/64"),
                internet=InternetUse.FAILOVER,
            ),
            make_pool(
                "halves",
                ("metro",),
                prefixes("198.51.100.32/29 198.51.100.40/29 2001:db8:100:2::/64"),
                links=("primary",),
            ),
        ),
        internet_only=prefixes("198.51.100.128/27"),
        uplinks={"isp-a": Uplink("isp-a", "edge-1", 64510), "isp-b": Uplink("isp-b", "edge-2", 64511)},
        segments={"campus": Segment("campus", "required"), "dmz": Segment("dmz", "forbidden")},
        checks={
            "link-down": CheckSettings(raise_after=0.0, clear_after=0.0),
            "circuit-unseen": CheckSettings(enabled=False),
            "drain": CheckSettings(parameters={"repeats": 3, "percent": 30.0}),
            "feed-flapping": CheckSettings(parameters={"losses": 1, "window": 120.0}),
        },
        maintenance=(window(90, 150, circuit="metro"), window(120, 300, circuit="private")),
    )


def _ambiguous() -> Config:
    """Links that the same route may match, a small limit of routes, and unusual times."""
    hops = _addresses("192.0.2.250 2001:db8:ffff::fe")
    one = circuit(
        "one",
        "Oslo",
        link("one", "primary", "edge-1", "Oslo", "203.0.113.0/30", match_next_hops=hops),
        link("one", "secondary", "edge-1", "Oslo", "203.0.113.4/30", "2001:db8:ffff::4/126"),
        receive=Receive(
            (service("12076:5010"), service("12076:5030")),
            drop_percent=20.0,
            prefixes=(ExpectedPrefix(parse_prefix("192.0.2.0/26")),),
        ),
    )
    two = circuit(
        "two",
        "Oslo",
        link("two", "primary", "edge-2", "Oslo", "203.0.113.0/29", match_next_hops=hops),
        link(
            "two",
            "secondary",
            "edge-3",
            "Oslo",
            "203.0.113.12/30",
            match_communities=frozenset({Community((64500, 302))}),
        ),
    )
    return config(
        (one, two),
        (
            feed("edge-1", EDGE, *BOTH, router="edge-1", add_path=True),
            feed("edge-2", EDGE, "ipv4", router="edge-2"),
            feed("one-a", MIRROR, *BOTH, router="edge-1", circuit="one", link="primary"),
            feed("one-b", MIRROR, "ipv4", router="edge-1", circuit="one", link="secondary"),
            feed("two-a", MIRROR, "ipv4", router="edge-2", circuit="two", link="primary"),
            feed("outside", View.INTERNET, *BOTH),
        ),
        (
            make_pool("first", ("one",), prefixes("198.51.100.0/28 2001:db8:100:1::/64")),
            make_pool("second", ("two",), prefixes("198.51.100.0/29"), internet=InternetUse.AGGREGATE),
        ),
        collector=make_collector(
            asn=64500, settle=5.0, settle_limit=8.0, sync_timeout=30.0, max_routes=8, max_bytes=9_000
        ),
        routers={"edge-1": _addresses("203.0.113.13 192.0.2.201")},
        checks={
            "link-down": CheckSettings(enabled=False),
            "circuit-down": CheckSettings(raise_after=1.0),
            "link-flapping": CheckSettings(parameters={"changes": 1, "window": 60.0}),
            "churn-high": CheckSettings(raise_after=0.0, parameters={"per_minute": 2}),
        },
        maintenance=(
            window(40, 70, router="edge-1"),
            window(100, 130, circuit="one", link="primary"),
            window(115, 160, circuit="one", link="secondary"),
        ),
        exceptions=(
            CheckException("feed-empty", {"feed": "outside"}, "by design"),
            CheckException("link-asymmetry", {}, "a while", datetime.fromtimestamp(START + 80, UTC)),
            CheckException("pool-leak", {"pool": "second"}, "known", datetime.fromtimestamp(START + 90, UTC)),
        ),
    )


def _best_paths() -> Config:
    """Routers that send only their best paths, in two VRFs; one of them sends all paths of one VRF."""
    north = circuit(
        "north",
        "Oslo",
        link("north", "primary", "edge-1", "Oslo", "203.0.113.0/30", "2001:db8:ffff::/126"),
        link("north", "secondary", "edge-2", "Oslo", "203.0.113.4/30", "2001:db8:ffff::4/126"),
    )
    south = circuit("south", "Bergen", link("south", "only", "edge-2", "Bergen", "203.0.113.8/30"))
    plant = circuit(
        "plant",
        "Oslo",
        link("plant", "primary", "edge-1", "Oslo", "172.16.0.0/30", vrf="PLANT"),
        link(
            *("plant", "secondary", "edge-3", "Oslo", "172.16.0.4/30"),
            match_next_hops=_addresses("192.0.2.250"),
            match_prefixes=prefixes("10.0.0.0/8"),
            vrf="PLANT",
        ),
        peering=Peering.PRIVATE,
        advertise=Advertise(None),
    )
    return config(
        (north, south, plant),
        (
            feed("edge-1", EDGE, *BOTH, router="edge-1"),
            feed("edge-2", EDGE, *BOTH, router="edge-2"),
            feed("edge-1-plant", EDGE, "ipv4", router="edge-1", vrf="PLANT"),
            feed("edge-3-plant", EDGE, "ipv4", router="edge-3", vrf="PLANT", add_path=True),
            feed("dmz", View.SEGMENT, "ipv4", segment="dmz"),
        ),
        routers={"edge-1": _addresses("192.0.2.201"), "edge-2": _addresses("192.0.2.202 2001:db8:100::202")},
        segments={"dmz": Segment("dmz", "required")},
        checks={"circuit-unseen": CheckSettings(raise_after=20.0)},
    )


def _reported() -> Config:
    """One router with BMP beside ExaBGP, and one with BMP alone; each has an uplink."""
    base = _small()
    bmp = {
        "edge-1": RouterBmpSection(peer="192.0.2.201", pre_policy=True, adj_rib_out=True),
        "edge-2": RouterBmpSection(peer="192.0.2.202"),
    }
    uplinks = {
        "isp-a": Uplink("isp-a", "edge-1", 64510, site="hq"),
        "isp-b": Uplink("isp-b", "edge-2", 64511, site="hq"),
        "isp-c": Uplink("isp-c", "edge-2", 64512),
    }
    chicago = replace(
        base.circuits["chicago"], receive=Receive((service("12076:5010"),), {"ipv4": 1}), azure=AZURE
    )
    feeds = {name: one for name, one in base.feeds.items() if name != "edge-2"}
    for router, section in bmp.items():
        monitored = monitored_feeds(router, section, {"chicago": chicago}, uplinks)
        feeds |= {one.name: one for one in monitored}
    return replace(
        base,
        circuits={"chicago": chicago},
        feeds=feeds,
        uplinks=uplinks,
        bmp={router: BmpRouter(router, section.peer) for router, section in bmp.items()},
        internet_only=prefixes("198.51.100.128/27 2001:db8:1ff::/48"),
    )


def _addresses(text: str) -> frozenset[Address]:
    return frozenset(map(parse_address, text.split()))


SMALL = _small()
TWO_CIRCUITS, METRO_AND_PRIVATE, AMBIGUOUS = _two_circuits(), _metro_and_private(), _ambiguous()
BEST_PATHS = _best_paths()
REPORTED = _reported()


def wider_policy(policy: Config) -> Config:
    """Return a policy that asks about more address space on the same feeds and links."""
    more = make_pool("more", tuple(policy.circuits)[:1], prefixes("20.1.2.0/24 2a01:111:1::/48"))
    own = (*policy.customer.own_prefixes, *prefixes("20.1.0.0/16 2a01:111::/32"))
    canaries = prefixes("100.64.0.0/10 fc00:1::/48")
    feeds = {
        name: replace(one, canary=(*one.canary, *(c for c in canaries if c.family in one.families)))
        if one.view is View.INTERNET or name == "edge-2"
        else one
        for name, one in policy.feeds.items()
    }
    circuits = {
        name: replace(
            each,
            receive=replace(
                each.receive,
                prefixes=(*each.receive.prefixes, *map(ExpectedPrefix, prefixes("10.1.0.0/16"))),
            ),
        )
        for name, each in policy.circuits.items()
    }
    return replace(
        policy,
        circuits=circuits,
        feeds=feeds,
        pools={**policy.pools, "more": more},
        customer=replace(policy.customer, own_prefixes=own),
        internet_only=(*policy.internet_only, *prefixes("10.1.2.0/24 2001:db8:200:1::/64")),
    )


def recognising_policy(policy: Config) -> Config:
    """Return a policy with one more provider, whose routes on edge tables may be Microsoft's."""
    customer = policy.customer
    return replace(policy, customer=replace(customer, provider_asns=(*customer.provider_asns, 3356)))


def another_policy(policy: Config) -> Config:
    """Return a policy with other checks for the same feeds, links and address space."""
    circuits = {
        name: replace(
            each, receive=replace(each.receive, only_listed=not each.receive.only_listed, minimum={"ipv4": 1})
        )
        for name, each in policy.circuits.items()
    }
    pools = {
        name: replace(pool, circuits=tuple(policy.circuits)[-1:], links=None, internet=InternetUse.AGGREGATE)
        for name, pool in policy.pools.items()
    }
    checks = {**policy.checks, "circuit-down": CheckSettings(enabled=False)}
    maintenance = (window(40, 100, circuit=next(iter(policy.circuits))),)
    return replace(policy, circuits=circuits, pools=pools, checks=checks, maintenance=maintenance)
