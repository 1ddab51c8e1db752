"""Whether the path works that the routes show: probes of blackbox_exporter beside the routes of their service.

Only series with the label ``ms_service`` count, which the targets of ``/api/v1/probes`` have: without such a scrape job
nothing fires. Their labels ``geo`` and ``group`` are those of the circuits, and join them with ermon's series. Without
routes of the service these alerts are silent: ``service-missing``, ``link-down`` and ``circuit-down`` are about that.
"""

from __future__ import annotations

from typing import Any

from ermon.model.settings import Severity
from ermon.rules.alerts import alert
from ermon.rules.findings import HELD

WAIT = "5m"
"""How long a probe must fail: five of the usual probes, once a minute."""
_SEEN = "4m"
"""How recently the routes must have been there. While ermon starts it counts none, which ends no alert so. It is shorter
than ``WAIT``, so that probes that fail because the routes are gone raise none.
"""

_GROUP = "ms_service, geo, group"
_PROBED = 'probe_success{ms_service!=""}'
_WORKS = f"max by ({_GROUP}) ({_PROBED})"

_RECORDED = "group:ermon_service_routes:max"
"""The recorded series: the most routes that a link of the group has for the service."""
_ROUTES = (
    f"max by ({_GROUP}) (\n"
    f"  max by (circuit, ms_service) (max_over_time(ermon_link_service_routes[{_SEEN}]))\n"
    "  * on (circuit) group_left (geo, group)\n"
    # One group for each circuit, also just after a reload that moved it to another.
    "  topk by (circuit) (1, max by (circuit, geo, group) (\n"
    f'    last_over_time(ermon_circuit_links{{peering="microsoft"}}[{HELD}]) > bool 0\n'
    "  ))\n"
    # Who works on a circuit knows that it may not carry traffic, although it has routes.
    '  unless on (circuit) (ermon_maintenance_active{circuit!="", link="", feed=""} == 1)\n'
    ")"
)
_ROUTES_ARE_THERE = f"and on ({_GROUP}) {_RECORDED} > 0"

_WHERE = "{{ $labels.geo }}{{ with $labels.group }} (group {{ . }}){{ end }}"
_ROUTES_IN_WORDS = f"ermon sees routes of it on a link of a circuit in {_WHERE}, so the routes from Microsoft are not the cause"
_SHOWN_TARGETS = 10
_FAILING = (
    '{{ with printf "probe_success{ms_service=%q, geo=%q, group=%q} == 0" $labels.ms_service $labels.geo $labels.group | query }}'
    '{{ range $at, $each := sortByLabel "instance" . }}'
    f"{{{{ if lt $at {_SHOWN_TARGETS} }}}}{{{{ if $at }}}}, {{{{ end }}}}{{{{ $each.Labels.instance }}}}{{{{ end }}}}"
    f"{{{{ if eq $at {_SHOWN_TARGETS} }}}} and more{{{{ end }}}}"
    "{{ end }}{{ end }}"
)
_STEPS = (
    "Test from the probing host: curl -v telnet://{target}. Then follow the connection: 1. DNS: does the name resolve there to "
    "an address inside the routes (ermon routes ADDRESS)? 2. Firewall: does a policy drop it, and does the session get a "
    "source address of the NAT pool? 3. Return traffic: is that pool advertised on every link (ermon verify)? 4. Are the "
    "ports of the pool used up? 5. If all of this works, see the service health in the Microsoft 365 admin center."
)


def group() -> dict[str, Any]:
    """Return the group of these rules."""
    return {
        "name": "ermon-probes",
        "rules": [
            {"record": _RECORDED, "expr": _ROUTES},
            alert(
                "ErmonServiceUnreachable",
                Severity.CRITICAL,
                f"{_WORKS} == 0\n{_ROUTES_ARE_THERE}",
                "The routes of a service are there, and all its probes fail.",
                f"Every probe of {{{{ $labels.ms_service }}}} fails: {_FAILING}. {_ROUTES_IN_WORDS}. Users whose traffic takes the same "
                f"path cannot reach the service either. {_STEPS.format(target='HOST:PORT')}",
                wait=WAIT,
            ),
            alert(
                "ErmonProbeFails",
                Severity.WARNING,
                f"{_PROBED} == 0\nand on ({_GROUP}) {_WORKS} == 1\n{_ROUTES_ARE_THERE}",
                "The routes of a service are there, and one of its probes fails.",
                "The probe of {{ $labels.instance }} fails, and other probes of {{ $labels.ms_service }} succeed. "
                f"{_ROUTES_IN_WORDS}. If your firewall denies this port on purpose, drop the target: relabel_configs in probes.yml shows "
                f"how. {_STEPS.format(target='{{ $labels.instance }}')}",
                wait=WAIT,
            ),
            alert(
                "ErmonProbesUnknown",
                Severity.WARNING,
                'max by (job, ms_service, geo, group) (up{ms_service!=""}) == 0',
                "blackbox_exporter does not answer, so probes are unknown.",
                f"No probe of {{{{ $labels.ms_service }}}} in {_WHERE} has run: Prometheus cannot scrape blackbox_exporter (job "
                "{{ $labels.job }}), so ErmonServiceUnreachable cannot fire. On its host: systemctl status prometheus-blackbox-exporter.",
                wait=WAIT,
            ),
        ],
    }
