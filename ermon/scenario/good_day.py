"""The routes of the feeds on a good day: everything that the configuration expects, and nothing that it forbids.

On the edge tables and on the sessions that routers report by BMP, each link receives the expected prefixes with the communities of all required services, and a few
more of Microsoft's prefixes if these are too few. The mirrors of the links have the pools. The internet has the
published prefixes. Where the configuration names nothing, a feed has no routes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import structs
from netaddr import IPSet

from ermon.model.communities import MICROSOFT_ASN
from ermon.model.inventory import Circuit, Config, ExpectationPeriods, Feed, Link, LinkKey, Peering, View
from ermon.model.prefixes import Address, Family, Prefix, PrefixSet, parse_address, parse_prefix
from ermon.model.routes import (
    AsPath,
    Attributes,
    Communities,
    Community,
    LargeCommunities,
    PathSegment,
    Route,
    SegmentKind,
)
from ermon.scenario.fields import Many

_MICROSOFT_SPACE: Mapping[Family, Prefix] = {
    "ipv4": parse_prefix("13.107.0.0/16"),
    "ipv6": parse_prefix("2603:1006::/32"),
}
"""Microsoft's address space, for additional routes of a link."""

_REGION = Community((MICROSOFT_ASN, 51004))
"""A Microsoft region, so that each link receives a community."""

_PRIVATE_SPACE: Mapping[Family, tuple[Prefix, ...]] = {
    "ipv4": tuple(map(parse_prefix, ("10.64.0.0/16", "172.24.0.0/16", "192.168.64.0/18", "100.80.0.0/16"))),
    "ipv6": tuple(map(parse_prefix, ("fd64::/32", "fc64::/32"))),
}
"""The same for private peering: networks in Azure; the first ones that are not on-premises are used."""

_DEFAULTS = (parse_prefix("0.0.0.0/0"), parse_prefix("::/0"))
"""What an internet provider sends."""

_INTERNAL_SPACE: Mapping[Family, Prefix] = {
    "ipv4": parse_prefix("10.16.0.0/12"),
    "ipv6": parse_prefix("fd16::/32"),
}
"""On-premises networks of the company."""


class Sent(NamedTuple):
    """A route of a feed, and the link over which it was received."""

    route: Route
    link: LinkKey | None = None


def good_day(config: Config, feed: Feed, now: float) -> list[Sent]:
    """Return the routes of a feed on a good day; ``now`` decides which dated prefixes are expected."""
    match feed.view:
        case View.EDGE_TABLE:
            found = _edge_table(config, feed, now)
        case View.FROM_MICROSOFT:
            found = (sent for sent in _edge_table(config, feed, now) if sent.link == feed.link_key)
        case View.FROM_INTERNET:
            found = (_announced(config, feed, default) for default in _DEFAULTS)
        case View.TO_MICROSOFT:
            found = (_announced(config, feed, prefix) for prefix in _advertised(config, feed))
        case View.TO_INTERNET | View.INTERNET:
            found = (
                Sent(route, None)
                for prefix in _published(config, feed)
                for route in by_peers(feed, _announced(config, feed, prefix).route)
            )
        case View.SEGMENT:
            found = _segment(config, feed, now)
    return [sent for sent in found if sent.route.prefix.family in feed.families]


def _edge_table(config: Config, feed: Feed, now: float) -> Iterator[Sent]:
    shown: set[Prefix] = set()
    for circuit in config.circuits.values():
        tags = [Community(service.community) for service in circuit.receive.services]
        if _is_public(circuit):
            tags.append(_REGION)
        for link in circuit.links.values():
            if link.table != feed.table:
                continue
            for prefix in received_on(config, link, now):
                # Without ADD-PATH the router sends only one path of a prefix.
                if feed.add_path or prefix not in shown:
                    shown.add(prefix)
                    attributes = tagged(
                        (*tags, *marks(link)),
                        msee(link, prefix.family),
                        sequence(MICROSOFT_ASN),
                        usual_preference(feed),
                    )
                    yield Sent(Route(prefix, path_id(config, feed, link), attributes), link.key)


_FIRST_PEER_ASN = 4_200_000_000

_USUAL_PREFERENCE = 100
_PARTS = 256
"""The spaces above are split into so many parts, or into more if necessary."""


def received_on(config: Config, link: Link, now: float) -> Iterator[Prefix]:
    """Return the prefixes that a link receives on a good day: at least one in each family."""
    circuit = config.circuits[link.circuit]
    receive = circuit.receive
    calendar = ExpectationPeriods(receive.prefixes)
    for family in link.families:
        expected = [
            item.prefix
            for item in receive.prefixes
            if item.prefix.family == family and calendar.expects(item.prefix, now)
        ]
        expected += [prefix for prefix in receive.vnets if prefix.family == family]
        yield from dict.fromkeys(expected)
        services = (service.minimum or 0 for service in receive.services)
        missing = max(1, receive.minimum.get(family, 0), *services) - len(expected)
        if missing > 0:
            space = _more_space(config, circuit, family, expected)
            parts = min(max(missing, _PARTS), 1 << (space.bits - space.length))
            yield from Many(parts, space).prefixes[:missing]


def _more_space(config: Config, circuit: Circuit, family: Family, expected: Sequence[Prefix]) -> Prefix:
    """Return space for additional routes that no check objects to."""
    receive = circuit.receive
    if expected and (receive.vnets or (receive.only_listed and not receive.services)):
        return expected[0]
    if _is_public(circuit):
        return _MICROSOFT_SPACE[family]
    ours = PrefixSet(config.our_space)
    free = (space for space in _PRIVATE_SPACE[family] if not ours.overlaps(space))
    return next(free, _PRIVATE_SPACE[family][0])


def _is_public(circuit: Circuit) -> bool:
    return circuit.peering is Peering.MICROSOFT


def _advertised(config: Config, feed: Feed) -> Iterator[Prefix]:
    assert feed.link_key is not None  # a mirror of a link names it
    circuit = config.circuits[feed.link_key[0]]
    pools = [
        pool
        for pool in config.pools.values()
        if any(link.key == feed.link_key for link in config.pool_links(pool))
    ]
    declared = [*(prefix for pool in pools for prefix in pool.prefixes), *(circuit.advertise.prefixes or ())]
    if not declared and not _is_public(circuit):
        declared = list(_INTERNAL_SPACE.values())
    yield from dict.fromkeys((*declared, *circuit.advertise.required))


def _published(config: Config, feed: Feed) -> Iterator[Prefix]:
    """Return the canary, and our prefixes outside the pools: published space, and own prefixes or parts of them."""
    own = PrefixSet(config.customer.own_prefixes)
    pools = [prefix for pool in config.pools.values() for prefix in pool.prefixes]
    ours = (*(prefix for prefix in config.internet_only if own.covers(prefix)), *config.customer.own_prefixes)
    free = (prefix for prefix in ours if not any(prefix.overlaps(pool) for pool in pools))
    shown = dict.fromkeys((*feed.canary, *free))
    for prefix in config.customer.own_prefixes:
        if not any(each.family == prefix.family for each in shown):
            shown.update(dict.fromkeys(_without(prefix, pools)))
    yield from shown


def _without(prefix: Prefix, pools: list[Prefix]) -> Iterator[Prefix]:
    """Yield the largest part of ``prefix`` that does not overlap a pool, if there is one."""
    free = IPSet([str(prefix)]) - IPSet(map(str, pools))
    largest = min(free.iter_cidrs(), key=lambda part: part.prefixlen, default=None)
    if largest is not None:
        yield parse_prefix(str(largest))


def _segment(config: Config, feed: Feed, now: float) -> Iterator[Sent]:
    segment = config.segments[feed.segment or ""]
    for prefix in _INTERNAL_SPACE.values():
        yield Sent(Route(prefix, None, Attributes(next_hop=own_address(feed, prefix.family))))
    if segment.expressroute == "required":
        circuits = [circuit for circuit in config.circuits.values() if _is_public(circuit)]
        links = [link for circuit in circuits for link in circuit.links.values()]
        received = (prefix for link in links for prefix in received_on(config, link, now))
        for prefix in dict.fromkeys(received):
            hop = own_address(feed, prefix.family)
            attributes = Attributes(next_hop=hop, as_path=sequence(config.customer.asn, MICROSOFT_ASN))
            yield Sent(Route(prefix, None, attributes))


def _announced(config: Config, feed: Feed, prefix: Prefix) -> Sent:
    attributes = Attributes(
        next_hop=own_address(feed, prefix.family), as_path=sequence(*usual_path(config, feed))
    )
    return Sent(Route(prefix, None, attributes))


def by_peers(feed: Feed, route: Route) -> tuple[Route, ...]:
    """Return a route as each of as many of RIPE's peers has it as count; on other feeds it comes once.

    The peers have private ASNs (RFC 6996), since none of them is a real one.
    """
    if feed.ris is None:
        return (route,)
    said = route.attributes
    return tuple(
        Route(
            route.prefix,
            number,
            structs.replace(
                said,
                next_hop=None,
                as_path=AsPath(
                    (PathSegment(SegmentKind.SEQUENCE, (_FIRST_PEER_ASN + number,)), *said.as_path)
                ),
            ),
        )
        for number in range(1, feed.ris.min_peers + 1)
    )


def usual_path(config: Config, feed: Feed) -> tuple[int, ...]:
    """Return the AS path of our own routes on a feed."""
    match feed.view:
        case View.EDGE_TABLE | View.SEGMENT:
            return ()
        case View.FROM_MICROSOFT:
            return (MICROSOFT_ASN,)
        case View.TO_MICROSOFT | View.TO_INTERNET:
            return (config.customer.asn,)
        case View.FROM_INTERNET:
            return (feed.peer_asn,)
        case View.INTERNET if feed.ris is not None:
            return (config.customer.asn,)
        case View.INTERNET:
            return (feed.peer_asn, config.customer.asn)


def sequence(*asns: int) -> AsPath:
    return AsPath((PathSegment(SegmentKind.SEQUENCE, asns),) if asns else ())


def msee(link: Link, family: Family) -> Address | None:
    """Return Microsoft's address on a link: the second host of its subnet (Microsoft, "ExpressRoute routing
    requirements"), or the first next hop of the link in the configuration.
    """
    matched = sorted(hop for hop in link.match_next_hops if hop.prefix.family == family)
    if matched:
        return matched[0]
    subnet = link.subnet if family == "ipv4" else link.subnet6
    return None if subnet is None else Address(subnet.version, subnet.value + 2)


def marks(link: Link) -> tuple[Community, ...]:
    """Return the communities that our router adds to the link's routes, if the configuration identifies the link by them."""
    return tuple(sorted(link.match_communities, key=str)[:1])


def usual_preference(feed: Feed) -> int | None:
    """Return the default LOCAL_PREF of a router: iBGP requires one (RFC 4271 section 5.1.5)."""
    return _USUAL_PREFERENCE if feed.view is View.EDGE_TABLE else None


def tagged(
    communities: Iterable[Community],
    next_hop: Address | None,
    as_path: AsPath,
    local_preference: int | None = None,
) -> Attributes:
    """Make path attributes with standard (RFC 1997) and large (RFC 8092) communities."""
    values = {community.values for community in communities}
    return Attributes(
        next_hop=next_hop,
        as_path=as_path,
        local_preference=local_preference,
        communities=Communities((v[0], v[1]) for v in values if len(v) == 2),
        large_communities=LargeCommunities((v[0], v[1], v[2]) for v in values if len(v) == 3),
    )


def path_id(config: Config, feed: Feed, link: Link) -> int | None:
    """Return the path identifier of a link's routes: from 1, in the order of the links in the routing table. A session
    with Microsoft has none.
    """
    if not feed.add_path or feed.by_bmp:
        return None
    return 1 + [each.key for each in config.links if each.table == link.table].index(link.key)


def own_address(feed: Feed, family: Family) -> Address | None:
    """Return the peer's address on a feed, if it is known; IPv4-mapped for IPv6 routes over IPv4 (RFC 4291 section
    2.5.5.2).
    """
    if not feed.peer:
        return None
    peer = parse_address(feed.peer)
    if peer.version == 4 and family == "ipv6":
        return Address(6, 0xFFFF << 32 | peer.value)
    return peer
