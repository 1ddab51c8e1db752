"""The alerts of findings: one for each check, and one of what only the ermons of all regions together tell."""

from __future__ import annotations

import re

import pytest
import yaml

from ermon.checks.catalogue import CATALOGUE
from ermon.model.settings import Severity
from ermon.rules import RuleSet, render
from tests.deploy import catalogue_tests
from tests.story import config as load

REFERENCE = catalogue_tests.REFERENCE.read_text()


def alerts(config=None, external_url="http://127.0.0.1:10179"):
    """The alerting rules by their check, which the runbook names."""
    document = yaml.safe_load(render([RuleSet.FINDINGS], config, external_url))
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    return {rule["annotations"]["runbook_url"].rpartition("/")[2]: rule for rule in rules}


def test_every_check_has_one_alert_in_the_order_of_the_catalogue():
    assert list(alerts()) == list(CATALOGUE)


@pytest.mark.parametrize("check", CATALOGUE)
def test_an_alert_has_the_labels_that_the_subjects_of_its_check_have(check):
    subjects = [case.subject for case in catalogue_tests.cases() if case.subject.check == check]
    assert subjects, "the configuration asks for nothing"
    names = {name for subject in subjects for name, _ in subject.labels}
    aggregated = re.match(r"max(?: by \(([^)]*)\))? \(", alerts()[check]["expr"])
    assert set(filter(None, (aggregated[1] or "").split(", "))) == names


def test_severities_are_those_of_the_worst_findings():
    found: dict[str, set[Severity]] = {}
    for case in catalogue_tests.cases():
        found.setdefault(case.subject.check, set()).add(case.severity)
    for check, rule in alerts(catalogue_tests.reference()).items():
        assert rule["labels"] == {"severity": min(found[check], key=tuple(Severity).index)}


def test_the_configuration_sets_severities():
    text = REFERENCE.replace("internet_covering: warning", "internet_covering: critical")
    rules = alerts(load(text.replace("link-down: {", "link-down: {severity: critical, ")))
    assert rules["pool-covered"]["labels"] == {"severity": "critical"}
    assert rules["link-down"]["labels"] == {"severity": "critical"}
    assert alerts()["link-down"]["labels"] == {"severity": "warning"}


def test_a_check_that_is_switched_off_alerts_of_nothing():
    off = {"churn-high", "internet-preferred"}  # one by the configuration, one unless switched on
    assert set(CATALOGUE) - set(alerts(load(REFERENCE))) == off


def test_a_severity_of_the_policy_gives_way_to_that_of_the_check():
    text = REFERENCE.replace("link-down: {", "pool-covered: {severity: info}\n  link-down: {")
    assert alerts(load(text))["pool-covered"]["labels"] == {"severity": "info"}


def test_links_lead_to_the_ermon_that_people_reach():
    annotations = alerts(external_url="https://ermon.example.net/")["pool-leak"]["annotations"]
    assert annotations["runbook_url"] == "https://ermon.example.net/runbooks/pool-leak"
    assert annotations["description"].endswith("https://ermon.example.net/")


def test_a_summary_is_one_sentence_that_says_the_same_of_every_subject():
    for rule in alerts().values():
        summary = rule["annotations"]["summary"]
        assert summary.endswith(".")
        assert "$" not in summary


def alert(changes):
    """The alert under a configuration with these settings of its check."""
    text = REFERENCE.replace("link-down: {", f"geo-not-redundant: {changes}\n  link-down: {{")
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


def test_the_rule_of_all_regions_goes_where_its_check_is_switched_off():
    assert alert("{enabled: false}") is None
