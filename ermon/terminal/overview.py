"""The whole picture, the most urgent first: what is wrong, then which circuit, link, pool and feed."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType

from ermon.terminal import circuits, feeds, findings, pools
from ermon.terminal.console import text
from ermon.terminal.picture import Picture
from ermon.terminal.words import headline_line, moment, style


def overview(picture: Picture, width: int, *, everything: bool = False) -> Iterator[RenderableType]:
    """Yield what to print, from top to bottom; ``everything``: nothing is left out that is well."""
    status, now = picture.status, picture.now()
    yield text(headline_line(status.headline), style(status.headline.kind))
    for title, parts in (
        ("Findings", findings.raised(picture, everything=everything)),
        ("Circuits", circuits.circuits(status, now, width, everything=everything)),
        ("NAT pools", pools.pools(status, everything=everything)),
        ("Feeds", feeds.feeds(status, now, width, everything=everything)),
        ("Cleared lately", findings.cleared(picture)),
    ):
        if parts:
            yield text("")
            yield text(title, "bold underline")
            yield from parts
    yield text("")
    yield text(f"ermon {status.version} at {picture.where}, {moment(now)}", "dim")
