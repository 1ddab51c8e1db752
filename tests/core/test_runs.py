"""When ermon ran and when it did not, over restarts, crashes and steps of the clock."""

from __future__ import annotations

import pytest

from ermon.core.runs import MAX_RUNS, KeptRun, RunLog

START = 1_795_000_000.0
DAY = 86_400.0


def log(*kept: KeptRun, began: float) -> RunLog:
    """Return the run log of an ermon that is started at ``began``."""
    runs = RunLog(kept)
    runs.begin(began, began - 90 * DAY)
    return runs


def away(runs: RunLog, start: float, end: float) -> list[tuple[float, float, str]]:
    """Return when ermon was not running, in seconds from the start."""
    found = runs.away(start, end, runs.first() or start)
    return [(each.start - START, each.end - START, each.why) for each in found]


def test_the_time_between_two_runs_is_not_running_and_says_how_the_first_ended():
    stopped = KeptRun(START, START + 100, stopped=True)
    killed = KeptRun(START + 160, START + 220)
    runs = log(stopped, killed, began=START + 300)
    assert away(runs, START, START + 900) == [(100, 160, "stopped"), (220, 300, "died")]
    assert away(runs, START + 120, START + 130) == [(100, 160, "stopped")], "as a whole"
    assert away(runs, START + 160, START + 220) == []
    assert away(runs, START + 301, START + 900) == []


def test_a_run_that_lasts_is_not_away_since_its_last_sign_of_life():
    runs = log(began=START)
    runs.is_alive(START + 60)
    assert away(runs, START, START + 119) == []


def test_nothing_is_stored_from_before_the_first_run():
    runs = log(began=START)
    assert away(runs, START - DAY, START + 60) == [(-DAY, 0, "not-held")]
    assert away(runs, START - 2 * DAY, START - DAY) == [(-2 * DAY, 0, "not-held")]


def test_the_next_run_knows_that_a_run_was_stopped():
    runs = log(began=START)
    runs.is_alive(START + 60, stopped=True)
    later = log(*runs.runs(), began=START + 90)
    assert away(later, START, START + 120) == [(60, 90, "stopped")]


def test_runs_that_ended_before_the_retention_are_forgotten():
    runs = RunLog([KeptRun(START, START + 100), KeptRun(START + 200, START + 300)])
    runs.begin(START + 400, START + 250)
    assert runs.first() == START + 200


def test_a_clock_set_back_is_a_step_and_no_absence():
    runs = log(began=START)
    runs.is_alive(START + 7200)
    runs.clock_stepped(START + 7230, START + 3630)
    runs.is_alive(START + 3690)
    assert away(runs, START, START + 3700) == []
    [step] = runs.clock_steps(START, START + 3700)
    assert (step.time, step.seconds) == (START + 3630, -3600)
    # Times that the clock had only reached while it was ahead do not count as a sign of life.
    later = log(*runs.runs(), began=START + 5000)
    assert away(later, START, START + 5100) == [(3690, 5000, "died")]


def test_a_clock_set_forward_is_a_step_and_no_absence():
    runs = log(began=START)
    runs.clock_stepped(START + 60, START + 3660)
    runs.is_alive(START + 3700)
    assert away(runs, START, START + 3700) == []
    [step] = runs.clock_steps(START, START + 3700)
    assert (step.time, step.seconds) == (START + 3660, 3600)
    assert runs.clock_steps(START, START + 3659) == ()


def test_a_clock_that_is_set_wrong_and_right_again_has_stepped_twice():
    """The first step was an hour later by the clock of that time, and that time has not come yet."""
    runs = log(began=START)
    runs.clock_stepped(START + 60, START + 3660)
    runs.clock_stepped(START + 3670, START + 70)
    steps = runs.clock_steps(START, START + 80)
    assert [(step.time - START, step.seconds) for step in steps] == [(60, 3600), (70, -3600)]


@pytest.mark.parametrize("hours", [8, 60])
def test_a_machine_that_was_suspended_was_not_there(hours: int):
    """This also holds for a weekend, which is longer than a clock that was right may be set by."""
    runs = log(began=START)
    runs.is_alive(START + 60)
    runs.clock_stepped(START + 90, START + 90 + hours * 3600, hours * 3600)
    now = 150 + hours * 3600
    runs.is_alive(START + now)
    assert away(runs, START, START + now) == [(90, 90 + hours * 3600, "suspended")]
    [step] = runs.clock_steps(START, START + now)
    assert step.text == f"machine suspended for {'8 h 0 min' if hours == 8 else '2 d 12 h'}"


def test_a_clock_that_began_in_1970_leaves_no_run_of_fifty_years():
    runs = log(KeptRun(START, START + 100), began=12.0)
    runs.is_alive(30.0)
    runs.clock_stepped(42.0, START + 200)
    assert runs.first() == START
    assert away(runs, START, START + 300) == []
    assert [step.time for step in runs.clock_steps(0, START + 300)] == [START + 200]


def test_a_step_before_anything_began_is_nothing():
    runs = RunLog()
    runs.clock_stepped(START, START + 60)
    runs.is_alive(START + 90)
    assert runs.runs() == []


def test_of_too_many_runs_the_shortest_interruptions_are_forgotten():
    long_gap = KeptRun(START - 5000, START - 4000)
    runs = RunLog([long_gap])
    for number in range(2 * MAX_RUNS):
        runs.begin(START + 10 * number, START - DAY)
        runs.is_alive(START + 10 * number + 9)
    assert len(runs.runs()) == MAX_RUNS
    found = away(runs, START - 5000, START + 20 * MAX_RUNS)
    assert found[0] == (-4000, 0, "died"), "the longest is still known"


@pytest.mark.parametrize(("after", "until"), [(0, 100), (100, 100), (101, 101), (50, 80)])
def test_a_state_lasts_until_the_last_sign_of_life_of_its_run(after: float, until: float):
    runs = RunLog([KeptRun(START, START + 100)])
    longest = 30.0 if after == 50 else 300.0
    assert runs.alive_after(START + after, longest) == START + until
