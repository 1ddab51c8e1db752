"""Times as people and machines write them: instants, names of files, durations."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import overload

LONGEST_SECONDS = 3650 * 86400.0
"""Ten years: beyond it lies a typing error, and in the end what ``datetime`` can hold."""

DURATION_PATTERN = r"[0-9]{1,12}(ms|s|m|h|d)"

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@overload
def rfc3339(time: float) -> str: ...
@overload
def rfc3339(time: float | None) -> str | None: ...
def rfc3339(time: float | None) -> str | None:
    """Write seconds since the epoch as ``2026-11-20T23:48:38.078Z``."""
    if time is None:
        return None
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def file_stamp(time: float, *, fraction: bool = False) -> str:
    """Write seconds since the epoch for the name of a file: sorted by name is sorted by time, and no colons."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y%m%dT%H%M%S.%fZ" if fraction else "%Y%m%dT%H%M%SZ")


def parse_duration(text: str) -> float | None:
    """Read ``500ms``, ``10s``, ``90m``, ``2h`` or ``90d`` as seconds; ``None`` for anything else."""
    found = re.fullmatch(DURATION_PATTERN, text)
    return int(text[: found.start(1)]) * _UNITS[found[1]] if found else None
