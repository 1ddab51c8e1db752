"""The numbers that one check alone understands, and that a configuration may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ermon.model.inventory import CheckSettings, Config


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that one check alone understands."""

    default: float
    """In the unit; durations are seconds."""
    unit: Literal["count", "percent", "duration"]
    description: str


CHECK_PARAMETERS: Mapping[str, Mapping[str, Parameter]] = {
    "link-flapping": {
        "changes": Parameter(
            3, "count", "So many changes between up and down within `window` are still fine."
        ),
        "window": Parameter(600.0, "duration", "The rolling window in which changes are counted."),
    },
    "feed-flapping": {
        "losses": Parameter(3, "count", "So many losses of the session within `window` are still fine."),
        "window": Parameter(600.0, "duration", "The rolling window in which losses are counted."),
    },
    "churn-high": {
        "per_minute": Parameter(600, "count", "So many route changes a minute are still fine."),
    },
    "drain": {
        "repeats": Parameter(4, "count", "12076 so many times in a row marks a path that is being drained."),
        "percent": Parameter(50.0, "percent", "The link drains when more of its paths than this are marked."),
    },
    "advertised-limit-near": {
        "percent": Parameter(80.0, "percent", "Share of Microsoft's limit of prefixes."),
    },
    "advertised-limit-reached": {
        "percent": Parameter(95.0, "percent", "Share of Microsoft's limit of prefixes."),
    },
}
"""By check. Checks without a row have no parameters of their own."""


def parameter(config: Config, check: str, name: str) -> float:
    """Return a check's parameter as configured, else the catalogue's."""
    settings = config.checks.get(check, CheckSettings())
    return settings.parameters.get(name, CHECK_PARAMETERS[check][name].default)
