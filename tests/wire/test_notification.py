"""The text of NOTIFICATIONs, from their octets."""

from __future__ import annotations

import pytest

from ermon.bgp.notification import MAX_CHARACTERS, describe

PLANNED = b"\x0cplanned work"


@pytest.mark.parametrize(
    ("code", "subcode", "data", "text"),
    [
        (4, 0, b"", "hold timer expired"),
        (6, 2, b"", "Cease: administrative shutdown"),
        (6, 2, PLANNED, 'Cease: administrative shutdown: "planned work"'),  # RFC 9003 section 2
        (6, 4, PLANNED, 'Cease: administrative reset: "planned work"'),
        (6, 2, b"\0", "Cease: administrative shutdown"),
        (6, 2, b"\x04planned work", 'Cease: administrative shutdown: "plan"'),
        (6, 2, b"\xffplanned", 'Cease: administrative shutdown: "planned"'),
        (6, 3, PLANNED, "Cease: peer de-configured"),  # has none
        (2, 2, PLANNED, "OPEN message error: bad peer AS"),
        (6, 9, b"\x06\x02" + PLANNED, 'Cease: hard reset: Cease: administrative shutdown: "planned work"'),
        (6, 9, b"\x04\x00", "Cease: hard reset: hold timer expired"),  # RFC 8538 section 3.1
        (6, 9, b"\x06\x09\x06\x09", "Cease: hard reset: Cease: hard reset"),
        (6, 9, b"\x06", "Cease: hard reset"),
        (6, 10, b"", "Cease: BFD down"),  # RFC 9384 section 3
        (99, 7, b"", "error code 99: subcode 7"),
    ],
)
def test_a_notification_is_told_in_the_words_of_the_rfcs(
    code: int, subcode: int, data: bytes, text: str
) -> None:
    assert describe(code, subcode, data) == text


def test_whatever_the_other_end_writes_is_one_printable_line() -> None:
    said = describe(6, 2, b"\xff" + "\x1b[31m\n\u202e".encode() + b"\xff\xfe" + b"x" * 300)
    assert said.isprintable()
    assert len(said) == MAX_CHARACTERS
    assert said.endswith('x"')
    assert "\N{REPLACEMENT CHARACTER}[31m" in said
