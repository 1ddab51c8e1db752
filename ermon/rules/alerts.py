"""The shape of an alerting rule."""

from __future__ import annotations

from typing import Any

from ermon.model.settings import Severity


def alert(
    name: str,
    severity: Severity | None,
    expression: str,
    summary: str,
    description: str,
    *,
    wait: str | None = None,
    keep: str | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return the rule of an alert: it fires when ``expression`` has had a result for ``wait``, and until it has had none for
    ``keep``; both are durations as Prometheus writes them. ``None`` as severity is the word ``none``.
    """
    return {
        "alert": name,
        "expr": expression,
        **({"for": wait} if wait is not None else {}),
        **({"keep_firing_for": keep} if keep is not None else {}),
        "labels": {"severity": str(severity) if severity is not None else "none", **(labels or {})},
        "annotations": {"summary": summary, "description": description, **(annotations or {})},
    }
