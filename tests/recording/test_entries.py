"""The names in a recording are a file format."""

from __future__ import annotations

from typing import get_args

from ermon.model.events import Event, SourceJudged, Uninteresting, Update
from ermon.recording import entries
from ermon.recording.entries import Happened, read_entry, write_entry


def test_every_event_that_is_no_line_of_exabgp_has_a_name_of_its_own_in_a_recording() -> None:
    assert set(entries._NAMES) == set(get_args(Event)) - {Uninteresting, Update}
    assert len(entries._EVENTS) == len(entries._NAMES)


def test_an_event_is_read_under_the_name_that_it_was_always_written_with() -> None:
    event = SourceJudged(5.0, "m365", "it shrank")
    written = write_entry(Happened.of(event), 5.0)
    assert b'"kind":"SourceJudged"' in written
    entry = read_entry(written).ermon
    assert isinstance(entry, Happened)
    assert entry.event == event
