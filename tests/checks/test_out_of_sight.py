"""Losses that would go unnoticed: circuits out of sight, standbys behind best paths, most routers lost at once."""

from __future__ import annotations

from ermon.core.kept_feeds import KeptSessions
from ermon.core.monitor import Monitor
from ermon.model.settings import Severity
from tests.checks.company import EXCHANGE, PLANT, Company, Space, company
from tests.story import MILLISECOND

CHICAGO, DALLAS = {"circuit": "chicago"}, {"circuit": "dallas"}
PRIMARY = {"circuit": "chicago", "link": "primary"}
SYNC_TIMEOUT = 120

BEST_PATHS = "feeds: {edge-1: {add_path: false}, edge-2: {add_path: false}}"
ONE_BEST_PATH_ROUTER = """
circuits: {chicago: {links: {secondary: {router: edge-1}}}}
feeds: {edge-1: {add_path: false}, edge-2: null, chicago-secondary: {router: edge-1}}
"""


# circuit-unseen --------------------------------------------------------------------------------------


def test_a_circuit_whose_edge_tables_are_all_lost_is_unseen_after_a_minute(net: Company):
    net.down("edge-1")
    assert net.status("circuit-unseen", **CHICAGO) == "ok"
    net.down("edge-2")
    finding = net.assert_raised_after(60, "circuit-unseen", **CHICAGO)
    assert finding.severity is Severity.CRITICAL
    assert finding.evidence["families"] == ["ipv4", "ipv6"]
    assert finding.evidence["feeds_down"] == ["edge-1", "edge-2"]
    net.wait(5).up("edge-2").bring("chicago-secondary", "ipv4", "ipv6").get_in_sync("edge-2")
    net.assert_cleared_after(0, "circuit-unseen", **CHICAGO)


def test_a_lost_router_and_then_a_lost_link_raise_it(net: Company, space: Space):
    """Neither finding alone is critical, so a dead circuit would not be paged."""
    net.down("edge-1").wait(540).lose("chicago-secondary", "ipv4", "ipv6")
    net.assert_raised_after(60, "circuit-unseen", **CHICAGO)
    assert net.status("circuit-down", **CHICAGO, family=space.family) == "unknown"


def test_one_unseen_family_is_enough(net: Company, space: Space):
    net.down("edge-1").wait(540).lose("chicago-secondary", space.family)
    finding = net.assert_raised_after(60, "circuit-unseen", **CHICAGO)
    assert finding.evidence["families"] == [space.family]


def test_a_circuit_that_is_proven_down_is_seen(net: Company, space: Space):
    net.lose("chicago-primary", space.family).lose("chicago-secondary", space.family)
    assert net.wait(600).status("circuit-unseen", **CHICAGO) == "ok"


def test_a_circuit_that_is_down_and_then_unseen_is_one_finding(net: Company, space: Space):
    net.lose("chicago-primary", "ipv4", "ipv6").lose("chicago-secondary", "ipv4", "ipv6").wait(60)
    net.down("edge-1", "edge-2")
    assert net.status("circuit-unseen", **CHICAGO) == "suppressed"
    assert net.wait(600).raised("circuit-unseen") == []
    found = net.finding("circuit-down", **CHICAGO, family=space.family)
    assert found is not None
    assert found.stale


def test_mirrors_do_not_show_a_circuit(net: Company):
    net.down("edge-1", "edge-2").wait(60)
    assert net.raised("circuit-unseen") == ["circuit-unseen chicago"]


def test_it_waits_for_the_first_dump(space: Space):
    """Routers that send no End-of-RIB are in sync late after every start."""
    net = company().up("edge-1", "edge-2", "edge-3", "edge-4").bring("chicago-primary", "ipv4", "ipv6")
    assert net.wait(SYNC_TIMEOUT - MILLISECOND).status("circuit-unseen", **CHICAGO) == "unknown"
    assert net.wait(MILLISECOND).status("circuit-unseen", **CHICAGO) == "ok"
    assert net.raised("circuit-unseen") == []


def test_repeated_sessions_do_not_prolong_the_wait(net: Company):
    net.down("edge-1", "edge-2").up("edge-1", "edge-2")
    for _ in range(5):
        net.wait(23).up("edge-1", "edge-2")  # each time a new first dump
    assert net.wait(5 - MILLISECOND).status("circuit-unseen", **CHICAGO) == "unknown"
    assert net.wait(MILLISECOND).status("circuit-unseen", **CHICAGO) == "violated"


def test_a_mirror_that_connects_first_does_not_start_the_wait():
    net = company()
    net.monitor = Monitor(net.config, net.now, sessions=KeptSessions())
    net.process_up().up("edge-3", "edge-4").wait(5).up("chicago-primary", "chicago-secondary").wait(145)
    assert net.status("circuit-unseen", **CHICAGO) == "violated", "its routers have had their time to call"
    assert net.wait(10).up("edge-1").status("circuit-unseen", **CHICAGO) == "unknown"
    assert net.wait(SYNC_TIMEOUT - MILLISECOND).status("circuit-unseen", **CHICAGO) == "unknown"
    assert net.raised("circuit-unseen") == []


def test_a_mirror_that_connects_again_does_not_prolong_the_wait(net: Company):
    net.process_up().wait(100).process_down().wait(1).process_up().wait(1).up("edge-1", "edge-2")
    net.wait(100).up("chicago-primary", "chicago-secondary", "edge-1", "edge-2")
    assert net.wait(20 - MILLISECOND).status("circuit-unseen", **CHICAGO) == "unknown"
    assert net.wait(MILLISECOND).status("circuit-unseen", **CHICAGO) == "violated"


def test_it_does_not_wait_for_a_feed_that_is_down(net: Company):
    net.down("edge-1", "edge-2")
    assert net.status("circuit-unseen", **CHICAGO) == "violated"


def test_routes_that_can_only_have_come_over_a_link_keep_a_circuit_seen(space: Space):
    net = company().up("edge-1", "edge-2", "edge-3", "edge-4")
    net.microsoft_sends("chicago-primary", space.exchange, path="64499 12076").get_in_sync("edge-1")
    other = {"ipv4": "ipv6", "ipv6": "ipv4"}[space.family]
    net.bring("chicago-primary", other).get_in_sync("edge-2")
    assert net.status("link-down", **PRIMARY, family=space.family) == "unknown"
    assert net.status("circuit-unseen", **CHICAGO) == "ok"


def test_a_router_of_best_paths_without_a_route_of_the_circuit_leaves_it_unseen(space: Space):
    """Dallas is down, so that no other circuit can hide Chicago; and not all of Chicago's routers are seen."""
    net = company(ONE_BEST_PATH_ROUTER).converge().down("edge-3", "edge-4")
    net.lose("chicago-primary", "ipv4", "ipv6").lose("chicago-secondary", "ipv4", "ipv6")
    net.assert_raised_after(60, "circuit-unseen", **CHICAGO)


# circuit-hidden --------------------------------------------------------------------------------------


def test_a_standby_that_best_paths_hide_is_raised(space: Space):
    net = company(BEST_PATHS).converge()
    assert net.status("circuit-hidden", **CHICAGO) == "ok"
    net.lose("chicago-primary", space.family).lose("chicago-secondary", space.family)
    finding = net.assert_raised_after(60, "circuit-hidden", **CHICAGO)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["families"] == [space.family]
    assert finding.evidence["circuits_up"] == ["dallas"]
    assert net.status("circuit-unseen", **CHICAGO) == "ok"
    net.wait(5).bring("chicago-secondary", space.family)
    net.assert_cleared_after(0, "circuit-hidden", **CHICAGO)


def test_all_paths_hide_nothing(space: Space):
    net = company("feeds: {edge-1: {add_path: false}}").converge()
    net.lose("chicago-primary", space.family).lose("chicago-secondary", space.family)
    assert net.status("circuit-hidden", **CHICAGO) == "ok"
    assert net.status("circuit-unseen", **CHICAGO) == "violated"


def test_without_another_circuit_that_is_up_nothing_is_hidden(space: Space):
    net = company(BEST_PATHS).converge()
    for link in ("chicago-primary", "chicago-secondary", "dallas-primary", "dallas-secondary"):
        net.lose(link, space.family)
    assert net.status("circuit-hidden", **CHICAGO) == "ok"
    assert net.status("circuit-down", **CHICAGO, family=space.family) == "violated"


def test_a_circuit_of_another_vrf_hides_nothing(space: Space):
    vrf = "circuits: {dallas: {vrf: DALLAS}}\nfeeds: {edge-3: {vrf: DALLAS}, edge-4: {vrf: DALLAS}}"
    net = company(BEST_PATHS, vrf).converge()
    net.lose("chicago-primary", space.family).lose("chicago-secondary", space.family)
    assert net.status("circuit-hidden", **CHICAGO) == "ok"


def test_whether_it_is_hidden_is_unknown_before_its_tables_are_in_sync():
    net = company(BEST_PATHS).up("edge-1", "edge-2", "edge-3", "edge-4")
    assert net.status("circuit-hidden", **CHICAGO) == "unknown"


# sight-lost ------------------------------------------------------------------------------------------


def test_most_routers_lost_at_once_are_one_finding(net: Company):
    net.down("edge-1", "edge-2")
    assert net.status("sight-lost") == "ok"
    net.down("edge-3", "isp-a", "chicago-primary")
    finding = net.assert_raised_after(60, "sight-lost")
    assert finding.severity is Severity.CRITICAL
    assert finding.evidence["routers"] == ["edge-1", "edge-2", "edge-3"]
    assert net.wait(1000).raised() == ["sight-lost"]
    for feed in ("edge-1", "isp-a", "chicago-primary"):
        uplink = {"uplink": "isp-a"} if feed == "isp-a" else {}
        assert net.status("feed-down", feed=feed, **uplink) == "suppressed"
    assert net.status("circuit-unseen", **CHICAGO) == "suppressed"


def test_a_lost_feed_of_a_router_that_is_seen_is_raised(net: Company):
    net.down("edge-1", "edge-2", "edge-3", "dallas-secondary", "outside")
    assert net.status("feed-down", feed="dallas-secondary") == "violated"
    assert net.status("feed-down", feed="outside") == "violated"


def test_the_other_lost_feeds_of_a_router_are_raised_when_it_comes_back(net: Company):
    net.down("edge-1", "edge-2", "edge-3", "edge-4", "chicago-primary").wait(100)
    assert net.status("feed-down", feed="chicago-primary") == "suppressed"
    net.reconnect("edge-1")
    assert net.status("sight-lost") == "violated"
    assert net.status("feed-down", feed="chicago-primary") == "violated"
    net.reconnect("edge-2")
    assert net.status("sight-lost") == "ok"
    assert net.status("feed-down", feed="edge-3") == "violated"


def test_half_of_the_routers_are_not_most():
    net = company(PLANT).converge().down("edge-1", "edge-2", "edge-3")
    assert net.status("sight-lost") == "ok"
    net.down("edge-4")
    assert net.status("sight-lost") == "violated"


def test_when_exabgp_is_down_that_is_the_cause(net: Company):
    net.process_up().process_down()
    assert net.status("sight-lost") == "suppressed"
    assert net.wait(1000).raised() == ["exabgp-down edges"]


# LLGR_STALE ------------------------------------------------------------------------------------------


def test_stale_routes_prove_neither_up_nor_down(net: Company, space: Space):
    for prefix in (space.exchange, space.sharepoint):
        net.microsoft_sends("chicago-primary", prefix, communities=f"{EXCHANGE} 65535:6")
    assert net.wait(600).status("link-down", **PRIMARY, family=space.family) == "unknown"
    net.microsoft_sends("chicago-primary", space.extra)
    assert net.status("link-down", **PRIMARY, family=space.family) == "ok"
    net.microsoft_withdraws("chicago-primary", space.extra)
    assert net.status("link-down", **PRIMARY, family=space.family) == "unknown"
    net.microsoft_withdraws("chicago-primary", space.exchange, space.sharepoint)
    assert net.status("link-down", **PRIMARY, family=space.family) == "violated"


def test_the_evidence_of_a_finding_says_that_its_link_has_stale_routes(net: Company, space: Space):
    net.lose("chicago-primary", space.family).wait(10)
    net.wait(5).microsoft_sends("chicago-primary", space.exchange, communities="65535:6")
    found = net.finding("link-down", **PRIMARY, family=space.family)
    assert found is not None
    assert found.stale
    assert "LLGR_STALE" in found.evidence["stale"]
