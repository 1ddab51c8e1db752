"""Times and durations as they are written, and text of others made safe to show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermon.model.text import (
    REPLACEMENT,
    file_stamp,
    nearest_utc,
    parse_duration,
    parse_timestamp,
    printable,
    rfc3339,
)


@pytest.mark.parametrize(
    "text", ["", "maintenance 02:00 UTC", "Zürich / 東京", "é", "🚧 down", "עברית", "a" * 10_000]
)
def test_ordinary_text_stays_as_it_is(text: str):
    assert printable(text) == text


@pytest.mark.parametrize(
    ("what", "character"),
    [
        ("escape sequences repaint a terminal", "\x1b"),
        ("and so do those of eight bits", "\x9b"),
        ("a bell rings", "\a"),
        ("a backspace takes back what stands before it", "\b"),
        ("a line feed begins a line that looks like ours", "\n"),
        ("a carriage return writes over it", "\r"),
        ("so do the line breaks of Unicode", "\u2028"),
        ("and the older one", "\x85"),
        ("a tab moves columns", "\t"),
        ("an override has text read backwards", "\u202e"),
        ("and an isolate does", "\u2067"),
        ("and a mark", "\u200f"),
        ("nobody sees a space of no width", "\u200b"),
        ("or one that is not a space", "\u00a0"),
        ("a lone surrogate cannot be written out", "\udc9b"),
        ("nothing is known of what is private", "\ue000"),
        ("or unassigned", "\U000e0080"),
        ("a tag hides words", "\U000e0041"),
        ("zero ends a string", "\0"),
    ],
)
def test_characters_that_could_deceive_are_replaced(what: str, character: str):
    assert printable(f"a{character}b") == f"a{REPLACEMENT}b", what


@given(st.text(st.characters(exclude_categories=[])))
def test_printable_text_is_one_line_of_the_same_length_that_can_be_encoded(text: str):
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) == len(text)
    assert shown.encode().decode() == shown
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_795_184_918.078219, "2026-11-20T14:28:38.078Z"),
        (1_795_184_918.0, "2026-11-20T14:28:38.000Z"),
        (253_402_300_799.0, "9999-12-31T23:59:59.000Z"),
        (None, None),
    ],
)
def test_times_are_in_utc(time: float | None, text: str | None):
    assert rfc3339(time) == text


def test_names_of_files_sort_as_their_times_do():
    assert file_stamp(1_795_184_918.078219) == "20261120T142838Z"
    assert file_stamp(1_795_184_918.078219, fraction=True) == "20261120T142838.078219Z"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("10s", 10.0),
        ("90m", 5400.0),
        ("2h", 7200.0),
        ("90d", 7_776_000.0),
        ("0s", 0.0),
        ("", None),
        ("10", None),
        ("1.5h", None),
        ("-1s", None),
        ("10 s", None),
        ("10s\n", None),
        ("1h30m", None),
        ("9999999999999s", None),
    ],
)
def test_durations(text: str, seconds: float | None):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-12-01T02:00:00Z", datetime(2026, 12, 1, 2, tzinfo=UTC)),
        ("2026-12-01t02:00:00.5+01:00", datetime(2026, 12, 1, 1, 0, 0, 500_000, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_with_its_zone_and_can_be_written(text: str, time: datetime):
    assert parse_timestamp(text) == time
    assert parse_timestamp(text).tzinfo is UTC
    assert rfc3339(time.timestamp())


@pytest.mark.parametrize(
    "text",
    [
        *("", "tomorrow", "2026-12-01", "2026-12-01T02:00:00", "2026-13-01T02:00:00Z", "1795184918"),
        *("9999-12-31T23:59:59-05:00", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+23:00"),
    ],
)
def test_a_time_without_a_date_in_utc_is_refused(text: str):
    with pytest.raises(ValueError, match="is not a time with a zone"):
        parse_timestamp(text)


def test_times_without_a_date_in_utc_become_the_nearest_that_has_one():
    west, east = (timezone(timedelta(hours=hours)) for hours in (-5, 23))
    last, first = datetime(9999, 12, 31, 23, 59, 59, tzinfo=west), datetime(1, 1, 1, tzinfo=east)
    assert rfc3339(nearest_utc(last).timestamp()) == "9999-12-31T23:59:59.000Z"
    assert rfc3339(nearest_utc(first).timestamp()) == "0001-01-01T00:00:00.000Z"
    assert nearest_utc(last.replace(year=2026)) == last.replace(year=2026)
