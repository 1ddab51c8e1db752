"""Long work gives the event loop back between slices."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from ermon.aio import slices
from ermon.aio.slices import in_slices


async def test_everything_else_gets_its_turn_between_two_slices(monkeypatch):
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)
    seen: list[str] = []

    def steps() -> Iterator[None]:
        for number in range(3):
            seen.append(f"step {number}")
            yield

    async def other() -> None:
        while len(seen) < 6:
            seen.append("other")
            await asyncio.sleep(0)

    waiting = asyncio.create_task(other())
    await in_slices(steps())
    assert seen == ["step 0", "other", "step 1", "other", "step 2", "other"]
    await waiting


async def test_steps_that_are_short_share_a_slice():
    others: list[str] = []
    task = asyncio.create_task(asyncio.sleep(0))
    task.add_done_callback(lambda _: others.append("other"))
    await in_slices(iter(range(3)))
    assert others == []
    await task
