"""The alerts of findings: one for each check, and one about all regions together."""

from __future__ import annotations

import re

import pytest
import yaml

from ermon.checks.catalogue import CATALOGUE
from ermon.rules import RuleSet, render
from tests.deploy import catalogue_tests
from tests.story import config as load

REFERENCE = catalogue_tests.REFERENCE.read_text()


def rules(config=None, external_url="http://127.0.0.1:10179"):
    """Return the alerting rules of each check, named by their runbook: one for each of its severities."""
    document = yaml.safe_load(render([RuleSet.FINDINGS], config, external_url))
    found = {}
    for rule in (rule for group in document["groups"] for rule in group["rules"]):
        found.setdefault(rule["annotations"]["runbook_url"].rpartition("/")[2], []).append(rule)
    return found


def alerts(config=None, external_url="http://127.0.0.1:10179"):
    """Return the first rule of each check, that of its worst findings."""
    return {check: found[0] for check, found in rules(config, external_url).items()}


def test_a_configured_severity_leaves_one_alert():
    text = REFERENCE.replace("    # azure: {resource_id", "    azure: {resource_id")
    text = text.replace("\nchecks: ", "\nchecks:\n  azure-prefix-unlisted: {severity: info} ", 1)
    [rule] = rules(load(text))["azure-prefix-unlisted"]
    assert rule["labels"]["severity"] == "info"
    assert "ermon_finding_worse" not in rule["expr"]


def test_every_check_has_its_alert_in_the_order_of_the_catalogue():
    assert list(alerts()) == list(CATALOGUE)


@pytest.mark.parametrize("check", CATALOGUE)
def test_an_alert_has_the_labels_that_the_subjects_of_its_check_have(check):
    subjects = [case.subject for case in catalogue_tests.cases() if case.subject.check == check]
    assert subjects, "the configuration asks for nothing"
    names = {name for subject in subjects for name, _ in subject.labels}
    names |= {"region"} & set(CATALOGUE[check].optional_labels)  # of one of several ermons
    aggregated = re.match(r"max(?: by \(([^)]*)\))? \(", alerts()[check]["expr"])
    assert set(filter(None, (aggregated[1] or "").split(", "))) == names


def test_severities_are_those_of_the_findings():
    found: dict[str, set[str]] = {}
    for case in catalogue_tests.cases():
        worse = CATALOGUE[case.subject.check].worse
        severities = {case.severity.value} | ({worse.severity.value} if worse is not None else set())
        found.setdefault(case.subject.check, set()).update(severities)
    for check, of_check in rules(catalogue_tests.reference()).items():
        assert {rule["labels"]["severity"] for rule in of_check} == found[check]
        assert len(of_check) == len(found[check])


def exabgp_down(config=None):
    """Return the matchers of the alert's rules, with their severities."""
    of_check = rules(config)["exabgp-down"]
    return {
        re.search(r"finding_raised\{(.*)\}", rule["expr"])[1]: rule["labels"]["severity"] for rule in of_check
    }


BOTH_SEVERITIES = {
    'check="exabgp-down", process="edges"': "critical",
    'check="exabgp-down", process!="edges"': "warning",
}


def test_a_process_of_outside_views_alone_has_an_alert_of_its_own():
    assert exabgp_down() == exabgp_down(load(REFERENCE)) == BOTH_SEVERITIES


def test_where_all_processes_are_alike_one_alert_is_enough():
    outside = [line for line in REFERENCE.splitlines() if "view: internet" in line]
    assert outside
    edges_alone = "\n".join(line for line in REFERENCE.splitlines() if line not in outside)
    assert exabgp_down(load(edges_alone)) == {'check="exabgp-down"': "critical"}
    text = REFERENCE.replace("link-down: {", "exabgp-down: {severity: info}\n  link-down: {")
    assert exabgp_down(load(text)) == {'check="exabgp-down"': "info"}


def test_the_configuration_sets_severities():
    text = REFERENCE.replace("internet_covering: warning", "internet_covering: critical")
    rules = alerts(load(text.replace("link-down: {", "link-down: {severity: critical, ")))
    assert rules["pool-covered"]["labels"] == {"severity": "critical"}
    assert rules["link-down"]["labels"] == {"severity": "critical"}
    assert alerts()["link-down"]["labels"] == {"severity": "warning"}


def test_a_check_that_is_switched_off_has_no_alert():
    off = {"churn-high", "internet-preferred"}  # one by configuration, one off by default
    assert set(CATALOGUE) - set(alerts(load(REFERENCE))) == off


def test_a_severity_of_the_policy_gives_way_to_that_of_the_check():
    text = REFERENCE.replace("link-down: {", "pool-covered: {severity: info}\n  link-down: {")
    assert alerts(load(text))["pool-covered"]["labels"] == {"severity": "info"}


def test_links_are_below_the_external_url():
    annotations = alerts(external_url="https://ermon.example.net/")["pool-leak"]["annotations"]
    assert annotations["runbook_url"] == "https://ermon.example.net/runbooks/pool-leak"
    assert annotations["description"].endswith("https://ermon.example.net/")


def test_a_summary_is_one_sentence_for_every_subject():
    for rule in alerts().values():
        summary = rule["annotations"]["summary"]
        assert summary.endswith(".")
        assert "$" not in summary


def alert(changes):
    """Return the alert under a configuration with these settings of its check."""
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
