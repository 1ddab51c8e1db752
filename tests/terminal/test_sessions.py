"""What ``ermon status`` shows of the sessions that routers report by BMP."""

from __future__ import annotations

import pytest

from ermon.terminal.feeds import session_name
from ermon.terminal.status import changes, facts
from tests.core.test_monitored_sessions import ALONE, BESIDE, MSEE, RECEIVED, connected, session
from tests.core.test_own_sessions import PLANNED, UPLINK
from tests.story import Story
from tests.terminal.looking import look, picture_of, snapshot_of
from tests.terminal.test_status import drawn

SESSIONS = "Sessions that routers report (BMP)"


@pytest.fixture
def net() -> Story:
    """Every session is up with a route, but for the IPv6 of the provider, which it does not carry."""
    net = connected().statistics("edge-1").statistics("edge-2")
    for name, feed in ALONE.feeds.items():
        if name != UPLINK["ipv6"]:
            net.up(name).announce(name, RECEIVED[feed.families[0]], via=MSEE, path=str(feed.peer_asn))
    return net.wait(10).not_reported(UPLINK["ipv6"])


async def test_each_router_says_that_it_is_connected_and_names_its_sessions_briefly(net: Story) -> None:
    seen = await look(net, "status")
    assert "\nFeeds\n" not in seen.out
    told = seen.section(SESSIONS)
    assert "● edge-1 is connected for 10 s Session State For Routes" in told
    assert "chicago primary IPv4 ● up 10 s 1" in told
    assert "isp-a IPv4 ● up 10 s" in told


async def test_a_family_that_a_provider_does_not_carry_is_shown_only_with_all(net: Story) -> None:
    assert "isp-a IPv6" not in (await look(net, "status")).out
    told = (await look(net, "status", "--all")).section(SESSIONS)
    assert "isp-a IPv6 ○ the router reports no such session" in told


async def test_why_a_session_ended_stands_at_its_circuit_too(net: Story) -> None:
    seen = await look(net.down(session("ipv4"), reason=PLANNED).wait(3), "status")
    assert "chicago primary IPv4 ▲ down: the neighbor sent Cease:" in seen.section(SESSIONS)
    circuits = seen.section("Circuits")
    assert f"▲ primary IPv4 session down since 12:00:10 UTC: {PLANNED}" in circuits
    assert "primary IPv6 session" not in circuits


async def test_a_finding_about_a_link_begins_with_the_reason(net: Story) -> None:
    seen = await look(
        net.down(session("ipv4"), reason="the router sent hold timer expired").wait(20), "status"
    )
    [line] = [line.strip() for line in seen.lines if "hold timer" in line and "sessions" in line]
    assert line.startswith("sessions primary: the router sent hold timer expired")


async def test_a_session_without_a_route_is_established_all_the_same(net: Story) -> None:
    net.get_in_sync(session("ipv6")).withdraw(session("ipv6"), RECEIVED["ipv6"]).wait(1)
    seen = await look(net, "status")
    assert "▲ primary IPv6 session since 12:00:00 UTC: established, but no route" in seen.section("Circuits")
    assert "▲ established, but no route" in seen.section(SESSIONS)


async def test_a_router_that_is_not_connected_says_why_instead_of_its_sessions(net: Story) -> None:
    net.disconnect("edge-1").wait(5)
    told = (await look(net, "status")).section(SESSIONS)
    assert "▲ edge-1 is not connected" in told
    assert "chicago primary IPv4" not in told


async def test_feeds_and_sessions_are_apart() -> None:
    seen = await look(connected(BESIDE).process_up().up("edge-1").wait(1), "status", "--all")
    assert "chicago primary IPv4" not in seen.section("Feeds")
    assert "without statistics yet" in seen.section(SESSIONS)


def test_of_many_sessions_those_without_a_problem_are_counted(net: Story) -> None:
    snapshot = snapshot_of(net.down(session("ipv4"), reason=PLANNED).wait(3))
    status = snapshot["status"]
    more = {f"edge-1/more/{number}": status["feeds"][session("ipv6")] for number in range(20)}
    status["feeds"] |= more
    status["bmp"]["edge-1"]["feeds"] += [*more, "edge-1/a-reload-has-removed-it"]
    told = drawn(snapshot).section(SESSIONS)
    assert "chicago primary IPv4 ▲ down" in told
    assert "chicago primary IPv6" not in told
    assert "● 24 sessions more up; --all shows them" in told
    assert "more 19 ● up" in drawn(snapshot, everything=True).section(SESSIONS)


def test_a_session_with_too_many_routes_says_so(net: Story) -> None:
    snapshot = snapshot_of(net)
    snapshot["status"]["feeds"][session("ipv6")] |= {"overflowed": True, "state": "down", "overall": "down"}
    assert "chicago primary IPv6 ◆ too many routes" in drawn(snapshot).section(SESSIONS)


@pytest.mark.parametrize("width", [20, 44, 80, 140])
def test_sessions_fit_into_every_terminal(net: Story, width: int) -> None:
    net.down(session("ipv4"), reason=PLANNED).wait(3)
    assert max(map(len, drawn(snapshot_of(net), width=width).lines)) <= width


def test_the_names_of_sessions() -> None:
    names = [session_name("edge-1", f"edge-1/chicago/primary/{rest}") for rest in ("ipv4", "ipv6/pre-policy")]
    assert names == ["chicago primary IPv4", "chicago primary IPv6 pre-policy"]


def test_lines_for_a_log_name_the_reason_and_leave_out_what_does_not_exist(net: Story) -> None:

    before = facts(picture_of(snapshot_of(net)))
    net.down(session("ipv4"), reason=PLANNED).wait(3)
    lines = list(changes(before, facts(picture_of(snapshot_of(net)))))
    assert f"▲ feed {session('ipv4')}: up → down: {PLANNED}" in lines
    assert not any(UPLINK["ipv6"] in line for line in lines)
