"""A drain latches: the link falls silent before the work on it begins."""

import pytest

from ermon.core.drain import DrainLatch

MAX_DRAIN = 100.0


def latch(*observed: tuple[float, int, int]) -> DrainLatch:
    """Observe, at these times, so many paths of which so many are marked."""
    found = DrainLatch()
    for now, paths, marked in observed:
        found.observe(paths=paths, marked=marked, percent=50.0, now=now)
    return found


@pytest.mark.parametrize(
    ("paths", "marked", "draining"), [(0, 0, False), (4, 2, False), (4, 3, True), (1, 1, True), (3, 0, False)]
)
def test_more_than_the_percentage_of_paths_must_be_marked(paths: int, marked: int, draining: bool):
    assert latch((0.0, paths, marked)).draining(0.0, MAX_DRAIN) is draining


def test_a_silent_link_was_never_drained():
    assert latch((0.0, 0, 0)).ends_at(MAX_DRAIN) is None


def test_silence_does_not_end_a_drain_before_its_time():
    silent = latch((0.0, 1, 1), (60.0, 0, 0))
    assert silent.draining(99.999, MAX_DRAIN)
    assert not silent.draining(100.0, MAX_DRAIN)
    assert silent.ends_at(MAX_DRAIN) == 100.0


def test_undrained_paths_end_it_at_once():
    assert not latch((0.0, 1, 1), (10.0, 0, 0), (20.0, 1, 0)).draining(20.0, MAX_DRAIN)


def test_marked_paths_are_a_drain_for_as_long_as_they_are_there():
    assert latch((0.0, 1, 1)).draining(1000.0, MAX_DRAIN)
    assert not latch((0.0, 1, 1), (1000.0, 0, 0)).draining(1000.0, MAX_DRAIN)


def test_a_drain_goes_on_from_its_start_when_its_paths_return():
    assert latch((0.0, 1, 1), (10.0, 0, 0), (20.0, 1, 1)).ends_at(MAX_DRAIN) == 100.0


def test_another_drain_has_another_start():
    assert latch((0.0, 1, 1), (10.0, 1, 0), (20.0, 1, 1)).ends_at(MAX_DRAIN) == 120.0
