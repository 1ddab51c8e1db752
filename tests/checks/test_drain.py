"""Maintenance that Microsoft announces by prepending its ASN: ``drain``, ``drain-both``, and what they quiet."""

from __future__ import annotations

import pytest

from ermon.core.monitor import Monitor
from ermon.model.inventory import Severity
from tests.checks.company import EXCHANGE, PLANT, SHAREPOINT, SPACES, Company, Space, company
from tests.story import MILLISECOND

DUAL = ("ipv4", "ipv6")
PRIMARY = {"circuit": "chicago", "link": "primary"}
SECONDARY = {"circuit": "chicago", "link": "secondary"}
CHICAGO = {"circuit": "chicago"}

DRAINED = "12076 12076 12076 12076 8075"
MAX_DRAIN = 4 * 3600


def prepend(net: Company, link: str, path: str = DRAINED) -> Company:
    """Let Microsoft send all that it sends on a link with another path."""
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
        ("64500 64500 12076 12076 12076 12076", "violated"),  # what our own routers put in front
        ("23456 12076 12076 12076 12076", "violated"),
        ("(65001) 12076 12076 12076 12076 8075", "violated"),
        ("12076 8075 12076 12076 12076 12076", "ok"),  # not at the head
        ("12076 12076 8075 12076 12076", "ok"),  # not in a row
    ],
)
def test_four_times_in_a_row_at_the_head_is_a_drain(net: Company, path: str, status: str):
    assert prepend(net, "chicago-primary", path).status("drain", **PRIMARY) == status


def test_half_of_the_paths_are_no_drain(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.exchange, space.sharepoint, path=DRAINED)
    assert net.status("drain", **PRIMARY) == "ok"
    net.microsoft_sends("chicago-primary", space.extra, path=DRAINED)
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


def test_a_drain_is_unknown_while_nobody_sees_the_link(net: Company):
    net.down("edge-1")
    assert net.status("drain", **PRIMARY) == "unknown"


def test_a_first_dump_whose_prepended_routes_come_first_is_no_drain(space: Space):
    net = company().up("edge-1")
    net.microsoft_sends("chicago-primary", space.exchange, path=DRAINED)
    assert net.status("drain", **PRIMARY) == "unknown"
    net.microsoft_sends("chicago-primary", space.sharepoint, space.extra).get_in_sync("edge-1")
    assert net.wait(100).told("drain") == []


def test_a_drain_that_began_before_the_feed_came_up_is_seen_once_it_is_in_sync():
    net = prepend(company().up("edge-1"), "chicago-primary").end_of_rib("edge-1")
    net.assert_raised_after(2, "drain", **PRIMARY)


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
    net.assert_cleared_after(50, "drain", **PRIMARY)


def test_paths_that_are_still_prepended_after_the_longest_drain_are_still_told(net: Company):
    for link in ("chicago-primary", "chicago-secondary"):
        prepend(net, link)
    assert net.wait(3 * MAX_DRAIN).raised() == [
        "drain chicago primary",
        "drain chicago secondary",
        "drain-both chicago",
    ]


def test_a_link_that_goes_down_after_the_longest_drain_is_down(net: Company, space: Space):
    prepend(net, "chicago-primary").wait(MAX_DRAIN + 1).lose("chicago-primary", *DUAL)
    net.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)


def test_the_policy_says_how_long_a_drain_may_last(space: Space):
    net = prepend(company("policy: {max_drain: 10m}").converge(), "chicago-primary")
    net.wait(60).lose("chicago-primary", *DUAL)
    net.assert_raised_after(600 - 60 + 10, "link-down", **PRIMARY, family=space.family)


def test_a_drain_that_is_seen_again_after_a_lost_feed_goes_on_from_its_start(net: Company, space: Space):
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


def test_while_nobody_sees_the_other_link_a_drain_keeps_nothing_quiet(net: Company, space: Space):
    prepend(net, "chicago-primary").lose("chicago-primary", *DUAL).down("edge-2")
    assert net.status("link-down", **PRIMARY, family=space.family) == "violated"


def test_while_the_other_link_drains_too_a_drain_keeps_nothing_quiet(net: Company, space: Space):
    prepend(prepend(net, "chicago-primary"), "chicago-secondary").lose("chicago-primary", *DUAL)
    assert net.status("link-down", **PRIMARY, family=space.family) == "violated"
    net.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)


def test_a_link_that_was_down_before_its_drain_stays_raised_and_is_suppressed(net: Company, space: Space):
    other = SPACES["ipv6" if space.family == "ipv4" else "ipv4"]
    net.lose("chicago-primary", space.family).wait(10)
    net.microsoft_sends("chicago-primary", other.exchange, other.sharepoint, path=DRAINED)
    finding = net.finding("link-down", **PRIMARY, family=space.family)
    assert finding is not None
    assert finding.suppressed


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


def test_both_links_of_private_peering_may_drain(space: Space):
    net = company(PLANT).converge()
    for link in ("plant-primary", "plant-secondary"):
        net.microsoft_sends(link, *(s.vnet for s in SPACES.values()), path=DRAINED, communities="")
    net.assert_raised_after(0, "drain-both", circuit="plant")


# A restart -------------------------------------------------------------------------------------------


def restarted(net: Company, off: float, *silent: str) -> Company:
    """ermon was off for so many seconds; then its feeds come up, and of the links all but some bring their routes."""
    after = company()
    after.now = net.now + off
    findings, drains = net.monitor.findings(), net.monitor.drains()
    after.monitor = Monitor(net.config, after.now, findings, net.monitor.cleared, drains=drains)
    after.up(*net.config.feeds)
    for link in net.config.links:
        if (name := f"{link.circuit}-{link.name}") not in silent:
            after.bring(name, *link.families)
    return after.get_in_sync(*net.config.feeds)


def test_a_restart_in_the_middle_of_the_work_pages_nobody(net: Company):
    prepend(net, "chicago-primary").wait(60).lose("chicago-primary", *DUAL).wait(600)
    after = restarted(net, 30, "chicago-primary").wait(1000)
    assert after.raised("link-down", "drain") == ["drain chicago primary"]
    for family in DUAL:
        assert after.status("link-down", **PRIMARY, family=family) == "suppressed"


def test_a_restart_does_not_begin_the_longest_drain_anew(net: Company, space: Space):
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
    assert after.monitor.drains() == {}
    after.lose("chicago-primary", space.family)
    after.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)


def test_a_link_that_did_not_drain_before_a_restart_is_down_after_it(net: Company, space: Space):
    after = restarted(net.lose("chicago-primary", *DUAL), 30, "chicago-primary")
    after.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)
