"""Checks of the routes that Microsoft sends, judged on the edge tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial

from ermon.checks import needs
from ermon.checks.check import AcceptanceStep, Check, Parameter, Required, Section, Tested
from ermon.checks.edge_table import (
    BEST_PATH,
    FOREIGN_ORIGIN,
    NOT_MICROSOFT,
    SERVICE,
    TAGGED,
    brings_routes,
    community_text,
    decided,
    forbidden_on_links,
    link_topics,
    microsoft_circuits,
    set_topics,
    shown,
    table_topics,
)
from ermon.checks.facts import Facts
from ermon.checks.subject import (
    OK,
    UNKNOWN,
    Evidence,
    Subject,
    Verdict,
    link_labels,
    violated,
)
from ermon.checks.topics import (
    EXPECTATIONS,
    RouteSet,
    churn_topic,
    feed_topic,
    missing_topic,
    routes_topic,
)
from ermon.model.inventory import Circuit, Config, Feed, Link, Peering, View
from ermon.model.prefixes import Prefix, PrefixSet
from ermon.model.routes import Route
from ermon.model.settings import Severity

CHANGES_PER_MINUTE = Parameter(
    "churn-high", "per_minute", 600, "count", "The highest number of route changes a minute that is ok."
)


def churn_high(config: Config) -> Iterator[Subject]:
    for link in config.links:
        topics = link_topics((link,)) | {churn_topic(link.key)}
        judge = partial(_churn_high, link, int(CHANGES_PER_MINUTE.of(config)))
        yield Subject("churn-high", link_labels(link), frozenset(topics), judge)


def _churn_high(link: Link, limit: int, facts: Facts) -> Verdict:
    if feeds := facts.churning(link.key):
        details = partial(_changes, link, feeds, limit, facts)
        return violated(Evidence(feeds=feeds, routers=(link.router,), details=details))
    return OK if decided(facts, link) else UNKNOWN


def _changes(link: Link, feeds: Collection[str], limit: int, facts: Facts) -> dict[str, int]:
    """Return the evidence for the moment at which it is shown."""
    return {"changes": max(facts.route_changes(feed, link.key) for feed in feeds), "limit": limit}


CHURN_HIGH = Check(
    name="churn-high",
    section=Section.RECEIVED,
    severity=Severity.WARNING,
    raise_after=60,
    clear_after=300,
    symptom=True,
    subjects=churn_high,
    labels=("circuit", "link"),
    summary="Routes of link {link} of circuit {circuit} change too often",
    needs=needs.link_state,
    views=(View.EDGE_TABLE,),
    parameters=(CHANGES_PER_MINUTE,),
    acceptance=Tested(AcceptanceStep.STEADY, place=1),
)


# Content ---------------------------------------------------------------------------------------------


def communities_missing(config: Config) -> Iterator[Subject]:
    for circuit in microsoft_circuits(config):
        for link in circuit.links.values():
            topics = link_topics((link,)) | table_topics(link) | set_topics(link, TAGGED)
            judge = partial(_communities_missing, link)
            yield Subject("communities-missing", link_labels(link), frozenset(topics), judge)


def _communities_missing(link: Link, facts: Facts) -> Verdict:
    if shown(facts, link, TAGGED):
        return OK
    if not decided(facts, link):
        return UNKNOWN
    return violated(Evidence(routers=(link.router,))) if brings_routes(facts, link) else OK


COMMUNITIES_MISSING = Check(
    name="communities-missing",
    section=Section.RECEIVED,
    severity=Severity.WARNING,
    raise_after=30,
    clear_after=60,
    subjects=communities_missing,
    labels=("circuit", "link"),
    summary="Routes of link {link} of circuit {circuit} carry no Microsoft community",
    needs=needs.link_state,
    peering=Peering.MICROSOFT,
    views=(View.EDGE_TABLE,),
    acceptance=Tested(AcceptanceStep.SERVICES, place=1, required=Required.ON_MICROSOFT_PEERING),
)


def service_missing(config: Config) -> Iterator[Subject]:
    for circuit in microsoft_circuits(config):
        for link in circuit.links.values():
            for service in circuit.receive.services:
                community = community_text(service.community)
                topics = (
                    link_topics((link,))
                    | table_topics(link)
                    | set_topics(link, TAGGED)
                    | set_topics(link, SERVICE, community)
                )
                labels = (*link_labels(link), ("ms_service", service.name))
                judge = partial(_service_missing, link, community)
                yield Subject("service-missing", labels, frozenset(topics), judge)


def _service_missing(link: Link, community: str, facts: Facts) -> Verdict:
    if shown(facts, link, SERVICE, community):
        return OK
    if not decided(facts, link):
        return UNKNOWN
    if brings_routes(facts, link) and not shown(facts, link, TAGGED):
        return UNKNOWN  # the router sends no communities: see communities-missing
    return violated(Evidence(routers=(link.router,), details={"community": community}))


SERVICE_MISSING = Check(
    name="service-missing",
    section=Section.RECEIVED,
    severity=Severity.CRITICAL,
    raise_after=30,
    clear_after=30,
    subjects=service_missing,
    labels=("circuit", "link", "ms_service"),
    summary="Link {link} of circuit {circuit} receives no routes of {ms_service}",
    needs=needs.link_state,
    peering=Peering.MICROSOFT,
    views=(View.EDGE_TABLE,),
    suppresses=("service-count-low",),
    acceptance=Tested(AcceptanceStep.SERVICES, required=Required.WITH_SERVICES),
)


def prefix_missing(config: Config) -> Iterator[Subject]:
    for circuit in config.circuits.values():
        expected = {item.prefix.family for item in circuit.receive.prefixes}
        for link in circuit.links.values():
            # The families of a published list are not known yet, and may change at any time.
            if circuit.receive.sources or expected.intersection(link.families):
                topics = link_topics((link,)) | {missing_topic(link.key), EXPECTATIONS}
                judge = partial(_prefix_missing, link)
                yield Subject("prefix-missing", link_labels(link), frozenset(topics), judge)


def _prefix_missing(link: Link, facts: Facts) -> Verdict:
    periods = facts.expectations(link.circuit)
    missing: list[Prefix] = []
    unknown = not periods.families  # no published list has been read yet
    for family in periods.families.intersection(link.families):
        uncovered = [
            {
                p
                for p in facts.uncovered(feed, link.key)
                if p.family == family and periods.expects(p, facts.calendar_now)
            }
            for feed in facts.witnesses(link.key, family)
        ]
        absent = set.intersection(*uncovered) if uncovered else set()
        if absent and facts.deciders(link.key, family):
            missing.extend(absent)
        elif absent or not uncovered:
            unknown = True
    if missing:
        return violated(Evidence(prefixes=missing, routers=(link.router,)))
    return UNKNOWN if unknown else OK


PREFIX_MISSING = Check(
    name="prefix-missing",
    section=Section.RECEIVED,
    severity=Severity.WARNING,
    raise_after=60,
    clear_after=60,
    subjects=prefix_missing,
    labels=("circuit", "link"),
    summary="Link {link} of circuit {circuit} does not receive all expected prefixes",
    needs=needs.link_state,
    views=(View.EDGE_TABLE,),
    acceptance=Tested(AcceptanceStep.PREFIXES),
)


def origin_unexpected(config: Config) -> Iterator[Subject]:
    for circuit in microsoft_circuits(config):
        yield from forbidden_on_links(circuit, "origin-unexpected", FOREIGN_ORIGIN)


ORIGIN_UNEXPECTED = Check(
    name="origin-unexpected",
    section=Section.RECEIVED,
    severity=Severity.WARNING,
    raise_after=10,
    clear_after=60,
    subjects=origin_unexpected,
    labels=("circuit", "link"),
    summary="A route on link {link} of circuit {circuit} has a foreign ASN in its AS path",
    needs=needs.link_state,
    peering=Peering.MICROSOFT,
    views=(View.EDGE_TABLE,),
    acceptance=Tested(AcceptanceStep.RECEIVED_CLEAN),
)


def internet_preferred(config: Config) -> Iterator[Subject]:
    """The longest match wins over every preference: an expected prefix must not leave by the internet while a link
    receives it (Microsoft, "Optimize ExpressRoute routing").
    """
    feeds = tuple(
        feed for feed in config.feeds.values() if feed.view is View.EDGE_TABLE and not feed.add_path
    )
    for circuit in microsoft_circuits(config):
        if not circuit.receive.prefixes and not circuit.receive.sources:
            continue
        links = tuple(circuit.links.values())
        topics = link_topics(links) | {EXPECTATIONS} | {feed_topic(feed.name) for feed in feeds}
        topics |= {missing_topic(link.key) for link in links}
        sets = [
            (f.name, RouteSet(kind, family))
            for f in feeds
            for family in f.families
            for kind in (BEST_PATH, NOT_MICROSOFT)
        ]
        topics |= {routes_topic(feed, route_set) for feed, route_set in sets}
        judge = partial(_internet_preferred, circuit, feeds)
        yield Subject("internet-preferred", (("circuit", circuit.name),), frozenset(topics), judge)


def _internet_preferred(circuit: Circuit, feeds: tuple[Feed, ...], facts: Facts) -> Verdict:
    periods = facts.expectations(circuit.name)
    expected = list(periods.expected(facts.calendar_now))
    preferred: list[Route] = []
    unknown = not feeds or not periods.families
    for feed in feeds:
        for prefix in sorted(p for p in expected if p.family in feed.families):
            if not facts.knows(feed.name, prefix.family, (prefix,)):
                unknown = True
            elif elsewhere := _leaves_elsewhere(facts, feed, prefix):
                brought = _brings(facts, circuit, prefix)
                unknown |= brought is None
                preferred.extend(elsewhere if brought else ())
    if preferred:
        return violated(Evidence(routes=preferred, feeds=[feed.name for feed in feeds]))
    return UNKNOWN if unknown else OK


INTERNET_PREFERRED = Check(
    name="internet-preferred",
    section=Section.RECEIVED,
    severity=Severity.WARNING,
    raise_after=60,
    clear_after=60,
    subjects=internet_preferred,
    labels=("circuit",),
    summary="Traffic to Microsoft bypasses circuit {circuit} and leaves by the internet",
    needs=needs.best_paths,
    peering=Peering.MICROSOFT,
    off_by_default=True,
    acceptance=Tested(AcceptanceStep.PREFIXES),
)


def _leaves_elsewhere(facts: Facts, feed: Feed, prefix: Prefix) -> list[Route]:
    """Return the routes that are not Microsoft's and are the longest match of an address in ``prefix``; a default route
    counts here.
    """
    others = facts.matching(feed.name, RouteSet(NOT_MICROSOFT, prefix.family))
    covering = list(facts.covering(feed.name, prefix))
    longest = max((route.prefix.length for route in covering), default=0)
    inside = [route for route in facts.inside(feed.name, prefix) if route.prefix != prefix]
    used = [(prefix, route) for route in covering if route.prefix.length == longest]
    used += [(route.prefix, route) for route in inside]
    return [
        route
        for part, route in used
        if route.key in others
        and not PrefixSet(r.prefix for r in inside if r.prefix.length > route.prefix.length).covers(part)
    ]


def _brings(facts: Facts, circuit: Circuit, prefix: Prefix) -> bool | None:
    """Return whether a link of the circuit receives routes that cover ``prefix``; ``None`` if that is unknown."""
    links = [link for link in circuit.links.values() if prefix.family in link.families]
    if any(
        prefix not in facts.uncovered(feed, link.key)
        for link in links
        for feed in facts.witnesses(link.key, prefix.family)
    ):
        return True
    return False if all(facts.deciders(link.key, prefix.family) for link in links) else None
