"""Server-sent events as they come out of a stream (WHATWG HTML, section 9.2): bytes in, events out.

Nothing here awaits or reads a clock.
"""

from __future__ import annotations

from typing import NamedTuple

MAX_EVENT_BYTES = 32 * 1024 * 1024
"""As long as an answer may be: a snapshot is one event."""


class TooLongError(Exception):
    """An event is longer than ermon's are."""


class RawEvent(NamedTuple):
    kind: str
    data: bytes
    id: str


class Parser:
    """Reads a stream that comes in pieces. ermon ends lines with line feeds, and so does every proxy."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._searched = 0

    def feed(self, piece: bytes) -> list[RawEvent]:
        """Return the events that this piece completes; none for comments, which only say that somebody is there."""
        self._rest += piece.replace(b"\r\n", b"\n")
        found = []
        while (end := self._rest.find(b"\n\n", self._searched)) >= 0:
            event = _event(bytes(self._rest[:end]))
            del self._rest[: end + 2]
            self._searched = 0
            if event is not None:
                found.append(event)
        self._searched = max(0, len(self._rest) - 1)
        if len(self._rest) > MAX_EVENT_BYTES:
            raise TooLongError(f"an event is longer than {MAX_EVENT_BYTES} bytes")
        return found


def _event(block: bytes) -> RawEvent | None:
    fields: dict[bytes, bytes] = {}
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        fields[name] = fields[name] + b"\n" + value if name == b"data" and name in fields else value
    if b"data" not in fields:
        return None
    kind, number = fields.get(b"event", b"message"), fields.get(b"id", b"")
    return RawEvent(kind.decode(errors="replace"), fields[b"data"], number.decode(errors="replace"))
