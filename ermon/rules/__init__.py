"""The Prometheus rules: the output of ``ermon render rules``, and the files in ``deploy/prometheus``."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import yaml

from ermon.model.inventory import Config
from ermon.rules import findings, nat, probes, sight

DEFAULT_EXTERNAL_URL = "http://127.0.0.1:10179"
"""The address of an ermon that was started without one."""


class RuleSet(StrEnum):
    """Rules that are used together."""

    SELF = "self"
    """Whether ermon itself works: always needed."""
    FINDINGS = "findings"
    """An alert for each check: needed unless ermon pushes its findings to an Alertmanager."""
    REGIONS = "regions"
    """Rules over the series of all regions: needed if several instances share one configuration."""
    PROBES = "probes"
    """Whether probes of blackbox_exporter fail although the routes are there: needed if there are such probes."""


_ABOUT = {
    RuleSet.SELF: "# Alerts on ermon itself: always load these rules.",
    RuleSet.FINDINGS: "# An alert for each check: load these rules unless ermon pushes its findings (alertmanager.urls).",
    RuleSet.REGIONS: "# Alerts that need the ermons of all regions together: for ermons with --feeds.match.",
    RuleSet.PROBES: "# Alerts on probes of blackbox_exporter whose routes are there. Without such probes none fires.",
}
_ABOUT_NAT = "# Alerts on the ports of NAT pools, from the sessions that a firewall's exporter counts (--nat-sessions)."
_HOW = (
    "#",
    "# To use your own severities, checks and links, replace this file by the output of:",
    "#   ermon render rules ermon.yml --web.external-url=https://ermon.example.net",
    "# or, as here, with --self, --findings, --regions or --probes. Needs Prometheus 2.42 or newer.",
    "",
)


def render(
    rule_sets: Iterable[RuleSet],
    config: Config | None = None,
    external_url: str = DEFAULT_EXTERNAL_URL,
    nat_sessions: nat.NatSessions | None = None,
) -> str:
    """Return one rule file with these rules.

    ``config`` decides on severities and on which checks are on. Without one, severities are those of the catalogue, and
    every check has its alert. Links are below ``external_url``. With ``nat_sessions``, the file also has the rules on the
    ports of NAT pools, which no file that is shipped has.
    """
    rule_sets = tuple(rule_sets)
    groups: list[dict[str, Any]] = []
    for rule_set in rule_sets:
        match rule_set:
            case RuleSet.SELF:
                groups.append(sight.group(external_url))
            case RuleSet.FINDINGS:
                groups.extend(findings.check_groups(config, external_url))
            case RuleSet.REGIONS:
                groups.extend(findings.region_groups(config, external_url))
            case RuleSet.PROBES:
                groups.append(probes.group())
    about = list(map(_ABOUT.__getitem__, rule_sets))
    if nat_sessions is not None:
        groups.append(nat.group(nat_sessions))
        about.append(_ABOUT_NAT)
    text = yaml.dump({"groups": groups}, Dumper=_Dumper, sort_keys=False, width=1_000)
    return "\n".join((*about, *_HOW, text))


class _Dumper(yaml.SafeDumper):
    """Writes rules in the usual style: lists are indented, and expressions of several lines stay as they are."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)
