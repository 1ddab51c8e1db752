"""For random histories, the monitor's verdicts, updated step by step, are those that the oracle works out from
scratch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from statistics import median
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

from ermon.checks.facts import Amount
from ermon.checks.sharding import only_feeds
from ermon.checks.subject import Verdict
from ermon.checks.topics import Topic, churn_topic
from ermon.core.evidence import render
from ermon.core.kept_feeds import KeptSessions
from ermon.core.layers import Layers
from ermon.core.levels import Level
from ermon.core.monitor import Monitor
from ermon.model.findings import Status
from ermon.model.inventory import Config, LinkKey
from ermon.model.prefixes import FAMILIES
from tests.histories import DEEP, Step, Told, histories, staged, staged_in_order, told
from tests.networks import (
    AMBIGUOUS,
    BEST_PATHS,
    METRO_AND_PRIVATE,
    REPORTED,
    START,
    TWO_CIRCUITS,
    another_policy,
    recognising_policy,
    wider_policy,
)
from tests.oracle import Oracle, times_of, transitions_of

EXAMPLES = int(os.environ.get("ERMON_ORACLE_EXAMPLES", "8"))
"""How many random histories are tried with each network; a higher number gives a deeper, random run."""

FAST = settings(
    max_examples=EXAMPLES,
    derandomize=not DEEP,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)
UNSHRUNK = settings(FAST, phases=[Phase.generate])
"""A history that fails is clear enough; shortening it takes minutes."""

DALLAS = only_feeds(TWO_CIRCUITS, ("edge-1", "edge-3*", "outside", "dmz"))

NETWORKS = {
    "two circuits": (TWO_CIRCUITS, another_policy(TWO_CIRCUITS)),
    "metro and private": (METRO_AND_PRIVATE, another_policy(METRO_AND_PRIVATE)),
    "ambiguous": (AMBIGUOUS, another_policy(AMBIGUOUS)),
    "best paths": (BEST_PATHS, another_policy(BEST_PATHS)),
    "reported by BMP": (REPORTED, another_policy(REPORTED)),
    "one region of two circuits": (DALLAS, another_policy(DALLAS)),
}


RELOADS = {
    network: (one, other, wider_policy(one), recognising_policy(wider_policy(one)))
    for network, (one, other) in NETWORKS.items()
}
"""The policies that a history changes between, in this order, and from the last one to the first."""


@pytest.mark.parametrize("network", NETWORKS)
def test_verdicts_updated_step_by_step_are_those_from_scratch(network: str) -> None:
    @FAST
    @given(histories(NETWORKS[network][0]))
    def agree(history: list[Step]) -> None:
        for problem in disagreements(network, history):
            pytest.fail(problem)

    policy = NETWORKS[network][0]
    for history in (*staged(policy), *staged_in_order(policy)):
        for problem in disagreements(network, history):
            pytest.fail(problem)
    agree()


@pytest.mark.parametrize("network", NETWORKS)
def test_verdicts_after_the_first_start_are_those_from_scratch(network: str) -> None:
    @FAST
    @given(histories(NETWORKS[network][0]))
    def agree(history: list[Step]) -> None:
        for problem in disagreements(network, history, just_started=True):
            pytest.fail(problem)

    agree()


def no_steps(*_: object) -> Iterator[None]:
    """Do nothing, step by step."""
    return iter(())


def churn_noted_once(layers: Layers, _: str, link: LinkKey) -> None:
    """Judge the churn of a link once, without a timer to judge it again."""
    layers.facts.pending.topics.add(churn_topic(link))


# The oracle can fail -----------------------------------------------------------------------------------


def nothing(*_: object) -> None:
    """Do nothing, as if a call were forgotten."""


_TOO_LOW = Level.too_low


def learns_a_loss_at_once(level: Level, amount: Amount, drop_percent: float, now: float) -> Amount:
    """Take an amount that is too low for usual at once."""
    level.accept(amount, now)
    return _TOO_LOW(level, amount, drop_percent, now)


BUGS: dict[str, tuple[str, str, str, object]] = {
    "a topic that nobody listens to": (
        "two circuits",
        "ermon.core.route_sets",
        "routes_topic",
        lambda *_: Topic("", ()),
    ),
    "a table that is not flushed": ("two circuits", "ermon.core.route_index.RouteIndex", "flush", nothing),
    "settle that later updates do not restart": (
        "two circuits",
        "ermon.core.session.FamilySync",
        "deadline",
        lambda sync, since, times: (
            since + times.sync_timeout if sync.end_of_rib_at is None else sync.end_of_rib_at + times.settle
        ),
    ),
    "settle without a limit": (
        "ambiguous",
        "ermon.core.session.FamilySync",
        "deadline",
        lambda sync, since, times: (
            since + times.sync_timeout
            if sync.end_of_rib_at is None
            else max(sync.end_of_rib_at, sync.updated_at or 0.0) + times.settle
        ),
    ),
    "routes that are not looked at again": (
        "metro and private",
        "ermon.core.route_index.RouteIndex",
        "refresh_microsoft",
        no_steps,
    ),
    "a dead link that is forgotten": (
        "two circuits",
        "ermon.core.learned.LearnedPrefixes",
        "ceased_to_be_up",
        nothing,
    ),
    "coverage that is never looked at again": (
        "two circuits",
        "ermon.core.coverage.ExpectedCoverage",
        "touched",
        lambda *_: False,
    ),
    "the sides of a circuit compared by changes only": (
        "metro and private",
        "ermon.core.asymmetry.Comparison",
        "sides_changed",
        nothing,
    ),
    "canaries that nobody looks for": (
        "two circuits",
        "ermon.core.layers.Layers",
        "_refresh_canaries",
        nothing,
    ),
    "a best-path session that proves absence": (
        "two circuits",
        "ermon.core.session.Session",
        "all_paths",
        lambda _, feed, family: family in feed.families,
    ),
    "messages lost without a trace": ("two circuits", "ermon.core.session.Session", "lose", nothing),
    "a cause that does not suppress": ("two circuits", "ermon.core.plan.Plan", "_link_causes", nothing),
    "a timer that runs on while nothing is known": (
        "two circuits",
        "ermon.core.alarm.Alarm",
        "_pause",
        nothing,
    ),
    "mirrors that are compared by their coming and going only": (
        "metro and private",
        "ermon.core.asymmetry.Comparison",
        "prefixes_changed",
        nothing,
    ),
    "a drain that ends when its link falls silent": (
        "two circuits",
        "ermon.core.drain.PathMarks",
        "plain",
        lambda *_: 99,
    ),
    "a drain without an end": (
        "two circuits",
        "ermon.core.drain.LinkDrain",
        "overdue",
        lambda *_: False,
    ),
    "a prepend that never becomes usual": (
        "two circuits",
        "ermon.core.drain.LinkDrain",
        "accept",
        nothing,
    ),
    "a drain that ends with any plain route": (
        "two circuits",
        "ermon.core.drain.LinkDrain",
        "_most_of_late",
        lambda *_: 0,
    ),
    "a drain that is judged by what changes on its link only": (
        "two circuits",
        "ermon.core.layers.Layers",
        "_refresh_drains",
        no_steps,
    ),
    "a drain that keeps quiet what no other link carries": (
        "metro and private",
        "ermon.checks.subject.Verdict",
        "suppresses",
        property(lambda verdict: frozenset(FAMILIES if verdict.status is Status.VIOLATED else ())),
    ),
    "a segment that must show the routes of dead circuits": (
        "metro and private",
        "ermon.core.plan",
        "SUPPRESSES_TOGETHER",
        {},
    ),
    "a first dump that counts as churn": (
        "two circuits",
        "ermon.core.link_tables.LinkTables",
        "_count_churn",
        lambda tables, state, of, routes: (
            *(tables.churn(state, of[0]).add(tables._facts.now, of[1]) for _ in range(routes)),
            tables._facts.pending.churn.add((state.feed.name, of[0])),
        ),
    ),
    "churn that goes on for ever": (
        "two circuits",
        "ermon.core.layers.Layers",
        "churn_due",
        churn_noted_once,
    ),
    "flapping that goes on for ever": (
        "metro and private",
        "ermon.core.layers.Layers",
        "watch",
        nothing,
    ),
    "changes that nobody counts": ("ambiguous", "ermon.core.rolling.RollingCount", "add", nothing),
    "a loss that becomes usual": (
        "two circuits",
        "ermon.core.levels.Level",
        "too_low",
        learns_a_loss_at_once,
    ),
    "what is usual, not weighted by time": (
        "two circuits",
        "ermon.core.levels",
        "_weighted_median",
        lambda spans: median(level for level, _ in spans),
    ),
    "a level that becomes usual whatever else is wrong": (
        "two circuits",
        "ermon.core.plan.Plan",
        "spoiled",
        lambda *_: False,
    ),
    "a level that becomes usual on one link": (
        "two circuits",
        "ermon.core.learning.Learning",
        "_alike",
        lambda *_: True,
    ),
    "best paths that prove nothing together": (
        "best paths",
        "ermon.core.best_paths.BestPaths",
        "down",
        lambda *_: False,
    ),
    "first dumps that nobody comes back for": (
        "best paths",
        "ermon.core.sight.Sight",
        "watch_first_dumps",
        nothing,
    ),
    "maintenance without an end": (
        "metro and private",
        "ermon.core.maintenance",
        "active",
        lambda window, now: window.starts.timestamp() <= now,
    ),
}


BUGS |= {
    "a failover that is looked for when links change only": (
        *("metro and private", "ermon.core.failover.Failover", "prefix_changed"),
        nothing,
    ),
    "a failover that is looked for when prefixes change only": (
        *("metro and private", "ermon.core.failover.Failover", "links_changed"),
        nothing,
    ),
}


BUGS |= {
    "what a reload asks for anew, known at once": (
        *("two circuits", "ermon.core.facts.NetworkFacts", "knows"),
        lambda facts, feed, family, _: facts.in_sync(feed, family),
    ),
    "what a reload asks for anew, known when it is first heard of": (
        *("two circuits", "ermon.core.asked.Asked", "over_at"),
        lambda asked, times: (
            asked.since + times.sync_timeout if asked.updated_at is None else asked.updated_at
        ),
    ),
    "a refresh that only the timeout ends": (
        *("two circuits", "ermon.core.asked.Asked", "over_at"),
        lambda asked, times: asked.since + times.sync_timeout,
    ),
    "a best path that hides nothing": (
        *("best paths", "ermon.core.passed_over.PassedOver", "__contains__"),
        lambda *_: False,
    ),
    "strays that were never there before": (
        *("two circuits", "ermon.core.strays.Strays", "settled"),
        lambda *_: frozenset(),
    ),
    "an end mark that ends nothing": (
        *("two circuits", "ermon.core.refreshes.Refreshes", "_over"),
        nothing,
    ),
    "two ways of seeing a link that are compared when feeds change only": (
        *("reported by BMP", "ermon.core.link_tables.LinkTables", "_compare_seen"),
        nothing,
    ),
    "two ways of seeing a link that are compared when routes change only": (
        *("reported by BMP", "ermon.core.link_tables.LinkTables", "compare_sights"),
        nothing,
    ),
    "what a router reported before its connection ended": (
        *("reported by BMP", "ermon.core.session.Session", "forget_report"),
        nothing,
    ),
    "a session that decides on nothing": (
        *("reported by BMP", "ermon.core.layers.Layers", "_session_changed"),
        nothing,
    ),
}


RARE = {
    "a best path that hides nothing",
    "strays that were never there before",
    "best paths that prove nothing together",
    "a failover that is looked for when links change only",
    "a failover that is looked for when prefixes change only",
    "a timer that runs on while nothing is known",
    "a drain that ends when its link falls silent",
    "a drain without an end",
    "a drain that is judged by what changes on its link only",
    "a prepend that never becomes usual",
    "a drain that ends with any plain route",
    "a drain that keeps quiet what no other link carries",
    "a segment that must show the routes of dead circuits",
    "a first dump that counts as churn",
    "churn that goes on for ever",
    "what is usual, not weighted by time",
    "a cause that does not suppress",
    "maintenance without an end",
    "two ways of seeing a link that are compared when feeds change only",
    "two ways of seeing a link that are compared when routes change only",
    "what a router reported before its connection ended",
    "a session that decides on nothing",
}
"""Bugs that random histories seldom show: they are looked for in the staged histories."""

Stage = Callable[[Config], Iterator[list[Step]]]

IN_ORDER = {
    "what a reload asks for anew, known at once",
    "what a reload asks for anew, known when it is first heard of",
    "a refresh that only the timeout ends",
    "an end mark that ends nothing",
    "a loss that becomes usual",
    "a level that becomes usual whatever else is wrong",
    "a level that becomes usual on one link",
    "routes that are not looked at again",
    "a dead link that is forgotten",
    "first dumps that nobody comes back for",
}
"""Bugs that take several steps in a certain order: they are looked for in the histories that have these."""


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_does_not_escape(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network, owner, name, instead = BUGS[bug]
    stage = staged if bug in RARE else staged_in_order
    right = right_standings(network, stage) if bug in RARE | IN_ORDER else []
    monkeypatch.setattr(f"{owner}.{name}", instead)
    if right:
        assert is_found(network, stage, right)
        return
    hunt = settings(UNSHRUNK, max_examples=100, derandomize=True)
    assert find(histories(NETWORKS[network][0]), lambda history: trips(network, history), settings=hunt)


Standings = list[tuple[list[Told], list[tuple[Status, Status]]]]
"""After each step: what was reported, and the status and the verdict's status of every alarm."""


def standings(network: str, history: list[Step]) -> Standings:
    """Play a history to a monitor alone. A crash gives a result that no monitor without a bug has."""
    monitor = Monitor(NETWORKS[network][0], START)
    found: Standings = []
    try:
        for step, now, policy in under_policies(network, history):
            if step.reload:
                monitor.reconfigure(policy, now)
            for event in () if step.reload else step.make(now):
                monitor.apply(event)
            news = told(monitor.advance(now).transitions)
            found.append((news, [(alarm.status, alarm.verdict.status) for alarm in monitor.statuses()]))
    except (KeyError, ValueError):
        return []
    return found


@cache
def right_standings(network: str, stage: Stage) -> list[Standings]:
    """Return the results of staged histories without a bug."""
    return [standings(network, history) for history in stage(NETWORKS[network][0])]


def is_found(network: str, stage: Stage, right: list[Standings]) -> bool:
    """Return whether a staged history shows the planted bug. Histories whose results differ from those without it are
    tried first: playing a history to the oracle too takes three times as long.
    """
    alike = []
    for history, without in zip(stage(NETWORKS[network][0]), right, strict=True):
        if standings(network, history) == without:
            alike.append(history)
        elif trips(network, history):
            return True
    return any(trips(network, history) for history in alike)


def trips(network: str, history: list[Step]) -> bool:
    """Return whether the history shows a bug, by different results or by a crash."""
    try:
        return any(True for _ in disagreements(network, history))
    except (KeyError, ValueError):
        return True


# Side by side ------------------------------------------------------------------------------------------


def disagreements(network: str, history: list[Step], *, just_started: bool = False) -> Iterator[str]:
    """Yield where monitor and oracle differ: statuses after every step, evidence, transitions."""
    policy, now = NETWORKS[network][0], START
    monitor = Monitor(policy, START, sessions=KeptSessions() if just_started else None)
    oracle = Oracle(policy, START, just_started=just_started)
    news: list[Told] = []
    for number, (step, now, policy) in enumerate(under_policies(network, history), 1):
        if step.reload:
            monitor.reconfigure(policy, now)
            oracle.reload(policy, now)
        elif events := list(step.make(now)):
            for event in events:  # the daemon also applies all events before it lets time pass
                monitor.apply(event)
            oracle.happen(*events)
        outcome = monitor.advance(now)
        oracle.pass_time(now)
        news += told(outcome.transitions)
        for problem in different_answers(monitor, oracle):
            yield f"step {number} ({step!r}) at {now - START}: {problem}"
    if not any(step.reload for step in history):
        yield from different_transitions(policy, oracle, news, now)


def under_policies(network: str, history: Iterable[Step]) -> Iterator[tuple[Step, float, Config]]:
    """Yield each step with its time, and the policy that is in force from then on."""
    policies, now = RELOADS[network], START
    for step in history:
        now += step.gap
        if step.reload:
            policies = (*policies[1:], policies[0])
        yield step, now, policies[0]


def different_answers(monitor: Monitor, oracle: Oracle) -> Iterator[str]:
    answers = {case.key: case for case in monitor.statuses()}
    if answers.keys() != oracle.statuses.keys():
        yield f"subjects {answers.keys() ^ oracle.statuses.keys()}"
    for key, status in oracle.statuses.items():
        verdict, case = oracle.verdicts[key], answers[key]
        if case.verdict.status is not verdict.status:
            yield f"{key} is {verdict.status}, and the monitor says {case.verdict.status}"
        elif case.status is not status:
            yield f"{key} counts as {status}, and the monitor says {case.status}"
        elif shown(case.verdict) != shown(verdict):
            yield f"{key} shows {shown(verdict)}, and the monitor says {shown(case.verdict)}"


def shown(verdict: Verdict) -> dict[str, Any]:
    return render(verdict.evidence) if verdict.evidence is not None else {}


def different_transitions(config: Config, oracle: Oracle, news: list[Told], end: float) -> Iterator[str]:
    for key in oracle.statuses:
        samples = [(sample.time, sample.by_line, sample.statuses[key]) for sample in oracle.samples]
        settled = {time for time, *about in oracle.levels.settled if tuple(about) == key}
        expected = [
            (t, state)
            for t, state in transitions_of(samples, end, *times_of(config, key), settled)
            if t <= end
        ]
        seen = [(each.time, each.state) for each in news if (each.check, each.labels) == key]
        if seen != expected:
            yield f"{key} went {expected}, and the monitor says {seen}"
