"""Shows circuits with their links, and NAT pools: what each link receives, and where each pool is and should be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ermon.api.status import (
    Answer,
    AzureDoc,
    CircuitDoc,
    LinkDoc,
    PlaceDoc,
    PoolDoc,
    PoolOverall,
    PoolPlace,
    Shown,
    StatusDoc,
)
from ermon.model.prefixes import Family
from ermon.model.zones import clock
from ermon.terminal.display import (
    duration,
    family_name,
    grid,
    indented,
    instant,
    mark,
    plural,
    style,
    text,
)

# Circuits ------------------------------------------------------------------------------------------------

MAX_CIRCUITS = 8
"""If there are more, only those with a problem are shown."""
WIDE = 100
"""From so many columns on there is room for a time of day in one zone; a second zone needs more."""
NARROW = 66
"""In narrower terminals the columns of advertised prefixes and routers are left out in favor of the states."""


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
    """Return the widths of the names of links and of routers, so that the columns of all circuits are aligned."""
    links = [item for name in names for item in status.circuits[name].links.items()]
    return (
        max((len(name) for name, _ in links), default=0),
        max((len(link.router) for _, link in links), default=0),
    )


def _circuit(
    name: str, circuit: CircuitDoc, now: datetime, width: int, widths: tuple[int, int]
) -> list[RenderableType]:
    head = Text().append(f"{mark(circuit.overall)} ", style(circuit.overall)).append_text(text(name, "bold"))
    for family, state in circuit.state.items():
        sign = circuit.shown.get(family, state)
        head.append_text(text(f"  {mark(sign)} {links_of(circuit, family)}", style(sign)))
    head.append_text(text(f"  {circuit.location}, {circuit.peering} peering", "dim"))
    columns = _columns(width, now)
    table = _table(columns, width, widths)
    for link_name, link in circuit.links.items():
        for row in _rows(link_name, link, now, columns):
            table.add_row(*row)
    parts: list[RenderableType] = [head, indented(table, 2)]
    if circuit.azure is not None:
        parts.append(indented(_azure(circuit.azure, now), 2))
    for link_name, link in circuit.links.items():
        parts += [indented(line, 2) for line in _sessions(link_name, link, now)]
        if link.service_routes or link.services:
            parts.append(indented(_services(link_name, link), 2))
    return parts


def links_of(circuit: CircuitDoc, family: Family) -> str:
    """Return the state of a circuit in a family, with the number of its links: ``IPv4 up, 1 of 2 links; 1 unknown``."""
    state, unknown = circuit.state[family], circuit.links_unknown.get(family, 0)
    every = sum(family in link.state for link in circuit.links.values())
    named = f"{family_name(family)} {state}"
    if state == Shown.UNKNOWN:
        return f"{named}, {unknown} of {every} links" if unknown else named
    return f"{named}, {circuit.links_up[family]} of {every} links" + (
        f"; {unknown} unknown" if unknown else ""
    )


def _table(names: list[str], width: int, widths: tuple[int, int]) -> Table:
    table = grid(*names, right=[names.index("Prefixes")])
    if width >= NARROW:
        for name, least in (("Link", widths[0]), ("Router", widths[1]), ("State", 10), ("For", 10)):
            table.columns[names.index(name)].min_width = min(least, width // 4)
    return table


def _columns(width: int, now: datetime) -> list[str]:
    if width < NARROW:
        return ["Link", "Family", "State", "For", "Prefixes"]
    room = width - (len(clock(now, now)) - len("06:22:21 UTC"))
    since = ["Since"] if room >= WIDE else []
    return ["Link", "Router", "Family", "State", "For", *since, "Prefixes", "Advertised"]


def _rows(name: str, link: LinkDoc, now: datetime, columns: list[str]) -> list[list[Text]]:
    rows: list[dict[str, Text]] = []
    for family, state in link.shown.items():
        since_text = link.since.get(family)
        since = None if since_text is None else instant(since_text)
        rows.append(
            {
                "Family": text(family_name(family)),
                "State": text(f"{mark(state)} {state}", style(state)),
                "For": text("since ermon started" if since is None else duration(now - since)),
                "Since": text("" if since is None else clock(since, now)),
                "Prefixes": _received(link, family),
                "Advertised": _advertised(link, family),
            }
        )
    rows = rows or [{"State": text("watched elsewhere", "dim")}]
    rows[0] |= {"Link": text(name), "Router": text(link.router)}
    return [[row.get(column, text("")) for column in columns] for row in rows]


def _received(link: LinkDoc, family: Family) -> Text:
    if link.state.get(family) == Shown.UNKNOWN:
        return text("◆ unknown", style("unknown"))
    return text(str(link.routes.get(family, 0)))


def _advertised(link: LinkDoc, family: Family) -> Text:
    count, limit = link.advertised_prefixes.get(family), link.advertised_prefix_limit.get(family)
    if count is None or limit is None:
        return text("not seen", "dim")
    match link.advertising.get(family):
        case Answer.NO:  # the mirror shows what the link would advertise
            return text(f"none ({count} when up)", style("down"))
        case Answer.UNKNOWN:
            return text("◆ unknown", style("unknown"))
        case _:
            return text(f"{count} of {limit}")


def _sessions(name: str, link: LinkDoc, now: datetime) -> Iterator[Text]:
    """Say why the router's own sessions on a link are down, or bring nothing, as the router reports it."""
    for family, session in link.sessions.items():
        if session.state == Shown.UNKNOWN or not session.reason:
            continue
        since = "" if session.since is None else f" since {clock(instant(session.since), now)}"
        down = "" if session.state == Shown.UP else " down"
        yield text(f"▲ {name} {family_name(family)} session{down}{since}: {session.reason}", style("down"))


def _azure(azure: AzureDoc, now: datetime) -> Text:
    """Say what Azure says of a circuit, and how old that is."""
    if azure.read_at is None:
        line = text(f"Azure: {azure.problem or 'not read yet'}", "unknown" if azure.problem else "dim")
    else:
        age = duration(now - instant(azure.read_at))
        if azure.current:
            line = text(f"Azure, {age} ago: {azure.says}", "dim")
        else:
            line = text(f"Azure: unknown; {age} ago, which is too old to count: {azure.says}", "unknown")
        if azure.problem:
            line.append_text(text(f"; since then: {azure.problem}", "unknown"))
    return line


def _services(name: str, link: LinkDoc) -> Text:
    """Return the routes that are received on the link for each service, missing services first."""
    totals = {
        **{service: sum(found.values()) for service, found in link.services.items()},
        **link.service_routes,
    }
    line = Text(overflow="fold").append_text(text(f"{name} receives ", "dim"))
    for number, (service, total) in enumerate(sorted(totals.items(), key=lambda item: item[1] > 0)):
        line.append(", " if number else "")
        families = link.services.get(service, {})
        answers = link.service_answers.get(service, {})
        if total == 0 and Answer.UNKNOWN in answers.values():
            line.append_text(text(f"{service} ◆ unknown", style("unknown")))
        elif total == 0:
            line.append_text(text(f"▲ no {service}", style("down")))
        elif families:
            counts = ", ".join(
                f"{family_name(family)} {'unknown' if answers.get(family) == Answer.UNKNOWN else count}"
                for family, count in families.items()
            )
            line.append_text(text(f"{service} ({counts})"))
        else:
            line.append_text(text(f"{service} ({plural(total, 'route')})"))
    return line


# NAT pools -----------------------------------------------------------------------------------------------

MAX_POOLS = 10
"""If there are more, only those that are missing somewhere or in a wrong place are shown."""


def pools(status: StatusDoc, *, everything: bool) -> list[RenderableType]:
    shown = {
        name: pool
        for name, pool in status.pools.items()
        if everything or len(status.pools) <= MAX_POOLS or pool.overall != PoolOverall.PLANNED
    }
    table = grid("Pool", "On its links", "On other links", "On the internet")
    for name, pool in sorted(shown.items(), key=lambda item: _RANKS.get(item[1].overall, 0)):
        first = text(name, "bold")
        for prefix in pool.prefixes:
            first.append("\n").append_text(text(prefix, "dim"))
        for said in pool.ownership.values():
            for registered in (
                *(f"ROA {vrp}" for vrp in said.vrps),
                *(f"route {each}" for each in said.route_objects),
            ):
                first.append("\n").append_text(text(registered, "dim"))
        table.add_row(first, *_cells(pool, status))
    parts: list[RenderableType] = [table] if shown else []
    if len(shown) < len(status.pools):
        hidden = plural(len(status.pools) - len(shown), "pool")
        parts.append(
            text(f"● {hidden} more where they should be, and nowhere else; --all shows them", "green")
        )
    return parts


_RANKS: Mapping[str, int] = {PoolOverall.WRONG: 0, PoolOverall.UNKNOWN: 1, PoolOverall.PLANNED: 2}


def _cells(pool: PoolDoc, status: StatusDoc) -> tuple[Text, Text, Text]:
    """Return in which places the pool is, should be, or may be."""
    own: list[Text] = []
    other: list[Text] = []
    for circuit, row in pool.on_links.items():
        for link, place in row.items():
            rows = {family: found.get(circuit, {}) for family, found in pool.advertised.items()}
            cell = own if PlaceDoc(circuit=circuit, link=link) in pool.expected_on else other
            cell.append(_place(f"{circuit} {link}", place, _answers(rows, link)))
    internet = [
        _place(feed, place, _answers(pool.on_internet, feed)) for feed, place in pool.on_feeds.items()
    ]
    unheard = "○ no" if any(pool.on_internet.values()) else "not watched"
    links, unseen = _other_links(pool, status)
    if unseen:
        other.append(text(f"◆ {unseen} unknown", style("unknown")))
    return _cell(own, "○ none"), _cell(other, "○ none" if links else "no others"), _cell(internet, unheard)


def _other_links(pool: PoolDoc, status: StatusDoc) -> tuple[int, int]:
    """Return the number of links of Microsoft peering that must not advertise a pool, and how many of them are unknown."""
    links = unseen = 0
    for name, circuit in status.circuits.items():
        if circuit.peering != "microsoft":
            continue
        for link_name, link in circuit.links.items():
            if PlaceDoc(circuit=name, link=link_name) in pool.expected_on:
                continue
            links += 1
            answered = link_name in pool.on_links.get(name, {})
            unseen += not answered and any(
                link.advertising.get(family) == Answer.UNKNOWN for family in pool.advertised
            )
    return links, unseen


def _answers(seen: Mapping[Family, Mapping[str, str]], place: str) -> Mapping[Family, str]:
    return {family: answers[place] for family, answers in seen.items() if place in answers}


def _cell(places: list[Text], nowhere: str) -> Text:
    return Text("\n").join(places) if places else text(nowhere, "dim")


def _place(where: str, place: str, answers: Mapping[Family, str]) -> Text:
    """Return the state of a pool in one place, and the family if the families differ."""

    def families(answer: str) -> str:
        found = [family for family, each in answers.items() if each == answer]
        return "" if len(found) == len(answers) else f" {', '.join(map(family_name, found))}"

    match place:
        case PoolPlace.ADVERTISED:
            return text(f"● {where}", style("up"))
        case PoolPlace.FAILOVER:
            return text(f"● {where}, for failover", style("up"))
        case PoolPlace.MISSING:
            return text(f"▲ missing on {where}{families('no')}", style("down"))
        case PoolPlace.UNEXPECTED:
            return text(f"▲ {where}{families('yes')}", style("down"))
        case PoolPlace.UNKNOWN:
            return text(f"◆ {where}{families('unknown')}: unknown", style("unknown"))
        case _:
            return text(f"◆ {where}: {place}", style("unknown"))
