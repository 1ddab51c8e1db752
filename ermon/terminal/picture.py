"""What a daemon has told: everything at one moment, and what has changed since."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from ermon.api.answers import LinkEvent
from ermon.api.findings import FindingDoc
from ermon.api.status import FeedDoc, HeadlineDoc, LinkDoc, PoolDoc, StatusDoc
from ermon.client.http import read
from ermon.terminal.words import SEVERITIES, instant

MAX_CLEARED = 200
"""Cleared findings that a picture keeps while it follows a daemon for weeks."""


class Picture:
    """The daemon's state, and its clock."""

    def __init__(self, where: str, clock: Callable[[], float] = time.monotonic) -> None:
        """``where``: the daemon's address, for messages. ``clock``: seconds that only ever grow."""
        self.where = where
        self.changes = 0
        """How often something was taken."""
        self.findings: dict[str, FindingDoc] = {}
        self.status: StatusDoc
        self._clock = clock
        self._taken_at = 0.0

    def now(self) -> datetime:
        """Return the daemon's time, which this machine's clock may disagree with."""
        return instant(self.status.time) + timedelta(seconds=self._clock() - self._taken_at)

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
                self._take_finding(read(data, FindingDoc, self.where))
            case "link":
                self._take_link(read(data, dict[str, Any], self.where))
            case "feed" if (name := self._name(data, "feed")) in self.status.feeds:
                feeds = {**self.status.feeds, name: read(data, FeedDoc, self.where)}
                self.status = msgspec.structs.replace(self.status, feeds=feeds)
            case "pool" if (name := self._name(data, "pool")) in self.status.pools:
                pools = {**self.status.pools, name: read(data, PoolDoc, self.where)}
                self.status = msgspec.structs.replace(self.status, pools=pools)
            case "headline":
                headline = read(data, HeadlineDoc, self.where)
                self.status = msgspec.structs.replace(self.status, headline=headline)
            case _:
                pass

    def take_all(self, status: object, findings: object) -> None:
        found = read(findings, tuple[FindingDoc, ...], self.where)
        self.take_status(status)
        self.findings = {finding.id: finding for finding in found}

    def take_status(self, status: object) -> None:
        self.status = read(status, StatusDoc, self.where)
        self._taken_at = self._clock()

    def _take_finding(self, finding: FindingDoc) -> None:
        self.findings[finding.id] = finding
        for old in self.cleared()[MAX_CLEARED:]:
            del self.findings[old.id]

    def _take_link(self, data: dict[str, Any]) -> None:
        name, link = str(data.get("circuit")), str(data.get("link"))
        circuit = self.status.circuits.get(name)
        if circuit is None or link not in circuit.links:
            return
        now = read(data, LinkEvent, self.where).circuit_state
        circuit = msgspec.structs.replace(
            circuit,
            links={**circuit.links, link: read(data, LinkDoc, self.where)},
            state=now.state,
            links_up=now.links_up,
            overall=now.overall,
        )
        circuits = {**self.status.circuits, name: circuit}
        self.status = msgspec.structs.replace(self.status, circuits=circuits)

    def _name(self, data: object, label: str) -> str:
        return str(read(data, dict[str, Any], self.where).get(label))

    # What is in it -----------------------------------------------------------------------------------

    def raised(self) -> list[FindingDoc]:
        """Return the raised findings, the worst first, then the oldest."""
        found = [finding for finding in self.findings.values() if finding.state == "raised"]
        return sorted(found, key=lambda finding: (_rank(finding.severity), finding.since, finding.id))

    def cleared(self) -> list[FindingDoc]:
        """Return the cleared findings, the latest first."""
        found = [finding for finding in self.findings.values() if finding.state != "raised"]
        return sorted(found, key=lambda finding: finding.cleared_at or finding.since, reverse=True)


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0
