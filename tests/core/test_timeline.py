"""The states of the links over the last 24 hours, with many changes, restarts and suspensions."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Self

import msgspec
import pytest

from ermon.checks.sharding import only_feeds
from ermon.core.runs import KeptRun, RunLog
from ermon.core.session_log import MAX_EVENTS, SessionLog
from ermon.core.timeline import (
    MAX_CHANGES,
    MAX_SAMPLES,
    SAMPLE_SECONDS,
    SPAN_SECONDS,
    KeptTimeline,
    Timeline,
    hour_of,
    view_of,
)
from ermon.model.findings import LinkState
from ermon.model.prefixes import Family
from tests.checks.company import REPORTING, SPACES, V4, Company, Space, company
from tests.story import START

DRAINED = "12076 12076 12076 12076 8075"
DAY = SPAN_SECONDS


class Watched:
    """A company and its timeline; time counts from the beginning of the story."""

    def __init__(self, net: Company, timeline: Timeline | None = None) -> None:
        self.net = net
        self.timeline = Timeline() if timeline is None else timeline
        self.wait(0)

    def wait(self, seconds: float) -> Self:
        """Let time pass as in the daemon, which takes a sample every five minutes."""
        end = self.net.now + seconds
        self._settle()
        while (sample := self.net.now - self.net.now % SAMPLE_SECONDS + SAMPLE_SECONDS) <= end:
            self.net.now = sample
            self._settle()
            self.timeline.sample(self.net.monitor, sample)
        self.net.now = round(end, 6)
        self._settle()
        return self

    def _settle(self) -> None:
        self.timeline.follow(self.net.monitor, self.net.take_changes())

    def shown(self) -> dict[str, Any]:
        self.wait(0)
        view = self.timeline.show(self.net.now - DAY, self.net.now)
        links: list[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(view.links()))
        return {"from": view.start, "to": view.end, "times": list(view.times), "links": links}

    def link(self, family: Family, circuit: str = "chicago", link: str = "primary") -> dict[str, Any]:
        wanted = {"circuit": circuit, "link": link, "family": family}
        [found] = [each for each in self.shown()["links"] if wanted.items() <= each.items()]
        return dict(found)

    def states(
        self, family: Family, circuit: str = "chicago", link: str = "primary"
    ) -> list[tuple[float, str]]:
        states = self.link(family, circuit, link)["states"]
        return [(round(time - self.net.start, 3), state) for time, state in states]

    def restart(self, seconds: float, *runs: KeptRun) -> Watched:
        """Return what a run of ermon shows that starts so much later, from what this one has kept."""
        net = Company(self.net.config, start=self.net.now + seconds)
        return Watched(net, Timeline.restored(self.kept(), RunLog(runs), net.now))

    def kept(self) -> list[KeptTimeline]:
        """Return what is written of the last 24 hours, after reading it again."""
        current = hour_of(self.net.now)
        hours = [self.timeline.hour(hour, self.net.now) for hour in range(current - 24, current + 1)]
        written = msgspec.json.encode([hour for hour in hours if hour is not None])
        return msgspec.json.decode(written, type=list[KeptTimeline])


@pytest.fixture(params=["ipv4", "ipv6"])
def space(request: pytest.FixtureRequest) -> Space:
    return SPACES[request.param]


@pytest.fixture
def watched() -> Watched:
    """The company, which was in sync two seconds after the beginning of the story."""
    found = Watched(company())
    found.net.converge()
    return found.wait(0)


def drain(net: Company) -> None:
    for each in SPACES.values():
        net.microsoft_sends("chicago-primary", each.exchange, each.sharepoint, path=DRAINED)


# States ----------------------------------------------------------------------------------------------


def test_a_link_is_unknown_until_it_is_seen(watched: Watched, space: Space):
    assert watched.states(space.family) == [(2 - DAY, "unknown"), (2, "up")]


def test_a_link_s_loss_and_return_have_their_times(watched: Watched, space: Space):
    watched.wait(58).net.lose("chicago-primary", space.family)
    watched.wait(40).net.bring("chicago-primary", space.family)
    assert watched.states(space.family)[1:] == [(2, "up"), (60, "down"), (100, "up")]
    assert watched.states(space.family, link="secondary")[1:] == [(2, "up")]


def test_all_changes_between_two_samples_are_included(watched: Watched, space: Space):
    watched.wait(58).net.lose("chicago-primary", space.family)
    watched.net.now += 1
    watched.net.bring("chicago-primary", space.family)
    assert watched.states(space.family)[1:] == [(2, "up"), (60, "down"), (61, "up")]


def test_a_link_that_is_no_longer_seen_is_unknown(watched: Watched, space: Space):
    watched.wait(58).net.down("edge-1")
    assert watched.states(space.family)[-1] == (60, "unknown")


def test_a_drain_is_a_state_and_outlasts_the_silence(watched: Watched, space: Space):
    drain(watched.wait(58).net)
    watched.wait(40).net.lose("chicago-primary", "ipv4", "ipv6")
    assert watched.wait(40).states(space.family)[1:] == [(2, "up"), (60, "draining")]
    watched.net.bring("chicago-primary", "ipv4", "ipv6")
    assert watched.states(space.family)[1:] == [(2, "up"), (60, "draining"), (140, "up")]


def test_a_link_that_stays_away_when_its_drain_is_over_is_down(watched: Watched, space: Space):
    drain(watched.wait(58).net)
    watched.wait(40).net.lose("chicago-primary", "ipv4", "ipv6")
    assert watched.wait(4 * 3600).states(space.family)[1:] == [
        (2, "up"),
        (60, "draining"),
        (60 + 4 * 3600, "down"),
    ]


def test_states_that_ended_more_than_a_day_ago_are_forgotten(watched: Watched, space: Space):
    watched.wait(58).net.lose("chicago-primary", space.family)
    watched.wait(40).net.bring("chicago-primary", space.family)
    assert watched.wait(DAY - 20).states(space.family) == [(80, "down"), (100, "up")]
    assert watched.wait(20).states(space.family) == [(100, "up")]


def test_a_state_that_has_lasted_for_more_than_a_day_fills_it(watched: Watched, space: Space):
    assert watched.wait(3 * DAY).states(space.family) == [(2 + 2 * DAY, "up")]


def test_the_oldest_of_too_many_changes_are_one_unknown_period(watched: Watched, space: Space):
    for _ in range(MAX_CHANGES):
        watched.wait(10).net.lose("chicago-primary", space.family)
        watched.wait(10).net.bring("chicago-primary", space.family)
    found, states = watched.link(space.family), watched.states(space.family)
    assert len(states) == MAX_CHANGES
    assert states[-1] == (2 + 20 * MAX_CHANGES, "up")
    assert states[0] == (watched.net.clock - DAY, "unknown")
    assert round(found["merged_until"] - START, 3) == states[1][0]
    assert {later[0] - earlier[0] for earlier, later in pairwise(states[1:])} == {10}
    assert watched.link(space.family, link="secondary")["merged_until"] is None


def test_the_period_of_too_many_changes_is_forgotten_a_day_later(watched: Watched, space: Space):
    for _ in range(MAX_CHANGES):
        watched.wait(10).net.lose("chicago-primary", space.family)
        watched.wait(10).net.bring("chicago-primary", space.family)
    watched.wait(DAY)
    assert (watched.link(space.family)["merged_until"], len(watched.states(space.family))) == (None, 1)


# Prefixes --------------------------------------------------------------------------------------------


def test_prefixes_are_counted_every_five_minutes(watched: Watched, space: Space):
    watched.wait(SAMPLE_SECONDS).net.microsoft_sends("chicago-primary", space.extra)
    watched.wait(SAMPLE_SECONDS).net.lose("chicago-primary", space.family)
    watched.net.microsoft_withdraws("chicago-primary", space.extra)
    watched.wait(SAMPLE_SECONDS).net.down("edge-1")
    watched.wait(SAMPLE_SECONDS)
    assert watched.link(space.family)["prefixes"] == [2, 3, 0, None]
    assert watched.link(space.family, link="secondary")["prefixes"] == [2, 2, 2, 2]
    times = watched.shown()["times"]
    assert {later - earlier for earlier, later in pairwise(times)} == {SAMPLE_SECONDS}


def test_a_day_of_samples_is_kept(watched: Watched, space: Space):
    watched.wait(2 * DAY)
    shown = watched.shown()
    assert len(shown["times"]) == len(watched.link(space.family)["prefixes"]) == MAX_SAMPLES
    assert shown["from"] < shown["times"][0]
    assert shown["times"][-1] <= shown["to"] == watched.net.now


def test_of_the_same_five_minutes_the_last_sample_stays(watched: Watched):
    watched.wait(SAMPLE_SECONDS).net.microsoft_sends("chicago-primary", V4.extra)
    watched.wait(10)
    watched.timeline.sample(watched.net.monitor, watched.net.now)
    assert watched.shown()["times"] == [watched.net.now]
    assert watched.link("ipv4")["prefixes"] == [3]


def test_a_clock_that_is_set_back_leaves_the_times_in_order(watched: Watched):
    watched.wait(4 * SAMPLE_SECONDS)
    watched.timeline.sample(watched.net.monitor, START + 2 * SAMPLE_SECONDS)
    shown = watched.shown()
    assert shown["times"] == sorted(shown["times"])
    assert {len(link["prefixes"]) for link in shown["links"]} == {len(shown["times"])}


# Reload ----------------------------------------------------------------------------------------------


def test_a_reload_drops_removed_links_and_keeps_the_others(watched: Watched, space: Space):
    watched.wait(58).net.lose("chicago-primary", space.family)
    watched.wait(SAMPLE_SECONDS).net.reconfigure(
        company("circuits: {dallas: null}", "nat_pools: {dal: null}",
                "feeds: {edge-3: null, edge-4: null, dallas-primary: null, dallas-secondary: null}").config
    )  # fmt: skip
    assert {link["circuit"] for link in watched.shown()["links"]} == {"chicago"}
    assert watched.states(space.family)[1:] == [(2, "up"), (60, "down")]


def test_a_link_that_a_reload_adds_was_unknown_until_then(watched: Watched):
    without = only_feeds(watched.net.config, ["edge-1", "edge-2", "chicago-*"])
    watched = Watched(Company(without).converge()).wait(2 * SAMPLE_SECONDS)
    assert {link["circuit"] for link in watched.shown()["links"]} == {"chicago"}
    watched.net.reconfigure(company().config)
    assert watched.states("ipv4", "dallas") == [(watched.net.clock - DAY, "unknown")]
    assert watched.link("ipv4", "dallas")["prefixes"] == [None] * len(watched.shown()["times"])


# Restart ---------------------------------------------------------------------------------------------


def test_the_time_that_ermon_was_not_running_is_unknown(watched: Watched, space: Space):
    later = watched.wait(598).restart(1_400)
    later.net.converge()
    now = later.net.now - watched.net.start
    assert later.wait(0).link(space.family)["states"] == [
        [START + now - DAY, "unknown"],
        [START + 2, "up"],
        [START + 600, "unknown"],
        [START + 2_002, "up"],
    ]


def test_samples_outlive_ermon(watched: Watched, space: Space):
    watched.wait(2 * SAMPLE_SECONDS)
    later = watched.restart(SAMPLE_SECONDS)
    later.timeline.sample(later.net.monitor, later.net.now)
    assert later.link(space.family)["prefixes"] == [2, 2, None]


def test_a_link_was_as_it_was_until_the_last_sign_of_life(watched: Watched, space: Space):
    run = KeptRun(START, START + 640)
    later = watched.wait(598).restart(1_400, run)
    later.net.converge()
    states = [(time - START, state) for time, state in later.wait(0).link(space.family)["states"]]
    assert states[1:] == [(2, "up"), (640, "unknown"), (2_002, "up")]


def test_any_span_is_put_together_from_the_hours_that_were_written(watched: Watched, space: Space):
    watched.wait(58).net.lose("chicago-primary", space.family)
    watched.wait(2 * 3600).net.bring("chicago-primary", space.family)
    watched.wait(3600)
    start, end = START + 30, START + 60 + 2 * 3600 + 600
    view = view_of(watched.kept(), RunLog(), start, end)
    wanted = watched.timeline.show(start, end)
    assert (view.times, view.links()) == (wanted.times, wanted.links())
    [link] = [
        each for each in view.links()
        if (each.circuit, each.link, each.family) == ("chicago", "primary", space.family)
    ]  # fmt: skip
    assert [(time - START, state) for time, state in link.states] == [(30, "up"), (60, "down"), (7260, "up")]


def test_an_hour_of_which_nothing_is_known_is_not_written_down(watched: Watched):
    hour = hour_of(watched.net.now)
    assert watched.timeline.hour(hour - 1, watched.net.now) is None
    assert watched.timeline.hour(hour, watched.net.now) is not None


def test_kept_hours_older_than_a_day_are_not_used(watched: Watched, space: Space):
    later = watched.wait(SAMPLE_SECONDS).restart(2 * DAY)
    later.timeline.sample(later.net.monitor, later.net.now)
    assert later.link(space.family)["prefixes"] == [None]
    assert [state for _, state in later.link(space.family)["states"]] == ["unknown"]


def test_hours_written_while_the_clock_was_ahead_are_not_used(watched: Watched, space: Space):
    earlier = watched.wait(2 * SAMPLE_SECONDS).restart(-10 * SAMPLE_SECONDS)
    assert earlier.shown()["times"] == []
    assert [state for _, state in earlier.link(space.family)["states"]] == ["unknown"]


def test_a_track_that_does_not_fit_its_times_is_dropped(watched: Watched):
    kept = [msgspec.structs.replace(part, times=[]) for part in watched.wait(SAMPLE_SECONDS).kept()]
    later = Watched(
        Company(watched.net.config, start=watched.net.now),
        Timeline.restored(kept, RunLog(), watched.net.now),
    )
    assert {len(link["prefixes"]) for link in later.shown()["links"]} == {0}
    assert [state for _, state in later.link("ipv4")["states"]] == ["unknown"]


# The router's own session ----------------------------------------------------------------------------


@pytest.fixture
def reporting() -> Watched:
    return Watched(company(REPORTING).converge())


def sessions(watched: Watched, family: Family) -> list[list[Any]]:
    found = watched.link(family)["sessions"]
    return [[round(time - START, 3), *rest] for time, *rest in found]


def test_what_a_router_reports_of_its_session_is_remembered_with_the_reason(
    reporting: Watched, space: Space
) -> None:
    name = f"edge-1/chicago/primary/{space.family}"
    reporting.net.connect("edge-1").up(name).announce(name, space.exchange, path="12076 8075")
    began = reporting.net.now - START
    reporting.wait(60).net.down(name, reason="the neighbor sent hold timer expired")
    reporting.wait(30).net.disconnect("edge-1")
    assert sessions(reporting.wait(30), space.family) == [
        [began, "up", ""],
        [began + 60, "down", "the neighbor sent hold timer expired"],
        [began + 90, "unknown", "the router is not connected by BMP"],
    ]
    other: Family = "ipv6" if space.family == "ipv4" else "ipv4"
    assert [state for _, state, _ in sessions(reporting, other)] == ["up", "unknown"]


def test_a_session_that_brings_nothing_any_more_is_remembered(reporting: Watched, space: Space) -> None:
    name = f"edge-1/chicago/primary/{space.family}"
    reporting.net.connect("edge-1").up(name).announce(name, space.exchange, path="12076 8075")
    reporting.net.get_in_sync(name)
    reporting.wait(10).net.withdraw(name, space.exchange)
    assert sessions(reporting.wait(1), space.family)[-1][1:] == ["up", "established, but no route"]


def test_sessions_outlive_ermon_for_a_day(reporting: Watched, space: Space) -> None:
    name = f"edge-1/chicago/primary/{space.family}"
    reporting.net.connect("edge-1").up(name)
    reporting.wait(60).net.down(name, reason="planned work")
    reporting.wait(60)
    known = sessions(reporting, space.family)
    assert known[-1][1:] == ["down", "planned work"]
    later = reporting.restart(600)
    began = later.net.now - START
    assert sessions(later, space.family) == [
        *known,
        [began, "unknown", "the router is not connected by BMP"],
    ]
    later.wait(DAY)
    later.timeline.sample(later.net.monitor, later.net.now)
    assert sessions(later, space.family) == []


def test_of_too_many_changes_of_a_session_the_latest_are_kept(reporting: Watched) -> None:
    name = "edge-1/chicago/primary/ipv4"
    reporting.net.connect("edge-1")
    for number in range(MAX_EVENTS):
        reporting.net.up(name).wait(1).down(name, reason=f"{number}")
        reporting.wait(1)
    found = sessions(reporting, "ipv4")
    assert len(found) == MAX_EVENTS
    assert found[-1][2] == f"{MAX_EVENTS - 1}"


def test_a_clock_that_is_set_moves_what_is_remembered_of_sessions() -> None:
    log = SessionLog()
    log.add(10.0, LinkState.UP, "")
    log.move(3600.0)
    assert log.between(3600.0, 3700.0) == ((3610.0, LinkState.UP, ""),)
    assert log.between(0.0, 3600.0) == ()
