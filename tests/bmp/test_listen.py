"""Who may connect to report by BMP, and when a connection ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from ermon.bmp import listen
from ermon.bmp.listen import BmpListener, BmpListenError, Closed, Octets, Opened
from ermon.model.inventory import BmpListening, BmpRouter
from ermon.model.prefixes import parse_address
from tests.bgp import free_port, require, sign_with, supports_md5
from tests.bmp import router

PATIENCE = 30.0


def edge(peer: str = "127.0.0.1", name: str = "edge-1", **settings: object) -> dict[str, BmpRouter]:
    return {name: BmpRouter(name, parse_address(peer), **settings)}  # type: ignore[arg-type]


class Station:
    """A listener on a free port, and who was refused there."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.refused: list[tuple[str, str]] = []
        self.listener = BmpListener(lambda local, peer: self.refused.append((local, peer)))
        self.host = host
        self.port = free_port(host)

    async def configure(self, routers: dict[str, BmpRouter], keys: dict[str, str] | None = None) -> None:
        listening = BmpListening(((self.host, self.port),), 180.0, 2**20)
        await self.listener.configure(listening, routers, keys or {})

    async def connect(
        self, source: str | None = None, *, ttl: int | None = None, wait: float = PATIENCE
    ) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        if source is not None:
            connection.bind((source, 0))
        if ttl is not None:
            connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        connecting = asyncio.get_running_loop().sock_connect(connection, (self.host, self.port))
        try:
            await asyncio.wait_for(connecting, wait)
        except BaseException:
            connection.close()
            raise
        return connection

    async def next(self) -> listen.Received:
        return await asyncio.wait_for(self.listener.next(), PATIENCE)


@contextlib.asynccontextmanager
async def station(
    routers: dict[str, BmpRouter], keys: dict[str, str] | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Station]:
    made = Station(host)
    await made.configure(routers, keys)
    try:
        yield made
    finally:
        await made.listener.stop()


async def ended(connection: socket.socket) -> bool:
    """Return whether the other end has closed the connection."""
    with contextlib.suppress(ConnectionError):
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(connection, 1), PATIENCE) == b""
    return True


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_octets_of_a_router_are_handed_out_in_order(host: str) -> None:
    async with station(edge(host), host=host) as made:
        with await made.connect() as connection:
            connection.send(router.initiation())
            assert await made.next() == Opened("edge-1", 1)
            assert await made.next() == Octets("edge-1", 1, router.initiation())
        assert await made.next() == Closed("edge-1", 1, listen.CLOSED)


async def test_another_address_is_refused_before_an_octet_is_read() -> None:
    async with station(edge("127.0.0.2")) as made:
        with await made.connect("127.0.0.3") as connection:
            assert await ended(connection)
        assert made.refused == [("127.0.0.1", "127.0.0.3")]
        with await made.connect("127.0.0.2"):
            assert await made.next() == Opened("edge-1", 1)


async def test_a_newer_connection_of_a_router_replaces_the_older_one() -> None:
    async with station(edge()) as made:
        with await made.connect() as older:
            assert await made.next() == Opened("edge-1", 1)
            with await made.connect() as newer:
                assert await made.next() == Closed("edge-1", 1, listen.REPLACED)
                assert await made.next() == Opened("edge-1", 2)
                assert await ended(older)
                newer.send(b"x")
                assert await made.next() == Octets("edge-1", 2, b"x")


async def test_a_connection_without_initiation_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "INITIATION_SECONDS", 0.05)
    async with station(edge()) as made:
        with await made.connect() as connection:
            assert await made.next() == Opened("edge-1", 1)
            assert await made.next() == Closed("edge-1", 1, listen.NO_INITIATION)
            assert await ended(connection)


async def test_a_connection_that_has_begun_may_be_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing on it then is statistics."""
    monkeypatch.setattr(listen, "INITIATION_SECONDS", 0.05)
    async with station(edge()) as made:
        with await made.connect():
            await made.next()
            made.listener.initiated("edge-1", 1)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(made.listener.next(), 0.2)


async def test_a_router_that_sends_faster_than_ermon_reads_is_held_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its first dump may be of any size. Closing the connection would have it begin anew, and never end."""
    monkeypatch.setattr(listen, "MAX_WAITING_OCTETS", 100_000)
    size = 20_000_000
    async with station(edge()) as made:
        with await made.connect() as connection:
            assert await made.next() == Opened("edge-1", 1)
            sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(connection, bytes(size)))
            octets = 0
            while octets < size:
                received = await made.next()
                assert isinstance(received, Octets)
                octets += len(received.data)
                await asyncio.sleep(0)
            await sending


async def test_a_router_that_ermon_does_not_catch_up_with_has_to_begin_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listen, "MAX_WAITING_OCTETS", 1000)
    monkeypatch.setattr(listen, "CATCH_UP_SECONDS", 0.2)
    async with station(edge()) as made:
        with await made.connect() as connection:
            assert await made.next() == Opened("edge-1", 1)
            connection.send(b"x" * 1001)
            assert await ended(connection)
        # What was waiting takes no memory any more: the next connection brings all of it.
        assert await made.next() == Closed("edge-1", 1, listen.FELL_BEHIND)


async def test_connections_that_end_before_anybody_looks_leave_nothing() -> None:
    """A router that connects again and again while ermon is busy must not fill its memory."""
    async with station(edge()) as made:
        for _ in range(5):
            with await made.connect() as earlier:
                earlier.send(b"x" * 100_000)
        with await made.connect() as connection:
            connection.send(b"y")
            opened, octets = await made.next(), await made.next()
        assert isinstance(opened, Opened)
        assert octets == Octets("edge-1", opened.number, b"y")


async def test_what_one_router_reports_does_not_wait_for_all_of_anothers() -> None:
    async with station({**edge("127.0.0.2"), **edge("127.0.0.3", "edge-2")}) as made:
        with await made.connect("127.0.0.2") as much, await made.connect("127.0.0.3") as little:
            await made.next()
            await made.next()
            size = 4 * listen.PIECE_OCTETS
            much.send(bytes(size))
            little.send(b"x")
            routers, octets = [], 0
            while octets < size + 1:
                received = await made.next()
                assert isinstance(received, Octets)
                assert len(received.data) <= listen.PIECE_OCTETS
                octets += len(received.data)
                routers.append(received.router)
                await asyncio.sleep(0)
            assert routers.index("edge-2") < len(routers) - 1


async def test_what_a_router_had_sent_comes_first() -> None:
    async with station(edge()) as made:
        with await made.connect() as connection:
            await made.next()
            connection.send(b"x")
            level = asyncio.create_task(made.listener.level("edge-1"))
            assert isinstance(await made.next(), Octets)
            mark = await made.next()
            assert isinstance(mark, listen.Mark)
            assert not level.done()
            mark.reached.set_result(None)
            await asyncio.wait_for(level, PATIENCE)


@pytest.mark.parametrize("address", ["fe80::2%eth0", "192.0.2.99", "2001:db8::99"])
async def test_whoever_connects_the_listener_goes_on(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address of IPv6 that is valid on one link only comes with the name of its interface."""
    async with station(edge()) as made:
        accept = asyncio.get_running_loop().sock_accept

        async def from_elsewhere(listener: socket.socket) -> tuple[socket.socket, tuple[str, int]]:
            connected, _ = await accept(listener)
            monkeypatch.undo()
            return connected, (address, 50_000)

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_accept", from_elsewhere)
        with await made.connect() as first:
            first_ended = asyncio.create_task(ended(first))
            with await made.connect():
                assert isinstance(await made.next(), Opened)
            await first_ended
        assert made.refused in ([], [("127.0.0.1", address)])


async def test_what_was_handed_out_waits_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "MAX_WAITING_OCTETS", 1000)
    async with station(edge()) as made:
        with await made.connect() as connection:
            await made.next()
            for _ in range(5):
                connection.send(b"x" * 600)
                octets = 0
                while octets < 600:
                    received = await made.next()
                    assert isinstance(received, Octets)
                    octets += len(received.data)


async def test_what_was_handed_out_waits_until_it_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "MAX_WAITING_OCTETS", 1000)
    async with station(edge()) as made:
        with await made.connect() as connection:
            await made.next()
            connection.send(b"x" * 10)
            await made.next()
            made.listener.keeps("edge-1", 1, 1001)
            connection.send(b"y")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(made.listener.next(), 0.2)
            made.listener.keeps("edge-1", 1, 501)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(made.listener.next(), 0.2)
            made.listener.keeps("edge-1", 1, 500)
            assert await made.next() == Octets("edge-1", 1, b"y")


async def test_the_kernel_takes_little_of_what_nobody_reads() -> None:
    async with station(edge()) as made:
        with await made.connect():
            await made.next()
            (connection,) = made.listener._connections.values()
            transport = connection._transport
            assert transport is not None
            taken = transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
            assert taken <= 2 * listen.KERNEL_OCTETS


async def test_another_configuration_leaves_connections_that_it_knows() -> None:
    async with station({**edge("127.0.0.2"), **edge("127.0.0.3", "edge-2")}) as made:
        with await made.connect("127.0.0.2") as stays, await made.connect("127.0.0.3"):
            assert {(await made.next()).router, (await made.next()).router} == {"edge-1", "edge-2"}
            await made.configure(edge("127.0.0.2"))
            closed = await made.next()
            assert isinstance(closed, Closed)
            assert (closed.router, closed.reason) == ("edge-2", listen.REMOVED)
            stays.send(b"x")
            assert isinstance(await made.next(), Octets)


async def test_an_address_that_is_taken_is_named() -> None:
    made = Station()
    with (
        socket.create_server((made.host, made.port)),
        pytest.raises(
            BmpListenError,
            match=rf"collector\.bmp\.listen: cannot listen on 127\.0\.0\.1:{made.port}: Address",
        ),
    ):
        await made.configure(edge())
    await made.configure(edge())
    await made.listener.stop()


async def test_with_a_key_only_signed_segments_count() -> None:
    require(supports_md5(), "TCP MD5 signatures")
    async with station(edge("127.0.0.2"), {"edge-1": "secret"}) as made:
        connection = socket.socket()
        connection.setblocking(False)
        connection.bind(("127.0.0.2", 0))
        loop = asyncio.get_running_loop()
        with connection, pytest.raises(TimeoutError):  # an unsigned SYN gets no answer
            await asyncio.wait_for(loop.sock_connect(connection, (made.host, made.port)), 0.5)
        signed = socket.socket()
        signed.setblocking(False)
        signed.bind(("127.0.0.2", 0))
        sign_with(signed, made.host, "secret")
        with signed:
            await asyncio.wait_for(loop.sock_connect(signed, (made.host, made.port)), PATIENCE)
            assert await made.next() == Opened("edge-1", 1)
        # Without the key in another configuration, unsigned segments count again.
        await made.next()
        await made.configure(edge("127.0.0.2"))
        with await made.connect("127.0.0.2"):
            assert await made.next() == Opened("edge-1", 2)


async def test_a_connection_ends_when_its_key_changes() -> None:
    require(supports_md5(), "TCP MD5 signatures")
    async with station(edge()) as made:
        with await made.connect() as connection:
            await made.next()
            await made.configure(edge(), {"edge-1": "secret"})
            assert await made.next() == Closed("edge-1", 1, listen.CHANGED)
            assert await ended(connection)


async def test_a_key_that_the_kernel_refuses_changes_nothing() -> None:
    require(supports_md5(), "TCP MD5 signatures")
    made = Station()
    with pytest.raises(BmpListenError, match=r"the kernel refused the MD5 key of 127\.0\.0\.1"):
        await made.configure(edge(), {"edge-1": "x" * (listen.MAX_KEY_OCTETS + 1)})
    await made.configure(edge())
    with await made.connect():
        assert await made.next() == Opened("edge-1", 1)
    await made.listener.stop()


@pytest.mark.parametrize("other", [1, None])
async def test_a_router_that_is_too_far_away_is_not_read(other: int | None) -> None:
    """RFC 5082: with one hop allowed, packets must arrive with a TTL of 255; loopback sends 64.

    Where every router has to be near, not even the beginning of a connection counts.
    """
    async with station({**edge(ttl_security=1), **edge("127.0.0.2", "edge-2", ttl_security=other)}) as made:
        if other is not None:
            with pytest.raises(TimeoutError):
                await made.connect(wait=0.3)
        with await made.connect(ttl=255 if other is not None else 64) as connection:
            await made.next()
            connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 64)
            connection.send(b"x")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(made.listener.next(), 0.3)
            connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
            connection.send(b"y")
            received = await made.next()
            assert isinstance(received, Octets)
