"""A monitor that goes on from a snapshot gives the same results as the one that it was taken from."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from msgspec import structs

from ermon.core.alarm import Alarm, Phase
from ermon.core.monitor import Monitor
from ermon.core.snapshot import Snapshot, resume, take
from ermon.model.events import Update
from ermon.model.findings import Finding
from ermon.model.inventory import Config
from ermon.model.routes import Route
from ermon.model.settings import Severity
from tests.core.test_oracle import FAST, NETWORKS, under_policies
from tests.histories import (
    Step,
    Told,
    announce,
    converged,
    histories,
    play,
    staged,
    step_by_step,
    told,
    widened,
)
from tests.networks import START, prefixes, routes


def copied(policy: Config, monitor: Monitor) -> Monitor:
    """Return a monitor that goes on from a snapshot of ``monitor``, by way of JSON."""
    routes: dict[str, tuple[Route, ...]] = {
        name: tuple(state.rib.routes()) for name, state in monitor.network.feeds.items()
    }
    text = msgspec.json.encode(take(monitor))
    return resume(policy, msgspec.json.decode(text, type=Snapshot), routes)


def statuses(monitor: Monitor) -> list[tuple[object, ...]]:
    return [
        (
            *case.key,
            case.status,
            case.phase,
            case.state.due,
            None if case.phase is Phase.QUIET else case.state.since,
        )
        for case in monitor.statuses()
    ]


def known(monitor: Monitor) -> tuple[object, ...]:
    """Return all that is known of the network; of the usual levels, only what follows from them, which is the
    median.
    """
    snapshot = take(monitor)
    usual = [(each.counted, monitor.network.usual(each.counted)) for each in snapshot.levels]
    return structs.replace(snapshot, levels=(), cases=()), usual


Seen = tuple[list[Told], list[tuple[object, ...]]]
"""What was reported, and the state of all subjects."""


def different(one: Seen, other: Seen) -> list[str]:
    """Return what only one of the two has."""
    return [
        f"only {who} says {said}"
        for there, here in zip(one, other, strict=True)
        for who, which in (("the monitor", set(there) - set(here)), ("its copy", set(here) - set(there)))
        for said in sorted(which, key=str)
    ]


def differences(network: str, history: list[Step], *, every: int) -> Iterator[str]:
    """Play a history, and go on with copies from each ``every``-th step; yield how they differ."""
    monitor = Monitor(NETWORKS[network][0], START)
    monitors = [monitor]
    everything = set(told(monitor.advance(START).transitions))
    for number, (step, now, policy) in enumerate(under_policies(network, history), 1):
        for one in monitors:
            if step.reload:
                one.reconfigure(policy, now)
            for event in step.make(now):
                one.apply(event)
        first, *others = [(told(one.advance(now).transitions), statuses(one)) for one in monitors]
        everything.update(first[0])
        for other in others:
            yield from (f"step {number} ({step!r}): {line}" for line in different(first, other))
        if number % every == 0:
            copy = copied(policy, monitor)
            news = set(told(copy.advance(now).transitions)) - everything
            yield from (f"step {number} ({step!r}), copied: news of {said}" for said in news)
            yield from (
                f"step {number} ({step!r}), copied: {line}"
                for line in different(([], first[1]), ([], statuses(copy)))
            )
            if known(copy) != known(monitor):
                yield f"step {number} ({step!r}), copied: {known(monitor)} became {known(copy)}"
            monitors = [monitor, copy]


@pytest.mark.parametrize("network", NETWORKS)
def test_a_copy_continues_like_its_original(network: str) -> None:
    @FAST
    @given(histories(NETWORKS[network][0]))
    def agree(history: list[Step]) -> None:
        for problem in differences(network, history, every=5):
            pytest.fail(problem)

    agree()


@pytest.mark.parametrize("network", NETWORKS)
def test_a_copy_knows_the_rare_states_of_staged_histories(network: str) -> None:
    for history in staged(NETWORKS[network][0]):
        for problem in differences(network, history, every=9):
            pytest.fail(problem)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_copy_knows_which_routes_were_requested_again(network: str) -> None:
    for history in widened(NETWORKS[network][0]):
        for problem in differences(network, history, every=2):
            pytest.fail(problem)


def test_a_dump_that_began_again_in_an_earlier_recording_is_waited_for() -> None:
    policy = NETWORKS["two circuits"][0]
    monitor = Monitor(policy, START)
    play(converged(policy), START, monitor)
    sync = monitor.network.feeds["edge-1"].session.families["ipv4"]
    sync.asked_again, sync.complete = True, False
    copy = copied(policy, monitor)
    assert not copy.network.in_sync("edge-1", "ipv4")
    copy.advance(START + policy.collector.sync_timeout - 0.25)
    assert not copy.network.in_sync("edge-1", "ipv4")
    copy.advance(START + policy.collector.sync_timeout)
    assert copy.network.in_sync("edge-1", "ipv4")


def test_a_snapshot_does_not_change_with_the_monitor() -> None:
    policy, history = NETWORKS["two circuits"][0], next(iter(staged(NETWORKS["two circuits"][0])))
    monitor = Monitor(policy, START)
    taken: list[tuple[Snapshot, bytes]] = []
    for _ in step_by_step(history, START, monitor):
        snapshot = take(monitor)
        taken.append((snapshot, msgspec.json.encode(snapshot)))
    assert all(msgspec.json.encode(snapshot) == text for snapshot, text in taken)
    assert len({text for _, text in taken}) > 1


def test_a_snapshot_has_all_of_an_alarm_except_what_is_worked_out_again() -> None:
    from_policy = {
        "subject",
        "_severity",
        "_fixed_severity",
        "raise_after",
        "clear_after",
        "key",
        "order",
        "labels",
    }
    again = {"verdict", "known", "rendered_at", "outdated", "noticed", "noticed_at"}
    assert set(Alarm.__slots__) - from_policy - again == {"state"}


def test_a_finding_of_an_earlier_run_suppresses_its_effects_in_a_copy_too() -> None:
    policy = NETWORKS["best paths"][0]
    subject = next(c for c in Monitor(policy, START).statuses() if c.subject.check == "circuit-down")
    finding = Finding(
        "1", "circuit-down", subject.labels, Severity.CRITICAL, "circuit down", {}, START - 60, START - 55
    )
    monitor = copied(policy, Monitor(policy, START, [finding]))
    (again,) = (case for case in monitor.statuses() if case.key == subject.key)
    assert again.raised
    assert again.state.restored


def test_foreign_routes_of_best_path_tables_that_may_hide_a_link_are_remembered() -> None:
    policy = NETWORKS["best paths"][0]
    monitor = Monitor(policy, START)
    (hidden,) = prefixes("20.1.0.0/16")  # the link's own prefix; no check asks about it otherwise
    others = routes("20.1.0.0/16 20.2.0.0/16", "64510 8075")
    play([*converged(policy), announce("edge-2", others)], START, monitor)
    memory = take(monitor).feeds["edge-2"]
    assert memory.passed_over == (str(hidden),)
    assert hidden in copied(policy, monitor).network.feeds["edge-2"].passed_over


def test_a_copy_knows_that_routes_were_not_noted_where_all_paths_are_sent() -> None:
    policy = NETWORKS["best paths"][0]
    monitor = Monitor(policy, START)
    others = routes("20.2.0.0/16", "64510 8075")
    play([*converged(policy), announce("edge-3-plant", others)], START, monitor)
    feeds = copied(policy, monitor).network.feeds
    assert feeds["edge-3-plant"].passed_over.unsure("ipv4")
    assert not feeds["edge-2"].passed_over.unsure("ipv4")


def test_another_neighbors_route_that_is_withdrawn_after_the_copy_hides_nothing_there() -> None:
    """This also holds if the router numbers its best paths."""
    policy = NETWORKS["best paths"][0]
    monitor = Monitor(policy, START)
    (hidden,) = prefixes("20.1.0.0/16")
    (other,) = routes("20.1.0.0/16", "64510 8075")
    numbered = structs.replace(other, path_id=2)
    now = play([*converged(policy), announce("edge-2", [numbered])], START, monitor)
    copy = copied(policy, monitor)
    feed = copy.network.feeds["edge-2"]
    assert hidden in feed.passed_over
    copy.apply(Update(now + 1, "edge-2", (), (numbered.key,)))
    assert hidden not in feed.passed_over
