"""The parts of ExaBGP's sandbox; ``tests/faults/test_box.py`` tests what it denies to an attacker inside."""

import contextlib
import errno
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from ermon.exabgp import calls, landlock
from ermon.exabgp.box import PARTS, rights_of_exabgp
from ermon.exabgp.door import MESSAGES_AT_ONCE, WAITING_CONNECTIONS, Door
from ermon.exabgp.raw import RAW, RawState
from ermon.exabgp.relay import ASKING, take_connection
from tests import bgp

# Rights -----------------------------------------------------------------------------------------------


def test_exabgp_may_write_nothing_and_listen_on_its_port_alone(tmp_path):
    rights = rights_of_exabgp(tmp_path / "edges", 179)
    assert rights.write == ("/dev/null",)
    assert rights.listen == (179,)
    assert not rights.signal_outside
    assert str(tmp_path / "edges") in rights.read


@pytest.mark.parametrize("path", ["/", "/etc", "/proc", "/var", "/home", "/root", "/run", "/usr", "/tmp"])
def test_exabgp_may_read_no_folder_of_other_users(tmp_path, path):
    read = rights_of_exabgp(tmp_path / "edges", 179).read
    assert [allowed for allowed in read if Path(path).is_relative_to(allowed)] == []


def test_only_python_can_be_executed(tmp_path):
    execute = rights_of_exabgp(tmp_path, 179).execute
    programs = {Path(path).name.partition(".")[0] for path in execute}
    assert programs <= {"python3", *(name for name in programs if name.startswith("ld-"))}


# Kernels that know less -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "missing"),
    [
        (None, ("files", "ports", "signals")),  # not enabled
        (1, ("ports", "signals")),
        (3, ("ports", "signals")),
        (4, ("signals",)),
        (5, ("signals",)),
        (6, ()),
        (9, ()),  # one that does not exist yet
    ],
)
def test_missing_features_of_landlock_are_reported_and_the_others_used(monkeypatch, version, missing):
    asked = []

    def kernel(number, *arguments):
        if version is None:
            raise OSError(errno.EOPNOTSUPP, "")
        if number == 444 and arguments[2] == 1:
            return version
        asked.append((number, arguments))
        return os.open("/dev/null", os.O_RDONLY) if number == 444 else 0

    monkeypatch.setattr(landlock, "_syscall", kernel)
    monkeypatch.setattr(landlock, "forgo_new_privileges", lambda: None)
    assert landlock.enter(landlock.Rights(read=("/etc", "/absent"), listen=(179,))) == missing
    if version is None:
        return
    (refused,) = [struct.unpack("=QQQ", arguments[0]) for number, arguments in asked if number == 444]
    files = {1: 13, 3: 15, 4: 15, 5: 16, 6: 16, 9: 16}[version]
    assert refused == (2**files - 1, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    rules = [arguments[1] for number, arguments in asked if number == 445]
    assert rules == ([1, 2] if version >= 4 else [1])
    (entered,) = [arguments[1] for number, arguments in asked if number == 446]
    assert entered == (2 if version >= 7 else 0)


def test_on_an_unknown_architecture_no_system_call_is_refused(monkeypatch):
    monkeypatch.setattr(calls.os, "uname", lambda: os.uname_result(("Linux", "", "", "", "s390x")))
    assert not calls.refuse_calls()


# System calls -----------------------------------------------------------------------------------------


def judged(architecture, number, *arguments, seen_as=None):
    """Run the filter as the kernel does (BPF), and return whether it allows a call."""
    words = [number, architecture if seen_as is None else seen_as, 0, 0]
    for argument in (*arguments, *(0,) * (6 - len(arguments))):
        words += [argument & 0xFFFFFFFF, argument >> 32]
    data = struct.pack("=16I", *words)
    steps, at, held = calls.program(architecture), 0, 0
    while True:
        code, if_so, if_not, value = steps[at]
        at += 1
        match code:
            case 0x20:
                held = struct.unpack_from("=I", data, value)[0]
            case 0x54:
                held &= value
            case 0x06:
                assert value in {0x7FFF0000, 0x00050000 | errno.EPERM}
                return value == 0x7FFF0000
            case 0x15 | 0x35 | 0x45:
                holds = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[code]
                at += if_so if holds else if_not


X86, ARM = 0xC000003E, 0xC00000B7
STREAM, DATAGRAM, SEQPACKET, CLOEXEC = 1, 2, 5, 0o2000000
UNIX, INET, INET6, NETLINK = 1, 2, 10, 16


@pytest.mark.parametrize(("architecture", "column"), [(X86, 0), (ARM, 1)])
def test_the_filter_refuses_exactly_calls_that_reach_other_processes(architecture, column):
    def allows(numbers, *arguments):
        return judged(architecture, numbers[column], *arguments)

    assert [name for name, numbers in calls.REFUSED.items() if numbers[column] >= 0 and allows(numbers)] == []
    sock, pair, sendto, sendmsg, limit = (41, 198), (53, 199), (44, 206), (46, 211), (302, 261)
    assert allows(sock, INET, STREAM | CLOEXEC, 6)
    assert allows(sock, INET6, STREAM, 0)
    assert not allows(sock, INET, STREAM, 262)  # MPTCP
    assert not allows(sock, INET, DATAGRAM, 0)
    assert not allows(sock, UNIX, STREAM, 0)
    assert not allows(sock, NETLINK, 3, 0)
    assert allows(pair, UNIX, STREAM | CLOEXEC)
    assert allows(pair, UNIX, SEQPACKET)
    assert not allows(pair, UNIX, DATAGRAM)
    assert allows(sendto, 3, 0, 0, 0x4000)
    assert not allows(sendto, 3, 0, 0, 0x20004000)
    assert not allows(sendmsg, 3, 0, 0x20000000)
    assert allows(limit, 0)
    assert not allows(limit, 1)
    for number in (0, 1, 3, 59, 63, 500):  # read, write, and what comes
        assert judged(architecture, number) or (column and number in {5, 6, 7})


def test_the_calls_of_other_architectures_on_the_same_machine_are_refused():
    assert not judged(X86, 3, seen_as=0x40000003)  # i386
    assert not judged(X86, 0x40000000 + 1)  # x32
    assert judged(X86, 1)


# The door ---------------------------------------------------------------------------------------------


@pytest.fixture
def door():
    with contextlib.closing(Door()) as door, socket.socket(fileno=os.dup(door.inside)) as inside:
        yield door, inside


def test_a_request_at_the_door_gets_a_connection_and_names_its_process(door):
    door, inside = door
    inside.send(ASKING)
    assert door.answer()
    here, pid = door.connection()
    with here, take_connection(inside) as there:
        assert pid == os.getpid()
        there.send(b"hello")
        assert here.recv(10) == b"hello"
    assert door.connection() is None


def test_the_connection_of_a_relay_that_died_before_it_took_it_is_lost_and_not_the_next_one_s(door):
    door, inside = door
    dead = os.fork()
    if not dead:
        inside.send(ASKING)
        os._exit(0)
    os.waitpid(dead, 0)
    inside.send(ASKING)
    assert door.answer()
    with take_connection(inside) as there:
        there.send(b"alive")
        (lost, of_dead), (here, of_living) = door.connection(), door.connection()
        with lost, here:
            assert (of_dead, of_living) == (dead, os.getpid())
            assert lost.recv(10) == b""
            assert here.recv(10) == b"alive"


def test_only_the_first_word_about_the_box_counts_and_only_parts_that_there_are(door):
    door, inside = door
    assert door.missing is None
    inside.send(b"missing signals \xff\x1b[31m ports")
    inside.send(b"missing")
    assert door.answer()
    assert door.missing == ("ports", "signals")
    assert set(door.missing) < set(PARTS)


def test_the_number_of_connections_through_the_door_is_limited(door):
    door, inside = door
    for _ in range(WAITING_CONNECTIONS * 3):
        inside.send(ASKING)
    assert door.answer()
    held = []
    while (asked := door.connection()) is not None:
        held.append(asked[0])
    assert len(held) == WAITING_CONNECTIONS
    for sock in held:
        sock.close()


def test_endless_output_is_read_in_small_pieces(door, monkeypatch):
    door, inside = door
    heard = []

    def take(message, _sender):
        heard.append(message)
        inside.send(message)
        assert len(heard) < 1_000, "ermon does nothing else any more"

    monkeypatch.setattr(door, "_take", take)
    inside.send(b"again")
    assert door.answer()
    assert len(heard) == MESSAGES_AT_ONCE


@pytest.mark.parametrize("state", RawState)
def test_the_state_of_raw_updates_is_reported_once(door, state):
    door, inside = door
    inside.send(RAW + b" " + state.encode())
    inside.send(RAW + b" on")
    assert door.answer()
    assert door.raw is state


@pytest.mark.parametrize(
    "nonsense", [b"", b"x", b"\0" * 190, b"relay relay", b"missing" * 20, b"raw", b"raw \xff"]
)
def test_nonsense_at_the_door_is_passed_over(door, nonsense):
    door, inside = door
    inside.send(nonsense)
    assert door.answer()
    assert door.connection() is None
    assert door.raw is None


def test_descriptors_from_inside_are_not_taken(door):
    door, inside = door
    with contextlib.closing(Door()) as other:
        before = len(list(Path("/proc/self/fd").iterdir()))
        socket.send_fds(inside, [ASKING], [other.inside])
        assert door.answer()
        door.connection()[0].close()
        take_connection(inside).close()
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_door_closes_when_no_process_is_left_inside():
    with contextlib.closing(Door()) as door:
        assert door.answer()
        door.handed_down()
        assert not door.answer()


# The relay --------------------------------------------------------------------------------------------


def test_the_relay_s_box_is_entered_by_a_python_that_knows_no_packages():
    code = (
        "import sys; sys.path.append(sys.argv[1]); import landlock\n"
        "print(' '.join(landlock.enter(landlock.Rights(signal_outside=True))))\n"
        "open('/etc/passwd')"
    )
    folder = str(Path(landlock.__file__).parent)
    command = [sys.executable, "-I", "-S", "-c", code, folder]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    bgp.require(ended.stdout == "\n", f"all of Landlock (missing: {ended.stdout.strip()})")
    assert "PermissionError" in ended.stderr
