"""The wall clock at a time of events, and the date of a time of events, after the clock was set or the machine was
suspended.
"""

from __future__ import annotations

import pytest

from ermon.core.wall_clock import MAX_STEPS, WallClock, step_text

HOUR = 3600.0


def test_a_clock_that_never_stepped_shows_the_times_of_events() -> None:
    clock = WallClock()
    assert (clock.at(100.0), clock.date(100.0, 200.0), list(clock.moments(150.0, 100.0))) == (
        100.0,
        100.0,
        [150.0],
    )


def test_each_time_has_the_clock_that_was_valid_then() -> None:
    clock = WallClock()
    clock.step(1_000.0, -HOUR, 0)
    clock.step(2_000.0, HOUR, 0)
    assert [clock.at(time) for time in (999.0, 1_000.0, 1_999.0, 2_000.0)] == [
        999.0,
        1_000.0 - HOUR,
        1_999.0 - HOUR,
        2_000.0 + HOUR,
    ]


def test_times_before_a_step_of_the_clock_move_with_it_so_that_durations_stay() -> None:
    clock = WallClock()
    clock.step(1_000.0, -HOUR, 0)
    assert clock.date(900.0, now=999.0) == 900.0
    assert clock.date(1_100.0, now=1_100.0) - clock.date(900.0, now=1_100.0) == 200.0
    clock.step(2_000.0, 0, 0)
    assert clock.date(900.0, now=2_000.0) == 900.0, "set wrong, and set right again"


def test_times_before_a_suspension_keep_their_date() -> None:
    clock = WallClock()
    clock.step(1_000.0, 8 * HOUR, 8 * HOUR)
    assert clock.date(900.0, now=1_100.0) == 900.0
    assert clock.date(1_000.0, now=1_100.0) == 1_000.0 + 8 * HOUR
    clock.step(2_000.0, 7 * HOUR, 0)
    assert (clock.date(900.0, now=2_000.0), clock.date(1_500.0, now=2_000.0)) == (
        900.0 - HOUR,
        1_500.0 + 7 * HOUR,
    )


def test_a_date_comes_once_more_when_the_clock_is_set_back_and_never_when_it_is_set_over_it() -> None:
    clock = WallClock()
    clock.step(1_000.0, -500.0, 0)
    assert list(clock.moments(900.0, after=0.0)) == [900.0, 1_400.0]
    assert list(clock.moments(900.0, after=900.0)) == [1_400.0]
    clock.step(2_000.0, 500.0, 0)
    assert list(clock.moments(2_000.0, after=0.0)) == []


def test_steps_outlive_a_recording_and_old_ones_are_forgotten() -> None:
    clock = WallClock()
    for number in range(MAX_STEPS + 5):
        clock.step(1_000.0 + number, float(number), 0)
    assert len(clock.steps) == MAX_STEPS
    assert clock.offset == MAX_STEPS + 4
    again = WallClock(clock.offset, clock.steps)
    assert [again.at(time) for time in (0.0, 1_050.0, 5_000.0)] == [
        clock.at(time) for time in (0.0, 1_050.0, 5_000.0)
    ]
    assert clock.at(1_050.0) == 1_050.0 + 50


@pytest.mark.parametrize(
    ("set_by", "suspended", "text"),
    [
        (-HOUR, 0, "clock set back by 1 h 0 min"),
        (HOUR, 0, "clock set forward by 1 h 0 min"),
        (3599.9996, 0, "clock set forward by 1 h 0 min"),
        (-75, 0, "clock set back by 1 min 15 s"),
        (2, 0, "clock set forward by 2 s"),
        (3 * 86_400 + 100, 0, "clock set forward by 3 d 0 h"),
        (0.2, 8 * HOUR, "machine suspended for 8 h 0 min"),
        (-HOUR, 8 * HOUR, "machine suspended for 8 h 0 min, clock set back by 1 h 0 min"),
    ],
)
def test_a_step_is_described_in_words(set_by: float, suspended: float, text: str) -> None:
    assert step_text(set_by, suspended) == text
