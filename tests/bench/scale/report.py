"""Prints the figures of all sizes as tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tests.bench.scale.cost import Figure


class Column(NamedTuple):
    key: str
    """The name of the figure in its job."""
    head: str
    unit: str = ""

    @property
    def scale(self) -> float:
        """Units in a second, a byte or a piece."""
        return _UNITS[self.unit]


_UNITS = {"": 1.0, "s": 1.0, "ms": 1e3, "µs": 1e6, "kB": 1e-3, "MB": 1e-6}


class Table(NamedTuple):
    job: str
    """The job that measures them."""
    title: str
    columns: Sequence[Column]


TABLES = (
    Table(
        "start",
        "Start: CPU time and memory",
        (
            Column("feeds", "feeds"),
            Column("subjects", "subjects"),
            Column("config_bytes", "file", "kB"),
            Column("load_cpu_seconds", "load_config", "s"),
            Column("monitor_cpu_seconds", "Monitor", "s"),
            Column("start_memory_bytes", "memory", "MB"),
            Column("machine_cpu_seconds", "(a loop)", "s"),
        ),
    ),
    Table(
        "reload",
        "Reload: CPU time of what needs no routes and of the rest, with all routes held; its longest step; memory",
        (
            Column("reload_plan_cpu_seconds", "Plan", "s"),
            Column("reload_cpu_seconds", "go_over", "s"),
            Column("reload_hold_seconds", "step", "ms"),
            Column("reload_memory_bytes", "memory", "MB"),
        ),
    ),
    Table(
        "check",
        "ermon check: CPU time and peak memory of the command",
        (Column("check_cpu_seconds", "CPU", "s"), Column("check_memory_bytes", "memory", "MB")),
    ),
    Table(
        "updates",
        "One UPDATE, decoded and judged: CPU time, median",
        (
            Column("leak_cpu_seconds", "leak", "µs"),
            Column("leak_withdrawn_cpu_seconds", "withdrawn", "µs"),
            Column("changed_cpu_seconds", "changed", "µs"),
            Column("unchanged_cpu_seconds", "unchanged", "µs"),
            Column("foreign_outside_cpu_seconds", "foreign", "µs"),
            Column("foreign_edge_cpu_seconds", "on an edge", "µs"),
            Column("decode_cpu_seconds", "(decoding)", "µs"),
            Column("first_dump_update_cpu_seconds", "first dump", "µs"),
        ),
    ),
    Table(
        "updates",
        "A session: CPU time, median",
        (
            Column("session_up_cpu_seconds", "comes up", "ms"),
            Column("edge_lost_cpu_seconds", "edge lost", "ms"),
            Column("edge_back_cpu_seconds", "edge back", "ms"),
        ),
    ),
    Table(
        "shows",
        "/metrics: CPU time, and the longest hold of the event loop",
        (
            Column("metrics_series", "series"),
            Column("metrics_bytes", "size", "kB"),
            Column("scrape_first_cpu_seconds", "first", "ms"),
            Column("scrape_first_hold_seconds", "hold", "ms"),
            Column("scrape_cpu_seconds", "later", "ms"),
            Column("scrape_hold_seconds", "hold", "ms"),
        ),
    ),
    Table(
        "shows",
        "/api/v1/status: the same",
        (
            Column("status_bytes", "size", "kB"),
            Column("status_cpu_seconds", "CPU", "ms"),
            Column("status_hold_seconds", "hold", "ms"),
        ),
    ),
    Table(
        "shows",
        "Events of one change for the page: hold of the event loop, and size",
        (
            Column("feed_event_cpu_seconds", "feed", "ms"),
            Column("feed_event_bytes", "size", "kB"),
            Column("link_event_cpu_seconds", "link", "ms"),
            Column("link_event_bytes", "size", "kB"),
            Column("pool_event_cpu_seconds", "pool", "ms"),
            Column("pool_event_bytes", "size", "kB"),
        ),
    ),
    Table(
        "live",
        "A running daemon reloads: the longest hold of its event loop",
        (Column("live_reload_hold_seconds", "hold", "ms"), Column("live_reload_hold_step", "in")),
    ),
)


class Row(NamedTuple):
    """The figures of one size."""

    circuits: int
    figures: dict[str, Figure]
    why: dict[str, str]
    """By job: why its figures are missing."""


def tables(rows: Sequence[Row], jobs: Iterable[str]) -> Iterator[str]:
    """Print the tables of some jobs, with a row for each size."""
    wanted = set(jobs)
    for table in TABLES:
        if table.job in wanted:
            yield f"\n{table.title}\n"
            yield from _lines(table, rows)


def _lines(table: Table, rows: Sequence[Row]) -> Iterator[str]:
    heads = [["circuits", ""], *([column.head, column.unit] for column in table.columns)]
    cells = [
        [f"{row.circuits:,}", *(_cell(row, table.job, column) for column in table.columns)] for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*zip(*heads, strict=True), *cells, strict=True)]
    for line in (*zip(*heads, strict=True), *cells):
        yield "  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)).rstrip()


def _cell(row: Row, job: str, column: Column) -> str:
    value = row.figures.get(column.key)
    if value is None:
        return row.why.get(job, "-")
    return value if isinstance(value, str) else _number(value * column.scale)


def _number(value: float) -> str:
    """Format a number with three significant digits."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
