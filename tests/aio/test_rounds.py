"""Places are looked at when they are due, also while a new configuration changes them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ermon.aio.rounds import AT_ONCE, JITTER, Place, Rounds, delayed

LATER = 3600.0


class Visitor:
    """Looks at places, and makes them due again much later."""

    def __init__(self) -> None:
        self.rounds: Rounds[str, Place] = Rounds(self._look, self._prepare)
        self.did: list[tuple[str, Place]] = []
        self.looked = asyncio.Event()
        self.stays: asyncio.Event | None = None
        """What a look waits for, if anything."""

    async def _prepare(self, place: Place) -> None:
        self.did.append(("prepare", place))

    async def _look(self, place: Place) -> None:
        self.did.append(("look", place))
        place.due = asyncio.get_running_loop().time() + LATER
        self.looked.set()
        if self.stays is not None:
            await self.stays.wait()

    def place(self, name: str, **of: float) -> Place:
        place = self.rounds.places[name] = Place(**of)
        self.rounds.go_to(name)
        return place

    async def until_looked(self) -> None:
        async with asyncio.timeout(10):
            await self.looked.wait()
        self.looked.clear()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.rounds.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_a_new_place_is_prepared_and_looked_at_at_once() -> None:
    visitor = Visitor()
    place = visitor.place("a")
    async with visitor.running():
        await visitor.until_looked()
        assert visitor.did[:2] == [("prepare", place), ("look", place)]
    assert visitor.rounds.tasks == {}


async def test_a_place_that_is_due_earlier_now_is_looked_at_again() -> None:
    visitor = Visitor()
    async with visitor.running():
        place = visitor.place("a")
        await visitor.until_looked()
        place.due = AT_ONCE
        visitor.rounds.go_to("a")
        await visitor.until_looked()
    assert [what for what in visitor.did if what[0] == "look"] == [("look", place)] * 2


async def test_no_place_is_looked_at_before_the_time_that_a_server_named() -> None:
    visitor = Visitor()
    async with visitor.running():
        held_off = visitor.place("a", not_before=asyncio.get_running_loop().time() + LATER)
        visitor.place("b")
        await visitor.until_looked()
        assert ("prepare", held_off) in visitor.did
        assert ("look", held_off) not in visitor.did


async def test_what_goes_on_at_a_place_that_is_left_out_is_cancelled() -> None:
    visitor = Visitor()
    visitor.stays = asyncio.Event()
    async with visitor.running():
        visitor.place("a")
        await visitor.until_looked()
        task = visitor.rounds.tasks["a"]
        visitor.rounds.leave_out_all_but({"b"})
        async with asyncio.timeout(10):
            await asyncio.wait([task])
        assert task.cancelled()
        assert visitor.rounds.places == {}


def test_requests_are_delayed_and_never_early() -> None:
    assert all(LATER <= delayed(LATER) <= LATER * (1 + JITTER) for _ in range(100))
