"""The daemon: wires ExaBGP, the core, the logs and the web together, and stops them all.

The way of a route: an ``ExaBGP`` yields lines, the decoder makes events of them, the monitor takes them
in, and what it raises or clears goes out to the log and to whoever listens.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from aiohttp import web

from ermon.checks.catalogue import BUILT_CHECKS
from ermon.config import ConfigError, LoadedConfig, load_config
from ermon.exabgp.channel import ExaBGPError
from ermon.exabgp.configure import PasswordError
from ermon.inventory import Config
from ermon.lints import lint
from ermon.logs import log_transition
from ermon.maintenance_book import MaintenanceBook
from ermon.model import SourceJudged, Transition, TransitionState
from ermon.monitor import Monitor
from ermon.options import Options, StartError
from ermon.secrets import SecretError, read_md5_passwords
from ermon.sources.fetch import Fetcher
from ermon.sources.keeper import SourceKeeper
from ermon.sources.key import SourceKey
from ermon.sources.policy import with_published
from ermon.sources.published import MAX_BYTES, PublishedList
from ermon.sources.record import MemoryRecords
from ermon.sources.store import FolderRecords, ListFiles
from ermon.speakers import Speakers
from ermon.telemetry import Telemetry
from ermon.web.app import WebContext, make_app, make_runner
from ermon.web.events import EventHub

GARBAGE_THRESHOLD = 100_000
"""Objects made before Python looks for cycles: with a table in memory, looking takes tens of milliseconds,
and what ermon holds has no cycles worth the wait.
"""

Updated = Callable[[SourceKey, PublishedList], None]
Judged = Callable[[SourceKey, str | None], None]


class Service:
    """One running ermon."""

    def __init__(self, options: Options, loaded: LoadedConfig, passwords: dict[str, str]) -> None:
        now = time.time()
        config = loaded.config
        self.options = options
        self._config = config
        self.monitor = Monitor(with_published(config, {}), now)
        self.telemetry = Telemetry(config)
        self.hub = EventHub()
        self._log = structlog.get_logger()
        self._speakers = Speakers(
            options, config, passwords, self.telemetry, apply=self.monitor.apply, settle=self._settle
        )
        self._clock_changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._maintenance = MaintenanceBook()
        self._started_at = now
        self._sources = make_keeper(options, self._source_updated, self._source_judged)
        self.telemetry.source_age = self._source_age

    # Life --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT."""
        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            stack.callback(self._speakers.cancel)
            self._tasks = tasks
            await stack.enter_async_context(self._signals())
            await stack.enter_async_context(self._web())
            stack.push_async_callback(self._speakers.stop)
            await self._speakers.start(tasks)
            self._sources.reconfigure(self._config.sources)
            for task in (self._keep_time(), self._sources.run()):
                stack.callback(tasks.create_task(task).cancel)
            self._settle(time.time())
            self._log.info(
                "ermon runs", feeds=len(self.monitor.config.feeds), runtime=str(self.options.runtime)
            )
            await self._stopping.wait()
            self._log.info("ermon stops")

    @asynccontextmanager
    async def _signals(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._tasks.create_task(self._reload_on_signal()))
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self._speakers.end()
        self._stopping.set()

    async def _reload_on_signal(self) -> None:
        await self.reload()

    @asynccontextmanager
    async def _web(self) -> AsyncIterator[None]:
        context = WebContext(
            monitor=lambda: self.monitor,
            telemetry=self.telemetry,
            hub=self.hub,
            ready=self._speakers.ready,
            reload=self.reload,
            lifecycle=self.options.lifecycle,
            started_at=self._started_at,
            maintenance=self._maintenance,
            maintenance_changed=self._heed_maintenance,
        )
        runner = make_runner(make_app(context))
        await runner.setup()
        try:
            for host, port in self.options.listen:
                try:
                    site = web.TCPSite(runner, host, port)
                    await site.start()
                except OSError as error:
                    raise StartError(
                        f"--web.listen-address={host}:{port}: cannot listen there: {error.strerror or error}"
                    ) from error
                for address in runner.addresses:
                    self._log.info("web listens", address=f"http://{address[0]}:{address[1]}")
            yield
        finally:
            await runner.cleanup()

    # Time --------------------------------------------------------------------------------------------

    async def _keep_time(self) -> None:
        """Settle when the next deadline comes, and never before all that was said until then is taken in.

        Otherwise a stopped ermon would, when it goes on, raise what was mended long before.
        """
        while True:
            self._clock_changed.clear()
            deadline = self.monitor.next_deadline()
            wait = None if deadline is None else max(0.0, deadline - time.time())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):  # Python 3.11's wait_for may swallow a cancellation
                    await self._clock_changed.wait()
                continue
            now = time.time()
            await self._speakers.catch_up()
            self._settle(now)

    # What comes of it --------------------------------------------------------------------------------

    def _settle(self, now: float | None) -> None:
        """Let time pass until ``now``, hand on what the monitor has found, and carry out what it asks for."""
        outcome = self.monitor.settle(self.monitor.now if now is None else now)
        clock = time.time()
        for message_time in outcome.detections:
            self.telemetry.detected(clock - message_time)
        for transition in outcome.transitions:
            self._report(transition)
        self.hub.publish_outcome(self.monitor, outcome)
        for request in outcome.requests:
            self._tasks.create_task(self._speakers.ask(request))
        self._clock_changed.set()

    def _report(self, transition: Transition) -> None:
        if transition.state is TransitionState.RAISED:
            self.telemetry.raised(transition.finding.check)
        log_transition(self._log, transition)

    def _heed_maintenance(self) -> None:
        now = time.time()
        self.monitor.maintain([booked.window for booked in self._maintenance.windows()], now)
        self._settle(now)

    # Published lists ---------------------------------------------------------------------------------

    def _source_updated(self, source: SourceKey, published: PublishedList) -> None:
        self._log.info("published list", source=source.name, prefixes=len(published.prefixes))
        now = time.time()
        self.monitor.reconfigure(with_published(self._config, self._sources.lists()), now)
        self._source_judged(source, None)

    def _source_judged(self, source: SourceKey, problem: str | None) -> None:
        now = time.time()
        self.monitor.apply(SourceJudged(now, source.name, problem))
        self._settle(now)

    def _source_age(self, name: str) -> float | None:
        ages = (age for source, age in self._sources.ages().items() if source.name == name)
        return next(ages, None)

    # Reload ------------------------------------------------------------------------------------------

    async def reload(self) -> list[str]:
        """Go over to the configuration file as it is now; return what is wrong with it, and then nothing
        has changed.
        """
        async with self._reloading:
            try:
                loaded = await asyncio.to_thread(
                    load_config, self.options.config_file, built_checks=BUILT_CHECKS
                )
                passwords = read_md5_passwords(loaded.config, self.options.config_file)
                await self._go_over(loaded.config, passwords)
            except (ConfigError, SecretError, PasswordError, ExaBGPError) as error:
                problems = str(error).splitlines()
                for problem in problems:
                    self._log.error("reload refused", problem=problem)
                self.telemetry.reloaded(successful=False)
                return problems
            _log_notes(self._log, loaded)
            self.telemetry.reloaded(successful=True)
            self._log.info("configuration reloaded")
            return []

    async def _go_over(self, config: Config, passwords: dict[str, str]) -> None:
        self._speakers.prepare(config, passwords)
        self._config = config
        self._sources.reconfigure(config.sources)
        self.monitor.reconfigure(with_published(config, self._sources.lists()), time.time())
        self.telemetry.reconfigure(config)
        await self._speakers.reconfigure(config, passwords)
        self._settle(time.time())


def make_keeper(options: Options, updated: Updated, judged: Judged) -> SourceKeeper:
    """Prepare to fetch published lists, and to keep them where there is a place for it."""
    base = options.config_file.parent
    if options.storage is None:
        return SourceKeeper(Fetcher(base, MemoryRecords()), None, updated=updated, rejected=judged)
    folder = options.storage / "sources"
    fetcher = Fetcher(base, FolderRecords(folder))
    return SourceKeeper(fetcher, ListFiles(folder, MAX_BYTES), updated=updated, rejected=judged)


def _log_notes(log: structlog.typing.FilteringBoundLogger, loaded: LoadedConfig) -> None:
    """Log what the configuration says that its author may not mean, and what the inventory lacks."""
    for warning in loaded.warnings:
        log.warning("configuration", problem=str(warning))
    for problem in lint(loaded, time.time()):
        log.info("inventory", problem=str(problem))


async def serve(options: Options, loaded: LoadedConfig) -> None:
    """Run the daemon; raises ``StartError`` when it cannot start."""
    try:
        passwords = read_md5_passwords(loaded.config, options.config_file)
        service = Service(options, loaded, passwords)
    except (SecretError, PasswordError) as error:
        raise StartError(str(error)) from error
    if options.storage is None:
        structlog.get_logger().warning(
            "nothing is kept: without --storage.path, published lists and maintenance windows end with ermon"
        )
    _log_notes(structlog.get_logger(), loaded)
    gc.set_threshold(GARBAGE_THRESHOLD)
    gc.freeze()
    await service.run()
