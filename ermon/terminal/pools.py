"""The NAT pools: where each is seen, and where it should be."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import RenderableType
from rich.text import Text

from ermon.client.answers import Pool, Status
from ermon.terminal.console import grid, text
from ermon.terminal.words import family_name, mark, plural, style

MAX_POOLS = 10
"""With more of them, only those are shown that are not where they should be."""


def pools(status: Status, *, everything: bool) -> list[RenderableType]:
    rows = {name: _row(pool) for name, pool in status.pools.items()}
    shown = {
        name: row
        for name, row in rows.items()
        if everything or len(rows) <= MAX_POOLS or min(place.rank for place in row) < _AS_PLANNED
    }
    table = grid("Pool", "On its links", "On other links", "On the internet")
    for name, row in sorted(shown.items(), key=lambda item: min(place.rank for place in item[1])):
        first = text(name, "bold")
        for prefix in status.pools[name].prefixes:
            first.append("\n").append_text(text(prefix, "dim"))
        table.add_row(first, *(place.text for place in row))
    parts: list[RenderableType] = [table] if shown else []
    if len(shown) < len(rows):
        hidden = plural(len(rows) - len(shown), "pool")
        parts.append(
            text(f"● {hidden} more where they should be, and nowhere else; --all shows them", "green")
        )
    return parts


_RANKS = {"down": 0, "unknown": 1, "up": 2}
_AS_PLANNED = _RANKS["up"]


class _Places:
    """One cell: the places of one kind where a pool is, or is not."""

    def __init__(self) -> None:
        self.rank = _AS_PLANNED
        """What is wrong comes before what nobody knows, and that before what is as planned."""
        self.text = Text()

    def add(self, words: str, state: str) -> None:
        self.rank = min(self.rank, _RANKS[state])
        self.text.append("\n" if self.text else "").append_text(text(words, style(state)))


def _row(pool: Pool) -> tuple[_Places, _Places, _Places]:
    own, other, internet = _Places(), _Places(), _Places()
    for place, answers in pool.by_link().items():
        expected = place in pool.expected_on
        where = f"{place.circuit} {place.link}"
        if expected:
            _tell(own, where, answers, wanted="yes")
        elif set(answers.values()) != {"no"}:
            _tell(other, where, answers, wanted="no")
    for feed, answers in pool.by_view().items():
        if pool.internet == "failover" and "yes" in answers.values():
            internet.add(f"● {feed}, for failover", "up")
        elif set(answers.values()) != {"no"}:
            _tell(internet, feed, answers, wanted="no")
    for places, absent in (
        (own, "○ none"),
        (other, "○ none"),
        (internet, "○ no" if pool.by_view() else "not watched"),
    ):
        if not places.text:
            places.text.append_text(text(absent, "dim"))
    return own, other, internet


def _tell(places: _Places, where: str, answers: Mapping[str, str], *, wanted: str) -> None:
    """Say how a pool stands in one place; where the families differ, each for itself."""
    wrong = [family for family, answer in answers.items() if answer not in (wanted, "unknown")]
    unknown = [family for family, answer in answers.items() if answer == "unknown"]
    if wrong:
        which = "" if len(wrong) == len(answers) else f" {', '.join(map(family_name, wrong))}"
        places.add(f"▲ {'missing on ' if wanted == 'yes' else ''}{where}{which}", "down")
    elif unknown:
        which = "" if len(unknown) == len(answers) else f" {', '.join(map(family_name, unknown))}"
        places.add(f"{mark('unknown')} {where}{which}: unknown", "unknown")
    else:
        places.add(f"{mark(wanted)} {where}", "up")
