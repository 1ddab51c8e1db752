"""The results of the checks: statuses, findings and transitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import msgspec

from ermon.model.settings import Severity

LAST_SECOND = 253_402_300_799
"""The end of the year 9999: a later time has no date."""

Seconds = Annotated[float, msgspec.Meta(ge=0, le=LAST_SECOND)]
"""Seconds since the epoch. The limits catch values from a damaged file."""


class Status(StrEnum):
    """What a check answers for one subject."""

    OK = "ok"
    VIOLATED = "violated"
    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"


class LinkState(StrEnum):
    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


class TransitionState(StrEnum):
    RAISED = "raised"
    CLEARED = "cleared"


class Finding(msgspec.Struct, frozen=True):
    """A violation that has lasted for its check's ``raise_after``."""

    id: str
    check: str
    labels: Mapping[str, str]
    severity: Severity
    summary: str
    evidence: Mapping[str, Any]
    since: Seconds
    """When the violation began."""
    raised_at: Seconds
    ended_at: Seconds | None = None
    """When the violation ended; it was cleared ``clear_after`` later."""
    cleared_at: Seconds | None = None
    stale: bool = False
    """Whether it is raised and cannot be judged at present."""
    suppressed: bool = False
    suppressed_because: str | None = None
    """The window or exception with its reason, or the check whose violation suppresses it."""
    ok_since: Seconds | None = None
    """Since when a raised finding is ok; ``None`` if it is not."""
    clears_at: Seconds | None = None
    """When it will be cleared if it stays ok."""
    rank: int = 0
    """Its rank among the raised findings: the lower, the more it matters; see ``ermon.core.standing``."""


class Transition(msgspec.Struct, frozen=True):
    """A finding was raised or cleared."""

    time: float
    state: TransitionState
    finding: Finding


@dataclass(frozen=True, slots=True)
class Delivery:
    """One transition on its way to one webhook.

    It is kept until the receiver has taken it: a receiver may get it twice, and never misses it.
    """

    id: str
    """The same at every attempt, also after a restart, so that a receiver can recognize repetitions."""
    url: str
    body: bytes
    """JSON, as it is signed and sent."""
    created_at: Seconds


def transition_order(transition: Transition) -> tuple[float, str, tuple[tuple[str, str], ...]]:
    """Return the sort key for transitions of one instant: check and labels."""
    finding = transition.finding
    return (transition.time, finding.check, tuple(sorted(finding.labels.items())))
