"""Follows a daemon: takes its events into a picture, and comes back after every loss of the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple, TypeAlias

import msgspec

from ermon.client.http import IS_IT_ERMON, Client, UnreachableError
from ermon.client.sse import Parser, TooLongError
from ermon.terminal.picture import Picture

RETRY_SECONDS = 2.0
"""As ermon asks every client of its events to wait."""
SILENCE_SECONDS = 40.0
"""ermon says something every 15 s; who has missed it twice is not connected any more."""


class Event(NamedTuple):
    """Something has happened, and the picture shows it."""

    kind: str
    data: Any
    id: str


class Heard(NamedTuple):
    """The connection stands, and there is nothing new."""


class Lost(NamedTuple):
    """The connection is gone, and is tried again."""

    reason: str


Told: TypeAlias = Event | Heard | Lost


async def follow(client: Client, picture: Picture) -> AsyncGenerator[Told, None]:
    """Yield what a daemon tells, without end, the snapshot first.

    ``UnreachableError`` when it cannot be reached in the first place; later losses are yielded.
    """
    last_id, begun = "", False
    while True:
        reason = f"{client.name} has closed the connection"
        try:
            async with aclosing(_listen(client, last_id)) as told:
                async for each in told:
                    if isinstance(each, Event):
                        last_id = ""  # an event that cannot be taken: only a snapshot helps
                        picture.take(each.kind, each.data)
                        last_id, begun = each.id, True
                    if begun:
                        yield each
        except UnreachableError as error:
            if not begun:
                raise
            reason = str(error)
        if not begun:
            raise UnreachableError(f"{reason} without a single event. {IS_IT_ERMON}")
        yield Lost(reason)
        await asyncio.sleep(RETRY_SECONDS)


async def _listen(client: Client, last_id: str) -> AsyncGenerator[Event | Heard, None]:
    """Yield what one connection tells: from after an event on, if that is known."""
    headers: Mapping[str, str] = {"Accept": "text/event-stream"}
    if last_id:
        headers = {**headers, "Last-Event-ID": last_id}
    parser = Parser()
    async with aclosing(client.stream("events", silence_seconds=SILENCE_SECONDS, headers=headers)) as pieces:
        async for piece in pieces:
            try:
                for raw in parser.feed(piece):
                    yield Event(raw.kind, msgspec.json.decode(raw.data), raw.id)
            except (TooLongError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                problem = f"{client.name}/api/v1/events: is no event of ermon's: {error}. {IS_IT_ERMON}"
                raise UnreachableError(problem) from None
            yield Heard()
