"""UPDATEs with malformed path attributes: counted, and logged at a limited rate."""

from __future__ import annotations

import structlog

from ermon.bgp.attributes import RepairKind
from ermon.bgp.malformed import Malformed
from ermon.daemon.sparing import Sparing
from ermon.metrics.process import Telemetry

LOGGED_EVERY_SECONDS = 60.0
"""In this time, one UPDATE is logged for each feed and kind."""

_EFFECTS_AND_REMEDIES: dict[RepairKind, tuple[str, str]] = {
    RepairKind.TREAT_AS_WITHDRAW: (
        "ermon treats the routes of the UPDATE as withdrawn (RFC 7606)",
        "find the router that sends the attribute, and correct it; until then ermon does not see these routes",
    ),
    RepairKind.ATTRIBUTE_DISCARD: (
        "ermon keeps the routes of the UPDATE and ignores the attribute (RFC 7606)",
        "find the router that sends the attribute, and correct it",
    ),
}
"""What ermon does, and what the reader of the log can do."""


class MalformedUpdates:
    """Counts the malformed UPDATEs of all feeds, and logs some of them: one router can send any number."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._logged = Sparing(LOGGED_EVERY_SECONDS)
        self._log = structlog.get_logger()

    def note(self, update: Malformed, now: float) -> None:
        """Count an UPDATE, and log it unless one of its feed and kind was logged shortly before ``now`` (seconds)."""
        self._telemetry.malformed(update.feed, update.kind)
        if not self._logged.passes((update.feed, update.kind), now):
            return
        effect, remedy = _EFFECTS_AND_REMEDIES[update.kind]
        self._log.warning(
            "malformed update",
            feed=update.feed,
            prefix=None if update.prefix is None else str(update.prefix),
            problem=f"malformed path attribute: {update.what}",
            effect=effect,
            remedy=remedy,
        )
