"""One cause is one finding: what larger findings, maintenance and the configuration suppress."""

from __future__ import annotations

import pytest

from ermon.model.settings import Severity
from tests.checks.company import EXCHANGE, SPACES, TEAMS, Company, Space, company
from tests.story import MILLISECOND

DUAL = ("ipv4", "ipv6")
PRIMARY = {"circuit": "chicago", "link": "primary"}
ISP_A = {"feed": "isp-a", "uplink": "isp-a"}


def lose_chicago(net: Company, *families: str) -> Company:
    return net.lose("chicago-primary", *families).lose("chicago-secondary", *families)


# Larger findings -------------------------------------------------------------------------------------


def test_the_only_pool_of_a_mirror_that_is_withdrawn_is_one_finding(net: Company, space: Space):
    net.withdraw("chicago-primary", space.pool)
    assert net.status("feed-empty", feed="chicago-primary", family=space.family) == "suppressed"
    assert net.status("advertised-asymmetry", circuit="chicago", family=space.family) == "suppressed"
    assert net.wait(1000).raised() == [f"pool-not-advertised chi {space.family} chicago primary"]


def test_a_pool_that_is_not_advertised_explains_nothing_on_other_links_circuits_and_feeds(
    net: Company, space: Space
):
    net.withdraw("chicago-primary", space.pool).announce("dallas-primary", space.own_other)
    net.withdraw("isp-a", space.internet_only)
    assert net.status("advertised-asymmetry", circuit="dallas", family=space.family) == "violated"
    assert net.status("feed-empty", feed="isp-a", family=space.family, uplink="isp-a") == "violated"
    assert net.status("feed-empty", feed="chicago-secondary", family=space.family) == "ok"


def test_a_lost_circuit_is_one_finding(net: Company, space: Space):
    lose_chicago(net, space.family).wait(1000)
    # That the region now depends on the other circuit is another matter than the loss.
    assert net.raised() == [f"circuit-down chicago {space.family}", "geo-not-redundant us microsoft"]


def test_a_circuit_that_is_lost_in_both_families_is_one_finding_each(net: Company):
    lose_chicago(net, *DUAL).wait(59)
    assert net.raised() == ["circuit-down chicago ipv4", "circuit-down chicago ipv6"]


def test_a_lost_link_is_one_finding(net: Company):
    net.lose("chicago-primary", *DUAL).wait(1000)
    assert net.raised() == ["link-down chicago primary ipv4", "link-down chicago primary ipv6"]


@pytest.mark.parametrize(
    ("check", "labels"),
    [
        ("service-missing", {**PRIMARY, "ms_service": "exchange-online"}),
        ("prefix-missing", PRIMARY),
        ("prefix-count-low", {**PRIMARY, "family": "ipv4"}),
        ("prefix-count-low", {**PRIMARY, "family": "ipv6"}),
    ],
)
def test_findings_about_a_lost_links_routes_are_suppressed_from_the_first_moment(
    net: Company, check: str, labels: dict[str, str]
):
    net.lose("chicago-primary", *DUAL)
    assert net.status(check, **labels) == "suppressed"
    assert net.raised() == []


def test_a_lost_link_suppresses_nothing_on_another_link(net: Company):
    net.lose("chicago-primary", *DUAL)
    net.microsoft_withdraws("chicago-secondary", *(s.exchange for s in SPACES.values()))
    assert net.wait(1000).raised("prefix-missing", "service-missing") == [
        "prefix-missing chicago secondary",
        "service-missing chicago secondary exchange-online",
    ]


def test_when_one_link_of_a_lost_circuit_returns_the_other_link_is_raised(net: Company, space: Space):
    lose_chicago(net, space.family).wait(100)
    net.bring("chicago-secondary", space.family)
    net.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)
    net.assert_cleared_after(20, "circuit-down", circuit="chicago", family=space.family)


def test_a_link_that_was_raised_before_its_circuit_stays_raised_and_clears_as_usual(
    net: Company, space: Space
):
    net.lose("chicago-primary", space.family).wait(60)
    net.lose("chicago-secondary", space.family).wait(5)
    assert net.raised() == [
        f"circuit-down chicago {space.family}",
        f"link-down chicago primary {space.family}",
    ]
    link = net.finding("link-down", **PRIMARY, family=space.family)
    assert link is not None
    assert link.suppressed
    net.bring("chicago-primary", space.family)
    net.assert_cleared_after(30, "link-down", **PRIMARY, family=space.family)


def test_a_cause_suppresses_until_it_is_violated_no_longer(net: Company):
    """It does not suppress until its finding is cleared, which is half a minute later."""
    net.lose("chicago-primary", *DUAL).wait(100)
    for space in SPACES.values():
        net.microsoft_sends("chicago-primary", space.sharepoint)
    assert net.raised("link-down") == ["link-down chicago primary ipv4", "link-down chicago primary ipv6"]
    assert net.status("prefix-missing", **PRIMARY) == "violated"
    net.assert_raised_after(60, "prefix-missing", **PRIMARY)


def test_a_violation_that_a_cause_interrupts_starts_again(net: Company):
    net.microsoft_withdraws("chicago-primary", *(s.exchange for s in SPACES.values())).wait(50)
    for space in SPACES.values():
        net.microsoft_withdraws("chicago-primary", space.sharepoint)
    net.wait(5)
    for space in SPACES.values():
        net.microsoft_sends("chicago-primary", space.sharepoint)
    net.assert_raised_after(60, "prefix-missing", **PRIMARY)


def test_a_suppressed_cause_still_suppresses(net: Company, space: Space):
    lose_chicago(net, space.family)
    assert net.status("link-down", **PRIMARY, family=space.family) == "suppressed"
    assert net.status("prefix-missing", **PRIMARY) == "suppressed"
    assert net.status("prefix-count-low", **PRIMARY, family=space.family) == "suppressed"


def test_suppressed_replaces_violated_only(net: Company, space: Space):
    net.down("edge-2")
    net.lose("chicago-primary", space.family)
    assert net.status("link-asymmetry", circuit="chicago", family=space.family) != "suppressed"
    assert net.status("prefix-missing", circuit="chicago", link="secondary") == "unknown"


def test_a_check_that_is_switched_off_neither_reports_nor_suppresses(space: Space):
    net = company("checks: {circuit-down: {enabled: false}}").converge()
    lose_chicago(net, space.family).wait(10)
    assert net.subjects("circuit-down") == []
    assert net.raised() == [
        f"link-down chicago primary {space.family}",
        f"link-down chicago secondary {space.family}",
    ]


def test_without_link_down_its_consequences_are_raised_themselves():
    net = company("checks: {link-down: {enabled: false}}").converge()
    net.lose("chicago-primary", *DUAL).wait(60)
    assert net.raised() == [
        "prefix-count-low chicago primary ipv4",
        "prefix-count-low chicago primary ipv6",
        "prefix-missing chicago primary",
        "service-missing chicago primary exchange-online",
    ]


def test_a_lost_circuit_suppresses_what_its_links_no_longer_bring():
    net = company("checks: {link-down: {enabled: false}}").converge()
    lose_chicago(net, *DUAL).wait(1000)
    assert net.raised() == [
        "circuit-down chicago ipv4",
        "circuit-down chicago ipv6",
        "geo-not-redundant us microsoft",
    ]


def test_no_finding_suppresses_a_leak(net: Company, space: Space):
    lose_chicago(net, *DUAL)
    net.announce("isp-a", space.pool)
    net.assert_raised_after(0, "pool-leak", pool="chi", family=space.family, **ISP_A)


def test_lost_redundancy_of_the_geo_is_raised_beside_the_lost_circuit(net: Company):
    lose_chicago(net, *DUAL).wait(60)
    assert "geo-not-redundant us microsoft" in net.raised()


# Maintenance -----------------------------------------------------------------------------------------


def window(where: str) -> str:
    """Maintenance from 100 s to 700 s of the story."""
    times = "from: 2026-11-18T11:08:20Z, to: 2026-11-18T11:18:20Z"
    return f"maintenance: [{{{where}, {times}, reason: provider works}}]"


LINK_WINDOW = window("circuit: chicago, link: primary")
CIRCUIT_WINDOW = window("circuit: chicago")
FEED_WINDOW = window("feed: isp-a")
BEGINS, ENDS = 100, 700


def at(net: Company, clock: float) -> Company:
    return net.wait(clock - net.clock)


def test_a_link_that_is_lost_in_a_window_is_suppressed(space: Space):
    net = at(company(LINK_WINDOW).converge(), 200).lose("chicago-primary", space.family)
    assert net.status("link-down", **PRIMARY, family=space.family) == "suppressed"
    net.wait(300).bring("chicago-primary", space.family).wait(1000)
    assert net.told() == []


def test_a_violation_that_outlasts_its_window_is_raised_after_its_end(space: Space):
    net = at(company(LINK_WINDOW).converge(), 200).lose("chicago-primary", space.family)
    at(net, ENDS)
    net.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)


def test_a_violation_just_before_the_window_is_suppressed_by_it(space: Space):
    net = at(company(LINK_WINDOW).converge(), BEGINS - 10 + MILLISECOND).lose("chicago-primary", space.family)
    assert at(net, BEGINS).status("link-down", **PRIMARY, family=space.family) == "suppressed"
    assert at(net, ENDS).told() == []


def test_a_check_without_raise_after_is_raised_at_the_end_of_its_window(space: Space):
    net = at(company(LINK_WINDOW).converge(), 200).announce("chicago-primary", space.default)
    assert at(net, ENDS - MILLISECOND).told() == []
    assert net.wait(1).told() == ["700.0 raised advertised-default chicago primary"]


def test_a_finding_that_was_raised_before_the_window_stays_and_clears_as_usual(space: Space):
    net = at(company(LINK_WINDOW).converge(), 50).lose("chicago-primary", space.family)
    finding = at(net, 300).finding("link-down", **PRIMARY, family=space.family)
    assert finding is not None
    assert finding.suppressed
    net.bring("chicago-primary", space.family)
    net.assert_cleared_after(30, "link-down", **PRIMARY, family=space.family)


def test_a_window_on_a_link_covers_that_link_only(space: Space):
    net = at(company(LINK_WINDOW).converge(), 200).lose("chicago-secondary", space.family)
    assert net.wait(10).raised() == [f"link-down chicago secondary {space.family}"]


def test_a_window_on_a_link_covers_every_check_of_the_link(space: Space):
    net = at(company(LINK_WINDOW).converge(), 200)
    net.withdraw("chicago-primary", space.pool).announce("chicago-primary", space.private, space.default)
    net.microsoft_sends("chicago-primary", space.default)
    assert net.status("pool-not-advertised", pool="chi", family=space.family, **PRIMARY) == "suppressed"
    for check in ("advertised-not-public", "advertised-default", "prefix-unexpected"):
        assert net.status(check, **PRIMARY) == "suppressed"


def test_checks_of_a_whole_circuit_need_a_window_on_the_circuit(space: Space):
    net = lose_chicago(at(company(LINK_WINDOW).converge(), 200), space.family).wait(5)
    assert net.raised() == [f"circuit-down chicago {space.family}"]
    net = lose_chicago(at(company(CIRCUIT_WINDOW).converge(), 200), space.family)
    assert net.wait(400).told() == ["260.0 raised geo-not-redundant us microsoft"], "no window covers that"


def test_a_window_on_a_circuit_covers_its_links(space: Space):
    net = at(company(CIRCUIT_WINDOW).converge(), 200).lose("chicago-secondary", space.family)
    assert net.wait(400).told() == []
    assert net.lose("dallas-primary", space.family).wait(10).raised() == [
        f"link-down dallas primary {space.family}"
    ]


def test_a_window_on_a_circuit_covers_its_asymmetry(space: Space):
    net = at(company(CIRCUIT_WINDOW).converge(), 200)
    net.microsoft_sends("chicago-primary", space.extra, communities=TEAMS)
    assert net.status("link-asymmetry", circuit="chicago", family=space.family) == "suppressed"


def test_no_window_covers_the_redundancy_of_a_geo():
    both = CIRCUIT_WINDOW.replace("]", "") + ", " + window("circuit: dallas").removeprefix("maintenance: [")
    net = lose_chicago(at(company(both).converge(), 200), *DUAL)
    net.assert_raised_after(60, "geo-not-redundant", geo="us", peering="microsoft")


def test_a_window_on_a_feed_covers_ermons_sight_of_it():
    net = at(company(FEED_WINDOW).converge(), 200).down("isp-a")
    assert net.status("feed-down", **ISP_A) == "suppressed"
    net.lose_messages("isp-a")
    assert at(net, ENDS - MILLISECOND).raised() == []
    net.wait(MILLISECOND)
    net.assert_raised_after(30, "feed-down", **ISP_A)


def test_a_window_on_a_circuit_does_not_cover_its_feeds():
    net = at(company(CIRCUIT_WINDOW).converge(), 200).down("chicago-primary", "edge-1").wait(30)
    assert net.raised() == ["feed-down chicago-primary", "feed-down edge-1"]


@pytest.mark.parametrize("where", [FEED_WINDOW, CIRCUIT_WINDOW])
def test_no_window_covers_a_leak_on_a_feed(space: Space, where: str):
    net = at(company(where).converge(), 200).announce("isp-a", space.pool, space.exchange)
    net.assert_raised_after(0, "pool-leak", pool="chi", family=space.family, **ISP_A)
    net.assert_raised_after(0, "microsoft-leaked", **ISP_A)


def test_a_link_in_a_window_still_suppresses_its_consequences():
    net = at(company(LINK_WINDOW).converge(), 200).lose("chicago-primary", *DUAL)
    assert net.status("prefix-missing", **PRIMARY) == "suppressed"
    assert at(net, ENDS).wait(1000).raised() == [
        "link-down chicago primary ipv4",
        "link-down chicago primary ipv6",
    ]


# The configuration's own words -----------------------------------------------------------------------


def test_severity_and_times_of_a_check_may_be_changed(space: Space):
    net = company("checks: {link-down: {severity: critical, raise_after: 3s, clear_after: 7s}}").converge()
    net.lose("chicago-primary", space.family)
    finding = net.assert_raised_after(3, "link-down", **PRIMARY, family=space.family)
    assert finding.severity is Severity.CRITICAL
    net.wait(5).bring("chicago-primary", space.family)
    net.assert_cleared_after(7, "link-down", **PRIMARY, family=space.family)


def test_a_check_may_raise_and_clear_at_once(space: Space):
    net = company("checks: {prefix-missing: {raise_after: 0s, clear_after: 0s}}").converge().wait(3)
    net.microsoft_withdraws("chicago-primary", space.exchange)
    net.microsoft_sends("chicago-primary", space.exchange, communities=EXCHANGE)
    assert net.told("prefix-missing") == [
        "5.0 raised prefix-missing chicago primary",
        "5.0 cleared prefix-missing chicago primary",
    ]


def test_a_finding_that_the_configuration_no_longer_asks_about_is_cleared_for_that_reason(
    net: Company, space: Space
):
    net.announce("isp-a", space.pool).wait(5)
    net.reconfigure(company("checks: {pool-leak: {enabled: false}}").config)
    finding = net.assert_cleared_after(0, "pool-leak", pool="chi", family=space.family, **ISP_A)
    assert "configuration" in str(finding.evidence)


def test_a_finding_that_the_configuration_still_has_stays_raised(net: Company, space: Space):
    net.announce("isp-a", space.pool).wait(5)
    net.reconfigure(company("nat_pools: {dal: {use: inbound}}").config).wait(1000)
    assert net.told() == [f"2.0 raised pool-leak chi {space.family} isp-a isp-a"]


@pytest.mark.parametrize("check", ["link-down", "pool-leak", "feed-down", "advertised-default"])
def test_a_check_that_is_switched_off_has_no_subject(check: str):
    assert company(f"checks: {{{check}: {{enabled: false}}}}").subjects(check) == []


@pytest.mark.parametrize("where", ["router: edge-1", "feed: edge-1"])
def test_a_router_in_work_is_not_missed(where: str):
    net = at(company(window(where)).converge(), 200).down("edge-1")
    assert net.status("feed-down", feed="edge-1") == "suppressed"
    assert at(net, ENDS - MILLISECOND).raised("feed-down") == []


def test_work_on_the_routers_of_both_links_explains_that_the_circuit_is_down(space: Space):
    both = (
        window("router: edge-1").replace("]", "")
        + ", "
        + window("router: edge-2").removeprefix("maintenance: [")
    )
    net = lose_chicago(at(company(both).converge(), 200), space.family)
    assert net.status("circuit-down", circuit="chicago", family=space.family) == "suppressed"
    net.announce("isp-a", space.pool, path="64500")
    assert net.raised("pool-leak") == [f"pool-leak chi {space.family} isp-a isp-a"]
    at(net, ENDS)
    net.assert_raised_after(5, "circuit-down", circuit="chicago", family=space.family)


# Exceptions ------------------------------------------------------------------------------------------

ASYMMETRY = "exceptions: [{check: link-asymmetry, circuit: chicago, reason: longer prefixes by design}]"


def test_an_excepted_subject_is_suppressed_permanently_with_its_reason(space: Space):
    net = company(ASYMMETRY).converge()
    net.microsoft_sends("chicago-primary", space.extra).microsoft_sends("dallas-primary", space.extra).wait(
        1000
    )
    assert net.status("link-asymmetry", circuit="chicago", family=space.family) == "suppressed"
    assert net.raised("link-asymmetry") == [f"link-asymmetry dallas {space.family}"]
    [chicago] = [
        alarm
        for alarm in net.monitor.statuses()
        if alarm.key == ("link-asymmetry", (("circuit", "chicago"), ("family", space.family)))
    ]
    assert net.monitor.suppressed_because(chicago) == "exception: longer prefixes by design"


def test_an_exception_ends_with_its_date_and_then_raise_after_starts(space: Space):
    ends = ASYMMETRY.replace("}]", ", until: '2026-11-18T11:16:40Z'}]")
    net = company(ends).converge().microsoft_sends("chicago-primary", space.extra)
    at(net, 600 - MILLISECOND)
    assert net.status("link-asymmetry", circuit="chicago", family=space.family) == "suppressed"
    net.wait(MILLISECOND)
    net.assert_raised_after(60, "link-asymmetry", circuit="chicago", family=space.family)


def test_a_finding_from_before_the_exception_stays_raised_and_clears_as_usual(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.extra).wait(100)
    net.reconfigure(company(ASYMMETRY).config)
    finding = net.finding("link-asymmetry", circuit="chicago", family=space.family)
    assert finding is not None
    assert (finding.suppressed, finding.suppressed_because) == (True, "exception: longer prefixes by design")
    net.microsoft_withdraws("chicago-primary", space.extra)
    net.assert_cleared_after(60, "link-asymmetry", circuit="chicago", family=space.family)


def test_a_cause_that_is_excepted_still_keeps_its_effects_quiet(space: Space):
    excepted = "exceptions: [{check: link-down, circuit: chicago, link: primary, reason: not built yet}]"
    net = company(excepted).converge().lose("chicago-primary", *DUAL).wait(1000)
    assert net.raised() == []
    assert net.status("link-down", **PRIMARY, family=space.family) == "suppressed"
    assert net.status("service-missing", **PRIMARY, ms_service="exchange-online") == "suppressed"
    net.lose("chicago-secondary", space.family)
    net.assert_raised_after(5, "circuit-down", circuit="chicago", family=space.family)
