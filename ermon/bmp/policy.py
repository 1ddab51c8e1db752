"""Whether a router reports only the routes before its inbound policy: then no route says what it has accepted."""

from __future__ import annotations

from ermon.bmp.messages import Rib

POST_POLICY_WITHIN_SECONDS = (10.0, 60.0)
"""A router that reports no route after its inbound policy this long after the latest, or the first, before it, reports none."""

ONLY_PRE_POLICY = "the router reports only what it receives before its inbound policy"


class InboundPolicy:
    """Learns from the routes of one connection on which side of its inbound policy the router reports them."""

    def __init__(self) -> None:
        self.only_before = False
        """Whether it reports none behind it, as far as is known."""
        self._has_behind = False
        self._before: tuple[float, float] | None = None
        """When routes before the policy came first and last, until one behind it comes."""

    def note(self, rib: Rib, time: float) -> None:
        """Note that a route of this table came."""
        if rib is Rib.IN_POST:
            self._has_behind, self.only_before, self._before = True, False, None
        elif rib is Rib.IN_PRE and not (self._has_behind or self.only_before):
            self._before = (self._before or (time, time))[0], time

    def due(self) -> float | None:
        """Return when it will be known that only routes before the policy are reported; ``None``: that is not expected."""
        if self._before is None:
            return None
        first, last = self._before
        return min(last + POST_POLICY_WITHIN_SECONDS[0], first + POST_POLICY_WITHIN_SECONDS[1])

    def late(self, now: float) -> bool:
        """Return whether it has become known by ``now`` that only routes before the policy are reported."""
        due = self.due()
        if due is None or now < due:
            return False
        self._before, self.only_before = None, True
        return True
