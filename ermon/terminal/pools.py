"""The NAT pools: where each is seen, and where it should be."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import RenderableType
from rich.text import Text

from ermon.api.status import PlaceDoc, PoolDoc, PoolOverall, PoolPlace, StatusDoc
from ermon.model.prefixes import Family
from ermon.terminal.console import grid, text
from ermon.terminal.words import family_name, plural, style

MAX_POOLS = 10
"""With more of them, only those are shown that are not where they should be."""


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
        table.add_row(first, *_cells(pool))
    parts: list[RenderableType] = [table] if shown else []
    if len(shown) < len(status.pools):
        hidden = plural(len(status.pools) - len(shown), "pool")
        parts.append(
            text(f"● {hidden} more where they should be, and nowhere else; --all shows them", "green")
        )
    return parts


_RANKS: Mapping[str, int] = {PoolOverall.WRONG: 0, PoolOverall.UNKNOWN: 1, PoolOverall.PLANNED: 2}


def _cells(pool: PoolDoc) -> tuple[Text, Text, Text]:
    """Tell in which places the pool is, should be, or may be."""
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
    return _cell(own, "○ none"), _cell(other, "○ none"), _cell(internet, unheard)


def _answers(seen: Mapping[Family, Mapping[str, str]], place: str) -> Mapping[Family, str]:
    return {family: answers[place] for family, answers in seen.items() if place in answers}


def _cell(places: list[Text], nowhere: str) -> Text:
    return Text("\n").join(places) if places else text(nowhere, "dim")


def _place(where: str, place: str, answers: Mapping[Family, str]) -> Text:
    """Say how a pool stands in one place; where the families differ, which of them it is about."""

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
