"""What a daemon has told: everything at one moment, and what has changed since."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from ermon.client.answers import Circuit, Feed, Finding, Link, Pool, Status, read
from ermon.terminal.words import SEVERITIES

MAX_CLEARED = 200
"""Cleared findings that a picture keeps while it follows a daemon for weeks."""


class Picture:
    """The daemon's state, and its clock."""

    def __init__(self, where: str, clock: Callable[[], float] = time.monotonic) -> None:
        """``where``: the daemon's address, for messages. ``clock``: seconds that only ever grow."""
        self.where = where
        self.changes = 0
        """How often something was taken."""
        self.findings: dict[str, Finding] = {}
        self.status: Status
        self._clock = clock
        self._taken_at = 0.0

    def now(self) -> datetime:
        """Return the daemon's time, which this machine's clock may disagree with."""
        return self.status.time + timedelta(seconds=self._clock() - self._taken_at)

    def take(self, kind: str, data: Any) -> None:
        """Take an event of ``/api/v1/events``; kinds and places that are not known here are passed over.

        Raises ``UnreachableError`` for data that ermon does not send.
        """
        self.changes += 1
        match kind:
            case "snapshot":
                snapshot = read(data, dict[str, Any], self.where)
                self.take_all(snapshot.get("status"), snapshot.get("findings"))
            case "transition":
                self._take_finding(read(data, Finding, self.where))
            case "link":
                self._take_link(read(data, dict[str, Any], self.where))
            case "feed":
                self._take_named(self.status.feeds, data, "feed", Feed)
            case "pool":
                self._take_named(self.status.pools, data, "pool", Pool)
            case _:
                pass

    def take_all(self, status: object, findings: object) -> None:
        found = read(findings, tuple[Finding, ...], self.where)
        self.take_status(status)
        self.findings = {finding.id: finding for finding in found}

    def take_status(self, status: object) -> None:
        self.status = read(status, Status, self.where)
        self._taken_at = self._clock()

    def _take_finding(self, finding: Finding) -> None:
        self.findings[finding.id] = finding
        for old in self.cleared()[MAX_CLEARED:]:
            del self.findings[old.id]

    def _take_link(self, data: dict[str, Any]) -> None:
        circuit = self.status.circuits.get(str(data.get("circuit")), Circuit())
        name = str(data.get("link"))
        if name in circuit.links:
            circuit.links[name] = read(data, Link, self.where)

    def _take_named(self, places: dict[str, Any], data: object, label: str, kind: type) -> None:
        name = str(read(data, dict[str, Any], self.where).get(label))
        if name in places:
            places[name] = read(data, kind, self.where)

    # What is in it -----------------------------------------------------------------------------------

    def raised(self) -> list[Finding]:
        """Return the raised findings, the worst first, then the oldest."""
        found = [finding for finding in self.findings.values() if finding.state == "raised"]
        return sorted(found, key=lambda finding: (_rank(finding.severity), finding.since, finding.id))

    def cleared(self) -> list[Finding]:
        """Return the cleared findings, the latest first."""
        found = [finding for finding in self.findings.values() if finding.state != "raised"]
        return sorted(found, key=lambda finding: finding.cleared_at or finding.since, reverse=True)

    def blind_feeds(self) -> list[str]:
        """Name the feeds whose silence cannot be believed."""
        return [name for name, feed in self.status.feeds.items() if not feed.sees]


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0
