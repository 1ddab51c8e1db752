"""The alerts of findings: one for each check and severity, and one about all regions together.

An alert of a check has exactly the labels of its finding. Aggregating ``instance`` and ``job`` away makes one alert of
what both instances of a high-availability pair see; one of the two is enough. Labels that do not apply are empty, which
to Prometheus means absent. There is no ``for``: the value is 1 only after the check's ``raise_after``, and until after
its ``clear_after``.

If each instance watches the feeds of one region, an instance may be unable to judge ``geo-not-redundant``, because
feeds of the geo's circuits belong to another one. Then a rule over all instances judges it instead, in the same way as
the check, by family: a circuit is up if any instance sees an up link of it, down if every link is proven down and no
instance sees one up, and otherwise unknown. Which circuits are redundant cannot be read from their names in an
expression, so the series ``ermon_metros_apart`` say it. Unknown neither raises nor clears. If an instance judges the
geo itself, the rule does not fire, so that there is one alert and not two.
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
"""How long the last value of a series counts if there is no newer one, so that a failed scrape, a restart, an upgrade
or a reboot ends no alert. It does not delay clearing, since a newer value always counts. An instance that is gone for
longer has its own alert, and its last values are too old by then.
"""


def _is_wanted(config: Config | None, check: Check) -> bool:
    return config is None or check.enabled(config)


def severities(config: Config | None, check: Check) -> list[tuple[str, Severity]]:
    """Return the severities of a check's findings (of the configuration, the policy or the catalogue), each with a
    matcher of Prometheus that selects its findings; the matcher is empty if it applies to all.
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
    """Return the rule that raises an alert of a check while ``expression`` has a result."""
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
    """Return the summary as a template of Prometheus, which fills in the labels. A rule cannot name evidence."""
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
    """Return the template of a label's value; address families are spelled as in text, such as IPv4."""
    if label == "family":
        return '{{ reReplaceAll "^ip" "IP" $labels.family }}'
    return f"{{{{ $labels.{label} }}}}"


def _duration(seconds: float) -> str:
    """Format a duration as Prometheus does, to the millisecond."""
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
                    _alert(check, severity, expression, external_url)
                    for check in checks
                    for severity, expression in _expressions(config, check)
                ],
            }


def _expressions(config: Config | None, check: Check) -> Iterator[tuple[Severity, str]]:
    """Yield the severities of a check's findings, each with the expression that selects the raised ones."""
    fixed = config is not None and check.settings(config).severity is not None
    for matcher, severity in severities(config, check):
        raised = _raised(check, matcher)
        if check.worse is None or fixed:
            yield severity, raised
            continue
        names = ", ".join((*check.labels, *check.optional_labels))
        worse = _raised(check, matcher).replace("ermon_finding_raised", "ermon_finding_worse")
        yield severity, f"{raised}\nunless on ({names})\n{worse}"
        yield check.worse.severity, f"{raised}\nand on ({names})\n{worse}"


def _raised(check: Check, matcher: str) -> str:
    names = (*check.labels, *check.optional_labels)
    labels = f" by ({', '.join(names)})" if names else ""
    selected = f'check="{check.name}"' + (matcher and f", {matcher}")
    return f"max{labels} (\n  last_over_time(ermon_finding_raised{{{selected}}}[{HELD}])\n) == 1"


# One rule over the instances of all regions --------------------------------------------------------


_APART = "metros:ermon_apart:info"
_UP, _NOT_DOWN = "metro:ermon_circuits_up:count", "metro:ermon_circuits_not_down:count"
"""Recorded series, by metropolitan area: the number of its circuits that are known to be up, and of those that are not
known to be down. The area of a circuit may be several places.
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
        # All declared links count: there are no series of a region whose ermon is gone.
        "    >= on (circuit, family)\n"
        f"    max by (circuit, family) (last_over_time(ermon_circuit_links[{HELD}]))\n"
        "    unless on (circuit, family)\n"
        f"    {_CIRCUITS_UP}\n"
        "  )\n"
        ")"
    ),
}


def _not_apart(circuits: str) -> str:
    """Return the expression for groups in which no two of these circuits are in areas that are apart, in a family in
    which two of the declared circuits are.
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
    """Return the expression for groups that are not redundant, while no instance judges them by itself."""
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
