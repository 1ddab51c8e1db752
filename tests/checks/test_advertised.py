"""Advertisements to Microsoft: the checks on the mirrors of the links."""

from __future__ import annotations

import pytest
import yaml

from ermon.model.settings import Severity
from tests.checks.company import NO_EXPORT, PLANT, SPACES, Company, Space, company
from tests.story import MILLISECOND

PRIMARY = {"circuit": "chicago", "link": "primary"}
SECONDARY = {"circuit": "chicago", "link": "secondary"}
DALLAS_PRIMARY = {"circuit": "dallas", "link": "primary"}
PLANT_PRIMARY = {"circuit": "plant", "link": "primary"}

DUAL = ("ipv4", "ipv6")

PRESENCE_CHECKS = {
    "pool-wrong-circuit": "dallas_pool",
    "advertised-not-public": "private",
    "advertised-default": "default",
    "advertised-internet-only": "internet_only",
    "microsoft-reflected": "exchange",
}
"""Routes that must not be in a mirror and are raised at once: an example of each."""


def labels_of(check: str, space: Space) -> dict[str, str]:
    return {**PRIMARY, "family": space.family} if check == "pool-wrong-circuit" else PRIMARY


@pytest.fixture(params=PRESENCE_CHECKS)
def presence(request: pytest.FixtureRequest) -> str:
    return request.param


# What all of them have in common ---------------------------------------------------------------------


def test_forbidden_advertisements_are_raised_at_once(net: Company, space: Space, presence: str):
    prefix = getattr(space, PRESENCE_CHECKS[presence])
    net.announce("chicago-primary", prefix, path="64500")
    finding = net.assert_raised_after(0, presence, **labels_of(presence, space))
    assert finding.severity is Severity.CRITICAL
    assert finding.evidence["prefixes"] == [prefix]
    net.wait(5).withdraw("chicago-primary", prefix)
    net.assert_cleared_after(60, presence, **labels_of(presence, space))


def test_it_is_raised_before_end_of_rib_and_ok_only_in_sync(net: Company, space: Space, presence: str):
    labels = labels_of(presence, space)
    prefix = getattr(space, PRESENCE_CHECKS[presence])
    net.down("chicago-primary")
    assert net.status(presence, **labels) == "unknown"
    net.up("chicago-primary").announce("chicago-primary", prefix, path="64500")
    net.assert_raised_after(0, presence, **labels)
    net.withdraw("chicago-primary", prefix)
    assert net.status(presence, **labels) == "unknown"
    assert net.get_in_sync("chicago-primary").status(presence, **labels) == "ok"


def test_a_mirror_that_is_lost_neither_clears_nor_raises(net: Company, space: Space, presence: str):
    prefix = getattr(space, PRESENCE_CHECKS[presence])
    net.announce("chicago-primary", prefix, path="64500").down("chicago-primary").wait(1000)
    finding = net.finding(presence, **labels_of(presence, space))
    assert finding is not None
    assert finding.stale


def test_nothing_is_advertised_on_a_link_that_is_down(net: Company, space: Space, presence: str):
    net.lose("chicago-primary", *DUAL)
    net.announce("chicago-primary", getattr(space, PRESENCE_CHECKS[presence]), path="64500")
    assert net.status(presence, **labels_of(presence, space)) == "ok"


def test_routes_in_the_mirror_of_an_unknown_link_count(net: Company, space: Space, presence: str):
    net.down("edge-1")
    net.announce("chicago-primary", getattr(space, PRESENCE_CHECKS[presence]), path="64500")
    assert net.status(presence, **labels_of(presence, space)) == "violated"


def test_the_state_of_the_other_family_does_not_matter(net: Company, space: Space, presence: str):
    other = "ipv6" if space.family == "ipv4" else "ipv4"
    net.lose("chicago-primary", other)
    net.announce("chicago-primary", getattr(space, PRESENCE_CHECKS[presence]), path="64500")
    assert net.status(presence, **labels_of(presence, space)) == "violated"


def test_a_family_that_the_link_lacks_follows_its_other_families(presence: str):
    space = SPACES["ipv6"]
    labels = labels_of(presence, space)
    net = company("circuits: {chicago: {links: {primary: {subnet6: null}}}}").converge()
    net.announce("chicago-primary", getattr(space, PRESENCE_CHECKS[presence]), path="64500")
    assert net.status(presence, **labels) == "violated"
    assert net.lose("chicago-primary", "ipv4").status(presence, **labels) == "ok"


# pool-not-advertised ---------------------------------------------------------------------------------


def chi(space: Space, link: dict[str, str] = PRIMARY) -> dict[str, str]:
    return {"pool": "chi", "family": space.family, **link}


def test_a_pool_that_is_not_advertised_is_noticed_after_thirty_seconds(net: Company, space: Space):
    net.withdraw("chicago-primary", space.pool)
    finding = net.assert_raised_after(30, "pool-not-advertised", **chi(space))
    assert finding.severity is Severity.CRITICAL
    assert finding.evidence["prefixes"] == [space.pool]
    assert net.raised() == [f"pool-not-advertised chi {space.family} chicago primary"]
    net.wait(5).announce("chicago-primary", space.pool)
    net.assert_cleared_after(30, "pool-not-advertised", **chi(space))


def test_two_halves_cover_a_pool_and_one_does_not(net: Company, space: Space):
    first, second = space.pool_halves
    net.announce("chicago-primary", first, second).withdraw("chicago-primary", space.pool)
    assert net.status("pool-not-advertised", **chi(space)) == "ok"
    net.withdraw("chicago-primary", second)
    assert net.status("pool-not-advertised", **chi(space)) == "violated"


def test_a_shorter_prefix_covers_a_pool(net: Company, space: Space):
    net.announce("chicago-primary", space.own).withdraw("chicago-primary", space.pool)
    assert net.status("pool-not-advertised", **chi(space)) == "ok"


def test_a_default_route_never_covers_a_pool(net: Company, space: Space):
    net.announce("chicago-primary", space.default).withdraw("chicago-primary", space.pool)
    assert net.status("pool-not-advertised", **chi(space)) == "violated"


def test_two_halves_of_everything_cover_a_pool(net: Company, space: Space):
    halves = {"ipv4": ("0.0.0.0/1", "128.0.0.0/1"), "ipv6": ("::/1", "8000::/1")}[space.family]
    net.announce("chicago-primary", *halves).withdraw("chicago-primary", space.pool)
    assert net.status("pool-not-advertised", **chi(space)) == "ok"


def test_every_prefix_of_a_pool_must_be_advertised():
    net = company("nat_pools: {chi: {prefixes: [198.51.100.0/28, 198.51.100.32/28]}}").converge()
    assert net.status("pool-not-advertised", **chi(SPACES["ipv4"])) == "ok"
    net.withdraw("chicago-primary", "198.51.100.32/28")
    finding = net.assert_raised_after(30, "pool-not-advertised", **chi(SPACES["ipv4"]))
    assert finding.evidence["prefixes"] == ["198.51.100.32/28"]


def test_the_spelling_of_a_pool_does_not_matter():
    net = company("nat_pools: {chi: {prefixes: ['FD00:0::/48']}}").converge()
    assert net.status("pool-not-advertised", **chi(SPACES["ipv6"])) == "ok"
    assert {s["family"] for s in net.subjects("pool-not-advertised") if s["pool"] == "chi"} == {"ipv6"}


def test_a_lost_link_is_not_a_pool_that_is_not_advertised(net: Company, space: Space):
    net.lose("chicago-primary", space.family).wait(1000)
    assert net.raised() == [f"link-down chicago primary {space.family}"]


def test_a_pool_on_an_unseen_link_that_was_down_is_not_ok(net: Company, space: Space):
    net.lose("chicago-primary", space.family).down("edge-1")
    assert net.status("pool-not-advertised", **chi(space)) == "unknown"
    net.withdraw("chicago-primary", space.pool)
    assert net.status("pool-not-advertised", **chi(space)) == "violated"


def test_a_pool_on_a_link_that_was_never_seen_is_judged_by_the_mirror(space: Space):
    net = company().up("chicago-primary").announce("chicago-primary", space.pool)
    net.end_of_rib("chicago-primary").wait(2)
    assert net.status("pool-not-advertised", **chi(space)) == "ok"


def test_a_pool_is_unknown_before_the_mirror_is_in_sync(space: Space):
    net = company().up("chicago-primary")
    assert net.status("pool-not-advertised", **chi(space)) == "unknown"
    assert net.get_in_sync("chicago-primary").status("pool-not-advertised", **chi(space)) == "violated"


def test_a_pool_is_unknown_while_the_mirror_is_lost(net: Company, space: Space):
    net.down("chicago-primary").wait(1000)
    assert net.status("pool-not-advertised", **chi(space)) == "unknown"
    assert net.raised() == ["feed-down chicago-primary"]


def test_a_pool_is_unknown_where_no_mirror_is(space: Space):
    net = company("feeds: {chicago-primary: null}").converge()
    assert net.status("pool-not-advertised", **chi(space)) == "unknown"


def test_a_pool_may_be_advertised_on_one_link_only_on_purpose(space: Space):
    net = company("nat_pools: {chi: {links: [primary]}}").converge()
    assert net.status("pool-not-advertised", **chi(space)) == "ok"
    assert chi(space, SECONDARY) not in net.subjects("pool-not-advertised")


def test_a_pool_is_judged_on_all_its_circuits(space: Space):
    net = company("nat_pools: {chi: {circuit: null, circuits: [chicago, dallas], use: inbound}}").converge()
    assert net.raised() == []
    net.withdraw("dallas-primary", space.pool)
    net.assert_raised_after(30, "pool-not-advertised", **chi(space, DALLAS_PRIMARY))


def test_a_pool_follows_the_families_of_the_mirror():
    net = company("circuits: {chicago: {links: {primary: {subnet6: null}}}}").converge()
    net.withdraw("chicago-primary", SPACES["ipv6"].pool)
    net.assert_raised_after(30, "pool-not-advertised", **chi(SPACES["ipv6"]))


# pool-wrong-link -------------------------------------------------------------------------------------

BOUND = "nat_pools: {chi: {links: [primary]}}"
SECOND = {"circuit": "chicago", "link": "secondary"}


def test_a_pool_bound_to_one_link_on_another_is_raised_at_once(space: Space):
    net = company(BOUND).converge().announce("chicago-secondary", space.pool)
    finding = net.assert_raised_after(0, "pool-wrong-link", **chi(space, SECOND))
    assert finding.severity is Severity.WARNING
    assert finding.evidence["prefixes"] == [space.pool]
    assert finding.evidence["routers"] == ["edge-2"]
    net.wait(5).withdraw("chicago-secondary", space.pool)
    net.assert_cleared_after(60, "pool-wrong-link", **chi(space, SECOND))


def test_a_part_of_a_pool_on_another_link_is_wrong_and_what_covers_it_is_not(space: Space):
    net = company(BOUND).converge().announce("chicago-secondary", space.own)
    assert net.status("pool-wrong-link", **chi(space, SECOND)) == "ok"
    net.announce("chicago-secondary", space.pool_part)
    assert net.status("pool-wrong-link", **chi(space, SECOND)) == "violated"


def test_a_pool_whose_own_link_is_down_may_be_on_another(space: Space):
    net = company(BOUND).converge().lose("chicago-primary", space.family)
    net.announce("chicago-secondary", space.pool)
    assert net.status("pool-wrong-link", **chi(space, SECOND)) == "ok"
    net.down("edge-1")
    assert net.status("pool-wrong-link", **chi(space, SECOND)) == "unknown"
    net.reconnect("edge-1").bring("chicago-primary", space.family)
    assert net.status("pool-wrong-link", **chi(space, SECOND)) == "violated"


def test_a_pool_on_another_link_is_wrong_while_its_own_was_never_seen_down(space: Space):
    net = company(BOUND).converge().down("edge-1").announce("chicago-secondary", space.pool)
    assert net.status("pool-wrong-link", **chi(space, SECOND)) == "violated"


def test_a_pool_on_another_link_that_is_down_is_not_advertised_there(space: Space):
    net = company(BOUND).converge().lose("chicago-secondary", space.family)
    net.announce("chicago-secondary", space.pool)
    assert net.status("pool-wrong-link", **chi(space, SECOND)) == "ok"


def test_a_wrong_link_is_unknown_without_its_mirror(space: Space):
    net = company(BOUND).converge().down("chicago-secondary")
    assert net.status("pool-wrong-link", **chi(space, SECOND)) == "unknown"


def test_only_a_pool_that_is_bound_to_links_can_be_on_a_wrong_one():
    assert company().subjects("pool-wrong-link") == []
    both = company("nat_pools: {chi: {links: [primary, secondary]}}")
    assert both.subjects("pool-wrong-link") == []
    assert company(BOUND).subjects("pool-wrong-link") == [chi(s, SECOND) for s in SPACES.values()]


# prefix-not-advertised -------------------------------------------------------------------------------

REQUIRED = 'circuits: {plant: {advertise: {required: [10.1.0.0/16, "fd00:1::/48"]}}}'
PLANT_CIRCUIT = {"circuit": "plant"}
OFFICE_HALVES = {"ipv4": ("10.1.0.0/17", "10.1.128.0/17"), "ipv6": ("fd00:1::/49", "fd00:1:0:8000::/49")}


def test_a_required_prefix_that_no_link_advertises_is_noticed_after_a_minute(space: Space):
    net = company(PLANT, REQUIRED).converge().withdraw("plant-primary", space.office)
    about = {**PLANT_CIRCUIT, "family": space.family}
    assert net.status("prefix-not-advertised", **about) == "ok"  # on one link: see advertised-asymmetry
    net.withdraw("plant-secondary", space.office)
    finding = net.assert_raised_after(60, "prefix-not-advertised", **about)
    assert finding.severity is Severity.CRITICAL
    assert finding.evidence["prefixes"] == [space.office]
    assert finding.evidence["routers"] == ["edge-5", "edge-6"]
    assert net.wait(300).raised() == [f"prefix-not-advertised plant {space.family}"]  # and no feed-empty
    net.announce("plant-secondary", space.office)
    net.assert_cleared_after(30, "prefix-not-advertised", **about)


def test_halves_cover_a_required_prefix(space: Space):
    net = company(PLANT, REQUIRED).converge()
    for link in ("plant-primary", "plant-secondary"):
        net.withdraw(link, space.office)
    net.announce("plant-primary", *OFFICE_HALVES[space.family])
    assert net.status("prefix-not-advertised", **PLANT_CIRCUIT, family=space.family) == "ok"
    net.withdraw("plant-primary", OFFICE_HALVES[space.family][0])
    assert net.status("prefix-not-advertised", **PLANT_CIRCUIT, family=space.family) == "violated"


def test_a_default_route_is_covered_by_a_default_route_only(space: Space):
    net = company(
        PLANT,
        f"circuits: {{plant: {{advertise: {{allow_default: true, required: ['{space.default}']}}}}}}",
    ).converge()
    halves = {"ipv4": ("0.0.0.0/1", "128.0.0.0/1"), "ipv6": ("::/1", "8000::/1")}[space.family]
    net.announce("plant-primary", *halves)
    assert net.status("prefix-not-advertised", **PLANT_CIRCUIT, family=space.family) == "violated"
    net.announce("plant-secondary", space.default)
    assert net.status("prefix-not-advertised", **PLANT_CIRCUIT, family=space.family) == "ok"
    net.withdraw("plant-secondary", space.office)
    assert net.status("prefix-not-advertised", **PLANT_CIRCUIT, family=space.family) == "ok"


def test_a_default_route_covers_no_other_required_prefix(space: Space):
    net = company(PLANT, REQUIRED).converge().announce("plant-primary", space.default)
    for link in ("plant-primary", "plant-secondary"):
        net.withdraw(link, space.office)
    assert net.status("prefix-not-advertised", **PLANT_CIRCUIT, family=space.family) == "violated"


def test_a_required_prefix_that_only_a_dead_link_shows_is_not_advertised(space: Space):
    net = company(PLANT, REQUIRED).converge().withdraw("plant-secondary", space.office)
    net.lose("plant-primary", space.family)
    about = {**PLANT_CIRCUIT, "family": space.family}
    net.assert_raised_after(60, "prefix-not-advertised", **about)
    net.down("edge-5")  # whether the link is still down is unknown now
    assert net.status("prefix-not-advertised", **about) == "unknown"


def test_a_circuit_that_is_down_is_the_cause_of_what_it_does_not_advertise(space: Space):
    net = company(PLANT, REQUIRED).converge()
    net.lose("plant-primary", space.family).lose("plant-secondary", space.family)
    assert net.status("prefix-not-advertised", **PLANT_CIRCUIT, family=space.family) == "suppressed"


def test_a_required_prefix_is_unknown_while_a_mirror_that_may_show_it_is_lost(space: Space):
    net = company(PLANT, REQUIRED).converge().withdraw("plant-primary", space.office)
    net.down("plant-secondary")
    assert net.status("prefix-not-advertised", **PLANT_CIRCUIT, family=space.family) == "unknown"


def test_nothing_is_required_unless_the_configuration_says_so():
    assert company(PLANT).subjects("prefix-not-advertised") == []
    asked = company(PLANT, REQUIRED).subjects("prefix-not-advertised")
    assert asked == [{**PLANT_CIRCUIT, "family": s.family} for s in SPACES.values()]


# geo-asymmetry ---------------------------------------------------------------------------------------

MILL = """
circuits:
  plant: {group: plants}
  mill:
    geo: us
    location: Chicago
    peering: private
    group: plants
    links:
      primary: {router: edge-7, subnet: 172.16.1.0/30, subnet6: "fd00:fffe::/126"}
      secondary: {router: edge-8, subnet: 172.16.1.4/30, subnet6: "fd00:fffe::4/126"}
feeds:
  edge-7: {router: edge-7, view: edge-table, peer: 127.0.0.27, local: 127.0.0.1, peer_asn: 64500, families: [ipv4, ipv6], add_path: true}
  edge-8: {router: edge-8, view: edge-table, peer: 127.0.0.28, local: 127.0.0.1, peer_asn: 64500, families: [ipv4, ipv6], add_path: true}
  mill-primary: {router: edge-7, view: to-microsoft, circuit: mill, link: primary, peer: 127.0.0.27, local: 127.0.0.2, peer_asn: 64500, local_asn: 65010, families: [ipv4, ipv6]}
  mill-secondary: {router: edge-8, view: to-microsoft, circuit: mill, link: secondary, peer: 127.0.0.28, local: 127.0.0.2, peer_asn: 64500, local_asn: 65010, families: [ipv4, ipv6]}
"""
SITE = {"ipv4": "10.99.0.0/16", "ipv6": "fd99::/32"}
SITE_PART = {"ipv4": "10.99.7.0/24", "ipv6": "fd99:0:7::/48"}
SITE_HALVES = {"ipv4": ("10.99.0.0/17", "10.99.128.0/17"), "ipv6": ("fd99::/33", "fd99:0:8000::/33")}


def plants(space: Space) -> dict[str, str]:
    return {"geo": "us", "group": "plants", "peering": "private", "family": space.family}


@pytest.fixture
def group(space: Space) -> Company:
    """Two circuits that back each other up, and a site that only one of them advertises."""
    return company(PLANT, MILL).converge().announce("plant-primary", SITE[space.family])


def test_a_prefix_that_one_circuit_of_a_group_advertises_is_noticed_after_a_minute(
    group: Company, space: Space
):
    finding = group.assert_raised_after(60, "geo-asymmetry", **plants(space))
    assert finding.severity is Severity.WARNING
    assert finding.evidence["prefixes"] == [SITE[space.family]]
    assert finding.evidence["advertised_by"] == ["plant"]
    group.wait(5).announce("mill-secondary", SITE[space.family])
    group.assert_cleared_after(60, "geo-asymmetry", **plants(space))


def test_a_covering_advertisement_of_the_other_circuit_is_a_failover_even_in_parts(
    group: Company, space: Space
):
    first, second = SITE_HALVES[space.family]
    group.announce("mill-primary", first)
    assert group.status("geo-asymmetry", **plants(space)) == "violated"
    group.announce("mill-secondary", second)
    assert group.status("geo-asymmetry", **plants(space)) == "ok"
    group.withdraw("mill-primary", first)
    assert group.status("geo-asymmetry", **plants(space)) == "violated"


def test_a_part_of_what_the_other_circuit_advertises_has_a_failover(space: Space):
    net = company(PLANT, MILL).converge().announce("plant-primary", SITE_PART[space.family])
    assert net.status("geo-asymmetry", **plants(space)) == "violated"
    net.announce("mill-primary", SITE[space.family]).wait(60)
    finding = net.finding("geo-asymmetry", **plants(space))
    assert finding is not None
    assert finding.evidence["prefixes"] == [SITE[space.family]]
    assert finding.evidence["advertised_by"] == ["mill"]


def test_default_routes_are_compared_as_they_are_and_cover_nothing(group: Company, space: Space):
    group.announce("mill-primary", space.default)
    finding = group.assert_raised_after(60, "geo-asymmetry", **plants(space))
    assert finding.evidence["prefixes"] == sorted([space.default, SITE[space.family]])
    group.announce("mill-primary", SITE[space.family]).announce("plant-secondary", space.default)
    assert group.status("geo-asymmetry", **plants(space)) == "ok"


def test_a_group_is_compared_while_every_circuit_of_it_has_a_link_up(group: Company, space: Space):
    group.lose("mill-primary", space.family)
    assert group.status("geo-asymmetry", **plants(space)) == "violated"
    group.lose("mill-secondary", space.family)
    assert group.status("geo-asymmetry", **plants(space)) == "unknown"
    group.bring("mill-secondary", space.family)
    assert group.status("geo-asymmetry", **plants(space)) == "violated"


def test_routes_of_a_link_that_is_not_proven_up_need_no_failover(group: Company, space: Space):
    group.down("edge-5")
    assert group.status("geo-asymmetry", **plants(space)) == "ok"
    group.announce("plant-secondary", SITE[space.family])
    assert group.status("geo-asymmetry", **plants(space)) == "violated"


def test_a_failover_on_a_link_that_is_down_is_none(group: Company, space: Space):
    group.announce("mill-primary", SITE[space.family])
    assert group.status("geo-asymmetry", **plants(space)) == "ok"
    group.lose("mill-primary", space.family)
    assert group.status("geo-asymmetry", **plants(space)) == "violated"
    group.down("edge-7")  # it was down, and is unknown now
    assert group.status("geo-asymmetry", **plants(space)) == "unknown"


def test_a_mirror_out_of_sync_leaves_open_whether_there_is_a_failover(group: Company, space: Space):
    group.down("mill-primary")
    assert group.status("geo-asymmetry", **plants(space)) == "unknown"


def test_a_circuit_that_does_not_advertise_what_it_must_is_the_cause(space: Space):
    net = company(PLANT, MILL, REQUIRED).converge()
    net.withdraw("plant-primary", space.office).withdraw("plant-secondary", space.office)
    assert net.status("geo-asymmetry", **plants(space)) == "suppressed"


def test_only_circuits_of_one_group_geo_and_private_peering_are_compared():
    assert company(PLANT, MILL).subjects("geo-asymmetry") == [plants(s) for s in SPACES.values()]
    for change in (
        "{mill: {group: lab}}",
        "{mill: {geo: eu}}",
        "{mill: {group: null}, plant: {group: null}}",
    ):
        assert company(PLANT, MILL, f"circuits: {change}").subjects("geo-asymmetry") == []
    microsoft = "circuits: {chicago: {group: plants}, dallas: {group: plants}}"
    assert company(microsoft).subjects("geo-asymmetry") == []


# pool-wrong-circuit ----------------------------------------------------------------------------------


def wrong(space: Space, link: dict[str, str] = PRIMARY) -> dict[str, str]:
    return {**link, "family": space.family}


@pytest.mark.parametrize("what", ["dallas_pool", "both_pools", "own"])
def test_a_pool_equal_or_covered_on_another_circuit_is_wrong(net: Company, space: Space, what: str):
    net.announce("chicago-primary", getattr(space, what))
    finding = net.assert_raised_after(0, "pool-wrong-circuit", **wrong(space))
    assert net.raised("pool-wrong-circuit") == [f"pool-wrong-circuit chicago primary {space.family}"]
    assert finding.evidence["pools"] == ["dal"]
    assert finding.summary == (
        f"NAT pool dal of another circuit {getattr(space, what)} is advertised"
        " on link primary of circuit chicago (edge-1)"
    )


def test_a_part_of_a_pool_on_another_circuit_is_wrong(net: Company, space: Space):
    net.announce("dallas-primary", space.pool_part)
    finding = net.assert_raised_after(0, "pool-wrong-circuit", **wrong(space, DALLAS_PRIMARY))
    assert finding.evidence["pools"] == ["chi"]


def test_all_pools_that_are_on_the_wrong_circuit_are_one_finding_that_names_them(space: Space):
    third = "nat_pools: {aus: {circuit: dallas, prefixes: [198.51.100.96/28, '2001:db8:100:60::/64']}}"
    net = company(third).up("chicago-primary").announce("chicago-primary", space.own)
    finding = net.assert_raised_after(0, "pool-wrong-circuit", **wrong(space))
    assert finding.evidence["pools"] == ["aus", "dal"]
    assert finding.summary.startswith("NAT pool aus, dal of another circuit ")


def test_a_pool_on_its_own_circuit_is_right(net: Company, space: Space):
    for link in ("chicago-primary", "chicago-secondary"):
        net.announce(link, *space.pool_halves)
    assert net.wait(1000).raised() == []
    assert net.status("pool-wrong-circuit", **wrong(space)) == "ok"


def test_a_default_route_is_no_pool_of_another_circuit(net: Company, space: Space):
    net.announce("chicago-primary", space.default)
    assert net.status("pool-wrong-circuit", **wrong(space)) == "ok"


def test_a_declared_pool_of_this_circuit_may_lie_inside_another_circuits_pool(space: Space):
    first, second = space.pool_halves
    pools = f"""
    nat_pools:
      chi: {{prefixes: ['{space.pool}']}}
      dal: {{prefixes: ['{first}']}}
    """
    net = company(pools).converge()
    assert net.status("pool-wrong-circuit", **wrong(space, DALLAS_PRIMARY)) == "ok"
    net.announce("dallas-primary", space.pool_part)  # inside the declared pool
    assert net.status("pool-wrong-circuit", **wrong(space, DALLAS_PRIMARY)) == "ok"
    net.announce("dallas-primary", second)
    assert net.status("pool-wrong-circuit", **wrong(space, DALLAS_PRIMARY)) == "violated"


def test_a_shared_pool_is_right_on_all_its_circuits(space: Space):
    net = company("nat_pools: {chi: {circuit: null, circuits: [chicago, dallas], use: inbound}}").converge()
    assert net.raised() == []
    # No pool is foreign to Dallas any more, so there is no subject.
    assert {s["circuit"] for s in net.subjects("pool-wrong-circuit")} == {"chicago"}
    assert net.status("pool-wrong-circuit", **wrong(space)) == "ok"


def test_private_peering_is_no_wrong_circuit(space: Space):
    net = company(PLANT).converge().announce("plant-primary", space.pool)
    assert [s for s in net.subjects("pool-wrong-circuit") if s["circuit"] == "plant"] == []
    assert net.raised() == []


# advertised-undeclared -------------------------------------------------------------------------------


def test_an_undeclared_prefix_is_noticed_after_thirty_seconds(net: Company, space: Space):
    net.announce("chicago-primary", space.own_other)
    finding = net.assert_raised_after(30, "advertised-undeclared", **PRIMARY)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["prefixes"] == [space.own_other]
    assert net.raised() == ["advertised-undeclared chicago primary"]
    net.wait(5).withdraw("chicago-primary", space.own_other)
    net.assert_cleared_after(60, "advertised-undeclared", **PRIMARY)


@pytest.mark.parametrize("what", ["own", "both_pools"])
def test_a_prefix_that_is_longer_than_what_was_declared_is_undeclared(net: Company, space: Space, what: str):
    net.announce("chicago-primary", getattr(space, what))
    assert net.status("advertised-undeclared", **PRIMARY) == "violated"


def test_a_part_of_a_declared_pool_is_declared(net: Company, space: Space):
    net.announce("chicago-primary", space.pool_part, *space.pool_halves)
    assert net.status("advertised-undeclared", **PRIMARY) == "ok"


def test_a_pool_declared_in_halves_may_be_advertised_whole(space: Space):
    first, second = space.pool_halves
    net = company(f"nat_pools: {{chi: {{prefixes: ['{first}', '{second}']}}}}").converge()
    net.announce("chicago-primary", space.pool)
    assert net.status("advertised-undeclared", **PRIMARY) == "ok"


def test_a_declared_prefix_may_be_advertised(space: Space):
    net = company(f"circuits: {{chicago: {{advertise: {{prefixes: ['{space.own_other}']}}}}}}").converge()
    net.announce("chicago-primary", space.own_other).announce("dallas-primary", space.own_other)
    assert net.status("advertised-undeclared", **PRIMARY) == "ok"
    assert net.status("advertised-undeclared", **DALLAS_PRIMARY) == "violated"


def test_a_pool_bound_to_one_link_is_declared_on_the_other(space: Space):
    net = company("nat_pools: {chi: {links: [primary]}}").converge()
    net.announce("chicago-secondary", space.pool)
    assert net.status("advertised-undeclared", **SECONDARY) == "ok"


def test_a_default_route_is_not_undeclared(net: Company, space: Space):
    net.announce("chicago-primary", space.default)
    assert net.wait(100).raised() == ["advertised-default chicago primary"]


def test_on_private_peering_everything_is_declared_by_default(space: Space):
    net = company(PLANT).converge()
    for link in ("plant-primary", "plant-secondary"):
        net.announce(link, space.own_other)
    assert net.wait(100).raised() == []
    offices = [each.office for each in SPACES.values()]
    net = company(PLANT, f"circuits: {{plant: {{advertise: {{prefixes: {offices}}}}}}}").converge()
    net.announce("plant-primary", space.own_other)
    net.assert_raised_after(30, "advertised-undeclared", **PLANT_PRIMARY)


def test_any_switches_the_check_off_on_microsoft_peering_too(space: Space):
    net = company("circuits: {chicago: {advertise: {prefixes: any}}}").converge()
    for link in ("chicago-primary", "chicago-secondary"):
        net.announce(link, space.own_other)
    assert net.wait(100).raised() == []


def test_undeclared_is_seen_before_sync_and_ok_only_in_sync(net: Company, space: Space):
    net.down("chicago-primary").up("chicago-primary")
    assert net.status("advertised-undeclared", **PRIMARY) == "unknown"
    net.announce("chicago-primary", space.own_other)
    assert net.status("advertised-undeclared", **PRIMARY) == "violated"


# advertised-not-public -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prefix",
    [
        "10.0.0.0/8",
        "172.16.5.0/24",
        "192.168.1.1/32",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "127.0.0.0/8",
        "240.0.0.0/4",
        "fd00::/8",
        "fc00::/7",
        "fe80::/10",
        "100::/64",
        "3fff::/20",
    ],
)
def test_space_that_is_not_public_must_not_be_advertised(net: Company, prefix: str):
    net.announce("chicago-primary", prefix)
    net.assert_raised_after(0, "advertised-not-public", **PRIMARY)


@pytest.mark.parametrize("prefix", ["8.0.0.0/6", "fc00::/6"])
def test_a_prefix_that_contains_private_space_is_not_public(net: Company, prefix: str):
    net.announce("chicago-primary", prefix)
    net.assert_raised_after(0, "advertised-not-public", **PRIMARY)


@pytest.mark.parametrize("prefix", ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"])
def test_documentation_space_counts_as_public_only_if_the_policy_says_so(prefix: str):
    net = company().converge().announce("chicago-primary", prefix)
    assert net.status("advertised-not-public", **PRIMARY) == "ok"
    net = company("policy: {public_space: []}").up("chicago-primary").announce("chicago-primary", prefix)
    assert net.status("advertised-not-public", **PRIMARY) == "violated"


@pytest.mark.parametrize("prefix", ["9.0.0.0/8", "172.32.0.0/16", "100.128.0.0/16", "2a00::/16"])
def test_public_space_may_be_advertised_as_far_as_this_check_goes(net: Company, prefix: str):
    net.announce("chicago-primary", prefix)
    assert net.status("advertised-not-public", **PRIMARY) == "ok"


def test_a_default_route_is_not_private_space(net: Company, space: Space):
    net.announce("chicago-primary", space.default)
    assert net.status("advertised-not-public", **PRIMARY) == "ok"


def test_private_space_may_be_advertised_on_private_peering(space: Space):
    net = company(PLANT).converge()
    assert net.raised() == []
    assert PLANT_PRIMARY not in net.subjects("advertised-not-public")


# advertised-default ----------------------------------------------------------------------------------


def test_a_default_route_on_private_peering_needs_a_permission(space: Space):
    net = company(PLANT).converge().announce("plant-primary", space.default)
    net.assert_raised_after(0, "advertised-default", **PLANT_PRIMARY)
    allowed = "circuits: {plant: {advertise: {allow_default: true}}}"
    net = company(PLANT, allowed).converge().announce("plant-primary", space.default)
    assert net.wait(100).raised() == []


def test_prefixes_that_together_cover_everything_are_a_default_route(net: Company, space: Space):
    halves = {"ipv4": ("0.0.0.0/1", "128.0.0.0/1"), "ipv6": ("::/1", "8000::/1")}[space.family]
    net.announce("chicago-primary", halves[0])
    assert net.status("advertised-default", **PRIMARY) == "ok"
    net.announce("chicago-primary", halves[1])
    finding = net.finding("advertised-default", **PRIMARY)
    assert finding is not None
    assert finding.evidence["prefixes"] == list(halves)
    net.withdraw("chicago-primary", halves[0]).announce("chicago-primary", *quarters(halves[0]))
    assert net.status("advertised-default", **PRIMARY) == "violated"
    net.withdraw("chicago-primary", quarters(halves[0])[1])
    net.assert_cleared_after(60, "advertised-default", **PRIMARY)


def quarters(half: str) -> tuple[str, str]:
    """Return the halves of the first half of the address space."""
    return ("::/2", "4000::/2") if ":" in half else ("0.0.0.0/2", "64.0.0.0/2")


def test_both_ends_of_everything_are_not_all_of_it(net: Company, space: Space):
    ends = {"ipv4": ("0.0.0.0/2", "128.0.0.0/1"), "ipv6": ("::/2", "8000::/1")}[space.family]
    net.announce("chicago-primary", *ends)
    assert net.status("advertised-default", **PRIMARY) == "ok"


def test_the_halves_of_everything_are_allowed_where_a_default_route_is(space: Space):
    halves = {"ipv4": ("0.0.0.0/1", "128.0.0.0/1"), "ipv6": ("::/1", "8000::/1")}[space.family]
    net = company(PLANT).converge().announce("plant-primary", *halves)
    assert net.status("advertised-default", **PLANT_PRIMARY) == "violated"
    allowed = company(PLANT, "circuits: {plant: {advertise: {allow_default: true}}}")
    assert PLANT_PRIMARY not in allowed.subjects("advertised-default")


def test_a_default_route_is_raised_by_one_check_only(net: Company, space: Space):
    net.announce("chicago-primary", space.default, path="64500 64510")
    assert net.wait(1000).told() == ["2.0 raised advertised-default chicago primary"]


# advertised-internet-only ----------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["internet_only", "internet_only_part", "around_internet_only", "own"])
def test_internet_only_space_must_never_be_advertised(net: Company, space: Space, what: str):
    net.announce("chicago-primary", getattr(space, what))
    net.assert_raised_after(0, "advertised-internet-only", **PRIMARY)


@pytest.mark.parametrize("what", ["own_other", "pool", "default"])
def test_other_prefixes_are_not_internet_only(net: Company, space: Space, what: str):
    net.announce("chicago-primary", getattr(space, what))
    assert net.status("advertised-internet-only", **PRIMARY) == "ok"


# advertised-limit-near and advertised-limit-reached --------------------------------------------------

NEAR, REACHED = "advertised-limit-near", "advertised-limit-reached"
ANYTHING = "circuits: {chicago: {advertise: {prefixes: any}}}"
PREMIUM = "circuits: {plant: {premium: true}}"


def show(net: Company, feed: str, count: int, space: Space) -> None:
    """Let the mirror show so many prefixes in all."""
    net.withdraw(feed, space.pool, space.office).announce(feed, *space.many(count))


@pytest.mark.parametrize(("count", "near"), [(159, "ok"), (160, "violated")])
def test_the_limit_is_near_at_four_fifths(space: Space, count: int, near: str):
    net = company(ANYTHING).converge()
    show(net, "chicago-primary", count, space)
    assert net.status(NEAR, **PRIMARY, family=space.family) == near
    assert net.status(REACHED, **PRIMARY, family=space.family) == "ok"


@pytest.mark.parametrize(
    ("count", "near", "reached"), [(189, "violated", "ok"), (190, "suppressed", "violated")]
)
def test_the_limit_is_reached_at_nineteen_twentieths(space: Space, count: int, near: str, reached: str):
    net = company(ANYTHING).converge()
    show(net, "chicago-primary", count, space)
    assert net.status(NEAR, **PRIMARY, family=space.family) == near
    assert net.status(REACHED, **PRIMARY, family=space.family) == reached


@pytest.mark.parametrize(
    ("change", "family", "limit"),
    [("{}", "ipv4", 4_000), (PREMIUM, "ipv4", 10_000), ("{}", "ipv6", 100), (PREMIUM, "ipv6", 100)],
)
def test_private_peering_has_limits_of_its_own(change: str, family: str, limit: int):
    space = SPACES[family]
    labels = {**PLANT_PRIMARY, "family": family}
    net = company(PLANT, change).converge()
    show(net, "plant-primary", limit * 80 // 100 - 1, space)
    assert net.status(NEAR, **labels) == "ok"
    show(net, "plant-primary", limit * 80 // 100, space)
    assert net.status(NEAR, **labels) == "violated"
    show(net, "plant-primary", limit * 95 // 100 - 1, space)
    assert net.status(REACHED, **labels) == "ok"
    show(net, "plant-primary", limit * 95 // 100, space)
    assert net.status(REACHED, **labels) == "violated"


def test_the_limit_comes_near_and_is_reached_and_left(space: Space):
    net = company(ANYTHING).converge()
    show(net, "chicago-primary", 160, space)
    finding = net.assert_raised_after(0, NEAR, **PRIMARY, family=space.family)
    assert finding.severity is Severity.WARNING
    show(net, "chicago-primary", 190, space)
    finding = net.assert_raised_after(0, REACHED, **PRIMARY, family=space.family)
    assert finding.severity is Severity.CRITICAL
    near = net.finding(NEAR, **PRIMARY, family=space.family)
    assert near is not None
    assert near.suppressed
    net.wait(5).withdraw("chicago-primary", *space.many(190))
    net.assert_cleared_after(60, NEAR, **PRIMARY, family=space.family)
    net.assert_cleared_after(0, REACHED, **PRIMARY, family=space.family)


def test_a_limit_that_is_reached_at_once_was_never_near(space: Space):
    net = company(ANYTHING).converge()
    show(net, "chicago-primary", 200, space)
    assert net.wait(1000).raised(NEAR, REACHED) == [
        f"advertised-limit-reached chicago primary {space.family}"
    ]
    net.withdraw("chicago-primary", space.many(200)[0]).withdraw("chicago-primary", *space.many(200)[185:])
    net.assert_raised_after(0, NEAR, **PRIMARY, family=space.family)


def test_each_family_is_counted_by_itself():
    net = company(ANYTHING).converge()
    for space in SPACES.values():
        show(net, "chicago-primary", 100, space)
    assert net.wait(100).raised(NEAR, REACHED) == []


def test_one_prefix_advertised_twice_counts_once(space: Space):
    net = company(ANYTHING).converge()
    show(net, "chicago-primary", 159, space)
    show(net, "chicago-primary", 159, space)
    assert net.status(NEAR, **PRIMARY, family=space.family) == "ok"


def test_a_limit_is_seen_before_sync_and_ok_only_in_sync(space: Space):
    net = company(ANYTHING).up("chicago-primary")
    assert net.status(NEAR, **PRIMARY, family=space.family) == "unknown"
    net.announce("chicago-primary", *space.many(160))
    assert net.status(NEAR, **PRIMARY, family=space.family) == "violated"


def test_the_session_that_microsoft_drops_at_the_limit_does_not_hide_the_cause(space: Space):
    net = company(ANYTHING).converge()
    show(net, "chicago-primary", 201, space)
    net.lose("chicago-primary", space.family).wait(1000)
    assert net.status(REACHED, **PRIMARY, family=space.family) == "violated"


# microsoft-reflected ---------------------------------------------------------------------------------

ELSEWHERE = {"ipv4": "9.9.0.0/16", "ipv6": "2a00:9::/32"}
"""Public space that no link receives."""


@pytest.mark.parametrize(
    "path", ["64500 12076", "64500 64510 12076 8075", "64500 {8075 12076}", "64500 (65001 12076)"]
)
def test_a_path_with_12076_is_a_microsoft_route(net: Company, space: Space, path: str):
    net.announce("chicago-primary", ELSEWHERE[space.family], path=path)
    net.assert_raised_after(0, "microsoft-reflected", **PRIMARY)


def test_other_microsoft_asns_alone_make_no_microsoft_route(net: Company, space: Space):
    net.announce("chicago-primary", ELSEWHERE[space.family], path="64500 8075")
    assert net.status("microsoft-reflected", **PRIMARY) == "ok"


@pytest.mark.parametrize("what", ["exchange", "exchange_part"])
def test_a_links_prefix_is_a_microsoft_route_if_the_path_shows_nothing(net: Company, space: Space, what: str):
    net.announce("dallas-primary", getattr(space, what), path="64500")
    net.assert_raised_after(0, "microsoft-reflected", **DALLAS_PRIMARY)


def test_the_internets_way_to_microsoft_is_no_microsoft_route(net: Company, space: Space):
    net.announce("dallas-primary", space.exchange, path="64500 64510 8075")
    assert net.status("microsoft-reflected", **DALLAS_PRIMARY) == "ok"
    net.announce("dallas-primary", space.exchange, path="64500 64510 12076")
    assert net.status("microsoft-reflected", **DALLAS_PRIMARY) == "violated"


def test_one_wrong_short_route_from_microsoft_makes_nothing_else_a_microsoft_route(
    net: Company, space: Space
):
    net.microsoft_sends("chicago-primary", "0.0.0.0/1", "::/1").announce("dallas-primary", space.private)
    assert net.status("microsoft-reflected", **DALLAS_PRIMARY) == "ok"
    net.lose("chicago-primary", *DUAL)
    assert net.status("microsoft-reflected", **DALLAS_PRIMARY) == "ok"


def test_a_less_specific_prefix_than_a_links_is_no_microsoft_route(net: Company, space: Space):
    around = {"ipv4": "192.0.2.0/24", "ipv6": "2001:db8:40::/46"}[space.family]
    net.announce("chicago-primary", around, path="64500")
    assert net.status("microsoft-reflected", **PRIMARY) == "ok"


def test_a_prefix_that_a_link_receives_later_makes_the_route_a_microsoft_route(net: Company, space: Space):
    net.announce("dallas-primary", space.extra, path="64500")
    assert net.status("microsoft-reflected", **DALLAS_PRIMARY) == "ok"
    net.microsoft_sends("chicago-primary", space.extra)
    net.assert_raised_after(0, "microsoft-reflected", **DALLAS_PRIMARY)


def test_a_prefix_that_an_up_link_lost_is_no_microsoft_route(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.extra).wait(5)
    net.announce("dallas-primary", space.extra, path="64500")
    net.microsoft_withdraws("chicago-primary", space.extra)
    assert net.status("microsoft-reflected", **DALLAS_PRIMARY) == "ok"


def test_the_routes_of_a_dead_link_are_remembered(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.extra).wait(100)
    net.microsoft_withdraws("chicago-primary", space.extra).wait(59)
    net.lose("chicago-primary", space.family).wait(1000)
    net.announce("dallas-primary", space.extra, path="64500")
    net.assert_raised_after(0, "microsoft-reflected", **DALLAS_PRIMARY)
    net.bring("chicago-primary", space.family)
    assert net.status("microsoft-reflected", **DALLAS_PRIMARY) == "ok"


def test_prefixes_that_a_link_lost_more_than_a_minute_before_its_end_are_forgotten(
    net: Company, space: Space
):
    net.microsoft_sends("chicago-primary", space.extra).wait(100)
    net.microsoft_withdraws("chicago-primary", space.extra).wait(60 + MILLISECOND)
    net.lose("chicago-primary", space.family)
    net.announce("dallas-primary", space.extra, path="64500")
    assert net.status("microsoft-reflected", **DALLAS_PRIMARY) == "ok"


def test_a_links_prefixes_are_remembered_while_its_feed_is_lost(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.extra).wait(100).down("edge-1").wait(1000)
    net.announce("dallas-primary", space.extra, path="64500")
    net.assert_raised_after(0, "microsoft-reflected", **DALLAS_PRIMARY)


def test_a_links_prefixes_are_remembered_when_it_proves_to_be_down(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.extra).wait(100)
    net.down("edge-1").wait(1000).reconnect("edge-1")
    assert net.status("link-down", **PRIMARY, family=space.family) == "violated"
    net.announce("dallas-primary", space.extra, path="64500")
    net.assert_raised_after(0, "microsoft-reflected", **DALLAS_PRIMARY)


@pytest.mark.parametrize("sent", ["own", "around"])
@pytest.mark.parametrize("what", ["pool", "own_other"])
def test_our_own_space_is_no_microsoft_route_even_if_microsoft_sends_it(
    net: Company, space: Space, what: str, sent: str
):
    net.microsoft_sends("dallas-primary", getattr(space, sent))
    net.announce("chicago-primary", getattr(space, what), path="64500")
    assert net.status("microsoft-reflected", **PRIMARY) == "ok"


def test_a_default_route_is_never_a_microsoft_route(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.default)
    net.announce("chicago-primary", space.default, path="64500 12076")
    assert net.status("microsoft-reflected", **PRIMARY) == "ok"
    net.announce("chicago-primary", ELSEWHERE[space.family], path="64500")
    assert net.status("microsoft-reflected", **PRIMARY) == "ok"


def test_prefixes_of_private_peering_make_no_microsoft_route(space: Space):
    net = company(PLANT).converge().announce("chicago-primary", space.vnet, path="64500")
    assert net.status("microsoft-reflected", **PRIMARY) == "ok"


def test_routes_of_microsoft_peering_must_not_go_into_private_peering(space: Space):
    net = company(PLANT).converge().announce("plant-primary", space.exchange_part, path="64500")
    net.assert_raised_after(0, "microsoft-reflected", **PLANT_PRIMARY)


def test_communities_do_not_excuse_routes_that_are_advertised_to_microsoft(net: Company, space: Space):
    net.announce("chicago-primary", space.exchange, path="64500 12076", communities=NO_EXPORT)
    net.assert_raised_after(0, "microsoft-reflected", **PRIMARY)


# advertised-link-subnet ------------------------------------------------------------------------------

LINK_SUBNETS = {"ipv4": "203.0.113.0/30", "ipv6": "2001:db8:ffff::/126"}
OF_DALLAS = {"ipv4": "203.0.113.12/30", "ipv6": "2001:db8:ffff::c/126"}
INSIDE = {"ipv4": "203.0.113.2/32", "ipv6": "2001:db8:ffff::2/128"}
AROUND = {"ipv4": "203.0.113.0/24", "ipv6": "2001:db8:ffff::/48"}
BESIDE = {"ipv4": "203.0.113.64/26", "ipv6": "2001:db8:ffff:1::/64"}


@pytest.mark.parametrize("prefixes", [LINK_SUBNETS, OF_DALLAS, INSIDE, AROUND])
def test_the_subnet_of_a_link_is_not_to_be_advertised(net: Company, space: Space, prefixes: dict[str, str]):
    prefix = prefixes[space.family]
    net.announce("chicago-primary", prefix, path="64500")
    finding = net.assert_raised_after(0, "advertised-link-subnet", **PRIMARY)
    assert finding.severity is Severity.CRITICAL
    assert finding.evidence["prefixes"] == [prefix]
    net.wait(5).withdraw("chicago-primary", prefix)
    net.assert_cleared_after(60, "advertised-link-subnet", **PRIMARY)


def test_the_subnet_of_a_private_link_is_not_to_be_advertised_either(space: Space):
    net = company(PLANT).converge()
    net.announce("chicago-primary", {"ipv4": "172.16.0.0/16", "ipv6": "fd00:ffff::/48"}[space.family])
    assert net.status("advertised-link-subnet", **PRIMARY) == "violated"
    assert PLANT_PRIMARY not in net.subjects("advertised-link-subnet")


def test_space_beside_the_subnets_and_a_default_route_are_none_of_them(net: Company, space: Space):
    net.announce("chicago-primary", BESIDE[space.family], space.default)
    assert net.status("advertised-link-subnet", **PRIMARY) == "ok"


def test_declared_space_of_ours_may_hold_the_subnets(space: Space):
    """Exactly the allowed prefix is accepted; the subnet itself would draw Microsoft's traffic to the link away from
    it.
    """
    around = AROUND[space.family]
    ours = f"customer: {{own_prefixes: ['{around}']}}"
    declared = f"circuits: {{chicago: {{advertise: {{prefixes: ['{around}']}}}}}}"
    for changes, status in (((ours,), "violated"), ((declared,), "violated"), ((ours, declared), "ok")):
        net = company(*changes).converge().announce("chicago-primary", around)
        assert net.status("advertised-link-subnet", **PRIMARY) == status
    net.announce("chicago-primary", LINK_SUBNETS[space.family])
    assert net.status("advertised-link-subnet", **PRIMARY) == "violated"
    net.announce("dallas-primary", around)
    assert net.status("advertised-link-subnet", **DALLAS_PRIMARY) == "violated"


# advertised-asymmetry --------------------------------------------------------------------------------

CHICAGO = {"circuit": "chicago"}
ONE_SIDED = "nat_pools: {chi: {links: [primary]}}"


def test_links_that_advertise_different_prefixes_are_noticed_after_a_minute(net: Company, space: Space):
    net.announce("chicago-primary", space.pool_part)
    finding = net.assert_raised_after(60, "advertised-asymmetry", **CHICAGO, family=space.family)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["prefixes"] == [space.pool_part]
    assert finding.evidence["missing"] == {"secondary": [space.pool_part]}
    assert f"prefix {space.pool_part} on one link and not on secondary (" in finding.summary
    assert net.raised() == [f"advertised-asymmetry chicago {space.family}"]
    net.wait(5).announce("chicago-secondary", space.pool_part)
    net.assert_cleared_after(60, "advertised-asymmetry", **CHICAGO, family=space.family)


def test_the_advertisements_of_both_links_are_compared_exactly(net: Company, space: Space):
    net.announce("chicago-primary", *space.pool_halves).withdraw("chicago-primary", space.pool)
    assert net.status("advertised-asymmetry", **CHICAGO, family=space.family) == "violated"
    net.announce("chicago-secondary", *space.pool_halves).withdraw("chicago-secondary", space.pool)
    assert net.status("advertised-asymmetry", **CHICAGO, family=space.family) == "ok"


def test_paths_may_differ_between_the_links(net: Company, space: Space):
    net.announce("chicago-primary", space.pool, path="64500 64500 64500")
    assert net.status("advertised-asymmetry", **CHICAGO, family=space.family) == "ok"


def test_the_families_are_compared_by_themselves(net: Company, space: Space):
    other = "ipv6" if space.family == "ipv4" else "ipv4"
    net.announce("chicago-primary", space.pool_part)
    assert net.status("advertised-asymmetry", **CHICAGO, family=other) == "ok"


@pytest.mark.parametrize("what", ["pool", "pool_part"])
def test_a_pool_bound_to_one_link_is_set_aside(space: Space, what: str):
    net = company(ONE_SIDED).converge().announce("chicago-primary", getattr(space, what))
    assert net.status("advertised-asymmetry", **CHICAGO, family=space.family) == "ok"
    net.announce("chicago-primary", space.own_other)
    assert net.status("advertised-asymmetry", **CHICAGO, family=space.family) == "violated"


def test_a_pool_bound_to_both_links_is_compared(space: Space):
    net = company("nat_pools: {chi: {links: [primary, secondary]}}").converge()
    net.announce("chicago-primary", space.pool_part)
    assert net.status("advertised-asymmetry", **CHICAGO, family=space.family) == "violated"


def test_routes_that_cover_a_pool_bound_to_one_link_are_compared(space: Space):
    net = company(ONE_SIDED).converge().announce("chicago-primary", space.both_pools)
    assert net.status("advertised-asymmetry", **CHICAGO, family=space.family) == "violated"


def test_a_link_that_is_down_is_not_compared(net: Company, space: Space):
    net.announce("chicago-primary", space.pool_part).lose("chicago-primary", space.family)
    assert net.status("advertised-asymmetry", **CHICAGO, family=space.family) == "ok"
    assert net.wait(1000).raised() == [f"link-down chicago primary {space.family}"]


def test_a_link_that_is_not_seen_is_compared(net: Company, space: Space):
    net.announce("chicago-primary", space.pool_part).down("edge-1")
    assert net.status("advertised-asymmetry", **CHICAGO, family=space.family) == "violated"


def test_an_unseen_link_that_was_down_is_not_compared(net: Company, space: Space):
    net.announce("chicago-primary", space.pool_part).lose("chicago-primary", space.family).down("edge-1")
    assert net.status("advertised-asymmetry", **CHICAGO, family=space.family) == "unknown"


def test_advertised_sets_are_compared_only_in_sync(net: Company, space: Space):
    net.announce("chicago-primary", space.pool_part).down("chicago-secondary")
    assert net.status("advertised-asymmetry", **CHICAGO, family=space.family) == "unknown"
    net.up("chicago-secondary").announce("chicago-secondary", space.pool, space.pool_part)
    assert net.status("advertised-asymmetry", **CHICAGO, family=space.family) == "unknown"
    net.get_in_sync("chicago-secondary")
    assert net.status("advertised-asymmetry", **CHICAGO, family=space.family) == "ok"


def test_advertised_sets_are_unknown_without_a_mirror(space: Space):
    net = company("feeds: {chicago-secondary: null}").converge()
    assert net.status("advertised-asymmetry", **CHICAGO, family=space.family) == "unknown"


def test_the_links_of_private_peering_are_compared_too(space: Space):
    net = company(PLANT).converge().announce("plant-primary", space.own_other)
    net.assert_raised_after(60, "advertised-asymmetry", circuit="plant", family=space.family)


# advertised-path -------------------------------------------------------------------------------------


def test_a_path_that_microsoft_refuses_is_noticed_after_thirty_seconds(net: Company, space: Space):
    net.announce("chicago-primary", space.pool, path="64500 64511")
    finding = net.assert_raised_after(30, "advertised-path", **PRIMARY)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["prefixes"] == [space.pool]
    assert "64500 64511" in str(finding.evidence)
    assert net.raised() == ["advertised-path chicago primary"]
    net.wait(5).announce("chicago-primary", space.pool, path="64500")
    net.assert_cleared_after(60, "advertised-path", **PRIMARY)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("", "ok"),
        ("64500 64500 64500", "ok"),  # customer.asn is accepted, though it is in the range
        ("64500 64495", "ok"),
        ("64500 64496", "violated"),
        ("64500 64511", "violated"),
        ("64500 64512", "violated"),
        ("64500 65534", "violated"),
        ("64500 4199999999", "ok"),
        ("64500 4200000000", "violated"),
        ("64500 4294967294", "violated"),
        ("64500 3356 65001", "violated"),
        ("64500 {3356 65001}", "violated"),
    ],
)
def test_reserved_and_private_asns_have_no_place_in_a_path(
    net: Company, space: Space, path: str, status: str
):
    net.announce("chicago-primary", space.pool, path=path)
    assert net.status("advertised-path", **PRIMARY) == status


def test_a_private_asn_is_ours_where_it_is_configured(space: Space):
    """On a circuit in a laboratory."""
    net = company("customer: {asn: 65001}").converge()
    net.announce("chicago-primary", *(each.pool for each in SPACES.values()), path="65001 65001")
    assert net.status("advertised-path", **PRIMARY) == "ok"
    net.announce("chicago-primary", space.pool, path="65001 65002")
    assert net.status("advertised-path", **PRIMARY) == "violated"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("64500 65514", "ok"),
        ("64500 65515", "violated"),
        ("64500 65520", "violated"),
        ("64500 65521", "ok"),
        ("64500 65001 65001", "ok"),
        ("64500 64501", "ok"),
        ("64500 {65001 65517}", "violated"),
    ],
)
def test_on_private_peering_only_the_asns_of_azure_have_no_place_in_a_path(
    space: Space, path: str, status: str
):
    net = company(PLANT).converge().announce("plant-primary", space.office, path=path)
    assert net.status("advertised-path", **PLANT_PRIMARY) == status


def test_a_path_is_seen_before_sync_and_ok_only_in_sync(net: Company, space: Space):
    net.down("chicago-primary").up("chicago-primary")
    assert net.status("advertised-path", **PRIMARY) == "unknown"
    net.announce("chicago-primary", space.pool, path="65001")
    assert net.status("advertised-path", **PRIMARY) == "violated"
    net.lose("chicago-primary", *DUAL)
    assert net.status("advertised-path", **PRIMARY) != "violated"


# inbound-not-redundant -------------------------------------------------------------------------------

INBOUND = "nat_pools: {chi: {circuit: null, circuits: [chicago, dallas], use: inbound}}"


def inbound(space: Space) -> dict[str, str]:
    return {"pool": "chi", "family": space.family}


def test_an_inbound_pool_on_one_circuit_is_noticed_after_a_minute(space: Space):
    net = company(INBOUND).converge()
    assert net.status("inbound-not-redundant", **inbound(space)) == "ok"
    net.withdraw("dallas-primary", space.pool)
    assert net.status("inbound-not-redundant", **inbound(space)) == "ok"  # one link of Dallas is left
    net.withdraw("dallas-secondary", space.pool)
    finding = net.assert_raised_after(60, "inbound-not-redundant", **inbound(space))
    assert finding.severity is Severity.WARNING
    net.wait(5).announce("dallas-secondary", space.pool)
    net.assert_cleared_after(60, "inbound-not-redundant", **inbound(space))


def test_an_inbound_pool_on_no_circuit_is_not_redundant_either(space: Space):
    net = company(INBOUND).converge()
    for link in ("chicago-primary", "chicago-secondary", "dallas-primary", "dallas-secondary"):
        net.withdraw(link, space.pool)
    net.assert_raised_after(60, "inbound-not-redundant", **inbound(space))


def test_a_part_of_an_inbound_pool_is_not_the_pool(space: Space):
    net = company(INBOUND).converge()
    first, second = space.pool_halves
    for link in ("dallas-primary", "dallas-secondary"):
        net.announce(link, first, second).withdraw(link, space.pool)
    assert net.status("inbound-not-redundant", **inbound(space)) == "ok"
    net.withdraw("dallas-primary", first).withdraw("dallas-secondary", first)
    assert net.status("inbound-not-redundant", **inbound(space)) == "violated"


def test_an_inbound_pool_is_not_advertised_by_a_circuit_that_is_down(space: Space):
    net = company(INBOUND, "checks: {circuit-down: {enabled: false}}").converge()
    net.lose("dallas-primary", space.family).lose("dallas-secondary", space.family)
    net.assert_raised_after(60, "inbound-not-redundant", **inbound(space))


def test_a_circuit_that_is_down_is_the_cause_of_a_pool_that_is_on_one_circuit_only(space: Space):
    net = company(INBOUND).converge()
    net.lose("dallas-primary", space.family).lose("dallas-secondary", space.family)
    assert net.status("inbound-not-redundant", **inbound(space)) == "suppressed"
    assert net.wait(1000).raised("inbound-not-redundant") == []


def test_a_circuit_without_a_family_counts_as_down_when_all_its_families_are():
    ipv4_only = {"primary": {"subnet6": None}, "secondary": {"subnet6": None}}
    net = company(INBOUND, yaml.safe_dump({"circuits": {"dallas": {"links": ipv4_only}}}))
    v6 = SPACES["ipv6"]
    net.converge().announce("dallas-primary", v6.pool).announce("dallas-secondary", v6.pool)
    assert net.status("inbound-not-redundant", **inbound(v6)) == "ok"
    net.lose("dallas-primary", "ipv4").lose("dallas-secondary", "ipv4")
    assert net.status("inbound-not-redundant", **inbound(v6)) == "suppressed"
    assert net.wait(1000).raised("inbound-not-redundant", "circuit-down") == ["circuit-down dallas ipv4"]


def test_an_inbound_pool_on_an_unseen_link_that_was_down_is_unknown(space: Space):
    net = company(INBOUND).converge().withdraw("dallas-secondary", space.pool)
    net.lose("dallas-primary", space.family)
    assert net.status("inbound-not-redundant", **inbound(space)) == "violated"
    net.wait(100).down("edge-3")
    assert net.status("inbound-not-redundant", **inbound(space)) == "unknown"
    net.reconnect("edge-3").bring("dallas-primary", space.family)
    assert net.status("inbound-not-redundant", **inbound(space)) == "ok"


def test_an_inbound_pool_is_unknown_while_it_may_be_on_a_second_circuit(space: Space):
    net = company(INBOUND).converge().withdraw("dallas-primary", space.pool).down("dallas-secondary")
    assert net.status("inbound-not-redundant", **inbound(space)) == "unknown"
    net.lose("dallas-secondary", space.family)
    assert net.status("inbound-not-redundant", **inbound(space)) == "violated"


def test_two_circuits_that_surely_advertise_it_are_enough(space: Space):
    net = company(INBOUND).converge().down("dallas-secondary", "chicago-primary")
    assert net.status("inbound-not-redundant", **inbound(space)) == "ok"


def test_only_an_inbound_pool_on_several_circuits_is_asked_about():
    shared = INBOUND.replace("use: inbound", "use: outbound")
    one = "nat_pools: {chi: {use: inbound}}"
    assert company(shared).subjects("inbound-not-redundant") == []
    assert company(one).subjects("inbound-not-redundant") == []
    assert company(INBOUND).subjects("inbound-not-redundant") == [inbound(s) for s in SPACES.values()]
