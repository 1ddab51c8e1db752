"""The state of the network as plain JSON values, for the API and the event stream.

Times are RFC 3339 in UTC. What is known by family is an object with the families as keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ermon.core.status import CircuitStatus, FeedStatus, LinkStatus, NetworkStatus, PoolStatus
from ermon.model.findings import Finding, finding_json
from ermon.model.inventory import Severity
from ermon.model.times import rfc3339

_PROCESS_STATES = {True: "up", False: "down", None: "unknown"}


def network_data(network: NetworkStatus) -> dict[str, Any]:
    return {
        "circuits": {c.circuit.name: circuit_data(c) for c in network.circuits},
        "pools": {p.pool.name: pool_data(p) for p in network.pools},
        "feeds": {f.feed.name: feed_data(f) for f in network.feeds},
        "processes": {
            name: {"state": _PROCESS_STATES[up], "feeds": _feeds_of(network, name)}
            for name, up in network.processes.items()
        },
        "uplinks": {u.name: {"router": u.router, "asn": u.asn} for u in network.uplinks.values()},
        "segments": {s.name: {"expressroute": s.expressroute} for s in network.segments.values()},
    }


def _feeds_of(network: NetworkStatus, process: str) -> list[str]:
    return [current.feed.name for current in network.feeds if current.feed.process == process]


def circuit_data(current: CircuitStatus) -> dict[str, Any]:
    circuit = current.circuit
    return {
        "geo": circuit.geo,
        "location": circuit.location,
        "peering": circuit.peering,
        "state": dict(current.states),
        "links_up": dict(current.links_up),
        "links": {link.link.name: link_data(link) for link in current.links},
    }


def link_data(current: LinkStatus) -> dict[str, Any]:
    families = current.families.items()
    return {
        "router": current.link.router,
        "location": current.link.location,
        "watched_elsewhere": current.watched_elsewhere,
        "state": {family: found.state for family, found in families},
        "since": {family: rfc3339(found.since) for family, found in families},
        "transitions": {family: found.transitions for family, found in families},
        "draining": {family: found.draining for family, found in families},
        "routes": {family: found.routes for family, found in families},
        "decided_by": {family: found.decided_by for family, found in families},
        "service_routes": dict(current.service_routes),
        "services": {name: dict(counts) for name, counts in current.services.items()},
        "advertised_prefixes": {family: shown.prefixes for family, shown in current.advertised.items()},
        "advertised_prefix_limit": {family: shown.limit for family, shown in current.advertised.items()},
    }


def pool_data(current: PoolStatus) -> dict[str, Any]:
    pool = current.pool
    advertised: dict[str, dict[str, dict[str, str]]] = {family: {} for family in current.families}
    for family, seen in current.families.items():
        for link, answer in zip(seen.links, seen.advertised, strict=True):
            advertised[family].setdefault(link.circuit, {})[link.name] = answer
    return {
        "use": pool.use,
        "internet": pool.internet,
        "prefixes": [str(prefix) for prefix in pool.prefixes],
        "circuits": pool.circuits,
        "expected_on": [{"circuit": circuit, "link": link} for circuit, link in sorted(current.expected_on)],
        "advertised": advertised,
        "on_internet": {
            family: dict(zip(seen.feeds, seen.on_internet, strict=True))
            for family, seen in current.families.items()
        },
    }


def feed_data(current: FeedStatus) -> dict[str, Any]:
    feed = current.feed
    families = current.families.items()
    place = {
        "router": feed.router,
        "circuit": feed.circuit,
        "link": feed.link,
        "uplink": feed.uplink,
        "segment": feed.segment,
    }
    return {
        "view": feed.view,
        **{name: value for name, value in place.items() if value is not None},
        "peer": feed.peer,
        "local": feed.local,
        "process": feed.process,
        "state": "up" if current.up else "down",
        "since": rfc3339(current.since),
        "down_reason": current.down_reason,
        "in_sync": {family: found.in_sync for family, found in families},
        "all_paths": {family: found.all_paths for family, found in families},
        "routes": {family: found.routes for family, found in families},
        "partial": current.partial,
        "last_message_at": rfc3339(current.message_at),
        "updates": current.updates,
        "lost_messages": current.lost_messages,
        "loss": current.loss,
        "overflowed": current.overflowed,
    }


def finding_data(finding: Finding) -> dict[str, Any]:
    """Return what replay prints of a finding, and its times and marks besides."""
    return {
        "id": finding.id,
        "state": "raised" if finding.cleared_at is None else "cleared",
        **finding_json(finding),
        "since": rfc3339(finding.since),
        "raised_at": rfc3339(finding.raised_at),
        "ended_at": rfc3339(finding.ended_at),
        "cleared_at": rfc3339(finding.cleared_at),
        "stale": finding.stale,
        "suppressed": finding.suppressed,
    }


def by_severity(raised: Iterable[Finding]) -> Mapping[str, int]:
    """Count findings by severity, the worst first, those without any too."""
    counts = Counter(finding.severity for finding in raised)
    return {str(severity): counts[severity] for severity in Severity}
