"""Whether ermon can see the network: the checks of its feeds, processes and views."""

from __future__ import annotations

import pytest

from ermon.core.kept_feeds import KeptSessions
from ermon.core.monitor import Monitor
from ermon.core.snapshot import resume, take
from ermon.model.inventory import EDGES
from ermon.model.prefixes import Family
from ermon.model.settings import Severity
from tests.checks.company import PLANT, SPACES, Company, Space, company
from tests.story import MILLISECOND

ISP_A = {"feed": "isp-a", "uplink": "isp-a"}
EDGE_1 = {"feed": "edge-1"}

SYNC_TIMEOUT = 120


def other_family(space: Space) -> Family:
    return "ipv6" if space.family == "ipv4" else "ipv4"


def other(space: Space) -> Space:
    return SPACES[other_family(space)]


# feed-down -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [EDGE_1, ISP_A], ids=["edge-1", "isp-a"])
def test_a_lost_session_is_noticed_after_thirty_seconds(net: Company, labels: dict[str, str]):
    net.down(labels["feed"])
    finding = net.assert_raised_after(30, "feed-down", **labels)
    assert finding.severity is Severity.WARNING
    net.wait(5).up(labels["feed"])
    net.assert_cleared_after(0, "feed-down", **labels)


def test_a_feed_that_never_came_up_is_down_from_the_start():
    company().up("edge-2", "edge-3").assert_raised_after(30, "feed-down", **EDGE_1)


def test_a_session_that_returns_in_time_was_not_lost(net: Company):
    net.down("edge-1").wait(30 - MILLISECOND).up("edge-1").wait(15)
    assert net.told("feed-down") == []


def test_a_second_down_changes_nothing(net: Company):
    net.down("edge-1").wait(20).down("edge-1")
    net.assert_raised_after(10, "feed-down", **EDGE_1)


def test_every_up_starts_an_empty_session(net: Company, space: Space):
    net.up("edge-1").get_in_sync("edge-1")
    assert net.status("link-down", circuit="chicago", link="primary", family=space.family) == "violated"


def test_a_message_shows_that_the_session_is_up(space: Space):
    net = company().announce("edge-1", space.own, path="64500")
    assert net.status("feed-down", **EDGE_1) == "ok"
    link = {"circuit": "chicago", "link": "primary", "family": space.family}
    assert net.wait(SYNC_TIMEOUT - MILLISECOND).status("link-down", **link) == "unknown"
    assert net.wait(MILLISECOND).status("link-down", **link) == "violated"


# feed-empty ------------------------------------------------------------------------------------------


def test_a_feed_without_a_route_is_noticed_after_a_minute(space: Space):
    net = company().up("edge-1").announce("edge-1", other(space).own).get_in_sync("edge-1")
    finding = net.assert_raised_after(60, "feed-empty", feed="edge-1", family=space.family)
    assert finding.severity is Severity.WARNING
    assert net.raised("feed-empty") == [f"feed-empty edge-1 {space.family}"]
    net.wait(5).announce("edge-1", space.own)
    net.assert_cleared_after(0, "feed-empty", feed="edge-1", family=space.family)


def test_an_empty_mirror_of_an_uplink_is_labelled_with_it(space: Space):
    net = company().up("isp-a").get_in_sync("isp-a")
    net.assert_raised_after(60, "feed-empty", feed="isp-a", family=space.family, uplink="isp-a")


def test_a_feed_is_not_empty_before_it_is_in_sync(space: Space):
    net = company().up("edge-1").wait(100)
    assert net.status("feed-empty", feed="edge-1", family=space.family) == "unknown"
    net.down("edge-1")
    assert net.status("feed-empty", feed="edge-1", family=space.family) == "unknown"


def test_a_full_table_without_a_route_of_interest_is_not_empty(space: Space):
    far_away = {"ipv4": "8.8.8.0/24", "ipv6": "2a00:1450::/32"}[space.family]
    net = company().up("outside").announce("outside", far_away, path="64520 15169").get_in_sync("outside")
    assert net.status("feed-empty", feed="outside", family=space.family) == "ok"


# feed-no-eor -----------------------------------------------------------------------------------------


def test_a_missing_end_of_rib_is_noticed_after_the_sync_timeout():
    net = company().up("edge-1")
    finding = net.assert_raised_after(SYNC_TIMEOUT, "feed-no-eor", **EDGE_1)
    assert finding.severity is Severity.INFO
    net.wait(5).end_of_rib("edge-1")
    net.assert_cleared_after(0, "feed-no-eor", **EDGE_1)


def test_the_sync_timeout_may_be_shorter():
    net = company("collector: {sync_timeout: 30s}").up("isp-a")
    net.assert_raised_after(30, "feed-no-eor", **ISP_A)


def test_end_of_rib_is_missing_when_one_family_has_none(space: Space):
    net = company().up("edge-1").end_of_rib("edge-1", family=space.family)
    net.assert_raised_after(SYNC_TIMEOUT, "feed-no-eor", **EDGE_1)


def test_end_of_rib_in_time_is_enough():
    net = company().up("edge-1").wait(SYNC_TIMEOUT - MILLISECOND).end_of_rib("edge-1").wait(100)
    assert net.told("feed-no-eor") == []
    assert net.status("feed-no-eor", **EDGE_1) == "ok"


def test_each_session_has_an_end_of_rib_of_its_own(net: Company):
    net.down("edge-1").up("edge-1")
    net.assert_raised_after(SYNC_TIMEOUT, "feed-no-eor", **EDGE_1)


# feed-lost-messages ----------------------------------------------------------------------------------


def test_lost_messages_are_raised_at_once_and_everything_is_requested_again(net: Company, space: Space):
    net.lose_messages("isp-a")
    finding = net.assert_raised_after(0, "feed-lost-messages", **ISP_A)
    assert finding.severity is Severity.WARNING
    assert [(r.feed, r.action) for r in net.requests] == [("isp-a", "teardown")]
    net.wait(1).down("isp-a").up("isp-a")
    net.announce("isp-a", *(each.internet_only for each in SPACES.values())).end_of_rib("isp-a")
    assert net.wait(2 - MILLISECOND).status("feed-lost-messages", **ISP_A) == "violated"
    assert net.wait(MILLISECOND).status("feed-lost-messages", **ISP_A) == "ok"
    net.assert_cleared_after(60, "feed-lost-messages", **ISP_A)


def test_a_loss_holds_when_the_session_goes_down(net: Company):
    net.lose_messages("isp-a").down("isp-a").wait(1000)
    assert net.finding("feed-lost-messages", **ISP_A) is not None


def test_after_a_loss_absence_proves_nothing(net: Company, space: Space):
    net.announce("isp-a", space.pool).lose_messages("isp-a")
    leak = {"pool": "chi", "family": space.family, **ISP_A}
    assert net.status("pool-leak", **leak) == "violated"
    net.withdraw("isp-a", space.pool)
    assert net.status("pool-leak", **leak) == "unknown"
    link = {"circuit": "chicago", "link": "primary", "family": space.family}
    net.lose_messages("edge-1").lose("chicago-primary", space.family)
    assert net.status("link-down", **link) == "unknown"


def test_a_damaged_feed_is_torn_down_once_in_five_minutes(net: Company):
    net.lose_messages("edge-1").wait(10).lose_messages("edge-1").wait(1)
    net.down("edge-1").reconnect("edge-1")
    net.lose_messages("edge-1")
    assert len(net.requests) == 1
    net.wait(290)
    assert [(r.feed, r.action) for r in net.requests] == [("edge-1", "teardown")] * 2


def test_a_loss_on_one_feed_is_no_loss_on_another(net: Company):
    net.lose_messages("isp-a")
    assert net.raised() == ["feed-lost-messages isp-a isp-a"]


# canary-missing --------------------------------------------------------------------------------------

PUBLISHED = [space.internet_only for space in SPACES.values()]
CANARIES = f"feeds: {{isp-a: {{canary: {PUBLISHED}}}}}"


def test_a_missing_canary_is_noticed_after_thirty_seconds(space: Space):
    net = company(CANARIES).converge().withdraw("isp-a", space.internet_only)
    finding = net.assert_raised_after(30, "canary-missing", **ISP_A)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["prefixes"] == [space.internet_only]
    assert net.raised() == ["canary-missing isp-a isp-a"]
    net.wait(5).announce("isp-a", space.internet_only)
    net.assert_cleared_after(0, "canary-missing", **ISP_A)


def test_while_its_canary_is_missing_a_family_is_not_in_sync(space: Space):
    net = company(CANARIES).converge()
    leak = {"pool": "chi", "family": space.family, **ISP_A}
    assert net.status("pool-leak", **leak) == "ok"
    net.withdraw("isp-a", space.internet_only)
    assert net.status("pool-leak", **leak) == "unknown"
    assert net.status("pool-leak", **{**leak, "family": other_family(space)}) == "ok"
    assert net.status("microsoft-leaked", **ISP_A) == "unknown"
    net.announce("isp-a", space.pool)
    assert net.status("pool-leak", **leak) == "violated"


def test_a_canary_may_be_covered_and_not_by_a_default_route(space: Space):
    net = company(CANARIES).converge().announce("isp-a", space.own).withdraw("isp-a", space.internet_only)
    assert net.status("canary-missing", **ISP_A) == "ok"
    net.announce("isp-a", space.default).withdraw("isp-a", space.own)
    assert net.status("canary-missing", **ISP_A) == "violated"


def test_a_canary_is_judged_from_end_of_rib_on(space: Space):
    net = company(CANARIES).up("isp-a").wait(50)
    assert net.status("canary-missing", **ISP_A) == "unknown"
    net.announce("isp-a", other(space).internet_only).end_of_rib("isp-a")
    assert net.status("canary-missing", **ISP_A) == "violated"


def test_a_canary_is_judged_from_the_sync_timeout_on_without_end_of_rib():
    net = company(CANARIES).up("isp-a").wait(SYNC_TIMEOUT - MILLISECOND)
    assert net.status("canary-missing", **ISP_A) == "unknown"
    assert net.wait(MILLISECOND).status("canary-missing", **ISP_A) == "violated"


def test_a_canary_is_unknown_while_the_feed_is_down():
    net = company(CANARIES).converge().down("isp-a").wait(1000)
    assert net.status("canary-missing", **ISP_A) == "unknown"
    assert net.raised() == ["feed-down isp-a isp-a"]


def test_a_canary_that_a_reload_adds_is_missing_though_messages_are_lost_when_all_has_come(
    net: Company, space: Space
):
    canary = f"feeds: {{outside: {{canary: ['{space.shared}']}}}}"
    net.reconfigure(company(canary).config)
    net.announce("outside", space.own).wait(2 - MILLISECOND)
    assert net.status("canary-missing", feed="outside") == "unknown"
    net.wait(MILLISECOND).lose_messages("outside")
    assert net.status("canary-missing", feed="outside") == "violated"


# view-missing ----------------------------------------------------------------------------------------

NO_UPLINK = "uplinks: {isp-a: null}"
SEGMENTS = "segments: {dmz: {expressroute: forbidden}}"
CHICAGO_PRIMARY = {"circuit": "chicago", "link": "primary"}


@pytest.mark.parametrize(
    ("change", "labels", "stays_unknown", "router"),
    [
        ("feeds: {edge-1: null}", {"view": "edge-table", **CHICAGO_PRIMARY}, "link-down", "edge-1"),
        (
            "feeds: {chicago-primary: null}",
            {"view": "to-microsoft", **CHICAGO_PRIMARY},
            "pool-not-advertised",
            "edge-1",
        ),
        ("feeds: {isp-a: null}", {"view": "to-internet", "uplink": "isp-a"}, "microsoft-leaked", "edge-1"),
        (SEGMENTS, {"view": "segment", "segment": "dmz"}, "segment-leak", None),
    ],
)
def test_a_view_that_no_feed_provides_is_raised_at_once(
    change: str, labels: dict[str, str], stays_unknown: str, router: str | None
):
    net = company(change)
    finding = net.assert_raised_after(0, "view-missing", **labels)
    assert finding.severity is Severity.INFO
    assert stays_unknown in finding.evidence["unknown_checks"]
    assert finding.evidence.get("routers") == ([router] if router else None)
    assert finding.summary.endswith(f" ({router})") is bool(router)
    assert net.told("view-missing") == ["0.0 raised view-missing " + " ".join(labels.values())]


def test_no_view_is_missing_where_feeds_provide_them_all():
    assert company(PLANT).wait(1000).raised("view-missing") == []


def test_the_internet_is_a_view_that_pools_need():
    net = company("feeds: {isp-a: null, outside: null}", "uplinks: null")
    net.assert_raised_after(0, "view-missing", view="internet")


def test_one_edge_table_is_missing_for_each_link_of_its_router():
    links = "circuits: {chicago: {links: {secondary: {router: edge-1}}}}"
    net = company(links, "feeds: {edge-1: null, edge-2: null, chicago-secondary: {router: edge-1}}")
    assert net.raised("view-missing") == [
        "view-missing edge-table chicago primary",
        "view-missing edge-table chicago secondary",
    ]


# exabgp-down -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("process", "severity"), [(EDGES, Severity.CRITICAL), ("outside", Severity.WARNING)])
def test_a_process_that_died_is_noticed_after_five_seconds(net: Company, process: str, severity: Severity):
    net.process_up(process).wait(100).process_down(process)
    finding = net.assert_raised_after(5, "exabgp-down", process=process)
    assert finding.severity is severity
    assert finding.evidence == {"reason": "exited"}
    net.wait(5).process_up(process)
    assert net.status("exabgp-down", process=process) == "unknown"
    away = [name for name, feed in net.config.feeds.items() if feed.process == process]
    net.wait(5).up(*away[1:])
    assert net.status("exabgp-down", process=process) == "unknown"
    net.up(away[0])
    net.assert_cleared_after(0, "exabgp-down", process=process)


def test_a_process_that_is_back_before_it_was_raised_is_fine(net: Company):
    net.process_up().wait(100).process_down().wait(4).process_up()
    assert net.status("exabgp-down", process=EDGES) == "ok"
    assert net.wait(100).told("exabgp-down") == []


def test_a_process_that_does_not_answer_is_noticed_before_it_is_ended(net: Company):
    net.process_up().wait(100).process_silent()
    finding = net.assert_raised_after(5, "exabgp-down", process=EDGES)
    assert finding.evidence == {"reason": "did not answer for 10 seconds"}
    assert net.status("feed-down", feed="edge-1") == "ok"
    net.wait(1).process_down().wait(4).process_up()
    assert net.status("exabgp-down", process=EDGES) == "unknown"
    net.up(*[name for name, feed in net.config.feeds.items() if feed.process == EDGES])
    net.assert_cleared_after(0, "exabgp-down", process=EDGES)


def test_a_process_that_answers_again_is_fine_and_has_lost_no_session(net: Company, space: Space):
    net.process_up().wait(100).process_silent().wait(4).process_up().wait(100)
    assert net.told("exabgp-down") == []
    assert net.status("link-down", circuit="chicago", link="primary", family=space.family) == "ok"


def test_a_process_that_ends_again_before_the_routers_are_back_is_the_same_finding(net: Company):
    net.process_up().wait(100).process_down().wait(10).process_up().wait(10).process_down().wait(10)
    net.process_up().wait(149.999)
    assert [told.split()[1] for told in net.told("exabgp-down")] == ["raised"]
    assert net.status("exabgp-down", process=EDGES) == "unknown"
    net.assert_cleared_after(0.001, "exabgp-down", process=EDGES)


# The time that routers get -------------------------------------------------------------------------------


def away(net: Company) -> Company:
    """ExaBGP has just been started again, and no router has connected."""
    return net.process_up().wait(100).process_down().wait(1).process_up()


def test_a_router_is_missed_when_it_has_had_its_time(net: Company):
    away(net).up("edge-1", "edge-2").wait(149.999)
    assert net.status("feed-down", feed="outside") == "ok"
    assert net.status("feed-down", **ISP_A) == "unknown"
    net.assert_raised_after(30.001, "feed-down", **ISP_A)


def test_so_are_most_routers(net: Company):
    away(net).wait(149.999)
    assert net.status("sight-lost") == "unknown"
    net.wait(0.001)
    assert net.status("feed-down", **EDGE_1) == "suppressed"
    net.assert_raised_after(60, "sight-lost")


def test_one_that_has_called_again_and_goes_is_missed_as_ever(net: Company):
    away(net).up("edge-1", "edge-2", "isp-a").wait(10).down("isp-a")
    net.assert_raised_after(30, "feed-down", **ISP_A)


def test_no_time_is_given_where_none_is_configured():
    net = away(company("collector: {reconnect_grace: 0s}").converge())
    net.up("edge-1", "edge-2")
    net.assert_raised_after(30, "feed-down", **ISP_A)


def test_the_time_outlives_a_reload(net: Company):
    away(net).up("edge-1", "edge-2").wait(100)
    net.reconfigure(company("checks: {churn-high: {enabled: false}}").config)
    net.wait(49.999)
    assert net.status("feed-down", **ISP_A) == "unknown"
    net.assert_raised_after(30.001, "feed-down", **ISP_A)


def test_a_feed_that_a_reload_adds_has_time_to_be_set_up(net: Company):
    less = company("feeds: {isp-a: null}").converge().process_up()
    less.reconfigure(net.config)
    less.wait(149.999)
    assert less.status("feed-down", **ISP_A) == "unknown"
    less.assert_raised_after(30.001, "feed-down", **ISP_A)


def test_one_that_is_added_while_exabgp_does_not_run_has_its_time_from_the_start(net: Company):
    less = company("feeds: {isp-a: null}").converge().process_up().process_down()
    less.reconfigure(net.config)
    less.wait(200).process_up().up("edge-1", "edge-2").wait(149.999)
    assert less.status("feed-down", **ISP_A) == "unknown"
    less.assert_raised_after(30.001, "feed-down", **ISP_A)


def test_the_time_goes_on_in_a_recording(net: Company):
    away(net).up("edge-1", "edge-2").wait(100)
    net.monitor = resume(net.config, take(net.monitor), {})
    net.wait(49.999)
    assert net.status("feed-down", **ISP_A) == "unknown"
    net.assert_raised_after(30.001, "feed-down", **ISP_A)


# ermon is started again ----------------------------------------------------------------------------------


def test_routers_that_were_there_have_their_time_after_a_restart(net: Company):
    net.process_up().wait(100).restart()
    assert net.status("feed-down", **ISP_A) == "unknown"
    assert net.status("exabgp-down", process=EDGES) == "unknown"
    net.wait(3).process_up().up("edge-1", "edge-2").wait(149.999)
    assert net.status("feed-down", **ISP_A) == "unknown"
    net.assert_raised_after(30.001, "feed-down", **ISP_A)


def test_one_that_was_away_is_away_after_a_restart(net: Company):
    net.process_up().down("isp-a").wait(20).restart()
    net.assert_raised_after(30, "feed-down", **ISP_A)
    assert net.restart().status("feed-down", **ISP_A) == "violated"


def test_a_feed_that_is_configured_again_is_new(net: Company):
    net.process_up().down("isp-a").wait(100)
    kept = net.monitor.sessions_to_keep(net.monitor.feeds_to_keep())
    moved = company("feeds: {isp-a: {peer: 127.0.0.99}}")
    moved.monitor = Monitor(moved.config, moved.now, sessions=kept)
    assert moved.status("feed-down", **ISP_A) == "unknown"
    assert moved.status("feed-down", **EDGE_1) == "unknown"


def test_after_the_first_start_of_all_every_router_has_its_time():
    net = company()
    net.monitor = Monitor(net.config, net.now, sessions=KeptSessions())
    net.wait(3).process_up().process_up("outside").up("edge-1", "edge-2").wait(149.999)
    assert net.raised("feed-down", "circuit-unseen", "sight-lost", "exabgp-down") == []
    net.assert_raised_after(30.001, "feed-down", **ISP_A)


def test_after_the_first_start_routers_have_their_time_from_when_exabgp_runs():
    net = company()
    net.monitor = Monitor(net.config, net.now, sessions=KeptSessions())
    net.wait(150)
    assert net.status("sight-lost") == "violated", "an ExaBGP that is not heard of is not silence"
    net.process_up().wait(149.999)
    assert net.status("sight-lost") == "unknown"
    assert net.status("feed-down", **ISP_A) == "unknown"
    assert net.status("circuit-unseen", circuit="dallas") == "unknown"
    net.assert_raised_after(60.001, "sight-lost")


def test_an_exabgp_that_hangs_from_its_first_start_on_is_down():
    net = company()
    net.monitor = Monitor(net.config, net.now, sessions=KeptSessions())
    net.wait(10).process_silent()
    net.assert_raised_after(5, "exabgp-down", process=EDGES)


@pytest.mark.parametrize("losses", [3, 4])
def test_how_often_a_session_was_lost_is_known_after_a_restart(net: Company, losses: int):
    for _ in range(losses):
        net.down("isp-a").wait(1).up("isp-a").wait(1)
    net.restart().up("isp-a").down("isp-a").wait(1)
    assert net.raised("feed-flapping") == ["feed-flapping isp-a isp-a"]
    assert net.told("feed-flapping") == ["8.0 raised feed-flapping isp-a isp-a"]


def test_messages_stay_lost_until_the_router_has_sent_all_again(net: Company):
    net.lose_messages("isp-a").wait(1).restart().wait(100)
    assert net.raised("feed-lost-messages") == ["feed-lost-messages isp-a isp-a"]
    net.up("isp-a").announce("isp-a", "198.51.100.128/27").get_in_sync("isp-a")
    net.assert_cleared_after(60, "feed-lost-messages", **ISP_A)


def test_a_feed_that_sent_too_much_is_still_kept_down(net: Company):
    small = company("collector: {max_routes: 5}").up("isp-a")
    small.announce("isp-a", *SPACES["ipv4"].many(6)).wait(1)
    assert small.raised("feed-overflow") == ["feed-overflow isp-a isp-a"]
    small.restart().up("isp-a").wait(298)
    assert [(r.feed, r.action) for r in small.requests][-1] == ("isp-a", "teardown")
    assert small.status("feed-overflow", **ISP_A) == "violated"
    small.wait(1)
    assert small.status("feed-overflow", **ISP_A) == "ok"
    small.up("isp-a").announce("isp-a", *SPACES["ipv4"].many(6)).wait(599)
    assert small.status("feed-overflow", **ISP_A) == "violated", "twice as long"


def test_a_process_that_ends_repeatedly_is_still_reported_after_a_restart(net: Company):
    for _ in range(4):
        net.process_up("outside").wait(60).process_down("outside").wait(1)
    net.process_up("outside").wait(10).restart().process_up("outside").wait(5)
    assert net.status("exabgp-down", process="outside") == "violated"
    net.up("outside").wait(283)
    assert net.status("exabgp-down", process="outside") == "violated"
    net.wait(1)
    assert net.status("exabgp-down", process="outside") == "ok"


def test_the_end_of_a_process_explains_that_its_feeds_are_down(net: Company, space: Space):
    net.process_up().process_down()
    assert net.status("link-down", circuit="chicago", link="primary", family=space.family) == "unknown"
    assert net.status("feed-down", feed="outside") == "ok"


def test_a_process_that_died_is_one_finding_and_not_one_for_each_feed(net: Company):
    net.process_up().process_down()
    assert net.status("feed-down", **EDGE_1) == "suppressed"
    assert net.status("circuit-unseen", circuit="chicago") == "suppressed"
    assert net.wait(1000).raised() == ["exabgp-down edges"]


def test_feeds_that_do_not_return_with_their_process_are_raised_after_reconnect_grace(net: Company):
    net.process_up().process_down().wait(1000).process_up()
    assert net.wait(150 - MILLISECOND).raised() == ["exabgp-down edges"]
    net.wait(MILLISECOND)
    assert net.raised() == []
    assert net.status("feed-down", **EDGE_1) == "suppressed", (
        "most routers are out of sight: that is the cause"
    )
    net.assert_raised_after(60, "sight-lost")
    assert net.wait(1000).raised("feed-down", "circuit-unseen", "sight-lost") == ["sight-lost"]


def test_the_process_of_another_feed_suppresses_nothing(net: Company):
    net.process_up("outside").process_down("outside").down("edge-1").wait(30)
    assert net.raised() == ["exabgp-down outside", "feed-down edge-1"]


# feed-flapping ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [EDGE_1, ISP_A], ids=["edge-1", "isp-a"])
def test_the_fourth_loss_in_ten_minutes_is_flapping(net: Company, labels: dict[str, str]):
    feed = labels["feed"]
    for _ in range(3):
        net.wait(5).down(feed).wait(5).up(feed)
    assert net.status("feed-flapping", **labels) == "ok"
    net.wait(5).down(feed)
    finding = net.assert_raised_after(0, "feed-flapping", **labels)
    assert finding.severity is Severity.WARNING
    net.wait(600 - 30 - MILLISECOND)  # the first loss was half a minute before the fourth
    assert net.status("feed-flapping", **labels) == "violated"
    assert net.wait(2 * MILLISECOND).status("feed-flapping", **labels) == "ok"
    assert net.wait(300 - 2 * MILLISECOND).raised("feed-flapping") != []
    assert net.wait(2 * MILLISECOND).raised("feed-flapping") == []


def test_a_down_without_an_up_is_no_loss(net: Company):
    for _ in range(10):
        net.wait(1).down("edge-1")
    assert net.told("feed-flapping") == []
    assert company().down("edge-1").down("edge-1").down("edge-1").down("edge-1").raised("feed-flapping") == []


def test_losses_that_are_spread_out_are_not_flapping(net: Company):
    for _ in range(10):
        net.down("edge-1").wait(1).up("edge-1").wait(200)
    assert net.told("feed-flapping") == []


def test_the_death_of_the_process_is_a_loss_of_each_session(net: Company):
    for _ in range(4):
        net.process_up().up(*net.config.feeds).wait(1).process_down().wait(1)
    assert "feed-flapping edge-1" in net.raised()
    assert net.status("feed-flapping", feed="outside") == "ok"


def test_how_often_a_session_may_be_lost_can_be_configured():
    net = company("checks: {feed-flapping: {losses: 1, window: 1m}}").converge()
    net.down("edge-1").wait(30).up("edge-1").wait(31).down("edge-1")
    assert net.status("feed-flapping", **EDGE_1) == "ok"
    net.up("edge-1").wait(1).down("edge-1")
    assert net.status("feed-flapping", **EDGE_1) == "violated"


# feed-best-path-only ---------------------------------------------------------------------------------


def test_a_session_without_add_path_is_raised_at_once(space: Space):
    net = company().add_path_negotiated("edge-1", other_family(space)).up("edge-1")
    finding = net.assert_raised_after(0, "feed-best-path-only", **EDGE_1)
    assert finding.severity is Severity.WARNING
    assert space.family in str(finding.evidence)
    net.wait(5).down("edge-1").add_path_negotiated("edge-1", "ipv4", "ipv6").up("edge-1")
    net.assert_cleared_after(0, "feed-best-path-only", **EDGE_1)


def test_a_peer_that_does_not_offer_add_path_shows_best_paths_only(space: Space):
    net = company().peer_offers_add_path("edge-1", space.family).up("edge-1")
    assert net.status("feed-best-path-only", **EDGE_1) == "violated"


def test_the_negotiated_hold_time_outweighs_the_offer():
    net = company().peer_offers_add_path("edge-1").add_path_negotiated("edge-1", "ipv4", "ipv6").up("edge-1")
    assert net.status("feed-best-path-only", **EDGE_1) == "ok"


def test_without_any_word_of_it_add_path_is_as_configured():
    assert company().up("edge-1").status("feed-best-path-only", **EDGE_1) == "ok"


def test_add_path_is_unknown_while_the_session_is_down(net: Company):
    assert net.down("edge-1").status("feed-best-path-only", **EDGE_1) == "unknown"


def test_a_feed_that_is_to_show_best_paths_is_not_asked_about():
    net = company("feeds: {edge-1: {add_path: false}}")
    assert net.subjects("feed-best-path-only") == [{"feed": f"edge-{n}"} for n in (2, 3, 4)]


# feed-no-hold ----------------------------------------------------------------------------------------


def no_hold(net: Company, feed: str) -> Company:
    return net.says_hold_time_zero(feed).up(feed)


@pytest.mark.parametrize(
    ("feed", "labels"), [("edge-1", EDGE_1), ("isp-a", ISP_A), ("outside", {"feed": "outside"})]
)
def test_a_session_without_a_hold_time_is_raised_at_once_and_until_the_next(
    feed: str, labels: dict[str, str]
):
    net = no_hold(company(), feed)
    finding = net.assert_raised_after(0, "feed-no-hold", **labels)
    assert finding.severity is Severity.WARNING
    net.down(feed)
    assert net.status("feed-no-hold", **labels) == "unknown"
    net.up(feed)
    net.assert_cleared_after(0, "feed-no-hold", **labels)


def test_the_hold_time_of_a_failed_attempt_does_not_count_for_the_next(net: Company):
    net.down("edge-1").says_hold_time_zero("edge-1").down("edge-1").up("edge-1")
    assert net.status("feed-no-hold", **EDGE_1) == "ok"


def test_a_session_without_a_hold_time_proves_no_absence(net: Company, space: Space):
    net.down("edge-1", "chicago-primary", "isp-a")
    no_hold(net, "edge-1")
    no_hold(net, "chicago-primary")
    no_hold(net, "isp-a")
    net.bring("chicago-primary", space.family).end_of_rib("edge-1", "chicago-primary", "isp-a").wait(1000)
    link = {"circuit": "chicago", "link": "primary", "family": space.family}
    other_link = link | {"family": other_family(space)}
    pool = {"pool": "chi", "family": space.family}
    assert net.status("link-down", **link) == "ok"
    assert net.status("link-down", **other_link) == "unknown"
    assert net.status("pool-not-advertised", **pool, circuit="chicago", link="primary") == "unknown"
    assert net.status("pool-leak", **pool, **ISP_A) == "unknown"
    assert net.status("feed-empty", feed="isp-a", family=space.family, uplink="isp-a") == "unknown"
    assert net.raised() == ["feed-no-hold chicago-primary", "feed-no-hold edge-1", "feed-no-hold isp-a isp-a"]


def test_routes_of_such_a_session_prove_presence(net: Company, space: Space):
    net.down("isp-a")
    no_hold(net, "isp-a").announce("isp-a", space.pool, path="64500")
    net.assert_raised_after(0, "pool-leak", pool="chi", family=space.family, **ISP_A)


# feed-overflow ---------------------------------------------------------------------------------------

SMALL_TABLE = "collector: {max_routes: 2}"


def test_a_feed_with_more_routes_than_allowed_is_raised_at_once_and_cleared_after_its_pause(space: Space):
    net = company(SMALL_TABLE).up("isp-a").announce("isp-a", space.own, *space.own_halves)
    finding = net.assert_raised_after(0, "feed-overflow", **ISP_A)
    assert (finding.severity, finding.evidence["max_routes"]) == (Severity.CRITICAL, 2)
    net.wait(300 - MILLISECOND)
    assert net.status("feed-overflow", **ISP_A) == "violated"
    net.wait(MILLISECOND)
    net.assert_cleared_after(300, "feed-overflow", **ISP_A)


def test_as_many_routes_as_are_allowed_are_allowed(space: Space):
    net = company(SMALL_TABLE).up("isp-a").announce("isp-a", *space.own_halves).wait(60)
    assert net.status("feed-overflow", **ISP_A) == "ok"


def test_a_feed_whose_routes_take_more_memory_than_allowed_is_raised_too(space: Space):
    net = company("collector: {max_bytes: 1MiB}").up("isp-a")
    many = " ".join(f"64500:{number}" for number in range(50_000))
    for number, prefix in enumerate(
        (space.own, *space.own_halves, space.pool, space.pool_part, space.own_other), 1
    ):
        net.announce("isp-a", prefix, communities=f"{many} 64501:{number}", path="64500")
    finding = net.assert_raised_after(0, "feed-overflow", **ISP_A)
    assert (finding.severity, finding.evidence["max_bytes"]) == (Severity.CRITICAL, 2**20)
    net.wait(300)
    net.assert_cleared_after(300, "feed-overflow", **ISP_A)


# source-rejected -------------------------------------------------------------------------------------

LISTED = "circuits: {dallas: {receive: {sources: [{kind: bgp-communities, from: list.json}]}}}"


def test_a_list_that_cannot_be_used_is_raised_at_once_and_cleared_with_the_next_that_can():
    net = company(LISTED)
    [labels] = net.subjects("source-rejected")
    assert net.status("source-rejected", **labels) == "unknown"
    net.judge_source(labels["source"], "shrank by more than half")
    finding = net.assert_raised_after(0, "source-rejected", **labels)
    assert (finding.severity, finding.evidence) == (Severity.WARNING, {"problem": "shrank by more than half"})
    net.wait(5).judge_source(labels["source"])
    net.assert_cleared_after(0, "source-rejected", **labels)


# storage-failed --------------------------------------------------------------------------------------


def test_a_state_that_cannot_be_written_is_raised_at_once_and_cleared_with_the_next_that_can(net: Company):
    assert net.status("storage-failed") == "ok"
    net.judge_storage("No space left on device")
    finding = net.assert_raised_after(0, "storage-failed")
    assert (finding.severity, finding.evidence) == (
        Severity.WARNING,
        {"problem": "No space left on device"},
    )
    net.wait(5).judge_storage()
    net.assert_cleared_after(0, "storage-failed")


# view-missing in one family --------------------------------------------------------------------------

ONE_FAMILY = ["ipv4", "ipv6"]


@pytest.mark.parametrize("family", ONE_FAMILY)
@pytest.mark.parametrize(
    ("feed", "labels"),
    [
        ("edge-1", {"view": "edge-table", **CHICAGO_PRIMARY}),
        ("chicago-primary", {"view": "to-microsoft", **CHICAGO_PRIMARY}),
        ("isp-a", {"view": "to-internet", "uplink": "isp-a"}),
    ],
)
def test_a_family_that_no_feed_carries_is_a_view_that_is_missing(
    feed: str, labels: dict[str, str], family: str
):
    net = company(f"feeds: {{{feed}: {{families: [{family}]}}}}")
    net.assert_raised_after(0, "view-missing", **labels)
    assert net.told("view-missing") == ["0.0 raised view-missing " + " ".join(labels.values())]


@pytest.mark.parametrize(
    ("feed", "circuit", "named", "not_named"),
    [
        ("edge-1", "chicago", {"link-down", "origin-unexpected", "drain"}, {"pool-leak"}),
        ("edge-5", "plant", {"link-down", "link-asymmetry"}, {"service-missing", "origin-unexpected"}),
        ("chicago-primary", "chicago", {"pool-not-advertised", "advertised-path"}, {"link-down"}),
        ("plant-primary", "plant", {"advertised-asymmetry", "advertised-path"}, {"pool-not-advertised"}),
    ],
)
def test_a_missing_view_names_the_checks_that_are_unknown_without_it(
    feed: str, circuit: str, named: set[str], not_named: set[str]
):
    net = company(PLANT, f"feeds: {{{feed}: null}}")
    view = "edge-table" if feed.startswith("edge") else "to-microsoft"
    finding = net.assert_raised_after(0, "view-missing", view=view, circuit=circuit, link="primary")
    unknown = set(finding.evidence["unknown_checks"])
    assert named <= unknown
    assert not not_named & unknown
    subjects = {case.subject.check for case in net.monitor.statuses()}
    not_asked_here = {
        "azure-disagrees",
        "azure-not-accepted",
        "advertised-count-low",
        "advertised-undeclared",
        "geo-asymmetry",
        "inbound-not-redundant",
        "pool-wrong-link",
        "prefix-not-advertised",
        "prefix-unlisted",
        "service-count-low",
    }
    assert unknown <= subjects | not_asked_here


def test_two_feeds_may_carry_the_families_of_a_link_together():
    net = company(
        "feeds: {edge-1: {families: [ipv4]}, edge-1-v6: {router: edge-1, view: edge-table, peer: 127.0.0.11, "
        "local: 127.0.0.6, peer_asn: 64500, families: [ipv6], add_path: true}}"
    )
    assert net.wait(10).raised("view-missing") == []


def test_a_family_that_the_link_has_not_needs_no_feed():
    net = company(
        "circuits: {chicago: {links: {primary: {subnet6: null}}}}",
        "feeds: {edge-1: {families: [ipv4]}}",
    )
    assert net.wait(10).raised("view-missing") == []
