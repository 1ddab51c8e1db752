"""The Prometheus rules: what ``ermon render rules`` prints, and what ``deploy/prometheus`` holds."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import yaml

from ermon.model.inventory import Config
from ermon.rules import findings, sight

DEFAULT_EXTERNAL_URL = "http://127.0.0.1:10179"
"""Where an ermon is found that was started without an address."""


class RuleSet(StrEnum):
    """Rules that are wanted together."""

    SELF = "self"
    """Whether ermon itself works: wanted always."""
    FINDINGS = "findings"
    """An alert for each check: wanted unless ermon pushes its findings to an Alertmanager itself."""
    REGIONS = "regions"
    """What needs the series of all regions: wanted where several ermons share one configuration."""


_ABOUT = {
    RuleSet.SELF: "# Alerts on ermon itself: always load these rules.",
    RuleSet.FINDINGS: "# An alert for each check: load these rules unless ermon pushes its findings (alertmanager.urls).",
    RuleSet.REGIONS: "# Alerts that need the ermons of all regions together: for ermons with --feeds.match.",
}
_HOW = (
    "#",
    "# To use your own severities, checks and links, replace this file by the output of:",
    "#   ermon render rules ermon.yml --web.external-url=https://ermon.example.net",
    "# or, as here, with --self, --findings or --regions. Needs Prometheus 2.42 or newer.",
    "",
)


def render(
    rule_sets: Iterable[RuleSet], config: Config | None = None, external_url: str = DEFAULT_EXTERNAL_URL
) -> str:
    """Return one rule file with these rules.

    Severities, and which checks are on, are those of ``config``; without one, they are the catalogue's, and
    every check has its alert. Links lead to the ermon that people reach under ``external_url``.
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
    text = yaml.dump({"groups": groups}, Dumper=_Dumper, sort_keys=False, width=1_000)
    return "\n".join((*map(_ABOUT.__getitem__, rule_sets), *_HOW, text))


class _Dumper(yaml.SafeDumper):
    """Writes rules the way people do: lists indented, and expressions of several lines as they stand."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)
