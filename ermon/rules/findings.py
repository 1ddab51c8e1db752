"""One alert for each check, from ``ermon_finding_raised``.

An alert has exactly the labels of its finding: aggregating ``instance`` and ``job`` away makes one alert
of what both ermons of a high-availability pair see, and labels that do not apply are empty, which to
Prometheus means absent. One of two ermons is enough. There is no ``for``: the value is 1 only after the
check's ``raise_after``, and until after its ``clear_after``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import Check, Section
from ermon.model.inventory import Config
from ermon.rules.alert import HELD, alert, is_wanted


def groups(config: Config | None, external_url: str) -> Iterator[dict[str, Any]]:
    """Yield a group of rules for each section of the catalogue."""
    for section in Section:
        checks = [c for c in CATALOGUE.values() if c.section is section and is_wanted(config, c)]
        if checks:
            name = "ermon-" + section.lower().replace("'", "").replace(" ", "-")
            yield {
                "name": name,
                "rules": [alert(config, check, _raised(check), external_url) for check in checks],
            }


def _raised(check: Check) -> str:
    names = (*check.labels, *check.optional_labels)
    labels = f" by ({', '.join(names)})" if names else ""
    return f'max{labels} (\n  last_over_time(ermon_finding_raised{{check="{check.name}"}}[{HELD}])\n) == 1'
