"""Random histories read out of order: the order within each process is kept, and one process may be ahead of the other
by any time.

The transitions must be those of the same history in the order of time, with one exception. A subject that depends on
two processes may begin or end at another time while both report something about it and are apart, because what the
faster process reported before cannot be judged once more when the slower one reports. In the end it is raised or not as
in order, unless it is unknown then: unknown neither raises nor clears, so it stays as it was.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from ermon.core.alarm import AlarmKey
from ermon.core.horizons import Horizons
from ermon.core.monitor import Monitor
from ermon.model.events import (
    Accepted,
    AzureRead,
    AzureTables,
    ClockStepped,
    ConnectionsRefused,
    Event,
    ListeningJudged,
    OwnershipRead,
    ProcessDown,
    ProcessSilent,
    ProcessUp,
)
from ermon.model.findings import Status, Transition
from ermon.model.inventory import Config
from tests.core.test_oracle import FAST, NETWORKS, UNSHRUNK
from tests.histories import DEEP, Step, Told, histories, staged, staged_in_order, told
from tests.networks import START

SEVERAL = [name for name, (policy, _) in NETWORKS.items() if len(policy.processes) > 1]
OF_A_PROCESS = (ProcessUp, ProcessDown)
"""Events that ermon itself notices, when it has read everything that the process reported before."""
LONG_AFTER = 14_400.0
"""Seconds after which every violation that lasts is raised."""
EVERY = 12
"""Only every so many of the staged histories is read out of order in a short run."""
TOGETHER = (1, 2, 5, 30, 300)
"""How many lines of one process may be read before those of another."""


class Line(NamedTuple):
    time: float
    process: str
    event: Event


def lines_of(policy: Config, history: Iterable[Step]) -> tuple[list[Line], float]:
    """Return the events in the order of time, no two processes at one instant, and the time of the end."""
    lines: list[Line] = []
    now = START
    apart = {process: number / 64 for number, process in enumerate(sorted(policy.processes), 1)}
    for step in history:
        now += step.gap
        for event in () if step.reload else step.make(now):
            process = speaker(policy, event)
            at = event.time + apart.get(process, 0.0)
            # A user accepts what is shown, which is something else while a process is behind. A process is found silent
            # only when all of its lines are read. What Azure says is judged at the time up to which the feeds are read that may
            # explain it, and its tables are compared with what is read when they arrive.
            if not isinstance(event, Accepted | AzureRead | AzureTables | ProcessSilent):
                lines.append(Line(at, process, structs.replace(event, time=at)))
    return list(told_by_the_living(sorted(lines, key=lambda line: line.time))), now + LONG_AFTER


def told_by_the_living(lines: Iterable[Line]) -> Iterator[Line]:
    """Leave out events of a process between its end and its next start, which random histories may have."""
    dead: set[str] = set()
    for line in lines:
        if isinstance(line.event, ProcessUp):
            dead.discard(line.process)
        if line.process not in dead:
            yield line
        if isinstance(line.event, ProcessDown):
            dead.add(line.process)


def speaker(policy: Config, event: Event) -> str:
    """Return the ExaBGP process that reports an event; an empty text for ermon itself, which reads BMP and RIPE's collectors
    without one.
    """
    if isinstance(event, OF_A_PROCESS):
        return event.process
    if isinstance(event, ListeningJudged | ConnectionsRefused):
        return next(feed.process for feed in policy.feeds.values() if feed.local == event.local)
    feed = getattr(event, "feed", None)
    return policy.feeds[feed].process if feed in policy.exabgp_feeds else ""


def noticed_by(now: float, queues: Iterable[deque[Line]]) -> list[Line]:
    """Remove from the queues what ermon itself has noticed by now, and all that was reported before it, and return it
    in the order of time.
    """
    taken: list[Line] = []
    for queue in queues:
        noticed = [
            number
            for number, line in enumerate(queue, 1)
            if line.time <= now and (not line.process or isinstance(line.event, OF_A_PROCESS))
        ]
        taken += [queue.popleft() for _ in range(max(noticed, default=0))]
    return sorted(taken, key=lambda line: line.time)


class Answers(NamedTuple):
    told: list[Told]
    statuses: dict[AlarmKey, Status]
    """At the end of the history."""


def answers(monitor: Monitor, transitions: Iterable[Transition]) -> Answers:
    # What a subject is told at one instant stays in its order: it may be raised and cleared at once.
    found = sorted((each._replace(time=each.time - START) for each in told(transitions)), key=_without_state)
    return Answers(found, {alarm.key: alarm.status for alarm in monitor.statuses()})


def _without_state(each: Told) -> tuple[object, ...]:
    return each.time, each.check, each.labels


def in_order(policy: Config, lines: Iterable[Line], end: float) -> Answers:
    monitor = Monitor(policy, START)
    for line in lines:
        monitor.apply(line.event)
    return answers(monitor, monitor.advance(end).transitions)


def overtaken(policy: Config, lines: Iterable[Line], end: float, chance: random.Random) -> Answers:
    """Read the lines in a random order. No line is read before its time, and what ermon itself notices, such as the
    start and the end of a process, is applied at once.
    """
    monitor = Monitor(policy, START)
    monitor.follow_each_process()
    queues: dict[str, deque[Line]] = {"": deque()}
    for line in lines:
        queues.setdefault(line.process, deque()).append(line)
    own = queues.pop("")
    transitions: list[Transition] = []
    while queues:
        process = chance.choice(sorted(queues))
        for _ in range(chance.choice(TOGETHER)):
            if not queues[process]:
                del queues[process]
                break
            line = queues[process].popleft()
            others = [own, *(queue for name, queue in queues.items() if name != process)]
            for each in noticed_by(line.time, others):
                monitor.apply(each.event)
            monitor.apply(line.event)
        transitions += monitor.advance(monitor.now).transitions
    for line in own:
        monitor.apply(line.event)
    for process in {*policy.processes, *(feed.process for feed in policy.feeds.values())}:
        monitor.delivered(process, end)
    return answers(monitor, (*transitions, *monitor.advance(end).transitions))


def differences(policy: Config, history: list[Step], seed: int) -> list[Told]:
    """Return the transitions that only one of the two runs has, for subjects of one process; and for all subjects,
    differences at the end.
    """
    lines, end = lines_of(policy, history)
    right, found = in_order(policy, lines, end), overtaken(policy, lines, end, random.Random(seed))
    plan = Monitor(policy, START)._alarms.plan
    alone = [each for each in (*right.told, *found.told) if len(plan.owner((each.check, each.labels))) < 2]
    different = [each for each in alone if (each in right.told) is not (each in found.told)]
    last = [{(each.check, each.labels): each for each in one.told} for one in (right, found)]
    ends = [{key for key, each in one.items() if each.state == "raised"} for one in last]
    for key, status in right.statuses.items():
        if found.statuses[key] is not status:
            different.append(
                Told(end, *key, f"{status} at the end, and read out of order {found.statuses[key]}")
            )
        elif key in ends[0] ^ ends[1] and status is not Status.UNKNOWN:
            different.append(Told(end, *key, "raised at the end of one alone"))
    return different


@pytest.mark.parametrize("network", SEVERAL)
def test_lines_that_are_read_out_of_order_give_the_transitions_of_lines_in_order(network: str) -> None:
    policy = NETWORKS[network][0]

    @UNSHRUNK
    @given(histories(policy), st.integers(0, 2**32))
    def agree(history: list[Step], seed: int) -> None:
        assert differences(policy, history, seed) == []

    stages = (*staged(policy), *staged_in_order(policy))
    for number, history in list(enumerate(stages))[:: 1 if DEEP else EVERY]:
        assert differences(policy, history, number) == []
    agree()


@pytest.mark.parametrize("network", SEVERAL)
def test_steps_of_the_clock_change_nothing(network: str) -> None:
    """Dates are not tested here. These histories have none, but for the VRPs', which are left out."""
    policy = NETWORKS[network][0]
    circuits = {
        name: replace(circuit, receive=replace(circuit.receive, prefixes=()))
        for name, circuit in policy.circuits.items()
    }
    policy = replace(policy, circuits=circuits, maintenance=(), exceptions=())

    @FAST
    @given(
        histories(policy), st.lists(st.tuples(st.floats(0, 1), st.sampled_from((-3600.0, 3600.0, 1e7, 0.0))))
    )
    def agree(history: list[Step], steps: list[tuple[float, float]]) -> None:
        lines, end = lines_of(policy, history)
        lines = [line for line in lines if not isinstance(line.event, OwnershipRead)]
        stepped = list(lines)
        for share, offset in steps:
            at = START + share * (end - START)
            stepped.append(Line(at, "", ClockStepped(at, offset)))
        stepped.sort(key=lambda line: line.time)
        assert in_order(policy, stepped, end) == in_order(policy, lines, end)

    agree()


# These tests can fail ------------------------------------------------------------------------------------


def nobody_is_waited_for(horizons: Horizons, _: object) -> float:
    return float("inf") if horizons.together else horizons.clock


def whoever_is_ahead_takes_the_others_along(horizons: Horizons, process: str, until: float) -> float:
    horizons.pass_clock(until)
    horizons.await_all([process])
    return horizons.clock


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "instead"),
    [("until", nobody_is_waited_for), ("deliver", whoever_is_ahead_takes_the_others_along)],
    ids=["timers that wait for nobody", "one time for all"],
)
def test_a_planted_bug_does_not_escape(
    name: str, instead: Callable[..., float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Horizons, name, instead)
    policy = NETWORKS["two circuits"][0]
    assert any(differences(policy, history, 0) for history in staged(policy))
