"""The catalogue of checks, tested by scenarios that also document it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import pytest

from ermon.checks.catalogue import CATALOGUE, subjects
from ermon.checks.check import names_in
from ermon.config.load import load_config
from ermon.config.yaml import read_yaml
from ermon.model.findings import Status, TransitionState
from ermon.model.prefixes import FAMILIES
from ermon.scenario.load import Scenario, load_scenarios
from ermon.scenario.play import Record
from tests.scenario.outcome import assert_it_comes_true

FOLDER = Path(__file__).parents[1] / "scenarios"
FILES = sorted(FOLDER.glob("*.yml"))

ONLY_RELOADED = frozenset({"view-missing"})
"""Checks of the configuration alone: only another configuration clears them."""

WITHOUT_PREFIXES = frozenset(
    {
        "azure-stale",
        "azure-drift",
        "azure-ownership",
        "azure-peering-disabled",
        "azure-provisioning",
        "bmp-down",
        "bmp-no-stats",
        "churn-high",
        "circuit-hidden",
        "circuit-unseen",
        "communities-missing",
        "drain-both",
        "exabgp-down",
        "feed-best-path-only",
        "feed-down",
        "feed-flapping",
        "feed-lost-messages",
        "feed-no-eor",
        "feed-no-hold",
        "feed-overflow",
        "geo-not-redundant",
        "segment-missing",
        "service-missing",
        "service-count-low",
        "sight-lost",
        "source-rejected",
        "storage-failed",
        "view-missing",
    }
)
"""Checks without the label ``family`` and without prefixes, which do not depend on the family."""


@functools.cache
def scenarios_of(file: Path) -> dict[str, Scenario]:
    return {scenario.name: scenario for scenario in load_scenarios(file)}


def named() -> list[tuple[Path, str]]:
    return [(file, str(entry["name"])) for file in FILES for entry in read_yaml(file).values["scenarios"]]


@pytest.mark.parametrize(
    ("file", "name"), [pytest.param(*each, id=f"{each[0].stem}: {each[1]}") for each in named()]
)
def test_the_scenario_passes(file: Path, name: str):
    record = assert_it_comes_true(scenarios_of(file)[name])
    assert_each_finding_says_what_it_is_about(record)


def assert_each_finding_says_what_it_is_about(record: Record) -> None:
    """No two findings have the same summary, and each names its first prefix, and its routers or feeds."""
    said: dict[str, tuple[str, Mapping[str, str]]] = {}
    for each in record.reported:
        finding = each.transition.finding
        about = (finding.check, finding.labels)
        assert said.setdefault(finding.summary, about) == about
        evidence = finding.evidence
        places = evidence.get("routers", evidence.get("feeds", ()))
        if (
            finding.check != "pool-leak"
        ):  # its text is fixed by the contract: the uplink and the router, no feed
            assert all(names_in(finding.summary, place) for place in places), finding.summary
        for prefix in evidence.get("prefixes", ())[:1]:
            assert names_in(finding.summary, prefix), finding.summary


def expects(scenario: Scenario, check: str, state: TransitionState) -> bool:
    return any(e.about.check == check and e.state is state for e in scenario.expected.transitions)


def is_trap(scenario: Scenario, check: str) -> bool:
    """Return whether a scenario says that the check must not be raised, and never expects it."""
    if expects(scenario, check, TransitionState.RAISED):
        return False
    expected = scenario.expected
    denied = any(each.about.check == check for each in expected.forbidden)
    return denied or any(
        e.about.check == check and e.status is not Status.VIOLATED for e in expected.statuses
    )


@pytest.mark.parametrize("check", list(CATALOGUE))
def test_each_check_has_scenarios_in_which_it_is_raised_and_cleared_and_a_trap(check: str):
    found = list(scenarios_of(FOLDER / f"{check}.yml").values())
    assert len(found) >= 3
    assert any(expects(each, check, TransitionState.RAISED) for each in found)
    assert check in ONLY_RELOADED or any(expects(each, check, TransitionState.CLEARED) for each in found)
    assert any(is_trap(each, check) for each in found)


@pytest.mark.parametrize("check", list(CATALOGUE))
def test_each_check_is_raised_in_both_families(check: str):
    company = load_config(FOLDER / "networks" / "company.yml").config
    seen: set[str] = set()
    for scenario in scenarios_of(FOLDER / f"{check}.yml").values():
        for each in scenario.expected.transitions:
            if each.about.check == check and each.state is TransitionState.RAISED:
                seen.update({each.about.labels["family"]} if "family" in each.about.labels else ())
                seen.update(prefix.family for prefix in each.prefixes)
    labels = {label for subject in subjects(company) if subject.check == check for label, _ in subject.labels}
    assert check not in WITHOUT_PREFIXES or "family" not in labels
    assert check in WITHOUT_PREFIXES or seen == set(FAMILIES)


def test_only_known_exceptions_are_without_scenarios():
    assert set(CATALOGUE) >= ONLY_RELOADED | WITHOUT_PREFIXES
