"""Checks of what the tables of Microsoft's edge routers say: whether it has accepted the pools, and what it sends."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from heapq import nsmallest
from typing import Any

from ermon.checks import needs
from ermon.checks.check import AcceptanceStep, Check, NotTested, Section, Tested
from ermon.checks.facts import Acceptance, AzureDifferences, Facts
from ermon.checks.mirror import POOL_SPACE, MirroredLink, mirrored
from ermon.checks.subject import (
    LISTED,
    NOT_YET,
    OK,
    UNKNOWN,
    Evidence,
    Subject,
    Verdict,
    link_labels,
    violated,
)
from ermon.checks.topics import RouteSet, azure_tables_topic, azure_topic, link_topic
from ermon.model.inventory import Config, Link, LinkKey, Peering, Pool, View
from ermon.model.prefixes import Family, Prefix
from ermon.model.settings import Severity

AFTER_LINK_LOSS = ("azure-not-accepted", "azure-disagrees")
"""The checks that compare tables in which a link that is down, or that Microsoft drains, may differ."""


def has_tables(config: Config, link: Link) -> bool:
    """Return whether the tables of Microsoft's edge router at the far end of a link are read."""
    azure = config.circuits[link.circuit].azure
    return azure is not None and azure.reads_tables


def near(links: Collection[Link], family: Family, facts: Facts) -> Mapping[str, list[str]]:
    """Return what Microsoft's edge routers say of these links, as details of evidence; empty where nothing is known."""
    sides = ((link.name, facts.microsofts_side(link.key, family)) for link in links)
    found = [f"{name}: {words}" for name, words in sides if words]
    return {"microsofts_side": found} if found else {}


# azure-not-accepted ----------------------------------------------------------------------------------


def azure_not_accepted(config: Config) -> Iterator[Subject]:
    for pool in config.pools.values():
        for link in config.pool_links(pool):
            if config.circuits[link.circuit].peering is not Peering.MICROSOFT or not has_tables(config, link):
                continue
            mirror = mirrored(config, link)
            for family in filter(mirror.has_family, pool.families):
                topics = mirror.mirror_topics((family,), POOL_SPACE, pool.name) | {
                    azure_tables_topic(link.key)
                }
                labels = (("pool", pool.name), ("family", family), *link_labels(link))
                judge = partial(_azure_not_accepted, pool, mirror, family)
                yield Subject("azure-not-accepted", labels, frozenset(topics), judge)


def _azure_not_accepted(pool: Pool, link: MirroredLink, family: Family, facts: Facts) -> Verdict:
    feeds = [feed for feed in link.feeds if facts.in_sync(feed.name, family)]
    if not feeds:
        return UNKNOWN
    shown = {
        prefix
        for feed in feeds
        for prefix, _ in facts.matching(feed.name, RouteSet(POOL_SPACE, family, pool.name))
    }
    answers = {prefix: facts.azure_accepts(link.link.key, prefix) for prefix in shown}
    lacking = [prefix for prefix, answer in answers.items() if answer is Acceptance.LACKING]
    if lacking:
        details = partial(near, (link.link,), family, facts)
        names = [feed.name for feed in feeds]
        return violated(Evidence(prefixes=lacking, feeds=names, routers=(link.link.router,), details=details))
    # What one reading lacks is not held: the acceptance test must not pass on it.
    return UNKNOWN if {Acceptance.UNKNOWN, Acceptance.WAITING} & set(answers.values()) else OK


AZURE_NOT_ACCEPTED = Check(
    name="azure-not-accepted",
    section=Section.ADVERTISED,
    severity=Severity.WARNING,
    raise_after=0,
    clear_after=0,
    subjects=azure_not_accepted,
    labels=("pool", "family", "circuit", "link"),
    summary="Microsoft does not hold NAT pool {pool} ({family}) on link {link} of circuit {circuit}, which advertises it",
    needs=needs.link_mirror,
    peering=Peering.MICROSOFT,
    views=(View.TO_MICROSOFT,),
    acceptance=Tested(AcceptanceStep.ACCEPTED),
)


# azure-disagrees -------------------------------------------------------------------------------------


def azure_disagrees(config: Config) -> Iterator[Subject]:
    for link in config.links:
        if has_tables(config, link):
            topics = {
                azure_tables_topic(link.key),
                *(link_topic(link.key, family) for family in link.families),
            }
            judge = partial(_azure_disagrees, link)
            yield Subject("azure-disagrees", link_labels(link), frozenset(topics), judge)


def _azure_disagrees(link: Link, facts: Facts) -> Verdict:
    """Numbers alone never decide: only prefixes do that are missing on one side. A family of which the table has nothing
    is not compared.
    """
    compared = (facts.azure_differences(link.key, family) for family in link.families)
    known = [found for found in compared if found is not None]
    differing = {prefix for found in known for prefix in (*found.only_microsoft, *found.only_ours)}
    if differing:
        details = partial(_differences, link.key, known, facts)
        return violated(Evidence(prefixes=differing, routers=(link.router,), details=details))
    if not known:
        return UNKNOWN
    return NOT_YET if any(found.once for found in known) else OK


def _differences(link: LinkKey, known: Collection[AzureDifferences], facts: Facts) -> dict[str, Any]:
    theirs = nsmallest(LISTED, (prefix for found in known for prefix in found.only_microsoft))
    ours: list[Prefix] = nsmallest(LISTED, (prefix for found in known for prefix in found.only_ours))
    found: dict[str, Any] = {}
    if theirs:
        found |= {"only_at_microsoft": list(map(str, theirs)), "rows": list(facts.azure_rows(link, theirs))}
    if ours:
        found["only_on_router"] = list(map(str, ours))
    return found


AZURE_DISAGREES = Check(
    name="azure-disagrees",
    section=Section.RECEIVED,
    severity=Severity.WARNING,
    raise_after=0,
    clear_after=0,
    subjects=azure_disagrees,
    labels=("circuit", "link"),
    summary="Microsoft's table and the routes received on link {link} of circuit {circuit} are different",
    needs=needs.link_state,
    views=(View.EDGE_TABLE,),
    acceptance=NotTested("the prefixes that are expected are tested"),
)


# azure-stale -----------------------------------------------------------------------------------------


def azure_stale(config: Config) -> Iterator[Subject]:
    """A circuit's states and prefixes, and the tables of each of its links, are sources of their own."""
    for circuit in config.circuits.values():
        if circuit.azure is not None:
            labels = (("source", f"azure-circuit {circuit.name}"),)
            topics = frozenset({azure_topic(circuit.name)})
            yield Subject("azure-stale", labels, topics, partial(_circuit_stale, circuit.name))
    for link in config.links:
        if has_tables(config, link):
            labels = (("source", f"azure-tables {'/'.join(link.key)}"),)
            topics = frozenset({azure_tables_topic(link.key)})
            yield Subject("azure-stale", labels, topics, partial(_tables_stale, link.key))


def _circuit_stale(circuit: str, facts: Facts) -> Verdict:
    overdue = facts.azure_reading_overdue(circuit)
    return _stale(overdue, partial(facts.azure_reading_problem, circuit))


def _tables_stale(link: LinkKey, facts: Facts) -> Verdict:
    return _stale(facts.azure_overdue(link), partial(facts.azure_problem, link))


def _stale(overdue: bool | None, problem: Callable[[], str]) -> Verdict:
    if overdue is None:
        return UNKNOWN
    return violated(Evidence(details=lambda: {"problem": problem()})) if overdue else OK


AZURE_STALE = Check(
    name="azure-stale",
    section=Section.SIGHT,
    severity=Severity.WARNING,
    raise_after=0,
    clear_after=0,
    subjects=azure_stale,
    labels=("source",),
    summary="{source} could not be read for an hour or three intervals",
    needs=needs.nothing_else,
    acceptance=NotTested("what depends on it is unknown"),
)
