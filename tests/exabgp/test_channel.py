import asyncio
import contextlib
import os
import signal
import socket
import subprocess

import pytest

from ermon.exabgp.channel import (
    QUEUED_COMMANDS,
    Channel,
    Dropped,
    ExaBGPError,
    Lines,
    RelayLost,
    Started,
    Unreadable,
    parent_of_process,
)
from ermon.exabgp.door import Door
from ermon.exabgp.relay import ASKING, MARK, take_connection

PATIENCE = 30


class Relay:
    """A channel that reads relays, and a way to act as a relay."""

    def __init__(self, door, channel):
        self.inside = socket.socket(fileno=os.dup(door.inside))
        self.channel = channel
        self.messages = channel.messages()
        self.reading = asyncio.create_task(channel.read_relays(door, 4711))

    async def connect(self):
        self.inside.send(ASKING)
        async with asyncio.timeout(PATIENCE):
            while (connection := take_connection(self.inside)) is None:  # noqa: ASYNC110  # two loops in one
                await asyncio.sleep(0)
        connection.setblocking(False)
        return connection

    async def next(self):
        return await asyncio.wait_for(anext(self.messages), PATIENCE)


@pytest.fixture
def parents():
    """The last entry is the parent that a connecting process seems to have; a test appends another."""
    return [4711]


@pytest.fixture
async def lab(parents):
    with contextlib.closing(Door()) as door:
        relay = Relay(door, Channel(max_line=1000, parent_of=lambda _: parents[-1]))
        yield relay
        relay.reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await relay.reading
        relay.channel.close()
        relay.inside.close()
        await relay.messages.aclose()


async def send(sock, data):
    await asyncio.get_running_loop().sock_sendall(sock, data)


async def test_line_that_arrives_in_two_pieces_is_one_line(lab):
    with await lab.connect() as relay:
        await send(relay, b'{"a": 1}\n{"b"')
        assert await lab.next() == Started(4711)
        assert await lab.next() == Lines([b'{"a": 1}'])
        await send(relay, b": 2}\n")
        assert await lab.next() == Lines([b'{"b": 2}'])


async def test_notice_of_missing_lines_is_between_the_lines_around_them(lab):
    with await lab.connect() as relay:
        await send(relay, b"{1}\n{2}\n" + MARK + b"dropped 3\n{6}\n")
        messages = [await lab.next() for _ in range(4)]
        assert messages == [Started(4711), Lines([b"{1}", b"{2}"]), Dropped(3), Lines([b"{6}"])]
        assert lab.channel.dropped == 3


async def test_answers_of_exabgp_are_no_events(lab):
    with await lab.connect() as relay:
        await send(relay, b"{1}\nexabgp 5.0.15\ndone\n{2}\n")
        assert [await lab.next() for _ in range(2)] == [Started(4711), Lines([b"{1}", b"{2}"])]
        assert lab.channel.take_answer()


async def test_output_of_a_dead_relay_is_read_before_its_loss_is_reported(lab):
    with await lab.connect() as relay:
        await send(relay, b'{1}\n{"half a li')
    assert [await lab.next() for _ in range(3)] == [Started(4711), Lines([b"{1}"]), RelayLost()]


async def test_relay_that_had_sent_everything_is_no_loss(lab):
    with await lab.connect() as relay:
        await send(relay, b"{1}\n" + MARK + b"end\n")
    assert [await lab.next() for _ in range(2)] == [Started(4711), Lines([b"{1}"])]
    with await lab.connect() as relay:
        await send(relay, b"{2}\n")
        assert await lab.next() == Lines([b"{2}"])


async def test_relay_that_sends_a_line_without_an_end_is_lost(lab):
    with await lab.connect() as relay:
        await send(relay, b"{" + b"x" * 1000)
        assert [await lab.next() for _ in range(2)] == [Started(4711), RelayLost()]


async def test_relays_are_read_one_after_the_other_and_the_last_before_the_end(lab):
    with await lab.connect() as first, await lab.connect() as second:
        await send(second, b"{2}\n")
        await send(first, b"{1}\n")
        lab.channel.finish()
    messages = [await lab.next() for _ in range(5)]
    assert messages == [Started(4711), Lines([b"{1}"]), RelayLost(), Lines([b"{2}"]), RelayLost()]
    await asyncio.wait_for(lab.reading, PATIENCE)


async def test_relay_is_known_by_its_process(lab):
    with await lab.connect() as relay:
        await send(relay, b"{1}\n")
        await lab.next()
        assert lab.channel.relay_pid == os.getpid()


async def test_ping_returns_when_all_earlier_output_is_processed(lab):
    with await lab.connect() as relay:
        await send(relay, b"{1}\n")
        assert [await lab.next() for _ in range(2)] == [Started(4711), Lines([b"{1}"])]
        ping = asyncio.create_task(lab.channel.ping())
        await send(relay, b"{2}\n" + MARK + b"pong 1\n{3}\n")
        assert await lab.next() == Lines([b"{2}"])
        assert not ping.done()
        assert await lab.next() == Lines([b"{3}"])
        await asyncio.wait_for(ping, PATIENCE)


async def test_ping_fails_when_its_relay_is_gone_and_another_has_come(lab):
    with await lab.connect() as relay:
        await send(relay, b"{1}\n")
        assert [await lab.next() for _ in range(2)] == [Started(4711), Lines([b"{1}"])]
        ping = asyncio.create_task(lab.channel.ping())
        await asyncio.sleep(0)
    with await lab.connect() as relay:
        await send(relay, b"{2}\n")
        assert [await lab.next() for _ in range(2)] == [RelayLost(), Lines([b"{2}"])]
    with pytest.raises(ExaBGPError, match="the relay is gone"):
        await asyncio.wait_for(ping, PATIENCE)


async def test_commands_wait_for_a_relay(lab):
    await asyncio.sleep(0)
    lab.channel.send(b"neighbor ::1 local-ip ::1 teardown 4")
    with await lab.connect() as relay:
        loop = asyncio.get_running_loop()
        sent = b""
        while not sent.endswith(b"version\n"):
            sent += await asyncio.wait_for(loop.sock_recv(relay, 1000), PATIENCE)
        assert sent == b"neighbor ::1 local-ip ::1 teardown 4\nversion\n"


def test_commands_without_end_are_refused():
    channel = Channel(max_line=1000)
    for _ in range(QUEUED_COMMANDS):
        channel.send(b"version")
    with pytest.raises(ExaBGPError, match="commands wait"):
        channel.send(b"version")


async def test_error_is_raised_where_the_messages_are_read():
    channel = Channel(max_line=1000)
    channel.close(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await anext(channel.messages())


@pytest.mark.parametrize(
    "text",
    [
        b"dropped -5",
        b"dropped 0",
        b"dropped 1e3",
        b"dropped 99999999999999999999999",
        b"dropped " + "٣".encode(),
        b"dropped  3",
        b"dropped",
        b"dropped 3 3",
        b"pong x",
        b"pong -1",
        b"pong",
        b"end 1",
        b"\xff\xfe",
        b"",
    ],
)
async def test_a_forged_line_of_the_relay_is_reported_and_changes_nothing(lab, text):
    with await lab.connect() as relay:
        await send(relay, b"{1}\n" + MARK + text + b"\n{2}\n")
        said = [await lab.next() for _ in range(4)]
        assert said == [Started(4711), Lines([b"{1}"]), Unreadable(MARK + text), Lines([b"{2}"])]
        assert lab.channel.dropped == 0


async def test_an_unexpected_pong_changes_nothing(lab):
    with await lab.connect() as relay:
        await send(relay, MARK + b"pong 7\n{1}\n")
        assert [await lab.next() for _ in range(2)] == [Started(4711), Lines([b"{1}"])]


def test_a_relay_that_does_not_end_is_killed_and_no_other_process():
    channel = Channel(max_line=1000)
    with subprocess.Popen(["sleep", "60"]) as process:
        with channel._held(process.pid, os.getppid()):
            channel.kill_relay()
        assert process.poll() is None, "it is no child of that one"
        channel.kill_relay()
        assert process.poll() is None, "nobody is connected"
        with channel._held(process.pid, os.getpid()):
            channel.kill_relay()
        assert process.wait(PATIENCE) == -signal.SIGKILL
    with channel._held(process.pid, os.getpid()):
        channel.kill_relay()  # it has ended


def test_the_parent_of_a_process_is_known():
    assert parent_of_process(os.getpid()) == os.getppid()
    assert parent_of_process(2**22 + 1) is None
