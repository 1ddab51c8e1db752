"""The envelope of the API's answers, and what a request may ask with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import msgspec
from aiohttp import web

from ermon.api.answers import Failure, Success

JSON_TYPE = "application/json"


def success(data: Any, warnings: Sequence[str] = ()) -> bytes:
    """Write an answer; ``warnings`` say what its data may lack, as in Prometheus' API."""
    return msgspec.json.encode(Success("success", data, tuple(warnings)))


def failure(error: str) -> bytes:
    return msgspec.json.encode(Failure("error", error))


def answer(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return an answer of the API; nobody may keep it, since it is the state of a moment."""
    headers = {"Cache-Control": "no-store"} | dict(headers or {})
    return web.Response(body=body, status=status, content_type=JSON_TYPE, headers=headers)


def refuse(error: str) -> NoReturn:
    """The request asks for something that cannot be: 400."""
    raise web.HTTPBadRequest(text=error)


def parameters(request: web.Request, *known: str) -> dict[str, str]:
    """Return the query's parameters; one that is unknown or given twice is refused."""
    query = request.query
    for name in query:
        if name not in known:
            allowed = " and ".join(known) if known else "none"
            refuse(f"unknown parameter {name!r}; this path takes {allowed}")
        if len(query.getall(name)) > 1:
            refuse(f"parameter {name!r} is given more than once")
    return dict(query)


def choice(values: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str | None:
    """Return a parameter that must be one of a few words, ``None`` where it is missing."""
    value = values.get(name)
    if value is not None and value not in allowed:
        refuse(f"parameter {name!r} is {value!r}, and must be one of {', '.join(allowed)}")
    return value
