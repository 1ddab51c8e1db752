"""Whether links and circuits are up, stay up and receive the same routes: the checks of redundancy."""

from __future__ import annotations

import pytest

from ermon.model.prefixes import FAMILY_NAMES, parse_prefix
from ermon.model.settings import Severity
from tests.checks.company import (
    EXCHANGE,
    PLANT,
    SPACES,
    Company,
    Space,
    company,
)
from tests.story import MILLISECOND

DUAL = ("ipv4", "ipv6")

PRIMARY = {"circuit": "chicago", "link": "primary"}
SECONDARY = {"circuit": "chicago", "link": "secondary"}
LINK_NAMES = ("chicago-primary", "chicago-secondary", "dallas-primary", "dallas-secondary")

BEST_PATHS = "feeds: {edge-1: {add_path: false}}"
"""The router of Chicago's primary link shows its best paths only."""

ONE_ROUTER = """
circuits: {chicago: {links: {secondary: {router: edge-1}}}}
feeds: {edge-2: null, chicago-secondary: {router: edge-1}}
"""
"""Both links of Chicago end on one router."""


def lose_chicago(net: Company, space: Space) -> None:
    net.lose("chicago-primary", space.family).lose("chicago-secondary", space.family)


# link-down -------------------------------------------------------------------------------------------


def test_a_link_without_routes_is_down_after_ten_seconds(net: Company, space: Space):
    net.lose("chicago-primary", space.family)
    assert net.status("link-down", **PRIMARY, family=space.family) == "violated"
    finding = net.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)
    assert finding.severity is Severity.WARNING
    assert net.raised() == [f"link-down chicago primary {space.family}"]

    net.wait(100).bring("chicago-primary", space.family)
    net.assert_cleared_after(30, "link-down", **PRIMARY, family=space.family)


def test_a_link_with_one_route_is_up(net: Company, space: Space):
    net.microsoft_withdraws("chicago-primary", space.exchange)
    assert net.status("link-down", **PRIMARY, family=space.family) == "ok"


def test_a_link_of_private_peering_goes_down_the_same_way(space: Space):
    net = company(PLANT).converge()
    net.lose("plant-primary", space.family)
    net.assert_raised_after(10, "link-down", circuit="plant", link="primary", family=space.family)


def test_a_route_that_returns_a_millisecond_early_prevents_the_finding(net: Company, space: Space):
    net.lose("chicago-primary", space.family)
    net.wait(10 - MILLISECOND).bring("chicago-primary", space.family).wait(1000)
    assert net.told() == []


def test_a_route_that_returns_at_the_very_instant_is_late(net: Company, space: Space):
    net.lose("chicago-primary", space.family).wait(2)
    net.now += 8  # time does not pass first, as for a line in a recording
    net.bring("chicago-primary", space.family)
    assert net.told() == [f"12.0 raised link-down chicago primary {space.family}"]


def test_each_interruption_starts_the_time_again(net: Company, space: Space):
    net.lose("chicago-primary", space.family).wait(9)
    net.bring("chicago-primary", space.family).lose("chicago-primary", space.family)
    net.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)


def test_a_link_that_returns_for_less_than_thirty_seconds_stays_raised(net: Company, space: Space):
    net.lose("chicago-primary", space.family).wait(10)
    net.bring("chicago-primary", space.family).wait(30 - MILLISECOND)
    net.lose("chicago-primary", space.family).wait(500)
    assert net.told() == [f"12.0 raised link-down chicago primary {space.family}"]


def test_a_link_is_not_judged_before_its_feed_came_up(space: Space):
    net = company()
    assert net.status("link-down", **PRIMARY, family=space.family) == "unknown"
    assert net.wait(1000).raised("link-down", "circuit-down") == []


def test_a_link_with_routes_is_judged_only_in_sync_too(space: Space):
    net = company().up("edge-1").microsoft_sends("chicago-primary", space.exchange)
    assert net.status("link-down", **PRIMARY, family=space.family) == "unknown"
    assert net.get_in_sync("edge-1").status("link-down", **PRIMARY, family=space.family) == "ok"


def test_absence_proves_nothing_before_the_feed_is_in_sync(space: Space):
    net = company().up("edge-1").wait(60).end_of_rib("edge-1")
    assert net.wait(2 - MILLISECOND).status("link-down", **PRIMARY, family=space.family) == "unknown"
    assert net.wait(MILLISECOND).status("link-down", **PRIMARY, family=space.family) == "violated"
    net.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)


def test_updates_after_end_of_rib_put_sync_off_for_ten_seconds_at_most(space: Space):
    net = company().up("edge-1").end_of_rib("edge-1")
    for _ in range(9):
        net.wait(1).announce("edge-1", space.own_other)
    assert net.wait(1 - MILLISECOND).status("link-down", **PRIMARY, family=space.family) == "unknown"
    assert net.wait(MILLISECOND).status("link-down", **PRIMARY, family=space.family) == "violated"


def test_quiet_is_measured_in_each_family(space: Space):
    other = SPACES["ipv6" if space.family == "ipv4" else "ipv4"]
    net = company().up("edge-1").end_of_rib("edge-1")
    net.wait(1).announce("edge-1", other.own_other).wait(1)
    assert net.status("link-down", **PRIMARY, family=space.family) == "violated"
    assert net.status("link-down", **PRIMARY, family=other.family) == "unknown"


def test_without_end_of_rib_absence_counts_after_two_minutes(space: Space):
    net = company().up("edge-1")
    assert net.wait(120 - MILLISECOND).status("link-down", **PRIMARY, family=space.family) == "unknown"
    assert net.wait(MILLISECOND).status("link-down", **PRIMARY, family=space.family) == "violated"


def test_a_lost_feed_makes_the_link_unknown_and_never_down(net: Company, space: Space):
    net.down("edge-1").wait(1000)
    assert net.status("link-down", **PRIMARY, family=space.family) == "unknown"
    assert net.raised() == ["feed-down edge-1"]


def test_unknown_stops_the_time_of_raising(net: Company, space: Space):
    net.lose("chicago-primary", space.family).wait(4)
    net.down("edge-1").wait(100)
    net.reconnect("edge-1")
    net.assert_raised_after(6, "link-down", **PRIMARY, family=space.family)


def test_unknown_stops_the_time_of_clearing(net: Company, space: Space):
    net.lose("chicago-primary", space.family).wait(20)
    net.bring("chicago-primary", space.family).wait(25)
    net.down("edge-1").wait(100)
    net.up("edge-1").bring("chicago-primary", space.family).get_in_sync("edge-1")
    net.assert_cleared_after(5, "link-down", **PRIMARY, family=space.family)


def test_a_finding_whose_feed_is_lost_stays_raised_and_is_stale(net: Company, space: Space):
    net.lose("chicago-primary", space.family).wait(10).down("edge-1").wait(1000)
    finding = net.finding("link-down", **PRIMARY, family=space.family)
    assert finding is not None
    assert finding.stale
    net.reconnect("edge-1")
    finding = net.finding("link-down", **PRIMARY, family=space.family)
    assert finding is not None
    assert not finding.stale


def test_best_paths_prove_that_a_link_is_up_and_never_that_it_is_down(space: Space):
    net = company(BEST_PATHS).converge()
    assert net.status("link-down", **PRIMARY, family=space.family) == "ok"
    net.lose("chicago-primary", space.family).wait(1000)
    assert net.status("link-down", **PRIMARY, family=space.family) == "unknown"
    assert net.raised("link-down") == []


def test_add_path_that_the_peer_does_not_offer_proves_no_absence(space: Space):
    other = "ipv6" if space.family == "ipv4" else "ipv4"
    net = company().peer_offers_add_path("edge-1", other).converge()
    net.lose("chicago-primary", "ipv4", "ipv6")
    assert net.status("link-down", **PRIMARY, family=space.family) == "unknown"
    assert net.status("link-down", **PRIMARY, family=other) == "violated"


def test_negotiated_capabilities_outweigh_offered_ones(space: Space):
    net = company().peer_offers_add_path("edge-1", "ipv4", "ipv6").add_path_negotiated("edge-1").converge()
    net.lose("chicago-primary", space.family)
    assert net.status("link-down", **PRIMARY, family=space.family) == "unknown"


def test_add_path_of_the_session_before_does_not_count_for_this_one(space: Space):
    net = company().add_path_negotiated("edge-1").converge()
    net.down("edge-1").reconnect("edge-1")
    assert net.status("link-down", **PRIMARY, family=space.family) == "violated"


def test_a_link_whose_router_has_no_feed_is_unknown(space: Space):
    net = company("feeds: {edge-1: null}").converge()
    assert net.status("link-down", **PRIMARY, family=space.family) == "unknown"


def test_another_router_keeps_the_routes_of_a_dead_link(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.exchange, feed="edge-2")
    net.lose("chicago-primary", space.family)
    net.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)


def test_another_router_proves_presence_while_the_links_own_router_is_unseen(net: Company, space: Space):
    net.down("edge-1")
    net.microsoft_sends("chicago-primary", space.exchange, feed="edge-2")
    assert net.status("link-down", **PRIMARY, family=space.family) == "ok"
    net.withdraw("edge-2", space.exchange)
    net.microsoft_sends("chicago-secondary", space.exchange)
    assert net.status("link-down", **PRIMARY, family=space.family) == "unknown"


def test_a_second_feed_of_the_router_proves_presence_while_the_first_is_lost(space: Space):
    net = company(
        "feeds: {edge-1-best: {router: edge-1, view: edge-table, peer: 127.0.0.11, local: 127.0.0.6, "
        "peer_asn: 64500, families: [ipv4, ipv6]}}"
    ).converge()
    net.microsoft_sends("chicago-primary", space.exchange, feed="edge-1-best")
    net.lose("chicago-primary", space.family)
    assert net.status("link-down", **PRIMARY, family=space.family) == "violated"
    net.down("edge-1")
    assert net.status("link-down", **PRIMARY, family=space.family) == "ok"
    net.withdraw("edge-1-best", space.exchange)
    assert net.status("link-down", **PRIMARY, family=space.family) == "unknown"


@pytest.mark.parametrize(
    "path",
    [
        "12076 8075",
        "64500 12076",  # preceded by the company's ASN
        "64500 64500 64496 12076",  # preceded by the provider's ASN too
        "(65001 65002) 12076 8075",  # a confederation
        "23456 12076",  # an ASN that an old router could not write
    ],
)
def test_a_path_that_comes_from_microsoft_shows_the_link_up(space: Space, path: str):
    net = company("customer: {provider_asns: [64496]}").converge()
    net.lose("chicago-primary", space.family)
    net.microsoft_sends("chicago-primary", space.exchange, path=path)
    assert net.status("link-down", **PRIMARY, family=space.family) == "ok"


@pytest.mark.parametrize("path", ["", "64500", "8075"])
def test_a_path_that_does_not_begin_with_12076_shows_no_link_up(net: Company, space: Space, path: str):
    net.lose("chicago-primary", space.family)
    net.microsoft_sends("chicago-primary", space.exchange, path=path)
    assert net.status("link-down", **PRIMARY, family=space.family) == "violated"


def test_a_route_without_next_hop_belongs_to_no_link(net: Company, space: Space):
    net.lose("chicago-primary", space.family)
    net.announce("edge-1", space.exchange, via=None, path="12076", communities=EXCHANGE)
    assert net.wait(300).status("link-down", **PRIMARY, family=space.family) == "unknown"


def test_a_routers_only_link_is_not_credited_with_an_internal_copy(space: Space):
    net = company("routers: {edge-2: {addresses: [192.0.2.202, '2001:db8:fe::202']}}").converge()
    net.lose("chicago-primary", space.family)
    internal = {"ipv4": "192.0.2.202", "ipv6": "2001:db8:fe::202"}[space.family]
    net.announce("edge-1", space.exchange, via=internal, path="12076", communities=EXCHANGE)
    net.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)
    assert net.wait(300).raised("route-unattributed") == []


def test_a_community_outweighs_the_subnet(space: Space):
    net = company("circuits: {dallas: {links: {primary: {match: {community: '64500:302'}}}}}").converge()
    net.lose("chicago-primary", space.family).lose("dallas-primary", space.family)
    net.microsoft_sends("chicago-primary", space.exchange, communities=f"{EXCHANGE} 64500:302")
    assert net.status("link-down", **PRIMARY, family=space.family) == "violated"
    assert net.status("link-down", circuit="dallas", link="primary", family=space.family) == "violated"

    net.announce("edge-3", space.exchange, path="12076", communities=f"{EXCHANGE} 64500:302")
    assert net.status("link-down", circuit="dallas", link="primary", family=space.family) == "ok"


def test_a_next_hop_may_be_matched_that_is_in_no_subnet(space: Space):
    next_hop = {"ipv4": "192.0.2.77", "ipv6": "2001:db8:fe::77"}[space.family]
    net = company(f"circuits: {{chicago: {{links: {{primary: {{match: {{next_hop: ['{next_hop}']}}}}}}}}}}")
    net.converge().lose("chicago-primary", space.family)
    net.announce("edge-1", space.exchange, via=next_hop, path="12076", communities=EXCHANGE)
    assert net.status("link-down", **PRIMARY, family=space.family) == "ok"


def test_a_links_subnet_outweighs_the_routers_own_addresses(space: Space):
    net = company("routers: {edge-1: {addresses: [203.0.113.2, '2001:db8:ffff::2']}}").converge()
    assert net.status("link-down", **PRIMARY, family=space.family) == "ok"


def test_two_links_on_one_router_are_distinguished(space: Space):
    net = company(ONE_ROUTER).up("edge-1")
    for path_id, link in enumerate(("chicago-primary", "chicago-secondary")):
        net.announce("edge-1", space.exchange, via=space.msee[link], path="12076", path_id=path_id)
    net.get_in_sync("edge-1").withdraw("edge-1", space.exchange, path_id=1)
    assert net.status("link-down", **PRIMARY, family=space.family) == "ok"
    assert net.status("link-down", **SECONDARY, family=space.family) == "violated"


def test_a_route_that_moves_to_the_other_link_leaves_the_first(space: Space):
    net = company(ONE_ROUTER).up("edge-1").microsoft_sends("chicago-primary", space.exchange)
    net.get_in_sync("edge-1").microsoft_sends("chicago-secondary", space.exchange)
    assert net.status("link-down", **PRIMARY, family=space.family) == "violated"
    assert net.status("link-down", **SECONDARY, family=space.family) == "ok"


def test_a_link_has_only_the_families_of_its_subnets():
    net = company("circuits: {chicago: {links: {primary: {subnet6: null}}}}")
    assert {"circuit": "chicago", "link": "primary", "family": "ipv6"} not in net.subjects("link-down")
    assert net.status("link-down", **PRIMARY, family="ipv4") == "unknown"


# circuit-down ----------------------------------------------------------------------------------------


def test_a_circuit_without_links_is_down_after_five_seconds(net: Company, space: Space):
    lose_chicago(net, space)
    finding = net.assert_raised_after(5, "circuit-down", circuit="chicago", family=space.family)
    assert finding.severity is Severity.CRITICAL

    net.wait(100).bring("chicago-primary", space.family)
    net.assert_cleared_after(30, "circuit-down", circuit="chicago", family=space.family)


def test_a_circuit_with_one_link_up_is_ok(net: Company, space: Space):
    net.lose("chicago-primary", space.family)
    assert net.status("circuit-down", circuit="chicago", family=space.family) == "ok"
    net.bring("chicago-primary", space.family).down("edge-2")
    assert net.status("circuit-down", circuit="chicago", family=space.family) == "ok"


def test_a_circuit_with_one_link_down_and_one_unknown_is_unknown(net: Company, space: Space):
    net.down("edge-2").lose("chicago-primary", space.family)
    assert net.status("circuit-down", circuit="chicago", family=space.family) == "unknown"
    assert net.wait(1000).raised("circuit-down") == []


def test_one_family_of_a_circuit_may_be_down_alone(net: Company):
    net.lose("chicago-primary", "ipv6").lose("chicago-secondary", "ipv6").wait(5)
    assert net.raised() == ["circuit-down chicago ipv6"]


def test_a_circuit_is_down_in_a_family_that_only_one_link_has():
    net = company("circuits: {chicago: {links: {primary: {subnet6: null}}}}").converge()
    net.lose("chicago-secondary", "ipv6")
    net.assert_raised_after(5, "circuit-down", circuit="chicago", family="ipv6")


def test_a_circuit_of_private_peering_goes_down_the_same_way(space: Space):
    net = company(PLANT).converge()
    net.lose("plant-primary", space.family).lose("plant-secondary", space.family)
    net.assert_raised_after(5, "circuit-down", circuit="plant", family=space.family)


# link-flapping ---------------------------------------------------------------------------------------

FLAPPING_WINDOW = 600


def flap(net: Company, space: Space, changes: int, every: float = 5) -> Company:
    """Let Chicago's primary link go down and come back in turn, and end at the last change."""
    for change in range(changes):
        net.wait(every)
        net.bring("chicago-primary", space.family) if change % 2 else net.lose(
            "chicago-primary", space.family
        )
    return net


def flapping(space: Space) -> dict[str, str]:
    return {**PRIMARY, "family": space.family}


def test_the_fourth_change_in_ten_minutes_is_flapping(net: Company, space: Space):
    assert flap(net, space, 3).status("link-flapping", **flapping(space)) == "ok"
    net.wait(5).bring("chicago-primary", space.family)
    finding = net.assert_raised_after(0, "link-flapping", **flapping(space))
    assert finding.severity is Severity.WARNING
    assert net.raised() == [f"link-flapping chicago primary {space.family}"]
    assert (finding.evidence["changes"], finding.evidence["spans_with_losses"]) == (4, 1)


def test_a_link_has_stopped_flapping_ten_minutes_later_and_is_cleared_after_five_more(
    net: Company, space: Space
):
    flap(net, space, 4)  # the first change was fifteen seconds ago
    net.wait(FLAPPING_WINDOW - 15 - MILLISECOND)
    assert net.status("link-flapping", **flapping(space)) == "violated"
    assert net.wait(2 * MILLISECOND).status("link-flapping", **flapping(space)) == "ok"
    assert net.wait(300 - 2 * MILLISECOND).raised("link-flapping") != []
    assert net.wait(2 * MILLISECOND).raised("link-flapping") == []


def test_changes_that_are_spread_out_are_not_flapping(net: Company, space: Space):
    flap(net, space, 12, every=201)
    assert net.told("link-flapping") == []


TEN_MINUTES, DAY = 600, 86_400


def lose_now_and_then(net: Company, space: Space, times: int, every: float = TEN_MINUTES) -> Company:
    """Let Chicago's primary link go down for eight seconds, so many times."""
    for _ in range(times):
        net.wait(every - 8).lose("chicago-primary", space.family).wait(8).bring(
            "chicago-primary", space.family
        )
    return net


def test_losses_in_more_than_six_spans_of_a_day_are_flapping(net: Company, space: Space):
    lose_now_and_then(net, space, 6, every=11 * 60)
    assert net.status("link-flapping", **flapping(space)) == "ok"
    net.wait(3600).lose("chicago-primary", space.family)
    net.assert_raised_after(0, "link-flapping", **flapping(space))
    # The first loss is a day old, and the link is up again.
    net.bring("chicago-primary", space.family).wait(DAY - 3600 - 5 * 11 * 60 - 8 - MILLISECOND)
    assert net.status("link-flapping", **flapping(space)) == "violated"
    assert net.wait(MILLISECOND).status("link-flapping", **flapping(space)) == "ok"


def test_several_losses_in_one_span_are_one(space: Space):
    net = company("checks: {link-flapping: {changes: 100}}").converge()
    net.wait(TEN_MINUTES - net.now % TEN_MINUTES)  # spans are of the clock
    for _ in range(6):
        flap(net, space, 10).wait(TEN_MINUTES - 50)
    assert net.status("link-flapping", **flapping(space)) == "ok"
    assert flap(net, space, 1).status("link-flapping", **flapping(space)) == "violated"


def test_how_many_spans_may_have_a_loss_can_be_configured(space: Space):
    net = company("checks: {link-flapping: {per_day: 1}}").converge()
    assert lose_now_and_then(net, space, 1).status("link-flapping", **flapping(space)) == "ok"
    assert lose_now_and_then(net, space, 1).status("link-flapping", **flapping(space)) == "violated"


def test_losses_in_a_maintenance_window_do_not_count(space: Space):
    window = "{circuit: chicago, link: primary, from: 2026-11-18T00:00:00Z, to: 2026-11-19T00:00:00Z, reason: work}"
    net = company(f"maintenance: [{window}]").converge()
    assert flap(net, space, 8).status("link-flapping", **flapping(space)) == "ok"
    assert lose_now_and_then(net, space, 9).status("link-flapping", **flapping(space)) == "ok"


def test_losses_in_a_drain_do_not_count(net: Company, space: Space):
    drained = "12076 12076 12076 12076"
    for _ in range(6):
        net.microsoft_sends("chicago-primary", space.exchange, space.sharepoint, path=drained).wait(5)
        net.lose("chicago-primary", space.family).wait(5)
    assert net.bring("chicago-primary", space.family).status("link-flapping", **flapping(space)) == "ok"
    assert flap(net, space, 3).status("link-flapping", **flapping(space)) == "ok"
    net.bring("chicago-primary", space.family)
    assert net.status("link-flapping", **flapping(space)) == "violated"


def test_the_window_rolls(net: Company, space: Space):
    flap(net, space, 2)
    net.wait(FLAPPING_WINDOW - 20)
    assert flap(net, space, 2).status("link-flapping", **flapping(space)) == "violated"


def test_flapping_is_of_one_link_and_family(net: Company, space: Space):
    other = "ipv6" if space.family == "ipv4" else "ipv4"
    flap(net, space, 6)
    assert net.status("link-flapping", **PRIMARY, family=other) == "ok"
    assert net.status("link-flapping", **SECONDARY, family=space.family) == "ok"


def test_a_flapping_feed_does_not_make_its_links_flap(net: Company, space: Space):
    for _ in range(10):
        net.down("edge-1").wait(5).up("edge-1").bring("chicago-primary", *DUAL).get_in_sync("edge-1")
    assert net.told("link-flapping") == []


def test_a_change_that_happened_unseen_counts_once(net: Company, space: Space):
    """Unknown between two different states hides how often the state changed, but not that it changed."""
    flap(net, space, 2)
    net.down("edge-1").wait(5).reconnect("edge-1")  # the link is down now
    assert net.status("link-down", **flapping(space)) == "violated"
    assert net.status("link-flapping", **flapping(space)) == "ok"
    net.bring("chicago-primary", space.family)
    assert net.status("link-flapping", **flapping(space)) == "violated"


def test_flapping_is_unknown_with_the_link_and_violated_in_spite_of_it(net: Company, space: Space):
    flap(net, space, 2).down("edge-1")
    assert net.status("link-flapping", **flapping(space)) == "unknown"
    net.up("edge-1").bring("chicago-primary", *DUAL).get_in_sync("edge-1")
    flap(net, space, 2).down("edge-1")
    assert net.status("link-flapping", **flapping(space)) == "violated"


def test_the_first_routes_of_a_link_are_no_change(space: Space):
    net = company().up("edge-1").get_in_sync("edge-1")
    net.bring("chicago-primary", space.family).wait(5)  # down, up
    assert flap(net, space, 2).status("link-flapping", **flapping(space)) == "ok"
    assert net.wait(5).lose("chicago-primary", space.family) is net
    assert net.status("link-flapping", **flapping(space)) == "violated"


def test_a_link_of_private_peering_flaps_the_same_way(space: Space):
    net = company(PLANT).converge()
    for _ in range(2):
        net.lose("plant-primary", space.family).wait(1).bring("plant-primary", space.family).wait(1)
    assert net.raised() == [f"link-flapping plant primary {space.family}"]


def test_how_often_a_link_may_change_can_be_configured(space: Space):
    net = company("checks: {link-flapping: {changes: 1, window: 1m}}").converge()
    assert flap(net, space, 2).status("link-flapping", **flapping(space)) == "violated"
    assert net.wait(56).status("link-flapping", **flapping(space)) == "ok"


# geo-not-redundant -----------------------------------------------------------------------------------

US = {"geo": "us", "peering": "microsoft"}


def test_one_circuit_left_in_a_geo_is_not_redundant(net: Company):
    net.lose("chicago-primary", "ipv4", "ipv6").lose("chicago-secondary", "ipv4", "ipv6")
    finding = net.assert_raised_after(60, "geo-not-redundant", **US)
    assert finding.severity is Severity.WARNING
    net.wait(5).bring("chicago-secondary", "ipv4")
    assert net.status("geo-not-redundant", **US) == "violated"
    net.bring("chicago-secondary", "ipv6")
    net.assert_cleared_after(60, "geo-not-redundant", **US)


def test_redundancy_is_asked_for_in_each_family(net: Company, space: Space):
    net.lose("chicago-primary", space.family).lose("chicago-secondary", space.family)
    finding = net.assert_raised_after(60, "geo-not-redundant", **US)
    assert finding.evidence["families"] == [space.family]
    assert finding.evidence["circuits"] == {"chicago": "down", "dallas": "up"}
    assert f"receive {FAMILY_NAMES[space.family]} routes (edge-1, edge-2)" in finding.summary


def test_no_circuit_left_in_a_geo_is_not_redundant_either(net: Company):
    for link in LINK_NAMES:
        net.lose(link, "ipv4", "ipv6")
    net.assert_raised_after(60, "geo-not-redundant", **US)


def test_one_link_is_enough_for_a_circuit_to_be_up(net: Company):
    net.lose("chicago-primary", "ipv4", "ipv6").lose("dallas-secondary", "ipv4", "ipv6")
    assert net.status("geo-not-redundant", **US) == "ok"


def test_redundancy_is_unknown_while_a_circuit_is(net: Company):
    net.down("edge-1", "edge-2")
    assert net.status("geo-not-redundant", **US) == "unknown"
    net.lose("dallas-primary", "ipv4", "ipv6").lose("dallas-secondary", "ipv4", "ipv6")
    assert net.status("geo-not-redundant", **US) == "violated"


def test_two_circuits_in_one_location_are_not_redundant():
    net = company(
        PLANT, "circuits: {plant: {peering: microsoft, location: Chicago}}", "policy: {public_space: []}"
    ).converge()
    net.lose("dallas-primary", "ipv4", "ipv6").lose("dallas-secondary", "ipv4", "ipv6")
    assert net.status("geo-not-redundant", **US) == "violated"


@pytest.mark.parametrize(
    "change",
    [
        "circuits: {dallas: {location: Chicago}}",
        "circuits: {dallas: {geo: europe}}",
        "circuits: {dallas: {peering: private}}",
    ],
)
def test_redundancy_is_not_asked_for_where_it_was_not_built(change: str):
    assert company(change).subjects("geo-not-redundant") == []


def test_a_metro_circuit_is_one_circuit():
    metro = """
    circuits: {dallas: null, chicago: {links: {secondary: {location: Chicago2}}}}
    nat_pools: {dal: null}
    feeds: {dallas-primary: null, dallas-secondary: null, edge-3: null, edge-4: null}
    """
    assert company(metro).subjects("geo-not-redundant") == []


@pytest.mark.parametrize(
    "change",
    [
        "circuits: {chicago: {location: Amsterdam}, dallas: {location: Amsterdam2}}",
        "circuits: {chicago: {location: amsterdam}, dallas: {location: Amsterdam Metro}}",
        "circuits: {chicago: {location: Chicago, metro: Lakes}, dallas: {metro: LAKES}}",
        "circuits: {chicago: {location: Dallas, links: {secondary: {location: Chicago}}}}",
        "circuits: {chicago: {group: production}}",
    ],
)
def test_circuits_of_one_metro_or_of_two_groups_do_not_back_each_other_up(change: str):
    assert company(change).subjects("geo-not-redundant") == []


def test_sites_of_one_metro_are_lost_together():
    net = company(
        PLANT,
        "circuits: {plant: {peering: microsoft, location: Amsterdam}}",
        "circuits: {chicago: {location: Dublin}, dallas: {location: Dublin2}}",
        "policy: {public_space: []}",
    ).converge()
    assert net.status("geo-not-redundant", **US) == "ok"
    net.lose("plant-primary", "ipv4", "ipv6").lose("plant-secondary", "ipv4", "ipv6")
    assert net.status("geo-not-redundant", **US) == "violated"


def test_a_group_is_redundant_by_itself_and_named():
    net = company("circuits: {chicago: {group: production}, dallas: {group: production}}").converge()
    net.lose("chicago-primary", "ipv4", "ipv6").lose("chicago-secondary", "ipv4", "ipv6")
    finding = net.assert_raised_after(
        60, "geo-not-redundant", geo="us", group="production", peering="microsoft"
    )
    assert "us production" in finding.summary


def test_each_peering_is_redundant_by_itself():
    twin = (
        PLANT.replace("plant", "lab").replace("172.16.0.0", "172.16.1.0").replace("172.16.0.4", "172.16.1.4")
    )
    twin = (
        twin.replace("edge-5", "edge-7")
        .replace("edge-6", "edge-8")
        .replace("location: Dallas", "location: X")
    )
    twin = twin.replace("127.0.0.16", "127.0.0.18").replace("127.0.0.17", "127.0.0.19")
    twin = twin.replace("fd00:ffff::", "fd00:fffe::")
    net = company(PLANT, twin).up(*(f"edge-{n}" for n in range(1, 9)))
    for link in LINK_NAMES:
        net.bring(link, "ipv4", "ipv6")
    net.get_in_sync(*(f"edge-{n}" for n in range(1, 9)))
    net.assert_raised_after(60, "geo-not-redundant", geo="us", peering="private")
    assert net.status("geo-not-redundant", **US) == "ok"


# link-asymmetry --------------------------------------------------------------------------------------


def test_a_prefix_on_one_link_only_is_noticed_after_a_minute(net: Company, space: Space):
    net.microsoft_sends("chicago-secondary", space.extra)
    finding = net.assert_raised_after(60, "link-asymmetry", circuit="chicago", family=space.family)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["prefixes"] == [space.extra]
    assert finding.evidence["missing"] == {"primary": [space.extra]}
    assert finding.summary == (
        f"Circuit chicago lacks {FAMILY_NAMES[space.family]} prefix {space.extra} on link primary (edge-1, edge-2)"
    )
    net.wait(5).microsoft_sends("chicago-primary", space.extra)
    net.assert_cleared_after(60, "link-asymmetry", circuit="chicago", family=space.family)


def test_the_links_are_named_by_what_each_of_them_lacks(net: Company, space: Space):
    first, second = sorted((space.extra, space.exchange), key=parse_prefix)
    lacks = {"primary": second, "secondary": first}
    for link, prefix in lacks.items():
        net.microsoft_withdraws(f"chicago-{link}", prefix)
        net.microsoft_sends(f"chicago-{'primary' if link == 'secondary' else 'secondary'}", prefix)
    finding = net.assert_raised_after(60, "link-asymmetry", circuit="chicago", family=space.family)
    assert finding.evidence["missing"] == {link: [prefix] for link, prefix in lacks.items()}
    assert f"prefix {first} on link secondary (" in finding.summary


def test_prefixes_of_the_links_are_compared_exactly(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", *space.exchange_halves)
    net.microsoft_withdraws("chicago-primary", space.exchange)
    assert net.status("link-asymmetry", circuit="chicago", family=space.family) == "violated"


def test_a_link_that_is_down_is_no_asymmetry(net: Company, space: Space):
    net.lose("chicago-primary", space.family)
    assert net.wait(1000).raised() == [f"link-down chicago primary {space.family}"]


def test_asymmetry_is_unknown_while_a_link_is(net: Company, space: Space):
    net.microsoft_sends("chicago-secondary", space.extra).down("edge-1")
    assert net.status("link-asymmetry", circuit="chicago", family=space.family) == "unknown"
    net.up("edge-1").bring("chicago-primary", space.family)
    assert net.status("link-asymmetry", circuit="chicago", family=space.family) == "unknown"
    net.get_in_sync("edge-1")
    assert net.status("link-asymmetry", circuit="chicago", family=space.family) == "violated"


def test_best_paths_prove_no_asymmetry(space: Space):
    net = company(BEST_PATHS).converge().microsoft_sends("chicago-secondary", space.extra)
    assert net.status("link-asymmetry", circuit="chicago", family=space.family) == "unknown"


def test_asymmetry_needs_two_links_of_the_family():
    net = company("circuits: {chicago: {links: {primary: {subnet6: null}}}}")
    assert {"circuit": "chicago", "family": "ipv6"} not in net.subjects("link-asymmetry")


def test_the_links_of_private_peering_are_compared_too(space: Space):
    net = company(PLANT).converge()
    net.announce("edge-5", space.private, via=space.msee["plant-primary"], path="12076")
    net.assert_raised_after(60, "link-asymmetry", circuit="plant", family=space.family)
