"""States as shapes and words, times as people say them: the same as on the status page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ermon.api.status import HeadlineDoc, HeadlineKind
from ermon.client.http import IS_IT_ERMON, UnreachableError

MARKS = {
    "up": "●",
    "down": "▲",
    "unknown": "◆",
    "draining": "▼",
    "yes": "●",
    "no": "○",
    "well": "●",
    "wrong": "▲",
    "blind": "◆",
}
"""A shape for each state and each kind of headline, for whoever does not see the colour."""
STYLES = {
    "up": "green",
    "down": "bold red",
    "unknown": "yellow",
    "draining": "cyan",
    "critical": "bold red",
    "warning": "yellow",
    "info": "cyan",
    "well": "bold green",
    "wrong": "bold red",
    "blind": "bold yellow",
}
SEVERITIES = ("critical", "warning", "info")
FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6"}
MAX_VALUES = 3
"""Values of one list in a line of evidence; `--json` and the page have them all."""

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def mark(state: str) -> str:
    return MARKS.get(state, MARKS["unknown"])


def style(state: str) -> str:
    return STYLES.get(state, STYLES["unknown"])


def family_name(family: str) -> str:
    return FAMILIES.get(family, family)


def duration(span: timedelta | float) -> str:
    """Write a span, or seconds, in the two largest units: ``1 min 15 s``."""
    left = max(0, int(span.total_seconds() if isinstance(span, timedelta) else span))
    told: list[str] = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count:
            told.append(f"{count} {unit}")
        if told and (len(told) == 2 or not count):
            break
    return " ".join(told) or "0 s"


def clock(time: datetime, now: datetime) -> str:
    """Write the time of day in UTC, with the date unless that is today's."""
    moment, today = time.astimezone(UTC), now.astimezone(UTC)
    day = "" if moment.date() == today.date() else f"{moment:%b} {moment.day} "
    return f"{day}{moment:%H:%M:%S}"


def moment(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def instant(time: str) -> datetime:
    """Read a time of the API."""
    try:
        return datetime.fromisoformat(time)
    except ValueError:
        raise UnreachableError(f"{time!r} is no time. {IS_IT_ERMON}") from None


def headline_line(headline: HeadlineDoc) -> str:
    """Write the headline as one line. What is raised stands below it, or in lines of its own."""
    about = f": {headline.about}" if headline.about and headline.kind != HeadlineKind.WRONG else "."
    return f"{mark(headline.kind)} {headline.text}{about}"


def plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def labels(values: Mapping[str, str]) -> str:
    return ", ".join(
        family_name(value) if name == "family" else f"{name.replace('_', ' ')} {value}"
        for name, value in values.items()
        if value
    )


def evidence(values: Mapping[str, Any], known: Mapping[str, str]) -> str:
    """Tell what proves a finding, the most telling first: prefixes, paths, then the rest.

    ``known``: the labels, which stand beside it.
    """
    left = {name: value for name, value in values.items() if value != [known.get(name.removesuffix("s"))]}
    total = left.pop("prefixes_total", None)
    told = []
    for name in ("prefixes", "as_paths", "next_hops", *left):
        if name in left:
            value = left.pop(name)
            if value not in (None, "", [], {}):
                words = {"as_paths": "AS paths"}.get(name, name.replace("_", " "))
                told.append(f"{words} {_value(value, total if name == 'prefixes' else None)}")
    return "; ".join(told)


def _value(value: Any, total: object = None) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value(found)}" for name, found in value.items())
    if isinstance(value, list | tuple):
        shown = [_value(each) for each in value[:MAX_VALUES]]
        more = (total if isinstance(total, int) else len(value)) - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
    return "none" if value is None else str(value)
