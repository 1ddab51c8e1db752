"""Findings as the alerts of Alertmanager's API (version 2), and what it must be sent of them.

Nothing here sends anything or reads a clock. Alertmanager keeps no alerts over a restart, and forgets each
one at its ``endsAt``: so it is sent the whole state again and again, and news at once.
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
"""An alert's labels, sorted: only they identify it in Alertmanager."""

WATCHDOG = "ErmonWatchdog"
WATCHDOG_SEVERITY = "none"
"""By convention (kube-prometheus) a watchdog has no severity: it is routed to a dead man's switch."""

RESOLVED_KEPT_SECONDS = 300.0
"""How long a cleared finding is re-sent, for receivers that were restarting."""

MAX_DESCRIPTION_CHARACTERS = 3_000
"""The text of one block in Slack; a list of 20 IPv6 prefixes is a third of it."""

_HEADINGS = {"as_paths": "AS paths", "cleared_because": "Cleared because"}


# One alert -------------------------------------------------------------------------------------------------


def labels(finding: Finding) -> dict[str, str]:
    """Return an alert's labels: its name, its severity, and those of the finding that are not empty."""
    own = {name: value for name, value in finding.labels.items() if value}
    return {"alertname": alert_name(finding.check), "severity": str(finding.severity), **own}


def alert(finding: Finding, ends_at: float, external_url: str) -> Alert:
    """Return the alert of a finding, over at ``ends_at`` (seconds since the epoch) unless sent again.

    It starts when the finding was raised, not when the violation began: Alertmanager does not wait for
    ``group_wait`` with an alert that is older, and the causes that inhibit it may be on their way.
    """
    return {
        "labels": labels(finding),
        "annotations": {
            "summary": finding.summary,
            "description": description(finding),
            "runbook_url": runbook_url(external_url, finding.check),
        },
        "startsAt": rfc3339(finding.raised_at),
        "endsAt": rfc3339(max(ends_at, finding.raised_at)),  # an earlier end is refused: clocks are set back
        "generatorURL": finding_url(external_url, finding.id),
    }


def watchdog(started_at: float, ends_at: float, external_url: str) -> Alert:
    """Return the alert that always fires: when it stops coming, ermon or the way from it is broken."""
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
    """Return since when it is so, what proves it and where to read what to do, as sentences."""
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
    return printable(str(value))  # a reason may come from a peer


# All of them -----------------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """A finding as one Alertmanager is to know it."""

    identity: Identity
    finding: Finding
    ended_at: float | None
    """Seconds since the epoch; ``None`` while it is raised."""


class Ledger:
    """The alerts that one Alertmanager was sent. They are resolved there when they are over.

    An alert is its labels, and severity is one of them. Say ``pool-leak`` was sent as a warning, and a reload
    makes it critical: under its new labels it is a new alert, and the old one would fire until it expires.
    So it is over, though nothing was cleared, and is sent as resolved for ``RESOLVED_KEPT_SECONDS`` beside the
    new one. A finding that is cleared and raised again in that time has the same labels: then it fires, and is
    not sent as resolved as well.
    """

    def __init__(self) -> None:
        self._raised: dict[Identity, Finding] = {}
        self._resolved: dict[Identity, Entry] = {}
        self._told: dict[Identity, tuple[str, float | None]] = {}

    def due(
        self, raised: Iterable[Finding], cleared: Iterable[Finding], now: float, *, everything: bool
    ) -> list[Entry]:
        """Return what must be sent now, causes before what they cause: ``everything``, or what is new.

        ``cleared`` has the newest first.
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
        """Note what is over: what was cleared, and what a reload took away or gave another severity."""
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
        """Note what the Alertmanager has taken."""
        self._told.update((entry.identity, _mark(entry)) for entry in entries)


def _mark(entry: Entry) -> tuple[str, float | None]:
    return (entry.finding.id, entry.ended_at)


def _ranks() -> dict[str, int]:
    """How many causes stand one behind the other above each check that causes or is caused."""
    effects: dict[str, tuple[str, ...]] = {
        cause: (*SUPPRESSES.get(cause, ()), *SUPPRESSES_TOGETHER.get(cause, ()))
        for cause in (*SUPPRESSES, *SUPPRESSES_TOGETHER)
    }
    ranks = dict.fromkeys(effects, 0)
    grown = True
    while grown:  # the relation has no circle: a check that caused itself could never be raised
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
