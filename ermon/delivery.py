"""One transition on its way to one webhook."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delivery:
    """Kept until the receiver has taken it: a receiver may get it twice, and never loses it."""

    id: str
    """The same at every attempt, also after a restart: by it a receiver knows what it has seen."""
    url: str
    body: bytes
    """JSON, as it is signed and sent."""
    created_at: float
    """Seconds since the epoch."""
