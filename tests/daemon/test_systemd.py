import asyncio
import contextlib
import os
import socket
import tempfile
from pathlib import Path

import pytest

from ermon.config.load import load_config
from ermon.core.monitor import Monitor
from ermon.daemon.systemd import START_SECONDS, Notifier, Sign, Systemd, status_line, why_stuck

NEVER = float("-inf")
LIMIT = 300.0
REFERENCE = Path(__file__).parents[2] / "config" / "ermon.reference.yml"


@pytest.fixture
def listen():
    """Listen on a datagram socket; returns a function that gives the received datagrams in order."""
    with contextlib.ExitStack() as stack:

        def listen(name):
            end = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            end.bind(name)
            end.setblocking(False)

            def heard():
                found = []
                with contextlib.suppress(BlockingIOError):
                    while True:
                        found.append(end.recv(4096).decode())
                return found

            return heard

        yield listen


@pytest.fixture
def path():
    with tempfile.TemporaryDirectory(prefix="ermon-") as folder:
        yield f"{folder}/notify"


# The socket ------------------------------------------------------------------------------------------


def test_a_message_goes_to_a_socket_with_a_path(listen, path):
    heard = listen(path)
    assert Notifier(path).send("RELOADING=1", "MONOTONIC_USEC=5")
    assert heard() == ["RELOADING=1\nMONOTONIC_USEC=5"]


def test_a_message_goes_to_an_abstract_socket(listen):
    name = f"ermon-test-{os.getpid()}"
    heard = listen(f"\0{name}")
    assert Notifier(f"@{name}").send("READY=1")
    assert heard() == ["READY=1"]


def test_a_notification_that_fails_must_be_sent_again(path):
    assert not Notifier(path).send("READY=1")


def test_a_full_socket_does_not_block(listen, path):
    heard = listen(path)
    while Notifier(path).send("WATCHDOG=1"):
        pass
    assert set(heard()) == {"WATCHDOG=1"}
    assert Notifier(path).send("WATCHDOG=1")


def test_without_systemd_nothing_is_sent_and_nothing_fails():
    assert Notifier.take_from({}) == Notifier(None, None)
    assert Notifier(None).send("READY=1")


@pytest.mark.parametrize(
    ("microseconds", "pid", "seconds"),
    [
        ("30000000", "OWN", 30.0),
        ("30000000", "", 30.0),
        ("30000000", "1", None),  # meant for another process
        ("0", "OWN", None),
        ("soon", "OWN", None),
    ],
)
def test_variables_of_systemd_are_removed_from_the_environment(microseconds, pid, seconds):
    environment = {
        "NOTIFY_SOCKET": "/run/notify",
        "WATCHDOG_USEC": microseconds,
        "WATCHDOG_PID": pid.replace("OWN", str(os.getpid())),
        "PATH": "/bin",
    }
    assert Notifier.take_from(environment) == Notifier("/run/notify", seconds)
    assert environment == {"PATH": "/bin"}


# The watchdog ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signs", "told"),
    [
        ({}, None),
        ({"edges": Sign(0, 1000)}, None),  # a quiet night: ExaBGP answers
        ({"edges": Sign(990, 750)}, None),  # ExaBGP has ended, and ermon is starting it again
        ({"edges": Sign(990, 600)}, "no ExaBGP process has answered for 300 s"),
        ({"edges": Sign(0, 1000), "outside": Sign(990, NEVER)}, None),  # a restart would not help
        (
            {"edges": Sign(0, 1000), "outside": Sign(600, 650)},
            "ExaBGP process outside has neither answered nor been started again for 300 s",
        ),
    ],
)
def test_ermon_is_stuck_when_exabgp_neither_answers_nor_is_restarted(signs, told):
    assert why_stuck(signs, 0, 1000, LIMIT) == told


def test_an_ermon_that_has_just_started_is_not_stuck():
    assert why_stuck({"edges": Sign(NEVER, NEVER)}, 800, 1000, LIMIT) is None


# What systemd hears ----------------------------------------------------------------------------------


class Ermon:
    """The state that ``Systemd`` reads, to be changed by a test."""

    def __init__(self, address, watchdog=None):
        self.ready = (False, "ExaBGP is not up yet: edges")
        self.signs = {"edges": Sign(0, NEVER)}
        self.status = "6 of 6 feeds up, nothing raised"
        self.systemd = Systemd(
            Notifier(address, watchdog),
            ready=lambda: self.ready,
            signs=lambda: self.signs,
            status=lambda: self.status,
            answer_seconds=LIMIT,
        )

    def comes_up(self, now=0):
        self.ready, self.signs = (True, "ready"), {"edges": Sign(0, now)}

    def turn(self, now):
        self.systemd.turn(0, now)


@pytest.fixture
def heard(listen, path):
    return listen(path)


@pytest.fixture
def ermon(heard, path):
    return Ermon(path)


def test_ready_is_sent_once_and_the_status_when_it_changes(ermon, heard):
    ermon.turn(0)
    assert heard() == ["STATUS=ExaBGP is not up yet: edges"]
    ermon.comes_up()
    for now in (1, 2):
        ermon.turn(now)
    assert heard() == ["READY=1", "STATUS=6 of 6 feeds up, nothing raised"]
    ermon.status = "5 of 6 feeds up, 1 raised"
    ermon.turn(3)
    assert heard() == ["STATUS=5 of 6 feeds up, 1 raised"]


def test_one_process_that_does_not_come_up_does_not_end_the_others(ermon, heard):
    ermon.signs = {"edges": Sign(0, 1), "outside": Sign(0, NEVER)}
    ermon.turn(START_SECONDS)
    assert heard() == ["STATUS=ExaBGP is not up yet: edges"]
    ermon.turn(START_SECONDS + 1)
    assert heard() == ["READY=1"]


def test_ermon_without_any_exabgp_is_never_ready(ermon, heard):
    ermon.turn(START_SECONDS + 1)
    assert heard() == ["STATUS=ExaBGP is not up yet: edges"]


def test_the_watchdog_is_fed_until_ermon_is_stuck_and_when_it_is_not_any_more(heard, path):
    ermon = Ermon(path, watchdog=60.0)
    ermon.turn(0)
    ermon.comes_up()
    for now in (1, 100):
        ermon.turn(now)
    assert heard().count("WATCHDOG=1") == 2
    ermon.turn(LIMIT + 1)
    assert heard() == []
    ermon.comes_up(now=LIMIT + 2)
    ermon.turn(LIMIT + 3)
    assert heard() == ["WATCHDOG=1"]


def test_the_end_of_a_failed_reload_is_reported_too(ermon, heard):
    ermon.comes_up()
    ermon.turn(0)
    heard()
    with ermon.systemd.reloading():
        (begun,) = heard()
    assert begun.startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert heard() == ["READY=1"]
    with pytest.raises(ValueError, match="refused"), ermon.systemd.reloading():
        raise ValueError("refused")
    assert heard()[-1] == "READY=1"


def test_a_reload_before_ermon_is_ready_does_not_make_it_so(ermon, heard):
    with ermon.systemd.reloading():
        pass
    assert heard() == []


def test_the_end_of_a_reload_is_sent_again_after_a_failure(ermon, heard, path):
    ermon.comes_up()
    ermon.turn(0)
    heard()
    with ermon.systemd.reloading():
        while Notifier(path).send("filler"):
            pass
    assert "READY=1" not in heard()
    ermon.turn(1)
    assert heard() == ["READY=1"]


def test_stopping_is_reported(ermon, heard):
    ermon.systemd.stopping()
    assert heard() == ["STOPPING=1\nSTATUS=stopping"]


async def test_without_systemd_there_is_nothing_to_do():
    async with asyncio.timeout(5):
        await Ermon(None).systemd.run()


def test_the_status_counts_feeds_and_findings():
    config = load_config(REFERENCE).config
    monitor = Monitor(config, 0.0)
    assert status_line(monitor) == f"0 of {len(config.feeds)} feeds up, nothing raised"
    while (deadline := monitor.next_deadline()) is not None and deadline < 3600:
        monitor.advance(deadline)
    raised = len(monitor.findings())
    assert raised > 0
    assert status_line(monitor) == f"0 of {len(config.feeds)} feeds up, {raised} raised"
