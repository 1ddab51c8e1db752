"""Times as people read them: in the zone of this machine and in UTC, each with its zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def clock(time: datetime, now: datetime) -> str:
    """Format the time of day here and in UTC, each with its zone, and with the date unless that is today's."""
    utc = f"{_time_of_day(time.astimezone(UTC), now.astimezone(UTC))} UTC"
    here = time.astimezone()
    return f"{_time_of_day(here, now.astimezone())} {_zone(here)} ({utc})" if here.utcoffset() else utc


def _time_of_day(time: datetime, now: datetime) -> str:
    day = "" if time.date() == now.date() else f"{time:%b} {time.day} "
    return f"{day}{time:%H:%M:%S}"


def _zone(time: datetime) -> str:
    """Return ``UTC+1`` or ``UTC-3:30``, because names of zones are not unique."""
    minutes = int((time.utcoffset() or timedelta()).total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}{f':{rest:02}' if rest else ''}"


def moment(time: datetime) -> str:
    """Format a time with its date, here and in UTC."""
    utc = f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    here = time.astimezone()
    return f"{here:%Y-%m-%d %H:%M:%S} {_zone(here)} ({utc})" if here.utcoffset() else utc
