"""Setting the machine's clock changes no verdict, and ends no wait."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass

import pytest

from ermon.core.maintenance_book import MaintenanceBook
from ermon.core.monitor import Outcome
from ermon.core.wall_clock import SMALL_SECONDS
from ermon.daemon.clock import SteadyClock, boot_time
from ermon.daemon.driver import Driver
from ermon.model.events import ClockStepped, EndOfRib, SessionUp
from ermon.recording.recorder import Recorder
from tests.bgp import PATIENCE
from tests.checks.company import company
from tests.story import START, Story

HOUR = 3600.0
STEPS = pytest.mark.parametrize(
    "step", [-HOUR, HOUR, -86_400.0, 1e9], ids=["back", "forward", "a day back", "to 2058"]
)


@dataclass
class Machine:
    """A wall clock that can be set, and one that cannot."""

    wall: float = START
    monotonic: float = 1_000.0

    suspended: float = 0.0

    def clock(self) -> SteadyClock:
        return SteadyClock(lambda: self.wall, lambda: self.monotonic, lambda: self.monotonic + self.suspended)

    def pass_time(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds

    def suspend(self, seconds: float) -> None:
        """Advance the wall clock alone."""
        self.wall += seconds
        self.suspended += seconds


def noticed(clock: SteadyClock) -> tuple[float, float] | None:
    """Return how far the wall clock is ahead, and how long the machine was suspended, if either is new."""
    step = clock.notice_step()
    return None if step is None else (step.offset, step.suspended)


@STEPS
def test_setting_the_wall_clock_does_not_change_the_time(step: float) -> None:
    machine = Machine()
    clock = machine.clock()
    assert clock.now() == START
    machine.wall += step
    machine.pass_time(10)
    assert clock.now() == START + 10
    assert noticed(clock) == (step, 0)
    assert (clock.now(), clock.offset) == (START + 10, step)
    assert clock.notice_step() is None


def test_forward_and_back_are_two_steps_and_no_difference_at_the_end() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall += HOUR
    assert noticed(clock) == (HOUR, 0)
    machine.pass_time(15)
    machine.wall -= HOUR
    assert noticed(clock) == (0, 0)
    assert (clock.now(), clock.offset) == (START + 15, 0)


def test_small_differences_are_noticed_when_they_add_up_to_a_step() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall += SMALL_SECONDS * 0.75
    assert clock.notice_step() is None
    machine.wall += SMALL_SECONDS * 0.75
    assert noticed(clock) == (SMALL_SECONDS * 1.5, 0)


def test_a_suspension_is_distinguished_from_a_clock_that_was_set() -> None:
    """Lines from the second before a suspension is noticed count as after it, because ExaBGP was suspended too."""
    machine = Machine()
    clock = machine.clock()
    machine.pass_time(10)
    assert clock.notice_step() is None
    agreed = clock.now()
    machine.suspend(8 * HOUR)
    machine.pass_time(0.5)
    assert clock.notice_step() == ClockStepped(START + 10.5, 8 * HOUR, 8 * HOUR, since=agreed)
    assert clock.now() == START + 10.5, "no timer has moved"
    machine.suspend(HOUR)
    machine.wall -= 2 * HOUR
    assert noticed(clock) == (7 * HOUR, HOUR), "both at once"
    assert clock.notice_step() is None


def test_naps_are_noticed_when_they_add_up_to_a_step() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.suspend(SMALL_SECONDS * 0.75)
    assert clock.notice_step() is None
    machine.suspend(SMALL_SECONDS * 0.75)
    assert noticed(clock) == (SMALL_SECONDS * 1.5, SMALL_SECONDS * 1.5)


def test_the_boot_clock_of_this_machine_is_read() -> None:
    assert boot_time() >= time.monotonic() - 1


async def test_each_step_is_reported() -> None:
    machine = Machine()
    told: asyncio.Queue[ClockStepped] = asyncio.Queue()
    machine_clock = machine.clock()
    machine.wall -= HOUR
    watching = asyncio.create_task(machine_clock.watch(told.put_nowait))
    async with asyncio.timeout(PATIENCE):
        assert (await told.get()).offset == -HOUR
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
    assert told.empty()


@STEPS
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
async def test_timers_fire_while_the_wall_clock_is_elsewhere(step: float, family: str) -> None:
    """In real time: a link is found down ``raise_after`` after its table is known to be empty."""
    shift = [0.0]
    loop = asyncio.get_running_loop()
    clock = SteadyClock(lambda: START + shift[0] + loop.time(), loop.time)
    policy = company("checks: {link-down: {raise_after: 50ms}}\ncollector: {settle: 50ms}").config
    driver = Driver(Story(policy, start=clock.now()).monitor, Recorder(), MaintenanceBook(None), clock)
    raised: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    def listen(outcome: Outcome) -> None:
        for transition in outcome.transitions:
            raised.put_nowait(dict(transition.finding.labels))

    driver.add_listener(listen)
    shift[0] = step
    stepped = clock.notice_step()
    assert stepped is not None
    assert stepped.offset == pytest.approx(step)
    driver.clock_stepped(stepped)

    async def level(_: str) -> bool:
        return True

    keeping = asyncio.create_task(driver.keep_time(level))
    driver.monitor.apply(SessionUp(clock.now(), "edge-1"))
    for each in ("ipv4", "ipv6"):
        driver.monitor.apply(EndOfRib(clock.now(), "edge-1", each))
    driver.advance(clock.now())
    wanted = {"circuit": "chicago", "link": "primary", "family": family}
    async with asyncio.timeout(PATIENCE):
        while await raised.get() != wanted:
            pass
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
