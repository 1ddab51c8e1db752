"""Enhanced route refresh (RFC 7313): routes that are not sent again between the markers are gone."""

from __future__ import annotations

from tests.checks.company import Company, Space, company
from tests.story import MILLISECOND, SETTLE

TIMEOUT = 120.0
PRIMARY = {"circuit": "chicago", "link": "primary"}


def leak(space: Space) -> dict[str, str]:
    return {"pool": "chi", "family": space.family, "feed": "isp-a", "uplink": "isp-a"}


def test_routes_that_are_not_sent_again_are_removed_at_the_end(net: Company, space: Space):
    net.announce("isp-a", space.pool, path="64500").wait(10)
    net.refresh_begins("isp-a").announce("isp-a", space.internet_only, path="64500").wait(5)
    assert net.status("pool-leak", **leak(space)) == "violated"
    net.refresh_ends("isp-a")
    assert net.status("pool-leak", **leak(space)) == "ok"
    net.assert_cleared_after(60, "pool-leak", **leak(space))


def test_routes_that_are_sent_again_stay(net: Company, space: Space):
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


def test_a_second_beginning_of_a_refresh_starts_it_again(net: Company, space: Space):
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

NEW = {"ipv4": "198.18.0.0/28", "ipv6": "2001:db8:7700:1::/64"}
MORE = """
customer: {own_prefixes: [198.51.100.0/24, '2001:db8:100::/40', 198.18.0.0/24, '2001:db8:7700::/40']}
nat_pools: {new: {circuit: chicago, prefixes: [198.18.0.0/28, '2001:db8:7700:1::/64']}}
"""
LINKS = (
    "link-down",
    "circuit-down",
    "prefix-missing",
    "service-missing",
    "prefix-count-low",
    "link-asymmetry",
)


def asked_again(net: Company) -> Company:
    net.reconfigure(company(MORE).config).wait(1)
    asked = {request.feed for request in net.requests if request.action == "refresh"}
    assert asked == {"edge-1", "edge-2", "edge-3", "edge-4", "outside"}
    return net


def on_outside(pool: str, space: Space) -> dict[str, str]:
    return {"pool": pool, "family": space.family, "feed": "outside"}


def test_links_stay_in_sync_when_a_reload_asks_for_more(net: Company, space: Space):
    before = {case.key: case.status for case in net.monitor.statuses() if case.subject.check in LINKS}
    asked_again(net)
    after = {case.key: case.status for case in net.monitor.statuses() if case.subject.check in LINKS}
    assert after == before
    net.lose("chicago-primary", space.family)
    net.assert_raised_after(10, "link-down", **PRIMARY, family=space.family)


def test_a_circuit_is_not_unseen_when_a_reload_asks_for_more(net: Company, space: Space):
    asked_again(net).wait(300)
    assert net.told("circuit-unseen", "link-down", "feed-down") == []


def test_only_routes_that_are_requested_again_are_unknown(net: Company, space: Space):
    asked_again(net)
    for check in ("pool-leak", "pool-fallback"):
        assert net.status(check, **on_outside("chi", space)) == "ok"
        assert net.status(check, **on_outside("new", space)) == "unknown"
    assert net.status("prefix-hijacked", family=space.family) == "unknown"
    assert net.status("mirror-disagrees", feed="outside") == "unknown"


def test_it_is_known_after_a_quiet_time(net: Company, space: Space):
    asked_again(net).announce("outside", space.extra, path="64510 3356").wait(SETTLE - MILLISECOND)
    assert net.status("pool-leak", **on_outside("new", space)) == "unknown"
    assert net.wait(MILLISECOND).status("pool-leak", **on_outside("new", space)) == "ok"


def test_each_update_starts_the_quiet_time_again(net: Company, space: Space):
    asked_again(net).announce("outside", space.extra, path="64510 3356").wait(1)
    net.announce("outside", space.extra, path="64510 3356 3356").wait(1)
    assert net.status("pool-leak", **on_outside("new", space)) == "unknown"
    assert net.wait(1).status("pool-leak", **on_outside("new", space)) == "ok"


def test_the_end_mark_ends_it_at_once_and_a_quiet_time_before_does_not(net: Company, space: Space):
    asked_again(net).refresh_begins("outside").announce("outside", space.extra, path="64510 3356").wait(20)
    assert net.status("pool-leak", **on_outside("new", space)) == "unknown"
    net.refresh_ends("outside")
    assert net.status("pool-leak", **on_outside("new", space)) == "ok"


def test_the_end_of_what_began_before_does_not_end_it(net: Company, space: Space):
    asked_again(net.refresh_begins("outside")).refresh_ends("outside")
    assert net.status("pool-leak", **on_outside("new", space)) == "unknown"


def test_a_router_that_sends_nothing_is_waited_for_until_the_timeout(net: Company, space: Space):
    asked_again(net).wait(TIMEOUT - 1 - MILLISECOND)
    assert net.status("pool-leak", **on_outside("new", space)) == "unknown"
    assert net.wait(MILLISECOND).status("pool-leak", **on_outside("new", space)) == "ok"


def test_a_held_route_is_a_leak_during_the_request(net: Company, space: Space):
    asked_again(net).announce("outside", NEW[space.family], path="64510 64500")
    assert net.status("pool-leak", **on_outside("new", space)) == "violated"


def test_a_second_reload_does_not_make_it_known(net: Company, space: Space):
    asked_again(net).reconfigure(company(MORE + "policy: {max_drain: 1h}").config).wait(1)
    assert net.status("pool-leak", **on_outside("new", space)) == "unknown"
    assert net.wait(TIMEOUT - 2).status("pool-leak", **on_outside("new", space)) == "ok", "since the first"


def test_a_second_reload_that_needs_more_routes_starts_the_time_again(net: Company, space: Space):
    asked_again(net).wait(99).reconfigure(company(MORE + "internet_only: [198.18.1.0/24]").config)
    assert net.wait(TIMEOUT - MILLISECOND).status("pool-leak", **on_outside("new", space)) == "unknown"
    assert net.wait(MILLISECOND).status("pool-leak", **on_outside("new", space)) == "ok"


def test_a_new_session_answers_it(net: Company, space: Space):
    asked_again(net).down("outside").up("outside").get_in_sync("outside")
    assert net.status("pool-leak", **on_outside("new", space)) == "ok"


def test_a_canary_that_was_not_held_is_not_missing_until_it_is_over(net: Company, space: Space):
    canary = f"feeds: {{edge-1: {{canary: ['{space.extra}']}}}}"
    net.reconfigure(company(canary).config).wait(TIMEOUT - MILLISECOND)
    assert net.status("canary-missing", feed="edge-1") == "unknown"
    assert net.status("link-down", **PRIMARY, family=space.family) == "ok"
    assert net.wait(MILLISECOND).status("canary-missing", feed="edge-1") == "violated"


def test_links_are_unknown_where_routes_are_newly_recognised_as_microsofts(net: Company, space: Space):
    net.lose("chicago-primary", space.family).wait(5)
    assert net.status("link-down", **PRIMARY, family=space.family) == "violated"
    net.reconfigure(company("customer: {provider_asns: [64511]}").config).wait(TIMEOUT - MILLISECOND)
    assert net.status("link-down", **PRIMARY, family=space.family) == "unknown"
    assert net.raised("circuit-unseen") == [], "the table is sent anew, as in a first dump"
    assert net.wait(MILLISECOND).status("link-down", **PRIMARY, family=space.family) == "violated"


def test_routes_that_no_longer_count_as_microsofts_are_not_requested(net: Company, space: Space):
    declared = company("customer: {provider_asns: [64511]}").converge()
    assert declared.reconfigure(net.config).requests == []
    assert declared.status("link-down", **PRIMARY, family=space.family) == "ok"
