"""A request to a router to send its routes again, because the policy now needs routes of a feed that were not held
before.

The routes that were held before stay known. A route that is needed anew may be on the router and not have come yet, so
its absence proves nothing until the router has sent everything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ermon.model.inventory import Collector
from ermon.model.prefixes import Prefix, PrefixSet


@dataclass(slots=True)
class Asked:
    """The request for one feed and family; times are seconds since the epoch."""

    since: float
    space: PrefixSet
    everything: bool = False
    """Routes of any prefix were not held, Microsoft's included: no part of the table is known to be complete."""
    marked: bool = False
    """The router has marked the beginning of the refresh, so it will mark the end (RFC 7313 section 4)."""
    updated_at: float | None = None
    """When the router last sent something of the family."""

    def over_at(self, collector: Collector) -> float:
        """Return when everything has come if nothing more happens, unless the end mark comes first: after ``settle`` of
        quiet, and after ``sync_timeout`` in any case (no End-of-RIB ends a refresh by RFC 2918).
        """
        timeout = self.since + collector.sync_timeout
        if self.marked or self.updated_at is None:
            return timeout
        return min(self.updated_at + collector.settle, timeout)

    def about(self, prefix: Prefix) -> bool:
        """Return whether a route to any address of ``prefix`` may exist that has not come yet."""
        return self.everything or self.space.overlaps(prefix)

    def and_before(self, before: Asked | None) -> Asked:
        """Return this request together with an earlier one that is not over: the later refresh answers both."""
        if before is None:
            return self
        space = PrefixSet((*before.space.prefixes(), *self.space.prefixes()))
        return replace(self, space=space, everything=self.everything or before.everything)
