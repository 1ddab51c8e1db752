import asyncio
import threading

import pytest

from ermon.aio.threads import in_thread


async def test_results_and_errors_of_the_work_are_passed_on():
    assert await in_thread(lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)


def test_work_that_does_not_end_holds_up_neither_its_cancellation_nor_the_end_of_the_loop():
    begun, may_end = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        may_end.wait()

    async def give_up() -> None:
        task = asyncio.create_task(in_thread(work))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    may_end.set()
