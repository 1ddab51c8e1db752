"""The shipped files for Prometheus: up to date, without lint, and right by Prometheus' own test runner."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from ermon.rules import RuleSet, render
from tests import bgp
from tests.deploy import catalogue_tests

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
TESTS = FOLDER / "tests"


def promtool(*arguments):
    bgp.require(shutil.which("promtool") is not None, "promtool (of Prometheus)")
    return subprocess.run(
        ["promtool", *map(str, arguments)], cwd=TESTS, capture_output=True, text=True, check=False
    )


def alerts(rule_set):
    groups = yaml.safe_load((FOLDER / f"ermon-{rule_set}.rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


@pytest.mark.parametrize("rule_set", RuleSet)
def test_promtool_finds_nothing_to_say_about_the_rules(rule_set):
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", FOLDER / f"ermon-{rule_set}.rules.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_promtool_finds_nothing_to_say_about_the_rules_of_a_configuration(tmp_path):
    file = tmp_path / "rules.yml"
    file.write_text(render([RuleSet.SELF, RuleSet.FINDINGS], catalogue_tests.reference()))
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", file)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.whole_catalogue
@pytest.mark.parametrize("rule_set", RuleSet)
def test_the_rules_pass_their_tests(rule_set):
    tested = promtool("test", "rules", f"ermon-{rule_set}.test.yml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize("rule_set", RuleSet)
def test_every_alert_is_seen_to_fire_and_not_to_fire(rule_set):
    document = yaml.safe_load((TESTS / f"ermon-{rule_set}.test.yml").read_text())
    tried = [each for test in document["tests"] for each in test.get("alert_rule_test", ())]
    fires = {each["alertname"] for each in tried if each["exp_alerts"]}
    silent = {each["alertname"] for each in tried if not each["exp_alerts"]}
    names = {rule["alert"] for rule in alerts(rule_set)}
    assert fires == names
    assert silent == names - {"ErmonWatchdog"}


@pytest.mark.parametrize("rule_set", RuleSet)
def test_every_alert_has_a_severity_and_says_what_is_wrong(rule_set):
    for rule in alerts(rule_set):
        assert rule["labels"]["severity"] in {"critical", "warning", "info", "none"}
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["annotations"]["description"]


def test_the_example_is_a_configuration_of_prometheus():
    checked = promtool("check", "config", FOLDER / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "2 rule files found" in checked.stdout


def with_commented_out_parts(name):
    lines = []
    for line in (FOLDER / name).read_text().splitlines():
        indent, _, rest = line.partition("# ")
        is_code = (
            rest.strip() and not indent.strip() and (":" in rest.split()[0] or rest.lstrip().startswith("- "))
        )
        lines.append(indent + rest if is_code else line)
    return "\n".join(lines).replace("/etc/prometheus/", "")


def test_commented_out_parts_of_the_example_are_valid_too(tmp_path):
    for file in FOLDER.glob("*.rules.yml"):
        shutil.copy(file, tmp_path)
    for name in ("ermon-ca.crt", "ermon.password"):
        (tmp_path / name).touch()
    text = with_commented_out_parts("prometheus.yml")
    found = yaml.safe_load(text)
    assert found["global"]["external_labels"]
    assert "ermon-regions.rules.yml" in found["rule_files"]
    assert found["alerting"]["alert_relabel_configs"]
    assert {"scheme", "tls_config", "basic_auth"} <= set(found["scrape_configs"][0])
    (tmp_path / "prometheus.yml").write_text(text)
    checked = promtool("check", "config", tmp_path / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_scrape_job_of_probes_is_a_configuration_of_prometheus_with_its_commented_out_parts_too(tmp_path):
    checked = promtool("check", "config", FOLDER / "probes.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "1 rule files found" in checked.stdout
    shutil.copy(FOLDER / "ermon-probes.rules.yml", tmp_path)
    for name in ("ermon-ca.crt", "ermon.password"):
        (tmp_path / name).touch()
    text = with_commented_out_parts("probes.yml")
    [job] = yaml.safe_load(text)["scrape_configs"]
    assert {"tls_config", "basic_auth"} <= set(job["http_sd_configs"][0])
    assert [each.get("action") for each in job["relabel_configs"][:2]] == ["drop", "keep"]
    (tmp_path / "probes.yml").write_text(text)
    checked = promtool("check", "config", tmp_path / "probes.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_scrape_job_of_probes_does_not_count_as_an_ermon_and_uses_a_shipped_module():
    [job] = yaml.safe_load((FOLDER / "probes.yml").read_text())["scrape_configs"]
    assert not job["job_name"].startswith("ermon")
    assert set(job["params"]["module"]) < set(
        yaml.safe_load((FOLDER / "blackbox.yml").read_text())["modules"]
    )


def test_blackbox_exporter_takes_its_modules(tmp_path):
    bgp.require(shutil.which("prometheus-blackbox-exporter") is not None, "blackbox_exporter")
    (tmp_path / "blackbox.yml").write_text(with_commented_out_parts("blackbox.yml"))
    for folder in (FOLDER, tmp_path):
        checked = subprocess.run(
            ["prometheus-blackbox-exporter", "--config.check", f"--config.file={folder / 'blackbox.yml'}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == 0, checked.stderr
    assert (
        "source_ip_address"
        in yaml.safe_load((tmp_path / "blackbox.yml").read_text())["modules"]["microsoft_ipv4"]["tcp"]
    )
