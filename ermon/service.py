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
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiohttp import web

from ermon.checks.catalogue import BUILT_CHECKS
from ermon.config import ConfigError, LoadedConfig, load_config
from ermon.exabgp import channel, relay
from ermon.exabgp.channel import ExaBGPError
from ermon.exabgp.configure import PasswordError
from ermon.exabgp.decode import Decoder, Rejected
from ermon.exabgp.process import ExaBGP, Reload
from ermon.inventory import Config, Severity
from ermon.lints import lint
from ermon.maintenance_book import MaintenanceBook
from ermon.model import (
    Event,
    FeedRequest,
    MessagesLost,
    ProcessDown,
    ProcessUp,
    SessionDown,
    SessionUp,
    SourceJudged,
    Transition,
    TransitionState,
)
from ermon.monitor import Monitor, Outcome
from ermon.secrets import SecretError, read_md5_passwords
from ermon.sources.fetch import Fetcher
from ermon.sources.keeper import SourceKeeper
from ermon.sources.key import SourceKey
from ermon.sources.policy import with_published
from ermon.sources.published import MAX_BYTES, PublishedList
from ermon.sources.record import MemoryRecords
from ermon.sources.store import FolderRecords, ListFiles
from ermon.telemetry import Telemetry
from ermon.web.app import WebContext, make_app, make_runner
from ermon.web.events import EventHub

SLICE_LINES = 200
"""Lines taken in before everything else gets a turn: some ten milliseconds."""
CATCH_UP_SECONDS = 5.0
"""How long the clock waits for a relay that has more to say, before it goes on without."""
REJECTIONS_LOGGED_EVERY_SECONDS = 10.0
"""Rejected lines are all counted; one for each reason is logged in this time."""
GARBAGE_THRESHOLD = 100_000
"""Objects made before Python looks for cycles: with a table in memory, looking takes tens of milliseconds,
and what ermon holds has no cycles worth the wait.
"""

Updated = Callable[[SourceKey, PublishedList], None]
Judged = Callable[[SourceKey, str | None], None]

_LEVELS = {Severity.CRITICAL: "error", Severity.WARNING: "warning", Severity.INFO: "info"}


@dataclass(frozen=True, slots=True)
class Options:
    config_file: Path
    listen: tuple[tuple[str, int], ...]
    runtime: Path
    lifecycle: bool
    storage: Path | None = None
    """Where what must outlive ermon is kept; ``None``: nowhere."""
    relay_buffer_limit: int = relay.BUFFER_LIMIT
    """Bytes that each relay holds for ermon."""


class StartError(Exception):
    """ermon cannot start; the text says what is wrong and what to do."""


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
        self._decoder = Decoder(config.feeds)
        self._processes: dict[str, ExaBGP] = {}
        self._readers: dict[str, asyncio.Task[None]] = {}
        self._passwords = passwords
        self._clock_changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._maintenance = MaintenanceBook()
        self._rejections: dict[str, float] = {}
        self._started_at = now
        self._sources = make_keeper(options, self._source_updated, self._source_judged)
        self.telemetry.source_age = self._source_age

    # Life --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT."""
        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            stack.callback(self._cancel_readers)
            self._tasks = tasks
            await stack.enter_async_context(self._signals())
            await stack.enter_async_context(self._web())
            stack.push_async_callback(self._stop_processes)
            for name in self.monitor.config.processes:
                await self._start_process(name)
            self._sources.reconfigure(self._config.sources)
            for task in (self._keep_time(), self._sources.run()):
                stack.callback(tasks.create_task(task).cancel)
            self._take(self.monitor.settle(time.time()))
            self._log.info(
                "ermon runs", feeds=len(self.monitor.config.feeds), runtime=str(self.options.runtime)
            )
            await self._stopping.wait()
            self._log.info("ermon stops")

    @asynccontextmanager
    async def _signals(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._tasks.create_task(self._reload_on_signal()))
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    async def _reload_on_signal(self) -> None:
        await self.reload()

    @asynccontextmanager
    async def _web(self) -> AsyncIterator[None]:
        context = WebContext(
            monitor=lambda: self.monitor,
            telemetry=self.telemetry,
            hub=self.hub,
            ready=self.ready,
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

    def ready(self) -> tuple[bool, str]:
        """Tell whether every ExaBGP is up and listening, and if not, which is not."""
        up = {name for name, process in self._processes.items() if process.up}
        missing = [name for name in self.monitor.config.processes if name not in up]
        return (not missing, f"ExaBGP is not up yet: {', '.join(missing)}" if missing else "ready")

    # ExaBGP ------------------------------------------------------------------------------------------

    async def _start_process(self, name: str) -> None:
        process = ExaBGP(
            name,
            self.monitor.config,
            self._passwords,
            self.options.runtime,
            buffer_limit=self.options.relay_buffer_limit,
        )
        await process.start()
        self._processes[name] = process
        self._readers[name] = self._tasks.create_task(self._read(process))

    async def _stop_process(self, name: str) -> None:
        process, reader = self._processes.pop(name), self._readers.pop(name)
        await process.stop()
        await reader

    async def _stop_processes(self) -> None:
        async with asyncio.TaskGroup() as group:
            for name in list(self._processes):
                group.create_task(self._stop_process(name))

    def _cancel_readers(self) -> None:
        for reader in self._readers.values():
            reader.cancel()

    async def _read(self, process: ExaBGP) -> None:
        """Take in what one ExaBGP says until it is stopped."""
        async for message in process.messages():
            if self._stopping.is_set() or process.name not in self._processes:
                continue  # its end is wanted, and nothing to report
            now = time.time()
            match message:
                case channel.Lines(lines):
                    await self._take_lines(lines)
                    continue
                case channel.Started(pid):
                    self._log.info("exabgp started", process=process.name, pid=pid)
                    self._decoder.process_started(process.name, pid)
                    self._apply(ProcessUp(now, process.name))
                case channel.Stopped(reason):
                    self._log.error("exabgp stopped", process=process.name, reason=reason)
                    self._apply(ProcessDown(now, process.name, reason))
                case channel.Dropped(count):
                    self._lose(process, f"the relay's buffer was full: {count} lines of its process are gone")
                case channel.RelayLost():
                    self._lose(process, "the relay died")
            self._note_process(process)
            self._take(self.monitor.settle(now))

    def _note_process(self, process: ExaBGP) -> None:
        self.telemetry.process(
            process.name, up=process.up, restarts=process.restarts, dropped=process.relay_dropped
        )

    def _lose(self, process: ExaBGP, reason: str) -> None:
        """Nobody can tell whose messages are gone: every feed of the process must send again."""
        self._log.warning("messages lost", process=process.name, reason=reason)
        for feed in self.monitor.config.feeds.values():
            if feed.process == process.name:
                self._apply(MessagesLost(time.time(), feed.name, 0, reason))

    async def _take_lines(self, lines: list[bytes]) -> None:
        for start in range(0, len(lines), SLICE_LINES):
            for line in lines[start : start + SLICE_LINES]:
                decoded = self._decoder.decode(line)
                self.telemetry.line()
                if decoded.rejected is not None:
                    self._reject(decoded.rejected)
                for event in decoded.events:
                    self._apply(event)
            self._take(self.monitor.settle(self.monitor.now))
            await asyncio.sleep(0)

    def _apply(self, event: Event) -> None:
        match event:
            case SessionUp(feed=feed):
                self._log.info("session up", feed=feed)
            case SessionDown(feed=feed, reason=reason):
                self._log.info("session down", feed=feed, reason=reason)
            case _:
                pass
        self.monitor.apply(event)
        self.telemetry.message(event.time)

    def _reject(self, rejected: Rejected) -> None:
        self.telemetry.rejected(rejected.reason)
        now = time.monotonic()
        if now - self._rejections.get(rejected.reason, float("-inf")) >= REJECTIONS_LOGGED_EVERY_SECONDS:
            self._rejections[rejected.reason] = now
            self._log.warning(
                "line rejected", reason=str(rejected.reason), detail=rejected.detail, line=rejected.line
            )

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
            await self._catch_up()
            self._take(self.monitor.settle(now))

    async def _catch_up(self) -> None:
        """Return when everything that ExaBGP had said before has been taken in."""
        pings = [self._ping(process) for process in self._processes.values() if process.up]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CATCH_UP_SECONDS):
                await asyncio.gather(*pings)

    @staticmethod
    async def _ping(process: ExaBGP) -> None:
        with contextlib.suppress(ExaBGPError):
            await process.ping()

    # What comes of it --------------------------------------------------------------------------------

    def _take(self, outcome: Outcome) -> None:
        """Hand on what the monitor has found, and carry out what it asks for."""
        now = time.time()
        for message_time in outcome.detections:
            self.telemetry.detected(now - message_time)
        for transition in outcome.transitions:
            self._report(transition)
        self.hub.publish_outcome(self.monitor, outcome)
        for request in outcome.requests:
            self._tasks.create_task(self._ask(request))
        self._clock_changed.set()

    def _report(self, transition: Transition) -> None:
        finding = transition.finding
        raised = transition.state is TransitionState.RAISED
        if raised:
            self.telemetry.raised(finding.check)
        log = getattr(self._log, _LEVELS[finding.severity] if raised else "info")
        log(
            "finding raised" if raised else "finding cleared",
            check=finding.check,
            severity=str(finding.severity),
            summary=finding.summary,
            **finding.labels,
            evidence=finding.evidence,
            **(
                {}
                if finding.ended_at is None
                else {"lasted_seconds": round(finding.ended_at - finding.since, 3)}
            ),
        )

    async def _ask(self, request: FeedRequest) -> None:
        feed = self.monitor.config.feeds.get(request.feed)
        process = self._processes.get(feed.process) if feed is not None else None
        if feed is None or process is None:
            return
        self._log.info("asking again", feed=feed.name, by=request.action, reason=request.reason)
        if request.action == "refresh":
            await process.refresh(feed, request.families)
        else:
            await process.teardown(feed)

    def _heed_maintenance(self) -> None:
        now = time.time()
        self.monitor.maintain([booked.window for booked in self._maintenance.windows()], now)
        self._take(self.monitor.settle(now))

    # Published lists ---------------------------------------------------------------------------------

    def _source_updated(self, source: SourceKey, published: PublishedList) -> None:
        self._log.info("published list", source=source.name, prefixes=len(published.prefixes))
        now = time.time()
        self.monitor.reconfigure(with_published(self._config, self._sources.lists()), now)
        self._source_judged(source, None)

    def _source_judged(self, source: SourceKey, problem: str | None) -> None:
        now = time.time()
        self.monitor.apply(SourceJudged(now, source.name, problem))
        self._take(self.monitor.settle(now))

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
        for name in config.processes:
            ExaBGP(name, config, passwords, self.options.runtime)  # raises if it cannot be configured
        self._passwords = passwords
        self._config = config
        self._sources.reconfigure(config.sources)
        self.monitor.reconfigure(with_published(config, self._sources.lists()), time.time())
        self._decoder.set_feeds(config.feeds)
        self.telemetry.reconfigure(config)
        for name in [name for name in self._processes if name not in config.processes]:
            await self._stop_process(name)
        for name in config.processes:
            if name not in self._processes:
                await self._start_process(name)
            elif await self._processes[name].reload(config, passwords) is Reload.RESTARTED:
                self._log.warning(
                    "exabgp restarts", process=name, reason="a listening address or its TTL security changed"
                )
        self._take(self.monitor.settle(time.time()))


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
