"""Which lines are read next while one ExaBGP process has a backlog. No time is measured; a slice is one line."""

import asyncio
import json
from base64 import b64encode
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermon.aio import slices
from ermon.config.load import load_config
from ermon.daemon.supervisor import FeedSupervisor
from ermon.exabgp.channel import Lines
from ermon.exabgp.raw import RawState
from ermon.model.events import Update
from ermon.model.inventory import EDGES
from tests.bgp import announcement
from tests.daemon.intake import make_intake
from tests.daemon.test_systemd import REFERENCE

BULK, QUIET = "outside", "edge-1-isp-a"
"""A feed in its own process that sends its table, and one whose process sends a line now and then."""
BACKLOG = 60


class Process:
    """An ExaBGP that sends given messages, each when its gate is open."""

    raw = RawState.ON

    def __init__(self, name, *messages, gate=None):
        self.name, self._messages, self._gate = name, messages, gate

    async def messages(self):
        if self._gate is not None:
            await self._gate.wait()
        for lines in self._messages:
            yield Lines(list(lines))

    def answer(self, what):
        """Ignore the answer."""


@pytest.fixture(autouse=True)
def one_line_a_slice(monkeypatch):
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)


@pytest.fixture
def supervisor(tmp_path):
    return supervise(tmp_path)


def supervise(folder):
    config = load_config(REFERENCE).config
    supervisor = FeedSupervisor(
        config,
        {},
        make_intake(config, lambda: 1_000.0),
        runtime=folder,
        buffer_limit=2**20,
    )
    for name in config.processes:
        supervisor._decoder.process_started(name, 7)
    return supervisor


async def read(supervisor, *processes):
    supervisor._processes = {process.name: process for process in processes}
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for process in processes:
            group.create_task(supervisor._read(process))


def frames(supervisor, name, count, first=0):
    """A table in lines with one UPDATE each."""
    feed, octets = supervisor._config.feeds[name], 0
    for number in range(first, first + count):
        update = announcement(f"198.18.{number}.0/24", next_hop="192.0.2.1", as_path=[feed.peer_asn])
        octets += len(update)
        said = {"session": 1, "octets": octets, "asn4": True, "families": ["ipv4 unicast"], "add-path": []}
        said["body"] = b64encode(update).decode()
        line = {"exabgp": "5.0.0", "time": 1_000.0, "pid": 7, "counter": number + 1, "type": "raw"}
        address = {"local": feed.local, "peer": feed.peer}
        yield json.dumps(line | {"neighbor": {"address": address, "raw": said}}).encode()


@pytest.mark.parametrize("size", [BACKLOG, 7, 1], ids=["one message", "some", "a line each"])
async def test_a_leak_is_read_before_the_rest_of_a_waiting_table(supervisor, size):
    table = list(frames(supervisor, BULK, BACKLOG))
    messages = [table[at : at + size] for at in range(0, BACKLOG, size)]
    applied, leaks = [], asyncio.Event()

    def apply(event):
        assert isinstance(event, Update)
        applied.append(event.feed)
        if len(applied) == 10:
            leaks.set()

    supervisor._intake.apply = apply
    quiet = Process(EDGES, frames(supervisor, QUIET, 1), gate=leaks)
    await read(supervisor, Process(BULK, *messages), quiet)
    assert applied.count(BULK) == BACKLOG
    assert applied.index(QUIET) <= 12


async def test_a_quiet_process_waits_for_one_turn_of_those_with_a_backlog(supervisor):
    taken, leaks = [], asyncio.Event()

    def take(process, line):
        taken.append(process)
        if len(taken) == 50:
            leaks.set()

    supervisor._take_line = take
    bulks = [Process(f"view-{number}", [b""] * BACKLOG) for number in range(5)]
    await read(supervisor, *bulks, Process(EDGES, [b""], gate=leaks))
    assert taken.index(EDGES) <= 52
    assert all(taken.count(bulk.name) == BACKLOG for bulk in bulks)
    # Each of the processes with a backlog gets its turn.
    assert all({bulk.name for bulk in bulks} == set(taken[at : at + 5]) for at in range(5, 45, 5))


async def test_findings_are_sent_while_a_table_is_read(supervisor):
    applied, sent_at = [], []

    async def send():
        for _ in range(slices.STEPS_BETWEEN - 1):
            await asyncio.sleep(0)
        sent_at.append(len(applied))

    def apply(event):
        applied.append(event)
        if len(applied) == 10:
            supervisor.sending = asyncio.create_task(send())

    supervisor._intake.apply = apply
    await read(supervisor, Process(BULK, frames(supervisor, BULK, BACKLOG)))
    assert len(applied) == BACKLOG
    assert sent_at == [10]


SAID = st.dictionaries(
    st.sampled_from([EDGES, *(f"view-{number}" for number in range(3))]),
    st.lists(st.integers(0, 6), max_size=6),
    min_size=1,
)
"""By process: the number of lines in its messages."""


@given(SAID)
def test_nothing_is_lost_and_the_order_of_a_process_is_kept(tmp_path_factory, said):
    supervisor = supervise(tmp_path_factory.getbasetemp())
    taken = {name: [] for name in said}
    supervisor._take_line = lambda process, line: taken[process].append(line)
    told = {}
    for name, sizes in said.items():
        numbers = iter(range(sum(sizes)))
        told[name] = [[b"%d" % next(numbers) for _ in range(size)] for size in sizes]
    asyncio.run(read(supervisor, *(Process(name, *messages) for name, messages in told.items())))
    assert taken == {name: list(chain(*messages)) for name, messages in told.items()}
