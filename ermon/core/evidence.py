"""Turns a verdict's evidence into plain values: sorted, and cut to a length that people read."""

from __future__ import annotations

import heapq
from typing import Any

from ermon.checks.subject import LISTED, Evidence


def render(evidence: Evidence) -> dict[str, Any]:
    """Return JSON values: those of ``prefixes`` (with ``prefixes_total``), ``as_paths``, ``next_hops``, ``feeds`` and
    ``routers`` that there are, and the check's own details.
    """
    rendered: dict[str, Any] = {}
    prefixes = {*evidence.prefixes, *(route.prefix for route in evidence.routes)}
    if prefixes:
        rendered["prefixes"] = [str(prefix) for prefix in heapq.nsmallest(LISTED, prefixes)]
        rendered["prefixes_total"] = len(prefixes)
    # Many routes share few attributes, and a leak of a whole table is rendered once in a second.
    attributes = {route.attributes for route in evidence.routes}
    if attributes:
        paths = {found.as_path for found in attributes}
        rendered["as_paths"] = heapq.nsmallest(LISTED, {path.text for path in paths})
        next_hops = {found.next_hop for found in attributes if found.next_hop is not None}
        rendered["next_hops"] = [str(next_hop) for next_hop in heapq.nsmallest(LISTED, next_hops)]
    for name, values in (("feeds", evidence.feeds), ("routers", evidence.routers)):
        if values:
            rendered[name] = heapq.nsmallest(LISTED, set(values))
    details = evidence.details() if callable(evidence.details) else evidence.details
    return rendered | dict(details)
