"""Checks of losses that would go unnoticed: circuits that no edge table shows, and many routers that are lost at
once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from ermon.checks import needs, unattributed
from ermon.checks.check import AcceptanceStep, Check, Section, Tested
from ermon.checks.facts import Facts, circuit_seen
from ermon.checks.subject import OK, UNKNOWN, Evidence, Subject, Verdict, region_labels, violated
from ermon.checks.topics import (
    OUT_OF_SIGHT,
    Topic,
    feed_topic,
    first_dump_topic,
    link_topic,
    up_circuits_topic,
)
from ermon.model.inventory import Circuit, Config, Feed, Link, View
from ermon.model.prefixes import Family
from ermon.model.settings import Severity

FEWEST_ROUTERS = 3
"""So many routers out of sight at once have a common cause; one or two may each have their own."""


@dataclass(frozen=True)
class _Watched:
    """A circuit in a family that edge tables of its routers and VRFs carry, or whose sessions the routers report."""

    family: Family
    links: tuple[Link, ...]
    tables: tuple[Feed, ...]

    def seen(self, facts: Facts) -> bool:
        return circuit_seen(facts, self.links, self.family)

    def up_beside(self, facts: Facts) -> list[str]:
        """Name the other circuits of its VRFs that are up."""
        vrfs = {link.vrf for link in self.links}
        found = {name for vrf in vrfs for name in facts.up_circuits(vrf, self.family)}
        return sorted(found - {link.circuit for link in self.links})

    def behind_best_paths(self, facts: Facts) -> bool | None:
        """Return whether no table carries all paths; ``None`` if not all tables are in sync."""
        names = [feed.name for feed in self.tables]
        if any(facts.up(name) and facts.all_paths(name, self.family) for name in names):
            return False
        return True if all(facts.in_sync(name, self.family) for name in names) else None

    def hidden(self, facts: Facts) -> bool:
        """Return whether its tables are complete, and routes of other circuits may hide all of its own."""
        if self.seen(facts) or any(facts.stale_routes(link.key, self.family) for link in self.links):
            return False
        return bool(self.behind_best_paths(facts)) and bool(self.up_beside(facts))

    def awaited(self, facts: Facts) -> bool:
        """Return whether a router with its table may still connect again after a start of ExaBGP."""
        return any(facts.awaited(feed.name) for feed in self.tables)

    def came_over_a_link(self, facts: Facts) -> bool:
        """Return whether there are routes that fit no link and that can only have come over one of these links."""
        return any(
            link.key in why.on_links for link in self.links for why in facts.strays(link.key, self.family)
        )


def _watched(config: Config, circuit: Circuit) -> tuple[_Watched, ...]:
    """Return the families of a circuit for which a feed is configured that shows one of its links."""
    found = []
    for family in circuit.families:
        links = tuple(link for link in circuit.links.values() if family in link.families)
        tables = {feed.name: feed for link in links for feed in config.eyes_of(link)}
        carrying = tuple(feed for _, feed in sorted(tables.items()) if family in feed.families)
        if carrying:
            found.append(_Watched(family, links, carrying))
    return tuple(found)


def _topics(watched: tuple[_Watched, ...]) -> set[Topic]:
    topics: set[Topic] = set()
    for each in watched:
        topics.update(link_topic(link.key, each.family) for link in each.links)
        topics.update(up_circuits_topic(link.vrf, each.family) for link in each.links)
        topics.update(feed_topic(feed.name) for feed in each.tables)
    return topics


def circuit_unseen(config: Config) -> Iterator[Subject]:
    for circuit in config.circuits.values():
        if watched := _watched(config, circuit):
            topics = frozenset({*_topics(watched), first_dump_topic(circuit.name)})
            feeds = tuple(sorted({feed.name for each in watched for feed in each.tables}))
            judge = partial(_circuit_unseen, circuit.name, watched)
            yield Subject("circuit-unseen", (("circuit", circuit.name),), topics, judge, feeds=feeds)


def _circuit_unseen(circuit: str, watched: tuple[_Watched, ...], facts: Facts) -> Verdict:
    unseen, waiting = [], False
    for each in watched:
        if each.seen(facts) or each.hidden(facts) or each.came_over_a_link(facts):
            continue
        if each.awaited(facts) or facts.in_first_dump(circuit, each.family):
            waiting = True
        else:
            unseen.append(each)
    if unseen:
        return violated(_nobody_would_know(tuple(unseen), facts))
    return UNKNOWN if waiting else OK


def _nobody_would_know(unseen: tuple[_Watched, ...], facts: Facts) -> Evidence:
    details: dict[str, list[str]] = {"families": [each.family for each in unseen]}
    down = {feed.name for each in unseen for feed in each.tables if not facts.up(feed.name)}
    if down:
        details["feeds_down"] = sorted(down)
    for each in unseen:
        details.update(unattributed.near(each.links, each.family, facts))
    return Evidence(
        feeds=[feed.name for each in unseen for feed in each.tables],
        routers=[link.router for each in unseen for link in each.links],
        details=details,
    )


CIRCUIT_UNSEEN = Check(
    name="circuit-unseen",
    section=Section.RECEIVED,
    severity=Severity.CRITICAL,
    raise_after=60,
    clear_after=0,
    subjects=circuit_unseen,
    labels=("circuit",),
    summary="ermon cannot see circuit {circuit}: no link is known to be up, and it is not proven down",
    needs=needs.every_edge_table,
    acceptance=Tested(AcceptanceStep.SIGHT),
)


def circuit_hidden(config: Config) -> Iterator[Subject]:
    for circuit in config.circuits.values():
        if watched := _watched(config, circuit):
            labels = (("circuit", circuit.name),)
            judge = partial(_circuit_hidden, watched)
            yield Subject("circuit-hidden", labels, frozenset(_topics(watched)), judge)


def _circuit_hidden(watched: tuple[_Watched, ...], facts: Facts) -> Verdict:
    hidden = [each for each in watched if each.hidden(facts)]
    if not hidden:
        unknown = any(not each.seen(facts) and each.behind_best_paths(facts) is None for each in watched)
        return UNKNOWN if unknown else OK
    details = {
        "families": [each.family for each in hidden],
        "circuits_up": sorted({name for each in hidden for name in each.up_beside(facts)}),
    }
    feeds = [feed.name for each in hidden for feed in each.tables]
    routers = [link.router for each in hidden for link in each.links]
    return violated(Evidence(feeds=feeds, routers=routers, details=details))


CIRCUIT_HIDDEN = Check(
    name="circuit-hidden",
    section=Section.RECEIVED,
    severity=Severity.WARNING,
    raise_after=60,
    clear_after=0,
    subjects=circuit_hidden,
    labels=("circuit",),
    summary="Circuit {circuit} is hidden behind the best paths of other circuits: ermon would not see its loss",
    needs=needs.every_edge_table,
    acceptance=Tested(AcceptanceStep.SIGHT, place=1),
)


def sight_lost(config: Config) -> Iterator[Subject]:
    tables = [feed for feed in config.feeds.values() if feed.view is View.EDGE_TABLE]
    routers = {feed.router for feed in tables}
    if len(routers) >= FEWEST_ROUTERS:
        feeds = tuple(feed.name for feed in tables)
        judge = partial(_sight_lost, config, len(routers))
        yield Subject("sight-lost", region_labels(config), frozenset({OUT_OF_SIGHT}), judge, feeds=feeds)


def _sight_lost(config: Config, routers: int, facts: Facts) -> Verdict:
    lost = facts.routers_out_of_sight()
    if facts.routers_awaited():
        return UNKNOWN
    if len(lost) < FEWEST_ROUTERS or 2 * len(lost) <= routers:
        return OK
    evidence = Evidence(routers=lost, details={"routers_lost": len(lost), "routers_watched": routers})
    return violated(evidence)._replace(explains=lambda feed: config.feeds[feed].router in lost)


SIGHT_LOST = Check(
    name="sight-lost",
    section=Section.SIGHT,
    severity=Severity.CRITICAL,
    raise_after=60,
    clear_after=0,
    subjects=sight_lost,
    optional_labels=("region",),
    summary="ermon[ of region {region}] cannot see most routers: the cause is probably at ermon's end",
    needs=needs.nothing_else,
    suppresses=("circuit-unseen", "feed-down"),
    covered_by_maintenance=False,  # work on one router does not explain the loss of most
    acceptance=Tested(AcceptanceStep.SIGHT, place=1),
)
