"""How many ports of a NAT pool are in use: a firewall's count of sessions, joined with the addresses that ermon knows.

NAT to a few addresses ends when their ports do: then no new connection to Microsoft succeeds, and every route looks right.
The count is the user's own query, because firewalls and their exporters differ. What is required of it is one label that says
which pool a series is about.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from textwrap import indent
from typing import Any

from ermon.model.settings import Severity
from ermon.rules.alerts import alert
from ermon.rules.findings import HELD

PORTS_PER_ADDRESS = 64_512
"""The ports that NAT uses of an address: 65,536 without the first 1,024."""

WARNING, CRITICAL = 0.7, 0.9
"""The shares of a pool's ports from which alerts fire."""

LABEL = "pool"
"""The label that identifies a pool in ermon's series."""
_COPY = "ermon_nat_pool"

_SESSIONS, _USED = "pool:ermon_nat_sessions:sum", "pool:ermon_nat_ports_used:ratio"
"""Recorded series, by pool: its sessions, and the share of its ports that are in use."""

_WAIT, _KEEP = "2m", "5m"
"""A peak that is over at the next scrape is no alert, and a level that varies around a limit is one."""
_UNKNOWN_WAIT = "10m"

_BRACKETS = {")": "(", "]": "[", "}": "{"}
_TOKENS = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|#[^\n]*|["'`()\[\]{}]""")
_POOL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class QueryError(ValueError):
    """The query or its mapping cannot be used; the text says why, and what would be right."""


@dataclass(frozen=True, slots=True)
class NatSessions:
    """A query for numbers of sessions, and how its series belong to pools."""

    query: str
    """PromQL that returns an instant vector."""
    label: str = LABEL
    """The label of its series that identifies the pool."""
    pools: Mapping[str, str] = field(default_factory=dict)
    """The names of pools in ermon, by values of ``label``; a value that is not there is the name itself."""
    ports: int = PORTS_PER_ADDRESS
    """Ports of each address that NAT can use."""

    def __post_init__(self) -> None:
        _check(self.query)
        if not _LABEL_NAME.fullmatch(self.label):
            raise QueryError(
                f"{self.label!r} is not the name of a label of Prometheus, such as name or instance"
            )
        for pool in self.pools.values():
            if not _POOL_NAME.fullmatch(pool):
                raise QueryError(
                    f"{pool!r} is not the name of a pool; write the name under nat_pools in ermon.yml"
                )


def _check(query: str) -> None:
    """Refuse a query that would not stay one expression within the rule: Prometheus says the rest about it."""
    if not query.strip():
        raise QueryError("the query is empty; write PromQL such as fortigate_ippool_used_items")
    opened: list[str] = []
    for found in _TOKENS.finditer(query):
        token = found[0]
        if token in _BRACKETS.values():
            opened.append(token)
        elif token in _BRACKETS:
            if not opened or opened.pop() != _BRACKETS[token]:
                raise QueryError(
                    f"the query closes {token!r} at character {found.start() + 1} without opening it"
                )
        elif token in {'"', "'", "`"}:
            raise QueryError(
                f"the query has a text that does not end: {token!r} at character {found.start() + 1}"
            )
    if opened:
        raise QueryError(f"the query does not close {opened[-1]!r}")


def group(nat: NatSessions) -> dict[str, Any]:
    """Return the group of these rules."""
    used = f"{_SESSIONS}\n/ on (pool) (\n{indent(_ADDRESSES, '  ')}\n  * {nat.ports}\n)"
    return {
        "name": "ermon-nat",
        "rules": [
            {"record": _SESSIONS, "expr": _sessions(nat)},
            {"record": _USED, "expr": used},
            _used(Severity.CRITICAL, f"{_USED} >= {CRITICAL}", nat),
            _used(Severity.WARNING, f"{_USED} >= {WARNING} < {CRITICAL}", nat),
            _unknown(nat),
        ],
    }


_ADDRESSES = (
    "(\n"
    # An IPv6 prefix of the pool has more ports than anybody uses, and would hide that those of its IPv4 addresses end.
    f'  max by (pool) (last_over_time(ermon_pool_family_addresses{{family="ipv4"}}[{HELD}]))\n'
    "  or\n"
    f"  max by (pool) (last_over_time(ermon_pool_addresses[{HELD}]))\n"
    ")"
)


def _sessions(nat: NatSessions) -> str:
    """Return the expression for the sessions of each pool. The query keeps its lines, and so its comments end."""
    vector, source = f"(\n{indent(nat.query.strip(), '  ')}\n)", nat.label
    if source != LABEL:
        vector = _replaced(vector, LABEL, "$1", source, "(.*)")
    elif nat.pools:
        # The values to look up are copied, so that the name of a pool is not looked up again.
        vector, source = _replaced(vector, _COPY, "$1", LABEL, "(.*)"), _COPY
    for value, pool in nat.pools.items():
        vector = _replaced(vector, LABEL, pool, source, re.escape(value))
    # What is no number, such as 0/0, is unknown: it would be below every limit, and still be there.
    return f"sum by (pool) (\n{indent(vector, '  ')}\n) >= 0 < Inf"


def _replaced(vector: str, *texts: str) -> str:
    arguments = ", ".join(json.dumps(text, ensure_ascii=False) for text in texts)
    return f"label_replace(\n{indent(vector, '  ')},\n  {arguments}\n)"


def _used(severity: Severity, expression: str, nat: NatSessions) -> dict[str, Any]:
    return alert(
        "ErmonNatPortsUsed",
        severity,
        expression,
        "A NAT pool has few free ports.",
        f"NAT pool {{{{ $labels.pool }}}} uses {{{{ $value | humanizePercentage }}}} of its ports: {_COUNT} with {nat.ports} ports for "
        "each address. When none is free, new connections to Microsoft fail, although all routes are there. "
        "1. Find the clients with the most sessions on the firewall: one of them may be faulty. 2. Add addresses to the pool, in this "
        "order: let the routers advertise them to Microsoft on every link, add them to nat_pools.{{ $labels.pool }}.prefixes in "
        "ermon.yml, wait until `ermon verify` passes, and only then let the firewall use them.",
        wait=_WAIT,
        keep=_KEEP,
    )


_COUNT = (
    f'{{{{ with printf "{_SESSIONS}{{pool=%q}}" $labels.pool | query }}}}'
    '{{ . | first | value | printf "%.0f" }} sessions{{ end }}'
)


def _unknown(nat: NatSessions) -> dict[str, Any]:
    """Return the alert for counts that are missing: of all pools, of one that was counted within a day, or of one that the
    mapping names: a name that the firewall does not use would else be no alert.
    """
    named = "".join(
        f'or\nabsent({_USED}{{pool="{pool}"}})\n{_STILL_THERE}' for pool in dict.fromkeys(nat.pools.values())
    )
    return alert(
        "ErmonNatSessionsUnknown",
        Severity.WARNING,
        f"absent({_USED})\n"
        "or\n"
        f"max by (pool) (last_over_time({_USED}[1d]))\n"
        f"unless on (pool) {_USED}\n"
        f"{_STILL_THERE}{named}".rstrip("\n"),
        "The number of sessions of a NAT pool is unknown.",
        "The query of ermon render rules --nat-sessions returns no number for {{ with $labels.pool }}NAT pool {{ . }}{{ else }}any NAT "
        "pool of ermon{{ end }}, so ErmonNatPortsUsed cannot fire. Does Prometheus scrape the firewall's exporter and ermon, and does "
        "the query return the names of pools in ermon.yml?",
        wait=_UNKNOWN_WAIT,
    )


_STILL_THERE = (
    f"and on (pool) last_over_time(ermon_pool_addresses[{HELD}])\n"
    # One alert for one cause.
    f"and on () count({_USED})\n"
)
