import socket
import subprocess
import sys
import time

import pytest

from ermon.exabgp import launch


def test_launcher_gives_up_when_its_parent_is_gone():
    command = [sys.executable, "-P", launch.__file__, "1", "/nonexistent.conf"]
    outcome = subprocess.run(command, check=False, capture_output=True, text=True)
    assert outcome.returncode == 1
    assert "ermon is gone" in outcome.stderr


@pytest.mark.parametrize(
    ("family", "address", "level", "option"),
    [
        (socket.AF_INET, "127.0.0.1", socket.IPPROTO_IP, socket.IP_TTL),
        (socket.AF_INET6, "::1", socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
    ],
)
def test_who_connected_before_the_keys_were_in_force_is_shut_out(family, address, level, option):
    with socket.create_server((address, 0), family=family) as listening:
        listening.setblocking(False)
        with socket.create_connection((address, listening.getsockname()[1])) as early:
            launch.secure(listening)
            assert early.recv(1) == b""
            assert listening.getsockopt(level, option) == 255


def test_listeners_are_secured_each_time_the_configuration_was_read():
    class Listener:
        _sockets = {socket.create_server(("127.0.0.1", 0)): None}  # noqa: RUF012

    class Reactor:
        listener = Listener()

        def _listen_for_neighbors(self):
            return "as before"

    (listening,) = Listener._sockets
    with listening:
        listening.setblocking(False)
        launch.secure_listeners(Reactor)
        for _ in range(2):
            with socket.create_connection(listening.getsockname()) as early:
                assert Reactor()._listen_for_neighbors() == "as before"
                assert early.recv(1) == b""


def test_time_goes_on_from_its_anchor_whatever_the_wall_clock_says(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 0.0)  # put back at the end, whoever has changed it since
    before = time.monotonic()
    launch.keep_time_steadily(1_795_000_000.0)
    assert 1_795_000_000.0 + before <= time.time() <= 1_795_000_000.0 + time.monotonic()


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="the kernel names it otherwise")
@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_tcp_asks_an_idle_router_whether_it_still_lives(family, address):
    with socket.create_server((address, 0), family=family) as listening:
        listening.setblocking(False)
        launch.secure(listening)
        listening.setblocking(True)
        with (
            socket.create_connection((address, listening.getsockname()[1])),
            listening.accept()[0] as session,
        ):
            assert session.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            assert [session.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [30, 10, 3]
