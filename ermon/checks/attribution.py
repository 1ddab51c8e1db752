"""Which link brought a route of an edge table, and what counts as a Microsoft route elsewhere.

An edge router's table mixes the routes of all its neighbours. What Microsoft sent is told by the AS path
(the first ASN is Microsoft's, 12076 on every peering: Microsoft, "ExpressRoute routing requirements"),
and which link brought it by the next hop, which iBGP leaves as it was.
"""

from __future__ import annotations

from ermon.model.communities import MICROSOFT_ASN
from ermon.model.inventory import Config, Link, LinkKey
from ermon.model.prefixes import Address, PrefixIndex
from ermon.model.routes import Attributes, SegmentKind

AS_TRANS = 23456
"""Stands for a 4-byte ASN on a session that cannot carry one (RFC 6793 section 9)."""


MEMO_SIZE = 4_096
"""Sets of attributes whose link is remembered; a full table of an internet provider has one for each UPDATE."""


class Unattributed:
    """A Microsoft route that fits no link, or several."""


class InternalCopy:
    """Another router's Microsoft route: its next hop is one of our own routers."""


UNATTRIBUTED = Unattributed()
INTERNAL_COPY = InternalCopy()

Attribution = LinkKey | Unattributed | InternalCopy | None
"""The link that brought a route; ``None`` when it is not a Microsoft route at all."""


def has_microsoft_asn(attributes: Attributes) -> bool:
    """Return whether 12076 is anywhere in the AS path, AS_SETs included."""
    return any(MICROSOFT_ASN in segment.asns for segment in attributes.as_path)


def microsoft_path(attributes: Attributes, our_asns: frozenset[int]) -> tuple[int, ...] | None:
    """Return the AS path from Microsoft on, or ``None`` if it does not begin there.

    Our own and our providers' ASNs are removed from its left; confederation segments and AS_TRANS are
    skipped. An AS_SET says nothing about who sent the route, so it is never the beginning.
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


class Attributor:
    """Decides which link a route of an edge table came by."""

    def __init__(self, config: Config) -> None:
        self._our_asns = frozenset({config.customer.asn, *config.customer.provider_asns})
        self._by_next_hop: dict[Address, list[Link]] = {}
        self._by_community: dict[tuple[int, ...], list[Link]] = {}
        self._by_subnet: PrefixIndex[tuple[Link, ...]] = PrefixIndex()
        for link in config.links:
            for address in link.match_next_hops:
                self._by_next_hop.setdefault(address, []).append(link)
            for community in link.match_communities:
                self._by_community.setdefault(community.values, []).append(link)
            for subnet in link.subnets:
                self._by_subnet[subnet] = (*(self._by_subnet.get(subnet) or ()), link)
        self._router_addresses = frozenset[Address]().union(*config.routers.values())
        self._memo: dict[Attributes, Attribution] = {}

    def attribute(self, attributes: Attributes) -> Attribution:
        """Return the link that a route with these attributes came over.

        A link's ``match`` outweighs its subnet, and both outweigh the routers' own addresses. A route
        that fits two links equally well is unattributed: guessing would prove a dead link alive.
        """
        # A change asks for the old route and the new one, and a link's routes share few sets of attributes.
        try:
            return self._memo[attributes]
        except KeyError:
            pass
        if len(self._memo) >= MEMO_SIZE:
            self._memo.clear()
        found = self._memo[attributes] = self._attribute(attributes)
        return found

    def _attribute(self, attributes: Attributes) -> Attribution:
        if microsoft_path(attributes, self._our_asns) is None:
            return None
        next_hop = attributes.next_hop
        if next_hop is None:
            return UNATTRIBUTED
        matched = {link.key: link for link in self._by_next_hop.get(next_hop, ())}
        if self._by_community:
            for community in (*attributes.communities, *attributes.large_communities):
                matched.update((link.key, link) for link in self._by_community.get(community, ()))
        fitting = tuple(matched.values()) or tuple(
            {
                link.key: link for _, links in self._by_subnet.covering(next_hop.prefix) for link in links
            }.values()
        )
        if len(fitting) == 1:
            return fitting[0].key
        if not fitting and next_hop in self._router_addresses:
            return INTERNAL_COPY
        return UNATTRIBUTED
