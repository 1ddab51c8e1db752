"""The wall clock is set: no timer and no verdict changes, and dates are judged by the new clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ermon.core.snapshot import resume, take
from ermon.core.timeline import SPAN_SECONDS, Timeline
from ermon.model.events import ClockStepped
from ermon.model.text import rfc3339
from tests.checks.company import V4, V6, Company, Space, company

HOUR = 3600.0
STEPS = pytest.mark.parametrize("step", [-HOUR, HOUR], ids=["back", "forward"])
BOTH_FAMILIES = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])


def set_clock(net: Company, offset: float) -> Company:
    net.monitor.apply(ClockStepped(net.now, offset))
    return net


def link(space: Space) -> dict[str, Any]:
    return {"circuit": "chicago", "link": "primary", "family": space.family}


@STEPS
@BOTH_FAMILIES
def test_a_link_is_down_and_up_again_in_its_usual_times(step: float, space: Space) -> None:
    net = company().up("edge-1").get_in_sync("edge-1")
    net.wait(4)
    set_clock(net, step)
    net.assert_raised_after(6, "link-down", **link(space))
    set_clock(net, 0)
    net.announce("edge-1", space.exchange, via=space.msee["chicago-primary"], path="12076")
    set_clock(net, step)
    net.assert_cleared_after(30, "link-down", **link(space))


@STEPS
def test_a_feed_gets_in_sync_and_is_missed_in_its_usual_times(step: float) -> None:
    net = set_clock(company().up("edge-1", "edge-2", "edge-3", "edge-4"), step)
    net.end_of_rib("edge-1").wait(1.999)
    assert not net.monitor.network.complete("edge-1")
    net.wait(0.001)
    assert net.monitor.network.complete("edge-1")
    set_clock(net.down("edge-1"), 2 * step)
    net.assert_raised_after(30, "feed-down", feed="edge-1")


def booked(net: Company, begins: float, ends: float) -> str:
    """Return a window on a link that begins and ends so many seconds from now, by the clock as it is now."""
    at = [
        datetime.fromtimestamp(net.monitor.network.calendar_now + seconds, UTC).isoformat()
        for seconds in (begins, ends)
    ]
    return (
        f"maintenance: [{{circuit: chicago, link: primary, from: '{at[0]}', to: '{at[1]}', reason: works}}]"
    )


@STEPS
def test_a_window_begins_and_ends_by_the_wall_clock(step: float) -> None:
    net = set_clock(company(), step)
    net.reconfigure(company(booked(net, 100, 200)).config)
    net.up("edge-1").get_in_sync("edge-1").wait(90)
    assert net.raised("link-down") == ["link-down chicago primary ipv4", "link-down chicago primary ipv6"]
    net.announce("edge-1", V4.exchange, via=V4.msee["chicago-primary"], path="12076").wait(7)
    net.withdraw("edge-1", V4.exchange).wait(0.999)
    assert net.status("link-down", **link(V4)) == "violated"
    net.wait(0.001)
    assert net.status("link-down", **link(V4)) == "suppressed"
    net.wait(99.999)
    assert net.status("link-down", **link(V4)) == "suppressed"
    net.wait(0.001)
    assert net.status("link-down", **link(V4)) == "violated"


@pytest.mark.parametrize(("step", "status"), [(HOUR, "suppressed"), (-HOUR, "violated")])
def test_setting_the_clock_into_a_window_or_out_of_it_counts_at_once(step: float, status: str) -> None:
    net = company()
    net.reconfigure(company(booked(net, HOUR / 2, 2 * HOUR)).config)
    net.up("edge-1").get_in_sync("edge-1")
    set_clock(net, step)
    assert net.status("link-down", **link(V4)) == status


@STEPS
def test_times_are_shown_by_the_wall_clock(step: float) -> None:
    net = company().up("edge-1").get_in_sync("edge-1").wait(10)
    began, raised = net.start + 2, net.start + 12
    finding = net.finding("link-down", **link(V4))
    assert finding is not None
    assert (finding.since, finding.raised_at) == (began, raised)
    set_clock(net, step)
    shown = net.finding("link-down", **link(V4))
    assert shown is not None
    assert (shown.id, shown.since, shown.raised_at) == (finding.id, began + step, raised + step)
    net.announce("edge-1", V4.exchange, via=V4.msee["chicago-primary"], path="12076").wait(30)
    cleared = net.monitor.cleared[0]
    assert (cleared.since, cleared.raised_at) == (began + step, raised + step)
    assert (cleared.ended_at, cleared.cleared_at) == (net.now - 30 + step, net.now + step)


@STEPS
def test_the_difference_outlives_a_reload_and_a_recording(step: float) -> None:
    net = set_clock(company(), step)
    net.reconfigure(company("checks: {churn-high: {enabled: false}}").config)
    assert net.monitor.network.calendar_now == net.now + step
    again = resume(net.config, take(net.monitor), {}).network
    assert again.calendar_now == net.now + step
    assert again.clock.at(net.now - 1) == net.now - 1, "before it was set"


@STEPS
def test_the_picture_of_the_last_day_ends_now(step: float) -> None:
    net = company().up("edge-1").get_in_sync("edge-1")
    timeline = Timeline()
    timeline.follow(net.monitor, net.take_changes())
    set_clock(net, step)
    net.announce("edge-1", V4.exchange, via=V4.msee["chicago-primary"], path="12076")
    timeline.follow(net.monitor, net.take_changes())
    states = timeline.show(net.now + step - SPAN_SECONDS, net.now + step).links()[0].states
    assert states[-1] == (net.now + step, "up")
    assert rfc3339(states[-1][0]) == rfc3339(net.monitor.network.calendar_now)


# The last 24 hours -----------------------------------------------------------------------------------


def history(timeline: Timeline, now: float) -> list[tuple[float, str]]:
    """Return the states of a link except the first."""
    shown = timeline.show(now - SPAN_SECONDS, now).links()[0]
    return [(time, str(state)) for time, state in shown.states[1:]]


def watched() -> tuple[Company, Timeline]:
    """A link that was lost for a minute, ten minutes after the start; ten minutes have passed since."""
    net, timeline = company().converge(), Timeline()
    timeline.follow(net.monitor, net.take_changes())
    for what in (net.lose, net.bring):
        net.wait(600 if what == net.lose else 60)
        what("chicago-primary", "ipv4", "ipv6")
        timeline.follow(net.monitor, net.take_changes())
    net.wait(600)
    timeline.sample(net.monitor, net.now)
    return net, timeline


@STEPS
def test_no_outage_is_lost_from_the_last_day_when_the_clock_is_set(step: float) -> None:
    """Earlier times move with the clock; otherwise the hour that comes twice would hide what happened in it."""
    net, timeline = watched()
    before = history(timeline, net.now)
    assert [state for _, state in before] == ["up", "down", "up"]
    set_clock(net, step)
    timeline.follow(net.monitor, net.take_changes())
    net.wait(60).lose("chicago-primary", "ipv4", "ipv6")
    timeline.follow(net.monitor, net.take_changes())
    timeline.sample(net.monitor, net.now + step)
    assert history(timeline, net.now + step) == [
        *((time + step, state) for time, state in before),
        (net.now + step, "down"),
    ]
    times = timeline.show(0, net.now + step).times
    assert times == tuple(sorted(times))
    assert times[-1] == net.now + step


def test_a_clock_that_is_set_wrong_and_right_again_leaves_all_as_it_was() -> None:
    net, timeline = watched()
    before = history(timeline, net.now)
    for offset in (HOUR, 0):
        set_clock(net.wait(15), offset)
    timeline.follow(net.monitor, net.take_changes())
    assert history(timeline, net.now) == before


def test_links_are_unknown_while_the_machine_was_suspended() -> None:
    net, timeline = watched()
    before, night = history(timeline, net.now), 8 * HOUR
    net.monitor.apply(ClockStepped(net.now, night, night))
    timeline.follow(net.monitor, net.take_changes())
    net.wait(60)
    assert history(timeline, net.now + night) == [
        *before,
        (net.now - 60, "unknown"),
        (net.now - 60 + night, "up"),
    ]


@pytest.mark.parametrize(("seconds", "asked"), [(89.0, set()), (90.0, {"edge-1", "isp-a"})])
def test_a_router_that_has_given_its_session_up_meanwhile_is_asked_for_a_new_one(
    seconds: float, asked: set[str]
) -> None:
    """Its hold time has run out: the router's timer did not stop while this machine was suspended."""
    net = company("collector: {hold_time: 90s}").up("edge-1", "isp-a")
    net.monitor.apply(ClockStepped(net.now, seconds, seconds))
    requests = net.monitor.advance(net.now).requests
    assert {(each.feed, each.action) for each in requests} == {(feed, "teardown") for feed in asked}
    net.monitor.apply(ClockStepped(net.now, 2 * HOUR, 0))
    assert net.monitor.advance(net.now).requests == [], "a clock that is set ends no session"
