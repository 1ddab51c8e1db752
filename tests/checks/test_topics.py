"""A judge reads nothing that its subject does not declare as a topic: otherwise its verdict would become outdated.

Every subject is judged with facts that record what the judge asks, at every step of the histories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from hypothesis import given

from ermon.checks import topics
from ermon.checks.catalogue import CATALOGUE, subjects
from ermon.checks.subject import Subject
from ermon.checks.topics import EXPECTATIONS, STORAGE, RouteSet, Topic
from ermon.core.facts import NetworkFacts
from ermon.core.monitor import Monitor
from ermon.model.inventory import LinkKey, bmp_connection
from ermon.model.prefixes import Family, Prefix
from tests.core.test_oracle import FAST, NETWORKS
from tests.histories import Step, histories, staged, step_by_step
from tests.networks import START

Reads = list[tuple[str, tuple[Any, ...]]]


def _session(feed: str) -> set[Topic]:
    """The topics of a session that is reported by BMP: its router is the first part of its name."""
    return {topics.feed_topic(feed), topics.process_topic(bmp_connection(feed.partition("/")[0]))}


OF_FEED = (
    *("up", "in_sync", "all_paths", "end_of_rib", "down_reason", "loss", "overflowed", "canary_missing"),
    *("feed_flaps", "no_hold", "received_any", "listening_problem", "strangers", "knows"),
)
OF_CONNECTION = ("connection_awaited", "has_statistics")
NEEDS: Mapping[str, Callable[..., set[Topic]]] = {
    "awaited": lambda feed: {topics.feed_topic(feed)},
    "sessions_awaited": lambda process: {topics.process_topic(process)},
    **{name: lambda feed, *_: {topics.feed_topic(feed)} for name in OF_FEED},
    "received_any": lambda feed, _: {topics.feed_topic(feed), topics.content_topic(feed)},
    **{name: lambda feed: {topics.feed_topic(feed)} for name in ("session_reported", "routes_unreadable")},
    **dict.fromkeys(("session_state", "session_exists"), _session),
    **{name: lambda process: {topics.process_topic(process)} for name in OF_CONNECTION},
    "disagreement": lambda kind, link, family: {
        topics.sight_topic(kind, link, family),
        *([topics.link_topic(link, family), topics.table_topic(link, family)] if kind == "received" else ()),
    },
    "process_up": lambda process: {topics.process_topic(process)},
    "process_problem": lambda process: {topics.process_topic(process)},
    "process_restless": lambda process: {topics.process_topic(process)},
    "source_problem": lambda source: {topics.source_topic(source)},
    **dict.fromkeys(
        ("azure_accepts", "azure_rows", "azure_overdue", "azure_problem", "microsofts_side"),
        lambda link, *_: {topics.azure_tables_topic(link)},
    ),
    "azure_differences": lambda link, family: {
        topics.azure_tables_topic(link),
        topics.link_topic(link, family),
    },
    "registered": lambda source: {topics.ownership_topic(source)},
    "azure": lambda circuit: {topics.azure_topic(circuit)},
    **dict.fromkeys(
        ("azure_reading_overdue", "azure_reading_problem"), lambda circuit: {topics.azure_topic(circuit)}
    ),
    "named_since": lambda circuit, _: {topics.azure_topic(circuit)},
    "storage_problem": lambda: {STORAGE},
    "matching": lambda feed, route_set: {topics.routes_topic(feed, route_set)},
    "peers_having": lambda feed, _: {topics.feed_topic(feed)},
    "feeds_showing": lambda route_set: {topics.routes_topic("", route_set)},
    "seen": lambda family: {topics.seen_topic(family)},
    "link_state": lambda link, family: {topics.link_topic(link, family)},
    "state_awaited": lambda link, family: {topics.link_topic(link, family)},
    "last_known_state": lambda link, family: {topics.link_topic(link, family)},
    "lately_returned": lambda link, family: {topics.link_topic(link, family)},
    "deciders": lambda link, family: {topics.link_topic(link, family)},
    "witnesses": lambda link, family: {topics.link_topic(link, family)},
    "stale_routes": lambda link, family: {topics.link_topic(link, family)},
    "up_circuits": lambda vrf, family: {topics.up_circuits_topic(vrf, family)},
    "in_first_dump": lambda circuit, family: {topics.first_dump_topic(circuit)},
    "routers_awaited": lambda: {topics.OUT_OF_SIGHT},
    "routers_out_of_sight": lambda: {topics.OUT_OF_SIGHT},
    "strays": lambda link, family: {topics.link_topic(link, family)},
    "link_flaps": lambda link, family: {topics.link_topic(link, family)},
    "prefix_count": lambda link, family: {topics.link_topic(link, family), topics.table_topic(link, family)},
    "amount": lambda counted: _counted(*counted),
    "usual": lambda counted: _counted(*counted),
    "uncovered": lambda _, link: {topics.missing_topic(link)},
    "expectations": lambda _: {EXPECTATIONS},
    "now": lambda: {EXPECTATIONS},
    "calendar_now": lambda: {EXPECTATIONS},
    "one_sided": lambda circuit, family: {topics.difference_topic("received", circuit, family)},
    "advertised_one_sided": lambda circuit, family: {topics.difference_topic("advertised", circuit, family)},
    "without_failover": lambda group, family: {topics.failover_topic(group, family)},
    "draining": lambda link, _: {topics.drain_topic(link)},
    "preference": lambda link, other, family: {
        topics.preference_topic(link[0], family),
        topics.link_topic(link, family),
        topics.link_topic(other, family),
    },
    "drain_overdue": lambda link, _: {topics.drain_topic(link)},
    "drained_paths": lambda link: {topics.drain_topic(link)},
    "churning": lambda link: {topics.churn_topic(link)},
}
"""By question of ``Facts``: the topics that a subject must declare, except for the questions in ``BY_PREFIX``."""


def _counted(kind: str, link: LinkKey, family: Family, service: str) -> set[Topic]:
    """The topics of an amount; when its level becomes usual, the monitor judges it again without a topic."""
    if kind == "vnets":
        return {topics.routes_topic("", RouteSet("vnet", family, link=link))}
    if kind == "service":
        own = topics.routes_topic("", RouteSet("service", family, service, link))
    elif kind == "received":
        own = topics.table_topic(link, family)
    else:
        return set()
    return {topics.link_topic(link, family), own}


BY_PREFIX = ("covers", "covering", "inside")
"""Questions about all routes of a feed that overlap a prefix: every set with such a route must be declared."""


class RecordingFacts:
    """The facts, and a record of what was asked."""

    def __init__(self, facts: NetworkFacts) -> None:
        self._facts = facts
        self.reads: Reads = []

    @property
    def now(self) -> float:
        self.reads.append(("now", ()))
        return self._facts.now

    @property
    def calendar_now(self) -> float:
        self.reads.append(("calendar_now", ()))
        return self._facts.calendar_now

    def __getattr__(self, name: str) -> Callable[..., Any]:
        ask = getattr(self._facts, name)

        def asked(*about: Any) -> Any:
            self.reads.append((name, about))
            return ask(*about)

        return asked


def undeclared(facts: NetworkFacts, subject: Subject) -> Iterator[str]:
    """Yield what a judge reads without declaring it."""
    recording = RecordingFacts(facts)
    subject.judge(recording)  # type: ignore[arg-type]
    for name, about in recording.reads:
        if name in BY_PREFIX:
            yield from _moves_unseen(facts, subject, *about)
        elif missing := NEEDS[name](*about) - subject.topics:
            yield f"{subject.check} {subject.labels} asks {name}{about}, and does not declare {missing}"


def _moves_unseen(facts: NetworkFacts, subject: Subject, feed: str, prefix: Prefix) -> Iterator[str]:
    declared = [
        held
        for route_set, held in facts.feeds[feed].route_sets.items()
        if topics.routes_topic(feed, route_set) in subject.topics
    ]
    for route in facts.feeds[feed].rib.routes():
        asked_about = route.prefix.overlaps(prefix) and not route.prefix.is_default
        if asked_about and not any(route.key in held for held in declared):
            yield f"{subject.check} {subject.labels} asks for {prefix} on {feed}: {route.key} is in no declared set"


def all_undeclared(network: str, history: list[Step]) -> Iterator[str]:
    policy = NETWORKS[network][0]
    asked = list(subjects(policy))
    monitor = Monitor(policy, START)
    for _ in step_by_step(history, START, monitor):
        for subject in asked:
            yield from undeclared(monitor.network, subject)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_judge_reads_nothing_that_it_does_not_declare(network: str) -> None:
    @FAST
    @given(histories(NETWORKS[network][0]))
    def declared(history: list[Step]) -> None:
        for problem in all_undeclared(network, history):
            pytest.fail(problem)

    for history in islice(staged(NETWORKS[network][0]), 2):
        for problem in all_undeclared(network, history):
            pytest.fail(problem)
    declared()


def with_topics(one: Subject, kept: Callable[[Topic], bool]) -> Subject:
    declared = frozenset(filter(kept, one.topics))
    return replace(one, topics=declared)


def test_a_topic_that_is_forgotten_is_found() -> None:
    found: dict[str, bool] = {}
    for policy, _ in NETWORKS.values():
        facts = Monitor(policy, START).network
        for subject in subjects(policy):
            bare = with_topics(subject, lambda _: False)
            found[subject.check] = found.get(subject.check, False) or any(undeclared(facts, bare))
    assert {check for check, seen in found.items() if not seen} <= {"view-missing"}, "it reads nothing"
    assert len(found) > len(CATALOGUE) // 2


def test_a_set_that_is_forgotten_is_found() -> None:
    """The declared sets cover what is asked by prefix, and no smaller selection of them does."""
    network = "two circuits"
    policy = NETWORKS[network][0]
    monitor = Monitor(policy, START)
    missed = False
    for _ in step_by_step(next(staged(policy)), START, monitor):
        for subject in subjects(policy):
            if subject.check == "pool-not-advertised":
                bare = with_topics(subject, lambda topic: not isinstance(topic.key[-1], RouteSet))
                missed = missed or any(
                    "in no declared set" in line for line in undeclared(monitor.network, bare)
                )
    assert missed
