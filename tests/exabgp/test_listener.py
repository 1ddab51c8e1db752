"""The listener of ExaBGP's process by itself; ``test_process`` tests it in a real one."""

import contextlib
import json
import math
import socket

import pytest
from exabgp.protocol.ip import IP

from ermon.exabgp import listener as module
from ermon.exabgp.listener import Listener
from tests import bgp


class Helper:
    """A stand-in for ExaBGP's helper, which receives its lines."""

    def __init__(self):
        self.lines = []
        self.stdin = self

    def write(self, line):
        self.lines.append(json.loads(line))

    def flush(self):
        pass


class Processes:
    def __init__(self, helper):
        self._process = {"relay": helper}


class Reactor:
    def __init__(self, port):
        self._port = port
        self.helper = Helper()
        self.processes = Processes(self.helper)

    def told(self, kind):
        return [line[kind] for line in self.helper.lines if line["type"] == kind]


def neighbor(local, peer, key=None, ttl=None):
    return {
        "local-address": IP.create(local),
        "peer-address": IP.create(peer),
        "md5-password": key,
        "md5-base64": False,
        "incoming-ttl": ttl,
    }


FAMILIES = pytest.mark.parametrize(
    ("local", "peer"), [("127.0.0.1", "127.0.0.11"), ("::1", "::2")], ids=["ipv4", "ipv6"]
)


@pytest.fixture
def reactor():
    return Reactor(bgp.free_port("127.0.0.1", "127.0.0.2", "::1"))


@pytest.fixture
def listener(reactor):
    listener = Listener(reactor)
    yield listener
    listener.listen_for([])
    listener._let_go(math.inf)


def sockets(listener):
    return {address: sock for sock, (address, *_) in listener._sockets.items()}


@FAMILIES
def test_sockets_stay_as_long_as_their_addresses_are_wanted(listener, local, peer):
    first = neighbor("127.0.0.2", "127.0.0.12")
    listener.listen_for([first])
    kept = sockets(listener)["127.0.0.2"]
    listener.listen_for([first, neighbor(local, peer)])
    assert sockets(listener).keys() == {"127.0.0.2", local}
    listener.listen_for([first])
    assert sockets(listener) == {"127.0.0.2": kept}
    listener.listen_for([])
    assert not listener.serving


@FAMILIES
def test_another_ttl_disconnects_earlier_connections(listener, reactor, local, peer):
    listener.listen_for([neighbor(local, peer)])
    with socket.create_connection((local, reactor._port)) as early:
        listener.listen_for([neighbor(local, peer)])
        early.setblocking(False)
        with pytest.raises(BlockingIOError):
            early.recv(1)
        early.setblocking(True)
        listener.listen_for([neighbor(local, peer, ttl=255)])
        assert early.recv(1) == b""


@FAMILIES
def test_other_keys_disconnect_earlier_connections(listener, reactor, local, peer):
    bgp.require(bgp.supports_md5(), "TCP MD5")
    listener.listen_for([neighbor(local, peer)])
    with socket.create_connection((local, reactor._port)) as early:
        listener.listen_for([neighbor(local, peer, key="correct horse")])
        assert early.recv(1) == b""


@FAMILIES
def test_ttl_is_checked_only_while_it_is_wanted(listener, local, peer):
    level, option = (
        (socket.IPPROTO_IPV6, module.IPV6_MINHOPCOUNT)
        if ":" in local
        else (socket.IPPROTO_IP, module.ip_minttl())
    )
    for ttl in (255, None, 254):
        listener.listen_for([neighbor(local, peer, ttl=ttl)])
        assert sockets(listener)[local].getsockopt(level, option) == (ttl or 0)


@pytest.mark.parametrize(
    ("local", "level", "option"),
    [("127.0.0.1", socket.IPPROTO_IP, socket.IP_TTL), ("::1", socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)],
    ids=["ipv4", "ipv6"],
)
def test_sent_packets_have_the_full_ttl(listener, local, level, option):
    listener.listen_for([neighbor(local, "127.0.0.11" if "." in local else "::2")])
    assert sockets(listener)[local].getsockopt(level, option) == 255


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="the kernel names it otherwise")
@FAMILIES
def test_tcp_asks_an_idle_router_whether_it_still_lives(listener, reactor, local, peer):
    listener.listen_for([neighbor(local, peer)])
    listening = sockets(listener)[local]
    listening.setblocking(True)
    with socket.create_connection((local, reactor._port)), listening.accept()[0] as session:
        assert session.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        assert [session.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [30, 10, 3]


def test_addresses_are_reported_once_and_again_when_listening_works(listener, reactor, monkeypatch):
    with socket.create_server(("127.0.0.1", reactor._port)) as holder:
        listener.listen_for([neighbor("127.0.0.1", "127.0.0.11"), neighbor("192.0.2.77", "192.0.2.11")])
        for _ in range(3):
            listener.incoming()
        holder.close()
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    for _ in range(3):
        listener._retry_at = 0.0
        listener.incoming()
    told = [each["addresses"] for each in reactor.told("listening")]
    assert told == [
        {"127.0.0.1": "EADDRINUSE", "192.0.2.77": "EADDRNOTAVAIL"},
        {"127.0.0.1": "", "192.0.2.77": "EADDRNOTAVAIL"},
    ]


@FAMILIES
def test_an_unknown_host_does_not_cost_others_that_were_accepted_with_it(
    listener, reactor, monkeypatch, local, peer
):
    """ExaBGP 5.0.15 leaves its loop at the first unknown host, and forgets the others that it accepted in that turn."""
    monkeypatch.setattr(module, "Incoming", lambda _, ours, theirs, connection: (ours, theirs, connection))
    beside = "127.0.0.2"
    listener.listen_for([neighbor(local, peer), neighbor(beside, "127.0.0.1")])
    with (
        bgp.open_socket(local, local) as stranger,
        bgp.open_socket("127.0.0.1", beside) as known,
    ):
        stranger.connect((local, reactor._port))
        known.connect((beside, reactor._port))
        listener.incoming()
        ((ours, theirs, accepted),) = listener._connected()
        assert (ours, theirs) == (beside, "127.0.0.1")
        accepted.close()
        stranger.settimeout(bgp.PATIENCE)
        assert stranger.recv(100) == bgp.notification(6, 5)
        assert stranger.recv(100) == b""
    listener.incoming()
    assert reactor.told("refused") == [
        {"connections": [{"local": local, "peer": local, "count": 1}], "more": 0}
    ]
    assert not listener._leaving


@FAMILIES
def test_any_number_of_unknown_hosts_is_refused_in_one_turn(listener, reactor, local, peer):
    listener.listen_for([neighbor(local, peer)])
    with contextlib.ExitStack() as stack:
        for _ in range(150):
            stack.enter_context(socket.create_connection((local, reactor._port)))
        assert not listener.incoming()
    listener.incoming()
    assert reactor.told("refused") == [
        {"connections": [{"local": local, "peer": local, "count": 150}], "more": 0}
    ]


def test_a_router_does_not_wait_behind_strangers(listener, reactor, monkeypatch):
    monkeypatch.setattr(module, "Incoming", lambda _, ours, theirs, connection: (theirs, connection))
    listener.listen_for([neighbor("127.0.0.1", "127.0.0.11")])
    address = ("127.0.0.1", reactor._port)
    with contextlib.ExitStack() as stack:
        for number in range(150):
            source = (f"127.0.1.{1 + number}", 0)
            stack.enter_context(socket.create_connection(address, source_address=source))
        stack.enter_context(socket.create_connection(address, source_address=("127.0.0.11", 0)))
        assert listener.incoming()
        ((theirs, accepted),) = listener._connected()
        assert theirs == "127.0.0.11"
        accepted.close()
