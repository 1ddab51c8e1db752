"""Where the NAT pools are seen, in both families, and whether that is right."""

from __future__ import annotations

import pytest

from ermon.api.status import Answer, PlaceDoc
from ermon.core.pool_status import pool_status
from ermon.core.status import link_status
from ermon.model.findings import LinkState
from tests.checks.company import PLANT, V4, V6, Company, Space, company

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
BOTH_FAMILIES = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])


@pytest.fixture
def net() -> Company:
    return company().converge()


def advertised(net: Company, space: Space, link: str = "chicago-primary", pool: str = "chi") -> str:
    circuit, _, name = link.partition("-")
    return pool_status(net.monitor, pool).advertised[space.family][circuit][name]


def on_internet(net: Company, space: Space, feed: str = "isp-a", pool: str = "chi") -> str:
    return pool_status(net.monitor, pool).on_internet[space.family][feed]


@BOTH_FAMILIES
def test_a_pool_is_advertised_where_a_mirror_in_sync_shows_all_of_it(net: Company, space: Space):
    assert advertised(net, space) is YES
    net.withdraw("chicago-primary", space.pool)
    assert advertised(net, space) is NO
    assert advertised(net, space, "chicago-secondary") is YES


@BOTH_FAMILIES
def test_two_halves_of_a_pool_are_the_pool_and_one_is_not(net: Company, space: Space):
    net.withdraw("chicago-primary", space.pool)
    net.announce("chicago-primary", space.pool_halves[0])
    assert advertised(net, space) is NO
    net.announce("chicago-primary", space.pool_halves[1])
    assert advertised(net, space) is YES


@BOTH_FAMILIES
def test_a_default_route_advertises_no_pool(net: Company, space: Space):
    net.withdraw("chicago-primary", space.pool).announce("chicago-primary", space.default)
    assert advertised(net, space) is NO


@BOTH_FAMILIES
def test_whether_a_pool_is_advertised_is_unknown_until_the_mirror_is_in_sync(net: Company, space: Space):
    net.down("chicago-primary")
    assert advertised(net, space) is UNKNOWN
    net.up("chicago-primary").announce("chicago-primary", space.pool)
    assert advertised(net, space) is UNKNOWN
    net.get_in_sync("chicago-primary")
    assert advertised(net, space) is YES


@BOTH_FAMILIES
def test_a_mirror_still_shows_a_pool_that_a_dead_link_no_longer_advertises(net: Company, space: Space):
    net.lose("chicago-primary", space.family)
    assert advertised(net, space) is NO
    net.down("chicago-primary")
    assert advertised(net, space) is NO


@BOTH_FAMILIES
def test_a_link_that_is_not_known_to_be_down_advertises_what_its_mirror_shows(net: Company, space: Space):
    net.down("edge-1")
    assert link_status(net.monitor, ("chicago", "primary")).state[space.family] is LinkState.UNKNOWN
    assert advertised(net, space) is YES


@BOTH_FAMILIES
def test_a_pool_on_another_circuit_is_seen_there(net: Company, space: Space):
    assert "dallas" not in pool_status(net.monitor, "chi").advertised[space.family], "nothing of it is there"
    net.announce("dallas-primary", space.pool)
    assert advertised(net, space, "dallas-primary") is YES
    assert "secondary" not in pool_status(net.monitor, "chi").advertised[space.family]["dallas"]
    expected_on = pool_status(net.monitor, "chi").expected_on
    assert PlaceDoc(circuit="dallas", link="primary") not in expected_on


def test_private_peering_advertises_no_pools():
    net = company(
        "nat_pools: {chi: {circuit: null, circuits: [chicago, dallas, plant], use: inbound}}", PLANT
    )
    advertised = pool_status(net.monitor, "chi").advertised
    assert {circuit for rows in advertised.values() for circuit in rows} == {"chicago", "dallas"}


@BOTH_FAMILIES
def test_a_pool_is_on_the_internet_where_it_or_a_part_of_it_is_seen(net: Company, space: Space):
    assert on_internet(net, space) is NO
    net.announce("isp-a", space.pool_part)
    assert (on_internet(net, space), on_internet(net, space, "outside")) == (YES, NO)
    net.withdraw("isp-a", space.pool_part).announce("isp-a", space.pool)
    assert on_internet(net, space) is YES


@BOTH_FAMILIES
def test_an_aggregate_and_a_default_route_do_not_put_a_pool_on_the_internet(net: Company, space: Space):
    net.announce("isp-a", space.own, space.default)
    assert on_internet(net, space) is NO


@BOTH_FAMILIES
def test_presence_on_the_internet_is_known_at_once_and_absence_only_in_sync(net: Company, space: Space):
    net.down("isp-a")
    assert on_internet(net, space) is UNKNOWN
    net.up("isp-a").announce("isp-a", space.pool)
    assert on_internet(net, space) is YES
    net.withdraw("isp-a", space.pool)
    assert on_internet(net, space) is UNKNOWN
    net.get_in_sync("isp-a")
    assert on_internet(net, space) is NO


@BOTH_FAMILIES
def test_a_pool_that_a_reload_adds_is_unknown_where_its_space_was_not_held(net: Company, space: Space):
    new = "nat_pools: {new: {circuit: chicago, prefixes: [198.18.0.0/28, '2001:db8:7700:1::/64']}}"
    net.reconfigure(company(new).config).wait(0)
    assert on_internet(net, space, "outside", "new") is UNKNOWN
    assert on_internet(net, space, "isp-a", "new") is NO
    assert on_internet(net, space, "outside") is NO
    net.wait(120)
    assert on_internet(net, space, "outside", "new") is NO


@pytest.mark.parametrize(
    ("prefixes", "addresses"),
    [
        ('["198.51.100.0/28"]', {"ipv4": 16}),
        ('["198.51.100.0/29", "198.51.100.8/29"]', {"ipv4": 16}),
        ('["198.51.100.0/28", "198.51.100.4/30"]', {"ipv4": 16}),
        ('["2001:db8:100:10::/64"]', {"ipv6": 2**64}),
        ('["198.51.100.0/28", "2001:db8:100:10::/126"]', {"ipv4": 16, "ipv6": 4}),
    ],
)
def test_the_addresses_of_a_pool_are_counted_once(prefixes: str, addresses: dict[str, int]):
    net = company(f"nat_pools: {{chi: {{prefixes: {prefixes}}}}}")
    assert net.monitor.layout.addresses["chi"] == addresses


# The state of pools ----------------------------------------------------------------------------------


def stands(net: Company, pool: str = "chi") -> tuple[str, dict[str, str]]:
    """Return the state of a pool as a whole, and of each place that is worth a look."""
    shown = pool_status(net.monitor, pool)
    links = {
        f"{circuit}-{link}": place for circuit, row in shown.on_links.items() for link, place in row.items()
    }
    return shown.overall, {**links, **shown.on_feeds}


PLANNED = {"chicago-primary": "advertised", "chicago-secondary": "advertised"}


def test_a_pool_that_is_where_it_should_be_is_as_planned(net: Company):
    assert stands(net) == ("planned", PLANNED)


@BOTH_FAMILIES
def test_a_pool_that_is_missing_in_one_family_is_wrong(net: Company, space: Space):
    net.withdraw("chicago-primary", space.pool)
    assert stands(net) == ("wrong", PLANNED | {"chicago-primary": "missing"})


@BOTH_FAMILIES
def test_a_pool_where_it_should_not_be_is_wrong(net: Company, space: Space):
    net.announce("dallas-primary", space.pool)
    assert stands(net) == ("wrong", PLANNED | {"dallas-primary": "unexpected"})
    net.withdraw("dallas-primary", space.pool).announce("isp-a", space.pool_part)
    assert stands(net) == ("wrong", PLANNED | {"isp-a": "unexpected"})


@BOTH_FAMILIES
def test_a_pool_that_may_be_on_the_internet_for_failover_is_as_planned_there(space: Space):
    net = company("nat_pools: {chi: {internet: failover}}").converge().announce("outside", space.pool)
    assert stands(net) == ("planned", PLANNED | {"outside": "failover"})


def test_a_pool_that_cannot_be_seen_is_unknown_unless_it_is_wrong_elsewhere(net: Company):
    net.down("chicago-primary", "dallas-primary", "outside")
    unseen = dict.fromkeys(("chicago-primary", "outside"), "unknown")
    assert stands(net) == ("unknown", PLANNED | unseen)
    net.withdraw("chicago-secondary", V4.pool)
    assert stands(net) == ("wrong", PLANNED | unseen | {"chicago-secondary": "missing"})


def test_a_fault_in_one_family_is_wrong_even_if_the_other_is_unknown(net: Company):
    net.down("chicago-primary").up("chicago-primary").end_of_rib("chicago-primary", family="ipv6").wait(2)
    assert stands(net)[1]["chicago-primary"] == "missing"
