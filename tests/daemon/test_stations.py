"""What routers report by BMP, from their sockets to events."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from ermon.aio import slices
from ermon.bmp import listen
from ermon.bmp.router import RouterStream
from ermon.bmp.sessions import monitored
from ermon.config.load import LoadedConfig, load_config
from ermon.daemon import stations as daemon
from ermon.daemon.stations import Stations
from ermon.model.events import (
    DownCause,
    Event,
    FeedRequest,
    MessagesLost,
    ProcessDown,
    ProcessUp,
    SessionDown,
    SessionSilent,
    SessionUnreported,
    SessionUp,
    StatisticsBegan,
    Update,
)
from ermon.recording.recorder import Recorder
from tests.bgp import announcement, free_port, notification
from tests.bmp import router
from tests.bmp.test_listen import ended
from tests.bmp.test_router import malformed_update
from tests.daemon.intake import make_intake

PATIENCE = 30.0
PROCESS, PRIMARY, SECONDARY = "bmp/edge-1", "edge-1/chicago/primary/ipv4", "edge-1/chicago/secondary/ipv4"
FILE = """
customer: {{asn: 64500, own_prefixes: [198.51.100.0/24]}}
collector: {{bmp: {{listen: ["127.0.0.1:{port}"], stats_within: 3m}}}}
routers:
  edge-1: {{bmp: {{peer: 127.0.0.1}}}}
circuits:
  chicago:
    geo: us
    location: Chicago
    peering: microsoft
    links:
      primary: {{router: edge-1, subnet: 203.0.113.0/30}}
      secondary: {{router: edge-1, subnet: {secondary}}}
"""


class Daemon:
    """The stations of a configuration, on a clock of their own, and what they have said."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "ermon.yml"
        self.port = free_port("127.0.0.1")
        self.now = 1_000.0
        self.events: list[Event] = []
        self.advanced = asyncio.Event()
        loaded = self.load()
        self.intake = make_intake(
            loaded.config,
            lambda: self.now,
            apply=self.events.append,
            advance=lambda _: self.advanced.set(),
        )
        self.stations = Stations(loaded.config, {}, self.intake)

    def load(self, secondary: str = "203.0.113.4/30") -> LoadedConfig:
        self.file.write_text(FILE.format(port=self.port, secondary=secondary))
        return load_config(self.file)

    async def listening(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                    break
                await asyncio.sleep(0)
        await self.until(lambda: bool(self.events) and isinstance(self.events[-1], ProcessDown))
        self.events.clear()

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.setblocking(False)
        return connection

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self.advanced.clear()
                await self.advanced.wait()

    async def until_said(self, *events: Event) -> None:
        await self.until(lambda: all(event in self.events for event in events))


@pytest.fixture
async def ermon(tmp_path: Path) -> AsyncIterator[Daemon]:
    made = Daemon(tmp_path)
    running = asyncio.create_task(made.stations.run())
    await made.listening()
    yield made
    await made.stations.stop()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_what_a_router_reports_is_handed_on_in_order(ermon: Daemon) -> None:
    with ermon.connect() as connection:
        connection.send(
            router.initiation()
            + router.peer_up()
            + router.route_monitoring(announcement("192.0.2.0/26", next_hop="203.0.113.2"))
            + router.peer_down(3, notification(6, 2, b"\x0cplanned work"))
        )
        reason = 'the neighbor sent Cease: administrative shutdown: "planned work"'
        await ermon.until_said(SessionDown(1_000.0, PRIMARY, reason, DownCause.ADMIN_SHUTDOWN))
    await ermon.until_said(ProcessDown(1_000.0, PROCESS, listen.CLOSED))
    assert [type(event) for event in ermon.events] == [ProcessUp, SessionUp, Update, SessionDown, ProcessDown]


def routes(count: int) -> list[bytes]:
    """Return a table of the secondary link's."""
    updates = (
        announcement(f"198.51.{at // 64}.{at % 64 * 4}/30", next_hop="203.0.113.6") for at in range(count)
    )
    header = router.peer_header("203.0.113.6", flags=router.POST_POLICY)
    return [router.route_monitoring(update, header) for update in updates]


BOTH_UP = router.initiation() + router.peer_up() + router.peer_up(router.peer_header("203.0.113.6"))


async def send_at_once(ermon: Daemon, connection: socket.socket, *octets: bytes) -> None:
    """Send, and have nothing read before all of it has arrived."""
    said = b"".join(octets)
    async with ermon.intake.turn, asyncio.timeout(PATIENCE):
        await asyncio.get_running_loop().sock_sendall(connection, said)
        waiting = ermon.stations._listener._waiting
        while True:
            octets = sum(
                len(each.data) for each in waiting.get("edge-1", ()) if isinstance(each, listen.Octets)
            )
            if octets == len(said):
                return
            await asyncio.sleep(0)


def updates(events: list[Event]) -> int:
    return sum(event.updates for event in events if isinstance(event, Update))


async def test_the_end_of_a_session_is_told_before_the_routes_of_another_are_judged(
    ermon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)  # a slice is a piece
    monkeypatch.setattr(daemon, "READS_IN_A_ROW", 10**6)
    with ermon.connect() as connection:
        await send_at_once(ermon, connection, BOTH_UP, *routes(1_000), router.peer_down(4))
        await ermon.until(lambda: any(isinstance(event, SessionDown) for event in ermon.events))
        assert updates(ermon.events) == 0
        await ermon.stations.level("edge-1")
        assert updates(ermon.events) == 1_000


async def test_what_waits_of_a_connection_that_has_ended_is_judged_first(ermon: Daemon) -> None:
    with ermon.connect() as connection:
        await send_at_once(ermon, connection, BOTH_UP, *routes(1_000))
    await ermon.until_said(ProcessDown(1_000.0, PROCESS, listen.CLOSED))
    assert updates(ermon.events) == 1_000
    assert isinstance(ermon.events[-1], ProcessDown)
    assert ermon.stations.memory == {}


async def test_what_waits_of_a_connection_is_passed_over_once_another_replaces_it(
    ermon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ermon.connect() as first:
        with monkeypatch.context() as while_nothing_is_judged:
            while_nothing_is_judged.setattr(ermon.stations, "_judge", lambda: asyncio.sleep(0))
            await send_at_once(ermon, first, BOTH_UP, *routes(1_000))
            await ermon.until(lambda: bool(ermon.events) and not ermon.stations._listener._waiting)
            with ermon.connect() as second:
                second.send(router.initiation() + router.peer_up())
                await ermon.until(
                    lambda: (
                        [event for event in ermon.events if event == ProcessUp(1_000.0, PROCESS)]
                        == [ProcessUp(1_000.0, PROCESS)] * 2
                    )
                )
                assert ProcessDown(1_000.0, PROCESS, listen.REPLACED) in ermon.events
        await ermon.stations.level("edge-1")
    assert updates(ermon.events) == 0
    metrics = ermon.intake.telemetry.registry
    assert metrics.get_sample_value("ermon_bmp_moot_messages_total", {"router": "edge-1"}) == 1_000
    assert metrics.get_sample_value("ermon_bmp_messages_total", {"router": "edge-1"}) == 1_005


class Kept(Recorder):
    """Keeps what it is given of BMP."""

    def __init__(self) -> None:
        self.octets: list[bytes] = []

    def reported(self, router: str, octets: bytes, now: float) -> None:
        self.octets.append(octets)


async def test_a_recording_comes_to_the_same_events(ermon: Daemon) -> None:
    kept = ermon.intake.recorder = Kept()
    table = routes(1_000)
    table[500:500] = [router.peer_down(4), router.peer_up(), router.statistics()]
    with ermon.connect() as connection:
        await send_at_once(ermon, connection, BOTH_UP, *table)
        await ermon.stations.level("edge-1")
    again = RouterStream(PROCESS, monitored(ermon.load().config, "edge-1"))
    said = [event for octets in kept.octets for event in again.take(octets, 1_000.0).events]
    assert said == [event for event in ermon.events if not isinstance(event, ProcessDown)]
    assert updates(said) == 1_000


async def test_octets_that_are_no_bmp_end_the_connection(ermon: Daemon) -> None:
    with ermon.connect() as connection:
        connection.send(b"GET / HTTP/1.1\r\n")
        assert await ended(connection)
    await ermon.until_said(ProcessDown(1_000.0, PROCESS, "BMP version 71, which is not 3"))


async def test_sessions_that_are_not_reported_in_time(ermon: Daemon) -> None:
    with ermon.connect() as connection:
        connection.send(router.initiation() + router.peer_up())
        await ermon.until_said(SessionUp(1_000.0, PRIMARY))
        ermon.now += 10.0
        connection.send(
            router.message(router.ROUTE_MIRRORING)
        )  # wakes it up: its own timer runs on the real clock
        await ermon.until_said(SessionUnreported(1_010.0, SECONDARY))


async def test_a_session_without_statistics_is_silent(ermon: Daemon) -> None:
    with ermon.connect() as connection:
        connection.send(router.initiation() + router.peer_up() + router.statistics())
        await ermon.until_said(StatisticsBegan(1_000.0, PROCESS))
        ermon.now += 180.0
        connection.send(router.message(router.ROUTE_MIRRORING))
        silent = "the router has sent no statistics of the session for 180 s"
        await ermon.until_said(SessionSilent(1_180.0, PRIMARY, silent))


async def test_statistics_that_have_arrived_count_before_time_does(ermon: Daemon) -> None:
    """A machine that stood still must not miss what was sent meanwhile."""
    with ermon.connect() as connection:
        connection.send(router.initiation() + router.peer_up() + router.statistics())
        await ermon.until_said(StatisticsBegan(1_000.0, PROCESS))
        ermon.now += 180.0
        connection.send(router.statistics() + router.message(router.ROUTE_MIRRORING))
        await ermon.until_said(SessionUnreported(1_180.0, SECONDARY))
        assert not any(isinstance(event, SessionSilent) for event in ermon.events)


async def test_a_router_that_must_send_all_again_has_to_connect_again(ermon: Daemon) -> None:
    """BMP has no other way. It has to do so once in five minutes at most."""
    request = FeedRequest(PRIMARY, "teardown", ("ipv4",), "messages were lost")
    broken = router.route_monitoring(b"\xff" * 16 + b"\0\x17\2\0\x63\0\0")
    for attempt in (True, False):
        with ermon.connect() as connection:
            connection.send(router.initiation() + router.peer_up() + broken)
            await ermon.until(lambda: any(isinstance(event, MessagesLost) for event in ermon.events))
            ermon.stations.ask(request)
            if attempt:
                assert await ended(connection)
                await ermon.until_said(ProcessDown(1_000.0, PROCESS, "messages were lost"))
                ermon.events.clear()
            else:
                await ermon.stations.level("edge-1")
                assert ermon.stations.memory.keys() == {"edge-1"}


async def test_rejected_messages_are_logged_once_for_each_kind(ermon: Daemon) -> None:
    with capture_logs() as logged, ermon.connect() as connection:
        connection.send(router.initiation() + router.message(77) * 5 + router.peer_up())
        await ermon.until_said(SessionUp(1_000.0, PRIMARY))
    rejected = [line for line in logged if line["event"] == "BMP message rejected"]
    assert [(line["router"], line["reason"], line["detail"]) for line in rejected] == [
        ("edge-1", "unknown-type", "type 77")
    ]


async def test_malformed_attributes_are_counted_and_logged(ermon: Daemon) -> None:
    with capture_logs() as logged, ermon.connect() as connection:
        malformed = router.route_monitoring(malformed_update("192.0.2.0/24"))
        connection.send(router.initiation() + router.peer_up() + malformed * 3)
        await ermon.until(lambda: any(isinstance(event, Update) for event in ermon.events))
        await ermon.stations.level("edge-1")
    lines = [line for line in logged if line["event"] == "malformed update"]
    assert [(line["feed"], line["prefix"]) for line in lines] == [(PRIMARY, "192.0.2.0/24")]
    labels = {"feed": PRIMARY, "kind": "treat-as-withdraw"}
    counted = ermon.intake.telemetry.registry.get_sample_value("ermon_feed_malformed_updates_total", labels)
    assert counted == 3


async def test_sessions_that_come_and_go_without_end_do_not_fill_the_log(ermon: Daemon) -> None:
    with capture_logs() as logged, ermon.connect() as connection:
        connection.send(router.initiation() + (router.peer_up() + router.peer_down(4)) * 200)
        await ermon.until(lambda: sum(isinstance(event, SessionDown) for event in ermon.events) == 200)
    assert 0 < sum(line["event"].startswith("session ") for line in logged) <= daemon.MAX_CHANGES_LOGGED


async def test_a_router_that_a_reload_removes_while_it_connects(
    ermon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ermon.load().config
    without = replace(config, bmp={}, collector=replace(config.collector, bmp=None))
    taking = asyncio.Event()
    monkeypatch.setattr(ermon.intake.clock, "look", taking.set)
    async with ermon.intake.turn:  # as while a reload is going on
        with ermon.connect() as first:
            first.send(router.initiation())
            await asyncio.wait_for(taking.wait(), PATIENCE)
            with ermon.connect():
                assert await ended(first)  # the other one has replaced it
                await ermon.stations.reconfigure(without, {})
    await asyncio.wait_for(ermon.stations.level("edge-1"), PATIENCE)
    assert ermon.stations.memory == {}


async def test_a_router_that_connects_while_a_reload_removes_it(
    ermon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ermon.load().config
    without = replace(config, bmp={}, collector=replace(config.collector, bmp=None))
    note, configure, handed_out = ermon.stations._opened, ermon.stations._listener.configure, asyncio.Event()

    def opened(router: str, number: int) -> None:
        note(router, number)
        handed_out.set()

    async def configure_later(*given: Any) -> None:
        await asyncio.wait_for(handed_out.wait(), PATIENCE)
        await configure(*given)

    monkeypatch.setattr(ermon.stations, "_opened", opened)
    monkeypatch.setattr(ermon.stations._listener, "configure", configure_later)
    with ermon.connect() as connection:
        await ermon.stations.reconfigure(without, {})
        assert await ended(connection)
    await asyncio.wait_for(ermon.stations.level("edge-1"), PATIENCE)
    assert ermon.stations.memory == {}


async def test_another_configuration_of_its_sessions_begins_a_connection_anew(ermon: Daemon) -> None:
    with ermon.connect() as connection:
        connection.send(router.initiation() + router.peer_up())
        await ermon.until_said(SessionUp(1_000.0, PRIMARY))
        await ermon.stations.reconfigure(ermon.load().config, {})
        await ermon.stations.level("edge-1")
        assert ermon.stations.memory.keys() == {"edge-1"}
        await ermon.stations.reconfigure(ermon.load("203.0.113.8/30").config, {})
        assert await ended(connection)


async def test_an_address_that_is_taken_is_noticed_before_anything_changes(ermon: Daemon) -> None:
    config = ermon.load().config
    bmp = config.collector.bmp
    assert bmp is not None
    with socket.create_server(("127.0.0.1", 0)) as taken:
        elsewhere = replace(bmp, listen=(("127.0.0.1", taken.getsockname()[1]),))
        other = replace(config, collector=replace(config.collector, bmp=elsewhere))
        with pytest.raises(listen.BmpListenError):
            ermon.stations.prepare(other)
    ermon.stations.prepare(config)  # its own addresses are not taken
    with ermon.connect() as connection:
        connection.send(router.initiation())
        await ermon.until_said(ProcessUp(1_000.0, PROCESS))


async def test_an_address_that_comes_later_is_listened_on_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile everything else goes on, and it is said why no router can connect."""
    monkeypatch.setattr(daemon, "RETRY_SECONDS", 0.01)
    made = Daemon(tmp_path)
    with socket.create_server(("127.0.0.1", made.port)):
        running = asyncio.create_task(made.stations.run())
        await made.until(lambda: bool(made.events))
    down = made.events[0]
    assert isinstance(down, ProcessDown)
    assert down.reason == (
        f"collector.bmp.listen: cannot listen on 127.0.0.1:{made.port}: Address already in use"
    )
    made.events.clear()
    await made.listening()
    await made.stations.stop()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
