"""Routes that Microsoft sends: the checks on edge tables."""

from __future__ import annotations

import pytest

from ermon.model.settings import Severity
from tests.checks.company import (
    EXCHANGE,
    PLANT,
    SHAREPOINT,
    SPACES,
    TEAMS,
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


# communities-missing ---------------------------------------------------------------------------------


def without_communities(net: Company) -> None:
    for space in SPACES.values():
        net.microsoft_sends("chicago-primary", space.exchange, space.sharepoint, communities="64500:1")


def test_routes_without_a_12076_community_are_noticed_after_thirty_seconds(net: Company):
    without_communities(net)
    finding = net.assert_raised_after(30, "communities-missing", **PRIMARY)
    assert finding.severity is Severity.WARNING
    net.wait(5).bring("chicago-primary", "ipv4")
    net.assert_cleared_after(60, "communities-missing", **PRIMARY)


def test_services_are_not_missing_where_communities_are(net: Company):
    without_communities(net)
    assert net.status("service-missing", **PRIMARY, ms_service="exchange-online") == "unknown"
    assert net.wait(1000).raised() == ["communities-missing chicago primary"]


def test_one_route_with_any_12076_community_is_enough(net: Company, space: Space):
    without_communities(net)
    net.microsoft_sends("chicago-primary", space.extra, communities="12076:51234")
    assert net.status("communities-missing", **PRIMARY) == "ok"


def test_a_link_without_routes_does_not_miss_communities(net: Company):
    net.lose("chicago-primary", "ipv4", "ipv6")
    assert net.status("communities-missing", **PRIMARY) != "violated"
    assert net.wait(1000).raised("communities-missing") == []


def test_communities_are_unknown_while_the_feed_is_down(net: Company):
    net.down("edge-1")
    assert net.status("communities-missing", **PRIMARY) == "unknown"


def test_missing_communities_are_judged_only_in_sync():
    net = company().up("edge-1")
    without_communities(net)
    assert net.status("communities-missing", **PRIMARY) == "unknown"
    assert net.get_in_sync("edge-1").status("communities-missing", **PRIMARY) == "violated"


def test_no_communities_are_normal_on_private_peering():
    net = company(PLANT).converge()
    assert not [s for s in net.subjects("communities-missing") if s["circuit"] == "plant"]


# service-missing -------------------------------------------------------------------------------------

EXCHANGE_ON_PRIMARY = {**PRIMARY, "ms_service": "exchange-online"}


def withdraw_exchange(net: Company) -> None:
    net.microsoft_withdraws("chicago-primary", *(space.exchange for space in SPACES.values()))


def test_a_required_service_is_missing_after_thirty_seconds(net: Company):
    withdraw_exchange(net)
    finding = net.assert_raised_after(30, "service-missing", **EXCHANGE_ON_PRIMARY)
    assert finding.severity is Severity.CRITICAL
    net.wait(5).bring("chicago-primary", "ipv4")
    net.assert_cleared_after(30, "service-missing", **EXCHANGE_ON_PRIMARY)


def test_a_service_in_one_family_is_not_missing(net: Company, space: Space):
    net.microsoft_withdraws("chicago-primary", space.exchange)
    assert net.status("service-missing", **EXCHANGE_ON_PRIMARY) == "ok"


def test_a_service_is_missing_on_each_link_by_itself(net: Company):
    withdraw_exchange(net)
    assert net.status("service-missing", **SECONDARY, ms_service="exchange-online") == "ok"


def test_a_community_is_labelled_with_its_name_where_it_has_one():
    net = company("circuits: {chicago: {receive: {services: ['12076:5020', '12076:59999']}}}")
    names = [s["ms_service"] for s in net.subjects("service-missing") if s["link"] == "primary"]
    assert sorted(names) == ["12076:59999", "sharepoint-online"]


def test_a_service_is_seen_among_other_communities(net: Company, space: Space):
    withdraw_exchange(net)
    everything = f"{TEAMS} {EXCHANGE} {SHAREPOINT} 64500:1"
    net.microsoft_sends("chicago-primary", space.extra, communities=everything)
    assert net.status("service-missing", **EXCHANGE_ON_PRIMARY) == "ok"


def test_a_service_is_unknown_before_sync_and_on_best_paths(space: Space):
    net = company().up("edge-1").microsoft_sends("chicago-primary", space.sharepoint, communities=SHAREPOINT)
    assert net.status("service-missing", **EXCHANGE_ON_PRIMARY) == "unknown"
    net = company(BEST_PATHS).converge()
    withdraw_exchange(net)
    assert net.status("service-missing", **EXCHANGE_ON_PRIMARY) == "unknown"


def test_a_service_that_is_only_in_another_routers_copy_is_missing(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.exchange, feed="edge-2")
    withdraw_exchange(net)
    assert net.status("service-missing", **EXCHANGE_ON_PRIMARY) == "violated"


# prefix-missing --------------------------------------------------------------------------------------


def test_an_expected_prefix_is_missing_after_a_minute(net: Company, space: Space):
    net.microsoft_withdraws("chicago-primary", space.exchange)
    finding = net.assert_raised_after(60, "prefix-missing", **PRIMARY)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["prefixes"] == [space.exchange]
    net.wait(5).microsoft_sends("chicago-primary", space.exchange)
    net.assert_cleared_after(60, "prefix-missing", **PRIMARY)


def test_two_halves_cover_an_expected_prefix_and_one_does_not(net: Company, space: Space):
    first, second = space.exchange_halves
    net.microsoft_sends("chicago-primary", first, second)
    net.microsoft_withdraws("chicago-primary", space.exchange)
    assert net.status("prefix-missing", **PRIMARY) == "ok"
    net.microsoft_withdraws("chicago-primary", second)
    assert net.status("prefix-missing", **PRIMARY) == "violated"


def test_a_shorter_route_covers_an_expected_prefix(net: Company, space: Space):
    shorter = {"ipv4": "192.0.2.0/24", "ipv6": "2001:db8:40::/46"}[space.family]
    net.microsoft_sends("chicago-primary", shorter)
    net.microsoft_withdraws("chicago-primary", space.exchange)
    assert net.status("prefix-missing", **PRIMARY) == "ok"


def test_a_default_route_covers_no_expected_prefix(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.default)
    net.microsoft_withdraws("chicago-primary", space.exchange)
    assert net.status("prefix-missing", **PRIMARY) == "violated"


def test_the_spelling_of_an_expected_prefix_does_not_matter():
    net = company("circuits: {chicago: {receive: {prefixes: ['2001:DB8:0040::/48', '2001:0db8:41:0::/48']}}}")
    assert net.converge().status("prefix-missing", **PRIMARY) == "ok"


def test_the_halves_must_be_on_one_link(net: Company, space: Space):
    first, second = space.exchange_halves
    net.microsoft_sends("chicago-primary", first).microsoft_sends("chicago-secondary", second)
    net.microsoft_withdraws("chicago-primary", space.exchange)
    assert net.status("prefix-missing", **PRIMARY) == "violated"


def test_expected_prefixes_are_unknown_before_sync_and_without_the_feed(net: Company, space: Space):
    net.down("edge-1")
    assert net.status("prefix-missing", **PRIMARY) == "unknown"
    net.up("edge-1").microsoft_sends("chicago-primary", space.sharepoint)
    assert net.status("prefix-missing", **PRIMARY) == "unknown"


def test_a_prefix_is_expected_from_its_first_day_and_not_on_its_last():
    """The story begins on 18 November at 11:06:40 UTC."""
    dated = "{prefix: 192.0.2.128/26, from: 2026-11-19, until: 2026-11-20}"
    net = company(f"circuits: {{chicago: {{receive: {{prefixes: [{dated}]}}}}}}").converge()
    midnight = 12 * 3600 + 53 * 60 + 20
    assert net.wait(midnight - net.clock - MILLISECOND).status("prefix-missing", **PRIMARY) == "ok"
    net.wait(MILLISECOND)
    net.assert_raised_after(60, "prefix-missing", **PRIMARY)
    net.wait(24 * 3600 - 60)
    net.assert_cleared_after(60, "prefix-missing", **PRIMARY)


def test_private_peering_may_expect_prefixes_too(space: Space):
    net = company(PLANT, f"circuits: {{plant: {{receive: {{prefixes: ['{space.vnet}']}}}}}}").converge()
    net.announce("edge-5", space.private, via=space.msee["plant-primary"], path="12076")
    net.microsoft_withdraws("plant-primary", space.vnet)
    net.assert_raised_after(60, "prefix-missing", circuit="plant", link="primary")


# origin-unexpected -----------------------------------------------------------------------------------


def test_a_foreign_asn_in_microsofts_path_is_noticed_after_ten_seconds(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.exchange, path="12076 8075 3356")
    finding = net.assert_raised_after(10, "origin-unexpected", **PRIMARY)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["prefixes"] == [space.exchange]
    assert "12076 8075 3356" in str(finding.evidence)
    assert net.raised() == ["origin-unexpected chicago primary"]
    net.wait(5).bring("chicago-primary", space.family)
    net.assert_cleared_after(60, "origin-unexpected", **PRIMARY)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("12076 8075 8068 8069", "ok"),
        ("64500 64500 64496 12076", "ok"),  # preceded by the ASNs of the company and its provider
        ("12076 23456 8075", "ok"),  # an ASN that an old router could not write
        ("(65001 65002) 12076", "ok"),
        ("12076 {8075 8068}", "ok"),
        ("12076 {8075 64999}", "violated"),
        ("12076 3356 8075", "violated"),
        ("12076 64500", "violated"),  # the company's, where Microsoft's are expected
        ("12076 65520", "violated"),
    ],
)
def test_only_microsofts_asns_may_be_in_its_paths(space: Space, path: str, status: str):
    net = company("customer: {provider_asns: [64496]}").converge()
    net.microsoft_sends("chicago-primary", space.exchange, path=path)
    assert net.status("origin-unexpected", **PRIMARY) == status


def test_the_policy_names_microsofts_asns(space: Space):
    net = company("policy: {microsoft_asns: [12076]}").converge()
    net.microsoft_sends("chicago-primary", space.exchange, path="12076 8075")
    assert net.status("origin-unexpected", **PRIMARY) == "violated"


def test_a_foreign_asn_is_seen_before_sync_and_ok_only_in_sync(net: Company, space: Space):
    net.down("edge-1")
    assert net.status("origin-unexpected", **PRIMARY) == "unknown"
    net.up("edge-1").microsoft_sends("chicago-primary", space.exchange, path="12076 3356")
    net.assert_raised_after(10, "origin-unexpected", **PRIMARY)
    net.microsoft_withdraws("chicago-primary", space.exchange)
    assert net.status("origin-unexpected", **PRIMARY) == "unknown"
    assert net.get_in_sync("edge-1").status("origin-unexpected", **PRIMARY) == "ok"


def test_a_foreign_asn_counts_on_every_feed_that_shows_it(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.exchange, path="12076 3356", feed="edge-2")
    assert net.status("origin-unexpected", **PRIMARY) == "violated"


def test_a_route_that_is_not_microsofts_may_have_any_origin(net: Company, space: Space):
    net.announce("edge-1", space.exchange, via=space.msee["chicago-primary"], path="64510 12076 3356")
    assert net.status("origin-unexpected", **PRIMARY) == "ok"


def test_private_peering_may_have_any_origin():
    assert {"circuit": "plant", "link": "primary"} not in company(PLANT).subjects("origin-unexpected")


# internet-preferred ----------------------------------------------------------------------------------

PREFERS = """
checks: {internet-preferred: {enabled: true}}
feeds: {edge-1-best: {router: edge-1, view: edge-table, peer: 127.0.0.11, local: 127.0.0.6, peer_asn: 64500, families: [ipv4, ipv6]}}
"""
"""The router of Chicago's primary link also sends a feed of best paths."""

CHICAGO = {"circuit": "chicago"}


def best(net: Company, prefix: str, space: Space, path: str = "12076 8075") -> Company:
    """Let the router prefer Microsoft's routes."""
    return net.microsoft_sends("chicago-primary", prefix, path=path, feed="edge-1-best")


def preferring(*changes: str) -> Company:
    """Every best path goes to Microsoft."""
    net = company(PREFERS, *changes).converge()
    for space in SPACES.values():
        best(net, space.exchange, space)
    return net


def test_the_preferred_path_is_judged_only_if_the_configuration_says_so(net: Company):
    assert net.subjects("internet-preferred") == []
    assert preferring().status("internet-preferred", **CHICAGO) == "ok"


def test_an_expected_prefix_that_is_used_over_the_internet_is_noticed_after_a_minute(space: Space):
    net = preferring().announce("edge-1-best", space.exchange, path="64510 8075")
    finding = net.assert_raised_after(60, "internet-preferred", **CHICAGO)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["prefixes"] == [space.exchange]
    assert net.raised() == ["internet-preferred chicago"]
    best(net.wait(5), space.exchange, space)
    net.assert_cleared_after(60, "internet-preferred", **CHICAGO)


def test_the_longest_match_decides(space: Space):
    around = {"ipv4": "192.0.2.0/25", "ipv6": "2001:db8:40::/47"}[space.family]
    net = preferring().announce("edge-1-best", around, path="64510 8075")
    assert net.status("internet-preferred", **CHICAGO) == "ok"
    net.withdraw("edge-1-best", space.exchange)
    assert net.status("internet-preferred", **CHICAGO) == "violated"


def test_a_shorter_route_that_nothing_follows_does_not_matter(space: Space):
    """Microsoft's halves are more specific than a default route, and than an aggregate."""
    net = preferring().announce("edge-1-best", space.default, path="64510")
    assert net.status("internet-preferred", **CHICAGO) == "ok"
    first, second = space.exchange_halves
    best(best(net, first, space), second, space).withdraw("edge-1-best", space.exchange)
    assert net.status("internet-preferred", **CHICAGO) == "ok"
    net.withdraw("edge-1-best", second)
    assert net.status("internet-preferred", **CHICAGO) == "violated"


def test_a_part_that_is_used_over_the_internet_is_enough(space: Space):
    net = preferring().announce("edge-1-best", space.exchange_part, path="64510 8075")
    assert net.status("internet-preferred", **CHICAGO) == "violated"


def test_a_link_that_is_not_seen_may_have_the_prefix_that_is_used_over_the_internet(space: Space):
    net = preferring().announce("edge-1-best", space.exchange, path="64510 8075")
    net.microsoft_withdraws("chicago-primary", space.exchange).down("edge-2")
    assert net.status("internet-preferred", **CHICAGO) == "unknown"


def test_without_a_feed_of_best_paths_it_is_unknown():
    net = company("checks: {internet-preferred: {enabled: true}}").converge()
    assert net.status("internet-preferred", **CHICAGO) == "unknown"


def test_our_own_and_our_providers_asns_in_front_do_not_make_it_another_route(space: Space):
    net = best(preferring("customer: {provider_asns: [64496]}"), space.exchange, space, "64500 64496 12076")
    assert net.status("internet-preferred", **CHICAGO) == "ok"


def test_prefixes_that_no_link_receives_may_be_used_over_the_internet(space: Space):
    net = preferring().announce("edge-1-best", space.exchange, path="64510 8075")
    for link in ("chicago-primary", "chicago-secondary"):
        net.microsoft_withdraws(link, space.exchange)
    assert net.status("internet-preferred", **CHICAGO) == "ok"


def test_one_link_with_the_prefix_is_enough_to_expect_its_use(space: Space):
    net = preferring().announce("edge-1-best", space.exchange, path="64510 8075")
    net.microsoft_withdraws("chicago-primary", space.exchange)
    assert net.status("internet-preferred", **CHICAGO) == "violated"


def test_a_lost_circuit_keeps_it_quiet(space: Space):
    other = SPACES["ipv6" if space.family == "ipv4" else "ipv4"]
    net = preferring().announce("edge-1-best", space.exchange, path="64510 8075")
    net.lose("chicago-primary", other.family).lose("chicago-secondary", other.family)
    assert net.status("internet-preferred", **CHICAGO) == "suppressed"


def test_preference_is_judged_only_in_sync(space: Space):
    net = preferring().announce("edge-1-best", space.exchange, path="64510 8075").down("edge-1-best")
    assert net.status("internet-preferred", **CHICAGO) == "unknown"
    net.up("edge-1-best").announce("edge-1-best", space.exchange, path="64510 8075")
    assert net.status("internet-preferred", **CHICAGO) == "unknown"


# churn-high ------------------------------------------------------------------------------------------

MANY = 601
"""One more than the catalogue allows in a minute."""


def quietly(space: Space, routes: int = 700) -> Company:
    """Chicago's primary link has received many routes in its first dump."""
    net = company().up("edge-1").bring("chicago-primary", *DUAL)
    net.microsoft_sends("chicago-primary", *space.many(routes))
    return net.get_in_sync("edge-1")


def churn(net: Company, space: Space, changes: int, med: str = "8075") -> Company:
    """Let Microsoft change the path of so many routes."""
    return net.microsoft_sends("chicago-primary", *space.many(changes), path=f"12076 {med}")


def test_more_changes_in_a_minute_than_allowed_that_go_on_for_a_minute_are_raised(space: Space):
    net = churn(quietly(space), space, MANY - 1)
    assert net.status("churn-high", **PRIMARY) == "ok"
    churn(net, space, 1, "8068")
    assert net.status("churn-high", **PRIMARY) == "violated"
    churn(net.wait(30), space, MANY, "8069")
    finding = net.assert_raised_after(30, "churn-high", **PRIMARY)
    assert finding.severity is Severity.WARNING
    assert net.wait(29).status("churn-high", **PRIMARY) == "violated"
    assert net.wait(2).status("churn-high", **PRIMARY) == "ok"
    assert net.wait(298).raised("churn-high") == ["churn-high chicago primary"]
    assert net.wait(2).raised("churn-high") == []


def test_the_evidence_says_how_many_changes_there_were_in_the_last_minute(space: Space):
    net = quietly(space)
    churn(net, space, 700, "8068")
    for path in ("8069", "8070"):
        churn(net.wait(20), space, 700, path)
    evidence = net.assert_raised_after(20, "churn-high", **PRIMARY).evidence
    assert evidence["changes"] == 1400  # the first ones came a minute ago
    assert evidence["limit"] == 600


def test_one_burst_of_changes_is_not_raised(space: Space):
    net = churn(quietly(space), space, 699).wait(59)
    assert net.status("churn-high", **PRIMARY) == "violated"
    assert net.wait(2).status("churn-high", **PRIMARY) == "ok"


def test_a_first_dump_is_no_churn(space: Space):
    assert quietly(space, 5000).status("churn-high", **PRIMARY) == "ok"


def test_the_dump_of_a_session_that_returns_is_no_churn_and_nor_is_its_loss(space: Space):
    net = quietly(space).down("edge-1").wait(1).up("edge-1")
    net.microsoft_sends("chicago-primary", *space.many(700), path="12076 8068").get_in_sync("edge-1")
    assert net.status("churn-high", **PRIMARY) == "ok"
    churn(net, space, MANY - 1)
    assert net.status("churn-high", **PRIMARY) == "ok"


def test_a_re_announcement_without_change_is_no_churn(space: Space):
    net = quietly(space)
    for _ in range(10):
        net.microsoft_sends("chicago-primary", *space.many(700)).wait(1)
    assert net.status("churn-high", **PRIMARY) == "ok"


def test_a_reload_is_no_churn_and_forgets_none(space: Space):
    net = quietly(space)
    net.reconfigure(company("policy: {max_drain: 1h}").config)
    assert net.status("churn-high", **PRIMARY) == "ok"
    churn(net, space, MANY).wait(10).reconfigure(company().config)
    assert net.status("churn-high", **PRIMARY) == "violated"
    assert net.wait(49).status("churn-high", **PRIMARY) == "violated"
    assert net.wait(2).status("churn-high", **PRIMARY) == "ok"


def test_a_route_that_one_update_withdraws_and_announces_again_has_not_changed(space: Space):
    net = company("checks: {churn-high: {per_minute: 1}}").converge()
    for _ in range(5):
        net.announce(
            "edge-1",
            space.exchange,
            via=space.msee["chicago-primary"],
            path="12076",
            communities=EXCHANGE,
            withdrawing=[space.exchange],
        )
    assert net.status("churn-high", **PRIMARY) == "ok"


def test_withdrawals_and_new_routes_are_changes(space: Space):
    net = quietly(space).microsoft_withdraws("chicago-primary", *space.many(700)[:300])
    net.microsoft_sends("chicago-primary", *space.many(700)[:300])
    assert net.status("churn-high", **PRIMARY) == "ok"
    net.microsoft_withdraws("chicago-primary", space.many(1)[0])
    assert net.status("churn-high", **PRIMARY) == "violated"


def test_withdrawing_what_was_not_there_is_no_change(space: Space):
    net = quietly(space, 1).microsoft_withdraws("chicago-primary", *space.many(700)[1:])
    assert net.status("churn-high", **PRIMARY) == "ok"


# A link that goes down and comes back is no churn


def crowded(space: Space) -> Company:
    return company().converge().microsoft_sends("chicago-primary", *space.many(700)).wait(100)


def test_routes_that_a_link_loses_and_regains_in_a_bounce_are_no_churn(space: Space):
    net = (
        crowded(space)
        .microsoft_withdraws("chicago-primary", *space.many(700))
        .lose("chicago-primary", space.family)
    )
    net.wait(2).bring("chicago-primary", space.family).microsoft_sends("chicago-primary", *space.many(700))
    assert net.status("churn-high", **PRIMARY) == "ok"
    assert net.wait(100).told("churn-high") == []


def test_routes_that_a_link_loses_long_before_it_goes_down_are_churn(space: Space):
    net = crowded(space).microsoft_withdraws("chicago-primary", *space.many(700)).wait(10.001)
    net.lose("chicago-primary", space.family)
    assert net.status("churn-high", **PRIMARY) == "violated"


def test_changes_long_after_a_link_came_up_are_churn(space: Space):
    net = (
        crowded(space)
        .microsoft_withdraws("chicago-primary", *space.many(700))
        .lose("chicago-primary", space.family)
    )
    net.wait(100).bring("chicago-primary", space.family).wait(10)
    net.microsoft_sends("chicago-primary", *space.many(700))
    assert net.status("churn-high", **PRIMARY) == "ok"
    net.wait(0.001).microsoft_withdraws("chicago-primary", *space.many(700))
    assert net.status("churn-high", **PRIMARY) == "violated"


def test_a_bounce_in_one_family_hides_no_churn_in_the_other(space: Space):
    other = SPACES["ipv6" if space.family == "ipv4" else "ipv4"]
    net = (
        crowded(space)
        .microsoft_withdraws("chicago-primary", *space.many(700))
        .lose("chicago-primary", other.family)
    )
    assert net.status("churn-high", **PRIMARY) == "violated"


def test_the_beginning_and_the_end_of_a_drain_are_no_churn(space: Space):
    net = crowded(space)
    for path in ("12076 12076 12076 12076", "12076"):
        net.microsoft_sends("chicago-primary", *space.many(700), path=path).wait(100)
    assert net.told("churn-high", "drain") == [
        "102.0 raised drain chicago primary",
        "262.0 cleared drain chicago primary",
    ]


def test_churn_is_of_one_link(space: Space):
    net = churn(quietly(space), space, MANY)
    net.up("edge-2").bring("chicago-secondary", *DUAL).get_in_sync("edge-2")
    assert net.status("churn-high", **SECONDARY) == "ok"
    assert net.status("churn-high", **PRIMARY) == "violated"


def test_changes_of_both_families_are_counted_together():
    net = quietly(SPACES["ipv4"]).microsoft_sends("chicago-primary", *SPACES["ipv6"].many(301))
    assert churn(net, SPACES["ipv4"], 299).status("churn-high", **PRIMARY) == "ok"
    net.microsoft_withdraws("chicago-primary", SPACES["ipv6"].many(1)[0])
    assert net.status("churn-high", **PRIMARY) == "violated"


def test_changes_of_other_routes_are_no_churn(net: Company, space: Space):
    net.announce("edge-1", *space.many(2000), path="64510 3356")
    assert net.status("churn-high", **PRIMARY) == "ok"


def test_churn_is_unknown_while_the_link_is_not_seen(net: Company):
    assert net.down("edge-1").status("churn-high", **PRIMARY) == "unknown"


def test_how_many_changes_are_allowed_can_be_configured(space: Space):
    net = company("checks: {churn-high: {per_minute: 3}}").converge()
    net.microsoft_sends("chicago-primary", *space.many(3))
    assert net.status("churn-high", **PRIMARY) == "ok"
    net.microsoft_withdraws("chicago-primary", *space.many(1))
    assert net.status("churn-high", **PRIMARY) == "violated"


def test_private_peering_may_churn_too(space: Space):
    net = company(PLANT, "checks: {churn-high: {per_minute: 3}}").converge()
    net.microsoft_sends("plant-primary", *space.many(4), communities="")
    assert net.status("churn-high", circuit="plant", link="primary") == "violated"
