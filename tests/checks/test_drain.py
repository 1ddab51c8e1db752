"""Maintenance that Microsoft announces by prepending its ASN: ``drain``, ``drain-both``, and the checks that they
suppress.
"""

from __future__ import annotations

import pytest

from ermon.core.monitor import Monitor
from ermon.model.settings import Severity
from tests.checks.company import EXCHANGE, PLANT, SHAREPOINT, SPACES, Company, Space, company
from tests.story import MILLISECOND

DUAL = ("ipv4", "ipv6")
PRIMARY = {"circuit": "chicago", "link": "primary"}
SECONDARY = {"circuit": "chicago", "link": "secondary"}
CHICAGO = {"circuit": "chicago"}

DRAINED = "12076 12076 12076 12076 8075"
GRACEFUL_SHUTDOWN = "65535:0"
MAX_DRAIN = 4 * 3600
WEEK = 7 * 86_400


def prepend(net: Company, link: str, path: str = DRAINED) -> Company:
    """Let Microsoft send its usual routes on a link with another path."""
    for space in SPACES.values():
        net.microsoft_sends(link, space.exchange, path=path, communities=EXCHANGE)
        net.microsoft_sends(link, space.sharepoint, path=path, communities=SHAREPOINT)
    return net


# drain -----------------------------------------------------------------------------------------------


def test_a_link_whose_paths_microsoft_prepends_is_draining_at_once(net: Company):
    prepend(net, "chicago-primary")
    finding = net.assert_raised_after(0, "drain", **PRIMARY)
    assert finding.severity is Severity.INFO
    assert net.wait(1000).raised() == ["drain chicago primary"]
    net.bring("chicago-primary", *DUAL)
    net.assert_cleared_after(60, "drain", **PRIMARY)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("12076 12076 12076 8075", "ok"),
        ("12076 12076 12076 12076", "violated"),
        ("12076 " * 9, "violated"),
        ("64500 64500 12076 12076 12076 12076", "violated"),  # prepended by the company's own routers
        ("23456 12076 12076 12076 12076", "violated"),
        ("(65001) 12076 12076 12076 12076 8075", "violated"),
        ("12076 8075 12076 12076 12076 12076", "ok"),  # not at the head
        ("12076 12076 8075 12076 12076", "ok"),  # not in a row
    ],
)
def test_four_times_in_a_row_at_the_head_is_a_drain(net: Company, path: str, status: str):
    assert prepend(net, "chicago-primary", path).status("drain", **PRIMARY) == status


def test_half_of_the_paths_of_a_family_are_no_drain(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.exchange, path=DRAINED)
    assert net.status("drain", **PRIMARY) == "ok"
    net.microsoft_sends("chicago-primary", space.extra, path=DRAINED)
    assert net.status("drain", **PRIMARY) == "violated"


def test_one_family_that_is_drained_is_enough(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.exchange, space.sharepoint, path=DRAINED)
    finding = net.assert_raised_after(0, "drain", **PRIMARY)
    assert finding.evidence["families"] == [space.family]
    assert finding.evidence["prefixes"] == [space.exchange, space.sharepoint]


def test_graceful_shutdown_is_a_drain_too(net: Company, space: Space):
    shut = f"{EXCHANGE} {GRACEFUL_SHUTDOWN}"
    net.microsoft_sends("chicago-primary", space.exchange, communities=shut)
    assert net.status("drain", **PRIMARY) == "ok"
    net.microsoft_sends("chicago-primary", space.sharepoint, communities=shut)
    net.assert_raised_after(0, "drain", **PRIMARY)
    net.bring("chicago-primary", space.family)
    net.assert_cleared_after(60, "drain", **PRIMARY)


def test_prepends_and_graceful_shutdown_count_together_and_a_path_once(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.extra, space.exchange_part)
    net.microsoft_sends(
        "chicago-primary", space.exchange, path=DRAINED, communities=f"{EXCHANGE} {GRACEFUL_SHUTDOWN}"
    )
    assert net.status("drain", **PRIMARY) == "ok"
    net.microsoft_sends("chicago-primary", space.sharepoint, path=DRAINED)
    assert net.status("drain", **PRIMARY) == "ok"
    net.microsoft_sends("chicago-primary", space.extra, communities=f"{EXCHANGE} {GRACEFUL_SHUTDOWN}")
    assert net.status("drain", **PRIMARY) == "violated"


def test_a_drain_is_of_one_link(net: Company):
    prepend(net, "chicago-primary")
    assert net.status("drain", **SECONDARY) == "ok"
    assert net.status("drain", circuit="dallas", link="primary") == "ok"


def test_a_link_of_private_peering_drains_too(space: Space):
    net = company(PLANT).converge()
    net.microsoft_sends("plant-primary", *(s.vnet for s in SPACES.values()), path=DRAINED, communities="")
    net.assert_raised_after(0, "drain", circuit="plant", link="primary")


def test_the_number_of_repetitions_may_be_another():
    net = company("checks: {drain: {repeats: 2}}").converge()
    assert prepend(net, "chicago-primary", "12076 12076").status("drain", **PRIMARY) == "violated"


def test_a_drain_is_unknown_while_the_link_is_not_seen(net: Company):
    net.down("edge-1")
    assert net.status("drain", **PRIMARY) == "unknown"


def test_a_first_dump_whose_prepended_routes_come_first_is_no_drain(space: Space):
    net = company().up("edge-1")
    net.microsoft_sends("chicago-primary", space.exchange, path=DRAINED)
    assert net.status("drain", **PRIMARY) == "unknown"
    net.microsoft_sends("chicago-primary", space.sharepoint, space.extra).get_in_sync("edge-1")
    assert net.wait(100).told("drain") == []


# What is usual ---------------------------------------------------------------------------------------


def test_the_paths_of_the_first_table_are_usual():
    """The company's own inbound policy prepends on a circuit that is its second choice."""
    net = company().up("edge-1", "edge-2")
    for link in ("chicago-primary", "chicago-secondary"):
        prepend(net, link)
    net.get_in_sync("edge-1", "edge-2").wait(1000)
    assert net.raised("drain", "drain-both") == []
    assert net.status("drain", **PRIMARY) == "ok"


def test_the_first_routes_over_a_link_of_a_feed_in_sync_are_its_first_table(space: Space):
    net = company().reconnect("edge-1")
    net.microsoft_sends("chicago-primary", space.exchange, space.sharepoint, path=DRAINED).wait(100)
    assert net.status("drain", **PRIMARY) == "ok"


def test_a_drain_is_a_number_of_prepends_above_the_usual(space: Space):
    net = company().up("edge-1")
    net.microsoft_sends("chicago-primary", space.exchange, space.sharepoint, path="12076 " * 3)
    net.get_in_sync("edge-1")
    net.microsoft_sends("chicago-primary", space.exchange, space.sharepoint, path="12076 " * 5)
    assert net.status("drain", **PRIMARY) == "ok"
    net.microsoft_sends("chicago-primary", space.exchange, space.sharepoint, path="12076 " * 6)
    assert net.status("drain", **PRIMARY) == "violated"


def test_usual_is_what_more_than_half_of_the_paths_reach(space: Space):
    net = company().up("edge-1")
    net.microsoft_sends("chicago-primary", space.exchange, space.extra, path="12076 12076 8075")
    net.microsoft_sends("chicago-primary", space.sharepoint, path="12076 " * 4)
    net.get_in_sync("edge-1")
    net.microsoft_sends("chicago-primary", space.exchange, path="12076 " * 4)
    assert net.status("drain", **PRIMARY) == "ok"  # four times is two more than usual
    net.microsoft_sends("chicago-primary", space.exchange, space.extra, path="12076 " * 5)
    assert net.status("drain", **PRIMARY) == "violated"


def test_a_lower_number_is_usual_after_ten_minutes(space: Space):
    net = company().up("edge-1")
    net.microsoft_sends("chicago-primary", space.exchange, path=DRAINED)
    net.get_in_sync("edge-1").microsoft_sends("chicago-primary", space.exchange).wait(600 - MILLISECOND)
    net.microsoft_sends("chicago-primary", space.extra, space.sharepoint, path=DRAINED)
    assert net.status("drain", **PRIMARY) == "ok"
    net.microsoft_withdraws("chicago-primary", space.extra, space.sharepoint).wait(600)
    net.microsoft_sends("chicago-primary", space.extra, space.sharepoint, path=DRAINED)
    assert net.status("drain", **PRIMARY) == "violated"


def test_time_without_a_table_does_not_make_a_number_usual(space: Space):
    net = company().up("edge-1")
    net.microsoft_sends("chicago-primary", space.exchange, path=DRAINED)
    net.get_in_sync("edge-1").microsoft_sends("chicago-primary", space.exchange).wait(300)
    net.microsoft_withdraws("chicago-primary", space.exchange).wait(3600)
    net.microsoft_sends("chicago-primary", space.exchange).wait(300 - MILLISECOND)
    net.microsoft_sends("chicago-primary", space.exchange, path=DRAINED)
    assert net.status("drain", **PRIMARY) == "ok"


def test_a_higher_number_is_usual_after_a_week_and_no_drain(space: Space):
    net = prepend(company().converge(), "chicago-primary").wait(WEEK - MILLISECOND)
    assert net.raised("drain", "drain-long") == ["drain chicago primary", "drain-long chicago primary"]
    net.wait(MILLISECOND)
    assert net.status("drain", **PRIMARY) == "ok"
    net.assert_cleared_after(60, "drain", **PRIMARY)
    prepend(net, "chicago-primary", "12076 " * 7)
    assert net.status("drain", **PRIMARY) == "violated"


def test_the_policy_says_after_how_long_a_higher_number_is_usual():
    net = prepend(company("policy: {relearn_after: 1h}").converge(), "chicago-primary")
    assert net.wait(3600).status("drain", **PRIMARY) == "ok"


def test_another_number_has_a_time_of_its_own():
    net = prepend(company("policy: {relearn_after: 1h}").converge(), "chicago-primary").wait(3000)
    prepend(net, "chicago-primary", "12076 " * 5).wait(3000)
    assert net.status("drain", **PRIMARY) == "violated"


def test_a_user_accepts_the_present_number():
    net = prepend(company().converge(), "chicago-primary").wait(60)
    net.accept("drain", **PRIMARY)
    assert net.status("drain", **PRIMARY) == "ok"
    net.assert_cleared_after(0, "drain", **PRIMARY)
    assert net.bring("chicago-primary", *DUAL).wait(600).status("drain", **PRIMARY) == "ok"
    assert prepend(net, "chicago-primary").status("drain", **PRIMARY) == "violated"


def test_the_usual_paths_survive_a_reload(net: Company):
    net.reconfigure(company("policy: {max_drain: 1h}").config)
    assert prepend(net, "chicago-primary").status("drain", **PRIMARY) == "violated"
    assert net.reconfigure(company().config).status("drain", **PRIMARY) == "violated"


# The latch -------------------------------------------------------------------------------------------


def test_a_drained_link_that_goes_down_is_still_draining(net: Company):
    prepend(net, "chicago-primary").wait(60).lose("chicago-primary", *DUAL)
    assert net.wait(1000).raised() == ["drain chicago primary"]
    assert net.status("drain", **PRIMARY) == "violated"
    for family in DUAL:
        assert net.status("link-down", **PRIMARY, family=family) == "suppressed"


def test_a_link_that_was_not_drained_before_it_went_down_is_down(net: Company, space: Space):
    net.lose("chicago-primary", *DUAL)
    assert net.status("drain", **PRIMARY) == "ok"
    net.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)


def test_a_drain_ends_with_routes_that_are_not_prepended(net: Company):
    prepend(net, "chicago-primary").wait(60).lose("chicago-primary", *DUAL).wait(600)
    net.bring("chicago-primary", *DUAL)
    assert net.status("drain", **PRIMARY) == "ok"
    net.assert_cleared_after(60, "drain", **PRIMARY)


def test_prepended_routes_do_not_end_a_drain(net: Company):
    prepend(net, "chicago-primary").wait(60).lose("chicago-primary", *DUAL).wait(600)
    prepend(net, "chicago-primary").wait(600)
    assert net.raised() == ["drain chicago primary"]


def test_after_a_drain_has_ended_a_lost_link_is_down(net: Company, space: Space):
    prepend(net, "chicago-primary").wait(60).bring("chicago-primary", *DUAL).wait(60)
    net.lose("chicago-primary", space.family)
    net.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)


def test_a_link_that_stays_away_longer_than_the_longest_drain_is_down(net: Company, space: Space):
    prepend(net, "chicago-primary").wait(3600).lose("chicago-primary", *DUAL)
    net.wait(MAX_DRAIN - 3600 - MILLISECOND)
    assert net.status("link-down", **PRIMARY, family=space.family) == "suppressed"
    net.wait(MILLISECOND)
    assert net.status("link-down", **PRIMARY, family=space.family) == "violated"
    net.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)
    assert net.wait(600).status("drain", **PRIMARY) == "violated"


def test_the_longest_drain_counts_from_the_drain_of_each_family(net: Company):
    v4, v6 = SPACES["ipv4"], SPACES["ipv6"]
    net.microsoft_sends("chicago-primary", v4.exchange, v4.sharepoint, path=DRAINED).wait(3600)
    net.microsoft_sends("chicago-primary", v6.exchange, v6.sharepoint, path=DRAINED)
    net.lose("chicago-primary", *DUAL).wait(MAX_DRAIN - 3600)
    assert net.status("link-down", **PRIMARY, family="ipv4") == "violated"
    assert net.status("link-down", **PRIMARY, family="ipv6") == "suppressed"


def test_a_family_that_returns_first_does_not_end_the_drain_of_the_other(net: Company):
    """Each family has a session of its own: after the work, one of them comes back first."""
    prepend(net, "chicago-primary").wait(60).lose("chicago-primary", *DUAL).wait(600)
    net.bring("chicago-primary", "ipv4").wait(90)
    assert net.status("drain", **PRIMARY) == "violated"
    assert net.status("link-down", **PRIMARY, family="ipv6") == "suppressed"
    assert net.status("prefix-missing", **PRIMARY) == "suppressed"
    net.bring("chicago-primary", "ipv6")
    net.assert_cleared_after(60, "drain", **PRIMARY)
    assert net.told("link-down") == []


def test_half_of_what_the_link_had_does_not_end_a_drain(net: Company, space: Space):
    prepend(net, "chicago-primary").lose("chicago-primary", *DUAL).wait(600)
    net.bring("chicago-primary", SPACES["ipv6" if space.family == "ipv4" else "ipv4"].family)
    net.microsoft_sends("chicago-primary", space.exchange)
    assert net.status("drain", **PRIMARY) == "violated"
    net.microsoft_sends("chicago-primary", space.sharepoint)
    assert net.status("drain", **PRIMARY) == "ok"


def test_routes_that_go_before_all_are_prepended_do_not_end_the_drain(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.extra, space.exchange_part)
    net.microsoft_sends("chicago-primary", space.exchange, space.sharepoint, space.extra, path=DRAINED)
    assert net.status("drain", **PRIMARY) == "violated"
    net.microsoft_withdraws("chicago-primary", space.exchange, space.sharepoint, space.extra)
    assert net.status("drain", **PRIMARY) == "violated"
    net.microsoft_withdraws("chicago-primary", space.exchange_part)
    assert net.status("link-down", **PRIMARY, family=space.family) == "suppressed"


def test_routes_lost_in_the_minute_before_the_drain_count(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.extra, space.exchange_part).wait(600)
    net.microsoft_withdraws("chicago-primary", space.extra, space.exchange_part).wait(60)
    net.microsoft_sends("chicago-primary", space.exchange, space.sharepoint, path=DRAINED).wait(60)
    net.microsoft_sends("chicago-primary", space.exchange, space.sharepoint)
    assert net.status("drain", **PRIMARY) == "violated"  # two of four are not more than half
    net.microsoft_sends("chicago-primary", space.extra)
    assert net.status("drain", **PRIMARY) == "ok"


def test_for_a_link_that_comes_up_drained_its_first_routes_count_as_before(net: Company, space: Space):
    net.lose("chicago-primary", *DUAL).wait(600)
    net.microsoft_sends("chicago-primary", space.exchange, path=DRAINED)
    net.microsoft_sends("chicago-primary", space.sharepoint, space.extra, path=DRAINED)
    net.microsoft_sends("chicago-primary", space.exchange)
    assert net.status("drain", **PRIMARY) == "violated"
    net.microsoft_sends("chicago-primary", space.sharepoint)
    assert net.status("drain", **PRIMARY) == "ok"


def test_paths_that_are_still_prepended_after_max_drain_stay_raised(net: Company):
    for link in ("chicago-primary", "chicago-secondary"):
        prepend(net, link)
    assert net.wait(3 * MAX_DRAIN).raised() == [
        "drain chicago primary",
        "drain chicago secondary",
        "drain-both chicago",
        "drain-long chicago primary",
        "drain-long chicago secondary",
    ]


def test_a_link_that_goes_down_after_the_longest_drain_is_down(net: Company, space: Space):
    prepend(net, "chicago-primary").wait(MAX_DRAIN + 1).lose("chicago-primary", *DUAL)
    net.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)


def test_the_policy_says_how_long_a_drain_may_last(space: Space):
    net = prepend(company("policy: {max_drain: 10m}").converge(), "chicago-primary")
    net.wait(60).lose("chicago-primary", *DUAL)
    net.assert_raised_after(600 - 60 + 10, "link-down", **PRIMARY, family=space.family)


def test_a_drain_keeps_its_start_when_it_is_seen_again_after_a_lost_feed(net: Company, space: Space):
    prepend(net, "chicago-primary").wait(3600).down("edge-1").wait(3600)
    prepend(net.up("edge-1"), "chicago-primary").get_in_sync("edge-1")
    net.lose("chicago-primary", *DUAL)
    net.wait(MAX_DRAIN - 7200 - 2 - MILLISECOND)
    assert net.status("link-down", **PRIMARY, family=space.family) == "suppressed"
    assert net.wait(MILLISECOND).status("link-down", **PRIMARY, family=space.family) == "violated"


def test_a_new_drain_has_a_time_of_its_own(net: Company, space: Space):
    prepend(net, "chicago-primary").wait(3 * 3600).bring("chicago-primary", *DUAL)
    prepend(net, "chicago-primary").wait(3 * 3600).lose("chicago-primary", *DUAL)
    assert net.wait(600).status("link-down", **PRIMARY, family=space.family) == "suppressed"


# What a drain suppresses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "labels"),
    [
        ("link-down", {**PRIMARY, "family": "ipv4"}),
        ("link-down", {**PRIMARY, "family": "ipv6"}),
        ("service-missing", {**PRIMARY, "ms_service": "exchange-online"}),
        ("prefix-missing", PRIMARY),
        ("prefix-count-low", {**PRIMARY, "family": "ipv4"}),
        ("prefix-count-low", {**PRIMARY, "family": "ipv6"}),
    ],
)
def test_a_drained_link_may_lose_everything(net: Company, check: str, labels: dict[str, str]):
    prepend(net, "chicago-primary").lose("chicago-primary", *DUAL)
    assert net.status(check, **labels) == "suppressed"


def test_a_drained_link_may_differ_from_the_other(net: Company, space: Space):
    prepend(net, "chicago-primary").microsoft_withdraws("chicago-primary", space.sharepoint)
    assert net.status("link-asymmetry", **CHICAGO, family=space.family) == "suppressed"


def test_a_drained_link_may_lose_its_communities(net: Company):
    for space in SPACES.values():
        net.microsoft_sends("chicago-primary", space.exchange, space.sharepoint, path=DRAINED, communities="")
    assert net.status("communities-missing", **PRIMARY) == "suppressed"


def test_a_drain_suppresses_nothing_on_another_link(net: Company, space: Space):
    prepend(net, "chicago-primary").microsoft_withdraws("chicago-secondary", space.exchange)
    assert net.status("prefix-missing", **SECONDARY) == "violated"
    assert net.status("prefix-missing", **PRIMARY) == "ok"


def test_a_drain_suppresses_nothing_that_is_present_and_must_not_be(net: Company, space: Space):
    prepend(net, "chicago-primary").microsoft_sends("chicago-primary", space.default, path=DRAINED)
    net.assert_raised_after(0, "prefix-unexpected", **PRIMARY)


def test_the_last_link_up_makes_the_drain_of_the_other_matter(net: Company, space: Space):
    prepend(net, "chicago-primary").wait(60).lose("chicago-primary", *DUAL).wait(60)
    net.lose("chicago-secondary", *DUAL)
    net.assert_raised_after(5, "circuit-down", **CHICAGO, family=space.family)


def test_while_the_other_link_is_down_a_drain_keeps_nothing_quiet(net: Company, space: Space):
    net.lose("chicago-secondary", *DUAL).wait(60)
    prepend(net, "chicago-primary")
    net.microsoft_withdraws("chicago-primary", space.exchange)
    assert net.status("prefix-missing", **PRIMARY) == "violated"


def test_a_drain_suppresses_nothing_while_the_other_link_is_not_seen(net: Company, space: Space):
    prepend(net, "chicago-primary").lose("chicago-primary", *DUAL).down("edge-2")
    assert net.status("link-down", **PRIMARY, family=space.family) == "violated"


def test_while_the_other_link_drains_too_a_drain_keeps_nothing_quiet(net: Company, space: Space):
    prepend(prepend(net, "chicago-primary"), "chicago-secondary").lose("chicago-primary", *DUAL)
    assert net.status("link-down", **PRIMARY, family=space.family) == "violated"
    net.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)


def test_a_finding_that_was_raised_before_the_drain_stays_raised_and_is_suppressed(
    net: Company, space: Space
):
    net.microsoft_withdraws("chicago-primary", space.exchange).wait(60)
    assert net.finding("prefix-missing", **PRIMARY) is not None
    net.microsoft_sends("chicago-primary", space.sharepoint, path=DRAINED)
    finding = net.finding("prefix-missing", **PRIMARY)
    assert finding is not None
    assert finding.suppressed


def test_a_drain_suppresses_nothing_of_another_family(net: Company, space: Space):
    other = SPACES["ipv6" if space.family == "ipv4" else "ipv4"]
    net.lose("chicago-primary", space.family).wait(10)
    net.microsoft_sends("chicago-primary", other.exchange, other.sharepoint, path=DRAINED)
    finding = net.finding("link-down", **PRIMARY, family=space.family)
    assert finding is not None
    assert not finding.suppressed
    net.microsoft_withdraws("chicago-primary", other.sharepoint)
    assert net.status("prefix-count-low", **PRIMARY, family=other.family) == "suppressed"
    assert net.status("prefix-missing", **PRIMARY) == "suppressed"  # it has no family


def test_a_link_that_is_up_in_another_family_only_does_not_carry_the_drained_one(net: Company, space: Space):
    net.lose("chicago-secondary", space.family).wait(60)
    prepend(net, "chicago-primary").microsoft_withdraws("chicago-primary", space.sharepoint)
    assert net.status("prefix-count-low", **PRIMARY, family=space.family) == "violated"


def test_a_drain_that_is_not_looked_for_suppresses_nothing(space: Space):
    net = company("checks: {drain: {enabled: false}}").converge()
    prepend(net, "chicago-primary").lose("chicago-primary", *DUAL)
    assert net.status("link-down", **PRIMARY, family=space.family) == "violated"


# drain-both ------------------------------------------------------------------------------------------


def test_two_links_that_drain_at_once_are_a_page(net: Company):
    prepend(net, "chicago-primary")
    assert net.status("drain-both", **CHICAGO) == "ok"
    prepend(net, "chicago-secondary")
    finding = net.assert_raised_after(0, "drain-both", **CHICAGO)
    assert finding.severity is Severity.CRITICAL
    assert net.status("drain-both", circuit="dallas") == "ok"
    net.wait(100).bring("chicago-primary", *DUAL)
    net.assert_cleared_after(60, "drain-both", **CHICAGO)


def test_a_link_that_is_away_in_its_drain_counts_when_the_other_drains(net: Company):
    prepend(net, "chicago-primary").wait(60).lose("chicago-primary", *DUAL).wait(600)
    prepend(net, "chicago-secondary")
    net.assert_raised_after(0, "drain-both", **CHICAGO)


def test_one_link_down_and_one_draining_is_not_two_draining(net: Company):
    prepend(net.lose("chicago-primary", *DUAL), "chicago-secondary")
    assert net.status("drain-both", **CHICAGO) == "ok"


def test_two_drains_are_unknown_while_one_of_the_links_is(net: Company):
    prepend(net, "chicago-primary").down("edge-2")
    assert net.status("drain-both", **CHICAGO) == "unknown"
    assert net.down("edge-1").status("drain-both", circuit="dallas") == "ok"


def test_one_link_that_surely_does_not_drain_is_enough(net: Company):
    assert net.down("edge-1").status("drain-both", **CHICAGO) == "ok"


def test_a_family_of_each_link_is_not_both(net: Company):
    v4, v6 = SPACES["ipv4"], SPACES["ipv6"]
    net.microsoft_sends("chicago-primary", v4.exchange, v4.sharepoint, path=DRAINED)
    net.microsoft_sends("chicago-secondary", v6.exchange, v6.sharepoint, path=DRAINED)
    assert net.status("drain-both", **CHICAGO) == "ok"
    net.microsoft_sends("chicago-secondary", v4.exchange, v4.sharepoint, path=DRAINED)
    finding = net.assert_raised_after(0, "drain-both", **CHICAGO)
    assert finding.evidence["families"] == ["ipv4"]


def test_both_links_of_private_peering_may_drain(space: Space):
    net = company(PLANT).converge()
    for link in ("plant-primary", "plant-secondary"):
        net.microsoft_sends(link, *(s.vnet for s in SPACES.values()), path=DRAINED, communities="")
    net.assert_raised_after(0, "drain-both", circuit="plant")


# A restart -------------------------------------------------------------------------------------------


def restarted(net: Company, off: float, *silent: str) -> Company:
    """ermon was off for so many seconds; then its feeds come up, and all but some of the links have their routes."""
    after = company()
    after.now = net.now + off
    findings, drains = net.monitor.findings(), net.monitor.drains()
    after.monitor = Monitor(net.config, after.now, findings, net.monitor.cleared, drains=drains)
    after.up(*net.config.feeds)
    for link in net.config.links:
        if (name := f"{link.circuit}-{link.name}") not in silent:
            after.bring(name, *link.families)
    return after.get_in_sync(*net.config.feeds)


def test_a_restart_in_the_middle_of_the_work_does_not_raise_link_down(net: Company):
    prepend(net, "chicago-primary").wait(60).lose("chicago-primary", *DUAL).wait(600)
    after = restarted(net, 30, "chicago-primary").wait(1000)
    assert after.raised("link-down", "drain") == ["drain chicago primary"]
    for family in DUAL:
        assert after.status("link-down", **PRIMARY, family=family) == "suppressed"


def test_a_restart_does_not_start_max_drain_again(net: Company, space: Space):
    prepend(net, "chicago-primary").wait(60).lose("chicago-primary", *DUAL).wait(540)
    after = restarted(net, 3000, "chicago-primary")
    after.wait(MAX_DRAIN - 600 - 3000 - 2 - MILLISECOND)
    assert after.status("link-down", **PRIMARY, family=space.family) == "suppressed"
    after.wait(MILLISECOND)
    assert after.status("link-down", **PRIMARY, family=space.family) == "violated"


def test_a_drain_that_ended_while_ermon_was_off_is_over(net: Company, space: Space):
    prepend(net, "chicago-primary").wait(60).lose("chicago-primary", *DUAL).wait(600)
    after = restarted(net, 30)
    assert after.status("drain", **PRIMARY) == "ok"
    assert [drain for drain in after.monitor.drains().values() if drain.since is not None] == []
    after.lose("chicago-primary", space.family)
    after.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)


def test_a_link_that_did_not_drain_before_a_restart_is_down_after_it(net: Company, space: Space):
    after = restarted(net.lose("chicago-primary", *DUAL), 30, "chicago-primary")
    after.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)


def test_the_usual_paths_survive_a_restart(net: Company):
    after = restarted(net, 30, "chicago-primary")
    assert prepend(after, "chicago-primary").status("drain", **PRIMARY) == "violated"


def test_the_families_of_a_drain_survive_a_restart(net: Company, space: Space):
    other = "ipv6" if space.family == "ipv4" else "ipv4"
    net.microsoft_sends("chicago-primary", space.exchange, space.sharepoint, path=DRAINED).wait(60)
    after = restarted(net.lose("chicago-primary", *DUAL), 30, "chicago-primary")
    assert after.status("link-down", **PRIMARY, family=space.family) == "suppressed"
    assert after.status("link-down", **PRIMARY, family=other) == "violated"
    after.bring("chicago-primary", other).microsoft_sends("chicago-primary", space.exchange)
    assert after.status("drain", **PRIMARY) == "violated"  # one of two is not more than half


# drain-long ------------------------------------------------------------------------------------------


def test_a_drain_that_lasts_longer_than_max_drain_is_raised(net: Company, space: Space):
    prepend(net, "chicago-primary").wait(MAX_DRAIN - MILLISECOND)
    assert net.status("drain-long", **PRIMARY) == "ok"
    finding = net.assert_raised_after(MILLISECOND, "drain-long", **PRIMARY)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["prefixes"]
    net.bring("chicago-primary", space.family).wait(600)
    assert net.status("drain-long", **PRIMARY) == "violated"  # the other family still drains
    net.bring("chicago-primary", *DUAL)
    net.assert_cleared_after(60, "drain-long", **PRIMARY)


def test_a_long_drain_suppresses_nothing(net: Company, space: Space):
    prepend(net, "chicago-primary").wait(MAX_DRAIN)
    net.microsoft_withdraws("chicago-primary", space.exchange)
    assert net.status("drain", **PRIMARY) == "violated"
    net.assert_raised_after(60, "prefix-missing", **PRIMARY)


def test_a_link_that_is_down_suppresses_its_other_findings(net: Company, space: Space):
    prepend(net, "chicago-primary").wait(60).lose("chicago-primary", space.family).wait(MAX_DRAIN)
    assert net.status("drain-long", **PRIMARY) == "suppressed"
    assert net.raised("link-down") == [f"link-down chicago primary {space.family}"]


def test_a_long_drain_is_unknown_while_the_link_is_not_seen(net: Company):
    net.down("edge-1")
    assert net.status("drain-long", **PRIMARY) == "unknown"


# drain-not-followed ----------------------------------------------------------------------------------


def preferred(net: Company, link: str, preference: int | None, path: str = "12076") -> Company:
    """Let the router of a link send Microsoft's usual routes there with this LOCAL_PREF."""
    for space in SPACES.values():
        net.microsoft_sends(link, space.exchange, communities=EXCHANGE, preference=preference, path=path)
        net.microsoft_sends(link, space.sharepoint, communities=SHAREPOINT, preference=preference, path=path)
    return net


@pytest.mark.parametrize(
    ("primary", "secondary", "status"),
    [
        (200, 100, "violated"),
        (100, 100, "ok"),
        (100, 200, "ok"),  # the traffic uses the other link anyway
        (None, 100, "unknown"),
        (200, None, "unknown"),
    ],
)
def test_a_router_that_prefers_the_draining_link_does_not_follow(
    net: Company, primary: int | None, secondary: int | None, status: str
):
    preferred(net, "chicago-secondary", secondary)
    preferred(net, "chicago-primary", primary, DRAINED)
    assert net.status("drain-not-followed", **PRIMARY) == status
    assert net.status("drain-not-followed", **SECONDARY) == "ok"


def test_a_drain_that_is_not_followed_is_raised_after_a_minute(net: Company):
    preferred(net, "chicago-secondary", 100)
    preferred(net, "chicago-primary", 200, DRAINED)
    finding = net.assert_raised_after(60, "drain-not-followed", **PRIMARY)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["families"] == ["ipv4", "ipv6"]
    preferred(net, "chicago-primary", 50, DRAINED)
    net.assert_cleared_after(60, "drain-not-followed", **PRIMARY)


def test_half_of_the_prefixes_that_both_have_is_not_more_than_half(net: Company, space: Space):
    preferred(net, "chicago-secondary", 100)
    preferred(net, "chicago-primary", 100, DRAINED)
    net.microsoft_sends("chicago-primary", space.exchange, path=DRAINED, preference=200)
    net.microsoft_sends("chicago-primary", space.extra, path=DRAINED, preference=200)
    assert net.status("drain-not-followed", **PRIMARY) == "ok"  # the other link does not have the third one
    net.microsoft_sends("chicago-secondary", space.extra, preference=100)
    assert net.status("drain-not-followed", **PRIMARY) == "violated"


def test_a_missing_local_preference_that_decides_nothing_is_no_matter(net: Company, space: Space):
    preferred(net, "chicago-secondary", 100)
    preferred(net, "chicago-primary", 200, DRAINED)
    net.microsoft_sends("chicago-primary", space.extra, path=DRAINED, preference=None)
    net.microsoft_sends("chicago-secondary", space.extra, preference=100)
    assert net.status("drain-not-followed", **PRIMARY) == "violated"


def test_while_no_other_link_can_carry_the_traffic_nothing_has_to_follow(net: Company):
    preferred(net, "chicago-secondary", 100, DRAINED)
    preferred(net, "chicago-primary", 200, DRAINED)
    assert net.status("drain-not-followed", **PRIMARY) == "ok"
    preferred(net, "chicago-secondary", 100)
    assert net.status("drain-not-followed", **PRIMARY) == "violated"
    net.lose("chicago-secondary", *DUAL)
    assert net.status("drain-not-followed", **PRIMARY) == "ok"


def test_whether_a_drain_is_followed_is_unknown_while_the_other_link_is_not_seen(net: Company):
    preferred(net, "chicago-secondary", 100)
    preferred(net, "chicago-primary", 200, DRAINED)
    net.down("edge-2")
    assert net.status("drain-not-followed", **PRIMARY) == "unknown"


def test_routers_of_two_asns_have_no_local_preference_in_common():
    net = company("feeds: {edge-2: {peer_asn: 64999, local_asn: 64999}}").converge()
    preferred(net, "chicago-secondary", 100)
    preferred(net, "chicago-primary", 200, DRAINED)
    assert net.status("drain-not-followed", **PRIMARY) == "unknown"


def test_a_window_on_the_link_does_not_cover_that_its_traffic_stays():
    window = "{circuit: chicago, link: primary, from: 2026-11-18T00:00:00Z, to: 2026-11-19T00:00:00Z, reason: work}"
    net = company(f"maintenance: [{window}]").converge()
    preferred(net, "chicago-secondary", 100)
    preferred(net, "chicago-primary", 200, DRAINED)
    net.assert_raised_after(60, "drain-not-followed", **PRIMARY)


# drain-would-not-be-followed -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("primary", "secondary", "status"),
    [(200, 100, "violated"), (100, 200, "violated"), (100, 100, "ok"), (100, None, "unknown")],
)
def test_links_with_different_preferences_will_not_follow_a_drain(
    net: Company, space: Space, primary: int, secondary: int | None, status: str
):
    preferred(preferred(net, "chicago-primary", primary), "chicago-secondary", secondary)
    assert net.status("drain-would-not-be-followed", **CHICAGO, family=space.family) == status


def test_a_preference_that_would_outweigh_a_drain_is_raised_without_a_drain(net: Company, space: Space):
    preferred(preferred(net, "chicago-primary", 200), "chicago-secondary", 100)
    about = {**CHICAGO, "family": space.family}
    finding = net.assert_raised_after(300, "drain-would-not-be-followed", **about)
    assert finding.severity is Severity.INFO
    preferred(net, "chicago-primary", 200, DRAINED)
    assert net.status("drain-would-not-be-followed", **about) == "unknown"
    preferred(net, "chicago-primary", 100)
    net.assert_cleared_after(300, "drain-would-not-be-followed", **about)


def test_one_link_alone_has_nothing_to_differ_from(net: Company, space: Space):
    preferred(preferred(net, "chicago-primary", 200), "chicago-secondary", 100)
    net.lose("chicago-secondary", space.family)
    assert net.status("drain-would-not-be-followed", **CHICAGO, family=space.family) == "ok"


def test_preferences_are_unknown_while_a_link_is_not_seen(net: Company, space: Space):
    preferred(preferred(net, "chicago-primary", 200), "chicago-secondary", 100).down("edge-2")
    assert net.status("drain-would-not-be-followed", **CHICAGO, family=space.family) == "unknown"
