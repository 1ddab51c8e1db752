"""Fuzzed messages of RIS Live and answers of RIPEstat: whatever they are, they become events that the monitor takes in."""

from __future__ import annotations

import contextlib
import json
from random import Random
from typing import Any

from ermon.core.monitor import Monitor
from ermon.core.status import collect
from ermon.model.events import Event, Update
from ermon.model.inventory import RisLive
from ermon.ris.messages import State, Unreadable, read_state
from ermon.ris.space import asked_prefixes
from ermon.ris.stream import RisStream
from tests.fuzz.mutate import break_bytes
from tests.networks import METRO_AND_PRIVATE, START
from tests.ris.ripe import BEAT, PEERS, PONG, REFUSED, announcement, state, state_route, withdrawal

PREFIXES = (
    "198.51.100.0/28",
    "198.51.100.0/24",
    "2001:db8:100:1::/64",
    "198.51.100.192/27",
    "0.0.0.0/0",
    "9.9.9.0/24",
)
ODD = (
    None,
    True,
    -1,
    2**64,
    1e308,
    "",
    "x",
    "{1,2}",
    [],
    [[[]]],
    {},
    [1, "2", None],
    "198.51.100.0/99",
    "\x00",
)
_FEED = METRO_AND_PRIVATE.feeds["ris"]


def ris(random: Random) -> None:
    """Connections of RIPE's, with messages and states that are broken in all ways, into a monitor."""
    monitor = Monitor(METRO_AND_PRIVATE, START)
    stream = RisStream(_FEED, RisLive(2, "", ""), asked_prefixes(METRO_AND_PRIVATE, _FEED))
    now = START
    for _ in range(random.randint(1, 25)):
        now += random.choice((0.0, 0.001, 5.0, 200.0, 3000.0))
        for event in _events(random, stream, now):
            _check(event, now)
            monitor.apply(event)
        monitor.advance(now)
    collect(monitor)
    assert len(stream.heard_of()) <= 200


def _events(random: Random, stream: RisStream, now: float) -> list[Event]:
    match random.randint(0, 9):
        case 0:
            return stream.opened(now, now)
        case 1:
            return stream.closed(now, "lost", lost=random.random() < 0.5)
        case 2:
            return stream.state_failed("answered 503", now, now)
        case 3:
            stream.begin_again()
            return []
        case 4 | 5:
            return stream.take_state(_states(random, now), stream.asked, now, now)
        case _:
            taken = stream.take(_message(random, now), now, now)
            assert taken.rejected.isprintable()
            assert taken.ended.isprintable()
            return taken.events


def _states(random: Random, now: float) -> list[State]:
    routes = [
        _odd(random, state_route(random.choice(PEERS), random.choice(PREFIXES)))
        for _ in range(random.randint(0, 12))
    ]
    answer = state(routes, random.choice((now, now - 600, now + 600, 0)))
    if random.random() < 0.4:
        answer = break_bytes(random, answer)
    with contextlib.suppress(Unreadable):
        return [read_state(answer)]
    return []


def _message(random: Random, now: float) -> str | bytes:
    peer, prefixes = random.choice(PEERS), random.sample(PREFIXES, 2)
    text = random.choice(
        (BEAT, PONG, REFUSED, announcement(peer, *prefixes, at=now), withdrawal(peer, *prefixes, at=now))
    )
    said = json.loads(text)
    if isinstance(said["data"], dict):
        said["data"] = _odd(random, said["data"])
    written = json.dumps(said).encode()
    return break_bytes(random, written) if random.random() < 0.3 else written


def _odd(random: Random, said: dict[str, Any]) -> dict[str, Any]:
    """Replace a value in a third of all cases."""
    if random.random() < 0.33:
        return said | {random.choice(list(said)): random.choice(ODD)}
    return said


def _check(event: Event, now: float) -> None:
    assert event.time == now
    if isinstance(event, Update):
        assert all(route.path_id is not None and 0 <= route.path_id < 2**32 for route in event.announced)
        assert all(not route.prefix.is_default for route in event.announced)
