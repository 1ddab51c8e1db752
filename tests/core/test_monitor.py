"""From verdicts to findings: timers, suppression, maintenance, stale findings, and reloads."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from msgspec import structs

from ermon.checks.topics import Counted
from ermon.core.levels import LevelMemory
from ermon.core.monitor import CLEARED_FINDINGS, Monitor
from ermon.model.events import FeedChanged, LinkChanged, PoolChanged, SessionUp
from ermon.model.findings import Finding, TransitionState
from ermon.model.inventory import Config, ExpectedPrefix, Receive, Source
from ermon.model.prefixes import Family, parse_prefix
from ermon.model.settings import CheckSettings, MaintenanceWindow, Severity
from tests.checks.company import company
from tests.defaults import make_pool
from tests.networks import BOTH, SMALL, START, TWO_CIRCUITS, prefixes, window
from tests.story import Story

FAMILIES = pytest.mark.parametrize("family", BOTH)
MSEE = {"ipv4": "203.0.113.2", "ipv6": "2001:db8:ffff::2"}
OTHER_MSEE = {"ipv4": "203.0.113.6", "ipv6": "2001:db8:ffff::6"}
RECEIVED = {"ipv4": "192.0.2.0/26", "ipv6": "2001:db8:200::/48"}
POOL = {"ipv4": "198.51.100.0/28", "ipv6": "2001:db8:100:1::/64"}


def link(name: str, family: Family) -> dict[str, str]:
    return {"circuit": "chicago", "link": name, "family": family}


def leak(family: Family) -> dict[str, str]:
    return {"pool": "chi", "family": family, "feed": "isp-a", "uplink": "isp-a"}


def converged(policy: Config = SMALL) -> Story:
    """Every feed is in sync and shows what it should; nothing is raised."""
    net = Story(policy, start=START).process_up().up(*SMALL.feeds)
    net.announce("edge-1", *RECEIVED.values(), via=MSEE, path="12076", communities="12076:5010")
    net.announce("edge-2", *RECEIVED.values(), via=OTHER_MSEE, path="12076", communities="12076:5010")
    for feed in ("edge-1-msee", "edge-2-msee"):
        net.announce(feed, *POOL.values())
    net.announce("isp-a", "198.51.100.192/26", "2001:db8:1ff::/48")
    net.get_in_sync(*SMALL.feeds).wait(120)
    assert net.raised() == []
    return net


def lose_link(net: Story, feed: str, family: Family) -> Story:
    return net.withdraw(feed, RECEIVED[family])


# Raising and clearing ----------------------------------------------------------------------------------


@FAMILIES
def test_a_violation_is_raised_after_raise_after_and_cleared_after_clear_after(family: Family) -> None:
    net = lose_link(converged(), "edge-1", family)
    since = net.now
    raised = net.assert_raised_after(10, "link-down", **link("primary", family))
    assert (raised.since, raised.raised_at, raised.severity) == (since, since + 10, Severity.WARNING)
    ended = net.wait(20).now
    net.announce("edge-1", RECEIVED[family], via=MSEE, path="12076", communities="12076:5010")
    cleared = net.assert_cleared_after(30, "link-down", **link("primary", family))
    assert (cleared.id, cleared.since, cleared.ended_at, cleared.cleared_at) == (
        raised.id,
        since,
        ended,
        ended + 30,
    )


@FAMILIES
def test_a_leak_of_one_message_is_raised_at_once(family: Family) -> None:
    net = converged().announce("isp-a", POOL[family]).withdraw("isp-a", POOL[family])
    assert net.told("pool-leak") == [f"{net.clock} raised pool-leak chi {family} isp-a isp-a"]
    net.assert_cleared_after(60, "pool-leak", **leak(family))


def test_a_violation_that_ends_before_raise_after_is_not_raised() -> None:
    net = lose_link(converged(), "edge-1", "ipv4").wait(9.75)
    net.announce("edge-1", RECEIVED["ipv4"], via=MSEE, path="12076", communities="12076:5010").wait(100)
    assert net.told("link-down") == []


def test_the_configuration_may_say_other_times_and_severities() -> None:
    checks = {"link-down": CheckSettings(severity=Severity.CRITICAL, raise_after=1.0, clear_after=2.0)}
    net = lose_link(converged(replace(SMALL, checks=checks)), "edge-1", "ipv4")
    assert net.assert_raised_after(1, "link-down", **link("primary", "ipv4")).severity is Severity.CRITICAL
    net.announce("edge-1", RECEIVED["ipv4"], via=MSEE, path="12076", communities="12076:5010")
    net.assert_cleared_after(2, "link-down", **link("primary", "ipv4"))


def test_a_check_that_is_switched_off_has_no_subject() -> None:
    off = replace(SMALL, checks={"link-down": CheckSettings(enabled=False)})
    assert converged(off).subjects("link-down") == []


# What is present and what is absent ----------------------------------------------------------------------


@FAMILIES
def test_absence_proves_nothing_before_end_of_rib(family: Family) -> None:
    net = Story(SMALL, start=START).up("edge-1", "isp-a", "edge-1-msee").wait(60)
    assert net.status("link-down", **link("primary", family)) == "unknown"
    assert (
        net.status("pool-not-advertised", pool="chi", family=family, circuit="chicago", link="primary")
        == "unknown"
    )
    assert net.status("pool-leak", **leak(family)) == "unknown"


@FAMILIES
def test_presence_proves_itself_at_once(family: Family) -> None:
    net = Story(SMALL, start=START).up("isp-a").announce("isp-a", POOL[family])
    assert net.status("pool-leak", **leak(family)) == "violated"
    assert net.finding("pool-leak", **leak(family))


# Unknown ---------------------------------------------------------------------------------------------------


def test_unknown_stops_the_clock_of_raising() -> None:
    net = lose_link(converged(), "edge-1", "ipv4").wait(4).down("edge-1", "edge-2").wait(1000)
    assert net.status("link-down", **link("primary", "ipv4")) == "unknown"
    assert net.told("link-down") == []
    net.up("edge-1").get_in_sync("edge-1")
    net.assert_raised_after(6, "link-down", **link("primary", "ipv4"))


def test_a_finding_stays_raised_and_is_stale_while_it_cannot_be_judged() -> None:
    net = lose_link(converged(), "edge-1", "ipv4").wait(20).down("edge-1", "edge-2").wait(1000)
    finding = net.finding("link-down", **link("primary", "ipv4"))
    assert finding is not None
    assert (finding.stale, finding.suppressed) == (True, False)
    net.up("edge-1").announce(
        "edge-1", RECEIVED["ipv4"], via=MSEE, path="12076", communities="12076:5010"
    ).get_in_sync("edge-1")
    finding = net.finding("link-down", **link("primary", "ipv4"))
    assert finding is not None
    assert not finding.stale


@FAMILIES
def test_a_leak_is_not_over_because_its_feed_is_gone(family: Family) -> None:
    net = converged().announce("isp-a", POOL[family]).down("isp-a").wait(1000)
    assert net.status("pool-leak", **leak(family)) == "unknown"
    assert [f.stale for f in net.monitor.findings() if f.check == "pool-leak"] == [True]
    net.up("isp-a").wait(60).end_of_rib("isp-a")
    net.assert_cleared_after(62, "pool-leak", **leak(family))


def test_a_feed_that_has_not_come_up_is_down_from_the_beginning() -> None:
    net = Story(SMALL, start=START)
    net.assert_raised_after(30, "feed-down", feed="edge-1")


# One cause, one page ---------------------------------------------------------------------------------------


def circuit_lost(policy: Config = SMALL, family: Family = "ipv4") -> Story:
    return lose_link(lose_link(converged(policy), "edge-1", family), "edge-2", family)


@FAMILIES
def test_a_dead_circuit_is_one_finding(family: Family) -> None:
    net = circuit_lost(family=family).wait(300)
    assert net.raised() == [f"circuit-down chicago {family}"]
    assert net.status("link-down", **link("primary", family)) == "suppressed"


def test_a_cause_suppresses_from_the_moment_it_is_violated() -> None:
    """``circuit-down`` is raised after 5 s; a ``link-down`` with 0 s must not be raised before it."""
    eager = replace(SMALL, checks={"link-down": CheckSettings(raise_after=0.0)})
    net = lose_link(converged(eager), "edge-1", "ipv4")
    assert net.raised() == ["link-down chicago primary ipv4"]
    lose_link(net, "edge-2", "ipv4").wait(1)
    assert net.raised() == ["link-down chicago primary ipv4"]
    assert net.status("link-down", **link("secondary", "ipv4")) == "suppressed"


def test_a_raised_finding_stays_raised_while_suppressed() -> None:
    net = lose_link(converged(), "edge-1", "ipv4").wait(20)
    lose_link(net, "edge-2", "ipv4").wait(60)
    finding = net.finding("link-down", **link("primary", "ipv4"))
    assert finding is not None
    assert (finding.suppressed, finding.stale) == (True, False)
    net.announce("edge-1", RECEIVED["ipv4"], via=MSEE, path="12076", communities="12076:5010")
    net.assert_cleared_after(30, "link-down", **link("primary", "ipv4"))


def test_when_the_suppression_ends_raise_after_starts() -> None:
    net = (
        circuit_lost()
        .wait(100)
        .announce("edge-1", RECEIVED["ipv4"], via=MSEE, path="12076", communities="12076:5010")
    )
    net.assert_raised_after(10, "link-down", **link("secondary", "ipv4"))


def test_a_check_that_is_switched_off_does_not_suppress() -> None:
    net = circuit_lost(replace(SMALL, checks={"circuit-down": CheckSettings(enabled=False)})).wait(10)
    assert net.raised("link-down") == ["link-down chicago primary ipv4", "link-down chicago secondary ipv4"]


def test_a_suppressed_cause_still_suppresses() -> None:
    """``circuit-down`` in maintenance also suppresses ``link-down``, which the window itself does not cover."""
    on_circuit = replace(SMALL, maintenance=(window(0, 10_000, circuit="chicago"),))
    net = circuit_lost(on_circuit).wait(300)
    assert net.raised() == []
    assert net.status("circuit-down", circuit="chicago", family="ipv4") == "suppressed"
    assert net.status("link-down", **link("primary", "ipv4")) == "suppressed"


def test_a_cause_suppresses_nothing_of_another_family_or_circuit() -> None:
    net = lose_link(circuit_lost(), "edge-1", "ipv6")
    net.assert_raised_after(10, "link-down", **link("primary", "ipv6"))


def test_only_violations_are_suppressed() -> None:
    net = circuit_lost()
    assert net.status("link-asymmetry", circuit="chicago", family="ipv4") == "ok"
    net.down("edge-1")
    assert net.status("link-down", **link("primary", "ipv4")) == "unknown"


def test_a_dead_process_is_one_finding() -> None:
    net = converged().process_down().wait(100)
    assert net.raised() == ["exabgp-down edges"]
    assert net.status("feed-down", feed="edge-1") == "suppressed"
    assert net.status("circuit-unseen", circuit="chicago") == "suppressed"
    net.process_up()
    net.assert_raised_after(150 + 30, "feed-down", feed="edge-1")


# Maintenance -------------------------------------------------------------------------------------------------


def with_window(start: float, end: float, **about: str) -> Config:
    windows: tuple[MaintenanceWindow, ...] = (window(start, end, **about),)
    return replace(SMALL, maintenance=windows)


def test_nothing_begins_to_be_raised_in_a_maintenance_window() -> None:
    net = converged(with_window(100, 1000, circuit="chicago", link="primary"))
    lose_link(net, "edge-1", "ipv4").wait(500)
    assert net.raised() == []
    assert net.status("link-down", **link("primary", "ipv4")) == "suppressed"


def test_a_violation_that_outlasts_the_window_is_raised_later() -> None:
    net = converged(with_window(100, 1000, circuit="chicago", link="primary"))
    lose_link(net, "edge-1", "ipv4").wait(1000 - net.clock)
    net.assert_raised_after(10, "link-down", **link("primary", "ipv4"))


def test_a_finding_from_before_the_window_stays_raised() -> None:
    net = lose_link(converged(with_window(200, 1000, circuit="chicago")), "edge-1", "ipv6").wait(300)
    assert net.raised() == ["link-down chicago primary ipv6"]
    assert [finding.suppressed for finding in net.monitor.findings()] == [True]


def test_a_leak_is_raised_in_any_maintenance_window() -> None:
    windows = (window(0, 10_000, circuit="chicago"), window(0, 10_000, feed="isp-a"))
    net = converged(replace(SMALL, maintenance=windows)).announce("isp-a", POOL["ipv6"])
    assert net.raised() == ["pool-leak chi ipv6 isp-a isp-a"]


# The calendar ------------------------------------------------------------------------------------------------


def test_a_prefix_becomes_expected_at_midnight_utc_without_any_message() -> None:
    net = Story(TWO_CIRCUITS, start=START).up("edge-1")
    net.announce(
        "edge-1", *RECEIVED.values(), "192.0.2.64/26", via=MSEE, path="12076", communities="12076:5010"
    ).get_in_sync("edge-1")
    assert net.status("prefix-missing", circuit="chicago", link="primary") == "ok"
    net.wait(12 * 3600 - net.clock - 0.25)
    assert net.status("prefix-missing", circuit="chicago", link="primary") == "ok"
    net.wait(0.25)
    assert net.status("prefix-missing", circuit="chicago", link="primary") == "violated"
    finding = net.assert_raised_after(60, "prefix-missing", circuit="chicago", link="primary")
    assert finding.evidence["prefixes"] == ["192.0.2.128/26"]


# Time --------------------------------------------------------------------------------------------------------


def test_a_time_that_goes_backwards_passes_no_time() -> None:
    net = lose_link(converged(), "edge-1", "ipv4").wait(5)
    now = net.monitor.now
    net.monitor.advance(now - 1000)
    net.monitor.apply(SessionUp(now - 1000, "edge-2"))
    assert net.monitor.now == now
    session = net.monitor.network.feeds["edge-2"].session
    assert session.up_since == now


def test_transitions_of_one_instant_are_ordered_by_check_and_labels() -> None:
    net = Story(SMALL, start=START).wait(30)
    told = [(t.finding.check, tuple(sorted(t.finding.labels.items()))) for t in net.transitions]
    assert told == sorted(told)
    assert [labels[0][1] for check, labels in told if check == "feed-down"] == sorted(SMALL.feeds)


def test_timers_fire_one_instant_after_the_other_even_if_advance_is_late() -> None:
    net = lose_link(converged(), "edge-1", "ipv4").announce("isp-a", POOL["ipv6"])
    start = net.clock
    net.wait(10_000)
    assert net.told("link-down", "pool-leak") == [
        f"{start} raised pool-leak chi ipv6 isp-a isp-a",
        f"{start + 10} raised link-down chicago primary ipv4",
    ]


def test_the_monitor_says_when_to_advance_again() -> None:
    net = lose_link(converged(), "edge-1", "ipv4")
    assert net.monitor.next_deadline() == net.now + 10
    assert net.monitor.timers_running()
    net.wait(10)
    assert net.monitor.next_deadline() is None
    assert not net.monitor.timers_running()


def test_a_paused_timer_does_not_run() -> None:
    net = lose_link(converged(), "edge-1", "ipv4").wait(1).down("edge-1", "edge-2").wait(1000)
    assert not net.monitor.timers_running()


# Other results -----------------------------------------------------------------------------------------------


def test_evidence_that_comes_soon_after_the_raise_is_shown_without_another_event() -> None:
    net = converged().announce("isp-a", POOL["ipv4"]).wait(0.05).announce("isp-a", "198.51.100.0/29").wait(60)
    finding = net.finding("pool-leak", **leak("ipv4"))
    assert finding is not None
    assert finding.evidence["prefixes"] == ["198.51.100.0/28", "198.51.100.0/29"]


def test_a_finding_shows_its_evidence_as_it_was_last() -> None:
    net = converged().announce("isp-a", POOL["ipv4"]).wait(5).announce("isp-a", "198.51.100.0/29")
    finding = net.finding("pool-leak", **leak("ipv4"))
    assert finding is not None
    assert finding.evidence["prefixes"] == ["198.51.100.0/28", "198.51.100.0/29"]
    net.withdraw("isp-a", "198.51.100.0/28", "198.51.100.0/29")
    cleared = net.assert_cleared_after(60, "pool-leak", **leak("ipv4"))
    assert cleared.evidence["prefixes"] == ["198.51.100.0/28", "198.51.100.0/29"]


@FAMILIES
def test_changes_of_feeds_links_and_pools_are_reported(family: Family) -> None:
    net = converged()
    net.monitor.advance(net.now)
    lose_link(net, "edge-1", family).announce("isp-a", POOL[family]).down("edge-2-msee")
    changes = net.monitor.advance(net.now).changes
    moved = {(c.link, c.family, str(c.state)) for c in changes if isinstance(c, LinkChanged)}
    assert moved == {(("chicago", "primary"), family, "down")}
    assert "edge-2-msee" in {change.feed for change in changes if isinstance(change, FeedChanged)}
    assert "chi" in {change.pool for change in changes if isinstance(change, PoolChanged)}


def test_the_message_that_began_a_violation_is_what_detection_is_measured_from() -> None:
    net = converged()
    net.monitor.advance(net.now)
    net.announce("isp-a", POOL["ipv4"])
    assert net.monitor.advance(net.now + 1).detections == [net.now]


def test_a_limited_number_of_cleared_findings_is_remembered_the_latest_first() -> None:
    net = converged().announce("isp-a", POOL["ipv4"]).withdraw("isp-a", POOL["ipv4"]).wait(60)
    net.announce("isp-a", POOL["ipv6"]).withdraw("isp-a", POOL["ipv6"]).wait(60)
    assert [finding.labels["family"] for finding in net.monitor.cleared] == ["ipv6", "ipv4"]
    assert net.monitor.cleared.maxlen == CLEARED_FINDINGS


def test_the_same_violation_has_the_same_id_in_every_instance() -> None:
    ids = {net.finding("pool-leak", **leak("ipv4")).id for net in (leaking(), leaking())}  # type: ignore[union-attr]
    assert len(ids) == 1
    later = converged().wait(1).announce("isp-a", POOL["ipv4"]).finding("pool-leak", **leak("ipv4"))
    assert later is not None
    assert later.id not in ids


def leaking() -> Story:
    return converged().announce("isp-a", POOL["ipv4"])


# Restart -----------------------------------------------------------------------------------------------------


def open_finding(family: Family = "ipv4") -> Finding:
    finding = leaking().finding("pool-leak", **leak("ipv4"))
    assert finding is not None
    return finding


def test_an_open_finding_survives_a_restart_as_stale_until_it_is_judged_again() -> None:
    before = open_finding()
    monitor = Monitor(SMALL, START + 1000, [before])
    (after,) = (f for f in monitor.findings() if f.check == "pool-leak")
    assert (after.id, after.since, after.raised_at, after.stale) == (
        before.id,
        before.since,
        before.raised_at,
        True,
    )
    assert [t for t in monitor.advance(START + 1000).transitions if t.finding.check == "pool-leak"] == []


def test_an_open_finding_is_cleared_when_its_feed_is_in_sync_without_it() -> None:
    net = Story(SMALL, start=START)
    net.monitor = Monitor(SMALL, START, [open_finding()])
    net.up("isp-a").get_in_sync("isp-a")
    net.assert_cleared_after(60, "pool-leak", **leak("ipv4"))


@FAMILIES
def test_findings_are_unchanged_after_a_restart(family: Family) -> None:
    finding = converged().announce("isp-a", POOL[family]).finding("pool-leak", **leak(family))
    assert finding is not None
    kept = msgspec.json.decode(msgspec.json.encode(finding), type=Finding)
    net = Story(SMALL, start=START + 1000)
    net.monitor = Monitor(SMALL, START + 1000, [kept])
    assert net.wait(90).finding("pool-leak", **leak(family)) == structs.replace(finding, stale=True)
    net.up("isp-a").announce("isp-a", POOL[family]).get_in_sync("isp-a")
    assert net.finding("pool-leak", **leak(family)) == finding
    assert net.told("pool-leak") == [], "nobody is told twice"


def test_labels_in_another_order_are_the_same_subject() -> None:
    finding = open_finding()
    turned = structs.replace(finding, labels=dict(reversed(finding.labels.items())))
    (after,) = (f for f in Monitor(SMALL, START, [turned]).findings() if f.check == "pool-leak")
    assert after.id == finding.id


def test_cleared_findings_survive_a_restart() -> None:
    net = leaking().withdraw("isp-a", POOL["ipv4"]).wait(60)
    monitor = Monitor(SMALL, START, cleared=net.monitor.cleared)
    assert list(monitor.cleared) == list(net.monitor.cleared) != []
    told = [t for t in monitor.advance(START).transitions if t.state is TransitionState.CLEARED]
    assert told == [], "it was told then"
    finding = open_finding()
    many = [structs.replace(finding, id=str(number)) for number in range(CLEARED_FINDINGS + 1)]
    assert list(Monitor(SMALL, START, cleared=many).cleared) == many[:-1], "the latest"


def test_usual_levels_survive_a_restart() -> None:
    chicago = SMALL.circuits["chicago"]
    asked = replace(chicago, receive=replace(chicago.receive, drop_percent=30.0))
    config = replace(SMALL, circuits={"chicago": asked})
    about = Counted("received", ("chicago", "primary"), "ipv4")
    memory = LevelMemory(((100.0, 25600.0, 60.0), (101.0, 25856.0, 30.0)))
    monitor = Monitor(
        config, START, levels={about: memory, about._replace(link=("chicago", "removed")): memory}
    )
    assert monitor.levels(START + 5) == {about: memory}
    assert monitor.network.usual(about) == (100.0, 25600.0)
    assert Monitor(config, START).levels(START) == {}


def test_findings_of_a_published_list_survive_a_restart_before_the_list_is_read() -> None:
    chicago = SMALL.circuits["chicago"]
    source = Source("m365", "endpoints.json", 3600.0)
    waiting = replace(SMALL, circuits={"chicago": replace(chicago, receive=Receive(sources=(source,)))})
    expected = ExpectedPrefix(parse_prefix("192.0.2.64/26"))
    read = replace(
        SMALL,
        circuits={"chicago": replace(chicago, receive=Receive(prefixes=(expected,), sources=(source,)))},
    )
    net = converged().reconfigure(read)
    net.assert_raised_after(60, "prefix-missing", circuit="chicago", link="primary")
    before = net.finding("prefix-missing", circuit="chicago", link="primary")
    assert before is not None
    monitor = Monitor(waiting, net.now, [before])
    (stale,) = (f for f in monitor.findings() if f.check == "prefix-missing")
    assert (stale.id, stale.stale) == (before.id, True)
    monitor.reconfigure(read, net.now)
    assert before.id in {found.id for found in monitor.findings()}
    assert [t for t in monitor.advance(net.now).transitions if t.finding.check == "prefix-missing"] == []


def test_a_finding_whose_subject_is_gone_is_cleared_at_the_start() -> None:
    monitor = Monitor(replace(SMALL, pools={}), START, [open_finding()])
    (cleared,) = (t for t in monitor.advance(START).transitions if t.finding.check == "pool-leak")
    assert cleared.state is TransitionState.CLEARED
    assert cleared.finding.evidence["cleared_because"] == "the configuration no longer contains its subject"


# Reload ------------------------------------------------------------------------------------------------------


def test_a_reload_keeps_sessions_routes_and_findings() -> None:
    net = lose_link(leaking(), "edge-1", "ipv6").wait(20)
    before = net.monitor.findings()
    net.reconfigure(replace(SMALL, checks={"feed-down": CheckSettings(raise_after=5.0)})).wait(0)
    assert net.monitor.findings() == before
    assert all(net.monitor.network.up(feed) for feed in SMALL.feeds)
    assert net.monitor.network.in_sync("edge-1", "ipv4")
    assert net.requests == []


def test_a_reload_keeps_timers_that_run_and_timers_that_are_paused() -> None:
    net = lose_link(converged(), "edge-1", "ipv4").wait(4).reconfigure(replace(SMALL, checks={}))
    net.assert_raised_after(6, "link-down", **link("primary", "ipv4"))
    net = lose_link(converged(), "edge-1", "ipv4").wait(4).down("edge-1", "edge-2").wait(100)
    net.reconfigure(replace(SMALL, checks={})).wait(100).up("edge-1").get_in_sync("edge-1")
    net.assert_raised_after(6, "link-down", **link("primary", "ipv4"))


def test_a_reload_judges_held_routes_by_the_new_policy_at_once() -> None:
    more = make_pool("isp", ("chicago",), prefixes("198.51.100.192/28 2001:db8:1ff:1::/64"))
    net = converged().reconfigure(replace(SMALL, pools={**SMALL.pools, "isp": more}))
    assert net.raised() == ["pool-covered isp ipv4 isp-a isp-a", "pool-covered isp ipv6 isp-a isp-a"]


def test_a_finding_whose_subject_a_reload_removed_is_cleared_with_that_reason() -> None:
    net = leaking().wait(10).reconfigure(replace(SMALL, pools={}))
    assert net.raised("pool-leak") == []
    (cleared,) = (t.finding for t in net.transitions if t.state is TransitionState.CLEARED)
    assert cleared.check == "pool-leak"
    assert cleared.evidence["cleared_because"] == "the configuration no longer contains its subject"
    assert cleared.cleared_at == net.now


def test_switching_a_check_off_clears_its_findings() -> None:
    net = leaking().reconfigure(replace(SMALL, checks={"pool-leak": CheckSettings(enabled=False)}))
    assert net.raised() == []


def test_a_reload_keeps_the_memory_of_a_dead_link() -> None:
    net = converged().down("edge-1", "edge-2").wait(1000).reconfigure(replace(SMALL, checks={}))
    net.announce("isp-a", "192.0.2.16/28", "2001:db8:200:1::/64")
    assert "microsoft-leaked isp-a isp-a" in net.raised()


@pytest.mark.parametrize("widened", ["own", "pool"])
def test_a_reload_that_asks_about_more_requests_everything_on_the_filtered_feeds(widened: str) -> None:
    net = converged()
    if widened == "own":
        own = replace(SMALL.customer, own_prefixes=prefixes("198.51.100.0/24 2001:db8:100::/40 20.0.0.0/16"))
        policy = replace(SMALL, customer=own)
    else:
        policy = replace(
            SMALL, pools={**SMALL.pools, "new": make_pool("new", ("chicago",), prefixes("20.0.0.0/28"))}
        )
    net.reconfigure(policy)
    assert {(r.feed, r.action) for r in net.requests} == {("edge-1", "refresh"), ("edge-2", "refresh")}
    network = net.monitor.network
    assert all(network.in_sync(feed, family) for feed in SMALL.feeds for family in BOTH)
    assert not network.knows("edge-1", "ipv4", prefixes("20.0.0.0/24"))
    assert network.knows("edge-1", "ipv4", prefixes("198.51.100.0/28"))
    assert network.knows("isp-a", "ipv4", prefixes("20.0.0.0/24")), "it is held whole"


def test_a_reload_that_asks_about_less_leaves_the_feeds_alone() -> None:
    net = converged().reconfigure(replace(SMALL, pools={}))
    assert net.requests == []
    assert net.monitor.network.in_sync("edge-1", "ipv4")


def test_a_feed_that_a_reload_moved_is_a_new_session() -> None:
    moved = replace(SMALL.feeds["isp-a"], local="127.0.0.99")
    net = converged().reconfigure(replace(SMALL, feeds={**SMALL.feeds, "isp-a": moved}))
    assert not net.monitor.network.up("isp-a")
    assert net.monitor.network.up("edge-1")


def test_a_feed_that_a_reload_removed_is_forgotten() -> None:
    feeds = {name: feed for name, feed in SMALL.feeds.items() if name != "isp-a"}
    net = leaking().reconfigure(replace(SMALL, feeds=feeds))
    assert net.raised() == ["view-missing to-internet isp-a"]
    assert parse_prefix(POOL["ipv4"]) in net.monitor.network.feeds["edge-1-msee"].rib


# Maintenance at run time -------------------------------------------------------------------------------


def booked(net, begin, end, **about):
    return window(net.now - START + begin, net.now - START + end, **about)


def test_a_window_that_is_added_keeps_quiet_what_begins_in_it():
    net = company().converge()
    net.monitor.maintain([booked(net, 0, 120, circuit="chicago", link="primary")], net.now)
    net.lose("chicago-primary", "ipv4", "ipv6").wait(60)
    assert net.status("link-down", circuit="chicago", link="primary", family="ipv4") == "suppressed"
    assert net.raised("link-down") == []


def test_a_violation_that_outlasts_its_window_is_raised_after_it():
    net = company().converge()
    net.monitor.maintain([booked(net, 0, 120, circuit="chicago", link="primary")], net.now)
    net.lose("chicago-primary", "ipv4", "ipv6").wait(129)
    assert net.raised("link-down") == []
    net.wait(1)
    assert len(net.raised("link-down")) == 2


def test_a_window_that_is_ended_covers_nothing_any_more():
    net = company().converge()
    net.monitor.maintain([booked(net, 0, 600, circuit="chicago", link="primary")], net.now)
    net.lose("chicago-primary", "ipv4", "ipv6").wait(60)
    net.monitor.maintain([], net.now)
    assert net.status("link-down", circuit="chicago", link="primary", family="ipv4") == "violated"
    assert len(net.wait(10).raised("link-down")) == 2
