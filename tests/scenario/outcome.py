"""Runs scenarios that must pass."""

from __future__ import annotations

from ermon.scenario import report
from ermon.scenario.load import Scenario
from ermon.scenario.play import Record


def assert_it_comes_true(scenario: Scenario) -> Record:
    """Run a scenario, and fail with its report if it does not pass."""
    record = scenario.play()
    found = scenario.failures(record)
    assert not found, "\n".join(report(scenario, record, found))
    return record
