"""Looks at places again and again, each when it is due, while a new configuration may add and remove some."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Container, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

JITTER = 0.1
"""Requests are delayed at random by up to this share, never earlier: otherwise all ermons of a company would ask at the
same moment.
"""

AT_ONCE = float("-inf")

Key = TypeVar("Key", bound=Hashable)


def delayed(seconds: float) -> float:
    """Return a time to wait until the next request, with ``JITTER``."""
    return seconds * (1 + JITTER * random.random())  # noqa: S311  # nothing secret about it


@dataclass(slots=True, eq=False, kw_only=True)
class Place:
    """Something to look at. Times are those of the event loop's clock, which is monotonic."""

    due: float = AT_ONCE
    """When it is looked at next."""
    not_before: float = AT_ONCE
    """The earliest time for that, also if a new configuration makes it due earlier: a server has named it."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set to have ``due`` read again."""


AnyPlace = TypeVar("AnyPlace", bound=Place)


class Rounds(Generic[Key, AnyPlace]):
    """Calls ``look`` for each place when it is due, in a task of its own; ``look`` makes it due again. ``prepare`` is called
    before each wait.
    """

    def __init__(
        self,
        look: Callable[[AnyPlace], Awaitable[None]],
        prepare: Callable[[AnyPlace], Awaitable[None]] | None = None,
    ) -> None:
        self.places: dict[Key, AnyPlace] = {}
        self.tasks: dict[Key, asyncio.Task[None]] = {}
        self._look = look
        self._prepare = prepare
        self._group: asyncio.TaskGroup | None = None

    def leave_out_all_but(self, wanted: Container[Key]) -> None:
        """Forget all other places; what is going on there is cancelled."""
        for gone in [key for key in self.places if key not in wanted]:
            del self.places[gone]
            if (task := self.tasks.pop(gone, None)) is not None:
                task.cancel()

    def go_to(self, key: Key) -> None:
        """Look at a place of ``places`` that is new, or that is due at another time."""
        self.places[key].changed.set()
        self._start(key)

    async def run(self) -> None:
        """Look at the places until cancelled; what is going on is then aborted at once."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for key in self.places:
                    self._start(key)
                await asyncio.get_running_loop().create_future()  # the places may change
        finally:
            self._group = None
            self.tasks.clear()

    def _start(self, key: Key) -> None:
        if self._group is not None and key not in self.tasks:
            self.tasks[key] = self._group.create_task(self._keep(self.places[key]))

    async def _keep(self, place: AnyPlace) -> None:
        loop = asyncio.get_running_loop()
        while True:
            place.changed.clear()
            if self._prepare is not None:
                await self._prepare(place)
            wait = max(place.due, place.not_before) - loop.time()
            if wait <= 0:
                await self._look(place)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):  # wait_for may swallow a cancellation (Python 3.11)
                    await place.changed.wait()
