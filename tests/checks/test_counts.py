"""How much Microsoft sends: the checks that count routes and addresses, and the levels that they learn."""

from __future__ import annotations

import pytest

from ermon.checks.topics import Counted
from ermon.model.prefixes import FAMILY_NAMES
from ermon.model.settings import Severity
from tests.checks.company import PLANT, SHAREPOINT, SPACES, TEAMS, Company, Space, company
from tests.story import MILLISECOND

PRIMARY = {"circuit": "chicago", "link": "primary"}
SECONDARY = {"circuit": "chicago", "link": "secondary"}

BEST_PATHS = "feeds: {edge-1: {add_path: false}}"
"""The router of Chicago's primary link shows its best paths only."""


# prefix-count-low ------------------------------------------------------------------------------------


def test_fewer_routes_than_the_minimum_are_noticed_after_a_minute(net: Company, space: Space):
    assert net.status("prefix-count-low", **PRIMARY, family=space.family) == "ok"
    net.microsoft_withdraws("chicago-primary", space.sharepoint)
    finding = net.assert_raised_after(60, "prefix-count-low", **PRIMARY, family=space.family)
    assert ", below the minimum of " in finding.summary
    assert finding.severity is Severity.WARNING
    net.wait(5).microsoft_sends("chicago-primary", space.extra)
    net.assert_cleared_after(60, "prefix-count-low", **PRIMARY, family=space.family)


def test_the_minimum_is_of_one_family(net: Company, space: Space):
    other = SPACES["ipv6" if space.family == "ipv4" else "ipv4"]
    net.microsoft_withdraws("chicago-primary", space.sharepoint)
    net.microsoft_sends("chicago-primary", other.extra)
    assert net.status("prefix-count-low", **PRIMARY, family=space.family) == "violated"


def test_the_count_is_unknown_before_sync_and_without_all_paths(net: Company, space: Space):
    net.down("edge-1").up("edge-1").microsoft_sends("chicago-primary", space.exchange)
    assert net.status("prefix-count-low", **PRIMARY, family=space.family) == "unknown"
    net = company(BEST_PATHS).converge().microsoft_withdraws("chicago-primary", space.sharepoint)
    assert net.status("prefix-count-low", **PRIMARY, family=space.family) == "unknown"


def test_no_minimum_is_no_subject(net: Company):
    assert {s["circuit"] for s in net.subjects("prefix-count-low")} == {"chicago"}


# prefix-count-low against what is usual --------------------------------------------------------------

DROP = "circuits: {chicago: {receive: {minimum: null, prefixes: null, services: null, drop_percent: 30}}}"
"""A third less than usual on a link of Chicago is too few."""

HOUR = 3600


def count(space: Space) -> dict[str, str]:
    return {**PRIMARY, "family": space.family}


def counted(space: Space, routes: int, *changes: str) -> Company:
    """Let Microsoft send so many routes on Chicago's primary link from the beginning."""
    net = company(DROP, *changes).up("edge-1").microsoft_sends("chicago-primary", *space.many(routes))
    return net.get_in_sync("edge-1")


def shrink(net: Company, space: Space, before: int, after: int) -> Company:
    return net.microsoft_withdraws("chicago-primary", *space.many(before)[after:])


def grow(net: Company, space: Space, before: int, after: int) -> Company:
    return net.microsoft_sends("chicago-primary", *space.many(after)[before:])


def test_a_link_with_far_fewer_routes_than_usual_is_raised_after_a_minute(space: Space):
    net = shrink(counted(space, 10).wait(HOUR), space, 10, 7)
    assert net.status("prefix-count-low", **count(space)) == "ok"  # 30 % less, and no more than that
    shrink(net, space, 7, 6)
    finding = net.assert_raised_after(60, "prefix-count-low", **count(space))
    assert finding.severity is Severity.WARNING
    assert finding.summary.endswith(
        f"receives too few {FAMILY_NAMES[space.family]} routes: 6 instead of the usual 10 (edge-1)"
    )
    grow(net.wait(5), space, 6, 7)
    net.assert_cleared_after(60, "prefix-count-low", **count(space))


def test_the_usual_level_is_the_median_weighted_by_time(space: Space):
    net = grow(counted(space, 10).wait(1000), space, 10, 20).wait(1001)
    assert shrink(net, space, 20, 13).status("prefix-count-low", **count(space)) == "violated"
    net = grow(counted(space, 10).wait(1001), space, 10, 20).wait(990)
    assert shrink(net, space, 20, 8).status("prefix-count-low", **count(space)) == "ok"


def test_many_changes_in_a_moment_have_no_weight(space: Space):
    net = counted(space, 10).wait(HOUR)
    for _ in range(50):
        grow(net, space, 10, 100).wait(0.01)
        shrink(net, space, 100, 10).wait(0.01)
    assert net.status("prefix-count-low", **count(space)) == "ok"


def test_the_usual_level_is_the_higher_of_the_hour_and_the_day(space: Space):
    net = grow(counted(space, 10).wait(10 * HOUR), space, 10, 20).wait(1801)
    assert shrink(net, space, 20, 13).status("prefix-count-low", **count(space)) == "violated"
    net = grow(counted(space, 10).wait(10 * HOUR), space, 10, 20).wait(1799)
    assert shrink(net, space, 20, 13).status("prefix-count-low", **count(space)) == "ok"
    net = shrink(counted(space, 20).wait(10 * HOUR), space, 20, 15).wait(2 * HOUR)
    assert shrink(net, space, 15, 13).status("prefix-count-low", **count(space)) == "violated"


def test_the_hour_does_not_count_while_the_check_is_not_ok(space: Space):
    net = shrink(counted(space, 10).wait(HOUR), space, 10, 6).wait(HOUR)
    net.down("edge-1").wait(10 * HOUR).up("edge-1").microsoft_sends("chicago-primary", *space.many(6))
    assert net.get_in_sync("edge-1").status("prefix-count-low", **count(space)) == "violated"


def test_unknown_amounts_are_not_learned(space: Space):
    net = counted(space, 10).wait(600).down("edge-1").wait(600)
    net.up("edge-1").microsoft_sends("chicago-primary", *space.many(7)).wait(100)
    assert net.status("prefix-count-low", **count(space)) == "unknown"
    net.get_in_sync("edge-1")
    assert net.status("prefix-count-low", **count(space)) == "ok"
    assert shrink(net, space, 7, 6).status("prefix-count-low", **count(space)) == "violated"


def test_a_decline_that_takes_days_is_usual_and_one_of_hours_is_not(space: Space):
    net = counted(space, 20).wait(24 * HOUR)
    for routes in range(20, 10, -1):
        shrink(net, space, routes, routes - 1).wait(24 * HOUR)
    assert net.told("prefix-count-low") == []
    net = counted(space, 20).wait(24 * HOUR)
    for routes in range(20, 10, -1):
        shrink(net, space, routes, routes - 1).wait(HOUR)
    assert net.raised("prefix-count-low") == [f"prefix-count-low chicago primary {space.family}"]


def test_aggregation_is_no_loss(space: Space):
    many, whole = space.many(16), {"ipv4": "9.0.0.0/20", "ipv6": "2a00:9::/44"}[space.family]
    net = counted(space, 16).wait(HOUR).microsoft_sends("chicago-primary", whole)
    assert net.microsoft_withdraws("chicago-primary", *many).wait(100).raised("prefix-count-low") == []


def test_a_large_prefix_that_goes_is_few_routes(space: Space):
    whole = {"ipv4": "9.64.0.0/10", "ipv6": "2a00:9:8000::/33"}[space.family]
    net = company(DROP).up("edge-1").microsoft_sends("chicago-primary", whole, *space.many(9))
    net.get_in_sync("edge-1").wait(HOUR).microsoft_withdraws("chicago-primary", whole)
    assert net.wait(100).raised("prefix-count-low") == []
    shrink(net, space, 9, 6)
    finding = net.assert_raised_after(60, "prefix-count-low", **count(space))
    assert finding.evidence["lost_percent"] == {"routes": 40, "addresses": 100}


def test_the_minimum_holds_beside_what_is_usual(space: Space):
    net = counted(space, 10, f"circuits: {{chicago: {{receive: {{minimum: {{{space.family}: 9}}}}}}}}")
    assert shrink(net.wait(HOUR), space, 10, 8).status("prefix-count-low", **count(space)) == "violated"


def test_a_count_below_the_minimum_is_not_learnt(space: Space):
    net = counted(space, 10, f"circuits: {{chicago: {{receive: {{minimum: {{{space.family}: 9}}}}}}}}")
    shrink(net.wait(600), space, 10, 5).wait(10 * HOUR)
    grow(net, space, 5, 10)
    assert net.status("prefix-count-low", **count(space)) == "ok"
    relaxed = company(DROP).config
    net.reconfigure(relaxed)
    assert shrink(net, space, 10, 6).status("prefix-count-low", **count(space)) == "violated"


def test_a_usual_count_is_of_one_link_and_family(space: Space):
    net = company(DROP).converge()
    assert len(net.subjects("prefix-count-low")) == 4
    grow(net, space, 0, 10).wait(HOUR)
    assert shrink(net, space, 10, 0).status("prefix-count-low", **count(space)) == "violated"
    assert net.status("prefix-count-low", **SECONDARY, family=space.family) == "ok"


# A new level -----------------------------------------------------------------------------------------

WEEK = 7 * 24 * HOUR
BOTH_LINKS = ("chicago-primary", "chicago-secondary")


def on_both_links(space: Space, routes: int, *changes: str) -> Company:
    """Let Microsoft send so many routes on both links of Chicago, for an hour."""
    net = company(DROP, *changes).up("edge-1", "edge-2")
    for link in BOTH_LINKS:
        net.microsoft_sends(link, *space.many(routes))
    return net.get_in_sync("edge-1", "edge-2").wait(HOUR)


def shrink_both(net: Company, space: Space, before: int, after: int) -> Company:
    for link in BOTH_LINKS:
        net.microsoft_withdraws(link, *space.many(before)[after:])
    return net


def test_a_level_that_is_steady_for_a_week_on_both_links_becomes_usual(space: Space):
    net = shrink_both(on_both_links(space, 40), space, 40, 12)
    assert net.wait(WEEK - MILLISECOND).raised("prefix-count-low") == [
        f"prefix-count-low chicago {link} {space.family}" for link in ("primary", "secondary")
    ]
    assert net.wait(MILLISECOND).raised("prefix-count-low") == [], "it is cleared there and then"
    cleared = net.monitor.cleared[0]
    assert cleared.evidence["cleared_because"] == "learnt: 40 to 12"
    assert net.status("prefix-count-low", **count(space)) == "ok"
    shrink_both(net, space, 12, 8)
    net.assert_raised_after(60, "prefix-count-low", **count(space))


def test_a_level_of_one_link_never_becomes_usual(space: Space):
    net = shrink(on_both_links(space, 40, "checks: {link-asymmetry: {enabled: false}}"), space, 40, 12)
    assert net.wait(3 * WEEK).raised("prefix-count-low") == [
        f"prefix-count-low chicago primary {space.family}"
    ]


def test_a_link_that_is_down_is_not_asked(space: Space):
    net = on_both_links(space, 40)
    net.microsoft_withdraws("chicago-secondary", *space.many(40))
    assert shrink(net, space, 40, 12).wait(WEEK).status("prefix-count-low", **count(space)) == "ok"


def seen_in_part(space: Space, routes: int) -> Company:
    """Lose the feeds of the secondary link's router, and see so many of its routes in another router's table."""
    net = shrink(on_both_links(space, 40), space, 40, 12).down("edge-2")
    via = space.msee["chicago-secondary"]
    return net.announce("edge-1", *space.many(routes), path="12076", via=via, path_id=7)


def test_a_link_that_is_seen_in_part_is_not_asked(space: Space):
    net = seen_in_part(space, 5)
    assert net.monitor.network.link_state(("chicago", "secondary"), space.family).value == "up"
    assert net.wait(WEEK - 1).status("prefix-count-low", **count(space)) == "violated"
    assert net.wait(1).status("prefix-count-low", **count(space)) == "ok"


def test_a_link_that_is_seen_in_part_and_has_more_routes_is_at_another_level(space: Space):
    assert seen_in_part(space, 40).wait(3 * WEEK).status("prefix-count-low", **count(space)) == "violated"


def test_the_time_of_a_low_level_starts_again_when_it_leaves_its_band(space: Space):
    net = shrink_both(on_both_links(space, 40), space, 40, 20).wait(WEEK - HOUR)
    shrink_both(net, space, 20, 13).wait(WEEK - MILLISECOND)
    assert net.status("prefix-count-low", **count(space)) == "violated"
    assert net.wait(MILLISECOND).status("prefix-count-low", **count(space)) == "ok"


def test_a_level_may_move_within_its_band(space: Space):
    net = shrink_both(on_both_links(space, 40), space, 40, 20).wait(WEEK - HOUR)
    shrink_both(net, space, 20, 15).wait(HOUR)
    assert net.status("prefix-count-low", **count(space)) == "ok"
    assert net.monitor.cleared[0].evidence["cleared_because"] == "learnt: 40 to 20"


def test_unseen_routes_do_not_count(space: Space):
    net = shrink_both(on_both_links(space, 40), space, 40, 12).wait(100 * HOUR)
    net.down("edge-1").wait(50 * HOUR).up("edge-1").microsoft_sends("chicago-primary", *space.many(12))
    net.get_in_sync("edge-1").wait(WEEK - 100 * HOUR - 1)
    assert net.status("prefix-count-low", **count(space)) == "violated"
    assert net.wait(1).status("prefix-count-low", **count(space)) == "ok"


def test_time_in_a_window_does_not_count(space: Space):
    works = "{circuit: chicago, from: 2026-11-19T00:00:00Z, to: 2026-11-21T00:00:00Z, reason: works}"
    net = shrink_both(on_both_links(space, 40, f"maintenance: [{works}]"), space, 40, 12)
    assert net.wait(WEEK + 48 * HOUR - 1).status("prefix-count-low", **count(space)) == "violated"
    assert net.wait(1).status("prefix-count-low", **count(space)) == "ok"


def test_no_level_becomes_usual_while_something_else_is_missing(space: Space):
    missing = f"circuits: {{chicago: {{receive: {{prefixes: ['{space.extra}']}}}}}}"
    net = shrink_both(on_both_links(space, 40, missing), space, 40, 12).wait(3 * WEEK)
    assert net.status("prefix-count-low", **count(space)) == "violated"
    for link in BOTH_LINKS:
        net.microsoft_sends(link, space.extra)
    assert net.wait(WEEK - 1).status("prefix-count-low", **count(space)) == "violated"
    assert net.wait(1).status("prefix-count-low", **count(space)) == "ok"


def test_a_minimum_is_never_learnt_away(space: Space):
    least = f"circuits: {{chicago: {{receive: {{minimum: {{{space.family}: 20}}}}}}}}"
    net = shrink_both(on_both_links(space, 40, least), space, 40, 12).wait(3 * WEEK)
    assert f"prefix-count-low chicago primary {space.family}" in net.raised()


def test_how_long_it_takes_is_the_policys(space: Space):
    net = shrink_both(on_both_links(space, 40, "policy: {relearn_after: 12h}"), space, 40, 12).wait(12 * HOUR)
    assert net.status("prefix-count-low", **count(space)) == "ok"


def test_a_reload_and_a_level_that_has_lasted_for_days(space: Space):
    net = shrink_both(on_both_links(space, 40), space, 40, 12).wait(WEEK - HOUR)
    net.reconfigure(company(DROP, "checks: {link-down: {raise_after: 20s}}").config)
    assert net.wait(HOUR - 1).status("prefix-count-low", **count(space)) == "violated"
    assert net.wait(1).status("prefix-count-low", **count(space)) == "ok"


def test_a_level_that_is_accepted_is_usual_at_once_and_after_a_restart(space: Space):
    net = shrink_both(on_both_links(space, 40), space, 40, 12).wait(60)
    net.accept("prefix-count-low", circuit="chicago", link="primary")
    assert net.raised("prefix-count-low") == [f"prefix-count-low chicago secondary {space.family}"]
    assert net.monitor.cleared[0].evidence["cleared_because"] == "accepted by ann: as planned"
    again = net.monitor.restarted(net.now)
    counted = Counted("received", ("chicago", "primary"), space.family)
    assert again.network.usual(counted) == net.monitor.network.usual(counted)
    assert again.network.usual(counted).routes == 12


def test_an_unseen_level_is_not_accepted(space: Space):
    net = shrink_both(on_both_links(space, 40), space, 40, 12).wait(60).down("edge-1")
    net.accept("prefix-count-low", circuit="chicago")
    assert net.raised("prefix-count-low") == [f"prefix-count-low chicago primary {space.family}"]


# service-count-low -----------------------------------------------------------------------------------

SERVICES = """
circuits:
  chicago:
    receive: {minimum: null, prefixes: null, drop_percent: 30, services: [exchange-online, {name: "12076:5020", minimum: 1, drop_percent: 60}]}
"""
EXCHANGE_ON_PRIMARY = {**PRIMARY, "ms_service": "exchange-online"}


def serving(space: Space, routes: int, *changes: str) -> Company:
    """Let Microsoft send so many routes of Exchange Online on the primary link, among many others, for an hour."""
    net, other = (
        company(SERVICES, *changes).up("edge-1"),
        SPACES["ipv6" if space.family == "ipv4" else "ipv4"],
    )
    net.microsoft_sends("chicago-primary", *space.many(routes))
    net.microsoft_sends("chicago-primary", other.sharepoint, communities=SHAREPOINT)
    net.microsoft_sends("chicago-primary", *space.many(routes + 200)[routes:], communities=SHAREPOINT)
    return net.get_in_sync("edge-1").wait(HOUR)


def test_a_service_that_vanishes_almost_wholly_is_noticed(space: Space):
    net = shrink(serving(space, 40), space, 40, 1)
    finding = net.assert_raised_after(60, "service-count-low", **EXCHANGE_ON_PRIMARY)
    assert finding.severity is Severity.WARNING
    assert finding.evidence[space.family]["routes"] == 1
    assert (
        f"routes of exchange-online: 1 instead of the usual 40 in {FAMILY_NAMES[space.family]}"
        in finding.summary
    )
    assert net.raised("prefix-count-low") == []
    grow(net.wait(5), space, 1, 28)
    net.assert_cleared_after(60, "service-count-low", **EXCHANGE_ON_PRIMARY)


def test_one_family_of_a_service_is_enough(space: Space):
    other = SPACES["ipv6" if space.family == "ipv4" else "ipv4"]
    net = serving(space, 40).microsoft_sends("chicago-primary", *other.many(60)).wait(HOUR)
    shrink(net, space, 40, 27)
    assert net.status("service-count-low", **EXCHANGE_ON_PRIMARY) == "violated"


def test_a_family_that_a_service_never_had_is_not_judged(space: Space):
    least = "circuits: {chicago: {receive: {services: [{name: exchange-online, minimum: 30}]}}}"
    net = serving(space, 40, least)
    assert net.status("service-count-low", **EXCHANGE_ON_PRIMARY) == "ok"
    assert shrink(net, space, 40, 29).status("service-count-low", **EXCHANGE_ON_PRIMARY) == "violated"


@pytest.mark.parametrize(("usual", "status"), [(4, "ok"), (5, "violated")])
def test_a_few_routes_are_judged_by_their_minimum_only(space: Space, usual: int, status: str):
    net = shrink(serving(space, usual), space, usual, 1)
    assert net.status("service-count-low", **EXCHANGE_ON_PRIMARY) == status


def test_a_service_may_lose_more_than_others(space: Space):
    sharepoint = {**PRIMARY, "ms_service": "sharepoint-online"}
    net = serving(space, 5).microsoft_withdraws("chicago-primary", *space.many(205)[125:])
    assert net.status("service-count-low", **sharepoint) == "ok", "40 % of 200"
    net.microsoft_withdraws("chicago-primary", *space.many(205)[84:125])
    assert net.status("service-count-low", **sharepoint) == "violated"


def test_a_service_that_is_missing_is_not_low_besides(space: Space):
    net = shrink(serving(space, 40), space, 40, 0)
    assert net.status("service-count-low", **EXCHANGE_ON_PRIMARY) == "suppressed"
    assert "service-count-low chicago primary exchange-online" not in net.wait(1000).raised()


def test_a_service_is_not_counted_where_communities_are_missing(space: Space):
    net = serving(space, 40)
    for each in SPACES.values():
        net.microsoft_sends("chicago-primary", *each.many(240), each.sharepoint, communities="64500:1")
    assert net.status("service-count-low", **EXCHANGE_ON_PRIMARY) == "unknown"
    assert net.wait(1000).raised("service-count-low") == []


def test_a_service_is_not_counted_before_sync_and_on_best_paths(space: Space):
    net = (
        company(SERVICES).up("edge-1").microsoft_sends("chicago-primary", space.sharepoint, communities=TEAMS)
    )
    assert net.status("service-count-low", **EXCHANGE_ON_PRIMARY) == "unknown"
    net = shrink(serving(space, 40, BEST_PATHS), space, 40, 1)
    assert net.status("service-count-low", **EXCHANGE_ON_PRIMARY) == "unknown"


def test_a_service_of_a_link_that_is_down_is_not_low_besides(space: Space):
    net = serving(space, 40)
    shrink(net, space, 240, 0)
    assert net.status("service-count-low", **EXCHANGE_ON_PRIMARY) == "suppressed"


def test_a_service_without_any_figure_is_no_subject(net: Company):
    assert net.subjects("service-count-low") == []


def test_a_new_level_of_a_service_becomes_usual(space: Space):
    net = shrink(serving(space, 40, "policy: {relearn_after: 1d}"), space, 40, 12)
    net.assert_raised_after(60, "service-count-low", **EXCHANGE_ON_PRIMARY)
    assert net.wait(24 * HOUR - 60).raised("service-count-low") == []
    assert net.monitor.cleared[0].evidence["cleared_because"] == "learnt: 40 to 12"


# advertised-count-low --------------------------------------------------------------------------------

MUCH = "circuits: {plant: {advertise: {drop_percent: 30}}}"
ON_PLANT = {"circuit": "plant", "link": "primary"}


def advertising(space: Space, prefixes: int, *changes: str) -> Company:
    """Advertise so many prefixes on both links of the plant, for an hour."""
    net = company(PLANT, MUCH, *changes).converge()
    for mirror in ("plant-primary", "plant-secondary"):
        net.announce(mirror, *space.many(prefixes)[1:], path="64500")
    return net.wait(HOUR)


def test_a_link_that_advertises_much_less_than_usual_is_noticed_after_a_minute(space: Space):
    labels = {**ON_PLANT, "family": space.family}
    net = advertising(space, 100).withdraw("plant-primary", *space.many(100)[70:])
    assert net.status("advertised-count-low", **labels) == "ok"
    net.withdraw("plant-primary", space.many(100)[69])
    net.withdraw("plant-primary", space.office)
    finding = net.assert_raised_after(60, "advertised-count-low", **labels)
    assert " instead of the usual " in finding.summary
    assert finding.severity is Severity.WARNING
    net.wait(5).announce("plant-primary", *space.many(100)[69:72], space.office, path="64500")
    net.assert_cleared_after(60, "advertised-count-low", **labels)


def test_a_mirror_is_unknown_while_it_is_down_or_its_link_is_unknown(space: Space):
    labels = {**ON_PLANT, "family": space.family}
    net = advertising(space, 100).down("plant-primary")
    assert net.status("advertised-count-low", **labels) == "unknown"
    net = advertising(space, 100).lose("plant-primary", space.family)
    assert net.status("advertised-count-low", **labels) == "ok", "the mirror alone is asked"
    assert net.down("edge-5").status("advertised-count-low", **labels) == "unknown"


def test_a_missing_required_prefix_is_not_also_a_low_count(space: Space):
    labels = {**ON_PLANT, "family": space.family}
    net = advertising(space, 100, f"circuits: {{plant: {{advertise: {{required: ['{space.office}']}}}}}}")
    for mirror in ("plant-primary", "plant-secondary"):
        net.withdraw(mirror, space.office, *space.many(100)[1:])
    assert net.status("advertised-count-low", **labels) == "suppressed"


def test_a_new_level_of_what_is_advertised_becomes_usual(space: Space):
    labels = {**ON_PLANT, "family": space.family}
    net = advertising(space, 101, "policy: {relearn_after: 1d}")
    for mirror in ("plant-primary", "plant-secondary"):
        net.withdraw(mirror, space.office, *space.many(101)[40:])
    assert net.wait(24 * HOUR - 1).status("advertised-count-low", **labels) == "violated"
    assert net.wait(1).status("advertised-count-low", **labels) == "ok"


def test_a_level_that_only_one_of_two_links_has_does_not(space: Space):
    labels = {**ON_PLANT, "family": space.family}
    net = advertising(space, 101, "policy: {relearn_after: 1d}")
    net.withdraw("plant-primary", space.office, *space.many(101)[40:])
    assert net.wait(72 * HOUR).status("advertised-count-low", **labels) == "violated"


def test_a_link_whose_mirror_is_not_seen_is_not_asked(space: Space):
    labels = {**ON_PLANT, "family": space.family}
    net = advertising(space, 101, "policy: {relearn_after: 1d}")
    net.withdraw("plant-primary", space.office, *space.many(101)[40:]).down("plant-secondary")
    assert net.wait(24 * HOUR - 1).status("advertised-count-low", **labels) == "violated"
    assert net.wait(1).status("advertised-count-low", **labels) == "ok"


def test_no_share_is_no_subject():
    assert company(PLANT).subjects("advertised-count-low") == []
