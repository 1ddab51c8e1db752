"""Over which link a route of an edge table was learned, and which routes of other views count as Microsoft's.

An edge router's table mixes the routes of all its neighbors. The AS path shows which routes Microsoft sent (the first
ASN is Microsoft's, 12076 on every peering: Microsoft, "ExpressRoute routing requirements"). The next hop, which iBGP
does not change, shows the link.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

import msgspec

from ermon.model.communities import MICROSOFT_ASN
from ermon.model.inventory import Config, Feed, Link, LinkKey, RoutingTable
from ermon.model.prefixes import Address, Prefix, PrefixIndex, PrefixSet, parse_address
from ermon.model.routes import Attributes, Route, SegmentKind

AS_TRANS = 23456
"""Stands for a 4-byte ASN on a session that cannot carry one (RFC 6793 section 9)."""


MEMO_SIZE = 4_096
"""Sets of attributes whose link is remembered; a full table of an internet provider has one for each UPDATE."""


class Cause(StrEnum):
    """Why a Microsoft route fits no link, in the words of the evidence."""

    NEXT_HOP_SELF = "next-hop-self"
    UNDECLARED_ASN = "local-as or an undeclared provider"
    LINK_LOCAL = "link-local next hop only"
    NO_NEXT_HOP = "no next hop"
    ANOTHER_VRF = "another VRF's"
    SEVERAL_LINKS = "fits several links"
    UNKNOWN_NEXT_HOP = "unknown next hop"


class Unattributed(msgspec.Struct, frozen=True):
    """The reason why a Microsoft route fits no link. Routes with the same reason share an equal value."""

    cause: Cause
    next_hop: Address | None = None
    asn: int | None = None
    """The ASN before 12076 that is not in the configuration."""
    on_links: frozenset[LinkKey] = frozenset()
    """The links whose subnets contain the next hop."""

    def __str__(self) -> str:
        match self.cause:
            case Cause.NEXT_HOP_SELF:
                return f"{self.cause}: {self.next_hop} is the router's own address"
            case Cause.UNDECLARED_ASN:
                return f"{self.cause}: AS{self.asn} before 12076, by {self.next_hop}"
            case Cause.NO_NEXT_HOP:
                return f"{self.cause}"
            case _:
                return f"{self.cause}: {self.next_hop}"


class InternalCopy:
    """A Microsoft route of another router: its next hop is one of your own routers."""


INTERNAL_COPY = InternalCopy()

Attribution = LinkKey | Unattributed | InternalCopy | None
"""The link over which a route was learned, or why it fits none; ``None`` if it is not a Microsoft route."""


def has_microsoft_asn(attributes: Attributes) -> bool:
    """Return whether 12076 is anywhere in the AS path, AS_SETs included."""
    return any(MICROSOFT_ASN in segment.asns for segment in attributes.as_path)


def microsoft_path(attributes: Attributes, our_asns: frozenset[int]) -> tuple[int, ...] | None:
    """Return the AS path from Microsoft on, or ``None`` if it does not begin there.

    Your own and your providers' ASNs are removed from its left; confederation segments and AS_TRANS are skipped. An
    AS_SET does not show who sent the route, so the path never begins with one.
    """
    head: list[int] = []
    for segment in attributes.as_path:
        if segment.kind.is_confederation:
            continue
        if segment.kind is SegmentKind.SET and not head:
            return None
        for asn in segment.asns:
            if asn == AS_TRANS or (not head and asn in our_asns):
                continue
            if not head and asn != MICROSOFT_ASN:
                return None
            head.append(asn)
    return tuple(head) or None


def undeclared_asn(attributes: Attributes, our_asns: frozenset[int]) -> int | None:
    """Return the ASN before 12076 that is neither yours nor that of a declared provider.

    ``local-as`` puts such an ASN there, or a provider that is not in ``customer.provider_asns``. ``None`` if the path
    has no 12076, or begins with it.
    """
    if not has_microsoft_asn(attributes):
        return None
    for segment in attributes.as_path:
        asns = () if segment.kind.is_confederation else segment.asns
        foreign = [asn for asn in asns if asn != AS_TRANS and asn not in our_asns]
        if foreign:
            return (
                None
                if MICROSOFT_ASN in (foreign if segment.kind is SegmentKind.SET else foreign[:1])
                else foreign[0]
            )
    return None


class Attributor:
    """Decides over which link a route of an edge table was learned."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._our_asns = frozenset({config.customer.asn, *config.customer.provider_asns})
        self._router_addresses = frozenset[Address]().union(*config.routers.values())
        self._links: dict[str | None, _Links] = {}
        """By VRF: its own links, and those of other VRFs."""
        self._tables: dict[RoutingTable, TableAttributor] = {}

    def of(self, feed: Feed) -> TableAttributor:
        """Return the attributor of one edge table. Each table has its own, because a next hop that is an address of the
        table's own router means something else than one of another router, and because each VRF has its own links.
        """
        table = self._tables.get(feed.table)
        if table is None:
            own = self._addresses_of(feed.router or "")
            links = self._links_of(feed.vrf)
            table = TableAttributor(self._our_asns, links, own, self._router_addresses - own)
            self._tables[feed.table] = table
        return table

    def recognises_more(self, feed: Feed, before: Attributor, feed_before: Feed) -> bool:
        """Return whether this attributor may recognize routes of an edge table as Microsoft's that ``before`` did
        not.
        """
        summed_up = self._links_of(feed.vrf).own.summed_up_by
        return bool(
            self._our_asns - before._our_asns
            or summed_up - before._links_of(feed_before.vrf).own.summed_up_by
        )

    def _addresses_of(self, router: str) -> frozenset[Address]:
        """Return a router's addresses: those in the configuration, and those that its sessions come from, which
        ``next-hop-self`` writes (mapped to IPv6 for IPv6 routes over an IPv4 session: RFC 4291 section 2.5.5.2).
        """
        feeds = self._config.feeds.values()
        peers = {parse_address(feed.peer) for feed in feeds if feed.router == router and not feed.by_bmp}
        mapped = {Address(6, 0xFFFF << 32 | peer.value) for peer in peers if peer.version == 4}
        return self._config.routers.get(router, frozenset()) | peers | mapped

    def _links_of(self, vrf: str | None) -> _Links:
        if vrf not in self._links:
            links = list(self._config.links)
            self._links[vrf] = _Links(
                _LinkFinder(link for link in links if link.vrf == vrf),
                _LinkFinder(link for link in links if link.vrf != vrf),
            )
        return self._links[vrf]


class TableAttributor:
    """Decides over which link a route in one table of one router was learned."""

    def __init__(
        self,
        our_asns: frozenset[int],
        links: _Links,
        own_addresses: frozenset[Address],
        other_addresses: frozenset[Address],
    ) -> None:
        self._our_asns = our_asns
        self._links = links.own
        self._foreign_links = links.foreign
        self._own_addresses = own_addresses
        self._other_addresses = other_addresses
        self._memo: dict[Attributes, Attribution] = {}

    @property
    def asks_prefix(self) -> bool:
        """Whether routes with the same attributes may have come over different links, so that the prefix decides."""
        return self._links.sums_up

    def attribute(self, route: Route) -> Attribution:
        """Return the link that a route came over.

        A link's ``match`` outweighs its subnet, and both outweigh the routers' own addresses. A route that fits two
        links equally well is unattributed: a guess could make a dead link look alive.
        """
        attributes = route.attributes
        if self._links.sums_up and (summed_up := self._links.summed_up(route)):
            return _only(summed_up) or Unattributed(Cause.SEVERAL_LINKS, attributes.next_hop)
        # Memoized, because each change asks for the old route and the new one, and a link's routes share few sets of
        # attributes.
        try:
            return self._memo[attributes]
        except KeyError:
            pass
        if len(self._memo) >= MEMO_SIZE:
            self._memo.clear()
        found = self._memo[attributes] = self._attribute(attributes)
        return found

    def _attribute(self, attributes: Attributes) -> Attribution:
        next_hop = attributes.next_hop
        if microsoft_path(attributes, self._our_asns) is None:
            return self._behind_undeclared(attributes)
        if next_hop is None:
            return Unattributed(Cause.NO_NEXT_HOP)
        on_links = self._links.by_subnet(next_hop)
        fitting = self._links.by_match(attributes) or on_links
        if fitting:
            return _only(fitting) or Unattributed(Cause.SEVERAL_LINKS, next_hop, on_links=on_links)
        if next_hop in self._own_addresses:
            return Unattributed(Cause.NEXT_HOP_SELF, next_hop)
        if next_hop in self._other_addresses:
            return INTERNAL_COPY
        if foreign := self._foreign_links.by_match(attributes) or self._foreign_links.by_subnet(next_hop):
            return Unattributed(Cause.ANOTHER_VRF, next_hop, on_links=foreign)
        cause = Cause.LINK_LOCAL if next_hop.is_link_local else Cause.UNKNOWN_NEXT_HOP
        return Unattributed(cause, next_hop)

    def _behind_undeclared(self, attributes: Attributes) -> Unattributed | None:
        """Return the reason if the path has an undeclared ASN before 12076 and the next hop is in a link's subnet.

        Microsoft's routers are the only neighbors in a link's subnet, so such a route is Microsoft's, whatever ASN is
        before 12076.
        """
        next_hop = attributes.next_hop
        if next_hop is None:
            return None
        on_links = self._links.by_subnet(next_hop) or self._foreign_links.by_subnet(next_hop)
        asn = undeclared_asn(attributes, self._our_asns) if on_links else None
        return None if asn is None else Unattributed(Cause.UNDECLARED_ASN, next_hop, asn, on_links)


def _only(links: frozenset[LinkKey]) -> LinkKey | None:
    return next(iter(links)) if len(links) == 1 else None


class _Links(NamedTuple):
    """The links of a VRF, and those of all other VRFs."""

    own: _LinkFinder
    foreign: _LinkFinder


class _LinkFinder:
    """Finds the links that a next hop, a community or a prefix belongs to."""

    def __init__(self, links: Iterable[Link]) -> None:
        self._by_next_hop: dict[Address, list[Link]] = {}
        self._by_community: dict[tuple[int, ...], list[Link]] = {}
        self._by_subnet: PrefixIndex[tuple[Link, ...]] = PrefixIndex()
        self._summed_up: dict[Address, list[tuple[Link, PrefixSet]]] = {}
        for link in links:
            space = PrefixSet(link.match_prefixes)
            for address in link.match_next_hops:
                self._by_next_hop.setdefault(address, []).append(link)
                if link.match_prefixes:
                    self._summed_up.setdefault(address, []).append((link, space))
            for community in link.match_communities:
                self._by_community.setdefault(community.values, []).append(link)
            for subnet in link.subnets:
                self._by_subnet[subnet] = (*(self._by_subnet.get(subnet) or ()), link)

    @property
    def sums_up(self) -> bool:
        """Whether some link is recognized by next hop and prefix, without its path."""
        return bool(self._summed_up)

    @property
    def summed_up_by(self) -> frozenset[tuple[Address, tuple[Prefix, ...]]]:
        """The next hops and prefixes by which links are recognized without their paths."""
        return frozenset(
            (hop, link.match_prefixes) for hop, found in self._summed_up.items() for link, _ in found
        )

    def summed_up(self, route: Route) -> frozenset[LinkKey]:
        """Return the links of a provider that aggregates Azure's routes, so that the paths have no 12076."""
        next_hop = route.attributes.next_hop
        found = self._summed_up.get(next_hop, ()) if next_hop is not None else ()
        return frozenset(link.key for link, space in found if space.covers(route.prefix))

    def by_match(self, attributes: Attributes) -> frozenset[LinkKey]:
        matched = list(self._by_next_hop.get(attributes.next_hop, ())) if attributes.next_hop else []
        if self._by_community:
            for community in (*attributes.communities, *attributes.large_communities):
                matched += self._by_community.get(community, ())
        return frozenset(link.key for link in matched)

    def by_subnet(self, next_hop: Address) -> frozenset[LinkKey]:
        found = self._by_subnet.covering(next_hop.prefix)
        return frozenset(link.key for _, links in found for link in links)
