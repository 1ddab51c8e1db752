"""What the checks answer, and what becomes of it: statuses, findings and transitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import msgspec

from ermon.model.settings import Severity

LAST_SECOND = 253_402_300_799
"""The end of the year 9999: a time beyond it has no date."""

Seconds = Annotated[float, msgspec.Meta(ge=0, le=LAST_SECOND)]
"""Since the epoch. What is read again from a file was perhaps damaged in it."""


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
    """A violation that has held for its check's ``raise_after``, and has not been cleared for good."""

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
    """Raised, and at present not to be judged."""
    suppressed: bool = False
    suppressed_because: str | None = None
    """The window or exception with its reason, or the check whose violation covers it."""
    ok_since: Seconds | None = None
    """Raised, and the violation has ended: since when, until it is cleared or begins again."""
    clears_at: Seconds | None = None
    """When it is cleared then, if it stays so."""
    rank: int = 0
    """Its place among the raised ones: the lower, the more it matters; see ``ermon.core.standing``."""


class Transition(msgspec.Struct, frozen=True):
    """A finding was raised or cleared."""

    time: float
    state: TransitionState
    finding: Finding


@dataclass(frozen=True, slots=True)
class Delivery:
    """One transition on its way to one webhook.

    Kept until the receiver has taken it: a receiver may get it twice, and never loses it.
    """

    id: str
    """The same at every attempt, also after a restart: by it a receiver knows what it has seen."""
    url: str
    body: bytes
    """JSON, as it is signed and sent."""
    created_at: Seconds


def transition_order(transition: Transition) -> tuple[float, str, tuple[tuple[str, str], ...]]:
    """Transitions of one instant are ordered by check and labels."""
    finding = transition.finding
    return (transition.time, finding.check, tuple(sorted(finding.labels.items())))
