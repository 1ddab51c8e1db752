"""Advertisements to the internet: the checks on the mirror of the uplink and on the outside view."""

from __future__ import annotations

import pytest

from ermon.model.settings import Severity
from tests.checks.company import (
    BLACKHOLE,
    EXCHANGE,
    NO_EXPORT,
    PLANT,
    SPACES,
    Company,
    Space,
    company,
)
from tests.story import MILLISECOND

DUAL = ("ipv4", "ipv6")

FEEDS = {"isp-a": {"feed": "isp-a", "uplink": "isp-a"}, "outside": {"feed": "outside"}}
"""The feeds that show what the internet receives, each with its labels."""

FAILOVER = "nat_pools: {chi: {internet: failover}}"
AGGREGATE = "nat_pools: {chi: {internet: aggregate}}"

ELSEWHERE = {"ipv4": "9.9.0.0/16", "ipv6": "2a00:9::/32"}
"""Public space that no link receives and that is not the company's."""


@pytest.fixture(params=FEEDS)
def feed(request: pytest.FixtureRequest) -> str:
    return request.param


def chi(space: Space, feed: str) -> dict[str, str]:
    return {"pool": "chi", "family": space.family, **FEEDS[feed]}


def lose_chicago(net: Company, *families: str) -> None:
    net.lose("chicago-primary", *families).lose("chicago-secondary", *families)


# pool-leak -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["pool", "pool_part"])
def test_a_pool_on_the_internet_is_raised_at_once(net: Company, space: Space, feed: str, what: str):
    prefix = getattr(space, what)
    net.announce(feed, prefix, path="64500")
    finding = net.assert_raised_after(0, "pool-leak", **chi(space, feed))
    assert finding.severity is Severity.CRITICAL
    where = "isp-a by edge-1" if feed == "isp-a" else "the internet, seen on outside"
    assert finding.summary == f"NAT pool chi {finding.evidence['prefixes'][0]} is advertised to {where}"
    assert finding.evidence["prefixes"] == [prefix]
    assert net.raised() == [" ".join(["pool-leak", *chi(space, feed).values()])]
    net.wait(5).withdraw(feed, prefix)
    net.assert_cleared_after(60, "pool-leak", **chi(space, feed))


def test_the_evidence_of_a_leak_names_prefix_path_and_router(net: Company, space: Space):
    net.announce("isp-a", space.pool, path="64500 64500")
    evidence = net.assert_raised_after(0, "pool-leak", **chi(space, "isp-a")).evidence
    assert evidence["prefixes"] == [space.pool]
    assert "64500 64500" in str(evidence)
    assert "edge-1" in str(evidence)


def test_the_evidence_ends_after_twenty_prefixes_and_says_how_many_there_are(net: Company):
    leaked = [f"2001:db8:100:10::{n:x}/128" for n in range(1, 31)]
    net.announce("isp-a", *leaked, path="64500")
    net.wait(2).announce("isp-a", "2001:db8:100:10::ffff/128", path="64500")
    finding = net.finding("pool-leak", **chi(SPACES["ipv6"], "isp-a"))
    assert finding is not None
    assert len(finding.evidence["prefixes"]) == 20
    assert finding.evidence["prefixes_total"] == 31


def test_a_leak_that_lasts_for_one_message_is_raised(net: Company, space: Space, feed: str):
    net.announce(feed, space.pool).withdraw(feed, space.pool).wait(1000)
    name = " ".join(chi(space, feed).values())
    assert net.told() == [f"2.0 raised pool-leak {name}", f"62.0 cleared pool-leak {name}"]


def test_a_leak_that_returns_while_clearing_stays_raised(net: Company, space: Space, feed: str):
    net.announce(feed, space.pool).withdraw(feed, space.pool)
    net.wait(60 - MILLISECOND).announce(feed, space.pool).wait(1000)
    assert net.told() == ["2.0 raised pool-leak " + " ".join(chi(space, feed).values())]


def test_a_leak_is_raised_before_end_of_rib_and_ok_only_in_sync(net: Company, space: Space, feed: str):
    net.down(feed)
    assert net.status("pool-leak", **chi(space, feed)) == "unknown"
    net.up(feed)
    assert net.status("pool-leak", **chi(space, feed)) == "unknown"
    net.announce(feed, space.pool)
    net.assert_raised_after(0, "pool-leak", **chi(space, feed))
    net.withdraw(feed, space.pool)
    assert net.status("pool-leak", **chi(space, feed)) == "unknown"
    assert net.get_in_sync(feed).status("pool-leak", **chi(space, feed)) == "ok"


def test_a_leak_whose_feed_is_lost_stays_raised_and_is_stale(net: Company, space: Space, feed: str):
    net.announce(feed, space.pool).down(feed).wait(1000)
    finding = net.finding("pool-leak", **chi(space, feed))
    assert finding is not None
    assert finding.stale
    net.reconnect(feed)
    net.assert_cleared_after(60, "pool-leak", **chi(space, feed))


def test_a_blackholed_address_is_no_leak(net: Company, space: Space, feed: str):
    net.announce(feed, space.pool_part, path="64500", communities=BLACKHOLE)
    assert net.wait(1000).raised() == []


def test_a_blackhole_that_becomes_a_route_is_a_leak(net: Company, space: Space, feed: str):
    net.announce(feed, space.pool_part, path="64500", communities=BLACKHOLE).wait(5)
    net.announce(feed, space.pool_part, path="64500")
    net.assert_raised_after(0, "pool-leak", **chi(space, feed))


@pytest.mark.parametrize("community", [NO_EXPORT, "65535:65282"])
def test_routes_with_no_export_count_all_the_same(net: Company, space: Space, community: str):
    net.announce("isp-a", space.pool, path="64500", communities=community)
    net.assert_raised_after(0, "pool-leak", **chi(space, "isp-a"))


@pytest.mark.parametrize("what", ["own", "own_other", "internet_only", "default"])
def test_other_prefixes_are_no_leak_of_the_pool(net: Company, space: Space, feed: str, what: str):
    net.announce(feed, getattr(space, what), path="64500")
    assert net.status("pool-leak", **chi(space, feed)) == "ok"


@pytest.mark.parametrize("feed_with_ipv4_only", FEEDS)
def test_a_leak_can_be_seen_only_in_the_families_of_the_feed(feed_with_ipv4_only: str):
    net = company(f"feeds: {{{feed_with_ipv4_only}: {{families: [ipv4]}}}}")
    families = [s["family"] for s in net.subjects("pool-leak") if s["feed"] == feed_with_ipv4_only]
    assert set(families) == {"ipv4"}


def test_an_aggregate_pool_must_not_leak_either(space: Space, feed: str):
    net = company(AGGREGATE).converge().announce(feed, space.pool)
    net.assert_raised_after(0, "pool-leak", **chi(space, feed))


def test_a_failover_pool_leaks_unless_every_link_is_down(space: Space, feed: str):
    net = company(FAILOVER).converge().announce(feed, space.pool)
    assert net.status("pool-leak", **chi(space, feed)) == "violated"
    net.lose("chicago-primary", space.family)
    assert net.status("pool-leak", **chi(space, feed)) == "violated"
    net.lose("chicago-secondary", space.family)
    assert net.status("pool-leak", **chi(space, feed)) == "ok"
    net.bring("chicago-secondary", space.family).wait(180)
    assert net.status("pool-leak", **chi(space, feed)) == "violated"


def test_a_failover_pool_that_leaks_is_raised_after_a_minute_at_least(space: Space, feed: str):
    net = company(FAILOVER).converge().announce(feed, space.pool)
    net.assert_raised_after(60, "pool-leak", **chi(space, feed))
    net.wait(5).withdraw(feed, space.pool)
    net.assert_cleared_after(60, "pool-leak", **chi(space, feed))
    slower = company(FAILOVER, "checks: {pool-leak: {raise_after: 90s}}").converge()
    slower.announce(feed, space.pool).assert_raised_after(90, "pool-leak", **chi(space, feed))


def test_a_router_may_take_its_time_to_fail_over_and_back(space: Space, feed: str):
    net = company(FAILOVER).converge().announce(feed, space.pool).wait(59)
    lose_chicago(net, space.family)
    assert net.status("pool-leak", **chi(space, feed)) == "ok"
    net.wait(1000).bring("chicago-secondary", space.family)
    assert net.status("pool-leak", **chi(space, feed)) == "ok"
    net.wait(180 - MILLISECOND)
    assert net.status("pool-leak", **chi(space, feed)) == "ok"
    net.wait(MILLISECOND)
    assert net.status("pool-leak", **chi(space, feed)) == "violated"
    net.assert_raised_after(60, "pool-leak", **chi(space, feed))


def test_the_grace_of_a_failover_pool_is_the_policys(space: Space, feed: str):
    net = company(FAILOVER, "policy: {failover_grace: 30s}").converge()
    lose_chicago(net, space.family)
    net.announce(feed, space.pool).wait(100).bring("chicago-primary", space.family)
    net.assert_raised_after(90, "pool-leak", **chi(space, feed))


def test_the_grace_continues_after_another_loss_of_the_link_and_after_a_reload(space: Space, feed: str):
    net = company(FAILOVER).converge()
    lose_chicago(net, space.family)
    net.announce(feed, space.pool).bring("chicago-primary", space.family).wait(100)
    net.lose("chicago-primary", space.family).wait(30)
    assert net.status("pool-leak", **chi(space, feed)) == "ok"
    net.bring("chicago-primary", space.family).wait(100)
    net.reconfigure(company(FAILOVER, "checks: {churn-high: {enabled: false}}").config)
    assert net.status("pool-leak", **chi(space, feed)) == "ok"
    net.assert_raised_after(140, "pool-leak", **chi(space, feed))


def test_a_second_link_that_returns_does_not_clear_a_leak(space: Space, feed: str):
    net = company(FAILOVER).converge().lose("chicago-primary", space.family)
    net.announce(feed, space.pool).assert_raised_after(60, "pool-leak", **chi(space, feed))
    net.bring("chicago-primary", space.family)
    assert net.status("pool-leak", **chi(space, feed)) == "unknown"
    net.wait(179)
    assert net.finding("pool-leak", **chi(space, feed)) is not None
    net.wait(1)
    assert net.status("pool-leak", **chi(space, feed)) == "violated"


def test_a_failover_pool_is_unknown_while_no_link_is_known_to_be_up(space: Space, feed: str):
    net = company(FAILOVER).converge().down("edge-1").lose("chicago-secondary", space.family)
    net.announce(feed, space.pool)
    assert net.status("pool-leak", **chi(space, feed)) == "unknown"
    net.withdraw(feed, space.pool)
    assert net.status("pool-leak", **chi(space, feed)) == "ok"


def test_a_failover_pool_is_not_excused_by_a_link_that_is_not_seen(space: Space, feed: str):
    net = company(FAILOVER).converge().down("edge-2")
    net.lose("chicago-primary", space.family).announce(feed, space.pool)
    assert net.status("pool-leak", **chi(space, feed)) == "unknown"
    net.up("edge-2").bring("chicago-secondary", space.family).end_of_rib("edge-2").wait(2)
    net.assert_raised_after(60, "pool-leak", **chi(space, feed))


def test_a_failover_pool_of_two_circuits_waits_for_both(space: Space, feed: str):
    shared = (
        "nat_pools: {chi: {internet: failover, circuit: null, circuits: [chicago, dallas], use: inbound}}"
    )
    net = company(shared).converge()
    lose_chicago(net, space.family)
    net.announce(feed, space.pool)
    assert net.status("pool-leak", **chi(space, feed)) == "violated"
    net.lose("dallas-primary", space.family).lose("dallas-secondary", space.family)
    assert net.status("pool-leak", **chi(space, feed)) == "ok"


# pool-covered ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["own", "both_pools", "around"])
def test_an_aggregate_around_a_pool_is_raised_at_once(net: Company, space: Space, feed: str, what: str):
    prefix = getattr(space, what)
    net.announce(feed, prefix, path="64500")
    finding = net.assert_raised_after(0, "pool-covered", **chi(space, feed))
    assert finding.severity is Severity.WARNING
    assert finding.evidence["prefixes"] == [prefix]
    assert net.raised("pool-leak") == []
    net.wait(5).withdraw(feed, prefix)
    net.assert_cleared_after(60, "pool-covered", **chi(space, feed))


def test_the_policy_says_how_severe_an_aggregate_is(space: Space, feed: str):
    net = company("policy: {internet_covering: critical}").converge().announce(feed, space.own)
    assert net.assert_raised_after(0, "pool-covered", **chi(space, feed)).severity is Severity.CRITICAL


def test_the_setting_of_the_check_outweighs_the_policy(space: Space, feed: str):
    net = company("policy: {internet_covering: critical}", "checks: {pool-covered: {severity: info}}")
    net.converge().announce(feed, space.own)
    assert net.assert_raised_after(0, "pool-covered", **chi(space, feed)).severity is Severity.INFO


@pytest.mark.parametrize("policy", [AGGREGATE, FAILOVER])
def test_an_aggregate_may_be_allowed(space: Space, feed: str, policy: str):
    net = company(policy, "nat_pools: {dal: {internet: aggregate}}").converge()
    net.announce("isp-a", space.own, path="64500")  # it leaves by a known uplink
    assert net.announce(feed, space.own, path="64500").wait(1000).raised() == []


@pytest.mark.parametrize("what", ["default", "pool", "pool_part", "own_other"])
def test_other_routes_do_not_cover_a_pool(net: Company, space: Space, feed: str, what: str):
    net.announce(feed, getattr(space, what), path="64500")
    assert net.status("pool-covered", **chi(space, feed)) == "ok"


def test_a_blackholed_aggregate_covers_nothing(net: Company, space: Space, feed: str):
    net.announce(feed, space.own, path="64500", communities=BLACKHOLE)
    assert net.status("pool-covered", **chi(space, feed)) == "ok"


def test_an_aggregate_is_raised_before_sync_and_ok_only_in_sync(net: Company, space: Space, feed: str):
    net.down(feed).up(feed)
    assert net.status("pool-covered", **chi(space, feed)) == "unknown"
    net.announce(feed, space.own)
    net.assert_raised_after(0, "pool-covered", **chi(space, feed))


# pool-fallback ---------------------------------------------------------------------------------------


@pytest.fixture
def aggregated(space: Space, feed: str) -> Company:
    """The internet receives an aggregate of the company, which is allowed, and the links advertise the pool."""
    return company(AGGREGATE).converge().announce(feed, space.own, path="64500")


def withdraw_pool(net: Company, space: Space) -> Company:
    for link in ("chicago-primary", "chicago-secondary"):
        net.withdraw(link, space.pool)
    return net


def advertise(net: Company, *prefixes: str) -> Company:
    """Advertise this on both links of Chicago in place of the pool."""
    for link in ("chicago-primary", "chicago-secondary"):
        net.announce(link, *prefixes)
    return net


def test_a_pool_that_only_the_aggregate_shows_falls_back(aggregated: Company, space: Space, feed: str):
    net = aggregated
    assert net.status("pool-fallback", **chi(space, feed)) == "ok"
    withdraw_pool(net, space)
    finding = net.assert_raised_after(30, "pool-fallback", **chi(space, feed))
    assert finding.severity is Severity.CRITICAL
    assert finding.evidence["prefixes"] == [space.own]
    net.wait(5).announce("chicago-secondary", space.pool)
    net.assert_cleared_after(60, "pool-fallback", **chi(space, feed))


def test_one_link_that_advertises_the_pool_is_enough(aggregated: Company, space: Space, feed: str):
    aggregated.withdraw("chicago-primary", space.pool)
    assert aggregated.status("pool-fallback", **chi(space, feed)) == "ok"


def test_a_pool_that_is_forbidden_on_the_internet_falls_back_too(net: Company, space: Space, feed: str):
    withdraw_pool(net.announce(feed, space.own), space)
    net.assert_raised_after(30, "pool-fallback", **chi(space, feed))


def test_without_a_covering_route_nothing_falls_back(net: Company, space: Space, feed: str):
    net.announce(feed, space.default, path="64500")
    withdraw_pool(net, space)
    assert net.status("pool-fallback", **chi(space, feed)) == "ok"


@pytest.mark.parametrize(
    ("advertised", "status"),
    [
        (("around",), "violated"),  # shorter than the aggregate
        (("own",), "violated"),  # as long
        (("both_pools",), "ok"),  # longer, and shorter than the pool
        (("pool",), "ok"),
        (("own_halves",), "ok"),
        (("pool_halves",), "ok"),
        (("pool_part",), "violated"),  # longer, and not all of the pool
        (("default",), "violated"),
    ],
)
def test_microsoft_follows_the_longest_route(
    aggregated: Company, space: Space, feed: str, advertised: tuple[str, ...], status: str
):
    withdraw_pool(aggregated, space)
    for what in advertised:
        prefixes = getattr(space, what)
        advertise(aggregated, *([prefixes] if isinstance(prefixes, str) else prefixes))
    assert aggregated.status("pool-fallback", **chi(space, feed)) == status


def test_the_longest_of_several_covering_routes_counts(aggregated: Company, space: Space, feed: str):
    withdraw_pool(aggregated, space)
    advertise(aggregated, space.both_pools).announce(feed, space.both_pools)
    assert aggregated.status("pool-fallback", **chi(space, feed)) == "violated"


def test_a_blackholed_aggregate_draws_no_traffic(net: Company, space: Space, feed: str):
    withdraw_pool(net.announce(feed, space.own, communities=BLACKHOLE), space)
    assert net.status("pool-fallback", **chi(space, feed)) == "ok"


def test_each_prefix_of_a_pool_is_judged_by_itself(feed: str):
    two = "nat_pools: {chi: {internet: aggregate, prefixes: [198.51.100.0/28, 198.51.100.32/28]}}"
    net = company(two).converge().announce(feed, "198.51.100.0/24")
    assert net.status("pool-fallback", **chi(SPACES["ipv4"], feed)) == "ok"
    for link in ("chicago-primary", "chicago-secondary"):
        net.withdraw(link, "198.51.100.32/28")
    assert net.status("pool-fallback", **chi(SPACES["ipv4"], feed)) == "violated"


def test_prefixes_of_a_pool_may_be_advertised_on_different_links(feed: str):
    two = "nat_pools: {chi: {internet: aggregate, prefixes: [198.51.100.0/28, 198.51.100.32/28]}}"
    net = company(two).converge().announce(feed, "198.51.100.0/24")
    net.withdraw("chicago-primary", "198.51.100.32/28").withdraw("chicago-secondary", "198.51.100.0/28")
    assert net.status("pool-fallback", **chi(SPACES["ipv4"], feed)) == "ok"


def test_a_pool_that_falls_back_because_all_its_circuits_are_down_is_no_page_of_its_own(
    aggregated: Company, space: Space, feed: str
):
    lose_chicago(aggregated, space.family)
    assert aggregated.status("pool-fallback", **chi(space, feed)) == "suppressed"
    assert aggregated.wait(1000).raised("pool-fallback") == []


def test_a_pool_that_falls_back_while_one_of_its_circuits_is_up_is_raised(space: Space, feed: str):
    shared = "nat_pools: {chi: {circuit: null, circuits: [chicago, dallas], internet: aggregate}}"
    net = company(shared).converge().announce(feed, space.own)
    for link in ("dallas-primary", "dallas-secondary"):
        net.withdraw(link, space.pool)
    lose_chicago(net, space.family)
    net.assert_raised_after(30, "pool-fallback", **chi(space, feed))


def test_an_unseen_link_that_was_down_may_advertise_a_pool_or_not(
    aggregated: Company, space: Space, feed: str
):
    aggregated.withdraw("chicago-secondary", space.pool).lose("chicago-primary", space.family)
    assert aggregated.status("pool-fallback", **chi(space, feed)) == "violated"
    aggregated.down("edge-1")
    assert aggregated.status("pool-fallback", **chi(space, feed)) == "unknown"


def test_a_pool_on_an_unseen_mirror_is_unknown(aggregated: Company, space: Space, feed: str):
    aggregated.withdraw("chicago-primary", space.pool).down("chicago-secondary")
    assert aggregated.status("pool-fallback", **chi(space, feed)) == "unknown"
    assert aggregated.wait(1000).raised("pool-fallback") == []


def test_a_link_that_is_not_seen_still_advertises(aggregated: Company, space: Space, feed: str):
    aggregated.down("edge-1", "edge-2")
    assert aggregated.status("pool-fallback", **chi(space, feed)) == "ok"


def test_a_link_that_is_down_advertises_nothing_even_unseen(aggregated: Company, space: Space, feed: str):
    aggregated.withdraw("chicago-primary", space.pool).down("chicago-secondary")
    aggregated.lose("chicago-secondary", space.family)
    aggregated.assert_raised_after(30, "pool-fallback", **chi(space, feed))


def test_links_without_mirrors_advertise_nothing_once_they_are_down(space: Space, feed: str):
    net = company(AGGREGATE, "feeds: {chicago-primary: null, chicago-secondary: null}").converge()
    net.announce(feed, space.own)
    assert net.status("pool-fallback", **chi(space, feed)) == "unknown"
    lose_chicago(net, space.family)
    assert net.status("pool-fallback", **chi(space, feed)) == "suppressed"


def test_a_pool_that_is_bound_to_a_link_falls_back_with_it(space: Space, feed: str):
    net = company("nat_pools: {chi: {internet: aggregate, links: [primary]}}").converge()
    net.announce(feed, space.own).lose("chicago-primary", space.family)
    net.assert_raised_after(30, "pool-fallback", **chi(space, feed))


def test_a_fallback_is_unknown_while_the_view_is_not_in_sync(aggregated: Company, space: Space, feed: str):
    withdraw_pool(aggregated, space).down(feed)
    assert aggregated.status("pool-fallback", **chi(space, feed)) == "unknown"
    aggregated.up(feed)
    assert aggregated.status("pool-fallback", **chi(space, feed)) == "unknown"


def test_a_failover_pool_does_not_fall_back_by_mistake(space: Space, feed: str):
    net = company(FAILOVER).converge().announce(feed, space.own)
    lose_chicago(withdraw_pool(net, space), *DUAL)
    assert net.wait(1000).raised("pool-fallback") == []


PROVIDERS_BLACKHOLE = 'policy: {blackhole_communities: ["64510:666", "64510:0:666"]}'


@pytest.mark.parametrize("community", ["64510:666", "64510:0:666"])
def test_a_providers_own_blackhole_community_is_no_leak(space: Space, feed: str, community: str):
    net = company(PROVIDERS_BLACKHOLE).converge()
    net.announce(feed, space.pool_part, communities=community)
    assert net.status("pool-leak", **chi(space, feed)) == "ok"
    other = company().converge().announce(feed, space.pool_part, communities=community)
    assert other.status("pool-leak", **chi(space, feed)) == "violated"


def test_routes_that_the_internet_provider_sends_back_are_not_microsofts(net: Company, space: Space):
    net.announce("isp-a", space.exchange, path="64500 64510 8075")
    assert net.status("microsoft-leaked", **FEEDS["isp-a"]) == "ok"
    net.announce("isp-a", space.exchange, path="64500 65001")
    assert net.status("microsoft-leaked", **FEEDS["isp-a"]) == "violated"


# microsoft-leaked ------------------------------------------------------------------------------------

LEAKED = {"feed": "isp-a", "uplink": "isp-a"}


def test_a_microsoft_route_towards_the_internet_is_raised_at_once(net: Company, space: Space):
    net.announce("isp-a", ELSEWHERE[space.family], path="64500 12076 8075")
    finding = net.assert_raised_after(0, "microsoft-leaked", **LEAKED)
    assert finding.severity is Severity.CRITICAL
    assert finding.evidence["prefixes"] == [ELSEWHERE[space.family]]
    net.wait(5).withdraw("isp-a", ELSEWHERE[space.family])
    net.assert_cleared_after(60, "microsoft-leaked", **LEAKED)


def test_12076_in_an_as_set_is_enough(net: Company, space: Space):
    net.announce("isp-a", ELSEWHERE[space.family], path="64500 {8075 12076}")
    assert net.status("microsoft-leaked", **LEAKED) == "violated"


@pytest.mark.parametrize("what", ["exchange", "exchange_part"])
def test_a_path_that_an_igp_has_erased_does_not_hide_the_leak(net: Company, space: Space, what: str):
    net.announce("isp-a", getattr(space, what), path="64500")
    assert net.status("microsoft-leaked", **LEAKED) == "violated"


def test_a_leak_of_a_dead_links_routes_is_still_a_leak(net: Company, space: Space):
    net.announce("isp-a", space.exchange_part, path="64500")
    for link in ("chicago-primary", "chicago-secondary", "dallas-primary", "dallas-secondary"):
        net.lose(link, *DUAL)
    assert net.wait(1000).status("microsoft-leaked", **LEAKED) == "violated"


def test_routes_of_private_peering_are_recognized_by_their_path_only(space: Space):
    net = company(PLANT).converge().announce("isp-a", space.vnet, path="64500")
    assert net.status("microsoft-leaked", **LEAKED) == "ok"
    net.announce("isp-a", space.vnet, path="64500 12076")
    assert net.status("microsoft-leaked", **LEAKED) == "violated"


@pytest.mark.parametrize("what", ["own_other", "pool", "internet_only"])
def test_our_own_space_is_not_microsofts_even_if_microsoft_sends_it(net: Company, space: Space, what: str):
    net.microsoft_sends("chicago-primary", space.own)
    net.announce("isp-a", getattr(space, what), path="64500")
    assert net.status("microsoft-leaked", **LEAKED) == "ok"


def test_own_space_that_comes_back_from_microsoft_is_recognized_by_its_path(net: Company, space: Space):
    net.announce("isp-a", space.own_other, path="64500 12076 64500")
    assert net.status("microsoft-leaked", **LEAKED) == "violated"


def test_a_default_route_is_never_microsofts(net: Company, space: Space):
    net.microsoft_sends("chicago-primary", space.default)
    net.announce("isp-a", space.default, path="64500 12076")
    assert net.status("microsoft-leaked", **LEAKED) == "ok"


def test_a_blackholed_microsoft_address_is_no_leak(net: Company, space: Space):
    net.announce("isp-a", space.exchange_part, path="64500", communities=BLACKHOLE)
    assert net.status("microsoft-leaked", **LEAKED) == "ok"


def test_microsoft_routes_outside_are_not_our_leak(net: Company, space: Space):
    net.announce("outside", space.exchange, path="64520 8075", communities=EXCHANGE)
    assert net.wait(1000).raised() == []
    assert net.subjects("microsoft-leaked") == [LEAKED]


def test_a_leak_of_microsoft_routes_is_seen_before_sync_and_ok_only_in_sync(net: Company, space: Space):
    net.down("isp-a").up("isp-a")
    assert net.status("microsoft-leaked", **LEAKED) == "unknown"
    net.announce("isp-a", space.exchange, path="64500 12076")
    assert net.status("microsoft-leaked", **LEAKED) == "violated"
    net.withdraw("isp-a", space.exchange).end_of_rib("isp-a", family="ipv4").wait(2)
    assert net.status("microsoft-leaked", **LEAKED) == "unknown"
    net.end_of_rib("isp-a", family="ipv6").wait(2)
    assert net.status("microsoft-leaked", **LEAKED) == "ok"


# internet-undeclared ---------------------------------------------------------------------------------


def test_space_that_is_not_ours_towards_the_internet_is_noticed_after_thirty_seconds(
    net: Company, space: Space
):
    net.announce("isp-a", ELSEWHERE[space.family], path="64500 64999")
    finding = net.assert_raised_after(30, "internet-undeclared", **LEAKED)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["prefixes"] == [ELSEWHERE[space.family]]
    assert net.raised() == ["internet-undeclared isp-a isp-a"]
    net.wait(5).withdraw("isp-a", ELSEWHERE[space.family])
    net.assert_cleared_after(60, "internet-undeclared", **LEAKED)


@pytest.mark.parametrize("what", ["own", "own_other", "internet_only_part"])
def test_our_own_space_may_be_announced(net: Company, space: Space, what: str):
    net.announce("isp-a", getattr(space, what), path="64500")
    assert net.status("internet-undeclared", **LEAKED) == "ok"


@pytest.mark.parametrize("what", ["default", "around", "exchange", "private"])
def test_everything_else_is_undeclared(net: Company, space: Space, what: str):
    net.announce("isp-a", getattr(space, what), path="64500", communities=NO_EXPORT)
    assert net.status("internet-undeclared", **LEAKED) == "violated"


def test_two_halves_of_our_space_are_a_whole(space: Space):
    net = company(f"customer: {{own_prefixes: {list(space.own_halves)}}}").converge()
    net.withdraw("isp-a", *(s.internet_only for s in SPACES.values() if s is not space))
    net.announce("isp-a", space.own, path="64500")
    assert net.status("internet-undeclared", **LEAKED) == "ok"


def test_a_blackhole_for_another_networks_address_is_no_transit(net: Company, space: Space):
    net.announce("isp-a", ELSEWHERE[space.family], path="64500", communities=BLACKHOLE)
    assert net.status("internet-undeclared", **LEAKED) == "ok"
    net.announce("isp-a", ELSEWHERE[space.family], path="64500")
    assert net.status("internet-undeclared", **LEAKED) == "violated"


def test_the_world_outside_may_hear_of_others(net: Company, space: Space):
    assert net.subjects("internet-undeclared") == [LEAKED]


def test_undeclared_space_is_seen_before_sync_and_ok_only_in_sync(net: Company, space: Space):
    net.down("isp-a").up("isp-a")
    assert net.status("internet-undeclared", **LEAKED) == "unknown"
    net.announce("isp-a", space.default, path="64500")
    assert net.status("internet-undeclared", **LEAKED) == "violated"
    net.withdraw("isp-a", space.default)
    assert net.status("internet-undeclared", **LEAKED) == "unknown"
    assert net.get_in_sync("isp-a").status("internet-undeclared", **LEAKED) == "ok"


# internet-only-withdrawn -----------------------------------------------------------------------------


def published(space: Space) -> dict[str, str]:
    return {"family": space.family}


def test_published_space_that_is_advertised_nowhere_is_raised_after_half_a_minute(net: Company, space: Space):
    net.withdraw("outside", space.internet_only).withdraw("isp-a", space.internet_only)
    finding = net.assert_raised_after(30, "internet-only-withdrawn", **published(space))
    assert finding.severity is Severity.CRITICAL
    assert finding.evidence["prefixes"] == [space.internet_only]
    assert finding.evidence["routers"] == ["edge-1"]
    net.wait(5).announce("isp-a", space.own, path="64500")
    net.assert_cleared_after(30, "internet-only-withdrawn", **published(space))


def test_one_view_that_shows_published_space_is_enough(net: Company, space: Space):
    net.withdraw("isp-a", space.internet_only)
    assert net.status("internet-only-withdrawn", **published(space)) == "ok"
    net.announce("isp-a", space.internet_only).down("outside")
    assert net.status("internet-only-withdrawn", **published(space)) == "ok"


def test_a_part_of_published_space_and_a_blackhole_are_not_enough(net: Company, space: Space):
    net.withdraw("outside", space.internet_only).withdraw("isp-a", space.internet_only)
    net.announce("isp-a", space.internet_only_part).announce("isp-a", space.own, communities=BLACKHOLE)
    assert net.status("internet-only-withdrawn", **published(space)) == "violated"


def test_an_uplink_without_a_mirror_in_sync_may_still_be_sent_it(net: Company, space: Space):
    net.withdraw("outside", space.internet_only).down("isp-a")
    assert net.status("internet-only-withdrawn", **published(space)) == "unknown"
    second = company("uplinks: {isp-b: {router: edge-2, asn: 64511}}").converge()
    second.withdraw("outside", space.internet_only).withdraw("isp-a", space.internet_only)
    assert second.status("internet-only-withdrawn", **published(space)) == "unknown"


def test_published_space_is_asked_about_in_its_families_and_with_uplinks_only():
    assert company().subjects("internet-only-withdrawn") == [published(s) for s in SPACES.values()]
    ipv4 = company("internet_only: [198.51.100.128/27]")
    assert ipv4.subjects("internet-only-withdrawn") == [{"family": "ipv4"}]
    assert company("uplinks: null", "feeds: {isp-a: null}").subjects("internet-only-withdrawn") == []


# prefix-hijacked -------------------------------------------------------------------------------------


def test_our_space_with_another_origin_is_raised_after_half_a_minute(net: Company, space: Space):
    net.announce("outside", space.own_other, path="64520 3356 13335")
    finding = net.assert_raised_after(30, "prefix-hijacked", **published(space))
    assert finding.severity is Severity.CRITICAL
    assert finding.evidence["prefixes"] == [space.own_other]
    assert finding.evidence["feeds"] == ["outside"]
    assert finding.evidence["origins"] == ["13335"]
    net.wait(5).withdraw("outside", space.own_other)
    net.assert_cleared_after(60, "prefix-hijacked", **published(space))


@pytest.mark.parametrize(
    "path",
    [
        "",
        "64520",
        "64520 3356 64500",
        "3356 64500 64500 65001",
        "3356 64510",
        "64520 65001 65002",
        "64520 3356 {13335 64500}",
        "3356 64499",
        "3356 64501 (13335)",
    ],
)
def test_routes_with_an_allowed_origin_are_no_hijack(space: Space, path: str):
    net = company("customer: {provider_asns: [64499], origin_asns: [64501]}").converge()
    net.announce("outside", space.own_other, path=path)
    assert net.status("prefix-hijacked", **published(space)) == "ok"


@pytest.mark.parametrize(
    "path", ["64500 13335", "64510 3356", "3356 13335 65001", "64520 3356 {13335 3257}", "8075"]
)
def test_any_other_origin_is_a_hijack(net: Company, space: Space, path: str):
    net.announce("outside", space.own_other, path=path)
    assert net.status("prefix-hijacked", **published(space)) == "violated"


def test_a_private_asn_of_our_own_is_an_origin(space: Space):
    net = company("customer: {asn: 65001}").converge().withdraw("outside", space.internet_only)
    net.announce("outside", space.own_other, path="64520 3356 65001")
    assert net.status("prefix-hijacked", **published(space)) == "ok"


@pytest.mark.parametrize(
    ("what", "status"),
    [
        ("own", "violated"),
        ("internet_only_part", "violated"),
        ("pool", "ok"),
        ("pool_part", "ok"),
        ("around", "ok"),
        ("extra", "ok"),
        ("default", "ok"),
    ],
)
def test_only_our_space_outside_the_pools_can_be_hijacked(net: Company, space: Space, what: str, status: str):
    net.announce("outside", getattr(space, what), path="64520 3356 13335")
    assert net.status("prefix-hijacked", **published(space)) == status


def test_space_that_comes_back_may_be_microsofts(space: Space):
    byoip = f"circuits: {{chicago: {{receive: {{own_prefixes: ['{space.own_other}']}}}}}}"
    net = company(byoip).converge().announce("outside", space.own_other, path="64520 8075")
    assert net.status("prefix-hijacked", **published(space)) == "ok"
    net.announce("outside", space.own_other, path="64520 3356")
    assert net.status("prefix-hijacked", **published(space)) == "violated"


def test_a_blackhole_and_what_a_mirror_shows_are_no_hijack(net: Company, space: Space):
    net.announce("outside", space.own_other, path="64520 13335", communities=BLACKHOLE)
    net.announce("isp-a", space.own_other, path="64500 13335")
    assert net.status("prefix-hijacked", **published(space)) == "ok"


def test_every_outside_view_must_be_in_sync_to_prove_that_there_is_no_hijack(net: Company, space: Space):
    net.down("outside")
    assert net.status("prefix-hijacked", **published(space)) == "unknown"
    assert company("feeds: {outside: null}").subjects("prefix-hijacked") == []


# mirror-disagrees ------------------------------------------------------------------------------------

OUTSIDE = {"feed": "outside"}
HEARD = "64520 64510 64500"
"""The path of the company's routes on the internet: its ASN is their origin."""


def test_our_space_that_no_mirror_exports_is_noticed_after_a_minute(net: Company, space: Space):
    net.announce("outside", space.own_other, path=HEARD)
    finding = net.assert_raised_after(60, "mirror-disagrees", **OUTSIDE)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["prefixes"] == [space.own_other]
    assert net.raised() == ["mirror-disagrees outside"]
    net.wait(5).announce("isp-a", space.own_other, path="64500")
    net.assert_cleared_after(60, "mirror-disagrees", **OUTSIDE)


def test_prefixes_that_a_mirror_exports_may_be_on_outside_views(net: Company, space: Space):
    net.announce("isp-a", space.own_other, path="64500").announce("outside", space.own_other, path=HEARD)
    assert net.status("mirror-disagrees", **OUTSIDE) == "ok"
    net.withdraw("isp-a", space.own_other)
    assert net.status("mirror-disagrees", **OUTSIDE) == "violated"


@pytest.mark.parametrize("path", ["64520 64510 64999", "64520 64500 64999", "64520", ""])
def test_routes_of_other_origins_are_not_from_an_unmonitored_uplink(net: Company, space: Space, path: str):
    net.announce("outside", space.own_other, path=path)
    assert net.status("mirror-disagrees", **OUTSIDE) == "ok"


def test_a_prepended_path_is_originated_by_us(net: Company, space: Space):
    net.announce("outside", space.own_other, path="64520 64510 64500 64500 64500")
    assert net.status("mirror-disagrees", **OUTSIDE) == "violated"


@pytest.mark.parametrize("what", ["default", "extra"])
def test_foreign_space_is_not_judged(net: Company, space: Space, what: str):
    net.announce("outside", getattr(space, what), path=HEARD)
    assert net.status("mirror-disagrees", **OUTSIDE) == "ok"


def test_a_blackhole_on_an_outside_view_is_ignored(net: Company, space: Space):
    net.announce("outside", space.own_other, path=HEARD, communities=BLACKHOLE)
    assert net.status("mirror-disagrees", **OUTSIDE) == "ok"


def test_any_mirror_that_exports_it_is_enough(space: Space):
    second = """
    uplinks: {isp-b: {router: edge-2, asn: 64511}}
    feeds: {isp-b: {router: edge-2, view: to-internet, uplink: isp-b, peer: 127.0.0.12, local: 127.0.0.4, peer_asn: 64500, local_asn: 65011, families: [ipv4, ipv6]}}
    """
    net = company(second).converge()
    net.announce("isp-b", space.own_other, path="64500").announce("outside", space.own_other, path=HEARD)
    assert net.status("mirror-disagrees", **OUTSIDE) == "ok"
    net.down("isp-a")
    assert net.status("mirror-disagrees", **OUTSIDE) == "ok"
    net.announce("outside", space.own, path=HEARD)
    assert net.status("mirror-disagrees", **OUTSIDE) == "unknown"  # isp-a may export it


def test_an_exit_without_a_mirror_leaves_it_unknown(space: Space):
    net = company("uplinks: {isp-b: {router: edge-2, asn: 64511}}").converge()
    assert net.status("mirror-disagrees", **OUTSIDE) == "unknown"
    net.announce("outside", space.own_other, path=HEARD)
    assert net.wait(1000).raised("mirror-disagrees") == []
    assert net.status("mirror-disagrees", **OUTSIDE) == "unknown"


def test_a_lost_mirror_leaves_it_unknown(net: Company, space: Space):
    for feed, path in (("isp-a", "64500"), ("outside", HEARD)):
        net.announce(feed, space.own_other, path=path)
    net.down("isp-a").wait(1000)
    assert net.raised() == ["feed-down isp-a isp-a"]
    assert net.status("mirror-disagrees", **OUTSIDE) == "unknown"


def test_a_hidden_exit_is_seen_before_the_outside_view_is_in_sync(net: Company, space: Space):
    net.down("outside")
    assert net.status("mirror-disagrees", **OUTSIDE) == "unknown"
    net.up("outside").announce("outside", space.own_other, path=HEARD)
    net.assert_raised_after(60, "mirror-disagrees", **OUTSIDE)
    net.withdraw("outside", space.own_other)
    assert net.status("mirror-disagrees", **OUTSIDE) == "unknown"
    assert net.get_in_sync("outside").status("mirror-disagrees", **OUTSIDE) == "ok"


def test_an_exit_whose_mirror_shows_one_family_only_leaves_the_other_unknown(space: Space):
    other = "ipv6" if space.family == "ipv4" else "ipv4"
    second = f"""
    uplinks: {{isp-b: {{router: edge-2, asn: 64511}}}}
    feeds: {{isp-b: {{router: edge-2, view: to-internet, uplink: isp-b, peer: 127.0.0.12, local: 127.0.0.4, peer_asn: 64500, local_asn: 65011, families: [{other}]}}}}
    """
    net = company(second).converge()
    assert net.status("mirror-disagrees", **OUTSIDE) == "ok"
    net.announce("outside", space.own_other, path=HEARD)
    assert net.status("mirror-disagrees", **OUTSIDE) == "unknown"
    net.announce("outside", SPACES[other].own_other, path=HEARD)
    assert net.status("mirror-disagrees", **OUTSIDE) == "violated"


@pytest.mark.parametrize("exported", ["own", "internet_only"])
def test_an_aggregate_and_a_part_that_are_exported_do_not_explain_another_prefix(
    net: Company, space: Space, exported: str
):
    net.announce("isp-a", getattr(space, exported), path="64500")
    net.announce("outside", space.around_internet_only, path=HEARD)
    assert net.status("mirror-disagrees", **OUTSIDE) == "violated"


def test_only_an_outside_view_can_disagree(net: Company):
    assert net.subjects("mirror-disagrees") == [OUTSIDE]
