"""Counting over a rolling window, and medians over remembered time."""

from ermon.core.rolling import RollingCount

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


def test_spread_out_events_are_never_too_many():
    assert not counted(3, 0.0, 201.0, 402.0, 603.0).exceeded(603.0)


def test_a_limit_of_zero_is_exceeded_by_one():
    assert counted(0, 5.0).exceeded(5.0)
    assert not counted(0).exceeded(5.0)


def test_counts_continue_under_another_limit():
    strict = RollingCount(1, 60.0)
    strict.take_over(counted(3, 0.0, 1.0, 2.0))
    assert strict.ends_at() == 61.0


def test_it_counts_beyond_the_limit():
    count = counted(3, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
    assert count.count(5.0) == 6
    assert count.count(600.0) == 5
    assert count.ends_at() == 602.0
