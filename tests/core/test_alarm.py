"""How a violation becomes a finding, and how a finding is cleared. ``raise_after`` is 10 s, ``clear_after`` 30 s."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermon.checks.subject import OK as JUDGED_OK
from ermon.checks.subject import Subject
from ermon.core.alarm import Alarm, Phase
from ermon.model.findings import Status
from ermon.model.settings import Severity
from tests.oracle import transitions_of

OK, VIOLATED, UNKNOWN, SUPPRESSED = Status.OK, Status.VIOLATED, Status.UNKNOWN, Status.SUPPRESSED
SUBJECT = Subject("link-down", (), frozenset(), lambda _: JUDGED_OK)


def case(raise_after: float = 10.0, clear_after: float = 30.0) -> Alarm:
    return Alarm(SUBJECT, Severity.WARNING, raise_after, clear_after)


def live(one: Alarm, *steps: tuple[float, Status], until: float) -> list[tuple[float, str]]:
    """Take the alarm through its statuses, each from its time on, and fire its timer when it is due."""
    happened: list[tuple[float, str]] = []

    def pass_time(now: float) -> None:
        if one.state.due is not None and one.state.due <= now:
            due = one.state.due
            happened.append((due, str(one.fire(due))))

    for time, status in steps:
        pass_time(time)
        transition = one.move(status, time)
        if transition is not None:
            happened.append((time, str(transition)))
    pass_time(until)
    return happened


def test_a_violation_is_raised_when_it_has_lasted_for_raise_after() -> None:
    one = case()
    assert live(one, (5, VIOLATED), until=14.9) == []
    assert live(one, until=15) == [(15, "raised")]
    assert (one.state.since, one.state.raised_at, one.raised) == (5, 15, True)


def test_an_interruption_starts_it_again() -> None:
    assert live(case(), (0, VIOLATED), (9, OK), (9, VIOLATED), until=18.9) == []
    assert live(case(), (0, VIOLATED), (9, OK), (9, VIOLATED), until=19) == [(19, "raised")]


def test_a_finding_is_cleared_when_ok_has_lasted_for_clear_after() -> None:
    one = case()
    assert live(one, (0, VIOLATED), (20, OK), until=49.9) == [(10, "raised")]
    assert one.raised
    assert live(one, until=50) == [(50, "cleared")]
    assert (one.raised, one.state.ended) == (False, 20)


def test_a_violation_while_clearing_leaves_it_raised_as_it_was() -> None:
    one = case()
    assert live(one, (0, VIOLATED), (20, OK), (40, VIOLATED), (50, OK), until=79.9) == [(10, "raised")]
    assert (one.state.since, one.state.ended) == (0, 50)
    assert live(one, until=80) == [(80, "cleared")]


def test_without_raise_after_a_violation_of_one_message_is_raised() -> None:
    assert live(case(0, 30), (5, VIOLATED), (5, OK), until=35) == [(5, "raised"), (35, "cleared")]


def test_without_clear_after_it_is_cleared_at_once() -> None:
    assert live(case(0, 0), (5, VIOLATED), (6, OK), (7, VIOLATED), until=9) == [
        (5, "raised"),
        (6, "cleared"),
        (7, "raised"),
    ]


# Unknown ------------------------------------------------------------------------------------------------


def test_unknown_stops_the_clock_of_raising() -> None:
    one = case()
    assert live(one, (0, VIOLATED), (4, UNKNOWN), (100, VIOLATED), until=105.9) == []
    assert live(one, until=106) == [(106, "raised")]
    assert one.state.since == 0


def test_unknown_stops_the_clock_of_clearing() -> None:
    steps = ((0, VIOLATED), (10, OK), (20, UNKNOWN), (1000, OK))
    assert live(case(), *steps, until=1019.9) == [(10, "raised")]
    assert live(case(), *steps, until=1020) == [(10, "raised"), (1020, "cleared")]


def test_unknown_neither_raises_nor_clears() -> None:
    one = case(0, 0)
    assert live(one, (0, UNKNOWN), (1, VIOLATED), (2, UNKNOWN), until=99) == [(1, "raised")]
    assert one.raised


def test_ok_after_unknown_ends_what_was_being_raised() -> None:
    assert live(case(), (0, VIOLATED), (9, UNKNOWN), (10, OK), (10, VIOLATED), until=19.9) == []


def test_a_violation_after_unknown_ends_what_was_being_cleared() -> None:
    one = case()
    steps = ((0, VIOLATED), (10, OK), (39, UNKNOWN), (40, VIOLATED), (41, OK))
    assert live(one, *steps, until=70.9) == [(10, "raised")]


def test_unknown_twice_is_unknown_once() -> None:
    assert live(case(), (0, VIOLATED), (4, UNKNOWN), (6, UNKNOWN), (8, VIOLATED), until=14) == [
        (14, "raised")
    ]


# Suppressed ----------------------------------------------------------------------------------------------


def test_a_violation_that_begins_while_suppressed_is_not_raised() -> None:
    assert live(case(), (0, SUPPRESSED), until=1000) == []
    assert live(case(0), (0, SUPPRESSED), until=1000) == []


def test_raise_after_starts_when_the_suppression_ends() -> None:
    one = case()
    assert live(one, (0, SUPPRESSED), (50, VIOLATED), until=60) == [(60, "raised")]
    assert live(case(), (0, VIOLATED), (9, SUPPRESSED), (20, VIOLATED), until=30) == [(30, "raised")]


def test_a_violation_has_lasted_since_it_began_though_it_was_suppressed() -> None:
    one = case()
    live(one, (0, SUPPRESSED), (20, SUPPRESSED), (50, VIOLATED), until=60)
    assert (one.state.since, one.state.raised_at) == (0, 60)
    another = case()
    live(another, (5, VIOLATED), (9, SUPPRESSED), (20, VIOLATED), until=25)
    assert another.state.since == 5
    live(another, (25, OK), (26, SUPPRESSED), (30, VIOLATED), until=40)
    assert another.state.since == 26


def test_a_raised_finding_stays_raised_while_suppressed_and_clears_as_usual() -> None:
    one = case()
    assert live(one, (0, VIOLATED), (15, SUPPRESSED), until=500) == [(10, "raised")]
    assert (one.phase, one.status) == (Phase.RAISED, SUPPRESSED)
    assert live(one, (500, OK), until=530) == [(530, "cleared")]


def test_suppression_interrupts_clearing() -> None:
    steps = ((0, VIOLATED), (20, OK), (40, SUPPRESSED), (45, OK))
    assert live(case(), *steps, until=74.9) == [(10, "raised")]
    assert live(case(), *steps, until=75) == [(10, "raised"), (75, "cleared")]


# All of it ------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from(Status)), max_size=12),
    st.sampled_from([0.0, 5.0, 10.0]),
    st.sampled_from([0.0, 5.0, 20.0]),
)
def test_any_course_of_statuses_is_timed_as_by_a_stop_watch(
    course: list[tuple[int, Status]], raise_after: float, clear_after: float
) -> None:
    now, steps = 0.0, []
    for gap, status in course:
        now += gap
        steps.append((now, status))
    samples = [(time, True, status) for time, status in steps]
    expected = list(transitions_of(samples, now + 5, raise_after, clear_after)) if samples else []
    assert live(case(raise_after, clear_after), *steps, until=now + 5) == expected


@pytest.mark.parametrize("status", [UNKNOWN, SUPPRESSED, OK])
def test_an_alarm_continues_under_another_policy(status: Status) -> None:
    before, after = case(), case()
    live(before, (0, VIOLATED), (20, status), until=25)
    after.go_on_from(before.state)
    assert after.state == before.state
    after.move(Status.VIOLATED, 1000)
    assert after.state != before.state, "each has a state of its own"
