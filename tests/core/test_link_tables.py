"""The tables of links, where one event changes many routes."""

from __future__ import annotations

from dataclasses import replace

from ermon.core.route_index import RouteIndex
from ermon.model.events import Update
from ermon.model.inventory import ExpectedPrefix
from ermon.model.prefixes import Family, Prefix, parse_prefix
from ermon.model.routes import Route
from tests.core.test_monitored_sessions import (
    ALONE,
    BESIDE,
    FAMILIES,
    MSEE,
    PRIMARY,
    RECEIVED,
    connected,
    session,
)
from tests.networks import routes
from tests.story import Story

INSIDE = {"ipv4": "192.0.2.0/27", "ipv6": "2001:db8:200::/49"}
ELSEWHERE = {"ipv4": "192.0.2.128/26", "ipv6": "2001:db8:300::/48"}


def index(net: Story) -> RouteIndex:
    return net.monitor.reactor.routes


def brought(net: Story, family: Family) -> set[Prefix]:
    return set(index(net).learned.lately(PRIMARY, family, net.now))


def paths(family: Family, *path_ids: int, as_path: str = "12076") -> tuple[Route, ...]:
    return tuple(r for each in path_ids for r in routes(RECEIVED[family], as_path, MSEE[family], (), each))


def take(net: Story, feed: str, *announced: Route, withdrawn: tuple[Route, ...] = ()) -> None:
    net.monitor.apply(Update(net.now, feed, announced, tuple(route.key for route in withdrawn)))


@FAMILIES
def test_all_routes_of_a_session_are_the_links_own(family: Family) -> None:
    net = connected(BESIDE).up(session(family))
    take(net, session(family), *paths(family, 1, 2))
    state = net.monitor.network.feeds[session(family)]
    assert state.tables[PRIMARY] is state.rib
    assert net.monitor.network.shown_on[PRIMARY, family] == {session(family)}


@FAMILIES
def test_a_prefix_with_several_paths_comes_and_goes_once(family: Family) -> None:
    net = connected(ALONE).up(session(family))
    first, second = paths(family, 1, 2)
    take(net, session(family), first, second)
    assert brought(net, family) == {first.prefix}
    take(net, session(family), withdrawn=(first,))
    assert first.prefix in index(net).learned
    net.down(session(family))
    assert not net.monitor.network.shown_on[PRIMARY, family]
    assert index(net).learned.remembered(PRIMARY, family) == {first.prefix}
    net.up(session(family))
    take(net, session(family), first, second)
    net.down(session(family))
    assert index(net).learned.remembered(PRIMARY, family) == {first.prefix}


@FAMILIES
def test_a_prefix_that_goes_and_comes_back_at_once_was_never_lost(family: Family) -> None:
    net = connected(ALONE).up(session(family))
    (only,), (other,) = paths(family, 1), paths(family, 1, as_path="12076 8075")
    take(net, session(family), only, *routes(INSIDE[family], "12076", MSEE[family]))
    take(net, session(family), other, withdrawn=(only,))
    take(net, session(family), only, other)
    assert brought(net, family) == {parse_prefix(RECEIVED[family]), parse_prefix(INSIDE[family])}
    assert not index(net).learned.lately_gone(PRIMARY, family, net.now)
    assert list(net.monitor.network.feeds[session(family)].rib.paths(only.prefix)) == [other]


@FAMILIES
def test_other_published_lists_are_compared_with_what_sessions_bring(family: Family) -> None:
    net = connected(ALONE).up(session(family))
    take(net, session(family), *paths(family, 1))
    listed = {RECEIVED[family], INSIDE[family], *ELSEWHERE.values()}
    prefixes = tuple(ExpectedPrefix(parse_prefix(text)) for text in sorted(listed))
    circuit = ALONE.circuits["chicago"]
    other = replace(circuit, receive=replace(circuit.receive, prefixes=prefixes))
    net.monitor.use_lists(replace(ALONE, circuits={**ALONE.circuits, "chicago": other}), net.now)
    missing = set(map(parse_prefix, ELSEWHERE.values()))
    assert set(net.monitor.network.uncovered(session(family), PRIMARY)) == missing
