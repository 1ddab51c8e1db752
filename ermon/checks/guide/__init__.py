"""The texts of ``ermon explain``: for each check of the catalogue its guide, and the summary of a finding.

They are read at three in the morning: short sentences, steps in the order in which to take them, and
commands that can be typed as they stand once the words in capitals are replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ermon.checks.guide import advertised, internet, received, sight
from ermon.checks.guide.entry import PLACEHOLDERS, Guide

__all__ = ["GUIDE", "PLACEHOLDERS", "SUMMARY", "Guide"]

GUIDE: Mapping[str, Guide] = {
    **received.GUIDES,
    **advertised.GUIDES,
    **internet.GUIDES,
    **sight.GUIDES,
}
"""The guide of each check, in the order of the catalogue."""

SUMMARY: Mapping[str, str] = {
    **received.SUMMARIES,
    **advertised.SUMMARIES,
    **internet.SUMMARIES,
    **sight.SUMMARIES,
}
"""One line per check that sums a finding up: a ``str.format`` template over the labels of its subject."""


def summary(check: str, labels: Mapping[str, str], evidence: Mapping[str, Any]) -> str:
    """Return the sentence that says what was found, about which subject; some name the pools of the evidence."""
    pools = ", ".join(evidence.get("pools", ()))
    return SUMMARY[check].format(**labels, pools=pools).replace("  ", " ")
