from __future__ import annotations

import math

from ermon.aio.backoff import JITTER, Backoff


def test_waits_double_and_never_exceed_the_longest():
    backoff = Backoff(1.0, 60.0)
    for longest in (1, 2, 4, 8, 16, 32, 60, 60):
        assert longest * (1 - JITTER) <= backoff.wait() <= longest


def test_a_year_of_failures_is_no_number_too_large():
    backoff = Backoff(1.0, 300.0)
    assert all(backoff.wait() <= 300 for _ in range(100_000))
    without_limit = Backoff(60.0, math.inf)
    assert all(math.isfinite(without_limit.wait()) for _ in range(2_000))


def test_after_a_success_it_starts_again():
    backoff = Backoff(1.0, 60.0)
    for _ in range(5):
        backoff.wait()
    backoff.reset()
    assert backoff.wait() <= 1


def test_two_that_fail_together_do_not_come_back_together():
    first, second = Backoff(1.0, 60.0), Backoff(1.0, 60.0)
    assert [first.wait() for _ in range(9)] != [second.wait() for _ in range(9)]
