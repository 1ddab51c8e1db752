from __future__ import annotations

import pytest

from ermon.client import sse
from ermon.client.sse import Parser, RawEvent, TooLongError
from ermon.web.events import frame

STREAM = b"retry: 2000\n\n: still here\n\n" + frame("feed", {"a": "ü\n"}, "7-1") + frame("pool", 2, "7-2")


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_what_ermon_writes_is_read_whatever_the_pieces(size: int):
    parser = Parser()
    pieces = [STREAM[n : n + size] for n in range(0, len(STREAM), size)]
    events = [event for piece in pieces for event in parser.feed(piece)]
    assert events == [RawEvent("feed", '{"a":"ü\\n"}'.encode(), "7-1"), RawEvent("pool", b"2", "7-2")]


def test_half_an_event_is_none():
    assert Parser().feed(b'event: feed\ndata: {"a": 1}\n') == []


def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    parser = Parser()
    parser.feed(b"data: " + b"x" * 90)
    with pytest.raises(TooLongError):
        parser.feed(b"x" * 90)
