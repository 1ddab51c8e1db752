"""What is kept, as values and as rows: what an ermon that starts takes from the one before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from ermon.core.maintenance_book import BookedWindow
from ermon.core.rolling import Levels
from ermon.model.findings import Delivery, Finding
from ermon.model.inventory import LinkFamily
from ermon.storage.database import HistoryRow, Table

BASELINE_SECONDS = 7 * 86400.0
"""What was usual before ermon was off for a week says nothing of today."""

T = TypeVar("T")


class KeptBaseline(msgspec.Struct, frozen=True):
    link: LinkFamily
    levels: Levels
    saved_at: float


@dataclass(frozen=True, slots=True)
class Kept:
    """What an earlier ermon left."""

    findings: tuple[Finding, ...] = ()
    """Those that were raised, the oldest first."""
    cleared: tuple[Finding, ...] = ()
    """Those cleared last, the latest first."""
    baselines: Mapping[LinkFamily, Levels] = field(default_factory=dict)
    windows: tuple[BookedWindow, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    """Those that no receiver has taken yet, the oldest first."""
    unreadable: int = 0
    """Rows that made no sense, and are dropped."""


class Reader:
    """Takes from rows what of them can be understood, and drops the others."""

    def __init__(self, now: float) -> None:
        """``now``: seconds since the epoch."""
        self._now = now
        self._unreadable = 0

    def read(self, state: Mapping[Table, dict[str, bytes]], history: Iterable[HistoryRow]) -> Kept:
        """Return what is kept; rows of ``state`` that make no sense are removed from it."""
        findings = self._table(state[Table.FINDINGS], Finding)
        deliveries = self._table(state[Table.DELIVERIES], Delivery)
        baselines = self._table(state[Table.BASELINES], KeptBaseline)
        return Kept(
            findings=tuple(sorted(findings, key=lambda finding: (finding.raised_at, finding.id))),
            cleared=tuple(self.findings(history)),
            baselines={b.link: b.levels for b in baselines if b.saved_at > self._now - BASELINE_SECONDS},
            windows=tuple(self._table(state[Table.WINDOWS], BookedWindow)),
            deliveries=tuple(sorted(deliveries, key=lambda delivery: (delivery.created_at, delivery.id))),
            unreadable=self._unreadable,
        )

    def findings(self, history: Iterable[HistoryRow]) -> list[Finding]:
        found = (self._decode(row.finding, Finding) for row in history)
        return [finding for finding in found if finding is not None]

    def _table(self, rows: dict[str, bytes], kind: type[T]) -> list[T]:
        found: list[T] = []
        for key in list(rows):
            value = self._decode(rows[key], kind)
            if value is None:
                del rows[key]
            else:
                found.append(value)
        return found

    def _decode(self, value: bytes, kind: type[T]) -> T | None:
        try:
            return msgspec.json.decode(value, type=kind)
        except msgspec.MsgspecError:
            self._unreadable += 1
            return None


def baseline_rows(baselines: Mapping[LinkFamily, Levels], now: float) -> dict[str, bytes]:
    return {
        "/".join((*link, family)): encode(KeptBaseline((link, family), levels, now))
        for (link, family), levels in baselines.items()
    }


def history_row(finding: Finding) -> HistoryRow:
    assert finding.cleared_at is not None
    return HistoryRow(finding.id, finding.cleared_at, encode(finding))


def encode(value: object) -> bytes:
    return msgspec.json.encode(value)
