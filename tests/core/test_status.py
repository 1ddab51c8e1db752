"""What is said of circuits, links, pools and feeds, in both families."""

from __future__ import annotations

import pytest

from ermon.checks.mirror import mirrored
from ermon.core.status import (
    Answer,
    FeedStatus,
    LinkStatus,
    current_feed,
    current_link,
    current_pool,
    judged,
    layout_of,
    network_status,
)
from ermon.model.findings import LinkState
from tests.checks.company import PLANT, TEAMS, V4, V6, Company, Space, company

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
MIRRORS = ("chicago-primary", "chicago-secondary", "dallas-primary", "dallas-secondary")
BOTH_FAMILIES = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])


@pytest.fixture
def net() -> Company:
    return company().converge()


def advertised(net: Company, space: Space, link: str = "chicago-primary", pool: str = "chi") -> Answer:
    seen = current_pool(net.monitor, pool).families[space.family]
    names = [f"{on.circuit}-{on.name}" for on in seen.links]
    return seen.advertised[names.index(link)]


def on_internet(net: Company, space: Space, feed: str = "isp-a", pool: str = "chi") -> Answer:
    seen = current_pool(net.monitor, pool).families[space.family]
    return seen.on_internet[seen.feeds.index(feed)]


def link(net: Company, circuit: str = "chicago", name: str = "primary") -> LinkStatus:
    return current_link(net.monitor, (circuit, name))


def feed(net: Company, name: str) -> FeedStatus:
    return current_feed(net.monitor, name)


# Pools -----------------------------------------------------------------------------------------------


@BOTH_FAMILIES
def test_a_pool_is_advertised_where_a_mirror_in_sync_shows_all_of_it(net: Company, space: Space):
    assert advertised(net, space) is YES
    net.withdraw("chicago-primary", space.pool)
    assert advertised(net, space) is NO
    assert advertised(net, space, "chicago-secondary") is YES


@BOTH_FAMILIES
def test_two_halves_of_a_pool_are_the_pool_and_one_is_not(net: Company, space: Space):
    net.withdraw("chicago-primary", space.pool)
    net.announce("chicago-primary", space.pool_halves[0])
    assert advertised(net, space) is NO
    net.announce("chicago-primary", space.pool_halves[1])
    assert advertised(net, space) is YES


@BOTH_FAMILIES
def test_a_default_route_advertises_no_pool(net: Company, space: Space):
    net.withdraw("chicago-primary", space.pool).announce("chicago-primary", space.default)
    assert advertised(net, space) is NO


@BOTH_FAMILIES
def test_whether_a_pool_is_advertised_is_unknown_until_the_mirror_is_in_sync(net: Company, space: Space):
    net.down("chicago-primary")
    assert advertised(net, space) is UNKNOWN
    net.up("chicago-primary").announce("chicago-primary", space.pool)
    assert advertised(net, space) is UNKNOWN
    net.get_in_sync("chicago-primary")
    assert advertised(net, space) is YES


@BOTH_FAMILIES
def test_a_mirror_goes_on_showing_a_pool_that_a_dead_link_advertises_no_longer(net: Company, space: Space):
    net.lose("chicago-primary", space.family)
    assert advertised(net, space) is NO
    net.down("chicago-primary")
    assert advertised(net, space) is NO


@BOTH_FAMILIES
def test_a_link_that_is_not_known_to_be_down_advertises_what_its_mirror_shows(net: Company, space: Space):
    net.down("edge-1")
    assert link(net).families[space.family].state is LinkState.UNKNOWN
    assert advertised(net, space) is YES


@BOTH_FAMILIES
def test_a_pool_on_another_circuit_is_seen_there(net: Company, space: Space):
    assert advertised(net, space, "dallas-primary") is NO
    net.announce("dallas-primary", space.pool)
    assert advertised(net, space, "dallas-primary") is YES
    assert ("dallas", "primary") not in current_pool(net.monitor, "chi").expected_on


def test_private_peering_advertises_no_pools():
    families = current_pool(company(PLANT).monitor, "chi").families
    assert {on.circuit for seen in families.values() for on in seen.links} == {"chicago", "dallas"}


@BOTH_FAMILIES
def test_a_pool_is_on_the_internet_where_it_or_a_part_of_it_is_seen(net: Company, space: Space):
    assert on_internet(net, space) is NO
    net.announce("isp-a", space.pool_part)
    assert (on_internet(net, space), on_internet(net, space, "outside")) == (YES, NO)
    net.withdraw("isp-a", space.pool_part).announce("isp-a", space.pool)
    assert on_internet(net, space) is YES


@BOTH_FAMILIES
def test_an_aggregate_and_a_default_route_do_not_put_a_pool_on_the_internet(net: Company, space: Space):
    net.announce("isp-a", space.own, space.default)
    assert on_internet(net, space) is NO


@BOTH_FAMILIES
def test_presence_on_the_internet_is_known_at_once_and_absence_only_in_sync(net: Company, space: Space):
    net.down("isp-a")
    assert on_internet(net, space) is UNKNOWN
    net.up("isp-a").announce("isp-a", space.pool)
    assert on_internet(net, space) is YES
    net.withdraw("isp-a", space.pool)
    assert on_internet(net, space) is UNKNOWN
    net.get_in_sync("isp-a")
    assert on_internet(net, space) is NO


@pytest.mark.parametrize(
    ("prefixes", "addresses"),
    [
        ('["198.51.100.0/28"]', 16),
        ('["198.51.100.0/29", "198.51.100.8/29"]', 16),
        ('["198.51.100.0/28", "198.51.100.4/30"]', 16),
        ('["2001:db8:100:10::/64"]', 2**64),
        ('["198.51.100.0/28", "2001:db8:100:10::/126"]', 20),
    ],
)
def test_the_addresses_of_a_pool_are_counted_once(prefixes: str, addresses: int):
    net = company(f"nat_pools: {{chi: {{prefixes: {prefixes}}}}}")
    assert current_pool(net.monitor, "chi").addresses == addresses


# Links and circuits ----------------------------------------------------------------------------------


@BOTH_FAMILIES
def test_a_link_has_a_state_for_each_family(net: Company, space: Space):
    net.wait(60).lose("chicago-primary", space.family)
    states = {family: (found.state, found.routes) for family, found in link(net).families.items()}
    other = "ipv6" if space.family == "ipv4" else "ipv4"
    assert states == {space.family: (LinkState.DOWN, 0), other: (LinkState.UP, 2)}
    assert link(net).families[space.family].since == net.now
    assert link(net).families[space.family].transitions == 1


def test_a_link_that_was_never_seen_is_unknown_and_has_not_changed():
    found = link(company()).families["ipv4"]
    assert (found.state, found.since, found.transitions, found.decided_by) == (LinkState.UNKNOWN, None, 0, ())


@BOTH_FAMILIES
def test_a_circuit_is_up_with_one_link_and_down_only_when_all_are_proven_down(net: Company, space: Space):
    def chicago() -> tuple[LinkState, int]:
        current = network_status(net.monitor).circuits[0]
        return current.states[space.family], current.links_up[space.family]

    assert chicago() == (LinkState.UP, 2)
    net.lose("chicago-primary", space.family)
    assert chicago() == (LinkState.UP, 1)
    net.down("edge-2")
    assert chicago() == (LinkState.UNKNOWN, 0)
    net.reconnect("edge-2")
    assert chicago() == (LinkState.DOWN, 0)


def test_routes_are_counted_by_the_service_whose_community_they_carry(net: Company):
    assert link(net).services == {"exchange-online": {"ipv4": 1, "ipv6": 1}}
    assert link(net).service_routes == {"exchange-online": 2}
    net.microsoft_withdraws("chicago-primary", V4.exchange)
    assert link(net).services == {"exchange-online": {"ipv4": 0, "ipv6": 1}}
    assert link(net).service_routes == {"exchange-online": 1}
    net.microsoft_sends("chicago-primary", V4.extra, communities=TEAMS)
    assert link(net).service_routes == {"exchange-online": 1}


def test_a_link_drains_while_the_drain_s_check_says_so(net: Company):
    def shown() -> set[bool]:
        draining = {found.draining for found in link(net).families.values()}
        assert {found.draining for found in link(net, name="secondary").families.values()} == {False}
        assert draining == {net.status("drain", circuit="chicago", link="primary") == "violated"}
        return draining

    assert shown() == {False}
    for space in (V4, V6):
        net.microsoft_sends(
            "chicago-primary", space.exchange, space.sharepoint, path="12076 12076 12076 12076"
        )
    assert shown() == {True}
    net.wait(60).lose("chicago-primary", "ipv4", "ipv6")
    assert shown() == {True}
    net.wait(net.config.policy.max_drain - 60)
    assert shown() == {False}


@BOTH_FAMILIES
def test_what_is_advertised_is_counted_as_the_limit_s_check_counts_it(net: Company, space: Space):
    net.announce("chicago-primary", *space.many(30))
    shown = link(net).advertised[space.family]
    declared = net.config.circuits["chicago"].links["primary"]
    assert shown.prefixes == 31
    assert shown.prefixes == mirrored(net.config, declared).count(net.monitor.network, space.family)


@pytest.mark.parametrize(("family", "limit"), [("ipv4", 4_000), ("ipv6", 100)])
def test_private_peering_has_limits_of_its_own(family: str, limit: int):
    assert link(company(PLANT), "plant").advertised[family].limit == limit


# Feeds -----------------------------------------------------------------------------------------------


def test_a_feed_that_is_lost_says_why_and_shows_nothing(net: Company):
    net.wait(5).down("edge-1")
    current = feed(net, "edge-1")
    assert (current.up, current.since, current.ups, current.downs) == (False, net.now, 1, 1)
    assert current.down_reason == "closing connection"
    assert [(f.in_sync, f.all_paths, f.routes) for f in current.families.values()] == [(False, False, 0)] * 2


def test_a_feed_s_families_get_in_sync_one_by_one(net: Company):
    net.down("isp-a").up("isp-a").end_of_rib("isp-a", family="ipv6").wait(2)
    current = feed(net, "isp-a")
    assert {family: found.in_sync for family, found in current.families.items()} == {
        "ipv4": False,
        "ipv6": True,
    }
    assert not current.sees_all


def test_lost_messages_are_told_until_the_feed_has_sent_everything_again(net: Company):
    net.lose_messages("isp-a", 3)
    current = feed(net, "isp-a")
    assert (current.lost_messages, current.loss) == (3, "a gap in ExaBGP's counter")
    net.down("isp-a").reconnect("isp-a")
    assert (feed(net, "isp-a").lost_messages, feed(net, "isp-a").loss) == (3, None)


def test_tables_that_may_be_full_are_held_in_part(net: Company):
    partial = {current.feed.name for current in network_status(net.monitor).feeds if current.partial}
    assert partial == {"edge-1", "edge-2", "edge-3", "edge-4", "outside"}


# Reload ----------------------------------------------------------------------------------------------


def test_a_reload_is_seen_at_once(net: Company):
    changed = company("nat_pools: {dal: null}", "circuits: {chicago: {receive: {services: [skype-teams]}}}")
    before = len(judged(net.monitor).statuses)
    net.reconfigure(changed.config)
    assert [current.pool.name for current in network_status(net.monitor).pools] == ["chi"]
    assert list(link(net).service_routes) == ["skype-teams"]
    assert len(judged(net.monitor).statuses) == len(layout_of(net.monitor).cases) < before


def test_what_follows_from_a_configuration_is_worked_out_once(net: Company):
    first = layout_of(net.monitor)
    net.down("edge-1")
    assert layout_of(net.monitor) is first
