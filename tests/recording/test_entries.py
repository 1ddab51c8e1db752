"""The names in a recording are a file format."""

from __future__ import annotations

from typing import get_args

from ermon.model.azure import AzurePeering, AzureReading
from ermon.model.events import AzureRead, Event, SourceJudged, Uninteresting, Update
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


def test_what_azure_says_is_written_and_read_back():
    ipv4 = AzurePeering(
        "Enabled", prefixes=("198.51.100.0/28",), not_validated=(("198.51.100.0/28", "Failed"),)
    )
    reading = AzureReading("Enabled", peering=True, peer_asn=64500, ipv4=ipv4, ipv6=AzurePeering("Disabled"))
    for event in (
        AzureRead(5.0, "chicago", 4.0, reading, listed=("198.51.100.0/28",)),
        AzureRead(5.0, "chicago", problem="HTTP 503"),
    ):
        written = entries.write_entry(entries.Happened.of(event), 5.0)
        entry = entries.read_entry(written).ermon
        assert isinstance(entry, entries.Happened)
        assert entry.event == event
