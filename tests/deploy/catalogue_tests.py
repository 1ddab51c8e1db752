"""Makes the text of ``deploy/prometheus/tests/ermon-findings.test.yml``: a unit test of each check's alert.

Subjects and severities are those of a real monitor. The expected alerts are derived from them here in promtool's own
terms, and not by the code that generates the rules.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.guide import guide
from ermon.core.alarm import Alarm
from ermon.core.monitor import Monitor
from ermon.model.inventory import Config
from ermon.model.settings import Severity
from tests.story import START
from tests.story import config as load

REFERENCE = Path(__file__).parents[2] / "config" / "ermon.reference.yml"

CHANGES = (
    ("  # bmp: {listen:", "  bmp: {listen:"),
    (
        "edge-1: {addresses: [192.0.2.201], platform: frr}",
        "edge-1: {addresses: [192.0.2.201], platform: frr, bmp: {peer: 192.0.2.201, pre_policy: true}}",
    ),
    ("    # azure: {resource_id", "    azure: {resource_id"),
    ("# group: production", "group: production"),
    ("neighbor: 192.0.2.254}", "neighbor: 192.0.2.254, site: hq}"),
    (
        "location: Dallas\n    peering: microsoft",
        "location: Dallas\n    group: production\n    peering: microsoft",
    ),
    ("only_listed: false", "only_listed: true"),
    ("sources: []", "sources: [{kind: bgp-communities, from: list.json}]"),
    ("    premium: true ", "    group: plants\n    premium: true "),
    (
        "\nnat_pools:\n",
        "\n  spare: {geo: us, location: Chicago, peering: private, group: plants, links: {a: {router: edge-1, subnet: 172.16.1.0/30}}}\nnat_pools:\n",
    ),
    (
        "\ninternet_only:",
        "\nownership: {vrps: [{from: vrps.json}], route_objects: [{from: irr.txt}]}\ninternet_only:",
    ),
    ("required: [] ", "required: [198.51.100.0/28] "),
    ("churn-high: {enabled: false,", "internet-preferred: {enabled: true}\n  churn-high: {enabled: true,"),
)
UNWATCHED = ("edge-2-isp-b:", "dmz-core:", "edge-3-priv-b:")
"""Feeds that are left out, so that three kinds of views are missing."""

HEAD = """\
# An alert for each check: it fires, and only this one does; a scrape that fails does not end it; it clears
# with the next scrape; one ermon of two is enough; two make one alert; a restart does not end it.
#
#   promtool test rules ermon-findings.test.yml

rule_files: [../ermon-findings.rules.yml]
evaluation_interval: 15s
tests:"""

# Every 15 seconds; a scrape that fails makes its series stale.
VALUES = {
    "ermon-a": "0 1  1  stale 1 0 0 1 stale _ _ 1 0",
    "ermon-b": "0 0  1  _     1 0 1 1 0     0 0 0 0",
}
MOMENTS = (
    (0, False),  # a good day
    (15, True),  # one ermon sees it
    (30, True),  # both ermons see it
    (45, True),  # neither can be scraped
    (75, False),  # it is over, and both report so
    (90, True),  # the other ermon sees it
    (150, True),  # the one that saw it is being restarted
    (180, False),
)


def reference() -> Config:
    """Return the complete configuration, changed so that every check has a subject."""
    lines = REFERENCE.read_text().splitlines()
    text = "\n".join(line for line in lines if not line.strip().startswith(UNWATCHED))
    for old, new in CHANGES:
        assert old in text, old
        text = text.replace(old, new)
    return load(text)


def cases() -> list[Alarm]:
    """Return every subject of the configuration."""
    return list(Monitor(reference(), START).statuses())


def examples() -> Iterator[Alarm]:
    """Yield a subject of each check and severity: the one with the most labels."""
    kinds: dict[tuple[str, Severity], list[Alarm]] = {}
    for case in cases():
        kinds.setdefault((case.subject.check, case.severity), []).append(case)
    for found in kinds.values():
        yield max(found, key=lambda case: len(case.subject.labels))


def render() -> str:
    cases = [(case, case.severity, False) for case in examples()]
    cases += [
        (case, worse.severity, True)
        for case in examples()
        if (worse := CATALOGUE[case.subject.check].worse) is not None
    ]
    return "\n".join((HEAD, *(_test(*case) for case in cases), ""))


def _test(case: Alarm, severity: Severity, worse: bool) -> str:
    check, labels = case.subject.check, dict(case.subject.labels)
    name = "Ermon" + check.replace("-", " ").title().replace(" ", "")
    expected = {
        "exp_labels": {"severity": severity.value, **labels},
        "exp_annotations": {
            "summary": f"{guide(check).title}.",
            "description": f"{CATALOGUE[check].summarize(labels)}. The evidence is on http://127.0.0.1:10179/",
            "runbook_url": f"http://127.0.0.1:10179/runbooks/{check}",
        },
    }
    lines = [
        f"  - name: {check}, {severity}",
        "    interval: 15s",
        "    input_series:",
    ]
    for instance, values in VALUES.items():
        series = {"instance": f"{instance}:10179", "job": "ermon", "check": check, **labels}
        text = ", ".join(f"{label}={json.dumps(value)}" for label, value in series.items())
        lines += [
            f"      - series: 'ermon_finding_raised{{{text}}}'",
            f"        values: {' '.join(values.split())}",
        ]
        if worse:
            lines += [
                f"      - series: 'ermon_finding_worse{{{text}}}'",
                f"        values: {' '.join(values.split())}",
            ]
    lines.append("    alert_rule_test:")
    first = True
    for seconds, fires in MOMENTS:
        alerts = "[]"
        if fires:
            anchor = f"{check}-{severity}"
            alerts, first = (f"&{anchor} [{json.dumps(expected)}]", False) if first else (f"*{anchor}", False)
        lines.append(f"      - {{eval_time: {seconds}s, alertname: {name}, exp_alerts: {alerts}}}")
    lines += [
        "    promql_expr_test:",
        "      - {expr: 'count(ALERTS{alertstate=\"firing\"})', eval_time: 15s, exp_samples: [{labels: '{}', value: 1}]}",
    ]
    return "\n".join(lines)
