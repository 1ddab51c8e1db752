from __future__ import annotations

import pytest

from ermon.model.times import rfc3339


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
