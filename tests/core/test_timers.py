from __future__ import annotations

from ermon.core.timers import Timers


def test_the_earliest_deadline_is_next() -> None:
    timers: Timers[str] = Timers()
    timers.set("late", 20.0)
    timers.set("early", 10.0)
    assert timers.next() == 10.0


def test_nothing_is_due_before_its_time() -> None:
    timers: Timers[str] = Timers()
    timers.set("a", 10.0)
    assert timers.pop(9.999999) is None
    assert timers.pop(10.0) == "a"
    assert timers.pop(10.0) is None
    assert timers.next() is None


def test_a_deadline_that_is_set_again_is_moved() -> None:
    timers: Timers[str] = Timers()
    timers.set("a", 10.0)
    timers.set("a", 20.0)
    assert timers.due("a") == 20.0
    assert timers.pop(15.0) is None
    timers.set("a", 5.0)
    assert timers.pop(15.0) == "a"
    assert timers.pop(30.0) is None


def test_a_cancelled_deadline_does_not_come() -> None:
    timers: Timers[str] = Timers()
    timers.set("a", 10.0)
    timers.set("b", 11.0)
    timers.cancel("a")
    timers.cancel("never set")
    assert timers.due("a") is None
    assert timers.next() == 11.0
    assert timers.pop(30.0) == "b"


def test_equal_deadlines_come_in_the_order_in_which_they_were_set() -> None:
    timers: Timers[str] = Timers()
    for key in ("c", "a", "b"):
        timers.set(key, 10.0)
    timers.set("c", 10.0)
    assert [timers.pop(10.0) for _ in range(3)] == ["a", "b", "c"]


def test_deadlines_are_rounded_as_the_times_of_events_are() -> None:
    timers: Timers[str] = Timers()
    timers.set("a", 0.1 + 0.2)
    assert timers.pop(0.3) == "a"
