"""How companies connect to Microsoft: on a good day ermon says nothing about any of these networks, and when their circuit
is lost, somebody is paged.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ermon.model.findings import TransitionState
from ermon.model.settings import Severity
from ermon.scenario import report
from ermon.scenario.load import Scenario, load_scenarios

DESIGNS = sorted((Path(__file__).parents[1] / "designs").glob("*.yml"))


@pytest.fixture(params=DESIGNS, ids=lambda file: file.stem)
def design(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def scenarios(design: Path) -> list[Scenario]:
    return load_scenarios(design)


def test_nothing_is_raised_on_a_good_day_not_even_as_information(scenarios: list[Scenario]):
    good, *_ = scenarios
    record = good.play()
    assert not (found := good.failures(record)), "\n".join(report(good, record, found))
    assert [each.transition.finding.summary for each in record.reported] == []


def test_somebody_is_paged_when_the_circuit_is_lost(scenarios: list[Scenario]):
    _, *bad = scenarios
    assert bad
    for each in bad:
        record = each.play()
        assert not (found := each.failures(record)), "\n".join(report(each, record, found))
        assert any(
            told.transition.state is TransitionState.RAISED
            and told.transition.finding.severity is Severity.CRITICAL
            for told in record.reported
        )


def test_there_are_twelve():
    assert len(DESIGNS) == 12
