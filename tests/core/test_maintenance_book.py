from datetime import UTC, datetime, timedelta, timezone

import pytest

from ermon.core import maintenance_book
from ermon.core.maintenance_book import KEPT_SECONDS, BookedWindow, MaintenanceBook, WindowError
from ermon.model.settings import MaintenanceWindow
from ermon.model.text import rfc3339
from tests.networks import START, TWO_CIRCUITS, window


def added(book, wanted, now=START, by=""):
    """Book a window as the API does."""
    proposed = book.propose(wanted, TWO_CIRCUITS, now, by)
    book.book(proposed)
    return proposed


def book_of(*windows):
    book = MaintenanceBook()
    return book, [added(book, each) for each in windows]


def test_windows_are_listed_the_earliest_first():
    book, (late, early) = book_of(window(120, 180, circuit="chicago"), window(0, 60, feed="isp-a"))
    assert book.windows() == (early, late)
    assert late.id != early.id


@pytest.mark.parametrize(
    ("about", "problem"),
    [
        ({}, "the window: must name exactly one of circuit"),
        ({"circuit": "chicago", "feed": "isp-a"}, "the window: must name exactly one of circuit"),
        ({"router": "edge-1", "group": "production"}, "must name exactly one of"),
        ({"router": "edge-9"}, "there is no router 'edge-9'"),
        ({"uplink": "isp-z"}, "there is no uplink 'isp-z'"),
        ({"segment": "lab"}, "there is no segment 'lab'"),
        ({"group": "production"}, "there is no group 'production'"),
        ({"circuit": "paris"}, "there is no circuit 'paris'"),
        ({"circuit": "chicago", "link": "third"}, "circuit 'chicago' has no link 'third'; it has primary"),
        ({"feed": "nowhere"}, "there is no feed 'nowhere'"),
        ({"feed": "isp-a", "link": "primary"}, "link: needs the circuit that it belongs to; add circuit"),
    ],
)
def test_a_window_must_be_about_a_known_place(about, problem):
    with pytest.raises(WindowError, match=problem):
        book_of(window(0, 60, **about))


@pytest.mark.parametrize(
    "about",
    [
        {"router": "edge-1"},
        {"router": "edge-3"},
        {"uplink": "isp-a"},
        {"segment": "dmz"},
        {"circuit": "chicago"},
    ],
)
def test_a_window_can_be_about_every_kind_of_place(about):
    book, [booked] = book_of(window(0, 60, **about))
    assert book.windows() == (booked,)


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "x" * 301, "to 1\u202e00"])
def test_a_reason_is_one_line(reason):
    at = datetime.fromtimestamp(START, UTC)
    bare = MaintenanceWindow(at, at + timedelta(hours=1), reason, circuit="chicago")
    with pytest.raises(WindowError, match="reason: must be one line of text"):
        book_of(bare)


def test_an_end_is_needed_that_is_to_come_and_later_than_the_beginning():
    with pytest.raises(WindowError, match="has ended already"):
        book_of(window(-60, -30, circuit="chicago"))
    with pytest.raises(WindowError, match="to: must be later than from"):
        book_of(window(60, 60, circuit="chicago"))


def test_ending_a_window_makes_it_end_now():
    book, [booked] = book_of(window(0, 600, circuit="chicago"))
    ended = book.end(booked.id, START + 60)
    assert ended.window.ends.timestamp() == START + 60
    assert book.windows() == (ended,)


def test_a_window_that_has_not_begun_never_does_once_it_is_ended():
    book, [booked] = book_of(window(300, 600, circuit="chicago"))
    ended = book.end(booked.id, START + 60).window
    assert ended.starts == ended.ends


def test_a_window_that_is_over_cannot_be_prolonged_by_ending_it():
    book, [booked] = book_of(window(0, 60, circuit="chicago"))
    assert book.end(booked.id, START + 600) == booked


def test_there_must_be_such_a_window_to_end():
    with pytest.raises(KeyError):
        MaintenanceBook().end("nothing", START)


def test_a_window_is_forgotten_a_day_after_its_end():
    book, [old] = book_of(window(0, 60, circuit="chicago"))
    later = START + 60 + KEPT_SECONDS
    assert old in book.windows()
    new = added(book, window(later - START, later - START + 60, circuit="chicago"), later + 1)
    assert book.windows() == (new,)


def test_a_script_that_adds_windows_in_a_loop_is_stopped(monkeypatch):
    monkeypatch.setattr(maintenance_book, "MAX_WINDOWS", 2)
    with pytest.raises(WindowError, match="there are 2 windows already"):
        book_of(*[window(0, 60, circuit="chicago")] * 3)


class Memory:
    def __init__(self):
        self.kept: list[BookedWindow] = []

    def load(self):
        return self.kept

    def save(self, windows):
        self.kept = windows


def test_windows_outlive_the_process_where_there_is_a_store():
    store = Memory()
    booked = added(MaintenanceBook(store), window(0, 60, circuit="chicago"))
    after_restart = MaintenanceBook(store)
    assert after_restart.windows() == (booked,)
    after_restart.end(booked.id, START + 30)
    assert MaintenanceBook(store).windows()[0].window.ends.timestamp() == START + 30


FOREVER = MaintenanceWindow(
    datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=23))),
    datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-5))),
    "forever",
    circuit="chicago",
)


def test_times_without_a_date_in_utc_are_never_booked():
    book = MaintenanceBook()
    with pytest.raises(WindowError, match="has no date in UTC"):
        book.propose(FOREVER, TWO_CIRCUITS, START)
    assert book.windows() == ()


def test_a_window_that_an_earlier_ermon_kept_with_such_times_can_be_listed_and_ended():
    class Left(maintenance_book.NoStore):
        def load(self):
            return [BookedWindow("11", FOREVER)]

    book = MaintenanceBook(Left())
    [booked] = book.windows()
    assert rfc3339(booked.window.starts.timestamp()) == "0001-01-01T00:00:00.000Z"
    assert rfc3339(booked.window.ends.timestamp()) == "9999-12-31T23:59:59.000Z"
    assert book.end("11", START).window.ends.timestamp() == START
