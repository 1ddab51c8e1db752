"""The alerts of findings: one for each check, and one of what only the series of all ermons together tell.

An alert of a check has exactly the labels of its finding: aggregating ``instance`` and ``job`` away makes one alert
of what both ermons of a high-availability pair see, and labels that do not apply are empty, which to
Prometheus means absent. One of two ermons is enough. There is no ``for``: the value is 1 only after the
check's ``raise_after``, and until after its ``clear_after``.

Where each ermon watches the feeds of one region, an ermon that cannot judge ``geo-not-redundant``, since feeds of the
geo's circuits are another's, leaves the question to a rule over all of them. It gives the check's own answer: a
circuit is up when anybody sees a link of it up, down when every link and family is proven down and nobody sees one
up, and otherwise unknown. Unknown neither raises nor clears. Where an ermon judges the geo itself, the rule keeps
quiet: one alert, not two.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.check import Check, Section, alert_name, named_in, runbook_url
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


def severity(config: Config | None, check: Check) -> Severity:
    """Return the severity of a check's worst findings: the configuration's, the policy's or the catalogue's."""
    if config is None:
        return check.severity
    if (configured := check.settings(config).severity) is not None:
        return configured
    found = {subject.severity or check.severity for subject in check.subjects(config)}
    return next((severity for severity in Severity if severity in found), check.severity)


def _alert(config: Config | None, check: Check, expression: str, external_url: str) -> dict[str, Any]:
    """Return the rule that alerts of a check while ``expression`` gives something."""
    words = _description(check)
    return {
        "alert": alert_name(check.name),
        "expr": expression,
        "labels": {"severity": str(severity(config, check))},
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
        return text.format_map(
            {name: f"{{{{ $labels.{name} }}}}" if name in labels else "" for name in names}
        )

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


def _duration(seconds: float) -> str:
    """Return a duration as Prometheus writes it, to the millisecond."""
    return f"{seconds:.0f}s" if seconds == int(seconds) else f"{seconds * 1000:.0f}ms"


# One alert for each check ---------------------------------------------------------------------------


def check_groups(config: Config | None, external_url: str) -> Iterator[dict[str, Any]]:
    """Yield a group of rules for each section of the catalogue."""
    for section in Section:
        checks = [c for c in CATALOGUE.values() if c.section is section and _is_wanted(config, c)]
        if checks:
            name = "ermon-" + section.lower().replace("'", "").replace(" ", "-")
            yield {
                "name": name,
                "rules": [_alert(config, check, _raised(check), external_url) for check in checks],
            }


def _raised(check: Check) -> str:
    names = (*check.labels, *check.optional_labels)
    labels = f" by ({', '.join(names)})" if names else ""
    return f'max{labels} (\n  last_over_time(ermon_finding_raised{{check="{check.name}"}}[{HELD}])\n) == 1'


# One rule over the ermons of all regions ------------------------------------------------------------


_CIRCUITS, _UP, _NOT_DOWN = (f"circuit:ermon_circuit{state}:info" for state in ("", "_up", "_not_down"))
"""Recorded: the circuits that are declared, that are up, and that are not proven down."""

_RECORDED = {
    _CIRCUITS: f"max by (circuit, geo, peering, location) (last_over_time(ermon_circuit_info[{HELD}]))",
    _UP: (
        f"{_CIRCUITS}\n"
        "and on (circuit)\n"
        f'max by (circuit) (last_over_time(ermon_link_state{{state="up"}}[{HELD}])) == 1'
    ),
    _NOT_DOWN: (
        f"{_CIRCUITS}\n"
        "unless on (circuit) (\n"
        "  min by (circuit) (\n"
        f'    max by (circuit, link, family) (last_over_time(ermon_link_state{{state="down"}}[{HELD}]))\n'
        "  ) == 1\n"
        f"  unless on (circuit) {_UP}\n"
        ")"
    ),
}


def _two_locations(circuits: str) -> str:
    """Whether recorded circuits are in two locations: what is compared is all locations of a circuit."""
    return f"count by (geo, peering) (count by (geo, peering, location) ({circuits})) > 1"


def region_groups(config: Config | None, external_url: str) -> Iterator[dict[str, Any]]:
    """Yield the group of these rules, unless the check is switched off."""
    check = GEO_NOT_REDUNDANT
    if not _is_wanted(config, check):
        return
    firing = f'ALERTS{{alertname="{alert_name(check.name)}", alertstate="firing"}}'
    not_redundant = (
        "(\n"
        f"  {_two_locations(_CIRCUITS)}\n"
        f"  unless {_two_locations(_NOT_DOWN)}\n"
        "or\n"
        f"  {_two_locations(_CIRCUITS)}\n"
        f"  unless {_two_locations(_UP)}\n"
        f"  and on (geo, peering) {firing}\n"
        ")\n"
        "unless on (geo, peering)\n"
        f'last_over_time(ermon_finding_raised{{check="{check.name}"}}[{HELD}])'
    )
    rule = _alert(config, check, not_redundant, external_url)
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
