"""Designs of companies' connections to Microsoft: on a good day ermon raises nothing, and after the loss of the circuit
it raises a critical finding or warning.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ermon.model.findings import TransitionState
from ermon.model.settings import Severity
from ermon.scenario.load import Scenario, load_scenarios
from tests.scenario.outcome import assert_it_comes_true

DESIGNS = sorted((Path(__file__).parents[1] / "designs").glob("*.yml"))


@pytest.fixture(params=DESIGNS, ids=lambda file: file.stem)
def design(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def scenarios(design: Path) -> list[Scenario]:
    return load_scenarios(design)


def test_nothing_is_raised_on_a_good_day_not_even_as_information(scenarios: list[Scenario]):
    good, *_ = scenarios
    record = assert_it_comes_true(good)
    assert [each.transition.finding.summary for each in record.reported] == []


def test_the_loss_of_the_circuit_is_raised(scenarios: list[Scenario]):
    _, *bad = scenarios
    assert bad
    for each in bad:
        record = assert_it_comes_true(each)
        assert any(
            told.transition.state is TransitionState.RAISED
            and told.transition.finding.severity is Severity.CRITICAL
            for told in record.reported
        )


def test_there_are_twelve():
    assert len(DESIGNS) == 12
