"""A receiver of posts on loopback that accepts them, or misbehaves on request."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.test_utils import TestServer

PATIENCE = 20.0
"""Seconds after which a test fails whose condition has not come true."""

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Post(NamedTuple):
    path: str
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Answers 200 by default, and stores what it receives."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.answer: Answer = self.take
        self._news = asyncio.Condition()
        self._http: TestServer | None = None
        self._url = ""
        self.port = 0

    async def start(self, tls: ssl.SSLContext | None = None, port: int | None = None) -> Receiver:
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_post("/{path:.*}", self._handle)
        self._http = TestServer(app, port=port)
        await self._http.start_server(ssl=tls)
        self._url = str(self._http.make_url("/")).rstrip("/")
        self.port = self._http.port or 0
        return self

    async def stop(self) -> None:
        """Stop listening; `start` with the same ``port`` listens again."""
        if self._http is not None:
            await self._http.close()

    def url(self, path: str = "") -> str:
        return self._url + path

    async def received(self, count: int) -> list[Post]:
        """Wait until there were this number of posts, and return them all."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: len(self.posts) >= count)
        return self.posts

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        async with self._news:
            self.posts.append(Post(request.path, request.headers.copy(), body))
            self._news.notify_all()
        return await self.answer(request)

    # What it is told ---------------------------------------------------------------------------------

    async def take(self, _: web.Request) -> web.StreamResponse:
        return web.Response()

    def refuse(self, status: int, text: str = "", **headers: str) -> None:
        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, text=text, headers=headers)

        self.answer = answer

    def be_silent(self) -> None:
        async def answer(_: web.Request) -> web.StreamResponse:
            await asyncio.get_running_loop().create_future()
            raise AssertionError

        self.answer = answer


async def until(condition: Callable[[], object], what: str) -> None:
    """Return when ``condition`` is true."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110  # many things are waited for, and none tells
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"not within {PATIENCE:g} s: {what}") from None
