"""The violations that are suppressed on purpose, by their causes; what follows from a cause is only counted.

A user who reads of a link in maintenance should read that the link is down, and not of each service that is missing on
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ermon.core.alarm import Alarm, AlarmKey
from ermon.core.maintenance import Suppression
from ermon.core.monitor import Monitor
from ermon.core.standing import worst
from ermon.model.findings import Status
from ermon.model.text import plural


class Quieted(NamedTuple):
    """A suppressed violation without a larger cause, and what suppresses it."""

    cause: Alarm
    why: Suppression
    follow: int
    """How many more violations follow from it."""


def quieted(monitor: Monitor) -> list[Quieted]:
    """Return what windows and exceptions suppress, the worst first.

    Effects of a violation that is not suppressed on purpose are left out, because that violation is reported itself.
    """
    found: dict[AlarmKey, Quieted] = {}
    for alarm in worst(monitor.standing.covered.values()):
        if (why := monitor.suppression(alarm)) is None:
            continue
        cause = monitor.cause_of_all(alarm)
        if cause.status is not Status.SUPPRESSED:
            continue
        before = found.get(cause.key)
        if before is None:
            before = Quieted(cause, monitor.suppression(cause) or why, 0)
        found[cause.key] = before._replace(follow=before.follow + (cause is not alarm))
    causes = worst(each.cause for each in found.values())
    return [found[cause.key] for cause in causes]


def following(found: Sequence[Quieted]) -> str:
    """Return a sentence with the number of violations that follow from these; empty if there are none."""
    count = sum(each.follow for each in found)
    if not count:
        return ""
    verb = "follows" if count == 1 else "follow"
    return f"{plural(count, 'more violation')} {verb} from {'it' if len(found) == 1 else 'these'}."
