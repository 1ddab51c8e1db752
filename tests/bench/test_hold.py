import asyncio
import threading
import time
from asyncio.events import Handle

from tests.bench.hold import Holds, watching

WORK = 0.02


def work() -> None:
    until = time.thread_time() + WORK
    while time.thread_time() < until:
        pass


async def pause() -> None:
    await asyncio.sleep(0)


async def busy() -> None:
    await pause()
    work()
    await pause()


def test_the_longest_step_is_named_with_the_places_between_which_it_ran() -> None:
    with watching() as holds:
        asyncio.run(busy())
    (longest,) = holds.worst(1)
    began, _, ended = longest.name.partition(" → ")
    assert began.startswith(f"busy: {__name__}.pause:")
    assert ended.startswith(f"{__name__}.pause:")
    assert longest.longest == holds.longest
    assert holds.longest >= WORK
    assert longest.count == 1


def test_a_callback_is_named() -> None:
    async def call() -> None:
        asyncio.get_running_loop().call_soon(work)
        await pause()

    with watching() as holds:
        asyncio.run(call())
    assert holds.by_name["work"].longest >= WORK


class Shown:
    """An owner of a callback that may not be shown, as showing it changes it."""

    def __repr__(self) -> str:
        raise AssertionError("it was shown")

    def __call__(self) -> None:
        work()


def test_naming_a_callback_shows_nothing_of_its_owner() -> None:
    async def call() -> None:
        asyncio.get_running_loop().call_soon(Shown())
        asyncio.get_running_loop().call_soon(Shown().__call__)
        await pause()

    with watching() as holds:
        asyncio.run(call())
    assert {"Shown", "Shown.__call__"} <= holds.by_name.keys()


def test_work_of_other_threads_is_not_counted() -> None:
    async def elsewhere() -> None:
        await asyncio.to_thread(work)

    with watching() as holds:
        other = threading.Thread(target=asyncio.run, args=(busy(),))
        other.start()
        asyncio.run(elsewhere())
        other.join()
    assert not any("busy" in name for name in holds.by_name)
    assert holds.longest < WORK


def test_nothing_is_watched_any_longer() -> None:
    before = Handle._run
    with watching() as holds:
        assert Handle._run is not before
    assert Handle._run is before
    asyncio.run(busy())
    assert holds.by_name == {}
    assert holds.longest == 0


def test_the_worst_come_first_and_add_up() -> None:
    holds = Holds()
    for name, seconds in (("short", 0.001), ("long", 0.25), ("short", 0.002)):
        holds.note(name, seconds)
    assert [steps.name for steps in holds.worst()] == ["long", "short"]
    assert holds.by_name["short"].count == 2
    assert holds.by_name["short"].longest == 0.002
    assert [line.split()[-1] for line in str(holds).splitlines()] == ["of", "long", "short"]
