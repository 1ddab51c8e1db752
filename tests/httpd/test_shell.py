"""The shell around an application other than ermon."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientSession, web
from aiohttp.typedefs import Handler, Middleware

from ermon.httpd.access import Hosts, require_changes_allowed
from ermon.httpd.app import make_shell
from ermon.httpd.listen import listening
from ermon.httpd.shell import Shell, WebConfig
from tests.httpd.test_access import USERS, basic


async def hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


async def change(request: web.Request) -> web.Response:
    await require_changes_allowed(request)
    return web.Response(text="changed")


@asynccontextmanager
async def served(shell: Shell, *outermost: Middleware) -> AsyncIterator[ClientSession]:
    app = make_shell(shell, *outermost)
    app.add_routes([web.get("/", hello), web.post("/change", change)])
    async with listening(app, [("127.0.0.1", 0)]) as [url], ClientSession(url) as http:
        yield http


def shell(**settings: object) -> Shell:
    return Shell(Hosts(["hello.example.net"]).hold, **settings)


async def test_the_shell_works_with_any_application():
    async with served(shell()) as http, http.get("/", headers={"Host": "hello.example.net"}) as answer:
        assert (answer.status, await answer.text()) == (200, "hello")
        assert answer.headers["X-Frame-Options"] == "DENY"


async def test_no_handler_sees_what_the_shell_refuses():
    async with served(shell(config=lambda: WebConfig(users=USERS))) as http:
        assert (await http.get("/")).status == 401
        assert (await http.get("/", headers={"Authorization": basic("bob", "b")})).status == 200
    async with served(shell()) as http:
        assert (await http.get("/", headers={"Host": "evil.example"})).status == 421
        assert (await http.post("/change", headers={"Origin": "http://evil.example"})).status == 403


async def test_the_outermost_layer_formats_a_refusal():
    @web.middleware
    async def in_other_words(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            return web.json_response({"error": error.status}, status=error.status)

    async with served(shell(), in_other_words) as http:
        answer = await http.get("/", headers={"Host": "evil.example"})
        assert await answer.json() == {"error": 421}


async def test_changes_are_disabled_by_default():
    async with served(shell()) as http:
        assert (await http.post("/change")).status == 403
    settings = {"changes_allowed": True, "config": lambda: WebConfig(users=USERS)}
    async with served(shell(**settings)) as http:
        assert (await http.post("/change", headers={"Authorization": basic("bob", "b")})).status == 200
