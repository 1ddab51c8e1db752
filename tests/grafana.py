"""Reads the shipped Grafana dashboard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

GRAFANA = Path(__file__).parents[1] / "deploy" / "grafana"
FILE = GRAFANA / "dashboards" / "ermon.json"
DASHBOARD: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))


class Query(NamedTuple):
    where: str
    """Title of its panel, and its letter there."""
    expr: str


def rows() -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Return every row with its panels: a folded row contains them, an open one is followed by them."""
    found: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    for panel in DASHBOARD["panels"]:
        if panel["type"] == "row":
            found.append((panel, list(panel["panels"])))
        else:
            found[-1][1].append(panel)
    return found


def panels() -> list[dict[str, Any]]:
    return [panel for _, inside in rows() for panel in inside]


def queries() -> Iterator[Query]:
    """Yield every expression that the dashboard sends to Prometheus."""
    for panel in panels():
        for target in panel["targets"]:
            yield Query(f"{panel['title']} {target['refId']}", target["expr"])
    for annotation in DASHBOARD["annotations"]["list"]:
        yield Query(f"annotation {annotation['name']}", annotation["expr"])


def variables() -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
