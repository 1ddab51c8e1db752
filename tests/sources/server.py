"""A web server on loopback that serves lists, or misbehaves."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

CERTIFICATE = Path(__file__).with_name("loopback.pem")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ListServer:
    """Answers as a test tells it, and stores the requests."""

    def __init__(self) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._handle)
        self._http = TestServer(app)
        self._handlers: dict[str, Handler] = {}
        self._asked = asyncio.Condition()
        self.requests: list[web.Request] = []

    async def start(self, tls: ssl.SSLContext | None = None) -> ListServer:
        await self._http.start_server(ssl=tls)
        return self

    async def stop(self) -> None:
        await self._http.close()

    def url(self, path: str = "/") -> str:
        return str(self._http.make_url("/")).rstrip("/") + path

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    async def asked(self, count: int) -> None:
        """Wait until there were this number of requests."""
        async with self._asked:
            await self._asked.wait_for(lambda: len(self.requests) >= count)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        async with self._asked:
            self.requests.append(request)
            self._asked.notify_all()
        handler = self._handlers.get(request.path)
        return web.Response(status=404) if handler is None else await handler(request)

    # What it is told ---------------------------------------------------------------------------------

    def handle(self, path: str, handler: Handler) -> None:
        self._handlers[path] = handler

    def serve(
        self, path: str, body: bytes, kind: str = "application/json", status: int = 200, **headers: str
    ) -> None:
        async def answer(_: web.Request) -> web.Response:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return web.Response(status=status, body=body, headers={"Content-Type": kind, **named})

        self.handle(path, answer)

    def serve_versioned(self, path: str, body: bytes, etag: str, modified: str | None = None) -> None:
        """Send the body only to clients that do not have it (RFC 9110 section 13.1)."""

        async def answer(request: web.Request) -> web.Response:
            headers = {"ETag": etag} | ({"Last-Modified": modified} if modified else {})
            if request.headers.get("If-None-Match") == etag:
                return web.Response(status=304, headers=headers)
            return web.Response(body=body, headers={"Content-Type": "application/json", **headers})

        self.handle(path, answer)

    def redirect(self, path: str, target: str, status: int = 302) -> None:
        self.serve(path, b"", status=status, Location=target)

    def fall_silent(self, path: str, body: bytes = b"") -> None:
        """Send the beginning of an answer, and then nothing until the client is gone."""

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            if body:
                await response.prepare(request)
                await response.write(body)
            await asyncio.get_running_loop().create_future()
            return response

        self.handle(path, answer)

    def break_off(self, path: str, body: bytes, length: int | None = None) -> None:
        """Close the connection within an answer, or before it if there is no ``body``; without ``length`` the answer is
        chunked.
        """

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            response.content_length = length
            if body:
                await response.prepare(request)
                await response.write(body)
            assert request.transport is not None
            request.transport.close()
            return response

        self.handle(path, answer)

    def send_for_ever(self, path: str) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            await response.prepare(request)
            while True:
                await response.write(b" " * 65536)

        self.handle(path, answer)


def server_tls() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    return context


def trusting_tls() -> ssl.SSLContext:
    """Return what a client needs to trust the servers of the tests."""
    return ssl.create_default_context(cafile=CERTIFICATE)
