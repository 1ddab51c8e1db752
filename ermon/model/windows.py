"""The rules for maintenance windows, with one wording for all places that they come from: the file, the API and
commands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from ermon.model.settings import WINDOW_SCOPES


def window_problems(
    starts: datetime, ends: datetime, named: Mapping[str, str | None]
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a window, each with the key that it is about; ``""`` stands for the whole window.

    ``named``: its places, by ``WINDOW_SCOPES`` and ``link``; ``None`` if it has no such place.
    """
    if ends <= starts:
        yield "to", "must be later than from"
    if sum(named.get(scope) is not None for scope in WINDOW_SCOPES) != 1:
        yield (
            "",
            "must name exactly one of circuit (perhaps with one link of it), feed, router, uplink, segment and group",
        )
    elif named.get("link") is not None and named.get("circuit") is None:
        yield "link", "needs the circuit that it belongs to; add circuit"
