"""Starts the routers and ermon, plays the story, and stops everything again."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ermon.checks.catalogue import CATALOGUE
from ermon.config.load import load_config
from ermon.config.schema import CollectorSection
from ermon.demo.child import DemoError, cancel
from ermon.demo.company import POOL, POOL6, PRIMARY, SECONDARY, Company
from ermon.demo.daemon import WEB_ADDRESS, Daemon
from ermon.demo.microsoft import MicrosoftSide
from ermon.demo.screen import Screen
from ermon.demo.settings import Settings
from ermon.demo.story import COMPARED, TEST, Player, UnexpectedError, story
from ermon.exabgp.configure import listening_addresses
from ermon.model.inventory import Config

PASSED, FAILED, INTERRUPTED = 0, 1, 130

PORTS = range(20_000, 32_000)
"""Unprivileged ports below those that Linux uses for outgoing connections."""

CONFIGURATION = Path(__file__).with_name("demo.yml")
_CONFIGURED_PORT = "port: 1790"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_demo(*, hold: bool, omit_leak: bool = False) -> int:
    """Run the demo and return its exit code: 0 if ermon reported exactly the expected findings, 1 otherwise, 130 if
    the demo was interrupted.

    ``hold`` keeps everything running after the story, until Ctrl-C. ``omit_leak`` does not send the leak's UPDATE, so
    that the demo must fail.
    """
    return asyncio.run(_run_until_interrupted(Demo(Screen(sys.stdout), hold=hold, omit_leak=omit_leak)))


async def _run_until_interrupted(demo: Demo) -> int:
    """Run to the end, or until a signal; no process is left when this returns."""
    loop = asyncio.get_running_loop()
    run = asyncio.create_task(demo.run())

    def interrupt() -> None:
        for number in _SIGNALS:
            loop.add_signal_handler(number, lambda: None)  # a second signal must not interrupt the cleanup
        run.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, interrupt)
    try:
        await run
    except asyncio.CancelledError:
        print("\nEverything is stopped.")
    return demo.code


class Demo:
    """One run of the demo."""

    def __init__(self, screen: Screen, *, hold: bool, omit_leak: bool) -> None:
        self.code = INTERRUPTED
        self._screen = screen
        self._hold = hold
        self._omit_leak = omit_leak

    async def run(self) -> None:
        """Run it and set ``code``, the exit code."""
        try:
            with tempfile.TemporaryDirectory(prefix="ermon-demo-") as directory:
                await self._run_in(Path(directory))
        except DemoError as error:
            self._screen.closing(str(error), good=False)
            self.code = FAILED

    async def _run_in(self, directory: Path) -> None:
        microsoft = far_end()
        async with microsoft.listening():
            microsoft.write_files(directory)
            await self._run_beside(microsoft, directory)

    async def _run_beside(self, microsoft: MicrosoftSide, directory: Path) -> None:
        settings = Settings(directory / "ermon.yml", with_free_port())
        config = settings.config
        self._screen.opening(shortened_timers(config))
        company = Company(config, directory, microsoft)
        daemon = Daemon(settings.file, free_port([WEB_ADDRESS]), directory)
        self._screen.step(1, "Three routers and ermon start, and the routers connect")
        async with company.running(), daemon.running():
            self._screen.fact(f"ermon runs: {daemon.url}")
            await self._play_while_routers_run(Player(settings, company, daemon, self._screen), company)
            if self._hold:
                self._screen.note(f"\nEverything stays up until Ctrl-C: {daemon.url}")
                self._screen.note(f"The same test by hand: ermon verify --url {daemon.url}")
                await asyncio.Event().wait()

    async def _play_while_routers_run(self, player: Player, company: Company) -> None:
        """Play the story; ``DemoError`` at once when a router ends by itself.

        The findings that follow from that depend on the step, and do not explain it.
        """
        playing = asyncio.create_task(self._play(player))
        watching = asyncio.create_task(company.wait_for_an_end())
        try:
            await asyncio.wait((playing, watching), return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                raise watching.result().failure("has ended by itself")
            await playing
        finally:
            await cancel(playing, watching)

    async def _play(self, player: Player) -> None:
        began = time.monotonic()
        steps = story(omit_leak=self._omit_leak)
        try:
            await player.converge()
            for number, step in enumerate(steps, 2):
                self._screen.step(number, step.title)
                await player.play(step)
            await player.end()
            self._screen.step(len(steps) + 2, TEST)
            await player.test(COMPARED)
        except UnexpectedError as error:
            self._fail(error)
            return
        self._screen.summary(player.rows)
        self._screen.closing(
            f"{len(steps) + 2} steps in {time.monotonic() - began:.0f} s: {len(player.rows)} findings raised and cleared as expected, and no others.",
            good=True,
        )
        self.code = PASSED

    def _fail(self, error: UnexpectedError) -> None:
        self._screen.wrong(*error.lines)
        self._screen.closing("ermon did not report what it should have reported.", good=False)
        self.code = FAILED


def free_port(addresses: Sequence[str]) -> int:
    """Return a port that is free on all these IPv4 addresses; ``DemoError`` without one."""
    problem = ""
    for port in random.sample(PORTS, 100):
        with contextlib.ExitStack() as stack:
            try:
                for address in addresses:
                    sock = stack.enter_context(socket.socket())
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    sock.bind((address, port))
            except OSError as error:
                problem = f"{address}: {error.strerror}"
            else:
                return port
    raise DemoError(
        f"there is no free port, last at {problem}. The demo needs all of 127.0.0.0/8, as on Linux"
    )


def far_end() -> MicrosoftSide:
    """Return Microsoft's side of the company's circuit."""
    links = load_config(CONFIGURATION).config.links
    return MicrosoftSide(links, {"primary": PRIMARY, "secondary": SECONDARY}, (POOL, POOL6))


def with_free_port() -> str:
    """Return the text of the company's configuration with a free port."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    config = load_config(CONFIGURATION).config
    addresses = [address for process in config.processes for address in listening_addresses(config, process)]
    bmp = config.collector.bmp
    assert bmp is not None
    port = free_port([*addresses, *(address for address, _ in bmp.listen)])
    return text.replace(_CONFIGURED_PORT, f"port: {port}").replace(':1790"]', f':{port}"]')


def shortened_timers(config: Config) -> list[str]:
    """Return the timers that differ from their defaults, with the default in parentheses."""
    lines = []
    for timer in ("raise_after", "clear_after"):
        changed = [
            f"{check} {seconds:g} s ({getattr(CATALOGUE[check], timer):g} s)"
            for check, settings in config.checks.items()
            if (seconds := getattr(settings, timer)) is not None
        ]
        lines.append(f"{timer:<12} {', '.join(changed)}")
    settle, default = config.collector.settle, CollectorSection().settle
    return [*lines, f"{'settle':<12} {settle:g} s ({default:g} s)"]
