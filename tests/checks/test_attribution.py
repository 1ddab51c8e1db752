from __future__ import annotations

import pytest

from ermon.checks.attribution import (
    INTERNAL_COPY,
    UNATTRIBUTED,
    Attribution,
    Attributor,
    has_microsoft_asn,
    microsoft_path,
)
from ermon.model.inventory import Community, Peering
from ermon.model.prefixes import parse_address
from tests.networks import EDGE, attributes, circuit, config, feed, link

OURS = frozenset({64500, 64499})


@pytest.mark.parametrize(
    ("as_path", "from_microsoft_on"),
    [
        ("12076", (12076,)),
        ("12076 8075 8068", (12076, 8075, 8068)),
        # our own and our providers' ASNs on the left
        ("64500 12076", (12076,)),
        ("64499 64500 64500 12076 8075", (12076, 8075)),
        # and only there
        ("12076 64500", (12076, 64500)),
        ("64501 12076", None),
        # confederation segments are skipped, wherever they stand
        ("(65001 65002) 12076", (12076,)),
        ("[65001 65002] 64499 (12076) 12076 8075", (12076, 8075)),
        ("(12076)", None),
        # AS_TRANS is ignored
        ("23456 12076", (12076,)),
        ("12076 23456 8075", (12076, 8075)),
        # an AS_SET belongs to the path, and is no beginning
        ("12076 {8075 64512}", (12076, 8075, 64512)),
        ("{12076 8075}", None),
        # somebody else's route
        ("3356 12076", None),
        ("3356", None),
        ("64500", None),
        ("", None),
    ],
)
def test_a_microsoft_route_starts_with_12076_behind_our_own(
    as_path: str, from_microsoft_on: tuple[int, ...] | None
) -> None:
    assert microsoft_path(attributes(as_path), OURS) == from_microsoft_on


@pytest.mark.parametrize(
    ("as_path", "anywhere"),
    [("3356 12076 8075", True), ("64500 {8075 12076}", True), ("12076", True), ("8075", False), ("", False)],
)
def test_elsewhere_12076_counts_anywhere_in_the_path(as_path: str, anywhere: bool) -> None:
    assert has_microsoft_asn(attributes(as_path)) is anywhere


PRIMARY, SECONDARY, MATCHED, TWIN = ("one", "primary"), ("one", "secondary"), ("two", "a"), ("two", "b")
BY_COMMUNITY = frozenset({Community((64500, 302)), Community((64500, 1, 2))})
BY_NEXT_HOP = frozenset({parse_address("192.0.2.250"), parse_address("2001:db8:fe::250")})

ATTRIBUTOR = Attributor(
    config(
        (
            circuit(
                "one",
                "Oslo",
                link("one", "primary", "edge-1", "Oslo", "203.0.113.0/30", "2001:db8:ffff::/126"),
                link("one", "secondary", "edge-1", "Oslo", "203.0.113.4/30", "2001:db8:ffff::4/126"),
            ),
            circuit(
                "two",
                "Oslo",
                link("two", "a", "edge-2", "Oslo", "172.16.0.0/30", match_communities=BY_COMMUNITY),
                link("two", "b", "edge-2", "Oslo", "172.16.0.4/30", match_next_hops=BY_NEXT_HOP),
                peering=Peering.PRIVATE,
            ),
        ),
        (feed("edge-1", EDGE, router="edge-1"),),
        routers={"edge-1": frozenset(map(parse_address, ("192.0.2.201", "2001:db8:fe::1", "203.0.113.5")))},
    )
)


@pytest.mark.parametrize(
    ("next_hop", "communities", "expected"),
    [
        ("203.0.113.2", (), PRIMARY),
        ("203.0.113.6", (), SECONDARY),
        ("2001:db8:ffff::2", (), PRIMARY),
        ("2001:db8:ffff::6", (), SECONDARY),
        ("192.0.2.250", (), TWIN),
        ("2001:db8:fe::250", (), TWIN),
        ("10.9.9.9", ((64500, 302),), MATCHED),
        # match outweighs the subnet
        ("203.0.113.2", ((64500, 302),), MATCHED),
        # and the subnet outweighs the routers' own addresses
        ("203.0.113.5", (), SECONDARY),
        # an internal copy of another router's route
        ("192.0.2.201", (), INTERNAL_COPY),
        ("2001:db8:fe::1", (), INTERNAL_COPY),
        # a route that fits two links
        ("192.0.2.250", ((64500, 302),), UNATTRIBUTED),
        # or none
        ("192.0.2.9", (), UNATTRIBUTED),
        ("2001:db8:fe::9", (), UNATTRIBUTED),
        # without a next hop, whatever else it carries
        (None, ((64500, 302),), UNATTRIBUTED),
        # a lone link-local next hop is on every link, so on none
        ("fe80::1", (), UNATTRIBUTED),
    ],
)
def test_a_microsoft_route_belongs_to_the_link_of_its_next_hop(
    next_hop: str | None, communities: tuple[tuple[int, int], ...], expected: Attribution
) -> None:
    assert ATTRIBUTOR.attribute(attributes("12076", next_hop, communities)) == expected


def test_a_large_community_can_name_the_link() -> None:
    route = attributes("12076", "10.9.9.9")
    tagged = type(route)(
        next_hop=route.next_hop, as_path=route.as_path, large_communities=frozenset({(64500, 1, 2)})
    )
    assert ATTRIBUTOR.attribute(tagged) == MATCHED


@pytest.mark.parametrize("next_hop", ["203.0.113.2", "2001:db8:ffff::2", "192.0.2.201", None])
def test_a_route_that_is_not_microsofts_belongs_to_nothing(next_hop: str | None) -> None:
    assert ATTRIBUTOR.attribute(attributes("3356 12076", next_hop)) is None


def test_one_link_on_a_router_is_no_reason_to_believe_in_it() -> None:
    """When that link dies, the router still holds the other router's routes."""
    only = circuit("one", "Oslo", link("one", "primary", "edge-1", "Oslo", "203.0.113.0/30"))
    lonely = config((only,), (feed("edge-1", EDGE, router="edge-1"),))
    assert Attributor(lonely).attribute(attributes("12076", "203.0.113.6")) == UNATTRIBUTED
