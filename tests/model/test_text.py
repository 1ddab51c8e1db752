"""What a stranger may have said, and what is shown of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermon.model.text import REPLACEMENT, printable


@pytest.mark.parametrize(
    "text", ["", "maintenance 02:00 UTC", "Zürich / 東京", "é", "🚧 down", "עברית", "a" * 10_000]
)
def test_what_people_write_stays(text: str):
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
def test_what_could_deceive_is_replaced(what: str, character: str):
    assert printable(f"a{character}b") == f"a{REPLACEMENT}b", what


@given(st.text(st.characters(exclude_categories=[])))
def test_it_is_always_one_line_of_the_same_length_that_can_be_written(text: str):
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) == len(text)
    assert shown.encode().decode() == shown
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
