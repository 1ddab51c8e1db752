"""A drain is judged against the usual paths, and lasts while the link is silent, because the work follows the
silence.
"""

from __future__ import annotations

from collections import Counter

import pytest

from ermon.core.drain import BEFORE_SECONDS, LOWER_SECONDS, DrainMemory, DrainRules, LinkDrain, PathMarks

MAX_DRAIN = 100.0
WEEK = 604_800.0
RULES = DrainRules(extra=3, percent=50.0, relearn_after=WEEK)


def paths(*runs: int, shut: int = 0) -> PathMarks:
    """Return paths with so many 12076 at their heads, and some with GRACEFUL_SHUTDOWN."""
    return PathMarks([Counter([*((run, False) for run in runs), *[(1, True)] * shut])])


def drain(*observed: tuple[float, PathMarks], usual: int | None = 1) -> LinkDrain:
    """Observe paths at these times, on a link with this usual number."""
    found = LinkDrain()
    found.restore(DrainMemory(usual=usual))
    for now, seen in observed:
        found.observe(seen, RULES, now)
    return found


PLAIN, DRAINED, NONE = paths(1, 1, 1, 1), paths(8, 8, 8, 8), paths()


@pytest.mark.parametrize(
    ("runs", "run"),
    [
        ((), None),
        ((1,), 1),
        ((0, 0), 0),
        ((1, 4), 1),
        ((1, 4, 4), 4),
        ((1, 2, 3, 4, 5), 3),
        ((1, 1, 1, 9), 1),
        ((1, 1, 5, 9), 1),
    ],
)
def test_the_run_of_a_table_is_what_more_than_half_of_its_paths_reach(runs: tuple[int, ...], run: int | None):
    assert paths(*runs).run == run


@pytest.mark.parametrize(
    ("seen", "drained"),
    [
        (paths(), False),
        (paths(1, 1, 4, 4), False),
        (paths(1, 4, 4), True),
        (paths(3, 3, 3), False),
        (paths(4), True),
        (paths(1, shut=1), False),
        (paths(1, shut=2), True),
        (paths(1, 1, 4, shut=2), True),
    ],
)
def test_more_than_the_percentage_of_paths_must_be_marked(seen: PathMarks, drained: bool):
    found = drain((0.0, seen))
    assert (found.marked, found.since) == ((True, 0.0) if drained else (False, None))


def test_two_feeds_of_a_router_show_the_same_paths():
    both = PathMarks([Counter({(1, False): 3, (8, False): 1}), Counter({(1, False): 3, (8, False): 1})])
    assert (both.count, both.most, both.marked(4), both.plain(4)) == (8, 4, 2, 3)


def test_a_drain_that_is_judged_before_any_table_was_seen_is_what_is_usual():
    found = drain((0.0, DRAINED), usual=None)
    assert (found.usual, found.since) == (8, None)


def test_silence_does_not_end_a_drain():
    silent = drain((0.0, PLAIN), (10.0, DRAINED), (60.0, NONE))
    assert silent.since == 10.0
    assert silent.shown(109.999, MAX_DRAIN)
    assert not silent.overdue(109.999, MAX_DRAIN)
    assert silent.overdue(110.0, MAX_DRAIN)
    assert not silent.shown(110.0, MAX_DRAIN)


@pytest.mark.parametrize(("seen", "over"), [(paths(1, 1), False), (paths(1, 1, 1), True), (paths(8), False)])
def test_plain_paths_end_it_when_they_are_more_than_half_of_those_before(seen: PathMarks, over: bool):
    assert (drain((0.0, PLAIN), (10.0, DRAINED), (60.0, NONE), (90.0, seen)).since is None) is over


def test_the_drain_lasts_while_most_paths_are_marked():
    many = paths(1, 1, 1, *[8] * 9)
    assert drain((0.0, PLAIN), (10.0, DRAINED), (20.0, many)).since == 10.0


def test_routes_lost_in_the_minute_before_count():
    few, after = paths(1, 1), paths(8, 8)
    late = drain((0.0, PLAIN), (10.0, few), (10.0 + BEFORE_SECONDS, after), (99.0, few))
    assert late.since is not None
    early = drain((0.0, PLAIN), (10.0, few), (10.1 + BEFORE_SECONDS, after), (99.0, few))
    assert early.since is None


def test_a_link_that_was_down_for_long_had_what_it_had_in_its_last_minute():
    assert drain((0.0, PLAIN), (10.0, NONE), (9000.0, paths(8)), (9001.0, paths(1, 1))).since is not None


def test_a_drain_keeps_its_start_when_its_paths_return():
    assert drain((0.0, PLAIN), (1.0, DRAINED), (10.0, NONE), (20.0, DRAINED)).overdue_at(MAX_DRAIN) == 101.0


def test_another_drain_has_another_start():
    again = drain((0.0, PLAIN), (1.0, DRAINED), (10.0, PLAIN), (20.0, DRAINED))
    assert again.overdue_at(MAX_DRAIN) == 120.0


def test_a_lower_number_is_learnt_and_a_higher_one_much_later():
    assert drain((0.0, paths(2)), usual=4).learns_at(RULES) == LOWER_SECONDS
    assert drain((0.0, paths(2)), (LOWER_SECONDS, paths(2)), usual=4).usual == 2
    assert drain((0.0, paths(2))).learns_at(RULES) == WEEK
    assert drain((0.0, paths(2)), (WEEK, paths(2))).usual == 2


def test_time_in_which_the_link_is_not_seen_does_not_count():
    assert drain((0.0, paths(2)), (100.0, NONE), (900.0, paths(2)), usual=4).learns_at(RULES) == 1400.0


def test_the_usual_number_in_between_starts_the_time_again():
    assert drain((0.0, paths(2)), (100.0, paths(4)), (200.0, paths(2)), usual=4).learns_at(RULES) == 800.0


def test_a_drain_continues_from_its_memory():
    before = drain((0.0, PLAIN), (10.0, DRAINED), (20.0, NONE))
    after = LinkDrain()
    after.restore(before.memory(30.0))
    after.observe(paths(1, 1), RULES, 40.0)
    assert after.since == 10.0
    after.observe(paths(1, 1, 1), RULES, 50.0)
    assert after.since is None


def test_the_routes_of_a_link_are_remembered_for_a_later_drain():
    before = drain((0.0, PLAIN), (100.0, paths(1, 1)))
    for memory in (before.memory(110.0), before.to_keep(110.0, lambda time: time + 0.0)):
        after = LinkDrain()
        after.restore(memory)
        for now, seen in ((110.0, paths(1, 1)), (120.0, paths(8, 8)), (130.0, paths(1, 1))):
            after.observe(seen, RULES, now)
        assert after.since == 120.0


def test_stored_drains_have_times_of_the_wall_clock():
    kept = drain((0.0, PLAIN), (10.0, DRAINED)).to_keep(20.0, lambda time: time + 1000.0)
    assert (kept.since, kept.before, kept.usual) == (1010.0, 4, 1)


def test_the_time_of_an_unusual_level_is_remembered_too():
    after = LinkDrain()
    after.restore(drain((0.0, paths(2)), usual=4).memory(500.0))
    after.observe(paths(2), RULES, 1000.0)
    assert after.learns_at(RULES) == 1100.0
