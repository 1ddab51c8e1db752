"""What a router was asked to send again: of feeds that are not held whole, and of which the policy asks for more than before.

What was held all along stays known meanwhile. What is asked for anew may be there without having come yet, so that its
absence proves nothing until the router has sent everything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ermon.model.inventory import Collector
from ermon.model.prefixes import Prefix, PrefixSet


@dataclass(slots=True)
class Asked:
    """What was asked for anew of one feed and family; times are seconds since the epoch."""

    since: float
    space: PrefixSet
    everything: bool = False
    """Routes of any prefix were not held, Microsoft's among them: nothing is known to be complete."""
    marked: bool = False
    """The router has said where it begins to send everything, so it says where that ends (RFC 7313 section 4)."""
    updated_at: float | None = None
    """When it last sent something of the family."""

    def over_at(self, collector: Collector) -> float:
        """Return when everything has come if nothing more happens: the end mark aside, after ``settle`` of quiet, and
        after ``sync_timeout`` whatever comes (no End-of-RIB ends a refresh by RFC 2918).
        """
        timeout = self.since + collector.sync_timeout
        if self.marked or self.updated_at is None:
            return timeout
        return min(self.updated_at + collector.settle, timeout)

    def about(self, prefix: Prefix) -> bool:
        """Return whether a route to any address of ``prefix`` may be there that has not come yet."""
        return self.everything or self.space.overlaps(prefix)

    def and_before(self, before: Asked | None) -> Asked:
        """Return this, and what was asked for before and has not come yet: both come with the later refresh."""
        if before is None:
            return self
        space = PrefixSet((*before.space.prefixes(), *self.space.prefixes()))
        return replace(self, space=space, everything=self.everything or before.everything)
