"""The alerts of findings: one for each check and severity, and one of what only all ermons together tell.

An alert of a check has exactly the labels of its finding: aggregating ``instance`` and ``job`` away makes one alert
of what both ermons of a high-availability pair see, and labels that do not apply are empty, which to
Prometheus means absent. One of two ermons is enough. There is no ``for``: the value is 1 only after the
check's ``raise_after``, and until after its ``clear_after``.

Where each ermon watches the feeds of one region, an ermon that cannot judge ``geo-not-redundant``, since feeds of the
geo's circuits are another's, leaves the question to a rule over all of them. It gives the check's own answer, by
family: a circuit is up when anybody sees a link of it up, down when every link is proven down and nobody sees one
up, and otherwise unknown. Which circuits are redundant cannot be read from their names in an expression: the series
``ermon_metros_apart`` say it. Unknown neither raises nor clears. Where an ermon judges the geo itself, the rule keeps
quiet: one alert, not two.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from textwrap import indent
from typing import Any

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import Check, OtherSeverity, Section, alert_name, named_in, runbook_url
from ermon.checks.guide import guide
from ermon.checks.redundancy import GEO_NOT_REDUNDANT
from ermon.model.inventory import Config
from ermon.model.settings import Severity

HELD = "5m"
"""How long the last value of a series counts when no newer one comes: a failed scrape, a restart, an upgrade
or a rebooting host ends no alert. It delays no clearing, since a newer value always counts. An ermon that
is gone for longer has its own alert, and by then what it last said is no longer to be relied on.
"""


def _is_wanted(config: Config | None, check: Check) -> bool:
    return config is None or check.enabled(config)


def severities(config: Config | None, check: Check) -> list[tuple[str, Severity]]:
    """Return the severities of a check's findings, the configuration's, the policy's or the catalogue's, each with
    what selects its findings: a matcher of Prometheus, empty for all of them.
    """
    other = check.other_severity
    if config is None:
        return [("", check.severity)] if other is None else _two(check.severity, other)
    found = {check.severity_of(subject, config) for subject in check.subjects(config)}
    if other is not None and len(found) > 1:
        return _two(check.severity, other)
    return [("", _worst(found or {check.settings(config).severity or check.severity}))]


def severity(config: Config | None, check: Check) -> Severity:
    """Return the severity of a check's worst findings."""
    return _worst({each for _, each in severities(config, check)})


def _worst(found: Collection[Severity]) -> Severity:
    return next(severity for severity in Severity if severity in found)


def _two(severity: Severity, other: OtherSeverity) -> list[tuple[str, Severity]]:
    return [
        (f'{other.label}="{other.unless}"', severity),
        (f'{other.label}!="{other.unless}"', other.severity),
    ]


def _alert(check: Check, severity: Severity, expression: str, external_url: str) -> dict[str, Any]:
    """Return the rule that alerts of a check while ``expression`` gives something."""
    words = _description(check)
    return {
        "alert": alert_name(check.name),
        "expr": expression,
        "labels": {"severity": str(severity)},
        "annotations": {
            "summary": f"{guide(check.name).title}.",
            "description": f"{words}. The evidence is on {external_url.rstrip('/')}/",
            "runbook_url": runbook_url(external_url, check.name),
        },
    }


def _description(check: Check) -> str:
    """Return the summary as a template of Prometheus: its labels are filled in there, and no rule can name evidence."""
    labels = {*check.labels, *check.optional_labels}

    def fill(text: str) -> str:
        names = named_in(text)
        return text.format_map({name: _value(name) if name in labels else "" for name in names})

    def choose(first: str, second: str) -> str:
        names = named_in(first)
        if not labels.issuperset(names):
            return fill(second)
        if not (some := [f"$labels.{name}" for name in names if name in check.optional_labels]):
            return fill(first)
        condition = some[0] if len(some) == 1 else f"and {' '.join(some)}"
        otherwise = f"{{{{ else }}}}{fill(second)}" if second else ""
        return f"{{{{ if {condition} }}}}{fill(first)}{otherwise}{{{{ end }}}}"

    return check.write_summary(fill, choose)


def _value(label: str) -> str:
    """Return the template of a label's value, with an address family in the spelling of text, such as IPv4."""
    if label == "family":
        return '{{ reReplaceAll "^ip" "IP" $labels.family }}'
    return f"{{{{ $labels.{label} }}}}"


def _duration(seconds: float) -> str:
    """Return a duration as Prometheus writes it, to the millisecond."""
    return f"{seconds:.0f}s" if seconds == int(seconds) else f"{seconds * 1000:.0f}ms"


# One alert for each check and severity ---------------------------------------------------------------------------


def check_groups(config: Config | None, external_url: str) -> Iterator[dict[str, Any]]:
    """Yield a group of rules for each section of the catalogue."""
    for section in Section:
        checks = [c for c in CATALOGUE.values() if c.section is section and _is_wanted(config, c)]
        if checks:
            name = "ermon-" + section.lower().replace("'", "").replace(" ", "-")
            yield {
                "name": name,
                "rules": [
                    _alert(check, severity, _raised(check, matcher), external_url)
                    for check in checks
                    for matcher, severity in severities(config, check)
                ],
            }


def _raised(check: Check, matcher: str) -> str:
    names = (*check.labels, *check.optional_labels)
    labels = f" by ({', '.join(names)})" if names else ""
    selected = f'check="{check.name}"' + (matcher and f", {matcher}")
    return f"max{labels} (\n  last_over_time(ermon_finding_raised{{{selected}}}[{HELD}])\n) == 1"


# One rule over the ermons of all regions ------------------------------------------------------------


_APART = "metros:ermon_apart:info"
_UP, _NOT_DOWN = "metro:ermon_circuits_up:count", "metro:ermon_circuits_not_down:count"
"""Recorded: metropolitan areas that are apart, and of how many circuits in an area it is known that they are up, or
not known that they are down. An area is where a circuit lies, which may be several places.
"""

_GROUP = "geo, group, peering, family"
_METRO = f"{_GROUP}, metro"
_CIRCUITS = f"max by (circuit, {_METRO}) (last_over_time(ermon_circuit_links[{HELD}]))"
_CIRCUITS_UP = f'max by (circuit, family) (last_over_time(ermon_link_state{{state="up"}}[{HELD}])) == 1'
_LINKS_DOWN = (
    f'max by (circuit, link, family) (last_over_time(ermon_link_state{{state="down"}}[{HELD}])) == 1'
)

_RECORDED = {
    _APART: f"max by ({_METRO}, other) (last_over_time(ermon_metros_apart[{HELD}]))",
    _UP: (f"count by ({_METRO}) (\n  {_CIRCUITS}\n  and on (circuit, family)\n  {_CIRCUITS_UP}\n)"),
    _NOT_DOWN: (
        f"count by ({_METRO}) (\n"
        f"  {_CIRCUITS}\n"
        "  unless on (circuit, family) (\n"
        "    count by (circuit, family) (\n"
        f"      {_LINKS_DOWN}\n"
        "    )\n"
        # All that are declared: of a region whose ermon is gone there are no series.
        "    >= on (circuit, family)\n"
        f"    max by (circuit, family) (last_over_time(ermon_circuit_links[{HELD}]))\n"
        "    unless on (circuit, family)\n"
        f"    {_CIRCUITS_UP}\n"
        "  )\n"
        ")"
    ),
}


def _not_apart(circuits: str) -> str:
    """Return the expression for groups in which no two of these circuits are apart, in a family in which two of those
    that are declared are.
    """
    return (
        f"{_APART}\n"
        f"unless on ({_GROUP}) (\n"
        f"  {_APART}\n"
        f"  and on ({_METRO}) {circuits}\n"
        f'  and on ({_GROUP}, other) label_replace({circuits}, "other", "$1", "metro", "(.*)")\n'
        ")"
    )


def _not_redundant(check: Check) -> str:
    """Return the expression for groups that are not redundant, while no ermon judges them by itself."""
    firing = f'ALERTS{{alertname="{alert_name(check.name)}", alertstate="firing"}}'
    found = (
        "count by (geo, group, peering) (\n"
        f"{indent(_not_apart(_NOT_DOWN), '  ')}\n"
        ")\n"
        "or\n"
        "count by (geo, group, peering) (\n"
        f"{indent(_not_apart(_UP), '  ')}\n"
        f")\nand on (geo, group, peering) {firing}"
    )
    return (
        f"(\n{indent(found, '  ')}\n)\n"
        "unless on (geo, group, peering)\n"
        f'last_over_time(ermon_finding_raised{{check="{check.name}"}}[{HELD}])'
    )


def region_groups(config: Config | None, external_url: str) -> Iterator[dict[str, Any]]:
    """Yield the group of these rules, unless the check is switched off."""
    check = GEO_NOT_REDUNDANT
    if not _is_wanted(config, check):
        return
    rule = _alert(check, severity(config, check), _not_redundant(check), external_url)
    timers = {
        "for": check.raise_after if config is None else check.raised_after(config),
        "keep_firing_for": check.clear_after if config is None else check.cleared_after(config),
    }
    yield {
        "name": "ermon-regions",
        "rules": [
            *({"record": name, "expr": expression} for name, expression in _RECORDED.items()),
            {
                "alert": rule["alert"],
                "expr": rule["expr"],
                **{name: _duration(seconds) for name, seconds in timers.items() if seconds},
                "labels": rule["labels"],
                "annotations": rule["annotations"],
            },
        ],
    }
