"""What is on its way from ExaBGP to ermon: it is bounded, sessions share it, and it never gets stuck."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermon.exabgp.window import (
    MOST_OCTETS,
    STANDS_STILL_SECONDS,
    WINDOW_DECODED_OCTETS,
    WINDOW_OCTETS,
    UnderWay,
    Window,
)

NOW = 1_000.0


def fill(session: UnderWay, now: float = NOW, size: int = 100) -> list[int]:
    """Write until the session is full; return the octets at which it wants an answer."""
    asked = []
    while not session.is_full(now):
        if session.write(size, now):
            asked.append(session.written)
    return asked


@pytest.mark.parametrize("octets", [WINDOW_OCTETS, WINDOW_DECODED_OCTETS])
def test_one_session_has_the_whole_window_and_continues_with_the_first_answer(octets):
    session = Window(octets).open()
    first, *_ = fill(session)
    assert octets <= session.unanswered < octets + 100
    session.take(first, NOW)
    assert not session.is_full(NOW)


def test_sessions_that_send_much_share_the_window_and_one_that_sends_little_never_waits():
    window = Window(WINDOW_OCTETS)
    one, other, little = window.open(), window.open(), window.open()
    fill(one)
    fill(other)
    assert other.unanswered < WINDOW_OCTETS // 2 + 100
    little.write(100, NOW)
    assert one.is_full(NOW)
    assert other.is_full(NOW)
    assert not little.is_full(NOW)
    one.take(one.written - WINDOW_OCTETS // 2 + 200, NOW)
    assert not one.is_full(NOW)


def test_a_session_that_is_over_takes_no_share():
    window = Window(WINDOW_OCTETS)
    one, over = window.open(), window.open()
    fill(over)
    assert window.share() == WINDOW_OCTETS
    fill(one)
    assert window.share() == WINDOW_OCTETS // 2
    del over
    assert window.share() == WINDOW_OCTETS


def test_while_ermon_is_stopped_exabgp_reads_up_to_a_limit():
    session = Window(WINDOW_DECODED_OCTETS).open()
    fill(session)
    later = NOW + STANDS_STILL_SECONDS
    assert session.is_full(later - 0.01)
    assert not session.is_full(later)
    fill(session, later)
    assert MOST_OCTETS <= session.unanswered < MOST_OCTETS + 100
    session.take(session.written - WINDOW_DECODED_OCTETS, later)  # it goes on, and is behind
    assert session.is_full(later)
    session.take(session.written, later)
    assert not session.is_full(later)


@pytest.mark.parametrize("before", [0, 100])
def test_an_ermon_that_had_nothing_to_answer_for_long_does_not_stand_still(before):
    session = Window(WINDOW_DECODED_OCTETS).open()
    session.write(WINDOW_DECODED_OCTETS, NOW)
    session.take(session.written, NOW)
    session.write(before, NOW)  # too little to want an answer
    fill(session, NOW + 3_600)
    assert session.unanswered < WINDOW_DECODED_OCTETS + 100


def test_an_answer_about_more_than_was_written_counts_for_what_was():
    session = Window(WINDOW_OCTETS).open()
    session.write(100, NOW)
    session.take(10**9, NOW)
    session.take(5, NOW)
    assert session.unanswered == 0


@given(
    st.sampled_from([WINDOW_OCTETS, WINDOW_DECODED_OCTETS]),
    st.lists(st.lists(st.integers(23, 65_535), max_size=60), min_size=1, max_size=12),
    st.randoms(use_true_random=False),
)
def test_everything_is_written_without_any_time_passing_and_little_is_under_way(octets, messages, random):
    window = Window(octets)
    sessions = [(window.open(), deque(sizes)) for sizes in messages]
    asked: deque[tuple[UnderWay, int]] = deque()
    while any(sizes for _, sizes in sessions):
        ready = [(session, sizes) for session, sizes in sessions if sizes and not session.is_full(NOW)]
        if ready and random.random() < 0.8:
            session, sizes = random.choice(ready)
            if session.write(sizes.popleft(), NOW):
                asked.append((session, session.written))
        elif asked:  # ermon answers in the order of its lines
            session, written = asked.popleft()
            session.take(written, NOW)
        else:
            assert ready, "nothing is written, and no answer will come"
        shares = octets + 2 * window.step * len(sessions)
        assert sum(session.unanswered for session, _ in sessions) <= shares + 65_535 * len(sessions)
