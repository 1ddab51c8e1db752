"""What survives a restart of ermon, tested by scenarios."""

from __future__ import annotations

from pathlib import Path

import pytest

from ermon.scenario.load import Scenario, load_scenarios
from tests.scenario.outcome import assert_it_comes_true

SCENARIOS = load_scenarios(Path(__file__).with_name("restart.yml"))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_the_scenario_passes(scenario: Scenario):
    assert_it_comes_true(scenario)
