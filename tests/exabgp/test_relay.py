import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ermon.exabgp import relay
from ermon.exabgp.door import Door
from ermon.exabgp.relay import MARK, Buffer

PATIENCE = 30
LINE = b'{ "exabgp": "5.0.0", "counter": %d }\n'

# The relay ends its parent when ermon is gone; this process takes ExaBGP's place.
PARENT = """
import signal, subprocess, sys
if sys.argv[1] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(sys.argv[2:], close_fds=False)
print(child.pid, file=sys.stderr, flush=True)
child.wait()
signal.pause()
"""


def events(count, start=1):
    return b"".join(LINE % number for number in range(start, start + count))


class Lab:
    """A relay between a stand-in for ExaBGP and a stand-in for ermon."""

    def __init__(self, stack):
        self.stack = stack
        self.door = stack.enter_context(contextlib.closing(Door()))
        self.ermon = None
        self.received = b""

    def start(self, *limits, manners="polite"):
        helper = [sys.executable, "-I", "-S", relay.__file__, "exabgp.conf", *map(str, limits)]
        pipe = subprocess.PIPE
        self.parent = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", PARENT, manners, *helper],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=os.environ | {relay.DOOR: str(self.door.inside)},
            pass_fds=(self.door.inside,),
        )
        self.door.handed_down()
        self.stack.callback(self.finish)
        self.relay_pid = int(self.parent.stderr.readline())

    def finish(self):
        self.parent.kill()
        self.parent.wait()
        with contextlib.suppress(BrokenPipeError):
            self.parent.stdin.close()
        self.parent.stdout.close()
        self.parent.stderr.close()

    def accept(self):
        eventually(lambda: self.door.answer() and self.connect())

    def connect(self):
        asked = self.door.connection()
        if asked is None:
            return False
        connection, self.asking = asked
        self.ermon = self.stack.enter_context(connection)
        self.ermon.settimeout(PATIENCE)
        return True

    def write(self, data):
        """Write as ExaBGP does: wait until the relay has read it."""
        self.parent.stdin.write(data)
        self.parent.stdin.flush()

    def close_exabgp(self):
        """End ExaBGP: close the other end of the relay's standard input."""
        self.parent.kill()
        self.parent.stdin.close()

    def read_until(self, end):
        while not self.received.endswith(end):
            data = self.ermon.recv(2**20)
            assert data, f"the relay closed behind {self.received[-100:]}"
            self.received += data
        return self.received.splitlines(keepends=True)

    def read_to_the_end(self):
        while data := self.ermon.recv(2**20):
            self.received += data
        return self.received.splitlines(keepends=True)

    def memory(self, field="VmRSS"):
        status = Path(f"/proc/{self.relay_pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(field))

    def relay_lives(self):
        try:
            return Path(f"/proc/{self.relay_pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except FileNotFoundError:
            return False


@pytest.fixture
def lab():
    with contextlib.ExitStack() as stack:
        yield Lab(stack)


@pytest.fixture
def running(lab):
    lab.start()
    lab.accept()
    return lab


def eventually(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def dropped(lines):
    return sum(int(line.split()[1]) for line in lines if line.startswith(MARK + b"dropped "))


def test_every_line_arrives_unchanged_and_in_order(running):
    running.write(events(5000))
    assert b"".join(running.read_until(LINE % 5000)) == events(5000)


def test_commands_reach_exabgp(running):
    running.ermon.sendall(b"version\nneighbor ::1 local-ip ::1 teardown 4\n")
    assert running.parent.stdout.readline() == b"version\n"
    assert running.parent.stdout.readline() == b"neighbor ::1 local-ip ::1 teardown 4\n"


def test_pong_comes_after_everything_that_exabgp_has_written(running):
    os.kill(running.relay_pid, signal.SIGSTOP)
    running.write(events(1000))
    running.ermon.sendall(MARK + b"ping 7\n")
    os.kill(running.relay_pid, signal.SIGCONT)
    assert b"".join(running.read_until(MARK + b"pong 7\n")) == events(1000) + MARK + b"pong 7\n"


def test_pong_waits_for_the_end_of_a_line_that_is_half_written(running):
    running.write(events(1) + b'{ "exa')
    running.read_until(LINE % 1)
    running.ermon.sendall(MARK + b"ping 1\nafter\n")
    assert running.parent.stdout.readline() == b"after\n"
    running.write(b'bgp" }\n' + LINE % 2)
    lines = running.read_until(LINE % 2)
    assert lines[1:] == [b'{ "exabgp" }\n', MARK + b"pong 1\n", LINE % 2]


def test_exabgp_can_write_while_ermon_does_not_read(running):
    count = 200_000
    running.write(events(count))
    assert b"".join(running.read_until(LINE % count)) == events(count)


def test_exabgp_can_write_while_it_does_not_read_commands(running):
    def send():
        with contextlib.suppress(OSError):
            running.ermon.sendall(b"version\n" * (relay.COMMAND_LIMIT // 2))

    sender = threading.Thread(target=send)
    sender.start()
    running.write(events(1000))
    assert b"".join(running.read_until(LINE % 1000)) == events(1000)
    running.finish()
    sender.join()


def test_lines_beyond_the_limit_are_dropped_and_their_number_is_reported(lab):
    lab.start(64 * 1024)
    lab.accept()
    count = 200_000
    lab.write(events(count))
    lab.ermon.sendall(MARK + b"ping 1\n")
    lines = lab.read_until(MARK + b"pong 1\n")
    kept = [line for line in lines if line.startswith(b"{")]
    assert dropped(lines) > 0
    assert len(kept) + dropped(lines) == count


def test_number_of_missing_lines_is_reported_at_their_place(lab):
    lab.start(64 * 1024)
    lab.accept()
    lab.write(events(100_000))
    lab.ermon.sendall(MARK + b"ping 1\n")
    lab.read_until(MARK + b"pong 1\n")
    lab.write(events(10, start=100_001))
    expected = 1
    for line in lab.read_until(LINE % 100_010):
        if line.startswith(b"{"):
            assert line == LINE % expected
            expected += 1
        elif line.startswith(MARK + b"dropped"):
            expected += int(line.split()[1])
    assert expected == 100_011


def test_missing_lines_are_reported_even_if_none_follow(lab):
    lab.start(64 * 1024)
    lab.accept()
    lab.write(events(100_000))
    while True:
        lines = lab.received.splitlines(keepends=True)
        if dropped(lines) and dropped(lines) + sum(line.endswith(b"}\n") for line in lines) == 100_000:
            break
        lab.received += lab.ermon.recv(2**16)


def test_line_over_the_limit_is_refused_and_the_next_one_arrives(lab):
    lab.start(2**20, 1000)
    lab.accept()
    fits = b"{" + b"x" * 998 + b"\n"
    too_long = b"{" + b"x" * 999 + b"\n"
    lab.write(LINE % 1 + fits + too_long + LINE % 2)
    assert lab.read_until(LINE % 2) == [LINE % 1, fits, MARK + b"dropped 1\n", LINE % 2]


def test_a_line_over_the_limit_is_never_stored_completely(running):
    for _ in range(64):
        running.write(b"x" * 2**20)
    running.write(b"\n" + LINE % 1)
    assert running.read_until(LINE % 1) == [MARK + b"dropped 1\n", LINE % 1]
    assert running.memory("VmHWM") < 48 * 2**20


def test_extended_message_of_four_mebibytes_passes(running):
    line = b"{" + b"x" * 4 * 2**20 + b"\n"
    running.write(line + LINE % 1)
    assert running.read_until(LINE % 1) == [line, LINE % 1]


def test_memory_of_a_backlog_is_given_back(running):
    running.write(events(1))
    running.read_until(LINE % 1)
    before = running.memory()
    count = 1_500_000
    running.write(events(count))
    held = running.memory()
    assert held - before > 40 * 2**20
    expected = len(events(count)) + len(LINE % 1)
    total = len(running.received)
    while total < expected:
        total += len(running.ermon.recv(2**20))
    eventually(lambda: running.memory() - before < (held - before) / 10)


def test_the_last_output_of_exabgp_is_sent_before_the_relay_ends(running):
    running.write(events(100_000))
    running.close_exabgp()
    assert b"".join(running.read_to_the_end()) == events(100_000) + MARK + b"end\n"
    eventually(lambda: not running.relay_lives())


def test_relay_that_exabgp_terminates_sends_the_output_so_far_without_claiming_that_it_is_complete(running):
    os.kill(running.relay_pid, signal.SIGSTOP)
    running.write(events(1000))
    os.kill(running.relay_pid, signal.SIGTERM)
    os.kill(running.relay_pid, signal.SIGCONT)
    assert b"".join(running.read_to_the_end()) == events(1000)


@pytest.mark.parametrize("manners", ["polite", "stubborn"])
def test_exabgp_is_ended_when_ermon_is_gone(lab, manners):
    lab.start(manners=manners)
    lab.accept()
    lab.ermon.close()
    assert lab.parent.wait(PATIENCE) == (-signal.SIGTERM if manners == "polite" else -signal.SIGKILL)
    eventually(lambda: not lab.relay_lives())


def test_exabgp_is_ended_when_ermon_is_gone_before_it_has_answered(lab):
    lab.start()
    lab.door.close()
    assert lab.parent.wait(PATIENCE) == -signal.SIGTERM
    eventually(lambda: not lab.relay_lives())


def test_the_last_output_of_exabgp_is_sent_even_if_ermon_answers_only_then(lab):
    lab.start()
    lab.write(events(1000))
    lab.close_exabgp()
    lab.accept()
    assert b"".join(lab.read_to_the_end()) == events(1000) + MARK + b"end\n"


def test_relay_is_known_by_its_process(running):
    assert running.asking == running.relay_pid


def test_lines_are_kept_until_ermon_answers(lab):
    lab.start()
    lab.write(events(60_000))
    lab.accept()
    assert b"".join(lab.read_until(LINE % 60_000)) == events(60_000)


def test_notice_stands_for_all_lines_dropped_until_half_of_the_buffer_is_free():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        buffer = Buffer(100)
        buffer.put(b"x" * 59 + b"\n")
        buffer.put(b"y" * 59 + b"\n")
        buffer.put(b"z\n")
        buffer.send(ours)
        buffer.put(b"w\n")
        while buffer:
            buffer.send(ours)
        assert theirs.recv(1000) == b"x" * 59 + b"\n" + MARK + b"dropped 2\n" + b"w\n"


def test_as_many_lines_are_buffered_as_fit():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        buffer = Buffer(10)
        buffer.put(b"aaa\nbbb\nccc\nddd\n")
        while buffer:
            buffer.send(ours)
        assert theirs.recv(1000) == b"aaa\nbbb\n" + MARK + b"dropped 2\n"
