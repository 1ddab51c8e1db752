"""Medians of amounts over remembered time, and levels that become usual."""

from __future__ import annotations

import pytest

from ermon.checks.facts import Amount
from ermon.core.levels import DAY_SECONDS, HOUR_SECONDS, LEVELS_KEPT, History, Level, LevelMemory, same_level

HOUR = HOUR_SECONDS


def amount(routes: float) -> Amount:
    return Amount(routes, routes * 256)


def learnt(*levels: tuple[int | None, float]) -> tuple[History, float]:
    """Learn amounts that last for so many seconds each; ``None`` if nothing was right then."""
    history, now = History(DAY_SECONDS), 0.0
    for routes, seconds in levels:
        if routes is None:
            history.stop(now)
        else:
            history.learn(amount(routes), now)
        now += seconds
    return history, now


@pytest.mark.parametrize(
    ("levels", "usual"),
    [
        ([(10, 5.0)], 10),
        ([(10, 100.0), (20, 101.0)], 20),
        ([(10, 101.0), (20, 100.0)], 10),
        ([(10, 100.0), (20, 100.0)], 15),
        ([(30, 10.0), (10, 15.0), (20, 10.0)], 20),
        ([(10, HOUR), *[(99, 0.01)] * 50], 10),
        ([(10, 50.0), (None, 9000.0), (20, 49.0)], 10),
        ([(10, 50.0), (10, 50.0), (20, 99.0)], 10),
    ],
)
def test_the_median_is_weighted_by_the_time_in_which_it_was_right(
    levels: list[tuple[int | None, float]], usual: float
):
    history, now = learnt(*levels)
    assert history.median(now, HOUR) == amount(usual)


@pytest.mark.parametrize("levels", [[], [(10, 0.0)], [(None, 9000.0)]])
def test_without_counted_time_there_is_no_median(levels: list[tuple[int | None, float]]):
    history, now = learnt(*levels)
    assert history.median(now, HOUR) is None
    assert history.spans(now) == ()


def test_routes_and_addresses_have_medians_of_their_own():
    history = History()
    for number, each in enumerate((Amount(10, 1000.0), Amount(20, 100.0), Amount(30, 500.0))):
        history.learn(each, number * 100.0)
    assert history.median(300.0, HOUR) == Amount(20, 500.0)


def test_the_hour_is_one_of_right_amounts_and_not_of_the_clock():
    history, now = learnt((10, HOUR), (None, 100 * HOUR), (20, 1799.0), (None, 100 * HOUR))
    assert history.median(now, HOUR) == amount(10)
    history, now = learnt((10, 10 * HOUR), (20, 1801.0))
    assert history.median(now, HOUR) == amount(20)


def test_time_older_than_a_day_is_forgotten_permanently():
    history, now = learnt(*((routes, HOUR) for routes in range(100)))
    history.stop(now)
    assert history.median(now, DAY_SECONDS) == amount(87.5)
    assert [span[0] for span in history.spans(now)] == list(range(76, 100))


def test_of_a_restless_amount_the_oldest_levels_are_joined():
    history, now = learnt(*((routes, 1) for routes in range(LEVELS_KEPT + 500)))
    history.stop(now)
    spans = history.spans(now)
    assert len(spans) == LEVELS_KEPT
    assert sum(span[2] for span in spans) == LEVELS_KEPT + 500


def test_nothing_is_learned_while_the_clock_goes_back():
    history, now = learnt((100, 0))
    assert history.spans(now - 5) == ()


def test_the_usual_level_is_the_higher_of_the_hours_and_the_days():
    level = Level()
    level.right(amount(40), 0.0)
    level.right(amount(30), 10 * HOUR)
    assert level.usual(11 * HOUR) == amount(40), "the day's"
    level.right(amount(60), 12 * HOUR)
    assert level.usual(13 * HOUR) == amount(60), "the hour's"


def low_for(level: Level, routes: int, since: float, until: float) -> float:
    """Let a level be too low; return how much of that time has counted."""
    level.too_low(amount(routes), 30.0, since)
    level.go_on(amount(routes), since)
    level.too_low(amount(routes), 30.0, until)
    return level.lasted(until)


def test_time_counts_for_a_level_within_its_band_and_starts_again_for_another():
    level = Level()
    assert low_for(level, 20, 0.0, 100.0) == 100.0
    assert low_for(level, 15, 100.0, 200.0) == 200.0, "25 % below the median"
    assert low_for(level, 8, 200.0, 250.0) == 50.0, "another level"


def test_time_that_does_not_count_is_left_out():
    level = Level()
    low_for(level, 20, 0.0, 100.0)
    level.stop(100.0)
    assert low_for(level, 20, 900.0, 950.0) == 150.0


def test_the_time_of_a_low_level_starts_again_after_a_right_amount():
    level = Level()
    low_for(level, 20, 0.0, 100.0)
    level.right(amount(40), 100.0)
    assert low_for(level, 20, 200.0, 250.0) == 50.0


def test_a_level_becomes_usual_after_a_time_or_when_a_user_accepts_it():
    level = Level()
    level.right(amount(40), 0.0)
    low_for(level, 12, HOUR, 100 * HOUR)
    assert level.becomes_usual(100 * HOUR) == "40 to 12"
    assert level.usual(100 * HOUR) == amount(12)
    assert level.accept(amount(5), 101 * HOUR) == "12 to 5"
    assert level.usual(101 * HOUR) == amount(5)
    assert Level().accept(amount(5), 0.0) == "nothing to 5"


def test_a_learned_level_continues_at_another_time():
    level = Level()
    level.right(amount(40), 0.0)
    low_for(level, 12, HOUR, 3 * HOUR)
    memory = level.memory(3 * HOUR)
    later = Level()
    later.restore(memory)
    assert later.memory(1000.0) == memory
    assert later.usual(1000.0) == amount(40)
    assert low_for(later, 12, 1000.0, 1000.0 + HOUR) == 3 * HOUR
    assert Level().memory(0.0) == LevelMemory()


def test_a_copy_is_independent():
    level = Level()
    level.right(amount(40), 0.0)
    copy = level.copy()
    copy.accept(amount(1), 10.0)
    assert level.usual(10.0) == amount(40)


@pytest.mark.parametrize(
    ("routes", "addresses", "same"),
    [(10, 1000, True), (7, 1000, True), (6, 1000, True), (10, 100, True), (6, 650, False), (14, 1400, False)],
)
def test_a_level_is_the_same_while_routes_or_addresses_stay(routes: int, addresses: int, same: bool):
    assert same_level(Amount(routes, addresses), Amount(10, 1000), 30.0) is same
