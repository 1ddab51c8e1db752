"""Times as people and machines read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload


@overload
def rfc3339(time: float) -> str: ...
@overload
def rfc3339(time: float | None) -> str | None: ...
def rfc3339(time: float | None) -> str | None:
    """Write seconds since the epoch as ``2026-11-20T23:48:38.078Z``."""
    if time is None:
        return None
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
