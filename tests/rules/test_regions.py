"""What only the ermons of all regions together tell, with the timers of its check."""

from __future__ import annotations

import yaml

from ermon.rules import RuleSet, render
from tests.deploy.catalogue_tests import REFERENCE
from tests.story import config as load


def alert(changes):
    """The alert under a configuration with these settings of its check."""
    text = REFERENCE.read_text().replace("link-down: {", f"geo-not-redundant: {changes}\n  link-down: {{")
    groups = yaml.safe_load(render([RuleSet.REGIONS], load(text)))["groups"]
    return groups[0]["rules"][-1] if groups else None


def test_the_alert_waits_as_long_as_the_check():
    rule = alert("{raise_after: 90s, clear_after: 1500ms, severity: critical}")
    assert (rule["for"], rule["keep_firing_for"]) == ("90s", "1500ms")
    assert rule["labels"] == {"severity": "critical"}


def test_without_timers_nothing_waits():
    rule = alert("{raise_after: 0, clear_after: 0}")
    assert "for" not in rule
    assert "keep_firing_for" not in rule


def test_a_check_that_is_switched_off_alerts_of_nothing():
    assert alert("{enabled: false}") is None
