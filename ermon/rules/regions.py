"""What only the series of all ermons together tell, where each watches the feeds of one region.

An ermon that cannot judge ``geo-not-redundant``, since feeds of the geo's circuits are another's, leaves
the question to this rule. It gives the check's own answer: a circuit is up when anybody sees a link of it
up, down when every link and family is proven down and nobody sees one up, and otherwise unknown. Unknown neither
raises nor clears. Where an ermon judges the geo itself, the rule keeps quiet: one alert, not two.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ermon.checks.check import alert_name
from ermon.checks.redundancy import GEO_NOT_REDUNDANT
from ermon.model.inventory import Config
from ermon.rules.alert import HELD, alert, duration, is_wanted

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


def groups(config: Config | None, external_url: str) -> Iterator[dict[str, Any]]:
    """Yield the group of these rules, unless the check is switched off."""
    check = GEO_NOT_REDUNDANT
    if not is_wanted(config, check):
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
    rule = alert(config, check, not_redundant, external_url)
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
                **{name: duration(seconds) for name, seconds in timers.items() if seconds},
                "labels": rule["labels"],
                "annotations": rule["annotations"],
            },
        ],
    }
