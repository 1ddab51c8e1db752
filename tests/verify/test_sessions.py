"""The acceptance test of a circuit whose routers report their own sessions by BMP."""

from __future__ import annotations

import pytest

from tests.core.test_monitored_sessions import ALONE, BESIDE, MSEE, RECEIVED, connected, session
from tests.core.test_own_sessions import PLANNED, UPLINK
from tests.story import Story
from tests.verify.acceptance import put_to_the_test

FAMILIES = pytest.mark.parametrize(("family", "name"), [("ipv4", "IPv4"), ("ipv6", "IPv6")])


@pytest.fixture
def net() -> Story:
    """Every session is up with a route, and all routes have come."""
    net = connected().statistics("edge-1").statistics("edge-2")
    for name, feed in ALONE.feeds.items():
        if name != UPLINK["ipv6"]:
            net.up(name).announce(name, RECEIVED[feed.families[0]], via=MSEE, path=str(feed.peer_asn))
            net.get_in_sync(name)
    return net.wait(10).not_reported(UPLINK["ipv6"])


async def test_sessions_with_routes_are_links_that_are_up(net: Story) -> None:
    run = await put_to_the_test(net)
    assert run.step("sessions")["status"] == "pass"
    received = {link: each["received"]["ipv4"]["prefixes"] for link, each in run.circuit()["links"].items()}
    assert received == {"primary": [RECEIVED["ipv4"]], "secondary": [RECEIVED["ipv4"]]}
    assert f"ermon sees the IPv4 routes received on link primary on {session('ipv4')}" in run.out


@FAMILIES
async def test_a_session_that_is_down_fails_with_its_reason(net: Story, family: str, name: str) -> None:
    net.down(f"edge-1/chicago/primary/{family}", reason=PLANNED).wait(3)
    run = await put_to_the_test(net)
    assert run.problems("sessions") == [f"fail {name} on link primary (edge-1) is down: {PLANNED}"]


@FAMILIES
async def test_a_session_without_a_route_is_established(net: Story, family: str, name: str) -> None:
    net.withdraw(f"edge-1/chicago/primary/{family}", RECEIVED["ipv4"], RECEIVED["ipv6"]).wait(3)
    run = await put_to_the_test(net)
    assert run.problems("sessions") == [
        f"fail {name} on link primary (edge-1) is down: established, but no route"
    ]


async def test_what_a_router_does_not_report_is_unknown(net: Story) -> None:
    run = await put_to_the_test(net.disconnect("edge-1").wait(3))
    why = "the router is not connected by BMP"
    assert run.problems("sessions") == [
        f"unknown it is unknown whether {name} on link primary (edge-1) is up: {why}"
        for name in ("IPv4", "IPv6")
    ]
    blind = f"ermon cannot see the IPv4 routes received on link primary: {session('ipv4')} is unknown ({why})"
    assert f"unknown {blind}" in run.problems("sight")
    assert run.circuit()["blinded_by"] is None


async def test_without_any_connection_nothing_can_be_judged(net: Story) -> None:
    run = await put_to_the_test(net.disconnect("edge-1").disconnect("edge-2").wait(3))
    assert run.circuit()["blinded_by"] == (
        "Nothing can be judged: edge-1 is not connected by BMP, edge-2 is not connected by BMP"
    )


async def test_a_connection_is_enough_to_judge_something() -> None:
    run = await put_to_the_test(connected(BESIDE).process_down().wait(3))
    assert run.circuit()["blinded_by"] is None
