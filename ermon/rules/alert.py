"""What every alert of a check has in common, whichever rule it comes from."""

from __future__ import annotations

from typing import Any

from ermon.checks.check import Check, alert_name, runbook_url
from ermon.checks.guide import guide
from ermon.model.inventory import Config, Severity

HELD = "5m"
"""How long the last value of a series counts when no newer one comes: a failed scrape, a restart, an upgrade
or a rebooting host ends no alert. It delays no clearing, since a newer value always counts. An ermon that
is gone for longer has its own alert, and by then what it last said is no longer to be relied on.
"""


def is_wanted(config: Config | None, check: Check) -> bool:
    return config is None or check.enabled(config)


def severity(config: Config | None, check: Check) -> Severity:
    """Return the severity of a check's findings: the configuration's, the policy's or the catalogue's."""
    if config is None:
        return check.severity
    if (configured := check.settings(config).severity) is not None:
        return configured
    return next((s.severity for s in check.subjects(config) if s.severity is not None), check.severity)


def alert(config: Config | None, check: Check, expression: str, external_url: str) -> dict[str, Any]:
    """Return the rule that alerts of a check while ``expression`` gives something."""
    words = check.summarize_with(_Templates(dict.fromkeys(check.named_evidence, "")))
    return {
        "alert": alert_name(check.name),
        "expr": expression,
        "labels": {"severity": str(severity(config, check))},
        "annotations": {
            "summary": f"{guide(check.name).title}.",
            "description": f"{words}. The evidence is on {external_url.rstrip('/')}/",
            "runbook_url": runbook_url(external_url, check.name),
        },
    }


class _Templates(dict[str, str]):
    """Stands for any label: Prometheus fills it in."""

    def __missing__(self, label: str) -> str:
        return f"{{{{ $labels.{label} }}}}"


def duration(seconds: float) -> str:
    """Return a duration as Prometheus writes it, to the millisecond."""
    return f"{seconds:.0f}s" if seconds == int(seconds) else f"{seconds * 1000:.0f}ms"
