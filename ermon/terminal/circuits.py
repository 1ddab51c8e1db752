"""The circuits and their links: what each brings and carries, in each family."""

from __future__ import annotations

from datetime import datetime

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ermon.api.status import CircuitDoc, LinkDoc, StatusDoc
from ermon.model.prefixes import Family
from ermon.terminal.console import grid, indented, text
from ermon.terminal.words import clock, duration, family_name, instant, mark, plural, style

MAX_CIRCUITS = 8
"""With more of them, only those are shown that something is wrong with."""
WIDE = 100
NARROW = 66
"""Below this, what is advertised and by which router gives way to the states."""


def circuits(status: StatusDoc, now: datetime, width: int, *, everything: bool) -> list[RenderableType]:
    troubled = [name for name, found in status.circuits.items() if found.overall != "up"]
    well = [name for name in status.circuits if name not in troubled]
    shown = troubled + (well if everything or len(status.circuits) <= MAX_CIRCUITS else [])
    parts: list[RenderableType] = []
    for name in shown:
        parts += _circuit(name, status.circuits[name], now, width, _widths(status, shown))
    if len(shown) < len(status.circuits):
        hidden = plural(len(status.circuits) - len(shown), "circuit")
        parts.append(text(f"● {hidden} more with every link up; --all shows them", "green"))
    return parts


def _widths(status: StatusDoc, names: list[str]) -> tuple[int, int]:
    """Return how wide names of links and of routers are, so that the circuits' columns stand in line."""
    links = [item for name in names for item in status.circuits[name].links.items()]
    return (
        max((len(name) for name, _ in links), default=0),
        max((len(link.router) for _, link in links), default=0),
    )


def _circuit(
    name: str, circuit: CircuitDoc, now: datetime, width: int, widths: tuple[int, int]
) -> list[RenderableType]:
    head = Text().append(f"{mark(circuit.overall)} ", style(circuit.overall)).append_text(text(name, "bold"))
    head.append_text(text(f"  {circuit.location}, {circuit.peering} peering", "dim"))
    table = _table(width, widths)
    for link_name, link in circuit.links.items():
        for row in _rows(link_name, link, now, width):
            table.add_row(*row)
    parts: list[RenderableType] = [head, indented(table, 2)]
    for link_name, link in circuit.links.items():
        if link.service_routes or link.services:
            parts.append(indented(_services(link_name, link), 2))
    return parts


def _table(width: int, widths: tuple[int, int]) -> Table:
    names = _columns(width)
    table = grid(*names, right=[names.index("Prefixes")])
    if width >= NARROW:
        for name, least in (("Link", widths[0]), ("Router", widths[1]), ("State", 10), ("For", 10)):
            table.columns[names.index(name)].min_width = min(least, width // 4)
    return table


def _columns(width: int) -> list[str]:
    if width < NARROW:
        return ["Link", "Family", "State", "For", "Prefixes"]
    since = ["Since (UTC)"] if width >= WIDE else []
    return ["Link", "Router", "Family", "State", "For", *since, "Prefixes", "Advertised"]


def _rows(name: str, link: LinkDoc, now: datetime, width: int) -> list[list[Text]]:
    rows: list[dict[str, Text]] = []
    for family, state in link.shown.items():
        told = link.since.get(family)
        since = None if told is None else instant(told)
        rows.append(
            {
                "Family": text(family_name(family)),
                "State": text(f"{mark(state)} {state}", style(state)),
                "For": text("the start" if since is None else duration(now - since)),
                "Since (UTC)": text("" if since is None else clock(since, now)),
                "Prefixes": text(str(link.routes.get(family, 0))),
                "Advertised": _advertised(link, family),
            }
        )
    rows = rows or [{"State": text("watched elsewhere", "dim")}]
    rows[0] |= {"Link": text(name), "Router": text(link.router)}
    return [[row.get(column, text("")) for column in _columns(width)] for row in rows]


def _advertised(link: LinkDoc, family: Family) -> Text:
    count, limit = link.advertised_prefixes.get(family), link.advertised_prefix_limit.get(family)
    if count is None or limit is None:
        return text("not seen", "dim")
    return text(f"{count} of {limit}")


def _services(name: str, link: LinkDoc) -> Text:
    """Tell what the link brings of each service, those that are missing first."""
    totals = {
        **{service: sum(found.values()) for service, found in link.services.items()},
        **link.service_routes,
    }
    told = Text(overflow="fold").append_text(text(f"{name} brings ", "dim"))
    for number, (service, total) in enumerate(sorted(totals.items(), key=lambda item: item[1] > 0)):
        told.append(", " if number else "")
        families = link.services.get(service, {})
        if total == 0:
            told.append_text(text(f"▲ no {service}", style("down")))
        elif families:
            counts = ", ".join(f"{family_name(family)} {count}" for family, count in families.items())
            told.append_text(text(f"{service} ({counts})"))
        else:
            told.append_text(text(f"{service} ({plural(total, 'route')})"))
    return told
