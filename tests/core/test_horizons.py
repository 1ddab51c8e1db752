"""Several ExaBGP processes, each at its own time: one that is behind delays no other, and findings have the times at
which things happened.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest

from ermon.core.horizons import OWN, Horizons
from ermon.core.monitor import Monitor, Outcome
from ermon.core.snapshot import Snapshot, resume, take
from ermon.core.timeline import Timeline
from ermon.model.events import (
    Alive,
    Change,
    ClockStepped,
    EndOfRib,
    Event,
    ListeningJudged,
    ProcessDown,
    ProcessUp,
    SessionUp,
    StorageJudged,
    Update,
)
from ermon.model.findings import Transition
from ermon.model.prefixes import FAMILIES, parse_prefix
from ermon.model.routes import Route
from tests.checks.company import V4, V6, Space, company
from tests.story import attributes

BOTH_FAMILIES = pytest.mark.parametrize("space", [V4, V6], ids=["ipv4", "ipv6"])
QUICK = """
checks:
  link-down: {raise_after: 10s, clear_after: 30s}
  pool-fallback: {raise_after: 10s, clear_after: 30s}
  pool-leak: {clear_after: 30s}
"""
"""Times that are easy to add."""
START = 1_000.0
FEEDS = ("edge-1", "edge-2", "chicago-primary", "chicago-secondary", "isp-a", "outside")


class Told:
    """A monitor that follows each process; ``read`` applies events in the order in which they are read, whatever their
    times.
    """

    def __init__(self, space: Space, text: str = QUICK) -> None:
        self.space = space
        self.config = company(text).config
        self.monitor = Monitor(self.config, START)
        self.monitor.follow_each_process()
        self._transitions: list[Transition] = []
        self.changes: list[Change] = []
        self.states: list[list[tuple[float, str]]] = []
        self.read(ProcessUp(START, "edges"), ProcessUp(START, "outside"))
        for feed in FEEDS:
            self.read(SessionUp(START, feed))
        for feed, link in (("edge-1", "chicago-primary"), ("edge-2", "chicago-secondary")):
            self.brings(START, feed, link)
        for feed in ("chicago-primary", "chicago-secondary"):
            self.shows(START, feed, V4.pool, V6.pool)
        for feed in FEEDS:
            self.read(*(EndOfRib(START, feed, family) for family in FAMILIES))
        self.level(START + 90, "edges", "outside")
        self._transitions.clear()
        self.changes.clear()

    def read(self, *events: Event) -> None:
        for event in events:
            self.monitor.apply(event)
            self._take()

    def brings(self, time: float, feed: str, link: str) -> None:
        for space in (V4, V6):
            self._announce(
                time, feed, (space.exchange, space.sharepoint), space.msee[link], "12076", "12076:5010"
            )

    def shows(self, time: float, feed: str, *prefixes: str) -> None:
        self._announce(time, feed, prefixes, None, "64500", "")

    def _announce(
        self, time: float, feed: str, prefixes: Iterable[str], via: str | None, path: str, communities: str
    ) -> None:
        said = attributes(via, path, communities)
        self.read(Update(time, feed, tuple(Route(parse_prefix(prefix), None, said) for prefix in prefixes)))

    def withdraws(self, time: float, feed: str, *prefixes: str) -> None:
        self.read(Update(time, feed, withdrawn=tuple((parse_prefix(prefix), None) for prefix in prefixes)))

    def loses(self, time: float, feed: str) -> None:
        self.withdraws(time, feed, self.space.exchange, self.space.sharepoint)

    def level(self, time: float, *processes: str) -> None:
        """These processes have reported everything until then, and ermon's own clock is there too."""
        for process in processes:
            self.monitor.delivered(process, time)
            self._take()
        self.pass_clock(time)

    def pass_clock(self, time: float) -> None:
        self._keep(self.monitor.advance(time))

    def _take(self) -> None:
        self._keep(self.monitor.advance(self.monitor.now))

    def _keep(self, outcome: Outcome) -> None:
        self._transitions += outcome.transitions
        self.changes += outcome.changes

    def status(self, check: str) -> str:
        """Return the status of a check for the first link, in the family."""
        labels = {"circuit": "chicago", "link": "primary", "family": self.space.family}
        [found] = [
            each.status
            for each in self.monitor.statuses()
            if each.subject.check == check and dict(each.subject.labels) == labels
        ]
        return str(found)

    def told(self, *checks: str) -> list[tuple[float, str, str]]:
        """Return what was raised and cleared of these checks in the family, with times."""
        return [
            (t.time, str(t.state), t.finding.check)
            for t in self._transitions
            if t.finding.check in checks
            and t.finding.labels.get("family", self.space.family) == self.space.family
        ]


@BOTH_FAMILIES
def test_an_outage_that_is_read_late_has_the_time_at_which_it_happened(space: Space) -> None:
    """The smallest input of an earlier fault: the time of the process that was read first overtook the other's
    lines.
    """
    net = Told(space)
    net.read(*(Alive(1100.0 + seconds, "outside") for seconds in range(51)))
    net.loses(1100.0, "edge-1")
    net.brings(1130.0, "edge-1", "chicago-primary")
    net.level(1200.0, "edges", "outside")
    assert net.told("link-down") == [(1110.0, "raised", "link-down"), (1160.0, "cleared", "link-down")]


@BOTH_FAMILIES
def test_a_full_table_that_streams_in_delays_only_its_own_subjects(space: Space) -> None:
    net = Told(space)
    net.read(Alive(1095.0, "outside"))  # from here on, it is behind
    net.loses(1100.0, "edge-1")
    net.pass_clock(1110.0)
    assert net.monitor.awaited() == {"edges"}
    net.level(1110.0, "edges")
    assert net.told("link-down") == [(1110.0, "raised", "link-down")]
    assert net.monitor.awaited() == set()


@BOTH_FAMILIES
def test_a_timer_waits_for_the_process_that_could_still_end_the_violation(space: Space) -> None:
    net = Told(space)
    net.loses(1100.0, "edge-1")
    net.pass_clock(1190.0)
    assert (net.told("link-down"), net.monitor.awaited()) == ([], {"edges"})
    net.brings(1105.0, "edge-1", "chicago-primary")
    net.level(1190.0, "edges")
    assert net.told("link-down") == []


@BOTH_FAMILIES
def test_no_timer_waits_for_a_dead_process(space: Space) -> None:
    net = Told(space)
    net.pass_clock(1150.0)
    net.read(ProcessDown(1150.0, "edges", "no answer for 10 seconds"))
    net.pass_clock(1155.0)
    assert net.told("exabgp-down") == [(1155.0, "raised", "exabgp-down")]
    assert "edges" not in net.monitor.awaited()
    net.read(ProcessUp(1160.0, "edges"))
    net.pass_clock(1300.0)
    assert "edges" in net.monitor.awaited(), "it may be behind again"


@BOTH_FAMILIES
def test_lines_of_a_dead_process_count_until_its_end(space: Space) -> None:
    """Its lines are read before its end is known: timers that ran out by then fire, each at its time."""
    net = Told(space)
    net.loses(1100.0, "edge-1")
    net.read(ProcessDown(1150.0, "edges", "killed by SIGKILL"))
    assert net.told("link-down") == [(1110.0, "raised", "link-down")]


@BOTH_FAMILIES
def test_a_listening_problem_belongs_to_the_process_of_the_address(space: Space) -> None:
    net = Told(space)
    net.read(ProcessDown(1100.0, "outside", "killed by SIGKILL"), ProcessUp(1100.0, "outside"))
    net.pass_clock(1200.0)
    net.read(ListeningJudged(1150.0, net.config.feeds["outside"].local, "another program listens there"))
    net.level(1200.0, "edges", "outside")
    assert net.told("feed-down") == [(1180.0, "raised", "feed-down")]


@BOTH_FAMILIES
def test_ermon_s_own_timers_follow_its_own_clock(space: Space) -> None:
    net = Told(space, "checks: {storage-failed: {raise_after: 20s}}")
    net.read(StorageJudged(1100.0, "the disk is full"))
    net.pass_clock(1130.0)
    assert net.told("storage-failed") == [(1120.0, "raised", "storage-failed")]


# Subjects of two processes -------------------------------------------------------------------------


@pytest.fixture(params=[V4, V6], ids=["ipv4", "ipv6"])
def net(request: pytest.FixtureRequest) -> Told:
    """No link advertises the pool, as ``edges`` shows; ``outside`` shows when it is reached over the internet."""
    net = Told(request.param)
    for mirror in ("chicago-primary", "chicago-secondary"):
        net.withdraws(1091.0, mirror, net.space.pool)
    net.level(1095.0, "edges", "outside")
    return net


def test_subjects_of_one_process_wait_for_no_other(net: Told) -> None:
    net.shows(1100.0, "outside", net.space.pool_part)
    assert net.told("pool-leak") == [(1100.0, "raised", "pool-leak")]


def test_subjects_of_two_processes_are_raised_when_both_have_reported(net: Told) -> None:
    net.shows(1100.0, "outside", net.space.own)
    net.level(1110.0, "outside")
    assert (net.told("pool-fallback"), net.monitor.awaited()) == ([], {"edges"})
    net.level(1110.0, "edges")
    assert net.told("pool-fallback") == [(1110.0, "raised", "pool-fallback")]


def test_a_violation_that_came_and_went_on_the_faster_process_is_raised_with_its_evidence(net: Told) -> None:
    net.shows(1100.0, "outside", net.space.own)
    net.withdraws(1120.0, "outside", net.space.own)
    net.read(Alive(1170.0, "outside"))
    assert net.told("pool-fallback") == []
    net.read(Alive(1110.0, "edge-1"))
    assert net.told("pool-fallback") == [(1110.0, "raised", "pool-fallback")]
    (finding,) = (f for f in net.monitor.findings() if f.check == "pool-fallback")
    assert finding.evidence["prefixes"] == [net.space.own]
    net.level(1170.0, "edges")
    assert net.told("pool-fallback")[1:] == [(1150.0, "cleared", "pool-fallback")]


def test_a_violation_that_the_slower_process_ended_in_time_is_not_raised(net: Told) -> None:
    net.shows(1100.0, "outside", net.space.own)
    net.read(Alive(1170.0, "outside"))
    net.shows(1105.0, "chicago-primary", net.space.pool)
    net.level(1170.0, "edges")
    assert net.told("pool-fallback") == []


def test_lines_of_the_slower_process_replace_verdicts_of_later_times(net: Told) -> None:
    """The faster process's view had no aggregate from 1120 on, but from 1105 on none was needed."""
    net.shows(1100.0, "outside", net.space.own)
    net.withdraws(1120.0, "outside", net.space.own)
    net.shows(1125.0, "outside", net.space.own)
    net.read(Alive(1170.0, "outside"))
    net.shows(1105.0, "chicago-primary", net.space.pool)
    net.level(1170.0, "edges")
    assert net.told("pool-fallback") == []


@BOTH_FAMILIES
def test_lines_that_are_read_late_are_judged_without_a_grace_that_is_over(space: Space) -> None:
    net = Told(space, f"{QUICK}nat_pools: {{chi: {{internet: failover}}}}\npolicy: {{failover_grace: 20s}}")
    for edge in ("edge-1", "edge-2"):
        net.loses(1100.0, edge)
    net.brings(1110.0, "edge-1", "chicago-primary")  # until 1130, the pool may still be on the internet
    net.level(1200.0, "edges")
    net.shows(1115.0, "outside", net.space.pool_part)
    net.level(1200.0, "outside")
    assert net.told("pool-leak") == [(1190.0, "raised", "pool-leak")]


def test_a_process_that_dies_while_others_wait_for_it_holds_them_up_no_longer(net: Told) -> None:
    net.shows(1100.0, "outside", net.space.own)
    net.level(1130.0, "outside")
    assert net.told("pool-fallback") == []
    net.read(ProcessDown(1140.0, "edges", "no answer for 10 seconds"))
    assert net.told("pool-fallback") == [(1110.0, "raised", "pool-fallback")]


def test_waiting_answers_survive_a_reload_and_a_recording(net: Told) -> None:
    net.shows(1100.0, "outside", net.space.own)
    net.withdraws(1120.0, "outside", net.space.own)
    net.read(Alive(1150.0, "outside"))
    encoded = msgspec.json.encode(take(net.monitor))
    held = {name: tuple(state.rib.routes()) for name, state in net.monitor.network.feeds.items()}
    other = resume(net.config, msgspec.json.decode(encoded, type=Snapshot), held)
    net.monitor.reconfigure(company(QUICK + "  churn-high: {enabled: false}\n").config, 1155.0)
    for monitor in (net.monitor, other):
        monitor.delivered("edges", 1130.0)
        told = [
            (t.time, t.finding.check, t.finding.labels["family"])
            for t in monitor.advance(1155.0).transitions
            if "pool" in t.finding.labels
        ]
        assert (1110.0, "pool-fallback", net.space.family) in told


# Dates ---------------------------------------------------------------------------------------------


@BOTH_FAMILIES
def test_a_window_covers_violations_that_are_read_late_from_its_beginning_on(space: Space) -> None:
    window = "{circuit: chicago, link: primary, from: '1970-01-01T00:18:25Z', to: '1970-01-01T00:20:00Z', reason: works}"
    net = Told(space, f"{QUICK}maintenance: [{window}]")
    net.pass_clock(1150.0)  # it began at 1105, and edges is still behind
    net.loses(1100.0, "edge-1")
    net.level(1150.0, "edges")
    assert net.told("link-down") == [], "ten seconds after the loss it was covered"
    net.level(1250.0, "edges", "outside")
    assert net.told("link-down") == [(1210.0, "raised", "link-down")]


@BOTH_FAMILIES
def test_a_step_of_the_clock_moves_no_timer_of_a_process_that_is_behind(space: Space) -> None:
    net = Told(space)
    net.loses(1100.0, "edge-1")
    net.read(ClockStepped(1140.0, -3600.0))
    assert net.told("link-down") == []
    net.level(1150.0, "edges")
    assert net.told("link-down") == [(1110.0, "raised", "link-down")]


@BOTH_FAMILIES
def test_lines_that_are_read_late_are_judged_by_the_clock_of_their_time(space: Space) -> None:
    """The clock is set into a window, or out of one, while a process is behind."""
    window = (
        "{{circuit: chicago, link: primary, from: '1970-01-01T{}Z', to: '1970-01-01T{}Z', reason: works}}"
    )
    later = Told(space, f"{QUICK}maintenance: [{window.format('01:00:00', '03:00:00')}]")
    later.read(ClockStepped(1140.0, 3600.0))
    later.loses(1100.0, "edge-1")
    later.level(1150.0, "edges")
    assert later.told("link-down") == [(1110.0, "raised", "link-down")], "long before the window"
    assert later.status("link-down") == "suppressed", "and now it is in force"

    now = Told(space, f"{QUICK}maintenance: [{window.format('00:18:15', '01:00:00')}]")
    now.read(ClockStepped(1140.0, -1000.0))
    now.loses(1100.0, "edge-1")
    now.level(1130.0, "edges")
    assert now.told("link-down") == [], "it was lost in the window"
    now.level(1170.0, "edges")
    assert now.told("link-down") == [(1150.0, "raised", "link-down")], "which was over at 1140"


@BOTH_FAMILIES
@pytest.mark.parametrize("step", [ClockStepped(1140.0, -3600.0), ClockStepped(1140.0, 28_800.0, 28_800.0)])
def test_lines_that_are_read_late_have_the_dates_that_they_have_when_read_at_once(
    space: Space, step: ClockStepped
) -> None:
    at_once, late = Told(space), Told(space)
    for net in (at_once, late):
        timeline = Timeline()
        timeline.follow(net.monitor, [])
        if net is late:
            net.read(step)
        net.loses(1100.0, "edge-1")
        net.level(1110.0, "edges")
        if net is at_once:
            net.read(step)
        net.brings(1145.0, "edge-1", "chicago-primary")
        net.level(1150.0, "edges", "outside")
        timeline.follow(net.monitor, net.changes)
        net.states = [
            list(link.states)
            for link in timeline.show(-86_400, net.monitor.network.wall(1200.0)).links()
            if (link.circuit, link.link, link.family) == ("chicago", "primary", space.family)
        ]
    assert late.states == at_once.states
    lost = 1100.0 + (step.offset - step.suspended)
    assert (lost, "down") in late.states[0]
    assert late.states[0][-1] == (1145.0 + step.offset, "up")


# Horizons themselves -------------------------------------------------------------------------------


def test_the_slowest_of_those_that_are_alive_decides() -> None:
    horizons = Horizons(100.0)
    both, edges = frozenset({"edges", "outside"}), frozenset({"edges"})
    horizons.together = False
    horizons.await_all(both)
    assert horizons.deliver("outside", 150.0) == 150.0
    assert [horizons.until(owner) for owner in (OWN, edges, both)] == [150.0, 100.0, 100.0]
    assert list(horizons.behind(both, 120.0)) == ["edges"]
    assert horizons.deliver("edges", 90.0) == 100.0, "a time that goes backwards is no time passing"
    horizons.declare_dead("edges")
    assert [horizons.until(owner) for owner in (OWN, edges, both)] == [150.0, 150.0, 150.0]
    assert horizons.deliver("edges", 160.0) == 160.0
    assert horizons.until(both) == 150.0


def test_in_one_stream_no_timer_waits_for_a_process() -> None:
    horizons = Horizons(100.0)
    horizons.await_all(["edges"])
    assert horizons.until(frozenset({"edges"})) == float("inf")
    assert list(horizons.behind(frozenset({"edges"}), 200.0)) == []
