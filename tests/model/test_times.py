from __future__ import annotations

import pytest

from ermon.model.times import file_stamp, parse_duration, rfc3339


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
