"""Which routes outside the edge tables count as Microsoft's: in mirrors, and in the tables of segments.

A path with 12076 proves it. Redistribution through an IGP erases the path: if the path says nothing, a prefix that is
also received on a link of Microsoft peering is Microsoft's. A path with another network's ASN and without 12076 is the
internet's own route to the same prefix.
"""

from __future__ import annotations

from collections.abc import Callable

from ermon.checks.attribution import has_microsoft_asn
from ermon.model.inventory import Config, Feed, LinkKey, Peering, View
from ermon.model.prefixes import Prefix, PrefixSet, not_public_space
from ermon.model.routes import BLACKHOLE, PRIVATE_ASNS, Attributes, Route
from ermon.model.settings import Policy


def blackholing(policy: Policy) -> Callable[[Attributes], bool]:
    """Return a test for routes with a community of remote-triggered blackholing (RFC 7999, RFC 5635): such a route
    makes its prefix unreachable.
    """
    communities = {BLACKHOLE, *(community.values for community in policy.blackhole_communities)}

    def blackholed(attributes: Attributes) -> bool:
        return not (
            attributes.communities.isdisjoint(communities)
            and attributes.large_communities.isdisjoint(communities)
        )

    return blackholed


class MicrosoftElsewhere:
    """Decides which routes outside the edge tables are Microsoft's."""

    def __init__(self, config: Config) -> None:
        customer = config.customer
        self._silent_asns = frozenset(
            (customer.asn, *customer.provider_asns, *customer.origin_asns, *customer.wan_asns)
        )
        self._ours = PrefixSet(config.our_space)
        self._not_public = not_public_space(config.policy.public_space)
        self._local = {name: PrefixSet(segment.local) for name, segment in config.segments.items()}
        self._blackholed = blackholing(config.policy)
        self._links = frozenset(
            link.key for link in config.links if config.circuits[link.circuit].peering is Peering.MICROSOFT
        )

    def tells(self, link: LinkKey, prefix: Prefix) -> bool:
        """Return whether routes inside ``prefix`` are Microsoft's because the link receives it.

        This is false for a prefix that Microsoft should not have sent: one wrong short prefix would make every route
        Microsoft's.
        """
        return link in self._links and not (
            prefix.is_default or self._not_public.overlaps(prefix) or self._ours.covers(prefix)
        )

    def is_microsoft(self, feed: Feed, route: Route, brought: Callable[[Prefix], bool]) -> bool:
        """Return whether a route of the feed counts as Microsoft's; ``brought`` returns whether a prefix is equal to or
        inside one that a link receives.
        """
        prefix, attributes = route.prefix, route.attributes
        if prefix.is_default or (feed.view is View.TO_INTERNET and self._blackholed(attributes)):
            return False
        if has_microsoft_asn(attributes):
            return True
        local = self._local.get(feed.segment or "")
        return (
            brought(prefix)
            and not self._ours.covers(prefix)
            and not (local is not None and local.covers(prefix))
            and self._tells_nothing(attributes)
        )

    def _tells_nothing(self, attributes: Attributes) -> bool:
        """Return whether the path is empty, or has only your own ASNs, your carriers' and private ones."""
        return all(
            asn in self._silent_asns or any(asn in private for private in PRIVATE_ASNS)
            for segment in attributes.as_path
            if not segment.kind.is_confederation
            for asn in segment.asns
        )
