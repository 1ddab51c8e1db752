"""``/api/v1/circuits/{circuit}/difference``: what one link of a circuit brings and another does not.

It is read from what the check ``link-asymmetry`` goes by, so that the two cannot disagree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import nsmallest
from itertools import islice
from typing import NamedTuple

from ermon.api.answers import LinkDifferenceDoc
from ermon.core.asymmetry import received_tables
from ermon.core.facts import NetworkFacts
from ermon.core.monitor import Monitor
from ermon.model.findings import LinkState
from ermon.model.inventory import Circuit, Link
from ermon.model.prefixes import Family, Prefix

MAX_PREFIXES = 20
"""Of each link: as many as the evidence of a finding."""

LOOKED_AT_ONCE = 2_000
"""Prefixes that are looked at before anybody else has a turn: some four milliseconds."""


class _Found(NamedTuple):
    prefixes: list[Prefix]
    complete: bool


async def find_difference(
    monitor: Monitor, circuit: Circuit
) -> Callable[[], dict[Family, dict[str, LinkDifferenceDoc]]]:
    """Find what is on some links only; the result describes it by family and link, on any thread.

    Families that fewer than two links carry, or that another instance judges, are left out. While a link is
    down, unknown or seen through best paths only, what the others bring cannot be compared with it in full.
    """
    judged = monitor.layout.link_families
    found: dict[Family, dict[str, _Found]] = {}
    for family in circuit.families:
        links = [link for link in circuit.links.values() if family in link.families]
        if len(links) > 1 and all(family in judged[link.key] for link in links):
            found[family] = await _compare(monitor.network, circuit.name, links, family)
    return lambda: {
        family: {link: _describe(difference) for link, difference in by_link.items()}
        for family, by_link in found.items()
    }


async def _compare(known: NetworkFacts, circuit: str, links: list[Link], family: Family) -> dict[str, _Found]:
    """Look through the prefixes bit by bit; each is judged as it stands when its turn comes."""
    brought: dict[str, list[Prefix]] = {link.name: [] for link in links}
    remaining = iter(tuple(known.one_sided(circuit, family)))
    while some := tuple(islice(remaining, LOOKED_AT_ONCE)):
        differing = known.one_sided(circuit, family)
        for table in received_tables(known, circuit, family):
            brought[table.link].extend(p for p in some if p in differing and table.shows(p))
        await asyncio.sleep(0)
    return {link.name: _Found(brought[link.name], _complete(known, link, links, family)) for link in links}


def _complete(known: NetworkFacts, link: Link, links: list[Link], family: Family) -> bool:
    if known.link_state(link.key, family) is LinkState.DOWN:
        return True  # it brings nothing
    return all(
        known.link_state(each.key, family) is LinkState.UP and known.deciders(each.key, family)
        for each in links
    )


def _describe(found: _Found) -> LinkDifferenceDoc:
    return LinkDifferenceDoc(
        prefixes=tuple(str(prefix) for prefix in nsmallest(MAX_PREFIXES, found.prefixes)),
        total=len(found.prefixes),
        complete=found.complete,
    )
