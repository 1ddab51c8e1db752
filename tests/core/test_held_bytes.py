"""The estimate of the memory that a feed's routes take is good for every shape of route that a router can send."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ermon.checks.catalogue import CATALOGUE
from ermon.config.load import load_config
from ermon.core.monitor import Monitor
from ermon.exabgp.decode import Decoder
from ermon.exabgp.updates import FeedEncoder
from ermon.model.events import SessionUp
from ermon.model.prefixes import Address, Prefix
from ermon.model.routes import (
    AsPath,
    Attributes,
    Communities,
    LargeCommunities,
    PathSegment,
    Route,
    SegmentKind,
)
from ermon.model.settings import CheckSettings

NOW = 1_772_366_400.0
ROUTES = 40
REFERENCE = load_config(Path(__file__).parents[2] / "config" / "ermon.reference.yml").config
# No checks: their findings limit their own memory, which is not measured here.
CONFIG = replace(REFERENCE, checks={name: CheckSettings(enabled=False) for name in CATALOGUE})
BETWEEN = 0.6, 1.7
"""The estimate must be within these factors of the size that Python reports."""

SEQUENCE, SET = SegmentKind.SEQUENCE, SegmentKind.SET
MICROSOFT = PathSegment(SEQUENCE, (12076, 8075))


def plain(number: int) -> Attributes:
    return attributes(AsPath([MICROSOFT]), communities=Communities([(12076, number)]))


def tagged(number: int) -> Attributes:
    tags = Communities((12076, (7 * number + each) % 65536) for each in range(980))
    return attributes(AsPath([MICROSOFT]), communities=tags)


def tagged_large(number: int) -> Attributes:
    tags = LargeCommunities((number, each, 1) for each in range(320))
    return attributes(AsPath([MICROSOFT]), large_communities=tags)


def long_path(number: int) -> Attributes:
    asns = tuple(range(100_000 + number, 100_900 + number))
    parts = [PathSegment(SEQUENCE, asns[at : at + 255]) for at in range(0, 900, 255)]
    return attributes(AsPath([PathSegment(SEQUENCE, (12076,) * 255), *parts]))


def many_segments(number: int) -> Attributes:
    """The AS_PATH that takes the most memory: one ASN in each segment."""
    parts = [PathSegment(SET, (100_000 + number + each,)) for each in range(600)]
    return attributes(AsPath([MICROSOFT, *parts]))


def attributes(path: AsPath, **more: Communities | LargeCommunities) -> Attributes:
    return Attributes(Address(4, 0xCB007102), path, origin="igp", local_preference=100, **more)  # type: ignore[arg-type]


def routes(shape: Callable[[int], Attributes], version: int, count: int) -> Iterator[Route]:
    for number in range(count):
        prefix = Prefix(4, 20 << 24 | number << 8, 24)
        if version == 6:
            prefix = Prefix(6, 0x20010DB8 << 96 | number << 64, 64)
        yield Route(prefix, 7, shape(number))


def hold(feed: str, shape: Callable[[int], Attributes], version: int, count: int) -> tuple[Monitor, int]:
    """Have a monitor hold routes as they come from ExaBGP, and return the memory that they take, in bytes."""
    monitor, decoder = Monitor(CONFIG, NOW), Decoder(CONFIG.feeds)
    encoder = FeedEncoder(CONFIG.feeds[feed], 7, NOW)
    monitor.apply(SessionUp(NOW, feed))
    monitor.advance(NOW)
    gc.collect()
    tracemalloc.start()
    try:
        for route in routes(shape, version, count):
            for line in encoder.updates([route]):
                for event in decoder.decode(line).events:
                    monitor.apply(event)
                monitor.advance(NOW)
        gc.collect()
        return monitor, tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("shape", [plain, tagged, tagged_large, long_path, many_segments])
@pytest.mark.parametrize("feed", ["edge-1", "edge-1-isp-a", "outside"])
def test_the_estimate_is_near_the_size_that_python_reports(
    feed: str, shape: Callable[[int], Attributes], version: int
) -> None:
    monitor, used = hold(feed, shape, version, ROUTES)
    assert len(monitor.network.feeds[feed].rib) == ROUTES
    assert BETWEEN[0] * used < monitor.network.feeds[feed].held_bytes < BETWEEN[1] * used


def test_routes_with_a_thousand_communities_take_about_what_they_take_on_the_wire() -> None:
    _, used = hold("edge-1-isp-a", tagged, 4, 200)
    assert used < 2 * 200 * 4_096, "it was forty times as much when each number was an object"


def test_withdrawn_routes_take_no_memory() -> None:
    monitor, _ = hold("edge-1-isp-a", tagged, 4, 10)
    state = monitor.network.feeds["edge-1-isp-a"]
    monitor.reactor.routes.withdraw(state, [route.key for route in list(state.rib.routes())])
    assert state.held_bytes == 0


@pytest.mark.parametrize(("path_id", "least"), [(None, 70), (5, 200)])
def test_routes_that_are_passed_over_count_too(path_id: int | None, least: int) -> None:
    state = Monitor(CONFIG, NOW).network.feeds["edge-1"]
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(10_000):
            state.passed_over.add((Prefix(6, 0x20010DB8 << 96 | number << 64, 64), path_id))
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert BETWEEN[0] * used < state.held_bytes < BETWEEN[1] * used
    for number in range(10_000):
        state.passed_over.discard((Prefix(6, 0x20010DB8 << 96 | number << 64, 64), path_id))
    assert state.held_bytes == 0
    assert used > least * 10_000
