"""Addresses that ermon cannot listen on, and unknown routers that connect: both explain why a session does not come
up.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

STRANGER_SECONDS = 600.0
"""An unknown router is remembered for this time: BGP tries again every two minutes (RFC 4271 section 10,
ConnectRetryTime), or sooner.
"""
MAX_STRANGERS = 8
"""The most unknown routers that are remembered for each local address: a stranger may connect from any number of
addresses.
"""


class Listening(msgspec.Struct, omit_defaults=True):
    """Everything is by local address of ermon; times are seconds since the epoch. A file format."""

    problems: dict[str, str] = {}
    """Why ermon cannot listen on the address."""
    strangers: dict[str, dict[str, float]] = {}
    """The unknown routers that connect to the address and when each last did, the latest last."""

    def judged(self, local: str, problem: str | None) -> bool:
        """Note whether an address can be listened on; return whether that is new."""
        before = self.problems.pop(local, None)
        if problem is not None:
            self.problems[local] = problem
        return problem != before

    def refused(self, local: str, peer: str, now: float) -> bool:
        """Note that a router connected that belongs to no feed; return whether that is new."""
        known = self.strangers.setdefault(local, {})
        news = known.pop(peer, None) is None
        known[peer] = now
        while len(known) > MAX_STRANGERS:
            del known[next(iter(known))]
        return news

    def forget(self, local: str, now: float) -> None:
        """Forget the unknown routers that have not connected again."""
        known = self.strangers.pop(local, {})
        if kept := {peer: time for peer, time in known.items() if _gone_at(time) > now}:
            self.strangers[local] = kept

    def next_gone(self, local: str) -> float | None:
        """Return when the first of the unknown routers at an address is forgotten, unless it connects again."""
        return min(map(_gone_at, self.strangers.get(local, {}).values()), default=None)

    def of(self, locals_: Collection[str], pairs: Collection[tuple[str, str]]) -> Listening:
        """Return what is known of these addresses alone. A router that belongs to a feed now (``pairs``) is no longer
        unknown.
        """
        strangers = {
            local: {peer: time for peer, time in known.items() if (local, peer) not in pairs}
            for local, known in self.strangers.items()
            if local in locals_
        }
        return Listening(
            {local: problem for local, problem in self.problems.items() if local in locals_},
            {local: known for local, known in strangers.items() if known},
        )


def _gone_at(time: float) -> float:
    return round(time + STRANGER_SECONDS, 6)  # rounded as timers are
