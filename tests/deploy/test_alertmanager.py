"""The shipped Alertmanager configuration: who is alerted, what becomes a ticket, and what inhibits what."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from ermon.checks.catalogue import CATALOGUE, SUPPRESSES
from ermon.checks.check import alert_name
from ermon.rules import RuleSet, render
from tests import bgp
from tests.deploy import catalogue_tests

FILE = Path(__file__).parents[2] / "deploy" / "alertmanager" / "alertmanager.yml"
CONFIGURATION = yaml.safe_load(FILE.read_text())
RECEIVERS = {"critical": "pager", "warning": "tickets", "info": "nobody"}
ERMONS_OWN = {"bmp-down", "drain", "exabgp-down", "sight-lost", "uplinks-down"}
"""Causes whose effects cannot be named by labels. ermon suppresses them itself, and Alertmanager must not guess. The
same holds where only the configuration says that a pool or a feed belongs to a circuit.
"""


def amtool(*arguments):
    bgp.require(shutil.which("amtool") is not None, "amtool (of Alertmanager)")
    return subprocess.run(["amtool", *map(str, arguments)], capture_output=True, text=True, check=False)


def receiver(file=FILE, **labels):
    pairs = (f"{name}={value}" for name, value in labels.items())
    asked = amtool("config", "routes", "test", f"--config.file={file}", *pairs)
    assert asked.returncode == 0, asked.stderr
    return asked.stdout.strip()


def inhibitions():
    """Yield source, target and the labels that must be equal, by the names of alerts."""
    for rule in CONFIGURATION["inhibit_rules"]:
        (source,), (target,) = (
            [matcher.partition("alertname =")[2] for matcher in rule[f"{side}_matchers"]]
            for side in ("source", "target")
        )
        names = re.fullmatch(r'~ "Ermon\((.*)\)"', target)
        for name in (f"Ermon{n}" for n in names[1].split("|")) if names else [target.strip()]:
            yield source.strip(), name, set(rule["equal"])


def test_amtool_finds_nothing_to_say():
    checked = amtool("check-config", FILE)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("case", list(catalogue_tests.examples()), ids=lambda case: case.subject.check)
def test_a_finding_goes_where_its_severity_says(case):
    labels = dict(case.subject.labels)
    name = alert_name(case.subject.check)
    assert receiver(alertname=name, severity=case.severity, **labels) == RECEIVERS[case.severity]


def test_alerts_of_prometheus_about_ermon_go_where_their_severity_says():
    rules = yaml.safe_load(render([RuleSet.SELF]))["groups"][0]["rules"]
    for rule in rules:
        if rule["alert"] != "ErmonWatchdog":
            expected = RECEIVERS[rule["labels"]["severity"]]
            assert receiver(alertname=rule["alert"], job="ermon", **rule["labels"]) == expected


def test_a_severity_that_the_configuration_changes_changes_the_receiver():
    assert receiver(alertname="ErmonPoolLeak", severity="warning", pool="chi-outbound") == "tickets"


def test_each_watchdog_has_a_switch_of_its_own():
    assert receiver(alertname="ErmonWatchdog", severity="none", sender="prometheus") == "switch-prometheus"
    assert receiver(alertname="ErmonWatchdog", severity="none") == "switch-ermon"


def test_other_peoples_alerts_are_left_alone():
    assert receiver(alertname="DiskFull", severity="critical") == "tickets"


def test_a_page_is_sent_without_delay():
    ermon = CONFIGURATION["route"]["routes"][0]
    _, page = (route for route in ermon["routes"] if route["receiver"] == "pager")
    assert page["group_wait"] == "0s"
    assert page.get("group_by", ermon["group_by"]) == ["alertname", "circuit"]


def labels_of(check: str) -> frozenset[str]:
    return frozenset((*CATALOGUE[check].labels, *CATALOGUE[check].optional_labels))


def test_ten_circuits_that_are_lost_from_sight_are_one_page():
    ermon = CONFIGURATION["route"]["routes"][0]
    unseen, _ = (route for route in ermon["routes"] if route["receiver"] == "pager")
    assert unseen["matchers"] == ["alertname = ErmonCircuitUnseen", "severity = critical"]
    assert unseen["group_by"] == ["alertname"]
    labels = {"alertname": "ErmonCircuitUnseen", "circuit": "chicago"}
    assert receiver(**labels, severity="critical") == "pager"
    assert receiver(**labels, severity="warning") == "tickets"


def test_inhibitions_match_the_suppressions_of_the_catalogue():
    known = {alert_name(check): check for check in CATALOGUE}
    found = {
        (known[source], known[target], frozenset(equal))
        for source, target, equal in inhibitions()
        if source in known and target in known
    }
    expected = {
        (cause, effect, labels_of(cause) & labels_of(effect))
        for cause, effects in SUPPRESSES.items()
        if cause not in ERMONS_OWN
        for effect in effects
        if "circuit" in labels_of(effect) or "circuit" not in labels_of(cause)
    }
    assert found == expected


def test_alerts_of_prometheus_are_inhibited_by_more_precise_ones():
    own = {rule["alert"]: rule for rule in yaml.safe_load(render([RuleSet.SELF]))["groups"][0]["rules"]}
    found = {(source, target) for source, target, _ in inhibitions() if target in own}
    assert found == {
        ("ErmonExabgpDown", "ErmonExabgpNotRunning"),
        ("ErmonCannotNotify", "ErmonNotificationsFailing"),
    }


def test_every_alert_that_is_named_exists():
    names = {alert_name(check) for check in CATALOGUE}
    names |= {rule["alert"] for rule in yaml.safe_load(render([RuleSet.SELF]))["groups"][0]["rules"]}
    assert set(re.findall(r"\bErmon[A-Z]\w+", FILE.read_text())) - names == set()


def test_the_file_has_no_secret():
    text = re.sub(r"\w+_file\b", "", FILE.read_text())
    assert re.findall(r"(?:password|credentials|routing_key|service_key|token|api_url):", text) == []


@pytest.mark.parametrize("default", ["someone", "nobody"])
def test_the_marked_parts_work_in_another_file(tmp_path, default):
    parts = {
        name: re.search(rf"# ermon: {name} -+\n(.*?)# ermon: {name} end", FILE.read_text(), re.DOTALL)[1]
        for name in ("routes", "inhibition", "receivers")
    }
    own = "" if default == "nobody" else f"  - name: {default}\n"
    file = tmp_path / "alertmanager.yml"
    file.write_text(
        "global: {smtp_smarthost: 'localhost:25', smtp_from: am@example.net}\n"
        f"route:\n  receiver: {default}\n  routes:\n{parts['routes']}\n{parts['inhibition']}\n"
        f"receivers:\n{own}{parts['receivers']}\n"
    )
    checked = amtool("check-config", file)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert receiver(file, alertname="ErmonPoolLeak", severity="critical") == "pager"
    assert receiver(file, alertname="DiskFull", severity="critical") == default
