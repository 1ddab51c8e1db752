"""The status of circuits, links, pools and feeds, in both families."""

from __future__ import annotations

import pytest

from ermon.api.status import FeedDoc, LinkDoc
from ermon.checks.mirror import mirrored
from ermon.core.headline import make_headline
from ermon.core.pool_status import pools_status
from ermon.core.status import (
    Collected,
    circuit_status,
    feed_status,
    feeds_status,
    link_status,
    network_status,
)
from ermon.model.findings import LinkState
from ermon.model.prefixes import Family
from ermon.model.text import rfc3339
from tests.checks.company import PLANT, TEAMS, V4, V6, Company, Space, company

BOTH_FAMILIES = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])


@pytest.fixture
def net() -> Company:
    return company().converge()


def link(net: Company, circuit: str = "chicago", name: str = "primary") -> LinkDoc:
    return link_status(net.monitor, (circuit, name))


def feed(net: Company, name: str) -> FeedDoc:
    return feed_status(net.monitor, name)


# Links and circuits ----------------------------------------------------------------------------------


@BOTH_FAMILIES
def test_a_link_has_a_state_for_each_family(net: Company, space: Space):
    net.wait(60).lose("chicago-primary", space.family)
    states = {family: (state, link(net).routes[family]) for family, state in link(net).state.items()}
    other = "ipv6" if space.family == "ipv4" else "ipv4"
    assert states == {space.family: (LinkState.DOWN, 0), other: (LinkState.UP, 2)}
    assert link(net).since[space.family] == rfc3339(net.now)
    assert link(net).transitions[space.family] == 1


def test_a_link_that_was_never_seen_is_unknown_and_has_not_changed():
    found = link(company())
    assert (found.state["ipv4"], found.since["ipv4"]) == (LinkState.UNKNOWN, None)
    assert (found.transitions["ipv4"], found.decided_by["ipv4"]) == (0, ())


@BOTH_FAMILIES
def test_a_circuit_is_up_with_one_link_and_down_only_when_all_are_proven_down(net: Company, space: Space):
    def chicago() -> tuple[str, int]:
        current = circuit_status(net.monitor, "chicago")
        return current.state[space.family], current.links_up[space.family]

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


def test_a_link_is_shown_as_draining_while_the_check_is_violated_and_the_silence_is_not_too_long(
    net: Company,
):
    def shown() -> set[bool]:
        draining = set(link(net).draining.values())
        assert set(link(net, name="secondary").draining.values()) == {False}
        return draining

    assert shown() == {False}
    for space in (V4, V6):
        assert link(net).draining == {"ipv4": space is V6, "ipv6": False}
        net.microsoft_sends(
            "chicago-primary", space.exchange, space.sharepoint, path="12076 12076 12076 12076"
        )
    assert shown() == {True}
    assert net.status("drain", circuit="chicago", link="primary") == "violated"
    net.wait(60).lose("chicago-primary", "ipv4", "ipv6")
    assert shown() == {True}
    net.wait(net.config.policy.max_drain - 60)
    assert shown() == {False}
    assert net.status("drain", circuit="chicago", link="primary") == "violated"


@BOTH_FAMILIES
def test_advertised_prefixes_are_counted_as_by_the_check_of_the_limit(net: Company, space: Space):
    net.announce("chicago-primary", *space.many(30))
    shown = link(net).advertised_prefixes[space.family]
    declared = net.config.circuits["chicago"].links["primary"]
    assert shown == 31
    assert shown == mirrored(net.config, declared).count(net.monitor.network, space.family)


@BOTH_FAMILIES
def test_a_service_is_missing_only_where_its_absence_is_proven(net: Company, space: Space):
    def answer() -> str:
        return link(net).service_answers["exchange-online"][space.family]

    assert answer() == "yes"
    net.down("edge-1")
    assert answer() == "unknown"
    net.reconnect("edge-1")
    assert answer() == "no", "the link is down"
    net.microsoft_sends("chicago-primary", space.sharepoint, communities=TEAMS)
    assert answer() == "no"
    net.microsoft_sends("chicago-primary", space.sharepoint, communities="")
    assert answer() == "unknown", "the router sends no communities"


@BOTH_FAMILIES
def test_best_paths_do_not_prove_that_a_service_is_missing(space: Space):
    net = company("feeds: {edge-1: {add_path: false}}").converge()
    net.microsoft_withdraws("chicago-primary", space.exchange)
    assert link(net).state[space.family] == "up"
    assert link(net).service_answers["exchange-online"][space.family] == "unknown"


@BOTH_FAMILIES
def test_nothing_is_advertised_over_a_link_that_is_down(net: Company, space: Space):
    def advertised() -> tuple[str, int]:
        return link(net).advertising[space.family], link(net).advertised_prefixes[space.family]

    assert advertised() == ("yes", 1)
    net.lose("chicago-primary", space.family)
    assert advertised() == ("no", 1), "the mirror shows what would be advertised"
    net.down("edge-1")
    assert advertised() == ("unknown", 1), "the link was down, and may be up again"
    net.reconnect("edge-1").bring("chicago-primary", space.family)
    assert advertised() == ("yes", 1)
    net.down("chicago-primary")
    assert advertised() == ("unknown", 0)


@BOTH_FAMILIES
def test_a_circuit_counts_the_links_of_which_nothing_is_known(net: Company, space: Space):
    def chicago() -> tuple[str, int, int, str]:
        now = circuit_status(net.monitor, "chicago")
        family = space.family
        return now.state[family], now.links_up[family], now.links_unknown[family], now.shown[family]

    assert chicago() == ("up", 2, 0, "up")
    net.down("edge-1")
    assert chicago() == ("up", 1, 1, "unknown")
    net.reconnect("edge-1")
    assert chicago() == ("up", 1, 0, "down")
    net.down("edge-2")
    assert chicago() == ("unknown", 0, 1, "down")


@pytest.mark.parametrize(("family", "limit"), [("ipv4", 4_000), ("ipv6", 100)])
def test_private_peering_has_limits_of_its_own(family: Family, limit: int):
    assert link(company(PLANT), "plant").advertised_prefix_limit[family] == limit


@BOTH_FAMILIES
def test_a_link_is_shown_by_its_worst_family_and_a_circuit_by_its_worst_link(net: Company, space: Space):
    def shown() -> tuple[str, str, str]:
        current = circuit_status(net.monitor, "chicago")
        return current.links["primary"].shown[space.family], current.links["primary"].overall, current.overall

    assert shown() == ("up", "up", "up")
    net.down("edge-2")
    assert shown() == ("up", "up", "unknown")
    net.lose("chicago-primary", space.family)
    assert shown() == ("down", "down", "down")


def test_a_draining_link_is_shown_as_draining_with_or_without_routes(net: Company):
    for space in (V4, V6):
        net.microsoft_sends(
            "chicago-primary", space.exchange, space.sharepoint, path="12076 12076 12076 12076"
        )
    net.wait(60).lose("chicago-primary", "ipv4")
    assert link(net).state == {"ipv4": "down", "ipv6": "up"}
    assert link(net).shown == {"ipv4": "draining", "ipv6": "draining"}
    assert circuit_status(net.monitor, "chicago").overall == "draining"


# Feeds -----------------------------------------------------------------------------------------------


def test_a_lost_feed_has_a_reason_and_no_routes(net: Company):
    net.wait(5).down("edge-1")
    current, session = feed(net, "edge-1"), net.monitor.network.feeds["edge-1"].session
    assert (current.state, current.since, session.ups, session.downs) == ("down", rfc3339(net.now), 1, 1)
    assert current.down_reason == "closing connection"
    assert [
        (f, current.all_paths[f], current.routes[f]) for f, yes in current.in_sync.items() if not yes
    ] == [(family, False, 0) for family in ("ipv4", "ipv6")]


def test_a_feed_s_families_get_in_sync_one_by_one(net: Company):
    net.down("isp-a").up("isp-a").end_of_rib("isp-a", family="ipv6").wait(2)
    current = feed(net, "isp-a")
    assert current.in_sync == {"ipv4": False, "ipv6": True}
    assert current.blind


def test_a_feed_is_blind_until_it_is_in_sync_and_impaired_while_it_has_lost_something():
    def shown() -> tuple[str, bool]:
        return feed(net, "isp-a").overall, feed(net, "isp-a").blind

    net = company()
    assert shown() == ("down", True)
    net.up("isp-a")
    assert shown() == ("not-in-sync", True)
    net.get_in_sync("isp-a")
    assert shown() == ("up", False)
    net.monitor.network.feeds["isp-a"].session.loss = "a gap in ExaBGP's counter"
    assert shown() == ("impaired", False)


def test_lost_messages_are_shown_until_the_feed_has_sent_everything_again(net: Company):
    net.lose_messages("isp-a", 3)
    current = feed(net, "isp-a")
    assert (current.lost_messages, current.loss) == (3, "a gap in ExaBGP's counter")
    net.down("isp-a").reconnect("isp-a")
    assert (feed(net, "isp-a").lost_messages, feed(net, "isp-a").loss) == (3, None)


def test_tables_that_may_be_full_are_held_in_part(net: Company):
    partial = {name for name, current in feeds_status(net.monitor).items() if current.partial}
    assert partial == {"edge-1", "edge-2", "edge-3", "edge-4", "outside"}


# Reload ----------------------------------------------------------------------------------------------


def test_a_reload_is_seen_at_once(net: Company):
    changed = company("nat_pools: {dal: null}", "circuits: {chicago: {receive: {services: [skype-teams]}}}")
    before = len(net.monitor.statuses())
    net.reconfigure(changed.config)
    assert list(pools_status(net.monitor)) == ["chi"]
    assert list(link(net).service_routes) == ["skype-teams"]
    assert len(net.monitor.statuses()) < before


def test_values_derived_from_a_configuration_are_computed_once(net: Company):
    first = net.monitor.layout
    net.down("edge-1")
    assert net.monitor.layout is first


# Suppressed on purpose -------------------------------------------------------------------------------


def test_maintenance_and_exceptions_in_force_are_listed_the_first_to_end_first():
    windows = """
      - {circuit: chicago, link: primary, from: 2026-11-18T11:06:00Z, to: 2026-11-18T12:00:00Z, reason: optics}
      - {router: edge-3, from: 2026-11-18T11:06:00Z, to: 2026-11-18T11:30:00Z, reason: firmware}
      - {feed: isp-a, from: 2026-11-19T11:06:00Z, to: 2026-11-19T12:00:00Z, reason: tomorrow}"""
    exceptions = """
      - {check: link-asymmetry, circuit: dallas, reason: by design}
      - {check: pool-leak, pool: chi, reason: over, until: 2026-11-18}"""
    net = company(f"maintenance: {windows}\nexceptions: {exceptions}").converge()
    collected = Collected(net.monitor)
    for _ in collected.steps():
        pass
    status = network_status(net.monitor, collected, version="1", started_at=net.start, now=net.now)
    assert [(each.kind, each.about, each.until, each.reason) for each in status.maintenance] == [
        ("maintenance", {"router": "edge-3"}, "2026-11-18T11:30:00.000Z", "firmware"),
        ("maintenance", {"circuit": "chicago", "link": "primary"}, "2026-11-18T12:00:00.000Z", "optics"),
        ("exception", {"check": "link-asymmetry", "circuit": "dallas"}, None, "by design"),
    ]


def test_the_status_says_until_when_a_router_is_waited_for() -> None:
    net = company().converge().process_up().process_down().wait(1).process_up().wait(10)
    until = rfc3339(net.now + 140)
    assert feeds_status(net.monitor)["edge-1"].waiting_until == until
    assert "Waiting for routers until" in make_headline(net.monitor).about
    net.wait(140)
    assert feeds_status(net.monitor)["edge-1"].waiting_until is None
