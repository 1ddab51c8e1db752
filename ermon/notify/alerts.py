"""Turns findings into alerts of Alertmanager's API (version 2), and decides which of them must be sent.

This module does no I/O and reads no clock. Alertmanager keeps no alerts over a restart, and resolves each at its
``endsAt``. So ermon sends it the whole state regularly, and changes at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ermon.checks.catalogue import SUPPRESSES, SUPPRESSES_TOGETHER
from ermon.checks.check import alert_name, finding_url, runbook_url
from ermon.model.findings import Finding
from ermon.model.settings import RANKS
from ermon.model.text import printable, rfc3339, utc_text

Alert = dict[str, Any]
Identity = tuple[tuple[str, str], ...]
"""The sorted labels of an alert, which alone identify it in Alertmanager."""

WATCHDOG = "ErmonWatchdog"
WATCHDOG_SEVERITY = "none"
"""The watchdog's severity by convention (kube-prometheus). The watchdog is routed to a dead man's switch."""

RESOLVED_KEPT_SECONDS = 300.0
"""How long a cleared finding is sent again, for receivers that were restarting."""

MAX_DESCRIPTION_CHARACTERS = 3_000
"""Slack's limit for the text of one block; a list of 20 IPv6 prefixes takes a third of it."""

_HEADINGS = {"as_paths": "AS paths", "cleared_because": "Cleared because"}


# One alert -------------------------------------------------------------------------------------------------


def labels(finding: Finding) -> dict[str, str]:
    """Return an alert's labels: its name, its severity, and the non-empty labels of the finding."""
    own = {name: value for name, value in finding.labels.items() if value}
    return {"alertname": alert_name(finding.check), "severity": str(finding.severity), **own}


def alert(finding: Finding, ends_at: float, external_url: str) -> Alert:
    """Return the alert of a finding. It ends at ``ends_at`` (seconds since the epoch) unless it is sent again.

    It starts when the finding was raised, not when the violation began. Alertmanager does not wait for ``group_wait``
    with an alert that started earlier than that, and alerts that inhibit it may still be missing.
    """
    return {
        "labels": labels(finding),
        "annotations": {
            "summary": finding.summary,
            "description": description(finding),
            "runbook_url": runbook_url(external_url, finding.check),
        },
        "startsAt": rfc3339(finding.raised_at),
        "endsAt": rfc3339(max(ends_at, finding.raised_at)),  # an end before the start is refused
        "generatorURL": finding_url(external_url, finding.id),
    }


def watchdog(started_at: float, ends_at: float, external_url: str) -> Alert:
    """Return the alert that always fires. If it no longer arrives, ermon or the path from it is broken."""
    return {
        "labels": {"alertname": WATCHDOG, "severity": WATCHDOG_SEVERITY},
        "annotations": {
            "summary": "ermon runs and reaches this Alertmanager.",
            "description": "This alert always fires. If it stops, ermon no longer runs, or its alerts no longer arrive: check ermon.",
        },
        "startsAt": rfc3339(started_at),
        "endsAt": rfc3339(max(ends_at, started_at)),
        "generatorURL": external_url,
    }


def description(finding: Finding) -> str:
    """Return the text of an alert: since when the violation lasts, its evidence, and where the guide is."""
    parts = [f"Since {utc_text(finding.since)}."]
    if finding.ended_at is not None:
        parts.append(f"Until {utc_text(finding.ended_at)}.")
    evidence = dict(finding.evidence)
    total = evidence.pop("prefixes_total", 0)
    for name, value in evidence.items():
        more = f" and {total - len(value)} more" if name == "prefixes" and total > len(value) else ""
        parts.append(f"{_HEADINGS.get(name) or name.replace('_', ' ').capitalize()}: {_text(value)}{more}.")
    if finding.stale:
        parts.append("It may be over: ermon cannot see it at present.")
    if finding.suppressed:
        because = finding.suppressed_because or "maintenance, a drain or another finding"
        parts.append(f"At present it is suppressed: {because}.")
    text = " ".join(parts)
    todo = f" What to do, on ermon's host: ermon explain {finding.id}"
    room = MAX_DESCRIPTION_CHARACTERS - len(todo)
    return (text if len(text) <= room else f"{text[: room - 1]}…") + todo


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return printable(str(value))  # a reason may be the text of a BGP peer


# All alerts ------------------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """A finding as it must be sent to one Alertmanager."""

    identity: Identity
    finding: Finding
    ended_at: float | None
    """Seconds since the epoch; ``None`` while it is raised."""


class Ledger:
    """Remembers the alerts that one Alertmanager was sent, in order to resolve them there.

    The labels identify an alert, and severity is one of them. Say ``pool-leak`` was sent as a warning, and a reload
    makes it critical. With its new labels it is a new alert, and the old one would fire until it expires. So the old
    one is sent as resolved for ``RESOLVED_KEPT_SECONDS`` beside the new one, although nothing was cleared. A finding
    that is cleared and raised again in that time has the same labels: then it fires, and is not also sent as resolved.
    """

    def __init__(self) -> None:
        self._raised: dict[Identity, Finding] = {}
        self._resolved: dict[Identity, Entry] = {}
        self._told: dict[Identity, tuple[str, float | None]] = {}

    def due(
        self, raised: Iterable[Finding], cleared: Iterable[Finding], now: float, *, everything: bool
    ) -> list[Entry]:
        """Return what must be sent now, causes before their effects: with ``everything`` all alerts, else the changes.

        ``cleared`` is sorted by time, the newest first.
        """
        current = {tuple(sorted(labels(finding).items())): finding for finding in raised}
        self._resolve(current, cleared, now)
        self._raised = current
        self._told = {key: m for key, m in self._told.items() if key in current or key in self._resolved}
        entries = [*(Entry(key, finding, None) for key, finding in current.items()), *self._resolved.values()]
        if not everything:
            entries = [entry for entry in entries if self._told.get(entry.identity) != _mark(entry)]
        return sorted(entries, key=_order)

    def _resolve(self, current: Mapping[Identity, Finding], cleared: Iterable[Finding], now: float) -> None:
        """Note which alerts must be resolved: those that were cleared, removed by a reload, or given another severity."""
        over = {key: Entry(key, finding, now) for key, finding in self._raised.items() if key not in current}
        known: set[Identity] = set()
        for finding in cleared:
            ended_at = now if finding.cleared_at is None else min(finding.cleared_at, now)
            if ended_at < now - RESOLVED_KEPT_SECONDS:
                break
            key = tuple(sorted(labels(finding).items()))
            if key not in known:
                known.add(key)
                over[key] = Entry(key, finding, ended_at)
        self._resolved = {
            key: entry
            for key, entry in (self._resolved | over).items()
            if key not in current and (entry.ended_at or 0.0) >= now - RESOLVED_KEPT_SECONDS
        }

    def sent(self, entries: Iterable[Entry]) -> None:
        """Note what the Alertmanager has accepted."""
        self._told.update((entry.identity, _mark(entry)) for entry in entries)


def _mark(entry: Entry) -> tuple[str, float | None]:
    return (entry.finding.id, entry.ended_at)


def _ranks() -> dict[str, int]:
    """Return the length of the longest chain of causes above each check that causes others or is caused by them."""
    effects: dict[str, tuple[str, ...]] = {
        cause: (*SUPPRESSES.get(cause, ()), *SUPPRESSES_TOGETHER.get(cause, ()))
        for cause in (*SUPPRESSES, *SUPPRESSES_TOGETHER)
    }
    ranks = dict.fromkeys(effects, 0)
    grown = True
    while grown:  # this ends, because no check suppresses itself, not even through others
        grown = False
        for cause, caused in effects.items():
            for effect in caused:
                if ranks.get(effect, -1) <= ranks[cause]:
                    ranks[effect] = ranks[cause] + 1
                    grown = True
    return ranks


_RANKS = _ranks()
_UNRELATED = max(_RANKS.values()) + 1


def _order(entry: Entry) -> tuple[bool, int, int, float, Identity]:
    finding = entry.finding
    rank = _RANKS.get(finding.check, _UNRELATED)
    return (entry.ended_at is not None, rank, RANKS[finding.severity], finding.raised_at, entry.identity)
