"""Checks that compare what a router reports by BMP with what ermon sees otherwise, and with what the router accepts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from heapq import nsmallest
from typing import Any

from ermon.checks import needs
from ermon.checks.check import AcceptanceStep, Check, NotTested, Section, Tested
from ermon.checks.facts import CompareKind, Disagreement, Facts
from ermon.checks.mirror import ADVERTISED
from ermon.checks.subject import LISTED, OK, UNKNOWN, Evidence, Subject, Verdict, link_labels, violated
from ermon.checks.topics import (
    RouteSet,
    Topic,
    feed_topic,
    link_topic,
    routes_topic,
    sight_topic,
    table_topic,
)
from ermon.model.inventory import Config, Feed, Link
from ermon.model.prefixes import FAMILIES, Family, Prefix
from ermon.model.settings import Severity

MOST_PERCENT, MOST_PREFIXES = 1, 3
"""Two ways of seeing the same routes may differ by this share and this number of prefixes: routes are on their way."""

Compared = tuple[CompareKind, tuple[Feed, ...]]
"""A comparison, and the feeds of both of its sides."""


def sight_disagrees(config: Config) -> Iterator[Subject]:
    for link in config.links:
        for family in FAMILIES:
            compared = tuple(_compared(config, link, family))
            if compared:
                feeds = [feed for _, both in compared for feed in both]
                labels = (*link_labels(link), ("family", family))
                judge = partial(_sight_disagrees, link, family, compared)
                topics = frozenset(_topics(link, family, compared))
                own = tuple(feed.name for feed in feeds if feed.by_bmp)
                yield Subject("sight-disagrees", labels, topics, judge, feeds=own)


def _compared(config: Config, link: Link, family: Family) -> Iterator[Compared]:
    session = config.sessions.get((link.key, family))
    tables = [feed for feed in config.tables_of(link) if family in feed.families and feed.add_path]
    if session is not None and tables:
        yield "received", (session, *tables)
    mirrors = tuple(feed for feed in config.mirrors.get(link.key, ()) if family in feed.families)
    if len({feed.by_bmp for feed in mirrors}) > 1:
        yield "advertised", mirrors


def _topics(link: Link, family: Family, compared: Iterable[Compared]) -> Iterator[Topic]:
    for kind, feeds in compared:
        yield sight_topic(kind, link.key, family)
        yield from (feed_topic(feed.name) for feed in feeds)
        if kind == "received":
            yield link_topic(link.key, family)  # routes of the edge table that fit no link
            yield table_topic(link.key, family)
        else:
            yield from (routes_topic(feed.name, RouteSet(ADVERTISED, family)) for feed in feeds)


def _sight_disagrees(link: Link, family: Family, compared: tuple[Compared, ...], facts: Facts) -> Verdict:
    found = {kind: facts.disagreement(kind, link.key, family) for kind, _ in compared}
    for kind, feeds in compared:
        disagreement = found[kind]
        if disagreement is not None and _too_different(disagreement):
            prefixes = disagreement.prefixes
            details = partial(_missing, kind, link, prefixes, facts)
            names = [feed.name for feed in feeds]
            return violated(Evidence(prefixes=prefixes, feeds=names, routers=(link.router,), details=details))
    return OK if all(each is not None and each.complete for each in found.values()) else UNKNOWN


def _too_different(found: Disagreement) -> bool:
    differing = len(found.prefixes)
    return differing > MOST_PREFIXES or differing * 100 > found.compared * MOST_PERCENT


def _missing(kind: CompareKind, link: Link, prefixes: Iterable[Prefix], facts: Facts) -> dict[str, Any]:
    """Return where the first of the prefixes is missing, and where each of those that are listed."""
    missing: dict[str, list[str]] = {}
    first: list[str] = []
    for number, prefix in enumerate(nsmallest(LISTED, prefixes)):
        sides = facts.lacking(kind, link.key, prefix)
        first = first if number else list(sides)
        for side in sides:
            missing.setdefault(side, []).append(str(prefix))
    return {"compared": _WORDS[kind], "missing_on": first, "missing": missing}


_WORDS = {
    "received": "the router's session with Microsoft, and its edge table",
    "advertised": "what the router reports that it advertises, and the mirror",
}


SIGHT_DISAGREES = Check(
    name="sight-disagrees",
    section=Section.SIGHT,
    severity=Severity.WARNING,
    raise_after=60,
    clear_after=60,
    subjects=sight_disagrees,
    labels=("circuit", "link", "family"),
    summary="Feeds of link {link} of circuit {circuit} show different {family} prefixes[: {prefix} is not on {missing_on}]",
    named_evidence=("missing_on",),
    needs=needs.nothing_else,
    acceptance=Tested(AcceptanceStep.SIGHT),
)


def received_rejected(config: Config) -> Iterator[Subject]:
    for link in config.links:
        both = {
            family: (before, after)
            for family in link.families
            if (before := config.pre_policy.get((link.key, family))) is not None
            and (after := config.sessions.get((link.key, family))) is not None
        }
        if both:
            feeds = [feed.name for each in both.values() for feed in each]
            topics = {sight_topic("rejected", link.key, family) for family in both}
            topics |= {feed_topic(feed) for feed in feeds}
            judge = partial(_received_rejected, link, {family: each[0] for family, each in both.items()})
            yield Subject(
                "received-rejected", link_labels(link), frozenset(topics), judge, feeds=tuple(feeds)
            )


def _received_rejected(link: Link, before: dict[Family, Feed], facts: Facts) -> Verdict:
    found = {family: facts.disagreement("rejected", link.key, family) for family in before}
    rejected = [prefix for each in found.values() if each is not None for prefix in each.prefixes]
    if rejected:
        feeds = [feed.name for feed in before.values()]
        return violated(Evidence(prefixes=rejected, feeds=feeds, routers=(link.router,)))
    complete = all(
        found[family] is not None and facts.in_sync(feed.name, family) for family, feed in before.items()
    )
    return OK if complete else UNKNOWN


RECEIVED_REJECTED = Check(
    name="received-rejected",
    section=Section.RECEIVED,
    severity=Severity.INFO,
    raise_after=60,
    clear_after=60,
    subjects=received_rejected,
    labels=("circuit", "link"),
    summary="The inbound policy on link {link} of circuit {circuit} rejects routes that Microsoft sends",
    needs=needs.nothing_else,
    acceptance=NotTested("what an inbound policy rejects may be rejected on purpose"),
)
