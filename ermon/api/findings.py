"""Findings: ``/api/v1/findings``, the events of kind ``transition``, and what replay and webhooks tell of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec

from ermon.api.status import SeverityWord, Time, words
from ermon.model.findings import Finding, Status, TransitionState
from ermon.model.inventory import Severity
from ermon.model.times import rfc3339

_SUBSTANCE = ("check", "severity", "labels", "summary", "evidence")


class FindingDoc(msgspec.Struct, frozen=True, kw_only=True):
    """A violation that has held for its check's ``raise_after``, and what has become of it."""

    id: str
    """The same in every ermon that saw the violation begin, and after a restart."""
    state: Annotated[str, words(TransitionState)]
    check: str
    severity: SeverityWord
    labels: Mapping[str, str]
    """What it is about: exactly the labels of the check's subject."""
    summary: str
    evidence: Mapping[str, Any]
    """What proves it, by name; a list is cut after 20, and ``prefixes_total`` counts all of ``prefixes``."""
    since: Time
    """When the violation began."""
    raised_at: Time
    ended_at: Time | None
    """When the violation ended; it was cleared ``clear_after`` later."""
    cleared_at: Time | None
    stale: bool
    """Raised, and at present not to be judged: it may be over."""
    suppressed: bool
    """A maintenance window, a drain or a larger finding covers it."""


class SubjectDoc(msgspec.Struct, frozen=True, kw_only=True):
    """What a check answers for one subject: an element of ``/api/v1/statuses``, and a line of ``--statuses``."""

    check: str
    labels: Mapping[str, str]
    status: Annotated[str, words(Status)]


def finding_doc(finding: Finding) -> FindingDoc:
    return FindingDoc(
        id=finding.id,
        state=TransitionState.RAISED if finding.cleared_at is None else TransitionState.CLEARED,
        check=finding.check,
        severity=finding.severity,
        labels=finding.labels,
        summary=finding.summary,
        evidence=finding.evidence,
        since=rfc3339(finding.since),
        raised_at=rfc3339(finding.raised_at),
        ended_at=rfc3339(finding.ended_at),
        cleared_at=rfc3339(finding.cleared_at),
        stale=finding.stale,
        suppressed=finding.suppressed,
    )


def substance(finding: FindingDoc) -> dict[str, Any]:
    """Return what a finding says, without its times and marks: what replay and webhooks tell beside times of their own."""
    return {name: getattr(finding, name) for name in _SUBSTANCE}


def by_severity(raised: Iterable[Finding]) -> Mapping[str, int]:
    """Count findings by severity, the worst first, those without any too."""
    counts = Counter(finding.severity for finding in raised)
    return {severity.value: counts[severity] for severity in Severity}
