"""Random histories for the oracle.

The prefixes are few and chosen so that they interact: pools, their halves and covering prefixes, default routes, the
company's own space, link subnets, expected prefixes and parts of them. Times are chosen around the named limits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, NamedTuple

from hypothesis import strategies as st
from msgspec import structs

from ermon.checks.sight import source_names
from ermon.checks.subject import Labels
from ermon.core.monitor import Monitor
from ermon.model.azure_tables import AzureArp, AzureNeighbor, AzureRoute
from ermon.model.events import (
    Accepted,
    AddPathNegotiated,
    AddPathOffered,
    Alive,
    AzureRead,
    AzureTables,
    ClockStepped,
    ConnectionsRefused,
    EndOfRib,
    Event,
    HoldTimeZero,
    ListeningJudged,
    MessagesLost,
    OwnershipRead,
    ProcessDown,
    ProcessSilent,
    ProcessUp,
    RefreshBegan,
    RefreshEnded,
    RoutesUnreadable,
    SessionDown,
    SessionSilent,
    SessionUnreported,
    SessionUp,
    SourceJudged,
    StatisticsBegan,
    StorageJudged,
    Uninteresting,
    Update,
)
from ermon.model.findings import Transition
from ermon.model.inventory import Circuit, Config, Feed, LinkKey, View
from ermon.model.ownership import VRPS, OwnershipSource, Reading, RouteObject, Vrp
from ermon.model.prefixes import FAMILIES, Address, Family, Prefix, parse_prefix
from ermon.model.routes import BLACKHOLE, Route
from ermon.scenario.azure_circuit import said, usual
from ermon.scenario.schema import AzureEntry, AzurePeeringState
from tests.networks import EDGE, EXCHANGE, MIRROR, START, TEAMS, UPLINK, attributes, path, prefixes, routes

# What happens --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """Events ``gap`` seconds after the step before; without events, time passes, or the policy is changed."""

    gap: float
    make: Callable[[float], Iterable[Event]] = lambda _: ()
    text: str = "time passes"
    reload: bool = False

    def __repr__(self) -> str:
        return f"+{self.gap}: {self.text}"


def step_by_step(history: Iterable[Step], start: float, *monitors: Monitor) -> Iterator[float]:
    """Apply the same steps to each of these, except reloads, and yield the time after each step."""
    now = start
    for step in history:
        now += step.gap
        for monitor in monitors:
            for event in step.make(now):
                monitor.apply(event)
            monitor.advance(now)
        yield now


def play(history: Iterable[Step], start: float, *monitors: Monitor) -> float:
    """Apply the same steps to each of these, except reloads; return the time of the end."""
    return max([start, *step_by_step(history, start, *monitors)])


class Told(NamedTuple):
    """A transition with its time."""

    time: float
    check: str
    labels: Labels
    state: str


def told(transitions: Iterable[Transition]) -> list[Told]:
    return [Told(t.time, t.finding.check, tuple(t.finding.labels.items()), str(t.state)) for t in transitions]


GAPS = (0.0, 0.25, 1.0, 1.75, 2.0, 3.0, 5.0, 8.0, 10.0, 20.0, 30.0, 59.75, 60.0, 90.0, 120.0, 300.0)
DEEP = "ERMON_ORACLE_EXAMPLES" in os.environ
"""Whether this is a longer run, with more and different histories."""
CLOCK_OFFSETS = (0.0, -3600.0, 3600.0, 86_400.0, 90.0, -100.0)
"""Steps of the clock: into maintenance windows, out of them, and to days with other expected prefixes."""
LONG_GAPS = (540.0, 599.75, 600.0, 1800.0, 3599.0, 3600.0, 14_400.0)
"""Gaps around ten minutes, an hour and four hours."""

RECEIVED = {
    "ipv4": prefixes(
        "192.0.2.0/26 192.0.2.0/27 192.0.2.32/27 192.0.2.0/24 192.0.2.64/26 192.0.2.128/26 0.0.0.0/0 198.51.100.0/28 "
        "198.51.100.64/28 198.51.0.0/16 10.1.0.0/16 10.0.0.0/8 20.1.0.0/16 203.0.113.0/30 198.51.100.192/26"
    ),
    "ipv6": prefixes(
        "2001:db8:200::/48 2001:db8:200::/49 2001:db8:200:8000::/49 2001:db8:200::/40 ::/0 2001:db8:100:1::/64 "
        "fc00:1::/48 2a01:111::/32 2001:db8:ffff::/126"
    ),
}
SENT = {
    "ipv4": prefixes(
        "198.51.100.0/28 198.51.100.0/29 198.51.100.8/29 198.51.100.16/28 198.51.100.16/29 198.51.100.32/28 "
        "198.51.100.40/29 198.51.100.64/28 198.51.100.0/27 198.51.100.0/24 198.51.0.0/16 0.0.0.0/0 "
        "198.51.100.128/27 198.51.100.144/29 198.51.100.48/28 198.51.100.48/29 203.0.113.0/30 192.0.2.0/26 "
        "192.0.2.16/28 192.0.2.64/26 10.1.0.0/16 10.1.2.0/24 100.64.0.0/10 20.1.2.0/24 172.16.0.0/30"
    ),
    "ipv6": prefixes(
        "2001:db8:100:1::/64 2001:db8:100:1::/65 2001:db8:100:1:8000::/65 2001:db8:100:2::/64 2001:db8:100::/40 "
        "2001:db8:100::/62 ::/0 2001:db8:1ff::/48 2001:db8:1ff:1::/64 2001:db8:ffff::/126 2001:db8:200::/48 "
        "2001:db8:200:1::/64 fc00:1:2::/64 fd00:1::/126 2a01:111:1::/48"
    ),
}
NEXT_HOPS = {
    "ipv4": (
        *[
            "203.0.113.2",
            "203.0.113.6",
            "203.0.113.10",
            "203.0.113.14",
            "172.16.0.2",
            "172.16.0.6",
            "172.16.0.10",
        ],
        *["192.0.2.201", "192.0.2.250", "203.0.113.13"],
        None,
    ),
    "ipv6": (
        *["2001:db8:ffff::2", "2001:db8:ffff::6", "fd00:1::2", "fd00:1::6", "2001:db8:100::202", "fe80::1"],
        "2001:db8:ffff::fe",
        None,
    ),
}
FROM_MICROSOFT = (
    *("12076", "12076 8075", "64500 64499 12076", "(65001) 64499 12076 {8075 64512}", "23456 12076"),
    *("3356 12076", "3356", "", "{12076 8075}", "12076 3356", "12076 64500 8075"),
    *("12076 12076 12076 12076 8075", "64500 12076 12076 12076", "12076 8075 12076 12076 12076 12076"),
)
FROM_US = (
    *("64500", "64500", "64520 64500", "64500 12076", "64500 {12076 8075}", "", "64510 3356"),
    *("(12076) 64500", "64500 65001", "64500 {3356 64500}"),
)
RECEIVED_COMMUNITIES = (
    *((), (EXCHANGE,), (EXCHANGE,), (TEAMS, EXCHANGE), ((12076, 51004),)),
    *(((64500, 302),), ((64500, 302), EXCHANGE), (EXCHANGE, (65535, 6))),
)
SENT_COMMUNITIES = ((), (), (BLACKHOLE,), ((65535, 65281),), ((64510, 666),))


COPIES = (
    *(routes("192.0.2.16/28 192.0.2.64/26", ""), routes("2001:db8:200:1::/64", "")),
    *(routes("198.51.100.192/26 2001:db8:1ff:1::/64", "64520 3356"), routes("198.51.100.128/27", "3356")),
    *(routes("198.51.100.192/26 2001:db8:100:9::/64", "64500"), routes("198.51.100.192/26", "64520 64500")),
)
"""Microsoft's routes after redistribution through an IGP: without their AS path, and split. And own space that is in no
pool, as it is exported and as it is received outside.
"""


UNASKED = (
    *(*routes("20.1.2.0/25 20.1.2.128/25", "3356 64500"), *routes("2a01:111:1::/48", "3356 64500")),
    *(*routes("10.1.0.0/16 20.1.0.0/16", "3356"), *routes("100.64.0.0/10 fc00:1::/48", "3356")),
    *(*routes("10.1.2.0/24", "3356 64500"), *routes("2001:db8:200:1::/64", "3356")),
)
"""Routes that the feeds send, that are not held, and that the policy does not ask about; ``networks.wider_policy``
does.
"""


def converged(policy: Config) -> list[Step]:
    """Bring every feed up and in sync, with the routes that it should have."""
    return [Step(0.0, lambda time: _dumps(policy, time), "all feeds come up"), Step(policy.collector.settle)]


def _dumps(policy: Config, time: float) -> Iterator[Event]:
    yield from (ProcessUp(time, process) for process in (*policy.processes, *policy.connections))
    yield from (StatisticsBegan(time, connection) for connection in policy.connections)
    for name, one in policy.feeds.items():
        yield SessionUp(time, name)
        yield from (Update(time, name, announced) for announced in _proper_routes(policy, one))
        yield from (EndOfRib(time, name, family) for family in one.families)


def _proper_routes(policy: Config, one: Feed) -> Iterator[tuple[Route, ...]]:
    if one.view in {EDGE, View.FROM_MICROSOFT}:
        own = [each for each in policy.links if each.table == one.table]
        if one.view is not EDGE:
            own = [each for each in own if each.key == one.link_key]
        for number, each in enumerate(own, 1):
            for family, subnet in (("ipv4", each.subnet), ("ipv6", each.subnet6)):
                if subnet and family in one.families:
                    msee = str(Address(subnet.version, subnet.value + 2))
                    tags = [EXCHANGE, *(community.values for community in each.match_communities)]
                    expected = [
                        e.prefix
                        for e in policy.circuits[each.circuit].receive.prefixes
                        if e.prefix.family == family
                    ]
                    text = (
                        " ".join(map(str, expected))
                        or {"ipv4": "20.1.0.0/16", "ipv6": "2a01:111::/32"}[family]
                    )
                    yield routes(
                        text, "12076", msee, tags, path_id=number if one.add_path and not one.by_bmp else None
                    )
    elif one.ris is not None:
        for peer in range(1, 5):
            yield routes(" ".join(map(str, one.canary)), f"{64_700 + peer} 64500", path_id=peer)
    elif one.view is MIRROR:
        for pool in policy.pools.values():
            if one.link_key in [each.key for each in policy.pool_links(pool)]:
                yield routes(" ".join(str(p) for p in pool.prefixes if p.family in one.families), "64500")
        required = policy.circuits[one.circuit or ""].advertise.required
        yield routes(" ".join(str(p) for p in required if p.family in one.families), "64500")
    else:
        shown = (
            [*one.canary, *policy.internet_only] if one.view is UPLINK else prefixes("20.9.0.0/16 2a02::/32")
        )
        yield routes(" ".join(str(p) for p in shown if p.family in one.families), "64500")


def announce(name: str, announced: Iterable[Route], withdrawn: Iterable[Any] = (), gap: float = 0.25) -> Step:
    new, old = tuple(announced), tuple(withdrawn)
    text = f"{name} announces {[_show(route) for route in new]}, withdraws {[f'{p} {i}' for p, i in old]}"
    return Step(gap, lambda time: [Update(time, name, new, old)], text)


def _show(route: Route) -> str:
    said = route.attributes
    return f"{route.prefix} id {route.path_id} by {said.next_hop} path '{said.path_text}' {sorted(said.communities)}"


Scene = list[Step]
"""A few steps that belong together."""


def histories(policy: Config) -> st.SearchStrategy[list[Step]]:
    """Yield random scenes, mostly after everything has converged. In some histories the policy is changed in between,
    or the clock is set.
    """
    starts = st.sampled_from([converged(policy), converged(policy), converged(policy), []])
    scenes = _scenes(policy)
    reload = st.sampled_from(GAPS).map(lambda gap: [Step(gap, text="another policy", reload=True)])
    several = st.one_of(
        st.lists(scenes, min_size=10, max_size=20),
        st.lists(scenes, min_size=10, max_size=20),
        st.lists(st.one_of(scenes, scenes, scenes, scenes, reload), min_size=10, max_size=20),
    )
    return st.tuples(starts, several).map(
        lambda drawn: [*drawn[0], *(step for scene in drawn[1] for step in scene)]
    )


def _scenes(policy: Config) -> st.SearchStrategy[Scene]:
    feeds = list(policy.feeds.values())
    one_feed, gaps = st.sampled_from(feeds), st.sampled_from(GAPS)
    dumps = {one.name: tuple(_proper_routes(policy, one)) for one in feeds}
    update = one_feed.flatmap(lambda one: _updates(one, gaps)).map(lambda step: [step])
    session = st.tuples(one_feed, gaps, st.integers(0, 18), st.sampled_from(FAMILIES)).map(
        lambda d: [_monitored_step(d) if d[0].by_bmp else _session_step(d)]
    )
    process = st.tuples(st.sampled_from(policy.processes), gaps, st.booleans()).map(
        lambda d: [_process_step(d)]
    )
    process |= st.tuples(st.sampled_from(policy.processes), st.sampled_from(GAPS)).map(
        lambda d: [_silent_step(*d)]
    )
    again = st.tuples(
        st.sampled_from(policy.processes),
        *(st.sampled_from(GAPS) for _ in range(2)),
        st.lists(st.tuples(one_feed, gaps), max_size=6),
    ).map(lambda d: _process_again(*d, dumps))
    if policy.connections:
        process |= st.tuples(st.sampled_from(policy.connections), gaps, st.integers(0, 2)).map(
            lambda d: [_connection_step(*d)]
        )
    if sources := source_names(policy):
        process |= st.tuples(st.sampled_from(sources), gaps, st.sampled_from((None, "HTTP 500"))).map(
            lambda d: [_source_step(d)]
        )
    if links := [each.key for each in policy.links if policy.circuits[each.circuit].azure is not None]:
        scene = st.tuples(
            st.sampled_from(links),
            st.sampled_from(AZURE_KINDS),
            st.tuples(gaps, st.sampled_from((*GAPS[4:], 900.0))),
            st.sampled_from((0.25, 1.0, 5.0, 60.0)),
        ).map(lambda d: _azure_scene(policy, *d))
        process |= scene | scene | scene
    if policy.ownership.sources:
        process |= _registries(policy, gaps)
    if read := [circuit for circuit in policy.circuits.values() if circuit.azure is not None]:
        process |= st.tuples(
            st.sampled_from(read),
            gaps,
            st.integers(0, len(AZURE_SAYS)),
            st.sampled_from((0.0, 0.0, 15.0, 2680.0)),
        ).map(lambda d: [_circuit_step(policy, *d)])
    accepted = st.sampled_from(("prefix-count-low", "service-count-low", "advertised-count-low"))
    process |= st.tuples(gaps, accepted, st.sampled_from(list(policy.circuits))).map(
        lambda d: [_accept_step(*d)]
    )
    process |= st.tuples(gaps, st.sampled_from((None, "the disk is full"))).map(lambda d: [_storage_step(*d)])
    clock = st.tuples(gaps, st.sampled_from(CLOCK_OFFSETS)).map(lambda d: [_clock_step(*d)])
    waiting = st.sampled_from((*GAPS, *LONG_GAPS)).map(lambda gap: [Step(gap)])
    dump = st.tuples(one_feed, gaps, st.integers(0, 8), st.booleans()).map(
        lambda d: _dump(d, dumps[d[0].name])
    )
    emptied = st.tuples(one_feed, st.sampled_from(GAPS[:9]), st.integers(0, 4)).map(
        lambda d: _emptied(d, dumps[d[0].name])
    )
    restless = st.tuples(one_feed, st.integers(2, 5), st.sampled_from(RESTLESS), st.booleans()).map(
        lambda d: _restless(d, dumps[d[0].name])
    )
    edges = st.sampled_from([one for one in feeds if one.view is EDGE])
    drains = st.tuples(edges, st.sampled_from((1, 2, 9)), st.sampled_from(DRAINS), gaps).map(
        lambda d: _drain(d, dumps[d[0].name])
    )
    hears = st.sampled_from([one for one in feeds if one.view is not EDGE])
    copied = st.tuples(hears, st.sampled_from(COPIES)).map(lambda d: [announce(d[0].name, d[1])])
    seldom = st.one_of(waiting, waiting, process, again, clock)
    staged = st.tuples(st.sampled_from(list(_staged(policy))), gaps).map(lambda d: [*d[0], Step(d[1])])
    often = st.one_of(update, update, update, session, dump, dump, emptied, emptied)
    return st.one_of(often, often, often, often, st.one_of(restless, drains, copied), staged, staged, seldom)


def staged(policy: Config) -> Iterator[list[Step]]:
    """Yield short histories of rare cases: after everything has converged, one thing happens."""
    return _played(policy, _staged(policy))


def staged_in_order(policy: Config) -> Iterator[list[Step]]:
    """Yield histories that need several steps in a certain order, which chance would not find."""
    return _played(policy, _in_order(policy))


def widened(policy: Config) -> Iterator[list[Step]]:
    """Yield histories in which a policy asks for routes that were not held before."""
    return _played(policy, _widenings(policy))


def _played(policy: Config, scenes: Iterable[Scene]) -> Iterator[list[Step]]:
    for scene in scenes:
        yield [*converged(policy), *scene, *map(Step, (61.0, 600.0, 3600.0)), *scene, Step(14_400.0)]


def reported(policy: Config) -> Iterator[list[Step]]:
    """Yield short histories in which routers report something of their sessions by BMP, after everything has converged."""
    for scene in _reports(policy):
        yield [*converged(policy), *scene]


def _reports(policy: Config) -> Iterator[Scene]:
    """Yield cases of sessions that routers report by BMP."""
    sessions = [one for one in policy.feeds.values() if one.by_bmp]
    for kind in range(10):
        yield [_monitored_step((one, 0.25, kind, one.families[0])) for one in sessions]
        yield [_monitored_step((one, 35.0, kind, one.families[0])) for one in sessions[:3]]
    ended = [_connection_step(connection, 0.25, 2) for connection in policy.connections]
    begun = [_connection_step(connection, 3.0, 0) for connection in policy.connections]
    missing = [_monitored_step((one, 0.25, 4, one.families[0])) for one in sessions]
    statistics = [_connection_step(connection, 0.25, 1) for connection in policy.connections]
    if sessions:
        yield [*ended, Step(61.0), *begun, *missing, *statistics]
        yield [*ended[:1], *begun[:1], Step(301.0), *statistics]


def _staged(policy: Config) -> Iterator[Scene]:
    """Yield cases that random updates seldom reach."""
    read = [each.key for each in policy.links if policy.circuits[each.circuit].azure is not None]
    for link, kind in product(read[:1], ("no pool", "pool over the other link", "more", "empty")):
        yield _azure_scene(policy, link, kind, (10.0, 900.0), 5.0)
    yield from _reports(policy)
    yield from _started_again(policy)
    feeds = policy.feeds.values()
    shown = {one.name: [r for each in _proper_routes(policy, one) for r in each] for one in feeds}
    edges = [one for one in feeds if one.view is EDGE]
    for as_path in DRAINS:
        yield [announce(one.name, _repathed(shown[one.name], as_path)) for one in edges]
    yield [announce(one.name, (), [route.key for route in shown[one.name]]) for one in edges]
    for value in (200, None):
        yield [
            *[announce(one.name, _preferred(shown[one.name], value)) for one in edges[:1]],
            Step(300.0),
            *[
                announce(one.name, _repathed(_preferred(shown[one.name], value), DRAINS[0]))
                for one in edges[:1]
            ],
        ]
    yield [step for one in edges for step in _back_in_part(one, shown[one.name])]
    yield from _hidden(edges, shown)
    yield from _unattributed(edges, shown)
    outside = [one for one in feeds if one.view in {UPLINK, View.INTERNET}]
    yield [announce(one.name, (), [route.key for route in shown[one.name]]) for one in outside]
    for one in feeds:
        if one.view is MIRROR:
            ours = [
                p for pool in policy.pools.values() if one.circuit in pool.circuits for p in pool.prefixes
            ]
            more = [*ours, *prefixes("20.1.2.0/24 2a01:111:1::/48")]
            yield [
                announce(
                    one.name, routes(" ".join(str(p) for p in more if p.family in one.families), "64500")
                )
            ]
    for one in feeds:
        yield from map(list, _staged_on(one, shown[one.name]))
    circuit = next(iter(policy.circuits))
    many = {one.name: _many(shown[one.name]) for one in edges}
    yield [
        *(announce(one.name, many[one.name]) for one in edges),
        Step(600.0),
        *(announce(one.name, (), [route.key for route in many[one.name][:9]]) for one in edges),
        Step(70.0),
        _accept_step(5.0, "prefix-count-low", circuit),
        Step(70.0),
    ]


def _started_again(policy: Config) -> Iterator[Scene]:
    """End and start ExaBGP again: no router connects, or some, or all; and once with a link that was down before."""
    feeds = list(policy.feeds.values())
    dumps = {one.name: tuple(_proper_routes(policy, one)) for one in feeds}
    for process in policy.processes:
        own = [one for one in feeds if one.process == process]
        for called in ((), [(one, 5.0) for one in own[::2]], [(one, 30.0) for one in own]):
            yield _process_again(process, 5.0, 8.0, called, dumps)
    for one in (one for one in feeds if one.view is EDGE):
        gone = [route.key for each in dumps[one.name] for route in each]
        others = [(other, 0.25) for other in feeds if other.view is not EDGE]
        yield [announce(one.name, (), gone), *_process_again(one.process, 60.0, 5.0, others, dumps)]


def _in_order(policy: Config) -> Iterator[Scene]:
    """Yield cases that chance does not find: a loss that lasts while more is wrong, copies of a dead link's routes."""
    feeds = policy.feeds.values()
    shown = {one.name: [r for each in _proper_routes(policy, one) for r in each] for one in feeds}
    edges = [one for one in feeds if one.view is EDGE]
    mirrors = [one for one in feeds if one.view is MIRROR]
    many = {one.name: _many(shown[one.name]) for one in edges}
    kept = {one.name: many[one.name][8:] for one in edges}
    copies = _repathed(many[edges[0].name], "64500")
    copies = [Route(route.prefix, None, route.attributes) for route in copies]
    yield [  # received elsewhere before a link receives it; then fewer routes on all links, without the expected ones
        *(announce(one.name, copies) for one in mirrors),
        *(announce(one.name, many[one.name]) for one in edges),
        Step(600.0),
        *(announce(one.name, (), [r.key for r in (*shown[one.name], *many[one.name][:8])]) for one in edges),
        *(announce(one.name, (), [route.key for route in copies[:8]]) for one in mirrors[:1]),
        Step(20.0),
        *(announce(one.name, (), [route.key for route in kept[one.name][:1]]) for one in edges),
    ]
    yield from _widenings(policy)
    yield [  # a copy stays Microsoft's when all links that received it have withdrawn it
        *(announce(one.name, _repathed(shown[edges[0].name], "64500")) for one in mirrors),
        *(announce(one.name, (), [route.key for route in shown[one.name]]) for one in edges),
    ]
    yield [  # so late that the tables are still in their first dumps when the grace for them is over
        Step(
            5.0,
            lambda time: (SessionDown(time, one.name, "closing connection") for one in edges),
            "edges down",
        ),
        Step(60.0, lambda time: (SessionUp(time, one.name) for one in edges), "edges call and send nothing"),
        Step(75.0),
        Step(120.0),
    ]


def _widenings(policy: Config) -> Iterator[Scene]:
    for ends in ("with a mark", "with quiet", "after sync_timeout"):
        yield list(_widened(policy, ends))


def _widened(policy: Config, ends: str) -> Iterator[Step]:
    """Change to a policy that asks for routes that feeds have sent before and ermon has not held; they are sent again,
    and some are missing.
    """
    filtered = [one for one in policy.feeds.values() if one.view in {EDGE, View.INTERNET}]
    shown = {
        one.name: [route for route in UNASKED if route.prefix.family in one.families] for one in filtered
    }
    for one in filtered:
        yield announce(one.name, shown[one.name])
    for gap in (1.0, 5.0):
        yield Step(gap, text="another policy", reload=True)
    for one in filtered:
        if ends == "with a mark":
            yield Step(1.0, partial(_marks, RefreshBegan, one), f"{one.name} begins to send everything again")
        if ends != "after sync_timeout":
            yield announce(one.name, shown[one.name][1:], gap=0.5)
        if ends == "with a mark":
            yield Step(3.0, partial(_marks, RefreshEnded, one), f"{one.name} has done so")
    yield from map(Step, (1.0, 1.0, 1.0, 60.0, 61.0))


def _hidden(edges: list[Feed], shown: dict[str, list[Route]]) -> Iterator[Scene]:
    """On tables of best paths, the internet's route wins everywhere, or on the first router alone; then it is
    withdrawn, too.
    """
    best = [one for one in edges if not one.add_path]
    won = {one.name: _repathed(shown[one.name], "3356 8075") for one in best}
    for winning in (best, best[:1]):
        gone = [one for one in edges if one not in winning]
        if winning:
            yield [
                *(announce(one.name, (), [route.key for route in shown[one.name]]) for one in gone),
                *(announce(one.name, won[one.name]) for one in winning),
                Step(30.0),
                *(announce(one.name, (), [route.key for route in won[one.name]]) for one in winning),
            ]
            yield [  # it is not sent again, except by the first router, so at the end it is removed
                *(announce(one.name, won[one.name]) for one in winning),
                *(Step(5.0, partial(_marks, RefreshBegan, one), f"{one.name} begins") for one in winning),
                *(announce(one.name, won[one.name]) for one in winning[:1]),
                *(Step(5.0, partial(_marks, RefreshEnded, one), f"{one.name} ends") for one in winning),
                *(Step(5.0, partial(_marks, RefreshBegan, one), f"{one.name} begins") for one in winning),
                *(Step(5.0, partial(_marks, RefreshBegan, one), f"{one.name} begins") for one in winning),
                *(announce(one.name, (), [route.key for route in won[one.name]]) for one in winning[1:]),
                *(Step(5.0, partial(_marks, RefreshEnded, one), f"{one.name} ends") for one in winning),
            ]


STRAYS = (
    *routes("20.200.0.0/24 20.200.1.0/24 20.200.2.0/24 20.200.3.0/24", "12076", "192.0.2.77", path_id=9),
    *routes("2a01:111:a::/48 2a01:111:b::/48 2a01:111:c::/48", "12076 8075", "2001:db8:9::9", path_id=9),
)
"""Routes of Microsoft with an unknown next hop."""


def _unattributed(edges: list[Feed], shown: dict[str, list[Route]]) -> Iterator[Scene]:
    """Let routes that match no link exist long before a link loses its routes, or arrive shortly before."""
    for before in (30.0, 1.0):
        yield [
            step
            for one in edges
            for step in (
                announce(one.name, [route for route in STRAYS if route.prefix.family in one.families]),
                announce(one.name, (), [route.key for route in shown[one.name]], gap=before),
            )
        ]


def _back_in_part(one: Feed, shown: list[Route]) -> Iterator[Step]:
    """Drain a router's links, withdraw most of their prefixes, and then announce one again as it was."""
    more = _many(shown)[:3]
    yield announce(one.name, more)
    yield announce(one.name, _repathed([*shown, *more], DRAINS[0]), gap=90.0)
    yield announce(one.name, (), [route.key for route in (*shown, *more)], gap=3.0)
    yield announce(one.name, more[:1])
    yield announce(one.name, more, gap=20.0)


def _heard_by(peer: int) -> tuple[Route, ...]:
    """Return the routes to a pool that a peer of RIPE's collectors has."""
    return routes("198.51.100.0/28 2001:db8:100:1::/64", f"{64_700 + peer} 64510 64500", path_id=peer)


def _staged_on(one: Feed, shown: list[Route]) -> Iterator[list[Step]]:
    name = one.name
    both = [Step(1.0, partial(_marks, RefreshBegan, one), f"{name} begins to send everything again")]
    yield [
        *both,
        announce(name, shown[:1]),
        Step(2.0, partial(_marks, RefreshEnded, one), f"{name} has done so"),
    ]
    if one.ris is not None:
        leaked = [route for peer in range(1, 6) for route in _heard_by(peer)]
        few, several = [route.key for route in leaked[:6]], [route.key for route in leaked[6:10]]
        exported = routes("198.51.100.0/28 2001:db8:100:1::/64", "64500")
        yield [announce(name, leaked), announce(name, (), few, gap=20.0), Step(120.0)]
        yield [announce(name, leaked, few), announce(name, leaked[:2], gap=5.0), announce(name, leaked[2:4])]
        yield [announce("isp-a", exported), announce(name, (), few), Step(90.0)]
        yield [
            announce("isp-a", (), [route.key for route in exported]),
            announce(name, (), several),
            Step(90.0),
        ]
    if one.view is EDGE:
        many = _many(shown)
        yield [announce(name, _repathed(shown, "12076 3356"))]
        yield [announce(name, many), Step(600.0), announce(name, (), [route.key for route in many[:9]])]
    if one.view is EDGE and not one.add_path:
        for as_path, via in (("3356 8075", "203.0.113.2"), ("12076", "203.0.113.6")):
            yield [announce(name, routes("192.0.2.0/27 192.0.2.32/27", as_path, via))]
            yield [announce(name, routes("192.0.2.0/24 192.0.2.0/26 0.0.0.0/0", as_path, via))]
    if one.view is View.SEGMENT:
        yield [announce(name, (), [route.key for route in shown])]
        yield [announce(name, routes("192.0.2.16/28", ""))]
    if one.view in {UPLINK, View.INTERNET}:
        ours = routes("198.51.100.192/26 2001:db8:100:9::/64", "64520 64500")
        yield [announce(name, [route for route in ours if route.prefix.family in one.families])]
        yield [announce(name, (), [route.key for route in ours])]
        taken = routes("198.51.100.192/26 2001:db8:100:9::/64", "64520 3356")
        yield [announce(name, [route for route in taken if route.prefix.family in one.families])]
    if one.view is MIRROR:
        yield [announce(name, _repathed(shown, "64500 65001"))]
        lost = Step(5.0, lambda time: [SessionDown(time, name, "closing connection")], f"{name} down")
        yield [announce(name, (), [route.key for route in shown]), lost, Step(90.0)]


def _marks(kind: type[RefreshBegan | RefreshEnded], one: Feed, time: float) -> Iterator[Event]:
    return (kind(time, one.name, family) for family in one.families)


def _preferred(shown: Iterable[Route], value: int | None) -> list[Route]:
    return [
        Route(route.prefix, route.path_id, structs.replace(route.attributes, local_preference=value))
        for route in shown
    ]


def _repathed(shown: Iterable[Route], as_path: str) -> list[Route]:
    return [
        Route(route.prefix, route.path_id, structs.replace(route.attributes, as_path=path(as_path)))
        for route in shown
    ]


def _many(shown: list[Route]) -> list[Route]:
    """Announce more routes of the same link."""
    base = parse_prefix("20.64.0.0/24")
    return [
        Route(Prefix(4, base.value + (number << 8), 24), shown[0].path_id, shown[0].attributes)
        for number in range(12)
    ]


RESTLESS = (0.25, 2.25, 10.0, 30.0, 200.0)
DRAINS = ("12076 12076 12076 12076", "64500 12076 12076 12076 12076 8075", "12076 12076 12076", "12076 8075")


def _restless(drawn: tuple[Feed, int, float, bool], announced: tuple[tuple[Route, ...], ...]) -> Scene:
    """Let routes that a feed should have be withdrawn and announced repeatedly, or its session flap."""
    one, times, every, session = drawn
    shown = [route for each in announced for route in each]
    gone = announce(one.name, (), [route.key for route in shown], gap=every)
    lost = Step(every, lambda time: [SessionDown(time, one.name, "closing connection")], f"{one.name} down")
    back = Step(every, lambda time: _begin(one, time, announced, by_negotiation=False), f"{one.name} returns")
    turn = [lost, back, Step(2.0)] if session else [gone, announce(one.name, shown, gap=every)]
    return turn * times


def _drain(drawn: tuple[Feed, int, str, float], announced: tuple[tuple[Route, ...], ...]) -> Scene:
    """Announce some of a router's routes with another path; then all may be withdrawn."""
    one, some, as_path, wait = drawn
    shown = [route for each in announced for route in each]
    steps = [announce(one.name, _repathed(shown, as_path)[:some]), Step(wait)]
    if some == 1:
        return steps
    return [*steps, announce(one.name, (), [route.key for route in shown]), Step(wait)]


def _dump(drawn: tuple[Feed, float, int, bool], announced: tuple[tuple[Route, ...], ...]) -> Scene:
    """Start a new session: the feed's routes, End-of-RIB, updates soon after, a pause."""
    one, wait, updates, by_negotiation = drawn
    settle = 2.0
    steps = [
        Step(0.25, lambda time: _begin(one, time, announced, by_negotiation), f"{one.name} comes up again")
    ]
    again = [announce(one.name, routes_, gap=settle - 0.25) for routes_ in announced[:1]]
    return [*steps, *again * updates, Step(wait)]


def _begin(
    one: Feed, time: float, announced: tuple[tuple[Route, ...], ...], by_negotiation: bool
) -> Iterator[Event]:
    yield SessionDown(time, one.name, "closing connection")
    if by_negotiation and not one.by_bmp:
        yield AddPathNegotiated(time, one.name, frozenset(one.families if one.add_path else ()))
    yield SessionUp(time, one.name)
    yield from (Update(time, one.name, each) for each in announced)
    yield from (EndOfRib(time, one.name, family) for family in one.families)


def _emptied(drawn: tuple[Feed, float, int], announced: tuple[tuple[Route, ...], ...]) -> Scene:
    """Let a feed withdraw its routes; soon after, something else happens to it."""
    one, wait, then = drawn
    gone = [(route.prefix, route.path_id) for each in announced for route in each]
    after = [
        announce(one.name, [route for each in announced for route in each], gap=wait),
        Step(wait, lambda time: [MessagesLost(time, one.name, 1, "gap")], f"{one.name} loses messages"),
        Step(wait, lambda time: [SessionDown(time, one.name, "closing connection")], f"{one.name} down"),
        Step(
            wait,
            lambda time: [AddPathNegotiated(time, one.name, frozenset())],
            f"{one.name} has best paths only",
        ),
        Step(wait),
    ]
    return [announce(one.name, (), gone), after[then]]


def _updates(one: Feed, gaps: st.SearchStrategy[float]) -> st.SearchStrategy[Step]:
    return st.sampled_from(one.families).flatmap(lambda family: _updates_of(one, family, gaps))


def _updates_of(one: Feed, family: Family, gaps: st.SearchStrategy[float]) -> st.SearchStrategy[Step]:
    edge = one.view in {EDGE, View.FROM_MICROSOFT}
    universe = (RECEIVED if edge else SENT)[family]
    ids: st.SearchStrategy[int | None] = st.sampled_from([None, 1, 1, 2]) if one.view is EDGE else st.none()
    if one.ris is not None:
        ids = st.sampled_from([1, 2, 3, 4, 5])
    keys = st.tuples(st.sampled_from(universe), ids)
    said = st.builds(
        attributes,
        st.sampled_from(FROM_MICROSOFT if edge else FROM_US),
        st.sampled_from(NEXT_HOPS[family]),
        st.sampled_from(RECEIVED_COMMUNITIES if edge else SENT_COMMUNITIES),
        st.sampled_from((None, 100, 100, 200)),
    )
    new = st.tuples(st.lists(keys, min_size=1, max_size=3), said, st.lists(keys, max_size=1), gaps)
    old = st.tuples(st.just([]), said, st.lists(keys, min_size=1, max_size=4), gaps)
    few = st.one_of(new, new, old).map(
        lambda drawn: announce(
            one.name, [Route(*key, drawn[1]) for key in dict.fromkeys(drawn[0])], *drawn[2:]
        )
    )
    if one.view is not MIRROR or family == "ipv4":
        return few
    crowd = st.sampled_from(CROWDS).map(lambda announced: announce(one.name, announced))
    return st.one_of(*[few] * 9, crowd)


def _crowd(count: int) -> tuple[Route, ...]:
    base = parse_prefix("2001:db8:180::/48")
    shared = attributes("64500")
    return tuple(Route(Prefix(6, base.value + (number << 64), 64), None, shared) for number in range(count))


CROWDS = tuple(map(_crowd, (79, 80, 96)))
"""About as many prefixes as exceed a limit (private peering, IPv6)."""


def _session_step(drawn: tuple[Feed, float, int, Family]) -> Step:
    one, gap, kind, family = drawn
    name, some = one.name, frozenset({family})
    both = frozenset(one.families)
    makers: list[tuple[str, Callable[[float], Event]]] = [
        ("up", lambda t: SessionUp(t, name)),
        ("up", lambda t: SessionUp(t, name)),
        ("down", lambda t: SessionDown(t, name, "closing connection")),
        (f"{family} end of rib", lambda t: EndOfRib(t, name, family)),
        (f"{family} refresh begins", lambda t: RefreshBegan(t, name, family)),
        (f"{family} refresh ends", lambda t: RefreshEnded(t, name, family)),
        (f"{one.families[0]} end of rib", lambda t: EndOfRib(t, name, one.families[0])),
        (f"{one.families[-1]} end of rib", lambda t: EndOfRib(t, name, one.families[-1])),
        ("alive", lambda t: Alive(t, name)),
        ("messages lost", lambda t: MessagesLost(t, name, 3, "gap")),
        (f"negotiated {family}", lambda t: AddPathNegotiated(t, name, some)),
        ("offered all", lambda t: AddPathOffered(t, name, both)),
        ("hold time 0", lambda t: HoldTimeZero(t, name)),
        ("refused", lambda t: SessionDown(t, name, "OPEN refused by ermon: bad peer AS")),
        ("not listened for", lambda t: ListeningJudged(t, one.local, "cannot listen")),
        ("listened for", lambda t: ListeningJudged(t, one.local)),
        ("stranger", lambda t: ConnectionsRefused(t, one.local, f"198.51.100.{round(t) % 16}", 1)),
        (f"routes that nobody asks about, {family}", lambda t: Uninteresting(t, name, 5, some, both)),
        ("withdrawals that nobody asks about", lambda t: Uninteresting(t, name, 5, frozenset(), some)),
    ]
    text, make = makers[kind]
    return Step(gap, lambda time: [make(time)], f"{name} {text}")


def _monitored_step(drawn: tuple[Feed, float, int, Family]) -> Step:
    """Let a router report something of one of its sessions by BMP."""
    one, gap, kind, _ = drawn
    name, (family,) = one.name, one.families
    makers: tuple[tuple[str, Callable[[float], list[Event]]], ...] = (
        ("is up", lambda t: [SessionUp(t, name)]),
        ("is down", lambda t: [SessionDown(t, name, "the neighbor sent Cease")]),
        ("is down, without a reason", lambda t: [SessionDown(t, name, "")]),
        ("ends its dump", lambda t: [EndOfRib(t, name, family)]),
        ("is not reported", lambda t: [SessionUnreported(t, name)]),
        ("is silent", lambda t: [SessionSilent(t, name, "no statistics")]),
        ("is silent", lambda t: [SessionSilent(t, name, "no statistics")]),
        ("has statistics", lambda t: [Alive(t, name)]),
        (
            "is another one, and cannot be read",
            lambda t: [
                SessionDown(t, name, "reset"),
                SessionUp(t, name),
                RoutesUnreadable(t, name, "ADD-PATH"),
            ],
        ),
        ("has lost messages", lambda t: [MessagesLost(t, name, 1, "gap")]),
    )
    text, make = makers[kind % len(makers)]
    return Step(gap, make, f"{name} {text}")


def _connection_step(connection: str, gap: float, kind: int) -> Step:
    makers: tuple[Callable[[float], list[Event]], ...] = (
        lambda t: [ProcessUp(t, connection)],
        lambda t: [StatisticsBegan(t, connection)],
        lambda t: [ProcessDown(t, connection, "closed")],
    )
    return Step(gap, makers[kind], f"{connection} {('begins', 'has statistics', 'ends')[kind]}")


def _source_step(drawn: tuple[str, float, str | None]) -> Step:
    source, gap, problem = drawn
    return Step(gap, lambda t: [SourceJudged(t, source, problem)], f"{source}: {problem or 'fine'}")


AZURE_KINDS = (
    *(
        "right",
        "right",
        "no pool",
        "no pool",
        "pool over the other link",
        "half a pool",
        "covering",
        "more",
        "more",
    ),
    *("less", "less", "empty", "partial", "neighbors", "arp", "fails"),
)


def _azure_step(policy: Config, link: LinkKey, kind: str, gap: float, ago: float) -> Step:
    """Read tables of Microsoft's edge router on a link, which was asked some time ago."""

    def read(time: float) -> list[Event]:
        return [AzureTables(time, link, time - ago, **_azure_tables(policy, link, kind))]

    return Step(gap, read, f"Microsoft on {link}, asked {ago} s ago: {kind}")


def _azure_tables(policy: Config, link: LinkKey, kind: str) -> dict[str, Any]:
    if kind == "fails":
        return {"problem": "HTTP 503"}
    one = policy.link(link)
    hosts = [Address(subnet.version, subnet.value + 1) for subnet in one.subnets]
    state = "Idle" if kind == "arp" else "7"
    neighbors = tuple(AzureNeighbor(str(host), 64500, "00:10:00", state) for host in hosts)
    if kind == "arp":
        return {"neighbors": neighbors, "arp": (AzureArp("On-Prem", mac="Incomplete"),)}
    if kind == "neighbors":
        return {"neighbors": (*neighbors, AzureNeighbor("192.0.2.99", 1, "8w4d", "Active")), "arp": ()}
    shown = {
        f.name: [r.prefix for each in _proper_routes(policy, f) for r in each] for f in policy.feeds.values()
    }
    mirrors = [f.name for f in policy.feeds.values() if f.view is MIRROR and f.link_key == link]
    ours = {prefix for name in mirrors for prefix in shown[name]}
    theirs = {
        p
        for f in policy.feeds.values()
        if f.view in {EDGE, View.FROM_MICROSOFT}
        for each in _proper_routes(policy, f)
        for p in (
            r.prefix
            for r in each
            if r.attributes.next_hop in {Address(h.version, h.value + 1) for h in hosts}
        )
    }
    if kind == "less":
        theirs = set(sorted(theirs)[1:])
    elif kind == "more":
        theirs |= set(prefixes("192.0.2.32/27 20.1.0.0/16 10.1.2.0/24 2001:db8:200:8000::/49"))
    elif kind == "no pool":
        ours = set()
    elif kind == "half a pool":
        ours = set(prefixes("198.51.100.0/29 2001:db8:100:1::/65 198.51.100.64/28 ::/0"))
    elif kind == "covering":
        ours = set(prefixes("198.51.100.0/24 2001:db8:100::/40 0.0.0.0/0"))
    over = {
        4: str(hosts[0]) if kind != "pool over the other link" else "203.0.113.5*",
        6: str(hosts[-1]) if kind != "pool over the other link" else "2001:db8:ffff::5",
    }
    rows = [AzureRoute(str(p), over[p.version], "64500 I") for p in sorted(ours)]
    rows += [AzureRoute(str(p), "10.255.0.1*", "12076 ?") for p in sorted(theirs)]
    return {
        "routes": () if kind == "empty" else tuple(rows),
        "partial": kind == "partial",
        "neighbors": neighbors if kind in {"empty", "right"} else None,
    }


def _azure_scene(policy: Config, link: LinkKey, kind: str, gaps: tuple[float, float], ago: float) -> Scene:
    """Read the same twice."""
    return [_azure_step(policy, link, kind, gap, ago) for gap in gaps]


def _registries(policy: Config, gaps: st.SearchStrategy[float]) -> st.SearchStrategy[Scene]:
    """Read registries, whose lists may be old, or for a part of the address space only."""
    ends = st.sampled_from((None, None, START + 60.0, START + 700.0, START + 86_400.0))
    vrps = st.lists(
        st.builds(Vrp, st.sampled_from(REGISTERED), st.sampled_from((0, 64500, 64999)), st.none(), ends),
        max_size=3,
    )
    objects = st.lists(
        st.builds(RouteObject, st.sampled_from(REGISTERED), st.sampled_from((None, 64500, 64999))), max_size=3
    )
    space = st.sampled_from((None, None, ("198.51.100.0/26", "2001:db8:100::/40")))
    age = st.sampled_from((0.0, 0.0, 100.0, 1700.0))

    def read(drawn: tuple[OwnershipSource, float, float, list[Vrp], list[RouteObject], Any]) -> Scene:
        source, gap, old, some, registered, own = drawn
        name = f"{source.kind}:{source.location}"
        found: dict[str, Any] = (
            {"vrps": tuple(some)} if source.kind == VRPS else {"route_objects": tuple(registered)}
        )

        def happen(time: float) -> list[Event]:
            return [OwnershipRead(time, name, Reading(time - old, space=own, **found))]

        return [Step(gap, happen, f"{name} has {found}, {old} s old, for {own or 'everything'}")]

    sources = st.sampled_from(policy.ownership.sources)
    return st.tuples(sources, gaps, age, vrps, objects, space).map(read)


REGISTERED = (
    "198.51.100.0/24",
    "198.51.100.0/28",
    "198.51.100.16/29",
    "2001:db8:100::/48",
    "2001:db8:100:1::/64",
)


AZURE_SAYS: tuple[AzureEntry, ...] = (
    AzureEntry(),
    AzureEntry(),
    AzureEntry(prefixes=()),
    AzureEntry.model_validate({"family": "ipv6", "prefixes": []}),
    AzureEntry(prefix_state="ValidationNeeded"),
    AzureEntry(peering=AzurePeeringState.DISABLED),
    AzureEntry(peering=AzurePeeringState.MISSING),
    AzureEntry(circuit_state="Disabled", provider_state="NotProvisioned"),
    AzureEntry(peer_asn=64501, vlan=7),
)
"""What Azure may say of a circuit."""


def _circuit_step(policy: Config, circuit: Circuit, gap: float, kind: int, age: float) -> Step:
    if kind == len(AZURE_SAYS):
        return Step(gap, lambda t: [AzureRead(t, circuit.name, problem="HTTP 503")], "Azure does not answer")
    entry = AZURE_SAYS[kind]
    reading = said(usual(policy, circuit), entry)
    text = f"Azure said {entry.model_dump(exclude_unset=True)} of {circuit.name} {age} s ago"
    return Step(gap, lambda t: [AzureRead(t, circuit.name, t - age, reading)], text)


def _storage_step(gap: float, problem: str | None) -> Step:
    return Step(gap, lambda t: [StorageJudged(t, problem)], f"storage: {problem or 'fine'}")


def _clock_step(gap: float, offset: float) -> Step:
    return Step(gap, lambda t: [ClockStepped(t, offset)], f"the clock is {offset} seconds ahead from now on")


def _accept_step(gap: float, check: str, circuit: str) -> Step:
    def accept(time: float) -> list[Event]:
        return [Accepted(time, check, (("circuit", circuit),), "accepted by ann: as planned")]

    return Step(gap, accept, f"{check} of {circuit} is accepted")


def _process_again(
    process: str,
    ended: float,
    started: float,
    called: Iterable[tuple[Feed, float]],
    dumps: dict[str, tuple[tuple[Route, ...], ...]],
) -> Scene:
    """End a process and start it again; routers connect one by one."""
    return [
        _process_step((process, ended, False)),
        _process_step((process, started, True)),
        *(
            Step(
                gap,
                partial(_begin, one, announced=dumps[one.name], by_negotiation=False),
                f"{one.name} calls",
            )
            for one, gap in called
        ),
    ]


def _silent_step(process: str, gap: float) -> Step:
    return Step(gap, lambda t: [ProcessSilent(t, process, "did not answer")], f"{process} does not answer")


def _process_step(drawn: tuple[str, float, bool]) -> Step:
    process, gap, up = drawn
    if up:
        return Step(gap, lambda t: [ProcessUp(t, process)], f"{process} runs")
    wanted = gap == 0.0
    return Step(gap, lambda t: [ProcessDown(t, process, "ended", wanted)], f"{process} ended")
