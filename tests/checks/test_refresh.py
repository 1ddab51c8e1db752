"""Enhanced route refresh (RFC 7313): what is not sent again between the markers is gone."""

from __future__ import annotations

from tests.checks.company import Company, Space, company
from tests.story import MILLISECOND, SETTLE

TIMEOUT = 120.0
PRIMARY = {"circuit": "chicago", "link": "primary"}


def leak(space: Space) -> dict[str, str]:
    return {"pool": "chi", "family": space.family, "feed": "isp-a", "uplink": "isp-a"}


def test_what_is_not_sent_again_is_gone_at_the_end(net: Company, space: Space):
    net.announce("isp-a", space.pool, path="64500").wait(10)
    net.refresh_begins("isp-a").announce("isp-a", space.internet_only, path="64500").wait(5)
    assert net.status("pool-leak", **leak(space)) == "violated"
    net.refresh_ends("isp-a")
    assert net.status("pool-leak", **leak(space)) == "ok"
    net.assert_cleared_after(60, "pool-leak", **leak(space))


def test_what_is_sent_again_stays(net: Company, space: Space):
    net.announce("isp-a", space.pool, path="64500").wait(10)
    net.refresh_begins("isp-a").announce("isp-a", space.pool, space.internet_only, path="64500")
    assert net.refresh_ends("isp-a").wait(600).raised("pool-leak") == [
        f"pool-leak chi {space.family} isp-a isp-a"
    ]


def test_a_route_that_is_withdrawn_and_announced_again_meanwhile_stays(net: Company, space: Space):
    net.announce("isp-a", space.pool, path="64500").refresh_begins("isp-a")
    net.withdraw("isp-a", space.pool).announce("isp-a", space.pool, path="64500").refresh_ends("isp-a")
    assert net.status("pool-leak", **leak(space)) == "violated"


def test_the_feed_stays_in_sync_meanwhile(net: Company, space: Space):
    net.refresh_begins("edge-1").wait(60)
    assert net.status("link-down", **PRIMARY, family=space.family) == "ok"
    net.lose("chicago-primary", space.family)
    net.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)


def test_a_link_whose_routes_are_not_sent_again_is_down(net: Company, space: Space):
    net.refresh_begins("edge-1", space.family).wait(1).refresh_ends("edge-1", space.family)
    net.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)


def test_the_other_family_is_left_alone(net: Company, space: Space):
    other = "ipv6" if space.family == "ipv4" else "ipv4"
    net.refresh_begins("edge-1", other).refresh_ends("edge-1", other).wait(60)
    assert net.status("link-down", **PRIMARY, family=space.family) == "ok"


def test_a_beginning_without_an_end_is_forgotten(net: Company, space: Space):
    net.refresh_begins("edge-1").wait(TIMEOUT).refresh_ends("edge-1").wait(60)
    assert net.status("link-down", **PRIMARY, family=space.family) == "ok"
    net.refresh_begins("edge-1").wait(TIMEOUT - MILLISECOND).refresh_ends("edge-1")
    assert net.status("link-down", **PRIMARY, family=space.family) == "violated"


def test_a_second_beginning_starts_anew(net: Company, space: Space):
    net.refresh_begins("edge-1").bring("chicago-primary", space.family).refresh_begins("edge-1")
    net.refresh_ends("edge-1")
    assert net.status("link-down", **PRIMARY, family=space.family) == "violated"


def test_an_end_without_a_beginning_changes_nothing(net: Company, space: Space):
    assert net.refresh_ends("edge-1").wait(60).status("link-down", **PRIMARY, family=space.family) == "ok"
    starting = company().up("edge-1").refresh_ends("edge-1").wait(60)
    assert starting.status("link-down", **PRIMARY, family=space.family) == "unknown"


def test_a_new_session_forgets_that_the_one_before_was_sending_again(net: Company, space: Space):
    net.refresh_begins("edge-1").down("edge-1").up("edge-1").bring("chicago-primary", space.family)
    net.get_in_sync("edge-1").refresh_ends("edge-1")
    assert net.status("link-down", **PRIMARY, family=space.family) == "ok"


def test_a_reload_in_the_middle_changes_nothing(net: Company, space: Space):
    net.announce("isp-a", space.pool, path="64500").refresh_begins("isp-a").wait(1)
    net.reconfigure(company("policy: {max_drain: 1h}").config)
    net.announce("isp-a", space.internet_only, path="64500").wait(SETTLE).refresh_ends("isp-a")
    assert net.status("pool-leak", **leak(space)) == "ok"


def test_a_refresh_is_no_churn(space: Space):
    net = company("checks: {churn-high: {per_minute: 3}}").converge()
    net.refresh_begins("edge-1").microsoft_sends(
        "chicago-primary", space.exchange, space.sharepoint, path="12076 8075"
    )
    net.refresh_ends("edge-1")
    assert net.status("churn-high", **PRIMARY) == "ok"


# What a reload asks for again ------------------------------------------------------------------------

MORE = "customer: {own_prefixes: [198.51.100.0/24, '2001:db8:100::/40', 198.18.0.0/24, '2001:db8:7700::/40']}"


def asked_again(net: Company) -> Company:
    net.reconfigure(company(MORE).config).wait(1)
    assert ("edge-1", "refresh") in {(request.feed, request.action) for request in net.requests}
    return net


def test_what_a_reload_asks_for_is_there_after_a_quiet_time(net: Company, space: Space):
    asked_again(net).announce("edge-1", space.extra, path="64510 3356").wait(SETTLE - MILLISECOND)
    assert not net.monitor.network.in_sync("edge-1", space.family)
    net.wait(MILLISECOND)
    assert net.monitor.network.in_sync("edge-1", space.family)


def test_the_end_mark_ends_it_at_once_and_a_quiet_time_before_does_not(net: Company, space: Space):
    asked_again(net).refresh_begins("edge-1").bring("chicago-primary", "ipv4", "ipv6").wait(20)
    assert not net.monitor.network.in_sync("edge-1", space.family)
    net.refresh_ends("edge-1")
    net.wait(MILLISECOND)
    assert net.monitor.network.in_sync("edge-1", space.family)


def test_a_router_that_sends_nothing_is_in_sync_after_the_timeout(net: Company, space: Space):
    asked_again(net).wait(TIMEOUT - 1 - MILLISECOND)
    assert not net.monitor.network.in_sync("edge-1", space.family)
    assert net.wait(MILLISECOND).monitor.network.in_sync("edge-1", space.family)
