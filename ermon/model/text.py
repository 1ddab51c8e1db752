"""Text for people and machines: times and durations, and text of others made safe to show."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import overload

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """Return the text as one line that can be shown anywhere; U+FFFD replaces each character that cannot.

    The text may come from a router's Shutdown Communication, an AS's description, the answer of a web server or the
    name of an Azure circuit. Its author may want an escape sequence to repaint the operator's terminal, a line break to
    forge a line of the log, or a bidirectional override (U+202E) to have a prefix read backwards. None of these is
    printable, nor are tabs, zero-width and unassigned characters, separators other than the plain space, and lone
    surrogates, which no output could encode (``str.isprintable``: the Unicode categories "Other" and "Separator").

    They are replaced and not removed, so that nothing reads as a word that it was not. They are not escaped, since an
    escape could be forged by writing it out. Line breaks and tabs are replaced as well: a blank would join what the
    author kept apart. Callers with prose of several lines join them first: ``printable(" ".join(text.split()))``.
    """
    if text.isprintable():  # nearly always
        return text
    return "".join(each if each.isprintable() else REPLACEMENT for each in text)


def endpoint(address: str, port: int) -> str:
    """Return address and port as one text (RFC 3986 section 3.2.2)."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


MAX_LINE_CHARACTERS = 300
_NOT_IN_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters, other line breaks, and characters that override the direction of writing."""


def parse_line(text: str) -> str:
    """Return a text that a user wrote for others, such as a reason; raise ``ValueError`` unless it is one line."""
    if not text.strip() or len(text) > MAX_LINE_CHARACTERS or _NOT_IN_A_LINE.search(text):
        raise ValueError(
            f"must be one line of text of at most {MAX_LINE_CHARACTERS} characters, not {quoted(text)}"
        )
    return text


def quoted(value: object) -> str:
    """Format a value for a message: on one line, cut to the length of a line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:76]}...{text[0]}"


# Times and durations --------------------------------------------------------------------------------


LONGEST_SECONDS = 3650 * 86400.0
"""Ten years: a longer time is a typing error, and ``datetime`` cannot hold any number of seconds."""

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[Zz]|[+-]\d\d:\d\d)")
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

DURATION_PATTERN = r"[0-9]{1,12}(ms|s|m|h|d)"

_UNITS_IN_WORDS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@overload
def rfc3339(time: float) -> str: ...
@overload
def rfc3339(time: float | None) -> str | None: ...
def rfc3339(time: float | None) -> str | None:
    """Format seconds since the epoch as ``2026-11-20T23:48:38.078Z``."""
    if time is None:
        return None
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def utc_text(time: float) -> str:
    """Format seconds since the epoch for people who may read it on another day: ``2026-11-20 23:48:38 UTC``."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock_text(time: float, now: float) -> str:
    """Format seconds since the epoch as ``06:22:21 UTC``, with the date unless that is today's."""
    at, today = datetime.fromtimestamp(time, UTC), datetime.fromtimestamp(now, UTC)
    day = (
        ""
        if at.date() == today.date()
        else f"{at:%b} {at.day} "
        if at.year == today.year
        else f"{at:%Y-%m-%d} "
    )
    return f"{day}{at:%H:%M:%S} UTC"


def parse_timestamp(text: str) -> datetime:
    """Read an RFC 3339 time with its zone, and return it in UTC. Raise ``ValueError`` if it is none, or has no date in
    UTC.
    """
    try:
        if _TIMESTAMP.fullmatch(text):
            time = datetime.fromisoformat(text.upper()).astimezone(UTC)
            if _FIRST <= time <= _LAST:
                return time
    except (ValueError, OverflowError):
        pass
    shown = text if len(text) <= 40 else f"{text[:40]}..."
    raise ValueError(f"{shown!r} is not a time with a zone; write 2026-12-01T02:00:00Z or …+01:00")


def nearest_utc(time: datetime) -> datetime:
    """Return a time with a zone in UTC; if that has no date, the first or last date that there is."""
    try:
        return min(max(time.astimezone(UTC), _FIRST), _LAST)
    except OverflowError:
        return _FIRST if time.year == 1 else _LAST


def file_stamp(time: float, *, fraction: bool = False) -> str:
    """Format seconds since the epoch for the name of a file: without colons, and so that the order of names is that of
    times.
    """
    return datetime.fromtimestamp(time, UTC).strftime("%Y%m%dT%H%M%S.%fZ" if fraction else "%Y%m%dT%H%M%SZ")


def duration_text(seconds: float, *, exact: bool = False) -> str:
    """Format seconds in the two largest units, ``1 min 15 s``. With ``exact``, the second unit is written even if it is
    0.
    """
    left = max(0, int(seconds))
    parts: list[str] = []
    for unit, size in _UNITS_IN_WORDS:
        count, left = divmod(left, size)
        if count or (parts and exact):
            parts.append(f"{count} {unit}")
        if parts and (len(parts) == 2 or not count):
            break
    return " ".join(parts) or "0 s"


def parse_duration(text: str) -> float | None:
    """Read ``500ms``, ``10s``, ``90m``, ``2h`` or ``90d`` as seconds; return ``None`` for anything else."""
    found = re.fullmatch(DURATION_PATTERN, text)
    return int(text[: found.start(1)]) * _UNITS[found[1]] if found else None
