"""Microsoft routes that fit no link: they are reported with their cause, and prove neither up nor down."""

from __future__ import annotations

import pytest

from ermon.model.settings import Severity
from tests.checks.company import EXCHANGE, Company, Space, company
from tests.story import MILLISECOND, SOMEWHERE

PRIMARY = {"circuit": "chicago", "link": "primary"}
SECONDARY = {"circuit": "chicago", "link": "secondary"}
CHICAGO = {"circuit": "chicago"}

BEST_PATHS = "feeds: {edge-1: {add_path: false}}"
ADDRESSES = """
routers:
  edge-1: {addresses: [192.0.2.201, "2001:db8:fe::201"]}
  edge-2: {addresses: [192.0.2.202, "2001:db8:fe::202"]}
"""
OWN = {"ipv4": "192.0.2.201", "ipv6": "2001:db8:fe::201"}
OTHERS = {"ipv4": "192.0.2.202", "ipv6": "2001:db8:fe::202"}

SETTLE_LIMIT = 10


def lose_primary(net: Company, space: Space) -> Company:
    net.lose("chicago-primary", space.family)
    return net


def sends_itself(net: Company, space: Space) -> Company:
    """The router of Chicago's primary link writes its own address into its routes as next hop."""
    for prefix in (space.exchange, space.sharepoint):
        net.announce("edge-1", prefix, via=OWN, path="12076", communities=EXCHANGE)
    return net


# route-unattributed ----------------------------------------------------------------------------------


def test_a_microsoft_route_that_fits_no_link_is_noticed_after_a_minute(net: Company, space: Space):
    net.announce("edge-1", space.extra, path="12076", communities=EXCHANGE)
    finding = net.assert_raised_after(60, "route-unattributed", feed="edge-1")
    assert finding.severity is Severity.WARNING
    assert finding.evidence["prefixes"] == [space.extra]
    assert finding.evidence["causes"] == [f"unknown next hop: {SOMEWHERE[space.family]}"]
    net.wait(5).withdraw("edge-1", space.extra)
    net.assert_cleared_after(60, "route-unattributed", feed="edge-1")


def test_next_hop_self_is_named_with_the_routers_address(space: Space):
    net = sends_itself(company(ADDRESSES).converge(), space)
    finding = net.assert_raised_after(60, "route-unattributed", feed="edge-1")
    own = OWN[space.family]
    assert finding.evidence["causes"] == [f"next-hop-self: {own} is the router's own address"]


def test_the_asn_of_an_undeclared_provider_is_named(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.extra, path="64499 12076")
    finding = net.assert_raised_after(60, "route-unattributed", feed="edge-1")
    assert "AS64499 before 12076" in finding.evidence["causes"][0]


def test_a_lone_link_local_next_hop_is_named(net: Company):
    net.announce("edge-1", "2001:db8:42::/48", via="fe80::1", path="12076")
    finding = net.assert_raised_after(60, "route-unattributed", feed="edge-1")
    assert finding.evidence["causes"] == ["link-local next hop only: fe80::1"]


def test_a_microsoft_route_without_next_hop_is_unattributed(net: Company, space: Space):
    net.announce("edge-1", space.extra, via=None, path="12076")
    finding = net.assert_raised_after(60, "route-unattributed", feed="edge-1")
    assert finding.evidence["causes"] == ["no next hop"]


def test_a_route_that_two_links_claim_is_unattributed(space: Space):
    both = "{match: {community: '64500:9'}}"
    net = company(f"circuits: {{chicago: {{links: {{primary: {both}, secondary: {both}}}}}}}").converge()
    net.announce("edge-1", space.extra, path="12076", communities="64500:9")
    assert net.status("route-unattributed", feed="edge-1") == "violated"


def test_a_route_that_is_not_microsofts_needs_no_link(net: Company, space: Space):
    net.announce("edge-1", space.extra, path="64510 8075")
    assert net.status("route-unattributed", feed="edge-1") == "ok"
    net.announce("edge-1", space.extra, path="64510 12076")  # a route to Microsoft over the internet
    assert net.status("route-unattributed", feed="edge-1") == "ok"


def test_an_internal_copy_is_not_unattributed(space: Space):
    net = company(ADDRESSES).converge()
    net.announce("edge-1", space.extra, via=OTHERS, path="12076")
    assert net.status("route-unattributed", feed="edge-1") == "ok"
    net.announce("edge-1", space.extra, via=SOMEWHERE, path="12076")
    assert net.status("route-unattributed", feed="edge-1") == "violated"


def test_an_unattributed_route_is_seen_before_sync_and_on_best_paths(space: Space):
    net = company(BEST_PATHS).up("edge-1").announce("edge-1", space.extra, path="12076")
    assert net.status("route-unattributed", feed="edge-1") == "violated"
    net.withdraw("edge-1", space.extra)
    assert net.status("route-unattributed", feed="edge-1") == "unknown"


# What cannot be assigned is not absent ---------------------------------------------------------------


def link_down(net: Company, space: Space) -> str:
    return net.status("link-down", **PRIMARY, family=space.family)


def test_next_hop_self_does_not_prove_the_link_down(space: Space):
    net = sends_itself(company(ADDRESSES).converge(), space)
    assert link_down(net.wait(600), space) == "unknown"
    assert net.raised("link-down", "circuit-down") == []


def test_next_hop_self_from_the_start_proves_nothing(space: Space):
    net = sends_itself(company(ADDRESSES).up("edge-1"), space).get_in_sync("edge-1")
    assert link_down(net, space) == "unknown"
    net.withdraw("edge-1", space.exchange, space.sharepoint)
    assert link_down(net, space) == "violated"


def test_strays_fewer_than_half_of_the_links_routes_are_not_its_routes(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.extra)  # three prefixes now
    net.announce("edge-1", space.own_other, path="12076")
    lose_primary(net, space).microsoft_withdraws("chicago-primary", space.extra)
    finding = net.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)
    assert finding.evidence["unattributed"] == [f"unknown next hop: {SOMEWHERE[space.family]} (1 routes)"]


def test_strays_as_many_as_half_of_the_links_routes_may_be_its_routes(net: Company, space: Space):
    net.announce("edge-1", space.own_other, path="12076")
    assert link_down(lose_primary(net, space), space) == "unknown"


def test_the_routes_of_the_links_last_minute_count(net: Company, space: Space):
    """Its routes may go one by one."""
    net.microsoft_sends("chicago-primary", space.extra)
    net.microsoft_withdraws("chicago-primary", space.extra).microsoft_withdraws(
        "chicago-primary", space.exchange
    )
    net.wait(59).announce("edge-1", space.own_other, path="12076")
    net.microsoft_withdraws("chicago-primary", space.sharepoint)
    assert link_down(net, space) == "violated"


def test_unattributed_routes_from_before_the_loss_are_not_the_links(net: Company, space: Space):
    net.announce("edge-1", space.extra, space.own_other, path="12076")
    net.wait(SETTLE_LIMIT)
    assert link_down(lose_primary(net, space), space) == "violated"


def test_recent_unattributed_routes_may_be_the_links(net: Company, space: Space):
    net.announce("edge-1", space.extra, path="12076")
    net.wait(SETTLE_LIMIT - MILLISECOND)
    assert link_down(lose_primary(net, space), space) == "unknown"


def test_a_cause_that_was_there_with_another_next_hop_is_a_new_one(net: Company, space: Space):
    net.announce("edge-1", space.extra, path="12076")
    net.wait(600)
    lose_primary(net, space).announce("edge-1", space.exchange, via=OWN, path="12076")
    assert link_down(net, space) == "unknown"


def test_it_stays_known_what_was_there_when_the_session_is_lost_with_the_link(net: Company, space: Space):
    net.announce("edge-1", space.extra, space.own_other, path="12076")
    net.wait(600).down("edge-1").up("edge-1").announce("edge-1", space.extra, space.own_other, path="12076")
    assert link_down(net.get_in_sync("edge-1"), space) == "violated"


def test_another_links_next_hop_is_not_this_ones_route(space: Space):
    one_router = "circuits: {chicago: {links: {secondary: {router: edge-1}}}}"
    net = company(one_router, "feeds: {edge-2: null, chicago-secondary: {router: edge-1}}").up("edge-1")
    first, second = space.msee["chicago-primary"], space.msee["chicago-secondary"]
    net.announce("edge-1", space.exchange, via=first, path="12076", path_id=1)
    net.announce("edge-1", space.exchange, via=second, path="12076", path_id=2).get_in_sync("edge-1")

    net.announce("edge-1", space.exchange, via=second, path="64499 12076", path_id=2)
    net.withdraw("edge-1", space.exchange, path_id=1)
    assert link_down(net, space) == "violated"
    assert net.status("link-down", **SECONDARY, family=space.family) == "unknown"


def test_a_circuit_whose_links_may_be_there_is_not_down(space: Space):
    net = company(ADDRESSES).converge()
    net.lose("chicago-secondary", space.family)
    sends_itself(net, space)
    assert net.wait(600).status("circuit-down", **CHICAGO, family=space.family) == "unknown"


def test_a_circuit_that_is_down_names_what_fits_no_link(net: Company, space: Space):
    net.announce("edge-1", space.extra, path="12076")
    net.wait(600).lose("chicago-secondary", space.family)
    lose_primary(net, space)
    finding = net.assert_raised_after(5, "circuit-down", **CHICAGO, family=space.family)
    assert finding.evidence["unattributed"] == [f"unknown next hop: {SOMEWHERE[space.family]} (1 routes)"]


# VRFs and several tables of one router ---------------------------------------------------------------

TWO_TABLES = "feeds: {edge-1-again: {router: edge-1, view: edge-table, peer: 127.0.0.11, local: 127.0.0.5, peer_asn: 64500, families: [ipv4, ipv6], add_path: true}}"
VRF = """
circuits: {chicago: {links: {primary: {vrf: MICROSOFT}}}}
feeds:
  edge-1: {vrf: MICROSOFT}
  edge-1-again: {router: edge-1, view: edge-table, peer: 127.0.0.11, local: 127.0.0.5, peer_asn: 64500, families: [ipv4, ipv6], add_path: true}
"""


def test_of_two_tables_of_one_router_both_must_show_nothing(space: Space):
    net = company(TWO_TABLES).converge()
    net.lose("chicago-primary", space.family)
    assert link_down(net, space) == "violated"
    net.down("edge-1-again")
    assert link_down(net, space) == "unknown"
    net.reconnect("edge-1-again")
    assert link_down(net, space) == "violated"


def test_one_of_two_tables_in_sync_is_enough_to_show_a_link_up(space: Space):
    net = company(TWO_TABLES).converge()
    net.down("edge-1-again")
    assert link_down(net, space) == "ok"


def test_the_table_of_another_vrf_does_not_decide(space: Space):
    net = company(VRF).converge()
    net.down("edge-1")
    assert link_down(net.wait(600), space) == "unknown"
    assert net.raised("link-down", "circuit-down") == []


def test_a_table_of_the_links_own_vrf_decides_alone(space: Space):
    net = company(VRF).converge()
    net.down("edge-1-again")
    lose_primary(net, space)
    net.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)


def test_a_route_in_another_vrf_is_no_witness(space: Space):
    net = company(VRF).converge()
    net.down("edge-1").microsoft_sends("chicago-primary", space.extra, feed="edge-1-again")
    assert link_down(net, space) == "unknown"
    finding = net.assert_raised_after(60, "route-unattributed", feed="edge-1-again")
    assert finding.evidence["causes"][0].startswith("another VRF's: ")


@pytest.mark.parametrize("path", ["64499", ""])
def test_an_aggregate_of_a_provider_shows_the_link_up(space: Space, path: str):
    hop = {"ipv4": "10.0.0.1", "ipv6": "fd00::1"}[space.family]
    match = f"{{next_hop: ['{hop}'], prefixes: [10.0.0.0/8, 'fd00::/16']}}"
    net = company(f"circuits: {{chicago: {{links: {{primary: {{match: {match}}}}}}}}}").converge()
    lose_primary(net, space)
    net.announce("edge-1", space.private, via=hop, path=path)
    assert link_down(net, space) == "ok"
    net.announce("edge-1", space.private, via=SOMEWHERE, path=path)
    assert link_down(net, space) == "violated"
