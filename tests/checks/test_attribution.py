from __future__ import annotations

from collections.abc import Iterable

import pytest

from ermon.checks.attribution import (
    INTERNAL_COPY,
    Attribution,
    Attributor,
    Cause,
    Unattributed,
    has_microsoft_asn,
    microsoft_path,
)
from ermon.model.inventory import Config, Peering
from ermon.model.prefixes import parse_address
from ermon.model.routes import Community, LargeCommunities, Route
from tests.networks import EDGE, attributes, circuit, config, feed, link, prefixes, routes

OURS = frozenset({64500, 64499})


@pytest.mark.parametrize(
    ("as_path", "from_microsoft_on"),
    [
        ("12076", (12076,)),
        ("12076 8075 8068", (12076, 8075, 8068)),
        # your own and your providers' ASNs on the left are removed
        ("64500 12076", (12076,)),
        ("64499 64500 64500 12076 8075", (12076, 8075)),
        # only on the left
        ("12076 64500", (12076, 64500)),
        ("64501 12076", None),
        # confederation segments are skipped, wherever they are
        ("(65001 65002) 12076", (12076,)),
        ("[65001 65002] 64499 (12076) 12076 8075", (12076, 8075)),
        ("(12076)", None),
        # AS_TRANS is ignored
        ("23456 12076", (12076,)),
        ("12076 23456 8075", (12076, 8075)),
        # an AS_SET belongs to the path, but never begins it
        ("12076 {8075 64512}", (12076, 8075, 64512)),
        ("{12076 8075}", None),
        # another network's route
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

NETWORK = config(
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
    (feed("edge-1", EDGE, router="edge-1"), feed("edge-2", EDGE, router="edge-2")),
    routers={
        "edge-1": frozenset(map(parse_address, ("192.0.2.201", "2001:db8:fe::1", "203.0.113.5"))),
        "edge-2": frozenset(map(parse_address, ("192.0.2.202", "2001:db8:fe::2"))),
    },
)


def attribute(
    next_hop: str | None,
    communities: Iterable[tuple[int, int]] = (),
    *,
    path: str = "12076",
    network: Config = NETWORK,
    table: str = "edge-1",
    prefix: str = "192.0.2.0/26",
) -> Attribution:
    """Return the attribution of a route in the table that a feed shows."""
    (route,) = routes(prefix, path, next_hop, communities)
    return Attributor(network).of(network.feeds[table]).attribute(route)


def cause(attribution: Attribution) -> Cause:
    assert isinstance(attribution, Unattributed)
    return attribution.cause


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
        # the subnet outweighs the routers' own addresses
        ("203.0.113.5", (), SECONDARY),
        # an internal copy of another router's route
        ("192.0.2.202", (), INTERNAL_COPY),
        ("2001:db8:fe::2", (), INTERNAL_COPY),
    ],
)
def test_a_microsoft_route_belongs_to_the_link_of_its_next_hop(
    next_hop: str | None, communities: tuple[tuple[int, int], ...], expected: Attribution
) -> None:
    assert attribute(next_hop, communities) == expected


@pytest.mark.parametrize(
    ("next_hop", "communities", "why"),
    [
        ("192.0.2.250", ((64500, 302),), Cause.SEVERAL_LINKS),
        ("192.0.2.9", (), Cause.UNKNOWN_NEXT_HOP),
        ("2001:db8:fe::9", (), Cause.UNKNOWN_NEXT_HOP),
        # even with other attributes
        (None, ((64500, 302),), Cause.NO_NEXT_HOP),
        # a lone link-local next hop exists on every link, so it identifies none
        ("fe80::1", (), Cause.LINK_LOCAL),
        # the next hop is the router whose table it is
        ("192.0.2.201", (), Cause.NEXT_HOP_SELF),
        ("2001:db8:fe::1", (), Cause.NEXT_HOP_SELF),
    ],
)
def test_a_microsoft_route_that_fits_no_link_says_why(
    next_hop: str | None, communities: tuple[tuple[int, int], ...], why: Cause
) -> None:
    assert cause(attribute(next_hop, communities)) is why


def test_an_address_is_the_routers_own_in_its_own_table_only() -> None:
    assert cause(attribute("192.0.2.202", table="edge-2")) is Cause.NEXT_HOP_SELF
    assert attribute("192.0.2.201", table="edge-2") is INTERNAL_COPY


def test_the_address_that_a_routers_sessions_come_from_is_its_own_too() -> None:
    peer = NETWORK.feeds["edge-1"].peer
    assert cause(attribute(peer, table="edge-1")) is Cause.NEXT_HOP_SELF
    assert cause(attribute(f"::ffff:{peer}", table="edge-1")) is Cause.NEXT_HOP_SELF
    assert cause(attribute(peer, table="edge-2")) is Cause.UNKNOWN_NEXT_HOP


@pytest.mark.parametrize("next_hop", ["203.0.113.2", "2001:db8:ffff::2"])
@pytest.mark.parametrize(
    "path", ["65001 12076", "64500 65001 12076", "(65002) 65001 8075 12076", "{65001} 12076"]
)
def test_an_undeclared_asn_before_12076_is_named_where_the_next_hop_is_on_a_link(
    next_hop: str, path: str
) -> None:
    found = attribute(next_hop, path=path)
    assert isinstance(found, Unattributed)
    assert (found.cause, found.asn, found.on_links) == (Cause.UNDECLARED_ASN, 65001, {PRIMARY})
    assert "AS65001" in str(found)


VRFS = config(
    (
        circuit(
            "one", "Oslo", link("one", "a", "edge-1", "Oslo", "172.16.0.0/30", "fd00:1::/126", vrf="RED")
        ),
        circuit(
            "two", "Oslo", link("two", "a", "edge-1", "Oslo", "172.16.0.0/30", "fd00:1::/126", vrf="BLUE")
        ),
        circuit("three", "Oslo", link("three", "a", "edge-1", "Oslo", "172.16.0.4/30", "fd00:1::4/126")),
    ),
    (
        feed("red", EDGE, router="edge-1", vrf="RED"),
        feed("blue", EDGE, router="edge-1", vrf="BLUE"),
        feed("global", EDGE, router="edge-1"),
    ),
)


@pytest.mark.parametrize("next_hop", ["172.16.0.2", "fd00:1::2"])
def test_a_vrf_has_links_of_its_own(next_hop: str) -> None:
    assert attribute(next_hop, network=VRFS, table="red") == ("one", "a")
    assert attribute(next_hop, network=VRFS, table="blue") == ("two", "a")
    assert cause(attribute(next_hop, network=VRFS, table="global")) is Cause.ANOTHER_VRF


SUMMED_UP = config(
    (
        circuit(
            "one",
            "Oslo",
            link(
                *("one", "a", "edge-1", "Oslo", "172.16.0.0/30"),
                match_next_hops=frozenset(map(parse_address, ("10.0.0.1", "fd00::1"))),
                match_prefixes=prefixes("10.0.0.0/8 fd00::/16"),
            ),
        ),
    ),
    (feed("edge-1", EDGE, router="edge-1"),),
)


@pytest.mark.parametrize(("prefix", "next_hop"), [("10.1.0.0/16", "10.0.0.1"), ("fd00:1::/48", "fd00::1")])
@pytest.mark.parametrize("path", ["64499", "", "65001 65002", "12076"])
def test_an_aggregate_of_a_provider_is_attributed_by_next_hop_and_prefix(
    prefix: str, next_hop: str, path: str
) -> None:
    assert attribute(next_hop, path=path, network=SUMMED_UP, prefix=prefix) == ("one", "a")


@pytest.mark.parametrize(("prefix", "next_hop"), [("11.0.0.0/8", "10.0.0.1"), ("10.1.0.0/16", "10.0.0.2")])
def test_another_prefix_or_next_hop_is_not_what_the_provider_sums_up(prefix: str, next_hop: str) -> None:
    assert attribute(next_hop, path="64499", network=SUMMED_UP, prefix=prefix) is None


def test_a_large_community_can_name_the_link() -> None:
    route = attributes("12076", "10.9.9.9")
    tagged = type(route)(
        next_hop=route.next_hop, as_path=route.as_path, large_communities=LargeCommunities({(64500, 1, 2)})
    )
    (plain,) = routes("192.0.2.0/26")
    table = Attributor(NETWORK).of(NETWORK.feeds["edge-1"])
    assert table.attribute(Route(plain.prefix, None, tagged)) == MATCHED


@pytest.mark.parametrize("next_hop", ["192.0.2.9", "2001:db8:fe::9", "192.0.2.201", None])
def test_a_route_that_is_not_microsofts_belongs_to_nothing(next_hop: str | None) -> None:
    assert attribute(next_hop, path="3356 12076") is None
    assert attribute("203.0.113.2", path="3356") is None


def test_one_link_on_a_router_is_no_reason_to_believe_in_it() -> None:
    """When that link goes down, the router still has the other router's routes."""
    only = circuit("one", "Oslo", link("one", "primary", "edge-1", "Oslo", "203.0.113.0/30"))
    lonely = config((only,), (feed("edge-1", EDGE, router="edge-1"),))
    assert cause(attribute("203.0.113.6", network=lonely)) is Cause.UNKNOWN_NEXT_HOP
