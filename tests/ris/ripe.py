"""RIPE for tests: what RIS Live and RIPEstat write, and a server of both that behaves as badly as a test wants.

The shapes follow ris-live.ripe.net/manual and stat.ripe.net/docs ("BGP State").
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.bgp import free_port


@dataclass(frozen=True)
class Peer:
    """A router that a collector of RIPE's peers with."""

    address: str
    asn: int
    collector: int = 0


PEERS = [Peer(f"203.0.113.{n}", 64_700 + n, n % 3) for n in range(1, 11)]
BEHIND = (64510, 64500)


def announcement(
    peer: Peer, *prefixes: str, path: Iterable[object] = BEHIND, at: float | None = None, **more: Any
) -> str:
    """A message of RIS Live: a peer announces prefixes."""
    announced = [{"next_hop": peer.address, "prefixes": list(prefixes)}]
    return _update(peer, at, path=[peer.asn, *path], origin="IGP", announcements=announced, **more)


def withdrawal(peer: Peer, *prefixes: str, at: float | None = None) -> str:
    return _update(peer, at, withdrawals=list(prefixes))


def _update(peer: Peer, at: float | None, **data: Any) -> str:
    common = {
        "timestamp": time.time() if at is None else at,
        "peer": peer.address,
        "peer_asn": str(peer.asn),
        "id": "21-587c44d0",
        "host": f"rrc{peer.collector:02}.ripe.net",
        "type": "UPDATE",
    }
    return json.dumps({"type": "ris_message", "data": common | data})


BEAT = json.dumps(
    {
        "type": "ris_message",
        "data": {"type": "RIS_PEER_STATE", "timestamp": 1.5, "peer": "2001:db8::1", "state": "connected"},
    }
)
PONG = json.dumps({"type": "pong", "data": None})
REFUSED = json.dumps({"type": "ris_error", "data": {"message": "unknown type"}})


def state_route(peer: Peer, prefix: str, path: Iterable[object] = BEHIND, **more: Any) -> dict[str, Any]:
    return {
        "target_prefix": prefix,
        "source_id": f"{peer.collector:02}-{peer.address}",
        "path": [peer.asn, *path],
        "community": ["64510:1001"],
    } | more


def state(routes: Iterable[dict[str, Any]], at: float | str | None = None) -> bytes:
    """An answer of RIPEstat."""
    found = list(routes)
    data = {"bgp_state": found, "nr_routes": len(found), "query_time": time.time() if at is None else at}
    return json.dumps({"status": "ok", "status_code": 200, "data": data}).encode()


@dataclass
class Ripe:
    """RIS Live and RIPEstat on one port. ``routes`` is what RIPEstat answers."""

    port: int = field(default_factory=lambda: free_port("127.0.0.1"))
    routes: list[dict[str, Any]] = field(default_factory=list)
    behind: float = 0.0
    """How old RIPEstat's state is."""
    answer: web.Response | None = None
    """What RIPEstat answers instead."""
    asked: list[str] = field(default_factory=list)
    """The resources of each request to RIPEstat."""
    subscribed: list[dict[str, Any]] = field(default_factory=list)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    refuses: str = ""
    """The type of a subscription that is answered with an error."""

    @property
    def settings(self) -> str:
        """The keys of a feed that asks here."""
        return f"url: ws://127.0.0.1:{self.port}/v1/ws/, state_url: http://127.0.0.1:{self.port}/state"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Ripe]:
        app = web.Application()
        app.router.add_get("/v1/ws/", self._live)
        app.router.add_get("/state", self._state)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        try:
            yield self
        finally:
            for socket in self.sockets:
                await socket.close()
            await runner.cleanup()

    async def _live(self, request: web.Request) -> web.WebSocketResponse:
        assert request.query["client"] == "ermon"
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                said = json.loads(message.data)
                self.subscribed.append(said["data"])
                if self.refuses and said["data"]["type"] == self.refuses:
                    await socket.send_str(REFUSED)
        return socket

    async def _state(self, request: web.Request) -> web.Response:
        resources = request.query["resource"]
        self.asked.append(resources)
        if self.answer is not None:
            return web.Response(
                status=self.answer.status, headers=dict(self.answer.headers), body=self.answer.body
            )
        found = [route for route in self.routes if route["target_prefix"] in resources.split(",")]
        return web.Response(body=state(found, time.time() - self.behind), content_type="application/json")

    async def say(self, *messages: str) -> None:
        """Send messages on the latest connection."""
        for message in messages:
            await self.sockets[-1].send_str(message)

    async def hang_up(self, code: int = 1000, text: str = "") -> None:
        await self.sockets[-1].close(code=code, message=text.encode())

    def cut(self) -> None:
        """End the connection without a word."""
        transport = self.sockets[-1]._req.transport  # type: ignore[union-attr]
        assert isinstance(transport, asyncio.Transport)
        transport.abort()
