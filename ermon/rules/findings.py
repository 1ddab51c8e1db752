"""One alert for each check, from ``ermon_finding_raised``.

An alert has exactly the labels of its finding: aggregating ``instance`` and ``job`` away makes one alert
of what both ermons of a high-availability pair see, and labels that do not apply are empty, which to
Prometheus means absent. One of two ermons is enough. There is no ``for``: the value is 1 only after the
check's ``raise_after``, and until after its ``clear_after``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ermon.checks.catalogue import CATALOGUE, Check, Section
from ermon.model.inventory import Config
from ermon.rules.alert import HELD, alert, is_wanted

_CIRCUIT = ("circuit",)
_CIRCUIT_FAMILY = ("circuit", "family")
_LINK = ("circuit", "link")
_LINK_FAMILY = ("circuit", "link", "family")
_POOL_LINK = ("pool", "family", "circuit", "link")
_POOL_FEED = ("pool", "family", "feed", "uplink")
_FEED = ("feed", "uplink")

LABELS: Mapping[str, tuple[str, ...]] = {
    "link-down": _LINK_FAMILY,
    "circuit-down": _CIRCUIT_FAMILY,
    "circuit-unseen": _CIRCUIT,
    "link-flapping": _LINK_FAMILY,
    "geo-not-redundant": ("geo", "peering"),
    "communities-missing": _LINK,
    "service-missing": (*_LINK, "ms_service"),
    "prefix-missing": _LINK,
    "prefix-count-low": _LINK_FAMILY,
    "link-asymmetry": _CIRCUIT_FAMILY,
    "prefix-unexpected": _LINK,
    "origin-unexpected": _LINK,
    "drain": _LINK,
    "drain-both": _CIRCUIT,
    "internet-preferred": _CIRCUIT,
    "route-unattributed": ("feed",),
    "churn-high": _LINK,
    "pool-not-advertised": _POOL_LINK,
    "pool-wrong-circuit": _LINK_FAMILY,
    "advertised-undeclared": _LINK,
    "advertised-not-public": _LINK,
    "advertised-default": _LINK,
    "advertised-link-subnet": _LINK,
    "advertised-internet-only": _LINK,
    "advertised-limit-near": _LINK_FAMILY,
    "advertised-limit-reached": _LINK_FAMILY,
    "advertised-asymmetry": _CIRCUIT_FAMILY,
    "advertised-path": _LINK,
    "microsoft-reflected": _LINK,
    "inbound-not-redundant": ("pool", "family"),
    "pool-leak": _POOL_FEED,
    "pool-covered": _POOL_FEED,
    "pool-fallback": _POOL_FEED,
    "microsoft-leaked": _FEED,
    "internet-undeclared": _FEED,
    "mirror-disagrees": ("feed",),
    "segment-leak": ("segment",),
    "segment-missing": ("segment",),
    "feed-down": _FEED,
    "feed-flapping": _FEED,
    "feed-empty": ("feed", "family", "uplink"),
    "canary-missing": _FEED,
    "feed-no-eor": _FEED,
    "feed-best-path-only": ("feed",),
    "feed-lost-messages": _FEED,
    "feed-overflow": _FEED,
    "source-rejected": ("source",),
    "storage-failed": (),
    "view-missing": ("view", *_LINK, "uplink", "segment"),
    "exabgp-down": ("process",),
}
"""The labels that the findings of a check can have."""


def groups(config: Config | None, external_url: str) -> Iterator[dict[str, Any]]:
    """Yield a group of rules for each section of the catalogue."""
    for section in Section:
        checks = [c for c in CATALOGUE.values() if c.section is section and is_wanted(config, c)]
        if checks:
            name = "ermon-" + section.lower().replace("'", "").replace(" ", "-")
            yield {
                "name": name,
                "rules": [alert(config, check, _raised(check), external_url) for check in checks],
            }


def _raised(check: Check) -> str:
    labels = f" by ({', '.join(LABELS[check.name])})" if LABELS[check.name] else ""
    return f'max{labels} (\n  last_over_time(ermon_finding_raised{{check="{check.name}"}}[{HELD}])\n) == 1'
