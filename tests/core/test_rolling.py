"""Counting over a rolling window, and medians over remembered time."""

import pytest

from ermon.core.rolling import LEVELS_KEPT, Baseline, RollingCount

HOUR = 3600.0


# RollingCount ----------------------------------------------------------------------------------------


def counted(limit: int, *times: float) -> RollingCount:
    count = RollingCount(limit, 600.0)
    for time in times:
        count.add(time)
    return count


def test_as_many_as_the_limit_are_fine():
    assert not counted(3, 0.0, 1.0, 2.0).exceeded(2.0)
    assert counted(3, 0.0, 1.0, 2.0).ends_at() is None


def test_more_than_the_limit_are_too_many_until_the_first_of_them_is_past():
    count = counted(3, 0.0, 1.0, 2.0, 3.0)
    assert count.ends_at() == 600.0
    assert count.exceeded(599.999)
    assert not count.exceeded(600.0)


def test_the_window_rolls_with_each_of_them():
    assert counted(3, 0.0, 1.0, 2.0, 3.0, 4.0).ends_at() == 601.0


def test_what_is_spread_out_is_never_too_many():
    assert not counted(3, 0.0, 201.0, 402.0, 603.0).exceeded(603.0)


def test_a_limit_of_zero_is_exceeded_by_one():
    assert counted(0, 5.0).exceeded(5.0)
    assert not counted(0).exceeded(5.0)


def test_what_was_counted_under_another_limit_counts_on():
    strict = RollingCount(1, 60.0)
    strict.take_over(counted(3, 0.0, 1.0, 2.0))
    assert strict.ends_at() == 61.0


# Baseline --------------------------------------------------------------------------------------------


def learnt(*levels: tuple[int | None, float]) -> tuple[Baseline, float]:
    """Learn counts that last for so many seconds each; ``None``: nothing was right then."""
    baseline, now = Baseline(), 0.0
    for count, seconds in levels:
        if count is None:
            baseline.stop(now)
        else:
            baseline.learn(count, now)
        now += seconds
    return baseline, now


@pytest.mark.parametrize(
    ("levels", "usual"),
    [
        ([], None),
        ([(10, 0.0)], None),
        ([(10, 5.0)], 10),
        ([(10, 100.0), (20, 101.0)], 20),
        ([(10, 101.0), (20, 100.0)], 10),
        ([(10, 100.0), (20, 100.0)], 15),
        ([(30, 10.0), (10, 15.0), (20, 10.0)], 20),
        ([(10, HOUR), *[(99, 0.01)] * 50], 10),
        ([(10, 50.0), (None, 9000.0), (20, 49.0)], 10),
        ([(None, 9000.0)], None),
        ([(10, 50.0), (10, 50.0), (20, 99.0)], 10),
    ],
)
def test_the_median_is_weighted_by_the_time_in_which_it_was_right(
    levels: list[tuple[int | None, float]], usual: float | None
):
    baseline, now = learnt(*levels)
    assert baseline.median(now) == usual


def test_only_the_last_hour_of_that_time_is_remembered():
    baseline, now = learnt((10, 10 * HOUR), (20, 1799.0))
    assert baseline.median(now) == 10
    assert baseline.median(now + 2.0) == 20


def test_the_hour_is_one_of_right_counts_and_not_of_the_clock():
    baseline, now = learnt((10, HOUR), (None, 100 * HOUR), (20, 1799.0), (None, 100 * HOUR))
    assert baseline.median(now) == 10


def test_what_is_past_the_hour_is_forgotten_for_good():
    baseline, now = learnt(*((count, 60.0) for count in range(1000)))
    assert baseline.median(now) == 969.5
    assert len(baseline._levels) <= 61


def test_stopping_twice_changes_nothing():
    baseline, now = learnt((10, 100.0), (None, 50.0), (None, 50.0), (20, 99.0))
    assert baseline.median(now) == 10


def test_what_was_learnt_goes_on_at_another_time():
    baseline, now = learnt((100, 1800), (101, 900), (102, 300))
    levels = baseline.levels(now)
    assert levels == ((100, 1800), (101, 900), (102, 300))
    later = Baseline()
    later.restore(levels)
    assert later.median(10 * HOUR) == baseline.median(now) == 100
    later.learn(103, 10 * HOUR)
    assert later.median(10 * HOUR + 2400) == 103, "the hour is mostly new"


def test_of_a_restless_count_the_latest_levels_are_kept():
    baseline, now = learnt(*((count, 1) for count in range(LEVELS_KEPT + 500)))
    assert [count for count, _ in baseline.levels(now)] == list(range(500, LEVELS_KEPT + 500))


def test_nothing_is_kept_of_no_time():
    baseline, now = learnt((100, 0))
    assert baseline.levels(now) == ()
    assert baseline.levels(now - 5) == (), "a clock that goes back"
