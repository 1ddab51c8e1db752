"""The status of the sessions that a router reports by BMP, of the connection that it reports them over, and of the feeds made of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ermon.api.status import BmpDoc, FeedDoc, FeedOverall, SessionDoc, StatusDoc
from ermon.core.blindness import look
from ermon.core.states import Awaited
from ermon.core.status import collect, feed_status, link_status, network_status
from ermon.model.prefixes import Family
from ermon.model.text import rfc3339
from tests.core.test_monitored_sessions import (
    ALONE,
    BESIDE,
    FAMILIES,
    MSEE,
    PRIMARY,
    RECEIVED,
    announce,
    connected,
    session,
)
from tests.networks import START
from tests.story import Story

PLANNED = 'the neighbor sent Cease: administrative shutdown: "planned work"'
UPLINK: dict[Family, str] = {"ipv4": "edge-1/isp-a/ipv4", "ipv6": "edge-1/isp-a/ipv6"}


def status(net: Story) -> StatusDoc:
    net.wait(0)
    collected = collect(net.monitor)
    return network_status(net.monitor, collected, version="1", started_at=net.start, now=net.now)


def own(net: Story, family: Family) -> SessionDoc:
    net.wait(0)
    return link_status(net.monitor, PRIMARY).sessions[family]


def feed(net: Story, name: str) -> FeedDoc:
    net.wait(0)
    return feed_status(net.monitor, name)


def told(net: Story, family: Family) -> tuple[str, str, FeedOverall]:
    found = own(net, family)
    assert found.feed == session(family)
    return found.state, found.reason, FeedOverall(feed(net, session(family)).overall)


# The session of a link -----------------------------------------------------------------------------------


@FAMILIES
def test_a_session_is_up_since_the_router_reported_it(family: Family) -> None:
    net = announce(connected().wait(1).up(session(family)), session(family), family)
    assert own(net, family) == SessionDoc(
        state="up", reason="", since=rfc3339(START + 1), neighbor=MSEE[family], feed=session(family)
    )


@FAMILIES
def test_the_reason_is_in_the_words_of_who_ended_it(family: Family) -> None:
    net = announce(connected().up(session(family)), session(family), family)
    net.wait(9).down(session(family), reason=PLANNED)
    assert told(net, family) == ("down", PLANNED, "down")
    assert own(net, family).since == rfc3339(START + 9)
    found = feed(net, session(family))
    assert (found.state, found.down_reason, found.by_bmp) == ("down", PLANNED, True)


@FAMILIES
def test_a_session_that_brings_nothing_is_established_but_without_a_route(family: Family) -> None:
    net = connected().up(session(family))
    assert told(net, family) == ("up", "", "not-in-sync")
    net.get_in_sync(session(family))
    assert told(net, family) == ("up", "established, but no route", "up")
    announce(net, session(family), family)
    assert told(net, family) == ("up", "", "up")


@FAMILIES
def test_a_session_that_brings_routes_is_fine_before_the_router_says_that_all_have_come(
    family: Family,
) -> None:
    """Most routers never say so of a session that comes up after they connected. That nothing is missing is still not proven."""
    net = announce(connected().up(session(family)), session(family), family)
    assert told(net, family) == ("up", "", "up")
    found = feed(net, session(family))
    assert (found.blind, found.in_sync) == (True, {family: False})


@FAMILIES
def test_what_the_router_does_not_report_now_is_unknown(family: Family) -> None:
    net = announce(connected().up(session(family)), session(family), family).disconnect("edge-1")
    assert told(net, family) == ("unknown", "the router is not connected by BMP", "unknown")
    net.wait(1).connect("edge-1")
    assert told(net, family) == ("unknown", "the router has not reported it yet", "unknown")
    net.wait(10).not_reported(session(family))
    assert told(net, family) == ("down", "the router no longer reports it", "down")


@FAMILIES
def test_a_session_that_was_never_reported_does_not_exist(family: Family) -> None:
    net = connected().wait(10).not_reported(session(family))
    assert told(net, family) == ("unknown", "the router reports no such session", "absent")
    assert own(net, family).since is None


@FAMILIES
def test_without_statistics_a_session_is_unknown(family: Family) -> None:
    net = announce(connected().up(session(family)), session(family), family)
    net.wait(60).alive(session(family)).wait(180).silent(session(family))
    state, reason, overall = told(net, family)
    assert (state, overall) == ("unknown", "unknown")
    assert own(net, family).since == feed(net, session(family)).since == rfc3339(START + 60)
    assert "statistics" in reason


@FAMILIES
def test_a_session_whose_routes_cannot_be_read_is_up_and_not_in_sync(family: Family) -> None:
    net = connected().up(session(family)).unreadable(session(family))
    state, reason, overall = told(net, family)
    assert (state, overall) == ("up", "not-in-sync")
    assert reason.startswith("its routes cannot be read: ")


def test_a_link_without_bmp_has_no_sessions() -> None:
    assert link_status(Story(ALONE, start=START).monitor, PRIMARY).sessions.keys() == {"ipv4", "ipv6"}
    without = {name: one for name, one in BESIDE.feeds.items() if not one.by_bmp}
    assert link_status(Story(replace(BESIDE, feeds=without), start=START).monitor, PRIMARY).sessions == {}


# Uplinks -------------------------------------------------------------------------------------------------


def test_an_uplink_has_the_families_that_its_provider_carries() -> None:
    net = connected().up(UPLINK["ipv4"]).wait(10).not_reported(UPLINK["ipv6"])
    found = status(net).uplinks["isp-a"].sessions
    assert {family: each.state for family, each in found.items()} == {"ipv4": "up"}
    assert feed(net, UPLINK["ipv6"]).overall == "absent"


def test_a_family_that_an_uplink_does_not_carry_is_nothing_that_ermon_cannot_see() -> None:
    net = connected()
    for name, one in ALONE.feeds.items():
        if name != UPLINK["ipv6"]:
            net.up(name).announce(name, RECEIVED[one.families[0]], via=MSEE, path=str(one.peer_asn))
    net.wait(10).not_reported(UPLINK["ipv6"])
    assert look(net.monitor).blind == 0


def test_the_headline_tells_unknown_sessions_from_those_that_bring_nothing_yet() -> None:
    net = connected()
    for name in ALONE.feeds:
        net.up(name).get_in_sync(name)
    net.silent(session("ipv4"))
    assert look(net.monitor).text == "ermon cannot see everything: 1 of 6 feeds is unknown"
    net.down(session("ipv6")).up(session("ipv6"))
    assert look(net.monitor).text == "ermon cannot see everything: 2 of 6 feeds are not in sync or unknown"


# The connection ------------------------------------------------------------------------------------------


def test_a_connection_is_no_process_of_exabgp() -> None:
    found = status(connected(BESIDE))
    assert set(found.processes) == set(BESIDE.processes)
    assert set(found.bmp) == {"edge-1", "edge-2"}


def test_a_connection_says_since_when_it_is_and_whether_statistics_come() -> None:
    net = connected()
    feeds = tuple(name for name, one in ALONE.feeds.items() if one.router == "edge-2")
    assert status(net).bmp["edge-2"] == BmpDoc(
        state="up", since=rfc3339(START), statistics=False, reason="", feeds=feeds
    )
    net.statistics("edge-2")
    assert status(net).bmp["edge-2"].statistics
    net.disconnect("edge-2")
    found = status(net).bmp["edge-2"]
    assert (found.state, found.since, found.statistics) == ("down", None, False)
    assert found.reason


def test_a_router_has_time_to_connect_after_a_start() -> None:
    net = Story(ALONE, start=START)
    assert status(net).bmp["edge-1"].state == "down"
    reactor = net.monitor.reactor
    for state in reactor.facts.feeds.values():
        reactor.processes.await_router(state, Awaited.UNHEARD)
    assert status(net).bmp["edge-1"].state == "unknown"


@pytest.mark.parametrize("view", ["from-microsoft", "from-internet"])
def test_a_feed_by_bmp_names_the_neighbor_and_no_address_of_ermon(view: str) -> None:
    feeds = status(connected()).feeds.values()
    assert {one.local for one in feeds if one.view == view} == {""}
