"""How the panels of the dashboard look: stats, state timelines, graphs and tables.

Colours are from the palette of Okabe and Ito, which people can tell apart whatever their colour vision, and
no colour stands alone: a state is written in words, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from grafana_foundation_sdk.models import (
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)

GOOD, BAD, WARN, INFO = "#009E73", "#D55E00", "#E69F00", "#56B4E9"
"""Bluish green, vermillion, orange, sky blue."""
NEUTRAL, UNKNOWN = "#0072B2", "#999999"
"""Blue and grey."""

DATASOURCE = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
NO_DATA = "no data"

Words = Mapping[str, tuple[str, str]]
"""What is shown for a value, and in which colour."""
Size = tuple[int, int]
"""Width and height, in units of Grafana's grid."""
WIDTH = 24
"""The whole width of the grid."""
Steps = Sequence[tuple[float, str]]
"""From which value on which colour holds; the first holds below it, too."""

NOTHING_IS_GOOD: Steps = ((0, GOOD), (1, BAD))
NOTHING_IS_USUAL: Steps = ((0, GOOD), (1, WARN))
ANY: Steps = ((0, NEUTRAL),)
UP_OR_DOWN = {"1": ("unknown", UNKNOWN), "2": ("up", GOOD), "3": ("down", BAD)}
"""The numbers of `answers`."""


@dataclass(frozen=True, slots=True)
class Query:
    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: Sequence[dashboard.Panel]
    collapsed: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """How one column of a table differs from the others."""

    name: str
    link: tuple[str, str] | None = None
    """Title and URL."""
    words: Words | None = None


def numbers(
    size: Size,
    title: str,
    description: str,
    *queries: Query,
    unit: str = "short",
    steps: Steps = ANY,
    own_steps: Mapping[str, Steps] | None = None,
    none: str = NO_DATA,
) -> dashboard.Panel:
    """Show the present value of every series; ``own_steps`` has other steps for some, by legend."""
    overrides = [
        _override(name, thresholds=_thresholds(own).to_json()) for name, own in (own_steps or {}).items()
    ]
    return _panel(
        "stat",
        size,
        (title, description),
        [_instant(query) for query in queries],
        stat.Options(
            graph_mode=common.BigValueGraphMode.NONE,
            color_mode=common.BigValueColorMode.BACKGROUND,
            reduce_options=common.ReduceDataOptions(values=False, calcs=["lastNotNull"], fields=""),
            text_mode=common.BigValueTextMode.VALUE_AND_NAME,
        ),
        dashboard.FieldConfigSource(
            defaults=_field(unit, thresholds=_thresholds(steps), none=none), overrides=overrides
        ),
    )


def states(
    size: Size, title: str, description: str, query: Query, words: Words, none: str = NO_DATA
) -> dashboard.Panel:
    """Show what each series was at what time, in words; ``none`` is shown when there is no series."""
    return _panel(
        "state-timeline",
        size,
        (title, description),
        [_range(query)],
        statetimeline.Options(
            show_value=common.VisibilityMode.AUTO,
            legend=common.VizLegendOptions(
                display_mode=common.LegendDisplayMode.LIST,
                placement=common.LegendPlacement.BOTTOM,
                show_legend=True,
            ),
            tooltip=common.VizTooltipOptions(mode=common.TooltipDisplayMode.SINGLE),
        ),
        dashboard.FieldConfigSource(
            defaults=_field(
                "none",
                thresholds=_thresholds(((0, UNKNOWN),)),
                mappings=_mappings(words),
                custom=statetimeline.FieldConfig(fill_opacity=85),
                none=none,
            )
        ),
    )


def lines(
    size: Size,
    title: str,
    description: str,
    *queries: Query,
    unit: str = "short",
    limits: Steps = (),
    bars: bool = False,
    none: str = NO_DATA,
) -> dashboard.Panel:
    """Show values over time; ``limits`` are drawn as dashed lines, ``bars`` suit counts of events."""
    style = common.GraphDrawStyle.BARS if bars else common.GraphDrawStyle.LINE
    dashed = common.GraphTresholdsStyleMode.DASHED if limits else common.GraphTresholdsStyleMode.OFF
    custom = common.GraphFieldConfig(
        draw_style=style,
        line_interpolation=common.LineInterpolation.STEP_AFTER,
        fill_opacity=60 if bars else 5,
        show_points=common.VisibilityMode.NEVER,
        axis_soft_min=0,
        thresholds_style=common.GraphThresholdsStyleConfig(mode=dashed),
    )
    field = _field(unit, thresholds=_thresholds(limits or ANY), custom=custom, none=none)
    field.color = dashboard.FieldColor(mode=dashboard.FieldColorModeId.PALETTE_CLASSIC)
    return _panel(
        "timeseries",
        size,
        (title, description),
        [_range(query) for query in queries],
        timeseries.Options(
            legend=common.VizLegendOptions(
                display_mode=common.LegendDisplayMode.TABLE,
                placement=common.LegendPlacement.RIGHT,
                show_legend=True,
                calcs=["lastNotNull", "max"],
            ),
            tooltip=common.VizTooltipOptions(
                mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING
            ),
        ),
        dashboard.FieldConfigSource(defaults=field),
    )


def rows(
    size: Size,
    title: str,
    description: str,
    query: Query,
    order: Sequence[str],
    *columns: Column,
    none: str = NO_DATA,
) -> dashboard.Panel:
    """Show the labels of every present series as a row, with the columns in this ``order``."""
    organize = dashboard.DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": {"Time": True, "Value": True},
            "indexByName": {name: position for position, name in enumerate(order)},
            "renameByName": {},
        },
    )
    target = _instant(query)
    target.format_val = prometheus.PromQueryFormat.TABLE
    panel = _panel(
        "table",
        size,
        (title, description),
        [target],
        table.Options(sort_by=[common.TableSortByFieldState(display_name=order[0], desc=False)]),
        dashboard.FieldConfigSource(
            defaults=_field("none", thresholds=_thresholds(ANY), custom={"filterable": True}, none=none),
            overrides=[_column(column) for column in columns],
        ),
    )
    panel.transformations = [organize]
    return panel


def _panel(
    kind: str,
    size: Size,
    text: tuple[str, str],
    targets: list[prometheus.Dataquery],
    options: object,
    field_config: dashboard.FieldConfigSource,
) -> dashboard.Panel:
    for target, ref_id in zip(targets, ascii_uppercase, strict=False):
        target.ref_id = ref_id
    return dashboard.Panel(
        type_val=kind,
        title=text[0],
        description=text[1],
        datasource=DATASOURCE,
        grid_pos=dashboard.GridPos(w=size[0], h=size[1]),
        targets=list(targets),
        options=options,
        field_config=field_config,
    )


def _instant(query: Query) -> prometheus.Dataquery:
    return prometheus.Dataquery(
        expr=query.expr, instant=True, range_val=False, legend_format=query.legend, datasource=DATASOURCE
    )


def _range(query: Query) -> prometheus.Dataquery:
    return prometheus.Dataquery(
        expr=query.expr, instant=False, range_val=True, legend_format=query.legend, datasource=DATASOURCE
    )


def _field(
    unit: str,
    *,
    thresholds: dashboard.ThresholdsConfig,
    mappings: list[dashboard.ValueMapping] | None = None,
    custom: object = None,
    none: str = NO_DATA,
) -> dashboard.FieldConfig:
    return dashboard.FieldConfig(
        unit=unit,
        thresholds=thresholds,
        mappings=mappings or [],
        color=dashboard.FieldColor(mode=dashboard.FieldColorModeId.THRESHOLDS),
        custom=custom,
        no_value=none,
    )


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Grafana wants the first step without a value."""
    values = [None, *(value for value, _ in steps[1:])]
    return dashboard.ThresholdsConfig(
        mode=dashboard.ThresholdsMode.ABSOLUTE,
        steps=[dashboard.Threshold(value, colour) for value, (_, colour) in zip(values, steps, strict=True)],
    )


def _mappings(words: Words) -> list[dashboard.ValueMapping]:
    options = {
        value: dashboard.ValueMappingResult(text=text, color=colour, index=index)
        for index, (value, (text, colour)) in enumerate(words.items())
    }
    return [dashboard.ValueMap(options)]


def _column(column: Column) -> dashboard.DashboardFieldConfigSourceOverrides:
    properties: dict[str, object] = {}
    if column.link is not None:
        title, url = column.link
        properties["links"] = [{"title": title, "url": url, "targetBlank": True}]
    if column.words is not None:
        properties["mappings"] = [mapping.to_json() for mapping in _mappings(column.words)]
        properties["custom.cellOptions"] = {"type": "color-background"}
    return _override(column.name, **properties)


def _override(field: str, **properties: object) -> dashboard.DashboardFieldConfigSourceOverrides:
    return dashboard.DashboardFieldConfigSourceOverrides(
        matcher=dashboard.MatcherConfig(id_val="byName", options=field),
        properties=[dashboard.DynamicConfigValue(name, value) for name, value in properties.items()],
    )
