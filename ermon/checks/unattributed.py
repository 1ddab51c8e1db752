"""Microsoft routes that fit no link, and the reasons in the words of the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from ermon.checks import needs
from ermon.checks.attribution import Attributor, TableAttributor, Unattributed
from ermon.checks.check import AcceptanceStep, Check, Section, Tested
from ermon.checks.edge_table import UNATTRIBUTED
from ermon.checks.facts import Facts
from ermon.checks.subject import RouteGroup, Subject, Verdict, feed_labels, on_feed, present
from ermon.checks.topics import RouteSet, feed_topic, routes_topic
from ermon.model.inventory import Config, Feed, Link, View
from ermon.model.prefixes import Family
from ermon.model.routes import Attributes, Route
from ermon.model.settings import Severity

MOST_CAUSES = 20
"""The most reasons in the evidence."""


def route_unattributed(config: Config) -> Iterator[Subject]:
    attributor = Attributor(config)
    for feed in config.feeds.values():
        if feed.view is View.EDGE_TABLE:
            topics = {routes_topic(feed.name, RouteSet(UNATTRIBUTED, family)) for family in feed.families}
            topics.add(feed_topic(feed.name))
            judge = partial(_route_unattributed, feed, attributor.of(feed))
            yield Subject("route-unattributed", feed_labels(feed), frozenset(topics), judge)


def _route_unattributed(feed: Feed, table: TableAttributor, facts: Facts) -> Verdict:
    routes = RouteGroup(facts.matching(feed.name, RouteSet(UNATTRIBUTED, f)) for f in feed.families)
    complete = all(facts.in_sync(feed.name, family) for family in feed.families)
    return present(on_feed(feed, routes=routes, details=partial(_causes, table, routes)), complete=complete)


def _causes(table: TableAttributor, routes: Iterable[Route]) -> Mapping[str, list[str]]:
    by_attributes: dict[Attributes, Route] = {route.attributes: route for route in routes}
    found = {table.attribute(route) for route in by_attributes.values()}
    return {"causes": in_words(why for why in found if isinstance(why, Unattributed))}


def in_words(causes: Iterable[Unattributed]) -> list[str]:
    """Return the reasons in words, sorted."""
    return sorted(map(str, causes))[:MOST_CAUSES]


def near(links: Iterable[Link], family: Family, facts: Facts) -> Mapping[str, list[str]]:
    """Return the routes that fit no link and may belong to these links, as details of evidence; empty if there are
    none.
    """
    found = {str(why): count for link in links for why, count in facts.strays(link.key, family).items()}
    if not found:
        return {}
    return {"unattributed": [f"{why} ({count} routes)" for why, count in sorted(found.items())][:MOST_CAUSES]}


ROUTE_UNATTRIBUTED = Check(
    name="route-unattributed",
    section=Section.RECEIVED,
    severity=Severity.WARNING,
    raise_after=60,
    clear_after=60,
    subjects=route_unattributed,
    labels=("feed",),
    summary="Feed {feed} shows Microsoft routes that fit no link",
    needs=needs.nothing_else,
    acceptance=Tested(AcceptanceStep.SIGHT),
)
