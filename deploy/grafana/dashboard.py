"""Writes ``dashboards/ermon.json``: run ``python deploy/grafana/dashboard.py`` after a change to ``parts``.

What is wrong stands at the top, then the network, and what ermon sees it with last.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from parts.network import STATUS_PAGE, circuits, pools, prefixes, wrong_now
from parts.panels import BAD, DATASOURCE, WIDTH, Row
from parts.queries import RAISED_BY_SUBJECT, SUBJECT_LEGEND, of
from parts.sight import ermon_itself, feeds

DASHBOARD = Path(__file__).with_name("dashboards") / "ermon.json"


class Raised(dashboard.AnnotationQuery):
    """Marks the times in which findings were raised, from the metrics alone: the Prometheus rules are only
    for those who do not let ermon push. Grafana marks the times at which a series is 1.
    """

    def to_json(self) -> dict[str, object]:
        """Add the keys of the Prometheus plugin, which the SDK does not know."""
        own = {"step": "15s", "titleFormat": "{{check}}", "textFormat": SUBJECT_LEGEND, "tagKeys": "check"}
        return super().to_json() | own


def annotation() -> Raised:
    return Raised(
        name="Findings",
        datasource=DATASOURCE,
        enable=True,
        icon_color=BAD,
        expr=f"{RAISED_BY_SUBJECT} == 1",
    )


def variables() -> list[dashboard.VariableModel]:
    """The choices at the top; each offers what fits the choices before it."""
    info, in_geo = of("ermon_circuit_info"), of("ermon_circuit_info", 'geo=~"$geo"')
    return [
        dashboard.VariableModel(
            type_val=dashboard.VariableType.DATASOURCE,
            name="datasource",
            label="Data source",
            query="prometheus",
        ),
        _choice("job", "Job", "label_values(ermon_build_info, job)"),
        _choice("instance", "Instance", 'label_values(ermon_build_info{job=~"$job"}, instance)'),
        _choice("geo", "Geo", f"label_values({info}, geo)"),
        _choice("circuit", "Circuit", f"label_values({in_geo}, circuit)"),
        dashboard.VariableModel(
            type_val=dashboard.VariableType.TEXTBOX,
            name="status_page",
            label="Status page",
            description="The address of ermon's status page, as your browser reaches it (--web.external-url).",
            query="http://127.0.0.1:10179",
        ),
    ]


def _choice(name: str, label: str, query: str) -> dashboard.VariableModel:
    return dashboard.VariableModel(
        type_val=dashboard.VariableType.QUERY,
        name=name,
        label=label,
        query={"query": query, "refId": name},
        datasource=DATASOURCE,
        refresh=dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=dashboard.VariableSort.ALPHABETICAL_ASC,
        multi=True,
        include_all=True,
        current=dashboard.VariableOption(selected=True, text=["All"], value=["$__all"]),
    )


def placed(all_rows: Sequence[Row]) -> list[dashboard.Panel | dashboard.RowPanel]:
    """Number the panels and put them on the grid, from left to right and from top to bottom."""
    found: list[dashboard.Panel | dashboard.RowPanel] = []
    number = y = 0
    for row in all_rows:
        number += 1
        header = dashboard.RowPanel(
            title=row.title,
            collapsed=row.collapsed,
            id_val=number,
            grid_pos=dashboard.GridPos(h=1, w=WIDTH, x=0, y=y),
        )
        found.append(header)
        x, top, bottom = 0, y + 1, y + 1
        for panel in row.panels:
            assert panel.grid_pos is not None, f"panel {panel.title} has no size"
            if x + panel.grid_pos.w > WIDTH:
                x, top = 0, bottom
            number += 1
            panel.id_val, panel.grid_pos.x, panel.grid_pos.y = number, x, top
            x, bottom = x + panel.grid_pos.w, max(bottom, top + panel.grid_pos.h)
            (header.panels if row.collapsed else found).append(panel)
        y = y + 1 if row.collapsed else bottom  # a collapsed row takes one line, whatever is in it
    return found


def generate() -> str:
    """Return the dashboard as JSON text."""
    model = dashboard.Dashboard(
        uid="ermon",
        title="ermon: ExpressRoute routes",
        description="What Microsoft sends over ExpressRoute, what we advertise to it, what leaks to the internet, "
        "and whether ermon can see all that.",
        tags=["ermon", "bgp", "expressroute"],
        timezone="browser",
        editable=False,
        graph_tooltip=dashboard.DashboardCursorSync.CROSSHAIR,
        time=dashboard.DashboardDashboardTime("now-6h", "now"),
        refresh="30s",
        panels=placed((wrong_now(), circuits(), pools(), prefixes(), feeds(), ermon_itself())),
        templating=dashboard.DashboardDashboardTemplating(variables()),
        annotations=dashboard.AnnotationContainer([annotation()]),
        links=[
            dashboard.DashboardLink(
                title="ermon's status page",
                type_val=dashboard.DashboardLinkType.LINK,
                icon="external link",
                url=f"{STATUS_PAGE}/",
                target_blank=True,
            )
        ],
    )
    return json.dumps(model, cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    DASHBOARD.write_text(generate(), encoding="utf-8")
