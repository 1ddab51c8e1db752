"""Findings as ermon's API returns them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ermon.api.answers import FindingDoc

AT = "2026-11-18T11:06:40.000Z"


def leak(state: str, labels: Mapping[str, str], summary: str, **evidence: Any) -> FindingDoc:
    return FindingDoc(
        id="f0",
        state=state,
        check="pool-leak",
        severity="critical",
        labels=labels,
        summary=summary,
        evidence=evidence,
        since=AT,
        raised_at=AT,
        ended_at=None,
        cleared_at=None,
        stale=False,
        suppressed=False,
    )
