"""Sessions, being in sync, link states, and which routes of other views count as Microsoft's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ermon.checks.topics import MICROSOFT, RouteSet
from ermon.core.facts import NetworkFacts
from ermon.core.reactor import OVERFLOW_REASONS
from ermon.model.events import Alive
from ermon.model.findings import LinkState
from ermon.model.inventory import Config
from ermon.model.prefixes import Family, parse_prefix
from tests.defaults import make_collector
from tests.networks import BOTH, METRO_AND_PRIVATE, SMALL, START, TWO_CIRCUITS
from tests.story import Story

FAMILIES = pytest.mark.parametrize("family", BOTH)
MSEE = {"ipv4": "203.0.113.2", "ipv6": "2001:db8:ffff::2"}
OTHER_MSEE = {"ipv4": "203.0.113.6", "ipv6": "2001:db8:ffff::6"}
RECEIVED = {"ipv4": "192.0.2.0/26", "ipv6": "2001:db8:200::/48"}
INSIDE = {"ipv4": "192.0.2.16/28", "ipv6": "2001:db8:200:1::/64"}
POOL = {"ipv4": "198.51.100.0/28", "ipv6": "2001:db8:100:1::/64"}
PRIMARY, SECONDARY = ("chicago", "primary"), ("chicago", "secondary")


def story(policy: Config = SMALL) -> Story:
    return Story(policy, start=START)


def network(net: Story) -> NetworkFacts:
    return net.monitor.network


def receive(net: Story, feed: str = "edge-1", *prefixes: str, via: dict[str, str] = MSEE) -> Story:
    return net.announce(feed, *(prefixes or RECEIVED.values()), via=via, path="12076")


def in_sync(net: Story, feed: str, family: Family = "ipv4") -> bool:
    return network(net).in_sync(feed, family)


# In sync -----------------------------------------------------------------------------------------------


@FAMILIES
def test_a_feed_is_in_sync_after_end_of_rib_and_a_quiet_time(family: Family) -> None:
    net = story().up("edge-1").end_of_rib("edge-1").wait(1.75)
    assert not in_sync(net, "edge-1", family)
    assert in_sync(net.wait(0.25), "edge-1", family)


@pytest.mark.parametrize("withdrawn", [False, True])
def test_every_further_update_restarts_the_quiet_time(withdrawn: bool) -> None:
    net = story().up("edge-1").end_of_rib("edge-1").wait(1.5)
    if withdrawn:
        net.withdraw("edge-1", RECEIVED["ipv4"])
    else:
        receive(net, "edge-1", RECEIVED["ipv4"])
    assert not in_sync(net.wait(1.75), "edge-1")
    assert in_sync(net.wait(0.25), "edge-1")


def test_quiet_is_per_family() -> None:
    net = story().up("edge-1").end_of_rib("edge-1").wait(1.5)
    receive(net, "edge-1", RECEIVED["ipv6"]).wait(0.5)
    assert in_sync(net, "edge-1", "ipv4")
    assert not in_sync(net, "edge-1", "ipv6")


def test_continuing_updates_delay_being_in_sync_by_at_most_ten_seconds() -> None:
    net = story().up("edge-1").end_of_rib("edge-1")
    for _ in range(6):
        receive(net.wait(1.5))
    assert not in_sync(net.wait(0.75), "edge-1")
    assert in_sync(net.wait(0.25), "edge-1")


def test_a_line_at_the_very_instant_comes_after_the_timer() -> None:
    net = receive(story().up("edge-1").end_of_rib("edge-1").wait(2))
    assert in_sync(net, "edge-1")


@FAMILIES
def test_without_end_of_rib_a_feed_is_in_sync_two_minutes_after_it_came_up(family: Family) -> None:
    net = receive(story().up("edge-1")).wait(119.75)
    assert not in_sync(net, "edge-1", family)
    assert in_sync(net.wait(0.25), "edge-1", family)


def test_end_of_rib_of_one_family_does_not_count_for_the_other() -> None:
    net = story().up("edge-1").end_of_rib("edge-1", family="ipv6").wait(119)
    assert in_sync(net, "edge-1", "ipv6")
    assert not in_sync(net, "edge-1", "ipv4")


def test_once_in_sync_a_feed_stays_so() -> None:
    net = story().up("edge-1").get_in_sync("edge-1")
    receive(net)
    assert in_sync(net.end_of_rib("edge-1"), "edge-1")
    assert in_sync(net.wait(500), "edge-1")


def test_end_of_rib_counts_once_in_a_session() -> None:
    net = story().up("edge-1").end_of_rib("edge-1").wait(1.5).end_of_rib("edge-1").wait(0.5)
    assert in_sync(net, "edge-1")


def test_a_family_that_the_feed_does_not_have_is_never_in_sync() -> None:
    net = story(TWO_CIRCUITS).up("edge-3").end_of_rib("edge-3").end_of_rib("edge-3", family="ipv6").wait(500)
    assert in_sync(net, "edge-3", "ipv4")
    assert not in_sync(net, "edge-3", "ipv6")


# Sessions ----------------------------------------------------------------------------------------------


@FAMILIES
def test_when_a_session_goes_down_its_routes_are_gone(family: Family) -> None:
    net = receive(story().up("edge-1")).down("edge-1")
    assert not network(net).covers("edge-1", parse_prefix(RECEIVED[family]))
    assert len(network(net).feeds["edge-1"].rib) == 0


def test_every_up_starts_an_empty_session() -> None:
    net = receive(story().up("edge-1").get_in_sync("edge-1")).up("edge-1")
    assert len(network(net).feeds["edge-1"].rib) == 0
    assert not in_sync(net, "edge-1")
    assert in_sync(net.get_in_sync("edge-1"), "edge-1")


def test_an_attempt_that_fails_is_no_loss_and_its_reason_is_the_latest() -> None:
    refused = "OPEN refused by ermon: bad peer AS"
    net = story().up("edge-1").down("edge-1").down("edge-1", reason=refused)
    session = network(net).feeds["edge-1"].session
    assert (session.up, session.downs) == (False, 1)
    assert session.down_reason == refused


def test_a_second_down_changes_nothing() -> None:
    net = story().up("edge-1").wait(1).down("edge-1").wait(1).down("edge-1")
    session = network(net).feeds["edge-1"].session
    assert (session.downs, session.changed_at) == (1, START + 1)


@pytest.mark.parametrize("what", ["update", "end of rib", "keepalive"])
def test_a_message_from_a_feed_that_is_not_up_means_a_joined_session(what: str) -> None:
    net = story()
    if what == "update":
        receive(net)
    elif what == "end of rib":
        net.end_of_rib("edge-1")
    else:
        net.monitor.apply(Alive(net.now, "edge-1"))
    assert network(net).up("edge-1")
    assert not in_sync(net.wait(119.75), "edge-1")
    assert in_sync(net.wait(0.25), "edge-1")


def test_end_of_rib_may_be_the_end_of_half_a_dump_in_a_session_that_we_joined() -> None:
    net = receive(story()).end_of_rib("edge-1").wait(60)
    assert not in_sync(net, "edge-1")
    assert network(net).end_of_rib("edge-1") is None
    net.wait(300)
    assert network(net).end_of_rib("edge-1") is None


def test_the_next_session_after_a_joined_one_is_an_ordinary_one() -> None:
    net = receive(story()).down("edge-1").up("edge-1").get_in_sync("edge-1")
    assert in_sync(net, "edge-1")


def test_the_end_of_a_process_ends_the_sessions_of_its_feeds_only() -> None:
    net = story(TWO_CIRCUITS).process_up().process_up("outside").up(*TWO_CIRCUITS.feeds).process_down()
    up = {name for name in TWO_CIRCUITS.feeds if network(net).up(name)}
    assert up == {"outside"}
    assert network(net).down_reason("edge-1") == "exited"


# Losses ------------------------------------------------------------------------------------------------


def teardowns(net: Story, feed: str = "edge-1") -> int:
    return sum(request.feed == feed and request.action == "teardown" for request in net.requests)


def test_a_loss_is_answered_by_a_teardown_and_ends_being_in_sync() -> None:
    net = story().up("edge-1").get_in_sync("edge-1").lose_messages("edge-1")
    assert not in_sync(net, "edge-1")
    assert not in_sync(net.wait(500), "edge-1")
    assert teardowns(net) >= 1


def test_a_loss_holds_until_the_next_session_is_in_sync_in_all_its_families() -> None:
    net = story().up("edge-1").get_in_sync("edge-1").lose_messages("edge-1").down("edge-1").up("edge-1")
    assert network(net).loss("edge-1") is not None
    net.end_of_rib("edge-1", family="ipv4").wait(10)
    assert network(net).loss("edge-1") is not None
    net.get_in_sync("edge-1")
    assert network(net).loss("edge-1") is None


def test_a_feed_is_torn_down_once_in_five_minutes_at_most() -> None:
    net = story().up("edge-1").lose_messages("edge-1").lose_messages("edge-1")
    assert teardowns(net) == 1
    net.down("edge-1").up("edge-1").get_in_sync("edge-1").lose_messages("edge-1").wait(297.75)
    assert teardowns(net) == 1
    net.wait(0.25)
    assert teardowns(net) == 2


def test_a_feed_that_came_back_by_itself_is_not_torn_down_later() -> None:
    net = story().up("edge-1").lose_messages("edge-1").wait(1).lose_messages("edge-1")
    net.down("edge-1").up("edge-1").get_in_sync("edge-1").wait(1000)
    assert teardowns(net) == 1


def test_a_loss_on_one_feed_is_none_on_another() -> None:
    net = story().up("edge-1", "edge-2").get_in_sync("edge-1", "edge-2").lose_messages("edge-1")
    assert in_sync(net, "edge-2")
    assert teardowns(net, "edge-2") == 0


def test_end_of_rib_is_overdue_on_a_feed_that_lost_messages_too() -> None:
    net = story().up("edge-1").wait(1).lose_messages("edge-1").wait(118.75)
    assert network(net).end_of_rib("edge-1") is None
    net.wait(0.25)
    assert network(net).end_of_rib("edge-1") is False
    assert net.status("feed-no-eor", feed="edge-1") == "violated"


# ADD-PATH ----------------------------------------------------------------------------------------------


def test_add_path_is_in_force_as_negotiated_for_each_family() -> None:
    net = receive(story().add_path_negotiated("edge-1", "ipv4").up("edge-1")).get_in_sync("edge-1")
    assert network(net).deciders(PRIMARY, "ipv4") == ("edge-1",)
    assert network(net).deciders(PRIMARY, "ipv6") == ()
    assert network(net).witnesses(PRIMARY, "ipv6") == ("edge-1",)


def test_the_peers_open_counts_while_nothing_was_negotiated() -> None:
    net = story().peer_offers_add_path("edge-1", "ipv6").up("edge-1").get_in_sync("edge-1")
    assert not network(net).all_paths("edge-1", "ipv4")
    assert network(net).all_paths("edge-1", "ipv6")
    net.add_path_negotiated("edge-1", "ipv4")
    assert network(net).all_paths("edge-1", "ipv4")
    assert not network(net).all_paths("edge-1", "ipv6")


def test_negotiated_capabilities_are_forgotten_at_the_next_down() -> None:
    net = story().add_path_negotiated("edge-1").up("edge-1").down("edge-1").up("edge-1")
    assert network(net).all_paths("edge-1", "ipv4")


def test_an_open_that_came_to_nothing_is_forgotten_too() -> None:
    net = story().peer_offers_add_path("edge-1").down("edge-1").up("edge-1")
    assert network(net).all_paths("edge-1", "ipv4")


# Canaries ----------------------------------------------------------------------------------------------

CANARY = {"ipv4": "198.51.100.128/27", "ipv6": "2001:db8:1ff::/48"}


@FAMILIES
def test_a_family_whose_canary_is_missing_is_not_in_sync(family: Family) -> None:
    other = BOTH[family == "ipv4"]
    net = story(TWO_CIRCUITS).up("isp-a").announce("isp-a", CANARY[other]).get_in_sync("isp-a")
    assert network(net).canary_missing("isp-a") == (parse_prefix(CANARY[family]),)
    assert not in_sync(net, "isp-a", family)
    assert in_sync(net, "isp-a", other)
    assert in_sync(net.announce("isp-a", CANARY[family]), "isp-a", family)
    assert not in_sync(net.withdraw("isp-a", CANARY[family]), "isp-a", family)


def test_a_canary_is_covered_by_its_halves_and_never_by_a_default_route() -> None:
    net = story(TWO_CIRCUITS).up("isp-a").announce("isp-a", "0.0.0.0/0", CANARY["ipv6"]).get_in_sync("isp-a")
    assert not in_sync(net, "isp-a")
    assert in_sync(net.announce("isp-a", "198.51.100.128/28", "198.51.100.144/28"), "isp-a")


def test_a_canary_is_judged_from_end_of_rib_on() -> None:
    net = story(TWO_CIRCUITS).up("isp-a").wait(100)
    assert network(net).canary_missing("isp-a") is None
    net.end_of_rib("isp-a", family="ipv6")
    assert network(net).canary_missing("isp-a") == (parse_prefix(CANARY["ipv6"]),)


def test_without_end_of_rib_a_canary_is_judged_from_sync_timeout_on() -> None:
    net = story(TWO_CIRCUITS).up("isp-a").wait(119.75)
    assert network(net).canary_missing("isp-a") is None
    assert len(network(net.wait(0.25)).canary_missing("isp-a") or ()) == 2


# Too many routes ---------------------------------------------------------------------------------------

TINY = replace(SMALL, collector=make_collector(asn=64500, max_routes=2))
TABLE = ("10.1.0.0/16", "10.2.0.0/16", "2001:db8:2::/48")


def overflown(net: Story) -> Story:
    return net.up("isp-a").announce("isp-a", *TABLE)


def test_a_feed_with_too_many_routes_is_torn_down_and_holds_nothing() -> None:
    net = overflown(story(TINY))
    assert network(net).overflowed("isp-a")
    assert not network(net).up("isp-a")
    assert len(network(net).feeds["isp-a"].rib) == 0
    assert network(net).down_reason("isp-a") == OVERFLOW_REASONS["max_routes"]
    assert teardowns(net, "isp-a") == 1


LARGE = replace(SMALL, collector=make_collector(asn=64500, max_bytes=10_000))
MANY_TAGS = " ".join(f"64500:{number}" for number in range(980))
"""As many communities as an UPDATE of 4,096 octets can have."""


@pytest.mark.parametrize("prefix", ["10.1.0.0/16", "2001:db8:2::/48"])
def test_a_feed_whose_routes_take_too_much_memory_is_torn_down_as_if_they_were_too_many(prefix: str) -> None:
    net = story(LARGE).up("isp-a").announce("isp-a", POOL["ipv4"], communities=MANY_TAGS)
    assert network(net).up("isp-a"), "one of them is little"
    net.announce("isp-a", prefix, communities=MANY_TAGS + " 64501:1", path="64500")
    assert network(net).overflowed("isp-a") == "max_bytes"
    assert not network(net).up("isp-a")
    assert network(net).down_reason("isp-a") == OVERFLOW_REASONS["max_bytes"]
    assert network(net).feeds["isp-a"].held_bytes == 0
    assert teardowns(net, "isp-a") == 1
    assert network(net.wait(300)).overflowed("isp-a") is None


def test_routes_with_the_same_attributes_take_their_memory_once() -> None:
    net = story(LARGE).up("isp-a")
    for prefix in TABLE[:2]:
        net.announce("isp-a", prefix, communities=MANY_TAGS)
    assert network(net).up("isp-a")
    assert len({id(route.attributes) for route in network(net).feeds["isp-a"].rib.routes()}) == 1


def test_as_many_routes_as_allowed_are_held() -> None:
    net = story(TINY).up("isp-a").announce("isp-a", *TABLE[:2])
    assert network(net).up("isp-a")


def test_it_stays_down_for_five_minutes_even_if_the_router_connects() -> None:
    net = overflown(story(TINY)).announce("isp-a", POOL["ipv4"]).wait(1).up("isp-a").wait(298.75)
    assert not network(net).up("isp-a")
    assert teardowns(net, "isp-a") == 2
    assert network(net.wait(0.25)).overflowed("isp-a") is None
    assert network(net.up("isp-a")).up("isp-a")


def test_the_time_doubles_up_to_an_hour() -> None:
    net = story(TINY)
    for seconds in (300, 600, 1200, 2400, 3600, 3600):
        overflown(net).wait(seconds - 0.25)
        assert network(net).overflowed("isp-a")
        assert not network(net.wait(0.25)).overflowed("isp-a")


def test_a_feed_that_came_in_sync_begins_with_five_minutes_again() -> None:
    net = (
        overflown(story(TINY)).wait(300).up("isp-a").get_in_sync("isp-a").announce("isp-a", *TABLE).wait(300)
    )
    assert not network(net).overflowed("isp-a")


# Routes of a full table that are held ------------------------------------------------------------------


def test_of_a_full_table_only_what_the_policy_can_ask_about_is_held() -> None:
    net = story(TWO_CIRCUITS).up("outside").announce("outside", "8.8.8.0/24", "2620:1ec::/36", path="3356")
    assert len(network(net).feeds["outside"].rib) == 0
    asked = (
        # pools, own prefixes, expected prefixes, link subnets, internet-only space, and the default
        *("198.51.100.0/29", "198.51.100.192/26", "192.0.2.0/27", "203.0.113.0/24", "198.51.100.128/28"),
        *("2001:db8:100:1::/64", "2001:db8:200::/40", "0.0.0.0/0", "::/0"),
    )
    net.announce("outside", *asked, path="3356")
    assert len(network(net).feeds["outside"].rib) == len(asked)


def test_microsoft_routes_are_held_wherever_they_are() -> None:
    net = story(TWO_CIRCUITS).up("outside", "edge-1")
    net.announce("outside", "8.8.8.0/24", "2620:1ec::/36", path="3356 12076")
    net.announce("edge-1", "8.8.8.0/24", "2620:1ec::/36", path="12076")
    net.announce("edge-1", "8.8.4.0/24", path="3356 12076")
    assert len(network(net).feeds["outside"].rib) == 2
    assert len(network(net).feeds["edge-1"].rib) == 2


def test_a_route_that_can_be_asked_about_no_longer_is_dropped() -> None:
    net = story(TWO_CIRCUITS).up("outside").announce("outside", "8.8.8.0/24", path="3356 12076")
    net.announce("outside", "8.8.8.0/24", path="3356")
    assert len(network(net).feeds["outside"].rib) == 0


@FAMILIES
def test_a_feed_is_not_empty_because_nothing_of_it_is_held(family: Family) -> None:
    net = story(TWO_CIRCUITS).up("outside")
    assert not network(net).received_any("outside", family)
    net.announce("outside", {"ipv4": "8.8.8.0/24", "ipv6": "2620:1ec::/36"}[family], path="3356")
    assert network(net).received_any("outside", family)


@pytest.mark.parametrize("view", ["isp-a", "edge-1-msee"])
def test_a_mirror_is_held_whole(view: str) -> None:
    net = story().up(view).announce(view, "8.8.8.0/24", "2620:1ec::/36", path="3356")
    assert len(network(net).feeds[view].rib) == 2


# Links -------------------------------------------------------------------------------------------------


@FAMILIES
def test_a_link_is_unknown_until_a_feed_is_in_sync(family: Family) -> None:
    net = receive(story().up("edge-1"))
    assert network(net).link_state(PRIMARY, family) is LinkState.UNKNOWN
    net.get_in_sync("edge-1")
    assert network(net).link_state(PRIMARY, family) is LinkState.UP


@FAMILIES
def test_absence_is_proven_by_an_all_paths_feed_of_the_links_own_router(family: Family) -> None:
    net = receive(story().up("edge-1")).get_in_sync("edge-1")
    assert network(net).link_state(SECONDARY, family) is LinkState.UNKNOWN
    net.withdraw("edge-1", RECEIVED[family])
    assert network(net).link_state(PRIMARY, family) is LinkState.DOWN


@FAMILIES
def test_a_best_path_feed_proves_presence_and_never_absence(family: Family) -> None:
    net = receive(story(TWO_CIRCUITS).up("edge-2-best"), "edge-2-best", via=OTHER_MSEE).get_in_sync(
        "edge-2-best"
    )
    assert network(net).link_state(SECONDARY, family) is LinkState.UP
    net.withdraw("edge-2-best", RECEIVED[family])
    assert network(net).link_state(SECONDARY, family) is LinkState.UNKNOWN


@FAMILIES
def test_another_routers_table_counts_only_while_none_decides(family: Family) -> None:
    """It may still have the routes of a dead link: graceful restart."""
    net = receive(story().up("edge-1", "edge-2"), "edge-2").get_in_sync("edge-2")
    assert network(net).link_state(PRIMARY, family) is LinkState.UP
    net.get_in_sync("edge-1")
    assert network(net).link_state(PRIMARY, family) is LinkState.DOWN
    net.down("edge-1")
    assert network(net).link_state(PRIMARY, family) is LinkState.UP


@FAMILIES
def test_a_lost_feed_makes_its_link_unknown_not_down(family: Family) -> None:
    net = receive(story().up("edge-1")).get_in_sync("edge-1").down("edge-1")
    assert network(net).link_state(PRIMARY, family) is LinkState.UNKNOWN


@FAMILIES
def test_a_route_without_a_next_hop_proves_its_link_neither_up_nor_down(family: Family) -> None:
    net = (
        story()
        .up("edge-1")
        .announce("edge-1", RECEIVED[family], via=None, path="12076")
        .get_in_sync("edge-1")
    )
    assert network(net).link_state(PRIMARY, family) is LinkState.UNKNOWN
    net.withdraw("edge-1", RECEIVED[family])
    assert network(net).link_state(PRIMARY, family) is LinkState.DOWN


def test_a_link_whose_route_moves_to_another_link_is_down() -> None:
    net = receive(story().up("edge-1")).get_in_sync("edge-1")
    receive(net, via=OTHER_MSEE)
    assert network(net).link_state(PRIMARY, "ipv4") is LinkState.DOWN
    assert network(net).link_state(SECONDARY, "ipv4") is LinkState.UP


def test_only_changes_between_up_and_down_are_transitions() -> None:
    net = receive(story().up("edge-1")).get_in_sync("edge-1").down("edge-1")
    receive(net.up("edge-1")).get_in_sync("edge-1")
    assert network(net).links[PRIMARY, "ipv4"].transitions == 0
    net.withdraw("edge-1", RECEIVED["ipv4"]).down("edge-1")
    receive(net.up("edge-1")).get_in_sync("edge-1")
    assert network(net).links[PRIMARY, "ipv4"].transitions == 2


def test_prefixes_are_counted_once_if_several_paths_or_feeds_show_them() -> None:
    net = receive(story(TWO_CIRCUITS).up("edge-2", "edge-2-best"), "edge-2-best", via=OTHER_MSEE)
    for path_id in (1, 2):
        net.announce("edge-2", RECEIVED["ipv4"], via=OTHER_MSEE, path="12076", path_id=path_id)
    net.get_in_sync("edge-2", "edge-2-best")
    assert network(net).prefix_count(SECONDARY, "ipv4") == 1
    net.down("edge-2")
    assert network(net).prefix_count(SECONDARY, "ipv4") == 1


# The links of a circuit compared -----------------------------------------------------------------------


def sides(net: Story, family: Family) -> set[str]:
    return {str(prefix) for prefix in network(net).one_sided("chicago", family)}


@FAMILIES
def test_a_prefix_on_one_link_only_is_one_sided(family: Family) -> None:
    net = receive(story().up("edge-1", "edge-2"))
    receive(net, "edge-2", via=OTHER_MSEE).get_in_sync("edge-1", "edge-2")
    assert sides(net, family) == set()
    receive(net, "edge-1", INSIDE[family])
    assert sides(net, family) == {INSIDE[family]}
    receive(net, "edge-2", INSIDE[family], via=OTHER_MSEE)
    assert sides(net, family) == set()


@FAMILIES
def test_nothing_is_one_sided_while_a_link_is_down_or_unknown(family: Family) -> None:
    net = receive(story().up("edge-1", "edge-2")).get_in_sync("edge-1")
    assert sides(net, family) == set()
    assert sides(net.get_in_sync("edge-2"), family) == set()


@FAMILIES
def test_presence_by_a_best_path_and_absence_by_all_paths_are_enough(family: Family) -> None:
    net = receive(story(TWO_CIRCUITS).up("edge-1", "edge-2-best")).get_in_sync("edge-1")
    receive(net, "edge-2-best", RECEIVED[family], INSIDE[family], via=OTHER_MSEE).get_in_sync("edge-2-best")
    assert sides(net, family) == {INSIDE[family]}
    receive(net, "edge-1", {"ipv4": "192.0.2.64/26", "ipv6": "2001:db8:201::/48"}[family])
    assert sides(net, family) == {INSIDE[family]}


# Microsoft routes elsewhere ----------------------------------------------------------------------------


def counts_as_microsoft(net: Story, feed: str, family: Family) -> set[str]:
    return {str(r.prefix) for r in network(net).matching(feed, RouteSet(MICROSOFT, family)).values()}


ELSEWHERE = pytest.mark.parametrize("feed", ["edge-1-msee", "isp-a", "dmz"])


@FAMILIES
@ELSEWHERE
def test_12076_anywhere_in_the_path_makes_a_microsoft_route(feed: str, family: Family) -> None:
    net = story(TWO_CIRCUITS).up(feed).announce(feed, RECEIVED[family], path="64500 {8075 12076}")
    assert counts_as_microsoft(net, feed, family) == {RECEIVED[family]}


@FAMILIES
@ELSEWHERE
def test_so_does_a_prefix_inside_one_that_a_link_receives_now(feed: str, family: Family) -> None:
    net = story(TWO_CIRCUITS).up(feed, "edge-1").announce(feed, INSIDE[family])
    assert counts_as_microsoft(net, feed, family) == set()
    receive(net)
    assert counts_as_microsoft(net, feed, family) == {INSIDE[family]}


@FAMILIES
def test_the_memory_of_a_dead_link_lasts_until_it_is_up_again(family: Family) -> None:
    net = receive(story(TWO_CIRCUITS).up("isp-a", "edge-1").announce("isp-a", INSIDE[family])).get_in_sync(
        "edge-1"
    )
    net.down("edge-1").wait(1000)
    assert counts_as_microsoft(net, "isp-a", family) == {INSIDE[family]}
    receive(net.up("edge-1"), "edge-1", {"ipv4": "192.0.2.64/26", "ipv6": "2001:db8:201::/48"}[family])
    net.get_in_sync("edge-1")
    assert counts_as_microsoft(net, "isp-a", family) == set()


@pytest.mark.parametrize(("seconds", "remembered"), [(60, True), (60.25, False)])
@FAMILIES
def test_routes_that_a_link_lost_in_its_last_minute_are_remembered(
    family: Family, seconds: float, remembered: bool
) -> None:
    net = receive(story(TWO_CIRCUITS).up("isp-a", "edge-1").announce("isp-a", INSIDE[family]))
    other = {"ipv4": "192.0.2.64/26", "ipv6": "2001:db8:201::/48"}[family]
    receive(net, "edge-1", other).get_in_sync("edge-1").withdraw("edge-1", RECEIVED[family])
    assert counts_as_microsoft(net, "isp-a", family) == set()
    net.wait(seconds).withdraw("edge-1", other)
    assert bool(counts_as_microsoft(net, "isp-a", family)) is remembered


@FAMILIES
@ELSEWHERE
def test_own_space_is_never_microsofts_even_if_a_link_receives_it(feed: str, family: Family) -> None:
    net = story(TWO_CIRCUITS).up(feed, "edge-1").announce(feed, POOL[family])
    receive(net, "edge-1", POOL[family], {"ipv4": "198.51.0.0/16", "ipv6": "2001:db8::/32"}[family])
    assert counts_as_microsoft(net, feed, family) == set()


@pytest.mark.parametrize(("default", "family"), [("0.0.0.0/0", "ipv4"), ("::/0", "ipv6")])
@ELSEWHERE
def test_a_default_route_is_never_microsofts(feed: str, default: str, family: Family) -> None:
    net = story(TWO_CIRCUITS).up(feed, "edge-1").announce(feed, default, path="64500 12076")
    receive(net, "edge-1", default)
    net.announce(feed, {"ipv4": "10.0.0.0/8", "ipv6": "2a00::/16"}[family])
    assert counts_as_microsoft(net, feed, family) == set()


def test_blackholing_is_ignored_where_it_goes_to_the_internet() -> None:
    net = story(TWO_CIRCUITS).up("isp-a", "edge-1-msee")
    for feed in ("isp-a", "edge-1-msee"):
        net.announce(feed, RECEIVED["ipv4"], path="12076", communities="65535:666")
    assert counts_as_microsoft(net, "isp-a", "ipv4") == set()
    assert counts_as_microsoft(net, "edge-1-msee", "ipv4") == {RECEIVED["ipv4"]}


def test_links_of_private_peering_give_no_microsoft_prefixes() -> None:
    net = story(METRO_AND_PRIVATE).up("isp-a", "edge-1").announce("isp-a", "10.1.2.0/24")
    net.announce("edge-1", "10.1.0.0/16", via="172.16.0.2", path="12076")
    assert counts_as_microsoft(net, "isp-a", "ipv4") == set()


def test_the_keepalive_of_the_handshake_does_not_mean_a_joined_session() -> None:
    net = Story(SMALL)
    feed = next(iter(SMALL.feeds))
    net.peer_offers_add_path(feed)
    net.monitor.apply(Alive(net.now, feed))
    assert not net.monitor.network.up(feed)
    net.up(feed)
    assert net.monitor.network.feeds[feed].session.ups == 1


def test_a_keepalive_without_an_open_means_a_joined_session() -> None:
    net = Story(SMALL)
    feed = next(iter(SMALL.feeds))
    net.monitor.apply(Alive(net.now, feed))
    assert net.monitor.network.up(feed)
