import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ermon.exabgp import process
from ermon.exabgp.channel import Answered, Dropped, ExaBGPError, Lines, RelayLost, Silent, Started, Stopped
from ermon.exabgp.configure import PasswordError
from ermon.exabgp.decode import Decoder
from ermon.exabgp.process import ExaBGP, Reload
from ermon.model.events import MessagesLost, Update
from ermon.model.inventory import EDGES, View
from tests import bgp
from tests.bgp import PATIENCE, Speaker
from tests.defaults import make_collector, make_config, make_feed

pytestmark = pytest.mark.slow

STANDALONE = Path(__file__).with_name("standalone.py")
EDGE_1 = make_feed("edge-1", View.EDGE_TABLE, "127.0.0.11", "127.0.0.1", peer_asn=64500, local_asn=64500)
EDGE_1_ISP = replace(EDGE_1, name="edge-1-isp", view=View.TO_INTERNET, local="127.0.0.2", local_asn=65011)
EDGE_2 = replace(EDGE_1, name="edge-2", peer="127.0.0.12")
EDGE_6 = replace(EDGE_1, name="edge-6", peer="::1", local="::1", families=("ipv4", "ipv6"), add_path=True)
FEEDS = (EDGE_1, EDGE_1_ISP, EDGE_6)


def config(port, *feeds, hold_time=30.0):
    collector = make_collector(asn=64500, port=port, hold_time=hold_time)
    return make_config(*feeds, collector=collector)


class Ermon:
    """Reads an ExaBGP's messages and stores them."""

    def __init__(self, exabgp):
        self.exabgp = exabgp
        self.messages = []
        self.events = []
        self.reading = asyncio.Event()
        self.reading.set()

    async def read(self):
        async for message in self.exabgp.messages():
            self.messages.append(message)
            if isinstance(message, Lines):
                self.events += map(json.loads, message.lines)
            await self.reading.wait()

    def of(self, feed, kind=None):
        return [
            event
            for event in self.events
            if event.get("neighbor", {}).get("address") == {"local": feed.local, "peer": feed.peer}
            and kind in {None, event["type"]}
        ]

    def states(self, feed):
        return [event["neighbor"]["state"] for event in self.of(feed, "state")]

    def prefixes(self, feed):
        decoder = Decoder({feed.name: feed})
        lines = [line for message in self.messages if isinstance(message, Lines) for line in message.lines]
        updates = [
            event for line in lines for event in decoder.decode(line).events if isinstance(event, Update)
        ]
        return [str(route.prefix) for update in updates for route in update.announced]

    def lines(self, kind):
        """The lines of the listener in ExaBGP's process."""
        return [event[kind] for event in self.events if event["type"] == kind]

    def count(self, kind):
        return sum(isinstance(message, kind) for message in self.messages)


@contextlib.asynccontextmanager
async def running(config, runtime, passwords=None, **limits):
    async with ExaBGP(EDGES, config, passwords or {}, runtime, **limits) as exabgp:
        ermon = Ermon(exabgp)
        reader = asyncio.create_task(ermon.read())
        await eventually(lambda: exabgp.up)
        yield ermon
    await reader


async def eventually(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  # what is waited for happens in other processes
            await asyncio.sleep(0.01)


async def all_up(ermon, *feeds):
    """A router sees its session established a moment before ExaBGP does."""
    await eventually(lambda: all("up" in ermon.states(feed) for feed in feeds))


def router(feed, port, **settings):
    settings = {"families": feed.families, "add_path": feed.add_path, **settings}
    return Speaker(feed.peer, feed.local, port, asn=feed.peer_asn, **settings)


@contextlib.asynccontextmanager
async def sessions(port, *feeds, **settings):
    speakers = [router(feed, port, **settings) for feed in feeds]
    try:
        for speaker in speakers:
            await asyncio.to_thread(speaker.establish)
        yield speakers
    finally:
        for speaker in speakers:
            speaker.close()


def lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.usefixtures("dialect")
async def test_sessions_of_one_router_come_up_on_each_local_address_with_their_routes(port, runtime):
    async with running(config(port, *FEEDS), runtime) as ermon, sessions(port, *FEEDS) as (table, isp, ipv6):
        table.announce("192.0.2.0/24", next_hop="192.0.2.1")
        isp.announce("198.51.100.0/24", next_hop="192.0.2.1", as_path=[64500])
        ipv6.announce("2001:db8::/32", next_hop="2001:db8::1", path_id=7)
        await eventually(lambda: all(ermon.prefixes(feed) for feed in FEEDS))
        assert [ermon.prefixes(feed) for feed in FEEDS] == [
            ["192.0.2.0/24"],
            ["198.51.100.0/24"],
            ["2001:db8::/32"],
        ]
        assert isinstance(ermon.messages[0], Started)


async def test_process_has_started_before_its_first_event(port, runtime):
    async with running(config(port, EDGE_1), runtime) as ermon, sessions(port, EDGE_1):
        await eventually(lambda: ermon.events)
        kinds = [type(message) for message in ermon.messages]
        assert kinds.index(Started) < kinds.index(Lines)


async def test_open_is_reported_before_up_and_says_of_which_families_several_paths_come(port, runtime):
    async with running(config(port, EDGE_6), runtime) as ermon, sessions(port, EDGE_6):
        await all_up(ermon, EDGE_6)
        kinds = [event["type"] for event in ermon.of(EDGE_6)]
        assert kinds.index("open") < kinds.index("keepalive") < len(kinds) - 1
        capabilities = ermon.of(EDGE_6, "open")[0]["neighbor"]["open"]["capabilities"]
        assert capabilities["69"] == {"name": "addpath", "ipv4/unicast": "send", "ipv6/unicast": "send"}


@pytest.mark.usefixtures("dialect")
async def test_several_paths_are_received_only_where_the_feed_wants_them(port, runtime):
    both = EDGE_1, EDGE_6
    async with (
        running(config(port, *both), runtime) as ermon,
        sessions(port, *both, add_path=True) as speakers,
    ):
        speakers[0].announce("192.0.2.0/24", next_hop="192.0.2.1")
        speakers[1].announce("2001:db8::/32", next_hop="2001:db8::1", path_id=1)
        speakers[1].announce("2001:db8::/32", next_hop="2001:db8::2", path_id=2)
        await eventually(lambda: len(ermon.prefixes(EDGE_6)) == 2 and ermon.prefixes(EDGE_1))


@pytest.mark.usefixtures("dialect")
async def test_counter_of_each_feed_has_no_gaps_with_any_output(port, runtime):
    feeds = (EDGE_1, EDGE_1_ISP, EDGE_6)
    async with (
        running(config(port, *feeds), runtime) as ermon,
        sessions(port, *feeds) as speakers,
    ):
        for speaker in speakers:
            speaker.announce(
                "192.0.2.0/24", next_hop="192.0.2.1", path_id=1 if speaker is speakers[2] else None
            )
            speaker.end_of_rib()
            speaker.send(bgp.message(bgp.ROUTE_REFRESH, b"\0\1\0\1"), bgp.message(bgp.KEEPALIVE))
        await eventually(lambda: all(len(ermon.of(feed, "keepalive")) == 2 for feed in feeds))
        assert await ermon.exabgp.reload(config(port, *feeds, EDGE_2), {}) is Reload.RELOADED
        for speaker in speakers:
            speaker.send(bgp.message(bgp.ROUTE_REFRESH, b"\0\1\0\1"))
        await eventually(lambda: all(len(ermon.of(feed, "refresh")) == 2 for feed in feeds))
        for feed in feeds:
            assert [event["counter"] for event in ermon.of(feed)] == list(range(1, len(ermon.of(feed)) + 1))
        speakers[0].notify(6, 2, b"\x04work")
        await eventually(lambda: "down" in ermon.states(EDGE_1))
        last = [event["counter"] for event in ermon.of(EDGE_1)]
        assert last[-1] == 1, "a session that outlived a reload starts its counter again with its end"
        assert last[-2] == len(last) - 1


async def test_teardown_ends_one_session_of_a_router_and_no_other(port, runtime):
    async with running(config(port, *FEEDS), runtime) as ermon, sessions(port, *FEEDS) as (table, isp, ipv6):
        await all_up(ermon, *FEEDS)
        await ermon.exabgp.teardown(EDGE_1_ISP)
        await asyncio.to_thread(isp.ended.wait, PATIENCE)
        await ermon.exabgp.teardown(EDGE_6)
        await asyncio.to_thread(ipv6.ended.wait, PATIENCE)
        await ermon.exabgp.ping()
        assert table.is_up
        await asyncio.to_thread(isp.establish)


async def test_route_refresh_reaches_the_router_for_each_family(port, runtime):
    async with running(config(port, *FEEDS), runtime) as ermon, sessions(port, *FEEDS) as (table, isp, ipv6):
        await all_up(ermon, *FEEDS)
        await ermon.exabgp.refresh(EDGE_6, EDGE_6.families)
        await ermon.exabgp.refresh(EDGE_1, EDGE_1.families)
        requests = [(bgp.ROUTE_REFRESH, b"\0\1\0\1"), (bgp.ROUTE_REFRESH, b"\0\2\0\1")]
        await asyncio.to_thread(
            ipv6.wait_for, lambda received: all(request in received for request in requests)
        )
        await asyncio.to_thread(table.wait_for, lambda received: requests[0] in received)
        assert all(kind != bgp.ROUTE_REFRESH for kind, _ in isp.received)


async def test_killed_exabgp_is_started_again_and_sessions_return(port, runtime):
    async with running(config(port, EDGE_1), runtime) as ermon, sessions(port, EDGE_1) as (table,):
        await all_up(ermon, EDGE_1)
        killed = ermon.exabgp.pid
        os.kill(killed, signal.SIGKILL)
        await asyncio.to_thread(table.ended.wait, PATIENCE)
        await asyncio.to_thread(table.establish)
        await eventually(lambda: ermon.states(EDGE_1).count("up") == 2)
        kinds = [type(message) for message in ermon.messages if not isinstance(message, Lines)]
        assert [kind for kind in kinds if kind is not RelayLost] == [Started, Stopped, Started]
        (stopped,) = (m for m in ermon.messages if isinstance(m, Stopped))
        assert stopped.reason.startswith(
            "killed by signal SIGKILL; the kernel does that when memory runs out"
        )
        assert ermon.exabgp.restarts == 1
        assert ermon.exabgp.pid != killed


async def test_listeners_are_closed_before_a_killed_exabgp_loses_its_sessions(port, runtime):
    """Linux closes the files of a killed process from the highest number down. A router that connects at once could be
    accepted and dropped, which keeps OpenBGPD away for half a minute.
    """
    async with (
        running(config(port, EDGE_1, EDGE_1_ISP), runtime) as ermon,
        sessions(port, EDGE_1, EDGE_1_ISP),
    ):
        await all_up(ermon, EDGE_1, EDGE_1_ISP)
        established, listening = sockets(ermon.exabgp.pid)
        assert len(established) == len(listening) == 2
        assert max(established) < min(listening)


def sockets(pid):
    """The file numbers of a process's TCP sockets: of sessions, and of listeners."""
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    states = {f"socket:[{row[9]}]": row[3] for row in rows}
    numbers = {"01": [], "0A": []}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        if (state := states.get(str(link.readlink()))) in numbers:
            numbers[state].append(int(link.name))
    return numbers["01"], numbers["0A"]


@pytest.mark.usefixtures("dialect")
async def test_end_of_the_relay_is_reported_and_another_is_started(port, runtime):
    async with running(config(port, EDGE_1), runtime) as ermon, sessions(port, EDGE_1) as (table,):
        await all_up(ermon, EDGE_1)
        os.kill(ermon.exabgp.relay_pid, signal.SIGKILL)
        await eventually(lambda: ermon.count(RelayLost))
        await ermon.exabgp.refresh(EDGE_1, EDGE_1.families)
        await asyncio.to_thread(
            table.wait_for, lambda received: any(kind == bgp.ROUTE_REFRESH for kind, _ in received)
        )
        table.announce("192.0.2.0/24", next_hop="192.0.2.1")
        await eventually(lambda: ermon.prefixes(EDGE_1))
        await ermon.exabgp.ping()
        assert ermon.count(Started) == 1
        assert ermon.states(EDGE_1) == ["connected", "up"]


@pytest.mark.usefixtures("dialect")
async def test_sessions_survive_a_relay_that_dies_while_exabgp_writes_to_it(port, runtime):
    feeds = EDGE_1, EDGE_2
    table = [f"10.{number >> 8}.{number & 255}.0/24" for number in range(980)]
    async with running(config(port, *feeds), runtime) as ermon, sessions(port, *feeds) as routers:
        await all_up(ermon, *feeds)
        # Stopped, ExaBGP does not notice the end of the relay before it has so much for it that no buffer holds it back.
        os.kill(ermon.exabgp.pid, signal.SIGSTOP)
        os.kill(ermon.exabgp.relay_pid, signal.SIGKILL)
        await eventually(lambda: ermon.count(RelayLost))
        for each in routers:
            each.announce(*table, next_hop="192.0.2.1")
        os.kill(ermon.exabgp.pid, signal.SIGCONT)
        await eventually(lambda: ermon.exabgp.relay_pid)
        for each, feed in zip(routers, feeds, strict=True):
            each.announce("192.0.2.0/24", next_hop="192.0.2.1")
            await eventually(lambda feed=feed: "192.0.2.0/24" in ermon.prefixes(feed))
            assert each.is_up
            assert ermon.states(feed) == ["connected", "up"]


async def test_ping_fails_when_its_relay_dies(port, runtime):
    async with running(config(port, EDGE_1), runtime) as ermon:
        os.kill(ermon.exabgp.relay_pid, signal.SIGSTOP)
        ping = asyncio.create_task(ermon.exabgp.ping())
        await asyncio.sleep(0)
        os.kill(ermon.exabgp.relay_pid, signal.SIGKILL)
        with pytest.raises(ExaBGPError):
            await asyncio.wait_for(ping, PATIENCE)


async def test_ping_fails_without_a_relay(port, runtime):
    with pytest.raises(ExaBGPError, match="no relay"):
        await ExaBGP(EDGES, config(port, EDGE_1), {}, runtime).ping()


async def test_exabgp_that_does_not_answer_is_replaced(port, runtime, monkeypatch):
    async with running(config(port, EDGE_1), runtime) as ermon:
        monkeypatch.setattr(process, "TICK_SECONDS", 0.1)
        os.kill(ermon.exabgp.pid, signal.SIGSTOP)
        await eventually(lambda: ermon.count(Stopped))
        monkeypatch.undo()
        assert "did not answer for" in next(m.reason for m in ermon.messages if isinstance(m, Stopped))
        await eventually(lambda: ermon.count(Started) == 2)


async def test_a_hang_is_reported_before_exabgp_is_ended(port, runtime, monkeypatch):
    async with running(config(port, EDGE_1), runtime) as ermon:
        monkeypatch.setattr(process, "TICK_SECONDS", 0.1)
        os.kill(ermon.exabgp.pid, signal.SIGSTOP)
        await eventually(lambda: ermon.count(Stopped))
        monkeypatch.undo()
        told = [m for m in ermon.messages if isinstance(m, Silent | Stopped)]
        assert list(map(type, told)) == [Silent, Stopped]
        assert told[0].reason == told[1].reason == "did not answer for 10 s"


async def test_one_that_answers_in_time_keeps_its_sessions(port, runtime, monkeypatch):
    async with running(config(port, EDGE_1), runtime) as ermon, sessions(port, EDGE_1) as (table,):
        monkeypatch.setattr(process, "TICK_SECONDS", 0.1)
        monkeypatch.setattr(process, "GIVEN_UP_TICKS", 10_000)
        os.kill(ermon.exabgp.pid, signal.SIGSTOP)
        await eventually(lambda: ermon.count(Silent))
        os.kill(ermon.exabgp.pid, signal.SIGCONT)
        await eventually(lambda: ermon.count(Answered))
        assert ermon.count(Stopped) == 0
        assert table.is_up


async def test_exabgp_is_not_blamed_for_the_time_in_which_ermon_did_not_run(port, runtime, monkeypatch):
    async with running(config(port, EDGE_1), runtime) as ermon:
        monkeypatch.setattr(process, "TICK_SECONDS", 0.2)
        time.sleep(1.5 * process.TICK_SECONDS * process.UNANSWERED_TICKS)  # noqa: ASYNC251  # nothing runs meanwhile
        await ermon.exabgp.ping()
        await ermon.exabgp.ping()
        assert ermon.count(Stopped) == 0


@pytest.mark.usefixtures("dialect")
async def test_lines_that_did_not_fit_into_the_relay_are_counted(port, runtime, monkeypatch):
    monkeypatch.setattr(process, "TICK_SECONDS", 1000)  # the answers to ``version`` are lines, too
    async with (
        running(config(port, EDGE_1), runtime, buffer_limit=64 * 1024) as ermon,
        sessions(port, EDGE_1) as (table,),
    ):
        await all_up(ermon, EDGE_1)
        ermon.reading.clear()
        updates = map(numbered, range(10_000))
        await asyncio.to_thread(table.send, *updates, bgp.end_of_rib("ipv4"), bgp.notification(6, 2))
        await asyncio.to_thread(table.ended.wait, 4 * PATIENCE)
        ermon.reading.set()
        await ermon.exabgp.ping()
        await asyncio.to_thread(table.establish)  # its lines are counted behind those that did not fit
        await eventually(lambda: ermon.states(EDGE_1).count("up") == 2)
        lost = sum(message.count for message in ermon.messages if isinstance(message, Dropped))
        assert lost > 0
        assert lost == ermon.exabgp.relay_dropped
        assert len(ermon.of(EDGE_1)) + lost == ermon.of(EDGE_1)[-1]["counter"]


def numbered(number):
    return bgp.announcement(f"10.{number >> 8}.{number & 255}.0/24", next_hop="192.0.2.1")


@pytest.mark.usefixtures("dialect")
async def test_overlong_line_is_refused_and_counted(port, runtime):
    async with (
        running(config(port, EDGE_1), runtime, max_line=2000) as ermon,
        sessions(port, EDGE_1) as (table,),
    ):
        table.announce(*(f"10.{i >> 8}.{i & 255}.0/24" for i in range(500)), next_hop="192.0.2.1")
        await eventually(lambda: Dropped(1) in ermon.messages)
        table.announce("192.0.2.0/24", next_hop="192.0.2.1")
        await eventually(lambda: ermon.prefixes(EDGE_1))
        assert ermon.prefixes(EDGE_1) == ["192.0.2.0/24"]


async def test_reload_keeps_the_sessions_of_feeds_that_did_not_change(port, runtime):
    changed, removed, added = EDGE_1_ISP, EDGE_6, EDGE_2
    before = config(port, EDGE_1, changed, removed, replace(EDGE_2, name="other", local="127.0.0.2"))
    after = config(
        port, EDGE_1, replace(changed, families=("ipv4", "ipv6")), added, replace(removed, name="six")
    )
    async with running(before, runtime) as ermon, sessions(port, EDGE_1, changed, removed) as speakers:
        await all_up(ermon, EDGE_1, changed, removed)
        assert await ermon.exabgp.reload(after, {}) is Reload.RELOADED
        await asyncio.to_thread(speakers[1].ended.wait, PATIENCE)
        await asyncio.to_thread(speakers[1].establish)
        async with sessions(port, added):
            await all_up(ermon, added)
            assert (
                await ermon.exabgp.reload(config(port, EDGE_1, changed, added, removed), {})
                is Reload.RELOADED
            )
            assert speakers[0].is_up
            assert speakers[2].is_up
            assert ermon.states(EDGE_1) == ["connected", "up"]
            assert ermon.count(Started) == 1


async def test_reload_ends_the_session_of_a_removed_feed_and_refuses_new_ones(port, runtime):
    async with (
        running(config(port, EDGE_1, EDGE_2), runtime) as ermon,
        sessions(port, EDGE_1, EDGE_2) as speakers,
    ):
        assert await ermon.exabgp.reload(config(port, EDGE_1), {}) is Reload.RELOADED
        await asyncio.to_thread(speakers[1].ended.wait, PATIENCE)
        with pytest.raises((bgp.SessionRefusedError, OSError)):
            await asyncio.to_thread(speakers[1].attempt)
        assert speakers[0].is_up


async def test_reload_without_a_change_leaves_exabgp_alone(port, runtime):
    async with running(config(port, EDGE_1), runtime) as ermon:
        assert await ermon.exabgp.reload(config(port, EDGE_1), {}) is Reload.UNCHANGED


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param((EDGE_1,), (EDGE_1, EDGE_1_ISP), id="another address"),
        pytest.param((EDGE_1,), (EDGE_1, EDGE_6), id="another IPv6 address"),
        pytest.param((EDGE_6,), (EDGE_6, EDGE_1), id="another address beside IPv6"),
        pytest.param((EDGE_1,), (EDGE_1, replace(EDGE_1_ISP, ttl_security=1)), id="TTL security"),
        pytest.param((EDGE_6,), (EDGE_6, replace(EDGE_1, ttl_security=1)), id="TTL security beside IPv6"),
    ],
)
async def test_reload_listens_on_a_new_address_and_leaves_the_sessions_on_others_alone(
    port, runtime, before, after
):
    kept, added = after
    async with running(config(port, *before), runtime) as ermon, sessions(port, kept) as (table,):
        await all_up(ermon, kept)
        assert await ermon.exabgp.reload(config(port, *after), {}) is Reload.RELOADED
        async with sessions(port, added, ttl=255 if added.ttl_security else None):
            await all_up(ermon, added)
            assert await ermon.exabgp.reload(config(port, *before), {}) is Reload.RELOADED
        with pytest.raises(ConnectionRefusedError):  # nothing listens there any more
            await asyncio.to_thread(socket.create_connection, (added.local, port), PATIENCE)
        assert await ermon.exabgp.reload(config(port, *after), {}) is Reload.RELOADED
        async with sessions(port, added, ttl=255 if added.ttl_security else None):
            await eventually(lambda: ermon.states(added).count("up") == 2)
        assert table.is_up
        assert ermon.states(kept) == ["connected", "up"]
        assert ermon.count(Started) == 1


async def test_reload_that_secures_an_address_ends_only_the_sessions_on_it(port, runtime):
    secured = replace(EDGE_1_ISP, ttl_security=1)
    async with (
        running(config(port, EDGE_1, EDGE_1_ISP), runtime) as ermon,
        sessions(port, EDGE_1, EDGE_1_ISP) as (table, isp),
    ):
        await all_up(ermon, EDGE_1, EDGE_1_ISP)
        assert await ermon.exabgp.reload(config(port, EDGE_1, secured), {}) is Reload.RELOADED
        await asyncio.to_thread(isp.ended.wait, PATIENCE)
        with pytest.raises((bgp.SessionRefusedError, OSError)):
            await asyncio.to_thread(isp.attempt, 0.5)  # without an answer: the kernel drops it
        async with sessions(port, secured, ttl=255):
            await eventually(lambda: ermon.states(secured).count("up") == 2)
        await eventually(lambda: ermon.states(secured).count("down") == 2)
        assert await ermon.exabgp.reload(config(port, EDGE_1, EDGE_1_ISP), {}) is Reload.RELOADED
        async with sessions(port, EDGE_1_ISP):
            await eventually(lambda: ermon.states(EDGE_1_ISP).count("up") == 3)
        assert table.is_up


async def test_another_port_needs_a_restart(port, runtime):
    other = bgp.free_port("127.0.0.1")
    async with running(config(port, EDGE_1), runtime) as ermon:
        assert await ermon.exabgp.reload(config(other, EDGE_1), {}) is Reload.RESTARTED
        await eventually(lambda: ermon.count(Started) == 2)
        kinds = [type(message) for message in ermon.messages if not isinstance(message, Lines)]
        assert kinds == [Started, Stopped, Started]
        assert Stopped("restarted by ermon because the configuration changed", wanted=True) in ermon.messages
        async with sessions(other, EDGE_1):
            await all_up(ermon, EDGE_1)


async def test_configuration_that_exabgp_refuses_changes_nothing(port, runtime):
    twice = replace(EDGE_1, name="twice")
    async with running(config(port, EDGE_1), runtime) as ermon, sessions(port, EDGE_1) as (table,):
        text = ermon.exabgp.configuration_path.read_text()
        with pytest.raises(ExaBGPError, match=r"duplicate peer definition 127\.0\.0\.11"):
            await ermon.exabgp.reload(config(port, EDGE_1, twice), {})
        assert table.is_up
        assert ermon.exabgp.configuration_path.read_text() == text
        assert await ermon.exabgp.reload(config(port, EDGE_1), {}) is Reload.UNCHANGED


async def test_exabgp_that_has_refused_a_configuration_is_restarted_for_the_next(port, runtime):
    """ExaBGP 5.0.15 keeps parts of the refused one, and refuses all others because of them."""
    twice = replace(EDGE_1, name="twice")
    async with running(config(port, EDGE_1), runtime) as ermon:
        with pytest.raises(ExaBGPError):
            await ermon.exabgp.reload(config(port, EDGE_1, twice), {})
        assert await ermon.exabgp.reload(config(port, EDGE_1, EDGE_2), {}) is Reload.RESTARTED
        async with sessions(port, EDGE_2):
            await all_up(ermon, EDGE_2)


async def test_configuration_that_exabgp_refuses_at_its_start_is_explained(port, runtime):
    twice = replace(EDGE_1, name="twice")
    async with ExaBGP(EDGES, config(port, EDGE_1, twice), {}, runtime) as exabgp:
        message = await anext(exabgp.messages())
    assert isinstance(message, Stopped)
    assert "duplicate peer definition 127.0.0.11" in message.reason


async def test_address_that_cannot_be_listened_on_costs_no_other_and_is_tried_again(port, runtime):
    absent = replace(EDGE_2, name="absent", local="192.0.2.77")
    with socket.create_server((EDGE_1_ISP.local, port)):
        async with (
            running(config(port, EDGE_1, EDGE_1_ISP, absent), runtime) as ermon,
            sessions(port, EDGE_1),
        ):
            await all_up(ermon, EDGE_1)
            (told,) = ermon.lines("listening")
            assert told == {
                "port": port,
                "addresses": {"127.0.0.1": "", "127.0.0.2": "EADDRINUSE", "192.0.2.77": "EADDRNOTAVAIL"},
            }


async def test_address_is_listened_on_when_its_port_is_free_again(port, runtime):
    with socket.create_server((EDGE_1.local, port)) as holder:
        async with running(config(port, EDGE_1), runtime) as ermon:
            await eventually(lambda: ermon.lines("listening"))
            holder.close()
            await eventually(lambda: len(ermon.lines("listening")) == 2)
            assert ermon.lines("listening")[1]["addresses"] == {"127.0.0.1": ""}
            async with sessions(port, EDGE_1):
                await all_up(ermon, EDGE_1)
        assert ermon.count(Stopped) == 0


async def test_a_new_relay_gets_the_listeners(port, runtime):
    async with running(config(port, EDGE_1), runtime) as ermon:
        await eventually(lambda: ermon.lines("listening"))
        os.kill(ermon.exabgp.relay_pid, signal.SIGKILL)
        await eventually(lambda: len(ermon.lines("listening")) == 2)


@pytest.mark.parametrize("feed", [EDGE_1, EDGE_6], ids=["ipv4", "ipv6"])
async def test_router_from_an_unknown_address_is_reported_and_gets_the_reason(port, runtime, feed):
    stranger = replace(feed, peer="127.0.0.99" if feed is EDGE_1 else feed.peer)
    known = replace(feed, peer=feed.peer if feed is EDGE_1 else "::2")
    async with running(config(port, known), runtime) as ermon:
        with pytest.raises(bgp.SessionRefusedError, match=r"message 3 .*x06.x05"):
            await asyncio.to_thread(router(stranger, port).attempt)
        await eventually(lambda: ermon.lines("refused"))
        assert ermon.lines("refused") == [
            {"connections": [{"local": feed.local, "peer": stranger.peer, "count": 1}], "more": 0}
        ]


async def test_flood_of_unknown_hosts_keeps_no_router_out_and_is_limited(port, runtime):
    strangers = 100
    async with running(config(port, EDGE_1, EDGE_1_ISP), runtime) as ermon:
        held = [bgp.open_socket(f"127.0.1.{number + 1}", EDGE_1.local) for number in range(strangers)]
        for sock in held:
            await asyncio.to_thread(sock.connect, (EDGE_1.local, port))
        async with sessions(port, EDGE_1, EDGE_1_ISP):
            await all_up(ermon, EDGE_1, EDGE_1_ISP)
        await eventually(
            lambda: (
                sum(
                    told["more"] + sum(c["count"] for c in told["connections"])
                    for told in ermon.lines("refused")
                )
                == strangers
            )
        )
        assert all(len(told["connections"]) <= 64 for told in ermon.lines("refused"))
        for sock in held:
            sock.close()


async def test_missing_exabgp_is_explained(port, runtime, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ExaBGPError, match="ExaBGP is not installed"):
        await ExaBGP(EDGES, config(port, EDGE_1), {}, runtime).start()


async def test_nothing_is_left_when_exabgp_is_stopped(port, runtime):
    async with running(config(port, EDGE_1), runtime) as ermon:
        pids = ermon.exabgp.pid, ermon.exabgp.relay_pid
    await eventually(
        lambda: not any(map(lives, pids))
    )  # the relay sends its last message a moment before it ends
    assert list(runtime.iterdir()) == []
    assert ermon.exabgp.up is False


async def test_exabgp_and_relay_that_do_not_react_are_stopped_all_the_same(port, runtime):
    async with running(config(port, EDGE_1), runtime) as ermon:
        pids = ermon.exabgp.pid, ermon.exabgp.relay_pid
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
    await eventually(lambda: not any(map(lives, pids)))


async def test_exabgp_is_started_again_when_its_directory_was_removed(port, runtime):
    async with running(config(port, EDGE_1), runtime) as ermon:
        shutil.rmtree(runtime / EDGES)
        os.kill(ermon.exabgp.pid, signal.SIGKILL)
        await eventually(lambda: ermon.count(Started) == 2)


async def test_failure_to_start_is_explained_and_tried_again(port, runtime):
    async with running(config(port, EDGE_1), runtime) as ermon:
        shutil.rmtree(runtime / EDGES)
        (runtime / EDGES).touch()
        os.kill(ermon.exabgp.pid, signal.SIGKILL)
        await eventually(
            lambda: any("could not be started" in m.reason for m in ermon.messages if isinstance(m, Stopped))
        )
        (runtime / EDGES).unlink()
        await eventually(lambda: ermon.count(Started) == 2)


async def test_bug_reaches_the_reader_of_the_messages(port, runtime, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    async with ExaBGP(EDGES, config(port, EDGE_1), {}, runtime) as exabgp:
        monkeypatch.setattr(exabgp._directory, "limit_log", fail)
        with pytest.raises(ZeroDivisionError):
            async for _ in exabgp.messages():
                pass


async def test_left_over_files_of_a_killed_ermon_are_no_obstacle(port, runtime):
    directory = runtime / EDGES
    directory.mkdir(mode=0o755)
    for name in ("relay.0badcafe", "exabgp.conf", ".exabgp.conf.0badcafe", "exabgp.log"):
        (directory / name).touch()
    async with running(config(port, EDGE_1), runtime) as ermon, sessions(port, EDGE_1):
        await all_up(ermon, EDGE_1)
        assert directory.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["../outside", "a/b", "ä", "x" * 200])
async def test_name_of_a_process_stays_inside_the_runtime_directory(port, runtime, name):
    feed = replace(EDGE_1, name=name, view=View.INTERNET)
    exabgp = ExaBGP(name, config(port, feed), {}, runtime)
    assert exabgp.configuration_path.parent.parent == runtime
    assert len(exabgp.configuration_path.parent.name) <= 32


async def test_secrets_are_in_a_private_file_and_nowhere_else(port, runtime, monkeypatch):
    bgp.require(bgp.supports_md5(), "TCP MD5")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    monkeypatch.setenv("WATCHDOG_USEC", "1")
    keyed = replace(EDGE_1, md5_password_file="edge-1.key")
    async with running(config(port, keyed), runtime, {"edge-1": "correct horse"}) as ermon:
        path = ermon.exabgp.configuration_path
        secret = "Y29ycmVjdCBob3JzZQ=="
        assert secret in path.read_text()
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        shown = ermon.exabgp.log_path.read_text()
        for pid in (ermon.exabgp.pid, ermon.exabgp.relay_pid):
            shown += command_line_and_environment(pid)
        for word in ("correct horse", secret, "NOTIFY_SOCKET", "WATCHDOG"):
            assert word not in shown


def command_line_and_environment(pid):
    return "".join(Path(f"/proc/{pid}/{place}").read_text() for place in ("cmdline", "environ"))


async def test_wrong_password_is_refused_before_anything_changes(port, runtime):
    keyed = replace(EDGE_1, md5_password_file="edge-1.key")
    with pytest.raises(PasswordError):
        ExaBGP(EDGES, config(port, keyed), {}, runtime)
    async with running(config(port, EDGE_1), runtime) as ermon, sessions(port, EDGE_1) as (table,):
        with pytest.raises(PasswordError):
            await ermon.exabgp.reload(config(port, keyed), {})
        assert await ermon.exabgp.reload(config(port, EDGE_1), {}) is Reload.UNCHANGED
        assert table.is_up


SECURED = tuple(
    replace(feed, md5_password_file="key", ttl_security=1)
    for feed in (EDGE_1, EDGE_1_ISP, EDGE_6, replace(EDGE_1, name="third", local="127.0.0.3"))
)
PASSWORDS = {feed.name: "correct horse" for feed in SECURED}


async def refuses_all_but_the_right_key_and_ttl(port, *feeds, password="correct horse"):
    """Connect to every address with the wrong key, no key and a low TTL; then connect as the router does.

    On loopback a SYN is processed while it is sent: if one of the attempts succeeded, it would be visible by the time
    the router's own session is up.
    """
    for feed in feeds:
        wrong = [
            {"password": "wrong horse", "ttl": 255},
            {"ttl": 255},
            {"password": password, "ttl": 64},
            {"password": password, "ttl": 254},
        ]
        with contextlib.ExitStack() as stack:
            knocking = [
                stack.enter_context(bgp.open_socket(feed.peer, feed.local, **settings)) for settings in wrong
            ]
            for sock in knocking:
                sock.setblocking(False)
                sock.connect_ex((feed.local, port))
            async with sessions(port, feed, password=password, ttl=255, minimum_ttl=255):
                for sock in knocking:
                    with pytest.raises(OSError, match="not connected"):
                        sock.getpeername()


async def test_wrong_key_no_key_and_low_ttl_are_refused_on_every_address_of_a_router(port, runtime):
    bgp.require(bgp.supports_md5(), "TCP MD5")
    async with running(config(port, *SECURED), runtime, PASSWORDS) as ermon:
        await refuses_all_but_the_right_key_and_ttl(port, *SECURED)
        more = replace(EDGE_2, ttl_security=1)
        assert await ermon.exabgp.reload(config(port, *SECURED, more), PASSWORDS) is Reload.RELOADED
        await refuses_all_but_the_right_key_and_ttl(port, *SECURED)
        async with sessions(port, more, ttl=255):
            pass


async def test_reload_changes_the_key_on_every_address(port, runtime):
    bgp.require(bgp.supports_md5(), "TCP MD5")
    async with running(config(port, *SECURED), runtime, PASSWORDS) as ermon:
        changed = dict.fromkeys(PASSWORDS, "new horse")
        assert await ermon.exabgp.reload(config(port, *SECURED), changed) is Reload.RELOADED
        await refuses_all_but_the_right_key_and_ttl(port, *SECURED, password="new horse")


@pytest.mark.parametrize("keyed", [EDGE_1_ISP, EDGE_6], ids=["ipv4", "ipv6"])
async def test_reload_listens_on_a_new_address_for_those_with_the_key_alone(port, runtime, keyed):
    bgp.require(bgp.supports_md5(), "TCP MD5")
    kept = replace(EDGE_2, peer="127.0.0.12")
    keyed = replace(keyed, md5_password_file="key", ttl_security=1)
    async with running(config(port, kept), runtime) as ermon, sessions(port, kept) as (table,):
        await all_up(ermon, kept)
        after = config(port, kept, keyed)
        assert await ermon.exabgp.reload(after, {keyed.name: "correct horse"}) is Reload.RELOADED
        for wrong in ({"ttl": 255}, {"ttl": 255, "password": "battery"}, {"password": "correct horse"}):
            with pytest.raises((bgp.SessionRefusedError, OSError)):
                await asyncio.to_thread(router(keyed, port, **wrong).attempt, 0.3)
        async with sessions(port, keyed, ttl=255, password="correct horse"):
            await all_up(ermon, keyed)
        assert table.is_up
        assert ermon.states(kept) == ["connected", "up"]


async def test_reload_removes_a_key(port, runtime):
    bgp.require(bgp.supports_md5(), "TCP MD5")
    keyed = replace(EDGE_1, md5_password_file="key")
    async with running(config(port, keyed), runtime, {"edge-1": "correct horse"}) as ermon:
        assert await ermon.exabgp.reload(config(port, EDGE_1), {}) is Reload.RELOADED
        async with sessions(port, EDGE_1):
            pass


async def test_no_connection_without_a_key_succeeds_while_exabgp_reads_its_configuration(port, runtime):
    bgp.require(bgp.supports_md5(), "TCP MD5")
    keyed = replace(EDGE_1, md5_password_file="key")
    many = [replace(EDGE_2, name=f"many-{i}", peer=f"127.0.{i}.12") for i in range(1, 200)]
    admitted = []
    over = threading.Event()

    def knock():
        while not over.is_set():
            with contextlib.suppress(OSError), bgp.open_socket(keyed.peer, keyed.local) as sock:
                sock.settimeout(0.05)
                sock.connect((keyed.local, port))
                sock.settimeout(PATIENCE)
                sock.sendall(router(keyed, port).opening)
                admitted.append(sock.recv(19))

    knocking = threading.Thread(target=knock)
    knocking.start()
    try:
        async with running(config(port, keyed, *many), runtime, {"edge-1": "correct horse"}) as ermon:
            for feeds in (many, [keyed, *many], many, [keyed, *many]):
                passwords = {"edge-1": "correct horse"} if keyed in feeds else {}
                assert await ermon.exabgp.reload(config(port, *feeds), passwords) is Reload.RELOADED
                await ermon.exabgp.ping()
            assert ermon.states(keyed) == []
    finally:
        over.set()
        knocking.join()


@contextlib.contextmanager
def standalone(runtime, port, hold_time):
    """An ermon that can be stopped and killed: its process, and the pids of ExaBGP and the relay."""
    command = [sys.executable, STANDALONE, runtime, str(port), str(hold_time)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as ermon:
        try:
            words = ermon.stdout.readline().split()
            assert words[1].startswith("Started"), words
            yield ermon, int(words[-2]), int(words[-1])
        finally:
            ermon.kill()


async def test_no_child_outlives_a_killed_ermon_and_the_next_start_succeeds(port, runtime):
    with standalone(runtime, port, 30) as (ermon, *children):
        async with sessions(port, EDGE_1) as (table,):
            ermon.kill()
            await asyncio.to_thread(table.ended.wait, PATIENCE)
        await eventually(lambda: not any(map(lives, children)))
    async with running(config(port, EDGE_1), runtime), sessions(port, EDGE_1):
        pass


async def test_exabgp_dies_with_ermon_even_if_the_relay_does_not_react(port, runtime):
    with standalone(runtime, port, 30) as (ermon, exabgp, relay):
        os.kill(relay, signal.SIGSTOP)
        ermon.kill()
        await eventually(lambda: not lives(exabgp))
        os.kill(relay, signal.SIGCONT)
        await eventually(lambda: not lives(relay))


@pytest.mark.usefixtures("dialect")
async def test_stopped_ermon_costs_no_session_and_no_event(port, runtime):
    """The hold time is 3 seconds: seven keepalives, one a second, prove that the session lasted more than twice that."""
    with standalone(runtime, port, 3) as (ermon, *_):
        async with sessions(port, EDGE_1, hold_time=3) as (table,):
            os.kill(ermon.pid, signal.SIGSTOP)
            alive = bgp.KEEPALIVE, b""
            count = 5000
            await asyncio.to_thread(table.send, *map(numbered, range(count)))
            await asyncio.to_thread(table.wait_for, lambda received: received.count(alive) >= 7)
            assert table.is_up
            os.kill(ermon.pid, signal.SIGCONT)
            table.withdraw("192.0.2.0/24")
            decoder, events = Decoder({EDGE_1.name: EDGE_1}), []
            while not events or not getattr(events[-1], "withdrawn", ()):
                line = await asyncio.to_thread(ermon.stdout.readline)
                assert line.startswith("{"), line
                events += decoder.decode(line.encode()).events
            assert sum(isinstance(event, Update) for event in events) == count + 1
            assert not any(isinstance(event, MessagesLost) for event in events)
            assert table.is_up


SETTABLE_CLOCK = """
import pathlib, time
_wall, _file = time.time, pathlib.Path({file!r})
time.time = lambda: _wall() + float(_file.read_text())
"""


async def test_setting_the_clock_ends_no_session_and_moves_no_line(port, runtime, monkeypatch, tmp_path):
    offset = tmp_path / "offset"
    offset.write_text("0")
    (tmp_path / "sitecustomize.py").write_text(SETTABLE_CLOCK.format(file=str(offset)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    async with (
        running(config(port, EDGE_1, hold_time=3.0), runtime) as ermon,
        sessions(port, EDGE_1, hold_time=3) as (table,),
    ):
        await all_up(ermon, EDGE_1)
        for seconds in ("3600", "-3600", "0"):
            offset.write_text(seconds)
            heard, told = len(table.received), len(ermon.of(EDGE_1, "keepalive"))
            await eventually(lambda heard=heard: len(table.received) > heard + 1)
            await eventually(lambda told=told: len(ermon.of(EDGE_1, "keepalive")) > told)
        assert {kind for kind, _ in table.received} <= {bgp.KEEPALIVE, bgp.UPDATE}
        assert not table.ended.is_set()
        times = [event["time"] for event in ermon.of(EDGE_1)]
        assert times == sorted(times)
        assert times[-1] - times[0] < PATIENCE * 3
