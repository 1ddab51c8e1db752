"""A router's own sessions with Microsoft, which it reports by BMP, decide on its links where they can be believed."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from ermon.config.monitored import monitored_feeds
from ermon.config.schema import RouterBmpSection
from ermon.core.blindness import look
from ermon.core.snapshot import Snapshot, resume, take
from ermon.model.events import ProcessDown, ProcessUp
from ermon.model.findings import LinkState
from ermon.model.inventory import BmpRouter, Config
from ermon.model.prefixes import Family
from tests.networks import BOTH, SMALL, START
from tests.story import Story

FAMILIES = pytest.mark.parametrize("family", BOTH)
MSEE = {"ipv4": "203.0.113.2", "ipv6": "2001:db8:ffff::2"}
RECEIVED = {"ipv4": "192.0.2.0/26", "ipv6": "2001:db8:200::/48"}
PRIMARY = ("chicago", "primary")
GRACE = 150.0
"""``collector.reconnect_grace``."""


def with_bmp(policy: Config, **settings: bool) -> Config:
    """Let both routers report their sessions."""
    bmp = {
        router: RouterBmpSection(peer=address, **settings)
        for router, address in (("edge-1", "192.0.2.201"), ("edge-2", "192.0.2.202"))
    }
    feeds = dict(policy.feeds)
    for router, section in bmp.items():
        for feed in monitored_feeds(router, section, policy.circuits, policy.uplinks):
            feeds[feed.name] = feed
    routers = {router: BmpRouter(router, section.peer) for router, section in bmp.items()}
    return replace(policy, feeds=feeds, bmp=routers)


BESIDE = with_bmp(SMALL)
"""BMP beside ExaBGP's feeds."""
ALONE = replace(BESIDE, feeds={name: feed for name, feed in BESIDE.feeds.items() if feed.by_bmp})


def session(family: Family, link: str = "primary", router: str = "edge-1") -> str:
    return f"{router}/chicago/{link}/{family}"


def state(net: Story, family: Family) -> LinkState:
    net.wait(0)
    return net.monitor.reactor.facts.link_state(PRIMARY, family)


def deciders(net: Story, family: Family) -> tuple[str, ...]:
    return net.monitor.reactor.facts.deciders(PRIMARY, family)


def connected(policy: Config = ALONE) -> Story:
    return Story(policy, start=START).connect("edge-1").connect("edge-2")


def announce(net: Story, feed: str, family: Family) -> Story:
    return net.announce(feed, RECEIVED[family], via=MSEE, path="12076")


@FAMILIES
def test_a_session_with_a_route_is_a_link_that_is_up(family: Family) -> None:
    net = connected().up(session(family))
    assert state(net, family) is LinkState.UNKNOWN
    announce(net, session(family), family)
    assert (state(net, family), deciders(net, family)) == (LinkState.UP, ())
    net.get_in_sync(session(family))
    assert deciders(net, family) == (session(family),)


@FAMILIES
def test_the_path_of_its_routes_does_not_matter(family: Family) -> None:
    """The session is the link. FRR writes its own ASN in front."""
    net = connected().up(session(family)).announce(session(family), RECEIVED[family], path="64500 12076 8075")
    assert state(net, family) is LinkState.UP


@FAMILIES
def test_a_session_that_ends_is_a_link_that_is_down_at_once(family: Family) -> None:
    net = announce(connected().up(session(family)), session(family), family)
    net.down(session(family), reason='the neighbor sent Cease: administrative shutdown: "planned work"')
    assert (state(net, family), deciders(net, family)) == (LinkState.DOWN, (session(family),))
    found = net.assert_raised_after(10, "link-down", circuit="chicago", link="primary", family=family)
    assert "planned work" in str(found.evidence)


@FAMILIES
def test_a_session_without_a_route_is_a_link_that_is_down_once_it_is_in_sync(family: Family) -> None:
    net = connected().up(session(family))
    assert state(net, family) is LinkState.UNKNOWN
    net.get_in_sync(session(family))
    assert (state(net, family), deciders(net, family)) == (LinkState.DOWN, (session(family),))


@FAMILIES
def test_a_session_that_was_reported_before_and_is_not_now_is_down(family: Family) -> None:
    net = announce(connected().up(session(family)), session(family), family)
    net.disconnect("edge-1")
    assert state(net, family) is LinkState.UNKNOWN
    net.wait(5).connect("edge-1")
    assert state(net, family) is LinkState.UNKNOWN
    net.wait(10).not_reported(session(family))
    assert state(net, family) is LinkState.DOWN


@FAMILIES
def test_a_session_that_was_never_reported_says_nothing(family: Family) -> None:
    net = connected().wait(10).not_reported(session(family))
    assert state(net, family) is LinkState.UNKNOWN


@FAMILIES
def test_a_session_that_is_reported_as_down_from_the_beginning_is_down(family: Family) -> None:
    net = connected().wait(10).down(session(family), reason="the router ended the session")
    assert state(net, family) is LinkState.DOWN


@FAMILIES
def test_without_statistics_the_state_of_a_session_is_unknown_until_they_come_again(family: Family) -> None:
    """A removed neighbor and a router that hangs are reported by nothing else."""
    net = announce(connected().up(session(family)), session(family), family).get_in_sync(session(family))
    net.silent(session(family))
    assert (state(net, family), deciders(net, family)) == (LinkState.UNKNOWN, ())
    net.alive(session(family))
    assert (state(net, family), deciders(net, family)) == (LinkState.UP, (session(family),))


@FAMILIES
def test_the_state_of_a_session_with_unreadable_routes_is_not_the_links(family: Family) -> None:
    net = connected().up(session(family)).unreadable(session(family)).end_of_rib(session(family)).wait(200)
    assert state(net, family) is LinkState.UNKNOWN
    net.down(session(family))
    assert state(net, family) is LinkState.DOWN


@FAMILIES
def test_while_a_router_does_not_report_its_edge_table_decides(family: Family) -> None:
    net = announce(connected(BESIDE).process_up().up("edge-1", session(family)), "edge-1", family)
    announce(net, session(family), family).get_in_sync("edge-1", session(family))
    assert deciders(net, family) == (session(family),)
    net.disconnect("edge-1")
    assert (state(net, family), deciders(net, family)) == (LinkState.UP, ("edge-1",))
    net.withdraw("edge-1", RECEIVED[family])
    assert state(net, family) is LinkState.DOWN


@FAMILIES
def test_the_session_outweighs_an_edge_table_that_still_shows_routes(family: Family) -> None:
    """Graceful restart keeps them."""
    net = announce(connected(BESIDE).process_up().up("edge-1", session(family)), "edge-1", family)
    announce(net, session(family), family).get_in_sync("edge-1", session(family)).down(session(family))
    assert (state(net, family), deciders(net, family)) == (LinkState.DOWN, (session(family),))


@FAMILIES
def test_an_edge_table_with_routes_outweighs_a_session_that_is_merely_not_reported(family: Family) -> None:
    net = announce(connected(BESIDE).process_up().up("edge-1", session(family)), "edge-1", family)
    announce(net, session(family), family).get_in_sync("edge-1", session(family)).disconnect("edge-1")
    net.wait(1).connect("edge-1").wait(10).not_reported(session(family))
    assert state(net, family) is LinkState.UP


@FAMILIES
def test_a_circuit_whose_sessions_are_all_down_is_down(family: Family) -> None:
    net = connected()
    both = [session(family), session(family, "secondary", "edge-2")]
    for feed in both:
        announce(net.up(feed), feed, family)
    net.get_in_sync(*both).down(*both)
    assert f"circuit-down chicago {family}" in net.wait(60).raised("circuit-down")


def test_a_circuit_is_seen_by_bmp_alone() -> None:
    """And unseen when no router reports any more: nobody would notice its loss."""
    net = connected()
    sessions = [
        session(family, *end) for family in BOTH for end in (("primary", "edge-1"), ("secondary", "edge-2"))
    ]
    for feed in sessions:
        announce(net.up(feed), feed, feed.rpartition("/")[2])  # type: ignore[arg-type]
    net.get_in_sync(*sessions).wait(200)
    assert net.raised("circuit-unseen", "sight-lost", "feed-down") == []
    net.disconnect("edge-1").disconnect("edge-2")
    net.assert_raised_after(60, "circuit-unseen", circuit="chicago")
    assert net.raised("feed-down", "link-down") == []


def test_the_headline_says_who_does_not_report() -> None:
    net = Story(ALONE, start=START).wait(200)
    assert look(net.monitor).text == "ermon sees nothing: all 6 feeds are down"
    net.connect("edge-2")
    assert look(net.monitor).text == "ermon cannot see everything: 6 of 6 feeds are down or unknown"
    sessions = [name for name, feed in ALONE.feeds.items() if feed.router == "edge-2"]
    net.up(*sessions).get_in_sync(*sessions)
    assert look(net.monitor).text == "ermon cannot see edge-1: 4 of 4 feeds are down"


def test_a_session_that_is_reported_as_down_is_seen() -> None:
    net = connected().wait(10).down(*ALONE.feeds)
    assert look(net.monitor).blind == 0


# What outlives a restart ------------------------------------------------------------------------------


def known_before(family: Family) -> Story:
    """Return a network whose router has reported its session until ermon was restarted."""
    net = announce(connected().up(session(family)), session(family), family).get_in_sync(session(family))
    return net.wait(600).restart()


@FAMILIES
def test_after_a_restart_a_router_has_time_to_connect_again(family: Family) -> None:
    net = known_before(family).wait(149.999)
    assert net.raised("bmp-down") == []
    net.assert_raised_after(GRACE - 149.999 + 30, "bmp-down", process="bmp/edge-1")
    assert state(net, family) is LinkState.UNKNOWN


def test_an_attempt_that_fails_ends_the_time_that_a_router_has() -> None:
    """What is wrong is known then. What was wrong in an earlier run says nothing of this one."""
    net = known_before("ipv4").wait(10).disconnect("edge-1")
    net.assert_raised_after(30, "bmp-down", process="bmp/edge-1")
    assert net.connect("edge-1").wait(1).raised("bmp-down") == []
    assert net.restart().wait(100).raised("bmp-down") == []


@FAMILIES
def test_a_session_that_was_reported_before_a_restart_and_is_not_now_is_down(family: Family) -> None:
    """Somebody removed the neighbor while ermon did not run."""
    net = known_before(family).wait(5).connect("edge-1")
    assert state(net, family) is LinkState.UNKNOWN
    net.wait(10).not_reported(session(family))
    assert state(net, family) is LinkState.DOWN


@FAMILIES
def test_a_session_that_was_never_reported_says_nothing_after_a_restart_either(family: Family) -> None:
    net = connected().wait(600).restart().wait(5).connect("edge-1").wait(10).not_reported(session(family))
    assert state(net, family) is LinkState.UNKNOWN


@FAMILIES
def test_the_end_of_a_connection_reports_no_session(family: Family) -> None:
    """So a session that was never reported is not taken for one that is gone when the router connects again."""
    net = connected().wait(5).disconnect("edge-1").wait(5).connect("edge-1").wait(10)
    net.not_reported(session(family))
    assert state(net, family) is LinkState.UNKNOWN


def test_a_router_that_did_not_report_before_a_restart_has_no_time_to_connect_again() -> None:
    net = connected().wait(200).disconnect("edge-1")
    net.assert_raised_after(30, "bmp-down", process="bmp/edge-1")
    net.wait(60).restart().wait(1)
    assert "bmp-down bmp/edge-1" in net.raised("bmp-down")
    assert net.status("bmp-down", process="bmp/edge-1") == "violated"


@FAMILIES
def test_a_snapshot_has_what_routers_have_reported(family: Family) -> None:
    net = announce(connected().up(session(family)), session(family), family).get_in_sync(session(family))
    net.statistics("edge-1").silent(session(family)).wait(0)
    text = msgspec.json.encode(take(net.monitor))
    routes = {name: tuple(one.rib.routes()) for name, one in net.monitor.network.feeds.items()}
    copy = resume(net.config, msgspec.json.decode(text, type=Snapshot), routes)
    assert take(copy) == take(net.monitor)
    assert copy.network.has_statistics("bmp/edge-1")
    copy.apply(ProcessDown(net.now, "bmp/edge-1", "closed"))
    copy.apply(ProcessUp(net.now, "bmp/edge-1"))
    assert not copy.network.has_statistics("bmp/edge-1")
