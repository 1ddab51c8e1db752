"""``/api/v1/checks``: what ermon can find, and what to do about it, in the words of ``ermon explain``."""

from __future__ import annotations

from typing import Any

from ermon.checks.catalogue import CATALOGUE, Check
from ermon.checks.guide import GUIDE
from ermon.model.inventory import Config
from ermon.rules.alert import severity


def check_list(config: Config) -> list[dict[str, Any]]:
    """Return every check in the order of the catalogue, with the severity that ``config`` gives it."""
    return [_heading(config, check) for check in CATALOGUE.values()]


def check_data(config: Config, check: Check) -> dict[str, Any]:
    """Return all that is said of one check; commands stand in backticks."""
    guide = GUIDE[check.name]
    return {
        **_heading(config, check),
        "meaning": guide.meaning,
        "needs": guide.needs,
        "action": guide.steps,
        "placeholders": guide.placeholders,
        "source": guide.source,
    }


def _heading(config: Config, check: Check) -> dict[str, Any]:
    return {
        "check": check.name,
        "title": GUIDE[check.name].title,
        "severity": severity(config, check),
        "section": check.section,
    }
