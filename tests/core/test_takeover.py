"""Changes to another configuration, and to other published lists, step by step."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermon.core.monitor import Monitor, Parts
from ermon.core.snapshot import take
from ermon.model.inventory import Config, ExpectedPrefix, Source
from ermon.model.prefixes import Prefix
from tests.core.test_oracle import NETWORKS, UNSHRUNK
from tests.histories import RECEIVED, Step, histories, play, staged
from tests.networks import START

LISTABLE = (*RECEIVED["ipv4"], *RECEIVED["ipv6"])


def with_lists(policy: Config, listed: tuple[Prefix, ...]) -> Config:
    """Return the same configuration, in which every circuit with expected prefixes expects these as well."""
    circuits = {
        name: replace(
            circuit,
            receive=replace(
                circuit.receive,
                sources=(Source("m365", "list.json", 3600.0),),
                prefixes=(*circuit.receive.prefixes, *(ExpectedPrefix(prefix) for prefix in listed)),
            ),
        )
        if circuit.receive.prefixes
        else circuit
        for name, circuit in policy.circuits.items()
    }
    return replace(policy, circuits=circuits)


def statuses(monitor: Monitor) -> list[tuple[object, ...]]:
    return [(*alarm.key, alarm.verdict.status, alarm.status) for alarm in monitor.statuses()]


def held(monitor: Monitor) -> dict[str, list[str]]:
    feeds = monitor.network.feeds.items()
    return {name: sorted(str(route.prefix) for route in state.rib.routes()) for name, state in feeds}


@pytest.mark.parametrize("network", NETWORKS)
def test_other_lists_are_judged_as_by_a_whole_reload(network: str) -> None:
    policy = NETWORKS[network][0]

    @UNSHRUNK
    @given(
        histories(policy),
        st.lists(st.sampled_from(LISTABLE), unique=True, max_size=4).map(tuple),
        st.lists(st.sampled_from(LISTABLE), unique=True, max_size=4).map(tuple),
    )
    def alike(history: list[Step], before: tuple[Prefix, ...], after: tuple[Prefix, ...]) -> None:
        one, other = (Monitor(with_lists(policy, before), START) for _ in range(2))
        now = play(history, START, one, other)
        one.use_lists(with_lists(policy, after), now)
        other.reconfigure(with_lists(policy, after), now)
        assert statuses(one) == statuses(other)
        assert held(one) == held(other)
        asked = [
            sorted(request.feed for request in monitor.advance(now).requests if request.action == "refresh")
            for monitor in (one, other)
        ]
        assert asked[0] == asked[1]
        play(history, now, one, other)
        assert statuses(one) == statuses(other)

    alike()


def test_between_two_steps_everything_can_be_read_as_it_was() -> None:
    policy, other = NETWORKS["two circuits"]
    monitor = Monitor(policy, START)
    now = play(next(staged(policy)), START, monitor)
    before = take(monitor)

    steps = 0
    for _ in monitor.go_over(Parts(other, START), now):
        if monitor.config is not policy:
            break  # the change is made; only the old parts are being released
        steps += 1
        assert take(monitor) == before
    assert steps > 3, "a reload has more than one step"
    assert monitor.config is other


def test_a_reload_that_is_not_finished_changes_nothing() -> None:
    policy, other = NETWORKS["two circuits"]
    history = next(staged(policy))
    monitor, undisturbed = Monitor(policy, START), Monitor(policy, START)
    now = play(history, START, monitor, undisturbed)
    for _ in islice(monitor.go_over(Parts(other, START), now), 3):
        pass
    play(history, now, monitor, undisturbed)
    assert statuses(monitor) == statuses(undisturbed)
