"""Where ermon cannot listen, and who connects to it and is no feed's router: what explains why a session does not come up."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

STRANGER_SECONDS = 600.0
"""For so long a router is remembered that connects and is no feed's: BGP tries again every two minutes (RFC 4271 section
10, ConnectRetryTime), or sooner.
"""
MAX_STRANGERS = 8
"""Remembered for each address of ermon's: a stranger may connect from any number of them."""


class Listening(msgspec.Struct, omit_defaults=True):
    """By address of ermon's; times are seconds since the epoch. A file format."""

    problems: dict[str, str] = {}
    """Why it cannot be listened on."""
    strangers: dict[str, dict[str, float]] = {}
    """Who connects there and is no feed's router, the latest last, and when they last did."""

    def judged(self, local: str, problem: str | None) -> bool:
        """Note whether an address can be listened on; return whether that is news."""
        before = self.problems.pop(local, None)
        if problem is not None:
            self.problems[local] = problem
        return problem != before

    def refused(self, local: str, peer: str, now: float) -> bool:
        """Note that somebody connected who is no feed's router; return whether that is news."""
        known = self.strangers.setdefault(local, {})
        news = known.pop(peer, None) is None
        known[peer] = now
        while len(known) > MAX_STRANGERS:
            del known[next(iter(known))]
        return news

    def forget(self, local: str, now: float) -> None:
        """Forget those who have not come back."""
        known = self.strangers.pop(local, {})
        if kept := {peer: time for peer, time in known.items() if _gone_at(time) > now}:
            self.strangers[local] = kept

    def next_gone(self, local: str) -> float | None:
        """Return when the first of those who connected to an address is forgotten, unless they come back."""
        return min(map(_gone_at, self.strangers.get(local, {}).values()), default=None)

    def of(self, locals_: Collection[str], pairs: Collection[tuple[str, str]]) -> Listening:
        """Return what is known of these addresses alone; who has become a feed's router, of ``pairs``, is a stranger no
        longer.
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
    return round(time + STRANGER_SECONDS, 6)  # as timers are
